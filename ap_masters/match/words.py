"""Why a master was taken, why each other was not, and what to do where none serves: in words a user can check."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain
from os.path import commonpath
from pathlib import Path
from typing import Final

from ap_masters.match.comparison import RULES, show
from ap_masters.match.contest import BIAS, DARK, Candidate, Contest, Standing
from ap_masters.model import Decision, FrameType
from ap_masters.wording import degrees, number

Taken = tuple[Candidate, str]
"""A candidate that was taken, and why."""


def decisions(contest: Contest, taken: Sequence[Taken]) -> tuple[Decision, ...]:
    """Return what was decided of every candidate: those taken first, then the others, the nearest first."""
    chosen = [
        Decision(subject=contest.name(c), verdict="taken", reason="; ".join((why, *let_pass(c)))) for c, why in taken
    ]
    winners = {c.master.key.type: c for c, _ in taken}
    others = sorted((c for c in contest.all if winners.get(c.master.key.type) is not c), key=_nearness)
    return (*chosen, *(_refused(contest, c, winners.get(c.master.key.type), taken) for c in others))


def abridged(made: tuple[Decision, ...], most: int) -> tuple[Decision, ...]:
    """Return the nearest ``most`` decisions, and for the others how many each field decided."""
    rest = Counter(d.field for d in made[most:])
    summed = (
        Decision(subject=number(count, "other master"), verdict="refused", reason=f"{field} decided", field=field)
        for field, count in rest.most_common()
    )
    return (*made[:most], *summed)


def let_pass(candidate: Candidate) -> list[str]:
    """Return what is unknown of a candidate and was let pass."""
    return [f"{d.text}: let pass by --lenient-unknown" for d in candidate.passed]


def when(contest: Contest, candidate: Candidate) -> str:
    """Return the time between a candidate and what it serves: ``0:45:00 h after the flats``."""
    if candidate.gap is None:
        return "at a time not known"
    if candidate.gap == 0:
        return f"at the time of {_thing(contest)}"
    return f"{_far(abs(candidate.gap))} {'before' if candidate.gap < 0 else 'after'} {_thing(contest)}"


def _thing(contest: Contest) -> str:
    """Return what has to be served: ``the flats``."""
    return contest.want.have.rsplit(" ", 1)[0]


def _far(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days" if seconds > 2 * 86400 else f"{timedelta(seconds=round(seconds))} h"


# --- why not ----------------------------------------------------------------------------------------------

_NOT_NEEDED: Final = {
    BIAS: "not subtracted: the dark contains the bias",
    DARK: "serves too, but a dark flat stands above a dark",
}
_A_DARK_IS_REQUIRED: Final = "a bias does not serve by itself: a dark is required"


def _nearness(candidate: Candidate) -> tuple[int, int, Standing]:
    """Return what the nearest has least of: fields that fail, and the weight of the first of them."""
    fields = [rule.field for rule in RULES[candidate.master.key.type]]
    weights = [len(fields) - fields.index(d.field) for d in candidate.failed if d.field in fields]
    return len(candidate.failed), max(weights, default=0), candidate.standing


def _refused(contest: Contest, loser: Candidate, winner: Candidate | None, taken: Sequence[Taken]) -> Decision:
    """Return the one field that decided against ``loser``, with both values; ``taken`` are the winners of all types."""
    if winner is not None and (not loser.failed or (loser.scalable and winner.scalable)):
        pairs = zip(Standing._fields, loser.standing, winner.standing, strict=True)
        by = next(name for name, mine, theirs in pairs if mine != theirs)
        field, text = _LOST[by]
        reason = text(contest, loser, winner)
    elif loser.failed:
        field, reason = loser.failed[0].field, loser.failed[0].text
    else:
        field, reason = "type", _not_needed(loser, taken)
    return Decision(subject=contest.name(loser), verdict="refused", reason=reason, field=field)


def _not_needed(loser: Candidate, taken: Sequence[Taken]) -> str:
    if not taken:
        return _A_DARK_IS_REQUIRED
    if loser.master.key.type is BIAS and any(c.master.constant is not None for c, _ in taken):
        return "not subtracted: a constant was, in its stead, from the dark"
    return _NOT_NEEDED[loser.master.key.type]


def _by_time(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    return f"{when(contest, loser)}; {contest.name(winner)}, {when(contest, winner)}, comes first"


def _by_window(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    """Tell of a dark flat that is not within the window how far it reaches, where that is what decided."""
    if loser.reach is None or loser.gap is None or loser.reach == abs(loser.gap):
        return _by_time(contest, loser, winner)
    far = f"frames up to {_far(loser.reach)} from {_thing(contest)}"
    return f"{far}; {contest.name(winner)}, {when(contest, winner)}, comes first"


def _by_exposure(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    mine, theirs = (show(c.master.key.exposure or 0.0, " s") for c in (loser, winner))
    return f"exposure {mine}; {contest.name(winner)} with {theirs} comes first: nearest lower, else nearest higher"


def _by_temperature(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    mine, theirs, wanted = (
        degrees(k.temperature or 0.0) for k in (loser.master.key, winner.master.key, contest.want.key)
    )
    return f"temperature {mine}; {contest.name(winner)} with {theirs} comes first: {contest.want.have} {wanted}"


def _by_unknown(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    return f"{'; '.join(d.text for d in loser.passed)}; more is known of {contest.name(winner)}"


def _by_orientation(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    return f"{loser.otherwise}; {contest.name(winner)} is as {contest.want.have} it"


def _by_angle(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    mine, theirs = (show(c.master.key.rotation or 0.0, "°") for c in (loser, winner))
    return f"rotator angle {mine}; {contest.name(winner)}, {theirs}, is as {contest.want.have} it"


def _by_focal_length(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    mine, theirs = (show(c.master.key.focal_length or 0.0, " mm") for c in (loser, winner))
    return f"focal length {mine}; {contest.name(winner)}, {theirs}, is as {contest.want.have} it"


def _by_frames(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    mine = loser.master.frames or "an unknown number of"
    return f"made of {mine} frames, {contest.name(winner)} of {winner.master.frames}"


def _by_age(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    return f"as near in time and of as many frames as {contest.name(winner)}, but older"


def _by_path(contest: Contest, loser: Candidate, winner: Candidate) -> str:
    return f"like {contest.name(winner)} in everything but its path, which sorts later"


_LOST: Final[dict[str, tuple[str, Callable[[Contest, Candidate, Candidate], str]]]] = {
    "unknown": ("unknown values", _by_unknown),
    "otherwise": ("orientation", _by_orientation),
    "outside": ("time", _by_window),
    "higher": ("exposure", _by_exposure),
    "off": ("exposure", _by_exposure),
    "apart": ("temperature", _by_temperature),
    "zoomed": ("focal length", _by_focal_length),
    "turned": ("rotator angle", _by_angle),
    "earlier": ("time", _by_time),
    "gap": ("time", _by_time),
    "fewer": ("frames", _by_frames),
    "older": ("age", _by_age),
    "path": ("path", _by_path),
}


# --- none serves ------------------------------------------------------------------------------------------

_PLACE: Final = {"this run": "of this run", "library": "in the library", "given": "in the given folder"}

_HELP: Final = {
    "temperature": "allow a wider --match-temperature (for flats and dark flats match.flat_temperature_tolerance_c)",
    "exposure": "scale a dark of another exposure (--scale-dark), given a bias",
    "status": "publish it (ap-masters library publish)",
    "label": "label it (ap-masters library label)",
    "type": "let dark flats serve (--use-dark-flats)",
}


def problem(contest: Contest, types: Sequence[FrameType]) -> str:
    """Return that none of ``types`` serves, what was searched, the nearest of each type, and what would help."""
    searched = [c for kind in types for c in contest.by_type[kind]]
    nearest = [min(entries, key=_nearness) for kind in types if (entries := contest.by_type[kind])]
    return ". ".join(
        (
            f"No {_either(types)} serves {contest.want.key.describe()}",
            f"{len(searched)} searched: {_where(searched)}" if searched else "There was none to search",
            *(f"Nearest {c.master.key.type}: {contest.name(c)} ({_all_failed(c)})" for c in nearest),
            f"What would help: {_either(_help(contest, nearest))}",
        )
    )


def lack(contest: Contest, kind: FrameType) -> float:
    """Return in how many fields the nearest master of a type fails; infinity where there is none."""
    return min((len(c.failed) for c in contest.by_type[kind]), default=float("inf"))


def _either(words: Sequence[str]) -> str:
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _all_failed(candidate: Candidate) -> str:
    return "; ".join(d.text for d in candidate.failed)


def _where(candidates: Sequence[Candidate]) -> str:
    folders: dict[str, list[Path]] = {}
    for candidate in candidates:
        folders.setdefault(candidate.master.source, []).append(candidate.master.path.parent)
    return ", ".join(f"{len(paths)} {_PLACE[source]}{_common(paths)}" for source, paths in folders.items())


def _common(folders: Sequence[Path]) -> str:
    """Return the folder that all of ``folders`` are in, if there is one."""
    try:
        shared = Path(commonpath(folders)).as_posix()
    except ValueError:  # on different drives
        return ""
    return "" if shared in (".", "/") else f" {shared}"


def _help_with(field: str, contest: Contest) -> str:
    """Return what lets a master serve that one field keeps from it."""
    if field == "exposure" and contest.settings.scale_dark and contest.bias is None:
        return "name a bias (--bias-master-dir), as to scale a dark of another exposure takes a bias too"
    return _HELP[field]


def _help(contest: Contest, nearest: Sequence[Candidate]) -> list[str]:
    """Return what a user can do, what the nearest masters need first."""
    failed = list(chain.from_iterable(c.failed for c in nearest if len(c.failed) == 1))
    helps = [_help_with(d.field, contest) for d in failed if d.field in _HELP and not d.unknown]
    if any(c.failed and all(d.unknown for d in c.failed) for c in nearest):
        helps.append("let unknown values pass (--lenient-unknown)")
    if all(d.field != "label" for d in failed):
        helps.append("build one of these settings")
    if contest.want.key.type is not FrameType.LIGHT:
        helps.append("name a library that has one (--dark-master-dir, --bias-master-dir)")
        helps.append("go without (--allow-uncalibrated)")
    return list(dict.fromkeys(helps))


# --- why --------------------------------------------------------------------------------------------------


def taken_dark(contest: Contest, dark: Candidate, *, scaled: bool) -> Taken:
    """Return a dark or dark flat with the reason why it was taken."""
    kind, exposure = dark.master.key.type, show(dark.master.key.exposure or 0.0, " s")
    if scaled:
        why = f"{kind} of {exposure}, to be scaled, because none of the exposure itself serves"
    else:
        why = f"{kind} of equal exposure, {exposure}"
    if dark.master.constant is not None:
        why += f", subtracted with the constant of {dark.master.constant:g} ADU that was subtracted from it"
    return dark, f"{why}; {when(contest, dark)}"


def taken_bias(contest: Contest, bias: Candidate, why: str) -> Taken:
    """Return a bias with the reason why it was taken."""
    return bias, f"{why}; {when(contest, bias)}"


def taken_flat(contest: Contest, flat: Candidate) -> Taken:
    """Return a flat with the reason why it was taken."""
    name = flat.master.key.filter
    which = f"of the filter {name}" if name is not None else "without a filter"
    return flat, f"flat {which}; {when(contest, flat)}"
