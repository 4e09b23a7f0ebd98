"""The library commands: what they print, write and answer to a scheduler."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def library(small_library: Path, tmp_path: Path) -> Path:
    """A library of one's own to change: six masters."""
    return Path(shutil.copytree(small_library, tmp_path / "my library"))


def bias(library: Path) -> Path:
    (path,) = (library / "master").glob("masterBias*.xisf")
    return path


def test_index_writes_both_files(run: Run, library: Path) -> None:
    """Where --path says, and JSON in the library."""
    done = run("library", "index", library, "--path", "ops/calibration-index.md")

    assert done.code == 0
    assert "masterBias" in (library / "ops" / "calibration-index.md").read_text(encoding="utf-8")
    assert len(json.loads((library / "calibration-index.json").read_text(encoding="utf-8"))["masters"]) == 6


def test_due_answers_a_scheduler(run: Run, library: Path) -> None:
    """8 when something is due, 0 when nothing is; with the reason."""
    done = run("library", "due", library, "--json")

    assert done.code == done.document["exit_code"] == 8  # the demo's night is long ago
    assert {reason["cause"] for item in done.document["due"]["items"] for reason in item["reasons"]} == {"age"}
    assert run("library", "due", library, "--policy", "never").code == 0
    assert run("library", "due", library, "--policy", "nver").code == 2


def test_due_looks_at_recent_frames(run: Run, library: Path, small_night: Path, tmp_path: Path) -> None:
    """Frames with the settings of the library add nothing."""
    done = run("library", "due", library, "--policy", "never", "--frames", small_night, "--json")

    assert done.code == 0
    assert done.document["due"]["items"] == []


def test_audit_finds_a_flipped_byte(run: Run, library: Path) -> None:
    """A sound library has no fault; one changed byte is one."""
    assert run("library", "audit", library).code == 0

    with bias(library).open("r+b") as file:
        file.seek(-5, 2)
        file.write(b"\xff")
    done = run("library", "audit", library, "--json")

    assert done.code == 8
    assert [fault["kind"] for fault in done.document["audit"]["faults"]] == ["checksum"]
    assert run("library", "audit", library, "--no-checksums").code == 0


def test_publish_and_quarantine_by_hand(run: Run, library: Path) -> None:
    """A master goes out of use and comes back, each time with a reason that is kept."""
    name = bias(library).name
    away = run("library", "quarantine", library, bias(library), "--reason", "light leak", "--json")
    assert away.document["change"]["status"] == "quarantined"
    assert not (library / "master" / name).exists()

    back = run("library", "publish", library, away.document["change"]["path"], "--reason", "false alarm")
    assert back.code == 0
    history = json.loads(bias(library).with_suffix(".xrs").read_text(encoding="utf-8"))["history"]
    assert [event["reason"] for event in history][-2:] == ["light leak", "false alarm"]


def test_a_reason_is_needed(run: Run, library: Path) -> None:
    """Nothing changes its status without one."""
    assert run("library", "quarantine", library, bias(library)).code == 2
    assert run("library", "quarantine", library, bias(library), "--reason", " ").code == 2


def test_labels_are_given_and_taken(run: Run, library: Path) -> None:
    """S0-34: a master is marked as interim; matching can ask for the mark."""
    given = run("library", "label", library, bias(library), "interim", "summer", "--json")
    taken = run("library", "label", library, bias(library), "--remove", "summer")

    assert given.document["change"]["labels"] == ["interim", "summer"]
    assert "labels interim" in taken.out
    assert run("library", "label", library, bias(library), "no good").code == 2


def test_a_library_that_is_not_there_is_a_slip(run: Run, tmp_path: Path) -> None:
    """No empty library is invented."""
    for verb in ("index", "due", "audit"):
        assert run("library", verb, tmp_path / "mastres").code == 2
    assert not (tmp_path / "mastres").exists()
