"""Tolerances: how far apart two numbers may be and still count as one.

They are inclusive, and -15.1 - -16.1 is 1.0000000000000018 in floating point: so much is let pass beside them.
"""

from typing import Final

# Far below what a header tells of degrees, seconds and per cent, far above what subtracting such numbers loses.
_ROUNDING: Final = 1e-9


def inclusive(tolerance: float) -> float:
    """Return the largest difference that is within ``tolerance``."""
    return tolerance + _ROUNDING


def within(a: float, b: float, tolerance: float) -> bool:
    """Whether two numbers are no further apart than ``tolerance``, inclusive."""
    return abs(a - b) <= inclusive(tolerance)


def both_within(a: float | None, b: float | None, tolerance: float) -> bool:
    """Whether two numbers are ``within`` a tolerance, or neither is known: absent equals only absent."""
    if a is None or b is None:
        return a is b
    return within(a, b, tolerance)
