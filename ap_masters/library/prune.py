"""Raw frames that may go: those that no master in use needs, older than a season, and still what is on record."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from ap_masters import record as records
from ap_masters.errors import RecordError
from ap_masters.library import store
from ap_masters.library.lock import HOUSEKEEPING
from ap_masters.library.scan import scan
from ap_masters.model import MasterStatus, Noun
from ap_masters.record import Input, Record

Verdict = Literal["droppable", "dropped", "needed", "too young", "changed", "gone", "failed"]


class RawFrame(Noun):
    """One raw frame that a record names: whether it may go, and why not."""

    path: Path
    size: int
    verdict: Verdict
    detail: str = ""


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
        return Counter(frame.verdict for frame in self.frames)

    @property
    def droppable_bytes(self) -> int:
        """What dropping them would free."""
        return sum(frame.size for frame in self.of("droppable"))


class _Use(NamedTuple):
    entry: Input
    master: str
    status: MasterStatus


def prune(library: Path, *, now: datetime, season_days: int, apply: bool = False) -> Prune:
    """Say which raw frames may go, and with ``apply`` delete those and no others.

    A frame stays while a master that is published, in quarantine or a candidate was made of it: that master could
    not be rebuilt without (S0-27). It stays for ``season_days`` after it was taken, whatever became of its
    masters. It stays where its bytes are not those on record. A record that cannot be read may name any frame:
    then nothing goes.
    """
    uses, unreadable = _uses(library)
    frames = [_judged(path, by, now, season_days) for path, by in sorted(uses.items())]
    if unreadable:
        reason = "a record in the library cannot be read; it may need this frame"
        frames = [_kept(frame, reason) if frame.verdict == "droppable" else frame for frame in frames]
    if apply:
        frames = [_drop(frame) if frame.verdict == "droppable" else frame for frame in frames]
    return Prune(frames=tuple(frames), unreadable=tuple(unreadable), applied=apply)


def _uses(library: Path) -> tuple[dict[Path, list[_Use]], list[str]]:
    """Return which masters were made of each raw frame, and the records that could not be read."""
    uses: dict[Path, list[_Use]] = defaultdict(list)
    unreadable = []
    for path, record in _records(library):
        if record is None:
            unreadable.append(path)
            continue
        for entry in record.inputs:
            uses[entry.path].append(_Use(entry, record.master.name, record.status))
    return uses, unreadable


def _records(library: Path) -> Iterator[tuple[str, Record | None]]:
    known = set()
    for entry in scan(library).entries:
        if entry.record is not None:
            known.add(entry.record)
            try:
                yield entry.record, records.read(library / entry.record)
            except RecordError:
                yield entry.record, None
    for path in sorted(library.rglob("*.xrs")):
        place = path.relative_to(library)
        if place.as_posix() in known or place.parts[0] == HOUSEKEEPING.name or _is_log(path):
            continue
        try:
            yield place.as_posix(), records.read(path)  # its master is gone, its frames may serve to build it again
        except RecordError:
            yield place.as_posix(), None


def _is_log(path: Path) -> bool:
    """Whether a file under a record's suffix is the console log of another program: it names no frames of ours."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return not file.read(64).lstrip("\ufeff \t\r\n").startswith("{")


def _judged(path: Path, uses: list[_Use], now: datetime, season_days: int) -> RawFrame:
    entry = uses[0].entry
    frame = RawFrame(path=path, size=entry.size, verdict="droppable")

    def verdict(word: Verdict, detail: str) -> RawFrame:
        return frame.model_copy(update={"verdict": word, "detail": detail})

    needed = [use.master for use in uses if use.status is not MasterStatus.SUPERSEDED]
    try:
        stat = path.stat()
    except OSError:
        return verdict("gone", "it is not there any more")
    taken = entry.started or datetime.fromtimestamp(stat.st_mtime, tz=now.tzinfo)
    if needed:
        return verdict("needed", f"to rebuild {needed[0]}")
    if now - taken <= timedelta(days=season_days):
        return verdict("too young", f"taken {taken:%Y-%m-%d}, kept for {season_days} days")
    if any((stat.st_size, stat.st_mtime_ns) != (use.entry.size, use.entry.mtime_ns) for use in uses):
        return verdict("changed", "its size or time is not that on record")
    if any(use.entry.sha256 and use.entry.sha256 != store.sha256(path) for use in uses[:1]):
        return verdict("changed", "its bytes are not those on record")
    return frame


def _kept(frame: RawFrame, reason: str) -> RawFrame:
    return frame.model_copy(update={"verdict": "needed", "detail": reason})


def _drop(frame: RawFrame) -> RawFrame:
    try:
        frame.path.unlink()
    except OSError as error:
        return frame.model_copy(update={"verdict": "failed", "detail": error.strerror or str(error)})
    return frame.model_copy(update={"verdict": "dropped"})
