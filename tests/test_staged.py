"""Staged builds on the command line: bias, dark and dark flat, then the flats that use them; every match explained."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from ap_masters import record as records
from ap_masters.demo import Sensor
from ap_masters.images import read_image, read_info
from ap_masters.model import Reason
from ap_masters.record import Record
from tests.builders import noisy, write_frame
from tests.nights import SENSOR, half_full, shoot, shoot_flats
from tests.program import Done, Run

NUMPY = ("--engine", "numpy")
HOUR = timedelta(hours=1)


def record(library: Path, beginning: str) -> Record:
    """Return the record of the one master in ``library`` whose name begins so."""
    (found,) = sorted(library.rglob(f"{beginning}*.xrs"))
    return records.read(found)


def actions(done: Done) -> dict[str, list[str]]:
    """Return what a plan, printed with --json, would do, by frame type."""
    steps = [step for stage in done.document["stages"] for step in stage]
    return {
        kind: [s["action"] for s in steps if s["key"]["type"] == kind] for kind in {s["key"]["type"] for s in steps}
    }


def reasons(done: Done, kind: str) -> str:
    """Return the reasons and warnings of every step of a frame type."""
    steps = [step for stage in done.document["stages"] for step in stage if step["key"]["type"] == kind]
    return "\n".join(text for step in steps for text in (*step["reasons"], *step["warnings"]))


# --- S4's two commands ------------------------------------------------------------------------------------


def test_s4_17_the_two_commands_of_the_document(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bias and darks first; then flats with both options on one folder, with relative paths as it prints them."""
    monkeypatch.chdir(tmp_path)
    shoot(Path("raw/calibration"), "BIAS", at=-24 * HOUR)
    shoot(Path("raw/calibration"), "DARK", 2.0, at=-23 * HOUR)
    shoot_flats(Path("raw/flats"))
    given = ("--bias-master-dir", "./masters/master", "--dark-master-dir", "./masters/master")

    first = run("build", "./raw/calibration", "./masters", *NUMPY)
    second = run("build", "./raw/flats", "./output", *given, *NUMPY)

    assert (first.code, second.code) == (0, 0)
    flat = record(Path("output"), "masterFlat")
    assert flat.calibration is not None
    assert flat.calibration.dark is not None
    assert flat.calibration.dark.path == Path("masters/master") / flat.calibration.dark.path.name
    assert flat.calibration.dark.sha256 is not None
    assert flat.calibration.state == "D"
    assert actions(run("plan", "./raw/flats", "./output", *given, *NUMPY, "--json")) == {"flat": ["up to date"]}


def test_s4_17_the_library_itself_may_be_given(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flats into the library that their darks are in, with the options pointing into it."""
    monkeypatch.chdir(tmp_path)
    shoot(Path("darks"), "DARK", 2.0, at=-24 * HOUR)
    shoot_flats(Path("flats"))
    run("build", "darks", "masters", *NUMPY)

    done = run("build", "flats", "masters", "--dark-master-dir", tmp_path / "masters" / "master", *NUMPY)

    assert done.code == 0
    assert [d.verdict for d in record(Path("masters"), "masterFlat").decisions] == ["taken"]


def test_s4_16_masters_of_a_run_do_not_serve_it_with_no_same_run(run: Run, tmp_path: Path) -> None:
    """The flats are skipped and told to wait for the next run, which builds them."""
    shoot(tmp_path / "night", "BIAS")
    shoot_flats(tmp_path / "night")
    build = ("build", tmp_path / "night", tmp_path / "library", "--no-same-run", *NUMPY)

    first = run(*build)
    second = run(*build)

    assert "1 master of this run may not serve it (--no-same-run): build once more" in first.err
    assert not list((tmp_path / "library").rglob("masterFlat*")) or second.code == 0
    assert record(tmp_path / "library", "masterFlat").calibration is not None


def test_s4_16_a_master_that_is_rebuilt_serves_no_flat_of_its_run_either(run: Run, tmp_path: Path) -> None:
    """What stands in its place while the flats are calibrated would not be what the record names."""
    shoot(tmp_path / "night", "BIAS", count=5)
    run("build", tmp_path / "night", tmp_path / "library", *NUMPY)
    shoot(tmp_path / "night", "BIAS", count=2, at=HOUR)
    shoot_flats(tmp_path / "night")

    done = run("plan", tmp_path / "night", tmp_path / "library", "--no-same-run", *NUMPY, "--json")

    assert actions(done) == {"bias": ["rebuild"], "flat": ["skipped"]}


# --- stages -----------------------------------------------------------------------------------------------


def test_stages_one_after_the_other(run: Run, tmp_path: Path) -> None:
    """--stage bias,dark leaves the flats alone; --stage flat takes them up with what is in the library."""
    night, library = tmp_path / "night", tmp_path / "library"
    shoot(night, "BIAS", at=-HOUR)
    shoot(night, "DARKFLAT", 2.0, at=HOUR)
    shoot_flats(night)

    first = run("build", night, library, "--stage", "bias,dark", *NUMPY)
    second = run("build", night, library, "--stage", "flat", *NUMPY)

    assert (first.code, second.code) == (0, 0)
    assert "2 built, 1 skipped" in first.out
    assert "2 skipped, 1 built" in second.out
    flat = record(library, "masterFlat").calibration
    assert flat is not None
    assert flat.dark is not None
    assert flat.dark.type == "dark flat"


def test_s3_25_no_frames_of_the_stage_that_was_asked_for(run: Run, tmp_path: Path) -> None:
    """PULSAR's words: No dark frames found, No flat frames found; with what there is instead. Exit code 3."""
    shoot(tmp_path / "biases", "BIAS")

    flats = run("build", tmp_path / "biases", tmp_path / "library", "--stage", "flat", *NUMPY)
    darks = run("plan", tmp_path / "biases", tmp_path / "library", "--type", "dark", *NUMPY)

    assert (flats.code, darks.code) == (3, 3)
    assert "No flat frames found" in flats.err
    assert "No dark frames found" in darks.err
    assert "6 bias" in flats.err


@pytest.mark.parametrize("flag", ["--bias-master-dir", "--dark-master-dir"])
def test_a_given_folder_that_is_not_there(run: Run, tmp_path: Path, flag: str) -> None:
    """A misspelt folder of masters is an error, not a folder without masters."""
    shoot_flats(tmp_path / "night")

    done = run("build", tmp_path / "night", tmp_path / "library", flag, tmp_path / "nowhere", *NUMPY)

    assert done.code == 2
    assert "nowhere" in done.err


# --- one run ----------------------------------------------------------------------------------------------


@pytest.fixture
def with_dark_flats(tmp_path: Path) -> Path:
    """Six flats, and twelve dark flats of which half saw light: their master will be quarantined."""
    shoot_flats(tmp_path / "night")
    shoot(tmp_path / "night", "DARKFLAT", 2.0, at=HOUR)
    shoot(tmp_path / "night" / "lit", "DARKFLAT", 2.0, at=2 * HOUR, light=40.0)
    return tmp_path / "night"


def test_nothing_is_built_on_a_master_that_was_refused(run: Run, tmp_path: Path, with_dark_flats: Path) -> None:
    """The flats wait, with the reason, on screen and in the log; exit code 6."""
    done = run("build", with_dark_flats, tmp_path / "library", *NUMPY)

    assert done.code == 6
    assert "1 quarantined, 1 waiting" in done.out
    assert "is waiting: dark flat 2 s" in done.err
    assert "was quarantined: two kinds of frames" in done.err
    (log,) = (tmp_path / "library" / "logs").glob("*.log")
    assert "WAITING: dark flat 2 s" in log.read_text(encoding="utf-8")
    assert not list((tmp_path / "library").rglob("masterFlat*"))


def test_flats_that_waited_are_built_when_the_cause_is_gone(run: Run, tmp_path: Path, with_dark_flats: Path) -> None:
    """The lit frames are removed: dark flat and flat are built, and a third run builds nothing."""
    run("build", with_dark_flats, tmp_path / "library", *NUMPY)
    shutil.rmtree(with_dark_flats / "lit")

    second = run("build", with_dark_flats, tmp_path / "library", *NUMPY)
    third = run("plan", with_dark_flats, tmp_path / "library", *NUMPY, "--json")

    assert second.code == 0
    assert actions(third) == {"dark flat": ["up to date"], "flat": ["up to date"]}


def test_a_rebuilt_dark_flat_makes_its_flats_stale_and_the_plan_says_so(run: Run, tmp_path: Path) -> None:
    """One dark flat less: its master is rebuilt, and so is the flat that used it."""
    shoot_flats(tmp_path / "night")
    dark_flats = shoot(tmp_path / "night", "DARKFLAT", 2.0, at=HOUR)
    run("build", tmp_path / "night", tmp_path / "library", *NUMPY)
    dark_flats[-1].unlink()

    done = run("plan", tmp_path / "night", tmp_path / "library", *NUMPY, "--json")

    assert actions(done) == {"dark flat": ["rebuild"], "flat": ["rebuild"]}
    assert "its dark flat masterDarkFlat" in reasons(done, "flat")


def test_a_flat_that_is_not_in_the_plan_becomes_stale_aloud(run: Run, tmp_path: Path) -> None:
    """Only the darks are there to be rebuilt: the plan names the master flat that was made with them."""
    shoot_flats(tmp_path / "flats")
    dark_flats = shoot(tmp_path / "darks", "DARKFLAT", 2.0, at=HOUR)
    run("build", tmp_path / "flats", tmp_path / "darks", tmp_path / "library", *NUMPY)
    dark_flats[-1].unlink()

    done = run("plan", tmp_path / "darks", tmp_path / "library", *NUMPY, "--json")

    (warning,) = done.document["warnings"]
    assert warning.startswith("masterFlat")
    assert "which is rebuilt: it becomes stale" in warning


def test_dark_flats_of_another_night_make_no_flat_stale(run: Run, tmp_path: Path) -> None:
    """Layouts without a date file them in one place; the flats of each night keep what was taken for them."""
    for night in ("first", "second"):
        later = timedelta(days=30 * (night == "second"))
        shoot_flats(tmp_path / night, at=later)
        shoot(tmp_path / night, "DARKFLAT", 2.0, at=later + HOUR)
    run("build", tmp_path / "first", tmp_path / "library", *NUMPY)

    planned = run("plan", tmp_path / "second", tmp_path / "library", *NUMPY, "--json")
    run("build", tmp_path / "second", tmp_path / "library", *NUMPY)

    assert actions(planned) == {"dark flat": ["rebuild"], "flat": ["create"]}
    assert planned.document["warnings"] == []
    owed = run("library", "due", tmp_path / "library", "--json", "--policy", "never")
    assert owed.document["due"]["items"] == []


@pytest.mark.parametrize("profile", ["nina", "playbook", "anawbpps"])
def test_seasons_that_are_filed_by_date_stay_apart_when_all_frames_are_built_at_once(
    run: Run, tmp_path: Path, profile: str
) -> None:
    """Both in one master would stand under the first date, in the place of a master of that season alone."""
    for season, days in (("spring", 0), ("summer", 90)):
        shoot(tmp_path / "nights" / season, "DARK", 300.0, at=timedelta(days=days))
        run("build", tmp_path / "nights" / season, tmp_path / "library", *NUMPY, "--profile", profile)

    again = run("plan", tmp_path / "nights", tmp_path / "library", *NUMPY, "--profile", profile, "--json")

    assert actions(again) == {"dark": ["up to date", "up to date"]}


def test_frames_dropped_for_their_pixels_do_not_rebuild_for_ever(run: Run, tmp_path: Path) -> None:
    """Six biases of which two saw light: four are integrated by the rule for four, and a second plan knows that."""
    shoot(tmp_path / "night", "BIAS", count=4)
    for i in range(2):
        write_frame(
            tmp_path / "night" / f"lit{i}.fits", noisy(i, level=20000, shape=(64, 96)), IMAGETYP="BIAS", EXPTIME=0.0
        )
    run("build", tmp_path / "night", tmp_path / "library", *NUMPY)

    done = run("plan", tmp_path / "night", tmp_path / "library", *NUMPY, "--json")

    assert len(record(tmp_path / "library", "masterBias").inputs) == 4
    assert actions(done) == {"bias": ["up to date"]}

    shoot(tmp_path / "night", "BIAS", count=1, at=HOUR)
    again = run("plan", tmp_path / "night", tmp_path / "library", *NUMPY, "--json")

    assert actions(again) == {"bias": ["rebuild"]}
    assert reasons(again, "bias").startswith("1 new: BIAS_none_0s")
    assert "lit" not in reasons(again, "bias")
    assert "rejection" not in reasons(again, "bias")


def test_a_group_that_loses_all_its_frames_says_so(run: Run, tmp_path: Path) -> None:
    """The cooler was never on: every dark is dropped, the group skipped, and the biases are built."""
    shoot(tmp_path / "night", "DARK", 60.0, CCD_TEMP=-5.0)
    shoot(tmp_path / "night", "BIAS")

    done = run("plan", tmp_path / "night", tmp_path / "library", *NUMPY, "--json")

    assert actions(done) == {"bias": ["create"], "dark": ["skipped"]}
    assert "0 frames are there (6 more were dropped), 3 are needed: look at why" in reasons(done, "dark")


def test_frames_that_failed_a_job_are_told_one_by_one(run: Run, tmp_path: Path) -> None:
    """All flats are burnt out: the reason of every frame stands on screen and in the log."""
    paths = shoot_flats(tmp_path / "night", light=3 * half_full(2.0))
    shoot(tmp_path / "night", "DARKFLAT", 2.0, at=HOUR)

    done = run("build", tmp_path / "night", tmp_path / "library", *NUMPY)

    (log,) = (tmp_path / "library" / "logs").glob("*.log")
    text = log.read_text(encoding="utf-8")
    assert done.code == 4
    assert all(path.name in done.out for path in paths)
    assert all(path.name in text.partition("FAILED")[2] for path in paths)
    assert "of its samples are saturated (limit 0.10%)" in done.out


def test_a_flat_prefers_the_best_match_wherever_it_is(run: Run, tmp_path: Path) -> None:
    """Three dark flats: this run's bias only; the library's a month old; the given one of an hour ago is taken."""
    shoot(tmp_path / "old", "DARKFLAT", 2.0, at=-720 * HOUR)
    shoot(tmp_path / "near", "DARKFLAT", 2.0, at=-HOUR)
    run("build", tmp_path / "old", tmp_path / "library", *NUMPY)
    run("build", tmp_path / "near", tmp_path / "other", *NUMPY)
    shoot(tmp_path / "night", "BIAS", at=HOUR)
    shoot_flats(tmp_path / "night")

    given = ("--dark-master-dir", tmp_path / "other")
    run("build", tmp_path / "night", tmp_path / "library", *given, *NUMPY)

    flat = record(tmp_path / "library", "masterFlat").calibration
    assert flat is not None
    assert flat.dark is not None
    assert flat.dark.path.is_relative_to(tmp_path / "other")
    assert {(d.verdict, d.field) for d in flat.decisions} == {("taken", None), ("refused", "time"), ("refused", "type")}


def test_the_log_tells_the_same_as_the_record(run: Run, tmp_path: Path) -> None:
    """Every decision, what was subtracted, and each warning of the match; sub-lines are indented."""
    shoot(tmp_path / "night", "BIAS")
    shoot(tmp_path / "night", "DARK", 60.0, at=3 * HOUR)
    shoot_flats(tmp_path / "night")

    run("build", tmp_path / "night", tmp_path / "library", *NUMPY)

    (log,) = (tmp_path / "library" / "logs").glob("*.log")
    lines = log.read_text(encoding="utf-8").splitlines()
    flat = record(tmp_path / "library", "masterFlat")
    assert flat.decisions
    for decision in flat.decisions:
        field = f" [{decision.field}]" if decision.field else ""
        assert f"  {decision.verdict} {decision.subject}{field}: {decision.reason}" in lines
    assert any("nothing but a bias is subtracted from the flats" in text for text in flat.warnings)
    assert any(line.startswith("  subtracted (CALSTAT B): bias masterBias") for line in lines)


def test_c_13_the_record_says_why_a_dark_is_a_dark_flat(run: Run, tmp_path: Path) -> None:
    """N.I.N.A. 3 calls dark flats DARK; the evidence is in the record of their master."""
    shoot(tmp_path / "night", "DARK", 2.0, at=HOUR)
    shoot_flats(tmp_path / "night")

    run("build", tmp_path / "night", tmp_path / "library", *NUMPY)

    (decision,) = record(tmp_path / "library", "masterDarkFlat").decisions
    assert (decision.subject, decision.verdict) == ("type", "dark flat")
    assert decision.reason == "its exposure of 2 s is that of a flat taken 60 minutes away"


# --- calibration ------------------------------------------------------------------------------------------


def test_s4_19_a_dark_is_scaled_only_with_a_bias_and_its_factor_is_on_record(run: Run, tmp_path: Path) -> None:
    """Flats of 3 s, darks of 2, 5 and 10 s: nothing without a bias; with one the dark of 2 s, times about 1.5."""
    warm = Sensor(96, 64, seed=3)
    hot = np.random.default_rng(5).random(warm.shape) < 0.05
    warm.dark[hot] += np.random.default_rng(6).uniform(500, 3000, int(hot.sum()))
    night, library = tmp_path / "night", tmp_path / "library"
    shoot_flats(night, 3.0, sensor=warm, light=0.2 * half_full(3.0))
    for exposure in (2.0, 5.0, 10.0):
        shoot(night, "DARK", exposure, at=-24 * HOUR, sensor=warm)
    build = ("build", night, library, "--scale-dark", *NUMPY)

    without = run(*build)
    shoot(night, "BIAS", at=-HOUR, sensor=warm)
    with_bias = run(*build)

    assert "(exposure 2 s, the flats have 3 s)" in without.err
    assert with_bias.code == 0
    flat = record(library, "masterFlat")
    assert flat.calibration is not None
    assert flat.calibration.dark is not None
    assert (flat.calibration.dark.exposure, flat.calibration.state) == (2.0, "BD")
    factors = [entry.outcome.dark_scaling for entry in flat.inputs if entry.outcome]
    assert all(factor == pytest.approx(1.5, abs=0.1) for factor in factors)
    text = "".join(path.read_text(encoding="utf-8") for path in (library / "logs").glob("*.log"))
    assert all(f"dark scaled by {factor:.4f}" in text for factor in factors)
    assert "subtracted (CALSTAT BD): bias masterBias" in text


@pytest.mark.parametrize(("flags", "rejection"), [((), "winsorized"), (("--rejection", "percentile"), "percentile")])
def test_noise_around_zero_is_not_rejected_as_fractions_of_it(
    run: Run, tmp_path: Path, flags: tuple[str, ...], rejection: str
) -> None:
    """Five darks whose bias was subtracted: percentile clipping would reject most samples, and is only asked for."""
    for i in range(5):
        write_frame(tmp_path / "night" / f"dark{i}.fits", noisy(i, level=505, shape=(64, 96)))

    run("build", tmp_path / "night", tmp_path / "library", "--subtract-constant", "500", *flags, *NUMPY)

    made = record(tmp_path / "library", "masterDark")
    assert made.recipe.rejection == rejection
    assert made.rejected is not None
    assert ((made.rejected.low + made.rejected.high) / made.rejected.samples < 0.05) is (rejection == "winsorized")


def test_negative_values_stay_and_never_wrap(run: Run, tmp_path: Path) -> None:
    """Where a mask keeps all light away a calibrated flat is noise about zero: its mean is zero, half of it below."""
    light = np.full(SENSOR.shape, half_full(2.0))
    light[:16] = 0
    shoot_flats(tmp_path / "night", light=light, count=12)
    shoot(tmp_path / "night", "DARKFLAT", 2.0, at=HOUR, count=12)

    run("build", tmp_path / "night", tmp_path / "library", *NUMPY)

    (master,) = (tmp_path / "library").rglob("masterFlat*.xisf")
    masked = read_image(master)[1][0, :16] * 65535
    assert 0.4 < np.mean(masked < 0) < 0.6
    assert abs(masked.mean()) < 0.5
    assert np.abs(masked).max() < 50


# --- colour cameras ---------------------------------------------------------------------------------------


def shoot_mosaic(folder: Path, red: float, green: float, blue: float) -> list[Path]:
    """Write flats of a colour camera under a lamp of these colours, 1 for half of full scale."""
    lamp = np.full(SENSOR.shape, green)
    lamp[0::2, 0::2], lamp[1::2, 1::2] = red, blue
    return shoot_flats(folder, light=half_full(2.0) * lamp, BAYERPAT="RGGB")


def test_a_lamp_that_clips_one_colour_is_told_by_frame(run: Run, tmp_path: Path) -> None:
    """Half of full scale on the whole, but blue is burnt out: no master, and every flat has the reason."""
    shoot_mosaic(tmp_path / "night", 1.0, 0.5, 3.0)

    done = run("build", tmp_path / "night", tmp_path / "library", "--allow-uncalibrated", *NUMPY)

    assert done.code == 5
    assert done.out.count("of its samples are saturated") == 6


def test_a_lamp_that_leaves_one_colour_dark_is_told_in_the_record(run: Run, tmp_path: Path) -> None:
    """The master is built, keeps the balance of the lamp and does not clip; the record says that red is noise."""
    shoot_mosaic(tmp_path / "night", 0.005, 1.0, 0.6)

    run("build", tmp_path / "night", tmp_path / "library", "--allow-uncalibrated", *NUMPY)

    made = record(tmp_path / "library", "masterFlat")
    (master,) = (tmp_path / "library").rglob("masterFlat*.xisf")
    pixels = read_image(master)[1][0]
    assert any("the light leaves a colour almost dark: red" in warning for warning in made.warnings)
    assert pixels.max() < 1
    assert np.median(pixels[1::2, 1::2]) / np.median(pixels[0::2, 1::2]) == pytest.approx(0.6, rel=0.02)


# --- layouts ----------------------------------------------------------------------------------------------

TREES = {
    "ap": {
        "master/masterBias_INSTRUME_ZWO-ASI2600MM-Pro_SET-TEMP_-10_GAIN_100_OFFSET_50_READOUTM_Low-Noise_USBLIMIT_40.xisf",
        "master/masterDarkFlat_INSTRUME_ZWO-ASI2600MM-Pro_SET-TEMP_-10_GAIN_100_OFFSET_50_READOUTM_Low-Noise_USBLIMIT_40"
        "_EXPOSURE_0.5.xisf",
        "master/masterFlat_INSTRUME_ZWO-ASI2600MM-Pro_SET-TEMP_-10_GAIN_100_OFFSET_50_READOUTM_Low-Noise_USBLIMIT_40"
        "_EXPOSURE_0.5_DATE-OBS_2026-01-29_FILTER_L.xisf",
    },
    "anawbpps": {
        "!!!BIASES_LIB/RedCat_51_ZWO_ASI2600MM_Pro/BIASES_2026_01_29/"
        "RedCat_51_ZWO_ASI2600MM_Pro_MasterBias_0s_Gain100_Offset50_1x1_-10C.xisf",
        "!!!DARKFLATS_LIB/RedCat_51_ZWO_ASI2600MM_Pro/DARKFLATS_2026_01_29/"
        "RedCat_51_ZWO_ASI2600MM_Pro_MasterDarkFlat_0.5s_Gain100_Offset50_1x1_-10C.xisf",
        "!!!FLATS_LIB/RedCat_51_ZWO_ASI2600MM_Pro/FLATS_2026_01_29/"
        "RedCat_51_ZWO_ASI2600MM_Pro_MasterFlat_L_Gain100_Offset50_1x1_-10C.xisf",
    },
    "playbook": {
        "biases/0s_-10_g100_o50/master_bias_2026-01-29.xisf",
        "darkflats/0.5s_-10_g100_o50/master_darkflat_2026-01-29.xisf",
        "flats/L_0.5s_-10_g100_o50/master_flat_2026-01-29.xisf",
    },
    "nina": {
        "2026-01-29/bias/master-bias_GAIN100_OFFSET50_T-10C.fit",
        "2026-01-29/darkflat-0p5s/master-darkflat_L_0p5s_GAIN100_OFFSET50_T-10C.fit",
        "2026-01-29/flat-L/master-flat_L_0p5s_GAIN100_OFFSET50_T-10C.fit",
    },
    "pulsar": {"2026_01_29/bias.fit", "2026_01_29/dark500ms.fit", "2026_01_29/flat_l.fit"},
    "wbpp": {
        "master/masterBias_BIN-1_96x64_GAIN-100_OFFSET-50_SETTEMP--10_INSTRUME-ZWO-ASI2600MM-Pro_READOUTM-Low-Noise"
        "_USBLIMIT-40.xisf",
        "master/masterDark_BIN-1_96x64_EXPOSURE-0.50s_GAIN-100_OFFSET-50_SETTEMP--10_INSTRUME-ZWO-ASI2600MM-Pro"
        "_READOUTM-Low-Noise_USBLIMIT-40_ROLE-DarkFlat.xisf",
        "master/masterFlat_BIN-1_96x64_FILTER-L_mono_EXPOSURE-0.50s_GAIN-100_OFFSET-50_SETTEMP--10"
        "_INSTRUME-ZWO-ASI2600MM-Pro_READOUTM-Low-Noise_USBLIMIT-40_DATE-2026-01-29.xisf",
    },
    "siril": {
        "BIAS_G100_O50_T-10C_bin1.fit",
        "DARKFLAT_0.5s_G100_O50_T-10C_bin1.fit",
        "FLAT_L_G100_O50_bin1_2026-01-29.fit",
    },
    "{{ camera }}/{{ type }}_{{ exposure }}s_{{ filter }}.fits": {
        "ZWO-ASI2600MM-Pro/bias_NO_EXPOSUREs_NO_FILTER.fits",
        "ZWO-ASI2600MM-Pro/darkflat_0.5s_L.fits",
        "ZWO-ASI2600MM-Pro/flat_0.5s_L.fits",
    },
}


@pytest.fixture(scope="module")
def short_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three biases, dark flats and flats: read it only."""
    night = tmp_path_factory.mktemp("night")
    shoot(night, "BIAS", count=3, at=-HOUR)
    shoot(night, "DARKFLAT", 0.5, count=3, at=HOUR)
    shoot_flats(night, 0.5, count=3)
    return night


@pytest.mark.parametrize(("layout", "tree"), TREES.items(), ids=[*list(TREES)[:-1], "own"])
def test_every_layout_is_planned_built_and_found_again(
    run: Run, short_night: Path, tmp_path: Path, layout: str, tree: set[str]
) -> None:
    """The tree that the plan shows is the tree that is built; a second plan finds all of it."""
    command = (short_night, tmp_path / "library", "--layout", layout, *NUMPY)

    planned = run("plan", *command)
    built = run("build", *command)
    again = run("plan", *command, "--json")

    made = {path.relative_to(tmp_path / "library").as_posix() for path in (tmp_path / "library").rglob("*.*i*")}
    masters = {name for name in made if name.endswith((".xisf", ".fit", ".fits"))}
    assert built.code == 0
    assert masters == tree
    assert all(name in planned.out for name in tree)
    assert {action for found in actions(again).values() for action in found} == {"up to date"}


def test_live_stack_knows_its_masters_by_their_type_word(run: Run, short_night: Path, tmp_path: Path) -> None:
    """N.I.N.A.'s plugin takes DARK and not Master Dark; to this program they are masters all the same."""
    command = (short_night, tmp_path / "library", "--layout", "livestack", *NUMPY)

    built = run("build", *command)
    again = run("build", *command)
    scanned = run("scan", tmp_path / "library", "--json").document

    masters = sorted((tmp_path / "library").glob("*.fits"))
    words = [{k.name: k.value for k in read_info(path).keywords}["IMAGETYP"] for path in masters]
    assert (built.code, again.code) == (0, 0)
    assert words == ["BIAS", "DARK", "FLAT"]
    assert "3 up to date" in again.out
    assert len(scanned["masters"]) == 3


def test_siril_is_told_where_to_look(run: Run, short_night: Path, tmp_path: Path) -> None:
    """The $defbias, $defdark and $defflat strings to paste, with the absolute path of the library."""
    command = ("plan", short_night, tmp_path / "my library", "--layout", "siril", *NUMPY)
    root = (tmp_path / "my library").as_posix()

    text, document = run(*command).out, run(*command, "--json").document

    assert f"$defdark  {root}/DARK_$EXPTIME:%d$s_G$GAIN:%d$_O$OFFSET:%d$_T$SET-TEMP:%d$C_bin$XBINNING:%d$.fit" in text
    assert list(document["siril"]) == ["$defbias", "$defdark", "$defflat"]
    assert "$defbias" not in run("plan", short_night, tmp_path, *NUMPY).out


@pytest.mark.parametrize("layout", ["playbook", "nina", "pulsar", "siril", "masters/{{ type }}"])
def test_two_cameras_under_one_name_are_refused_with_both_named(run: Run, tmp_path: Path, layout: str) -> None:
    """Before anything is built, and also where the other camera's master is there already."""
    shoot(tmp_path / "a", "DARK", 60.0, count=3)
    shoot(tmp_path / "b", "DARK", 60.0, count=3, INSTRUME="ZWO ASI6200MM Pro")
    style = ("--layout", layout, *NUMPY)

    together = run("build", tmp_path / "a", tmp_path / "b", tmp_path / "library", *style)
    first = run("build", tmp_path / "a", tmp_path / "library", *style)
    second = run("build", tmp_path / "b", tmp_path / "library", *style)

    assert (together.code, first.code, second.code) == (5, 0, 5)
    for done in (together, second):
        assert "ASI2600MM Pro" in done.err
        assert "ASI6200MM Pro" in done.err
    assert "is the master of another group" in second.err
    assert "camera ZWO ASI2600MM Pro, not ZWO ASI6200MM Pro" in second.err
    assert not (tmp_path / "library" / "superseded").exists()


# --- frames that another program has calibrated -----------------------------------------------------------


def test_what_is_calibrated_already_is_not_calibrated_again(run: Run, tmp_path: Path) -> None:
    """Flats that come without their bias are integrated as they are; master and record say what they lack."""
    shoot(tmp_path / "night", "BIAS")
    flats = shoot_flats(tmp_path / "night", CALSTAT="B")

    done = run("build", tmp_path / "night", tmp_path / "library", *NUMPY)

    flat = record(tmp_path / "library", "masterFlat")
    master = next((tmp_path / "library").rglob("masterFlat*.xisf"))
    level = float(np.median(np.median([read_image(path)[1] for path in flats], axis=0)))
    assert done.code == 0
    assert "nothing is subtracted: every frame has been calibrated already (CALSTAT B)" in done.err + done.out
    assert flat.calibration is not None
    assert (flat.calibration.subtracted, flat.calibration.state) == ("", "B")
    assert float(np.median(read_image(master)[1])) * 65535 == pytest.approx(level, rel=0.01)
    assert ("CALSTAT", "B") in {(k.name, k.value) for k in read_info(master).keywords}


def test_calibrated_flats_beside_the_raw_ones_are_left_out(run: Run, tmp_path: Path) -> None:
    """As WBPP leaves them in a folder of the night; each is named with the reason."""
    shoot(tmp_path / "night", "BIAS")
    shoot_flats(tmp_path / "night" / "raw", count=5)
    shoot_flats(tmp_path / "night" / "calibrated", count=6, at=HOUR, CALSTAT="BD")

    done = run("build", tmp_path / "night", tmp_path / "library", *NUMPY)

    flat = record(tmp_path / "library", "masterFlat")
    assert done.code == 0
    assert len(flat.inputs) == 5
    assert flat.calibration is not None
    assert flat.calibration.bias is not None
    assert {aside.reason for aside in flat.dropped} == {Reason.CALIBRATED}
