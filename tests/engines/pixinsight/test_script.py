"""Scripts: what they set, what they do when things go wrong, and that no text of a header becomes code."""

import difflib
import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ap_masters import __version__, record
from ap_masters.engines.pixinsight.paths import RunPaths, for_pixinsight
from ap_masters.engines.pixinsight.script import render, unsupported
from ap_masters.errors import UsageError
from ap_masters.model import CalibrationMaster, FrameType, ImageFormat, Job, Keyword, Recipe, Rejection
from tests.engines.pixinsight.golden import GOLDEN, golden_job, golden_text
from tests.engines.pixinsight.jobs import flat_calibration, make_job
from tests.engines.pixinsight.stage import perform
from tests.simulator.script import check_es5

STAMP = "20260129_123456"
HOSTILE = (
    '"];File.remove("/x");//',
    "</script><raw></raw>",
    "a\nb\r\u2028\u2029",
    "back\\slash\\",
    "\U0001f52d 4 bytes",
    "*/ /* // '",
    "{{ 7 * 7 }}{% raw %}",
    '"mtime_ns": "1"',
    "${x}`",
)


def manual(jobs: list[Job], **changes: Any) -> str:
    return render(jobs, RunPaths.manual(jobs, Path("/library"), stamp=STAMP), **changes)


def launched(jobs: list[Job]) -> str:
    paths = RunPaths.launch(
        jobs, Path("/scratch/1"), run="a token", stamp=STAMP, script_dir=Path("/logs"), log_dir=Path("/logs")
    )
    return render(jobs, paths)


def written_record(seen: dict[str, Any], path: str) -> record.Record:
    return record.parse(seen["files"][path], where=Path(path))


# --- text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_script(name: str) -> None:
    """Every line of the scripts for a bias, a dark and a flat has been reviewed; `scripts/golden.py` renews them."""
    reviewed = GOLDEN[name].read_text(encoding="ascii")
    rendered = golden_text(name)

    assert rendered == reviewed, "".join(
        difflib.unified_diff(reviewed.splitlines(True), rendered.splitlines(True), "reviewed", "rendered", n=1)
    )


@pytest.mark.parametrize("javascript", ["portable", "sm", "v8"])
def test_plain_es5(javascript: Any) -> None:
    """Scripts are ASCII and ECMAScript 5 in every dialect, whatever their names hold."""
    text = manual([make_job(key={"filter": "".join(HOSTILE)})], javascript=javascript)

    assert text.isascii()
    check_es5(text.removeprefix("#engine v8\n"))


def test_dialects() -> None:
    """Enumerations are numbers with names beside them, or names where the engine is known."""
    job = make_job()

    assert "P.weightMode = 0;   // DontCare" in manual([job])
    assert "P.weightMode = ImageIntegration.prototype.DontCare;" in manual([job], javascript="sm")
    assert "P.weightMode = ImageIntegration.DontCare;" in manual([job], javascript="v8")
    assert "rejection: ImageIntegration.PercentileClip," in manual([job], javascript="v8")
    assert manual([job], javascript="v8").startswith("#engine v8\n")
    assert "#" not in {line[:1] for line in manual([job]).splitlines()}


def test_pure() -> None:
    """The same jobs and paths give the same bytes."""
    jobs = [golden_job("flat"), golden_job("bias")]

    assert manual(jobs) == manual(jobs)


def test_windows_and_unc_paths() -> None:
    """PixInsight gets forward slashes for drives and shares alike."""
    assert for_pixinsight(PureWindowsPath(r"D:\My Night, ü\dark 1.fits")) == "D:/My Night, ü/dark 1.fits"
    assert for_pixinsight(PureWindowsPath(r"\\nas\astro\dark.fits")) == "//nas/astro/dark.fits"
    assert for_pixinsight(PurePosixPath("/night/dark.fits")) == "/night/dark.fits"


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was named relative to where the user stands is absolute in a script."""
    monkeypatch.chdir(tmp_path)
    dark = CalibrationMaster(path=Path("library/dark.xisf"), type=FrameType.DARK)
    job = make_job(FrameType.FLAT, paths=[Path(f"{n}.fits") for n in range(3)], calibration=flat_calibration(dark=dark))
    seen = perform(render([job], RunPaths.manual([job], Path("library"), stamp=STAMP)))

    here = tmp_path.as_posix()
    assert [row[1] for row in seen["calibrations"][0]["targetFrames"]] == [f"{here}/{n}.fits" for n in range(3)]
    assert seen["calibrations"][0]["masterDarkPath"] == f"{here}/library/dark.xisf"
    assert f"{here}/library/master/master-flat.xisf" in seen["files"]


@given(st.text(), st.text(min_size=1), st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_values_survive(filter_name: str, file_name: str, comment: str, number: float) -> None:
    """Whatever a header or a file name holds arrives in PixInsight as it is, and never as code."""
    path = Path("/night") / file_name.replace("\0", "0")
    assume(path.is_relative_to("/night"))  # not where the name is itself a path, or a drive
    keywords = (Keyword("FILTER", filter_name, comment), Keyword("HISTORY", None, comment), Keyword("X", number, ""))
    job = make_job(paths=(path, path, path), key={"filter": filter_name}, keywords=keywords)

    seen = perform(launched([job]))

    assert seen["integrations"][0]["images"] == [[True, path.as_posix(), "", ""]] * 3
    saved = seen["saved"][0]["keywords"]
    assert saved[0] == ["FILTER", "'" + filter_name.replace("'", "''") + "'", comment]
    assert saved[1] == ["HISTORY", "", comment]
    assert float(saved[2][1]) == number
    assert written_record(seen, "/scratch/1/001-dark-1a2b3c4d.xrs").key.filter == filter_name


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text(hostile: str) -> None:
    """Code, mark-up and line ends in names stay text: nothing is removed, and the record holds them."""
    job = make_job(
        FrameType.FLAT, key={"filter": hostile}, keywords=(Keyword("FILTER", hostile, hostile),), id=f"flat {hostile}"
    )

    seen = perform(manual([job]))

    assert seen["saved"][0]["keywords"][0][2] == hostile
    assert "/x" not in seen["removed"]
    assert written_record(seen, "/library/master/master-flat.xrs").key.filter == hostile
    assert json.loads(seen["files"][f"/library/logs/{STAMP}_status.json"])["jobs"][0]["id"] == f"flat {hostile}"
    assert not any("<" in line.removeprefix("<raw>").removesuffix("</raw>") for line in seen["console"])


# --- what the script does ---------------------------------------------------------------------------------


def test_every_frame_once_at_full_width() -> None:
    """V8 wants all four columns of every row; frames go in in their order."""
    job = make_job()
    seen = perform(manual([job]))

    assert seen["integrations"][0]["images"] == [[True, frame.path.as_posix(), "", ""] for frame in job.frames]


def test_older_versions_lack_properties() -> None:
    """Properties that PixInsight 1.8.9 does not have are set where they exist and nowhere else."""
    new = perform(manual([make_job(FrameType.FLAT)]))["integrations"][0]
    old = perform(manual([make_job(FrameType.FLAT)]), later=[])["integrations"][0]

    assert new["imageType"] == 3
    assert new["generateFITSKeywords"] is True
    assert not {"imageType", "generateFITSKeywords", "overrideImageType"} & set(old)


def test_record_is_complete() -> None:
    """The record holds the counts of every frame, the totals, who integrated, and all digits of the file times."""
    job = make_job()
    written = written_record(perform(manual([job])), "/library/master/master-dark.xrs")

    assert written.rejected is not None
    assert (written.rejected.low, written.rejected.high, written.rejected.agree) == (33, 303, True)
    assert written.rejected.samples == 3 * 16 * 12
    assert [e.outcome and (e.outcome.rejected_low, e.outcome.rejected_high) for e in written.inputs] == [
        (10, 100),
        (11, 101),
        (12, 102),
    ]
    assert [entry.mtime_ns for entry in written.inputs] == [frame.mtime_ns for frame in job.frames]
    assert [entry.path for entry in written.inputs] == [frame.path for frame in job.frames]
    assert written.engine is not None
    assert (written.engine.version, written.engine.definition) == ("1.9.4", "ImageIntegration 1.6.0")
    assert written.master.name == "master-dark.xisf"
    assert written.log == f"logs/{STAMP}.log"
    assert written.created is not None


def test_totals_that_contradict() -> None:
    """Totals that are not the sum of the frames' counts are told as such."""
    written = written_record(perform(manual([make_job()]), miscount=5), "/library/master/master-dark.xrs")

    assert written.rejected is not None
    assert not written.rejected.agree


def test_counts_of_other_frames() -> None:
    """Where PixInsight counts for fewer frames than it was given, no count is ascribed to any frame."""
    written = written_record(perform(manual([make_job()]), fewerRows=True), "/library/master/master-dark.xrs")

    assert all(entry.outcome is None for entry in written.inputs)
    assert written.rejected is not None
    assert (written.rejected.low, written.rejected.agree) == (33, False)
    assert written.warnings == ("PixInsight counted the rejected samples of 2 frames, not of 3",)


def test_keywords_whole_and_single() -> None:
    """The master's keywords come first, PixInsight's own follow, no name stands twice, all HISTORY stays."""
    own = [
        ["IMAGETYP", "'DARK'", ""],
        ["EGAIN", "0.25", "e/ADU"],
        ["HISTORY", "", "ImageIntegration.numberOfImages: 3"],
        ["HISTORY", "", "ImageIntegration.totalPixels: 576"],
        ["COMMENT", "", "Integration with PixInsight"],
        ["EGAIN", "0.26", "again"],
    ]
    saved = perform(manual([make_job()]), keywords=own)["saved"][0]["keywords"]

    assert [keyword[:2] for keyword in saved] == [
        ["IMAGETYP", "'Master Dark'"],
        ["EXPTIME", "300"],
        ["GAIN", "100"],
        ["SET-TEMP", "-10"],
        ["EGAIN", "0.25"],
        ["HISTORY", ""],
        ["HISTORY", ""],
        ["COMMENT", ""],
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("O'Hara", "'O''Hara'"), (True, "T"), (False, "F"), (1e-7, "1E-7"), (-10.0, "-10"), (None, ""), (0.1, "0.1")],
)
def test_keyword_values(value: Any, expected: str) -> None:
    """Values stand as FITS wants them."""
    seen = perform(manual([make_job(keywords=(Keyword("KEY", value, ""),))]))

    assert seen["saved"][0]["keywords"][0][1] == expected


def test_keywords_without_a_value_in_fits() -> None:
    """A number that FITS cannot write is left out; rows are top-down once PixInsight has read them."""
    keywords = (Keyword("BAD", float("nan"), ""), Keyword("ROWORDER", "BOTTOM-UP", ""), Keyword("COMMENT", "hello"))
    saved = perform(manual([make_job(keywords=keywords)]))["saved"][0]["keywords"]

    assert saved[:2] == [["ROWORDER", "'TOP-DOWN'", ""], ["COMMENT", "", "hello"]]
    assert [keyword[0] for keyword in saved[2:]] == ["HISTORY"]


def test_rows_of_xisf_frames_stay_as_they_are() -> None:
    """PixInsight turns FITS frames over that say BOTTOM-UP, XISF frames never; keyword and record tell the same."""
    job = make_job(keywords=(Keyword("ROWORDER", "BOTTOM-UP", ""),))
    upwards = {"row_order": "BOTTOM-UP", "format": ImageFormat.XISF}
    group = job.group.model_copy(update={"frames": tuple(frame.model_copy(update=upwards) for frame in job.frames)})
    seen = perform(manual([job.model_copy(update={"group": group})]))

    assert seen["saved"][0]["keywords"][0] == ["ROWORDER", "'BOTTOM-UP'", ""]
    assert written_record(seen, next(name for name in seen["files"] if name.endswith(".xrs"))).row_order == "BOTTOM-UP"


def test_nothing_is_overwritten_in_the_library() -> None:
    """A manual run gives a new master the script's time where one stands, with its record and its right name in it."""
    taken = ["/library/master/master-dark.xisf", f"/library/master/master-dark_{STAMP}.xrs"]
    seen = perform(manual([make_job()]), existing=taken)

    fresh = f"/library/master/master-dark_{STAMP}_2"
    assert f"{fresh}.xisf" in seen["files"]
    assert written_record(seen, f"{fresh}.xrs").master.name == f"master-dark_{STAMP}_2.xisf"


def test_saved_without_dialogs_and_in_one_step() -> None:
    """No dialog can stop an unattended run; the master appears under its name once it is whole."""
    saved = perform(manual([make_job()]))["saved"][0]

    assert saved["path"] == "/library/master/master-dark.part.xisf"
    assert saved["dialogs"] is False
    assert saved["hints"].startswith("properties fits-keywords no-compress-data")


def test_windows_are_closed() -> None:
    """No window stays open, neither after success nor after a failure to save."""
    assert perform(manual([make_job()]))["closed"] == ["integration1"]
    assert perform(manual([make_job()]), unsaved=True)["closed"] == ["integration1"]


def test_a_failure_ends_one_job() -> None:
    """What PixInsight refuses is told with its job; the others are done."""
    jobs = [make_job(id="first", paths=[Path("/bad/1"), Path("/bad/2"), Path("/bad/3")]), make_job(id="second")]
    seen = perform(manual(jobs), refused="/bad/")
    status = json.loads(seen["files"][f"/library/logs/{STAMP}_status.json"])

    assert status["state"] == "done"
    assert [(job["id"], job["state"]) for job in status["jobs"]] == [("first", "Failed"), ("second", "Success")]
    assert status["jobs"][0]["detail"] == "ImageIntegration failed; the log says why"
    assert "E <raw>*** Error: ImageIntegration failed; the log says why</raw>" in seen["console"]


def test_stopped_by_the_user() -> None:
    """Once the user presses Abort, no further job begins."""
    seen = perform(manual([make_job(id="first"), make_job(id="second")]), abortAfter=1)
    status = json.loads(seen["files"][f"/library/logs/{STAMP}_status.json"])

    assert [job["detail"] for job in status["jobs"]][1] == "stopped by the user"
    assert len(seen["integrations"]) == 1


def test_abandoned() -> None:
    """A script whose build was killed, so that its folder is cleared away, begins no further job, makes no folder."""
    jobs = [make_job(id="first"), make_job(id="second")]

    assert len(perform(launched(jobs), goneAfter=1)["integrations"]) == 1
    assert len(perform(manual(jobs), goneAfter=1)["integrations"]) == 2


def test_abandoned_from_the_start() -> None:
    """A build that was killed while PixInsight started, or is over: its script does nothing, and says what does."""
    seen = perform(launched([make_job()]), folders=[])

    assert not seen["integrations"]
    assert not seen["files"]
    assert "ap-masters script" in seen["console"][0]


def test_log_is_written_where_pixinsight_did_not() -> None:
    """A PixInsight that ignores the path of beginLog() leaves a log all the same."""
    seen = perform(manual([make_job()]), logWritten=False)

    assert seen["files"][f"/library/logs/{STAMP}.log"] == "bytes of the log"


def test_log_that_cannot_be_begun() -> None:
    """A PixInsight that does not take the path keeps the log in memory, and the script writes it at the end."""
    seen = perform(manual([make_job()]), logRefused=True)

    assert seen["files"][f"/library/logs/{STAMP}.log"] == "bytes of the log"
    assert "/library/master/master-dark.xisf" in seen["files"]


def test_the_log_of_a_launch_stays() -> None:
    """Whoever runs the script of a launch once more does not lose what it tells of the first time."""
    log = f"/logs/{STAMP}_pixinsight.log"
    seen = perform(launched([make_job()]), existing=[log])

    assert log not in seen["files"]
    assert f"/logs/{STAMP}_pixinsight_2.log" in seen["files"]


@pytest.mark.parametrize("log_written", [True, False])
def test_run_by_hand_once_more(log_written: bool) -> None:
    """The second time, masters, records and the log have names of their own, and each record names its log."""
    log = f"/library/logs/{STAMP}.log"
    seen = perform(manual([make_job()]), existing=[log, "/library/master/master-dark.xisf"], logWritten=log_written)

    written = written_record(seen, f"/library/master/master-dark_{STAMP}.xrs")
    assert written.log == f"logs/{STAMP}_2.log"
    assert seen["files"][f"/library/logs/{STAMP}_2.log"]
    assert log not in seen["files"]
    assert log not in seen["removed"]


def test_record_names_its_script() -> None:
    """A master that was made by hand tells by which script."""
    here = perform(manual([make_job()]))
    there = perform(
        render([make_job()], RunPaths.manual([make_job()], Path("/library"), stamp=STAMP, script_dir=Path("/scripts")))
    )
    path = "/library/master/master-dark.xrs"

    assert written_record(here, path).script == f"logs/{STAMP}_calibrate_masters.js"
    assert written_record(there, path).script == f"/scripts/{STAMP}_calibrate_masters.js"


def test_folders_are_made_beforehand(tmp_path: Path) -> None:
    """PixInsight cannot make folders on some network shares: all that a script writes to are there before it runs."""
    jobs = [make_job(), flat()]
    paths = RunPaths.manual(jobs, tmp_path / "library", stamp=STAMP, script_dir=tmp_path / "scripts")
    paths.make_folders(jobs)

    assert [path.name for path in sorted(tmp_path.rglob("*")) if path.is_dir()] == [
        "library", ".ap-masters", f"calibrated-{STAMP}-002", "logs", "master", "scripts",
    ]  # fmt: skip


def test_status_survives_a_reader() -> None:
    """A status file that somebody is just reading, which Windows does not let go, is written a little later."""
    seen = perform(manual([make_job()]), busy=3)

    assert json.loads(seen["files"][f"/library/logs/{STAMP}_status.json"])["state"] == "done"
    assert seen["slept"] == 150


# --- flats ------------------------------------------------------------------------------------------------


def flat(count: int = 4, **changes: Any) -> Job:
    paths = [Path(f"/night/flat {number}.fits") for number in range(count)]
    return make_job(FrameType.FLAT, paths=paths, calibration=flat_calibration(**changes))


def test_flats_are_calibrated_first() -> None:
    """ImageCalibration gets every flat and the masters; what it wrote is integrated and then removed."""
    seen = perform(manual([flat()]))
    calibration = seen["calibrations"][0]

    assert calibration["targetFrames"] == [[True, f"/night/flat {n}.fits"] for n in range(4)]
    assert (calibration["masterDarkEnabled"], calibration["masterBiasEnabled"]) == (True, False)
    assert calibration["masterDarkPath"] == "/library/master/master-dark-flat.xisf"
    assert (calibration["calibrateDark"], calibration["optimizeDarks"]) == (False, False)
    folder = f"/library/.ap-masters/calibrated-{STAMP}-001"
    assert calibration["outputDirectory"] == folder
    assert [row[1] for row in seen["integrations"][0]["images"]] == [f"{folder}/flat {n}_c.xisf" for n in range(4)]
    assert not any(path.startswith(folder) for path in seen["files"])


def test_dark_with_bias() -> None:
    """A dark that contains the bias is only corrected for it when a bias is subtracted as well."""
    bias = CalibrationMaster(path=Path("/library/bias.xisf"), type=FrameType.BIAS)
    dark = CalibrationMaster(path=Path("/library/dark.xisf"), type=FrameType.DARK, includes_bias=False)
    both = perform(manual([flat(bias=bias, scale_dark=True)]))["calibrations"][0]
    without = perform(manual([flat(bias=bias, dark=dark)]))["calibrations"][0]

    assert (both["calibrateDark"], both["optimizeDarks"], both["masterBiasEnabled"]) == (True, True, True)
    assert without["calibrateDark"] is False


def test_a_flat_that_fails_is_told() -> None:
    """A frame that could not be calibrated is set aside by name; the others are integrated."""
    seen = perform(manual([flat()]), uncalibrated=[1])
    written = written_record(seen, "/library/master/master-flat.xrs")

    assert [entry.path.name for entry in written.inputs] == ["flat 0.fits", "flat 2.fits", "flat 3.fits"]
    assert [(aside.path.name, aside.reason) for aside in written.dropped] == [
        ("flat 1.fits", "could not be calibrated")
    ]
    assert len(seen["integrations"][0]["images"]) == 3
    outcomes = [entry.outcome.dark_scaling for entry in written.inputs if entry.outcome]
    assert outcomes == [None, None, None]


def test_dark_scaling_is_recorded() -> None:
    """The factor of each frame is kept where darks are scaled."""
    written = written_record(perform(manual([flat(scale_dark=True)])), "/library/master/master-flat.xrs")

    assert [entry.outcome.dark_scaling for entry in written.inputs if entry.outcome] == [0.9, 0.91, 0.92, 0.93]


def test_frames_of_a_run_that_broke_off() -> None:
    """Calibrated frames that an earlier run left behind are removed before and after, whoever wrote them."""
    stale = f"/library/.ap-masters/calibrated-{STAMP}-001/flat 2_c.xisf"
    before = perform(manual([flat()]), existing=[stale])
    after = perform(manual([flat()]), uncalibrated=[0, 1, 2, 3], existing=[stale])

    assert stale in before["removed"]
    assert stale in after["removed"]


def test_frames_of_one_name() -> None:
    """Frames of one name from several folders are calibrated one after the other, and integrated in their order."""
    names = ("a/flat 0.fits", "b/flat 1.fits", "b/FLAT 0.fits", "c/flat 0.fits")
    job = make_job(FrameType.FLAT, paths=[Path("/night", name) for name in names], calibration=flat_calibration())
    seen = perform(manual([job]))
    written = written_record(seen, "/library/master/master-flat.xrs")

    assert [[path for _, path in each["targetFrames"]] for each in seen["calibrations"]] == [
        ["/night/a/flat 0.fits", "/night/b/flat 1.fits"], ["/night/b/FLAT 0.fits"], ["/night/c/flat 0.fits"],
    ]  # fmt: skip
    read = [Path(row[1]).name for row in seen["integrations"][0]["images"]]
    assert read == ["flat 0_c.xisf", "flat 1_c.xisf", "FLAT 0_c.xisf", "flat 0_c_1.xisf"]
    assert [entry.path.as_posix() for entry in written.inputs] == [f"/night/{name}" for name in names]
    assert not any("_c" in path for path in seen["files"])


def test_frames_that_differ_in_the_suffix() -> None:
    """Their calibrated copies would have one name: they are calibrated one after the other, too."""
    job = make_job(
        FrameType.FLAT,
        paths=[Path("/night", name) for name in ("flat 1.fit", "flat 1.fits", "Flat 1.XISF", "flat 1.fits.fz")],
        calibration=flat_calibration(),
    )
    seen = perform(manual([job]))

    assert [[Path(path).name for _, path in each["targetFrames"]] for each in seen["calibrations"]] == [
        ["flat 1.fit", "flat 1.fits.fz"], ["flat 1.fits"], ["Flat 1.XISF"],
    ]  # fmt: skip


def test_too_few_calibrated() -> None:
    """With fewer flats left than ImageIntegration takes, the job fails with both numbers, and nothing is left over."""
    seen = perform(manual([flat()]), uncalibrated=[0, 2])
    status = json.loads(seen["files"][f"/library/logs/{STAMP}_status.json"])

    assert status["jobs"][0]["detail"] == "Only 2 of 4 frames could be calibrated; 3 are needed"
    assert [aside["path"] for aside in status["jobs"][0]["dropped"]] == ["/night/flat 0.fits", "/night/flat 2.fits"]
    assert not seen["integrations"]
    assert not any("_c.xisf" in path for path in seen["files"])


def test_masters_of_the_same_script() -> None:
    """A flat uses the master that an earlier job of the script made, under the name it really got."""
    dark = make_job(FrameType.DARK_FLAT, id="dark-flat-1")
    calibration = flat_calibration(
        dark=CalibrationMaster(
            path=Path("/library/master/master-dark-flat.xisf"), type=FrameType.DARK_FLAT, job_id="dark-flat-1"
        )
    )
    the_flat = make_job(FrameType.FLAT, calibration=calibration, waits_for=("dark-flat-1",))

    seen = perform(manual([dark, the_flat]), existing=["/library/master/master-dark-flat.xisf"])

    assert seen["calibrations"][0]["masterDarkPath"] == f"/library/master/master-dark-flat_{STAMP}.xisf"
    written = written_record(seen, "/library/master/master-flat.xrs").calibration
    assert written is not None
    assert written.dark is not None
    assert written.dark.path == Path(f"/library/master/master-dark-flat_{STAMP}.xisf")


def test_missing_master_of_the_same_script() -> None:
    """A flat whose dark failed fails too, with that reason."""
    dark = make_job(FrameType.DARK_FLAT, id="dark-flat-1", paths=[Path(f"/bad/{n}") for n in range(3)])
    calibration = flat_calibration(
        dark=CalibrationMaster(path=Path("/library/x.xisf"), type=FrameType.DARK_FLAT, job_id="dark-flat-1")
    )
    the_flat = make_job(FrameType.FLAT, calibration=calibration, waits_for=("dark-flat-1",))

    seen = perform(manual([dark, the_flat]), refused="/bad/")
    status = json.loads(seen["files"][f"/library/logs/{STAMP}_status.json"])

    assert status["jobs"][1]["detail"] == "The master that this group needs was not made: /library/x.xisf"


# --- limits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        pytest.param(make_job(scale="adu"), "not in ADU", id="adu"),
        pytest.param(make_job(recipe=Recipe()), "left to be chosen", id="auto"),
        pytest.param(
            make_job(recipe=Recipe(rejection=Rejection.NONE, target_median=5000)), "given median", id="median"
        ),
        pytest.param(make_job(recipe=Recipe(rejection=Rejection.LINEAR_FIT)), "needs 5 images", id="linear fit"),
        pytest.param(
            make_job(recipe=Recipe(rejection=Rejection.ESD, esd_low_relaxation=7)), "at most 5", id="relaxation"
        ),
        pytest.param(make_job(paths=[Path("/a"), Path("/b")]), "needs 3 images", id="two frames"),
        pytest.param(flat(constant=300.0), "a constant", id="constant"),
        pytest.param(flat(defects=Path("/cosme.lst")), "list of defects", id="defects"),
        pytest.param(make_job(calibration=flat_calibration()), "calibrates flats only", id="dark calibrated"),
        pytest.param(make_job(paths=[Path(f"/{n}.fits.gz") for n in range(3)]), "compressed files", id="gzip"),
        pytest.param(make_job(paths=[Path(f"/{n}.fit.FZ") for n in range(3)]), "compressed files", id="packed"),
        pytest.param(
            flat(dark=CalibrationMaster(path=Path("/dark.fit.gz"), type=FrameType.DARK)),
            "dark.fit.gz",
            id="packed dark",
        ),
    ],
)
def test_what_pixinsight_cannot_do(job: Job, reason: str) -> None:
    """What PixInsight cannot do as it is defined is refused in words, never done differently."""
    assert reason in (unsupported(job, final=True) or "")
    with pytest.raises(UsageError, match="numpy engine"):
        manual([job])


def test_tiled_compression() -> None:
    """PixInsight's FITS module reads .fits.fz."""
    assert unsupported(make_job(paths=[Path(f"/{n}.fits.fz") for n in range(3)])) is None


def test_memory_of_one_instance() -> None:
    """A share of memory bounds the pixel stacks; without one PixInsight's own rule holds."""
    free = perform(manual([make_job()]))["integrations"][0]
    bound = perform(manual([make_job()], memory=800 << 20))["integrations"][0]

    assert (free["autoMemorySize"], free["stackSizeMB"]) == (True, 1024)
    assert (bound["autoMemorySize"], bound["stackSizeMB"]) == (False, 400)


def test_version_is_told() -> None:
    """The first line says which program wrote the script."""
    assert manual([make_job()]).splitlines()[0] == f"// ap-masters {__version__}: 1 calibration master with PixInsight"
