"""What the masters at hand can do for a group: which are subtracted from its frames, or why it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ap_masters import layouts, match
from ap_masters.config import GroupSettings, Settings
from ap_masters.model import (
    DARKS,
    Calibration,
    CalibrationMaster,
    Decision,
    FrameType,
    Group,
    GroupKey,
    Master,
    MasterStatus,
)
from ap_masters.plan.changes import of_another_group
from ap_masters.record import Record, shared_name
from ap_masters.wording import number


@dataclass(frozen=True)
class Holdings:
    """What the library and the given folders hold.

    ``masters`` are the candidates for matching, ``records`` stand under the absolute path of their master,
    ``existing`` lists every master file found, with a record or without. ``hashes`` gives the SHA-256 of files
    that ``frames_to_hash`` and ``masters_to_hash`` name, so that a frame that was only copied, touched or renamed does
    not rebuild its master. ``damaged`` are masters whose file is not the one their record tells of.
    ``made_with`` gives the SHA-256 of what was subtracted from the frames of each published master.
    """

    masters: tuple[Master, ...] = ()
    records: Mapping[Path, Record] = field(default_factory=dict)
    existing: frozenset[Path] = frozenset()
    hashes: Mapping[Path, str] = field(default_factory=dict)
    damaged: frozenset[Path] = frozenset()
    made_with: Mapping[Path, frozenset[str]] = field(default_factory=dict)

    def standing(self, target: Path) -> Path | None:
        """Return the master that stands at ``target``, or one in another format, whose record would be the same."""
        return target if target in self.existing else self._by_record.get(shared_name(target))

    def kept_back(self, key: GroupKey, target: Path, settings: GroupSettings) -> list[Path]:
        """Return the masters in quarantine that may be that of the group ``key``: at ``target``, or wherever they lie.

        Another layout would have put it elsewhere.
        """
        own = self.standing(target) or target
        others = [m.path for m in self._quarantined if not of_another_group(key, m.key, settings)]
        return [own, *(path for path in others if path != own)]

    @cached_property
    def _quarantined(self) -> tuple[Master, ...]:
        return tuple(m for m in self.masters if m.status is MasterStatus.QUARANTINED and m.source == "library")

    @cached_property
    def _by_record(self) -> Mapping[str, Path]:
        return {shared_name(path): path for path in sorted(self.existing, reverse=True)}


class Served(NamedTuple):
    """What is subtracted from the frames of a group, or why the group has to be refused."""

    calibration: Calibration | None = None
    refusal: str | None = None
    warnings: tuple[str, ...] = ()
    waits: bool = False  # refused for this run only: its masters will serve, and may not serve yet


def serve(
    group: Group,
    holdings: Holdings,
    promised: Mapping[FrameType, Sequence[Master]],
    library: Path,
    settings: Settings,
) -> Served:
    """Return what is subtracted from the frames of ``group``; biases and plain darks are not calibrated.

    ``promised`` are the masters of this run, by type.
    """
    kind = group.key.type
    if group.calibrated_before:
        return _as_they_are(group, settings)
    if kind in DARKS and settings.dark.subtract_constant is not None:
        return Served(Calibration(constant=settings.dark.subtract_constant))
    if kind in DARKS and settings.dark.subtract_bias == "master":
        matching = match.match_bias
    elif kind is FrameType.FLAT:
        matching = match.match_flat
    else:
        return Served()
    found = matching(group, _candidates(holdings, promised, library, same_run=settings.same_run), settings.match)
    if found.calibration is not None:
        return Served(_prepared(found.calibration, holdings, settings), None, found.warnings)
    if settings.match.allow_uncalibrated:
        reason = found.problem or "no master serves"
        none = Decision(subject="calibration", verdict="none", reason=reason)
        warning = f"integrated uncalibrated, as --allow-uncalibrated asks: {reason}"
        return Served(Calibration(decisions=(*found.decisions, none)), None, (*found.warnings, warning))
    if not settings.same_run:
        later = matching(group, _candidates(holdings, promised, library, same_run=True), settings.match)
        if later.calibration is not None:
            return Served(None, f"{found.problem}{_next_run(promised)}", found.warnings, waits=True)
    return Served(None, found.problem, found.warnings)


def _as_they_are(group: Group, settings: Settings) -> Served:
    """Subtract nothing from frames that were calibrated by another program: it would be subtracted twice."""
    before = group.calibrated_before
    reason = f"every frame has been calibrated already (CALSTAT {before})"
    decision = Decision(subject="calibration", verdict="none", reason=reason)
    expected = group.key.type is FrameType.FLAT or (group.key.type in DARKS and settings.dark.subtracts)
    warnings = (f"nothing is subtracted: {reason}",) if expected else ()
    return Served(Calibration(before=before, decisions=(decision,)), None, warnings)


def _next_run(promised: Mapping[FrameType, Sequence[Master]]) -> str:
    """Return a word on the masters of this run, of which some would serve its own frames and are kept from it."""
    count = sum(len(masters) for masters in promised.values())
    return f". The {number(count, 'master')} of this run may not serve it (--no-same-run): build once more to use them"


def _candidates(
    holdings: Holdings, promised: Mapping[FrameType, Sequence[Master]], library: Path, *, same_run: bool
) -> tuple[Master, ...]:
    """Return all masters that may serve. One that this run rebuilds is promised, and no longer what it was."""
    new = tuple(master for masters in promised.values() for master in masters)
    replaced = {master.path for master in new}
    old = (m for m in holdings.masters if m.path not in replaced and library / m.path not in replaced)
    return (*(new if same_run else ()), *old)


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
