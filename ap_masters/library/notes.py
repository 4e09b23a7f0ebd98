"""What the last mirror runs have found: kept beside the library, told in its index."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from ap_masters import record as records
from ap_masters.library.lock import HOUSEKEEPING
from ap_masters.model import Noun

log = logging.getLogger(__name__)

NOTES: Final = HOUSEKEEPING / "mirrors.json"


class MirrorNote(Noun):
    """A file whose copy is not what it should be. ``path`` is relative to library and target alike."""

    target: str
    path: str
    detail: str


class _Notes(Noun):
    notes: tuple[MirrorNote, ...] = ()


def read_mirror_notes(library: Path) -> tuple[MirrorNote, ...]:
    """Return the notes of all targets, in a stable order; none where there are none or they cannot be read."""
    path = library / NOTES
    if not path.exists():
        return ()
    try:
        return _Notes.model_validate_json(path.read_bytes()).notes
    except (OSError, ValidationError) as error:
        log.warning("%s: not used: %s", path, error)
        return ()


def write_mirror_notes(library: Path, target: str, notes: Sequence[MirrorNote]) -> None:
    """Replace the notes of one target; those of the others stay. The library is locked by the caller."""
    others = [note for note in read_mirror_notes(library) if note.target != target]
    kept = sorted([*others, *notes], key=lambda note: (note.target, note.path))
    (library / HOUSEKEEPING).mkdir(parents=True, exist_ok=True)
    records.write_text(library / NOTES, _Notes(notes=tuple(kept)).model_dump_json(indent=1))
