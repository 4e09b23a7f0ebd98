"""The console: mark-up, the log with its time stamps, and a copy of everything for the curious."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from tests.simulator.settings import Settings

_STARS = "*" * 80
_MARKUP = re.compile(r"<raw>(.*?)</raw>|<end><cbr>|<(br|/?b|/?i|/?u|wrap|flush|show|hide)/?>", re.DOTALL)


class Console:
    """What ``Console`` writes goes here; nothing of it ever reaches standard output."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._line = ""
        self._log: list[str] | None = None
        self._file: IO[str] | None = None
        self._path: Path | None = None

    # --- writing ------------------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Write with mark-up; a line goes to the log once it is complete."""
        start = 0
        for tag in _MARKUP.finditer(text):
            self._plain(text[start : tag.start()])
            self._tag(tag)
            start = tag.end()
        self._plain(text[start:])

    def line(self, text: str = "") -> None:
        """Write one line."""
        self.write(text + "\n")

    def lines(self, text: str) -> None:
        """Write several lines as they stand, without mark-up."""
        for line in text.split("\n"):
            self._plain(line + "\n")

    def path(self, path: str) -> None:
        """Write a path on a line of its own; it may hold anything."""
        self._plain(path + "\n")

    def error(self, message: str) -> None:
        """Write an error as PixInsight's own exceptions do."""
        self._fresh_line()
        self._plain(f"*** Error: {message}\n")

    def warning(self, message: str) -> None:
        """Write a warning as PixInsight's processes do."""
        self._fresh_line()
        self._plain(f"** Warning: {message}\n")

    def _tag(self, tag: re.Match[str]) -> None:
        if tag[1] is not None:
            self._plain(tag[1])
        elif tag[0].startswith("<end>"):
            self._fresh_line()
        elif tag[2] == "br":
            self._plain("\n")

    def _fresh_line(self) -> None:
        if self._line:
            self._plain("\n")

    def _plain(self, text: str) -> None:
        *complete, self._line = (self._line + text).split("\n")
        for line in complete:
            self._finish(line)

    def _finish(self, line: str) -> None:
        if self._settings.console is not None:
            with self._settings.console.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        if self._log is not None:
            self._record(f"[{datetime.now(UTC):%Y-%m-%d %H:%M:%S}] {line}")

    # --- the log ------------------------------------------------------------------------------------------

    def begin_log(self, path: str | None) -> None:
        """Start a log, in memory or in a file. Raises OSError where the file cannot be made."""
        self.end_log()
        self._path = Path(path) if path else None
        if self._path is not None:
            self._file = self._path.open("w", encoding="utf-8", newline="\n")  # closed in end_log
        self._log = []
        for text in (_STARS, self._settings.title, _STARS):
            self._record(text)

    def _record(self, text: str) -> None:
        assert self._log is not None
        self._log.append(text)
        if self._file is not None and self._settings.log_grows:
            self._file.write(text + "\n")
            self._file.flush()

    def log_text(self) -> str:
        """Return the log so far."""
        return "".join(f"{line}\n" for line in self._log or [])

    def end_log(self) -> str:
        """End the log and return its text, empty when there was none."""
        if self._log is None:
            return ""
        self._fresh_line()
        text = self.log_text()
        if self._file is not None:
            if not self._settings.log_grows:
                self._file.write(text)
            self._file.close()
        self._log = self._file = self._path = None
        return text
