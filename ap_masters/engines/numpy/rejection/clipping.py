"""Sigma clipping in its three forms: they differ only in how centre and deviation are measured."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.survivors import Floats, Ranks, Span, Stacks, is_zero
from ap_masters.engines.numpy.rejection.winsorize import winsorized_moments
from ap_masters.model import Recipe

_FEWEST = 3


class Measure(Protocol):
    """How a form of sigma clipping measures centre and deviation of ranks first..last-1 of some stacks."""

    def __call__(self, some: NDArray[np.intp], first: Ranks, last: Ranks, turn: int) -> tuple[Floats, Floats]:
        """Return centre and deviation; ``turn`` counts the passes from 0."""
        ...


def clip_sigma(stacks: Stacks, recipe: Recipe) -> Span:
    """Clip about the median by the sample standard deviation."""

    def measure(some: NDArray[np.intp], first: Ranks, last: Ranks, turn: int) -> tuple[Floats, Floats]:
        part = stacks.select(some)
        return part.median(first, last), _moments(part, first, last)[1]

    return _clip(stacks, measure, recipe.sigma_low, recipe.sigma_high)


def clip_winsorized(stacks: Stacks, recipe: Recipe) -> Span:
    """Clip about the Winsorized mean by the Winsorized deviation; the cutoff counts in the first turn only."""

    def measure(some: NDArray[np.intp], first: Ranks, last: Ranks, turn: int) -> tuple[Floats, Floats]:
        cutoff = recipe.winsorization_cutoff if turn == 0 else 0.0
        return winsorized_moments(stacks.select(some), first, last, cutoff)

    return _clip(stacks, measure, recipe.sigma_low, recipe.sigma_high)


def clip_averaged(stacks: Stacks, recipe: Recipe) -> Span:
    """Clip about the median by a deviation that goes with the square root of the level.

    Where the median of all is zero everything counts as rejected, and the pixel is that median.
    """
    n = stacks.frames
    everything = Span.everything(stacks)
    if n < _FEWEST:
        return everything
    m0 = stacks.median(*everything)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.sqrt(((stacks.values - m0) ** 2 / m0).sum(0) / (n - 1))

    def measure(some: NDArray[np.intp], first: Ranks, last: Ranks, turn: int) -> tuple[Floats, Floats]:
        centre = stacks.select(some).median(first, last)
        with np.errstate(invalid="ignore"):
            return centre, gain[some] * np.sqrt(centre)

    span = _clip(stacks, measure, recipe.sigma_low, recipe.sigma_high)
    empty = is_zero(m0, stacks.full_scale)
    return Span(np.where(empty, n, span.first), np.where(empty, n, span.last))


def _clip(stacks: Stacks, measure: Measure, low: float, high: float) -> Span:
    """Reject, again and again, what lies more than ``low`` or ``high`` deviations from the centre.

    Stops for a stack when its deviation is zero, nothing goes, or fewer than 3 samples stay.
    """
    span = Span.everything(stacks)
    active = np.arange(stacks.pixels)
    turn = 0
    while stacks.frames >= _FEWEST and len(active):
        first, last = span.first[active], span.last[active]
        centre, deviation = measure(active, first, last, turn)
        alive = np.isfinite(deviation) & ~is_zero(deviation, stacks.full_scale)
        active, first, last = active[alive], first[alive], last[alive]
        centre, deviation = centre[alive], deviation[alive]
        part = stacks.select(active)
        new_first, new_last = first.copy(), last.copy()
        while (out := (new_first < last) & ((centre - part.at(_inside(part, new_first))) / deviation > low)).any():
            new_first[out] += 1
        while (
            out := (new_last > new_first) & ((part.at(_inside(part, new_last - 1)) - centre) / deviation > high)
        ).any():
            new_last[out] -= 1
        span.first[active], span.last[active] = new_first, new_last
        lost = (new_first != first) | (new_last != last)
        active = active[lost & (new_last - new_first >= _FEWEST)]
        turn += 1
    return span


def _inside(stacks: Stacks, rank: Ranks) -> Ranks:
    return np.clip(rank, 0, stacks.frames - 1)


def _moments(stacks: Stacks, first: Ranks, last: Ranks) -> tuple[Floats, Floats]:
    """Return mean and sample standard deviation of the survivors, in two passes."""
    rank = np.arange(stacks.frames)[:, None]
    inside = (rank >= first) & (rank < last)
    count = (last - first).astype(np.float64)
    mean = np.where(inside, stacks.values, 0).sum(0) / count
    d = np.where(inside, stacks.values - mean, 0)
    return mean, np.sqrt(((d * d).sum(0) - d.sum(0) ** 2 / count) / (count - 1))
