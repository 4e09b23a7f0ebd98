"""What is kept at hand of each master in a library: enough to match, list, compare and age it without its record."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Final

from ap_masters.layouts import Naming
from ap_masters.model import (
    QUARANTINE,
    SUPERSEDED,
    CalibrationMaster,
    Decision,
    FrameType,
    Grade,
    GroupKey,
    Master,
    MasterStatus,
    Noun,
)
from ap_masters.quality import Level, value_of
from ap_masters.record import Brief, Event, Finding, Input, Measure, Record, record_path

REQUEST_LABEL: Final = "refresh"  # a user's own request (S0-13, S0-17): `ap-masters library label MASTER refresh`
RETIRED_LABEL: Final = "retired"  # a camera or mode that is not used any more; its masters still serve old lights

_STATUS_OF: Final = {QUARANTINE.name: MasterStatus.QUARANTINED, SUPERSEDED.name: MasterStatus.SUPERSEDED}


class Use(Noun):
    """A master that was subtracted from the frames of another one."""

    type: FrameType
    name: str
    sha256: str | None = None


class Entry(Noun):
    """One master. Paths are POSIX and relative to the library; ``record`` is None for a foreign master.

    ``sha256`` and ``recorded_size`` are what the record says. The file is ``damaged`` where it is not so any more,
    as far as its size and time gave a reason to look; the audit looks without one. Measures stand without their
    method. ``inputs`` counts the raw frames that are on record.
    """

    path: str
    size: int
    record: str | None = None
    status: MasterStatus = MasterStatus.PUBLISHED
    key: GroupKey
    telescope: str | None = None
    frames: int | None = None
    inputs: int = 0
    grade: Grade | None = None
    started: datetime | None = None
    ended: datetime | None = None
    created: datetime | None = None
    calibration_state: str | None = None
    row_order: str | None = None
    constant: float | None = None
    labels: tuple[str, ...] = ()
    origin: str | None = None
    capture: str | None = None
    electrons_per_adu: float | None = None
    recorded_size: int | None = None
    sha256: str | None = None
    measures: tuple[Measure, ...] = ()
    findings: tuple[Finding, ...] = ()
    history: tuple[Event, ...] = ()
    uses: tuple[Use, ...] = ()
    supersedes: str | None = None
    log: str | None = None
    warnings: tuple[str, ...] = ()
    damaged: bool = False
    lost_record: bool = False  # this program made it, with a record that is not there any more or cannot be read

    @property
    def name(self) -> str:
        """The file name."""
        return PurePosixPath(self.path).name

    @property
    def taken(self) -> datetime | None:
        """When its frames were taken: what its age counts from. A rebuild from old frames is not fresh.

        None where no frame says so: the day of the build tells nothing of them.
        """
        return self.ended or self.started

    def value(self, measure: str) -> float | None:
        """Return a measure's value in its unit, or None."""
        found = value_of(self.measures, measure)
        return found.value if found else None

    @property
    def level(self) -> Level | None:
        """Its level for the dark series; None for what is no bias and no plain dark."""
        median = self.value("median")
        if median is None or self.key.type is FrameType.FLAT or self.calibration_state:
            return None
        return Level(self.key, median, self.electrons_per_adu)


def entry_of(
    record: Record, *, path: str, beside: str, size: int, inputs: Sequence[Input] | Sequence[Brief] | None = None
) -> Entry:
    """Return what is kept at hand of a master whose record stands at ``beside``; both relative to the library.

    ``inputs`` are its frames where the record itself was read without them.
    """
    frames = record.inputs if inputs is None else inputs
    starts = [frame.started for frame in frames if frame.started]
    calibration = record.calibration
    used = calibration.masters if calibration else ()
    engine = record.engine
    return Entry(
        path=path,
        size=size,
        record=beside,
        status=record.status,
        key=record.key,
        telescope=record.telescope,
        frames=len(frames) or record.combined,
        inputs=len(frames),
        grade=record.grade,
        started=min(starts, default=record.started),
        ended=max(starts, default=record.ended),
        created=record.created,
        calibration_state=calibration.state if calibration else None,
        row_order=record.row_order,
        constant=calibration.constant if calibration else None,
        labels=record.labels,
        origin=f"{engine.name} {engine.version}, {engine.definition}" if engine else record.software.name,
        capture=record.capture,
        electrons_per_adu=record.electrons_per_adu,
        recorded_size=record.master.size,
        sha256=record.master.sha256,
        measures=tuple(m.model_copy(update={"method": ""}) for m in record.measures),
        findings=record.findings,
        history=record.history,
        uses=tuple(_use(master) for master in used),
        supersedes=record.supersedes,
        log=record.log,
        warnings=record.warnings,
    )


def with_labels_of(entries: Sequence[Entry], replaced: Path | None, record: Record) -> Record:
    """Return the record of a master with the labels of the one that it replaces, which stands at ``replaced``.

    Who asked for a refresh has it now, and a camera that later frames are from is in use again.
    """
    place = replaced.as_posix() if replaced else None
    old = next((entry for entry in entries if entry.path == place), None)
    if old is None:
        return record
    starts = [frame.started for frame in record.inputs if frame.started]
    is_later = old.taken is not None and any(started > old.taken for started in starts)
    labels = {*old.labels} - {REQUEST_LABEL} - ({RETIRED_LABEL} if is_later else set())
    if not labels:
        return record
    kept = tuple(sorted(labels))
    decision = Decision(subject="labels", verdict=", ".join(kept), reason=f"those of {place}, which it replaces")
    return record.model_copy(update={"labels": kept, "decisions": (*record.decisions, decision)})


def with_published(
    entries: Sequence[Entry], library: Path, master: Path, record: Record, *, suffix: str = ".xrs"
) -> list[Entry]:
    """Return the entries as they are once ``master`` has been put into its place, over the one that stood there."""
    path = master.relative_to(library).as_posix()
    beside = record_path(Path(path), suffix).as_posix()
    new = entry_of(record, path=path, beside=beside, size=record.master.size or 0)
    return [*(entry for entry in entries if entry.path != path), new]


def _use(master: CalibrationMaster) -> Use:
    return Use(type=master.type, name=master.path.name, sha256=master.sha256)


def foreign_entry(master: Master, *, path: str, size: int, telescope: str | None = None, ours: bool = False) -> Entry:
    """Return what is known of a master that has no record: what its header tells; ``ours``: this program made it."""
    return Entry(
        path=path,
        size=size,
        status=status_of_place(path) or MasterStatus.PUBLISHED,
        key=master.key,
        telescope=telescope,
        frames=master.frames,
        started=master.started,
        ended=master.ended,
        created=master.created,
        calibration_state=master.calibration_state,
        row_order=master.row_order,
        origin=master.origin,
        warnings=master.warnings,
        lost_record=ours,
    )


def status_of_place(path: str) -> MasterStatus | None:
    """Return the status that the place of a master implies, None for a place that implies none."""
    return _STATUS_OF.get(PurePosixPath(path).parts[0])


def naming_of(entry: Entry) -> Naming:
    """Return what a master is filed under, as far as it is known; nights are those of UTC, noon to noon."""
    started, ended = (_night(moment) for moment in (entry.started, entry.ended))
    return Naming(
        key=entry.key,
        telescope=entry.telescope or entry.key.telescope,
        filter=entry.key.filter,
        first=started,
        created=ended or started or (entry.created.date() if entry.created else None),
    )


def _night(moment: datetime | None) -> date | None:
    return (moment - timedelta(hours=12)).date() if moment else None


def master_of(entry: Entry, library: Path) -> Master:
    """Return the master as matching sees it, with its path below ``library``."""
    return Master(
        path=library / entry.path,
        key=entry.key,
        frames=entry.frames,
        started=entry.started,
        ended=entry.ended,
        created=entry.created,
        calibration_state=entry.calibration_state,
        row_order=entry.row_order,
        constant=entry.constant,
        status=entry.status,
        labels=entry.labels,
        origin=entry.origin,
        damaged=entry.damaged,
        warnings=entry.warnings,
    )
