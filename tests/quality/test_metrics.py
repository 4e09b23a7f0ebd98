"""Each metric is measured in ADU and, where the gain is known, in electrons, with its method and its error."""

import math
import random
from typing import Any

import pytest

from ap_masters.model import FrameType
from ap_masters.quality import measures, value_of
from ap_masters.record import Measure, Rejected
from tests.quality.seasons import HEIGHT, WIDTH, make_inputs, make_record, make_statistics


def measured(name: str, frame_type: FrameType = FrameType.DARK, **changes: Any) -> Measure:
    found = value_of(measures(make_record(frame_type, **changes)), name)
    assert found is not None, name
    return found


def test_levels_are_told_in_adu() -> None:
    """Statistics are kept in [0, 1]; measures are in counts of the 16-bit range."""
    statistics = make_statistics(median=512.25, mean=513.5, stddev=20.5, sigma=3.25)

    assert measured("median", statistics=statistics).value == pytest.approx(512.25)
    assert measured("mean", statistics=statistics).value == pytest.approx(513.5)
    assert measured("stddev", statistics=statistics).value == pytest.approx(20.5)
    assert measured("robust sigma", statistics=statistics).value == pytest.approx(3.25)


def test_noise_is_told_in_electrons_where_the_gain_is_known() -> None:
    """The header's e-/ADU scales; without it nothing is claimed."""
    without = measured("stddev", statistics=make_statistics(stddev=20.0))
    stated = make_record(statistics=make_statistics(stddev=20.0), electrons_per_adu=0.25)

    assert (without.physical, without.physical_unit) == (None, None)
    assert value_of(measures(stated), "stddev") == without.model_copy(update={"physical": 5.0, "physical_unit": "e-"})


def test_the_warm_fraction_of_an_imx455_is_reported(count: int = round(0.00024 * WIDTH * HEIGHT)) -> None:
    """S0-01: 0.024 % warm pixels are reported as that fraction."""
    found = measured("warm fraction", statistics=make_statistics(hot=count))

    assert found.value == pytest.approx(0.024, rel=0.001)
    assert measured("hot pixels", statistics=make_statistics(hot=count)).value == count


@pytest.mark.parametrize("seed", range(5))
def test_a_light_leak_is_measured_within_its_error(seed: int) -> None:
    """A plane of 12 by 5 ADU on noisy blocks comes out within three times the stated error."""
    statistics = make_statistics(shape=lambda x, y: 12 * x - 5 * y, noise=random.Random(seed))

    found = measured("gradient", statistics=statistics)

    assert found.error is not None
    assert 0 < found.error < 0.5
    assert abs(found.value - 17) < 3 * found.error


@pytest.mark.parametrize("seed", range(5))
def test_amp_glow_is_measured_per_second_within_its_error(seed: int) -> None:
    """A glow of 60 ADU that fades from the right edge within a tenth of the width, in 300 s."""
    statistics = make_statistics(shape=lambda x, y: 60 * math.exp((x - 0.5) / 0.1), noise=random.Random(seed))
    expected = 60 * math.exp(-0.5 / 16 / 0.1)  # in the middle of the last column of blocks

    found = measured("amp glow", statistics=statistics)

    assert found.error is not None
    assert found.unit == "ADU/s"
    assert "right" in found.method
    assert found.value == pytest.approx(expected / 300, abs=4 * found.error + 0.02 * expected / 300)


def test_a_sensor_without_glow_shows_none_beyond_its_error() -> None:
    """The brightest of twelve zones of noise stands at most a few errors above the centre."""
    found = measured("amp glow", statistics=make_statistics(noise=random.Random(1)))

    assert found.error is not None
    assert abs(found.value) < 5 * found.error


def test_banding_is_what_white_noise_does_not_explain() -> None:
    """Row medians that scatter by 1.5 ADU more are 1.5 ADU of banding; a gradient is not banding."""
    banded = make_statistics(banding=1.5)
    tilted = make_statistics(shape=lambda x, y: 10 * y, banding=10 / math.sqrt(12))

    assert measured("row banding", statistics=banded).value == pytest.approx(1.5, rel=1e-3)
    assert measured("column banding", statistics=banded).value == pytest.approx(0.0, abs=1e-3)
    assert measured("row banding", statistics=tilted).value == pytest.approx(0.0, abs=0.05)


def test_a_flat_is_measured_as_a_flat() -> None:
    """Level, spread, fall-off and asymmetry belong to flats; warm pixels and glow do not."""
    statistics = make_statistics(
        median=32000, stddev=3000, sigma=2500, shape=lambda x, y: -12800 * (x * x + y * y), hot=3, peak=51000
    )
    found = {m.name: m for m in measures(make_record(FrameType.FLAT, statistics=statistics))}

    assert found["flat level"].value == pytest.approx(48.83, abs=0.01)
    assert found["flat spread"].value == pytest.approx(0.0458, abs=1e-4)
    assert found["fall-off"].value == pytest.approx(17.5, abs=0.5)
    assert found["asymmetry"].value == pytest.approx(0.0, abs=1e-6)
    assert found["peak"].value == pytest.approx(77.8, abs=0.1)
    assert not {"warm fraction", "amp glow", "warm-up frames"} & set(found)


def test_temperatures_of_the_frames_are_summed_up() -> None:
    """Spread, largest excursion from the set-point, and the mean offset of the cooler."""
    inputs = make_inputs([500.0] * 4, temperatures=[-9.5, -10.0, -10.1, -9.8])

    assert measured("temperature spread", inputs=inputs).value == pytest.approx(0.6)
    assert measured("temperature excursion", inputs=inputs).value == pytest.approx(0.5)
    assert measured("cooler offset", inputs=inputs).value == pytest.approx(0.15)


def test_what_the_frames_do_not_tell_is_left_out() -> None:
    """No temperatures, no levels, no rejection, no exposure: no measure of them, rather than a zero."""
    inputs = tuple(e.model_copy(update={"outcome": None}) for e in make_inputs([500.0] * 4, set_temperature=None))
    names = {m.name for m in measures(make_record(FrameType.BIAS, inputs=inputs))}

    assert not names & {
        "temperature spread",
        "cooler offset",
        "level spread",
        "warm-up frames",
        "rejected low",
        "amp glow",
    }
    assert {"median", "hot pixels", "gradient"} <= names


def test_rejected_fractions_are_told() -> None:
    """Per cent of all samples that went into the integration."""
    rejected = Rejected(low=5, high=20, samples=10_000)

    assert measured("rejected low", rejected=rejected).value == pytest.approx(0.05)
    assert measured("rejected high", rejected=rejected).value == pytest.approx(0.2)


def test_a_record_without_statistics_has_no_measures() -> None:
    """A draft is not measured."""
    assert measures(make_record(statistics=None)) == ()


def test_every_measure_says_how_it_was_measured() -> None:
    """The method stands beside the number."""
    for frame_type in (FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT, FrameType.FLAT):
        assert all(m.method for m in measures(make_record(frame_type)))
