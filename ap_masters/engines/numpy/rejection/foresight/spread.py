"""A lower bound of the scatter of sorted stacks, in small integers.

Let d_k be the difference of the samples of rank k from above and from below, and m any number. With
(u - m)^2 + (l - m)^2 >= (u - l)^2 / 2 for every such pair, and by Cauchy and Schwarz with any weights w_k,

    sum (x - mean)^2  >=  1/2 sum d_k^2  >=  (sum w_k d_k)^2 / (2 sum w_k^2).

With weights in proportion to the differences that normal samples have, the last step loses some two per
cent; the quotient of the two sides is the statistic of Shapiro and Wilk's test. And the bound's root is
linear in the samples: it takes no squares, and no floats.
"""

from collections.abc import Sequence
from functools import cache
from math import sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.scratch import Scratch

_MOST: Final = 512  # sum of weights: where differences exceed 128 on average, their sum wraps and proves less
_STEPS: Final = 8  # the largest weight


def normal_scores(n: int) -> list[float]:
    """Return the expected values of n normal samples by rank, in standard deviations (Blom 1958)."""
    return [NormalDist().inv_cdf((k + 0.625) / (n + 0.25)) for k in range(n)]


class Weights(NamedTuple):
    """``ends[t]`` pairs weigh more than t; sqrt(sum (x - mean)^2) >= ``factor`` * sum w d."""

    ends: tuple[int, ...]
    factor: float


@cache
def weights(n: int, limit: float) -> Weights:
    """Return whole weights for n (2 or more) samples, in proportion to the expected values of normal order statistics.

    As samples are clamped to so many deviations, so are these.
    """
    expected = [min(-score, limit) for score in normal_scores(n)[: n // 2]]
    for steps in range(_STEPS, 0, -1):
        rounded = [round(steps * e / expected[0]) for e in expected]
        if sum(rounded) <= _MOST:
            break
    else:
        rounded = [1] * _MOST
    ends = tuple(sum(w > t for w in rounded) for t in range(rounded[0]))
    return Weights(ends, sqrt(1 / (2 * sum(w * w for w in rounded))))


def weighted_spread(
    lower: Sequence[NDArray[np.uint8]], upper: Sequence[NDArray[np.uint8]], weigh: Weights, scratch: Scratch
) -> NDArray[np.uint16]:
    """Return sum w_k (upper[k] - lower[k]) modulo 2^16, which is never too high; both begin at the outermost rank.

    A weight is a number of times its difference is added: the running sum of differences is added to the result
    whenever it holds just those that weigh more than t.
    """
    length = len(lower[0])
    result, running = (scratch.row(name, np.uint16, length) for name in ("spread", "running"))
    difference = scratch.row("short difference", np.uint8, length)
    result.fill(0)
    running.fill(0)
    ends = weigh.ends
    for k in range(ends[0]):
        np.subtract(upper[k], lower[k], out=difference)
        np.add(running, difference, out=running)
        for _ in range(ends.count(k + 1)):
            np.add(result, running, out=result)
    return result
