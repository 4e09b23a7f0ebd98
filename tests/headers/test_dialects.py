"""Peculiarities of programs whose headers are seldom met: each is read as its writer meant it."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ap_masters.headers import frame_from
from ap_masters.headers.frame_types import type_in_words, words
from ap_masters.model import Frame, FrameType, Keyword
from tests.headers.samples import image_with


def read(
    *cards: tuple[str, str | int | float | bool | None] | tuple[str, str | int | float | bool | None, str],
    path: str = "night/frame.fits",
) -> Frame:
    info = image_with(tuple(Keyword(*card) for card in cards), path)
    return frame_from(info, size=1, mtime_ns=1, root=Path(path).parent)


@pytest.mark.parametrize(
    ("program", "card", "field"),
    [
        ("N.I.N.A.", ("XPIXSZ", 3.76), "pixel_size"),
        ("N.I.N.A.", ("ROTATANG", 90.0), "rotation"),
        ("INDI", ("PIXSIZE1", 3.76), "pixel_size"),
        ("INDI with a QHY", ("READMODE", "1"), "readout_mode"),
        ("SharpCap", ("BLKLEVEL", 30.0), "offset"),
        ("SharpCap", ("CAMID", "1a2b"), "camera_id"),
        ("SharpCap", ("COLORTYP", "RGGB"), "bayer_pattern"),
        ("Siril", ("CVF", 0.25), "electrons_per_adu"),
        ("DWARF II", ("EXP", 15.0), "exposure"),
        ("DWARF II", ("CAMERA", "TELE"), "camera"),
        ("DWARF 3", ("DET-TEMP", 21.5), "sensor_temperature"),
        ("LCO", ("CCDATEMP", -99.5), "sensor_temperature"),
        ("LCO", ("CCDSTEMP", -100.0), "set_temperature"),
        ("LCO", ("CONFMODE", "full_frame"), "readout_mode"),
        ("Astro Pixel Processor", ("FILT-1", "L"), "filter"),
        ("Astro Pixel Processor", ("CFAIMAGE", "RGGB"), "bayer_pattern"),
        ("Astro Pixel Processor", ("SOFTWARE", "Astro Pixel Processor"), "software"),
        ("PixInsight", ("Instrument:Camera:ISOSpeed", 800.0), "iso"),
        ("PixInsight", ("Instrument:Camera:SerialNumber", "A1"), "camera_id"),
        ("PixInsight", ("Instrument:Sensor:XPixelSize", 3.76), "pixel_size"),
        ("PixInsight", ("Instrument:Telescope:Name", "RedCat 51"), "telescope"),
    ],
)
def test_every_program_has_its_own_word_for_it(program: str, card: tuple[str, str | float], field: str) -> None:
    """What real files have, whatever the tables hold; a colon is in the name of a property of XISF."""
    name, value = card
    image = image_with(() if ":" in name else (Keyword(name, value),))
    frame = frame_from(image._replace(properties=((name, str(value)),) if ":" in name else ()), size=1, mtime_ns=1)

    assert getattr(frame, field) == value, program


@pytest.mark.parametrize(
    ("card", "kind"),
    [
        (("FRAME", "Dark"), FrameType.DARK),  # INDI of 2020
        (("OBSTYPE", "BIAS"), FrameType.BIAS),  # LCO
        (("FRAMETYP", "Flat"), FrameType.FLAT),  # Siril
        (("PICTTYPE", 1), FrameType.LIGHT),  # MaxIm and TheSkyX
        (("PICTTYPE", 2), FrameType.BIAS),
        (("PICTTYPE", 3), FrameType.DARK),
        (("PICTTYPE", 4), FrameType.FLAT),
    ],
)
def test_where_the_type_stands_without_imagetyp(card: tuple[str, str | int], kind: FrameType) -> None:
    """Not every program writes IMAGETYP, and two number the types."""
    assert read(card).type is kind


@pytest.mark.parametrize(
    "cards",
    [
        [("XBINNING", 2), ("YBINNING", 2)],
        [("CCDXBIN", 2), ("CCDYBIN", 2)],  # SGPro, Seestar
        [("CCDBINX", 2), ("CCDBINY", 2)],  # old PixInsight
        [("BINX", 2), ("BINY", 2)],  # Siril
        [("BINNING", "2*2")],  # DWARF II
        [("CCDSUM", "2 2")],  # LCO
    ],
)
def test_binning_by_many_names(cards: list[tuple[str, str | int]]) -> None:
    """In two keywords, or in one for both axes."""
    frame = read(*cards)

    assert (frame.x_binning, frame.y_binning) == (2, 2)


@pytest.mark.parametrize("card", [("ISO", 400), ("ISO", "400"), ("ISOSPEED", "ISO 400"), ("ISOSPEED", "iso400")])
def test_iso_by_other_names(card: tuple[str, str | int]) -> None:
    """SGPro with a Canon writes ISO; others write the word before the number."""
    assert read(card).iso == 400


def test_the_brightness_of_old_asi_drivers_is_the_offset() -> None:
    """Keywords have eight letters, so that it is cut off."""
    assert read(("BRIGHTNE", 50)).offset == 50


def test_microseconds_of_asicap() -> None:
    """It names no exposure but EXPOINUS."""
    assert read(("EXPOINUS", 10_000_000)).exposure == 10.0
    assert read(("EXPOINUS", 10_000_000, "Exposure time in us")).exposure == 10.0


@pytest.mark.parametrize(
    ("comment", "exposure"),
    [
        ("exposure time in ms", 160.0),
        ("Exposure (milliseconds)", 160.0),
        ("exposure in microseconds", 0.16),
        ("[us] exposure", 0.16),
        ("Exposure time in seconds", 160_000.0),
        ("[s] with ms resolution", 160_000.0),
        ("", 160_000.0),
    ],
)
def test_the_comment_may_name_the_unit(comment: str, exposure: float) -> None:
    """Where the value alone would be two days; a second keyword in seconds then says the same."""
    frame = read(("IMAGETYP", "DARK"), ("EXPTIME", 160_000, comment), ("EXPOSURE", exposure))

    assert frame.exposure == pytest.approx(exposure)
    assert frame.warnings == ()


@pytest.mark.parametrize("value", [0, 2, "0"])
def test_kinds_of_sensors_are_no_pattern(value: str | int) -> None:
    """MaxIm's COLORTYP is zero for monochrome, a number for some sensors."""
    assert read(("COLORTYP", value)).bayer_pattern is None
    assert read(("COLORTYP", "RGGB")).bayer_pattern == "RGGB"


@pytest.mark.parametrize("value", ["RAW16", "MONO16", "AUTO", "Unknown", "RG"])
def test_what_is_no_pattern_of_colours_is_none(value: str) -> None:
    """A pattern has the colours of two rows of two, or six of six; a word in its place would stand in the master."""
    assert read(("BAYERPAT", value)).bayer_pattern is None
    assert read(("BAYERPAT", "cygm")).bayer_pattern == "CYGM"
    assert read(("BAYERPAT", "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG")).bayer_pattern is not None


def test_a_raw_gain_is_the_setting() -> None:
    """Where both are there, GAIN may be in electrons."""
    assert read(("GAINRAW", 100)).gain == 100
    assert read(("GAIN", 0.25), ("GAINRAW", 100)).gain == 100


def test_offsets_that_repeat_the_pattern_say_nothing() -> None:
    """INDIGO writes GRBG, and how far that is from RGGB."""
    offsets = (("BAYERPAT", "GRBG"), ("XBAYROFF", 1), ("YBAYROFF", 0))
    indigo = read(*offsets, ("SWCREATE", "INDIGO 2.0-203"))

    assert (indigo.bayer_pattern, indigo.x_bayer_offset, indigo.y_bayer_offset) == ("GRBG", None, None)
    assert read(*offsets, ("SWCREATE", "N.I.N.A. 3.2")).x_bayer_offset == 1


def test_andor_calls_the_start_frame() -> None:
    """FRAME is no type there; the binning and the temperature have names of their own too."""
    frame = read(("FRAME", "2017-07-14T00:00:58.642"), ("HBIN", 2), ("VBIN", 2), ("TEMP", -70.0), ("HEAD", "DU888_BV"))

    assert (frame.type, frame.type_text) == (None, None)
    assert frame.started == datetime(2017, 7, 14, 0, 0, 58, 642_000, tzinfo=UTC)
    assert (frame.x_binning, frame.sensor_temperature, frame.camera) == (2, -70.0, "DU888_BV")


@pytest.mark.parametrize(
    "site",
    [
        (("SITELONG", "+120:04:54.6924", "Site longitude in degrees west of zero"),),
        (("SITELONG", "+122 30 31", "Longitude of the imaging location"), ("OBSGEO-L", -122.5)),
        (("SITELONG", "-120 04 54", "Longitude of the imaging location, west is negative"),),
        (("SITELONG", "-120 04 54", "negative is west of Greenwich"),),
    ],
)
def test_longitudes_that_count_west(site: tuple[tuple[str, str | float], ...]) -> None:
    """A dusk in California is one evening, whichever way its longitude is counted."""
    nights = {read(("DATE-OBS", f"2020-05-30T{clock}"), *site).night for clock in ("03:36:00", "04:25:00", "11:00:00")}

    assert nights == {date(2020, 5, 29)}


@pytest.mark.parametrize("site", [("OBSLONG", "-120.08"), ("OBSLONG", "-120:04:54"), ("OBS-LONG", -120.08)])
def test_longitudes_of_an_observatory(site: tuple[str, str | float]) -> None:
    """SharpCap's, Maidanak's and Rubin's count east: flats of dusk and of dawn in California are of one night."""
    nights = {read(("DATE-OBS", f"2020-05-30T{clock}"), site).night for clock in ("03:36:00", "12:40:00")}

    assert nights == {date(2020, 5, 29)}


@pytest.mark.parametrize("mark", ["COMBINED", "MASTER"])
def test_combined_by_scripts_of_ccdproc(mark: str) -> None:
    """They say so by a truth value, and leave the rest of a frame's header as it was."""
    assert read(("IMAGETYP", "BIAS"), (mark, True)).master
    assert not read(("IMAGETYP", "BIAS"), (mark, False)).master


@pytest.mark.parametrize(
    ("cards", "state"),
    [
        ([("CALSTAT", "BD")], "BD"),
        ([("CALSTAT", "bdfm")], "BDF"),
        ([("CALSTAT", "Bias, Dark")], "BD"),
        ([("CALSTAT", "False")], None),
        ([("CALSTAT", "F")], None),
        ([("CALSTAT", "OFF")], None),
        ([("CALSTAT", "DEFAULT")], None),
        ([("CALSTAT", "uncalibrated")], None),
        ([("HISTORY", None, "Calibrated with a master dark")], "D"),
        ([("HISTORY", None, "Calibrated with a synthetic bias of 512")], "B"),
        (
            [
                ("HISTORY", None, "ImageCalibration.masterBias.enabled: true"),
                ("HISTORY", None, "ImageCalibration.masterDark.enabled: true"),
                ("HISTORY", None, "ImageCalibration.masterFlat.enabled: false"),
            ],
            "BD",
        ),
        (
            [
                ("HISTORY", None, "Bias corrected with mbias.fits"),
                ("HISTORY", None, "Dark corrected with mdark60.fits"),
                ("HISTORY", None, "and exposure time scaling factor = 1.0"),
            ],
            "BD",
        ),
        ([("HISTORY", None, "Auto Dark Subtraction")], "D"),
        ([("HISTORY", None, "Dark Subtraction")], "D"),
        ([("HISTORY", None, " Bias Subtraction (Bias 1, 4864 x 3232, Bin1 x 1, Temp -35C,")], "B"),
        ([("HISTORY", None, "No Dark Subtraction")], None),
        ([("HISTORY", None, "a dark night")], None),
    ],
)
def test_frames_that_have_been_calibrated(cards: list[tuple[str, None, str]], state: str | None) -> None:
    """By CALSTAT, or by what PixInsight, Siril, AstroImageJ, MaxIm DL and SBIG's CCDOPS write into the history."""
    frame = read(("IMAGETYP", "FLAT"), ("EXPTIME", 1.0), *cards)

    assert frame.calibration_state == state
    assert any("calibrated already" in warning for warning in frame.warnings) is (state is not None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("MasterOffset_ISO800", FrameType.BIAS), ("masterDark_OFFSET_50", FrameType.DARK), ("offset_50", None)],
)
def test_a_master_of_offsets(name: str, kind: FrameType | None) -> None:
    """DeepSkyStacker calls its bias so; elsewhere the word is a setting."""
    assert type_in_words(words(name)) is kind


def test_a_frame_of_pyobs() -> None:
    """Its set-point has a name of its own; without it, a cooler that drifts would divide one night into groups."""
    frame = read(("IMAGETYP", "skyflat"), ("DET-TEMP", -19.6), ("DET-TSET", -20.0), ("XBINNING", 2), ("DET-BIN1", 2))

    assert (frame.type, frame.x_binning) == (FrameType.FLAT, 2)
    assert (frame.set_temperature, frame.sensor_temperature) == (-20.0, -19.6)


def test_a_frame_of_audela() -> None:
    """Of a French observatory: biases are offsets, and binning is counted along axes 1 and 2."""
    frame = read(("IMAGETYP", "Offset"), ("SET_TEMP", -10.0), ("CCD_TEMP", -9.8), ("BIN1", 2), ("BIN2", 3))

    assert (frame.type, frame.set_temperature, frame.sensor_temperature) == (FrameType.BIAS, -10.0, -9.8)
    assert (frame.x_binning, frame.y_binning) == (2, 3)


@pytest.mark.parametrize("pair", [("CCDBIN1", "CCDBIN2"), ("XBIN", "YBIN")])
def test_binning_of_observatories(pair: tuple[str, str]) -> None:
    """The Dark Energy Camera's and that of the CFHT."""
    frame = read((pair[0], 2), (pair[1], 1))

    assert (frame.x_binning, frame.y_binning) == (2, 1)


def test_a_frame_of_lvmcam() -> None:
    """Its camera has a name and a number, and no INSTRUME; the first of two EXPTIME is the one that was asked for."""
    frame = read(
        ("CAMNAME", "sci.agw"),
        ("CAMUID", 19283193),
        ("IMAGETYP", "dark"),
        ("EXPTIME", 0.1),
        ("EXPTIME", 0.099996),
        ("CAMTEMP", 38.5, "Camera Temperature (C)"),
    )

    assert (frame.camera, frame.camera_id) == ("sci.agw", "19283193")
    assert (frame.exposure, frame.sensor_temperature) == (0.1, 38.5)


def test_the_serial_number_of_a_camera() -> None:
    """ForthASI's; two cameras of one model share INSTRUME."""
    assert read(("INSTRUME", "ZWO ASI6200MM Pro"), ("INSTRSN", "1e20123400a1")).camera_id == "1e20123400a1"


def test_a_frame_of_the_rubin_observatory() -> None:
    """As of other cameras whose program calls the type IMGTYPE (ZTF, SEDM, Robo-AO)."""
    frame = read(("IMGTYPE", "BIAS"), ("TEMP_SET", -95.0), ("CCDTEMP", -94.7), ("BINX", 1), ("BINY", 1))

    assert (frame.type, frame.set_temperature, frame.sensor_temperature) == (FrameType.BIAS, -95.0, -94.7)


@pytest.mark.parametrize(
    ("card", "kind"),
    [
        (("IMGTYPE", "flat"), FrameType.FLAT),
        (("IMG_TYPE", "LIGHT"), FrameType.LIGHT),
        (("DATA-TYP", "DOMEFLAT"), FrameType.FLAT),
        (("OBS_TYPE", "DARK"), FrameType.DARK),
        (("IMAGETYP", "obj"), FrameType.LIGHT),
        (("OBSTYPE", "TARGET"), FrameType.LIGHT),
    ],
)
def test_types_of_observatories(card: tuple[str, str], kind: FrameType) -> None:
    """Of Rubin, FOXSI, Subaru, Hida, SCORPIO at the BTA, and the WHT."""
    assert read(card).type is kind


@pytest.mark.parametrize(
    "card",
    [
        ("IMAGETYP", "unknow"),
        ("IMAGETYP", "UNKNOWN"),
        ("FRAME", "FK5"),
        ("OBS_TYPE", "FG (simple)"),
        ("DATA-TYP", "MOSAIC"),
    ],
)
def test_what_says_no_type_leaves_it_to_the_folder(card: tuple[str, str]) -> None:
    """RTS2 writes 'unknow'; and keywords that mean something else elsewhere count only where they name a type."""
    frame = read(card, path="night/darks/0001.fits")

    assert (frame.type, frame.type_text) == (FrameType.DARK, None)


def test_universal_time_by_its_name_comes_first() -> None:
    """TIME-OBS of SCORPIO is the time in Moscow, which the FITS standard does not allow for; UT is what it says."""
    frame = read(("DATE-OBS", "2024/04/12"), ("TIME-OBS", "16:00:05.030"), ("UT", "13:00:04.12"))

    assert frame.started == datetime(2024, 4, 12, 13, 0, 4, 120_000, tzinfo=UTC)


@pytest.mark.parametrize("card", [("UT", 23.76), ("UT", "23 45 36"), ("UTC", 0), ("UTSTART", "soon")])
def test_what_is_no_time_of_day_leaves_it_to_the_next_keyword(card: tuple[str, str | float]) -> None:
    """Some write UT in hours, or leave a nought: the frame would be one of midnight, and of another night."""
    frame = read(("DATE-OBS", "2024-04-12"), card, ("TIME-OBS", "23:45:36"))

    assert frame.started == datetime(2024, 4, 12, 23, 45, 36, tzinfo=UTC)


def test_a_date_of_universal_time() -> None:
    """Spectral Instruments' program at Maidanak has no DATE-OBS."""
    frame = read(("UTDATE", "2015-05-22"), ("UTSTART", "23:13:45"))

    assert frame.started == datetime(2015, 5, 22, 23, 13, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "card",
    [
        ("MJD-OBS", 57164.967881944445),
        ("MJD-BEG", "57164.967881944445"),
        ("JD", 2457165.467881944445, "Julian Date at start of exposure"),
    ],
)
def test_a_start_that_only_a_julian_date_tells(card: tuple[str, str | float]) -> None:
    """As the FITS standard and MaxIm have them, where no date is there, or none that can be."""
    for date_keyword in ((), (("DATE-OBS", "0001-01-01T00:00:00"),)):
        frame = read(*date_keyword, card)

        assert frame.started == datetime(2015, 5, 22, 23, 13, 45, tzinfo=UTC)
        assert frame.night == date(2015, 5, 22)
    assert read(card, ("DATE-OBS", "2015-05-23")).started == datetime(2015, 5, 23, tzinfo=UTC)


@pytest.mark.parametrize("card", [("JD", 57164.97), ("MJD-OBS", 0.0), ("MJD-OBS", 2457165.5), ("JD", "soon")])
def test_what_is_no_julian_date_is_no_start(card: tuple[str, str | float]) -> None:
    """A date that lacks its first digits, or has too many, would be of another century."""
    assert read(card).started is None


def test_a_gain_of_so_many_times_is_a_number() -> None:
    """The preamplifier of an Andor iKon; frames of 1x and 4x were one group."""
    assert read(("GAIN", "4x")).gain == 4
    assert read(("GAIN", "2.5 X")).gain == 2.5
    assert read(("GAIN", "x")).gain is None


@pytest.mark.parametrize(
    ("wheels", "name"),
    [
        ([("FILTER1", "clear"), ("FILTER2", "V")], "clear+V"),
        ([("FILTER1", "R"), ("FILTER2", "None"), ("FILTER3", "ND1")], "R+ND1"),
        ([("FILTER1", "None"), ("FILTER2", "V")], "V"),
        ([("FILTER1", "r"), ("FILTER2", " ")], "r"),
        ([("FILTER1", "clear"), ("FILTER2", "V"), ("FILTER", "V")], "V"),
    ],
)
def test_the_filters_of_several_wheels_are_one(wheels: list[tuple[str, str]], name: str) -> None:
    """Flats through V and R were one group where the first wheel was clear; the WHT writes CLEAR+V400 itself."""
    assert read(*wheels).filter == name


@pytest.mark.parametrize("seconds", ["EXP_TIME", "EXPTIME"])
def test_the_exposure_with_a_bar(seconds: str) -> None:
    """Mount Lemmon's LOAO, UKIRT and SCUBA give it so, in seconds."""
    assert read((seconds, 60.0, "Length of Exposure")).exposure == 60.0


@pytest.mark.parametrize("name", ["PHD2_dark_lib_1", "PHD2_dark_lib_2_1"])
def test_the_dark_library_of_phd2_is_made_of_masters(name: str) -> None:
    """One image for each exposure, each the mean of several frames, of which nothing tells but the name."""
    frame = read(("EXPOSURE", 2.5, "Exposure time in seconds"), path=f"darks_defects/{name}.fit")

    assert (frame.type, frame.master, frame.exposure) == (FrameType.DARK, True, 2.5)
