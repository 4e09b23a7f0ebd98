"""The fast path: tiles of 16-bit samples, ranked by a sorting network, screened, and combined where proven."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.keys import Keys, full_keys, narrow_keys
from ap_masters.engines.numpy.network import apply_network, selecting_network, sorting_network
from ap_masters.engines.numpy.order import Order
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screens import Sorted, clipping_screen, percentile_screen
from ap_masters.engines.numpy.sums import add_up, fold
from ap_masters.model import Combination, Recipe, Rejection

Row = NDArray[Any]
Screen = Callable[[Sorted, Recipe, Scratch], NDArray[np.bool_]]

_EXACT32: Final = 1 << 24  # whole numbers below are exact in float32
_RETRY: Final = 16  # tiles after which eight bits are tried again

# What proves that nothing is rejected, and whether that takes the sums of all ranks or just some of them.
_SCREENS: Final[dict[Rejection, tuple[Screen | None, bool]]] = {
    Rejection.NONE: (None, False),
    Rejection.PERCENTILE: (percentile_screen, False),
    Rejection.SIGMA: (clipping_screen, True),
    Rejection.AVERAGED: (clipping_screen, True),
}
SCREENED: Final = frozenset(_SCREENS)


class Tiles:
    """Integrates one tile after the other, in one thread."""

    def __init__(self, order: Order, scratch: Scratch) -> None:
        self._count = n = len(order.source)
        self._recipe = recipe = order.recipe
        self._zero = order.source.zero
        self._scratch = scratch
        self._screen, self._folds = _SCREENS[recipe.rejection]
        ranks = {0, (n - 1) // 2, n // 2, n - 1}
        self._network = sorting_network(n) if self._folds else selecting_network(n, frozenset(ranks))
        self._divisor = order.divisor
        exact32 = n * 65535 < _EXACT32 and float(np.float32(n * order.divisor)) == n * order.divisor
        self._float = np.dtype(np.float32 if exact32 else np.float64)
        self._patience = 0

    def integrate(self, raw: Sequence[Row], out: NDArray[np.float32]) -> NDArray[np.intp]:
        """Combine the stacks that provably lose nothing into ``out``; return where the others are."""
        scratch = self._scratch
        keys = self._keys(raw)
        averages = self._recipe.combination is Combination.AVERAGE
        total = add_up(keys.rows, self._float, scratch) if averages and not self._folds else None
        apply_network(self._network, keys.rows, keys.spare)
        folded = fold(keys.rows, self._float, scratch) if self._folds else None
        if averages and folded is not None:
            total = folded.total
        flags = scratch.row("rest", np.bool_, len(out))
        if self._screen is None:
            flags.fill(False)
        else:
            stacks = Sorted(keys.rows, self._offset(keys, np.dtype(np.float32)), folded)
            np.copyto(flags, self._screen(stacks, self._recipe, scratch))
        for unproven in (keys.wide, folded.unfit if folded else None):
            if unproven is not None:
                np.logical_or(flags, unproven, out=flags)
        self._combine(keys, total, out)
        return np.flatnonzero(flags)

    def _keys(self, raw: Sequence[Row]) -> Keys:
        """Return eight-bit keys where they serve; after a tile where they did not, the next ones do not try."""
        if self._patience == 0:
            keys = narrow_keys(raw, self._scratch)
            if keys is not None:
                return keys
            self._patience = _RETRY
        self._patience -= 1
        return full_keys(raw, self._scratch)

    def _offset(self, keys: Keys, dtype: np.dtype[Any]) -> Row:
        """Return what has to be added to each key to get a count."""
        offset = self._scratch.row("offset", dtype, len(keys.rows[0]))
        if keys.pivot is None:
            offset.fill(self._zero)
        else:
            np.copyto(offset, keys.pivot)
            np.add(offset, dtype.type(self._zero), out=offset)
        return offset

    def _combine(self, keys: Keys, total: Row | None, out: NDArray[np.float32]) -> None:
        """Combine all samples of every stack: a quotient of whole numbers, rounded once."""
        rows, n = keys.rows, self._count
        result = self._scratch.row("result", self._float, len(out))
        if total is not None:
            parts, times = [total], n
        else:
            parts = {
                Combination.MEDIAN: [rows[(n - 1) // 2], rows[n // 2]],
                Combination.MINIMUM: [rows[0]],
                Combination.MAXIMUM: [rows[-1]],
            }[self._recipe.combination]
            times = len(parts)
        np.multiply(self._offset(keys, self._float), self._float.type(times), out=result)
        part = self._scratch.row("part", self._float, len(out))
        for row in parts:
            np.copyto(part, row)
            np.add(result, part, out=result)
        np.divide(result, self._float.type(times * self._divisor), out=result)
        np.copyto(out, result, casting="same_kind")
