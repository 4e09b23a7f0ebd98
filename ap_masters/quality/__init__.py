"""Quality of a master: what is measured, what it means, and what the library tells of the camera."""

from ap_masters.quality.case import beyond
from ap_masters.quality.darkcurrent import (
    DarkSeries,
    Doubling,
    Level,
    dark_measures,
    dark_series,
    doublings,
)
from ap_masters.quality.drift import comparable, same_settings
from ap_masters.quality.gate import judge
from ap_masters.quality.metrics import measures, value_of
from ap_masters.quality.sensor import sensor_measures

__all__ = [
    "DarkSeries",
    "Doubling",
    "Level",
    "beyond",
    "comparable",
    "dark_measures",
    "dark_series",
    "doublings",
    "judge",
    "measures",
    "same_settings",
    "sensor_measures",
    "value_of",
]
