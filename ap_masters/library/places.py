"""Which library a folder or a master belongs to."""

from pathlib import Path

from ap_masters.errors import LibraryError, UsageError
from ap_masters.library.lock import TURN
from ap_masters.model import HOUSEKEEPING


def library_around(master: Path) -> Path:
    """Return the library that ``master`` stands in: the nearest folder above it that this program has changed.

    Where there is none, the nearest that it has looked through. Raises LibraryError where there is none either.
    """
    above = master.resolve().parents
    for mark in (TURN, HOUSEKEEPING):
        for folder in above:
            if (folder / mark).exists():
                return folder
    raise LibraryError(f"{master} stands in no library of this program: name the library before it")


def whole_of(folder: Path) -> Path | None:
    """Return the library that ``folder`` is a part of; None for a library, and for what is outside of any.

    A folder above that was only looked through makes no part of what is in it.
    """
    if (folder / TURN).exists():
        return None
    return next((above for above in folder.resolve().parents if (above / TURN).exists()), None)


def refuse_part(folder: Path) -> None:
    """Raise UsageError for a part of a library, which a change would make a library of its own."""
    if (whole := whole_of(folder)) is not None:
        raise UsageError(f"{folder} lies in the library {whole}: name that one")
