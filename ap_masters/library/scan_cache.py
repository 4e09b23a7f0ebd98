"""What is known of a library's files, kept in it: in one line what matching needs, in the other everything.

``.ap-masters/scan.jsonl`` is replaced whole, so that its two lines always tell of the same files and a program that
is stopped leaves it in order. It holds nothing that cannot be read again: whatever is wrong with it, it is passed over.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, Self

from pydantic import ValidationError

from ap_masters.files import write_text
from ap_masters.header_cache import rules_in_force
from ap_masters.library.entries import Entry, master_of
from ap_masters.library.places import whole_of
from ap_masters.model import HOUSEKEEPING, Master, MasterStatus, Noun

log = logging.getLogger(__name__)

CACHE: Final = HOUSEKEEPING / "scan.jsonl"
_SOURCES: Final = ("record.py", "library/entries.py", "library/scan.py", "library/scan_cache.py", "library/unproved.py")

Stamp = tuple[int, int, int, int]
"""Size and time of the master, size and time of its record (zeros where there is none)."""


class Known(Noun):
    """One file: an entry, or the reason why it is none."""

    stamp: Stamp
    entry: Entry | None = None
    problem: str | None = None


class Outline(NamedTuple):
    """Of one file what a plan or a match asks of all: the master, if it is one, with its path below the library.

    ``record`` is the suffix of its record; ``made_with`` the SHA-256 of what was subtracted, of published masters.
    """

    stamp: Stamp
    master: Master | None = None
    record: str | None = None
    made_with: tuple[str, ...] = ()

    @classmethod
    def of(cls, library: Path, known: Known) -> Self:
        """Return the outline of one file of ``library``."""
        entry = known.entry
        if entry is None:
            return cls(known.stamp)
        return cls(
            known.stamp,
            master_of(entry, library),
            Path(entry.record).suffix if entry.record else None,
            tuple(use.sha256 for use in entry.uses if use.sha256) if entry.status is MasterStatus.PUBLISHED else (),
        )


class _Row(NamedTuple):
    """An outline as it is stored: what differs from master to master, and its place among the kinds of masters."""

    stamp: Stamp
    kind: int | None
    frames: int | None
    started: datetime | None
    ended: datetime | None
    created: datetime | None
    record: str | None
    made_with: tuple[str, ...]


class _Outlines(Noun):
    """The first line. What many masters have in common stands once, as a master with the rest left blank."""

    written_by: str
    kinds: tuple[Master, ...]
    rows: dict[str, _Row]


class _Whole(Noun):
    """The second line."""

    written_by: str
    files: dict[str, Known]


_BLANK: Final = {"path": Path(), "frames": None, "started": None, "ended": None, "created": None}


def _rules() -> str:
    """Return a fingerprint of all that has a say in what is kept of a file; what other rules said is read anew."""
    return rules_in_force(*_SOURCES)


def read(library: Path) -> dict[str, Known]:
    """Return what is kept of the files of ``library``, by path; nothing where that is unreadable or outdated."""
    path = library / CACHE
    try:
        with path.open("rb") as file:
            file.readline()
            whole = _Whole.model_validate_json(file.read())
    except (OSError, ValidationError) as error:
        log.debug("%s: not used: %s", path, error)
        return {}
    return whole.files if whole.written_by == _rules() else {}


def read_outlines(library: Path) -> dict[str, Outline]:
    """Return the outlines of the same files, in a fraction of the time."""
    path = library / CACHE
    try:
        with path.open("rb") as file:
            stored = _Outlines.model_validate_json(file.readline())
        if stored.written_by != _rules():
            return {}
        return {name: _outline(library / name, row, stored.kinds) for name, row in stored.rows.items()}
    except (OSError, ValidationError, IndexError) as error:
        log.debug("%s: not used: %s", path, error)
        return {}


def write(library: Path, files: Mapping[str, Known]) -> None:
    """Keep ``files`` as all that is known of ``library``, unless it is but a part of one.

    One that cannot be written to is read all the same.
    """
    if whole_of(library) is not None:
        return
    kinds: dict[Master, int] = {}
    rows = {path: _row(Outline.of(library, known), kinds) for path, known in sorted(files.items())}
    lines = (
        _Outlines(written_by=_rules(), kinds=tuple(kinds), rows=rows),
        _Whole(written_by=_rules(), files=dict(files)),
    )
    try:
        (library / HOUSEKEEPING).mkdir(exist_ok=True)
        text = "".join(f"{line.model_dump_json(exclude_defaults=True)}\n" for line in lines)
        write_text(library / CACHE, text)
    except OSError as error:
        log.debug("%s: not kept: %s", library / CACHE, error)


def _row(outline: Outline, kinds: dict[Master, int]) -> _Row:
    """Return an outline as it is stored; a kind that was not there before gets the next place."""
    master = outline.master
    return _Row(
        stamp=outline.stamp,
        kind=kinds.setdefault(master.model_copy(update=_BLANK), len(kinds)) if master else None,
        frames=master.frames if master else None,
        started=master.started if master else None,
        ended=master.ended if master else None,
        created=master.created if master else None,
        record=outline.record,
        made_with=outline.made_with,
    )


def _outline(path: Path, row: _Row, kinds: tuple[Master, ...]) -> Outline:
    """Return an outline as it was. Raises IndexError where it cannot have been so."""
    if row.kind is None:
        return Outline(row.stamp)
    own = {"path": path, "frames": row.frames, "started": row.started, "ended": row.ended, "created": row.created}
    return Outline(row.stamp, kinds[row.kind].model_copy(update=own), row.record, row.made_with)
