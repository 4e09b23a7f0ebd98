"""A synthetic night: calibration frames of a simulated camera, named and headed as N.I.N.A. does, always the same."""

import math
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.images import write_image
from ap_masters.model import Keyword

Pixels = NDArray[np.float64]

ELECTRONS_PER_ADU: Final = 0.25
READ_NOISE_E: Final = 1.5
OFFSET: Final = 50
_ADU_PER_OFFSET: Final = 10.0  # as ZWO's drivers have it
_SET_POINT_C: Final = -10.0
_HOT_FRACTION: Final = 0.00024  # of an IMX455, by the Dark Library Playbook
_COSMIC_RAYS_PER_S: Final = 0.01
_HALF_FULL_SCALE_E: Final = 0.5 * 65535 * ELECTRONS_PER_ADU


class Sequence(NamedTuple):
    """Frames taken one after the other: IMAGETYP, exposure in seconds, filter, how many, and UTC of the first.

    ``light`` is what falls on the middle of the sensor, in electrons per second and pixel.
    """

    image_type: str
    exposure: float
    filter: str
    frames: int
    start: datetime
    light: float = 0.0


def _at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 1, 29, hour, minute, tzinfo=UTC)


# Dusk flats in two filters; their dark flats, which N.I.N.A. 3 calls DARK; bias, two lights, and their darks.
NIGHT: Final = (
    Sequence("FLAT", 2.0, "L", 12, _at(17), _HALF_FULL_SCALE_E / 2.0),
    Sequence("FLAT", 8.0, "Ha", 12, _at(17, 10), _HALF_FULL_SCALE_E / 8.0),
    Sequence("DARK", 2.0, "Dark", 10, _at(17, 30)),
    Sequence("DARK", 8.0, "Dark", 10, _at(17, 40)),
    Sequence("BIAS", 0.0, "Dark", 20, _at(18)),
    Sequence("LIGHT", 300.0, "L", 2, _at(20), 0.5),
    Sequence("DARK", 300.0, "Dark", 12, _at(22)),
)


class Sensor:
    """A camera with its own fixed faults, drawn from ``seed``.

    ``bias`` is ADU, ``dark`` electrons per second; both hold what every exposure has in common: pattern, hot
    pixels and amplifier glow.
    """

    def __init__(self, width: int, height: int, seed: int) -> None:
        """Draw the faults of one sensor."""
        rng = np.random.default_rng(seed)
        self.shape = (height, width)
        self._seed = seed
        self.bias = OFFSET * _ADU_PER_OFFSET + rng.normal(0, 2, (1, width)) + rng.normal(0, 1, (height, 1))
        self.dark = self._dark_current(rng)
        self._response = rng.normal(1.0, 0.008, self.shape)

    def _dark_current(self, rng: np.random.Generator) -> Pixels:
        y, x = np.indices(self.shape) / (np.array(self.shape).reshape(2, 1, 1) - 1)
        dark: Pixels = np.full(self.shape, 0.02) + 0.3 * np.exp(-24 * np.hypot(1 - x, 0.5 - y))  # amplifier glow
        hot = rng.random(self.shape) < _HOT_FRACTION
        dark[hot] += rng.lognormal(1.0, 1.0, int(hot.sum()))
        return dark

    def transmission(self, filter_name: str) -> Pixels:
        """Return the fraction of light that reaches each pixel, 1 in the middle: vignetting, dust, response."""
        height, width = self.shape
        y, x = np.indices(self.shape)
        radius = np.hypot(x - width / 2, y - height / 2) / math.hypot(width / 2, height / 2)
        field: Pixels = np.cos(np.arctan(0.45 * radius)) ** 4 * self._response
        rng = np.random.default_rng([self._seed, zlib.crc32(filter_name.encode())])
        size = max(3.0, width / 50)
        for _ in range(5):  # out-of-focus dust: rings, because the mirror in front has a hole in its shadow
            distance = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height))
            field *= 1 - 0.04 * np.exp(-(((distance - size) / (size / 3)) ** 2))
        return field

    def expose(
        self, rng: np.random.Generator, *, exposure: float, light: float = 0.0, transmission: Pixels | None = None
    ) -> NDArray[np.uint16]:
        """Return one frame, (height, width): shot noise, read noise, cosmic rays, and everything fixed."""
        electrons = self.dark * exposure
        if transmission is not None:
            electrons = electrons + light * exposure * transmission
        collected = rng.poisson(electrons) + rng.normal(0, READ_NOISE_E, self.shape)
        for _ in range(rng.poisson(_COSMIC_RAYS_PER_S * exposure)):
            row, column = rng.integers(0, self.shape[0]), rng.integers(0, self.shape[1])
            collected[row, column : column + rng.integers(1, 6)] += rng.uniform(500, 5000)
        counts = self.bias + collected / ELECTRONS_PER_ADU
        return np.rint(counts).clip(0, 65535).astype(np.uint16)


def write_night(folder: Path, *, width: int = 640, height: int = 480, seed: int = 20260129) -> list[Path]:
    """Write the frames of ``NIGHT`` under ``folder`` and return their paths, in order of time.

    Two of them have the troubles of a real night: one of the long darks was taken with the cooler 0.9 °C off,
    and the last flat was cut short while it was copied.
    """
    sensor = Sensor(width, height, seed)
    seen = {sequence.filter: sensor.transmission(sequence.filter) for sequence in NIGHT if sequence.light}

    def write(shot: "_Shot") -> Path:
        rng = np.random.default_rng([seed, zlib.crc32(shot.name.encode())])
        sequence = shot.sequence
        pixels = sensor.expose(
            rng, exposure=sequence.exposure, light=sequence.light, transmission=seen.get(sequence.filter)
        )
        path = folder / shot.night / sequence.image_type / shot.name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, pixels, keywords(shot), image_type=sequence.image_type.capitalize())
        return path

    with ThreadPoolExecutor() as pool:
        paths = list(pool.map(write, _shots()))
    flats = [path for path in paths if path.parent.name == "FLAT"]
    with flats[-1].open("r+b") as file:
        file.truncate(flats[-1].stat().st_size // 2)
    return paths


class _Shot(NamedTuple):
    sequence: Sequence
    number: int
    started: datetime
    temperature: float

    @property
    def local(self) -> datetime:
        """The time on the wall, one hour ahead of UTC."""
        return self.started + timedelta(hours=1)

    @property
    def night(self) -> str:
        """N.I.N.A.'s $$DATEMINUS12$$."""
        return (self.local - timedelta(hours=12)).date().isoformat()

    @property
    def name(self) -> str:
        """N.I.N.A.'s $$DATETIME$$_$$FILTER$$_$$SENSORTEMP$$_$$EXPOSURETIME$$s_$$FRAMENR$$."""
        time, sequence = f"{self.local:%Y-%m-%d_%H-%M-%S}", self.sequence
        return f"{time}_{sequence.filter}_{self.temperature:.2f}_{sequence.exposure:.2f}s_{self.number:04}.fits"


def _shots() -> Iterator[_Shot]:
    for sequence in NIGHT:
        for number in range(sequence.frames):
            started = sequence.start + number * timedelta(seconds=sequence.exposure + 2)
            trouble = 0.9 if sequence.exposure == 300 and sequence.image_type == "DARK" and number == 5 else 0.0
            yield _Shot(sequence, number, started, _SET_POINT_C + (-0.1, 0.0, 0.1, 0.0)[number % 4] + trouble)


def keywords(shot: _Shot) -> tuple[Keyword, ...]:
    """Return the cards N.I.N.A. 3 writes for ``shot``, in its order."""
    sequence = shot.sequence
    return (
        Keyword("IMAGETYP", sequence.image_type, "Type of exposure"),
        Keyword("EXPOSURE", sequence.exposure, "[s] Exposure duration"),
        Keyword("EXPTIME", sequence.exposure, "[s] Exposure duration"),
        Keyword("DATE-LOC", f"{shot.local:%Y-%m-%dT%H:%M:%S}.000", "Time of exposure (local)"),
        Keyword("DATE-OBS", f"{shot.started:%Y-%m-%dT%H:%M:%S}.000", "Time of exposure (UTC)"),
        Keyword("XBINNING", 1, "X axis binning factor"),
        Keyword("YBINNING", 1, "Y axis binning factor"),
        Keyword("GAIN", 100, "Sensor gain"),
        Keyword("OFFSET", OFFSET, "Sensor gain offset"),
        Keyword("EGAIN", ELECTRONS_PER_ADU, "[e-/ADU] Electrons per A/D unit"),
        Keyword("XPIXSZ", 3.76, "[um] Pixel X axis size"),
        Keyword("YPIXSZ", 3.76, "[um] Pixel Y axis size"),
        Keyword("INSTRUME", "Demo Camera", "Imaging instrument name"),
        Keyword("SET-TEMP", _SET_POINT_C, "[degC] CCD temperature setpoint"),
        Keyword("CCD-TEMP", round(shot.temperature, 2), "[degC] CCD temperature"),
        Keyword("READOUTM", "Default", "Sensor readout mode"),
        Keyword("USBLIMIT", 40, "Camera-specific USB setting"),
        Keyword("TELESCOP", "Demo Refractor", "Name of telescope"),
        Keyword("FOCALLEN", 250.0, "[mm] Focal length"),
        Keyword("FWHEEL", "Demo Wheel", "Filter Wheel name"),
        Keyword("FILTER", sequence.filter, "Active filter name"),
        Keyword("ROWORDER", "TOP-DOWN", "FITS Image Orientation"),
        Keyword("SWCREATE", "N.I.N.A. 3.2.0.9001 (x64)", "Software that created this file"),
    )
