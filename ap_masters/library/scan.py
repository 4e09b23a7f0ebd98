"""A folder of masters -> what is in it, by records where they are and by headers where they are not.

What was read is kept in ``.ap-masters/scan.json``, by name, size and time of master and record, so that ten
thousand masters load in a second or two. The cache holds nothing that cannot be read again.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import ValidationError

from ap_masters import __version__, headers, images, memory
from ap_masters import record as records
from ap_masters.errors import ImageError, RecordError
from ap_masters.library.entries import Entry, entry_of, foreign_entry, master_of
from ap_masters.library.lock import HOUSEKEEPING
from ap_masters.model import FrameType, Master, MasterStatus, Noun
from ap_masters.record import Record
from ap_masters.safe import is_text

log = logging.getLogger(__name__)

CACHE: Final = HOUSEKEEPING / "scan.json"
RECORD_SUFFIXES: Final = (".xrs", ".log")
BESIDE: Final = "._"  # what macOS leaves beside files on disks of other systems

Stamp = tuple[int, int, int, int]
"""Size and time of the master, size and time of its record (zeros where there is none)."""


_NO_STAMP: Final[Stamp] = (-1, 0, 0, 0)


class Problem(Noun):
    """A file in the library that is not what it should be."""

    path: str
    detail: str


class Scan(Noun):
    """What a library holds, in the order of paths."""

    library: Path
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()

    def masters(self, source: Literal["library", "given"] = "library") -> tuple[Master, ...]:
        """Return the masters as matching sees them."""
        return tuple(master_of(entry, self.library, source) for entry in self.entries)


class Holdings(NamedTuple):
    """What a plan needs to know: candidates, records under the path of their master, every master file."""

    masters: tuple[Master, ...]
    records: Mapping[Path, Record]
    existing: frozenset[Path]
    made_with: Mapping[Path, frozenset[str]]  # SHA-256 of what was subtracted, of published masters


class _Known(Noun):
    """One cached file: an entry, or the reason why it is none."""

    stamp: Stamp
    entry: Entry | None = None
    problem: str | None = None


class _Cache(Noun):
    written_by: str
    files: dict[str, _Known]


class _Found(NamedTuple):
    """A master and its record, both relative to the library as text: ten thousand paths take longer than the disk."""

    path: str
    record: str | None
    stamp: Stamp


def scan(library: Path, *, believe: bool = False) -> Scan:
    """Return every master in ``library``, with the files that look like one and are not.

    ``believe`` takes every image with a known frame type for a master, as in a folder the user has called a
    folder of masters; otherwise its header or name has to say so. Such a folder is not ours: nothing is kept
    in it. Never raises for what stands in a file.
    """
    with memory.no_garbage():
        return _scan(library, believe)


def _scan(library: Path, believe: bool) -> Scan:
    known = {} if believe else _read_cache(library)
    found = list(_walk(library))
    fresh = [f for f in found if f.path not in known or known[f.path].stamp != f.stamp]
    with ThreadPoolExecutor(max_workers=8) as pool:  # waiting for a network share, not computing
        read = dict(zip((f.path for f in fresh), pool.map(lambda f: _read(library, f, believe), fresh), strict=True))
    files = {f.path: read.get(f.path) or known[f.path] for f in found}
    if not believe and (fresh or files.keys() != known.keys()):
        _write_cache(library, files)
    return _as_scan(library, files)


def _as_scan(library: Path, files: Mapping[str, _Known]) -> Scan:
    return Scan(
        library=library,
        entries=tuple(k.entry for _, k in sorted(files.items()) if k.entry),
        problems=tuple(Problem(path=p, detail=k.problem) for p, k in sorted(files.items()) if k.problem),
    )


def holdings(library: Path, *, given: Mapping[FrameType, Path] | None = None) -> Holdings:
    """Return what ``library`` holds, and the masters of folders or files that the user named for a frame type.

    A folder for darks may hold dark flats as well; its other masters are not taken. Whatever is given may lie in
    the library, or around it: no master is listed twice.
    """
    with memory.no_garbage():
        return _holdings(library, given or {})


def _holdings(library: Path, given: Mapping[FrameType, Path]) -> Holdings:
    own = scan(library)
    masters = [*own.masters()]
    others: dict[Path, Scan] = {}
    seen = {library.resolve() / entry.path for entry in own.entries} if given else set()
    for frame_type, place in given.items():
        if place not in others:
            others[place] = _given(place)
        wanted = {frame_type, FrameType.DARK_FLAT} if frame_type is FrameType.DARK else {frame_type}
        root = others[place].library
        for master in others[place].masters("given"):
            real = root.resolve() / master.path.relative_to(root)
            if master.key.type in wanted and real not in seen:
                masters.append(master)
                seen.add(real)
    existing = {library / entry.path for entry in own.entries} | {library / problem.path for problem in own.problems}
    made_with = {
        library / entry.path: frozenset(use.sha256 for use in entry.uses if use.sha256)
        for entry in own.entries
        if entry.uses and entry.status is MasterStatus.PUBLISHED
    }
    return Holdings(tuple(masters), _Records([own, *others.values()]), frozenset(existing), made_with)


def _given(place: Path) -> Scan:
    """Return what is in a folder, or in the single file, that the user called masters."""
    if not place.is_file():
        return scan(place, believe=not (place / HOUSEKEEPING).is_dir())
    folder = place.parent
    with os.scandir(folder) as listing:
        names = {item.name: item for item in listing}
    found = _found("", names[place.name], names)
    return _as_scan(folder, {found.path: _read(folder, found, believe=True)})


class _Records(Mapping[Path, Record]):
    """Records under the path of their master, each read when it is asked for."""

    def __init__(self, scans: Sequence[Scan]) -> None:
        self._beside = [
            (scan.library, {entry.path: entry.record for entry in scan.entries if entry.record}) for scan in scans
        ]
        self._read: dict[Path, Record] = {}

    def __getitem__(self, path: Path) -> Record:
        if path not in self._read:
            try:
                self._read[path] = records.read(self._place(path))
            except RecordError as error:  # gone or changed since the scan: as if it had no record
                raise KeyError(path) from error
        return self._read[path]

    def _place(self, path: Path) -> Path:
        for library, beside in self._beside:
            if path.is_relative_to(library) and (record := beside.get(path.relative_to(library).as_posix())):
                return library / record
        raise KeyError(path)

    def __iter__(self) -> Iterator[Path]:
        return iter({library / path: None for library, beside in self._beside for path in beside})

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _walk(library: Path) -> Iterator[_Found]:
    """Yield every image with the record beside it; one ``scandir`` per folder and no further look at the disk."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(library / folder) as listing:
                items = sorted(listing, key=lambda item: item.name)
        except FileNotFoundError:
            continue  # a library that is yet to be made
        except OSError as error:
            log.warning("%s: cannot be listed: %s", library / folder, error)
            continue
        names = {item.name: item for item in items}
        for item in items:
            if not is_text(item.name):
                if item.is_dir(follow_symlinks=False) or _looks_like_an_image(item.name):
                    yield _Found(f"{folder}{item.name!a}", None, _NO_STAMP)
            elif item.is_dir(follow_symlinks=False):
                if item.name != HOUSEKEEPING.name:
                    folders.append(f"{folder}{item.name}/")
            elif _looks_like_an_image(item.name) and item.is_file():
                yield _found(folder, item, names)


def other_files(library: Path) -> Iterator[Path]:
    """Yield every file that is no image, relative to the library, in order; no housekeeping, no pipes and the like."""
    for folder, folders, names in os.walk(library, onerror=lambda error: log.warning("%s", error)):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if name != HOUSEKEEPING.name and is_text(name))
        for name in sorted(filter(is_text, names)):
            if not images.is_image_name(Path(name)) and not name.startswith(BESIDE) and (here / name).is_file():
                yield (here / name).relative_to(library)


def _looks_like_an_image(name: str) -> bool:
    return images.is_image_name(Path(name)) and not name.startswith(BESIDE)


def _found(folder: str, item: os.DirEntry[str], names: Mapping[str, os.DirEntry[str]]) -> _Found:
    """Return the master ``item`` of ``folder``, which is relative to the library and ends in a slash, or is empty."""
    beside = (names.get(records.record_path(Path(item.name), suffix).name) for suffix in RECORD_SUFFIXES)
    record = next((candidate for candidate in beside if candidate and candidate.is_file()), None)
    own = item.stat()
    other = record.stat() if record else None
    stamp = (own.st_size, own.st_mtime_ns, other.st_size if other else 0, other.st_mtime_ns if other else 0)
    return _Found(f"{folder}{item.name}", f"{folder}{record.name}" if record else None, stamp)


def _read(library: Path, found: _Found, believe: bool) -> _Known:
    if found.stamp == _NO_STAMP:
        return _Known(stamp=found.stamp, problem="its name is no valid text: rename it")
    if found.record is not None:
        try:
            record, frames = records.read_outline(library / found.record)
        except RecordError as error:
            log.debug("%s", error)  # a console log under that suffix, or broken: the header has to do
        else:
            entry = entry_of(record, path=found.path, beside=found.record, size=found.stamp[0], inputs=frames)
            return _Known(stamp=found.stamp, entry=entry)
    return _read_header(library, found, believe)


def _read_header(library: Path, found: _Found, believe: bool) -> _Known:
    try:
        info = images.read_info(library / found.path)
        frame = headers.frame_from(info, size=found.stamp[0], mtime_ns=found.stamp[1], root=library)
        if not (frame.master or believe):
            return _Known(stamp=found.stamp, problem="neither header nor name say that it is a master")
        master = headers.master_from(info, frame)
    except ImageError as error:
        return _Known(stamp=found.stamp, problem=f"cannot be read: {error.what}")
    except ValueError as error:
        return _Known(stamp=found.stamp, problem=str(error))
    ours = (frame.software or "").startswith("ap-masters ")
    entry = foreign_entry(master, path=found.path, size=found.stamp[0], ours=ours)
    return _Known(stamp=found.stamp, entry=entry)


def _read_cache(library: Path) -> Mapping[str, _Known]:
    try:
        cache = _Cache.model_validate_json((library / CACHE).read_bytes())
    except (OSError, ValidationError) as error:
        log.debug("%s: not used: %s", library / CACHE, error)
        return {}
    return cache.files if cache.written_by == __version__ else {}


def _write_cache(library: Path, files: Mapping[str, _Known]) -> None:
    cache = _Cache(written_by=__version__, files=dict(files))
    try:
        (library / HOUSEKEEPING).mkdir(exist_ok=True)
        records.write_text(library / CACHE, cache.model_dump_json(exclude_defaults=True))
    except OSError as error:  # a library on a read-only share is read all the same
        log.debug("%s: not kept: %s", library / CACHE, error)
