"""Capture plans read from CSV, and capture lists written as CSV: what is planned, and what is still to be taken."""

import csv
import io
import re
from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import Field, ValidationError

from ap_masters.decoding import text_of
from ap_masters.errors import UsageError, reason_of
from ap_masters.model import FrameType, Noun
from ap_masters.safe import csv_cell, one_line

_ALIKE: Final = 0.85  # of two words, by difflib


class PlannedLight(Noun):
    """One row of a capture plan. What is None is whatever the library has; an optional row is no fault (S0-09)."""

    exposure: float = Field(ge=0, allow_inf_nan=False)
    camera: str | None = None
    camera_id: str | None = None
    gain: float | None = None
    offset: float | None = None
    temperature: float | None = None
    x_binning: int | None = Field(None, ge=1)
    y_binning: int | None = Field(None, ge=1)
    readout_mode: str | None = None
    iso: float | None = None
    usb_limit: float | None = None
    filter: str | None = None
    telescope: str | None = None
    count: int | None = Field(None, ge=1)  # frames wanted in the master
    optional: bool = False
    name: str | None = None


class Gap(Noun):
    """Frames to capture: ``count`` exposures of one kind at these settings."""

    type: FrameType
    exposure: float | None
    gain: float | None
    offset: float | None
    temperature: float | None
    binning: str | None
    readout_mode: str | None
    iso: float | None
    usb_limit: float | None
    camera: str | None
    camera_id: str | None
    filter: str | None
    have: int
    need: int
    count: int
    optional: bool
    reason: str


def _number(text: str) -> float:
    """Read a number with a point, or with a comma as much of Europe writes it."""
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        raise ValueError("may be a thousand or a fraction: write it with a point, or without the comma")
    try:
        return float(text.replace(",", ".", 1) if re.fullmatch(r"[+-]?\d+,\d+", text) else text)
    except ValueError:
        raise ValueError("is no number") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("is no whole number") from None


def _binning(text: str) -> int:
    try:
        return int(text.lower().split("x")[0])
    except ValueError:
        raise ValueError("is no binning such as 2 or 2x2") from None


def _yes(text: str) -> bool:
    return text.strip().lower() in {"1", "yes", "y", "true", "optional", "x"}


class _Column(NamedTuple):
    """One column of a plan: the headings it goes by, the field it fills and how its text is read."""

    headings: frozenset[str]
    field: str
    read: Callable[[str], object]


_COLUMNS: Final = (
    _Column(frozenset({"exposure", "exptime", "seconds", "exposure_s", "duration"}), "exposure", _number),
    _Column(frozenset({"gain"}), "gain", _number),
    _Column(frozenset({"offset"}), "offset", _number),
    _Column(
        frozenset({"temperature", "temp", "set-temp", "set_temp", "setpoint", "set-point"}), "temperature", _number
    ),
    _Column(frozenset({"count", "frames", "number"}), "count", _whole),
    _Column(frozenset({"filter"}), "filter", str),
    _Column(frozenset({"camera", "instrume"}), "camera", str),
    _Column(frozenset({"camera_id", "cameraid"}), "camera_id", str),
    _Column(frozenset({"iso", "isospeed"}), "iso", _number),
    _Column(frozenset({"usb_limit", "usblimit", "usb"}), "usb_limit", _number),
    _Column(frozenset({"telescope", "telescop"}), "telescope", str),
    _Column(frozenset({"readout", "readout_mode", "readoutm", "mode"}), "readout_mode", str),
    _Column(frozenset({"binning", "bin", "xbinning"}), "x_binning", _binning),
    _Column(frozenset({"optional"}), "optional", _yes),
    _Column(frozenset({"name", "template", "target"}), "name", str),
)


def read_plan(path: Path) -> tuple[PlannedLight, ...]:
    """Return the rows of a capture plan in CSV (comma or semicolon, headings in the first line).

    ``exposure`` has to be there; gain, offset, temperature, count, filter, camera, camera_id, telescope, readout, iso,
    usb_limit, binning, optional and name may. Other columns and lines that begin with ``#`` are passed over. Raises
    UsageError with the line that cannot be read, and why; also for a column whose heading is nearly one of these.
    """
    try:
        text = text_of(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the plan cannot be read: {reason_of(error)}") from error
    return parse_plan(text, where=path)


def parse_plan(text: str, *, where: Path) -> tuple[PlannedLight, ...]:
    """Return the rows in ``text``; see ``read_plan``."""
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if not lines:
        raise UsageError(f"{where}: the plan is empty. It needs a heading 'exposure' and a row per exposure")
    delimiter = ";" if lines[0][1].count(";") > lines[0][1].count(",") else ","
    cells = list(csv.reader((line for _, line in lines), delimiter=delimiter))
    headings = [heading.strip() for heading in cells[0]]
    if set(Gap.model_fields) <= set(headings):
        raise UsageError(
            f"{where}: is the list of frames to capture that --csv writes, and no plan. A plan tells of lights: "
            "a heading 'exposure', with gain, offset, temperature and filter where they matter, and a row for each kind"
        )
    columns = [_column(heading) for heading in headings]
    given = {column.field for column in columns if column}
    for heading in (heading for heading, column in zip(headings, columns, strict=True) if column is None):
        if meant := _nearly(heading, given):
            raise UsageError(f"{where}: the column '{one_line(heading)}' means nothing; did you mean '{meant}'?")
    if not any(column and column.field == "exposure" for column in columns):
        raise UsageError(f"{where}: there is no column 'exposure' in {', '.join(headings)}")
    plan = []
    for (number, _), row in zip(lines[1:], cells[1:], strict=True):
        try:
            told = zip(headings, columns, map(str.strip, row), strict=False)
            fields = {column.field: _read(column, heading, text) for heading, column, text in told if column and text}
            plan.append(PlannedLight.model_validate(fields))
        except ValueError as error:
            raise UsageError(f"{where}, line {number}: {_in_words(error)}") from error
    return tuple(plan)


def _read(column: _Column, heading: str, text: str) -> object:
    try:
        return column.read(text)
    except ValueError as error:
        raise ValueError(f"{one_line(heading)} '{one_line(text)}' {error}") from None


def _column(heading: str) -> _Column | None:
    word = _word(heading)
    return next((column for column in _COLUMNS if word in column.headings), None)


def _nearly(heading: str, given: Collection[str]) -> str | None:
    """Return the heading, of a field that is not given, that this one is with a letter too many, too few, or moved."""
    word = _word(heading)
    known = [known for column in _COLUMNS if column.field not in given for known in column.headings]
    moved = [other for other in known if sorted(other) == sorted(word)]
    alike = [other for other in known if other[:1] == word[:1] and abs(len(other) - len(word)) == 1]
    return next(iter([*moved, *get_close_matches(word, alike, 1, _ALIKE)]), None)


def _word(heading: str) -> str:
    return heading.strip().lower().replace(" ", "_")


def _in_words(error: ValueError) -> str:
    """Return what is wrong with a row: a cell that cannot be read, or values out of their range."""
    if not isinstance(error, ValidationError):
        return str(error)
    told = []
    for e in error.errors():
        field = ".".join(map(str, e["loc"]))
        wrong = f"{field} {e['input']}: {e['msg'][:1].lower()}{e['msg'][1:]}"
        told.append(f"there is no {field}" if e["type"] == "missing" else wrong)
    return one_line("; ".join(told))


def capture_csv(gaps: Sequence[Gap]) -> str:
    """Return the capture list as CSV, one line per kind of frame."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Gap.model_fields)
    for gap in gaps:
        values = gap.model_dump(mode="json").values()
        writer.writerow("" if v is None else f"{v:g}" if isinstance(v, float) else csv_cell(str(v)) for v in values)
    return out.getvalue()
