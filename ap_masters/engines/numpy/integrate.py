"""The seam: frames and a recipe in; rows of the master and what is known of them out, band by band."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Final

from ap_masters.engines.numpy.crew import START, in_processes
from ap_masters.engines.numpy.order import Band, Order, Shape, Task
from ap_masters.engines.numpy.routes import route_for
from ap_masters.engines.numpy.workers import BandWorker
from ap_masters.engines.statistics import BLOCK
from ap_masters.images.image import RowSink

_TILE_BYTES: Final = 24 << 20  # of one worker; beyond, larger tiles gain nothing
_FEWEST: Final = 64  # pixels of a tile, and stacks integrated exactly at once, however little memory there is
_BAND_TILES: Final = 32
_PER_PIXEL: Final = 160  # bytes of a tile's rows that there is one of, whatever the number of frames
_STACKS: Final = 1 << 13  # integrated exactly at once: long against the cost of a call
_SAMPLES: Final = 1 << 20  # of all these stacks; more of them do not stay in the cache
_UNEVEN: Final = 1 << 5  # makes no power of two of that: samples of one stack would compete for a place in the cache
_WORTH_A_COPY: Final = 1 << 23  # samples that one more worker has to save the others, where starting it costs little
_WORTH_A_START: Final = 1 << 26  # and where it is an interpreter of its own, a third of a second away
_START_BYTES: Final = 48 << 20  # of such an interpreter


def integrate(order: Order, sink: RowSink, *, memory: int, workers: int) -> Iterator[Band]:
    """Integrate; write every row to ``sink`` once, and yield what is known of a band of them as it is finished.

    The result depends neither on ``memory`` (bytes) nor on ``workers`` (processes); these only set how much is
    worked on at once. Half of a worker's memory goes to the tile, half to what is integrated exactly. Raises what
    reading raises.
    """
    shape, count, route = order.shape, len(order.source), route_for(order)
    half = memory // (2 * workers)
    tile = min(half, _TILE_BYTES) // (count * route.bytes_per_sample + _PER_PIXEL)
    tile = max(min(tile, route.largest_tile(order), shape.width * shape.height), _FEWEST)
    batch = max(min(_STACKS, min(_SAMPLES, half // route.bytes_per_exact_sample) // count), _FEWEST) | _UNEVEN
    tasks = _tasks(shape, tile * _BAND_TILES, workers)
    return in_processes(tasks, partial(BandWorker, order, sink, tile=tile, batch=batch), workers)


def worthwhile_workers(samples: int, *, memory: int, processors: int) -> int:
    """Return how many workers integrate so many samples fastest, and fit into the memory (bytes)."""
    worth, each = (_WORTH_A_COPY, 0) if START == "fork" else (_WORTH_A_START, _START_BYTES)
    fitting = memory // (2 * each) if each else processors
    return max(min(processors, samples // worth, fitting), 1)


def _tasks(shape: Shape, pixels: int, workers: int) -> Iterator[Task]:
    """Yield bands of up to so many pixels (or 16 rows): equally large ones, and as many for each worker."""
    blocks = -(-shape.height // BLOCK)
    most = max(pixels // (shape.width * BLOCK), 1)
    bands = min(max(-(-blocks // (most * workers)), 2) * workers, blocks)
    starts = [i * blocks // bands * BLOCK for i in range(bands)]
    for channel in range(shape.channels):
        for first, end in pairwise([*starts, shape.height]):
            yield Task(channel, first, end - first)
