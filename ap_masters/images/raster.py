"""Rows of physical values out of evenly laid samples: the one reader behind every format."""

from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ap_masters.errors import UnreadableImage, reason_of
from ap_masters.images.files import Source
from ap_masters.images.image import Stored
from ap_masters.model import ImageInfo


class Samples(NamedTuple):
    """How samples are stored: planar (channel after channel) or interleaved (channel next to channel)."""

    dtype: np.dtype[Any]
    offset: int
    interleaved: bool = False
    scale: float = 1.0
    zero: float = 0.0


class Raster:
    """An image whose samples can be read in place (or from where they were decompressed to)."""

    def __init__(self, info: ImageInfo, samples: Samples, source: Source, *, stored: Stored | None = None) -> None:
        self.info = info
        self.stored = stored
        self._samples = samples
        self._source = source

    def read_rows(self, first: int, last: int) -> NDArray[Any]:
        """Return rows first..last-1 of every channel, physical values: shape (channels, last - first, width).

        Raises UnreadableImage when the file ends before them, ValueError when there are no such rows.
        """
        return physical(self._raw(first, last), self._samples, self.info.sample)

    def read_stored(self, first: int, last: int) -> NDArray[Any]:
        """Return the same rows as they are stored, in native byte order. Raises as ``read_rows`` does."""
        raw = self._raw(first, last)
        return np.ascontiguousarray(raw, raw.dtype.newbyteorder("="))

    def _raw(self, first: int, last: int) -> NDArray[Any]:
        if not 0 <= first <= last <= self.info.height:
            raise ValueError(f"rows {first} to {last} of an image of {self.info.height} rows")
        return self._raw_interleaved(first, last) if self._samples.interleaved else self._raw_planar(first, last)

    def _raw_planar(self, first: int, last: int) -> NDArray[Any]:
        info, samples = self.info, self._samples
        raw = np.empty((info.channels, last - first, info.width), samples.dtype)
        row = info.width * samples.dtype.itemsize
        for channel in range(info.channels):
            self._fill(samples.offset + (channel * info.height + first) * row, raw[channel])
        return raw

    def _raw_interleaved(self, first: int, last: int) -> NDArray[Any]:
        info, samples = self.info, self._samples
        raw = np.empty((last - first, info.width, info.channels), samples.dtype)
        row = info.width * info.channels * samples.dtype.itemsize
        self._fill(samples.offset + first * row, raw)
        return raw.transpose(2, 0, 1)

    def _fill(self, offset: int, target: NDArray[Any]) -> None:
        view = target.reshape(-1).view(np.uint8).data
        try:
            done = self._source.read_into(offset, view)
        except OSError as error:
            raise UnreadableImage(self.info.path, f"cannot be read: {reason_of(error)}") from error
        if done < len(view):
            raise UnreadableImage(
                self.info.path, f"is cut short: {len(view) - done} bytes of pixels are missing; copy it again"
            )

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def physical(raw: NDArray[Any], samples: Samples, sample: str) -> NDArray[Any]:
    """Return stored samples as physical ones: contiguous, in native byte order, of type ``sample``.

    An integer moved by half its range changes its top bit and nothing else (FITS standard 4.0, table 11).
    """
    target = np.dtype(sample)
    if samples.scale == 1.0 and samples.zero == 0.0:
        return np.ascontiguousarray(raw, target)
    if target.kind in "iu":
        values = raw.astype(raw.dtype.newbyteorder("="), order="C").view(target)
        top = np.iinfo(target).max // 2 + 1 if target.kind == "u" else np.iinfo(target).min
        values ^= target.type(top)
        return values
    scaled = raw.astype(np.float64, order="C")
    scaled *= samples.scale
    scaled += samples.zero
    return scaled.astype(target, copy=False)


def stored_in(path: Path, info: ImageInfo, samples: Samples) -> Stored:
    """Describe the layout of ``samples`` in the file at ``path``, for readers that want the bytes in place."""
    item = samples.dtype.itemsize
    if samples.interleaved:
        strides = item, info.width * info.channels * item, info.channels * item
    else:
        strides = info.height * info.width * item, info.width * item, item
    return Stored(path, samples.offset, samples.dtype, *strides, samples.scale, samples.zero)
