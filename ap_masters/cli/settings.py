"""Commands about settings: config show, config path."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ap_masters.cli import flags
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_screen, with_settings
from ap_masters.config import sources
from ap_masters.config.sources import Loaded

app = typer.Typer(no_args_is_help=True, help="Settings: what is in force, and the files it comes from.")


@app.command()
@with_settings(*flags.ALL)
def show(
    screen: Screen,
    loaded: Loaded,
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value was said.")] = False,
) -> None:
    """Show the settings in force, after flags, environment, files and profile."""
    values = sources.values(loaded.settings)
    if screen.json:
        entries = {name: {"value": value, "origin": loaded.origins[name]} for name, value in values.items()}
        screen.document("config show", settings=entries, files=loaded.files)
    elif origin:
        rows = [(name, _text(value), loaded.origins[name]) for name, value in values.items()]
        screen.table(("setting", "value", "origin"), rows)
    else:
        screen.table(("setting", "value"), [(name, _text(value)) for name, value in values.items()])


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@app.command()
@with_screen
def path(screen: Screen) -> None:
    """Show where settings files are looked for, and which of them are there."""
    user, project = sources.user_file(os.environ), sources.project_file(Path.cwd())
    places = {"user": user, "project": project or Path.cwd() / sources.FILE_NAME}
    if screen.json:
        files = {name: {"path": place, "exists": place.is_file()} for name, place in places.items()}
        screen.document("config path", files=files)
    else:
        rows = [(name, str(place), "there" if place.is_file() else "not there") for name, place in places.items()]
        screen.table(("file", "path", ""), rows)
