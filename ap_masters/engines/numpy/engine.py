"""The engine: jobs in, masters in the work folder and results out."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final, Literal

import numpy as np

from ap_masters import __version__, images
from ap_masters.engines.history import Outcome, result_keywords
from ap_masters.engines.numpy.integrate import Scales, Shape, integrate
from ap_masters.engines.numpy.levels import location
from ap_masters.engines.numpy.reading import Frames, Refused
from ap_masters.engines.statistics import measure
from ap_masters.errors import ApMastersError
from ap_masters.model import (
    EngineInfo,
    Failed,
    FrameOutcome,
    Integrated,
    Job,
    JobResult,
    JobState,
    Normalization,
    OnProgress,
    Progress,
    Reason,
    Rejection,
    RejectionNormalization,
    SetAside,
)
from ap_masters.safe import path_component

logger = logging.getLogger(__name__)

ENGINE: Final = EngineInfo(name="numpy", version=__version__, definition="ImageIntegration 1.6.0")
_ADU: Final = 65535.0
_FLOOR: Final = 3  # ImageIntegration's own
_FLOOR_OF: Final = {Rejection.LINEAR_FIT: 5}


class _CannotIntegrate(ApMastersError):
    """The job's frames do not make a master."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.advice = advice


class NumpyEngine:
    """Integrates with numpy alone, by PixInsight's definitions. ``memory`` is the budget in bytes."""

    name = "numpy"

    def __init__(
        self,
        *,
        memory: int,
        threads: int | None = None,
        compression: Literal["none", "zlib", "lz4", "zstd"] = "none",
    ) -> None:
        self.memory = memory
        self.threads = threads
        self.compression = compression

    def run(self, jobs: Sequence[Job], workdir: Path, on_progress: OnProgress) -> list[JobResult]:
        """Run every job, one after the other; return one result per job, in the jobs' order.

        A job that fails is a result. KeyboardInterrupt passes through; nothing half-written stays behind.
        """
        return [self._run_one(job, workdir, on_progress) for job in jobs]

    def _run_one(self, job: Job, workdir: Path, on_progress: OnProgress) -> JobResult:
        dropped: list[SetAside] = []
        try:
            while True:
                try:
                    return self._integrate(job, dropped, workdir, on_progress)
                except Refused as refused:
                    logger.warning("%s", refused)
                    dropped.append(refused.aside)
        except _CannotIntegrate as error:
            return Failed(job_id=job.id, reason=str(error), advice=error.advice, dropped=tuple(dropped))
        except (ApMastersError, OSError, MemoryError) as error:
            reason = str(error) or "not enough memory"
            return Failed(job_id=job.id, reason=reason, dropped=tuple(dropped))

    def _integrate(self, job: Job, dropped: Sequence[SetAside], workdir: Path, on_progress: OnProgress) -> Integrated:
        """Integrate the frames that are left. Raises Refused for a frame that has to go as well."""
        started, clock = datetime.now(UTC), monotonic()
        gone = {aside.path for aside in dropped}
        paths = [frame.path for frame in job.frames if frame.path not in gone]
        _require_enough(job, len(paths), dropped)
        on_progress(Progress(job.id, JobState.RUNNING, 0.0, f"{len(paths)} frames"))
        goal = workdir / f"{path_component(job.id)}{job.output.suffix}"
        with Frames(paths, workdir) as frames:
            geometry = frames.geometry
            full_scale = frames.full_scale or (_ADU if _looks_like_adu(job, frames) else 1.0)
            levels = [self._levels(frames, i, full_scale) for i in range(len(frames))]
            scales = _scales(job, levels, paths, full_scale)
            shape = Shape(geometry.width, geometry.height, geometry.channels)
            unit = full_scale / _ADU if job.scale == "adu" else full_scale
            low, high = np.zeros(len(paths), np.int64), np.zeros(len(paths), np.int64)
            smallest, largest = np.inf, -np.inf
            done = 0
            with images.create(
                goal,
                width=shape.width,
                height=shape.height,
                channels=shape.channels,
                keywords=job.keywords,
                image_type=job.image_type,
                compression=self.compression,
                adu=job.scale == "adu",
            ) as writer:
                for band in integrate(
                    frames,
                    job.recipe,
                    shape,
                    full_scale=full_scale,
                    scales=scales,
                    divisor=unit,
                    memory=self.memory,
                ):
                    writer.write_rows(band.channel, band.first, band.pixels)
                    low += band.low
                    high += band.high
                    smallest = min(smallest, float(band.pixels.min()))
                    largest = max(largest, float(band.pixels.max()))
                    done += len(band.pixels)
                    fraction = done / (shape.height * shape.channels)
                    on_progress(Progress(job.id, JobState.RUNNING, fraction, f"{done} rows"))
                scale = _ADU if job.scale == "adu" else 1.0
                outcomes = tuple(
                    FrameOutcome(
                        path=path,
                        rejected_low=int(low[i]),
                        rejected_high=int(high[i]),
                        level=levels[i][0] / full_scale if levels[i][0] is not None else None,
                        scale=scales[0].combine[i] if scales[0].combine else None,
                    )
                    for i, path in enumerate(paths)
                )
                facts = Outcome(
                    shape.width * shape.height * shape.channels, smallest / scale, largest / scale, outcomes
                )
                writer.finish((*job.keywords, *result_keywords(ENGINE, job.recipe, facts)))
        return Integrated(
            job_id=job.id,
            path=goal,
            engine=ENGINE,
            statistics=measure(goal, scale=scale),
            frames=outcomes,
            dropped=tuple(dropped),
            rejected_low=int(low.sum()),
            rejected_high=int(high.sum()),
            samples=facts.pixels * len(paths),
            started=started,
            seconds=monotonic() - clock,
        )

    def _levels(self, frames: Frames, index: int, full_scale: float) -> list[float | None]:
        """Return the location of each channel of one frame, in counts."""
        plane = np.empty(frames.geometry.plane, frames.dtype)
        levels = []
        for channel in range(frames.geometry.channels):
            frames.read(index, channel, 0, plane)
            levels.append(location(plane, full_scale))
        return levels


def _looks_like_adu(job: Job, frames: Frames) -> bool:
    return any((frame.data_max or 0) > 10 for frame in job.frames)


def _require_enough(job: Job, count: int, dropped: Sequence[SetAside]) -> None:
    """Raise _CannotIntegrate when fewer frames are left than the job's rejection needs."""
    needed = min(_FLOOR_OF.get(job.recipe.rejection, _FLOOR), len(job.frames))
    if count < max(needed, 1):
        lost = f" ({len(dropped)} could not be used: {dropped[0].path.name} {dropped[0].detail})" if dropped else ""
        raise _CannotIntegrate(
            f"{count} of {len(job.frames)} frames are left{lost}; {needed} are needed",
            "Add frames, or replace those that could not be used.",
        )


def _scales(
    job: Job, levels: Sequence[Sequence[float | None]], paths: Sequence[Path], full_scale: float
) -> list[Scales]:
    """Return the factors of every frame, per channel. Raises Refused for a frame without a level."""
    recipe = job.recipe
    combine = recipe.normalization is Normalization.MULTIPLICATIVE
    equalize = recipe.rejection_normalization is RejectionNormalization.EQUALIZE_FLUXES
    if not combine and not equalize:
        return [Scales()] * len(levels[0])
    result = []
    for channel in range(len(levels[0])):
        for path, level in zip(paths, levels, strict=True):
            if level[channel] is None:
                raise Refused(path, Reason.LEVEL, "has no level: every sample is zero or saturated")
        own = [level[channel] or 1.0 for level in levels]
        to_first = [own[0] / m for m in own]
        target = recipe.target_median
        to_target = to_first if target is None else [target * full_scale / _ADU / m for m in own]
        if combine and equalize:
            # one set of factors serves both: a common factor changes no rejection
            result.append(Scales(to_target, to_target))
        else:
            result.append(Scales(to_first if equalize else None, to_target if combine else None))
    return result
