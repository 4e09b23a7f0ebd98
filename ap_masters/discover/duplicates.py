"""The same frame under two names: only files whose headers agree are compared, first in part, then whole.

Copies of a file have the same bytes. The same exposure in another file - packed, in the other format, or saved anew
with one keyword more - has other bytes and the same pixels.
"""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

from ap_masters.errors import ImageError
from ap_masters.files import original_first, sha256
from ap_masters.images import PACKINGS, open_image
from ap_masters.images.rewriting import bands
from ap_masters.model import Frame, ImageFormat

_log = logging.getLogger(__name__)

_PIECE: Final = 65536

_OF_THE_FILE: Final = {"path": Path(), "size": 0, "mtime_ns": 0, "decisions": (), "warnings": ()}


class Hashes(Protocol):
    """Hashes of a frame's file and image; None, where it cannot be read, equals nothing."""

    def sample(self, frame: Frame) -> str | None:
        """Return the hash of parts of the file."""

    def digest(self, frame: Frame) -> str | None:
        """Return the hash of the whole file."""

    def row(self, frame: Frame) -> str | None:
        """Return the hash of one row of the image."""

    def pixels(self, frame: Frame) -> str | None:
        """Return the hash of all pixels."""


def duplicates_of(frames: Sequence[Frame], hashes: Hashes) -> dict[Path, str]:
    """Return the duplicates among ``frames`` with what each is a copy of.

    Of files that are the same byte by byte the one with the shortest name is the original. Of one exposure in several
    files that is the one that is not packed; of those FITS, which cameras' programs write, before XISF; then the
    shortest name.
    """
    found: dict[Path, str] = {}
    # the cheapest question first
    for same in _alike(frames, (_time_of, _header_of, hashes.sample, hashes.digest)):
        original, *copies = sorted((frame.path for frame in same), key=original_first)
        found |= dict.fromkeys(copies, f"same content as {original}")
    found |= _packed_copies([frame for frame in frames if frame.path not in found])
    rest = [frame for frame in frames if frame.started and frame.path not in found]
    for same in _alike(rest, (_exposure_of, hashes.row, hashes.pixels)):
        original, *copies = (frame.path for frame in sorted(same, key=_as_taken_first))
        found |= dict.fromkeys(copies, f"same pixels as {original}, and taken at the same time")
    return found


def _packed_copies(frames: Sequence[Frame]) -> dict[Path, str]:
    """Return the files that were packed beside, or away from, their originals: of one name, start and header.

    Their bytes differ and are not compared; no camera starts two exposures at once.
    """
    found: dict[Path, str] = {}
    for same in _alike([frame for frame in frames if frame.started], (_unpacked, _time_of, _facts_of)):
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


def row_of(path: Path) -> str | None:
    """Return a hash of the row in the middle of an image, None when it cannot be read.

    Of two frames of one camera it differs by their noise, also where a header tells whole seconds only.
    """
    return _hash_of_rows(path, one=True)


def pixels_of(path: Path) -> str | None:
    """Return a hash of all pixels of an image, whatever it is stored in; None when it cannot be read."""
    return _hash_of_rows(path, one=False)


def _hash_of_rows(path: Path, *, one: bool) -> str | None:
    total = hashlib.sha256()
    try:
        with open_image(path, datasum=False) as image:
            middle = image.info.height // 2
            for first, end in [(middle, middle + 1)] if one else bands(image.info):
                total.update(image.read_rows(first, end).tobytes())
    except (ImageError, OSError) as error:
        _log.debug("%s not read: %s", path, error)
        return None
    return total.hexdigest()


def _exposure_of(frame: Frame) -> object:
    """Return what the files of one exposure have in common. Not all programs write more than three decimals."""
    started = frame.started and frame.started.replace(microsecond=frame.started.microsecond // 1000 * 1000)
    return started, frame.type, frame.exposure, frame.camera, frame.width, frame.height, frame.channels, frame.sample


def _as_taken_first(frame: Frame) -> tuple[object, ...]:
    return _is_packed(frame), frame.format is not ImageFormat.FITS, *original_first(frame.path)


def _time_of(frame: Frame) -> object:
    return frame.started or frame.size  # None would equal nothing


def _header_of(frame: Frame) -> tuple[object, ...]:
    """Return what copies of one frame have in common, without opening them."""
    return frame.size, frame.type, frame.exposure, frame.sensor_temperature, frame.width, frame.height


def _alike(frames: Sequence[Frame], questions: Iterable[Callable[[Frame], object]]) -> list[list[Frame]]:
    """Return the frames that agree with at least one other in all that is asked, together."""
    alike = [list(frames)]
    for by in questions:
        alike = [closer for together in alike for closer in _agreeing(together, by)]
    return alike


def _agreeing(frames: Iterable[Frame], by: Callable[[Frame], object]) -> list[list[Frame]]:
    """Return the frames that agree with at least one other, together."""
    together: dict[object, list[Frame]] = defaultdict(list)
    for frame in frames:
        value = by(frame)
        if value is not None:
            together[value].append(frame)
    return [alike for alike in together.values() if len(alike) > 1]
