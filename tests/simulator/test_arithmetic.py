"""The simulator's arithmetic for many pixels gives what the definitions give for each."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters.model import Combination, Recipe, Rejection
from tests import reference
from tests.simulator.arithmetic import Limits, combine, reject

METHODS = {
    Rejection.NONE: "NoRejection",
    Rejection.MINMAX: "MinMax",
    Rejection.PERCENTILE: "PercentileClip",
    Rejection.SIGMA: "SigmaClip",
    Rejection.WINSORIZED: "WinsorizedSigmaClip",
    Rejection.AVERAGED: "AveragedSigmaClip",
    Rejection.LINEAR_FIT: "LinearFit",
    Rejection.ESD: "Rejection_ESD",
}


def limits_of(recipe: Recipe, one: float) -> Limits:
    return Limits(
        METHODS[recipe.rejection],
        one,
        (recipe.minmax_low, recipe.minmax_high),
        (recipe.percentile_low, recipe.percentile_high),
        (recipe.sigma_low, recipe.sigma_high),
        recipe.winsorization_cutoff,
        (recipe.linear_fit_low, recipe.linear_fit_high),
        (recipe.esd_outliers, recipe.esd_alpha, recipe.esd_low_relaxation),
    )


def stacks(kind: str, frames: int, pixels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (frames, pixels) in ADU: ties and exact limits are frequent in the first two kinds."""
    shape = (frames, pixels)
    samples: NDArray[Any]
    match kind:
        case "quantised":
            samples = rng.integers(0, 5, shape) + 100.0 * rng.integers(0, 3)
        case "almost constant":
            samples = 500.0 + (rng.random(shape) < 0.15) * rng.integers(-3, 30, shape)
        case "noise":
            samples = np.rint(rng.normal(1000, 8, shape)) + 3000.0 * (rng.random(shape) < 0.1)
        case _:
            samples = 65535 * (rng.normal(0.5, 0.01, shape) + 0.2 * (rng.random(shape) < 0.1))
    return np.asarray(samples, np.float64)


@pytest.mark.parametrize("rejection", METHODS, ids=lambda rejection: rejection.value)
@pytest.mark.parametrize("kind", ["quantised", "almost constant", "noise", "not whole numbers"])
def test_every_pixel_is_treated_as_the_definition_says(rejection: Rejection, kind: str) -> None:
    """The same samples are rejected on the same side, and the rest combined to the same value."""
    rng = np.random.default_rng(list(METHODS).index(rejection))
    for frames in (3, 4, 5, 7, 9, 10, 13, 16):
        recipe = Recipe(
            rejection=rejection,
            sigma_low=rng.choice([4, 2.7, 1.5]),
            sigma_high=rng.choice([3, 2, 1.3]),
            linear_fit_low=rng.choice([5, 2.7]),
            linear_fit_high=rng.choice([3.5, 1.5]),
            percentile_low=rng.choice([0.2, 0.01]),
            percentile_high=rng.choice([0.1, 0.02]),
            esd_low_relaxation=rng.choice([1, 1.5]),
            minmax_low=rng.integers(0, 4),
        )
        stack = stacks(kind, frames, 6, rng)

        low, high = reject(stack, limits_of(recipe, reference.ADU))

        for pixel in range(6):
            expected = reference.reject(stack[:, pixel].tolist(), recipe)
            assert expected == {
                *((int(i), "low") for i in np.flatnonzero(low[:, pixel])),
                *((int(i), "high") for i in np.flatnonzero(high[:, pixel])),
            }
            for combination in Combination:
                name = {"min": "Minimum", "max": "Maximum"}.get(combination.value, combination.value.capitalize())
                value = combine(stack, low | high, name)[pixel]
                assert value == pytest.approx(
                    reference.combine(stack[:, pixel].tolist(), expected, combination), rel=1e-14
                )


def test_samples_that_left_before_play_no_part() -> None:
    """Range rejection comes first; what is left is a shorter stack."""
    stack = np.array([[0.0], [100], [101], [99], [100], [102], [98], [101], [99], [100], [100], [160]])
    gone = stack == 0

    low, high = reject(stack, Limits("SigmaClip", reference.ADU), gone)

    assert (int(low.sum()), np.flatnonzero(high).tolist()) == (0, [11])
