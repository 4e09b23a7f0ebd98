"""What the levels of single frames tell: frames taken before the camera had settled, strays, and mixed groups.

A level is the median of one frame in ADU; levels come in the order of time.
"""

import math
from collections.abc import Sequence
from itertools import pairwise, takewhile
from statistics import median
from typing import NamedTuple

from ap_masters.model import ROBUST_SIGMA

_SCALED_UP = (16, 4)  # steps between the values of a camera of 12 or 14 bits whose counts fill 16
_EXACT = 1e-3  # ADU; levels come as fractions of full scale
_SMALLEST_STEP = 2.0  # ADU; less is rounding, whatever its significance
_SMALLEST_FRACTION = 0.005  # of the level: cameras regulate their black level no better

_FEWEST = 6  # frames that make a statement about the others possible
_STARTS = 5.0  # sigma that the first frame must be off, before a warm-up is spoken of ...
_GOES_ON = 3.0  # ... and that each of the next must be off to belong to it
_APART = 10.0  # times its noise that one part of a mixed group must be away from the other
_MIXED_FRACTION = 0.02  # of the level
_FEW_IN_A_PART = 10  # frames; a MAD of fewer is often next to nothing

# Fewer than six frames tell little of their noise: only what neither warm-up nor temperature explains is said of them.
_FEWEST_MIXED = 4
_FEWEST_ODD = 3
_FAR_FRACTION = 0.1  # of the level


class Split(NamedTuple):
    """A group in two parts: how many frames at which level."""

    lower: int
    upper: int
    lower_level: float
    upper_level: float


def step_noise(levels: Sequence[float]) -> float:
    """Return the robust noise of levels from the differences of neighbours, so that a slow drift does not count.

    The square root of half the variance of successive differences (von Neumann 1941), by their median.
    """
    steps = [abs(b - a) for a, b in pairwise(levels)]
    return ROBUST_SIGMA * median(steps) / math.sqrt(2) if steps else 0.0


def _step(levels: Sequence[float]) -> int:
    """Return how far apart neighbouring medians of these frames lie, ADU; a median of two values lies half-way."""
    return next((step for step in _SCALED_UP if all(abs(math.remainder(v, step / 2)) < _EXACT for v in levels)), 1)


def _rounding(levels: Sequence[float]) -> float:
    """Return the standard deviation of rounding: no level is known better."""
    return _step(levels) / math.sqrt(12)


def warm_up(levels: Sequence[float]) -> int:
    """Return how many of the first frames were taken before the level had settled.

    The settled half is the second one. The first frame must stand off it by more than 5 robust sigma (more
    where few frames tell the sigma), each further one by more than 3, and all by more than 2 ADU and half a
    per cent. At most half of the frames.
    """
    if len(levels) < _FEWEST:
        return 0
    settled = levels[len(levels) // 2 :]
    centre, noise = median(settled), max(step_noise(settled), _rounding(levels))
    least = max(_SMALLEST_STEP, _SMALLEST_FRACTION * abs(centre))
    excess = [abs(level - centre) for level in levels[: len(levels) // 2]]
    if not excess[0] > max(_STARTS * (1 + 2 / len(settled)) * noise, least):
        return 0
    return len(list(takewhile(lambda e: e > max(_GOES_ON * noise, least), excess)))


def strays(levels: Sequence[float], sigma: float) -> tuple[int, ...]:
    """Return the indices of frames whose level is more than ``sigma`` robust sigma off the group's median.

    Frames of a warm-up are not named again. The noise is the larger of MAD and step noise. Of three to five frames,
    the one is named that stands far off all others.
    """
    if len(levels) < _FEWEST:
        return _odd_one(levels)
    first = warm_up(levels)
    rest = levels[first:]
    if len(rest) < _FEWEST:
        return ()
    centre = median(rest)
    noise = max(ROBUST_SIGMA * median(abs(level - centre) for level in rest), step_noise(rest), _rounding(levels))
    limit = max(sigma * noise, _SMALLEST_STEP, _SMALLEST_FRACTION * abs(centre))
    return tuple(first + i for i, level in enumerate(rest) if abs(level - centre) > limit)


def split(levels: Sequence[float]) -> Split | None:
    """Return the two parts of a mixed group, or None where the levels are of one kind.

    The widest gap between sorted levels must leave at least three frames and a fifth of them on either side,
    be ten times wider than the noise within the parts (the spread of few frames), and wider than 2 % of the level. A
    drift leaves no gap.
    Of four or five frames two on either side are enough, far off each other.
    """
    ordered = sorted(levels)
    if len(ordered) < _FEWEST_MIXED:
        return None
    lower, upper = _at_the_widest_gap(ordered)
    few = len(ordered) < _FEWEST
    if min(len(lower), len(upper)) < (2 if few else max(3, len(ordered) / 5)):
        return None
    if few:
        apart = _far_apart(lower, upper)
    else:
        noise = max(_noise_within(lower), _noise_within(upper), _rounding(ordered))
        apart = upper[0] - lower[-1] > max(_APART * noise, _MIXED_FRACTION * abs(median(ordered)))
    return Split(len(lower), len(upper), median(lower), median(upper)) if apart else None


def _odd_one(levels: Sequence[float]) -> tuple[int, ...]:
    """Return the index of the one frame of a few that stands far off all others, if there is one."""
    if len(levels) < _FEWEST_ODD:
        return ()
    lower, upper = _at_the_widest_gap(sorted(levels))
    odd = next((part[0] for part in (lower, upper) if len(part) == 1), None)
    return () if odd is None or not _far_apart(lower, upper) else (levels.index(odd),)


def _at_the_widest_gap(ordered: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    _, cut = max((b - a, i + 1) for i, (a, b) in enumerate(pairwise(ordered)))
    return ordered[:cut], ordered[cut:]


def _far_apart(lower: Sequence[float], upper: Sequence[float]) -> bool:
    """Whether the gap between two parts of a few frames is beyond doubt: wide against both and against the level."""
    spread = max(part[-1] - part[0] for part in (lower, upper))
    level = abs(median((*lower, *upper)))
    return upper[0] - lower[-1] > max(_APART * max(spread, _step((*lower, *upper))), _FAR_FRACTION * level)


def _noise_within(levels: Sequence[float]) -> float:
    """Return the noise of one part of a group; of few levels the spread: some are alike by chance."""
    if len(levels) < _FEW_IN_A_PART:
        return max(levels) - min(levels)
    centre = median(levels)
    return ROBUST_SIGMA * median(abs(level - centre) for level in levels)
