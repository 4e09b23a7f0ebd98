"""A run of the program that is killed at one of its changes to the disk."""

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

_CHANGES: Final = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime"}
_PRELOADED: Final = [f"ap_masters.cli.{room}" for room in ("app", "building", "keeping", "library")]


def dies(at: int, root: Path, *command: object) -> bool:
    """Run a command that is killed as it makes its change number ``at`` below ``root``; say whether it was.

    Changes are renames, removals, new folders and files opened for writing. Nothing of Python gets a last word.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *_PRELOADED])
    process = context.Process(target=_run, args=(at, str(root), [str(word) for word in command], dict(os.environ)))
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


def _run(at: int, root: str, command: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    left = at

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        paths = (os.path.abspath(word) for word in arguments[:2] if isinstance(word, str | Path))  # noqa: PTH100
        if _is_change(event, arguments) and any(path.startswith(root) for path in paths):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    from ap_masters.cli import main

    os.fsync = lambda fd: None  # what is not on the disk yet outlives a process, and waiting takes most of the time
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (ends with the process)
    sys.addaudithook(count)
    main(command)


def _is_change(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in _CHANGES
