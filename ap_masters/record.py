"""The ``.xrs`` record beside every master: what it was made of, how, by whom, and how it has fared since.

``.xrs`` is not a PixInsight format; two user documents ask for a file of that name. Ours is strict UTF-8 JSON
(no NaN, no Infinity; ``jq empty`` passes) with a versioned schema that is published in ``docs/``. Users have
also stashed plain console logs under that suffix, so the reader says which of the two it found.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from ap_masters import __version__
from ap_masters.errors import RecordError, reason_of
from ap_masters.files import write_bytes, write_text
from ap_masters.model import (
    RECORD_SCHEMA,
    Calibration,
    Decision,
    EngineInfo,
    EngineName,
    Frame,
    FrameOutcome,
    Grade,
    GroupKey,
    Integrated,
    Job,
    MasterStatus,
    Noun,
    Recipe,
    RecordSchema,
    SampleScale,
    SetAside,
    Statistics,
)
from ap_masters.model.orientation import in_pixinsight
from ap_masters.moving import remove

VERSION: Final = 1

# A record that was written or mended by hand may lack the time zone: times are UTC.
Instant = Annotated[datetime, AfterValidator(lambda time: time if time.tzinfo else time.replace(tzinfo=UTC))]


class Input(Noun):
    """One integrated frame. ``path`` is absolute; ``sha256`` covers the whole file, None when it was not taken."""

    path: Path
    size: int
    mtime_ns: int
    sha256: str | None = None
    started: Instant | None = None
    exposure: float | None = None
    set_temperature: float | None = None
    sensor_temperature: float | None = None
    cooler_power: float | None = None  # per cent
    outcome: FrameOutcome | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """An integrated frame, as far as a library needs it at hand: there may be a million. ``path`` is text."""

    path: str
    size: int
    mtime_ns: int
    sha256: str | None = None
    started: Instant | None = None


class MasterFile(Noun):
    """The master this record belongs to; ``name`` is its file name, in the record's own folder."""

    name: str
    width: int
    height: int
    channels: int
    sample: str = "float32"
    scale: SampleScale = "unit"
    size: int | None = None
    sha256: str | None = None


class Rejected(Noun):
    """Totals over all frames and channels; ``agree`` is False when record, log and master tell different numbers."""

    low: int
    high: int
    samples: int
    agree: bool = True


Severity = Literal["note", "warning", "refresh", "service", "refuse"]


class Finding(Noun):
    """One thing quality control has to say: ``limit`` and ``value`` in ``unit``, so that a user can check it."""

    severity: Severity
    metric: str
    message: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""


class Measure(Noun):
    """One measured quantity: in its unit, in physical units where the gain is known, and the method in words."""

    name: str
    value: float
    unit: str
    physical: float | None = None
    physical_unit: str | None = None
    method: str = ""
    error: float | None = None  # one standard deviation, in ``unit``; None where none is derived


class Event(Noun):
    """A change of status: when, to what, and why."""

    at: Instant
    status: MasterStatus
    reason: str


class Software(Noun):
    """The program that wrote the record."""

    name: str = "ap-masters"
    version: str


class Record(Noun):
    """Everything that is known of one master."""

    schema_name: RecordSchema = Field(RECORD_SCHEMA, alias="schema")
    version: Literal[1] = VERSION
    status: MasterStatus = MasterStatus.CANDIDATE
    master: MasterFile
    created: Instant | None = None
    seconds: float | None = None
    software: Software
    engine: EngineInfo | None = None  # None while a script has not run yet
    key: GroupKey
    telescope: str | None = None
    electrons_per_adu: float | None = None  # EGAIN, as the frames carry it
    row_order: str | None = None  # TOP-DOWN or BOTTOM-UP, where the frames say it: that of the master
    capture: str | None = None  # the program (and driver) that wrote the frames, by the newest of them
    recipe: Recipe
    calibration: Calibration | None = None
    inputs: tuple[Input, ...]
    combined: int | None = None  # of a master whose frames are not on record: how many there were,
    started: Instant | None = None  # the first exposure
    ended: Instant | None = None  # and the last
    dropped: tuple[SetAside, ...] = ()
    refused: tuple[Input, ...] = ()  # of the dropped, those whose pixels decided: not new until the file changes
    grade: Grade | None  # None where no policy says how many make a master: lights, and what another program made
    rejected: Rejected | None = None
    statistics: Statistics | None = None
    measures: tuple[Measure, ...] = ()
    findings: tuple[Finding, ...] = ()
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    supersedes: str | None = None  # relative path of the predecessor
    log: str | None = None  # path of the run's log, relative to the library
    script: str | None = None
    history: tuple[Event, ...] = ()

    model_config = ConfigDict(populate_by_name=True)


class Outline(NamedTuple):
    """A record without its ``inputs`` and ``refused``, and in brief the frames that were integrated."""

    record: Record
    frames: tuple[Brief, ...]


def draft(job: Job, engine: EngineName) -> Record:
    """Return what is known of a master before ``engine`` integrates it; it, or a script, completes it."""
    group = job.group
    first = group.frames[0]
    return Record(
        master=MasterFile(
            name=job.output.name, width=first.width, height=first.height, channels=first.channels, scale=job.scale
        ),
        software=Software(version=__version__),
        key=group.key,
        telescope=first.telescope,
        electrons_per_adu=first.electrons_per_adu,
        row_order=_row_order(group.frames, engine),
        capture=group.frames[-1].software,
        recipe=job.recipe,
        calibration=job.calibration,
        inputs=tuple(_input(frame) for frame in group.frames),
        dropped=group.dropped,
        refused=tuple(_input(frame) for frame in group.refused),
        grade=group.grade,
        decisions=(
            *_overruled_types(first),
            *(job.calibration.decisions if job.calibration else ()),
        ),
        warnings=group.warnings,
    )


def _row_order(frames: Sequence[Frame], engine: EngineName) -> str | None:
    """Return the order of a master's rows where its frames state theirs; numpy leaves them as they are."""
    stated = next(((frame.row_order, frame.format) for frame in frames if frame.row_order), None)
    if stated is None:
        return None
    return in_pixinsight(*stated) if engine == "pixinsight" else stated[0]


def _overruled_types(frame: Frame) -> tuple[Decision, ...]:
    """Return why the frame is not of the type that its header says: a DARK that is a dark flat."""
    return tuple(decision for decision in frame.decisions if decision.subject == "type")[1:]


def _input(frame: Frame) -> Input:
    return Input(
        path=frame.path,
        size=frame.size,
        mtime_ns=frame.mtime_ns,
        started=frame.started,
        exposure=frame.exposure,
        set_temperature=frame.set_temperature,
        sensor_temperature=frame.sensor_temperature,
        cooler_power=frame.cooler_power,
    )


def complete(record: Record, result: Integrated, hashes: Mapping[Path, str]) -> Record:
    """Return the record with what the engine found; frames that the engine dropped leave the inputs.

    ``hashes`` are the SHA-256 of the frames; whose pixels could not be read, and so not decide, has none.
    """
    outcomes = {outcome.path: outcome for outcome in result.frames}
    left_out = (entry for entry in record.inputs if entry.path not in outcomes)
    inputs = tuple(
        entry.model_copy(update={"outcome": outcomes[entry.path], "sha256": hashes.get(entry.path)})
        for entry in record.inputs
        if entry.path in outcomes
    )
    return record.model_copy(
        update={
            "created": result.started,
            "seconds": result.seconds,
            "engine": result.engine,
            "inputs": inputs,
            "dropped": (*record.dropped, *result.dropped),
            "refused": tuple(
                entry.model_copy(update={"sha256": hashes[entry.path]})
                for entry in (*record.refused, *left_out)
                if entry.path in hashes
            ),
            "rejected": Rejected(
                low=result.rejected_low,
                high=result.rejected_high,
                samples=result.samples,
                agree=result.witnesses_agree,
            ),
            "statistics": result.statistics,
            "warnings": (*record.warnings, *result.notes),
        }
    )


SUFFIXES: Final = (".xrs", ".log")  # a record's; .log is what some users call theirs


def record_path(master: Path, suffix: str = ".xrs") -> Path:
    """Return where the record of ``master`` stands: same folder, same stem."""
    return master.with_suffix(suffix)


def shared_name(master: Path) -> str:
    """Return what masters that would share a record have in common, on systems that see no difference of case too."""
    return record_path(master).as_posix().casefold()


def to_json(record: Record) -> str:
    """Return the record as strict, indented JSON. Raises RecordError where a number is not finite."""
    data = record.model_dump(mode="json", by_alias=True)
    try:
        return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise RecordError(f"The record of {record.master.name} holds a number that is not finite: {error}") from error


def parse(text: str, *, where: Path) -> Record:
    """Return the record in ``text``. Raises RecordError, naming ``where`` and the first wrong field."""
    return _valid(text, Record.model_validate, where)


def parse_outline(text: str, *, where: Path) -> Outline:
    """Return what ``text`` says without the details of every frame, in a fraction of the time. Raises as ``parse``."""
    return _valid(text, _outline, where)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Frames:
    """Of a record the frames alone, in brief."""

    inputs: tuple[Brief, ...]


_FRAMES: Final = TypeAdapter(_Frames)


def _outline(data: object) -> Outline:
    if not isinstance(data, dict):
        return Outline(Record.model_validate(data), ())
    record = Record.model_validate(data | {"inputs": (), "refused": ()})
    return Outline(record, _FRAMES.validate_python(data).inputs)


def _valid(text: str, understand: Callable[[object], T], where: Path) -> T:
    try:
        return understand(_loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{where}: not a record of this program, field '{field}': {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not a JSON record ({error}); it may be a console log") from error


def _loads(text: str) -> object:
    """Return what strict JSON says. Raises ValueError for anything that could not be written again as it is."""
    data: object = json.loads(text, parse_constant=refuse_constant, parse_float=_finite)
    if "\\ud" in text or "\\uD" in text:
        json.dumps(data, ensure_ascii=False).encode("utf-8")  # halves of characters have to come in pairs
    return data


def refuse_constant(name: str) -> Any:
    """Raise ValueError for ``NaN`` and ``Infinity``, which Python's JSON has and JSON has not."""
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """Return a number; ``1e999`` is JSON all right, and no number that could be written again."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is beyond any number")
    return value


def read(path: Path) -> Record:
    """Return the record at ``path``. Raises RecordError when it is missing, unreadable or not a record."""
    return parse(_text(path), where=path)


def read_outline(path: Path) -> Outline:
    """Return the outline of the record at ``path``. Raises as ``read``."""
    return parse_outline(_text(path), where=path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read as a record: {reason_of(error)}") from error


def write(record: Record, path: Path) -> None:
    """Write the record whole or not at all."""
    write_text(path, to_json(record))


@contextmanager
def written(record: Record, path: Path) -> Iterator[None]:
    """Write the record before what it tells of takes its place; put the old one back where that fails (OSError)."""
    before = path.read_bytes() if path.is_file() else None
    write(record, path)
    try:
        yield
    except OSError:
        with suppress(OSError):
            if before is None:
                remove(path)
            else:
                write_bytes(path, before)
        raise


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a record, as published in ``docs/record.schema.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ap-masters record (.xrs)",
        **Record.model_json_schema(by_alias=True),
    }
