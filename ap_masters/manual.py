"""A script that the user runs in PixInsight: the same jobs as a build, written down instead of carried out."""

import shutil
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ap_masters import glimpse, plan, run_log
from ap_masters.config import Settings
from ap_masters.engines.pixinsight.find import dialect, find_binary
from ap_masters.engines.pixinsight.masters import usable
from ap_masters.engines.pixinsight.paths import RunPaths
from ap_masters.engines.pixinsight.script import render
from ap_masters.errors import AllJobsFailed, LibraryError, NothingToDo, SomeJobsFailed, reason_of
from ap_masters.files import write_text
from ap_masters.memory import parse
from ap_masters.model import Action, Job, Plan, Step
from ap_masters.stamps import stamps
from ap_masters.wording import numbers


class Manual(NamedTuple):
    """What was written: the script, the plan beside it, and where the script's own log will be.

    ``rebuilt`` are steps whose master stands in the library already; the script never writes over it. ``refused`` are
    those that were wanted and are left out. ``masters`` are wildcards, below the library, of what the script will make.
    """

    script: Path
    plan: Path
    log: Path
    jobs: tuple[Job, ...]
    rebuilt: tuple[Step, ...]
    refused: tuple[Step, ...]
    masters: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """0 where the script does all, 4 where something had to be left out."""
        return SomeJobsFailed.exit_code if self.refused else 0


def looked_at(the_plan: Plan, settings: Settings) -> Plan:
    """Return the plan without the frames whose pixels contradict what they are said to be: a script takes all it names.

    So a build drops them too, before anything is integrated.
    """
    look = partial(glimpse.looked_at, flat=settings.flat, quality=settings.quality)
    return plan.screened(the_plan, look, settings, engine="pixinsight")


def write_script(the_plan: Plan, settings: Settings, now: datetime) -> Manual:
    """Write the script that builds the masters of ``the_plan``, and the plan as JSON; start nothing.

    Masters that PixInsight could not subtract as they are get copies for the script in the library's housekeeping.
    Raises NothingToDo where everything is up to date, AllJobsFailed where none of what is wanted can be made
    (SomeJobsFailed, as a build ends, where the rest is up to date), ImageError for a master that cannot be read,
    LibraryError where the files cannot be written.
    """
    jobs = tuple(step.job for step in the_plan.steps if step.job is not None)
    refused = tuple(step for step in the_plan.steps if step.blocked)
    if not jobs and refused:
        current = any(step.action is Action.UP_TO_DATE for step in the_plan.steps)
        reasons = "; ".join(f"{step.key.describe()}: {' '.join(step.reasons)}" for step in refused)
        raise (SomeJobsFailed if current else AllJobsFailed)(reasons)
    if not jobs:
        have = numbers(run_log.counts(the_plan))
        raise NothingToDo(f"There is no master to build in {the_plan.library}: {have}")
    try:
        paths = _reserved(jobs, the_plan, settings, now)
    except OSError as error:
        raise LibraryError(f"{error.filename}: no script can be written there ({reason_of(error)})") from error
    plan_file = paths.script.with_suffix(".plan.json")
    own = {job.id for job in jobs}
    try:
        text = render(
            [usable(job, paths.masters, made=own) for job in jobs],
            paths,
            planned=jobs,
            javascript=dialect(settings.pixinsight.javascript, find_binary(settings.pixinsight.binary).path),
            memory=parse(settings.memory) if settings.memory else None,
        )
        paths.make_folders(jobs)
        write_text(paths.script, text)
        write_text(plan_file, the_plan.model_dump_json(indent=1) + "\n")
    except BaseException as error:
        paths.script.unlink(missing_ok=True)
        shutil.rmtree(paths.masters, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise LibraryError(f"{paths.script}: the script could not be written ({reason_of(error)})") from error
    rebuilt = tuple(step for step in the_plan.steps if step.action is Action.REBUILD)
    masters = tuple(dict.fromkeys(_wildcard(step, paths.stamp) for step in the_plan.steps if step.job is not None))
    return Manual(paths.script, plan_file, paths.log, jobs, rebuilt, refused, masters)


def _wildcard(step: Step, stamp: str) -> Path:
    """Return what finds the master that a script makes for ``step``: beside an older one it has the script's time."""
    name = f"*_{stamp}*" if step.action is Action.REBUILD else "*"
    return step.output.with_name(f"{name}{step.output.suffix}")


def _reserved(jobs: tuple[Job, ...], the_plan: Plan, settings: Settings, now: datetime) -> RunPaths:
    """Return the names for one script, which exists already, empty, so that no other run takes it. Raises OSError."""
    named = (
        RunPaths.manual(
            jobs,
            the_plan.library.absolute(),
            stamp=stamp,
            script_dir=settings.pixinsight.script_dir,
            record_suffix=settings.library.record_suffix,
        )
        for stamp in stamps(now)
    )
    return next(paths for paths in named if _is_new(paths.script))


def _is_new(script: Path) -> bool:
    """Make an empty file and say so; say no where there is one. Raises OSError."""
    script.parent.mkdir(parents=True, exist_ok=True)
    try:
        script.open("xb").close()
    except FileExistsError:
        return False
    return True
