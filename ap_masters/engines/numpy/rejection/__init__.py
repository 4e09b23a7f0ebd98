"""Pixel rejection by the definitions of ImageIntegration 1.6.0, on many sorted stacks side by side."""

from collections.abc import Callable
from typing import Final

import numpy as np

from ap_masters.engines.numpy.rejection.clipping import clip_averaged, clip_sigma, clip_winsorized
from ap_masters.engines.numpy.rejection.esd import reject_esd
from ap_masters.engines.numpy.rejection.line import reject_linear_fit
from ap_masters.engines.numpy.rejection.passes import ALL_AT_ONCE, Effort
from ap_masters.engines.numpy.rejection.simple import reject_minmax, reject_none, reject_percentile
from ap_masters.engines.numpy.rejection.survivors import Fates, Span, Stacks, Torn, Verdict
from ap_masters.model import Recipe, Rejection

_AT_ONCE: dict[Rejection, Callable[[Stacks, Recipe], Span | Fates]] = {
    Rejection.NONE: reject_none,
    Rejection.MINMAX: reject_minmax,
    Rejection.PERCENTILE: reject_percentile,
    Rejection.ESD: reject_esd,
}
_BY_PASSES: dict[Rejection, Callable[[Stacks, Recipe, Span | None, Effort], Verdict]] = {
    Rejection.SIGMA: clip_sigma,
    Rejection.WINSORIZED: clip_winsorized,
    Rejection.AVERAGED: clip_averaged,
    Rejection.LINEAR_FIT: reject_linear_fit,
}
# Where of equal samples at the end of what is left the innermost ranks are rejected, not the outermost.
FROM_INSIDE: Final = frozenset({Rejection.LINEAR_FIT})


def reject(stacks: Stacks, recipe: Recipe, begun: Span | None = None, effort: Effort = ALL_AT_ONCE) -> Verdict:
    """Reject by the recipe, from what is left of stacks that have ``begun``; ``reject_in_passes`` tells of effort."""
    if recipe.rejection in _BY_PASSES:
        return _BY_PASSES[recipe.rejection](stacks, recipe, begun, effort)
    left = _AT_ONCE[recipe.rejection](stacks, recipe)
    if isinstance(left, Span):
        return Verdict(left, np.arange(0))
    return Verdict(Span.everything(stacks), np.arange(0), Torn(np.arange(stacks.pixels), left))
