"""Writing an image by rows: into a hidden file beside the goal, which takes its place whole or not at all."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ap_masters.errors import UnwritableImage, reason_of
from ap_masters.images.files import PositionalFile
from ap_masters.model import Keyword
from ap_masters.moving import take_place

PIECE: Final = 1 << 20  # bytes read or moved at once


class Shape(NamedTuple):
    """What is to be written: pixels by pixels by channels, and the type of the samples in the file.

    ``flip`` holds the bit that is turned in each sample: FITS has no unsigned integers, and stores them less half
    of their range.
    """

    width: int
    height: int
    channels: int
    dtype: np.dtype[Any]  # byte order included
    flip: int = 0

    @property
    def row(self) -> int:
        """Bytes per row."""
        return self.width * self.dtype.itemsize

    @property
    def size(self) -> int:
        """Bytes of all samples."""
        return self.row * self.height * self.channels

    def position(self, channel: int, first: int) -> int:
        """Return how many bytes after the first sample row ``first`` of ``channel`` begins."""
        return (channel * self.height + first) * self.row

    def encode(self, rows: NDArray[Any]) -> memoryview:
        """Return samples as they stand in the file."""
        if self.flip:
            rows = (rows ^ rows.dtype.type(self.flip)).view(self.dtype.newbyteorder("="))
        return np.ascontiguousarray(rows.astype(self.dtype, copy=False)).reshape(-1).view(np.uint8).data

    def decode(self, piece: memoryview) -> NDArray[Any]:
        """Return stored samples as they were given, one after the other."""
        samples: NDArray[Any] = np.frombuffer(piece, self.dtype).astype(self.dtype.newbyteorder("="), copy=False)
        if self.flip:
            samples = samples.view(samples.dtype.str.replace("i", "u"))
            samples = samples ^ samples.dtype.type(self.flip)
        return samples


class Place(NamedTuple):
    """Where the samples go in a file in the making: all that another process needs to write some of them."""

    goal: Path
    part: Path
    start: int
    shape: Shape

    def write_rows(self, channel: int, first: int, rows: NDArray[Any]) -> None:
        """Write ``rows`` (n, width) as rows first.. of ``channel``; ``RowWriter.wrote`` is to be told then.

        Raises UnwritableImage when the disk refuses.
        """
        try:
            file = PositionalFile(self.part.open("r+b", buffering=0))
            try:
                file.write(self.start + self.shape.position(channel, first), self.shape.encode(rows))
            finally:
                file.close()
        except OSError as error:
            raise unwritable(self.goal, error) from error


class Part:
    """A file in the making, hidden beside its goal under a name of its own."""

    def __init__(self, goal: Path) -> None:
        """Create it empty. Raises OSError."""
        self.path = goal.with_name(f".ap-masters-{os.urandom(6).hex()}.part")
        file: IO[bytes] = self.path.open("x+b", buffering=0)
        self._file = PositionalFile(file)
        self.write, self.sync = self._file.write, self._file.sync

    def pieces(self, first: int, last: int) -> Iterator[memoryview]:
        """Yield the bytes from ``first`` to ``last``; each piece is valid until the next."""
        buffer = memoryview(bytearray(min(PIECE, max(last - first, 0))))
        for at in range(first, last, PIECE):
            piece = buffer[: min(PIECE, last - at)]
            self._file.read_into(at, piece)
            yield piece

    def move(self, first: int, size: int, by: int) -> None:
        """Move ``size`` bytes from ``first`` towards the end, from the last one on, so that none is lost."""
        buffer = memoryview(bytearray(min(PIECE, size)))
        at = first + size
        while at > first:
            piece = buffer[: min(PIECE, at - first)]
            at -= len(piece)
            self._file.read_into(at, piece)
            self._file.write(at + by, piece)

    def publish(self, goal: Path) -> None:
        """Put the file in its place, in one step, once it is safely on the disk."""
        self.sync()
        self._file.close()
        take_place(self.path, goal)

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class RowWriter(ABC):
    """What writing has in common: rows find their place, in any order and from any thread; the header comes last.

    It comes last because checksums and rejection counts are known last. Room is kept for it; where that turns out
    too small, the samples are moved. While the caller finds out what is still to be said in it, the samples can
    *settle*: their checksum is computed, and they go to the disk.
    """

    def __init__(self, path: Path, shape: Shape, keywords: tuple[Keyword, ...], *, start: int) -> None:
        """Begin with the samples at ``start``. Raises UnwritableImage."""
        self.path = path
        self._shape = shape
        self._keywords = keywords
        self._start = start
        self._stored = shape.size  # bytes of samples in the file
        self._lock = threading.Lock()
        self._written = np.zeros((shape.channels, shape.height), np.bool_)
        self._settling = ThreadPoolExecutor(2, thread_name_prefix="settling")
        self._settled: tuple[Future[None], ...] = ()
        self._open = True
        try:
            self._part = Part(path)
        except OSError as error:
            raise unwritable(self.path, error) from error

    @property
    def place(self) -> Place:
        """Where the samples go, for processes that write them on their own."""
        return Place(self.path, self._part.path, self._start, self._shape)

    def write_rows(self, channel: int, first: int, rows: NDArray[Any]) -> None:
        """Write ``rows`` (n, width) as rows first.. of ``channel``: in any order, from any thread, each row once.

        Samples are written as they are. Raises UnwritableImage when the disk refuses, ValueError for rows that do
        not belong to the image or have been written before.
        """
        if rows.shape[1:] != (self._shape.width,):
            raise ValueError(f"rows of shape {rows.shape} do not fit {self._shape}")
        self._require_new(channel, first, len(rows))
        self.place.write_rows(channel, first, rows)
        self.wrote(channel, first, len(rows))

    def wrote(self, channel: int, first: int, count: int) -> None:
        """Take notice of ``count`` rows that stand in the file. Raises ValueError as ``write_rows`` does."""
        self._require_new(channel, first, count)
        with self._lock:
            self._written[channel, first : first + count] = True

    def _require_new(self, channel: int, first: int, count: int) -> None:
        last = first + count
        if not 0 <= first <= last <= self._shape.height:
            raise ValueError(f"rows {first} to {last} do not fit {self._shape}")
        with self._lock:
            if self._written[channel, first:last].any():
                raise ValueError(f"rows {first} to {last} of channel {channel} are written a second time")

    def settle(self) -> None:
        """Let the rows settle, all of which have been written, in threads; ``finish`` waits for them."""
        self._settled = self._settling.submit(self._part.sync), self._settling.submit(self._add_up)

    def read_again(self, channel: int) -> Iterator[NDArray[Any]]:
        """Yield all samples of a channel that has been written, in runs that are valid until the next."""
        first = self._start + self._shape.position(channel, 0)
        for piece in self._part.pieces(first, first + self._shape.position(1, 0)):
            yield self._shape.decode(piece)

    def finish(self, keywords: tuple[Keyword, ...] | None = None) -> None:
        """Write the header, with ``keywords`` instead of those given at first, and put the file in its place.

        Raises UnwritableImage when rows are missing or the disk refuses; then nothing is left behind.
        """
        try:
            if not self._written.all():
                missing = int((~self._written).sum())
                raise UnwritableImage(self.path, f"was not finished: {missing} rows were never written")
            if not self._settled:
                self._add_up()
            for part in self._settled:
                part.result()  # a disk tells once only that it has failed
            self._complete(self._keywords if keywords is None else keywords)
            self._part.publish(self.path)
            self._open = False
        except OSError as error:
            raise unwritable(self.path, error) from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove what has been written. After ``finish`` this does nothing."""
        self._settling.shutdown()
        if self._open:
            self._open = False
            self._part.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _make_room(self, start: int) -> None:
        """Let the samples begin at ``start``, further back than they do."""
        if start > self._start:
            self._part.move(self._start, self._stored, start - self._start)
            self._start = start

    def _samples(self, first: int, last: int) -> Iterator[memoryview]:
        """Yield the bytes of samples from ``first`` to ``last``; each piece is valid until the next."""
        return self._part.pieces(self._start + first, self._start + last)

    @abstractmethod
    def _add_up(self) -> None:
        """Find the checksum of the samples. Raises OSError."""

    @abstractmethod
    def _complete(self, keywords: tuple[Keyword, ...]) -> None:
        """Write everything but the samples. Raises OSError."""


def unwritable(goal: Path, error: OSError) -> UnwritableImage:
    """Return what to tell of a disk that refuses."""
    return UnwritableImage(
        goal, f"cannot be written: {reason_of(error)}; check the folder, its permissions and free space"
    )
