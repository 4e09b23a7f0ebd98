"""Text of a console log -> clean lines, without marks of time, colour, mark-up and progress."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
_MARKUP: Final = re.compile(
    r"</?(?:end|cbr|br|b|i|u|raw|sub|sup|clrbol|clreol|wrap|nowrap|show|flush|beg)>", re.IGNORECASE
)
_STAMP: Final = re.compile(r"^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] ?")


class Line(NamedTuple):
    """One line as a reader would see it, and the UTC time it was tagged with ("2026-01-29 12:34:56"), if any."""

    text: str
    time: str | None = None


def lines(text: str) -> Iterator[Line]:
    """Yield the lines of ``text`` as they would look on the screen, blank ones included."""
    for raw in re.split(r"\r?\n|\r", text):
        line = _typed(_MARKUP.sub("", _ANSI.sub("", raw)))
        match = _STAMP.match(line)
        yield Line(line[match.end() :], match[1]) if match else Line(line)


def _typed(line: str) -> str:
    """Return what is left after backspaces have moved the cursor and later characters have overwritten earlier ones."""
    if "\b" not in line:
        return line
    shown: list[str] = []
    cursor = 0
    for character in line:
        if character == "\b":
            cursor = max(0, cursor - 1)
        elif cursor < len(shown):
            shown[cursor] = character
            cursor += 1
        else:
            shown.append(character)
            cursor += 1
    return "".join(shown)
