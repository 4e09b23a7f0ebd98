"""The screen of Winsorized clipping errs on one side only: what it lets pass loses nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ap_masters.engines.numpy.columns import begin_columns
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening.stacks import Sorted
from ap_masters.engines.numpy.screening.winsorized import winsorized_screen
from ap_masters.model import Recipe, Rejection


@settings(max_examples=50, deadline=None)
@given(
    n=st.sampled_from([5, 6, 8, 9, 15, 16, 32, 33, 60, 201]),
    sigma=st.floats(0.3, 30),
    skew=st.floats(0, 2),
    shift=st.integers(0, 3),
    thresholds=st.tuples(st.sampled_from([1.5, 2.5, 4.0]), st.sampled_from([1.5, 3.0]), st.sampled_from([3.0, 5.0])),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_not_marked_loses_nothing(
    n: int, sigma: float, skew: float, shift: int, thresholds: tuple[float, float, float], seed: int
) -> None:
    """Narrow and wide noise, skewed and with outliers, keys that are exact and keys that lack their last bits."""
    rng = np.random.default_rng(seed)
    unit, pixels = 1 << shift, 500
    noise = rng.normal(100, sigma, (n, pixels)) + rng.exponential(skew * sigma + 1e-9, (n, pixels))
    noise += (rng.random((n, pixels)) < 0.01) * rng.choice([-60, 40, 90])
    samples = np.sort(np.rint(np.clip(noise, 0, 255) * unit).clip(0, 256 * unit - 1).astype(np.uint16), axis=0)
    low, high, cutoff = thresholds
    recipe = Recipe(rejection=Rejection.WINSORIZED, sigma_low=low, sigma_high=high, winsorization_cutoff=cutoff)
    keys = list((samples >> shift).astype(np.uint8))
    slack, total = (unit - 1) / unit, samples.sum(0).astype(np.float64)
    stacks = Sorted(keys, np.zeros(pixels, np.float32), float(unit), slack, total, 0.0)

    marked = winsorized_screen(stacks, recipe, Scratch(pixels))
    lost, _ = begin_columns(samples, np.zeros(pixels), recipe, 65535.0)

    assert set(lost.tolist()) <= set(np.flatnonzero(marked).tolist())


def test_most_stacks_pass() -> None:
    """Of stacks of noise, three quarters are proven to lose nothing; some nine tenths do not."""
    keys = np.sort(np.rint(np.random.default_rng(1).normal(128, 7, (32, 4000))).astype(np.uint8), axis=0)
    stacks = Sorted(list(keys), np.zeros(4000, np.float32), 1.0, 0.0, keys.sum(0).astype(np.float32), 0.0)
    marked = winsorized_screen(stacks, Recipe(rejection=Rejection.WINSORIZED), Scratch(4000))

    assert marked.mean() == pytest.approx(0.23, abs=0.05)
