"""The screen: one document for programs, tables for terminals, columns for pipes, and no harm from foreign text."""

import io
import json
import logging
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ap_masters.cli.display import Screen
from ap_masters.model import FrameType, GroupKey
from tests.program import Run

HOSTILE = "[bold]M31[/bold]\n\x1b[31m"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def table_on(stream: io.StringIO, rows: list[tuple[str, str]]) -> str:
    with redirect_stdout(stream):
        Screen().table(("state", "master"), rows)
    return stream.getvalue()


def test_a_pipe_gets_plain_columns() -> None:
    """A line for each row, as a script or a log file likes it."""
    text = table_on(io.StringIO(), [("create", "a.xisf"), ("up to date", "b.xisf")])

    assert text.splitlines() == ["state       master", "create      a.xisf", "up to date  b.xisf"]


def test_a_terminal_gets_a_drawn_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreign text is shown, neither as markup nor as a command."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    text = table_on(Terminal(), [("create", HOSTILE)])

    assert "[bold]M31[/bold]" in text
    assert "\x1b[31m" not in text
    assert "─" in text


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is obeyed: no colour in the table."""
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = table_on(Terminal(), [("create", "a.xisf")])
    monkeypatch.setenv("NO_COLOR", "1")
    plain = table_on(Terminal(), [("create", "a.xisf")])

    assert "\x1b[32m" in coloured
    assert "\x1b[32m" not in plain


def test_an_empty_table_is_nothing() -> None:
    """No heading without rows."""
    assert table_on(io.StringIO(), []) == ""


def test_json_prints_one_document_and_nothing_else() -> None:
    """Nouns become objects, times and paths text; lines and tables stay away; NaN is null."""
    out = io.StringIO()
    with redirect_stdout(out):
        screen = Screen(json=True)
        screen.line("chatter")
        screen.table(("a",), [("b",)])
        screen.document(
            "test",
            key=GroupKey(type=FrameType.DARK, gain=100),
            at=datetime(2026, 1, 29, tzinfo=UTC),
            path=Path("a b/ü.fits"),
            level=float("nan"),
        )
    document = json.loads(out.getvalue())

    assert document["schema_version"] == 1
    assert document["command"] == "test"
    assert document["key"]["gain"] == 100
    assert document["at"] == "2026-01-29T00:00:00Z"
    assert Path(document["path"]) == Path("a b/ü.fits")
    assert document["level"] is None
    assert out.getvalue().isascii()


def test_messages_go_to_standard_error() -> None:
    """Notes are chatter and end with -q; warnings stay."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        Screen().note("one\x1b[2J")
        Screen(quiet=True).note("two")
        Screen(quiet=True).warning("three\nfour")

    assert out.getvalue() == ""
    assert err.getvalue().splitlines() == ["one [2J", "warning: three four"]


@pytest.mark.parametrize(
    ("verbose", "seen"),
    [(0, ["warning: w"]), (1, ["info: i", "warning: w"]), (2, ["debug: d", "info: i", "warning: w"])],
)
def test_verbose_shows_the_log(verbose: int, seen: list[str]) -> None:
    """-v information, -vv everything; each on one line."""
    log = logging.getLogger("ap_masters.test")
    err = io.StringIO()
    with redirect_stderr(err):
        Screen(verbose=verbose)
        log.debug("d")
        log.info("i")
        log.warning("w")

    assert err.getvalue().splitlines() == seen


@pytest.mark.parametrize("command", ["build", "plan", "combine"])
def test_help_names_types_as_people_do(run: Run, command: str) -> None:
    """A number with a range is a number; what Python calls it is nobody's business."""
    help_text = run(command, "--help").out

    assert "--sigma-low" in help_text or command == "combine"
    assert "Annotated" not in help_text
    assert "FieldInfo" not in help_text
