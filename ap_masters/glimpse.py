"""What the pixels of single frames show before they are integrated: level, shape, greatest value, blank rows."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from ap_masters import images
from ap_masters.config import FlatSettings, QualitySettings
from ap_masters.errors import ImageError
from ap_masters.images.scale import full_scale
from ap_masters.model import Frame, Group
from ap_masters.quality.grid import CELLS
from ap_masters.quality.shapes import unlike_the_others
from ap_masters.quality.single_frames import HOT_PIXELS, Glimpse, faint_colours, unfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ap_masters.images.image import Image

_BANDS: Final = 32  # bands of rows, spread evenly over the frame ...
_ROWS: Final = 4  # ... of this many rows each; even, so that every colour of a CFA is seen
_SMALLEST_CELL: Final = 8  # pixels to each side; of fewer a median is mostly noise


def looked_at(group: Group, flat: FlatSettings, quality: QualitySettings) -> Group:
    """Return ``group`` without the frames that contradict its type, and with warnings on those that look odd."""
    seen = glimpses(group.frames)
    dropped = unfit(group.key.type, group.frames, seen, flat, quality)
    gone = {aside.path for aside in dropped}
    stay = [index for index, frame in enumerate(group.frames) if frame.path not in gone]
    frames, seen = tuple(group.frames[i] for i in stay), [seen[i] for i in stay]
    faint = faint_colours(group.key.type, seen, flat)
    odd = unlike_the_others(group.key.type, frames, seen, quality.gradient_percent)
    warnings = (*((faint,) if faint else ()), *odd)
    if not dropped and not warnings:
        return group
    return group.model_copy(
        update={
            "frames": frames,
            "dropped": (*group.dropped, *dropped),
            "refused": (*group.refused, *(frame for frame in group.frames if frame.path in gone)),
            "warnings": (*group.warnings, *warnings),
        }
    )


def glimpses(frames: Sequence[Frame]) -> list[Glimpse | None]:
    """Return what some rows of each frame show; None where it cannot be read (the engine will tell)."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_glimpse, frames))


def _glimpse(frame: Frame) -> Glimpse | None:
    import numpy as np

    rows = _ROWS if frame.height >= _ROWS else frame.height
    firsts = np.unique(np.linspace(0, frame.height - rows, _BANDS).astype(int) // 2 * 2)  # where the CFA begins anew
    try:
        with images.open_image(frame.path, datasum=False) as image:
            samples = np.concatenate([image.read_rows(int(f), int(f) + rows) for f in firsts], axis=1)
            blank = _blank(image, samples)
    except (ImageError, OSError):
        return None
    greatest = float(np.fmax.reduce(samples, axis=None))  # whatever is no number is left to the engine
    full = full_scale(image.info, greatest)
    at_peak, below_peak = _at_the_top(samples, min(greatest, full))
    return Glimpse(
        level=float(np.median(samples)) / full,
        peak=min(greatest, full) / full,
        at_peak=at_peak,
        below_peak=below_peak,
        blank=blank,
        phases=tuple(median / full for median in _phases(samples)),
        cells=tuple(median / full for median in _cells(samples)),
        colours={letter: float(np.median(part)) / full for letter, part in _colours(frame, samples[0])},
    )


def _at_the_top(samples: "NDArray[Any]", peak: float) -> tuple[float, float]:
    """Return which share of the samples stands at the greatest value, and which at the next one below."""
    import numpy as np

    at_peak = int(np.count_nonzero(samples >= peak))
    if at_peak <= HOT_PIXELS * samples.size:  # almost always: what stands below is then of no interest
        return at_peak / samples.size, 0.0
    below = samples[samples < peak]
    next_below = np.count_nonzero(below == below.max()) if below.size else 0
    return at_peak / samples.size, int(next_below) / samples.size


def _blank(image: "Image", samples: "NDArray[Any]") -> float:
    """Return the share of rows whose bytes are all zero, where they begin a plane of the frame or end it; else 0."""
    import numpy as np

    for row, edge in ((image.info.height - 1, -1), (0, 0)):
        blank = samples[:, edge].min(axis=1) == samples[:, edge].max(axis=1)
        if blank.any():
            blank &= ~image.read_stored(row, row + 1).any(axis=(1, 2))
        if blank.any():
            planes = samples[blank]
            like_it = (planes == planes[:, edge, None, :1]).all(axis=2)
            return float(np.count_nonzero(like_it) / (len(samples) * samples.shape[1]))
    return 0.0


def _phases(samples: "NDArray[Any]") -> tuple[float, ...]:
    """Return the medians of the four phases of 2 x 2 pixels, row by row, in the samples' unit; of a mosaic or not."""
    import numpy as np

    mosaic = samples[0][:, : samples.shape[2] // 2 * 2]
    if len(samples) != 1 or len(mosaic) < 2 or not mosaic.shape[1]:
        return ()
    parts = [mosaic[y : len(mosaic) // 2 * 2 : 2, x::2].ravel() for y in (0, 1) for x in (0, 1)]
    return _medians(np.stack(parts))


def _cells(samples: "NDArray[Any]") -> tuple[float, ...]:
    """Return the medians of 4 x 4 parts of bands that are spread over the frame; none of a tiny frame."""
    channels, height, width = (side // part for side, part in zip(samples.shape, (1, CELLS, CELLS), strict=True))
    if height < _SMALLEST_CELL or width < _SMALLEST_CELL:
        return ()
    parts = samples[:, : height * CELLS, : width * CELLS].reshape(channels, CELLS, height, CELLS, width)
    return _medians(parts.transpose(1, 3, 0, 2, 4).reshape(CELLS * CELLS, -1))


def _medians(rows: "NDArray[Any]") -> tuple[float, ...]:
    from ap_masters.engines.medians import medians_in_memory

    medians: list[float] = medians_in_memory(rows).tolist()
    return tuple(medians)


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
