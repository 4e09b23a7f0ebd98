"""Which stacks linear fit clipping takes nothing from: proven for most of them from a bracket of the line's slope."""

from typing import Final

import numpy as np

from ap_masters.engines.numpy.rejection.foresight.bracket import Bracket, Grid
from ap_masters.engines.numpy.rejection.foresight.stacks import Bools, Sorted
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Recipe

_FEWEST: Final = 5
_MORE: Final = 2  # slopes tried for stacks of which two do not tell enough
_SAMPLES: Final = 1 << 20  # worked on at once: what the cache holds, as two integers of 16 bits each
_LEAST: Final = 1 << 11  # pixels worked on at once: less are not worth the calls


def loses_nothing(stacks: Sorted, recipe: Recipe, scratch: Scratch) -> Bools:
    """Return for which stacks it is proven that a pass of linear fit clipping rejects nothing; see ``bracket``."""
    n, length = stacks.n, len(stacks.rows[0])
    proven = scratch.row("proven", np.bool_, length)
    proven.fill(False)
    if n < _FEWEST:
        return proven
    grid = Grid.of(stacks.rows, stacks.slack)
    size = min(max(_SAMPLES // n, _LEAST), length)
    scratch = Scratch(size)
    for start in range(0, length, size):
        here = slice(start, start + size)
        bracket = Bracket([row[here] for row in stacks.rows], grid, scratch)
        bracket.begin()
        holds = proven[here]
        holds[:] = bracket.loses_nothing(recipe)
        rest = np.flatnonzero(~holds)
        if len(rest):
            bracket = bracket.select(rest)
            for _ in range(_MORE):
                bracket.go_on()
            holds[rest] = bracket.loses_nothing(recipe)
    return proven
