"""watch: a capture folder becomes masters without anybody typing, and it stops when it is told to."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ap_masters.cli.watching import goes_on
from tests.builders import noisy, write_frame
from tests.cli.conftest import Run


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to one process there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "a service is stopped"])
def test_a_finished_capture_is_built_and_the_watch_stops_cleanly(tmp_path: Path, number: int) -> None:
    """Quiet files are built, a frame that comes later is taken up, and the end is an ordinary one."""
    night, library = tmp_path / "die Nacht", tmp_path / "masters"
    for n in range(3):
        write_frame(night / f"dark{n}.fits", noisy(n))
    command = [sys.executable, "-m", "ap_masters", "watch", str(night), str(library), "--engine", "numpy"]
    with subprocess.Popen(
        [*command, "--settle", "0.3", "--interval", "0.1"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        next(line for line in process.stderr if " built (3 files)" in line)
        write_frame(night / "dark3.fits", noisy(3))
        next(line for line in process.stderr if " built (1 file): 1 built" in line)
        (night / "empty.fits").touch()
        next(line for line in process.stderr if " nothing to do (1 file): 1 up to date, 1 set aside" in line)
        process.send_signal(number)
        rest = process.stderr.read()
        out = process.stdout.read()

    assert process.returncode == 0
    assert "stopped" in rest
    assert "Traceback" not in rest
    assert out.count("1 built in") == 2
    assert len(list((library / "master").glob("*.xisf"))) == 1


def test_a_file_where_masters_are_to_go_is_told_before_the_night(run: Run, tmp_path: Path) -> None:
    """Not after the first capture."""
    night, output = tmp_path / "night", tmp_path / "list.txt"
    night.mkdir()
    output.write_text("mine", encoding="utf-8")

    done = run("watch", night, output)

    assert done.code != 0
    assert "is a file" in done.err


def test_ctrl_c_need_not_wait_for_the_next_look() -> None:
    """Windows lets no signal into a wait that is under way, nor does any system where another thread takes it."""
    begun = time.monotonic()
    threading.Timer(0.1, lambda: signal.raise_signal(signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        goes_on(threading.Event(), 20.0)

    assert time.monotonic() - begun < 10


def test_a_service_that_is_stopped_looks_no_more() -> None:
    stop = threading.Event()
    assert goes_on(stop, 0.01)
    threading.Timer(0.1, stop.set).start()

    assert not goes_on(stop, 20.0)
