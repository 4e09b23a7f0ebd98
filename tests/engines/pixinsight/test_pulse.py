"""Signs of life, on a clock of the test's own."""

from pathlib import Path

import pytest

from ap_masters.engines.pixinsight.pulse import Ending, Limits, Pulse, Work, job_limit
from ap_masters.engines.pixinsight.status import JobStatus, Status
from ap_masters.model import FrameType, JobState
from tests.engines.pixinsight.jobs import flat_calibration, make_job

LIMITS = Limits(startup=100, silence=60, jobs={"a": 500, "b": 50})


def status(job: str = "a", fraction: float = 0.0) -> Status:
    return Status(run="r", state="running", jobs=(JobStatus(id=job, state=JobState.RUNNING, fraction=fraction),))


def test_no_first_word() -> None:
    """Without a word of the script, waiting ends after the time for the start, however busy PixInsight is."""
    pulse = Pulse(0, LIMITS)
    for now in range(0, 101, 5):
        pulse.beat(now, status=None, log_size=now, work=Work(now))
        assert pulse.ending(now) is None
    assert pulse.ending(101) is Ending.NEVER_STARTED


def test_silence() -> None:
    """Nothing new for too long is silence; the exact limit is not yet."""
    pulse = Pulse(0, LIMITS)
    pulse.beat(10, status=status(), log_size=0, work=Work(0))

    assert pulse.ending(70) is None
    assert pulse.ending(70.1) is Ending.SILENT


@pytest.mark.parametrize(
    ("sign", "ending"),
    [
        pytest.param({"status": status(fraction=0.5), "log_size": 0, "work": Work(0)}, None, id="status"),
        pytest.param({"status": status(), "log_size": 1, "work": Work(0)}, None, id="log"),
        pytest.param({"status": status(), "log_size": 0, "work": Work(3)}, None, id="work"),
        pytest.param({"status": status(), "log_size": 0, "work": Work(0, 6_000_000)}, None, id="reading"),
        pytest.param({"status": status(), "log_size": 0, "work": Work(2, 99)}, Ending.SILENT, id="an idle window"),
    ],
)
def test_signs_of_life(sign: dict[str, object], ending: Ending | None) -> None:
    """News in the status, a longer log, work and reading are life; the little that a waiting dialog uses is none."""
    pulse = Pulse(0, LIMITS)
    pulse.beat(0, status=status(), log_size=0, work=Work(0))
    pulse.beat(50, **sign)  # type: ignore[arg-type]

    assert pulse.ending(90) is ending


def test_too_long() -> None:
    """A job that works beyond its limit is stopped; the limit counts from the job's own beginning."""
    pulse = Pulse(0, LIMITS)
    for now in range(0, 500, 10):
        pulse.beat(now, status=status("a"), log_size=now, work=Work(now))
        assert pulse.ending(now) is None
    pulse.beat(500, status=status("b"), log_size=500, work=Work(500))
    pulse.beat(549, status=status("b"), log_size=549, work=Work(549))

    assert pulse.ending(549) is None
    assert pulse.ending(551) is Ending.TOO_LONG


def test_whole_run() -> None:
    """All jobs together have a limit, also while none is being worked on."""
    pulse = Pulse(0, LIMITS)
    pulse.beat(0, status=Status(run="r", state="running"), log_size=0, work=Work(0))
    pulse.beat(649, status=Status(run="r", state="running"), log_size=1, work=Work(0))

    assert pulse.ending(650) is None
    assert pulse.ending(651) is Ending.TOO_LONG


def test_limit_grows_with_the_work() -> None:
    """A job's limit grows with its samples, and flats that are calibrated first have twice the work."""
    paths = [Path(f"/{n}") for n in range(100)]
    small = job_limit(make_job(FrameType.FLAT), 600)
    large = job_limit(make_job(FrameType.FLAT, paths=paths), 600)
    calibrated = job_limit(make_job(FrameType.FLAT, paths=paths, calibration=flat_calibration()), 600)

    assert 1200 < small < large < calibrated
    assert calibrated - 1200 == pytest.approx(2 * (large - 1200))


def test_a_small_job_that_stands_still_is_silent() -> None:
    """However short a job should take: one that stands still is told as silent, not as slow."""
    limits = Limits(startup=60, silence=10, jobs={"dark-1a2b3c4d": job_limit(make_job(), 10)})
    pulse = Pulse(0.0, limits)
    pulse.beat(0.5, status=status("dark-1a2b3c4d"), log_size=1, work=Work())
    pulse.beat(1.0, status=status("dark-1a2b3c4d"), log_size=2, work=Work())

    assert [pulse.ending(now) for now in (10.9, 11.1)] == [None, Ending.SILENT]
