"""What speaks against copying a file of a library: damage, which must not take the place of a sound copy."""

from pathlib import Path
from typing import Final

from ap_masters import images
from ap_masters import record as records
from ap_masters.errors import ChecksumMismatch, ImageError, RecordError
from ap_masters.files import sha256
from ap_masters.library.scan import is_console_log

_WHAT_TO_DO: Final = "not copied. Restore it from this copy; or delete the copy, to have it made anew"


def objection(source: Path, *, over: Path | None = None) -> str | None:
    """Return why ``source`` is not to be copied, and what to do; None where nothing speaks against it.

    A master has to be what its record says, or what its own checksum says where the record has none. What nothing
    vouches for is looked at where a copy (``over``) would be lost by it: an image has to open, whole, and a record has
    to be one.
    """
    if images.is_image_name(source):
        expected = _recorded(source)
        if expected is None:
            return _unsound(source, over)
        if expected != sha256(source):
            return (
                "the master in the library is not what its record says: not copied. Restore it; or build it again, or, "
                "where another has taken its place, delete it and its record"
            )
    elif over is not None and source.suffix.lower() in records.SUFFIXES and _takes_a_records_place(source, over):
        return f"the file in the library is no record any more, or not a whole one: {_WHAT_TO_DO}"
    return None


def _recorded(master: Path) -> str | None:
    """Return the checksum that a record beside ``master`` tells, None where none does."""
    for suffix in records.SUFFIXES:
        path = records.record_path(master, suffix)
        if path.exists():
            try:
                return records.read(path).master.sha256
            except RecordError:
                continue
    return None


def _unsound(image: Path, over: Path | None) -> str | None:
    """Return what an image shows of itself that speaks against copying it."""
    try:
        images.open_image(image).close()  # which also unpacks it, and looks at such checksums as it carries
    except ImageError as error:
        if over is not None:
            return f"the image in the library {error.what}: {_WHAT_TO_DO}"
        if isinstance(error, ChecksumMismatch):
            return f"the image in the library {error.what}: not copied"
    return None


def _takes_a_records_place(source: Path, copy: Path) -> bool:
    """Whether what is no record would replace one; console logs, which some users keep so, replace each other."""
    return not _is_record(source) and (_is_record(copy) or not is_console_log(source))


def _is_record(path: Path) -> bool:
    try:
        records.read(path)
    except RecordError:
        return False
    return True
