"""From flags to settings: gives a command its flags, and hands it the settings in force and the screen instead."""

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from ap_masters.cli.display import Screen
from ap_masters.cli.flags import Family, Flag
from ap_masters.config import sources
from ap_masters.config.sources import Given, Loaded

P = ParamSpec("P")

_GENERAL: Final = "General"

_SCREEN: Final[dict[str, tuple[Any, Any]]] = {
    "json": (Annotated[bool, typer.Option("--json", help="Print one JSON document.", rich_help_panel=_GENERAL)], False),
    "quiet": (
        Annotated[bool, typer.Option("--quiet", "-q", help="Results and problems only.", rich_help_panel=_GENERAL)],
        False,
    ),
    "verbose": (
        Annotated[
            int,
            typer.Option("--verbose", "-v", count=True, help="Say more; -vv shows the log.", rich_help_panel=_GENERAL),
        ],
        0,
    ),
}

_SETTINGS: Final[dict[str, tuple[Any, Any]]] = {
    "profile": (
        Annotated[
            str | None,
            typer.Option(
                help="Values of a way of working: ap, nina, playbook, anawbpps, pulsar, or your own.",
                rich_help_panel=_GENERAL,
            ),
        ],
        None,
    ),
    "config": (
        Annotated[
            Path | None,
            typer.Option(help="Settings file, in place of the project's ap-masters.toml.", rich_help_panel=_GENERAL),
        ],
        None,
    ),
}


def with_screen(command: Callable[Concatenate[Screen, P], None]) -> Callable[..., None]:
    """Give ``command`` the flags --json, -q and -v; it takes the screen as its first argument."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        command(_screen(kwargs), *args, **kwargs)

    _declare(run, command, taken=1, added=_SCREEN)
    return run


def with_settings(*families: Family) -> Callable[[Callable[Concatenate[Screen, Loaded, P], None]], Callable[..., None]]:
    """Give a command the flags of ``families``; it takes the screen and the settings in force as first arguments."""
    rows = {row.setting.replace(".", "__"): (family.title, row) for family in families for row in family.flags}
    flags = {parameter: (_option(row, title), None) for parameter, (title, row) in rows.items()}

    def give(command: Callable[Concatenate[Screen, Loaded, P], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> None:
            screen = _screen(kwargs)
            profile, config = kwargs.pop("profile"), kwargs.pop("config")
            given = {row.setting: (row, kwargs.pop(parameter)) for parameter, (_, row) in rows.items()}
            loaded = sources.load(flags=_said(profile, given), file=config)
            command(screen, loaded, *args, **kwargs)

        _declare(run, command, taken=2, added=flags | _SETTINGS | _SCREEN)
        return run

    return give


def _said(profile: str | None, given: dict[str, tuple[Flag, Any]]) -> dict[str, Given]:
    """Return what the command line said, by setting; a flag that was not given says nothing."""
    said = {} if profile is None else {"profile": Given(profile, "flag --profile")}
    for row, value in given.values():
        if value is not None:
            origin = f"flag {row.names[0].partition('/')[0]}"
            said |= {name: Given(value, origin) for name in (row.setting, *row.also)}
    return said


def _screen(kwargs: dict[str, Any]) -> Screen:
    return Screen(json=kwargs.pop("json"), quiet=kwargs.pop("quiet"), verbose=kwargs.pop("verbose"))


def _option(row: Flag, title: str) -> Any:
    """Return the annotation typer reads a flag from; its type is that of the setting."""
    option = typer.Option(*row.names, help=row.help, rich_help_panel=title, show_default=False)
    return Annotated[_typed(sources.annotation(row.setting)) | None, option]


def _typed(annotation: Any) -> Any:
    """Return what one flag can hold of a setting's type: the type without None; a list is one text, as a,b."""
    united = typing.get_origin(annotation) in {UnionType, typing.Union}
    kinds = typing.get_args(annotation) if united else (annotation,)
    (kind,) = (kind for kind in kinds if kind is not NoneType)
    if typing.get_origin(kind) is Annotated:  # a number with its range: pydantic refuses what is beyond, by name
        kind = typing.get_args(kind)[0]
    return str if typing.get_origin(kind) is tuple else kind


def _declare(
    run: Callable[..., None], command: Callable[..., None], *, taken: int, added: dict[str, tuple[Any, Any]]
) -> None:
    """Show typer a signature without the first ``taken`` parameters and with the ``added`` ones at the end."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[taken:]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in added.items()
    ]
    run.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *more)}
