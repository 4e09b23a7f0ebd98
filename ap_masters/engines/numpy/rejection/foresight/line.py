"""What linear fit clipping rejects, foreseen for most stacks from a bracket of the line's slope."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.foresight.bracket import Bracket, Known
from ap_masters.engines.numpy.rejection.foresight.stacks import FEWEST, Bools, Sorted
from ap_masters.engines.numpy.rejection.foresight.tangents import Grid
from ap_masters.engines.numpy.rejection.survivors import Losses, Ranks
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Recipe

FIRST_TURNS: Final = 2  # slopes tried for stacks of which two do not tell enough
MORE_TURNS: Final = 3
_SAMPLES: Final = 1 << 20  # worked on at once: what the cache holds, as two integers of 16 bits each
_LEAST: Final = 1 << 11  # pixels worked on at once: less are not worth the calls
_NARROWEST: Final = 1e-12  # of full scale
_STEPS: Final = 5400  # to which samples are rounded that are no bytes: sums of residuals still fit into 16 bits


def foresee(stacks: Sorted, recipe: Recipe, full_scale: float, *, turns: int) -> Losses:
    """Return what a pass of linear fit clipping loses, as far as bounds tell; see ``bracket``.

    ``full_scale`` counts stand for 1.0. Where two slopes do not tell, up to ``turns`` more are tried, not for ever:
    where samples lie on the line itself, a bracket does not close.
    """
    n, length = stacks.n, len(stacks.rows[0])
    losses = Losses.unknown(length)
    if n < FEWEST or not length:
        return losses
    size = min(max(_SAMPLES // n, _LEAST), length)
    grid, scratch = Grid.of(stacks.rows, stacks.slack), Scratch(2 * size)
    for where, known in _untold(stacks, recipe, size, grid, scratch, losses.certain):
        for turn in range(turns + 1):
            if not len(where):
                break
            bracket = Bracket(known, grid, scratch)
            if turn:
                bracket.go_on()
            found = bracket.losses(recipe, full_scale / stacks.unit)
            for row, told in zip(losses, found, strict=True):
                row[where] = told
            rest = np.flatnonzero(~found.certain)
            where, known = where[rest], bracket.known.select(rest)
    return losses


def _untold(
    stacks: Sorted, recipe: Recipe, size: int, grid: Grid, scratch: Scratch, proven: Bools
) -> Iterator[tuple[Ranks, Known]]:
    """Try two slopes of ``size`` stacks at a time; set ``proven`` where they tell that nothing is lost.

    Yield which others there are, and what is known of them: as many at a time, as few are not worth the calls.
    """
    length = len(proven)
    left: list[Ranks] = []
    known: list[Known] = []
    for start in range(0, length, size):
        here = slice(start, start + size)
        bracket = Bracket.begin([row[here] for row in stacks.rows], grid, scratch)
        proven[here] = bracket.loses_nothing(recipe)
        rest = np.flatnonzero(~proven[here])
        left.append(rest + start)
        known.append(bracket.known.select(rest))
        if sum(map(len, left)) >= size or here.stop >= length:
            yield np.concatenate(left), Known.together(known)
            left, known = [], []


def as_keys(r: NDArray[Any], full_scale: float) -> Sorted:
    """Return sorted stacks (n, pixels) of counts rounded down to 13 bits; ``unit`` is the widest one's.

    Keys of stacks so narrow that their deviation may count as zero are zero: they tell nothing.
    """
    lowest = r[0].astype(np.float64)
    step = (r[-1] - lowest) / _STEPS
    scale = np.divide(1.0, step, out=np.zeros_like(step), where=step * _STEPS > _NARROWEST * full_scale)
    keys = np.empty(r.shape, np.uint16)
    for row, target in zip(r, keys, strict=True):
        np.copyto(target, (row - lowest) * scale, casting="unsafe")
    unit = max(float(step.max(initial=0)), full_scale / _STEPS)
    return Sorted(list(keys), unit, 1.0, total=np.zeros(0), blur=0.0)
