"""Generalized extreme Studentized deviate rejection (Rosner 1983), as ImageIntegration 1.6.0 runs it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.student import critical_values
from ap_masters.engines.numpy.rejection.survivors import HIGH, LOW, Bools, Fates, Floats, Span, Stacks, decimal, is_zero
from ap_masters.model import Recipe

_FEWEST = 3


def reject_esd(stacks: Stacks, recipe: Recipe) -> Fates:
    """Reject the leading extremes whose statistic reaches the critical value.

    Up to k = clamp(int(outliers * n), 1, n - 2) samples leave one after the other: always the one furthest
    from the trimmed mean in deviations (low ones relaxed), of equal ones the lowest. The first that falls
    short of its critical value, and all after it, stay. What left counts as high above the median of the
    whole stack, else as low.
    """
    n = stacks.frames
    span = Span.everything(stacks)
    if n < _FEWEST:
        return span.fates(n)
    k = min(max(int(decimal(recipe.esd_outliers) * n), 1), n - 2)
    testing = np.arange(stacks.pixels)
    for i, limit in enumerate(critical_values(n, k, recipe.esd_alpha)):
        extreme = _extreme(stacks, span.select(testing), testing, recipe, i)
        leaving = extreme.statistic >= limit
        low = extreme.is_low[leaving]
        testing = testing[leaving]
        span.first[testing[low]] += 1
        span.last[testing[~low]] -= 1
        if not len(testing):
            break
    fates = span.fates(n)
    middle = stacks.twice_median(Span.everything(stacks)) / 2
    return np.where(fates == 0, fates, np.where(stacks.values > middle, HIGH, LOW))


class _Extreme(NamedTuple):
    """The sample of each stack that leaves next: its statistic (-1 without spread), and which end it is."""

    statistic: Floats
    is_low: Bools


def _extreme(stacks: Stacks, span: Span, pixels: NDArray[np.intp], recipe: Recipe, i: int) -> _Extreme:
    """Return the extreme of the ``n - i`` samples that are left of some pixels.

    Distances from the centre are multiplied by the number of samples it is the mean of, so that for whole
    numbers they are whole and two equal ones are equal.
    """
    n = stacks.frames - i
    outliers, relaxation = decimal(recipe.esd_outliers), decimal(recipe.esd_low_relaxation)
    high = max(1, int(outliers * n) - i)
    low = max(1, int(outliers / relaxation * n) - i)
    lowest, highest = stacks.at(span.first, pixels), stacks.at(span.last - 1, pixels)
    pivot = stacks.pivot[pixels]
    if high + low < n - 2:
        count = n - low - high
        total = stacks.sums(Span(span.first + low, span.last - high), pixels)[0]
    else:
        count = 2
        total = stacks.twice_median(span, pixels) - 2 * pivot
    above = (highest - pivot) * count - total
    below = (total - (lowest - pivot) * count) / float(relaxation)
    sum_, squares = stacks.sums(span, pixels)
    deviation = np.sqrt(np.maximum(n * squares - sum_ * sum_, 0) / (n * (n - 1)))
    spread = ~is_zero(deviation, stacks.full_scale)
    statistic = np.maximum(above, below) / (count * np.where(spread, deviation, 1.0))
    return _Extreme(np.where(spread, statistic, -1.0), below >= above)
