"""Damage in a library never takes the place of a sound copy, whether a checksum tells of it or not."""

import gzip
from functools import partial
from pathlib import Path

import pytest

from ap_masters.library.mirror import mirror as mirror_at
from ap_masters.library.notes import read_mirror_notes
from tests.library.shelves import NOW, draft, key, shelve, tree, write_pixels

OUTPUT = "master/masterDark é 300.xisf"

mirror = partial(mirror_at, now=NOW)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of two masters with records."""
    shelve(tmp_path / "my library", OUTPUT)
    shelve(tmp_path / "my library", "bias/masterBias.xisf", draft(key=key(exposure=60.0)))
    return tmp_path / "my library"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the copy goes."""
    return tmp_path / "NAS é"


def write_foreign(path: Path, *, seed: int) -> None:
    """Write a master as another program leaves it: no record beside it."""
    plain = write_pixels(path.with_name(path.name.removesuffix(".gz")), draft(), seed=seed)
    if plain != path:
        path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
        plain.unlink()


def test_a_record_that_is_none_any_more_is_not_copied_over_a_good_one(library: Path, target: Path) -> None:
    """Cut short, emptied or overwritten, and whether a repair is asked for or not; mended, it goes through."""
    mirror(library, target)
    record = (library / OUTPUT).with_suffix(".xrs")
    name, good = record.relative_to(library).as_posix(), record.read_bytes()

    for broken in (good[: len(good) // 2], b"", b"\0" * len(good), b"chkdsk found this\n"):
        record.write_bytes(broken)
        for repair in (False, True):
            report = mirror(library, target, repair=repair)
            assert [(f.path, f.action) for f in report.files if f.action != "up to date"] == [(name, "mismatch")]
            assert report.exit_code == 8
        assert (target / name).read_bytes() == good
    (told,) = read_mirror_notes(library)
    record.write_bytes(good.replace(b"N.I.N.A. 3.2", b"N.I.N.A. 3.3"))

    assert told.path == name
    assert "is no record any more" in told.detail
    assert "Restore it from this copy" in told.detail
    assert mirror(library, target).count("updated") == 1
    assert read_mirror_notes(library) == ()


def test_a_console_log_that_grows_is_copied(library: Path, target: Path) -> None:
    """Users keep them as .xrs and .log; they are no records, and never were."""
    log = library / "logs" / "20260301.log"
    log.parent.mkdir()
    for text in ("PixInsight Core 1.9.3\n", "PixInsight Core 1.9.3\nDone\n"):
        log.write_text(text, encoding="utf-8")
        assert mirror(library, target).exit_code == 0

    assert tree(target) == tree(library)


@pytest.mark.parametrize("name", ["theirs.fits", "theirs.xisf", "theirs.fits.gz"])
def test_an_image_without_a_record_has_to_be_whole_to_replace_its_copy(library: Path, target: Path, name: str) -> None:
    """A master of another program: what is shorter than its header says, or no image at all, replaces nothing."""
    write_foreign(library / name, seed=1)
    mirror(library, target)
    good = (target / name).read_bytes()

    for broken in (good[: len(good) // 2], b"", b"\0" * len(good)):
        (library / name).write_bytes(broken)
        report = mirror(library, target)
        assert [(f.path, f.action) for f in report.files if f.action != "up to date"] == [(name, "mismatch")]
        assert "Restore it from this copy" in next(f.detail for f in report.files if f.path == name)
        assert (target / name).read_bytes() == good
    write_foreign(library / name, seed=2)

    assert mirror(library, target).exit_code == 0
    assert tree(library).items() <= tree(target).items()


def test_an_image_whose_record_broke_is_looked_at_itself(library: Path, target: Path) -> None:
    """Two files that a failing disk has cut short: neither reaches the mirror."""
    mirror(library, target)
    good = tree(target)
    for path in (library / OUTPUT, (library / OUTPUT).with_suffix(".xrs")):
        path.write_bytes(path.read_bytes()[:-40])

    report = mirror(library, target)

    assert report.count("mismatch") == 2
    assert tree(target) == good


@pytest.mark.parametrize("name", ["foreign/master.fits", "foreign/master.xisf"])
def test_an_image_whose_own_checksum_does_not_hold_is_not_copied(library: Path, target: Path, name: str) -> None:
    """Nor where there is no copy as yet, which would be taken for a sound one; mended, it goes through."""
    write_foreign(library / name, seed=1)
    sound = (library / name).read_bytes()
    damaged = bytearray(sound)
    damaged[-1500] ^= 1
    (library / name).write_bytes(damaged)

    report = mirror(library, target)
    (told,) = read_mirror_notes(library)
    copies = list(target.glob("foreign/*"))
    (library / name).write_bytes(sound)

    assert [(f.path, f.action) for f in report.files if f.action != "copied"] == [(name, "mismatch")]
    assert "has changed since it was written" in told.detail
    assert copies == []
    assert mirror(library, target).exit_code == 0
    assert (target / name).read_bytes() == sound


def test_what_never_had_a_copy_is_copied_as_it_is(library: Path, target: Path) -> None:
    """Nothing is lost by it, and no other copy of it may be left."""
    (library / "broken.xrs").write_text("{", encoding="utf-8")
    (library / "broken.fits").write_bytes(b"SIMPLE  = ")

    assert mirror(library, target).exit_code == 0
    assert tree(target) == tree(library)


def test_a_file_of_the_name_of_a_master_is_not_measured_by_its_record(library: Path, target: Path) -> None:
    """The record tells of the master alone, not of a list of defects or a log beside it."""
    (library / OUTPUT).with_suffix(".lst").write_text("P 1 1\n", encoding="utf-8")
    (library / OUTPUT).with_suffix(".log").write_text("PixInsight Core 1.9.3\n", encoding="utf-8")

    assert mirror(library, target).exit_code == 0
    assert tree(target) == tree(library)
