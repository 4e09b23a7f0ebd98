"""The program: every command, in the order in which ``--help`` lists them."""

from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from ap_masters import __version__

# Where each command stands; it is imported when it is asked for, so that none waits for the others.
_COMMANDS: Final = {
    "demo": "building",
    "scan": "scanning",
    "plan": "building",
    "build": "building",
    "script": "building",
    "combine": "combining",
    "match": "matching",
    "inspect": "inspecting",
    "watch": "watching",
    "report": "reporting",
    "doctor": "doctoring",
}
_GROUPS: Final = {"defects": "defects", "library": "library", "config": "settings"}


class _Command(TyperCommand):
    """A command that says, where it takes INPUT... and OUTPUT and got one of them, that it takes both."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; a single one goes to OUTPUT, so that INPUT passes for the missing one."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            both = {"inputs", "output"} <= {param.name for param in self.params}
            is_missing = type(error) is not typer.BadParameter  # click's MissingParameter is one of them
            if both and is_missing and error.param is not None and error.param.name == "inputs":
                error.param_hint = "INPUT or OUTPUT"
                error.message = "Give what to read, and OUTPUT behind it."
            raise


def application(word: str | None = None) -> typer.Typer:
    """Return the program with all its commands; with that one alone where ``word`` names one."""
    app = typer.Typer(
        name="ap-masters",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_program)
    alone = word in _COMMANDS or word in _GROUPS
    for name, module in _COMMANDS.items():
        if name == word or not alone:
            app.command(name, cls=_Command)(getattr(_room(module), name))
    for name, module in _GROUPS.items():
        if name == word or not alone:
            app.add_typer(_room(module).app, name=name)
    return app


def command_of(arguments: list[str]) -> str:
    """Return the command that a command line names, as its document does: ``build``, ``library due``."""
    words = [word for word in arguments if not word.startswith("-")]
    named = 2 if words and words[0] in _GROUPS else 1
    if words[:1] == ["defects"] and words[1:2] not in (["find"], ["diff"]):
        words.insert(1, "find")
    return " ".join(words[:named])


def _room(module: str) -> ModuleType:
    return import_module(f"ap_masters.cli.{module}")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ap-masters {__version__}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Build and keep a library of master bias, dark, dark flat and flat frames."""
