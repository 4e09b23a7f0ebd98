"""A small picture of a master, stretched for the eye, as PNG; written with zlib alone."""

import logging
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ap_masters import images
from ap_masters.errors import ImageError
from ap_masters.files import write_bytes
from ap_masters.library.places import whole_of
from ap_masters.model import HOUSEKEEPING, ROBUST_SIGMA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

WIDTH: Final = 240
_CACHE: Final = HOUSEKEEPING / "previews"
_ROWS_READ: Final = 2  # of each block: even, so that a colour filter array is averaged over all its colours

# PixInsight's automatic screen transfer function: shadows clipped 2.8 sigma below the median, which becomes 0.25.
_SHADOWS: Final = -2.8
_BACKGROUND: Final = 0.25


def preview(library: Path, path: str, digest: str | None) -> bytes | None:
    """Return the picture of a master as PNG, or None where it cannot be read.

    Kept in the library's housekeeping under ``digest``, the master's SHA-256; without one, and in a part of a library,
    it is made anew.
    """
    kept = library / _CACHE / f"{digest}.png" if digest and whole_of(library) is None else None
    if kept is not None and kept.is_file():
        return kept.read_bytes()
    try:
        picture = png(stretch(shrink(library / path)))
    except (ImageError, OSError) as error:
        log.warning("%s: no preview: %s", path, error)
        return None
    if kept is not None:
        _keep(kept, picture)
    return picture


def _keep(path: Path, picture: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, picture)
    except OSError as error:  # a library on a read-only share
        log.debug("%s: not kept: %s", path, error)


def shrink(master: Path, width: int = WIDTH) -> "NDArray[np.float64]":
    """Return block means, (rows, columns), at most ``width`` wide; two rows of each block are read, no more.

    Channels are averaged. What is no number counts as the median of the rest.
    """
    import numpy as np

    with images.open_image(master, datasum=False) as image:
        info = image.info
        block = max(1, math.ceil(info.width / width))
        columns = info.width // block
        rows = []
        for top in range(0, info.height - block + 1, block):
            first = top + max(0, (block - _ROWS_READ) // 4 * 2)
            band = image.read_rows(first, min(first + min(_ROWS_READ, block), info.height)).astype(np.float64)
            used = band[:, :, : columns * block]
            rows.append(used.reshape(*used.shape[:2], columns, block).mean(axis=(0, 1, 3)))
    small = np.stack(rows) if rows else np.zeros((1, 1))
    sound = np.isfinite(small)
    return np.where(sound, small, np.median(small[sound]) if sound.any() else 0.0)


def stretch(pixels: "NDArray[np.float64]") -> "NDArray[np.uint8]":
    """Return 0..255: shadows clipped, and the median brought to a quarter by the midtones transfer function."""
    import numpy as np

    low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        return np.full(pixels.shape, round(255 * _BACKGROUND), np.uint8)
    unit = (pixels - low) / (high - low)
    median = float(np.median(unit))
    sigma = ROBUST_SIGMA * float(np.median(np.abs(unit - median)))
    shadows = min(max(0.0, median + _SHADOWS * sigma), 0.999)
    clipped = np.clip((unit - shadows) / (1 - shadows), 0.0, 1.0)
    middle = _midtones(max(median - shadows, 1e-6) / (1 - shadows), _BACKGROUND)
    shown: NDArray[np.uint8] = np.rint(255 * _transfer(clipped, middle)).astype(np.uint8)
    return shown


def _midtones(level: float, wanted: float) -> float:
    """Return the midtones balance that brings ``level`` to ``wanted``."""
    return float(_transfer(level, wanted))


def _transfer(x: Any, m: float) -> Any:
    """Midtones transfer function (PixInsight, HistogramTransformation): 0 -> 0, m -> 0.5, 1 -> 1."""
    return (m - 1) * x / ((2 * m - 1) * x - m)


def png(pixels: "NDArray[np.uint8]") -> bytes:
    """Return an 8-bit grey PNG of (rows, columns)."""
    import numpy as np

    height, width = pixels.shape
    # Each row after the byte of its filter: 1 takes the pixel to the left off (PNG specification, 9.2).
    left = np.concatenate([np.zeros((height, 1), np.uint8), pixels[:, :-1]], axis=1)
    rows = np.concatenate([np.ones((height, 1), np.uint8), pixels - left], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
