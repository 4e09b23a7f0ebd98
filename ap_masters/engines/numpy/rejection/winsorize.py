"""Winsorized mean and deviation as ImageIntegration 1.6.0 measures them, starting from the Sn scale estimator."""

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection.survivors import Floats, Span, Stacks, is_zero

_SN_CONSISTENCY = 1.1926
_SN_FACTOR = {2: 0.743, 3: 1.851, 4: 0.954, 5: 1.351, 6: 0.993, 7: 1.198, 8: 1.005, 9: 1.131}
_CLAMP = 1.5
_SIGMA_FACTOR = 1.134
_CONVERGED = 0.0005


def winsorized_moments(stacks: Stacks, span: Span, cutoff: float) -> tuple[Floats, Floats]:
    """Return Winsorized mean and deviation of ranks first..last-1 of each stack.

    Starts from the median and 1.1926 Sn; then clamps to centre -+ 1.5 deviations (samples beyond ``cutoff``
    deviations go to the centre), takes mean and 1.134 standard deviations of the clamped samples, and repeats
    on those until the deviation changes by less than 0.05 %. Where Sn is zero nothing is clamped.
    """
    first, last = span
    centre = stacks.twice_median(span) / 2
    deviation = np.empty(stacks.pixels)
    for n in np.unique(last - first):
        same = np.flatnonzero(last - first == n)
        rank = first[same] + np.arange(n)[:, None]
        values = np.take_along_axis(stacks.values[:, same], rank, 0)
        deviation[same] = _SN_CONSISTENCY * rousseeuw_croux_sn(values)
        _iterate(values, same, centre, deviation, cutoff, stacks.full_scale)
    return centre, deviation


def _iterate(
    v: Floats, pixels: NDArray[np.intp], centre: Floats, deviation: Floats, cutoff: float, full_scale: float
) -> None:
    """Winsorize the stacks ``v`` until each converges; results go to ``centre`` and ``deviation`` at ``pixels``."""
    turn = 0
    while True:
        alive = ~is_zero(deviation[pixels], full_scale)
        v, pixels = v[:, alive], pixels[alive]
        if not len(pixels):
            return
        c, s = centre[pixels], deviation[pixels]
        low, high = v < c - _CLAMP * s, v > c + _CLAMP * s
        far = (low & (v <= c - cutoff * s)) | (high & (v >= c + cutoff * s)) if cutoff > 0 else np.False_
        v = np.where(far, c, np.where(low, c - _CLAMP * s, np.where(high, c + _CLAMP * s, v)))
        mean = v.mean(0)
        d = v - mean
        n = len(v)
        new = _SIGMA_FACTOR * np.sqrt(((d * d).sum(0) - d.sum(0) ** 2 / n) / (n - 1))
        centre[pixels], deviation[pixels] = mean, new
        turn += 1
        going = ~((turn > 1) & (np.abs(s - new) / s < _CONVERGED))
        v, pixels = v[:, going], pixels[going]


def rousseeuw_croux_sn(r: Floats) -> Floats:
    """Return Sn of sorted stacks of shape (n, pixels), without the constant for the normal distribution.

    Rousseeuw and Croux (1993): the low median over i of the high median over j of |r_i - r_j|. In a sorted
    stack the h = n//2 + 1 nearest of r_i fill a window of h ranks around i, so that the high median is the
    least over such windows of the larger distance to the window's two ends.
    """
    n = len(r)
    h = n // 2 + 1
    nearest = np.empty_like(r)
    for i in range(n):
        windows = range(max(i - h + 1, 0), min(i, n - h) + 1)
        reach = [np.maximum(r[i] - r[k], r[k + h - 1] - r[i]) for k in windows]
        nearest[i] = np.minimum.reduce(reach)
    middle: Floats = np.partition(nearest, (n + 1) // 2 - 1, axis=0)[(n + 1) // 2 - 1]
    factor = _SN_FACTOR.get(n) or (n / (n - 0.9) if n % 2 else 1.0)
    return factor * middle
