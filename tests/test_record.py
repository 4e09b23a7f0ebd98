"""A record is strict JSON, says everything, and comes back as it was written."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ap_masters import record as records
from ap_masters.errors import RecordError, UsageError
from ap_masters.files import write_text
from ap_masters.model import (
    Decision,
    EngineInfo,
    EngineName,
    FrameOutcome,
    FrameType,
    Group,
    GroupKey,
    Integrated,
    Job,
    Reason,
    Recipe,
    SetAside,
    Statistics,
)
from tests.builders import make_frame


def make_job() -> Job:
    frames = tuple(make_frame(path=Path(f"/night/Lumière {i}.fits")) for i in range(3))
    return Job(
        id="dark-1",
        group=Group(key=GroupKey(type=FrameType.DARK, exposure=300.0, filter='"]\u2028é😀'), frames=frames),
        recipe=Recipe(),
        output=Path("master/masterDark.xisf"),
    )


def make_result(job: Job) -> Integrated:
    return Integrated(
        job_id=job.id,
        path=Path("/shelf/master.xisf"),
        engine=EngineInfo(name="numpy", version="0", definition="ImageIntegration 1.6.0"),
        statistics=Statistics(channels=()),
        frames=tuple(FrameOutcome(path=f.path, rejected_low=1, rejected_high=2) for f in job.frames[:2]),
        dropped=(SetAside(path=job.frames[2].path, reason=Reason.PIXELS, detail="NaN at row 3, column 4"),),
        rejected_low=2,
        rejected_high=4,
        samples=100,
        started=datetime(2026, 3, 1, tzinfo=UTC),
        seconds=1.5,
    )


def test_no_text_takes_the_place_of_an_image(tmp_path: Path) -> None:
    """A report, an index or a list that is sent to a frame's name by mistake is refused, whatever the name's suffix."""
    for begin in (b"SIMPLE  =", b"XISF0100", b"\x1f\x8b\x08"):
        frame = tmp_path / "frame"
        frame.write_bytes(begin + b"precious")
        with pytest.raises(UsageError, match="is an image"):
            write_text(frame, "text")
        assert frame.read_bytes() == begin + b"precious"


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading is the identity, whatever the text in it."""
    record = records.complete(records.draft(make_job(), "numpy"), make_result(make_job()), {})

    records.write(record, tmp_path / "m.xrs")

    assert records.read(tmp_path / "m.xrs") == record


@pytest.mark.parametrize(("engine", "order"), [("numpy", "BOTTOM-UP"), ("pixinsight", "TOP-DOWN")])
def test_a_record_says_how_the_rows_of_the_master_run(engine: EngineName, order: str) -> None:
    """Not those of the frames: PixInsight turns them over. Where no frame tells, nobody does."""
    silent = make_job()
    frames = tuple(frame.model_copy(update={"row_order": "BOTTOM-UP"}) for frame in silent.frames)
    job = silent.model_copy(update={"group": silent.group.model_copy(update={"frames": frames})})

    assert records.draft(job, engine).row_order == order
    assert records.draft(silent, engine).row_order is None


def test_a_record_keeps_its_schema(tmp_path: Path) -> None:
    """What is written validates against the schema that the documentation publishes."""
    record = records.complete(records.draft(make_job(), "numpy"), make_result(make_job()), {})

    jsonschema.validate(json.loads(records.to_json(record)), records.json_schema())


def test_a_frame_the_engine_dropped_is_no_input() -> None:
    """The inputs of a master are the frames that are in it; the others stand among the dropped, with the reason."""
    job = make_job()

    record = records.complete(records.draft(job, "numpy"), make_result(job), {job.frames[0].path: "ab"})

    assert [entry.path.name for entry in record.inputs] == ["Lumière 0.fits", "Lumière 1.fits"]
    assert record.inputs[0].sha256 == "ab"
    assert [aside.detail for aside in record.dropped] == ["NaN at row 3, column 4"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("PixInsight Core 1.9.3 Lockhart (x64)\n", id="console log"),
        pytest.param('{"schema": "something else"}', id="foreign JSON"),
        pytest.param('{"seconds": NaN}', id="NaN"),
        pytest.param("[" * 100_000, id="nesting bomb"),
        pytest.param("", id="empty"),
        pytest.param('{"seconds": 1e999}', id="beyond any number"),
        pytest.param('{"telescope": "half \\ud83d a character"}', id="half a character"),
    ],
)
def test_what_is_not_a_record_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    """A foreign or broken .xrs raises one error that names the file."""
    path = tmp_path / "foreign.xrs"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(RecordError, match=r"foreign\.xrs"):
        records.read(path)


@pytest.mark.parametrize("field", ["seconds", "telescope", "inputs"])
def test_what_could_not_be_written_again_is_refused(tmp_path: Path, field: str) -> None:
    """A record stays whole on its way through index, report and mirror, or it is none from the beginning."""
    good = json.loads(records.to_json(records.draft(make_job(), "numpy")))
    bad = {"seconds": "1e999", "telescope": '"\\udfff"', "inputs": '"none"'}[field]
    path = tmp_path / "x.xrs"
    path.write_text(json.dumps(good | {field: "HERE"}).replace('"HERE"', bad), encoding="utf-8")

    with pytest.raises(RecordError):
        records.read(path)
    with pytest.raises(RecordError):
        records.read_outline(path)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"inputs": None}, "inputs", id="missing"),
        pytest.param({"inputs": [{"path": "a.fits", "size": "large", "mtime_ns": 1}]}, "inputs.0.size", id="wrong"),
        pytest.param({"key": {"type": "drak"}}, "key.type", id="elsewhere"),
    ],
)
def test_a_wrong_field_is_named_whoever_reads(change: dict[str, Any], field: str) -> None:
    """An outline of a record complains as the record itself does."""
    whole = json.loads(records.to_json(records.draft(make_job(), "numpy"))) | change
    text = json.dumps({name: value for name, value in whole.items() if value is not None})

    for read in (records.parse, records.parse_outline):
        with pytest.raises(RecordError, match=rf"field '{field}'"):
            read(text, where=Path("x.xrs"))


@pytest.mark.parametrize("text", ["[]", "null", '"a record"', "7"])
def test_json_that_is_no_object_is_no_record(text: str) -> None:
    """Whoever reads: a library holds files of other programs."""
    for read in (records.parse, records.parse_outline):
        with pytest.raises(RecordError, match="not a record of this program"):
            read(text, where=Path("x.xrs"))


def test_a_record_is_taken_back_where_its_master_did_not_come(tmp_path: Path) -> None:
    """What was there before stands again; nothing, where there was nothing."""
    record = records.draft(make_job(), "numpy")
    new, old = tmp_path / "new.xrs", tmp_path / "old.xrs"
    old.write_bytes(b"\xffnot even text")

    for path in (new, old):
        with pytest.raises(OSError, match="the master is open"), records.written(record, path):
            raise OSError("the master is open")

    assert not new.exists()
    assert old.read_bytes() == b"\xffnot even text"


def test_a_record_says_why_its_frames_are_not_what_their_headers_say() -> None:
    """Of all that was decided of them, the types after the first."""
    subjects = [("exposure", "2"), ("type", "dark"), ("gain", "100"), ("type", "dark flat")]
    told = tuple(Decision(subject=subject, verdict=verdict, reason="r") for subject, verdict in subjects)
    job = make_job()
    frames = tuple(frame.model_copy(update={"decisions": told}) for frame in job.frames)
    job = job.model_copy(update={"group": job.group.model_copy(update={"frames": frames})})

    assert records.draft(job, "numpy").decisions == (told[-1],)


def test_an_outline_tells_all_but_the_details_of_frames(tmp_path: Path) -> None:
    """It is the record without its inputs, and says of each what a library wants at hand."""
    record = records.draft(make_job(), "numpy")
    path = tmp_path / "x.xrs"
    records.write(record, path)

    outline = records.read_outline(path)

    assert outline.record == record.model_copy(update={"inputs": (), "refused": ()})
    assert [(Path(f.path), f.size, f.mtime_ns, f.sha256, f.started) for f in outline.frames] == [
        (e.path, e.size, e.mtime_ns, e.sha256, e.started) for e in record.inputs
    ]


def test_a_time_without_a_zone_is_utc(tmp_path: Path) -> None:
    """Times of records written by hand can be compared with all others."""
    record = records.draft(make_job(), "numpy").model_copy(update={"created": datetime(2026, 3, 1, tzinfo=UTC)})
    path = tmp_path / "x.xrs"
    path.write_text(records.to_json(record).replace("2026-03-01T00:00:00Z", "2026-03-01T00:00:00"), encoding="utf-8")

    assert records.read(path) == record


def test_a_number_that_is_not_finite_is_never_written() -> None:
    """``jq empty`` must pass over every record, so NaN and Infinity stop at the writer."""
    record = records.draft(make_job(), "numpy").model_copy(update={"seconds": float("nan")})

    with pytest.raises(RecordError, match="not finite"):
        records.to_json(record)


def test_a_text_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """Whatever breaks a write off, Ctrl-C as well: what stood there stays, and no half of a file beside it."""
    path = tmp_path / "m.xrs"
    write_text(path, "old")

    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new, with half a character: \ud800")

    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir()] == [("m.xrs", "old")]


def test_what_no_text_is_gives_way_and_comes_back(tmp_path: Path) -> None:
    """Something stands under the record's name: it is replaced, or stands there again where the master is not."""
    path = tmp_path / "m.xrs"
    path.write_bytes(b"\xff\xfe garbage \x80")

    with pytest.raises(OSError, match="full"), records.written(records.draft(make_job(), "numpy"), path):
        raise OSError("the disk is full")

    assert path.read_bytes() == b"\xff\xfe garbage \x80"

    with records.written(records.draft(make_job(), "numpy"), path):
        pass

    assert records.read(path).master.name == "masterDark.xisf"
