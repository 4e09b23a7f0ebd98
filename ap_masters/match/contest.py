"""The candidates for one group of flats or one light: which of them serve, and which is the best."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters.config import MatchSettings
from ap_masters.match import comparison
from ap_masters.match.comparison import Difference, Wanted
from ap_masters.model import FrameType, Master, MasterStatus

BIAS, DARK, DARK_FLAT, FLAT = FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT, FrameType.FLAT


class Standing(NamedTuple):
    """How well a candidate serves: the least is taken, and the first component that differs is the reason."""

    unknown: int  # how many values had to be let pass
    otherwise: bool  # of another order of rows or Bayer pattern than a light
    outside: bool  # a dark flat of which not every frame is within the window of hours
    higher: bool  # a dark to be scaled down: S4 takes the nearest lower or equal one first
    off: float  # a dark's exposure from the one wanted, s
    apart: float  # a dark's temperature, or of a dark flat of other hours, from the one wanted, see degrees_apart
    zoomed: bool  # a flat of another focal length: its corners are darker, or less dark
    turned: bool  # a flat of another angle of the rotator: its dust lies elsewhere
    earlier: bool  # a dark flat before the flats, where later ones are preferred (S2-57: thermal drift)
    gap: float  # s
    fewer: int  # frames, negative
    older: float  # moment of making, negative
    path: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A master that was considered: what keeps it from serving, what was let pass, and how it stands.

    ``gap`` is the time from the frames to the master's, ``reach`` to its farthest, in seconds (see ``comparison``);
    ``otherwise`` says why its pixels are not those of the light.
    """

    master: Master
    failed: tuple[Difference, ...]
    passed: tuple[Difference, ...]
    gap: float | None
    reach: float | None
    otherwise: str | None
    standing: Standing

    @property
    def bias_removed(self) -> bool:
        """Whether this is a dark without the bias level, of which a constant may have been the measure."""
        return self.master.key.type is not BIAS and "B" in (self.master.calibration_state or "")

    @property
    def needs_bias(self) -> bool:
        """Whether this is a dark that the bias has to be subtracted with; a constant goes with its own."""
        return self.bias_removed and self.master.constant is None

    @property
    def scalable(self) -> bool:
        """Whether nothing but an exposure that is known keeps it from serving.

        What a constant has left of the bias level does not scale.
        """
        if self.master.constant is not None:
            return False
        return len(self.failed) == 1 and self.failed[0].field == "exposure" and not self.failed[0].unknown


class Contest:
    """All candidates of the types that come into question, judged."""

    def __init__(
        self,
        want: Wanted,
        candidates: Sequence[Master],
        types: Collection[FrameType],
        settings: MatchSettings,
        labels: Collection[str],
    ) -> None:
        """Judge every candidate; the best bias first, because it decides which darks serve."""
        self.want = want
        self.settings = settings
        self._differences = cache(lambda key: tuple(comparison.differences(key, want, settings)))  # many share a key
        self.by_type: dict[FrameType, list[Candidate]] = {frame_type: [] for frame_type in types}
        for master in _each_once(candidates):
            if master.key.type in self.by_type:
                self.by_type[master.key.type].append(self._judge(master, labels))
        self.bias = self.best(BIAS)
        if self.bias is None:
            self.by_type = {kind: [_need_bias(c) for c in entries] for kind, entries in self.by_type.items()}
        names = Counter(c.master.path.name for c in self.all)
        self._ambiguous = {name for name, count in names.items() if count > 1}

    @property
    def all(self) -> list[Candidate]:
        """Every candidate."""
        return list(chain.from_iterable(self.by_type.values()))

    def best(self, frame_type: FrameType) -> Candidate | None:
        """Return the best master of a type that serves as it is."""
        return min((c for c in self.by_type[frame_type] if not c.failed), key=lambda c: c.standing, default=None)

    def best_scaled(self) -> Candidate | None:
        """Return the best dark of another exposure: the nearest lower one, else the nearest higher (S4-19).

        Only where the settings allow it, and only with a bias: what is scaled is the dark current alone.
        """
        if not self.settings.scale_dark or self.bias is None:
            return None
        return min((c for c in self.by_type[DARK] if c.scalable), key=lambda c: c.standing, default=None)

    def name(self, candidate: Candidate) -> str:
        """Return the master's file name, or its path where two share the name."""
        path = candidate.master.path
        return path.as_posix() if path.name in self._ambiguous else path.name

    def _judge(self, master: Master, labels: Collection[str]) -> Candidate:
        failed: list[Difference] = []
        passed: list[Difference] = []
        if (barred := self._barred(master, labels)) is not None:
            failed.append(barred)
        for difference in self._differences(master.key):
            (passed if difference.unknown and self.settings.lenient_unknown else failed).append(difference)
        gap, reach = comparison.gap(self.want, master), comparison.reach(self.want, master)
        otherwise = comparison.lies_otherwise(master, self.want)
        standing = self._stand(master, len(passed), gap, reach, otherwise=otherwise is not None)
        return Candidate(master, tuple(failed), tuple(passed), gap, reach, otherwise, standing)

    def _barred(self, master: Master, labels: Collection[str]) -> Difference | None:
        """Return why a master does not come into question at all, whatever its key says."""
        if master.key.type is DARK_FLAT and self.want.key.type is FrameType.LIGHT:
            return Difference("type", "dark flats serve flats, never lights")
        if master.key.type is DARK_FLAT and not self.settings.use_dark_flats:
            return Difference("type", "dark flats are not used (--no-dark-flats)")
        if master.source != "this run" and master.status is not MasterStatus.PUBLISHED:
            return Difference("status", f"it is {master.status.told}; only published masters serve")
        if master.damaged:
            return Difference("file", "its file is not the one its record tells of: build it again, or restore it")
        missing = [label for label in labels if label.lower() not in master.labels]
        return Difference("label", f"it is not labelled {', '.join(missing)}") if missing else None

    def _stand(
        self, master: Master, unknown: int, gap: float | None, reach: float | None, *, otherwise: bool
    ) -> Standing:
        seconds = float("inf") if gap is None else abs(gap)
        inside = reach is not None and reach <= self.settings.dark_flat_window_h * 3600
        dark_flat = master.key.type is DARK_FLAT
        of_other_hours = dark_flat and not inside
        off = self._off(master)
        made = master.created or master.ended or master.started
        older = -comparison.aware(made).timestamp() if made else float("inf")
        return Standing(
            unknown=unknown,
            otherwise=otherwise,
            outside=of_other_hours,
            higher=off > 0,
            off=abs(off),
            apart=comparison.degrees_apart(master.key, self.want) if master.key.type is DARK or of_other_hours else 0.0,
            zoomed=comparison.is_zoomed(master.key, self.want),
            turned=comparison.is_turned(master.key, self.want),
            earlier=dark_flat and inside and self.settings.prefer_later and gap is not None and gap < 0,
            gap=seconds,
            fewer=-(master.frames or 0),
            older=float("-inf") if master.job_id else older,  # still to be made: by then the youngest of all
            path=master.path.as_posix(),
        )

    def _off(self, master: Master) -> float:
        """Return how far a dark's exposure is from the one wanted, in seconds; 0 within the tolerance."""
        mine, theirs = master.key.exposure, self.want.key.exposure
        if master.key.type is not DARK or mine is None or theirs is None:
            return 0.0
        return 0.0 if comparison.close(mine, theirs, self.settings.exposure_tolerance_s) else mine - theirs


_SOURCES: Final = ("this run", "library", "given")  # a file may stand in several: the first overrules the others


def _each_once(candidates: Sequence[Master]) -> Iterable[Master]:
    """Return one master for each path."""
    masters: dict[Path, Master] = {}
    for master in candidates:
        known = masters.get(master.path)
        if known is None or _SOURCES.index(master.source) < _SOURCES.index(known.source):
            masters[master.path] = master
    return masters.values()


def _need_bias(candidate: Candidate) -> Candidate:
    """Refuse a dark that needs a bias, where none serves."""
    if not candidate.needs_bias:
        return candidate
    missing = Difference("bias", "its bias was removed, so a bias has to be subtracted too, and none serves")
    return replace(candidate, failed=(*candidate.failed, missing))
