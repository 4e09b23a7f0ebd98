"""Existing masters taken into a library: what would be done first, then verified copies; the source is only read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from ap_masters import layouts
from ap_masters import record as records
from ap_masters.config import QualitySettings
from ap_masters.errors import ApMastersError, AttentionNeeded, LibraryError, RecordError, reason_of
from ap_masters.files import original_first, sha256
from ap_masters.library import foreign, store
from ap_masters.library.copying import copy_verified
from ap_masters.library.entries import Entry, naming_of
from ap_masters.library.lock import library_lock
from ap_masters.library.scan import scan
from ap_masters.library.told_by_path import completed
from ap_masters.model import CALIBRATION_TYPES, QUARANTINE, GroupKey, MasterStatus, Noun
from ap_masters.moving import remove
from ap_masters.record import Event, Record
from ap_masters.safe import one_line
from ap_masters.stamps import stamp

Action = Literal["import", "imported", "quarantined", "already there", "conflict", "refused", "failed"]

_SINGLES = "of these settings in one folder, whose samples are integers: frames to be integrated, and no masters?"
_SINGLE = "neither header nor name says that it is a master: is it one, and no single frame?"


class ImportItem(Noun):
    """One file of the source: what is to be done or was done with it. ``output`` is relative to the library."""

    source: Path
    action: Action
    output: str | None = None
    description: str = ""
    detail: str = ""


class ImportReport(Noun):
    """What an import would do (``applied`` is False) or did."""

    source: Path
    library: Path
    items: tuple[ImportItem, ...] = ()
    applied: bool = False

    def count(self, action: Action) -> int:
        """Return how many files were treated so."""
        return sum(item.action == action for item in self.items)

    @property
    def exit_code(self) -> int:
        """0 everything could be taken, 8 some could not."""
        return (
            AttentionNeeded.exit_code
            if any(item.action in {"conflict", "refused", "failed", "quarantined"} for item in self.items)
            else 0
        )


def import_masters(
    source: Path,
    library: Path,
    *,
    layout: str | None = None,
    now: datetime,
    apply: bool = False,
    suffix: str = ".xrs",
    quality: QualitySettings | None = None,
) -> ImportReport:
    """Take the masters below ``source`` into ``library``: a dry run unless ``apply``.

    ``layout`` (a name or a template) files them anew; None keeps folders and names as they are. A record beside
    a master comes along; a master without one is measured, judged by ``quality`` and given one that says so. Nothing
    in the library is replaced, nothing in the source is moved, changed or deleted. Raises LibraryError where the source
    is not there or lies in the library.
    """
    _refuse_nesting(source, library)
    items = sorted(_plan(source, library, layout), key=lambda item: item.source)
    if apply:
        with library_lock(library), store.work_of_a_run(library, f"import-{stamp(now)}") as work:
            take = partial(
                _take,
                root=source,
                library=library,
                work=work,
                now=now,
                suffix=suffix,
                layout=layout,
                quality=quality or QualitySettings(),
            )
            items = [take(item) if item.action == "import" else item for item in items]
    return ImportReport(source=source, library=library, items=tuple(items), applied=apply)


def _refuse_nesting(source: Path, library: Path) -> None:
    if not source.is_dir():
        raise LibraryError(f"{source}: there is no such folder to import from")
    if source.resolve().is_relative_to(library.resolve()):
        raise LibraryError(f"{source} lies in the library {library}: its masters are there already")


def _plan(source: Path, library: Path, layout: str | None) -> Iterator[ImportItem]:
    claimed: dict[str, str] = {}
    # What is held already, and which master of the source that is; in the library itself no name is told.
    held = {(entry.size, entry.sha256 or sha256(library / entry.path)): "" for entry in scan(library).entries}
    found = scan(source, believe=True, complete=partial(completed, layout=layout))
    alike = Counter(_kind(entry) for entry in found.entries)
    for entry in sorted(found.entries, key=lambda entry: original_first(Path(entry.path))):
        path = source / entry.path
        if path.resolve().is_relative_to(library.resolve()):
            continue
        item = ImportItem(source=path, action="import", description=entry.key.describe())
        if entry.status is not MasterStatus.PUBLISHED:
            yield _refused(item, f"it is {entry.status.told} there")
            continue
        content = entry.size, sha256(path)
        if content in held:
            detail = f"the same as {held[content]}" if held[content] else ""
            yield item.model_copy(update={"action": "already there", "detail": detail})
            continue
        singles = alike[_kind(entry)] if entry.record is None and _is_single(path) else 0
        if reason := _no_master(entry, singles):
            yield _refused(item, reason)
            continue
        placed = _placed(
            item.model_copy(update={"detail": _SINGLE if singles else ""}), entry, library, layout, claimed
        )
        if placed.action == "import":
            held[content] = entry.path
        yield placed
    for problem in found.problems:
        yield _refused(ImportItem(source=source / problem.path, action="refused"), problem.detail)


def _no_master(entry: Entry, singles: int) -> str | None:
    """Return why a file is no master that a library holds; ``singles``: how many single frames like it lie together."""
    if entry.key.type not in CALIBRATION_TYPES:
        return f"a {entry.key.type}: a library holds masters of bias, dark, dark flat and flat frames"
    return f"one of {singles} {_SINGLES}" if singles > 1 else None


def _kind(entry: Entry) -> tuple[str, GroupKey]:
    """Return what frames of one set have in common, and masters of one folder have not."""
    return Path(entry.path).parent.as_posix(), entry.key


def _is_single(path: Path) -> bool:
    frame, _ = foreign.read_master(path, root=path.parent)
    return foreign.may_be_a_frame(frame)


def _placed(item: ImportItem, entry: Entry, library: Path, layout: str | None, claimed: dict[str, str]) -> ImportItem:
    """Return the item with its place in the library, or with what stands in its way."""
    try:
        output = Path(entry.path) if layout is None else _output(entry, layout)
        stands = store.master_at(library, output)
    except ApMastersError as error:
        return _refused(item, str(error))
    name = output.as_posix()
    item = item.model_copy(update={"output": name})
    rival = claimed.setdefault(records.shared_name(output), entry.path)
    if rival != entry.path:
        return item.model_copy(update={"action": "conflict", "detail": f"{rival} would be filed there as well"})
    if stands:
        return item.model_copy(update={"action": "conflict", "detail": "another master stands there"})
    return item


def _output(entry: Entry, layout: str) -> Path:
    return layouts.render(layout, naming_of(entry), suffix="".join(_suffixes(entry.name)))


def _suffixes(name: str) -> Sequence[str]:
    """Return the suffix of a master, a second one where it is compressed: ``.fits.fz``."""
    suffixes = Path(name).suffixes
    return suffixes[-2:] if suffixes[-1].lower() in {".gz", ".fz"} else suffixes[-1:]


def _refused(item: ImportItem, detail: str) -> ImportItem:
    return item.model_copy(update={"action": "refused", "detail": one_line(detail)})


def _take(
    item: ImportItem,
    root: Path,
    library: Path,
    work: Path,
    now: datetime,
    suffix: str,
    layout: str | None,
    quality: QualitySettings,
) -> ImportItem:
    """Copy one master, verify it and publish it; whatever goes wrong concerns this master alone."""
    output = Path(item.output or item.source.name)
    copy = work / output.name
    try:
        copy_verified(item.source, copy)
        record = _record(item.source, root, copy, now, layout, quality)
        if record.status is MasterStatus.QUARANTINED:
            output = QUARANTINE / output
        if store.master_at(library, output):
            return item.model_copy(update={"action": "conflict", "detail": "another master stands there"})
        store.publish(copy, record, library, output, now=now, suffix=suffix, reason=None)
    except (ApMastersError, OSError, ValueError) as error:
        return item.model_copy(update={"action": "failed", "detail": one_line(_told(error))})
    finally:
        with suppress(OSError):  # it goes with the work folder
            remove(copy, missing_ok=True)
    action = "quarantined" if record.status is MasterStatus.QUARANTINED else "imported"
    refusals = "; ".join(f.message for f in record.findings if f.severity == "refuse")
    detail = one_line("; ".join(filter(None, (item.detail, refusals))))
    return item.model_copy(update={"action": action, "output": output.as_posix(), "detail": detail})


def _told(error: Exception) -> str:
    if isinstance(error, OSError):  # of a file in the making, whose name means nothing to a user
        return f"{reason_of(error)}: look at this file, and at the library's free space and permissions"
    return str(error)


def _record(
    source: Path, root: Path, copy: Path, now: datetime, layout: str | None, quality: QualitySettings
) -> Record:
    """Return the record that came with a master, or one from its header, its path and its pixels."""
    reason = f"imported, was {source.name}"
    for suffix in records.SUFFIXES:
        try:
            told = records.read(records.record_path(source, suffix))
        except RecordError:
            continue
        if told.master.sha256 and told.master.sha256 != sha256(copy):
            raise LibraryError(f"{source}: its bytes are not those of its record any more")
        event = Event(at=now, status=told.status, reason=reason)
        return told.model_copy(update={"supersedes": None, "history": (*told.history, event)})
    # Header, name and folders of the source: the copy stands in a work folder that says nothing.
    frame, master = foreign.read_master(source, root=root, complete=partial(completed, layout=layout))
    return foreign.draft_record(copy, frame, master, now=now, reason=reason, quality=quality)
