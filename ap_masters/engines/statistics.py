"""Statistics of a master: exact, by bands, in memory that does not grow with the image."""

from collections.abc import Callable, Iterator
from math import fsum, sqrt
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.images import open_image
from ap_masters.model import ChannelStatistics, Statistics

Rows = NDArray[np.float32]
ReadAgain = Callable[[int], Iterator[Rows]]  # channel -> its rows, from top to bottom

BLOCK: Final = 16  # rows of a block; bands start at multiples of it
_GRID: Final = 16  # the grid has at most so many rows and columns
_ADU: Final = 65535.0
_BAND_BYTES: Final = 1 << 23
_ROBUST: Final = 1.4826
_DEFECT: Final = 5.0


def measure(path: Path, *, scale: float | None = None) -> Statistics:
    """Return the statistics of the master at ``path``, in units of full scale.

    ``scale`` is the value of full scale; without it, 65535 when any sample exceeds 10, else 1.
    Reads the file twice, by bands. Raises ImageError.
    """
    with open_image(path) as image:
        info = image.info
        rows = max(_BAND_BYTES // (4 * info.width * info.channels) // BLOCK, 1) * BLOCK

        def bands(channel: int) -> Iterator[Rows]:
            for first in range(0, info.height, rows):
                yield image.read_rows(first, min(first + rows, info.height))[channel].astype(np.float32)

        accumulator = Accumulator(info.width, info.height, info.channels)
        for channel in range(info.channels):
            first = 0
            for band in bands(channel):
                accumulator.add(channel, first, band)
                first += len(band)
        return accumulator.finish(bands, scale=scale)


class Accumulator:
    """Statistics in the making: finished rows go in, in any order; some order statistics need a second look."""

    def __init__(self, width: int, height: int, channels: int) -> None:
        self._width, self._height, self._channels = width, height, channels
        self._mean = np.zeros((channels, height))
        self._squares = np.zeros((channels, height))
        self._median = np.zeros((channels, height))
        self._low = np.full(channels, np.inf)
        self._high = np.full(channels, -np.inf)
        self._blocks = np.zeros((channels, -(-height // BLOCK), width), np.float32)

    def add(self, channel: int, first: int, rows: Rows) -> None:
        """Take in ``rows`` (n, width), rows first.. of ``channel``; ``first`` is a multiple of ``BLOCK``."""
        last = first + len(rows)
        wide = rows.astype(np.float64)
        mean = wide.mean(1)
        self._mean[channel, first:last] = mean
        self._squares[channel, first:last] = ((wide - mean[:, None]) ** 2).sum(1)
        self._median[channel, first:last] = np.median(rows, axis=1)
        self._low[channel] = min(self._low[channel], rows.min())
        self._high[channel] = max(self._high[channel], rows.max())
        for top in range(0, len(rows), BLOCK):
            self._blocks[channel, (first + top) // BLOCK] = np.median(rows[top : top + BLOCK], axis=0)

    def finish(self, read_again: ReadAgain, *, scale: float | None = None) -> Statistics:
        """Return the statistics; ``read_again`` yields the finished rows of a channel once more."""
        if scale is None:
            scale = _ADU if self._high.max() > 10 else 1.0
        channels = tuple(self._channel(c, read_again, scale) for c in range(self._channels))
        return Statistics(
            channels=channels,
            grid=self._grid(scale),
            row_noise=float(self._median.mean(0).std()) / scale,
            column_noise=float(self._blocks.mean((0, 1), dtype=np.float64).std()) / scale,
        )

    def _channel(self, channel: int, read_again: ReadAgain, scale: float) -> ChannelStatistics:
        values = np.concatenate([band.ravel() for band in read_again(channel)]).astype(np.float64)
        median = float(np.median(values))
        mad = float(np.median(np.abs(values - median)))
        limit = _DEFECT * _ROBUST * mad
        mean = fsum(self._mean[channel]) / self._height
        squares = fsum(self._squares[channel]) + self._width * fsum((self._mean[channel] - mean) ** 2)
        count = self._width * self._height
        return ChannelStatistics(
            median=median / scale,
            mean=mean / scale,
            stddev=sqrt(squares / max(count - 1, 1)) / scale,
            mad=mad / scale,
            minimum=float(self._low[channel]) / scale,
            maximum=float(self._high[channel]) / scale,
            hot=int(np.count_nonzero(values > median + limit)),
            cold=int(np.count_nonzero(values < median - limit)),
        )

    def _grid(self, scale: float) -> tuple[tuple[float, ...], ...]:
        """Return the medians of blocks, from the medians of the block rows in them, channels averaged."""
        blocks = self._blocks.mean(0, dtype=np.float64)
        rows, columns = (min(_GRID, size) for size in blocks.shape)
        return tuple(
            tuple(float(np.median(part)) / scale for part in np.array_split(strip, columns, axis=1))
            for strip in np.array_split(blocks, rows, axis=0)
        )
