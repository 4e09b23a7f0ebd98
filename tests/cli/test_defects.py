"""defects and report: lists of hot pixels as S3 wants them, what changed between epochs, and the HTML page."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.builders import noisy, write_frame
from tests.cli.conftest import Run

HOT = ((3, 2), (11, 7), (15, 0))


@pytest.fixture
def dark(tmp_path: Path) -> Path:
    """A frame with three hot pixels, the first the hottest."""
    pixels = noisy(1)
    for number, (x, y) in enumerate(HOT):
        pixels[y, x] = 30000 - 1000 * number
    return write_frame(tmp_path / "dark.fits", pixels)


def test_the_list_is_pulsars(run: Run, dark: Path, tmp_path: Path) -> None:
    """S3-17, S3-18: ``P x y`` from zero, CRLF, the hottest first; find may be left out."""
    short = run("defects", dark, tmp_path / "cosme.lst", "--count", "3")
    run("defects", "find", dark, tmp_path / "long.lst", "--count", "3", "--dialect", "pulsar")

    assert short.code == 0
    assert (tmp_path / "cosme.lst").read_bytes() == b"P 3 2\r\nP 11 7\r\nP 15 0\r\n"
    assert (tmp_path / "long.lst").read_bytes() == (tmp_path / "cosme.lst").read_bytes()


def test_ten_thousand_unless_told(run: Run, tmp_path: Path) -> None:
    """S3-10: exactly so many lines; fewer only where the image is smaller."""
    big = write_frame(tmp_path / "big.fits", noisy(1, shape=(120, 100)))
    run("defects", big, tmp_path / "big.lst")

    assert len((tmp_path / "big.lst").read_bytes().splitlines()) == 10_000


@pytest.mark.parametrize(
    ("name", "dialect"),
    [("a.lst", "iris"), ("a.txt", "phd2"), ("a.json", "kstars"), ("a.fit", "mask"), ("a.xisf", "defect-map")],
)
def test_the_suffix_chooses_the_dialect(run: Run, dark: Path, tmp_path: Path, name: str, dialect: str) -> None:
    """As far as a suffix can say."""
    done = run("defects", dark, tmp_path / name, "--sigma", "8", "--json")

    assert done.document["dialect"] == dialect
    assert done.document["hot"] == len(HOT)
    assert (tmp_path / name).is_file()


def test_a_list_that_is_there_stays(run: Run, dark: Path, tmp_path: Path) -> None:
    """Nothing is overwritten silently."""
    (tmp_path / "a.lst").write_text("mine", encoding="utf-8")

    assert run("defects", dark, tmp_path / "a.lst").code == 2
    assert (tmp_path / "a.lst").read_text(encoding="utf-8") == "mine"
    assert run("defects", dark, tmp_path / "a.lst", "--overwrite").code == 0


@pytest.mark.parametrize(("options", "written"), [((), "a.lst"), (("--dialect", "kstars"), "a.json")])
def test_a_list_that_is_there_stays_under_a_name_without_suffix(
    run: Run, dark: Path, tmp_path: Path, options: tuple[str, ...], written: str
) -> None:
    """The name that is looked at is the one that is written; a folder of the shorter name is in nobody's way."""
    (tmp_path / "a").mkdir()
    (tmp_path / written).write_text("mine", encoding="utf-8")

    refused = run("defects", dark, tmp_path / "a", "--count", "3", *options)

    assert refused.code == 2
    assert f"{tmp_path / written}: is there already" in refused.err
    assert (tmp_path / written).read_text(encoding="utf-8") == "mine"
    (tmp_path / written).unlink()
    assert run("defects", dark, tmp_path / "a", "--count", "3", *options).code == 0
    assert (tmp_path / written).is_file()


def test_a_folder_is_no_list(run: Run, dark: Path, tmp_path: Path) -> None:
    """No option replaces it."""
    (tmp_path / "a.lst").mkdir()

    for option in ((), ("--overwrite",)):
        refused = run("defects", dark, tmp_path / "a.lst", *option)
        assert refused.code == 2
        assert "is a folder" in refused.err


@pytest.mark.parametrize("name", ["a.lst", "a.xisf"])
def test_the_folder_is_made(run: Run, dark: Path, tmp_path: Path, name: str) -> None:
    """As ``combine`` makes it."""
    place = tmp_path / "lists é" / "2026" / name

    assert run("defects", dark, place, "--count", "3").code == 0
    assert place.is_file()


def test_a_folder_that_cannot_be_made_is_told(run: Run, dark: Path, tmp_path: Path) -> None:
    """A file stands where it should be: no name of a file in the making says anything to a user."""
    lists = tmp_path / ("lists" if os.sep == "\\" else "back\\slash")
    lists.write_text("mine", encoding="utf-8")

    done = run("defects", dark, lists / "a.lst", "--count", "3")

    assert (done.code, done.out) == (1, "")
    assert str(lists) in done.err
    assert ".part" not in done.err


def test_a_list_and_a_master_searched_for_another_number_are_told(run: Run, dark: Path, tmp_path: Path) -> None:
    """The hundred more that were looked for did not appear; lists do not say how many were."""
    run("defects", dark, tmp_path / "a.lst", "--count", "3")

    for pair in ((tmp_path / "a.lst", dark), (dark, tmp_path / "a.lst")):
        alike, other = (run("defects", "diff", *pair, "--count", count, "--json") for count in ("3", "103"))
        assert "warning" not in alike.err
        assert "a.lst holds 3 defects and dark.fits was searched for 103" in other.err
        assert [len(done.document["warnings"]) for done in (alike, other)] == [0, 1]
    assert "warning" not in run("defects", "diff", tmp_path / "a.lst", dark, "--sigma", "8").err


def test_diff_tells_what_appeared_and_healed(run: Run, dark: Path, tmp_path: Path) -> None:
    """Between two masters, a master and a list or map, and two lists or maps."""
    pixels = noisy(2)
    pixels[2, 3] = pixels[7, 11] = 30000
    pixels[5, 5] = np.uint16(29000)
    later = write_frame(tmp_path / "later.fits", pixels)
    maps = {}
    for path in (dark, later):
        for suffix, dialect in (
            (".lst", "iris"),
            (".siril.lst", "siril"),
            (".xisf", "defect-map"),
            (".mask.fits", "mask"),
        ):
            maps[path, dialect] = path.with_suffix(suffix)
            run("defects", path, path.with_suffix(suffix), "--count", "3", "--dialect", dialect)
    pairs: list[tuple[object, ...]] = [(dark, later), (maps[dark, "iris"], later)]
    pairs += [(maps[dark, dialect], maps[later, dialect]) for dialect in ("iris", "defect-map", "mask")]
    pairs.append((maps[dark, "siril"], maps[later, "siril"], "--size", "16x12"))

    for pair in pairs:
        document = run("defects", "diff", *pair, "--count", "3", "--json").document
        assert [(d["x"], d["y"]) for d in document["appeared"]] == [(5, 5)]
        assert [(d["x"], d["y"]) for d in document["healed"]] == [(15, 0)]
        assert document["stayed"] == 2
    assert "1 appeared, 1 healed, 2 stayed" in run("defects", "diff", dark, later, "--count", "3").out


@pytest.mark.parametrize("said", [("a.dat",), ("a.lst", "--sigma", "nan"), ("a.lst", "--sigma", "inf")])
def test_what_makes_no_list_is_a_usage_error(run: Run, dark: Path, tmp_path: Path, said: tuple[str, ...]) -> None:
    """A suffix that says nothing, and a distance that is none."""
    assert run("defects", dark, tmp_path / said[0], *said[1:]).code == 2
    assert not (tmp_path / said[0]).exists()


@pytest.mark.parametrize("size", ["20", "20x", "0x16", "axb"])
def test_a_size_is_width_and_height(run: Run, dark: Path, tmp_path: Path, size: str) -> None:
    """And nothing else."""
    run("defects", dark, tmp_path / "a.lst", "--count", "3", "--dialect", "siril")

    assert run("defects", "diff", tmp_path / "a.lst", tmp_path / "a.lst", "--size", size).code == 2


def test_report_writes_one_page(run: Run, small_library: Path, tmp_path: Path) -> None:
    """It stands alone: no script, nothing from the network."""
    done = run("report", small_library, "--output", tmp_path / "page.html", "--json")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")

    assert done.document["report"]["masters"] == 6
    assert "masterBias" in text
    assert "<script" not in text
    assert "http://" not in text.replace("http://www.w3.org/", "")


def test_report_of_one_master_says_so(run: Run, small_library: Path, tmp_path: Path) -> None:
    """Not "1 masters"."""
    for path in (small_library / "master").glob("masterBias*"):
        copy = tmp_path / "library" / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())

    assert "report.html: 1 master, " in run("report", tmp_path / "library").out


def test_report_replaces_nothing_but_a_page_of_its_own(run: Run, small_library: Path, tmp_path: Path) -> None:
    """As combine does: what somebody else wrote stays, unless told; an empty file holds nothing to keep."""
    page, empty = tmp_path / "page.html", tmp_path / "empty.html"
    page.write_text("<!doctype html>\n<title>My masters</title>\n", encoding="utf-8")
    mine = page.read_bytes()
    empty.touch()

    refused = run("report", small_library, "--output", page)
    kept = page.read_bytes()
    told = [run("report", small_library, "--output", page, *flag).code for flag in (["--overwrite"], [])]

    assert refused.code == 2
    assert "page.html" in refused.err
    assert "--overwrite" in refused.err
    assert kept == mine
    assert told == [0, 0]
    assert run("report", small_library, "--output", empty).code == 0


def test_no_map_takes_the_place_of_a_frame(run: Run, tmp_path: Path, dark: Path) -> None:
    """Nor of the master it is made from; a map of before is replaced."""
    frame = write_frame(tmp_path / "frame.fits")
    for precious, dialect in ((frame, "mask"), (dark, "defect-map")):
        before = precious.read_bytes()
        assert run("defects", dark, precious, "--overwrite", "--dialect", dialect).code == 2
        assert precious.read_bytes() == before
    for _ in range(2):
        assert run("defects", dark, tmp_path / "map.fits", "--overwrite").code == 0
