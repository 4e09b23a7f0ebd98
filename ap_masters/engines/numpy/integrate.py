"""The seam: frames and a recipe in; pixels of the master and rejection counts out, band by band."""

from collections.abc import Iterator
from typing import Final

from ap_masters.engines.numpy.bands import in_bands
from ap_masters.engines.numpy.order import Band, Order
from ap_masters.engines.numpy.paths import path_for
from ap_masters.engines.numpy.workers import BandWorker
from ap_masters.engines.statistics import BLOCK

_TILE: Final = 1 << 16  # pixels: rows of 64 and 128 KiB, long against the cost of a call
_TILE_BYTES: Final = 24 << 20  # of one worker; beyond, larger tiles gain nothing
_BAND_TILES: Final = 8
_SHARES: Final = 2  # a worker's exact integration takes about as much again


def integrate(order: Order, *, memory: int, threads: int) -> Iterator[Band]:
    """Integrate, and yield every row of the master once, in bands that come as they are finished.

    The result depends neither on ``memory`` (bytes) nor on ``threads``; these only set how much is worked on
    at once. Raises what reading raises.
    """
    worker_memory = min(memory // (threads * _SHARES), _TILE_BYTES)
    tile = max(min(worker_memory // (len(order.source) * path_for(order).bytes_per_sample), _TILE), 64)
    shape = order.shape
    rows = max(tile * _BAND_TILES // (shape.width * BLOCK), 1) * BLOCK
    rows = min(rows, max(shape.height // (2 * threads) // BLOCK, 1) * BLOCK)
    return in_bands(shape, rows, lambda: BandWorker(order, path_for(order)(order, tile), tile), threads)
