"""File and folder names: what they tell where a header is silent, and what they must not be taken for."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ap_masters.headers.names import (
    date_in_name,
    folder_hint,
    is_master_name,
    numbers_in,
    stem_of,
    texts_in,
    type_in,
)
from ap_masters.headers.targets import may_be_a_target
from ap_masters.model import FrameType

NAMES = {
    "masterDark_BIN-1_6248x4176_EXPOSURE-300.00s_GAIN-100_OFFSET-50_SETTEMP--10": (
        FrameType.DARK,
        {"exposure": 300, "gain": 100, "offset": 50, "temperature": -10, "binning": 1},
        {},
    ),
    "masterFlat_BIN-1_6248x4176_FILTER-LPro_CFA_FLAT-10ms": (
        FrameType.FLAT,
        {"exposure": 0.01, "binning": 1},
        {"filter": "LPro"},
    ),
    "masterDark_INSTRUME_ASI2600MM_SET-TEMP_-10_GAIN_100_OFFSET_50_READOUTM_High Gain_Mode_EXPOSURE_300": (
        FrameType.DARK,
        {"exposure": 300, "gain": 100, "offset": 50, "temperature": -10},
        {"camera": "ASI2600MM", "readout_mode": "High Gain_Mode"},
    ),
    "masterFlat_INSTRUME_ASI294MC_DATE-OBS_2026-01-29_FILTER_L": (
        FrameType.FLAT,
        {},
        {"camera": "ASI294MC", "filter": "L"},
    ),
    "masterFlat_INSTRUME_ASI294MC_DATE-OBS_2026-01-29_FILTER_Ha_ROTATANG_30": (
        FrameType.FLAT,
        {},
        {"camera": "ASI294MC", "filter": "Ha"},
    ),
    "masterFlat_INSTRUME_ASI294MC_DATE-OBS_2026-01-29_FILTER_Ha_OIII_20261121_165536_2": (
        FrameType.FLAT,
        {},
        {"camera": "ASI294MC", "filter": "Ha_OIII"},
    ),
    "master-darkflat_Ha_5p4s_GAIN100_OFFSET050_T-10C": (
        FrameType.DARK_FLAT,
        {"exposure": 5.4, "gain": 100, "offset": 50, "temperature": -10},
        {},
    ),
    "Edge_HD_8__QHY600M_MasterDark_120s_Gain56_Offset10_1x1_-10C": (
        FrameType.DARK,
        {"exposure": 120, "gain": 56, "offset": 10, "temperature": -10, "binning": 1},
        {},
    ),
    "EDGE_QHY600M_MasterDarkFlat_2025_01_02_L_HIGH_G56_OS10_U5_Bin1x1_000.5s_-10C": (
        FrameType.DARK_FLAT,
        {"exposure": 0.5, "gain": 56, "offset": 10, "temperature": -10, "binning": 1},
        {},
    ),
    "dark_exp_60.000000_gain_60_bin_1_20C_stack_8": (
        FrameType.DARK,
        {"exposure": 60, "gain": 60, "temperature": 20, "binning": 1, "combined": 8},
        {},
    ),
    "flat_gain_2_bin_1_ir_1": (FrameType.FLAT, {"gain": 2, "binning": 1}, {"filter": "Astro"}),
    "master_dark_32x300s_at_-10C_2024-01-01": (
        FrameType.DARK,
        {"exposure": 300, "temperature": -10, "combined": 32},
        {},
    ),
    "MasterFlat_Stack20_50.0ms_Bin1_2600MC_filter-NoFilter_gain100_20250221_1.6C": (
        FrameType.FLAT,
        {"exposure": 0.05, "gain": 100, "temperature": 1.6, "binning": 1, "combined": 20},
        {"filter": "NoFilter"},
    ),
    "Superbias": (FrameType.BIAS, {}, {}),
    "masterdark_300s": (FrameType.DARK, {"exposure": 300}, {}),
    "MASTERDARK_300s": (FrameType.DARK, {"exposure": 300}, {}),
    "masterdarkflat_Ha": (FrameType.DARK_FLAT, {}, {}),
    "masteroffset_ISO800": (FrameType.BIAS, {}, {}),
    "master-dark": (FrameType.DARK, {}, {}),
    "dark_master_300s": (FrameType.DARK, {"exposure": 300}, {}),
    "dark300s_master": (FrameType.DARK, {}, {}),
    "Dark_Master": (FrameType.DARK, {}, {}),
    "Dark300sMaster": (FrameType.DARK, {}, {}),
    "biasmaster": (FrameType.BIAS, {}, {}),
    "M31 flat L (master)": (FrameType.FLAT, {}, {}),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_masters(name: str) -> None:
    """The names other programs give to masters tell what those programs leave out of the header."""
    kind, numbers, texts = NAMES[name]

    assert is_master_name(name)
    assert type_in(name) == kind
    assert {field: hint.value for field, hint in numbers_in(name).items()} == pytest.approx(numbers)
    assert texts_in(name) == texts


@pytest.mark.parametrize(
    "name",
    [
        "DARK_120s_G120_O30_T-10C_bin1",
        "darkflat_0.5s_001",
        "mastertel_dark_0001",
        "Ringmaster_flat",
        "Chessmaster_dark_001",
        "Skymaster_flat_L",
        "SkyMaster_dark_001",
        "dark_1_frames",
        "dark_frames_0020",
        "dark_001_SkyMaster",
        "webmaster-2024",
        "dark_for_master_001",
        "2026-01-29_22-00-00_Dark_-10.00_300.00s_0001",
        "raw_15s_130_0000_20251031-054306711_16C",
        "dark_gain_100_001",
    ],
)
def test_names_of_raw_frames(name: str) -> None:
    """A raw frame is not taken for a master because of its name."""
    assert not is_master_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("tres1-001d", "6248x4176", "M31_OIII_L4", "DARK_0001", "NGC-G120x"),
        # A letter and a counter: g may be green and the number the frame's, each of which would be a group of its own.
        *("g001", "G0001", "g1", "flat_g1", "flat-g12", "flat_o1", "g001_flat", "flat_2_o007", "Flat_001C"),
    ],
)
def test_what_only_looks_like_a_setting_is_none(name: str) -> None:
    """Neither a target's name, nor a size, nor a counter."""
    assert numbers_in(name) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dark_G120_001", {"gain": 120}),
        ("DARK_G100_O50", {"gain": 100, "offset": 50}),
        ("o50_g100", {"gain": 100, "offset": 50}),
        ("300s_g100", {"exposure": 300, "gain": 100}),
        ("masterBias_G100", {"gain": 100}),
        ("bias_gain100", {"gain": 100}),
        ("bias_g0_o4_001", {"gain": 0, "offset": 4}),
        ("dark_0C", {"temperature": 0}),
        ("dark_-05C", {"temperature": -5}),
    ],
)
def test_settings_in_short_are_read(name: str, expected: dict[str, float]) -> None:
    """A gain or offset by its letter counts before a counter, beside another setting, and in a master's name."""
    assert {field: hint.value for field, hint in numbers_in(name).items()} == expected


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("FLAT_FILTER_Ha_0001", {"filter": "Ha"}),
        ("FLAT_FILTER_L_eNhance_0001", {"filter": "L_eNhance"}),
        ("FLAT_FILTER_OIII_3nm_0001", {"filter": "OIII_3nm"}),
        ("FLAT_FILTER_Ha-0001", {"filter": "Ha"}),
        ("FILTER_Ha_2026-01-29_22-00-00_-10.00_2.00s_0001", {"filter": "Ha"}),
        ("FILTER_L_EXP_300_PANEL_1", {"filter": "L"}),
        ("INSTRUME_ASI2600MM_FILTER_S2_1x1_0001", {"camera": "ASI2600MM", "filter": "S2"}),
        ("flat_FILTER-Ha_0001", {"filter": "Ha"}),
        ("masterFlat_TELESCOP_RedCat_51_FILTER_L", {"telescope": "RedCat_51", "filter": "L"}),
    ],
)
def test_a_text_in_a_name_ends_where_the_numbers_of_the_frame_begin(name: str, texts: dict[str, str]) -> None:
    """Else each frame would have a filter of its own; in the name of a master another pair follows."""
    assert texts_in(name) == texts


@given(st.text(alphabet="abdfgimostxEGM0123456789._- ", max_size=60))
@settings(deadline=None)
def test_no_name_raises(name: str) -> None:
    """Any name can be read."""
    numbers_in(name)
    texts_in(name)
    type_in(name)
    is_master_name(name)
    date_in_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("x_2026-01-29_y", "2026-01-29"), ("x_2026_01_29", "2026-01-29"), ("20250221_1", "2025-02-21"), ("123456", None)],
)
def test_dates_in_names(name: str, expected: str | None) -> None:
    """A date is found with dashes, underscores or nothing between its parts."""
    assert date_in_name(name) == expected


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.b.fits", "a.b"),
        ("a.FIT", "a"),
        ("a.fits.gz", "a"),
        ("a.fit.fz", "a"),
        ("a.xisf", "a"),
        ("dark_0.5s.fts", "dark_0.5s"),
    ],
)
def test_suffixes_are_no_part_of_the_name(name: str, stem: str) -> None:
    """The suffixes of images go, also two of them; the point of a number stays."""
    assert stem_of(Path(name)) == stem


def test_the_nearest_folder_counts() -> None:
    """Of nested folders the nearest that names a type is believed, and none above the root."""
    root = Path("/data/flats")

    def hint(folder: str) -> FrameType | None:
        found = folder_hint(Path(folder), root)
        return found.type if found else None

    assert hint("/data/flats/2026-01-29/darks/300s") is FrameType.DARK
    assert hint("/data/flats/2026-01-29") is FrameType.FLAT
    assert folder_hint(Path("/data/bias/night"), Path("/data/bias/night")) is None
    assert hint("/elsewhere/bias") is FrameType.BIAS


@pytest.mark.parametrize("kind", ["dark", "flat", "bias"])
def test_sharpcap_counts_what_it_has_stacked(kind: str) -> None:
    """The name is all that tells the darks and flats that it makes for its own use from single frames."""
    name = f"{kind}_20_frames_-10.0C_2026-01-30T03_00_00"

    assert is_master_name(name)
    assert numbers_in(name)["combined"].value == 20
    assert numbers_in(name)["temperature"].value == -10


def test_a_folder_of_a_time_is_not_the_last_word() -> None:
    """SharpCap puts each run into a folder of its time: Light/21_30_00 given by itself is one of lights."""

    def hint(folder: str) -> FrameType | None:
        found = folder_hint(Path(folder), Path(folder))
        return found.type if found else None

    assert hint("/data/M31/Light/21_30_00") is FrameType.LIGHT
    assert hint("/data/darks/2026-01-29/21_30_00") is FrameType.DARK
    assert hint("/data/darks/M31/21_30_00") is None, "M31 is a name, and nothing above it counts"
    assert hint("/21_30_00") is None


@pytest.mark.parametrize(
    "name", ["LDN1235 Dark Shark", "Dark_Shark_0001", "DarkWolf", "Sh2-129 dark-tower 300s", "Horsehead Dark Nebula"]
)
def test_a_dark_noun_may_be_a_target(name: str) -> None:
    """The adjective stands before the noun of a nebula."""
    assert may_be_a_target(name)


@pytest.mark.parametrize(
    "name",
    [
        "darks",
        "dark",
        "M31 dark",
        "M42_dark_001",
        "darks Backyard",
        "Dark Frames 2026",
        "dark_M31_0001",
        "Dark-ASI2600MM-300s",
        "DarkASI2600",
        "dark library",
        "Dark_300.0s_Bin1_2600MM_gain100_20250221-010203_-10.0C_0001",
        "dark_exp_60.000000_gain_60_bin_1_20C",
        "Dark Flats",
        "DARK_INSTRUME_ASI294MC_GAIN_100",
        "dark_Ha_001",
        "Dark for Veil",
        "darkness dark",
        "dark_OIII_300s",
        "dark_unity_gain_300s",
        "dark_Poseidon_001",
        "dark_backyard_001",
        "dark_minus_10_300s",
        "dark_median_16",
        "flat Antlia",
    ],
)
def test_names_of_darks_are_no_targets(name: str) -> None:
    """Settings, counters, cameras with their numbers, and the plural, leave no doubt."""
    assert not may_be_a_target(name)
