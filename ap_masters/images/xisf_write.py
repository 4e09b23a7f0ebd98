"""XISF images written by rows, as PixInsight writes them, with a SHA-256 checksum."""

import hashlib
import math
import platform
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters import __version__
from ap_masters.images import xisf_blocks
from ap_masters.images.fits_cards import COMMENTARY, STRUCTURAL
from ap_masters.images.fits_format import commentary_text
from ap_masters.images.writer import Part, RowWriter, Shape
from ap_masters.images.xisf_header import XISF_MAGIC
from ap_masters.model import Keyword

_ALIGNMENT: Final = 4096  # PixInsight's own; its MaxInlineBlockSize does not matter, as pixels are always attached
_CARD: Final = 150  # bytes of a FITSKeyword element, on the safe side
_FORMATS: Final = {
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "float32": "Float32",
    "float64": "Float64",
}

# FITS keyword -> XISF property (XISF 1.0, section 11.5.3; PCL:* are PixInsight's own), its type, its factor
_PROPERTIES: Final = (
    ("DATE-OBS", "Observation:Time:Start", "TimePoint", 1.0),
    ("DATE-END", "Observation:Time:End", "TimePoint", 1.0),
    ("INSTRUME", "Instrument:Camera:Name", "String", 1.0),
    ("EGAIN", "Instrument:Camera:Gain", "Float32", 1.0),  # electrons per count: not the keyword GAIN
    ("ISOSPEED", "Instrument:Camera:ISOSpeed", "Int32", 1.0),
    ("XBINNING", "Instrument:Camera:XBinning", "Int32", 1.0),
    ("YBINNING", "Instrument:Camera:YBinning", "Int32", 1.0),
    ("EXPTIME", "Instrument:ExposureTime", "Float32", 1.0),
    ("CCD-TEMP", "Instrument:Sensor:Temperature", "Float32", 1.0),
    ("SET-TEMP", "Instrument:Sensor:TargetTemperature", "Float32", 1.0),
    ("XPIXSZ", "Instrument:Sensor:XPixelSize", "Float32", 1.0),
    ("YPIXSZ", "Instrument:Sensor:YPixelSize", "Float32", 1.0),
    ("FILTER", "Instrument:Filter:Name", "String", 1.0),
    ("TELESCOP", "Instrument:Telescope:Name", "String", 1.0),
    ("FOCALLEN", "Instrument:Telescope:FocalLength", "Float32", 0.001),  # millimetres to metres
    ("BAYERPAT", "PCL:CFASourcePattern", "String", 1.0),
)


class XisfWriter(RowWriter):
    """Writes one image as an attached block of a monolithic XISF file."""

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        channels: int,
        sample: str,
        keywords: tuple[Keyword, ...],
        image_type: str,
        compression: str,
        adu: bool,
        reserve: int,
    ) -> None:
        """Keep room for ``reserve`` keywords more than ``keywords``.

        ``compression`` is none, zlib, lz4 or zstd, always with byte shuffling. ``adu`` says that float samples are
        counts of the 16-bit range, which their bounds then tell. Raises UnwritableImage, and ValueError for a
        sample type that XISF does not have.
        """
        if sample not in _FORMATS:
            raise ValueError(f"{sample} samples cannot be written; XISF takes {', '.join(_FORMATS)}")
        self._format = _FORMATS[sample]
        self._image_type = image_type
        self._compression = "" if compression == "none" else compression
        self._bounds = "" if np.dtype(sample).kind == "u" else "0:65535" if adu else "0:1"
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._hashing = threading.Lock()
        shape = Shape(width, height, channels, np.dtype(sample).newbyteorder("<"))
        start = _aligned(4096 + (len(keywords) + reserve) * _CARD)
        super().__init__(path, shape, keywords, start=start)

    def _encode(self, rows: NDArray[Any]) -> NDArray[Any]:
        return rows.astype(self._shape.dtype, copy=False)

    def _note(self, position: int, data: memoryview) -> None:
        """Carry the checksum on as far as rows have been written without a gap, unless another thread is at it."""
        if not self._compression and self._hashing.acquire(blocking=False):
            try:
                self._hash_written()
            finally:
                self._hashing.release()

    def _hash_written(self) -> None:
        for piece in self._part.pieces(self._start + self._hashed, self._start + self._gapless()):
            self._digest.update(piece)
            self._hashed += len(piece)

    def _gapless(self) -> int:
        """Return how many bytes from the first sample on have been written."""
        with self._lock:
            rows = self._written.reshape(-1)
            done = int(rows.argmin()) if not rows.all() else rows.size
        return done * self._shape.row

    # --- completing ---------------------------------------------------------------------------------------

    def _complete(self, keywords: tuple[Keyword, ...]) -> None:
        compression = self._compress() if self._compression else {}
        if not compression:
            self._hash_written()
        while len(header := self._header(keywords, compression)) > self._start:
            self._make_room(_aligned(len(header)))
        self._part.write(0, memoryview(header.ljust(self._start, b"\0")))

    def _compress(self) -> dict[str, str]:
        """Replace the samples by compressed ones; return the attributes that say so, none if that gains nothing.

        What compression does not make smaller stays as it is: PixInsight shows garbage otherwise.
        """
        size, item = self._shape.size, self._shape.dtype.itemsize
        packer = xisf_blocks.Packer(self._compression)
        packed = Part(self.path)
        try:
            at = self._start
            for piece in packer.pack(partial(xisf_blocks.shuffled, self._samples, size, item), size):
                packed.write(at, memoryview(piece))
                self._digest.update(piece)
                at += len(piece)
        except BaseException:
            packed.discard()
            raise
        if at - self._start >= size:
            packed.discard()
            self._digest = hashlib.sha256()
            return {}
        self._part.discard()
        self._part = packed
        self._stored = at - self._start
        attributes = {
            "compression": f"{self._compression}+sh:{size}:{item}" if item > 1 else f"{self._compression}:{size}"
        }
        if len(packer.subblocks) > 1:
            attributes["subblocks"] = ":".join(f"{stored},{whole}" for stored, whole in packer.subblocks)
        return attributes

    def _samples(self, first: int, last: int) -> Iterator[memoryview]:
        return self._part.pieces(self._start + first, self._start + last)

    def _header(self, keywords: tuple[Keyword, ...], compression: dict[str, str]) -> bytes:
        """Return the file up to the samples, without padding; the order of attributes is PixInsight's."""
        width, height, channels, _ = self._shape
        attributes = {
            "geometry": f"{width}:{height}:{channels}",
            "sampleFormat": self._format,
            "bounds": self._bounds,
            "colorSpace": "RGB" if channels >= 3 else "Gray",
            "imageType": self._image_type,
            **compression,
            "checksum": f"sha256:{self._digest.hexdigest()}",
            "location": f"attachment:{self._start}:{self._stored}",
        }
        kept = [keyword for keyword in keywords if not STRUCTURAL.fullmatch(keyword.name.strip().upper())]
        text = "".join(
            (
                _PROLOGUE,
                _element("Image", {name: value for name, value in attributes.items() if value}, closed=False),
                *map(_fits_keyword, kept),
                *_image_properties(kept),
                '<Resolution horizontal="72" vertical="72" unit="inch"/></Image>',
                _metadata(kept),
                "</xisf>",
            )
        ).encode("utf-8")
        return XISF_MAGIC + len(text).to_bytes(4, "little") + bytes(4) + text


# --- XML --------------------------------------------------------------------------------------------------

_PROLOGUE: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><!--\n'
    "Extensible Image Serialization Format - XISF version 1.0\n"
    f"Created with ap-masters {__version__}\n"
    '--><xisf version="1.0" xmlns="http://www.pixinsight.com/xisf"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:schemaLocation="http://www.pixinsight.com/xisf http://pixinsight.com/xisf/xisf-1.0.xsd">'
)


def _fits_keyword(keyword: Keyword) -> str:
    name = keyword.name.strip().upper()
    if name in COMMENTARY:
        value, comment = "", commentary_text(keyword)
    else:
        value, comment = _fits_value(keyword.value), keyword.comment
    return _element("FITSKeyword", {"name": name, "value": value, "comment": comment})


def _fits_value(value: str | float | bool | None) -> str:
    """Return a value as FITSKeyword wants it: strings with the quotes of their FITS notation."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool):
        return "T" if value else "F"
    if value is None or not math.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else repr(float(value)).upper()


def _image_properties(keywords: list[Keyword]) -> Iterator[str]:
    values = {keyword.name.strip().upper(): keyword.value for keyword in reversed(keywords)}
    for name, identifier, kind, factor in _PROPERTIES:
        if (text := _property_text(values.get(name), kind, factor)) is not None:
            yield _property(identifier, kind, text)


def _property_text(value: str | float | bool | None, kind: str, factor: float) -> str | None:
    """Return the text of a property, None for a value that is not of its kind."""
    if kind == "String":
        return value if isinstance(value, str) and value else None
    if kind == "TimePoint":
        return _time_point(value) if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if kind == "Int32":
        return str(int(value)) if value == int(value) else None
    return repr(float(value) * factor if factor != 1.0 else float(value))


def _time_point(text: str) -> str | None:
    """Return a FITS date as ISO 8601 in UTC, as TimePoint wants it; None for one in an older notation."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _metadata(keywords: list[Keyword]) -> str:
    """Return the Metadata element; CreationTime is of type String because PixInsight writes it so."""
    written = next((k.value for k in keywords if k.name == "DATE" and isinstance(k.value, str)), None)
    created = _time_point(written or "") or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    properties = (
        ("XISF:CreationTime", "String", created),
        ("XISF:CreatorApplication", "String", f"ap-masters {__version__}"),
        ("XISF:CreatorModule", "String", "ap_masters.images"),
        ("XISF:CreatorOS", "String", platform.system().replace("Darwin", "macOS") or "unknown"),
        ("XISF:BlockAlignmentSize", "UInt16", str(_ALIGNMENT)),
        ("XISF:MaxInlineBlockSize", "UInt16", "0"),
        ("XISF:ChecksumAlgorithms", "String", "sha256"),
    )
    return f"<Metadata>{''.join(_property(*row) for row in properties)}</Metadata>"


def _property(identifier: str, kind: str, text: str) -> str:
    if kind == "String":
        opening = _element("Property", {"id": identifier, "type": kind}, closed=False)
        return f"{opening}{_escaped(text)}</Property>"
    return _element("Property", {"id": identifier, "type": kind, "value": text})


def _element(tag: str, attributes: dict[str, str], *, closed: bool = True) -> str:
    written = "".join(f' {name}="{_escaped(text)}"' for name, text in attributes.items())
    return f"<{tag}{written}{'/' if closed else ''}>"


_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def _escaped(text: str) -> str:
    """Return ``text`` for XML 1.0, which cannot hold control characters, lone surrogates and the like: blanks."""
    return "".join(c if c.isprintable() else " " for c in text).translate(_ENTITIES)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
