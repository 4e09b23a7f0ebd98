"""What linear fit clipping rejects, foreseen for most stacks from a bracket of the line's slope."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.foresight.bracket import Bracket, Grid
from ap_masters.engines.numpy.rejection.foresight.stacks import FEWEST, Bools, Sorted
from ap_masters.engines.numpy.rejection.survivors import Losses
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Recipe

_TO_PROVE: Final = 2  # slopes tried for stacks of which two do not tell enough
_TO_FORESEE: Final = (2, 2)  # and more where they do not
_SAMPLES: Final = 1 << 20  # worked on at once: what the cache holds, as two integers of 16 bits each
_LEAST: Final = 1 << 11  # pixels worked on at once: less are not worth the calls
_MOST: Final = 128  # samples; of more, so few stacks are proven that trying costs more than it saves
_STEPS: Final = 8190  # to which samples are rounded that are no bytes


def loses_nothing(stacks: Sorted, recipe: Recipe, scratch: Scratch) -> Bools:
    """Return for which stacks it is proven that a pass of linear fit clipping rejects nothing; see ``bracket``.

    Of hundreds of samples nearly every stack loses some, and none is looked at.
    """
    proven = scratch.row("proven", np.bool_, len(stacks.rows[0]))
    proven.fill(False)
    if stacks.n > _MOST:
        return proven
    for here, bracket in _brackets(stacks):
        holds = proven[here]
        holds[:] = bracket.loses_nothing(recipe)
        rest = np.flatnonzero(~holds)
        if len(rest):
            closer = bracket.select(rest)
            for _ in range(_TO_PROVE):
                closer.go_on()
            holds[rest] = closer.loses_nothing(recipe)
    return proven


def foresee(r: NDArray[Any], recipe: Recipe, full_scale: float) -> Losses:
    """Return what a pass over sorted stacks ``r`` (n, pixels) loses, as far as bounds tell; not meant for bytes.

    A bracket is closed until it tells, but not for ever: where samples lie on the line itself it does not close.
    """
    stacks, white = _as_keys(r, full_scale)
    losses = Losses.unknown(r.shape[1])
    for here, bracket in _brackets(stacks):
        certain = losses.certain[here]
        certain[:] = bracket.loses_nothing(recipe)
        rest = left = np.flatnonzero(~certain)
        for turns in _TO_FORESEE if len(rest) else ():
            bracket = bracket.select(left)
            for _ in range(turns):
                bracket.go_on()
            found = bracket.losses(recipe, white)
            for row, of_rest in zip(losses, found, strict=True):
                row[here][rest] = of_rest
            left = np.flatnonzero(~found.certain)
            rest = rest[left]
            if not len(rest):
                break
    return losses


def _brackets(stacks: Sorted) -> Iterator[tuple[slice, Bracket]]:
    """Yield brackets of stacks that fit into the cache together, each valid until the next; none of too few samples."""
    n, length = stacks.n, len(stacks.rows[0])
    if n < FEWEST:
        return
    grid = Grid.of(stacks.rows, stacks.slack)
    size = min(max(_SAMPLES // n, _LEAST), length)
    scratch = Scratch(size)
    for start in range(0, length, size):
        here = slice(start, start + size)
        bracket = Bracket([row[here] for row in stacks.rows], grid, scratch)
        bracket.begin()
        yield here, bracket


def _as_keys(r: NDArray[Any], full_scale: float) -> tuple[Sorted, float]:
    """Return stacks rounded down to 13 bits, and how many keys at least stand for 1.0."""
    lowest = r[0].astype(np.float64)
    step = (r[-1] - lowest) / _STEPS
    scale = np.divide(1.0, step, out=np.zeros_like(step), where=step > 0)
    keys = np.empty(r.shape, np.uint16)
    for row, target in zip(r, keys, strict=True):
        np.copyto(target, (row - lowest) * scale, casting="unsafe")
    return Sorted(list(keys), 1.0, 1.0, lowest, 0.0), full_scale / max(float(step.max()), full_scale / _STEPS)
