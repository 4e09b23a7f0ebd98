"""What the parameters of ImageIntegration and ImageCalibration are set to: one row each, nothing left to a default.

Values are those WBPP 3.0.1 uses for masters; numbers of enumeration elements are those of ImageIntegration
1.6.0 and ImageCalibration 2.2.8 (a test compares names, numbers and ranges with the process definitions).
Defaults changed between PixInsight versions, so every parameter that has a say in a master is set.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters.model import (
    Calibration,
    Combination,
    FrameType,
    Job,
    Normalization,
    Recipe,
    Rejection,
    RejectionNormalization,
)


class Parameter(NamedTuple):
    """One property of a process. ``element`` names the enumeration element whose number ``value`` is.

    ``later`` marks properties that PixInsight 1.8.9 does not have yet; a script sets them where they exist.
    """

    name: str
    value: bool | int | float | str
    element: str = ""
    later: bool = False


# FITS frames with ROWORDER 'BOTTOM-UP' are turned over as they are read, as WBPP does with lights.
INPUT_HINTS: Final = "fits-keywords normalize only-first-image raw cfa use-roworder-keywords signed-is-physical"
XISF_HINTS: Final = (
    "properties fits-keywords no-compress-data block-alignment 4096 max-inline-block-size 3072 "
    "no-embedded-data no-resolution"
)
# A FITS header holds ASCII only: without the last hint a filter with a Greek letter would keep a file from being saved.
FITS_HINTS: Final = "fits-keywords up-bottom cleanup-headers"
# Of the names of calibrated frames, by which the script finds and removes them.
CALIBRATED_POSTFIX: Final = "_c"
CALIBRATED_EXTENSION: Final = ".xisf"

INTEGRATION: Final = (
    Parameter("inputHints", INPUT_HINTS),
    Parameter("overrideImageType", True, later=True),
    Parameter("weightMode", 0, "DontCare"),
    Parameter("weightScale", 2, "WeightScale_BWMV"),
    Parameter("minWeight", 0.005, later=True),
    Parameter("csvWeights", ""),
    Parameter("ignoreNoiseKeywords", False),
    Parameter("rcrLimit", 0.1),
    Parameter("clipLow", True),
    Parameter("clipHigh", True),
    Parameter("rangeClipLow", False),
    Parameter("rangeLow", 0.0),
    Parameter("rangeClipHigh", False),
    Parameter("rangeHigh", 0.98),
    Parameter("mapRangeRejection", False),
    Parameter("reportRangeRejection", False),
    Parameter("largeScaleClipLow", False),
    Parameter("largeScaleClipHigh", False),
    Parameter("generate64BitResult", False),
    Parameter("generateRejectionMaps", False),
    Parameter("generateSlopeMaps", False, later=True),
    Parameter("generateIntegratedImage", True),
    Parameter("generateDrizzleData", False),
    Parameter("generateFITSKeywords", True, later=True),
    Parameter("closePreviousImages", False),
    Parameter("useROI", False),
    Parameter("useCache", False),
    Parameter("evaluateSNR", False),
    Parameter("subtractPedestals", False),
    Parameter("truncateOnOutOfRange", True),
    Parameter("noGUIMessages", True),
    Parameter("showImages", False),
    Parameter("useFileThreads", True),
    Parameter("fileThreadOverload", 1.0),
    Parameter("useBufferThreads", True),
    Parameter("maxBufferThreads", 0),
)

CALIBRATION: Final = (
    Parameter("inputHints", INPUT_HINTS),
    Parameter("outputHints", XISF_HINTS),
    Parameter("pedestal", 0),
    Parameter("pedestalMode", 1, "Keyword"),
    Parameter("pedestalKeyword", ""),
    Parameter("overscanEnabled", False),
    Parameter("masterFlatEnabled", False),
    Parameter("masterFlatPath", ""),
    Parameter("calibrateBias", True),
    Parameter("calibrateFlat", False),
    Parameter("darkOptimizationThreshold", 0.0),
    Parameter("darkOptimizationLow", 3.0),
    Parameter("darkOptimizationWindow", 0),
    Parameter("darkCFADetectionMode", 0, "DetectCFA"),
    Parameter("separateCFAFlatScalingFactors", False),
    Parameter("flatScaleClippingFactor", 0.05),
    Parameter("cosmeticCorrectionLow", False, later=True),
    Parameter("cosmeticCorrectionHigh", False, later=True),
    Parameter("cosmeticShowMap", False, later=True),
    Parameter("cosmeticShowMapAndStop", False, later=True),
    Parameter("evaluateNoise", False),
    Parameter("evaluateSignal", False),
    Parameter("outputExtension", CALIBRATED_EXTENSION),
    Parameter("outputPrefix", ""),
    Parameter("outputPostfix", CALIBRATED_POSTFIX),
    Parameter("outputSampleFormat", 2, "f32"),
    Parameter("outputPedestal", 0),
    Parameter("outputPedestalMode", 0, "OutputPedestal_Literal"),
    Parameter("generateHistoryProperties", True, later=True),
    Parameter("generateFITSKeywords", True, later=True),
    Parameter("overwriteExistingFiles", False),
    Parameter("onError", 0, "Continue"),
    Parameter("noGUIMessages", True),
    Parameter("useFileThreads", True),
    Parameter("fileThreadOverload", 1.0),
    Parameter("maxFileReadThreads", 0),
    Parameter("maxFileWriteThreads", 0),
)

_COMBINATION: Final = {
    Combination.AVERAGE: (0, "Average"),
    Combination.MEDIAN: (1, "Median"),
    Combination.MINIMUM: (2, "Minimum"),
    Combination.MAXIMUM: (3, "Maximum"),
}
_REJECTION: Final = {
    Rejection.NONE: (0, "NoRejection"),
    Rejection.MINMAX: (1, "MinMax"),
    Rejection.PERCENTILE: (2, "PercentileClip"),
    Rejection.SIGMA: (3, "SigmaClip"),
    Rejection.WINSORIZED: (4, "WinsorizedSigmaClip"),
    Rejection.AVERAGED: (5, "AveragedSigmaClip"),
    Rejection.LINEAR_FIT: (6, "LinearFit"),
    Rejection.ESD: (8, "Rejection_ESD"),
}
_NORMALIZATION: Final = {
    Normalization.NONE: (0, "NoNormalization"),
    Normalization.MULTIPLICATIVE: (2, "Multiplicative"),
}
_REJECTION_NORMALIZATION: Final = {
    RejectionNormalization.NONE: (0, "NoRejectionNormalization"),
    RejectionNormalization.EQUALIZE_FLUXES: (2, "EqualizeFluxes"),
}
# pcl::ImageType of the frames; ImageIntegration makes the master's type of it.
IMAGE_TYPE: Final = {FrameType.BIAS: 1, FrameType.DARK: 2, FrameType.DARK_FLAT: 2, FrameType.FLAT: 3}
_CFA_PATTERN: Final = {"RGGB": 1, "BGGR": 2, "GBRG": 3, "GRBG": 4}

_MIB: Final = 1 << 20
_OF_FREE_MEMORY: Final = 0.75
_LEAST_OF_FREE_MEMORY: Final = 0.1  # below that ImageIntegration refuses
_ESD_LOW_RELAXATION_LIMIT: Final = 5.0


def integration(recipe: Recipe) -> tuple[Parameter, ...]:
    """Return what ImageIntegration is told of one group: combination, normalization and rejection."""
    return (
        Parameter("combination", *_COMBINATION[recipe.combination]),
        Parameter("normalization", *_NORMALIZATION[recipe.normalization]),
        Parameter("rejection", *_REJECTION[recipe.rejection]),
        Parameter("rejectionNormalization", *_REJECTION_NORMALIZATION[recipe.rejection_normalization]),
        Parameter("minMaxLow", recipe.minmax_low),
        Parameter("minMaxHigh", recipe.minmax_high),
        Parameter("pcClipLow", recipe.percentile_low),
        Parameter("pcClipHigh", recipe.percentile_high),
        Parameter("sigmaLow", recipe.sigma_low),
        Parameter("sigmaHigh", recipe.sigma_high),
        Parameter("winsorizationCutoff", recipe.winsorization_cutoff),
        Parameter("linearFitLow", recipe.linear_fit_low),
        Parameter("linearFitHigh", recipe.linear_fit_high),
        Parameter("esdOutliersFraction", recipe.esd_outliers),
        Parameter("esdAlpha", recipe.esd_alpha),
        Parameter("esdLowRelaxation", recipe.esd_low_relaxation),
    )


def memory(share: int | None, instances: int = 1) -> tuple[Parameter, ...]:
    """Return how much memory ImageIntegration may take: ``share`` bytes, or PixInsight's own rule for None.

    Half of the share holds pixel stacks; the rest is left to the images, the file buffers and PixInsight itself.
    PixInsight's own rule is three quarters of what is free, for all ``instances`` together.
    """
    return (
        Parameter("autoMemorySize", share is None),
        Parameter("autoMemoryLimit", max(round(_OF_FREE_MEMORY / instances, 2), _LEAST_OF_FREE_MEMORY)),
        Parameter("bufferSizeMB", 16),
        Parameter("stackSizeMB", 1024 if share is None else min(max(share // 2 // _MIB, 16), 1048576)),
    )


def calibration(job: Job, chosen: Calibration) -> tuple[Parameter, ...]:
    """Return what ImageCalibration is told of one group, without the paths, which the script looks up.

    A dark that contains the bias is only corrected for it (``calibrateDark``) when a bias is subtracted too.
    """
    pattern = (job.group.key.bayer_pattern or "").strip().upper()
    return (
        Parameter("enableCFA", bool(pattern)),
        Parameter("cfaPattern", _CFA_PATTERN.get(pattern, 0), pattern if pattern in _CFA_PATTERN else "Auto"),
        Parameter("calibrateDark", chosen.bias is not None and chosen.dark is not None and chosen.dark.includes_bias),
        Parameter("optimizeDarks", chosen.scale_dark),
    )


def unsupported(job: Job) -> str | None:
    """Return why PixInsight cannot do ``job`` as it is defined, or None when it can."""
    recipe, chosen = job.recipe, job.calibration
    if recipe.rejection is Rejection.AUTO:
        return "the rejection algorithm was left to be chosen; the plan chooses it by the number of frames"
    if recipe.target_median is not None:
        return "ImageIntegration cannot scale each frame to a given median (target_median)"
    if recipe.esd_low_relaxation > _ESD_LOW_RELAXATION_LIMIT:
        return f"ImageIntegration takes an ESD low relaxation of at most {_ESD_LOW_RELAXATION_LIMIT:g}"
    if chosen is not None and (reason := _uncalibratable(job, chosen)):
        return reason
    if packed := next((path for path in _read(job) if _packed(path)), None):
        return f"PixInsight does not read compressed files such as {packed.name}"
    count = len(job.frames)
    if count < (fewest := recipe.fewest_frames):
        return f"ImageIntegration needs {fewest} images for {recipe.rejection} rejection, the group has {count}"
    return None


def _read(job: Job) -> Iterator[Path]:
    """Yield every file that PixInsight would have to read."""
    yield from (frame.path for frame in job.frames)
    if job.calibration is not None:
        yield from (master.path for master in job.calibration.masters)


def _packed(path: Path) -> bool:
    """Whether PixInsight's FITS module passes a file by: it takes .fit, .fits, .fts and .fits.fz (version 1.2.3)."""
    name = path.name.lower()
    return name.endswith(".gz") or (name.endswith(".fz") and not name.endswith(".fits.fz"))


def _uncalibratable(job: Job, chosen: Calibration) -> str | None:
    if chosen.constant is not None:
        return "ImageCalibration cannot subtract a constant in place of a master bias"
    if chosen.defects is not None:
        return "ImageCalibration does not take a list of defects"
    if chosen.subtracted and job.group.key.type is not FrameType.FLAT:
        # Its result is truncated to [0, 1]: without the bias level, half of the noise would be cut off.
        return "ImageCalibration truncates at zero, which spoils frames as faint as darks; it calibrates flats only"
    return None
