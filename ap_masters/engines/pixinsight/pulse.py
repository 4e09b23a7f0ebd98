"""Signs of life of a running script: whether to go on waiting for it, decided from what was seen and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from ap_masters.engines.pixinsight.status import Status
from ap_masters.model import Job

_BUSY: Final = 0.05  # CPU seconds per second; an idle window with a dialog uses less
_MOVING: Final = 100_000  # bytes read and written per second; so does a slow network, where CPU time does not show
_WINDOW: Final = 10.0  # seconds over which work is looked at
_SECONDS_PER_MEGASAMPLE: Final = 2.0  # ten times what a slow disk and two cores need


class Ending(StrEnum):
    """How a launch ended."""

    DONE = "done"  # the script says that it is through
    EXITED = "exited"  # PixInsight ended before that
    NEVER_STARTED = "never started"  # PixInsight runs, the script does not
    SILENT = "silent"  # no sign of life for too long
    TOO_LONG = "too long"  # busy, but far beyond what such a job takes


@dataclass(frozen=True)
class Limits:
    """Seconds to wait: for the script's first word, without any sign of life, per job, and for the end after all."""

    startup: float
    silence: float
    shutdown: float = 60.0
    jobs: Mapping[str, float] = field(default_factory=dict)

    @property
    def run(self) -> float:
        """Seconds that all jobs together may take."""
        return self.startup + sum(self.jobs.values())


def job_limit(job: Job, silence: float) -> float:
    """Return how many seconds ``job`` may take: what grows with the number of its samples, and twice ``silence``.

    Twice, so that a job that stands still is told as one that is silent.
    """
    passes = 2 if job.calibration is not None else 1
    return 2 * silence + passes * job.samples / 1e6 * _SECONDS_PER_MEGASAMPLE


class Work(NamedTuple):
    """What processes have done so far: CPU seconds, and bytes read and written where the system counts them."""

    cpu: float = 0.0
    moved: int = 0

    def enough(self, before: "Work", seconds: float) -> bool:
        """Return whether what was done since ``before`` in ``seconds`` is more than an idle window does."""
        return self.cpu - before.cpu >= _BUSY * seconds or self.moved - before.moved >= _MOVING * seconds


class Pulse:
    """What was seen of one launch, and when. Times are seconds of any clock that does not go back."""

    def __init__(self, now: float, limits: Limits) -> None:
        """Begin to watch at ``now``."""
        self._limits = limits
        self._begun = self._alive = now
        self._status: Status | None = None
        self._log_size = 0
        self._window = (now, Work())
        self._job: tuple[str | None, float] = (None, now)

    def beat(self, now: float, *, status: Status | None, log_size: int, work: Work) -> None:
        """Take in what is seen: the script's status, the size of its log, the work done so far."""
        if status is not None and status != self._status:
            if status.running != self._job[0]:
                self._job = (status.running, now)
            self._status = status
            self._alive = now
        if log_size > self._log_size:
            self._log_size = log_size
            self._alive = now
        since, before = self._window
        if now - since >= min(_WINDOW, self._limits.silence / 4):
            if work.enough(before, now - since):
                self._alive = now
            self._window = (now, work)

    def ending(self, now: float) -> Ending | None:
        """Return why to stop waiting, or None to go on."""
        limits = self._limits
        if self._status is None:
            return Ending.NEVER_STARTED if now - self._begun > limits.startup else None
        if now - self._alive > limits.silence:
            return Ending.SILENT
        job, since = self._job
        if job is not None and now - since > limits.jobs.get(job, limits.run):
            return Ending.TOO_LONG
        return Ending.TOO_LONG if now - self._begun > limits.run else None
