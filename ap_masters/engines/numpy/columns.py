"""Exact integration of stacks side by side: the definitions in float64, for whatever the fast path cannot prove."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.network import in_order
from ap_masters.engines.numpy.rejection import FROM_INSIDE, reject
from ap_masters.engines.numpy.rejection.passes import Effort
from ap_masters.engines.numpy.rejection.survivors import (
    HIGH,
    LOW,
    Bools,
    Fates,
    Floats,
    Losses,
    Ranks,
    Span,
    Stacks,
    Sums,
    take_columns,
)
from ap_masters.model import Combination, Recipe, Rejection

_BYTES: Final = 256
_FORGETFUL: Final = frozenset({Rejection.SIGMA, Rejection.WINSORIZED})  # look at nothing but survivors
_BY_COUNT: Final = frozenset({Rejection.LINEAR_FIT})  # works on stacks of as many survivors side by side

Counts = tuple[NDArray[np.int64], NDArray[np.int64]]  # low and high, of each frame


class Columns(NamedTuple):
    """The combined value of every stack, in counts, as an undivided fraction; and what every frame lost.

    Undivided, because the quotient is to be rounded once, after the division by full scale.
    """

    numerator: Floats
    denominator: Floats
    low: NDArray[np.int64]
    high: NDArray[np.int64]


class Kind(NamedTuple):
    """What stacks have in common that are gone on with together; ``survivors`` is 0 where rules do not care."""

    dtype: np.dtype[Any]
    survivors: int


class Begun(NamedTuple):
    """Sorted stacks that have been begun on: samples are ``ranked + offset`` counts, ``span`` is what is left."""

    ranked: NDArray[Any]
    offset: Floats
    span: Span

    @classmethod
    def together(cls, parts: "Sequence[Begun]") -> "Begun":
        """Put stacks side by side."""
        ranked, offsets, spans = zip(*parts, strict=True)
        first, last = (np.concatenate(ends) for ends in zip(*spans, strict=True))
        return cls(np.concatenate(ranked, axis=1), np.concatenate(offsets), Span(first, last))

    def by_kind(self, rejection: Rejection) -> "Iterator[tuple[Kind, Ranks, Begun]]":
        """Yield which stacks are best gone on with together."""
        for which, part in self._by_size(rejection):
            counts = part.span.survivors
            if rejection not in _BY_COUNT:
                yield Kind(part.ranked.dtype, 0), which, part
                continue
            for count in np.flatnonzero(np.bincount(counts)).tolist():
                some = np.flatnonzero(counts == count)
                yield Kind(part.ranked.dtype, count), which[some], part.select(some)

    def select(self, some: Ranks) -> "Begun":
        """Return some of the stacks."""
        if len(some) == len(self.offset):
            return self
        return Begun(take_columns(self.ranked, some), self.offset[some], self.span.select(some))

    def _by_size(self, rejection: Rejection) -> "Iterator[tuple[Ranks, Begun]]":
        """Yield stacks whose survivors fit into bytes, in bytes, and the others.

        Bytes 0 and 255 are left to what has been lost; that is for rules to which it does not matter any more.
        """
        everything = np.arange(len(self.offset))
        is_short = self.ranked.dtype.kind in "iu" and self.ranked.dtype.itemsize == 2
        if not is_short or rejection not in _FORGETFUL:
            yield everything, self
            return
        (first, last), flat = self.span, self.ranked.ravel()
        lowest, highest = (
            flat.take(np.clip(end, 0, len(self.ranked) - 1) * len(everything) + everything).astype(np.int32)
            for end in (first, last - 1)
        )
        fits = highest - lowest < _BYTES - 2
        for which, dtype in ((np.flatnonzero(fits), np.uint8), (np.flatnonzero(~fits), self.ranked.dtype)):
            part, offset = take_columns(self.ranked, which), self.offset[which]
            if dtype == np.uint8:
                base = lowest[which] - 1
                part = np.clip(part - base, 0, _BYTES - 1).astype(np.uint8)
                offset = offset + base
            if len(which):
                yield which, Begun(part, offset, self.span.select(which))


def begin_columns(
    ranked: NDArray[Any], offset: Floats, lost: Losses, recipe: Recipe, full_scale: float
) -> tuple[Ranks, Begun]:
    """Make the first pass of a clipping rule over sorted stacks; return which are unsettled, and what is left of them.

    ``lost`` is what is known already. All others lose nothing, ever: a clipping rule ends with the first pass that
    finds nothing.
    """
    stacks = Stacks(ranked, full_scale, offset)
    span = lost.left(stacks.frames)
    unknown = np.flatnonzero(~lost.certain)
    part = stacks if len(unknown) == stacks.pixels else stacks.select(unknown)
    left, put_off, _ = reject(part, recipe, effort=Effort(part.pixels + 1))
    span.first[unknown], span.last[unknown] = left
    unsettled = (span.first > 0) | (span.last < stacks.frames)
    unsettled[unknown[put_off]] = True
    rest = np.flatnonzero(unsettled)
    return rest, Begun(take_columns(ranked, rest), offset[rest], span.select(rest))


def integrate_columns(
    samples: NDArray[Any],
    recipe: Recipe,
    full_scale: float,
    zero: float = 0.0,
    *,
    known: Sums | Losses | Begun | None = None,
    worthwhile: int = 0,
) -> tuple[Columns, Ranks, Begun]:
    """Integrate the columns of ``samples`` (frames, pixels), which are counts less ``zero``.

    ``known`` is what has been found out of them, or how far they have come. Return also which stacks have been put off
    (see ``reject_in_passes``), and how far these have got; what stands for them in the result means nothing, and is not
    counted.
    """
    if isinstance(known, Begun):
        stacks = Stacks(known.ranked, full_scale, known.offset)
        left, put_off, torn = reject(stacks, recipe, known.span, Effort(worthwhile, again=True))
    else:
        sums, lost = (known, None) if isinstance(known, Sums) else (None, known)
        stacks = Stacks(in_order(samples), full_scale, np.full(samples.shape[1], zero), sums)
        left, put_off, torn = reject(stacks, recipe, lost and lost.left(len(samples)), Effort(worthwhile))
    so_far = Begun(take_columns(stacks.ranked, put_off), stacks.offset[put_off], left.select(put_off))
    numerator, denominator = _combine_span(stacks, left, recipe.combination)
    empty = np.flatnonzero(left.survivors == 0)
    if len(empty):  # then it is the median of all, whatever the combination; ``ranked`` may not have them any more
        all_of_them = Stacks(in_order(take_columns(samples, empty)), full_scale, np.full(len(empty), zero))
        numerator[empty] = all_of_them.twice_median(Span.everything(all_of_them))
        denominator[empty] = 2.0
    uncounted = put_off if torn is None else np.concatenate([put_off, torn.where])
    low, high = _count_span(samples, zero, stacks, left, uncounted, recipe.rejection in FROM_INSIDE)
    if torn is not None:
        kept = _combine_kept(stacks.select(torn.where), torn.fates == 0, recipe.combination)
        numerator[torn.where], denominator[torn.where] = kept
        more = _count_fates(take_columns(samples, torn.where), torn.fates)
        low, high = low + more[0], high + more[1]
    return Columns(numerator, denominator, low, high), put_off, so_far


def integrate_separately(to_reject: Floats, to_combine: Floats, recipe: Recipe, full_scale: float) -> Columns:
    """Integrate columns whose samples are rejected by one value and combined by another, both in counts."""
    order = np.argsort(to_reject, axis=0, kind="stable")
    stacks = Stacks(np.take_along_axis(to_reject, order, 0), full_scale)
    left, _, torn = reject(stacks, recipe)
    fates = stacks.fates(left, from_inside=recipe.rejection in FROM_INSIDE)
    if torn is not None:
        fates[:, torn.where] = torn.fates
    by_frame = np.empty_like(fates)
    np.put_along_axis(by_frame, order, fates, 0)
    second = np.argsort(to_combine, axis=0, kind="stable")
    stacks = Stacks(np.take_along_axis(to_combine, second, 0), full_scale)
    kept = np.take_along_axis(by_frame, second, 0) == 0
    low, high = (_count_rows(by_frame & side) for side in (LOW, HIGH))
    return Columns(*_combine_kept(stacks, kept, recipe.combination), low, high)


# --- combination ------------------------------------------------------------------------------------------


def _combine_span(stacks: Stacks, span: Span, combination: Combination) -> tuple[Floats, Floats]:
    """Combine a range of ranks; where it is empty, that means nothing."""
    empty = span.survivors == 0
    everything = Span.everything(stacks)
    used = Span(np.where(empty, everything.first, span.first), np.where(empty, everything.last, span.last))
    return _combine(stacks, used, combination)


def _combine(stacks: Stacks, span: Span, combination: Combination) -> tuple[Floats, Floats]:
    """Combine a range of ranks that is nowhere empty."""
    ones = np.ones(stacks.pixels)
    if combination is Combination.AVERAGE:
        return stacks.pivot * span.survivors + stacks.sums(span)[0], span.survivors.astype(np.float64)
    if combination is Combination.MEDIAN:
        return stacks.twice_median(span), 2 * ones
    return stacks.at(span.first if combination is Combination.MINIMUM else span.last - 1), ones


def _combine_kept(stacks: Stacks, kept: NDArray[np.bool_], combination: Combination) -> tuple[Floats, Floats]:
    """Combine survivors of any rank: they move together at the lower ranks, and are a range again."""
    order = np.argsort(~kept, axis=0, kind="stable")
    packed = Stacks(np.take_along_axis(stacks.values, order, 0), stacks.full_scale)
    count = kept.sum(0)
    if combination is Combination.AVERAGE:
        total = np.where(kept, stacks.values - stacks.pivot, 0).sum(0)
        numerator, denominator = stacks.pivot * count + total, count.astype(np.float64)
    else:
        numerator, denominator = _combine(packed, Span(np.zeros_like(count), np.maximum(count, 1)), combination)
    empty = count == 0
    numerator[empty] = stacks.twice_median(Span.everything(stacks))[empty]
    denominator[empty] = 2.0
    return numerator, denominator


# --- counts per frame -------------------------------------------------------------------------------------


def _count_span(
    samples: NDArray[Any], zero: float, stacks: Stacks, span: Span, uncounted: Ranks, from_inside: bool
) -> Counts:
    """Count each frame's rejected samples: those below the lowest survivor, and those above the highest.

    That finds them all unless a rejected sample equals a survivor, or nothing survived; such stacks are
    ranked sample by sample. Nothing is counted of the ``uncounted``.
    """
    n = stacks.frames
    first, last = span
    lowest, highest = stacks.at(np.minimum(first, n - 1)), stacks.at(np.maximum(last - 1, 0))
    unclear = (first > 0) & (stacks.at(np.maximum(first - 1, 0)) == lowest)
    unclear |= (last < n) & (stacks.at(np.minimum(last, n - 1)) == highest)
    unclear |= last <= first
    unclear[uncounted] = False
    some = np.flatnonzero(unclear)
    loses_low, loses_high = first > 0, last < n
    for which in (some, uncounted):
        loses_low[which] = loses_high[which] = False
    low = _count_beyond(samples, -1, lowest - zero, loses_low)
    high = _count_beyond(samples, +1, highest - zero, loses_high)
    if len(some):
        more = _count_fates(
            samples.take(some, axis=1), stacks.select(some).fates(span.select(some), from_inside=from_inside)
        )
        low, high = low + more[0], high + more[1]
    return low, high


def _count_beyond(samples: NDArray[Any], side: int, end: Floats, losing: Bools) -> NDArray[np.int64]:
    """Count each frame's samples beyond the end of what is left, in stacks that are losing some on that ``side``."""
    compare = np.less if side < 0 else np.greater
    which = np.flatnonzero(losing)
    if len(which) < len(losing) // 8:
        return _count_rows(compare(take_columns(samples, which), end[which].astype(samples.dtype)))
    kind = np.finfo(samples.dtype) if samples.dtype.kind == "f" else np.iinfo(samples.dtype)
    nothing_beyond = kind.min if side < 0 else kind.max
    return _count_rows(compare(samples, np.where(losing, end, nothing_beyond).astype(samples.dtype)))


def _count_fates(samples: NDArray[Any], fates: Fates) -> Counts:
    """Count each frame's rejected samples by rank; of equal samples the earlier frame's has the lower rank."""
    changed = np.flatnonzero(fates.any(0))
    order = np.argsort(samples[:, changed], axis=0, kind="stable")
    by_frame = np.empty((len(samples), len(changed)), np.uint8)
    np.put_along_axis(by_frame, order, fates[:, changed], 0)
    return _count_rows(by_frame & LOW), _count_rows(by_frame & HIGH)


def _count_rows(flags: NDArray[Any]) -> NDArray[np.int64]:
    """Count the flags of each frame; several times as fast as all at once along an axis."""
    return np.array([np.count_nonzero(row) for row in flags], np.int64)
