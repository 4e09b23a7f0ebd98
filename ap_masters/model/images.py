"""Image files as they are: keywords, and what a file says of itself."""

from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, NamedTuple


class Keyword(NamedTuple):
    """One FITS header card, in FITS and XISF alike.

    ``value`` is a number, a truth value or a plain string (no quotes, no padding); None for COMMENT, HISTORY
    and blank cards, whose text stands in ``comment``.
    """

    name: str
    value: str | int | float | bool | None
    comment: str = ""


LARGEST_SIDE: Final = 1 << 24  # pixels; a header that claims more is damaged

# Keywords without a value: their text stands in the comment.
COMMENTARY: Final = frozenset({"COMMENT", "HISTORY", ""})

SampleScale = Literal["unit", "adu"]  # [0, 1], or counts of the 16-bit range
Compression = Literal["none", "zlib", "lz4", "zstd"]  # of XISF, always lossless


class ImageFormat(StrEnum):
    """The file formats frames and masters come in."""

    FITS = "fits"
    XISF = "xisf"


class ImageInfo(NamedTuple):
    """What an image file says of itself; pixels not read.

    ``sample`` is the numpy name of the *physical* sample type: "uint16" for a FITS file with BITPIX 16 and
    BZERO 32768. ``full_scale`` is the value that stands for 1.0 (65535 for uint16), None for float samples.
    """

    path: Path
    format: ImageFormat
    width: int
    height: int
    channels: int
    sample: str
    full_scale: float | None
    keywords: tuple[Keyword, ...]
    properties: tuple[tuple[str, str], ...] = ()  # XISF properties as text: ("Instrument:ExposureTime", "300")
    image_type: str | None = None  # XISF imageType, as "MasterDark"
    images: int = 1  # how many images the file holds; the first is the one described
