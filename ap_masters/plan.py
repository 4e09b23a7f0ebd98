"""Groups and what the library holds -> a plan: what would be created, rebuilt, left alone, skipped, and why. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from ap_masters import headers, layouts, match, recipes
from ap_masters.config import Settings
from ap_masters.model import (
    Action,
    Calibration,
    CalibrationMaster,
    Decision,
    Frame,
    FrameType,
    Grade,
    Group,
    GroupKey,
    Job,
    Keyword,
    Master,
    Plan,
    Recipe,
    Rejection,
    SetAside,
    Step,
)
from ap_masters.record import Input, Record

# The order in which masters come to be; a stage's name on the command line covers its types.
STAGE_OF: dict[FrameType, Literal["bias", "dark", "flat"]] = {
    FrameType.BIAS: "bias",
    FrameType.DARK: "dark",
    FrameType.DARK_FLAT: "dark",
    FrameType.FLAT: "flat",
}
_ORDER = tuple(STAGE_OF)

_IMAGE_TYPE = {
    FrameType.BIAS: "MasterBias",
    FrameType.DARK: "MasterDark",
    FrameType.DARK_FLAT: "MasterDark",  # XISF knows no master dark flat
    FrameType.FLAT: "MasterFlat",
}


@dataclass(frozen=True)
class Holdings:
    """What the library and the given folders hold.

    ``masters`` are the candidates for matching, ``records`` stand under the absolute path of their master,
    ``existing`` lists every master file found, with a record or without. ``hashes`` gives the SHA-256 of
    frames whose size, but not whose time, equals a recorded input; so a frame that was only copied or touched
    does not rebuild its master.
    """

    masters: tuple[Master, ...] = ()
    records: Mapping[Path, Record] = field(default_factory=dict)
    existing: frozenset[Path] = frozenset()
    hashes: Mapping[Path, str] = field(default_factory=dict)


def make_plan(
    groups: Sequence[Group],
    holdings: Holdings,
    library: Path,
    settings: Settings,
    *,
    engine: str,
    set_aside: Sequence[SetAside] = (),
    warnings: Sequence[str] = (),
) -> Plan:
    """Return what a build of ``groups`` into ``library`` would do.

    ``engine`` is "numpy" or "pixinsight"; PixInsight's own floor of 3 frames (5 for linear fit) cannot be
    lowered. Steps stand in stages: a stage's jobs use masters of earlier stages only.
    """
    drafts = [_draft(group, settings, engine) for group in sorted(groups, key=lambda g: _ORDER.index(g.key.type))]
    if settings.flat.consistent_exposures:
        _refuse_inconsistent_exposures(drafts)
    _refuse_collisions(drafts)
    promised: dict[FrameType, list[Master]] = defaultdict(list)
    steps: list[Step] = []
    for draft in drafts:
        step = _decide(draft, holdings, promised, library, settings)
        steps.append(step)
        if step.job is not None and settings.same_run:
            promised[step.key.type].append(_promise(step.job, library))
    return Plan(library=library, stages=_stages(steps), set_aside=tuple(set_aside), warnings=tuple(warnings))


@dataclass
class _Draft:
    """A group on its way into the plan: its recipe and place are known, its action is None until it is decided."""

    group: Group
    recipe: Recipe
    output: Path
    action: Action | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def step(self, action: Action, *reasons: str, job: Job | None = None, supersedes: Path | None = None) -> Step:
        """Return this group's line in the plan."""
        return Step(
            action=action,
            key=self.group.key,
            frames=len(self.group.frames),
            grade=self.group.grade,
            output=self.output,
            reasons=reasons,
            warnings=(*self.group.warnings, *self.warnings),
            job=job,
            supersedes=supersedes,
        )


def _draft(group: Group, settings: Settings, engine: str) -> _Draft:
    count = len(group.frames)
    recipe = recipes.recipe_for(group.key.type, count, settings.recipe)
    draft = _Draft(group, recipe, output_path(group, settings))
    if not _selected(group.key.type, settings):
        draft.action, draft.reasons = Action.SKIPPED, ("not selected by --stage or the settings",)
        return draft
    if too_few := _too_few(group, recipe, settings, engine):
        draft.action, draft.reasons = Action.SKIPPED, (too_few,)
        draft.group = group.model_copy(update={"grade": Grade.TOO_FEW})
    return draft


def _too_few(group: Group, recipe: Recipe, settings: Settings, engine: str) -> str | None:
    """Return what is there and what is needed where a group is too small for its rejection, else None."""
    count = len(group.frames)
    floor = recipes.fewest_frames(recipe.rejection, settings.counts.min_frames)
    if engine == "pixinsight":
        floor = max(floor, recipes.fewest_frames(recipe.rejection, None))
    if count >= floor:
        return None
    dropped = f" ({len(group.dropped)} more were dropped)" if group.dropped else ""
    need = f"{floor} are needed" + (" for linear fit clipping" if recipe.rejection is Rejection.LINEAR_FIT else "")
    way = "capture more frames" if engine == "pixinsight" else "capture more frames, or lower --min-frames"
    return f"{count} {'frame is' if count == 1 else 'frames are'} there{dropped}, {need}: {way}"


def with_frames(job: Job, group: Group, settings: Settings) -> Job:
    """Return ``job`` for fewer frames of its group, with the recipe and the keywords that belong to that number."""
    recipe = recipes.recipe_for(group.key.type, len(group.frames), settings.recipe)
    keywords: tuple[Keyword, ...] = ()
    if group.frames:
        keywords = headers.master_keywords(group.key, group.frames, recipe, job.calibration, scale=job.scale)
    return job.model_copy(update={"group": group, "recipe": recipe, "keywords": keywords})


def shortage(job: Job, settings: Settings, engine: str) -> str | None:
    """Return what is there and what is needed where too few frames of a job are left, else None."""
    return _too_few(job.group, job.recipe, settings, engine)


def _selected(frame_type: FrameType, settings: Settings) -> bool:
    return STAGE_OF[frame_type] in settings.stages and (not settings.types or frame_type in settings.types)


def output_path(group: Group, settings: Settings) -> Path:
    """Return where the master of ``group`` belongs, relative to the library."""
    first = group.frames[0]
    naming = layouts.Naming(
        key=group.key,
        telescope=first.telescope,
        filter=group.key.filter,
        first=min((f.night for f in group.frames if f.night), default=None),
        created=max((f.night for f in group.frames if f.night), default=None),
    )
    suffix = None
    if settings.format is not None:
        suffix = ".xisf" if settings.format == "xisf" else ".fit"
    return layouts.render(settings.layout, naming, suffix=suffix)


def _refuse_inconsistent_exposures(drafts: Sequence[_Draft]) -> None:
    """Refuse flats of one filter that differ in exposure alone, as PULSAR's makeflat does (S3-13)."""
    sets: dict[GroupKey, list[_Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.action is None and draft.group.key.type is FrameType.FLAT:
            sets[draft.group.key.model_copy(update={"exposure": None, "night": None})].append(draft)
    for mixed in sets.values():
        exposures = sorted({draft.group.key.exposure or 0.0 for draft in mixed})
        if len(exposures) > 1:
            told = "; ".join(
                f"{d.group.key.exposure:g} s: {', '.join(f.path.name for f in d.group.frames[:3])} …" for d in mixed
            )
            for draft in mixed:
                draft.action = Action.CONFLICT
                draft.reasons = (
                    f"Inconsistent exposures for filter {draft.group.key.filter or 'none'}: {told}. "
                    "Separate the flats by exposure time",
                )


def _refuse_collisions(drafts: Sequence[_Draft]) -> None:
    """Mark every draft whose path another draft claims; Windows and macOS see no difference of case."""
    claims: dict[str, list[_Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.action is None:
            claims[draft.output.as_posix().casefold()].append(draft)
    for rivals in claims.values():
        if len(rivals) > 1:
            names = " | ".join(rival.group.key.describe() for rival in rivals)
            for rival in rivals:
                rival.action = Action.CONFLICT
                rival.reasons = (
                    f"{len(rivals)} groups would be filed as {rival.output.as_posix()}: {names}. "
                    "Choose another --layout, or build them into different libraries",
                )


def _decide(
    draft: _Draft,
    holdings: Holdings,
    promised: Mapping[FrameType, Sequence[Master]],
    library: Path,
    settings: Settings,
) -> Step:
    """Return the step of one group: what is to be done about it, and the job if there is one."""
    if draft.action is not None:
        return draft.step(draft.action, *draft.reasons)
    served = _serve(draft.group, holdings, promised, library, settings)
    draft.warnings = served.warnings
    if served.refusal:
        return draft.step(Action.SKIPPED, served.refusal)
    job = _job(draft, served.calibration, settings)
    quarantined = holdings.records.get(library / "quarantine" / draft.output)
    if quarantined is not None and not differences(job, quarantined, holdings.hashes):
        return draft.step(
            Action.SKIPPED,
            "the gate quarantined the master of these same frames; look at it, then publish it by hand "
            "(ap-masters library publish) or capture anew",
        )
    target = library / draft.output
    if target not in holdings.existing:
        return draft.step(Action.CREATE, *_kept_waiting(job), job=job)
    record = holdings.records.get(target)
    if record is None:
        reasons: tuple[str, ...] = ("a master without a readable record stands there; it is kept as superseded",)
    else:
        reasons = differences(job, record, holdings.hashes)
    if not reasons:
        return draft.step(Action.UP_TO_DATE)
    return draft.step(Action.REBUILD, *reasons, job=job, supersedes=draft.output)


def _kept_waiting(job: Job) -> tuple[str, ...]:
    return (f"after {len(job.waits_for)} master(s) of this run",) if job.waits_for else ()


class _Served(NamedTuple):
    """What is subtracted from the frames of a group, or why the group has to be refused."""

    calibration: Calibration | None = None
    refusal: str | None = None
    warnings: tuple[str, ...] = ()


def _serve(
    group: Group,
    holdings: Holdings,
    promised: Mapping[FrameType, Sequence[Master]],
    library: Path,
    settings: Settings,
) -> _Served:
    kind = group.key.type
    if kind is FrameType.DARK and settings.dark.subtract_constant is not None:
        return _Served(Calibration(constant=settings.dark.subtract_constant))
    if kind is FrameType.DARK and settings.dark.subtract_bias == "master":
        found = match.match_bias(group, _candidates(holdings, promised, library), settings.match)
    elif kind is FrameType.FLAT:
        found = match.match_flat(group, _candidates(holdings, promised, library), settings.match)
    else:
        return _Served()
    if found.calibration is not None:
        return _Served(_prepared(found.calibration, holdings, settings), None, found.warnings)
    if settings.match.allow_uncalibrated:
        reason = found.problem or "no master serves"
        none = Decision(subject="calibration", verdict="none", reason=reason)
        warning = f"integrated uncalibrated, as --allow-uncalibrated asks: {reason}"
        return _Served(Calibration(decisions=(*found.decisions, none)), None, (*found.warnings, warning))
    return _Served(None, found.problem, found.warnings)


def _candidates(
    holdings: Holdings, promised: Mapping[FrameType, Sequence[Master]], library: Path
) -> tuple[Master, ...]:
    """Return all masters a flat may use; one that this run rebuilds stands only as promised."""
    new = tuple(master for masters in promised.values() for master in masters)
    replaced = {master.path for master in new}
    return (*new, *(m for m in holdings.masters if m.path not in replaced and library / m.path not in replaced))


def _prepared(calibration: Calibration, holdings: Holdings, settings: Settings) -> Calibration:
    """Add what matching does not know: the SHA-256 of masters on record, and the cosmetic list beside the dark."""

    def known(master: CalibrationMaster | None) -> CalibrationMaster | None:
        record = holdings.records.get(master.path) if master else None
        if master is None or record is None or master.job_id is not None:
            return master
        return master.model_copy(update={"sha256": record.master.sha256})

    dark = calibration.dark
    cosmetic = Path(layouts.cosmetic_list(dark.path)) if dark and settings.flat.cosmetic else None
    update = {"bias": known(calibration.bias), "dark": known(dark), "defects": cosmetic}
    return calibration.model_copy(update=update)


def _job(draft: _Draft, calibration: Calibration | None, settings: Settings) -> Job:
    scale = settings.scale or layouts.scale_of(settings.layout)
    group = draft.group
    used = [m for m in (calibration.bias, calibration.dark) if m is not None] if calibration else []
    return Job(
        id=job_id(group.key, draft.output),
        group=group,
        recipe=draft.recipe,
        output=draft.output,
        calibration=calibration,
        keywords=headers.master_keywords(group.key, group.frames, draft.recipe, calibration, scale=scale),
        image_type=_IMAGE_TYPE[group.key.type],
        scale=scale,
        waits_for=tuple(m.job_id for m in used if m.job_id),
    )


def job_id(key: GroupKey, output: Path) -> str:
    """Return a short name for a job: the same for the same master in every run."""
    digest = hashlib.sha256(output.as_posix().encode()).hexdigest()[:8]
    return f"{key.type.replace(' ', '-')}-{digest}"


def _promise(job: Job, library: Path) -> Master:
    """Return the master that ``job`` will make, for matching before it exists."""
    starts = [frame.started for frame in job.frames if frame.started]
    return Master(
        path=library / job.output,
        key=job.group.key,
        frames=len(job.frames),
        started=min(starts, default=None),
        ended=max(starts, default=None),
        calibration_state=job.calibration.state if job.calibration else None,
        source="this run",
        job_id=job.id,
    )


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


# --- what has changed since a master was built ----------------------------------------------------------


def differences(job: Job, record: Record, hashes: Mapping[Path, str] | None = None) -> tuple[str, ...]:
    """Return, in words, every reason why the master of ``record`` is not what ``job`` would make; empty if none.

    Frames are compared by name, size and time of change; where only the time differs, by content.
    """
    return (
        *_changed_inputs(job.frames, record, hashes or {}),
        *_changed_recipe(job.recipe, record.recipe),
        *_changed_calibration(job.calibration, record.calibration),
        *(() if job.scale == record.master.scale else (f"scale: {record.master.scale} -> {job.scale}",)),
    )


def _changed_inputs(frames: Sequence[Frame], record: Record, hashes: Mapping[Path, str]) -> tuple[str, ...]:
    built: dict[tuple[str, int], list[Input]] = defaultdict(list)
    for entry in record.inputs:
        built[entry.path.name, entry.size].append(entry)
    # A frame that the engine refused last time is not new, as long as it has not changed.
    refused = {aside.path.name for aside in record.dropped}
    new, changed = [], []
    for frame in frames:
        twins = built[frame.path.name, frame.size]
        same = next((entry for entry in twins if _same(frame, entry, hashes)), None)
        if same is not None:
            twins.remove(same)
        elif twins:
            changed.append(frame.path.name)
            twins.pop()
        elif frame.path.name not in refused:
            new.append(frame.path.name)
    gone = [entry.path.name for twins in built.values() for entry in twins]
    return tuple(
        f"{len(names)} {what}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
        for what, names in (("new", new), ("changed", changed), ("gone", gone))
        if names
    )


def _same(frame: Frame, entry: Input, hashes: Mapping[Path, str]) -> bool:
    if frame.mtime_ns == entry.mtime_ns:
        return True
    return entry.sha256 is not None and hashes.get(frame.path) == entry.sha256


def _changed_recipe(now: Recipe, then: Recipe) -> tuple[str, ...]:
    before, after = then.model_dump(mode="json"), now.model_dump(mode="json")
    return tuple(f"{name}: {before[name]} -> {after[name]}" for name in after if after[name] != before[name])


def _changed_calibration(now: Calibration | None, then: Calibration | None) -> tuple[str, ...]:
    now, then = now or Calibration(), then or Calibration()
    reasons = [*_changed_master("bias", now.bias, then.bias), *_changed_master("dark", now.dark, then.dark)]
    reasons += [
        f"{name}: {getattr(then, name)} -> {getattr(now, name)}"
        for name in ("scale_dark", "constant")
        if getattr(now, name) != getattr(then, name)
    ]
    return tuple(reasons)


def _changed_master(what: str, now: CalibrationMaster | None, then: CalibrationMaster | None) -> tuple[str, ...]:
    if now is None or then is None:
        names = [m.path.name if m else "none" for m in (then, now)]
        return () if now is then else (f"{what}: {names[0]} -> {names[1]}",)
    if now.job_id is not None:
        return (f"its {now.type} {now.path.name} is rebuilt",)
    if now.path.name != then.path.name:
        return (f"{what}: {then.path.name} -> {now.path.name}",)
    if now.sha256 and then.sha256 and now.sha256 != then.sha256:
        return (f"its {now.type} {now.path.name} was rebuilt",)
    return ()


def frames_to_hash(groups: Sequence[Group], records: Iterable[Record]) -> tuple[Path, ...]:
    """Return the frames whose content has to be read before ``make_plan`` can tell a copy from a change."""
    built = {(e.path.name, e.size): e.mtime_ns for record in records for e in record.inputs if e.sha256}
    return tuple(
        frame.path
        for group in groups
        for frame in group.frames
        if built.get((frame.path.name, frame.size), frame.mtime_ns) != frame.mtime_ns
    )
