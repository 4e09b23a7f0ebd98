"""What a console log tells, as nouns: runs of processes with counts, warnings, errors, and what belongs to a job."""

from typing import Final

from ap_masters.model import Noun

INTEGRATION: Final = "ImageIntegration"
CALIBRATION: Final = "ImageCalibration"


class Counts(Noun):
    """Rejected samples of one frame (or, without path, of all): ``percent`` of the samples it has."""

    path: str | None = None
    channel: int = 0
    low: int
    high: int
    percent: float


class Block(Noun):
    """One run of a process: what it was told, what it found, how long it took.

    ``job`` is the id that our own scripts print before each job. ``frames`` has one entry per frame and
    channel, ``totals`` one per channel. ``estimates`` are the lines of the noise and signal evaluation.
    ``succeeded``, ``failed`` and ``skipped`` are ImageCalibration's count of frames.
    """

    process: str
    job: str | None = None
    images: int | None = None
    settings: tuple[tuple[str, str], ...] = ()
    frames: tuple[Counts, ...] = ()
    totals: tuple[Counts, ...] = ()
    output_range: tuple[float, float] | None = None
    estimates: tuple[tuple[str, str], ...] = ()
    succeeded: int | None = None
    failed: int | None = None
    skipped: int | None = None
    written: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    seconds: float | None = None


class Excerpt(Noun):
    """What was printed while one job of our own scripts was at work: the last lines, and every error."""

    job: str
    lines: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class LogFacts(Noun):
    """What a console log tells. ``suspicious`` are lines that look like errors and are none that are known."""

    version: str | None = None
    blocks: tuple[Block, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what WBPP and our own scripts say of their progress
    crashed: bool = False
    started: str | None = None  # UTC times of the first and the last line, where lines carry them
    ended: str | None = None
    tail: tuple[str, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()

    def of(self, job: str, process: str = INTEGRATION) -> Block | None:
        """Return the last run of ``process`` for the job of that id."""
        return next((b for b in reversed(self.blocks) if b.job == job and b.process == process), None)

    def excerpt(self, job: str) -> Excerpt:
        """Return what belongs to the job of that id; the end of the whole log where that job never began."""
        return next((found for found in self.excerpts if found.job == job), Excerpt(job=job, lines=self.tail))
