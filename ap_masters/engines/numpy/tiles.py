"""The fast path: tiles of 16-bit samples, ranked by a sorting network, screened, and combined where proven."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.network import apply_network, selecting_network, sorting_network
from ap_masters.engines.numpy.columns import Begun, begin_columns
from ap_masters.engines.numpy.order import Order
from ap_masters.engines.numpy.rejection.survivors import take_columns
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening import SCREENS
from ap_masters.engines.numpy.screening.keys import BITS, COARSEST, Keys, Read, full_keys, short_keys
from ap_masters.engines.numpy.screening.stacks import Sorted
from ap_masters.model import Combination, Rejection

Row = NDArray[Any]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

_EXACT32: Final = 1 << 24  # whole numbers below are exact in float32

# What makes its first pass over keys, where these are exact: most of what a screen marks loses nothing all the same.
_BEGUN_BY_KEYS: Final = frozenset({Rejection.SIGMA, Rejection.WINSORIZED, Rejection.LINEAR_FIT})

# What has to know scaled samples better than by their whole counts.
FINE: Final = frozenset({Rejection.LINEAR_FIT})
_FINE_BITS: Final = 13  # eight bits hold what a stack reaches over, and five more tell apart


class Unfinished(NamedTuple):
    """Stacks of a tile that remain to be integrated: ``fresh`` ones, and ones begun on, which stand at ``at``."""

    fresh: Indices
    at: Indices
    begun: Begun | None


class Tiles:
    """Screens and integrates one tile after the other, in one thread.

    Counts are samples plus ``zero``; what is to be integrated may exceed its count by up to ``slack``.
    """

    def __init__(self, order: Order, scratch: Scratch, *, zero: int, slack: float = 0.0) -> None:
        self._count = n = len(order.source)
        self._recipe = recipe = order.recipe
        self._zero, self._slack = zero, slack
        self._divisor, self._full_scale = order.divisor, order.full_scale
        self._scratch = scratch
        self._screen, every_rank = SCREENS[recipe.rejection]
        few = frozenset({0, (n - 1) // 2, n // 2, n - 1})
        self._network = sorting_network(n) if every_rank else selecting_network(n, few)
        self._averages = recipe.combination is Combination.AVERAGE
        self._by_keys = self._averages or every_rank
        exact32 = n * 65535 < _EXACT32 and float(np.float32(n * order.divisor)) == n * order.divisor
        self._float = np.dtype(np.float32 if exact32 else np.float64)
        self._sorted: Sequence[Row] = ()
        self._total: Row | None = None
        self._pivot: Row | None = None

    def screen(
        self,
        raw: Sequence[Row],
        read: Read,
        outside: Callable[[], Flags] | None = None,
        fractions: Sequence[Row] = (),
    ) -> Unfinished:
        """Read a tile into the rows ``raw``; return where stacks may lose something.

        ``outside`` tells, once the tile is read, which samples were not in the range of 16 bits. ``fractions`` hold,
        then, 256ths of a count; where there are any, ``raw`` is overwritten.
        """
        if self._by_keys:
            return self._screen_by_keys(raw, read, outside, fractions)
        rows, spare = full_keys(raw, read, self._scratch)
        apply_network(self._network, rows, spare)
        self._sorted, self._total, self._pivot = rows, None, None
        if self._screen is None:
            return Unfinished(np.arange(0), np.arange(0), None)
        offset = self._offset(len(rows[0]), np.dtype(np.float32))
        stacks = Sorted(rows, offset, 1.0, 0.0, offset, 0.0)  # no screen that ends up here looks at totals
        return Unfinished(np.flatnonzero(self._screen(stacks, self._recipe, self._scratch)), np.arange(0), None)

    def _screen_by_keys(
        self, raw: Sequence[Row], read: Read, outside: Callable[[], Flags] | None, fractions: Sequence[Row]
    ) -> Unfinished:
        """Screen a tile by short keys; where these are exact, what is marked is begun on by them."""
        scratch = self._scratch
        coarsest = COARSEST if self._averages else 0
        keys = short_keys(raw, read, coarsest=coarsest, float_type=self._float, scratch=scratch)
        fine = bool(fractions) and keys.shift + BITS < _FINE_BITS
        if (self._screen is not None and not fine) or not self._averages:
            apply_network(self._network, keys.rows, keys.spare)
        self._sorted, self._total, self._pivot = keys.rows, keys.total if self._averages else None, keys.pivot
        wide = keys.wide if outside is None else keys.wide | outside()
        if self._screen is None:
            return Unfinished(np.flatnonzero(wide), np.arange(0), None)
        offset = self._offset(len(keys.pivot), np.dtype(np.float32))
        if fine:
            unit, rows = self._fine(raw, fractions, keys)
            slack = 1 + (self._slack - 1) / unit
        else:
            unit, rows = float(1 << keys.shift), list(keys.rows)
            slack = (keys.lost + self._slack) / unit
        stacks = Sorted(rows, offset, unit, slack, keys.total, self._slack / unit)
        marked = self._screen(stacks, self._recipe, scratch)
        if self._recipe.rejection not in _BEGUN_BY_KEYS or slack or unit != 1:
            return Unfinished(np.flatnonzero(np.logical_or(wide, marked, out=marked)), np.arange(0), None)
        some = np.flatnonzero(np.greater(marked, wide, out=marked))
        counts = offset.take(some).astype(np.float64)
        lost, begun = begin_columns(take_columns(keys.rows, some), counts, self._recipe, self._full_scale)
        return Unfinished(np.flatnonzero(wide), some[lost], begun)

    def _fine(self, raw: Sequence[Row], fractions: Sequence[Row], keys: Keys) -> tuple[float, list[Row]]:
        """Make sorted keys of 13 bits of counts and fractions, in place; return what one of them is in counts."""
        places = _FINE_BITS - BITS - keys.shift
        part = self._scratch.row("wider fraction", np.uint16, len(keys.pivot))
        for row, fraction in zip(raw, fractions, strict=True):
            np.subtract(row, keys.pivot, out=row)
            np.left_shift(row, places, out=row)
            np.copyto(part, np.right_shift(fraction, 8 - places, out=fraction))
            np.bitwise_or(row, part, out=row)
        rows = list(raw)
        apply_network(self._network, rows, part)
        return 1 / (1 << places), rows

    def combine(self, out: NDArray[np.float32]) -> None:
        """Combine all samples of every stack of the last tile into ``out``, whatever the stacks lose."""
        if self._total is not None:
            self._divide([self._total], self._count, out)
            return
        rows, n = self._sorted, self._count
        picked = {
            Combination.MEDIAN: [rows[(n - 1) // 2], rows[n // 2]],
            Combination.MINIMUM: [rows[0]],
            Combination.MAXIMUM: [rows[-1]],
        }[self._recipe.combination]
        self._divide(picked, len(picked), out)

    def _offset(self, length: int, dtype: np.dtype[Any]) -> Row:
        """Return what has to be added to the last tile's keys (or samples) to get counts."""
        offset = self._scratch.row("offset", dtype, length)
        if self._pivot is None:
            offset.fill(self._zero)
        else:
            np.copyto(offset, self._pivot)
            np.add(offset, dtype.type(self._zero), out=offset)
        return offset

    def _divide(self, parts: Sequence[Row], count: int, out: NDArray[np.float32]) -> None:
        """Set ``out`` to (count * offset + sum of parts) / (count * divisor): whole numbers, rounded once.

        In float32 both sides of the division are exact, so the quotient is correctly rounded. In float64 it is
        rounded twice; the first time cannot bring it onto the border between two float32, as a quotient of whole
        numbers of these sizes that is not on it keeps further away than float64's rounding.
        """
        result, part = (self._scratch.row(name, self._float, len(out)) for name in ("result", "part"))
        np.multiply(self._offset(len(out), self._float), self._float.type(count), out=result)
        for row in parts:
            np.copyto(part, row)
            np.add(result, part, out=result)
        np.divide(result, self._float.type(count * self._divisor), out=result)
        np.copyto(out, result, casting="same_kind")
