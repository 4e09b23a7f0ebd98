"""Everything that goes wrong with PixInsight: the right words, nothing left running, and a second run completes."""

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ap_masters import images, proof
from ap_masters.engines.pixinsight import PixInsightEngine
from ap_masters.errors import PixInsightError
from ap_masters.model import Calibration, Failed, FrameType, Integrated, Job, JobResult, Rejection
from tests.engines.cases import FLAT_RECIPE, Cases

SIMULATOR = (sys.executable, str(Path(__file__).parent.parent / "simulator" / "PixInsight"))


class Night:
    """Small jobs, and PixInsight with faults on request."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.cases = Cases(folder)
        self._monkeypatch = monkeypatch
        self._runs = 0
        self._others: set[int] = set()
        monkeypatch.setenv("AP_SIM_STATE", str(folder / "state"))
        monkeypatch.setenv("AP_SIM_STARTUP", "0")
        monkeypatch.setenv("AP_SIM_ES5", "0")
        monkeypatch.setenv("AP_SIM_LIFETIME", "120")

    def dark(self, name: str) -> Job:
        return self.cases.job(name, self.cases.noisy(name, 3), rejection=Rejection.PERCENTILE)

    def flats(self, name: str) -> Job:
        dark = self.cases.master(f"for {name}", self.cases.hot() / 65535, FrameType.DARK)
        return self.cases.job(
            name,
            self.cases.flats(4),
            FrameType.FLAT,
            calibration=Calibration(dark=dark),
            rejection=Rejection.PERCENTILE,
            **FLAT_RECIPE,
        )

    def run(self, *jobs: Job, faults: str = "", startup: float = 60, silence: float = 60) -> dict[str, JobResult]:
        """Run the jobs in a work folder of their own; nothing of it may still run afterwards."""
        self._monkeypatch.setenv("AP_SIM_FAULT", faults)
        self._runs += 1
        workdir = self.folder / f"work {self._runs}"
        workdir.mkdir()
        engine = PixInsightEngine(SIMULATOR, startup_timeout_s=startup, timeout_s=silence)
        try:
            return {result.job_id: result for result in engine.run(jobs, workdir, lambda progress: None)}
        finally:
            assert self.survivors() == []

    def survivors(self) -> list[str]:
        """Return what still runs of what was started here: as a child, or by the folder on its command line."""
        ours = {child.pid for child in psutil.Process().children(recursive=True)}
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or [])
            if process.info["pid"] in self._others:
                continue
            alive = process.info["status"] != psutil.STATUS_ZOMBIE
            if alive and "-n=" in line and (process.info["pid"] in ours or str(self.folder) in line):
                found.append(line)
        return found

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start an instance as somebody else would, and wait until it is up."""
        process = subprocess.Popen([*SIMULATOR, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        while b"Copyright" not in process.stdout.readline():
            pass
        self._others = {process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))}
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop what ``start`` started."""
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.communicate()


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    return Night(tmp_path, monkeypatch)


# fault of one job: what the user reads; empty where the master comes to be all the same
JOB_FAULTS = {
    "ii-false": "Zero or insignificant signal detected",
    "throw": "Cannot execute instance in the global context",
    "half-master": "the master or its record is not usable",
    "disk-full": "could not be saved",
    "stale": "could not be saved",
    "calibrate-none": "ImageCalibration failed",
    "calibrate-fail": "",
    "keyword-loss": "",
    "nan": "",
    "miscount": "",
    "backtrace-line": "",
    "slow": "",
}
JOB_LOGS = {"disk-full": "No space left on device", "calibrate-none": "*** Error: *** Error: File I/O Error"}


def test_faults_of_single_jobs(night: Night) -> None:
    """A job's failure is its own, with words and the end of the log; others are done; a second run does the rest."""
    jobs = {name: night.flats(name) if "calibrate" in name else night.dark(name) for name in (*JOB_FAULTS, "sound")}
    first = night.run(*jobs.values(), faults=",".join(f"{fault}@{fault}" for fault in JOB_FAULTS))

    failed = {name: result for name, result in first.items() if isinstance(result, Failed)}
    assert set(failed) == {name for name, words in JOB_FAULTS.items() if words}
    for name, result in failed.items():
        assert JOB_FAULTS[name] in result.reason
        assert result.script and result.script.exists()
        assert any(line.strip() for line in result.log_tail)
        assert result.log and JOB_LOGS.get(name, "") in result.log.read_text(encoding="utf-8")

    second = night.run(*(jobs[name] for name in failed))
    assert {name for name, result in second.items() if not isinstance(result, Integrated)} == set()


def test_faults_that_leave_a_master_are_told(night: Night) -> None:
    """A frame that could not be calibrated, counts that contradict each other, keywords that were lost, bad samples."""
    jobs = {name: night.dark(name) for name in ("miscount", "keyword-loss", "nan")}
    jobs["calibrate-fail"] = night.flats("calibrate-fail")
    results = night.run(*jobs.values(), faults=",".join(f"{fault}@{fault}" for fault in jobs))
    made = {name: result for name, result in results.items() if isinstance(result, Integrated)}
    assert set(made) == set(jobs)

    assert any("told differently" in note for note in made["miscount"].notes)
    assert {k.name for k in proof.lost_keywords(jobs["keyword-loss"], made["keyword-loss"].path)} >= {"EXPTIME", "GAIN"}
    assert proof.lost_keywords(jobs["miscount"], made["miscount"].path) == ()
    assert "not finite" in (proof.missing_proof(jobs["nan"], made["nan"]) or "")
    assert [aside.path.name for aside in made["calibrate-fail"].dropped] == ["calibrate-fail-1.fits"]
    assert [frame.path.name for frame in made["calibrate-fail"].frames] == [
        f"calibrate-fail-{i}.fits" for i in (0, 2, 3)
    ]


@pytest.mark.parametrize(
    ("fault", "startup", "words"),
    [
        pytest.param("exit0", 60, "ended without running the script", id="exit 0"),
        pytest.param("yield", 60, "handed the script over to an instance that was open already", id="yield"),
        pytest.param("hang-startup", 1, "the script did not begin", id="a dialog at the start"),
    ],
)
def test_a_launch_that_runs_nothing(night: Night, fault: str, startup: float, words: str) -> None:
    """It is tried once more; when that fails too the engine could not run at all, with exit code 7."""
    job = night.dark("dark")

    assert isinstance(night.run(job, faults=f"{fault}@1", startup=max(startup, 8))["dark"], Integrated)
    with pytest.raises(PixInsightError, match=words) as raised:
        night.run(job, faults=fault, startup=startup)
    assert raised.value.exit_code == 7


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param("crash", "crash|ended", id="crash"),
        pytest.param("hang", "no sign of life|far longer", id="hang"),
        pytest.param("hang@bad,ignore-term", "no sign of life|far longer", id="a deaf one"),
    ],
)
def test_a_launch_that_breaks_off(night: Night, fault: str, words: str) -> None:
    """Finished jobs are kept; the one that breaks PixInsight every time fails alone, tried twice, last."""
    jobs = [night.dark(name) for name in ("first", "bad", "last")]
    results = night.run(*jobs, faults=fault if "@" in fault else f"{fault}@bad", silence=2)

    assert {name for name, result in results.items() if isinstance(result, Integrated)} == {"first", "last"}
    bad = results["bad"]
    assert isinstance(bad, Failed)
    assert re.search(words, bad.reason)
    assert bad.advice


def test_a_crash_that_does_not_come_back_costs_nothing(night: Night) -> None:
    """The second launch takes up where the first broke off."""
    jobs = [night.dark(name) for name in ("first", "second", "third")]
    results = night.run(*jobs, faults="crash@2")

    assert {type(result) for result in results.values()} == {Integrated}
    assert [images.read_info(r.path).width for r in results.values() if isinstance(r, Integrated)] == [48] * 3


def test_a_slot_that_somebody_holds_is_left_alone(night: Night, tmp_path: Path) -> None:
    """Another instance in the wanted slot goes on undisturbed; ours takes the next one."""
    other = night.start("-n=123", "--automation-mode")
    try:
        assert isinstance(night.run(night.dark("dark"))["dark"], Integrated)
        assert other.poll() is None
    finally:
        night.stop(other)
