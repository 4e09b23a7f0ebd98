"""What the path of another program's master tells where its header is silent: PixInsight leaves little in there."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from ap_masters import headers, layouts
from ap_masters.layouts import Naming
from ap_masters.model import DARKS, Decision, Frame, FrameType, GroupKey

_TEXTS: Final = ("camera", "camera_id", "telescope", "filter", "readout_mode", "bayer_pattern")
_NUMBERS: Final = ("exposure", "gain", "offset", "iso", "usb_limit", "x_binning", "y_binning", "rotation")
Value = str | float | date


def completed(frame: Frame, *, layout: str | None) -> Frame:
    """Return a master's frame with what its header and name left open, from its path as layouts write them.

    ``layout`` is asked first, then every one of this program (see ``layouts.readings``). A value that two of them read
    differently is not taken; each that is taken stands in the decisions, with the layout it was read by. The header
    always holds: where the path contradicts it, a warning says so, and nothing is taken from a path of another type.
    """
    if frame.type is None:  # names and folders have been asked for that: every layout has a word for it in them
        return frame
    found = layouts.readings(frame.path.absolute(), layout=layout)
    fitting = {name: named for name, named in found.items() if _is_of(frame.type, named.key.type)}
    frame = frame.model_copy(update={"warnings": (*frame.warnings, *_contradictions(frame, fitting))})
    for field, told in _told(frame, fitting).items():
        values = set(told.values())
        if len(values) == 1:
            frame = _with(frame, field, values.pop(), layouts_of=tuple(told))
        else:
            said = ", ".join(f"{value} by '{name}'" for name, value in told.items())
            frame = _decided(frame, field, "unknown", f"folders and name can be read in several ways: {said}")
    return frame


def _is_of(own: FrameType, named: FrameType) -> bool:
    """Say whether a path is of a master's type; several programs have no other word for dark flats than dark."""
    return own is named or {own, named} == DARKS


def _told(frame: Frame, found: Mapping[str, Naming]) -> Mapping[str, Mapping[str, Value]]:
    """Return what the layouts read of each property that is not known."""
    told: dict[str, dict[str, Value]] = {}
    for name, named in found.items():
        for field, value in _values(frame, named):
            told.setdefault(field, {})[name] = value
    return told


def _values(frame: Frame, named: Naming) -> Iterator[tuple[str, Value]]:
    """Yield the values of a path that the frame has not."""
    known = {field: layouts.value_of(named, field) for field in (*_TEXTS, *_NUMBERS)}
    if named.setup:
        parts = layouts.parts_of_setup(named.setup, telescope=frame.telescope, camera=frame.camera)
        known |= dict(zip(("telescope", "camera"), parts, strict=True))
    for field, value in known.items():
        if value is not None and getattr(frame, field) is None:
            yield field, value
    if named.key.temperature is not None and frame.temperature is None:
        yield "set_temperature", named.key.temperature
    if named.day is not None and frame.started is None and frame.night is None:
        yield "night", named.day


def _with(frame: Frame, field: str, value: Value, *, layouts_of: tuple[str, ...]) -> Frame:
    """Return the frame with a value out of its path."""
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    names = " and ".join(f"'{name}'" for name in layouts_of)
    reason = f"folders and name, as layout {names} has them, as the header does not say"
    return _decided(frame.model_copy(update={field: value}), field.replace("_", " "), shown, reason)


def _decided(frame: Frame, subject: str, verdict: str, reason: str) -> Frame:
    decision = Decision(subject=subject, verdict=verdict, reason=reason)
    return frame.model_copy(update={"decisions": (*frame.decisions, decision)})


def _contradictions(frame: Frame, found: Mapping[str, Naming]) -> Iterator[str]:
    """Yield what the path says otherwise than the header, but for numbers of which ``headers`` tells it of any name."""
    own = Naming(key=GroupKey.of(frame), telescope=frame.telescope, filter=frame.filter, first=frame.night)
    told = headers.numbers_named(frame.path)
    for name, named in found.items():
        for difference in layouts.differences(name, named, own):
            if difference.field not in told:
                told |= {difference.field}
                yield (
                    f"folders and name, as layout '{name}' has them, say {difference.field} {difference.said}, "
                    f"the header says {difference.own}"
                )
