"""Building with PixInsight from the command line, over the simulator."""

import gzip
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.builders import noisy, write_frame
from tests.cli.conftest import Run
from tests.simulator import COMMAND, SIMULATOR


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that starts at once, for this test alone."""
    for name, value in {"STATE": str(tmp_path / "simulator"), "STARTUP": "0", "ES5": "0", "LIFETIME": "60"}.items():
        monkeypatch.setenv(f"AP_SIM_{name}", value)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)  # what the simulator needs is here


@pytest.fixture
def darks(tmp_path: Path) -> Path:
    """Darks of two exposures: two masters of one stage."""
    for exposure in (10.0, 300.0):
        for number in range(3):
            path = tmp_path / "night" / f"dark {exposure:g} {number}.fits"
            write_frame(path, noisy(number), EXPTIME=exposure, EXPOSURE=exposure)
    return tmp_path / "night"


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to one process there")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"], ids=["Ctrl-C", "kill", "closed"])
def test_stopped(darks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whoever stops the program stops its PixInsight too; what was finished is published, another run does the rest."""
    monkeypatch.setenv("AP_SIM_FAULT", "hang@2,ignore-term")
    library = tmp_path / "masters"
    command = [sys.executable, "-m", "ap_masters", "build", str(darks), str(library)]
    number = getattr(signal, name)
    with psutil.Popen(
        [*command, "--pixinsight-binary", str(SIMULATOR)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # `nohup` hands down that it is ignored
    ) as process:
        begun = (line for line in process.stderr if line.startswith("Running"))
        next(begun)
        next(begun)
        family = process.children(recursive=True)
        process.send_signal(number)
        told = process.stderr.read()

    assert process.returncode == 130
    assert len(family) == 2
    assert not [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    assert told.count("Success") == 1
    assert "Traceback" not in told
    assert len(list((library / "master").glob("*.xisf"))) == len(list((library / "master").glob("*.xrs"))) == 1
    assert not list((library / ".ap-masters" / "work").iterdir())
    (log,) = (path for path in (library / "logs").glob("*.log") if "pixinsight" not in path.name)
    assert "! stopped by the user; masters that were finished are kept: 1" in log.read_text(encoding="utf-8")

    again = subprocess.run([*command, "--engine", "numpy"], capture_output=True, text=True, check=True)
    assert "1 up to date, 1 built" in again.stdout


def test_pixinsight_that_does_not_run(run: Run, darks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 7, with the reason and the script on screen, and the reason in the log."""
    monkeypatch.setenv("AP_SIM_FAULT", "exit0")
    done = run("build", darks, tmp_path / "masters", "--pixinsight-binary", SIMULATOR)

    (log,) = (tmp_path / "masters" / "logs").glob("*.log")
    assert done.code == 7
    assert "_calibrate_masters.js" in done.err
    assert "gpu_channel_manager" not in done.err
    assert "! PixInsight ended without running the script" in log.read_text(encoding="utf-8")


def test_one_job_fails(run: Run, darks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user sees the reason, the end of that job's own log, and the script; the run's log names the console."""
    monkeypatch.setenv("AP_SIM_FAULT", "ii-false@dark 10")
    done = run("build", darks, tmp_path / "masters", "--pixinsight-binary", SIMULATOR)

    (script,) = (tmp_path / "masters" / "logs").glob("*.js")
    (console,) = (tmp_path / "masters" / "logs").glob("*_pixinsight.log")
    (log,) = (path for path in (tmp_path / "masters" / "logs").glob("*.log") if path != console)
    (record,) = (tmp_path / "masters").rglob("*.xrs")
    assert done.code == 4
    assert "Zero or insignificant signal detected" in done.err
    assert "| *** Error: ImageIntegration failed" in done.err
    assert "dark 300" not in done.err.partition("| ap-masters: job")[2]
    assert str(script) in done.err
    assert f"  console {console}" in log.read_text(encoding="utf-8")
    assert f'"script": "logs/{script.name}"' in record.read_text(encoding="utf-8")


def test_version_is_known_once_it_has_run(run: Run, darks: Path, tmp_path: Path) -> None:
    """Doctor tells the version of a PixInsight that has run."""
    assert run("doctor", "--pixinsight-binary", SIMULATOR, "--json").document["health"]["pixinsight"]["version"] is None
    run("build", darks, tmp_path / "masters", "--pixinsight-binary", SIMULATOR)

    told = run("doctor", "--pixinsight-binary", SIMULATOR, "--json").document["health"]["pixinsight"]
    assert told["version"] == "1.9.4"


def test_inspect_tells_all_that_is_in_a_log(run: Run) -> None:
    """Job, settings, counts of every frame and in all, calibration, time and trouble, each once."""
    shown = run("inspect", Path(__file__).parents[1] / "data" / "logs" / "1.9.4-bias-dark-flat.log").out

    for words in (
        "log of PixInsight 1.9.4, 2026-01-29 12:34:56 to 2026-01-29 12:35:03 UTC",
        "ImageIntegration of 3 images for dark-1a2b3c4d, 4.3 s",
        "  Pixel rejection: Percentile clipping",
        "all together",
        "  output range: -1e-05 to 1.003",
        "  3 succeeded, 1 failed, 0 skipped",
        "  error: /home/me/nächte/flat 2.fits: Incompatible image geometry",
        "  warning: No correlation between the master dark and target frames (channel 0).",
    ):
        assert shown.count(words) == 1


def test_a_script_without_pixinsight(run: Run, darks: Path, tmp_path: Path) -> None:
    """Both ways to ask for a script write it with its plan, start nothing, and say what to do with it and after it."""
    for number, command in enumerate((("script",), ("build", "--script-only"))):
        library = tmp_path / f"masters {number}"
        done = run(*command[:1], darks, library, *command[1:], "--script-dir", tmp_path / f"scripts, {number}")

        (script,) = (tmp_path / f"scripts, {number}").glob("*_calibrate_masters.js")
        assert done.code == 0
        assert str(script) in done.out
        assert "library publish" in done.out
        assert script.with_suffix(".plan.json").is_file()
        assert sorted(path.name for path in library.iterdir()) == ["logs", "master"]


def test_a_build_over_the_masters_of_a_script_says_that_they_serve_nothing_yet(
    run: Run, darks: Path, tmp_path: Path
) -> None:
    """They are up to date, and candidates; plan and build tell what is left to do, and -q does not hush it."""
    library = tmp_path / "masters"
    script = run("script", darks, library, "--json").document["script"]
    arguments = ("-n=5", "--automation-mode", f"-r={script}", "--force-exit")
    subprocess.run([*COMMAND, *arguments], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    for command in ("plan", "build"):
        done = run(command, darks, library, "--engine", "numpy", "-q")
        assert done.code == 0
        assert "up to date" in done.out
        assert done.err.count("serves nothing until it is published: ap-masters library publish") == 2


def test_masters_that_will_not_be_compressed(run: Run, darks: Path, tmp_path: Path) -> None:
    """What was asked for and will not be done is told, by a build and by a script."""
    built = run("build", darks, tmp_path / "a", "--pixinsight-binary", SIMULATOR, "--compression", "zstd")
    written = run("script", darks, tmp_path / "b", "--compression", "zstd")

    assert "--compression is for the numpy engine" in built.err
    assert "--compression is for the numpy engine" in written.err


def test_what_pixinsight_cannot_build_is_planned_so(run: Run, darks: Path, tmp_path: Path) -> None:
    """As the script says it: before anything has been started, with the way out; the rest is built."""
    for path in darks.glob("dark 10 *.fits"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    words = (darks, tmp_path / "masters", "--pixinsight-binary", SIMULATOR)

    planned = run("plan", *words)
    built = run("build", *words)

    for done in (planned, built):
        assert "PixInsight does not read compressed files such as dark 10 0.fits.gz" in done.out + done.err
        assert "--engine numpy" in done.out + done.err
    assert planned.out.count("create") == planned.out.count("conflict") == 1
    assert built.code == 4
    assert len(list((tmp_path / "masters" / "master").glob("*.xisf"))) == 1
    assert run("plan", *words[:2], "--engine", "numpy").out.count("create") == 1
