"""Commands that look over a library: index, due, audit, validate."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ap_masters.cli import documents, flags
from ap_masters.cli.arguments import Library
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.config.sources import Loaded
from ap_masters.errors import NothingToDo, UsageError
from ap_masters.files import write_named
from ap_masters.model import Frame, Reason
from ap_masters.wording import degrees, number

if TYPE_CHECKING:
    from ap_masters.library.validate import Coverage, Validation


@with_settings(flags.KEEPING.only(flags.INDEX_PATH))
def index(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what stands there, even if it is no index.")
    ] = False,
) -> None:
    """Write the calibration index, as JSON and Markdown, from masters and records alone."""
    from ap_masters.library.index import write_index
    from ap_masters.library.scan import require_library

    require_library(library)
    written = write_index(library, loaded.settings.library.index_path, overwrite=overwrite)
    if screen.json:
        screen.document("library index", index=written)
        return
    screen.line(f"{number(len(written.entries), 'master')} in {written.markdown_path} and {written.json_path}")
    for problem in written.problems:
        screen.warning(f"{problem.path}: {problem.detail}")
    for note in written.mirror:
        screen.warning(f"mirror {note.target}: {note.path}: {note.detail}")


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
        masters = number(result.masters, "master")
        retired = f" ({result.retired} retired)" if result.retired else ""
        screen.line(f"{len(result.items)} due of {masters}{retired} on {result.day} by policy {result.policy}")
    raise typer.Exit(result.exit_code)


@with_settings(flags.OUTPUT.only(flags.LAYOUT))
def audit(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    checksums: Annotated[
        bool,
        typer.Option(
            "--checksums/--no-checksums", help="Read every master, and compare it with its record or its own checksum."
        ),
    ] = True,
) -> None:
    """Look for what is wrong: contradictions, orphans, missing records, duplicates, bad JSON, changed bytes."""
    from ap_masters.library.audit import audit as look
    from ap_masters.library.scan import require_library

    require_library(library)
    said = loaded.origins["layout"] != "default"
    result = look(library, checksums=checksums, layout=loaded.settings.layout if said else None)
    if screen.json:
        screen.document("library audit", audit=result, exit_code=result.exit_code)
    else:
        screen.table(("fault", "file", "what"), [(fault.kind, fault.path, fault.detail) for fault in result.faults])
        screen.line(f"{number(len(result.faults), 'fault')} in {number(result.masters, 'master')}")
    raise typer.Exit(result.exit_code)


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
        result = validate.validate_lights(found, masters, settings.match, settings.counts, settings.cull)
    if csv is not None:
        if plan is not None and csv.exists() and csv.samefile(plan):
            raise UsageError(f"{csv}: is the plan itself; name another file for what is missing")
        write_named(csv, capture.capture_csv(result.gaps))
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

    found = discover(inputs, cache=HeaderCache.default(), exclude=[library])
    if not found.lights:
        told = f"No light is in {', '.join(str(path) for path in inputs)}"
        if silent := sum(aside.reason is Reason.UNKNOWN_TYPE for aside in found.set_aside):
            does = "does not say what it is" if silent == 1 else "do not say what they are"
            told += f". {number(silent, 'file')} {does}: set IMAGETYP, or move lights to a folder named 'lights'"
        raise NothingToDo(told)
    return found.lights


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
        ("capture", "type", "camera", "binning", "exposure", "gain", "offset", "ISO", "set-point", "filter", "why"),
        [
            (
                str(gap.count),
                gap.type,
                " ".join(filter(None, (gap.camera, gap.camera_id))),
                gap.binning or "",
                *("" if v is None else f"{v:g}" for v in (gap.exposure, gap.gain, gap.offset, gap.iso)),
                "" if gap.temperature is None else degrees(gap.temperature, ""),
                gap.filter or "",
                gap.reason,
            )
            for gap in result.gaps
        ],
    )
    screen.line(f"{sum(row.served for row in result.rows)} of {len(result.rows)} kinds of light find their masters")


def _name(coverage: "Coverage") -> str:
    return Path(coverage.master).name if coverage.master else "missing"
