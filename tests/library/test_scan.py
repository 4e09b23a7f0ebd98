"""A library is known by its records, and by headers where another program made the master."""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from ap_masters import header_cache
from ap_masters import record as records
from ap_masters.library import scan_cache
from ap_masters.library.entries import Use
from ap_masters.library.holdings import holdings
from ap_masters.library.scan import scan
from ap_masters.library.scan_cache import CACHE
from ap_masters.model import Calibration, CalibrationMaster, FrameType, MasterStatus
from tests.builders import write_frame
from tests.library.shelves import NOW, draft, keywords, record_of, shelve, write_pixels


def test_masters_are_known_by_their_records(tmp_path: Path) -> None:
    """Status, key, times, counts, measures and what was subtracted come from the record; paths are relative."""
    bias = CalibrationMaster(path=Path("/lib/masterBias.xisf"), type=FrameType.BIAS, sha256="ab" * 32)
    record = draft(FrameType.FLAT, calibration=Calibration(bias=bias), labels=("interim",), start=NOW)
    shelve(tmp_path, "flats/2026 é/masterFlat.xisf", record)

    (entry,) = scan(tmp_path).entries

    assert entry.path == "flats/2026 é/masterFlat.xisf"
    assert entry.record == "flats/2026 é/masterFlat.xrs"
    assert entry.key == record.key
    assert (entry.frames, entry.status, entry.labels) == (32, MasterStatus.PUBLISHED, ("interim",))
    assert (entry.started, entry.ended) == (NOW, NOW + timedelta(minutes=155))
    assert entry.uses == (Use(type=FrameType.BIAS, name="masterBias.xisf", sha256="ab" * 32),)
    assert entry.calibration_state == "B"
    assert entry.value("median") == pytest.approx(25000)
    assert entry.sha256 == record_of(tmp_path / entry.path).master.sha256
    assert all(m.method == "" for m in entry.measures)


def test_a_record_without_frames_tells_how_many_there_were(tmp_path: Path) -> None:
    """The master of another program was imported: its header's count is on record, and no frame."""
    shelve(tmp_path, record=draft().model_copy(update={"inputs": (), "combined": 100}))

    (entry,) = scan(tmp_path).entries

    assert (entry.frames, entry.inputs) == (100, 0)


def test_masters_of_other_programs_are_known_by_their_headers(tmp_path: Path) -> None:
    """A master without a record is read from its keywords and counts as published."""
    write_pixels(tmp_path / "old" / "masterDark_300s.fits", draft())

    (entry,) = scan(tmp_path).entries

    assert entry.record is None
    assert entry.key.type is FrameType.DARK
    assert (entry.key.gain, entry.key.exposure, entry.frames) == (100, 300, 32)
    assert entry.status is MasterStatus.PUBLISHED


def test_a_console_log_under_the_suffix_of_a_record_is_passed_over(tmp_path: Path) -> None:
    """Users have stashed console logs as .xrs: the header tells then."""
    master = write_pixels(tmp_path / "masterDark.xisf", draft())
    records.record_path(master).write_text("* Begin integration of 32 images\n", encoding="utf-8")

    (entry,) = scan(tmp_path).entries

    assert entry.record is None
    assert entry.key.exposure == 300


def test_what_is_no_master_is_told_and_not_taken(tmp_path: Path) -> None:
    """A raw frame, a broken file and housekeeping in the library never become candidates."""
    write_frame(tmp_path / "raw.fits")
    (tmp_path / "broken.xisf").write_bytes(b"XISF0100 but cut short")
    write_pixels(tmp_path / ".ap-masters" / "work" / "masterDark.xisf", draft())

    found = scan(tmp_path)

    assert found.entries == ()
    assert [p.path for p in found.problems] == ["broken.xisf", "raw.fits"]


def test_superseded_and_quarantined_masters_are_listed_as_such(tmp_path: Path) -> None:
    """They stay in sight, and matching sees that they are not published."""
    shelve(tmp_path, seed=1)
    shelve(tmp_path, seed=2)
    shelve(tmp_path, "master/bad.xisf", status=MasterStatus.QUARANTINED)

    statuses = {entry.path.split("/")[0]: entry.status for entry in scan(tmp_path).entries}

    assert statuses == {
        "master": MasterStatus.PUBLISHED,
        "superseded": MasterStatus.SUPERSEDED,
        "quarantine": MasterStatus.QUARANTINED,
    }
    assert {m.status for m in holdings(tmp_path).masters} == set(statuses.values())


def test_an_unchanged_library_is_not_read_again(tmp_path: Path) -> None:
    """What has the same size and time as last time comes from the cache; what has changed is read."""
    first, second = shelve(tmp_path, "a/masterDark_1.xisf"), shelve(tmp_path, "b/masterDark_2.xisf")
    before = scan(tmp_path)
    for master in (first, second):
        path = records.record_path(master)
        stat = path.stat()
        path.write_bytes(b"x" * stat.st_size)  # not readable any more, but looks the same
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert scan(tmp_path) == before
    os.utime(records.record_path(first), ns=(1, 1))
    now = {entry.path: entry for entry in scan(tmp_path).entries}
    assert now["a/masterDark_1.xisf"].record is None
    assert now["b/masterDark_2.xisf"] == before.entries[1]


def test_what_has_been_read_is_kept_at_once_and_not_written_again(tmp_path: Path) -> None:
    """A changed master is read once; a library without changes is not written to."""
    master = shelve(tmp_path)
    scan(tmp_path)
    os.utime(master, ns=(1, 1))
    scan(tmp_path)
    kept = scan_cache.read(tmp_path)
    written = (tmp_path / CACHE).stat()

    scan(tmp_path)

    assert [known.stamp[1] for known in kept.values()] == [1]
    assert (tmp_path / CACHE).stat().st_ino == written.st_ino


@pytest.mark.parametrize("text", ["", "{", '{}\n{"written_by": "0", "files": {}}\n', '\n{"files": 1}'])
def test_a_useless_cache_is_passed_over(tmp_path: Path, text: str) -> None:
    """The cache may be missing, broken or of another version: the library is read anew."""
    shelve(tmp_path)
    before = scan(tmp_path)
    (tmp_path / CACHE).write_text(text, encoding="utf-8")

    assert scan(tmp_path) == before
    outlines, whole = (tmp_path / CACHE).read_text(encoding="utf-8").splitlines()
    assert list(json.loads(outlines)["rows"]) == list(json.loads(whole)["files"]) == ["master/masterDark é 300.xisf"]


@pytest.mark.parametrize(
    "source", ["headers/names.py", "model/groups.py", "texts.py", "record.py", "library/entries.py", "library/scan.py"]
)
def test_what_older_rules_said_of_a_file_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, source: str
) -> None:
    """Whatever has a say in what is kept of a master, a new version of it reads the library anew."""
    library, package = tmp_path / "library", tmp_path / "ap_masters"
    shelve(library)
    scan(library)
    assert scan_cache.read(library)
    assert scan_cache.read_outlines(library)
    shutil.copytree(Path(header_cache.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / source).open("a", encoding="utf-8") as file:
        file.write("# another rule")
    monkeypatch.setattr(header_cache, "_PACKAGE", package)
    header_cache.rules_in_force.cache_clear()
    request.addfinalizer(header_cache.rules_in_force.cache_clear)

    assert scan_cache.read(library) == {}
    assert scan_cache.read_outlines(library) == {}


def test_a_master_that_went_away_leaves_the_list(tmp_path: Path) -> None:
    """Deleting a master is seen at once."""
    master = shelve(tmp_path)
    assert len(scan(tmp_path).entries) == 1
    master.unlink()

    assert scan(tmp_path).entries == ()


def test_an_empty_or_missing_library_holds_nothing(tmp_path: Path) -> None:
    """A library that does not exist yet is an empty one, and is not made by looking at it."""
    assert scan(tmp_path / "none").entries == ()
    assert not (tmp_path / "none").exists()


def test_keywords_of_the_test_masters_are_what_they_seem() -> None:
    """The builder writes what S1-26 asks for."""
    assert {"EXPTIME", "CCD-TEMP", "GAIN", "OFFSET"} <= {k.name for k in keywords(draft())}
