"""Rejection and combination for many pixels at once: ImageIntegration 1.6.0's definitions in plain float64.

The per-pixel text of the definitions is ``tests/reference.py``. Here the stacks of all pixels are sorted, one
step of a method is done for all stacks of one length, and those that lost samples go round again with what is
left of them. Ties are settled as there. Values are ADU for integer frames, so that sums are exact; ``one`` is
the value that stands for 1.0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from tests.reference import esd_critical_value, sn_factor

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

Marks = tuple[Bools, Bools]  # what goes low, what goes high

# sorted values (samples, pixels), which pixels they are, the number of the round -> what goes
Step = Callable[[Floats, Integers, int], Marks]

_ELEMENTS_AT_ONCE = 2_000_000
_TIE = 4e-16  # products of exact numbers with a rounded threshold may be off by this much


@dataclass(frozen=True)
class Limits:
    """The parameters of the rejection methods, named as the process names them."""

    method: str
    one: float
    min_max: tuple[int, int] = (1, 1)
    percentile: tuple[float, float] = (0.2, 0.1)
    sigma: tuple[float, float] = (4.0, 3.0)
    cutoff: float = 5.0
    linear_fit: tuple[float, float] = (5.0, 3.5)
    esd: tuple[float, float, float] = (0.3, 0.05, 1.0)  # outliers, alpha, low relaxation


def reject(stack: Floats, limits: Limits, gone: Bools | None = None) -> Marks:
    """Return which samples of ``stack`` (frames, pixels) are rejected low and high, in the order of the frames.

    ``gone`` marks samples that have left before (range rejection).
    """
    low, high = np.zeros(stack.shape, bool), np.zeros(stack.shape, bool)
    frames = len(stack)
    at_once = max(1, _ELEMENTS_AT_ONCE // frames**2)
    for first in range(0, stack.shape[1], at_once):
        part = slice(first, first + at_once)
        before = np.zeros_like(low[:, part]) if gone is None else gone[:, part]
        low[:, part], high[:, part] = _reject(stack[:, part], limits, before)
    return low, high


def _reject(stack: Floats, limits: Limits, gone: Bools) -> Marks:
    least, repeated, make = _METHODS[limits.method]
    step = make(limits, stack.shape[1])
    low, high = np.zeros(stack.shape, bool), np.zeros(stack.shape, bool)
    waiting = _by_length(np.arange(stack.shape[1]), ~gone, np.argsort(stack, axis=0, kind="stable"))
    turn = 0
    while waiting:
        again = []
        for pixels, ranked in waiting:
            if len(ranked) < (least if turn == 0 else 3):
                continue
            below, above = step(stack[ranked, pixels], pixels, turn)
            low[ranked, pixels] |= below
            high[ranked, pixels] |= above
            stay = ~(below | above)
            losers = ~stay.all(axis=0)
            if repeated and losers.any():
                again += _by_length(pixels[losers], stay[:, losers], ranked[:, losers], ranked_already=True)
        waiting = again
        turn += 1
    return low, high


def _by_length(
    pixels: Integers, stay: Bools, ranked: Integers, *, ranked_already: bool = False
) -> list[tuple[Integers, Integers]]:
    """Return (pixels, frames by rank) for the stacks of each length, without the samples that do not stay."""
    if not ranked_already:
        stay = np.take_along_axis(stay, ranked, axis=0)
    lengths = stay.sum(axis=0)
    groups = []
    for length in np.unique(lengths[lengths > 0]):
        chosen = lengths == length
        left = ranked[:, chosen].T[stay[:, chosen].T].reshape(-1, length).T
        groups.append((pixels[chosen], left))
    return groups


def combine(stack: Floats, rejected: Bools, combination: str) -> Floats:
    """Return the combined value of each pixel's survivors; the median of all samples where there are none."""
    kept = ~rejected
    count = kept.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = _COMBINATIONS[combination](np.where(kept, stack, 0.0), np.where(kept, stack, np.inf), count)
    return np.where(count > 0, value, np.median(stack, axis=0))


def _median_of_first(sorted_up: Floats, count: Integers) -> Floats:
    middle = np.maximum(count, 1)
    upper = np.take_along_axis(sorted_up, (middle // 2)[np.newaxis], axis=0)[0]
    lower = np.take_along_axis(sorted_up, ((middle - 1) // 2)[np.newaxis], axis=0)[0]
    central: Floats = (lower + upper) / 2
    return central


_COMBINATIONS: dict[str, Callable[[Floats, Floats, Integers], Floats]] = {
    "Average": lambda zeros, infinite, count: zeros.sum(axis=0) / count,
    "Median": lambda zeros, infinite, count: _median_of_first(np.sort(infinite, axis=0), count),
    "Minimum": lambda zeros, infinite, count: infinite.min(axis=0),
    "Maximum": lambda zeros, infinite, count: np.where(np.isinf(infinite), -np.inf, infinite).max(axis=0),
}


# --- the methods ------------------------------------------------------------------------------------------


def _median(v: Floats) -> Floats:
    n = len(v)
    middle: Floats = v[n // 2] if n % 2 else (v[n // 2 - 1] + v[n // 2]) / 2
    return middle


def _none(limits: Limits, count: int) -> Step:
    def step(v: Floats, pixels: Integers, turn: int) -> Marks:
        return np.zeros(v.shape, bool), np.zeros(v.shape, bool)

    return step


def _min_max(limits: Limits, count: int) -> Step:
    def step(v: Floats, pixels: Integers, turn: int) -> Marks:
        n = len(v)
        rank = np.broadcast_to(np.arange(n)[:, np.newaxis], v.shape)
        low = rank < limits.min_max[0]
        return low, (rank >= n - limits.min_max[1]) & ~low

    return step


def _percentile(limits: Limits, count: int) -> Step:
    low, high = limits.percentile

    def step(v: Floats, pixels: Integers, turn: int) -> Marks:
        centre = _median(v)
        usable = 1 + centre / limits.one != 1
        safe = np.where(usable, centre, 1.0)
        return usable & ((centre - v) / safe > low), usable & ((v - centre) / safe > high)

    return step


def _beyond(v: Floats, centre: Floats, squared: Floats, limits: Limits, weight: float | Floats = 1.0) -> Marks:
    """Return which samples are further from ``centre`` than so many deviations; ``squared`` is weight * variance."""
    low, high = limits.sigma
    distance = (v - centre) ** 2 * weight
    spread = 1 + np.sqrt(squared / weight) / limits.one != 1
    below = spread & (v < centre) & (distance > low**2 * squared * (1 + _TIE))
    above = spread & (v > centre) & (distance > high**2 * squared * (1 + _TIE))
    return below, above


def _sigma(limits: Limits, count: int) -> Step:
    def step(v: Floats, pixels: Integers, turn: int) -> Marks:
        n = len(v)
        moved = v - v[n // 2]  # small numbers: the sums of squares stay exact
        squares = n * (moved**2).sum(axis=0) - moved.sum(axis=0) ** 2
        return _beyond(moved, _median(moved), np.maximum(squares, 0), limits, float(n * (n - 1)))

    return step


def _winsorized(limits: Limits, count: int) -> Step:
    def step(v: Floats, pixels: Integers, turn: int) -> Marks:
        centre, deviation = _winsorize(v, limits.cutoff if turn == 0 else 0.0, limits.one)
        return _beyond(v, centre, deviation**2, limits)

    return step


def _winsorize(v: Floats, cutoff: float, one: float) -> tuple[Floats, Floats]:
    v = v.copy()
    centre, deviation = _median(v).copy(), 1.1926 * _sn(v)
    busy = np.flatnonzero(1 + deviation / one != 1)
    turn = 0
    while len(busy):
        w, c, s = v[:, busy], centre[busy], deviation[busy]
        lower, upper = c - 1.5 * s, c + 1.5 * s
        to_centre = ((w < lower) & (w <= c - cutoff * s)) | ((w > upper) & (w >= c + cutoff * s)) if cutoff else False
        w = np.where(to_centre, c, np.clip(w, lower, upper))
        v[:, busy] = w
        mean = w.mean(axis=0)
        difference = w - mean
        variance = ((difference**2).sum(axis=0) - difference.sum(axis=0) ** 2 / len(w)) / (len(w) - 1)
        new = 1.134 * np.sqrt(np.maximum(variance, 0))
        centre[busy], deviation[busy] = mean, new
        turn += 1
        done = (np.abs(s - new) / s < 0.0005) & (turn > 1)
        busy = busy[~done & (1 + new / one != 1)]
    return centre, deviation


def _sn(v: Floats) -> Floats:
    """Return Sn of sorted samples: the n // 2 nearest of a sample and itself lie in a window of neighbours."""
    n = len(v)
    size = n // 2 + 1
    high_medians = np.empty_like(v)
    for i in range(n):
        windows = range(max(0, i - size + 1), min(i, n - size) + 1)
        reaches = (np.maximum(v[i] - v[first], v[first + size - 1] - v[i]) for first in windows)
        high_medians[i] = reduce(np.minimum, reaches)
    low_median = (n + 1) // 2 - 1
    scale: Floats = sn_factor(n) * np.partition(high_medians, low_median, axis=0)[low_median]
    return scale


def _averaged(limits: Limits, count: int) -> Step:
    first, squares, samples = np.zeros(count), np.zeros(count), np.zeros(count)

    def step(v: Floats, pixels: Integers, turn: int) -> Marks:
        centre = _median(v)
        if turn == 0:
            first[pixels], squares[pixels], samples[pixels] = centre, ((v - centre) ** 2).sum(axis=0), len(v)
        m, level = first[pixels], centre
        dark = 1 + m / limits.one == 1  # no level to scale with: everything goes
        below, above = _beyond(v, level, squares[pixels] * level, limits, np.where(dark, 1, m) * (samples[pixels] - 1))
        return below | dark, above & ~dark

    return step


def _linear_fit(limits: Limits, count: int) -> Step:
    low, high = limits.linear_fit

    def step(v: Floats, pixels: Integers, turn: int) -> Marks:
        n = len(v)
        rise, run = _flattest_best_slope(v)
        # run * (value - intercept - slope * rank): whole numbers where the samples are
        rest = run * (v - v[0]) - rise * np.arange(n)[:, np.newaxis]
        rest -= _median(np.sort(rest, axis=0))
        slope = rise / run / limits.one
        deviations = 2 * np.abs(rest).sum(axis=0) * np.sqrt(1 + slope**2)  # times run * n
        spread = 1 + deviations / (run * n) / limits.one != 1
        below = spread & (rest < 0) & (-rest * n >= low * deviations * (1 - _TIE))
        above = spread & (rest >= 0) & (rest * n >= high * deviations * (1 - _TIE))
        return below, above

    return step


def _flattest_best_slope(v: Floats) -> tuple[Floats, Floats]:
    """Return rise and run of the smallest slope whose line (through two samples) has the least absolute deviation.

    The sum of deviations is convex in the slope, so the smallest slope of a pair at which it no longer falls
    is found by bisection. Whether it falls just right of a slope is a matter of ranks: of the halves above and
    below the line's median, it is the one with the larger ranks that decides.
    """
    n = len(v)
    first, second = np.triu_indices(n, 1)
    rises, runs = v[second] - v[first], (second - first).astype(float)[:, np.newaxis]
    order = np.argsort(rises / runs, axis=0, kind="stable")
    lower, upper = np.zeros(v.shape[1], int), np.full(v.shape[1], len(first) - 1)
    ranks = np.arange(n, dtype=float)
    while (lower < upper).any():
        middle = (lower + upper) // 2
        pair = np.take_along_axis(order, middle[np.newaxis], axis=0)[0]
        rise, run = rises[pair, np.arange(v.shape[1])], runs[pair, 0]
        # multiplied by the run the rests are whole numbers, so that equal ones are equal; among equal ones those
        # of higher rank fall below the others when the slope grows
        rest = run * (v - v[0]) - rise * ranks[:, np.newaxis]
        by_rest = np.argsort(rest[::-1], axis=0, kind="stable")
        sorted_ranks = ranks[::-1][by_rest]
        falling = sorted_ranks[(n + 1) // 2 :].sum(axis=0) > sorted_ranks[: n // 2].sum(axis=0)
        lower, upper = np.where(falling, middle + 1, lower), np.where(falling, upper, middle)
        lower = np.minimum(lower, len(first) - 1)
    pair = np.take_along_axis(order, lower[np.newaxis], axis=0)[0]
    return rises[pair, np.arange(v.shape[1])], runs[pair, 0]


def _esd(limits: Limits, count: int) -> Step:
    fraction, alpha, relaxation = limits.esd

    def step(v: Floats, pixels: Integers, turn: int) -> Marks:
        n = len(v)
        left, ranks = v - v[n // 2], np.broadcast_to(np.arange(n)[:, np.newaxis], v.shape)
        leaving = np.zeros(v.shape, bool)
        leads = np.ones(len(pixels), bool)
        for i in range(min(max(_whole(fraction * n), 1), n - 2)):
            m = n - i
            squares = m * (left**2).sum(axis=0) - left.sum(axis=0) ** 2
            deviation = np.sqrt(np.maximum(squares, 0) / (m * (m - 1)))
            high, low = max(1, _whole(fraction * m) - i), max(1, _whole(fraction / relaxation * m) - i)
            centre = left[low : m - high].mean(axis=0) if high + low < m - 2 else _median(left)
            distance = np.where(left >= centre, left - centre, (centre - left) / relaxation)
            furthest = distance.argmax(axis=0)
            extreme = distance.max(axis=0)
            usable = 1 + deviation / limits.one != 1
            leads &= usable & (extreme >= esd_critical_value(n, i, alpha) * deviation)
            at = ranks[furthest, np.arange(len(pixels))]
            leaving[at[leads], np.flatnonzero(leads)] = True
            stay = np.arange(m)[:, np.newaxis] != furthest
            left, ranks = (a.T[stay.T].reshape(len(pixels), m - 1).T for a in (left, ranks))
        return leaving & (v <= _median(v)), leaving & (v > _median(v))

    return step


def _whole(value: float) -> int:
    """Return ``value`` without its fraction, where 0.29 * 100 counts as 29."""
    return int(value + 1e-9)


# method: fewest samples of the first round, whether there are more rounds, and what makes a step
_METHODS: dict[str, tuple[int, bool, Callable[[Limits, int], Step]]] = {
    "NoRejection": (1, False, _none),
    "MinMax": (1, False, _min_max),
    "PercentileClip": (2, False, _percentile),
    "SigmaClip": (3, True, _sigma),
    "WinsorizedSigmaClip": (3, True, _winsorized),
    "AveragedSigmaClip": (3, True, _averaged),
    "LinearFit": (5, True, _linear_fit),
    "Rejection_ESD": (3, False, _esd),
}
