"""Linear fit clipping: its lines are the best ones, exactly, and what its screen passes loses nothing."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ap_masters.engines.numpy.order import Scales
from ap_masters.engines.numpy.rejection.deviation import Lines, least_absolute_deviation
from ap_masters.engines.numpy.rejection.foresight.line import FIRST_TURNS, MORE_TURNS, foresee
from ap_masters.engines.numpy.rejection.foresight.stacks import Sorted
from ap_masters.engines.numpy.rejection.line import reject_linear_fit
from ap_masters.engines.numpy.rejection.passes import Effort
from ap_masters.engines.numpy.rejection.survivors import Stacks
from ap_masters.model import Recipe, Rejection
from tests import reference
from tests.engines.numpy import cases
from tests.engines.numpy.cases import ADU, KINDS, counts, run

LINEAR = Recipe(rejection=Rejection.LINEAR_FIT)


def by_definition(lines: Lines, n: int, i: int) -> tuple[Fraction, Fraction]:
    """Return slope and intercept of one line, as exact as they are held."""
    p, q, level = (Fraction(float(row[i])) for row in lines)
    return p / q, level / (2 * q)


def sorted_counts(kind: str, n: int, pixels: int) -> NDArray[np.uint16]:
    """Return sorted stacks side by side."""
    return np.sort(counts(kind, np.random.default_rng(n), (n, pixels)), axis=0)


def fates(stacks: Stacks, recipe: Recipe, begun: Any = None) -> NDArray[np.uint8]:
    """Return what becomes of every rank, of stacks that may have been begun on."""
    left, _, torn = reject_linear_fit(stacks, recipe, begun)
    told = stacks.fates(left, from_inside=True)
    if torn is not None:
        told[:, torn.where] = torn.fates
    return told


def one_pass(samples: NDArray[Any], recipe: Recipe) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which ranks of sorted stacks one pass rejects below and above the exact line, by the definition."""
    lines = least_absolute_deviation(samples)
    rank = np.arange(len(samples))[:, None]
    residual = samples - (lines.level / 2 + lines.p * rank) / lines.q
    deviation = 2 * np.abs(residual).mean(0) * np.sqrt(1 + (lines.slope / ADU) ** 2)
    below, above = residual <= -recipe.linear_fit_low * deviation, residual >= recipe.linear_fit_high * deviation
    return below & (deviation > ADU * 2.0**-53), above & (deviation > ADU * 2.0**-53)


@pytest.mark.parametrize("kind", KINDS)
def test_lines_are_exact_and_of_the_best_the_flattest(kind: str) -> None:
    """Of whole numbers, slope and intercept are those of exact rational arithmetic over all pairs of points."""
    for n in (3, 4, 5, 8, 13):
        r = sorted_counts(kind, n, 2)
        lines = least_absolute_deviation(r)
        for i in range(2):
            best = reference.least_absolute_deviation([Fraction(int(v)) for v in r[:, i]])

            assert by_definition(lines, n, i) == (best.slope, best.intercept)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_lines_of_any_whole_numbers(data: st.DataObject) -> None:
    """So they are when samples are drawn to tie, to lie on lines, or to reach from one end of 16 bits to the other."""
    n = data.draw(st.integers(3, 12))
    values = data.draw(st.sampled_from([st.integers(0, 2), st.integers(0, 40), st.sampled_from([0, 1, 65534, 65535])]))
    r = np.sort(data.draw(hnp.arrays(np.uint16, (n, 2), elements=values)), axis=0)
    lines = least_absolute_deviation(r.astype(np.float64) if data.draw(st.booleans()) else r)
    for i in range(2):
        best = reference.least_absolute_deviation([Fraction(int(v)) for v in r[:, i]])

        assert by_definition(lines, n, i) == (best.slope, best.intercept)


@pytest.mark.parametrize("n", [60, 200, 400])
def test_lines_through_long_stacks_that_span_16_bits(n: int) -> None:
    """Hot pixels and empty ones in hundreds of frames: whole numbers that outgrow 32 bits are not cut to them."""
    rng = np.random.default_rng(n)
    few = rng.random((n, 8)) < 0.1
    r = np.sort(np.where(few, 65535, rng.integers(0, 50, (n, 8))).astype(np.uint16), axis=0)
    lines, floats = least_absolute_deviation(r), least_absolute_deviation(r.astype(np.float64))

    np.testing.assert_array_equal(lines.slope, floats.slope)
    np.testing.assert_array_equal(lines.level / lines.q, floats.level / floats.q)


@pytest.mark.parametrize("n", [5, 6, 31, 32, 200, 1000])
def test_lines_of_other_numbers_leave_as_little_as_those_of_whole_ones(n: int) -> None:
    """Samples that are no whole numbers have lines as good, to rounding, as the same samples on a fine grid."""
    fine = np.sort(np.random.default_rng(n).integers(0, 1 << 12, (n, 8)), axis=0)
    whole, other = least_absolute_deviation(fine), least_absolute_deviation(fine / 4096 + 0.1)
    rank = np.arange(n)[:, None]

    rests = [
        np.abs(r - (lines.level / 2 + lines.p * rank) / lines.q).sum(0)
        for r, lines in ((fine / 1.0, whole), (fine / 4096 + 0.1, other))
    ]

    np.testing.assert_allclose(rests[1] * 4096, rests[0], rtol=1e-9)


@pytest.mark.parametrize("n", [5, 8, 17, 32, 100, 300])
@pytest.mark.parametrize("slack", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("thresholds", [(4.0, 3.0), (2.0, 1.5)])
def test_what_the_screen_tells_is_so(n: int, slack: float, thresholds: tuple[float, float]) -> None:
    """A stack loses what is told of it, whatever its samples are between their keys and ``slack`` above."""
    rng = np.random.default_rng(n)
    pixels = 6000 // n
    noise = rng.normal(128, rng.uniform(0.3, 30, pixels), (n, pixels))
    rays = np.where(rng.random((n, pixels)) < 0.5 / n, rng.integers(0, 255, (n, pixels)), noise)
    keys = np.sort(np.clip(np.rint(rays), 0, 255), axis=0).astype(np.uint8)
    total = keys.sum(0).astype(np.float32)
    stacks = Sorted(list(keys), 1.0, slack, total, slack)
    low, high = thresholds
    recipe = LINEAR.model_copy(update={"linear_fit_low": low, "linear_fit_high": high})

    told = foresee(stacks, recipe, ADU, turns=MORE_TURNS)

    assert slack or n > 32 or told.certain.mean() > 0.6
    assert not (told.low + told.high)[~told.certain].any()
    for _ in range(3 if slack else 1):
        samples = np.sort(keys + slack * rng.choice([0, 1, rng.random()], keys.shape), axis=0)
        below, above = one_pass(samples, recipe)
        rank = np.arange(n)[:, None]
        np.testing.assert_array_equal((below == (rank < told.low)).all(0)[told.certain], True)
        np.testing.assert_array_equal((above == (n - rank <= told.high)).all(0)[told.certain], True)


@pytest.mark.parametrize("n", [16, 32, 64])
def test_the_screen_tells_of_most(n: int) -> None:
    """Of normal samples with exact keys, of few stacks it is not certain what they lose."""
    noise = np.random.default_rng(n).normal(128, 12, (n, 2000))
    keys = np.sort(np.clip(np.rint(noise), 0, 255), axis=0).astype(np.uint8)
    stacks = Sorted(list(keys), 1.0, 0.0, keys.sum(0).astype(np.float32), 0.0)

    told = foresee(stacks, LINEAR, ADU, turns=FIRST_TURNS)
    loses = fates(Stacks(keys, ADU), LINEAR).any(0)

    assert not (loses & told.none).any()
    assert (~loses & ~told.none).mean() < 0.05
    assert (loses & ~told.certain).mean() < 0.05


def test_scaled_frames_are_clipped_as_defined() -> None:
    """Flats of a drifting lamp, brought to one level: the counts of every frame, and the master, are as defined."""
    rng = np.random.default_rng(5)
    lamp = 1 + 0.01 * np.sin(np.arange(12))
    frames = rng.normal(20_000, 90, (12, 1, 20, 25)) * lamp[:, None, None, None]
    frames[rng.random(frames.shape) < 0.01] += 3000
    frames = np.clip(np.rint(frames), 0, 65535).astype(np.uint16)
    factors = [round(float(1 / f) * (1 << 24)) / (1 << 24) for f in lamp]
    recipe = LINEAR.model_copy(update={"linear_fit_low": 3.0, "linear_fit_high": 2.5})

    ours = run(frames, recipe, scales=[Scales(factors, factors)])
    scaled = frames.astype(np.float64) * np.array(factors)[:, None, None, None]
    theirs = cases.by_definition(scaled, recipe)

    assert (ours.low.tolist(), ours.high.tolist()) == (theirs.low.tolist(), theirs.high.tolist())
    assert ours.high.sum() > 40
    np.testing.assert_allclose(ours.pixels, theirs.pixels, rtol=1e-7)


def test_of_equal_highest_samples_the_earlier_rank_goes() -> None:
    """The line rises, so of equal samples the one of the lower rank is further above it; the definition says so too."""
    stack = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 150, 150]
    for high in (1.0, 2.0, 3.0, 4.0, 5.0):
        recipe = LINEAR.model_copy(update={"linear_fit_high": high})
        ours = fates(Stacks(np.array(stack, np.uint16)[:, None], ADU), recipe)[:, 0]
        theirs = reference.reject([float(v) for v in stack], recipe)

        assert {(i, "low" if fate == 1 else "high") for i, fate in enumerate(ours.tolist()) if fate} == theirs


@pytest.mark.parametrize("kind", ["spikes", "two clusters", "quantised noise", "noise"])
def test_stacks_put_off_end_as_if_they_had_not_been(kind: str) -> None:
    """One pass at a time, from where the last one ended, comes to the same as all at once."""
    recipe = LINEAR.model_copy(update={"linear_fit_low": 2.0, "linear_fit_high": 1.5})
    stacks = Stacks(sorted_counts(kind, 12, 400), ADU)
    begun: Any = None
    for _ in range(20):
        begun, put_off, _ = reject_linear_fit(stacks, recipe, begun, Effort(stacks.pixels + 1, again=True))
        if not len(put_off):
            break

    np.testing.assert_array_equal(fates(stacks, recipe, begun), fates(stacks, recipe))


def test_stacks_that_are_put_off_untouched_come_to_an_end() -> None:
    """A whole image of stacks that lose a sample from between others: putting these off gains nothing."""
    stack = np.array([100, 106, 115, 116, 122, 125, 130, 142], np.uint16)[:, None, None, None]
    recipe = LINEAR.model_copy(update={"linear_fit_low": 2.0, "linear_fit_high": 1.5})
    ours = run(np.broadcast_to(stack, (8, 1, 520, 520)).copy(), recipe)
    theirs = cases.by_definition(stack, recipe)

    np.testing.assert_array_equal(ours.pixels, np.broadcast_to(theirs.pixels, ours.pixels.shape))
    assert (ours.low.tolist(), ours.high.tolist()) == ((theirs.low * 520**2).tolist(), (theirs.high * 520**2).tolist())


def test_lines_are_found_for_samples_that_are_no_integers() -> None:
    """As of calibrated flats: the search for the best line once went round for ever where rounding got in its way."""
    rng = np.random.default_rng(0)
    for frames in (5, 9, 16):
        stacks = np.sort(rng.normal(0.38, 0.002, (frames, 40)), axis=0)
        lines = least_absolute_deviation(stacks)
        found = (lines.level / 2 + lines.p * np.arange(frames)[:, None]) / lines.q
        for pixel in range(40):
            wanted = reference.least_absolute_deviation([Fraction(value) for value in stacks[:, pixel]])

            assert lines.slope[pixel] == pytest.approx(float(wanted.slope), rel=1e-9)
            assert np.abs(stacks - found)[:, pixel].mean() == pytest.approx(float(wanted.deviation), rel=1e-9)
