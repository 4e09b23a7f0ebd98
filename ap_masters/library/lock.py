"""One writer at a time: a lock per library that the system frees by itself when a process dies."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ap_masters.errors import LibraryError

log = logging.getLogger(__name__)

HOUSEKEEPING: Final = Path(".ap-masters")
_PATIENCE_S: Final = 30.0


@contextmanager
def library_lock(library: Path, *, patience: float = _PATIENCE_S) -> Iterator[None]:
    """Hold the library's lock for as long as the block runs; the folder is made where it is missing.

    Waits ``patience`` seconds for another program to end. Raises LibraryError where it does not, and where
    the folder cannot be written to. Readers need no lock: whatever they see is whole.
    """
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
        raise LibraryError(
            f"{library}: cannot be locked ({error}). Mend its permissions, or use a file system that knows locks"
        ) from error
    try:
        yield
    finally:
        lock.release()
