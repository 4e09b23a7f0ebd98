"""What a thread does with a band of rows: tile by tile, the proven stacks fast, the others exactly."""

import threading
from collections.abc import Iterator
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.columns import Columns
from ap_masters.engines.numpy.order import Band, Order, Task

Indices = NDArray[np.intp]

_BATCH: Final = 1 << 17  # samples integrated exactly at once: what fits into the cache as float64, some times over


class Path(Protocol):
    """How one kind of samples goes from a tile of files to values."""

    bytes_per_sample: ClassVar[int]

    def screen(self, channel: int, start: int, out: NDArray[np.float32]) -> Indices:
        """Read the tile of ``len(out)`` pixels from ``start`` on; combine what is proven, return where the rest is."""
        ...

    def columns(self, pixels: Indices) -> NDArray[Any]:
        """Return some stacks of the last tile, (frames, pixels)."""
        ...

    def exactly(self, columns: NDArray[Any]) -> Columns:
        """Integrate such stacks by the definition."""
        ...


class BandWorker:
    """Integrates bands along one path."""

    def __init__(self, order: Order, path: Path, tile: int) -> None:
        self._order = order
        self._path = path
        self._tile = tile

    def run(self, task: Task, stop: threading.Event) -> Band | None:
        """Return the finished rows; None when ``stop`` was set meanwhile."""
        width = self._order.shape.width
        pixels = np.empty(task.rows * width, np.float32)
        rest = _Rest(self._order, self._path, pixels)
        for start, size in even_runs(len(pixels), self._tile):
            if stop.is_set():
                return None
            where = self._path.screen(task.channel, task.first * width + start, pixels[start : start + size])
            rest.add(start, where)
        rest.integrate()
        return Band(task.channel, task.first, pixels.reshape(task.rows, width), rest.low, rest.high)


class _Rest:
    """Stacks to be integrated exactly, collected until there are enough of them."""

    def __init__(self, order: Order, path: Path, pixels: NDArray[np.float32]) -> None:
        frames = len(order.source)
        self._divisor = order.divisor
        self._path = path
        self._pixels = pixels
        self._enough = max(_BATCH // frames, 1)
        self._where: list[Indices] = []
        self._columns: list[NDArray[Any]] = []
        self.low = np.zeros(frames, np.int64)
        self.high = np.zeros(frames, np.int64)

    def add(self, start: int, where: Indices) -> None:
        """Take in stacks of the path's last tile, which begins at ``start``."""
        for first in range(0, len(where), self._enough):
            piece = where[first : first + self._enough]
            self._where.append(piece + start)
            self._columns.append(self._path.columns(piece))
            if sum(len(where) for where in self._where) >= self._enough:
                self.integrate()

    def integrate(self) -> None:
        """Integrate what has been collected."""
        if self._where:
            done = self._path.exactly(np.concatenate(self._columns, axis=1))
            self._pixels[np.concatenate(self._where)] = done.numerator / (done.denominator * self._divisor)
            self.low += done.low
            self.high += done.high
        self._where, self._columns = [], []


def even_runs(length: int, longest: int) -> Iterator[tuple[int, int]]:
    """Yield start and size of runs that cover ``length``: as few as possible, and of sizes that differ by at most 1."""
    count = max(-(-length // longest), 1)
    for i in range(count):
        start, end = i * length // count, (i + 1) * length // count
        yield start, end - start
