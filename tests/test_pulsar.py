"""The pulsar profile from end to end: what PULSAR's makedark and makeflat do, over real files."""

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import record as records
from ap_masters.demo import Sensor
from ap_masters.images import read_info
from tests.builders import pixels_in
from tests.nights import half_full, shoot
from tests.program import Run

HOUR = timedelta(hours=1)
PULSAR = ("--profile", "pulsar", "--engine", "numpy")
Stack = NDArray[np.float64]


def camera() -> Sensor:
    """Return a small sensor with hot pixels that outshine everything in a dark of seconds."""
    sensor = Sensor(96, 64, seed=3)
    rng = np.random.default_rng(5)
    hot = rng.random(sensor.shape) < 0.01
    sensor.dark[hot] += rng.uniform(200, 1000, int(hot.sum()))
    return sensor


CAMERA = camera()


def darks(folder: Path, exposure: float, **more: object) -> list[Path]:
    return shoot(folder, "Dark Frame", exposure, 5, **({"sensor": CAMERA, "suffix": ".fit", "at": 4 * HOUR} | more))  # type: ignore[arg-type]


def flats(folder: Path, exposure: float, band: str, **more: object) -> list[Path]:
    fields = {"sensor": CAMERA, "suffix": ".fit", "band": band, "light": 0.6 * half_full(exposure)}
    return shoot(folder, "Flat Frame", exposure, 5, **(fields | more))  # type: ignore[arg-type]


def biases(folder: Path) -> list[Path]:
    return shoot(folder, "Bias Frame", 0.0, 5, sensor=CAMERA, suffix=".fit", at=-HOUR)


@pytest.mark.parametrize("with_bias", [False, True], ids=["alone", "beside a bias"])
def test_flats_lose_the_constant_that_their_darks_lost(run: Run, tmp_path: Path, *, with_bias: bool) -> None:
    """Together that is what was in the frame, whatever the constant: nothing but light is left of a flat."""
    taken, dark = flats(tmp_path / "night", 2.0, "L"), darks(tmp_path / "night", 2.0)
    if with_bias:
        biases(tmp_path / "night")

    done = run("build", tmp_path / "night", tmp_path / "library", "--engine", "numpy", "--subtract-constant", "600")

    assert done.code == 0, done.err
    (made,) = (tmp_path / "library").rglob("masterFlat*.xisf")
    light = np.median(stack(taken)) - np.median(stack(dark))
    assert np.median(pixels_in(made)) * 65535 == pytest.approx(light, abs=40), "the bias level is another 100 off"
    calibration = records.read(records.record_path(made)).calibration
    assert calibration is not None
    assert (calibration.bias, calibration.constant, calibration.state) == (None, 600.0, "BD")
    again = run("build", tmp_path / "night", tmp_path / "library", "--engine", "numpy", "--subtract-constant", "600")
    assert f"{3 if with_bias else 2} up to date" in again.out
    later = run("plan", tmp_path / "night", tmp_path / "library", "--engine", "numpy", "--type", "flat", "--json")
    assert "up to date" in later.out, "as the dark's record tells, whatever the settings say now"


def stack(paths: Sequence[Path]) -> Stack:
    """Return the frames, (frames, height, width), in ADU."""
    return np.stack([pixels_in(path) for path in paths])


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flats in two filters of two exposures, the darks of both and of a light's, and biases: read it only."""
    folder = tmp_path_factory.mktemp("pulsar") / "Nacht 1"
    flats(folder / "flats", 3.0, "L")
    flats(folder / "flats", 0.5, "Ha", at=HOUR)
    for exposure in (3.0, 0.5, 120.0):
        darks(folder / "darks", exposure)
    biases(folder / "bias")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the library that several tests read."""
    return tmp_path_factory.mktemp("library") / "library"


@pytest.fixture
def library(run: Run, night: Path, shared: Path) -> Path:
    """The masters of the night by the profile alone: read it, never write into it."""
    if not shared.exists():
        assert run("build", night, shared, *PULSAR).code == 0
    return shared / "2026_01_29"


def test_s3_names(library: Path) -> None:
    """S3-08, S3-09, S3-16, S3-23: dated folder, seconds and milliseconds, filter letters, a list beside each dark."""
    assert sorted(path.name for path in library.iterdir() if path.suffix != ".xrs") == [
        "bias.fit",
        "cosme120s.lst",
        "cosme3s.lst",
        "cosme500ms.lst",
        "dark120s.fit",
        "dark3s.fit",
        "dark500ms.fit",
        "flat_h.fit",
        "flat_l.fit",
    ]


def test_s3_01_darks_are_medians_in_adu(library: Path, night: Path) -> None:
    """np.median of the frames, exactly, as 32-bit floats in counts, the bias still in it."""
    frames = sorted((night / "darks").glob("*_120s_*"))

    dark = library / "dark120s.fit"
    keywords = {k.name: k.value for k in read_info(dark).keywords}
    assert np.array_equal(pixels_in(dark), np.median(stack(frames), axis=0))
    assert read_info(dark).sample == "float32"
    assert keywords["BITPIX"] == -32
    assert "CALSTAT" not in keywords


def test_s3_15_flats_are_subtracted_mended_normalized_and_medianed_in_this_order(library: Path, night: Path) -> None:
    """S3-11, S3-15: worked out anew in plain numpy; every frame at a median of exactly 5000 ADU."""
    frames = stack(sorted((night / "flats").glob("*_3s_*"))) - pixels_in(library / "dark3s.fit")
    bad = np.zeros(CAMERA.shape, bool)
    for line in (library / "cosme3s.lst").read_text(encoding="ascii").splitlines():
        x, y = map(int, line.split()[1:])
        bad[y, x] = True
    mended = np.stack([mend(frame, bad) for frame in frames])
    scaled = mended * (5000 / np.median(mended, axis=(1, 2), keepdims=True))

    flat = pixels_in(library / "flat_l.fit")
    assert np.allclose(flat, np.median(scaled, axis=0), rtol=2e-6)
    assert np.median(flat) == pytest.approx(5000, rel=1e-3)
    outcomes = [entry.outcome for entry in records.read(library / "flat_l.xrs").inputs]
    assert [round(o.level * o.scale * 65535, 2) for o in outcomes if o and o.level and o.scale] == [5000.0] * 5


def mend(frame: Stack, bad: NDArray[np.bool_]) -> Stack:
    """Return the frame with every bad pixel replaced by the median of its sound neighbours, where it has any."""
    result = frame.copy()
    height, width = frame.shape
    for y, x in np.argwhere(bad):
        around = (slice(max(y - 1, 0), min(y + 2, height)), slice(max(x - 1, 0), min(x + 2, width)))
        sound = ~bad[around]
        if sound.any():
            result[y, x] = np.median(frame[around][sound])
    return result


def test_s3_18_the_list_is_the_hottest_pixels_first(library: Path) -> None:
    """S3-10, S3-18: `P x y`, from zero, CRLF, at most 10,000 and never more than the sensor has; x is the column."""
    text = (library / "cosme120s.lst").read_bytes()
    dark = pixels_in(library / "dark120s.fit")

    lines = text.split(b"\r\n")
    places = [tuple(map(int, line.split()[1:])) for line in lines[:-1]]
    assert lines[-1] == b""
    assert all(line.startswith(b"P ") for line in lines[:-1])
    assert len(places) == min(10_000, dark.size)
    values = [dark[y, x] for x, y in places]
    assert values == sorted(values, reverse=True)
    assert text.startswith(b"P %d %d\r\n" % tuple(reversed(np.unravel_index(dark.argmax(), dark.shape))))


def test_the_layout_alone_writes_the_lists(run: Run, night: Path, tmp_path: Path) -> None:
    """--layout pulsar without the profile: FITS in ADU, and cosme*.lst beside each dark."""
    run("build", night / "darks", tmp_path / "library", "--layout", "pulsar", "--engine", "numpy")

    names = {path.name for path in (tmp_path / "library" / "2026_01_29").iterdir()}
    assert {"dark3s.fit", "cosme3s.lst", "dark120s.fit", "cosme120s.lst"} <= names
    assert 300 < np.median(pixels_in(tmp_path / "library" / "2026_01_29" / "dark3s.fit")) < 700


def test_s3_13_inconsistent_exposures(run: Run, tmp_path: Path) -> None:
    """Two exposures of one filter: an error that names files of both; nothing of that filter is built."""
    paths = [*flats(tmp_path / "night", 3.0, "L"), *flats(tmp_path / "night", 2.0, "L", at=HOUR)]
    darks(tmp_path / "night", 3.0)
    darks(tmp_path / "night", 2.0)

    done = run("build", tmp_path / "night", tmp_path / "library", *PULSAR)

    assert done.code == 4
    assert "2 built, 2 conflict" in done.out
    for exposure in ("2", "3"):
        assert f"conflict: flat {exposure} s, L" in done.err
    assert "Inconsistent exposures for filter L" in done.err
    assert paths[0].name in done.err
    assert paths[-5].name in done.err
    assert not list((tmp_path / "library").rglob("flat_*"))


def test_s3_14_dark_not_found_for_exposure(run: Run, tmp_path: Path) -> None:
    """A bias and a dark of another exposure are there and do not serve."""
    flats(tmp_path / "night", 3.0, "L")
    darks(tmp_path / "night", 5.0)
    biases(tmp_path / "night")

    done = run("build", tmp_path / "night", tmp_path / "library", *PULSAR)

    assert "Dark not found for exposure 3 s" in done.err
    assert "dark5s.fit (exposure 5 s, the flats have 3 s)" in done.err
    assert not list((tmp_path / "library").rglob("flat_*"))


@pytest.mark.parametrize(("image_type", "at"), [("Dark Frame", HOUR), ("DARKFLAT", HOUR)], ids=["dark", "dark flat"])
def test_darks_taken_right_after_the_flats_serve_with_their_list(
    run: Run, tmp_path: Path, image_type: str, at: timedelta
) -> None:
    """PULSAR knows no dark flats: near in time or called so, they are darks of their exposure."""
    flats(tmp_path / "night", 3.0, "L")
    shoot(tmp_path / "night", image_type, 3.0, 5, sensor=CAMERA, at=at)

    done = run("build", tmp_path / "night", tmp_path / "library", *PULSAR)

    assert done.code == 0
    folder = tmp_path / "library" / "2026_01_29"
    assert (folder / "cosme3s.lst").exists()
    assert (folder / "flat_l.fit").exists()


def test_s3_14_a_dark_without_its_list_says_how_to_make_it(
    run: Run, night: Path, library: Path, tmp_path: Path
) -> None:
    """A dark from elsewhere has no cosme list beside it: the flats fail, and the command that helps, helps."""
    given = tmp_path / "given"
    given.mkdir()
    shutil.copy(library / "dark3s.fit", given)
    build = ("build", night / "flats", tmp_path / "library", "--dark-master-dir", given, *PULSAR)

    first = run(*build)
    run("defects", "find", given / "dark3s.fit", given / "cosme3s.lst")
    second = run(*build)

    assert "cosme3s.lst is not there, and without it hot pixels remain in the flats" in first.err
    assert f"ap-masters defects find {given / 'dark3s.fit'} {given / 'cosme3s.lst'}" in first.err
    assert "1 skipped, 1 built" in second.out
    assert "deserve dark flats" not in second.err
    assert (given / "cosme3s.lst").read_bytes() == (library / "cosme3s.lst").read_bytes()


# --- S3-04: the bias of makedark ---


def test_s3_04_a_list_of_biases_makes_the_master_that_is_subtracted(run: Run, night: Path, tmp_path: Path) -> None:
    """S3-07, S3-08: each dark less the master bias, then the median; negative values stay; bias.fit is written."""
    inputs = (night / "darks", night / "bias")

    done = run("build", *inputs, tmp_path / "library", "--subtract-bias", "master", *PULSAR)

    folder = tmp_path / "library" / "2026_01_29"
    bias = np.median(stack(sorted((night / "bias").iterdir())), axis=0)
    expected = np.median(stack(sorted((night / "darks").glob("*_3s_*"))) - bias, axis=0)
    dark = pixels_in(folder / "dark3s.fit")
    assert done.code == 0
    assert np.allclose(pixels_in(folder / "bias.fit"), bias)
    assert np.allclose(dark, expected, atol=1e-3)
    assert dark.min() < 0
    assert {k.value for k in read_info(folder / "dark3s.fit").keywords if k.name == "CALSTAT"} == {"B"}


def test_s3_04_the_bias_as_a_file(run: Run, night: Path, library: Path, tmp_path: Path) -> None:
    """--bias-master-dir takes a single file too, by whatever name."""
    shutil.copy(library / "bias.fit", tmp_path / "my bias.fit")
    given = ("--subtract-bias", "master", "--bias-master-dir", tmp_path / "my bias.fit")

    done = run("build", night / "darks", tmp_path / "library", *given, *PULSAR)

    record = records.read(tmp_path / "library" / "2026_01_29" / "dark3s.xrs")
    assert done.code == 0
    assert record.calibration is not None
    assert record.calibration.bias is not None
    assert record.calibration.bias.path == tmp_path / "my bias.fit"
    assert [d.verdict for d in record.calibration.decisions] == ["taken"]


def test_s3_04_the_bias_as_a_number(run: Run, night: Path, tmp_path: Path) -> None:
    """A constant in ADU comes off every sample; samples below it become negative and do not wrap."""
    run("build", night / "darks", tmp_path / "library", "--subtract-constant", "505", *PULSAR)

    folder = tmp_path / "library" / "2026_01_29"
    dark = pixels_in(folder / "dark3s.fit")
    expected = np.median(stack(sorted((night / "darks").glob("*_3s_*"))), axis=0) - 505
    record = records.read(folder / "dark3s.xrs")
    assert np.allclose(dark, expected, atol=1e-3)
    assert dark.min() < 0
    assert record.calibration is not None
    assert (record.calibration.constant, record.calibration.state) == (505.0, "B")
    (log,) = (tmp_path / "library" / "logs").glob("*.log")
    assert "subtracted (CALSTAT B): 505 ADU" in log.read_text(encoding="utf-8")


def test_a_bias_and_a_number_together_are_refused(run: Run, night: Path, tmp_path: Path) -> None:
    """One of the two would silently win."""
    both = ("--subtract-bias", "master", "--subtract-constant", "500")

    done = run("build", night, tmp_path / "library", *both, *PULSAR)

    assert done.code == 2
    assert "not both" in done.err


def test_a_dark_without_its_bias_takes_the_bias_with_it(run: Run, night: Path, tmp_path: Path) -> None:
    """Flats of such darks lose bias and dark current, each once."""
    run("build", night, tmp_path / "library", "--subtract-bias", "master", *PULSAR)

    folder = tmp_path / "library" / "2026_01_29"
    record = records.read(folder / "flat_l.xrs")
    assert record.calibration is not None
    assert record.calibration.state == "BD"
    assert record.calibration.dark is not None
    assert record.calibration.dark.includes_bias is False
    subtracted = stack(sorted((night / "flats").glob("*_3s_*"))) - pixels_in(folder / "bias.fit")
    subtracted -= pixels_in(folder / "dark3s.fit")
    levels = [entry.outcome.level * 65535 for entry in record.inputs if entry.outcome and entry.outcome.level]
    assert np.allclose(levels, np.median(subtracted, axis=(1, 2)), rtol=1e-3)
