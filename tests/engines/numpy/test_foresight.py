"""What is foreseen of a clipping rule is what its definition rejects."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ap_masters.engines.numpy.order import Scales
from ap_masters.engines.numpy.rejection.clamping import Group
from ap_masters.engines.numpy.rejection.foresight.line import MORE_TURNS, as_keys
from ap_masters.engines.numpy.rejection.foresight.line import foresee as foresee_line
from ap_masters.engines.numpy.rejection.foresight.winsorized import foresee
from ap_masters.engines.numpy.rejection.survivors import Losses
from ap_masters.model import Recipe, Rejection
from tests.engines.numpy.cases import assert_same, run
from tests.reference import least_absolute_deviation, winsorized

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


def test_nothing_is_certain_of_no_stacks() -> None:
    """A tile may have proven all that was left of a kind."""
    r = np.empty((8, 0), np.uint8)

    assert len(foreseen(r, 500.0, Recipe(rejection=Rejection.WINSORIZED), 5.0, 2).certain) == 0
    assert (
        len(foresee_line(as_keys(r, ADU), Recipe(rejection=Rejection.LINEAR_FIT), ADU, turns=MORE_TURNS).certain) == 0
    )


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from([5, 6, 9, 16]),
    sigma=st.sampled_from([0.3, 5.0, 300.0]),
    outliers=st.sampled_from([0.0, 0.1, 0.4]),
    whole=st.booleans(),
    thresholds=st.tuples(st.sampled_from([2.0, 5.0]), st.sampled_from([1.5, 3.5])),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_certain_of_lines_is_so(
    n: int, sigma: float, outliers: float, whole: bool, thresholds: tuple[float, float], seed: int
) -> None:
    """One pass of linear fit clipping, of whole numbers and others, against the exact line of each stack."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(3000, sigma, (n, 12)) + (rng.random((n, 12)) < outliers) * rng.choice([-2000, 900], (n, 12))
    r = np.sort(np.rint(noise) if whole else noise, axis=0)
    low, high = thresholds
    recipe = Recipe(rejection=Rejection.LINEAR_FIT, linear_fit_low=low, linear_fit_high=high)

    losses = foresee_line(as_keys(r, ADU), recipe, ADU, turns=MORE_TURNS)

    for pixel in np.flatnonzero(losses.certain):
        stack = [Fraction(float(sample)) / Fraction(ADU) for sample in r[:, pixel]]
        line = least_absolute_deviation(stack)
        squared = (2 * line.deviation) ** 2 * (1 + line.slope**2)
        distances = [sample - line.intercept - line.slope * rank for rank, sample in enumerate(stack)]
        below = [d < 0 and d * d >= Fraction(low) ** 2 * squared > 0 for d in distances]
        above = [d >= 0 and d * d >= Fraction(high) ** 2 * squared > 0 for d in distances]
        assert below == [rank < losses.low[pixel] for rank in range(n)]
        assert above == [n - rank <= losses.high[pixel] for rank in range(n)]


@pytest.mark.parametrize("n", [20, 31, 40, 100, 200])
def test_most_is_certain_of_lines(n: int) -> None:
    """Of stacks of noise, some of which lose a sample, nearly all are foreseen."""
    r = np.sort(np.random.default_rng(n).normal(20000, 90, (n, 1500)), axis=0)
    losses = foresee_line(as_keys(r, ADU), Recipe(rejection=Rejection.LINEAR_FIT), ADU, turns=MORE_TURNS)

    assert losses.certain.mean() > 0.8
    assert (losses.low + losses.high > 0).mean() > 0.02


@pytest.mark.parametrize("rejection", [Rejection.WINSORIZED, Rejection.LINEAR_FIT])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_many_stacks_lose_what_few_lose(dtype: type[Any], rejection: Rejection) -> None:
    """Few stacks at a time are measured, many are foreseen: the same master, and the same samples rejected."""
    rng = np.random.default_rng(3)
    frames = np.rint(rng.normal(800, 9, (24, 1, 60, 60)))
    frames += (rng.random(frames.shape) < 0.01) * 300
    recipe = Recipe(rejection=rejection)

    assert_same(run(frames.astype(dtype), recipe, memory=1), run(frames.astype(dtype), recipe))


@pytest.mark.parametrize("n", [61, 63])
def test_few_values_and_many_ties(n: int) -> None:
    """Lines through samples that tie for the middle have no tangent there, and prove nothing: the same is rejected."""
    frames = np.random.default_rng(0).integers(500, 504, (n, 1, 30, 30))
    recipe = Recipe(rejection=Rejection.LINEAR_FIT, linear_fit_low=0.5, linear_fit_high=1.0)

    assert_same(run(frames.astype(np.uint16), recipe), run(frames.astype(np.float64), recipe, memory=1))


def test_a_torn_stack_leaves_its_neighbours_alone() -> None:
    """Of samples with factors, which are no whole numbers, not the last bit depends on what is worked on together."""
    rng = np.random.default_rng(1)
    frames = np.rint(rng.standard_t(1, (20, 1, 50, 50)) * 20).clip(0, 65535).astype(np.uint16)
    factors = Scales(*[rng.uniform(0.9, 1.1, 20).tolist()] * 2)
    recipe = Recipe(rejection=Rejection.LINEAR_FIT, linear_fit_low=1.0, linear_fit_high=1.5)

    assert_same(run(frames, recipe, scales=[factors], memory=1), run(frames, recipe, scales=[factors]))
