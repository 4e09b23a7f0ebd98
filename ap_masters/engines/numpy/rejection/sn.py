"""The scale estimator Sn of Rousseeuw and Croux (1993), of many sorted stacks side by side.

Sn is the low median over i of the high median over j of |r_i - r_j|, times a factor. In a sorted stack the
h = n//2 + 1 samples nearest to r_i (itself included) fill a window of h ranks, so the high median is the least,
over the windows of h ranks, of the larger distance from r_i to the window's ends. Windows without i do no harm:
the distance to the further end of one reaches over h samples too.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.network import of_ranks
from ap_masters.engines.numpy.parts import even_parts
from ap_masters.engines.numpy.rejection.survivors import take_columns

CONSISTENCY: Final = 1.1926  # makes it the standard deviation of normal samples
_SMALL: Final = {2: 0.743, 3: 1.851, 4: 0.954, 5: 1.351, 6: 0.993, 7: 1.198, 8: 1.005, 9: 1.131}
_MANY_SAMPLES: Final = 64  # from so many on, counting takes fewer operations than windows do
_LEVELS: Final = 64  # to which it is counted
_WORTHWHILE: Final = 0.2  # with fewer stacks left than that, the others are put away
_BYTE: Final = 254
_STEPS: Final = 65534
_BEYOND: Final = 2.5  # more than twice what matters
_REACHES: Final = 1 + 2 * _BEYOND
_ROUNDED: Final = 1.5  # steps: two samples are rounded by less than one each, and the distance is one of theirs
_AT_ONCE: Final = 1 << 19  # samples: all that is touched stays in the cache


def factor(n: int) -> float:
    """Return the finite-sample factor of Sn for n samples."""
    return _SMALL.get(n) or (n / (n - 0.9) if n % 2 else 1.0)


def middle_distance(r: NDArray[Any]) -> NDArray[Any]:
    """Return the low median of the high medians of sorted stacks (n, pixels), of their own type.

    Unsigned whole numbers are fine, as no difference is negative; the shorter they are, the faster it goes.
    """
    n, pixels = r.shape
    middle = np.empty(pixels, r.dtype)
    way = _by_counting if n >= _MANY_SAMPLES and r.dtype == np.uint8 else _by_windows
    for part in even_parts(pixels, _AT_ONCE // n):
        middle[part] = way(np.ascontiguousarray(r[:, part]))
    return middle


def exact_distance(r: NDArray[Any]) -> NDArray[np.float64]:
    """Return that distance of any numbers; of short integers by way of 8 bits wherever these hold the differences."""
    if r.dtype.kind not in "iu" or r.dtype == np.uint8:
        return middle_distance(r).astype(np.float64)
    distance = np.empty(r.shape[1])
    above = (r - r[0]).view(np.uint16)
    fits = above[-1] < 256
    if fits.all():
        return middle_distance(above.astype(np.uint8)).astype(np.float64)
    for which, dtype in ((np.flatnonzero(fits), np.uint8), (np.flatnonzero(~fits), np.uint16)):
        if len(which):
            distance[which] = middle_distance(take_columns(above, which).astype(dtype))
    return distance


def rough_distance(r: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return that distance of sorted stacks of any numbers, and by how much at most it is wrong.

    What is further away than matters may be moved: the innermost h samples, or one more, lie within a range R. So
    D_i <= R for each of these, and as they are enough, the distance is not above R either. A sample with D_i <= R is at
    most R away from one of them, and what it counts 2 R; what lies further out stays further than R from all of them,
    and those that are not of them are less than h. Whole numbers then mostly fit into a byte; others are rounded.
    """
    if r.dtype == np.uint8:
        return middle_distance(r).astype(np.float64), np.zeros(r.shape[1])
    n, pixels = r.shape
    o = (n - n // 2 - 1) // 2
    reach = r[n - 1 - o].astype(np.float64) - r[o]
    lowest = r[o] - _BEYOND * reach
    distance, step = np.empty(pixels), _REACHES * reach / _STEPS
    fits = (_REACHES * reach < _BYTE) & (r.dtype.kind in "iu")
    step[fits] = 1
    lowest[fits] = np.floor(lowest[fits])
    for which, dtype in ((np.flatnonzero(fits), np.uint8), (np.flatnonzero(~fits), np.uint16)):
        if len(which):
            short = np.empty((n, len(which)), dtype)
            scale = np.divide(1.0, step[which], out=np.zeros(len(which)), where=step[which] > 0)
            for row, target in zip(take_columns(r, which), short, strict=True):
                place = (row - lowest[which]) * scale
                np.copyto(target, np.clip(place, 0, np.iinfo(dtype).max, out=place), casting="unsafe")
            distance[which] = middle_distance(short)
    distance *= step
    step[fits] = 0
    return distance, _ROUNDED * step


def _by_counting(r: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Count, for t = 0, 1, ..., the samples that have h samples within t: the distance is the first t with enough.

    All h ranks together hold the middle rank n//2, so only samples within t of the middle sample can have that many.
    With A(v) and B(v) samples within v above and below it, one that lies x above it has 1 + A(t + x) + B(t - x)
    within t, and there are A(x) - A(x - 1) of them; and the same below. A and B look at their half of the ranks only,
    once for each of some 2 t values: n t operations instead of n^2. Distances beyond that are left to the windows.
    """
    n, pixels = r.shape
    middle, wanted = n // 2, (n + 1) // 2
    halves = [r[middle] - r[:middle], r[middle + 1 :] - r[middle]]
    counts = np.empty((2, _LEVELS, pixels), np.uint8 if n < 256 else np.uint16)
    distance = np.zeros(pixels, np.uint8)
    going = np.arange(pixels)
    for t in range(_LEVELS // 2):
        for v in range(max(2 * t - 1, 0), 2 * t + 1):
            for half, count in zip(halves, counts, strict=True):
                np.add.reduce((half <= v).view(np.uint8), axis=0, dtype=counts.dtype, out=count[v])
        having = (counts[0, 0] + counts[1, 0] + 1) * (counts[0, t] + counts[1, t] >= middle)
        for near, far in (counts, counts[::-1]):
            inside = near[t + 1 : 2 * t + 1] + far[:t][::-1] >= middle
            there = near[1 : t + 1] - near[:t]
            having += np.add.reduce(there * inside, axis=0, dtype=counts.dtype)
        left = np.flatnonzero(having < wanted)
        if len(left) <= _WORTHWHILE * len(going):
            going = going[left]
            halves = [take_columns(half, left) for half in halves]
            counts = counts.take(left, axis=2)
            left = np.arange(len(left))
        distance[going[left]] = t + 1
        if not len(left):
            return distance
    distance[going] = _by_windows(r.take(going, axis=1))
    return distance


def _by_windows(r: NDArray[Any]) -> NDArray[Any]:
    """Work on windows from the lowest to the highest, each with the ranks inside it at once.

    These are n^2 / 4 distances of two kinds.
    """
    n, pixels = r.shape
    h = n // 2 + 1
    nearest = np.empty_like(r)
    reach, other = np.empty((h, pixels), r.dtype), np.empty((h, pixels), r.dtype)
    for k in range(n - h + 1):
        inside = r[k : k + h]
        np.subtract(inside, r[k], out=reach)
        np.subtract(r[k + h - 1], inside, out=other)
        np.maximum(reach, other, out=reach)
        if k:
            np.minimum(nearest[k : k + h - 1], reach[:-1], out=nearest[k : k + h - 1])
            nearest[k + h - 1] = reach[-1]
        else:
            nearest[:h] = reach
    rank = (n + 1) // 2 - 1
    middle: NDArray[Any] = of_ranks(nearest, [rank])[rank]
    return middle
