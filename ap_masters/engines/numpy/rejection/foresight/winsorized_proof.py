"""A proof in bytes that Winsorized sigma clipping rejects nothing, for sorted stacks of short keys."""

from math import ceil, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection import sn
from ap_masters.engines.numpy.rejection.clamping import CLAMP, FACTOR
from ap_masters.engines.numpy.rejection.foresight.scale import least_distance
from ap_masters.engines.numpy.rejection.foresight.spread import normal_scores, weighted_spread, weights
from ap_masters.engines.numpy.rejection.foresight.stacks import F32, FEWEST, MARGIN, Bools, Sorted, usual_range
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Recipe

Row = NDArray[np.uint8]
_Condition = tuple[F32, F32, float, np.ufunc, F32]

_TRIES: Final = (0.92, 0.96)  # limits tried, in terms of the deviation that is likely, then of that known so far
_WINDOW: Final = (0.1, 0.3)  # ranks whose differences from those as high tell the likely deviation, in terms of n
_SPLITS: Final = (-2, 2)  # see ``least_distance``
_LARGEST: Final = 255  # key
_ROUNDING: Final = 1e-3  # of a centre in keys: some ten float32 operations on numbers up to 256
_WORTHWHILE: Final = 3  # binary places that keys gain; fewer prove little more
_OUTER: Final = 0.25  # of the ranks at each end; limits that reach further in prove nothing


def loses_nothing(stacks: Sorted, recipe: Recipe, scratch: Scratch, *, cutoff: float | None = None) -> Bools:
    """Return for which stacks it is proven that a pass of Winsorized sigma clipping rejects nothing.

    The ``cutoff`` is the recipe's unless told; 0 for none.

    The definition starts from c_0 = median and s_0 = 1.1926 Sn, and repeats: clamp the samples, clamped as they
    are already, to c -+ 1.5 s; c = their mean, s = 1.134 times their standard deviation. As long as nothing lies
    beyond the cutoff, the samples after each step are those of the stack clamped to some [A, B], where A only
    rises and B only falls. Two facts about clamping:

    * Moving A up or B down brings every two samples closer together or leaves them, so the standard deviation,
      which is a mean of squared differences, does not grow.
    * It moves the mean up or down: the mean of the samples clamped to [A, B] lies between that of the samples
      clamped above alone and that of the samples clamped below alone.

    Take any a, b with c_0 - 1.5 s_0 <= a and c_0 + 1.5 s_0 >= b; with them a deviation S = 1.134 sd(stack clamped to
    [a, b]), and as bounds of the centre c_low = mean of the stack clamped to b from above, c_high = mean of the stack
    clamped to a from below. **If c_high - 1.5 S <= a and c_low + 1.5 S >= b, then A <= a and B >= b at every step**: it
    holds for the first limits; and while it holds, s >= S and c_low <= c <= c_high, so it holds for the next ones.
    So nothing is rejected in the end if

        greatest <= c_low + k_high S,   least >= c_high - k_low S,

    and nothing lies beyond the cutoff if it does not at first, and greatest < c_low + cutoff S and least > c_high -
    cutoff S. Where Sn is zero nothing is rejected anyway. What is computed here are bounds on the safe side of S, s_0,
    c_low and c_high; a and b are whole numbers that seem promising, and are tried in turn.
    """
    n, length = stacks.n, len(stacks.rows[0])
    proven = scratch.row("proven", np.bool_, length)
    proven.fill(False)
    if n >= FEWEST:
        larger, fits = magnified(stacks, scratch)
        proof = _Proof(larger, recipe, recipe.winsorization_cutoff if cutoff is None else cutoff, scratch)
        for shrink in _TRIES:
            np.logical_or(proven, proof.attempt(shrink), out=proven)
        np.logical_and(proven, fits, out=proven)
        if larger is not stacks and not stacks.slack:
            _add_settled(proven, stacks, scratch)
    return proven


def _add_settled(proven: Bools, stacks: Sorted, scratch: Scratch) -> None:
    """Add where more than half of the samples are equal: there Sn is zero."""
    more = stacks.n // 2 + 1
    equal = scratch.row("equal", np.bool_, len(proven))
    for low, high in zip(stacks.rows, stacks.rows[more - 1 :], strict=False):
        np.logical_or(proven, np.equal(low, high, out=equal), out=proven)


def magnified(stacks: Sorted, scratch: Scratch) -> tuple[Sorted, Bools]:
    """Return stacks with keys as large as eight bits hold of most, and which fit.

    Limits are whole keys. Where noise is a key or two, as that of bias frames often is, few of them prove anything.
    """
    least, greatest = stacks.rows[0], stacks.rows[-1]
    fits: Bools = scratch.row("fits", np.bool_, len(least))
    fits.fill(True)
    places = (_LARGEST // usual_range(stacks.rows)).bit_length() - 1
    if places < _WORTHWHILE:
        return stacks, fits
    rows = scratch.rows("magnified", stacks.n, np.uint8, len(least))
    for key, row in zip(stacks.rows, rows, strict=True):
        np.subtract(key, least, out=row)
        np.left_shift(row, places, out=row)
    reach = scratch.row("reach of keys", np.uint8, len(least))
    np.less_equal(np.subtract(greatest, least, out=reach), _LARGEST >> places, out=fits)
    total = scratch.row("magnified total", np.float32, len(least))
    np.copyto(total, least)
    np.multiply(total, np.float32(-stacks.n * stacks.unit), out=total)
    np.add(total, stacks.total, out=total, casting="same_kind")
    factor = 1 << places
    return Sorted(rows, stacks.unit / factor, stacks.slack * factor, total, stacks.blur * factor), fits


class _Proof:
    """Attempts at proofs for the stacks of one tile, all in units of keys."""

    def __init__(self, stacks: Sorted, recipe: Recipe, cutoff: float, scratch: Scratch) -> None:
        self._rows, self._n = stacks.rows, stacks.n
        self._length = len(stacks.rows[0])
        self._recipe, self._cutoff = recipe, cutoff
        self._scratch = scratch
        self._slack, self._blur = stacks.slack, stacks.blur
        self._outer = min(int(_OUTER * self._n) + 2, self._n // 2)
        self._least, self._greatest = self._copied("least", stacks.rows[0]), self._copied("greatest", stacks.rows[-1])
        self._furthest = self._copied("greatest with slack", self._greatest)
        if self._slack:
            np.add(self._furthest, np.float32(self._slack), out=self._furthest)
        self._median = self._copied("median keys", stacks.rows[(self._n - 1) // 2])
        np.add(self._median, self._copied("part", stacks.rows[self._n // 2]), out=self._median)
        np.multiply(self._median, np.float32(0.5), out=self._median)
        self._mean = self._row("mean")
        np.multiply(stacks.total, np.float32(1 / (stacks.unit * self._n)), out=self._mean, casting="same_kind")
        start = self._first_deviation()
        self._low, self._high = self._copied("low centre", self._median), self._copied("high centre", self._median)
        np.add(self._high, np.float32(self._slack), out=self._high)
        self._first_a, self._first_b = self._copied("first a", self._high), self._copied("first b", self._low)
        reach = self._row("reach")
        np.multiply(start, np.float32(CLAMP), out=reach)
        np.subtract(self._first_a, reach, out=self._first_a)
        np.add(self._first_b, reach, out=self._first_b)
        self._near_at_first = self._scratch.row("near at first", np.bool_, self._length)
        self._near_at_first.fill(True)
        self._require(self._near_at_first, self._cutoff_limits(start))
        # what the next attempt starts from: what is likely, and later the best bounds so far
        self._known = self._likely_deviation()
        for centre in (self._low, self._high):
            np.copyto(centre, self._mean)

    def _row(self, name: str) -> F32:
        return self._scratch.row(name, np.float32, self._length)

    def _copied(self, name: str, source: NDArray[Any]) -> F32:
        row = self._row(name)
        np.copyto(row, source)
        return row

    def _first_deviation(self) -> F32:
        """Return a lower bound of 1.1926 Sn."""
        deviation = self._copied("start", least_distance(self._rows, _SPLITS, self._scratch))
        if self._slack:
            np.subtract(deviation, np.float32(self._slack), out=deviation)
        np.multiply(deviation, np.float32(sn.CONSISTENCY * sn.factor(self._n) * MARGIN), out=deviation)
        return deviation

    def _likely_deviation(self) -> F32:
        """Return the deviation of normal samples whose inner ranks lie as far apart."""
        n, rows = self._n, self._rows
        expected = normal_scores(n)
        total = self._scratch.row("apart", np.uint16, self._length)
        difference = self._scratch.row("change", np.uint8, self._length)
        total.fill(0)
        unit = 0.0
        for k in range(int(_WINDOW[0] * n), ceil(_WINDOW[1] * n)):
            np.subtract(rows[-1 - k], rows[k], out=difference)
            np.add(total, difference, out=total)
            unit += expected[-1 - k] - expected[k]
        likely = self._copied("known", total)
        return np.multiply(likely, np.float32(1 / unit), out=likely)

    def attempt(self, shrink: float) -> Bools:
        """Return for which stacks limits at 1.5 ``shrink`` times the known deviation make a proof."""
        a, b, reach = (self._row(name) for name in ("a", "b", "reach"))
        np.multiply(self._known, np.float32(CLAMP * shrink), out=reach)
        for limit, centre, first, outermost, towards, whole, sign in (
            (a, self._high, self._first_a, self._least, np.maximum, np.ceil, -1),
            (b, self._low, self._first_b, self._greatest, np.minimum, np.floor, 1),
        ):
            (np.add if sign > 0 else np.subtract)(centre, reach, out=limit)
            towards(limit, first, out=limit)
            whole(limit, out=limit)
            towards(limit, outermost, out=limit)
        deviation = self._clamped(a, b)
        np.copyto(self._known, deviation)
        return self._holds(a, b, deviation)

    def _clamped(self, a: F32, b: F32) -> F32:
        """Clamp the outer ranks to [a, b]; return a lower bound of S and set the bounds of the centre."""
        n, outer, scratch = self._n, self._outer, self._scratch
        from_below, from_above = (scratch.row(name, np.uint8, self._length) for name in ("from below", "from above"))
        np.copyto(from_below, a, casting="unsafe")
        np.copyto(from_above, b, casting="unsafe")
        lower, upper = self._rows[: n // 2], self._rows[: (n - 1) // 2 : -1]
        raised = scratch.rows("raised", outer, np.uint8, self._length)
        lowered = scratch.rows("lowered", outer, np.uint8, self._length)
        sums = np.uint16 if outer * _LARGEST < 1 << 16 else np.uint32
        more, less = (scratch.row(name, sums, self._length) for name in ("more", "less"))
        change = scratch.row("change", np.uint8, self._length)
        more.fill(0)
        less.fill(0)
        for low, high, low_row, high_row in zip(lower, upper, raised, lowered, strict=False):
            np.maximum(low, from_below, out=low_row)
            np.subtract(low_row, low, out=change)
            np.add(more, change, out=more)
            np.minimum(high, from_above, out=high_row)
            np.subtract(high, high_row, out=change)
            np.add(less, change, out=less)
        self._bound_centre(more, less)
        deviation = self._scatter(raised, lowered)
        np.multiply(deviation, np.float32(FACTOR / sqrt(n - 1) * MARGIN), out=deviation)
        if self._slack:
            np.subtract(deviation, np.float32(self._slack * FACTOR * sqrt(n / (n - 1)) / 2), out=deviation)
        return deviation

    def _scatter(self, lower: list[Row], upper: list[Row]) -> F32:
        """Return a lower bound of sqrt(sum (x - mean)^2); the outer ranks are those given, from the outermost on."""
        n, outer, rows = self._n, self._outer, self._rows
        weigh = weights(n, CLAMP)
        lower, upper = lower + rows[: n // 2][outer:], upper + rows[: (n - 1) // 2 : -1][outer:]
        scatter = self._copied("deviation", weighted_spread(lower, upper, weigh, self._scratch))
        return np.multiply(scatter, np.float32(weigh.factor), out=scatter)

    def _bound_centre(self, more: NDArray[Any], less: NDArray[Any]) -> None:
        """Set the bounds of the centre, from the sums by which clamping raised and lowered keys.

        What ``total`` holds of a sample beyond its key is at most slack - blur; by so much more may those of the outer
        ranks lie above b. What it lacks only raises a clamped sample: it counts for the upper bound.
        """
        extra = self._slack * self._outer / self._n + _ROUNDING
        for sums, sign, bound in ((less, -1, self._low), (more, 1, self._high)):
            np.copyto(bound, sums)
            np.multiply(bound, np.float32(sign / self._n), out=bound)
            np.add(bound, self._mean, out=bound)
            np.add(bound, np.float32(sign * extra + (self._blur if sign > 0 else 0)), out=bound)

    def _holds(self, a: F32, b: F32, deviation: F32) -> Bools:
        """Return where all conditions of the proof are met."""
        recipe = self._recipe
        holds = self._scratch.row("holds", np.bool_, self._length)
        met = self._scratch.row("met", np.bool_, self._length)
        outer = self._outer if self._outer < self._n // 2 else self._n // 2 - 1
        np.less_equal(a, self._rows[outer], out=holds)
        # of ranks further in no sample lies above b, but for what ``total`` lacks
        inmost = self._row("part")
        np.copyto(inmost, self._rows[self._n - 1 - outer])
        np.add(inmost, np.float32(max(self._slack - self._blur, 0)), out=inmost)
        np.greater_equal(b, inmost, out=met)
        np.logical_and(holds, met, out=holds)
        np.logical_and(holds, self._near_at_first, out=holds)
        limits: tuple[_Condition, ...] = (
            (self._high, deviation, -CLAMP, np.less_equal, a),
            (self._low, deviation, CLAMP, np.greater_equal, b),
            (self._high, deviation, -recipe.sigma_low, np.less_equal, self._least),
            (self._low, deviation, recipe.sigma_high, np.greater_equal, self._furthest),
        )
        self._require(holds, limits)
        if self._cutoff <= max(recipe.sigma_low, recipe.sigma_high):  # else that follows
            self._require(holds, self._cutoff_limits(deviation))
        return holds

    def _cutoff_limits(self, deviation: F32) -> tuple[_Condition, ...]:
        cutoff = self._cutoff
        if not cutoff:
            return ()
        return (
            (self._high, deviation, -cutoff, np.less, self._least),
            (self._low, deviation, cutoff, np.greater, self._furthest),
        )

    def _require(self, holds: Bools, conditions: tuple[_Condition, ...]) -> None:
        """Unset ``holds`` where centre + k * deviation does not compare to the bound as it has to."""
        part, met = self._row("part"), self._scratch.row("met", np.bool_, self._length)
        for centre, deviation, k, compare, bound in conditions:
            np.multiply(deviation, np.float32(k), out=part)
            np.add(part, centre, out=part)
            compare(part, bound, out=met)
            np.logical_and(holds, met, out=holds)
