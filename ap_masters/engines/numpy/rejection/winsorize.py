"""Winsorized mean and deviation as ImageIntegration 1.6.0 measures them, starting from the Sn scale estimator."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection import sn
from ap_masters.engines.numpy.rejection.survivors import ZERO, Bools, Floats, Span, Stacks, is_zero

CLAMP: Final = 1.5
FACTOR: Final = 1.134
_CONVERGED: Final = 0.0005
_WORTHWHILE: Final = 0.7  # with fewer stacks left than that, the others are put away
_OUTER: Final = 0.2  # of the ranks at each end, which is as far as limits at 1.5 deviations usually reach


class Moments(NamedTuple):
    """Centre and deviation of each stack."""

    centre: Floats
    deviation: Floats


def winsorized_moments(stacks: Stacks, span: Span, cutoff: float) -> Moments:
    """Return Winsorized mean and deviation of the survivors of each stack.

    Starts from the median and 1.1926 Sn; then clamps to centre -+ 1.5 deviations (samples beyond ``cutoff``
    deviations go to the centre), takes mean and 1.134 standard deviations of the clamped samples, and repeats
    on those until the deviation changes by less than 0.05 %. Where Sn is zero nothing is clamped.
    """
    result = Moments(np.empty(stacks.pixels), np.empty(stacks.pixels))
    counts = span.survivors
    for n in np.unique(counts):
        same = np.flatnonzero(counts == n)
        values = stacks.survivors(span, same, int(n))
        median = (values[(n - 1) // 2] + values[n // 2]) / 2
        start = Moments(median, sn.CONSISTENCY * sn.factor(int(n)) * _middle_distance(values, stacks.short))
        moments = _converge(values, start, cutoff, stacks.full_scale)
        result.centre[same], result.deviation[same] = moments
    return result


def _middle_distance(values: Floats, short: bool) -> Floats:
    """Return the distance that Sn is a multiple of; differences of 16-bit samples are 16-bit numbers."""
    if not short:
        return sn.middle_distance(values)
    return sn.middle_distance((values - values[0]).astype(np.uint16)).astype(np.float64)


def _converge(values: Floats, start: Moments, cutoff: float, full_scale: float) -> Moments:
    """Winsorize sorted stacks until each converges.

    As a rule limits touch the outer ranks only, and nothing lies beyond the cutoff; that is worked out with the
    outer ranks. The stacks for which it turns out not to hold are done over with all of them.
    """
    n = len(values)
    result = Moments(start.centre.copy(), start.deviation.copy())
    outer = min(int(_OUTER * n) + 2, n // 2)
    clamped = _Outer(values, outer)
    failed = _iterate(clamped, result, np.arange(len(start.centre)), cutoff, full_scale)
    if len(failed):
        for moment, first in zip(result, start, strict=True):
            moment[failed] = first[failed]
        _iterate_all(values.take(failed, axis=1), failed, result, cutoff, full_scale)
    return result


class _Outer:
    """Stacks being Winsorized at their ends, as deviations from a pivot: the outer ranks, and sums of the inner ones."""

    def __init__(self, values: Floats, outer: int) -> None:
        self.n = len(values)
        self.pivot = values[self.n // 2]
        self.low = values[:outer] - self.pivot
        self.high = values[self.n - outer :] - self.pivot
        inner = values[outer : self.n - outer] - self.pivot
        self.total = inner.sum(0)
        self.squares = np.einsum("ij,ij->j", inner, inner)
        # limits have to stay outside the first inner samples, or among the outer ones where there are no inner
        self.first = inner[0] if len(inner) else self.low[-1]
        self.last = inner[-1] if len(inner) else self.high[0]

    def select(self, kept: NDArray[np.intp]) -> None:
        """Go on with some of the stacks."""
        for name in ("pivot", "total", "squares", "first", "last"):
            setattr(self, name, getattr(self, name).take(kept))
        self.low, self.high = self.low.take(kept, axis=1), self.high.take(kept, axis=1)

    def refuses(self, centre: Floats, deviation: Floats, cutoff: float) -> Bools:
        """Return where limits would reach the inner samples, or a sample lies beyond the cutoff (0: none)."""
        bad = centre - CLAMP * deviation > self.first
        bad |= centre + CLAMP * deviation < self.last
        if cutoff > 0:
            bad |= centre - cutoff * deviation >= self.low[0]
            bad |= centre + cutoff * deviation <= self.high[-1]
        return bad

    def clamp(self, centre: Floats, deviation: Floats) -> Moments:
        """Clamp to 1.5 deviations from the centre; return mean and Winsorized deviation of all ranks."""
        reach = CLAMP * deviation
        np.maximum(self.low, centre - reach, out=self.low)
        np.minimum(self.high, centre + reach, out=self.high)
        total = self.total + self.low.sum(0) + self.high.sum(0)
        squares = self.squares + np.einsum("ij,ij->j", self.low, self.low) + np.einsum("ij,ij->j", self.high, self.high)
        variance = (squares - total * total / self.n) / (self.n - 1)
        return Moments(total / self.n, FACTOR * np.sqrt(np.maximum(variance, 0)))


def _iterate(
    clamped: _Outer, result: Moments, pixels: NDArray[np.intp], cutoff: float, full_scale: float
) -> NDArray[np.intp]:
    """Winsorize until each stack converges; results go to ``result`` at ``pixels``. Return those that failed."""
    failed = []
    centre, deviation = result.centre - clamped.pivot, result.deviation
    going = deviation > full_scale * ZERO
    turn = 0
    while going.any():
        bad = going & clamped.refuses(centre, deviation, cutoff)
        failed.append(pixels[bad])
        going &= ~bad
        before = deviation
        centre, deviation = clamped.clamp(centre, deviation)
        done = going & (deviation <= full_scale * ZERO)
        if turn:
            done |= going & (np.abs(before - deviation) < _CONVERGED * before)
        finished = np.flatnonzero(done)
        result.centre[pixels[finished]] = centre[finished] + clamped.pivot[finished]
        result.deviation[pixels[finished]] = deviation[finished]
        going &= ~done
        turn += 1
        if np.count_nonzero(going) < _WORTHWHILE * len(pixels):
            left = np.flatnonzero(going)
            pixels, going, centre, deviation = pixels[left], going[left], centre[left], deviation[left]
            clamped.select(left)
    return np.concatenate(failed) if failed else np.zeros(0, np.intp)


def _iterate_all(v: Floats, pixels: NDArray[np.intp], result: Moments, cutoff: float, full_scale: float) -> None:
    """Winsorize the stacks ``v`` to the letter, every sample."""
    turn = 0
    n = len(v)
    while True:
        alive = ~is_zero(result.deviation[pixels], full_scale)
        v, pixels = v.compress(alive, axis=1), pixels[alive]
        if not len(pixels):
            return
        c, s = result.centre[pixels], result.deviation[pixels]
        low, high = v < c - CLAMP * s, v > c + CLAMP * s
        far = (low & (v <= c - cutoff * s)) | (high & (v >= c + cutoff * s)) if cutoff > 0 else np.False_
        v = np.where(far, c, np.where(low, c - CLAMP * s, np.where(high, c + CLAMP * s, v)))
        mean = v.mean(0)
        d = v - mean
        new = FACTOR * np.sqrt(np.maximum(((d * d).sum(0) - d.sum(0) ** 2 / n) / (n - 1), 0))
        result.centre[pixels], result.deviation[pixels] = mean, new
        turn += 1
        going = ~((turn > 1) & (np.abs(s - new) / s < _CONVERGED))
        v, pixels = v.compress(going, axis=1), pixels[going]
