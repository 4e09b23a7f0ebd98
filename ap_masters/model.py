"""The nouns: what frames, groups, plans, results and masters are. Values only; nothing here reads a file."""

from collections.abc import Callable, Collection
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Noun(BaseModel):
    """A value: never changed once made, never carrying a field it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)  # built when first used: a light start


# --- images -----------------------------------------------------------------------------------------------


class Keyword(NamedTuple):
    """One FITS header card, in FITS and XISF alike.

    ``value`` is a number, a truth value or a plain string (no quotes, no padding); None for COMMENT, HISTORY
    and blank cards, whose text stands in ``comment``.
    """

    name: str
    value: str | int | float | bool | None
    comment: str = ""


# Keywords without a value: their text stands in the comment.
COMMENTARY: Final = frozenset({"COMMENT", "HISTORY", ""})

SampleScale = Literal["unit", "adu"]  # [0, 1], or counts of the 16-bit range


class ImageFormat(StrEnum):
    """The file formats frames and masters come in."""

    FITS = "fits"
    XISF = "xisf"


class ImageInfo(NamedTuple):
    """What an image file says of itself; pixels not read.

    ``sample`` is the numpy name of the *physical* sample type: "uint16" for a FITS file with BITPIX 16 and
    BZERO 32768. ``full_scale`` is the value that stands for 1.0 (65535 for uint16), None for float samples.
    """

    path: Path
    format: ImageFormat
    width: int
    height: int
    channels: int
    sample: str
    full_scale: float | None
    keywords: tuple[Keyword, ...]
    properties: tuple[tuple[str, str], ...] = ()  # XISF properties as text: ("Instrument:ExposureTime", "300")
    image_type: str | None = None  # XISF imageType, as "MasterDark"
    images: int = 1  # how many images the file holds; the first is the one described


# --- frames -----------------------------------------------------------------------------------------------


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


# --- groups -----------------------------------------------------------------------------------------------


class GroupKey(Noun):
    """What the frames of one group share; numbers, so that 100 and 100.0 are one key.

    ``temperature`` is the centre of the cluster. Exposure is None for bias; telescope, filter, rotation and night
    are None for bias and dark; a dark flat carries the filter of the flats it serves when its folder, name or
    header says so and never groups by it. Nor does ``rotation``, the rotator's angle in degrees, divide frames: it is
    that of all frames, and None where they differ.
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
    bayer_pattern: str | None = None
    readout_mode: str | None = None
    usb_limit: float | None = None
    temperature: float | None = None
    exposure: float | None = None
    telescope: str | None = None
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
            bayer_pattern=frame.bayer_pattern,
            readout_mode=frame.readout_mode,
            usb_limit=frame.usb_limit,
            temperature=frame.temperature,
            exposure=frame.exposure if exposed else None,
            telescope=frame.telescope if optical else None,
            filter=frame.filter if filtered else None,
            rotation=frame.rotation if optical else None,
            night=frame.night if optical else None,
        )

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
            parts.append(f"{self.temperature:g} °C")
        if self.x_binning is not None:
            parts.append(f"bin {self.x_binning}x{self.y_binning}")
        if self.width is not None:
            parts.append(f"{self.width}x{self.height}")
        if self.rotation is not None:
            parts.append(f"rotator {self.rotation:g}°")
        if self.night is not None:
            parts.append(f"night of {self.night.isoformat()}")
        return ", ".join(parts)


_TURNED: Final = 2.0  # degrees


def turned(one: float, other: float) -> bool:
    """Say whether two angles of a rotator, in degrees, are further apart than one that was not moved comes back."""
    return abs((one - other + 180) % 360 - 180) > _TURNED


class Grade(StrEnum):
    """How a group's frame count stands against the policy of its type."""

    TOO_FEW = "too few"  # below the floor: no master
    BELOW_MINIMUM = "below minimum"
    MINIMUM = "minimum"
    RECOMMENDED = "recommended"
    OPTIMAL = "optimal"


class Group(Noun):
    """Frames that may be integrated together, in order of time (then path), and those culled from them."""

    key: GroupKey
    frames: tuple[Frame, ...]
    dropped: tuple[SetAside, ...] = ()
    grade: Grade = Grade.RECOMMENDED
    notes: tuple[str, ...] = ()  # what was concluded of them and should be seen, though nothing is wrong
    warnings: tuple[str, ...] = ()

    @property
    def calibrated_before(self) -> str:
        """CALSTAT letters of what has been subtracted from every frame already."""
        states = [set(frame.calibration_state or "") for frame in self.frames]
        return calstat(set.intersection(*states) if states else set())


# --- how to integrate -------------------------------------------------------------------------------------


class Combination(StrEnum):
    """How the samples that survive rejection become one value."""

    AVERAGE = "average"
    MEDIAN = "median"
    MINIMUM = "min"
    MAXIMUM = "max"


class Rejection(StrEnum):
    """Pixel rejection algorithms, by PixInsight's definitions. AUTO is resolved by the frame count in the plan."""

    AUTO = "auto"
    NONE = "none"
    MINMAX = "minmax"
    PERCENTILE = "percentile"
    SIGMA = "sigma"
    WINSORIZED = "winsorized"
    AVERAGED = "averaged"
    LINEAR_FIT = "linear-fit"
    ESD = "esd"

    @property
    def fewest_frames(self) -> int:
        """The number of images below which the process itself refuses (ImageIntegration 1.6.0)."""
        return 5 if self is Rejection.LINEAR_FIT else 3


class Normalization(StrEnum):
    """Scaling of each frame before combination."""

    NONE = "none"
    MULTIPLICATIVE = "multiplicative"


class RejectionNormalization(StrEnum):
    """Scaling of each frame for rejection only."""

    NONE = "none"
    EQUALIZE_FLUXES = "equalize-fluxes"


# The ranges of ImageIntegration 1.6.0's parameters, for recipes and for the settings they are made of.
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Sigma = Annotated[float, Field(ge=0, le=10)]
Cutoff = Annotated[float, Field(ge=3, le=10)]
Relaxation = Annotated[float, Field(ge=1, le=10)]
Level = Annotated[float, Field(gt=0, le=65535)]  # ADU


class Recipe(Noun):
    """How one group is integrated. Defaults are those WBPP integrates masters with."""

    combination: Combination = Combination.AVERAGE
    rejection: Rejection = Rejection.AUTO
    normalization: Normalization = Normalization.NONE
    rejection_normalization: RejectionNormalization = RejectionNormalization.NONE
    minmax_low: Count = 1
    minmax_high: Count = 1
    percentile_low: Fraction = 0.2
    percentile_high: Fraction = 0.1
    sigma_low: Sigma = 4.0
    sigma_high: Sigma = 3.0
    winsorization_cutoff: Cutoff = 5.0
    linear_fit_low: Sigma = 5.0
    linear_fit_high: Sigma = 3.5
    esd_outliers: Fraction = 0.30
    esd_alpha: Fraction = 0.05
    esd_low_relaxation: Relaxation = 1.0
    target_median: Level | None = None  # PULSAR's makeflat scales each frame to this median instead of the first


class CalibrationMaster(Noun):
    """A master to be subtracted: where it is, what it is, and why it was taken."""

    path: Path
    type: FrameType
    exposure: float | None = None
    includes_bias: bool = True
    sha256: str | None = None  # known once the master exists
    job_id: str | None = None  # set when a job of the same run makes it


class Calibration(Noun):
    """What is subtracted from each flat (or, for PULSAR's darks, from each dark) before integration.

    Arithmetic: ImageCalibration 2.2.8, ``frame - bias - k * (dark [- bias])``; k is 1 unless ``scale_dark``.
    ``constant`` is subtracted, in ADU, instead of a bias master (PULSAR's numeric bias). ``defects`` names a cosmetic
    list applied after subtraction. ``before`` holds the CALSTAT letters of what the frames came without.
    """

    bias: CalibrationMaster | None = None
    dark: CalibrationMaster | None = None
    scale_dark: bool = False
    constant: float | None = None
    defects: Path | None = None
    before: str = ""
    decisions: tuple[Decision, ...] = ()

    @property
    def masters(self) -> tuple[CalibrationMaster, ...]:
        """The masters that are subtracted."""
        return tuple(master for master in (self.bias, self.dark) if master is not None)

    @property
    def subtracted(self) -> str:
        """CALSTAT letters of what is subtracted now."""
        return ("B" if self.bias or self.constant is not None else "") + ("D" if self.dark else "")

    @property
    def state(self) -> str:
        """CALSTAT letters of the master: of what is subtracted now, and what had been before."""
        return calstat({*self.subtracted, *self.before})


# --- plan -------------------------------------------------------------------------------------------------


class Job(Noun):
    """One master's worth of work. ``output`` is relative to the library and ends in the master's suffix."""

    id: str
    group: Group
    recipe: Recipe
    output: Path
    calibration: Calibration | None = None
    keywords: tuple[Keyword, ...] = ()  # the whole key set of the master, without what only the engine knows
    image_type: str = "MasterDark"  # XISF imageType
    scale: SampleScale = "unit"
    waits_for: tuple[str, ...] = ()  # ids of jobs whose masters this one uses

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames to integrate."""
        return self.group.frames


class Action(StrEnum):
    """What a plan would do about one group."""

    CREATE = "create"
    REBUILD = "rebuild"
    UP_TO_DATE = "up to date"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    WAITING = "waiting"


class Step(Noun):
    """One group's line in a plan: the action, the reasons for it, and the job if there is one to run."""

    action: Action
    key: GroupKey
    frames: int
    grade: Grade
    output: Path
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    job: Job | None = None
    supersedes: Path | None = None


class Plan(Noun):
    """What a build would do: stages of steps in order, and every file that is in none of them."""

    library: Path
    stages: tuple[tuple[Step, ...], ...]
    turn: str = ""  # which program's turn at the library it was made after
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order of their stages."""
        return tuple(step for stage in self.stages for step in stage)


# --- results ----------------------------------------------------------------------------------------------


class ChannelStatistics(Noun):
    """Statistics of one channel, in units of full scale ([0, 1] for 16-bit frames).

    ``mad`` is the median absolute deviation from the median, unscaled; ``stddev`` uses n - 1. ``hot`` and
    ``cold`` count samples beyond 5 robust sigma (1.4826 * mad) of the median, strictly.
    """

    median: float
    mean: float
    stddev: float
    mad: float
    minimum: float
    maximum: float
    hot: int = 0
    cold: int = 0


class Statistics(Noun):
    """Statistics of a master.

    ``grid`` holds the medians of a coarse grid of blocks (rows of values, top to bottom, channels averaged);
    ``row_noise`` and ``column_noise`` the standard deviation of row and column medians, for banding.
    """

    channels: tuple[ChannelStatistics, ...]
    grid: tuple[tuple[float, ...], ...] = ()
    row_noise: float | None = None
    column_noise: float | None = None


class FrameOutcome(Noun):
    """What integration found in one frame: samples rejected low and high, level (median in [0, 1])."""

    path: Path
    rejected_low: int = 0
    rejected_high: int = 0
    level: float | None = None
    scale: float | None = None  # the factor normalization applied
    dark_scaling: float | None = None


class EngineInfo(Noun):
    """Who integrated: ``definition`` names the version of the arithmetic, as "ImageIntegration 1.6.0"."""

    name: Literal["numpy", "pixinsight"]
    version: str
    definition: str


class Integrated(Noun):
    """A job that ended with a master, still in the work folder."""

    status: Literal["integrated"] = "integrated"
    job_id: str
    path: Path
    engine: EngineInfo
    statistics: Statistics
    frames: tuple[FrameOutcome, ...]
    dropped: tuple[SetAside, ...] = ()
    rejected_low: int = 0
    rejected_high: int = 0
    samples: int = 0  # frames used times samples per frame
    witnesses_agree: bool = True  # False when record, log and master tell different numbers of rejected samples
    started: datetime
    seconds: float
    notes: tuple[str, ...] = ()
    script: Path | None = None
    log: Path | None = None


class Failed(Noun):
    """A job that ended without a master: what happened, and what the user can do."""

    status: Literal["failed"] = "failed"
    job_id: str
    reason: str
    advice: str = ""
    dropped: tuple[SetAside, ...] = ()
    script: Path | None = None
    log: Path | None = None
    log_tail: tuple[str, ...] = ()


JobResult = Annotated[Integrated | Failed, Field(discriminator="status")]


class JobState(StrEnum):
    """Where a job stands, as the progress display shows it."""

    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCESS = "Success"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class Progress(NamedTuple):
    """News of one job. ``fraction`` runs from 0 to 1 within the job; ``seconds``: how long it took, once known."""

    job_id: str
    state: JobState
    fraction: float = 0.0
    detail: str = ""
    seconds: float | None = None


OnProgress = Callable[[Progress], None]


# --- library ----------------------------------------------------------------------------------------------


# The folder of a library that is this program's own: lock, work, caches.
HOUSEKEEPING = Path(".ap-masters")
# Those for masters that do not serve, each under its usual path.
QUARANTINE = Path("quarantine")
SUPERSEDED = Path("superseded")


class MasterStatus(StrEnum):
    """Where a master stands in the library. Matching uses published masters only."""

    CANDIDATE = "candidate"
    PUBLISHED = "published"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"


class Master(Noun):
    """A master as matching sees it: in a library, from another program, or promised by a job of this run."""

    path: Path
    key: GroupKey
    frames: int | None = None
    started: datetime | None = None  # first and last exposure
    ended: datetime | None = None
    created: datetime | None = None
    calibration_state: str | None = None
    status: MasterStatus = MasterStatus.PUBLISHED
    labels: tuple[str, ...] = ()
    origin: str | None = None  # program that made it, as far as known
    source: Literal["this run", "library", "given"] = "library"
    job_id: str | None = None
    damaged: bool = False  # not the file that its record tells of
    warnings: tuple[str, ...] = ()
