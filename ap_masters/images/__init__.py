"""Images as bytes: read a header, read rows, write a master. Nothing here knows astronomy.

Importing this costs nothing: numpy is loaded with the first pixel, astropy only for tile-compressed FITS files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from ap_masters.errors import UnreadableImage, UnwritableImage, reason_of
from ap_masters.files import FITS_MAGIC, GZIP_MAGIC, XISF_MAGIC
from ap_masters.images.fits_header import FIRST_READ, read_fits
from ap_masters.images.xisf_header import read_xisf
from ap_masters.model import Compression, ImageInfo, Keyword

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ap_masters.images.files import Source
    from ap_masters.images.image import Image, Writer

__all__ = [
    "FITS_SUFFIXES",
    "PACKINGS",
    "SUFFIXES",
    "WRITTEN_SUFFIXES",
    "create",
    "is_image_name",
    "open_image",
    "read_image",
    "read_info",
    "without_suffix",
    "write_image",
]

FITS_SUFFIXES: Final = (".fit", ".fits", ".fts")
WRITTEN_SUFFIXES: Final = (".xisf", *FITS_SUFFIXES)
PACKINGS: Final = (".gz", ".fz")  # behind a suffix of FITS
SUFFIXES: Final = frozenset({*WRITTEN_SUFFIXES, *(fits + packed for fits in FITS_SUFFIXES for packed in PACKINGS)})
_RESERVE: Final = 72  # keywords that ``finish`` may add to a master without its samples having to be moved
_ENDINGS: Final = tuple(sorted(SUFFIXES, key=len, reverse=True))


def is_image_name(path: Path | str) -> bool:
    """Say whether a file of that name should hold an image this program reads, in small or capital letters."""
    return str(path).lower().endswith(_ENDINGS)


def without_suffix(name: str) -> str:
    """Return a name without its image suffix, which may be of two parts (``.fits.gz``), in small or capital letters."""
    ending = next((ending for ending in _ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def read_info(path: Path) -> ImageInfo:
    """Read the header of the image at ``path``; no pixel is touched, no checksum of pixels is verified.

    The content decides about the format, not the name. Raises UnreadableImage.
    """
    with _reading(path), path.open("rb", buffering=0) as file:
        start = _start(path, file)
        return (read_xisf if start.startswith(XISF_MAGIC) else read_fits)(path, file, start).info


def open_image(path: Path, *, datasum: bool = True) -> Image:
    """Open the image at ``path`` for reading rows, from any thread; one file is held open until it is closed.

    What is compressed is decompressed here and now, into a nameless temporary file. Pixels are held against the
    checksum that the file carries: that of an XISF block, and DATASUM in FITS. ``datasum=False`` spares raw FITS
    frames, and those who glance at a few rows, reading all of them once more. Raises ChecksumMismatch for pixels that
    have changed, UnreadableImage for everything else.
    """
    from ap_masters.images.files import Spool

    return _open(path, Spool, datasum=datasum)


def read_image(path: Path) -> tuple[ImageInfo, NDArray[Any]]:
    """Read a whole image: what it says of itself and its physical values, (channels, height, width).

    Raises ChecksumMismatch and UnreadableImage.
    """
    from ap_masters.images.files import Memory

    with _open(path, Memory, datasum=True) as image:
        return image.info, image.read_rows(0, image.info.height)


def _open(path: Path, keep: Callable[[Iterable[memoryview | bytes]], Source], *, datasum: bool) -> Image:
    with _reading(path):
        file: IO[bytes] = path.open("rb", buffering=0)
        try:
            start = _start(path, file)
            if start.startswith(XISF_MAGIC):
                from ap_masters.images.xisf import open_xisf

                return open_xisf(path, file, start, keep)
            from ap_masters.images.fits import open_fits

            return open_fits(path, file, start, keep, datasum=datasum)
        except BaseException:
            file.close()
            raise


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into what the user can do about it."""
    try:
        yield
    except OSError as error:
        # Windows refuses what another program has open in the same words.
        more = ", and that no other program has it open" if isinstance(error, PermissionError) else ""
        raise UnreadableImage(
            path, f"cannot be read: {reason_of(error)}; check the path, its permissions and the disk{more}"
        ) from error


def _start(path: Path, file: IO[bytes]) -> bytes:
    """Read the beginning of a file. Raises UnreadableImage for what is no image at all."""
    start = file.read(FIRST_READ)
    if not start:
        raise UnreadableImage(
            path, "is empty: the program that should have written it was stopped, or a copy broke off"
        )
    if not start.startswith((FITS_MAGIC, GZIP_MAGIC, XISF_MAGIC)):
        raise UnreadableImage(path, "is neither FITS nor XISF, whatever its name says")
    return start


def create(
    path: Path,
    *,
    width: int,
    height: int,
    channels: int,
    keywords: tuple[Keyword, ...],
    image_type: str,
    compression: Compression = "none",
    adu: bool = False,
) -> Writer:
    """Begin a master of float32 samples; the suffix of ``path`` says FITS or XISF.

    Samples are written as they are given: ``adu`` only tells XISF readers that they are counts up to 65535 instead
    of numbers up to 1. ``compression`` is XISF's, always lossless and with byte shuffling. A file at ``path`` is
    replaced when the writer finishes. Raises UnwritableImage.
    """
    return _create(path, (channels, height, width), "float32", keywords, image_type, compression, adu, _RESERVE)


def write_image(
    path: Path,
    pixels: NDArray[Any],
    keywords: tuple[Keyword, ...] = (),
    *,
    image_type: str,
    compression: Compression = "none",
    adu: bool = False,
) -> None:
    """Write a whole image, (channels, height, width) or (height, width), in the type its samples have.

    uint16 becomes BITPIX 16 with BZERO 32768 in FITS, UInt16 in XISF. Raises UnwritableImage, and ValueError for a
    type of sample the format does not have.
    """
    planes = pixels.reshape((-1, *pixels.shape[-2:]))
    with _create(path, planes.shape, str(pixels.dtype), keywords, image_type, compression, adu, 0) as writer:
        for channel, plane in enumerate(planes):
            writer.write_rows(channel, 0, plane)
        writer.finish()


def _create(
    path: Path,
    shape: tuple[int, ...],
    sample: str,
    keywords: tuple[Keyword, ...],
    image_type: str,
    compression: Compression,
    adu: bool,
    reserve: int,
) -> Writer:
    channels, height, width = shape
    suffix = path.suffix.lower()
    if suffix == ".xisf":
        from ap_masters.images.xisf_write import XisfWriter

        return XisfWriter(
            path,
            width=width,
            height=height,
            channels=channels,
            sample=sample,
            keywords=keywords,
            image_type=image_type,
            compression=compression,
            adu=adu,
            reserve=reserve,
        )
    if suffix in FITS_SUFFIXES:
        from ap_masters.images.fits_write import FitsWriter

        return FitsWriter(
            path, width=width, height=height, channels=channels, sample=sample, keywords=keywords, reserve=reserve
        )
    raise UnwritableImage(path, f"has a suffix that is none of {', '.join(WRITTEN_SUFFIXES)}; choose one of them")
