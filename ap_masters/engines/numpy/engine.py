"""The engine: jobs in, masters in the work folder and results out."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from ap_masters.engines.numpy.crew import WorkerLost
from ap_masters.engines.numpy.master import ENGINE, Resources, make_master
from ap_masters.engines.numpy.prepare import CannotIntegrate
from ap_masters.engines.numpy.reading import Refused
from ap_masters.errors import ApMastersError
from ap_masters.model import (
    Compression,
    Failed,
    Integrated,
    Job,
    JobResult,
    JobState,
    OnProgress,
    Progress,
    Rejection,
    SetAside,
)
from ap_masters.safe import path_component

logger = logging.getLogger(__name__)


class NumpyEngine:
    """Integrates with numpy alone, by PixInsight's definitions. ``memory`` is the budget in bytes."""

    name = "numpy"
    batches = False  # each master is published as soon as it is made

    def __init__(
        self,
        *,
        memory: int,
        threads: int | None = None,
        compression: Compression = "none",
    ) -> None:
        self._resources = Resources(memory, threads, compression)

    def run(self, jobs: Sequence[Job], workdir: Path, on_progress: OnProgress) -> list[JobResult]:
        """Run every job, one after the other; return one result per job, in the jobs' order.

        A job that fails is a result. A frame that turns out unusable (cut short, of another geometry, with
        samples that are no numbers) is left out and reported, as long as enough remain. KeyboardInterrupt
        passes through; nothing half-written stays behind.
        """
        return [self._run_one(job, workdir, on_progress) for job in jobs]

    def _run_one(self, job: Job, workdir: Path, on_progress: OnProgress) -> JobResult:
        dropped: list[SetAside] = []
        try:
            return self._integrate(job, dropped, workdir, on_progress)
        except CannotIntegrate as error:
            return Failed(job_id=job.id, reason=str(error), advice=error.advice, dropped=tuple(dropped))
        except (ApMastersError, OSError) as error:
            return Failed(job_id=job.id, reason=str(error), dropped=tuple(dropped))
        except WorkerLost as error:
            advice = "Most often there was not enough memory: lower --memory, or close other programs."
            return Failed(job_id=job.id, reason=str(error), advice=advice, dropped=tuple(dropped))
        except MemoryError:
            advice = "Lower --memory, or close other programs."
            return Failed(job_id=job.id, reason="there was not enough memory", advice=advice, dropped=tuple(dropped))

    def _integrate(self, job: Job, dropped: list[SetAside], workdir: Path, on_progress: OnProgress) -> Integrated:
        """Integrate, again without it whenever a frame has to be left out; such frames go to ``dropped``."""
        started, clock = datetime.now(UTC), monotonic()
        goal = workdir / f"{path_component(job.id)}{job.output.suffix}"
        while True:
            gone = {aside.path for aside in dropped}
            frames = [frame for frame in job.frames if frame.path not in gone]
            _require_enough(job, len(frames), dropped)
            detail = f"{len(frames)} frames"

            def on_rows(fraction: float, detail: str = detail) -> None:
                on_progress(Progress(job.id, JobState.RUNNING, fraction, detail))

            on_rows(0.0)
            try:
                made = make_master(job, frames, goal, workdir, self._resources, on_rows)
                break
            except Refused as refused:
                logger.info("left out: %s", refused)  # the result tells of it
                dropped.append(refused.aside)
        return Integrated(
            job_id=job.id,
            path=goal,
            engine=ENGINE,
            statistics=made.statistics,
            frames=made.frames,
            dropped=tuple(dropped),
            rejected_low=sum(frame.rejected_low for frame in made.frames),
            rejected_high=sum(frame.rejected_high for frame in made.frames),
            samples=made.pixels * len(frames),
            started=started,
            seconds=monotonic() - clock,
            notes=made.notes,
        )


def _require_enough(job: Job, count: int, dropped: Sequence[SetAside]) -> None:
    """Raise CannotIntegrate when fewer frames are left than the job's rejection needs.

    A group that was planned smaller than that (a user may ask for it) needs all its frames, and always so many that
    something is left of them.
    """
    if job.recipe.rejection is Rejection.AUTO:
        raise CannotIntegrate("The recipe leaves the rejection open", "Choose a rejection, or plan the job first.")
    usual = min(job.recipe.rejection.fewest_frames, len(job.frames))
    needed = max(usual, job.recipe.fewest_survivable)
    if count < needed:
        first = f"the first, {dropped[0].path.name}, because it {dropped[0].detail}" if dropped else ""
        lost = f"; {len(dropped)} could not be used, {first}" if dropped else ""
        raise CannotIntegrate(
            f"{count} of {len(job.frames)} frames are left and {needed} are needed{job.recipe.demand}{lost}",
            "Add frames, or replace those that could not be used.",
        )
