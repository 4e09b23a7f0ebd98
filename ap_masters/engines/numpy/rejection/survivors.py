"""Sorted stacks side by side, and what rejection leaves of each."""

from fractions import Fraction
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.intp]
Bools = NDArray[np.bool_]
Fates = NDArray[np.uint8]  # of LOW and HIGH, 0 for what is kept

LOW = np.uint8(1)
HIGH = np.uint8(2)

ZERO = 2.0**-53  # the largest number that vanishes beside 1


class Stacks:
    """Many stacks side by side: ``values[i, c]`` is the sample of rank i of pixel c, ascending in i.

    Values are float64 in the frames' own counts; ``full_scale`` is the count that stands for 1.0. Where they
    are whole numbers of up to 16 bits, they, their sums and the sums of their squares are exact.
    """

    def __init__(self, values: Floats, full_scale: float, *, short: bool = False) -> None:
        """Take sorted values; ``short`` says that they are whole numbers of 16 bits."""
        self.values = values
        self.short = short
        self.full_scale = full_scale
        self.frames, self.pixels = values.shape
        self._column = np.arange(self.pixels)

    def select(self, pixels: NDArray[np.intp] | Bools) -> "Stacks":
        """Return some of the stacks."""
        part = self.values.take(np.arange(self.pixels)[pixels], axis=1)
        return Stacks(part, self.full_scale, short=self.short)

    def survivors(self, span: "Span", pixels: NDArray[np.intp], count: int) -> Floats:
        """Return the survivors of some pixels that all have ``count`` of them, (count, pixels)."""
        if count == self.frames and len(pixels) == self.pixels:
            return self.values
        start = span.first * self.pixels + pixels
        rows = np.empty((count, len(pixels)))
        for i, row in enumerate(rows):
            self.values.ravel().take(start + i * self.pixels, out=row)
        return rows

    def whole(self, pixels: NDArray[np.intp]) -> Bools:
        """Return which of some stacks consist of whole numbers."""
        values = self.values.take(pixels, axis=1)
        whole: Bools = np.logical_and.reduce(values == np.rint(values), axis=0)
        return whole

    @cached_property
    def pivot(self) -> Floats:
        """The upper median; sums are taken about it, so that no digits are lost to a large mean."""
        pivot: Floats = self.values[self.frames // 2]
        return pivot

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
            np.subtract(self.values[i], self.pivot, out=d)
            add(first[before], d, out=first[after])
            np.multiply(d, d, out=d)
            add(second[before], d, out=second[after])
        return first.ravel(), second.ravel()

    def at(self, rank: Ranks, pixels: NDArray[np.intp] | slice = slice(None)) -> Floats:
        """Return, for some pixels, the sample of each one's own rank."""
        samples: Floats = self.values.ravel().take(rank * self.pixels + self._column[pixels])
        return samples

    def sums(self, span: "Span", pixels: NDArray[np.intp] | slice = slice(None)) -> tuple[Floats, Floats]:
        """Return the sums of x - pivot and of its square over the survivors of some pixels."""
        low, high = (rank * self.pixels + self._column[pixels] for rank in span)
        first, second = self._cumulated
        return first.take(high) - first.take(low), second.take(high) - second.take(low)

    def twice_median(self, span: "Span", pixels: NDArray[np.intp] | slice = slice(None)) -> Floats:
        """Return the sum of the two central survivors (of the one central survivor with itself)."""
        first, last = span
        return self.at((first + last - 1) // 2, pixels) + self.at((first + last) // 2, pixels)


class Span(NamedTuple):
    """Survivors that are a range of ranks: first..last-1 of each stack; none where last <= first.

    Ranks below ``first`` are rejected as low, those from ``last`` on as high (a rank can be both).
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


def is_zero(deviation: Floats, full_scale: float) -> Bools:
    """Return where a deviation vanishes beside 1 on the [0, 1] scale: the definition's own test."""
    return np.equal(1.0 + deviation / full_scale, 1.0)


def decimal(threshold: float) -> Fraction:
    """Return a threshold as the decimal number that was written: 0.1 is a tenth."""
    return Fraction(repr(threshold))
