"""Groups on their way into the plan: recipe, place, and the refusals that need no look at the library."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ap_masters import layouts, recipes
from ap_masters.config import Settings
from ap_masters.model import (
    DARKS,
    Action,
    FrameType,
    Grade,
    Group,
    GroupKey,
    Job,
    Normalization,
    Recipe,
    Step,
    differ,
    told_apart,
)
from ap_masters.wording import degrees, number

# The order in which masters come to be; a stage's name on the command line covers its types.
STAGE_OF: dict[FrameType, Literal["bias", "dark", "flat"]] = {
    FrameType.BIAS: "bias",
    FrameType.DARK: "dark",
    FrameType.DARK_FLAT: "dark",
    FrameType.FLAT: "flat",
}

# PixInsight turns FITS files over that say so, XISF files never; its own engine saves such masters turned.
_UPWARDS = "BOTTOM-UP"
_UPSIDE_DOWN = (
    "these frames store their rows bottom-up, and so will the master; PixInsight turns over FITS lights that say so, "
    "but no XISF: for use in PixInsight build FITS masters (--format fits)"
)
_UNSCALED = "not scaled to the median that is set (target_median): that takes normalization 'multiplicative', not"


@dataclass
class Draft:
    """A group on its way into the plan: its recipe and place are known, its action is None until it is decided."""

    group: Group
    recipe: Recipe
    output: Path
    action: Action | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def step(
        self,
        action: Action,
        *reasons: str,
        job: Job | None = None,
        supersedes: Path | None = None,
        blocked: bool = False,
    ) -> Step:
        """Return this group's line in the plan."""
        return Step(
            action=action,
            key=self.group.key,
            frames=len(self.group.frames),
            grade=self.group.grade,
            output=self.output,
            reasons=reasons,
            notes=self.group.notes,
            warnings=(*self.group.warnings, *self.warnings),
            job=job,
            supersedes=supersedes,
            blocked=blocked or action is Action.CONFLICT,
        )


def prepare(group: Group, settings: Settings, engine: str) -> Draft:
    """Return ``group`` with its recipe and its place, skipped where it is not wanted or too small."""
    recipe = recipe_of(group, settings)
    draft = Draft(group, recipe, output_path(group, settings))
    if not is_selected(group.key.type, settings):
        draft.action, draft.reasons = Action.SKIPPED, ("not selected by --stage or the settings",)
        return draft
    if lack := too_few(group, recipe, settings, engine):
        draft.action, draft.reasons = Action.SKIPPED, (lack,)
        draft.group = group.model_copy(update={"grade": Grade.TOO_FEW})
    upwards = any(frame.row_order == _UPWARDS for frame in group.frames)
    if upwards and engine == "numpy" and draft.output.suffix == ".xisf":
        draft.warnings = (_UPSIDE_DOWN,)
    wants_median = settings.recipe.own(group.key.type).target_median is not None  # for all, it is meant where it fits
    if wants_median and recipe.normalization is not Normalization.MULTIPLICATIVE:
        draft.warnings = (*draft.warnings, f"{_UNSCALED} '{recipe.normalization}'")
    return draft


def recipe_of(group: Group, settings: Settings) -> Recipe:
    """Return how ``group`` is integrated: by its type, by how many frames it has, and by what is subtracted of them."""
    dark = group.key.type in DARKS
    around_zero = dark and (settings.dark.subtracts or "B" in group.calibrated_before)
    return recipes.recipe_for(group.key.type, len(group.frames), settings.recipe, around_zero=around_zero)


def too_few(group: Group, recipe: Recipe, settings: Settings, engine: str) -> str | None:
    """Return what is there and what is needed where a group is too small for its rejection, else None."""
    count = len(group.frames)
    floor = max(recipes.fewest_frames(recipe.rejection, settings.counts.min_frames), recipe.fewest_survivable)
    if engine == "pixinsight":
        floor = max(floor, recipe.fewest_frames)
    if count >= floor:
        return None
    dropped = f" ({len(group.dropped)} more were dropped)" if group.dropped else ""
    way = _way_out(group, recipe, settings, engine)
    there = f"{count} {'frame is' if count == 1 else 'frames are'} there{dropped}"
    return f"{there}, {floor} are needed{recipe.demand}: {way}"


def _way_out(group: Group, recipe: Recipe, settings: Settings, engine: str) -> str:
    """Return what helps a group that is too small."""
    if not group.frames and group.dropped:
        return f"look at why they were dropped, the first because {group.dropped[0].detail}"
    ways = ["capture more frames"]
    if len(group.frames) < recipe.fewest_survivable:
        ways.append("lower --minmax-low or --minmax-high")
    elif engine != "pixinsight":
        ways.append("lower --min-frames")
    if group.key.type is FrameType.FLAT and not settings.group.mixed_exposure_flats:
        ways.append("put sky flats of many exposures together with --mixed-exposure-flats")
    return ", or ".join(ways)


def advise_on_temperatures(drafts: Sequence[Draft], settings: Settings) -> None:
    """Tell a group that is too small of the nearest one that differs in temperature alone, if a little more joins them.

    A sensor without a set-point drifts, and clusters of one width cut its night somewhere.
    """
    alike: dict[GroupKey, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.group.key.temperature is not None and draft.group.frames:
            alike[draft.group.key.model_copy(update={"temperature": None})].append(draft)
    for neighbours in alike.values():
        for draft in neighbours:
            spreads = {_spread(draft, other): other for other in neighbours if other is not draft}
            spread = min(spreads, default=math.inf)
            if draft.group.grade is Grade.TOO_FEW and spread <= 2 * settings.group.temperature_tolerance_c:
                other = spreads[spread].group
                assert other.key.temperature is not None  # as of all that are alike
                there = f"{number(len(other.frames), 'frame')} at {degrees(other.key.temperature)}"
                way = f"put them together with the {there} (--temperature-tolerance {spread:g})"
                draft.reasons = tuple(f"{reason}, or {way}" for reason in draft.reasons)


def _spread(one: Draft, other: Draft) -> float:
    """Return the tolerance in °C that would join two groups, rounded up to a tenth."""
    known = [f.temperature for f in (*one.group.frames, *other.group.frames) if f.temperature is not None]
    return math.ceil(round((max(known) - min(known)) * 10, 6)) / 10


def shortage(job: Job, settings: Settings, engine: str) -> str | None:
    """Return what is there and what is needed where too few frames of a job are left, else None."""
    return too_few(job.group, job.recipe, settings, engine)


def is_selected(frame_type: FrameType, settings: Settings) -> bool:
    """Return whether masters of this type are wanted: by --stage and by --type."""
    return STAGE_OF[frame_type] in settings.stages and (not settings.types or frame_type in settings.types)


def output_path(group: Group, settings: Settings) -> Path:
    """Return where the master of ``group`` belongs, relative to the library."""
    suffix = None
    if settings.format is not None:
        suffix = ".xisf" if settings.format == "xisf" else ".fit"
    return layouts.render(settings.layout, naming_of(group), suffix=suffix)


def naming_of(group: Group) -> layouts.Naming:
    """Return what the master of ``group`` is filed under."""
    return layouts.Naming(
        key=group.key,
        telescope=group.frames[0].telescope if group.frames else None,
        filter=group.key.filter,
        first=min((f.night for f in group.frames if f.night), default=None),
        created=max((f.night for f in group.frames if f.night), default=None),
    )


_MAY_CHANGE = ("exposure", "night", "rotation", "focal_length")  # between flats of one filter


def refuse_inconsistent_exposures(drafts: Sequence[Draft]) -> None:
    """Refuse flats of one filter that differ in exposure alone, as PULSAR's makeflat does (S3-13)."""
    sets: dict[GroupKey, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.action is None and draft.group.key.type is FrameType.FLAT:
            sets[draft.group.key.model_copy(update=dict.fromkeys(_MAY_CHANGE))].append(draft)
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


def refuse_long_paths(drafts: Sequence[Draft], library: Path, longest: int) -> None:
    """Refuse masters whose paths would have more than ``longest`` characters, before anything is integrated."""
    for draft in drafts:
        length = len(str((library / draft.output).absolute()))
        if draft.action is None and length > longest:
            draft.action = Action.CONFLICT
            draft.reasons = (
                f"its path would have {length} characters, and {longest} are the most that this system leaves a master "
                "(see `ap-masters doctor`): choose a shorter OUTPUT, or another --layout",
            )


def way_apart(namings: Sequence[layouts.Naming]) -> str:
    """Return what gives each of several masters a place of its own: a layout that tells them apart, if there is one."""
    fitting = [name for name in layouts.LAYOUTS if len({_folded(name, naming) for naming in namings}) == len(namings)]
    if fitting:
        return f"Choose another --layout ({' or '.join(fitting)}), or another library for each"
    keys = [naming.key for naming in namings]
    values = layouts.values_of({name for name in GroupKey.model_fields if differ(keys, name)})
    own = "_".join(f"{{{{ {value} }}}}" for value in values)
    if values and len({_folded(own, naming) for naming in namings}) == len(namings):
        return (
            "None of the layouts tells them apart: choose as --layout a path of your own that holds "
            f"{' and '.join(f'{{{{ {value} }}}}' for value in values)}, or another library for each"
        )
    return "None of the layouts tells them apart: choose another library for each"


def _folded(layout: str, naming: layouts.Naming) -> str:
    """Return a path as Windows and macOS tell it from others: without difference of case."""
    return layouts.render(layout, naming).as_posix().casefold()


def refuse_collisions(drafts: Sequence[Draft]) -> None:
    """Mark every draft whose path another draft claims; Windows and macOS see no difference of case."""
    claims: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.action is None:
            claims[draft.output.as_posix().casefold()].append(draft)
    for rivals in claims.values():
        if len(rivals) > 1:
            names = " | ".join(told_apart([rival.group.key for rival in rivals]))
            way = way_apart([naming_of(rival.group) for rival in rivals])
            for rival in rivals:
                rival.action = Action.CONFLICT
                rival.reasons = (f"{len(rivals)} groups would be filed as {rival.output.as_posix()}: {names}. {way}",)
