"""FITS images: plain, gzipped and tile-compressed, read by rows."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from ap_masters.errors import UnreadableImage
from ap_masters.files import GZIP_MAGIC
from ap_masters.images.files import PositionalFile, Source, changed
from ap_masters.images.fits_format import fold, ones_complement_sum
from ap_masters.images.fits_header import FitsLayout, damaged_gzip, read_fits
from ap_masters.images.raster import Raster, Samples, stored_in

Keep = Callable[[Iterable[memoryview | bytes]], Source]
_CHUNK: Final = 1 << 20
_STORED: Final = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


def open_fits(path: Path, file: IO[bytes], start: bytes, keep: Keep, *, datasum: bool) -> Raster:
    """Open the FITS image in ``file``, which is taken over; ``keep`` holds what has to be decompressed.

    With ``datasum`` the data are held against what the header says they add up to, before any pixel is given out.
    Raises UnreadableImage for a file that is no FITS image, is cut short, or does not decompress, ChecksumMismatch.
    """
    layout = read_fits(path, file, start)
    info = layout.info
    total = _Total(path, layout, layout.datasum if datasum else None)
    if not start.startswith(GZIP_MAGIC):
        _verify(total, PositionalFile(file), layout.offset)
    if layout.tiled:
        file.close()
        return Raster(info, Samples(np.dtype(info.sample), 0), keep(_untiled(path, layout)))
    samples = Samples(np.dtype(_STORED[layout.bitpix]), layout.offset, scale=layout.bscale, zero=layout.bzero)
    if start.startswith(GZIP_MAGIC):
        with file:
            return Raster(info, samples._replace(offset=0), keep(_unzipped(path, file, layout, samples, total)))
    return Raster(info, samples, PositionalFile(file), stored=stored_in(path, info, samples))


class _Total:
    """What the data of a file add up to, beside what they should; nothing is done where that is not known."""

    def __init__(self, path: Path, layout: FitsLayout, expected: int | None) -> None:
        self._path, self._expected = path, expected
        self.missing = layout.extent if expected is not None else 0
        self._at = self._sum = 0

    def add(self, piece: memoryview | bytes) -> None:
        """Take in the next bytes; those beyond the data are left out."""
        piece = piece[: self.missing]
        self._sum = fold(self._sum + ones_complement_sum(piece, self._at))
        self._at += len(piece)
        self.missing -= len(piece)

    def compare(self) -> None:
        """Raise ChecksumMismatch where the data have changed. All bits set are a zero too, of the other sign."""
        if self._expected is not None and (self._sum - self._expected) % 0xFFFFFFFF:
            raise changed(self._path, "DATASUM")


def _verify(total: _Total, source: Source, at: int) -> None:
    """Hold the data that begin ``at`` against their sum, a piece at a time; some writers leave out the last padding."""
    buffer = memoryview(bytearray(min(_CHUNK, total.missing)))
    while total.missing and (count := source.read_into(at, buffer[: total.missing])):
        total.add(buffer[:count])
        at += count
    total.compare()


def _unzipped(path: Path, file: IO[bytes], layout: FitsLayout, samples: Samples, total: _Total) -> Iterator[bytes]:
    """Decompress the samples, a piece at a time, and the rest of the file for the sake of gzip's own checksum."""
    info = layout.info
    missing = info.width * info.height * info.channels * samples.dtype.itemsize
    file.seek(0)
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            unzipped.seek(layout.offset)
            while piece := unzipped.read(_CHUNK):
                total.add(piece)
                yield piece[:missing]
                missing -= min(missing, len(piece))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged_gzip(path, error) from error
    if missing:
        raise UnreadableImage(path, f"is cut short: {missing} bytes of pixels are missing; copy it again")
    total.compare()


def _untiled(path: Path, layout: FitsLayout) -> Iterator[memoryview]:
    """Decompress a tiled image with astropy, a band of rows at a time, as native physical samples.

    Bands are whole rows of tiles: each request unpacks every tile that it touches.
    """
    from astropy.io import fits  # 0.6 s, and only these files need it

    info = layout.info
    try:
        with fits.open(path, uint=True) as hdus:
            hdu = hdus[layout.hdu]
            # PLIO knows no negative numbers, so cfitsio stores unsigned samples as they are, in spite of BZERO
            flip = 1 << 15 if hdu.compression_type == "PLIO_1" and info.sample == "uint16" else 0
            tile = hdu.tile_shape[-2]
            rows = max(_CHUNK // info.width // tile, 1) * tile
            for channel in range(info.channels):
                for first in range(0, info.height, rows):
                    plane = (channel,) if info.channels > 1 else ()
                    band = hdu.section[(*plane, slice(first, first + rows), slice(None))]
                    samples = np.ascontiguousarray(band, info.sample)
                    if flip:
                        samples ^= np.uint16(flip)
                    yield samples.reshape(-1).view(np.uint8).data
    except MemoryError:
        raise
    except Exception as error:
        raise UnreadableImage(path, f"does not decompress: {error or type(error).__name__}; copy it again") from error
