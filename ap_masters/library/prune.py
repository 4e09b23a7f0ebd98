"""Raw frames that may go: those that no master in use needs, older than a season, and still what is on record."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, NamedTuple

from ap_masters import record as records
from ap_masters.errors import AttentionNeeded, RecordError, reason_of
from ap_masters.files import sha256
from ap_masters.library.lock import PATIENCE_S, library_lock
from ap_masters.library.places import refuse_part
from ap_masters.library.scan import is_console_log, other_files, scan
from ap_masters.model import MasterStatus, Noun
from ap_masters.record import Brief, Outline

Verdict = Literal["droppable", "dropped", "needed", "too young", "changed", "gone", "failed"]

_READERS: Final = 8  # waiting for a network share, not computing


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One raw frame that a record names: whether it may go, and why not."""

    path: Path
    size: int
    verdict: Verdict
    detail: str = ""
    again: bool = False  # another name of a file that stands before it, as under a link: it counts once


class Prune(Noun):
    """What may go, what stays and why; ``applied`` is False for a dry run."""

    frames: tuple[RawFrame, ...] = ()
    unreadable: tuple[str, ...] = ()  # records that could not be read: then nothing is dropped
    applied: bool = False

    def of(self, verdict: Verdict) -> tuple[RawFrame, ...]:
        """Return the frames of one verdict."""
        return tuple(frame for frame in self.frames if frame.verdict == verdict)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many frames of each verdict."""
        return Counter(frame.verdict for frame in self.frames if not frame.again)

    @property
    def exit_code(self) -> int:
        """0 all is clear, 8 a record or a frame stands in the way."""
        return AttentionNeeded.exit_code if self.unreadable or self.of("failed") else 0

    @property
    def freed_bytes(self) -> int:
        """What dropping them frees: has freed, where it was done."""
        return sum(frame.size for frame in (*self.of("droppable"), *self.of("dropped")) if not frame.again)


class _Use(NamedTuple):
    entry: Brief
    master: str
    status: MasterStatus

    @property
    def is_needed(self) -> bool:
        return self.status is not MasterStatus.SUPERSEDED


class _Needed:
    """The frames of masters in use, by what they are: under another path they are the same frames.

    Such are links, a mapped drive, a folder that was moved. Those without a checksum on record are told by size and
    time.
    """

    def __init__(self, uses: Iterable[_Use]) -> None:
        self._by_hash: dict[str, _Use] = {}
        self._by_stamp: dict[tuple[int, int], _Use] = {}
        self._unhashed: dict[tuple[int, int], _Use] = {}
        for use in uses:
            stamp = use.entry.size, use.entry.mtime_ns
            self._by_stamp[stamp] = use
            if use.entry.sha256:
                self._by_hash[use.entry.sha256] = use
            else:
                self._unhashed[stamp] = use

    def same_as(self, entry: Brief) -> _Use | None:
        """Return the use of a frame that is the same as this one."""
        stamp = entry.size, entry.mtime_ns
        if not entry.sha256:
            return self._by_stamp.get(stamp)
        return self._by_hash.get(entry.sha256) or self._unhashed.get(stamp)


def prune(
    library: Path,
    *,
    now: datetime,
    season_days: int,
    others: Sequence[Path] = (),
    apply: bool = False,
    patience: float = PATIENCE_S,
) -> Prune:
    """Say which raw frames may go, and with ``apply`` delete those and no others.

    A frame stays while a master that is published, in quarantine or a candidate was made of it, under whatever path:
    that master could not be rebuilt without (S0-27). It stays for ``season_days`` after it was taken, whatever
    became of its masters. It stays where its bytes are not those on record. A record that cannot be read, or that a
    master of ours has lost, may name any frame: then nothing goes. Masters of ``others``, which are libraries as well,
    keep their frames likewise; of any further library nothing is known. With ``apply`` the library is locked, so that
    no build finds its frames gone. Raises LibraryError where that is not to be had after ``patience`` seconds,
    UsageError for a part of a library: masters in the rest of it may need the frames.
    """
    for place in (library, *others):
        refuse_part(place)
    with library_lock(library, patience=patience) if apply else nullcontext():
        uses, unreadable = _uses(library)
        elsewhere, illegible = _needed_by(others)
        for use in elsewhere:
            if use.entry.path in uses:
                uses[use.entry.path].append(use)
        unreadable += illegible
        needed = _Needed([*elsewhere, *(use for by in uses.values() for use in by if use.is_needed)])
        files: set[tuple[int, int, Verdict]] = set()
        frames = [_judged(path, by, needed, now, season_days, files) for path, by in sorted(uses.items())]
        if unreadable:
            reason = "a record in a library is missing or cannot be read; it may need this frame"
            frames = [_kept(frame, reason) if frame.verdict == "droppable" else frame for frame in frames]
        if apply:
            frames = [_drop(frame) if frame.verdict == "droppable" else frame for frame in frames]
    return Prune(frames=tuple(frames), unreadable=tuple(unreadable), applied=apply)


def _uses(library: Path) -> tuple[dict[str, list[_Use]], list[str]]:
    """Return which masters were made of each raw frame, and the records that could not be read."""
    uses: dict[str, list[_Use]] = defaultdict(list)
    unreadable = []
    for path, outline in _records(library):
        if outline is None:
            unreadable.append(path)
            continue
        for frame in outline.frames:
            uses[frame.path].append(_Use(frame, outline.record.master.name, outline.record.status))
    return uses, unreadable


def _needed_by(libraries: Sequence[Path]) -> tuple[list[_Use], list[str]]:
    """Return what masters in use of other libraries were made of, and the records there that could not be read."""
    needed, unreadable = [], []
    for library in libraries:
        uses, lost = _uses(library)
        needed += [use for by in uses.values() for use in by if use.is_needed]
        unreadable += [str(library / path) for path in lost]
    return needed, unreadable


def _records(library: Path) -> Iterator[tuple[str, Outline | None]]:
    """Yield every record, also of masters that are gone, and every master of ours that has none."""
    entries = scan(library).entries
    for entry in entries:
        if entry.lost_record:
            yield entry.path, None
    known = {entry.record for entry in entries if entry.record is not None}
    places = [
        place
        for place in other_files(library)
        if place.suffix.lower() in records.SUFFIXES
        and (place.as_posix() in known or not is_console_log(library / place))
    ]
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        yield from pool.map(lambda place: (place.as_posix(), _outline(library / place)), places)


def _outline(path: Path) -> Outline | None:
    try:
        return records.read_outline(path)
    except RecordError:
        return None


def _judged(
    path: str, uses: list[_Use], needed: _Needed, now: datetime, season_days: int, files: set[tuple[int, int, Verdict]]
) -> RawFrame:
    """Judge one frame, and add its file and verdict to those that were seen."""
    size = uses[0].entry.size
    try:
        stat = os.stat(path)  # noqa: PTH116 - of hundreds of thousands of names, most of them gone
    except (OSError, ValueError):
        return RawFrame(path=Path(path), size=size, verdict="gone", detail="it is not there any more")
    verdict, detail = _verdict(path, stat, uses, needed, now, season_days)
    file = stat.st_dev, stat.st_ino, verdict
    again = stat.st_ino != 0 and file in files  # where a file system has no such numbers they are 0
    files.add(file)
    return RawFrame(path=Path(path), size=size, verdict=verdict, detail=detail, again=again)


def _verdict(
    path: str, stat: os.stat_result, uses: list[_Use], needed: _Needed, now: datetime, season_days: int
) -> tuple[Verdict, str]:
    entry = uses[0].entry
    taken = entry.started or datetime.fromtimestamp(stat.st_mtime, tz=now.tzinfo)
    if own := next((use for use in uses if use.is_needed), None):
        return "needed", f"to rebuild {own.master}"
    if other := next(filter(None, (needed.same_as(use.entry) for use in uses)), None):
        return "needed", f"the same frame as {other.entry.path}, to rebuild {other.master}"
    if now - taken <= timedelta(days=season_days):
        return "too young", f"taken {taken:%Y-%m-%d}, kept for {season_days} days"
    if any((stat.st_size, stat.st_mtime_ns) != (use.entry.size, use.entry.mtime_ns) for use in uses):
        return "changed", "its size or time is not that on record"
    if entry.sha256 and entry.sha256 != sha256(Path(path)):
        return "changed", "its bytes are not those on record"
    return "droppable", ""


def _kept(frame: RawFrame, reason: str) -> RawFrame:
    return replace(frame, verdict="needed", detail=reason)


def _drop(frame: RawFrame) -> RawFrame:
    try:
        frame.path.unlink()
    except FileNotFoundError:  # it may have had two paths
        return replace(frame, verdict="gone", detail="it is not there any more")
    except OSError as error:
        return replace(frame, verdict="failed", detail=reason_of(error))
    return replace(frame, verdict="dropped")
