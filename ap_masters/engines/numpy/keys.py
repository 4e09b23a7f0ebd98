"""Short keys that order as the samples do: the less there is to move, the faster a tile is sorted.

Where the samples of a stack lie close together, as those of darks and bias frames do, eight bits tell them
apart: x - pivot, with a pivot somewhat below the stack's middle. A stack that does not fit is *wide*; its
keys mean nothing, and it is integrated sample by sample. A tile with many wide stacks keeps 16 bits.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.scratch import Scratch

_BELOW: Final = 128  # the pivot lies so far below the middle of the first three samples
_MANY: Final = 1 / 16


class Keys(NamedTuple):
    """One row of keys per frame. A sample is its key plus ``pivot`` (None: plus 0), except in ``wide`` stacks."""

    rows: list[NDArray[Any]]
    spare: NDArray[Any]
    pivot: NDArray[Any] | None
    wide: NDArray[np.bool_] | None


def narrow_keys(raw: Sequence[NDArray[Any]], scratch: Scratch) -> Keys | None:
    """Return 8-bit keys of 16-bit samples, or None when too many stacks are wide.

    All arithmetic is modulo 2^16: a key is right exactly when x - pivot, so taken, is below 256.
    """
    length = len(raw[0])
    pivot = _pivot(raw, scratch)
    difference = scratch.row("difference", raw[0].dtype, length)
    seen = scratch.row("seen", raw[0].dtype, length)
    seen.fill(0)
    rows = scratch.rows("key", len(raw) + 1, np.uint8, length)
    for sample, key in zip(raw, rows, strict=False):
        np.subtract(sample, pivot, out=difference)
        np.bitwise_or(seen, difference, out=seen)
        np.copyto(key, difference, casting="unsafe")
    wide = np.greater(seen.view(np.uint16), 255, out=scratch.row("wide", np.bool_, length))
    if np.count_nonzero(wide) > _MANY * length:
        return None
    return Keys(rows[:-1], rows[-1], pivot, wide)


def _pivot(raw: Sequence[NDArray[Any]], scratch: Scratch) -> NDArray[Any]:
    """Return the median of the first three samples (else the first) minus 128, but not below the type's least."""
    dtype = raw[0].dtype
    pivot = scratch.row("pivot", dtype, len(raw[0]))
    least = np.iinfo(dtype).min
    if len(raw) >= 3:
        lower = scratch.row("difference", dtype, len(raw[0]))
        np.minimum(raw[0], raw[1], out=lower)
        np.maximum(raw[0], raw[1], out=pivot)
        np.minimum(pivot, raw[2], out=pivot)
        np.maximum(pivot, lower, out=pivot)
    else:
        np.copyto(pivot, raw[0])
    np.maximum(pivot, dtype.type(least + _BELOW), out=pivot)
    pivot -= dtype.type(_BELOW)
    return pivot


def full_keys(raw: Sequence[NDArray[Any]], scratch: Scratch) -> Keys:
    """Return the samples themselves as keys, in rows of their own."""
    rows = scratch.rows("key", len(raw) + 1, raw[0].dtype, len(raw[0]))
    for sample, key in zip(raw, rows, strict=False):
        np.copyto(key, sample)
    return Keys(rows[:-1], rows[-1], None, None)
