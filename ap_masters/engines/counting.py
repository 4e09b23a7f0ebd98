"""Exact order statistics of any number of float32 samples in fixed memory, by counting bit patterns.

The bits of a float32, read as a whole number, order as the number does once negative numbers are turned round.
The upper 16 bits of every sample are counted first; only for the few upper halves that hold a wanted rank
are the lower halves counted, in a second pass. No sample is kept.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.medians import middle_ranks

F32 = NDArray[np.float32]
Runs = Callable[[], Iterable[F32]]  # the samples, run by run, anew at each call
Counts = NDArray[np.int64]

HALF: Final = 1 << 16
_SIGN: Final = np.uint32(0x80000000)


def keys(samples: F32) -> NDArray[np.uint32]:
    """Return for each sample the whole number that orders as it does; -0.0 and 0.0 are one."""
    bits = (samples + np.float32(0)).view(np.uint32)
    return bits ^ ((np.uint32(0) - (bits >> np.uint32(31))) | _SIGN)


def values(ordered: NDArray[np.uint32]) -> F32:
    """Return the samples of keys."""
    return (ordered ^ (((ordered >> np.uint32(31)) - np.uint32(1)) | _SIGN)).view(np.float32)


def count_upper(samples: F32) -> Counts:
    """Count the upper halves of the keys of some samples."""
    return np.bincount((keys(samples) >> np.uint32(16)).astype(np.uint16), minlength=HALF)


def count_lower(samples: F32, upper: int) -> Counts:
    """Count the lower halves of the keys whose upper half is ``upper``."""
    key = keys(samples)
    return np.bincount(key[key >> np.uint32(16) == upper].astype(np.uint16), minlength=HALF)


def find_ranks(counts: Counts, ranks: Sequence[int]) -> list[tuple[int, int]]:
    """Return for each rank (from 0) the value it falls on, and how many samples lie below that value."""
    ends = np.cumsum(counts)
    return [(int(v), int(ends[v] - counts[v])) for v in np.searchsorted(ends, ranks, side="right")]


def median_by_counting(runs: Runs) -> float | None:
    """Return the median; None when there are no samples."""
    upper = sum((count_upper(run) for run in runs()), np.zeros(HALF, np.int64))
    count = int(upper.sum())
    if not count:
        return None
    total = 0.0
    for rank, (half, below) in zip(middle_ranks(count), find_ranks(upper, middle_ranks(count)), strict=True):
        lower = sum((count_lower(run, half) for run in runs()), np.zeros(HALF, np.int64))
        ((low, _),) = find_ranks(lower, [rank - below])
        total += float(values(np.array([half << 16 | low], np.uint32))[0])
    return total / 2
