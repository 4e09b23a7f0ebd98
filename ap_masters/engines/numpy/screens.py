"""Proofs, a tile at a time, that a stack cannot lose a sample: most of them are combined without another look.

A screen may err on one side only. It marks a stack wherever it cannot prove that the definition rejects
nothing; what is marked is integrated exactly (``columns.py``). Its arithmetic is float32 on whole numbers, and
every comparison leaves a margin wider than float32's rounding.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.sums import Folded
from ap_masters.model import Recipe

Row = NDArray[Any]
F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

_MARGIN: Final = np.float32(1 - 1e-4)  # some hundred float32 operations round by less than 2e-5
_TINY: Final = 1e-9


class Sorted(NamedTuple):
    """A sorted tile: rows of keys by rank (outer and middle ones at least), counts less keys, and sums if taken."""

    rows: list[Row]
    offset: F32
    folded: Folded | None


def clipping_screen(stacks: Sorted, recipe: Recipe, scratch: Scratch) -> Bools:
    """Mark where sigma clipping or averaged sigma clipping may reject.

    Nothing goes when median - least <= k_low s and greatest - median <= k_high s. Sigma clipping's s^2 is
    sum (x - mean)^2 / (n - 1). Averaged clipping's first s is q sqrt(m0), that is s^2 = sum (x - m0)^2 / (n - 1),
    which is not less; it wants a median above zero besides. The sum is not below ``scatter``.
    """
    assert stacks.folded is not None
    n = len(stacks.rows)
    below, above, middle = _reaches(stacks, scratch)
    np.multiply(below, np.float32(1 / max(recipe.sigma_low, _TINY)), out=below)
    np.multiply(above, np.float32(1 / max(recipe.sigma_high, _TINY)), out=above)
    np.maximum(below, above, out=below)
    np.multiply(below, below, out=below)
    np.multiply(below, np.float32((n - 1) / _MARGIN), out=below)
    marked = np.greater(below, stacks.folded.scatter, out=scratch.row("marked", np.bool_, len(below)))
    dark = np.less_equal(middle, 0, out=scratch.row("dark", np.bool_, len(below)))
    np.logical_or(marked, dark, out=marked)
    return marked


def percentile_screen(stacks: Sorted, recipe: Recipe, scratch: Scratch) -> Bools:
    """Mark where percentile clipping may reject.

    Nothing goes when median - least <= p_low * median and greatest - median <= p_high * median.
    """
    below, above, middle = _reaches(stacks, scratch)
    np.multiply(below, np.float32(1 / max(recipe.percentile_low, _TINY)), out=below)
    np.multiply(above, np.float32(1 / max(recipe.percentile_high, _TINY)), out=above)
    np.maximum(below, above, out=below)
    np.multiply(middle, _MARGIN, out=middle)
    marked = scratch.row("marked", np.bool_, len(below))
    np.greater_equal(below, middle, out=marked)
    return marked


def _reaches(stacks: Sorted, scratch: Scratch) -> tuple[F32, F32, F32]:
    """Return median - least, greatest - median, and the median in counts; all exact (whole or half numbers)."""
    rows = stacks.rows
    n, length = len(rows), len(rows[0])
    below, above, middle = (scratch.row(name, np.float32, length) for name in ("below", "above", "middle"))
    np.copyto(below, rows[(n - 1) // 2])
    np.copyto(middle, rows[n // 2])
    np.add(middle, below, out=middle)
    np.multiply(middle, np.float32(0.5), out=middle)
    np.copyto(below, rows[0])
    np.subtract(middle, below, out=below)
    np.copyto(above, rows[-1])
    np.subtract(above, middle, out=above)
    np.add(middle, stacks.offset, out=middle)
    return below, above, middle
