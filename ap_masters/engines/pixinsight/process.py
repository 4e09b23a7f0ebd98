"""PixInsight as a process: started in a slot of its own, watched, and stopped with all it started."""

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ap_masters.decoding import decode
from ap_masters.engines.pixinsight import find, slots, tree
from ap_masters.engines.pixinsight.paths import RunPaths
from ap_masters.engines.pixinsight.pulse import Ending, Limits, Pulse
from ap_masters.engines.pixinsight.status import Status, read_status
from ap_masters.errors import PixInsightError, reason_of
from ap_masters.model import Job

_FIRST_LOOKS: Final = 0.1  # seconds between two looks, at first
_LATER_LOOKS: Final = 0.5  # and when it takes longer; a look costs some milliseconds
_LATER: Final = 30.0
_OUTPUT: Final = 64 << 10  # bytes of standard output and error that are of interest

# A comma ends the path in -r=, on every system; PixInsight.sh hands its arguments to eval, quoting only blanks.
_UNSAFE: Final = re.compile(r'[,"]' if sys.platform == "win32" else r"""[,"'`$\\();&|<>*?!\[\]{}#\n\t]""")


class Launch:
    """One start of PixInsight with a script, from its beginning to its end."""

    def __init__(
        self,
        jobs: Sequence[Job],
        paths: RunPaths,
        command: Sequence[str],
        limits: Limits,
        *,
        first_slot: int,
        force_exit: bool,
    ) -> None:
        """Say what will be started; nothing is yet."""
        self.jobs = tuple(jobs)
        self.paths = paths
        self.limits = limits
        self.status: Status | None = None
        self.ending: Ending | None = None
        self.returncode: int | None = None
        self.left_open = False  # as --no-force-exit wants it
        self.memory = 0
        self.tree: tree.Tree | None = None
        self._command = tuple(command)

        self._first_slot = first_slot
        self._force_exit = force_exit
        self._slot: slots.Slot | None = None
        self._pulse: Pulse | None = None
        self._done_since: float | None = None
        self._copy: Path | None = None

    @property
    def slot(self) -> int | None:
        """The instance slot that was taken."""
        return self._slot.number if self._slot else None

    def start(self, taken: Sequence[int] = ()) -> None:
        """Start PixInsight in a free slot that is not ``taken``. Raises PixInsightError where that cannot be."""
        self._slot = slots.claim(self._first_slot, in_use=find.slots_in_use() | set(taken))
        try:
            script, self._copy = runnable_script(self.paths.script)
            command, environ = find.with_display(
                (*self._command, *arguments(script, self._slot.number, force_exit=self._force_exit)),
                os.environ,
                xvfb_run=shutil.which("xvfb-run"),
            )
            self.tree = tree.Tree(command, environ, stdout=self.paths.stdout, stderr=self.paths.stderr)
        except OSError as error:
            self._let_go()
            raise PixInsightError(
                f"{self._command[0]}: PixInsight could not be started: {reason_of(error)}. "
                "Check --pixinsight-binary; `ap-masters doctor` shows what was found"
            ) from error
        except BaseException:
            self._let_go()
            raise
        self._pulse = Pulse(time.monotonic(), self.limits)

    def look(self) -> None:
        """See how it goes: afterwards ``status`` is the latest, and ``ending`` says whether it is over."""
        assert self.tree is not None
        assert self._pulse is not None
        now = time.monotonic()
        members = self.tree.members()  # before the status is read: what it wrote last is then seen
        self.memory = self.tree.memory(members)
        self.status = read_status(self.paths.status, self.paths.run) or self.status
        self._pulse.beat(now, status=self.status, log_size=_size(self.paths.log), work=self.tree.work(members))
        if self.status is not None and self.status.state == "done":
            self._done_since = now if self._done_since is None else self._done_since
            if not members or not self._force_exit or now - self._done_since > self.limits.shutdown:
                self.ending = Ending.DONE
        elif not members:
            self.ending = Ending.EXITED
        else:
            self.ending = self._pulse.ending(now)

    def close(self) -> None:
        """Let go of what has ended, or of PixInsight itself where it shall stay open."""
        if self.tree is None:
            return
        if self.ending is Ending.DONE and not self._force_exit and self.tree.members():
            self.left_open = True
            self.tree.leave_open()
        else:
            tree.stop([self.tree])
            self.returncode = self.tree.returncode
        self._let_go()

    def _let_go(self) -> None:
        if self._slot is not None:
            self._slot.release()
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)

    def output(self) -> tuple[str, str]:
        """Return the end of what PixInsight printed on standard output and standard error."""
        return _tail(self.paths.stdout), _tail(self.paths.stderr)


def arguments(script: Path, slot: int, *, force_exit: bool) -> tuple[str, ...]:
    """Return PixInsight's arguments. The form with ``=`` is the only one it takes: ``-n=5``, not ``-n 5``."""
    last = ("--force-exit",) if force_exit else ()
    return (f"-n={slot}", "--automation-mode", f"-r={script}", *last)


def runnable_script(script: Path) -> tuple[Path, Path | None]:
    """Return a path of the script that PixInsight's command line takes, and the folder of a copy if one was made.

    Raises PixInsightError where the system's folder for temporary files has such a name as well.
    """
    if not _UNSAFE.search(str(script)):
        return script, None
    folder = Path(tempfile.mkdtemp(prefix="ap-masters-"))
    copy = folder / "calibrate_masters.js"
    if match := _UNSAFE.search(str(copy)):
        folder.rmdir()
        raise PixInsightError(
            f"{script}: PixInsight cannot be given this path because of a {match[0]!r} in it, "
            f"nor one in {folder.parent}. Choose another folder with --script-dir"
        )
    shutil.copyfile(script, copy)
    return copy, folder


def supervise(
    launches: Sequence[Launch],
    *,
    at_once: int,
    share: int | None = None,
    memory: int | None = None,
    taken: Sequence[int] = (),
    on_look: Callable[[Launch], None],
) -> None:
    """Run every launch to its end, ``at_once`` side by side; every one has its ``ending`` afterwards.

    A further instance is only started while the memory in use (each counted with at least its ``share``) leaves
    one more share of ``memory``. Whatever interrupts this stops everything that was started.
    """
    waiting = list(launches)
    running: list[Launch] = []
    begun = time.monotonic()
    try:
        while waiting or running:
            while waiting and len(running) < at_once and _fits(running, share, memory):
                launch = waiting.pop(0)
                running.append(launch)
                launch.start(taken)
            time.sleep(_FIRST_LOOKS if time.monotonic() - begun < _LATER else _LATER_LOOKS)
            for launch in list(running):
                launch.look()
                on_look(launch)
                if launch.ending is not None:
                    launch.close()
                    running.remove(launch)
    finally:
        tree.stop([launch.tree for launch in running if launch.tree is not None])
        for launch in running:
            launch.close()


def _fits(running: Sequence[Launch], share: int | None, memory: int | None) -> bool:
    if not running or share is None or memory is None:
        return True
    return sum(max(launch.memory, share) for launch in running) + share <= memory


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, _size(path) - _OUTPUT))
            return decode(file.read())
    except OSError:
        return ""
