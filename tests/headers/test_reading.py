"""Header -> Frame: every capture program's headers, the fallbacks, and the traps real files are in."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ap_masters.headers import folder_hint, frame_from, with_hint
from ap_masters.headers.spellings import FACTORS, NUMBERS, TEXTS, TYPE_KEYWORDS
from ap_masters.images import read_info
from ap_masters.model import Frame, FrameType, GroupKey, ImageFormat, ImageInfo, Keyword
from tests.headers.samples import header_of, image_with, keywords, sample

BIAS, DARK, DARK_FLAT, FLAT, LIGHT = FrameType


def read(info: ImageInfo, root: str | None = None) -> Frame:
    return frame_from(info, size=2880, mtime_ns=1, root=Path(root) if root else None)


def frame_with(path: str = "night/frame.fits", root: str | None = None, **cards: str | int | float | bool) -> Frame:
    return read(image_with(keywords(**cards), path), root)


def reasons(frame: Frame) -> dict[str, str]:
    """Return the reason in force for each property."""
    return {decision.subject: decision.reason for decision in frame.decisions}


PROGRAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "nina-3.2-dark": (
        "night/frame.fits",
        {
            "type": DARK,
            "type_text": "DARK",
            "exposure": 300.0,
            "gain": 100.0,
            "offset": 50.0,
            "set_temperature": -10.0,
            "sensor_temperature": -10.2,
            "electrons_per_adu": 0.25,
            "camera": "ZWO ASI2600MM Pro",
            "camera_id": "ZWO_ASI2600MM_1a2b",
            "readout_mode": "High Gain Mode",
            "usb_limit": 40.0,
            "filter": "Dark",
            "telescope": "RedCat 51",
            "row_order": "TOP-DOWN",
            "started": datetime(2026, 1, 29, 23, 10, 0, 123456, tzinfo=UTC),
            "night": date(2026, 1, 29),
            "software": "N.I.N.A. 3.2.0.9001 (x64)",
        },
    ),
    "nina-2.0-dark-flat": (
        "night/frame.fits",
        {"type": DARK_FLAT, "exposure": 6.24656, "gain": None, "offset": None, "night": date(2022, 2, 28)},
    ),
    "asiair-flat": (
        "night/frame.fits",
        {"type": FLAT, "exposure": 1.25, "filter": None, "bayer_pattern": "RGGB", "night": date(2025, 2, 21)},
    ),
    "asiair-master-bias": ("night/frame.fits", {"type": BIAS, "master": True, "combined": 100}),
    "sgp-3.1-dark": (
        "night/frame.fits",
        {
            "type": DARK,
            "exposure": 180.0,
            "electrons_per_adu": 3.99000000953674,
            "set_temperature": -18.0,
            "night": date(2020, 5, 29),  # a moment before local noon
        },
    ),
    "ekos-2020-dark": (
        "night/frame.fits",
        {
            "type": DARK,
            "type_text": "Dark",
            "gain": 139.0,
            "offset": 21.0,
            "set_temperature": None,
            "sensor_temperature": -19.8,
            "pixel_size": 3.8,
        },
    ),
    "ekos-2023-bias": (
        "night/frame.fits",
        {"type": BIAS, "exposure": 1e-5, "readout_mode": "1", "x_binning": 2, "y_binning": 2},
    ),
    "maxim-5.12-dark": (
        "night/frame.fits",
        {
            "type": DARK,
            "gain": None,
            "offset": None,
            "telescope": None,
            "focal_length": None,
            "pedestal": -100.0,
            "sensor_temperature": -9.7878172678115689,
        },
    ),
    "theskyx-dark": ("night/frame.fits", {"type": DARK, "night": date(2020, 5, 17), "set_temperature": None}),
    "apt-3.54-flat": (
        "night/frame.fits",
        {"type": FLAT, "master": False, "combined": 1, "sensor_temperature": None, "set_temperature": -15.0},
    ),
    "sharpcap-4.1-dark": (
        "capture/dark_001.fits",
        {
            "type": DARK,
            "type_text": None,
            "offset": 8.0,
            "electrons_per_adu": 0.00766,
            "set_temperature": None,
            "camera_id": None,
            "bayer_pattern": "RGGB",
        },
    ),
    "dwarf2-flat": (
        "flats/frame.fits",
        {"type": FLAT, "exposure": 15.0, "x_binning": 2, "y_binning": 2, "bayer_pattern": "GBRG"},
    ),
    "dwarf3-stack": (
        "CALI_FRAME/dark/cam_0/dark_exp_60.000000_gain_60_bin_1_20C_stack_8.fits",
        {
            "type": DARK,
            "master": True,
            "exposure": 60.0,
            "gain": 60.0,
            "sensor_temperature": 20.0,
            "x_binning": 1,
            "combined": 8,
        },
    ),
    "ccdops-5.47-dark": (
        "darks/frame.fits",
        {"type": DARK, "exposure": 10.0, "filter": None, "data_max": 65535.0, "combined": 1},
    ),
    "lco-bias": (
        "night/frame.fits",
        {
            "type": BIAS,
            "x_binning": 2,
            "set_temperature": -100.0,
            "sensor_temperature": -100.1,
            "readout_mode": "full_frame",
        },
    ),
    "wht-flat": (
        "night/frame.fits",
        {
            "type": FLAT,
            "started": datetime(2018, 7, 4, 20, 15, 30, 500000, tzinfo=UTC),
            "filter": "clear",
            "y_binning": 2,
            "readout_mode": "SLOW",
        },
    ),
    "app-1.083-master-dark": (
        "night/frame.fits",
        {"type": DARK, "master": True, "combined": 25, "exposure": 120.0, "gain": None, "bayer_pattern": None},
    ),
    "siril-1.4-master-bias": (
        "night/frame.fits",
        {"type": BIAS, "master": True, "combined": 50, "electrons_per_adu": 0.25, "sensor_temperature": 10.7},
    ),
    "wbpp-2.5-master-flat": (
        "night/frame.fits",
        {"type": FLAT, "master": True, "combined": 30, "exposure": 2.5, "filter": "Ha", "x_binning": 1},
    ),
    "saspro-master-dark": ("night/frame.fits", {"type": DARK, "master": True, "combined": 20}),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_capture_program(name: str) -> None:
    """The header of each program is understood, in its own spelling."""
    path, expected = PROGRAMS[name]
    frame = read(sample(name, path), root="night" if path.startswith("night") else ".")

    assert {field: getattr(frame, field) for field in expected} == expected


def test_a_decision_for_every_property() -> None:
    """For each property it is kept which keyword it was taken from."""
    why = reasons(read(sample("sgp-3.1-dark")))

    assert why["exposure"] == "keyword EXPOSURE"
    assert why["type"] == "keyword IMAGETYP 'DARK'"
    assert why["set_temperature"] == "keyword SET-TEMP"
    assert why["night"] == "keyword DATE-LOC, local noon to noon"
    assert reasons(read(sample("ekos-2020-dark")))["night"] == "UTC noon to noon, as the header has no local time"


def test_a_night_where_the_site_is() -> None:
    """Without local time, noon is where the sun says: four in the morning in California is still the same night."""
    nights = {
        frame_with(DATE_OBS=f"2026-01-30T{clock}", SITELONG="-120 00 00").night
        for clock in ("04:00:00", "11:59:00", "12:01:00")
    }

    assert nights == {date(2026, 1, 29)}
    assert frame_with(DATE_OBS="2026-01-30T12:01:00", SITELONG="0 0 0.000").night == date(2026, 1, 30)


# --- spellings ---


@pytest.mark.parametrize(
    ("field", "keyword"), [(row.field, keyword) for row in NUMBERS for keyword in row.keywords if ":" not in keyword]
)
def test_every_spelling_of_a_number(field: str, keyword: str) -> None:
    """Each spelling in the table is read when it stands alone."""
    frame = read(image_with((Keyword(keyword, 7),)))

    assert getattr(frame, field) == 7.0 * FACTORS.get(keyword, 1.0)


@pytest.mark.parametrize(
    ("field", "keyword"), [(row.field, keyword) for row in TEXTS for keyword in row.keywords if ":" not in keyword]
)
def test_every_spelling_of_a_text(field: str, keyword: str) -> None:
    """Each spelling in the table is read when it stands alone, padding left out."""
    said = "BD" if field == "calibration_state" else "RGGB"
    assert getattr(read(image_with((Keyword(keyword, f"{said}    "),))), field) == said


def test_xisf_properties_speak_where_keywords_are_silent() -> None:
    """An XISF file without FITS keywords is understood by its properties, lengths in metres included."""
    frame = read(
        image_with(
            (),
            "night/frame.xisf",
            format=ImageFormat.XISF,
            image_type="Flat",
            properties=(
                ("Instrument:ExposureTime", "2.5"),
                ("Instrument:Camera:Name", "ZWO ASI2600MM Pro"),
                ("Instrument:Camera:Gain", "0.25"),
                ("Instrument:Camera:XBinning", "2"),
                ("Instrument:Camera:YBinning", "2"),
                ("Instrument:Sensor:Temperature", "-10.1"),
                ("Instrument:Sensor:TargetTemperature", "-10"),
                ("Instrument:Telescope:FocalLength", "0.25"),
                ("Instrument:Filter:Name", "Ha"),
                ("Observation:Time:Start", "2026-01-29T18:00:00Z"),
            ),
        )
    )

    assert (frame.type, frame.exposure, frame.filter, frame.focal_length) == (FLAT, 2.5, "Ha", 250.0)
    assert (frame.gain, frame.electrons_per_adu, frame.x_binning) == (None, 0.25, 2)
    assert (frame.set_temperature, frame.sensor_temperature) == (-10.0, -10.1)
    assert frame.started == datetime(2026, 1, 29, 18, tzinfo=UTC)
    assert reasons(frame)["exposure"] == "property Instrument:ExposureTime"


def test_gain_is_never_electrons_per_count() -> None:
    """EGAIN says nothing about GAIN."""
    assert frame_with(EGAIN=0.25).gain is None


@pytest.mark.parametrize("value", [-1, -1.0, "-1"])
def test_negative_gain_and_offset_are_unknown(value: float | str) -> None:
    """-1 is how programs write that they do not know."""
    frame = frame_with(GAIN=value, OFFSET=value)

    assert (frame.gain, frame.offset) == (None, None)


def test_blank_values_are_absent() -> None:
    """A blank or quoted blank says nothing, so the next spelling is asked."""
    frame = frame_with(IMAGETYP="        ", FRAME="Dark", TELESCOP="''", FILTER="", EXPTIME=" ", EXPOSURE=5.0)

    assert (frame.type, frame.telescope, frame.filter, frame.exposure) == (DARK, None, None, 5.0)
    assert frame_with(IMAGETYP="DARK", EXPTIME=" ").warnings == ()


def test_numbers_outside_what_can_be_are_unknown() -> None:
    """A temperature below absolute zero is no temperature."""
    assert frame_with(CCD_TEMP=-999.0).sensor_temperature is None


@pytest.mark.parametrize(
    ("value", "shown"), [(1e12, "1e+12"), (-1, "-1"), (864_001.0, "864001"), (float("nan"), "nan"), ("soon", "soon")]
)
def test_an_exposure_that_cannot_be_is_unknown_and_told(value: float | str, shown: str) -> None:
    """A damaged or unset EXPTIME is no exposure: the next spelling is asked; if none helps, what stands there is said.

    Biases need none.
    """
    words = f"EXPTIME '{shown}' is no exposure that can be (0 s to ten days)"
    bare = frame_with(IMAGETYP="DARK", EXPTIME=value)
    other = frame_with(IMAGETYP="DARK", EXPTIME=value, EXPOSURE=300.0)

    assert (bare.exposure, bare.warnings) == (None, (words,))
    assert reasons(bare)["exposure"] == words
    assert (other.exposure, other.warnings) == (300.0, ())
    assert frame_with(IMAGETYP="BIAS", EXPTIME=value).warnings == ()


@pytest.mark.parametrize(
    ("card", "exposure"),
    [
        (Keyword("EXPTIME", "300 s"), 300.0),
        (Keyword("EXPTIME", "5 min", "exposure in ms"), 300.0),
        (Keyword("EXPOINUS", "2 s"), 2.0),
        (Keyword("EXPOSURE", "1/250"), 0.004),
    ],
)
def test_an_exposure_may_name_its_unit(card: Keyword, exposure: float) -> None:
    """The unit in the value rules over that of the keyword and of its comment."""
    frame = read(image_with((Keyword("IMAGETYP", "DARK"), card)))

    assert (frame.exposure, frame.warnings) == (exposure, ())


def test_two_exposures_are_compared_in_seconds() -> None:
    """Five minutes are 300 s; 299 s are not."""
    assert frame_with(IMAGETYP="DARK", EXPTIME="5 min", EXPOSURE=300.0).warnings == ()
    assert frame_with(IMAGETYP="DARK", EXPTIME="5 min", EXPOSURE=299.0).warnings == (
        "EXPTIME is 300 s, EXPOSURE 299 s: taken as 300 s",
    )


def test_the_longest_exposure_is_ten_days() -> None:
    """Wherever it stands: in the header, in the name, in the parts of a live stack."""
    assert frame_with(EXPTIME=864_000).exposure == 864_000
    assert frame_with("x/dark_99999999999999s.fits").exposure is None
    assert frame_with(EXPTIME=1e13, SUBEXP=1e12).exposure is None


def test_the_first_of_two_equal_keywords_counts() -> None:
    """A keyword that stands twice is read where it stands first."""
    assert read(image_with((Keyword("GAIN", 100), Keyword("GAIN", 200)))).gain == 100.0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    *TYPE_KEYWORDS,
                    *(keyword for row in (*NUMBERS, *TEXTS) for keyword in row.keywords),
                    *("DATE-OBS", "DATE-LOC", "UT", "PICTTYPE", "SUBEXP", "XBINNING", "YBINNING", "BINNING"),
                    *("HISTORY", "COMMENT", "NCOMBINE", "XBAYROFF", "TIMESYS", ""),
                ]
            ),
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30)),
            st.text(max_size=20),
        ),
        max_size=12,
    )
)
@example([("FLENGTH", 1e306, "a focal length in metres, which is beyond any number in millimetres")])
@settings(deadline=None)
def test_no_header_raises(cards: list[tuple[str, Any, str]]) -> None:
    """Whatever a header holds, a frame comes of it, and what it says is finite and printable."""
    frame = read(image_with(tuple(Keyword(*card) for card in cards)), root="night")

    json.dumps(frame.model_dump(mode="json"), allow_nan=False)
    assert all(value.isprintable() for value in frame.model_dump().values() if isinstance(value, str))


# --- frame types ---


def test_imagetyp_rules_over_frame_and_says_so() -> None:
    """Where two keywords name different types, IMAGETYP holds and the frame carries a warning."""
    frame = frame_with(IMAGETYP="LIGHT", FRAME="Dark")

    assert frame.type is LIGHT
    assert frame.warnings == ("keyword IMAGETYP says light, keyword FRAME says dark: taken as light",)


def test_an_xisf_file_has_no_other_word_for_a_dark_flat() -> None:
    """Its imageType says dark of both, which contradicts no keyword; of a flat it does."""
    dark_flat = (Keyword("IMAGETYP", "DARKFLAT"),)
    told = [read(image_with(dark_flat, format=ImageFormat.XISF, image_type=kind)) for kind in ("Dark", "Flat")]

    assert [frame.type for frame in told] == [DARK_FLAT, DARK_FLAT]
    assert ["XISF imageType says" in " ".join(frame.warnings) for frame in told] == [False, True]


def test_picttype_names_the_type_by_number() -> None:
    """TheSkyX's PICTTYPE is asked where no words name the type."""
    assert frame_with(PICTTYPE=3).type is DARK
    assert frame_with(PICTTYPE=9).type is None


def test_a_running_number_in_frame_is_no_type() -> None:
    """A FRAME that counts frames leaves the type to the folder."""
    assert frame_with("night/darks/0001.fits", root="night", FRAME=12).type is DARK


def test_an_unknown_type_is_not_overruled_by_names() -> None:
    """A bad pixel map in a dark folder, named dark, stays what its header says."""
    frame = frame_with("darks/dark_map.fits", root=".", IMAGETYP="BADPIXELMAP")

    assert (frame.type, frame.type_text) == (None, "BADPIXELMAP")


def test_the_file_name_comes_before_the_folder() -> None:
    """Without a type in the header the file name decides, and says so."""
    frame = frame_with("darks/flat_0001.fits", root=".")

    assert frame.type is FLAT
    assert reasons(frame)["type"] == "file name 'flat_0001', as the header does not say"
    assert "frame type taken from the file name, as the header does not say" in frame.warnings


def test_the_folder_decides_last() -> None:
    """Without a type in header and file name the nearest folder decides, and says so."""
    frame = frame_with("lights/bias/0001.fits", root=".")

    assert frame.type is BIAS
    assert reasons(frame)["type"] == "folder 'bias', as neither header nor file name says"
    assert any("folder 'bias'" in warning for warning in frame.warnings)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("x/LDN1235 Dark Shark/20_00_01/0001.fits", "folder 'LDN1235 Dark Shark'"),
        ("x/Dark_Shark_0001.fits", "file name 'Dark_Shark_0001'"),
    ],
)
def test_a_target_may_have_the_word_in_its_name(path: str, place: str) -> None:
    """Where no header says so, the Dark Shark is no dark; why, and what helps, is said."""
    frame = frame_with(path, root="x", EXPTIME=300.0)

    assert (frame.type, frame.warnings) == (None, ())
    assert reasons(frame)["type"] == (
        f"no IMAGETYP, and the {place} may be a target's: set IMAGETYP, or move darks to a folder named 'darks'"
    )
    assert frame_with(path, root="x", IMAGETYP="LIGHT").warnings == ()
    assert frame_with(path, root="x", IMAGETYP="DARK").type is DARK


def test_a_folder_of_darks_rules_over_a_target_in_the_file_name() -> None:
    """Darks for the Dark Shark, in a folder that leaves no doubt."""
    frame = frame_with("x/darks/Dark_Shark_0001.fits", root="x")

    assert frame.type is DARK
    assert reasons(frame)["type"] == "folder 'darks', as neither header nor file name says"


def test_a_folder_of_flats_makes_no_flat_of_a_doubtful_name() -> None:
    """It may be a dark flat that lies with its flats."""
    assert frame_with("x/flats/Dark_Shark_0001.fits", root="x").type is None
    assert frame_with("x/lights/Dark_Shark_0001.fits", root="x").type is LIGHT


def test_a_camera_of_the_header_is_no_target() -> None:
    """A word behind the type that the header knows leaves no doubt."""
    frame = frame_with("x/Dark Poseidon/dark_Poseidon_1.fits", root="x", INSTRUME="Poseidon-M")

    assert frame.type is DARK
    assert frame_with("x/Dark Poseidon/1.fits", root="x", INSTRUME="Poseidon-M").type is DARK


@pytest.mark.parametrize("path", ["x/darkflats/0001.fits", "x/0001_FlatDark.fits", "x/dark flat/dark_0001.fits"])
def test_names_make_a_dark_a_dark_flat(path: str) -> None:
    """N.I.N.A. 3 writes DARK for dark flats; a file or folder name that says dark flat is believed."""
    frame = frame_with(path, root="x", IMAGETYP="DARK", EXPTIME=2.0)

    assert frame.type is DARK_FLAT
    assert frame.warnings == ()


def test_a_dark_flat_may_lie_with_flats_or_darks() -> None:
    """A dark flat keeps its type in a folder of flats or of darks, without a word."""
    for folder in ("flats", "darks"):
        frame = frame_with(f"x/{folder}/0001.fits", root="x", IMAGETYP="DARKFLAT")
        assert (frame.type, frame.warnings) == (DARK_FLAT, ())


@pytest.mark.parametrize("path", ["x/darks/0001.fits", "x/dark_0001.fits"])
def test_a_name_that_contradicts_the_header_is_reported(path: str) -> None:
    """S2-54: lights tagged as something else than their place says keep the header's type, with a warning."""
    frame = frame_with(path, root="x", IMAGETYP="LIGHT")

    assert frame.type is LIGHT
    assert len(frame.warnings) == 1
    assert "says dark: taken as light" in frame.warnings[0]


@pytest.mark.parametrize("kind", ["flat", "light", "bias"])
def test_a_dark_in_another_folder_is_none_of_that_and_may_be_a_dark_flat(kind: str) -> None:
    """N.I.N.A. 3 writes DARK for a dark flat: that it is taken as dark would contradict what is found out later."""
    frame = frame_with(f"x/{kind.upper()}/0001.fits", root="x", IMAGETYP="DARK")

    assert frame.type is DARK
    assert frame.warnings == (f"the header says dark, the folder '{kind.upper()}' says {kind}: taken as no {kind}",)


@pytest.mark.parametrize("folder", ["darks", "LDN1235 Dark Shark"])
def test_what_a_folder_says_is_added_to_what_was_told_before(folder: str) -> None:
    """Of the header's traps, and of how the rest was read, nothing is lost."""
    cards = {"EXPTIME": 300.0, "EXPOSURE": 299.0, "SET_TEMP": -10.0, "CCD_TEMP": -10.0}
    alone, hinted = frame_with("x/0001.fits", root="x", **cards), frame_with(f"x/{folder}/0001.fits", root="x", **cards)

    assert alone.warnings
    assert alone.decisions
    assert hinted.warnings[: len(alone.warnings)] == alone.warnings
    assert hinted.decisions[: len(alone.decisions)] == alone.decisions
    assert len(hinted.decisions) == len(alone.decisions) + 1


def test_a_wheel_slot_in_the_file_name_is_no_type() -> None:
    """S0-05: a bias taken through the slot "Dark" has that word in its name and is a bias still."""
    named = frame_with("BIAS/2026_Dark_0.00s_0001.fits", root=".", IMAGETYP="BIAS", EXPTIME=0.0, FILTER="Dark")
    silent = frame_with("BIAS/2026_Dark_0.00s_0001.fits", root=".", FILTER="Dark")

    assert (named.type, named.warnings) == (BIAS, ())
    assert silent.type is BIAS


def test_folder_hints_can_follow_later() -> None:
    """What is remembered of a file does not depend on where the search began."""
    info = image_with((), "night/bias/0001.fits")
    bare = read(info)

    assert bare.type is None
    assert with_hint(bare, folder_hint(Path("night/bias"), Path("night"))) == read(info, root="night")


# --- names for numbers ---


def test_the_file_name_fills_gaps_and_says_so() -> None:
    """A number that only the file name has is taken, with a decision and a warning."""
    frame = frame_with("x/Dark_300s_gain100_-10C.fits", IMAGETYP="DARK")

    assert (frame.exposure, frame.gain, frame.sensor_temperature) == (300.0, 100.0, -10.0)
    assert reasons(frame)["exposure"] == "file name '300s', as the header does not say"
    assert "exposure taken from the file name, as the header does not say" in frame.warnings


COMPLETE: dict[str, Any] = {
    "IMAGETYP": "FLAT",
    "EXPTIME": 2.0,
    "GAIN": 100,
    "OFFSET": 50,
    "XBINNING": 1,
    "CCD_TEMP": -10.0,
}


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("FILTER_Ha", "filter", "Ha"),
        ("INSTRUME_ASI2600MM", "camera", "ASI2600MM"),
        ("TELESCOP_RedCat", "telescope", "RedCat"),
        ("READOUTM_Fast", "readout_mode", "Fast"),
        ("USBLIMIT_40", "usb_limit", 40.0),
    ],
)
def test_a_header_with_all_its_numbers_may_lack_what_the_file_name_has(part: str, field: str, value: object) -> None:
    """Exposure, gain, offset, binning and temperature in the header are not all that a name can tell."""
    frame = frame_with(f"x/FLAT_{part}_0001.fits", **COMPLETE)

    assert getattr(frame, field) == value
    assert reasons(frame)[field].endswith("as the header does not say")


def test_the_header_rules_over_the_file_name() -> None:
    """A number in the header is not touched by the file name."""
    assert frame_with("x/Dark_300s.fits", IMAGETYP="DARK", EXPTIME=120.0).exposure == 120.0


# --- night ---


@pytest.mark.parametrize(
    ("local", "night"),
    [("2026-01-29T11:59:59", date(2026, 1, 28)), ("2026-01-29T12:00:00", date(2026, 1, 29))],
)
def test_a_night_runs_from_local_noon_to_noon(local: str, night: date) -> None:
    """The date of the evening holds until noon, in local time where it is known, whatever UTC says."""
    assert frame_with(DATE_OBS="2026-06-01T00:00:00", DATE_LOC=local).night == night


def test_without_local_time_utc_counts() -> None:
    """Without DATE-LOC the night runs from noon to noon UTC."""
    assert frame_with(DATE_OBS="2026-01-29T11:59:59").night == date(2026, 1, 28)


def test_a_time_that_cannot_be_is_reported() -> None:
    """A clock that was never set gives no time, and a warning."""
    frame = frame_with(DATE_OBS="0001-01-01T00:00:00", DATE_LOC="0001-01-01T00:00:00")

    assert (frame.started, frame.night) == (None, None)
    assert frame.warnings == ("DATE-OBS '0001-01-01T00:00:00' is no time that can be",)


# --- masters ---


@pytest.mark.parametrize(
    "cards",
    [
        pytest.param({"IMAGETYP": "Master Dark"}, id="type"),
        pytest.param({"IMAGETYP": "DARK", "NCOMBINE": 20}, id="NCOMBINE"),
        pytest.param({"IMAGETYP": "DARK", "STACKCNT": 2}, id="STACKCNT"),
        pytest.param({"IMAGETYP": "DARK", "NSTACK": "30"}, id="NSTACK"),
        pytest.param({"IMAGETYP": "DARK", "SNAPSHOT": 5}, id="SNAPSHOT"),
        pytest.param({"IMAGETYP": "DARK", "DARK_CNT": 20}, id="ASTAP"),
        pytest.param({"CALFRAME": "MasterDark"}, id="Astro Pixel Processor"),
        pytest.param({"IMAGETYP": "DARK", "SEIZAMST": True}, id="seiza"),
        pytest.param({"IMAGETYP": "DARK", "IMCMB001": "dark1.fits"}, id="IRAF"),
        pytest.param({"IMAGETYP": "DARK", "EXPTIME": 280, "SUBEXP": 8}, id="SharpCap live stack"),
    ],
)
def test_headers_of_masters(cards: Mapping[str, Any]) -> None:
    """D10: whatever shows that a file is integrated makes it a master, never a frame."""
    frame = read(image_with(tuple(Keyword(*card) for card in cards.items())))

    assert frame.master
    assert frame.type is DARK or "SUBEXP" in cards
    assert "master" in reasons(frame)


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("HISTORY ImageIntegration.numberOfImages: 240", 240),
        ("COMMENT Master frame generated with Weighted Batch Preprocessing Script v2.5.9", None),
        ("HISTORY Integration with ImageIntegration process", None),
        ("HISTORY mean stacking with winsorized sigma clipping rejection", None),
    ],
)
def test_history_of_masters(line: str, count: int | None) -> None:
    """HISTORY and COMMENT lines that only integration writes make a master of a file that looks raw."""
    frame = read(header_of(f"IMAGETYP= 'DARK    '\n{line}"))

    assert (frame.master, frame.combined) == (True, count)


@pytest.mark.parametrize("name", ["masterdark_300s", "dark_master_300s", "dark300s_master", "Dark_Master"])
def test_names_of_masters_with_headers_of_frames(name: str) -> None:
    """Many programs leave the header of the first frame as it was: the name alone then tells, and is believed."""
    frame = frame_with(f"x/{name}.fit", IMAGETYP="Dark Frame", EXPTIME=300.0)

    assert (frame.type, frame.master) == (DARK, True)


@pytest.mark.parametrize(
    ("path", "cards"),
    [
        pytest.param("masters/darks/0001.fits", {"IMAGETYP": "DARK"}, id="folder named masters"),
        pytest.param("x/0001.fits", {"IMAGETYP": "DARK", "SNAPSHOT": 1}, id="SNAPSHOT 1"),
        pytest.param("x/0001.fits", {"IMAGETYP": "DARK", "NCOMBINE": 1}, id="NCOMBINE 1"),
        pytest.param("x/0001.fits", {"IMAGETYP": "DARK", "EXPTIME": 8, "SUBEXP": 8}, id="single SharpCap frame"),
        pytest.param("x/Ringmaster_dark.fits", {"IMAGETYP": "DARK"}, id="name with the letters"),
        pytest.param("x/dark.fits", {"IMAGETYP": "DARK", "TELESCOP": "Skymaster"}, id="telescope with the letters"),
    ],
)
def test_raw_frames_are_no_masters(path: str, cards: Mapping[str, Any]) -> None:
    """A folder named masters, or a count of one, proves nothing."""
    assert not read(image_with(tuple(Keyword(*card) for card in cards.items()), path), root=".").master


def test_an_absurd_number_of_exposures_is_none() -> None:
    """5 s made of exposures of 1E-308 s: no count at all, and no error either."""
    assert not frame_with(EXPTIME=5.0, SUBEXP=1e-308).master


def test_a_live_stack_has_the_exposure_of_one_frame() -> None:
    """SharpCap's EXPTIME is the sum; SUBEXP is what matching needs."""
    frame = frame_with(EXPTIME=280, SUBEXP=8)

    assert (frame.exposure, frame.combined) == (8.0, 35)


# --- traps ---


@pytest.mark.parametrize(
    ("cards", "warning"),
    [
        pytest.param({"IMAGETYP": "BIAS", "EXPTIME": 0.5}, "a bias of 0.5 s is longer", id="S1-14 long bias"),
        pytest.param({"IMAGETYP": "DARK", "EXPTIME": 0.0}, "a dark of 0 s: is it a bias?", id="dark of 0 s"),
        pytest.param(
            {"IMAGETYP": "DARK", "EXPTIME": 300.0, "EXPOSURE": 299.998},
            "EXPTIME is 300 s, EXPOSURE 299.998 s",
            id="two exposures",
        ),
        pytest.param(
            {"IMAGETYP": "DARK", "EXPTIME": 1, "CALSTAT": "B"},
            "this frame has been calibrated already (B, by keyword CALSTAT)",
            id="calibrated already",
        ),
        pytest.param({"IMAGETYP": "DARK", "EXPTIME": 1, "TIMESYS": "TAI"}, "TIMESYS is TAI", id="time system"),
    ],
)
def test_traps_give_a_warning(cards: Mapping[str, Any], warning: str) -> None:
    """What real files get wrong is said, and the frame is kept."""
    frame = read(image_with(tuple(Keyword(*card) for card in cards.items())))

    assert len(frame.warnings) == 1
    assert frame.warnings[0].startswith(warning)


@pytest.mark.parametrize(
    "cards",
    [
        {"IMAGETYP": "BIAS", "EXPTIME": 0.0001},
        {"IMAGETYP": "DARK", "EXPTIME": 300.0, "EXPOSURE": 300.001},
        {"IMAGETYP": "DARK", "EXPTIME": 300.0, "COOLPOWR": 84.9, "TIMESYS": "UTC"},
        {"IMAGETYP": "DARK", "EXPTIME": 300.0, "TIMESYS": "GMT"},
        {"IMAGETYP": "LIGHT", "EXPTIME": 300.0, "CALSTAT": "BDF"},
    ],
)
def test_ordinary_frames_give_none(cards: Mapping[str, Any]) -> None:
    """What is usual is not warned of."""
    assert read(image_with(tuple(Keyword(*card) for card in cards.items()))).warnings == ()


def test_signed_samples_are_reported() -> None:
    """A FITS file whose BZERO was left out reads as signed, and says so."""
    frame = read(image_with(keywords(IMAGETYP="BIAS"), sample="int16", full_scale=None))

    assert frame.warnings[0].startswith("signed 16-bit samples")


def test_wide_integers_are_reported() -> None:
    """Counts of a 16-bit camera in 32 bits are nearly black, here as in PixInsight."""
    frame = read(image_with(keywords(IMAGETYP="BIAS"), sample="int32", full_scale=4294967295.0))

    assert frame.warnings == (
        "int32 samples: as in PixInsight, white is 4294967295, so counts of a 16-bit camera are nearly black; "
        "save them as 16 bits",
    )


def test_more_than_one_image_is_reported() -> None:
    """Of several images in a file the first is used, which is said."""
    assert read(image_with(keywords(IMAGETYP="BIAS"), images=3)).warnings == (
        "the file holds 3 images: only the first is used",
    )


@pytest.mark.parametrize(
    ("measured", "asked", "warned"), [(-20.5, None, True), (-4.0, 0.0, False), (5.0, 0.0, False), (25.0, None, True)]
)
def test_a_set_point_of_zero_is_checked_against_the_sensor(measured: float, asked: float | None, warned: bool) -> None:
    """SharpCap writes SET-TEMP 0 where none was asked; then the sensor counts, with a warning."""
    frame = frame_with(IMAGETYP="DARK", SET_TEMP=0, CCD_TEMP=measured)

    assert frame.set_temperature == asked
    assert any("set-point of 0 °C is not believed" in warning for warning in frame.warnings) is warned


# --- real headers ---


def _card(card: fits.Card) -> Keyword:
    if card.keyword in {"HISTORY", "COMMENT", ""}:
        return Keyword(card.keyword, None, str(card.value))
    return Keyword(card.keyword, card.value, card.comment)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nina-1.10-light", {"type": LIGHT, "exposure": 30.0, "gain": 120.0, "night": date(2021, 3, 2)}),
        ("sgpro-3.1-light", {"type": LIGHT, "exposure": 30.0, "set_temperature": -18.0, "night": date(2020, 5, 29)}),
        ("apt-3.54-light", {"type": LIGHT, "exposure": 240.0, "set_temperature": -15.0, "offset": None}),
        ("dwarf2-light", {"exposure": 15.0, "x_binning": 2, "camera": "DWARFII"}),
        ("app-2.0-master-flat", {"type": FLAT, "master": True, "combined": 30, "filter": "HaOIII", "gain": 120.0}),
        ("sharpcap-4.1-live-stack", {"type": None, "master": True, "combined": 35, "offset": 8.0, "exposure": 8.0}),
    ],
)
def test_real_headers(realdata: Path, name: str, expected: dict[str, Any]) -> None:
    """Headers of real files are understood."""
    text = (realdata / "headers" / f"{name}.txt").read_text(encoding="ascii")
    cards = tuple(_card(card) for card in fits.Header.fromstring(text, sep="\n").cards)
    frame = read(image_with(cards))

    assert {field: getattr(frame, field) for field in expected} == expected


def test_a_real_pixinsight_master(realdata: Path) -> None:
    """A master dark of PixInsight looks raw but for its HISTORY; its count is found in 1216 lines."""
    header = json.loads((realdata / "headers" / "pixinsight-1.8.8-7-master-dark.json").read_text(encoding="utf-8"))
    cards = tuple(Keyword(name, line["value"], line["comment"]) for name, lines in header.items() for line in lines)
    frame = read(image_with(cards, "x/dark.xisf", format=ImageFormat.XISF, sample="float32"))

    assert (frame.type, frame.master, frame.combined, frame.exposure) == (DARK, True, 240, None)


def test_real_darks(realdata: Path) -> None:
    """Ten real darks: set-point and sensor apart, gain and offset absent."""
    frames = [read(read_info(path)) for path in sorted((realdata / "oscaar_tres1").glob("*.fit"))]

    assert {(frame.type, frame.exposure, frame.set_temperature, frame.gain) for frame in frames} == {
        (DARK, 60.0, -10.0, None)
    }
    assert {round(frame.sensor_temperature or 0, 4) for frame in frames} == {-9.7878, -10.2031}


@pytest.mark.parametrize(("column", "row", "origin"), [(800, 600, (800, 600)), (0, 600, (0, 600)), (0, 0, None)])
def test_where_a_window_of_the_sensor_begins_is_known(column: int, row: int, origin: tuple[int, int] | None) -> None:
    """XORGSUBF and YORGSUBF of MaxIm, APT and ASCOM; 0 of both is the whole sensor, as where nobody says."""
    frame = frame_with(IMAGETYP="DARK", EXPTIME=3.0, XORGSUBF=column, YORGSUBF=row)

    assert GroupKey.of(frame).origin == origin
