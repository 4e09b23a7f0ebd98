"""ImageCalibration: arithmetic, output names, and how it goes on when one frame fails."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.errors import ImageError
from tests.simulator.console import Console
from tests.simulator.faults import Faults
from tests.simulator.parameters import Values, table
from tests.simulator.settings import Settings
from tests.simulator.workspace import Card, Loaded, ProcessError, load, write

MODULE_VERSION = "2.2.8"
_ADU = 65535.0
_NOT_SIMULATED = {
    "overscanEnabled": False,
    "masterFlatEnabled": False,
    "cosmeticCorrectionLow": False,
    "cosmeticCorrectionHigh": False,
    "outputSampleFormat": 2,
    "onError": 0,
}


Unit = NDArray[np.float32]  # samples in [0, 1]; the process rounds every step to 32 bits


class Masters(NamedTuple):
    """What is subtracted. ``hot`` is the dark as the optimizer sees it, for every channel."""

    bias: Unit | None
    dark: Unit | None
    hot: NDArray[np.float64] | None
    cell: int  # pixels of a colour filter array that the optimizer averages, along each axis


def refusal(values: Values) -> str | None:
    """Return why the process cannot even start: the script gets an exception. Existence is not looked at here."""
    if not _rows(values):
        return "No target frames have been specified."
    enabled = [kind for kind in ("Bias", "Dark", "Flat") if values[f"master{kind}Enabled"]]
    for kind in enabled:
        if not values[f"master{kind}Path"]:
            return f"Missing or invalid master {kind.lower()} frame."
    if not enabled and not values["overscanEnabled"]:
        return "No master calibration frames or overscan regions have been specified."
    return None


def execute(values: Values, settings: Settings, console: Console, faults: Faults) -> dict[str, Any]:
    """Calibrate every enabled target; return the read-only properties. Raises ProcessError."""
    paths = [str(row[1]) for row in _rows(values) if row[0]]
    _check(values, settings)
    masters = _load_masters(values, console)
    console.line(f"\n* Calibration of {len(paths)} target frames.")
    console.line("* Using 7 worker threads.")
    blank = [column.default for column in table("ImageCalibration", settings.version)["outputData"].columns]
    data, failed = [], 0
    for number, path in enumerate(paths):
        row = list(blank)
        try:
            if faults.due("calibrate-none", paths) or (faults.due("calibrate-fail", paths) and number == 1):
                raise ProcessError(f"File I/O Error: Unable to open file: Permission denied: {path}")
            row[0], row[1] = _calibrate(path, values, settings, masters, console)
        except ProcessError as error:
            # an error of a worker thread is caught as text and thrown again
            console.line(f"*** Error: *** Error: {error}")
            console.line("* Applying error policy: Continue on error.")
            failed += 1
        data.append(row)
    console.line(f"\n===== ImageCalibration: {len(paths) - failed} succeeded, {failed} failed, 0 skipped =====")
    if failed == len(paths):
        raise ProcessError("No image could be calibrated.")
    return {"outputData": data}


def _rows(values: Values) -> list[list[Any]]:
    return values["targetFrames"]  # type: ignore[no-any-return]


def _check(values: Values, settings: Settings) -> None:
    directory = str(values["outputDirectory"])
    if directory and not Path(directory).is_dir():
        raise ProcessError(f"The specified output directory does not exist: {directory}")
    for _, path, *_ in _rows(values):
        if not Path(path).is_file():
            raise ProcessError(f"No such file exists on the local filesystem: {path}")
    names = [Path(path).name.lower() for _, path, *_ in _rows(values)]
    if values["overwriteExistingFiles"] and len(set(names)) < len(names):
        raise ProcessError(
            "The target frames list contains duplicate file names (case-insensitive). "
            "This is not allowed when the 'Overwrite existing files' option is enabled."
        )
    unknown = [name for name, wanted in _NOT_SIMULATED.items() if values.get(name, wanted) != wanted]
    if unknown:
        raise ProcessError(f"The simulator does not know how to calibrate with {', '.join(unknown)}")


def _load_masters(values: Values, console: Console) -> Masters:
    bias = dark = hot = None
    cell = 2 if values["enableCFA"] and values["cfaPattern"] else 1
    if values["masterBiasEnabled"]:
        console.line(f"* Loading master bias frame: <raw>{values['masterBiasPath']}</raw>")
        bias = _unit(load(str(values["masterBiasPath"]), str(values["inputHints"]), console))
    if values["masterDarkEnabled"]:
        console.line(f"* Loading master dark frame: <raw>{values['masterDarkPath']}</raw>")
        dark = _unit(load(str(values["masterDarkPath"]), str(values["inputHints"]), console))
        if values["calibrateDark"] and bias is not None:
            console.line("* Applying bias correction: master dark frame.")
            dark = dark - bias
        if values["optimizeDarks"]:
            hot = _hot_pixels(_averaged(dark, cell), float(values["darkOptimizationLow"]), console)
    return Masters(bias, dark, hot, cell)


def _averaged(image: Unit, cell: int) -> NDArray[np.float64]:
    """Return the means of square cells, what is left over at the edges cut off."""
    channels, height, width = image.shape
    rows, columns = height // cell, width // cell
    cells = image[:, : rows * cell, : columns * cell].reshape(channels, rows, cell, columns, cell)
    return cells.mean(axis=(2, 4), dtype=np.float64)  # type: ignore[no-any-return]


def _hot_pixels(dark: NDArray[np.float64], sigmas: float, console: Console) -> NDArray[np.float64]:
    """Return the dark with everything below median + sigmas * 1.4826 * MAD set to zero."""
    console.line("* Computing dark frame optimization thresholds.")
    hot = np.zeros_like(dark)
    for c, channel in enumerate(dark):
        median = np.median(channel)
        threshold = np.clip(median + sigmas * 1.4826 * np.median(np.abs(channel - median)), 0, 1)
        hot[c] = np.where(channel < threshold, 0, channel)
        count = int((channel >= threshold).sum())
        console.line(f"ch {c} : Td = {threshold:.8f} ({count} px = {100 * count / channel.size:.3f}%)")
    return hot


def _unit(frame: Loaded) -> Unit:
    return (frame.pixels / frame.one).astype(np.float32)


def _calibrate(path: str, values: Values, settings: Settings, masters: Masters, console: Console) -> tuple[str, float]:
    """Calibrate one frame; return where it went and the scale of the dark (of the first channel)."""
    console.line(f"\n* Loading target calibration frame: <raw>{path}</raw>")
    frame = load(path, str(values["inputHints"]), console)
    pixels, scale = _subtract(frame, values, masters, console)
    pixels = pixels + np.float32(values["outputPedestal"] / _ADU)
    truncated = " (truncated)" if pixels.max() >= 1 else ""
    console.line(f"Calibration range: [{pixels.min():.6e},{pixels.max():.6e}]{truncated}")
    target = _output_path(path, values)
    console.line(f"* Writing output file: <raw>{target.as_posix()}</raw>")
    if target.exists():
        if values["overwriteExistingFiles"]:
            console.warning("Overwriting existing file.")
        else:
            target = _unused(target)
            console.line(f"* File already exists, writing to: <raw>{target.as_posix()}</raw>")
    try:
        write(target, np.clip(pixels, 0, 1), _cards(frame, values, settings), None)
    except (ImageError, OSError) as error:
        raise ProcessError(f"File I/O Error: Unable to create file: {error}") from error
    return target.as_posix(), scale


def _subtract(frame: Loaded, values: Values, masters: Masters, console: Console) -> tuple[Unit, float]:
    pixels = _unit(frame) - np.float32(_pedestal(frame, values, console) / _ADU)
    for master in (masters.bias, masters.dark):
        if master is not None and master.shape != pixels.shape:
            raise ProcessError("Incompatible image geometry")
    scales = [1.0] * len(pixels)
    if masters.hot is not None:
        console.line("* Computing dark frame optimization factors.")
        # the optimizer looks at the frame as it was read; a constant bias has no part in a deviation
        scales = [_scale(t, d) for t, d in zip(_averaged(pixels, masters.cell), masters.hot, strict=True)]
        console.line("Dark scaling factors:")
        for c, k in enumerate(scales):
            console.line(f"ch {c} : k = {k:.3f}")
    console.line("* Performing image calibration.")
    factors = np.array(scales, np.float32)[:, np.newaxis, np.newaxis]
    if masters.bias is None and masters.dark is not None:
        return pixels - factors * masters.dark, scales[0]
    if masters.bias is not None and masters.dark is not None:
        return pixels - (masters.bias + factors * masters.dark), scales[0]
    return (pixels if masters.bias is None else pixels - masters.bias), scales[0]


def _scale(target: NDArray[np.float64], hot: NDArray[np.float64]) -> float:
    """Return the k >= 0 for which target - k * hot has the least standard deviation: a parabola under a root."""
    if np.ptp(hot) == 0:
        return 1.0
    return max(0.0, float(np.mean((target - target.mean()) * (hot - hot.mean())) / hot.var()))


def _pedestal(frame: Loaded, values: Values, console: Console) -> float:
    """Return what is subtracted first, in ADU. The sign of the keyword does not matter: programs write both."""
    if values["pedestalMode"] == 0:
        return float(values["pedestal"])
    name = "PEDESTAL" if values["pedestalMode"] == 1 else str(values["pedestalKeyword"])
    for card in frame.cards:
        if card.name == name and re.fullmatch(r"[-+\d.EeDd]+", card.value.strip()):
            value = abs(float(card.value))
            if value:
                console.line(f"* Subtracting pedestal keyword '{name}': {value:.4f} DN")
            return value
    return 0.0


def _output_path(path: str, values: Values) -> Path:
    source = Path(path)
    folder = Path(str(values["outputDirectory"])) if values["outputDirectory"] else source.parent
    return folder / f"{values['outputPrefix']}{source.stem}{values['outputPostfix']}{values['outputExtension']}"


def _unused(path: Path) -> Path:
    number = 1
    while (candidate := path.with_name(f"{path.stem}_{number}{path.suffix}")).exists():
        number += 1
    return candidate


def _cards(frame: Loaded, values: Values, settings: Settings) -> list[Card]:
    lines = [
        f"Calibration with ImageCalibration module version {MODULE_VERSION}",
        "Calibration with ImageCalibration process",
    ]
    for kind in ("Bias", "Dark", "Flat"):
        enabled = bool(values[f"master{kind}Enabled"])
        lines.append(f"ImageCalibration.master{kind}.enabled: {str(enabled).lower()}")
        if enabled:
            lines.append(f"ImageCalibration.master{kind}.fileName: {Path(str(values[f'master{kind}Path'])).name}")
    return [
        *(card for card in frame.cards if card.name != "PEDESTAL"),
        Card("COMMENT", "", f"Calibration with PixInsight {settings.version_text}"),
        *(Card("HISTORY", "", line.encode("ascii", "replace").decode()) for line in lines),
    ]
