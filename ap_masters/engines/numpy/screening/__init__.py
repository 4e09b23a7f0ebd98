"""Proofs, a tile at a time, that a stack cannot lose a sample: most are combined without another look.

``keys`` makes samples short; ``clipping``, ``winsorized`` and ``line`` hold a proof for each kind of rule, on stacks
that a network has sorted; ``spread`` is the bound of a scatter that two of them rest on.
"""

from collections.abc import Callable
from typing import Final

from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening.clipping import clipping_screen, percentile_screen
from ap_masters.engines.numpy.screening.line import line_screen
from ap_masters.engines.numpy.screening.stacks import Bools, Sorted
from ap_masters.engines.numpy.screening.winsorized import winsorized_screen
from ap_masters.model import Recipe, Rejection

Screen = Callable[[Sorted, Recipe, Scratch], Bools]

# What marks the stacks that may lose something, and whether it looks at all ranks or at the outer and middle ones
# only. Rejection that is not in this table is worked out for every stack.
SCREENS: Final[dict[Rejection, tuple[Screen | None, bool]]] = {
    Rejection.NONE: (None, False),
    Rejection.PERCENTILE: (percentile_screen, False),
    Rejection.SIGMA: (clipping_screen, True),
    Rejection.AVERAGED: (clipping_screen, True),
    Rejection.WINSORIZED: (winsorized_screen, True),
    Rejection.LINEAR_FIT: (line_screen, True),
}
