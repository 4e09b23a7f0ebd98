"""The screen: results on standard output, messages on standard error, as a terminal, a pipe or a program wants them."""

import json as json_module
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

from pydantic_core import to_jsonable_python

from ap_masters.safe import one_line

SCHEMA_VERSION: Final = 1

_LEVELS: Final = (logging.WARNING, logging.INFO, logging.DEBUG)

# What a word looks like where colours are shown.
_STYLES: Final = {
    "create": "green",
    "rebuild": "yellow",
    "conflict": "bold red",
    "skipped": "yellow",
    "waiting": "yellow",
    "Success": "green",
    "Failed": "bold red",
    "Skipped": "dim",
    "published": "green",
    "quarantined": "bold red",
    "refused": "red",
    "taken": "green",
    "due": "yellow",
}


class Screen:
    """Where a command prints. With ``json`` the only thing on standard output is one JSON document."""

    def __init__(self, *, json: bool = False, quiet: bool = False, verbose: int = 0) -> None:
        """Set the level of the log on standard error: warnings, with -v information, with -vv everything."""
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        ours = logging.getLogger("ap_masters")
        ours.handlers = [_OneLine()]
        ours.setLevel(_LEVELS[min(verbose, 2)])

    def document(self, command: str, **content: Any) -> None:
        """Print the one JSON document: ``schema_version``, ``command`` and ``content``; nouns become objects."""
        whole = {"schema_version": SCHEMA_VERSION, "command": command} | content
        data = to_jsonable_python(whole, by_alias=True, inf_nan_mode="null")
        print(json_module.dumps(data, indent=1, allow_nan=False))

    def line(self, text: str = "") -> None:
        """Print one line of a result; leading spaces indent it."""
        if not self.json:
            print(" " * (len(text) - len(text.lstrip(" "))) + one_line(text))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table of a result: drawn on a terminal, plain columns in a pipe. Cells may hold foreign text."""
        if self.json or not rows:
            return
        cells = [[one_line(cell) for cell in row] for row in rows]
        if is_terminal(sys.stdout):
            _draw(columns, cells)
        else:
            print("\n".join(_columns([list(columns), *cells] if any(columns) else cells)))

    def note(self, text: str) -> None:
        """Say on standard error what is going on, unless quiet was asked for."""
        if not self.quiet:
            print(one_line(text), file=sys.stderr, flush=True)

    def warning(self, text: str) -> None:
        """Say on standard error what the user should know."""
        print(f"warning: {one_line(text)}", file=sys.stderr, flush=True)


def is_terminal(stream: TextIO) -> bool:
    """Return whether ``stream`` is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, not str: brackets in a header or a file name are not markup.
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console().print(table)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class _OneLine(logging.Handler):
    """Messages of the log on standard error, printable and on one line each, whatever file they quote."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message. The stream is looked up anew: tests and programs around this one replace it."""
        for line in self.format(record).splitlines():
            print(f"{record.levelname.lower()}: {one_line(line)}", file=sys.stderr, flush=True)


def error_document(command: str, message: str, exit_code: int) -> Mapping[str, Any]:
    """Return what ``--json`` prints when a command fails."""
    error = {"message": message, "exit_code": exit_code}
    return {"schema_version": SCHEMA_VERSION, "command": command, "error": error}
