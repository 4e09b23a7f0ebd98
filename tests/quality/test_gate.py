"""The gate publishes what is sound, advises where something drifts, and keeps back what cannot be right."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ap_masters.config import CullSettings, FlatSettings, QualitySettings
from ap_masters.model import Calibration, FrameType, MasterStatus, Recipe, Rejection
from ap_masters.quality import beyond, judge
from ap_masters.record import Finding, Measure, Record, Rejected
from tests.quality.seasons import make_inputs, make_key, make_record, make_statistics

SETTINGS = QualitySettings()


def judged(frame_type: FrameType = FrameType.DARK, **changes: Any) -> Record:
    return judge(make_record(frame_type, **changes), None, SETTINGS)


def of(findings: Sequence[Finding], metric: str) -> list[str]:
    return [f.severity for f in findings if f.metric == metric]


def compared(new: dict[str, Any], old: dict[str, Any], **settings: Any) -> Record:
    """Judge a dark with the statistics ``new`` against one with ``old``."""
    predecessor = judged(statistics=make_statistics(**old))
    return judge(make_record(statistics=make_statistics(**new)), predecessor, QualitySettings(**settings))


def test_a_sound_master_is_published_without_a_word() -> None:
    """Clean darks, biases and dark flats pass with their measures and no finding."""
    for frame_type in (FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT):
        record = judged(frame_type)

        assert record.status is MasterStatus.PUBLISHED
        assert record.findings == ()
        assert {"median", "hot pixels"} <= {m.name for m in record.measures}


@pytest.mark.parametrize(
    ("count", "severities"),
    [
        pytest.param(1100, [], id="10 % more"),
        pytest.param(1101, ["refresh"], id="beyond"),
        pytest.param(900, [], id="10 % fewer"),
        pytest.param(899, ["refresh"], id="fewer beyond"),
    ],
)
def test_hot_pixels_drift_beyond_ten_per_cent(count: int, severities: list[str]) -> None:
    """S0-16: 1000 -> 1101 is due, 1000 -> 1100 is not."""
    record = compared({"hot": count}, {"hot": 1000})

    assert of(record.findings, "hot pixels") == severities
    assert record.status is MasterStatus.PUBLISHED


@pytest.mark.parametrize(
    ("median", "severities"),
    [
        pytest.param(110.0, [], id="10 %"),
        pytest.param(110.1, ["refresh"], id="beyond 10 %"),
        pytest.param(115.0, ["refresh"], id="15 %"),
        pytest.param(115.1, ["service", "refuse"], id="beyond 15 %"),
        pytest.param(84.9, ["service", "refuse"], id="15 % lower"),
    ],
)
def test_a_median_drifts_in_two_severities(median: float, severities: list[str]) -> None:
    """S0-33: 100 -> 115.1 ADU is a service alert and kept back, 115.0 is refresh advice, 110.0 nothing."""
    record = compared({"median": median, "mean": 101.0}, {"median": 100.0, "mean": 101.0})

    assert of(record.findings, "median") == severities
    expected = MasterStatus.QUARANTINED if "refuse" in severities else MasterStatus.PUBLISHED
    assert record.status is expected


@pytest.mark.parametrize("metric", ["mean", "stddev"])
def test_mean_and_scatter_drift_too(metric: str) -> None:
    """S1-08, S1-25: any of them beyond 10 % advises an early refresh."""
    at_limit = compared({metric: 110.0}, {metric: 100.0})
    over = compared({metric: 110.1}, {metric: 100.0})

    assert of(at_limit.findings, metric) == []
    assert of(over.findings, metric) == ["refresh"]


def test_limits_can_be_set() -> None:
    """The document's 10 and 15 per cent are defaults."""
    record = compared({"hot": 1101}, {"hot": 1000}, refresh_percent=20)
    alert_only = compared({"median": 130.0}, {"median": 100.0}, service_refuses=False)
    no_gate = compared({"median": 130.0}, {"median": 100.0}, gate=False)

    assert record.findings == ()
    assert of(alert_only.findings, "median") == ["service"]
    assert alert_only.status is MasterStatus.PUBLISHED
    assert of(no_gate.findings, "median") == ["service", "refuse"]
    assert no_gate.status is MasterStatus.PUBLISHED


def test_a_handful_of_hot_pixels_may_flicker() -> None:
    """Of 20 hot pixels a few come and go with the noise; 20 -> 24 is no drift, 20 -> 40 is."""
    assert compared({"hot": 24}, {"hot": 20}).findings == ()
    assert of(compared({"hot": 40}, {"hot": 20}).findings, "hot pixels") == ["refresh"]


@pytest.mark.parametrize(
    "change",
    [
        {"gain": 0.0},
        {"offset": 10.0},
        {"exposure": 120.0},
        {"temperature": -15.0},
        {"readout_mode": "Low Noise"},
        {"camera": "ZWO ASI2600MM Pro"},
        {"camera_id": "A2"},
        {"iso": 800.0},
        {"x_binning": 2},
        {"y_binning": 2},
        {"width": 9000},
        {"height": 9000},
        {"usb_limit": 40.0},
        {"x_origin": 800},
        {"y_origin": 600},
        {"temperature": None},
    ],
    ids=str,
)
def test_only_equal_settings_are_compared(change: dict[str, Any]) -> None:
    """A master of other settings that stood in the same place says nothing about drift."""
    predecessor = judged(statistics=make_statistics(median=100.0), key=make_key(**change))

    assert judge(make_record(), predecessor, SETTINGS).findings == ()


def test_darks_with_and_without_bias_are_not_compared() -> None:
    """What was subtracted decides about the level."""
    subtracted = judged(statistics=make_statistics(median=3.0), calibration=Calibration(constant=500.0))

    assert judge(make_record(), subtracted, SETTINGS).findings == ()


def test_masters_of_different_numbers_of_frames_have_other_noise() -> None:
    """Scatter and hot pixels depend on the number of frames: told as a note, not as drift."""
    predecessor = judged(statistics=make_statistics(stddev=12.0, hot=1000), inputs=make_inputs([500.0] * 64))
    record = judge(make_record(statistics=make_statistics(stddev=14.0, hot=1300)), predecessor, SETTINGS)

    assert of(record.findings, "stddev") == ["note"]
    assert of(record.findings, "hot pixels") == ["note"]


def test_the_number_of_frames_is_reckoned_with_where_the_noise_is_known() -> None:
    """With the noise of one frame the predecessor's scatter is carried over to the new number of frames."""
    noise = Measure(name="frame noise", value=20.0, unit="ADU")
    fixed_pattern = 3.0

    def scatter(frames: int) -> float:
        return float((fixed_pattern**2 + noise.value**2 / frames) ** 0.5)

    before = judged(statistics=make_statistics(stddev=scatter(64)), inputs=make_inputs([500.0] * 64))
    sound = make_record(
        statistics=make_statistics(stddev=scatter(16)), inputs=make_inputs([500.0] * 16), measures=(noise,)
    )
    worse = sound.model_copy(update={"statistics": make_statistics(stddev=scatter(16) * 1.11)})

    assert of(judge(sound, before, SETTINGS).findings, "stddev") == []
    assert of(judge(worse, before, SETTINGS).findings, "stddev") == ["refresh"]


@pytest.mark.parametrize("bare", ["the master", "its predecessor"])
def test_what_was_measured_on_one_of_two_masters_does_not_drift(bare: str) -> None:
    """A record without statistics, as one of before or of another program, has nothing to compare."""
    whole, empty = judged(), judged().model_copy(update={"statistics": None, "measures": ()})
    new, old = (empty, whole) if bare == "the master" else (whole, empty)

    assert not {f.metric for f in judge(new, old, SETTINGS).findings} & {"median", "mean", "stddev", "hot pixels"}


def test_growing_amp_glow_advises_a_refresh() -> None:
    """S1-06: a glow a fifth brighter than last season is found, one a twentieth brighter is not."""

    def glow(height: float) -> dict[str, Any]:
        return {"shape": lambda x, y: height if x > 0.45 else 0.0}

    assert of(compared(glow(63), glow(60)).findings, "amp glow") == []
    assert of(compared(glow(72), glow(60)).findings, "amp glow") == ["refresh"]


@pytest.mark.parametrize(("offset", "found"), [(1.0, []), (1.01, ["refresh"]), (-1.01, ["refresh"])])
def test_a_cooler_that_stands_off_its_set_point(offset: float, found: list[str]) -> None:
    """S0-15: a change of more than 1 °C between set-point and sensor is due."""
    predecessor = judged()
    inputs = make_inputs(temperatures=[-10.0 + offset] * 32)
    record = judge(make_record(inputs=inputs), predecessor, SETTINGS)

    assert of(record.findings, "cooler offset") == found


@pytest.mark.parametrize("frame_type", [FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT])
def test_a_lit_dark_is_refused(frame_type: FrameType) -> None:
    """Beyond a tenth of full scale a dark saw light, or is a light with a dark's header."""
    at_limit = judged(frame_type, statistics=make_statistics(median=6553.5))
    lit = judged(frame_type, statistics=make_statistics(median=6554.0))
    one_frame = judged(frame_type, inputs=make_inputs([500.0] * 20 + [9000.0]))

    assert of(at_limit.findings, "level") == []
    assert of(lit.findings, "level") == ["refuse"]
    assert lit.status is MasterStatus.QUARANTINED
    assert "refuse" in of(one_frame.findings, "level")


def dimmer_corners(depth: float) -> Callable[[float, float], float]:
    """Return vignetting as ``make_statistics`` takes it: so many ADU less in the corners than in the middle."""
    return lambda across, down: -2 * depth * (across**2 + down**2)


@pytest.mark.parametrize(
    ("depth", "found"),
    [
        pytest.param(300.0, [], id="uneven"),
        pytest.param(650.0, ["warning"], id="suspect"),
        pytest.param(1400.0, ["refuse"], id="lit"),
    ],
)
def test_a_dark_shaped_like_a_flat_saw_light(depth: float, found: list[str]) -> None:
    """No dark falls off towards all its corners as light behind a lens does; a slightly warmer middle is none."""
    record = judged(statistics=make_statistics(median=4700, shape=dimmer_corners(depth)))

    assert of(record.findings, "vignetting") == found


@pytest.mark.parametrize(
    ("median", "shape"),
    [
        pytest.param(3000.0, lambda x, _: 9000 * max(0.0, x - 0.2), id="amp glow at an edge"),
        pytest.param(3000.0, lambda x, y: 20000 * max(0.0, x + y - 0.5), id="amp glow in a corner"),
        pytest.param(3000.0, lambda x, y: 8000 * (x * x + y * y), id="glow all around"),
        pytest.param(60.0, dimmer_corners(30), id="a low level"),
        pytest.param(6000.0, lambda x, _: 200 * x, id="warm and uncooled"),
    ],
)
def test_glow_is_no_vignetting(median: float, shape: Callable[[float, float], float]) -> None:
    """Amplifiers glow from the border inwards, and warm sensors are bright all over."""
    record = judged(statistics=make_statistics(median=median, shape=shape))

    assert of(record.findings, "vignetting") == []
    assert record.status is MasterStatus.PUBLISHED


@pytest.mark.parametrize(
    ("median", "found"),
    [(520.0, []), (900.0, []), (4748.0, ["refuse"])],
    ids=["as foretold", "in doubt", "far beyond"],
)
def test_a_dark_far_above_what_its_bias_and_other_darks_foretell_is_refused(median: float, found: list[str]) -> None:
    """Nothing but light, or another mode than the header says, makes a dark current fifty times as large."""
    foretold = Measure(name="foretold level", value=505.0, unit="ADU", error=25.0)

    record = judged(statistics=make_statistics(median=median), measures=(foretold,))

    assert of(record.findings, "level") == found
    if found:
        assert "4748 ADU, where bias and shorter darks of this mode foretell 505 ADU" in record.findings[0].message


def test_a_dark_that_more_was_subtracted_from_than_it_holds_is_told() -> None:
    """As by too large a constant; that half of a dark's samples are below zero once its bias is gone is no fault."""
    settled = judged(statistics=make_statistics(median=-1.0))
    negative = judged(statistics=make_statistics(median=-500.0))

    assert of(settled.findings, "median") == []
    assert of(negative.findings, "median") == ["warning"]
    assert negative.status is MasterStatus.PUBLISHED


def test_a_mixed_group_is_refused() -> None:
    """Frames of two levels do not belong into one master."""
    record = judged(inputs=make_inputs([500.0, 501.0] * 8 + [620.0, 621.0] * 8))

    assert of(record.findings, "level") == ["refuse"]
    assert "16 at 500" in record.findings[0].message
    assert record.status is MasterStatus.QUARANTINED


def test_warm_up_and_strays_are_named() -> None:
    """The user is told which frames to look at; the master is published."""
    warm = judged(inputs=make_inputs([514.0, 509.0] + [500.0] * 30))
    stray = judged(inputs=make_inputs([500.0] * 20 + [540.0] + [500.0] * 10))

    assert [(f.severity, f.value) for f in warm.findings] == [("warning", 2.0)]
    assert "dark é 000.fits, dark é 001.fits" in warm.findings[0].message
    assert "dark é 020.fits" in stray.findings[0].message
    assert warm.status is stray.status is MasterStatus.PUBLISHED


def test_a_master_that_lost_most_of_its_samples_is_refused() -> None:
    """Beyond one half of the samples rejected nothing is published, whatever the type and the algorithm."""
    for frame_type in (FrameType.DARK, FrameType.FLAT):
        half = judged(frame_type, rejected=Rejected(low=250, high=250, samples=1000))
        more = judged(frame_type, rejected=Rejected(low=250, high=251, samples=1000))

        assert "refuse" not in of(half.findings, "rejection")
        assert of(more.findings, "rejection") == ["refuse"]
        assert more.status is MasterStatus.QUARANTINED


def test_min_max_rejects_as_many_as_it_is_told_to() -> None:
    """One low and one high of three frames is what was asked for, and says nothing against them."""
    asked = Rejected(low=1000, high=1000, samples=3000)

    assert judged(rejected=asked, recipe=Recipe(rejection=Rejection.MINMAX)).status is MasterStatus.PUBLISHED


def test_an_odd_frame_of_few_is_named_and_not_called_noise() -> None:
    """Where one frame of four is off, it is named; more frames or another rejection would not mend it."""
    record = judged(
        inputs=make_inputs([503.0, 303.0, 503.0, 503.0]),
        rejected=Rejected(low=250, high=0, samples=1000),
        recipe=Recipe(rejection=Rejection.PERCENTILE),
    )

    assert [f.message for f in record.findings if f.severity == "warning"] == [
        "dark é 001.fits stands off the level of the others: 303.0 ADU"
    ]


def test_a_light_leak_is_found() -> None:
    """A plane of more than 5 % of the level is a warning; where the predecessor had none, it is refused."""
    leak = make_statistics(shape=lambda x, y: 25.5 * x, noise=random.Random(3))
    small = make_statistics(shape=lambda x, y: 24.5 * x, noise=random.Random(3))

    assert of(judged(statistics=small).findings, "gradient") == []
    assert of(judged(statistics=leak).findings, "gradient") == ["warning"]
    new = judge(make_record(statistics=leak), judged(), SETTINGS)
    known = judge(make_record(statistics=leak), judged(statistics=leak), SETTINGS)
    assert of(new.findings, "gradient") == ["refuse"]
    assert of(known.findings, "gradient") == ["warning"]


def test_a_gradient_within_the_pixel_noise_is_none() -> None:
    """Darks with the bias subtracted have a level near zero: 5 % of it is nothing."""
    tiny = make_statistics(median=2.0, sigma=2.5, shape=lambda x, y: 1.0 * x, noise=random.Random(3))

    assert of(judged(statistics=tiny).findings, "gradient") == []


@pytest.mark.parametrize(("worst", "found"), [(-9.7, []), (-9.69, ["warning"])])
def test_temperature_excursions_are_flagged(worst: float, found: list[str]) -> None:
    """S0-18, S1-04: beyond 0.3 °C, spread and distance to the set-point alike."""
    record = judged(inputs=make_inputs(temperatures=[-10.0] * 31 + [worst]))

    assert of(record.findings, "temperature spread") == found
    assert of(record.findings, "temperature excursion") == found


@pytest.mark.parametrize(("power", "found"), [(84.9, []), (85.0, ["warning"])])
def test_a_cooler_without_reserve_is_flagged(power: float, found: list[str]) -> None:
    """S0-20, S1-20: it has to stay below 85 % in every frame that tells."""
    inputs = tuple(
        e.model_copy(update={"cooler_power": p})
        for e, p in zip(make_inputs([500.0] * 3), (50, power, None), strict=True)
    )

    assert of(judged(inputs=inputs).findings, "cooler power") == found


@pytest.mark.parametrize(
    ("level", "found"),
    [(0.25, []), (0.55, []), (0.24, ["note"]), (0.56, ["note"]), (0.019, ["refuse"]), (0.901, ["refuse"])],
)
def test_the_level_of_a_flat(level: float, found: list[str]) -> None:
    """C-06: outside the recommended band a note, outside what can be used a refusal."""
    record = judged(FrameType.FLAT, statistics=make_statistics(median=65535 * level, sigma=300))

    assert of(record.findings, "flat level") == found


@pytest.mark.parametrize(
    ("exposed", "found"),
    [(0.25, []), (0.55, []), (0.24, ["note"]), (0.56, ["note"]), (0.019, ["refuse"]), (0.901, ["refuse"])],
)
def test_a_scaled_flat_has_the_level_that_its_frames_were_exposed_to(exposed: float, found: list[str]) -> None:
    """S3-21: PULSAR scales flats to 5000 ADU, which is the recipe's doing and tells nothing of their exposure."""
    statistics = make_statistics(median=5000.0, sigma=50)
    inputs = make_inputs([65535 * exposed] * 5)
    record = judged(FrameType.FLAT, statistics=statistics, recipe=Recipe(target_median=5000.0), inputs=inputs)

    assert of(record.findings, "flat level") == found


@pytest.mark.parametrize(
    ("target", "found"), [(1000.0, []), (1.0, []), (0.3, ["warning"]), (58000.0, []), (60000.0, ["refuse"])]
)
def test_a_target_median_that_can_hardly_be_meant_is_told(target: float, found: list[str]) -> None:
    """Beyond full scale the bright parts are lost; a share of full scale in place of ADU loses nothing."""
    statistics = make_statistics(median=target, sigma=target / 100)
    inputs = make_inputs([30000.0] * 5)
    record = judged(FrameType.FLAT, statistics=statistics, recipe=Recipe(target_median=target), inputs=inputs)

    assert of(record.findings, "flat level") == []
    assert of(record.findings, "median") == found


def test_vignetting_is_expected_and_a_lopsided_flat_is_not() -> None:
    """C-24: round fall-off passes, an asymmetry beyond 5 % and corners beyond 70 % down are warned of."""

    def flat(shape: Any) -> Record:
        return judged(FrameType.FLAT, statistics=make_statistics(median=25000, sigma=300, shape=shape))

    assert flat(lambda x, y: -20000 * (x * x + y * y)).findings == ()
    assert of(flat(lambda x, y: 2700 * x).findings, "asymmetry") == ["warning"]
    assert of(flat(lambda x, y: 2400 * x).findings, "asymmetry") == []
    assert of(flat(lambda x, y: -45000 * (x * x + y * y)).findings, "fall-off") == ["warning"]


def test_flats_are_not_compared_with_their_predecessor() -> None:
    """Their level is the lamp's, not the camera's."""
    before = judged(FrameType.FLAT, statistics=make_statistics(median=20000, sigma=300))
    record = judge(make_record(FrameType.FLAT, statistics=make_statistics(median=30000, sigma=300)), before, SETTINGS)

    assert record.findings == ()


def test_noise_gain_offset_and_rejection_are_judged() -> None:
    """Measures of pixel pairs that are in the record already are kept and judged."""

    def findings(*measured: Measure, **changes: Any) -> tuple[Finding, ...]:
        record = judge(make_record(measures=measured, **changes), None, SETTINGS)
        assert set(measured) <= set(record.measures)
        return record.findings

    theory = Measure(name="theoretical noise", value=2.0, unit="ADU")
    assert findings(theory, Measure(name="master noise", value=2.5, unit="ADU")) == ()
    assert of(findings(theory, Measure(name="master noise", value=2.51, unit="ADU")), "master noise") == ["warning"]
    gain = Measure(name="gain", value=0.28, unit="e-/ADU")
    assert findings(gain) == ()
    assert of(findings(gain, electrons_per_adu=0.25), "gain") == ["warning"]
    assert findings(gain, electrons_per_adu=0.26) == ()
    assert findings(Measure(name="clipped", value=0.1, unit="%")) == ()
    assert of(findings(Measure(name="clipped", value=0.2, unit="%")), "clipped") == ["warning"]
    (all_of_them,) = findings(Measure(name="clipped", value=99.97, unit="%"))
    assert all_of_them.message.startswith("100 % of the samples")
    noise = Rejected(low=10, high=161, samples=1000)
    percentile = Recipe(rejection=Rejection.PERCENTILE)
    assert of(findings(rejected=noise, recipe=percentile), "rejection") == ["warning"]
    assert findings(rejected=noise.model_copy(update={"high": 60}), recipe=percentile) == ()
    assert findings(rejected=noise, recipe=Recipe(rejection=Rejection.MINMAX)) == ()
    disagree = Rejected(low=1, high=1, samples=100, agree=False)
    assert of(findings(rejected=disagree), "rejection") == ["warning"]


def test_judging_twice_changes_nothing() -> None:
    """The gate's own measures are replaced, not doubled."""
    once = judged(inputs=make_inputs([514.0] + [500.0] * 31))

    assert judge(once, None, SETTINGS) == once


def test_settings_of_flats_and_temperatures_come_from_outside() -> None:
    """What the profile says of flat levels and excursions is what counts."""
    flat = make_record(FrameType.FLAT, statistics=make_statistics(median=0.30 * 65535, sigma=300))
    dark = make_record(inputs=make_inputs(temperatures=[-9.6] * 32))

    assert judge(flat, None, SETTINGS, flat=FlatSettings(recommended_low=0.45)).findings != ()
    assert judge(dark, None, SETTINGS, cull=CullSettings(warn_temperature_c=0.5)).findings == ()


def test_a_limit_is_strict_but_for_rounding() -> None:
    """The last digits of a floating point number decide nothing."""
    assert not beyond(1.1 * 0.3, 0.3, 10)
    assert not beyond(0.9 * 0.3, 0.3, 10)
    assert beyond(0.3301, 0.3, 10)
    assert beyond(1.0, 0.0, 10)
    assert not beyond(0.0, 0.0, 10)
