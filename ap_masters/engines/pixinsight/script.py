"""Jobs -> the text of a PixInsight script; the same for a script that a user runs and one that is launched."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ap_masters import __version__, record
from ap_masters.engines.pixinsight import parameters
from ap_masters.engines.pixinsight.masters import frames_in_counts
from ap_masters.engines.pixinsight.paths import RunPaths, for_pixinsight
from ap_masters.errors import UsageError
from ap_masters.model import COMMENTARY, CalibrationMaster, JavaScript, Job, Keyword
from ap_masters.model.orientation import in_pixinsight
from ap_masters.rendering import environment

_TEMPLATE: Final = "pjsr/run.js.j2"


def render(
    jobs: Sequence[Job],
    paths: RunPaths,
    *,
    javascript: JavaScript = "portable",
    memory: int | None = None,
    instances: int = 1,
    planned: Sequence[Job] | None = None,
) -> str:
    """Return the script that runs ``jobs`` in their order and writes to ``paths``; ASCII, ECMAScript 5.

    ``javascript`` "portable" runs on both JavaScript engines of PixInsight; "sm" and "v8" write enumerations by
    name, and "v8" adds the ``#engine`` line that PixInsight 1.9.4 on Apple silicon asks for. ``memory`` is what
    ImageIntegration may take, in bytes; None leaves that to PixInsight, which shares what is free with the other
    ``instances`` that run such a script. ``planned`` are the same jobs with the masters that the records shall name,
    where copies of these are subtracted. Relative paths are made absolute: where PixInsight stands is anybody's guess.
    Raises UsageError for a job that PixInsight cannot do as it is defined.
    """
    for job in jobs:
        if reason := unsupported(job, final=paths.final):
            raise UsageError(f"{job.group.key.describe()}: {reason}. Use the numpy engine (--engine numpy) for it")
    own = {job.id for job in jobs}
    text: str = (
        environment()
        .get_template(_TEMPLATE)
        .render(
            version=__version__,
            javascript=javascript,
            paths=paths,
            log=for_pixinsight(paths.log),
            status=for_pixinsight(paths.status),
            jobs=[_values(job, named, paths, own) for job, named in zip(jobs, planned or jobs, strict=True)],
            calibration=parameters.CALIBRATION,
            calibrated_postfix=parameters.CALIBRATED_POSTFIX,
            calibrated_extension=parameters.CALIBRATED_EXTENSION,
            integration=(*parameters.INTEGRATION, *parameters.memory(memory, instances)),
        )
    )
    return text


def unsupported(job: Job, *, final: bool = False) -> str | None:
    """Return why a script cannot do ``job``, or None. ``final``: nobody works on the master after the script.

    Reads samples where frames are floats: nothing else tells what these mean.
    """
    if final and job.scale == "adu":
        return "a PixInsight script saves masters on the scale [0, 1], not in ADU"
    if reason := parameters.unsupported(job):
        return reason
    if name := frames_in_counts(job):
        return (
            f"{name} holds floats that are counts of the 16-bit range, which PixInsight takes for values from 0 to 1, "
            "and stretches each frame by its own extremes"
        )
    return None


def _values(job: Job, planned: Job, paths: RunPaths, own: set[str]) -> dict[str, Any]:
    files = paths.jobs[job.id]
    head, inputs = _draft(planned, paths)
    return {
        "id": job.id,
        "title": job.group.key.describe().replace(" °C", " C"),
        "master": for_pixinsight(files.master),
        "record_path": for_pixinsight(files.record),
        "hints": parameters.XISF_HINTS if files.master.suffix.lower() == ".xisf" else parameters.FITS_HINTS,
        "image_type": parameters.IMAGE_TYPE[job.group.key.type],
        "fewest": job.recipe.fewest_frames,
        "frames": [for_pixinsight(frame.path.absolute()) for frame in job.frames],
        "calibration": _calibration(job, paths, own),
        "integration": parameters.integration(job.recipe),
        "keywords": list(_keywords(job)),
        "record": head,
        "inputs": inputs,
    }


def _calibration(job: Job, paths: RunPaths, own: set[str]) -> dict[str, Any] | None:
    chosen = job.calibration
    if chosen is None or not chosen.subtracted:
        return None

    def reference(master: CalibrationMaster | None) -> dict[str, str] | None:
        if master is None:
            return None
        made_here = master.job_id if master.job_id in own else None
        return {"path": for_pixinsight(master.path.absolute())} | ({"job": made_here} if made_here else {})

    return {
        "folder": for_pixinsight(paths.jobs[job.id].calibrated),
        "bias": reference(chosen.bias),
        "dark": reference(chosen.dark),
        "settings": parameters.calibration(job, chosen),
    }


def _keywords(job: Job) -> Iterator[Keyword]:
    """Yield the master's keywords as FITS can write them; the text of COMMENT and HISTORY stands in the comment."""
    for keyword in job.keywords:
        name, value, comment = keyword.name.upper(), keyword.value, keyword.comment
        if name in COMMENTARY:
            value, comment = None, comment or str(value or "")
        elif name == "ROWORDER":
            value = in_pixinsight(str(value), job.frames[0].format)
        elif isinstance(value, float) and not math.isfinite(value):
            continue  # FITS has no way to write it
        yield Keyword(name, value, comment)


def _draft(job: Job, paths: RunPaths) -> tuple[list[tuple[str, Any]], list[dict[str, Any]]]:
    """Return the record of the master as far as it is known now: its fields, and apart from them its inputs."""
    known = record.draft(job, "pixinsight")
    if paths.final:
        beside = f"{paths.log.parent.name}/{paths.script.name}"
        script = beside if paths.script.parent == paths.log.parent else for_pixinsight(paths.script)
        known = known.model_copy(update={"log": f"{paths.log.parent.name}/{paths.log.name}", "script": script})
    data = known.model_dump(mode="json", by_alias=True)
    data["refused"] = [_without_loss(entry) for entry in data["refused"]]
    inputs = [_without_loss(entry) for entry in data.pop("inputs")]
    return list(data.items()), inputs


def _without_loss(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an input whose time in nanoseconds is text: it needs more digits than a JavaScript number has."""
    return entry | {"mtime_ns": str(entry["mtime_ns"])}
