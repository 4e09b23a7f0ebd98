"""Results: what integration found, job by job, and news while it runs."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field

from ap_masters.model.engines import EngineInfo
from ap_masters.model.frames import SetAside
from ap_masters.model.noun import Noun

ROBUST_SIGMA: Final = 1.4826  # times the median absolute deviation: the standard deviation, for normal noise


class ChannelStatistics(Noun):
    """Statistics of one channel, in units of full scale ([0, 1] for 16-bit frames).

    ``mad`` is the median absolute deviation from the median, unscaled; ``stddev`` uses n - 1. ``hot`` and
    ``cold`` count samples beyond 5 robust sigma (1.4826 * mad) of the median, strictly.
    """

    median: float
    mean: float
    stddev: float
    mad: float
    minimum: float
    maximum: float
    hot: int = 0
    cold: int = 0


class Statistics(Noun):
    """Statistics of a master.

    ``grid`` holds the medians of a coarse grid of blocks (rows of values, top to bottom, channels averaged);
    ``row_noise`` and ``column_noise`` the standard deviation of row and column medians, for banding.
    """

    channels: tuple[ChannelStatistics, ...]
    grid: tuple[tuple[float, ...], ...] = ()
    row_noise: float | None = None
    column_noise: float | None = None


class FrameOutcome(Noun):
    """What integration found in one frame: samples rejected low and high, level (median in [0, 1])."""

    path: Path
    rejected_low: int = 0
    rejected_high: int = 0
    level: float | None = None
    scale: float | None = None  # the factor normalization applied
    dark_scaling: float | None = None


class Integrated(Noun):
    """A job that ended with a master, still in the work folder."""

    status: Literal["integrated"] = "integrated"
    job_id: str
    path: Path
    engine: EngineInfo
    statistics: Statistics
    frames: tuple[FrameOutcome, ...]
    dropped: tuple[SetAside, ...] = ()
    rejected_low: int = 0
    rejected_high: int = 0
    samples: int = 0  # frames used times samples per frame
    witnesses_agree: bool = True  # False when record, log and master tell different numbers of rejected samples
    started: datetime
    seconds: float
    notes: tuple[str, ...] = ()
    script: Path | None = None
    log: Path | None = None


class Failed(Noun):
    """A job that ended without a master: what happened, and what the user can do."""

    status: Literal["failed"] = "failed"
    job_id: str
    reason: str
    advice: str = ""
    dropped: tuple[SetAside, ...] = ()
    script: Path | None = None
    log: Path | None = None
    log_tail: tuple[str, ...] = ()


JobResult = Annotated[Integrated | Failed, Field(discriminator="status")]


class JobState(StrEnum):
    """Where a job stands, as the progress display shows it."""

    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCESS = "Success"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class Progress(NamedTuple):
    """News of one job. ``fraction`` runs from 0 to 1 within the job; ``seconds``: how long it took, once known."""

    job_id: str
    state: JobState
    fraction: float = 0.0
    detail: str = ""
    seconds: float | None = None


OnProgress = Callable[[Progress], None]
