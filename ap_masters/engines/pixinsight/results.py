"""What a launch left behind -> results: the record, the master's HISTORY and the log have to tell the same."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ap_masters import images, record
from ap_masters.engines.history import HistoryFacts, read_history
from ap_masters.engines.pixinsight import console
from ap_masters.engines.pixinsight.causes import Cause, explain_job
from ap_masters.engines.pixinsight.facts import CALIBRATION, Block, Counts, LogFacts
from ap_masters.engines.pixinsight.paths import JobPaths, RunPaths, for_pixinsight
from ap_masters.engines.pixinsight.status import JobStatus, Status
from ap_masters.engines.statistics import measure
from ap_masters.errors import ApMastersError, NotFinite, RecordError
from ap_masters.images.rewriting import rewrite
from ap_masters.images.scale import ADU, white
from ap_masters.model import (
    EngineInfo,
    Failed,
    FrameOutcome,
    ImageFormat,
    ImageInfo,
    Integrated,
    Job,
    JobResult,
    JobState,
    SetAside,
)
from ap_masters.record import Record, Rejected
from ap_masters.wording import number

_TAIL: Final = 15  # lines of the log that a user is shown
_UNUSABLE: Final = "PixInsight said that it was saved: check the library's disk, then run the build again"

_NOT_FINITE: Final = "Look for such samples in its frames and in the masters that were subtracted, and take these out"


def read_log(path: Path) -> LogFacts | None:
    """Return what the log at ``path`` tells, or None where there is none."""
    try:
        return console.parse_bytes(path.read_bytes())
    except OSError:
        return None


def read_result(job: Job, paths: RunPaths, status: Status | None, facts: LogFacts | None) -> JobResult | None:
    """Return how ``job`` ended, or None when it did not: neither a record nor a failure is there.

    The record counts, not the status: it is written after the master, so a job whose record stands is finished
    even if PixInsight died right after it.
    """
    files = paths.jobs[job.id]
    told = status.of(job.id) if status else None
    if files.record.exists():
        try:
            return _integrated(job, files, paths, facts)
        except (ApMastersError, OSError) as error:
            advice = _NOT_FINITE if isinstance(error, NotFinite) else _UNUSABLE
            return failed(job, paths, facts, Cause(f"the master or its record is not usable: {error}", advice))
    if told is not None and told.state is JobState.FAILED:
        errors = facts.excerpt(job.id).errors if facts else ()
        return failed(job, paths, facts, explain_job(told.detail, errors), told)
    return None


def failed(job: Job, paths: RunPaths, facts: LogFacts | None, cause: Cause, told: JobStatus | None = None) -> Failed:
    """Return the failure of ``job`` with what a user needs to look further."""
    return Failed(
        job_id=job.id,
        reason=cause.reason,
        advice=cause.advice,
        dropped=_explained(told.dropped if told else (), job, facts),
        script=paths.script,
        log=paths.log if facts else None,
        log_tail=facts.excerpt(job.id).lines[-_TAIL:] if facts else (),
    )


def _integrated(job: Job, files: JobPaths, paths: RunPaths, facts: LogFacts | None) -> Integrated:
    written = record.read(files.record)
    if reason := _not_of(job, written):
        raise RecordError(f"{files.record}: {reason}")
    info = images.read_info(files.master)
    history = read_history(info.keywords)
    if job.scale == "adu" or _wrong_type(job, info):
        _rewrite(files.master, job, info)
    frames = _frames(written, history)
    block = _block(job, facts)
    told = _witnesses(written, history, block)
    rejected = written.rejected or Rejected(low=0, high=0, samples=0)
    dropped = _explained(_newly_dropped(job, written), job, facts)
    return Integrated(
        job_id=job.id,
        path=files.master,
        engine=written.engine or EngineInfo(name="pixinsight", version="unknown", definition="ImageIntegration"),
        statistics=measure(files.master, scale=white(job.scale)),
        frames=frames,
        dropped=dropped,
        rejected_low=rejected.low,
        rejected_high=rejected.high,
        samples=len(frames) * info.width * info.height * info.channels,
        started=written.created or datetime.now(UTC),
        seconds=max(written.seconds or 0.0, 0.0),  # clocks are set back
        witnesses_agree=rejected.agree and len(set(told.values())) <= 1,
        notes=(*_notes(job, written, history, block, told), *_errors_of(job, facts, dropped)),
        script=paths.script,
        log=paths.log if facts else None,
    )


def _not_of(job: Job, written: Record) -> str | None:
    """Return why a record cannot be that of ``job``: its frames are others, or too few to be integrated."""
    told = Counter(entry.path for entry in written.inputs)
    if strangers := told - Counter(frame.path for frame in job.frames):
        return f"tells of frames that are not of this group, the first {next(iter(strangers))}"
    if len(written.inputs) < job.recipe.fewest_frames:
        return f"tells of {number(len(written.inputs), 'frame')}, and {job.recipe.fewest_frames} are needed"
    return None


def _wrong_type(job: Job, info: ImageInfo) -> bool:
    """PixInsight before 1.9 does not write an image type into XISF; FITS has none."""
    return info.format is ImageFormat.XISF and info.image_type != job.image_type


def _rewrite(master: Path, job: Job, info: ImageInfo) -> None:
    """Write the master anew on the scale and with the image type it shall have."""
    fresh = master.with_name(f"typed-{master.name}")
    adu = job.scale == "adu"
    rewrite(master, fresh, factor=ADU if adu else None, image_type=job.image_type, keywords=info.keywords, adu=adu)
    fresh.replace(master)


def _frames(written: Record, history: HistoryFacts) -> tuple[FrameOutcome, ...]:
    """Return what was found in each frame: counts from the record, else from HISTORY; level and scale from there."""
    frames = []
    for index, entry in enumerate(written.inputs):
        outcome = entry.outcome or FrameOutcome(path=entry.path)
        if index < len(history.frames):
            told = history.frames[index]
            more: dict[str, int | float | None] = {"level": told.location, "scale": told.scale}
            if entry.outcome is None:
                more |= {"rejected_low": told.rejected_low or 0, "rejected_high": told.rejected_high or 0}
            outcome = outcome.model_copy(update=more)
        frames.append(outcome)
    return tuple(frames)


def _newly_dropped(job: Job, written: Record) -> tuple[SetAside, ...]:
    known = {aside.path for aside in job.group.dropped}
    return tuple(aside for aside in written.dropped if aside.path not in known)


def _notes(
    job: Job, written: Record, history: HistoryFacts, block: Block | None, told: Mapping[str, tuple[int, int]]
) -> Iterator[str]:
    """Yield what is to be said of a finished master: warnings, and witnesses that contradict each other."""
    yield from written.warnings[len(job.group.warnings) :]
    if len(set(told.values())) > 1:
        numbers = ", ".join(f"{name} {low} low and {high} high" for name, (low, high) in told.items())
        yield f"rejected samples are told differently: {numbers}"
    counts = {len(written.inputs), history.number or len(written.inputs)}
    if len(counts) > 1:
        yield f"the master's HISTORY tells of {history.number} images, {len(written.inputs)} were given"
    yield from (f"PixInsight warned: {warning}" for warning in (block.warnings if block else ()))


def _explained(dropped: Sequence[SetAside], job: Job, facts: LogFacts | None) -> tuple[SetAside, ...]:
    """Return frames that the script had to leave out with what the log says of each."""
    errors = facts.excerpt(job.id).errors if facts else ()
    said = {aside.path: next((error for error in errors if _names(error, aside)), None) for aside in dropped}
    return tuple(
        aside.model_copy(update={"detail": error}) if (error := said[aside.path]) else aside for aside in dropped
    )


def _errors_of(job: Job, facts: LogFacts | None, dropped: Sequence[SetAside]) -> Iterator[str]:
    """Yield the errors that PixInsight told while it made a master that stands all the same."""
    for error in dict.fromkeys(facts.excerpt(job.id).errors) if facts else ():
        if not any(_names(error, aside) for aside in dropped):
            yield f"PixInsight told of an error: {error}"


def _names(error: str, aside: SetAside) -> bool:
    return for_pixinsight(aside.path) in error


def _witnesses(written: Record, history: HistoryFacts, block: Block | None) -> dict[str, tuple[int, int]]:
    """Return the totals of rejected samples by who tells them."""
    channels = written.master.channels
    told: dict[str, tuple[int, int]] = {}
    if written.rejected:
        told["record"] = (written.rejected.low, written.rejected.high)
    if channels == 1 and history.rejected_low is not None and history.rejected_high is not None:
        told["HISTORY"] = (history.rejected_low, history.rejected_high)
    if block is not None and len(block.totals) == channels:
        told["log"] = _sum(block.totals)
    if block is not None and len(block.frames) == channels * len(written.inputs):
        told["log, frame by frame,"] = _sum(block.frames)
    return told


def _sum(counts: Sequence[Counts]) -> tuple[int, int]:
    return sum(count.low for count in counts), sum(count.high for count in counts)


def _block(job: Job, facts: LogFacts | None) -> Block | None:
    if facts is None:
        return None
    return facts.of(job.id) or facts.of(job.id, CALIBRATION)
