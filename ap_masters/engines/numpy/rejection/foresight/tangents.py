"""Tangents of the sum of absolute deviations from a line through ranked samples, for many stacks of short integers.

Let r_0 <= ... <= r_(n-1) be the samples, m(b) the median of r_k - b k, and G(b) the sum of |r_k - b k - m(b)|. G is
convex. With the signs y_k of r_k - b k - m(b), if they sum up to zero, - sum y_k k is one of its slopes at b.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.network import of_ranks
from ap_masters.engines.numpy.rejection.foresight.stacks import F32, usual_range
from ap_masters.engines.numpy.rejection.survivors import Bools
from ap_masters.engines.numpy.scratch import Scratch

Row = NDArray[Any]

APART: Final = 2  # slopes are odd numbers: of up to 2^places ranks, no two samples tie
_ENDS: Final = (3, 1 / 32)  # ranks at each end that are looked at one by one: so many, and so many in terms of n
_OF_RANGE: Final = 0.05  # a residual is on average, in terms of a stack's range; normal ones are some 0.03
_MANY: Final = 64  # samples, sums of which want more than 16 bits
_EXACT: Final = (1 << 23) - 1  # whole numbers up to there, and differences of them, are exact in float32
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
        of_sums = int(4 * held / (_OF_RANGE * len(keys)))
        places = min(max((min(largest, of_sums) // usual_range(keys)).bit_length() - 1, 1), 20)
        return cls(dtype, places, largest, slack * (1 << places) + (slack > 0))


class Tangents(NamedTuple):
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

    def select(self, pixels: NDArray[np.intp]) -> "Tangents":
        """Return those of some stacks."""
        return Tangents(*(row.take(pixels) for row in self))

    def choose(self, other: "Tangents", where: Bools) -> "Tangents":
        """Return mine where it says so and the other's elsewhere. By bits: ``np.where`` is ten times slower."""
        mask = -where.astype(np.int32)
        chosen = []
        for one, two in zip(self, other, strict=True):
            a, b = one.view(np.int32), two.view(np.int32)
            change = np.bitwise_xor(a, b)
            np.bitwise_and(change, mask, out=change)
            chosen.append(np.bitwise_xor(b, change, out=change).view(np.float32))
        return Tangents(*chosen)


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


def ends_of(n: int) -> int:
    """Return how many ranks at each end are looked at one by one."""
    few, part = _ENDS
    return min(few + int(part * n), (n - 1) // 2)


def on_grid(keys: Sequence[Row], grid: Grid, scratch: Scratch) -> list[Row]:
    """Return keys above the least one of their stack, as whole numbers of the grid."""
    least = keys[0]
    above = scratch.row("above least", least.dtype, len(least))
    rows = scratch.rows("on grid", len(keys), grid.dtype, len(least))
    for key, row in zip(keys, rows, strict=True):
        np.subtract(key, least, out=above)
        np.copyto(row, above)
        np.left_shift(row, grid.places, out=row)
    return rows


class Deviations:
    """The sums of absolute deviations of some sorted stacks, in working memory that is reused."""

    def __init__(self, rows: Sequence[Row], grid: Grid, scratch: Scratch) -> None:
        """Take stacks that are on the grid."""
        self.rows, self.n, self.grid = rows, len(rows), grid
        self._scratch = scratch

    def _ints(self, name: str) -> Row:
        return self._scratch.row(name, self.grid.dtype, len(self.rows[0]))

    def tangents(self, slope: F32, *, finely: bool = False) -> Tangents:
        """Return tangents at slopes. Those that tell nothing are horizontal, at zero: too many samples tie there."""
        n = self.n
        slope, residuals = self._residuals(slope, finely=finely)
        level, above = self._middle(residuals)
        excess, total = self._ints("excess"), self._ints("total")
        inner, inmost = self._ints("inner"), self._ints("inmost")
        certain, wide, near = self._ints("certain"), self._ints("wide"), self._ints("near")
        for row in (total, inner, inmost, certain):
            row.fill(0)
        half_slack = ceil(self.grid.slack / 2)
        wide.fill(half_slack)
        ends = ends_of(n)
        lower = _Lower(n, len(slope), self._scratch)
        for k, residual in enumerate(residuals):
            np.subtract(residual, above, out=excess)
            lower.add(excess)
            np.abs(excess, out=excess)
            np.add(total, excess, out=total)
            if 0 < k < n - 1:
                part = inmost if ends <= k < n - ends else inner
                np.maximum(part, excess, out=part)
            if self.grid.slack:  # modulo 2^16, too: where that wraps there is more doubt
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
        if self.grid.slack:
            np.subtract(2 * n * half_slack, 2 * doubt, out=doubt)
            np.divide(doubt, np.maximum(np.abs(change), _LEVEL), out=doubt)
        return Tangents(slope, level, height, change, inner, inmost, doubt)

    def _residuals(self, slope: F32, *, finely: bool) -> tuple[F32, NDArray[Any]]:
        """Return r_k - b k and the slopes b, which are odd numbers or, ``finely``, have binary places.

        Then b k is rounded up.
        """
        slope = np.clip(slope, -APART, self.grid.largest // (self.n - 1) - APART)
        line = self._ints("line")
        residuals = self._scratch.table("residual", self.n, line.dtype, len(slope))
        if finely:
            return self._residuals_of_fine(slope, line, residuals)
        step = self._ints("step")
        np.copyto(step, slope * np.float32(1 / APART), casting="unsafe")
        np.multiply(step, APART, out=step)
        np.add(step, 1, out=step)
        line.fill(0)
        for row, residual in zip(self.rows, residuals, strict=True):
            np.subtract(row, line, out=residual)
            np.add(line, step, out=line)
        return step.astype(np.float32), residuals

    def _residuals_of_fine(self, slope: F32, line: Row, residuals: NDArray[Any]) -> tuple[F32, NDArray[Any]]:
        wide = np.dtype(np.int32 if line.dtype == np.int16 else np.int64)
        names = ("fine step", "steps", "whole line")
        step, sum_of_steps, whole = (self._scratch.row(name, wide, len(line)) for name in names)
        np.copyto(step, slope * np.float32(1 << _FRACTION), casting="unsafe")
        sum_of_steps.fill((1 << _FRACTION) - 1)
        for row, residual in zip(self.rows, residuals, strict=True):
            np.right_shift(sum_of_steps, _FRACTION, out=whole)
            np.copyto(line, whole, casting="unsafe")
            np.subtract(row, line, out=residual)
            np.add(sum_of_steps, step, out=sum_of_steps)
        return step.astype(np.float32) * np.float32(1 / (1 << _FRACTION)), residuals

    def _middle(self, residuals: NDArray[Any]) -> tuple[F32, Row]:
        """Return the medians of residuals, and whole numbers that part the lower half from the upper one."""
        n = self.n
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
