"""The screen of linear fit clipping."""

import numpy as np

from ap_masters.engines.numpy.rejection.foresight.line import loses_nothing
from ap_masters.engines.numpy.rejection.line import FEWEST_AT_FIRST
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening.stacks import Bools, Sorted
from ap_masters.model import Recipe


def line_screen(stacks: Sorted, recipe: Recipe, scratch: Scratch) -> Bools:
    """Mark where linear fit clipping may reject."""
    marked = scratch.row("marked", np.bool_, len(stacks.rows[0]))
    if stacks.n < FEWEST_AT_FIRST:
        marked.fill(False)
        return marked
    return np.logical_not(loses_nothing(stacks.rows, stacks.slack, recipe), out=marked)
