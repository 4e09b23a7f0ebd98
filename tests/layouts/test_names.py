"""Names as the documents print them."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ap_masters import layouts, texts
from ap_masters.layouts import LAYOUTS, render
from ap_masters.layouts.tokens import TOKENS
from ap_masters.model import FrameType
from tests.layouts.namings import BIAS, DARK, DARK_FLAT, FLAT, naming

S4: dict[str, Any] = {"camera": "ASI294MC", "temperature": -10.0, "gain": 100.0, "offset": 10.0}
S2: dict[str, Any] = {
    "camera": "QHY600M",
    "telescope": 'Edge HD 8"',
    "gain": 56.0,
    "offset": 10.0,
    "temperature": -10.0,
    "x_binning": 1,
    "y_binning": 1,
    "first": date(2025, 11, 10),
}
S1: dict[str, Any] = {"gain": 100.0, "offset": 50.0, "temperature": -10.0, "first": date(2025, 9, 23)}
S0: dict[str, Any] = {"gain": 0.0, "offset": 50.0, "temperature": -10.0, "first": date(2026, 3, 1)}
S3: dict[str, Any] = {"first": date(2024, 5, 20)}
WBPP: dict[str, Any] = {"x_binning": 1, "y_binning": 1, "width": 6248, "height": 4176}
SETUP = "Edge_HD_8__QHY600M"


@pytest.mark.parametrize(
    ("layout", "frame_type", "values", "path"),
    [
        # S4-14, the README of ap-master-calibration
        ("ap", BIAS, S4, "master/masterBias_INSTRUME_ASI294MC_SET-TEMP_-10_GAIN_100_OFFSET_10.xisf"),
        (
            "ap",
            BIAS,
            S4 | {"readout_mode": "Low Conversion Gain"},
            "master/masterBias_INSTRUME_ASI294MC_SET-TEMP_-10_GAIN_100_OFFSET_10_READOUTM_Low-Conversion-Gain.xisf",
        ),
        (
            "ap",
            DARK,
            S4 | {"exposure": 300.0},
            "master/masterDark_INSTRUME_ASI294MC_SET-TEMP_-10_GAIN_100_OFFSET_10_EXPOSURE_300.xisf",
        ),
        (
            "ap",
            FLAT,
            S4 | {"filter": "L", "first": date(2026, 1, 29)},
            "master/masterFlat_INSTRUME_ASI294MC_SET-TEMP_-10_GAIN_100_OFFSET_10_DATE-OBS_2026-01-29_FILTER_L.xisf",
        ),
        # S2-11, S2-33 .. S2-38
        (
            "anawbpps",
            BIAS,
            S2,
            f"!!!BIASES_LIB/{SETUP}/BIASES_2025_11_10/{SETUP}_MasterBias_0s_Gain56_Offset10_1x1_-10C.xisf",
        ),
        (
            "anawbpps",
            DARK,
            S2 | {"exposure": 120.0},
            f"!!!DARKS_LIB/{SETUP}/DARKS_2025_11_10/{SETUP}_MasterDark_120s_Gain56_Offset10_1x1_-10C.xisf",
        ),
        (
            "anawbpps",
            DARK_FLAT,
            S2 | {"exposure": 0.5},
            f"!!!DARKFLATS_LIB/{SETUP}/DARKFLATS_2025_11_10/{SETUP}_MasterDarkFlat_0.5s_Gain56_Offset10_1x1_-10C.xisf",
        ),
        (
            "anawbpps",
            FLAT,
            S2 | {"exposure": 2.0, "filter": "B"},
            f"!!!FLATS_LIB/{SETUP}/FLATS_2025_11_10/{SETUP}_MasterFlat_B_Gain56_Offset10_1x1_-10C.xisf",
        ),
        # S0-29
        ("playbook", DARK, S0 | {"exposure": 120.0}, "darks/120s_-10_g0_o50/master_dark_2026-03-01.xisf"),
        # S1-12, S1-15 .. S1-17
        ("nina", BIAS, S1, "2025-09-23/bias/master-bias_GAIN100_OFFSET50_T-10C.fit"),
        ("nina", DARK, S1 | {"exposure": 180.0}, "2025-09-23/dark-180s/master-dark_180s_GAIN100_OFFSET50_T-10C.fit"),
        (
            "nina",
            DARK_FLAT,
            S1 | {"exposure": 5.4, "filter": "Ha"},
            "2025-09-23/darkflat-5p4s/master-darkflat_Ha_5p4s_GAIN100_OFFSET50_T-10C.fit",
        ),
        # S3-08, S3-09, S3-16, S3-23
        ("pulsar", BIAS, S3, "2024_05_20/bias.fit"),
        ("pulsar", DARK, S3 | {"exposure": 120.0}, "2024_05_20/dark120s.fit"),
        ("pulsar", DARK, S3 | {"exposure": 0.5}, "2024_05_20/dark500ms.fit"),
        ("pulsar", DARK, S3 | {"exposure": 1.5}, "2024_05_20/dark1500ms.fit"),
        ("pulsar", FLAT, S3 | {"filter": "L"}, "2024_05_20/flat_l.fit"),
        ("pulsar", FLAT, S3 | {"filter": "H-alpha"}, "2024_05_20/flat_h.fit"),
        ("pulsar", FLAT, S3 | {"filter": "Hα"}, "2024_05_20/flat_h.fit"),
        # WBPP 3.0.1, names quoted from public libraries
        ("wbpp", BIAS, WBPP, "master/masterBias_BIN-1_6248x4176.xisf"),
        ("wbpp", DARK, WBPP | {"exposure": 300.0}, "master/masterDark_BIN-1_6248x4176_EXPOSURE-300.00s.xisf"),
        ("wbpp", FLAT, WBPP | {"filter": "B"}, "master/masterFlat_BIN-1_6248x4176_FILTER-B_mono.xisf"),
        (
            "wbpp",
            FLAT,
            WBPP | {"bayer_pattern": "RGGB"},
            "master/masterFlat_BIN-1_6248x4176_FILTER-NoFilter_CFA.xisf",
        ),
        (
            "wbpp",
            DARK,
            WBPP | {"exposure": 300.0, "gain": 100.0, "offset": 50.0, "temperature": -10.0},
            "master/masterDark_BIN-1_6248x4176_EXPOSURE-300.00s_GAIN-100_OFFSET-50_SETTEMP--10.xisf",
        ),
        # Siril's documentation of path parsing
        (
            "siril",
            DARK,
            {"exposure": 120.0, "gain": 120.0, "offset": 30.0, "temperature": -10.0, "x_binning": 1},
            "DARK_120s_G120_O30_T-10C_bin1.fit",
        ),
    ],
)
def test_names_are_those_of_the_documents(
    layout: str, frame_type: FrameType, values: dict[str, Any], path: str
) -> None:
    """Byte for byte, with a slash on every system."""
    assert render(layout, naming(frame_type, **values)).as_posix() == path


def test_absent_values_have_labels() -> None:
    """S2-59, C-26: a master without a temperature is filed as NO_TEMP, not as 0 °C."""
    nothing = {layout: render(layout, naming(DARK)).as_posix() for layout in LAYOUTS}

    assert nothing == {
        "ap": "master/masterDark_NO_CAMERA_NO_TEMP_NO_GAIN_NO_OFFSET_NO_EXPOSURE.xisf",
        "anawbpps": "!!!DARKS_LIB/NO_TELESCOPE_NO_CAMERA/DARKS_NO_DATE/"
        "NO_TELESCOPE_NO_CAMERA_MasterDark_NO_EXPOSURE_NO_GAIN_NO_OFFSET_NO_BINNING_NO_TEMP.xisf",
        "playbook": "darks/NO_EXPOSURE_NO_TEMP_NO_GAIN_NO_OFFSET/master_dark_NO_DATE.xisf",
        "nina": "NO_DATE/dark-NO_EXPOSURE/master-dark_NO_EXPOSURE_NO_GAIN_NO_OFFSET_NO_TEMP.fit",
        "pulsar": "NO_DATE/darkNO_EXPOSURE.fit",
        "wbpp": "master/masterDark_NO_BINNING_NO_SIZE_NO_EXPOSURE.xisf",
        "siril": "DARK_NO_EXPOSURE_NO_GAIN_NO_OFFSET_NO_TEMP_NO_BINNING.fit",
        "livestack": "DARK_NO_EXPOSURE_NO_GAIN_NO_OFFSET_NO_TEMP_NO_BINNING_NO_SIZE.fits",
    }


@pytest.mark.parametrize(
    ("change", "piece"),
    [
        ({"x_binning": 2, "y_binning": 2}, "_BINNING_2x2"),
        ({"usb_limit": 40.0}, "_USBLIMIT_40"),
        ({"y_origin": 600}, "_WINDOW_0-600"),
        ({"camera_id": "7b3c"}, "_CAMERAID_7b3c"),
        ({"iso": 800.0}, "_ISOSPEED_800"),
        ({"readout_mode": "High Gain"}, "_READOUTM_High-Gain"),
    ],
)
def test_in_the_default_layout_common_differences_have_names_of_their_own(change: dict[str, Any], piece: str) -> None:
    """What S4's name leaves out stands in it where it is known, and 1x1 never does."""
    plain = render("ap", naming(BIAS, **S4, x_binning=1, y_binning=1))
    other = render("ap", naming(BIAS, **(S4 | {"x_binning": 1, "y_binning": 1} | change)))

    assert piece in other.name
    assert "BINNING" not in plain.name
    assert plain.as_posix().casefold() != other.as_posix().casefold()


@pytest.mark.parametrize("layout", ["ap", "wbpp"])
def test_flats_of_two_angles_of_a_rotator_have_names_of_their_own(layout: str) -> None:
    """Both may be taken in one night; without a rotator, the name is as it ever was."""
    plain, zero, right = (render(layout, naming(FLAT, **S4, rotation=angle)).name for angle in (None, 0.2, 90.0))

    assert "ROTATANG" not in plain
    assert [name.split("ROTATANG")[1][1:] for name in (zero, right)] == ["0.xisf", "90.xisf"]


@pytest.mark.parametrize(
    ("seconds", "spelled"),
    [
        (300.0, ("300", "300", "300s", "300.00")),
        (0.5, ("0.5", "0p5", "500ms", "0.50")),
        (6.24656, ("6.24656", "6p24656", "6246.56ms", "6.24656")),
        (0.000032, ("0.000032", "0p000032", "0.032ms", "0.000032")),
        (0.00100000004749745, ("0.001", "0p001", "1ms", "0.001")),
        (0.0, ("0", "0", "0s", "0.00")),
        (1200.0, ("1200", "1200", "1200s", "1200.00")),
    ],
)
def test_exposures_are_spelled_without_exponents_and_never_rounded_to_hundredths(
    seconds: float, spelled: tuple[str, ...]
) -> None:
    """0.001 and 0.004 s are two exposures; ASIAIR's 0.00100000004749745 is one with 0.001."""
    named = naming(DARK, exposure=seconds)

    names = ("exposure", "exposure:p", "exposure:ms", "exposure:00")
    assert tuple(TOKENS[name].spell(named, texts.PLAIN) for name in names) == spelled
    assert [TOKENS[n].read(s)["exposure"] for n, s in zip(names, spelled, strict=True)] == [round(seconds, 6)] * 4


@pytest.mark.parametrize(
    ("value", "spelled"),
    [(-10.0, "-10"), (-9.7878, "-9.79"), (-0.001, "0"), (float("nan"), "NO_TEMP"), (float("-inf"), "NO_TEMP")],
)
def test_temperatures_are_spelled_to_the_hundredth(value: float, spelled: str) -> None:
    """No -0, and what is not a number is absent."""
    assert f"_{spelled}_" in render("playbook", naming(BIAS, temperature=value, gain=0.0)).as_posix()


@pytest.mark.parametrize(
    ("layout", "suffix", "scale"),
    [
        ("ap", ".xisf", "unit"),
        ("anawbpps", ".xisf", "unit"),
        ("playbook", ".xisf", "unit"),
        ("nina", ".fit", "unit"),
        ("pulsar", ".fit", "adu"),
        ("wbpp", ".xisf", "unit"),
        ("siril", ".fit", "unit"),
        ("livestack", ".fits", "unit"),
        ("{{ type }}/{{ camera }}", ".xisf", "unit"),
        ("{{ type }}/{{ camera }}.FIT", ".fit", "unit"),
    ],
)
def test_each_layout_has_a_format_and_a_scale(layout: str, suffix: str, scale: str) -> None:
    """What its tool chain reads; another suffix can be asked for (C-22)."""
    named = naming(DARK, **S4, exposure=10.0)

    assert (layouts.suffix_of(layout), layouts.scale_of(layout)) == (suffix, scale)
    assert render(layout, named).suffix == suffix
    assert render(layout, named, suffix=".fits").name.endswith(".fits")


def test_pulsars_cosmetic_list_stands_beside_its_dark() -> None:
    """S3-08: cosme120s.lst for dark120s.fit."""
    assert layouts.cosmetic_list(Path("2024_05_20/dark120s.fit")) == Path("2024_05_20/cosme120s.lst")


@pytest.mark.parametrize(("angle", "spelled"), [(0.3, "0"), (359.7, "0"), (90.2, "90"), (-90.0, "270")])
def test_angles_that_are_one_have_one_name(angle: float, spelled: str) -> None:
    """A rotator that was not moved comes back a little off."""
    named = naming(FLAT, rotation=angle)

    assert render("{{ type }}_{{ rotation }}", named).stem == f"flat_{spelled}"
