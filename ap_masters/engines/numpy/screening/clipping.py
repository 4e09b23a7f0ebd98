"""The screens of sigma, averaged sigma and percentile clipping: how far a stack reaches from its median."""

from math import sqrt
from typing import Final, NamedTuple

import numpy as np

from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening.spread import weighted_spread, weights
from ap_masters.engines.numpy.screening.stacks import F32, MARGIN, Bools, Sorted
from ap_masters.model import Recipe

_TINY: Final = 1e-9


class Reaches(NamedTuple):
    """Upper bounds of median - least and greatest - median, in keys, and a lower bound of the median, in counts."""

    below: F32
    above: F32
    median: F32


def reaches(stacks: Sorted, scratch: Scratch) -> Reaches:
    """Return how far a stack reaches from its median; exact for exact keys."""
    rows, n = stacks.rows, stacks.n
    below, above, middle = (scratch.row(name, np.float32, len(rows[0])) for name in ("below", "above", "middle"))
    np.copyto(below, rows[(n - 1) // 2])
    np.copyto(middle, rows[n // 2])
    np.add(middle, below, out=middle)
    np.multiply(middle, np.float32(0.5), out=middle)
    np.copyto(below, rows[0])
    np.subtract(middle, below, out=below)
    np.copyto(above, rows[-1])
    np.subtract(above, middle, out=above)
    if stacks.slack:
        np.add(below, np.float32(stacks.slack), out=below)
        np.add(above, np.float32(stacks.slack), out=above)
    if stacks.unit != 1.0:
        np.multiply(middle, np.float32(stacks.unit), out=middle)
    np.add(middle, stacks.offset, out=middle)
    return Reaches(below, above, middle)


def clipping_screen(stacks: Sorted, recipe: Recipe, scratch: Scratch) -> Bools:
    """Mark where sigma clipping or averaged sigma clipping may reject.

    Nothing goes when median - least <= k_low s and greatest - median <= k_high s. Sigma clipping's s^2 is
    sum (x - mean)^2 / (n - 1). Averaged clipping's first s is q sqrt(m0), that is s^2 = sum (x - m0)^2 / (n - 1),
    which is not less; it wants a median above zero besides.
    """
    n, reach = stacks.n, reaches(stacks, scratch)
    np.multiply(reach.below, np.float32(sqrt(n - 1) / max(recipe.sigma_low, _TINY)), out=reach.below)
    np.multiply(reach.above, np.float32(sqrt(n - 1) / max(recipe.sigma_high, _TINY)), out=reach.above)
    np.maximum(reach.below, reach.above, out=reach.below)
    spread = scratch.row("scatter", np.float32, len(reach.below))
    np.copyto(spread, weighted_spread(stacks.rows, stacks.rows[::-1], weights(n), scratch))
    np.multiply(spread, np.float32(weights(n).factor * MARGIN), out=spread)
    if stacks.slack:
        np.subtract(spread, np.float32(stacks.slack * sqrt(n) / 2), out=spread)
    marked = scratch.row("marked", np.bool_, len(spread))
    np.greater(reach.below, spread, out=marked)
    dark = np.less_equal(reach.median, 0, out=scratch.row("dark", np.bool_, len(spread)))
    np.logical_or(marked, dark, out=marked)
    return marked


def percentile_screen(stacks: Sorted, recipe: Recipe, scratch: Scratch) -> Bools:
    """Mark where percentile clipping may reject.

    Nothing goes when median - least <= p_low * median and greatest - median <= p_high * median.
    """
    reach = reaches(stacks, scratch)
    np.multiply(reach.below, np.float32(stacks.unit / max(recipe.percentile_low, _TINY)), out=reach.below)
    np.multiply(reach.above, np.float32(stacks.unit / max(recipe.percentile_high, _TINY)), out=reach.above)
    np.maximum(reach.below, reach.above, out=reach.below)
    np.multiply(reach.median, np.float32(MARGIN), out=reach.median)
    marked = scratch.row("marked", np.bool_, len(reach.below))
    np.greater_equal(reach.below, reach.median, out=marked)
    return marked
