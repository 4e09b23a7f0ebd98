"""Layouts: names as the documents print them, read back, and harmless whatever a header says."""

import os
import re
from datetime import date
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ap_masters import layouts
from ap_masters.errors import ConfigError, UsageError
from ap_masters.layouts import LAYOUTS, Naming, parse, pattern, render, texts
from ap_masters.layouts.tokens import TOKENS
from ap_masters.model import CALIBRATION_TYPES, FrameType, GroupKey

BIAS, DARK, DARK_FLAT, FLAT = CALIBRATION_TYPES
DOCS = Path(__file__).parent.parent / "docs" / "layouts.md"


def naming(frame_type: FrameType, /, *, first: date | None = None, telescope: str | None = None, **key: Any) -> Naming:
    """Return a naming as the plan makes it: telescope and filter beside the key as well as in it."""
    if frame_type is FLAT:
        key = {"telescope": telescope, "night": first} | key
    return Naming(
        key=GroupKey(type=frame_type, **key), telescope=telescope, filter=key.get("filter"), first=first, created=first
    )


# --- names as the documents print them ----------------------------------------------------------------------

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
    assert not layouts.same_path(plain, other)


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


# --- names are read back ------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.sampled_from(
        ["L", "Ha", "Hα", "Hβ", "O III", "ZWO ASI2600MM Pro", 'Edge HD 8"', "Dark", "NO_FILTER", "赤", "NoFilter"]
    ),
    st.text(min_size=1, max_size=60),
)
NUMBERS = st.one_of(st.none(), st.integers(-300, 2000).map(float), st.floats(-300, 5000).map(lambda x: round(x, 2)))
DATES = st.one_of(st.none(), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
COUNTS = st.one_of(st.none(), st.integers(1, 20000))


@st.composite
def namings(draw: st.DrawFn, strings: st.SearchStrategy[str] = TEXTS) -> Naming:
    """Anything a header could say, however odd."""
    frame_type = draw(st.sampled_from(CALIBRATION_TYPES))
    text = st.one_of(st.none(), strings)
    key: dict[str, Any] = {name: draw(text) for name in ("camera", "camera_id", "readout_mode", "bayer_pattern")}
    key |= {name: draw(NUMBERS) for name in ("gain", "offset", "iso", "usb_limit", "temperature")}
    key |= {name: draw(COUNTS) for name in ("width", "height", "channels")}
    key |= dict.fromkeys(("x_binning", "y_binning"), draw(st.sampled_from([None, 1, 2])))
    if frame_type is not BIAS:
        key["exposure"] = draw(st.one_of(st.none(), st.floats(0, 4000).map(lambda x: round(x, 6))))
    if frame_type in (FLAT, DARK_FLAT):
        key["filter"] = draw(text)
    return naming(frame_type, first=draw(DATES), telescope=draw(text), **key)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(named=namings())
def test_a_name_is_read_back_as_what_it_says(layout: str, named: Naming) -> None:
    """Every value that stands in the path, as it stands there; and the path read back gives the path again."""
    row, path = LAYOUTS[layout], render(layout, named)
    if any(len(part) >= pattern.LONGEST_COMPONENT for part in path.parts):
        return  # cut, so not all of it is there to be read

    found = parse(layout, Path("/some/library") / path)

    assert found is not None
    assert render(layout, found.model_copy(update={"key": _with_type(found.key, named)})) == path or layout in (
        "anawbpps",  # whose folder holds telescope and camera without a border between them
        "wbpp",  # whose CFA does not say which pattern
    )
    for token in pattern.tokens(row.patterns[named.key.type]):
        if token.fields:
            assert token.spell(found, row.text) == token.spell(named, row.text)
    assert found.key.type is named.key.type or (layout == "pulsar" and named.key.type is DARK_FLAT)


def _with_type(key: GroupKey, named: Naming) -> GroupKey:
    return key.model_copy(update={"type": named.key.type})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ordinary_values_come_back_equal(layout: str) -> None:
    """Numbers as numbers, and texts that need no cleaning as they were, in every field the layout carries."""
    values: dict[str, Any] = {
        "camera": "ASI2600MM",
        "camera_id": "a1",
        "telescope": "RedCat51",
        "filter": "L",
        "readout_mode": "Fast",
        "gain": 100.0,
        "offset": 50.5,
        "usb_limit": 40.0,
        "temperature": -10.25,
        "exposure": 6.24656,
        "x_binning": 2,
        "y_binning": 1,
        "width": 6248,
        "height": 4176,
        "date": date(2026, 1, 29),
    }
    for frame_type in CALIBRATION_TYPES:
        own = {name: value for name, value in values.items() if name != "date"}
        found = parse(layout, render(layout, naming(frame_type, first=values["date"], **own)))

        assert found is not None
        carried = LAYOUTS[layout].carries(frame_type)
        read = {name: found.day if name == "date" else getattr(found.key, name) for name in carried}
        expected = {name: values.get(name) for name in carried}
        if layout == "pulsar" and "filter" in carried:
            expected["filter"] = "l"
        assert read == expected


@pytest.mark.parametrize(
    ("layout", "path"),
    [
        pytest.param("ap", "dark_120s_001.xisf", id="a raw frame"),
        pytest.param("ap", "darks/masterBias_INSTRUME_A_SET-TEMP_-10_GAIN_1_OFFSET_1.xisf", id="another folder"),
        pytest.param("ap", "master/masterBias_INSTRUME_A_SET-TEMP_-10_GAIN_1_OFFSET_1", id="no suffix"),
        pytest.param("ap", "master/masterBias_INSTRUME_A_SET-TEMP_-10_GAIN_1_OFFSET_1.txt", id="no image"),
        pytest.param("nina", "2025-13-40/bias/master-bias_GAIN1_OFFSET1_T-10C.fit", id="no date"),
        pytest.param("nina", "2025-09-23/dark-180s/master-dark_300s_GAIN1_OFFSET1_T-10C.fit", id="folder contradicts"),
        pytest.param("anawbpps", f"!!!DARKS_LIB/{SETUP}/DARKS_2025_11_10/{SETUP}_MasterBias_0s.xisf", id="type"),
        pytest.param("siril", ".fit", id="nothing but a suffix"),
    ],
)
def test_what_is_no_name_of_the_layout_is_not_read(layout: str, path: str) -> None:
    """A file that merely lies there is not taken for a master of the layout."""
    assert parse(layout, Path(path)) is None


def test_a_name_is_read_without_its_folders() -> None:
    """S4's --bias-master-dir points into the folder of masters itself."""
    found = parse("ap", Path("masterBias_INSTRUME_ASI294MC_SET-TEMP_-10_GAIN_100_OFFSET_10.xisf"))

    assert found is not None
    assert (found.key.camera, found.key.temperature, found.key.gain) == ("ASI294MC", -10.0, 100.0)


def test_both_spellings_of_pulsars_h_alpha_are_read() -> None:
    """C-14: flat_h in its list, flat_ha in its workflow."""
    for name in ("flat_h.fit", "flat_ha.fit"):
        found = parse("pulsar", Path(name))

        assert found is not None
        assert render("pulsar", found).name == "flat_h.fit"


def test_paths_are_read_with_the_separators_of_windows() -> None:
    """A library on a Windows drive."""
    found = parse("playbook", PureWindowsPath(r"D:\masters\darks\120s_-10_g0_o50\master_dark_2026-03-01.xisf"))

    assert found is not None
    assert (found.key.exposure, found.key.gain, found.day) == (120.0, 0.0, date(2026, 3, 1))


# --- headers are not trusted --------------------------------------------------------------------------------

HOSTILE = (
    "../../x",
    "..\\..\\x",
    "/etc/passwd",
    "C:\\Windows",
    "a\"b'c`d",
    "line\nbreak\r\t\x00",
    "CON",
    "nul.txt",
    "..",
    ".",
    " ",
    "-rf",
    "Hα 赤 é",
    "x" * 500,
    "_" * 40,
    "$(id)",
    "a/b",
    "trailing. ",
    "\ud800",
    "\u202egnp.exe",
)


def _check(path: Path) -> None:
    """Assert that a path stays in the library and is a path on every system."""
    assert not path.is_absolute()
    assert not PureWindowsPath(str(path)).drive
    assert os.path.normpath(path) == str(path)
    for part in PurePosixPath(path.as_posix()).parts:
        assert part not in ("", ".", "..")
        assert re.fullmatch(r"[A-Za-z0-9._+!-]+", part), part
        assert not part.endswith(".")
        assert part.split(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt1"}
        assert len(part) <= pattern.LONGEST_COMPONENT + len(".xisf")


OWN = ("{{ filter }}/{{ camera }}", "$$FILTER$$\\$$CAMERA$$_$$READOUTMODE$$", "{{ filter | upper }}/{{ telescope }}-x")


@pytest.mark.parametrize("layout", [*LAYOUTS, *OWN])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_never_leaves_the_library(layout: str, text: str) -> None:
    """A filter called ../../x is a folder name like any other, in every layout and for every type."""
    for frame_type in CALIBRATION_TYPES:
        hostile: dict[str, Any] = dict.fromkeys(("filter", "camera", "telescope", "readout_mode"), text)
        _check(render(layout, naming(frame_type, **hostile)))


@pytest.mark.parametrize("layout", [*LAYOUTS, *OWN])
@given(named=namings(st.text(max_size=200)))
def test_no_text_at_all_leaves_the_library(layout: str, named: Naming) -> None:
    """Whatever Unicode holds."""
    _check(render(layout, named))


@pytest.mark.parametrize("rule", [texts.PLAIN, texts.WBPP, texts.ANAWBPPS, texts.SIRIL])
@given(st.text(min_size=1, max_size=80).filter(str.strip))
@example("CON")
@example("nul.txt")
@example("_a_")
@example("a" * 31 + "._b")
def test_cleaning_a_text_twice_is_cleaning_it_once(rule: texts.TextRule, text: str) -> None:
    """So a value that was read from a name is spelled as it stands there."""
    once = rule.clean(text)

    assert rule.clean(once) == once
    assert re.fullmatch(rule.regex, once)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "pulsar"])
@pytest.mark.parametrize(
    ("one", "two"),
    [("Hα", "Hβ"), ("赤", "緑"), ("Луна", "Яркость"), ("x" * 40 + "1", "x" * 40 + "2")],
)
def test_texts_that_lose_letters_or_length_stay_apart(layout: str, one: str, two: str) -> None:
    """Two filters of another alphabet, or of long names, are two masters."""
    paths = [render(layout, naming(FLAT, filter=text)) for text in (one, two)]

    assert not layouts.same_path(*paths)


def test_a_very_long_name_is_cut_and_stays_unique() -> None:
    """No component beyond 180 characters and the suffix, and whole paths within what Windows takes."""
    key: dict[str, Any] = {"camera": "c" * 90, "camera_id": "i" * 90, "readout_mode": "r" * 90, "filter": "f" * 90} | {
        "gain": 100.0
    }
    one, two = (render("ap", naming(FLAT, **key, first=date(2026, 1, day))) for day in (1, 2))

    assert len(one.name) <= 185
    assert len(one.as_posix()) <= 200
    assert one != two


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ordinary_paths_are_short(layout: str) -> None:
    """Within 200 characters and not cut, for a real camera with everything known."""
    named = naming(
        FLAT,
        camera="ZWO ASI2600MM Pro",
        telescope="Celestron EdgeHD 8",
        filter="Optolong L-Ultimate",
        gain=100.0,
        offset=50.0,
        temperature=-10.5,
        exposure=6.24656,
        readout_mode="High Gain Mode",
        camera_id="0a1b2c3d",
        usb_limit=40.0,
        x_binning=1,
        y_binning=1,
        width=6248,
        height=4176,
        first=date(2026, 1, 29),
    )

    path = render(layout, named)

    assert len(path.as_posix()) <= 200
    assert parse(layout, path) is not None


TYPE_WORD = re.compile(r"(?<![A-Za-z0-9])(BIAS|DARKS?|FLATS?|LIGHTS?)(?![A-Za-z0-9])", re.IGNORECASE)


@given(named=namings(st.sampled_from(["Dark", "flats", "Light Bucket", "L", "bias-x", "a_dark_b", "LIGHT"])))
def test_wbpp_never_finds_a_contradicting_type_word(named: Naming) -> None:
    """WBPP takes the type from the last such word in a path; none of ours stands alone in one."""
    assert not TYPE_WORD.search(render("wbpp", named).as_posix())


def test_paths_that_differ_in_case_alone_are_one_file() -> None:
    """On Windows and macOS."""
    assert layouts.same_path(Path("a/Flat_L.fit"), Path("A/flat_l.FIT"))
    assert not layouts.same_path(Path("a/flat_l.fit"), Path("a/flat_r.fit"))


# --- the user's own ---------------------------------------------------------------------------------------

OF_OWN = naming(
    FLAT,
    camera="ZWO ASI2600MM Pro",
    telescope="RedCat 51",
    filter="L",
    gain=100.0,
    temperature=-10.5,
    exposure=2.5,
    first=date(2026, 1, 29),
    x_binning=1,
    y_binning=1,
)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{{ type }}s/{{ camera }}/{{filter}}_{{ exposure }}s", "flats/ZWO-ASI2600MM-Pro/L_2.5s.xisf"),
        ("My Masters/{{ type }}_{{ date }}.fits", "My Masters/flat_2026-01-29.fits"),
        ("$$DATEMINUS12$$\\$$IMAGETYPE$$\\$$FILTER$$_$$GAIN$$", "2026-01-29/FLAT/L_100.xisf"),
        ("$$CAMERA$$/$$BINNING$$_$$EXPOSURETIME$$s_$$OFFSET$$", "ZWO-ASI2600MM-Pro/1x1_2.5s_NO_OFFSET.xisf"),
        ('{{ type }}_G{{ "%03d" | format(gain) }}', "flat_G100.xisf"),
        ('{{ type }}_{{ "%.1f" | format(temperature) }}', "flat_-10.5.xisf"),
        ("{{ type }}{% if readout %}_{{ readout }}{% endif %}{% if filter %}_{{ filter }}{% endif %}", "flat_L.xisf"),
        ("{{ camera | lower }}/{{ type }}", "zwo-asi2600mm-pro/flat.xisf"),
    ],
)
def test_a_path_of_ones_own(template: str, path: str) -> None:
    """In jinja2 or with N.I.N.A.'s tokens; numbers are numbers (C-20), an absent value is false."""
    assert render(template, OF_OWN).as_posix() == path


@pytest.mark.parametrize(
    "template",
    [
        "{{ type }}/{{ camera }}_{{ filter }}_{{ exposure }}s_{{ temperature }}",
        "$$DATEMINUS12$$\\$$IMAGETYPE$$\\$$FILTER$$_$$GAIN$$_$$CAMERA$$",
        "x [{{type}}] {{ camera_id }}",
    ],
)
@given(named=namings())
def test_a_path_of_ones_own_is_read_back_where_values_have_borders(template: str, named: Naming) -> None:
    """Values end at a character that none of them contains."""
    path = render(template, named)

    found = parse(template, path)

    assert found is not None
    assert found.key.type is named.key.type
    assert render(template, found) == path


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{{ type }}/{{ camera }}-{{ filter }}", id="a border that values contain"),
        pytest.param("{{ type }}{{ gain }}", id="no border"),
        pytest.param("{{ type }}_{{ camera | lower }}", id="a filter"),
        pytest.param("{{ camera }}_{{ gain }}", id="no type"),
    ],
)
def test_a_path_that_would_have_to_be_guessed_is_not_read(template: str) -> None:
    """Rather nothing than something wrong."""
    assert parse(template, render(template, OF_OWN)) is None


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ camra }}", "Did you mean 'camera'"),
        ("$$CAMRA$$", "Did you mean 'CAMERA'"),
        ("$$RMS$$", "Known: BINNING"),
        ("{{ nonsense | upper }}", "Names that can be used"),
        ("{{ camera", "cannot be filled in"),
        ('{{ "%03d" | format(offset) }}', "cannot be filled in"),
        ("/{{ camera }}", "relative to the library"),
        ("../{{ camera }}", "relative to the library"),
        ("C:/{{ camera }}", "relative to the library"),
        ("a\\{{ camera }}", "relative to the library"),
        ("{{ camera }}//x", "relative to the library"),
        ("aux/{{ camera }}", "relative to the library"),
        ("{{ camera }}./x", "relative to the library"),
        ('{{ camera | replace("-", "/../") }}', "relative to the library"),
        ("{{ camera.__class__.__mro__ }}", "cannot be filled in"),
    ],
)
def test_a_path_of_ones_own_that_cannot_be_used_says_why(template: str, message: str) -> None:
    """An error of the settings, before anything is built."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        render(template, OF_OWN)


def test_an_unknown_layout_names_the_nearest() -> None:
    """A misspelled name is an error of usage."""
    with pytest.raises(ConfigError, match="Did you mean 'playbook'"):
        render("playbok", OF_OWN)
    with pytest.raises(ConfigError, match="There are ap, anawbpps"):
        layouts.scale_of("xyz")


# --- Siril ------------------------------------------------------------------------------------------------


def _siril(expression: str, header: dict[str, Any]) -> str:
    """Fill in an expression as Siril's path_parse.c does: %d truncates, %s joins words by ``_``, ``*`` is any."""

    def value(found: re.Match[str]) -> str:
        key, _, spelled = found[1].partition(":")
        if key.startswith("*"):
            return "*"
        return str(int(header[key])) if spelled == "%d" else re.sub(r"[^A-Za-z0-9.+-]", "_", header[key].strip())

    return re.sub(r"\$(.+?)\$", value, expression)


def test_siril_finds_the_masters_of_its_layout() -> None:
    """What Siril makes of the expressions for a light is where the masters were filed."""
    common: dict[str, Any] = {"gain": 100.0, "offset": 50.0, "temperature": -10.0, "x_binning": 1, "y_binning": 1}
    header = {"EXPTIME": 300.0, "GAIN": 100, "OFFSET": 50, "SET-TEMP": -10.0, "XBINNING": 1, "FILTER": "O III "}
    root = Path("/home/me/my masters")

    found = {name: _siril(text, header) for name, text in layouts.siril_expressions(root).items()}

    night = date(2026, 1, 29)
    assert found["$defbias"] == (root / render("siril", naming(BIAS, **common))).as_posix()
    assert found["$defdark"] == (root / render("siril", naming(DARK, exposure=300.0, **common))).as_posix()
    flat = (root / render("siril", naming(FLAT, filter="O III ", first=night, **common))).as_posix()
    assert re.fullmatch(re.escape(found["$defflat"]).replace(r"\*", ".*"), flat)


def test_siril_cannot_be_told_of_a_path_with_a_dollar_sign() -> None:
    """It would take it for the start of a value."""
    with pytest.raises(UsageError, match=re.escape("$")):
        layouts.siril_expressions(Path("/home/me/$masters"))
