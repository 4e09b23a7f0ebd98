"""What turns jobs into masters: the protocol every engine keeps.

Engines see what a job, an image and a record are; nothing of settings, libraries and where frames come from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ap_masters.model import Job, JobResult, OnProgress


class Interrupted(KeyboardInterrupt):
    """The user stopped an engine; ``done`` are the results of the jobs that had ended by then."""

    def __init__(self, done: Sequence[JobResult]) -> None:
        """Keep what need not be done again."""
        super().__init__()
        self.done = tuple(done)


class Engine(Protocol):
    """What turns jobs into masters."""

    name: str
    batches: bool  # whether several jobs in one call are cheaper than one call each

    def run(self, jobs: Sequence[Job], workdir: Path, on_progress: OnProgress) -> list[JobResult]:
        """Run every job; return one result per job, in the jobs' order.

        Masters are written into ``workdir`` (an existing, empty folder on the library's file system), one
        file per job, whole or not at all. A job that fails is a result, not an exception. Raises
        ``PixInsightError`` or another ``ApMastersError`` only when the engine itself could not run, and
        lets KeyboardInterrupt through after everything it started has been stopped, as ``Interrupted`` where
        some of several jobs had ended before.
        """
        ...
