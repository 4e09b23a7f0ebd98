"""What has changed since a master was built: its frames, its recipe, what was subtracted from them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters.config import GroupSettings
from ap_masters.model import (
    DARKS,
    UNLIT,
    Calibration,
    CalibrationMaster,
    Frame,
    Group,
    GroupKey,
    Job,
    Recipe,
    Step,
    both_within,
    turned,
    zoomed,
)
from ap_masters.record import Input, Record
from ap_masters.wording import number

_WINDOW: Final = frozenset({"x_origin", "y_origin"})
_ONE_SESSION: Final = timedelta(days=1)


def differences(job: Job, record: Record, hashes: Mapping[Path, str] | None = None) -> tuple[str, ...]:
    """Return, in words, every reason why the master of ``record`` is not what ``job`` would make; empty if none.

    Frames are compared by name, size and time of change; where name or time differ, by content. ``hashes`` are the
    SHA-256 of such files as they are now.
    """
    return (
        *_changed_inputs(job.frames, record, hashes or {}),
        *_changed_recipe(job.recipe, record.recipe),
        *_changed_calibration(job.calibration, record.calibration, hashes or {}),
        *(() if job.scale == record.master.scale else (f"scale: {record.master.scale} -> {job.scale}",)),
        *_changed_window(job.group.key, record.key),
    )


def _changed_window(now: GroupKey, then: GroupKey) -> Iterator[str]:
    """Yield that frames are of a window, and that the record, as those of before, does not say so."""
    if now.origin is not None and not _WINDOW & then.model_fields_set:
        yield "window: unknown -> {},{}".format(*now.origin)


# What may differ between a master and the one that replaces it: a dark flat passes for a dark and merely carries its
# filter, and flats of another night are what a layout without a date is for. Numbers with a tolerance come apart.
_TOLD_LATER = _WINDOW | {"focal_length"}  # records of before say nothing of these
_MAY_DIFFER = frozenset({"type", "night", "temperature", "exposure", "rotation", "focal_length"})


def of_another_group(now: GroupKey, then: GroupKey, settings: GroupSettings) -> str | None:
    """Return in which value the group ``then``, whose master stands where that of ``now`` belongs, is another one.

    Such a master is no predecessor: two cameras filed under one name would replace each other for ever.
    """
    if now.type is not then.type and {now.type, then.type} != DARKS:
        return f"type {then.type}, not {now.type}"
    carried = {"filter"} if now.type in DARKS else set()
    untold = _TOLD_LATER - then.model_fields_set
    fields = [name for name in GroupKey.model_fields if name not in _MAY_DIFFER | carried | untold]
    other = next((name for name in fields if getattr(now, name) != getattr(then, name)), None)
    if other is None and not both_within(now.temperature, then.temperature, settings.temperature_tolerance_c):
        other = "temperature"
    if other is None and not both_within(now.exposure, then.exposure, settings.exposure_tolerance_s):
        other = "exposure"
    if other is None and _apart(now.rotation, then.rotation, turned):
        other = "rotation"
    if other is None and "focal_length" not in untold and _apart(now.focal_length, then.focal_length, zoomed):
        other = "focal_length"
    return other and f"{other.replace('_', ' ')} {getattr(then, other)}, not {getattr(now, other)}"


def _apart(now: float | None, then: float | None, apart: Callable[[float, float], bool]) -> bool:
    """Say whether two values are ``apart``, or one of them alone is known: absent equals only absent."""
    return now is not then if now is None or then is None else apart(now, then)


def newer_frames(job: Job, record: Record, season_days: int) -> str | None:
    """Return why the master of ``record`` is kept although ``job`` would replace it: its frames are of a later season.

    A bias or dark of an older season is no refresh; what is newer by half a season is of another one. Flats of an older
    night are wanted for its lights; layouts without a date have one place for all nights.
    """
    days = _newest(job, record)
    if days is None or days.recorded - days.offered < timedelta(days=season_days / 2):
        return None
    return (
        f"the master that stands there is of newer frames: of {days.recorded:%Y-%m-%d}, these are of "
        f"{days.offered:%Y-%m-%d}. To replace it all the same, take it out of use first (ap-masters library quarantine)"
    )


def poorer(job: Job, record: Record) -> Iterator[str]:
    """Yield warnings where a master replaces one of more frames, or of newer ones."""
    now, then = len(job.frames), len(record.inputs) or record.combined or 0
    if now < then:
        yield (
            f"of {number(now, 'frame')}, where {record.master.name}, which it replaces, is of {then}; "
            "that one is kept as superseded"
        )
    days = _newest(job, record)
    if days is not None and days.recorded - days.offered > _ONE_SESSION:
        yield (
            f"of frames up to {days.offered:%Y-%m-%d}, where the master that it replaces has some of "
            f"{days.recorded:%Y-%m-%d}; that one is kept as superseded"
        )


class _Newest(NamedTuple):
    """When the newest frame was taken: of a master that stands, and of the one offered in its place."""

    recorded: datetime
    offered: datetime


def _newest(job: Job, record: Record) -> _Newest | None:
    """Return the newest frames' times of frames without light; None where they are not known."""
    known = record.ended or record.started  # of a master whose frames are not on record
    recorded = max((entry.started for entry in record.inputs if entry.started), default=known)
    offered = max((frame.started for frame in job.frames if frame.started), default=None)
    if job.group.key.type not in UNLIT or recorded is None or offered is None:
        return None
    return _Newest(recorded, offered)


def left_stale(
    steps: Sequence[Step], records: Mapping[Path, Record], made_with: Mapping[Path, frozenset[str]], library: Path
) -> tuple[str, ...]:
    """Return a warning for each master that was made with one that the plan rebuilds and is not in the plan itself.

    ``made_with`` holds the SHA-256 of what was subtracted from the frames of each published master. A later set leaves
    nothing stale: what was made with the one before was made with what its own night needed.
    """
    rebuilt = {library / step.supersedes: step.job for step in steps if step.supersedes is not None}
    digests = {
        records[path].master.sha256: path.name
        for path, job in rebuilt.items()
        if path in records and not (job and _is_later_set(job, records[path]))
    }
    planned = {library / step.output for step in steps}
    return tuple(
        f"{path.name} was made with {digests[digest]}, which is rebuilt: it becomes stale. Build it anew too"
        for path, used in made_with.items()
        for digest in sorted(used & digests.keys())
        if path not in planned
    )


def _is_later_set(job: Job, record: Record) -> bool:
    """Whether every frame of ``job`` was taken after the last one of ``record``; not so where that is not known."""
    days = _newest(job, record)
    starts = [frame.started for frame in job.frames]
    return days is not None and all(start is not None and start > days.recorded for start in starts)


class _Inputs(NamedTuple):
    """The names of frames that are new, changed or gone since a master was built."""

    new: list[str]
    changed: list[str]
    gone: list[str]


def _changed_inputs(frames: Sequence[Frame], record: Record, hashes: Mapping[Path, str]) -> tuple[str, ...]:
    found = _inputs_since(frames, record, hashes)
    return tuple(
        f"{len(names)} {what}: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
        for what, names in found._asdict().items()
        if names
    )


def _inputs_since(frames: Sequence[Frame], record: Record, hashes: Mapping[Path, str]) -> _Inputs:
    built: dict[tuple[str, int], list[Input]] = defaultdict(list)
    for entry in record.inputs:
        built[entry.path.name, entry.size].append(entry)
    unmatched = []
    for frame in frames:
        twins = built[frame.path.name, frame.size]
        same = next((entry for entry in twins if _same(frame, entry, hashes)), None)
        if same is not None:
            twins.remove(same)
        elif not was_refused(frame, record, hashes):
            unmatched.append(frame)
    left: dict[str | None, Input] = {e.sha256: e for twins in built.values() for e in twins if e.sha256}
    others = []
    for frame in unmatched:  # under another name it is the same frame; names may have been exchanged
        renamed = left.pop(hashes.get(frame.path), None)
        if renamed is None:
            others.append(frame.path)
        else:
            built[renamed.path.name, renamed.size].remove(renamed)
    gone = {entry.path: entry.path.name for twins in built.values() for entry in twins}
    changed = [path.name for path in others if path in gone]
    new = [path.name for path in others if gone.pop(path, None) is None]
    return _Inputs(new, changed, [*gone.values()])


def has_other_frames(job: Job, record: Record, hashes: Mapping[Path, str]) -> bool:
    """Return whether ``job`` is of other frames than the master of ``record``, whatever becomes of them."""
    return bool(_changed_inputs(job.frames, record, hashes))


def takes_in(job: Job, record: Record, hashes: Mapping[Path, str]) -> bool:
    """Return whether ``job`` is of every frame of the master of ``record``, as they were, and of others besides."""
    found = _inputs_since(job.frames, record, hashes)
    return bool(found.new and record.inputs) and not (found.changed or found.gone)


def was_refused(frame: Frame, record: Record, hashes: Mapping[Path, str]) -> bool:
    """Return whether this very file was left out for its pixels when the master was built; a mended one was not."""
    return any(
        ((entry.path.name, entry.size) == (frame.path.name, frame.size) and _same(frame, entry, hashes))
        or _of_one_content(frame, entry, hashes)
        for entry in record.refused
    )


def _same(frame: Frame, entry: Input, hashes: Mapping[Path, str]) -> bool:
    return frame.mtime_ns == entry.mtime_ns or _of_one_content(frame, entry, hashes)


def _of_one_content(frame: Frame, entry: Input, hashes: Mapping[Path, str]) -> bool:
    return entry.sha256 is not None and hashes.get(frame.path) == entry.sha256


def _changed_recipe(now: Recipe, then: Recipe) -> tuple[str, ...]:
    before, after = then.model_dump(mode="json"), now.model_dump(mode="json")
    return tuple(f"{name}: {before[name]} -> {after[name]}" for name in after if after[name] != before[name])


def _changed_calibration(
    now: Calibration | None, then: Calibration | None, hashes: Mapping[Path, str]
) -> tuple[str, ...]:
    now, then = now or Calibration(), then or Calibration()
    reasons = [
        *_changed_master("bias", now.bias, then.bias, hashes),
        *_changed_master("dark", now.dark, then.dark, hashes),
    ]
    reasons += [
        f"{name}: {_told(getattr(then, name))} -> {_told(getattr(now, name))}"
        for name in ("scale_dark", "constant", "before")
        if getattr(now, name) != getattr(then, name)
    ]
    return tuple(reasons)


def _told(value: object) -> object:
    return "nothing" if value == "" else value


def _changed_master(
    what: str, now: CalibrationMaster | None, then: CalibrationMaster | None, hashes: Mapping[Path, str]
) -> tuple[str, ...]:
    if now is None or then is None:
        names = [m.path.name if m else "none" for m in (then, now)]
        return () if now is then else (f"{what}: {names[0]} -> {names[1]}",)
    if now.job_id is not None:
        return (f"its {now.type} {now.path.name} is rebuilt",)
    digest = now.sha256 or hashes.get(now.path)
    if digest and digest == then.sha256:
        return ()  # whatever it is called: a script's masters get their names when they are published
    if now.path.name != then.path.name:
        return (f"{what}: {then.path.name} -> {now.path.name}",)
    if digest and then.sha256:
        return (f"its {now.type} {now.path.name} was rebuilt",)
    return ()


def masters_to_hash(records: Iterable[Record]) -> dict[Path, datetime]:
    """Return the masters that were subtracted, and when, so that one changed since then can be told by its content."""
    subtracted: dict[Path, datetime] = {}
    for record in records:
        if record.calibration is None or record.created is None:
            continue
        for master in record.calibration.masters:
            if master.sha256:
                subtracted[master.path] = min(record.created, subtracted.get(master.path, record.created))
    return subtracted


def frames_to_hash(groups: Sequence[Group], records: Iterable[Record]) -> tuple[Path, ...]:
    """Return the frames whose content has to be read before ``make_plan`` can tell a copy from a change.

    Those of a name on record and another time, and those of a new name that are as long as one on record and were
    taken when it was.
    """
    known = [entry for record in records for entry in (*record.inputs, *record.refused) if entry.sha256]
    built = {(entry.path.name, entry.size): entry.mtime_ns for entry in known}
    starts = {(entry.started, entry.size) for entry in known}

    def is_in_doubt(frame: Frame) -> bool:
        changed = built.get((frame.path.name, frame.size))
        if changed is None:
            return (frame.started, frame.size) in starts
        return changed != frame.mtime_ns

    return tuple(frame.path for group in groups for frame in group.frames if is_in_doubt(frame))
