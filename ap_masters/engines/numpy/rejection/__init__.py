"""Pixel rejection by the definitions of ImageIntegration 1.6.0, on many sorted stacks side by side."""

from collections.abc import Callable

from ap_masters.engines.numpy.rejection.clipping import clip_averaged, clip_sigma, clip_winsorized
from ap_masters.engines.numpy.rejection.esd import reject_esd
from ap_masters.engines.numpy.rejection.line import reject_linear_fit
from ap_masters.engines.numpy.rejection.simple import reject_minmax, reject_none, reject_percentile
from ap_masters.engines.numpy.rejection.survivors import Fates, Span, Stacks
from ap_masters.model import Recipe, Rejection

_SPANS: dict[Rejection, Callable[[Stacks, Recipe], Span]] = {
    Rejection.NONE: reject_none,
    Rejection.MINMAX: reject_minmax,
    Rejection.PERCENTILE: reject_percentile,
    Rejection.SIGMA: clip_sigma,
    Rejection.WINSORIZED: clip_winsorized,
    Rejection.AVERAGED: clip_averaged,
}


def reject(stacks: Stacks, recipe: Recipe) -> Span | Fates:
    """Return what is left of every stack: a range of ranks, or where any rank may go, the fate of each."""
    if recipe.rejection is Rejection.LINEAR_FIT:
        return reject_linear_fit(stacks, recipe)
    if recipe.rejection is Rejection.ESD:
        return reject_esd(stacks, recipe)
    return _SPANS[recipe.rejection](stacks, recipe)
