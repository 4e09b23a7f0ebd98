"""What an XISF file holds: its XML header understood without numpy, pixels not read.

Written from the XISF 1.0 specification and from files that PixInsight 1.8.6 to 1.9.5 wrote.
"""

import base64
import math
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Final, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ap_masters.errors import UnreadableImage
from ap_masters.model import COMMENTARY, LARGEST_SIDE, ImageFormat, ImageInfo, Keyword

_PREAMBLE: Final = 16  # magic, header length, reserved
_LARGEST_HEADER: Final = 1 << 27  # embedded blocks and previews included
_NAMESPACE: Final = "{http://www.pixinsight.com/xisf}"

# sampleFormat -> numpy's name, bytes, and the value of full scale
FORMATS: Final[dict[str, tuple[str, int, float | None]]] = {
    "UInt8": ("uint8", 1, 255.0),
    "UInt16": ("uint16", 2, 65535.0),
    "UInt32": ("uint32", 4, 4294967295.0),
    "UInt64": ("uint64", 8, 18446744073709551615.0),
    "Float32": ("float32", 4, None),
    "Float64": ("float64", 8, None),
}


class Block(NamedTuple):
    """One data block of an XISF file: where it is, how it is packed, and what its checksum must be."""

    position: int | None  # in the file; None where ``text`` holds the bytes
    size: int  # as stored
    text: str = ""
    encoding: str = "base64"
    compression: str = ""  # "zstd+sh:33554432:4"
    subblocks: str = ""
    checksum: str = ""  # "sha256:..."


class XisfLayout(NamedTuple):
    """The image of an XISF file and the block that holds its samples."""

    info: ImageInfo
    block: Block

    big_endian: bool
    interleaved: bool  # pixelStorage="Normal"
    bounds: tuple[float, float]  # of float samples; (0, 1) otherwise


def read_xisf(path: Path, file: IO[bytes], start: bytes) -> XisfLayout:
    """Understand the monolithic XISF file ``file``, whose first bytes are ``start``.

    Of several images the one with the id "integration" (WBPP's masters) is described, else the first. Raises
    UnreadableImage for a header that is cut short, is not XML, or does not describe an image this program reads.
    """
    file_size = os.fstat(file.fileno()).st_size
    root = _parse(path, _header_text(path, file, start, file_size))
    images = root.findall("Image")
    if not images:
        raise UnreadableImage(path, "is an XISF file without an image")
    image = next((element for element in images if element.get("id") == "integration"), images[0])
    layout = _layout(path, root, image, len(images))
    block = layout.block
    if block.position is not None and block.position < _PREAMBLE + int.from_bytes(start[8:12], "little"):
        raise UnreadableImage(path, "claims to have its pixels inside the header; it is damaged")
    if block.position is not None and block.position + block.size > file_size:
        raise UnreadableImage(
            path,
            f"is cut short: the pixels should end at byte {block.position + block.size}, the file has {file_size}; "
            "copy it again",
        )
    return layout


def _header_text(path: Path, file: IO[bytes], start: bytes, file_size: int) -> str:
    length = int.from_bytes(start[8:12], "little")
    end = _PREAMBLE + length
    if len(start) < _PREAMBLE or end > file_size:
        raise UnreadableImage(path, f"is cut short: its header alone should have {length} bytes; copy it again")
    if length > _LARGEST_HEADER:
        raise UnreadableImage(path, f"claims an XISF header of {length} bytes; it is damaged")
    file.seek(len(start))
    while len(start) < end and (more := file.read(end - len(start))):
        start += more
    try:
        text = start[_PREAMBLE:end].rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableImage(path, f"has an XISF header that is not UTF-8 ({error.reason})") from error
    if "<!DOCTYPE" in text:
        # XISF has no document type; one could only define entities that grow without bound or read other files.
        raise UnreadableImage(path, "has a document type declaration in its XISF header, which is refused")
    return text


def _parse(path: Path, text: str) -> Element:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UnreadableImage(path, f"has an XISF header that is not valid XML ({error})") from error
    for element in root.iter():  # some writers leave the namespace out, so nothing here depends on it
        element.tag = element.tag.removeprefix(_NAMESPACE)
    if root.tag != "xisf":
        raise UnreadableImage(path, f"has an XISF header with the root element {root.tag!r}")
    return root


# --- the image --------------------------------------------------------------------------------------------


def _layout(path: Path, root: Element, image: Element, images: int) -> XisfLayout:
    width, height, channels = _geometry(path, image.get("geometry", ""))
    format_name = image.get("sampleFormat", "")
    if format_name not in FORMATS:
        raise UnreadableImage(path, f"has samples of format {format_name!r}; only {', '.join(FORMATS)} can be read")
    sample, item, full_scale = FORMATS[format_name]
    storage = image.get("pixelStorage", "Planar")
    if storage not in {"Planar", "Normal"}:
        raise UnreadableImage(path, f"has pixelStorage {storage!r}, which is neither Planar nor Normal")
    info = ImageInfo(
        path,
        ImageFormat.XISF,
        width,
        height,
        channels,
        sample,
        full_scale,
        keywords=tuple(map(_fits_keyword, image.iterfind("FITSKeyword"))),
        properties=tuple(_properties(root, image)),
        image_type=image.get("imageType"),
        images=images,
    )
    block = _block(path, image)
    needed = width * height * channels * item
    if not block.compression and block.position is not None and block.size < needed:
        raise UnreadableImage(path, f"stores {block.size} bytes of pixels where its geometry needs {needed}")
    bounds = _bounds(path, image.get("bounds")) if full_scale is None else (0.0, 1.0)
    return XisfLayout(info, block, _big_endian(image), storage == "Normal", bounds)


def _geometry(path: Path, text: str) -> tuple[int, int, int]:
    """Read "width:height:channels"; PixInsight knows images of two dimensions only."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise UnreadableImage(path, f"has the geometry {text!r}, which is not width:height:channels")
    width, height, channels = (int(part) for part in parts)
    if min(width, height, channels) < 1 or max(width, height, channels) > LARGEST_SIDE:
        raise UnreadableImage(path, f"claims to be {width} x {height} x {channels} pixels; the header is damaged")
    return width, height, channels


def _bounds(path: Path, text: str | None) -> tuple[float, float]:
    if text is None:  # mandatory by the specification, and still missing in files of other programs
        return 0.0, 1.0
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UnreadableImage(path, f"has the bounds {text!r}, which are not two rising numbers")
    return low, high


def _big_endian(image: Element) -> bool:
    return any(holder.get("byteOrder") == "big" for holder in (image, *image.findall("Data")))


def _block(path: Path, image: Element) -> Block:
    """Read where an image's samples are. In embedded blocks the attributes stand on the Data child."""
    location = image.get("location", "")
    kind, _, rest = location.partition(":")
    holder = image
    text = ""
    position = None
    size = 0
    encoding = rest
    if kind == "attachment" and re.fullmatch(r"\d{1,18}:\d{1,18}", rest, re.ASCII):
        position, size = (int(part) for part in rest.split(":"))
    elif kind == "embedded" and (data := image.find("Data")) is not None:
        holder, text, encoding = data, data.text or "", data.get("encoding", "base64")
    elif kind == "inline":  # the specification forbids it for images; other programs write it
        text = image.text or ""
    else:
        raise UnreadableImage(path, f"has its pixels at {location!r}; only pixels inside the file can be read")
    return Block(
        position,
        size,
        text,
        encoding,
        holder.get("compression", ""),
        holder.get("subblocks", ""),
        holder.get("checksum", ""),
    )


# --- keywords and properties ------------------------------------------------------------------------------

_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)  # Python refuses to read thousands of digits
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?", re.ASCII)


def _fits_keyword(element: Element) -> Keyword:
    return _keyword(element.get("name", ""), element.get("value", ""), element.get("comment", ""))


@lru_cache(maxsize=4096)  # the frames of a night share nearly all their keywords
def _keyword(name: str, value: str, comment: str) -> Keyword:
    name, value, comment = name.strip().upper(), value.strip(), comment.rstrip()
    if name in COMMENTARY:
        return Keyword(name, None, comment or _plain(value))
    return Keyword(name, _value(value), comment)


def _value(text: str) -> str | int | float | bool | None:
    """Return a FITSKeyword's value: strings stand in single quotes, everything else is a number, T or F."""
    if text.startswith("'"):
        return _plain(text)
    if text in {"T", "F"}:
        return text == "T"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.upper().replace("D", "E"))
    return text or None


def _plain(text: str) -> str:
    """Take the quotes of a FITS string away: 'O''Hara  ' is O'Hara."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'").rstrip()
    return text.removeprefix("'").rstrip()


def _properties(root: Element, image: Element) -> Iterator[tuple[str, str]]:
    """Yield the scalar and text properties of the image, then those of the file; vectors are left out.

    A colour filter array, which is an element of its own, comes as the property that PixInsight has for it.
    """
    for holder in (image, *root.findall("Metadata"), root):
        for element in holder.iterfind("Property"):
            if (text := _property_text(element)) is not None:
                yield element.get("id", ""), text
    for array in image.iterfind("ColorFilterArray"):
        yield "PCL:CFASourcePattern", array.get("pattern", "")


def _property_text(element: Element) -> str | None:
    if (value := element.get("value")) is not None:
        return value
    location = element.get("location")
    if location is None:
        return element.text or ""
    if element.get("type") != "String" or element.get("compression"):
        return None
    try:
        return decoded(element.text or "", location.removeprefix("inline:")).decode("utf-8")
    except ValueError:
        return None


def decoded(text: str, encoding: str) -> bytes:
    """Return the bytes of an inline or embedded block. Raises ValueError."""
    if encoding == "base64":
        return base64.b64decode("".join(text.split()), validate=True)
    if encoding == "hex":
        return bytes.fromhex(text)
    raise ValueError(f"unknown encoding {encoding!r}")
