"""The log of a build: the plan, every match with its reasons, and how each job ended, as a text beside the masters."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ap_masters import __version__
from ap_masters.errors import reason_of
from ap_masters.model import LOGS, Action, Calibration, Decision, Failed, FrameOutcome, Job, JobResult, Plan
from ap_masters.record import Record
from ap_masters.safe import one_line
from ap_masters.stamps import stamp
from ap_masters.wording import number

log = logging.getLogger(__name__)


def log_path(started: datetime) -> Path:
    """Return where the log of a run stands, relative to the library: ``logs/20260129_123456.log``."""
    return LOGS / f"{stamp(started)}.log"


class RunLog:
    """A text file that grows as the run goes, so that a run that is killed leaves a log as well."""

    def __init__(self, path: Path) -> None:
        """Keep the place; nothing is written before the first line."""
        self.path = path
        self.broken = False  # once a line could not be written, no more are tried

    def write(self, lines: Iterator[str] | list[str]) -> None:
        """Add lines; each is made printable and kept on one line.

        Masters stand whatever becomes of their log, so a disk that refuses is told, once, and nothing is raised.
        """
        if self.broken:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{_printable(line)}\n" for line in lines)
        except OSError as error:
            self.broken = True
            with suppress(OSError):
                if not self.path.stat().st_size:
                    self.path.unlink()  # made, and then there was no room for a line
            reason = reason_of(error)
            log.warning("%s: the log of this run cannot be written: %s; its masters are recorded", self.path, reason)


def _printable(line: str) -> str:
    """Return ``line`` on one line, indented as it was."""
    text = line.lstrip(" ")
    return f"{' ' * (len(line) - len(text))}{one_line(text)}" if text.strip() else ""


def head(plan: Plan, engine: str, started: datetime) -> Iterator[str]:
    """Yield the first lines: who, when, with which engine, and the plan."""
    yield f"ap-masters {__version__}, engine {engine}, started {started.isoformat(timespec='seconds')}"
    yield f"library {plan.library}"
    yield ""
    for step in plan.steps:
        yield f"{step.action:<10} {step.key.describe()}: {number(step.frames, 'frame')} ({step.grade}) -> {step.output}"
        yield from (f"           {text}" for text in (*step.reasons, *step.notes))
        yield from (f"           ! {warning}" for warning in step.warnings)
    for warning in plan.warnings:
        yield f"! {warning}"
    for aside in plan.set_aside:
        yield f"set aside  {aside.path}: {aside.reason}: {aside.detail}"
    yield ""


def started_job(job: Job) -> Iterator[str]:
    """Yield what is known when a job starts: its recipe, its frames and why its masters were chosen."""
    recipe = job.recipe
    yield f"* {job.id}: {job.group.key.describe()}"
    yield f"  {recipe.combination}, rejection {recipe.rejection}, normalization {recipe.normalization}"
    for frame in job.frames:
        yield f"  frame {frame.path}"
    for aside in job.group.dropped:
        yield f"  dropped {aside.path}: {aside.reason}: {aside.detail}"
    if job.calibration:
        yield f"  subtracted (CALSTAT {job.calibration.state or 'none'}): {_subtracted(job.calibration)}"
        yield from (_decision(decision) for decision in job.calibration.decisions)


def _subtracted(calibration: Calibration) -> str:
    """Return what is taken off each frame, in words."""
    parts = [f"bias {calibration.bias.path.name}"] if calibration.bias else []
    if calibration.dark:
        scaled = ", scaled" if calibration.scale_dark else ""
        parts.append(f"{calibration.dark.type} {calibration.dark.path.name}{scaled}")
    if calibration.constant is not None:
        parts.append(f"{calibration.constant:g} ADU")
    if calibration.defects:
        parts.append(f"then mended by {calibration.defects.name}")
    if calibration.before:
        parts.append(f"{calibration.before} before, by another program")
    return ", ".join(parts) or "nothing"


def traces(result: JobResult) -> Iterator[str]:
    """Yield where PixInsight's script and console of a job are."""
    if result.script:
        yield f"  script {result.script}"
    if result.log:
        yield f"  console {result.log}"


def waiting_job(job: Job, reason: str) -> Iterator[str]:
    """Yield that a job is not run, and for what it waits."""
    yield f"* {job.id}: {job.group.key.describe()}"
    yield f"  WAITING: {reason}"
    yield ""


def finished_job(record: Record, master: Path) -> Iterator[str]:
    """Yield how a job ended: rejection, level, findings and where the master stands."""
    if record.rejected:
        yield f"  rejected {record.rejected.low} low, {record.rejected.high} high of {record.rejected.samples} samples"
    for entry in record.inputs:
        if entry.outcome:
            yield f"  {entry.path.name}: {_outcome(entry.outcome)}"
    for aside in record.dropped:
        yield f"  dropped {aside.path.name}: {aside.reason}: {aside.detail}"
    yield from (f"  {finding.severity}: {finding.message}" for finding in record.findings)
    yield from (f"  ! {warning}" for warning in record.warnings)
    yield f"  {record.status}: {master}"
    yield ""


def _outcome(outcome: FrameOutcome) -> str:
    parts = [f"{outcome.rejected_low} low", f"{outcome.rejected_high} high"]
    if outcome.level is not None:
        parts.append(f"level {outcome.level:.6f}")
    if outcome.dark_scaling is not None:
        parts.append(f"dark scaled by {outcome.dark_scaling:.4f}")
    return ", ".join(parts)


def failed_job(failure: Failed) -> Iterator[str]:
    """Yield how a job failed and what can be done."""
    yield f"  FAILED: {failure.reason}"
    if failure.advice:
        yield f"  {failure.advice}"
    yield from (f"  dropped {aside.path}: {aside.reason}: {aside.detail}" for aside in failure.dropped)
    yield from (f"  | {line}" for line in failure.log_tail)
    yield ""


def _decision(decision: Decision) -> str:
    field = f" [{decision.field}]" if decision.field else ""
    return f"  {decision.verdict} {decision.subject}{field}: {decision.reason}"


def counts(plan: Plan) -> dict[Action, int]:
    """Return how many steps of each action a plan has."""
    return {action: n for action in Action if (n := sum(step.action is action for step in plan.steps))}
