"""What integration promises whatever the frames: laws of arithmetic and of noise, searched for counter-examples."""

from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ap_masters.model import Combination, Recipe, Rejection
from tests.engines.numpy.cases import ADU, Result, run

METHODS = [method for method in Rejection if method is not Rejection.AUTO]
# Percentiles and the deviation of averaged clipping go with the level itself, so a shift changes what they reject.
KNOW_NO_LEVEL = [m for m in METHODS if m not in {Rejection.PERCENTILE, Rejection.AVERAGED}]
SEEDS = st.integers(0, 2**32 - 1)


def noise(seed: int, count: int, *, level: float = 1000.0, sigma: float = 20.0, side: int = 12) -> NDArray[np.uint16]:
    """Return frames of normal noise: (count, 1, side, side)."""
    return np.rint(np.random.default_rng(seed).normal(level, sigma, (count, 1, side, side))).astype(np.uint16)


def rejected(result: Result) -> list[tuple[int, int]]:
    """Return how many samples each frame lost, low and high."""
    return list(zip(result.low.tolist(), result.high.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    count=st.integers(8, 20),  # of five samples, Winsorizing can leave so little that rounding decides
    factor=st.integers(1, 20),
    shift=st.integers(0, 10_000),
    rejection=st.sampled_from(KNOW_NO_LEVEL),
    combination=st.sampled_from(Combination),
)
def test_scaled_and_shifted_frames_make_a_scaled_and_shifted_master(
    seed: int, count: int, factor: int, shift: int, rejection: Rejection, combination: Combination
) -> None:
    """integrate(a x + b) = a integrate(x) + b, and the same samples of the same frames are rejected."""
    frames = noise(seed, count, sigma=150)
    recipe = Recipe(rejection=rejection, combination=combination)

    plain = run(frames, recipe, divisor=1.0)
    moved = run((frames.astype(np.int64) * factor + shift).astype(np.uint16), recipe, divisor=1.0)

    assert rejected(moved) == rejected(plain)
    np.testing.assert_allclose(moved.pixels, plain.pixels.astype(np.float64) * factor + shift, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    value=st.integers(0, 65535),
    count=st.integers(1, 30),
    rejection=st.sampled_from([m for m in METHODS if m is not Rejection.MINMAX]),
    combination=st.sampled_from(Combination),
)
def test_a_constant_stays_itself(value: int, count: int, rejection: Rejection, combination: Combination) -> None:
    """Equal frames are their own master to the last bit, and lose nothing, but for a black one's own rules."""
    frames = np.full((count, 1, 3, 4), value, np.uint16)
    result = run(frames, Recipe(rejection=rejection, combination=combination))

    assert set(result.pixels.ravel().tolist()) == {float(np.float32(value / ADU))}
    if value:
        assert rejected(result) == [(0, 0)] * count


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    rejection=st.sampled_from(METHODS),
    memory=st.sampled_from([1, 3_000, 1 << 22]),
    workers=st.integers(1, 3),
)
def test_memory_workers_and_order_change_nothing(
    data: st.DataObject, rejection: Rejection, memory: int, workers: int
) -> None:
    """One row at a time or all, by one process or several, in any order of frames: the same master to the last bit."""
    count = data.draw(st.integers(3, 10))
    values = data.draw(st.sampled_from([st.integers(0, 65535), st.integers(490, 510)]))
    frames: NDArray[Any] = data.draw(hnp.arrays(np.uint16, (count, 1, 6, 5), elements=values))
    order = data.draw(st.permutations(range(count)))
    recipe = Recipe(rejection=rejection, sigma_low=1.5, sigma_high=1.5)

    first, second = run(frames, recipe), run(frames[order], recipe, memory=memory, workers=workers)

    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert (first.low.sum(), first.high.sum()) == (second.low.sum(), second.high.sum())


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, count=st.integers(3, 40), sigma=st.floats(2, 200), rejection=st.sampled_from(["none", "winsorized"]))
def test_noise_falls_with_the_root_of_the_number(seed: int, count: int, sigma: float, rejection: str) -> None:
    """N frames of read noise s make a master of noise s / sqrt(N), in whole counts; clipping costs little."""
    frames = noise(seed, count, level=3000, sigma=sigma, side=100)

    master = run(frames, Recipe(rejection=Rejection(rejection)), divisor=1.0).pixels

    assert master.std() == pytest.approx(sqrt((sigma**2 + 1 / 12) / count), rel=0.05 if rejection == "none" else 0.12)


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    count=st.integers(9, 25),
    place=st.tuples(st.integers(0, 11), st.integers(0, 11)),
    height=st.integers(1_000, 40_000),
    rejection=st.sampled_from([Rejection.SIGMA, Rejection.WINSORIZED, Rejection.LINEAR_FIT, Rejection.ESD]),
    data=st.data(),
)
def test_a_cosmic_ray_goes_and_a_hot_pixel_stays(
    seed: int, count: int, place: tuple[int, int], height: int, rejection: Rejection, data: st.DataObject
) -> None:
    """What one frame has is rejected; what all frames have is signal."""
    struck = data.draw(st.integers(0, count - 1))
    frames = noise(seed, count)
    clean, ray, hot = frames.copy(), frames.copy(), frames.copy()
    ray[struck, 0, *place] += height
    hot[:, 0, *place] += height
    recipe = Recipe(rejection=rejection, sigma_low=2.5, sigma_high=2.5)

    level = run(clean, recipe, divisor=1.0).pixels[0, *place]

    assert run(ray, recipe, divisor=1.0).pixels[0, *place] == pytest.approx(level, abs=40)
    assert run(hot, recipe, divisor=1.0).pixels[0, *place] == pytest.approx(level + height, abs=1)
