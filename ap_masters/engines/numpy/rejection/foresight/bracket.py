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

from ap_masters.engines.network import apply_network, selecting_network
from ap_masters.engines.numpy.rejection.survivors import Bools
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Recipe

Row = NDArray[Any]
F32 = NDArray[np.float32]

_MARGIN: Final = 1 - 1e-4  # some hundred float32 operations round by less than 2e-5
_SAMPLED: Final = 16  # every so-manieth stack tells how fine a grid can be
_WINDOW: Final = (0.06, 0.35)  # ranks whose differences from those as high tell the slope, in terms of n
_STEP: Final = 1.5  # relative change of the slope over G' / n^2: somewhat more than normal samples want
_DOUBT: Final = 0.25  # relative error of the first slope, times sqrt(n)
_CLOSE: Final = 0.06  # relative distance from where tangents cross to the next slope, times sqrt(n)
_LEVEL: Final = 1e-6  # stands for the slope of a tangent that is level: it bounds nothing


class Grid(NamedTuple):
    """Whole numbers for samples and slopes: a key is ``1 << places`` of them. All are even, and have exact means."""

    dtype: np.dtype[Any]
    places: int
    largest: int  # residuals stay below; their differences fit into the type
    slack: float

    @classmethod
    def of(cls, keys: Sequence[Row], slack: float) -> "Grid":
        """Return the finest grid in which most stacks fit; sums of all ranks fit as well."""
        dtype = np.dtype(np.int16 if len(keys) < 256 else np.int32)
        largest = (1 << (8 * dtype.itemsize - 2)) - 1
        ranges = np.sort(keys[-1][::_SAMPLED] - keys[0][::_SAMPLED])
        usual = int(ranges[len(ranges) * 15 // 16])
        places = min(max((largest // max(usual, 1)).bit_length() - 1, 1), 20)
        return cls(dtype, places, largest, slack * (1 << places))


class _Tangents(NamedTuple):
    """A tangent of G for each stack; all in units of the grid."""

    slope: F32
    level: F32  # m
    height: F32  # G, or less
    change: F32  # a slope of G here
    inner: F32  # greatest |r_k - b k - m| of all ranks but the outermost
    doubt: F32  # how far beyond the slope the best one may be after all

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
        middle = frozenset({(self._n - 1) // 2, self._n // 2})
        self._network = selecting_network(self._n, middle)
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
        start, end = int(_WINDOW[0] * self._n), ceil(_WINDOW[1] * self._n)
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
        cross += np.copysign(close, left.slope + right.slope - 2 * cross)
        for side, wrong in ((left, left.change >= 0), (right, right.change < 0)):
            pixels = np.flatnonzero(wrong)
            cross[pixels] = self._beyond(side).take(pixels)
        here = self._tangents(cross)
        falls = here.change < 0
        self._left, _ = here.choose(left, falls)
        self._right, _ = right.choose(here, falls)

    def _beyond(self, tangents: _Tangents) -> F32:
        """Return slopes at which G changes the other way, if stacks are like normal samples."""
        step = np.abs(tangents.change)
        step *= np.float32(_STEP / self._n**2)
        step += np.float32(_DOUBT / sqrt(self._n))
        step *= self._guess
        beyond: F32 = tangents.slope - np.copysign(step, tangents.change, out=step)
        return beyond

    def _tangents(self, slope: F32) -> _Tangents:
        """Return tangents at slopes, rounded to the grid; those that say nothing are horizontal, at zero."""
        n = self._n
        step, line = self._ints("step"), self._ints("line")
        half = np.multiply(slope, np.float32(0.5))
        np.clip(half, 0, self._grid.largest // (n - 1) // 2, out=half)
        np.copyto(step, half, casting="unsafe")
        np.add(step, step, out=step)
        level = self._middle(step)
        np.copyto(line, level)
        excess, sign = self._ints("excess"), self._ints("sign")
        count, change, total, inner = (self._ints(name) for name in ("count", "change", "total", "inner"))
        certain, wide = self._ints("certain"), self._ints("wide")
        for row in (count, change, total, inner, certain):
            row.fill(0)
        half_slack = ceil(self._grid.slack / 2)
        wide.fill(half_slack)
        for k, row in enumerate(self._rows):
            np.subtract(row, line, out=excess)
            np.add(line, step, out=line)
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
        height = total.view(total.dtype.str.replace("i", "u"))  # modulo 2^16: never too high
        floats = [row.astype(np.float32) for row in (step, level, height, change, inner, certain)]
        if self._grid.slack:
            np.subtract(2 * n * half_slack, 2 * floats[-1], out=floats[-1])
            np.divide(floats[-1], np.maximum(np.abs(floats[3]), _LEVEL), out=floats[-1])
        return _Tangents(*floats)

    def _middle(self, step: Row) -> Row:
        """Return the medians of r_k - b k."""
        line, spare = self._ints("line"), self._ints("spare residual")
        residual = self._scratch.rows("residual", self._n, step.dtype, len(step))
        line.fill(0)
        for row, rest in zip(self._rows, residual, strict=True):
            np.subtract(row, line, out=rest)
            np.add(line, step, out=line)
        apply_network(self._network, residual, spare)
        lower, upper = residual[(self._n - 1) // 2], residual[self._n // 2]
        level: Row = np.right_shift(lower, 1, out=self._ints("level"))
        np.add(level, np.right_shift(upper, 1, out=line), out=level)
        return level

    def loses_nothing(self, recipe: Recipe) -> Bools:
        """Return for which stacks there is a proof that nothing is rejected."""
        n, slack, left, right = self._n, self._grid.slack, self._left, self._right
        reach = self._rows[-1].astype(np.float32)
        down, up = np.maximum(-left.change, 1), np.maximum(right.change, 0)
        total = (left.height * up + right.height * down - down * up * (right.slope - left.slope)) / (down + up)
        deviation = (total - n // 2 * slack) * np.float32(2 / n * _MARGIN)
        doubt = np.maximum(left.doubt, right.doubt) * (n - 1) + slack
        low, high = (deviation * np.float32(k) - doubt for k in (recipe.linear_fit_low, recipe.linear_fit_high))
        holds = (left.change < 0) & (right.change >= 0)
        holds &= reach - left.level - (n - 1) * left.slope < high
        holds &= left.level < low
        holds &= -right.level < high
        holds &= right.level + (n - 1) * right.slope - reach < low
        inner = np.maximum(left.inner, right.inner) + left.level - right.level
        holds &= inner < np.minimum(low, high)
        if not slack:
            holds |= reach == 0
        holds &= np.subtract(self._keys[-1], self._keys[0]) <= self._grid.largest >> self._grid.places
        proven: Bools = holds
        return proven
