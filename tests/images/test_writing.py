"""Masters are written whole or not at all, and every reader agrees on what is in them."""

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from ap_masters.errors import UnwritableImage
from ap_masters.images import create, open_image, read_image, read_info, write_image
from ap_masters.model import Compression, Keyword

KEYWORDS = (
    Keyword("IMAGETYP", "Master Dark", "type"),
    Keyword("EXPTIME", 300.0, "[s]"),
    Keyword("GAIN", 100),
    Keyword("CALIBR8D", True),
    Keyword("SET-TEMP", None, "unknown"),
    Keyword("OBSERVER", "O'Hara"),
    Keyword("HISTORY", None, "ImageIntegration.numberOfImages: 20"),
)
SUFFIXES = [pytest.param(suffix, id=suffix) for suffix in (".xisf", ".fits")]

PLACES = [(channel, first) for channel in range(2) for first in range(0, 40, 8)]


def _ramp(channels: int = 1, height: int = 11, width: int = 7) -> NDArray[np.float32]:
    return np.linspace(-0.1, 1.1, channels * height * width, dtype=np.float32).reshape(channels, height, width)


def _master(
    path: Path, pixels: NDArray[np.float32], keywords: tuple[Keyword, ...] = KEYWORDS, compression: Compression = "none"
) -> None:
    """Write a master the way an engine does."""
    channels, height, width = pixels.shape
    with create(
        path,
        width=width,
        height=height,
        channels=channels,
        keywords=keywords,
        image_type="MasterDark",
        compression=compression,
    ) as writer:
        for channel, plane in enumerate(pixels):
            writer.write_rows(channel, 0, plane)
        writer.finish()


def _open_strictly(path: Path) -> fits.PrimaryHDU:
    """Open a FITS file with astropy; any warning, a wrong checksum for one, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            (hdu,) = hdus
            hdu.data  # noqa: B018 - read before the file is closed
            return hdu.copy()


# --- whole images -----------------------------------------------------------------------------------------


@given(
    st.sampled_from(["uint8", "uint16", "uint32", "float32", "float64"]).flatmap(
        lambda name: st_numpy.arrays(name, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)))
    ),
    st.sampled_from([".xisf", ".fits", ".FIT", ".fts"]),
    st.sampled_from(["none", "zlib", "lz4", "zstd"]),
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, pixels: NDArray[Any], suffix: str, compression: Compression
) -> None:
    """Every sample comes back bit by bit, of the type it had; astropy agrees about FITS and its checksums."""
    path = tmp_path_factory.mktemp("written") / f"frame ü{suffix}"

    write_image(path, pixels, KEYWORDS, image_type="Dark", compression=compression)

    info, found = read_image(path)
    assert found.dtype == pixels.dtype
    np.testing.assert_array_equal(pixels, found)
    assert [keyword for keyword in info.keywords if keyword in KEYWORDS] == list(KEYWORDS)
    if suffix != ".xisf":
        np.testing.assert_array_equal(pixels if len(pixels) > 1 else pixels[0], _open_strictly(path).data)


@pytest.mark.parametrize("compression", ["zlib", "lz4", "zstd"])
def test_compression_makes_smooth_images_smaller(tmp_path: Path, compression: Compression) -> None:
    """Bytes are shuffled, the checksum is of the compressed block, and where nothing is gained nothing is done."""
    pixels = np.arange(10_000, dtype=np.uint16).reshape(1, 100, 100)
    write_image(tmp_path / "smooth.xisf", pixels, image_type="Dark", compression=compression)
    write_image(tmp_path / "plain.xisf", pixels, image_type="Dark")
    noise = np.random.default_rng(1).integers(0, 255, (1, 50, 50)).astype(np.uint8)
    write_image(tmp_path / "noise.xisf", noise, image_type="Dark", compression=compression)

    assert (tmp_path / "smooth.xisf").stat().st_size < (tmp_path / "plain.xisf").stat().st_size / 2
    assert f'compression="{compression}+sh:20000:2"' in _xisf_header(tmp_path / "smooth.xisf")
    assert "compression=" not in _xisf_header(tmp_path / "noise.xisf")
    for name, expected in (("smooth", pixels), ("noise", noise)):
        np.testing.assert_array_equal(expected, read_image(tmp_path / f"{name}.xisf")[1])


def test_a_two_dimensional_array_is_one_channel(tmp_path: Path) -> None:
    """As numpy users have it."""
    write_image(tmp_path / "f.fits", np.ones((3, 4), np.uint16), image_type="Dark")

    assert read_image(tmp_path / "f.fits")[1].shape == (1, 3, 4)


@pytest.mark.parametrize("name", ["f.xisf", "f.fits"])
def test_a_type_the_format_does_not_have_is_refused(tmp_path: Path, name: str) -> None:
    """And nothing is left behind."""
    with pytest.raises(ValueError, match="complex64 samples cannot be written"):
        write_image(tmp_path / name, np.zeros((2, 2), np.complex64), image_type="Dark")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    """The suffix says which format is meant."""
    with pytest.raises(UnwritableImage, match="choose one of them"):
        write_image(tmp_path / "f.tiff", np.zeros((2, 2), np.uint16), image_type="Dark")


# --- rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_rows_may_come_in_any_order_from_any_thread(tmp_path: Path, suffix: str, compression: Compression) -> None:
    """The file is the same, to the last byte of its checksums."""
    pixels = np.random.default_rng(5).random((3, 97, 31), np.float32)
    bands = [(c, first, pixels[c, first : first + 5]) for c in range(3) for first in range(0, 97, 5)]
    order = np.random.default_rng(6).permutation(len(bands))
    keywords = (*KEYWORDS, Keyword("DATE", "2026-01-30T05:00:00"))

    with create(
        tmp_path / f"any{suffix}",
        width=31,
        height=97,
        channels=3,
        keywords=keywords,
        image_type="MasterDark",
        compression=compression,
    ) as writer:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda index: writer.write_rows(*bands[index]), order))
        writer.finish()
    _master(tmp_path / f"ordered{suffix}", pixels, keywords, compression)

    assert (tmp_path / f"ordered{suffix}").read_bytes() == (tmp_path / f"any{suffix}").read_bytes()
    np.testing.assert_array_equal(pixels, read_image(tmp_path / f"any{suffix}")[1])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_rows_may_be_written_by_other_processes(tmp_path: Path, suffix: str, compression: Compression) -> None:
    """A process that is told the place writes rows there; the file is the same, and can be read again meanwhile."""
    pixels = np.random.default_rng(7).random((2, 40, 31), np.float32)
    path = tmp_path / f"Größe{suffix}"

    with create(
        path, width=31, height=40, channels=2, keywords=(), image_type="MasterFlat", compression=compression
    ) as writer:
        with get_context("spawn").Pool(2) as pool:
            pool.starmap(writer.place.write_rows, [(c, first, pixels[c, first : first + 8]) for c, first in PLACES])
        for channel, first in PLACES:
            writer.wrote(channel, first, 8)
        again = [np.concatenate([run.copy() for run in writer.read_again(channel)]) for channel in range(2)]
        with pytest.raises(ValueError, match="a second time"):
            writer.wrote(1, 8, 8)
        writer.finish()

    np.testing.assert_array_equal(pixels, np.reshape(again, pixels.shape))
    np.testing.assert_array_equal(pixels, read_image(path)[1])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("added", [1, 50, 3000])
@pytest.mark.parametrize("compression", ["none", "zlib"])
def test_finishing_may_add_any_number_of_keywords(
    tmp_path: Path, suffix: str, added: int, compression: Compression
) -> None:
    """Few fit into the room that was kept; for many the samples are moved, and checksums still hold."""
    path = tmp_path / f"master{suffix}"
    pixels = _ramp(2, 300, 1000)
    history = tuple(Keyword("HISTORY", None, f"ImageIntegration.rejectedLow_{n}: {n * n}") for n in range(added))

    with create(
        path, width=1000, height=300, channels=2, keywords=KEYWORDS, image_type="MasterFlat", compression=compression
    ) as writer:
        for channel, plane in enumerate(pixels):
            writer.write_rows(channel, 0, plane)
        writer.finish(KEYWORDS + history)

    info, found = read_image(path)
    np.testing.assert_array_equal(pixels, found)
    assert tuple(keyword for keyword in info.keywords if keyword.name == "HISTORY")[-added:] == history
    if suffix == ".fits":
        np.testing.assert_array_equal(pixels, _open_strictly(path).data)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_there_before_it_is_whole(tmp_path: Path, suffix: str) -> None:
    """A writer that is left without finishing leaves nothing; what stood there before is still there."""
    path = tmp_path / f"master{suffix}"
    path.write_bytes(b"the old master")

    with (
        pytest.raises(KeyboardInterrupt),
        create(path, width=7, height=11, channels=1, keywords=(), image_type="MasterDark") as writer,
    ):
        writer.write_rows(0, 0, _ramp()[0, :5])
        raise KeyboardInterrupt

    assert [path] == list(tmp_path.iterdir())
    assert path.read_bytes() == b"the old master"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_master_with_missing_rows_is_never_published(tmp_path: Path, suffix: str) -> None:
    """Better no master than one with black rows."""
    with create(
        tmp_path / f"master{suffix}", width=7, height=11, channels=1, keywords=(), image_type="MasterDark"
    ) as writer:
        writer.write_rows(0, 0, _ramp()[0, :5])
        with pytest.raises(UnwritableImage, match="6 rows were never written"):
            writer.finish()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("first", "shape", "message"),
    [
        pytest.param(0, (2, 7), "second time", id="twice"),
        pytest.param(10, (2, 7), "do not fit", id="beyond the last"),
        pytest.param(-1, (1, 7), "do not fit", id="before the first"),
        pytest.param(5, (1, 6), "do not fit", id="too narrow"),
    ],
)
def test_rows_that_do_not_belong_are_refused(tmp_path: Path, first: int, shape: tuple[int, int], message: str) -> None:
    """They are mistakes of the program."""
    with create(tmp_path / "m.fits", width=7, height=11, channels=1, keywords=(), image_type="MasterDark") as writer:
        writer.write_rows(0, 0, _ramp()[0, :3])

        with pytest.raises(ValueError, match=message):
            writer.write_rows(0, first, np.zeros(shape, np.float32))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, suffix: str) -> None:
    """With what the user can look at."""
    with pytest.raises(UnwritableImage, match=r"cannot be written: .*; check the folder"):
        _master(tmp_path / "none" / f"master{suffix}", _ramp())


_FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from ap_masters.errors import UnwritableImage
from ap_masters.images import create
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    with create(Path(sys.argv[1]), width=100, height=200, channels=1, keywords=(), image_type="MasterDark",
                compression=sys.argv[2]) as writer:
        for first in range(0, 200, 10):
            writer.write_rows(0, first, np.zeros((10, 100), np.float32))
        writer.finish()
except UnwritableImage as error:
    print("refused:", error.what)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_is_full_half_way_leaves_nothing_behind(tmp_path: Path, suffix: str) -> None:
    """A limit on the file size stands in for the full disk; both fail in the same call."""
    command: Sequence[str] = [sys.executable, "-c", _FULL_DISK, os.fspath(tmp_path / f"master{suffix}"), "none"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("refused: cannot be written")
    assert list(tmp_path.iterdir()) == []


# --- what the header says ---------------------------------------------------------------------------------

_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=150)  # lone surrogates too
_ANY_VALUE = st.one_of(_ANY_TEXT, st.integers(-(10**30), 10**30), st.floats(), st.booleans(), st.none())
_ANY_KEYWORD = st.builds(
    Keyword, st.one_of(st.sampled_from(["GAIN", "HISTORY", "COMMENT", "END", ""]), _ANY_TEXT), _ANY_VALUE, _ANY_TEXT
)


@given(st.lists(_ANY_KEYWORD, max_size=5))
@settings(deadline=None)
@example([Keyword("FILTER", "../../x\n'\"<&>\0"), Keyword("=", "="), Keyword("Ü" * 90, 1, "ü" * 90)])
def test_no_keyword_breaks_a_header(tmp_path_factory: pytest.TempPathFactory, keywords: list[Keyword]) -> None:
    """Quotes, newlines, NUL, markup, other scripts, infinite numbers: astropy and expat read what was written."""
    folder = tmp_path_factory.mktemp("hostile")
    for suffix in (".fits", ".xisf"):
        write_image(
            folder / f"f{suffix}", np.ones((2, 3), np.uint16), (*keywords, Keyword("LAST", 5)), image_type="Dark"
        )
        info, pixels = read_image(folder / f"f{suffix}")
        assert (pixels == 1).all()
        assert any(keyword[:2] == ("LAST", 5) for keyword in info.keywords)
    header = (folder / "f.fits").read_bytes()
    assert header[: header.index(b"END" + b" " * 77)].decode("ascii").isprintable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that need HIERARCH are worth a warning to astropy
        with fits.open(folder / "f.fits", checksum=True) as hdus:
            assert hdus[0].header["LAST"] == 5
    ElementTree.fromstring(_xisf_header(folder / "f.xisf"))


def test_fits_text_is_spelled_in_ascii(tmp_path: Path) -> None:
    """Accents go, the field's signs are spelled, lines become cards, and long strings go on in CONTINUE cards."""
    text = "Jérôme's 20 °C, 3.76 µm, 2×2, Größe " * 4
    keywords = (
        Keyword("OBSERVER", text, "größer"),
        Keyword("HISTORY", None, "x" * 100 + "\nsecond line"),
        Keyword("TINY", 1e-05),
        Keyword("A LONG NAME", "hierarch"),
    )
    write_image(tmp_path / "f.fits", np.ones((2, 3), np.uint16), keywords, image_type="Dark")

    header = _open_strictly(tmp_path / "f.fits").header

    assert header["OBSERVER"] == ("Jerome's 20 degC, 3.76 um, 2x2, Grosse " * 4).rstrip()
    assert header.comments["OBSERVER"] == "grosser"
    assert list(header["HISTORY"]) == ["x" * 72, "x" * 28, "second line"]
    assert header["TINY"] == 1e-05
    assert header["A LONG NAME"] == "hierarch"
    assert b"TINY    =              1.0E-05" in (tmp_path / "f.fits").read_bytes()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300))
@settings(deadline=None)
@example("'" * 200)
@example("&" * 200)
def test_strings_of_any_length_survive_fits(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Our reader and astropy's agree with what was meant; blanks at the end carry no meaning in FITS."""
    path = tmp_path_factory.mktemp("long") / "f.fits"
    write_image(path, np.ones((2, 3), np.uint16), (Keyword("OBJECT", text),), image_type="Dark")

    assert [k.value for k in read_info(path).keywords if k.name == "OBJECT"] == [text.rstrip(" ")]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_commentary_in_the_value_is_not_lost(tmp_path: Path, suffix: str) -> None:
    """Some programs hand HISTORY over as a value."""
    write_image(tmp_path / f"f{suffix}", _ramp(), (Keyword("HISTORY", "done this"),), image_type="Dark")

    assert Keyword("HISTORY", None, "done this") in read_info(tmp_path / f"f{suffix}").keywords


def test_how_another_file_was_stored_is_not_carried_over(tmp_path: Path) -> None:
    """A master made from a raw frame's keywords must not claim to be stored like the raw."""
    foreign = tuple(
        Keyword(n, 1) for n in ("BZERO", "BSCALE", "NAXIS", "NAXIS3", "ZIMAGE", "PCOUNT", "CHECKSUM", "EXTEND")
    )

    for suffix in (".fits", ".xisf"):
        write_image(tmp_path / f"f{suffix}", _ramp(), foreign, image_type="Dark")
        found = {keyword.name: keyword.value for keyword in read_info(tmp_path / f"f{suffix}").keywords}
        assert not found.keys() & {"BZERO", "BSCALE", "NAXIS3", "ZIMAGE", "PCOUNT"}
        assert found.get("NAXIS") in {2, None}


def _xisf_header(path: Path) -> str:
    data = path.read_bytes()
    return data[16 : 16 + int.from_bytes(data[8:12], "little")].decode("utf-8")


def test_an_xisf_master_looks_like_one_of_pixinsight(tmp_path: Path) -> None:
    """Declaration, comment, one line; attributes in PixInsight's order; pixels aligned; metadata with its types."""
    path = tmp_path / "master.xisf"
    keywords = (
        *KEYWORDS,
        Keyword("DATE", "2026-01-30T05:00:00"),
        Keyword("DATE-OBS", "2026-01-29T21:00:00.1234567"),
        Keyword("DATE-END", "29/01/26"),
        Keyword("INSTRUME", 'ZWO <ASI> & "Sons"'),
        Keyword("FILTER", "Hα"),
        Keyword("CCD-TEMP", -10.1),
        Keyword("FOCALLEN", 250),
        Keyword("EGAIN", float("nan")),
        Keyword("XBINNING", 2.0),
    )
    _master(path, _ramp(), keywords)

    header = _xisf_header(path)

    assert header.startswith(
        '<?xml version="1.0" encoding="UTF-8"?><!--\nExtensible Image Serialization Format - XISF version 1.0\n'
    )
    image = re.search(r"<Image [^>]*>", header)
    assert image is not None
    assert re.fullmatch(
        r'<Image geometry="7:11:1" sampleFormat="Float32" bounds="0:1" colorSpace="Gray" imageType="MasterDark"'
        r' checksum="sha256:[0-9a-f]{64}" location="attachment:\d+:308">',
        image[0],
    )
    with open_image(path) as opened:
        assert opened.stored is not None
        assert opened.stored.offset % 4096 == 0
    assert """<FITSKeyword name="OBSERVER" value="'O''Hara'" comment=""/>""" in header
    assert '<FITSKeyword name="EXPTIME" value="300.0" comment="[s]"/>' in header
    assert '<FITSKeyword name="SET-TEMP" value="" comment="unknown"/>' in header
    assert '<Property id="XISF:CreationTime" type="String">2026-01-30T05:00:00Z</Property>' in header
    properties = dict(read_info(path).properties)
    assert {
        "Observation:Time:Start": "2026-01-29T21:00:00.123456Z",
        "Instrument:Camera:Name": 'ZWO <ASI> & "Sons"',
        "Instrument:Camera:XBinning": "2",
        "Instrument:ExposureTime": "300.0",
        "Instrument:Sensor:Temperature": "-10.1",
        "Instrument:Filter:Name": "Hα",
        "Instrument:Telescope:FocalLength": "0.25",
    }.items() <= properties.items()
    assert not properties.keys() & {"Observation:Time:End", "Instrument:Camera:Gain"}


def test_counts_are_told_by_the_bounds(tmp_path: Path) -> None:
    """PixInsight and this program bring such a master to [0, 1] when they load it; the file holds counts."""
    with create(
        tmp_path / "m.xisf", width=2, height=1, channels=1, keywords=(), image_type="MasterDark", adu=True
    ) as writer:
        writer.write_rows(0, 0, np.array([[0, 65535]], np.float32))
        writer.finish()

    assert 'bounds="0:65535"' in _xisf_header(tmp_path / "m.xisf")
    assert read_image(tmp_path / "m.xisf")[1].ravel().tolist() == [0.0, 1.0]


def test_colour_is_told(tmp_path: Path) -> None:
    """Three channels are red, green and blue."""
    _master(tmp_path / "m.xisf", _ramp(3))

    assert 'geometry="7:11:3"' in _xisf_header(tmp_path / "m.xisf")
    assert 'colorSpace="RGB"' in _xisf_header(tmp_path / "m.xisf")
