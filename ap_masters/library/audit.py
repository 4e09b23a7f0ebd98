"""What is wrong in a library: contradictions, orphans, duplicates, damage. Looks at everything, changes nothing."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Final, Literal

from ap_masters import headers, images, layouts
from ap_masters import record as records
from ap_masters.errors import AttentionNeeded, ChecksumMismatch, ImageError, RecordError
from ap_masters.files import sha256
from ap_masters.library import foreign
from ap_masters.library.entries import Entry, naming_of, status_of_place
from ap_masters.library.scan import Scan, is_console_log, other_files, scan
from ap_masters.model import DARKS, LOGS, QUARANTINE, SUPERSEDED, Frame, FrameType, GroupKey, Master, MasterStatus, Noun
from ap_masters.safe import ascii_text, one_line

log = logging.getLogger(__name__)

Kind = Literal[
    "checksum",
    "unreadable",
    "contradiction",
    "missing keyword",
    "missing record",
    "orphan record",
    "orphan file",
    "duplicate",
    "invalid json",
    "not a master",
    "stale file",
]

# S1-26: what validation wants in the header of every master, and in that of a flat.
_WANTED: Final[tuple[tuple[str, str], ...]] = (
    ("exposure", "EXPTIME"),
    ("sensor_temperature", "CCD-TEMP"),
    ("gain", "GAIN"),
    ("offset", "OFFSET"),
)
_READERS: Final = 2  # of whole files at once: one is hashed while the next is read, and no disk has to run to and fro
_HEADER_READERS: Final = 8  # waiting for a network share, not computing
_SIDECARS: Final = frozenset({".lst", ".txt"})  # lists of defects
_PART: Final = ".part"  # of this program, and of its scripts when they are run by hand


class Fault(Noun):
    """One thing that is wrong; ``path`` is POSIX and relative to the library."""

    kind: Kind
    path: str
    detail: str


class Audit(Noun):
    """What an audit has found, in the order of paths."""

    masters: int
    faults: tuple[Fault, ...] = ()
    checksums: bool = True

    @property
    def exit_code(self) -> int:
        """0 nothing is wrong, 8 something is."""
        return AttentionNeeded.exit_code if self.faults else 0


def audit(library: Path, *, checksums: bool = True, layout: str | None = None) -> Audit:
    """Look through a whole library.

    With ``checksums`` every master is read and compared with its record, or with the checksum that it carries where
    the record has none, which takes as long as the disk needs. ``layout`` (a name or a template) adds names and
    folders that this layout would have chosen otherwise. Faults of files that belong to a build under way are not
    told: its work folder is left out.
    """
    found = scan(library)
    faults = [Fault(kind="not a master", path=p.path, detail=p.detail) for p in found.problems]
    with ThreadPoolExecutor(max_workers=_READERS if checksums else _HEADER_READERS) as pool:
        for told in pool.map(lambda entry: list(_entry_faults(entry, library, layout, checksums)), found.entries):
            faults += told
    faults += _duplicates(found.entries)
    faults += _stray_files(found)
    return Audit(
        masters=len(found.entries),
        faults=tuple(sorted(faults, key=lambda f: (f.path, f.kind, f.detail))),
        checksums=checksums,
    )


def _entry_faults(entry: Entry, library: Path, layout: str | None, checksums: bool) -> Iterator[Fault]:
    def fault(kind: Kind, detail: str) -> Fault:
        return Fault(kind=kind, path=entry.path, detail=one_line(detail))

    master = library / entry.path
    try:
        info = images.read_info(master)
        frame = headers.frame_from(info, size=entry.size, mtime_ns=0)
        told = headers.master_from(info, _in_full(frame, entry))
    except ImageError as error:
        yield fault("unreadable", error.what)
        return
    except ValueError as error:
        yield fault("contradiction", str(error))
        return
    yield from (fault("contradiction", warning) for warning in told.warnings if "says" in warning)
    yield from (fault("contradiction", text) for text in _against_record(entry, told))
    yield from (fault("contradiction", text) for text in _against_place(entry))
    yield from (fault("contradiction", text) for text in _against_layout(entry, layout))
    yield from (fault("missing keyword", f"its header has no {name}") for name in _missing(entry, frame))
    yield from (fault(kind, detail) for kind, detail in _damage(entry, master, checksums))
    if foreign.MAY_BE_A_FRAME in entry.warnings:
        yield fault("not a master", foreign.MAY_BE_A_FRAME)
    if entry.record is None:
        advice = _what_to_do(entry) if entry.lost_record else ""
        yield fault("missing record", f"no record beside it: what it was made of is unknown{advice}")


def _damage(entry: Entry, master: Path, checksums: bool) -> Iterator[tuple[Kind, str]]:
    """Yield how a file is not what was written: by its record, or by a checksum of its own where that has none."""
    if entry.recorded_size is not None and entry.recorded_size != entry.size:
        yield "checksum", f"{entry.size} bytes, its record says {entry.recorded_size}{_what_to_do(entry)}"
    elif checksums and entry.sha256:
        if sha256(master) != entry.sha256:
            yield "checksum", f"its bytes are not those of its record any more{_what_to_do(entry)}"
    elif checksums:
        try:
            images.open_image(master).close()
        except ChecksumMismatch:
            yield "checksum", f"its bytes are not those that its own checksum tells of any more{_what_to_do(entry)}"
        except ImageError as error:
            yield "unreadable", error.what


def _in_full(frame: Frame, entry: Entry) -> Frame:
    """Return the frame with its filter as the name was made of it, where its header holds that less some letters."""
    band = entry.key.filter
    return frame.model_copy(update={"filter": band}) if band and ascii_text(band) == frame.filter else frame


def _what_to_do(entry: Entry) -> str:
    """Return how a damaged master becomes sound again, or goes."""
    if entry.status is MasterStatus.SUPERSEDED:
        return ": restore it from a mirror, or delete it and its record; another master has taken its place"
    return ": restore it from a mirror, or build it again"


_COMPARED: Final = (
    "type",
    "camera",
    "gain",
    "offset",
    "x_binning",
    "y_binning",
    "readout_mode",
    "filter",
    "width",
    "height",
)


def _against_record(entry: Entry, told: Master) -> Iterator[str]:
    """Yield where header and record disagree; what one of them does not say is no contradiction."""
    if entry.record is None:
        return
    for name in _COMPARED:
        ours, header = getattr(entry.key, name), getattr(told.key, name)
        if ours is not None and header is not None and _as_stored(ours) != _as_stored(header):
            yield f"its record says {name.replace('_', ' ')} {ours}, its header {header}"
    for name, slack in (("exposure", 0.001), ("temperature", 1.0)):
        ours, header = getattr(entry.key, name), getattr(told.key, name)
        if ours is not None and header is not None and abs(ours - header) > slack:
            yield f"its record says {name} {ours:g}, its header {header:g}"


def _as_stored(value: object) -> object:
    """Return a value as a header of any format holds it."""
    return ascii_text(value) if isinstance(value, str) else value


def _against_place(entry: Entry) -> Iterator[str]:
    """Yield where a master was moved by hand, which changes a folder and not what the record says."""
    place, kept_apart = status_of_place(entry.path), {MasterStatus.QUARANTINED, MasterStatus.SUPERSEDED}
    if place is not None and place is not entry.status:
        folder = QUARANTINE if place is MasterStatus.QUARANTINED else SUPERSEDED
        yield f"it stands in {folder}, and is {entry.status.told}"
    elif place is None and entry.status in kept_apart:
        yield f"it stands among the masters in use, and is {entry.status.told}"


def _against_layout(entry: Entry, layout: str | None) -> Iterator[str]:
    """Yield what name and folders say otherwise than the record, read by the layout they were written in."""
    if layout is None or entry.status is MasterStatus.SUPERSEDED:
        return
    named = layouts.parse(layout, Path(entry.path))
    if named is None:
        yield f"its name is not one of the layout '{layout}'"
        return
    if named.key.type is not entry.key.type and {named.key.type, entry.key.type} != DARKS:
        yield f"its name says {named.key.type}, it is a {entry.key.type}"
    for field, said, own in layouts.differences(layout, named, naming_of(entry)):
        yield f"its name says {field} {said}, it is {own}"


def _missing(entry: Entry, frame: Frame) -> Iterator[str]:
    """Yield keywords the header should have: those of S1-26 that the record knows, FILTER for flats."""
    for field, keyword in _WANTED:
        known = getattr(entry.key, field) is not None if field != "sensor_temperature" else _was_measured(entry, frame)
        if getattr(frame, field) is None and (known or entry.record is None):
            yield keyword
    if entry.key.type is FrameType.FLAT and frame.filter is None and (entry.key.filter or entry.record is None):
        yield "FILTER"


def _was_measured(entry: Entry, frame: Frame) -> bool:
    """Say whether the frames of a master told the sensor's temperature: many programs write the set-point alone.

    Where they told no set-point the temperature of the key is the sensor's.
    """
    of_sensor = frame.set_temperature is None and entry.key.temperature is not None
    return of_sensor or entry.value("temperature spread") is not None


def _duplicates(entries: Sequence[Entry]) -> Iterator[Fault]:
    """Yield masters with the same bytes, and masters published twice for one key and day."""
    same_bytes: dict[str, list[Entry]] = defaultdict(list)
    same_key: dict[tuple[GroupKey, date | None], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.sha256:
            same_bytes[entry.sha256].append(entry)
        if entry.status is MasterStatus.PUBLISHED:
            # Of several seasons matching takes the nearest; of one day it cannot tell which is meant.
            when = entry.taken or entry.created
            same_key[entry.key, when.date() if when else None].append(entry)
    for what, groups in (
        ("has the same bytes", same_bytes.values()),
        ("is published for the same key and day", same_key.values()),
    ):
        for twins in groups:
            for twin in twins[1:]:
                yield Fault(kind="duplicate", path=twin.path, detail=f"{twins[0].path} {what}")


# --- files beside the masters -----------------------------------------------------------------------------


def _stray_files(found: Scan) -> Iterator[Fault]:
    """Yield records and defect lists without a master, JSON that does not parse, and what killed runs left."""
    known = {entry.path for entry in found.entries} | {problem.path for problem in found.problems}
    beside = [*map(Path, known), *(layouts.cosmetic_list(Path(path)) for path in known)]
    stems = {path.with_suffix("").as_posix() for path in beside}
    for place in other_files(found.library):
        yield from _stray(place, found.library / place, stems)


def _stray(place: Path, path: Path, stems: set[str]) -> Iterator[Fault]:
    suffix, alone = place.suffix.lower(), place.with_suffix("").as_posix() not in stems
    if suffix == _PART:
        yield Fault(kind="stale file", path=place.as_posix(), detail="left by a run that was killed; it can be deleted")
    elif suffix == ".xrs" and alone and status_of_place(place.as_posix()) is not MasterStatus.SUPERSEDED:
        yield Fault(kind="orphan record", path=place.as_posix(), detail="there is no master of this name beside it")
    elif suffix in _SIDECARS and alone:
        yield Fault(kind="orphan file", path=place.as_posix(), detail="there is no master of this name beside it")
    elif suffix in {*records.SUFFIXES, ".json"}:
        yield from _unparsable(place, path)


def _unparsable(place: Path, path: Path) -> Iterator[Fault]:
    """Yield a file that should be JSON and is not: strict, as ``jq empty`` would have it (S0-24)."""
    try:
        if place.suffix.lower() == ".log" and (
            place.is_relative_to(LOGS) or not path.stat().st_size or is_console_log(path)
        ):
            return  # what consoles print, whatever that is
        text = path.read_text(encoding="utf-8")
        if place.suffix.lower() in records.SUFFIXES:
            records.parse(text, where=path)
        else:
            json.loads(text, parse_constant=records.refuse_constant)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, RecordError) as error:
        yield Fault(kind="invalid json", path=place.as_posix(), detail=one_line(str(error)))
