"""What no master can be, however it was made: the statistics that prove a file to be none."""

import math

from ap_masters.model import Statistics

_MARGIN = 1e-6  # a float32 result may stand this far outside [0, 1] by rounding alone


def insane(statistics: Statistics, *, full_scale: float, calibrated: bool) -> str | None:
    """Return why nobody can have integrated frames to this, or None. ``full_scale`` is what 1.0 is called in words.

    What was ``calibrated`` and normalized may be brighter than any sample was.
    """
    if not statistics.channels:
        return "the master has no statistics"
    for channel in statistics.channels:
        values = (channel.median, channel.mean, channel.stddev, channel.minimum, channel.maximum)
        if not all(math.isfinite(v) for v in values):
            return "the master holds samples that are not finite"
        if channel.maximum > 1 + _MARGIN and not calibrated:
            return f"the master reaches {channel.maximum * full_scale:g}, beyond full scale {full_scale:g}"
        if channel.minimum == channel.maximum == 0:
            return "the master is empty: every sample is zero"
        if channel.minimum == channel.maximum:
            return f"the master shows nothing: every sample is {channel.minimum * full_scale:g}"
    return None
