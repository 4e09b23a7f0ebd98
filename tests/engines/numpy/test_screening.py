"""Screens err on one side only: what they let pass loses nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection import reject
from ap_masters.engines.numpy.rejection.foresight.scale import least_distance
from ap_masters.engines.numpy.rejection.foresight.stacks import Sorted
from ap_masters.engines.numpy.rejection.foresight.winsorized_proof import loses_nothing
from ap_masters.engines.numpy.rejection.sn import middle_distance
from ap_masters.engines.numpy.rejection.survivors import Stacks
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening import LIMITS
from ap_masters.engines.numpy.screening.clipping import Tile, unproven
from ap_masters.engines.numpy.screening.moments import Moments, Wanted, moments
from ap_masters.model import Recipe, Rejection


def losing(ranked: NDArray[Any], recipe: Recipe) -> set[int]:
    """Return which sorted stacks lose something by the definition."""
    left = reject(Stacks(ranked, 65535.0), recipe).left
    return set(np.flatnonzero((left.first > 0) | (left.last < len(ranked))).tolist())


@settings(max_examples=50, deadline=None)
@given(
    n=st.sampled_from([5, 6, 8, 9, 15, 16, 32, 33, 60, 201]),
    sigma=st.floats(0.3, 30),
    skew=st.floats(0, 2),
    shift=st.integers(0, 3),
    thresholds=st.tuples(st.sampled_from([1.5, 2.5, 4.0]), st.sampled_from([1.5, 3.0]), st.sampled_from([3.0, 5.0])),
    seed=st.integers(0, 2**32 - 1),
)
@example(n=5, sigma=4.0, skew=2.0, shift=1, thresholds=(1.5, 3.0, 3.0), seed=22804)
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
    stacks = Sorted(keys, float(unit), slack, total, 0.0)

    proven = loses_nothing(stacks, recipe, Scratch(pixels))

    assert not losing(samples, recipe) & set(np.flatnonzero(proven).tolist())


@settings(max_examples=50, deadline=None)
@given(
    n=st.sampled_from([5, 8, 9, 16, 33, 64]),
    sigma=st.sampled_from([0.3, 1.0, 2.0, 7.0, 20.0]),
    slack=st.sampled_from([0.5, 1.04, 2.04, 3.0]),
    thresholds=st.tuples(
        st.sampled_from([0.7, 1.5, 3.0]), st.sampled_from([0.5, 1.2, 3.0]), st.sampled_from([3.0, 5.0])
    ),
    beyond=st.sampled_from(["some", "upper", "lower", "greatest"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_keys_lack_of_scaled_samples_is_allowed_for(
    n: int, sigma: float, slack: float, thresholds: tuple[float, float, float], beyond: str, seed: int
) -> None:
    """Nobody knows of which samples: the sums are those of the keys."""
    rng = np.random.default_rng(seed)
    keys = np.sort(np.rint(rng.normal(128, sigma, (n, 300))).clip(0, 255).astype(np.uint8), axis=0)
    median = np.median(keys, axis=0)
    lacking = {
        "some": rng.random(keys.shape) < 0.5,
        "upper": keys > median,
        "lower": keys < median,
        "greatest": keys == keys[-1],
    }[beyond]
    low, high, cutoff = thresholds
    recipe = Recipe(rejection=Rejection.WINSORIZED, sigma_low=low, sigma_high=high, winsorization_cutoff=cutoff)
    stacks = Sorted(list(keys), 1.0, slack, keys.sum(0).astype(np.float32), slack)

    proven = loses_nothing(stacks, recipe, Scratch(300))

    assert not losing(np.sort(keys + slack * lacking, axis=0), recipe) & set(np.flatnonzero(proven).tolist())


@pytest.mark.parametrize(("sigma", "at_least"), [(0.5, 0.85), (1.5, 0.55), (3.0, 0.75), (7.0, 0.78), (25.0, 0.8)])
def test_most_stacks_pass(sigma: float, at_least: float) -> None:
    """Four fifths of the stacks are proven to lose nothing, of little noise more than half; nine tenths do not lose."""
    rng = np.random.default_rng(1)
    keys = np.sort(np.rint(rng.random(4000) + rng.normal(127.5, sigma, (32, 4000))).astype(np.uint8), axis=0)
    stacks = Sorted(list(keys), 1.0, 0.0, keys.sum(0).astype(np.float32), 0.0)
    proven = loses_nothing(stacks, Recipe(rejection=Rejection.WINSORIZED), Scratch(4000))

    assert at_least < proven.mean() < 0.95


def look(
    samples: NDArray[Any], *, squares: bool, exact: bool = True, scratch: Scratch | None = None
) -> tuple[Moments, NDArray[Any]]:
    """Return the moments of stacks, (frames, pixels), and the rows they have been read into."""
    rows = np.empty_like(samples)
    scratch = scratch or Scratch(samples.shape[1])
    return moments(rows, lambda i: samples[i], Wanted(squares, exact), np.dtype(float), scratch), rows


noise = st.fixed_dictionaries(
    {
        "n": st.sampled_from([1, 2, 3, 5, 8, 9, 32, 33, 60, 201, 300]),
        "level": st.sampled_from([0, 1, 40, 500, 30000, 65500, 65535]),
        "sigma": st.sampled_from([0.0, 0.3, 5.0, 30.0, 300.0, 5000.0]),
        "step": st.sampled_from([1, 4, 16]),
        "seed": st.integers(0, 2**32 - 1),
    }
)


def stacks_of_noise(n: int, level: int, sigma: float, step: int, seed: int) -> NDArray[np.uint16]:
    """Return stacks of noise with outliers, some at the other end of the range, in steps of so many counts."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(level, sigma, (n, 400))
    samples += (rng.random(samples.shape) < 0.01) * rng.choice([-10, 4, 12], samples.shape) * sigma
    samples[rng.random(samples.shape) < 0.002] = rng.choice([0, 65535])
    return (np.rint(samples / step) * step).clip(0, 65535).astype(np.uint16)


@settings(max_examples=100, deadline=None)
@given(noise=noise)
def test_moments_are_exact(noise: dict[str, int]) -> None:
    """Of every stack that is not wide: how far it reaches, its sums, and its samples."""
    samples = stacks_of_noise(**noise)
    found, rows = look(samples, squares=True)

    exact = samples.astype(np.int64)
    difference = exact - found.middle
    keys = difference >> found.shift
    some = ~found.wide
    assert found.wide.mean() < 0.9 or noise["sigma"] > 300
    assert np.array_equal(rows, samples)
    assert np.array_equal(found.above[some], difference.max(0, initial=0)[some])
    assert np.array_equal(found.below[some], -difference.min(0, initial=0)[some])
    assert np.array_equal(found.total[some], difference.sum(0)[some])
    assert np.array_equal(found.key_total[some], keys.sum(0)[some])
    assert np.array_equal(found.squares[some], (keys**2).sum(0)[some])
    assert (difference - (keys << found.shift))[:, some].max(initial=0) <= found.lost


@settings(max_examples=100, deadline=None)
@given(noise=noise, before=noise)
def test_moments_depend_neither_on_the_type_nor_on_what_came_before(
    noise: dict[str, int], before: dict[str, int]
) -> None:
    """FITS files hold samples less 32768; the memory of an earlier tile is used again, and more than there is need."""
    samples = stacks_of_noise(**noise)
    signed = (samples ^ 0x8000).view(np.int16)
    scratch = Scratch(2 * samples.shape[1])
    look((stacks_of_noise(**before) ^ 0x8000).view(np.int16), squares=True, scratch=scratch)

    found, _ = look(samples, squares=True)
    again, rows = look(signed, squares=True, scratch=scratch)

    some = ~found.wide
    assert np.array_equal(rows, signed)
    for name in ("above", "below", "wide", "total", "key_total", "squares"):
        assert np.array_equal(getattr(again, name)[some], getattr(found, name)[some])
    assert (again.shift, again.lost) == (found.shift, found.lost)


@settings(max_examples=200, deadline=None)
@given(
    rejection=st.sampled_from([Rejection.SIGMA, Rejection.AVERAGED, Rejection.PERCENTILE]),
    noise=noise,
    low=st.sampled_from([0.0, 1e-6, 0.5, 1.5, 3.0, 4.0]),
    high=st.sampled_from([0.0, 1e-6, 0.5, 2.0, 3.0]),
    blur=st.sampled_from([0.0, 1.04]),
)
def test_stacks_whose_median_proves_it_lose_nothing(
    rejection: Rejection, noise: dict[str, int], low: float, high: float, blur: float
) -> None:
    """Whatever a count has beyond its whole number, and at whichever end of the range it lies."""
    samples = stacks_of_noise(**noise)
    percents = {"percentile_low": low / 20, "percentile_high": high / 20}
    recipe = Recipe(rejection=rejection, sigma_low=low, sigma_high=high, **percents)
    limits, squares = LIMITS[rejection]
    assert limits is not None
    scratch = Scratch(samples.shape[1])
    found, rows = look(samples, squares=squares, exact=not blur)
    tile = Tile(found, rows, 0.0, blur)
    marked = unproven(tile, limits(tile, recipe, scratch), scratch)

    rng = np.random.default_rng(1)
    part = rng.random(samples.shape) if noise["seed"] % 2 else rng.integers(0, 2, samples.shape)
    counts = samples + blur * part
    assert losing(np.sort(counts, axis=0), recipe) <= set(np.flatnonzero(marked).tolist())


def test_few_stacks_of_plain_noise_are_marked() -> None:
    """Some three per cent lose something to sigma clipping."""
    samples = np.rint(np.random.default_rng(1).normal(500, 7, (32, 4000))).astype(np.uint16)
    found, rows = look(samples, squares=True)
    tile, recipe, scratch = Tile(found, rows, 0.0, 0.0), Recipe(rejection=Rejection.SIGMA), Scratch(4000)
    limits, _ = LIMITS[Rejection.SIGMA]
    assert limits is not None

    assert unproven(tile, limits(tile, recipe, scratch), scratch).mean() == pytest.approx(0.045, abs=0.01)


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(5, 60),
    sigma=st.sampled_from([0.4, 3.0, 20.0, 80.0]),
    splits=st.lists(st.integers(-9, 9), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_bound_of_the_distance_of_sn(n: int, sigma: float, splits: list[int], seed: int) -> None:
    """It is not above the distance, whatever ranks it is taken from."""
    noise = np.random.default_rng(seed).normal(100, sigma, (n, 100))
    keys = np.sort(np.rint(noise).clip(0, 255).astype(np.uint8), axis=0)
    assert (least_distance(list(keys), splits, Scratch(100)) <= middle_distance(keys)).all()
