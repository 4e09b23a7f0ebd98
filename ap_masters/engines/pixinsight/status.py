"""The status file that a running script keeps: how far each job is, for whoever waits for it."""

import json
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, ValidationError

from ap_masters.model import JobState, Noun, SetAside


class JobStatus(Noun):
    """How far one job is: ``fraction`` 0..1, ``detail`` what it does, or why it failed."""

    id: str
    state: JobState
    fraction: float = 0.0
    detail: str = ""
    seconds: float = 0.0
    dropped: tuple[SetAside, ...] = ()


class Status(Noun):
    """What the script said last. ``run`` names the run it belongs to, ``version`` PixInsight's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str
    state: Literal["running", "done"]
    version: str = "unknown"
    jobs: tuple[JobStatus, ...] = ()

    def of(self, job_id: str) -> JobStatus | None:
        """Return how far the job of that id is."""
        return next((job for job in self.jobs if job.id == job_id), None)

    @property
    def running(self) -> str | None:
        """The id of the job that is being worked on."""
        return next((job.id for job in self.jobs if job.state is JobState.RUNNING), None)


def read_status(path: Path, run: str) -> Status | None:
    """Return what the script of ``run`` said last, or None: not there yet, half written, or of another run."""
    try:
        status = Status.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError, RecursionError):
        return None
    return status if status.run == run else None
