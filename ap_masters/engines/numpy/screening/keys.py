"""Short keys that order as the samples do: the less there is to move, the faster a tile is sorted.

The samples of one stack lie close together, whatever their level, so eight bits tell them apart: a key is
(x - pivot) >> shift, with a pivot somewhat below the stack's middle. Darks and bias frames need no shift, and
their keys are as good as the samples; the noise of flats is coarsened to some twentieth of its deviation,
which the screens allow for. A stack that does not fit is *wide*; its keys mean nothing.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening.moments import MOST_WIDE, Read, middle_of_three

Row = NDArray[Any]

BITS: Final = 8
COARSEST: Final = 8  # the shift with which every stack fits
_BELOW: Final = 1 << (BITS - 1)  # the pivot lies so many keys below the middle of the first three samples
_REACH: Final = 1.7  # half the range of keys over the 90th percentile of the range of three samples: 4.8 sigma


class Keys(NamedTuple):
    """A tile's keys: the sample is pivot + (key << shift) + something from 0 to ``lost``.

    ``total`` is the sum of x - pivot over each stack, exact; like the keys it means nothing in ``wide`` stacks.
    """

    rows: list[NDArray[np.uint8]]
    spare: NDArray[np.uint8]
    pivot: Row
    shift: int
    lost: int
    total: Row
    wide: NDArray[np.bool_]


def short_keys(rows: Sequence[Row], read: Read, *, coarsest: int, float_type: np.dtype[Any], scratch: Scratch) -> Keys:
    """Read the frames of a tile and make their keys while they are warm in the cache; leave x - pivot in ``rows``.

    ``coarsest`` is the largest shift allowed. Sums are of ``float_type``.
    """
    middle, usual, known = middle_of_three(rows, read, scratch)
    shift = (int(_REACH * usual) >> (BITS - 1)).bit_length()
    pivot: Row | None = None
    while True:
        shift = min(shift, coarsest)
        before, pivot = pivot, _pivot(middle, shift)
        for row in rows[:known]:
            np.subtract(row, pivot if before is None else pivot - before, out=row)
        keys = _with_shift(rows, read, known, pivot, shift, float_type, scratch)
        if shift >= coarsest or np.count_nonzero(keys.wide) <= MOST_WIDE * len(middle):
            return keys
        known, shift = len(rows), shift + 1


def _with_shift(
    rows: Sequence[Row], read: Read, fresh: int, pivot: Row, shift: int, float_type: np.dtype[Any], scratch: Scratch
) -> Keys:
    """Make keys with one shift; frames from ``fresh`` on are read first.

    All arithmetic is modulo 2^16. A key is right when x - pivot, so taken, stays below 2^(8 + shift); the bits
    that occur in any of a stack's differences tell. So many differences can be added before 2^16 is reached.
    """
    dtype, length = pivot.dtype, len(pivot)
    shifted, seen, chunk = (scratch.row(name, dtype, length) for name in ("shifted", "seen", "chunk"))
    total, part = (scratch.row(name, float_type, length) for name in ("total", "part"))
    seen.fill(0)
    total.fill(0)
    keys = scratch.rows("key", len(rows) + 1, np.uint8, length)
    step = max(1 << (16 - BITS - shift), 1)
    for first in range(0, len(rows), step):
        chunk.fill(0)
        for index, row in enumerate(rows[first : first + step], first):
            if index >= fresh:
                np.subtract(read(index), pivot, out=row)
            np.bitwise_or(seen, row, out=seen)
            np.add(chunk, row, out=chunk)
            if shift:
                row = np.right_shift(row.view(np.uint16), shift, out=shifted.view(np.uint16))
            np.copyto(keys[index], row, casting="unsafe")
        np.copyto(part, chunk.view(np.uint16))
        np.add(total, part, out=total)
    bits = seen.view(np.uint16)
    wide = np.greater(bits, (1 << (BITS + shift)) - 1, out=scratch.row("wide", np.bool_, length))
    lost = (1 << shift) - 1 if shift and np.bitwise_or.reduce(bits[~wide] & ((1 << shift) - 1), initial=0) else 0
    return Keys(keys[:-1], keys[-1], pivot, shift, lost, total, wide)


def _pivot(middle: Row, shift: int) -> Row:
    """Return the middle minus 128 << shift, moved so that all 256 keys stand for values of the type.

    Without the latter, differences would wrap: 0 - 65407 is 129 modulo 2^16.
    """
    dtype = middle.dtype
    pivot = np.empty_like(middle)
    limits = np.iinfo(dtype)
    below = _BELOW << shift
    if shift >= COARSEST:
        pivot.fill(limits.min)
        return pivot
    np.maximum(middle, dtype.type(limits.min + below), out=pivot)
    np.minimum(pivot, dtype.type(limits.max - below + 1), out=pivot)
    np.subtract(pivot.view(np.uint16), np.uint16(below), out=pivot.view(np.uint16))
    return pivot
