"""The ways samples go, by what they are: 16-bit integers fast, everything else by the definition alone."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.calibrate import Calibrated
from ap_masters.engines.numpy.columns import Begun, Columns, integrate_columns, integrate_separately
from ap_masters.engines.numpy.order import Order, Scales, Source
from ap_masters.engines.numpy.rejection.survivors import Losses, Ranks, Sums, take_columns
from ap_masters.engines.numpy.scaled import ScaledReader
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening import FORESIGHTS, LIMITS
from ap_masters.engines.numpy.tiles import Samples, Unfinished, Unread, tiles_for
from ap_masters.model import Combination

Indices = NDArray[np.intp]
Known = Sums | Losses | Begun | None
Exactly = tuple[Columns, Ranks, Begun | None]

_LONG_ROWS: Final = 1 << 16


class Route(ABC):
    """How one kind of samples goes from a tile of files to values."""

    bytes_per_sample: ClassVar[int]  # of a tile
    bytes_per_exact_sample: ClassVar[int] = 96  # as float64 several times over, with sums, ranks, and what is gathered
    zero = 0.0  # what makes counts of columns

    @classmethod
    def largest_tile(cls, order: Order) -> int:
        """Return how many pixels are best worked on at once: rows that are long against the cost of a call."""
        return _LONG_ROWS

    @abstractmethod
    def __init__(self, order: Order, tile: int) -> None:
        """Get ready for tiles of up to ``tile`` pixels."""

    @abstractmethod
    def screen(self, channel: int, start: int, size: int) -> Unfinished:
        """Read the tile of ``size`` pixels from ``start`` on; return which stacks are more than combined."""

    @abstractmethod
    def columns(self, pixels: Indices) -> NDArray[Any]:
        """Return some stacks of the last tile, (frames, pixels); once combined, of unfinished ones only."""

    @abstractmethod
    def combine(self, out: NDArray[np.float32]) -> None:
        """Combine the last tile into ``out``; what stands there for unfinished stacks means nothing."""

    @abstractmethod
    def exactly(self, columns: NDArray[Any], known: Known, worthwhile: int) -> Exactly:
        """Integrate such stacks by the definition; see ``integrate_columns``."""


class ShortIntegers(Route):
    """16-bit samples without factors: the fast path."""

    bytes_per_sample: ClassVar[int] = 4  # the samples and their keys
    bytes_per_exact_sample: ClassVar[int] = 32

    @classmethod
    def largest_tile(cls, order: Order) -> int:
        """Return fewer pixels where samples are sorted as they are: these had better stay in the cache."""
        return _LONG_ROWS if order.recipe.combination is Combination.AVERAGE else _LONG_ROWS // 2

    def __init__(self, order: Order, tile: int) -> None:
        self._order = order
        self.zero = float(order.source.zero)
        self._scratch = Scratch(tile)
        self._tiles = tiles_for(order, self._scratch, Samples(order.source.dtype, order.source.zero))

    def screen(self, channel: int, start: int, size: int) -> Unfinished:
        """Read a tile and screen it."""
        source = self._order.source
        return self._tiles.screen(Unread(size, lambda index: source.read(index, channel, start, size)))

    def columns(self, pixels: Indices) -> NDArray[Any]:
        """Return some stacks of the last tile."""
        return self._tiles.columns(pixels)

    def combine(self, out: NDArray[np.float32]) -> None:
        """Combine the last tile."""
        self._tiles.combine(out)

    def exactly(self, columns: NDArray[Any], known: Known, worthwhile: int) -> Exactly:
        """Integrate such stacks."""
        order = self._order
        return integrate_columns(columns, order.recipe, order.full_scale, self.zero, known=known, worthwhile=worthwhile)


class ScaledIntegers(Route):
    """16-bit samples less a master, times a factor: screened by whole counts, combined in float64."""

    bytes_per_sample: ClassVar[int] = 6

    def __init__(self, order: Order, tile: int) -> None:
        self._order = order
        self._scratch = Scratch(tile)
        self._reader = ScaledReader(order, self._scratch)
        reader = self._reader
        self._tiles = tiles_for(order, self._scratch, Samples(reader.dtype, reader.zero, reader.slack))

    def screen(self, channel: int, start: int, size: int) -> Unfinished:
        """Read a tile and screen it."""
        self._reader.begin(channel, start, size)
        reader = self._reader
        return self._tiles.screen(Unread(size, reader.read, reader.outside, reader.fractions()))

    def columns(self, pixels: Indices) -> NDArray[Any]:
        """Return some stacks of the last tile."""
        return self._reader.columns(pixels)

    def combine(self, out: NDArray[np.float32]) -> None:
        """Average the last tile."""
        self._reader.average(out, self._order.divisor)

    def exactly(self, columns: NDArray[Any], known: Known, worthwhile: int) -> Exactly:
        """Integrate such stacks."""
        order = self._order
        return integrate_columns(columns, order.recipe, order.full_scale, known=known, worthwhile=worthwhile)


class AnySamples(Route):
    """Samples of any type, scaled or not: nothing is proven, everything is integrated exactly."""

    bytes_per_sample: ClassVar[int] = 8

    def __init__(self, order: Order, tile: int) -> None:
        self._order = order
        self._scratch = Scratch(tile)
        self._channel = 0
        self._values: list[NDArray[np.float64]] = []

    def screen(self, channel: int, start: int, size: int) -> Unfinished:
        """Read a tile; all of it is unfinished."""
        source = self._order.source
        self._channel = channel
        self._values = self._scratch.rows("value", len(source), np.float64, size)
        for index, row in enumerate(self._values):
            np.copyto(row, source.read(index, channel, start, size))
            if source.zero:
                row += source.zero
        return Unfinished(np.arange(size))

    def columns(self, pixels: Indices) -> NDArray[Any]:
        """Return some stacks of the last tile."""
        return take_columns(self._values, pixels)

    def combine(self, out: NDArray[np.float32]) -> None:
        """Do nothing: no stack is combined that is not integrated."""

    def exactly(self, columns: NDArray[Any], known: Known, worthwhile: int) -> Exactly:
        """Integrate such stacks: rejection and combination may each have factors of their own."""
        scales, recipe, full_scale = self._order.scales[self._channel], self._order.recipe, self._order.full_scale
        if scales.reject == scales.combine:
            if scales.combine is not None:
                columns = columns * np.asarray(scales.combine)[:, None]
            return integrate_columns(columns, recipe, full_scale, known=known, worthwhile=worthwhile)
        ones = [1.0] * len(columns)
        to_reject, to_combine = (columns * np.asarray(f or ones)[:, None] for f in scales)
        return integrate_separately(to_reject, to_combine, recipe, full_scale), np.arange(0), None


def route_for(order: Order) -> type[Route]:
    """Return the fastest way for these samples and this recipe."""
    source, recipe = order.source, order.recipe
    if recipe.rejection in {*LIMITS, *FORESIGHTS}:
        if _is_short(source) and all(scales == Scales() for scales in order.scales):
            return ShortIntegers
        one_set = all(scales.reject == scales.combine for scales in order.scales)
        if one_set and recipe.combination is Combination.AVERAGE and _is_short(_uncalibrated(source)):
            return ScaledIntegers
    return AnySamples


def _is_short(source: Source) -> bool:
    return source.dtype.kind in "iu" and source.dtype.itemsize == 2


def _uncalibrated(source: Source) -> Source:
    """Return the frames behind a source that subtracts the same from all of them; else the source itself."""
    return source.frames if isinstance(source, Calibrated) and source.is_uniform else source
