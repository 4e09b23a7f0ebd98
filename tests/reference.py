"""The definitions of rejection and combination, one pixel at a time: slow, plain, the measure of every engine.

The definitions are ImageIntegration 1.6.0's and ImageCalibration 2.2.8's. A *stack* is the samples of one pixel,
one per frame, in frame order. Values are physical (ADU for 16-bit frames), ``full_scale`` is the value that
stands for 1.0. What those programs leave to rounding is settled here, so that two engines can agree:

* Everything rational is computed in exact rational numbers; thresholds are the decimals as written (0.3 is 3/10).
  An exact tie is therefore a tie: it is not rejected where the rule says "beyond", and is where it says "at
  least" (linear fit, ESD). Ties are common: one outlier among nine equal samples stands exactly 3 sigma away.
* Samples are ranked by value, equal ones by frame: of two equal lowest samples the earlier frame goes first, of
  two equal highest ones the later frame.
* The line of linear fit is the exact line of least absolute deviation. **Several lines are often equally good**;
  then the one with the smallest slope is taken, and its intercept is the median of ``r[i] - b * i`` (the mean of
  the two central ones for an even number). Its ``sqrt(1 + b^2)`` uses the slope per rank on the [0, 1] scale.
* The standard deviation of ESD is the formula of ``sigma`` with deviations from the trimmed mean; its second term
  takes that centre out again, so the ordinary sample deviation remains. A stack without spread loses nothing.
  Of equal statistics the lowest sample leaves first, of equal samples the one that is ranked further out.
* Averaged clipping is meant for samples that are not negative: the square of its deviation goes with the median, and
  where that turns negative there is no deviation, and nothing more is rejected.
* Min/max clipping of more samples than there are takes the low ones first, and none twice; nothing survives.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import exp, lgamma, log, log1p, sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.model import Combination, Normalization, Recipe, Rejection, RejectionNormalization

ADU = 65535.0

Side = Literal["low", "high"]
Rejected = set[tuple[int, Side]]


class Sample(NamedTuple):
    """One frame's value of the pixel."""

    value: Fraction
    frame: int


class Integrated(NamedTuple):
    """A master in the frames' own units, and the samples each frame lost."""

    pixels: NDArray[np.float64]  # (channels, height, width)
    low: tuple[int, ...]
    high: tuple[int, ...]


# --- whole frames -----------------------------------------------------------------------------------------


def integrate(frames: NDArray[np.generic], recipe: Recipe, *, full_scale: float = ADU) -> Integrated:
    """Integrate ``frames`` of shape (frames, channels, height, width), pixel by pixel."""
    count, channels, height, width = frames.shape
    pixels = np.empty((channels, height, width))
    low, high = [0] * count, [0] * count
    for c in range(channels):
        rejection_scales, output_scales = scales(frames[:, c], recipe, full_scale=full_scale)
        for y in range(height):
            for x in range(width):
                raw = [float(v) for v in frames[:, c, y, x]]
                to_reject = [v * s for v, s in zip(raw, rejection_scales, strict=True)]
                to_combine = [v * s for v, s in zip(raw, output_scales, strict=True)]
                rejected = reject(to_reject, recipe, full_scale=full_scale)
                pixels[c, y, x] = combine(to_combine, rejected, recipe.combination)
                for frame, side in rejected:
                    (low if side == "low" else high)[frame] += 1
    return Integrated(pixels, tuple(low), tuple(high))


def location(frame: NDArray[np.generic], *, full_scale: float = ADU) -> float:
    """Return the median of the samples inside the open range (1/65535, 1 - 1/65535) of full scale."""
    step = full_scale / ADU
    values = frame.astype(np.float64)
    return float(np.median(values[(values > step) & (values < full_scale - step)]))


def scales(frames: NDArray[np.generic], recipe: Recipe, *, full_scale: float = ADU) -> tuple[list[float], list[float]]:
    """Return the factors of every frame for rejection and for output; ``frames`` is one channel of all."""
    ones = [1.0] * len(frames)
    if recipe.normalization is Normalization.NONE and recipe.rejection_normalization is RejectionNormalization.NONE:
        return ones, ones
    locations = [location(frame, full_scale=full_scale) for frame in frames]
    to_first = [locations[0] / m for m in locations]
    to_target = to_first if recipe.target_median is None else [recipe.target_median / m for m in locations]
    return (
        to_first if recipe.rejection_normalization is RejectionNormalization.EQUALIZE_FLUXES else ones,
        to_target if recipe.normalization is Normalization.MULTIPLICATIVE else ones,
    )


def calibrate(
    frame: NDArray[np.generic],
    *,
    bias: NDArray[np.float32] | None = None,
    dark: NDArray[np.float32] | None = None,
    full_scale: float = ADU,
) -> NDArray[np.float32]:
    """Return ``frame`` minus what there is of ``bias + dark`` on the [0, 1] scale, truncated to it.

    Masters are on that scale. Every step is rounded to float32, as ImageCalibration does.
    """
    unit = (frame.astype(np.float64) / full_scale).astype(np.float32)
    masters = [master for master in (bias, dark) if master is not None]
    return np.clip(unit - sum(masters[1:], masters[0]), 0, 1) if masters else unit


# --- one pixel --------------------------------------------------------------------------------------------


def reject(stack: Sequence[float], recipe: Recipe, *, full_scale: float = ADU) -> Rejected:
    """Return which frames lose their sample of this pixel, and on which side."""
    one = Fraction(full_scale)
    ranked = sorted(Sample(Fraction(float(v)) / one, i) for i, v in enumerate(stack))
    return METHODS[recipe.rejection](ranked, recipe)


def combine(stack: Sequence[float], rejected: Rejected, combination: Combination) -> float:
    """Return the combined value of the survivors, or the median of all where nothing survived."""
    gone = {frame for frame, _ in rejected}
    survivors = [v for i, v in enumerate(stack) if i not in gone]
    if not survivors:
        return float(np.median(np.asarray(stack, np.float64)))
    match combination:
        case Combination.AVERAGE:
            return float(sum(Fraction(v) for v in survivors) / len(survivors))
        case Combination.MEDIAN:
            return float(np.median(np.asarray(survivors, np.float64)))
        case Combination.MINIMUM:
            return min(survivors)
        case Combination.MAXIMUM:
            return max(survivors)


def reject_none(r: list[Sample], recipe: Recipe) -> Rejected:
    """Reject nothing."""
    return set()


def reject_minmax(r: list[Sample], recipe: Recipe) -> Rejected:
    """Reject the lowest and highest few."""
    n = len(r)
    low = min(recipe.minmax_low, n)
    high = min(recipe.minmax_high, n - low)
    return marked(r[:low], "low") | marked(r[n - high :], "high")


def reject_percentile(r: list[Sample], recipe: Recipe) -> Rejected:
    """Reject, once, what is further from the median than a fraction of it."""
    centre = median(r)
    if len(r) < 2 or is_zero(float(centre)):
        return set()
    low, high = decimal(recipe.percentile_low), decimal(recipe.percentile_high)
    return marked([s for s in r if (centre - s.value) / centre > low], "low") | marked(
        [s for s in r if (s.value - centre) / centre > high], "high"
    )


def reject_sigma(r: list[Sample], recipe: Recipe) -> Rejected:
    """Reject, again and again, what is further from the median than so many standard deviations."""

    def measure(r: list[Sample], turn: int) -> tuple[Fraction, Fraction]:
        return median(r), variance(r)

    return clip(r, recipe, measure)


def reject_averaged(r: list[Sample], recipe: Recipe) -> Rejected:
    """Reject as sigma clipping does, with a deviation that goes with the square root of the level."""
    if len(r) < 3:
        return set()
    first = median(r)
    if is_zero(float(first)):
        return marked(r, "low")
    quotient = sum(((s.value - first) ** 2 / first for s in r), Fraction(0)) / (len(r) - 1)

    def measure(r: list[Sample], turn: int) -> tuple[Fraction, Fraction]:
        return median(r), quotient * median(r)

    return clip(r, recipe, measure)


def reject_winsorized(r: list[Sample], recipe: Recipe) -> Rejected:
    """Reject as sigma clipping does, about the Winsorized mean and deviation."""

    def measure(r: list[Sample], turn: int) -> tuple[Fraction, Fraction]:
        centre, deviation = winsorized([float(s.value) for s in r], recipe.winsorization_cutoff if turn == 0 else 0.0)
        return Fraction(centre), Fraction(deviation) ** 2

    return clip(r, recipe, measure)


def clip(
    r: list[Sample], recipe: Recipe, measure: Callable[[list[Sample], int], tuple[Fraction, Fraction]]
) -> Rejected:
    """Repeat: measure centre and variance, reject beyond the two limits; until nothing goes or fewer than 3 stay."""
    low, high = decimal(recipe.sigma_low), decimal(recipe.sigma_high)
    rejected: Rejected = set()
    turn = 0
    while len(r) >= 3:
        centre, spread = measure(r, turn)
        if spread <= 0 or is_zero(sqrt(spread)):
            break
        below = [s for s in r if s.value < centre and (centre - s.value) ** 2 > low**2 * spread]
        above = [s for s in r if s.value > centre and (s.value - centre) ** 2 > high**2 * spread]
        if not below and not above:
            break
        rejected |= marked(below, "low") | marked(above, "high")
        r = r[len(below) : len(r) - len(above)]
        turn += 1
    return rejected


def reject_linear_fit(r: list[Sample], recipe: Recipe) -> Rejected:
    """Reject, again and again, what lies off the line through the ranked samples by so many deviations."""
    low, high = decimal(recipe.linear_fit_low), decimal(recipe.linear_fit_high)
    rejected: Rejected = set()
    if len(r) < 5:
        return rejected
    while len(r) >= 3:
        line = least_absolute_deviation([s.value for s in r])
        squared = (2 * line.deviation) ** 2 * (1 + line.slope**2)
        if is_zero(sqrt(squared)):
            break
        distances = [s.value - (line.intercept + line.slope * i) for i, s in enumerate(r)]
        below = [s for s, d in zip(r, distances, strict=True) if d < 0 and d * d >= low * low * squared]
        above = [s for s, d in zip(r, distances, strict=True) if d >= 0 and d * d >= high * high * squared]
        if not below and not above:
            break
        rejected |= marked(below, "low") | marked(above, "high")
        r = [s for s in r if s not in below and s not in above]
    return rejected


def _value(sample: Sample) -> Fraction:
    return sample.value


def reject_esd(r: list[Sample], recipe: Recipe) -> Rejected:
    """Reject the leading extreme samples whose statistic reaches the critical value (generalized ESD)."""
    n = len(r)
    if n < 3:
        return set()
    fraction, relaxation = decimal(recipe.esd_outliers), decimal(recipe.esd_low_relaxation)
    left, leaving = list(r), []
    for i in range(min(max(int(fraction * n), 1), n - 2)):
        spread = variance(left)
        if is_zero(sqrt(spread)):
            break
        high = max(1, int(fraction * len(left)) - i)
        low = max(1, int(fraction / relaxation * len(left)) - i)
        centre = mean(left[low : len(left) - high]) if high + low < len(left) - 2 else median(left)
        distances = [s.value - centre if s.value >= centre else (centre - s.value) / relaxation for s in left]
        furthest = max(distances)
        if float(furthest) / sqrt(spread) < esd_critical_value(n, i, recipe.esd_alpha):
            break
        at = distances.index(furthest)
        leaving.append(left.pop(at if left[at].value < centre else bisect_right(left, left[at].value, key=_value) - 1))
    middle = median(r)
    return marked([s for s in leaving if s.value <= middle], "low") | marked(
        [s for s in leaving if s.value > middle], "high"
    )


METHODS: dict[Rejection, Callable[[list[Sample], Recipe], Rejected]] = {
    Rejection.NONE: reject_none,
    Rejection.MINMAX: reject_minmax,
    Rejection.PERCENTILE: reject_percentile,
    Rejection.SIGMA: reject_sigma,
    Rejection.WINSORIZED: reject_winsorized,
    Rejection.AVERAGED: reject_averaged,
    Rejection.LINEAR_FIT: reject_linear_fit,
    Rejection.ESD: reject_esd,
}


def marked(samples: Sequence[Sample], side: Side) -> Rejected:
    """Return the samples' frames as rejected on one side."""
    return {(s.frame, side) for s in samples}


# --- arithmetic -------------------------------------------------------------------------------------------


def decimal(threshold: float) -> Fraction:
    """Return a threshold as the decimal number the user wrote."""
    return Fraction(repr(threshold))


def is_zero(value: float) -> bool:
    """Return whether a value on the [0, 1] scale vanishes beside 1."""
    return 1 + value == 1


def median(r: Sequence[Sample]) -> Fraction:
    """Return the median of ranked samples: the mean of the two central ones for an even number."""
    n = len(r)
    return r[n // 2].value if n % 2 else (r[n // 2 - 1].value + r[n // 2].value) / 2


def mean(r: Sequence[Sample]) -> Fraction:
    """Return the mean."""
    return sum((s.value for s in r), Fraction(0)) / len(r)


def variance(r: Sequence[Sample]) -> Fraction:
    """Return the sample variance (n - 1)."""
    centre = mean(r)
    return sum((s.value - centre) ** 2 for s in r) / Fraction(len(r) - 1)


def in_turn(values: Iterable[float]) -> float:
    """Add up one after the other, rounding each time: from Python 3.12 on ``sum`` carries along what that loses."""
    total = 0.0
    for value in values:
        total += value
    return total


def winsorized(r: list[float], cutoff: float) -> tuple[float, float]:
    """Return the Winsorized mean and deviation; samples beyond ``cutoff`` deviations (0: none) go to the centre."""
    v = list(r)
    n = len(v)
    centre = v[n // 2] if n % 2 else (v[n // 2 - 1] + v[n // 2]) / 2
    deviation = 1.1926 * rousseeuw_croux_sn(v)
    turn = 0
    while not is_zero(deviation):
        lower, upper = centre - 1.5 * deviation, centre + 1.5 * deviation
        for i, x in enumerate(v):
            if x < lower:
                v[i] = centre if cutoff > 0 and x <= centre - cutoff * deviation else lower
            elif x > upper:
                v[i] = centre if cutoff > 0 and x >= centre + cutoff * deviation else upper
        centre = in_turn(v) / n
        differences = [x - centre for x in v]
        before = deviation
        rest = in_turn(differences)
        deviation = 1.134 * sqrt(max(0.0, (in_turn(d * d for d in differences) - rest * rest / n) / (n - 1)))
        turn += 1
        if turn > 1 and abs(before - deviation) / before < 0.0005:
            break
    return centre, deviation


_SN_FACTORS = {2: 0.743, 3: 1.851, 4: 0.954, 5: 1.351, 6: 0.993, 7: 1.198, 8: 1.005, 9: 1.131}


def rousseeuw_croux_sn(v: Sequence[float]) -> float:
    """Return the Sn scale estimator with its finite-sample factor, without the constant 1.1926."""
    n = len(v)
    high_medians = sorted(sorted(abs(a - b) for b in v)[n // 2] for a in v)
    return sn_factor(n) * high_medians[(n + 1) // 2 - 1]


def sn_factor(n: int) -> float:
    """Return the finite-sample factor of Sn for ``n`` samples."""
    return _SN_FACTORS.get(n, n / (n - 0.9) if n % 2 else 1.0)


class Line(NamedTuple):
    """``intercept + slope * rank``, and the mean absolute deviation from it."""

    slope: Fraction
    intercept: Fraction
    deviation: Fraction


def least_absolute_deviation(r: Sequence[Fraction]) -> Line:
    """Return the exact line of least absolute deviation through (rank, value); of several the flattest.

    A best line passes through two of the points, so its slope is one of theirs; the best intercept for a slope is
    the median of what the slope leaves.
    """
    n = len(r)

    def line(slope: Fraction) -> Line:
        rest = [value - slope * i for i, value in enumerate(r)]
        intercept = median([Sample(value, 0) for value in sorted(rest)])
        return Line(slope, intercept, sum((abs(value - intercept) for value in rest), Fraction(0)) / n)

    slopes = {(r[j] - r[i]) / (j - i) for i in range(n) for j in range(i + 1, n)}
    return min((line(slope) for slope in slopes), key=lambda found: (found.deviation, found.slope))


def esd_critical_value(n: int, i: int, alpha: float) -> float:
    """Return the critical value of the statistic ``i`` (from 0) of ``n`` samples at significance ``alpha``."""
    left = n - i
    t = student_quantile(alpha / (2 * left), left - 2)
    return t * (left - 1) / sqrt((left - 2 + t * t) * left)


def student_quantile(tail: float, degrees: int) -> float:
    """Return the value that Student's t exceeds with probability ``tail`` (0 < tail <= 0.5), by bisection."""
    low, high = 0.0, 1.0
    while student_tail(high, degrees) > tail:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, degrees) > tail else (low, middle)
    return (low + high) / 2


def student_tail(t: float, degrees: int) -> float:
    """Return the probability that Student's t exceeds ``t`` >= 0."""
    return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t)) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function, by its continued fraction (Lentz's method)."""
    if x in {0.0, 1.0}:
        return x
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on this side only
        return 1 - incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    value, c, d = 1.0, 1.0, 0.0
    for m in range(1000):
        half = m // 2
        if m == 0:
            term = 1.0
        elif m % 2 == 0:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        else:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value *= c * d
        if m > 1 and abs(1 - c * d) < 1e-16:
            break
    return front * (value - 1)
