"""Stacks of every kind that gives integrators trouble, and a source that holds frames in memory."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters.engines.numpy.integrate import integrate
from ap_masters.engines.numpy.order import Order, Scales, Shape
from ap_masters.model import Recipe
from tests import reference

ADU = 65535.0


class ArraySource:
    """Frames in memory, (frames, channels, height, width); counts are samples plus ``zero``."""

    def __init__(self, frames: NDArray[Any], zero: int = 0) -> None:
        self.frames = frames.reshape(*frames.shape[:2], -1)
        self.dtype = frames.dtype
        self.zero = zero

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, index: int, channel: int, start: int, size: int) -> NDArray[Any]:
        """Return a run."""
        return self.frames[index, channel, start : start + size]


class Result(NamedTuple):
    """A whole master."""

    pixels: NDArray[np.float32]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


class FileSink(NamedTuple):
    """A file of plain float32, which any process can write rows to."""

    path: Path
    shape: tuple[int, int, int]

    def write_rows(self, channel: int, first: int, rows: NDArray[np.float32]) -> None:
        _, height, width = self.shape
        with self.path.open("r+b") as file:
            file.seek(4 * width * (channel * height + first))
            file.write(rows.tobytes())


def run(
    frames: NDArray[Any],
    recipe: Recipe,
    *,
    zero: int = 0,
    full_scale: float = ADU,
    divisor: float | None = None,
    scales: Sequence[Scales] | None = None,
    memory: int = 1 << 24,
    workers: int = 1,
) -> Result:
    """Integrate frames of shape (frames, channels, height, width)."""
    count, channels, height, width = frames.shape
    order = Order(
        ArraySource(frames, zero),
        recipe,
        Shape(width, height, channels),
        full_scale,
        scales or [Scales()] * channels,
        full_scale if divisor is None else divisor,
    )
    low, high = np.zeros(count, np.int64), np.zeros(count, np.int64)
    with tempfile.TemporaryDirectory() as folder:
        sink = FileSink(Path(folder) / "rows", (channels, height, width))
        sink.path.write_bytes(np.full(sink.shape, np.nan, np.float32).tobytes())
        for band in integrate(order, sink, memory=memory, workers=workers):
            low += band.low
            high += band.high
        return Result(np.fromfile(sink.path, np.float32).reshape(sink.shape), low, high)


def by_definition(
    frames: NDArray[Any], recipe: Recipe, *, full_scale: float = ADU, divisor: float | None = None
) -> Result:
    """Integrate by the reference, without normalization, rounding the quotient once."""
    count, channels, height, width = frames.shape
    pixels = np.empty((channels, height, width), np.float32)
    low, high = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for c, y, x in np.ndindex(channels, height, width):
        stack = [float(v) for v in frames[:, c, y, x]]
        rejected = reference.reject(stack, recipe, full_scale=full_scale)
        value = reference.combine(stack, rejected, recipe.combination)
        pixels[c, y, x] = np.float32(value / (full_scale if divisor is None else divisor))
        for frame, side in rejected:
            (low if side == "low" else high)[frame] += 1
    return Result(pixels, low, high)


def assert_same(ours: Result, theirs: Result) -> None:
    """Compare pixels to the last bit, and the counts of every frame."""
    assert ours.low.tolist() == theirs.low.tolist()
    assert ours.high.tolist() == theirs.high.tolist()
    np.testing.assert_array_equal(ours.pixels, theirs.pixels)


Maker = Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]]


def _spiked(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    """Noise with cosmic rays and dropouts."""
    noise = rng.normal(500, 7, shape)
    return np.where(rng.random(shape) < 0.1, noise + rng.choice([-400, 60, 3000, 65000], shape), noise)


KINDS: dict[str, Maker] = {
    "noise": lambda rng, shape: rng.normal(1000, 10, shape),
    "quantised noise": lambda rng, shape: rng.normal(300, 0.7, shape),
    "wide noise": lambda rng, shape: rng.normal(30000, 3000, shape),
    "spikes": _spiked,
    "two values": lambda rng, shape: rng.integers(0, 2, shape) * rng.choice([1, 7, 65535]),
    "three values": lambda rng, shape: rng.integers(0, 3, shape) + 500,
    "one outlier": lambda rng, shape: (
        np.where(
            np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) == rng.integers(shape[0]),
            rng.integers(0, 65536),
            700,
        )
        + np.zeros(shape)
    ),
    "constant": lambda rng, shape: np.full(shape, rng.choice([0, 1, 700, 65535])),
    "saturated": lambda rng, shape: np.where(rng.random(shape) < 0.3, 65535, rng.normal(60000, 2000, shape)),
    "near zero": lambda rng, shape: rng.poisson(2, shape),
    "anything": lambda rng, shape: rng.integers(0, 65536, shape),
    "two clusters": lambda rng, shape: rng.choice([200, 240], shape) + rng.normal(0, 1, shape),
    "in arithmetic progression": lambda rng, shape: (
        rng.permutation(np.arange(shape[0])).reshape(-1, *[1] * (len(shape) - 1)) * rng.integers(1, 60)
        + np.zeros(shape)
    ),
}


def counts(kind: str, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Return frames of 16-bit counts."""
    return np.clip(np.rint(KINDS[kind](rng, shape)), 0, 65535).astype(np.uint16)
