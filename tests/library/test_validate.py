"""Every planned light finds its masters, or what is missing is told as a list of frames to capture."""

import csv
import io
import json
import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from ap_masters.config import CountSettings, CullSettings, MatchSettings
from ap_masters.errors import LibraryError, UsageError
from ap_masters.library.capture import PlannedLight, capture_csv, parse_plan, read_plan
from ap_masters.library.validate import Validation, validate_lights, validate_plan, write_note
from ap_masters.model import Frame, FrameType, Master, MasterStatus
from tests.builders import make_frame
from tests.quality.seasons import HEIGHT, WIDTH, make_key

MATCH, COUNTS, CULL = MatchSettings(), CountSettings(), CullSettings()
CAMERA = "ZWO ASI6200MM Pro"


def master(frame_type: FrameType = FrameType.DARK, frames: int | None = 32, **fields: Any) -> Master:
    changes = {name: fields.pop(name) for name in list(fields) if name not in Master.model_fields}
    changes |= {"filter": fields.pop("filter")} if "filter" in fields else {}
    values = {
        "path": Path(f"/lib/{frame_type} {changes}.xisf"),
        "key": make_key(frame_type, **changes),
        "frames": frames,
    }
    return Master(**(values | fields))


def light(**changes: Any) -> Frame:
    fields = {"camera": CAMERA, "width": WIDTH, "height": HEIGHT, "readout_mode": "High Gain", "exposure": 300.0}
    return make_frame(FrameType.LIGHT, **(fields | changes))


def plan(*masters: Master, **fields: Any) -> Validation:
    return validate_plan([PlannedLight(**({"exposure": 300.0} | fields))], masters, MATCH, COUNTS)


# --- plans ------------------------------------------------------------------------------------------------


def test_every_duration_of_the_playbook_is_resolved() -> None:
    """S0-07, S0-08, S0-26: L 120 s at gain 0, SHO 300 and 600 s at gain 100, 32 frames each."""
    text = "filter,exposure,gain,offset,temp,count\n,120,0,50,-10,32\n,300,100,50,-10,32\n,600,100,50,-10,32\n"
    masters = [master(exposure=120.0, gain=0.0), master(exposure=300.0), master(exposure=600.0)]

    found = validate_plan(parse_plan(text, where=Path("plan.csv")), masters, MATCH, COUNTS)

    assert [(row.dark.have, row.dark.need) for row in found.rows] == [(32, 32)] * 3
    assert [row.served for row in found.rows] == [True] * 3
    assert (found.gaps, found.exit_code) == ((), 0)


@pytest.mark.parametrize(
    "change",
    [{"exposure": 180.0}, {"gain": 0.0}, {"offset": 10.0}, {"temperature": -15.0}, {"readout_mode": "Low Noise"}],
    ids=str,
)
def test_a_master_of_other_settings_does_not_serve(change: dict[str, Any]) -> None:
    """S1-09: gain, offset, mode, exposure and set-point are exact; the gap says what to capture."""
    found = plan(master(), **({"gain": 100, "offset": 50, "temperature": -10} | change))

    (gap,) = found.gaps
    assert found.exit_code == 8
    assert (gap.type, gap.count, gap.reason) == (FrameType.DARK, 30, "no master")
    assert {name: getattr(gap, name) for name in change} == change


def test_what_a_plan_does_not_say_is_whatever_the_library_has() -> None:
    """A plan of exposures alone is served by any camera and mode that has them."""
    found = plan(master(gain=0.0, temperature=-15.0), master(exposure=60.0))

    assert found.exit_code == 0
    assert found.rows[0].dark.master is not None


def test_the_fullest_of_several_modes_answers() -> None:
    """Where two modes would do, the row shows the one with more frames."""
    found = plan(master(frames=10, gain=0.0), master(frames=40))

    assert found.rows[0].dark.have == 40


def test_an_optional_row_is_no_fault(tmp_path: Path) -> None:
    """S0-09: short-focus tests of 60 s may be missing; the capture list has them, marked."""
    path = tmp_path / "plan é.csv"
    path.write_text("exposure;count;optional\n60;20;yes\n300;32;no\n", encoding="utf-8-sig")

    found = validate_plan(read_plan(path), [master()], MATCH, COUNTS)

    assert found.exit_code == 0
    assert [(gap.exposure, gap.count, gap.optional) for gap in found.gaps] == [(60.0, 20, True)]


def test_a_thin_master_serves_and_asks_for_more() -> None:
    """20 of 32 frames: twelve more to capture; nothing is missing."""
    found = plan(master(frames=20), count=32)

    assert found.exit_code == 0
    assert [(gap.have, gap.need, gap.count, gap.reason) for gap in found.gaps] == [(20, 32, 12, "20 of 32 frames")]


def test_a_master_that_does_not_tell_its_frames_is_enough() -> None:
    """A foreign master is taken at its word."""
    assert plan(master(frames=None), count=32).gaps == ()


def test_a_row_with_a_filter_needs_a_flat_as_well() -> None:
    """Of any gain and offset, but of that filter."""
    flat = master(FrameType.FLAT, frames=30, filter="Ha", gain=0.0)

    assert plan(master(), flat, filter="Ha").exit_code == 0
    missing = plan(master(), flat, filter="OIII")
    assert [(gap.type, gap.filter, gap.exposure) for gap in missing.gaps] == [(FrameType.FLAT, "OIII", None)]
    assert missing.exit_code == 8


@pytest.mark.parametrize("exposure", [pytest.param(300.0, id="dark there"), pytest.param(0.5, id="dark missing")])
def test_a_row_without_a_filter_misses_no_flat(exposure: float) -> None:
    """Nor is it told of one that would do, and of what is doubtful about that."""
    flat = master(FrameType.FLAT, filter=None, warnings=("the file name says gain 0",))

    found = plan(master(), flat, exposure=exposure)

    assert not any("flat" in text.lower() for text in (*found.rows[0].problems, *found.rows[0].warnings))
    assert found.rows[0].flat is None


def test_only_published_masters_serve() -> None:
    """S0-06: what is in quarantine or superseded is not there for the plan."""
    for status in (MasterStatus.QUARANTINED, MasterStatus.SUPERSEDED, MasterStatus.CANDIDATE):
        assert plan(master(status=status)).exit_code == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("# nothing\n\n", "empty"),
        ("gain,offset\n1,2\n", "no column 'exposure'"),
        ("exposure\nlong\n", "line 2: exposure 'long' is no number"),
        ("exposure,gain\n300,100\n120,high\n", "line 3: gain 'high' is no number"),
        ("exposure,count\n300,0\n", "line 2: count 0: input should be greater than or equal to 1"),
        ("exposure,count\n300,2.5\n", "line 2: count '2.5' is no whole number"),
        ("exposure,bin\n300,two\n", "line 2: bin 'two' is no binning"),
        ("exposure\nnan\n", "line 2: exposure nan"),
        ("exposure\n-1\n", "line 2: exposure -1"),
        ("exposure;gain\n1,200;100\n", "line 2: exposure '1,200' may be a thousand or a fraction"),
        ("gain\n100\n", "exposure"),
        ("exposure,gian\n300,999\n", "the column 'gian' means nothing; did you mean 'gain'?"),
        ("exposure,Ofset\n300,50\n", "did you mean 'offset'?"),
        ("exposure,gain\n,100\n", "line 2: there is no exposure"),
        (capture_csv(()), "is the list of frames to capture that --csv writes, and no plan"),
    ],
)
def test_a_plan_that_cannot_be_read_says_where(text: str, words: str) -> None:
    """The file, the line and what is wrong with it."""
    with pytest.raises(UsageError, match=re.escape(words)):
        parse_plan(text, where=Path("plan.csv"))


def test_a_plan_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As an error of usage, with its path."""
    with pytest.raises(UsageError, match=r"none\.csv"):
        read_plan(tmp_path / "none.csv")


def test_headings_go_by_several_names() -> None:
    """As capture programs and spreadsheets spell them; unknown columns are passed over."""
    text = "Name,EXPTIME,Set-Temp,Binning,ReadoutM,Note,Mount,Rotation,Rain\nL,120,-10,2x2,Low Noise,bright,EQ6,90,no\n"

    (row,) = parse_plan(text, where=Path("plan.csv"))

    assert row == PlannedLight(exposure=120, temperature=-10, x_binning=2, readout_mode="Low Noise", name="L")


def test_commas_may_be_decimal() -> None:
    """A spreadsheet in much of Europe writes 2,5, with semicolons between the columns."""
    (row, other) = parse_plan("exposure;temperature;gain\n2,5;-10,5;100\n0,125;;0\n", where=Path("plan.csv"))

    assert (row.exposure, row.temperature, row.gain, other.exposure) == (2.5, -10.5, 100, 0.125)


# --- lights -----------------------------------------------------------------------------------------------


def test_lights_are_asked_for_once_per_setting() -> None:
    """Forty lights of two filters are two rows; each needs its dark and its flat."""
    lights = [light(filter=name) for name in ("Ha", "L") for _ in range(20)]
    masters = [master(), master(FrameType.FLAT, filter="L"), master(FrameType.FLAT, filter="Ha")]

    found = validate_lights(lights, masters, MATCH, COUNTS, CULL)

    assert [(row.light.filter, row.lights, row.served) for row in found.rows] == [("Ha", 20, True), ("L", 20, True)]


def test_nights_with_flats_of_their_own_are_asked_for_apart() -> None:
    """Each night's lights get its flat; nights that one flat serves are one row."""
    nights = [date(2026, 1, day) for day in (10, 11, 14)]
    flats = [master(FrameType.FLAT, filter="Ha", night=night, started=_dusk(night)) for night in (nights[0], nights[2])]
    lights = [light(filter="Ha", night=night, started=_dusk(night)) for night in nights for _ in range(10)]

    rows = validate_lights(lights, [master(), *flats], MATCH, COUNTS, CULL).rows

    assert [(row.lights, row.flat.master) for row in rows if row.flat] == [
        (20, flats[0].path.as_posix()),
        (10, flats[1].path.as_posix()),
    ]


def test_what_all_nights_lack_is_one_row() -> None:
    """However the nights and angles of their lights differ."""
    lights = [light(filter="Ha", night=date(2026, 1, day), rotation=float(day)) for day in (10, 11, 14)]

    (row,) = validate_lights(lights, [master()], MATCH, COUNTS, CULL).rows

    assert (row.lights, row.served) == (3, False)


def test_rows_say_what_tells_them_apart() -> None:
    """Kinds of light whose descriptions are the same have what differs beside it; others stay short."""
    flats = [master(FrameType.FLAT, filter="Ha", telescope=scope) for scope in ("RedCat 51", "C8")]
    lights = [light(filter="Ha", telescope=scope) for scope in ("RedCat 51", "C8")]

    rows = validate_lights([*lights, light(filter="Ha", exposure=60.0)], [master(), *flats], MATCH, COUNTS, CULL).rows

    told = {row.description for row in rows}
    assert len(told) == 3
    assert {one.rpartition(", ")[2] for one in told} == {"telescope RedCat 51", "telescope C8", "bin 1x1"}


def test_one_set_of_flats_is_asked_for_once_whatever_the_temperature() -> None:
    """An uncooled evening takes a dark each, and flats that serve within degrees; a summer is another thing."""
    lights = [light(filter="Ha", set_temperature=None, sensor_temperature=t) for t in (-9.0, -10.0, -11.5, 20.0)]

    gaps = validate_lights(lights, [], MATCH, COUNTS, CULL).gaps

    assert [gap.temperature for gap in gaps if gap.type is FrameType.FLAT] == [-10.0, 20.0]
    assert len([gap for gap in gaps if gap.type is FrameType.DARK]) == 4


def _dusk(night: date) -> datetime:
    return datetime.combine(night, time(18), UTC)


def test_more_frames_are_asked_for_at_the_settings_of_those_there_are() -> None:
    """A flat of another gain serves a light; but only flats of its own gain can join it."""
    thin = master(FrameType.FLAT, frames=5, filter="Ha", gain=0.0)

    (gap,) = validate_lights([light(filter="Ha")], [master(), thin], MATCH, COUNTS, CULL).gaps

    assert (gap.type, gap.gain, gap.count) == (FrameType.FLAT, 0.0, 25)


def test_what_matching_warns_of_is_told() -> None:
    """Also where a master serves."""
    (row,) = validate_lights(
        [light(filter=None)], [master(warnings=("frames of two nights",))], MATCH, COUNTS, CULL
    ).rows

    assert row.dark.master is not None
    assert "frames of two nights" in row.warnings[0]


def test_what_lights_lack_becomes_a_capture_list() -> None:
    """One dark for both filters, and the flat that is missing; with all that a sequencer needs."""
    lights = [light(filter=name, exposure=600.0) for name in ("Ha", "L")]

    found = validate_lights(lights, [master(), master(FrameType.FLAT, filter="L")], MATCH, COUNTS, CULL)

    rows = list(csv.DictReader(io.StringIO(capture_csv(found.gaps))))
    assert [(r["type"], r["exposure"], r["gain"], r["offset"], r["temperature"], r["count"]) for r in rows] == [
        ("dark", "600", "100", "50", "-10", "30"),
        ("flat", "", "100", "50", "-10", "30"),
    ]
    assert rows[1]["filter"] == "Ha"
    assert rows[0]["binning"] == "1x1"
    assert json.loads(found.model_dump_json())["gaps"][0]["camera"] == CAMERA
    assert found.exit_code == 8


@pytest.mark.parametrize("field", ["camera_id", "iso", "usb_limit"])
def test_what_no_dark_of_another_camera_fills_is_a_row_of_its_own(field: str) -> None:
    """S0-19, S1-11: two cameras of one model, two ISO or two USB limits want a set each, and the list says of which."""
    values: tuple[Any, ...] = {"camera_id": ("A1", "B2"), "iso": (1600.0, 3200.0), "usb_limit": (40.0, 80.0)}[field]
    lights = [light(**{field: value}) for value in values]

    found = validate_lights(lights, [], MATCH, COUNTS, CULL)

    rows = list(csv.DictReader(io.StringIO(capture_csv(found.gaps))))
    told = [row[field] for row in rows if row["type"] == "dark"]
    assert told == [f"{value:g}" if isinstance(value, float) else value for value in values]
    flats = [row[field] for row in rows if row["type"] == "flat"]
    assert flats == (["A1", "B2"] if field == "camera_id" else [""]), "a flat serves lights of any ISO and USB limit"

    planned = [PlannedLight.model_validate({"exposure": 300.0, field: value}) for value in values]
    served = validate_plan(planned, [master(**{field: values[1]})], MATCH, COUNTS)
    assert [row.served for row in served.rows] == [False, True]


def test_formulas_in_headers_stay_text_in_the_list() -> None:
    """A filter that a spreadsheet would run is quoted."""
    found = validate_lights([light(filter="=cmd()")], [master()], MATCH, COUNTS, CULL)

    assert "'=cmd()" in capture_csv(found.gaps)


def test_the_result_is_kept_as_a_dated_note(tmp_path: Path) -> None:
    """S0-26, S1-24: who looks back sees when the library was complete."""
    found = plan(master(), filter="O|III")

    path = write_note(tmp_path, found, now=datetime(2026, 3, 1, 20, 30, tzinfo=UTC))

    text = path.read_text(encoding="utf-8")
    assert path.relative_to(tmp_path).as_posix() == "notes/validation_20260301_203000.md"
    assert "0 of 1 planned exposures" in text
    assert "O\\|III" in text


def test_a_note_names_masters_by_their_place_in_the_library(tmp_path: Path) -> None:
    """So it holds wherever the library is moved or mirrored to, as the calibration index does (S1-23)."""
    dark = master(path=tmp_path / "master" / "dark.xisf")
    flat = master(FrameType.FLAT, path=tmp_path / "master" / "flat.xisf", filter="L")

    text = write_note(tmp_path, plan(dark, flat, filter="L"), now=datetime(2026, 3, 1, tzinfo=UTC)).read_text("utf-8")

    assert "| master/dark.xisf | 32/30 | master/flat.xisf |" in text


def test_a_note_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A file stands where the folder of notes belongs: which, why, and what to do."""
    (tmp_path / "notes").write_text("mine", encoding="utf-8")

    with pytest.raises(LibraryError, match=r"notes: the note cannot be written \([^)]+\)\. .*without --note"):
        write_note(tmp_path, plan(master()), now=datetime(2026, 3, 1, 20, 30, tzinfo=UTC))


def test_lights_off_their_set_point_are_told_of() -> None:
    """A build drops such frames: their dark is of the set-point, and what they hold is of another temperature."""
    warm = [light(filter=None, sensor_temperature=3.0, night=date(2026, 1, day)) for day in (10, 11)]
    cold = [light(filter=None, sensor_temperature=-10.0 + off) for off in (0.0, 0.5)]

    (row,) = validate_lights([*cold, *warm], [master()], MATCH, COUNTS, CULL).rows

    assert (row.lights, row.warnings) == (
        4,
        (
            "2 of 4 lights off the set-point, where the dark is not: frame.fits, sensor at 3.00 °C, 13.00 °C from the "
            "set-point of -10 °C (limit 0.5 °C)",
        ),
    )


def test_what_is_said_of_one_night_is_not_lost_behind_another() -> None:
    """Nights that the same masters serve are one row: the flat of the first night's angle is told of in the second."""
    flat = master(FrameType.FLAT, filter="Ha", rotation=0.0)
    lights = [light(filter="Ha", rotation=angle) for angle in (0.0, 90.0)]

    (row,) = validate_lights(lights, [master(), flat], MATCH, COUNTS, CULL).rows

    assert any("rotator angle 0°, the light has 90°" in warning for warning in row.warnings)


def test_a_plan_names_the_flats_that_are_there() -> None:
    """Flats of other filters are none that serve, but not none."""
    (row,) = plan(master(), master(FrameType.FLAT, filter="L"), filter="Ha").rows

    assert "1 searched: 1 in the library /lib" in row.problems[0]
    assert "(filter L, the light has Ha)" in row.problems[0]


def test_a_plan_is_told_of_the_mode_that_lacks_least() -> None:
    """The camera whose flat is only of another temperature, not the one with more darks and no flat."""
    cameras = [master(exposure=300.0), master(exposure=300.0, camera="ASI294", frames=99)]
    warm = master(FrameType.FLAT, filter="Ha", temperature=5.0)

    (row,) = plan(*cameras, warm, filter="Ha", temperature=-10.0).rows

    assert "(temperature 5 °C, the light has -10 °C)" in row.problems[0]
    assert "match.flat_temperature_tolerance_c" in row.problems[0]
