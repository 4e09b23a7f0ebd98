"""Every parameter a script sets, against the definitions of the processes: names, types, numbers, ranges, age."""

from collections.abc import Iterator

import pytest

from ap_masters.engines.pixinsight import parameters
from ap_masters.engines.pixinsight.parameters import Parameter
from ap_masters.model import (
    Combination,
    FrameType,
    Normalization,
    Recipe,
    Rejection,
    RejectionNormalization,
)
from tests.engines.pixinsight.jobs import flat_calibration, make_job
from tests.simulator.parameters import table

_OLDEST, _NEWEST = (1, 8, 9), (1, 9, 4)
_TYPES = {"boolean": bool, "string": str, "integer": int, "real": float, "enum": int}

# What ImageIntegration and ImageCalibration have and a script does not set, because it has no say in a master.
_WITHOUT_SAY = {
    "ImageIntegration": {
        "weights are not used": {"weightKeyword", "csvWeightsFilePath"},
        "adaptive normalization is not used": {"adaptiveGridSize", "adaptiveNoScale"},
        "the CCD noise model is not used": {"ccdGain", "ccdReadNoise", "ccdScaleNoise"},
        "large-scale rejection is off": {
            "largeScaleClipLowProtectedLayers",
            "largeScaleClipLowGrowth",
            "largeScaleClipHighProtectedLayers",
            "largeScaleClipHighGrowth",
        },
        "there is no region of interest": {"roiX0", "roiY0", "roiX1", "roiY1"},
        "noise and signal are not evaluated": {
            "noiseEvaluationAlgorithm",
            "mrsMinDataFraction",
            "psfStructureLayers",
            "psfType",
        },
        "set from the job by the template": {"images", "imageType"},
    },
    "ImageCalibration": {
        "there is no overscan": {
            "overscanImageX0",
            "overscanImageY0",
            "overscanImageX1",
            "overscanImageY1",
            "overscanRegions",
        },
        "there is no cosmetic correction": {"cosmeticLowSigma", "cosmeticHighSigma", "cosmeticKernelRadius"},
        "the pedestal is given, not found": {"autoPedestalLimit"},
        "noise and signal are not evaluated": {
            "noiseEvaluationAlgorithm",
            "structureLayers",
            "saturationThreshold",
            "saturationRelative",
            "noiseLayers",
            "hotPixelFilterRadius",
            "noiseReductionFilterRadius",
            "minStructureSize",
            "psfType",
            "psfGrowth",
            "maxStars",
        },
        "set from the job by the template": {
            "targetFrames",
            "masterBiasEnabled",
            "masterBiasPath",
            "masterDarkEnabled",
            "masterDarkPath",
            "outputDirectory",
        },
    },
}


def recipes() -> Iterator[Recipe]:
    for rejection in Rejection:
        if rejection is not Rejection.AUTO:
            yield Recipe(rejection=rejection)
    for combination in Combination:
        yield Recipe(rejection=Rejection.NONE, combination=combination)
    yield Recipe(
        rejection=Rejection.NONE,
        normalization=Normalization.MULTIPLICATIVE,
        rejection_normalization=RejectionNormalization.EQUALIZE_FLUXES,
    )


def everything_set() -> Iterator[tuple[str, Parameter]]:
    for parameter in (*parameters.INTEGRATION, *parameters.memory(None, 64), *parameters.memory(1 << 30)):
        yield "ImageIntegration", parameter
    for recipe in recipes():
        for parameter in parameters.integration(recipe):
            yield "ImageIntegration", parameter
    for parameter in parameters.CALIBRATION:
        yield "ImageCalibration", parameter
    for pattern in (None, "RGGB", "BGGR", "GBRG", "GRBG", "strange"):
        job = make_job(FrameType.FLAT, key={"bayer_pattern": pattern})
        for parameter in parameters.calibration(job, flat_calibration()):
            yield "ImageCalibration", parameter


@pytest.mark.parametrize(
    ("process", "parameter"),
    [pytest.param(process, p, id=f"{process}.{p.name}={p.value}") for process, p in dict.fromkeys(everything_set())],
)
def test_parameter(process: str, parameter: Parameter) -> None:
    """A parameter exists under its name, takes this value, is in its range, and is marked if 1.8.9 lacks it."""
    definition = table(process, _NEWEST)[parameter.name]

    assert not definition.read_only
    assert type(parameter.value) is _TYPES[definition.type]
    assert bool(parameter.element) == (definition.type == "enum")
    if parameter.element:
        assert definition.elements[parameter.element] == parameter.value
    if not isinstance(parameter.value, str):
        assert definition.minimum is None or definition.minimum <= parameter.value
        assert definition.maximum is None or parameter.value <= definition.maximum
    assert parameter.later == (parameter.name not in table(process, _OLDEST))


@pytest.mark.parametrize("process", ["ImageIntegration", "ImageCalibration"])
def test_nothing_left_to_a_default(process: str) -> None:
    """Every parameter of a process is set, or has no say in a master for a reason that is written down."""
    writable = {name for name, definition in table(process, _NEWEST).items() if not definition.read_only}
    given = {parameter.name for name, parameter in everything_set() if name == process}
    without_say = set().union(*_WITHOUT_SAY[process].values())

    assert given | without_say == writable
    assert not given & without_say


@pytest.mark.parametrize("process", ["ImageIntegration", "ImageCalibration"])
def test_set_once(process: str) -> None:
    """No parameter is set twice for one job."""
    fixed = {
        "ImageIntegration": (
            *parameters.INTEGRATION,
            *parameters.memory(None),
            *parameters.integration(Recipe(rejection=Rejection.NONE)),
        ),
        "ImageCalibration": (
            *parameters.CALIBRATION,
            *parameters.calibration(make_job(FrameType.FLAT), flat_calibration()),
        ),
    }
    names = [parameter.name for parameter in fixed[process]]

    assert len(names) == len(set(names))


def test_smallest_memory() -> None:
    """However little memory there is, the pixel stacks get some."""
    assert Parameter("stackSizeMB", 16) in parameters.memory(1)


def test_instances_share_the_free_memory() -> None:
    """Each of two instances would take three quarters of what is free: they get half of it each."""
    assert Parameter("autoMemoryLimit", 0.75) in parameters.memory(None)
    assert Parameter("autoMemoryLimit", 0.38) in parameters.memory(None, 2)
    assert Parameter("autoMemoryLimit", 0.1) in parameters.memory(None, 64)
