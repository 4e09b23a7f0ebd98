"""Whether single frames are what they say: whole, flats neither burnt out nor empty, darks and biases without light.

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
from ap_masters.wording import percent

_COLOURS: Final = {"R": "red", "G": "green", "B": "blue", "C": "cyan", "M": "magenta", "Y": "yellow"}

_WHITE_OF_12_BITS: Final = 4095
HOT_PIXELS: Final = 1e-4  # of the samples may stand at the greatest value without being looked into
_STEEP: Final = 4.0  # times what stands one value below: a pile, where light falls off
_FAR_BELOW_ZERO: Final = 0.02  # of full scale; more than anything that was subtracted by mistake
_COLOURED_ADU: Final = 100.0  # black levels of the four phases differ by less
_COLOURED: Final = 0.15  # of the level; dark currents of pixels that share an amplifier differ by less
_ALIKE: Final = 0.25  # of the difference of all: how much the green ones may differ


class Glimpse(NamedTuple):
    """What a few rows of a frame show; levels are fractions of full scale, shares those of all samples.

    ``level`` is the median and ``peak`` the greatest value, full scale at most; ``at_peak`` is the share that stands
    exactly there and ``below_peak`` that at the next value below, looked for where more than hot pixels stand at the
    peak. ``blank`` is the share of rows whose bytes are all zero, at the frame's end or beginning.
    ``phases`` has the medians of the four pixels of each 2 x 2 of a frame of one channel, row by row, and ``colours``
    the median of each colour of a colour filter array, by its letter in the pattern. ``cells`` has the medians of 4 x 4
    parts of the frame, row by row.
    """

    level: float
    peak: float = 0.0
    at_peak: float = 0.0
    below_peak: float = 0.0
    blank: float = 0.0
    phases: tuple[float, ...] = ()
    colours: Mapping[str, float] = MappingProxyType({})
    cells: tuple[float, ...] = ()


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
    looked_at = [glimpse for glimpse in seen if glimpse is not None]
    whole = [glimpse for glimpse in looked_at if not glimpse.blank] or looked_at  # blank in all: the camera's own
    centre = median(glimpse.level for glimpse in whole) if whole else 0.0
    white = saturation(whole, flat)
    dropped = []
    for frame, glimpse in zip(frames, seen, strict=True):
        if glimpse is None:
            continue
        detail, reason = _unsigned(frame, glimpse) or _cut_short(glimpse, whole, centre), Reason.PIXELS
        if detail is None and frame_type is FrameType.FLAT:
            detail, reason = _burnt_or_empty(glimpse, white, flat), Reason.LEVEL
        elif detail is None:
            detail, reason = _lit(glimpse, centre, quality) or _coloured(glimpse), Reason.CONTENT
        if detail:
            dropped.append(SetAside(path=frame.path, reason=reason, detail=detail))
    return tuple(dropped)


def saturation(seen: Sequence[Glimpse], flat: FlatSettings) -> float:
    """Return the value at which flats of one group are saturated: full scale, or less where they pile up below it.

    Cameras of 12 and 14 bits that do not scale their counts end at 4095 and 16383. The light of a flat falls off
    towards its greatest values; only saturation gathers many samples exactly at the greatest one of all frames.
    """
    least = max(flat.saturated_fraction, HOT_PIXELS)
    piled = {g.peak for g in seen if g.at_peak > max(least, _STEEP * g.below_peak)}
    greatest = max((g.peak for g in seen), default=1.0)
    return greatest if piled == {greatest} else 1.0


def _unsigned(frame: Frame, glimpse: Glimpse) -> str | None:
    """Signed samples whose median is far below zero were written as unsigned ones, without the BZERO that says so."""
    if frame.sample == "int16" and glimpse.level < -_FAR_BELOW_ZERO:
        return (
            f"its samples are signed and their median is {glimpse.level * ADU:,.0f} ADU: BZERO = 32768 is missing "
            "from its header; export it anew, or add the keyword"
        )
    return None


def _cut_short(glimpse: Glimpse, whole: Sequence[Glimpse], centre: float) -> str | None:
    """A row that is zero in one frame and not in others is no masked row; nor does an offset of zero explain it."""
    if not glimpse.blank or glimpse in whole or not centre:
        return None
    return (
        f"about {glimpse.blank:.0%} of its rows, at one end of the frame, hold nothing but zero bytes, which those of "
        "other frames do not: a copy that broke off; copy it again"
    )


def _burnt_or_empty(glimpse: Glimpse, white: float, flat: FlatSettings) -> str | None:
    if glimpse.peak >= white and glimpse.at_peak > flat.saturated_fraction:
        where = "" if white >= 1 else f": they stand at {white * ADU:,.0f} ADU, and none above"
        return f"{glimpse.at_peak:.2%} of its samples are saturated (limit {flat.saturated_fraction:.2%}){where}"
    if glimpse.level > flat.drop_above:
        return f"its median is {_share(glimpse.level)}, above the limit of {percent(100 * flat.drop_above)}"
    if glimpse.level < flat.drop_below:
        limit = f"the limit of {percent(100 * flat.drop_below)} (flat.drop_below)"
        return f"its median is {_share(glimpse.level)}, below {limit}{_perhaps_12_bits(glimpse)}"
    for letter, level in glimpse.colours.items():
        if level > flat.drop_above:
            name = _COLOURS.get(letter, letter)
            limit = percent(100 * flat.drop_above)
            return f"the median of its {name} pixels is {_share(level)}, above the limit of {limit}"
    return None


def _perhaps_12_bits(glimpse: Glimpse) -> str:
    """Return what to do where a third of full well may be 2 % of 65535 (S3-21): no header tells of a camera's bits."""
    if glimpse.peak * ADU > _WHITE_OF_12_BITS:
        return ""
    return f"; a camera of 12 bits that does not scale its counts up ends at {_WHITE_OF_12_BITS} ADU: lower it for one"


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
    told = ", ".join(f"{_COLOURS.get(letter, letter)} {_share(level)}" for letter, level in faint.items())
    return f"the light leaves a colour almost dark: {told}; the master is noise there"


def _lit(glimpse: Glimpse, centre: float, quality: QualitySettings) -> str | None:
    """A dark or bias far above its group has seen light, or is another frame with a wrong type."""
    if glimpse.level - centre > quality.lit_dark_fraction:
        return (
            f"its median is {_share(glimpse.level)}, its group's {_share(centre)}: it has seen light, "
            "or is a light or flat with a wrong type"
        )
    return None


def _coloured(glimpse: Glimpse) -> str | None:
    """A dark is the same in all colours of a colour filter array, light is not.

    Pixels that share an amplifier may differ by row or column. Those of light differ by colour: of the four of a Bayer
    pattern the two green ones, on one diagonal, are alike.
    """
    if not glimpse.phases:
        return None
    first, second, third, fourth = glimpse.phases
    least, most = min(glimpse.phases), max(glimpse.phases)
    alike = min(abs(first - fourth), abs(second - third))
    apart = most - least
    if apart * ADU <= _COLOURED_ADU or apart <= _COLOURED * abs(glimpse.level) or alike > _ALIKE * apart:
        return None
    told = ", ".join(f"{level * ADU:,.0f}" for level in glimpse.phases)
    return f"its pixels of 2 x 2 have medians of {told} ADU, as of light through colour filters: it has seen light"


def _share(level: float) -> str:
    return f"{level * ADU:,.0f} ADU ({percent(100 * level)} of full scale)"
