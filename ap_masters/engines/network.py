"""Sorting many stacks side by side: by a sorting network over frames, or one after the other.

A network is a fixed sequence of comparators (i, j), i < j: afterwards the lesser of the two stands at i. The
same sequence sorts every stack, so one comparator is one ``np.minimum`` and one ``np.maximum`` over whole rows
of pixels: no branches, as many pixels an instruction as the processor has lanes. Rows never move; results
go into a spare row, and the references to the rows change places.

Comparators become many with the frames, and each costs a call, which few pixels are not worth. There numpy sorts stack
after stack, numbers of 32 and 64 bits by vector instructions on most processors, others on few.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_LONG: Final = 192  # bytes of a stack from which on it is sorted by itself
_TURNED: Final = 256  # stacks of which one sample each takes a line of the nearest cache
_FEW: Final = 14  # stacks for each comparator; fewer are, too


class Comparator(NamedTuple):
    """Put the lesser sample at rank ``low`` and the greater at ``high``, as far as each is wanted."""

    low: int
    high: int
    wants_low: bool = True
    wants_high: bool = True


@cache
def sorting_network(n: int) -> tuple[Comparator, ...]:
    """Return the pairwise sorting network for n rows (Parberry, Parallel Processing Letters 2, 205, 1992).

    It has as many comparators as Batcher's merge exchange, and of these fewer matter to a single rank.
    """
    return _pairwise(n, 0)


@cache
def selecting_network(n: int, ranks: frozenset[int]) -> tuple[Comparator, ...]:
    """Return the part of the sorting network that brings the samples of ``ranks`` to their places.

    For a median that takes a tenth less than of Batcher's network. Where n is no power of two, the rows may begin at
    rank 0 or 1 of the network for one; whichever takes less.
    """
    spare = 2 ** (n - 1).bit_length() - n if n > 1 else 0
    return min((_pruned(_pairwise(n, first), ranks) for first in range(min(spare, 1) + 1)), key=_calls)


def _pairwise(n: int, first: int) -> tuple[Comparator, ...]:
    """Return the network for the next power of two, as far as it concerns n rows from ``first`` on.

    Others may be thought of as holding less than all of these, or more: no comparator moves them.
    """
    size = 1 << max(n - 1, 0).bit_length()
    pairs = []
    distance = 1
    while distance < size:  # sort pairs, then pairs of pairs by their lesser and by their greater
        pairs += [(i, i + distance) for i in range(size) if not i & distance]
        distance *= 2
    step, reach = distance // 4, 1
    while step:  # merge them
        over = reach
        while over:
            pairs += [(i, i + over * step) for i in range(size - over * step) if i & step]
            over //= 2
        step, reach = step // 2, 2 * reach + 1
    inside = range(first, first + n)
    return tuple(Comparator(low - first, high - first) for low, high in pairs if low in inside and high in inside)


def _pruned(network: Sequence[Comparator], ranks: frozenset[int]) -> tuple[Comparator, ...]:
    """Return what matters to some ranks, seen from the network's end.

    A comparator does when a wanted rank comes out of it; then both ranks that go into it are wanted. Of the others,
    nothing is computed.
    """
    wanted = set(ranks)
    kept = []
    for low, high, _, _ in reversed(network):
        if low in wanted or high in wanted:
            kept.append(Comparator(low, high, low in wanted, high in wanted))
            wanted |= {low, high}
    return tuple(reversed(kept))


def _calls(network: Sequence[Comparator]) -> int:
    return sum(comparator.wants_low + comparator.wants_high for comparator in network)


def apply_network(
    network: Iterable[Comparator], rows: list[NDArray[Any]], spares: list[NDArray[Any]], *, keep: bool = False
) -> None:
    """Run ``network`` on ``rows`` (all of one length and type): the list comes to hold the results.

    That takes one spare row. If what the rows hold is to be kept, it takes one more than there are rows.
    """
    minimum, maximum = np.minimum, np.maximum
    ours: list[NDArray[Any] | None] = [None] * len(rows) if keep else list(rows)
    for low, high, wants_low, wants_high in network:
        a, b, before = rows[low], rows[high], ours[low]
        if wants_low:
            rows[low] = ours[low] = minimum(a, b, out=spares.pop())
        if wants_high:
            there = ours[high]
            rows[high] = ours[high] = maximum(a, b, out=spares.pop() if there is None else there)
        if wants_low and before is not None:
            spares.append(before)


def in_order(stacks: NDArray[Any]) -> NDArray[Any]:
    """Return the columns of ``stacks`` (n, pixels) in ascending order."""
    network = sorting_network(len(stacks))
    if _by_itself(stacks, network):
        return _turned(_sorted_across(stacks), stacks.dtype)
    return np.stack(_applied(network, stacks))


def of_ranks(stacks: NDArray[Any], ranks: Collection[int]) -> dict[int, NDArray[Any]]:
    """Return the samples of some ranks of the columns of ``stacks`` (n, pixels), by rank."""
    network = selecting_network(len(stacks), frozenset(ranks))
    if _by_itself(stacks, network):
        across = _sorted_across(stacks)
        return {rank: across[:, rank].astype(stacks.dtype) for rank in ranks}
    rows = _applied(network, stacks)
    return {rank: rows[rank] for rank in ranks}


def _applied(network: Sequence[Comparator], stacks: NDArray[Any]) -> list[NDArray[Any]]:
    """Return what the network makes of the rows, which stay as they are."""
    rows = list(stacks)
    apply_network(network, rows, list(np.empty((len(rows) + 1, stacks.shape[1]), stacks.dtype)), keep=True)
    return rows


def _by_itself(stacks: NDArray[Any], network: Sequence[Comparator]) -> bool:
    """Say whether each stack is best sorted by itself."""
    n, pixels = stacks.shape
    return bool(n * stacks.itemsize >= _LONG or pixels < _FEW * len(network))


def _sorted_across(stacks: NDArray[Any]) -> NDArray[Any]:
    """Return the stacks (pixels, n), each in ascending order.

    They do not lie a power of two apart, lest samples of one rank compete for one place in the cache: ten times as
    slow.
    """
    n, pixels = stacks.shape
    dtype = stacks.dtype if stacks.itemsize >= np.dtype(np.int32).itemsize else np.int32
    across = np.empty((pixels, n | 1), dtype)[:, :n]
    np.copyto(across, stacks.T)
    across.sort(axis=1)
    return across


def _turned(across: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return stacks (pixels, n) as (n, pixels): some at a time, so that samples side by side are found in the cache."""
    stacks = np.empty(across.shape[::-1], dtype)
    for first in range(0, len(across), _TURNED):
        some = slice(first, first + _TURNED)
        np.copyto(stacks[:, some], across[some].T, casting="unsafe")
    return stacks
