"""One master from one job's frames: open, calibrate, level, integrate, write."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters import __version__, images
from ap_masters.engines.history import Outcome, result_keywords
from ap_masters.engines.numpy.calibrate import Calibrated, MasterPixels, Masters, read_defects
from ap_masters.engines.numpy.integrate import integrate
from ap_masters.engines.numpy.levels import location, sampled_level, sampled_runs
from ap_masters.engines.numpy.order import Order, Scales, Shape
from ap_masters.engines.numpy.reading import Frames, Geometry, Refused
from ap_masters.engines.numpy.scales import factors, is_normalized
from ap_masters.engines.numpy.scaling import Optimization
from ap_masters.engines.statistics import measure
from ap_masters.errors import ApMastersError
from ap_masters.model import (
    Calibration,
    CalibrationMaster,
    EngineInfo,
    Frame,
    FrameOutcome,
    Job,
    Reason,
    Statistics,
)

ENGINE: Final = EngineInfo(name="numpy", version=__version__, definition="ImageIntegration 1.6.0")
_ADU: Final = 65535.0
_RUN: Final = 1 << 20
_SAMPLED: Final = 1 << 16

OnRows = Callable[[float], None]


class CannotIntegrate(ApMastersError):
    """The job's frames do not make a master; ``advice`` says what would help."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.advice = advice


class Means(NamedTuple):
    """What integrating may use."""

    memory: int
    threads: int | None
    compression: Literal["none", "zlib", "lz4", "zstd"]


class Made(NamedTuple):
    """A finished master and what is known of it."""

    statistics: Statistics
    frames: tuple[FrameOutcome, ...]
    pixels: int
    notes: tuple[str, ...]


def make_master(job: Job, frames: Sequence[Frame], goal: Path, workdir: Path, means: Means, on_rows: OnRows) -> Made:
    """Integrate ``frames`` by the job's recipe into the file ``goal``; scratch files stay within ``workdir``.

    Raises Refused for a frame that has to be left out, CannotIntegrate, ImageError, OSError.
    """
    notes: list[str] = []
    with ExitStack() as stack:
        raw = stack.enter_context(Frames([frame.path for frame in frames], workdir))
        full_scale = _full_scale(raw, frames, notes)
        source: Frames | Calibrated = raw
        dark_scaling = None
        if job.calibration is not None:
            source, dark_scaling = _calibrated(job.calibration, raw, frames, full_scale, workdir, stack, notes)
        geometry = raw.geometry
        shape = Shape(geometry.width, geometry.height, geometry.channels)
        levels = _levels(job, source, geometry, full_scale)
        scales = _scales(job, levels, frames, full_scale, shape.channels)
        low, high = np.zeros(len(raw), np.int64), np.zeros(len(raw), np.int64)
        smallest, largest = np.inf, -np.inf
        output_scale = _ADU if job.scale == "adu" else 1.0
        with images.create(
            goal,
            width=shape.width,
            height=shape.height,
            channels=shape.channels,
            keywords=job.keywords,
            image_type=job.image_type,
            compression=means.compression,
            adu=job.scale == "adu",
        ) as writer:
            done = 0
            order = Order(source, job.recipe, shape, full_scale, scales, full_scale / output_scale)
            for band in integrate(order, memory=means.memory, threads=means.threads or os.cpu_count() or 1):
                writer.write_rows(band.channel, band.first, band.pixels)
                low += band.low
                high += band.high
                smallest = min(smallest, float(band.pixels.min()))
                largest = max(largest, float(band.pixels.max()))
                done += len(band.pixels)
                on_rows(done / (shape.height * shape.channels))
            outcomes = tuple(
                FrameOutcome(
                    path=frame.path,
                    rejected_low=int(low[i]),
                    rejected_high=int(high[i]),
                    level=None if (level := levels[i][0]) is None else level / full_scale,
                    scale=scales[0].combine[i] if scales[0].combine is not None else None,
                    dark_scaling=dark_scaling[i][0] if dark_scaling is not None else None,
                )
                for i, frame in enumerate(frames)
            )
            pixels = geometry.plane * geometry.channels
            facts = Outcome(pixels, smallest / output_scale, largest / output_scale, outcomes)
            writer.finish((*job.keywords, *result_keywords(ENGINE, job.recipe, facts)))
    return Made(measure(goal, scale=output_scale), outcomes, pixels, tuple(notes))


def _full_scale(raw: Frames, frames: Sequence[Frame], notes: list[str]) -> float:
    """Return the count that stands for 1.0; for float frames found out from their headers and samples.

    Float samples are either on the [0, 1] scale or counts of the 16-bit range. Rounding and normalization
    push a sample a little beyond 1 at times, counts go far beyond, so 2 divides the two.
    """
    if raw.full_scale is not None:
        return raw.full_scale
    counts = any((frame.data_max or 0) > 10 for frame in frames) or any(_holds_counts(raw, i) for i in range(len(raw)))
    notes.append("float frames taken as " + ("counts of the 16-bit range" if counts else "values from 0 to 1"))
    return _ADU if counts else 1.0


def _holds_counts(raw: Frames, index: int) -> bool:
    return any(float(run.max()) > 2 for run in sampled_runs(raw, index, 0, raw.geometry.plane))


def _levels(job: Job, source: Frames | Calibrated, geometry: Geometry, full_scale: float) -> list[list[float | None]]:
    """Return the level of each frame and channel, in counts: exact where normalization needs it, else sampled."""
    plane, channels = geometry.plane, range(geometry.channels)
    if not is_normalized(job.recipe):
        return [[sampled_level(source, i, c, plane) for c in channels] for i in range(len(source))]
    return [[location(source, i, c, plane, full_scale) for c in channels] for i in range(len(source))]


def _scales(
    job: Job, levels: Sequence[Sequence[float | None]], frames: Sequence[Frame], full_scale: float, channels: int
) -> list[Scales]:
    """Return the factors of every frame, per channel. Raises Refused for a frame without a level."""
    if not is_normalized(job.recipe):
        return [Scales()] * channels
    result = []
    for channel in range(channels):
        own = []
        for frame, level in zip(frames, levels, strict=True):
            value = level[channel]
            if value is None:
                raise Refused(frame.path, Reason.LEVEL, "has no level: every sample is zero or saturated")
            own.append(value)
        result.append(factors(own, job.recipe, full_scale))
    return result


# --- calibration ------------------------------------------------------------------------------------------


def _calibrated(
    calibration: Calibration,
    raw: Frames,
    frames: Sequence[Frame],
    full_scale: float,
    workdir: Path,
    stack: ExitStack,
    notes: list[str],
) -> tuple[Calibrated, list[list[float]] | None]:
    """Return the frames calibrated on the fly and the factors of the dark, by frame and channel."""
    geometry = raw.geometry
    masters = Masters(
        bias=_open_master(calibration.bias, raw, full_scale, workdir, stack) if calibration.bias else None,
        dark=_open_master(calibration.dark, raw, full_scale, workdir, stack) if calibration.dark else None,
        dark_holds_bias=calibration.dark.includes_bias if calibration.dark else True,
        constant=(calibration.constant or 0.0) * full_scale / _ADU,
    )
    pedestals = [(frame.pedestal or 0.0) * full_scale / _ADU for frame in frames]
    defects = read_defects(calibration.defects, geometry.width, geometry.height) if calibration.defects else None
    dark_scaling = None
    if calibration.scale_dark and masters.dark is not None:
        if masters.bias is None:
            notes.append("the dark is not scaled: that needs a master bias")
        else:
            plain = Calibrated(raw, Masters(), pedestals=pedestals)
            dark_scaling = _dark_scaling(masters, plain, frames, full_scale, notes)
    source = Calibrated(raw, masters, pedestals=pedestals, dark_scaling=dark_scaling, defects=defects)
    return source, dark_scaling


def _open_master(
    master: CalibrationMaster, raw: Frames, full_scale: float, workdir: Path, stack: ExitStack
) -> MasterPixels:
    """Open a master for subtraction. Raises CannotIntegrate when it is unusable for these frames."""
    advice = "Choose another master, or build it again."
    try:
        image = stack.enter_context(Frames([master.path], workdir))
        geometry, wanted = image.geometry, raw.geometry
        if (geometry.width, geometry.height) != (wanted.width, wanted.height) or geometry.channels not in {
            1,
            wanted.channels,
        }:
            reason = f"{master.path} is {geometry.describe()}, the frames are {wanted.describe()}"
            raise CannotIntegrate(reason, advice)
        counts = image.full_scale is None and _holds_counts(image, 0)
    except Refused as refused:
        raise CannotIntegrate(str(refused), advice) from refused
    own = image.full_scale or (_ADU if counts else 1.0)
    return MasterPixels(image, full_scale=own, counts=full_scale, pedestal=_pedestal(image))


def _pedestal(image: Frames) -> float:
    """Return the PEDESTAL of a master's header, in ADU; ImageCalibration subtracts it from masters too."""
    for keyword in image.keywords:
        if keyword.name == "PEDESTAL" and isinstance(keyword.value, (int, float)):
            return float(keyword.value)
    return 0.0


def _dark_scaling(
    masters: Masters, frames: Calibrated, infos: Sequence[Frame], full_scale: float, notes: list[str]
) -> list[list[float]]:
    """Return the dark's factor for every frame and channel."""
    geometry = frames.geometry
    cell = {4: 2, 36: 3}.get(len(infos[0].bayer_pattern or ""), 1)
    result: list[list[float]] = [[] for _ in infos]
    for channel in range(geometry.channels):

        def dark(start: int, size: int, channel: int = channel) -> NDArray[np.float32]:
            run = masters.pure_dark(channel, start, size)
            assert run is not None
            return run

        optimization = Optimization(dark, geometry.width, geometry.height, cell=cell, full_scale=full_scale)
        for index, info in enumerate(infos):

            def target(start: int, size: int, index: int = index, channel: int = channel) -> NDArray[np.float32]:
                out = np.empty(size, np.float32)
                frames.read(index, channel, start, out)
                return out

            factor = optimization.factor(target)
            result[index].append(factor.value)
            if factor.note:
                notes.append(f"{info.path.name}: {factor.note}")
    return result
