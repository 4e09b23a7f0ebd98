"""The fast path: tiles of 16-bit samples, screened, and combined where it is proven that nothing is rejected."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.network import apply_network, selecting_network, sorting_network
from ap_masters.engines.numpy.columns import Begun, begin_columns
from ap_masters.engines.numpy.order import Order
from ap_masters.engines.numpy.rejection.foresight.stacks import Sorted
from ap_masters.engines.numpy.rejection.survivors import Losses, Sums, take_columns
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening import FORESIGHTS, LIMITS
from ap_masters.engines.numpy.screening.clipping import Tile, unproven
from ap_masters.engines.numpy.screening.keys import BITS, COARSEST, Keys, short_keys
from ap_masters.engines.numpy.screening.moments import Moments, Read, Wanted, moments
from ap_masters.model import Combination, Rejection

Row = NDArray[Any]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

_EXACT32: Final = 1 << 24  # whole numbers below are exact in float32

# What has to know scaled samples better than by their whole counts.
FINE: Final = frozenset({Rejection.LINEAR_FIT})
_FINE_BITS: Final = 13  # eight bits hold what a stack reaches over, and five more tell apart


class Samples(NamedTuple):
    """16-bit samples: counts are these plus ``zero``; what is to be integrated may exceed them by up to ``slack``."""

    dtype: np.dtype[Any]
    zero: int
    slack: float = 0.0


class Unread(NamedTuple):
    """A tile of ``length`` pixels that is still to be read.

    ``outside`` tells, once it is read, which samples were not in the range of 16 bits. ``fractions`` hold, then, 256ths
    of a count.
    """

    length: int
    read: Read
    outside: Callable[[], Flags] | None = None
    fractions: Sequence[Row] = ()


class Unfinished(NamedTuple):
    """Stacks of a tile that remain to be integrated: ``fresh`` ones, and ones begun on, which stand at ``at``.

    ``known`` is what has been found out of the fresh ones.
    """

    fresh: Indices
    known: Sums | Losses | None = None
    at: Indices = np.arange(0)
    begun: Begun | None = None


class Tiles(ABC):
    """Screens one tile after the other, and combines what is proven."""

    def __init__(self, order: Order, scratch: Scratch, samples: Samples) -> None:
        self._count = n = len(order.source)
        self._recipe = order.recipe
        self._dtype, self._zero, self._slack = samples
        self._divisor, self._full_scale = order.divisor, order.full_scale
        self._scratch = scratch
        self._averages = order.recipe.combination is Combination.AVERAGE
        self._ranks = {
            Combination.AVERAGE: range(0),
            Combination.MEDIAN: range((n - 1) // 2, n // 2 + 1),
            Combination.MINIMUM: range(1),
            Combination.MAXIMUM: range(n - 1, n),
        }[order.recipe.combination]
        exact32 = n * 65535 < _EXACT32 and float(np.float32(n * order.divisor)) == n * order.divisor
        self._float = np.dtype(np.float32 if exact32 else np.float64)
        self._rows: Row | Sequence[Row] = ()
        self._sorted: Sequence[Row] = ()
        self._total: Row | None = None
        self._pivot: Row | None = None

    @abstractmethod
    def screen(self, tile: Unread) -> Unfinished:
        """Read a tile; return where stacks may lose something."""

    def columns(self, pixels: Indices) -> Row:
        """Return samples of some stacks of the last tile, (frames, pixels); once combined, of unfinished ones only."""
        return take_columns(self._rows, pixels)

    def combine(self, out: NDArray[np.float32]) -> None:
        """Combine all samples of every stack of the last tile into ``out``, whatever the stacks lose."""
        if self._total is not None:
            self._divide([self._total], self._count, out)
            return
        picked = [self._sorted[rank] for rank in self._ranks]
        self._divide(picked, len(picked), out)

    def _divide(self, parts: Sequence[Row], count: int, out: NDArray[np.float32]) -> None:
        """Set ``out`` to (count * offset + sum of parts) / (count * divisor): whole numbers, rounded once.

        The offset is what has to be added to the last tile's keys (or samples) to get counts. In float32 both sides of
        the division are exact, so the quotient is correctly rounded. In float64 it is rounded twice; the first time
        cannot bring it onto the border between two float32, as a quotient of whole numbers of these sizes that is not
        on it keeps further away than float64's rounding.
        """
        result, part = (self._scratch.row(name, self._float, len(out)) for name in ("result", "part"))
        number = self._float.type
        if self._pivot is None:
            result.fill(self._zero * count)
        else:
            np.copyto(result, self._pivot)
            np.multiply(result, number(count), out=result)
            np.add(result, number(self._zero * count), out=result)
        for row in parts:
            if row.dtype != self._float:
                np.copyto(part, row)
                row = part
            np.add(result, row, out=result)
        np.divide(result, number(count * self._divisor), out=out, casting="same_kind")


class MeasuredTiles(Tiles):
    """Tiles for rules that measure from the median: screened by their moments, sorted only to be combined."""

    def __init__(self, order: Order, scratch: Scratch, samples: Samples) -> None:
        super().__init__(order, scratch, samples)
        self._limits, self._squares = LIMITS[order.recipe.rejection]
        self._network = selecting_network(self._count, frozenset(self._ranks))

    def screen(self, tile: Unread) -> Unfinished:
        """Read a tile; return where stacks may lose something."""
        rows = self._rows = self._scratch.table("sample", self._count, self._dtype, tile.length)
        if self._limits is None and not self._averages:
            for index, row in enumerate(rows):
                np.copyto(row, tile.read(index))
            return Unfinished(np.arange(0))
        found = moments(rows, tile.read, Wanted(self._squares, not self._slack), self._float, self._scratch)
        marked = found.wide
        if self._limits is not None:
            looked_at = Tile(found, rows, self._zero, self._slack)
            marked = unproven(looked_at, self._limits(looked_at, self._recipe, self._scratch), self._scratch)
        if tile.outside is not None:
            np.logical_or(marked, tile.outside(), out=marked)
        fresh = np.flatnonzero(marked)
        sums = self._sums(found, fresh) if self._squares and not self._slack else None
        if self._averages:
            self._total, self._pivot = found.total, found.middle
        return Unfinished(fresh, sums)

    def combine(self, out: NDArray[np.float32]) -> None:
        """Combine all samples of every stack of the last tile into ``out``, whatever the stacks lose."""
        if not self._averages:
            self._sort()
        super().combine(out)

    def _sort(self) -> None:
        """Bring the rows into the order that combining wants: copies of them, where stacks may be unfinished."""
        keep = self._limits is not None
        spares = self._scratch.rows("ordered", self._count + 1 if keep else 1, self._dtype, len(self._rows[0]))
        self._sorted = list(self._rows)
        apply_network(self._network, self._sorted, spares, keep=keep)

    def _sums(self, found: Moments, some: Indices) -> Sums:
        """Return the sums of some stacks; where keys do not tell them they are still to be computed."""
        about, total, squares = (
            row.take(some).astype(np.float64) for row in (found.middle, found.total, found.squares)
        )
        squares *= float(1 << 2 * found.shift)
        untold = np.flatnonzero(np.logical_or(found.wide.take(some), found.lost))
        difference = self.columns(some[untold]) - about[untold]
        total[untold] = difference.sum(0)
        squares[untold] = np.square(difference, out=difference).sum(0)
        return Sums(about + self._zero, total, squares)


class RankedTiles(Tiles):
    """Tiles for rules that look at every rank: sorted by short keys, and screened by these.

    Where keys are exact, what is marked makes its first pass over them: most of it loses nothing all the same.
    """

    def __init__(self, order: Order, scratch: Scratch, samples: Samples) -> None:
        super().__init__(order, scratch, samples)
        self._foresee = FORESIGHTS[order.recipe.rejection]
        self._network = sorting_network(self._count)

    def screen(self, tile: Unread) -> Unfinished:
        """Read a tile; return where stacks may lose something, and begin on these."""
        scratch = self._scratch
        coarsest = COARSEST if self._averages else 0
        rows = self._rows = scratch.rows("difference", self._count, self._dtype, tile.length)
        keys = short_keys(rows, tile.read, coarsest=coarsest, float_type=self._float, scratch=scratch)
        fine = bool(tile.fractions) and keys.shift + BITS < _FINE_BITS
        if not fine:
            apply_network(self._network, keys.rows, [keys.spare])
        self._sorted, self._total, self._pivot = keys.rows, keys.total if self._averages else None, keys.pivot
        wide = keys.wide if tile.outside is None else keys.wide | tile.outside()
        if fine:
            unit, ranked = self._fine(tile.fractions, keys)
            slack = 1 + (self._slack - 1) / unit
        else:
            unit, ranked = float(1 << keys.shift), list(keys.rows)
            slack = (keys.lost + self._slack) / unit
        stacks = Sorted(ranked, unit, slack, keys.total, self._slack / unit)
        lost = self._foresee(stacks, self._recipe, self._full_scale, scratch)
        marked = np.logical_not(lost.none)
        if slack or unit != 1:
            fresh = np.flatnonzero(np.logical_or(wide, marked, out=marked))
            return Unfinished(fresh, lost.but(wide).select(fresh))
        some = np.flatnonzero(np.greater(marked, wide, out=marked))
        counts = keys.pivot.take(some).astype(np.float64) + self._zero
        whole = take_columns(keys.rows, some)
        unsettled, begun = begin_columns(whole, counts, lost.select(some), self._recipe, self._full_scale)
        fresh = np.flatnonzero(wide)
        return Unfinished(fresh, Losses.unknown(len(fresh)), some[unsettled], begun)

    def columns(self, pixels: Indices) -> Row:
        """Return samples of some stacks of the last tile: its rows hold what these have beyond the pivot."""
        columns = super().columns(pixels)
        assert self._pivot is not None
        columns += self._pivot.take(pixels)
        return columns

    def _fine(self, fractions: Sequence[Row], keys: Keys) -> tuple[float, list[Row]]:
        """Make sorted keys of 13 bits of counts and fractions, in place; return what one of them is in counts."""
        rows = list(self._rows)
        places = _FINE_BITS - BITS - keys.shift
        part = self._scratch.row("wider fraction", np.uint16, len(keys.pivot))
        for row, fraction in zip(rows, fractions, strict=True):
            np.left_shift(row, places, out=row)
            np.copyto(part, np.right_shift(fraction, 8 - places, out=fraction))
            np.bitwise_or(row, part, out=row)
        apply_network(self._network, rows, [part])
        return 1 / (1 << places), rows


def tiles_for(order: Order, scratch: Scratch, samples: Samples) -> Tiles:
    """Return what screens tiles for the order's rejection."""
    kind = MeasuredTiles if order.recipe.rejection in LIMITS else RankedTiles
    return kind(order, scratch, samples)
