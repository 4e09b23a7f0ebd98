"""What screens look at: the stacks of a tile, sorted, in units of their keys.

A screen may err on one side only. It marks a stack wherever it cannot prove that the definition rejects
nothing; what is marked is integrated exactly (``columns.py``). Everything is in units of keys. A sample exceeds
its key by between 0 and the *slack* of its tile, which is 0 where keys are exact. So a distance exceeds that of
the keys by at most the slack, and the root of a sum of squared deviations differs by at most that of the parts
cut off, slack * sqrt(n) / 2. Arithmetic is float32 on whole numbers; every comparison leaves a margin wider than
its rounding.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Row = NDArray[Any]
F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

FEWEST: Final = 5  # samples; of fewer no bounds are told
MARGIN: Final = 1 - 1e-4  # some hundred float32 operations round by less than 2e-5
_SAMPLED: Final = 16  # every so-manieth stack tells how far most reach
_ROOM: Final = 1.25  # for those that reach further than most


def usual_range(keys: Sequence[Row]) -> int:
    """Return what nearly all of some sorted stacks reach over at most: 1 or more."""
    ranges = np.sort(keys[-1][::_SAMPLED] - keys[0][::_SAMPLED])
    return max(int(_ROOM * ranges[len(ranges) * 15 // 16]), 1)


class Sorted(NamedTuple):
    """A sorted tile: keys by rank.

    A count is a constant of the stack + unit * (key + t), 0 <= t <= ``slack``. The sum over a stack, less that, exceeds
    ``total`` by at most n * unit * ``blur``; of lines, nobody looks at that.
    """

    rows: list[Row]
    unit: float
    slack: float
    total: Row
    blur: float

    @classmethod
    def of(cls, ranked: NDArray[np.uint8]) -> Self:
        """Return sorted stacks (n, pixels) of counts that are their own keys."""
        return cls(list(ranked), 1.0, 0.0, np.add.reduce(ranked, axis=0, dtype=np.float32), 0.0)

    @property
    def n(self) -> int:
        """Samples in each stack."""
        return len(self.rows)
