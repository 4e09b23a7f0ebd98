"""Changes a user makes by hand: publish, quarantine, label; each with its reason in the master's history."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from ap_masters import record as records
from ap_masters.config import QualitySettings, Settings
from ap_masters.errors import LibraryError, RecordError, UsageError
from ap_masters.files import sha256
from ap_masters.library import candidates, foreign, store
from ap_masters.library.lock import library_lock
from ap_masters.library.places import refuse_part
from ap_masters.library.unproved import is_unproved
from ap_masters.model import QUARANTINE, SUPERSEDED, MasterStatus, Noun
from ap_masters.moving import remove, take_place
from ap_masters.quality import same_settings
from ap_masters.record import Event, Record
from ap_masters.stamps import without_stamp

_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")


class Change(Noun):
    """What was done to one master; paths are POSIX and relative to the library."""

    path: str
    before: str
    status: MasterStatus
    labels: tuple[str, ...] = ()
    superseded: str | None = None  # where the master went that stood in this one's place
    findings: tuple[str, ...] = ()  # what the check of a candidate had to say


def publish(
    library: Path, master: Path, reason: str, *, now: datetime, suffix: str = ".xrs", settings: Settings | None = None
) -> Change:
    """Publish a candidate, a quarantined or a superseded master in the place it was made for.

    A master that stands there is kept as superseded. A candidate is proved, measured and judged by ``settings``
    first; what speaks against it is told and stays on record. Raises LibraryError for a master that is not in the
    library, that is no whole image, or whose bytes are not those of its record, UsageError without a reason and for a
    part of a library.
    """
    need_reason(reason, "publish")
    refuse_part(library)
    with library_lock(library):
        source = locate(library, master)
        record = _record(library / source, library, now, suffix, settings.quality if settings else None)
        _refuse_changed(library / source, record)
        fresh = is_unproved(record)
        if fresh:
            record = candidates.proved(record, library / source, library, settings or Settings())
        home = _home(source, record, library, suffix)
        published = _with_event(record, Event(at=now, status=MasterStatus.PUBLISHED, reason=reason))
        if home == source:
            records.write(published, records.record_path(library / source, suffix))
            change = _change(home, source, published)
        else:
            change = _brought_home(library, source, home, published, now, suffix)
    findings = tuple(f"{f.severity}: {f.message}" for f in record.findings) if fresh else ()
    return change.model_copy(update={"findings": findings})


def _brought_home(library: Path, source: Path, home: Path, record: Record, now: datetime, suffix: str) -> Change:
    """Move a master with its record to the place it was made for; the record first, so that it is never without one."""
    store.require_movable(library / source, suffix)
    target = store.place(library, home)
    target.parent.mkdir(parents=True, exist_ok=True)
    with store.way_made(library, home, now=now, suffix=suffix) as before:
        is_another = before is not None and before != library / source  # a killed run may have left its record here
        superseded = before.relative_to(library).as_posix() if before and is_another else None
        final = record.model_copy(
            update={
                "master": record.master.model_copy(update={"name": home.name}),
                "supersedes": superseded or record.supersedes,
            }
        )
        with records.written(final, records.record_path(target, suffix)):
            take_place(library / source, target)
    remove(records.record_path(library / source, suffix), missing_ok=True)
    return _change(home, source, final, superseded)


def quarantine(
    library: Path,
    master: Path,
    reason: str,
    *,
    now: datetime,
    suffix: str = ".xrs",
    quality: QualitySettings | None = None,
) -> Change:
    """Take a master out of use: move it to ``quarantine/``, with the reason in its history. Raises as ``publish``."""
    need_reason(reason, "quarantine")
    refuse_part(library)
    with library_lock(library):
        source = locate(library, master)
        if source.is_relative_to(QUARANTINE):
            raise UsageError(f"{source.as_posix()} is in quarantine already")
        record = _record(library / source, library, now, suffix, quality)
        records.write(record, records.record_path(library / source, suffix))
        target = store.quarantine(library, source, reason, now=now, suffix=suffix)
        final = records.read(records.record_path(target, suffix))
    return _change(target.relative_to(library), source, final)


def label(
    library: Path,
    master: Path,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    *,
    now: datetime,
    suffix: str = ".xrs",
    quality: QualitySettings | None = None,
) -> Change:
    """Give a master labels such as ``interim``, or take them away; they are kept in lower case.

    Raises UsageError for a label that is no word.
    """
    for word in (*add, *remove):
        if not _LABEL.fullmatch(word):
            raise UsageError(f"'{word}' is no label: use up to 40 letters, digits and . _ + -")
    refuse_part(library)
    with library_lock(library):
        source = locate(library, master)
        record = _record(library / source, library, now, suffix, quality)
        labels = tuple(sorted(({*record.labels} | {word.lower() for word in add}) - {word.lower() for word in remove}))
        if labels != record.labels:
            reason = "labels: " + (", ".join(labels) or "none")
            record = _with_event(record, Event(at=now, status=record.status, reason=reason))
            record = record.model_copy(update={"labels": labels})
            records.write(record, records.record_path(library / source, suffix))
    return _change(source, source, record)


def locate(library: Path, master: Path) -> Path:
    """Return where a master is, relative to the library: given so, or as a path of its own. Raises LibraryError."""
    for candidate in (library / master, master):
        if candidate.is_file():
            path, root = candidate.resolve(), library.resolve()
            if path.is_relative_to(root):
                return path.relative_to(root)
    raise LibraryError(f"{master}: there is no such master in {library}. `ap-masters library index` lists them")


def home_of(place: Path) -> Path:
    """Return the path a master was made for, from its place under ``quarantine/`` or ``superseded/``."""
    home = place
    while len(home.parts) > 1 and home.parts[0] in {QUARANTINE.name, SUPERSEDED.name}:
        if home.parts[0] == SUPERSEDED.name:
            home = home.with_name(without_stamp(home.stem) + home.suffix)
        home = Path(*home.parts[1:])
    return home


def _home(place: Path, record: Record, library: Path, suffix: str) -> Path:
    """Return where a master belongs; a candidate that a script put beside a master of its kind, in that one's place."""
    home = home_of(place)
    beside = home.with_name(without_stamp(home.stem) + home.suffix)
    if not record.history and beside != home and (library / beside).exists():
        try:
            other = records.read(records.record_path(library / beside, suffix))
        except RecordError:
            return home
        return beside if same_settings(other.key, record.key) else home
    return home


def need_reason(reason: str, verb: str) -> None:
    """Raise UsageError for a change by hand without a reason."""
    if not reason.strip():
        raise UsageError(f"To {verb} a master by hand a reason is needed: it is kept in the master's history")


def _record(master: Path, library: Path, now: datetime, suffix: str, quality: QualitySettings | None) -> Record:
    """Return the record of ``master``; one from its header and pixels where it has none yet."""
    try:
        return records.read(records.record_path(master, suffix))
    except RecordError:
        try:
            frame, read = foreign.read_master(master, root=library)
        except ValueError as error:
            raise LibraryError(f"{master}: {error}") from error
        quality = quality or QualitySettings()
        return foreign.draft_record(master, frame, read, now=now, reason="found without a record", quality=quality)


def _refuse_changed(master: Path, record: Record) -> None:
    if record.master.sha256 and sha256(master) != record.master.sha256:
        raise LibraryError(
            f"{master}: its bytes are not those of its record any more. Restore it from a mirror, or build it again"
        )


def _with_event(record: Record, event: Event) -> Record:
    return record.model_copy(update={"status": event.status, "history": (*record.history, event)})


def _change(place: Path, before: Path, record: Record, superseded: str | None = None) -> Change:
    return Change(
        path=place.as_posix(),
        before=before.as_posix(),
        status=record.status,
        labels=record.labels,
        superseded=superseded,
    )
