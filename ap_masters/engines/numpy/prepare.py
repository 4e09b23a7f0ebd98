"""What has to be known before the first row: the scale of the samples, the masters to subtract, the frames' levels."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.calibrate import Calibrated, MasterPixels, Masters, read_defects
from ap_masters.engines.numpy.crew import in_processes
from ap_masters.engines.numpy.levels import LevelOf, sampled_runs
from ap_masters.engines.numpy.order import Scales
from ap_masters.engines.numpy.reading import Frames, Refused
from ap_masters.engines.numpy.scales import factors, is_normalized
from ap_masters.engines.numpy.scaling import Factor, Optimization
from ap_masters.errors import ApMastersError
from ap_masters.images.scale import ADU, holds_counts
from ap_masters.model import Calibration, CalibrationMaster, Frame, Reason, Recipe
from ap_masters.model.orientation import are_turned, rows_of

_RUN: Final = 1 << 20  # samples read at once
_CELLS: Final = {4: 2, 36: 3}  # Bayer and X-Trans patterns, by their length

Levels = list[list[float]]  # by frame and channel, in counts


class CannotIntegrate(ApMastersError):
    """The job's frames do not make a master; ``advice`` says what would help."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.advice = advice


class Prepared(NamedTuple):
    """Samples as they are to be integrated, and what is known of each frame."""

    source: Frames | Calibrated
    full_scale: float
    levels: Levels | None  # where normalization needs them
    scales: list[Scales]  # by channel
    dark_scaling: Sequence[Sequence[float]] | None
    notes: tuple[str, ...]


def prepare(
    raw: Frames,
    frames: Sequence[Frame],
    recipe: Recipe,
    calibration: Calibration | None,
    *,
    workdir: Path,
    workers: int,
    stack: ExitStack,
) -> Prepared:
    """Find out all that integration needs; masters stay open as long as ``stack``.

    Raises Refused for a frame that has to be left out, CannotIntegrate for an unusable master.
    """
    notes: list[str] = []
    full_scale = _full_scale(raw, notes)
    source: Frames | Calibrated = raw
    dark_scaling = None
    if calibration is not None:
        setting = _Setting(raw, frames, full_scale, workdir, workers, stack, notes)
        source = _calibrated(calibration, setting)
        dark_scaling = source.dark_scaling
    levels = None
    scales = [Scales()] * raw.geometry.channels
    if is_normalized(recipe):
        levels = _levels(source, full_scale, workers)
        scales = [factors(list(of_channel), recipe, full_scale) for of_channel in zip(*levels, strict=True)]
    return Prepared(source, full_scale, levels, scales, dark_scaling, tuple(notes))


def _full_scale(raw: Frames, notes: list[str]) -> float:
    """Return the count that stands for 1.0; for float frames found out from their headers and samples."""
    if raw.full_scale is not None:
        return raw.full_scale
    runs = (run for index in range(len(raw)) for run in sampled_runs(raw, index, 0, raw.geometry.plane))
    counts = _holds_counts(raw, runs)
    notes.append("float frames taken as " + ("counts of the 16-bit range" if counts else "values from 0 to 1"))
    return ADU if counts else 1.0


def _holds_counts(raw: Frames, runs: Iterable[NDArray[Any]]) -> bool:
    return holds_counts(0, raw.data_max) or any(holds_counts(float(run.max()), None) for run in runs)


def _levels(source: Frames | Calibrated, full_scale: float, workers: int) -> Levels:
    """Return the exact level of each frame and channel. Raises Refused for a frame without one."""
    channels, plane = source.geometry.channels, source.geometry.plane
    level_of = partial(LevelOf, source, channels=channels, plane=plane, full_scale=full_scale)
    levels: Levels = [[] for _ in source.paths]
    for index, found in in_processes(range(len(source)), level_of, workers):
        levels[index] = [level for level in found if level is not None and level > 0]
        if len(levels[index]) < channels:
            raise Refused(source.paths[index], Reason.LEVEL, "has no level: every sample is zero or saturated")
    return levels


# --- calibration ------------------------------------------------------------------------------------------


class _Setting(NamedTuple):
    """What calibration is prepared with."""

    raw: Frames
    frames: Sequence[Frame]
    full_scale: float
    workdir: Path
    workers: int
    stack: ExitStack
    notes: list[str]


def _calibrated(calibration: Calibration, setting: _Setting) -> Calibrated:
    """Return the frames calibrated on the fly."""
    geometry, unit = setting.raw.geometry, setting.full_scale / ADU
    masters = Masters(
        bias=_open_master(calibration.bias, setting) if calibration.bias else None,
        dark=_open_master(calibration.dark, setting) if calibration.dark else None,
        dark_holds_bias=calibration.dark.includes_bias if calibration.dark else True,
        constant=(calibration.constant or 0.0) * unit,
    )
    pedestals = [(frame.pedestal or 0.0) * unit if calibration.subtracted else 0.0 for frame in setting.frames]
    defects = read_defects(calibration.defects, geometry.width, geometry.height) if calibration.defects else None
    if defects is not None and masters.dark is not None and masters.dark.turned:  # the list was made of the dark
        row, column = np.divmod(defects, geometry.width)
        defects = np.sort((geometry.height - 1 - row) * geometry.width + column)
    scaling = None
    if calibration.scale_dark and masters.dark is not None:
        if masters.bias is not None:
            scaling = _dark_scaling(masters, Calibrated(setting.raw, Masters(), pedestals=pedestals), setting)
        else:
            setting.notes.append("the dark is not scaled: that needs a master bias")
    return Calibrated(setting.raw, masters, pedestals=pedestals, dark_scaling=scaling, defects=defects)


def _all_runs(image: Frames) -> Iterator[NDArray[Any]]:
    """Yield all samples of the first frame: of a master in counts, few may be beyond what fractions reach."""
    plane = image.geometry.plane
    for channel in range(image.geometry.channels):
        for start in range(0, plane, _RUN):
            yield image.read(0, channel, start, min(_RUN, plane - start))


def _open_master(master: CalibrationMaster, setting: _Setting) -> MasterPixels:
    """Open a master for subtraction. Raises CannotIntegrate when it is unusable for these frames."""
    advice = "Choose another master, or move this one away and build it again."
    try:
        image = setting.stack.enter_context(Frames([master.path], setting.workdir, datasum=True))
        own = image.full_scale or (ADU if _holds_counts(image, _all_runs(image)) else 1.0)
    except Refused as refused:
        raise CannotIntegrate(str(refused), advice) from refused
    geometry, wanted = image.geometry, setting.raw.geometry
    same_size = (geometry.width, geometry.height) == (wanted.width, wanted.height)
    if not same_size or geometry.channels not in {1, wanted.channels}:
        reason = f"{master.path} is {geometry.describe()}, the frames are {wanted.describe()}"
        raise CannotIntegrate(reason, advice)
    return MasterPixels(
        image, full_scale=own, counts=setting.full_scale, pedestal=_pedestal(image), turned=_is_turned(image, setting)
    )


def _is_turned(image: Frames, setting: _Setting) -> bool:
    """Say whether a master stores its rows in another order than the frames, where both tell (ROWORDER)."""
    own, wanted = (rows_of(frames.keywords, frames.format) for frames in (image, setting.raw))
    if not are_turned(own, wanted):
        return False
    setting.notes.append(
        f"{image.paths[0].name} stores its rows {own}, the frames {wanted}: it is turned over for them"
    )
    return True


def _pedestal(image: Frames) -> float:
    """Return the PEDESTAL of a master's header, in ADU; ImageCalibration subtracts it from masters too."""
    for keyword in image.keywords:
        if keyword.name == "PEDESTAL" and isinstance(keyword.value, (int, float)):
            return float(keyword.value)
    return 0.0


def _dark_scaling(masters: Masters, plain: Calibrated, setting: _Setting) -> list[list[float]]:
    """Return the dark's factor for every frame and channel."""
    geometry, frames = plain.geometry, setting.frames
    cell = _CELLS.get(len(frames[0].bayer_pattern or ""), 1)
    result: list[list[float]] = [[] for _ in frames]
    for channel in range(geometry.channels):
        fit = Optimization(
            _dark_plane(masters, channel), geometry.width, geometry.height, cell=cell, full_scale=setting.full_scale
        )
        with ThreadPoolExecutor(setting.workers, thread_name_prefix="dark scaling") as pool:
            found: list[Factor] = list(
                pool.map(fit.factor, [_frame_plane(plain, i, channel) for i in range(len(frames))])
            )
        for frame, factor, of_frame in zip(frames, found, result, strict=True):
            of_frame.append(factor.value)
            if factor.note:
                setting.notes.append(f"{frame.path.name}: {factor.note}")
    return result


def _dark_plane(masters: Masters, channel: int) -> Callable[[int, int], NDArray[np.float32]]:
    def run(start: int, size: int) -> NDArray[np.float32]:
        dark = masters.pure_dark(channel, start, size)
        return np.zeros(size, np.float32) if dark is None else dark

    return run


def _frame_plane(frames: Calibrated, index: int, channel: int) -> Callable[[int, int], NDArray[np.float32]]:
    def run(start: int, size: int) -> NDArray[np.float32]:
        return frames.read(index, channel, start, size)

    return run
