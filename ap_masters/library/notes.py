"""What the last mirror runs have found: kept beside the library, told in its index."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from ap_masters.files import write_text
from ap_masters.model import HOUSEKEEPING, Noun

log = logging.getLogger(__name__)

NOTES: Final = HOUSEKEEPING / "mirrors.json"


class MirrorNote(Noun):
    """A file whose copy is not what it should be. ``path`` is relative to library and target alike."""

    target: str
    path: str
    detail: str


class _Notes(Noun):
    """``targets`` are all that a mirror has ever been made to."""

    targets: tuple[str, ...] = ()
    notes: tuple[MirrorNote, ...] = ()


def read_mirror_notes(library: Path) -> tuple[MirrorNote, ...]:
    """Return the notes of all targets, in a stable order; none where there are none or they cannot be read."""
    return _read(library).notes


def is_known_target(library: Path, target: str) -> bool:
    """Whether the library has been mirrored to ``target`` before."""
    return target in _read(library).targets


def write_mirror_notes(library: Path, target: str, notes: Sequence[MirrorNote]) -> None:
    """Replace the notes of one target; those of the others stay. The library is locked by the caller."""
    before = _read(library)
    others = [note for note in before.notes if note.target != target]
    now = _Notes(
        targets=tuple(sorted({*before.targets, target})),
        notes=tuple(sorted([*others, *notes], key=lambda note: (note.target, note.path))),
    )
    (library / HOUSEKEEPING).mkdir(parents=True, exist_ok=True)
    write_text(library / NOTES, now.model_dump_json(indent=1))


def _read(library: Path) -> _Notes:
    path = library / NOTES
    if not path.exists():
        return _Notes()
    try:
        return _Notes.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        log.warning("%s: not used: %s", path, error)
        return _Notes()
