"""What serves a flat, a dark or a light: a ladder of masters, and for every candidate the one field that decided. Pure.

The ladder of a flat: a dark flat of its exposure, within the window of hours first and rather later than
earlier; else a dark of its exposure; else, where that is allowed and a bias serves, a dark of another exposure,
scaled; else a bias. Between masters that serve alike decide, in this order: fewer unknown values, nearest in
time, more frames, newest, path. The order in which candidates are given never matters.
"""

from collections.abc import Collection, Sequence
from typing import Final

from ap_masters.config import MatchSettings
from ap_masters.match import comparison, words
from ap_masters.match.contest import BIAS, DARK, DARK_FLAT, FLAT, Candidate, Contest
from ap_masters.model import Calibration, CalibrationMaster, Decision, Frame, FrameType, Group, GroupKey, Master, Noun

_MOST_RECORDED: Final = 100  # decisions in a flat's record; a library may hold thousands of masters
_LONG_FLAT_S: Final = 2.0  # S2-26: from here on a dark flat is worth its while


class FlatMatch(Noun):
    """What is subtracted from a group of flats (or of PULSAR's darks), or in ``problem`` why nothing is.

    ``rung`` is "dark flat", "dark", "scaled dark", "bias" or "none". ``decisions`` has the masters taken first,
    then every other candidate, the nearest first; the calibration's own keep the nearest hundred.
    """

    calibration: Calibration | None = None
    rung: str = "none"
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: str | None = None


class LightMatch(Noun):
    """The masters of a light. ``bias`` is None where it must not be subtracted because the dark contains it.

    ``lack`` counts the fields in which the nearest masters fail, of each type that none serves of.
    """

    bias: Master | None = None
    dark: Master | None = None
    flat: Master | None = None
    scale_dark: bool = False
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    lack: float = 0.0


def single(frame: Frame) -> Group:
    """Return ``frame`` as a group of flats of its own, to ask what serves this one."""
    return Group(key=_key_as(FLAT, frame), frames=(frame,))


def _key_as(frame_type: FrameType, frame: Frame) -> GroupKey:
    return GroupKey.of(frame.model_copy(update={"type": frame_type}))


def match_flat(
    group: Group, candidates: Sequence[Master], settings: MatchSettings, *, labels: Collection[str] = ()
) -> FlatMatch:
    """Return what is subtracted from the flats of ``group``, by the ladder of this room.

    Only published masters serve, and those promised by a job of this run; with ``labels``, only masters that
    carry all of them. A dark that contains the bias is subtracted alone; the bias is subtracted too from a dark
    whose bias was removed, and where the dark is scaled (ImageCalibration then takes the bias out of it). With a
    dark that a constant was subtracted from, the same constant is.
    """
    want = comparison.wanted("the flats have", group.key, group.frames, settings)
    contest = Contest(want, candidates, (DARK_FLAT, DARK, BIAS), settings, labels)
    for rung, dark in (
        ("dark flat", contest.best(DARK_FLAT)),
        ("dark", contest.best(DARK)),
        ("scaled dark", contest.best_scaled()),
    ):
        if dark is not None:
            return _with_dark(contest, rung, dark)
    if settings.require_dark:
        found = f"Dark not found for exposure {comparison.show(contest.want.key.exposure or 0.0, ' s')}"  # S3-14, S3-25
        problem = f"{found}. {words.problem(contest, (DARK_FLAT, DARK))}"
        return FlatMatch(decisions=words.decisions(contest, ()), problem=problem)
    if contest.bias is not None:
        taken = words.taken_bias(contest, contest.bias, "no dark flat and no dark serves")
        return _matched(contest, "bias", None, taken)
    return FlatMatch(decisions=words.decisions(contest, ()), problem=words.problem(contest, (DARK_FLAT, DARK, BIAS)))


def match_bias(group: Group, candidates: Sequence[Master], settings: MatchSettings) -> FlatMatch:
    """Return the bias to subtract from the darks of ``group``, as PULSAR's makedark does."""
    want = comparison.wanted("the darks have", group.key, group.frames, settings)
    contest = Contest(want, candidates, (BIAS,), settings, ())
    if contest.bias is not None:
        return _matched(contest, "bias", None, words.taken_bias(contest, contest.bias, "subtracted from each dark"))
    return FlatMatch(decisions=words.decisions(contest, ()), problem=words.problem(contest, (BIAS,)))


def match_light(
    frame: Frame,
    candidates: Sequence[Master],
    settings: MatchSettings,
    *,
    labels: Collection[str] = (),
    with_flat: bool = True,
) -> LightMatch:
    """Return the bias, dark and flat for a light: a dark of its exposure, a flat of its filter, nearest in time.

    A dark of another exposure serves only scaled, where the settings allow it and a bias serves. A dark flat
    never serves a light (S2-23). Without ``with_flat`` no flat is looked for, nor missed.
    """
    want = comparison.wanted("the light has", _key_as(FrameType.LIGHT, frame), (frame,), settings)
    kinds = (BIAS, DARK, DARK_FLAT, FLAT) if with_flat else (BIAS, DARK, DARK_FLAT)
    contest = Contest(want, candidates, kinds, settings, labels)
    equal, flat = contest.best(DARK), contest.best(FLAT) if with_flat else None
    dark = equal or contest.best_scaled()
    scaled = dark is not equal
    bias = contest.bias if dark is None or scaled or dark.needs_bias else None
    taken = []
    if dark:
        taken.append(words.taken_dark(contest, dark, scaled=scaled))
    if bias:
        taken.append(words.taken_bias(contest, bias, _why_bias(dark, scaled=scaled)))
    if flat:
        taken.append(words.taken_flat(contest, flat))
    found = {BIAS: bias or dark, DARK: dark} | ({FLAT: flat} if with_flat else {})
    missing = [kind for kind, candidate in found.items() if candidate is None]
    return LightMatch(
        bias=bias.master if bias else None,
        dark=dark.master if dark else None,
        flat=flat.master if flat else None,
        scale_dark=scaled,
        decisions=words.decisions(contest, taken),
        warnings=(
            *_passed(contest, taken),
            *(_constant_too(contest, dark) if dark else ()),
            *(_advice(contest, flat) if flat else ()),
        ),
        problems=tuple(words.problem(contest, (kind,)) for kind in missing),
        lack=sum(words.lack(contest, kind) for kind in missing),
    )


# --- how a match is put together --------------------------------------------------------------------------


def _with_dark(contest: Contest, rung: str, dark: Candidate) -> FlatMatch:
    scaled = rung == "scaled dark"
    bias = contest.bias if scaled or dark.needs_bias else None
    return _matched(
        contest,
        rung,
        words.taken_dark(contest, dark, scaled=scaled),
        words.taken_bias(contest, bias, _why_bias(dark, scaled=scaled)) if bias else None,
    )


def _constant_too(contest: Contest, dark: Candidate) -> list[str]:
    """Return what else has to be subtracted from a light, which no master holds."""
    constant = dark.master.constant
    if constant is None:
        return []
    return [f"{contest.name(dark)}: {constant:g} ADU were subtracted from it; subtract them from the light, too"]


def _why_bias(dark: Candidate | None, *, scaled: bool) -> str:
    if dark is None:
        return "no dark serves"
    return "subtracted too, because the dark is scaled" if scaled else "subtracted too, as it was from the dark"


def _matched(contest: Contest, rung: str, dark: words.Taken | None, bias: words.Taken | None) -> FlatMatch:
    taken = [entry for entry in (dark, bias) if entry is not None]
    decisions = words.decisions(contest, taken)
    return FlatMatch(
        calibration=Calibration(
            bias=_subtracted(bias[0]) if bias else None,
            dark=_subtracted(dark[0]) if dark else None,
            constant=dark[0].master.constant if dark else None,
            scale_dark=rung == "scaled dark",
            decisions=words.abridged(decisions, _MOST_RECORDED),
        ),
        rung=rung,
        decisions=decisions,
        warnings=(*(_warnings(contest, rung) if contest.want.key.type is FLAT else ()), *_passed(contest, taken)),
    )


def _subtracted(candidate: Candidate) -> CalibrationMaster:
    master = candidate.master
    return CalibrationMaster(
        path=master.path,
        type=master.key.type,
        exposure=master.key.exposure,
        includes_bias=not candidate.bias_removed,
        job_id=master.job_id,
    )


_BELOW: Final = {
    "dark": "no dark flat serves: a dark of the same exposure is subtracted instead",
    "scaled dark": "no dark flat and no dark of the same exposure serves: a dark of another exposure is scaled",
    "bias": "no dark flat and no dark serves: nothing but a bias is subtracted from the flats",
}


def _advice(contest: Contest, flat: Candidate) -> list[str]:
    """Return in what the flat that was taken differs from the light, though it need not."""
    return [f"{contest.name(flat)}: {text}" for text in comparison.advice(flat.master.key, contest.want)]


def _warnings(contest: Contest, rung: str) -> list[str]:
    """Return what a user should know of a rung below the first he wants (S2-24, S2-25, S2-26)."""
    wants_dark_flats = contest.settings.use_dark_flats and not contest.settings.require_dark
    best = ("dark flat", "dark") if not wants_dark_flats else ("dark flat",)
    warnings = [_BELOW[rung]] if rung not in best else []
    if rung == "bias" and not contest.settings.scale_dark and any(c.scalable for c in contest.by_type[DARK]):
        warnings.append("a dark of another exposure would have to be scaled (--scale-dark)")
    exposure = contest.want.key.exposure
    if warnings and wants_dark_flats and exposure is not None and exposure > _LONG_FLAT_S:
        warnings.append(f"flats of {comparison.show(exposure)} s deserve dark flats")
    return warnings


def _passed(contest: Contest, taken: Sequence[words.Taken]) -> list[str]:
    """Return what is doubtful about the masters taken: values let pass, how they lie, what their files contradict."""
    return [
        f"{contest.name(c)}: {text}"
        for c, _ in taken
        for text in (*words.let_pass(c), *([c.otherwise] if c.otherwise else ()), *c.master.warnings)
    ]
