"""Exact order statistics of any number of samples in fixed memory, by counting bit patterns.

A float32's bits, read as an integer, order as the number does once negative numbers are turned round. The
upper 16 bits of every sample are counted first; only for the few upper halves that hold a wanted rank the
lower halves are counted in a second pass. 16-bit samples need one pass. No sample is kept.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Runs = Callable[[], Iterable[NDArray[Any]]]  # the samples, run by run, anew at each call
_HALF: Final = 1 << 16


def keys(samples: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return for each sample the integer that orders as it does; -0.0 and 0.0 are one."""
    bits = (samples + np.float32(0)).view(np.uint32)
    negative = bits >> np.uint32(31)
    return bits ^ ((np.uint32(0) - negative) | np.uint32(0x80000000))


def values(ordered: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Return the samples of keys."""
    positive = ordered >> np.uint32(31)
    return (ordered ^ ((positive - np.uint32(1)) | np.uint32(0x80000000))).view(np.float32)


def count16(runs: Iterable[NDArray[np.uint16]]) -> NDArray[np.int64]:
    """Return how often each of the 65536 values occurs."""
    counts = np.zeros(_HALF, np.int64)
    for run in runs:
        counts += np.bincount(run, minlength=_HALF)
    return counts


def ranked(counts: NDArray[np.int64], ranks: Sequence[int]) -> list[tuple[int, int]]:
    """Return for each rank (from 0) the value it falls on and how many samples lie below that value."""
    ends = np.cumsum(counts)
    found = np.searchsorted(ends, ranks, side="right")
    return [(int(v), int(ends[v] - counts[v])) for v in found]


def middle(count: int) -> tuple[int, int]:
    """Return the two ranks whose mean is the median; the same twice when ``count`` is odd."""
    return (count - 1) // 2, count // 2
