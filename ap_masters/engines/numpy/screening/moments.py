"""What one look at a tile tells of its stacks while the samples are warm: their ends, their sums, and of squares.

What is wanted are sums of differences from a stack's *middle*, the median of its first three samples, and of their
squares. Modulo 2^16 these follow from the sums of samples and of their squares as they are, so that nothing has to be
subtracted sample by sample. They are taken over as many frames at a time as true sums stay within 16 bits for, and
added up in floats.

Where differences are too large for their squares to fit, as those of flats, they are squared as *keys* of eight bits:
coarsened to some twentieth of their deviation, which the screens allow for. A stack that reaches further is *wide*;
sums of it mean nothing.
"""

from collections.abc import Callable, Sequence
from math import ceil, isqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.foresight.stacks import Bools
from ap_masters.engines.numpy.scratch import Scratch

Row = NDArray[Any]
Read = Callable[[int], Row]  # the samples of frame i, which last until the next call

_LARGEST: Final = 127  # key
_COARSEST: Final = 8  # the largest shift: keys then reach to 127 << 8; what lies further is wide
_FURTHEST: Final = 1 << 15
MOST_WIDE: Final = 1 / 16  # of a tile; with more, the keys are made coarser
_SAMPLED: Final = 64  # every so-manieth stack tells how far samples scatter
_AT_ONCE: Final = 8  # frames of which squares are added up by one call, while their samples are still near
_REACH: Final = 2.1  # largest difference over the 90th percentile of the range of three samples: 6 sigma


class Wanted(NamedTuple):
    """Whether sums of squares are wanted; whether samples are ``exact``: then their sums are, and what keys lack."""

    squares: bool
    exact: bool


class Moments(NamedTuple):
    """What is known of a tile's stacks: ``above`` and ``below`` are how far they reach from their ``middle``.

    ``total`` is the sum of x - middle; ``key_total`` and ``squares`` are the sums of keys and of their squares. A key
    is (x - middle) >> ``shift``; shifted back, it is too small by 0 to ``lost``. All is exact; but sums mean nothing in
    ``wide`` stacks, nor where they were not asked for.
    """

    n: int
    middle: Row
    above: NDArray[np.uint16]
    below: NDArray[np.uint16]
    total: Row
    key_total: Row
    squares: Row
    shift: int
    lost: int
    wide: Bools


def moments(rows: Row, read: Read, wanted: Wanted, float_type: np.dtype[Any], scratch: Scratch) -> Moments:
    """Read the frames of a tile into its ``rows``, (frames, pixels), and look at them. Sums are of ``float_type``."""
    middle, usual, known = middle_of_three(rows, read, scratch)
    reach = int(_REACH * usual)
    look = _Look(rows, read, middle, wanted, float_type, scratch)
    shift, fresh = (reach // (_LARGEST + 1)).bit_length() if wanted.squares else 0, known
    while True:
        found = look.with_shift(min(shift, _COARSEST), reach, fresh)
        if reach > _FURTHEST or np.count_nonzero(found.wide) <= MOST_WIDE * len(middle):
            return found
        reach, shift, fresh = 2 * reach + 1, found.shift + wanted.squares, len(rows)


def middle_of_three(rows: Row | Sequence[Row], read: Read, scratch: Scratch) -> tuple[Row, int, int]:
    """Read the first frames into their ``rows``; return the median of three samples of each stack (or one of fewer).

    Return also the 90th percentile of the range of the three, and how many frames have been read.
    """
    first = rows[:3]
    for index, row in enumerate(first):
        np.copyto(row, read(index))
    dtype, length = first[0].dtype, len(first[0])
    middle = scratch.row("middle of three", dtype, length)
    if len(first) < 3:
        np.copyto(middle, first[0])
        return middle, 0, len(first)
    lower, upper = (scratch.row(name, dtype, length) for name in ("lower of three", "upper of three"))
    np.minimum(first[0], first[1], out=lower)
    np.maximum(first[0], first[1], out=upper)
    np.minimum(upper, first[2], out=middle)
    np.maximum(middle, lower, out=middle)
    np.minimum(lower, first[2], out=lower)
    np.maximum(upper, first[2], out=upper)
    ranges = (upper[::_SAMPLED] - lower[::_SAMPLED]).view(np.uint16)
    usual = len(ranges) * 9 // 10
    return middle, int(np.partition(ranges, usual)[usual]), len(first)


class _Look:
    """Looks at one tile, again with a larger shift if need be."""

    def __init__(
        self,
        rows: Row,
        read: Read,
        middle: Row,
        wanted: Wanted,
        float_type: np.dtype[Any],
        scratch: Scratch,
    ) -> None:
        self._rows, self._read = rows, read
        self._middle = middle
        self._wanted = wanted
        self._float_type = float_type
        self._scratch = scratch

    def with_shift(self, shift: int, reach: int, fresh: int) -> Moments:
        """Look once; frames from ``fresh`` on are read first. Most samples lie within ``reach`` of the middle."""
        n, middle, length = len(self._rows), self._middle, len(self._middle)
        least, greatest = (self._scratch.row(name, middle.dtype, length) for name in ("least", "greatest"))
        np.copyto(least, middle)
        np.copyto(greatest, middle)
        together, furthest = _together(n, shift, reach, squares=self._wanted.squares)
        sums = _Sums(middle, shift, self._wanted, self._float_type, self._scratch)
        for first in range(0, n, together):
            last = min(first + together, n)
            for start in range(first, last, _AT_ONCE):
                some = self._rows[start : min(start + _AT_ONCE, last)]
                for index, row in enumerate(some, start):
                    if index >= fresh:
                        np.copyto(row, self._read(index))
                    np.minimum(least, row, out=least)
                    np.maximum(greatest, row, out=greatest)
                sums.add(some)
            sums.carry()
        above = np.subtract(greatest, middle, out=greatest).view(np.uint16)
        below = np.subtract(middle, least, out=least).view(np.uint16)
        reached = self._scratch.row("reached", np.uint16, length)
        np.maximum(above, below, out=reached)
        wide = np.greater(reached, furthest, out=self._scratch.row("wide", np.bool_, length))
        rows = (sums.total.row, sums.key_total.row, sums.squares.row)
        return Moments(n, middle, above, below, *rows, shift, sums.lost(wide), wide)


class _Sums:
    """What is added up over the frames: of samples and their squares or, where there is a shift, of keys and theirs."""

    def __init__(self, middle: Row, shift: int, wanted: Wanted, float_type: np.dtype[Any], scratch: Scratch) -> None:
        length = len(middle)

        def sums(name: str, *, signed: bool) -> _Sum:
            row, part = (scratch.row(name + of, float_type, length) for of in ("", ", a part"))
            return _Sum(row, part, scratch.row(name + ", whole", np.uint16, length), signed=signed)

        self._middle, self._shift, self._wanted = middle.view(np.uint16), shift, wanted
        self.total = sums("total", signed=True)
        self.key_total = sums("key total", signed=True) if shift else self.total
        self.squares = sums("squares", signed=False)
        self._differences = scratch.table("differences", _AT_ONCE, np.uint16, length) if shift else None
        self._bits, self._part = (scratch.row(name, np.uint16, length) for name in ("bits", "of some frames"))
        if shift:
            self._bits.fill(0)
        self._frames = 0

    def add(self, rows: Row) -> None:
        """Add what is wanted of the samples of some frames."""
        samples = rows.view(np.uint16)
        self._frames += len(samples)
        if self._differences is None:
            if self._wanted.exact or self._wanted.squares:  # of which those of differences are made, too
                self._add_rows(self.total, samples)
            squared = samples
        else:
            if self._wanted.exact:
                self._add_rows(self.total, samples)
            squared = self._make_keys(samples, self._differences[: len(samples)])
            self._add_rows(self.key_total, squared)
        if self._wanted.squares:
            self.squares.add(np.einsum("ij,ij->j", squared, squared, out=self._part))

    def _make_keys(self, samples: Row, differences: Row) -> Row:
        """Return keys, in place of the differences; remember which bits occur in these."""
        np.subtract(samples, self._middle, out=differences)
        if self._wanted.exact:
            np.bitwise_or(self._bits, np.bitwise_or.reduce(differences, axis=0, out=self._part), out=self._bits)
        signed = differences.view(np.int16)
        np.right_shift(signed, self._shift, out=signed)
        return differences

    @staticmethod
    def _add_rows(total: "_Sum", rows: Row) -> None:
        for row in rows:
            total.add(row)

    def carry(self) -> None:
        """Go from whole numbers to floats, and to sums of differences D of samples x from the middle m.

        Of k frames, sum D = sum x - k m, and sum D^2 = sum x^2 - m (sum x + sum D).
        """
        if self.total.begun:
            total, differences = self.total.chunk, self._part
            np.multiply(self._middle, np.uint16(self._frames), out=differences)  # k m
            np.subtract(total, differences, out=differences)  # sum D
            if self.squares.begun and not self._shift:
                np.add(total, differences, out=total)  # sum x + sum D
                np.multiply(total, self._middle, out=total)
                np.subtract(self.squares.chunk, total, out=self.squares.chunk)  # sum D^2
            np.copyto(total, differences)
        for part in (self.total, self.key_total, self.squares):
            part.carry()
        self._frames = 0

    def lost(self, wide: Bools) -> int:
        """Return by how much a key may be too small: by nothing where samples have nothing in the bits cut off."""
        cut = (1 << self._shift) - 1
        if cut and self._wanted.exact and not np.bitwise_or.reduce(self._bits[~wide] & cut, initial=0):
            return 0
        return cut


class _Sum:
    """A sum over frames: in a ``chunk`` modulo 2^16 over some of them, and of these sums in a ``row`` of floats."""

    def __init__(self, row: Row, part: Row, chunk: NDArray[np.uint16], *, signed: bool) -> None:
        self.row, self.chunk = row, chunk
        self._part = part
        self._whole = chunk.view(np.int16) if signed else chunk
        self.begun = self._in_row = False

    def add(self, samples: NDArray[np.uint16]) -> None:
        """Add a row of whole numbers."""
        if self.begun:
            np.add(self.chunk, samples, out=self.chunk)
        else:
            np.copyto(self.chunk, samples)
        self.begun = True

    def carry(self) -> None:
        """Add what has come since to the row of floats."""
        if not self.begun:
            return
        if self._in_row:
            np.copyto(self._part, self._whole)
            np.add(self.row, self._part, out=self.row)
        else:
            np.copyto(self.row, self._whole)
        self._in_row, self.begun = True, False


def _together(n: int, shift: int, reach: int, *, squares: bool) -> tuple[int, int]:
    """Return how many frames are added up modulo 2^16 at a time, and how far samples may reach for that.

    Sums of differences, hence of keys, then stay within 16 bits, and so do those of squares. With fewer at a time there
    are more sums of floats, with more at a time more stacks are wide.
    """
    of_sum, of_squares = 32767, 65535 << 2 * shift
    reach = min(max(reach, 1), _LARGEST << shift) if squares else min(max(reach, 1), of_sum)
    needed = max(n * reach / of_sum, n * reach * reach / of_squares if squares else 0)
    together = -(-n // ceil(needed))
    furthest = of_sum // together
    if squares:
        furthest = min(furthest, _LARGEST << shift, isqrt(65535 // together) << shift)
    return together, furthest
