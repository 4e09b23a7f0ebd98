"""The scale estimator Sn is the same however it is computed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection import sn


def plainly(r: NDArray[Any]) -> NDArray[Any]:
    """Return the low median of the high medians, from all differences."""
    n = len(r)
    wide = r.astype(np.float64 if r.dtype.kind == "f" else np.int64)
    differences = np.abs(wide[:, None] - wide[None])
    middle: NDArray[Any] = np.sort(np.sort(differences, axis=1)[:, n // 2], axis=0)[(n + 1) // 2 - 1]
    return middle


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from([2, 3, 8, 9, 63, 64, 65, 100, 255, 256, 301]),
    sigma=st.sampled_from([0.0, 0.4, 1, 7, 30, 200]),
    spikes=st.sampled_from([0.0, 0.1, 0.6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_stack(n: int, sigma: float, spikes: float, seed: int) -> None:
    """Few samples or many, of no noise or of nothing else, skewed or not."""
    rng = np.random.default_rng(seed)
    stacks = rng.normal(120, sigma, (n, 9)) + rng.exponential(sigma, (n, 9)) * (rng.random(9) < 0.3)
    stacks = np.where(rng.random((n, 9)) < spikes, rng.integers(0, 256, (n, 9)), stacks)
    r = np.sort(np.clip(np.rint(stacks), 0, 255).astype(np.uint8), axis=0)

    for dtype in (np.uint8, np.uint16, np.float64):
        np.testing.assert_array_equal(sn.middle_distance(r.astype(dtype)), plainly(r))


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from([2, 3, 5, 8, 9, 32, 33, 100]),
    scale=st.sampled_from([0.01, 1, 30, 2000]),
    spikes=st.sampled_from([0.0, 0.1, 0.4]),
    dtype=st.sampled_from([np.int16, np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_roughly(n: int, scale: float, spikes: float, dtype: type[Any], seed: int) -> None:
    """It is as far off at most as is told; whole numbers of small range are exact however far outliers lie."""
    rng = np.random.default_rng(seed)
    stacks = rng.normal(0, scale, (n, 9)).clip(-7000, 7000) + (rng.random((n, 9)) < spikes) * rng.choice(
        [-25000, 25000]
    )
    r = np.sort((np.rint(stacks) if dtype is np.int16 else stacks).astype(dtype), axis=0)

    distance, doubt = sn.rough_distance(r)

    assert (np.abs(distance - plainly(r.astype(np.float64))) <= doubt).all()
    if dtype is np.int16:
        np.testing.assert_array_equal(sn.exact_distance(r), plainly(r))
        assert scale > 2 or spikes or not doubt.any()


@pytest.mark.parametrize("n", [70, 300])
def test_two_values(n: int) -> None:
    """Where half of the samples or more are equal, Sn is zero."""
    r = np.zeros((n, n), np.uint8)
    for k in range(n):
        r[n - k :, k] = 200

    np.testing.assert_array_equal(sn.middle_distance(r), plainly(r))
