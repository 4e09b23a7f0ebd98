"""What a user changes by hand is kept with its reason, and nothing is lost by it."""

from datetime import timedelta
from pathlib import Path

import pytest

from ap_masters import record as records
from ap_masters.errors import LibraryError, UsageError
from ap_masters.files import sha256
from ap_masters.library import status
from ap_masters.library.holdings import holdings
from ap_masters.library.scan import scan
from ap_masters.model import SUPERSEDED, Keyword, MasterStatus
from tests.library.shelves import NOW, draft, keywords, record_of, shelve, write_pixels
from tests.refusals import hold

LATER = NOW + timedelta(days=1)
OUTPUT = "master/masterDark é 300.xisf"


def test_a_quarantined_master_is_published_with_a_reason(tmp_path: Path) -> None:
    """It moves to the place it was made for; the one that stood there is kept as superseded."""
    old = shelve(tmp_path, OUTPUT, seed=1)
    old_bytes = old.read_bytes()
    held = shelve(tmp_path, OUTPUT, seed=2, status=MasterStatus.QUARANTINED)
    held_bytes = held.read_bytes()

    change = status.publish(tmp_path, held, "looked at it, the flat panel was on", now=LATER)

    assert (tmp_path / OUTPUT).read_bytes() == held_bytes
    assert not held.exists()
    assert not records.record_path(held).exists()
    assert change.superseded is not None
    assert (tmp_path / change.superseded).read_bytes() == old_bytes
    record = record_of(tmp_path / OUTPUT)
    assert record.status is MasterStatus.PUBLISHED
    assert record.supersedes == change.superseded
    assert [e.reason for e in record.history] == ["built", "looked at it, the flat panel was on"]
    assert {e.status for e in scan(tmp_path).entries} == {MasterStatus.PUBLISHED, MasterStatus.SUPERSEDED}


@pytest.mark.parametrize("held", [".xisf", ".xrs"])
def test_a_master_that_another_program_holds_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """Windows moves nothing that is open: the one in use stays that, and nothing has changed."""
    shelve(tmp_path, OUTPUT, seed=1)
    waiting = shelve(tmp_path, OUTPUT, seed=2, status=MasterStatus.QUARANTINED)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.x*")}
    hold(monkeypatch, waiting.with_suffix(held))

    with pytest.raises(LibraryError, match=rf"Close masterDark é 300{held} in other programs"):
        status.publish(tmp_path, waiting, "looked at it", now=LATER)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*.x*")} == before


def test_a_superseded_master_can_come_back(tmp_path: Path) -> None:
    """Publishing it again makes the newer one the superseded one, under the name both were made for."""
    first = shelve(tmp_path, OUTPUT, seed=1).read_bytes()
    shelve(tmp_path, OUTPUT, seed=2)
    (old,) = (tmp_path / SUPERSEDED).rglob("*.xisf")

    status.publish(tmp_path, old.relative_to(tmp_path), "the new one shows a leak", now=LATER)

    assert (tmp_path / OUTPUT).read_bytes() == first
    assert len(list((tmp_path / SUPERSEDED).rglob("*.xisf"))) == 1


def test_a_master_in_its_place_may_be_open_while_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is just being looked at: nothing has to be moved."""
    master = shelve(tmp_path, OUTPUT)
    hold(monkeypatch, master)

    status.publish(tmp_path, master, "looked at it", now=LATER)

    assert record_of(master).history[-1].reason == "looked at it"


def test_publishing_what_is_published_changes_its_history_only(tmp_path: Path) -> None:
    """The master stays where it is and keeps its bytes."""
    master = shelve(tmp_path, OUTPUT)
    before = master.read_bytes()

    status.publish(tmp_path, master, "checked again", now=LATER)

    assert master.read_bytes() == before
    assert record_of(master).history[-1].reason == "checked again"


def test_a_master_is_taken_out_of_use(tmp_path: Path) -> None:
    """It moves to quarantine with its record and the reason; twice is an error of usage."""
    master = shelve(tmp_path, OUTPUT)

    change = status.quarantine(tmp_path, master, "leaves residue in the corners", now=LATER)

    assert change.path == f"quarantine/{OUTPUT}"
    assert record_of(tmp_path / change.path).history[-1].reason == "leaves residue in the corners"
    assert [e.status for e in scan(tmp_path).entries] == [MasterStatus.QUARANTINED]
    with pytest.raises(UsageError, match="already"):
        status.quarantine(tmp_path, Path(change.path), "again", now=LATER)


@pytest.mark.parametrize("reason", ["", "  "])
def test_nothing_is_changed_by_hand_without_a_reason(tmp_path: Path, reason: str) -> None:
    """The history has to say why."""
    master = shelve(tmp_path, OUTPUT)

    with pytest.raises(UsageError, match="reason"):
        status.publish(tmp_path, master, reason, now=LATER)
    with pytest.raises(UsageError, match="reason"):
        status.quarantine(tmp_path, master, reason, now=LATER)


def test_a_master_with_other_bytes_than_recorded_is_not_published(tmp_path: Path) -> None:
    """A damaged file does not pass the gate by hand."""
    master = shelve(tmp_path, OUTPUT, status=MasterStatus.QUARANTINED)
    data = bytearray(master.read_bytes())
    data[-1] ^= 1
    master.write_bytes(data)

    with pytest.raises(LibraryError, match="not those of its record"):
        status.publish(tmp_path, master, "fine by me", now=LATER)
    assert master.exists()


def test_labels_come_and_go(tmp_path: Path) -> None:
    """S0-34: a master is marked as interim, so that matching can ask for it; each change is on record."""
    master = shelve(tmp_path, OUTPUT)

    assert status.label(tmp_path, master, ["interim", "summer"], now=NOW).labels == ("interim", "summer")
    assert status.label(tmp_path, master, ["interim"], ["summer"], now=LATER).labels == ("interim",)
    assert status.label(tmp_path, master, ["interim"], now=LATER).labels == ("interim",)

    assert holdings(tmp_path).masters[0].labels == ("interim",)
    assert [e.reason for e in record_of(master).history] == ["built", "labels: interim, summer", "labels: interim"]


def test_labels_are_the_same_in_any_case(tmp_path: Path) -> None:
    """Who writes Refresh means the request that makes a master due (S0-17), and Interim is no second interim."""
    master = shelve(tmp_path, OUTPUT)

    assert status.label(tmp_path, master, ["Refresh", "INTERIM", "interim"], now=NOW).labels == ("interim", "refresh")
    assert status.label(tmp_path, master, [], ["Interim"], now=LATER).labels == ("refresh",)


@pytest.mark.parametrize("word", ["", "two words", "a/b", "-dash", "x" * 41, "a\nb"])
def test_labels_are_words(tmp_path: Path, word: str) -> None:
    """What could not be typed or shown safely is refused."""
    master = shelve(tmp_path, OUTPUT)

    with pytest.raises(UsageError, match="is no label"):
        status.label(tmp_path, master, [word], now=NOW)


def test_masters_outside_the_library_are_not_touched(tmp_path: Path) -> None:
    """Neither by a path of their own nor by climbing out."""
    library = tmp_path / "library"
    shelve(library)
    outside = write_pixels(tmp_path / "masterDark.xisf", draft())

    for path in (outside, Path("../masterDark.xisf"), Path("nothing.xisf")):
        with pytest.raises(LibraryError, match="no such master"):
            status.quarantine(library, path, "why not", now=NOW)


def test_a_foreign_master_gets_a_record_with_its_first_label(tmp_path: Path) -> None:
    """The record says what header and pixels tell, and that recipe and frames are unknown."""
    master = write_pixels(tmp_path / "masterDark_300s.fits", draft())

    status.label(tmp_path, master, ["interim"], now=NOW)

    record = record_of(master)
    (entry,) = scan(tmp_path).entries
    assert entry.labels == ("interim",)
    assert entry.value("median") == pytest.approx(500, abs=2)
    assert record.inputs == ()
    assert record.decisions[0].verdict == "unknown"
    assert record.master.sha256 == sha256(master)
    assert entry.status is MasterStatus.PUBLISHED


def test_what_a_foreign_master_had_subtracted_is_kept(tmp_path: Path) -> None:
    """A dark whose bias is gone stays one: nothing is subtracted twice (C-11)."""
    from ap_masters import images

    record = draft()
    master = tmp_path / "masterDark_300s.fits"
    _, pixels = images.read_image(write_pixels(tmp_path / "plain.fits", record))
    images.write_image(master, pixels, (*keywords(record), Keyword("CALSTAT", "B")), image_type="MasterDark")

    status.label(tmp_path, master, ["old"], now=NOW)

    (entry,) = [e for e in scan(tmp_path).entries if e.labels]
    assert entry.calibration_state == "B"


@pytest.mark.parametrize(
    ("place", "home"),
    [
        ("master/a.xisf", "master/a.xisf"),
        ("quarantine/master/a.xisf", "master/a.xisf"),
        ("superseded/master/a_20260301_120000.xisf", "master/a.xisf"),
        ("superseded/master/a_20260301_120000_2.xisf", "master/a.xisf"),
        ("superseded/quarantine/master/a_20260301_120000.xisf", "master/a.xisf"),
        ("superseded/2026_03_01/dark300s_20260301_120000.fit", "2026_03_01/dark300s.fit"),
        ("superseded", "superseded"),  # a file of that name is in nobody's place
    ],
)
def test_every_place_has_its_home(place: str, home: str) -> None:
    """The path a master was made for is read from where it stands now."""
    assert status.home_of(Path(place)).as_posix() == home
