"""Bounds of the line of least absolute deviation through ranked samples, for many stacks of short integers.

Let r_0 <= ... <= r_(n-1) be the samples, m(b) the median of r_k - b k, and G(b) the sum of |r_k - b k - m(b)|, which is
what the best line's slope makes least. G is convex. With the signs y_k of r_k - b k - m(b), if they sum up to zero,
- sum y_k k is one of its slopes at b.

* Let G fall at p and not fall at q. Then the best slope is one of p..q, and G's least value is not below F, the height
  at which the tangents at p and q cross.
* The best line L with slope b is at rank k the median over j of r_j + b (k - j). At the highest rank no factor of b is
  negative, so L(n - 1) does not fall when b rises; and L(0) does not rise. So L(0) lies between m(q) and m(p), and
  L(n - 1) between m(p) + p (n - 1) and m(q) + q (n - 1). In between L is straight: with v = k / (n - 1) and u = 1 - v
  it is u m(q) + v m(p) + p k at least, and u m(p) + v m(q) + q k at most. So L(k) >= m(q) + p k and
  L(k) <= m(p) + q k.

So a rank stays if r_k - L(k) < k_high s and L(k) - r_k < k_low s, where s >= 2 F / n; and it goes if it lies beyond for
every s <= 2 G(b) / n, b one of p and q. Only the outermost ranks go, as a rule, and these are looked at one by one.

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
_ENDS: Final = (3, 1 / 32)  # ranks at each end that are looked at one by one: so many, and so many in terms of n
_ROOM: Final = 1.25  # for those that reach further than most
_OF_RANGE: Final = 0.05  # a residual is on average, in terms of a stack's range; normal ones are some 0.03
_MANY: Final = 64  # samples, sums of which want more than 16 bits
_EXACT: Final = (1 << 23) - 1  # whole numbers up to there, and differences of them, are exact in float32
_STEP: Final = 2  # slopes are odd numbers: of up to 2^places ranks, no two samples tie
_SHORT: Final = 127  # samples whose counts are held in eight bits
_FRACTION: Final = 15  # binary places of slopes
_LEVEL: Final = 1e-6  # stands for the slope of a tangent that is level: it bounds nothing


class Grid(NamedTuple):
    """Whole numbers for samples and slopes: a key is ``1 << places`` of them.

    Samples exceed them by up to ``slack``. Where they do, slopes may have binary places too, and lines are rounded up,
    which adds to that; brackets of exact keys close no further than whole slopes do, but sooner.
    """

    dtype: np.dtype[Any]
    places: int
    largest: int  # residuals stay below; their differences fit into the type
    slack: float

    @property
    def held(self) -> int:
        """Heights below are held; greater ones are too low."""
        return 1 << 8 * self.dtype.itemsize

    @classmethod
    def of(cls, keys: Sequence[Row], slack: float) -> "Grid":
        """Return the finest grid in which most stacks fit; sums of all ranks fit as well."""
        dtype = np.dtype(np.int16 if len(keys) < _MANY else np.int32)
        held = (1 << (8 * dtype.itemsize - 2)) - 1
        largest = min(held, _EXACT)
        ranges = np.sort(keys[-1][::_SAMPLED] - keys[0][::_SAMPLED])
        usual = max(int(_ROOM * ranges[len(ranges) * 15 // 16]), 1)
        of_sums = int(4 * held / (_OF_RANGE * len(keys)))
        places = min(max((min(largest, of_sums) // usual).bit_length() - 1, 1), 20)
        return cls(dtype, places, largest, slack * (1 << places) + (slack > 0))


class _Tangents(NamedTuple):
    """A tangent of G for each stack; all in units of the grid."""

    slope: F32
    level: F32  # m
    height: F32  # G, or less
    change: F32  # a slope of G here
    inner: F32  # greatest |r_k - b k - m| of all ranks but the outermost; less than 0 where the tangent tells nothing
    inmost: F32  # and of all but the ends
    doubt: F32  # how far beyond the slope the best one may be after all

    @property
    def tells(self) -> Bools:
        """Where it is a tangent at all; one that falls always is."""
        return self.inner >= 0

    def select(self, pixels: NDArray[np.intp]) -> "_Tangents":
        """Return those of some stacks."""
        return _Tangents(*(row.take(pixels) for row in self))

    def choose(self, other: "_Tangents", where: Bools) -> "_Tangents":
        """Return mine where it says so and the other's elsewhere. By bits: ``np.where`` is ten times slower."""
        mask = -where.astype(np.int32)
        chosen = []
        for one, two in zip(self, other, strict=True):
            a, b = one.view(np.int32), two.view(np.int32)
            change = np.bitwise_xor(a, b)
            np.bitwise_and(change, mask, out=change)
            chosen.append(np.bitwise_xor(b, change, out=change).view(np.float32))
        return _Tangents(*chosen)


class _Lower:
    """Adds up the ranks of the lower half of residuals: what makes a slope of G.

    A residual counts two where it is below the median, and one where it is the median itself. So y = 1 - count, and
    these sum up to zero if counts make up n. The sum over k of all counts up to k holds that of rank k n - k times;
    so - sum y_k k is n (n + 1) / 2 less that.
    """

    def __init__(self, n: int, length: int, scratch: Scratch) -> None:
        self._n = n
        self._weight = 1 if n % 2 else 2  # of an even number none is the median: a flag stands for two
        short, wide = (np.uint8, np.uint16) if n <= _SHORT else (np.uint16, np.uint32)
        self._together = max(int(np.iinfo(short).max) * self._weight // n, 1)
        self._flags = scratch.row("lower", np.bool_, length)
        self._count, self._part = (scratch.row(name, short, length) for name in ("count of lower", "part of counts"))
        self._sum, self._widened = (scratch.row(name, wide, length) for name in ("sum of counts", "widened part"))
        self._rows = 0
        for row in (self._count, self._part, self._sum):
            row.fill(0)

    def add(self, excess: Row) -> None:
        """Add the next rank: how far the residuals are above the median, or above some other that is."""
        flags = self._flags.view(np.uint8)
        np.less(excess, 0, out=self._flags)
        np.add(self._count, flags, out=self._count)
        if self._weight == 1:
            np.less_equal(excess, 0, out=self._flags)
            np.add(self._count, flags, out=self._count)
        np.add(self._part, self._count, out=self._part)
        self._rows += 1
        if self._rows % self._together == 0 or self._rows == self._n:
            np.copyto(self._widened, self._part)
            np.add(self._sum, self._widened, out=self._sum)
            self._part.fill(0)

    def change(self) -> tuple[F32, Bools]:
        """Return - sum y_k k, and where the y_k sum up to zero; elsewhere, where samples tie, it is zero."""
        n = self._n
        told: Bools = np.equal(self._count, n // self._weight)
        change = self._sum.astype(np.float32)
        change *= np.float32(-self._weight)
        change += np.float32(n * (n + 1) / 2)
        change *= told
        return change, told


def _ends(n: int) -> int:
    """Return how many ranks at each end are looked at one by one."""
    few, part = _ENDS
    return min(few + int(part * n), (n - 1) // 2)


class Untold(NamedTuple):
    """Stacks of which more has to be found out: their keys, and the tangents so far."""

    keys: Sequence[Row]
    left: _Tangents
    right: _Tangents

    @classmethod
    def together(cls, parts: "Sequence[Untold]") -> "Untold":
        """Put those of several lots side by side."""
        if len(parts) == 1:
            return parts[0]
        keys, lefts, rights = zip(*parts, strict=True)
        sides = (_Tangents(*(np.concatenate(rows) for rows in zip(*side, strict=True))) for side in (lefts, rights))
        return cls([np.concatenate(rows) for rows in zip(*keys, strict=True)], *sides)


class Bracket:
    """Tangents on either side of the best slopes of some sorted stacks, in working memory that is reused."""

    def __init__(self, keys: Sequence[Row], grid: Grid, scratch: Scratch, known: Untold | None = None) -> None:
        """Begin with two slopes, or with what is ``known``."""
        self._keys, self._n = keys, len(keys)
        self._grid = grid
        self._scratch = scratch
        self._rows = self._on_grid()
        self._guess = self._first_slope()
        self._left, self._right = known[1:] if known else self._begin()

    def select(self, pixels: NDArray[np.intp]) -> Untold:
        """Return what is known of some of the stacks."""
        return Untold([key.take(pixels) for key in self._keys], self._left.select(pixels), self._right.select(pixels))

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

    def _begin(self) -> tuple[_Tangents, _Tangents]:
        """Try two slopes: a likely one, and one on what should be the other side of the best."""
        here = self._tangents(self._guess)
        there = self._tangents(self._beyond(here))
        falls, still = here.change < 0, there.change < 0
        return here.choose(there, falls & ~still), here.choose(there, ~falls & still)

    def go_on(self) -> None:
        """Try another slope: near to where the tangents cross, or further out where one is on the wrong side."""
        left, right = self._left, self._right
        down, up = np.maximum(-left.change, 1), np.maximum(right.change, 0)
        cross = (left.height - right.height + down * left.slope + up * right.slope) / (down + up)
        close = self._guess * np.float32(_CLOSE / sqrt(self._n))
        np.minimum(close, np.float32(_PART) * np.maximum(right.slope - left.slope, 0), out=close)
        cross += np.copysign(close, left.slope + right.slope - 2 * cross)
        finely = self._grid.slack > 0
        inside = np.float32(0 if finely else _STEP)
        np.maximum(cross, left.slope + inside, out=cross)
        np.minimum(cross, right.slope - inside, out=cross)
        for side, wrong in ((right, left.change >= 0), (left, (right.change < 0) | ~right.tells)):
            pixels = np.flatnonzero(wrong)
            cross[pixels] = self._beyond(side).take(pixels)
        here = self._tangents(cross, finely=finely)
        self._left = here.choose(left, here.change < 0)
        self._right = here.choose(right, (here.change >= 0) & here.tells)

    def _beyond(self, tangents: _Tangents) -> F32:
        """Return slopes at which G changes the other way, if stacks are like normal samples."""
        step = np.abs(tangents.change)
        step *= np.float32(STEP / self._n**2)
        step += np.float32(DOUBT / sqrt(self._n))
        step *= self._guess
        step += _STEP
        beyond: F32 = tangents.slope - np.copysign(step, tangents.change, out=step)
        return beyond

    def _tangents(self, slope: F32, *, finely: bool = False) -> _Tangents:
        """Return tangents at slopes. Those that tell nothing are horizontal, at zero: too many samples tie there."""
        n = self._n
        slope, residuals = self._residuals(slope, finely=finely)
        level, above = self._middle(residuals)
        excess, total = self._ints("excess"), self._ints("total")
        inner, inmost = self._ints("inner"), self._ints("inmost")
        certain, wide, near = self._ints("certain"), self._ints("wide"), self._ints("near")
        for row in (total, inner, inmost, certain):
            row.fill(0)
        half_slack = ceil(self._grid.slack / 2)
        wide.fill(half_slack)
        ends = _ends(n)
        lower = _Lower(n, len(slope), self._scratch)
        for k, residual in enumerate(residuals):
            np.subtract(residual, above, out=excess)
            lower.add(excess)
            np.abs(excess, out=excess)
            np.add(total, excess, out=total)
            if 0 < k < n - 1:
                part = inmost if ends <= k < n - ends else inner
                np.maximum(part, excess, out=part)
            if self._grid.slack:
                np.add(certain, np.minimum(excess, wide, out=near), out=certain)
        change, told = lower.change()
        np.maximum(inner, inmost, out=inner)
        modulo = total.view(total.dtype.str.replace("i", "u"))  # never too high
        height, inner, inmost, doubt = (row.astype(np.float32) for row in (modulo, inner, inmost, certain))
        off = np.abs(level - above)
        for row in (inner, inmost):
            row += off
        np.copyto(inner, -1, where=~told)
        height *= told
        if self._grid.slack:
            np.subtract(2 * n * half_slack, 2 * doubt, out=doubt)
            np.divide(doubt, np.maximum(np.abs(change), _LEVEL), out=doubt)
        return _Tangents(slope, level, height, change, inner, inmost, doubt)

    def _residuals(self, slope: F32, *, finely: bool) -> tuple[F32, NDArray[Any]]:
        """Return r_k - b k and the slopes b, which are odd numbers or, ``finely``, have binary places.

        Then b k is rounded up.
        """
        slope = np.clip(slope, -_STEP, self._grid.largest // (self._n - 1) - _STEP)
        line = self._ints("line")
        residuals = self._scratch.table("residual", self._n, line.dtype, len(slope))
        if finely:
            return self._residuals_of_fine(slope, line, residuals)
        step = self._ints("step")
        np.copyto(step, slope * np.float32(1 / _STEP), casting="unsafe")
        np.multiply(step, _STEP, out=step)
        np.add(step, 1, out=step)
        line.fill(0)
        for row, residual in zip(self._rows, residuals, strict=True):
            np.subtract(row, line, out=residual)
            np.add(line, step, out=line)
        return step.astype(np.float32), residuals

    def _residuals_of_fine(self, slope: F32, line: Row, residuals: NDArray[Any]) -> tuple[F32, NDArray[Any]]:
        wide = np.dtype(np.int32 if line.dtype == np.int16 else np.int64)
        names = ("fine step", "steps", "whole line")
        step, sum_of_steps, whole = (self._scratch.row(name, wide, len(line)) for name in names)
        np.copyto(step, slope * np.float32(1 << _FRACTION), casting="unsafe")
        sum_of_steps.fill((1 << _FRACTION) - 1)
        for row, residual in zip(self._rows, residuals, strict=True):
            np.right_shift(sum_of_steps, _FRACTION, out=whole)
            np.copyto(line, whole, casting="unsafe")
            np.subtract(row, line, out=residual)
            np.add(sum_of_steps, step, out=sum_of_steps)
        return step.astype(np.float32) * np.float32(1 / (1 << _FRACTION)), residuals

    def _middle(self, residuals: NDArray[Any]) -> tuple[F32, Row]:
        """Return the medians of residuals, and whole numbers that part the lower half from the upper one."""
        n = self._n
        middle = of_ranks(residuals, {(n - 1) // 2, n // 2})
        above, part = self._ints("above"), self._ints("line")
        np.copyto(above, middle[n // 2])
        if n % 2:
            return above.astype(np.float32), above
        # of an even number, the mean rounded down and one more: above the one and not above the other, if these differ
        lower = middle[n // 2 - 1]
        level = above.astype(np.float32)
        level += lower
        level *= np.float32(0.5)
        np.subtract(above, lower, out=part)
        np.right_shift(np.add(part, 1, out=part), 1, out=part)
        np.subtract(above, part, out=above)
        return level, np.add(above, 1, out=above)

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

    def losses(self, recipe: Recipe, white: float, *, ends: bool) -> Losses:
        """Return what is rejected, where that is certain; ``white`` keys stand for 1.0.

        Every rank has to be certain to go or to stay, and those that go have to be outermost: the outermost itself, or
        some of the ``ends``.
        """
        left, right, few = self._left, self._right, _ends(self._n)
        looked_at = few if ends else 1
        inmost, inner = np.maximum(left.inmost, right.inmost), np.maximum(left.inner, right.inner)
        further = inmost if ends else inner
        least, doubt = self._least_deviation(), self._doubt()
        low, high = (least * np.float32(k) - doubt for k in (recipe.linear_fit_low, recipe.linear_fit_high))
        most = self._greatest_deviation(white)
        beyond_low, beyond_high = (
            most * np.float32(k) + doubt for k in (recipe.linear_fit_low, recipe.linear_fit_high)
        )
        certain = self._is_bracket() & self._fits() & (least > 0)
        certain &= further + left.level - right.level < np.minimum(low, high)
        counts = []
        far = (self._n - 2 * few) * inmost + 2 * (few - looked_at) * inner
        for inwards in (1, -1):
            count = np.zeros(len(least), np.uint16)
            going = np.ones(len(least), np.bool_)
            for rank in range(looked_at):
                at_least, at_most = self._distance(rank if inwards > 0 else self._n - 1 - rank)
                far += np.maximum(-at_least, at_most)
                stays = (-at_least < low) & (at_most < high)
                going &= -at_most >= beyond_low if inwards > 0 else at_least >= beyond_high
                certain &= going | stays
                count += going
            counts.append(count)
        certain &= far < self._grid.held
        for count in counts:
            np.multiply(count, certain, out=count)
        low_count, high_count = counts
        return Losses(low_count, high_count, certain)

    def _distance(self, rank: int) -> tuple[F32, F32]:
        """Return between what the sample of a rank lies above the line."""
        left, right = self._left, self._right
        at_least, at_most = (self._rows[rank].astype(np.float32) for _ in range(2))
        part = (left.level - right.level) * np.float32(rank / (self._n - 1))
        at_most -= part
        at_most -= right.level
        at_most -= left.slope * np.float32(rank)
        at_least += part
        at_least -= left.level
        at_least -= right.slope * np.float32(rank)
        return at_least, at_most

    def _greatest_deviation(self, white: float) -> F32:
        """Return the most that the deviation can be, if heights are not too low; ``white`` keys stand for 1.0."""
        n, (left, right) = self._n, (self._left, self._right)
        most: F32 = np.minimum(left.height, right.height) + np.float32(n / 2 * self._grid.slack)
        rise = right.slope + np.maximum(left.doubt, right.doubt)
        rise *= np.float32(1 / ((1 << self._grid.places) * white))
        np.square(rise, out=rise)
        np.add(rise, 1, out=rise)
        most *= np.sqrt(rise, out=rise)
        most *= np.float32(2 / n / MARGIN)
        return most

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
