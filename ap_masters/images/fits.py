"""FITS images: plain, gzipped and tile-compressed, read by rows."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from ap_masters.errors import UnreadableImage
from ap_masters.files import GZIP_MAGIC
from ap_masters.images.files import PositionalFile, Source
from ap_masters.images.fits_header import FitsLayout, damaged_gzip, read_fits
from ap_masters.images.raster import Raster, Samples, stored_in

Keep = Callable[[Iterable[memoryview | bytes]], Source]
_CHUNK: Final = 1 << 20
_STORED: Final = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


def open_fits(path: Path, file: IO[bytes], start: bytes, keep: Keep) -> Raster:
    """Open the FITS image in ``file``, which is taken over; ``keep`` holds what has to be decompressed.

    Raises UnreadableImage for a file that is no FITS image, is cut short, or does not decompress.
    """
    layout = read_fits(path, file, start)
    info = layout.info
    if layout.tiled:
        file.close()
        return Raster(info, Samples(np.dtype(info.sample), 0), keep(_untiled(path, layout)))
    samples = Samples(np.dtype(_STORED[layout.bitpix]), layout.offset, scale=layout.bscale, zero=layout.bzero)
    if start.startswith(GZIP_MAGIC):
        with file:
            return Raster(info, samples._replace(offset=0), keep(_unzipped(path, file, layout, samples)))
    return Raster(info, samples, PositionalFile(file), stored=stored_in(path, info, samples))


def _unzipped(path: Path, file: IO[bytes], layout: FitsLayout, samples: Samples) -> Iterator[bytes]:
    """Decompress the samples, a piece at a time, and the rest of the file for the sake of gzip's own checksum."""
    info = layout.info
    missing = info.width * info.height * info.channels * samples.dtype.itemsize
    file.seek(0)
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            unzipped.seek(layout.offset)
            while piece := unzipped.read(_CHUNK):
                yield piece[:missing]
                missing -= min(missing, len(piece))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged_gzip(path, error) from error
    if missing:
        raise UnreadableImage(path, f"is cut short: {missing} bytes of pixels are missing; copy it again")


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
