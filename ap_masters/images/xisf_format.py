"""Keywords and metadata written as the XML header of an XISF file, the way PixInsight writes it."""

import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from ap_masters import __version__
from ap_masters.images.fits_cards import STRUCTURAL
from ap_masters.images.fits_format import commentary_text
from ap_masters.model import COMMENTARY, Keyword

_PROLOGUE: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><!--\n'
    "Extensible Image Serialization Format - XISF version 1.0\n"
    f"Created with ap-masters {__version__}\n"
    '--><xisf version="1.0" xmlns="http://www.pixinsight.com/xisf"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:schemaLocation="http://www.pixinsight.com/xisf http://pixinsight.com/xisf/xisf-1.0.xsd">'
)

# FITS keyword -> XISF property (of XISF 1.0; PCL:* are PixInsight's own), its type, and its factor
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


def document(image: Mapping[str, str], keywords: Sequence[Keyword], *, alignment: int) -> str:
    """Return the XML of a file with one image, whose attributes are ``image`` (empty ones are left out).

    The date of creation is that of the keyword DATE, else now.
    """
    kept = [keyword for keyword in keywords if not STRUCTURAL.fullmatch(keyword.name.strip().upper())]
    return "".join(
        (
            _PROLOGUE,
            _element("Image", {name: value for name, value in image.items() if value}, closed=False),
            *map(_fits_keyword, kept),
            *_image_properties(kept),
            '<Resolution horizontal="72" vertical="72" unit="inch"/></Image>',
            _metadata(kept, alignment),
            "</xisf>",
        )
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


def _metadata(keywords: list[Keyword], alignment: int) -> str:
    """Return the Metadata element; CreationTime is of type String because PixInsight writes it so."""
    written = next((k.value for k in keywords if k.name == "DATE" and isinstance(k.value, str)), None)
    created = _time_point(written or "") or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    properties = (
        ("XISF:CreationTime", "String", created),
        ("XISF:CreatorApplication", "String", f"ap-masters {__version__}"),
        ("XISF:CreatorModule", "String", "ap_masters.images"),
        ("XISF:CreatorOS", "String", platform.system().replace("Darwin", "macOS") or "unknown"),
        ("XISF:BlockAlignmentSize", "UInt16", str(alignment)),
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
