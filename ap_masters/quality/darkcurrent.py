"""Dark current and its doubling temperature, from the levels of the masters a library already holds. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from ap_masters.model import DARKS, UNLIT, FrameType, GroupKey, Noun
from ap_masters.record import Measure
from ap_masters.wording import degrees

_BLACK_ERROR = 5.0  # ADU; black levels of masters of one mode differ by less
_LEAST_RANGE = 2.0  # degrees between the coldest and the warmest series, before a doubling is spoken of


class Level(NamedTuple):
    """The level of one master in ADU; ``gain`` in e-/ADU where it is known."""

    key: GroupKey
    adu: float
    gain: float | None = None


class DarkSeries(Noun):
    """Masters that differ in exposure only. ``black_level`` is the level at exposure zero, in ADU."""

    camera: str | None
    settings: str
    temperature: float | None
    exposures: tuple[float, ...]
    adu_per_second: float
    error: float | None
    black_level: float
    electrons_per_second: float | None = None


class Doubling(Noun):
    """How many degrees double the dark current, from series at several temperatures."""

    camera: str | None
    settings: str
    temperatures: tuple[float, ...]
    degrees: float


def dark_series(levels: Iterable[Level]) -> tuple[DarkSeries, ...]:
    """Return one straight line per camera, mode and set-point that has masters at two exposures or more.

    A bias counts as exposure zero. Least squares; with three masters or more the error follows from their
    distances to the line. Cameras that hold their black level constant show no slope here.
    """
    groups: dict[tuple[object, ...], list[Level]] = defaultdict(list)
    for level in levels:
        if level.key.type in UNLIT:
            groups[_mode(level.key), level.key.temperature].append(level)
    lines = [_line(members) for members in groups.values()]
    return tuple(sorted((line for line in lines if line), key=lambda s: (s.settings, s.temperature or 0.0)))


def doublings(series: Sequence[DarkSeries]) -> tuple[Doubling, ...]:
    """Return the doubling temperature per camera and mode, by a straight line through ln(dark current)."""
    groups: dict[tuple[str | None, str], list[tuple[float, float]]] = defaultdict(list)
    for line in series:
        if line.temperature is not None and line.adu_per_second > 0:
            groups[line.camera, line.settings].append((line.temperature, math.log(line.adu_per_second)))
    found = []
    for (camera, settings), points in sorted(groups.items(), key=lambda item: str(item[0])):
        temperatures = sorted(t for t, _ in points)
        if temperatures[-1] - temperatures[0] < _LEAST_RANGE:
            continue
        slope, _, _ = fit_line(points)
        if slope > 0:
            degrees = math.log(2) / slope
            found.append(Doubling(camera=camera, settings=settings, temperatures=tuple(temperatures), degrees=degrees))
    return tuple(found)


def dark_measures(key: GroupKey, levels: Iterable[Level]) -> tuple[Measure, ...]:
    """Return dark current, doubling temperature and the level that is to be expected of one dark.

    From it and the library's other masters.
    """
    known = [level for level in levels if _mode(level.key) == _mode(key)]
    series = dark_series(known)
    own = next((s for s in series if s.temperature == key.temperature), None)
    if key.type is not FrameType.DARK or own is None:
        return ()
    count = len(own.exposures)
    measured = [
        Measure(
            name="dark current",
            value=own.adu_per_second,
            unit="ADU/s",
            error=own.error,
            physical=own.electrons_per_second,
            physical_unit="e-/s" if own.electrons_per_second is not None else None,
            method=f"straight line through the medians of {count} masters of {_seconds(own.exposures)}",
        )
    ]
    measured += [
        Measure(
            name="doubling temperature",
            value=found.degrees,
            unit="°C",
            method=f"dark current at {', '.join(degrees(t, '') for t in found.temperatures)} °C",
        )
        for found in doublings(series)
    ]
    return (*measured, *_foretold(key, known))


def _foretold(key: GroupKey, known: Sequence[Level]) -> Iterator[Measure]:
    """Yield the level that the bias and the longest of the shorter darks of one temperature let a dark have."""
    if key.temperature is None or key.exposure is None:
        return
    alike = [level for level in known if level.key.temperature == key.temperature]
    biases = [level.adu for level in alike if level.key.type is FrameType.BIAS]
    darks = [(level.key.exposure or 0.0, level.adu) for level in alike if level.key.type in DARKS]
    shorter = [(exposure, adu) for exposure, adu in darks if 0 < exposure < key.exposure]
    if not biases or not shorter:
        return
    exposure, adu = max(shorter)
    black, times = fmean(biases), key.exposure / exposure
    yield Measure(
        name="foretold level",
        value=black + max(adu - black, 0.0) * times,
        unit="ADU",
        error=_BLACK_ERROR * times,
        method=f"straight line from the bias through the dark of {exposure:g} s",
    )


def fit_line(points: Sequence[tuple[float, float]]) -> tuple[float, float, float | None]:
    """Return slope, value at zero and the slope's standard error (None below three points) by least squares."""
    x_mean, y_mean = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = math.fsum((x - x_mean) ** 2 for x, _ in points)
    slope = math.fsum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    start = y_mean - slope * x_mean
    if len(points) < 3:
        return slope, start, None
    rest = math.fsum((y - start - slope * x) ** 2 for x, y in points) / (len(points) - 2)
    return slope, start, math.sqrt(rest / spread)


def _line(members: Sequence[Level]) -> DarkSeries | None:
    # Several masters of one exposure (a dark and a dark flat, two cards of one bias) count as their mean.
    by_exposure: dict[float, list[float]] = defaultdict(list)
    for member in members:
        exposure = 0.0 if member.key.type is FrameType.BIAS else member.key.exposure
        if exposure is not None:
            by_exposure[exposure].append(member.adu)
    if len(by_exposure) < 2:
        return None
    points = [(exposure, fmean(values)) for exposure, values in sorted(by_exposure.items())]
    slope, start, error = fit_line(points)
    gains = {m.gain for m in members if m.gain}
    key = members[0].key
    return DarkSeries(
        camera=key.camera,
        settings=_describe(key),
        temperature=key.temperature,
        exposures=tuple(exposure for exposure, _ in points),
        adu_per_second=slope,
        error=error,
        black_level=start,
        electrons_per_second=slope * gains.pop() if len(gains) == 1 else None,
    )


def _mode(key: GroupKey) -> tuple[object, ...]:
    return (
        key.camera,
        key.camera_id,
        key.gain,
        key.offset,
        key.iso,
        key.x_binning,
        key.y_binning,
        key.width,
        key.height,
        key.origin,
        key.readout_mode,
        key.usb_limit,
    )


def _describe(key: GroupKey) -> str:
    bare = key.model_copy(update={"type": FrameType.DARK, "exposure": None, "temperature": None, "night": None})
    return bare.describe().removeprefix("dark, ").removeprefix("dark")


def _seconds(exposures: Sequence[float]) -> str:
    return ", ".join(f"{e:g}" for e in exposures) + " s"
