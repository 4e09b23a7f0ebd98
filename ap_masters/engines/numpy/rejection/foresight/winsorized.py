"""What Winsorized sigma clipping rejects, foreseen for most stacks without following it to its end.

The definition narrows its limits turn by turn until the deviation settles, half of the way that remains at each; it
takes some ten turns. But where no sample lies near to a limit it need not be known to the last digit. Two turns in
float32 and a bound for all that follow leave the deviation known to a hundredth: few stacks have a sample in there.

The argument is that of ``winsorized_proof``, from the second turn on. Let A_t, B_t be the limits at turn t; s_t and c_t
are 1.134 times the deviation and the mean of the stack clamped to [A_(t-1), B_(t-1)]. Take any a, b within the limits
so far, with them S = 1.134 deviations of the stack clamped to [a, b], and for c_low and c_high the means of the stack
clamped to [A_1, b] and to [a, B_1]. If c_high - 1.5 S <= a and c_low + 1.5 S >= b, then no limit gets beyond a and b at
any turn. Whenever the definition stops, which it does not before the second turn, its deviation is one of S..s_2 and
its centre one of c_low..c_high. Where S > 0.6 s_2, for a cutoff of 5, nothing gets beyond the cutoff either. After more
turns than two all this is closer; but a stack with which the definition may have stopped before must be kept as it was
then.

Rounding: where a limit may be wrong by e, a mean is by (k / n) e at most, and a deviation by 1.134 sqrt(k / (n - 1)) e,
if k samples are clamped; what float32 does to it itself is some n units of the last place.
"""

from math import sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.parts import even_parts
from ap_masters.engines.numpy.rejection import sn
from ap_masters.engines.numpy.rejection.clamping import CLAMP, CONVERGED, FACTOR, Clamped, Group, Start, usually_outer
from ap_masters.engines.numpy.rejection.foresight.stacks import F32, FEWEST
from ap_masters.engines.numpy.rejection.survivors import Bools, Counts, Floats, Losses, take_columns
from ap_masters.model import Recipe

_ROUNDING: Final = 16  # units of the last place of the first deviation, times n
_ROUNDED: Final = 1e-6  # of a product in float32, and more
_NEAR_LEVEL: Final = 1e-12  # of the level, for the definition's own rounding
_SMALLEST: Final = 1e-12  # of full scale: deviations below are left to the definition
_MAY_STOP: Final = 2 * CONVERGED  # change of the deviation with which the definition stops, and more
_AHEAD: Final = 2.0  # the limits to come, in terms of how far those of the second turn have come
_FURTHER: Final = 0.04  # and so many deviations more, halved each turn
_AGAIN: Final = 1.3  # of what they have turned out to lack
_SAMPLED: Final = 128  # stacks that tell how many ranks limits reach
_MOST: Final = 0.97  # of them
_AT_ONCE: Final = 1 << 19  # samples: what is touched stays in the cache


class _Bounds(NamedTuple):
    """Between what centre and deviation lie, in deviations from the median; where it is not ``known``, nothing is."""

    lowest: F32
    highest: F32
    least: F32
    most: F32
    known: Bools


def foresee(group: Group, recipe: Recipe, full_scale: float, *, turns: int) -> Losses:
    """Return what a pass over stacks of counts loses, as far as bounds after so many turns (2 or more) tell.

    ``full_scale`` counts stand for 1.0. Two turns are made in float32, with a rough Sn; more of them in float64, with
    the exact one: for the few stacks that need them it does not matter how long they take.
    """
    dtype: np.dtype[np.floating[Any]] = np.dtype(np.float32 if turns == 2 else np.float64)
    _, r, offset, cutoff = group
    n, pixels = r.shape
    losses = Losses.unknown(pixels)
    if n < FEWEST or not pixels:
        return losses
    for part in even_parts(pixels, _AT_ONCE // n):
        batch = np.ascontiguousarray(r[:, part])
        distance, doubt = sn.rough_distance(batch) if turns == 2 else (sn.exact_distance(batch), np.zeros(1))
        unit = sn.CONSISTENCY * sn.factor(n)
        median = (batch[(n - 1) // 2].astype(np.float64) + batch[n // 2]) / 2
        first = unit * distance
        level = _NEAR_LEVEL * np.abs(median + offset[part])
        near = _ROUNDING * float(np.finfo(dtype).eps) * n * first + unit * doubt * CLAMP + level
        bounds = _bounds(batch, Start(median, first, near), cutoff, turns, dtype)
        known = bounds.known & (first > _SMALLEST * full_scale)
        low, high, clear = _count(batch, median, bounds, recipe)
        certain = np.flatnonzero(known & clear)
        losses.low[part][certain], losses.high[part][certain] = low[certain], high[certain]
        losses.certain[part] = known & clear
        losses.certain[part] |= distance + doubt == 0  # then nothing is rejected
    return losses


def _bounds(r: NDArray[Any], start: Start, cutoff: float, turns: int, dtype: np.dtype[Any]) -> _Bounds:
    """Make some turns, and look ahead of the others."""
    n = len(r)
    outer = _outer(r, start)
    stacks = Clamped(Clamped.state_of(r, start, outer, dtype))
    unclear = stacks.replace_far(cutoff) if cutoff else np.zeros(r.shape[1], np.bool_)
    stopped = np.zeros(r.shape[1], np.bool_)
    doubt = stacks.near * _doubt(n, 2 * outer, turns)
    for turn in range(turns):
        so_far = stacks.limits.copy()
        unclear |= stacks.limit()
        np.copyto(stacks.limits, so_far, where=stopped)
        before = stacks.deviation.copy()
        sums = stacks.clamp()
        stacks.find_shrunk(before, cutoff, unclear)
        if 0 < turn < turns - 1:
            stopped |= before - stacks.deviation <= _MAY_STOP * before + doubt
    further = _FURTHER / 2**turns
    most = stacks.deviation + doubt
    so_far = stacks.limits.copy()
    unclear |= stacks.limit()
    stacks.limits += _AHEAD * np.maximum(stacks.limits - so_far, 0) + further * stacks.deviation
    bounds = _look_ahead(stacks, sums, doubt, most, cutoff, further)
    again = np.flatnonzero(~(bounds.known | unclear))
    if len(again):
        stacks = Clamped(take_columns(stacks.state, again))
        found = _look_ahead(stacks, take_columns(sums, again), doubt[again], most[again], cutoff, further)
        for row, better in zip(bounds, found, strict=True):
            row[again] = better
    bounds.known[unclear] = False
    return bounds


def _outer(r: NDArray[Any], start: Start) -> int:
    """Return how many ranks at each end the limits reach in nearly all stacks.

    Whole numbers of little noise have more samples beyond a limit than others: all those that equal the first beyond.
    """
    half, some = len(r) // 2, slice(None, None, -(-r.shape[1] // _SAMPLED))
    median, reach = start.median[some], CLAMP * start.deviation[some]
    below = np.count_nonzero(r[:half, some] < median - reach, axis=0)
    above = np.count_nonzero(r[-half:, some] > median + reach, axis=0)
    reached = np.sort(np.maximum(below, above))
    return min(max(usually_outer(len(r)), int(reached[int(_MOST * (len(reached) - 1))]) + 1), half)


def _look_ahead(stacks: Clamped, sums: F32, doubt: F32, most: F32, cutoff: float, further: float) -> _Bounds:
    """Try the limits that ``stacks`` have as a and b; set them to better ones. ``sums`` are of both ends so far."""
    n, limits = stacks.count, stacks.limits
    inside = stacks.reaches_inside()
    ends = stacks.clamp()
    lowest = (sums[0] - ends[1] + stacks.total) / n - doubt
    highest = (ends[0] - sums[1] + stacks.total) / n + doubt
    least = stacks.deviation - doubt
    reach = CLAMP * least
    lacking = np.array([highest - reach, -lowest - reach]) - limits
    known = np.logical_not(inside, out=inside)
    known &= (lacking <= 0).all(0)
    if cutoff:
        known &= cutoff * least >= (2 * CLAMP * (1 + _ROUNDED)) * most
    limits += np.maximum(_AGAIN * lacking, 0) + further * stacks.deviation
    return _Bounds(lowest, highest, least, most, known)


def _doubt(n: int, clamped: int, turns: int) -> float:
    """Return how far centre or deviation may be off after the turns made, in terms of how far first limits may be."""
    growth = clamped / n + CLAMP * FACTOR * sqrt(clamped / (n - 1))
    return sum(growth**turn for turn in range(turns + 1))


def _count(r: NDArray[Any], median: Floats, bounds: _Bounds, recipe: Recipe) -> tuple[Counts, Counts, Bools]:
    """Return how many samples are lost at either end, and where that is clear."""
    half = len(r) // 2
    clear = np.ones(len(median), np.bool_)
    low, high = (
        _count_beyond(rows, compare, median + far + k * bounds.most, median + near + k * bounds.least, clear)
        for compare, rows, near, far, k in (
            (np.less, r[:half], bounds.highest, bounds.lowest, -recipe.sigma_low),
            (np.greater, r[::-1][:half], bounds.lowest, bounds.highest, recipe.sigma_high),
        )
    )
    return low, high, clear


def _count_beyond(rows: NDArray[Any], compare: np.ufunc, surely: Floats, perhaps: Floats, clear: Bools) -> Counts:
    """Count from the outermost row on what compares to the limit, which lies between two; unset ``clear``."""
    count = np.zeros(len(clear), np.uint16)
    going = np.flatnonzero(compare(rows[0], perhaps))
    for rank, row in enumerate(rows):
        going = going[compare(row.take(going), perhaps.take(going))] if rank else going
        lost = compare(row.take(going), surely.take(going))
        clear[going[~lost]] = False
        going = going[lost]
        count[going] += 1
        if not len(going):
            break
    clear[going] = False
    return count
