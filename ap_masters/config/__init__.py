"""Settings: one model of all there are. ``profiles`` are named sets of values, ``sources`` where values come from."""

from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ap_masters import memory as amount_of_memory
from ap_masters.model import (
    CALIBRATION_TYPES,
    CalibrationType,
    Combination,
    Compression,
    Count,
    Cutoff,
    EngineName,
    Fraction,
    FrameType,
    Grade,
    ImageFormat,
    JavaScript,
    Level,
    Normalization,
    Rejection,
    RejectionNormalization,
    Relaxation,
    SampleScale,
    Sigma,
    named_type,
)

SEASON_DAYS: Final = 183  # half a year: long enough for a sensor to change


class Section(BaseModel):
    """A part of the settings; an unknown name in it is an error."""

    # Built when first used: a light start. NaN compares with nothing, so no limit could be one.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, of: ValidationInfo) -> Any:
        if isinstance(value, bool) and _is_numeric(cls.model_fields[of.field_name or ""].annotation):
            raise ValueError("Input should be a number, and true and false are none")
        return value


def _is_numeric(kind: Any) -> bool:
    """Whether a setting of this type holds a number, as one of its alternatives or within limits."""
    return kind is int or kind is float or any(_is_numeric(part) for part in get_args(kind))


class CountPolicy(Section):
    """How many frames make a master of one type; the defaults are the table of the ANAWBPPS guide."""

    minimum: int = Field(ge=1, description="Fewer are built all the same, with a warning.")
    recommended: int = Field(ge=1, description="What `library validate` asks for, and `watch` waits for.")
    optimal: int = Field(ge=1, description="From here on more frames gain little.")

    def grade(self, count: int) -> Grade:
        """Return how many frames ``count`` is."""
        steps = (
            (self.optimal, Grade.OPTIMAL),
            (self.recommended, Grade.RECOMMENDED),
            (self.minimum, Grade.MINIMUM),
        )
        return next((grade for needed, grade in steps if count >= needed), Grade.BELOW_MINIMUM)


class CountSettings(Section):
    """How many frames are enough. The tables below grade masters; only `min_frames` keeps one from being built."""

    bias: CountPolicy = CountPolicy(minimum=50, recommended=100, optimal=200)
    dark: CountPolicy = CountPolicy(minimum=15, recommended=30, optimal=50)
    dark_flat: CountPolicy = CountPolicy(minimum=15, recommended=30, optimal=50)
    flat: CountPolicy = CountPolicy(minimum=20, recommended=30, optimal=50)
    min_frames: int | None = Field(None, ge=1)

    def of(self, frame_type: FrameType) -> CountPolicy:
        """Return the policy of one frame type."""
        policy: CountPolicy = getattr(self, frame_type.name.lower())
        return policy


class GroupSettings(Section):
    """When frames belong together; limits are inclusive."""

    temperature_tolerance_c: float = Field(1.0, ge=0)
    exposure_tolerance_s: float = Field(0.001, ge=0, description="Exposures that differ by no more are one.")
    mixed_exposure_flats: bool = False
    epoch_days: int | None = Field(
        None,
        ge=0,
        description="More days without a frame than these begin a new master (not set: none do); of dark flats, a "
        "night more than `dark_flat_window_h` after the last.",
    )
    dark_flat_window_h: float = Field(
        3.0, ge=0, description="Hours between a flat and a dark of its exposure that is taken for a dark flat."
    )


class DiscardFirst(Section):
    """How many of the earliest frames of each group are left out, per type."""

    bias: int = Field(0, ge=0, description="Of biases.")
    dark: int = Field(0, ge=0, description="Of darks.")
    dark_flat: int = Field(0, ge=0, description="Of dark flats.")
    flat: int = Field(0, ge=0, description="Of flats.")

    def of(self, frame_type: FrameType) -> int:
        """Return the number for one frame type."""
        count: int = getattr(self, frame_type.name.lower())
        return count


class CullSettings(Section):
    """Which frames are left out before integration, or warned of."""

    discard_first: DiscardFirst = DiscardFirst()
    warn_temperature_c: float = Field(
        0.3,
        ge=0,
        description="A sensor further off its set-point, or wandering by more, is warned of (°C).",
    )
    drop_temperature_c: float = Field(
        0.5, ge=0, description="A frame whose sensor is further off its set-point is left out (°C)."
    )
    warn_level_sigma: float = Field(
        5.0, gt=0, description="A bias or dark further off the level of its group is warned of (robust sigma)."
    )
    warn_cooler_percent: float = Field(
        85.0, gt=0, le=100, description="A cooler with this load or more has no reserve, and is warned of (%)."
    )


class MatchSettings(Section):
    """Which master serves which frame."""

    exposure_tolerance_s: float = Field(0.001, ge=0, description="Exposures that differ by no more are equal.")
    temperature_tolerance_c: float = Field(1.0, ge=0)
    flat_temperature_tolerance_c: float = Field(
        5.0, ge=0, description="The same between a flat and its dark flat, and between a light and its flat."
    )
    dark_flat_window_h: float = Field(
        3.0, ge=0, description="Dark flats taken within so many hours of the flats come before all others."
    )
    prefer_later: bool = Field(True, description="Of dark flats within these hours one after the flats is taken first.")
    use_dark_flats: bool = True
    lenient_unknown: bool = False
    bias_ignores_temperature: bool = False
    allow_uncalibrated: bool = False
    scale_dark: bool = False
    require_dark: bool = Field(
        False, description="Flats without a dark (or dark flat) of their exposure are refused, whatever bias there is."
    )


class RecipeSettings(Section):
    """How the frames of one type are integrated; what is not set keeps the default of the type."""

    combination: Combination | None = None
    rejection: Rejection | None = None
    normalization: Normalization | None = None
    rejection_normalization: RejectionNormalization | None = None
    minmax_low: Count | None = None
    minmax_high: Count | None = None
    percentile_low: Fraction | None = None
    percentile_high: Fraction | None = None
    sigma_low: Sigma | None = None
    sigma_high: Sigma | None = None
    winsorization_cutoff: Cutoff | None = None
    linear_fit_low: Sigma | None = None
    linear_fit_high: Sigma | None = None
    esd_outliers: Fraction | None = None
    esd_alpha: Fraction | None = None
    esd_low_relaxation: Relaxation | None = None
    target_median: Level | None = Field(
        None, description="Level that each flat is scaled to, in ADU; `--target-median` sets it for flats."
    )


class RecipesSettings(Section):
    """Recipe settings per frame type; ``all`` applies to every type and is overruled by the type's own."""

    all: RecipeSettings = RecipeSettings()
    bias: RecipeSettings = RecipeSettings()
    dark: RecipeSettings = RecipeSettings()
    dark_flat: RecipeSettings = RecipeSettings()
    flat: RecipeSettings = RecipeSettings()

    def own(self, frame_type: FrameType) -> RecipeSettings:
        """Return what is set of one frame type alone."""
        own: RecipeSettings = getattr(self, frame_type.name.lower())
        return own

    def of(self, frame_type: FrameType) -> RecipeSettings:
        """Return the settings of one frame type over those for all."""
        merged = self.all.model_dump(exclude_none=True) | self.own(frame_type).model_dump(exclude_none=True)
        return RecipeSettings(**merged)


class FlatSettings(Section):
    """How bright flats may be, as fractions of full scale, and PULSAR's rules for them."""

    recommended_low: float = Field(0.25, ge=0, le=1, description="A master flat that is darker gets a note.")
    recommended_high: float = Field(0.55, ge=0, le=1, description="A master flat that is brighter gets a note.")
    drop_below: float = Field(0.02, ge=0, le=1, description="A flat that is darker is left out, a master refused.")
    drop_above: float = Field(0.90, ge=0, le=1, description="A flat that is brighter is left out, a master refused.")
    saturated_fraction: float = Field(
        0.001, ge=0, le=1, description="A flat with more saturated samples than this part of all is left out."
    )
    consistent_exposures: bool = Field(False, description="Flats of one filter and several exposures are a conflict.")
    cosmetic: bool = Field(False, description="Flats are mended with the list of hot pixels beside their dark.")

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        for low, high in (("drop_below", "drop_above"), ("recommended_low", "recommended_high")):
            least, most = getattr(self, low), getattr(self, high)
            if least >= most:
                raise ValueError(f"{low} ({least:g}) has to lie below {high} ({most:g}), else no flat lies between")
        return self


class DarkSettings(Section):
    """What is subtracted from each dark, one of the two, as PULSAR's makedark does. Others subtract nothing."""

    subtract_bias: Literal["none", "master"] = "none"
    subtract_constant: float | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.subtract_bias == "master" and self.subtract_constant is not None:
            raise ValueError("either a master bias or a constant is subtracted from darks, not both")
        return self

    @property
    def subtracts(self) -> bool:
        """Whether anything is subtracted from darks."""
        return self.subtract_bias == "master" or self.subtract_constant is not None


class PixInsightSettings(Section):
    """How PixInsight is found, started and watched."""

    binary: Path | None = None
    instance_id: int = Field(123, ge=1, le=256)
    instances: int = Field(1, ge=1, le=64)
    timeout_s: float = Field(600.0, gt=0)
    startup_timeout_s: float = Field(180.0, gt=0, description="Seconds until the script has to begin.")
    javascript: JavaScript = "portable"
    force_exit: bool = True
    script_dir: Path | None = None


class QualitySettings(Section):
    """Limits of the gate: what is beyond one is told, what stands at it is not."""

    refresh_percent: float = Field(
        10.0,
        gt=0,
        description="Change against the predecessor that makes older masters due; and of a gain, off the header.",
    )
    service_percent: float = Field(15.0, gt=0, description="Change of the median that asks for service of the camera.")
    gradient_percent: float = Field(
        5.0, gt=0, description="Gradient of a bias or dark, asymmetry of a flat, part of a frame off the others'."
    )
    cooler_change_c: float = Field(1.0, gt=0, description="Change of the distance between sensor and set-point (°C).")
    lit_dark_fraction: float = Field(
        0.10, gt=0, le=1, description="Part of full scale above which a bias or dark has seen light."
    )
    falloff_percent: float = Field(
        70.0, gt=0, le=100, description="How much darker than the centre a flat's corners are."
    )
    noise_excess_percent: float = Field(25.0, gt=0, description="Noise of a master beyond what its frames promise.")
    service_refuses: bool = Field(
        True, description="A master that asks for service is quarantined until someone publishes it; else only told."
    )
    gate: bool = True


class RefreshRule(Section):
    """When masters of one type are due again: beyond an age, or made before the last anchor (``MM-DD``)."""

    max_age_days: int | None = Field(None, ge=1)
    anchors: tuple[str, ...] = ()

    @field_validator("anchors")
    @classmethod
    def _day_of_a_year(cls, anchors: tuple[str, ...]) -> tuple[str, ...]:
        for anchor in anchors:
            try:
                date.fromisoformat(f"2001-{anchor}")  # a year without 29 February: an anchor has to exist each year
            except ValueError as error:
                raise ValueError(f"'{anchor}' is not a day of every year, written MM-DD") from error
        return anchors


class RefreshPolicy(Section):
    """One refresh rule per frame type; a type without one does not age."""

    bias: RefreshRule = RefreshRule()
    dark: RefreshRule = RefreshRule()
    dark_flat: RefreshRule = RefreshRule()
    flat: RefreshRule = RefreshRule()

    def of(self, frame_type: FrameType) -> RefreshRule:
        """Return the rule of one frame type; a stack of lights that stands in a library does not age."""
        rule: RefreshRule = getattr(self, frame_type.name.lower(), RefreshRule())
        return rule


class LibrarySettings(Section):
    """How the library is kept."""

    policy: str = "nina-seasonal"
    policies: dict[str, RefreshPolicy] = Field(
        default={}, description="[Policies of your own](library.md#when-a-master-is-due)."
    )
    season_days: int = Field(
        SEASON_DAYS,
        ge=1,
        description="`library prune` leaves younger frames alone. A bias or dark does not replace one whose frames are "
        "newer by half of it.",
    )
    record_suffix: Literal[".xrs", ".log"] = Field(".xrs", description="Suffix of the records beside masters.")
    index_path: Path | None = None
    defects_beside_darks: bool = Field(
        False, description="A build writes a list of the hottest pixels beside each dark; layout `pulsar` always does."
    )


class Settings(Section):
    """Everything that can be set."""

    profile: str = Field("default", description="A way of working: one of the profiles above.")
    engine: Literal["auto", "pixinsight", "numpy"] = "auto"
    layout: str = "ap"
    format: ImageFormat | None = None
    scale: SampleScale | None = None
    compression: Compression = "none"
    memory: str | None = None
    threads: int | None = Field(None, ge=1)
    stages: tuple[Literal["bias", "dark", "flat"], ...] = ("bias", "dark", "flat")
    same_run: bool = True
    bias_master_dir: Path | None = None
    dark_master_dir: Path | None = None
    types: tuple[CalibrationType, ...] = ()
    counts: CountSettings = CountSettings()
    group: GroupSettings = GroupSettings()
    cull: CullSettings = CullSettings()
    match: MatchSettings = MatchSettings()
    recipe: RecipesSettings = RecipesSettings()
    flat: FlatSettings = FlatSettings()
    dark: DarkSettings = DarkSettings()
    pixinsight: PixInsightSettings = PixInsightSettings()
    quality: QualitySettings = QualitySettings()
    library: LibrarySettings = LibrarySettings()

    def engine_beside(self, pixinsight: Path | None) -> EngineName:
        """Return the engine that integrates where PixInsight's program is ``pixinsight``, None: nowhere.

        PixInsight stays the engine where it was asked for, or its program named, and is not there: numpy does not
        quietly take its place.
        """
        wanted = self.engine == "pixinsight" or pixinsight is not None or self.pixinsight.binary is not None
        return "pixinsight" if wanted and self.engine != "numpy" else "numpy"

    @field_validator("types", mode="before")
    @classmethod
    def _are_types(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return value
        return tuple(named_type(word, CALIBRATION_TYPES) if isinstance(word, str) else word for word in value)

    @field_validator("memory")
    @classmethod
    def _is_an_amount(cls, text: str | None) -> str | None:
        if text is not None:
            amount_of_memory.parse(text)
        return text
