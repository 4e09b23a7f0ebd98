"""Builders of whole nights: a card full of frames of a small simulated camera."""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ap_masters.demo import ELECTRONS_PER_ADU, Sensor
from tests.builders import write_frame

SENSOR = Sensor(96, 64, seed=7)
"""What the frames are taken with unless a test brings its own."""

EVENING = datetime(2026, 1, 29, 17)
"""When the flats begin, UTC; the card's local time is an hour ahead."""


def half_full(exposure: float) -> float:
    """Return the light, in electrons per second, that fills the middle of the sensor to half of full scale."""
    return 0.5 * 65535 * ELECTRONS_PER_ADU / exposure


def shoot(
    folder: Path,
    image_type: str,
    exposure: float = 0.0,
    count: int = 6,
    *,
    at: datetime | timedelta = timedelta(),
    light: float | NDArray[np.float64] = 0.0,
    band: str | None = None,
    sensor: Sensor = SENSOR,
    suffix: str = ".fits",
    **cards: Any,
) -> list[Path]:
    """Write ``count`` frames, two seconds apart, and return their paths.

    ``at`` is the start of the first, or its distance from EVENING; ``light`` falls on the middle of the sensor,
    in electrons per second, as one number or for every pixel. Further cards as in ``builders.nina_keywords``.
    """
    start = at if isinstance(at, datetime) else EVENING + at
    transmission = sensor.transmission(band or "") if np.any(light) else None
    paths = []
    for number in range(count):
        started = start + number * timedelta(seconds=exposure + 2)
        name = f"{image_type.replace(' ', '')}_{band or 'none'}_{exposure:g}s_{started:%d-%H%M%S}_{number:03}{suffix}"
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        seen = None if transmission is None else transmission * np.asarray(light)
        pixels = sensor.expose(rng, exposure=exposure, light=1.0, transmission=seen)
        written: dict[str, Any] = {
            "IMAGETYP": image_type,
            "EXPTIME": exposure,
            "EXPOSURE": exposure,
            "FILTER": band,
            "DATE-OBS": started.isoformat(),
            "DATE-LOC": (started + timedelta(hours=1)).isoformat(),
        }
        paths.append(write_frame(folder / name, pixels, **(written | cards)))
    return paths


def shoot_flats(folder: Path, exposure: float = 2.0, count: int = 6, *, band: str = "L", **more: Any) -> list[Path]:
    """Write flats at half of full scale; ``more`` as in ``shoot``."""
    fields: dict[str, Any] = {"light": half_full(exposure), "band": band}
    return shoot(folder, "FLAT", exposure, count, **(fields | more))


def names(paths: Sequence[Path]) -> list[str]:
    """Return the sorted file names."""
    return sorted(path.name for path in paths)
