"""The command match."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from ap_masters.cli import documents, flags
from ap_masters.cli.arguments import there
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.config import MatchSettings
from ap_masters.config.sources import Loaded
from ap_masters.errors import AttentionNeeded, UsageError
from ap_masters.garbage import no_garbage
from ap_masters.model import Decision, Frame, FrameType, Master

if TYPE_CHECKING:
    from collections.abc import Sequence


@with_settings(flags.MATCH)
def match(
    screen: Screen,
    loaded: Loaded,
    frame: Annotated[Path, typer.Argument(metavar="FRAME", help="A flat or a light.", show_default=False)],
    library: Annotated[
        Path, typer.Option("--library", metavar="DIR", help="Where masters are looked for.", callback=there)
    ],
    serve: Annotated[
        Literal["flats", "lights", "flat", "light"] | None,
        typer.Option(
            "--for",
            metavar="[flats|lights]",
            help="What FRAME is, whatever its header says; a warning tells where it differs.",
        ),
    ] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="Only masters that carry this label.")] = None,
) -> None:
    """Show which masters serve a flat or a light, and for every other candidate the one field that decided."""
    from ap_masters.group.cull import off_set_point
    from ap_masters.headers import overruled
    from ap_masters.inspection import read_frame
    from ap_masters.library.holdings import given_folders, holdings

    asked = read_frame(frame)
    is_light = serve.startswith("light") if serve else _is_light(asked)
    with no_garbage():  # a decision for each of ten thousand masters, and then the program ends
        masters = holdings(library, given=given_folders(loaded.settings)).masters
        told = _served(asked, is_light, masters, loaded.settings.match, label or [])
        if off := off_set_point(asked, loaded.settings.cull.drop_temperature_c):
            told = told._replace(warnings=(f"{asked.path.name}: {off}: a build drops such frames", *told.warnings))
        if serve:
            taken = FrameType.LIGHT if is_light else FrameType.FLAT
            told = told._replace(warnings=(*overruled([asked], taken), *told.warnings))
        _show(screen, asked, told)
    if told.problems:
        raise typer.Exit(AttentionNeeded.exit_code)


class _Told(NamedTuple):
    """The masters by type, and what there is to say of the choice."""

    served: dict[str, Path | None]
    decisions: "Sequence[Decision]"
    warnings: "Sequence[str]"
    problems: "Sequence[str]"


def _show(screen: Screen, asked: Frame, told: _Told) -> None:
    if screen.json:
        screen.document(
            "match",
            frame=documents.frame(asked),
            masters=told.served,
            decisions=documents.decisions(told.decisions),
            warnings=told.warnings,
            problems=told.problems,
        )
        return
    screen.table(
        ("verdict", "master", "decided by", "reason"),
        [(d.verdict, d.subject, d.field or "", d.reason) for d in told.decisions],
    )
    for warning in (*told.warnings, *told.problems):
        screen.warning(warning)


def _is_light(frame: Frame) -> bool:
    if frame.type in {FrameType.FLAT, FrameType.LIGHT}:
        return frame.type is FrameType.LIGHT
    what = f"is a {frame.type}" if frame.type else "does not say what it is"
    raise UsageError(f"{frame.path}: {what}; masters serve flats and lights (say which with --for)")


def _served(
    frame: Frame,
    is_light: bool,
    masters: "Sequence[Master]",
    settings: MatchSettings,
    labels: "Sequence[str]",
) -> _Told:
    from ap_masters.match import match_flat, match_light, single

    if is_light:
        light = match_light(frame, masters, settings, labels=labels)
        chosen = {"bias": light.bias, "dark": light.dark, "flat": light.flat}
        paths = {kind: master.path if master else None for kind, master in chosen.items()}
        return _Told(paths, light.decisions, light.warnings, light.problems)
    flat = match_flat(single(frame), masters, settings, labels=labels)
    taken = flat.calibration
    paths = {
        "bias": taken.bias.path if taken and taken.bias else None,
        "dark": taken.dark.path if taken and taken.dark else None,
    }
    return _Told(paths, flat.decisions, flat.warnings, (flat.problem,) if flat.problem else ())
