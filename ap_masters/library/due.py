"""What needs a refresh, and why: age and anchors, drift, the cooler, the capture program, dependencies. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import fmean
from typing import Final, Literal

from ap_masters.config import LibrarySettings, QualitySettings, RefreshPolicy, RefreshRule
from ap_masters.errors import AttentionNeeded, ConfigError
from ap_masters.library.entries import REQUEST_LABEL, RETIRED_LABEL, Entry
from ap_masters.model import Frame, FrameType, GroupKey, MasterStatus, Noun, within
from ap_masters.quality import same_settings
from ap_masters.record import Finding
from ap_masters.safe import one_line
from ap_masters.wording import number

_SEASONS: Final = RefreshRule(anchors=("03-01", "09-01"))
_YEARLY: Final = RefreshRule(max_age_days=365)

POLICIES: Final[Mapping[str, RefreshPolicy]] = {
    # N.I.N.A. Dark Library Playbook: a full set each March and September (S0-12); biases yearly (S1-07).
    "nina-seasonal": RefreshPolicy(bias=_YEARLY, dark=_SEASONS, dark_flat=_SEASONS),
    # N.I.N.A. Bias, Dark Flats, and Darks: darks and dark flats twice a year, biases yearly (S1-06, S1-07).
    "nina-biannual": RefreshPolicy(
        bias=_YEARLY, dark=RefreshRule(max_age_days=183), dark_flat=RefreshRule(max_age_days=183)
    ),
    # ANAWBPPS: biases every 1-2 months, darks monthly, dark flats as the flats, which are taken each session
    # and do not age here (S2-45..47).
    "anawbpps-monthly": RefreshPolicy(bias=RefreshRule(max_age_days=61), dark=RefreshRule(max_age_days=31)),
    "never": RefreshPolicy(),
}


Cause = Literal[
    "damage", "age", "drift", "service", "cooler", "capture program", "dependency", "request", "new settings"
]


class Reason(Noun):
    """One reason why a master is due, in words and for programs."""

    cause: Cause
    detail: str


class DueItem(Noun):
    """A master that is due, or (with ``path`` None) settings in use that have none."""

    path: str | None
    description: str
    reasons: tuple[Reason, ...]


class Due(Noun):
    """What is due on a day, by a policy."""

    policy: str
    day: date
    items: tuple[DueItem, ...] = ()
    masters: int = 0
    retired: int = 0  # of them

    @property
    def exit_code(self) -> int:
        """0 nothing is due, 8 something is."""
        return AttentionNeeded.exit_code if self.items else 0


class _View:
    """What the rules look at, put in order once: a library may hold ten thousand masters."""

    def __init__(
        self, entries: Sequence[Entry], frames: Sequence[Frame], policy: RefreshPolicy, today: date, change_c: float
    ) -> None:
        self.policy, self.today, self.cooler_change_c = policy, today, change_c
        self.published = [e for e in entries if e.status is MasterStatus.PUBLISHED]
        self.in_use = {e.sha256 for e in self.published if e.sha256}
        self.of_a_name: dict[tuple[FrameType, str], list[Entry]] = defaultdict(list)
        for entry in self.published:
            self.of_a_name[entry.key.type, entry.name].append(entry)
        self.out_of_use = {e.sha256: e for e in entries if e.status is not MasterStatus.PUBLISHED and e.sha256}
        self.replaced_by = {e.supersedes: e for e in entries if e.supersedes}
        self.offsets: dict[tuple[_Camera, float], list[float]] = defaultdict(list)
        self.newest: dict[_Camera, Frame] = {}
        self.modes: dict[tuple[object, ...], int] = defaultdict(int)
        for frame in frames:
            self._take(frame)

        self._latest: dict[tuple[object, ...], dict[GroupKey, datetime]] = defaultdict(dict)
        for entry in self.published:
            if entry.taken is not None:
                alike, key = self._latest[entry.key.type, _mode(entry.key)], _of_any_night(entry.key)
                alike[key] = max(entry.taken, alike.get(key, entry.taken))

        # A quarantined master tells of drift too: it is the service alert that put it there. Not where a later one of
        # its settings was let into use: what it had found is mended, or was no change.
        self.alarms: dict[_Camera, list[tuple[Entry, Finding]]] = defaultdict(list)
        for entry in entries:
            past = entry.status is MasterStatus.QUARANTINED and self.has_successor(entry)
            if entry.status is not MasterStatus.SUPERSEDED and entry.key.type is not FrameType.FLAT and not past:
                self.alarms[_camera(entry.key)] += [(entry, f) for f in entry.findings if f.severity in _DRIFTED]

    def has_successor(self, entry: Entry) -> bool:
        """Say whether a later master of the same settings is published, as layouts with dates keep them all."""
        alike = self._latest[entry.key.type, _mode(entry.key)]
        return entry.taken is not None and any(
            taken > entry.taken and same_settings(key, entry.key) for key, taken in alike.items()
        )

    def _take(self, frame: Frame) -> None:
        if frame.sensor_temperature is not None and frame.set_temperature is not None:
            place = (_camera(frame), frame.set_temperature)
            self.offsets[place].append(frame.sensor_temperature - frame.set_temperature)
        if frame.software and frame.started:
            known = self.newest.get(_camera(frame))
            if known is None or known.started is None or frame.started > known.started:
                self.newest[_camera(frame)] = frame
        if frame.type in {FrameType.LIGHT, FrameType.FLAT}:
            self.modes[_mode(frame)] += 1


_Camera = tuple[str | None, str | None]
_DRIFTED: Final = {"service", "refresh"}
_CAMPAIGN: Final = timedelta(days=14)  # masters taken this near to each other are one set: they drifted together
_MODE: Final = ("camera", "camera_id", "gain", "offset", "iso", "x_binning", "y_binning", "readout_mode")


def _camera(of: Frame | GroupKey) -> _Camera:
    return of.camera, of.camera_id


def _mode(of: Frame | GroupKey) -> tuple[object, ...]:
    return tuple(getattr(of, name) for name in _MODE)


def _of_any_night(key: GroupKey) -> GroupKey:
    return key if key.night is None else key.model_copy(update={"night": None})


def policy_of(settings: LibrarySettings) -> RefreshPolicy:
    """Return the policy in force: the user's own of that name, else a named one. Raises ConfigError."""
    policy = settings.policies.get(settings.policy) or POLICIES.get(settings.policy)
    if policy is None:
        names = ", ".join(sorted({*POLICIES, *settings.policies}))
        raise ConfigError(f"library.policy: there is no policy '{one_line(settings.policy)}'; known are {names}")
    return policy


def due(
    entries: Sequence[Entry],
    settings: LibrarySettings,
    *,
    now: datetime,
    frames: Sequence[Frame] = (),
    quality: QualitySettings | None = None,
) -> Due:
    """Return the published masters that need a refresh, with every reason, and settings in use without a master.

    ``frames`` are recent frames of any type, as far as there are some: they tell of new settings, of another
    capture program and of a cooler that does not hold. Days count from the last frame of a master to ``now``.
    """
    change_c = (quality or QualitySettings()).cooler_change_c
    view = _View(entries, frames, policy_of(settings), now.date(), change_c)
    items = []
    for entry in view.published:
        answered = _MENDED_BY_A_REFRESH if view.has_successor(entry) else frozenset()
        if entry.key.type is FrameType.FLAT:
            answered |= _OF_THE_CAMERA
        if RETIRED_LABEL in entry.labels:
            answered |= _OF_WHAT_IS_IN_USE
        rules = (rule for rule in _RULES if rule not in answered)
        reasons = tuple(reason for rule in rules for reason in rule(entry, view))
        if reasons:
            items.append(DueItem(path=entry.path, description=entry.key.describe(), reasons=reasons))
    items += list(_new_settings(view))
    retired = sum(RETIRED_LABEL in entry.labels for entry in view.published)
    return Due(policy=settings.policy, day=view.today, items=tuple(items), masters=len(view.published), retired=retired)


# --- rules: each looks at one published master ------------------------------------------------------------


def _damaged(entry: Entry, _view: _View) -> Iterator[Reason]:
    if entry.damaged:
        detail = "its file is not the one its record tells of: build it again, or restore it from a mirror"
        yield Reason(cause="damage", detail=detail)


def _requested(entry: Entry, _view: _View) -> Iterator[Reason]:
    if REQUEST_LABEL in entry.labels:
        yield Reason(cause="request", detail=f"labelled '{REQUEST_LABEL}'")


def _aged(entry: Entry, view: _View) -> Iterator[Reason]:
    rule = view.policy.of(entry.key.type)
    ages = bool(rule.max_age_days or rule.anchors)
    if entry.taken is None:
        if ages:
            yield Reason(cause="age", detail="nobody knows when its frames were taken")
        return
    taken = entry.taken.date()
    age = (view.today - taken).days
    if ages and age < -1:  # a header without a time zone may be ahead by hours
        told = f"nobody knows its age: its frames say {taken.isoformat()}, which is yet to come. Was the clock wrong?"
        yield Reason(cause="age", detail=told)
    if rule.max_age_days is not None and age > rule.max_age_days:
        yield Reason(cause="age", detail=f"{age} days old, more than {rule.max_age_days}")
    anchor = last_anchor(rule.anchors, view.today)
    if anchor is not None and taken < anchor:
        yield Reason(cause="age", detail=f"taken {taken.isoformat()}, before the season of {anchor.isoformat()}")


def last_anchor(anchors: Sequence[str], today: date) -> date | None:
    """Return the latest anchor (``MM-DD``) that is not after ``today``."""
    days = [date.fromisoformat(f"{year}-{a}") for a in anchors for year in (today.year - 1, today.year)]
    return max((day for day in days if day <= today), default=None)


def _drifted(entry: Entry, view: _View) -> Iterator[Reason]:
    """A newer master of this camera has found a change: whatever was made before it is out of date (S0-16, S1-08)."""
    for other, finding in view.alarms.get(_camera(entry.key), ()):
        if entry.taken and other.taken and other.taken - entry.taken > _CAMPAIGN:
            cause: Cause = "service" if finding.severity == "service" else "drift"
            detail = f"{other.path}: {finding.message}"
            yield Reason(cause="cooler" if finding.metric == "cooler offset" else cause, detail=detail)


def _cooler(entry: Entry, view: _View) -> Iterator[Reason]:
    """Recent frames at this set-point stand otherwise against it than the master's frames did (S0-15)."""
    before = entry.value("cooler offset")
    if before is None or entry.key.temperature is None:
        return
    offsets = view.offsets.get((_camera(entry.key), entry.key.temperature))
    if offsets and not within(fmean(offsets), before, view.cooler_change_c):
        detail = f"the sensor stands {fmean(offsets):+.2f} °C off its set-point, {before:+.2f} °C when this was made"
        yield Reason(cause="cooler", detail=detail)


def _captured_otherwise(entry: Entry, view: _View) -> Iterator[Reason]:
    """The newest frame of this camera was written by another program or driver version (S0-13, S1-07)."""
    newest = view.newest.get(_camera(entry.key))
    if entry.capture is None or newest is None or newest.software in {None, entry.capture}:
        return
    if entry.ended is None or newest.started is None or newest.started > entry.ended:
        detail = f"captured with {one_line(entry.capture)}, now with {one_line(newest.software or '')}"
        yield Reason(cause="capture program", detail=detail)


def _depends(entry: Entry, view: _View) -> Iterator[Reason]:
    """A master that was subtracted from its frames is not in use any more (S1-31)."""
    for use in entry.uses:
        if use.sha256 is None or use.sha256 in view.in_use:
            continue
        other = view.out_of_use.get(use.sha256)
        if other is not None and _is_history(other, view):
            continue
        if other is not None:
            yield Reason(cause="dependency", detail=f"its {use.type} {use.name} is {other.status} since: {_why(other)}")
        elif any(_may_be_later(alike, entry) for alike in view.of_a_name.get((use.type, use.name), ())):
            yield Reason(cause="dependency", detail=f"its {use.type} {use.name} was rebuilt")


def _is_history(other: Entry, view: _View) -> bool:
    """Whether a later set merely took the place of ``other``, as layouts without a date have one for all nights.

    What was made with it was made with what its own night needed. Not so where the two sets share frames, which made
    a better master of the same night, or where the later one has found a change (S1-31).
    """
    after = view.replaced_by.get(other.path)
    if other.status is not MasterStatus.SUPERSEDED or after is None or after.started is None or other.taken is None:
        return False
    return after.started > other.taken and not any(f.severity in _DRIFTED for f in after.findings)


def _may_be_later(other: Entry, entry: Entry) -> bool:
    """Whether ``other`` can have taken the place of what ``entry`` was made with: that may lie in another library."""
    return other.created is None or entry.created is None or other.created > entry.created


def _why(entry: Entry) -> str:
    return entry.history[-1].reason if entry.history else "no reason on record"


_Rule = Callable[[Entry, _View], Iterator[Reason]]
_RULES: Final[tuple[_Rule, ...]] = (
    _damaged,
    _requested,
    _aged,
    _drifted,
    _cooler,
    _captured_otherwise,
    _depends,
)
# Flats are not asked for these: they serve the lights of their nights, whatever becomes of the camera after.
_OF_THE_CAMERA: Final = frozenset[_Rule]({_drifted, _cooler, _captured_otherwise})
# Once there is a later master of the same settings, these are that one's to answer.
_MENDED_BY_A_REFRESH: Final = _OF_THE_CAMERA | {_aged}
# Of a camera or mode that is not used any more nobody takes other frames.
_OF_WHAT_IS_IN_USE: Final = _MENDED_BY_A_REFRESH | {_depends}


def _new_settings(view: _View) -> Iterator[DueItem]:
    """Yield modes of the camera that frames were taken in and no bias or dark was (S0-10, S0-14, S1-09)."""
    known = {_mode(e.key) for e in view.published if e.key.type is not FrameType.FLAT}
    for mode, count in sorted(view.modes.items(), key=lambda item: str(item[0])):
        if mode not in known:
            key = GroupKey.model_validate({"type": FrameType.BIAS, **dict(zip(_MODE, mode, strict=True))})
            told = key.describe().removeprefix(key.type).lstrip(", ")
            reason = Reason(cause="new settings", detail=f"{number(count, 'frame')} and no bias or dark")
            yield DueItem(path=None, description=one_line(told) or "unknown settings", reasons=(reason,))
