"""The program: its command line, its start-up, instance slots, and the wrapper that starts the real one.

On Linux the launcher is a shell script that starts the program proper, so the process that a caller started is
not the one that works. Here too: the process that was started starts a second one with the same arguments and
waits for it. Both leave with 0 whatever happened, unless they were killed.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulator.faults import Faults
from tests.simulator.settings import Settings

if TYPE_CHECKING:
    from filelock import FileLock

ENTRY = Path(__file__).with_name("PixInsight")

_WORKER = "AP_SIM_WORKER"
_SLOTS = 256
_BARE = {
    "--force-exit", "--automation-mode", "--no-startup-gui-messages", "--no-splash", "--no-startup-scripts",
    "--no-startup-check-updates",
}  # fmt: skip
_NEW = ("-n", "--new", "--new-instance")
_RUN = ("-r", "--run")
_NOISE = (
    "[1121/153000.123456:ERROR:gpu_channel_manager.cc(959)] Failed to create GLES3 context, fallback to GLES2.\n"
    "[1121/153000.234567:ERROR:viz_main_impl.cc(196)] Exiting GPU process due to errors during initialization\n"
)


@dataclass
class CommandLine:
    """What the program was asked to do."""

    new: bool = False
    slot: int | None = None
    scripts: list[tuple[Path, list[str]]] = field(default_factory=list)
    force_exit: bool = False
    unknown: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, arguments: list[str]) -> "CommandLine":
        """Read the arguments; values need the ``=`` form, and scripts cannot have a comma in their path."""
        line = cls()
        for argument in arguments:
            name, equals, value = argument.partition("=")
            if name in _NEW and (not equals or value.isdigit()):
                line.new, line.slot = True, int(value) if equals else None
            elif name in _RUN and equals:
                script, *given = value.split(",")
                line.scripts.append((Path(script), given))
            elif argument in _BARE:
                line.force_exit |= argument == "--force-exit"
            else:
                line.unknown.append(argument)
        return line


def main(arguments: list[str]) -> int:
    """Run as the wrapper, or as the program it starts."""
    settings = Settings.read()
    settings.state.mkdir(parents=True, exist_ok=True)
    if arguments in (["--version"], ["--help"]):
        _say(f"{settings.title}\n")
        return 0
    if os.environ.pop(_WORKER, None):
        return _work(CommandLine.parse(arguments), settings)
    Faults(settings).ignore_termination()
    return _start(arguments)


def _start(arguments: list[str]) -> int:
    environment = {**os.environ, _WORKER: "1"}
    child = subprocess.Popen([sys.executable, str(ENTRY), *arguments], env=environment)
    code = child.wait()
    return 128 - code if code < 0 else code  # as a shell reports a signal


def _work(line: CommandLine, settings: Settings) -> int:
    faults = Faults(settings)
    faults.count("launch")
    faults.ignore_termination()
    if faults.due("yield", counter="launch"):
        return _yield(1)
    held = _take_slot(line, settings)
    if held is None:
        return _yield(line.slot or 1)
    slot, lock = held
    try:
        _live(line, settings, faults, slot)
    finally:
        lock.release()
    return 0


def _live(line: CommandLine, settings: Settings, faults: Faults, slot: int) -> None:
    sys.stderr.write(_NOISE)
    _say(f"\n{settings.title}\nCopyright (c) 2003-2026 Pleiades Astrophoto\n\n")
    if line.unknown or faults.due("hang-startup", counter="launch"):
        faults.hang()  # a dialog says that the arguments are wrong, and waits
    time.sleep(settings.startup)
    if not faults.due("exit0", counter="launch"):
        _run(line, settings, faults, slot)
    if line.force_exit:
        _say("\n<* Warning *> Unconditional exit as per user request: No data were saved!\n")
    else:
        faults.hang()  # the window stays open, until somebody closes it


def _run(line: CommandLine, settings: Settings, faults: Faults, slot: int) -> None:
    from tests.simulator.console import Console
    from tests.simulator.runtime import Runtime  # numpy and the engine: not in the wrapper

    runtime = Runtime(settings, Console(settings), faults, slot)
    for path, arguments in line.scripts:
        runtime.run(path, arguments)


def _take_slot(line: CommandLine, settings: Settings) -> "tuple[int, FileLock] | None":
    """Return the slot and the lock that holds it, or None where the instance has to yield."""
    from filelock import FileLock, Timeout

    candidates = [line.slot] if line.slot is not None else range(1, _SLOTS + 1)
    for slot in candidates:
        lock = FileLock(settings.state / f"slot-{slot}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not line.new:  # without -n the first running instance gets the work
                return None
            continue
        return slot, lock
    return None


def _yield(slot: int) -> int:
    _say(f"Yielded execution to running application instance #{slot}\n")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
