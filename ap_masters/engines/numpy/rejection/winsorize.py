"""Winsorized mean and deviation as ImageIntegration 1.6.0 measures them, starting from the Sn scale estimator."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection import sn
from ap_masters.engines.numpy.rejection.survivors import ZERO, Bools, Floats, Ranks, Span, Stacks

Indices = NDArray[np.intp]

CLAMP: Final = 1.5
FACTOR: Final = 1.134
_CONVERGED: Final = 0.0005
_OUTER: Final = 0.2  # of the ranks at each end, which is as far as limits at 1.5 deviations usually reach
_WORTHWHILE: Final = 0.7  # with fewer stacks left than that, the others are put away


class Moments(NamedTuple):
    """Centre and deviation of each stack."""

    centre: Floats
    deviation: Floats

    def take(self, which: Indices) -> "Moments":
        """Return those of some stacks."""
        return Moments(self.centre.take(which), self.deviation.take(which))

    def put(self, which: Indices, new: "Moments") -> None:
        """Replace those of some stacks."""
        self.centre[which], self.deviation[which] = new


def winsorized_moments(stacks: Stacks, pixels: Indices, span: Span, cutoff: float) -> Moments:
    """Return Winsorized mean and deviation of the survivors of some pixels.

    Starts from the median and 1.1926 Sn; then clamps to centre -+ 1.5 deviations (samples beyond ``cutoff``
    deviations go to the centre), takes mean and 1.134 standard deviations of the clamped samples, and repeats
    on those until the deviation changes by less than 0.05 %. Where Sn is zero nothing is clamped.

    As a rule limits touch the outer ranks only, and nothing lies beyond the cutoff; that is worked out with the
    outer ranks and sums of the inner ones. The stacks for which it turns out not to hold are done to the letter.
    """
    result = _start(stacks, pixels, span)
    start = Moments(*(moment.copy() for moment in result))
    n = span.survivors
    most = int(n.max())
    usual = 2 * n > most
    few = min(int(_OUTER * most) + 2, int(n[usual].min()) // 2)
    some = np.flatnonzero(usual)
    ends = _Ends(stacks, pixels[some], span.select(some), few)
    failed = np.concatenate([np.flatnonzero(~usual), _iterate(ends, result, some, cutoff, stacks.full_scale)])
    for count in np.unique(n[failed]):
        same = failed[n[failed] == count]
        values = stacks.survivors(span.select(same), pixels[same], int(count))
        result.put(same, _to_the_letter(values, start.take(same), cutoff, stacks.full_scale))
    return result


def _start(stacks: Stacks, pixels: Indices, span: Span) -> Moments:
    """Return median and 1.1926 Sn of the survivors."""
    counts = span.survivors
    deviation = np.empty(len(pixels))
    for n in np.unique(counts):
        same = np.flatnonzero(counts == n)
        values = stacks.survivors(span.select(same), pixels[same], int(n))
        if stacks.short:  # differences of 16-bit samples are 16-bit numbers
            values = (values - values[0]).astype(np.uint16)
        deviation[same] = sn.CONSISTENCY * sn.factor(int(n)) * sn.middle_distance(values)
    return Moments(stacks.twice_median(span, pixels) / 2, deviation)


class _Ends:
    """Stacks being Winsorized at their ends, as deviations from the pivot: outer ranks, and sums of the inner ones."""

    def __init__(self, stacks: Stacks, pixels: Indices, span: Span, outer: int) -> None:
        self.n = span.survivors.astype(np.float64)
        self.pivot = stacks.pivot.take(pixels)
        first, last = span
        if len(pixels) == stacks.pixels and span.survivors.min() == stacks.frames:
            self.low = stacks.values[:outer] - self.pivot
            self.high = stacks.values[stacks.frames - outer :] - self.pivot
        else:
            self.low = self._ranks(stacks, pixels, first, outer)
            self.high = self._ranks(stacks, pixels, last - outer, outer)
        inner = Span(first + outer, last - outer)
        self.total, self.squares = stacks.sums(inner, pixels)
        # limits have to stay outside the first inner samples, or among the outer ones where there are no inner
        some = inner.survivors > 0
        self.first = np.where(some, stacks.at(np.minimum(inner.first, last - 1), pixels) - self.pivot, self.low[-1])
        self.last = np.where(some, stacks.at(np.maximum(inner.last - 1, first), pixels) - self.pivot, self.high[0])

    def _ranks(self, stacks: Stacks, pixels: Indices, start: Ranks, count: int) -> Floats:
        rows = np.empty((count, len(pixels)))
        for i, row in enumerate(rows):
            np.subtract(stacks.at(start + i, pixels), self.pivot, out=row)
        return rows

    def select(self, kept: Indices) -> None:
        """Go on with some of the stacks."""
        for name in ("n", "pivot", "total", "squares", "first", "last"):
            setattr(self, name, getattr(self, name).take(kept))
        self.low, self.high = self.low.take(kept, axis=1), self.high.take(kept, axis=1)

    def refuses(self, at: Moments, cutoff: float) -> Bools:
        """Return where limits would reach the inner samples, or a sample lies beyond the cutoff (0: none)."""
        centre, deviation = at
        bad: Bools = centre - CLAMP * deviation > self.first
        bad |= centre + CLAMP * deviation < self.last
        if cutoff > 0:
            bad |= centre - cutoff * deviation >= self.low[0]
            bad |= centre + cutoff * deviation <= self.high[-1]
        return bad

    def clamp(self, at: Moments) -> Moments:
        """Clamp to 1.5 deviations from the centre; return mean and Winsorized deviation of all ranks."""
        reach = CLAMP * at.deviation
        np.maximum(self.low, at.centre - reach, out=self.low)
        np.minimum(self.high, at.centre + reach, out=self.high)
        total = self.total + self.low.sum(0) + self.high.sum(0)
        squares = self.squares + np.einsum("ij,ij->j", self.low, self.low) + np.einsum("ij,ij->j", self.high, self.high)
        variance = (squares - total * total / self.n) / (self.n - 1)
        return Moments(total / self.n, FACTOR * np.sqrt(np.maximum(variance, 0)))


def _iterate(ends: _Ends, result: Moments, pixels: Indices, cutoff: float, full_scale: float) -> Indices:
    """Winsorize until each stack converges; results go to ``result`` at ``pixels``. Return those that failed."""
    failed = [pixels[:0]]
    now = result.take(pixels)
    now.centre[:] -= ends.pivot
    going = now.deviation > full_scale * ZERO
    turn = 0
    while going.any():
        bad = going & ends.refuses(now, cutoff)
        failed.append(pixels[bad])
        going &= ~bad
        before, now = now, ends.clamp(now)
        done = going & (now.deviation <= full_scale * ZERO)
        if turn:
            done |= going & (np.abs(before.deviation - now.deviation) < _CONVERGED * before.deviation)
        finished = np.flatnonzero(done)
        result.centre[pixels[finished]] = now.centre[finished] + ends.pivot[finished]
        result.deviation[pixels[finished]] = now.deviation[finished]
        going &= ~done
        turn += 1
        if np.count_nonzero(going) < _WORTHWHILE * len(pixels):
            left = np.flatnonzero(going)
            pixels, going, now = pixels[left], going[left], now.take(left)
            ends.select(left)
    return np.concatenate(failed)


def _to_the_letter(v: Floats, start: Moments, cutoff: float, full_scale: float) -> Moments:
    """Winsorize the stacks ``v``, every sample, as the definition says."""
    result = Moments(start.centre.copy(), start.deviation.copy())
    pixels = np.arange(v.shape[1])
    n = len(v)
    turn = 0
    while True:
        alive = result.deviation[pixels] > full_scale * ZERO
        v, pixels = v.compress(alive, axis=1), pixels[alive]
        if not len(pixels):
            return result
        c, s = result.take(pixels)
        low, high = v < c - CLAMP * s, v > c + CLAMP * s
        far = (low & (v <= c - cutoff * s)) | (high & (v >= c + cutoff * s)) if cutoff > 0 else np.False_
        v = np.where(far, c, np.where(low, c - CLAMP * s, np.where(high, c + CLAMP * s, v)))
        mean = v.mean(0)
        d = v - mean
        new = FACTOR * np.sqrt(np.maximum(((d * d).sum(0) - d.sum(0) ** 2 / n) / (n - 1), 0))
        result.put(pixels, Moments(mean, new))
        turn += 1
        if turn > 1:
            going = np.abs(s - new) / s >= _CONVERGED
            v, pixels = v.compress(going, axis=1), pixels[going]
