"""What every image file offers, whatever its format."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ap_masters.model import ImageInfo, Keyword


class Stored(NamedTuple):
    """Where uncompressed samples lie in the file, for readers that want the bytes in place.

    Sample (channel c, row r, column x) stands at ``offset + c * channel_stride + r * row_stride + x *
    sample_stride`` bytes, as ``dtype`` (byte order included); its physical value is ``stored * scale + zero``.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    channel_stride: int
    row_stride: int
    sample_stride: int
    scale: float
    zero: float


class Image(Protocol):
    """An open image file; use it as a context manager.

    ``stored`` is None where the samples had to be decompressed.
    """

    info: ImageInfo
    stored: Stored | None

    def read_rows(self, first: int, last: int) -> NDArray[Any]:
        """Return rows first..last-1 of every channel: shape (channels, last - first, width).

        Physical values in native byte order, of dtype ``info.sample`` (BZERO and BSCALE applied). Only those
        rows are read from disk where the file is uncompressed. Raises UnreadableImage when the file is cut
        short, ChecksumMismatch when a checksum covers the data and does not hold.
        """
        ...

    def read_stored(self, first: int, last: int) -> NDArray[Any]:
        """Return the same rows as they are stored, no scale applied, in native byte order."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class RowSink(Protocol):
    """Takes finished rows."""

    def write_rows(self, channel: int, first: int, rows: NDArray[np.float32]) -> None:
        """Write ``rows`` (n, width) as rows first.. of ``channel``."""
        ...


class Writer(RowSink, Protocol):
    """A master being written; use it as a context manager, which aborts on an exception.

    Nothing stands at the path until ``finish``: the samples go into a hidden file beside it.
    """

    def write_rows(self, channel: int, first: int, rows: NDArray[np.float32]) -> None:
        """Write ``rows`` (n, width) as rows first.. of ``channel``: in any order, from any thread, each row once.

        Raises UnwritableImage when the disk refuses (full, gone, not permitted).
        """
        ...

    @property
    def place(self) -> RowSink:
        """Where the samples go, for processes that write them on their own; it can be sent to them."""
        ...

    def wrote(self, channel: int, first: int, count: int) -> None:
        """Take notice of ``count`` rows from ``first`` on that somebody has written there."""
        ...

    def settle(self) -> None:
        """Begin to bring the rows to the disk, all of which have been written; ``finish`` then has less to do."""
        ...

    def read_again(self, channel: int) -> Iterator[NDArray[np.float32]]:
        """Yield all samples of a channel that has been written, in runs that are valid until the next."""
        ...

    def finish(self, keywords: tuple[Keyword, ...] | None = None) -> None:
        """Write the header, with ``keywords`` instead of those given at first, and put the file in its place.

        Raises UnwritableImage when rows are missing or the disk refuses; then nothing is left behind.
        """
        ...

    def abort(self) -> None:
        """Remove what has been written. After ``finish`` this does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
