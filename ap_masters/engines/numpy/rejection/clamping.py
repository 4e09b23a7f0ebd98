"""Stacks side by side being clamped to ever narrower limits: what every way of Winsorizing does, turn by turn."""

from math import sqrt
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ap_masters.engines.numpy.rejection.survivors import Bools, Floats, take_columns

Row = NDArray[Any]
Indices = NDArray[np.intp]

CLAMP: Final = 1.5  # deviations from the centre to either limit
FACTOR: Final = 1.134  # makes the deviation of clamped normal samples theirs
CONVERGED: Final = 0.0005  # relative change of the deviation below which the definition stops
_CLAMPED: Final = 0.067  # of normal samples at each end
_SHRUNK: Final = 1e-3  # a deviation below so much of the first one may have lost its digits
_ROUNDED: Final = 1e-5  # of a product of deviations


def usually_outer(n: int) -> int:
    """Return how many ranks at each end of n normal samples limits at 1.5 deviations reach, as a rule."""
    return int(_CLAMPED * n + 3.5 * sqrt(_CLAMPED * n)) + 1


class Group(NamedTuple):
    """Stacks of as many samples each: ``r + offset``, (n, pixels), sorted; and where their results belong."""

    where: Indices
    r: NDArray[Any]
    offset: Floats
    cutoff: float  # in deviations; 0 for none

    def select(self, some: Indices) -> "Group":
        """Return some of the stacks."""
        return Group(self.where[some], take_columns(self.r, some), self.offset[some], self.cutoff)


class Start(NamedTuple):
    """Median and 1.1926 Sn of each stack, and how close to a limit at 1.5 of these it is not certain what is beyond."""

    median: Row
    deviation: Row
    near: Row


class Clamped:
    """Stacks as deviations from their medians, in one type of floats.

    As long as limits stay outside the inner ranks, these contribute their sums alone. ``ends[0]`` holds the outer
    ranks below, ``ends[1]`` those above, negated, so that clamping is one maximum for both; limits likewise.

    Limits always embrace the median 0: it stays a median of what is clamped about it, and no mean is further from
    a median than a standard deviation, which is less than 1.5 * 1.134 of them.
    """

    _SINGLE: ClassVar = 8  # rows of the state before those in pairs

    def __init__(self, state: Row) -> None:
        """Take stacks; the columns of ``state`` are all that is known about each."""
        self.state = state
        rows, pixels = state.shape
        pairs = self._SINGLE + 4
        self.centre, self.deviation, self.median, self.first, self.near = state[:5]
        self.count, self.total, self.squares = state[5 : self._SINGLE]
        self.inner, self.limits = state[self._SINGLE : pairs].reshape(2, 2, pixels)
        self.ends = state[pairs:].reshape(2, (rows - pairs) // 2, pixels)

    @classmethod
    def state_of(cls, r: NDArray[Any], start: Start, outer: int, dtype: DTypeLike) -> Row:
        """Return the state of sorted stacks ``r`` (n, pixels) with so many outer ranks at each end."""
        n, pixels = r.shape
        made = Clamped(np.empty((cls._SINGLE + 4 + 2 * outer, pixels), dtype))
        made.centre.fill(0)
        made.count.fill(n)
        made.median[:], made.deviation[:], made.first[:], made.near[:] = start[0], start[1], start[1], start[2]
        inner = np.empty((n - 2 * outer, pixels), dtype)
        # whole numbers of few bits, their halves, and differences of them are exact in any floats
        exact = r.dtype.kind in "iu" and r.dtype.itemsize <= np.dtype(dtype).itemsize // 2
        median = start.median.astype(dtype) if exact else start.median
        for rows, out in ((r[:outer], made.ends[0]), (r[outer : n - outer], inner), (r[n - outer :], made.ends[1])):
            if exact:
                np.copyto(out, rows)
                np.subtract(out, median, out=out)
            else:
                np.subtract(rows, median, out=out, casting="same_kind")
        np.negative(made.ends[1], out=made.ends[1])
        np.add.reduce(inner, axis=0, out=made.total)
        np.einsum("ij,ij->j", inner, inner, out=made.squares)
        made.inner[:] = (inner[0], -inner[-1]) if len(inner) else 0.0
        return made.state

    def replace_far(self, cutoff: float) -> Bools:
        """Move samples beyond the cutoff to the median; return where it is not clear what is beyond.

        They then lie within all limits to come, as the inner ranks do. What is not clamped stays where it is, so a
        cutoff counts from the first limits on only.
        """
        unclear = np.zeros(self.state.shape[1], np.bool_)
        cutoff = max(cutoff, CLAMP)
        limit, near = -cutoff * self.deviation, cutoff / CLAMP * self.near
        for rows, outermost in zip(self.ends, (0, -1), strict=True):
            some = np.flatnonzero(rows[outermost] <= limit + near)
            part = take_columns(rows, some)
            unclear[some] |= (np.abs(part - limit[some]) <= near[some]).any(0)
            rows[:, some] = np.where(part <= limit[some], 0.0, part)
        return unclear

    def limit(self) -> Bools:
        """Set the limits to 1.5 deviations from the centre; return where they reach the inner ranks."""
        below, above = self.limits
        reach = CLAMP * self.deviation
        np.subtract(self.centre, reach, out=below)
        np.add(self.centre, reach, out=above)
        np.negative(above, out=above)
        return self.reaches_inside()

    def reaches_inside(self) -> Bools:
        """Return where the limits reach the inner ranks."""
        inside: Bools = np.logical_or.reduce(self.limits > self.inner, axis=0)
        return inside

    def clamp(self) -> Row:
        """Clamp to the limits; set centre and deviation to the Winsorized ones. Return the sums of both ends."""
        n = self.count
        np.maximum(self.ends, self.limits[:, None, :], out=self.ends)
        sums: Row = np.add.reduce(self.ends, axis=1)
        below, above = sums
        squares = np.einsum("sip,sip->p", self.ends, self.ends)
        squares += self.squares
        total = below - above
        total += self.total
        np.divide(total, n, out=self.centre)
        total *= self.centre
        squares -= total
        squares /= n - 1
        np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
        np.multiply(squares, FACTOR, out=self.deviation)
        return sums

    def find_shrunk(self, before: Row, cutoff: float, unclear: Bools) -> None:
        """Add to ``unclear`` where the deviation has shrunk so much that a sample may lie beyond the cutoff again.

        Samples and centre lie between the limits, three deviations ``before`` apart. Nor may a deviation lose its
        digits, which are those of the first one's square.
        """
        unclear |= self.deviation < _SHRUNK * self.first
        if cutoff > 0:
            unclear |= self.deviation * cutoff <= (2 * CLAMP * (1 + _ROUNDED)) * before
