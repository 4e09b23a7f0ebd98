"""Generalized extreme Studentized deviate rejection (Rosner 1983), as ImageIntegration 1.6.0 runs it."""

import numpy as np

from ap_masters.engines.numpy.rejection.student import critical_values
from ap_masters.engines.numpy.rejection.survivors import HIGH, LOW, Fates, Floats, Ranks, Span, Stacks
from ap_masters.model import Recipe

_FEWEST = 3


def reject_esd(stacks: Stacks, recipe: Recipe) -> Span:
    """Reject the leading extremes whose statistic reaches the critical value.

    Up to k = clamp(int(outliers * n), 1, n - 2) samples leave one after the other: always the one furthest
    from the trimmed mean in deviations (low ones relaxed), of equal ones the lowest. The first that falls
    short of its critical value, and all after it, stay.
    """
    n = stacks.frames
    span = Span.everything(stacks)
    if n < _FEWEST:
        return span
    k = min(max(int(recipe.esd_outliers * n), 1), n - 2)
    limits = critical_values(n, k, recipe.esd_alpha)
    first, last = Span.everything(stacks)
    testing = np.ones(stacks.pixels, np.bool_)
    for i in range(k):
        low, high = _statistics(stacks, first, last, recipe, i)
        testing &= np.maximum(low, high) >= limits[i]
        if not testing.any():
            break
        first += testing & (low >= high)
        last -= testing & (low < high)
    return Span(first, last)


def _statistics(stacks: Stacks, first: Ranks, last: Ranks, recipe: Recipe, i: int) -> tuple[Floats, Floats]:
    """Return the statistics of the lowest and the highest remaining sample; both -1 where there is no spread."""
    n = stacks.frames - i
    high = max(1, int(recipe.esd_outliers * n) - i)
    low = max(1, int(recipe.esd_outliers / recipe.esd_low_relaxation * n) - i)
    rank = np.arange(stacks.frames)[:, None]
    inside = (rank >= first) & (rank < last)
    if high + low < n - 2:
        trimmed = (rank >= first + low) & (rank < last - high)
        centre = np.where(trimmed, stacks.values, 0).sum(0) / (n - low - high)
    else:
        centre = stacks.median(first, last)
    count = np.maximum(last - first, 2)
    mean = np.where(inside, stacks.values, 0).sum(0) / count
    deviation = np.sqrt((np.where(inside, stacks.values - mean, 0) ** 2).sum(0) / (count - 1))
    spread = deviation > 0
    safe = np.where(spread, deviation, 1.0)
    below = (centre - stacks.at(np.minimum(first, stacks.frames - 1))) / (recipe.esd_low_relaxation * safe)
    above = (stacks.at(np.maximum(last - 1, 0)) - centre) / safe
    return np.where(spread, below, -1.0), np.where(spread, above, -1.0)


def esd_fates(stacks: Stacks, span: Span) -> Fates:
    """Return the fates: what left counts as high above the median of the whole stack, else as low."""
    fates = span.fates(stacks.frames)
    everything = Span.everything(stacks)
    above = stacks.values > stacks.median(*everything)
    return np.where(fates == 0, fates, np.where(above, HIGH, LOW))
