"""Rejection in one pass: nothing, a fixed number of extremes, or what is far from the median by a fraction."""

import numpy as np

from ap_masters.engines.numpy.rejection.survivors import Span, Stacks, is_zero
from ap_masters.model import Recipe


def reject_none(stacks: Stacks, recipe: Recipe) -> Span:
    """Reject nothing."""
    return Span.everything(stacks)


def reject_minmax(stacks: Stacks, recipe: Recipe) -> Span:
    """Reject the lowest and highest few; where they are more than there are, nothing survives."""
    n = stacks.frames
    first = np.full(stacks.pixels, min(recipe.minmax_low, n), np.intp)
    return Span(first, np.full(stacks.pixels, max(n - recipe.minmax_high, 0), np.intp))


def reject_percentile(stacks: Stacks, recipe: Recipe) -> Span:
    """Reject, once, what is further from the median than a fraction of the median."""
    span = Span.everything(stacks)
    n = stacks.frames
    median = stacks.median(*span)
    usable = ~is_zero(median, stacks.full_scale)
    if n < 2:
        return span
    for i in range(n):
        with np.errstate(divide="ignore", invalid="ignore"):
            out = usable & (span.first == i) & ((median - stacks.values[i]) / median > recipe.percentile_low)
        span.first[out] += 1
    for i in range(n - 1, -1, -1):
        with np.errstate(divide="ignore", invalid="ignore"):
            out = usable & (span.last == i + 1) & ((stacks.values[i] - median) / median > recipe.percentile_high)
        span.last[out & (span.last > span.first)] -= 1
    return span
