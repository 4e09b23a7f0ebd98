"""What was read from headers, kept between runs: a file whose size and time are unchanged is not opened again.

One JSON file per folder of frames, replaced whole, so that several processes may use the cache at once and a killed
one leaves it in order. It holds nothing that cannot be read again: whatever is wrong with it, it is passed over.
"""

import hashlib
import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from platformdirs import user_cache_path
from pydantic import ValidationError

from ap_masters.model import Decision, Frame, Noun
from ap_masters.record import write_text

_log = logging.getLogger(__name__)

_PACKAGE: Final = Path(__file__).parent


class Entry(NamedTuple):
    """What is known of a file of that size and time: the frame (no folder looked at), or why it has none.

    ``sample`` and ``digest`` are hashes of parts and of the whole of the file, where duplicates were looked for.
    ``passing`` marks a problem that may be gone without a trace in the file, as a missing permission.
    """

    size: int
    mtime_ns: int
    frame: Frame | None = None
    problem: str | None = None
    passing: bool = False
    sample: str | None = None
    digest: str | None = None


class _Row(NamedTuple):
    """An entry as it is stored: of the frame only what differs from a frame that says nothing, without its path.

    Decisions are much the same from frame to frame; ``decided`` has their places among all that occur in the folder.
    """

    size: int
    mtime_ns: int
    frame: dict[str, Any] | None
    decided: tuple[int, ...]
    problem: str | None
    sample: str | None
    digest: str | None


class _Stored(Noun):
    """One file of the cache."""

    folder: str
    rules: str
    decisions: tuple[Decision, ...]
    rows: dict[str, _Row]

    @classmethod
    def of(cls, folder: Path, files: Mapping[str, Entry]) -> Self:
        """Return the entries as they are stored."""
        places: dict[Decision, int] = {}
        rows = {name: _row(entry, places) for name, entry in files.items()}
        return cls(folder=str(folder), rules=rules_in_force(), decisions=tuple(places), rows=rows)

    def entries(self, folder: Path) -> dict[str, Entry]:
        """Return the entries as they were. Raises ValidationError and IndexError where they cannot have been so."""
        return {name: self._entry(folder / name, row) for name, row in self.rows.items()}

    def _entry(self, path: Path, row: _Row) -> Entry:
        frame = None
        if row.frame is not None:
            decisions = tuple([self.decisions[place] for place in row.decided])
            own = {"path": path, "size": row.size, "mtime_ns": row.mtime_ns, "decisions": decisions}
            frame = Frame.model_validate(row.frame | own)
        return Entry(row.size, row.mtime_ns, frame, row.problem, False, row.sample, row.digest)


def _row(entry: Entry, places: dict[Decision, int]) -> _Row:
    """Return an entry as it is stored; decisions not seen before get the next place."""
    row = _Row(entry.size, entry.mtime_ns, None, (), entry.problem, entry.sample, entry.digest)
    if entry.frame is None:
        return row
    own = {"path", "size", "mtime_ns", "decisions"}
    return row._replace(
        frame=entry.frame.model_dump(mode="json", exclude_defaults=True, exclude=own),
        decided=tuple([places.setdefault(decision, len(places)) for decision in entry.frame.decisions]),
    )


class HeaderCache:
    """Entries by folder and file name, in a folder of their own."""

    def __init__(self, place: Path) -> None:
        """Keep the cache in the folder ``place``, which need not exist and may be unwritable."""
        self._place = place

    @classmethod
    def default(cls) -> Self:
        """Return this user's cache: in AP_MASTERS_CACHE_DIR, else where the system keeps caches of programs."""
        own = os.environ.get("AP_MASTERS_CACHE_DIR")
        return cls((Path(own) if own else user_cache_path("ap-masters")) / "headers")

    def load(self, folder: Path) -> dict[str, Entry]:
        """Return what is known of the files of ``folder``, by name; nothing where that is unreadable or outdated."""
        path = self._path(folder)
        try:
            stored = _Stored.model_validate_json(path.read_bytes())
            return stored.entries(folder) if (stored.folder, stored.rules) == (str(folder), rules_in_force()) else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError, IndexError) as error:
            _log.debug("header cache %s passed over: %s", path, error)
            return {}

    def save(self, folder: Path, files: Mapping[str, Entry]) -> None:
        """Keep ``files`` as all that is known of ``folder``, passing problems left out.

        A cache that cannot be written is done without.
        """
        path = self._path(folder)
        lasting = {name: entry for name, entry in files.items() if not entry.passing}
        stored = _Stored.of(folder, lasting)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, stored.model_dump_json())
        except OSError as error:
            _log.debug("header cache %s not written: %s", path, error)

    def _path(self, folder: Path) -> Path:
        return self._place / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}.json"


@cache
def rules_in_force() -> str:
    """Return a fingerprint of the code that reads headers: what older rules understood is not taken over."""
    sources = [_PACKAGE / "model.py", *_PACKAGE.glob("headers/*.py"), *_PACKAGE.glob("images/*.py")]
    total = hashlib.sha256()
    for source in sorted(sources):
        total.update(source.read_bytes())
    return total.hexdigest()[:16]
