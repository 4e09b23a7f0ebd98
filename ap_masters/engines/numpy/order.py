"""The vocabulary of integration: where samples come from, what is asked for, and what comes out."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.statistics import RowFacts
from ap_masters.model import Recipe


class Source(Protocol):
    """One group's samples by frame, channel and run of pixels. Counts are samples plus ``zero``."""

    dtype: np.dtype[Any]
    zero: int

    def __len__(self) -> int: ...

    def read(self, index: int, channel: int, start: int, size: int) -> NDArray[Any]:
        """Return samples of frame ``index`` from pixel ``start`` of ``channel`` on, of ``dtype`` in any byte order.

        They last until the same thread reads again.
        """
        ...


class Shape(NamedTuple):
    """Size of the master."""

    width: int
    height: int
    channels: int


class Scales(NamedTuple):
    """Factors of each frame, for rejection and for combination; None for none."""

    reject: Sequence[float] | None = None
    combine: Sequence[float] | None = None


class Order(NamedTuple):
    """What is to be integrated, and how.

    ``full_scale`` is the count that stands for 1.0; results are counts divided by ``divisor``. ``scales`` holds
    one set of factors per channel.
    """

    source: Source
    recipe: Recipe
    shape: Shape
    full_scale: float
    scales: Sequence[Scales]
    divisor: float


class Task(NamedTuple):
    """Rows of one channel to be integrated."""

    channel: int
    first: int
    rows: int


class Band(NamedTuple):
    """What is known of finished rows of one channel, how many samples each frame lost in them, and a few samples."""

    task: Task
    low: NDArray[np.int64]  # (frames,)
    high: NDArray[np.int64]
    facts: RowFacts
    samples: NDArray[np.float32]  # (frames, some pixels), in counts
