"""What a FITS file holds: headers understood without numpy and without astropy, pixels not read."""

import gzip
import math
import os
import re
import zlib
from pathlib import Path
from typing import IO, Final, NamedTuple, Protocol, cast

from ap_masters.errors import UnreadableImage
from ap_masters.files import FITS_MAGIC, GZIP_MAGIC
from ap_masters.images.fits_cards import BLOCK, CARD, STRUCTURAL, parse_cards
from ap_masters.model import LARGEST_SIDE, ImageFormat, ImageInfo, Keyword

_NAME: Final = 8  # bytes of a card that hold its keyword
FIRST_READ: Final = 4 * BLOCK  # 144 cards: nearly every raw frame's header in one read
_LARGEST_HEADER: Final = 16 * 1024 * 1024
_DATASUM: Final = re.compile(r"[0-9]{1,10}")
_MOST_CHANNELS: Final = 256  # more are the planes of a data cube, which would be looked at one by one

# (BITPIX, BZERO) with BSCALE 1 -> physical sample type and full scale. Signed integers without BZERO hold counts
# as they stand, as under PixInsight's hint "signed-is-physical": the MSDP solar frames store 12-bit counts so.
_SAMPLES: Final[dict[tuple[int, float], tuple[str, float | None]]] = {
    (8, 0.0): ("uint8", 255.0),
    (8, -128.0): ("int8", 255.0),
    (16, 0.0): ("int16", 65535.0),
    (16, 32768.0): ("uint16", 65535.0),
    (32, 0.0): ("int32", 4294967295.0),
    (32, 2147483648.0): ("uint32", 4294967295.0),
    (64, 0.0): ("int64", 18446744073709551615.0),
    (64, 9223372036854775808.0): ("uint64", 18446744073709551615.0),
    (-32, 0.0): ("float32", None),
    (-64, 0.0): ("float64", None),
}
# Any other BZERO or BSCALE makes floats, as wide as astropy makes them.
_SCALED: Final = {8: "float32", 16: "float32", -32: "float32", 32: "float64", 64: "float64", -64: "float64"}


class Readable(Protocol):
    """A binary file: a plain one, or one that decompresses as it is read."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to ``size`` bytes, none at the end."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go to ``offset`` from the start."""
        ...


class FitsLayout(NamedTuple):
    """Where the image of a FITS file lies and how its samples are stored."""

    info: ImageInfo
    hdu: int  # 0 for the primary
    offset: int  # of the first sample, in the (decompressed) file
    extent: int  # of the data from there on, in whole blocks
    datasum: int | None  # what they add up to, where the header says so
    bitpix: int
    bscale: float
    bzero: float
    tiled: bool  # a compressed image inside a binary table (.fits.fz)


class _Hdu(NamedTuple):
    """One header and the extent of its data."""

    number: int
    keywords: tuple[Keyword, ...]
    values: dict[str, object]
    axes: tuple[int, ...]  # of the image, fastest first
    offset: int  # of the data
    size: int  # of the data, without padding

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.offset + self.extent

    @property
    def extent(self) -> int:
        """The size of the data, padding included."""
        return -(-self.size // BLOCK) * BLOCK

    @property
    def datasum(self) -> int | None:
        """What DATASUM says; None where it says nothing: absent, blank, or the 0 of an HDU without data."""
        stated = str(self.values.get("DATASUM", "")).strip()
        return int(stated) or None if _DATASUM.fullmatch(stated) else None

    @property
    def tiled(self) -> bool:
        """Whether this is a binary table that holds a compressed image."""
        return self.values.get("ZIMAGE") is True

    @property
    def is_image(self) -> bool:
        """Whether there are pixels: two axes, or three."""
        kind = str(self.values.get("XTENSION", "IMAGE")).strip()
        return (kind == "IMAGE" or self.tiled) and len(self.axes) in {2, 3} and 0 not in self.axes


def read_fits(path: Path, file: IO[bytes], start: bytes) -> FitsLayout:
    """Understand the FITS file ``file``, plain or gzipped, whose first bytes are ``start``.

    Of a gzipped file only as much as the header needs is decompressed. Raises UnreadableImage.
    """
    if not start.startswith(GZIP_MAGIC):
        return read_layout(path, file, os.fstat(file.fileno()).st_size, start)
    file.seek(0)
    with gzip.GzipFile(fileobj=file) as unzipped:
        try:
            start = unzipped.read(FIRST_READ)
            if not start.startswith(FITS_MAGIC):
                raise UnreadableImage(path, "is gzipped, but what is inside is not FITS")
            return read_layout(path, cast(Readable, unzipped), None, start)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise damaged_gzip(path, error) from error


def damaged_gzip(path: Path, error: Exception) -> UnreadableImage:
    """Return the exception for a gzip stream that breaks off or contradicts itself."""
    return UnreadableImage(path, f"is a damaged or incomplete gzip file ({error}); copy it again")


def read_layout(path: Path, file: Readable, size: int | None, start: bytes) -> FitsLayout:
    """Find the first image in ``file``, whose first bytes are ``start``; ``size`` is None where it is not known.

    Keywords of a primary header without data are added to those of the extension that holds the image, where the
    extension does not have them. Raises UnreadableImage for a file that is no FITS image or is cut short.
    """
    first = image = _read_hdu(path, file, 0, 0, start)
    while not image.is_image:
        if (following := _next(path, file, size, image)) is None:
            raise UnreadableImage(path, "holds no two-dimensional image, only headers or tables; is it the right file?")
        image = following
    if size is not None and image.offset + image.size > size:
        raise UnreadableImage(
            path,
            f"is cut short: the header promises {image.offset + image.size} bytes, the file has {size}; "
            "copy it again from the camera",
        )
    keywords = image.keywords
    if image.tiled:  # of the table nothing is said to the outside
        keywords = tuple(keyword for keyword in keywords if not STRUCTURAL.fullmatch(keyword.name))
    if image.number:
        own = {keyword.name for keyword in keywords}
        keywords += tuple(k for k in first.keywords if k.name not in own and not STRUCTURAL.fullmatch(k.name))
    return _layout(path, image, keywords, images=1 + _count_more(path, file, size, image))


def _layout(path: Path, image: _Hdu, keywords: tuple[Keyword, ...], *, images: int) -> FitsLayout:
    bitpix = image.values.get("ZBITPIX" if image.tiled else "BITPIX")
    if not isinstance(bitpix, int) or bitpix not in _SCALED:
        raise UnreadableImage(path, f"has BITPIX {bitpix}, which is none of 8, 16, 32, 64, -32, -64")
    bscale = _number(path, image, "BSCALE", 1.0)
    bzero = _number(path, image, "BZERO", 0.0)
    sample, full_scale = _SCALED[bitpix], None
    if bscale == 1.0:
        sample, full_scale = _SAMPLES.get((bitpix, bzero), (sample, full_scale))
    width, height, channels = (*image.axes, 1)[:3]
    if channels > _MOST_CHANNELS:
        what = f"has {channels} planes by its header, too many for a calibration frame"
        raise UnreadableImage(path, f"{what}: split a cube of exposures into files of one each")
    if max(width, height) > LARGEST_SIDE:
        raise UnreadableImage(path, f"claims to be {width} x {height} x {channels} pixels; the header is damaged")
    info = ImageInfo(path, ImageFormat.FITS, width, height, channels, sample, full_scale, keywords, images=images)
    return FitsLayout(info, image.number, image.offset, image.extent, image.datasum, bitpix, bscale, bzero, image.tiled)


def _number(path: Path, hdu: _Hdu, name: str, default: float) -> float:
    value = hdu.values.get(name)
    if value is None:
        return default
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise UnreadableImage(path, f"has {name} = {value!r}, which is not a number")


def _next(path: Path, file: Readable, size: int | None, hdu: _Hdu) -> _Hdu | None:
    """Return the HDU after ``hdu``, or None where the file ends (or what follows is not an extension)."""
    if size is not None and hdu.end >= size:
        return None
    file.seek(hdu.end)
    start = file.read(FIRST_READ) or b""
    if not start.startswith(b"XTENSION"):
        return None
    return _read_hdu(path, file, hdu.number + 1, hdu.end, start)


def _count_more(path: Path, file: Readable, size: int | None, hdu: _Hdu) -> int:
    """Count the images after ``hdu``; none where that would mean decompressing the file."""
    count = 0
    following: _Hdu | None = hdu
    while size is not None and following is not None:
        try:
            following = _next(path, file, size, following)
        except UnreadableImage:  # what follows the image is not needed
            break
        count += following is not None and following.is_image
    return count


def _read_hdu(path: Path, file: Readable, number: int, at: int, start: bytes) -> _Hdu:
    """Read the header at ``at``, of which ``start`` has been read, and work out how long its data are."""
    header, length = _read_header(path, file, at, start)
    keywords = parse_cards(header)
    values: dict[str, object] = {keyword.name: keyword.value for keyword in reversed(keywords)}  # the first one counts
    axes = _axes(path, values, "")
    size = _data_size(path, values, axes)
    if values.get("ZIMAGE") is True:
        axes = _axes(path, values, "Z")
    while len(axes) > 2 and axes[-1] == 1:
        axes.pop()
    return _Hdu(number, keywords, values, tuple(axes), at + length, size)


def _read_header(path: Path, file: Readable, at: int, data: bytes) -> tuple[bytes, int]:
    """Return the cards before END, and the length of the header in whole blocks."""
    searched = 0
    while True:
        found = data.find(b"END", searched)
        # some writers fill the last card with zero bytes instead of blanks
        while found >= 0 and (found % CARD or data[found : found + _NAME].rstrip(b"\0 ") != b"END"):
            found = data.find(b"END", found + 1)
        if found >= 0:
            return data[:found], (found // BLOCK + 1) * BLOCK
        searched = len(data) // CARD * CARD
        file.seek(at + len(data))
        more = file.read(max(len(data), FIRST_READ)) if len(data) < _LARGEST_HEADER else b""
        if not more:
            raise UnreadableImage(path, "has a FITS header without END card: it is cut short or damaged")
        data += more


def _axes(path: Path, values: dict[str, object], prefix: str) -> list[int]:
    count = _whole(path, values, f"{prefix}NAXIS")
    if count > 999:
        raise UnreadableImage(path, f"has NAXIS {count}; the header is damaged")
    return [_whole(path, values, f"{prefix}NAXIS{n}") for n in range(1, count + 1)]


def _data_size(path: Path, values: dict[str, object], axes: list[int]) -> int:
    """Return the bytes of data after a header (FITS standard 4.0, equation 2)."""
    bitpix = values.get("BITPIX")
    if not axes or not isinstance(bitpix, int):
        return 0
    groups = _whole(path, values, "GCOUNT", 1)
    return abs(bitpix) // 8 * groups * (_whole(path, values, "PCOUNT", 0) + math.prod(axes))


def _whole(path: Path, values: dict[str, object], name: str, default: int | None = None) -> int:
    value = values.get(name, default)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise UnreadableImage(path, f"has {name} = {value!r} where a whole number is needed; the header is damaged")
