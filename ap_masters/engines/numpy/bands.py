"""Bands of rows, given out to threads and taken back finished."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, Protocol

from ap_masters.engines.numpy.order import Band, Shape, Task

_PATIENCE: Final = 0.2  # seconds after which a waiting main thread looks for Ctrl-C (Windows needs that)


class Worker(Protocol):
    """Integrates bands, one after the other, in a thread of its own."""

    def run(self, task: Task, stop: threading.Event) -> Band | None:
        """Return the finished rows; None when ``stop`` was set meanwhile."""
        ...


def in_bands(shape: Shape, rows: int, make_worker: Callable[[], Worker], threads: int) -> Iterator[Band]:
    """Yield every row of the master once, in bands of up to ``rows`` rows, in the order they are finished.

    Not more than two bands per thread are under way, so that memory stays bounded. When the consumer stops
    early, or is interrupted, the workers stop at their next tile. Raises what a worker raised.
    """
    stop = threading.Event()
    local = threading.local()

    def work(task: Task) -> Band | None:
        worker = getattr(local, "worker", None)
        if worker is None:
            worker = local.worker = make_worker()
        return worker.run(task, stop)

    with ThreadPoolExecutor(threads, thread_name_prefix="integrate") as pool:
        pending: set[Future[Band | None]] = set()
        try:
            for channel in range(shape.channels):
                for first in range(0, shape.height, rows):
                    pending.add(pool.submit(work, Task(channel, first, min(rows, shape.height - first))))
                    while len(pending) >= 2 * threads:
                        yield from _finished(pending)
            while pending:
                yield from _finished(pending)
        finally:
            stop.set()
            for future in pending:
                future.cancel()


def _finished(pending: set[Future[Band | None]]) -> Iterator[Band]:
    """Yield what is finished, if anything is within a moment, and take it from ``pending``."""
    done, _ = wait(pending, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
    for future in done:
        pending.discard(future)
        band = future.result()
        if band is not None:
            yield band
