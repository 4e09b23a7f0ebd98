"""ImageCalibration in the simulator: arithmetic, names of what it writes, and frames that fail."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.model import Keyword
from tests import reference
from tests.simulator.inprocess import Simulator

SCRIPT = """
var C = new ImageCalibration;
C.targetFrames = FRAMES.map(function (path) { return [true, path]; });
C.masterBiasEnabled = BIAS !== ''; C.masterBiasPath = BIAS;
C.masterDarkEnabled = DARK !== ''; C.masterDarkPath = DARK;
C.masterFlatEnabled = false; C.optimizeDarks = false; C.calibrateDark = false;
C.outputDirectory = OUT;
SETTINGS
console.writeln('ok ', C.executeGlobal());
console.writeln('out ', JSON.stringify(C.outputData.map(function (row) { return row[0]; })));
console.writeln('k ', JSON.stringify(C.outputData.map(function (row) { return row[1]; })));
"""


class Night:
    """Three flats and masters of bias and dark."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(5)
        self.flats = [folder / f"flat_{i}.fits" for i in range(3)]
        self.pixels = [np.rint(rng.normal(20000, 100, (1, 6, 8))).astype(np.uint16) for _ in range(3)]
        for path, pixels in zip(self.flats, self.pixels, strict=True):
            images.write_image(path, pixels, (Keyword("FILTER", "L"),), image_type="Flat")
        self.bias = self.master(folder / "bias.xisf", rng.normal(0.0076, 1e-5, (1, 6, 8)))
        self.dark = self.master(folder / "dark.xisf", rng.normal(0.0080, 1e-4, (1, 6, 8)))
        self.out = folder / "out"
        self.out.mkdir()

    @staticmethod
    def master(path: Path, pixels: NDArray[np.float64]) -> Path:
        images.write_image(path, pixels.astype(np.float32), image_type="MasterDark")
        return path

    def script(self, settings: str = "", *, bias: bool = True, dark: bool = False) -> str:
        values = {
            "FRAMES": json.dumps([path.as_posix() for path in self.flats]),
            "BIAS": json.dumps(self.bias.as_posix() if bias else ""),
            "DARK": json.dumps(self.dark.as_posix() if dark else ""),
            "OUT": json.dumps(self.out.as_posix()),
            "SETTINGS": settings,
        }
        return re.sub("|".join(values), lambda found: values[found[0]], SCRIPT)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def outputs(shown: str) -> list[str]:
    found: list[str] = json.loads(shown.partition("\nout ")[2].partition("\n")[0])
    return found


def test_bias_and_dark_are_subtracted(tmp_path: Path, night: Night) -> None:
    """Each frame minus the masters, as 32-bit floats in [0, 1], under its own name with _c."""
    shown = Simulator(tmp_path).run(night.script(dark=True, bias=False))
    _, dark = images.read_image(night.dark)

    assert outputs(shown) == [(night.out / f"flat_{i}_c.xisf").as_posix() for i in range(3)]
    for pixels, path in zip(night.pixels, outputs(shown), strict=True):
        info, got = images.read_image(Path(path))
        np.testing.assert_array_equal(got, reference.calibrate(pixels, dark=dark))
        assert info.sample == "float32"
        assert ("FILTER", "L") in [(k.name, k.value) for k in info.keywords]
    assert "===== ImageCalibration: 3 succeeded, 0 failed, 0 skipped =====\n" in shown


def test_a_dark_with_the_bias_in_it_is_corrected_when_asked(tmp_path: Path, night: Night) -> None:
    """With calibrateDark the bias leaves both the frame and the dark, so only once in all."""
    first = outputs(Simulator(tmp_path).run(night.script("C.calibrateDark = true;", dark=True)))[0]
    _, bias = images.read_image(night.bias)
    _, dark = images.read_image(night.dark)
    _, got = images.read_image(Path(first))

    wanted = reference.calibrate(night.pixels[0], bias=bias, dark=dark - bias)
    np.testing.assert_array_equal(got, wanted)


def test_the_result_is_truncated(tmp_path: Path, night: Night) -> None:
    """What would be negative becomes zero."""
    night.master(night.bias, np.full((1, 6, 8), 0.9))
    first = outputs(Simulator(tmp_path).run(night.script()))[0]

    assert not images.read_image(Path(first))[1].any()


def test_the_sign_of_a_pedestal_does_not_matter(tmp_path: Path, night: Night) -> None:
    """SBIG's programs write -100 for a pedestal of 100; it is subtracted and its keyword goes."""
    images.write_image(night.flats[0], night.pixels[0], (Keyword("PEDESTAL", -100),), image_type="Flat")
    first = outputs(Simulator(tmp_path).run(night.script()))[0]
    info, got = images.read_image(Path(first))
    _, bias = images.read_image(night.bias)

    np.testing.assert_allclose(got, reference.calibrate(night.pixels[0] - 100.0, bias=bias), atol=1e-9)
    assert "PEDESTAL" not in {keyword.name for keyword in info.keywords}


def test_a_scaled_dark_finds_its_factor(tmp_path: Path, night: Night) -> None:
    """The frame holds 2.5 times the dark's hot pixels, and the factor says so."""
    rng = np.random.default_rng(8)
    hot = np.where(rng.random((1, 40, 40)) < 0.05, rng.uniform(0.02, 0.1, (1, 40, 40)), 0.0)
    night.master(night.bias, np.full((1, 40, 40), 0.01))
    night.master(night.dark, 0.01 + hot + rng.normal(0, 1e-6, hot.shape))
    for path in night.flats:
        images.write_image(path, np.rint(65535 * (0.3 + 2.5 * hot)).astype(np.uint16), image_type="Flat")
    shown = Simulator(tmp_path).run(night.script("C.calibrateDark = C.optimizeDarks = true;", dark=True))

    assert json.loads(shown.partition("\nk ")[2]) == pytest.approx([2.5] * 3, abs=0.01)
    assert "ch 0 : k = 2.50" in shown


def test_files_that_stand_are_not_overwritten(tmp_path: Path, night: Night) -> None:
    """A second run writes beside the first and says where."""
    simulator = Simulator(tmp_path)
    simulator.run(night.script())
    shown = simulator.run(night.script())

    assert outputs(shown)[0] == (night.out / "flat_0_c_1.xisf").as_posix()
    assert "* File already exists, writing to: " in shown


@pytest.mark.parametrize(
    ("fault", "kept", "ok"), [("calibrate-fail", [True, False, True], True), ("calibrate-none", [], False)]
)
def test_one_frame_may_fail(tmp_path: Path, night: Night, fault: str, kept: list[bool], ok: bool) -> None:
    """The process goes on and returns true; only the empty path and doubled markers in the log tell."""
    shown = Simulator(tmp_path, fault=fault).run(night.script())

    assert f"ok {str(ok).lower()}\n" in shown
    assert [bool(path) for path in outputs(shown)] == kept
    assert "*** Error: *** Error: File I/O Error" in shown


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("C.outputDirectory = '/no/such';", "The specified output directory does not exist: /no/such"),
        ("C.targetFrames = [[true, '/none.fits']];", "No such file exists on the local filesystem: /none.fits"),
        ("C.masterBiasPath = '/none.xisf';", "Unable to open file: No such file or directory: /none.xisf"),
    ],
)
def test_errors_of_the_whole_process(tmp_path: Path, night: Night, settings: str, words: str) -> None:
    """The reason is on the console, the script gets false."""
    shown = Simulator(tmp_path).run(night.script(settings))

    assert words in shown
    assert "ok false\n" in shown


def test_masters_in_adu_are_misread_without_a_range(tmp_path: Path, night: Night) -> None:
    """Floats of a FITS file beyond [0, 1] are rescaled by their own extremes, unless a hint gives the range."""
    night.bias = night.bias.with_suffix(".fits")
    night.master(night.bias, np.linspace(400, 600, 48).reshape(1, 6, 8))
    wrong = Simulator(tmp_path / "a").run(night.script())
    right = Simulator(tmp_path / "b").run(night.script("C.inputHints += ' lower-range 0 upper-range 65535';"))

    assert "rescaling" in wrong
    _, got = images.read_image(Path(outputs(right)[0]))
    wanted = night.pixels[0] - np.linspace(400, 600, 48).reshape(1, 6, 8)
    np.testing.assert_allclose(got * 65535, wanted, atol=0.01)
