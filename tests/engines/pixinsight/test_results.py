"""Reading back: the record counts, witnesses are compared, and what is not usable is a failure."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ap_masters import images, record
from ap_masters.engines.pixinsight.console import parse
from ap_masters.engines.pixinsight.facts import LogFacts
from ap_masters.engines.pixinsight.paths import RunPaths
from ap_masters.engines.pixinsight.results import read_log, read_result
from ap_masters.engines.pixinsight.status import JobStatus, Status
from ap_masters.model import EngineInfo, Failed, FrameOutcome, Integrated, JobState, Keyword, Reason, SetAside
from ap_masters.record import Rejected
from tests.engines.pixinsight.jobs import make_job

JOB = make_job()
HISTORY = (
    "ImageIntegration.numberOfImages: 3",
    "ImageIntegration.totalRejectedLow: 33(5.7%)",
    "ImageIntegration.totalRejectedHigh: 303(52.6%)",
    *(f"ImageIntegration.rejectedLow_{i}: {10 + i}" for i in range(3)),
    *(f"ImageIntegration.rejectedHigh_{i}: {100 + i}" for i in range(3)),
    *(f"ImageIntegration.locationEstimates_{i}: 7.{i}e-03" for i in range(3)),
)
LOG = (
    "ap-masters: job 1 of 1 begins: dark-1a2b3c4d (a dark)\n"
    "Integration of 3 images:\n"
    "Total :       336  58.3% (       33 +       303 =   5.700% +  52.600%)\n"
)


class Left:
    """What a launch left in a folder."""

    def __init__(self, folder: Path) -> None:
        self.paths = RunPaths.launch([JOB], folder, run="r", stamp="20260129_123456", script_dir=folder, log_dir=folder)
        self.files = self.paths.jobs[JOB.id]

    def master(self, *history: str) -> None:
        """Leave a master with HISTORY."""
        keywords = tuple(Keyword("HISTORY", None, line) for line in history)
        images.write_image(self.files.master, np.full((12, 16), 0.5, np.float32), keywords, image_type="MasterDark")

    def record(self, **changes: object) -> None:
        """Leave the record as the script completes it."""
        known = record.draft(JOB, "pixinsight")
        inputs = tuple(
            entry.model_copy(
                update={"outcome": FrameOutcome(path=entry.path, rejected_low=10 + i, rejected_high=100 + i)}
            )
            for i, entry in enumerate(known.inputs)
        )
        fields: dict[str, object] = {
            "inputs": inputs,
            "rejected": Rejected(low=33, high=303, samples=576),
            "engine": EngineInfo(name="pixinsight", version="1.9.4", definition="ImageIntegration 1.6.0"),
            "created": datetime(2026, 1, 29, tzinfo=UTC),
            "seconds": 1.5,
        }
        record.write(known.model_copy(update=fields | changes), self.files.record)

    def read(self, log: str = LOG, status: Status | None = None) -> Integrated | Failed | None:
        """Read it back."""
        return read_result(JOB, self.paths, status, parse(log))


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def integrated(result: object) -> Integrated:
    assert isinstance(result, Integrated), result
    return result


def test_all_witnesses_agree(left: Left) -> None:
    """Record, HISTORY and log tell the same: nothing is to be said, and levels come from HISTORY."""
    left.master(*HISTORY)
    left.record()
    result = integrated(left.read())

    assert result.witnesses_agree
    assert result.notes == ()
    assert [(f.rejected_low, f.rejected_high, f.level) for f in result.frames] == [
        (10, 100, 0.007),
        (11, 101, 0.0071),
        (12, 102, 0.0072),
    ]
    assert result.statistics.channels[0].median == 0.5


@pytest.mark.parametrize(
    ("log", "history"),
    [
        pytest.param(LOG.replace(" 33 ", " 34 "), HISTORY, id="log"),
        pytest.param(LOG, [line.replace(": 303(", ": 304(") for line in HISTORY], id="HISTORY"),
    ],
)
def test_a_witness_contradicts(left: Left, log: str, history: list[str]) -> None:
    """Where one of them tells another number, all numbers are said, and the record will say that they differ."""
    left.master(*history)
    left.record()
    result = integrated(left.read(log))

    assert not result.witnesses_agree
    assert result.notes[0].startswith("rejected samples are told differently: record 33 low and 303 high, ")


def test_silent_witnesses(left: Left) -> None:
    """A master without HISTORY and a run without a log contradict nobody."""
    left.master()
    left.record()
    result = integrated(read_result(JOB, left.paths, None, None))

    assert result.witnesses_agree
    assert result.log is None


def test_counts_from_history(left: Left) -> None:
    """Counts that the script could not ascribe to frames are taken from HISTORY, and it is said that they differ."""
    left.master(*HISTORY)
    left.record(
        inputs=record.draft(JOB, "pixinsight").inputs, rejected=Rejected(low=33, high=303, samples=576, agree=False)
    )
    result = integrated(left.read())

    assert [frame.rejected_low for frame in result.frames] == [10, 11, 12]
    assert not result.witnesses_agree


def test_other_number_of_images(left: Left) -> None:
    """A master of other frames than were given is told."""
    left.master("ImageIntegration.numberOfImages: 2")
    left.record()

    assert integrated(left.read("")).notes == ("the master's HISTORY tells of 2 images, 3 were given",)


def test_a_record_of_other_frames(left: Left) -> None:
    """Frames that are not of the job, one twice, or fewer than integration needs: it is no record of this job."""
    inputs = record.draft(JOB, "pixinsight").inputs
    stranger = inputs[2].model_copy(update={"path": Path("/night/other.fits")})
    for told in ((*inputs[:2], stranger), (*inputs[:2], inputs[0]), inputs[:2]):
        left.master(*HISTORY)
        left.record(inputs=told)
        failed = left.read()

        assert isinstance(failed, Failed)
        assert "frames" in failed.reason


def test_samples_that_are_no_numbers(left: Left) -> None:
    """The disk has nothing to do with them."""
    left.master(*HISTORY)
    pixels = np.full((12, 16), 0.5, np.float32)
    pixels[3, 4] = np.nan
    images.write_image(left.files.master, pixels, image_type="MasterDark")
    left.record()
    failed = left.read()

    assert isinstance(failed, Failed)
    assert "not finite" in failed.reason
    assert "disk" not in failed.advice


def test_a_clock_that_was_set_back(left: Left) -> None:
    """No work takes less than no time."""
    left.master(*HISTORY)
    left.record(seconds=-3600.0)

    assert integrated(left.read()).seconds == 0


def test_warnings_of_pixinsight(left: Left) -> None:
    """What PixInsight warns of goes on record."""
    left.master(*HISTORY)
    left.record()

    assert integrated(left.read(LOG + "** Warning: strange\n")).notes == ("PixInsight warned: strange",)


def test_failure_that_the_script_tells(left: Left) -> None:
    """A failure has the script's reason, the log's error, an advice, the script and the end of the log."""
    status = Status(
        run="r", state="done", jobs=(JobStatus(id=JOB.id, state=JobState.FAILED, detail="ImageIntegration failed"),)
    )
    log = LOG.replace("Total", "*** Error: /a.fits: Incompatible image geometry\nTotal")
    log += f"ap-masters: job 1 of 2 failed: {JOB.id}\nap-masters: job 2 of 2 begins: another\nof no concern\n"
    result = left.read(log, status)

    assert isinstance(result, Failed)
    assert result.reason == "ImageIntegration failed: /a.fits: Incompatible image geometry"
    assert "another size" in result.advice
    assert result.script == left.paths.script
    assert result.log_tail[-1] == f"ap-masters: job 1 of 2 failed: {JOB.id}"


def test_unfinished(left: Left) -> None:
    """Without a record and without a word of failure a job is not finished, whatever else lies there."""
    left.master(*HISTORY)
    running = Status(run="r", state="running", jobs=(JobStatus(id=JOB.id, state=JobState.RUNNING),))

    assert left.read(status=running) is None
    assert left.read() is None


def test_finished_before_the_end(left: Left) -> None:
    """A record counts even where PixInsight died before it could say so."""
    left.master(*HISTORY)
    left.record()
    running = Status(run="r", state="running", jobs=(JobStatus(id=JOB.id, state=JobState.RUNNING),))

    integrated(left.read(status=running))


@pytest.mark.parametrize("damage", ["master gone", "master cut", "record cut"])
def test_not_usable(left: Left, damage: str) -> None:
    """A record without a whole master, or one that does not parse, is a failure with the reason."""
    left.master(*HISTORY)
    left.record()
    if damage == "master gone":
        left.files.master.unlink()
    else:
        path = left.files.master if damage == "master cut" else left.files.record
        path.write_bytes(path.read_bytes()[: path.stat().st_size - 300])
    result = left.read()

    assert isinstance(result, Failed)
    assert "not usable" in result.reason
    assert left.files.master.name in result.reason or left.files.record.name in result.reason


def test_no_log(tmp_path: Path) -> None:
    """No log is no facts; an empty one is facts about nothing."""
    assert read_log(tmp_path / "none.log") is None
    (tmp_path / "empty.log").write_bytes(b"")
    assert read_log(tmp_path / "empty.log") == LogFacts()


def test_error_after_the_process(left: Left) -> None:
    """An error of saving stands in the log when the process has long ended: it is told all the same."""
    status = Status(
        run="r", state="done", jobs=(JobStatus(id=JOB.id, state=JobState.FAILED, detail="could not be saved"),)
    )
    result = left.read(LOG + "0.010 s\n*** Error: File I/O Error: No space left on device\n", status)

    assert isinstance(result, Failed)
    assert result.reason == "could not be saved: File I/O Error: No space left on device"


def test_frames_left_out_say_why(left: Left) -> None:
    """A frame that could not be calibrated is set aside with what the log says of it, and that is not said twice."""
    gone = JOB.frames[1].path
    left.master(*HISTORY)
    left.record(dropped=(SetAside(path=gone, reason=Reason.NOT_CALIBRATED, detail="see the log"),))
    result = integrated(left.read(LOG + f"*** Error: *** Error: {gone.as_posix()}: Incompatible image geometry\n"))

    assert [aside.detail for aside in result.dropped] == [f"{gone.as_posix()}: Incompatible image geometry"]
    assert result.notes == ()


def test_error_of_a_master_that_stands(left: Left) -> None:
    """A PixInsight that went on after an exception has made a master that deserves a second look: it is noted."""
    left.master(*HISTORY)
    left.record()
    crash = "*** PCL Win32 System Exception: At address 00007FF6 with exception code C0000005 : Access violation\n"

    assert integrated(left.read(LOG + crash)).notes == (
        "PixInsight told of an error: At address 00007FF6 with exception code C0000005 : Access violation",
    )
