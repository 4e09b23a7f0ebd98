"""The line of least absolute deviation through ranked samples, exactly, for many stacks side by side."""

from itertools import pairwise
from math import ceil, sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.network import of_ranks
from ap_masters.engines.numpy.rejection.survivors import Bools, Floats, Ranks, take_columns

Row = NDArray[Any]
Rows = NDArray[Any]

WINDOW: Final = (0.06, 0.35)  # ranks whose differences from those as high tell the slope, in terms of n
STEP: Final = 1.2  # relative change of the slope over G' / n^2: somewhat more than normal samples want
DOUBT: Final = 0.28  # relative error of the first slope, times sqrt(n)
_ROOM: Final = 16  # residuals times their denominator are less than range * n^2 * this


class Lines(NamedTuple):
    """Lines (level / 2 + p rank) / q; whole numbers as long as the samples are."""

    p: Floats
    q: Floats
    level: Floats

    @property
    def slope(self) -> Floats:
        """Rise per rank."""
        return self.p / self.q


class _Tangents(NamedTuple):
    """Tangents height + change * b of G."""

    height: Row
    change: Row
    surplus: Row  # of samples above the median over those below

    def put(self, other: "_Tangents", to: Ranks, where: Bools) -> None:
        """Take over the other's where it says so, at the places ``to``."""
        some = np.flatnonzero(where)
        for mine, theirs in zip(self, other, strict=True):
            mine[to[some]] = theirs[some]

    def take(self, pixels: Ranks) -> "_Tangents":
        """Return those of some stacks."""
        return _Tangents(*(row.take(pixels) for row in self))


def least_absolute_deviation(r: Rows) -> Lines:
    """Return the lines of least absolute deviation through (rank, sample); of several the one of least slope.

    For a slope b the best intercept is the median of r - b i, and the sum of absolute residuals is, with the
    residuals split at that median, G = A + b D: A = sum of upper r - sum of lower r, D = sum of lower i - sum of
    upper i. That is one of the tangents of a convex, piecewise linear function of b. The minimum is found by
    cutting planes: from a tangent falling on the left and one not falling on the right, go to where they
    cross; A and D are whole numbers there, so the crossing is an exact fraction p/q, and so are the residuals
    times q. The end is reached where the left tangent at p/q falls and the right one does not: the least of all
    best slopes. Two slopes that the samples suggest are tried first; they are no more than a good start.
    """
    n = len(r)
    exact = _as_integers(r)
    rows = r.astype(np.float64) if exact is None else exact
    half = n // 2
    height = rows[n - half :].sum(0, dtype=rows.dtype) - rows[:half].sum(0, dtype=rows.dtype)
    steepest = np.full(len(height), half * (n - half), rows.dtype)
    search = _Search(rows, _Tangents(height, -steepest, 0 * steepest), _Tangents(-height, steepest, 0 * steepest))
    p, q = _likely(rows)
    change = search.look(p, q)
    search.look(_beyond(p, change, n), q)
    lines = search.finish()
    if exact is not None:
        # whole numbers were taken above the least sample
        return Lines(lines.p, lines.q, lines.level + 2 * lines.q * r[0])
    return lines


def _as_integers(r: Rows) -> NDArray[np.int32] | None:
    """Return the samples above the least of each stack in 32 bits; None where that loses anything."""
    n = len(r)
    above = r.astype(np.int32) if r.dtype.itemsize <= 2 else r - r[0]
    if r.dtype.itemsize <= 2:
        above -= above[0].copy()
    if float(above[-1].max(initial=0)) * n * n * _ROOM >= 1 << 31:  # numpy's own numbers would wrap
        return None
    whole: NDArray[np.int32] = above.astype(np.int32, copy=False)
    return whole if r.dtype.itemsize <= 2 or np.array_equal(whole, above) else None


def _likely(rows: Rows) -> tuple[Row, Row]:
    """Return, as a fraction, the mean slope between ranks of a window and those as high from the other end."""
    n = len(rows)
    start, end = int(WINDOW[0] * n), ceil(WINDOW[1] * n)
    p = rows[n - end : n - start].sum(0, dtype=rows.dtype) - rows[start:end].sum(0, dtype=rows.dtype)
    return p, np.full(len(p), sum(n - 1 - 2 * k for k in range(start, end)), rows.dtype)


def _beyond(p: Row, change: Row, n: int) -> Row:
    """Return a slope (over the same q) where G changes the other way, if stacks are like normal samples."""
    step = p * (np.abs(change) * (STEP / n**2) + DOUBT / sqrt(n))
    beyond: Row = (p - np.copysign(step, change)).astype(p.dtype)
    return beyond


class _Search:
    """A bracket of the best slope of each stack, which closes."""

    def __init__(self, rows: Rows, left: _Tangents, right: _Tangents) -> None:
        self._rows = rows
        self._n, self._pixels = rows.shape
        self._left, self._right = left, right
        self._rank = np.arange(self._n, dtype=rows.dtype)[:, None]
        half = self._n // 2
        self._middle = sorted({half - 1, half, self._n - half - 1, self._n - half})
        self._buffers = np.empty((2, self._n, self._pixels), rows.dtype)

    def look(self, p: Row, q: Row) -> Row:
        """Look at the slopes p/q, and narrow the bracket; return one of G's slopes there."""
        everything = np.arange(len(p))
        _, here, _, tied = self._measure(p, q)
        falls = here.change < 0
        self._left.put(here, everything, ~tied & falls & (here.change > self._left.change))
        self._right.put(here, everything, ~tied & ~falls & (here.change < self._right.change))
        return here.change

    def finish(self) -> Lines:
        """Go to where the tangents cross until that is the minimum, everywhere."""
        lines = Lines(*(np.empty(self._pixels) for _ in range(3)))
        todo = np.arange(self._pixels)
        left, right = self._left, self._right
        while len(todo):
            p, q = left.height - right.height, right.change - left.change
            level, here, excess, tied = self._measure(p, q)
            before, after = self._either_side(here, excess, tied)
            # A tangent that is no nearer than the one there was is the same again: samples that are no whole numbers
            # cross a little beside p/q, and would for ever.
            too_steep = (before.change >= 0) & (before.change < right.change)
            too_flat = (after.change < 0) & (after.change > left.change)
            everything = np.arange(len(todo))
            right.put(before, everything, too_steep)
            left.put(after, everything, too_flat)
            going = too_steep | too_flat
            done = np.flatnonzero(~going)
            for target, row in zip(lines, (p, q, level), strict=True):
                target[todo[done]] = row[done]
            keep = np.flatnonzero(going)
            todo = todo.take(keep)
            left, right = left.take(keep), right.take(keep)
            self._rows = take_columns(self._rows, keep)
        return lines

    def _measure(self, p: Row, q: Row) -> tuple[Row, _Tangents, Rows, Bools]:
        """Return twice the median of r q - p i, a tangent, twice what is left of samples, and where some tie.

        Those that tie for a place next to the median are in none of the tangent's halves.
        """
        rows, rank = self._rows, self._rank
        residual, other = (buffer[:, : len(p)] for buffer in self._buffers)
        np.multiply(rows, q, out=residual)
        np.subtract(residual, np.multiply(rank, p, out=other), out=residual)
        middle = of_ranks(residual, self._middle)
        half = self._n // 2
        tied = middle[half - 1] == middle[half]
        if self._n % 2:
            tied |= middle[half] == middle[half + 1]
        level = middle[(self._n - 1) // 2] + middle[half]
        excess = np.add(residual, residual, out=residual)
        np.subtract(excess, level, out=excess)
        sign = np.sign(excess, out=other)
        surplus = np.add.reduce(sign, axis=0, dtype=sign.dtype)
        part = sign * rank
        change = -np.add.reduce(part, axis=0, dtype=sign.dtype)
        np.multiply(sign, rows, out=part)
        height = np.add.reduce(part, axis=0, dtype=sign.dtype)
        # where samples are no whole numbers, the level may be rounded to one of those next to it: no tie, but uneven
        return level, _Tangents(height, change, surplus), excess, tied | (surplus != 0)

    def _either_side(self, here: _Tangents, excess: Rows, tied: Bools) -> tuple[_Tangents, _Tangents]:
        """Return the tangents just below and just above the slopes.

        Just below a slope the samples that tie go to the lower half by rank until it is full, then to the upper
        one; just above it the other way round. Of z samples that tie, and with s more above the median than below
        it, the lower half lacks (z + s) / 2 and the upper one (z - s) / 2; with an odd number of samples each lacks
        half a sample less, and the tie between belongs to neither. So the j-th of them goes where the sign of
        2 j - (z + 1) - s says, or of (z + 1) - 2 j - s.
        """
        some = np.flatnonzero(tied)
        if not len(some):
            return here, here
        if 2 * len(some) > len(tied):  # others are left as they are, and gathering costs as much as the rest
            return self._sides(here, self._rows, excess)
        sides = self._sides(here.take(some), take_columns(self._rows, some), take_columns(excess, some))
        both = [_Tangents(*(row.copy() for row in here)) for _ in sides]
        for tangents, side in zip(both, sides, strict=True):
            for row, of_some in zip(tangents, side, strict=True):
                row[some] = of_some
        before, after = both
        return before, after

    def _sides(self, here: _Tangents, rows: Rows, excess: Rows) -> tuple[_Tangents, _Tangents]:
        ties = np.equal(excess, 0).astype(rows.dtype)
        place = 2 * ties
        for previous, row in pairwise(place):
            np.add(previous, row, out=row)
        place -= place[-1] // 2 + 1
        sides = []
        for side in (place, -place):
            sign = np.sign(side - here.surplus)
            np.multiply(sign, ties, out=sign)
            change = here.change - np.add.reduce(sign * self._rank, axis=0, dtype=sign.dtype)
            np.multiply(sign, rows, out=sign)
            height = here.height + np.add.reduce(sign, axis=0, dtype=sign.dtype)
            sides.append(_Tangents(height, change, here.surplus))
        before, after = sides
        return before, after
