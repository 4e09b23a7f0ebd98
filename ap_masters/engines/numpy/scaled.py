"""Flats: 16-bit samples less what the masters say, times a factor for each frame, ready for the fast path."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.calibrate import Calibrated
from ap_masters.engines.numpy.order import Order
from ap_masters.engines.numpy.scratch import Scratch
from ap_masters.engines.numpy.tiles import FINE

Row = NDArray[Any]

_BELOW: Final = 256  # calibrated samples down to minus this many counts still make whole counts of 16 bits
_RANGE: Final = 1 << 16
_ROUNDED: Final = 0.02  # float32's error in a scaled sample: five roundings (of the factor, too) of numbers below 2^17
_CHUNK: Final = 1 << 11  # pixels whose samples are made float64 at once: they stay in the cache


class ScaledReader:
    """Reads tiles of scaled samples v_i = f_i (x_i - p_i - S), in two ways.

    For screening as whole counts, from float32 arithmetic: v + 256 - 0.02 with its fraction cut off, so that v
    lies between key - 256 and key - 256 + 1.04. For results in float64: the products f_i x_i are exact, as
    factors have 24 binary places (``scales.py``) and samples 16 bits, and so is their sum; what is subtracted from
    it is rounded once.
    """

    dtype: Final = np.dtype(np.uint16)
    zero: Final = -_BELOW
    slack: Final = 1 + 2 * _ROUNDED

    def __init__(self, order: Order, scratch: Scratch) -> None:
        """Read the frames of ``order``; keep fractions of counts where its rejection wants them."""
        source = order.source
        self._order = order
        self._scratch = scratch
        calibrated = source if isinstance(source, Calibrated) else None
        self._source = calibrated.frames if calibrated else source
        self._masters = calibrated.masters if calibrated else None
        count = len(self._source)
        self._offsets = np.array(calibrated.offsets if calibrated else [0.0] * count)
        self._factors = np.ones(count)
        self._raw: NDArray[Any] = np.zeros((0, 0))
        self._wide = np.empty((count, _CHUNK))
        self._keeps_fractions = order.recipe.rejection in FINE
        self._fractions: list[NDArray[np.uint8]] = []
        self._outside: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._subtrahend: NDArray[np.float32] | None = None
        self._channel = self._start = 0

    def begin(self, channel: int, start: int, length: int) -> None:
        """Turn to another tile."""
        self._outside = self._scratch.row("outside", np.bool_, length)
        self._outside.fill(False)
        self._channel, self._start = channel, start
        factors = self._order.scales[channel].combine
        self._factors = np.ones(len(self._source)) if factors is None else np.asarray(factors, np.float64)
        kind = np.dtype(np.uint16) if self._source.zero else self._source.dtype
        self._raw = self._scratch.table("raw", len(self._source), kind, length)
        self._subtrahend = self._masters.subtrahend(channel, start, length, 1.0) if self._masters else None
        if self._keeps_fractions:
            self._fractions = self._scratch.rows("fraction", len(self._source), np.uint8, length)

    def read(self, index: int) -> Row:
        """Return the whole counts of one frame, where these are in range; they last until the next call."""
        raw = self._raw[index]
        np.copyto(raw.view(self._source.dtype), self._source.read(index, self._channel, self._start, len(raw)))
        if self._source.zero:  # modulo 2^16. In float32, large terms that cancel would leave their rounding
            np.add(raw, raw.dtype.type(self._source.zero), out=raw)
        value = self._scratch.row("value", np.float32, len(raw))
        np.copyto(value, raw)
        if self._subtrahend is not None:
            np.subtract(value, self._subtrahend, out=value)
        np.multiply(value, np.float32(self._factors[index]), out=value)
        shift = _BELOW - _ROUNDED - self._factors[index] * self._offsets[index]
        np.add(value, np.float32(shift), out=value)
        if value.min() < 0 or value.max() >= _RANGE:
            np.logical_or(self._outside, (value < 0) | (value >= _RANGE), out=self._outside)
            np.clip(value, 0, _RANGE - 1, out=value)
        counts = self._scratch.row("count", np.uint16, len(raw))
        np.copyto(counts, value, casting="unsafe")
        if self._keeps_fractions:
            part = self._scratch.row("part", np.float32, len(raw))
            np.copyto(part, counts)
            np.subtract(value, part, out=value)
            np.multiply(value, np.float32(1 << 8), out=value)
            np.copyto(self._fractions[index], value, casting="unsafe")
        return counts

    def fractions(self) -> list[NDArray[np.uint8]]:
        """Return, of each frame, in 256ths what was cut off from the whole counts of the tile; none where not kept."""
        return self._fractions

    def outside(self) -> NDArray[np.bool_]:
        """Return where a count of the tile has not been in the range of 16 bits."""
        return self._outside

    def average(self, out: NDArray[np.float32], divisor: float) -> None:
        """Fill ``out`` with the average of all frames over ``divisor``, whatever the stacks lose."""
        count = len(self._source)
        constant = float(self._factors @ self._offsets)
        total_factor = float(self._factors.sum())
        for start in range(0, len(out), _CHUNK):
            stop = min(start + _CHUNK, len(out))
            samples = self._wide[:, : stop - start]
            np.copyto(samples, self._raw[:, start:stop])
            total = np.einsum("i,ij->j", self._factors, samples)  # not by BLAS, which would start threads
            total -= constant
            if self._subtrahend is not None:
                total -= self._subtrahend[start:stop].astype(np.float64) * total_factor
            total /= count * divisor
            out[start:stop] = total

    def columns(self, pixels: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the scaled samples of some stacks of the tile, in float64."""
        columns = np.empty((len(self._raw), len(pixels)))
        subtrahend = None if self._subtrahend is None else self._subtrahend.take(pixels).astype(np.float64)
        for target, row, factor, offset in zip(columns, self._raw, self._factors, self._offsets, strict=True):
            np.copyto(target, row.take(pixels))
            target -= offset
            if subtrahend is not None:
                target -= subtrahend
            target *= factor
        return columns
