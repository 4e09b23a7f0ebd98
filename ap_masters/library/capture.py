"""Capture plans read from CSV, and capture lists written as CSV: what is planned, and what is still to be taken."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import Field

from ap_masters.decoding import text_of
from ap_masters.errors import UsageError
from ap_masters.model import FrameType, Noun
from ap_masters.safe import csv_cell, one_line


class PlannedLight(Noun):
    """One row of a capture plan. What is None is whatever the library has; an optional row is no fault (S0-09)."""

    exposure: float = Field(ge=0, allow_inf_nan=False)
    camera: str | None = None
    gain: float | None = None
    offset: float | None = None
    temperature: float | None = None
    x_binning: int | None = Field(None, ge=1)
    y_binning: int | None = Field(None, ge=1)
    readout_mode: str | None = None
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
    camera: str | None
    filter: str | None
    have: int
    need: int
    count: int
    optional: bool
    reason: str


def _binning(text: str) -> int:
    return int(text.lower().split("x")[0])


def _yes(text: str) -> bool:
    return text.strip().lower() in {"1", "yes", "y", "true", "optional", "x"}


class _Column(NamedTuple):
    """One column of a plan: the headings it goes by, the field it fills and how its text is read."""

    headings: frozenset[str]
    field: str
    read: Callable[[str], object]


_COLUMNS: Final = (
    _Column(frozenset({"exposure", "exptime", "seconds", "exposure_s", "duration"}), "exposure", float),
    _Column(frozenset({"gain"}), "gain", float),
    _Column(frozenset({"offset"}), "offset", float),
    _Column(frozenset({"temperature", "temp", "set-temp", "set_temp", "setpoint", "set-point"}), "temperature", float),
    _Column(frozenset({"count", "frames", "number"}), "count", int),
    _Column(frozenset({"filter"}), "filter", str),
    _Column(frozenset({"camera", "instrume"}), "camera", str),
    _Column(frozenset({"telescope", "telescop"}), "telescope", str),
    _Column(frozenset({"readout", "readout_mode", "readoutm", "mode"}), "readout_mode", str),
    _Column(frozenset({"binning", "bin", "xbinning"}), "x_binning", _binning),
    _Column(frozenset({"optional"}), "optional", _yes),
    _Column(frozenset({"name", "template", "target"}), "name", str),
)


def read_plan(path: Path) -> tuple[PlannedLight, ...]:
    """Return the rows of a capture plan in CSV (comma or semicolon, headings in the first line).

    ``exposure`` has to be there; gain, offset, temperature, count, filter, camera, telescope, readout, binning,
    optional and name may. Other columns and lines that begin with ``#`` are passed over. Raises UsageError with
    the line that cannot be read.
    """
    try:
        text = text_of(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the plan cannot be read: {error}") from error
    return parse_plan(text, where=path)


def parse_plan(text: str, *, where: Path) -> tuple[PlannedLight, ...]:
    """Return the rows in ``text``; see ``read_plan``."""
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if not lines:
        raise UsageError(f"{where}: the plan is empty. It needs a heading 'exposure' and a row per exposure")
    delimiter = ";" if lines[0][1].count(";") > lines[0][1].count(",") else ","
    cells = list(csv.reader((line for _, line in lines), delimiter=delimiter))
    columns = [_column(heading) for heading in cells[0]]
    if not any(column and column.field == "exposure" for column in columns):
        raise UsageError(f"{where}: there is no column 'exposure' in {', '.join(cells[0])}")
    plan = []
    for (number, _), row in zip(lines[1:], cells[1:], strict=True):
        try:
            fields = {c.field: c.read(v.strip()) for c, v in zip(columns, row, strict=False) if c and v.strip()}
            plan.append(PlannedLight.model_validate(fields))
        except ValueError as error:
            raise UsageError(f"{where}, line {number}: cannot be read: {_first_line(error)}") from error
    return tuple(plan)


def _column(heading: str) -> _Column | None:
    word = heading.strip().lower().replace(" ", "_")
    return next((column for column in _COLUMNS if word in column.headings), None)


def _first_line(error: ValueError) -> str:
    return one_line(str(error).replace("\n", ", "))


def capture_csv(gaps: Sequence[Gap]) -> str:
    """Return the capture list as CSV, one line per kind of frame."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Gap.model_fields)
    for gap in gaps:
        values = gap.model_dump(mode="json").values()
        writer.writerow("" if v is None else f"{v:g}" if isinstance(v, float) else csv_cell(str(v)) for v in values)
    return out.getvalue()
