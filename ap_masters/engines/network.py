"""Sorting all stacks of a tile at once: a sorting network over frames.

A network is a fixed sequence of comparators (i, j), i < j: afterwards the lesser of the two stands at i. The
same sequence sorts every stack, so one comparator is one ``np.minimum`` and one ``np.maximum`` over whole rows
of pixels: no branches, as many pixels an instruction as the processor has lanes. Rows never move; results
go into a spare row, and the references to the rows change places.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Comparator(NamedTuple):
    """Put the lesser sample at rank ``low`` and the greater at ``high``, as far as each is wanted."""

    low: int
    high: int
    wants_low: bool = True
    wants_high: bool = True


@cache
def sorting_network(n: int) -> tuple[Comparator, ...]:
    """Return Batcher's merge exchange for n rows (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M)."""
    comparators = []
    top = 1 << max((n - 1).bit_length() - 1, 0)
    p = top
    while p > 0 and n > 1:
        q, r, d = top, 0, p
        while True:
            comparators += [Comparator(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return tuple(comparators)


@cache
def selecting_network(n: int, ranks: frozenset[int]) -> tuple[Comparator, ...]:
    """Return the part of the sorting network that brings the samples of ``ranks`` to their places.

    Read from its end, a comparator matters when a wanted rank comes out of it; then both ranks that go into
    it are wanted. Of the others, nothing is computed.
    """
    wanted = set(ranks)
    kept = []
    for low, high, _, _ in reversed(sorting_network(n)):
        if low in wanted or high in wanted:
            kept.append(Comparator(low, high, low in wanted, high in wanted))
            wanted |= {low, high}
    return tuple(reversed(kept))


def apply_network(network: Iterable[Comparator], rows: list[NDArray[Any]], spare: NDArray[Any]) -> NDArray[Any]:
    """Run ``network`` on ``rows`` (all of one length and type), in place; return the row that is spare now."""
    minimum, maximum = np.minimum, np.maximum
    for low, high, wants_low, wants_high in network:
        a, b = rows[low], rows[high]
        if wants_low and wants_high:
            minimum(a, b, out=spare)
            maximum(a, b, out=b)
            rows[low], spare = spare, a
        elif wants_low:
            minimum(a, b, out=a)
        else:
            maximum(a, b, out=b)
    return spare
