"""What a plan or a match needs to know of a library, and of the folders and files that a user named beside it.

Of ten thousand masters this reads a tenth of what a scan does, as long as no file has changed since the last one.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ap_masters import images
from ap_masters import record as records
from ap_masters.config import Settings
from ap_masters.errors import RecordError, UsageError
from ap_masters.files import begins_as_image
from ap_masters.garbage import no_garbage
from ap_masters.library import scan, scan_cache
from ap_masters.library.scan_cache import Known, Outline
from ap_masters.model import HOUSEKEEPING, FrameType, Master
from ap_masters.record import Record


class Inventory(NamedTuple):
    """What a plan needs to know: candidates, records under the path of their master, every master file."""

    masters: tuple[Master, ...]
    records: Mapping[Path, Record]
    existing: frozenset[Path]
    made_with: Mapping[Path, frozenset[str]]  # SHA-256 of what was subtracted, of published masters


class _Shelf(NamedTuple):
    """A folder, and the outline of every file in it by its path below the folder, in the order of paths."""

    folder: Path
    files: Mapping[str, Outline]


def given_folders(settings: Settings) -> dict[FrameType, Path]:
    """Return the libraries, or single masters, the user named for biases and for darks.

    Raises UsageError for one that is not there, and for a file that is no image.
    """
    named = {FrameType.BIAS: settings.bias_master_dir, FrameType.DARK: settings.dark_master_dir}
    given = {kind: place for kind, place in named.items() if place is not None}
    for kind, place in given.items():
        if not place.exists():
            raise UsageError(f"{place}: there is no such folder of {kind} masters (--{kind}-master-dir)")
        if place.is_file() and not (images.is_image_name(place) and begins_as_image(place)):
            raise UsageError(f"{place}: is no image; name a {kind} master or a folder of them (--{kind}-master-dir)")
    return given


def holdings(library: Path, *, given: Mapping[FrameType, Path] | None = None) -> Inventory:
    """Return what ``library`` holds, and the masters of folders or files that the user named for a frame type.

    A folder for darks may hold dark flats as well; its other masters are not taken. Whatever is given may lie in
    the library, or around it: no master is listed twice.
    """
    with no_garbage():
        return _holdings(library, given or {})


def _holdings(library: Path, given: Mapping[FrameType, Path]) -> Inventory:
    own = _Shelf(library, _outlines(library))
    shelves = {place: _shelf(place) for place in given.values()}
    held = {outline.master.path: outline for outline in own.files.values() if outline.master}
    masters = [outline.master for outline in held.values() if outline.master]
    seen = {library.resolve() / path for path in own.files} if given else set()
    for frame_type, place in given.items():
        wanted = {frame_type, FrameType.DARK_FLAT} if frame_type is FrameType.DARK else {frame_type}
        folder = shelves[place].folder.resolve()
        for path, outline in shelves[place].files.items():
            if outline.master and outline.master.key.type in wanted and folder / path not in seen:
                masters.append(outline.master.model_copy(update={"source": "given"}))
                seen.add(folder / path)
    return Inventory(
        masters=tuple(masters),
        records=_Records(outline for shelf in (own, *shelves.values()) for outline in shelf.files.values()),
        existing=frozenset(held) | {library / path for path, outline in own.files.items() if not outline.master},
        made_with={path: frozenset(outline.made_with) for path, outline in held.items() if outline.made_with},
    )


def _shelf(place: Path) -> _Shelf:
    """Return what is in a folder, or in the single file, that the user called masters."""
    if (place / HOUSEKEEPING).is_dir():
        return _Shelf(place, _outlines(place))
    if place.is_file():
        folder = place.parent
        with os.scandir(folder) as listing:
            names = {item.name: item for item in listing}
        found = [scan.found_in("", names[place.name], names)]
    else:
        folder, found = place, list(scan.walk(place))
    return _Shelf(folder, _as_outlines(folder, scan.read(folder, found, believe=True)))


def _outlines(library: Path) -> Mapping[str, Outline]:
    """Return the outlines of a library: as they are kept, where no file has changed since."""
    found = list(scan.walk(library))
    known = scan_cache.read_outlines(library)
    if len(found) == len(known) and all(f.path in known and known[f.path].stamp == f.stamp for f in found):
        return known
    return _as_outlines(library, scan.files(library, found, mend=bool(found)))


def _as_outlines(folder: Path, files: Mapping[str, Known]) -> Mapping[str, Outline]:
    return {path: Outline.of(folder, known) for path, known in sorted(files.items())}


class _Records(Mapping[Path, Record]):
    """Records under the path of their master, each read when it is asked for."""

    def __init__(self, outlines: Iterable[Outline]) -> None:
        self._suffix = {o.master.path: o.record for o in outlines if o.master and o.record}
        self._read: dict[Path, Record] = {}

    def __getitem__(self, path: Path) -> Record:
        if path not in self._read:
            try:
                self._read[path] = records.read(records.record_path(path, self._suffix[path]))
            except RecordError as error:  # gone or changed since the scan: as if it had no record
                raise KeyError(path) from error
        return self._read[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._suffix)

    def __len__(self) -> int:
        return len(self._suffix)
