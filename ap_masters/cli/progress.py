"""Progress of a build: each job from Queued to Success, Failed or Skipped, with times, bars and an overall ETA."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ap_masters.cli.display import Screen, is_terminal
from ap_masters.model import JobState, OnProgress, Progress
from ap_masters.safe import one_line
from ap_masters.wording import numbers

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_BAR: Final = 24
_BESIDE_NAMES: Final = 7 + 1 + 10 + 1 + _BAR + 1 + 12  # state, type, bar, time, and a column between each
_SHORTEST_NAME: Final = 12
_ENDED: Final = {JobState.SUCCESS, JobState.FAILED, JobState.SKIPPED}


@dataclass(frozen=True)
class Label:
    """What is shown of a job: its frame type and the name of its master; ``weight`` is its share of the work."""

    type: str
    name: str
    weight: float = 1.0


class Tracker:
    """Where every job stands. Times are seconds of any clock that only goes forward, handed in by the caller."""

    def __init__(self, labels: Mapping[str, Label], started: float) -> None:
        """Begin with nothing known but the labels, by job id."""
        self.labels = labels
        self.state: dict[str, JobState] = {}
        self._fraction: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._started = started

    def update(self, news: Progress, now: float) -> bool:
        """Take in one piece of news; return whether the job's state has changed by it."""
        changed = self.state.get(news.job_id) is not news.state
        self.state[news.job_id] = news.state
        if news.state is JobState.RUNNING:
            self._began.setdefault(news.job_id, now)
            self._fraction[news.job_id] = min(max(news.fraction, 0.0), 1.0)
        if news.seconds is not None:
            self._took[news.job_id] = news.seconds
        if changed and news.state in _ENDED:
            self._fraction[news.job_id] = 1.0
            self._took.setdefault(news.job_id, now - self._began.get(news.job_id, now))
        return changed

    def fraction(self, job_id: str) -> float:
        """Return how much of one job is done, 0 to 1."""
        return self._fraction.get(job_id, 0.0)

    def seconds(self, job_id: str, now: float) -> float:
        """Return how long a job has been running, or took."""
        return self._took.get(job_id, now - self._began.get(job_id, now))

    def overall(self) -> float:
        """Return how much of the work is done, 0 to 1, jobs that were skipped left out of it."""
        work = {j: self.labels[j].weight for j in self.labels if self.state.get(j) is not JobState.SKIPPED}
        whole = sum(work.values())
        return sum(weight * self.fraction(job) for job, weight in work.items()) / whole if whole else 1.0

    def remaining(self, now: float) -> float | None:
        """Return the seconds still to go if the rest goes like what is done; None while nothing is."""
        done = self.overall()
        return (now - self._started) * (1 - done) / done if done > 0 else None

    def counts(self) -> dict[JobState, int]:
        """Return how many jobs stand in each state."""
        states = [self.state.get(job, JobState.QUEUED) for job in self.labels]
        return {state: states.count(state) for state in JobState if state in states}


def clock(seconds: float) -> str:
    """Return seconds as a user reads them: 3.2 s, 1:05, 2:03:00."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def shown(screen: Screen, labels: Mapping[str, Label]) -> Iterator[OnProgress]:
    """Show progress on standard error while the context lasts; yield what the engine tells its news to.

    Bars that move on a terminal, one line for each change of state elsewhere, nothing when quiet.
    """
    tracker = Tracker(labels, time.monotonic())
    if screen.quiet:
        yield lambda news: None
    elif is_terminal(sys.stderr):
        with _bars(tracker) as on_progress:
            yield on_progress
    else:
        yield _lines(tracker)


def shortened(name: str, width: int) -> str:
    """Return ``name`` in at most ``width`` columns; what goes is in the middle, because names differ at their ends."""
    if len(name) <= width:
        return name
    tail = 2 * (width - 1) // 3
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"


def _ending(tracker: Tracker, news: Progress, now: float, *, width: int = 1000) -> str:
    label = tracker.labels[news.job_id]
    took = "" if news.state in {JobState.SKIPPED, JobState.QUEUED} else f" {clock(tracker.seconds(news.job_id, now))}"
    detail = f" ({one_line(news.detail)})" if news.detail else ""
    return f"{news.state:<8}{label.type:<10}{shortened(one_line(label.name), width)}{took}{detail}"


def _lines(tracker: Tracker) -> OnProgress:
    lock = threading.Lock()

    def tell(news: Progress) -> None:
        with lock:
            now = time.monotonic()
            if news.job_id in tracker.labels and tracker.update(news, now):
                print(_ending(tracker, news, now), file=sys.stderr, flush=True)

    return tell


@contextmanager
def _bars(tracker: Tracker) -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    # markup=False: file names and headers may hold brackets.
    columns = (
        TextColumn("{task.fields[state]:<7}", markup=False),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR),
        TextColumn("{task.fields[time]}", markup=False),
    )
    console = Console(stderr=True)
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Bars(tracker, bars, max(console.width - _BESIDE_NAMES, _SHORTEST_NAME)).tell


class _Bars:
    """Bars for what is running, one for the whole; what has ended stands above them as lines that stay."""

    def __init__(self, tracker: Tracker, bars: "Bars", width: int) -> None:
        self._tracker = tracker
        self._bars = bars
        self._width = width  # columns that names may take
        self._rows: dict[str, TaskID] = {}
        self._lock = threading.Lock()
        self._whole = bars.add_task("", total=1.0, state="", time="")

    def tell(self, news: Progress) -> None:
        """Move the bars; called from any thread."""
        if news.job_id not in self._tracker.labels:
            return
        with self._lock:
            now = time.monotonic()
            changed = self._tracker.update(news, now)
            if news.state in _ENDED and changed:
                self._end(news, now)
            elif news.state is JobState.RUNNING:
                self._move(news, now)
            self._show_whole(now)

    def _move(self, news: Progress, now: float) -> None:
        label = self._tracker.labels[news.job_id]
        if news.job_id not in self._rows:
            text = f"{label.type:<10}{shortened(one_line(label.name), self._width)}"
            self._rows[news.job_id] = self._bars.add_task(text, total=1.0, state=str(news.state), time="")
        took = clock(self._tracker.seconds(news.job_id, now))
        self._bars.update(self._rows[news.job_id], completed=self._tracker.fraction(news.job_id), time=took)

    def _end(self, news: Progress, now: float) -> None:
        row = self._rows.pop(news.job_id, None)
        if row is not None:
            self._bars.remove_task(row)
        line = _ending(self._tracker, news, now, width=self._width)
        self._bars.console.print(line, markup=False, highlight=False)

    def _show_whole(self, now: float) -> None:
        counts = numbers({state.lower(): count for state, count in self._tracker.counts().items()})
        remaining = self._tracker.remaining(now)
        time_left = "" if remaining is None else f"{clock(remaining)} left"
        self._bars.update(self._whole, completed=self._tracker.overall(), description=counts, time=time_left)
