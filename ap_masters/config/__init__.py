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

    minimum: int = Field(ge=1)
    recommended: int = Field(ge=1)
    optimal: int = Field(ge=1)

    def grade(self, count: int) -> Grade:
        """Return how many frames ``count`` is."""
        steps = (
            (self.optimal, Grade.OPTIMAL),
            (self.recommended, Grade.RECOMMENDED),
            (self.minimum, Grade.MINIMUM),
        )
        return next((grade for needed, grade in steps if count >= needed), Grade.BELOW_MINIMUM)


class CountSettings(Section):
    """Grades by frame count, and the hard floor (None: 3, PixInsight's own, or 5 for linear fit)."""

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
    """When frames belong together. ``temperature_tolerance_c`` is the largest spread in a cluster, inclusive.

    More than ``epoch_days`` without a frame begin a new master; of dark flats, which are of the hours of their flats, a
    night more than ``dark_flat_window_h`` after the last.
    """

    temperature_tolerance_c: float = Field(1.0, ge=0)
    exposure_tolerance_s: float = Field(0.001, ge=0)
    mixed_exposure_flats: bool = False  # sky flats: one group whatever the exposure
    epoch_days: int | None = Field(None, ge=0)  # more days without a frame than these begin a new master
    dark_flat_window_h: float = Field(3.0, ge=0)  # how near in time a DARK must be to a flat of its exposure


class DiscardFirst(Section):
    """How many of the earliest frames of each group are left out, per type."""

    bias: int = Field(0, ge=0)
    dark: int = Field(0, ge=0)
    dark_flat: int = Field(0, ge=0)
    flat: int = Field(0, ge=0)

    def of(self, frame_type: FrameType) -> int:
        """Return the number for one frame type."""
        count: int = getattr(self, frame_type.name.lower())
        return count


class CullSettings(Section):
    """Which frames are left out before integration. Temperatures are |sensor - set-point|, strict ``>``."""

    discard_first: DiscardFirst = DiscardFirst()
    warn_temperature_c: float = Field(0.3, ge=0)
    drop_temperature_c: float = Field(0.5, ge=0)
    warn_level_sigma: float = Field(5.0, gt=0)  # a frame's level against its group, in robust sigma
    warn_cooler_percent: float = Field(85.0, gt=0, le=100)  # load of the cooler from which on it has no reserve


class MatchSettings(Section):
    """Which master serves which frame."""

    exposure_tolerance_s: float = Field(0.001, ge=0)
    temperature_tolerance_c: float = Field(1.0, ge=0)
    flat_temperature_tolerance_c: float = Field(5.0, ge=0)
    dark_flat_window_h: float = Field(3.0, ge=0)
    prefer_later: bool = True
    use_dark_flats: bool = True  # the "ap" profile starts at the dark
    lenient_unknown: bool = False
    bias_ignores_temperature: bool = False
    allow_uncalibrated: bool = False
    scale_dark: bool = False
    require_dark: bool = False  # PULSAR: flats without a dark of their exposure are refused, whatever bias there is


class RecipeSettings(Section):
    """What is set of a recipe; what is not set keeps the default of the frame type (see ``recipes.py``)."""

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
    target_median: Level | None = None


class RecipesSettings(Section):
    """Recipe settings per frame type; ``all`` applies to every type and is overruled by the type's own."""

    all: RecipeSettings = RecipeSettings()
    bias: RecipeSettings = RecipeSettings()
    dark: RecipeSettings = RecipeSettings()
    dark_flat: RecipeSettings = RecipeSettings()
    flat: RecipeSettings = RecipeSettings()

    def of(self, frame_type: FrameType) -> RecipeSettings:
        """Return the settings of one frame type over those for all."""
        own: RecipeSettings = getattr(self, frame_type.name.lower())
        merged = self.all.model_dump(exclude_none=True) | own.model_dump(exclude_none=True)
        return RecipeSettings(**merged)


class FlatSettings(Section):
    """Levels of single flats, as fractions of full scale, and PULSAR's rules for them."""

    recommended_low: float = Field(0.25, ge=0, le=1)
    recommended_high: float = Field(0.55, ge=0, le=1)
    drop_below: float = Field(0.02, ge=0, le=1)
    drop_above: float = Field(0.90, ge=0, le=1)
    saturated_fraction: float = Field(0.001, ge=0, le=1)  # more saturated samples than this: dropped
    consistent_exposures: bool = False  # PULSAR: mixed exposures of one filter are an error
    cosmetic: bool = False  # PULSAR: single flats are mended with the cosmetic list beside their dark

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        for low, high in (("drop_below", "drop_above"), ("recommended_low", "recommended_high")):
            least, most = getattr(self, low), getattr(self, high)
            if least >= most:
                raise ValueError(f"{low} ({least:g}) has to lie below {high} ({most:g}), else no flat lies between")
        return self


class DarkSettings(Section):
    """PULSAR's makedark: what is subtracted from each dark, one of the two. WBPP, ANAWBPPS and S4 subtract nothing."""

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
    timeout_s: float = Field(600.0, gt=0)  # without any sign of life
    startup_timeout_s: float = Field(180.0, gt=0)
    javascript: JavaScript = "portable"
    force_exit: bool = True
    script_dir: Path | None = None


class QualitySettings(Section):
    """Limits of the gate, in per cent where named so; every comparison is strict (``>``)."""

    refresh_percent: float = Field(10.0, gt=0)
    service_percent: float = Field(15.0, gt=0)
    gradient_percent: float = Field(5.0, gt=0)
    cooler_change_c: float = Field(1.0, gt=0)
    lit_dark_fraction: float = Field(0.10, gt=0, le=1)
    falloff_percent: float = Field(70.0, gt=0, le=100)  # flats whose corners are darker than this are suspect
    noise_excess_percent: float = Field(25.0, gt=0)  # noise of a master beyond what its frames predict
    service_refuses: bool = True  # a service alert keeps a master in quarantine until a user publishes it
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
    """How the library is kept. ``policies`` are the user's own, beside the named ones (see ``library/due.py``)."""

    policy: str = "nina-seasonal"
    policies: dict[str, RefreshPolicy] = {}
    season_days: int = Field(SEASON_DAYS, ge=1)  # raw frames are kept at least this long
    record_suffix: Literal[".xrs", ".log"] = ".xrs"
    index_path: Path | None = None  # None: where the library's index stands, or calibration-index.md
    defects_beside_darks: bool = False


class Settings(Section):
    """Everything that can be set."""

    profile: str = "default"
    engine: Literal["auto", "pixinsight", "numpy"] = "auto"
    layout: str = "ap"
    format: ImageFormat | None = None  # None: the layout's own
    scale: SampleScale | None = None  # None: the layout's own
    compression: Compression = "none"
    memory: str | None = None  # "2G", "800M"; None: half of what is free
    threads: int | None = Field(None, ge=1)
    stages: tuple[Literal["bias", "dark", "flat"], ...] = ("bias", "dark", "flat")
    same_run: bool = True
    bias_master_dir: Path | None = None
    dark_master_dir: Path | None = None
    types: tuple[CalibrationType, ...] = ()  # build only these; empty: all
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
