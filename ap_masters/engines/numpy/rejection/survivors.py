"""What rejection leaves of each stack, and how it is combined."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.intp]
Fates = NDArray[np.uint8]  # of LOW and HIGH, 0 for what is kept

LOW = np.uint8(1)
HIGH = np.uint8(2)


class Stacks(NamedTuple):
    """Many stacks side by side: ``values[i, c]`` is the sample of rank i of pixel c, ascending in i.

    Values are float64 in the frames' own counts, so that integers and their sums are exact;
    ``full_scale`` is the count that stands for 1.0.
    """

    values: Floats
    full_scale: float

    @property
    def frames(self) -> int:
        """Samples in each stack."""
        return len(self.values)

    @property
    def pixels(self) -> int:
        """Number of stacks."""
        return int(self.values.shape[1])

    def at(self, rank: Ranks) -> Floats:
        """Return the sample of each stack's own rank."""
        return self.values[rank, np.arange(self.pixels)]

    def median(self, first: Ranks, last: Ranks) -> Floats:
        """Return the median of ranks first..last-1 of each stack: the mean of the two central ones if even."""
        return (self.at((first + last - 1) // 2) + self.at((first + last) // 2)) / 2

    def select(self, pixels: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return some of the stacks."""
        return self._replace(values=self.values[:, pixels])


class Span(NamedTuple):
    """Survivors that are a range of ranks: first..last-1 of each stack; none where last <= first.

    Ranks below ``first`` are rejected as low, those from ``last`` on as high (a rank can be both).
    """

    first: Ranks
    last: Ranks

    @classmethod
    def everything(cls, stacks: Stacks) -> Self:
        """Return the span that loses nothing."""
        return cls(np.zeros(stacks.pixels, np.intp), np.full(stacks.pixels, stacks.frames, np.intp))

    def fates(self, frames: int) -> Fates:
        """Return the fate of every rank of every stack."""
        rank = np.arange(frames)[:, None]
        return (rank < self.first) * LOW | (rank >= self.last) * HIGH


def is_zero(deviation: Floats, full_scale: float) -> NDArray[np.bool_]:
    """Return where a deviation vanishes beside 1 on the [0, 1] scale: the definition's own test."""
    return np.equal(1.0 + deviation / full_scale, 1.0)
