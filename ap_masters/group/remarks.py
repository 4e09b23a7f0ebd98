"""What there is to say of a group: what its headers lack, what its frames may not have in common."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from ap_masters.config import SEASON_DAYS
from ap_masters.group.cull import Culled
from ap_masters.model import UNLIT, Frame, GroupKey

_SEASON: Final = timedelta(days=SEASON_DAYS)
_MORE_ELECTRONS: Final = 1.01  # per ADU over the least; programs differ in the last digits


def remarks(key: GroupKey, culled: Culled) -> tuple[str, ...]:
    """Return the warnings on a group, those of its culling and of its frames among them."""
    return (
        *_unknowns(key),
        *_long_time(key, culled.kept),
        *_electrons(culled.kept),
        *culled.warnings,
        *_summed_up(culled.kept),
    )


def _unknowns(key: GroupKey) -> Iterator[str]:
    """Yield warnings on what the headers do not say and a master is badly off without."""
    if key.camera is None:
        yield "no header names the camera: frames of several cameras would be taken for one"
    if key.temperature is None:
        yield "no header has a temperature (NO_TEMP): frames of all temperatures are together"


def _long_time(key: GroupKey, frames: Sequence[Frame]) -> Iterator[str]:
    """Yield a warning on darks of several seasons: levels drift, hot pixels come and go."""
    nights = sorted({frame.night for frame in frames if frame.night is not None})
    if key.type in UNLIT and nights and nights[-1] - nights[0] > _SEASON:
        yield (
            f"frames of {len(nights)} nights, from {nights[0]} to {nights[-1]}, in one master: a sensor changes in "
            "that time. Build each season by itself, or set group.epoch_days and a layout with a date"
        )


def _electrons(frames: Sequence[Frame]) -> Iterator[str]:
    """Yield a warning on frames of different electrons per ADU, which are never the gain and divide nothing."""
    values = sorted(frame.electrons_per_adu for frame in frames if frame.electrons_per_adu is not None)
    if values and values[-1] > values[0] * _MORE_ELECTRONS:
        yield (
            f"from {values[0]:g} to {values[-1]:g} electrons per ADU (EGAIN): frames of several gains? Build those of "
            "each by themselves"
        )


def _summed_up(frames: Sequence[Frame]) -> Iterator[str]:
    """Yield the warnings of the frames, each once with the number of frames it concerns."""
    total = Counter(warning for frame in frames for warning in frame.warnings)
    for warning, count in sorted(total.items()):
        yield warning if count == len(frames) else f"{count} of {len(frames)} frames: {warning}"
