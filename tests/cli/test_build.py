"""scan, plan, build, script and demo, as a user runs them on a night of N.I.N.A.'s."""

import json
import shutil
import sys
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest

from ap_masters import record as records
from ap_masters.cli import building
from ap_masters.demo import NIGHT, write_night
from ap_masters.images import read_image
from tests.builders import noisy, write_frame
from tests.cli.conftest import Run
from tests.nights import shoot, shoot_flats

NUMPY = ("--engine", "numpy")
TYPES = ["bias", "dark", "dark flat", "dark flat", "flat", "flat"]


def masters(library: Path) -> list[Path]:
    return sorted((library / "master").glob("*.xisf"))


# --- scan -------------------------------------------------------------------------------------------------


def test_scan_shows_groups_and_what_was_set_aside(run: Run, small_night: Path) -> None:
    """Every file of the night is in one place: a group, dropped from it, or set aside with the reason."""
    done = run("scan", small_night, "--json")

    groups = done.document["groups"]
    in_groups = sum(len(group["frames"]) + len(group["dropped"]) for group in groups)
    assert done.code == 0
    assert [group["key"]["type"] for group in groups] == TYPES
    assert in_groups + len(done.document["set_aside"]) == sum(sequence.frames for sequence in NIGHT)
    assert {item["reason"] for item in done.document["set_aside"]} == {"light frame", "unreadable"}


def test_scan_is_readable_in_a_pipe(run: Run, small_night: Path) -> None:
    """A table, then the files that need a look with their reason; the two lights are counted only."""
    done = run("scan", small_night)

    assert done.out.splitlines()[0].split() == ["type", "group", "frames", "grade"]
    assert "1 dropped from their group: 1 temperature excursion" in done.out
    assert "0011.fits: unreadable: is cut short" in done.out
    assert "LIGHT" not in done.out
    assert "LIGHT" in run("scan", small_night, "-v").out


def test_scan_of_nothing_says_so(run: Run, tmp_path: Path) -> None:
    """An empty folder, and one that holds only lights: what was seen, and what was expected."""
    write_frame(tmp_path / "lights" / "m31.fits", IMAGETYP="LIGHT")
    (tmp_path / "empty").mkdir()

    lights, empty = run("scan", tmp_path / "lights"), run("scan", tmp_path / "empty", "--json")
    assert (lights.code, empty.code) == (3, 3)
    assert "'LIGHT' (1)" in lights.err
    assert empty.document["groups"] == []


def test_the_cache_changes_nothing(run: Run, small_night: Path) -> None:
    """A second scan opens no unchanged file and says the same."""
    assert run("scan", small_night, "--json").document == run("scan", small_night, "--json").document


@pytest.fixture
def patterns(tmp_path: Path) -> Path:
    """Darks of one camera whose headers name two colour filter arrays, and none."""
    for pattern in ("RGGB", "GRBG", None):
        for number in range(3):
            write_frame(tmp_path / "patterns" / f"{pattern} {number}.fits", BAYERPAT=pattern)
    return tmp_path / "patterns"


def test_groups_that_read_alike_show_what_differs(run: Run, patterns: Path) -> None:
    """Three lines, and each says what makes it a group of its own."""
    (_, *lines) = run("scan", patterns).out.splitlines()

    told = ("no bayer pattern", "bayer pattern GRBG", "bayer pattern RGGB")
    assert [line.split(", ")[-1].partition("  ")[0] for line in lines] == list(told)


def test_a_plan_that_has_one_path_for_several_groups_says_what_helps(run: Run, patterns: Path, tmp_path: Path) -> None:
    """No layout tells colour filter arrays apart: neither is one recommended, but a path that does; and it helps."""
    said = run("plan", patterns, tmp_path / "masters", *NUMPY).out
    assert "None of the layouts tells them apart: choose as --layout a path of your own that holds {{ bayer }}" in said

    refused = run("build", patterns, tmp_path / "masters", *NUMPY).err
    assert "bayer pattern GRBG: 3 groups would be filed" in refused
    own = ("--layout", "{{ type }}_{{ exposure }}_{{ bayer }}")
    assert run("build", patterns, tmp_path / "masters", *NUMPY, *own).code == 0
    taken = run("plan", patterns / "GRBG*", tmp_path / "masters", *NUMPY, "--layout", "{{ type }}_{{ exposure }}_RGGB")
    assert "is the master of another group" in taken.out
    assert "that holds {{ bayer }}" in taken.out


# --- plan -------------------------------------------------------------------------------------------------


def test_plan_writes_nothing_and_says_why(run: Run, small_night: Path, tmp_path: Path) -> None:
    """What would be created, with the dark flat that each flat would use."""
    library = tmp_path / "masters"
    done = run("plan", small_night, library, *NUMPY)

    assert done.code == 0
    assert done.out.count("create ") == len(TYPES)
    assert done.out.count("taken masterDarkFlat") == 2
    assert "engine: numpy" in done.err
    assert not library.exists()


def test_darks_that_are_taken_for_dark_flats_are_told(run: Run, tmp_path: Path) -> None:
    """Scan, plan and the log of a build say so, in the text and as JSON: the user has only ever said DARK."""
    night = tmp_path / "night"
    shoot_flats(night / "flats", 2.0)
    shoot(night / "darks", "DARK", 2.0)
    said = "6 of 6 frames say 'DARK' and are taken for dark flats"

    for command in (("scan", night), ("plan", night, tmp_path / "masters", *NUMPY)):
        assert said in run(*command).out
        assert said in json.dumps(run(*command, "--json").document)
    assert run("build", night, tmp_path / "masters", *NUMPY).code == 0
    (log,) = (tmp_path / "masters" / "logs").glob("*.log")
    assert said in log.read_text(encoding="utf-8")


def test_plan_says_up_to_date(run: Run, small_night: Path, small_library: Path) -> None:
    """After a build, in words and in JSON."""
    done = run("plan", small_night, small_library, *NUMPY, "--json")

    actions = [step["action"] for stage in done.document["stages"] for step in stage]
    assert actions == ["up to date"] * len(TYPES)


# --- build ------------------------------------------------------------------------------------------------


def test_build_makes_masters_records_and_a_log(run: Run, small_night: Path, small_library: Path) -> None:
    """Six masters with their records; the temperature excursion and the broken frame are in none of them."""
    used = [entry.path for path in masters(small_library) for entry in records.read(path.with_suffix(".xrs")).inputs]
    (log,) = (small_library / "logs").glob("*.log")

    assert len(masters(small_library)) == len(TYPES)
    assert (
        len(used) == len(set(used)) == sum(sequence.frames for sequence in NIGHT) - 4
    )  # 2 lights, 1 dropped, 1 broken
    assert "temperature excursion" in log.read_text(encoding="utf-8")
    assert "is cut short" in log.read_text(encoding="utf-8")
    assert not list((small_library / ".ap-masters").rglob("*.xisf"))


def test_flats_are_calibrated_with_the_dark_flats_of_the_run(small_library: Path) -> None:
    """The record says with which, and the level is that of light alone."""
    for path in masters(small_library):
        if path.name.startswith("masterFlat"):
            record = records.read(path.with_suffix(".xrs"))
            level = float(np.median(read_image(path)[1]))

            assert record.calibration is not None
            assert record.calibration.state == "D"
            assert record.calibration.dark is not None
            assert "masterDarkFlat" in record.calibration.dark.path.name
            assert level == pytest.approx(0.5 * 0.89, abs=0.02)  # half of the range, less vignetting at the median


def test_a_second_build_is_up_to_date(run: Run, small_night: Path, small_library: Path) -> None:
    """Nothing is touched, and the exit code says that all is well."""
    before = {path: path.stat().st_mtime_ns for path in small_library.rglob("*.x*")}
    done = run("build", small_night, small_library, *NUMPY)

    assert done.code == 0
    assert "6 up to date" in done.out
    assert {path: path.stat().st_mtime_ns for path in small_library.rglob("*.x*")} == before


def test_a_new_frame_rebuilds_its_master_and_keeps_the_old(run: Run, tmp_path: Path) -> None:
    """Only that group; the old master stands in superseded."""
    night, library = tmp_path / "night", tmp_path / "masters"
    for number in range(6):
        write_frame(night / f"dark{number}.fits", noisy(number))
        write_frame(night / f"bias{number}.fits", noisy(90 + number), IMAGETYP="BIAS", EXPTIME=0.0, EXPOSURE=0.0)
    run("build", night, library, *NUMPY)
    write_frame(night / "dark6.fits", noisy(6), DATE_OBS="2026-01-29T21:30:00.000")

    done = run("build", night, library, *NUMPY, "--json")

    assert {o["key"]["type"]: o["action"] for o in done.document["outcomes"]} == {
        "bias": "up to date",
        "dark": "rebuild",
    }
    assert len(list((library / "superseded").rglob("*.xisf"))) == 1
    (dark,) = (library / "master").glob("masterDark_*.xisf")
    assert len(records.read(dark.with_suffix(".xrs")).inputs) == 7


def test_options_reach_the_recipe(run: Run, small_night: Path, tmp_path: Path) -> None:
    """Types, rejection, limits and the file format of the command line."""
    library = tmp_path / "masters"
    done = run(
        *("build", small_night, library, *NUMPY, "--type", "bias", "--format", "fits"),
        *("--rejection", "sigma", "--sigma-high", "2.5", "--combination", "median"),
    )
    (master,) = (library / "master").glob("masterBias*.fit*")
    recipe = records.read(master.with_suffix(".xrs")).recipe

    assert done.code == 0
    assert (recipe.rejection, recipe.sigma_high, recipe.combination) == ("sigma", 2.5, "median")
    assert "5 skipped" in done.out


def test_s4s_two_runs_work_as_written(run: Run, small_night: Path, tmp_path: Path) -> None:
    """S4-17: bias and darks first; flats later, with both options naming one folder."""
    library = tmp_path / "masters"
    first = run("build", small_night, library, *NUMPY, "--stage", "bias,dark")
    folder = ("--bias-master-dir", library / "master", "--dark-master-dir", library / "master")
    second = run("build", small_night, tmp_path / "flats", *NUMPY, "--stage", "flat", *folder)

    assert (first.code, second.code) == (0, 0)
    assert len(masters(library)) == 4
    flats = masters(tmp_path / "flats")
    assert len(flats) == 2
    for path in flats:
        calibration = records.read(path.with_suffix(".xrs")).calibration
        assert calibration is not None
        assert calibration.dark is not None


@pytest.mark.parametrize(
    ("profile", "built", "example"),
    [
        pytest.param("ap", 4, "master/masterBias_INSTRUME_Demo-Camera_*.xisf", id="ap: flats another day"),
        pytest.param("nina", 6, "2026-01-29/dark-300s/master-dark_300s_GAIN100_OFFSET50_T-10C.fit", id="nina"),
        pytest.param("playbook", 6, "darks/300s_-10_g100_o50/master_dark_2026-01-29.xisf", id="playbook"),
        pytest.param("anawbpps", 6, "!!!FLATS_LIB/*/FLATS_2026_01_29/*_MasterFlat_Ha_Gain100_*.xisf", id="anawbpps"),
        pytest.param("pulsar", 6, "2026_01_29/cosme300s.lst", id="pulsar"),
    ],
)
def test_every_way_of_working_builds_the_night(
    run: Run, small_night: Path, tmp_path: Path, profile: str, built: int, example: str
) -> None:
    """One word on the command line gives names, formats, counts and methods of that guide."""
    done = run("build", small_night, tmp_path / "masters", *NUMPY, "--profile", profile, "--json")

    assert done.code == 0
    assert [outcome["state"] for outcome in done.document["outcomes"]].count("Success") == built
    assert len(list((tmp_path / "masters").glob(example))) == 1


def test_settings_come_from_the_project_file(
    run: Run, small_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with an ap-masters.toml needs no flags; a flag overrules it."""
    (tmp_path / "ap-masters.toml").write_text('engine = "numpy"\nlayout = "wbpp"\ntypes = ["bias"]\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    steps = [s for stage in run("plan", small_night, "out", "--json").document["stages"] for s in stage]
    assert [s["action"] for s in steps].count("create") == 1
    assert any("masterBias_BIN-1" in s["output"] for s in steps)

    flagged = run("plan", small_night, "out", "--json", "--layout", "ap").document["stages"]
    assert any("masterBias_INSTRUME" in s["output"] for stage in flagged for s in stage)


@pytest.mark.skipif(sys.platform == "win32", reason="the simulator is started by the first line of its file")
def test_pixinsight_builds_what_numpy_builds(run: Run, small_night: Path, small_library: Path, tmp_path: Path) -> None:
    """The simulator in PixInsight's place: the same master, named first, with PixInsight in its record."""
    library = tmp_path / "masters"
    simulator = Path(__file__).parent.parent / "simulator" / "PixInsight"
    done = run("build", small_night, library, "--type", "bias", "--pixinsight-binary", simulator)

    (ours,) = masters(library)
    (theirs,) = [path for path in masters(small_library) if path.name.startswith("masterBias")]
    record = records.read(ours.with_suffix(".xrs"))
    assert done.code == 0, done.err
    assert done.err.splitlines()[0] == f"engine: PixInsight ({simulator})"
    assert record.engine is not None
    assert record.engine.name == "pixinsight"
    np.testing.assert_allclose(read_image(ours)[1], read_image(theirs)[1], atol=1e-7)
    assert record.rejected == records.read(theirs.with_suffix(".xrs")).rejected


def test_what_siril_will_not_find_is_told(run: Run, tmp_path: Path) -> None:
    """Its path expressions are of no use for frames without a gain; for others they are, and nothing is said."""
    for number in range(3):
        write_frame(tmp_path / "night" / f"told {number}.fits")
        write_frame(tmp_path / "night" / f"untold {number}.fits", GAIN=None, OFFSET=None)

    for command in ("plan", "build"):
        done = run(command, tmp_path / "night", tmp_path / "masters", *NUMPY, "--layout", "siril")
        assert "$defdark" in done.out
        assert done.err.count("Siril does not find it") == 1
        assert "warning: DARK_300s_NO_GAIN_NO_OFFSET_T-10C_bin1.fit: Siril" in done.err


# --- script -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("script",), ("build", "--script-only")], ids=["script", "build --script-only"])
def test_a_script_is_written_and_nothing_is_started(
    run: Run, small_night: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """S4-06, S4-15: the script and the plan stand in logs; no PixInsight is needed, no master is made."""
    library = tmp_path / "masters"
    done = run(words[0], small_night, library, *words[1:], "--json")

    script = Path(done.document["script"])
    assert done.code == 0
    assert script.parent == library / "logs"
    assert script.name.endswith("_calibrate_masters.js")
    assert "ImageIntegration" in script.read_text(encoding="ascii")
    assert len(json.loads(Path(done.document["plan_file"]).read_text(encoding="utf-8"))["stages"]) == 2
    assert not list(library.rglob("*.xisf"))


def test_what_is_to_be_typed_next_is_quoted_for_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backslash before the closing quote, as in the name of a drive, would make that a letter."""
    monkeypatch.setattr(sys, "platform", "win32")

    words = building.quoted(PureWindowsPath("D:/"), PureWindowsPath("D:/my masters"), PureWindowsPath("master/*.xisf"))

    assert words == r'"D:\\" "D:\my masters" "master\*.xisf"'


def test_scripts_of_one_second_are_two(run: Run, small_night: Path, tmp_path: Path) -> None:
    """The second does not replace the first."""
    announced = [run("script", small_night, tmp_path / "masters", "--json").document["script"] for _ in range(4)]

    assert len(set(announced)) == 4
    assert all("ImageIntegration" in Path(script).read_text(encoding="ascii") for script in announced)


def test_script_and_script_only_write_the_same(run: Run, small_night: Path, tmp_path: Path) -> None:
    """One path, two names; only the time in names and text differs."""
    texts = []
    for words in (("script",), ("build", "--script-only")):
        done = run(words[0], small_night, tmp_path / "masters", *words[1:], "--json")
        script = Path(done.document["script"])
        texts.append(script.read_text(encoding="ascii").replace(script.name[:15], "STAMP"))
        shutil.rmtree(tmp_path / "masters")

    assert texts[0] == texts[1]


def test_a_script_dir_of_ones_own(run: Run, small_night: Path, tmp_path: Path) -> None:
    """--script-dir moves the script; the log stays with the masters."""
    done = run("script", small_night, tmp_path / "masters", "--script-dir", tmp_path / "scripts", "--json")

    assert Path(done.document["script"]).parent == tmp_path / "scripts"
    assert Path(done.document["log"]).parent == tmp_path / "masters" / "logs"


# --- demo -------------------------------------------------------------------------------------------------


def test_demo_needs_nothing_and_says_where_everything_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new user's first command; a second one finds the work done; the night is there already, with small frames."""
    write_night(tmp_path / "demo" / "night", width=64, height=48)
    monkeypatch.setenv("AP_MASTERS_ENGINE", "pixinsight")  # his settings are not asked
    first = run("demo", tmp_path / "demo")
    second = run("demo", tmp_path / "demo")

    assert (first.code, second.code) == (0, 0)
    assert "6 built" in first.out
    assert "6 up to date" in second.out
    assert f"library: {tmp_path / 'demo' / 'library'}" in first.out
    assert len(masters(tmp_path / "demo" / "library")) == len(TYPES)


def test_s0_11_a_master_of_too_few_frames_is_told(run: Run, tmp_path: Path) -> None:
    """C-05: 20 darks where 30 are the minimum are built, with a word on it; enough are built without."""
    shoot(tmp_path / "night", "DARK", 300.0, 20)
    shoot(tmp_path / "night", "DARK", 60.0, 30)

    done = run("build", tmp_path / "night", tmp_path / "masters", "--profile", "playbook", "--engine", "numpy")

    assert done.code == 0
    (told,) = [line for line in done.err.splitlines() if "minimum" in line]
    assert told == "warning: 1 dark master of fewer frames than the minimum of 30 (counts.dark.minimum)"
    (row,) = [line for line in done.out.splitlines() if "below minimum" in line]
    assert row.split()[:3] == ["built", "dark", "20"]
