"""Commands that change what is in a library: publish, quarantine, label, import, mirror, prune."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from ap_masters.cli import flags
from ap_masters.cli.arguments import Library, Masters, Why, each_there, there
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.config.sources import Loaded
from ap_masters.errors import ApMastersError, LibraryError, NothingToDo, UsageError, reason_of
from ap_masters.wording import numbers

if TYPE_CHECKING:
    from ap_masters.library.status import Change


@with_settings()
def publish(screen: Screen, loaded: Loaded, words: Masters, reason: Why) -> None:
    """Publish candidate, quarantined or superseded masters by hand, with a reason; each is told."""
    from ap_masters.library import status

    status.need_reason(reason, "publish")
    library, named = _library_of(words)
    change = partial(status.publish, reason=reason, settings=loaded.settings)
    _change_each(screen, loaded, "publish", library, named, change)


@with_settings()
def quarantine(screen: Screen, loaded: Loaded, words: Masters, reason: Why) -> None:
    """Take masters out of use, with a reason; each keeps its record."""
    from ap_masters.library import status

    status.need_reason(reason, "quarantine")
    library, named = _library_of(words)
    change = partial(status.quarantine, reason=reason, quality=loaded.settings.quality)
    _change_each(screen, loaded, "quarantine", library, named, change)


@with_settings()
def label(
    screen: Screen,
    loaded: Loaded,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[DIR] MASTER [LABEL]",
            help="Masters (wildcards, too), before them their library where that is not a folder around them, and "
            "labels to give, such as interim or retired.",
            show_default=False,
        ),
    ],
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A label to take away.")] = None,
) -> None:
    """Give masters labels such as interim, or take them away; matching can ask for them, retired ones do not age."""
    from ap_masters.images import is_image_name
    from ap_masters.library import status

    library, (first, *rest) = _library_of(words)
    more = list(takewhile(is_image_name, rest))  # of a wildcard that the shell has expanded
    labels = [str(word) for word in rest[len(more) :]]
    change = partial(status.label, add=labels, remove=remove or (), quality=loaded.settings.quality)
    _change_each(screen, loaded, "label", library, [first, *more], change)


@with_settings(flags.OUTPUT.only(flags.LAYOUT))
def import_masters(
    screen: Screen,
    loaded: Loaded,
    source: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="A folder of masters.", show_default=False, callback=there),
    ],
    library: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the library.", show_default=False)],
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this it is only shown.")] = False,
) -> None:
    """Take existing masters into a library, from whatever layout; a dry run without --apply. SRC is only read."""
    from ap_masters.library.importing import import_masters as take_in

    said = loaded.origins["layout"] != "default"
    report = take_in(
        source,
        library,
        layout=loaded.settings.layout if said else None,
        now=datetime.now(UTC),
        apply=apply,
        suffix=loaded.settings.library.record_suffix,
        quality=loaded.settings.quality,
    )
    if screen.json:
        screen.document("library import", report=report, exit_code=report.exit_code)
    else:
        rows = [(item.action, str(item.source), item.output or "", item.detail) for item in report.items]
        screen.table(("action", "master", "in the library", "why"), rows)
        if not apply:
            screen.line("Nothing was done; --apply does it")
    if any(item.action in {"imported", "quarantined", "already there"} for item in report.items) and apply:
        _index(screen, loaded, library)
    raise typer.Exit(report.exit_code)


@with_settings()
def mirror(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder of the copy.", show_default=False)],
    quick: Annotated[
        bool, typer.Option("--quick", help="Believe size and time of copies that were verified once.")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Replace damaged copies from a sound source.")] = False,
) -> None:
    """Bring a one-way copy of the library up to date and verify it; safe to interrupt and to run from a timer."""
    from ap_masters.library.mirror import mirror as copy
    from ap_masters.library.notes import read_mirror_notes

    noted = read_mirror_notes(library)
    report = copy(library, target, now=datetime.now(UTC), quick=quick, repair=repair)
    if screen.json:
        screen.document("library mirror", report=report, exit_code=report.exit_code)
    else:
        counts = Counter(file.action for file in report.files)
        screen.table(
            ("action", "file", "what"),
            [(f.action, f.path, f.detail) for f in report.files if screen.verbose or f.detail],
        )
        screen.line(f"{numbers(counts)}, {report.bytes_copied >> 20} MiB copied, checked by {report.checked}")
    if read_mirror_notes(library) != noted:  # not each time: the index is copied, too
        _index(screen, loaded, library)
    raise typer.Exit(report.exit_code)


@with_settings()
def prune(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    others: Annotated[
        list[Path] | None,
        typer.Option(
            "--other", help="Another library with masters of these frames; what it needs stays.", callback=each_there
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete them; without this they are only listed.")] = False,
) -> None:
    """List raw frames that no master in use here needs and that are older than a season; delete them with --apply."""
    from ap_masters.library.prune import prune as what_may_go
    from ap_masters.library.scan import require_library

    require_library(library)
    season = loaded.settings.library.season_days
    result = what_may_go(library, now=datetime.now(UTC), season_days=season, others=others or (), apply=apply)
    if screen.json:
        screen.document("library prune", prune=result)
        raise typer.Exit(result.exit_code)
    shown = [frame for frame in result.frames if screen.verbose or frame.verdict in {"droppable", "dropped", "failed"}]
    screen.table(("verdict", "frame", "why"), [(frame.verdict, str(frame.path), frame.detail) for frame in shown])
    screen.line(numbers(result.counts) or "no frame on record")
    size = f"{result.freed_bytes >> 20} MiB"
    screen.line(f"{size} freed" if apply else f"{size} could go (--apply deletes)")
    if shown:
        asked = ", ".join(map(str, (library, *(others or ()))))
        screen.line(f"Asked were the masters of {asked}, and of no other library (--other DIR)")
    for path in result.unreadable:
        screen.warning(f"{path}: no record that can be read, so nothing is dropped; mend or delete what is damaged")
    raise typer.Exit(result.exit_code)


class _ChangeOne(Protocol):
    """Change one master by hand."""

    def __call__(self, library: Path, master: Path, *, now: datetime, suffix: str) -> "Change": ...


def _change_each(
    screen: Screen, loaded: Loaded, verb: str, library: Path, named: Sequence[Path], change: _ChangeOne
) -> None:
    """Change each of the masters and tell it; where one of several is refused that is told, and the others go on."""
    suffix = loaded.settings.library.record_suffix
    masters = _named(library, named)
    changes: list[Change] = []
    failures: list[tuple[Path, ApMastersError]] = []
    for master in masters:
        try:
            changes.append(change(library, master, now=datetime.now(UTC), suffix=suffix))
        except (ApMastersError, OSError) as error:
            if len(masters) == 1:
                raise
            refused = error if isinstance(error, ApMastersError) else LibraryError(f"{master}: {reason_of(error)}")
            failures.append((master, refused))
            screen.warning(str(refused))
        else:
            _changed(screen, changes[-1])
    if changes:
        _index(screen, loaded, library)
    code = failures[0][1].exit_code if failures else 0
    if screen.json and len(masters) == 1:
        screen.document(f"library {verb}", change=changes[0])
    elif screen.json:
        failed = [{"master": master, "message": str(error)} for master, error in failures]
        screen.document(f"library {verb}", changes=changes, failures=failed, exit_code=code)
    raise typer.Exit(code)


def _named(library: Path, words: Sequence[Path]) -> list[Path]:
    """Return the masters that words name, each once; they are looked for in the library first, wildcards as well."""
    from ap_masters.images import is_image_name
    from ap_masters.inputs import unfold

    found: dict[Path, Path] = {}
    for word in words:
        meant, inside = [word], library / word
        if not inside.exists() and not word.exists():
            with suppress(NothingToDo):
                meant = unfold([inside])
            if meant in ([word], [inside]):
                meant = unfold([word])
            meant = [path for path in meant if is_image_name(path)] or meant  # their records stand beside them
        for path in meant:
            found.setdefault((library / path if (library / path).exists() else path).resolve(), path)
    return list(found.values())


def _library_of(words: list[str]) -> tuple[Path, list[Path]]:
    """Return the library and what follows it, from ``DIR MASTER ...`` or ``MASTER ...`` inside its library."""
    from ap_masters.library.places import library_around

    first, *rest = map(Path, words)
    if not first.is_dir():
        return library_around(first), [first.resolve(), *rest]
    if not rest:
        raise UsageError(f"{first} is a folder: name the master in it, too")
    return first, rest


def _changed(screen: Screen, change: "Change") -> None:
    labels = f", labels {', '.join(change.labels)}" if change.labels else ""
    screen.line(f"{change.path}: {change.status}{labels}")
    if change.before != change.path:
        screen.line(f"  was {change.before}")
    if change.superseded:
        screen.line(f"  superseded {change.superseded}")
    for finding in change.findings:
        screen.warning(f"{change.path}: {finding}")


def _index(screen: Screen, loaded: Loaded, library: Path) -> None:
    """Bring the calibration index up to date after a change by hand; the change stands whatever becomes of it."""
    from ap_masters.library.index import write_index

    try:
        write_index(library, loaded.settings.library.index_path)
    except (LibraryError, UsageError) as error:
        screen.warning(f"{error}. Run `ap-masters library index` once that is mended")
