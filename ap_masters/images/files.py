"""Bytes by position: files that several threads read and write at once, and decompressed data set aside on disk."""

import mmap
import os
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final, Protocol

from ap_masters.errors import ChecksumMismatch

_HAS_POSITIONAL_CALLS: Final = hasattr(os, "preadv") and hasattr(os, "pwrite")  # not on Windows


def room(size: int) -> memoryview:
    """Return ``size`` bytes, all zero, that go back to the system the moment they are let go of.

    What malloc is given back it keeps, for each thread by itself: half a dozen threads that unpack images one after
    the other would hold half a dozen images.
    """
    return memoryview(mmap.mmap(-1, max(size, 1)))[:size]


def changed(path: Path, checksum: str) -> ChecksumMismatch:
    """Return the exception for an image whose own ``checksum`` does not hold."""
    return ChecksumMismatch(
        path, f"has changed since it was written: its {checksum} does not hold; copy it again, or make it anew"
    )


class Source(Protocol):
    """Bytes that can be read at any position, by any thread."""

    def read_into(self, offset: int, target: memoryview) -> int:
        """Fill ``target`` from ``offset`` on; return how many bytes there were."""
        ...

    def close(self) -> None:
        """Let go of what holds the bytes."""
        ...


class PositionalFile:
    """An unbuffered binary file read and written at given positions; safe to share between threads."""

    def __init__(self, file: IO[bytes], *, positional_calls: bool = _HAS_POSITIONAL_CALLS) -> None:
        """Take over ``file`` (opened with ``buffering=0``). Without positional calls, a lock guards seek and read."""
        self._file = file
        self._lock = None if positional_calls else threading.Lock()

    def read_into(self, offset: int, target: memoryview) -> int:
        """Fill ``target`` from ``offset`` on; return how many bytes there were before the file's end."""
        done = self._read_some(offset, target)
        while 0 < done < len(target):
            count = self._read_some(offset + done, target[done:])
            if not count:
                break
            done += count
        return done

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of ``data`` at ``offset``. Raises OSError (disk full, for one)."""
        while len(data):
            count = self._write_some(offset, data)
            offset += count
            data = data[count:]

    def _read_some(self, offset: int, target: memoryview) -> int:
        if self._lock is None:
            return os.preadv(self._file.fileno(), [target], offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.readinto(target) or 0  # type: ignore[attr-defined]

    def _write_some(self, offset: int, data: memoryview) -> int:
        if self._lock is None:
            return os.pwrite(self._file.fileno(), data, offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.write(data)

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Memory:
    """Bytes held in memory."""

    def __init__(self, pieces: Iterable[memoryview | bytes]) -> None:
        data = bytearray()
        for piece in pieces:
            data += piece
        self._data = memoryview(data)

    def read_into(self, offset: int, target: memoryview) -> int:
        """Fill ``target`` from ``offset`` on; return how many bytes there were."""
        part = self._data[offset : offset + len(target)]
        target[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Let go of the bytes."""
        self._data = memoryview(b"")


class Spool:
    """Decompressed data in a nameless file, so that many open images need no memory.

    The system removes it once it is closed, even if the program is killed.
    """

    def __init__(self, pieces: Iterable[memoryview | bytes]) -> None:
        """Write the pieces one after the other. Raises OSError where they do not fit on the disk."""
        self._file = PositionalFile(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 (closed by close)
        try:
            at = 0
            for piece in pieces:
                self._file.write(at, memoryview(piece))
                at += len(piece)
        except BaseException:
            self.close()
            raise

    def read_into(self, offset: int, target: memoryview) -> int:
        """Fill ``target`` from ``offset`` on; return how many bytes there were."""
        return self._file.read_into(offset, target)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
