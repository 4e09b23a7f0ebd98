"""What every image file offers, whatever its format."""

from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ap_masters.model import ImageInfo


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
    """An open image file; use it as a context manager."""

    info: ImageInfo
    stored: Stored | None

    def read_rows(self, first: int, last: int) -> NDArray[Any]:
        """Return rows first..last-1 of every channel: shape (channels, last - first, width).

        Physical values in native byte order, of dtype ``info.sample`` (BZERO and BSCALE applied). Only those
        rows are read from disk where the file is uncompressed. Raises UnreadableImage when the file is cut
        short, ChecksumMismatch when a checksum covers the data and does not hold.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
