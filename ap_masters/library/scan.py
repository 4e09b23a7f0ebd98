"""A folder of masters -> what is in it, by records where they are and by headers where they are not.

What was read is kept (``scan_cache``), by name, size and time of master and record: ten thousand masters load in a
second or two.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters import headers, images
from ap_masters import record as records
from ap_masters.decoding import decode
from ap_masters.errors import ImageError, NothingToDo, RecordError
from ap_masters.files import sha256
from ap_masters.garbage import no_garbage
from ap_masters.library import scan_cache
from ap_masters.library.entries import Entry, entry_of, foreign_entry
from ap_masters.library.lock import TURN
from ap_masters.library.scan_cache import Known, Stamp
from ap_masters.library.unproved import is_unproved, is_whole
from ap_masters.model import HOUSEKEEPING, Frame, Noun
from ap_masters.record import Record
from ap_masters.safe import is_text

log = logging.getLogger(__name__)

BESIDE: Final = "._"  # what macOS leaves beside files on disks of other systems

Complete = Callable[[Frame], Frame]

_NO_STAMP: Final[Stamp] = (-1, 0, 0, 0)
_HEAD: Final = 4096  # bytes that tell a log from a record


class Problem(Noun):
    """A file in the library that is not what it should be."""

    path: str
    detail: str


class Scan(Noun):
    """What a library holds, in the order of paths."""

    library: Path
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()


class Found(NamedTuple):
    """A master and its record, both relative to the library as text: ten thousand paths take longer than the disk."""

    path: str
    record: str | None
    stamp: Stamp


def scan(library: Path, *, believe: bool = False, complete: Complete | None = None) -> Scan:
    """Return every master in ``library``, with the files that look like one and are not.

    ``believe`` takes every image with a known frame type for a master, as in a folder the user has called a
    folder of masters; otherwise its header or name has to say so. Such a folder is not ours: nothing is kept
    in it. ``complete`` adds to what its headers say, then. Never raises for what stands in a file.
    """
    with no_garbage():
        found = list(walk(library))
        told = read(library, found, believe=True, complete=complete) if believe else files(library, found)
        known = sorted(told.items())
        return Scan(
            library=library,
            entries=tuple(k.entry for _, k in known if k.entry),
            problems=tuple(Problem(path=p, detail=k.problem) for p, k in known if k.problem),
        )


def require_library(library: Path) -> None:
    """Raise NothingToDo for a folder that has no master and never was a library: another one will be meant."""
    if (library / TURN).exists():
        return
    found = scan(library)
    if not found.entries:
        nearly = f"; {found.problems[0].path}: {found.problems[0].detail}" if found.problems else ""
        raise NothingToDo(f"No master is in {library}: look whether that is the library{nearly}")


def files(library: Path, found: Sequence[Found], *, mend: bool = False) -> Mapping[str, Known]:
    """Return what is known of the files ``found`` in ``library``, by path; only what has changed is read anew.

    It is kept for the next time where anything has changed, or where ``mend`` says that the cache is damaged; but not
    in a folder without masters, which is no library.
    """
    known = scan_cache.read(library)
    fresh = [f for f in found if f.path not in known or known[f.path].stamp != f.stamp]
    news = read(library, fresh)
    now = {f.path: news.get(f.path) or known[f.path] for f in found}
    if (mend or fresh or now.keys() != known.keys()) and (known or any(each.entry for each in now.values())):
        scan_cache.write(library, now)
    return now


def read(
    folder: Path, found: Sequence[Found], *, believe: bool = False, complete: Complete | None = None
) -> Mapping[str, Known]:
    """Return what the files say themselves, by path; ``believe`` and ``complete`` as in ``scan``."""
    with ThreadPoolExecutor(max_workers=8) as pool:  # waiting for a network share, not computing
        known = pool.map(lambda f: _read(folder, f, believe, complete), found)
        return dict(zip((f.path for f in found), known, strict=True))


def walk(library: Path) -> Iterator[Found]:
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
                    yield Found(f"{folder}{item.name!a}", None, _NO_STAMP)
            elif item.is_dir(follow_symlinks=False):
                if item.name != HOUSEKEEPING.name:
                    folders.append(f"{folder}{item.name}/")
            elif _looks_like_an_image(item.name) and item.is_file():
                yield found_in(folder, item, names)


def other_files(library: Path) -> Iterator[Path]:
    """Yield every file that is no image, relative to the library, in order; no housekeeping, no pipes and the like."""
    for folder, folders, names in os.walk(library, onerror=lambda error: log.warning("%s", error)):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if name != HOUSEKEEPING.name and is_text(name))
        for name in sorted(filter(is_text, names)):
            if not images.is_image_name(name) and not name.startswith(BESIDE) and (here / name).is_file():
                yield (here / name).relative_to(library)


def is_console_log(path: Path) -> bool:
    """Whether a file under a record's suffix is the console log of another program: it names no frames of ours.

    It is text and no JSON; an empty file, or one with holes, is what is left of a record.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    text = decode(head).lstrip("\ufeff \t\r\n")
    return bool(text) and not text.startswith("{") and "\0" not in text


def _looks_like_an_image(name: str) -> bool:
    return images.is_image_name(name) and not name.startswith(BESIDE)


def found_in(folder: str, item: os.DirEntry[str], names: Mapping[str, os.DirEntry[str]]) -> Found:
    """Return the master ``item`` of ``folder``, which is relative to the library and ends in a slash, or is empty."""
    stem = os.path.splitext(item.name)[0]  # noqa: PTH122  # as record_path does it, in a tenth of the time
    beside = (names.get(stem + suffix) for suffix in records.SUFFIXES)
    record = next((candidate for candidate in beside if candidate and candidate.is_file()), None)
    own = item.stat()
    other = record.stat() if record else None
    stamp = (own.st_size, own.st_mtime_ns, other.st_size if other else 0, other.st_mtime_ns if other else 0)
    return Found(f"{folder}{item.name}", f"{folder}{record.name}" if record else None, stamp)


def _read(library: Path, found: Found, believe: bool, complete: Complete | None) -> Known:
    if found.stamp == _NO_STAMP:
        return Known(stamp=found.stamp, problem="its name is no valid text: rename it")
    if found.record is not None:
        try:
            record, frames = records.read_outline(library / found.record)
        except RecordError as error:
            log.debug("%s", error)  # a console log under that suffix, or broken: the header has to do
        else:
            entry = entry_of(record, path=found.path, beside=found.record, size=found.stamp[0], inputs=frames)
            if not believe and _is_damaged(library, record, entry, found.stamp):
                entry = entry.model_copy(update={"damaged": True})
            return Known(stamp=found.stamp, entry=entry)
    return _read_header(library, found, believe, complete)


def _is_damaged(library: Path, record: Record, entry: Entry, stamp: Stamp) -> bool:
    """Say whether a file is not the one its record tells of; its bytes are read where it is younger than that.

    A record is written when its master has been. So only what was written to, or copied without its time, is read; and
    that once, as what is found is kept. The record of a script says next to nothing of its file, which is read, too.
    """
    if is_unproved(record):
        return not is_whole(record, library / entry.path)
    size, written, _, recorded = stamp
    if entry.recorded_size is not None and size != entry.recorded_size:
        return True
    if entry.sha256 is None or written <= recorded:
        return False
    try:
        return sha256(library / entry.path) != entry.sha256
    except OSError:
        return False


def _read_header(library: Path, found: Found, believe: bool, complete: Complete | None) -> Known:
    try:
        info = images.read_info(library / found.path)
        frame = headers.frame_from(info, size=found.stamp[0], mtime_ns=found.stamp[1], root=library)
        if not (frame.master or believe):
            return Known(stamp=found.stamp, problem="neither header nor name say that it is a master")
        frame = complete(frame) if complete else frame
        master = headers.master_from(info, frame)
    except ImageError as error:
        return Known(stamp=found.stamp, problem=f"cannot be read: {error.what}")
    except ValueError as error:
        return Known(stamp=found.stamp, problem=str(error))
    ours = (frame.software or "").startswith("ap-masters ")
    entry = foreign_entry(master, path=found.path, size=found.stamp[0], telescope=frame.telescope, ours=ours)
    return Known(stamp=found.stamp, entry=entry)
