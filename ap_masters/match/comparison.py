"""Which fields of a master have to agree with the frames it would serve, and the difference in words where not."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

from ap_masters.config import MatchSettings
from ap_masters.model import Frame, FrameType, GroupKey, Master, turned, within, zoomed
from ap_masters.model.orientation import are_turned, row_order
from ap_masters.safe import ascii_text, path_component
from ap_masters.wording import degrees

Value = str | float | tuple[int, ...]
Span = tuple[datetime, datetime]


class Rule(NamedTuple):
    """One field of a key that has to agree, within the tolerance that the setting of that name gives."""

    field: str
    value: Callable[[GroupKey], Value | None]
    tolerance: str = ""
    unit: str = ""


class Difference(NamedTuple):
    """A field that does not agree, in words; ``unknown`` where one side does not know it."""

    field: str
    text: str
    unknown: bool = False


class Wanted(NamedTuple):
    """What has to be served. ``longest`` is set where exposures differ; ``have`` as in "the flats have".

    ``rows`` is the order of their rows, where all tell the same.
    """

    have: str
    key: GroupKey
    longest: float | None
    span: Span | None
    rows: str | None = None


def _binning(key: GroupKey) -> Value | None:
    return None if key.x_binning is None else (key.x_binning, key.y_binning or key.x_binning)


def _geometry(key: GroupKey) -> Value | None:
    return None if key.width is None or key.height is None else (key.width, key.height, key.channels or 1)


_CELSIUS: Final = " °C"
_TEMPERATURE = Rule("temperature", lambda key: key.temperature, "temperature_tolerance_c", _CELSIUS)
_FLAT_TEMPERATURE = _TEMPERATURE._replace(tolerance="flat_temperature_tolerance_c")
_EXPOSURE = Rule("exposure", lambda key: key.exposure, "exposure_tolerance_s", " s")
_GAIN = Rule("gain", lambda key: key.gain)
_OFFSET = Rule("offset", lambda key: key.offset)

_SENSOR = (
    Rule("camera", lambda key: key.camera),
    Rule("camera id", lambda key: key.camera_id),
    Rule("geometry", _geometry),
    Rule("window", lambda key: "at {},{}".format(*(key.origin or (0, 0)))),
    Rule("binning", _binning),
    Rule("readout mode", lambda key: key.readout_mode),
)
_READING = (
    *_SENSOR,
    _GAIN,
    _OFFSET,
    Rule("ISO", lambda key: key.iso),
    Rule("USB limit", lambda key: key.usb_limit),
)

# For each type of master what has to agree, the weightiest first: the first that does not agree decides.
# Dates and filters never keep a bias or a dark from serving (S4-18), nor does the telescope.
RULES: Final = {
    FrameType.BIAS: (*_READING, _TEMPERATURE),
    FrameType.DARK: (*_READING, _TEMPERATURE, _EXPOSURE),
    FrameType.DARK_FLAT: (*_READING, _FLAT_TEMPERATURE, _EXPOSURE),
    FrameType.FLAT: (*_SENSOR, Rule("filter", lambda key: key.filter), _FLAT_TEMPERATURE),
}
# What a light and its flat should share (S2-29). Three programs write the mount as the telescope, so that a
# difference is worth a warning and no more.
_ROTATION = Rule("rotator angle", lambda key: key.rotation, unit="°")
_FOCAL_LENGTH = Rule("focal length", lambda key: key.focal_length, unit=" mm")
_ADVICE: Final = (Rule("telescope", lambda key: key.telescope), _FOCAL_LENGTH, _ROTATION, _GAIN, _OFFSET)

_NIGHT: Final = timedelta(days=1)  # noon to noon
_SAME = 1e-6  # 100 and 100.0000001 are one gain
_HELD_C: Final = 0.3  # what a cooler lets the sensor wander while frames are taken (S0-18, S1-04)


def close(a: float, b: float, tolerance: float) -> bool:
    """Whether two numbers are within ``tolerance``, inclusive, or one but for the digits that a header cuts off."""
    return within(a, b, max(tolerance, _SAME))


def show(value: Value, unit: str = "") -> str:
    """Return a value for a message."""
    if isinstance(value, tuple):
        return "x".join(str(n) for n in (value[:2] if value[2:] == (1,) else value))
    if isinstance(value, str):
        return value
    return degrees(value, unit) if unit == _CELSIUS else f"{value:.10g}{unit}"


def wanted(have: str, key: GroupKey, frames: Sequence[Frame], settings: MatchSettings) -> Wanted:
    """Return what ``frames`` of the group ``key`` need.

    Where the group has no exposure of its own (sky flats), the shortest of its frames stands for it, as in
    ap-master-calibration, and no dark equals it unless all are equal.
    """
    exposures = sorted(f.exposure for f in frames if f.exposure is not None)
    longest = None
    if key.exposure is None and exposures:
        key = key.model_copy(update={"exposure": exposures[0]})
        longest = None if close(exposures[-1], exposures[0], settings.exposure_tolerance_s) else exposures[-1]
    starts = sorted(aware(f.started) for f in frames if f.started)
    orders = {row_order(frame.row_order, frame.format) for frame in frames}
    rows = orders.pop() if len(orders) == 1 else None
    return Wanted(have, key, longest, (starts[0], starts[-1]) if starts else _noon_to_noon(key.night), rows)


def differences(key: GroupKey, want: Wanted, settings: MatchSettings) -> Iterator[Difference]:
    """Yield what keeps a master of ``key`` from serving, the weightiest first."""
    for rule in RULES[key.type]:
        if rule is _TEMPERATURE and key.type is FrameType.BIAS and settings.bias_ignores_temperature:
            continue
        mine, theirs = rule.value(key), rule.value(want.key)
        if mine is None or theirs is None:
            if mine is not theirs:
                yield Difference(rule.field, _words(rule, mine, theirs, want), unknown=True)
        elif not _agree(rule, mine, theirs, want, settings):
            yield Difference(rule.field, _words(rule, mine, theirs, want))


def advice(key: GroupKey, want: Wanted) -> list[str]:
    """Return what a flat master of ``key`` and a light should share and do not."""
    within_slack = {_ROTATION: not is_turned(key, want), _FOCAL_LENGTH: not is_zoomed(key, want)}
    pairs = [(rule, rule.value(key), rule.value(want.key)) for rule in _ADVICE]
    known = ((rule, a, b) for rule, a, b in pairs if a is not None and b is not None)
    return [_words(rule, a, b, want) for rule, a, b in known if not within_slack.get(rule, a == b)]


def lies_otherwise(master: Master, want: Wanted) -> str | None:
    """Return in words why a pixel of ``master`` is not that of a light; None where it is, or nobody knows.

    A build turns the masters of its flats over by itself. Turned rows make RGGB a GBRG, for some programs and not for
    others: the pattern of such is not compared.
    """
    if want.key.type is not FrameType.LIGHT:
        return None
    if are_turned(master.row_order, want.rows):
        return f"rows {master.row_order}, {want.have} {want.rows}; turn one over before they meet"
    mine, theirs = master.key.bayer_pattern, want.key.bayer_pattern
    if mine is None or theirs is None or mine == theirs:
        return None
    return f"Bayer pattern {mine}, {want.have} {theirs}; their colours would be mixed up"


def degrees_apart(key: GroupKey, want: Wanted) -> float:
    """Return how far a master's temperature is from the one wanted, beyond what a cooler holds; 0 where unknown.

    Dark current grows by a tenth with a degree: that is more than a sensor changes in weeks.
    """
    mine, theirs = key.temperature, want.key.temperature
    if mine is None or theirs is None or within(mine, theirs, _HELD_C):
        return 0.0
    return round(abs(mine - theirs) - _HELD_C, 6)  # -10.5 and -9.5 are as far from -10


def is_turned(key: GroupKey, want: Wanted) -> bool:
    """Say whether a flat was taken at another angle of the rotator than the lights, as far as both are known."""
    return key.rotation is not None and want.key.rotation is not None and turned(key.rotation, want.key.rotation)


def is_zoomed(key: GroupKey, want: Wanted) -> bool:
    """Say whether a flat was taken at another focal length than the lights, as far as both are known."""
    mine, theirs = key.focal_length, want.key.focal_length
    return mine is not None and theirs is not None and zoomed(mine, theirs)


def _agree(rule: Rule, mine: Value, theirs: Value, want: Wanted, settings: MatchSettings) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        tolerance: float = getattr(settings, rule.tolerance) if rule.tolerance else 0.0
        return close(mine, theirs, tolerance) and (rule is not _EXPOSURE or want.longest is None)
    return mine == theirs or (isinstance(mine, str) and isinstance(theirs, str) and _same_in_names(mine, theirs))


def _same_in_names(mine: str, theirs: str) -> bool:
    """Whether file names or FITS headers spell two texts alike: what is known of a master from these alone.

    Spaces, signs and accents cannot tell them apart. Letters that neither can spell might.
    """
    one, other = ascii_text(mine), ascii_text(theirs)
    return "?" not in one + other and path_component(one, fallback=one) == path_component(other)


def _words(rule: Rule, mine: Value | None, theirs: Value | None, want: Wanted) -> str:
    here = "not known" if mine is None else show(mine, rule.unit)
    there = "none" if theirs is None else show(theirs, rule.unit)
    if rule is _EXPOSURE and want.longest is not None:
        there += f" to {show(want.longest, rule.unit)}"
    text = f"{rule.field} {here}, {want.have} {there}"
    if isinstance(mine, str) and isinstance(theirs, str) and mine.casefold().split() == theirs.casefold().split():
        text += " (only blanks or capitals differ)"
    return text


# --- time -------------------------------------------------------------------------------------------------


def aware(moment: datetime) -> datetime:
    """Return ``moment`` with a zone; one without is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def gap(want: Wanted, master: Master) -> float | None:
    """Return the seconds between the frames and those of ``master``: negative where the master's are earlier.

    Each has a span, from the start of its first exposure to the start of its last; the gap is what lies
    between the two, 0 where they overlap, None where a time is not known. Of frames whose night alone is
    known the span is that night, noon to noon UTC. A master of more than a night has frames at both ends
    and who knows where between: the nearer end counts.
    """
    span = _span(master)
    if want.span is None or span is None:
        return None
    parts = [span] if span[1] - span[0] <= _NIGHT else [(end, end) for end in span]
    return min((_between(want.span, part) for part in parts), key=abs)


def reach(want: Wanted, master: Master) -> float | None:
    """Return the seconds from the frames to the farthest frame of ``master``, 0 or more; None where that is not known.

    Of a master whose night alone is known it is the gap: where in the night its frames are nobody knows.
    """
    nearest, span = gap(want, master), _span(master)
    if nearest is None or want.span is None or span is None:
        return None
    if master.started is None and master.ended is None:
        return abs(nearest)
    return max(abs(_between(want.span, (end, end))) for end in span)


def _span(master: Master) -> Span | None:
    first = master.started or master.ended
    return (aware(first), aware(master.ended or first)) if first else _noon_to_noon(master.key.night)


def _between(frames: Span, other: Span) -> float:
    """Return the seconds from one span to another: negative where the other is earlier, 0 where they overlap."""
    if other[0] > frames[1]:
        return (other[0] - frames[1]).total_seconds()
    return min(0.0, (other[1] - frames[0]).total_seconds())


def _noon_to_noon(night: date | None) -> Span | None:
    if night is None:
        return None
    noon = datetime.combine(night, time(12), UTC)
    return noon, noon + _NIGHT
