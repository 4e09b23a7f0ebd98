"""Sharing jobs among instances: whole, balanced, and never apart from the masters they use."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ap_masters.engines.pixinsight.batches import batches
from ap_masters.model import Job
from tests.engines.pixinsight.jobs import make_job


def job(number: int, frames: int, waits_for: tuple[int, ...] = ()) -> Job:
    paths = [Path(f"/{n}") for n in range(frames)]
    return make_job(paths=paths, id=f"job-{number}", waits_for=tuple(f"job-{n}" for n in waits_for))


def test_balanced() -> None:
    """The largest jobs go to different instances."""
    shared = batches([job(0, 10), job(1, 9), job(2, 3), job(3, 3)], 2)

    assert [[each.id for each in batch] for batch in shared] == [["job-0", "job-3"], ["job-1", "job-2"]]


def test_no_more_batches_than_jobs() -> None:
    """No instance is started for nothing."""
    assert len(batches([job(0, 3)], 4)) == 1
    assert batches([], 4) == []


@given(st.lists(st.tuples(st.integers(1, 5), st.sets(st.integers(0, 9), max_size=2)), max_size=10), st.integers(1, 5))
def test_partition(drawn: list[tuple[int, set[int]]], count: int) -> None:
    """Every job is in one batch, in order, with all that it waits for."""
    jobs = [job(n, frames, tuple(w for w in waits if w < n)) for n, (frames, waits) in enumerate(drawn)]
    shared = batches(jobs, count)

    assert sorted(each.id for batch in shared for each in batch) == sorted(each.id for each in jobs)
    assert len(shared) <= count
    for batch in shared:
        names = [each.id for each in batch]
        assert batch
        assert names == [each.id for each in jobs if each.id in names]
        assert all(other in names for each in batch for other in each.waits_for)


def test_colour_frames_are_three_times_the_work() -> None:
    """The work of a job goes with the samples it reads."""
    grey = job(0, 3)
    colour = tuple(frame.model_copy(update={"channels": 3}) for frame in grey.frames)
    coloured = grey.model_copy(update={"group": grey.group.model_copy(update={"frames": colour})})

    assert (grey.samples, coloured.samples) == (3 * 16 * 12, 3 * 16 * 12 * 3)
