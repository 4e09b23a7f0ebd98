"""docs/requirements.md is complete, and every test it names is there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
PAGE: Final = (TESTS.parent / "docs" / "requirements.md").read_text(encoding="utf-8")

# The hard statements of each document, by number; the others are policies, advice, or the camera's business.
HARD: Final = {
    "S0": "4-6 10 14-16 18 23-25 27-34",
    "S1": "1 4 5 8-12 14-17 19 22 23 25-27 29 31 32",
    "S2": "1-9 11 14-16 18-25 27 31-39 43 48-53 55 57-61 64",
    "S3": "1-19 23 25",
    "S4": "1-23",
}


def numbered(document: str, numbers: str) -> Iterator[str]:
    """Yield the rows of a document: ``S0-04`` and so on."""
    for part in numbers.split():
        first, _, last = part.partition("-")
        yield from (f"{document}-{number:02}" for number in range(int(first), int(last or first) + 1))


HARD_ROWS: Final = [row for document, numbers in HARD.items() for row in numbered(document, numbers)]
ROWS: Final = re.findall(r"^\| (S\d-\d\d) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_"))


def test_every_hard_statement_has_a_row() -> None:
    """Each once, in order."""
    assert len(HARD_ROWS) == 129
    assert [row for row, _, _ in ROWS] == HARD_ROWS


@pytest.mark.parametrize(("row", "text", "held_by"), ROWS, ids=[row for row, _, _ in ROWS])
def test_every_row_is_held_by_tests_that_exist(row: str, text: str, held_by: str) -> None:
    """A row without a test says that it is open, and why."""
    named = re.findall(r"`([\w/.]+)::(test_\w+)`", held_by)

    assert text.strip()
    assert named or re.match(r"open: .{10,}", held_by), row
    assert [(file, name) for file, name in named if name not in names_in(TESTS / file)] == []
