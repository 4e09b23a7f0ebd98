"""An audit finds what is wrong in a library, says where, and changes nothing."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ap_masters import images, layouts
from ap_masters import record as records
from ap_masters.library.audit import Audit, audit
from ap_masters.library.index import write_index
from ap_masters.library.lock import library_lock
from ap_masters.model import FrameType, GroupKey, MasterStatus
from tests.builders import write_frame
from tests.library.shelves import draft, key, keywords, record_of, shelve, write_pixels
from tests.quality.seasons import make_inputs

OUTPUT = "master/masterDark_300s.xisf"


def kinds(found: Audit) -> Counter[str]:
    return Counter(fault.kind for fault in found.faults)


def snapshot(library: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in library.rglob("*") if p.is_file() and ".ap-masters" not in p.parts}


def test_a_sound_library_passes(tmp_path: Path) -> None:
    """Masters with records, the index, logs, defect lists and what is out of use: nothing to say."""
    shelve(tmp_path, OUTPUT, seed=1)
    shelve(tmp_path, OUTPUT, seed=2)
    shelve(tmp_path, "bias/masterBias.xisf", draft(FrameType.BIAS))
    shelve(tmp_path, "flat/masterFlat.xisf", draft(FrameType.FLAT), status=MasterStatus.QUARANTINED)
    (tmp_path / "master/masterDark_300s.lst").write_bytes(b"P 1 2\r\n")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/20260301_200000.log").write_text("ap-masters 0.1.0\n", encoding="utf-8")
    write_index(tmp_path, Path("calibration-index.md"))
    before = snapshot(tmp_path)

    found = audit(tmp_path)

    assert found.faults == ()
    assert (found.masters, found.exit_code) == (4, 0)
    assert snapshot(tmp_path) == before


def test_one_changed_byte_is_found(tmp_path: Path) -> None:
    """Same size, same time: only the checksum tells; without checksums it goes unseen, and the audit says so."""
    master = shelve(tmp_path, OUTPUT)
    data = bytearray(master.read_bytes())
    data[-1] ^= 1
    master.write_bytes(data)

    assert kinds(audit(tmp_path)) == {"checksum": 1}
    assert audit(tmp_path).exit_code == 8
    quick = audit(tmp_path, checksums=False)
    assert (quick.faults, quick.checksums) == ((), False)


@pytest.mark.parametrize("suffix", [".fits", ".xisf"])
@pytest.mark.parametrize("has_record", [True, False])
def test_where_no_record_tells_the_files_own_checksum_is_believed(
    tmp_path: Path, suffix: str, has_record: bool
) -> None:
    """A record without sha256, as that of `combine`, or none at all; a header that is whole says nothing of pixels."""
    master = shelve(tmp_path, OUTPUT.replace(".xisf", suffix))
    place = records.record_path(master)
    record = records.read(place)
    records.write(record.model_copy(update={"master": record.master.model_copy(update={"sha256": None})}), place)
    if not has_record:
        place.unlink()
    sound = audit(tmp_path)
    data = bytearray(master.read_bytes())
    data[-1500] ^= 1
    master.write_bytes(data)

    assert kinds(sound) == ({} if has_record else {"missing record": 1})
    assert kinds(audit(tmp_path)) == kinds(sound) + Counter(["checksum"])
    assert kinds(audit(tmp_path, checksums=False)) == kinds(sound)


def test_a_master_cut_short_is_found_without_checksums(tmp_path: Path) -> None:
    """Its size is not that of its record."""
    master = shelve(tmp_path, OUTPUT.replace(".xisf", ".fits"))
    master.write_bytes(master.read_bytes()[:-100])

    assert kinds(audit(tmp_path, checksums=False)) == {"checksum": 1}


def test_a_file_name_that_contradicts_the_header_is_found(tmp_path: Path) -> None:
    """S1-32: a stale name, or the wrong filter in it."""
    shelve(tmp_path, "master/masterDark_EXPOSURE_120.xisf")
    flat = draft(FrameType.FLAT)
    shelve(tmp_path, "master/masterFlat_FILTER_Ha.xisf", flat)

    details = " | ".join(f.detail for f in audit(tmp_path).faults)

    assert "120" in details
    assert "'Ha'" in details


@pytest.mark.parametrize("suffix", [".xisf", ".fit"])
@pytest.mark.parametrize("band", ["Antlia ALP-T Dual Band 5nm Ha OIII 2in", ".", "Weiß n°2", "赤"])
def test_a_name_of_ours_is_no_contradiction(tmp_path: Path, band: str, suffix: str) -> None:
    """Names shorten filters, FITS loses letters of theirs: neither is a fault that anybody could mend."""
    record = draft(FrameType.FLAT, key=key(FrameType.FLAT, filter=band))
    name = layouts.render("ap", layouts.Naming(key=record.key, filter=band), suffix=suffix).as_posix()
    shelve(tmp_path, name, record)

    assert audit(tmp_path, layout="ap").faults == ()


def test_the_angle_of_a_rotator_in_a_name_is_no_part_of_its_filter(tmp_path: Path) -> None:
    """Who has a rotator would else be told of a fault in each master flat, month after month."""
    record = draft(FrameType.FLAT, key=key(FrameType.FLAT, filter="Ha", rotation=30.0))
    name = layouts.render("ap", layouts.Naming(key=record.key, filter="Ha")).as_posix()
    shelve(tmp_path, name, record)

    assert name.endswith("_FILTER_Ha_ROTATANG_30.xisf")
    assert audit(tmp_path).faults == ()


def test_a_header_that_contradicts_the_record_is_found(tmp_path: Path) -> None:
    """A master that was exchanged, or whose header was edited."""
    master = shelve(tmp_path, OUTPUT)
    _, pixels = images.read_image(master)
    other = draft(key=key(gain=0.0, exposure=600.0))
    images.write_image(tmp_path / "new.xisf", pixels, keywords(other), image_type="MasterDark")
    (tmp_path / "new.xisf").replace(master)

    details = [f.detail for f in audit(tmp_path).faults if f.kind == "contradiction"]

    assert "its record says gain 100.0, its header 0.0" in details
    assert "its record says exposure 300, its header 600" in details


def test_a_name_that_the_layout_would_not_have_chosen_is_found(tmp_path: Path) -> None:
    """S1-32: by the layout in force; without one only header and name are compared."""
    good = "300s_-10_g100_o50/master_dark_2026-03-10.xisf"
    shelve(tmp_path, f"darks/{good}")
    shelve(tmp_path, "darks/120s_-10_g100_o50/master_dark_2026-03-10.xisf", draft(key=key(exposure=180.0)))
    shelve(tmp_path, "elsewhere/dark.xisf", draft(key=key(exposure=60.0)))

    found = [(f.path, f.detail) for f in audit(tmp_path, layout="playbook").faults if f.kind == "contradiction"]

    assert f"darks/{good}" not in dict(found)
    assert ("darks/120s_-10_g100_o50/master_dark_2026-03-10.xisf", "its name says exposure 120, it is 180") in found
    assert ("elsewhere/dark.xisf", "its name is not one of the layout 'playbook'") in found


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
@pytest.mark.parametrize(
    ("frame_type", "field", "named"),
    [
        (FrameType.FLAT, "filter", "R"),
        (FrameType.FLAT, "night", date(2026, 3, 12)),
        (FrameType.DARK, "temperature", -20.0),
        (FrameType.DARK, "camera", "ASI1600MM"),
        (FrameType.DARK, "telescope", "Edge 8"),
        (FrameType.DARK, "readout_mode", "Fast"),
        (FrameType.DARK, "first", date(2025, 3, 10)),
        (FrameType.BIAS, "gain", 56.0),
    ],
)
def test_every_value_that_a_layout_reads_is_compared(
    tmp_path: Path, layout: str, frame_type: FrameType, field: str, named: object
) -> None:
    """S1-32: a file or folder renamed from L to R, or to another camera, set-point or date, is told."""
    record = draft(frame_type, start=datetime(2026, 3, 10, 21, tzinfo=UTC)).model_copy(
        update={"telescope": "RedCat 51"}
    )
    true = layouts.Naming(key=record.key, telescope="RedCat 51", filter=record.key.filter, first=date(2026, 3, 10))
    key_ = true.key.model_copy(update={field: named} if field in GroupKey.model_fields else {})
    beside = {field: named} if field in layouts.Naming.model_fields else {}
    false = true.model_copy(update={"key": key_, **beside})
    right, wrong = (layouts.render(layout, naming) for naming in (true, false))
    shelve(tmp_path, wrong.as_posix(), record)

    told = [f.detail for f in audit(tmp_path, layout=layout).faults if f.detail.startswith("its name says")]

    assert bool(told) == (right != wrong)


def test_masters_without_record_and_records_without_master_are_found(tmp_path: Path) -> None:
    """Orphans of either kind, and lists of defects whose dark is gone."""
    write_pixels(tmp_path / "masterDark_300s.xisf", draft())
    gone = shelve(tmp_path, "a/masterDark.xisf", draft(key=key(exposure=60.0)))
    gone.unlink()
    (tmp_path / "a/cosme60s.lst").write_bytes(b"P 1 2\r\n")

    assert kinds(audit(tmp_path)) == {"missing record": 1, "orphan record": 1, "orphan file": 1}


def test_pulsars_list_belongs_to_its_dark(tmp_path: Path) -> None:
    """``cosme300s.lst`` stands beside ``dark300s.fit``, under another stem."""
    shelve(tmp_path, "2026_03_10/dark300s.fit")
    (tmp_path / "2026_03_10/cosme300s.lst").write_bytes(b"P 1 2\r\n")

    assert audit(tmp_path).faults == ()


@pytest.mark.parametrize("text", ["{", "NaN", '{"a": NaN}', "", '{"schema": "ap-masters/record"}', "[" * 100_000])
def test_json_that_does_not_parse_is_found(tmp_path: Path, text: str) -> None:
    """S0-24: records are strict JSON of our schema, other JSON files are strict JSON."""
    master = shelve(tmp_path, OUTPUT)
    records.record_path(master).write_text(text, encoding="utf-8")

    found = audit(tmp_path, checksums=False)

    assert kinds(found) == {"invalid json": 1, "missing record": 1}


def test_a_damaged_log_is_no_json(tmp_path: Path) -> None:
    """Whatever a console left among the logs is none of the records that may be called so."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "20260129_123456_pixinsight.log").write_bytes(bytes(range(256)))

    assert audit(tmp_path).faults == ()


def test_an_empty_log_is_no_json(tmp_path: Path) -> None:
    """Wherever it lies: a console that had nothing to say."""
    (tmp_path / "night.log").touch()

    assert audit(tmp_path).faults == ()


def test_other_json_files_are_parsed_as_well(tmp_path: Path) -> None:
    """A template export with NaN in it would stop ``jq empty``."""
    (tmp_path / "export.json").write_text('{"median": NaN}', encoding="utf-8")
    (tmp_path / "fine.json").write_text('{"median": 1}', encoding="utf-8")

    assert [(f.kind, f.path) for f in audit(tmp_path).faults] == [("invalid json", "export.json")]


def test_duplicates_are_found(tmp_path: Path) -> None:
    """The same bytes twice, and two published masters of one key."""
    first = shelve(tmp_path, "a/masterDark.xisf")
    copy = tmp_path / "b" / "masterDark copy.xisf"
    copy.parent.mkdir()
    copy.write_bytes(first.read_bytes())
    record = record_of(first)
    renamed = record.master.model_copy(update={"name": copy.name})
    records.write(record.model_copy(update={"master": renamed}), records.record_path(copy))

    details = [f.detail for f in audit(tmp_path).faults if f.kind == "duplicate"]

    assert details == [
        "a/masterDark.xisf has the same bytes",
        "a/masterDark.xisf is published for the same key and day",
    ]


def test_missing_keywords_are_found(tmp_path: Path) -> None:
    """S1-26: EXPTIME, CCD-TEMP, GAIN, OFFSET, and FILTER for flats; what the camera does not tell is not missed."""
    record = draft(FrameType.FLAT)
    kept = tuple(k for k in keywords(record) if k.name not in {"GAIN", "CCD-TEMP", "FILTER"})
    master = shelve(tmp_path, "flat/masterFlat.xisf", record)
    _, pixels = images.read_image(master)
    images.write_image(tmp_path / "new.xisf", pixels, kept, image_type="MasterFlat")
    (tmp_path / "new.xisf").replace(master)
    ccd = draft(FrameType.BIAS, key=key(FrameType.BIAS, gain=None, offset=None))
    shelve(tmp_path, "bias/masterBias.xisf", ccd)

    missing = {f.detail for f in audit(tmp_path).faults if f.kind == "missing keyword"}

    assert missing == {f"its header has no {name}" for name in ("GAIN", "CCD-TEMP", "FILTER")}


def test_a_temperature_that_nobody_measured_is_not_missed(tmp_path: Path) -> None:
    """APT writes SET-TEMP alone: a master of such frames has no CCD-TEMP to lose."""
    inputs = tuple(entry.model_copy(update={"sensor_temperature": None}) for entry in make_inputs())
    record = draft(inputs=inputs)
    master = shelve(tmp_path, "masterDark.xisf", record)
    _, pixels = images.read_image(master)
    kept = tuple(k for k in keywords(record) if k.name != "CCD-TEMP")
    images.write_image(tmp_path / "new.xisf", pixels, kept, image_type="MasterDark")
    (tmp_path / "new.xisf").replace(master)

    assert [f.detail for f in audit(tmp_path, checksums=False).faults if f.kind == "missing keyword"] == []


def test_raw_frames_and_leftovers_are_found(tmp_path: Path) -> None:
    """A raw frame in the library, and half a file of a run that was killed; work folders are not looked at."""
    write_frame(tmp_path / "raw_001.fits")
    (tmp_path / ".masterDark.xrs.4711.part").write_bytes(b"{")
    with library_lock(tmp_path):
        (tmp_path / ".ap-masters" / "work").mkdir()
        (tmp_path / ".ap-masters" / "work" / "half.xrs").write_bytes(b"{")

        assert kinds(audit(tmp_path)) == {"not a master": 1, "stale file": 1}
