"""What is foreseen of Winsorized clipping is what the definition rejects."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.clamping import Group
from ap_masters.engines.numpy.rejection.foresight.winsorized import foresee
from ap_masters.engines.numpy.rejection.survivors import Losses
from ap_masters.model import Recipe, Rejection
from tests.engines.numpy.cases import assert_same, run
from tests.reference import winsorized

ADU = 65535.0


def foreseen(r: NDArray[Any], level: float, recipe: Recipe, cutoff: float, turns: int) -> Losses:
    """Return what is foreseen of sorted stacks, (n, pixels), of samples ``r + level``; a cutoff of 0 is none."""
    pixels = r.shape[1]
    group = Group(np.arange(pixels), r, np.full(pixels, level), cutoff)
    return foresee(group, recipe, ADU, turns=turns)


@settings(max_examples=80, deadline=None)
@given(
    n=st.sampled_from([5, 6, 7, 10, 15, 20, 32, 33]),
    dtype=st.sampled_from([np.uint8, np.int16, np.float64]),
    sigma=st.sampled_from([0.6, 2.0, 7.0, 20.0]),
    skew=st.sampled_from([0.0, 0.5, 2.0]),
    outliers=st.sampled_from([0.0, 0.02, 0.2]),
    level=st.sampled_from([0.0, 500.0, 65000.0]),
    thresholds=st.tuples(st.sampled_from([1.5, 4.0]), st.sampled_from([1.2, 3.0]), st.sampled_from([0.0, 3.0, 5.0])),
    turns=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_certain_is_so(
    n: int,
    dtype: type[Any],
    sigma: float,
    skew: float,
    outliers: float,
    level: float,
    thresholds: tuple[float, float, float],
    turns: int,
    seed: int,
) -> None:
    """Noise of whole numbers or not, skewed, with outliers near and far, about any level."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(100, sigma, (n, 40)) + rng.exponential(skew * sigma + 1e-9, (n, 40))
    noise += (rng.random((n, 40)) < outliers) * rng.choice([-60, 40, 90], (n, 40))
    samples = noise if dtype is np.float64 else np.rint(noise).clip(0, 255)
    r = np.sort(samples.astype(dtype), axis=0)
    low, high, cutoff = thresholds
    recipe = Recipe(rejection=Rejection.WINSORIZED, sigma_low=low, sigma_high=high)

    losses = foreseen(r, level, recipe, cutoff, turns)

    for pixel in np.flatnonzero(losses.certain):
        stack = [(float(sample) + level) / ADU for sample in r[:, pixel]]
        centre, deviation = winsorized(stack, cutoff)
        lost_low = sum(centre - sample > low * deviation for sample in stack) if deviation else 0
        lost_high = sum(sample - centre > high * deviation for sample in stack) if deviation else 0
        assert (losses.low[pixel], losses.high[pixel]) == (lost_low, lost_high)
    uncertain = ~losses.certain
    assert not losses.low[uncertain].any()
    assert not losses.high[uncertain].any()


@pytest.mark.parametrize(
    ("dtype", "turns", "at_least"), [(np.uint8, 2, 0.92), (np.float64, 2, 0.92), (np.uint8, 5, 0.96)]
)
def test_most_is_certain(dtype: type[Any], turns: int, at_least: float) -> None:
    """Of stacks of noise hardly one in twenty is left to the definition, a sixth of which lose something."""
    r = np.sort(np.rint(np.random.default_rng(1).normal(128, 7, (32, 4000))).astype(dtype), axis=0)
    losses = foreseen(r, 500.0, Recipe(rejection=Rejection.WINSORIZED), 5.0, turns)

    assert losses.certain.mean() > at_least
    assert (losses.low + losses.high > 0).mean() == pytest.approx(0.08, abs=0.03)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_many_stacks_lose_what_few_lose(dtype: type[Any]) -> None:
    """Few stacks at a time are measured, many are foreseen: the same master, and the same samples rejected."""
    rng = np.random.default_rng(3)
    frames = np.rint(rng.normal(800, 9, (24, 1, 60, 60)))
    frames += (rng.random(frames.shape) < 0.01) * 300
    recipe = Recipe(rejection=Rejection.WINSORIZED)

    assert_same(run(frames.astype(dtype), recipe, memory=1), run(frames.astype(dtype), recipe))
