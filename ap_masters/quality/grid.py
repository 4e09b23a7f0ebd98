"""Shapes in a master, read from its coarse grid of block medians: plane, glow at the border, fall-off, asymmetry.

A grid is one that ``is_usable``, four rows and columns at least, the first row of the file first. Everything is in
the unit of the grid. Medians throughout: a cluster of hot pixels, a dead column or one glowing corner does not
tilt a plane.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, median
from typing import NamedTuple

Grid = Sequence[Sequence[float]]

# The standard error of a median is this much larger than that of a mean (normal noise).
MEDIAN_ERROR = math.sqrt(math.pi / 2)
# Theil-Sen slopes scatter about 5 % more than least squares where the noise is normal (Sen 1968).
_THEIL_SEN_ERROR = 1.05

CELLS = 4  # to each side, of the coarsest division that tells a border from a centre
_DOWN = ("top", "upper", "lower", "bottom")
_ACROSS = ("left", "left of centre", "right of centre", "right")


class Plane(NamedTuple):
    """A plane through the grid: change over the whole width and height, and one standard error of each."""

    across: float
    down: float
    across_error: float
    down_error: float

    @property
    def range(self) -> float:
        """From the lowest to the highest corner."""
        return abs(self.across) + abs(self.down)

    @property
    def error(self) -> float:
        """One standard error of the range."""
        return math.hypot(self.across_error, self.down_error)


class Glow(NamedTuple):
    """How far the brightest zone of the border stands above the centre, where, and one standard error."""

    height: float
    zone: str
    error: float


def zone(down: int, across: int) -> str:
    """Return in words where a cell of a 4 x 4 division lies, counted from the first row of the file, and its left."""
    return f"{_DOWN[down]} {_ACROSS[across]}"


def is_usable(grid: Grid) -> bool:
    """Whether the grid is rectangular and large enough to tell a border from a centre."""
    return len(grid) >= CELLS and len(grid[0]) >= CELLS and all(len(row) == len(grid[0]) for row in grid)


def fit_plane(grid: Grid, block_error: float) -> Plane:
    """Fit a plane: the Theil-Sen slope of the medians of columns, and of rows.

    ``block_error`` is the standard error of one grid value. Up to about 29 % of the columns (rows) may be
    disturbed without moving the slope (Sen 1968).
    """
    height, width = len(grid), len(grid[0])
    across = down = 0.0
    # Twice: a median over a slope is that of its middle blocks alone, so the other slope is taken off first.
    for _ in range(2):
        columns = [median(row[j] - down * _position(i, height) for i, row in enumerate(grid)) for j in range(width)]
        rows = [median(v - across * _position(j, width) for j, v in enumerate(row)) for row in grid]
        across, down = _slope(columns), _slope(rows)
    return Plane(
        across=across,
        down=down,
        across_error=_slope_error(width, block_error * MEDIAN_ERROR / math.sqrt(height)),
        down_error=_slope_error(height, block_error * MEDIAN_ERROR / math.sqrt(width)),
    )


def _position(index: int, count: int) -> float:
    """Return where the middle of a block lies, from -0.5 at one edge of the image to 0.5 at the other."""
    return (index + 0.5) / count - 0.5


def _slope(profile: Sequence[float]) -> float:
    count = len(profile)
    return median((profile[j] - profile[i]) * count / (j - i) for i, j in combinations(range(count), 2))


def _slope_error(count: int, point_error: float) -> float:
    spread = math.fsum(_position(i, count) ** 2 for i in range(count))
    return _THEIL_SEN_ERROR * point_error / math.sqrt(spread)


def border_glow(grid: Grid, block_error: float) -> Glow:
    """Return how far the brightest of twelve border zones (corners and edges) stands above the centre.

    A zone is the outer ring of blocks within one cell of a 4 x 4 division of the frame; the centre is the
    median of the inner cells. A light leak across the frame shows here as well as in its plane.
    """
    height, width = len(grid), len(grid[0])
    border: dict[tuple[int, int], list[float]] = {}
    inner: list[float] = []
    for i, row in enumerate(grid):
        for j, value in enumerate(row):
            cell = (CELLS * i // height, CELLS * j // width)
            if i in {0, height - 1} or j in {0, width - 1}:
                border.setdefault(cell, []).append(value)
            elif all(0 < place < CELLS - 1 for place in cell):
                inner.append(value)
    centre = median(inner)
    cell = max(border, key=lambda c: fmean(border[c]))
    brightest = border[cell]
    error = block_error * math.sqrt(1 / len(brightest) + MEDIAN_ERROR**2 / len(inner))
    return Glow(fmean(brightest) - centre, zone(*cell), error)


def fall_off(grid: Grid) -> float:
    """Return how much darker the mean corner is than the centre, as a fraction of the centre."""
    corners = fmean((grid[0][0], grid[0][-1], grid[-1][0], grid[-1][-1]))
    middle = _middle(grid)
    return (middle - corners) / middle


def vignetting(grid: Grid) -> float:
    """Return how much darker even the brightest of the four corners is than the centre, in the unit of the grid."""
    return _middle(grid) - max(grid[0][0], grid[0][-1], grid[-1][0], grid[-1][-1])


def asymmetry(grid: Grid) -> float:
    """Return the larger difference between opposite halves (left/right, top/bottom), as a fraction of the centre.

    Vignetting is symmetric and does not count; what is left is a gradient of the light or a shadow.
    """
    height, width = len(grid), len(grid[0])
    left = fmean(v for row in grid for v in row[: width // 2])
    right = fmean(v for row in grid for v in row[-(width // 2) :])
    top = fmean(v for row in grid[: height // 2] for v in row)
    bottom = fmean(v for row in grid[-(height // 2) :] for v in row)
    return max(abs(left - right), abs(top - bottom)) / _middle(grid)


def _middle(grid: Grid) -> float:
    height, width = len(grid), len(grid[0])
    rows = grid[height // 2 - 1 : height // 2 + 1 + height % 2]
    return fmean(v for row in rows for v in row[width // 2 - 1 : width // 2 + 1 + width % 2])
