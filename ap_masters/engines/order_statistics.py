"""Exact order statistics of a master that is read in runs: median, median deviation, hot and cold pixels.

A few samples, set aside while the master was made, tell in which narrow ranges the median, the median deviation and
the limits of hot and cold pixels lie. One look at all samples counts what is outside those ranges and keeps what
is inside, so that the result is exact. Where a range turns out not to hold its value, bit patterns are counted
instead (``counting.py``).
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.counting import keys, median_by_counting, values
from ap_masters.engines.medians import middle_ranks
from ap_masters.model import ROBUST_SIGMA

Rows = NDArray[np.float32]

_DEFECT: Final = 5.0
_WIDTH: Final = 0.006  # of the samples, on each side of a value that is looked for: four times what a sample errs by
_KEPT: Final = 1 << 20  # samples kept of one range until equal ones are counted together
_MANY: Final = 1 / 16  # of a run that lie in one range: several times as many as where samples are spread evenly
_FEW_VALUES: Final = 4  # that are looked for one by one, which takes a pass each
_MOST_VALUES: Final = 1 << 22
_MOST_COUNTED: Final = 1 << 18  # float32s, one beside the other: their counts stay in the cache


class OrderStatistics(NamedTuple):
    """Median, median absolute deviation, and how many samples lie beyond 5 robust sigma of the median, strictly."""

    median: float
    mad: float
    hot: int
    cold: int


class _Missed(Exception):
    """A range does not hold the value it was meant to hold."""


class _Range(NamedTuple):
    """Samples from ``low`` to ``high``, both included."""

    low: np.float32
    high: np.float32


def order_statistics(sample: Rows, runs: Callable[[], Iterator[Rows]]) -> OrderStatistics:
    """Return the exact order statistics of the samples that ``runs`` yields anew at each call.

    ``sample`` is some of them, from all over; it makes the work short and has no part in the result.
    """
    try:
        return _by_ranges(sample, runs)
    except _Missed:
        return _by_counting(runs)


def _by_ranges(sample: Rows, runs: Callable[[], Iterator[Rows]]) -> OrderStatistics:
    """Look for the values in the ranges where a sample has them."""
    first, before, median, after, last = _quantiles(sample, *(0.5 + part * _WIDTH for part in (-1, -0.5, 0, 0.5, 1)))
    near, far = _quantiles(np.abs(sample - median), 0.5 - _WIDTH, 0.5 + _WIDTH)
    error, limit = after - before, _DEFECT * ROBUST_SIGMA
    ranges = [
        _Range(first, last),
        *_mirrored(median, near, far, error),
        *_mirrored(median, limit * near, limit * far, error),
    ]
    middle, lower, upper, cold, hot = _look(ranges, runs)
    exact = _median(middle)
    mad = _deviation(lower, upper, exact)
    reach = limit * mad
    return OrderStatistics(exact, mad, hot.beyond(exact + reach, 1), cold.beyond(exact - reach, -1))


def _quantiles(samples: Rows, *fractions: float) -> Iterator[np.float32]:
    """Yield the samples that have so much of all of them below; selecting takes less time than sorting."""
    ranks = [int(fraction * (len(samples) - 1) + 0.5) for fraction in fractions]
    selected = np.partition(samples, ranks)
    yield from (np.float32(selected[rank]) for rank in ranks)


def _mirrored(median: np.float32, near: np.float32, far: np.float32, error: np.float32) -> tuple[_Range, _Range]:
    """Return the ranges below and above the median at distances near..far, with room for the median's own error."""
    return _Range(median - far - error, median - near + error), _Range(median + near - error, median + far + error)


class _Values(NamedTuple):
    """Different values in ascending order, and how often each occurs."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]

    def at(self, rank: int) -> float:
        """Return the value of a rank, counted from 0. Raises _Missed when there is none."""
        found = int(np.searchsorted(np.cumsum(self.counts), rank, side="right"))
        if rank < 0 or found == len(self.values):
            raise _Missed
        return float(self.values[found])


class _Found(NamedTuple):
    """What there is of one range: its samples, and how many lie below and above it."""

    range: _Range
    inside: _Values
    below: int
    above: int

    @property
    def end(self) -> int:
        """The first rank above the range."""
        return self.below + int(self.inside.counts.sum())

    def beyond(self, limit: float, side: int) -> int:
        """Count the samples beyond a limit, strictly. Raises _Missed when the limit is not in the range."""
        if not self.range.low <= limit <= self.range.high:
            raise _Missed
        outside = self.above if side > 0 else self.below
        return outside + int(self.inside.counts[(self.inside.values - limit) * side > 0].sum())


def _look(ranges: list[_Range], runs: Callable[[], Iterator[Rows]]) -> list[_Found]:
    """Go through all samples once. Raises _Missed when the ranges hold too many different values."""
    inside = [_Inside(span) for span in ranges]
    below, count = [0] * len(ranges), 0
    for samples in runs():
        count += len(samples)
        for i, (low, high) in enumerate(ranges):
            reached = samples >= low
            below[i] += len(samples) - int(np.count_nonzero(reached))
            reached &= samples <= high
            inside[i].add(samples, reached)
    found = [kept.all() for kept in inside]
    return [
        _Found(ranges[i], values, below[i], count - below[i] - int(values.counts.sum()))
        for i, values in enumerate(found)
    ]


class _Inside:
    """What lies in one range, run by run."""

    def __init__(self, span: _Range) -> None:
        self._known = _Values(np.array([span.low], np.float64), np.zeros(1, np.int64))
        self._is_one_value = span.low == span.high
        self._fresh: list[Rows] = []

    def add(self, samples: Rows, held: NDArray[np.bool_]) -> None:
        """Take in the samples that are ``held``: keep them for now, unless they are all of a few known values.

        In medians of whole numbers a range may be one value, or hold two or three of which there are so many that
        keeping them takes long.
        """
        count = np.count_nonzero(held)
        if self._is_one_value:
            self._known.counts[0] += count
            return
        if not count:
            return
        many = count > _MANY * len(samples)
        if many and len(self._known.values) <= _FEW_VALUES:
            counts = [np.count_nonzero(samples == np.float32(value)) for value in self._known.values]
            if sum(counts) == count:
                self._known.counts[:] += counts
                return
        self._fresh.append(samples.take(np.flatnonzero(held)))
        if many or sum(map(len, self._fresh)) > _KEPT:
            self._merge()

    def all(self) -> _Values:
        """Return all that has been taken in. Raises _Missed when these are too many different values."""
        if self._fresh:
            self._merge()
        return self._known

    def _merge(self) -> None:
        new, counts = _counted(np.concatenate(self._fresh))
        both, where = np.unique(np.concatenate([self._known.values, new.astype(np.float64)]), return_inverse=True)
        if len(both) > _MOST_VALUES:
            raise _Missed
        total = np.bincount(where, np.concatenate([self._known.counts, counts]), len(both))
        self._known, self._fresh = _Values(both, total.astype(np.int64)), []


def _counted(samples: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """Return the different values in ascending order, and how often each occurs; where they are close, by counting."""
    bits = keys(samples)
    least = bits.min()
    if bits.max() - least > _MOST_COUNTED:
        return np.unique(samples, return_counts=True)
    counts = np.bincount((bits - least).astype(np.intp))
    occurring = np.flatnonzero(counts)
    return values(occurring.astype(np.uint32) + least), counts[occurring]


def _median(found: _Found) -> float:
    low, high = middle_ranks(found.end + found.above)
    return (found.inside.at(low - found.below) + found.inside.at(high - found.below)) / 2


def _deviation(lower: _Found, upper: _Found, median: float) -> float:
    """Return the median absolute deviation, from the samples at about that distance on either side.

    What lies between the two ranges is nearer and is only counted; what lies outside is further away. Both are
    checked on the ranges' ends. Distances are rounded to float32, as those that are counted are.
    """
    nearer = upper.below - lower.end
    if lower.range.high >= upper.range.low:
        raise _Missed
    distances = np.abs(np.concatenate([lower.inside.values, upper.inside.values]) - median)
    order = np.argsort(distances, kind="stable")
    both = _Values(distances[order], np.concatenate([lower.inside.counts, upper.inside.counts])[order])
    first, last = (both.at(rank - nearer) for rank in middle_ranks(lower.end + lower.above))
    if max(median - lower.range.high, upper.range.low - median) > first:
        raise _Missed
    if min(median - lower.range.low, upper.range.high - median) < last:
        raise _Missed
    return float(np.float32(first).astype(np.float64) + np.float32(last)) / 2


def _by_counting(runs: Callable[[], Iterator[Rows]]) -> OrderStatistics:
    """Count bit patterns: for masters most of whose samples are equal, and others that a sample says little about."""
    median = median_by_counting(runs) or 0.0
    mad = median_by_counting(lambda: (np.abs(run.astype(np.float64) - median).astype(np.float32) for run in runs()))
    reach = _DEFECT * ROBUST_SIGMA * (mad or 0.0)
    hot = cold = 0
    for run in runs():
        samples = run.astype(np.float64)
        hot += int(np.count_nonzero(samples > median + reach))
        cold += int(np.count_nonzero(samples < median - reach))
    return OrderStatistics(median, mad or 0.0, hot, cold)
