"""The command doctor."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ap_masters.cli import flags
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.config import sources
from ap_masters.config.sources import Loaded
from ap_masters.errors import PixInsightError

if TYPE_CHECKING:
    from ap_masters.doctor import Health


@with_settings(flags.ENGINE, flags.PIXINSIGHT)
def doctor(screen: Screen, loaded: Loaded) -> None:
    """Show whether PixInsight is there, which version and slots, what is installed and configured, and what to do."""
    from ap_masters.doctor import examine_machine

    health = examine_machine(loaded.settings)
    if screen.json:
        screen.document("doctor", health=health, settings=loaded.settings, origins=_changed(loaded), files=loaded.files)
    else:
        _print(screen, loaded, health)
    if not health.ready:
        raise typer.Exit(PixInsightError.exit_code)


def _print(screen: Screen, loaded: Loaded, health: "Health") -> None:
    facts = health.pixinsight
    slots = ", ".join(map(str, facts.slots_in_use)) or "none"
    project = sources.project_file(Path.cwd())
    rows = [
        ("ap-masters", health.version),
        ("Python", health.python),
        ("system", f"{health.system}, {health.cores} cores"),
        ("memory", f"{health.memory_free >> 20} MiB free, {health.memory_budget >> 20} MiB for integration"),
        ("packages", ", ".join(f"{name} {version}" for name, version in health.packages.items())),
        ("engine", health.engine),
        ("PixInsight", str(facts.binary or "not found")),
        ("looked at", ", ".join(map(str, facts.looked_at))),
        ("version", facts.version or "not known before it has run once"),
        ("slots in use", slots),
        ("display", facts.display or ("virtual, by xvfb-run" if facts.xvfb_run else "none")),
        ("your settings", str(sources.user_file(os.environ))),
        ("project settings", str(project or "none")),
        ("profile", loaded.settings.profile),
    ]
    screen.table(("", ""), rows)
    for name, origin in _changed(loaded).items():
        screen.line(f"set: {name} by {origin}")
    for note in (*facts.notes, *health.notes):
        screen.line(f"- {note}")


def _changed(loaded: Loaded) -> dict[str, str]:
    return {name: origin for name, origin in loaded.origins.items() if origin != "default"}
