"""Numbers that belong together within a tolerance, without bins: where they are split depends on the numbers alone."""

from collections.abc import Iterable, Iterator

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
