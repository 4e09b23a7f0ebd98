"""Sorted stacks side by side, and what rejection leaves of each."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.intp]
Bools = NDArray[np.bool_]
Counts = NDArray[np.uint16]
Fates = NDArray[np.uint8]  # of LOW and HIGH, 0 for what is kept

LOW = np.uint8(1)
HIGH = np.uint8(2)

_FEW_COLUMNS = 64
_LEFT = 1e-3  # of the squares of all samples

ZERO = 2.0**-53  # the largest number that vanishes beside 1
NEAR = 1e-10  # relative distance to a limit below which a comparison is repeated exactly
EXACT = 2.0**53  # whole numbers below are exact in float64


class Sums(NamedTuple):
    """Sums over whole stacks: of counts less ``about``, and of the squares of that; exact."""

    about: Floats
    total: Floats
    squares: Floats

    @classmethod
    def together(cls, parts: "Sequence[Sums]") -> "Sums":
        """Put those of several lots of stacks side by side."""
        return cls(*(np.concatenate(rows) for rows in zip(*parts, strict=True)))

    def select(self, pixels: slice) -> "Sums":
        """Return those of some stacks."""
        return Sums(*(row[pixels] for row in self))


class Stacks:
    """Many stacks side by side: ``ranked[i, c]`` is the sample of rank i of pixel c, ascending in i.

    A sample counts ``ranked + offset`` of the frames' own counts, of which ``full_scale`` stand for 1.0. Where
    ``ranked`` is of whole numbers of up to 16 bits, they, their sums and the sums of their squares are exact.
    """

    def __init__(
        self, ranked: NDArray[Any], full_scale: float, offset: Floats | None = None, sums: Sums | None = None
    ) -> None:
        """Take sorted samples; ``offset`` holds one number for each stack, ``sums`` what is known of whole numbers."""
        self.ranked = ranked
        self.full_scale = full_scale
        self.frames, self.pixels = ranked.shape
        self.offset = np.zeros(self.pixels) if offset is None else offset
        self._column = np.arange(self.pixels)
        self._known = sums

    @cached_property
    def values(self) -> Floats:
        """The samples in counts."""
        values: Floats = np.add(self.ranked, self.offset, dtype=np.float64)
        return values

    @property
    def short(self) -> bool:
        """Say whether ``ranked`` is of whole numbers of up to 16 bits."""
        return self.ranked.dtype.kind in "iu" and self.ranked.dtype.itemsize <= 2

    def select(self, pixels: NDArray[np.intp] | Bools) -> "Stacks":
        """Return some of the stacks."""
        some = np.arange(self.pixels)[pixels]
        return Stacks(take_columns(self.ranked, some), self.full_scale, self.offset[some])

    def survivors(self, span: "Span", pixels: NDArray[np.intp], count: int) -> NDArray[Any]:
        """Return the survivors of some pixels that all have ``count`` of them: (count, pixels), without offset."""
        if count == self.frames and len(pixels) == self.pixels:
            return self.ranked
        start = span.first * self.pixels + pixels
        rows = np.empty((count, len(pixels)), self.ranked.dtype)
        flat = self.ranked.ravel()
        for row in rows:
            flat.take(start, out=row, mode="clip")
            start += self.pixels
        return rows

    def whole(self, pixels: NDArray[np.intp]) -> Bools:
        """Return which of some stacks consist of whole numbers."""
        if self.short:
            return np.ones(len(pixels), np.bool_)
        values = self.values.take(pixels, axis=1)
        whole: Bools = np.logical_and.reduce(values == np.rint(values), axis=0)
        return whole

    @cached_property
    def _middle(self) -> Floats:
        """The upper median without offset; sums are taken about it, so that no digits are lost to a large mean."""
        middle: Floats = self.ranked[self.frames // 2].astype(np.float64)
        return middle

    @cached_property
    def pivot(self) -> Floats:
        """The upper median, about which sums are taken."""
        return self._middle + self.offset

    @cached_property
    def _sums_of_all(self) -> tuple[Floats, Floats]:
        """Sums of x - pivot and of its square over all ranks."""
        if self._known is not None:
            about, total, squares = self._known
            shift = self.pivot - about
            return total - self.frames * shift, squares - shift * (2 * total - self.frames * shift)
        first, second, d = np.zeros(self.pixels), np.zeros(self.pixels), np.empty(self.pixels)
        for rank in self.ranked:
            np.copyto(d, rank)
            np.subtract(d, self._middle, out=d)
            np.add(first, d, out=first)
            np.multiply(d, d, out=d)
            np.add(second, d, out=second)
        return first, second

    def _sums_without(self, span: "Span", pixels: NDArray[np.intp] | slice) -> tuple[Floats, Floats]:
        """Return sums over the survivors as those of all ranks less those of the lost; exact for whole numbers."""
        total, squares = (sums[pixels].copy() for sums in self._sums_of_all)
        column = self._column[pixels]
        for lost, outermost, inward in ((span.first, 0, 1), (self.frames - span.last, self.frames - 1, -1)):
            some = np.flatnonzero(lost)
            for k in range(int(lost.max(initial=0))):
                d = self.ranked[outermost + inward * k].take(column[some]) - self._middle.take(column[some])
                total[some] -= d
                squares[some] -= d * d
                some = some[lost[some] > k + 1]
        return total, squares

    @cached_property
    def _cumulated(self) -> tuple[Floats, Floats]:
        """Sums of x - pivot and of its square from the middle rank outwards: C[j] - C[i] covers ranks i..j-1.

        Both grow away from the middle, so for a range about the middle nothing cancels: not even floats lose
        digits to samples that have been rejected.
        """
        n, middle = self.frames, self.frames // 2
        first, second = np.empty((n + 1, self.pixels)), np.empty((n + 1, self.pixels))
        first[middle] = second[middle] = 0
        d = np.empty(self.pixels)
        for i in (*range(middle, n), *range(middle - 1, -1, -1)):
            add, before, after = (np.add, i, i + 1) if i >= middle else (np.subtract, i + 1, i)
            np.copyto(d, self.ranked[i])
            np.subtract(d, self._middle, out=d)
            add(first[before], d, out=first[after])
            np.multiply(d, d, out=d)
            add(second[before], d, out=second[after])
        return first.ravel(), second.ravel()

    def at(self, rank: Ranks, pixels: NDArray[np.intp] | slice = slice(None)) -> Floats:
        """Return, for some pixels, the sample of each one's own rank."""
        samples: Floats = self.ranked.ravel().take(rank * self.pixels + self._column[pixels]).astype(np.float64)
        samples += self.offset[pixels]
        return samples

    def sums(self, span: "Span", pixels: NDArray[np.intp] | slice = slice(None)) -> tuple[Floats, Floats]:
        """Return the sums of x - pivot and of its square over the survivors of some pixels.

        Floats lose digits where little is left of the squares; those few are added up anew, from the middle outwards.
        """
        total, squares = self._sums_without(span, pixels)
        if not self.short:
            few = np.flatnonzero(squares < _LEFT * self._sums_of_all[1][pixels])
            if len(few):
                part = self.select(self._column[pixels][few])
                total[few], squares[few] = part._sums_between(span.select(few))
        return total, squares

    def _sums_between(self, span: "Span") -> tuple[Floats, Floats]:
        """Return the same for every pixel, as differences of sums that grow away from the middle."""
        low, high = (rank * self.pixels + self._column for rank in span)
        first, second = self._cumulated
        return first.take(high) - first.take(low), second.take(high) - second.take(low)

    def fates(self, span: "Span", *, from_inside: bool = False) -> Fates:
        """Return the fate of every rank of every stack.

        Of equal samples at the end of a span, the outermost ranks are those rejected, or the innermost ones
        (``from_inside``).
        """
        if not from_inside:
            return span.fates(self.frames)
        rank = np.arange(self.frames)[:, None]
        lowest, highest = (self.at(np.clip(end, 0, self.frames - 1)) for end in (span.first, span.last - 1))
        begin, end = self._run_of(lowest)
        low = (rank < begin) | (rank >= end - np.maximum(span.first - begin, 0)) & (rank < end)
        begin, end = self._run_of(highest)
        high = (rank >= end) | (rank < begin + np.maximum(end - span.last, 0)) & (rank >= begin)
        fates: Fates = low * LOW | high * HIGH
        return fates

    def _run_of(self, samples: Floats) -> tuple[Ranks, Ranks]:
        """Return where the run of samples equal to these begins and ends in each stack."""
        equal = self.values == samples
        return np.argmax(equal, axis=0), self.frames - np.argmax(equal[::-1], axis=0)

    def twice_median(self, span: "Span", pixels: NDArray[np.intp] | slice = slice(None)) -> Floats:
        """Return the sum of the two central survivors (of the one central survivor with itself)."""
        first, last = span
        return self.at((first + last - 1) // 2, pixels) + self.at((first + last) // 2, pixels)


class Span(NamedTuple):
    """Survivors that are a range of ranks: first..last-1 of each stack; none where last is first.

    Ranks below ``first`` are rejected as low, those from ``last`` on as high.
    """

    first: Ranks
    last: Ranks

    @classmethod
    def everything(cls, stacks: Stacks) -> Self:
        """Return the span that loses nothing."""
        return cls(np.zeros(stacks.pixels, np.intp), np.full(stacks.pixels, stacks.frames, np.intp))

    @property
    def survivors(self) -> Ranks:
        """Survivors of each stack."""
        survivors: Ranks = np.maximum(self.last - self.first, 0)
        return survivors

    def select(self, pixels: NDArray[np.intp] | Bools) -> "Span":
        """Return the span of some stacks."""
        return Span(self.first[pixels], self.last[pixels])

    def fates(self, frames: int) -> Fates:
        """Return the fate of every rank of every stack."""
        rank = np.arange(frames)[:, None]
        return (rank < self.first) * LOW | (rank >= self.last) * HIGH


class Torn(NamedTuple):
    """Stacks of which more is left than a range of ranks, and the fate of each of their ranks."""

    where: Ranks
    fates: Fates


class Verdict(NamedTuple):
    """What is left of every stack: a range of ranks, but of those that are ``torn``.

    It is not final for the stacks ``put_off``; they have to be gone on with from their span.
    """

    left: Span
    put_off: Ranks
    torn: Torn | None = None


class Losses(NamedTuple):
    """How many samples each stack loses at either end in one pass, where it is ``certain``; elsewhere 0."""

    low: Counts
    high: Counts
    certain: Bools

    @classmethod
    def unknown(cls, pixels: int) -> Self:
        """Return that nothing is known of so many stacks."""
        return cls.none_where(np.zeros(pixels, np.bool_))

    @classmethod
    def none_where(cls, proven: Bools) -> Self:
        """Return that stacks lose nothing where that is ``proven``, and that nothing is known of the others."""
        return cls(np.zeros(len(proven), np.uint16), np.zeros(len(proven), np.uint16), proven)

    @property
    def none(self) -> Bools:
        """Where it is certain that nothing is lost."""
        nothing: Bools = np.equal(self.low | self.high, 0)
        nothing &= self.certain
        return nothing

    def select(self, pixels: NDArray[np.intp] | slice) -> "Losses":
        """Return those of some stacks."""
        return Losses(self.low[pixels], self.high[pixels], self.certain[pixels])

    def left(self, frames: int) -> Span:
        """Return what is left of stacks of so many samples, as far as it is known."""
        return Span(self.low.astype(np.intp), frames - self.high.astype(np.intp))

    @classmethod
    def together(cls, parts: "Sequence[Losses]") -> "Losses":
        """Put those of several lots of stacks side by side."""
        low, high, certain = zip(*parts, strict=True)
        return cls(np.concatenate(low), np.concatenate(high), np.concatenate(certain))

    def but(self, pixels: Bools) -> "Losses":
        """Return the same, but that nothing is known of some stacks."""
        known = ~pixels
        return Losses(self.low * known, self.high * known, self.certain & known)


def take_columns(rows: NDArray[Any] | Sequence[NDArray[Any]], pixels: NDArray[np.intp]) -> NDArray[Any]:
    """Return some columns of ``rows``; if many, row by row, which is several times faster than along an axis.

    Along an axis, numpy would first make a copy of all rows that are not one piece of memory.
    """
    if isinstance(rows, np.ndarray) and rows.flags.c_contiguous and len(pixels) < _FEW_COLUMNS:
        return rows.take(pixels, axis=1)
    result = np.empty((len(rows), len(pixels)), rows[0].dtype)
    for row, target in zip(rows, result, strict=True):
        row.take(pixels, out=target, mode="clip")
    return result


def is_zero(deviation: Floats, full_scale: float) -> Bools:
    """Return where a deviation vanishes beside 1 on the [0, 1] scale: the definition's own test."""
    return np.equal(1.0 + deviation / full_scale, 1.0)


def decimal(threshold: float) -> Fraction:
    """Return a threshold as the decimal number that was written: 0.1 is a tenth."""
    return Fraction(repr(threshold))
