"""What else may stand in a library: names that are no text, pipes, files of macOS, masters without their record."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ap_masters import record as records
from ap_masters.library.audit import audit
from ap_masters.library.index import write_index
from ap_masters.library.mirror import mirror
from ap_masters.library.prune import prune
from ap_masters.library.scan import scan
from ap_masters.model import SUPERSEDED, MasterStatus
from tests.library.shelves import shelve

NOW = datetime(2026, 11, 20, tzinfo=UTC)
INDEX = Path("calibration-index.md")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of one master."""
    shelve(tmp_path / "library")
    return tmp_path / "library"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_told_and_spoils_nothing(library: Path, tmp_path: Path) -> None:
    """An old Latin-1 name on a disk of today: told by every command, and mirrored by none."""
    (master,) = library.rglob("*.xisf")
    place = os.fsencode(master.parent) + b"/masterBias_\xe9.xisf"
    Path(os.fsdecode(place)).write_bytes(master.read_bytes())
    Path(os.fsdecode(os.fsencode(library) + b"/N\xe4chte")).mkdir()

    found = scan(library)
    write_index(library, INDEX)
    report = mirror(library, tmp_path / "target", now=NOW)

    assert len(found.entries) == 1
    assert [p.detail for p in found.problems] == ["its name is no valid text: rename it"] * 2
    assert {f.kind for f in audit(library).faults} == {"not a master"}
    assert report.count("failed") == 1
    assert not prune(library, now=NOW, season_days=183).unreadable


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(library: Path) -> None:
    """Whatever its name says."""
    for name in ("masterDark_1s.xisf", "x.xrs", "y.json", "z.log"):
        os.mkfifo(library / name)

    assert len(scan(library).entries) == 1
    assert audit(library).faults == ()
    assert prune(library, now=NOW, season_days=183).unreadable == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_console_log_is_no_broken_record(library: Path, encoding: str) -> None:
    """PixInsight's log, saved in whatever encoding: for every command it is a log."""
    (library / "logs").mkdir(exist_ok=True)
    (library / "logs" / "pixinsight.log").write_bytes("Nächte: 3 files\r\n".encode(encoding))

    assert audit(library).faults == ()
    assert prune(library, now=NOW, season_days=183).unreadable == ()


def test_what_a_system_leaves_beside_files_is_no_fault(library: Path) -> None:
    """``.DS_Store`` and ``._`` files are nobody's business; halves of a killed run are."""
    (library / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (library / "master" / "._masterDark.xisf").write_bytes(b"\0\5\x16\7")
    (library / "master" / "._masterDark.xrs").write_bytes(b"\0\5\x16\7")
    (library / ".x.xrs.17.part").write_bytes(b"{")

    assert scan(library).problems == ()
    assert [(f.kind, f.path) for f in audit(library).faults] == [("stale file", ".x.xrs.17.part")]
    assert prune(library, now=NOW, season_days=183).unreadable == ()


def test_a_quarantined_master_that_lost_its_record_does_not_serve(library: Path) -> None:
    """Where it stands says what it is."""
    shelve(library, "master/held.xisf", status=MasterStatus.QUARANTINED)
    (held,) = (library / "quarantine").rglob("*.xisf")
    records.record_path(held).unlink()
    shelve(library, seed=5)
    (old,) = (library / SUPERSEDED).rglob("*.xisf")
    records.record_path(old).unlink()

    assert {e.path.split("/")[0]: e.status for e in scan(library).entries} == {
        "master": MasterStatus.PUBLISHED,
        "quarantine": MasterStatus.QUARANTINED,
        "superseded": MasterStatus.SUPERSEDED,
    }


def test_a_master_moved_into_quarantine_by_hand_is_a_contradiction(library: Path) -> None:
    """Its record says that it serves; the command keeps the two together."""
    (master,) = library.rglob("*.xisf")
    (library / "quarantine").mkdir()
    for path in (master, records.record_path(master)):
        path.rename(library / "quarantine" / path.name)

    (fault,) = audit(library).faults

    assert fault.kind == "contradiction"
    assert "stands in quarantine" in fault.detail
