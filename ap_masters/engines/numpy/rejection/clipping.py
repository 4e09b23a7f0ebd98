"""Sigma clipping in its three forms: they differ only in how centre and deviation are measured."""

from fractions import Fraction
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.clamping import Group
from ap_masters.engines.numpy.rejection.foresight.stacks import Sorted
from ap_masters.engines.numpy.rejection.foresight.winsorized import foresee
from ap_masters.engines.numpy.rejection.foresight.winsorized_proof import loses_nothing
from ap_masters.engines.numpy.rejection.passes import FEWEST, WORTH_FORESEEING, Effort, reject_in_passes
from ap_masters.engines.numpy.rejection.survivors import (
    EXACT,
    NEAR,
    Bools,
    Floats,
    Losses,
    Ranks,
    Span,
    Stacks,
    Verdict,
    decimal,
    is_zero,
)
from ap_masters.engines.numpy.rejection.winsorize import to_the_letter, winsorize
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Recipe

Indices = NDArray[np.intp]
_CANCELLED = 1e-2  # the part of n Q that has to be left of it, lest the digits be gone
_TURNS, _MORE_TURNS = 2, 6  # made to foresee what is lost, and where two have been too few


class Measures(NamedTuple):
    """Centre and deviation of each stack; where ``later``, they are still to be measured."""

    centre: Floats
    deviation: Floats
    later: Bools | None = None


class Yardstick(Protocol):
    """How a form of sigma clipping measures the survivors of some pixels."""

    def foresee(self, pixels: Indices, span: Span, *, again: bool) -> Losses | None:
        """Return what they lose in one pass, as far as that is cheaper to tell than by measuring; None for nothing."""
        return None

    def measure(self, pixels: Indices, span: Span, *, patient: bool) -> Measures:
        """Return centre and deviation; whoever is ``patient`` may be told later of a few stacks."""
        ...

    def exceeds(self, pixels: Indices, span: Span, samples: Floats, limit: "_Limit") -> Bools:
        """Return where a sample lies more than k deviations from the centre, on the limit's side, exactly."""
        ...


class _Limit(NamedTuple):
    """One side's limit of each measured pixel. ``side`` is -1 for the lower end, +1 for the upper one."""

    side: int
    k: Fraction
    value: Floats
    fuzz: Floats  # within it rounding might decide


def clip(
    stacks: Stacks, yardstick: Yardstick, recipe: Recipe, begun: Span | None, effort: Effort
) -> tuple[Span, Ranks]:
    """Reject, again and again, what lies more than so many deviations from the centre, strictly.

    Stops for a stack when its deviation is zero, nothing goes, or fewer than 3 samples stay; puts stacks off as
    ``reject_in_passes`` does. ``begun`` is where stacks that were put off have got to.
    """
    span = Span.everything(stacks) if begun is None else begun
    active = np.flatnonzero(span.survivors >= FEWEST)
    rule = _Clipping(stacks, yardstick, recipe)
    return span, reject_in_passes(rule, span, active, effort)


class _Clipping(NamedTuple):
    """Rejecting from both ends what lies too far from the centre."""

    stacks: Stacks
    yardstick: Yardstick
    recipe: Recipe

    def foresee(self, pixels: Indices, span: Span, *, again: bool) -> Losses | None:
        """Return what the yardstick foresees."""
        return self.yardstick.foresee(pixels, span, again=again)

    def reject(self, pixels: Indices, span: Span, *, patient: bool) -> tuple[Ranks, Ranks]:
        """Measure, and move the ends; return which stacks lose some, and which cannot be measured yet."""
        stacks, yardstick, recipe = self
        before = span.select(pixels)
        centre, deviation, later = yardstick.measure(pixels, before, patient=patient)
        alive = np.isfinite(deviation) & ~is_zero(deviation, stacks.full_scale)
        if later is not None:
            alive &= ~later
        lost = np.zeros(len(pixels), np.bool_)
        for side, sigma in ((-1, recipe.sigma_low), (+1, recipe.sigma_high)):
            reach = sigma * deviation
            fuzz = NEAR * (reach + np.abs(centre))
            limit = _Limit(side, decimal(sigma), centre + side * reach, fuzz)
            outermost = stacks.at(before.first if side < 0 else before.last - 1, pixels)
            going = np.flatnonzero(alive & ((outermost - limit.value) * side > -fuzz))
            lost[_move_end(stacks, yardstick, span, pixels, before, going, limit)] = True
        return pixels[lost], pixels[:0] if later is None else pixels[later]


def _move_end(
    stacks: Stacks, yardstick: Yardstick, span: Span, active: Indices, measured: Span, going: Indices, limit: _Limit
) -> Indices:
    """Move one end of the spans of ``active[going]`` inwards, past every sample beyond its limit.

    Return which of ``active`` lose some.
    """
    ends = span.first if limit.side < 0 else span.last
    inward = 0 if limit.side < 0 else -1
    lost = going[:0]
    while len(going):
        pixels = active[going]
        samples = stacks.at(ends[pixels] + inward, pixels)
        excess = (samples - limit.value[going]) * limit.side
        beyond = excess > 0
        near = np.flatnonzero(np.abs(excess) <= limit.fuzz[going])
        if len(near):
            some = going[near]
            beyond[near] = yardstick.exceeds(active[some], measured.select(some), samples[near], limit)
        going = going[beyond]
        ends[active[going]] -= limit.side
        lost = lost if len(lost) else going
        going = going[span.first[active[going]] < span.last[active[going]]]
    return lost


# --- the three forms --------------------------------------------------------------------------------------


def clip_sigma(stacks: Stacks, recipe: Recipe, begun: Span | None, effort: Effort) -> Verdict:
    """Clip about the median by the sample standard deviation."""
    return Verdict(*clip(stacks, _Standard(stacks), recipe, begun, effort))


def clip_winsorized(stacks: Stacks, recipe: Recipe, begun: Span | None, effort: Effort) -> Verdict:
    """Clip about the Winsorized mean by the Winsorized deviation; the cutoff counts in the first pass only."""
    return Verdict(*clip(stacks, _Winsorized(stacks, recipe), recipe, begun, effort))


def clip_averaged(stacks: Stacks, recipe: Recipe, begun: Span | None, effort: Effort) -> Verdict:
    """Clip about the median by a deviation that goes with the square root of the level.

    Where the median of all is zero everything counts as rejected (as low), and the pixel is that median.
    """
    n = stacks.frames
    if n < FEWEST:
        return Verdict(Span.everything(stacks), np.arange(0))
    span, put_off = clip(stacks, _Averaged(stacks), recipe, begun, effort)
    empty = is_zero(stacks.twice_median(Span.everything(stacks)) / 2, stacks.full_scale)
    left = Span(np.where(empty, n, span.first), np.where(empty, n, span.last))
    return Verdict(left, put_off[~empty[put_off]])


class _Standard(Yardstick):
    """The median, and the sample standard deviation sqrt((n Q - S^2) / (n (n - 1)))."""

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks

    def measure(self, pixels: Indices, span: Span, *, patient: bool) -> Measures:
        """Return median and standard deviation of the survivors."""
        n = span.survivors.astype(np.float64)
        centre = self._stacks.twice_median(span, pixels) / 2
        return Measures(centre, np.sqrt(self._scatter(pixels, span) / (n * (n - 1))))

    def _scatter(self, pixels: Indices, span: Span) -> Floats:
        """Return n Q - S^2 with sums about the pivot: exact for whole numbers.

        Others lose digits where survivors lie far from the pivot, which was the median when there were more of
        them. There it is computed in fractions.
        """
        stacks, n = self._stacks, span.survivors
        total, squares = stacks.sums(span, pixels)
        scatter = np.maximum(n * squares - total * total, 0)
        if not stacks.short:
            for i in np.flatnonzero(scatter < _CANCELLED * n * squares):
                scatter[i] = float(_scatter(self._survivors(pixels, span, i)))
        return scatter

    def _survivors(self, pixels: Indices, span: Span, i: np.intp) -> list[Fraction]:
        return [Fraction(float(v)) for v in self._stacks.values[span.first[i] : span.last[i], pixels[i]]]

    def exceeds(self, pixels: Indices, span: Span, samples: Floats, limit: _Limit) -> Bools:
        """Compare (2 r - 2 c)^2 n (n - 1) with (2 k)^2 (n Q - S^2): whole numbers, or fractions where too large."""
        side, k, _, _ = limit
        n = span.survivors.astype(np.float64)
        distance = 2 * samples - self._stacks.twice_median(span, pixels)
        left = distance * distance * n * (n - 1) * float(k.denominator**2)
        right = self._scatter(pixels, span) * float(4 * k.numerator**2)
        result = (left > right) & (distance * side > 0)
        safe = self._stacks.whole(pixels) & (left < EXACT) & (right < EXACT)
        for i in np.flatnonzero(~safe):
            r = self._survivors(pixels, span, i)
            scatter = _scatter(r)
            twice_centre = r[(len(r) - 1) // 2] + r[len(r) // 2]
            off = (2 * Fraction(float(samples[i])) - twice_centre) * side
            result[i] = off > 0 and off**2 * len(r) * (len(r) - 1) > 4 * k * k * scatter
        return result


def _scatter(r: list[Fraction]) -> Fraction:
    return len(r) * sum((x * x for x in r), Fraction(0)) - sum(r, Fraction(0)) ** 2


class _Averaged(Yardstick):
    """The median c, and q sqrt(c), where q^2 = sum((r - m0)^2 / m0) / (n - 1) over all samples, m0 their median.

    PixInsight's samples are not negative; for others q^2 c is what counts, and where it is negative nothing goes.
    """

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks
        everything = Span.everything(stacks)
        self._twice_m0 = stacks.twice_median(everything)
        m0 = self._twice_m0 / 2
        total, squares = stacks.sums(everything)
        shift = m0 - stacks.pivot
        self._about_m0 = squares - 2 * shift * total + stacks.frames * shift * shift
        with np.errstate(invalid="ignore", divide="ignore"):
            self._square = self._about_m0 / m0 / (stacks.frames - 1)

    def measure(self, pixels: Indices, span: Span, *, patient: bool) -> Measures:
        """Return the median of the survivors and the deviation that goes with it."""
        centre = self._stacks.twice_median(span, pixels) / 2
        with np.errstate(invalid="ignore"):
            return Measures(centre, np.sqrt(self._square[pixels] * centre))

    def exceeds(self, pixels: Indices, span: Span, samples: Floats, limit: _Limit) -> Bools:
        """Compare (2 r - 2 c)^2 2 m0 (n - 1) with (2 k)^2 sum (r - m0)^2 2 c: as whole numbers, or as fractions."""
        side, k, _, _ = limit
        n = self._stacks.frames
        twice_centre = self._stacks.twice_median(span, pixels)
        distance = 2 * samples - twice_centre
        left = distance * distance * np.abs(self._twice_m0[pixels]) * float((n - 1) * k.denominator**2)
        right = (4 * self._about_m0[pixels]) * np.abs(twice_centre) * float(k.numerator**2)
        result: Bools = (left > right) & (distance * side > 0)
        safe = self._stacks.whole(pixels) & (left < EXACT) & (right < EXACT)
        for i in np.flatnonzero(~safe):
            r = [Fraction(float(v)) for v in self._stacks.values[:, pixels[i]]]
            m0 = (r[(n - 1) // 2] + r[n // 2]) / 2
            centre = _centre(r, span, i)
            about = sum((x - m0) ** 2 for x in r)
            off = (Fraction(float(samples[i])) - centre) * side
            result[i] = off > 0 and off**2 * abs(m0) * (n - 1) > k * k * about * abs(centre)
        return result


def _centre(r: list[Fraction], span: Span, i: np.intp) -> Fraction:
    """Return the exact median of the survivors."""
    first, last = int(span.first[i]), int(span.last[i])
    return (r[(first + last - 1) // 2] + r[(first + last) // 2]) / 2


class _Winsorized(Yardstick):
    """Winsorized mean and deviation; where rounding may decide, those of the definition's own arithmetic."""

    def __init__(self, stacks: Stacks, recipe: Recipe) -> None:
        self._stacks = stacks
        self._recipe = recipe

    def foresee(self, pixels: Indices, span: Span, *, again: bool) -> Losses | None:
        """Return what bounds of the Winsorized mean and deviation tell."""
        losses = Losses.unknown(len(pixels))
        for group in self._groups(pixels, span):
            turns = _MORE_TURNS if again and len(group.r) == self._stacks.frames else _TURNS
            if len(group.where) < WORTH_FORESEEING:
                continue
            if group.r.dtype == np.uint8 and len(group.r) < self._stacks.frames:
                proven = loses_nothing(Sorted.of(group.r), self._recipe, Scratch(len(group.where)), cutoff=group.cutoff)
                losses.certain[group.where] = proven
                group = group.select(np.flatnonzero(~proven))
            found = foresee(group, self._recipe, self._stacks.full_scale, turns=turns)
            for row, of_group in zip(losses, found, strict=True):
                row[group.where] = of_group
        return losses

    def measure(self, pixels: Indices, span: Span, *, patient: bool) -> Measures:
        """Return Winsorized mean and deviation of the survivors.

        To the letter it takes as long for one stack as for many, so those that are unsure had better come together.
        """
        stacks = self._stacks
        groups = self._groups(pixels, span)
        centre, deviation, unsure = winsorize(groups, stacks.full_scale)
        if patient:
            return Measures(centre, deviation, unsure)
        for group in groups:
            some = group.where[unsure[group.where]]
            if len(some):
                exact = self._to_the_letter(pixels[some], span.select(some), len(group.r))
                centre[some], deviation[some] = (moment * stacks.full_scale for moment in exact)
        return Measures(centre, deviation)

    def _groups(self, pixels: Indices, span: Span) -> list[Group]:
        """Return the survivors of some pixels, those with as many together."""
        stacks, counts = self._stacks, span.survivors
        groups = []
        for n in np.flatnonzero(np.bincount(counts)).tolist():
            where = np.flatnonzero(counts == n)
            r = stacks.survivors(span.select(where), pixels[where], n)
            groups.append(Group(where, r, stacks.offset[pixels[where]], self._cutoff_for(n)))
        return groups

    def exceeds(self, pixels: Indices, span: Span, samples: Floats, limit: _Limit) -> Bools:
        """Compare r - c with k s, c and s to the letter, r the exact fraction of full scale."""
        result = np.zeros(len(pixels), np.bool_)
        one = Fraction(self._stacks.full_scale)
        for i, n in enumerate(span.survivors):
            c, s = self._to_the_letter(pixels[i : i + 1], span.select(np.arange(i, i + 1)), int(n))
            off = (Fraction(float(samples[i])) / one - Fraction(float(c[0]))) * limit.side
            result[i] = off > limit.k * Fraction(float(s[0]))
        return result

    def _to_the_letter(self, pixels: Indices, span: Span, n: int) -> tuple[Floats, Floats]:
        """Return the moments of stacks of ``n`` survivors, samples taken as fractions of full scale."""
        r = self._stacks.survivors(span, pixels, n) + self._stacks.offset[pixels]
        return to_the_letter(r / self._stacks.full_scale, self._cutoff_for(n))

    def _cutoff_for(self, n: int) -> float:
        """Return the cutoff for stacks of ``n`` survivors: it counts as long as none has been lost."""
        return self._recipe.winsorization_cutoff if n == self._stacks.frames else 0.0
