"""How each frame type is integrated: combination, rejection, normalization. One table, and the choice by count.

Sources: ImageIntegration parameters that WBPP 3.0.1 uses for masters, and its ``bestRejectionMethod()``.
"""

from ap_masters.config import RecipesSettings
from ap_masters.model import FrameType, Normalization, Recipe, Rejection

BASE = {
    FrameType.BIAS: Recipe(),
    FrameType.DARK: Recipe(),
    FrameType.DARK_FLAT: Recipe(),
    FrameType.FLAT: Recipe(
        normalization=Normalization.MULTIPLICATIVE,
        rejection_normalization=Normalization.MULTIPLICATIVE.for_rejection,
    ),
}

_PERCENTILE_BELOW = 6
_WINSORIZED_UP_TO = 15


def automatic_rejection(frame_type: FrameType, count: int, *, around_zero: bool = False) -> Rejection:
    """Return WBPP 3.0.1's choice for ``count`` frames: below 6 percentile, then winsorized, many flats linear fit.

    Percentile clipping rejects by fractions of the median, so samples ``around_zero``, as those of darks whose bias
    was subtracted, would be rejected for their noise, most of them; WBPP never integrates such frames.
    """
    if count < _PERCENTILE_BELOW and not around_zero:
        return Rejection.PERCENTILE
    if count <= _WINSORIZED_UP_TO or frame_type is not FrameType.FLAT:
        return Rejection.WINSORIZED
    return Rejection.LINEAR_FIT


def recipe_for(frame_type: FrameType, count: int, settings: RecipesSettings, *, around_zero: bool = False) -> Recipe:
    """Return the recipe of a group of ``count`` frames, with what was set and AUTO resolved."""
    chosen = Recipe.model_validate(
        BASE[frame_type].model_dump() | settings.of(frame_type).model_dump(exclude_none=True)
    )
    if chosen.rejection is Rejection.AUTO:
        chosen = chosen.model_copy(
            update={"rejection": automatic_rejection(frame_type, count, around_zero=around_zero)}
        )
    return chosen


def fewest_frames(rejection: Rejection, min_frames: int | None) -> int:
    """Return the hard floor of a group: what the user set, else what PixInsight's process needs."""
    return rejection.fewest_frames if min_frames is None else min_frames
