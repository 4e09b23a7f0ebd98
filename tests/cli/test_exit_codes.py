"""The exit codes of ``docs/commands.md``, each from a situation it stands for."""

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from ap_masters.demo import write_night
from tests.builders import noisy, write_frame
from tests.cli.conftest import Run
from tests.nights import shoot, shoot_flats

NUMPY = ("--engine", "numpy")


def darks(folder: Path, count: int, *, level: float = 500.0, **changes: str | float | None) -> Path:
    for number in range(count):
        write_frame(folder / f"dark{number}.fits", noisy(number, level=level), **changes)
    return folder


def test_0_done(run: Run, tmp_path: Path) -> None:
    """Masters were built, or all of them were there."""
    night = darks(tmp_path / "night", 3)

    assert run("build", night, tmp_path / "masters", *NUMPY).code == 0
    assert run("build", night, tmp_path / "masters", *NUMPY).code == 0


def test_1_an_output_that_is_a_file(run: Run, tmp_path: Path) -> None:
    """The library is a folder; a file of that name is not touched."""
    (tmp_path / "masters.xisf").write_text("mine")

    done = run("build", darks(tmp_path / "night", 3), tmp_path / "masters.xisf", *NUMPY)

    assert done.code == 1
    assert "masters.xisf: is a file; OUTPUT is the folder" in done.err
    assert (tmp_path / "masters.xisf").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("buidl",), id="no such command"),
        pytest.param(("build", "in"), id="an argument is missing"),
        pytest.param(("build", "in", "out", "--sigma-low", "much"), id="no number"),
        pytest.param(("build", "in", "out", "--profile", "nona"), id="no such profile"),
        pytest.param(("build", "in", "out", "--stage", "bias,lights"), id="no such stage"),
    ],
)
def test_2_usage(run: Run, arguments: tuple[str, ...]) -> None:
    """What was typed makes no sense; nothing was begun."""
    assert run(*arguments).code == 2


@pytest.mark.parametrize("command", ["build", "plan", "combine"])
def test_2_an_output_that_was_forgotten(run: Run, command: str) -> None:
    """A single path goes to OUTPUT; that INPUT is missing is half of the truth."""
    done = run(command, "night")

    assert done.code == 2
    assert "INPUT or OUTPUT" in done.err
    assert "OUTPUT" not in run("scan").err


def test_2_no_frame_type(run: Run) -> None:
    """The words there are stand in the message, and no Python."""
    done = run("plan", "in", "out", "--type", "flats")

    assert done.code == 2
    assert "'flats' is none of bias, dark, dark flat, flat" in done.err


def test_2_an_input_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """A slip in a path is no empty night."""
    done = run("build", tmp_path / "nihgt", tmp_path / "masters", *NUMPY)

    assert done.code == 2
    assert "nihgt" in done.err


def test_2_a_library_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """A slip in its path, and a file in its place, are told in a sentence each."""
    (tmp_path / "masters.xisf").write_bytes(b"")

    missing, file = run("library", "audit", tmp_path / "mastres"), run("library", "due", tmp_path / "masters.xisf")

    assert (missing.code, file.code) == (2, 2)
    assert "mastres: there is no such folder" in missing.err
    assert "masters.xisf: is a file; name the folder it stands in" in file.err


def test_2_a_library_for_match_that_is_none(run: Run, tmp_path: Path) -> None:
    """As the other commands say it, though here it is an option."""
    flat = write_frame(tmp_path / "flat.fits", IMAGETYP="FLAT")

    missing, file = (run("match", flat, "--library", place) for place in (tmp_path / "mastres", flat))

    assert (missing.code, file.code) == (2, 2)
    assert "mastres: there is no such folder" in missing.err
    assert "flat.fits: is a file; name the folder it stands in" in file.err


def test_3_nothing_that_can_be_used(run: Run, tmp_path: Path) -> None:
    """Darks without an exposure are no group; the message says what they lack instead of ending in nothing."""
    night = darks(tmp_path / "night", 3, EXPTIME=None, EXPOSURE=None)

    done = run("build", night, tmp_path / "masters", *NUMPY)

    assert done.code == 3
    assert "that can be used: no exposure (EXPTIME, EXPOSURE): a dark is of no use without (3)" in done.err


def test_3_nothing_to_do(run: Run, tmp_path: Path) -> None:
    """An empty folder, lights alone, and too few frames: each says what was seen and what is needed."""
    (tmp_path / "empty").mkdir()
    write_frame(tmp_path / "lights" / "m31.fits", IMAGETYP="LIGHT")
    write_frame(tmp_path / "lights" / "odd.fits", IMAGETYP="TRICOLOR")
    few = darks(tmp_path / "few", 2)

    empty = run("build", tmp_path / "empty", tmp_path / "masters", *NUMPY)
    lights = run("build", tmp_path / "lights", tmp_path / "masters", *NUMPY)
    too_few = run("build", few, tmp_path / "masters", *NUMPY)

    assert (empty.code, lights.code, too_few.code) == (3, 3, 3)
    assert "No calibration frames found" in empty.err
    assert "'LIGHT' (1)" in lights.err
    assert "'TRICOLOR' (1)" in lights.err
    assert "2 frames are there, 3 are needed" in too_few.err


def test_4_some_jobs_failed(run: Run, tmp_path: Path) -> None:
    """The other groups are built all the same."""
    night = darks(tmp_path / "night", 3)
    for exposure in (60.0, 120.0):  # the playbook's names know no camera: two cameras, one path
        for number in range(3):
            name, camera = f"other{exposure}-{number}.fits", f"camera {exposure}"
            write_frame(night / name, noisy(number), INSTRUME=camera, EXPTIME=99.0, EXPOSURE=99.0)

    done = run("build", night, tmp_path / "masters", *NUMPY, "--layout", "playbook")

    assert done.code == 4
    assert len(list((tmp_path / "masters").rglob("master_dark_*.xisf"))) == 1
    assert "2 groups would be filed as" in run("plan", night, tmp_path / "m", *NUMPY, "--layout", "playbook").out


@pytest.mark.parametrize("profile", [("--profile", "pulsar"), ()], ids=["no dark of their exposure", "other gain"])
def test_4_flats_that_no_master_calibrates(run: Run, tmp_path: Path, profile: tuple[str, ...]) -> None:
    """The darks are built, of which none serves: a timer must not take that for success, nor the run after it."""
    shoot(tmp_path / "night", "DARK", 300.0, GAIN=0)
    shoot_flats(tmp_path / "night", 1.0)
    build = ("build", tmp_path / "night", tmp_path / "masters", *profile, *NUMPY)

    first, again, plan = run(*build), run(*build), run("plan", *build[1:])

    assert "skipped: flat 1 s" in first.err
    assert "1 skipped" in first.out
    assert (first.code, again.code) == (4, 4)
    assert plan.code == 0  # it builds nothing, and has told


@pytest.mark.parametrize("left_out", [("--stage", "bias,dark"), ("--type", "dark"), ("--no-same-run",)])
def test_0_what_is_left_out_because_it_was_asked_for(run: Run, tmp_path: Path, left_out: tuple[str, ...]) -> None:
    """A stage of several is no failure, nor are flats that are to wait for the masters of this run."""
    shoot(tmp_path / "night", "DARK", 2.0, at=timedelta(hours=8))
    shoot_flats(tmp_path / "night", 2.0)

    done = run("build", tmp_path / "night", tmp_path / "masters", *left_out, *NUMPY)

    assert "1 skipped" in done.out
    assert done.code == 0


def test_0_a_group_of_too_few_beside_others(run: Run, tmp_path: Path) -> None:
    """Two frames of another exposure are nobody's failure; the report names them."""
    shoot(tmp_path / "night", "DARK", 300.0)
    shoot(tmp_path / "night", "DARK", 60.0, 2)

    done = run("build", tmp_path / "night", tmp_path / "masters", *NUMPY)

    assert "2 frames are there, 3 are needed" in done.err
    assert done.code == 0


def test_4_waiting_for_this_run_would_not_help(run: Run, tmp_path: Path) -> None:
    """With --no-same-run, flats that the masters of this run would not serve either are not told to build once more."""
    shoot(tmp_path / "night", "DARK", 2.0, GAIN=0)
    shoot_flats(tmp_path / "night", 2.0)

    done = run("build", tmp_path / "night", tmp_path / "masters", "--no-same-run", *NUMPY)

    assert "build once more" not in done.err
    assert done.code == 4


def test_5_flats_alone_that_nothing_calibrates(run: Run, tmp_path: Path) -> None:
    """There was something to do, and none of it could be done."""
    shoot_flats(tmp_path / "night", 1.0)

    done = run("build", tmp_path / "night", tmp_path / "masters", *NUMPY, "--json")

    assert done.code == done.document["exit_code"] == 5
    assert done.document["plan"]["stages"][0][0]["blocked"]


def test_5_all_jobs_failed(run: Run, tmp_path: Path) -> None:
    """Not one master could be built: the samples of every frame are unusable."""
    for number in range(3):
        pixels = np.full((12, 16), np.nan, np.float32)
        write_frame(tmp_path / "night" / f"dark{number}.fits", pixels, DATE_OBS=f"2026-01-29T21:0{number}:00")

    done = run("build", tmp_path / "night", tmp_path / "masters", *NUMPY, "--json")

    assert done.code == done.document["exit_code"] == 5
    assert done.document["outcomes"][0]["failure"]["reason"]
    assert not list((tmp_path / "masters").rglob("*.xisf"))


def test_6_quality_refused(run: Run, tmp_path: Path) -> None:
    """The level of a dark has risen by a third at the same set-point: quarantined, the good master stays."""
    darks(tmp_path / "winter", 5, level=1500.0)
    darks(tmp_path / "summer", 5, level=2000.0, DATE_OBS="2026-07-29T21:00:00.000")
    run("build", tmp_path / "winter", tmp_path / "masters", *NUMPY)

    done = run("build", tmp_path / "summer", tmp_path / "masters", *NUMPY)

    assert done.code == 6
    assert "quarantined" in done.out
    assert len(list((tmp_path / "masters" / "quarantine").rglob("*.xisf"))) == 1
    assert len(list((tmp_path / "masters" / "master").rglob("*.xisf"))) == 1


def test_7_pixinsight_could_not_run(run: Run, tmp_path: Path) -> None:
    """It was asked for, or its program was named, and it is not there: numpy does not take its place."""
    night = darks(tmp_path / "night", 3)
    named = run("build", night, tmp_path / "m", "--pixinsight-binary", tmp_path / "PixInsight")

    assert named.code == 7
    assert "--engine numpy" in named.err
    assert not (tmp_path / "m").exists()


def test_8_attention_needed(run: Run, small_night: Path, tmp_path: Path) -> None:
    """A check did its work and found something: no master serves this flat."""
    (tmp_path / "empty").mkdir()
    flat = sorted(small_night.rglob("FLAT/*.fits"))[0]

    assert run("match", flat, "--library", tmp_path / "empty").code == 8


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_130_interrupted_and_taken_up_again(tmp_path: Path) -> None:
    """Ctrl-C ends the program at once; nothing half-made is left, and the same command does the rest."""
    night, library = tmp_path / "night", tmp_path / "masters"
    write_night(night, width=200, height=150)
    command = [sys.executable, "-m", "ap_masters", "build", str(night), str(library), *NUMPY, "--json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("Success"))
        process.send_signal(signal.SIGINT)
        told, document = process.stderr.read(), json.loads(process.stdout.read())

    assert "interrupted: what was finished stands" in told
    left = list(library.rglob("*.xisf"))
    assert (document["command"], document["error"]["exit_code"]) == ("build", 130)
    assert process.returncode == 130
    assert left
    assert all(path.with_suffix(".xrs").is_file() and path.parent.name == "master" for path in left)

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert len(list((library / "master").glob("*.xisf"))) == 6


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (["inspect", "gone.fits"], "inspect"),
        (["defects", "gone.fits", "a.lst"], "defects find"),
        (["defects", "diff", "gone.lst", "a.lst"], "defects diff"),
        (["library", "publish", "gone.xisf", "--reason", "r"], "library publish"),
        (["library", "index", "gone"], "library index"),
        (["library", "due", "gone"], "library due"),
        (["library", "audit", "gone"], "library audit"),
        (["library", "validate", "gone", "lights"], "library validate"),
        (["library", "mirror", "gone", "nas"], "library mirror"),
        (["library", "prune", "gone"], "library prune"),
        (["library", "import", "gone", "masters"], "library import"),
    ],
)
def test_a_failure_says_of_which_command_it_is(run: Run, line: list[str], command: str) -> None:
    """With --json, as every document does."""
    done = run(*line, "--json")

    assert done.document["command"] == command
    assert done.document["error"]["exit_code"] == done.code != 0


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path, small_night: Path) -> None:
    """``ap-masters scan night | head -1`` ends without a traceback."""
    command = [sys.executable, "-m", "ap_masters", "scan", str(small_night), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        errors = process.stderr.read()

    assert "Traceback" not in errors
