"""Headers read in parallel, or remembered: what is known of every file that was found."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from ap_masters.discover.duplicates import digest_of, pixels_of, row_of, sample_of
from ap_masters.discover.walk import Found, Walk
from ap_masters.errors import ImageError, reason_of
from ap_masters.header_cache import Entry, HeaderCache
from ap_masters.headers import frame_from
from ap_masters.images import read_info
from ap_masters.model import Frame

# Reading headers is waiting, on a network drive most of all; more threads than this only wait for each other.
_THREADS: Final = 4
_BATCH: Final = 64


class Known:
    """What is known of the files of one walk: from the cache where they are unchanged, else newly read."""

    def __init__(self, walk: Walk, *, cache: HeaderCache | None, threads: int | None) -> None:
        """Read every header that the cache does not have."""
        self._cache = cache
        self._entries: dict[Path, dict[str, Entry]] = {}
        self._changed: set[Path] = set()
        missing: list[tuple[Path, Found]] = []
        for folder in walk:
            remembered = cache.load(folder.path) if cache else {}
            entries = self._entries[folder.path] = {}
            for name, found in folder.files.items():
                entry = remembered.get(name)
                if entry is not None and (entry.size, entry.mtime_ns) == (found.size, found.mtime_ns):
                    entries[name] = entry
                else:
                    missing.append((folder.path / name, found))
            if len(entries) < len(remembered):
                self._changed.add(folder.path)
        for path, entry in _read_all(missing, threads or _THREADS):
            self._set(path, entry)

    def folder(self, path: Path) -> Mapping[str, Entry]:
        """Return what is known of the files of a folder of the walk, by name."""
        return self._entries[path]

    def sample(self, frame: Frame) -> str | None:
        """Return the hash of parts of a frame's file, remembered or taken now."""
        entry = self._entry(frame)
        return entry.sample or self._keep(frame, entry._replace(sample=sample_of(frame.path, frame.size))).sample

    def digest(self, frame: Frame) -> str | None:
        """Return the hash of a frame's file, remembered or taken now."""
        entry = self._entry(frame)
        return entry.digest or self._keep(frame, entry._replace(digest=digest_of(frame.path))).digest

    def row(self, frame: Frame) -> str | None:
        """Return the hash of a row of a frame, remembered or taken now."""
        entry = self._entry(frame)
        return entry.row or self._keep(frame, entry._replace(row=row_of(frame.path))).row

    def pixels(self, frame: Frame) -> str | None:
        """Return the hash of a frame's pixels, remembered or taken now."""
        entry = self._entry(frame)
        return entry.pixels or self._keep(frame, entry._replace(pixels=pixels_of(frame.path))).pixels

    def save(self) -> None:
        """Keep what is new for the next run."""
        if self._cache is not None:
            for folder in self._changed:
                self._cache.save(folder, self._entries[folder])

    def _entry(self, frame: Frame) -> Entry:
        return self._entries[frame.path.parent][frame.path.name]

    def _keep(self, frame: Frame, entry: Entry) -> Entry:
        self._set(frame.path, entry)
        return entry

    def _set(self, path: Path, entry: Entry) -> None:
        self._entries[path.parent][path.name] = entry
        self._changed.add(path.parent)


def _read_all(files: Sequence[tuple[Path, Found]], threads: int) -> Iterator[tuple[Path, Entry]]:
    """Yield what each file's header says, in the order of ``files``."""
    if not files:
        return
    # A task of its own for each file would cost as much as reading a header.
    batches = (files[first : first + _BATCH] for first in range(0, len(files), _BATCH))
    with ThreadPoolExecutor(threads, thread_name_prefix="headers") as pool:
        for batch in pool.map(_read_batch, batches):
            yield from batch


def _read_batch(files: Sequence[tuple[Path, Found]]) -> list[tuple[Path, Entry]]:
    return [(path, _read(path, found)) for path, found in files]


def _read(path: Path, found: Found) -> Entry:
    """Read one header; what goes wrong becomes the entry's problem."""
    entry = Entry(found.size, found.mtime_ns)
    if found.size == 0:
        return entry._replace(problem="the file is empty")
    try:
        return entry._replace(frame=frame_from(read_info(path), size=found.size, mtime_ns=found.mtime_ns))
    except ImageError as error:
        return entry._replace(problem=error.what, passing=isinstance(error.__cause__, OSError))
    except OSError as error:
        return entry._replace(problem=f"the file cannot be read: {reason_of(error)}", passing=True)
    except Exception as error:  # noqa: BLE001 - one file that nobody thought of must not cost all others
        why = f"its header cannot be understood ({type(error).__name__}: {error})"
        return entry._replace(problem=why, passing=True)  # the next version of this program may do better
