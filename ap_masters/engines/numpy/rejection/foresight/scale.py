"""A lower bound of the distance that the scale estimator Sn is made of, for sorted stacks of short keys.

That distance d is the m-th smallest, m = (n + 1) // 2, of the distances D_i from r_i to its h-th nearest sample,
h = n // 2 + 1, which is the least over k of max(r_i - r_k, r_(k + h - 1) - r_i); see ``rejection/sn.py``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.scratch import Scratch

Keys = NDArray[np.uint8]
Rows = Sequence[NDArray[Any]]


def least_distance(rows: Rows, splits: Sequence[int], scratch: Scratch) -> Keys:
    """Return a lower bound of d: the greatest of several.

    Whatever n - m + 1 ranks one takes, d is not below the least D_i of these; take the outermost, that is the ``lower``
    lowest and the others from above. For a rank i <= p some window of h ranks lies within D_i of r_i. Let it begin at
    rank k: then D_i is not below half its width, nor below the distance from r_i, hence from r_p, to its end. So for
    all these ranks

        D_i >= min over k <= p of max(width_k / 2, r_(k + h - 1) - r_p),

    as windows that begin beyond p end still further away. The upper ranks mirror that. ``splits`` are numbers of lower
    ranks to be tried, counted from half of the ranks taken.
    """
    n, length = len(rows), len(rows[0])
    h, taken = n // 2 + 1, n - (n + 1) // 2 + 1
    windows = [(rows[k], rows[k + h - 1]) for k in range(n - h + 1)]
    best = scratch.row("least distance", np.uint8, length)
    best.fill(0)
    for lower in sorted({min(max((taken + 1) // 2 + split, 1), taken - 1) for split in splits}):
        upper = taken - lower
        below = _half_reach(windows[:lower], 1, rows[lower - 1], "reach from below", scratch)
        above = _half_reach(windows[: -upper - 1 : -1], 0, rows[n - upper], "reach from above", scratch)
        np.maximum(best, np.minimum(below, above, out=below), out=best)
    return best


def _half_reach(windows: Sequence[tuple[Keys, Keys]], far: int, inmost: Keys, name: str, scratch: Scratch) -> Keys:
    """Return the bound above for windows whose ``far`` end (1 upper, 0 lower) is the one away from the rank.

    Distances are whole numbers, and so are halves of widths when rounded up.
    """
    length = len(inmost)
    least = scratch.row(name, np.uint8, length)
    least.fill(255)
    half, reach = (scratch.row(kind, np.uint8, length) for kind in ("half width", "window reach"))
    for low, high in windows:
        np.subtract(high, low, out=reach)
        np.right_shift(reach, 1, out=half)
        np.subtract(reach, half, out=half)
        if far:
            np.subtract(high, inmost, out=reach)
        else:
            np.subtract(inmost, low, out=reach)
        np.maximum(half, reach, out=reach)
        np.minimum(least, reach, out=least)
    return least
