"""Numbers that belong together within a tolerance, without bins: where they are split depends on the numbers alone."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise

from ap_masters.model import within


def clusters(values: Iterable[float], tolerance: float) -> list[tuple[float, ...]]:
    """Split ``values`` into runs whose spread (largest minus smallest) is at most ``tolerance``, inclusive.

    Divisive: as long as a run is too wide it is cut at its widest gap; of equal gaps at the one nearest the middle,
    of two of those at the lower. So -10, -10.1, -10.2 stay together within 1.0 and -10, -12 do not, the order and
    the number of equal values change nothing, and every value is in exactly one run. Returns sorted runs of distinct
    values, in rising order. Two runs may lie closer together than the tolerance where one would be too wide.
    """
    distinct = sorted(set(values))
    return list(_split(tuple(distinct), tolerance)) if distinct else []


def angles(values: Iterable[float], tolerance: float) -> list[tuple[float, ...]]:
    """Split degrees from 0 to 360 as ``clusters`` does numbers, on the circle: 359.5 and 0.5 are 1 apart.

    The circle is opened at its widest gap. Returns runs of distinct values.
    """
    distinct = sorted(set(values))
    if not distinct:
        return []
    ends = [*distinct, distinct[0] + 360]
    start = max(range(len(distinct)), key=lambda index: ends[index + 1] - ends[index]) + 1
    line: dict[float, list[float]] = defaultdict(list)  # a turn further on the last bits of two may be one
    for index, value in enumerate(distinct):
        line[value if index >= start else value + 360].append(value)
    return [tuple(chain.from_iterable(line[value] for value in run)) for run in clusters(line, tolerance)]


def chains(values: Iterable[float], apart: Callable[[float, float], bool]) -> list[tuple[float, ...]]:
    """Split ``values`` between neighbours that are ``apart``, however far a run then reaches.

    Returns sorted runs of distinct values, in rising order.
    """
    distinct = sorted(set(values))
    cuts = [0, *(i for i, (a, b) in enumerate(pairwise(distinct), 1) if apart(a, b)), len(distinct)]
    return [tuple(distinct[a:b]) for a, b in pairwise(cuts) if b > a]


def _split(run: tuple[float, ...], tolerance: float) -> Iterator[tuple[float, ...]]:
    """Yield the pieces of a sorted run; a stack instead of recursion, as runs can have thousands of values."""
    waiting = [run]
    while waiting:
        piece = waiting.pop()
        if within(piece[-1], piece[0], tolerance):
            yield piece
            continue
        cut = _widest_gap(piece)
        waiting += [piece[cut:], piece[:cut]]


def _widest_gap(piece: tuple[float, ...]) -> int:
    """Return where to cut: the index of the first value above the widest gap."""
    middle = (piece[0] + piece[-1]) / 2

    def rank(index: int) -> tuple[float, float, int]:
        below, above = piece[index - 1], piece[index]
        # Rounded, so that gaps that are equal to the eye are equal here: 0.1 steps differ in the last bit.
        return round(above - below, 9), -round(abs((above + below) / 2 - middle), 9), -index

    return max(range(1, len(piece)), key=rank)
