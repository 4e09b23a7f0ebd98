"""Plots as numbers: where points, lines, bands and labels go in an SVG; the template draws them. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

WIDTH: Final = 340
HEIGHT: Final = 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 12, 12, 26
_TICKS = 4  # about as many


class Dot(NamedTuple):
    """One point: its place in the picture and what it says."""

    x: float
    y: float
    label: str


class Tick(NamedTuple):
    """One label of an axis and its place along it."""

    place: float
    text: str


class Plot(NamedTuple):
    """A picture of ``width`` by ``height`` units; ``band`` is top and height of the region without alarm."""

    title: str
    unit: str
    description: str
    line: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    band: tuple[float, float] | None = None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def trend(
    title: str, unit: str, points: Sequence[tuple[datetime, float]], *, percent: float | None = None
) -> Plot | None:
    """Return a plot of values over time, with a band of ``percent`` around the last value but one.

    Points come in any order. None for fewer than two points, which show no trend.
    """
    told = sorted(points)
    if len(told) < 2:
        return None
    values = [value for _, value in told]
    reference = values[-2]
    limits = (reference * (1 - percent / 100), reference * (1 + percent / 100)) if percent else None
    low, high = _range([*values, *(limits or ())])
    start, end = told[0][0].timestamp(), told[-1][0].timestamp()

    def x_of(when: datetime) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (when.timestamp() - start) / ((end - start) or 1), 1)

    def y_of(value: float) -> float:
        return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low), 1)

    dots = tuple(Dot(x_of(t), y_of(v), f"{t:%Y-%m-%d}: {number(v)} {unit}".strip()) for t, v in told)
    change = 100 * (values[-1] - reference) / abs(reference) if reference else math.nan
    moved = f", {change:+.1f} % against the one before" if math.isfinite(change) else ""
    return Plot(
        title=title,
        unit=unit,
        description=f"{title}: {len(told)} masters from {told[0][0]:%Y-%m-%d} to {told[-1][0]:%Y-%m-%d}, "
        f"last {number(values[-1])} {unit}".rstrip()
        + moved,
        line=" ".join(f"{dot.x},{dot.y}" for dot in dots),
        dots=dots,
        x_ticks=(Tick(dots[0].x, f"{told[0][0]:%Y-%m}"), Tick(dots[-1].x, f"{told[-1][0]:%Y-%m}")),
        y_ticks=tuple(Tick(y_of(v), number(v)) for v in ticks(low, high)),
        band=(y_of(max(limits)), round(abs(y_of(limits[0]) - y_of(limits[1])), 1)) if limits else None,
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return where an axis begins and ends: some air around the values."""
    low, high = min(values), max(values)
    air = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    return low - air, high + air


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Return round numbers between ``low`` and ``high``: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step)
    return tuple(round(n * step, 12) for n in range(first, math.floor(high / step) + 1))


def number(value: float) -> str:
    """Return a number for a label: four digits, no exponent where it can be helped."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.4g}"
