"""The per-pixel definitions against numbers worked out by hand or printed in tables."""

from fractions import Fraction

import numpy as np
import pytest

from ap_masters.model import Combination, Normalization, Recipe, Rejection, RejectionNormalization
from tests import reference


def recipe(rejection: Rejection, **settings: object) -> Recipe:
    return Recipe.model_validate({"rejection": rejection, **settings})


def test_one_outlier_among_nine_is_an_exact_tie_and_stays() -> None:
    """Eight equal samples and one other put the outlier exactly 3 standard deviations from the median."""
    stack = [100.0] * 8 + [107.0]

    assert reference.reject(stack, recipe(Rejection.SIGMA, sigma_high=3.0)) == set()
    assert reference.reject([100.0, *stack], recipe(Rejection.SIGMA, sigma_high=3.0)) == {(9, "high")}


def test_sigma_clipping_goes_on_until_nothing_leaves() -> None:
    """The second outlier is found once the first no longer widens the deviation."""
    stack = [100.0, 101.0, 99.0, 100.0, 102.0, 98.0, 101.0, 99.0, 100.0, 100.0, 101.0, 99.0, 160.0, 9000.0]

    assert reference.reject(stack, recipe(Rejection.SIGMA)) == {(12, "high"), (13, "high")}


def test_percentile_clipping_measures_from_the_median_as_a_fraction_of_it() -> None:
    """A fifth below and a tenth above are the limits; exactly there nothing goes."""
    assert reference.reject([80.0, 100.0, 110.0], recipe(Rejection.PERCENTILE)) == set()
    assert reference.reject([79.0, 100.0, 111.0], recipe(Rejection.PERCENTILE)) == {(0, "low"), (2, "high")}


def test_equal_samples_are_ranked_by_frame() -> None:
    """Of equal lowest samples the first frame goes, of equal highest ones the last."""
    assert reference.reject([5.0, 5.0, 5.0, 5.0], recipe(Rejection.MINMAX)) == {(0, "low"), (3, "high")}


def test_minmax_may_reject_everything() -> None:
    """Then the pixel is the median of all samples, whatever the combination."""
    stack = [1.0, 2.0, 9.0]
    rejected = reference.reject(stack, recipe(Rejection.MINMAX, minmax_low=2, minmax_high=2))

    assert rejected == {(0, "low"), (1, "low"), (2, "high")}
    assert reference.combine(stack, rejected, Combination.MAXIMUM) == 2.0


def test_winsorized_clipping_rejects_nothing_where_half_of_the_samples_are_equal() -> None:
    """Sn is zero there, as in the quantised bias frames of a quiet camera."""
    assert reference.reject([100.0] * 6 + [101.0, 99.0, 60000.0], recipe(Rejection.WINSORIZED)) == set()


def test_winsorized_clipping_finds_outliers_that_hide_each_other() -> None:
    """Two cosmic rays in ten frames widen the plain deviation, not the Winsorized one."""
    stack = [100.0, 103.0, 97.0, 101.0, 99.0, 102.0, 98.0, 104.0, 180.0, 190.0]

    assert reference.reject(stack, recipe(Rejection.SIGMA)) == set()
    assert reference.reject(stack, recipe(Rejection.WINSORIZED)) == {(8, "high"), (9, "high")}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1.0, 2.0, 3.0, 4.0, 100.0], 1.351 * 2.0, id="five: the middle of 2, 2, 2, 3, 98 -> 2"),
        pytest.param([0.0, 10.0], 0.743 * 10.0, id="two: the high median is the other sample"),
        pytest.param([float(i) for i in range(1, 11)], 1.0 * 3.0, id="ten: low median of the high medians"),
    ],
)
def test_sn_by_hand(values: list[float], expected: float) -> None:
    """The scale estimator of Rousseeuw and Croux takes high medians inside and the low median outside."""
    assert reference.rousseeuw_croux_sn(values) == pytest.approx(expected)


def test_averaged_clipping_of_a_black_pixel_rejects_everything() -> None:
    """A median of zero leaves no level to scale the deviation with."""
    assert len(reference.reject([0.0, 0.0, 0.0, 5.0], recipe(Rejection.AVERAGED))) == 4


def test_the_flattest_of_the_best_lines_is_taken() -> None:
    """Through 0, 0, 0, 1, 1 slopes of 1/3 and 1/4 miss by one in all; 1/4 is the choice."""
    line = reference.least_absolute_deviation([Fraction(v) for v in (0, 0, 0, 1, 1)])

    assert line == (Fraction(1, 4), Fraction(0), Fraction(1, 5))


def test_the_line_ignores_what_the_others_do_not_share() -> None:
    """One wild sample leaves the line through the rest where it was."""
    line = reference.least_absolute_deviation([Fraction(v) for v in (10, 12, 14, 16, 18, 20, 900)])

    assert (line.slope, line.intercept) == (Fraction(2), Fraction(10))


def test_linear_fit_rejects_at_the_limit() -> None:
    """One outlier in seven lies exactly 3.5 deviations off a flat line, which is enough here."""
    assert reference.reject([50.0] * 6 + [51.0], recipe(Rejection.LINEAR_FIT)) == {(6, "high")}
    assert reference.reject([50.0] * 5 + [51.0], recipe(Rejection.LINEAR_FIT)) == set()


def test_student_quantiles_as_printed_in_tables() -> None:
    """Two-sided 5 % with 10 degrees of freedom is 2.228, one-sided 0.05 % with 3 is 12.924."""
    assert reference.student_quantile(0.025, 10) == pytest.approx(2.228139, abs=1e-6)
    assert reference.student_quantile(0.0005, 3) == pytest.approx(12.923979, abs=1e-6)


def test_esd_critical_values_as_published() -> None:
    """Rosner's 54 samples (NIST handbook, 1.3.5.17.3): 3.159 for the first outlier, 3.151 for the second."""
    assert reference.esd_critical_value(54, 0, 0.05) == pytest.approx(3.159, abs=5e-4)
    assert reference.esd_critical_value(54, 1, 0.05) == pytest.approx(3.151, abs=5e-4)


def test_esd_finds_the_planted_outliers_and_spares_equal_samples() -> None:
    """A stack without spread loses nothing."""
    stack = [100.0, 101.0, 99.0, 100.5, 98.5, 101.5, 100.0, 99.5, 100.2, 99.8, 300.0, 10.0]

    assert reference.reject(stack, recipe(Rejection.ESD)) == {(10, "high"), (11, "low")}
    assert reference.reject([7.0] * 12, recipe(Rejection.ESD)) == set()


def test_location_leaves_out_black_and_saturated_samples() -> None:
    """Both ends of the range are open: 0, 1, 65534 and 65535 do not count."""
    frame = np.array([0, 1, 2, 3, 4, 65534, 65535], np.uint16)

    assert reference.location(frame) == 3.0


def test_flats_of_different_brightness_become_one_master() -> None:
    """Each frame is scaled to the location of the first, for rejection and for output."""
    pattern = np.array([[1000.0, 2000.0, 3000.0]])
    frames = np.stack([pattern * k for k in (1.0, 2.0, 0.5)])[:, np.newaxis]
    flat = recipe(
        Rejection.SIGMA,
        normalization=Normalization.MULTIPLICATIVE,
        rejection_normalization=RejectionNormalization.EQUALIZE_FLUXES,
    )

    result = reference.integrate(frames, flat)

    assert result.pixels[0].tolist() == pattern.tolist()
    assert result.low == result.high == (0, 0, 0)
