"""Worker processes: tasks are given out to them, and answers taken as they come.

Processes, not threads, because integration is a great many short calls of numpy, and a thread needs the
interpreter's lock between any two of them: two threads took as long as one, two processes half the time.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Final, Generic, Literal, NamedTuple, Self, TypeAlias, TypeVar

import numpy as np

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Line: TypeAlias = "Connection[object, object]"
MakeWorker = Callable[[], Callable[[Task], Answer]]
Start = Literal["fork", "spawn"]

# Workers begin as copies of this process where the system does that safely, which is on Linux; elsewhere each
# starts an interpreter of its own. A copy must not wait for what another thread of the original held, so workers
# read files, compute and answer; they neither log nor print, and leave without tidying up.
START: Final[Start] = "fork" if sys.platform == "linux" else "spawn"
_PATIENCE: Final = 0.2  # seconds after which a waiting main thread looks for Ctrl-C (Windows needs that)
_KEPT: Final = (1 << 25) - (1 << 16)
_AHEAD: Final = 2  # tasks that a worker has been given at a time, so that it never waits for the next


class WorkerLost(Exception):
    """A worker process has ended without an answer."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"a process that integrated ended unexpectedly (exit code {code})")


class _Hand(NamedTuple):
    process: BaseProcess
    line: Line


def in_processes(tasks: Iterable[Task], make_worker: MakeWorker[Task, Answer], workers: int) -> Iterator[Answer]:
    """Yield what ``make_worker()`` makes of every task, in ``workers`` processes; 1 means this one alone.

    Answers come as they are finished. Not more than two tasks per worker are under way, so that memory stays
    bounded. When the consumer stops early, or is interrupted, the workers are ended at once. Raises what a worker
    raised, and WorkerLost.
    """
    if workers == 1:
        yield from map(make_worker(), tasks)
        return
    with Crew(make_worker, workers) as crew:
        yield from crew.answers(tasks)


class Crew(Generic[Task, Answer]):
    """Some worker processes; use it as a context manager."""

    def __init__(self, make_worker: MakeWorker[Task, Answer], count: int, start: Start = START) -> None:
        """Start ``count`` processes, each with a worker that ``make_worker`` makes there: a function of the task."""
        self._hands: list[_Hand] = []
        kind: type[BaseProcess] = get_context("fork").Process if start == "fork" else get_context("spawn").Process
        try:
            for _ in range(count):
                ours, theirs = Pipe()
                copied = (*(hand.line for hand in self._hands), ours) if start == "fork" else ()
                process = kind(target=_serve, args=(theirs, make_worker, copied), daemon=True)
                with _undisturbed():
                    process.start()
                theirs.close()
                self._hands.append(_Hand(process, ours))
        except BaseException:
            self._end()
            raise

    def answers(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Yield the answer to every task, as they are finished."""
        waiting = iter(tasks)
        busy = {hand.line: hand for hand in self._hands}
        owed = dict.fromkeys(busy, 0)
        for _ in range(_AHEAD):
            for line in busy:
                owed[line] += _send_next(line, waiting)
        while lines := [line for line in busy if owed[line]]:
            answered = wait(lines, timeout=_PATIENCE)
            for line in [line for line in lines if line in answered]:
                answer: Answer = _receive(busy[line])
                owed[line] += _send_next(line, waiting) - 1
                yield answer

    def _end(self) -> None:
        for process, line in self._hands:
            line.close()
            process.terminate()
        for process, _ in self._hands:
            process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


def _send_next(line: Line, waiting: Iterator[object]) -> int:
    """Give out the next task; return how many that were."""
    for task in waiting:
        with suppress(OSError):  # a worker that has left has said why, or its silence will be noticed
            line.send(task)
        return 1
    return 0


def _receive(hand: _Hand) -> Any:
    """Return a worker's next answer. Raises what it raised, and WorkerLost."""
    try:
        answer = hand.line.recv()
    except (EOFError, OSError) as error:
        hand.process.join()
        raise WorkerLost(hand.process.exitcode) from error
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _serve(line: Line, make_worker: MakeWorker[Any, Any], copied: Sequence[Line]) -> None:
    """Do task after task, until there is nobody left to ask. Runs in a process of its own.

    Ctrl-C reaches every process of a terminal; what it means is decided by the one that started the others. The
    ``copied`` ends of lines belong to that one: while somebody else holds them, nobody notices that it is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _keep_what_is_freed()
    for end in copied:
        end.close()
    try:
        work = make_worker()
        while True:
            line.send(work(line.recv()))
    except (EOFError, ConnectionError):
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where it is waited for
        line.send(error)
    finally:
        os._exit(0)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Ctrl-C from a process that is just being copied, and does not ignore it yet."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _keep_what_is_freed() -> None:
    """Let freed memory be used again without going back to the system in between.

    glibc does so for blocks up to the largest one that was freed, 32 MiB at most (mallopt(3), M_MMAP_THRESHOLD).
    Else every array of more than 128 KiB would be mapped, and cleared page by page, anew: a third of the time.
    """
    np.empty(_KEPT, np.uint8)
