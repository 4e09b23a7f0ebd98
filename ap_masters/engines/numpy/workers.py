"""What a worker does with a band of rows: tile by tile, the proven stacks fast, the others exactly."""

from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.columns import Begun, Kind
from ap_masters.engines.numpy.order import Band, Order, Task
from ap_masters.engines.numpy.parts import even_parts
from ap_masters.engines.numpy.rejection.survivors import Losses, Sums, take_columns
from ap_masters.engines.numpy.routes import Route, route_for
from ap_masters.engines.numpy.tiles import Unfinished
from ap_masters.engines.statistics import RowFacts
from ap_masters.images.image import RowSink

Indices = NDArray[np.intp]
Known = TypeVar("Known", Sums, Losses, Begun)
_PUT_OFF: Final = 6 << 20  # bytes of put-off stacks go together, and their samples: they differ in what they have lost
_SAMPLE: Final = 2  # bytes, where it is kept as it was read

# Samples of each frame that tell its level, and of all together. The median of so many errs by a hundredth of their
# deviation (a fiftieth where there are a thousand frames), which is plenty for finding frames that do not belong.
_SAMPLED: Final = 1 << 14
_MOST_SAMPLED: Final = 1 << 22


class BandWorker:
    """Integrates bands by the route that suits the samples."""

    def __init__(self, order: Order, sink: RowSink, *, tile: int, batch: int) -> None:
        """Read ``tile`` pixels at once, and integrate ``batch`` stacks at once exactly; rows go to ``sink``."""
        self._order = order
        self._sink = sink
        self._route = route_for(order)(order, tile)
        self._tile = tile
        self._batch = batch
        plane, frames = order.shape.width * order.shape.height, len(order.source)
        self._stride = max(plane // _SAMPLED, plane * frames // _MOST_SAMPLED, 1)

    def __call__(self, task: Task) -> Band:
        """Integrate rows and write them; return what is known of them."""
        width, height, _ = self._order.shape
        pixels = np.empty(task.rows * width, np.float32)
        rest = _Rest(self._order, self._route, pixels, self._batch)
        samples = []
        for part in even_parts(len(pixels), self._tile):
            start, size = part.start, part.stop - part.start
            position = task.first * width + start
            unfinished = self._route.screen(task.channel, position, size)
            few = self._route.columns(np.arange(-position % self._stride, size, self._stride))
            self._route.combine(pixels[part])
            rest.add(start, unfinished)
            samples.append(few.astype(np.float32) + np.float32(self._route.zero))
        rest.integrate()
        rows = pixels.reshape(task.rows, width)
        self._sink.write_rows(task.channel, task.first, rows)
        facts = RowFacts.of(rows, width * height)
        return Band(task, rest.low, rest.high, facts, np.concatenate(samples, axis=1))


class _Rest:
    """Stacks to be integrated exactly, collected until there are enough of them: the new ones, and those put off."""

    def __init__(self, order: Order, route: Route, pixels: NDArray[np.float32], enough: int) -> None:
        frames = len(order.source)
        self._divisor, self._rejection = order.divisor, order.recipe.rejection
        self._route = route
        self._pixels = pixels
        self._enough = enough
        self._new: _Pool[Any] = _Pool()  # of Sums or Losses
        self._put_off: dict[Kind, _Pool[Begun]] = {}
        self.low = np.zeros(frames, np.int64)
        self.high = np.zeros(frames, np.int64)

    def add(self, start: int, unfinished: Unfinished) -> None:
        """Take in stacks of the route's last tile, which begins at ``start``."""
        fresh, known, at, begun = unfinished
        if begun is not None and len(at):
            self._put_aside(at + start, self._route.columns(at), begun)
        for first in range(0, len(fresh), self._enough):
            some = slice(first, first + self._enough)
            piece = fresh[some]
            self._new.add(piece + start, self._route.columns(piece), known and known.select(some))
            if self._new.count >= self._enough:
                self._integrate(self._new, self._enough // 4)
        while self._bytes_put_off() >= _PUT_OFF:
            self._go_on_with(max(self._put_off.values(), key=lambda pool: pool.count), self._enough // 4)

    def integrate(self) -> None:
        """Integrate all that has been collected: what loses something joins those of which as little is left."""
        self._integrate(self._new, self._enough // 4)
        for worthwhile in (self._enough // 4, 1):
            while left := {kind: pool for kind, pool in self._put_off.items() if pool.count >= worthwhile}:
                self._go_on_with(left[max(left, key=lambda kind: kind.survivors)], worthwhile)

    def _bytes_put_off(self) -> int:
        each = len(self.low)
        return sum(pool.count * each * (kind.dtype.itemsize + _SAMPLE) for kind, pool in self._put_off.items())

    def _go_on_with(self, pool: "_Pool[Begun]", worthwhile: int) -> None:
        """Integrate what has been put off; should most of that be put off again, then all of it."""
        count = pool.count
        self._integrate(pool, worthwhile)
        if pool.count > count // 2:
            self._integrate(pool, 0)

    def _put_aside(self, where: Indices, columns: NDArray[Any], begun: Begun) -> None:
        """Put stacks off until there are more of their kind."""
        for kind, which, part in begun.by_kind(self._rejection):
            pool = self._put_off.setdefault(kind, _Pool())
            pool.add(where[which], columns if len(which) == len(where) else take_columns(columns, which), part)

    def _integrate(self, pool: "_Pool[Any]", worthwhile: int) -> None:
        if not pool.count:
            return
        where, columns, known = pool.empty()
        done, put_off, so_far = self._route.exactly(columns, known, worthwhile)
        self._pixels[where] = done.numerator / (done.denominator * self._divisor)
        self.low += done.low
        self.high += done.high
        if so_far is not None and len(put_off):
            self._put_aside(where[put_off], take_columns(columns, put_off), so_far)


class _Pool(Generic[Known]):
    """Stacks side by side: where they belong, their samples, and what is known of all of them, or of none."""

    def __init__(self) -> None:
        self._parts: list[tuple[Indices, NDArray[Any]]] = []
        self._known: list[Known] = []
        self.count = 0

    def add(self, where: Indices, columns: NDArray[Any], known: Known | None) -> None:
        """Take in stacks."""
        self._parts.append((where, columns))
        self._known += [] if known is None else [known]
        self.count += len(where)

    def empty(self) -> tuple[Indices, NDArray[Any], Known | None]:
        """Give all of them out."""
        where, columns = zip(*self._parts, strict=True)
        if len(self._known) not in {0, len(self._parts)}:
            raise ValueError("something is known of some stacks of a pool, and nothing of others")
        known = type(self._known[0]).together(self._known) if self._known else None
        self._parts, self._known, self.count = [], [], 0
        return np.concatenate(where), np.concatenate(columns, axis=1), known
