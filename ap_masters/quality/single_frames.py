"""Whether single frames are what they say: flats neither burnt out nor empty, darks and biases without light.

Judged before integration, from a few rows of each frame. A frame that fails is dropped with the reason; whether
enough remain is the plan's rule.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from types import MappingProxyType
from typing import Final, NamedTuple

from ap_masters.config import FlatSettings, QualitySettings
from ap_masters.images.scale import ADU
from ap_masters.model import Frame, FrameType, Reason, SetAside

_COLOURS: Final = {"R": "red", "G": "green", "B": "blue", "C": "cyan", "M": "magenta", "Y": "yellow"}


class Glimpse(NamedTuple):
    """What a few rows of a frame show: the median, and the share of saturated samples, both of full scale.

    ``colours`` has the median of each colour of a colour filter array, by its letter in the pattern.
    """

    level: float
    saturated: float
    colours: Mapping[str, float] = MappingProxyType({})


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
    for letter, level in glimpse.colours.items():
        if level > flat.drop_above:
            name = _COLOURS.get(letter, letter)
            return f"the median of its {name} pixels is {_percent(level)}, above the limit of {flat.drop_above:.0%}"
    return None


def faint_colours(frame_type: FrameType, seen: Sequence[Glimpse | None], flat: FlatSettings) -> str | None:
    """Return a warning where the lamp leaves one colour of a colour filter array almost dark, else None.

    Such flats are kept: through a narrow filter nothing else can be had, and the colours that count are bright.
    """
    if frame_type is not FrameType.FLAT:
        return None
    levels: dict[str, list[float]] = defaultdict(list)
    for glimpse in seen:
        for letter, level in (glimpse.colours if glimpse else {}).items():
            levels[letter].append(level)
    faint = {letter: median(values) for letter, values in levels.items() if median(values) < flat.drop_below}
    if not faint:
        return None
    told = ", ".join(f"{_COLOURS.get(letter, letter)} {_percent(level)}" for letter, level in faint.items())
    return f"the light leaves a colour almost dark: {told}; the master is noise there"


def _lit(glimpse: Glimpse, centre: float, quality: QualitySettings) -> str | None:
    """A dark or bias far above its group has seen light, or is another frame with a wrong type."""
    if glimpse.level - centre > quality.lit_dark_fraction:
        return (
            f"its median is {_percent(glimpse.level)}, its group's {_percent(centre)}: it has seen light, "
            "or is a light or flat with a wrong type"
        )
    return None


def _percent(level: float) -> str:
    return f"{level * ADU:,.0f} ADU ({level:.1%} of full scale)"
