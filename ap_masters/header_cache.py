"""What was read from headers, kept between runs: a file whose size and time are unchanged is not opened again.

One JSON file per folder of frames, replaced whole, so that several processes may use the cache at once and a killed
one leaves it in order. It holds nothing that cannot be read again: whatever is wrong with it, it is passed over.
"""

import hashlib
import logging
import os
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, Self

from platformdirs import user_cache_path
from pydantic import ValidationError

from ap_masters.files import write_text
from ap_masters.model import Decision, Frame, Noun

_log = logging.getLogger(__name__)

_PACKAGE: Final = Path(__file__).parent
_READING: Final = ("model/*.py", "headers/*.py", "images/*.py", "safe.py", "texts.py")  # all that reads headers


class Entry(NamedTuple):
    """What is known of a file of that size and time: the frame (no folder looked at), or why it has none.

    ``sample`` and ``digest`` are hashes of parts and of the whole of the file, ``row`` and ``pixels`` of a row of the
    image and of all it shows, each where duplicates were looked for.
    ``passing`` marks a problem that may be gone without a trace in the file, as a missing permission.
    """

    size: int
    mtime_ns: int
    frame: Frame | None = None
    problem: str | None = None
    passing: bool = False
    sample: str | None = None
    digest: str | None = None
    row: str | None = None
    pixels: str | None = None


class _Row(NamedTuple):
    """An entry as it is stored: what differs from frame to frame, and where the rest stands.

    ``kind`` is the place among the kinds of frames in the folder, ``decided`` those of the decisions.
    """

    size: int
    mtime_ns: int
    kind: int | None
    started: datetime | None
    local_started: datetime | None
    night: date | None
    sensor_temperature: float | None
    decided: tuple[int, ...]
    problem: str | None
    sample: str | None
    digest: str | None
    row: str | None
    pixels: str | None


class _Stored(Noun):
    """One file of the cache.

    Frames of one folder say much the same: all that is the same stands once, as a frame with the rest left blank.
    That makes the file a seventh of what whole frames would take, and reading it twice as fast.
    """

    folder: str
    rules: str
    kinds: tuple[Frame, ...]
    decisions: tuple[Decision, ...]
    rows: dict[str, _Row]

    @classmethod
    def of(cls, folder: Path, files: Mapping[str, Entry]) -> Self:
        """Return the entries as they are stored."""
        kinds: dict[Frame, int] = {}
        decisions: dict[Decision, int] = {}
        rows = {name: _row(entry, kinds, decisions) for name, entry in files.items()}
        return cls(
            folder=str(folder),
            rules=rules_in_force(),
            kinds=tuple(kinds),
            decisions=tuple(decisions),
            rows=rows,
        )

    def entries(self, folder: Path) -> dict[str, Entry]:
        """Return the entries as they were. Raises IndexError where they cannot have been so."""
        return {name: self._entry(folder / name, row) for name, row in self.rows.items()}

    def _entry(self, path: Path, row: _Row) -> Entry:
        frame = None
        if row.kind is not None:
            frame = self.kinds[row.kind].model_copy(
                update={
                    "path": path,
                    "size": row.size,
                    "mtime_ns": row.mtime_ns,
                    "started": row.started,
                    "local_started": row.local_started,
                    "night": row.night,
                    "sensor_temperature": row.sensor_temperature,
                    "decisions": tuple([self.decisions[place] for place in row.decided]),
                }
            )
        return Entry(row.size, row.mtime_ns, frame, row.problem, False, row.sample, row.digest, row.row, row.pixels)


_BLANK: Final = {
    "path": Path(),
    "size": 0,
    "mtime_ns": 0,
    "started": None,
    "local_started": None,
    "night": None,
    "sensor_temperature": None,
    "decisions": (),
}


def _row(entry: Entry, kinds: dict[Frame, int], decisions: dict[Decision, int]) -> _Row:
    """Return an entry as it is stored; what was not there before gets the next place."""
    frame = entry.frame
    return _Row(
        size=entry.size,
        mtime_ns=entry.mtime_ns,
        kind=kinds.setdefault(frame.model_copy(update=_BLANK), len(kinds)) if frame else None,
        started=frame.started if frame else None,
        local_started=frame.local_started if frame else None,
        night=frame.night if frame else None,
        sensor_temperature=frame.sensor_temperature if frame else None,
        decided=tuple([decisions.setdefault(one, len(decisions)) for one in frame.decisions]) if frame else (),
        problem=entry.problem,
        sample=entry.sample,
        digest=entry.digest,
        row=entry.row,
        pixels=entry.pixels,
    )


class HeaderCache:
    """Entries by folder and file name, in a folder of their own."""

    def __init__(self, place: Path) -> None:
        """Keep the cache in the folder ``place``, which need not exist and may be unwritable."""
        self.place = place

    @classmethod
    def default(cls) -> Self:
        """Return this user's cache: in AP_MASTERS_CACHE_DIR, else where the system keeps caches of programs."""
        own = os.environ.get("AP_MASTERS_CACHE_DIR")
        return cls((Path(own) if own else user_cache_path("ap-masters", appauthor=False)) / "headers")

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
        return self.place / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}.json"


@cache
def rules_in_force(*more: str) -> str:
    """Return a fingerprint of the code that reads headers: what older rules understood is not taken over.

    ``more`` are further sources, relative to the package, where they have a say in what is kept.
    """
    total = hashlib.sha256()
    for source in sorted(path for pattern in (*_READING, *more) for path in _PACKAGE.glob(pattern)):
        total.update(source.read_bytes())
    return total.hexdigest()[:16]
