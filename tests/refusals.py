"""What Windows refuses, for tests on systems that allow it: to move or remove files that are open or read-only."""

import errno
import stat
from collections.abc import Callable
from pathlib import Path

import pytest


def hold(monkeypatch: pytest.MonkeyPatch, held: Path) -> None:
    """Let ``held`` be neither moved, replaced nor removed, as is so of what another program has open."""

    def refuse(*paths: Path) -> None:
        if held in paths:
            raise PermissionError(errno.EACCES, "it is open in another program", str(held))

    _refuse(monkeypatch, moved=refuse, removed=refuse)


def keep_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no file that is marked read-only be replaced or removed; it may be moved."""

    def refuse(path: Path) -> None:
        if path.exists() and not path.stat().st_mode & stat.S_IWRITE:
            error = PermissionError(errno.EACCES, "Access is denied", str(path))
            error.winerror = 5  # type: ignore[attr-defined,unused-ignore]  # known on Windows only
            raise error

    _refuse(monkeypatch, moved=lambda _, target: refuse(target), removed=refuse)


def _refuse(
    monkeypatch: pytest.MonkeyPatch, *, moved: Callable[[Path, Path], None], removed: Callable[[Path], None]
) -> None:
    """Ask before a file is moved to another place, and before one is removed."""
    replace, unlink = Path.replace, Path.unlink

    def checked_replace(path: Path, target: Path) -> Path:
        moved(path, Path(target))
        return replace(path, target)

    def checked_unlink(path: Path, missing_ok: bool = False) -> None:
        removed(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "replace", checked_replace)
    monkeypatch.setattr(Path, "unlink", checked_unlink)
