"""XISF images: every sample format and storage the specification has for real samples, read by rows."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final

import numpy as np

from ap_masters.images import xisf_blocks
from ap_masters.images.files import PositionalFile, Source
from ap_masters.images.raster import Raster, Samples, stored_in
from ap_masters.images.xisf_header import XisfLayout, read_xisf

Keep = Callable[[Iterable[memoryview | bytes]], Source]

# A block is decompressed as a whole, and takes its size twice while that lasts; many threads open many images.
_UNPACKING: Final = threading.BoundedSemaphore(2)


def open_xisf(path: Path, file: IO[bytes], start: bytes, keep: Keep) -> Raster:
    """Open the XISF image in ``file``, which is taken over; ``keep`` holds what has to be decompressed.

    A checksum is verified here, before any pixel is given out. Float samples with bounds other than 0:1 are
    rescaled to [0, 1], as PixInsight does on loading, without its clipping. Raises ChecksumMismatch, and
    UnreadableImage for what is cut short, contradicts itself or does not decompress, OSError.
    """
    layout = read_xisf(path, file, start)
    info, block = layout.info, layout.block
    samples = _samples(layout)
    source = PositionalFile(file)
    if block.position is not None and not block.compression:
        xisf_blocks.verify(path, block, source)
        return Raster(info, samples, source, stored=stored_in(path, info, samples))
    needed = info.width * info.height * info.channels * samples.dtype.itemsize
    with _UNPACKING:
        kept = keep(xisf_blocks.unpack(path, block, source, needed, samples.dtype.itemsize))
    source.close()
    return Raster(info, samples, kept)


def _samples(layout: XisfLayout) -> Samples:
    dtype = np.dtype(layout.info.sample).newbyteorder(">" if layout.big_endian else "<")
    attached = layout.block.position is not None and not layout.block.compression
    low, high = layout.bounds
    scale = 1 / (high - low)
    return Samples(dtype, (layout.block.position or 0) if attached else 0, layout.interleaved, scale, -low * scale)
