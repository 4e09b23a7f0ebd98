"""Folders -> image files: every mixture of folders and links, each file once, in one order."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters.errors import UsageError
from ap_masters.images import SUFFIXES
from ap_masters.model import HOUSEKEEPING, Reason, SetAside
from ap_masters.safe import is_text

_SUFFIXES: Final = tuple(SUFFIXES)

# What cameras and other programs write beside frames that cannot be read here; worth a word, not a line each.
_OTHER_RAWS: Final = frozenset(
    {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2", ".ser", ".tif", ".tiff"}
)
_PACKED_IMAGES: Final = frozenset({".ftz", ".fz"})
_PACKINGS: Final = frozenset({".7z", ".br", ".bz2", ".fz", ".gz", ".lz4", ".lzma", ".rar", ".xz", ".z", ".zip", ".zst"})


class Found(NamedTuple):
    """One image file in its folder."""

    name: str
    size: int
    mtime_ns: int


class Folder(NamedTuple):
    """A folder, where it really is, the root it was found from, and the image files in it by name."""

    path: Path
    real: str
    root: Path
    files: dict[str, Found]


class Walk:
    """What lies under some folders: files by folder, what could not be looked into, what was passed over."""

    def __init__(self, roots: Sequence[Path], *, exclude: Sequence[Path] = ()) -> None:
        """Look through ``roots``, folders or single files.

        Links are followed, but no folder is entered twice, whatever leads to it. Folders named ``.ap-masters`` and
        those in ``exclude`` are passed over. Raises UsageError for a root that does not exist, and for one whose path
        is no valid text.
        """
        self.set_aside: list[SetAside] = []
        self.passed_over: Counter[str] = Counter()
        self._excluded = {_real(path) for path in exclude}
        self._folders: dict[str, Folder] = {}  # by where they really are
        self._links: list[Path] = []
        self._linked_folders: list[tuple[Path, Path]] = []
        # abspath and not resolve(): a frame keeps the name it was found under.
        tops = [Path(os.path.abspath(root)) for root in roots]  # noqa: PTH100
        for top in tops:
            if not is_text(str(top)):  # no record could name its frames
                raise UsageError(f"{str(top)!a}: a name in this path is no valid text: rename it")
            if not top.exists():
                raise UsageError(f"{top}: no such file or folder")
            if top.is_dir():
                self._enter(top, top)
        # Links come last and in order, so that what is here by itself keeps its own name.
        while self._linked_folders:
            self._linked_folders.sort()
            self._enter(*self._linked_folders.pop(0))
        for single in (*(top for top in tops if not top.is_dir()), *sorted(self._links)):
            self._add_single(single, named=single in tops)

    def __iter__(self) -> Iterator[Folder]:
        """Yield the folders in the order of their paths."""
        return iter(sorted(self._folders.values()))

    def _enter(self, top: Path, root: Path) -> None:
        """Look through ``top`` and all below it."""
        waiting = [top]
        while waiting:
            folder = Folder(path := waiting.pop(), _real(path), root, {})
            if folder.real in self._folders or folder.real in self._excluded:
                continue
            self._folders[folder.real] = folder
            try:
                with os.scandir(path) as entries:
                    waiting += self._sort_out(entries, folder)
            except OSError as error:
                self._refuse(path, f"the folder cannot be listed: {error.strerror}")

    def _sort_out(self, entries: Iterable[os.DirEntry[str]], folder: Folder) -> Iterator[Path]:
        """Take the image files of one folder and yield the folders in it."""
        for entry in entries:
            name = entry.name
            if not is_text(name):
                self._refuse(folder.path, f"a name in it is no valid text, rename it: {name!a}")
            elif name == HOUSEKEEPING.name:
                continue
            elif _is_folder(entry):
                if entry.is_symlink():
                    self._linked_folders.append((folder.path / name, folder.root))
                else:
                    yield folder.path / name
            elif name.startswith("._") or not name.lower().endswith(_SUFFIXES):
                self._pass_over(name)
            elif entry.is_symlink():
                self._links.append(folder.path / name)
            else:
                self._take(folder, name, entry.stat)

    def _add_single(self, path: Path, *, named: bool) -> None:
        """Take a file that is not in a folder by itself: named by the user, or a link; unless it is here already."""
        real = Path(_real(path))
        here = self._folders.get(str(real.parent))
        if here is not None and real.name in {os.path.normcase(name) for name in here.files}:
            if not named:
                detail = f"a link to {here.path / real.name}, which is here as well"
                self.set_aside.append(SetAside(path=path, reason=Reason.DUPLICATE, detail=detail))
            return
        parent = _real(path.parent)
        folder = self._folders.setdefault(parent, Folder(path.parent, parent, path.parent, {}))
        self._take(folder, path.name, path.stat)

    def _take(self, folder: Folder, name: str, look: Callable[[], os.stat_result]) -> None:
        try:
            status = look()
        except OSError as error:
            self._refuse(folder.path / name, f"the file cannot be looked at: {error.strerror}")
            return
        if stat.S_ISREG(status.st_mode):  # a pipe or a device would block who opens it
            folder.files[name] = Found(name, status.st_size, status.st_mtime_ns)

    def _pass_over(self, name: str) -> None:
        suffix = _unreadable_suffix(name)
        if suffix and not name.startswith("._"):  # what macOS leaves beside the real ones
            self.passed_over[suffix] += 1

    def _refuse(self, path: Path, detail: str) -> None:
        self.set_aside.append(SetAside(path=path, reason=Reason.UNREADABLE, detail=detail))


def is_packed(suffix: str) -> bool:
    """Return whether a suffix that was passed over is that of a packed FITS or XISF file, not of another format."""
    return suffix in _PACKED_IMAGES or suffix.startswith(_SUFFIXES)


def _unreadable_suffix(name: str) -> str:
    """Return the suffix of an image that cannot be read here, packed or not; of anything else nothing."""
    *_, before, last = ("", "", *(suffix.lower() for suffix in Path(name).suffixes))
    if last in _OTHER_RAWS or last in _PACKED_IMAGES:
        return last
    image = before in _OTHER_RAWS or before in SUFFIXES
    return before + last if image and last in _PACKINGS else ""


def _real(path: Path) -> str:
    """Return where a path really leads, in one spelling where the system has several."""
    return os.path.normcase(os.path.realpath(path))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or leads to one; a link that leads round in circles does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False
