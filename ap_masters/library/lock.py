"""One writer at a time: a lock per library that the system frees by itself when a process dies."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ap_masters.errors import LibraryError, LibraryNotWritable, reason_of
from ap_masters.files import clear_parts
from ap_masters.model import HOUSEKEEPING

log = logging.getLogger(__name__)

PATIENCE_S: Final = 30.0
TURN: Final = HOUSEKEEPING / "turn"
_AT_WORK: Final = "at work"


@contextmanager
def library_lock(library: Path, *, patience: float = PATIENCE_S) -> Iterator[str]:
    """Hold the library's lock for as long as the block runs; the folder is made where it is missing.

    Yields the turn before this one: what was planned when ``turn`` said otherwise was planned for a library that may
    have changed since. Waits ``patience`` seconds for another program to end. Raises LibraryError where it does not,
    LibraryNotWritable where the folder cannot be written to. Readers need no lock: whatever they see is whole.
    """
    from filelock import FileLock, Timeout  # needed only here, and not by who only reads

    path = library / HOUSEKEEPING / "lock"
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("%s: another ap-masters is at work on this library; waiting up to %g s", library, patience)
            lock.acquire(timeout=patience, poll_interval=0.05)
    except Timeout as error:
        raise LibraryError(
            f"{library}: another ap-masters is at work on this library ({path} is held). "
            "Wait until it has ended, then run this again"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise LibraryNotWritable(_refusal(library, error)) from error
    try:
        yield _take_turn(library)
    finally:
        _write_turn(library, os.urandom(8).hex())
        lock.release()


def turn(library: Path) -> str:
    """Return a word that changes whenever a program has held the lock; nothing while one does, or where none did."""
    word = _read_turn(library)
    return "" if word == _AT_WORK else word


def _take_turn(library: Path) -> str:
    """Return whose turn it was; where that one was killed, tidy up after it: the library is to be looked at anew."""
    before = _read_turn(library)
    _write_turn(library, _AT_WORK)
    if before == _AT_WORK:
        clear_parts(library)
    return before


def _read_turn(library: Path) -> str:
    try:
        word = (library / TURN).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
    return word or _AT_WORK  # empty where a program died, or had no room, as it wrote


def _write_turn(library: Path, word: str) -> None:
    try:
        (library / TURN).write_text(word, encoding="ascii")
    except OSError as error:  # the next program makes its plan anew, and no harm is done
        log.debug("%s: not written: %s", library / TURN, error)


def _refusal(library: Path, error: OSError | NotImplementedError) -> str:
    """Return why nothing can be written to the library: as a rule no lock is to blame, but the folder."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | FileExistsError):
        return f"{library}: this folder cannot be made ({error.strerror}). Choose another, or make it yourself"
    if isinstance(error, PermissionError):
        return f"{library}: may not be written to ({error.strerror}). Mend its permissions, or choose another folder"
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
        return f"{library}: cannot be written to ({error.strerror}). Choose another folder, or make room there"
    return f"{library}: cannot be locked ({reason_of(error)}). Use a folder on a file system that knows locks"
