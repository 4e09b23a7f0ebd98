"""The program from outside: what it prints, its exit code, its processes, its slots, and how it misbehaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from ap_masters import images

ENTRY = Path(__file__).with_name("PixInsight")

BANNER = "\nPixInsight Core 1.9.4 Lockhart (x64)\nCopyright (c) 2003-2026 Pleiades Astrophoto\n\n"
FAREWELL = "\n<* Warning *> Unconditional exit as per user request: No data were saved!\n"


class Launcher:
    """Starts the simulator with a state folder of its own; stops what is left at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def script(self, text: str, name: str = "script.js") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        settings = {
            "AP_SIM_STATE": str(self.folder / "state"),
            "AP_SIM_STARTUP": "0",
            "AP_SIM_LIFETIME": "30",
            "AP_SIM_ES5": "0",
        }
        process = subprocess.Popen(
            [sys.executable, ENTRY, *arguments],
            env={**os.environ, **settings, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=25)
        return process.returncode, out, err

    def close(self) -> None:
        for process in self._started:
            for running in tree(process):
                running.kill()
            process.kill()
            process.communicate()


def tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that ``process`` started."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for(condition: object) -> None:
    """Wait until a callable says so."""
    assert callable(condition)
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def pixinsight(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("console.writeln('not heard outside');", id="good"),
        pytest.param("throw new Error('x');", id="throws"),
        pytest.param("var = 1;", id="does not parse"),
        pytest.param(None, id="is not there"),
    ],
)
def test_every_run_looks_the_same_from_outside(pixinsight: Launcher, text: str | None) -> None:
    """Exit code 0, the banner and the farewell; nothing of the console, noise on standard error."""
    script = pixinsight.script(text) if text else pixinsight.folder / "none.js"
    code, out, err = pixinsight.run("-n=5", "--automation-mode", f"-r={script}", "--force-exit")

    assert (code, out) == (0, BANNER + FAREWELL)
    assert "Failed to create GLES3 context" in err
    assert "simulator" not in err


def test_a_path_may_hold_spaces_but_no_comma(pixinsight: Launcher) -> None:
    """What follows a comma is an argument of the script."""
    told = (pixinsight.folder / "told.txt").as_posix()
    text = f"File.writeTextFile('{told}', jsArguments.join('|'));"
    good, bad = pixinsight.script(text, "a script.js"), pixinsight.script(text, "a,script.js")

    pixinsight.run("-n", f"--run={bad},x=1", "--force-exit")
    assert not Path(told).exists()
    pixinsight.run("-n", f"--run={good},x=1,y", "--force-exit")
    assert Path(told).read_text(encoding="utf-8") == "x=1|y"


def test_the_process_that_works_is_a_child(pixinsight: Launcher) -> None:
    """The launcher waits for it; killing the launcher alone leaves it running."""
    alive = pixinsight.folder / "alive"
    script = pixinsight.script(f"File.writeTextFile('{alive.as_posix()}', ''); msleep(20000);")
    process = pixinsight.start("-n=5", f"-r={script}", "--force-exit")
    wait_for(alive.exists)
    (worker,) = tree(process)

    process.kill()
    process.wait()
    assert worker.is_running()
    assert "-n=5" in worker.cmdline()
    worker.kill()


def test_without_force_exit_it_stays_open(pixinsight: Launcher) -> None:
    """The script is done and the window remains, until somebody ends it."""
    done = pixinsight.folder / "done"
    script = pixinsight.script(f"File.writeTextFile('{done.as_posix()}', '');")
    process = pixinsight.start("-n=5", f"-r={script}")
    wait_for(done.exists)

    assert process.poll() is None


def test_a_slot_that_is_taken_yields(pixinsight: Launcher) -> None:
    """The second instance of slot 5 hands over and leaves; without a number the next free slot is taken."""
    up = pixinsight.folder / "up"
    script = pixinsight.script(f"File.writeTextFile('{up.as_posix()}', '');")
    pixinsight.start("-n=5", f"-r={script}")
    wait_for(up.exists)
    slot = pixinsight.folder / "slot"
    tell = pixinsight.script(f"File.writeTextFile('{slot.as_posix()}', String(CoreApplication.instance));", "tell.js")

    yielded = pixinsight.run("-n=5", f"-r={tell}", "--force-exit")
    assert yielded[:2] == (0, "Yielded execution to running application instance #5\n")
    assert not slot.exists()
    pixinsight.run("-n", f"-r={tell}", "--force-exit")
    assert slot.read_text(encoding="utf-8") == "1"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["-n=5", "-a=k=v"], id="an option of the internal command"),
        pytest.param(["-n", "5"], id="-n without ="),
    ],
)
def test_wrong_arguments_raise_a_dialog(pixinsight: Launcher, arguments: list[str]) -> None:
    """Nobody answers it, so the program hangs, automation mode or not."""
    process = pixinsight.start(*arguments, "--automation-mode", "--force-exit", AP_SIM_LIFETIME="1")
    started = time.monotonic()
    out, _ = process.communicate(timeout=20)

    assert time.monotonic() - started >= 1
    assert out == BANNER


def test_a_dialog_in_a_script_hangs(pixinsight: Launcher) -> None:
    """The question whether to overwrite a file is one: saveAs asks it unless told not to."""
    image = pixinsight.folder / "image.xisf"
    images.write_image(image, np.ones((2, 2), np.float32), image_type="Dark")
    path, saved = image.as_posix(), (pixinsight.folder / "saved").as_posix()
    script = pixinsight.script(
        f"var w = ImageWindow.open('{path}')[0]; w.saveAs('{path}', false, false, false, false);"
        f"File.writeTextFile('{saved}1', ''); w.saveAs('{path}'); File.writeTextFile('{saved}2', '');"
    )
    out = pixinsight.run("-n", f"-r={script}", "--force-exit", AP_SIM_LIFETIME="0.5")[1]

    assert (Path(f"{saved}1").exists(), Path(f"{saved}2").exists(), out) == (True, False, BANNER)


@pytest.mark.parametrize(
    ("fault", "out"),
    [
        ("exit0", BANNER + FAREWELL),
        ("yield", "Yielded execution to running application instance #1\n"),
        ("hang-startup", BANNER),
    ],
)
def test_launches_that_run_nothing(pixinsight: Launcher, fault: str, out: str) -> None:
    """The script never starts, and the exit code is 0."""
    ran = pixinsight.folder / "ran"
    script = pixinsight.script(f"File.writeTextFile('{ran.as_posix()}', '');")
    settings = {"AP_SIM_FAULT": f"{fault}@1", "AP_SIM_LIFETIME": "0.5"}

    assert pixinsight.run("-n=5", f"-r={script}", "--force-exit", **settings)[:2] == (0, out)
    assert not ran.exists()
    pixinsight.run("-n=5", f"-r={script}", "--force-exit", **settings)
    assert ran.exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_termination_may_be_ignored(pixinsight: Launcher) -> None:
    """Neither the launcher nor the worker ends when asked; only killing helps."""
    up = pixinsight.folder / "up"
    script = pixinsight.script(f"File.writeTextFile('{up.as_posix()}', ''); msleep(20000);")
    process = pixinsight.start("-n=5", f"-r={script}", AP_SIM_FAULT="ignore-term")
    wait_for(up.exists)
    (worker,) = tree(process)
    process.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)
    time.sleep(0.1)

    assert process.poll() is None
    assert worker.is_running()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_a_crash_looks_like_one(pixinsight: Launcher) -> None:
    """The worker dies by a signal; the launcher reports it as a shell does."""
    script = pixinsight.script("for (var name in ImageIntegration.prototype) console.writeln(name);")

    assert pixinsight.run("-n=5", f"-r={script}", "--force-exit")[0] == 128 + signal.SIGSEGV


def test_unknown_faults_are_a_mistake_of_the_test(pixinsight: Launcher) -> None:
    """A misspelt fault must not pass for a fault that did no harm."""
    code, _, err = pixinsight.run("-n=5", AP_SIM_FAULT="hang,hangg")

    assert code == 1
    assert "hangg" in err


def test_any_python_can_start_it(pixinsight: Launcher) -> None:
    """An interpreter without the packages hands over to the one of the environment."""
    base = Path(sys.base_prefix) / ("python.exe" if os.name == "nt" else "bin/python3")
    if not base.exists() or sys.prefix == sys.base_prefix:
        pytest.skip("the tests do not run in a virtual environment")
    script = pixinsight.script("var x;")
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "AP_SIM_STATE": str(pixinsight.folder / "state")}
    result = subprocess.run(
        [base, ENTRY, "-n", f"-r={script}", "--force-exit"], env=environment, capture_output=True, text=True, timeout=30
    )

    assert result.stdout == BANNER + FAREWELL
