"""Integration equals the definition, to the last bit and the last count, whatever the memory and the workers."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ap_masters.engines.numpy.order import Order, Scales, Shape
from ap_masters.engines.numpy.scaled import ScaledReader
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Combination, Recipe, Rejection
from tests.engines.numpy.cases import ADU, KINDS, ArraySource, Result, assert_same, by_definition, counts, run

METHODS = [method for method in Rejection if method is not Rejection.AUTO]


def recipes(rejection: Rejection | None = None) -> st.SearchStrategy[Recipe]:
    """Draw recipes that reject now little, now much."""
    return st.builds(
        Recipe,
        rejection=st.sampled_from(METHODS) if rejection is None else st.just(rejection),
        combination=st.sampled_from(Combination),
        minmax_low=st.integers(0, 3),
        minmax_high=st.integers(0, 3),
        percentile_low=st.sampled_from([0.01, 0.05, 0.2]),
        percentile_high=st.sampled_from([0.01, 0.1, 0.25]),
        sigma_low=st.sampled_from([1.8, 2.5, 3.0, 4.0]),
        sigma_high=st.sampled_from([1.5, 2.0, 2.3, 3.0]),
        linear_fit_low=st.sampled_from([1.5, 3.0, 5.0]),
        linear_fit_high=st.sampled_from([1.2, 2.0, 3.5]),
        esd_low_relaxation=st.sampled_from([1.0, 1.5]),
    )


@pytest.mark.parametrize("rejection", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_method_on_every_kind_of_stack(kind: str, rejection: Rejection) -> None:
    """Ties, constants, saturated pixels, two-valued stacks: pixels and counts are those of the definition."""
    rng = np.random.default_rng(list(kind.encode()))
    for n in (1, 2, 3, 5, 8, 9, 10, 17):
        frames = counts(kind, rng, (n, 1, 2, 3))
        recipe = Recipe(rejection=rejection, sigma_low=2.5, sigma_high=2.0)

        assert_same(run(frames, recipe), by_definition(frames, recipe))


@pytest.mark.parametrize("rejection", METHODS)
def test_calm_and_noisy_parts_of_one_frame(rejection: Rejection) -> None:
    """Neighbouring tiles are known to different depths, as next to an amplifier's glow; their stacks go together."""
    sigma = np.repeat(np.tile([4.0, 400.0], 8), 4)[:, None]
    frames = np.random.default_rng(7).normal(5000, sigma, (9, 1, 64, 16)).clip(0, 65535).astype(np.uint16)
    recipe = Recipe(rejection=rejection, sigma_low=2.0, sigma_high=2.0)

    assert_same(run(frames, recipe, memory=1), by_definition(frames, recipe))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), recipe=recipes())
def test_any_counts_and_any_recipe(data: st.DataObject, recipe: Recipe) -> None:
    """Whatever 16-bit counts come, however they are stored, the result is that of the definition."""
    n = data.draw(st.integers(1, 12))
    values = data.draw(st.sampled_from([st.integers(0, 65535), st.integers(0, 3), st.integers(490, 510)]))
    frames = data.draw(hnp.arrays(np.uint16, (n, 1, 2, 2), elements=values))
    stored, zero = _as_fits_stores_it(frames) if data.draw(st.booleans()) else (frames, 0)
    memory = data.draw(st.sampled_from([1, 5_000, 1 << 24]))

    assert_same(run(stored, recipe, zero=zero, memory=memory), by_definition(frames, recipe))


def of_either_sign(least: int) -> st.SearchStrategy[float]:
    """Draw float samples from ``least`` to 1, often equal ones, and of any magnitude."""
    return st.integers(least, 64).map(lambda i: i / 64) | st.floats(least, 1, width=32)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), recipe=st.sampled_from([m for m in METHODS if m is not Rejection.LINEAR_FIT]).flatmap(recipes))
def test_float_frames_of_either_sign(data: st.DataObject, recipe: Recipe) -> None:
    """Float samples are rejected by the definition; the value is rounded to float32 once.

    Percentiles of a negative median have no meaning and are left out. So is linear fit clipping, whose line through
    float samples is the best one to float64's rounding only, while its ties count as beyond.
    """
    least = 0 if recipe.rejection is Rejection.PERCENTILE else -2
    n = data.draw(st.integers(1, 10))
    frames = data.draw(hnp.arrays(np.float32, (n, 1, 1, 3), elements=of_either_sign(least)))

    assert_same_to_rounding(frames, recipe)


@pytest.mark.parametrize(
    ("rejection", "stack"),
    [
        pytest.param(
            "winsorized", [1, 2**-6, 0, 2**-6, 2**-52, 0, 0, 0, 2**-6, 2**-5], id="survivors beside a far median"
        ),
        pytest.param("winsorized", [1e-10, 0, 1, 6e-8, 1, 1e-16, 6e-8], id="sixteen magnitudes"),
        pytest.param("averaged", [-0.25, 1 / 64, 1 / 64, -1, -1, 0, -1.5, 1 / 64, -1], id="a median that changes sign"),
        pytest.param("esd", [2e-41, 7e-42, 4e-37, 2.6e-16, 7e-42, 2.6e-16, 4e-37, 2e-41], id="two equal extremes"),
    ],
)
def test_float_stacks_that_once_differed(rejection: str, stack: list[float]) -> None:
    """What rounding or a convention decides is decided alike by the engine and by the definition."""
    frames = np.array(stack, np.float32).reshape(-1, 1, 1, 1)

    for sigma in (1.5, 2.0, 3.0):
        assert_same_to_rounding(frames, Recipe(rejection=Rejection(rejection), sigma_low=1.8, sigma_high=sigma))


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(8))
def test_search_for_float_counter_examples(seed: int) -> None:
    """Equal samples, all magnitudes, both signs, at random."""
    rng = np.random.default_rng(seed)
    odd = np.array([0, 1, -1, 2.0**-149, -(2.0**-149), 2.0**-126, 2.0**-24, 0.5, 1 / 3, 1e-5, -1e-10, 1e-16, 2.0**-52])
    for _ in range(150):
        n = int(rng.integers(1, 13))
        recipe = Recipe(
            rejection=[m for m in METHODS if m is not Rejection.LINEAR_FIT][rng.integers(len(METHODS) - 1)],
            combination=list(Combination)[rng.integers(4)],
            sigma_low=float(rng.choice([1.8, 2.5, 3, 4])),
            sigma_high=float(rng.choice([1.5, 2, 2.3, 3])),
        )
        plain = rng.choice([rng.uniform(-2, 1), 0.7, 0.0], (n, 12)) + rng.choice([0, 1e-3, 1], 12) * rng.random((n, 12))
        frames = np.where(rng.random((n, 12)) < rng.choice([0, 0.3, 1], 12), rng.choice(odd, (n, 12)), plain)
        if recipe.rejection is Rejection.PERCENTILE:
            frames = np.abs(frames)

        assert_same_to_rounding(frames.astype(np.float32).reshape(n, 1, 3, 4), recipe)


def assert_same_to_rounding(frames: NDArray[np.float32], recipe: Recipe) -> None:
    """Compare float frames' master with the definition's: the counts of every frame, the pixels to float32."""
    ours, theirs = run(frames, recipe, full_scale=1.0), by_definition(frames, recipe, full_scale=1.0)

    assert (ours.low.tolist(), ours.high.tolist()) == (theirs.low.tolist(), theirs.high.tolist())
    np.testing.assert_allclose(ours.pixels, theirs.pixels, rtol=1.2e-7, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint32])
def test_integers_of_other_widths(dtype: Any) -> None:
    """8-bit, signed and 32-bit frames are integrated in their own counts."""
    info = np.iinfo(dtype)
    rng = np.random.default_rng(5)
    values = rng.normal(info.max * 0.6, info.max * 0.01 + 2, (9, 1, 3, 5))
    frames = np.clip(np.rint(values), info.min, info.max).astype(dtype)
    frames[4, 0, 1, 2] = info.max
    work = frames.astype(np.uint16) if dtype is np.uint8 else frames
    recipe = Recipe(rejection=Rejection.SIGMA, sigma_high=2.0)
    full_scale = float(info.max)

    assert_same(run(work, recipe, full_scale=full_scale), by_definition(frames, recipe, full_scale=full_scale))


@pytest.mark.parametrize("rejection", [Rejection.SIGMA, Rejection.WINSORIZED, Rejection.PERCENTILE, Rejection.NONE])
@pytest.mark.parametrize("kind", ["noise", "wide noise", "spikes"])
def test_neither_memory_nor_workers_nor_tiles_matter(kind: str, rejection: Rejection) -> None:
    """One row at a time or all at once, by one process or three: the same bits."""
    frames = counts(kind, np.random.default_rng(3), (12, 2, 50, 23))
    recipe = Recipe(rejection=rejection)
    first = run(frames, recipe)

    for memory, workers in ((1, 1), (20_000, 2), (1 << 22, 3)):
        assert_same(run(frames, recipe, memory=memory, workers=workers), first)


@pytest.mark.parametrize("rejection", METHODS)
def test_the_order_of_frames_does_not_matter(rejection: Rejection) -> None:
    """Frames in another order give the same pixels, and each frame loses what it lost before, save among equals."""
    rng = np.random.default_rng(8)
    frames = counts("wide noise", rng, (11, 1, 4, 30))
    order = rng.permutation(11)
    recipe = Recipe(rejection=rejection, sigma_high=2.0)
    first, second = run(frames, recipe), run(frames[order], recipe)

    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert (first.low[order].sum(), first.high[order].sum()) == (second.low.sum(), second.high.sum())


@pytest.mark.parametrize("rejection", [Rejection.SIGMA, Rejection.WINSORIZED, Rejection.LINEAR_FIT, Rejection.ESD])
def test_scaling_and_shifting_counts_scales_and_shifts_the_master(rejection: Rejection) -> None:
    """integrate(a x + b) = a integrate(x) + b, for rules that know no absolute level."""
    frames = counts("spikes", np.random.default_rng(4), (10, 1, 5, 20)) % 10_000
    recipe = Recipe(rejection=rejection)
    plain = run(frames, recipe, divisor=1.0)
    moved = run((frames * 3 + 1000).astype(np.uint16), recipe, divisor=1.0)

    assert moved.high.tolist() == plain.high.tolist()
    np.testing.assert_allclose(moved.pixels, plain.pixels * 3.0 + 1000, rtol=1e-6)


def test_the_average_is_rounded_once() -> None:
    """A master's pixel is the float32 nearest to the exact sum over the exact divisor."""
    frames = np.random.default_rng(9).integers(0, 65536, (31, 1, 40, 25)).astype(np.uint16)
    total = frames.astype(np.int64).sum(0)
    ours = run(frames, Recipe(rejection=Rejection.NONE)).pixels

    for value, exact in zip(ours.ravel(), total.ravel(), strict=True):
        quotient = Fraction(int(exact), 31 * 65535)
        neighbours = [np.nextafter(value, np.float32(side)) for side in (0, 2)]
        assert all(abs(Fraction(float(value)) - quotient) <= abs(Fraction(float(n)) - quotient) for n in neighbours)


@pytest.mark.parametrize("count", [200, 300, 1000])
def test_many_frames(count: int) -> None:
    """Hundreds of frames: sums leave float32, keys their chunks; the result stays exact."""
    rng = np.random.default_rng(count)
    frames = counts("noise", rng, (count, 1, 2, 3))
    frames[::37] = rng.integers(0, 65536, frames[::37].shape)
    for rejection in (Rejection.SIGMA, Rejection.WINSORIZED, Rejection.NONE, Rejection.PERCENTILE):
        recipe = Recipe(rejection=rejection)

        assert_same(run(frames, recipe), by_definition(frames, recipe))


def test_noise_falls_with_the_root_of_the_number_and_hot_pixels_stay() -> None:
    """N frames of deviation s give s / sqrt(N); what all frames share is signal, what one has is rejected."""
    rng = np.random.default_rng(11)
    frames = rng.normal(500, 8, (25, 1, 100, 100))
    frames[:, 0, 10, 10] += 5000
    frames[7, 0, 20, 20] += 5000
    master = run(np.rint(frames).astype(np.uint16), Recipe(rejection=Rejection.WINSORIZED), divisor=1.0).pixels[0]

    assert master[10, 10] == pytest.approx(5500, abs=10)
    assert master[20, 20] == pytest.approx(500, abs=10)
    master[10, 10] = 500
    assert master.std() == pytest.approx(8 / 5, rel=0.05)


def test_rejection_and_output_may_be_scaled_apart() -> None:
    """With equalized fluxes for rejection alone, samples are combined as they are."""
    rng = np.random.default_rng(2)
    frames = np.rint(rng.normal(1000, 5, (9, 1, 3, 4))).astype(np.uint16)
    factors = [1.0 + i / 10 for i in range(9)]
    bright = np.rint(frames / np.asarray(factors).reshape(-1, 1, 1, 1)).astype(np.uint16)
    recipe = Recipe(rejection=Rejection.SIGMA)
    apart = run(bright, recipe, scales=[Scales(reject=factors)], divisor=1.0)

    assert apart.high.sum() + apart.low.sum() <= 2
    np.testing.assert_allclose(apart.pixels, bright.mean(0), rtol=0.01)


def _as_fits_stores_it(frames: NDArray[np.uint16]) -> tuple[NDArray[np.int16], int]:
    return (frames.astype(np.int32) - 32768).astype(np.int16), 32768


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(20))
def test_search_for_counter_examples(seed: int) -> None:
    """Kinds, numbers, recipes and storage at random."""
    rng = np.random.default_rng(seed)
    for _ in range(40):
        kind, n = rng.choice(list(KINDS)), int(rng.integers(1, 41))
        frames = counts(kind, rng, (n, 1, 3, 9))
        recipe = Recipe(
            rejection=METHODS[rng.integers(len(METHODS))],
            combination=list(Combination)[rng.integers(4)],
            sigma_low=float(rng.choice([1.8, 2, 3, 4])),
            sigma_high=float(rng.choice([1.5, 2, 2.3, 3])),
        )
        stored, zero = _as_fits_stores_it(frames) if rng.random() < 0.5 else (frames, 0)

        assert_same(run(stored, recipe, zero=zero), by_definition(frames, recipe))


@pytest.mark.parametrize(("sample", "outside"), [(-600, True), (-513, True), (-511, False), (0, False)])
def test_scaled_samples_below_the_range_of_keys_are_noticed(sample: int, outside: bool) -> None:
    """Half a count below the least one that a key stands for is outside, though cutting off the half leaves zero."""
    source = ArraySource(np.full((1, 1, 2, 8), sample, np.int16))
    order = Order(source, Recipe(), Shape(8, 2, 1), ADU, [Scales(combine=[0.5])], ADU)
    reader = ScaledReader(order, Scratch(16))

    reader.begin(0, 0, 16)
    reader.read(0)

    assert reader.outside().tolist() == [outside] * 16


@pytest.mark.parametrize("stored_signed", [False, True])
@pytest.mark.parametrize("factor", [0.9876, 16.31, 101.7, 1009.3])
def test_a_scaled_sample_lies_between_its_key_and_the_slack_above(factor: float, stored_signed: bool) -> None:
    """However large the factor, and whichever way unsigned samples are stored."""
    factor = round(factor * 2**24) / 2**24
    level = 32768 / factor
    frames = np.random.default_rng(1).integers(int(0.8 * level), int(1.2 * level), (1, 1, 1, 5000), np.uint16)
    stored, zero = _as_fits_stores_it(frames) if stored_signed else (frames, 0)
    order = Order(ArraySource(stored, zero), Recipe(), Shape(5000, 1, 1), ADU, [Scales(combine=[factor])], ADU)
    reader = ScaledReader(order, Scratch(5000))

    reader.begin(0, 0, 5000)
    beyond = frames.ravel() * factor - (reader.read(0).astype(float) + reader.zero)

    assert 0 <= beyond.min() <= beyond.max() <= reader.slack


def test_a_median_at_the_end_of_what_sixteen_bits_hold() -> None:
    """Three samples 32767 counts above the middle of the first three, which differ in fractions of a count."""
    frames = copies([1000, 1000, 33767, 33767, 33767], np.uint16)
    factors = [round(f * 2**24) / 2**24 for f in (1, 1, 1, 1 - 0.6 / 33767, 1 - 0.3 / 33767)]
    recipe = Recipe(rejection=Rejection.PERCENTILE, percentile_low=1.0, percentile_high=0.0)
    scaled = frames[..., :1] * np.array(factors)[:, None, None, None]

    ours, theirs = run(frames, recipe, scales=[Scales(factors, factors)]), by_definition(scaled, recipe)

    assert ours.high.tolist() == (700 * theirs.high).tolist()
    assert ours.pixels[0, 0, 0] == theirs.pixels[0, 0, 0]


@pytest.mark.parametrize("rejection", [Rejection.WINSORIZED, Rejection.LINEAR_FIT])
@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_quiet_and_noisy_tiles_of_one_band(rejection: Rejection, memory: int) -> None:
    """Tiles whose keys are exact, and tiles whose keys are not, leave stacks to be integrated together."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (12, 1, 40, 1000)) * np.where(np.arange(40)[:, None] < 20, 3.0, 150.0)
    noise[3, 0, :, ::97] += 20000
    frames = np.clip(np.rint(2000 + noise), 0, 65535).astype(np.uint16)
    recipe = Recipe(rejection=rejection)

    assert_same(run(frames, recipe, memory=memory), run(frames, recipe, memory=1 << 28))


def copies(stack: Sequence[float], dtype: type[Any]) -> NDArray[Any]:
    """Return frames of many pixels, all with the same samples."""
    return np.broadcast_to(np.array(stack, dtype)[:, None, None, None], (len(stack), 1, 1, 700)).copy()


OF_ONE_VALUE = [0.5, 0.5, 0.5, 0.5, 0.5 + 2**-52, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("stack", "dtype", "full_scale", "recipe"),
    [
        # a deviation that vanishes beside 1 rejects nothing
        (OF_ONE_VALUE, np.float64, 1.0, {"rejection": "linear-fit", "linear_fit_low": 3.0, "linear_fit_high": 2.5}),
        # nothing survives: the median of all, and each sample counted once
        (
            [1009, 1045, 1054, 1416, 1421, 1440, 1440, 1443, 1445, 1450],
            np.uint16,
            ADU,
            {"rejection": "sigma", "sigma_low": 0.3, "sigma_high": 0.5},
        ),
        (
            [500, 508, 516, 528, 532, 536, 552, 624, 632, 716],
            np.uint16,
            ADU,
            {"rejection": "winsorized", "sigma_low": 0.3, "sigma_high": 0.5, "winsorization_cutoff": 10.0},
        ),
        # a limit closer to the centre than rounding goes
        (
            [3596, 10496, 10500, 10500, 18668],
            np.uint16,
            ADU,
            {"rejection": "winsorized", "sigma_low": 0.2, "sigma_high": 2.0, "winsorization_cutoff": 10.0},
        ),
        # on the line is not below it
        ([10, 20, 30, 41, 50, 60, 90], np.uint16, ADU, {"rejection": "linear-fit", "linear_fit_low": 0.0}),
        ([10, 20, 30, 40, 50, 60, 70], np.uint16, ADU, {"rejection": "linear-fit", "linear_fit_high": 0.0}),
        ([10, 20, 30, 41, 50, 60, 90], np.uint16, ADU, {"rejection": "linear-fit", "linear_fit_high": 0.0}),
    ],
)
@pytest.mark.parametrize("memory", [1, 1 << 24])
def test_thresholds_that_leave_next_to_nothing(
    stack: list[float], dtype: type[Any], full_scale: float, recipe: dict[str, Any], memory: int
) -> None:
    """Many copies of a stack come to what one of them comes to by the definition, whatever is worked on together."""
    frames = copies(stack, dtype)
    theirs = by_definition(frames[..., :1], Recipe(**recipe), full_scale=full_scale)
    ours = run(frames, Recipe(**recipe), full_scale=full_scale, memory=memory)

    assert_same(ours, Result(np.repeat(theirs.pixels, 700, axis=2), 700 * theirs.low, 700 * theirs.high))
