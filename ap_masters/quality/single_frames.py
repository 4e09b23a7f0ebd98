"""Whether single frames are what they say: flats neither burnt out nor empty, darks and biases without light.

Judged before integration, from a few rows of each frame. A frame that fails is dropped with the reason; whether
enough remain is the plan's rule.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from ap_masters.config import FlatSettings, QualitySettings
from ap_masters.model import Frame, FrameType, Reason, SetAside

_ADU = 65535.0


class Glimpse(NamedTuple):
    """What a few rows of a frame show: the median, and the share of saturated samples, both of full scale."""

    level: float
    saturated: float


def unfit(
    frame_type: FrameType,
    frames: Sequence[Frame],
    seen: Sequence[Glimpse | None],
    flat: FlatSettings,
    quality: QualitySettings,
) -> tuple[SetAside, ...]:
    """Return the frames of one group that contradict its type, each with value and limit; limits are strict.

    A frame that could not be looked at (None) is left to the engine.
    """
    levels = [glimpse.level for glimpse in seen if glimpse is not None]
    centre = median(levels) if levels else 0.0
    dropped = []
    for frame, glimpse in zip(frames, seen, strict=True):
        if glimpse is None:
            continue
        if frame_type is FrameType.FLAT:
            detail, reason = _burnt_or_empty(glimpse, flat), Reason.LEVEL
        else:
            detail, reason = _lit(glimpse, centre, quality), Reason.CONTENT
        if detail:
            dropped.append(SetAside(path=frame.path, reason=reason, detail=detail))
    return tuple(dropped)


def _burnt_or_empty(glimpse: Glimpse, flat: FlatSettings) -> str | None:
    if glimpse.saturated > flat.saturated_fraction:
        return f"{glimpse.saturated:.2%} of its samples are saturated (limit {flat.saturated_fraction:.2%})"
    if glimpse.level > flat.drop_above:
        return f"its median is {_percent(glimpse.level)}, above the limit of {flat.drop_above:.0%}"
    if glimpse.level < flat.drop_below:
        return f"its median is {_percent(glimpse.level)}, below the limit of {flat.drop_below:.0%}"
    return None


def _lit(glimpse: Glimpse, centre: float, quality: QualitySettings) -> str | None:
    """A dark or bias far above its group has seen light, or is another frame with a wrong type."""
    if glimpse.level - centre > quality.lit_dark_fraction:
        return (
            f"its median is {_percent(glimpse.level)}, its group's {_percent(centre)}: it has seen light, "
            "or is a light or flat with a wrong type"
        )
    return None


def _percent(level: float) -> str:
    return f"{level * _ADU:,.0f} ADU ({level:.1%} of full scale)"
