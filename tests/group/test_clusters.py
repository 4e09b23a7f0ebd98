"""Clusters of numbers: within the tolerance, whatever the order."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ap_masters.group.clusters import angles, chains, clusters

NUMBERS = st.lists(st.floats(-50, 50).map(lambda value: round(value, 3)), max_size=40)


@pytest.mark.parametrize(
    ("values", "tolerance", "expected"),
    [
        pytest.param([], 1.0, [], id="none"),
        pytest.param([-10, -10.1, -10.2], 1.0, [(-10.2, -10.1, -10)], id="S2-52"),
        pytest.param([-10, -12], 1.0, [(-12,), (-10,)], id="S2-53"),
        pytest.param([-10, -11], 1.0, [(-11, -10)], id="S2-16 edge, inclusive"),
        pytest.param([-16.1, -15.1], 1.0, [(-16.1, -15.1)], id="edge that floating point misses"),
        pytest.param([-10, -11.01], 1.0, [(-11.01,), (-10,)], id="just beyond"),
        pytest.param([0, 0.9, 1.8], 1.0, [(0,), (0.9, 1.8)], id="a chain is cut, of equal gaps at the lower"),
        pytest.param([0, 0.5, 1, 1.5], 1.0, [(0, 0.5), (1, 1.5)], id="equal gaps, cut in the middle"),
        pytest.param([0, 0.2, 1.1], 1.0, [(0, 0.2), (1.1,)], id="cut at the widest gap"),
        pytest.param([1, 1, 1], 0.0, [(1,)], id="equal values"),
        pytest.param([1, 1.5], 0.0, [(1,), (1.5,)], id="exact"),
        pytest.param([-10, -12], 3.0, [(-12, -10)], id="C-01, preset of 3 °C"),
    ],
)
def test_examples(values: list[float], tolerance: float, expected: list[tuple[float, ...]]) -> None:
    """C-01: the largest spread of a cluster is the tolerance, inclusive."""
    assert clusters(values, tolerance) == expected


@given(NUMBERS, st.floats(0, 5), st.randoms())
@settings(deadline=None)
def test_clusters_are_a_partition_that_ignores_order(values: list[float], tolerance: float, random: object) -> None:
    """Every value is in exactly one cluster, none is wider than the tolerance, and order changes nothing."""
    shuffled = values.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = clusters(values, tolerance)

    assert sorted(value for run in found for value in run) == sorted(set(values))
    assert all(run[-1] - run[0] <= tolerance + 1e-9 for run in found)
    assert clusters(shuffled + values, tolerance) == found


def test_thousands_of_values() -> None:
    """Many different values are no trouble: no recursion."""
    assert sum(map(len, clusters((value * 0.01 for value in range(5000)), 0.001))) == 5000


@given(st.lists(st.floats(0, 360, exclude_max=True), max_size=20), st.floats(0, 5))
def test_runs_of_angles_are_a_partition(values: list[float], tolerance: float) -> None:
    """To the last bit, as frames are looked up by them; a value is in one run, and none is wider than the tolerance."""
    found = angles(values, tolerance)

    assert sorted(value for run in found for value in run) == sorted(set(values))
    assert all((run[-1] - run[0]) % 360 <= tolerance + 1e-9 for run in found)


@given(NUMBERS, st.floats(0, 5))
def test_chains_are_a_partition_without_near_neighbours(values: list[float], gap: float) -> None:
    """Runs end where, and only where, the next value is apart."""
    found = chains(values, lambda a, b: b - a > gap)

    assert [value for run in found for value in run] == sorted(set(values))
    assert all(later[0] - earlier[-1] > gap for earlier, later in pairwise(found))
    assert all(b - a <= gap for run in found for a, b in pairwise(run))
