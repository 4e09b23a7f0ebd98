"""What one look at a tile tells of its stacks while the samples are warm: their ends, their sums, and of squares.

Sums are taken about the median of a stack's first three samples, modulo 2^16, over as many frames as cannot exceed
that; then they are added up in floats. Differences from the middle are squared as *keys* of eight bits: darks and bias
frames need no shift for that; the noise of flats is coarsened to some twentieth of its deviation, which the screens
allow for. A stack that reaches further than that is *wide*; sums of it mean nothing.
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
_REACH: Final = 2.1  # largest difference over the 90th percentile of the range of three samples: 6 sigma


class Wanted(NamedTuple):
    """Whether sums of squares are wanted; whether samples are ``exact``: then their sums are, and what keys lack."""

    squares: bool
    exact: bool


class Moments(NamedTuple):
    """What is known of a tile's stacks: ``above`` and ``below`` are how far they reach from their ``middle``.

    ``total`` is the sum of x - middle; ``key_total`` and ``squares`` are the sums of keys and of their squares; each
    where it was asked for. A key is (x - middle) >> ``shift``; shifted back, it is too small by 0 to ``lost``. All is
    exact, and means nothing in ``wide`` stacks.
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


def moments(rows: Sequence[Row], read: Read, wanted: Wanted, float_type: np.dtype[Any], scratch: Scratch) -> Moments:
    """Read the frames of a tile, and look at them; leave x - middle in ``rows``. Sums are of ``float_type``.

    Differences are modulo 2^16, as all whole numbers here: middle and row make the sample again.
    """
    middle, usual, known = middle_of_three(rows, read, scratch)
    for row in rows[:known]:
        np.subtract(row, middle, out=row)
    reach = int(_REACH * usual)
    look = _Look(rows, read, middle, wanted, float_type, scratch)
    shift, fresh = (reach // (_LARGEST + 1)).bit_length() if wanted.squares else 0, known
    while True:
        found = look.with_shift(min(shift, _COARSEST), reach, fresh)
        if reach > _FURTHEST or np.count_nonzero(found.wide) <= MOST_WIDE * len(middle):
            return found
        reach, shift, fresh = 2 * reach + 1, found.shift + wanted.squares, len(rows)


def middle_of_three(rows: Sequence[Row], read: Read, scratch: Scratch) -> tuple[Row, int, int]:
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
        rows: Sequence[Row],
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
        least, greatest = (self._scratch.row(name, np.int16, length) for name in ("least", "greatest"))
        least.fill(0)
        greatest.fill(0)
        together, furthest = _together(n, shift, reach, squares=self._wanted.squares)
        sums = _Sums(length, shift, self._wanted, self._float_type, self._scratch)
        for index, row in enumerate(self._rows):
            if index >= fresh:
                np.subtract(self._read(index), middle, out=row)
            difference = row.view(np.int16)
            np.minimum(least, difference, out=least)
            np.maximum(greatest, difference, out=greatest)
            sums.add(difference)
            if (index + 1) % together == 0 or index + 1 == n:
                sums.carry()
        above, below = greatest.view(np.uint16), np.negative(least, out=least).view(np.uint16)
        reached = self._scratch.row("reached", np.uint16, length)
        np.maximum(above, below, out=reached)
        wide = np.greater(reached, furthest, out=self._scratch.row("wide", np.bool_, length))
        self._mark_wrapped(wide, above, below, furthest)
        rows = (sums.total.row, sums.key_total.row, sums.squares.row)
        return Moments(n, middle, above, below, *rows, shift, sums.lost(wide), wide)

    def _mark_wrapped(self, wide: Bools, above: NDArray[np.uint16], below: NDArray[np.uint16], near: int) -> None:
        """Mark stacks with differences D that 16 bits do not hold; they are seen as D - 2^16, or D + 2^16.

        Of D > 32767, the sample is middle + D <= greatest of the type, so that ``below`` exceeds middle - least of the
        type; of D < -32768, likewise, ``above`` exceeds greatest - middle. No true difference does either. One that
        looks ``near`` all the same has its middle as near to an end.
        """
        middle = self._middle
        limits = np.iinfo(middle.dtype)
        if int(middle.min()) - limits.min <= near or limits.max - int(middle.max()) <= near:
            level = np.subtract(middle.view(np.uint16), np.uint16(limits.min % (1 << 16)))
            np.logical_or(wide, below > level, out=wide)
            np.logical_or(wide, above > ~level, out=wide)


class _Sums:
    """What is added up over the frames."""

    def __init__(self, length: int, shift: int, wanted: Wanted, float_type: np.dtype[Any], scratch: Scratch) -> None:
        def rows(name: str, chunk: type[np.int16 | np.uint16]) -> tuple[Row, ...]:
            types = (("", float_type), (", a part", float_type), (", whole", chunk))
            return tuple(scratch.row(name + of, dtype, length) for of, dtype in types)

        self._shift, self._wanted = shift, wanted
        self.total = _Sum(*rows("total", np.int16))
        self.key_total = _Sum(*rows("key total", np.int16)) if shift or not wanted.exact else self.total
        self.squares = _Sum(*rows("squares", np.uint16))
        self._key, self._bits = (scratch.row(name, np.int16, length) for name in ("key of sixteen bits", "bits"))
        self._square = self._key.view(np.uint16)
        self._bits.fill(0)

    def add(self, difference: NDArray[np.int16]) -> None:
        """Add what is wanted of the differences of one frame."""
        if self._wanted.exact:
            self.total.add(difference)
        if self._shift:
            if self._wanted.exact:
                np.bitwise_or(self._bits, difference, out=self._bits)
            difference = np.right_shift(difference, self._shift, out=self._key)
        if self._wanted.squares:
            if self.key_total is not self.total:
                self.key_total.add(difference)
            np.multiply(difference, difference, out=self._key)
            self.squares.add(self._square)

    def carry(self) -> None:
        """Go from whole numbers to floats."""
        for part in (self.total, self.key_total, self.squares):
            part.carry()

    def lost(self, wide: Bools) -> int:
        """Return by how much a key may be too small: by nothing where samples have nothing in the bits cut off."""
        cut = (1 << self._shift) - 1
        if cut and self._wanted.exact and not np.bitwise_or.reduce(self._bits[~wide] & cut, initial=0):
            return 0
        return cut


class _Sum:
    """A sum over frames: modulo 2^16 over some of them, and of these sums in floats."""

    def __init__(self, row: Row, part: Row, chunk: Row) -> None:
        self.row, self._part, self._chunk = row, part, chunk
        self._in_chunk = self._in_row = False

    def add(self, samples: Row) -> None:
        """Add a row of whole numbers of the chunk's type."""
        if self._in_chunk:
            np.add(self._chunk, samples, out=self._chunk)
        else:
            np.copyto(self._chunk, samples)
        self._in_chunk = True

    def carry(self) -> None:
        """Add what has come since to the row of floats."""
        if not self._in_chunk:
            return
        if self._in_row:
            np.copyto(self._part, self._chunk)
            np.add(self.row, self._part, out=self.row)
        else:
            np.copyto(self.row, self._chunk)
        self._in_row, self._in_chunk = True, False


def _together(n: int, shift: int, reach: int, *, squares: bool) -> tuple[int, int]:
    """Return how many frames are added up modulo 2^16 at a time, and how far samples may reach for that.

    Sums of differences, hence of keys, then stay within 16 bits, and so do those of squares. With fewer at a time there
    are more sums of floats, with more at a time more stacks are wide.
    """
    # Of so many differences, of their squares. Not 32767: no sample of a stack that is not wide reaches either end of
    # 16 bits, so that a limit beyond may be moved to that end (``clipping``).
    of_sum, of_squares = 32766, 65535 << 2 * shift
    reach = min(max(reach, 1), _LARGEST << shift) if squares else min(max(reach, 1), of_sum)
    needed = max(n * reach / of_sum, n * reach * reach / of_squares if squares else 0)
    together = -(-n // ceil(needed))
    furthest = of_sum // together
    if squares:
        furthest = min(furthest, _LARGEST << shift, isqrt(65535 // together) << shift)
    return together, furthest
