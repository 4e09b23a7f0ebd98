"""Networks over rows: what sorts every pattern of zeros and ones sorts everything (Knuth 3, 5.3.4, theorem Z)."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters.engines.network import apply_network, selecting_network, sorting_network


def _patterns(n: int) -> NDArray[np.uint8]:
    """Return the zeros and ones of n rows: every pattern of few rows, many of others."""
    if n <= 12:
        return (np.arange(1 << n) >> np.arange(n)[:, None] & 1).astype(np.uint8)
    random = np.random.default_rng(n)
    return (random.random((n, 4096)) < random.random(4096)).astype(np.uint8)


@pytest.mark.parametrize("n", [*range(1, 13), 15, 16, 17, 24, 31, 32, 33, 60, 64, 100, 129])
def test_a_network_sorts_and_its_parts_select(n: int) -> None:
    """Whatever number of rows there is; of a part, the ranks it was made for are right."""
    rows = _patterns(n)
    ordered = np.sort(rows, axis=0)
    every = [row.copy() for row in rows]
    apply_network(sorting_network(n), every, [np.empty_like(every[0])])
    np.testing.assert_array_equal(every, ordered)
    for ranks in ({(n - 1) // 2, n // 2}, {0}, {n - 1}, {0, n - 1}, {n // 3}):
        some, before = list(rows), rows.copy()
        apply_network(
            selecting_network(n, frozenset(ranks)),
            some,
            list(np.empty_like(rows, shape=(n + 1, len(rows[0])))),
            keep=True,
        )
        for rank in ranks:
            np.testing.assert_array_equal(some[rank], ordered[rank])
        np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize(("n", "calls"), [(9, 34), (25, 182), (32, 260), (64, 736)])
def test_a_median_takes_less_than_sorting(n: int, calls: int) -> None:
    """So many calls of numpy, where sorting takes two for each comparator."""
    network = selecting_network(n, frozenset({(n - 1) // 2, n // 2}))
    assert sum(c.wants_low + c.wants_high for c in network) == calls < 2 * len(sorting_network(n))
