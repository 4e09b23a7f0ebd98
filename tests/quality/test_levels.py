"""The levels of single frames tell of warm-up, of strays and of mixed groups, and of nothing when all is well."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ap_masters import images
from ap_masters.quality import levels

CLEAN = [500.0, 501.0, 500.0, 500.0, 499.0, 500.0, 501.0, 500.0, 500.0, 500.0, 499.0, 500.0]


def test_settled_frames_show_no_warm_up() -> None:
    """Levels that scatter by a step of one ADU, or not at all, are settled from the start."""
    assert levels.warm_up(CLEAN) == 0
    assert levels.warm_up([500.0] * 30) == 0
    assert levels.strays(CLEAN, 5.0) == ()
    assert levels.split(CLEAN) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_frames_of_a_camera_that_settles_are_found(sign: int) -> None:
    """Levels that run into their value are a warm-up for as long as they are off, high or low."""
    run = [500 + sign * d for d in (12, 8, 5, 4, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0)]

    assert levels.warm_up([float(v) for v in run]) == 4


@pytest.mark.parametrize(
    ("level", "excess", "found"),
    [(100.0, 1.9, 0), (100.0, 2.1, 1), (2000.0, 9.9, 0), (2000.0, 10.1, 1)],
    ids=["less than 2 ADU", "more", "less than half a per cent", "more of it"],
)
def test_a_step_that_no_camera_regulates_better_is_no_warm_up(level: float, excess: float, found: int) -> None:
    """However quiet the other frames are: 2 ADU, and half a per cent of the level."""
    assert levels.warm_up([level + excess, *[level] * 13]) == found


def test_six_frames_are_enough_for_a_warm_up() -> None:
    """From there on the noise of the settled ones is known."""
    assert levels.warm_up([540.0, *[500.0] * 5]) == 1


def test_a_warm_up_never_takes_more_than_half() -> None:
    """What has not settled by the second half is no warm-up."""
    assert levels.warm_up([float(v) for v in range(60, 0, -1)]) <= 30


@pytest.mark.parametrize("count", range(6))
def test_few_frames_tell_nothing(count: int) -> None:
    """Below six frames no statement is made of what a warm-up or the temperature may explain."""
    some = [540.0, 500.0, 500.0, 500.0, 500.0][:count]

    assert levels.warm_up(some) == 0
    assert levels.strays(some, 5.0) == ()
    assert levels.split(some) is None


@pytest.mark.parametrize("run", [[503.0, 303.0, 503.0, 303.0], [303.0, 503.0, 503.0, 303.0, 504.0]])
def test_few_frames_of_two_levels_are_split(run: list[float]) -> None:
    """Two frames on either side are enough where they are far off each other."""
    parts = levels.split(run)

    assert parts is not None
    assert (parts.lower, parts.upper) == (2, len(run) - 2)
    assert levels.strays(run, 5.0) == ()


@pytest.mark.parametrize("count", [3, 4, 5])
@pytest.mark.parametrize("place", [0, 2])
def test_the_odd_one_of_few_frames_is_a_stray(count: int, place: int) -> None:
    """One frame that stands far off two to four others is named by its place, and makes no mixed group."""
    run = [503.0] * count
    run[place] = 303.0

    assert levels.strays(run, 5.0) == (place,)
    assert levels.split(run) is None


@pytest.mark.parametrize(
    "run",
    [
        pytest.param([514.0, 513.0, 500.0, 500.0], id="warm-up"),
        pytest.param([3.0, 3.0, 9.0, 9.0], id="low level"),
        pytest.param([500.0, 560.0, 620.0, 680.0], id="drift"),
        pytest.param([500.0, 520.0, 620.0, 640.0], id="scatter"),
    ],
)
def test_few_frames_in_doubt_are_not_split(run: list[float]) -> None:
    """A warm-up, a level near zero, a drift and frames that scatter are no two levels."""
    assert levels.split(run) is None
    assert levels.strays(run, 5.0) == ()


def test_the_warm_up_of_the_real_sbig_darks_is_found(realdata: Path) -> None:
    """Of ten real darks the first four stand 5 to 14 ADU high, as their notes say."""
    paths = sorted((realdata / "oscaar_tres1").glob("tres1-*d.fit"))
    found = [float(np.median(images.read_image(path)[1])) for path in paths]

    assert len(found) == 10
    assert levels.warm_up(found) == 4
    assert levels.strays(found, 5.0) == ()
    assert levels.split(found) is None


def test_a_frame_that_saw_light_is_a_stray() -> None:
    """One frame far off its group is named by its place; the warm-up at the start is not named again."""
    run = [*CLEAN, 620.0, *CLEAN]
    with_warm_up = [540.0, 520.0, *run]

    assert levels.strays(run, 5.0) == (len(CLEAN),)
    assert levels.strays(with_warm_up, 5.0) == (len(CLEAN) + 2,)


def test_a_group_of_two_kinds_is_split() -> None:
    """Half the frames at another level, in any order, are told apart with their counts and levels."""
    mixed = [v for pair in zip(CLEAN, [v + 60 for v in CLEAN], strict=True) for v in pair]

    parts = levels.split(mixed)

    assert parts == levels.Split(12, 12, 500.0, 560.0)


@pytest.mark.parametrize("few", [1, 2])
def test_one_or_two_strays_do_not_make_a_mixed_group(few: int) -> None:
    """A part needs three frames and a fifth of all."""
    assert levels.split([*CLEAN, *[700.0] * few]) is None


def test_a_drift_is_not_a_mixed_group() -> None:
    """Darks that grow warmer step by step leave no gap between their levels."""
    assert levels.split([500.0 + 3 * i for i in range(40)]) is None


def _false_alarms(count: int, noise: float, runs: int) -> tuple[int, int, int]:
    source = random.Random(count * 1000 + round(10 * noise))
    warm, stray, mixed = 0, 0, 0
    for _ in range(runs):
        run = [float(round(500 + source.gauss(0, noise))) for _ in range(count)]
        warm += levels.warm_up(run) > 0
        stray += len(levels.strays(run, 5.0)) > 0
        mixed += levels.split(run) is not None
    return warm, stray, mixed


@pytest.mark.parametrize("count", [10, 32, 100])
@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_clean_levels_seldom_raise_an_alarm(count: int, noise: float) -> None:
    """Of 500 clean runs, with levels scattering by 0.3 or 1 ADU, at most one in a hundred is called anything."""
    alarms = _false_alarms(count, noise, 500)

    assert max(alarms) <= 5


@pytest.mark.parametrize("count", [6, 8, 10, 16])
@pytest.mark.parametrize("level", [30.0, 100.0])
def test_few_frames_that_scatter_at_a_low_level_are_no_mixed_group(count: int, level: float) -> None:
    """That would keep a sound master back: not one of 2000 runs that scatter by 3 ADU is split."""
    source = random.Random(count)
    runs = ([float(round(level + source.gauss(0, 3))) for _ in range(count)] for _ in range(2000))

    assert [run for run in runs if levels.split(run) is not None] == []


@pytest.mark.parametrize("split_at", [2, 3, 12])
def test_medians_of_a_12_bit_camera_are_steps_of_16_apart(split_at: int) -> None:
    """Of one scaled to 16 bits, whose level stands between two values, frames at either are of one kind."""
    for run in ([160.0] * split_at + [176.0] * split_at, [160.0, 176.0, 168.0] * split_at):
        assert levels.split(run) is None
        assert levels.warm_up(run) == 0
        assert levels.strays(run, 5.0) == ()


def test_two_kinds_of_frames_of_a_12_bit_camera_are_split() -> None:
    """Other exposures are more than some steps apart."""
    assert levels.split([160.0, 176.0, 160.0, 176.0, 400.0, 416.0, 400.0, 400.0]) is not None


def test_results_depend_on_levels_alone() -> None:
    """A run is judged the same as a tuple and as a list."""
    run: Sequence[float] = tuple(CLEAN)

    assert levels.warm_up(run) == levels.warm_up(list(run))
