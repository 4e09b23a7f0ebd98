"""Short keys that order as the samples do: the less there is to move, the faster a tile is sorted.

The samples of one stack lie close together, whatever their level, so eight bits tell them apart: a key is
(x - pivot) >> shift, with a pivot somewhat below the stack's middle. Darks and bias frames need no shift, and
their keys are as good as the samples; the noise of flats is coarsened to some twentieth of its deviation,
which the screens allow for. A stack that does not fit is *wide*; its keys mean nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.scratch import Scratch

Row = NDArray[Any]
Read = Callable[[int, Row], None]  # fill a row with the samples of frame i

BITS: Final = 8
COARSEST: Final = 8  # the shift with which every stack fits
_BELOW: Final = 1 << (BITS - 1)  # the pivot lies so many keys below the middle of the first three samples
_MOST_WIDE: Final = 1 / 16  # of a tile; with more, the keys are made coarser
_SAMPLED: Final = 16  # every so-manieth stack tells how far samples scatter
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


def short_keys(raw: Sequence[Row], read: Read, *, coarsest: int, float_type: np.dtype[Any], scratch: Scratch) -> Keys:
    """Read the frames of a tile into the rows ``raw`` and make their keys while they are warm in the cache.

    ``coarsest`` is the largest shift allowed. Sums are of ``float_type``.
    """
    known = min(len(raw), 3)
    for index in range(known):
        read(index, raw[index])
    middle, shift = _middle(raw[:known], scratch)
    fresh = known
    while True:
        keys = _with_shift(raw, read, fresh, middle, min(shift, coarsest), float_type, scratch)
        if keys.shift >= coarsest or np.count_nonzero(keys.wide) <= _MOST_WIDE * len(raw[0]):
            return keys
        fresh = len(raw)
        shift = keys.shift + 1


def _middle(first: Sequence[Row], scratch: Scratch) -> tuple[Row, int]:
    """Return the median of the first three samples of each stack, and the shift their scatter calls for."""
    dtype, length = first[0].dtype, len(first[0])
    middle = scratch.row("middle of three", dtype, length)
    if len(first) < 3:
        np.copyto(middle, first[0])
        return middle, 0
    lower, upper = (scratch.row(name, dtype, length) for name in ("difference", "seen"))
    np.minimum(first[0], first[1], out=lower)
    np.maximum(first[0], first[1], out=upper)
    np.minimum(upper, first[2], out=middle)
    np.maximum(middle, lower, out=middle)
    np.minimum(lower, first[2], out=lower)
    np.maximum(upper, first[2], out=upper)
    ranges = (upper[::_SAMPLED] - lower[::_SAMPLED]).view(np.uint16)
    usual = np.partition(ranges, len(ranges) * 9 // 10)[len(ranges) * 9 // 10]
    return middle, max(int(_REACH * int(usual)) >> (BITS - 1), 0).bit_length()


def _with_shift(
    raw: Sequence[Row], read: Read, fresh: int, middle: Row, shift: int, float_type: np.dtype[Any], scratch: Scratch
) -> Keys:
    """Make keys with one shift; frames from ``fresh`` on are read first.

    All arithmetic is modulo 2^16. A key is right when x - pivot, so taken, stays below 2^(8 + shift); the bits
    that occur in any of a stack's differences tell. So many differences can be added before 2^16 is reached.
    """
    dtype, length = raw[0].dtype, len(raw[0])
    pivot = _pivot(middle, shift, scratch)
    difference, seen, chunk = (scratch.row(name, dtype, length) for name in ("difference", "seen", "chunk"))
    total, part = (scratch.row(name, float_type, length) for name in ("total", "part"))
    seen.fill(0)
    total.fill(0)
    rows = scratch.rows("key", len(raw) + 1, np.uint8, length)
    step = max(1 << (16 - BITS - shift), 1)
    for first in range(0, len(raw), step):
        chunk.fill(0)
        for index in range(first, min(first + step, len(raw))):
            if index >= fresh:
                read(index, raw[index])
            np.subtract(raw[index], pivot, out=difference)
            np.bitwise_or(seen, difference, out=seen)
            np.add(chunk, difference, out=chunk)
            if shift:
                np.right_shift(difference.view(np.uint16), shift, out=difference.view(np.uint16))
            np.copyto(rows[index], difference, casting="unsafe")
        np.copyto(part, chunk.view(np.uint16))
        np.add(total, part, out=total)
    bits = seen.view(np.uint16)
    wide = np.greater(bits, (1 << (BITS + shift)) - 1, out=scratch.row("wide", np.bool_, length))
    lost = (1 << shift) - 1 if shift and np.bitwise_or.reduce(bits[~wide] & ((1 << shift) - 1), initial=0) else 0
    return Keys(rows[:-1], rows[-1], pivot, shift, lost, total, wide)


def _pivot(middle: Row, shift: int, scratch: Scratch) -> Row:
    """Return the middle minus 128 << shift, moved so that all 256 keys stand for values of the type.

    Without the latter, differences would wrap: 0 - 65407 is 129 modulo 2^16.
    """
    dtype = middle.dtype
    pivot = scratch.row("pivot", dtype, len(middle))
    limits = np.iinfo(dtype)
    below = _BELOW << shift
    if shift >= COARSEST:
        pivot.fill(limits.min)
        return pivot
    np.maximum(middle, dtype.type(limits.min + below), out=pivot)
    np.minimum(pivot, dtype.type(limits.max - below + 1), out=pivot)
    np.subtract(pivot.view(np.uint16), np.uint16(below), out=pivot.view(np.uint16))
    return pivot


def full_keys(raw: Sequence[Row], read: Read, scratch: Scratch) -> tuple[list[Row], Row]:
    """Read the frames of a tile into the rows ``raw``; return copies of them, to be sorted, and a spare row."""
    rows = scratch.rows("sample", len(raw) + 1, raw[0].dtype, len(raw[0]))
    for index, (sample, key) in enumerate(zip(raw, rows, strict=False)):
        read(index, sample)
        np.copyto(key, sample)
    return rows[:-1], rows[-1]
