"""Files as they are: written whole or not at all, known by their first bytes, compared by their content."""

import hashlib
import os
import re
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Final

from ap_masters.errors import UsageError
from ap_masters.model import HOUSEKEEPING, RECORD_SCHEMA
from ap_masters.moving import LONGEST_PATH, remove, take_place, takes_long_paths

# How files of images begin.
FITS_MAGIC: Final = b"SIMPLE"
XISF_MAGIC: Final = b"XISF0100"
GZIP_MAGIC: Final = b"\x1f\x8b"

_HEAD: Final = 1024  # bytes in which a text says who wrote it
_KEPT_SUFFIXES: Final = {".xrs", ".toml"}  # records, or what users have stashed as such, and settings
_ADDED_TO_PARTS: Final = 16  # characters at most, see ``part_of``
_PART_NAME: Final = re.compile(r"\..+\.(\d{1,9})\.part", re.DOTALL)


def longest_path() -> int | None:
    """Return how many characters the path of a file may have that is written by a part of it; None: any number."""
    return None if takes_long_paths() else LONGEST_PATH - _ADDED_TO_PARTS


def part_of(path: Path) -> Path:
    """Return where a file is in the making until it takes its place: hidden, with the number of the process."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def original_first(path: Path) -> tuple[int, Path]:
    """Return what equal files are sorted by, the original first: a copy's name has more letters (``x - Copy.fits``)."""
    return len(path.name), path


def is_part(path: Path) -> bool:
    """Say whether this is what a killed run left of a file."""
    return _PART_NAME.fullmatch(path.name) is not None


def clear_parts(root: Path) -> None:
    """Remove what killed runs have left of files, anywhere below ``root`` but in its housekeeping."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != HOUSEKEEPING.name]
        for path in map(Path(folder).joinpath, names):
            if is_part(path):
                with suppress(OSError):
                    remove(path)


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step, so that a reader never sees half of it.

    Raises UsageError where an image stands there: no text takes the place of a frame or a master. Raises OSError that
    names ``path``.
    """
    if begins_as_image(path):
        raise UsageError(f"{path}: is an image, and no text replaces one; choose another name")
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step, whatever stands there. Raises OSError that names ``path``."""
    _clear_parts_of(path)
    part = part_of(path)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        take_place(part, path)
    except OSError as error:  # the name of a part means nothing to a user
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # a disk that can only be read refuses to remove what is not there, too
            part.unlink(missing_ok=True)  # still there after Ctrl-C, or where the disk is full


def _clear_parts_of(path: Path) -> None:
    """Remove what killed runs have left of a file; a process that lives may be writing its own."""
    for part in path.parent.glob(f".{escape(path.name)}.*.part"):
        if found := _PART_NAME.fullmatch(part.name):
            from psutil import pid_exists  # there is hardly ever one to ask for

            if not pid_exists(int(found[1])):
                with suppress(OSError):
                    part.unlink()


def write_named(path: Path, text: str, *, known_by: str | None = None, overwrite: bool = False) -> None:
    """Write ``text`` where a user wants it, in a folder that may be new; it replaces what is there, as ``write_text``.

    With ``known_by``, words that all such texts have at their beginning, it replaces no file of another kind, unless
    ``overwrite`` says so. Raises UsageError where it may not replace what is there, which is always so of a record, of
    settings, and of what a library keeps for itself. Raises OSError.
    """
    if path.exists() and _is_kept(path):
        raise UsageError(f"{path}: is what ap-masters keeps for itself, or your settings; choose another name")
    if known_by is not None and not overwrite and _is_of_others(path, known_by) and not begins_as_image(path):
        what = "is there already, and ap-masters did not write it"
        raise UsageError(f"{path}: {what}; choose another name, or --overwrite replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def _is_kept(path: Path) -> bool:
    """Say whether a file is a record under any name, settings, or what a library keeps for itself."""
    if path.suffix.lower() in _KEPT_SUFFIXES or HOUSEKEEPING.name in path.parts:
        return True
    return RECORD_SCHEMA.encode() in (_beginning(path, _HEAD) or b"")


def _is_of_others(path: Path, known_by: str) -> bool:
    """Say whether a file has something in it, and not at its beginning what it would be known by."""
    if not path.is_file():
        return False
    head = _beginning(path, _HEAD)
    if head is None:
        return True  # nobody knows what would be lost
    return bool(head) and known_by.encode() not in head


def begins_as_image(path: Path) -> bool:
    """Say whether a file begins as images do: FITS, XISF, or either in gzip."""
    return (_beginning(path, len(XISF_MAGIC)) or b"").startswith((FITS_MAGIC, XISF_MAGIC, GZIP_MAGIC))


def _beginning(path: Path, length: int) -> bytes | None:
    """Return the first bytes of a file, at most ``length``; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(length)
    except OSError:
        return None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a whole file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
