"""The last sound copy of a master outlives it in the mirror, whatever takes its name in the library."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from ap_masters import record as records
from ap_masters.files import sha256
from ap_masters.library import store
from ap_masters.library.contents import Contents
from ap_masters.library.mirror import MirrorReport
from ap_masters.library.mirror import mirror as mirror_at
from ap_masters.library.notes import read_mirror_notes
from ap_masters.model import MasterStatus
from tests.library.shelves import NOW, draft, key, record_of, shelve, tree

DARK = "master/masterDark é 300.xisf"
BIAS = "bias/masterBias.xisf"
AT = NOW + timedelta(days=1)
KEPT = "superseded/master/masterDark é 300_20260321_120000.xisf"

mirror = partial(mirror_at, now=AT)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of two masters with records."""
    fill(tmp_path / "my library", seed=1)
    return tmp_path / "my library"


@pytest.fixture
def target(library: Path, tmp_path: Path) -> Path:
    """A mirror of it, up to date."""
    mirror(library, tmp_path / "NAS é")
    return tmp_path / "NAS é"


def fill(library: Path, *, seed: int) -> None:
    shelve(library, DARK, seed=seed)
    shelve(library, BIAS, draft(key=key(exposure=60.0)), seed=seed)


def kept(report: MirrorReport) -> list[str]:
    return [file.path for file in report.files if file.action == "kept"]


def beside(master: str) -> str:
    return records.record_path(Path(master)).as_posix()


@pytest.mark.parametrize("out_of_use", [store.supersede, partial(store.quarantine, reason="lit")])
def test_a_master_that_went_out_of_use_a_moment_ago_is_held(library: Path, out_of_use: Callable[..., Path]) -> None:
    """A build may be at work in the library while it is mirrored."""
    master = library / DARK
    size, digest = master.stat().st_size, sha256(master)
    contents = Contents(library)
    assert not contents.hold(DARK, size + 1, digest)  # the library has been looked at

    out_of_use(library, Path(DARK), now=NOW)

    assert contents.hold(DARK, size, digest)


def test_a_library_that_died_and_began_anew_takes_no_master_with_it(library: Path, target: Path) -> None:
    """Every old master stands in the mirror as superseded, with its record; a second run has nothing to say."""
    old = tree(target)
    shutil.rmtree(library)
    fill(library, seed=2)

    report = mirror(library, target)
    after = tree(target)
    again = mirror(library, target)

    assert kept(report) == [BIAS, DARK]
    assert f"is {KEPT} now" in next(f.detail for f in report.files if f.action == "kept" and f.path == DARK)
    assert after[KEPT] == old[DARK]
    assert after["superseded/bias/masterBias_20260321_120000.xisf"] == old[BIAS]
    told = records.read(target / beside(KEPT))
    assert (told.status, told.master.name) == (MasterStatus.SUPERSEDED, Path(KEPT).name)
    assert told.inputs == records.parse(old[beside(DARK)].decode(), where=Path()).inputs
    assert tree(library).items() <= after.items()
    assert report.exit_code == again.exit_code == 0
    assert {file.action for file in again.files} == {"up to date"}
    assert tree(target) == after
    assert read_mirror_notes(library) == ()


def test_a_second_master_of_the_name_replaces_none_that_was_kept(library: Path, target: Path) -> None:
    """Two generations lost within a second, as far as the clock tells: both are there."""
    old = [tree(target)[DARK]]
    for seed in (2, 3):
        shutil.rmtree(library / "master")
        shelve(library, DARK, seed=seed)
        mirror(library, target)
        old.append(tree(library)[DARK])

    assert set(old) == {data for name, data in tree(target).items() if "masterDark" in name and name.endswith(".xisf")}


def test_of_a_master_that_was_damaged_and_rebuilt_the_sound_copy_is_kept(library: Path, target: Path) -> None:
    """The library keeps as superseded what the disk has left of it; the mirror had the last sound one."""
    sound = tree(target)[DARK]
    (library / DARK).write_bytes(sound[:-100])
    shelve(library, DARK, seed=2)

    report = mirror(library, target)

    assert kept(report) == [DARK]
    assert tree(target)[KEPT] == sound
    assert tree(target)[DARK] == tree(library)[DARK]


@pytest.mark.parametrize("quick", [False, True])
def test_what_the_library_still_has_somewhere_is_not_kept_twice(library: Path, target: Path, quick: bool) -> None:
    """A rebuild has moved the old master to superseded/; another was filed under another name by hand."""
    shelve(library, DARK, seed=2)
    (library / BIAS).rename(library / "elsewhere.xisf")
    shelve(library, BIAS, draft(key=key(exposure=60.0)), seed=2)
    for path in library.rglob("*.*"):
        os.utime(path, (AT.timestamp(), AT.timestamp()))

    report = mirror(library, target, quick=quick)

    assert kept(report) == []
    assert tree(target) == tree(library)


def test_quick_keeps_it_as_well_and_so_does_a_repair(library: Path, target: Path) -> None:
    """A copy whose time alone has changed is sound; that a repair was asked for is no reason to lose it."""
    old = tree(target)[DARK]
    os.utime(target / DARK)
    shutil.rmtree(library / "master")
    shelve(library, DARK, seed=2)

    report = mirror(library, target, quick=True, repair=True)

    assert kept(report) == [DARK]
    assert tree(target)[KEPT] == old


def test_a_repair_replaces_what_is_damaged_there(library: Path, target: Path) -> None:
    """What is sound nowhere is not kept."""
    (target / DARK).write_bytes(b"damaged")
    shutil.rmtree(library / "master")
    shelve(library, DARK, seed=2)

    assert kept(mirror(library, target, repair=True)) == []
    assert tree(target) == tree(library)


@pytest.mark.parametrize("suffix", records.SUFFIXES)
def test_a_master_in_another_format_takes_no_record_away(library: Path, tmp_path: Path, suffix: str) -> None:
    """Both would have the same record: the one that is gone in the library goes to superseded/ with its own."""
    target = tmp_path / "NAS"
    (library / beside(DARK)).rename(records.record_path(library / DARK, suffix))
    mirror(library, target)
    old = tree(target)
    shutil.rmtree(library / "master")
    new = shelve(library, str(Path(DARK).with_suffix(".fits")), seed=2)
    records.record_path(new).rename(records.record_path(new, suffix))

    report = mirror(library, target)

    assert kept(report) == [DARK]
    assert tree(target)[KEPT] == old[DARK]
    assert DARK not in tree(target)
    before = records.parse(old[Path(DARK).with_suffix(suffix).as_posix()].decode(), where=Path())
    assert records.read(records.record_path(target / KEPT, suffix)).master.sha256 == before.master.sha256
    assert {file.action for file in mirror(library, target).files} == {"up to date"}


def test_nothing_is_put_aside_for_a_master_that_is_not_copied(library: Path, target: Path) -> None:
    """The new one is damaged: the old copy stays where it is, and keeps its record, until the new one is mended."""
    before = tree(target)
    shutil.rmtree(library / "master")
    new = shelve(library, DARK, seed=2)
    whole = new.read_bytes()
    new.write_bytes(b"damaged")

    report = mirror(library, target)
    meanwhile = tree(target)
    new.write_bytes(whole)
    mended = mirror(library, target)

    assert [f.path for f in report.files if f.action == "mismatch"] == [DARK, beside(DARK)]
    assert kept(report) == []
    assert report.exit_code == 8
    assert meanwhile == before
    assert (kept(mended), mended.exit_code) == ([DARK], 0)
    assert tree(target)[KEPT] == before[DARK]
    assert tree(library).items() <= tree(target).items()


def test_a_record_is_brought_up_to_date_though_its_master_is_damaged(library: Path, target: Path) -> None:
    """A label, given to a master whose file is cut short: the sound copy keeps its place and gets the record."""
    before = tree(target)
    record = record_of(library / DARK)
    records.write(record.model_copy(update={"labels": ("interim",)}), library / beside(DARK))
    (library / DARK).write_bytes(b"damaged")

    report = mirror(library, target)

    assert [f.path for f in report.files if f.action == "mismatch"] == [DARK]
    assert tree(target)[DARK] == before[DARK]
    assert record_of(target / DARK).labels == ("interim",)


def test_what_was_deleted_stays_in_its_place_though_a_list_of_its_name_changes(library: Path, target: Path) -> None:
    """Only another master, or the record of one, takes a place."""
    for text in ("P 1 1\n", "P 2 2\n"):
        (library / DARK).with_suffix(".lst").write_text(text, encoding="utf-8")
        assert kept(mirror(library, target)) == []
        (library / DARK).unlink(missing_ok=True)

    assert (target / DARK).is_file()


@pytest.mark.parametrize("call", ["before", "after"])
def test_a_mirror_that_is_killed_while_it_puts_one_aside_loses_none(library: Path, target: Path, call: str) -> None:
    """On either side of the move: the next run ends with the old master kept and the new one in its place."""
    old = tree(target)
    shutil.rmtree(library)
    fill(library, seed=2)
    program = (
        "import datetime, os, sys, pathlib; from ap_masters.library import mirror as m\n"
        "class Dying(m._Run):\n"
        "    def _put_aside(self, *words):\n"
        f"        if {call == 'after'}: super()._put_aside(*words)\n"
        "        os._exit(9)\n"
        "m._Run = Dying\n"
        f"now = datetime.datetime.fromisoformat('{AT.isoformat()}')\n"
        "m.mirror(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), now=now)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(library), str(target)], check=False)
    assert ended.returncode == 9
    assert {old[DARK], old[BIAS]} <= set(tree(target).values())

    report = mirror(library, target)

    assert report.exit_code == 0
    assert {old[DARK], old[BIAS]} <= set(tree(target).values())
    assert tree(library).items() <= tree(target).items()
    assert {file.action for file in mirror(library, target).files} == {"up to date"}
