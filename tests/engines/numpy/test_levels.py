"""Levels are exact medians, however little the frames of a group are alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters.engines.numpy.levels import LevelOf

FULL_SCALE = 65535.0
HEIGHT, WIDTH = 400, 500


class Frames:
    """Frames in memory, stored as signed numbers, as most FITS files hold them; counts what is read."""

    zero = 32768
    dtype: np.dtype[Any] = np.dtype(np.int16)

    def __init__(self, frames: Sequence[NDArray[np.float64]]) -> None:
        counts = np.rint(np.array(frames)).clip(0, 65535).astype(np.int64)
        self.counts = counts.reshape(len(frames), -1)
        self.paths = [Path(str(i)) for i in range(len(frames))]
        self.samples_read = 0

    def __len__(self) -> int:
        return len(self.counts)

    def read(self, index: int, channel: int, start: int, size: int) -> NDArray[Any]:
        """Return samples as they are stored."""
        self.samples_read += size
        return (self.counts[index, start : start + size] - self.zero).astype(self.dtype)


def levels_of(frames: Frames) -> list[float | None]:
    """Return the levels, one frame after the other."""
    level_of = LevelOf(frames, channels=1, plane=HEIGHT * WIDTH, full_scale=FULL_SCALE)
    return [level_of(index)[1][0] for index in range(len(frames))]


def medians(frames: Frames) -> list[float | None]:
    """Return the medians of what is neither black nor white, by the definition."""
    inside = [frame[(frame > 1) & (frame < 65534)] for frame in frames.counts]
    return [float(np.median(values)) if len(values) else None for values in inside]


def field(seed: int, level: float = 30000.0) -> NDArray[np.float64]:
    """Return a flat: light that falls off towards the corners, and noise."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    noise = np.random.default_rng(seed).normal(0, 100, (HEIGHT, WIDTH))
    flat: NDArray[np.float64] = level * (1 - 0.3 * (x * x + y * y)) + noise
    return flat


ALIKE = [field(i, 30000 + 50 * i) for i in range(6)]
CASES = {
    "alike": ALIKE,
    "turned upside down and inside out": [ALIKE[0], ALIKE[1][::-1], 60000 - ALIKE[2], ALIKE[3]],
    "one of a single value": [ALIKE[0], np.full((HEIGHT, WIDTH), 700.0), ALIKE[1]],
    "one without light, one with too much": [ALIKE[0], 0 * ALIKE[0], 4 * ALIKE[0], ALIKE[1]],
    "half of one saturated": [ALIKE[0], np.where(ALIKE[1] > 27000, 65535, ALIKE[1]), ALIKE[2]],
    "nothing alike": [np.random.default_rng(i).permuted(ALIKE[i] ** (1 + i / 40)) for i in range(4)],
    "two levels": [np.where(np.random.default_rng(i).random((HEIGHT, WIDTH)) < 0.5, 500, 40000) for i in range(3)],
}


@pytest.mark.parametrize("case", CASES)
def test_levels_are_exact(case: str) -> None:
    """What is known of the frames before makes a level no worse."""
    frames = Frames(CASES[case])

    assert levels_of(frames) == medians(frames)


def test_frames_that_are_alike_are_read_once() -> None:
    """But for the samples that tell where to look."""
    frames = Frames(ALIKE)
    levels_of(frames)

    assert frames.samples_read < 1.5 * len(frames) * HEIGHT * WIDTH
