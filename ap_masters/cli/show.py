"""How the nouns are printed for a reader: groups, plans, results, and what was set aside and why."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ap_masters.cli.display import Screen
from ap_masters.config import CountSettings
from ap_masters.model import (
    Action,
    Decision,
    Grade,
    Group,
    GroupKey,
    JobState,
    Plan,
    Reason,
    SetAside,
    Step,
    told_apart,
)
from ap_masters.wording import number, numbers

if TYPE_CHECKING:  # the room of these reads pixels; `--help` does not
    from ap_masters.build import BuildReport, Outcome

# Files that are expected in a night's folder: counted, and listed only with -v.
_EXPECTED = {Reason.LIGHT, Reason.MASTER, Reason.DISCARDED_FIRST}

_MOST_LISTED = 20


def groups(screen: Screen, found: Sequence[Group]) -> None:
    """Print the groups, then what was dropped from them and what is odd about them."""
    named = list(zip(found, told_apart([group.key for group in found]), strict=True))
    screen.table(
        ("type", "group", "frames", "grade"),
        [(g.key.type, _without_type(g.key, name), str(len(g.frames)), g.grade) for g, name in named],
    )
    for group, name in named:
        for note in group.notes:
            screen.line(f"{name}: {note}")
    _dropped(screen, [aside for group in found for aside in group.dropped])
    for group, name in named:
        for warning in group.warnings:
            screen.warning(f"{name}: {warning}")


def set_aside(screen: Screen, items: Sequence[SetAside]) -> None:
    """Print how many files are in no job and why; name those that the user would want to know of."""
    if not items:
        return
    screen.line(f"{len(items)} set aside: " + _counted(items))
    _listed(screen, items)


def _counted(items: Sequence[SetAside]) -> str:
    return numbers(Counter(item.reason for item in items))


def _listed(screen: Screen, items: Sequence[SetAside]) -> None:
    worth = [item for item in items if screen.verbose or item.reason not in _EXPECTED]
    shown = worth if screen.verbose else worth[:_MOST_LISTED]
    for item in shown:
        screen.line(f"  {item.path}: {item.reason}: {item.detail}")
    if len(worth) > len(shown):
        screen.line(f"  and {len(worth) - len(shown)} more (-v lists them all)")


def plan(screen: Screen, the_plan: Plan) -> None:
    """Print what a build would do, with the reasons, the masters each flat would use, and the tree to come."""
    screen.table(
        ("action", "type", "frames", "grade", "master"),
        [(step.action, step.key.type, str(step.frames), step.grade, step.output.as_posix()) for step in the_plan.steps],
    )
    for step, name in zip(the_plan.steps, told_apart([step.key for step in the_plan.steps]), strict=True):
        _reasons(screen, step, name)
    _dropped(screen, [aside for step in the_plan.steps if step.job for aside in step.job.group.dropped])
    set_aside(screen, the_plan.set_aside)
    for warning in the_plan.warnings:
        screen.warning(warning)


def _reasons(screen: Screen, step: Step, name: str) -> None:
    lines = [*step.reasons, *step.notes]
    if step.job is not None and step.job.calibration is not None:
        lines += _decisions(step.job.calibration.decisions, everything=bool(screen.verbose))
    if lines:
        screen.line(f"{step.output.as_posix()} ({name})")
    for line in lines:
        screen.line(f"  {line}")
    _warnings(screen, step, name)


def _warnings(screen: Screen, step: Step, name: str) -> None:
    for warning in step.warnings:
        screen.warning(f"{name}: {warning}")


def _decisions(decisions: Iterable[Decision], *, everything: bool) -> list[str]:
    """Return what was taken, and with ``everything`` what was refused too and by which field."""
    return [
        f"{decision.verdict} {decision.subject}: {decision.reason}" + (f" [{decision.field}]" if decision.field else "")
        for decision in decisions
        if everything or decision.verdict != "refused"
    ]


def _dropped(screen: Screen, aside: Sequence[SetAside]) -> None:
    if not aside:
        return
    screen.line(f"{len(aside)} dropped from their group: " + _counted(aside))
    _listed(screen, aside)


def report(screen: Screen, of: "BuildReport", counts: CountSettings) -> None:
    """Print how a build ended: one row per master, then what went wrong or short of ``counts``, and where to look."""
    made = [outcome for outcome in of.outcomes if outcome.step.job is not None]
    rows = [_row(outcome, of.plan.library) for outcome in made]
    screen.table(("state", "type", "frames", "grade", "rejected", "master"), rows)
    names = told_apart([outcome.step.key for outcome in of.outcomes])
    for outcome, name in zip(of.outcomes, names, strict=True):
        _left_out(screen, outcome.step, name)
        _trouble(screen, outcome, name)
    _below_minimum(screen, made, counts)
    _dropped(screen, [aside for outcome in made for aside in _drops(outcome)])
    set_aside(screen, of.plan.set_aside)
    screen.line(f"{numbers(_verdicts(of))} in {of.seconds:.1f} s")
    screen.line(f"library: {of.plan.library}")
    if of.log is not None:
        screen.line(f"log: {of.log}")


def counted(of: "BuildReport") -> str:
    """Return how many masters of a build ended in which way, and how many files are in none."""
    return numbers(_verdicts(of) + Counter({"set aside": len(of.plan.set_aside)}))


def _verdicts(of: "BuildReport") -> Counter[str]:
    return Counter(_verdict(outcome) for outcome in of.outcomes)


def _drops(outcome: "Outcome") -> Sequence[SetAside]:
    """Return what was left out of a master, or of one that failed."""
    if outcome.record is not None:
        return outcome.record.dropped
    return outcome.failure.dropped if outcome.failure is not None else ()


def siril(screen: Screen, expressions: Mapping[str, str], the_plan: Plan) -> None:
    """Print what goes into Siril's settings, so that it finds the masters by a light's header, and which it cannot."""
    from ap_masters.layouts import siril_finds

    if not expressions:
        return
    screen.line("for Siril's Preferences, Pre-processing:")
    screen.table(("", ""), list(expressions.items()))
    made = [step for step in the_plan.steps if step.action not in {Action.SKIPPED, Action.CONFLICT}]
    for step in made:
        if not siril_finds(step.output, step.key):
            screen.warning(
                f"{step.output.as_posix()}: Siril does not find it by these paths, into which it fills whole numbers "
                "and texts of a light's header: choose it by hand there"
            )


def _left_out(screen: Screen, step: Step, name: str) -> None:
    """Say why a group has no master, unless that is what the user asked for, and what is odd about one that stands."""
    if step.action in {Action.SKIPPED, Action.CONFLICT}:
        for reason in step.reasons:
            if screen.verbose or not reason.startswith("not selected"):
                screen.warning(f"{step.action}: {name}: {reason}")
    if step.action is Action.UP_TO_DATE:
        _warnings(screen, step, name)


def _row(outcome: "Outcome", library: Path) -> tuple[str, ...]:
    rejected = outcome.record.rejected if outcome.record else None
    part = f"{(rejected.low + rejected.high) / rejected.samples:.3%}" if rejected and rejected.samples else ""
    frames = len(outcome.record.inputs) if outcome.record else outcome.step.frames
    grade = (outcome.record.grade if outcome.record else outcome.step.grade) or ""
    where = outcome.master.relative_to(library) if outcome.master else outcome.step.output
    return (_verdict(outcome), outcome.step.key.type, str(frames), grade, part, where.as_posix())


def _verdict(outcome: "Outcome") -> str:
    if outcome.quarantined:
        return "quarantined"
    if outcome.waiting is not None:
        return Action.WAITING
    if outcome.step.job is None:
        return outcome.step.action
    return "built" if outcome.state is JobState.SUCCESS else outcome.state.lower()


def _trouble(screen: Screen, outcome: "Outcome", name: str) -> None:
    if outcome.waiting is not None:
        screen.warning(f"{name} is waiting: {outcome.waiting}")
    if outcome.failure is not None:
        screen.warning(f"{name} failed: {outcome.failure.reason}. {outcome.failure.advice}".strip())
        for line in outcome.failure.log_tail:
            screen.note(f"  | {line}")
        if outcome.failure.script is not None:
            screen.note(f"  the script: {outcome.failure.script}")
    if outcome.record is None:
        return
    if outcome.record.labels:
        screen.line(f"{name}: labelled {', '.join(outcome.record.labels)}, as the master that it replaces was")
    for finding in outcome.record.findings:
        if screen.verbose or finding.severity != "note":
            screen.warning(f"{name}: {finding.message}")
    for warning in outcome.record.warnings:
        screen.warning(f"{name}: {warning}")


def _below_minimum(screen: Screen, made: Sequence["Outcome"], counts: CountSettings) -> None:
    """Say of how many new masters the policy asks for more frames (S0-11, C-05): the table says which."""
    few = Counter(o.step.key.type for o in made if o.record and o.record.grade is Grade.BELOW_MINIMUM)
    for kind, count in few.items():
        masters, setting = number(count, f"{kind} master"), f"counts.{kind.name.lower()}.minimum"
        screen.warning(f"{masters} of fewer frames than the minimum of {counts.of(kind).minimum} ({setting})")


def _without_type(key: GroupKey, name: str) -> str:
    return name.removeprefix(key.type).lstrip(", ")
