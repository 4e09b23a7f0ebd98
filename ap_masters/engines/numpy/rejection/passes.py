"""Rejecting pass after pass, from ever fewer stacks: foreseen where possible, measured where not, or put off."""

from typing import Final, NamedTuple, Protocol

import numpy as np

from ap_masters.engines.numpy.rejection.survivors import Losses, Ranks, Span

FEWEST: Final = 3  # samples that have to be left for another pass
WORTH_FORESEEING: Final = 512  # stacks of as many samples: fewer are measured, together with all others


class Effort(NamedTuple):
    """What is worth doing now: passes over at least ``worthwhile`` stacks; ``again`` says that stacks come back.

    Of those that come back and have lost nothing, foreseeing has been tried before. Where a pass is best made over
    stacks of as many survivors, one is made ``once``: what has lost something is put off, to be sorted by what is left.
    """

    worthwhile: int = 0
    again: bool = False
    once: bool = False


ALL_AT_ONCE: Final = Effort()


class Rule(Protocol):
    """A rule of rejection that is repeated until nothing goes."""

    def foresee(self, pixels: Ranks, span: Span, *, again: bool) -> Losses | None:
        """Return what stacks lose in one pass, as far as that is cheaper to tell than by measuring; None for nothing.

        ``again`` says that this has been tried before of those that have lost nothing.
        """
        ...

    def reject(self, pixels: Ranks, span: Span, *, patient: bool) -> tuple[Ranks, Ranks]:
        """Make one pass over ``pixels``: move the ends of ``span`` inwards.

        Return which lose some, and what had better come later; there is nothing of that unless ``patient``.
        """
        ...


def reject_in_passes(rule: Rule, span: Span, active: Ranks, effort: Effort) -> Ranks:
    """Narrow ``span`` until no stack loses anything, or fewer than 3 samples stay. Return which stacks are put off.

    Few stacks need a second pass, fewer a third one: when less than ``worthwhile`` are left, they are put off, to be
    gone on with in better company; so are those that cannot be foreseen, where they are as few, and what the rule wants
    to do later.
    """
    worthwhile = effort.worthwhile
    put_off: list[Ranks] = []
    first = True
    while len(active) and (first or (len(active) >= worthwhile and not effort.once)):
        foreseen = rule.foresee(active, span.select(active), again=effort.again)
        if foreseen is None:
            lost, later = rule.reject(active, span, patient=worthwhile > 0)
        else:
            span.first[active] += foreseen.low
            span.last[active] -= foreseen.high
            lost, later = active[foreseen.low + foreseen.high > 0], active[~foreseen.certain]
            if len(later) >= max(worthwhile, 1):
                more, later = rule.reject(later, span, patient=worthwhile > 0)
                lost = np.concatenate([lost, more])
        put_off.append(later)
        active = lost[span.last[lost] - span.first[lost] >= FEWEST]
        first = False
    return np.concatenate([active, *put_off])
