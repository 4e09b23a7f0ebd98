"""Exact sums over the frames of a tile, and what they prove about the scatter of each stack."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.scratch import Scratch

Row = NDArray[Any]
F32 = NDArray[np.float32]

GROUP: Final = 8  # ranks added up together
_SHORT_CHUNK: Final = 256  # 8-bit keys whose sum stays below 2^16


def add_up(rows: list[Row], dtype: np.dtype[Any], scratch: Scratch) -> Row:
    """Return the sums of the keys of each stack, exact as long as they are whole numbers that ``dtype`` holds."""
    length = len(rows[0])
    total = scratch.row("total", dtype, length)
    part = scratch.row("part", dtype, length)
    total.fill(0)
    chunk = scratch.row("lower", np.uint16, length)
    step = _SHORT_CHUNK if rows[0].dtype == np.uint8 else 1
    for first in range(0, len(rows), step):
        if step == 1:
            np.copyto(part, rows[first])
        else:
            _add_rows(rows[first : first + step], chunk)
            np.copyto(part, chunk)
        np.add(total, part, out=total)
    return total


class Folded(NamedTuple):
    """Sums over a sorted tile, right except where ``unfit`` (None: right everywhere).

    ``total`` is the sum of the keys of each stack, exact as long as its type holds such whole numbers; ``scatter``
    is a lower bound of the sum of (x - mean)^2.
    """

    total: Row
    scatter: F32
    unfit: NDArray[np.bool_] | None


def fold(rows: list[Row], dtype: np.dtype[Any], scratch: Scratch) -> Folded:
    """Add up the sorted ``rows`` in groups of symmetric ranks.

    For a group of s ranks and their mirror images, with upper sum U and lower sum L, Cauchy and Schwarz give

        sum (x - mean)^2  >=  sum over pairs (u - l)^2 / 2  >=  (U - L)^2 / (2 s)

    (the first step is (u - m)^2 + (l - m)^2 >= (u - l)^2 / 2 for any m). Small groups outside, where ranks
    lie far apart, and larger ones inside lose little. The sums U and L are also the total.

    Sums are taken modulo 2^16. Those of eight 8-bit keys stay below it. Of 16-bit keys, x - least is what is
    summed, and that is right where the range of the stack is below 2^16 / 8.
    """
    n, length = len(rows), len(rows[0])
    total, more = (scratch.row(name, dtype, length) for name in ("total", "more"))
    scatter, part = (scratch.row(name, np.float32, length) for name in ("scatter", "part"))
    lower, upper = (scratch.row(name, np.uint16, length) for name in ("lower", "upper"))
    least = None if rows[0].dtype == np.uint8 else rows[0].view(np.uint16)
    total.fill(0)
    scatter.fill(0)
    for first, size in groups(n):
        _add_rows(rows[first : first + size], lower)
        _add_rows(rows[n - first - size : n - first], upper)
        np.subtract(upper, lower, out=upper)
        if least is not None:
            _subtract_times(lower, least, size, scratch)
        for times, row in ((2, lower), (1, upper)):
            np.copyto(more, row)
            for _ in range(times):
                np.add(total, more, out=total)
        np.copyto(part, upper)
        np.multiply(part, part, out=part)
        np.multiply(part, np.float32(1 / (2 * size)), out=part)
        np.add(scatter, part, out=scatter)
    if n % 2:
        _add_rows([rows[n // 2]], lower)
        if least is not None:
            _subtract_times(lower, least, 1, scratch)
        np.copyto(more, lower)
        np.add(total, more, out=total)
    if least is None:
        return Folded(total, scatter, None)
    np.copyto(more, rows[0])
    np.multiply(more, dtype.type(n), out=more)
    np.add(total, more, out=total)
    span = np.subtract(rows[-1].view(np.uint16), least, out=upper)
    unfit = np.greater_equal(span, (1 << 16) // GROUP, out=scratch.row("unfit", np.bool_, length))
    return Folded(total, scatter, unfit)


def groups(n: int) -> list[tuple[int, int]]:
    """Return first rank and size of the groups of lower ranks: 1, 1, 2, 4, 8, 8, ... up to the middle."""
    result = []
    first = 0
    while first < n // 2:
        size = min(max(first, 1), GROUP, n // 2 - first)
        result.append((first, size))
        first += size
    return result


def _add_rows(rows: list[Row], out: NDArray[np.uint16]) -> None:
    """Add rows of keys modulo 2^16."""
    if rows[0].dtype != np.uint8:
        rows = [row.view(np.uint16) for row in rows]
    if len(rows) == 1:
        np.copyto(out, rows[0])
        return
    np.add(rows[0], rows[1], out=out, dtype=np.uint16)
    for row in rows[2:]:
        np.add(out, row, out=out)


def _subtract_times(sums: NDArray[np.uint16], least: Row, times: int, scratch: Scratch) -> None:
    """Subtract ``times`` the least sample, modulo 2^16."""
    multiple = scratch.row("multiple", np.uint16, len(least))
    np.multiply(least, np.uint16(times), out=multiple)
    np.subtract(sums, multiple, out=sums)
