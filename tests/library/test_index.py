"""The index is made from masters and records alone: the same library gives the same bytes."""

import json
from pathlib import Path
from typing import Any

import pytest

from ap_masters.errors import LibraryError
from ap_masters.library.index import JSON_NAME, write_index
from ap_masters.library.notes import MirrorNote, write_mirror_notes
from ap_masters.model import FrameType, MasterStatus
from tests.builders import nameable
from tests.library.shelves import SIZE, draft, key, shelve, write_pixels
from tests.quality.seasons import make_statistics

INDEX = Path("calibration-index.md")
BAD_NAME = nameable("bad|na`me")


def refuse(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def fill(library: Path) -> None:
    shelve(library, "darks/master 300 é.xisf")
    shelve(library, "darks/master_120.xisf", draft(key=key(exposure=120.0)))
    shelve(library, "bias/master-bias.xisf", draft(FrameType.BIAS))
    shelve(library, f"flats/{BAD_NAME}.xisf", draft(FrameType.FLAT), status=MasterStatus.QUARANTINED)


def test_the_index_lists_every_master_with_stats_paths_and_checksums(tmp_path: Path) -> None:
    """S1-23, S1-27: statistics, log, status and SHA-256 of each master, by relative paths in a stable order."""
    fill(tmp_path)

    index = write_index(tmp_path, INDEX)

    text = (tmp_path / JSON_NAME).read_text(encoding="utf-8")
    document = json.loads(text, parse_constant=refuse)
    masters = {m["path"]: m for m in document["masters"]}
    assert (document["schema"], document["version"]) == ("ap-masters/index", 1)
    assert list(masters) == sorted(masters) == [e.path for e in index.entries]
    dark = masters["darks/master 300 é.xisf"]
    assert dark["measures"]["median"]["value"] == pytest.approx(500)
    assert dark["measures"]["hot pixels"]["value"] == 1000
    assert dark["log"] == "logs/20260301_200000.log"
    assert dark["record"] == "darks/master 300 é.xrs"
    assert len(dark["sha256"]) == 64
    assert masters[f"quarantine/flats/{BAD_NAME}.xisf"]["status"] == "quarantined"
    assert str(tmp_path) not in text


def test_the_markdown_is_a_table_that_people_read(tmp_path: Path) -> None:
    """Published masters first, links relative to its own folder, and no name breaks out of its cell."""
    fill(tmp_path)

    write_index(tmp_path, Path("ops/calibration-index.md"))

    text = (tmp_path / "ops/calibration-index.md").read_text(encoding="utf-8")
    assert text.index("## Published") < text.index("## Quarantined")
    assert "[master 300 é.xisf](<../darks/master 300 é.xisf>)" in text
    assert "(<../logs/20260301_200000.log>)" in text
    assert "500.0 | 500.4 | 12.00 | 1000" in text
    rows = [line for line in text.splitlines() if line.startswith(("| dark", "| flat"))]
    assert {line.replace("\\|", "").count("|") for line in rows} == {13}
    assert str(tmp_path) not in text
    assert "\n\n\n" not in text


def test_writing_it_again_changes_nothing(tmp_path: Path) -> None:
    """No time of writing, no order of discovery: unchanged masters give unchanged bytes."""
    fill(tmp_path)
    write_index(tmp_path, INDEX)
    before = {path: path.read_bytes() for path in (tmp_path / JSON_NAME, tmp_path / INDEX)}
    for path in before:
        path.unlink()
    (tmp_path / ".ap-masters" / "scan.jsonl").unlink()

    write_index(tmp_path, INDEX)

    assert {path: path.read_bytes() for path in before} == before


def test_dark_current_follows_from_the_masters(tmp_path: Path) -> None:
    """A bias and two darks make a series; with a second set-point the doubling temperature is told."""
    for temperature, rate in ((-10.0, 0.02), (0.0, 0.04)):
        for exposure in (None, 120.0, 300.0):
            kind = FrameType.DARK if exposure else FrameType.BIAS
            statistics = make_statistics(median=500 + rate * (exposure or 0), size=SIZE)
            record = draft(kind, key=key(kind, temperature=temperature, exposure=exposure), statistics=statistics)
            shelve(tmp_path, f"{kind}/master_{exposure}_{temperature}.xisf", record)

    index = write_index(tmp_path, INDEX)

    assert [s.adu_per_second for s in index.dark_series] == pytest.approx([0.02, 0.04])
    assert [d.degrees for d in index.doublings] == pytest.approx([10.0])
    text = (tmp_path / INDEX).read_text(encoding="utf-8")
    assert "## Dark current" in text
    assert "doubles every 10.0 °C" in text


def test_problems_and_mirror_notes_stand_in_the_index(tmp_path: Path) -> None:
    """S0-31: a mismatch of checksums is noted; so is a file that is no master."""
    shelve(tmp_path)
    (tmp_path / "broken.xisf").write_bytes(b"nothing")
    write_mirror_notes(tmp_path, "/nas/lib", [MirrorNote(target="/nas/lib", path="a.xisf", detail="differs")])

    write_index(tmp_path, INDEX)

    text = (tmp_path / INDEX).read_text(encoding="utf-8")
    assert "broken.xisf" in text
    assert "| /nas/lib | a.xisf | differs |" in text
    document = json.loads((tmp_path / JSON_NAME).read_text(encoding="utf-8"))
    assert document["mirror"][0]["path"] == "a.xisf"


def test_masters_without_a_record_are_listed_with_what_is_known(tmp_path: Path) -> None:
    """A foreign master has a row without statistics."""
    write_pixels(tmp_path / "masterDark_300s.fits", draft())

    index = write_index(tmp_path, INDEX)

    assert index.entries[0].measures == ()
    assert "masterDark\\_300s.fits" in (tmp_path / INDEX).read_text(encoding="utf-8")


def test_an_index_that_cannot_be_written_is_an_error_of_the_library(tmp_path: Path) -> None:
    """A folder stands where the file should: told with its path."""
    shelve(tmp_path)
    (tmp_path / INDEX).mkdir()

    with pytest.raises(LibraryError, match="calibration-index"):
        write_index(tmp_path, INDEX)


def test_the_library_remembers_where_its_index_is(tmp_path: Path) -> None:
    """S1-08, S1-23: what changes it without a word on the place brings that one up to date, and writes no second."""
    ops = tmp_path / "ops" / "index.md"
    write_index(tmp_path, Path("ops/index.md"))
    shelve(tmp_path, "dark/master.xisf", draft())

    index = write_index(tmp_path)
    write_index(tmp_path, tmp_path.parent / "elsewhere.md")  # a copy for somebody; its own stays its own

    assert index.markdown_path == ops
    assert "dark/master.xisf" in ops.read_text(encoding="utf-8")
    assert write_index(tmp_path).markdown_path == ops
    assert not (tmp_path / INDEX).exists()


@pytest.mark.parametrize("told", ['"gone.md"', '"../../etc/x.md"', '"/etc/hosts"', "7", "null", '""', '"master"'])
def test_an_index_that_is_not_there_is_not_remembered(tmp_path: Path, told: str) -> None:
    """It was moved by hand, or the file in JSON says whatever it likes: the index goes where it usually does."""
    (tmp_path / "master").mkdir()
    (tmp_path / JSON_NAME).write_text(f'{{"markdown": {told}}}', encoding="utf-8")

    assert write_index(tmp_path).markdown_path == tmp_path / INDEX
