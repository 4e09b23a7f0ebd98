"""The command report."""

import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ap_masters.cli import flags
from ap_masters.cli.arguments import Library
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.config.sources import Loaded
from ap_masters.wording import number


@with_settings(flags.KEEPING.only(flags.POLICY))
def report(
    screen: Screen,
    loaded: Loaded,
    library: Library,
    output: Annotated[Path | None, typer.Option("--output", help="Where the page goes (DIR/report.html).")] = None,
    pictures: Annotated[int, typer.Option(min=0, help="The most previews to make.")] = 100,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what stands there, even if it is no such page.")
    ] = False,
    browse: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write the HTML page of a library: coverage, trends, the sensor, what is due, previews. It works offline."""
    from ap_masters.library.scan import require_library
    from ap_masters.report import write_report

    require_library(library)
    written = write_report(
        library,
        output,
        settings=loaded.settings,
        now=datetime.now(UTC),
        pictures=pictures,
        overwrite=overwrite,
    )
    if screen.json:
        screen.document("report", report=written)
    else:
        masters, notices = number(written.masters, "master"), number(written.notices, "notice")
        screen.line(f"{written.path}: {masters}, {notices}, {len(written.due.items)} due, {written.size >> 10} KiB")
    if browse:
        webbrowser.open(written.path.resolve().as_uri())
