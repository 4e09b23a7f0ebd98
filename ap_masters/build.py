"""The second half of the stream: a plan -> masters, each proved and judged before it is published."""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ap_masters import glimpse, layouts, plan, proof, run_log
from ap_masters import record as records
from ap_masters.config import Settings
from ap_masters.defects import find_defects, write_defects
from ap_masters.engines import Engine, Interrupted
from ap_masters.errors import (
    AllJobsFailed,
    ApMastersError,
    LibraryError,
    NothingToDo,
    QualityRefused,
    SomeJobsFailed,
    UsageError,
    reason_of,
)
from ap_masters.library import index, lock, scan, store
from ap_masters.library.entries import Entry, with_labels_of, with_published
from ap_masters.library.examine import examine
from ap_masters.model import (
    DARKS,
    QUARANTINE,
    Action,
    Calibration,
    CalibrationMaster,
    Failed,
    Integrated,
    Job,
    JobResult,
    JobState,
    MasterStatus,
    Noun,
    OnProgress,
    Plan,
    Progress,
    Step,
)
from ap_masters.record import Record
from ap_masters.stamps import stamp
from ap_masters.survey import hash_files

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


class Outcome(Noun):
    """How one step of the plan ended. ``master`` is where the master stands, published or quarantined."""

    step: Step
    state: JobState
    master: Path | None = None
    record: Record | None = None
    failure: Failed | None = None
    waiting: str | None = None  # why a job was not run: what it needed did not come to be

    @property
    def quarantined(self) -> bool:
        """Whether the gate kept this master from being published."""
        return self.record is not None and self.record.status is MasterStatus.QUARANTINED


class BuildReport(Noun):
    """How a build ended, for the display, for ``--json`` and for the exit code."""

    plan: Plan
    engine: str
    outcomes: tuple[Outcome, ...]
    started: datetime
    seconds: float
    log: Path | None = None

    @property
    def failed(self) -> bool:
        """Whether to try the same frames once more: flats that nothing calibrates wait for frames to come."""
        return any(o.state is JobState.FAILED or o.step.action is Action.CONFLICT for o in self.outcomes)

    @property
    def exit_code(self) -> int:
        """0 done, 3 nothing to do, 4 some masters could not be built, 5 none could, 6 the gate refused one.

        What was left out because it was asked for, or is too small, is no failure: see ``Step.blocked``.
        """
        done = sum(o.state is JobState.SUCCESS for o in self.outcomes)
        current = sum(step.action is Action.UP_TO_DATE for step in self.plan.steps)
        if self.failed or any(step.blocked for step in self.plan.steps):
            return (SomeJobsFailed if done or current else AllJobsFailed).exit_code
        if any(o.quarantined for o in self.outcomes):
            return QualityRefused.exit_code
        return 0 if done or current else NothingToDo.exit_code


def build(
    the_plan: Plan,
    settings: Settings,
    engine: Engine,
    on_progress: OnProgress,
    *,
    clock: Clock = lambda: datetime.now(UTC),
    replan: Callable[[], Plan] | None = None,
) -> BuildReport:
    """Carry out ``the_plan``: run each stage, prove and judge what came of it, publish, then the next stage.

    A job whose master depends on one that failed or was refused is not run: it waits, with the reason. Every
    published master stands whole with its record; a run that is interrupted leaves what it has published and
    nothing else, and running it again takes up the rest. ``replan`` is asked for another plan where another
    program has been at work on the library since this one was made. Raises LibraryError where the library cannot be
    locked or written, PixInsightError where the engine could not run at all.
    """
    started = clock()
    _announce(the_plan, on_progress)
    if not _has_jobs(the_plan):
        if index.is_outdated(the_plan.library, settings.library.index_path):
            _write_index(the_plan.library, settings)
        outcomes = [Outcome(step=step, state=JobState.SKIPPED) for step in the_plan.steps]
        return _report(the_plan, engine, outcomes, started, clock)
    with lock.library_lock(the_plan.library) as turn:
        if replan is not None and turn != the_plan.turn:
            the_plan = replan()
            _announce(the_plan, on_progress)
        run = _Run(the_plan, settings, engine, on_progress, clock, started)
        with store.work_of_a_run(the_plan.library, stamp(started)) as work:
            run.log.write(run_log.head(the_plan, engine.name, started))
            with run.told():
                outcomes = [outcome for stage in the_plan.stages for outcome in run.stage(stage, work)]
    _write_index(the_plan.library, settings)
    return _report(the_plan, engine, outcomes, started, clock, run.log.path if run.log.path.is_file() else None)


def _announce(the_plan: Plan, on_progress: OnProgress) -> None:
    for step in the_plan.steps:
        if step.job is None:
            why = "" if step.action is Action.SKIPPED else step.action
            on_progress(Progress(plan.job_id(step.key, step.output), JobState.SKIPPED, detail=why))
        else:
            on_progress(Progress(step.job.id, JobState.QUEUED))


def _has_jobs(the_plan: Plan) -> bool:
    return any(step.job for step in the_plan.steps)


def _report(
    the_plan: Plan,
    engine: Engine,
    outcomes: Sequence[Outcome],
    started: datetime,
    clock: Clock,
    log_file: Path | None = None,
) -> BuildReport:
    return BuildReport(
        plan=the_plan,
        engine=engine.name,
        outcomes=tuple(outcomes),
        started=started,
        seconds=(clock() - started).total_seconds(),
        log=log_file,
    )


def _write_index(library: Path, settings: Settings) -> None:
    """Bring the calibration index up to date; masters stand whatever becomes of it, so a failure is told only."""
    try:
        index.write_index(library, settings.library.index_path)
    except (LibraryError, UsageError) as error:
        log.warning("%s. Run `ap-masters library index` once that is mended", error)


class _Run:
    """One build under way: what has come of each job so far, so that later stages can use or wait for it."""

    def __init__(
        self,
        the_plan: Plan,
        settings: Settings,
        engine: Engine,
        on_progress: OnProgress,
        clock: Clock,
        started: datetime,
    ) -> None:
        self.library = the_plan.library
        self.log = run_log.RunLog(the_plan.library / run_log.log_path(started))
        self.settings = settings
        self.engine = engine
        self.on_progress = on_progress
        self.clock = clock
        self.done: dict[str, Record] = {}
        self.refused: dict[str, str] = {}
        self.digests: dict[Path, str] = {}
        self.known: list[Entry] = list(scan.scan(the_plan.library).entries)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Where the run breaks off, leave the reason in its log."""
        try:
            yield
        except ApMastersError as error:
            self.log.write([f"! {error}", ""])
            raise
        except KeyboardInterrupt:
            self.log.write([f"! stopped by the user; masters that were finished are kept: {len(self.done)}", ""])
            raise

    def stage(self, steps: Sequence[Step], work: Path) -> list[Outcome]:
        """Run the jobs of one stage in one call of the engine, and end each of them."""
        outcomes: dict[str, Outcome] = {}
        ready: list[tuple[Step, Job]] = []
        for step in steps:
            if step.job is None:
                continue
            if waiting := self._waiting(step.job):
                outcomes[step.job.id] = self._give_up(step, step.job, waiting)
                continue
            job = self._looked_at(self._resolve(step.job))
            lack = plan.shortage(job, self.settings, self.engine.name) or _missing_list(job) or self._changed(job)
            if lack:
                self.log.write(run_log.started_job(job))
                failure = Failed(job_id=job.id, reason=lack, dropped=job.group.dropped)
                outcomes[job.id] = self._fail(step, job, failure)
            else:
                ready.append((step, job))
        for batch in self._batches(ready):
            hashes = hash_files([frame.path for _, job in batch for frame in (*job.frames, *job.group.refused)])
            try:
                results = self._integrate([job for _, job in batch], work)
            except Interrupted as stopped:
                self._end_batch(batch, stopped.done, hashes)  # what was finished need not be done again
                raise
            outcomes |= self._end_batch(batch, results, hashes)
        return [outcomes[step.job.id] if step.job else Outcome(step=step, state=JobState.SKIPPED) for step in steps]

    def _end_batch(
        self, batch: Sequence[tuple[Step, Job]], results: Sequence[JobResult], hashes: Mapping[Path, str]
    ) -> dict[str, Outcome]:
        """End the jobs of one call of the engine that have a result."""
        told = {result.job_id: result for result in results}
        outcomes = {}
        for step, job in batch:
            if job.id in told:
                self.log.write([*run_log.started_job(job), *run_log.traces(told[job.id])])
                outcomes[job.id] = self._end(step, job, told[job.id], hashes)
        return outcomes

    def _integrate(self, jobs: Sequence[Job], work: Path) -> Sequence[JobResult]:
        """Run the engine in a folder of its own, which it finds empty."""
        folder = work / jobs[0].id
        try:
            folder.mkdir()
        except OSError as error:
            reason = f"{folder}: the work folder cannot be made: {reason_of(error)}; check the disk"
            return [Failed(job_id=job.id, reason=reason) for job in jobs]
        return self.engine.run(jobs, folder, self.on_progress)

    def _batches(self, ready: Sequence[tuple[Step, Job]]) -> Sequence[Sequence[tuple[Step, Job]]]:
        """Return what goes into one call of the engine: all, where starting it is dear, else one job at a time.

        One at a time each master is published as soon as it is made, and survives whatever comes after it.
        """
        if not ready:
            return ()
        return (ready,) if self.engine.batches else tuple((pair,) for pair in ready)

    def _waiting(self, job: Job) -> str | None:
        reasons = [self.refused[other] for other in job.waits_for if other in self.refused]
        return "; ".join(reasons) or None

    def _give_up(self, step: Step, job: Job, reason: str) -> Outcome:
        self.refused[job.id] = f"{step.key.describe()} is waiting itself"
        self.log.write(run_log.waiting_job(job, reason))
        self.on_progress(Progress(job.id, JobState.SKIPPED, detail=f"waiting: {reason}"))
        return Outcome(step=step, state=JobState.SKIPPED, waiting=reason)

    def _looked_at(self, job: Job) -> Job:
        """Drop the frames whose pixels contradict what they are said to be, before anything is integrated."""
        group = glimpse.looked_at(job.group, self.settings.flat, self.settings.quality)
        return plan.with_frames(job, group, self.settings)

    def _resolve(self, job: Job) -> Job:
        """Fill in what the masters are that will be subtracted: made by this run, or of other programs."""
        if job.calibration is None:
            return job

        def made(master: CalibrationMaster | None) -> CalibrationMaster | None:
            if master is None:
                return None
            if master.job_id in self.done:
                return master.model_copy(update={"sha256": self.done[master.job_id].master.sha256})
            return master if master.sha256 else master.model_copy(update={"sha256": self._digest(master.path)})

        calibration: Calibration = job.calibration.model_copy(
            update={"bias": made(job.calibration.bias), "dark": made(job.calibration.dark)}
        )
        return job.model_copy(update={"calibration": calibration})

    def _changed(self, job: Job) -> str | None:
        """Return which master that is to be subtracted has not the bytes of its record any more."""
        chosen = job.calibration
        for master in chosen.masters if chosen else ():
            if master.sha256 is None or master.job_id is not None:
                continue
            found = self._digest(master.path)
            if found is None:
                return f"{master.path} cannot be read any more; is it still there?"
            if found != master.sha256:
                return (
                    f"{master.path} is damaged: its bytes are not those of its record. Restore it from a mirror, "
                    "or move it away and build it again"
                )
        return None

    def _digest(self, path: Path) -> str | None:
        """Return the SHA-256 of a master, read once in a run; None where it cannot be read."""
        if path not in self.digests:
            self.digests |= hash_files([path])
        return self.digests.get(path)

    def _end(self, step: Step, job: Job, result: JobResult, hashes: Mapping[Path, str]) -> Outcome:
        """Prove, judge and publish one result; whatever goes wrong fails this job alone."""
        if isinstance(result, Failed):
            return self._fail(step, job, result)
        try:
            return self._finish(step, job, result, hashes)
        except (ApMastersError, OSError) as error:
            log.debug("%s", traceback.format_exc())
            return self._fail(step, job, Failed(job_id=job.id, reason=str(error), dropped=result.dropped))

    def _fail(self, step: Step, job: Job, failure: Failed) -> Outcome:
        self.refused[job.id] = f"{step.key.describe()} failed: {failure.reason}"
        self.log.write(run_log.failed_job(failure))
        self.on_progress(Progress(job.id, JobState.FAILED, detail=failure.reason))
        return Outcome(step=step, state=JobState.FAILED, failure=failure)

    def _finish(self, step: Step, job: Job, result: Integrated, hashes: Mapping[Path, str]) -> Outcome:
        if reason := proof.missing_proof(job, result) or self._too_few_left(job, result):
            traces = {"dropped": result.dropped, "script": result.script, "log": result.log}
            return self._fail(step, job, Failed(job_id=job.id, reason=reason, **traces))
        restored = proof.restore_keywords(job, result.path)
        record = records.complete(records.draft(job, result.engine.name), result, hashes)
        notes = [warning for warning in step.warnings if warning not in record.warnings]
        if restored:
            notes.append(f"keywords put back by this program: {', '.join(restored)}")
        log_path = None if self.log.broken else self.log.path.relative_to(self.library).as_posix()
        script = self._in_library(result.script) if result.script else None
        record = record.model_copy(update={"log": log_path, "script": script, "warnings": (*record.warnings, *notes)})
        replaced = step.supersedes or store.moved_from(self.library, step.output, self.settings.library.record_suffix)
        record = with_labels_of(self.known, replaced, record)
        record = examine(record, result.path, self.library, self.known, self.settings)
        output = step.output
        if record.status is MasterStatus.QUARANTINED:
            output = QUARANTINE / output
            self.refused[job.id] = f"{step.key.describe()} was quarantined: {_refusals(record)}"
        suffix = self.settings.library.record_suffix
        master = store.publish(result.path, record, self.library, output, now=self.clock(), suffix=suffix)
        final = records.read(records.record_path(master, suffix))
        self.log.write(run_log.finished_job(final, master))
        if self._wants_list(step):
            write_defects(find_defects(master), Path(layouts.cosmetic_list(master)), "iris")
        self.done[job.id] = final
        self.known = with_published(self.known, self.library, master, final, suffix=suffix)
        self.on_progress(Progress(job.id, JobState.SUCCESS, 1.0, _refusals(record)))
        return Outcome(step=step, state=JobState.SUCCESS, master=master, record=final)

    def _too_few_left(self, job: Job, result: Integrated) -> str | None:
        """Return what is there and what is needed where the engine left out too many frames."""
        used = {frame.path for frame in result.frames}
        left = tuple(frame for frame in job.frames if frame.path in used)
        if len(left) == len(job.frames):
            return None
        group = job.group.model_copy(update={"frames": left, "dropped": (*job.group.dropped, *result.dropped)})
        return plan.shortage(job.model_copy(update={"group": group}), self.settings, self.engine.name)

    def _in_library(self, path: Path) -> str:
        """Return a path as records have it: relative to the library where it is in there."""
        library = self.library.absolute()
        return (path.relative_to(library) if path.is_relative_to(library) else path).as_posix()

    def _wants_list(self, step: Step) -> bool:
        """Whether a list of hot pixels belongs beside this master: PULSAR mends flats with that of their dark."""
        wanted = self.settings.library.defects_beside_darks or layouts.has_cosmetic_lists(self.settings.layout)
        return wanted and step.key.type in DARKS


def _missing_list(job: Job) -> str | None:
    """Return what is missing where flats are to be mended with a list of hot pixels that is not there."""
    calibration = job.calibration
    if calibration is None or calibration.dark is None or calibration.defects is None or calibration.defects.exists():
        return None
    return (
        f"{calibration.defects} is not there, and without it hot pixels remain in the flats: "
        f"make it with `ap-masters defects find {calibration.dark.path} {calibration.defects}`"
    )


def _refusals(record: Record) -> str:
    return "; ".join(f.message for f in record.findings if f.severity == "refuse")
