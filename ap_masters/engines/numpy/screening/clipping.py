"""The screens of sigma, averaged sigma and percentile clipping: stacks whose median lies where nothing is rejected.

These rules reject what is too far from the median. So the least and the greatest sample of a stack tell between which
limits its median has to lie for nothing to be rejected. Often its ends or its moments alone tell that it does; and
where more than half of the samples lie on the right side of a limit, so does the median. That takes no sorting:
samples are looked at for their moments (``moments.py``), and once more to be counted.
"""

from collections.abc import Callable
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.foresight.stacks import F32, MARGIN, Bools
from ap_masters.engines.numpy.rejection.survivors import take_columns
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.screening.moments import Moments, Row
from ap_masters.model import Recipe

_TINY: Final = 1e-9
_SQUARE: Final = 1e-6  # relative error of a float32 sum of squares, and of what is subtracted from it
_ROUNDING: Final = 0.02  # of a limit in counts that is not exact anyway
_MOST: Final = 255  # samples counted in eight bits
_FLAGS: Final = 1 << 20  # set at once: they stay in the cache
_WORTH_GATHERING: Final = 1 / 16  # of the stacks: fewer are counted by themselves


class Tile(NamedTuple):
    """Moments, and the samples x they are of; a count is x + ``zero`` + something from 0 to ``slack``."""

    moments: Moments
    rows: Row
    zero: float
    slack: float

    @property
    def blur(self) -> float:
        """How far a count may exceed what its key alone says."""
        return self.moments.lost + self.slack


class Limits(NamedTuple):
    """Nothing is rejected where the median lies from ``low`` to ``high``: counts, less that of the middle.

    As much is known of the median at once: it is not below ``floor`` (nothing is known of that where it is None); and
    where ``ceiling`` does not exceed ``high``, neither does the median.
    """

    low: F32
    high: F32
    floor: F32 | None
    ceiling: F32


LimitsOf = Callable[[Tile, Recipe, Scratch], Limits]


def sigma_limits(tile: Tile, recipe: Recipe, scratch: Scratch) -> Limits:
    """Return the limits for sigma clipping.

    Nothing goes when median - least <= k_low s and greatest - median <= k_high s; s^2 is sum (x - mean)^2 / (n - 1).
    And no median is further from the mean than the root of sum (x - mean)^2 / n: that is q s, q^2 = (n - 1) / n. So the
    upper limit holds at once where mean + q s <= least + k_low s. For a lower bound of s in place of s that asks
    for more, as long as k_low is not less than q: then that bound serves for both.
    """
    found = tile.moments
    deviation = _least_deviation(tile, scratch)
    least, greatest = _ends(tile, scratch)
    reach, ceiling = (scratch.row(name, np.float32, len(deviation)) for name in ("reach", "highest median"))
    np.multiply(found.key_total, np.float32((1 << found.shift) / found.n), out=ceiling, casting="same_kind")
    q = sqrt((found.n - 1) / found.n)
    np.multiply(deviation, np.float32(q), out=reach)
    np.add(ceiling, reach, out=ceiling)
    np.add(ceiling, np.float32(tile.blur + _ROUNDING if recipe.sigma_low >= q else np.inf), out=ceiling)
    np.multiply(deviation, np.float32(recipe.sigma_high), out=reach)
    low = np.subtract(greatest, reach, out=greatest)
    np.multiply(deviation, np.float32(recipe.sigma_low), out=reach)
    high = np.add(least, reach, out=least)
    return Limits(low, high, None, ceiling)


def averaged_limits(tile: Tile, recipe: Recipe, scratch: Scratch) -> Limits:
    """Return the limits for averaged sigma clipping.

    Its first s is q sqrt(m0), that is s^2 = sum (x - m0)^2 / (n - 1), which is not less than the square of the
    standard deviation; it wants a median above zero besides.
    """
    limits = sigma_limits(tile, recipe, scratch)
    zero = _level(tile, scratch)
    np.subtract(np.float32(1), zero, out=zero)
    np.maximum(limits.low, zero, out=limits.low)
    return limits


def percentile_limits(tile: Tile, recipe: Recipe, scratch: Scratch) -> Limits:
    """Return the limits for percentile clipping.

    Of a median m above zero nothing goes when m - least <= p_low m and greatest - m <= p_high m.
    """
    least, greatest = _ends(tile, scratch)
    level = _level(tile, scratch)
    low, high = (scratch.row(name, np.float32, len(level)) for name in ("low limit", "high limit"))
    part = max(1 - recipe.percentile_low, _TINY)
    for limit, end, factor in (
        (low, greatest, 1 / (1 + recipe.percentile_high) / MARGIN),
        (high, least, MARGIN / part),
    ):
        np.add(end, level, out=limit)
        np.multiply(limit, np.float32(factor), out=limit)
    np.maximum(low, 1, out=low)
    # As p_high is not above 1 (``Recipe``), the lower limit is not below half of the greatest count: what it loses of
    # its digits to the level is far less than MARGIN leaves room for.
    for limit in (low, high):
        np.subtract(limit, level, out=limit)
    return Limits(low, high, least, greatest)


def unproven(tile: Tile, limits: Limits, scratch: Scratch) -> Bools:
    """Mark where it is not certain that the median lies between the limits.

    If what is known of it is not enough, samples are counted: where more than half of them are not below the lower
    limit, both central ones are not; and likewise at the upper one. A sample that is not below stands for a count
    that is not; at the upper limit it has to leave room for the slack. The limits are overwritten.
    """
    low, high, floor, ceiling = limits
    length = len(low)
    marked: Bools = scratch.row("marked", np.bool_, length)
    np.copyto(marked, tile.moments.wide)
    doubt = scratch.row("doubt", np.bool_, length)
    doubt.fill(True)
    if floor is not None:
        np.less(floor, low, out=doubt)
    _mark_few(marked, doubt, tile, _LOWER, low, scratch)
    np.greater(ceiling, high, out=doubt)
    if tile.slack:
        np.subtract(high, np.float32(tile.slack), out=high)
    _mark_few(marked, doubt, tile, _UPPER, high, scratch)
    return marked


class _Side(NamedTuple):
    """A kind of limit. Its border is the next whole number outside; inside are samples that ``compare`` to that."""

    compare: np.ufunc
    round: np.ufunc
    outwards: int


_LOWER: Final = _Side(np.greater, np.ceil, -1)
_UPPER: Final = _Side(np.less, np.floor, +1)


def _mark_few(marked: Bools, doubt: Bools, tile: Tile, side: _Side, limit: F32, scratch: Scratch) -> None:
    """Mark stacks in ``doubt`` of which not more than half of the samples are inside the limit."""
    np.greater(doubt, marked, out=doubt)
    rows, middle = tile.rows, tile.moments.middle
    enough = len(rows) // 2 + 1
    if np.count_nonzero(doubt) > _WORTH_GATHERING * len(doubt):
        border = scratch.row("border", middle.dtype, len(limit))
        _set_border(border, limit, middle, side, scratch)
        few = np.less(_count(rows, side.compare, border), enough)
        np.logical_and(few, doubt, out=few)
        np.logical_or(marked, few, out=marked)
    else:
        some = np.flatnonzero(doubt)
        border = np.empty(len(some), middle.dtype)
        _set_border(border, limit.take(some), middle.take(some), side, scratch)
        count = _count(take_columns(rows, some), side.compare, border)
        marked[some[count < enough]] = True


def _set_border(border: Row, limit: F32, middle: Row, side: _Side, scratch: Scratch) -> None:
    """Set ``border`` to the next sample outside a limit that is counted from the middle. The limit is overwritten.

    A border that the samples' type does not hold is moved to that end of it. Samples have to differ from the border to
    be counted, so that this counts too few of them at the near end, and none wrongly at the far one.
    """
    level = scratch.row("level of the middle", np.float32, len(middle))
    np.copyto(level, middle)
    side.round(limit, out=limit)
    np.add(limit, level, out=limit)
    np.add(limit, np.float32(side.outwards), out=limit)
    ends = np.iinfo(border.dtype)
    np.maximum(limit, np.float32(ends.min), out=limit)
    np.minimum(limit, np.float32(ends.max), out=limit)
    np.copyto(border, limit, casting="unsafe")


def _count(rows: Row, compare: np.ufunc, border: Row) -> NDArray[np.uint16]:
    """Count the samples of each stack that compare to its border."""
    total = np.zeros(len(border), np.uint16)
    at_once = min(max(_FLAGS // max(len(border), 1), 1), _MOST)
    for first in range(0, len(rows), at_once):
        found = compare(rows[first : first + at_once], border).view(np.uint8)
        np.add(total, np.add.reduce(found, axis=0, dtype=np.uint8), out=total)
    return total


def _ends(tile: Tile, scratch: Scratch) -> tuple[F32, F32]:
    """Return the least count, at least, and the greatest, at most."""
    found = tile.moments
    least, greatest = (scratch.row(name, np.float32, len(found.middle)) for name in ("least count", "greatest count"))
    np.copyto(greatest, found.above)
    np.copyto(least, found.below)
    np.negative(least, out=least)
    if tile.slack:
        np.add(greatest, np.float32(tile.slack + _ROUNDING), out=greatest)
    return least, greatest


def _level(tile: Tile, scratch: Scratch) -> F32:
    """Return the count of the middle."""
    level = scratch.row("level", np.float32, len(tile.moments.middle))
    np.copyto(level, tile.moments.middle)
    np.add(level, np.float32(tile.zero), out=level)
    return level


def _least_deviation(tile: Tile, scratch: Scratch) -> F32:
    """Return a lower bound of sqrt(sum (x - mean)^2 / (n - 1)).

    The root of a sum of squared deviations differs from that of the keys by at most that of the parts cut off, that is
    by half of the most there can be, times sqrt(n).
    """
    found, n = tile.moments, tile.moments.n
    bound, part = (scratch.row(name, np.float32, len(found.middle)) for name in ("least deviation", "part of it"))
    np.multiply(found.key_total, np.float32(sqrt((1 + _SQUARE) / n)), out=part, casting="same_kind")
    np.multiply(part, part, out=part)
    np.multiply(found.squares, np.float32(1 - _SQUARE), out=bound, casting="same_kind")
    np.subtract(bound, part, out=bound)
    np.sqrt(np.maximum(bound, 0, out=bound), out=bound)
    np.multiply(bound, np.float32((1 << found.shift) * MARGIN / sqrt(max(n - 1, 1))), out=bound)
    if tile.blur:
        np.subtract(bound, np.float32(tile.blur * sqrt(n / max(n - 1, 1)) / 2), out=bound)
        np.maximum(bound, 0, out=bound)
    return bound
