"""Worker processes: every task is answered once, whatever happens to the workers nobody waits for ever."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from ap_masters.engines.numpy.calibrate import Calibrated, MasterPixels, Masters
from ap_masters.engines.numpy.crew import Crew, Start, WorkerLost
from ap_masters.engines.numpy.levels import LevelOf
from ap_masters.engines.numpy.order import Band, Order, Scales, Shape, Task
from ap_masters.engines.numpy.reading import Frames, Refused
from ap_masters.engines.numpy.workers import BandWorker
from ap_masters.engines.statistics import RowFacts
from ap_masters.images import write_image
from ap_masters.model import Reason, Recipe, Rejection
from tests.engines.numpy.cases import ADU, FileSink, by_definition

TASKS = [Task(0, first, 2) for first in range(0, 40, 2)]
STARTS: list[Start] = ["fork", "spawn"] if sys.platform == "linux" else ["spawn"]


class Numbering:
    """Says that each row's mean is its number."""

    def __call__(self, task: Task) -> Band:
        rows = np.repeat(np.arange(task.first, task.first + task.rows, dtype=np.float32)[:, None], 3, axis=1)
        none = np.zeros(1, np.int64)
        return Band(task, none, none, RowFacts.of(rows, rows.size), rows)


class Refusing:
    """Meets a frame that cannot be read."""

    def __call__(self, task: Task) -> Band:
        raise Refused(Path("Nächte/dark 1.fits"), Reason.UNREADABLE, "is cut short")


class Dying:
    """Is killed by the system."""

    def __call__(self, task: Task) -> Band:
        os._exit(9)


class Dawdling:
    """Takes its time."""

    def __call__(self, task: Task) -> Band:
        time.sleep(60)
        raise AssertionError("nobody waits that long")


@pytest.mark.parametrize("start", STARTS)
def test_every_task_is_answered_once(start: Start) -> None:
    """More tasks than workers, and more workers than some tasks: all bands come, whole."""
    with Crew(Numbering, 2, start) as crew:
        bands = list(crew.answers(TASKS))

    assert sorted(band.task for band in bands) == TASKS
    assert all(band.facts.mean.tolist() == [band.task.first, band.task.first + 1] for band in bands)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("start", STARTS)
def test_what_a_worker_raises_is_raised_here(start: Start) -> None:
    """A frame that is refused in a worker is refused here, with its path and reason."""
    with pytest.raises(Refused) as caught, Crew(Refusing, 2, start) as crew:
        list(crew.answers(TASKS))

    assert (caught.value.aside.path, caught.value.aside.reason) == (Path("Nächte/dark 1.fits"), Reason.UNREADABLE)
    assert str(caught.value).endswith("is cut short")
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("start", STARTS)
def test_a_worker_that_dies_is_noticed(start: Start) -> None:
    """A process that the system ends (for want of memory, mostly) is an error, not a wait without end."""
    with pytest.raises(WorkerLost, match="exit code 9"), Crew(Dying, 2, start) as crew:
        list(crew.answers(TASKS))


def test_workers_are_ended_with_the_crew() -> None:
    """Who stops waiting in the middle of a band is let go at once."""
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Crew(Dawdling, 2):
        raise KeyboardInterrupt

    assert time.monotonic() - began < 10
    assert not multiprocessing.active_children()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a process of its own here")
def test_workers_leave_ctrl_c_to_the_one_who_started_them() -> None:
    """Ctrl-C reaches every process of a terminal; workers go on until they are told to stop."""
    with Crew(Numbering, 2) as crew:
        bands = crew.answers(TASKS)
        first = next(bands)
        for child in multiprocessing.active_children():
            assert child.pid is not None
            os.kill(child.pid, signal.SIGINT)
        rest = list(bands)

    assert len([first, *rest]) == len(TASKS)


ASKING = """
import multiprocessing, sys, time
from tests.engines.numpy.test_crew import TASKS, Numbering
from ap_masters.engines.numpy.calibrate import Calibrated, MasterPixels, Masters
from ap_masters.engines.numpy.crew import Crew
if __name__ == "__main__":
    with Crew(Numbering, 2, sys.argv[1]) as crew:
        next(crew.answers(TASKS))
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("start", STARTS)
def test_workers_do_not_outlive_the_one_who_asks(tmp_path: Path, start: Start) -> None:
    """Who is killed cannot say goodbye; its workers notice and leave."""
    script = tmp_path / "asking.py"
    script.write_text(ASKING, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, script, start], stdout=subprocess.PIPE, text=True, env=environment
    ) as asking:
        assert asking.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in asking.stdout.readline().split()]
        asking.kill()

    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert (len(gone), alive) == (2, [])


def test_frames_and_masters_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    """What a worker without the asking process's memory is sent reads the same samples: packed, calibrated, mended."""
    stack = np.random.default_rng(3).normal(30000, 100, (4, 30, 40)).astype(np.uint16)
    paths = [tmp_path / f"Flat ü {i}.xisf" for i in range(4)]
    for path, frame in zip(paths, stack, strict=True):
        write_image(path, frame, image_type="Flat", compression="zlib")
    write_image(tmp_path / "bias.xisf", stack[0] // 60, image_type="MasterBias")
    with Frames(paths, tmp_path) as frames, Frames([tmp_path / "bias.xisf"], tmp_path) as bias:
        masters = Masters(bias=MasterPixels(bias, full_scale=65535, counts=65535))
        source = Calibrated(frames, masters, pedestals=[0, 1, 2, 3], defects=np.array([5, 47]))
        make = partial(LevelOf, source, channels=1, plane=1200, full_scale=65535.0)

        with Crew(make, 2, "spawn") as crew:
            there = sorted(crew.answers(range(4)))

        assert there == sorted(map(make(), range(4)))
        assert all(29000 < level < 30000 for _, (level,) in there if level is not None)


def test_bands_from_workers_with_memory_of_their_own(tmp_path: Path) -> None:
    """A whole band worker is sent, integrates real files, and writes its rows where they belong."""
    stack = np.random.default_rng(4).normal(500, 8, (6, 64, 50)).astype(np.uint16)
    paths = [tmp_path / f"dark {i}.fits" for i in range(6)]
    for path, frame in zip(paths, stack, strict=True):
        write_image(path, frame, image_type="Dark")
    sink = FileSink(tmp_path / "rows", (1, 64, 50))
    sink.path.write_bytes(bytes(64 * 50 * 4))
    with Frames(paths, tmp_path) as frames:
        order = Order(frames, Recipe(rejection=Rejection.SIGMA), Shape(50, 64, 1), ADU, [Scales()], ADU)
        with Crew(partial(BandWorker, order, sink, tile=1000, batch=500), 2, "spawn") as crew:
            bands = list(crew.answers(Task(0, first, 16) for first in range(0, 64, 16)))

    wanted = by_definition(stack[:, None], order.recipe)
    np.testing.assert_array_equal(np.fromfile(sink.path, np.float32).reshape(1, 64, 50), wanted.pixels)
    assert np.sum([band.high for band in bands], axis=0).tolist() == wanted.high.tolist()
