"""The same frame under two names: only files whose size and header agree are compared, first in part, then whole."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from ap_masters.files import original_first, sha256
from ap_masters.images import PACKINGS
from ap_masters.model import Frame

_log = logging.getLogger(__name__)

_PIECE: Final = 65536

_OF_THE_FILE: Final = {"path": Path(), "size": 0, "mtime_ns": 0, "decisions": (), "warnings": ()}

Hash = Callable[[Frame], str | None]


def duplicates_of(frames: Sequence[Frame], *, sample: Hash, digest: Hash) -> dict[Path, str]:
    """Return the duplicates among ``frames`` with what each is a copy of: the one with the shortest name.

    ``sample`` hashes parts of a file and ``digest`` all of it; None, where a file cannot be read, equals nothing.
    """
    found: dict[Path, str] = {}
    alike = [list(frames)]
    for by in (_time_of, _header_of, sample, digest):  # the cheapest question first
        alike = [closer for together in alike for closer in _agreeing(together, by)]
    for same in alike:
        original, *copies = sorted((frame.path for frame in same), key=original_first)
        found |= dict.fromkeys(copies, f"same content as {original}")
    return found | _packed_copies([frame for frame in frames if frame.path not in found])


def _packed_copies(frames: Sequence[Frame]) -> dict[Path, str]:
    """Return the files that were packed beside, or away from, their originals: of one name, start and header.

    Their bytes differ and are not compared; no camera starts two exposures at once.
    """
    found: dict[Path, str] = {}
    alike = [[frame for frame in frames if frame.started]]
    for by in (_unpacked, _time_of, _facts_of):
        alike = [closer for together in alike for closer in _agreeing(together, by)]
    for same in alike:
        plain, packed = (
            sorted((frame.path for frame in same if _is_packed(frame) is is_packed), key=original_first)
            for is_packed in (False, True)
        )
        if plain:
            found |= dict.fromkeys(packed, f"packed copy of {plain[0]}")
    return found


def _is_packed(frame: Frame) -> bool:
    return frame.path.suffix.lower() in PACKINGS


def _unpacked(frame: Frame) -> str:
    name = frame.path.name.casefold()
    return name.removesuffix(frame.path.suffix.lower()) if _is_packed(frame) else name


def _facts_of(frame: Frame) -> Frame:
    """Return all that a header tells, without what is the file's own: two cameras differ in some of it."""
    return frame.model_copy(update=_OF_THE_FILE)


def sample_of(path: Path, size: int) -> str | None:
    """Return a hash of the beginning, the middle and the end of a file, None when it cannot be read.

    Two frames of one camera differ by their noise in every piece of this size.
    """
    total = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for start in sorted({0, max(0, size // 2), max(0, size - _PIECE)}):
                file.seek(start)
                total.update(file.read(_PIECE))
    except OSError as error:
        _log.debug("%s not read: %s", path, error)
        return None
    return total.hexdigest()


def digest_of(path: Path) -> str | None:
    """Return the SHA-256 of a whole file, None when it cannot be read."""
    try:
        return sha256(path)
    except OSError as error:
        _log.debug("%s not read: %s", path, error)
        return None


def _time_of(frame: Frame) -> object:
    return frame.started or frame.size  # None would equal nothing


def _header_of(frame: Frame) -> tuple[object, ...]:
    """Return what copies of one frame have in common, without opening them."""
    return frame.size, frame.type, frame.exposure, frame.sensor_temperature, frame.width, frame.height


def _agreeing(frames: Iterable[Frame], by: Callable[[Frame], object]) -> list[list[Frame]]:
    """Return the frames that agree with at least one other, together."""
    together: dict[object, list[Frame]] = defaultdict(list)
    for frame in frames:
        value = by(frame)
        if value is not None:
            together[value].append(frame)
    return [alike for alike in together.values() if len(alike) > 1]
