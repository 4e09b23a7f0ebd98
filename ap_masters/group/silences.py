"""What one program tells of a camera and another does not keeps frames apart that may well be alike."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Final

from ap_masters.config import GroupSettings
from ap_masters.model import UNLIT, Group, GroupKey, both_within

# What many a program leaves out: N.I.N.A. writes all of it, ASIAIR neither the id, nor the mode, nor the limit.
_LEFT_OUT: Final = {
    "camera_id": "camera id",
    "gain": "gain",
    "offset": "offset",
    "iso": "ISO",
    "bayer_pattern": "Bayer pattern",
    "readout_mode": "readout mode",
    "usb_limit": "USB limit",
}
_CLOSE: Final = {"temperature": "temperature_tolerance_c", "exposure": "exposure_tolerance_s"}


def silence_warnings(groups: Sequence[Group], settings: GroupSettings) -> list[str]:
    """Return a warning for the groups that nothing keeps apart but what the headers of one leave out, each once.

    Flats are of one night, and so of one program: bias, darks and dark flats tell enough.
    """
    alike: dict[GroupKey, list[Group]] = defaultdict(list)
    for group in groups:
        if group.key.type in UNLIT and group.key.camera is not None and group.frames:
            alike[group.key.model_copy(update=dict.fromkeys((*_LEFT_OUT, *_CLOSE, "filter")))].append(group)
    pairs = (pair for candidates in alike.values() for pair in combinations(candidates, 2))
    return list(dict.fromkeys(told for one, other in pairs if (told := _told(one, other, settings))))


def _told(one: Group, other: Group, settings: GroupSettings) -> str | None:
    """Return what one of two groups tells and the other does not, if that alone keeps them apart."""
    apart = [field for field in _LEFT_OUT if getattr(one.key, field) != getattr(other.key, field)]
    if not apart or any(None not in (getattr(one.key, field), getattr(other.key, field)) for field in apart):
        return None
    if not all(
        both_within(getattr(one.key, field), getattr(other.key, field), getattr(settings, tolerance))
        for field, tolerance in _CLOSE.items()
    ):
        return None
    fuller, sparser = sorted((one, other), key=lambda group: -sum(getattr(group.key, f) is not None for f in apart))
    whose, others = _program(fuller), _program(sparser)
    if whose == others:
        return f"frames of {one.key.camera} are kept apart: {_stand(apart)} in the headers of some alone; {_ADVICE}"
    stated = [
        f"{_stand(known)} in the headers of {_program(group)} alone"
        for group in (fuller, sparser)
        if (known := [field for field in apart if getattr(group.key, field) is not None])
    ]
    return f"frames of {one.key.camera} by {whose} and by {others} are kept apart: {'; '.join(stated)}; {_ADVICE}"


_ADVICE: Final = "the masters of each serve the lights of the other with --lenient-unknown"


def _stand(fields: Sequence[str]) -> str:
    """Return the fields in words, as a subject with its verb."""
    *names, last = (_LEFT_OUT[field] for field in fields)
    return f"{', '.join(names)} and {last} stand" if names else f"{last} stands"


def _program(group: Group) -> str:
    """Return the program that wrote most of the frames."""
    return Counter(frame.software or "a program without a name" for frame in group.frames).most_common(1)[0][0]
