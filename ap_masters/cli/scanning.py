"""The command scan."""

import typer

from ap_masters.cli import documents, flags, show
from ap_masters.cli.arguments import Inputs
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.config.sources import Loaded
from ap_masters.errors import NothingToDo


@with_settings(flags.GROUPING)
def scan(screen: Screen, loaded: Loaded, inputs: Inputs) -> None:
    """Show what is there: frames by group, and what was set aside and why."""
    from ap_masters.header_cache import HeaderCache
    from ap_masters.survey import gather, no_frames

    found, grouping = gather(inputs, loaded.settings, cache=HeaderCache.default())
    set_aside = (*found.set_aside, *grouping.set_aside)
    warnings = (*found.warnings, *grouping.warnings)
    if screen.json:
        screen.document(
            "scan",
            groups=[documents.group(group) for group in grouping.groups],
            frames=len(found.frames),
            lights=len(found.lights),
            masters=[frame.path for frame in found.masters],
            types_seen=found.types_seen,
            set_aside=documents.set_aside(set_aside),
            warnings=warnings,
        )
    else:
        show.groups(screen, grouping.groups)
        show.set_aside(screen, set_aside)
        for warning in warnings:
            screen.warning(warning)
    if not found.frames:
        screen.warning(no_frames(inputs, found))
        raise typer.Exit(NothingToDo.exit_code)
