"""Groups: frames that may be integrated together, and the key they share."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Final

from ap_masters.model.frames import Frame, FrameType, SetAside, calstat
from ap_masters.model.noun import Noun
from ap_masters.model.tolerances import inclusive
from ap_masters.wording import degrees


class GroupKey(Noun):
    """What the frames of one group share; numbers, so that 100 and 100.0 are one key.

    ``temperature`` is the centre of the cluster. Exposure is None for bias; telescope, focal length (mm), filter,
    rotation (the rotator's angle in degrees) and night are None for bias and dark; a dark flat carries the filter of
    the flats it serves when its folder, name or header says so and never groups by it.
    """

    type: FrameType
    camera: str | None = None
    camera_id: str | None = None
    gain: float | None = None
    offset: float | None = None
    iso: float | None = None
    x_binning: int | None = None
    y_binning: int | None = None
    width: int | None = None
    height: int | None = None
    channels: int | None = None
    x_origin: int | None = None
    y_origin: int | None = None
    bayer_pattern: str | None = None
    readout_mode: str | None = None
    usb_limit: float | None = None
    temperature: float | None = None
    exposure: float | None = None
    telescope: str | None = None
    focal_length: float | None = None
    filter: str | None = None
    rotation: float | None = None
    night: date | None = None

    @classmethod
    def of(cls, frame: Frame) -> "GroupKey":
        """Return the key of one frame, tolerances aside: which fields count for which type stands here alone.

        A filter never splits bias, dark or dark flat; a dark flat merely carries it, unless it is only a wheel
        slot named for the cap. Raises ValueError for a frame whose type is not known.
        """
        if frame.type is None:
            raise ValueError(f"{frame.path}: a frame of unknown type has no group")
        exposed = frame.type is not FrameType.BIAS
        optical = frame.type in {FrameType.FLAT, FrameType.LIGHT}
        filtered = optical or (frame.type is FrameType.DARK_FLAT and (frame.filter or "").lower() != "dark")
        return cls(
            type=frame.type,
            camera=frame.camera,
            camera_id=frame.camera_id,
            gain=frame.gain,
            offset=frame.offset,
            iso=frame.iso,
            x_binning=frame.x_binning,
            y_binning=frame.y_binning,
            width=frame.width,
            height=frame.height,
            channels=frame.channels,
            x_origin=frame.x_origin,
            y_origin=frame.y_origin,
            bayer_pattern=frame.bayer_pattern,
            readout_mode=frame.readout_mode,
            usb_limit=frame.usb_limit,
            temperature=frame.temperature,
            exposure=frame.exposure if exposed else None,
            telescope=frame.telescope if optical else None,
            focal_length=frame.focal_length if optical else None,
            filter=frame.filter if filtered else None,
            rotation=frame.rotation if optical else None,
            night=frame.night if optical else None,
        )

    @property
    def extent(self) -> str:
        """Width and height in pixels, channels where there are several, and a window: ``800x600x3 at 320,240``."""
        size = f"{self.width}x{self.height}" + (f"x{self.channels}" if self.channels not in {None, 1} else "")
        return f"{size} at {self.origin[0]},{self.origin[1]}" if self.origin else size

    @property
    def origin(self) -> tuple[int, int] | None:
        """Column and row where a window of the sensor begins; None for the sensor's corner."""
        if self.x_origin is None and self.y_origin is None:
            return None
        return self.x_origin or 0, self.y_origin or 0

    def describe(self) -> str:
        """Return one line of the field's words: ``dark 300 s, ASI2600MM, gain 100, offset 50, -10 °C, bin 1x1``."""
        parts = [f"{self.type}" + (f" {self.exposure:g} s" if self.exposure is not None else "")]
        parts += [str(v) for v in (self.filter, self.camera, self.camera_id, self.readout_mode) if v]
        for name, value in (
            ("gain", self.gain),
            ("offset", self.offset),
            ("ISO", self.iso),
            ("USB", self.usb_limit),
        ):
            if value is not None:
                parts.append(f"{name} {value:g}")
        if self.temperature is not None:
            parts.append(degrees(self.temperature))
        if self.x_binning is not None:
            parts.append(f"bin {self.x_binning}x{self.y_binning}")
        if self.width is not None:
            parts.append(self.extent)
        if self.rotation is not None:
            parts.append(f"rotator {self.rotation:g}°")
        if self.night is not None:
            parts.append(f"night of {self.night.isoformat()}")
        return ", ".join(parts)


def told_apart(keys: Sequence[GroupKey]) -> list[str]:
    """Return each key in words; those in which no words differ, with the values that do."""
    alike: dict[str, list[GroupKey]] = defaultdict(list)
    for key in keys:
        alike[key.describe()].append(key)
    return [", ".join([words, *distinctions(key, alike[words])]) for key in keys for words in [key.describe()]]


def distinctions(key: GroupKey, keys: Sequence[GroupKey]) -> list[str]:
    """Return in words the values of ``key`` in which ``keys``, itself among them, are not all alike."""
    return [_named(key, name) for name in GroupKey.model_fields if differ(keys, name)]


def differ(keys: Sequence[GroupKey], field: str) -> bool:
    """Say whether keys differ in one field."""
    return len({getattr(key, field) for key in keys}) > 1


def _named(key: GroupKey, field: str) -> str:
    name, value = field.replace("_", " "), getattr(key, field)
    return f"no {name}" if value is None else f"{name} {value}"


ROTATOR_SLACK: Final = 2.0  # degrees: a rotator that was not moved comes back within them
FOCAL_SLACK: Final = 0.03  # of a focal length: plate solving finds one anew each time, a per cent apart


def turned(one: float, other: float) -> bool:
    """Say whether two angles of a rotator, in degrees, are further apart than one that was not moved comes back."""
    return abs((one - other + 180) % 360 - 180) > inclusive(ROTATOR_SLACK)


def zoomed(one: float, other: float) -> bool:
    """Say whether two focal lengths are further apart than plate solving finds those of one telescope."""
    return abs(one - other) > inclusive(FOCAL_SLACK * min(one, other))


class Grade(StrEnum):
    """How a group's frame count stands against the policy of its type."""

    TOO_FEW = "too few"  # below the floor: no master
    BELOW_MINIMUM = "below minimum"
    MINIMUM = "minimum"
    RECOMMENDED = "recommended"
    OPTIMAL = "optimal"


class Group(Noun):
    """Frames that may be integrated together, in order of time (then path), and those culled from them.

    ``refused`` are those of the ``dropped`` whose pixels decided.
    """

    key: GroupKey
    frames: tuple[Frame, ...]
    dropped: tuple[SetAside, ...] = ()
    refused: tuple[Frame, ...] = ()
    grade: Grade = Grade.RECOMMENDED
    notes: tuple[str, ...] = ()  # what was concluded of them and should be seen, though nothing is wrong
    warnings: tuple[str, ...] = ()

    @property
    def calibrated_before(self) -> str:
        """CALSTAT letters of what has been subtracted from every frame already."""
        states = [set(frame.calibration_state or "") for frame in self.frames]
        return calstat(set.intersection(*states) if states else set())
