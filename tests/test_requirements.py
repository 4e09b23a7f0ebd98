"""Rows of the five user documents that no room's own tests hold, over real files; each test is named by its row."""

import re
import tracemalloc
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ap_masters import record as records
from ap_masters.config import Settings
from ap_masters.engines.numpy import NumpyEngine
from ap_masters.engines.pixinsight.find import find_binary
from ap_masters.engines.pixinsight.process import arguments
from ap_masters.images import read_image, write_image
from ap_masters.layouts import render
from ap_masters.model import Combination, FrameType, Group, GroupKey, Integrated, Job, Recipe, Rejection
from tests.builders import make_frame, nina_keywords, noisy, write_frame
from tests.layouts.namings import naming
from tests.nights import shoot, shoot_flats
from tests.program import Done, Run
from tests.simulator import SIMULATOR

NUMPY = ("--engine", "numpy")
HOUR = timedelta(hours=1)


def groups(done: Done) -> dict[str, int]:
    """Return the number of frames of each group by its description."""
    return {group["key"]["description"]: len(group["frames"]) for group in done.document["groups"]}


def test_s0_28_raw_frames_of_the_playbook_are_found_in_their_folders(run: Run, tmp_path: Path) -> None:
    """darks/[exposure]s_[temp]_g[gain]_o[offset]/[date]/: two settings are two groups, two dates are one."""
    for exposure, gain in ((120.0, 0), (300.0, 100)):
        for day in (1, 2):
            folder = tmp_path / "darks" / f"{exposure:g}s_-10_g{gain}_o50" / f"2026-03-0{day}"
            shoot(folder, "DARK", exposure, 3, at=datetime(2026, 3, day, 20), GAIN=gain)

    found = groups(run("scan", tmp_path, "--json"))

    assert sorted((text.split(",")[0], "gain 0," in text, count) for text, count in found.items()) == [
        ("dark 120 s", True, 6),
        ("dark 300 s", False, 6),
    ]


def test_s1_12_dated_folders_say_what_headers_do_not(run: Run, tmp_path: Path) -> None:
    """Calibration/2025-09-23/bias and .../dark-180s, of a program that writes no IMAGETYP."""
    for folder, exposure in (("bias", 0.0), ("dark-180s", 180.0)):
        for i in range(3):
            place = tmp_path / "Calibration" / "2025-09-23" / folder / f"{i}.fits"
            write_frame(place, noisy(i), IMAGETYP=None, EXPTIME=exposure, EXPOSURE=exposure)

    found = groups(run("scan", tmp_path / "Calibration", "--json"))

    assert sorted(text.split(",")[0] for text in found) == ["bias", "dark 180 s"]
    assert set(found.values()) == {3}


def test_s2_05_the_tree_of_the_guide_in_xisf(run: Run, tmp_path: Path) -> None:
    """bias, darks, darkflats and flats, raw frames in XISF, headers without dark flats: four types of masters."""
    rows = (
        ("bias", "bias", "Bias Frame", 0.0, 500, None),
        ("darks", "dark_120s", "Dark Frame", 120.0, 520, None),
        ("darkflats", "darkflat_0.5s", "Dark Frame", 0.5, 505, None),
        ("flats", "flat_B", "Flat Frame", 0.5, 30000, "B"),
    )
    for folder, name, image_type, exposure, level, band in rows:
        for i in range(1, 4):
            cards = {"IMAGETYP": image_type, "EXPTIME": exposure, "EXPOSURE": exposure, "FILTER": band}
            write_frame(tmp_path / "in" / folder / f"{name}_{i:03}.xisf", noisy(level + i, level=level), **cards)  # type: ignore[arg-type]

    done = run("build", tmp_path / "in", tmp_path / "library", "--layout", "anawbpps", *NUMPY)

    names = sorted(path.stem.split("_ZWO_ASI2600MM_Pro_")[1] for path in (tmp_path / "library").rglob("*.xisf"))
    assert done.code == 0
    assert names == [
        "MasterBias_0s_Gain100_Offset50_1x1_-10C",
        "MasterDarkFlat_0.5s_Gain100_Offset50_1x1_-10C",
        "MasterDark_120s_Gain100_Offset50_1x1_-10C",
        "MasterFlat_B_Gain100_Offset50_1x1_-10C",
    ]


def test_s2_14_a_library_of_darks_needs_no_bias(run: Run, tmp_path: Path) -> None:
    """The bias frames that are there are left alone; flats are calibrated with a dark that contains the bias."""
    shoot(tmp_path / "night", "BIAS")
    shoot(tmp_path / "night", "DARK", 2.0, at=-24 * HOUR)
    shoot_flats(tmp_path / "night")

    done = run("build", tmp_path / "night", tmp_path / "library", "--type", "dark,flat", *NUMPY)

    (flat,) = (records.read(path) for path in (tmp_path / "library").rglob("masterFlat*.xrs"))
    assert done.code == 0
    assert not list((tmp_path / "library").rglob("masterBias*"))
    assert flat.calibration is not None
    assert flat.calibration.state == "D"


@pytest.mark.parametrize("exposure", [0.0, 0.000032, 0.001])
def test_s2_35_a_bias_is_always_called_0s(run: Run, tmp_path: Path, exposure: float) -> None:
    """Whatever the shortest exposure of the camera is."""
    shoot(tmp_path / "night", "BIAS", exposure, 3)

    done = run("plan", tmp_path / "night", tmp_path / "library", "--layout", "anawbpps", *NUMPY)

    assert "_MasterBias_0s_Gain100" in done.out


@pytest.mark.parametrize(
    ("telescope", "camera", "setup"),
    [
        ('Edge HD 8"', "QHY600M", "Edge_HD_8__QHY600M"),
        ("C8/EdgeHD", "ZWO ASI2600MM Pro", "C8_EdgeHD_ZWO_ASI2600MM_Pro"),
        ("Bin 1x1", "a+b (c)", "Bin_1x1_a_b__c_"),
    ],
)
def test_s2_37_blanks_slashes_and_the_rest_become_underscores(telescope: str, camera: str, setup: str) -> None:
    """C-16: one for each character, as the script does; the example of the document is an Edge HD 8 with its inches."""
    named = naming(FrameType.BIAS, telescope=telescope, camera=camera)

    assert render("anawbpps", named).parts[1] == setup


@pytest.mark.parametrize(
    ("letter", "filters"),
    {
        "l": ("L", "Lum", "Luminance"),
        "r": ("R", "Red"),
        "g": ("G", "Green"),
        "b": ("B", "Blue"),
        "h": ("H", "Ha", "H-alpha", "Hα", "Hydrogen"),
        "o": ("O", "OIII", "O3"),
        "s": ("S", "SII", "S2"),
    }.items(),
    ids="flat_{0[0]}".format,
)
def test_s3_16_filters_have_pulsars_letters(letter: str, filters: tuple[str, ...]) -> None:
    """C-14: hydrogen alpha is flat_h, as in its list."""
    names = {render("pulsar", naming(FrameType.FLAT, filter=name)).name for name in filters}

    assert names == {f"flat_{letter}.fit"}


def test_s2_39_several_dates_are_several_folders(run: Run, tmp_path: Path) -> None:
    """S2-38 too: two nights in a row are one epoch, dated by its first frame; three weeks later is another."""
    for day in (3, 4, 25):
        shoot(tmp_path / "night", "DARK", 60.0, 5, at=datetime(2026, 1, day, 22))

    done = run("build", tmp_path / "night", tmp_path / "library", "--profile", "anawbpps", *NUMPY)

    folders = {path.parent.name: path for path in (tmp_path / "library").rglob("*_MasterDark_*.xrs")}
    assert done.code == 0
    assert sorted(folders) == ["DARKS_2026_01_03", "DARKS_2026_01_25"]
    assert [len(records.read(folders[name]).inputs) for name in sorted(folders)] == [10, 5]


def test_s3_03_memory_is_bounded_and_changes_nothing(tmp_path: Path) -> None:
    """S2-55: forty frames of 4 MB in 24 MB and in 400 MB: the same bytes, and no more memory than was allowed."""
    height, width, count = 1000, 2000, 40
    rng = np.random.default_rng(1)
    pattern = rng.integers(400, 600, (height, width), dtype=np.uint16)
    frames = []
    for i in range(count):
        path = tmp_path / f"{i}.fits"
        write_image(path, pattern + np.uint16(i * 7 % 11), nina_keywords(), image_type="Dark")
        frames.append(make_frame(path=path, width=width, height=height, size=path.stat().st_size))
    group = Group(key=GroupKey.of(frames[0]), frames=tuple(frames))
    recipe = Recipe(combination=Combination.MEDIAN, rejection=Rejection.NONE)
    job = Job(id="dark", group=group, recipe=recipe, output=Path("m.xisf"))
    made, peak = {}, {}
    for memory in (24 << 20, 400 << 20):
        folder = tmp_path / str(memory)
        folder.mkdir()
        tracemalloc.start()
        (result,) = NumpyEngine(memory=memory, threads=2).run([job], folder, lambda _: None)
        peak[memory] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(result, Integrated)
        made[memory] = read_image(result.path)[1]

    small, large = made.values()
    assert np.array_equal(small, large)
    assert peak[24 << 20] < 24 << 20


def test_s4_07_the_instance_is_123_unless_told() -> None:
    """And PixInsight is told with an equals sign."""
    told = arguments(Path("s.js"), Settings().pixinsight.instance_id, force_exit=True)

    assert told[0] == "-n=123"


def test_s4_20_pixinsight_is_looked_for_where_it_is_installed() -> None:
    """The places that the document names, with their blanks; nothing passes through a shell."""
    windows = [str(path) for path in find_binary(None, platform="win32", which={}).looked_at]
    linux = [path.as_posix() for path in find_binary(None, platform="linux", which={}).looked_at]

    assert r"C:\Program Files\PixInsight\bin\PixInsight.exe" in windows
    assert "/opt/PixInsight/bin/PixInsight" in linux


def test_s4_23_script_and_log_stay_when_pixinsight_fails(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4-15 too: both are in logs, under the time of the run, and the message says where the log is."""
    monkeypatch.setenv("AP_SIM_STARTUP", "0")
    monkeypatch.setenv("AP_SIM_FAULT", "throw")
    shoot(tmp_path / "night", "BIAS")

    done = run("build", tmp_path / "night", tmp_path / "library", "--pixinsight-binary", SIMULATOR)

    logs = sorted((tmp_path / "library" / "logs").iterdir())
    assert done.code == 5
    assert [path for path in logs if re.fullmatch(r"\d{8}_\d{6}_calibrate_masters\.js", path.name)]
    assert [path for path in logs if re.fullmatch(r"\d{8}_\d{6}\.log", path.name) and path.stat().st_size > 0]
    assert f"log: {tmp_path / 'library' / 'logs'}" in done.out


def test_c_26_what_is_missing_is_never_equal_to_what_is_known(run: Run, tmp_path: Path) -> None:
    """S4-13: a flat without GAIN is no partner for a dark of any gain; the message says so, and what would help."""
    shoot(tmp_path / "night", "DARKFLAT", 2.0, at=HOUR)
    shoot_flats(tmp_path / "night", GAIN=None)
    command = ("plan", tmp_path / "night", tmp_path / "library", *NUMPY)

    strict = run(*command)
    lenient = run(*command, "--lenient-unknown")

    assert "gain 100, the flats have none" in strict.out
    assert "--lenient-unknown" in strict.out
    assert "let pass by --lenient-unknown" in lenient.err + lenient.out
