"""Commands that keep a library: index, due, audit, validate, changes by hand, import, mirror, prune."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ap_masters.cli import documents, flags
from ap_masters.cli.arguments import Library, OneMaster, Why
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_screen, with_settings
from ap_masters.errors import LibraryError, NothingToDo, UsageError
from ap_masters.files import write_text
from ap_masters.model import Frame
from ap_masters.settings_files import Loaded

if TYPE_CHECKING:
    from ap_masters.library.status import Change
    from ap_masters.library.validate import Coverage, Validation

app = typer.Typer(no_args_is_help=True, help="Keep a library of masters healthy: index, due, audit, publish and more.")


@app.command()
@with_settings(flags.KEEPING.only(flags.INDEX_PATH))
def index(screen: Screen, loaded: Loaded, library: Library) -> None:
    """Write the calibration index, as JSON and Markdown, from masters and records alone."""
    from ap_masters.library.index import write_index

    written = write_index(library, loaded.settings.library.index_path)
    if screen.json:
        screen.document("library index", index=written)
        return
    screen.line(f"{len(written.entries)} masters in {written.markdown_path} and {written.json_path}")
    for problem in written.problems:
        screen.warning(f"{problem.path}: {problem.detail}")
    for note in written.mirror:
        screen.warning(f"mirror {note.target}: {note.path}: {note.detail}")


@app.command()
@with_settings(flags.KEEPING.only(flags.POLICY))
def due(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    frames: Annotated[
        list[Path] | None,
        typer.Option("--frames", help="Folder of recent frames: tells of new settings, software and the cooler."),
    ] = None,
) -> None:
    """Show what needs a refresh and why: age, seasons, drift, the cooler, software, dependencies, new settings."""
    from ap_masters.discover import discover
    from ap_masters.header_cache import HeaderCache
    from ap_masters.library.due import due as what_is_due
    from ap_masters.library.scan import scan

    entries = scan(library).entries
    if not entries and not frames:
        raise NothingToDo(f"No master is in {library}: nothing can be due")
    recent = discover(frames, cache=HeaderCache.default(), exclude=[library]) if frames else None
    result = what_is_due(
        entries,
        loaded.settings.library,
        now=datetime.now(UTC),
        frames=(*recent.frames, *recent.lights) if recent else (),
        quality=loaded.settings.quality,
    )
    if screen.json:
        screen.document("library due", due=result, exit_code=result.exit_code)
    else:
        rows = [
            (item.path or "(no master)", item.description, r.cause, r.detail)
            for item in result.items
            for r in item.reasons
        ]
        screen.table(("master", "what", "cause", "why"), rows)
        screen.line(f"{len(result.items)} due of {result.masters} masters on {result.day} by policy {result.policy}")
    raise typer.Exit(result.exit_code)


@app.command()
@with_settings(flags.OUTPUT.only(flags.LAYOUT))
def audit(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    checksums: Annotated[
        bool, typer.Option("--checksums/--no-checksums", help="Read every master and compare it with its record.")
    ] = True,
) -> None:
    """Look for what is wrong: contradictions, orphans, missing records, duplicates, bad JSON, changed bytes."""
    from ap_masters.library.audit import audit as look

    said = loaded.origins["layout"] != "default"
    result = look(library, checksums=checksums, layout=loaded.settings.layout if said else None)
    if screen.json:
        screen.document("library audit", audit=result, exit_code=result.exit_code)
    else:
        screen.table(("fault", "file", "what"), [(fault.kind, fault.path, fault.detail) for fault in result.faults])
        screen.line(f"{len(result.faults)} faults in {result.masters} masters")
    raise typer.Exit(result.exit_code)


def _index(screen: Screen, loaded: Loaded, library: Path) -> None:
    """Bring the calibration index up to date after a change by hand; the change stands whatever becomes of it."""
    from ap_masters.library.index import write_index

    try:
        write_index(library, loaded.settings.library.index_path)
    except LibraryError as error:
        screen.warning(f"{error}. Run `ap-masters library index` once that is mended")


@app.command()
@with_settings()
def publish(screen: Screen, loaded: Loaded, words: OneMaster, reason: Why) -> None:
    """Publish a candidate, quarantined or superseded master by hand, with a reason."""
    from ap_masters.library import status

    library, master, _ = _one_master(words, most=1)
    suffix = loaded.settings.library.record_suffix
    change = status.publish(library, master, reason, now=datetime.now(UTC), suffix=suffix, settings=loaded.settings)
    _changed(screen, "publish", change)
    _index(screen, loaded, library)
    for finding in change.findings:
        screen.warning(f"{change.path}: {finding}")


@app.command()
@with_settings()
def quarantine(screen: Screen, loaded: Loaded, words: OneMaster, reason: Why) -> None:
    """Take a master out of use, with a reason; it keeps its record."""
    from ap_masters.library import status

    library, master, _ = _one_master(words, most=1)
    suffix, quality = loaded.settings.library.record_suffix, loaded.settings.quality
    done = status.quarantine(library, master, reason, now=datetime.now(UTC), suffix=suffix, quality=quality)
    _changed(screen, "quarantine", done)
    _index(screen, loaded, library)


@app.command()
@with_settings()
def label(
    screen: Screen,
    loaded: Loaded,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[DIR] MASTER [LABEL]...",
            help="A master, its library where it is not around it, and labels to give, such as interim.",
            show_default=False,
        ),
    ],
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A label to take away.")] = None,
) -> None:
    """Give a master labels such as interim, or take them away; matching can ask for them."""
    from ap_masters.library import status

    library, master, add = _one_master(words)
    suffix, quality = loaded.settings.library.record_suffix, loaded.settings.quality
    done = status.label(library, master, add, remove or (), now=datetime.now(UTC), suffix=suffix, quality=quality)
    _changed(screen, "label", done)
    _index(screen, loaded, library)


def _one_master(words: list[str], *, most: int | None = None) -> tuple[Path, Path, tuple[str, ...]]:
    """Return library, master and what follows, from ``DIR MASTER ...`` or ``MASTER ...`` inside its library."""
    from ap_masters.library.store import library_around

    first = Path(words[0])
    if first.is_dir():
        if len(words) == 1:
            raise UsageError(f"{first} is a folder: name the master in it, too")
        library, master, rest = first, Path(words[1]), tuple(words[2:])
    else:
        library, master, rest = library_around(first), first.resolve(), tuple(words[1:])
    if most is not None and len(rest) >= most:
        raise UsageError(f"One master at a time: {', '.join(rest)} is one word too many")
    return library, master, rest


def _changed(screen: Screen, verb: str, change: "Change") -> None:
    if screen.json:
        screen.document(f"library {verb}", change=change)
        return
    labels = f", labels {', '.join(change.labels)}" if change.labels else ""
    screen.line(f"{change.path}: {change.status}{labels}")
    if change.before != change.path:
        screen.line(f"  was {change.before}")
    if change.superseded:
        screen.line(f"  superseded {change.superseded}")


@app.command()
@with_settings(flags.MATCH)
def validate(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    lights: Annotated[list[Path] | None, typer.Argument(metavar="[LIGHTS]", help="Folders or files of lights.")] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="A capture plan in CSV; or a folder of lights, as an argument is.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write what is to be captured as CSV.")] = None,
    note: Annotated[bool, typer.Option("--note", help="Keep the result as a dated note in the library.")] = False,
) -> None:
    """Show whether every planned light, or every light in a folder, finds its masters; list what is missing."""
    from ap_masters.library import capture, validate
    from ap_masters.library.holdings import holdings

    if plan is not None and plan.is_dir():
        lights, plan = [*(lights or []), plan], None
    if bool(lights) == (plan is not None):
        raise UsageError("Give folders of lights, or a capture plan with --plan; one of the two")
    settings, masters = loaded.settings, holdings(library).masters
    if plan is not None:
        result = validate.validate_plan(capture.read_plan(plan), masters, settings.match, settings.counts)
    else:
        found = _lights(lights or [], library)
        result = validate.validate_lights(found, masters, settings.match, settings.counts)
    if csv is not None:
        if plan is not None and csv.exists() and csv.samefile(plan):
            raise UsageError(f"{csv}: is the plan itself; name another file for what is missing")
        write_text(csv, capture.capture_csv(result.gaps))
    written = validate.write_note(library, result, now=datetime.now(UTC)) if note else None
    if screen.json:
        view = documents.validation(result)
        screen.document("library validate", validation=view, note=written, exit_code=result.exit_code)
    else:
        _validation(screen, result)
        if written is not None:
            screen.line(f"note: {written}")
    raise typer.Exit(result.exit_code)


def _lights(inputs: list[Path], library: Path) -> tuple[Frame, ...]:
    from ap_masters.discover import discover
    from ap_masters.header_cache import HeaderCache

    found = discover(inputs, cache=HeaderCache.default(), exclude=[library]).lights
    if not found:
        raise NothingToDo(f"No light is in {', '.join(str(path) for path in inputs)}")
    return found


def _validation(screen: Screen, result: "Validation") -> None:
    screen.table(
        ("light", "dark", "frames", "flat"),
        [
            (row.description, _name(row.dark), f"{row.dark.have}/{row.dark.need}", _name(row.flat) if row.flat else "")
            for row in result.rows
        ],
    )
    for row in result.rows:
        for said in (*(row.problems if not row.served else ()), *row.warnings):
            screen.warning(f"{row.description}: {said}")
    screen.table(
        ("capture", "type", "camera", "binning", "exposure", "gain", "offset", "set-point", "filter", "why"),
        [
            (
                str(gap.count),
                gap.type,
                gap.camera or "",
                gap.binning or "",
                *("" if v is None else f"{v:g}" for v in (gap.exposure, gap.gain, gap.offset, gap.temperature)),
                gap.filter or "",
                gap.reason,
            )
            for gap in result.gaps
        ],
    )
    screen.line(f"{sum(row.served for row in result.rows)} of {len(result.rows)} kinds of light find their masters")


def _name(coverage: "Coverage") -> str:
    return Path(coverage.master).name if coverage.master else "missing"


@app.command("import")
@with_settings(flags.OUTPUT.only(flags.LAYOUT))
def import_masters(
    screen: Screen,
    loaded: Loaded,
    source: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="A folder of masters.", show_default=False, exists=True, file_okay=False),
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
    if any(item.action in {"imported", "quarantined"} for item in report.items):
        _index(screen, loaded, library)
    raise typer.Exit(report.exit_code)


@app.command()
@with_screen
def mirror(
    screen: Screen,
    library: Library,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder of the copy.", show_default=False)],
    quick: Annotated[
        bool, typer.Option("--quick", help="Believe size and time of copies that were verified once.")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Replace damaged copies from a sound source.")] = False,
) -> None:
    """Bring a one-way copy of the library up to date and verify it; safe to interrupt and to run from a timer."""
    from ap_masters.library.mirror import mirror as copy

    report = copy(library, target, quick=quick, repair=repair)
    if screen.json:
        screen.document("library mirror", report=report, exit_code=report.exit_code)
    else:
        counts = Counter(file.action for file in report.files)
        screen.table(
            ("action", "file", "what"),
            [(f.action, f.path, f.detail) for f in report.files if screen.verbose or f.detail],
        )
        screen.line(
            ", ".join(f"{number} {action}" for action, number in counts.items())
            + f", {report.bytes_copied >> 20} MiB copied, checked by {report.checked}"
        )
    raise typer.Exit(report.exit_code)


@app.command()
@with_settings()
def prune(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    apply: Annotated[bool, typer.Option("--apply", help="Delete them; without this they are only listed.")] = False,
) -> None:
    """List raw frames that no master in use needs and that are older than a season; delete them with --apply."""
    from ap_masters.library.prune import prune as what_may_go

    season = loaded.settings.library.season_days
    result = what_may_go(library, now=datetime.now(UTC), season_days=season, apply=apply)
    if screen.json:
        screen.document("library prune", prune=result)
        raise typer.Exit(result.exit_code)
    shown = [frame for frame in result.frames if screen.verbose or frame.verdict in {"droppable", "dropped"}]
    screen.table(("verdict", "frame", "why"), [(frame.verdict, str(frame.path), frame.detail) for frame in shown])
    screen.line(", ".join(f"{number} {verdict}" for verdict, number in result.counts.items()) or "no frame on record")
    size = f"{result.freed_bytes >> 20} MiB"
    screen.line(f"{size} freed" if apply else f"{size} could go (--apply deletes)")
    for path in result.unreadable:
        screen.warning(f"{path}: no record that can be read, so nothing is dropped")
    raise typer.Exit(result.exit_code)
