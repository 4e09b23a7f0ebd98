"""Bounds of the line of least absolute deviation through ranked samples, for many stacks of short integers.

The best line's slope makes least G(b), the sum of |r_k - b k - m(b)|; see ``tangents``.

* Let G fall at p and not fall at q. Then the best slope is one of p..q, and G's least value is not below F, the height
  at which the tangents at p and q cross.
* The best line L with slope b is at rank k the median over j of r_j + b (k - j). At the highest rank no factor of b is
  negative, so L(n - 1) does not fall when b rises; and L(0) does not rise. So L(0) lies between m(q) and m(p), and
  L(n - 1) between m(p) + p (n - 1) and m(q) + q (n - 1). In between L is straight: with v = k / (n - 1) and u = 1 - v
  it is u m(q) + v m(p) + p k at least, and u m(p) + v m(q) + q k at most. So L(k) >= m(q) + p k and
  L(k) <= m(p) + q k.

So a rank stays if r_k - L(k) < k_high s and L(k) - r_k < k_low s, where s >= 2 F / n; and it goes if it lies beyond for
every s <= 2 G(b) / n, b one of p and q. Only the outermost ranks go, as a rule, and these are looked at one by one.

Where samples exceed their keys by up to S, F is lower by up to n // 2 * S, as there are as many signs of either kind.
The best slope may be a little below p: with e_k for r_k - p k - m(p) of the keys, and the tangent of the same signs y_k
through the samples themselves, their own G(p) is above that by sum (|e_k + d_k| - y_k (e_k + d_k)) at most,
|d_k| <= S / 2. That is X = sum max(0, S - 2 |e_k|) or less, and where the tangent is above G(p), G's least value is
not: the best slope is not below p - X / |G'(p)|. (Nor above q + X / |G'(q)|.) A change of the slope moves the bounds of
L by up to n - 1 times as much.
"""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.deviation import DOUBT, STEP, WINDOW
from ap_masters.engines.numpy.rejection.foresight.stacks import F32, MARGIN
from ap_masters.engines.numpy.rejection.foresight.tangents import (
    APART,
    Deviations,
    Grid,
    Row,
    Tangents,
    ends_of,
    on_grid,
)
from ap_masters.engines.numpy.rejection.survivors import Bools, Losses
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.model import Recipe

_CLOSE: Final = 0.06  # relative distance from where tangents cross to the next slope, times sqrt(n)
_ROUNDED: Final = 1e-6  # of heights: by so much float32 may be wrong about where tangents cross
_PART: Final = 0.15  # and of the bracket's width, at most


class Known(NamedTuple):
    """What is known of some sorted stacks: samples on the grid by rank, where these fit it, and tangents so far."""

    rows: Sequence[Row]
    fits: Bools
    guess: F32  # a likely slope
    left: Tangents
    right: Tangents

    def select(self, pixels: NDArray[np.intp]) -> "Known":
        """Return what is known of some of the stacks."""
        left, right = (tangents.select(pixels) for tangents in (self.left, self.right))
        return Known([row.take(pixels) for row in self.rows], self.fits[pixels], self.guess.take(pixels), left, right)

    @classmethod
    def together(cls, parts: "Sequence[Known]") -> "Known":
        """Put what is known of several lots side by side."""
        if len(parts) == 1:
            return parts[0]
        rows, fits, guesses, lefts, rights = zip(*parts, strict=True)
        left, right = (Tangents(*map(np.concatenate, zip(*side, strict=True))) for side in (lefts, rights))
        joined = [np.concatenate(of_rank) for of_rank in zip(*rows, strict=True)]
        return cls(joined, np.concatenate(fits), np.concatenate(guesses), left, right)


def _first_slope(keys: Sequence[Row], grid: Grid) -> F32:
    """Return the mean slope between ranks of a window and those as high from the other end."""
    n = len(keys)
    start, end = int(WINDOW[0] * n), ceil(WINDOW[1] * n)
    difference = np.empty_like(keys[0])
    total: Row = np.zeros(len(difference), np.uint16 if difference.itemsize == 1 else np.uint32)
    for k in range(start, end):
        np.subtract(keys[-1 - k], keys[k], out=difference)
        np.add(total, difference, out=total)
    ranks = sum(n - 1 - 2 * k for k in range(start, end))
    slope: F32 = total.astype(np.float32)
    slope *= np.float32((1 << grid.places) / ranks)
    return slope


class Bracket:
    """Tangents on either side of the best slopes of some sorted stacks, in working memory that is reused."""

    def __init__(self, known: Known, grid: Grid, scratch: Scratch) -> None:
        """Go on with stacks that have been begun on."""
        self._rows, self._fits, self._guess, self._left, self._right = known
        self._n, self._grid = len(self._rows), grid
        self._deviations = Deviations(self._rows, grid, scratch)

    @classmethod
    def begin(cls, keys: Sequence[Row], grid: Grid, scratch: Scratch) -> "Bracket":
        """Try two slopes: a likely one, and one on what should be the other side of the best."""
        fits: Bools = np.subtract(keys[-1], keys[0]) <= grid.largest >> grid.places
        guess = _first_slope(keys, grid)
        nothing = Tangents(*(guess,) * len(Tangents._fields))
        bracket = cls(Known(on_grid(keys, grid, scratch), fits, guess, nothing, nothing), grid, scratch)
        here = bracket._deviations.tangents(guess)
        there = bracket._deviations.tangents(bracket._beyond(here))
        falls, still = here.change < 0, there.change < 0
        bracket._left, bracket._right = here.choose(there, falls & ~still), here.choose(there, ~falls & still)
        return bracket

    @property
    def known(self) -> Known:
        """What has been found out."""
        return Known(self._rows, self._fits, self._guess, self._left, self._right)

    def go_on(self) -> None:
        """Try another slope: near to where the tangents cross, or further out where one is on the wrong side."""
        left, right = self._left, self._right
        down, up = np.maximum(-left.change, 1), np.maximum(right.change, 0)
        cross = (left.height - right.height + down * left.slope + up * right.slope) / (down + up)
        close = self._guess * np.float32(_CLOSE / sqrt(self._n))
        np.minimum(close, np.float32(_PART) * np.maximum(right.slope - left.slope, 0), out=close)
        cross += np.copysign(close, left.slope + right.slope - 2 * cross)
        finely = self._grid.slack > 0
        inside = np.float32(0 if finely else APART)
        np.maximum(cross, left.slope + inside, out=cross)
        np.minimum(cross, right.slope - inside, out=cross)
        for side, wrong in ((right, left.change >= 0), (left, (right.change < 0) | ~right.tells)):
            pixels = np.flatnonzero(wrong)
            cross[pixels] = self._beyond(side).take(pixels)
        here = self._deviations.tangents(cross, finely=finely)
        self._left = here.choose(left, here.change < 0)
        self._right = here.choose(right, (here.change >= 0) & here.tells)

    def _beyond(self, tangents: Tangents) -> F32:
        """Return slopes at which G changes the other way, if stacks are like normal samples."""
        step = np.abs(tangents.change)
        step *= np.float32(STEP / self._n**2)
        step += np.float32(DOUBT / sqrt(self._n))
        step *= self._guess
        step += APART
        beyond: F32 = tangents.slope - np.copysign(step, tangents.change, out=step)
        return beyond

    def loses_nothing(self, recipe: Recipe) -> Bools:
        """Return for which stacks there is a proof that nothing is rejected."""
        n, left, right = self._n, self._left, self._right
        reach = self._rows[-1].astype(np.float32)
        deviation, doubt = self._least_deviation(), self._doubt()
        low, high = (deviation * np.float32(k) - doubt for k in (recipe.linear_fit_low, recipe.linear_fit_high))
        holds = self._is_bracket()
        holds &= reach - left.level - (n - 1) * left.slope < high
        holds &= left.level < low
        holds &= -right.level < high
        holds &= right.level + (n - 1) * right.slope - reach < low
        inner = np.maximum(left.inner, right.inner) + left.level - right.level
        holds &= inner < np.minimum(low, high)
        if not self._grid.slack:
            holds |= reach == 0
        holds &= self._fits
        proven: Bools = holds
        return proven

    def losses(self, recipe: Recipe, white: float) -> Losses:
        """Return what is rejected, where that is certain; ``white`` keys stand for 1.0.

        Every rank has to be certain to go or to stay, and those that go have to be the outermost of the ends.
        """
        left, right, few = self._left, self._right, ends_of(self._n)
        inmost = np.maximum(left.inmost, right.inmost)
        least, doubt = self._least_deviation(), self._doubt()
        low, high = (least * np.float32(k) - doubt for k in (recipe.linear_fit_low, recipe.linear_fit_high))
        most = self._greatest_deviation(white)
        beyond_low, beyond_high = (
            most * np.float32(k) + doubt for k in (recipe.linear_fit_low, recipe.linear_fit_high)
        )
        certain = self._is_bracket() & self._fits & (least > 0)
        certain &= inmost + left.level - right.level < np.minimum(low, high)
        counts = []
        far = (self._n - 2 * few) * inmost
        for inwards in (1, -1):
            count = np.zeros(len(least), np.uint16)
            going = np.ones(len(least), np.bool_)
            for rank in range(few):
                at_least, at_most = self._distance(rank if inwards > 0 else self._n - 1 - rank)
                far += np.maximum(-at_least, at_most)
                stays = (-at_least < low) & (at_most < high)
                going &= -at_most >= beyond_low if inwards > 0 else at_least >= beyond_high
                certain &= going | stays
                count += going
            counts.append(count)
        certain &= far < self._grid.held * MARGIN - self._n  # lines may have been rounded up
        for count in counts:
            np.multiply(count, certain, out=count)
        low_count, high_count = counts
        return Losses(low_count, high_count, certain)

    def _distance(self, rank: int) -> tuple[F32, F32]:
        """Return between what the sample of a rank lies above the line."""
        left, right = self._left, self._right
        at_least, at_most = (self._rows[rank].astype(np.float32) for _ in range(2))
        part = (left.level - right.level) * np.float32(rank / (self._n - 1))
        at_most -= part
        at_most -= right.level
        at_most -= left.slope * np.float32(rank)
        at_least += part
        at_least -= left.level
        at_least -= right.slope * np.float32(rank)
        return at_least, at_most

    def _greatest_deviation(self, white: float) -> F32:
        """Return the most that the deviation can be, if heights are not too low; ``white`` keys stand for 1.0."""
        n, (left, right) = self._n, (self._left, self._right)
        most: F32 = np.minimum(left.height, right.height) + np.float32(n / 2 * self._grid.slack)
        rise = right.slope + np.maximum(left.doubt, right.doubt)
        rise *= np.float32(1 / ((1 << self._grid.places) * white))
        np.square(rise, out=rise)
        np.add(rise, 1, out=rise)
        most *= np.sqrt(rise, out=rise)
        most *= np.float32(2 / n / MARGIN)
        return most

    def _is_bracket(self) -> Bools:
        """Return where G falls on the left and does not on the right, further up."""
        left, right = self._left, self._right
        is_one: Bools = (left.change < 0) & (right.change >= 0) & right.tells & (left.slope <= right.slope)
        return is_one

    def _least_deviation(self) -> F32:
        """Return the least that the deviation can be."""
        n, left, right = self._n, self._left, self._right
        down, up = np.maximum(-left.change, 1), np.maximum(right.change, 0)
        total = (left.height * up + right.height * down - down * up * (right.slope - left.slope)) / (down + up)
        total -= (left.height + right.height) * np.float32(_ROUNDED)
        least: F32 = (total - n // 2 * self._grid.slack) * np.float32(2 / n * MARGIN)
        return least

    def _doubt(self) -> F32:
        """Return how far a sample may be nearer to the line, or further off, than the bounds of keys tell."""
        doubt: F32 = np.maximum(self._left.doubt, self._right.doubt) * (self._n - 1) + np.float32(self._grid.slack)
        return doubt
