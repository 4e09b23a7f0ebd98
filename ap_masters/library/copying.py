"""One file copied whole and verified, or not at all."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ap_masters.errors import LibraryError
from ap_masters.files import part_of, sha256
from ap_masters.moving import remove, take_place

_CHUNK: Final = 1 << 20


def copy_verified(source: Path, target: Path, *, make_way: Callable[[], None] = lambda: None) -> str:
    """Copy ``source`` to ``target`` and return its SHA-256; ``target`` appears by one rename, or stays as it was.

    The copy is read back from the disk it was written to; ``make_way`` is called before it takes its place.
    Raises LibraryError where what was read back is not what was read, or where the source changed meanwhile; OSError
    as the system tells it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    before = source.stat()
    digest = hashlib.sha256()
    try:
        with source.open("rb") as reader, part.open("wb") as writer:
            while chunk := reader.read(_CHUNK):
                digest.update(chunk)
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise LibraryError(f"{source}: changed while it was copied. Run this again")
        if sha256(part) != digest.hexdigest():
            raise LibraryError(f"{target}: what was written does not read back as it was. Check that disk")
        shutil.copystat(source, part)
        make_way()
        take_place(part, target)
    finally:
        remove(part, missing_ok=True)  # of a source that is marked read-only it has that mark as well
    return digest.hexdigest()
