"""Rejection in one pass: nothing, a fixed number of extremes, or what is far from the median by a fraction."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.survivors import EXACT, NEAR, Bools, Floats, Span, Stacks, decimal, is_zero
from ap_masters.model import Recipe


def reject_none(stacks: Stacks, recipe: Recipe) -> Span:
    """Reject nothing."""
    return Span.everything(stacks)


def reject_minmax(stacks: Stacks, recipe: Recipe) -> Span:
    """Reject the lowest, and of the rest the highest few; where they are more than there are, nothing survives."""
    n = stacks.frames
    first = min(recipe.minmax_low, n)
    last = max(n - recipe.minmax_high, first)
    return Span(np.full(stacks.pixels, first, np.intp), np.full(stacks.pixels, last, np.intp))


def reject_percentile(stacks: Stacks, recipe: Recipe) -> Span:
    """Reject, once, what is further from the median than a fraction of the median, strictly.

    Written without division: with the fraction p = a / b and m the sum of the two central samples,
    (m - 2 r) b > a m. A negative median turns the quotient's sign, and with it both sides.
    """
    span = Span.everything(stacks)
    n = stacks.frames
    m = stacks.twice_median(span)
    sign = np.sign(m) * ~is_zero(m / 2, stacks.full_scale)
    if n < 2:
        return span
    going = np.flatnonzero(sign)
    for i in range(n):
        going = going[_is_far(stacks, going, i, m, sign, decimal(recipe.percentile_low), -1)]
        span.first[going] += 1
    going = np.flatnonzero(sign)
    for i in range(n - 1, -1, -1):
        going = going[_is_far(stacks, going, i, m, sign, decimal(recipe.percentile_high), +1)]
        span.last[going] -= 1
    return span


def _is_far(
    stacks: Stacks, pixels: NDArray[np.intp], rank: int, m: Floats, sign: Floats, p: Fraction, side: int
) -> Bools:
    """Return where the sample of ``rank`` lies further from the median than the fraction allows."""
    if not len(pixels):
        return np.zeros(0, np.bool_)
    left = side * sign[pixels] * (2 * stacks.values[rank, pixels] - m[pixels]) * float(p.denominator)
    right = np.abs(m[pixels]) * float(p.numerator)
    result: Bools = left > right
    near = np.abs(left - right) <= NEAR * right
    safe = stacks.whole(pixels) & (np.abs(left) < EXACT) & (right < EXACT)
    n = stacks.frames
    for i in np.flatnonzero(near & ~safe):
        low, high, r = (Fraction(float(stacks.values[j, pixels[i]])) for j in ((n - 1) // 2, n // 2, rank))
        result[i] = side * (2 * r - low - high) / (low + high) > p
    return result
