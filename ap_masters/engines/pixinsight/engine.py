"""The engine: jobs in batches, one script and one launch each; what did not finish is tried once more."""

import logging
import secrets
import tempfile
from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ap_masters.engines import Interrupted
from ap_masters.engines.pixinsight import causes, find, results, tree
from ap_masters.engines.pixinsight.batches import batches
from ap_masters.engines.pixinsight.masters import usable
from ap_masters.engines.pixinsight.paths import RunPaths
from ap_masters.engines.pixinsight.process import Launch, supervise
from ap_masters.engines.pixinsight.pulse import Limits, job_limit
from ap_masters.engines.pixinsight.script import render, unsupported
from ap_masters.errors import ImageError, PixInsightError
from ap_masters.model import Failed, JavaScript, Job, JobResult, JobState, OnProgress, Progress
from ap_masters.stamps import stamps
from ap_masters.wording import number

log = logging.getLogger(__name__)

_SAVED: Final = 0.95  # how far a job is whose master waits to be proved


class PixInsightEngine:
    """PixInsight as an engine, one or several instances side by side.

    ``command`` starts PixInsight: the program, or a program and its first arguments. ``timeout_s`` is how long
    to wait without any sign of life, ``startup_timeout_s`` how long for the script's first. ``memory`` bounds
    what all instances together shall take, in bytes. Scripts and logs are kept in ``script_dir`` and
    ``log_dir``; without these they are in the work folder.
    """

    name = "pixinsight"
    batches = True

    def __init__(
        self,
        command: Path | Sequence[str],
        *,
        instance_id: int,
        instances: int,
        timeout_s: float,
        startup_timeout_s: float,
        javascript: JavaScript,
        force_exit: bool,
        memory: int | None = None,
        script_dir: Path | None = None,
        log_dir: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep the settings; nothing is looked at or started."""
        self._command = (str(command),) if isinstance(command, Path) else tuple(command)
        self._binary = Path(self._command[0]) if len(self._command) == 1 else None
        self._instance_id = instance_id
        self._instances = instances
        self._timeout = timeout_s
        self._startup_timeout = startup_timeout_s
        self._javascript = javascript
        self._force_exit = force_exit
        self._memory = memory
        self._share = memory // instances if memory else None
        self._script_dir = script_dir
        self._log_dir = log_dir
        self._clock = clock
        self._open: list[tree.Tree] = []  # what --no-force-exit has left open

    def run(self, jobs: Sequence[Job], workdir: Path, on_progress: OnProgress) -> list[JobResult]:
        """Run every job; return one result per job, in the jobs' order.

        What PixInsight did not finish, because it crashed, hung or yielded, is tried once more in a fresh slot,
        the suspect last. Raises PixInsightError when no script ever began. Interrupted, it stops everything it
        has started and raises ``Interrupted`` with what was finished.
        """
        done: dict[str, JobResult] = {}
        ready: list[Job] = []
        own = {job.id for job in jobs}
        for job in jobs:
            prepared = _prepared(job, workdir, made=own)
            if isinstance(prepared, Failed):
                done[job.id] = prepared
            else:
                ready.append(prepared)
        try:
            self._carry_out(ready, workdir, on_progress, done)
        except KeyboardInterrupt as error:
            raise Interrupted([done[job.id] for job in jobs if job.id in done]) from error
        except PixInsightError as error:
            if not any(job.id in done for job in ready):
                raise
            # It could not be started once more; what the first attempt finished stands.
            done |= {job.id: Failed(job_id=job.id, reason=str(error)) for job in ready if job.id not in done}
        return [done[job.id] for job in jobs]

    def _carry_out(
        self, jobs: Sequence[Job], workdir: Path, on_progress: OnProgress, done: dict[str, JobResult]
    ) -> None:
        """Launch PixInsight for ``jobs``, twice if need be; whatever ends this, ``done`` holds what was finished."""
        launches: list[Launch] = []
        began = False
        for last in (False, True):
            remaining = _suspects_last([job for job in jobs if job.id not in done], launches)
            if not remaining:
                return
            used = [launch.slot for launch in launches if launch.slot is not None]
            launches = self._launches(remaining, workdir)
            self._close_open()
            try:
                supervise(
                    launches,
                    at_once=self._instances,
                    share=self._share,
                    memory=self._memory,
                    taken=used,
                    on_look=_Reporter(on_progress),
                )
            finally:
                for launch in launches:
                    done |= _finished(launch)
            self._open += [launch.tree for launch in launches if launch.left_open and launch.tree is not None]
            self._remember(launches)
            began = began or any(launch.status is not None for launch in launches)
            if last and not began:
                raise PixInsightError(_could_not_run(launches[-1]))
            for launch in launches:
                _end(launch, done, on_progress, last=last)

    def _close_open(self) -> None:
        """Close what an earlier stage has left open: only the last PixInsight stays."""
        tree.stop(self._open)
        self._open.clear()

    def _remember(self, launches: Sequence[Launch]) -> None:
        versions = {launch.status.version for launch in launches if launch.status is not None} - {"unknown"}
        if self._binary is not None and versions:
            find.remember_version(self._binary, versions.pop())

    def _launches(self, jobs: Sequence[Job], workdir: Path) -> list[Launch]:
        """Return what has to be started for ``jobs``, with scripts that are written. Raises PixInsightError."""
        return [
            Launch(
                batch,
                self._write_script(batch, workdir),
                self._command,
                Limits(
                    startup=self._startup_timeout,
                    silence=self._timeout,
                    jobs={job.id: job_limit(job, self._timeout) for job in batch},
                ),
                first_slot=self._instance_id,
                force_exit=self._force_exit,
            )
            for batch in batches(jobs, self._instances)
        ]

    def _write_script(self, jobs: Sequence[Job], workdir: Path) -> RunPaths:
        """Write the script of one launch; return the names of its files. Raises PixInsightError."""
        try:
            paths = self._paths(jobs, Path(tempfile.mkdtemp(prefix="pixinsight-", dir=workdir)))
            javascript = find.dialect(self._javascript, self._binary)
            text = render(jobs, paths, javascript=javascript, memory=self._share, instances=self._instances)
            paths.make_folders(jobs)
            paths.script.write_text(text, encoding="ascii", newline="\n")
        except OSError as error:
            raise PixInsightError(
                f"The script for PixInsight could not be written: {error}. "
                "Free some space or mend the permissions, or name another folder with --script-dir"
            ) from error
        log.info("script %s for %s", paths.script, number(len(jobs), "job"))
        return paths

    def _paths(self, jobs: Sequence[Job], folder: Path) -> RunPaths:
        """Return the names of one launch in its own new ``folder``, with a time that no other script or log has."""
        script_dir, log_dir = self._script_dir or folder, self._log_dir or folder
        for place in (script_dir, log_dir):
            place.mkdir(parents=True, exist_ok=True)
        run = secrets.token_hex(8)
        named = (
            RunPaths.launch(jobs, folder, run=run, stamp=stamp, script_dir=script_dir, log_dir=log_dir)
            for stamp in stamps(self._clock())
        )
        return next(paths for paths in named if not paths.script.exists() and not paths.log.exists())


def _finished(launch: Launch) -> dict[str, JobResult]:
    """Return how the jobs of a launch ended, by id, without those that it did not get to the end of."""
    facts = results.read_log(launch.paths.log)
    read = {job.id: results.read_result(job, launch.paths, launch.status, facts) for job in launch.jobs}
    return {name: result for name, result in read.items() if result is not None}


def _end(launch: Launch, done: dict[str, JobResult], on_progress: OnProgress, *, last: bool) -> None:
    """Say why the other jobs of a launch did not end; after the ``last`` attempt they are failures."""
    unfinished = [job for job in launch.jobs if job.id not in done]
    if not unfinished:
        return
    facts = results.read_log(launch.paths.log)
    printed = "\n".join(launch.output())
    cause = causes.explain(launch.ending, launch.returncode, printed, facts, began=launch.status is not None)
    if last:
        done |= {job.id: results.failed(job, launch.paths, facts, cause) for job in unfinished}
        return
    log.warning("%s; what it did not finish is tried once more: %s", cause.reason, number(len(unfinished), "master"))
    for job in unfinished:
        on_progress(Progress(job.id, JobState.QUEUED, detail=f"once more: {cause.reason}"))


def _prepared(job: Job, workdir: Path, *, made: Container[str]) -> Job | Failed:
    """Return ``job`` as PixInsight can do it, or why it cannot; ``made`` are the jobs of the same run, by id."""
    if reason := unsupported(job):
        return Failed(job_id=job.id, reason=reason, advice="Use the numpy engine: --engine numpy")
    try:
        return usable(job, workdir, made=made)
    except (ImageError, OSError) as error:
        return Failed(job_id=job.id, reason=f"a master it needs cannot be used: {error}", advice="Build it again")


class _Reporter:
    """Passes on what the scripts' status files say, and only what is news."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._told: dict[str, Progress] = {}

    def __call__(self, launch: Launch) -> None:
        """Tell what is new of a launch."""
        for job in launch.status.jobs if launch.status else ():
            # Success is for whoever has proved the master; a failure is told with its result.
            saved = job.state in {JobState.SUCCESS, JobState.FAILED}
            state = JobState.RUNNING if saved else job.state
            fraction = _SAVED if saved else min(max(job.fraction, 0.0), _SAVED)
            took = job.seconds if saved else None
            news = Progress(job.id, state, fraction, "" if saved else job.detail, took)
            if self._told.get(job.id) != news:
                self._told[job.id] = news
                self._on_progress(news)


def _suspects_last(jobs: list[Job], launches: Sequence[Launch]) -> list[Job]:
    """Return ``jobs`` with those that were being worked on when a launch broke off behind the others."""
    suspects = {launch.status.running for launch in launches if launch.status is not None}
    return sorted(jobs, key=lambda job: job.id in suspects)


def _could_not_run(launch: Launch) -> str:
    printed = "\n".join(launch.output())
    cause = causes.explain(launch.ending, launch.returncode, printed, None, began=False)
    words = causes.last_words(printed)
    said = f" It printed: {' | '.join(words)}." if words else ""
    return f"{cause.reason}.{said} {cause.advice}. The script is {launch.paths.script}"
