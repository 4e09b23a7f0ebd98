"""Statistics of a master: exact, by bands of rows, in memory that does not grow with the image.

What there is to know of a row is found out while the row is warm, by whoever made it; what is asked of all pixels
together takes a second look at the finished file (``order_statistics.py``).
"""

from collections.abc import Callable, Iterator
from math import fsum, sqrt
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.medians import medians_in_memory, middle_ranks
from ap_masters.engines.network import of_ranks
from ap_masters.engines.order_statistics import order_statistics
from ap_masters.errors import NotFinite
from ap_masters.images import open_image
from ap_masters.images.scale import full_scale
from ap_masters.model import ChannelStatistics, Statistics

Rows = NDArray[np.float32]
Floats = NDArray[np.float64]
ReadAgain = Callable[[int], Iterator[Rows]]  # channel -> all its samples, in runs of any shape

BLOCK: Final = 16  # rows of a block; bands start at multiples of it
_GRID: Final = 16  # the grid has at most so many rows and columns
_BAND_BYTES: Final = 1 << 21
_SAMPLE: Final = 1 << 17  # samples set aside per channel: all where there are fewer, else less than twice as many
_AT_ONCE: Final = 4  # rows made float64 at once: they stay in the cache
_SIDE_BY_SIDE: Final = 1 << 18  # samples of blocks that are sorted at once: they stay in the cache


class RowFacts(NamedTuple):
    """What is known of some rows: one value a row, medians of 16 pixels below each other, and some samples."""

    mean: Floats
    squares: Floats  # sums of squared deviations from the row's mean
    median: Floats
    low: Rows
    high: Rows
    blocks: Rows  # (rows / 16, width)
    samples: Rows

    @classmethod
    def of(cls, rows: Rows, plane: int) -> "RowFacts":
        """Look at ``rows`` (n, width), which begin with a multiple of 16, of a channel of ``plane`` pixels."""
        mean, squares = _moments(rows)
        blocks = [rows[top : top + BLOCK] for top in range(0, len(rows), BLOCK)]
        medians = np.concatenate([medians_in_memory(block) for block in blocks])  # few rows stay in the cache
        samples = rows.ravel()[:: max(plane // _SAMPLE, 1)].copy()
        return cls(mean, squares, medians, rows.min(1), rows.max(1), _block_medians(rows), samples)


def measure(path: Path, *, scale: float | None = None) -> Statistics:
    """Return the statistics of the image at ``path``, in units of full scale.

    ``scale`` is the value of full scale; without it, what the file's samples say. Raises ImageError, also where a
    sample is no number.
    """
    with open_image(path) as image:
        info = image.info
        rows = max(_BAND_BYTES // (4 * info.width * info.channels * BLOCK), 1) * BLOCK

        def bands(channel: int) -> Iterator[Rows]:
            for first in range(0, info.height, rows):
                yield image.read_rows(first, min(first + rows, info.height))[channel].astype(np.float32, copy=False)

        accumulator = Accumulator(info.width, info.height, info.channels)
        for channel in range(info.channels):
            first = 0
            for band in bands(channel):
                if not np.isfinite(band).all():
                    row, column = np.argwhere(~np.isfinite(band))[0]
                    where = f"the first one {band[row, column]} at row {first + row}, column {column}"
                    raise NotFinite(path, f"holds samples that are not finite, {where}")
                accumulator.add(channel, first, RowFacts.of(band, info.width * info.height))
                first += len(band)
        return accumulator.finish(bands, scale=scale or full_scale(info, accumulator.extremes[1]))


class Accumulator:
    """Statistics in the making: facts of finished rows go in, in any order.

    The result does not depend on the bands: what is added up is added up row by row, then exactly.
    """

    def __init__(self, width: int, height: int, channels: int) -> None:
        self._width, self._height, self._channels = width, height, channels
        self._mean = np.zeros((channels, height))
        self._squares = np.zeros((channels, height))
        self._median = np.zeros((channels, height))
        self._low = np.full((channels, height), np.inf)
        self._high = np.full((channels, height), -np.inf)
        self._blocks = np.zeros((channels, -(-height // BLOCK), width), np.float32)
        self._samples: list[list[Rows]] = [[] for _ in range(channels)]

    @property
    def extremes(self) -> tuple[float, float]:
        """The least and the greatest sample so far."""
        return float(self._low.min()), float(self._high.max())

    def add(self, channel: int, first: int, facts: RowFacts) -> None:
        """Take in what is known of rows first.. of ``channel``; ``first`` is a multiple of ``BLOCK``."""
        here = channel, slice(first, first + len(facts.mean))
        self._mean[here], self._squares[here], self._median[here] = facts.mean, facts.squares, facts.median
        self._low[here], self._high[here] = facts.low, facts.high
        self._blocks[channel, first // BLOCK : first // BLOCK + len(facts.blocks)] = facts.blocks
        self._samples[channel].append(facts.samples)

    def finish(self, read_again: ReadAgain, *, scale: float) -> Statistics:
        """Return the statistics in units of ``scale``; ``read_again`` yields the rows of a channel once more."""
        return Statistics(
            channels=tuple(self._channel(c, read_again, scale) for c in range(self._channels)),
            grid=self._grid(scale),
            row_noise=float(self._median.mean(0).std()) / scale,
            column_noise=float(self._blocks.mean((0, 1), dtype=np.float64).std()) / scale,
        )

    def _channel(self, channel: int, read_again: ReadAgain, scale: float) -> ChannelStatistics:
        count = self._width * self._height
        mean = fsum(self._mean[channel]) / self._height
        squares = fsum(self._squares[channel]) + self._width * fsum((self._mean[channel] - mean) ** 2)
        order = order_statistics(
            np.concatenate(self._samples[channel]), lambda: (rows.ravel() for rows in read_again(channel))
        )
        return ChannelStatistics(
            median=order.median / scale,
            mean=mean / scale,
            stddev=sqrt(squares / max(count - 1, 1)) / scale,
            mad=order.mad / scale,
            minimum=float(self._low[channel].min()) / scale,
            maximum=float(self._high[channel].max()) / scale,
            hot=order.hot,
            cold=order.cold,
        )

    def _grid(self, scale: float) -> tuple[tuple[float, ...], ...]:
        """Return the medians of a coarse grid's cells, taken over the medians of sixteen pixels below each other."""
        # of one channel as they are: half the bytes, and what the mean of one would be
        blocks = self._blocks[0] if self._channels == 1 else self._blocks.mean(0, dtype=np.float64)
        rows, columns = (min(_GRID, size) for size in blocks.shape)
        return tuple(
            tuple(median / scale for median in _cell_medians(strip, columns)) for strip in np.array_split(blocks, rows)
        )


def _cell_medians(strip: NDArray[np.floating[Any]], cells: int) -> list[float]:
    """Return the medians of the cells that ``np.array_split`` makes of a strip: those of one width at once."""
    width, wider = divmod(strip.shape[1], cells)
    parts = np.split(strip, [wider * (width + 1)], axis=1)
    medians: list[float] = []
    for part, count, size in zip(parts, (wider, cells - wider), (width + 1, width), strict=True):
        side_by_side = part.reshape(len(strip), count, size).swapaxes(0, 1)
        medians += medians_in_memory(side_by_side.reshape(count, len(strip) * size)).tolist()
    return medians


def _moments(rows: Rows) -> tuple[Floats, Floats]:
    """Return the mean of each row, and its sum of squared deviations from that."""
    mean, squares = np.empty(len(rows)), np.empty(len(rows))
    for first in range(0, len(rows), _AT_ONCE):
        here = slice(first, first + _AT_ONCE)
        wide = rows[here].astype(np.float64)
        mean[here] = wide.sum(1) / wide.shape[1]
        wide -= mean[here, None]
        np.einsum("ij,ij->i", wide, wide, out=squares[here])
    return mean, squares


def _block_medians(rows: Rows) -> Rows:
    """Return the medians of 16 pixels below each other, in float32; in the last block there may be fewer.

    Halves are added, as sums might be too large: exact, but for numbers smaller than float32 has all its digits for.
    """
    width = rows.shape[1]
    whole = len(rows) // BLOCK * BLOCK
    at_once = max(_SIDE_BY_SIDE // (BLOCK * width), 1) * BLOCK
    parts = [rows[top : min(top + at_once, whole)] for top in range(0, whole, at_once)]
    medians = [_medians_of_blocks(part, BLOCK) for part in parts]
    if whole < len(rows):
        medians.append(_medians_of_blocks(rows[whole:], len(rows) - whole))
    return np.concatenate(medians)


def _medians_of_blocks(rows: Rows, height: int) -> Rows:
    """Return the medians of pixels below each other in blocks of one height, (blocks, width)."""
    width = rows.shape[1]
    side_by_side = rows.reshape(-1, height, width).swapaxes(0, 1).reshape(height, -1)
    low, high = middle_ranks(height)
    ranked = of_ranks(side_by_side, {low, high})
    lower, upper = (ranked[rank] * np.float32(0.5) for rank in (low, high))
    medians: Rows = np.add(lower, upper)
    return medians.reshape(-1, width)
