"""Planes, glows and vignetting are read from block medians, whatever disturbs single blocks."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ap_masters.quality import grid

SIZE = 16
finite = st.floats(-1e4, 1e4)


def make_grid(shape, noise: float = 0.0, seed: int = 0, rows: int = SIZE, columns: int = SIZE):  # type: ignore[no-untyped-def]
    random_source = random.Random(seed)
    return [
        [
            shape((j + 0.5) / columns - 0.5, (i + 0.5) / rows - 0.5) + random_source.gauss(0, noise)
            for j in range(columns)
        ]
        for i in range(rows)
    ]


@given(a=finite, b=finite, c=finite, rows=st.integers(4, 20), columns=st.integers(4, 20))
def test_a_plane_is_found_exactly(a: float, b: float, c: float, rows: int, columns: int) -> None:
    """Whatever the number of blocks, the slopes are the change over the whole width and height."""
    plane = grid.fit_plane(make_grid(lambda x, y: a * x + b * y + c, rows=rows, columns=columns), 1.0)

    assert plane.across == pytest.approx(a, abs=1e-6 * (1 + abs(c)))
    assert plane.down == pytest.approx(b, abs=1e-6 * (1 + abs(c)))


def test_the_stated_error_of_a_plane_is_its_scatter() -> None:
    """Over 400 noisy grids the slopes scatter by the error that is stated, within a tenth."""
    planes = [grid.fit_plane(make_grid(lambda x, y: 10 * x, noise=1.0, seed=seed), 1.0) for seed in range(400)]

    scatter = math.sqrt(sum((p.across - 10) ** 2 for p in planes) / len(planes))
    assert scatter == pytest.approx(planes[0].across_error, rel=0.1)


def test_a_glowing_edge_does_not_tilt_the_plane() -> None:
    """A bright column of blocks, or a bright corner, leaves the slope where it was."""
    plain = make_grid(lambda x, y: 8 * x)
    glowing = [
        [v + (500 if j == SIZE - 1 or (i < 3 and j < 3) else 0) for j, v in enumerate(r)] for i, r in enumerate(plain)
    ]

    assert grid.fit_plane(glowing, 1.0).across == pytest.approx(8.0, rel=0.02)


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        pytest.param((0, 0), "top left", id="corner"),
        pytest.param((5, SIZE - 1), "upper right", id="edge"),
        pytest.param((SIZE - 1, 9), "bottom right of centre", id="bottom"),
    ],
)
def test_the_brightest_zone_of_the_border_is_named(place: tuple[int, int], zone: str) -> None:
    """A glow shows in the zone where it stands, above the centre, with its height in that zone."""
    blocks = make_grid(lambda x, y: 100.0)
    blocks[place[0]][place[1]] += 40.0

    glow = grid.border_glow(blocks, 0.1)

    assert glow.zone == zone
    assert 40 / 8 < glow.height < 40 / 3


def test_the_stated_error_of_a_glow_is_its_scatter() -> None:
    """A strong glow at one corner is measured with the error that is stated."""
    heights = []
    for seed in range(300):
        blocks = make_grid(lambda x, y: 30.0 if x < -0.3 and y < -0.3 else 0.0, noise=1.0, seed=seed)
        glow = grid.border_glow(blocks, 1.0)
        heights.append((glow.height, glow.error))

    mean = sum(h for h, _ in heights) / len(heights)
    scatter = math.sqrt(sum((h - mean) ** 2 for h, _ in heights) / len(heights))
    assert scatter == pytest.approx(heights[0][1], rel=0.5)


def test_vignetting_falls_off_and_is_symmetric() -> None:
    """A round fall-off to 60 % at the corners is no asymmetry; a tilt of 10 % is one of 5 %."""
    round_flat = make_grid(lambda x, y: 1 - 0.8 * (x * x + y * y))
    tilted = make_grid(lambda x, y: 1 + 0.1 * x)

    assert grid.fall_off(round_flat) == pytest.approx(0.35, abs=0.02)
    assert grid.asymmetry(round_flat) == pytest.approx(0.0, abs=1e-9)
    assert grid.asymmetry(tilted) == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_each_corner_has_a_quarter_of_the_fall_off(row: int, column: int) -> None:
    """Their mean is what falls off."""
    flat = make_grid(lambda x, y: 1.0)
    flat[row][column] = 0.6

    assert grid.fall_off(flat) == pytest.approx(0.1)


def test_vignetting_is_what_even_the_brightest_corner_lacks() -> None:
    """One bright corner, or a border that glows, is no vignetting."""
    round_dark = make_grid(lambda x, y: 1 - 0.8 * (x * x + y * y))
    one_corner = make_grid(lambda x, y: 1 - 0.8 * (x * x + y * y) + max(0.0, 3 * (x + y - 0.7)))

    assert grid.vignetting(round_dark) == pytest.approx(0.35, abs=0.02)
    assert grid.vignetting(one_corner) < 0


def test_a_grid_too_small_or_ragged_is_not_used() -> None:
    """Three rows have no centre, and rows of different length are no grid."""
    assert not grid.is_usable(())
    assert not grid.is_usable([[1.0] * 4] * 3)
    assert not grid.is_usable([[1.0] * 4] * 3 + [[1.0] * 5])
    assert grid.is_usable([[1.0] * 4] * 4)
