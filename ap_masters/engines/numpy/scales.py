"""Factors that bring every frame to a common level, from the frames' levels."""

from collections.abc import Sequence
from typing import Final

from ap_masters.engines.numpy.order import Scales
from ap_masters.images.scale import ADU
from ap_masters.model import Normalization, Recipe, RejectionNormalization

_PLACES: Final = float(1 << 24)


def is_normalized(recipe: Recipe) -> bool:
    """Say whether the recipe needs the levels of the frames."""
    return (
        recipe.normalization is not Normalization.NONE
        or recipe.rejection_normalization is not RejectionNormalization.NONE
    )


def factors(levels: Sequence[float], recipe: Recipe, full_scale: float) -> Scales:
    """Return the factors of one channel's frames, from their levels in counts.

    Rejection normalization (equalize fluxes) and multiplicative output normalization both multiply by the
    level of the first frame over the frame's own; with a target median (ADU) the output goes there instead.
    Where both are asked for, one set of factors serves both: no rejection rule changes its mind when all
    samples of a stack are multiplied by the same number.

    Factors are rounded to 24 binary places, which is as fine as PixInsight's float32 samples: products with
    16-bit samples are then exact in float64, and so are sums of a thousand of them.
    """
    combine = recipe.normalization is Normalization.MULTIPLICATIVE
    equalize = recipe.rejection_normalization is RejectionNormalization.EQUALIZE_FLUXES
    to_first = [_rounded(levels[0] / level) for level in levels]
    target = recipe.target_median
    to_target = to_first if target is None else [_rounded(target * full_scale / ADU / level) for level in levels]
    if combine and equalize:
        return Scales(to_target, to_target)
    return Scales(to_first if equalize else None, to_target if combine else None)


def _rounded(factor: float) -> float:
    return round(factor * _PLACES) / _PLACES
