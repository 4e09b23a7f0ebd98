"""A one-way copy of a library: incremental, verified, and never over something it did not write itself.

The target keeps a list of what was copied to it, with checksums. A copy that is not what was copied any more is
a mismatch: it is noted in the library's index and left alone until the user asks for a repair. What was deleted
in the library stays in the target; what moved there, as a master into quarantine, moves in the target too, lest it
be taken for published. A copy that is the last of its master is put aside before another takes its place. Every file
appears there by one rename, so a mirror may be interrupted at any time and run again, by hand or by a timer.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from ap_masters import record as records
from ap_masters.errors import (
    AttentionNeeded,
    LibraryError,
    LibraryNotWritable,
    NothingToDo,
    RecordError,
    UsageError,
    reason_of,
)
from ap_masters.files import clear_parts, is_part, sha256, write_text
from ap_masters.images import is_image_name
from ap_masters.library import store
from ap_masters.library.contents import Contents
from ap_masters.library.copying import copy_verified
from ap_masters.library.lock import PATIENCE_S, library_lock
from ap_masters.library.notes import MirrorNote, is_known_target, write_mirror_notes
from ap_masters.library.places import library_around
from ap_masters.library.scan import scan
from ap_masters.library.status import home_of
from ap_masters.library.vouching import objection
from ap_masters.model import HOUSEKEEPING, Noun
from ap_masters.moving import remove
from ap_masters.safe import is_text

log = logging.getLogger(__name__)

_COPIED: Final = HOUSEKEEPING / "copied.json"
_JOURNAL: Final = HOUSEKEEPING / "copied.jsonl"  # what came to it in a run that may yet be killed
_SHORT_PATIENCE_S: Final = 5.0  # for one file

Action = Literal["copied", "updated", "adopted", "up to date", "repaired", "moved", "kept", "mismatch", "failed"]


class Copy(Noun):
    """What was done about one file."""

    path: str
    action: Action
    detail: str = ""


class MirrorReport(Noun):
    """How a mirror run ended. ``extra`` counts files that only the target has."""

    library: Path
    target: Path
    files: tuple[Copy, ...] = ()
    extra: int = 0
    bytes_copied: int = 0
    checked: Literal["checksums", "sizes and times"] = "checksums"

    def count(self, action: Action) -> int:
        """Return how many files were treated so."""
        return sum(file.action == action for file in self.files)

    @property
    def exit_code(self) -> int:
        """0 the target is a true copy, 8 something differs or could not be copied."""
        return AttentionNeeded.exit_code if any(file.action in {"mismatch", "failed"} for file in self.files) else 0


class _Copied(Noun):
    """One file as it was when it had been copied; ``mtime_ns`` and ``size`` are the copy's own."""

    sha256: str
    size: int
    mtime_ns: int


class _State(Noun):
    files: dict[str, _Copied]


class _Line(NamedTuple):
    """One line of the journal."""

    path: str
    copied: _Copied


_LINE: Final = TypeAdapter(_Line)


def mirror(
    library: Path,
    target: Path,
    *,
    now: datetime,
    quick: bool = False,
    repair: bool = False,
    patience: float = PATIENCE_S,
) -> MirrorReport:
    """Bring ``target`` up to date with ``library`` and verify it.

    Every file is read on both sides and compared by checksum; ``quick`` believes size and time of a copy that
    was verified when it was made. ``repair`` replaces a damaged copy from a source that its own record vouches
    for, and starts anew in a target that has lost its list. A sound copy of a master that the library has nowhere any
    more goes to ``superseded/`` before another takes its place. Mismatches are noted in the library, for its index,
    unless it can only be read.
    Raises UsageError where one folder lies in the other, LibraryError where the target cannot be locked, another
    mirror is at work on it (after ``patience`` seconds), or it does not look like the target it was (a share
    that is not mounted); NothingToDo for a folder of other files.
    """
    _refuse_nesting(library, target)
    _refuse_no_library(library)
    begun = (target / _COPIED).exists() or (target / _JOURNAL).exists()
    if is_known_target(library, str(target)) and not begun and not repair:
        raise LibraryError(
            f"{target}: holds nothing of what was copied there before. Is it mounted? With --repair it is filled anew"
        )
    with library_lock(target, patience=patience):
        run = _Run(library, target, now=now, quick=quick, repair=repair)
        try:
            run.files = [run.bring(path) for path in sorted(_files(library), key=_turn)]
            run.files += [*run.follow_moves(), *run.kept]
        finally:
            run.keep()  # also when it is interrupted: what was copied need not be read again
        clear_parts(target)  # it is locked, so that none is being written
        extra = sum(1 for path in _files(target) if not (library / path).exists())
    notes = [
        MirrorNote(target=str(target), path=f.path, detail=f.detail)
        for f in run.files
        if f.action in {"mismatch", "failed"}
    ]
    _note(library, target, notes, patience=patience)
    return MirrorReport(
        library=library,
        target=target,
        files=tuple(run.files),
        extra=extra,
        bytes_copied=run.bytes_copied,
        checked="sizes and times" if quick else "checksums",
    )


def _note(library: Path, target: Path, notes: Sequence[MirrorNote], *, patience: float) -> None:
    """Note in the library what was found; one that can only be read is a source all the same."""
    try:
        with library_lock(library, patience=patience):
            write_mirror_notes(library, str(target), notes)
    except (LibraryNotWritable, OSError) as error:
        lost = f"what differs at {target} is not noted for its index and report" if notes else "nothing is noted there"
        log.log(logging.WARNING if notes else logging.INFO, "%s: cannot be written to (%s)", library, lost)
        log.debug("%s", error)


class _Run:
    """One mirror run: the target's list of copies, as it grows."""

    def __init__(self, library: Path, target: Path, *, now: datetime, quick: bool, repair: bool) -> None:
        self.library, self.target, self.now, self.quick, self.repair = library, target, now, quick, repair
        self.copied = _read_state(target)
        self.contents = Contents(library)
        self.masters: dict[str, list[str]] = defaultdict(list)  # that were there before, by what they share
        for name in filter(is_image_name, self.copied):
            self.masters[records.shared_name(Path(name))].append(name)
        self.files: list[Copy] = []
        self.kept: list[Copy] = []
        self.stuck: set[str] = set()
        self.bytes_copied = 0

    def bring(self, path: Path) -> Copy:
        """Bring one file up to date; whatever goes wrong concerns this file alone."""
        if not is_text(path.as_posix()):
            return Copy(path=f"{path.as_posix()!a}", action="failed", detail="its name is no valid text: rename it")
        try:
            done = self._bring(path.as_posix(), self.library / path, self.target / path)
        except (OSError, LibraryError) as error:
            done = Copy(path=path.as_posix(), action="failed", detail=reason_of(error))
        if done.action in {"mismatch", "failed"}:
            self.stuck.add(done.path)
        return done

    def _bring(self, name: str, source: Path, copy: Path) -> Copy:
        if not copy.exists():
            return self._copy(name, source, copy, "copied")
        known = self.copied.get(name)
        if known is None or not self._is_intact(copy, known):
            digest = sha256(copy)
            if digest == sha256(source):  # killed before it was noted, or put there by somebody else
                self._remember(name, copy, digest)
                return Copy(path=name, action="adopted")
            if known is None:
                return Copy(path=name, action="mismatch", detail="another file of this name stood there before")
            return self._mismatch(name, source, copy)
        if self._is_current(source, known):
            return Copy(path=name, action="up to date")
        return self._copy(name, source, copy, "updated")

    def follow_moves(self) -> list[Copy]:
        """Remove copies of masters, and of their records, that went into quarantine, were superseded, or came back.

        Only what this mirror wrote, and has not changed since; and only once its content stands in its new place.
        """
        sound = [file.path for file in self.files if file.action not in {"mismatch", "failed"}]
        places = {(_home(name), self.copied[name].sha256): name for name in sound if name in self.copied}
        gone = [name for name in self.copied if not (self.library / name).exists()]
        moved = {
            name: place
            for name in gone
            if is_image_name(name) and (place := places.get((_home(name), self.copied[name].sha256)))
        }
        beside = {
            records.record_path(Path(name), suffix).as_posix(): records.record_path(Path(place), suffix).as_posix()
            for name, place in moved.items()
            for suffix in records.SUFFIXES
        }
        moved |= {name: place for name, place in beside.items() if name in gone and place in sound}
        return [done for name, place in sorted(moved.items()) if (done := self._remove(name, place)) is not None]

    def _remove(self, name: str, place: str) -> Copy | None:
        copy = self.target / name
        try:
            if not copy.exists() or not self._is_intact(copy, self.copied[name]):
                return None
            remove(copy)
        except OSError as error:
            return Copy(path=name, action="failed", detail=reason_of(error))
        del self.copied[name]
        return Copy(path=name, action="moved", detail=f"is {place} now")

    def _is_intact(self, copy: Path, known: _Copied) -> bool:
        stat = copy.stat()
        if stat.st_size != known.size:
            return False
        return stat.st_mtime_ns == known.mtime_ns if self.quick else sha256(copy) == known.sha256

    def _is_current(self, source: Path, known: _Copied) -> bool:
        stat = source.stat()
        # The copy carries the time of its source; file systems round it, hence the two seconds of FAT.
        if self.quick and stat.st_size == known.size and abs(stat.st_mtime_ns - known.mtime_ns) < 2_000_000_000:
            return True
        return stat.st_size == known.size and sha256(source) == known.sha256

    def _mismatch(self, name: str, source: Path, copy: Path) -> Copy:
        if self.repair:
            return self._copy(name, source, copy, "repaired")
        return Copy(path=name, action="mismatch", detail="the copy is not what was copied: damaged or changed there")

    def _copy(self, name: str, source: Path, copy: Path, action: Action) -> Copy:
        replaced = None if action == "copied" else copy
        if objection(source, over=replaced):
            with ExitStack() as held:
                with suppress(LibraryNotWritable):
                    # A build may be putting it in place right now.
                    held.enter_context(library_lock(self.library, patience=_SHORT_PATIENCE_S))
                if detail := objection(source, over=replaced):
                    return Copy(path=name, action="mismatch", detail=detail)
        if self._is_of_another(name, source):
            detail = "its master could not be copied, and the record of the copy that is there stays with that one"
            return Copy(path=name, action="mismatch", detail=detail)
        digest = copy_verified(source, copy, make_way=partial(self._make_way, name))
        self._remember(name, copy, digest)
        self.bytes_copied += copy.stat().st_size
        return Copy(path=name, action=action)

    def _is_of_another(self, name: str, source: Path) -> bool:
        """Whether a record tells of another master than the one beside its copy, which could not be replaced."""
        stuck = [old for old in self._before(name) if old in self.stuck and old in self.copied]
        if not stuck or is_image_name(name):
            return False
        try:
            told = records.read(source).master.sha256
        except RecordError:
            return False
        return all(told != self.copied[old].sha256 for old in stuck)

    def _before(self, name: str) -> list[str]:
        """Return the masters that were there before under this name, or with a record of this name."""
        is_one = is_image_name(name) or Path(name).suffix in records.SUFFIXES
        return self.masters.get(records.shared_name(Path(name)), []) if is_one else []

    def _make_way(self, name: str) -> None:
        """Put aside the masters whose place, or record, ``name`` is to take, where their copies here are the last."""
        for old in self._before(name):
            is_displaced = old == name or not (self.library / old).exists()
            if is_displaced and old in self.copied and self._is_last(old):
                self._put_aside(old)

    def _is_last(self, name: str) -> bool:
        """Whether a copy is sound, and of a master that the library has nowhere any more."""
        copy, known = self.target / name, self.copied[name]
        if not copy.exists() or self.contents.hold(name, known.size, known.sha256):
            return False
        return sha256(copy) == known.sha256  # whatever ``quick`` believes

    def _put_aside(self, name: str) -> None:
        copy = self.target / name
        suffix = next((s for s in records.SUFFIXES if records.record_path(copy, s).exists()), records.SUFFIXES[0])
        place = store.supersede(self.target, Path(name), now=self.now, suffix=suffix).relative_to(self.target)
        del self.copied[name]
        detail = f"the library has that master nowhere any more: is {place.as_posix()} now"
        self.kept.append(Copy(path=name, action="kept", detail=detail))

    def _remember(self, name: str, copy: Path, digest: str) -> None:
        stat = copy.stat()
        self.copied[name] = _Copied(sha256=digest, size=stat.st_size, mtime_ns=stat.st_mtime_ns)
        with (self.target / _JOURNAL).open("ab") as journal:
            journal.write(_LINE.dump_json(_Line(name, self.copied[name])) + b"\n")

    def keep(self) -> None:
        """Write the list of copies into the target."""
        text = _State(files=dict(sorted(self.copied.items()))).model_dump_json(indent=1)
        write_text(self.target / _COPIED, text)
        (self.target / _JOURNAL).unlink(missing_ok=True)


def _refuse_nesting(library: Path, target: Path) -> None:
    if not library.is_dir():
        raise LibraryError(f"{library}: there is no such library")
    a, b = library.resolve(), target.resolve()
    if a == b or a.is_relative_to(b) or b.is_relative_to(a):
        raise UsageError(f"{target} and {library} lie in one another: choose a target outside the library")


def _turn(path: Path) -> tuple[Path, bool, Path]:
    """Let a master come before its record: one that has to make way takes the record of its own along."""
    return path.with_suffix(""), not is_image_name(path), path


def _home(name: str) -> str:
    """Return the path a master was made for, whether it is in use or not."""
    return home_of(Path(name)).as_posix()


def _refuse_no_library(library: Path) -> None:
    if not (library / HOUSEKEEPING).is_dir():
        with suppress(LibraryError):
            around = library_around(library)
            raise UsageError(f"{library} lies in the library {around}: mirror that one")
    if any(is_image_name(path) for path in _files(library)) and not scan(library).entries:
        raise NothingToDo(f"{library}: holds images and no masters, so it is no library to mirror")


def _read_state(target: Path) -> dict[str, _Copied]:
    """Return the list of copies: as the last run left it, and what a run that was killed had come to."""
    copied: dict[str, _Copied] = {}
    try:
        copied |= _State.model_validate_json((target / _COPIED).read_bytes()).files
    except FileNotFoundError:
        pass
    except (OSError, ValidationError) as error:
        log.warning("%s: not used, every copy is compared anew: %s", target / _COPIED, error)
    with suppress(OSError):
        for text in (target / _JOURNAL).read_bytes().splitlines():
            with suppress(ValidationError):  # the line at which it was killed
                line = _LINE.validate_json(text)
                copied[line.path] = line.copied
    return copied


def _files(root: Path) -> Iterator[Path]:
    """Yield every file below ``root``, relative to it; housekeeping and halves of files left out."""
    for folder, folders, names in os.walk(root, onerror=lambda error: log.warning("%s", error)):
        folders[:] = [name for name in folders if name != HOUSEKEEPING.name]
        for name in names:
            path = Path(folder) / name
            if not is_part(path) and path.is_file():
                yield path.relative_to(root)
