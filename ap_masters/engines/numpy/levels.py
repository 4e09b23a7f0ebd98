"""The level of a frame: what flats are brought to a common brightness by, and what warns of a shutter left open."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.counting import median_by_counting
from ap_masters.engines.medians import mean_of_ranks, middle_ranks
from ap_masters.engines.numpy.order import Source

_STEP: Final = 65535.0  # the range is open by one step of 16-bit counts at both ends
_RUN: Final = 1 << 17
_SAMPLED_RUNS: Final = 256  # from all over the frame: many short ones, as light falls off towards the corners
_SAMPLED_RUN: Final = 1 << 8
_BRACKET: Final = 0.012  # of the samples at each side of the median; six times what a sample of 65536 errs by
_FEWER: Final = 4  # so many times less is sampled where it is known what a sample errs by
_CLOSER: Final = 0.006  # and so much remains, as frames of one group err alike but for their noise
_MOST_KEPT: Final = 1 / 8


class LevelOf:
    """Finds the level of each channel of a frame, None where it has none; a function of the frame's index.

    That is the median, in counts, of the samples inside the open range (1/65535, 1 - 1/65535): ImageIntegration's
    location estimate for rejection normalization and multiplicative output normalization. It is taken over one channel
    of the whole frame; the four colours of a colour filter array, which PixInsight holds in one channel, have one level
    together.

    Exact, and in one pass over the frame as a rule: a few thousand samples tell between which two values the median
    lies; what is below is counted, what is between is kept. Where that fails, bit patterns are counted instead. The
    same pixels of other frames are likely to have the median at the same rank.
    """

    def __init__(self, source: Source, *, channels: int, plane: int, full_scale: float) -> None:
        self._source, self._channels, self._plane = source, channels, plane
        step = full_scale / _STEP
        self._low, self._high = step - source.zero, full_scale - step - source.zero
        self._rank: dict[int, float] = {}  # of the last frame's median in a small sample, by channel

    def __call__(self, index: int) -> tuple[int, list[float | None]]:
        """Return the index and the levels, in counts."""
        return index, [self._level(index, channel) for channel in range(self._channels)]

    def _level(self, index: int, channel: int) -> float | None:
        few = self._sample(index, channel, _FEWER)
        rank = self._rank.get(channel)
        found = None if rank is None else self._between(index, channel, few, rank, _CLOSER)
        if found is None:
            found = self._between(index, channel, self._sample(index, channel), 0.5, _BRACKET)
        if found is None:
            found = median_by_counting(lambda: self._inside(index, channel))
        if found is None:
            return None
        self._rank[channel] = float(np.searchsorted(few, found) / max(len(few), 1))
        return found + self._source.zero

    def _sample(self, index: int, channel: int, fewer: int = 1) -> NDArray[Any]:
        """Return samples from all over, those inside the range, in order."""
        sample = np.sort(np.concatenate(list(sampled_runs(self._source, index, channel, self._plane, fewer))))
        return sample[(sample > self._low) & (sample < self._high)]

    def _runs(self, index: int, channel: int) -> Iterator[NDArray[Any]]:
        """Yield all samples; each run is valid until the next."""
        buffer = np.empty(min(_RUN, self._plane), self._source.dtype)
        for start in range(0, self._plane, _RUN):
            run = buffer[: min(_RUN, self._plane - start)]
            np.copyto(run, self._source.read(index, channel, start, len(run)))
            yield run

    def _inside(self, index: int, channel: int) -> Iterator[NDArray[np.float32]]:
        for run in self._runs(index, channel):
            yield run[(run > self._low) & (run < self._high)].astype(np.float32)

    def _between(self, index: int, channel: int, sample: NDArray[Any], rank: float, width: float) -> float | None:
        """Return the exact median of the samples in the range; None where it is not as near to the sample's ``rank``.

        Ranks and widths are parts of the sample.
        """
        if not len(sample):
            return None
        last = len(sample) - 1
        bottom, top = (sample[int(np.clip(round(at * last), 0, last))] for at in (rank - width, rank + width))
        low, high = self._low, self._high
        count, below, kept = 0, 0, []
        size = 0
        for run in self._runs(index, channel):
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
            if size > max(_MOST_KEPT * self._plane, _RUN):
                return None
        middle = np.concatenate(kept)
        low_rank, high_rank = (at - below for at in middle_ranks(count))
        if not 0 <= low_rank <= high_rank < len(middle):
            return None
        return mean_of_ranks(middle, low_rank, high_rank)


def sampled_runs(source: Source, index: int, channel: int, plane: int, fewer: int = 1) -> Iterator[NDArray[Any]]:
    """Yield short runs of samples from all over one frame's channel; so many times fewer, of the same ones."""
    size = min(_SAMPLED_RUN, plane)
    for start in np.unique(np.linspace(0, plane - size, _SAMPLED_RUNS).astype(np.int64))[::fewer]:
        yield source.read(index, channel, int(start), size).astype(source.dtype)
