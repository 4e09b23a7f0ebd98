"""A process of ours and everything it started: what it uses, and how all of it, and nothing else, is stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from ap_masters.engines.pixinsight.pulse import Work

_GRACE: Final = 1.0  # seconds between asking to end and ending
_SHELL_SIGNAL: Final = 128
_OWN_GROUP: Final[int] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows: Ctrl-C is ours alone
_GONE: Final = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied)
_UNSEEN: Final = (psutil.Error, OSError)  # Windows may answer with any error of its own about one that just ends

# Programs that were left open on request: their handles are kept, so that nobody takes them for forgotten.
_left_open: Final[list[psutil.Popen]] = []


class Tree:
    """A program we started, with its descendants.

    A launcher may end while what it launched lives on, so members are remembered as they are seen, each by its
    number and its time of birth (a number alone may be given to a stranger). Even those are found that nobody saw
    being born: on POSIX the program leads a session of its own; on Windows they keep the number of their parent.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], *, stdout: Path, stderr: Path) -> None:
        """Start ``command`` in a session of its own with no input. Raises OSError where it cannot be started."""
        with stdout.open("wb") as out, stderr.open("wb") as err:
            self.root = psutil.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environ),
                start_new_session=sys.platform != "win32",
                creationflags=_OWN_GROUP,
            )
        self._known: dict[int, psutil.Process] = {self.root.pid: self.root}
        self._work: dict[int, Work] = {}

    def members(self) -> list[psutil.Process]:
        """Return every living member, the first one started first."""
        for process in list(self._known.values()):
            with suppress(*_UNSEEN):
                self._remember(process.children(recursive=True))
        if not _alive(self.root):
            self._remember(list(_left_behind(self.root)))
        return [process for process in self._known.values() if _alive(process)]

    def _remember(self, processes: Sequence[psutil.Process]) -> None:
        for process in processes:
            self._known.setdefault(process.pid, process)

    def work(self, members: Sequence[psutil.Process]) -> Work:
        """Return what all that was ever seen has done, given the living ``members``."""
        for process in members:
            with suppress(*_UNSEEN):
                times = process.cpu_times()
                moved = 0
                if hasattr(process, "io_counters"):  # not on macOS
                    counters = process.io_counters()
                    moved = counters.read_bytes + counters.write_bytes
                self._work[process.pid] = Work(times.user + times.system, moved)
        return Work(sum(w.cpu for w in self._work.values()), sum(w.moved for w in self._work.values()))

    def memory(self, members: Sequence[psutil.Process]) -> int:
        """Return the bytes of memory that ``members`` use now."""
        used = 0
        for process in members:
            with suppress(*_UNSEEN):
                used += process.memory_info().rss
        return used

    @property
    def returncode(self) -> int | None:
        """How the program we started ended; negative: by that signal; None: it has not."""
        return self.root.poll()  # type: ignore[no-any-return]  # psutil passes subprocess' answer through

    def leave_open(self) -> None:
        """Let the program live after us."""
        _left_open.append(self.root)


def stop(trees: Sequence[Tree]) -> None:
    """End every member of ``trees``: ask, wait a moment, then end those that did not listen."""
    members = [process for tree in trees for process in tree.members()]
    try:
        for process in members:
            with suppress(*_GONE):
                process.terminate()
        _wait(members, _GRACE)
    finally:  # also when the user cannot wait
        deaf = [process for tree in trees for process in tree.members()]  # and what was born meanwhile
        for process in deaf:
            with suppress(*_GONE):
                process.kill()
        _wait(deaf, _GRACE)
        for tree in trees:
            with suppress(psutil.TimeoutExpired):
                tree.root.wait(timeout=_GRACE)


def _wait(processes: Sequence[psutil.Process], seconds: float) -> None:
    """Wait until none lives. A dead process that nobody has asked after (a zombie) does not live."""
    deadline = time.monotonic() + seconds
    while any(map(_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False


def _left_behind(leader: psutil.Popen) -> Iterator[psutil.Process]:
    """Yield what a program that has ended left: on POSIX all of its session, on Windows its children.

    Windows gives the number of a program to no other as long as somebody holds a handle of it, as its Tree does. Only
    of what is younger it is asked whose child it is, as that takes a look at every process each time.
    """
    born = leader.create_time()  # kept from when it began
    for process in psutil.process_iter():
        with suppress(*_UNSEEN):
            if sys.platform == "win32":
                is_family = process.create_time() >= born and process.ppid() == leader.pid
            else:
                is_family = process.pid != leader.pid and os.getsid(process.pid) == leader.pid
            if is_family:
                yield process


def describe_exit(returncode: int) -> str:
    """Return how a program ended, in words: its exit code, or the signal that ended it.

    A launcher that is a shell script tells the signal that ended PixInsight as 128 more than its number.
    """
    if returncode < 0:
        return _signal(-returncode) or f"signal {-returncode}"
    told = _signal(returncode - _SHELL_SIGNAL) if returncode > _SHELL_SIGNAL else None
    return f"exit code {returncode}" + (f", which is {told}" if told else "")


def _signal(number: int) -> str | None:
    with suppress(ValueError):
        return f"signal {signal.Signals(number).name}"
    return None
