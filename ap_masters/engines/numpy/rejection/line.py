"""Linear fit clipping: reject what lies off the line of least absolute deviation through the ranked samples."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.deviation import least_absolute_deviation
from ap_masters.engines.numpy.rejection.foresight.line import MORE_TURNS, as_keys, foresee
from ap_masters.engines.numpy.rejection.foresight.stacks import Sorted
from ap_masters.engines.numpy.rejection.passes import ALL_AT_ONCE, FEWEST, WORTH_FORESEEING, Effort, reject_in_passes
from ap_masters.engines.numpy.rejection.survivors import (
    HIGH,
    LOW,
    Bools,
    Fates,
    Losses,
    Ranks,
    Span,
    Stacks,
    Torn,
    Verdict,
    is_zero,
)
from ap_masters.model import Recipe

FEWEST_AT_FIRST: Final = 5
_AT_ONCE: Final = 1 << 18  # samples whose lines are sought at once
_WORTH_MEASURING: Final = 64  # stacks of as many samples


def reject_linear_fit(
    stacks: Stacks, recipe: Recipe, begun: Span | None = None, effort: Effort = ALL_AT_ONCE
) -> Verdict:
    """Reject, again and again, what lies off the line by so many deviations; put off as ``reject_in_passes`` does.

    Any rank may go. Nearly always those left are a range of ranks, or are when equal samples change places: as the
    line does not fall, of equal samples that with the lowest rank lies the highest above it. Which of them go is
    settled in ``Stacks.fates``. A stack that loses a sample from between others that stay is put off untouched;
    when that is not allowed (nothing is ``worthwhile``), it is done anew, and the fate of every sample told.
    """
    span = Span.everything(stacks) if begun is None else begun
    active = np.flatnonzero(span.survivors >= FEWEST) if stacks.frames >= FEWEST_AT_FIRST else np.arange(0)
    rule = _LineFit(stacks, recipe, np.zeros(stacks.pixels, np.bool_))
    if effort.worthwhile:
        effort = effort._replace(worthwhile=min(effort.worthwhile, _WORTH_MEASURING), once=True)
    put_off = reject_in_passes(rule, span, active, effort)
    some = np.flatnonzero(rule.torn)
    if effort.worthwhile or not len(some):
        return Verdict(span, np.concatenate([put_off, some]))
    return Verdict(span, put_off, Torn(some, _reject_any(stacks.select(some), recipe)))


class _LineFit(NamedTuple):
    """Rejecting from both ends what lies too far off the line."""

    stacks: Stacks
    recipe: Recipe
    torn: Bools  # which stacks are more than ranges of ranks

    def foresee(self, pixels: Ranks, span: Span, *, again: bool) -> Losses | None:
        """Return what bounds of the lines tell.

        Of whole stacks of bytes a screen has told before what it can with little effort; those of others are not tried
        again.
        """
        stacks = self.stacks
        losses = Losses.unknown(len(pixels))
        counts = span.survivors
        in_bytes = stacks.ranked.dtype == np.uint8
        many = np.flatnonzero(np.bincount(counts) >= WORTH_FORESEEING)
        whole_too = in_bytes == again
        for n in many[many < stacks.frames + whole_too].tolist():
            some = np.flatnonzero(counts == n)
            r = stacks.survivors(span.select(some), pixels[some], n)
            keys = Sorted.of(r) if in_bytes else as_keys(r, stacks.full_scale)
            found = foresee(keys, self.recipe, stacks.full_scale, turns=MORE_TURNS)
            for row, of_group in zip(losses, found, strict=True):
                row[some] = of_group
        return losses

    def reject(self, pixels: Ranks, span: Span, *, patient: bool) -> tuple[Ranks, Ranks]:
        """Find the lines, and move the ends; return which stacks lose some."""
        stacks = self.stacks
        going = [pixels[:0]]
        for n, some in _alike(pixels, span.survivors[pixels]):
            r = stacks.survivors(span.select(some), some, n)
            low, high = _off_the_line(r, self.recipe, stacks.full_scale)
            first, last = np.count_nonzero(low, axis=0), np.count_nonzero(high, axis=0)
            whole = _takes_the_end(r, low, first) & _takes_the_end(r[::-1], high[::-1], last)
            span.first[some] += np.where(whole, first, 0)
            span.last[some] -= np.where(whole, last, 0)
            self.torn[some] = ~whole
            going.append(some[whole & (first + last > 0)])
        return np.concatenate(going), pixels[:0]


def _alike(pixels: Ranks, counts: Ranks) -> Iterator[tuple[int, Ranks]]:
    """Yield pixels of the same count together, not too many of them for the memory."""
    for n in np.unique(counts).tolist():
        same = pixels[counts == n]
        step = max(_AT_ONCE // max(n, 1), 1)
        for first in range(0, len(same), step):
            yield n, same[first : first + step]


def _takes_the_end(r: NDArray[Any], flags: Bools, count: Ranks) -> Bools:
    """Return where the ``count`` flagged samples of each column are its first ones, or equal to those."""
    takes = np.ones(len(count), np.bool_)
    some = np.flatnonzero(count > flags[0])  # others have lost nothing, or the first alone
    if len(some):
        outermost = r[count[some] - 1, some]
        equal = r[:, some] == outermost
        within = np.cumsum(equal, axis=0) > 0
        beyond = (np.cumsum(equal[::-1], axis=0) > 0)[::-1]
        takes[some] = (~flags[:, some] | beyond).all(0) & (flags[:, some] | within).all(0)
    return takes


def _off_the_line(r: NDArray[Any], recipe: Recipe, full_scale: float) -> tuple[Bools, Bools]:
    """Return which survivors lie too far below and above the line.

    The deviation is s = 2 adev sqrt(1 + b^2), with the slope b on the [0, 1] scale. In units of 1 / 2 q, residuals
    and their sum are whole numbers where the samples are, and a tie with the limit stays one.
    """
    n = len(r)
    lines = least_absolute_deviation(r)
    rank = np.arange(n)[:, None]
    residual = r * (2 * lines.q)
    residual -= rank * (2 * lines.p)
    residual -= lines.level
    total = np.abs(residual).sum(0)
    deviation = 2 * total * np.sqrt(1 + (lines.slope / full_scale) ** 2)
    stays = is_zero(deviation / (2 * lines.q * n), full_scale)
    deviation[stays] = np.inf
    below, above = residual < 0, (residual >= 0) & ~stays
    residual *= n
    residual /= deviation
    below &= residual <= -recipe.linear_fit_low
    above &= residual >= recipe.linear_fit_high
    return below & ~stays, above


def _reject_any(stacks: Stacks, recipe: Recipe) -> Fates:
    """Reject from any rank."""
    fates = np.zeros(stacks.ranked.shape, np.uint8)
    active = np.arange(stacks.pixels)
    while len(active):
        counts = np.count_nonzero(fates[:, active] == 0, axis=0)
        going = []
        for n, pixels in _alike(active, counts):
            if n < FEWEST:
                continue
            rank = np.argsort(fates[:, pixels] != 0, axis=0, kind="stable")[:n]
            r = np.take_along_axis(stacks.ranked[:, pixels], rank, 0)
            low, high = _off_the_line(r, recipe, stacks.full_scale)
            current = fates[:, pixels]
            np.put_along_axis(current, rank, low * LOW | high * HIGH, 0)
            fates[:, pixels] = current
            going.append(pixels[(low | high).any(0)])
        active = np.concatenate(going) if going else active[:0]
    return fates
