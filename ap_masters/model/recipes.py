"""Recipes: how a group is integrated, and what is subtracted from its frames before."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from ap_masters.model.frames import Decision, FrameType, calstat
from ap_masters.model.noun import Noun


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
    def has_sigma_limits(self) -> bool:
        """Whether it takes sigma_low and sigma_high; whatever AUTO turns out to be may do so."""
        return self in {Rejection.AUTO, Rejection.SIGMA, Rejection.WINSORIZED, Rejection.AVERAGED}

    @property
    def fewest_frames(self) -> int:
        """The number of images below which the process itself refuses (ImageIntegration 1.6.0)."""
        return 5 if self is Rejection.LINEAR_FIT else 3


class Normalization(StrEnum):
    """Scaling of each frame before combination."""

    NONE = "none"
    MULTIPLICATIVE = "multiplicative"

    @property
    def for_rejection(self) -> "RejectionNormalization":
        """What goes with it: frames that are scaled are compared as scaled, as WBPP 3.0.1 does with flats."""
        scaled = self is Normalization.MULTIPLICATIVE
        return RejectionNormalization.EQUALIZE_FLUXES if scaled else RejectionNormalization.NONE


class RejectionNormalization(StrEnum):
    """Scaling of each frame for rejection only."""

    NONE = "none"
    EQUALIZE_FLUXES = "equalize-fluxes"


# The ranges of ImageIntegration 1.6.0's parameters, for recipes and for the settings they are made of.
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
LARGEST_SIGMA: Final = 10
Sigma = Annotated[float, Field(ge=0, le=LARGEST_SIGMA)]
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

    @property
    def fewest_survivable(self) -> int:
        """The number of frames below which the rejection leaves nothing of any stack."""
        return self.minmax_low + self.minmax_high + 1 if self.rejection is Rejection.MINMAX else 1

    @property
    def fewest_frames(self) -> int:
        """The number of frames below which there is no integrating them: the process refuses, or nothing is left."""
        return max(self.rejection.fewest_frames, self.fewest_survivable)

    @property
    def demand(self) -> str:
        """What needs more frames than usual, in words that follow their number; empty where nothing does."""
        if self.rejection is Rejection.LINEAR_FIT:
            return " for linear fit clipping"
        if self.rejection is Rejection.MINMAX:
            return f" for min-max rejection of the {self.minmax_low} lowest and the {self.minmax_high} highest samples"
        return ""


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
    ``constant`` is subtracted, in ADU, instead of a bias master (PULSAR's numeric bias), or with a dark that it was
    subtracted from. ``defects`` names a cosmetic list applied after subtraction. ``before`` holds the CALSTAT letters
    of what the frames came without.
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
