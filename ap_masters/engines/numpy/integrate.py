"""The seam: frames and a recipe in; pixels of the master and rejection counts out, band by band."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.rejection import reject
from ap_masters.engines.numpy.rejection.survivors import HIGH, LOW, Fates, Stacks
from ap_masters.model import Combination, Recipe


class Source(Protocol):
    """One group's samples by frame, channel and run of pixels."""

    dtype: np.dtype[Any]

    def __len__(self) -> int: ...

    def read(self, index: int, channel: int, start: int, out: NDArray[Any]) -> None:
        """Fill ``out`` with samples of frame ``index`` from pixel ``start`` of ``channel`` on."""
        ...


class Shape(NamedTuple):
    """Size of the master."""

    width: int
    height: int
    channels: int


class Scales(NamedTuple):
    """Factors of each frame, for rejection and for combination; None for none."""

    reject: Sequence[float] | None = None
    combine: Sequence[float] | None = None


class Band(NamedTuple):
    """Finished rows of one channel, in the frames' counts times ``scale``, and what each frame lost in them."""

    channel: int
    first: int
    pixels: NDArray[np.float32]  # (rows, width)
    low: NDArray[np.int64]  # (frames,)
    high: NDArray[np.int64]


_BYTES_PER_SAMPLE = 120  # float64 stacks, their order, and the temporaries of the dearest rejection


def integrate(
    source: Source,
    recipe: Recipe,
    shape: Shape,
    *,
    full_scale: float,
    scales: Sequence[Scales],
    divisor: float,
    memory: int,
) -> Iterator[Band]:
    """Integrate the frames of ``source`` by ``recipe`` and yield the master, every row once.

    ``scales`` holds one set of factors per channel; pixels are divided by ``divisor`` (one correctly rounded
    division of an exact sum). The result does not depend on ``memory``, which only sets how many rows are
    worked on at once. Samples of scaled frames are rounded to float32, as PixInsight's are.
    """
    count = len(source)
    run = min(max(memory // (count * _BYTES_PER_SAMPLE), 1), 1 << 16)
    rows = max(min(run // shape.width, shape.height), 1)
    for channel in range(shape.channels):
        for first in range(0, shape.height, rows):
            size = min(rows, shape.height - first) * shape.width
            pixels = np.empty(size, np.float32)
            low, high = np.zeros(count, np.int64), np.zeros(count, np.int64)
            for start in range(0, size, run):
                part = pixels[start : start + run]
                raw = np.empty((count, part.size), source.dtype)
                for index in range(count):
                    source.read(index, channel, first * shape.width + start, raw[index])
                fates = _integrate_run(raw, recipe, full_scale, scales[channel], divisor, part)
                low += np.count_nonzero(fates & LOW, axis=1)
                high += np.count_nonzero(fates & HIGH, axis=1)
            yield Band(channel, first, pixels.reshape(-1, shape.width), low, high)


def _integrate_run(
    raw: NDArray[Any], recipe: Recipe, full_scale: float, scales: Scales, divisor: float, out: NDArray[np.float32]
) -> Fates:
    """Integrate one run of pixels into ``out``; return each frame's fates."""
    to_reject = _scaled(raw, scales.reject)
    to_combine = to_reject if scales.combine is scales.reject else _scaled(raw, scales.combine)
    order = np.argsort(to_reject, axis=0, kind="stable")
    fates = reject(Stacks(np.take_along_axis(to_reject, order, 0), full_scale), recipe)
    frame_fates = np.empty_like(fates)
    np.put_along_axis(frame_fates, order, fates, 0)
    out[:] = _combine(to_combine, frame_fates == 0, recipe.combination, divisor)
    return frame_fates


def _scaled(raw: NDArray[Any], factors: Sequence[float] | None) -> NDArray[np.float64]:
    if factors is None:
        return raw.astype(np.float64)
    scaled = raw.astype(np.float32)
    scaled *= np.asarray(factors, np.float32)[:, None]
    return scaled.astype(np.float64)


def _combine(
    values: NDArray[np.float64], kept: NDArray[np.bool_], combination: Combination, divisor: float
) -> NDArray[np.float64]:
    """Combine what is kept of each stack; where nothing is, take the median of all, whatever the combination."""
    count = kept.sum(0)
    result: NDArray[np.float64]
    if combination is Combination.AVERAGE:
        result = np.where(kept, values, 0).sum(0) / (np.maximum(count, 1) * divisor)
    elif combination is Combination.MEDIAN:
        ordered = np.sort(np.where(kept, values, np.inf), axis=0)
        column = np.arange(values.shape[1])
        safe = np.maximum(count, 1)
        result = (ordered[(safe - 1) // 2, column] + ordered[safe // 2, column]) / (2 * divisor)
    elif combination is Combination.MINIMUM:
        result = np.where(kept, values, np.inf).min(0) / divisor
    else:
        result = np.where(kept, values, -np.inf).max(0) / divisor
    empty = count == 0
    if empty.any():
        result[empty] = np.median(values[:, empty], axis=0) / divisor
    return result
