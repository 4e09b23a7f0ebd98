"""Frames -> groups: which frames may be integrated together, and what is left out of each group."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from ap_masters.config import CountSettings, CullSettings, GroupSettings
from ap_masters.group.clusters import angles, chains, clusters
from ap_masters.group.cull import cull as cull_frames
from ap_masters.group.cull import in_time
from ap_masters.group.dark_flats import conclusions, rig_of, with_dark_flats
from ap_masters.group.remarks import remarks
from ap_masters.group.silences import silence_warnings
from ap_masters.group.spelling import spelling_warnings
from ap_masters.model import (
    CALIBRATION_TYPES,
    ROTATOR_SLACK,
    Frame,
    FrameType,
    Group,
    GroupKey,
    Noun,
    Reason,
    SetAside,
    within,
    zoomed,
)

__all__ = ["Grouping", "group_frames"]

_PLANES: Final = {1, 3}
_CLOSE: Final = ("temperature", "exposure", "rotation", "focal_length")  # what need not be equal

_Moment = tuple[date, datetime | None]  # a night, and the start of an exposure in it where that is known


class Grouping(Noun):
    """The groups in a stable order (type, then key), and the frames that could not be grouped.

    Every frame given is in one group's ``frames`` or ``dropped``, or in ``set_aside``.
    """

    groups: tuple[Group, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()


def group_frames(
    frames: Sequence[Frame],
    lights: Sequence[Frame],
    *,
    group: GroupSettings,
    cull: CullSettings,
    counts: CountSettings,
) -> Grouping:
    """Return the groups of raw calibration ``frames``, whatever their order; ``lights`` only tell dark flats.

    Names and settings must be equal, numbers as numbers, and absent equals only absent. Temperatures and exposures
    are clustered (see `clusters`), and for flats the angles of the rotator; focal lengths are split between neighbours
    that are apart (see `zoomed`). A key has the median temperature and focal length of its frames, the most frequent
    exposure, and the first angle.
    The grade is that of the frames that stay; a group too small for its recipe is the plan's to refuse.
    """
    complete: list[Frame] = []
    set_aside: list[SetAside] = []
    for frame in frames:
        obstacle = _obstacle(frame)
        if obstacle is None:
            complete.append(frame)
        else:
            set_aside.append(SetAside(path=frame.path, reason=obstacle[0], detail=obstacle[1]))
    typed = with_dark_flats(complete, lights, group)
    flats = [frame for frame in typed if frame.type is FrameType.FLAT]
    groups = [_with_filter(_group(key, members, cull, counts), flats, group) for key, members in _divide(typed, group)]
    return Grouping(
        groups=tuple(sorted(_with_size_warnings(groups), key=_order)),
        set_aside=tuple(sorted(set_aside, key=lambda aside: aside.path)),
        warnings=(*spelling_warnings([each.key for each in groups]), *silence_warnings(groups, group)),
    )


def _obstacle(frame: Frame) -> tuple[Reason, str] | None:
    """Return why a frame cannot be grouped. All but type and exposure may be absent, which is a value of its own."""
    if frame.master:
        return Reason.MASTER, "an integrated image is never integrated again"
    if frame.type is FrameType.LIGHT:
        return Reason.LIGHT, "lights are not calibration frames"
    if frame.type is None:
        return Reason.UNKNOWN_TYPE, "neither header nor names say what it is"
    if frame.channels not in _PLANES:
        return (
            Reason.GEOMETRY,
            f"{frame.channels} planes, where a frame has 1 or 3 (colour): "
            "split a cube of exposures into files of one each",
        )
    if frame.type is not FrameType.BIAS and frame.exposure is None:
        why = next((d.reason for d in frame.decisions if d.subject == "exposure"), "no exposure (EXPTIME, EXPOSURE)")
        return Reason.MISSING_KEYWORD, f"{why}: a {frame.type} is of no use without"
    return None


# --- dividing ---


def _divide(frames: Sequence[Frame], settings: GroupSettings) -> Iterator[tuple[GroupKey, list[Frame]]]:
    """Yield each key, without its temperature, with frames equal in all that is exact and close in all that is not."""
    exact: dict[GroupKey, list[Frame]] = defaultdict(list)
    for frame in frames:
        key = GroupKey.of(frame)
        exact[key.model_copy(update=dict.fromkeys((*_CLOSE, *_carried(key))))].append(frame)
    for key, alike in exact.items():
        for exposure, exposed in _by_exposure(key, alike, settings):
            for members in _by_closeness(key, exposed, settings):
                yield key.model_copy(update={"exposure": exposure}), members


def _carried(key: GroupKey) -> tuple[str, ...]:
    """Return what a key carries without grouping by it: the filter of a dark flat."""
    return ("filter",) if key.type is FrameType.DARK_FLAT else ()


def _by_closeness(key: GroupKey, frames: list[Frame], settings: GroupSettings) -> Iterator[list[Frame]]:
    """Yield the frames that are close in temperature and time, and flats in what they were taken through."""
    for one_temperature in _by_temperature(frames, settings.temperature_tolerance_c):
        for one_epoch in _by_epoch(key, one_temperature, settings):
            yield from _by_optics(one_epoch) if key.type is FrameType.FLAT else [one_epoch]


def _by_exposure(
    key: GroupKey, frames: list[Frame], settings: GroupSettings
) -> Iterator[tuple[float | None, list[Frame]]]:
    """Yield the frames of one exposure each; a bias has none, and sky flats may be of any."""
    if key.type is FrameType.BIAS or (key.type is FrameType.FLAT and settings.mixed_exposure_flats):
        yield None, frames
        return
    by_value: dict[float, list[Frame]] = defaultdict(list)
    for frame in frames:
        by_value[frame.exposure or 0.0].append(frame)
    for run in clusters(by_value, settings.exposure_tolerance_s):
        most = max(run, key=lambda value: (len(by_value[value]), -value))
        yield most, [frame for value in run for frame in by_value[value]]


def _by_temperature(frames: list[Frame], tolerance: float) -> Iterator[list[Frame]]:
    """Yield the frames of one cluster each, and those without a temperature by themselves."""
    return _runs(frames, lambda frame: frame.temperature, lambda values: clusters(values, tolerance))


def _by_optics(frames: list[Frame]) -> Iterator[list[Frame]]:
    """Yield the flats of one angle of the rotator and one focal length each: vignetting and dust lie alike (S2-29)."""
    for one_angle in _runs(frames, _angle, lambda values: angles(values, ROTATOR_SLACK)):
        yield from _runs(one_angle, lambda frame: frame.focal_length, lambda values: chains(values, zoomed))


def _angle(frame: Frame) -> float | None:
    return None if frame.rotation is None else frame.rotation % 360


def _runs(
    frames: list[Frame],
    value_of: Callable[[Frame], float | None],
    split: Callable[[Iterable[float]], list[tuple[float, ...]]],
) -> Iterator[list[Frame]]:
    """Yield the frames of each run that ``split`` makes of their values, and those without one by themselves."""
    by_value: dict[float | None, list[Frame]] = defaultdict(list)
    for frame in frames:
        by_value[value_of(frame)].append(frame)
    unknown = by_value.pop(None, None)
    for run in split(value for value in by_value if value is not None):
        yield [frame for value in run for frame in by_value[value]]
    if unknown is not None:
        yield unknown


def _by_epoch(key: GroupKey, frames: list[Frame], settings: GroupSettings) -> Iterator[list[Frame]]:
    """Yield the frames of each epoch, all together where none are asked for; one of unknown night goes with the first.

    Dark flats are of the hours of their flats, so theirs end with that window. A night is never divided: flats are of
    one, and no layout could file its parts apart.
    """
    if settings.epoch_days is None:
        yield frames
        return
    epochs: list[list[Frame]] = [[frame for frame in frames if frame.night is None]]
    last: _Moment | None = None
    for night, members in _nights(frames):
        starts = [frame.started for frame in members if frame.started is not None]
        begun, ended = (starts[0], starts[-1]) if starts else (None, None)
        if last is not None and _is_new_epoch(key, last, (night, begun), settings):
            epochs.append([])
        epochs[-1] += members
        last = night, ended
    yield from epochs


def _nights(frames: list[Frame]) -> list[tuple[date, list[Frame]]]:
    """Return the frames of each night that is known, both in order of time."""
    nights: dict[date, list[Frame]] = defaultdict(list)
    for frame in in_time(frames):
        if frame.night is not None:
            nights[frame.night].append(frame)
    return sorted(nights.items())


def _is_new_epoch(key: GroupKey, last: _Moment, first: _Moment, settings: GroupSettings) -> bool:
    """Say whether the ``first`` frame of a night begins an epoch, after the ``last`` one of the night before."""
    if key.type is not FrameType.DARK_FLAT:
        return settings.epoch_days is not None and (first[0] - last[0]).days > settings.epoch_days
    if first[1] is None or last[1] is None:
        return True
    return first[1] - last[1] > timedelta(hours=settings.dark_flat_window_h)


def _middle(values: Iterable[float | None]) -> float | None:
    """Return the median of values that all are known, or none is; it lies inside their cluster."""
    known = [value for value in values if value is not None]
    return statistics.median(known) + 0.0 if known else None


# --- one group ---


def _group(key: GroupKey, members: list[Frame], settings: CullSettings, counts: CountSettings) -> Group:
    culled = cull_frames(key.type, members, settings)
    typical = culled.kept or members
    update = {"temperature": _middle(frame.temperature for frame in typical)}
    if key.type is FrameType.FLAT:
        update["rotation"] = typical[0].rotation  # a median of angles is none: 359 and 1
        update["focal_length"] = _middle(frame.focal_length for frame in typical)
    key = key.model_copy(update=update)
    return Group(
        key=key,
        frames=culled.kept,
        dropped=culled.dropped,
        grade=counts.of(key.type).grade(len(culled.kept)),
        notes=tuple(conclusions(culled.kept)),
        warnings=remarks(key, culled),
    )


# --- between groups ---


def _with_filter(group: Group, flats: Sequence[Frame], settings: GroupSettings) -> Group:
    """Return a dark flat group with the filter it serves: what its headers agree on, else that of its flats.

    Flats count that have its rig and exposure and were taken within the window; of several filters none is named.
    """
    if group.key.type is not FrameType.DARK_FLAT or not group.frames:
        return group
    names = {GroupKey.of(frame).filter for frame in group.frames} - {None}
    if not names:
        names = {flat.filter for flat in flats if _serves(group, flat, settings)}
    if len(names) != 1:
        return group
    return group.model_copy(update={"key": group.key.model_copy(update={"filter": names.pop()})})


def _serves(group: Group, flat: Frame, settings: GroupSettings) -> bool:
    starts = [frame.started for frame in group.frames if frame.started is not None]
    if flat.started is None or flat.exposure is None or group.key.exposure is None or not starts:
        return False
    window = timedelta(hours=settings.dark_flat_window_h)
    return (
        within(flat.exposure, group.key.exposure, settings.exposure_tolerance_s)
        and min(starts) - window <= flat.started <= max(starts) + window
        and rig_of(flat) == rig_of(group.frames[0])
    )


def _with_size_warnings(groups: Sequence[Group]) -> Iterator[Group]:
    """Yield the groups, with a warning on those that only the size of the image keeps apart."""
    sizes: dict[GroupKey, list[GroupKey]] = defaultdict(list)
    for group in groups:
        sizes[_sizeless(group.key)].append(group.key)
    for group in groups:
        others = [key for key in sizes[_sizeless(group.key)] if key != group.key]
        if others:
            listed = ", ".join(key.extent for key in others)
            warning = f"frames of other sizes are kept apart: {listed}"
            group = group.model_copy(update={"warnings": (*group.warnings, warning)})
        yield group


def _sizeless(key: GroupKey) -> GroupKey:
    return key.model_copy(update=dict.fromkeys(("width", "height", "channels", "x_origin", "y_origin")))


def _order(group: Group) -> tuple[tuple[bool, object], ...]:
    """Return what groups are sorted by: type, then the key's fields in turn, absent before present, then path."""
    fields = group.key.model_dump(exclude={"type"})
    paths = [*(frame.path for frame in group.frames), *(aside.path for aside in group.dropped)]
    values = (CALIBRATION_TYPES.index(group.key.type), *fields.values(), min(paths))  # two epochs share a key
    return tuple((value is not None, value if value is not None else 0) for value in values)
