"""A mirror is a true copy or says what is not; it never overwrites what it did not write, and may be interrupted."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ap_masters.errors import LibraryError, NothingToDo, UsageError
from ap_masters.library.index import write_index
from ap_masters.library.lock import library_lock
from ap_masters.library.mirror import MirrorReport
from ap_masters.library.mirror import mirror as mirror_at
from ap_masters.library.notes import read_mirror_notes
from ap_masters.library.status import quarantine
from tests.builders import write_frame
from tests.library.shelves import NOW, draft, key, shelve, tree

OUTPUT = "master/masterDark é 300.xisf"

mirror = partial(mirror_at, now=NOW)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of two masters with records and an index."""
    place = tmp_path / "my library"
    shelve(place, OUTPUT)
    shelve(place, "bias/masterBias.xisf", draft(key=key(exposure=60.0)))
    write_index(place, Path("calibration-index.md"))
    return place


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the copy goes."""
    return tmp_path / "NAS é"


def actions(report: MirrorReport) -> set[str]:
    return {file.action for file in report.files}


def flip(path: Path) -> bytes:
    """Change one byte and keep size and time, as failing disks do; return the whole."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return bytes(data)


def test_the_first_run_copies_all_and_the_second_nothing(library: Path, target: Path) -> None:
    """S0-30: every master, record, log and index; then everything is up to date."""
    first, second = mirror(library, target), mirror(library, target)

    assert tree(target) == tree(library)
    assert actions(first) == {"copied"}
    assert first.bytes_copied == sum(map(len, tree(library).values()))
    assert actions(second) == {"up to date"}
    assert (first.exit_code, second.exit_code, second.bytes_copied) == (0, 0, 0)
    assert read_mirror_notes(library) == ()


def test_what_is_new_or_changed_follows(library: Path, target: Path) -> None:
    """A new master, and the index that tells of it."""
    mirror(library, target)
    shelve(library, "dark/masterDark_120.xisf", draft(key=key(exposure=120.0)))
    write_index(library, Path("calibration-index.md"))

    report = mirror(library, target)

    assert tree(target) == tree(library)
    assert (report.count("copied"), report.count("updated")) == (2, 2)


def test_one_changed_byte_in_the_mirror_is_noted_and_left_alone(library: Path, target: Path) -> None:
    """S0-31: an entry in the index, an exit code, and neither side overwritten."""
    mirror(library, target)
    before = tree(library)
    damaged = flip(target / OUTPUT)

    report = mirror(library, target)

    assert [(f.path, f.action) for f in report.files if f.action != "up to date"] == [(OUTPUT, "mismatch")]
    assert report.exit_code == 8
    assert (target / OUTPUT).read_bytes() == damaged
    assert tree(library) == before
    index = write_index(library, Path("calibration-index.md"))
    assert [note.path for note in index.mirror] == [OUTPUT]
    assert "damaged or changed there" in index.markdown_path.read_text(encoding="utf-8")


def test_a_mismatch_is_repaired_when_asked(library: Path, target: Path) -> None:
    """From a source its record vouches for; the note goes away."""
    mirror(library, target)
    flip(target / OUTPUT)
    mirror(library, target)

    report = mirror(library, target, repair=True)

    assert report.count("repaired") == 1
    assert tree(target) == tree(library)
    assert read_mirror_notes(library) == ()


def test_a_damaged_source_is_never_copied(library: Path, target: Path) -> None:
    """The good copy stays, also when a repair is asked for; a first copy is not made at all."""
    mirror(library, target)
    good = (target / OUTPUT).read_bytes()
    flip(library / OUTPUT)

    for repair in (False, True):
        report = mirror(library, target, repair=repair)
        assert [(f.path, f.action) for f in report.files if f.action != "up to date"] == [(OUTPUT, "mismatch")]
    fresh = mirror(library, target.with_name("other"))

    assert (target / OUTPUT).read_bytes() == good
    assert fresh.exit_code == 8
    assert not (target.with_name("other") / OUTPUT).exists()


@pytest.mark.parametrize("later", [0, 3], ids=["of another size", "of another time"])
def test_quick_sees_a_source_that_is_another(library: Path, target: Path, later: int) -> None:
    """By its size, however soon after the last run it was written, or by its time beyond what FAT rounds off."""
    index = library / "calibration-index.md"
    mirror(library, target)
    stat = index.stat()
    index.write_text("x" * (stat.st_size + (not later)), encoding="utf-8")
    os.utime(index, ns=(stat.st_atime_ns, stat.st_mtime_ns + later * 10**9))

    again = mirror(library, target, quick=True)

    assert [file.path for file in again.files if file.action == "updated"] == [index.name]
    assert (target / index.name).read_bytes() == index.read_bytes()


def test_quick_believes_size_and_time(library: Path, target: Path) -> None:
    """A silent change of one byte is found by checksum only; the report says which of the two was done."""
    mirror(library, target)
    flip(target / OUTPUT)

    assert mirror(library, target, quick=True).exit_code == 0
    assert mirror(library, target, quick=True).checked == "sizes and times"
    assert mirror(library, target).exit_code == 8


def test_another_file_in_the_target_is_not_overwritten(library: Path, target: Path) -> None:
    """What the mirror did not write it does not touch; the same bytes are taken for a copy."""
    (target / "bias").mkdir(parents=True)
    (target / "bias/masterBias.xisf").write_bytes(b"mine")
    (target / "calibration-index.md").write_bytes((library / "calibration-index.md").read_bytes())
    (target / "notes.txt").write_bytes(b"my own")

    report = mirror(library, target)

    did = {f.path: f.action for f in report.files}
    assert did["bias/masterBias.xisf"] == "mismatch"
    assert did["calibration-index.md"] == "adopted"
    assert (target / "bias/masterBias.xisf").read_bytes() == b"mine"
    assert (target / "notes.txt").read_bytes() == b"my own"
    assert report.extra == 1


def test_what_was_deleted_in_the_library_stays_in_the_mirror(library: Path, target: Path) -> None:
    """One way, and never a deletion."""
    mirror(library, target)
    (library / OUTPUT).unlink()

    report = mirror(library, target)

    assert (target / OUTPUT).exists()
    assert (report.extra, report.exit_code) == (1, 0)


def test_a_master_that_went_into_quarantine_goes_there_in_the_mirror_too(library: Path, target: Path) -> None:
    """Else it would serve from the NAS as published; one that was superseded as well."""
    mirror(library, target)
    quarantine(library, Path(OUTPUT), "amp glow", now=NOW)

    report = mirror(library, target)

    moved = {(file.path, file.detail) for file in report.files if file.action == "moved"}
    record = Path(OUTPUT).with_suffix(".xrs").as_posix()
    assert moved == {(OUTPUT, f"is quarantine/{OUTPUT} now"), (record, f"is quarantine/{record} now")}
    assert tree(target) == tree(library)
    assert report.exit_code == 0
    assert actions(mirror(library, target)) == {"up to date"}


def test_a_copy_that_was_changed_there_does_not_move(library: Path, target: Path) -> None:
    """It is not what was copied any more: nobody knows what it is worth."""
    mirror(library, target)
    changed = flip(target / OUTPUT)
    quarantine(library, Path(OUTPUT), "amp glow", now=NOW)

    mirror(library, target)

    assert (target / OUTPUT).read_bytes() == changed
    assert (target / "quarantine" / OUTPUT).is_file()


def test_what_was_deleted_stays_though_its_like_is_elsewhere(library: Path, target: Path) -> None:
    """Only what went into quarantine, or was superseded, has moved; a second copy with a record of its own has not."""
    shutil.copytree(library / "master", library / "copy")
    (library / "notes.txt").write_text("a", encoding="utf-8")
    (library / "more.txt").write_text("a", encoding="utf-8")
    mirror(library, target)
    shutil.rmtree(library / "copy")
    (library / "more.txt").unlink()

    report = mirror(library, target)

    assert actions(report) == {"up to date"}
    assert (target / "more.txt").is_file()
    assert sorted(path.name for path in (target / "copy").iterdir()) == sorted(
        path.name for path in (target / "master").iterdir()
    )


def test_a_library_within_another_is_one_by_itself(library: Path, target: Path) -> None:
    """As where a whole folder tree has been looked at as a library before."""
    (library.parent / ".ap-masters").mkdir()
    mirror(library, target)

    assert tree(target) == tree(library)


def test_what_is_no_library_is_not_mirrored(library: Path, target: Path, tmp_path: Path) -> None:
    """A folder of frames would become one; a part of a library would become another."""
    frames = tmp_path / "frames"
    write_frame(frames / "dark.fits")

    with pytest.raises(NothingToDo, match="no masters"):
        mirror(frames, target)
    with pytest.raises(UsageError, match="lies in the library"):
        mirror(library / "master", target)
    assert not target.exists()
    assert [path.name for path in frames.iterdir()] == ["dark.fits"]


def test_leftovers_and_housekeeping_are_not_mirrored(library: Path, target: Path) -> None:
    """Halves of files stay where they are."""
    (library / ".x.xrs.17.part").write_bytes(b"{")

    mirror(library, target)

    assert ".x.xrs.17.part" not in tree(target)
    assert not (target / ".ap-masters" / "scan.jsonl").exists()


def kill_after(files: int, library: Path, target: Path) -> None:
    """Run a mirror that dies before its next file, without a chance to put anything in order."""
    program = (
        "import datetime, os, sys, pathlib; from ap_masters.library import mirror as m\n"
        "class Dying(m._Run):\n"
        "    def bring(self, path):\n"
        f"        if len(self.files) == {files}: os._exit(9)\n"
        "        self.files.append(super().bring(path))\n"
        "        return self.files[-1]\n"
        "m._Run = Dying\n"
        f"now = datetime.datetime.fromisoformat('{NOW.isoformat()}')\n"
        "m.mirror(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), now=now)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(library), str(target)], check=False)
    assert ended.returncode == 9


def test_a_mirror_that_was_killed_is_taken_up_again(library: Path, target: Path) -> None:
    """Killed at any file: what was copied is whole and known, and the next run ends with a true copy."""
    kill_after(2, library, target)
    half = tree(target)

    report = mirror(library, target)

    assert len(half) == 2
    assert half.items() <= tree(library).items()
    assert (report.count("up to date"), actions(report)) == (2, {"up to date", "copied"})
    assert tree(target) == tree(library)


def test_what_changes_after_a_mirror_was_killed_follows(library: Path, target: Path) -> None:
    """The index is written anew with every build: a copy of the old one is no stranger's file."""
    kill_after(len(tree(library)) - 1, library, target)
    (library / "calibration-index.json").write_text("{}", encoding="utf-8")

    report = mirror(library, target)

    assert report.exit_code == 0
    assert report.count("updated") == 1
    assert tree(target) == tree(library)


def test_a_copy_that_was_updated_and_not_noted_any_more_is_one(library: Path, target: Path) -> None:
    """A mirror that is killed between a copy and its line in the journal has written what the library holds."""
    mirror(library, target)
    shelve(library, OUTPUT, seed=1)
    shutil.copy2(library / OUTPUT, target / OUTPUT)

    report = mirror(library, target)

    assert (report.exit_code, tree(target)) == (0, tree(library))
    assert [file.path for file in report.files if file.action == "adopted"] == [OUTPUT]
    assert actions(mirror(library, target)) == {"up to date"}


def test_a_line_that_was_cut_short_by_a_kill_is_passed_over(library: Path, target: Path) -> None:
    """What it would have told is compared anew."""
    kill_after(2, library, target)
    journal = target / ".ap-masters" / "copied.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])

    report = mirror(library, target)

    assert (report.exit_code, report.count("adopted"), report.count("up to date")) == (0, 1, 1)
    assert not journal.exists()


def test_halves_that_a_killed_mirror_left_are_cleared_away(library: Path, target: Path) -> None:
    """Its own, and no other hidden file."""
    mirror(library, target)
    for name in (".masterDark.xisf.4711.part", ".mine.part"):
        (target / "master" / name).write_bytes(b"half")

    mirror(library, target)

    assert not (target / "master" / ".masterDark.xisf.4711.part").exists()
    assert (target / "master" / ".mine.part").exists()


def test_a_share_that_is_not_mounted_is_not_filled(library: Path, target: Path) -> None:
    """An empty folder where a mirror was is no mirror; a repair fills it anew."""
    mirror(library, target)
    target.rename(target.with_name("unmounted"))
    target.mkdir()

    with pytest.raises(LibraryError, match="mounted"):
        mirror(library, target)
    assert tree(target) == {}
    assert mirror(library, target, repair=True).count("copied") == len(tree(library))


def test_a_list_of_copies_that_broke_is_made_anew(library: Path, target: Path) -> None:
    """Without it every copy is compared and taken on."""
    mirror(library, target)
    (target / ".ap-masters" / "copied.json").write_text("{", encoding="utf-8")

    assert actions(mirror(library, target)) == {"adopted"}


@pytest.mark.parametrize("place", [".", "inside", ".."])
def test_folders_that_lie_in_one_another_are_refused(library: Path, place: str) -> None:
    """A library cannot hold its own mirror."""
    with pytest.raises(UsageError, match="one another"):
        mirror(library, library / place)


def test_a_library_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A mistyped source must not become an empty library."""
    with pytest.raises(LibraryError, match="no such library"):
        mirror(tmp_path / "none", tmp_path / "target")
    assert not (tmp_path / "none").exists()


def test_a_file_that_cannot_be_copied_does_not_stop_the_others(library: Path, target: Path) -> None:
    """A folder stands in its place: it is told, and the rest is copied."""
    (target / OUTPUT).mkdir(parents=True)

    report = mirror(library, target)

    assert [f.path for f in report.files if f.action == "failed"] == [OUTPUT]
    assert report.count("copied") == len(report.files) - 1
    assert report.exit_code == 8


def test_a_library_that_cannot_be_written_to_is_mirrored(
    library: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Copying only reads it: what could not be noted there is told, and everything else is as ever."""
    (library / ".ap-masters" / "lock").unlink(missing_ok=True)  # Windows has removed it
    (library / ".ap-masters" / "lock").mkdir()  # no lock is to be had, as in a folder that is read-only
    master, whole = library / OUTPUT, tree(library)

    first = mirror(library, target)
    quiet = caplog.messages
    flip(master)
    second = mirror(library, target)

    assert tree(target) == whole
    assert (first.exit_code, actions(first), quiet) == (0, {"copied"}, [])
    assert [f.detail[:35] for f in second.files if f.action == "mismatch"] == ["the master in the library is not wh"]
    assert second.exit_code == 8
    assert [m for m in caplog.messages if str(library) in m and "not noted" in m]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user who can be refused")
def test_a_read_only_library_is_mirrored(library: Path, target: Path) -> None:
    """Neither the folder nor what is in it may be written to."""
    places = [library, *library.rglob("*")]
    modes = [place.stat().st_mode for place in places]
    for place, mode in zip(places, modes, strict=True):
        place.chmod(mode & ~0o222)
    try:
        reports = mirror(library, target), mirror(library, target)
    finally:
        for place, mode in zip(places, modes, strict=True):
            place.chmod(mode)

    assert [actions(report) for report in reports] == [{"copied"}, {"up to date"}]


def test_a_build_under_way_does_not_hinder_the_copying(library: Path, target: Path) -> None:
    """Only noting what was found needs the library's lock, and that at the end."""
    with library_lock(library), pytest.raises(LibraryError, match="another ap-masters"):
        mirror(library, target, patience=0.1)

    assert tree(target) == tree(library)
