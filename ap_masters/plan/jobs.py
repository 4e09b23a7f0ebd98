"""A group with everything decided -> the job that makes its master, and the master it promises."""

import hashlib
from pathlib import Path

from ap_masters import headers, layouts
from ap_masters.config import Settings
from ap_masters.model import Calibration, Group, GroupKey, Job, Keyword, Master, Recipe, SampleScale
from ap_masters.plan.drafts import Draft, recipe_of


def job_of(draft: Draft, calibration: Calibration | None, settings: Settings) -> Job:
    """Return the job of a draft, with everything an engine needs and nothing it must decide."""
    scale = settings.scale or layouts.scale_of(settings.layout)
    group = draft.group
    used = calibration.masters if calibration else ()
    return Job(
        id=job_id(group.key, draft.output),
        group=group,
        recipe=draft.recipe,
        output=draft.output,
        calibration=calibration,
        keywords=_keywords(group, draft.recipe, calibration, scale, settings.layout),
        image_type=headers.image_type_of(group.key.type),
        scale=scale,
        waits_for=tuple(m.job_id for m in used if m.job_id),
    )


def with_frames(job: Job, group: Group, settings: Settings) -> Job:
    """Return ``job`` for fewer frames of its group, with the recipe and the keywords that belong to that number."""
    if group is job.group:
        return job
    recipe = recipe_of(group, settings)
    keywords: tuple[Keyword, ...] = ()
    if group.frames:
        keywords = _keywords(group, recipe, job.calibration, job.scale, settings.layout)
    return job.model_copy(update={"group": group, "recipe": recipe, "keywords": keywords})


def _keywords(
    group: Group, recipe: Recipe, calibration: Calibration | None, scale: SampleScale, layout: str
) -> tuple[Keyword, ...]:
    """Return the whole key set of a master, with the word for its type that the layout's tool chain knows."""
    keywords = headers.master_keywords(group.key, group.frames, recipe, calibration, scale=scale)
    word = layouts.image_type(layout, group.key.type)
    return tuple(k._replace(value=word) if word and k.name == "IMAGETYP" else k for k in keywords)


def job_id(key: GroupKey, output: Path) -> str:
    """Return a short name for a job: the same for the same group in every run.

    The path alone would not do: of two groups on one path, one may be too small for a master.
    """
    digest = hashlib.sha256(f"{output.as_posix()}|{key.model_dump_json()}".encode()).hexdigest()[:8]
    return f"{key.type.replace(' ', '-')}-{digest}"


def promise(job: Job, library: Path) -> Master:
    """Return the master that ``job`` will make, for matching before it exists."""
    starts = [frame.started for frame in job.frames if frame.started]
    return Master(
        path=library / job.output,
        key=job.group.key,
        frames=len(job.frames),
        started=min(starts, default=None),
        ended=max(starts, default=None),
        calibration_state=job.calibration.state if job.calibration else None,
        constant=job.calibration.constant if job.calibration else None,
        source="this run",
        job_id=job.id,
    )
