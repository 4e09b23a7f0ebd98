"""Groups and what the library holds -> a plan: what would be created, rebuilt, left alone, skipped, and why. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ap_masters.config import Settings
from ap_masters.model import QUARANTINE, Action, FrameType, Group, Job, Master, MasterStatus, Plan, SetAside, Step
from ap_masters.plan.changes import (
    differences,
    frames_to_hash,
    has_other_frames,
    left_stale,
    masters_to_hash,
    newer_frames,
    of_another_group,
    poorer,
    takes_in,
    was_refused,
)
from ap_masters.plan.drafts import (
    STAGE_OF,
    Draft,
    advise_on_temperatures,
    is_selected,
    naming_of,
    output_path,
    prepare,
    refuse_collisions,
    refuse_inconsistent_exposures,
    refuse_long_paths,
    shortage,
    way_apart,
)
from ap_masters.plan.jobs import job_id, job_of, promise, with_frames
from ap_masters.plan.serving import Holdings, serve
from ap_masters.record import Record
from ap_masters.wording import number

__all__ = [
    "STAGE_OF",
    "Holdings",
    "differences",
    "frames_to_hash",
    "is_selected",
    "job_id",
    "make_plan",
    "masters_to_hash",
    "output_path",
    "screened",
    "shortage",
    "with_frames",
]

_ORDER = tuple(STAGE_OF)


def make_plan(
    groups: Sequence[Group],
    holdings: Holdings,
    library: Path,
    settings: Settings,
    *,
    engine: str,
    set_aside: Sequence[SetAside] = (),
    warnings: Sequence[str] = (),
    refuses: Callable[[Job], str | None] | None = None,
    longest_path: int | None = None,
) -> Plan:
    """Return what a build of ``groups`` into ``library`` would do.

    ``engine`` is "numpy" or "pixinsight"; PixInsight's own floor of 3 frames (5 for linear fit) cannot be
    lowered. Steps stand in stages: a stage's jobs use masters of earlier stages only. ``refuses`` says why the engine
    cannot do a job, None where it can. ``longest_path``: characters that the path of a master may have, where the
    system sets a limit.
    """
    drafts = [prepare(group, settings, engine) for group in sorted(groups, key=lambda g: _ORDER.index(g.key.type))]
    advise_on_temperatures(drafts, settings)
    if settings.flat.consistent_exposures:
        refuse_inconsistent_exposures(drafts)
    refuse_collisions(drafts)
    if longest_path is not None:
        refuse_long_paths(drafts, library, longest_path)
    promised: dict[FrameType, list[Master]] = defaultdict(list)
    refused: dict[str, str] = {}
    steps: list[Step] = []
    for draft in drafts:
        step = _decide(draft, holdings, promised, library, settings)
        if step.job is not None:
            promised[step.key.type].append(promise(step.job, library))  # refused or not: what needs it waits for it
            reason = refuses(step.job) if refuses else None
            step = _without_refused(step, step.job, (reason,) if reason else (), refused)
        steps.append(step)
    return Plan(
        library=library,
        stages=_stages(steps),
        set_aside=tuple(set_aside),
        warnings=(*warnings, *left_stale(steps, holdings.records, holdings.made_with, library)),
    )


def screened(the_plan: Plan, look: Callable[[Group], Group], settings: Settings, *, engine: str) -> Plan:
    """Return the plan without the frames that ``look`` leaves out of their groups; a build looks as it goes.

    Jobs with too few frames left are left out themselves, and those that wait for their masters.
    """
    refused: dict[str, str] = {}
    stages = (tuple(_screened(step, look, settings, engine, refused) for step in stage) for stage in the_plan.stages)
    return the_plan.model_copy(update={"stages": tuple(stages)})


def _screened(
    step: Step, look: Callable[[Group], Group], settings: Settings, engine: str, refused: dict[str, str]
) -> Step:
    if step.job is None:
        return step
    before = step.job.group
    job = with_frames(step.job, look(before), settings)
    warnings = (*step.warnings, *job.group.warnings[len(before.warnings) :])
    step = step.model_copy(update={"job": job, "frames": len(job.frames), "warnings": warnings})
    lack = shortage(job, settings, engine)
    dropped = (f"{aside.path}: {aside.reason}: {aside.detail}" for aside in job.group.dropped[len(before.dropped) :])
    return _without_refused(step, job, (lack, *dropped) if lack else (), refused, action=Action.SKIPPED)


def _without_refused(
    step: Step, job: Job, reasons: tuple[str, ...], refused: dict[str, str], *, action: Action = Action.CONFLICT
) -> Step:
    """Return ``step``, without its job where there are ``reasons`` against it, or against one that it waits for.

    ``refused`` holds the masters of such jobs by id, and gains that of this one.
    """
    missing = [refused[other] for other in job.waits_for if other in refused]
    if not reasons and not missing:
        return step
    refused[job.id] = job.output.name
    if not reasons:
        action, reasons = Action.SKIPPED, (f"it needs {', '.join(missing)}, which cannot be built",)
    return step.model_copy(
        update={"action": action, "reasons": reasons, "job": None, "supersedes": None, "blocked": True}
    )


def _decide(
    draft: Draft,
    holdings: Holdings,
    promised: Mapping[FrameType, Sequence[Master]],
    library: Path,
    settings: Settings,
) -> Step:
    """Return the step of one group: what is to be done about it, and the job if there is one."""
    if draft.action is not None:
        return draft.step(draft.action, *draft.reasons)
    served = serve(draft.group, holdings, promised, library, settings)
    draft.warnings += served.warnings
    if served.refusal:
        return draft.step(Action.SKIPPED, served.refusal, blocked=not served.waits)
    job = job_of(draft, served.calibration, settings)
    otherwise: list[str] = []
    for place in holdings.kept_back(job.group.key, library / QUARANTINE / draft.output, settings.group):
        record = holdings.records.get(place)
        if record is None:
            continue
        told = f"is in quarantine{_why_kept_back(record)}"
        if not (news := _news(job, record, holdings, settings)):
            return draft.step(
                Action.SKIPPED,
                f"the master of these same frames {told}; look at it, then publish it by hand "
                "(ap-masters library publish) or capture anew",
            )
        if not has_other_frames(job, record, holdings.hashes):
            otherwise.append(f"a master of these same frames {told}; this one is made otherwise: {'; '.join(news)}")
        elif takes_in(job, record, holdings.hashes):
            taken = number(len(record.inputs), "frame")
            otherwise.append(f"it takes in all {taken} of a master that {told}: if they are at fault, leave them out")
    stands = holdings.standing(library / draft.output)
    if stands is None:
        step = draft.step(Action.CREATE, *_kept_waiting(job), job=job)
    else:
        step = _instead_of(stands, draft, job, holdings, promised, library, settings)
    return step.model_copy(update={"warnings": (*step.warnings, *otherwise)}) if step.job is not None else step


def _why_kept_back(record: Record) -> str:
    """Return the reason in the history of a master in quarantine, in brackets; nothing where there is none."""
    reasons = [event.reason for event in record.history if event.status is MasterStatus.QUARANTINED]
    return f" ({reasons[-1]})" if reasons else ""


def _instead_of(
    stands: Path,
    draft: Draft,
    job: Job,
    holdings: Holdings,
    promised: Mapping[FrameType, Sequence[Master]],
    library: Path,
    settings: Settings,
) -> Step:
    """Return the step of a group in whose place a master stands already."""
    record = holdings.records.get(stands)
    if record is None:
        reasons: tuple[str, ...] = ("a master without a readable record stands there; it is kept as superseded",)
    elif other := of_another_group(job.group.key, record.key, settings.group):
        naming = naming_of(draft.group)
        theirs = {"key": record.key, "filter": record.key.filter, "telescope": record.telescope}
        return draft.step(
            Action.CONFLICT,
            f"{draft.output.as_posix()} is the master of another group, {record.key.describe()}: {other}. "
            f"{way_apart([naming, naming.model_copy(update=theirs)])}",
        )
    else:
        target = library / draft.output
        reasons = (*_news_of_the_file(stands, target, record, holdings), *_news(job, record, holdings, settings))
    if not reasons:
        if record is not None and record.status is MasterStatus.CANDIDATE:
            draft.warnings += (
                "it is a candidate, and serves nothing until it is published: ap-masters library publish",
            )
        return draft.step(Action.UP_TO_DATE)
    if record is not None and stands not in holdings.damaged:
        if newer := newer_frames(job, record, settings.library.season_days):
            return draft.step(Action.SKIPPED, newer)
        if kept := _kept_for_a_damaged(job, record, holdings, promised, settings):
            draft.warnings += (kept,)
            return draft.step(Action.UP_TO_DATE)
        draft.warnings += tuple(poorer(job, record))
    return draft.step(Action.REBUILD, *reasons, job=job, supersedes=stands.relative_to(library))


def _kept_for_a_damaged(
    job: Job,
    record: Record,
    holdings: Holdings,
    promised: Mapping[FrameType, Sequence[Master]],
    settings: Settings,
) -> str | None:
    """Return why a master is kept that would be made anew only because one of those it was made with is damaged.

    It was made before that, and another master would be no better; unless the damaged one is made anew in this run.
    """
    used = record.calibration.masters if record.calibration else ()
    made = {master.path.name for masters in promised.values() for master in masters}
    damaged = {path.name for path in holdings.damaged} - made
    broken = [master.path.name for master in used if master.path.name in damaged]
    if not broken or _news(job.model_copy(update={"calibration": record.calibration}), record, holdings, settings):
        return None
    return f"{', '.join(broken)}, which it was made with, is damaged since: build that again, or restore it"


def _news_of_the_file(stands: Path, target: Path, record: Record, holdings: Holdings) -> Iterator[str]:
    """Yield why the file of a master has to be made anew, whatever it was made from."""
    if record.master.name != stands.name:
        yield f"the record beside it is that of {record.master.name}"
    elif stands in holdings.damaged and record.master.sha256 is None:
        yield "the file is no whole master of samples that differ: the script that made it went wrong"
    elif stands in holdings.damaged:
        yield "the file is not the one that its record tells of: it was changed or cut short"
    if stands != target:
        yield f"format: {stands.suffix} -> {target.suffix}"


def _news(job: Job, record: Record, holdings: Holdings, settings: Settings) -> tuple[str, ...]:
    """Return why the master of ``record`` is not what ``job`` would make.

    Frames that were dropped while it was built will be dropped again, and the recipe goes by those that stay.
    """
    reasons = differences(job, record, holdings.hashes)
    stay = tuple(frame for frame in job.frames if not was_refused(frame, record, holdings.hashes))
    if not reasons or len(stay) == len(job.frames):
        return reasons
    smaller = with_frames(job, job.group.model_copy(update={"frames": stay}), settings)
    return differences(smaller, record, holdings.hashes)


def _kept_waiting(job: Job) -> tuple[str, ...]:
    return (f"after {number(len(job.waits_for), 'master')} of this run",) if job.waits_for else ()


def _stages(steps: Sequence[Step]) -> tuple[tuple[Step, ...], ...]:
    """Put each step behind the steps it waits for; so PixInsight is started as seldom as the gates allow."""
    depth: dict[str, int] = {}
    stages: dict[int, list[Step]] = defaultdict(list)
    for step in steps:
        waits = step.job.waits_for if step.job else ()
        level = 1 + max((depth[other] for other in waits), default=-1)
        if step.job:
            depth[step.job.id] = level
        stages[level].append(step)
    return tuple(tuple(stages[level]) for level in sorted(stages))
