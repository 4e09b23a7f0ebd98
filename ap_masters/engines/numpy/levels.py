"""The level of a frame: what flats are brought to a common brightness by."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEP = 65535.0  # the range is open by one step of 16-bit counts at both ends


def location(samples: NDArray[Any], full_scale: float) -> float | None:
    """Return the median of the samples inside the open range (1/65535, 1 - 1/65535) of full scale.

    None when there are none. That is ImageIntegration's location estimate for rejection normalization
    and multiplicative output normalization; it is taken over one channel of the whole frame, so that the
    four colours of a colour filter array, which PixInsight holds in one channel, have one level together.
    """
    step = full_scale / _STEP
    inside = samples[(samples > step) & (samples < full_scale - step)]
    return float(np.median(inside.astype(np.float64))) if inside.size else None
