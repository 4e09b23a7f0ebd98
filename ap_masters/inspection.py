"""What one file is and says of itself: a frame, a master, a record, or the console log of PixInsight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ap_masters import headers, images
from ap_masters import record as records
from ap_masters.errors import NotFinite, RecordError, UsageError
from ap_masters.model import Frame, ImageInfo, Statistics
from ap_masters.record import Record

if TYPE_CHECKING:  # engines are slow to import, and who reads one frame needs none
    from ap_masters.engines.history import HistoryFacts
    from ap_masters.engines.pixinsight.facts import LogFacts

_LARGEST_TEXT: Final = 256 << 20  # a console log of a long night has some tens of megabytes


class InspectedImage(NamedTuple):
    """A frame or a master: its header, how it is understood, its samples, what its HISTORY says, its record."""

    info: ImageInfo
    frame: Frame
    statistics: Statistics | None
    trouble: str | None  # why there are no statistics
    history: HistoryFacts
    record: Record | None


def inspect(path: Path) -> InspectedImage | Record | LogFacts:
    """Return what ``path`` is. The content decides, not the name.

    Raises UnreadableImage for a broken image, RecordError for a broken record, UsageError for a file of any
    other kind.
    """
    from ap_masters.engines.pixinsight import console

    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file in it")
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    if images.is_image_name(path):
        return _image(path)
    if path.stat().st_size > _LARGEST_TEXT:
        raise UsageError(f"{path}: is neither an image nor a log or record")
    data = path.read_bytes()
    if data.lstrip().startswith(b"{"):
        return records.read(path)
    facts = console.parse_bytes(data)
    if facts.version is None and not facts.blocks:
        raise UsageError(
            f"{path}: is neither an image, nor a record, nor a log of PixInsight; the log of a build is a text to read"
        )
    return facts


def read_frame(path: Path) -> Frame:
    """Return the frame at ``path``, its header, its name and its folder understood.

    Raises UsageError where there is no such file, UnreadableImage.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file")
    return _understood(path, images.read_info(path))


def _understood(path: Path, info: ImageInfo) -> Frame:
    status = path.stat()
    return headers.frame_from(info, size=status.st_size, mtime_ns=status.st_mtime_ns, root=path.parent)


def _image(path: Path) -> InspectedImage:
    from ap_masters.engines import history, statistics

    info = images.read_info(path)
    measured: Statistics | None = None
    trouble: str | None = None
    try:
        measured = statistics.measure(path)
    except NotFinite as error:
        trouble = error.what
    return InspectedImage(
        info=info,
        frame=_understood(path, info),
        statistics=measured,
        trouble=trouble,
        history=history.read_history(info.keywords),
        record=_record_beside(path),
    )


def _record_beside(path: Path) -> Record | None:
    """Return the record of a master, if it has one that parses; a plain log under that suffix is none."""
    for suffix in records.SUFFIXES:
        try:
            return records.read(records.record_path(path, suffix))
        except RecordError:
            continue
    return None
