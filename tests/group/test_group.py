"""Groups: what belongs together, what does not, and that no frame is lost."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ap_masters.config import CountSettings, CullSettings, DiscardFirst, GroupSettings
from ap_masters.discover import discover
from ap_masters.group import Grouping, group_frames
from ap_masters.model import Frame, FrameType, Grade, Reason
from tests.builders import make_frame, write_frame

BIAS, DARK, DARK_FLAT, FLAT, LIGHT = FrameType
DUSK = datetime(2026, 1, 29, 18, tzinfo=UTC)


def grouped(
    frames: list[Frame],
    lights: list[Frame] | None = None,
    *,
    cull: CullSettings | None = None,
    counts: CountSettings | None = None,
    **group: Any,
) -> Grouping:
    return group_frames(
        frames,
        lights or [],
        group=GroupSettings(**group),
        cull=cull or CullSettings(),
        counts=counts or CountSettings(),
    )


def frame(number: int, frame_type: FrameType | None = DARK, **changes: Any) -> Frame:
    return make_frame(
        frame_type,
        **({"path": Path(f"n/{number:03}.fits"), "started": DUSK + timedelta(minutes=number)} | changes),
    )


def sizes(grouping: Grouping) -> list[int]:
    return sorted(len(group.frames) for group in grouping.groups)


# --- what is equal ---


@pytest.mark.parametrize(
    ("frame_type", "change"),
    [
        (DARK, {"camera": "ZWO ASI294MM"}),
        (DARK, {"camera_id": "second"}),
        (DARK, {"gain": 0.0}),
        (DARK, {"offset": 10.0}),
        (DARK, {"iso": 800.0}),
        (DARK, {"x_binning": 2}),
        (DARK, {"y_binning": 2}),
        (DARK, {"width": 8}),
        (DARK, {"channels": 3}),
        (DARK, {"x_origin": 800, "y_origin": 600}),
        (DARK, {"bayer_pattern": "RGGB"}),
        (DARK, {"readout_mode": "High Gain"}),
        (DARK, {"usb_limit": 40.0}),
        (DARK, {"set_temperature": -12.0, "sensor_temperature": -12.0}),
        (DARK, {"exposure": 120.0}),
        (DARK, {"gain": None}),
        (DARK, {"readout_mode": None}),
        (DARK, {"set_temperature": None, "sensor_temperature": None}),
        (BIAS, {"gain": 0.0}),
        (DARK_FLAT, {"exposure": 5.0}),
        (FLAT, {"exposure": 5.0}),
        (FLAT, {"filter": "Ha"}),
        (FLAT, {"filter": None}),
        (FLAT, {"telescope": "Edge HD 8"}),
        (FLAT, {"night": date(2026, 1, 30)}),
    ],
)
def test_what_splits_a_group(frame_type: FrameType, change: dict[str, Any]) -> None:
    """D7: a difference in any of these, or one that is not stated, makes two groups."""
    assert sizes(grouped([frame(1, frame_type), frame(2, frame_type, **change)])) == [1, 1]


@pytest.mark.parametrize(
    ("frame_type", "change"),
    [
        (DARK, {"filter": "Dark"}),
        (DARK, {"filter": "Ha"}),
        (DARK, {"telescope": "mount"}),
        (DARK, {"night": date(2026, 1, 30)}),
        (DARK, {"gain": 100}),
        (DARK, {"exposure": 300.001}),
        (DARK, {"electrons_per_adu": 1.059}),
        (BIAS, {"exposure": 0.00003}),
        (BIAS, {"filter": "Dark"}),
        (DARK_FLAT, {"filter": "Ha"}),
        (DARK_FLAT, {"telescope": "mount"}),
        (FLAT, {"exposure": 1.9995}),
    ],
)
def test_what_does_not_split_a_group(frame_type: FrameType, change: dict[str, Any]) -> None:
    """S0-05 and D7: a filter on darks, the mount, the spelling of a number split nothing."""
    assert sizes(grouped([frame(1, frame_type), frame(2, frame_type, **change)])) == [2]


@pytest.mark.parametrize(
    ("temperatures", "expected"),
    [([-10.0, -10.1, -10.2], [3]), ([-10.0, -12.0], [1, 1]), ([-10.0, -11.0], [2])],
)
def test_temperatures_cluster_within_a_degree(temperatures: list[float], expected: list[int]) -> None:
    """S2-52, S2-53: -10, -10.1, -10.2 °C are one group, -10 and -12 °C are two; in any order."""
    for order in permutations(temperatures):
        frames = [frame(number, set_temperature=value, sensor_temperature=value) for number, value in enumerate(order)]
        assert sizes(grouped(frames)) == expected


def test_the_set_point_counts_before_the_sensor() -> None:
    """C-01: frames of one set-point are one group though the sensor wanders; without set-points the sensor counts."""
    wandering = [frame(number, sensor_temperature=-10 + 0.1 * number) for number in range(5)]
    bare = [frame(number, set_temperature=None, sensor_temperature=-float(number * 2)) for number in range(3)]

    assert sizes(grouped(wandering)) == [5]
    assert sizes(grouped(bare)) == [1, 1, 1]


def test_the_key_has_median_temperature_and_most_frequent_exposure() -> None:
    """A key's numbers are ones a user knows from the headers."""
    frames = [
        frame(1, set_temperature=-10.2, sensor_temperature=-10.2, exposure=300.0004),
        frame(2, set_temperature=-10.1, sensor_temperature=-10.1),
        frame(3, set_temperature=-10.0, sensor_temperature=-10.0),
    ]
    key = grouped(frames).groups[0].key

    assert (key.temperature, key.exposure) == (-10.1, 300.0)


def test_frames_without_a_temperature_are_together() -> None:
    """S2-59: no temperature at all is a group of its own, which says so."""
    bare = [frame(number, set_temperature=None, sensor_temperature=None) for number in range(3)]
    grouping = grouped([*bare, frame(5)])

    assert sizes(grouping) == [1, 3]
    lone = next(group for group in grouping.groups if len(group.frames) == 3)
    assert lone.key.temperature is None
    assert any("NO_TEMP" in warning for warning in lone.warnings)


@pytest.mark.parametrize(
    ("days", "epochs"),
    [
        pytest.param(None, [[1, 2, 9, 20]], id="never"),
        pytest.param(7, [[1, 2, 9], [20]], id="a week, inclusive"),
        pytest.param(0, [[1], [2], [9], [20]], id="each night"),
    ],
)
@pytest.mark.parametrize("frame_type", [BIAS, DARK, FLAT])
def test_many_days_without_a_frame_begin_a_new_group(
    frame_type: FrameType, days: int | None, epochs: list[list[int]]
) -> None:
    """S2-39, C-15: frames of different nights are different masters, where that is asked for; flats always."""
    frames = [
        make_frame(frame_type, path=Path(f"{name}{day:02}.fits"), night=date(2026, 1, day), exposure=2.0)
        for day in (20, 9, 2, 1)
        for name in "ab"
    ]
    unknown = make_frame(frame_type, path=Path("x.fits"), night=None, exposure=2.0)

    groups = grouped([*frames, unknown], epoch_days=days).groups

    nights = [sorted({f.night.day for f in group.frames if f.night}) for group in groups]
    expected = [[1], [2], [9], [20]] if frame_type is FLAT else epochs
    assert [night for night in nights if night] == expected
    assert sum(len(group.frames) for group in groups) == 9


@pytest.mark.parametrize(
    ("hours", "epochs"),
    [
        pytest.param([0.0, 26.0], [[0.0], [26.0]], id="of two nights"),
        pytest.param([0.0, 26.0, 60.0 * 24], [[0.0], [26.0], [60.0 * 24]], id="of three"),
        pytest.param([17.0, 19.0, 22.0], [[17.0, 19.0, 22.0]], id="across noon, within the window"),
        pytest.param([15.0, 17.0, 19.0], [[15.0, 17.0, 19.0]], id="across noon, within the window of the last before"),
        pytest.param([17.0, 20.1], [[17.0], [20.1]], id="across noon, beyond it"),
        pytest.param([0.0, 11.0], [[0.0, 11.0]], id="dusk and dawn of one night: no layout could tell them apart"),
    ],
)
def test_s2_39_dark_flats_are_split_beyond_their_window(hours: list[float], epochs: list[list[float]]) -> None:
    """C-15: with an epoch a dark is of a week, a dark flat of the hours of its flats; without one all are together."""
    frames = [
        frame(n, DARK_FLAT, started=DUSK + timedelta(hours=h), night=(DUSK + timedelta(hours=h - 12)).date())
        for n, h in enumerate(hours)
    ]
    timeless = frame(99, DARK_FLAT, started=None, night=None)

    groups = grouped([*reversed(frames), timeless], epoch_days=7).groups
    found = [[(f.started - DUSK) / timedelta(hours=1) for f in group.frames if f.started] for group in groups]

    assert sorted(found) == epochs
    assert sum(len(group.frames) for group in groups) == len(hours) + 1
    assert sizes(grouped(frames)) == [len(hours)]


def test_dark_flats_whose_hours_are_not_known_are_of_their_night_alone() -> None:
    """C-15: where only the night is known, on either side of noon, nothing says that it is within the window."""
    starts = {29: None, 30: DUSK + timedelta(hours=19), 31: None}
    frames = [frame(day, DARK_FLAT, night=date(2026, 1, day), started=start) for day, start in starts.items()]

    assert sizes(grouped(frames, epoch_days=7)) == [1, 1, 1]


def test_biases_are_grouped_by_temperature() -> None:
    """C-17: matching may ignore a bias's temperature, grouping does not."""
    warm = frame(2, BIAS, set_temperature=0.0, sensor_temperature=0.0)

    assert sizes(grouped([frame(1, BIAS), warm])) == [1, 1]


def test_flats_of_two_filters_that_only_their_names_tell_are_two_groups(tmp_path: Path) -> None:
    """However complete the header is beside FILTER: a stack of two filters would serve neither."""
    for part in ("Ha_0001", "Ha_0002", "OIII_0001"):
        write_frame(tmp_path / f"FLAT_FILTER_{part}.fits", IMAGETYP="FLAT", EXPOSURE=2.0, EXPTIME=2.0)
    found = grouped(list(discover([tmp_path], cache=None).frames))

    assert {group.key.filter: len(group.frames) for group in found.groups} == {"Ha": 2, "OIII": 1}


def test_a_frame_of_an_impossible_exposure_says_what_stands_there(tmp_path: Path) -> None:
    """One damaged frame costs itself alone, with its value in the reason; a missing exposure is told as before."""
    for name, exposure in (("good", 300.0), ("damaged", 1e12), ("silent", None)):
        write_frame(tmp_path / f"{name}.fits", EXPTIME=exposure, EXPOSURE=None)
    found = grouped(list(discover([tmp_path], cache=None).frames))

    assert sizes(found) == [1]
    assert {aside.path.stem: (aside.reason, aside.detail) for aside in found.set_aside} == {
        "damaged": (
            Reason.MISSING_KEYWORD,
            "EXPTIME '1e+12' is no exposure that can be (0 s to ten days): a dark is of no use without",
        ),
        "silent": (Reason.MISSING_KEYWORD, "no exposure (EXPTIME, EXPOSURE): a dark is of no use without"),
    }


def test_a_missing_camera_is_a_camera_of_its_own() -> None:
    """C-26: frames without a camera go together, apart from those with one, and the group warns."""
    grouping = grouped([frame(1, camera=None), frame(2, camera=None), frame(3)])

    assert sizes(grouping) == [1, 2]
    assert any("names the camera" in warning for group in grouping.groups for warning in group.warnings)


def test_sky_flats_may_have_any_exposure() -> None:
    """C-18: with mixed exposures allowed, flats of one filter are one group, without an exposure in the key."""
    flats = [frame(number, FLAT, exposure=1.0 + number) for number in range(4)]
    grouping = grouped(flats, mixed_exposure_flats=True)

    assert sizes(grouping) == [4]
    assert grouping.groups[0].key.exposure is None
    assert sizes(grouped(flats)) == [1, 1, 1, 1]


def test_sizes_are_kept_apart_with_a_warning() -> None:
    """A half-size frame among darks makes a group of its own, and both groups say so."""
    grouping = grouped([frame(1), frame(2), frame(3, width=8, height=6)])

    assert sizes(grouping) == [1, 2]
    assert [group.warnings for group in grouping.groups] == [
        ("frames of other sizes are kept apart: 16x12",),
        ("frames of other sizes are kept apart: 8x6",),
    ]


def test_windows_are_other_sizes() -> None:
    """A window of the sensor is the ordinary reason for another size, and may lie elsewhere."""
    windows = [frame(n, width=8, height=6, x_origin=x, y_origin=y) for n, (x, y) in enumerate([(4, 0), (8, 2)])]
    grouping = grouped([frame(9), *windows])

    assert "frames of other sizes are kept apart: 16x12, 8x6 at 8,2" in [w for g in grouping.groups for w in g.warnings]


def test_mono_and_colour_of_one_size_can_be_told_apart() -> None:
    """The channels are named where there are several, in the group's words as in its warning."""
    mono, colour = grouped([frame(1), frame(2, channels=3)]).groups

    assert [group.key.describe().split(", ")[-1] for group in (mono, colour)] == ["16x12", "16x12x3"]
    assert mono.warnings == ("frames of other sizes are kept apart: 16x12x3",)
    assert colour.warnings == ("frames of other sizes are kept apart: 16x12",)


@pytest.mark.parametrize("planes", [2, 4, 7])
def test_a_cube_of_exposures_is_no_frame(planes: int) -> None:
    """One plane is mono, three are a colour image; any other number is told and set aside."""
    grouping = grouped([frame(1), frame(2, channels=planes)])

    assert sizes(grouping) == [1]
    assert [(aside.path.stem, aside.reason, aside.detail) for aside in grouping.set_aside] == [
        (
            "002",
            Reason.GEOMETRY,
            f"{planes} planes, where a frame has 1 or 3 (colour): split a cube of exposures into files of one each",
        )
    ]


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        pytest.param("rotation", [0.5, 90.0], [[0.5], [90.0]], id="turned by a quarter"),
        pytest.param("rotation", [359.5, 0.5, 1.4], [[0.5, 1.4, 359.5]], id="beyond a full turn"),
        pytest.param("rotation", [-0.5, 180.0, 359.0], [[-0.5, 359.0], [180.0]], id="another count of turns"),
        pytest.param("rotation", [10.0, 12.0], [[10.0, 12.0]], id="came back within two degrees"),
        pytest.param("rotation", [10.0, 12.1], [[10.0], [12.1]], id="did not"),
        pytest.param("rotation", [None, 0.0], [[None], [0.0]], id="an angle not known is none"),
        pytest.param("focal_length", [190.0, 250.0], [[190.0], [250.0]], id="with and without a reducer"),
        pytest.param("focal_length", [247.6, 250.0, 252.4], [[247.6, 250.0, 252.4]], id="as plate solving finds it"),
        pytest.param("focal_length", [100.0, 103.0, 106.0], [[100.0, 103.0, 106.0]], id="neighbours, inclusive"),
        pytest.param("focal_length", [100.0, 103.1], [[100.0], [103.1]], id="just beyond"),
        pytest.param("focal_length", [None, 250.0], [[None], [250.0]], id="a length not known is none"),
    ],
)
def test_s2_29_flats_through_different_optics_are_groups_of_their_own(
    field: str, values: list[float | None], expected: list[list[float | None]]
) -> None:
    """Vignetting and dust lie elsewhere; darks see no optics."""
    flats = [frame(n, FLAT, **{field: value}) for n, value in enumerate(values)]
    darks = [frame(n, DARK, **{field: value}) for n, value in enumerate(values)]

    groups = grouped(flats).groups
    found = [sorted(getattr(f, field) for f in group.frames) for group in groups]

    assert sorted(found, key=str) == sorted(expected, key=str)
    assert all(group.warnings == () for group in groups)
    assert sizes(grouped(darks)) == [len(values)]


def test_optics_are_told_by_their_groups() -> None:
    """The angle of the first frame, the middle focal length, and nothing on darks."""
    flats = [frame(n, FLAT, rotation=90.5 + n / 4, focal_length=249.0 + n) for n in range(3)]
    (flat,), (dark,) = grouped(flats).groups, grouped([frame(1, DARK, rotation=90.0, focal_length=250.0)]).groups

    assert (flat.key.rotation, flat.key.focal_length) == (90.5, 250.0)
    assert (dark.key.rotation, dark.key.focal_length) == (None, None)


@pytest.mark.parametrize("gain", [None, 100.0])
@pytest.mark.parametrize(
    ("values", "warned"), [((0.25, 1.0), True), ((1.0, 1.0099), False), ((1.0, 1.011), True), ((0.25, None), False)]
)
def test_frames_of_several_gains_that_only_the_electrons_tell_are_warned_of(
    gain: float | None, values: tuple[float | None, ...], warned: bool
) -> None:
    """EGAIN is never the gain, so it divides nothing; a master of two gains is one of neither, and that is said."""
    frames = [frame(number, gain=gain, electrons_per_adu=value) for number, value in enumerate(values)]

    (group,) = grouped(frames).groups
    assert group.warnings == (
        (
            f"from {values[0]:g} to {values[1]:g} electrons per ADU (EGAIN): frames of several gains? Build those of "
            "each by themselves",
        )
        if warned
        else ()
    )


@pytest.mark.parametrize(("days", "warned"), [(183, False), (184, True)])
def test_frames_of_several_seasons_are_warned_of(days: int, warned: bool) -> None:
    """Two years of darks in one folder become one master, but not in silence; flats have nights of their own."""
    nights = (date(2025, 1, 1), date(2025, 1, 1) + timedelta(days=days))

    darks, flats = (
        grouped([frame(n, kind, night=night) for n, night in enumerate(nights)]).groups for kind in (DARK, FLAT)
    )

    assert [any("Build each season by itself" in warning for warning in group.warnings) for group in darks] == [warned]
    assert not [warning for group in flats for warning in group.warnings if "season" in warning]


# --- what is set aside ---


@pytest.mark.parametrize("frame_type", [DARK, DARK_FLAT, FLAT])
def test_without_an_exposure_a_frame_is_set_aside(frame_type: FrameType) -> None:
    """A dark or flat of unknown exposure is of no use; a bias does not need one."""
    grouping = grouped([frame(1, frame_type, exposure=None), frame(2, BIAS, exposure=None)])

    assert [(aside.path.stem, aside.reason) for aside in grouping.set_aside] == [("001", Reason.MISSING_KEYWORD)]
    assert [group.key.type for group in grouping.groups] == [BIAS]


def test_what_is_no_raw_calibration_frame_is_set_aside() -> None:
    """D10: masters, lights and frames of unknown type never end in a group."""
    grouping = grouped([frame(1, master=True), frame(2, LIGHT), frame(3, None)])

    assert [aside.reason for aside in grouping.set_aside] == [Reason.MASTER, Reason.LIGHT, Reason.UNKNOWN_TYPE]
    assert grouping.groups == ()


# --- what a group says ---


@pytest.mark.parametrize(
    ("count", "grade"),
    [
        (14, Grade.BELOW_MINIMUM),
        (15, Grade.MINIMUM),
        (29, Grade.MINIMUM),
        (30, Grade.RECOMMENDED),
        (49, Grade.RECOMMENDED),
        (50, Grade.OPTIMAL),
    ],
)
def test_grades_by_count(count: int, grade: Grade) -> None:
    """S2-17: darks are graded at 15, 30 and 50 frames."""
    assert grouped([frame(number) for number in range(count)]).groups[0].grade is grade


def test_frames_that_are_dropped_do_not_count() -> None:
    """The grade is that of the frames that stay; those that go are in the group, with their reasons."""
    frames = [frame(number, BIAS) for number in range(55)]
    group = grouped(frames, cull=CullSettings(discard_first=DiscardFirst(bias=10))).groups[0]

    assert (len(group.frames), len(group.dropped), group.grade) == (45, 10, Grade.BELOW_MINIMUM)


def test_warnings_of_frames_are_summed_up() -> None:
    """A warning that several frames carry is said once, with their number."""
    frames = [frame(1, warnings=("odd", "both")), frame(2, warnings=("both",))]

    assert grouped(frames).groups[0].warnings == ("both", "1 of 2 frames: odd")


def test_spellings_are_reported() -> None:
    """S2-51: 'ZWO ASI2600' and 'Zwo ASI2600' are two cameras, and the user is told."""
    grouping = grouped([frame(1, camera="ZWO ASI2600"), frame(2, camera="Zwo ASI2600"), frame(3, camera="QHY268")])

    assert sizes(grouping) == [1, 1, 1]
    assert grouping.warnings == ("cameras spelt in 2 ways are kept apart: 'ZWO ASI2600', 'Zwo ASI2600'",)


@pytest.mark.parametrize(
    ("field", "plural"), [("telescope", "telescopes"), ("filter", "filters"), ("readout_mode", "readout modes")]
)
def test_spellings_of_other_names_are_reported(field: str, plural: str) -> None:
    """S2-51: what else has a name and keeps flats apart."""
    grouping = grouped([frame(n, FLAT, **{field: name}) for n, name in enumerate(["H alpha", "H-Alpha"])])

    assert sizes(grouping) == [1, 1]
    assert grouping.warnings == (f"{plural} spelt in 2 ways are kept apart: 'H alpha', 'H-Alpha'",)


@pytest.mark.parametrize("field", ["telescope", "filter"])
def test_spellings_that_keep_nothing_apart_are_not_reported(field: str) -> None:
    """Programs write the wheel's slot and the mount on darks too, which are one group all the same."""
    grouping = grouped([frame(n, DARK, **{field: name}) for n, name in enumerate(["Dark", "DARK"])])

    assert sizes(grouping) == [2]
    assert grouping.warnings == ()


def test_indi_has_a_word_more_in_the_name_of_a_camera() -> None:
    """N.I.N.A. and ASIAIR write 'ZWO ASI2600MM Pro' for the camera that INDI names so."""
    grouping = grouped([frame(1, camera="ZWO ASI2600MM Pro"), frame(2, camera="ZWO CCD ASI2600MM Pro")])

    assert "'ZWO ASI2600MM Pro', 'ZWO CCD ASI2600MM Pro'" in grouping.warnings[0]


def told_by(program: str, numbers: range, **changes: Any) -> list[Frame]:
    return [frame(n, software=program, **changes) for n in numbers]


def test_programs_that_tell_more_and_less_of_one_camera_are_reported() -> None:
    """Darks of the field and of the desk stay apart: what one program leaves out may differ. The user is told why."""
    nina = told_by("N.I.N.A. 3.1", range(3), camera_id="A1", readout_mode="Default", usb_limit=40.0)
    asiair = told_by("ZWO ASIAIR Plus", range(3, 6), camera_id=None, readout_mode=None, usb_limit=None)

    darks = [*nina, *asiair]
    biases = [dark.model_copy(update={"type": BIAS, "exposure": 0.0}) for dark in darks]

    grouping = grouped([*darks, *biases])

    assert sizes(grouping) == [3, 3, 3, 3]
    (told,) = grouping.warnings
    assert told.startswith(
        f"frames of {nina[0].camera} by N.I.N.A. 3.1 and by ZWO ASIAIR Plus are kept apart: "
        "camera id, readout mode and USB limit stand in the headers of N.I.N.A. 3.1 alone"
    )
    assert "--lenient-unknown" in told


def test_frames_of_cameras_without_a_name_are_not_reported() -> None:
    """They may be of two cameras."""
    told = told_by("N.I.N.A. 3.1", range(3), camera=None)

    assert grouped([*told, *told_by("other", range(3, 6), camera=None, readout_mode=None)]).warnings == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"gain": 0.0, "readout_mode": None},
        {"exposure": 60.0, "readout_mode": None},
        {"camera": "another", "readout_mode": None},
        {"set_temperature": 0.0, "sensor_temperature": 0.0, "readout_mode": None},
        {"readout_mode": "High Gain"},
        {"readout_mode": "Default"},
    ],
    ids=str,
)
def test_frames_that_differ_anyway_are_not_reported(changes: dict[str, Any]) -> None:
    """Nothing is said of frames that what is left out does not keep apart."""
    told = told_by("N.I.N.A. 3.1", range(3), readout_mode="Default")
    silent = told_by("ZWO ASIAIR Plus", range(3, 6), **changes)

    assert grouped([*told, *silent]).warnings == ()


# --- dark flats ---


def test_inferred_dark_flats_are_a_group_of_their_own() -> None:
    """Short darks beside flats of their exposure become a dark flat group that carries the flats' filter."""
    flats = [frame(number, FLAT, filter="Ha") for number in range(3)]
    darks = [frame(10 + number, exposure=2.0, filter="Dark") for number in range(3)]
    grouping = grouped([*flats, *darks, frame(20)], [frame(30, LIGHT)])

    assert [(group.key.type, group.key.exposure, group.key.filter) for group in grouping.groups] == [
        (DARK, 300.0, None),
        (DARK_FLAT, 2.0, "Ha"),
        (FLAT, 2.0, "Ha"),
    ]


def test_dark_flats_at_the_edge_of_the_tolerance_carry_the_filter_of_the_flats_that_made_them_so() -> None:
    """0.501 - 0.5 is more than 0.001 in floating point: what concludes that it is a dark flat also names its filter."""
    flat, dark = frame(1, FLAT, exposure=0.5, filter="Ha"), frame(2, exposure=0.501)

    assert [(g.key.type, g.key.filter) for g in grouped([flat, dark]).groups] == [(DARK_FLAT, "Ha"), (FLAT, "Ha")]


def test_dark_flats_never_carry_the_filter_of_another_camera() -> None:
    """Two cameras beside each other take flats of one exposure in the same hour; each has its own wheel."""
    flats = [frame(1, FLAT, camera="a", filter="Ha"), frame(2, FLAT, camera="b", filter="OIII")]
    darks = [frame(3, DARK_FLAT, camera="a"), frame(4, DARK_FLAT, camera="b")]
    groups = grouped([*flats, *darks]).groups

    assert {g.key.camera: g.key.filter for g in groups if g.key.type is DARK_FLAT} == {"a": "Ha", "b": "OIII"}


def test_dark_flats_that_serve_several_filters_name_none() -> None:
    """Two filters of one exposure share their dark flats."""
    flats = [frame(1, FLAT, filter="Ha"), frame(2, FLAT, filter="OIII")]

    assert grouped([*flats, frame(3, DARK_FLAT)]).groups[0].key.filter is None


def test_dark_flats_keep_the_filter_their_headers_agree_on() -> None:
    """S1-16: a filter that all dark flats state is theirs; a wheel slot named Dark is none."""
    assert grouped([frame(1, DARK_FLAT, filter="L"), frame(2, DARK_FLAT)]).groups[0].key.filter == "L"
    assert grouped([frame(1, DARK_FLAT, filter="Dark")]).groups[0].key.filter is None


# --- properties ---


@st.composite
def any_frames(draw: st.DrawFn) -> list[Frame]:
    kinds = st.sampled_from([BIAS, DARK, DARK_FLAT, FLAT, LIGHT, None])
    temperatures = st.none() | st.sampled_from([-12.0, -10.6, -10.2, -10.1, -10.0, -9.4, 5.0])
    return [
        frame(
            number,
            draw(kinds),
            camera=draw(st.sampled_from(["a", "A", None])),
            gain=draw(st.sampled_from([None, 0.0, 100.0])),
            set_temperature=draw(temperatures),
            sensor_temperature=draw(temperatures),
            exposure=draw(st.sampled_from([None, 2.0, 2.001, 2.002, 300.0])),
            filter=draw(st.sampled_from([None, "L", "Dark"])),
            width=draw(st.sampled_from([16, 8])),
            sample=draw(st.sampled_from(["uint16", "uint8"])),
            row_order=draw(st.sampled_from([None, "TOP-DOWN", "BOTTOM-UP"])),
            master=draw(st.booleans()),
            started=draw(st.none() | st.integers(0, 600).map(lambda minute: DUSK + timedelta(minutes=minute))),
        )
        for number in range(draw(st.integers(0, 12)))
    ]


@given(any_frames(), st.randoms())
@settings(max_examples=80, deadline=None)
def test_grouping_is_a_partition_and_ignores_order(frames: list[Frame], random: Any) -> None:
    """Each frame ends in exactly one place, keys are different, and the order of the frames changes nothing."""
    lights = [one for one in frames if one.type is LIGHT]
    grouping = grouped(frames, lights, cull=CullSettings(discard_first=DiscardFirst(dark=1)))
    placed = [aside.path for aside in grouping.set_aside]
    for group in grouping.groups:
        placed += [one.path for one in group.frames] + [aside.path for aside in group.dropped]
    shuffled = frames.copy()
    random.shuffle(shuffled)

    assert Counter(placed) == Counter(one.path for one in frames)
    assert len({group.key for group in grouping.groups}) == len(grouping.groups)
    assert grouped(shuffled, lights, cull=CullSettings(discard_first=DiscardFirst(dark=1))) == grouping


def test_ten_real_darks_are_one_group(realdata: Path) -> None:
    """The sensor toggles between two steps of its converter; the set-point keeps the frames together."""
    found = discover([realdata / "oscaar_tres1"], cache=None)
    group = grouped(list(found.frames)).groups[0]

    assert len(group.frames) == 10
    assert (group.key.type, group.key.exposure, group.key.temperature, group.key.gain) == (DARK, 60.0, -10.0, None)
    assert group.grade is Grade.BELOW_MINIMUM
    assert group.warnings == ("the sensor wandered by 0.42 °C, more than 0.3 °C",)
