"""A script that a user runs, from the plan to masters that serve: the same as a build would make."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ap_masters import images
from ap_masters import record as records
from ap_masters.files import sha256
from tests.builders import noisy, write_frame
from tests.nights import shoot, shoot_flats
from tests.program import Run, program
from tests.simulator import COMMAND

DARK_FLATS: dict[str, Any] = {"IMAGETYP": "DARKFLAT", "EXPTIME": 2.0, "EXPOSURE": 2.0, "FILTER": "L"}
FLATS = DARK_FLATS | {"IMAGETYP": "FLAT"}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The program, and a simulator that starts at once, for this test alone."""
    for name, value in {"STATE": str(tmp_path / "simulator"), "STARTUP": "0", "ES5": "0", "LIFETIME": "60"}.items():
        monkeypatch.setenv(f"AP_SIM_{name}", value)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)  # what the simulator needs is here
    return program(capsys)


def carry_out(script: str) -> None:
    """Run a script as a user does; PixInsight's exit code says nothing."""
    arguments = ("-n=5", "--automation-mode", f"-r={script}", "--force-exit")
    subprocess.run([*COMMAND, *arguments], check=False, capture_output=True)


def frames(folder: Path, count: int = 5, *, level: float = 500.0, seed: int = 0, **keywords: str | float) -> Path:
    """Write noisy frames of one group."""
    for number in range(count):
        pixels = noisy(seed + number, level=level, shape=(24, 32))
        write_frame(folder / f"{keywords['IMAGETYP']}_{number}.fits", pixels, **keywords)
    return folder


def only(library: Path, pattern: str) -> Path:
    """Return the one master whose name fits."""
    (found,) = (library / "master").glob(pattern)
    return found


@pytest.mark.parametrize("turned", [False, True], ids=["in counts", "in counts and upside down"])
def test_masters_that_pixinsight_cannot_take_as_they_are(run: Run, tmp_path: Path, turned: bool) -> None:
    """Copies on [0, 1] wait for the script; the record names the master itself, and nothing is built again for it."""
    library, given = tmp_path / "masters", tmp_path / "given"
    orders = {"ROWORDER": "BOTTOM-UP"} if turned else {}
    gradient = np.linspace(0, 2000, 24)[:, None]
    for number in range(5):
        for words, level in ((DARK_FLATS, 500.0), (FLATS, 25_000.0)):
            pixels = (noisy(number, level=level, shape=(24, 32)) + gradient).astype(np.uint16)
            write_frame(tmp_path / str(words["IMAGETYP"]) / f"{number}.fits", pixels, **words, **orders)
    run("build", tmp_path / "DARKFLAT", given, "--engine", "numpy", "--scale", "adu", "--format", "xisf")
    asked = (tmp_path / "FLAT", library, "--dark-master-dir", given)

    written = run("script", *asked, "--json")
    carry_out(written.document["script"])

    flat = only(library, "*[Ff]lat*.xisf")
    pixels = images.read_image(flat)[1] * 65535
    assert np.median(pixels) == pytest.approx(24_500, abs=10)
    assert np.ptp(np.median(pixels, axis=2)) < 50
    calibration = records.read(records.record_path(flat)).calibration
    assert calibration is not None
    assert calibration.dark is not None
    assert calibration.dark.path.is_relative_to(given)
    assert "up to date" in run("plan", *asked, "--engine", "numpy").out


def test_groups_that_no_script_can_do_are_told(run: Run, tmp_path: Path) -> None:
    """The others are written; where there are none, nothing is, not even a folder."""
    for number in range(3):
        write_frame(
            tmp_path / "night" / f"{number}.fits", noisy(number).astype(np.float32), EXPTIME=60.0, EXPOSURE=60.0
        )
    library = tmp_path / "masters"

    none = run("script", tmp_path / "night", library)
    assert none.code == 5
    assert "counts of the 16-bit range" in none.err
    assert not library.exists()

    frames(tmp_path / "night", 3, IMAGETYP="DARK", EXPTIME=10.0, EXPOSURE=10.0)
    some = run("script", tmp_path / "night", library)
    assert some.code == 4
    assert "counts of the 16-bit range" in some.out
    assert "builds 1 master" in some.out


def test_flats_that_nothing_calibrates_are_a_failure_as_in_a_build(run: Run, tmp_path: Path) -> None:
    """It ends with 5 where they are all there is, with 4 where other masters are in the script or stand already."""
    flats, library = tmp_path / "flats", tmp_path / "masters"
    shoot_flats(flats, count=3)

    none = run("script", flats, library)
    assert none.code == 5
    assert "No dark flat, dark or bias serves" in none.err
    assert not library.exists()

    shoot(tmp_path / "biases", "BIAS", count=3, OFFSET=77)
    some = run("script", flats, tmp_path / "biases", library)
    assert some.code == 4
    assert "builds 1 master" in some.out

    run("build", tmp_path / "biases", library, "--engine", "numpy")
    assert run("script", flats, tmp_path / "biases", library).code == 4


def test_the_command_that_is_told_publishes(run: Run, tmp_path: Path) -> None:
    """As it is printed, in a library that nothing has been built in."""
    night = frames(tmp_path / "night", IMAGETYP="DARK", EXPTIME=10.0, EXPOSURE=10.0)
    library = tmp_path / "my masters"
    told = run("script", night, library).out
    carry_out(str(next((library / "logs").glob("*.js"))))

    (command,) = (line for line in told.splitlines() if line.startswith("ap-masters library publish"))
    done = run(*shlex.split(command)[1:])

    assert done.code == 0, done.err
    assert records.read(records.record_path(only(library, "*.xisf"))).status == "published"


@pytest.mark.parametrize("darks_first", [True, False])
def test_flats_name_the_dark_flat_of_their_own_script(run: Run, tmp_path: Path, darks_first: bool) -> None:
    """Where an older one stands, it is the new one; published, the flat knows its checksum, and all is up to date."""
    night, library = frames(tmp_path / "night", **DARK_FLATS), tmp_path / "masters"
    run("build", night, library, "--engine", "numpy")
    older = only(library, "*.xisf")
    frames(night, 7, seed=50, **DARK_FLATS)
    frames(night, level=25_000.0, **FLATS)
    carry_out(run("script", night, library, "--json").document["script"])

    (dark,) = (path for path in (library / "master").glob("*[Dd]ark*.xisf") if path != older)
    flat = next(path for path in (library / "master").glob("*.xisf") if path not in {older, dark})
    both = (dark, flat) if darks_first else (flat, dark)
    assert run("library", "publish", library, *both, "--reason", "looked at").code == 0

    calibration = records.read(records.record_path(flat)).calibration
    assert calibration is not None
    assert calibration.dark is not None
    assert calibration.dark.sha256 == sha256(older)  # whose place the new one has taken
    assert run("plan", night, library, "--engine", "numpy").out.count("up to date") == 2


def empty(master: Path) -> None:
    """A disk that was full."""
    master.write_bytes(b"")


def half(master: Path) -> None:
    """A copy that broke off."""
    data = master.read_bytes()
    master.write_bytes(data[: len(data) // 2])


def nowhere(master: Path) -> None:
    """Samples that are no numbers."""
    _spoil(master, np.nan)


def constant(master: Path) -> None:
    """Samples of which nobody can have integrated any."""
    _spoil(master, 0.25)


def _spoil(master: Path, value: float) -> None:
    info, pixels = images.read_image(master)
    spoilt = np.full_like(pixels, value)
    if np.isnan(value):
        spoilt = pixels.astype(np.float32)
        spoilt[0, 3, 3] = value
    images.write_image(master, spoilt.astype(np.float32), info.keywords, image_type=info.image_type or "")


@pytest.mark.parametrize("spoil", [empty, half, nowhere, constant])
def test_a_broken_candidate_is_built_again(run: Run, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """It is no master, cannot be published, and the advice to build it again works."""
    night = frames(tmp_path / "night", IMAGETYP="DARK", EXPTIME=10.0, EXPOSURE=10.0)
    library = tmp_path / "masters"
    carry_out(run("script", night, library, "--json").document["script"])
    master = only(library, "*.xisf")
    spoil(master)

    published = run("library", "publish", library, master, "--reason", "looked at")
    assert published.code == 1
    assert "build it again" in published.err

    assert "the script that made it went wrong" in run("plan", night, library, "--engine", "numpy").out
    assert run("build", night, library, "--engine", "numpy").code == 0
    assert records.read(records.record_path(master)).status == "published"
    assert "up to date" in run("plan", night, library, "--engine", "numpy").out


def test_frames_that_a_build_would_drop_are_left_out_of_a_script(run: Run, tmp_path: Path) -> None:
    """A script takes all it names. What was left out stands in the record of the master, and is no news to a plan."""
    night, library = frames(tmp_path / "flats", 6, level=25_000, **FLATS), tmp_path / "masters"
    burnt = write_frame(night / "burnt.fits", noisy(9, level=65_535, sigma=0, shape=(24, 32)), **FLATS)
    asked = (night, library, "--allow-uncalibrated")

    written = run("script", *asked, "--json")
    carry_out(written.document["script"])
    (made,) = (library / "master").glob("*.xisf")
    published = run("library", "publish", library, made, "--reason", "looked at")

    assert published.code == 0, published.err
    record = records.read(records.record_path(made))
    assert len(record.inputs) == 6
    assert [aside.path for aside in record.dropped] == [burnt]
    assert "up to date" in run("plan", *asked).out


def test_a_script_leaves_out_groups_of_which_too_few_frames_are_fit(run: Run, tmp_path: Path) -> None:
    """And what was to be calibrated with their masters; each with the reason, and the exit code is that of a build."""
    night = frames(tmp_path / "night", IMAGETYP="BIAS", EXPTIME=0.0, EXPOSURE=0.0)
    frames(night, level=25_000, **FLATS)
    frames(night, 2, **DARK_FLATS)
    write_frame(night / "lit.fits", noisy(9, level=30_000, shape=(24, 32)), **DARK_FLATS)

    written = run("script", night, tmp_path / "masters")

    assert written.code == 4
    assert "2 frames" in written.out
    assert "lit.fits: " in written.out
    assert "it has seen light" in written.out
    assert "which cannot be built" in written.out
    assert "builds 1 master" in written.out
