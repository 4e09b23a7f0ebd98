"""What ``--json`` prints of the nouns: a small, stable view of each, not the whole value."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ap_masters.model import Decision, Frame, Group, GroupKey, Plan, SetAside, Step

if TYPE_CHECKING:  # the rooms of these read pixels; `--help` does not
    from ap_masters.build import BuildReport, Outcome
    from ap_masters.library.validate import Coverage, Row, Validation

Document = dict[str, Any]


def key(of: GroupKey) -> Document:
    """Return what a group shares; what its headers do not say is left out."""
    return {"description": of.describe()} | of.model_dump(mode="json", exclude_none=True)


def set_aside(items: Iterable[SetAside]) -> list[Document]:
    """Return every file that is in no job, with the reason."""
    return [item.model_dump(mode="json") for item in items]


def decisions(items: Iterable[Decision]) -> list[Document]:
    """Return decisions with their reasons."""
    return [item.model_dump(mode="json", exclude_none=True) for item in items]


def frame(of: Frame) -> Document:
    """Return one frame as its header was understood."""
    return of.model_dump(mode="json", exclude_none=True, exclude={"decisions"}) | {"decisions": decisions(of.decisions)}


def group(of: Group) -> Document:
    """Return a group with the paths of its frames."""
    return {
        "key": key(of.key),
        "grade": of.grade,
        "frames": [frame.path for frame in of.frames],
        "dropped": set_aside(of.dropped),
        "notes": of.notes,
        "warnings": of.warnings,
    }


def step(of: Step) -> Document:
    """Return one line of a plan."""
    view: Document = {
        "action": of.action,
        "blocked": of.blocked,
        "key": key(of.key),
        "frames": of.frames,
        "grade": of.grade,
        "output": of.output.as_posix(),
        "reasons": of.reasons,
        "notes": of.notes,
        "warnings": of.warnings,
    }
    if of.job is not None:
        view["job"] = of.job.id
        view["inputs"] = [frame.path for frame in of.job.frames]
        view["dropped"] = set_aside(of.job.group.dropped)
        view["recipe"] = of.job.recipe.model_dump(mode="json", exclude_none=True)
        if of.job.calibration is not None:
            view["calibration"] = of.job.calibration.model_dump(mode="json", exclude_none=True)
    return view


def plan(of: Plan) -> Document:
    """Return a plan by its stages, and every file that is in none of them."""
    return {
        "library": of.library,
        "stages": [[step(one) for one in stage] for stage in of.stages],
        "set_aside": set_aside(of.set_aside),
        "warnings": of.warnings,
    }


def outcome(of: "Outcome") -> Document:
    """Return how one step ended."""
    view: Document = {"state": of.state, "action": of.step.action, "output": of.step.output.as_posix()}
    view["key"] = key(of.step.key)
    if of.record is not None:
        view["master"] = of.master
        view["status"] = of.record.status
        view["findings"] = [finding.model_dump(mode="json", exclude_none=True) for finding in of.record.findings]
        view["rejected"] = of.record.rejected.model_dump(mode="json") if of.record.rejected else None
    if of.failure is not None:
        view["failure"] = of.failure.model_dump(mode="json", exclude_none=True)
    if of.waiting is not None:
        view["waiting"] = of.waiting
    return view


def build(of: "BuildReport") -> Document:
    """Return how a build ended."""
    return {
        "engine": of.engine,
        "started": of.started,
        "seconds": of.seconds,
        "log": of.log,
        "exit_code": of.exit_code,
        "outcomes": [outcome(one) for one in of.outcomes],
        "plan": plan(of.plan),
    }


def validation(of: "Validation") -> Document:
    """Return what serves the lights, and what is to be captured."""
    return {"rows": [_row(row) for row in of.rows], "gaps": [gap.model_dump(mode="json") for gap in of.gaps]}


def _row(of: "Row") -> Document:
    return {
        "light": of.light.model_dump(mode="json", exclude_none=True),
        "description": of.description,
        "lights": of.lights,
        "served": of.served,
        "bias": of.bias,
        "dark": _coverage(of.dark),
        "flat": _coverage(of.flat) if of.flat else None,
        "problems": of.problems,
        "warnings": of.warnings,
    }


def _coverage(of: "Coverage") -> Document:
    return {"master": of.master, "have": of.have, "need": of.need}
