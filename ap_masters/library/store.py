"""How a master enters and leaves its place in the library: whole or not at all, and never over another."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from glob import escape
from pathlib import Path
from typing import Final

from ap_masters import images
from ap_masters import record as records
from ap_masters.errors import LibraryError, RecordError, reason_of
from ap_masters.files import sha256, write_bytes
from ap_masters.model import HOUSEKEEPING, QUARANTINE, SUPERSEDED, MasterStatus
from ap_masters.moving import LONGEST_PATH, remove, take_place, takes_long_paths
from ap_masters.record import Event, Record
from ap_masters.stamps import stamps

log = logging.getLogger(__name__)

WORK = HOUSEKEEPING / "work"
_REPLACED: Final = "another master took its place"
_GONE: Final = "its master was not there any more, and another took its place"
_ADDED: Final = 60  # characters at most, by which a path below superseded/ and a part of a file are longer


def publish(
    work: Path,
    record: Record,
    library: Path,
    output: Path,
    *,
    now: datetime,
    suffix: str = ".xrs",
    reason: str | None = "built",
) -> Path:
    """Move the master at ``work`` to ``library / output`` with its record beside it; return where it stands.

    A master that stands there already, in whatever format, is moved to ``superseded/`` first, with its record. The
    record is written before the master appears, so a master is never seen without one; both appear by one rename each.
    ``reason`` goes into its history, unless that tells it already. ``work`` must be on the library's file
    system. Raises LibraryError with what to do; then the new master is still at ``work``, and the old one in use.
    """
    target = place(library, output)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with way_made(library, output, now=now, suffix=suffix) as previous:
            events = () if reason is None else (Event(at=now, status=record.status, reason=reason),)
            final = record.model_copy(
                update={
                    "master": record.master.model_copy(
                        update={"name": target.name, "size": work.stat().st_size, "sha256": sha256(work)}
                    ),
                    "supersedes": previous.relative_to(library).as_posix() if previous else record.supersedes,
                    "history": (*record.history, *events),
                }
            )
            with records.written(final, records.record_path(target, suffix)):
                take_place(work, target)
    except OSError as error:
        raise LibraryError(
            f"{target}: the master could not be put into the library ({reason_of(error)}). "
            f"{_remedy(error, target)}, then run the build again"
        ) from error
    return target


def _remedy(error: OSError, target: Path) -> str:
    if isinstance(error, PermissionError):
        return f"Close {Path(error.filename).name} in other programs, or mend its permissions"
    longest = len(str(target.absolute())) + _ADDED
    if isinstance(error, FileNotFoundError) and longest > LONGEST_PATH and not takes_long_paths():
        return f"Give the library a shorter path: Windows takes {LONGEST_PATH} characters (see `ap-masters doctor`)"
    return "Free some space or mend the permissions"


def place(library: Path, output: Path) -> Path:
    """Return ``library / output``. Raises LibraryError where that would leave the library."""
    root = library.resolve()
    target = (root / output).resolve()
    if not target.is_relative_to(root) or target == root:
        raise LibraryError(f"'{output}' leaves the library {library}: refused. Look at the layout's path template")
    return library / output


def master_at(library: Path, output: Path) -> Path | None:
    """Return what stands where ``output`` belongs, under its name or in another format; see ``sharing``."""
    target = place(library, output)
    if target.exists():
        return output
    return next((output.with_name(path.name) for path in sharing(target)), None)


def sharing(master: Path) -> list[Path]:
    """Return the images in the folder of ``master`` whose record would be the same file as its own, by name."""
    folder, name = master.parent, records.shared_name(master)
    there = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in there if images.is_image_name(path) and records.shared_name(path) == name)


@contextmanager
def way_made(library: Path, output: Path, *, now: datetime, suffix: str = ".xrs") -> Iterator[Path | None]:
    """Free the place ``library / output`` for the block; yield where the master went that stood there, if one did.

    It is put back where the block fails (OSError). Its record stays in its place, for the block to replace: by that
    the next run knows it where this one is killed. The record of one that is gone is kept all the same: it proves that
    master, should it come back.
    """
    before = master_at(library, output)
    if before is None:
        yield _left_alone(library, output, now, suffix)
        return
    master, new = place(library, before), _free(library / SUPERSEDED / before, now, suffix)
    _copy_record(master, new, Event(at=now, status=MasterStatus.SUPERSEDED, reason=_REPLACED), suffix)
    try:
        take_place(master, new)
        yield new
    except OSError:
        _move_back(new, master, suffix)
        raise


def moved_from(library: Path, output: Path, suffix: str = ".xrs") -> Path | None:
    """Return where in the library the master went that a killed run moved from ``output``, with none in its place.

    The record that was left there is still that of this master, or is that of the next one already, which names it.
    """
    left = _told(records.record_path(library / output, suffix))
    if left is None or master_at(library, output) is not None:
        return None
    places = (_elsewhere(library, output, suffix), Path(left.supersedes) if left.supersedes else None)
    aside = (each for each in places if each is not None and each.is_relative_to(SUPERSEDED))
    return next((each for each in aside if (library / each).exists()), None)


def _left_alone(library: Path, output: Path, now: datetime, suffix: str) -> Path | None:
    """See to a record whose master is not beside it; return where that went, if another was to take its place."""
    master = place(library, output)
    if not records.record_path(master, suffix).exists():
        return None
    if _elsewhere(library, output, suffix) is None:
        event = Event(at=now, status=MasterStatus.SUPERSEDED, reason=_GONE)
        _copy_record(master, _free(library / SUPERSEDED / output, now, suffix), event, suffix)
    moved = moved_from(library, output, suffix)
    return library / moved if moved else None


def _elsewhere(library: Path, output: Path, suffix: str) -> Path | None:
    """Return where in the library the master stands, with a record of its own, that the record at ``output`` tells of.

    A run that was killed between two renames has left the one at ``output``.
    """
    own = records.record_path(output, suffix)
    home = output.relative_to(QUARANTINE) if output.is_relative_to(QUARANTINE) else output
    homes = (records.record_path(each, suffix) for each in (home, QUARANTINE / home))
    aside = (library / SUPERSEDED / output.parent).glob(f"{escape(own.stem)}_*{suffix}")
    others = (*(library / each for each in homes if each != own), *sorted(aside))
    left = _told(library / own)
    if left is None or left.master.sha256 is None:
        return None
    for record in filter(Path.exists, others):
        told = _told(record)
        if told and told.master.sha256 == left.master.sha256:
            master = record.with_name(told.master.name)
            if master.exists():
                return master.relative_to(library)
    return None


def _told(record: Path) -> Record | None:
    """Return what a record says; nothing where there is none, or it cannot be read."""
    try:
        return records.read(record)
    except RecordError as error:
        log.debug("%s", error)
        return None


def supersede(library: Path, output: Path, *, now: datetime, suffix: str = ".xrs") -> Path:
    """Move the master at ``library / output`` and its record to ``superseded/``; return its new place."""
    new = _free(library / SUPERSEDED / output, now, suffix)
    event = Event(at=now, status=MasterStatus.SUPERSEDED, reason=_REPLACED)
    _move(place(library, output), new, event, suffix)
    return new


def require_movable(master: Path, suffix: str = ".xrs") -> None:
    """Raise LibraryError where another program has a master or its record open, before anything is moved.

    Windows then refuses to rename it, be it to its own name; elsewhere what is open may be moved.
    """
    for path in (master, records.record_path(master, suffix)):
        if path.exists():
            try:
                take_place(path, path)
            except OSError as error:
                raise LibraryError(f"{path}: cannot be moved ({reason_of(error)}). {_remedy(error, path)}") from error


def quarantine(library: Path, output: Path, reason: str, *, now: datetime, suffix: str = ".xrs") -> Path:
    """Move the master at ``library / output`` and its record to the same path under ``quarantine/``."""
    new = library / QUARANTINE / output
    event = Event(at=now, status=MasterStatus.QUARANTINED, reason=reason)
    with way_made(library, QUARANTINE / output, now=now, suffix=suffix):
        _move(place(library, output), new, event, suffix)
    return new


def _move(master: Path, new: Path, event: Event, suffix: str) -> None:
    """Move a master and its record, the record first and with ``event`` added to its history; both or none."""
    _copy_record(master, new, event, suffix)
    try:
        take_place(master, new)
        remove(records.record_path(master, suffix), missing_ok=True)
    except OSError:  # on Windows, another program has one of them open
        _move_back(new, master, suffix)
        raise


def _move_back(new: Path, master: Path, suffix: str) -> None:
    """Undo the move of a master, and of its record; never over another one."""
    with suppress(OSError):
        if new.exists():
            if master.exists():
                return
            take_place(new, master)
        remove(records.record_path(new, suffix), missing_ok=True)


def _copy_record(master: Path, new: Path, event: Event, suffix: str) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    old_record, new_record = records.record_path(master, suffix), records.record_path(new, suffix)
    if old_record.exists():
        try:
            told = records.read(old_record)
        except RecordError:
            write_bytes(new_record, old_record.read_bytes())  # a console log or a broken record goes along as it is
        else:
            renamed = told.master.model_copy(update={"name": new.name})
            update = {"status": event.status, "master": renamed, "history": (*told.history, event)}
            records.write(told.model_copy(update=update), new_record)


def _free(path: Path, now: datetime, suffix: str) -> Path:
    """Return a path that nothing has yet, nor a record of it: stamped with the time, then numbered."""
    candidates = (path.with_name(f"{path.stem}_{each}{path.suffix}") for each in stamps(now))
    return next(each for each in candidates if not (each.exists() or records.record_path(each, suffix).exists()))


def work_folder(library: Path, stamp: str) -> Path:
    """Make and return an empty folder for one run, on the library's own file system. Raises LibraryError."""
    folder = library / WORK / f"{stamp}-{os.getpid()}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise LibraryError(
            f"{library}: cannot be written to ({reason_of(error)}). Choose another output folder "
            "or mend its permissions"
        ) from error
    return folder


@contextmanager
def work_of_a_run(library: Path, stamp: str) -> Iterator[Path]:
    """Give a work folder to who holds the library's lock; it is gone afterwards. Raises LibraryError."""
    clear(library / WORK)  # nobody else is at work: whatever is there was left by a run that was killed
    folder = work_folder(library, stamp)
    try:
        yield folder
    finally:
        clear(folder)


def clear(folder: Path) -> None:
    """Remove a run's work folder and what is left in it."""
    shutil.rmtree(folder, ignore_errors=True)
