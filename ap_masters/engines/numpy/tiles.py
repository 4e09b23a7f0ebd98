"""The fast path: tiles of 16-bit samples, ranked by a sorting network, screened, and combined where proven."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.keys import COARSEST, Read, full_keys, short_keys
from ap_masters.engines.numpy.network import apply_network, selecting_network, sorting_network
from ap_masters.engines.numpy.order import Order
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screens import Sorted, clipping_screen, percentile_screen
from ap_masters.engines.numpy.winsor_screen import winsorized_screen
from ap_masters.model import Combination, Recipe, Rejection

Row = NDArray[Any]
Screen = Callable[[Sorted, Recipe, Scratch], NDArray[np.bool_]]

_EXACT32: Final = 1 << 24  # whole numbers below are exact in float32

# What proves that a stack loses nothing, and whether it looks at all ranks or at the outer and middle ones only.
_SCREENS: Final[dict[Rejection, tuple[Screen | None, bool]]] = {
    Rejection.NONE: (None, False),
    Rejection.PERCENTILE: (percentile_screen, False),
    Rejection.SIGMA: (clipping_screen, True),
    Rejection.AVERAGED: (clipping_screen, True),
    Rejection.WINSORIZED: (winsorized_screen, True),
}
SCREENED: Final = frozenset(_SCREENS)


class Tiles:
    """Integrates one tile after the other, in one thread."""

    def __init__(self, order: Order, scratch: Scratch) -> None:
        self._count = n = len(order.source)
        self._recipe = recipe = order.recipe
        self._zero = order.source.zero
        self._divisor = order.divisor
        self._scratch = scratch
        self._screen, every_rank = _SCREENS[recipe.rejection]
        few = frozenset({0, (n - 1) // 2, n // 2, n - 1})
        self._network = sorting_network(n) if every_rank else selecting_network(n, few)
        averages = recipe.combination is Combination.AVERAGE
        self._short = averages or every_rank
        self._coarsest = COARSEST if averages else 0
        exact32 = n * 65535 < _EXACT32 and float(np.float32(n * order.divisor)) == n * order.divisor
        self._float = np.dtype(np.float32 if exact32 else np.float64)

    def integrate(self, raw: Sequence[Row], read: Read, out: NDArray[np.float32]) -> NDArray[np.intp]:
        """Read a tile into the rows ``raw``; combine what provably loses nothing, return where the rest is."""
        flags = self._short_tile(raw, read, out) if self._short else self._full_tile(raw, read, out)
        return np.flatnonzero(flags)

    def _short_tile(self, raw: Sequence[Row], read: Read, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Integrate a tile by short keys."""
        scratch = self._scratch
        keys = short_keys(raw, read, coarsest=self._coarsest, float_type=self._float, scratch=scratch)
        flags = keys.wide
        if self._screen is not None or self._coarsest == 0:
            apply_network(self._network, keys.rows, keys.spare)
        if self._screen is not None:
            offset = self._offset(keys.pivot, len(out), np.dtype(np.float32))
            stacks = Sorted(list(keys.rows), offset, float(1 << keys.shift), keys.exact, keys.total)
            np.logical_or(flags, self._screen(stacks, self._recipe, scratch), out=flags)
        offset = self._offset(keys.pivot, len(out), self._float)
        if self._coarsest:
            self._divide([keys.total], self._count, offset, out)
        else:
            self._pick(keys.rows, offset, out)
        return flags

    def _full_tile(self, raw: Sequence[Row], read: Read, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Integrate a tile by the samples themselves."""
        scratch = self._scratch
        rows, spare = full_keys(raw, read, scratch)
        apply_network(self._network, rows, spare)
        flags = scratch.row("marked", np.bool_, len(out))
        flags.fill(False)
        if self._screen is not None:
            flags = self._screen(
                Sorted(rows, self._offset(None, len(out), np.dtype(np.float32)), 1.0, True), self._recipe, scratch
            )
        self._pick(rows, self._offset(None, len(out), self._float), out)
        return flags

    def _offset(self, pivot: Row | None, length: int, dtype: np.dtype[Any]) -> Row:
        """Return what has to be added to each key to get a count."""
        offset = self._scratch.row("offset", dtype, length)
        if pivot is None:
            offset.fill(self._zero)
        else:
            np.copyto(offset, pivot)
            np.add(offset, dtype.type(self._zero), out=offset)
        return offset

    def _pick(self, rows: Sequence[Row], offset: Row, out: NDArray[np.float32]) -> None:
        """Combine by rank."""
        n = self._count
        picked = {
            Combination.MEDIAN: [rows[(n - 1) // 2], rows[n // 2]],
            Combination.MINIMUM: [rows[0]],
            Combination.MAXIMUM: [rows[-1]],
        }[self._recipe.combination]
        self._divide(picked, len(picked), offset, out)

    def _divide(self, parts: Sequence[Row], count: int, offset: Row, out: NDArray[np.float32]) -> None:
        """Set ``out`` to (count * offset + sum of parts) / (count * divisor): whole numbers, rounded once.

        In float32 both sides of the division are exact, so the quotient is correctly rounded. In float64 it is
        rounded twice; the first time cannot bring it onto the border between two float32, as a quotient of whole
        numbers of these sizes that is not on it keeps further away than float64's rounding.
        """
        result, part = (self._scratch.row(name, self._float, len(out)) for name in ("result", "part"))
        np.multiply(offset, self._float.type(count), out=result)
        for row in parts:
            np.copyto(part, row)
            np.add(result, part, out=result)
        np.divide(result, self._float.type(count * self._divisor), out=result)
        np.copyto(out, result, casting="same_kind")
