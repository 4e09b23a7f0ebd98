"""Everything that goes wrong with PixInsight, on request.

``AP_SIM_FAULT`` holds faults separated by commas, each ``name`` or ``name@which``: a number means the so-manieth
integration (from 1, counted over all launches that share ``AP_SIM_STATE``, so that a retry can succeed); any
other text means every integration or calibration that reads a file with this text in its path. Faults of a whole
launch may be numbered too: ``exit0@1`` is a fault of the first launch only.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NoReturn

from tests.simulator.settings import Settings

# fault: what it does, and when it is asked for
FAULTS = {
    # the whole launch
    "exit0": "leave with 0 having run nothing",
    "hang-startup": "stay in a dialog before any script runs",
    "ignore-term": "ignore requests to end",
    "yield": "hand over to an instance that is already running",
    # an integration
    "hang": "stand still in the middle of the script, without using the processor",
    "crash": "die by a segmentation fault",
    "ii-false": "executeGlobal() returns false, the reason is on the console only",
    "throw": "the process refuses to start and the script gets an exception",
    "slow": "take longer",
    "backtrace-line": "print a system exception with its backtrace and go on",
    "nan": "the master holds samples that are not numbers",
    "miscount": "the rejection counts on the console differ from those in the process",
    # a calibration
    "calibrate-fail": "the second frame cannot be calibrated",
    "calibrate-none": "no frame can be calibrated",
    # saving a window
    "half-master": "only half of the file arrives, and saving reports success",
    "disk-full": "saving fails half-way",
    "keyword-loss": "the saved file lacks the keywords the script set",
    "stale": "saving reports success and writes nothing",
}

Counter = Literal["integration", "launch"]


class Faults:
    """The faults of this run, and which of them are due."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked = [text.strip().partition("@")[::2] for text in settings.fault.split(",") if text.strip()]
        unknown = {name for name, _ in self._asked} - set(FAULTS)
        if unknown:
            sys.exit(f"PixInsight simulator: AP_SIM_FAULT names unknown faults: {', '.join(sorted(unknown))}")
        self._counts: dict[Counter, int] = {}

    def count(self, what: Counter) -> None:
        """Count one more integration or launch, over all launches that share the state folder."""
        from filelock import FileLock

        file = self._settings.state / f"{what}.count"
        with FileLock(file.with_suffix(".lock")):
            self._counts[what] = int(file.read_text(encoding="ascii")) + 1 if file.exists() else 1
            file.write_text(str(self._counts[what]), encoding="ascii")

    def due(self, fault: str, paths: Iterable[str] = (), *, counter: Counter = "integration") -> bool:
        """Return whether ``fault`` happens now, to a process that reads ``paths``."""
        return any(name == fault and self._selected(which, list(paths), counter) for name, which in self._asked)

    def _selected(self, which: str, paths: list[str], counter: Counter) -> bool:
        if not which:
            return True
        if which.isdigit():
            return self._counts.get(counter, 0) == int(which)
        return any(which in path for path in paths)

    def ignore_termination(self) -> None:
        """Ignore the polite requests to end, where that was asked for."""
        if self.due("ignore-term", counter="launch"):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def hang(self) -> NoReturn:
        """Stand still; give up after the longest life a test may cause."""
        time.sleep(self._settings.lifetime)
        os._exit(0)


def crash() -> NoReturn:
    """Die as a program does that touched memory it does not own."""
    if os.name == "posix":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(5)
    os._exit(0xC0000005 - (1 << 32))


def halve(path: Path) -> None:
    """Cut a file in the middle."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
