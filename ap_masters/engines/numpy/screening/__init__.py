"""Proofs, a tile at a time, of what stacks lose: most lose nothing, and are combined without another look.

Rules that measure from the median are proven by ``clipping``, from the ``moments`` that are taken while a tile is
read. For the others ``keys`` makes samples short, and a network sorts them; their proofs stand beside what is foreseen
of them in ``rejection/foresight``, as they are good for what is left of stacks too.
"""

from typing import Final, Protocol

from ap_masters.engines.numpy.rejection.foresight import line, winsorized_proof
from ap_masters.engines.numpy.rejection.foresight.stacks import Sorted
from ap_masters.engines.numpy.rejection.survivors import Losses
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening.clipping import LimitsOf, averaged_limits, percentile_limits, sigma_limits
from ap_masters.model import Recipe, Rejection


class Foresight(Protocol):
    """Tells of sorted stacks what they lose."""

    def __call__(self, stacks: Sorted, recipe: Recipe, full_scale: float, scratch: Scratch) -> Losses:
        """Return what a first pass loses, as far as it is proven; ``full_scale`` counts stand for 1.0."""
        ...


def _of_winsorized(stacks: Sorted, recipe: Recipe, full_scale: float, scratch: Scratch) -> Losses:
    return Losses.none_where(winsorized_proof.loses_nothing(stacks, recipe, scratch))


def _of_lines(stacks: Sorted, recipe: Recipe, full_scale: float, scratch: Scratch) -> Losses:
    return line.foresee(stacks, recipe, full_scale, turns=line.FIRST_TURNS)


# Between which limits a median proves that nothing is rejected, and whether that takes sums of squares; NONE needs no
# proof.
LIMITS: Final[dict[Rejection, tuple[LimitsOf | None, bool]]] = {
    Rejection.NONE: (None, False),
    Rejection.PERCENTILE: (percentile_limits, False),
    Rejection.SIGMA: (sigma_limits, True),
    Rejection.AVERAGED: (averaged_limits, True),
}

# Where a stack has to be looked at rank by rank. Rejection in neither table is worked out for every stack.
FORESIGHTS: Final[dict[Rejection, Foresight]] = {
    Rejection.WINSORIZED: _of_winsorized,
    Rejection.LINEAR_FIT: _of_lines,
}
