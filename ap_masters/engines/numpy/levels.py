"""The level of a frame: what flats are brought to a common brightness by, and what warns of a shutter left open."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.counting import mean_of_ranks, median_by_counting, middle_ranks
from ap_masters.engines.numpy.order import Source

_STEP: Final = 65535.0  # the range is open by one step of 16-bit counts at both ends
_RUN: Final = 1 << 17
_SAMPLED_RUNS: Final = 256  # from all over the frame: many short ones, as light falls off towards the corners
_SAMPLED_RUN: Final = 1 << 8
_BRACKET: Final = 0.012  # of the samples at each side of the median; six times what a sample of 65536 errs by
_MOST_KEPT: Final = 1 / 8


def location(source: Source, index: int, channel: int, plane: int, full_scale: float) -> float | None:
    """Return the median, in counts, of one frame's samples inside the open range (1/65535, 1 - 1/65535).

    None when there are none. That is ImageIntegration's location estimate for rejection normalization
    and multiplicative output normalization. It is taken over one channel of the whole frame; the four
    colours of a colour filter array, which PixInsight holds in one channel, have one level together.

    Exact, and in one pass over the frame as a rule: a few thousand samples tell between which two values the median
    lies; what is below is counted, what is between is kept. Where that fails, bit patterns are counted instead.
    """
    step = full_scale / _STEP
    low, high = step - source.zero, full_scale - step - source.zero
    found = _between(source, index, channel, plane, low, high)
    if found is None:
        found = median_by_counting(lambda: _inside(source, index, channel, plane, low, high))
    return None if found is None else found + source.zero


class LevelOf:
    """Finds the level of each channel of a frame, None where it has none; a function of the frame's index."""

    def __init__(self, source: Source, *, channels: int, plane: int, full_scale: float) -> None:
        self._source, self._channels, self._plane, self._full_scale = source, channels, plane, full_scale

    def __call__(self, index: int) -> tuple[int, list[float | None]]:
        """Return the index and the levels, in counts."""
        found = [location(self._source, index, c, self._plane, self._full_scale) for c in range(self._channels)]
        return index, found


def sampled_runs(source: Source, index: int, channel: int, plane: int) -> Iterator[NDArray[Any]]:
    """Yield short runs of samples from all over one frame's channel."""
    size = min(_SAMPLED_RUN, plane)
    for start in np.unique(np.linspace(0, plane - size, _SAMPLED_RUNS).astype(np.int64)):
        yield source.read(index, channel, int(start), size).astype(source.dtype)


def _sample(source: Source, index: int, channel: int, plane: int) -> NDArray[Any]:
    return np.concatenate(list(sampled_runs(source, index, channel, plane)))


def _runs(source: Source, index: int, channel: int, plane: int) -> Iterator[NDArray[Any]]:
    """Yield all samples; each run is valid until the next."""
    buffer = np.empty(min(_RUN, plane), source.dtype)
    for start in range(0, plane, _RUN):
        run = buffer[: min(_RUN, plane - start)]
        np.copyto(run, source.read(index, channel, start, len(run)))
        yield run


def _inside(
    source: Source, index: int, channel: int, plane: int, low: float, high: float
) -> Iterator[NDArray[np.float32]]:
    for run in _runs(source, index, channel, plane):
        yield run[(run > low) & (run < high)].astype(np.float32)


def _between(source: Source, index: int, channel: int, plane: int, low: float, high: float) -> float | None:
    """Return the exact median of the samples in the open range, or None when the bracket does not hold it."""
    sample = np.sort(_sample(source, index, channel, plane))
    sample = sample[(sample > low) & (sample < high)]
    if not len(sample):
        return None
    bottom = sample[int((0.5 - _BRACKET) * (len(sample) - 1))]
    top = sample[-1 - int((0.5 - _BRACKET) * (len(sample) - 1))]
    count, below, kept = 0, 0, []
    size = 0
    for run in _runs(source, index, channel, plane):
        outside = 0
        if run.min() <= low or run.max() >= high:
            outside = int(np.count_nonzero(run <= low))
            count -= int(np.count_nonzero(run >= high))
        count += len(run) - outside
        reached = run >= bottom
        below += len(run) - int(np.count_nonzero(reached)) - outside
        reached &= run <= top
        kept.append(run.take(np.flatnonzero(reached)))
        size += len(kept[-1])
        if size > max(_MOST_KEPT * plane, _RUN):
            return None
    middle = np.concatenate(kept)
    low_rank, high_rank = (rank - below for rank in middle_ranks(count))
    if not 0 <= low_rank <= high_rank < len(middle):
        return None
    return mean_of_ranks(middle, low_rank, high_rank)
