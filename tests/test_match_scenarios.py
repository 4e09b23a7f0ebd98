"""Matching, one scenario for each row of the requirements, named by it."""

from datetime import timedelta

import pytest

from ap_masters.match import FlatMatch, match_bias, match_flat, match_light
from ap_masters.model import FrameType, Group, Master, MasterStatus
from tests.masters import (
    BIAS,
    DARK,
    DARK_FLAT,
    DUSK,
    FLAT,
    SETTINGS,
    decision,
    flat_frame,
    flats,
    light,
    make_master,
    settings,
)

LAST_FLAT = DUSK + timedelta(minutes=9)


def taken(found: FlatMatch) -> list[str]:
    """Return the names of the masters that were taken."""
    return [d.subject for d in found.decisions if d.verdict == "taken"]


# --- S0: the playbook ---------------------------------------------------------------------------------------


def test_s0_02_a_dark_of_minus_10_never_serves_at_plus_5() -> None:
    """Dark current grows tenfold from -10 to +5 °C."""
    found = match_light(light(set_temperature=5.0), [make_master(DARK, "cold.xisf")], SETTINGS)

    assert found.dark is None
    assert decision(found.decisions, "cold.xisf").field == "temperature"


def test_s0_03_masters_of_two_set_points_coexist_and_each_light_gets_its_own() -> None:
    """A library with -10 and -15 °C serves summer and winter."""
    library = [make_master(DARK, f"dark{t}.xisf", temperature=t) for t in (-10.0, -15.0)]

    found = [match_light(light(set_temperature=t), library, SETTINGS).dark for t in (-10.0, -15.0)]

    assert found == library


@pytest.mark.parametrize(
    ("temperature", "first", "field"),
    [
        pytest.param(-10.0, "cold", "time", id="the same: the nearer in time"),
        pytest.param(-10.3, "cold", "time", id="within what a cooler holds"),
        pytest.param(-10.4, "exact", "temperature", id="beyond it"),
        pytest.param(-9.2, "exact", "temperature", id="warmer"),
    ],
)
def test_s0_03_of_two_darks_the_one_of_the_light_s_own_temperature_serves(
    temperature: float, first: str, field: str
) -> None:
    """A degree is a tenth of the dark current, a month is nothing; where a cooler tells no difference time decides."""
    cold = make_master(DARK, "cold.xisf", temperature=temperature, started=DUSK)
    exact = make_master(DARK, "exact.xisf", temperature=-10.0)

    found = match_light(light(set_temperature=-10.0), [cold, exact], SETTINGS)

    assert found.dark == {"cold": cold, "exact": exact}[first]
    assert [d.field for d in found.decisions] == [None, field]


def test_s0_03_of_dark_flats_of_other_nights_the_one_of_the_flats_own_temperature_serves() -> None:
    """Set-points change with the seasons, and one of spring is nearer; only in the hours of the flats that counts."""
    spring = make_master(DARK_FLAT, "spring.xisf", temperature=-6.0, started=DUSK + timedelta(days=17))
    winter = make_master(DARK_FLAT, "winter.xisf", temperature=-10.0, started=DUSK - timedelta(days=66))
    tonight = make_master(DARK_FLAT, "tonight.xisf", temperature=-9.0, started=LAST_FLAT + timedelta(hours=1))

    assert taken(match_flat(flats(), [spring, winter], SETTINGS)) == ["winter.xisf"]
    assert taken(match_flat(flats(), [spring, winter, tonight], SETTINGS)) == ["tonight.xisf"]


def test_s0_03_a_wider_tolerance_takes_the_nearest_set_point() -> None:
    """Also where the other one was taken nearer in time; exposures come first, as S4-19 has it."""
    library = [make_master(DARK, f"dark{t}.xisf", temperature=t) for t in (-15.0, -10.0)]

    found = match_light(light(set_temperature=-12.0), library, settings(temperature_tolerance_c=3.0))

    assert found.dark == library[1]
    assert decision(found.decisions, "dark-15.0.xisf").reason == (
        "temperature -15 °C; dark-10.0.xisf with -10 °C comes first: the light has -12 °C"
    )


def test_s0_05_a_dark_taken_through_a_filter_slot_is_a_dark_all_the_same() -> None:
    """The slot's name in FILTER neither splits darks nor keeps one from serving."""
    slot = make_master(DARK, "slot.xisf", filter="Dark")

    assert match_light(light(filter="Ha"), [slot], SETTINGS).dark == slot


@pytest.mark.parametrize("status", [s for s in MasterStatus if s is not MasterStatus.PUBLISHED])
def test_s0_06_only_published_masters_serve(status: MasterStatus) -> None:
    """Candidates, quarantined and superseded masters are refused, and the decision says which they are."""
    found = match_light(light(), [make_master(DARK, "dark.xisf", status=status)], SETTINGS)

    assert found.dark is None
    refused = decision(found.decisions, "dark.xisf")
    assert (refused.field, status.value in refused.reason) == ("status", True)


def test_s0_10_a_light_without_its_dark_says_which_exposure_is_missing() -> None:
    """A template with a new exposure is noticed, with the exposure that is there and the one that is needed."""
    found = match_light(light(exposure=600.0), [make_master(DARK, "dark.xisf"), make_master(BIAS)], SETTINGS)

    assert any("exposure 300 s, the light has 600 s" in problem for problem in found.problems)


def test_s0_34_a_label_chooses_the_masters_of_an_interim_run() -> None:
    """With labels asked for, only masters that carry them serve; without, labelled masters serve like others."""
    usual, interim = make_master(DARK, "usual.xisf"), make_master(DARK, "interim.xisf", labels=("interim",))

    found = match_light(light(), [usual, interim], SETTINGS, labels=("Interim",))

    assert found.dark == interim
    assert decision(found.decisions, "usual.xisf").field == "label"
    assert match_light(light(), [interim], SETTINGS).dark == interim


# --- S1: bias, dark flats and darks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"gain": 101.0}, "gain", id="gain"),
        pytest.param({"offset": 51.0}, "offset", id="offset"),
        pytest.param({"readout_mode": "High Gain"}, "readout mode", id="readout"),
        pytest.param({"temperature": -15.0}, "temperature", id="set-point"),
    ],
)
@pytest.mark.parametrize("kind", [BIAS, DARK, DARK_FLAT])
def test_s1_09_no_recycling_across_gain_offset_readout_or_set_point(
    kind: FrameType, change: dict[str, object], field: str
) -> None:
    """A master of another gain, offset, readout mode or set-point never falls back silently."""
    exposure = {} if kind is BIAS else {"exposure": 2.0}
    dark_flat_far = {"temperature": -16.0} if kind is DARK_FLAT and field == "temperature" else change
    found = match_flat(flats(), [make_master(kind, "other.xisf", **exposure, **dark_flat_far)], SETTINGS)

    assert found.calibration is None
    assert decision(found.decisions, "other.xisf").field == field
    assert found.problem is not None and field in found.problem


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"x_binning": 2, "y_binning": 2}, "binning", id="binning"),
        pytest.param({"x_binning": 2, "y_binning": 1}, "binning", id="binning of columns alone"),
        pytest.param({"y_binning": 2}, "binning", id="binning of rows alone"),
        pytest.param({"usb_limit": 40.0}, "USB limit", id="usb"),
        pytest.param({"camera_id": "b"}, "camera id", id="camera id"),
        pytest.param({"camera": "ZWO ASI6200MM Pro"}, "camera", id="camera"),
        pytest.param({"width": 18}, "geometry", id="geometry"),
        pytest.param({"x_origin": 800, "y_origin": 600}, "window", id="window"),
        pytest.param({"iso": 800.0}, "ISO", id="iso"),
    ],
)
def test_s1_11_binning_usb_limit_and_the_rest_are_keys_of_matching(change: dict[str, object], field: str) -> None:
    """Whatever the driver settings of the lights lock in has to agree."""
    alike = {"camera_id": "a", "usb_limit": 30.0, "iso": 400.0, "x_origin": 320}
    dark = make_master(DARK, "dark.xisf", **(alike | change))

    found = match_light(light(**alike), [dark], SETTINGS)

    assert found.dark is None
    assert decision(found.decisions, "dark.xisf").field == field


# --- S2: ANAWBPPS -------------------------------------------------------------------------------------------


def test_s2_12_bias_may_ignore_the_temperature_by_option() -> None:
    """By default a bias of another temperature is refused (C-17); with the option it serves."""
    warm = make_master(BIAS, "warm.xisf", temperature=5.0)

    assert match_flat(flats(), [warm], SETTINGS).calibration is None
    found = match_flat(flats(), [warm], settings(bias_ignores_temperature=True))
    assert taken(found) == ["warm.xisf"]


@pytest.mark.parametrize(("temperature", "serves"), [(-11.0, True), (-9.0, True), (-11.01, False), (-8.99, False)])
def test_s2_16_a_dark_serves_within_one_degree_inclusive(temperature: float, serves: bool) -> None:
    """±1.0 °C is inside, a hundredth more is not."""
    found = match_light(light(), [make_master(DARK, temperature=temperature)], SETTINGS)

    assert (found.dark is not None) is serves


@pytest.mark.parametrize(
    ("gap", "rung_inside"),
    [
        pytest.param(timedelta(hours=2, minutes=59, seconds=59), True, id="2:59:59"),
        pytest.param(timedelta(hours=3), True, id="3:00:00"),
        pytest.param(timedelta(hours=3, seconds=1), False, id="3:00:01"),
    ],
)
@pytest.mark.parametrize("side", ["before", "after"])
def test_s2_21_window_is_inclusive_at_three_hours(gap: timedelta, rung_inside: bool, side: str) -> None:
    """Three hours exactly is inside the window, counted to the farthest of the dark flats.

    Seen by what a dark flat inside the window can do against it that would come second, were both inside: it is on the
    side less preferred, or farther in its nearest frame.
    """
    start, end = LAST_FLAT + gap - timedelta(minutes=5), LAST_FLAT + gap
    rival_at = DUSK - timedelta(hours=1)
    if side == "before":
        start, end = DUSK - gap, DUSK - gap + timedelta(minutes=5)
        rival_at = DUSK - timedelta(hours=2, minutes=58)
    tested = make_master(DARK_FLAT, "tested.xisf", started=start, ended=end)
    rival = make_master(DARK_FLAT, "rival.xisf", started=rival_at)

    found = match_flat(flats(), [tested, rival], SETTINGS)

    assert taken(found) == (["tested.xisf"] if rung_inside else ["rival.xisf"])


def test_s2_21_outside_the_window_a_dark_flat_still_serves_if_none_is_inside() -> None:
    """Three hours and a second away it is the ladder's second rung, and the decision tells how far away it is."""
    late = make_master(DARK_FLAT, "late.xisf", started=LAST_FLAT + timedelta(hours=3, seconds=1))

    found = match_flat(flats(), [late, make_master(DARK, "dark.xisf", exposure=2.0)], SETTINGS)

    assert (found.rung, taken(found)) == ("dark flat", ["late.xisf"])
    assert "3:00:01 h after the flats" in found.decisions[0].reason


@pytest.mark.parametrize(("exposure", "serves"), [(2.0, True), (2.001, True), (2.0011, False), (1.9, False)])
def test_s2_22_a_dark_flat_has_exactly_the_exposure_of_the_flats(exposure: float, serves: bool) -> None:
    """A millisecond is noise; more is another exposure."""
    found = match_flat(flats(), [make_master(DARK_FLAT, exposure=exposure)], SETTINGS)

    assert (found.calibration is not None) is serves


def test_s2_23_a_dark_flat_never_serves_a_light() -> None:
    """Not even one of the light's own exposure."""
    found = match_light(light(), [make_master(DARK_FLAT, "df.xisf", exposure=300.0)], SETTINGS)

    assert found.dark is None
    assert decision(found.decisions, "df.xisf") == decision(found.decisions, "df.xisf").model_copy(
        update={"verdict": "refused", "field": "type", "reason": "dark flats serve flats, never lights"}
    )


def test_s2_24_without_a_dark_flat_a_dark_of_the_exposure_serves_with_a_warning() -> None:
    """Acceptable, but less than optimal, and the user is told."""
    found = match_flat(flats(), [make_master(DARK, "dark.xisf", exposure=2.0)], SETTINGS)

    assert (found.rung, taken(found)) == ("dark", ["dark.xisf"])
    assert any("no dark flat serves" in warning for warning in found.warnings)


def test_s2_25_flats_still_work_with_a_bias_alone_and_never_silently() -> None:
    """Bias only is a warning; nothing at all is a refusal that names the way to override it."""
    found = match_flat(flats(), [make_master(BIAS, "bias.xisf")], SETTINGS)
    nothing = match_flat(flats(), [], SETTINGS)

    assert (found.rung, taken(found)) == ("bias", ["bias.xisf"])
    assert any("nothing but a bias" in warning for warning in found.warnings)
    assert nothing.calibration is None
    assert nothing.problem is not None and "--allow-uncalibrated" in nothing.problem


@pytest.mark.parametrize(("exposure", "warned"), [(2.0, False), (2.5, True)])
def test_s2_26_long_flats_without_dark_flats_are_warned_of(exposure: float, warned: bool) -> None:
    """Beyond 2 s a dark flat is critical."""
    found = match_flat(flats(exposure=exposure), [make_master(DARK, exposure=exposure)], SETTINGS)

    with_one = match_flat(flats(exposure=exposure), [make_master(DARK_FLAT, exposure=exposure)], SETTINGS)

    assert any("deserve dark flats" in warning for warning in found.warnings) is warned
    assert with_one.warnings == ()


def test_s2_29_a_flat_has_the_filter_of_the_light_and_differences_of_the_telescope_are_warned_of() -> None:
    """FILTER decides; TELESCOP holds the mount in three programs, so it only warns."""
    red = make_master(FLAT, "red.xisf", filter="R")
    other = make_master(FLAT, "other.xisf", telescope="EQ6-R", gain=0.0)

    found = match_light(light(), [red, other], SETTINGS)

    assert found.flat == other
    assert decision(found.decisions, "red.xisf").field == "filter"
    assert found.warnings == (
        "other.xisf: telescope EQ6-R, the light has RedCat 51",
        "other.xisf: gain 0, the light has 100",
    )


def test_a_flat_of_the_same_rotator_angle_comes_first() -> None:
    """Dust lies where the camera stood; a flat of another angle serves all the same, with a warning."""
    other = make_master(FLAT, "other.xisf", rotation=0.5, started=DUSK)
    same = make_master(FLAT, "same.xisf", rotation=91.0, started=DUSK - timedelta(days=30))
    turned = light(rotation=90.0)

    both, alone = match_light(turned, [other, same], SETTINGS), match_light(turned, [other], SETTINGS)

    assert (both.flat, both.warnings) == (same, ())
    lost = decision(both.decisions, "other.xisf")
    assert (lost.field, lost.reason) == ("rotator angle", "rotator angle 0.5°; same.xisf, 91°, is as the light has it")
    assert alone.flat == other
    assert alone.warnings == ("other.xisf: rotator angle 0.5°, the light has 90°",)


def test_s2_21_dark_flats_from_before_and_after_are_not_of_the_time_between() -> None:
    """A master of days 0 and 60 has no frame near the flats of day 30: one an hour away comes first."""
    spread = make_master(
        DARK_FLAT, "spread.xisf", started=DUSK - timedelta(days=30), ended=DUSK + timedelta(days=30), frames=40
    )
    near = make_master(DARK_FLAT, "near.xisf", started=DUSK - timedelta(hours=1))

    both, alone = match_flat(flats(), [spread, near], SETTINGS), match_flat(flats(), [spread], SETTINGS)

    assert both.calibration is not None and both.calibration.dark is not None
    assert both.calibration.dark.path == near.path
    lost = decision(both.decisions, "spread.xisf")
    assert (lost.field, lost.reason) == (
        "time",
        "frames up to 30 days from the flats; near.xisf, 1:00:00 h before the flats, comes first",
    )
    assert alone.rung == "dark flat"
    assert alone.decisions[0].reason.endswith("; 30 days after the flats")


@pytest.mark.parametrize(
    ("ended", "first"),
    [
        pytest.param(timedelta(hours=3), "long.xisf", id="all within the window, inclusive"),
        pytest.param(timedelta(hours=3, seconds=1), "short.xisf", id="the last of them is not"),
    ],
)
def test_s2_21_the_farther_end_of_dark_flats_decides_about_the_window(ended: timedelta, first: str) -> None:
    """Within a night they are one series, at the time of the flats in order of time; the window holds for all."""
    last = DUSK + timedelta(minutes=9)
    long = make_master(DARK_FLAT, "long.xisf", started=DUSK, ended=last + ended)
    short = make_master(DARK_FLAT, "short.xisf", started=DUSK - timedelta(hours=2))

    found = match_flat(flats(), [long, short], SETTINGS)

    assert found.calibration is not None and found.calibration.dark is not None
    assert found.calibration.dark.path.name == first


def test_s2_29_a_flat_of_the_same_focal_length_comes_first() -> None:
    """As the rotator's angle: with a reducer the corners are darker; within the per cent of plate solving it is one."""
    other = make_master(FLAT, "other.xisf", focal_length=190.0, rotation=90.0, started=DUSK)
    same = make_master(FLAT, "same.xisf", focal_length=251.0, rotation=0.0, started=DUSK - timedelta(days=30))
    seen = light(focal_length=250.0)

    both, alone = match_light(seen, [other, same], SETTINGS), match_light(seen, [other], SETTINGS)

    assert (both.flat, both.warnings) == (same, ())
    lost = decision(both.decisions, "other.xisf")
    told = "focal length 190 mm; same.xisf, 251 mm, is as the light has it"
    assert (lost.field, lost.reason) == ("focal length", told)
    assert alone.flat == other
    assert alone.warnings == ("other.xisf: focal length 190 mm, the light has 250 mm",)


@pytest.mark.parametrize(
    ("of_light", "of_flat", "told"),
    [
        pytest.param(
            ("GBRG", "TOP-DOWN"), ("RGGB", "TOP-DOWN"), "Bayer pattern RGGB, the light has GBRG", id="pattern"
        ),
        pytest.param(("GBRG", None), ("RGGB", None), "Bayer pattern RGGB, the light has GBRG", id="rows not told"),
        pytest.param(("RGGB", "BOTTOM-UP"), ("RGGB", "TOP-DOWN"), "rows TOP-DOWN, the light has BOTTOM-UP", id="rows"),
        pytest.param(
            ("GBRG", "BOTTOM-UP"), ("RGGB", "TOP-DOWN"), "rows TOP-DOWN, the light has BOTTOM-UP", id="turned"
        ),
        pytest.param((None, "BOTTOM-UP"), ("RGGB", None), None, id="nobody knows"),
    ],
)
def test_a_master_whose_pixels_lie_otherwise_is_warned_of(
    of_light: tuple[str | None, str | None], of_flat: tuple[str | None, str | None], told: str | None
) -> None:
    """One that lies alike comes first; the pattern of turned rows is told as the turn that it is."""
    pattern, rows = of_light
    fields = {"bayer_pattern": of_flat[0], "row_order": of_flat[1]}
    other = [make_master(kind, f"other {kind}.xisf", started=DUSK, **fields) for kind in (DARK, FLAT)]
    same = [
        make_master(kind, f"same {kind}.xisf", bayer_pattern=pattern, row_order=rows, started=DUSK - timedelta(days=9))
        for kind in (DARK, FLAT)
    ]
    asked = light(bayer_pattern=pattern, row_order=rows)

    both, alone = match_light(asked, [*other, *same], SETTINGS), match_light(asked, other, SETTINGS)

    assert [alone.dark, alone.flat] == other
    expected = [f"other {kind}.xisf: {told}" for kind in (DARK, FLAT)] if told else []
    assert [warning.partition("; ")[0] for warning in alone.warnings] == expected
    if told:
        assert [both.dark, both.flat] == same
        assert decision(both.decisions, "other flat.xisf").field == "orientation"


@pytest.mark.parametrize(("temperature", "serves"), [(-15.0, True), (-5.0, True), (-15.1, False)])
def test_s2_42_flats_and_dark_flats_serve_within_five_degrees(temperature: float, serves: bool) -> None:
    """Temperature is less critical for flats than for darks."""
    flat = match_light(light(), [make_master(FLAT, temperature=temperature)], SETTINGS).flat
    dark_flat = match_flat(flats(), [make_master(DARK_FLAT, temperature=temperature)], SETTINGS).calibration

    assert (flat is not None, dark_flat is not None) == (serves, serves)


def test_s2_43_a_dark_that_contains_the_bias_is_subtracted_alone() -> None:
    """Never the bias twice: neither from a flat nor from a light."""
    library = [make_master(BIAS, "bias.xisf"), make_master(DARK, "2.xisf", exposure=2.0), make_master(DARK)]

    flat, of_light = match_flat(flats(), library, SETTINGS), match_light(light(), library, SETTINGS)

    assert flat.calibration is not None and flat.calibration.bias is None
    assert of_light.dark is not None and of_light.bias is None
    assert "contains the bias" in decision(flat.decisions, "bias.xisf").reason


def test_the_bias_is_subtracted_from_a_light_where_no_dark_takes_it_along() -> None:
    """Alone where no dark serves; with the dark where the bias was removed from that."""
    bias, bare = make_master(BIAS, "bias.xisf"), make_master(DARK, "bare.xisf", calibration_state="B")

    alone, both = match_light(light(), [bias], SETTINGS), match_light(light(), [bias, bare], SETTINGS)

    assert (alone.bias, alone.dark) == (bias, None)
    assert (both.bias, both.dark, both.scale_dark) == (bias, bare, False)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_dark_of_another_exposure_serves_a_light_only_scaled_and_with_a_bias(allowed: bool) -> None:
    """S4-19: what is scaled is the dark current alone, and only where the settings allow it."""
    bias, shorter = make_master(BIAS, "bias.xisf"), make_master(DARK, "shorter.xisf", exposure=120.0)
    chosen = settings(scale_dark=allowed)

    found, without = match_light(light(), [bias, shorter], chosen), match_light(light(), [shorter], chosen)

    assert (found.bias, found.dark, found.scale_dark) == (bias, shorter if allowed else None, allowed)
    assert (without.dark, without.scale_dark) == (None, False)


def test_s2_57_a_later_dark_flat_is_preferred_to_a_nearer_earlier_one() -> None:
    """One hour before and two hours after: the later one, because of thermal drift."""
    before = make_master(DARK_FLAT, "before.xisf", started=DUSK - timedelta(hours=1))
    after = make_master(DARK_FLAT, "after.xisf", started=LAST_FLAT + timedelta(hours=2))

    found = match_flat(flats(), [before, after], SETTINGS)

    assert taken(found) == ["after.xisf"]
    refused = decision(found.decisions, "before.xisf")
    assert refused.field == "time"
    assert "1:00:00 h before the flats" in refused.reason and "2:00:00 h after the flats" in refused.reason
    assert taken(match_flat(flats(), [before, after], settings(prefer_later=False))) == ["before.xisf"]


def test_s2_64_masters_are_found_for_a_light() -> None:
    """A dark, and the flat of the nearest night."""
    dark = make_master(DARK)
    old = make_master(FLAT, "old.xisf", started=DUSK - timedelta(days=9))
    new = make_master(FLAT, "new.xisf", started=DUSK)

    found = match_light(light(), [dark, old, new], SETTINGS)

    assert (found.dark, found.flat, found.problems) == (dark, new, ())
    assert decision(found.decisions, "old.xisf").field == "time"


# --- S3: PULSAR ---------------------------------------------------------------------------------------------


def test_s3_04_a_bias_is_found_for_darks() -> None:
    """What makedark subtracts from each dark is judged like any other bias."""
    darks = Group(key=make_master(DARK).key, frames=())

    found = match_bias(darks, [make_master(BIAS, "bias.xisf"), make_master(BIAS, "other.xisf", gain=0.0)], SETTINGS)

    assert found.calibration is not None and found.calibration.bias is not None
    assert found.calibration.state == "B"
    assert decision(found.decisions, "other.xisf").reason == "gain 0, the darks have 100"
    assert match_bias(darks, [], SETTINGS).problem is not None


# --- S4: ap-master-calibration ------------------------------------------------------------------------------

AP = settings(use_dark_flats=False, scale_dark=True)


def test_s4_18_dates_and_filters_are_ignored() -> None:
    """A bias and a dark of years ago, with another filter in the header, serve."""
    old = {"started": DUSK - timedelta(days=1000), "filter": "Ha", "telescope": "other"}
    library = [make_master(BIAS, **old), make_master(DARK, exposure=2.0, **old)]

    assert match_flat(flats(), library, SETTINGS).rung == "dark"


@pytest.mark.parametrize(
    ("exposures", "chosen"),
    [
        pytest.param((2.0, 5.0, 10.0), 2.0, id="lower"),
        pytest.param((5.0, 10.0), 5.0, id="higher if necessary"),
        pytest.param((1.0, 2.9, 3.1), 2.9, id="nearest lower"),
        pytest.param((1.0, 3.0, 5.0), 3.0, id="equal"),
    ],
)
def test_s4_19_prefers_a_lower_or_equal_exposure_and_uses_a_higher_one_if_necessary(
    exposures: tuple[float, ...], chosen: float
) -> None:
    """For a flat of 3 s: of 2, 5 and 10 s the 2 s dark, of 5 and 10 s the 5 s dark, scaled, with a bias."""
    library = [make_master(BIAS), *(make_master(DARK, f"{e}.xisf", exposure=e) for e in exposures)]

    found = match_flat(flats(exposure=3.0), library, AP)

    assert found.calibration is not None and found.calibration.dark is not None
    assert found.calibration.dark.exposure == chosen
    assert found.calibration.scale_dark is (chosen != 3.0)
    assert (found.calibration.bias is not None) is (chosen != 3.0)
    others = [d for d in found.decisions if d.verdict == "refused" and d.subject != "master bias.xisf"]
    assert {d.field for d in others} == {"exposure"}


def test_s4_19_a_dark_of_another_exposure_needs_the_option_and_a_bias() -> None:
    """C-09: unscaled it would be wrong, and without a bias it cannot be scaled."""
    dark, bias = make_master(DARK, "dark.xisf", exposure=5.0), make_master(BIAS)

    unscaled = match_flat(flats(), [dark, bias], SETTINGS)
    without_bias = match_flat(flats(), [dark], AP)

    assert unscaled.rung == "bias"
    assert any("--scale-dark" in warning for warning in unscaled.warnings)
    assert without_bias.calibration is None
    assert without_bias.problem is not None and "takes a bias too" in without_bias.problem


def test_s4_22_the_message_lists_the_field_that_failed() -> None:
    """And what both sides have, how many were searched and where, and what would help."""
    library = [make_master(BIAS, "bias.xisf", gain=0.0), make_master(DARK, "dark.xisf", exposure=2.0, offset=10.0)]

    problem = match_flat(flats(), library, SETTINGS).problem

    assert problem == (
        "No dark flat, dark or bias serves flat 2 s, L, ZWO ASI2600MM Pro, Low Noise, gain 100, offset 50, -10 °C, "
        "bin 1x1, 16x12. 2 searched: 2 in the library /library/master. "
        "Nearest dark: dark.xisf (offset 10, the flats have 50). Nearest bias: bias.xisf (gain 0, the flats have 100). "
        "What would help: build one of these settings, name a library that has one (--dark-master-dir, "
        "--bias-master-dir) or go without (--allow-uncalibrated)"
    )


# --- resolutions of contradictions --------------------------------------------------------------------------


def test_c_08_the_ladder_takes_the_highest_rung_that_serves() -> None:
    """Dark flat in the window, dark flat, dark, scaled dark, bias, nothing: each when those above are gone."""
    ladder: list[Master] = [
        make_master(DARK_FLAT, "1 session.xisf", started=LAST_FLAT + timedelta(hours=1)),
        make_master(DARK_FLAT, "2 dark flat.xisf"),
        make_master(DARK, "3 dark.xisf", exposure=2.0),
        make_master(DARK, "4 scaled.xisf", exposure=1.0),
        make_master(BIAS, "5 bias.xisf"),
    ]

    rungs = [match_flat(flats(), ladder[i:], settings(scale_dark=True)) for i in range(6)]

    assert [r.rung for r in rungs] == ["dark flat", "dark flat", "dark", "scaled dark", "bias", "none"]
    assert [taken(r)[0] if taken(r) else None for r in rungs] == [*(m.path.name for m in ladder), None]


def test_c_08_the_ap_preset_starts_at_the_dark() -> None:
    """A dark flat is not looked at, and the decision says which setting did that."""
    library = [make_master(DARK_FLAT, "df.xisf"), make_master(DARK, "dark.xisf", exposure=2.0)]

    found = match_flat(flats(), library, AP)

    assert taken(found) == ["dark.xisf"]
    assert "--no-dark-flats" in decision(found.decisions, "df.xisf").reason
    assert found.warnings == ()


def test_c_11_a_dark_without_its_bias_takes_the_bias_with_it() -> None:
    """The dark's state says that the bias was removed: then the bias is subtracted too, or the dark is refused."""
    dark = make_master(DARK, "dark.xisf", exposure=2.0, calibration_state="B")

    both = match_flat(flats(), [dark, make_master(BIAS)], SETTINGS)
    alone = match_flat(flats(), [dark], SETTINGS)

    assert both.calibration is not None and both.calibration.state == "BD"
    assert both.calibration.dark is not None and both.calibration.dark.includes_bias is False
    assert alone.calibration is None
    assert decision(alone.decisions, "dark.xisf").field == "bias"


@pytest.mark.parametrize("library", [[], [make_master(BIAS)]], ids=["alone", "beside a bias"])
def test_a_dark_without_a_constant_takes_the_constant_with_it(library: list[Master]) -> None:
    """Not the bias: that is another number, and was not subtracted from the dark."""
    dark = make_master(DARK, "dark.xisf", exposure=2.0, calibration_state="B", constant=600.0)

    found = match_flat(flats(), [dark, *library], SETTINGS)

    assert found.calibration is not None
    assert (found.calibration.bias, found.calibration.constant, found.calibration.state) == (None, 600.0, "BD")
    assert "600 ADU" in decision(found.decisions, "dark.xisf").reason
    assert all("a constant was" in decision(found.decisions, bias.path.name).reason for bias in library)


def test_a_light_is_told_of_the_constant_of_its_dark() -> None:
    """No master holds it, and the bias is not it."""
    dark = make_master(DARK, "dark.xisf", exposure=300.0, calibration_state="B", constant=600.0)

    found = match_light(light(), [dark, make_master(BIAS)], SETTINGS, with_flat=False)

    assert (found.bias, found.dark) == (None, dark)
    assert any("600 ADU" in warning for warning in found.warnings)


def test_a_dark_without_a_constant_is_not_scaled() -> None:
    """What the constant has left of the bias level, or taken too much, does not scale."""
    dark = make_master(DARK, "dark.xisf", exposure=60.0, calibration_state="B", constant=600.0)

    assert match_flat(flats(), [dark, make_master(BIAS)], settings(scale_dark=True)).rung == "bias"


def test_c_18_sky_flats_of_mixed_exposures_have_no_dark_of_equal_exposure() -> None:
    """One dark cannot equal several exposures; scaled, S4's rule goes by the shortest."""
    frames = tuple(flat_frame(i, exposure=float(e)) for i, e in enumerate((4, 2, 3)))
    sky = Group(key=flats().key.model_copy(update={"exposure": None}), frames=frames)
    library = [make_master(DARK, f"{e}.xisf", exposure=float(e)) for e in (2, 3, 4)] + [make_master(BIAS)]

    plain, scaled = match_flat(sky, library, SETTINGS), match_flat(sky, library, settings(scale_dark=True))

    assert plain.rung == "bias"
    assert decision(plain.decisions, "2.xisf").reason == "exposure 2 s, the flats have 2 s to 4 s"
    assert (scaled.rung, taken(scaled)[0]) == ("scaled dark", "2.xisf")


@pytest.mark.parametrize("field", ["camera", "gain", "offset", "readout_mode", "set_temperature", "usb_limit"])
def test_c_26_absent_never_equals_a_known_value(field: str) -> None:
    """Neither on the master nor on the frame, unless unknown values are let pass, and then not silently."""
    known = {"usb_limit": 40.0, "sensor_temperature": None}
    absent = known | {field: None}

    for of_frame, of_master in ((known, absent), (absent, known)):
        frame, dark = light(**of_frame), make_master(DARK, "dark.xisf", **of_master)
        strict = match_light(frame, [dark], SETTINGS)
        lenient = match_light(frame, [dark], settings(lenient_unknown=True))

        assert strict.dark is None
        assert "--lenient-unknown" in strict.problems[1]
        assert lenient.dark == dark
        assert len(lenient.warnings) == 1 and "let pass" in lenient.warnings[0]
        assert "let pass" in lenient.decisions[0].reason


def test_c_26_absent_on_both_sides_is_equal() -> None:
    """A CCD without gain and offset has masters without them."""
    ccd = {"gain": None, "offset": None, "readout_mode": None}

    assert match_light(light(**ccd), [make_master(DARK, **ccd)], SETTINGS).dark is not None


@pytest.mark.parametrize(("hours", "taken"), [(0, "new.xisf"), (-1, "old.xisf")])
def test_a_promised_master_wins_a_tie_and_nothing_else(hours: int, taken: str) -> None:
    """So the next run, for which it is the youngest, decides the same; a master nearer in time serves all the same."""
    older = make_master(DARK_FLAT, "old.xisf", started=LAST_FLAT, created=LAST_FLAT + timedelta(days=1))
    promised = make_master(
        DARK_FLAT, "new.xisf", started=LAST_FLAT + timedelta(hours=hours), source="this run", job_id="dark-flat-1"
    )

    found = match_flat(flats(), [older, promised], SETTINGS)

    assert found.calibration is not None and found.calibration.dark is not None
    assert found.calibration.dark.path.name == taken


def test_c_07_a_master_promised_by_this_run_serves_like_any_other() -> None:
    """The best match wins wherever it comes from, and the job that will make it is named."""
    promised = make_master(
        DARK_FLAT, "new.xisf", started=LAST_FLAT, source="this run", job_id="dark-flat-1", status=MasterStatus.CANDIDATE
    )

    found = match_flat(flats(), [make_master(DARK_FLAT, "old.xisf"), promised], SETTINGS)

    assert found.calibration is not None and found.calibration.dark is not None
    assert found.calibration.dark.job_id == "dark-flat-1"
