"""Culling: what is left out of a group, and that each frame left out says why."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ap_masters.config import CullSettings, DiscardFirst
from ap_masters.group.cull import Culled, cull
from ap_masters.model import Frame, FrameType, Reason
from tests.builders import make_frame

BIAS, DARK = FrameType.BIAS, FrameType.DARK
START = datetime(2026, 1, 29, 21, tzinfo=UTC)


def frames(count: int, **changes: Any) -> list[Frame]:
    return [
        make_frame(DARK, path=Path(f"n/{number:03}.fits"), **({"started": START + timedelta(minutes=number)} | changes))
        for number in range(count)
    ]


def at(*temperatures: float, asked: float | None = -10.0) -> list[Frame]:
    return [
        make_frame(DARK, path=Path(f"n/{number}.fits"), set_temperature=asked, sensor_temperature=value)
        for number, value in enumerate(temperatures)
    ]


def names(culled: Culled) -> list[str]:
    return [frame.path.stem for frame in culled.kept]


def test_the_first_of_220_biases_are_discarded() -> None:
    """S1-01: 220 biases, the 10 earliest left out, each with the reason; 210 stay, in the order of time."""
    backwards = frames(220)[::-1]
    culled = cull(BIAS, backwards, CullSettings(discard_first=DiscardFirst(bias=10)))

    assert len(culled.kept) == 210
    assert names(culled)[0] == "010"
    assert [aside.path.stem for aside in culled.dropped] == [f"{number:03}" for number in range(10)]
    assert {aside.reason for aside in culled.dropped} == {Reason.DISCARDED_FIRST}


def test_discarding_is_per_type() -> None:
    """What is asked of biases is not done to darks."""
    assert len(cull(DARK, frames(20), CullSettings(discard_first=DiscardFirst(bias=10))).kept) == 20


def test_names_decide_where_times_are_unknown() -> None:
    """Frames of one time, or of none, go by their names; that is said where it matters."""
    culled = cull(BIAS, frames(5, started=None)[::-1], CullSettings(discard_first=DiscardFirst(bias=2)))

    assert names(culled) == ["002", "003", "004"]
    assert any("their names decide" in warning for warning in culled.warnings)
    assert names(cull(BIAS, frames(3, started=START)[::-1], CullSettings())) == ["000", "001", "002"]


def test_more_may_be_discarded_than_there_are() -> None:
    """A group that loses all its frames is empty, and every frame says why."""
    culled = cull(BIAS, frames(3), CullSettings(discard_first=DiscardFirst(bias=10)))

    assert culled.kept == ()
    assert len(culled.dropped) == 3


@pytest.mark.parametrize(
    ("sensor", "dropped"),
    [(-10.0, False), (-9.5, False), (-10.5, False), (-9.49, True), (-10.51, True), (-7.0, True)],
)
def test_temperature_excursions(sensor: float, dropped: bool) -> None:
    """S1-29: beyond 0.5 °C from the set-point a frame is dropped; at 0.5 °C it stays."""
    culled = cull(DARK, at(sensor), CullSettings())

    assert [aside.reason for aside in culled.dropped] == ([Reason.TEMPERATURE] if dropped else [])


def test_an_excursion_says_how_far() -> None:
    """The reason holds what a user needs to check it."""
    assert cull(DARK, at(-8.25), CullSettings()).dropped[0].detail == (
        "sensor at -8.25 °C, 1.75 °C from the set-point of -10 °C (limit 0.5 °C)"
    )


@pytest.mark.parametrize(("sensor", "warned"), [(-10.3, False), (-9.7, False), (-10.31, True), (-9.69, True)])
def test_small_excursions_are_warned_of(sensor: float, warned: bool) -> None:
    """S1-04: beyond 0.3 °C frames stay, and it is said; at 0.3 °C nothing is."""
    culled = cull(DARK, at(-10.0, sensor), CullSettings())

    assert len(culled.kept) == 2
    assert any("from the set-point" in warning for warning in culled.warnings) is warned


def test_a_wandering_sensor_is_warned_of() -> None:
    """S0-18: a spread beyond 0.3 °C is said, also without a set-point; nothing is dropped for it."""
    assert cull(DARK, at(-10.0, -9.8, -10.2, asked=None), CullSettings()).warnings == (
        "the sensor wandered by 0.40 °C, more than 0.3 °C",
    )
    assert cull(DARK, at(-10.0, -10.3, asked=None), CullSettings()).warnings == ()


def test_without_both_temperatures_nothing_is_dropped() -> None:
    """APT has no sensor temperature, INDI no set-point: that is no excursion."""
    only_set_point = [make_frame(DARK, sensor_temperature=None)]
    only_sensor = at(15.0, asked=None)

    assert cull(DARK, only_set_point + only_sensor, CullSettings()).dropped == ()


def test_samples_of_another_type_are_dropped() -> None:
    """An 8-bit frame among 16-bit ones has another scale; the fewer go."""
    mixed = [*frames(3), make_frame(DARK, path=Path("n/odd.fits"), sample="uint8")]
    culled = cull(DARK, mixed, CullSettings())

    assert [(aside.path.stem, aside.reason) for aside in culled.dropped] == [("odd", Reason.GEOMETRY)]
    assert culled.dropped[0].detail == "uint8 samples, where the group has uint16"
    assert culled.warnings == ()


def test_rows_in_another_order_are_dropped() -> None:
    """A frame that stands on its head is not integrated with the others."""
    mixed = [*frames(3, row_order="TOP-DOWN"), make_frame(DARK, path=Path("n/odd.fits"), row_order="BOTTOM-UP")]
    culled = cull(DARK, mixed, CullSettings())

    assert [aside.path.stem for aside in culled.dropped] == ["odd"]
    assert culled.warnings == ()


def test_an_unstated_row_order_is_warned_of() -> None:
    """Frames that do not say go with those that do."""
    mixed = [*frames(3, row_order="TOP-DOWN"), make_frame(DARK, path=Path("n/silent.fits"))]
    culled = cull(DARK, mixed, CullSettings())

    assert len(culled.kept) == 4
    assert culled.warnings == ("1 of 4 frames do not state the order of their rows: taken as TOP-DOWN",)


def test_xisf_rows_run_downwards() -> None:
    """XISF beside FITS that states nothing is warned of; beside FITS that runs upwards the fewer go."""
    xisf = make_frame(DARK, path=Path("n/x.xisf"), format="xisf")
    silent = cull(DARK, [*frames(2), xisf], CullSettings())
    upwards = cull(DARK, [*frames(2, row_order="BOTTOM-UP"), xisf], CullSettings())

    assert silent.warnings == ("2 of 3 frames do not state the order of their rows: taken as TOP-DOWN",)
    assert [aside.path.stem for aside in upwards.dropped] == ["x"]


def test_frames_calibrated_already_give_way_to_raw_ones() -> None:
    """However many they are: nothing may be subtracted from them again, and all of it from the others."""
    raw = [make_frame(FrameType.FLAT, path=Path(f"raw{n}.fits")) for n in range(2)]
    done = [make_frame(FrameType.FLAT, path=Path(f"a{n}_c.xisf"), calibration_state="BD") for n in range(5)]

    culled = cull(FrameType.FLAT, [*done, *raw], CullSettings())

    assert set(culled.kept) == set(raw)
    assert {(aside.path, aside.reason) for aside in culled.dropped} == {(f.path, Reason.CALIBRATED) for f in done}


def test_frames_calibrated_alike_stay_together() -> None:
    """Where nothing is raw, those of the commonest state are one group."""
    frames = [
        make_frame(FrameType.FLAT, path=Path(f"{n}.fits"), calibration_state=state)
        for n, state in enumerate(["BD", "D", "BD"])
    ]

    culled = cull(FrameType.FLAT, frames, CullSettings())

    assert [frame.calibration_state for frame in culled.kept] == ["BD", "BD"]
    assert [aside.detail for aside in culled.dropped] == ["calibration state D, where the group has frames in state BD"]


@pytest.mark.parametrize(("limit", "warned"), [(85.0, True), (90.0, False)])
def test_a_cooler_without_reserve_is_told(limit: float, warned: bool) -> None:
    """S0-20: from the limit in the settings on; the frames stay."""
    frames = [make_frame(DARK, path=Path(f"{n}.fits"), cooler_power=power) for n, power in enumerate((60.0, 85.0))]

    culled = cull(DARK, frames, CullSettings(warn_cooler_percent=limit))

    assert len(culled.kept) == 2
    assert [w for w in culled.warnings if "cooler" in w] == (
        ["the cooler ran at 85 % of its power or more in 1 of 2 frames"] if warned else []
    )
