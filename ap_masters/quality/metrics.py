"""What is measured on a master: one row per metric, each with its unit and its method. Pure.

Levels are in ADU of the 16-bit range (value in [0, 1] times 65535), whatever scale the file is stored in.
``docs/quality.md`` tells the limits of each.
"""

import math
from collections.abc import Callable
from statistics import fmean, median
from typing import NamedTuple

from ap_masters.images.scale import ADU
from ap_masters.model import DARKS, ROBUST_SIGMA, UNLIT, FrameType, Statistics
from ap_masters.quality import grid, levels
from ap_masters.record import Measure, Record

_UNEVEN = 0.02  # blocks are whole strips of 16 rows and so not quite equal: a slope is that much in doubt
_STEP_ERROR = 0.5  # ADU; cameras regulate their black level in steps of one

_ALL = UNLIT | {FrameType.FLAT}
_FLATS = frozenset({FrameType.FLAT})


def frame_levels(record: Record) -> list[float]:
    """Return the levels of the integrated frames in the order of time, ADU; empty unless all are known."""
    outcomes = [entry.outcome for entry in record.inputs]
    known = [o.level for o in outcomes if o is not None and o.level is not None]
    return [ADU * level for level in known] if len(known) == len(outcomes) else []


class Facts(NamedTuple):
    """One record and its statistics, which are known to be there."""

    record: Record
    statistics: Statistics

    @property
    def pixels(self) -> int:
        """Samples of one channel."""
        return self.record.master.width * self.record.master.height

    @property
    def median(self) -> float:
        """ADU."""
        return ADU * fmean(c.median for c in self.statistics.channels)

    @property
    def sigma(self) -> float:
        """Robust sigma of a pixel, ADU."""
        return ADU * ROBUST_SIGMA * fmean(c.mad for c in self.statistics.channels)

    @property
    def blocks(self) -> list[list[float]]:
        """Block medians, ADU."""
        return [[ADU * v for v in row] for row in self.statistics.grid]

    @property
    def block_error(self) -> float:
        """Standard error of one block's median, ADU."""
        count = len(self.statistics.grid) * len(self.statistics.grid[0])
        return self.sigma * grid.MEDIAN_ERROR / math.sqrt(max(1.0, self.pixels / count))

    @property
    def plane(self) -> grid.Plane:
        """The plane through the grid, ADU."""
        return grid.fit_plane(self.blocks, self.block_error)

    @property
    def offsets(self) -> list[float]:
        """Sensor temperature minus set-point of each frame that tells both, degrees."""
        return [
            e.sensor_temperature - e.set_temperature
            for e in self.record.inputs
            if e.sensor_temperature is not None and e.set_temperature is not None
        ]

    @property
    def temperatures(self) -> list[float]:
        """Sensor temperatures that are known."""
        return [e.sensor_temperature for e in self.record.inputs if e.sensor_temperature is not None]


class Estimate(NamedTuple):
    """A value with its standard error where one can be given, and what to add to the method."""

    value: float
    error: float | None = None
    note: str = ""


class Metric(NamedTuple):
    """One row of the table. ``physical_unit``: that of value times gain; None where electrons tell nothing."""

    name: str
    unit: str
    types: frozenset[FrameType]
    measure: Callable[[Facts], Estimate | None]
    method: str
    physical_unit: str | None = None


def _hot(facts: Facts) -> Estimate:
    count = sum(c.hot for c in facts.statistics.channels)
    return Estimate(count, _flicker(count))


def _cold(facts: Facts) -> Estimate:
    count = sum(c.cold for c in facts.statistics.channels)
    return Estimate(count, _flicker(count))


def _flicker(count: int) -> float:
    """Return how much a count of defects scatters from one master to the next of an unchanged sensor.

    Defects stay; only those within about one sigma of the threshold come and go with the noise. For a
    population that falls as 1/x to 1/x^1.5 above the threshold x of 5 sigma that is a variance of 0.11 to
    0.17 of the count (integral of p (1 - p) over the threshold, 0.56 sigma).
    """
    return math.sqrt(count / 8)


def _warm_fraction(facts: Facts) -> Estimate:
    hot, samples = _hot(facts), facts.pixels * len(facts.statistics.channels)
    return Estimate(100 * hot.value / samples, 100 * (hot.error or 0) / samples)


def _gradient(facts: Facts) -> Estimate | None:
    if not grid.is_usable(facts.statistics.grid):
        return None
    plane = facts.plane
    return Estimate(plane.range, math.hypot(plane.error, _UNEVEN * plane.range))


def _glow(facts: Facts) -> Estimate | None:
    exposure = facts.record.key.exposure
    if not exposure or not grid.is_usable(facts.statistics.grid):
        return None
    glow = grid.border_glow(facts.blocks, facts.block_error)
    return Estimate(glow.height / exposure, glow.error / exposure, f"brightest {glow.zone}")


def _banding(noise: float | None, facts: Facts, samples: int, slope: float) -> Estimate | None:
    """Return what is left of the scatter of line medians when white noise and the plane are taken off."""
    if noise is None:
        return None
    white = facts.sigma * grid.MEDIAN_ERROR / math.sqrt(samples)
    return Estimate(math.sqrt(max(0.0, (ADU * noise) ** 2 - white**2 - slope**2 / 12)))


def _row_banding(facts: Facts) -> Estimate | None:
    slope = facts.plane.down if grid.is_usable(facts.statistics.grid) else 0.0
    return _banding(facts.statistics.row_noise, facts, facts.record.master.width, slope)


def _column_banding(facts: Facts) -> Estimate | None:
    slope = facts.plane.across if grid.is_usable(facts.statistics.grid) else 0.0
    return _banding(facts.statistics.column_noise, facts, facts.record.master.height, slope)


def _fall_off(facts: Facts) -> Estimate | None:
    usable = grid.is_usable(facts.statistics.grid) and facts.median > 0
    return Estimate(100 * grid.fall_off(facts.blocks)) if usable else None


def _vignetting(facts: Facts) -> Estimate | None:
    if not grid.is_usable(facts.statistics.grid):
        return None
    return Estimate(grid.vignetting(facts.blocks), 2 * facts.block_error)


def _asymmetry(facts: Facts) -> Estimate | None:
    usable = grid.is_usable(facts.statistics.grid) and facts.median > 0
    return Estimate(100 * grid.asymmetry(facts.blocks)) if usable else None


def _flat_level(facts: Facts) -> Estimate | None:
    """Return how bright the flats were; where each was scaled to a median that was asked for, only they tell it."""
    if facts.record.recipe.target_median is None:
        return Estimate(100 * facts.median / ADU)
    known = frame_levels(facts.record)
    return Estimate(100 * median(known) / ADU, note="of the frames, before they were scaled") if known else None


def _flat_spread(facts: Facts) -> Estimate | None:
    return Estimate(_stddev(facts).value / ADU)


def _level_spread(facts: Facts) -> Estimate | None:
    known = frame_levels(facts.record)
    return Estimate(max(known) - min(known)) if known else None


def _warm_up(facts: Facts) -> Estimate | None:
    known = frame_levels(facts.record)
    return Estimate(levels.warm_up(known)) if known else None


def _temperature_spread(facts: Facts) -> Estimate | None:
    known = facts.temperatures
    return Estimate(max(known) - min(known)) if known else None


def _excursion(facts: Facts) -> Estimate | None:
    known = facts.offsets
    return Estimate(max(abs(o) for o in known)) if known else None


def _cooler_offset(facts: Facts) -> Estimate | None:
    known = facts.offsets
    return Estimate(fmean(known)) if known else None


def _peak(facts: Facts) -> Estimate:
    return Estimate(100 * max(c.maximum for c in facts.statistics.channels))


def _cooler_power(facts: Facts) -> Estimate | None:
    known = [e.cooler_power for e in facts.record.inputs if e.cooler_power is not None]
    return Estimate(max(known)) if known else None


def _rejected(facts: Facts, low: bool) -> Estimate | None:
    told = facts.record.rejected
    if told is None or not told.samples:
        return None
    return Estimate(100 * (told.low if low else told.high) / told.samples)


def _level(facts: Facts, field: str) -> Estimate:
    return Estimate(ADU * fmean(getattr(c, field) for c in facts.statistics.channels), _STEP_ERROR)


def _stddev(facts: Facts) -> Estimate:
    return Estimate(ADU * fmean(c.stddev for c in facts.statistics.channels))


METRICS: tuple[Metric, ...] = (
    Metric("median", "ADU", _ALL, lambda f: _level(f, "median"), "median of all samples, mean of the channels"),
    Metric("mean", "ADU", _ALL, lambda f: _level(f, "mean"), "mean of all samples"),
    Metric("stddev", "ADU", _ALL, _stddev, "standard deviation of all samples (n - 1)", "e-"),
    Metric("robust sigma", "ADU", _ALL, lambda f: Estimate(f.sigma), "1.4826 x median absolute deviation", "e-"),
    Metric("hot pixels", "", _ALL, _hot, "samples more than 5 robust sigma above the median"),
    Metric("cold pixels", "", _ALL, _cold, "samples more than 5 robust sigma below the median"),
    Metric("warm fraction", "%", UNLIT, _warm_fraction, "hot pixels / all samples"),
    Metric("gradient", "ADU", _ALL, _gradient, "range of the plane through the block medians (Theil-Sen)", "e-"),
    Metric(
        "vignetting", "ADU", UNLIT, _vignetting, "centre blocks above the brightest of the four corner blocks", "e-"
    ),
    Metric("amp glow", "ADU/s", DARKS, _glow, "brightest border zone above the centre", "e-/s"),
    Metric("row banding", "ADU", UNLIT, _row_banding, "scatter of row medians beyond white noise and plane", "e-"),
    Metric("column banding", "ADU", UNLIT, _column_banding, "the same of column medians", "e-"),
    Metric("flat level", "%", _FLATS, _flat_level, "median / full scale"),
    Metric("flat spread", "", _FLATS, _flat_spread, "standard deviation in [0, 1]"),
    Metric("fall-off", "%", _FLATS, _fall_off, "mean corner block against the centre blocks"),
    Metric("asymmetry", "%", _FLATS, _asymmetry, "larger difference of opposite halves / centre"),
    Metric("peak", "%", _ALL, _peak, "largest sample / full scale"),
    Metric("rejected low", "%", _ALL, lambda f: _rejected(f, low=True), "samples rejected low / all samples"),
    Metric("rejected high", "%", _ALL, lambda f: _rejected(f, low=False), "samples rejected high / all samples"),
    Metric("level spread", "ADU", UNLIT, _level_spread, "highest minus lowest frame median"),
    Metric("warm-up frames", "", UNLIT, _warm_up, "first frames off the level of the second half"),
    Metric("temperature spread", "°C", _ALL, _temperature_spread, "largest minus smallest sensor temperature"),
    Metric("temperature excursion", "°C", _ALL, _excursion, "largest |sensor - set-point|"),
    Metric("cooler offset", "°C", _ALL, _cooler_offset, "mean of sensor - set-point"),
    Metric("cooler power", "%", _ALL, _cooler_power, "largest load of the cooler"),
)


def measures(record: Record) -> tuple[Measure, ...]:
    """Return all that can be measured from the statistics and frames in ``record``; empty without statistics.

    Without an EGAIN in the header physical values are left out.
    """
    if record.statistics is None or not record.statistics.channels:
        return ()
    facts = Facts(record, record.statistics)
    gain = record.electrons_per_adu
    measured = []
    for metric in METRICS:
        if record.key.type not in metric.types:
            continue
        estimate = metric.measure(facts)
        if estimate is not None:
            measured.append(_as_measure(metric, estimate, gain))
    return tuple(measured)


def _as_measure(metric: Metric, estimate: Estimate, gain: float | None) -> Measure:
    known = gain is not None and metric.physical_unit is not None
    return Measure(
        name=metric.name,
        value=estimate.value,
        unit=metric.unit,
        physical=estimate.value * gain if known and gain is not None else None,
        physical_unit=metric.physical_unit if known else None,
        method=f"{metric.method}; {estimate.note}" if estimate.note else metric.method,
        error=estimate.error,
    )


def value_of(measured: tuple[Measure, ...], name: str) -> Measure | None:
    """Return the measure of that name, or None."""
    return next((m for m in measured if m.name == name), None)
