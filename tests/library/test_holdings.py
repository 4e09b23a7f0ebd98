"""A plan and a match know what a library holds, and the folders and files that were named beside it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ap_masters.library.entries import master_of
from ap_masters.library.holdings import Inventory, holdings
from ap_masters.library.scan import scan
from ap_masters.library.scan_cache import CACHE
from ap_masters.model import Calibration, CalibrationMaster, FrameType, MasterStatus
from tests.builders import write_frame
from tests.library.shelves import draft, key, record_of, shelve, write_pixels


def test_holdings_give_records_by_the_path_of_their_master(tmp_path: Path) -> None:
    """The plan asks by library / output; records are read when they are asked for."""
    master = shelve(tmp_path)
    write_frame(tmp_path / "raw.fits")

    held = holdings(tmp_path)

    assert list(held.records) == [master]
    assert held.records[master] == record_of(master)
    assert held.records.get(tmp_path / "other.xisf") is None
    assert held.existing == {master, tmp_path / "raw.fits"}
    assert [m.path for m in held.masters] == [master]


def test_given_folders_add_masters_of_their_type(tmp_path: Path) -> None:
    """S4-17: one folder may serve biases and darks; nothing is written into it; flats in it are not taken."""
    given = tmp_path / "my masters"
    write_pixels(given / "dark120s.fit", draft(key=key(exposure=120.0)))  # PULSAR's name, no "master" in it
    write_pixels(given / "bias.fit", draft(FrameType.BIAS))
    write_pixels(given / "flat_l.fit", draft(FrameType.FLAT))
    library = tmp_path / "library"
    shelve(library)

    held = holdings(library, given={FrameType.BIAS: given, FrameType.DARK: given})

    assert sorted((m.path.name, m.source) for m in held.masters) == [
        ("bias.fit", "given"),
        ("dark120s.fit", "given"),
        ("masterDark é 300.xisf", "library"),
    ]
    assert not (given / ".ap-masters").exists()
    assert all(path.is_relative_to(library) for path in held.existing)


def test_the_library_as_its_own_given_folder_adds_nothing(tmp_path: Path) -> None:
    """Masters are not listed twice."""
    shelve(tmp_path)

    assert len(holdings(tmp_path, given={FrameType.DARK: tmp_path}).masters) == 1


@pytest.mark.parametrize("given", ["master", "."], ids=["a folder in it", "a folder around it"])
def test_a_given_folder_in_or_around_the_library_lists_no_master_twice(tmp_path: Path, given: str) -> None:
    """S4-17 in its own words: the library is ./masters, its darks are given as ./masters/master."""
    library = tmp_path / "masters"
    shelve(library, "master/masterDark.xisf")
    place = library / given if given == "master" else tmp_path

    held = holdings(library, given={FrameType.DARK: place})

    assert [m.path for m in held.masters] == [library / "master" / "masterDark.xisf"]


def test_a_single_file_may_be_given(tmp_path: Path) -> None:
    """S3-04: the bias as a file; nothing else of its folder is taken."""
    bias = write_pixels(tmp_path / "given" / "my bias.fit", draft(FrameType.BIAS))
    write_pixels(tmp_path / "given" / "other bias.fit", draft(FrameType.BIAS))

    held = holdings(tmp_path / "library", given={FrameType.BIAS: bias})

    assert [(m.path, m.source) for m in held.masters] == [(bias, "given")]


def varied(library: Path) -> None:
    """Fill a library with every sort of file: ours, of other programs, kept aside, and none at all."""
    bias = CalibrationMaster(path=Path("/lib/masterBias.xisf"), type=FrameType.BIAS, sha256="ab" * 32)
    shelve(library, "a/masterFlat.xisf", draft(FrameType.FLAT, calibration=Calibration(bias=bias), labels=("interim",)))
    shelve(library, "b/bad.xisf", status=MasterStatus.QUARANTINED)
    shelve(library, seed=1)
    shelve(library, seed=2)
    write_pixels(library / "old" / "masterDark_300s.fits", draft())
    write_frame(library / "raw.fits")


def as_values(held: Inventory) -> tuple[object, ...]:
    """Return what can be compared."""
    return held.masters, dict(held.records), held.existing, held.made_with


def test_what_is_kept_tells_the_same_as_the_files(tmp_path: Path) -> None:
    """Without a cache, with it, and by a scan of everything: the same masters, records and predecessors."""
    varied(tmp_path)

    first, second = holdings(tmp_path), holdings(tmp_path)

    assert as_values(second) == as_values(first)
    assert second.masters == tuple(master_of(entry, tmp_path) for entry in scan(tmp_path).entries)
    assert len(second.masters) == 5
    assert second.made_with == {tmp_path / "a" / "masterFlat.xisf": {"ab" * 32}}
    assert len(second.records) == 4


def test_of_what_is_kept_only_the_outlines_are_read(tmp_path: Path) -> None:
    """Ten thousand masters carry tens of megabytes of measures, which no match asks for."""
    varied(tmp_path)
    first = holdings(tmp_path)
    cache = tmp_path / CACHE
    outlines, _, _ = cache.read_bytes().partition(b"\n")
    cache.write_bytes(outlines + b"\nnot a line that anybody could read")

    assert as_values(holdings(tmp_path)) == as_values(first)
    assert cache.read_bytes().endswith(b"read")


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: b"",
        lambda line: line[: len(line) // 2],
        lambda line: line.replace(b'"kinds":[', b'"kinds":[],"kind":['),
        lambda line: re.sub(rb'"kinds":\[.*\],"rows"', b'"kinds":[],"rows"', line),
        lambda line: line.replace(b'"written_by":"', b'"written_by":"0'),
        lambda line: line.replace(b"old/", b"new/"),
        lambda line: b"\xff" + line,
    ],
    ids=["empty", "cut short", "unknown field", "no kinds", "other version", "another file", "no text"],
)
def test_damaged_outlines_are_passed_over(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Whatever happened to the first line, the masters are known all the same, and the line is mended."""
    varied(tmp_path)
    first = holdings(tmp_path)
    cache = tmp_path / CACHE
    whole = cache.read_bytes()
    outlines, _, rest = whole.partition(b"\n")
    assert damage(outlines) != outlines
    cache.write_bytes(damage(outlines) + b"\n" + rest)

    assert as_values(holdings(tmp_path)) == as_values(first)
    assert cache.read_bytes() == whole


def test_a_master_that_changes_or_goes_is_seen(tmp_path: Path) -> None:
    """What is kept of a library serves only as long as every file in it is as it was."""
    varied(tmp_path)
    holdings(tmp_path)
    (tmp_path / "old" / "masterDark_300s.fits").unlink()
    write_pixels(tmp_path / "old" / "masterDark_600s.fits", draft(key=key(exposure=600.0)))

    masters = {m.path.name: m for m in holdings(tmp_path).masters}

    assert masters["masterDark_600s.fits"].key.exposure == 600
    assert "masterDark_300s.fits" not in masters


def test_a_library_that_is_given_is_known_by_its_own_cache(tmp_path: Path) -> None:
    """What another library keeps of itself serves here as well, and its masters are told as given."""
    given = tmp_path / "given"
    shelve(given)
    first = holdings(tmp_path / "library", given={FrameType.DARK: given})

    assert (given / CACHE).is_file()
    assert as_values(holdings(tmp_path / "library", given={FrameType.DARK: given})) == as_values(first)
    assert [m.source for m in first.masters] == ["given"]
