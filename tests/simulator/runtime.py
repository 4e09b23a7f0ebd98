"""Runs a script in a JavaScript engine and answers the calls of ``runtime.js``."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import quickjs

from tests.simulator import calibration, files, integration, windows
from tests.simulator.console import Console
from tests.simulator.faults import Faults, crash
from tests.simulator.parameters import Refused, Values, check, defaults, table
from tests.simulator.script import Script, ScriptError, load
from tests.simulator.settings import Settings
from tests.simulator.workspace import ProcessError, Workspace

_REFUSALS: dict[str, Callable[[Values], str | None]] = {
    "ImageIntegration": integration.refusal,
    "ImageCalibration": calibration.refusal,
}
_PLATFORMS = {"win32": "MSWINDOWS", "darwin": "MACOSX"}


class Runtime:
    """The application as scripts see it; windows outlive the script that made them."""

    def __init__(self, settings: Settings, console: Console, faults: Faults, slot: int) -> None:
        self._settings = settings
        self._console = console
        self._faults = faults
        self._slot = slot
        self._workspace = Workspace(console, faults)

    def run(self, path: Path, arguments: Sequence[str]) -> None:
        """Run a script as ``-r`` does: whatever becomes of it shows on the console only."""
        name = path.as_posix()
        self._console.lines(f'run --execute-mode=auto "{name}"\n\nProcessing script file: {name}')
        try:
            script = load(path, self._settings)
        except OSError as error:
            self._console.error(f"File I/O Error: Unable to open file: {error.strerror}: {name}")
        except ScriptError as error:
            self._console.error(f"{name}, line {error.line}: {error.what}")
        else:
            self._evaluate(script, list(arguments))

    def _evaluate(self, script: Script, arguments: list[str]) -> None:
        calls = self._calls(script, arguments)

        def answer(name: str, given: str) -> str:
            """Answer one call of the script. An exception would be lost in the engine, so none leaves here."""
            try:
                return json.dumps({"value": calls[name](*json.loads(given))})
            except (Refused, ProcessError, OSError) as error:
                return json.dumps({"error": str(error)})
            except Exception as error:  # noqa: BLE001 - a mistake of the simulator itself: say so, loudly
                sys.stderr.write(f"PixInsight simulator: {name}({given[:200]}): {error!r}\n")
                return json.dumps({"error": f"simulator: {error!r}"})

        engine = quickjs.Context()
        engine.add_callable("hostCall", answer)
        shim = Path(__file__).with_name("runtime.js").read_text(encoding="utf-8")
        engine.eval(f"({shim})(globalThis, {json.dumps(script.dialect)}, hostCall);")
        try:
            engine.eval(script.text)
        except quickjs.JSException as error:
            self._uncaught(script, str(error))

    def _uncaught(self, script: Script, text: str) -> None:
        """Show an exception that nobody caught, in the words of the engine."""
        message, _, stack = text.partition("\n")
        line = stack.rpartition("<input>:")[2].split(":")[0] or "0"
        place = f"{script.path.as_posix()}:{line}"
        if script.dialect == "v8":
            self._console.lines(f"*** Error: {place}: {message}\n   at ({place})")
        else:
            self._console.error(f"{script.path.as_posix()}, line {line}: {message}")

    def _calls(self, script: Script, arguments: list[str]) -> dict[str, Callable[..., Any]]:
        settings, console = self._settings, self._console
        return {
            "write": console.write,
            "beginLog": console.begin_log,
            "endLog": console.end_log,
            "logText": console.log_text,
            "utf8Length": lambda text: len(text.encode("utf-8", "surrogatepass")),
            "core": self._core,
            "arguments": lambda: arguments,
            "sleep": lambda seconds: time.sleep(min(seconds, settings.lifetime)),
            "elapsed": lambda seconds: f"{seconds:.3f} s",
            "format": lambda pattern, *values: pattern % values,
            "crash": crash,
            "Process.describe": lambda process: _describe(process, settings),
            "Process.check": lambda process, name, value: check(process, name, value, settings, script.dialect),
            "Process.unknown": self._unknown_property,
            "Process.refusal": lambda process, values: _REFUSALS[process](json.loads(values)),
            "Process.execute": lambda process, values: self._execute(process, json.loads(values)),
            **files.CALLS,
            **windows.calls(self._workspace, console, self._faults),
        }

    def _core(self) -> dict[str, Any]:
        major, minor, release, *revision = self._settings.version
        return {
            "versionMajor": major,
            "versionMinor": minor,
            "versionRelease": release,
            "versionRevision": revision[0] if revision else 0,
            "versionBuild": 1695,
            "versionCodename": self._settings.codename,
            "platform": _PLATFORMS.get(sys.platform, "Linux"),
            "instance": self._slot,
            "pid": os.getpid(),
            "dirPath": "/opt/PixInsight",
        }

    # --- processes ----------------------------------------------------------------------------------------

    def _unknown_property(self, process: str, name: str) -> None:
        """PixInsight lets a script put anything on an object; here that is a mistake unless it is allowed."""
        if self._settings.strict:
            raise Refused(f"{process}.{name}: there is no such property in PixInsight {self._settings.version_text}")

    def _execute(self, process: str, values: Values) -> dict[str, Any] | None:
        """Execute a process globally; return its read-only properties, or None where it failed."""
        self._throw_if_refused(process, values)
        started = time.monotonic()
        self._console.line(f"\n{process}: Global context")
        try:
            outputs = (
                integration.execute(values, self._settings, self._console, self._workspace, self._faults)
                if process == "ImageIntegration"
                else calibration.execute(values, self._settings, self._console, self._faults)
            )
        except ProcessError as error:
            self._console.error(str(error))
            self._console.line("<* failed *>")
            return None
        self._console.line(f"{time.monotonic() - started:.3f} s")
        return outputs

    def _throw_if_refused(self, process: str, values: Values) -> None:
        why = _REFUSALS[process](values)
        paths = [str(row[1]) for row in values.get("images", [])]
        if why is None and process == "ImageIntegration" and self._faults.due("throw", paths):
            why = "The caller process lacks entitlement to perform operation."
        if why is not None:
            raise Refused(f"{process}: Cannot execute instance in the global context\nReason: {why}")


def _describe(process: str, settings: Settings) -> dict[str, Any]:
    """Return what a script can see of a process before it sets anything."""
    columns = table(process, settings.version).values()
    return {
        "defaults": defaults(process, settings),
        "aliases": {alias: column.id for column in columns for alias in column.aliases},
        "constants": {name: number for column in columns for name, number in column.elements.items()},
    }
