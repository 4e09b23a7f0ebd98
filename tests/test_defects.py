"""Defects are found exactly and written so that each program corrects the pixel that is meant."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.defects import (
    DIALECTS,
    Defect,
    DefectMap,
    diff,
    find_defects,
    flip,
    read_defects,
    write_defects,
)
from ap_masters.defects.dialects import guess
from ap_masters.errors import UsageError
from ap_masters.model import Keyword

WIDTH, HEIGHT = 40, 30
THREE = (Defect(3, 0, 60000.0), Defect(39, 29, 9000.0), Defect(0, 7, 100.0, "cold"))


def write_master(path: Path, pixels: NDArray[Any], **keywords: str) -> Path:
    cards = tuple(Keyword(name, value) for name, value in keywords.items())
    images.write_image(path, pixels.astype(np.float32), cards, image_type="MasterDark")
    return path


def dark(seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(500, 3, (HEIGHT, WIDTH)) / 65535


def make_map(*defects: Defect) -> DefectMap:
    return DefectMap(
        width=WIDTH,
        height=HEIGHT,
        defects=defects or THREE,
        source="masterDark é.xisf",
        camera="ASI 2600",
        median=500.0,
    )


# --- finding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".xisf", ".fits"])
def test_planted_pixels_are_found_with_their_place_and_value(tmp_path: Path, suffix: str) -> None:
    """Column and row from zero, the value in ADU, hot and cold each by its distance."""
    pixels = dark()
    pixels[29, 2], pixels[0, 39], pixels[5, 5] = 60000 / 65535, 1000 / 65535, 100 / 65535
    master = write_master(tmp_path / f"dark{suffix}", pixels, INSTRUME="ASI", ROWORDER="TOP-DOWN")

    found = find_defects(master, sigma=10, cold=True)

    assert [(d.x, d.y, d.kind) for d in found.defects] == [(2, 29, "hot"), (39, 0, "hot"), (5, 5, "cold")]
    assert [d.value for d in found.defects] == pytest.approx([60000, 1000, 100], abs=0.01)
    assert (found.camera, found.row_order, found.width, found.height) == ("ASI", "TOP-DOWN", WIDTH, HEIGHT)
    assert found.median == pytest.approx(500, abs=0.5)
    assert found.sigma == pytest.approx(3, rel=0.1)


def test_the_number_asked_for_is_given_exactly(tmp_path: Path) -> None:
    """S3-10: so many, fewer only where the image is smaller; hot and cold each their number."""
    master = write_master(tmp_path / "dark.fits", dark())

    assert len(find_defects(master, count=100).defects) == 100
    assert len(find_defects(master).defects) == WIDTH * HEIGHT
    both = find_defects(master, count=10, cold=True)
    assert (len(both.of("hot")), len(both.of("cold"))) == (10, 10)
    assert len(find_defects(master, count=10, hot=False, cold=True).defects) == 10


@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 12), st.integers(1, 9)), elements=st.sampled_from([0.1, 0.2, 0.5, 0.9])
    ),
    st.integers(1, 40),
)
def test_the_hottest_are_those_of_a_full_sort(
    tmp_path_factory: pytest.TempPathFactory, pixels: Any, count: int
) -> None:
    """By value, equal ones by row and column: the same list as by sorting all, in bands as well."""
    from ap_masters.defects import search

    height = len(pixels)
    ranked = sorted((-float(v), y, x) for (y, x), v in np.ndenumerate(pixels))[:count]

    bands = (search._Band(y, pixels[np.newaxis, y : y + 2]) for y in range(0, height, 2))
    found = search._extreme(iter(bands), "hot", count)

    assert [(d.y, d.x) for d in found] == [(y, x) for _, y, x in ranked]


def test_a_limit_of_sigma_is_strict(tmp_path: Path) -> None:
    """A pixel at the limit is none, one just beyond is."""
    pixels = np.zeros((21, 20))
    pixels[:10] = 100.0
    pixels[11:] = -100.0  # median 0, MAD 100
    pixels[0, 0], pixels[0, 1] = 3 * 148.26, 3 * 148.26 + 0.1
    master = write_master(tmp_path / "dark.fits", pixels)

    assert [(d.x, d.y) for d in find_defects(master, sigma=3).defects] == [(1, 0)]


def test_counts_and_fractions_of_full_scale_give_the_same_list(tmp_path: Path) -> None:
    """Masters in ADU and in [0, 1] are one and the same."""
    pixels = dark()
    pixels[4, 4] = 0.5
    unit = find_defects(write_master(tmp_path / "unit.fits", pixels), count=5)
    adu = find_defects(write_master(tmp_path / "adu.fits", pixels * 65535), count=5)

    assert [(d.x, d.y) for d in unit.defects] == [(d.x, d.y) for d in adu.defects]
    assert [d.value for d in unit.defects] == pytest.approx([d.value for d in adu.defects], rel=1e-5)


def test_pixels_that_are_no_numbers_are_no_defects(tmp_path: Path) -> None:
    """NaN and infinity never come out hot."""
    pixels = dark()
    pixels[1, 1], pixels[2, 2], pixels[3, 3] = np.nan, np.inf, 0.9
    master = write_master(tmp_path / "dark.fits", pixels)

    assert [(d.x, d.y) for d in find_defects(master, sigma=20).defects] == [(3, 3)]
    assert find_defects(master, count=1).defects[0][:2] == (3, 3)


def test_a_colour_master_counts_by_its_worst_channel(tmp_path: Path) -> None:
    """A pixel that is hot in blue alone is hot."""
    pixels = np.stack([dark(1), dark(2), dark(3)])
    pixels[2, 8, 9] = 0.7
    images.write_image(tmp_path / "rgb.xisf", pixels.astype(np.float32), image_type="MasterDark")

    assert [(d.x, d.y) for d in find_defects(tmp_path / "rgb.xisf", sigma=20).defects] == [(9, 8)]


@pytest.mark.parametrize(
    "wish",
    [
        {"count": 0},
        {"sigma": 0},
        {"sigma": -1},
        {"sigma": float("nan")},
        {"hot": False},
        {"hot": False, "sigma": 5},
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, wish: dict[str, Any]) -> None:
    """Neither hot nor cold, or no number; each is told by what is wrong with it."""
    master = write_master(tmp_path / "dark.fits", dark())
    wrong = "hot pixels, or cold" if "hot" in wish else "count above" if "count" in wish else "sigma"

    with pytest.raises(UsageError, match=wrong):
        find_defects(master, **wish)


# --- dialects ---------------------------------------------------------------------------------------------

TEXTS = {
    "iris": b"P 3 0\r\nP 39 29\r\nP 0 7\r\n",
    "siril": b"P 3 29 H\nP 39 0 H\nP 0 22 C\n",
    "phd2": b"# PHD2 Defect Map v1\n# 40 x 30, from masterDark ?.xisf\n# Defect count: 3\n3 0\n39 29\n0 7\n",
    "cosmetic-correction": b"Col 3 0 0\nCol 39 29 29\nCol 0 7 7\n",
}


@pytest.mark.parametrize("dialect", TEXTS)
def test_lists_are_written_byte_for_byte(tmp_path: Path, dialect: str) -> None:
    """As each program writes them itself, on every system."""
    path = write_defects(make_map(), tmp_path / "list é", dialect)

    assert path.suffix == DIALECTS[dialect].suffix
    assert path.read_bytes() == TEXTS[dialect]


def test_pulsars_list_is_iriss(tmp_path: Path) -> None:
    """S3-10, S3-18: 10,000 lines of P x y, from zero, CRLF, no comment."""
    pixels = np.random.default_rng(1).random((120, 100))
    master = write_master(tmp_path / "dark300s.fit", pixels)

    path = write_defects(find_defects(master), tmp_path / "cosme300s.lst", "pulsar")

    lines = path.read_bytes().split(b"\r\n")
    assert len(lines) == 10_001
    assert lines[-1] == b""
    hottest = np.unravel_index(np.argmax(pixels), pixels.shape)
    assert lines[0] == f"P {hottest[1]} {hottest[0]}".encode()


def test_kstars_reads_what_it_would_have_written(tmp_path: Path) -> None:
    """Its own keys, hot and cold apart, values in the unit of its darks."""
    document = json.loads(write_defects(make_map(), tmp_path / "map", "kstars").read_text(encoding="utf-8"))

    assert document["camera"] == "ASI 2600"
    assert document["hot"] == [{"x": 3, "y": 0, "value": 60000.0}, {"x": 39, "y": 29, "value": 9000.0}]
    assert document["cold"] == [{"x": 0, "y": 7, "value": 100.0}]
    assert set(document) == {
        "camera",
        "median",
        "standardDeviation",
        "hotAggressiveness",
        "coldAggressiveness",
        "hot",
        "cold",
    }


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_leads_back_to_the_same_pixels(tmp_path: Path, dialect: str) -> None:
    """Written and read, given the size of the frames: every position is the same, flipped twice or not at all."""
    path = write_defects(make_map(), tmp_path / "list", dialect)

    back = read_defects(path, dialect, size=(WIDTH, HEIGHT))

    assert {(d.x, d.y) for d in back.defects} == {(d.x, d.y) for d in THREE}
    assert (back.width, back.height) == (WIDTH, HEIGHT)
    if dialect in {"siril", "kstars"}:
        assert [d.kind for d in back.defects] == ["hot", "hot", "cold"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_content_tells_the_dialect(tmp_path: Path, dialect: str) -> None:
    """Of what has been written by us or by them."""
    path = write_defects(make_map(), tmp_path / "list", dialect)

    assert read_defects(path, size=(WIDTH, HEIGHT)) == read_defects(path, dialect, size=(WIDTH, HEIGHT))


@given(st.integers(1, 50), st.integers(1, 50), st.data())
def test_iris_and_siril_are_mirror_images(width: int, height: int, data: st.DataObject) -> None:
    """The same pixel stands at y in one list and at height - y - 1 in the other (they look alike)."""
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    one = DefectMap(width=width, height=height, defects=(Defect(x, y, 1.0),))
    texts = {name: DIALECTS[name].form.render(one) for name in ("iris", "siril")}  # type: ignore[union-attr]

    assert texts["iris"] == f"P {x} {y}\r\n"
    assert texts["siril"] == f"P {x} {height - y - 1} H\n"


def test_siril_needs_the_size_of_the_frames(tmp_path: Path) -> None:
    """Without it nobody knows which row is meant."""
    path = write_defects(make_map(), tmp_path / "list", "siril")

    with pytest.raises(UsageError, match="give the size of the frames"):
        read_defects(path)


def test_the_maps_are_images_of_good_and_bad(tmp_path: Path) -> None:
    """Black is bad for DefectMap, 1 is bad in a mask; both have the size of the master."""
    black = images.read_image(write_defects(make_map(), tmp_path / "map", "defect-map"))[1][0]
    mask = images.read_image(write_defects(make_map(), tmp_path / "mask", "mask"))[1][0]

    assert black.shape == mask.shape == (HEIGHT, WIDTH)
    assert np.argwhere(black == 0).tolist() == np.argwhere(mask == 1).tolist() == [[0, 3], [7, 0], [29, 39]]
    assert set(np.unique(black)) == {0, 65535}
    assert set(np.unique(mask)) == {0, 1}


def test_a_map_without_defects_is_one(tmp_path: Path) -> None:
    """All good, in every dialect."""
    none = DefectMap(width=4, height=3, defects=())
    for dialect in DIALECTS:
        assert read_defects(write_defects(none, tmp_path / dialect, dialect), dialect, size=(4, 3)).defects == ()


def test_lists_of_others_are_read_as_they_come(tmp_path: Path) -> None:
    """Comments, empty lines, several blanks, whole columns and rows."""
    iris = tmp_path / "a.lst"
    iris.write_bytes(b"# hot pixels\r\n\r\nP  3   4\r\nP 1 2\r\n")
    columns = tmp_path / "b.txt"
    columns.write_text("Col 7 2 4\nRow 1 3 2\n", encoding="utf-8")

    assert [(d.x, d.y) for d in read_defects(iris).defects] == [(3, 4), (1, 2)]
    assert [(d.x, d.y) for d in read_defects(columns).defects] == [(7, 2), (7, 3), (7, 4), (2, 1), (3, 1)]


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("P 1\n", "iris"),
        ("P a b\n", "iris"),
        ("C 5 0 H\n", "siril"),
        ("L 5 0 H\n", "iris"),
        ("P 5 0 H\n", "iris"),
        ("C 5\n", "iris"),
        ("P 1 2 3\n", "iris"),
        ("P 50 1 H\n", "siril"),
        ("P 1 -1\n", "iris"),
        ("1 99\n", "phd2"),
        ("Col 5\n", "cosmetic-correction"),
        ("{", "kstars"),
        ('{"hot": 3}', "kstars"),
        ('{"hot": [3]}', "kstars"),
    ],
)
def test_a_list_that_cannot_be_read_is_told(tmp_path: Path, text: str, dialect: str) -> None:
    """Rather than a position that was never meant."""
    path = tmp_path / "list.lst"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=r"list\.lst"):
        read_defects(path, dialect, size=(WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", "it is not a JSON object"),
        ('{"hot": [{"x": 1}]}', "an entry under 'hot' is not a JSON object with x and y"),
    ],
)
def test_what_is_wrong_with_a_list_of_kstars_is_told_in_words(tmp_path: Path, text: str, told: str) -> None:
    """Not in those of Python."""
    path = tmp_path / "list.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=told):
        read_defects(path, "kstars")


def test_a_comment_may_stand_behind_a_position(tmp_path: Path) -> None:
    """And in the code page of Windows."""
    path = tmp_path / "cosme.lst"
    path.write_bytes("# caméra\r\nP 3 4 # à côté\r\n".encode("cp1252"))

    assert [(d.x, d.y) for d in read_defects(path).defects] == [(3, 4)]


def test_unknown_dialects_and_files_are_refused(tmp_path: Path) -> None:
    """With the names that are known."""
    with pytest.raises(UsageError, match="cosmetic-correction"):
        write_defects(make_map(), tmp_path / "x", "maxim")
    with pytest.raises(UsageError, match="cannot be read"):
        read_defects(tmp_path / "none.lst")
    with pytest.raises(UsageError, match="is an image"):
        read_defects(write_defects(make_map(), tmp_path / "x", "iris"), "mask")
    with pytest.raises(UsageError, match="is a text"):
        read_defects(write_defects(make_map(), tmp_path / "x", "mask"), "iris")


def test_the_guess_prefers_what_is_sure() -> None:
    """A letter after the position is Siril's; a bare P is IRIS's."""
    assert guess("P 1 2 H\n") == "siril"
    assert guess("# x\nP 1 2\n") == "iris"
    assert guess("1 2\n") == "phd2"


# --- epochs and row order ---------------------------------------------------------------------------------


def test_what_appeared_and_healed_between_two_epochs(tmp_path: Path) -> None:
    """By position, with the value of the epoch that has it."""
    before, after = dark(1), dark(2)
    for y, x in ((1, 1), (2, 2)):
        before[y, x] = 0.5
    for y, x in ((2, 2), (3, 3)):
        after[y, x] = 0.6
    maps = [find_defects(write_master(tmp_path / f"{i}.fits", p), sigma=20) for i, p in enumerate((before, after))]

    change = diff(*maps)

    assert [(d.x, d.y) for d in change.appeared] == [(3, 3)]
    assert [(d.x, d.y) for d in change.healed] == [(1, 1)]
    assert change.appeared[0].value == pytest.approx(0.6 * 65535, rel=1e-5)
    assert change.stayed == 1


def test_maps_of_different_sizes_are_not_compared() -> None:
    """Binned against unbinned tells nothing."""
    with pytest.raises(UsageError, match="40x30"):
        diff(make_map(), DefectMap(width=20, height=15, defects=()))


def test_a_map_is_turned_for_frames_of_the_other_row_order() -> None:
    """Twice is the identity; ROWORDER turns along, and stays unknown where it was."""
    known = make_map().model_copy(update={"row_order": "TOP-DOWN"})

    assert flip(known).row_order == "BOTTOM-UP"
    assert [(d.x, d.y) for d in flip(known).defects] == [(3, 29), (39, 0), (0, 22)]
    assert flip(flip(known)) == known
    assert flip(make_map()).row_order is None
