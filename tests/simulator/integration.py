"""ImageIntegration: what it refuses, what it computes, what it prints, and which keywords it keeps."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.simulator.arithmetic import Limits, combine, reject
from tests.simulator.console import Console
from tests.simulator.faults import Faults, crash
from tests.simulator.parameters import Values
from tests.simulator.settings import Settings
from tests.simulator.workspace import Card, Loaded, ProcessError, Window, Workspace, load

MODULE_VERSION = "1.6.0"

_COMBINATIONS = ("Average", "Median", "Minimum", "Maximum")
_NORMALIZATIONS = {0: "None", 2: "Multiplicative"}
_REJECTION_NORMALIZATIONS = {0: "None", 2: "Equalize fluxes"}
_REJECTIONS = {  # number: (element, as it is printed)
    0: ("NoRejection", "None"),
    1: ("MinMax", "Min/Max clipping"),
    2: ("PercentileClip", "Percentile clipping"),
    3: ("SigmaClip", "Sigma clipping"),
    4: ("WinsorizedSigmaClip", "Winsorized sigma clipping"),
    5: ("AveragedSigmaClip", "Averaged sigma clipping"),
    6: ("LinearFit", "Linear fit clipping"),
    8: ("Rejection_ESD", "Generalized extreme Studentized deviate"),
}
# the frames' type: the master's
_MASTER_TYPES = {1: "MasterBias", 2: "MasterDark", 3: "MasterFlat"}
# only what is the same in all frames survives; everything else is lost, the exposure time among it
_KEPT = (
    "AUTHOR", "OBSERVER", "INSTRUME", "IMAGETYP", "FILTER", "BAYERPAT", "XBAYROFF", "YBAYROFF", "PEDESTAL", "XPIXSZ",
    "YPIXSZ", "EGAIN", "ISOSPEED", "XBINNING", "YBINNING", "XORGSUBF", "YORGSUBF", "TELESCOP", "FOCALLEN", "APTDIA",
    "APTAREA", "OBJECT", "RA", "DEC", "RADESYS", "EQUINOX",
)  # fmt: skip
_NOT_SIMULATED = {
    "largeScaleClipLow": False,
    "largeScaleClipHigh": False,
    "generate64BitResult": False,
    "generateDrizzleData": False,
    "useROI": False,
    "subtractPedestals": False,
    "clipLow": True,
    "clipHigh": True,
}


class Integrated(NamedTuple):
    """What one channel came to."""

    pixels: NDArray[np.float64]  # (height, width) in [0, 1]
    low: NDArray[np.int64]  # per frame
    high: NDArray[np.int64]
    locations: list[float]


def refusal(values: Values) -> str | None:
    """Return why the process cannot even start: the script gets an exception."""
    if len(_rows(values)) < 3:
        return "This instance of ImageIntegration defines less than three source images."
    if values["csvWeights"]:
        return "The caller process lacks entitlement to perform operation."
    return None


def execute(
    values: Values, settings: Settings, console: Console, workspace: Workspace, faults: Faults
) -> dict[str, Any]:
    """Integrate; return the read-only properties. Raises ProcessError."""
    paths = [str(row[1]) for row in _rows(values) if row[0]]
    _misbehave(paths, faults, settings, console)
    _check(values, paths)
    console.line("Opening files:\n")
    console.line("* Available physical memory: 27.123 GiB")
    frames = _open(paths, str(values["inputHints"]), console)
    _describe(values, len(frames), console)
    channels = []
    for c in range(len(frames[0].pixels)):
        if len(frames[0].pixels) > 1:
            console.line(f"* Integrating channel {c + 1} of {len(frames[0].pixels)}:")
        channels.append(_integrate(values, frames, c))
        console.line(f"Integrating pixel rows:     0 -> {channels[-1].pixels.shape[0] - 1:5d}: done")
        console.line()
    miscount = faults.due("miscount", paths)
    if values["rejection"]:
        _report(frames, channels, console, extra=int(miscount))
    pixels = np.stack([channel.pixels for channel in channels])
    if faults.due("nan", paths):
        pixels[:, ::2] = np.nan
    outputs = _outputs(frames, channels, pixels)
    return outputs | _windows(values, settings, frames, channels, pixels, workspace)


def _rows(values: Values) -> list[list[Any]]:
    return values["images"]  # type: ignore[no-any-return]


def _misbehave(paths: list[str], faults: Faults, settings: Settings, console: Console) -> None:
    faults.count("integration")
    if faults.due("slow", paths):
        time.sleep(settings.slow)
    if faults.due("backtrace-line", paths):
        console.line(
            "*** PCL Win32 System Exception: At address 00007FF6A8D2B0E1 with exception code C0000005 : "
            "Access violation - Invalid memory read operation at address 0000000000000010"
        )
        console.line("*** Backtrace Information ***")
        console.line("[0] PixInsight.exe: 0x00007FF6A8D2B0E1")
    if faults.due("hang", paths):
        faults.hang()
    if faults.due("crash", paths):
        crash()
    if faults.due("ii-false", paths):
        raise ProcessError(f"{paths[0]}: Zero or insignificant signal detected (channel 0)")


def _check(values: Values, paths: list[str]) -> None:
    if not paths:
        raise ProcessError("No images have been selected.")
    if len(paths) < 3:
        raise ProcessError(
            f"ImageIntegration requires at least three images; this instance defines only {len(paths)} image(s)."
        )
    if values["rejection"] == 6 and len(paths) < 5:
        raise ProcessError(
            f"Linear fit rejection requires at least five images; only {len(paths)} images have been selected."
        )
    unknown = [
        *(name for name, wanted in _NOT_SIMULATED.items() if values[name] != wanted),
        *(["rejection"] if values["rejection"] not in _REJECTIONS else []),
        *(["normalization"] if values["normalization"] not in _NORMALIZATIONS else []),
        *(["rejectionNormalization"] if values["rejectionNormalization"] not in _REJECTION_NORMALIZATIONS else []),
    ]
    if unknown:
        settings = ", ".join(f"{name} = {values[name]}" for name in unknown)
        raise ProcessError(f"The simulator does not know how to integrate with {settings}")


def _open(paths: list[str], hints: str, console: Console) -> list[Loaded]:
    frames: list[Loaded] = []
    for number, path in enumerate(paths):
        console.path(f"[{number:03d}] {path}" if number else path)
        frame = load(path, hints, console)
        if frames and frame.pixels.shape != frames[0].pixels.shape:
            raise ProcessError(f"{path}: Incompatible image geometry.")
        frames.append(frame)
    console.line("* Waiting for running tasks to terminate...\n")
    return frames


def _integrate(values: Values, frames: Sequence[Loaded], channel: int) -> Integrated:
    _, height, width = frames[0].pixels.shape
    one = frames[0].one if len({frame.one for frame in frames}) == 1 else 1.0
    raw = np.stack([(f.pixels[channel] if f.one == one else f.pixels[channel] / f.one).ravel() for f in frames])
    if values["weightMode"] != 0:
        # what the default, PSFSignalWeight, comes to with frames that hold no stars
        raise ProcessError(f"{frames[0].path} (channel #0): Zero or insignificant PSF Signal Weight estimate.")
    locations = [_location(row, one) for row in raw]
    scales = _scales(values, locations, frames, channel)
    out_of_range = _range_rejected(values, raw / one)
    value = raw * scales if values["rejectionNormalization"] == 2 else raw
    low, high = reject(value, _limits(values, one), out_of_range)
    output = raw * scales if values["normalization"] == 2 else raw
    result = combine(output, low | high | out_of_range, _COMBINATIONS[int(values["combination"])]) / one
    if not values["truncateOnOutOfRange"] and (result.min() < 0 or result.max() > 1):
        result = (result - result.min()) / (result.max() - result.min())
    result = np.clip(result, 0, 1)
    return Integrated(result.reshape(height, width), low.sum(axis=1), high.sum(axis=1), [m / one for m in locations])


def _location(samples: NDArray[np.float64], one: float) -> float:
    """Return the median of what is neither black nor saturated, 0 where nothing is."""
    inside = samples[(samples > one / 65535) & (samples < one - one / 65535)]
    return float(np.median(inside)) if len(inside) else 0.0


def _scales(values: Values, locations: list[float], frames: Sequence[Loaded], channel: int) -> NDArray[np.float64]:
    """Return what each frame is multiplied by to have the location of the first, as a column."""
    if not values["normalization"] and not values["rejectionNormalization"]:
        return np.ones((len(frames), 1))
    for frame, location in zip(frames, locations, strict=True):
        if not location:
            raise ProcessError(f"{frame.path}: Zero or insignificant signal detected (channel {channel})")
    return np.array([locations[0] / location for location in locations])[:, np.newaxis]


def _range_rejected(values: Values, unit: NDArray[np.float64]) -> NDArray[np.bool_]:
    rejected = np.zeros(unit.shape, bool)
    if values["rangeClipLow"]:
        rejected |= unit <= float(values["rangeLow"])
    if values["rangeClipHigh"]:
        rejected |= unit >= float(values["rangeHigh"])
    return rejected


def _limits(v: Any, one: float) -> Limits:
    return Limits(
        _REJECTIONS[v["rejection"]][0],
        one,
        (v["minMaxLow"], v["minMaxHigh"]),
        (v["pcClipLow"], v["pcClipHigh"]),
        (v["sigmaLow"], v["sigmaHigh"]),
        v["winsorizationCutoff"],
        (v["linearFitLow"], v["linearFitHigh"]),
        (v["esdOutliersFraction"], v["esdAlpha"], v["esdLowRelaxation"]),
    )


# --- what is printed --------------------------------------------------------------------------------------


def _descriptions(v: Any) -> list[tuple[str, str, str]]:
    """Return label, value and the name under which HISTORY has it."""
    parameters = {
        1: "clip_low={minMaxLow} clip_high={minMaxHigh}",
        2: "pc_low={pcClipLow:.3f} pc_high={pcClipHigh:.3f}",
        3: "sigma_low={sigmaLow:.3f} sigma_high={sigmaHigh:.3f}",
        4: "sigma_low={sigmaLow:.3f} sigma_high={sigmaHigh:.3f} cutoff={winsorizationCutoff:.3f}",
        5: "sigma_low={sigmaLow:.3f} sigma_high={sigmaHigh:.3f}",
        6: "lfit_low={linearFitLow:.3f} lfit_high={linearFitHigh:.3f}",
        8: "esd_outliers={esdOutliersFraction:.2f} esd_alpha={esdAlpha:.2f} esd_low={esdLowRelaxation:.2f}",
    }
    lines = [
        ("Pixel combination", _COMBINATIONS[v["combination"]], "pixelCombination"),
        ("Output normalization", _NORMALIZATIONS[v["normalization"]], "outputNormalization"),
        ("Weighting mode", "Don't care", "weightMode"),
        ("Scale estimator", "Biweight midvariance", "scaleEstimator"),
        ("Pixel rejection", _REJECTIONS[v["rejection"]][1], "pixelRejection"),
    ]
    if v["rejection"]:
        lines += [
            (
                "Rejection normalization",
                _REJECTION_NORMALIZATIONS[v["rejectionNormalization"]],
                "rejectionNormalization",
            ),
            ("Rejection clippings", "low=yes high=yes", "rejectionClippings"),
            ("Rejection parameters", parameters[v["rejection"]].format_map(v), "rejectionParameters"),
        ]
    return lines


def _describe(values: Values, count: int, console: Console) -> None:
    console.line("* Using 7 worker threads.\n")
    console.line(f"Integration of {count} images:")
    for label, value, _ in _descriptions(values):
        console.line(f"{label + ' ':.<36} {value}")
    console.line()
    console.line("* Available physical memory: 26.900 GiB")
    console.line("* Allocated pixel buffer: 2160 rows, 0.247 GiB")
    console.line("* Using 2160 concurrent pixel stack(s), 0.890 GiB\n")


def _report(frames: Sequence[Loaded], channels: Sequence[Integrated], console: Console, *, extra: int) -> None:
    for channel in channels:
        console.line("Pixel rejection counts:")
        pixels = channel.pixels.size
        for number, frame in enumerate(frames):
            console.path(frame.path)
            console.line(f"{number + 1:5d} : {_counts(channel.low[number] + extra, channel.high[number], pixels)}")
            extra = 0
        console.line()
        console.line(f"Total : {_counts(channel.low.sum(), channel.high.sum(), pixels * len(frames))}\n")


def _counts(low: int, high: int, samples: int) -> str:
    share = 100 / samples
    return (
        f"{low + high:9d} {(low + high) * share:7.3f}% "
        f"({low:9d} + {high:9d} = {low * share:7.3f}% + {high * share:7.3f}%)"
    )


# --- what is left behind ----------------------------------------------------------------------------------


def _outputs(frames: Sequence[Loaded], channels: Sequence[Integrated], pixels: NDArray[np.float64]) -> dict[str, Any]:
    data = []
    for number in range(len(frames)):
        low = [int(channel.low[number]) for channel in channels] + [0, 0]
        high = [int(channel.high[number]) for channel in channels] + [0, 0]
        data.append([1.0, 0.0, 0.0, *low[:3], *high[:3]])
    outputs: dict[str, Any] = {
        "numberOfImages": len(frames),
        "numberOfChannels": len(channels),
        "numberOfPixels": channels[0].pixels.size,
        "totalPixels": channels[0].pixels.size * len(frames),
        "outputRangeLow": float(np.nanmin(pixels)),
        "outputRangeHigh": float(np.nanmax(pixels)),
        "imageData": data,
    }
    for name, channel in zip(("RK", "G", "B"), channels, strict=False):
        outputs[f"totalRejectedLow{name}"] = int(channel.low.sum())
        outputs[f"totalRejectedHigh{name}"] = int(channel.high.sum())
    return outputs


def _windows(
    values: Values,
    settings: Settings,
    frames: Sequence[Loaded],
    channels: Sequence[Integrated],
    pixels: NDArray[np.float64],
    workspace: Workspace,
) -> dict[str, str]:
    def show(name: str, image: NDArray[np.float64], cards: list[Card], image_type: str | None) -> str:
        if values["closePreviousImages"]:
            workspace.close(workspace.find(name))
        window = Window(name, image, cards, list(cards), image_type, sources=tuple(frame.path for frame in frames))
        workspace.add(window)
        return window.id

    ids = {"integrationImageId": "", "lowRejectionMapImageId": "", "highRejectionMapImageId": "", "slopeMapImageId": ""}
    if values["generateIntegratedImage"]:
        kind = _MASTER_TYPES.get(values["imageType"]) if values.get("overrideImageType") else None
        cards = _cards(values, settings, frames, channels, pixels)
        ids["integrationImageId"] = show("integration", pixels, cards, kind)
    if values["generateRejectionMaps"] and values["rejection"]:
        ids["lowRejectionMapImageId"] = show("rejection_low", np.zeros_like(pixels), [], None)
        ids["highRejectionMapImageId"] = show("rejection_high", np.zeros_like(pixels), [], None)
    return ids


def _cards(
    values: Values,
    settings: Settings,
    frames: Sequence[Loaded],
    channels: Sequence[Integrated],
    pixels: NDArray[np.float64],
) -> list[Card]:
    headers = [{card.name: card for card in frame.cards} for frame in frames]
    cards = [
        headers[0][name]
        for name in _KEPT
        if name in headers[0] and all(header.get(name) == headers[0][name] for header in headers)
    ]
    starts = sorted(header["DATE-OBS"].value for header in headers if "DATE-OBS" in header)
    if len(starts) == len(headers):
        cards.append(Card("DATE-OBS", starts[0], "Date/time of start of observation (UTC)"))
        cards.append(Card("DATE-END", starts[-1], "Date/time of end of observation (UTC)"))
    if values.get("generateFITSKeywords", True):
        cards += [_text("COMMENT", f"Integration with PixInsight {settings.version_text}")]
        cards += [_text("HISTORY", line) for line in _history(values, frames, channels, pixels)]
    return cards


def _text(name: str, text: str) -> Card:
    return Card(name, "", text)


def _history(
    values: Values, frames: Sequence[Loaded], channels: Sequence[Integrated], pixels: NDArray[np.float64]
) -> list[str]:
    low, high = sum(c.low for c in channels), sum(c.high for c in channels)
    samples = channels[0].pixels.size * len(frames) * len(channels)
    facts = [f"{name}: {value}" for _, value, name in _descriptions(values)]
    facts += [
        f"numberOfImages: {len(frames)}",
        f"totalPixels: {channels[0].pixels.size * len(frames)}",
        f"outputRangeLow: {np.nanmin(pixels):.8e}",
        f"outputRangeHigh: {np.nanmax(pixels):.8e}",
        f"totalRejectedLow: {int(np.sum(low))}({100 * np.sum(low) / samples:.3f}%)",
        f"totalRejectedHigh: {int(np.sum(high))}({100 * np.sum(high) / samples:.3f}%)",
    ]
    for i in range(len(frames)):
        location = " ".join(f"{channel.locations[i]:.6e}" for channel in channels)
        rejected_low = " ".join(str(channel.low[i]) for channel in channels)
        rejected_high = " ".join(str(channel.high[i]) for channel in channels)
        facts += [
            f"locationEstimates_{i}: {location}",
            f"imageWeights_{i}: 1.00000e+00",
            f"rejectedLow_{i}: {rejected_low}",
            f"rejectedHigh_{i}: {rejected_high}",
        ]
    return [
        f"Integration with ImageIntegration module version {MODULE_VERSION}",
        "Integration with ImageIntegration process",
        *(f"ImageIntegration.{fact}" for fact in facts),
    ]
