"""Masters of other programs: read from keywords, HISTORY and name, with what contradicts itself reported."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ap_masters import layouts
from ap_masters.headers import frame_from, master_from
from ap_masters.model import FrameType, GroupKey, ImageInfo, Master
from tests.headers.samples import image_with, keywords, sample

BIAS, DARK, DARK_FLAT, FLAT, LIGHT = FrameType


def master_of(info: ImageInfo) -> Master:
    frame = frame_from(info, size=1, mtime_ns=1)
    assert frame.master
    return master_from(info, frame)


def named(path: str, **cards: str | int | float | bool) -> Master:
    return master_of(image_with(keywords(**cards), path))


@pytest.mark.parametrize(
    ("name", "path", "key", "rest"),
    [
        pytest.param(
            "wbpp-2.5-master-flat",
            "master/masterFlat_BIN-1_16x12_FILTER-Ha_mono.xisf",
            {"type": FLAT, "filter": "Ha", "exposure": 2.5, "night": date(2024, 1, 5), "gain": None},
            {
                "frames": 30,
                "started": datetime(2024, 1, 5, 18, tzinfo=UTC),
                "ended": datetime(2024, 1, 5, 18, 5, tzinfo=UTC),
                "origin": "Weighted Batch Preprocessing Script v2.5.9",
            },
            id="WBPP",
        ),
        pytest.param(
            "siril-1.4-master-bias",
            "masters/bias_stacked.fit",
            {"type": BIAS, "gain": 100.0, "offset": 50.0, "temperature": -10.0, "exposure": None},
            {
                "frames": 50,
                "started": datetime(2025, 9, 1, 18, tzinfo=UTC),
                "created": datetime(2025, 9, 1, 12, tzinfo=UTC),
                "origin": "Siril 1.4.0-beta4",
            },
            id="Siril",
        ),
        pytest.param(
            "asiair-master-bias",
            "Master Bias/MasterBias_1.0ms_-9.8C_gain100.fit",
            {"type": BIAS, "gain": 100.0, "temperature": -10.0, "exposure": None, "filter": None},
            {"frames": 100, "origin": "ZWO ASIAIR Plus"},
            id="ASIAIR",
        ),
        pytest.param(
            "app-1.083-master-dark",
            "x/MD-ISO_0.fits",
            {"type": DARK, "exposure": 120.0, "gain": None},
            {"frames": 25, "origin": "Astro Pixel Processor by Aries Productions"},
            id="APP",
        ),
        pytest.param(
            "dwarf3-stack",
            "CALI_FRAME/dark/cam_0/dark_exp_60.000000_gain_60_bin_1_20C_stack_8.fits",
            {"type": DARK, "exposure": 60.0, "gain": 60.0, "temperature": 20.0, "x_binning": 1},
            {"frames": 8},
            id="DWARF",
        ),
        pytest.param("saspro-master-dark", "x/dark.fits", {"type": DARK, "exposure": 300.0}, {"frames": 20}, id="SAS"),
    ],
)
def test_masters_of_other_programs(name: str, path: str, key: dict[str, Any], rest: dict[str, Any]) -> None:
    """What each program leaves in header, HISTORY and name becomes the same kind of key, without a contradiction."""
    master = master_of(sample(name, path))

    assert {field: getattr(master.key, field) for field in key} == key
    assert {field: getattr(master, field) for field in rest} == rest
    assert master.warnings == ()


def test_ap_create_master_is_read_from_its_name() -> None:
    """A master that has its metadata only in KEY_VALUE pairs of its name has a whole key."""
    master = named(
        "master/masterFlat_INSTRUME_ASI2600MM_SET-TEMP_-10_GAIN_100_OFFSET_50_READOUTM_Low Noise"
        "_DATE-OBS_2026-01-29_FILTER_L.xisf",
        IMAGETYP="MASTER FLAT",
    )

    assert (master.key.type, master.key.camera, master.key.temperature) == (FLAT, "ASI2600MM", -10.0)
    assert (master.key.gain, master.key.offset, master.key.readout_mode) == (100.0, 50.0, "Low Noise")
    assert (master.key.filter, master.key.night) == ("L", date(2026, 1, 29))
    assert master.warnings == ()


def test_anawbpps_dark_flats_are_dark_flats() -> None:
    """ANAWBPPS says DarkFlat in IMAGETYP and in the name; either is enough."""
    name = "LIB/DARKFLATS_2026_01_29/RIG_MasterDarkFlat_0.5s_Gain56_Offset10_1x1_-10C.xisf"

    assert named(name, IMAGETYP="MasterDarkFlat").key.type is DARK_FLAT
    assert named(name, IMAGETYP="DARK").key.type is DARK_FLAT
    assert named(name, IMAGETYP="DARK").key.exposure == 0.5


def test_n_i_n_a_live_stack_is_told_by_its_name() -> None:
    """The live stack plug-in wants IMAGETYP 'DARK' alone, so the name must tell the master."""
    assert named("lib/master_dark_300s.fits", IMAGETYP="DARK", EXPTIME=300.0).key.exposure == 300.0


@pytest.mark.parametrize(
    ("path", "cards", "warning"),
    [
        pytest.param(
            "x/masterDark_EXPOSURE-120.00s.xisf",
            {"IMAGETYP": "Master Dark", "EXPTIME": 300.0},
            "the file name says exposure 120 ('EXPOSURE-120.00s'), the header says 300",
            id="exposure",
        ),
        pytest.param(
            "x/masterBias_GAIN-0.xisf",
            {"IMAGETYP": "Master Bias", "GAIN": 100},
            "the file name says gain 0 ('GAIN-0'), the header says 100",
            id="gain",
        ),
        pytest.param(
            "x/masterFlat_BIN-1.xisf",
            {"IMAGETYP": "Master Dark", "XBINNING": 1},
            "the header says dark, the file name says flat: taken as dark",
            id="type",
        ),
        pytest.param(
            "flats/masterDark.xisf",
            {"IMAGETYP": "Master Dark"},
            "the folder 'flats' says flat, the header says dark",
            id="folder",
        ),
        pytest.param(
            "300s_-10_g100_o50/master_dark_2026-03-01.xisf",
            {"IMAGETYP": "Master Dark", "EXPTIME": 300.0, "GAIN": 100, "OFFSET": 50, "SET_TEMP": -15.0},
            "the folder says temperature -10 ('-10'), the header says -15",
            id="folder numbers",
        ),
        pytest.param(
            "x/masterFlat_FILTER-Ha_mono.xisf",
            {"IMAGETYP": "Master Flat", "FILTER": "OIII"},
            "the file name says filter 'Ha', the header says 'OIII'",
            id="filter",
        ),
    ],
)
def test_contradictions_are_reported(path: str, cards: dict[str, Any], warning: str) -> None:
    """S1-32: where name or folder say something else than the header, the master says so."""
    info = image_with(keywords(**cards), path)

    assert master_of(info).warnings == (warning,)


@pytest.mark.parametrize(
    ("path", "cards"),
    [
        pytest.param(
            "x/masterBias_0s.xisf", {"IMAGETYP": "Master Bias", "EXPTIME": 0.00003}, id="bias is 0 s in names"
        ),
        pytest.param("x/master_dark_5p4s.fit", {"IMAGETYP": "Master Dark", "EXPTIME": 5.43}, id="rounded exposure"),
        pytest.param("x/masterDark_T-10C.fit", {"IMAGETYP": "Master Dark", "CCD_TEMP": -9.6}, id="whole degrees"),
        pytest.param("x/masterDark_T-15.1C.fit", {"IMAGETYP": "Master Dark", "CCD_TEMP": -16.1}, id="a degree apart"),
        pytest.param("darks/masterDark.fit", {"IMAGETYP": "Master Dark", "APMTYPE": "dark flat"}, id="dark flat"),
        pytest.param(
            "x/masterFlat_FILTER-H-alpha.fit", {"IMAGETYP": "Master Flat", "FILTER": "H alpha"}, id="blank in a filter"
        ),
    ],
)
def test_rounding_is_no_contradiction(path: str, cards: dict[str, Any]) -> None:
    """Names round, and other tools know fewer types: that is no contradiction."""
    assert master_of(image_with(keywords(**cards), path)).warnings == ()


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
@pytest.mark.parametrize(
    "band",
    [
        pytest.param("Antlia ALP-T Dual Band 5nm Ha OIII 2in", id="too long for a name"),
        pytest.param(".", id="nothing that a name can hold"),
        pytest.param("Dark", id="a word that WBPP takes for a type"),
        pytest.param("NO_FILTER", id="the word for none"),
        pytest.param("CON", id="a device of Windows"),
        pytest.param("Hα 3 nm", id="Greek"),
        pytest.param("Filtre n°2 é", id="accents"),
        pytest.param("赤", id="letters that ASCII has not"),
    ],
)
@pytest.mark.parametrize("of", [{}, {"camera": "a" * 32, "camera_id": "b" * 32, "readout_mode": "c" * 22}])
def test_a_name_of_ours_is_no_contradiction(layout: str, band: str, of: dict[str, Any]) -> None:
    """Layouts shorten texts and cut names: what they make of a filter is that filter."""
    key = GroupKey(type=FLAT, exposure=12.5, gain=100.0, offset=50.0, filter=band, night=date(2026, 1, 29), **of)
    path = layouts.render(layout, layouts.Naming(key=key, filter=band, first=key.night)).as_posix()
    cards: dict[str, Any] = {"IMAGETYP": "Master Flat", "EXPTIME": 12.5, "GAIN": 100, "OFFSET": 50}

    def says_another_filter(band: str) -> bool:
        return any("says filter" in warning for warning in named(path, **cards, FILTER=band).warnings)

    assert not says_another_filter(band)
    # Other layouts name it without the word FILTER, and the longest names of ap end before it.
    assert says_another_filter("Baader SII") == (layout == "wbpp" or (layout == "ap" and not of))


def test_a_master_of_unknown_type_has_no_key() -> None:
    """Without a type there is nothing to match."""
    info = image_with(keywords(NCOMBINE=20), "x/stack.fits")
    frame = frame_from(info, size=1, mtime_ns=1)

    with pytest.raises(ValueError, match="unknown type"):
        master_from(info, frame)


def test_names_with_blanks_and_accents(tmp_path: Path) -> None:
    """A master may lie anywhere."""
    master = named(f"{tmp_path}/Bibliothèque à moi/masterDark 300s.xisf", IMAGETYP="Master Dark", EXPTIME=300.0)

    assert master.key.exposure == 300.0
    assert master.warnings == ()
