"""A program that can be started like PixInsight and behaves as its first argument says; it integrates nothing.

Its second argument is the status file, the third the run; what it is told of slots and scripts it ignores.
Only what the interpreter brings is imported: a test starts many of these.
"""

import os
import signal
import subprocess
import sys
import time

MODE, STATUS, RUN = sys.argv[1:4]
PATIENCE = 30.0  # seconds after which it ends by itself, so that no test leaves one behind


def tell(state: str, job: str = "Running") -> None:
    """Write the status file as a script does."""
    with open(STATUS, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes longer to import than the rest
        file.write(f'{{"run": "{RUN}", "state": "{state}", "jobs": [{{"id": "dark-1a2b3c4d", "state": "{job}"}}]}}')


def idle() -> None:
    """Do nothing for a long time."""
    time.sleep(PATIENCE)


def busy() -> None:
    """Work hard and say nothing."""
    tell("running")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        pass


def silent() -> None:
    """Begin, then stand still."""
    tell("running")
    idle()


def done() -> None:
    """Do what there is to do."""
    tell("running")
    tell("done", "Success")


def done_open() -> None:
    """Do what there is to do, and stay."""
    done()
    idle()


def broken() -> None:
    """Begin, and die."""
    tell("running")
    sys.stdout.write("some last words\n")
    sys.exit(3)


def crash() -> None:
    """Begin, and be ended by the system."""
    tell("running")
    os.kill(os.getpid(), signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


def deaf() -> None:
    """Begin, and do not listen when asked to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    silent()


def wrapper() -> None:
    """Start another that is deaf, and leave it alone, as a launcher does."""
    subprocess.Popen([sys.executable, "-S", "-E", __file__, "deaf", STATUS, RUN])


def parent() -> None:
    """Start another that is deaf, and wait for it."""
    subprocess.Popen([sys.executable, "-S", "-E", __file__, "deaf", STATUS, RUN]).wait()


if __name__ == "__main__":
    {f.__name__: f for f in (idle, busy, silent, done, done_open, broken, crash, deaf, wrapper, parent)}[MODE]()
