"""ImageIntegration in the simulator: windows, keywords, read-only properties, the log, and its ways of failing."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.model import Keyword, Recipe, Rejection
from tests import reference
from tests.simulator.inprocess import Simulator

CARDS = (
    Keyword("IMAGETYP", "DARK"),
    Keyword("INSTRUME", "ZWO ASI2600MM Pro"),
    Keyword("EXPTIME", 300.0),
    Keyword("GAIN", 100),
    Keyword("CCD-TEMP", -10.0),
    Keyword("FILTER", "L"),
    Keyword("ROWORDER", "TOP-DOWN"),
)

MINIMAL = """
var P = new ImageIntegration;
P.images = [PATHS].map(function (path) { return [true, path, '', '']; });
P.weightMode = 0; P.normalization = 0; P.rejectionNormalization = 0; P.rangeClipLow = false;
P.evaluateSNR = false; P.truncateOnOutOfRange = true; P.generateRejectionMaps = false;
P.rejection = 3; P.sigmaLow = 2; P.sigmaHigh = 1.5;
SETTINGS
console.writeln('ok ', P.executeGlobal());
"""


def script(paths: list[Path], settings: str = "") -> str:
    names = json.dumps([path.as_posix() for path in paths])
    return MINIMAL.replace("[PATHS]", names).replace("SETTINGS", settings)


@pytest.fixture
def frames() -> NDArray[np.uint16]:
    """Five frames of 6 x 8 pixels, (frames, channels, height, width)."""
    rng = np.random.default_rng(3)
    pixels = rng.normal(500, 6, (5, 1, 6, 8))
    pixels[rng.random(pixels.shape) < 0.1] += 400
    return np.rint(pixels).astype(np.uint16)


@pytest.fixture
def paths(tmp_path: Path, frames: NDArray[np.uint16]) -> list[Path]:
    """The frames as FITS files, the first of another filter than the others."""
    folder = tmp_path / "with spaces ü"
    folder.mkdir()
    found = []
    for number, pixels in enumerate(frames):
        path = folder / f"dark {number}.fits"
        cards = tuple(Keyword("FILTER", "Ha") if k.name == "FILTER" and number == 0 else k for k in CARDS)
        date = Keyword("DATE-OBS", f"2026-01-02T03:04:0{number}")
        images.write_image(path, pixels, (*cards, date), image_type="Dark")
        found.append(path)
    return found


def expected(frames: NDArray[np.uint16]) -> reference.Integrated:
    return reference.integrate(frames, Recipe(rejection=Rejection.SIGMA, sigma_low=2, sigma_high=1.5))


def test_the_master_is_what_the_definition_gives(tmp_path: Path, frames: NDArray[np.uint16], paths: list[Path]) -> None:
    """A window of 32-bit floats in [0, 1], and counts for every frame."""
    target = tmp_path / "m.xisf"
    shown = Simulator(tmp_path).run(
        script(paths)
        + "var w = ImageWindow.windowById(P.integrationImageId);"
        + f"w.saveAs('{target.as_posix()}', false, false, false, false, '');"
        "console.writeln('counts ', P.imageData.map(function (r) { return r[3] + '/' + r[6]; }).join(' '));"
        "console.writeln('total ', P.totalRejectedLowRK, ' ', P.totalRejectedHighRK, ' ', P.numberOfImages);"
    )
    info, pixels = images.read_image(target)
    wanted = expected(frames)

    assert info.sample == "float32"
    np.testing.assert_array_equal(pixels, (wanted.pixels / 65535).astype(np.float32))
    counts = " ".join(f"{low}/{high}" for low, high in zip(wanted.low, wanted.high, strict=True))
    assert f"counts {counts}\n" in shown
    assert f"total {sum(wanted.low)} {sum(wanted.high)} 5\n" in shown


def test_the_log_tells_each_frame_s_counts(tmp_path: Path, frames: NDArray[np.uint16], paths: list[Path]) -> None:
    """Rows and total in the format of the real module."""
    shown = Simulator(tmp_path).run(script(paths))
    wanted = expected(frames)

    rows = re.findall(r"^ *(\d+) : +(\d+) +[\d.]+% \( *(\d+) \+ +(\d+) = +[\d.]+% \+ +[\d.]+%\)$", shown, re.MULTILINE)
    assert [(int(low), int(high)) for _, _, low, high in rows] == list(zip(wanted.low, wanted.high, strict=True))
    total = re.search(r"^Total : +(\d+) +[\d.]+% \( *(\d+) \+ +(\d+) = ", shown, re.MULTILINE)
    assert total and (int(total[2]), int(total[3])) == (sum(wanted.low), sum(wanted.high))
    assert "Pixel rejection .................... Sigma clipping\n" in shown
    assert "Rejection parameters ............... sigma_low=2.000 sigma_high=1.500\n" in shown
    assert "Integrating pixel rows:     0 ->     5: done\n" in shown


def test_most_keywords_are_lost(tmp_path: Path, paths: list[Path]) -> None:
    """Only a few that are the same in all frames survive; exposure, gain and temperature never do."""
    shown = Simulator(tmp_path).run(
        script(paths) + "ImageWindow.windowById(P.integrationImageId).keywords.forEach(function (k) {"
        "console.writeln('<raw>', k.name, '=', k.value, '/', k.comment, '</raw>'); });"
    )
    kept = [line.partition("=")[0] for line in shown.partition("ok true\n")[2].splitlines()]

    assert list(dict.fromkeys(kept)) == ["INSTRUME", "IMAGETYP", "DATE-OBS", "DATE-END", "COMMENT", "HISTORY"]
    assert "DATE-END='2026-01-02T03:04:04'" in shown
    assert "HISTORY=/ImageIntegration.numberOfImages: 5\n" in shown
    assert "HISTORY=/ImageIntegration.rejectedHigh_4: " in shown


def test_window_ids_are_unique(tmp_path: Path, paths: list[Path]) -> None:
    """A second result beside the first gets another id, unless previous images are closed."""
    simulator = Simulator(tmp_path)
    tell = "console.writeln('id ', P.integrationImageId, ' ', P.lowRejectionMapImageId);"
    shown = simulator.run(script(paths, "P.generateRejectionMaps = true;") + tell)
    shown += simulator.run(script(paths) + tell)
    shown += simulator.run(script(paths, "P.closePreviousImages = true;") + tell)

    assert re.findall("^id (.*)$", shown, re.MULTILINE) == [
        "integration rejection_low",
        "integration1 ",
        "integration ",
    ]


def test_defaults_are_not_for_masters(tmp_path: Path, paths: list[Path]) -> None:
    """The default weighting looks for stars and fails: the second way to fail is a bare false."""
    shown = Simulator(tmp_path).run(script(paths, "P.weightMode = ImageIntegration.prototype.PSFSignalWeight;"))

    assert (
        f"*** Error: {paths[0].as_posix()} (channel #0): Zero or insignificant PSF Signal Weight estimate.\n" in shown
    )
    assert "ok false\n" in shown


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param(
            "P.images = P.images.map(function (row, i) { row[0] = i < 2; return row; });",
            "ImageIntegration requires at least three images; this instance defines only 2 image(s).",
            id="two enabled",
        ),
        pytest.param(
            "P.rejection = 6; P.images = P.images.slice(0, 4);",
            "Linear fit rejection requires at least five images; only 4 images have been selected.",
            id="linear fit",
        ),
        pytest.param(
            "var rows = P.images; rows[1][1] = '/none.fits'; P.images = rows;",
            "File I/O Error: Unable to open file: No such file or directory: /none.fits",
            id="missing file",
        ),
        pytest.param("P.normalization = 3;", "how to integrate with normalization = 3", id="not simulated"),
    ],
)
def test_errors_inside_leave_no_window(tmp_path: Path, paths: list[Path], settings: str, words: str) -> None:
    """The reason is on the console and nowhere else."""
    shown = Simulator(tmp_path).run(script(paths, settings) + "console.writeln('[', P.integrationImageId, ']');")

    assert words in shown
    assert shown.endswith("<* failed *>\nok false\n[]\n")


def test_frames_of_another_size_end_the_integration(tmp_path: Path, paths: list[Path]) -> None:
    """One frame of another geometry fails the whole."""
    images.write_image(paths[2], np.zeros((6, 9), np.uint16), image_type="Dark")

    assert f"*** Error: {paths[2].as_posix()}: Incompatible image geometry.\n" in Simulator(tmp_path).run(script(paths))


def test_rows_are_turned_where_the_hint_asks_for_it(tmp_path: Path, paths: list[Path]) -> None:
    """Frames that say BOTTOM-UP are read upside down with use-roworder-keywords, and as they are without."""
    for number, path in enumerate(paths):
        pixels = np.full((6, 8), 100 + number, np.uint16)
        pixels[0] = 900
        images.write_image(path, pixels, (Keyword("ROWORDER", "BOTTOM-UP"),), image_type="Dark")
    tell = (
        "var i = ImageWindow.windowById(P.integrationImageId).mainView.image; console.writeln(i.sample(0, 5) * 65535);"
    )

    assert (
        Simulator(tmp_path / "a").run(script(paths, "P.inputHints = 'use-roworder-keywords';") + tell).endswith("900\n")
    )
    assert Simulator(tmp_path / "b").run(script(paths, "P.inputHints = '';") + tell).endswith("102\n")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("ii-false", "Zero or insignificant signal detected (channel 0)\n<* failed *>\nok false\n"),
        ("throw", "Error: ImageIntegration: Cannot execute instance in the global context\n"),
        ("throw@dark 3", "Error: ImageIntegration: Cannot execute instance in the global context\n"),
        ("throw@dark 9", "ok true\n"),
        ("ii-false@2", "ok true\n"),
        ("backtrace-line", "*** Backtrace Information ***\n"),
    ],
)
def test_faults_of_an_integration(tmp_path: Path, paths: list[Path], fault: str, words: str) -> None:
    """Each on request, for every integration, for the n-th, or for the one that reads a certain file."""
    assert words in Simulator(tmp_path, fault=fault).run(script(paths))


def test_numbered_faults_happen_once(tmp_path: Path, paths: list[Path]) -> None:
    """The count goes on in another launch with the same state folder, so that a second try succeeds."""
    assert "ok false" in Simulator(tmp_path, fault="ii-false@1").run(script(paths))
    assert "ok true" in Simulator(tmp_path, fault="ii-false@1").run(script(paths))


@pytest.mark.parametrize(
    ("fault", "saved", "size"),
    [("", "true", 1.0), ("half-master", "true", 0.5), ("disk-full", "false", 0.5), ("stale", "true", 0.0)],
)
def test_faults_of_saving(tmp_path: Path, paths: list[Path], fault: str, saved: str, size: float) -> None:
    """A file may be cut, missing or of an earlier run although saving reports success."""
    whole, target = tmp_path / "whole.xisf", tmp_path / "m.xisf"
    save = "console.writeln(ImageWindow.windowById(P.integrationImageId).saveAs('{}', false, false, false, false, ''))"
    Simulator(tmp_path / "a").run(script(paths) + save.format(whole.as_posix()))
    shown = Simulator(tmp_path / "b", fault=fault).run(script(paths) + save.format(target.as_posix()))

    assert shown.endswith(f"{saved}\n")
    assert (target.stat().st_size if target.exists() else 0) == int(whole.stat().st_size * size)


def test_keywords_that_the_script_set_may_be_lost(tmp_path: Path, paths: list[Path]) -> None:
    """Then the file has what ImageIntegration left, no more."""
    target = tmp_path / "m.xisf"
    save = (
        "var w = ImageWindow.windowById(P.integrationImageId);"
        "w.keywords = w.keywords.concat([new FITSKeyword('GAIN', '100', 'gain')]);"
        f"w.saveAs('{target.as_posix()}', false, false, false, false, '');"
    )

    def names(fault: str) -> set[str]:
        Simulator(tmp_path / f"state{fault}", fault=fault).run(script(paths) + save)
        return {keyword.name for keyword in images.read_info(target).keywords}

    assert "GAIN" in names("")
    assert "GAIN" not in names("keyword-loss")
