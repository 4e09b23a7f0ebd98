"""Frames -> groups: which frames may be integrated together, and what is left out of each group."""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from ap_masters.config import CountSettings, CullSettings, GroupSettings
from ap_masters.group.clusters import clusters
from ap_masters.group.cull import cull as cull_frames
from ap_masters.group.dark_flats import conclusions, rig_of, with_dark_flats
from ap_masters.group.remarks import remarks
from ap_masters.group.spelling import spelling_warnings
from ap_masters.model import (
    CALIBRATION_TYPES,
    Frame,
    FrameType,
    Group,
    GroupKey,
    Noun,
    Reason,
    SetAside,
    turned,
    within,
)

__all__ = ["Grouping", "group_frames"]

_PLANES: Final = {1, 3}


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
    are clustered (see `clusters`); a key has the median temperature and the most frequent exposure of its frames.
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
        warnings=tuple(spelling_warnings(typed)),
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
        same = key.model_copy(update={"temperature": None, "exposure": None, "rotation": None, **_carried(key)})
        exact[same].append(frame)
    for key, alike in exact.items():
        for exposure, exposed in _by_exposure(key, alike, settings):
            for alike_in_temperature in _by_temperature(exposed, settings.temperature_tolerance_c):
                for members in _by_epoch(alike_in_temperature, settings.epoch_days):
                    yield key.model_copy(update={"exposure": exposure}), members


def _carried(key: GroupKey) -> dict[str, None]:
    """Return what a key carries without grouping by it: the filter of a dark flat."""
    return {"filter": None} if key.type is FrameType.DARK_FLAT else {}


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
    by_value: dict[float, list[Frame]] = defaultdict(list)
    unknown = []
    for frame in frames:
        if frame.temperature is None:
            unknown.append(frame)
        else:
            by_value[frame.temperature].append(frame)
    for run in clusters(by_value, tolerance):
        yield [frame for value in run for frame in by_value[value]]
    if unknown:
        yield unknown


def _by_epoch(frames: list[Frame], days: int | None) -> Iterator[list[Frame]]:
    """Yield the frames of nights that follow each other within ``days``; one of unknown night goes with the first."""
    epochs: list[list[Frame]] = []
    last: date | None = None
    for frame in frames if days is None else sorted(frames, key=lambda f: (f.night or date.min, f.path)):
        apart = days is not None and last is not None and frame.night is not None and (frame.night - last).days > days
        if not epochs or apart:
            epochs.append([])
        epochs[-1].append(frame)
        last = frame.night
    yield from epochs


def _middle(frames: Sequence[Frame]) -> float | None:
    """Return the median temperature of frames that all have one; it lies inside their cluster."""
    known = [frame.temperature for frame in frames if frame.temperature is not None]
    return statistics.median(known) + 0.0 if known else None


def _angle(key: GroupKey, frames: Sequence[Frame]) -> float | None:
    """Return the angle at which the rotator stood for all flats; None where it was turned in between."""
    angles = [frame.rotation for frame in frames if frame.rotation is not None]
    if key.type is not FrameType.FLAT or not angles or any(turned(angle, angles[0]) for angle in angles):
        return None
    return angles[0]


# --- one group ---


def _group(key: GroupKey, members: list[Frame], settings: CullSettings, counts: CountSettings) -> Group:
    culled = cull_frames(key.type, members, settings)
    middle, angle = _middle(culled.kept or members), _angle(key, culled.kept)
    key = key.model_copy(update={"temperature": middle, "rotation": angle})
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
