"""What the pixels of single frames show before they are integrated: their level and how much is saturated."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from ap_masters import images
from ap_masters.config import FlatSettings, QualitySettings
from ap_masters.errors import ImageError
from ap_masters.images.scale import full_scale
from ap_masters.model import Frame, Group
from ap_masters.quality.single_frames import Glimpse, faint_colours, unfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BANDS: Final = 32  # bands of rows, spread evenly over the frame ...
_ROWS: Final = 4  # ... of this many rows each; even, so that every colour of a CFA is seen


def looked_at(group: Group, flat: FlatSettings, quality: QualitySettings) -> Group:
    """Return ``group`` without the frames that contradict its type, and with a warning on colours left dark."""
    seen = glimpses(group.frames)
    dropped = unfit(group.key.type, group.frames, seen, flat, quality)
    gone = {aside.path for aside in dropped}
    stay = tuple((f, g) for f, g in zip(group.frames, seen, strict=True) if f.path not in gone)
    faint = faint_colours(group.key.type, [g for _, g in stay], flat)
    if not dropped and not faint:
        return group
    return group.model_copy(
        update={
            "frames": tuple(frame for frame, _ in stay),
            "dropped": (*group.dropped, *dropped),
            "warnings": (*group.warnings, *((faint,) if faint else ())),
        }
    )


def glimpses(frames: Sequence[Frame]) -> list[Glimpse | None]:
    """Return the level of each frame from some of its rows; None where it cannot be read (the engine will tell)."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_glimpse, frames))


def _glimpse(frame: Frame) -> Glimpse | None:
    import numpy as np

    rows = _ROWS if frame.height >= _ROWS else frame.height
    firsts = np.unique(np.linspace(0, frame.height - rows, _BANDS).astype(int) // 2 * 2)  # where the CFA begins anew
    try:
        with images.open_image(frame.path, datasum=False) as image:
            samples = np.concatenate([image.read_rows(int(f), int(f) + rows) for f in firsts], axis=1)
    except (ImageError, OSError):
        return None
    greatest = float(np.fmax.reduce(samples, axis=None))  # whatever is no number is left to the engine
    full = full_scale(image.info, greatest)
    return Glimpse(
        level=float(np.median(samples)) / full,
        saturated=float(np.count_nonzero(samples >= full)) / samples.size,
        colours={letter: float(np.median(part)) / full for letter, part in _colours(frame, samples[0])},
    )


def _colours(frame: Frame, mosaic: "NDArray[Any]") -> Iterator[tuple[str, "NDArray[Any]"]]:
    """Yield the letter and the samples of each colour in rows that begin where the pattern of 2 x 2 pixels does."""
    import numpy as np

    pattern = frame.bayer_pattern or ""
    if len(pattern) != 4 or frame.channels != 1:
        return
    down, right = frame.y_bayer_offset or 0, frame.x_bayer_offset or 0
    cells: dict[str, list[NDArray[Any]]] = {}
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        letter = pattern[2 * ((y + down) % 2) + (x + right) % 2]
        cells.setdefault(letter, []).append(mosaic[y::2, x::2].ravel())
    yield from ((letter, np.concatenate(parts)) for letter, parts in cells.items())
