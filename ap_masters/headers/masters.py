"""A finished master, ours or another program's, as matching sees it: what it is, and where it contradicts itself."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

from ap_masters.headers import names, spellings
from ap_masters.headers.frame_types import type_in_words, words
from ap_masters.headers.index import HeaderIndex
from ap_masters.headers.names import Hint
from ap_masters.headers.values import julian, moment
from ap_masters.model import DARKS, Frame, FrameType, GroupKey, ImageInfo, Master, within
from ap_masters.model.orientation import row_order
from ap_masters.texts import stands_for

# Names and folders round to whole degrees, and some hold the set-point where the header holds the sensor.
_TEMPERATURE_SLACK_C = 1.0

# Lines that name the program that integrated, where no keyword does (its keywords are those of the capture program).
_PROGRAMS: Final = (
    re.compile(r"Master frame generated with (.+)"),  # WBPP
    re.compile(r"Integration with (PixInsight .+)"),
)


def master_from(info: ImageInfo, frame: Frame) -> Master:
    """Return the master that ``frame`` (read from ``info``) is: from its keywords, then HISTORY, then its name.

    Where name or folder say something else than the header, the header holds and the master carries a warning.
    Raises ValueError when the type is not known.
    """
    header = HeaderIndex(info)
    key = GroupKey.of(frame)
    if key.type is FrameType.FLAT and key.night is None:
        key = key.model_copy(update={"night": _date_in_name(frame)})
    return Master(
        path=frame.path,
        key=key,
        frames=frame.combined,
        started=frame.started or julian(header.get(spellings.JULIAN_START)) or _noon(frame.night),
        ended=_first_moment(header, spellings.ENDED) or julian(header.get(spellings.JULIAN_END)),
        created=moment(header.get("DATE")),
        calibration_state=frame.calibration_state,
        row_order=row_order(frame.row_order, frame.format),
        origin=_program(header) or frame.software,
        warnings=(*frame.warnings, *_contradictions(frame, key)),
    )


def _first_moment(header: HeaderIndex, keywords: tuple[str, ...]) -> datetime | None:
    return next((stamp for keyword in keywords if (stamp := moment(header.get(keyword)))), None)


def _noon(night: date | None) -> datetime | None:
    """Return the start of a night that a path tells and no header: noon has its date, in whatever way that is told."""
    return datetime.combine(night, time(12, tzinfo=UTC)) if night else None


def _program(header: HeaderIndex) -> str | None:
    """Return the program that integrated, from the lines it left."""
    for pattern in _PROGRAMS:
        for line in header.remarks:
            if match := pattern.search(line):
                return match[1].strip()
    return None


def _date_in_name(frame: Frame) -> date | None:
    found = names.date_in_name(names.stem_of(frame.path))
    try:
        return date.fromisoformat(found) if found else None
    except ValueError:
        return None


def _contradictions(frame: Frame, key: GroupKey) -> Iterator[str]:
    """Yield what file name and folder say otherwise than the header; a type in the file name is reading's to tell."""
    stem, folder = names.without_cut(names.stem_of(frame.path)), frame.path.parent.name
    kind = type_in_words(words(folder))
    # A dark flat passes for a dark: WBPP knows no other word for it.
    if kind is not None and kind is not key.type and {kind, key.type} != DARKS:
        yield f"the folder '{folder}' says {kind}, the header says {key.type}"
    for where, name in (("file name", stem), ("folder", folder)):
        for field, hint in names.numbers_in(name).items():
            stated = _stated(frame, field)
            if stated is not None and not _agrees(field, hint, stated):
                yield f"the {where} says {field} {hint.value:g} ('{hint.text}'), the header says {stated:g}"
    named = names.texts_in(stem).get("filter")
    if key.filter and named and not stands_for(named, key.filter):
        yield f"the file name says filter '{named}', the header says '{key.filter}'"


def numbers_named(path: Path) -> frozenset[str]:
    """Return which numbers a master's name or folder tells, in words: where the header contradicts, it is told."""
    found = names.numbers_in(names.without_cut(names.stem_of(path))).keys() | names.numbers_in(path.parent.name).keys()
    axes = {"x binning", "y binning"} if "binning" in found else set()
    return frozenset({field.replace("_", " ") for field in found} | axes)


def _stated(frame: Frame, field: str) -> float | None:
    """Return what the header states of a number that names carry; a bias is always 0 s in names."""
    stated: dict[str, float | None] = {
        "exposure": None if frame.type is FrameType.BIAS else frame.exposure,
        "gain": frame.gain,
        "offset": frame.offset,
        "usb_limit": frame.usb_limit,
        "temperature": frame.temperature,
        "binning": frame.x_binning,
        "combined": frame.combined,
    }
    return stated[field]


def _agrees(field: str, hint: Hint, stated: float) -> bool:
    """Return whether a number in a name is the header's, rounded as names are; gain, offset and counts are exact."""
    if field == "temperature":
        return within(hint.value, stated, _TEMPERATURE_SLACK_C)
    if field == "exposure":
        return within(hint.value, stated, hint.slack)
    return hint.value == stated
