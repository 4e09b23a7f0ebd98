"""The engine as a whole, over the simulator: masters that are proved, faults that are told, and another attempt."""

import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from ap_masters import images
from ap_masters.engines import Interrupted
from ap_masters.engines.history import read_history
from ap_masters.errors import PixInsightError
from ap_masters.model import (
    CalibrationMaster,
    Failed,
    FrameType,
    Integrated,
    Job,
    JobState,
    Keyword,
    Progress,
    Recipe,
    Rejection,
)
from tests.builders import noisy, write_frame
from tests.engines.pixinsight.jobs import flat_calibration, make_engine, make_job
from tests.program import left_running
from tests.simulator import COMMAND

Run = Callable[..., list[Any]]


class Bench:
    """A folder with frames, jobs made of them, and an engine that keeps its scripts and logs there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self.progress: list[Progress] = []

    def job(self, name: str, frame_type: FrameType = FrameType.DARK, count: int = 3, **changes: Any) -> Job:
        """Return a job of ``count`` frames on disk, in a folder called ``name``."""
        level = 20_000.0 if frame_type is FrameType.FLAT else 500.0
        paths = [
            write_frame(self.folder / name / f"{number}.fits", noisy(number, level=level, sigma=9.0), FILTER="Ha")
            for number in range(count)
        ]
        return make_job(frame_type, paths=paths, id=name, **changes)

    def run(self, jobs: Sequence[Job], **settings: Any) -> list[Any]:
        """Run ``jobs`` in an engine of short patience."""
        chosen: dict[str, Any] = {
            "command": COMMAND,
            "timeout_s": 30.0,
            "startup_timeout_s": 30.0,
            "script_dir": self.logs,
            "log_dir": self.logs,
        } | settings
        return list(make_engine(**chosen).run(jobs, self.work, self.progress.append))

    def dark_flat(self) -> CalibrationMaster:
        """Return a master dark flat on disk, of a level of 500 ADU."""
        path = self.folder / "master-dark-flat.xisf"
        images.write_image(path, np.full((12, 16), 500 / 65535, np.float32), image_type="MasterDark")
        return CalibrationMaster(path=path, type=FrameType.DARK_FLAT, exposure=2.0)

    def launches(self) -> int:
        """Return how many scripts were written."""
        return len(list(self.logs.glob("*.js")))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A place whose name has what names of folders have: blanks and letters beyond ASCII."""
    monkeypatch.setenv("AP_SIM_STATE", str(tmp_path / "simulator"))
    monkeypatch.setenv("AP_SIM_STARTUP", "0")
    return Bench(tmp_path / "Nächte, Ost")


def survivors() -> list[psutil.Process]:
    """Return the simulators that live and are ours."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if any("simulator" in part for part in process.cmdline())
    ]


def test_master(bench: Bench) -> None:
    """A master flat of calibrated flats: proved, with its keywords, type and counts, its script and its log."""
    calibration = flat_calibration(dark=bench.dark_flat())
    keywords = (Keyword("IMAGETYP", "Master Flat"), Keyword("FILTER", "Ha"), Keyword("GAIN", 100))
    (flat,) = bench.run([bench.job("flats", FrameType.FLAT, calibration=calibration, keywords=keywords)])

    assert isinstance(flat, Integrated), flat
    info, pixels = images.read_image(flat.path)
    assert (info.width, info.height, info.channels, info.image_type) == (16, 12, 1, "MasterFlat")
    assert {k.name: k.value for k in info.keywords}.items() >= {"FILTER": "Ha", "GAIN": 100}.items()
    assert read_history(info.keywords).number == 3
    assert flat.statistics.channels[0].median == pytest.approx(float(np.median(pixels)), abs=1e-7)
    assert flat.statistics.channels[0].median == pytest.approx((20_000 - 500) / 65535, rel=0.01)
    assert (flat.engine.name, flat.engine.version, flat.engine.definition) == (
        "pixinsight",
        "1.9.4",
        "ImageIntegration 1.6.0",
    )
    assert [frame.path.name for frame in flat.frames] == ["0.fits", "1.fits", "2.fits"]
    assert flat.samples == 3 * 16 * 12
    assert not flat.notes
    assert flat.script is not None
    assert flat.script.parent == bench.logs
    assert flat.log is not None
    assert "ap-masters: job 1 of 1 succeeded" in flat.log.read_text(encoding="utf-8")
    assert not list(bench.folder.rglob("*_c.xisf"))
    assert [news.state for news in bench.progress if news.job_id == "flats"][-1] is JobState.RUNNING


def test_faults_of_single_jobs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault of one job is told with its reason and advice in one launch, and hurts no other job."""
    faults = ["ii-false", "throw", "half-master", "stale", "disk-full", "nan", "miscount", "keyword-loss"]
    jobs = [bench.job(fault) for fault in faults] + [bench.job("good")]
    monkeypatch.setenv("AP_SIM_FAULT", ",".join(f"{fault}@/{fault}/" for fault in faults))
    results = {result.job_id: result for result in bench.run(jobs)}

    failed = {name: result.reason for name, result in results.items() if isinstance(result, Failed)}
    assert bench.launches() == 1
    assert set(failed) == {"ii-false", "throw", "half-master", "stale", "disk-full", "nan"}
    assert failed["ii-false"].startswith("ImageIntegration failed; the log says why: ")
    assert "Cannot execute instance in the global context" in failed["throw"]
    assert "not usable" in failed["half-master"]
    assert "could not be saved" in failed["stale"]
    assert "could not be saved" in failed["disk-full"] or "space" in failed["disk-full"]
    assert any("told differently" in note for note in results["miscount"].notes)
    assert not results["good"].notes
    for result in results.values():
        assert result.script is not None
        assert result.log is not None
        if isinstance(result, Failed) and result.job_id != "half-master":
            assert result.advice
            assert result.log_tail


def test_flats_that_fail(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flat that cannot be calibrated is dropped by name; too few left, or none, fail the job."""
    calibration = flat_calibration(dark=bench.dark_flat())
    jobs = [
        bench.job("one of four", FrameType.FLAT, count=4, calibration=calibration),
        bench.job("one of three", FrameType.FLAT, count=3, calibration=calibration),
        bench.job("all", FrameType.FLAT, calibration=calibration),
    ]
    monkeypatch.setenv("AP_SIM_FAULT", "calibrate-fail@/one of,calibrate-none@/all/")
    three, too_few, none = bench.run(jobs)

    assert isinstance(three, Integrated)
    assert [aside.path.name for aside in three.dropped] == ["1.fits"]
    assert [frame.path.name for frame in three.frames] == ["0.fits", "2.fits", "3.fits"]
    assert isinstance(too_few, Failed)
    assert too_few.reason.startswith("Only 2 of 3 frames could be calibrated; 3 are needed")
    assert [aside.path.name for aside in too_few.dropped] == ["1.fits"]
    assert isinstance(none, Failed)
    assert none.reason.startswith("ImageCalibration failed")


def test_hang_is_tried_once_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hung is stopped, what was finished is kept, and the rest is done by a second launch in another slot."""
    jobs = [bench.job("first"), bench.job("second"), bench.job("third")]
    monkeypatch.setenv("AP_SIM_FAULT", "hang@2,ignore-term")
    results = bench.run(jobs, timeout_s=1.5)

    assert [result.status for result in results] == ["integrated"] * 3
    assert bench.launches() == 2
    assert [news.job_id for news in bench.progress if news.state is JobState.QUEUED and news.detail] == [
        "second",
        "third",
    ]
    # the suspect comes last in the second script
    second = max(bench.logs.glob("*.js"), key=lambda path: path.stat().st_mtime_ns).read_text(encoding="ascii")
    assert second.index('id: "third"') < second.index('id: "second"')
    assert not survivors()


def test_crash_again_and_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that brings PixInsight down twice fails, with what is known; the others are done all the same."""
    jobs = [bench.job("good"), bench.job("bad"), bench.job("later")]
    monkeypatch.setenv("AP_SIM_FAULT", "crash@/bad/")
    good, bad, later = bench.run(jobs)

    assert isinstance(good, Integrated)
    assert isinstance(later, Integrated)
    assert isinstance(bad, Failed)
    assert bad.advice
    assert bad.log_tail
    assert bench.launches() == 2


def test_yield_then_own_slot(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch that handed over to another instance is repeated in another slot."""
    monkeypatch.setenv("AP_SIM_FAULT", "yield@1")
    (result,) = bench.run([bench.job("dark")])

    assert isinstance(result, Integrated)
    assert bench.launches() == 2


@pytest.mark.parametrize(
    ("program", "words"),
    [
        pytest.param("pass", "without running the script", id="nothing done"),
        pytest.param("print('Yielded execution to running application instance #1')", "open already", id="yields"),
        pytest.param("import time; time.sleep(20)", "did not begin", id="dialog at the start"),
        pytest.param("import sys; sys.exit('qt.qpa.xcb: could not connect to display')", "no display", id="no display"),
    ],
)
def test_could_not_run(bench: Bench, program: str, words: str) -> None:
    """Where no script ever began, that is the message: what happened, what to do, and where the script is."""
    command = (sys.executable, "-S", "-E", "-c", program)

    with pytest.raises(PixInsightError, match=words) as raised:
        bench.run([bench.job("dark")], command=command, startup_timeout_s=1.0)
    assert str(bench.logs) in str(raised.value)
    assert bench.launches() == 2
    assert not left_running()


@pytest.mark.parametrize(
    ("version", "engine", "javascript"),
    [("1.8.9", "sm", "portable"), ("1.9.4", "v8", "portable"), ("1.9.4", "arm", "v8")],
)
def test_versions(bench: Bench, monkeypatch: pytest.MonkeyPatch, version: str, engine: str, javascript: str) -> None:
    """One script serves every version and both engines; the image type is right where PixInsight wrote none."""
    monkeypatch.setenv("AP_SIM_VERSION", version)
    monkeypatch.setenv("AP_SIM_JS", engine)
    (result,) = bench.run([bench.job("dark")], javascript=javascript)

    assert isinstance(result, Integrated), result
    assert result.engine.version == version
    assert images.read_info(result.path).image_type == "MasterDark"


def test_counts_instead_of_fractions(bench: Bench) -> None:
    """A master in ADU is brought on that scale after PixInsight, which only knows [0, 1]."""
    unit, adu = bench.run([bench.job("unit"), bench.job("adu", scale="adu", output=Path("dark.fit"))], instances=2)

    assert adu.path.suffix == ".fit"
    in_adu, in_unit = images.read_image(adu.path)[1], images.read_image(unit.path)[1]
    np.testing.assert_allclose(in_adu, in_unit * 65535, rtol=1e-6)
    assert adu.statistics.channels[0].median == pytest.approx(unit.statistics.channels[0].median, rel=1e-6)
    assert bench.launches() == 2


def test_masters_in_counts(bench: Bench) -> None:
    """A FITS master in counts, as other tools want them, is subtracted as what it means."""
    path = bench.folder / "dark-in-counts.fit"
    images.write_image(path, np.full((12, 16), 500, np.float32), image_type="MasterDark")
    counts = flat_calibration(dark=CalibrationMaster(path=path, type=FrameType.DARK_FLAT))
    fraction = flat_calibration(dark=bench.dark_flat())
    broken = bench.folder / "broken.xisf"
    broken.write_bytes(b"nothing")
    jobs = [
        bench.job("counts", FrameType.FLAT, calibration=counts),
        bench.job("fraction", FrameType.FLAT, calibration=fraction),
        bench.job(
            "broken",
            FrameType.FLAT,
            calibration=flat_calibration(dark=CalibrationMaster(path=broken, type=FrameType.DARK_FLAT)),
        ),
    ]
    in_counts, in_fraction, failed = bench.run(jobs)

    np.testing.assert_allclose(
        images.read_image(in_counts.path)[1], images.read_image(in_fraction.path)[1], rtol=0, atol=1e-7
    )
    assert isinstance(failed, Failed)
    assert "broken.xisf" in failed.reason


@pytest.mark.parametrize("suffix", [".xisf", ".fit"])
@pytest.mark.parametrize("adu", [False, True], ids=["from 0 to 1", "in counts"])
def test_masters_of_bottom_up_frames(bench: Bench, suffix: str, adu: bool) -> None:
    """PixInsight turns FITS files over that say so, XISF files never: a master is subtracted the way the frames run."""
    stored = np.tile(np.linspace(400, 600, 12, dtype=np.float32)[:, None], (1, 16))
    path = bench.folder / f"dark{suffix}"
    keywords = (Keyword("ROWORDER", "BOTTOM-UP"),)
    images.write_image(path, stored if adu else stored / 65535, keywords, image_type="MasterDark")
    calibration = flat_calibration(dark=CalibrationMaster(path=path, type=FrameType.DARK_FLAT))
    job = bench.job("flats", FrameType.FLAT, calibration=calibration)
    for frame in job.frames:
        write_frame(frame.path, (20_000 + stored).astype(np.uint16), FILTER="Ha", ROWORDER="BOTTOM-UP")
    frames = tuple(frame.model_copy(update={"row_order": "BOTTOM-UP"}) for frame in job.frames)
    (flat,) = bench.run([job.model_copy(update={"group": job.group.model_copy(update={"frames": frames})})])

    assert isinstance(flat, Integrated), flat
    np.testing.assert_allclose(images.read_image(flat.path)[1], 20_000 / 65535, rtol=1e-4)


@pytest.mark.parametrize("data_max", [None, 65535.0])
def test_float_frames_in_counts(bench: Bench, data_max: float | None) -> None:
    """PixInsight would stretch each between its own extremes: they are refused, and floats from 0 to 1 are not."""
    counts, fractions = bench.job("counts"), bench.job("fractions")
    for job, scale in ((counts, 1), (fractions, 65535)):
        for number, frame in enumerate(job.frames):
            write_frame(
                frame.path, (noisy(number) / scale).astype(np.float32), DATAMAX=data_max if scale == 1 else None
            )
    jobs = [
        job.model_copy(
            update={
                "group": job.group.model_copy(
                    update={"frames": tuple(f.model_copy(update={"sample": "float32"}) for f in job.frames)}
                )
            }
        )
        for job in (counts, fractions)
    ]
    refused, made = bench.run(jobs)

    assert isinstance(refused, Failed)
    assert "0.fits holds floats that are counts" in refused.reason
    assert "--engine numpy" in refused.advice
    assert isinstance(made, Integrated)


def test_interrupted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of the second job: PixInsight is stopped, and the result of the first is handed over."""
    monkeypatch.setenv("AP_SIM_FAULT", "hang@/second/")

    def stop_at_second(news: Progress) -> None:
        if news.job_id == "second" and news.state is JobState.RUNNING:
            raise KeyboardInterrupt

    engine = make_engine(COMMAND)
    with pytest.raises(Interrupted) as raised:
        engine.run([bench.job("first"), bench.job("second")], bench.work, stop_at_second)

    (first,) = raised.value.done
    assert isinstance(first, Integrated)
    assert images.read_info(first.path).width == 16
    assert not survivors()


def test_no_second_start(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PixInsight cannot be started once more, what the first start finished stands, and the rest says why."""
    monkeypatch.setenv("AP_SIM_FAULT", "crash@2")

    def vanish(news: Progress) -> None:
        if news.state is JobState.QUEUED and news.detail:  # once more
            shutil.rmtree(bench.logs)
            bench.logs.write_text("a file in the way", encoding="utf-8")

    engine = make_engine(COMMAND, script_dir=bench.logs, log_dir=bench.logs)
    first, second = engine.run([bench.job("first"), bench.job("second")], bench.work, vanish)

    assert isinstance(first, Integrated)
    assert isinstance(second, Failed)
    assert "--script-dir" in second.reason


def test_jobs_for_the_other_engine(bench: Bench) -> None:
    """What PixInsight cannot do fails in words before anything is started."""
    job = bench.job("dark", recipe=Recipe(rejection=Rejection.NONE, target_median=5000.0))
    (result,) = bench.run([job])

    assert isinstance(result, Failed)
    assert "target_median" in result.reason
    assert "--engine numpy" in result.advice
    assert bench.launches() == 0


def test_script_that_cannot_be_written(bench: Bench) -> None:
    """Where the script has no place, that is said, with the way out."""
    bench.logs.write_text("a file in the way", encoding="utf-8")

    with pytest.raises(PixInsightError, match="--script-dir"):
        bench.run([bench.job("dark")])


def test_no_file_is_written_twice(bench: Bench) -> None:
    """Launches in the same second have scripts of their own."""
    moment = datetime(2026, 1, 29, 12, 34, 56, tzinfo=UTC)
    with pytest.raises(PixInsightError):
        bench.run([bench.job("dark")], command=(sys.executable, "-S", "-E", "-c", "pass"), clock=lambda: moment)

    assert sorted(path.name for path in bench.logs.glob("*.js")) == [
        "20260129_123456_2_calibrate_masters.js",
        "20260129_123456_calibrate_masters.js",
    ]


def test_only_the_last_stays_open(bench: Bench) -> None:
    """A build has several stages: with --no-force-exit one PixInsight is open at its end, in the wanted slot."""
    engine = make_engine(COMMAND, instance_id=77, force_exit=False)
    for name in ("first", "second"):
        folder = bench.work / name
        folder.mkdir()
        (result,) = engine.run([bench.job(name)], folder, bench.progress.append)
        assert isinstance(result, Integrated)
    left = survivors()
    lines = {" ".join(process.cmdline()) for process in left}
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=5)

    assert lines
    assert all("-n=77" in line for line in lines)  # with two of them open, the second would be in slot 78


def test_left_open(bench: Bench) -> None:
    """With --no-force-exit the engine returns as soon as the script is through, and PixInsight stays."""
    (result,) = bench.run([bench.job("dark")], force_exit=False)
    left = survivors()
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=5)

    assert isinstance(result, Integrated)
    assert left
