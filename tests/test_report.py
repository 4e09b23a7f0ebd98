"""The page of a library: whole in one file, safe whatever the headers say, and readable without colours or scripts."""

import re
import struct
import xml.etree.ElementTree as ET
import zlib
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ap_masters import images
from ap_masters.config import Settings
from ap_masters.errors import LibraryError
from ap_masters.library.notes import MirrorNote, write_mirror_notes
from ap_masters.model import FrameType, MasterStatus
from ap_masters.quality import judge
from ap_masters.record import Measure
from ap_masters.report import write_report
from ap_masters.report.plots import HEIGHT, WIDTH, number, ticks, trend
from ap_masters.report.preview import png, preview, shrink, stretch
from tests.builders import nameable
from tests.library.shelves import NOW, SIZE, draft, key, shelve
from tests.quality.seasons import make_statistics

SETTINGS = Settings()
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """A page taken apart: it has to be well formed, and what it refers to is kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def report(library: Path, now: datetime = NOW) -> Page:
    return Page(write_report(library, settings=SETTINGS, now=now).path.read_text(encoding="utf-8"))


def fill(library: Path) -> None:
    """Two seasons of biases and darks, flats, something in quarantine."""
    for season, hot in enumerate((1000, 1200)):
        start = NOW - timedelta(days=190 - 180 * season)
        noise = Measure(name="read noise", value=5.5, unit="ADU", physical=1.4, physical_unit="e-")
        shelve(library, "bias/master.xisf", draft(FrameType.BIAS, start=start, measures=(noise,)), seed=season)
        for exposure in (120.0, 300.0):
            told = draft(key=key(exposure=exposure), start=start, statistics=make_statistics(hot=hot, size=SIZE))
            shelve(library, f"dark/master {exposure:g}.xisf", told, seed=season)
    shelve(library, "flat/L.xisf", draft(FrameType.FLAT))
    lit = draft(key=key(exposure=900.0), statistics=make_statistics(median=9000, size=SIZE))
    shelve(library, "dark/lit.xisf", lit)


def test_the_page_shows_coverage_trends_sensor_and_masters(tmp_path: Path) -> None:
    """One file with everything a user wants to know of his library."""
    fill(tmp_path)

    page = report(tmp_path)

    for words in ("32/30", "32/100", "300 s", "-10 °C", "Hot pixels", "Dark current", "Read noise", "3 superseded"):
        assert words in page.text, words
    assert "quarantined" in page.text
    assert "lit, or a light with the header of a dark" in page.text
    plots = [attrs["aria-label"] for tag, attrs in page.tags if tag == "svg"]
    assert any("Hot pixels: 2 masters" in str(label) and "+20.0 %" in str(label) for label in plots)


def test_coverage_says_what_its_numbers_mean(tmp_path: Path) -> None:
    """A number below the policy's minimum says so, and not by its colour alone."""
    fill(tmp_path)

    page = report(tmp_path)

    assert "32/30 stands for a master of 32 where 30 are recommended" in page.text
    assert "32/100 below minimum" in page.text
    assert "32/30 below minimum" not in page.text


def test_nothing_comes_from_the_network_and_nothing_runs(tmp_path: Path) -> None:
    """No script, no style sheet, no font, no picture from elsewhere; links lead into the library."""
    fill(tmp_path)

    page = report(tmp_path)

    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form"}
    for tag, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")]
        if tag == "img":
            assert str(attrs["src"]).startswith("data:image/png;base64,")
        if tag == "a":
            href = str(attrs["href"])
            assert href.startswith("#") or (tmp_path / href.replace("%20", " ")).is_file()
    assert "@import" not in str(page.words)
    assert "http" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_headers_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    """Names and cameras are text, whatever they hold."""
    evil = "<script>alert(1)</script>\"'&"
    shelve(tmp_path, nameable("a&b/<i>.xisf"), draft(key=key(camera=evil, readout_mode=evil)))
    write_mirror_notes(tmp_path, evil, [MirrorNote(target=evil, path=evil, detail=evil)])
    (tmp_path / nameable("<b>broken.fits")).write_bytes(b"x")

    page = report(tmp_path)

    assert not {"script", "i", "b"} & {tag for tag, _ in page.tags}
    assert page.text.count("alert(1)") >= 3


def test_the_page_is_for_everyone(tmp_path: Path) -> None:
    """Language, title, headings in order, heads of columns and rows, a word beside each colour, both schemes."""
    fill(tmp_path)

    page = report(tmp_path)
    raw = (tmp_path / "report.html").read_text(encoding="utf-8")

    assert ("html", {"lang": "en"}) in page.tags
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert all(attrs.get("role") == "img" and attrs.get("aria-label") for tag, attrs in page.tags if tag == "svg")
    assert all("alt" in attrs for tag, attrs in page.tags if tag == "img")
    assert "prefers-color-scheme: dark" in raw


def test_an_empty_library_has_a_page_too(tmp_path: Path) -> None:
    """It says that there is nothing yet, and that nothing is wrong."""
    page = report(tmp_path)

    assert "no master is due" in page.text
    assert "There are none yet" in page.text


def test_what_is_due_is_told_and_marked(tmp_path: Path) -> None:
    """Half a year later the darks of the last season are due."""
    fill(tmp_path)

    result = write_report(tmp_path, settings=SETTINGS, now=NOW + timedelta(days=190))
    page = Page(result.path.read_text(encoding="utf-8"))

    assert result.due.exit_code == 8
    assert "before the season of 2026-09-01" in page.text
    assert [attrs for tag, attrs in page.tags if tag == "span" and attrs.get("title") == "due"]


def test_the_page_may_stand_elsewhere(tmp_path: Path) -> None:
    """Links then name the masters by their full place."""
    library = tmp_path / "library"
    shelve(library, "a b.xisf")

    result = write_report(library, tmp_path / "www" / "index.html", settings=SETTINGS, now=NOW)

    links = [a["href"] for tag, a in Page(result.path.read_text(encoding="utf-8")).tags if tag == "a"]
    assert (library.resolve() / "a b.xisf").as_uri() in links
    assert result.masters == 1


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """And a library that is not there is not made."""
    (tmp_path / "report.html").mkdir()
    with pytest.raises(LibraryError, match="cannot be written"):
        write_report(tmp_path, settings=SETTINGS, now=NOW)
    with pytest.raises(LibraryError, match="no such library"):
        write_report(tmp_path / "none", settings=SETTINGS, now=NOW)


def test_masters_in_quarantine_make_no_trend(tmp_path: Path) -> None:
    """A trend is what was in use."""
    shelve(tmp_path, "a.xisf", draft(start=NOW - timedelta(days=200)))
    bad = judge(draft(statistics=make_statistics(median=9000, size=SIZE)), None, SETTINGS.quality)
    assert bad.status is MasterStatus.QUARANTINED
    shelve(tmp_path, "a.xisf", bad)

    assert "svg" not in {tag for tag, _ in report(tmp_path).tags}


# --- plots ------------------------------------------------------------------------------------------------


def points(*values: float) -> list[tuple[datetime, float]]:
    return [(datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=183 * i), v) for i, v in enumerate(values)]


def test_a_trend_is_drawn_within_its_frame() -> None:
    """Oldest left, newest right, higher values higher up, the band around the last but one."""
    plot = trend("Hot pixels", "", list(reversed(points(1000, 900, 1101))), percent=10)

    assert plot is not None
    xs, ys = [d.x for d in plot.dots], [d.y for d in plot.dots]
    assert xs == sorted(xs)
    assert ys[1] > ys[0] > ys[2]
    assert all(plot.left <= x <= plot.right for x in xs)
    assert all(plot.top <= y <= plot.bottom for y in ys)
    assert plot.band is not None
    assert plot.band[0] < ys[1] < plot.band[0] + plot.band[1]
    assert ys[2] < plot.band[0], "beyond the band"
    assert "+22.3 %" in plot.description
    assert (plot.width, plot.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("values", [(5.0, 5.0), (0.0, 0.0), (0.0, 1.0), (-1.0, 1.0), (1e-9, 2e-9), (1e12, 1e12 + 1)])
def test_odd_values_are_drawn_all_the_same(values: tuple[float, ...]) -> None:
    """Equal, zero, negative, tiny and huge ones."""
    plot = trend("x", "ADU", points(*values), percent=10)

    assert plot is not None
    assert all(np.isfinite([d.x, d.y]).all() for d in plot.dots)
    assert "nan" not in plot.description


def test_one_point_is_no_trend() -> None:
    """Two make one."""
    assert trend("x", "", points(1.0)) is None
    assert trend("x", "", []) is None


@pytest.mark.parametrize(("low", "high"), [(0, 1), (480, 530), (-3, 3), (0.001, 0.0012), (1e6, 3e6)])
def test_ticks_are_round_numbers_inside(low: float, high: float) -> None:
    """Two to six of them."""
    found = ticks(low, high)

    assert 2 <= len(found) <= 6
    assert all(low <= t <= high for t in found)


def test_numbers_are_short() -> None:
    """Four digits, thin spaces between thousands."""
    assert [number(v) for v in (0, 0.012345, 12.3456, 1101, 60000000)] == [
        "0",
        "0.01235",
        "12.35",
        "1\u202f101",
        "60\u202f000\u202f000",
    ]


# --- previews ---------------------------------------------------------------------------------------------


def decode(picture: bytes) -> Any:
    """Decode an 8-bit grey PNG by the book, filter 0 and 1."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, {}
    while place < len(picture):
        (size,), kind = struct.unpack(">I", picture[place : place + 4]), picture[place + 4 : place + 8]
        data = picture[place + 8 : place + 8 + size]
        assert struct.unpack(">I", picture[place + 8 + size : place + 12 + size])[0] == zlib.crc32(kind + data)
        chunks[kind], place = data, place + 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (8, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert set(rows[:, 0]) <= {1}
    return np.cumsum(rows[:, 1:], axis=1, dtype=np.uint8)


def test_pictures_are_valid_png() -> None:
    """What goes in comes out."""
    pixels = np.random.default_rng(1).integers(0, 256, (37, 53), dtype=np.uint8)

    assert np.array_equal(decode(png(pixels)), pixels)


def test_the_stretch_brings_the_background_to_a_quarter() -> None:
    """As PixInsight's automatic screen transfer function does; hot pixels do not darken the rest."""
    pixels = np.random.default_rng(1).normal(500, 3, (100, 100))
    pixels[0, 0] = 60000

    shown = stretch(pixels)

    assert np.median(shown) == pytest.approx(64, abs=3)
    assert shown[0, 0] == 255
    assert len(np.unique(stretch(np.full((4, 4), 7.0)))) == 1


def test_a_master_is_shrunk_by_blocks(tmp_path: Path) -> None:
    """A bright corner of a wide master stays a bright corner; only two rows of each block are read."""
    pixels = np.full((400, 600), 500.0, np.float32)
    pixels[:200, 300:] = 900
    images.write_image(tmp_path / "m.xisf", pixels / 65535, image_type="MasterDark")

    small = shrink(tmp_path / "m.xisf", width=60)

    assert small.shape == (40, 60)
    assert small[:20, 30:] == pytest.approx(900 / 65535)
    assert small[20:, :] == pytest.approx(500 / 65535)


def test_previews_are_kept_and_never_in_the_way(tmp_path: Path) -> None:
    """Made once per master; a file that cannot be read has none; colour and tiny masters have one."""
    master = shelve(tmp_path)
    name = master.relative_to(tmp_path).as_posix()

    first = preview(tmp_path, name, "ab" * 32)
    master.unlink()

    assert first is not None
    assert preview(tmp_path, name, "ab" * 32) == first
    assert preview(tmp_path, name, None) is None
    images.write_image(tmp_path / "rgb.xisf", np.ones((3, 1, 2), np.float32) / 2, image_type="MasterFlat")
    assert preview(tmp_path, "rgb.xisf", None) is not None


def test_the_drawings_are_well_formed(tmp_path: Path) -> None:
    """Each SVG parses as XML by itself."""
    fill(tmp_path)
    write_report(tmp_path, settings=SETTINGS, now=NOW)
    raw = (tmp_path / "report.html").read_text(encoding="utf-8")

    drawings = re.findall(r"<svg.*?</svg>", raw, re.DOTALL)

    assert drawings
    assert all(ET.fromstring(drawing).tag == "svg" for drawing in drawings)
