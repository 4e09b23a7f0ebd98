"""Linear fit clipping: reject what lies off the line of least absolute deviation through the ranked samples."""

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.survivors import HIGH, LOW, Fates, Floats, Stacks, is_zero
from ap_masters.model import Recipe

_FEWEST = 3
FEWEST_AT_FIRST = 5


def reject_linear_fit(stacks: Stacks, recipe: Recipe) -> Fates:
    """Reject, again and again, what lies off the line by so many deviations; any rank may go."""
    fates = np.zeros(stacks.values.shape, np.uint8)
    active = np.arange(stacks.pixels)
    while stacks.frames >= FEWEST_AT_FIRST and len(active):
        counts = (fates[:, active] == 0).sum(0)
        going = []
        for n in np.unique(counts):
            if n >= _FEWEST:
                same = active[counts == n]
                going.append(same[_reject_once(stacks, fates, same, int(n), recipe)])
        active = np.concatenate(going) if going else active[:0]
    return fates


def _reject_once(stacks: Stacks, fates: Fates, pixels: NDArray[np.intp], n: int, recipe: Recipe) -> NDArray[np.bool_]:
    """Fit and reject among the ``n`` survivors of each of ``pixels``; return where something went."""
    rank = np.argsort(fates[:, pixels] != 0, axis=0, kind="stable")[:n]
    r = np.take_along_axis(stacks.values[:, pixels], rank, 0)
    slope, residual = least_absolute_deviation(r)
    deviation = 2 * np.abs(residual).mean(0) * np.sqrt(1 + (slope / stacks.full_scale) ** 2)
    alive = ~is_zero(deviation, stacks.full_scale)
    ratio = residual / np.where(alive, deviation, 1.0)
    low = alive & (ratio < 0) & (-ratio >= recipe.linear_fit_low)
    high = alive & (ratio >= 0) & (ratio >= recipe.linear_fit_high)
    change = low * LOW | high * HIGH
    current = fates[:, pixels]
    np.put_along_axis(current, rank, change, 0)
    fates[:, pixels] = current
    moved: NDArray[np.bool_] = np.any(change, axis=0)
    return moved


def least_absolute_deviation(r: Floats) -> tuple[Floats, Floats]:
    """Return slope and residuals of the exact line of least absolute deviation through (rank, sorted value).

    For a slope b the best intercept is the median of r - b i, and the sum of absolute residuals is, with the
    residuals split at that median, A + b D: A = sum of upper r - sum of lower r, D = sum of lower i - sum of
    upper i. That is one of the tangents of a convex, piecewise linear function of b. The minimum is found by
    cutting planes: from a tangent falling on the left and one not falling on the right, go to where they
    cross; A and D are integers there, so the crossing is an exact fraction P/Q, and so are the residuals times
    Q. The end is reached where the left tangent at P/Q falls and the right one does not: the smallest of all
    best slopes.
    """
    n, pixels = r.shape
    rank = np.arange(n, dtype=np.float64)[:, None]
    p, q = np.zeros(pixels), np.ones(pixels)
    shape = (2, pixels)
    left, right = np.zeros(shape), np.zeros(shape)
    ends = [(r[0] - r[-1]) - 1, (r[-1] - r[0]) + 1]
    left[:] = _tangent(r, ends[0], q, rank, +1)
    right[:] = _tangent(r, ends[1], q, rank, +1)
    todo = np.arange(pixels)
    while len(todo):
        p[todo] = left[0, todo] - right[0, todo]
        q[todo] = right[1, todo] - left[1, todo]
        part = r[:, todo]
        before = _tangent(part, p[todo], q[todo], rank, -1)
        after = _tangent(part, p[todo], q[todo], rank, +1)
        # A tangent that is no nearer than the one there was is the same again: samples that are no integers cross
        # a little beside p/q, and would for ever.
        too_steep = (before[1] >= 0) & (before[1] < right[1, todo])
        too_flat = (after[1] < 0) & (after[1] > left[1, todo])
        right[:, todo[too_steep]] = before[:, too_steep]
        left[:, todo[too_flat]] = after[:, too_flat]
        todo = todo[too_steep | too_flat]
    scaled = r * q - p * rank
    ordered = np.sort(scaled, axis=0)
    residual = (scaled - (ordered[(n - 1) // 2] + ordered[n // 2]) / 2) / q
    return p / q, residual


def _tangent(r: Floats, p: Floats, q: Floats, rank: Floats, side: int) -> Floats:
    """Return (A, D) of the tangent at slope p/q, approached from below (side -1) or from above (+1).

    Equal residuals are split by rank: just above the slope the higher rank is lower, just below it higher.
    """
    n = len(r)
    key = r * q - p * rank
    order = np.lexsort((-side * np.broadcast_to(rank, key.shape), key), axis=0)
    lower, upper = order[: n // 2], order[(n + 1) // 2 :]
    a = np.take_along_axis(r, upper, 0).sum(0) - np.take_along_axis(r, lower, 0).sum(0)
    return np.stack([a, (lower.sum(0) - upper.sum(0)).astype(np.float64)])
