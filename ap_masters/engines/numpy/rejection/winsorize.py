"""Winsorized mean and deviation as ImageIntegration 1.6.0 measures them, starting from the Sn scale estimator.

The definition: start from c = median and s = 1.1926 Sn; clamp the samples to c -+ 1.5 s (those beyond ``cutoff``
deviations go to c instead); c = mean and s = 1.134 standard deviations of the clamped samples; repeat on these
until s changes by less than 0.05 %. It is written in rounded arithmetic, on samples from 0 to 1, so where rounding
decides, its own roundings in its own order are the definition. They decide next to never. So there are two ways:

* ``winsorize`` computes centre and deviation in whatever order is fast, and knows what its own and the definition's
  rounding can do. Where a comparison on the way is closer than that, it says that it is unsure.
* ``to_the_letter`` does what the definition says, operation by operation.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from math import sqrt
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection import sn
from ap_masters.engines.numpy.rejection.survivors import ZERO, Bools, Floats, take_columns

Indices = NDArray[np.intp]

CLAMP: Final = 1.5
FACTOR: Final = 1.134
_CONVERGED: Final = 0.0005
_CLAMPED: Final = 0.067  # of normal samples at each end
_AT_ONCE: Final = 1 << 16  # outer samples in float64: they stay in the cache
_FEW: Final = 512  # stacks that are not worth putting together again
_TURNS: Final = 20
_NEAR: Final = 2e-9  # of the first deviation: what is closer may be decided by rounding
_NEAR_LEVEL: Final = 1e-12  # of the level, for the definition's rounding: its samples are not taken about a centre
_SHRUNK: Final = 1e-3  # a deviation below so much of the first one may have lost its digits


class Winsorized(NamedTuple):
    """Centre and deviation of each stack; where ``unsure``, they mean nothing."""

    centre: Floats
    deviation: Floats
    unsure: Bools


class Group(NamedTuple):
    """Stacks of as many samples each: ``r + offset``, (n, pixels), sorted; and where their results belong."""

    where: Indices
    r: NDArray[Any]
    offset: Floats
    cutoff: float  # in deviations; 0 for none


def winsorize(groups: Sequence[Group], full_scale: float) -> Winsorized:
    """Winsorize groups of stacks; their ``where`` are all the places there are.

    Limits at 1.5 deviations usually reach the outer ranks only; that is worked out with these and the sums of the
    others. The few stacks for which it turns out not to be so are done again with every rank an outer one.
    """
    pixels = sum(len(group.where) for group in groups)
    result = Winsorized(np.empty(pixels), np.empty(pixels), np.zeros(pixels, np.bool_))
    starts = [_start(group, result, full_scale) for group in groups]
    going = (result.deviation > 0) & ~result.unsure
    most = max(len(group.r) for group in groups)
    few = int(_CLAMPED * most + 2.5 * sqrt(_CLAMPED * most)) + 1
    for outer in (few, most):
        refused = [np.arange(0)]
        parts: list[_Winsorizing] = []
        for group, start in zip(groups, starts, strict=True):
            for some in _batches(np.flatnonzero(going[group.where]), outer):
                stacks = _Winsorizing.of(group, start, some, min(outer, len(group.r) // 2))
                parts.append(stacks.run(result, refused) if stacks.is_large else stacks)
        while parts:
            parts = [stacks.run(result, refused) for stacks in _Winsorizing.together(parts)]
        going = np.zeros(pixels, np.bool_)
        going[np.concatenate(refused)] = True
    for group in groups:
        result.centre[group.where] += group.offset
    return result


def _middle_distance(r: NDArray[Any]) -> Floats:
    """Return Sn's distance; of short integers by way of 8 bits wherever these hold the differences."""
    if r.dtype.kind not in "iu" or r.dtype == np.uint8:
        return sn.middle_distance(r).astype(np.float64)
    distance = np.empty(r.shape[1])
    above = (r - r[0]).view(np.uint16)
    fits = above[-1] < 256
    if fits.all():
        return sn.middle_distance(above.astype(np.uint8)).astype(np.float64)
    for which, dtype in ((np.flatnonzero(fits), np.uint8), (np.flatnonzero(~fits), np.uint16)):
        if len(which):
            distance[which] = sn.middle_distance(take_columns(above, which).astype(dtype))
    return distance


def _start(group: Group, result: Winsorized, full_scale: float) -> "Start":
    """Put medians and first deviations into ``result``: they are what comes out where nothing is clamped."""
    where, r, offset, _ = group
    n = len(r)
    median = (r[(n - 1) // 2].astype(np.float64) + r[n // 2]) / 2
    s0 = sn.CONSISTENCY * sn.factor(n) * _middle_distance(r)
    result.centre[where], result.deviation[where] = median, s0
    result.unsure[where] = (s0 > 0) & (s0 < 4 * ZERO * full_scale)
    return Start(median, s0, _NEAR * s0 + _NEAR_LEVEL * np.abs(median + offset))


def _batches(some: Indices, outer: int) -> Iterator[Indices]:
    """Yield some stacks in batches that stay in the cache."""
    size = max(_AT_ONCE // (2 * outer), 1)
    for first in range(0, len(some), size):
        yield some[first : first + size]


class Start(NamedTuple):
    """Median and 1.1926 Sn of each stack, and how close a comparison may come before rounding decides it."""

    median: Floats
    deviation: Floats
    near: Floats


class _Winsorizing:
    """Stacks being Winsorized together, as deviations from their medians.

    As long as limits stay outside the inner ranks, these contribute their sums alone. ``ends[0]`` holds the outer
    ranks below, ``ends[1]`` those above, negated, so that clamping is one maximum for both; limits likewise.

    Limits always embrace the median 0: it stays a median of what is clamped about it, and no mean is further from
    a median than a standard deviation, which is less than 1.5 * 1.134 of them.
    """

    _SINGLE: ClassVar = 8  # rows of the state before those in pairs

    def __init__(self, where: Indices, state: Floats, turn: int, cutoff: float) -> None:
        """Take stacks that belong ``where``; the columns of ``state`` are all that is known about each."""
        self.where, self.state, self.turn, self.cutoff = where, state, turn, cutoff
        rows, pixels = state.shape
        pairs = self._SINGLE + 4
        self.centre, self.deviation, self.median, self.first, self.near = state[:5]
        self.count, self.total, self.squares = state[5 : self._SINGLE]
        self.inner, self.limits = state[self._SINGLE : pairs].reshape(2, 2, pixels)
        self.ends = state[pairs:].reshape(2, (rows - pairs) // 2, pixels)

    @classmethod
    def of(cls, group: Group, start: Start, some: Indices, outer: int) -> Self:
        """Begin with some stacks of a group."""
        start_at, end = some[0], some[-1] + 1
        r = group.r[:, start_at:end] if end - start_at == len(some) else take_columns(group.r, some)
        median, deviation, near = (row[some] for row in start)
        n, pixels = r.shape
        made = cls(group.where[some], np.empty((cls._SINGLE + 4 + 2 * outer, pixels)), 0, group.cutoff)
        made.centre.fill(0)
        made.count.fill(n)
        made.median[:], made.deviation[:], made.first[:], made.near[:] = median, deviation, deviation, near
        np.copyto(made.ends[0], r[:outer])
        np.subtract(made.ends[0], median, out=made.ends[0])
        np.copyto(made.ends[1], r[n - outer :])
        np.subtract(median, made.ends[1], out=made.ends[1])
        inner = np.empty((n - 2 * outer, pixels))
        np.copyto(inner, r[outer : n - outer])
        np.subtract(inner, median, out=inner)
        np.add.reduce(inner, axis=0, out=made.total)
        np.einsum("ij,ij->j", inner, inner, out=made.squares)
        made.inner[:] = (inner[0], -inner[-1]) if len(inner) else 0.0
        return made

    @property
    def is_large(self) -> bool:
        """Say whether this is worth while alone."""
        return self.ends.size > _AT_ONCE // 2

    @classmethod
    def together(cls, parts: "Iterable[_Winsorizing]") -> "Iterator[_Winsorizing]":
        """Put stacks that have got equally far together, in batches."""
        alike: dict[tuple[bool, int, float], list[_Winsorizing]] = {}
        for part in parts:
            if len(part.where):
                alike.setdefault((part.turn > 0, len(part.state), part.cutoff), []).append(part)
        for some in alike.values():
            where = np.concatenate([part.where for part in some])
            state = np.concatenate([part.state for part in some], axis=1)
            turn = max(part.turn for part in some)
            for columns in _batches(np.arange(len(where)), some[0].ends.shape[1]):
                yield cls(where[columns], state[:, columns[0] : columns[-1] + 1], turn, some[0].cutoff)

    def run(self, result: Winsorized, refused: list[Indices]) -> Self:
        """Go on until half of the stacks are done, and return the others.

        What comes out is put into ``result``; where limits reach the inner ranks is added to ``refused``.
        """
        going = np.ones(len(self.where), np.bool_)
        enough = len(going) // 2 if len(going) > _FEW else 0
        while np.count_nonzero(going) > enough:
            unsure = self._replace_far() if self.turn == 0 and self.cutoff > 0 else ~going
            inside = self._limit() & going
            if inside.any():
                refused.append(self.where[inside])
                going &= ~inside
            before = self.deviation.copy()
            self._clamp()
            self._find_shrunk(before, unsure)
            if self.turn:
                change = np.abs(before - self.deviation)
                change -= _CONVERGED * before
                converged = going & (change < -self.near) & ~unsure
                unsure |= np.abs(change, out=change) <= self.near
                self._finish(result, np.flatnonzero(converged))
                going &= ~converged
            self.turn += 1
            if self.turn == _TURNS:
                unsure[:] = True
            result.unsure[self.where[unsure & going]] = True
            going &= ~unsure
        return self._select(np.flatnonzero(going))

    def _select(self, kept: Indices) -> Self:
        return type(self)(self.where[kept], take_columns(self.state, kept), self.turn, self.cutoff)

    def _finish(self, result: Winsorized, which: Indices) -> None:
        there = self.where[which]
        result.centre[there] = self.centre[which] + self.median[which]
        result.deviation[there] = self.deviation[which]

    def _replace_far(self) -> Bools:
        """Move samples beyond the cutoff to the median; return where it is not clear what is beyond.

        They then lie within all limits to come, as the inner ranks do. What is not clamped stays where it is, so a
        cutoff counts from the first limits on only.
        """
        unsure = np.zeros(len(self.where), np.bool_)
        limit = -max(self.cutoff, CLAMP) * self.deviation
        for rows, outermost in zip(self.ends, (0, -1), strict=True):
            some = np.flatnonzero(rows[outermost] <= limit + self.near)
            part = take_columns(rows, some)
            unsure[some] |= (np.abs(part - limit[some]) <= self.near[some]).any(0)
            rows[:, some] = np.where(part <= limit[some], 0.0, part)
        return unsure

    def _limit(self) -> Bools:
        """Set the limits to 1.5 deviations from the centre; return where they reach the inner ranks."""
        below, above = self.limits
        reach = CLAMP * self.deviation
        np.subtract(self.centre, reach, out=below)
        np.add(self.centre, reach, out=above)
        np.negative(above, out=above)
        inside: Bools = np.logical_or.reduce(self.limits > self.inner, axis=0)
        return inside

    def _clamp(self) -> None:
        """Clamp to the limits; set centre and deviation to the Winsorized ones."""
        n = self.count
        np.maximum(self.ends, self.limits[:, None, :], out=self.ends)
        below, above = np.add.reduce(self.ends, axis=1)
        squares = np.einsum("sip,sip->p", self.ends, self.ends)
        squares += self.squares
        below -= above
        below += self.total
        np.divide(below, n, out=self.centre)
        below *= self.centre
        squares -= below
        squares /= n - 1
        np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
        np.multiply(squares, FACTOR, out=self.deviation)

    def _find_shrunk(self, before: Floats, unsure: Bools) -> None:
        """Add to ``unsure`` where the deviation has shrunk so much that a sample may lie beyond the cutoff again.

        Samples and centre lie between the limits, three deviations ``before`` apart. Nor may a deviation lose its
        digits, which are those of the first one's square.
        """
        unsure |= self.deviation < _SHRUNK * self.first
        if self.cutoff > 0:
            unsure |= self.deviation * self.cutoff <= (2 * CLAMP * (1 + _NEAR)) * before


# --- as it is written -------------------------------------------------------------------------------------


def to_the_letter(v: Floats, cutoff: float) -> tuple[Floats, Floats]:
    """Return Winsorized mean and deviation of the sorted stacks ``v`` (n, pixels), samples of which 1.0 is white.

    Every operation and its order is the definition's.
    """
    n = len(v)
    centre = (v[(n - 1) // 2] + v[n // 2]) / 2
    deviation: Floats = sn.CONSISTENCY * (sn.factor(n) * sn.middle_distance(v))
    pixels = np.arange(v.shape[1])
    turn = 0
    while True:
        alive = 1.0 + deviation[pixels] != 1.0
        v, pixels = v.compress(alive, axis=1), pixels[alive]
        if not len(pixels):
            return centre, deviation
        c, s = centre[pixels], deviation[pixels]
        lower, upper = c - CLAMP * s, c + CLAMP * s
        low, high = v < lower, v > upper
        far = (low & (v <= c - cutoff * s)) | (high & (v >= c + cutoff * s)) if cutoff > 0 else np.False_
        v = np.where(far, c, np.where(low, lower, np.where(high, upper, v)))
        mean = _in_order(v) / n
        d = v - mean
        total = _in_order(d)
        new = FACTOR * np.sqrt(np.maximum((_in_order(d * d) - total * total / n) / (n - 1), 0))
        centre[pixels], deviation[pixels] = mean, new
        turn += 1
        if turn > 1:
            going = np.abs(s - new) / s >= _CONVERGED
            v, pixels = v.compress(going, axis=1), pixels[going]


def _in_order(rows: Floats) -> Floats:
    """Add up rows one after the other; numpy's sum may take them in another order."""
    return reduce(np.add, rows)
