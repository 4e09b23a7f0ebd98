"""A new master against what the library holds: measured, compared with its predecessor, judged."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from ap_masters import record as records
from ap_masters.config import Settings
from ap_masters.errors import RecordError
from ap_masters.library.entries import Entry
from ap_masters.model import FrameType, GroupKey, MasterStatus
from ap_masters.quality import Level, dark_measures, judge, measures, same_settings, sensor_measures, value_of
from ap_masters.record import Measure, Record

# Frames of these, taken in the mode of a flat, tell the noise that is not the light's; the nearest exposure first.
_REFERENCES: Final = (FrameType.DARK_FLAT, FrameType.BIAS)


def examine(record: Record, master: Path, library: Path, others: Sequence[Entry], settings: Settings) -> Record:
    """Return the record with everything that can be measured, its findings and its status.

    ``master`` is the new file, still in its work folder; ``others`` are the masters of the library so far, those
    of this run included. Reads bands of the raw frames of ``record`` and the records of its predecessor and of
    what serves its gain; what cannot be read is left out. Pixels of older masters are not opened.
    """
    reference = _reference(record, library, others)
    found = [*sensor_measures(record, master, reference=reference), *_dark_current(record, others)]
    known = {m.name for m in found}
    told = record.model_copy(update={"measures": (*(m for m in record.measures if m.name not in known), *found)})
    before = predecessor(record, others)
    older = _read(library, before) if before is not None else None
    return judge(told, older, settings.quality, cull=settings.cull, flat=settings.flat)


def predecessor(record: Record, others: Sequence[Entry]) -> Entry | None:
    """Return the published master of the same settings whose frames are the newest before those of ``record``."""
    starts = [entry.started for entry in record.inputs if entry.started]
    state = record.calibration.state if record.calibration else None
    candidates = [
        entry
        for entry in others
        if entry.status is MasterStatus.PUBLISHED
        and entry.record is not None
        and (entry.calibration_state or None) == (state or None)
        and same_settings(entry.key, record.key)
        and (entry.taken is None or not starts or entry.taken < min(starts))
    ]
    return max(candidates, key=_newest_last, default=None)


def _newest_last(entry: Entry) -> tuple[bool, float]:
    """Return what to sort by: of those whose frames do not say when they were taken, the day of the build decides."""
    when = entry.taken or entry.created
    return entry.taken is not None, when.timestamp() if when else 0.0


def _dark_current(record: Record, others: Sequence[Entry]) -> tuple[Measure, ...]:
    """Return what this dark and the other masters of its mode tell of the dark current."""
    median = value_of(measures(record), "median")
    if record.key.type is not FrameType.DARK or median is None or record.calibration is not None:
        return ()
    published = (entry for entry in others if entry.status is MasterStatus.PUBLISHED)
    # Its own predecessors have its exposure and temperature: the new master stands for them.
    others = [e for e in published if e.level is not None and not same_settings(e.key, record.key)]
    known = [entry.level for entry in _nearest(others, record.started) if entry.level is not None]
    return dark_measures(record.key, [*known, Level(record.key, median.value, record.electrons_per_adu)])


def _nearest(entries: Sequence[Entry], when: datetime | None) -> Iterable[Entry]:
    """Return of masters that differ in their season alone the nearest one: black levels wander from year to year."""

    def apart(entry: Entry) -> float:
        return abs((entry.taken - when).total_seconds()) if entry.taken and when else math.inf

    chosen: dict[GroupKey, Entry] = {}
    for entry in sorted(entries, key=apart):
        temperature = None if entry.key.temperature is None else float(round(entry.key.temperature))
        chosen.setdefault(entry.key.model_copy(update={"night": None, "temperature": temperature}), entry)
    return chosen.values()


def _reference(record: Record, library: Path, others: Sequence[Entry]) -> Record | None:
    """Return the record of a dark flat or bias in the mode of a flat: the newest, dark flats of its exposure first."""
    if record.key.type is not FrameType.FLAT:
        return None
    for kind in _REFERENCES:
        serving = [
            entry
            for entry in others
            if entry.key.type is kind
            and entry.status is MasterStatus.PUBLISHED
            and entry.record is not None
            and same_settings(_as(entry.key, record.key), record.key)
            and (kind is FrameType.BIAS or entry.key.exposure == record.key.exposure)
        ]
        newest = max(serving, key=_newest_last, default=None)
        if newest is not None:
            return _read(library, newest)
    return None


def _as(key: GroupKey, flat: GroupKey) -> GroupKey:
    """Return ``key`` with what does not matter to read noise taken from the flat: type, filter, time, temperature."""
    free = ("type", "filter", "exposure", "temperature")
    return key.model_copy(update={name: getattr(flat, name) for name in free})


def _read(library: Path, entry: Entry) -> Record | None:
    try:
        return records.read(library / (entry.record or ""))
    except RecordError:
        return None
