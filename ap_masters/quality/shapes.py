"""Which single frames are shaped unlike the others of their group: light that leaked into one dark, a cloud (S0-21).

A shape is what 4 x 4 cells of a frame have beyond the level of all of it: as a fraction of that of flats, whose light
may fade; in ADU of frames without light. Medians throughout, so that one odd frame does not bend what the others have.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from ap_masters.images.scale import ADU
from ap_masters.model import UNLIT, Frame, FrameType
from ap_masters.quality.grid import CELLS, zone
from ap_masters.quality.single_frames import Glimpse
from ap_masters.wording import percent

_FEWEST: Final = 3  # of two frames, neither is the odd one
_FAR: Final = 5.0  # times as far off as half of the frames: what all of them do, twilight and its gradient, is no fault
_LEAST_ADU: Final = 40.0  # two and a half counts of a camera of 12 bits, scaled up: medians of such are steps apart

Shape = tuple[float, ...]


def unlike_the_others(
    frame_type: FrameType, frames: Sequence[Frame], seen: Sequence[Glimpse | None], limit_percent: float
) -> Iterator[str]:
    """Yield a warning for each frame of one group one of whose cells is off the others' by more than the limit.

    The limit is the largest of ``limit_percent`` of the level, of 40 ADU where there is no light, and of five times
    what half of the frames are off. Frames are passed over that could not be looked at, or show too little.
    """
    unlit = frame_type in UNLIT
    known = [(f, g) for f, g in zip(frames, seen, strict=True) if g and g.cells and _has_shape(g, unlit=unlit)]
    if len(known) < _FEWEST:
        return
    level = median(glimpse.level for _, glimpse in known)
    limit, cause = limit_percent / 100, "a cloud, dew, or something in the way"
    if unlit:
        limit, cause = max(limit * abs(level) * ADU, _LEAST_ADU), "light that leaked in, or a camera not settled"
    shapes = [_shape(glimpse, unlit=unlit) for _, glimpse in known]
    usual = [median(of_cell) for of_cell in zip(*shapes, strict=True)]
    offs = [tuple(mine - theirs for mine, theirs in zip(shape, usual, strict=True)) for shape in shapes]
    limit = max(limit, _FAR * median(max(map(abs, off)) for off in offs))
    for (frame, _), off in zip(known, offs, strict=True):
        furthest = max(off, key=abs)
        if abs(furthest) > limit:
            told, where = _told(furthest, unlit=unlit), zone(*divmod(off.index(furthest), CELLS))
            yield f"{frame.path.name} is shaped unlike the others: {told} at the {where}; {cause}"


def _told(off: float, *, unlit: bool) -> str:
    much = f"{abs(off):.0f} ADU" if unlit else percent(100 * abs(off))
    return f"{much} {'brighter' if off > 0 else 'darker'}"


def _has_shape(glimpse: Glimpse, *, unlit: bool) -> bool:
    return math.isfinite(sum(glimpse.cells)) and (unlit or glimpse.level > 0)


def _shape(glimpse: Glimpse, *, unlit: bool) -> Shape:
    if unlit:
        return tuple((cell - glimpse.level) * ADU for cell in glimpse.cells)
    return tuple(cell / glimpse.level - 1 for cell in glimpse.cells)
