"""Which frames of a group are left out before integration, each with the reason; never silently."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ap_masters.config import CullSettings
from ap_masters.model import Frame, FrameType, Reason, SetAside
from ap_masters.model.orientation import row_order
from ap_masters.model.tolerances import inclusive
from ap_masters.wording import degrees, percent

_ANY_TIME = datetime.min.replace(tzinfo=UTC)


class Culled(NamedTuple):
    """The frames that stay, those that go, and what there is to say of those that stay."""

    kept: tuple[Frame, ...]
    dropped: tuple[SetAside, ...]
    warnings: tuple[str, ...] = ()


def in_time(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames in the order they were taken: by start, then path; those without a start come last."""
    return sorted(frames, key=lambda frame: (frame.started is None, frame.started or _ANY_TIME, frame.path))


def cull(frame_type: FrameType, frames: Sequence[Frame], settings: CullSettings) -> Culled:
    """Leave out what does not belong in a group of ``frames``: first of a run, excursions, another kind of file."""
    ordered = in_time(frames)
    count = settings.discard_first.of(frame_type)
    kept, first = _without_first(ordered, count)
    kept, calibrated = _without_calibrated(kept)
    kept, strangers, mixed = _without_strangers(kept)
    kept, excursions = _without_excursions(kept, settings.drop_temperature_c)
    warnings = (
        *_order_warnings(ordered, count),
        *mixed,
        *_temperature_warnings(kept, settings.warn_temperature_c),
        *_cooler_warnings(kept, settings.warn_cooler_percent),
    )
    return Culled(tuple(kept), (*first, *calibrated, *strangers, *excursions), warnings)


def _without_first(frames: list[Frame], count: int) -> tuple[list[Frame], list[SetAside]]:
    detail = f"one of the first {count} of its group, which are discarded while the camera settles"
    first = [SetAside(path=frame.path, reason=Reason.DISCARDED_FIRST, detail=detail) for frame in frames[:count]]
    return frames[count:], first


def _order_warnings(frames: list[Frame], count: int) -> list[str]:
    timeless = sum(frame.started is None for frame in frames)
    if not count or not timeless:
        return []
    return [f"{timeless} of {len(frames)} frames do not say when they were taken: their names decide which are first"]


def _without_calibrated(frames: list[Frame]) -> tuple[list[Frame], list[SetAside]]:
    """Drop frames from which more has been subtracted than from others: as they are, they are of another kind.

    Raw frames stay where there are any, whatever their number; else those that most are like.
    """
    states = Counter(frame.calibration_state for frame in frames)
    if len(states) <= 1:
        return frames, []
    state = None if None in states else states.most_common(1)[0][0]
    wanted = "the group has raw frames" if state is None else f"the group has frames in state {state}"
    strangers = [
        SetAside(
            path=frame.path,
            reason=Reason.CALIBRATED,
            detail=f"calibration state {frame.calibration_state or 'none'}, where {wanted}",
        )
        for frame in frames
        if frame.calibration_state != state
    ]
    return [frame for frame in frames if frame.calibration_state == state], strangers


def _without_strangers(frames: list[Frame]) -> tuple[list[Frame], list[SetAside], list[str]]:
    """Drop frames of another sample type or row order than most: integrated together they would be nonsense.

    Frames that do not state a row order go with those that do, with a warning. Of equally many, the type (or
    order) of the first frame in time stays.
    """
    if len({(frame.sample, _rows(frame)) for frame in frames}) <= 1:
        return frames, [], []
    samples = Counter(frame.sample for frame in frames).most_common(1)[0][0]
    orders = Counter(rows for frame in frames if (rows := _rows(frame))).most_common(1)
    order = orders[0][0] if orders else None
    kept, strangers = [], []
    for frame in frames:
        if frame.sample != samples:
            detail = f"{frame.sample} samples, where the group has {samples}"
        elif _rows(frame) not in {order, None}:
            detail = f"rows {_rows(frame)}, where the group has them {order}"
        else:
            kept.append(frame)
            continue
        strangers.append(SetAside(path=frame.path, reason=Reason.GEOMETRY, detail=detail))
    silent = sum(_rows(frame) is None for frame in kept)
    if order is None or not silent:
        return kept, strangers, []
    return kept, strangers, [f"{silent} of {len(kept)} frames do not state the order of their rows: taken as {order}"]


def _rows(frame: Frame) -> str | None:
    """Return the order of a frame's rows, where it is known."""
    return row_order(frame.row_order, frame.format)


def _without_excursions(frames: list[Frame], limit: float) -> tuple[list[Frame], list[SetAside]]:
    kept, dropped = [], []
    for frame in frames:
        detail = off_set_point(frame, limit)
        if detail is None:
            kept.append(frame)
        else:
            dropped.append(SetAside(path=frame.path, reason=Reason.TEMPERATURE, detail=detail))
    return kept, dropped


def off_set_point(frame: Frame, limit: float) -> str | None:
    """Return in words how far the sensor was from its set-point, where that is more than ``limit`` °C."""
    if frame.excursion is None or frame.set_temperature is None or frame.excursion <= inclusive(limit):
        return None
    return (
        f"sensor at {frame.sensor_temperature:.2f} °C, {frame.excursion:.2f} °C from the set-point of "
        f"{degrees(frame.set_temperature)} (limit {degrees(limit)})"
    )


def _temperature_warnings(frames: Sequence[Frame], limit: float) -> list[str]:
    """Return warnings on frames beyond the limit, and on a sensor that wandered further than it."""
    beyond = [frame.excursion for frame in frames if frame.excursion is not None and frame.excursion > inclusive(limit)]
    measured = [frame.sensor_temperature for frame in frames if frame.sensor_temperature is not None]
    spread = max(measured) - min(measured) if measured else 0.0
    warnings = []
    if beyond:
        warnings.append(
            f"{len(beyond)} of {len(frames)} frames are more than {degrees(limit)} from the set-point, at most "
            f"{max(beyond):.2f} °C"
        )
    if spread > inclusive(limit):
        warnings.append(f"the sensor wandered by {spread:.2f} °C, more than {degrees(limit)}")
    return warnings


def _cooler_warnings(frames: Sequence[Frame], limit: float) -> list[str]:
    """Return a warning on frames with so much load of the cooler: it had nothing left for a warmer night."""
    count = sum(frame.cooler_power is not None and frame.cooler_power >= limit for frame in frames)
    power = percent(limit)
    return [f"the cooler ran at {power} of its power or more in {count} of {len(frames)} frames"] if count else []
