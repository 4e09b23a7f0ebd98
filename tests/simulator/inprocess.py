"""The simulator without its processes: for tests of what a script does, which need no launch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.simulator.console import Console
from tests.simulator.faults import Faults
from tests.simulator.runtime import Runtime
from tests.simulator.settings import Settings


class Simulator:
    """Runs scripts in this process; ``folder`` holds scripts and state. Windows stay open from script to script."""

    def __init__(
        self, folder: Path, *, version: str = "1.9.4", javascript: str = "sm", fault: str = "", **changes: Any
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        settings = replace(
            Settings.read(),
            version=tuple(int(part) for part in version.split(".")),
            javascript=javascript,
            fault=fault,
            state=folder,
            console=folder / "console.txt",
            **changes,
        )
        self._transcript = folder / "console.txt"
        self._scripts = folder
        self._runtime = Runtime(settings, Console(settings), Faults(settings), 1)

    def run(self, text: str, *arguments: str) -> str:
        """Run a script; return what the console showed meanwhile."""
        path = self._scripts / "script.js"
        path.write_bytes(text.encode())
        return self.run_file(path, *arguments)

    def run_file(self, path: Path, *arguments: str) -> str:
        """Run a script that lies in a file; return what the console showed meanwhile."""
        before = len(self._shown())
        self._runtime.run(path, arguments)
        return self._shown()[before:].partition(f"Processing script file: {path.as_posix()}\n")[2]

    def _shown(self) -> str:
        return self._transcript.read_text(encoding="utf-8") if self._transcript.exists() else ""
