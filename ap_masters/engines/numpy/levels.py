"""The level of a frame: what flats are brought to a common brightness by. Exact, in fixed memory."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.counting import Runs, count16, keys, middle, ranked, values

_STEP: Final = 65535.0  # the range is open by one step of 16-bit counts at both ends


def location(runs: Runs, full_scale: float) -> float | None:
    """Return the median of the samples inside the open range (1/65535, 1 - 1/65535) of full scale.

    None when there are none. That is ImageIntegration's location estimate for rejection normalization
    and multiplicative output normalization. It is taken over one channel of the whole frame; the four
    colours of a colour filter array, which PixInsight holds in one channel, have one level together.
    """
    step = full_scale / _STEP
    return median_inside(runs, step, full_scale - step)


def median_inside(runs: Runs, low: float, high: float) -> float | None:
    """Return the exact median of the samples x with low < x < high; None when there are none."""

    def inside() -> Iterable[NDArray[Any]]:
        for run in runs():
            yield run[(run > low) & (run < high)]

    first = next(iter(runs()))
    if first.dtype == np.uint16:
        return _median16(inside())
    upper = count16((keys(run.astype(np.float32)) >> np.uint32(16)).astype(np.uint16) for run in inside())
    count = int(upper.sum())
    if not count:
        return None
    found = []
    for rank, (half, below) in zip(middle(count), ranked(upper, middle(count)), strict=True):
        lower = count16(_lower_halves(inside(), half))
        ((low_half, _),) = ranked(lower, [rank - below])
        found.append(float(values(np.array([half << 16 | low_half], np.uint32))[0]))
    return sum(found) / 2


def _median16(runs: Iterable[NDArray[np.uint16]]) -> float | None:
    counts = count16(runs)
    count = int(counts.sum())
    return sum(value for value, _ in ranked(counts, middle(count))) / 2 if count else None


def _lower_halves(runs: Iterable[NDArray[Any]], upper: int) -> Iterable[NDArray[np.uint16]]:
    """Yield the lower halves of the samples whose upper half is ``upper``."""
    for run in runs:
        key = keys(run.astype(np.float32))
        yield key[key >> np.uint32(16) == upper].astype(np.uint16)
