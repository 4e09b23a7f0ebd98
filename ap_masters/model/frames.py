"""Frames: single exposures with their headers understood, and why some are set aside."""

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from ap_masters.model.images import ImageFormat
from ap_masters.model.noun import Noun


class FrameType(StrEnum):
    """What an exposure is for. The first four can become masters."""

    BIAS = "bias"
    DARK = "dark"
    DARK_FLAT = "dark flat"
    FLAT = "flat"
    LIGHT = "light"


CALIBRATION_TYPES = (FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT, FrameType.FLAT)
CalibrationType = Literal[FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT, FrameType.FLAT]
DARKS = frozenset({FrameType.DARK, FrameType.DARK_FLAT})
UNLIT = DARKS | {FrameType.BIAS}


def named_type(text: str, among: Sequence[FrameType] = tuple(FrameType)) -> FrameType:
    """Return the type that a user means, in any case and however it is joined: ``Bias``, ``dark-flat``.

    Raises ValueError, in words for a user, where it is none of ``among``.
    """
    letters = re.sub(r"[\s_-]+", "", text).lower()
    kind = next((kind for kind in among if letters == kind.replace(" ", "")), None)
    if kind is None:
        raise ValueError(f"'{text}' is none of {', '.join(among)}")
    return kind


class Decision(Noun):
    """How something was decided, in words a user can check.

    For a property of a frame: subject "exposure", verdict "300", reason "keyword EXPTIME". For a master that
    was considered: subject the master's name, verdict "taken" or "refused", field the one that decided.
    """

    subject: str
    verdict: str
    reason: str
    field: str | None = None


class Frame(Noun):
    """One exposure in one file, with its header understood. None means the header does not say.

    Lengths are pixels, times seconds, temperatures degrees Celsius; ``set_temperature`` is what the cooler
    was asked for, ``sensor_temperature`` what was measured. ``started`` is UTC (aware); ``night`` the date of
    the evening, local noon to noon when the header has local time, else UTC.
    """

    path: Path
    format: ImageFormat
    size: int
    mtime_ns: int
    type: FrameType | None = None
    master: bool = False
    type_text: str | None = None  # IMAGETYP (or its stand-in) as written
    width: int
    height: int
    channels: int = 1
    sample: str = "uint16"
    camera: str | None = None
    camera_id: str | None = None
    telescope: str | None = None
    focal_length: float | None = None
    rotation: float | None = None
    pixel_size: float | None = None  # micrometres, XPIXSZ
    gain: float | None = None
    offset: float | None = None
    iso: float | None = None
    electrons_per_adu: float | None = None
    x_binning: int | None = None
    y_binning: int | None = None
    x_origin: int | None = None  # of a window of the sensor; None for its corner, or where nobody says
    y_origin: int | None = None
    readout_mode: str | None = None
    usb_limit: float | None = None
    set_temperature: float | None = None
    sensor_temperature: float | None = None
    cooler_power: float | None = None  # per cent
    filter: str | None = None
    exposure: float | None = None
    started: datetime | None = None
    local_started: datetime | None = None
    night: date | None = None
    bayer_pattern: str | None = None
    x_bayer_offset: int | None = None
    y_bayer_offset: int | None = None
    row_order: str | None = None
    pedestal: float | None = None
    combined: int | None = None
    calibration_state: str | None = None  # CALSTAT letters B, D, F
    software: str | None = None
    data_max: float | None = None
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def temperature(self) -> float | None:
        """The temperature that frames are grouped by: the set-point, or the sensor where no set-point is known."""
        return self.set_temperature if self.set_temperature is not None else self.sensor_temperature

    @property
    def excursion(self) -> float | None:
        """How far the sensor was from its set-point, in °C; None where either is not known."""
        if self.set_temperature is None or self.sensor_temperature is None:
            return None
        return abs(self.sensor_temperature - self.set_temperature)


class Reason(StrEnum):
    """Why a file is not in a job."""

    LIGHT = "light frame"
    MASTER = "already a master"
    UNKNOWN_TYPE = "unknown frame type"
    UNREADABLE = "unreadable"
    MISSING_KEYWORD = "missing keyword"
    DUPLICATE = "duplicate"
    DISCARDED_FIRST = "discarded as one of the first"
    TEMPERATURE = "temperature excursion"
    LEVEL = "level out of range"
    GEOMETRY = "different geometry"
    CALIBRATED = "calibrated already"
    PIXELS = "invalid pixels"
    CONTENT = "content contradicts its type"
    NOT_CALIBRATED = "could not be calibrated"


class SetAside(Noun):
    """A file that was found and is in no job, with the reason in words."""

    path: Path
    reason: Reason
    detail: str


def calstat(letters: Collection[str]) -> str:
    """Return letters in the order of CALSTAT: B bias, D dark, F flat."""
    return "".join(letter for letter in "BDF" if letter in letters)
