"""One master from one job's frames: open, prepare, integrate, write, measure."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters import __version__, images
from ap_masters.engines.history import Outcome, result_keywords
from ap_masters.engines.medians import medians_in_memory
from ap_masters.engines.numpy.integrate import integrate, worthwhile_workers
from ap_masters.engines.numpy.order import Order, Shape
from ap_masters.engines.numpy.prepare import Prepared, prepare
from ap_masters.engines.numpy.reading import Frames
from ap_masters.engines.statistics import Accumulator
from ap_masters.images.image import Writer
from ap_masters.images.scale import white
from ap_masters.model import Compression, EngineInfo, Frame, FrameOutcome, Job, Statistics

ENGINE: Final = EngineInfo(name="numpy", version=__version__, definition="ImageIntegration 1.6.0")

OnRows = Callable[[float], None]


class Resources(NamedTuple):
    """What integrating may use: bytes of memory, processors (None: all there are), and how masters are stored."""

    memory: int
    threads: int | None
    compression: Compression

    @property
    def processors(self) -> int:
        """How many processors work at the same time."""
        usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
        return self.threads or usable or 1


class Made(NamedTuple):
    """A finished master and what is known of it. ``pixels`` counts those of all channels."""

    statistics: Statistics
    frames: tuple[FrameOutcome, ...]
    pixels: int
    notes: tuple[str, ...]


def make_master(
    job: Job, frames: Sequence[Frame], goal: Path, workdir: Path, resources: Resources, on_rows: OnRows
) -> Made:
    """Integrate ``frames`` by the job's recipe into the file ``goal``; scratch files stay within ``workdir``.

    Raises Refused for a frame that has to be left out, CannotIntegrate, ImageError, OSError.
    """
    unit = white(job.scale)
    with ExitStack() as stack:
        raw = stack.enter_context(Frames([frame.path for frame in frames], workdir))
        geometry = raw.geometry
        samples = len(frames) * geometry.plane * geometry.channels
        workers = worthwhile_workers(samples, memory=resources.memory, processors=resources.processors)
        prepared = prepare(raw, frames, job.recipe, job.calibration, workdir=workdir, workers=workers, stack=stack)
        shape = Shape(geometry.width, geometry.height, geometry.channels)
        order = Order(
            prepared.source, job.recipe, shape, prepared.full_scale, prepared.scales, prepared.full_scale / unit
        )
        writer = stack.enter_context(
            images.create(
                goal,
                width=shape.width,
                height=shape.height,
                channels=shape.channels,
                keywords=job.keywords,
                image_type=job.image_type,
                compression=resources.compression,
                adu=job.scale == "adu",
            )
        )
        totals = _write(order, writer, resources.memory, workers, on_rows)
        outcomes = _outcomes(frames, prepared, totals)
        statistics = totals.accumulator.finish(writer.read_again, scale=unit)
        pixels = geometry.plane * geometry.channels
        smallest, largest = totals.accumulator.extremes
        facts = Outcome(pixels, smallest / unit, largest / unit, outcomes)
        writer.finish((*job.keywords, *result_keywords(ENGINE, job.recipe, facts)))
    return Made(statistics, outcomes, pixels, prepared.notes)


class _Totals:
    """What adds up over the bands of a master."""

    def __init__(self, shape: Shape, frames: int) -> None:
        self.accumulator = Accumulator(shape.width, shape.height, shape.channels)
        self.low, self.high = np.zeros(frames, np.int64), np.zeros(frames, np.int64)
        self.samples: list[NDArray[np.float32]] = []  # of the first channel


def _write(order: Order, writer: Writer, memory: int, workers: int, on_rows: OnRows) -> _Totals:
    """Integrate, and add up what is known of each band as it comes."""
    shape = order.shape
    totals = _Totals(shape, len(order.source))
    done = 0
    for band in integrate(order, writer.place, memory=memory, workers=workers):
        channel, first, rows = band.task
        writer.wrote(channel, first, rows)
        totals.accumulator.add(channel, first, band.facts)
        if channel == 0:
            totals.samples.append(band.samples)
        totals.low += band.low
        totals.high += band.high
        done += rows
        if done == shape.height * shape.channels:
            writer.settle()  # while the workers leave
        on_rows(done / (shape.height * shape.channels))
    return totals


def _outcomes(frames: Sequence[Frame], prepared: Prepared, totals: _Totals) -> tuple[FrameOutcome, ...]:
    """Return what was found in each frame; level, factor and dark scaling are those of the first channel."""
    factors = prepared.scales[0].combine
    if prepared.levels is not None:
        levels = [of_frame[0] for of_frame in prepared.levels]
    else:
        levels = medians_in_memory(np.concatenate(totals.samples, axis=1)).tolist()
    return tuple(
        FrameOutcome(
            path=frame.path,
            rejected_low=int(totals.low[i]),
            rejected_high=int(totals.high[i]),
            level=levels[i] / prepared.full_scale,
            scale=None if factors is None else factors[i],
            dark_scaling=None if prepared.dark_scaling is None else prepared.dark_scaling[i][0],
        )
        for i, frame in enumerate(frames)
    )
