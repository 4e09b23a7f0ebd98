"""The program: every command, in the order in which ``--help`` lists them."""

from typing import Annotated

import typer

from ap_masters import __version__
from ap_masters.cli import (
    building,
    combining,
    defects,
    doctoring,
    inspecting,
    library,
    looking,
    matching,
    reporting,
    settings,
    watching,
)

app = typer.Typer(
    name="ap-masters",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ap-masters {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Build and keep a library of master bias, dark, dark flat and flat frames."""


for command in (
    building.demo,
    looking.scan,
    building.plan,
    building.build,
    building.script,
    combining.combine,
    matching.match,
    inspecting.inspect,
    reporting.report,
    watching.watch,
    doctoring.doctor,
):
    app.command()(command)
app.add_typer(defects.app, name="defects")
app.add_typer(library.app, name="library")
app.add_typer(settings.app, name="config")
