"""Masters enter the library whole or not at all, and nothing ever replaces another master."""

import errno
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ap_masters import record as records
from ap_masters.errors import LibraryError
from ap_masters.files import part_of, sha256
from ap_masters.library import store
from ap_masters.library.audit import audit
from ap_masters.model import QUARANTINE, SUPERSEDED, FrameType, Grade, GroupKey, MasterStatus, Recipe
from ap_masters.record import MasterFile, Record, Software
from tests.refusals import hold

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OUTPUT = Path("master") / "masterDark é 300.xisf"


class Killed(BaseException):
    """What nothing catches, so that a run breaks off here."""


def make_record(status: MasterStatus = MasterStatus.PUBLISHED) -> Record:
    return Record(
        status=status,
        master=MasterFile(name="x.xisf", width=4, height=3, channels=1),
        software=Software(version="0"),
        key=GroupKey(type=FrameType.DARK, exposure=300),
        recipe=Recipe(),
        inputs=(),
        grade=Grade.OPTIMAL,
    )


def work_master(library: Path, content: bytes) -> Path:
    work = store.work_folder(library, "run")
    path = work / "new.xisf"
    path.write_bytes(content)
    return path


def test_a_published_master_stands_with_its_record_and_checksum(tmp_path: Path) -> None:
    """The record beside the master names it, its size and the SHA-256 of its bytes; the work copy is gone."""
    work = work_master(tmp_path, b"pixels")

    target = store.publish(work, make_record(), tmp_path, OUTPUT, now=NOW)

    record = records.read(records.record_path(target))
    assert target == tmp_path / OUTPUT
    assert target.read_bytes() == b"pixels"
    assert (record.master.name, record.master.size, record.master.sha256) == (OUTPUT.name, 6, sha256(target))
    assert [event.status for event in record.history] == [MasterStatus.PUBLISHED]
    assert not work.exists()


def test_the_old_master_is_kept_as_superseded(tmp_path: Path) -> None:
    """Publishing twice leaves the first master, byte for byte, under superseded/ with its record saying so."""
    store.publish(work_master(tmp_path / "", b"first"), make_record(), tmp_path, OUTPUT, now=NOW)
    store.clear(tmp_path / store.WORK)
    store.publish(work_master(tmp_path, b"second"), make_record(), tmp_path, OUTPUT, now=NOW)

    old = list((tmp_path / SUPERSEDED).rglob("*.xisf"))
    assert [p.read_bytes() for p in old] == [b"first"]
    told = records.read(records.record_path(old[0]))
    assert told.status is MasterStatus.SUPERSEDED
    assert told.history[-1].reason == "another master took its place"  # which an older set can do as well
    new = records.read(records.record_path(tmp_path / OUTPUT))
    assert new.supersedes == old[0].relative_to(tmp_path).as_posix()
    assert (tmp_path / OUTPUT).read_bytes() == b"second"


@pytest.mark.usefixtures("windows_rules")
def test_a_master_and_a_record_that_are_marked_read_only_give_way(tmp_path: Path) -> None:
    """Windows removes no such record, and without that the library would be without its master for good."""
    old = store.publish(work_master(tmp_path, b"first"), make_record(), tmp_path, OUTPUT, now=NOW)
    for path in (old, records.record_path(old)):
        path.chmod(stat.S_IREAD)
    store.clear(tmp_path / store.WORK)

    new = store.publish(work_master(tmp_path, b"second"), make_record(), tmp_path, OUTPUT, now=NOW)

    assert new.read_bytes() == b"second"
    assert [path.read_bytes() for path in (tmp_path / SUPERSEDED).rglob("*.xisf")] == [b"first"]
    assert not [fault for fault in audit(tmp_path).faults if fault.kind == "orphan record"]


@pytest.mark.parametrize("held", [".xisf", ".xrs"])
def test_a_master_that_another_program_holds_stays_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """PixInsight has it open, and Windows moves nothing that is: master and record stay as they are, and together."""
    master = store.publish(work_master(tmp_path, b"first"), make_record(), tmp_path, OUTPUT, now=NOW)
    record = records.record_path(master).read_bytes()
    store.clear(tmp_path / store.WORK)
    hold(monkeypatch, master.with_suffix(held))

    with pytest.raises(LibraryError, match=rf"Close masterDark é 300{held} in other programs"):
        store.publish(work_master(tmp_path, b"second"), make_record(), tmp_path, OUTPUT, now=NOW)

    assert (master.read_bytes(), records.record_path(master).read_bytes()) == (b"first", record)
    assert [path for path in (tmp_path / SUPERSEDED).rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("long_ones", [True, False])
def test_a_path_that_is_too_long_for_windows_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long_ones: bool
) -> None:
    """It says that there is no such path; names under superseded/ are the longest, so the second build fails."""
    store.publish(work_master(tmp_path, b"first"), make_record(), tmp_path, OUTPUT, now=NOW)
    monkeypatch.setattr(store, "LONGEST_PATH", len(str(tmp_path)))
    monkeypatch.setattr(store, "takes_long_paths", lambda: long_ones)

    def too_long(path: Path, target: Path) -> None:
        raise FileNotFoundError(errno.ENOENT, "The system cannot find the path specified", str(path))

    monkeypatch.setattr(Path, "replace", too_long)

    with pytest.raises(LibraryError) as refused:
        store.publish(tmp_path / "new.xisf", make_record(), tmp_path, OUTPUT, now=NOW)

    assert ("Give the library a shorter path" in str(refused.value)) is not long_ones


def test_the_record_of_a_master_that_is_gone_is_kept(tmp_path: Path) -> None:
    """It holds the master's history, and proves it should it come back; nothing is at fault with that."""
    target = store.publish(work_master(tmp_path / "", b"first"), make_record(), tmp_path, OUTPUT, now=NOW)
    history = records.read(records.record_path(target)).history
    for content in (b"second", b"third"):
        target.unlink()
        store.clear(tmp_path / store.WORK)
        store.publish(work_master(tmp_path, content), make_record(), tmp_path, OUTPUT, now=NOW)

    kept = sorted((tmp_path / SUPERSEDED).rglob("*.xrs"))
    assert len(kept) == 2
    assert all(records.read(path).history[: len(history)] == history for path in kept)
    assert {records.read(path).status for path in kept} == {MasterStatus.SUPERSEDED}
    assert not [fault for fault in audit(tmp_path).faults if fault.kind == "orphan record"]


def test_no_way_into_a_place_loses_the_record_there(tmp_path: Path) -> None:
    """Publishing by hand and quarantine take places as well as a build does."""
    for content in (b"first", b"second"):
        store.publish(work_master(tmp_path, content), make_record(), tmp_path, OUTPUT, now=NOW)
        store.clear(tmp_path / store.WORK)
    lost = records.read(records.record_path(tmp_path / OUTPUT)).master.sha256
    (tmp_path / OUTPUT).unlink()
    (old,) = (tmp_path / SUPERSEDED).rglob("*.xisf")

    with store.way_made(tmp_path, OUTPUT, now=NOW) as before:
        assert before == old  # the last that stood there and is known

    assert old.exists()
    kept = [records.read(path).master.sha256 for path in (tmp_path / SUPERSEDED).rglob("*.xrs")]
    assert lost in kept


@pytest.mark.parametrize("full", ["record", "master"])
def test_a_disk_that_fails_while_a_master_is_replaced_leaves_the_old_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    """What was moved out of the way is put back with its record, so that matching finds it as before."""
    old = store.publish(work_master(tmp_path, b"first"), make_record(), tmp_path, OUTPUT, now=NOW)
    record = records.record_path(old).read_bytes()
    store.clear(tmp_path / store.WORK)
    new = work_master(tmp_path, b"second")
    hold(monkeypatch, new if full == "master" else part_of(records.record_path(old)))

    with pytest.raises(LibraryError, match="could not be put into the library"):
        store.publish(new, make_record(), tmp_path, OUTPUT, now=NOW)

    assert (old.read_bytes(), records.record_path(old).read_bytes()) == (b"first", record)
    assert [path for path in (tmp_path / SUPERSEDED).rglob("*") if path.is_file()] == []


def test_a_master_that_a_killed_run_moved_out_of_the_way_is_the_one_that_is_replaced(tmp_path: Path) -> None:
    """Its record still stands in its place: the next run tells where the master went, and keeps no second record."""
    store.publish(work_master(tmp_path, b"first"), make_record(), tmp_path, OUTPUT, now=NOW)
    store.clear(tmp_path / store.WORK)
    with pytest.raises(Killed), store.way_made(tmp_path, OUTPUT, now=NOW):
        raise Killed
    (aside,) = (tmp_path / SUPERSEDED).rglob("*.xisf")

    new = store.publish(work_master(tmp_path, b"second"), make_record(), tmp_path, OUTPUT, now=NOW)

    assert records.read(records.record_path(new)).supersedes == aside.relative_to(tmp_path).as_posix()
    assert list((tmp_path / SUPERSEDED).rglob("*.xrs")) == [records.record_path(aside)]


def test_a_record_that_cannot_be_read_hides_no_master_that_a_killed_run_moved(tmp_path: Path) -> None:
    """Console logs that users had stashed as records are superseded too."""
    old = store.publish(work_master(tmp_path, b"first"), make_record(), tmp_path, OUTPUT, now=NOW)
    store.clear(tmp_path / store.WORK)
    log = records.record_path(tmp_path / SUPERSEDED / OUTPUT.with_stem(f"{OUTPUT.stem}_20250101_000000"))
    log.parent.mkdir(parents=True)
    log.write_text("Integration of 20 images", encoding="utf-8")
    with pytest.raises(Killed), store.way_made(tmp_path, OUTPUT, now=NOW) as aside:
        raise Killed

    assert aside is not None
    assert store.moved_from(tmp_path, old.relative_to(tmp_path)) == aside.relative_to(tmp_path)


def test_two_masters_superseded_in_one_second_are_both_kept(tmp_path: Path) -> None:
    """Equal time stamps never make one superseded master replace another."""
    for content in (b"1", b"2", b"3"):
        store.publish(work_master(tmp_path, content), make_record(), tmp_path, OUTPUT, now=NOW)
        store.clear(tmp_path / store.WORK)

    kept = {p.read_bytes() for p in tmp_path.rglob("*.xisf")}
    assert kept == {b"1", b"2", b"3"}


def test_a_quarantined_master_keeps_its_record_and_reason(tmp_path: Path) -> None:
    """Quarantine moves master and record to the same path under quarantine/."""
    store.publish(work_master(tmp_path, b"lit"), make_record(), tmp_path, OUTPUT, now=NOW)

    new = store.quarantine(tmp_path, OUTPUT, "light leak", now=NOW)

    record = records.read(records.record_path(new))
    assert new == tmp_path / QUARANTINE / OUTPUT
    assert (record.status, record.history[-1].reason) == (MasterStatus.QUARANTINED, "light leak")
    assert not (tmp_path / OUTPUT).exists()
    assert not records.record_path(tmp_path / OUTPUT).exists()


@pytest.mark.parametrize("suffix", [".fit", ".FITS"])
def test_a_master_in_another_format_gives_way_with_its_record(tmp_path: Path, suffix: str) -> None:
    """The record that both would have goes to ``superseded/`` with the master it is of."""
    twin = OUTPUT.with_suffix(suffix)
    old = store.publish(work_master(tmp_path / "1", b"old"), make_record(), tmp_path, twin, now=NOW)

    new = store.publish(work_master(tmp_path / "2", b"new"), make_record(), tmp_path, OUTPUT, now=NOW)

    (kept,) = (tmp_path / SUPERSEDED).rglob(f"*{suffix}")
    assert not old.exists()
    assert kept.read_bytes() == b"old"
    assert records.read(records.record_path(kept)).master.name == kept.name
    assert records.read(records.record_path(new)).master.name == new.name


def test_quarantine_keeps_one_master_of_a_name(tmp_path: Path) -> None:
    """What stands there in another format gives way as well."""
    for content, output in ((b"old", OUTPUT.with_suffix(".fit")), (b"new", OUTPUT)):
        store.publish(work_master(tmp_path / content.decode(), content), make_record(), tmp_path, output, now=NOW)
        store.quarantine(tmp_path, output, "light leak", now=NOW)

    assert {path.suffix for path in (tmp_path / QUARANTINE).rglob("*") if path.is_file()} == {".xisf", ".xrs"}
    assert [path.read_bytes() for path in (tmp_path / SUPERSEDED).rglob("*.fit")] == [b"old"]


@pytest.mark.parametrize("hostile", ["../out.xisf", "a/../../out.xisf", "/tmp/out.xisf", ""])
def test_a_path_that_leaves_the_library_is_refused(tmp_path: Path, hostile: str) -> None:
    """Whatever a layout rendered, nothing is written outside the library."""
    library = tmp_path / "library"
    library.mkdir()

    with pytest.raises(LibraryError, match="leaves the library"):
        store.place(library, Path(hostile))


def test_a_record_that_is_a_console_log_goes_along_untouched(tmp_path: Path) -> None:
    """Users stash console logs as .xrs; superseding their master keeps that text as it is."""
    master = tmp_path / OUTPUT
    master.parent.mkdir()
    master.write_bytes(b"theirs")
    records.record_path(master).write_text("PixInsight Core 1.9.3\n", encoding="utf-8")

    new = store.supersede(tmp_path, OUTPUT, now=NOW)

    assert new.read_bytes() == b"theirs"
    assert records.record_path(new).read_text(encoding="utf-8") == "PixInsight Core 1.9.3\n"
