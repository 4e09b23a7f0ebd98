"""Dark optimization: the factor a master dark is scaled by for each frame, as ImageCalibration 2.2.8 chooses it."""

from collections.abc import Callable, Iterator
from math import fsum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.counting import median_by_counting
from ap_masters.model import ROBUST_SIGMA

Plane = Callable[[int, int], NDArray[np.float32]]  # start, size -> run of samples, in counts

_FEWEST: Final = 16
_NO_CORRELATION: Final = 0.005
_THRESHOLD: Final = 3.0
_RUN: Final = 1 << 20


class Factor(NamedTuple):
    """The factor, and what there is to say about it."""

    value: float
    note: str | None = None


class Optimization:
    """One channel of a dark, ready to be fitted to frames.

    The noise that ImageCalibration minimizes is the standard deviation, over the whole image, of
    target - k * d, where d is the dark without its bias, set to zero below median + 3 * 1.4826 * MAD; colour
    filter arrays are first averaged in cells of 2 x 2 (Bayer) or 3 x 3 (X-Trans). It searches k by golden
    section to within 0.0005; the standard deviation is a parabola in k under a root, so the minimum it
    approaches is known: k = cov(target, d) / var(d). Negative factors become 0.
    """

    def __init__(self, dark: Plane, width: int, height: int, *, cell: int, full_scale: float) -> None:
        self._width, self._height, self._cell = width, height, cell

        def binned() -> Iterator[NDArray[np.float32]]:
            return self._cells(dark)

        median = median_by_counting(binned) or 0.0
        mad = median_by_counting(lambda: (np.abs(run - np.float32(median)) for run in binned())) or 0.0
        self._threshold = min(max(median + _THRESHOLD * ROBUST_SIGMA * mad, 0.0), full_scale)
        self._dark = dark
        self.pixels = sum(int(np.count_nonzero(run >= self._threshold)) for run in binned())

    def factor(self, target: Plane) -> Factor:
        """Return the factor for one frame."""
        if self.pixels < _FEWEST:
            return Factor(1.0, f"only {self.pixels} pixels of the dark stand out; it is not scaled")
        count = 0
        sums: list[tuple[float, ...]] = []
        for t, d in zip(self._cells(target), self._cells(self._dark), strict=True):
            count += t.size
            hot = d >= self._threshold
            dh, th = d[hot].astype(np.float64), t[hot].astype(np.float64)
            sums.append((float(t.sum(dtype=np.float64)), float(dh.sum()), float(dh @ dh), float(dh @ th)))
        t_sum, d_sum, dd_sum, dt_sum = (fsum(column) for column in zip(*sums, strict=True))
        variance = dd_sum - d_sum * d_sum / count
        if variance <= 0:
            return Factor(1.0, "the dark is uniform; it is not scaled")
        k = max((dt_sum - d_sum * t_sum / count) / variance, 0.0)
        return Factor(k, "no correlation with the dark" if k <= _NO_CORRELATION else None)

    def _cells(self, plane: Plane) -> Iterator[NDArray[np.float32]]:
        """Yield the image averaged in cells, some rows of cells at a time."""
        cell, width = self._cell, self._width
        step = max(_RUN // (width * cell), 1) * cell
        for first in range(0, self._height - self._height % cell, step):
            rows = min(step, self._height - self._height % cell - first)
            run = plane(first * width, rows * width)
            if cell > 1:
                even = run.reshape(rows // cell, cell, width)[:, :, : width - width % cell]
                run = even.reshape(rows // cell, cell, -1, cell).mean((1, 3), dtype=np.float32).ravel()
            yield run
