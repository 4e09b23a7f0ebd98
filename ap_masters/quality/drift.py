"""A master against its predecessor: what has drifted, and by how much."""

from collections.abc import Iterator
from typing import NamedTuple

from ap_masters.model import DARKS, UNLIT, FrameType, GroupKey, both_within, within
from ap_masters.quality.case import SIGNIFICANT, Case, beyond, told
from ap_masters.quality.metrics import value_of
from ap_masters.record import Finding, Measure, Record
from ap_masters.wording import percent

_SAME_COUNT = 0.10  # frame counts within 10 % make masters of the same noise


class Drift(NamedTuple):
    """A metric that is compared with the predecessor. ``by_count``: it depends on how many frames there were."""

    metric: str
    types: frozenset[FrameType]
    service: bool = False
    by_count: bool = False


# S0-16, S0-33, S1-08, S1-25. Flats are not here: their level is the lamp's, not the camera's.
DRIFTS: tuple[Drift, ...] = (
    Drift("median", UNLIT, service=True),
    Drift("mean", UNLIT),
    Drift("stddev", UNLIT, by_count=True),
    Drift("hot pixels", UNLIT, by_count=True),
    Drift("amp glow", DARKS),
)


_SAME_FIELDS = (
    "type",
    "camera",
    "camera_id",
    "gain",
    "offset",
    "iso",
    "x_binning",
    "y_binning",
    "width",
    "height",
    "x_origin",
    "y_origin",
    "readout_mode",
    "usb_limit",
)
_SAME_TEMPERATURE = 0.5  # degrees; the set-point is one number, the centre of a cluster of readings is not
_SAME_EXPOSURE = 0.001  # seconds


def same_settings(a: GroupKey, b: GroupKey) -> bool:
    """Whether two masters were taken with the same camera in the same mode, set-point and exposure.

    Flats through the same filter, too; a dark flat merely carries the name of one.
    """
    if any(getattr(a, name) != getattr(b, name) for name in _SAME_FIELDS):
        return False
    if a.type is FrameType.FLAT and a.filter != b.filter:
        return False
    same_temperature = both_within(a.temperature, b.temperature, _SAME_TEMPERATURE)
    return same_temperature and both_within(a.exposure, b.exposure, _SAME_EXPOSURE)


def comparable(record: Record, predecessor: Record) -> bool:
    """Whether drift between two masters means anything: same settings, and the same things subtracted."""
    states = [r.calibration.state if r.calibration else "" for r in (record, predecessor)]
    return states[0] == states[1] and same_settings(record.key, predecessor.key)


def drifts(case: Case) -> Iterator[Finding]:
    """Yield every metric that has moved beyond its limit (S0-16, S0-33, S1-08, S1-25)."""
    if case.predecessor is None:
        return
    for drift in DRIFTS:
        new, old = value_of(case.measured, drift.metric), value_of(case.predecessor.measures, drift.metric)
        if case.type in drift.types and new is not None and old is not None:
            yield from _compare(drift, new, _at_equal_count(drift, old, case), case)


def _at_equal_count(drift: Drift, old: Measure, case: Case) -> Measure:
    """Return the old scatter as it would be with the new number of frames, where the noise of a frame is known.

    The scatter of a master is its fixed pattern plus the noise of a frame over the square root of their number.
    """
    noise = case.value("frame noise")
    before, now = len(case.predecessor.inputs) if case.predecessor else 0, len(case.record.inputs)
    if drift.metric != "stddev" or noise is None or not before or not now:
        return old
    variance = old.value**2 + noise**2 * (1 / now - 1 / before)
    return old.model_copy(update={"value": max(variance, 0.0) ** 0.5})


def _compare(drift: Drift, new: Measure, old: Measure, case: Case) -> Iterator[Finding]:
    settings = case.settings
    noise = ((new.error or 0) ** 2 + (old.error or 0) ** 2) ** 0.5
    if not beyond(new.value, old.value, settings.refresh_percent):
        return
    if not abs(new.value - old.value) > SIGNIFICANT * noise:
        return
    before, now = len(case.predecessor.inputs) if case.predecessor else 0, len(case.record.inputs)
    change = _change(new, old)
    corrected = drift.metric == "stddev" and case.value("frame noise") is not None
    if drift.by_count and not corrected and abs(now - before) > _SAME_COUNT * before:
        yield told("note", new, f"{change}; made of {now} frames instead of {before}, so this is no drift")
        return
    if drift.service and beyond(new.value, old.value, settings.service_percent):
        advice = "schedule cooler service, look for moisture or a light leak"
        yield told("service", new, f"{change} at the same set-point: {advice}", settings.service_percent)
        if settings.service_refuses:
            yield told("refuse", new, f"{change}: kept back until someone has looked at it")
        return
    yield told("refresh", new, f"{change}: refresh the masters of this camera", settings.refresh_percent)


def _change(new: Measure, old: Measure) -> str:
    unit = f" {new.unit}" if new.unit else ""
    if not old.value:
        return f"{new.name} {new.value:.4g}{unit} after 0"
    change = percent(100 * (new.value - old.value) / abs(old.value), signed=True)
    return f"{new.name} {new.value:.5g}{unit}, {change} against the {old.value:.5g}{unit} of its predecessor"


def cooler(case: Case) -> Iterator[Finding]:
    """Yield a sensor that stands otherwise against its set-point than last time (S0-15)."""
    if case.predecessor is None:
        return
    new, old = case.value("cooler offset"), value_of(case.predecessor.measures, "cooler offset")
    limit = case.settings.cooler_change_c
    if new is not None and old is not None and not within(new, old.value, limit):
        message = f"the sensor stood {old.value:+.2f} °C off its set-point, now {new:+.2f} °C: look at the cooler"
        yield Finding(
            severity="refresh", metric="cooler offset", message=message, value=new - old.value, limit=limit, unit="°C"
        )
