"""The screens of sigma, averaged sigma and percentile clipping: stacks whose median lies where nothing is rejected.

These rules reject what is too far from the median. So the least and the greatest sample of a stack tell between which
limits its median has to lie for nothing to be rejected; and where more than half of the samples lie between them, it
does. That takes no sorting: samples are looked at for their moments (``moments.py``), and once more to be counted.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening.moments import Moments, Row
from ap_masters.engines.numpy.screening.stacks import F32, MARGIN, Bools
from ap_masters.model import Recipe

_TINY: Final = 1e-9
_SQUARE: Final = 1e-6  # relative error of a float32 sum of squares, and of what is subtracted from it
_ROUNDING: Final = 0.02  # of a limit in counts that is not exact anyway
_MOST: Final = 255  # samples counted in eight bits
_LOWEST, _HIGHEST = -32768.0, 32767.0


class Tile(NamedTuple):
    """Moments, and the differences x - middle they are of; a count is x + ``zero`` + something from 0 to ``slack``."""

    moments: Moments
    rows: Sequence[Row]
    zero: float
    slack: float


class Limits(NamedTuple):
    """Nothing is rejected where the median lies between these, both included: counts, less that of the middle."""

    low: F32
    high: F32


LimitsOf = Callable[[Tile, Recipe, Scratch], Limits]


def sigma_limits(tile: Tile, recipe: Recipe, scratch: Scratch) -> Limits:
    """Return the limits for sigma clipping.

    Nothing goes when median - least <= k_low s and greatest - median <= k_high s; s^2 is sum (x - mean)^2 / (n - 1).
    """
    deviation = _least_deviation(tile, scratch)
    low, high = _ends(tile, scratch)
    reach = scratch.row("reach", np.float32, len(deviation))
    np.multiply(deviation, np.float32(recipe.sigma_high), out=reach)
    np.subtract(low, reach, out=low)
    np.multiply(deviation, np.float32(recipe.sigma_low), out=reach)
    np.add(high, reach, out=high)
    return Limits(low, high)


def averaged_limits(tile: Tile, recipe: Recipe, scratch: Scratch) -> Limits:
    """Return the limits for averaged sigma clipping.

    Its first s is q sqrt(m0), that is s^2 = sum (x - m0)^2 / (n - 1), which is not less than the square of the
    standard deviation; it wants a median above zero besides.
    """
    low, high = sigma_limits(tile, recipe, scratch)
    zero = _level(tile, scratch)
    np.subtract(np.float32(1), zero, out=zero)
    return Limits(np.maximum(low, zero, out=low), high)


def percentile_limits(tile: Tile, recipe: Recipe, scratch: Scratch) -> Limits:
    """Return the limits for percentile clipping.

    Of a median m above zero nothing goes when m - least <= p_low m and greatest - m <= p_high m.
    """
    low, high = _ends(tile, scratch)
    level = _level(tile, scratch)
    least = max(1 - recipe.percentile_low, _TINY)
    for end, factor in ((low, 1 / (1 + recipe.percentile_high) / MARGIN), (high, MARGIN / least)):
        np.add(end, level, out=end)
        np.multiply(end, np.float32(factor), out=end)
    np.maximum(low, 1, out=low)
    for end in (low, high):
        np.subtract(end, level, out=end)
    return Limits(low, high)


def unproven(tile: Tile, limits: Limits, scratch: Scratch) -> Bools:
    """Mark where not more than half of a stack's samples are certain to lie between the limits.

    With more than n / 2 samples between them, both central samples are. A sample that is not below the lower limit
    stands for a count that is not; at the upper limit it has to leave room for the slack.
    """
    found, (low, high) = tile.moments, limits
    length = len(low)
    if tile.slack:
        np.subtract(high, np.float32(tile.slack), out=high)
    for end, whole in ((low, np.ceil), (high, np.floor)):
        whole(end, out=end)
        np.maximum(end, _LOWEST, out=end)
        np.minimum(end, _HIGHEST, out=end)
    np.subtract(high, low, out=high)
    marked: Bools = scratch.row("marked", np.bool_, length)
    np.less(high, 0, out=marked)
    np.logical_or(marked, found.wide, out=marked)
    first, width = scratch.row("first between", np.int16, length), scratch.row("width", np.uint16, length)
    np.copyto(first, low, casting="unsafe")
    np.copyto(width, high, casting="unsafe")
    few = np.less(_count_between(tile.rows, first, width, scratch), found.n // 2 + 1)
    np.logical_or(marked, few, out=marked)
    return marked


def _count_between(
    rows: Sequence[Row], first: NDArray[np.int16], width: NDArray[np.uint16], scratch: Scratch
) -> NDArray[Any]:
    """Count the samples of each stack in first..first + width: modulo 2^16, one comparison tells."""
    length = len(first)
    count, inside = (scratch.row(name, np.uint8, length) for name in ("count", "inside"))
    above = scratch.row("above first", np.int16, length)
    total = scratch.row("total count", np.uint16, length)
    total.fill(0)
    for start in range(0, len(rows), _MOST):
        count.fill(0)
        for row in rows[start : start + _MOST]:
            np.subtract(row.view(np.int16), first, out=above)
            np.less_equal(above.view(np.uint16), width, out=inside.view(np.bool_))
            np.add(count, inside, out=count)
        np.add(total, count, out=total)
    return total


def _ends(tile: Tile, scratch: Scratch) -> Limits:
    """Return the greatest count, at most, and the least, at least: where the limits are for a median at the ends."""
    found = tile.moments
    greatest, least = (scratch.row(name, np.float32, len(found.middle)) for name in ("greatest count", "least count"))
    np.copyto(greatest, found.above)
    np.copyto(least, found.below)
    np.negative(least, out=least)
    if tile.slack:
        np.add(greatest, np.float32(tile.slack + _ROUNDING), out=greatest)
    return Limits(greatest, least)


def _level(tile: Tile, scratch: Scratch) -> F32:
    """Return the count of the middle."""
    level = scratch.row("level", np.float32, len(tile.moments.middle))
    np.copyto(level, tile.moments.middle)
    np.add(level, np.float32(tile.zero), out=level)
    return level


def _least_deviation(tile: Tile, scratch: Scratch) -> F32:
    """Return a lower bound of the standard deviation sqrt(sum (x - mean)^2 / (n - 1)), in counts.

    The root of a sum of squared deviations differs from that of the keys by at most that of the parts cut off, that is
    by half of the most there can be, times sqrt(n).
    """
    found, n = tile.moments, tile.moments.n
    deviation, part = (scratch.row(name, np.float32, len(found.middle)) for name in ("deviation", "square of sum"))
    np.copyto(part, found.key_total, casting="same_kind")
    np.multiply(part, part, out=part)
    np.multiply(part, np.float32((1 + _SQUARE) / n), out=part)
    np.multiply(found.squares, np.float32(1 - _SQUARE), out=deviation, casting="same_kind")
    np.subtract(deviation, part, out=deviation)
    np.maximum(deviation, 0, out=deviation)
    np.sqrt(deviation, out=deviation)
    unit = 1 << found.shift
    np.multiply(deviation, np.float32(unit * MARGIN / sqrt(max(n - 1, 1))), out=deviation)
    blur = found.lost + tile.slack
    if blur:
        np.subtract(deviation, np.float32(blur * sqrt(n / max(n - 1, 1)) / 2), out=deviation)
        np.maximum(deviation, 0, out=deviation)
    return deviation
