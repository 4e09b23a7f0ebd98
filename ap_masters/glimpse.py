"""What the pixels of single frames show before they are integrated: their level and how much is saturated."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ap_masters import images
from ap_masters.errors import ImageError
from ap_masters.model import Frame
from ap_masters.quality.single_frames import Glimpse

_BANDS = 32  # bands of rows, spread evenly over the frame ...
_ROWS = 4  # ... of this many rows each; even, so that every colour of a CFA is seen


def glimpses(frames: Sequence[Frame]) -> list[Glimpse | None]:
    """Return the level of each frame from some of its rows; None where it cannot be read (the engine will tell)."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_glimpse, frames))


def _glimpse(frame: Frame) -> Glimpse | None:
    import numpy as np

    rows = _ROWS if frame.height >= _ROWS else frame.height
    firsts = np.unique(np.linspace(0, frame.height - rows, _BANDS).astype(int))
    try:
        with images.open_image(frame.path) as image:
            full = image.info.full_scale or 1.0
            samples = np.concatenate([image.read_rows(int(f), int(f) + rows).ravel() for f in firsts])
    except (ImageError, OSError):
        return None
    return Glimpse(
        level=float(np.median(samples)) / full,
        saturated=float(np.count_nonzero(samples >= full)) / samples.size,
    )
