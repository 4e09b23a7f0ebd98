"""The keywords of a master: whole, harmless, and understood again as the same key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ap_masters.headers import frame_from, master_from, master_keywords
from ap_masters.model import (
    Calibration,
    CalibrationMaster,
    Decision,
    Frame,
    FrameType,
    GroupKey,
    ImageFormat,
    Keyword,
    Master,
    Recipe,
)
from tests.builders import make_frame
from tests.headers.samples import image_with

BIAS, DARK, DARK_FLAT, FLAT, LIGHT = FrameType
START = datetime(2026, 1, 29, 23, 10, 0, 123456, tzinfo=UTC)


def run(frame_type: FrameType, count: int = 3, **changes: Any) -> list[Frame]:
    """Return frames of one run, a minute apart."""
    return [
        make_frame(
            frame_type,
            path=Path(f"night/{frame_type.name}_{number:03}.fits"),
            **(
                {
                    "started": START + timedelta(minutes=number),
                    "local_started": datetime(2026, 1, 30, 0, 10) + timedelta(minutes=number),
                    "night": datetime(2026, 1, 29).date(),
                    "sensor_temperature": -10.0 + 0.1 * number,
                }
                | changes
            ),
        )
        for number in range(count)
    ]


def cards_of(frames: list[Frame], calibration: Calibration | None = None, **options: Any) -> dict[str, Any]:
    keywords = master_keywords(GroupKey.of(frames[0]), frames, Recipe(), calibration, **({"scale": "unit"} | options))
    return {keyword.name: keyword.value for keyword in keywords if keyword.name != "HISTORY"}


def fingerprint(frames: list[Frame], recipe: Recipe | None = None, calibration: Calibration | None = None) -> object:
    """Return what a master of these frames carries to be told from that of another job."""
    keywords = master_keywords(GroupKey.of(frames[0]), frames, recipe or Recipe(), calibration, scale="unit")
    return next(keyword.value for keyword in keywords if keyword.name == "APMINPUT")


def read_back(key: GroupKey, keywords: tuple[Keyword, ...]) -> Master:
    """Return the master as it is understood from its own file, of a name that tells nothing."""
    info = image_with(
        keywords,
        "library/m.xisf",
        format=ImageFormat.XISF,
        width=key.width,
        height=key.height,
        channels=key.channels,
        sample="float32",
        full_scale=None,
    )
    frame = frame_from(info, size=1, mtime_ns=1)
    assert frame.master
    return master_from(info, frame)


def test_the_whole_key_set() -> None:
    """D6: a master carries everything that matching, WBPP, Siril and its owner ask for."""
    frames = run(
        FLAT,
        camera_id="1a2b",
        usb_limit=40.0,
        iso=800.0,
        x_origin=800,
        y_origin=600,
        focal_length=250.0,
        rotation=90.5,
        pixel_size=3.76,
        electrons_per_adu=0.25,
        bayer_pattern="RGGB",
        x_bayer_offset=0,
        y_bayer_offset=1,
        row_order="TOP-DOWN",
        pedestal=100.0,
        software="N.I.N.A. 3.2",
    )
    cards = cards_of(frames)

    assert (
        cards.items()
        >= {
            "IMAGETYP": "Master Flat",
            "XORGSUBF": 800,
            "YORGSUBF": 600,
            "EXPTIME": 2,
            "EXPOSURE": 2,
            "LIVETIME": 6,
            "INSTRUME": "ZWO ASI2600MM Pro",
            "CAMERAID": "1a2b",
            "TELESCOP": "RedCat 51",
            "FOCALLEN": 250,
            "ROTATANG": 90.5,
            "XPIXSZ": 3.76,
            "EGAIN": 0.25,
            "GAIN": 100,
            "OFFSET": 50,
            "ISOSPEED": 800,
            "SET-TEMP": -10,
            "CCD-TEMP": -9.9,
            "CCDTMIN": -10,
            "CCDTMAX": -9.8,
            "CCDTSTD": 0.1,
            "XBINNING": 1,
            "YBINNING": 1,
            "READOUTM": "Low Noise",
            "USBLIMIT": 40,
            "FILTER": "L",
            "BAYERPAT": "RGGB",
            "XBAYROFF": 0,
            "YBAYROFF": 1,
            "ROWORDER": "TOP-DOWN",
            "PEDESTAL": 100,
            "DATE-OBS": "2026-01-29T23:10:00.123456",
            "DATE-BEG": "2026-01-29T23:10:00.123456",
            "DATE-END": "2026-01-29T23:12:02.123456",
            "DATE-LOC": "2026-01-30T00:10:00",
            "NCOMBINE": 3,
            "STACKCNT": 3,
            "DATAMAX": 1.0,
            "APMSCALE": "unit",
            "APMTYPE": "flat",
            "ORIGSW": "N.I.N.A. 3.2",
        }.items()
    )
    assert cards["SWCREATE"].startswith("ap-masters ")
    assert "CALSTAT" not in cards


@pytest.mark.parametrize(
    ("frame_type", "image_type"),
    [(BIAS, "Master Bias"), (DARK, "Master Dark"), (DARK_FLAT, "Master Dark"), (FLAT, "Master Flat")],
)
def test_wbpp_knows_the_type_and_we_know_the_role(frame_type: FrameType, image_type: str) -> None:
    """WBPP has no word for dark flats, so they are Master Dark to it; our own keyword keeps the role."""
    cards = cards_of(run(frame_type))

    assert (cards["IMAGETYP"], cards["APMTYPE"]) == (image_type, str(frame_type))


def test_darks_have_no_filter_and_no_night() -> None:
    """C-27: a filter belongs to flats; what a dark's header says of the wheel is left out."""
    assert "FILTER" not in cards_of(run(DARK, filter="Dark"))


def test_calibration_takes_the_pedestal_off() -> None:
    """A reader that honours it would shift samples that count from zero."""
    frames = run(FLAT, pedestal=100.0)

    assert cards_of(frames)["PEDESTAL"] == 100
    assert "PEDESTAL" not in cards_of(frames, Calibration(constant=500.0))


def test_what_frames_do_not_share_is_left_out() -> None:
    """Only what all frames state alike is said of the master."""
    frames = run(DARK, row_order="TOP-DOWN", electrons_per_adu=0.25)
    frames[0] = frames[0].model_copy(update={"row_order": None, "electrons_per_adu": 0.26})
    cards = cards_of(frames)

    assert "ROWORDER" not in cards
    assert "EGAIN" not in cards


def test_calibration_is_stated() -> None:
    """C-11: CALSTAT says what has been subtracted, now or before."""
    dark = Calibration(dark=CalibrationMaster(path=Path("d.xisf"), type=DARK))

    assert cards_of(run(FLAT), dark)["CALSTAT"] == "D"
    assert cards_of(run(DARK), Calibration(before="B"))["CALSTAT"] == "B"
    assert cards_of(run(FLAT), dark.model_copy(update={"before": "B"}))["CALSTAT"] == "BD"
    assert "CALSTAT" not in cards_of(run(FLAT), Calibration())


def test_the_scale_is_stated() -> None:
    """D12: the sample scale stands in the header, in our keyword and for Siril in DATAMAX."""
    cards = cards_of(run(DARK), scale="adu")

    assert (cards["APMSCALE"], cards["DATAMAX"]) == ("adu", 65535.0)


def test_no_set_point_is_invented() -> None:
    """INDI has no set-point: the master states the sensor temperature its group is known by."""
    frames = run(DARK, set_temperature=None, sensor_temperature=-19.87654321)
    cards = cards_of(frames)

    assert "SET-TEMP" not in cards
    assert cards["CCD-TEMP"] == -19.87654321


def test_the_local_start_is_that_of_the_first_frame() -> None:
    """Which is not the least where clocks were set back in the night."""
    first, second = run(DARK, count=2)
    later = second.model_copy(update={"local_started": datetime(2026, 1, 29, 23, 11)})

    assert cards_of([first, later])["DATE-LOC"] == "2026-01-30T00:10:00"


def test_the_fingerprint_knows_frames_and_settings_not_places() -> None:
    """The same frames elsewhere give the same fingerprint; another frame or setting gives another."""
    frames = run(DARK)
    moved = [frame.model_copy(update={"path": Path("elsewhere") / frame.path.name}) for frame in frames]

    assert fingerprint(frames) == fingerprint(moved[::-1])
    assert fingerprint(frames) != fingerprint(frames[:2])
    assert fingerprint(frames) != fingerprint(frames, Recipe(sigma_low=5.0))
    assert fingerprint(frames) != fingerprint(frames, calibration=Calibration(constant=500.0))


@pytest.mark.parametrize("change", [{"path": Path("night/other.fits")}, {"size": 1}, {"mtime_ns": 1}], ids=str)
def test_a_frame_that_is_another_file_changes_the_fingerprint(change: dict[str, Any]) -> None:
    """By name, size or time of change: a master found in a work folder may be of the frames of before."""
    frames = run(DARK)

    assert fingerprint(frames) != fingerprint([frames[0].model_copy(update=change), *frames[1:]])


def test_the_fingerprint_does_not_know_why_a_master_was_subtracted() -> None:
    """The reasons speak of every other candidate too, whatever comes to the library."""
    plain = Calibration(constant=500.0)
    told = plain.model_copy(update={"decisions": (Decision(subject="dark.xisf", verdict="refused", reason="gain"),)})

    assert fingerprint(run(DARK), calibration=plain) == fingerprint(run(DARK), calibration=told)


def test_history_names_the_frames_up_to_a_limit() -> None:
    """HISTORY lists the inputs, long names cut to a card, and says how many more there are."""
    frames = run(DARK, count=60)
    frames[0] = frames[0].model_copy(update={"path": Path("x" * 100 + "end.fits")})
    keywords = master_keywords(GroupKey.of(frames[0]), frames, Recipe(), None, scale="unit")
    history = [keyword.comment for keyword in keywords if keyword.name == "HISTORY"]

    assert history[0].endswith(": master dark of 60 frames")
    assert history[1].endswith("end.fits")
    assert history[-1] == "and 10 more, listed in the record beside this master"
    assert len(history) == 52
    assert all(len(line) <= 72 for line in history)


@pytest.mark.parametrize("filter_name", ["../../x", "it's", "a\nb", "Hα", "x" * 200, "\x1b[31mred", '"quoted"', "=1+1"])
def test_hostile_values_stay_harmless(filter_name: str) -> None:
    """A filter with quotes, newlines or control characters becomes one printable line and breaks no header."""
    frames = run(FLAT, filter=filter_name)
    keywords = master_keywords(GroupKey.of(frames[0]), frames, Recipe(), None, scale="unit")

    assert all(str(keyword.value).isprintable() and keyword.comment.isprintable() for keyword in keywords)


def test_keyword_names_fit_a_card() -> None:
    """FITS has eight columns for a name."""
    names = cards_of(run(FLAT, bayer_pattern="RGGB", software="x", pedestal=1.0))

    assert all(len(name) <= 8 and name == name.upper() for name in names)


WORDS = st.text(
    alphabet=st.characters(categories=("L", "N", "P", "S"), exclude_characters="'\""), min_size=1, max_size=20
)
NAMES = st.none() | WORDS.filter(lambda word: word.upper() not in {"NONE", "NOFILTER"})
SETTINGS = st.none() | st.integers(0, 500).map(float) | st.floats(0, 500, allow_subnormal=False)
TEMPERATURES = st.none() | st.floats(-40, 40).map(lambda value: round(value, 4))
TIMES = st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1))


@st.composite
def groups(draw: st.DrawFn) -> tuple[GroupKey, list[Frame]]:
    """Return a key and frames that share all of it, whatever a header may lack."""
    kind = draw(st.sampled_from([BIAS, DARK, DARK_FLAT, FLAT]))
    started, local = draw(TIMES), draw(TIMES)
    evening = local or started
    asked, measured = draw(TEMPERATURES), draw(TEMPERATURES)
    if asked == 0 and measured is not None and abs(measured) > 5:
        asked = None  # such a set-point is not believed when frames are read, so no frame has one
    binning = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    frame = make_frame(
        kind,
        camera=draw(NAMES),
        camera_id=draw(NAMES.filter(lambda name: name is None or bool(name.strip("0-")))),
        gain=draw(SETTINGS),
        offset=draw(SETTINGS),
        iso=draw(st.none() | st.floats(1, 51200)),
        x_binning=binning[0] if binning else None,
        y_binning=binning[1] if binning else None,
        bayer_pattern=draw(st.none() | st.sampled_from(["RGGB", "GBRG"])),
        readout_mode=draw(NAMES),
        usb_limit=draw(SETTINGS),
        set_temperature=asked,
        sensor_temperature=measured,
        exposure=draw(st.floats(1e-6, 3600)),
        telescope=draw(NAMES),
        filter=draw(NAMES),
        started=started.replace(tzinfo=UTC) if started else None,
        local_started=local,
        night=(evening - timedelta(hours=12)).date() if evening else None,
    )
    return GroupKey.of(frame), [frame] * draw(st.integers(1, 3))


@given(groups(), st.sampled_from(["unit", "adu"]))
@settings(max_examples=100, deadline=None)
def test_a_master_is_understood_as_what_it_was_made_of(group: tuple[GroupKey, list[Frame]], scale: Any) -> None:
    """Writing the keywords of a master and reading them gives the same key, whatever the key."""
    key, frames = group
    master = read_back(key, master_keywords(key, frames, Recipe(), None, scale=scale))

    assert master.key == key
    assert master.frames == len(frames)
    assert master.warnings == ()


@pytest.mark.parametrize("suffix", [".fits", ".xisf"])
def test_a_master_survives_its_file(tmp_path: Path, suffix: str) -> None:
    """The key comes back from a real file of either format."""
    np = pytest.importorskip("numpy")
    from ap_masters.images import read_info, write_image

    frames = run(FLAT, filter="H-α 3nm's", bayer_pattern="RGGB", exposure=0.1)
    key = GroupKey.of(frames[0])
    path = tmp_path / f"m{suffix}"
    keywords = master_keywords(key, frames, Recipe(), None, scale="unit")
    write_image(path, np.zeros((12, 16), np.float32), keywords, image_type="MasterFlat")
    info = read_info(path)
    master = master_from(info, frame_from(info, size=1, mtime_ns=1))

    expected = key if suffix == ".xisf" else key.model_copy(update={"filter": master.key.filter})
    assert master.key == expected
    assert master.key.filter is not None
    assert master.key.filter.endswith("3nm's")
