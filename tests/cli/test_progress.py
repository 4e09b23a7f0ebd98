"""The progress of a build: states, fractions, times and the estimate of what is left."""

import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest

from ap_masters.cli.display import Screen
from ap_masters.cli.progress import Label, Tracker, clock, shortened, shown
from ap_masters.model import JobState, Progress

LABELS = {
    "a": Label("bias", "masterBias.xisf", 1.0),
    "b": Label("dark", "masterDark.xisf", 3.0),
    "c": Label("flat", "masterFlat.xisf", 4.0),
}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def news(job: str, state: JobState, fraction: float = 0.0, detail: str = "") -> Progress:
    return Progress(job, state, fraction, detail)


def test_a_job_goes_from_queued_to_its_end() -> None:
    """Only a change of state is one; more rows of a running job are not."""
    tracker = Tracker(LABELS, 0.0)
    told = [
        tracker.update(news("a", JobState.QUEUED), 0.0),
        tracker.update(news("a", JobState.RUNNING), 1.0),
        tracker.update(news("a", JobState.RUNNING, 0.5), 2.0),
        tracker.update(news("a", JobState.SUCCESS, 1.0), 4.0),
    ]

    assert told == [True, True, False, True]
    assert tracker.state["a"] is JobState.SUCCESS
    assert tracker.seconds("a", 99.0) == 3.0


def test_the_whole_is_weighed_by_work() -> None:
    """One eighth of the work done after two seconds leaves fourteen."""
    tracker = Tracker(LABELS, 10.0)

    assert tracker.overall() == 0.0
    assert tracker.remaining(12.0) is None

    tracker.update(news("a", JobState.SUCCESS), 12.0)

    assert tracker.overall() == 1 / 8
    assert tracker.remaining(12.0) == 14.0


def test_a_running_jobs_time_goes_on() -> None:
    """Elapsed time counts from the first sign of work, not from the queue."""
    tracker = Tracker(LABELS, 0.0)
    tracker.update(news("b", JobState.QUEUED), 0.0)
    tracker.update(news("b", JobState.RUNNING, 0.25), 5.0)

    assert tracker.seconds("b", 7.5) == 2.5
    assert tracker.fraction("b") == 0.25


def test_what_is_skipped_is_no_work() -> None:
    """Up-to-date masters do not make the estimate look good."""
    tracker = Tracker(LABELS, 0.0)
    tracker.update(news("b", JobState.SKIPPED), 0.0)
    tracker.update(news("c", JobState.SKIPPED), 0.0)
    tracker.update(news("a", JobState.RUNNING, 0.5), 1.0)

    assert tracker.overall() == 0.5
    assert tracker.counts() == {JobState.RUNNING: 1, JobState.SKIPPED: 2}


def test_nothing_to_do_is_done() -> None:
    """No division by no work."""
    assert Tracker({}, 0.0).overall() == 1.0


@pytest.mark.parametrize(("given", "kept"), [(-1.0, 0.0), (2.0, 1.0)])
def test_fractions_stay_in_range(given: float, kept: float) -> None:
    """Whatever an engine says."""
    tracker = Tracker(LABELS, 0.0)
    tracker.update(news("a", JobState.RUNNING, given), 0.0)

    assert tracker.fraction("a") == kept


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1:00"), (3599.6, "1:00:00"), (3725, "1:02:05")]
)
def test_times_are_readable(seconds: float, text: str) -> None:
    """Tenths below a minute, then minutes and hours."""
    assert clock(seconds) == text


def a_build() -> Iterator[Progress]:
    """Yield the news of a build with one success, one failure and one job left out."""
    for job in LABELS:
        yield news(job, JobState.QUEUED)
    yield news("a", JobState.RUNNING)
    yield news("a", JobState.RUNNING, 0.5)
    yield news("a", JobState.SUCCESS, 1.0)
    yield news("b", JobState.RUNNING)
    yield news("b", JobState.FAILED, detail="disk [full]\n\x1b[2J")
    yield news("c", JobState.SKIPPED, detail="waiting: dark failed")
    yield news("unknown", JobState.RUNNING)


def run_on(stream: io.StringIO, *, quiet: bool = False) -> str:
    with redirect_stderr(stream), shown(Screen(quiet=quiet), LABELS) as tell:
        for one in a_build():
            tell(one)
    return stream.getvalue()


def test_a_pipe_gets_one_line_for_each_change() -> None:
    """No control characters, no bars; what foreign text there is stays on its line."""
    lines = run_on(io.StringIO()).splitlines()

    assert [line.split()[:3] for line in lines] == [
        ["Queued", "bias", "masterBias.xisf"],
        ["Queued", "dark", "masterDark.xisf"],
        ["Queued", "flat", "masterFlat.xisf"],
        ["Running", "bias", "masterBias.xisf"],
        ["Success", "bias", "masterBias.xisf"],
        ["Running", "dark", "masterDark.xisf"],
        ["Failed", "dark", "masterDark.xisf"],
        ["Skipped", "flat", "masterFlat.xisf"],
    ]
    assert lines[6].endswith("(disk [full]  [2J)")
    assert all(line.isprintable() for line in lines)


def test_a_dumb_terminal_is_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """TERM=dumb cannot move its cursor."""
    monkeypatch.setenv("TERM", "dumb")

    assert run_on(Terminal()).isprintable() is False  # line ends only
    assert "\x1b" not in run_on(Terminal())


def test_a_terminal_gets_bars_and_lines_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ended stands above what is running; brackets in names are brackets."""
    monkeypatch.setenv("TERM", "xterm")
    text = run_on(Terminal())

    assert "\x1b[" in text
    assert "Success" in text
    assert "disk [full]" in text
    assert "1 success, 1 failed, 1 skipped" in text


@pytest.mark.parametrize(
    ("name", "width", "short"),
    [("a.xisf", 6, "a.xisf"), ("masterDark_EXPOSURE_300.xisf", 16, "maste…E_300.xisf")],
)
def test_long_names_lose_their_middle(name: str, width: int, short: str) -> None:
    """S4's names differ at their end, where the exposure stands."""
    assert shortened(name, width) == short
    assert len(shortened(name, width)) <= width


def test_quiet_is_quiet() -> None:
    """-q shows no progress at all."""
    assert run_on(io.StringIO(), quiet=True) == ""
    assert sys.stderr is not None


def test_the_engine_knows_how_long_a_job_took() -> None:
    """A master that waits for others to be published has not taken all that time."""
    tracker = Tracker(LABELS, 0.0)
    tracker.update(news("a", JobState.RUNNING), 1.0)
    tracker.update(Progress("a", JobState.RUNNING, 0.95, seconds=2.5), 4.0)
    tracker.update(news("a", JobState.SUCCESS, 1.0), 60.0)

    assert tracker.seconds("a", 99.0) == 2.5
