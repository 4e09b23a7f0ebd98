"""Commands that keep a library: index, due, audit, publish, quarantine, label."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ap_masters.cli import flags
from ap_masters.cli.arguments import Library, MasterFile, Why
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.settings_files import Loaded

if TYPE_CHECKING:
    from ap_masters.library.status import Change

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

    recent = discover(frames, cache=HeaderCache.default(), exclude=[library]) if frames else None
    result = what_is_due(
        scan(library).entries,
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


@app.command()
@with_settings()
def publish(screen: Screen, loaded: Loaded, library: Library, master: MasterFile, reason: Why) -> None:
    """Publish a candidate, quarantined or superseded master by hand, with a reason."""
    from ap_masters.library import status

    suffix = loaded.settings.library.record_suffix
    _changed(screen, "publish", status.publish(library, master, reason, now=datetime.now(UTC), suffix=suffix))


@app.command()
@with_settings()
def quarantine(screen: Screen, loaded: Loaded, library: Library, master: MasterFile, reason: Why) -> None:
    """Take a master out of use, with a reason; it keeps its record."""
    from ap_masters.library import status

    suffix = loaded.settings.library.record_suffix
    _changed(screen, "quarantine", status.quarantine(library, master, reason, now=datetime.now(UTC), suffix=suffix))


@app.command()
@with_settings()
def label(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    master: MasterFile,
    add: Annotated[list[str] | None, typer.Argument(metavar="[LABEL]", help="Labels to give, such as interim.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A label to take away.")] = None,
) -> None:
    """Give a master labels such as interim, or take them away; matching can ask for them."""
    from ap_masters.library import status

    suffix = loaded.settings.library.record_suffix
    _changed(
        screen, "label", status.label(library, master, add or (), remove or (), now=datetime.now(UTC), suffix=suffix)
    )


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
