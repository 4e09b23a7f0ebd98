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
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection import sn
from ap_masters.engines.numpy.rejection.clamping import CLAMP, CONVERGED, FACTOR, Clamped, Group, Start, usually_outer
from ap_masters.engines.numpy.rejection.survivors import ZERO, Bools, Floats, take_columns

Indices = NDArray[np.intp]

_AT_ONCE: Final = 1 << 16  # outer samples in float64: they stay in the cache
_FEW: Final = 512  # stacks that are not worth putting together again
_TURNS: Final = 20
_NEAR: Final = 2e-9  # of the first deviation: what is closer may be decided by rounding
_NEAR_LEVEL: Final = 1e-12  # of the level, for the definition's rounding: its samples are not taken about a centre


class Winsorized(NamedTuple):
    """Centre and deviation of each stack; where ``unsure``, they mean nothing."""

    centre: Floats
    deviation: Floats
    unsure: Bools


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
    for outer in (usually_outer(most), most):
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


def _start(group: Group, result: Winsorized, full_scale: float) -> "Start":
    """Put medians and first deviations into ``result``: they are what comes out where nothing is clamped."""
    where, r, offset, _ = group
    n = len(r)
    median = (r[(n - 1) // 2].astype(np.float64) + r[n // 2]) / 2
    s0 = sn.CONSISTENCY * sn.factor(n) * sn.exact_distance(r)
    result.centre[where], result.deviation[where] = median, s0
    result.unsure[where] = (s0 > 0) & (s0 < 4 * ZERO * full_scale)
    return Start(median, s0, _NEAR * s0 + _NEAR_LEVEL * np.abs(median + offset))


def _batches(some: Indices, outer: int) -> Iterator[Indices]:
    """Yield some stacks in batches that stay in the cache."""
    size = max(_AT_ONCE // (2 * outer), 1)
    for first in range(0, len(some), size):
        yield some[first : first + size]


class _Winsorizing(Clamped):
    """Stacks being Winsorized together until their deviations settle; they belong ``where``."""

    def __init__(self, where: Indices, state: Floats, turn: int, cutoff: float) -> None:
        super().__init__(state)
        self.where, self.turn, self.cutoff = where, turn, cutoff

    @classmethod
    def of(cls, group: Group, start: Start, some: Indices, outer: int) -> Self:
        """Begin with some stacks of a group."""
        first, last = some[0], some[-1]
        r = group.r[:, first : last + 1] if last - first + 1 == len(some) else take_columns(group.r, some)
        part = Start(*(row[some] for row in start))
        return cls(group.where[some], cls.state_of(r, part, outer, np.float64), 0, group.cutoff)

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
            unsure = self.replace_far(self.cutoff) if self.turn == 0 and self.cutoff > 0 else ~going
            inside = self.limit() & going
            if inside.any():
                refused.append(self.where[inside])
                going &= ~inside
            before = self.deviation.copy()
            self.clamp()
            self.find_shrunk(before, self.cutoff, unsure)
            if self.turn:
                change = np.abs(before - self.deviation)
                change -= CONVERGED * before
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
            going = np.abs(s - new) / s >= CONVERGED
            v, pixels = v.compress(going, axis=1), pixels[going]


def _in_order(rows: Floats) -> Floats:
    """Add up rows one after the other; numpy's sum may take them in another order."""
    return reduce(np.add, rows)
