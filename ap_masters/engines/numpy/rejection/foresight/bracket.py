"""Bounds of the line of least absolute deviation through ranked samples, for many stacks of short integers.

Let r_0 <= ... <= r_(n-1) be the samples, m(b) the median of r_k - b k, and G(b) the sum of |r_k - b k - m(b)|, which is
what the best line's slope makes least. G is convex. With the signs y_k of r_k - b k - m(b), if they sum up to zero,
- sum y_k k is one of its slopes at b.

* Let G fall at p and not fall at q. Then the best slope is one of p..q, and G's least value is not below F, the height
  at which the tangents at p and q cross.
* The best line L with slope b is at rank k the median over j of r_j + b (k - j). At the highest rank no factor of b is
  negative, so L(n - 1) does not fall when b rises; and L(0) does not rise. So L(0) lies between m(q) and m(p), and
  L(n - 1) between m(p) + p (n - 1) and m(q) + q (n - 1). In between L is straight: with weights u + v = 1 it is
  u m(q) + v m(p) + p k at least, and u m(p) + v m(q) + q k at most. So L(k) >= m(q) + p k and L(k) <= m(p) + q k.

So nothing is rejected if r_k - L(k) < k_high s and L(k) - r_k < k_low s for all k, and s >= 2 F / n.

Where samples exceed their keys by up to S, F is lower by up to n // 2 * S, as there are as many signs of either kind.
The best slope may be a little below p: with e_k for r_k - p k - m(p) of the keys, and the tangent of the same signs y_k
through the samples themselves, their own G(p) is above that by sum (|e_k + d_k| - y_k (e_k + d_k)) at most,
|d_k| <= S / 2. That is X = sum max(0, S - 2 |e_k|) or less, and where the tangent is above G(p), G's least value is
not: the best slope is not below p - X / |G'(p)|. (Nor above q + X / |G'(q)|.) A change of the slope moves the bounds of
L by up to n - 1 times as much.
"""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.network import of_ranks
from ap_masters.engines.numpy.rejection.deviation import DOUBT, STEP, WINDOW
from ap_masters.engines.numpy.rejection.foresight.stacks import F32, MARGIN
from ap_masters.engines.numpy.rejection.survivors import Bools, Losses
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Recipe

Row = NDArray[Any]

_SAMPLED: Final = 16  # every so-manieth stack tells how fine a grid can be
_CLOSE: Final = 0.06  # relative distance from where tangents cross to the next slope, times sqrt(n)
_PART: Final = 0.15  # and of the bracket's width, at most
_OF_RANGE: Final = 0.05  # a residual is on average, in terms of a stack's range; normal ones are some 0.03
_MANY: Final = 64  # samples, sums of which want more than 16 bits
_EXACT: Final = (1 << 23) - 1  # whole numbers up to there, and differences of them, are exact in float32
_EVEN: Final = 2
_FRACTION: Final = 15  # binary places of slopes
_LEVEL: Final = 1e-6  # stands for the slope of a tangent that is level: it bounds nothing


class Grid(NamedTuple):
    """Whole numbers for samples and slopes: a key is ``1 << places`` of them. All are even, and have exact means.

    Samples exceed them by up to ``slack``. Where they do, slopes have binary places too, and lines are rounded up to
    even numbers, which adds to that; brackets of exact keys close no further than whole slopes do, but sooner.
    """

    dtype: np.dtype[Any]
    places: int
    largest: int  # residuals stay below; their differences fit into the type
    slack: float

    @classmethod
    def of(cls, keys: Sequence[Row], slack: float) -> "Grid":
        """Return the finest grid in which most stacks fit; sums of all ranks fit as well."""
        dtype = np.dtype(np.int16 if len(keys) < _MANY else np.int32)
        held = (1 << (8 * dtype.itemsize - 2)) - 1
        largest = min(held, _EXACT)
        ranges = np.sort(keys[-1][::_SAMPLED] - keys[0][::_SAMPLED])
        usual = max(int(ranges[len(ranges) * 15 // 16]), 1)
        of_sums = int(4 * held / (_OF_RANGE * len(keys)))
        places = min(max((min(largest, of_sums) // usual).bit_length() - 1, 1), 20)
        return cls(dtype, places, largest, slack * (1 << places) + _EVEN * (slack > 0))


class _Tangents(NamedTuple):
    """A tangent of G for each stack; all in units of the grid."""

    slope: F32
    level: F32  # m
    height: F32  # G, or less
    change: F32  # a slope of G here
    inner: F32  # greatest |r_k - b k - m| of all ranks but the outermost; less than 0 where the tangent tells nothing
    doubt: F32  # how far beyond the slope the best one may be after all

    @property
    def tells(self) -> Bools:
        """Where it is a tangent at all; one that falls always is."""
        return self.inner >= 0

    def select(self, pixels: NDArray[np.intp]) -> "_Tangents":
        """Return those of some stacks."""
        return _Tangents(*(row.take(pixels) for row in self))

    def choose(self, other: "_Tangents", where: Bools) -> tuple["_Tangents", "_Tangents"]:
        """Return mine where it says so and the other's elsewhere, and what is left over.

        By bits: ``np.where`` is ten times slower.
        """
        mask = -where.astype(np.int32)
        chosen, left_over = [], []
        for one, two in zip(self, other, strict=True):
            a, b = one.view(np.int32), two.view(np.int32)
            change = np.bitwise_xor(a, b)
            np.bitwise_and(change, mask, out=change)
            chosen.append(np.bitwise_xor(b, change).view(np.float32))
            left_over.append(np.bitwise_xor(a, change, out=change).view(np.float32))
        return _Tangents(*chosen), _Tangents(*left_over)


class Bracket:
    """Tangents on either side of the best slopes of some sorted stacks, in working memory that is reused."""

    def __init__(self, keys: Sequence[Row], grid: Grid, scratch: Scratch) -> None:
        self._keys, self._n = keys, len(keys)
        self._grid = grid
        self._scratch = scratch
        self._rows = self._on_grid()
        self._guess = self._first_slope()
        self._left = self._right = _Tangents(*(self._guess,) * 6)

    def select(self, pixels: NDArray[np.intp]) -> "Bracket":
        """Return that of some of the stacks; this one is then used up."""
        bracket = Bracket([key.take(pixels) for key in self._keys], self._grid, self._scratch)
        bracket._left, bracket._right = self._left.select(pixels), self._right.select(pixels)
        return bracket

    def _ints(self, name: str) -> Row:
        return self._scratch.row(name, self._grid.dtype, len(self._keys[0]))

    def _on_grid(self) -> list[Row]:
        """Return the keys above the least one of their stack, as whole numbers of the grid."""
        least = self._keys[0]
        above = self._scratch.row("above least", least.dtype, len(least))
        rows = self._scratch.rows("on grid", self._n, self._grid.dtype, len(least))
        for key, row in zip(self._keys, rows, strict=True):
            np.subtract(key, least, out=above)
            np.copyto(row, above)
            np.left_shift(row, self._grid.places, out=row)
        return rows

    def _first_slope(self) -> F32:
        """Return the mean slope between ranks of a window and those as high from the other end."""
        start, end = int(WINDOW[0] * self._n), ceil(WINDOW[1] * self._n)
        length = len(self._keys[0])
        difference = np.empty(length, self._keys[0].dtype)
        total: Row = np.zeros(length, np.uint16 if difference.itemsize == 1 else np.uint32)
        for k in range(start, end):
            np.subtract(self._keys[-1 - k], self._keys[k], out=difference)
            np.add(total, difference, out=total)
        ranks = sum(self._n - 1 - 2 * k for k in range(start, end))
        slope: F32 = total.astype(np.float32)
        slope *= np.float32((1 << self._grid.places) / ranks)
        return slope

    def begin(self) -> None:
        """Try two slopes: a likely one, and one on what must be the other side of the best."""
        here = self._tangents(self._guess)
        there = self._tangents(self._beyond(here))
        self._left, self._right = here.choose(there, here.change < 0)

    def go_on(self) -> None:
        """Try another slope: near to where the tangents cross, or further out where one is on the wrong side."""
        left, right = self._left, self._right
        down, up = np.maximum(-left.change, 1), np.maximum(right.change, 0)
        cross = (left.height - right.height + down * left.slope + up * right.slope) / (down + up)
        close = self._guess * np.float32(_CLOSE / sqrt(self._n))
        np.minimum(close, np.float32(_PART) * np.maximum(right.slope - left.slope, 0), out=close)
        cross += np.copysign(close, left.slope + right.slope - 2 * cross)
        np.maximum(cross, left.slope, out=cross)
        np.minimum(cross, right.slope, out=cross)
        for side, wrong in ((left, left.change >= 0), (right, (right.change < 0) | ~right.tells)):
            pixels = np.flatnonzero(wrong)
            cross[pixels] = self._beyond(side).take(pixels)
        here = self._tangents(cross, finely=self._grid.slack > 0)
        self._left, _ = here.choose(left, here.change < 0)
        self._right, _ = here.choose(right, (here.change >= 0) & here.tells)

    def _beyond(self, tangents: _Tangents) -> F32:
        """Return slopes at which G changes the other way, if stacks are like normal samples."""
        step = np.abs(tangents.change)
        step *= np.float32(STEP / self._n**2)
        step += np.float32(DOUBT / sqrt(self._n))
        step *= self._guess
        beyond: F32 = tangents.slope - np.copysign(step, tangents.change, out=step)
        return beyond

    def _tangents(self, slope: F32, *, finely: bool = False) -> _Tangents:
        """Return tangents at slopes. Those that tell nothing are horizontal, at zero: too many samples tie there."""
        n = self._n
        slope, residuals = self._residuals(slope, finely=finely)
        level = self._middle(residuals)
        excess, sign = self._ints("excess"), self._ints("sign")
        count, change, total, inner = (self._ints(name) for name in ("count", "change", "total", "inner"))
        certain, wide = self._ints("certain"), self._ints("wide")
        for row in (count, change, total, inner, certain):
            row.fill(0)
        half_slack = ceil(self._grid.slack / 2)
        wide.fill(half_slack)
        for k, residual in enumerate(residuals):
            np.subtract(residual, level, out=excess)
            np.sign(excess, out=sign)
            np.add(count, sign, out=count)
            np.add(change, count, out=change)
            np.abs(excess, out=excess)
            np.add(total, excess, out=total)
            if 0 < k < n - 1:
                np.maximum(inner, excess, out=inner)
            if self._grid.slack:
                np.add(certain, np.minimum(excess, wide, out=sign), out=certain)
        balanced = (count == 0).astype(total.dtype)
        np.multiply(change, balanced, out=change)
        np.multiply(total, balanced, out=total)
        np.copyto(inner, -1, where=count != 0)
        height = total.view(total.dtype.str.replace("i", "u"))  # modulo 2^16: never too high
        floats = [row.astype(np.float32) for row in (level, height, change, inner, certain)]
        if self._grid.slack:
            doubt = floats[-1]
            np.subtract(2 * n * half_slack, 2 * doubt, out=doubt)
            np.divide(doubt, np.maximum(np.abs(floats[2]), _LEVEL), out=doubt)
        return _Tangents(slope, *floats)

    def _residuals(self, slope: F32, *, finely: bool) -> tuple[F32, NDArray[Any]]:
        """Return r_k - b k and the slopes b, which are even numbers or, ``finely``, have binary places.

        Then b k is rounded up to an even number.
        """
        slope = np.clip(slope, 0, self._grid.largest // (self._n - 1) - 1)
        line = self._ints("line")
        residuals = self._scratch.table("residual", self._n, line.dtype, len(slope))
        if finely:
            return self._residuals_of_fine(slope, line, residuals)
        step = self._ints("step")
        np.copyto(step, slope * np.float32(0.5), casting="unsafe")
        np.add(step, step, out=step)
        line.fill(0)
        for row, residual in zip(self._rows, residuals, strict=True):
            np.subtract(row, line, out=residual)
            np.add(line, step, out=line)
        return step.astype(np.float32), residuals

    def _residuals_of_fine(self, slope: F32, line: Row, residuals: NDArray[Any]) -> tuple[F32, NDArray[Any]]:
        wide = np.dtype(np.int32 if line.dtype == np.int16 else np.int64)
        names = ("fine step", "steps", "half line")
        step, sum_of_steps, half = (self._scratch.row(name, wide, len(line)) for name in names)
        np.copyto(step, slope * np.float32(1 << _FRACTION), casting="unsafe")
        sum_of_steps.fill((2 << _FRACTION) - 1)
        for row, residual in zip(self._rows, residuals, strict=True):
            np.right_shift(sum_of_steps, _FRACTION + 1, out=half)
            np.copyto(line, half, casting="unsafe")
            np.left_shift(line, 1, out=line)
            np.subtract(row, line, out=residual)
            np.add(sum_of_steps, step, out=sum_of_steps)
        return step.astype(np.float32) * np.float32(1 / (1 << _FRACTION)), residuals

    def _middle(self, residuals: NDArray[Any]) -> Row:
        """Return the medians of residuals."""
        lower, upper = (self._n - 1) // 2, self._n // 2
        middle = of_ranks(residuals, {lower, upper})
        level: Row = np.right_shift(middle[lower], 1, out=self._ints("level"))
        np.add(level, np.right_shift(middle[upper], 1, out=self._ints("line")), out=level)
        return level

    def loses_nothing(self, recipe: Recipe) -> Bools:
        """Return for which stacks there is a proof that nothing is rejected."""
        n, left, right = self._n, self._left, self._right
        reach = self._rows[-1].astype(np.float32)
        deviation, doubt = self._least_deviation(), self._doubt()
        low, high = (deviation * np.float32(k) - doubt for k in (recipe.linear_fit_low, recipe.linear_fit_high))
        holds = self._is_bracket()
        holds &= reach - left.level - (n - 1) * left.slope < high
        holds &= left.level < low
        holds &= -right.level < high
        holds &= right.level + (n - 1) * right.slope - reach < low
        inner = np.maximum(left.inner, right.inner) + left.level - right.level
        holds &= inner < np.minimum(low, high)
        if not self._grid.slack:
            holds |= reach == 0
        holds &= self._fits()
        proven: Bools = holds
        return proven

    def losses(self, recipe: Recipe, white: float) -> Losses:
        """Return what is rejected, where that is certain; ``white`` keys stand for 1.0.

        Every rank has to be certain to go or to stay, and those that go have to be outermost.
        """
        n, left, right = self._n, self._left, self._right
        rank = np.arange(n, dtype=np.float32)[:, None]
        total = np.full(len(left.slope), np.inf, np.float32)
        bounds = []
        for t in (left, right):
            residual = rank * t.slope
            residual += t.level
            for row, target in zip(self._rows, residual, strict=True):
                np.subtract(row, target, out=target)
            np.minimum(total, np.abs(residual).sum(0), out=total)
            bounds.append(residual)
        total += np.float32(n / 2 * self._grid.slack)
        at_least, at_most = bounds
        rise = right.slope / np.float32((1 << self._grid.places) * white)
        most = total * np.sqrt(1 + rise * rise) * np.float32(2 / n / MARGIN)
        least = self._least_deviation()
        turn = rank * (right.slope - left.slope) + self._doubt()
        at_least -= turn  # r_k - L(k)
        at_most += turn
        certain = self._is_bracket() & self._fits() & (least > 0)
        counts = []
        for surely, perhaps, place in (
            (at_most <= -recipe.linear_fit_low * most, at_least <= -recipe.linear_fit_low * least, rank + 1),
            (at_least >= recipe.linear_fit_high * most, at_most >= recipe.linear_fit_high * least, n - rank),
        ):
            count = np.count_nonzero(surely, axis=0)
            certain &= (count == np.count_nonzero(perhaps, axis=0)) & (count == (surely * place).max(0))
            counts.append(count)
        low, high = (np.where(certain, count, 0) for count in counts)
        return Losses(low, high, certain)

    def _is_bracket(self) -> Bools:
        """Return where G falls on the left and does not on the right, further up."""
        left, right = self._left, self._right
        is_one: Bools = (left.change < 0) & (right.change >= 0) & right.tells & (left.slope <= right.slope)
        return is_one

    def _fits(self) -> Bools:
        """Return which stacks fit into the grid."""
        fits: Bools = np.subtract(self._keys[-1], self._keys[0]) <= self._grid.largest >> self._grid.places
        return fits

    def _least_deviation(self) -> F32:
        """Return the least that the deviation can be."""
        n, left, right = self._n, self._left, self._right
        down, up = np.maximum(-left.change, 1), np.maximum(right.change, 0)
        total = (left.height * up + right.height * down - down * up * (right.slope - left.slope)) / (down + up)
        least: F32 = (total - n // 2 * self._grid.slack) * np.float32(2 / n * MARGIN)
        return least

    def _doubt(self) -> F32:
        """Return how far a sample may be nearer to the line, or further off, than the bounds of keys tell."""
        doubt: F32 = np.maximum(self._left.doubt, self._right.doubt) * (self._n - 1) + np.float32(self._grid.slack)
        return doubt
