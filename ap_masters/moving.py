"""Files renamed and removed on Windows as elsewhere, and how long their paths may be there."""

import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LONGEST_PATH: Final = 259  # characters, with the drive: what Windows takes unless it is told to take more

_PATIENCE_S: Final = 5.0  # with virus scanners, and with whoever reads a master as an audit or a copy does
_PAUSE_S: Final = 0.05


def takes_long_paths() -> bool:
    """Say whether paths may be longer than ``LONGEST_PATH``: on Windows only where its registry says so."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
                return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
        except OSError:
            return False
    return True


def take_place(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path`` in one step, whatever stands there, as on Linux and macOS.

    Windows replaces no file that is marked read-only, nor one that is open: that mark is taken off, and a moment is
    waited for who has it open. Raises OSError.
    """
    _insist(lambda: new.replace(path), path)


def remove(path: Path, *, missing_ok: bool = False) -> None:
    """Remove a file, as on Linux and macOS; see ``take_place``. Raises OSError."""
    _insist(lambda: path.unlink(missing_ok=missing_ok), path)


def _insist(act: Callable[[], object], path: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            act()
        except PermissionError as error:
            if not _is_refused_by_windows(error) or time.monotonic() > until:
                raise
            if not _unmark(path):
                time.sleep(_PAUSE_S)
        else:
            return


def _is_refused_by_windows(error: PermissionError) -> bool:
    return getattr(error, "winerror", None) is not None


def _unmark(path: Path) -> bool:
    """Take the mark read-only off a file; return whether it had that."""
    try:
        is_marked = not path.stat().st_mode & stat.S_IWRITE
        if is_marked:
            path.chmod(stat.S_IREAD | stat.S_IWRITE)
    except OSError:
        return False
    return is_marked
