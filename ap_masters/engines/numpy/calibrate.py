"""Calibration on the fly: frames come out of reading as if ImageCalibration had written them, without a copy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters import defect_lists
from ap_masters.decoding import decode
from ap_masters.engines.numpy.reading import Frames
from ap_masters.errors import ApMastersError, reason_of
from ap_masters.images.scale import ADU


class BadDefectList(ApMastersError):
    """A list of defects cannot be read."""


class MasterPixels:
    """A master open for subtraction: runs of its samples as float32, in the counts of the frames."""

    def __init__(
        self, image: Frames, *, full_scale: float, counts: float, pedestal: float = 0.0, turned: bool = False
    ) -> None:
        """Take the master as a group of one.

        ``full_scale`` is the value that stands for 1.0 in it and ``counts`` the one in the frames; ``pedestal`` is
        in ADU, as its header states it. ``turned`` says that its rows are stored in the other order than theirs.
        """
        self._image = image
        self.turned = turned
        self._scale = np.float32(counts / full_scale)
        self._pedestal = np.float32(abs(pedestal) * counts / ADU)

    def run(self, channel: int, start: int, size: int) -> NDArray[np.float32]:
        """Return ``size`` samples from pixel ``start`` on; a grey master serves every channel."""
        run = self._stored(min(channel, self._image.geometry.channels - 1), start, size).astype(np.float32)
        run += np.float32(self._image.zero)
        run *= self._scale
        run -= self._pedestal
        return run

    def _stored(self, channel: int, start: int, size: int) -> NDArray[Any]:
        """Return samples as they are stored, but in the order of the frames' rows."""
        geometry = self._image.geometry
        if not self.turned:
            return self._image.read(0, channel, start, size)
        first, last = start // geometry.width, -(-(start + size) // geometry.width)
        below = (geometry.height - last) * geometry.width
        rows = self._image.read(0, channel, below, (last - first) * geometry.width).reshape(-1, geometry.width)
        return rows[::-1].reshape(-1)[start - first * geometry.width :][:size]


class Masters(NamedTuple):
    """What is subtracted: masters (None for none) and a ``constant`` in counts.

    The bias is taken out of the dark first where ``dark_holds_bias``, so that it is never subtracted twice.
    """

    bias: MasterPixels | None = None
    dark: MasterPixels | None = None
    dark_holds_bias: bool = True
    constant: float = 0.0

    def pure_dark(self, channel: int, start: int, size: int) -> NDArray[np.float32] | None:
        """Return a run of the dark without the bias in it; None without a dark."""
        if self.dark is None:
            return None
        dark = self.dark.run(channel, start, size)
        if self.bias is not None and self.dark_holds_bias:
            dark -= self.bias.run(channel, start, size)
        return dark

    def subtrahend(self, channel: int, start: int, size: int, scaling: float) -> NDArray[np.float32] | None:
        """Return a run of bias + scaling * dark, or what there is of it."""
        dark = self.pure_dark(channel, start, size)
        if dark is not None and scaling != 1.0:
            dark *= np.float32(scaling)
        if self.bias is None:
            return dark
        bias = self.bias.run(channel, start, size)
        return bias if dark is None else bias + dark


class Calibrated:
    """Frames minus bias and dark, as float32 counts; the same reading as plain frames.

    ImageCalibration 2.2.8: x minus the pedestal, minus (bias + k * (dark - bias)); without a bias, minus the
    dark. Other than there, nothing is truncated to the range of the samples: negative values stay, so that
    noise about zero keeps its mean. Defects are then replaced by the median of their sound neighbours (PULSAR's
    order: subtract, correct, normalize).

    A pedestal is subtracted whatever its sign, as ImageCalibration does: PEDESTAL says by how much the samples
    were raised, and MaxIm DL writes that as the negative number to be added to get rid of it.
    """

    dtype: np.dtype[Any] = np.dtype(np.float32)
    zero = 0

    def __init__(
        self,
        frames: Frames,
        masters: Masters,
        *,
        pedestals: Sequence[float],
        dark_scaling: Sequence[Sequence[float]] | None = None,
        defects: NDArray[np.intp] | None = None,
    ) -> None:
        """Take ``pedestals`` in counts, ``dark_scaling`` by frame and channel, ``defects`` as pixel indices."""
        self.frames = frames
        self.masters = masters
        self.offsets = [abs(pedestal) + masters.constant for pedestal in pedestals]
        self.dark_scaling = dark_scaling
        self.defects = defects
        self.geometry = frames.geometry
        self.paths = frames.paths

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def is_uniform(self) -> bool:
        """Say whether the same is subtracted from every frame, but for a number, and nothing else is done."""
        return self.dark_scaling is None and self.defects is None

    def read(self, index: int, channel: int, start: int, size: int) -> NDArray[np.float32]:
        """Return calibrated samples of frame ``index`` from pixel ``start`` on."""
        if self.defects is None:
            return self._subtracted(index, channel, start, size)
        width, plane = self.geometry.width, self.geometry.plane
        first, last = max(start - width - 1, 0), min(start + size + width + 1, plane)
        wide = self._subtracted(index, channel, first, last - first)
        _mend(wide, first, self.defects, width)
        return wide[start - first : start - first + size]

    def _subtracted(self, index: int, channel: int, start: int, size: int) -> NDArray[np.float32]:
        samples = self.frames.read(index, channel, start, size).astype(np.float32)
        samples += np.float32(self.frames.zero - self.offsets[index])
        scaling = self.dark_scaling[index][channel] if self.dark_scaling else 1.0
        subtrahend = self.masters.subtrahend(channel, start, size, scaling)
        if subtrahend is not None:
            samples -= subtrahend
        return samples


def read_defects(path: Path, width: int, height: int) -> NDArray[np.intp]:
    """Return the pixels of a cosmetic list as indices row * width + column, ascending.

    Raises BadDefectList when the file cannot be read, is no list of IRIS's in every line, or names a pixel outside the
    image: half a list is not applied.
    """
    try:
        named = list(defect_lists.iris(decode(path.read_bytes())))
    except OSError as error:
        raise BadDefectList(f"{path}: the list of defects cannot be read: {reason_of(error)}") from error
    except ValueError as error:
        raise BadDefectList(f"{path}: {error}. Make it anew of the dark with `ap-masters defects find`") from error
    for number, x, y in named:
        if not (0 <= x < width and 0 <= y < height):
            raise BadDefectList(f"{path}, line {number}: pixel {x}, {y} lies outside {width} x {height} pixels")
    return np.array(sorted({y * width + x for _number, x, y in named}), np.intp)


def _mend(samples: NDArray[np.float32], first: int, defects: NDArray[np.intp], width: int) -> None:
    """Replace the defects in a run that starts at pixel ``first`` by the median of their sound neighbours.

    The neighbours are the up to eight pixels around that are no defects themselves; a defect without one
    stays. Only defects whose neighbours all lie in the run come out right; the caller reads a row more on
    both sides than it uses.
    """
    here = defects[(defects >= first) & (defects < first + samples.size)]
    if not len(here):
        return
    row, column = np.divmod(here, width)
    around = []
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if (down, right) == (0, 0):
                continue
            y, x = row + down, column + right
            pixel = y * width + x
            usable = (x >= 0) & (x < width) & (pixel >= first) & (pixel < first + samples.size)
            usable &= ~np.isin(pixel, defects, assume_unique=False)
            around.append(np.where(usable, samples[np.clip(pixel - first, 0, samples.size - 1)], np.nan))
    neighbours = np.sort(np.stack(around), axis=0)  # NaN sorts last
    count = np.isfinite(neighbours).sum(0)
    some = np.flatnonzero(count)
    low, high = (count[some] - 1) // 2, count[some] // 2
    samples[here[some] - first] = (neighbours[low, some] + neighbours[high, some]) / 2
