"""FITS images: whatever way they are stored, the samples that come out are those astropy reads."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from ap_masters.errors import ChecksumMismatch, UnreadableImage
from ap_masters.images import open_image, read_image, read_info
from ap_masters.model import ImageFormat, Keyword
from tests.images.making import fits_file, fits_header

TYPES = ["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
FULL_SCALE = {1: 255.0, 2: 65535.0, 4: 4294967295.0, 8: 18446744073709551615.0}


def _planes(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels.reshape(-1, *pixels.shape[-2:])


def _same(expected: NDArray[Any], found: NDArray[Any]) -> None:
    assert np.dtype(found.dtype).isnative
    assert expected.dtype.newbyteorder("=") == found.dtype
    np.testing.assert_array_equal(expected, found)


@st.composite
def _images(draw: st.DrawFn) -> NDArray[Any]:
    dtype = draw(st.sampled_from(TYPES))
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 9)) | st.tuples(*[st.integers(2, 5)] * 3))
    return draw(st_numpy.arrays(dtype, shape))


@given(_images(), st.booleans(), st.sampled_from(["plain.fits", "LATER.FIT", "packed.fits.gz"]), st.data())
@settings(max_examples=60, deadline=None)
def test_samples_are_those_astropy_reads(
    tmp_path_factory: pytest.TempPathFactory, pixels: NDArray[Any], later: bool, name: str, data: st.DataObject
) -> None:
    """Every sample type, in two and three axes, in the first or a later HDU, plain or gzipped; whole and by rows."""
    path = tmp_path_factory.mktemp("fits") / name
    image = fits.ImageHDU(pixels) if later else fits.PrimaryHDU(pixels)
    fits.HDUList([fits.PrimaryHDU(), image] if later else [image]).writeto(path)
    expected = _planes(pixels)

    info, found = read_image(path)

    _same(expected, found)
    assert (info.channels, info.height, info.width) == expected.shape
    assert info.sample == str(pixels.dtype)
    assert info.full_scale == (FULL_SCALE[pixels.dtype.itemsize] if pixels.dtype.kind in "iu" else None)
    assert info == read_info(path)
    first = data.draw(st.integers(0, info.height))
    last = data.draw(st.integers(first, info.height))
    with open_image(path) as opened:
        _same(expected[:, first:last], opened.read_rows(first, last))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
@pytest.mark.parametrize("shape", [(37, 53), (3, 20, 31)], ids=["mono", "colour"])
def test_tile_compressed_images_are_read(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    """N.I.N.A. writes .fits.fz; the header says what it would say uncompressed."""
    pixels = np.random.default_rng(1).integers(0, 200, shape).astype(dtype)
    path = tmp_path / "Tile compressed ü.FITS.FZ"
    image = fits.CompImageHDU(pixels, compression_type="GZIP_2", quantize_level=0)
    image.header["GAIN"] = (100, "sensor gain")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)

    info, found = read_image(path)

    _same(_planes(pixels), found)
    assert (info.sample, info.images) == (dtype, 1)
    assert Keyword("GAIN", 100, "sensor gain") in info.keywords
    assert not {keyword.name for keyword in info.keywords} & {"TFIELDS", "ZIMAGE", "ZNAXIS1", "TTYPE1", "NAXIS1"}
    with open_image(path) as opened:
        _same(_planes(pixels)[:, 5:9], opened.read_rows(5, 9))


def test_unsigned_plio_tiles_are_as_cfitsio_writes_them(tmp_path: Path) -> None:
    """N.I.N.A. offers PLIO, which knows no negative numbers: BZERO stands in the header and counts for nothing."""
    pixels = np.arange(0, 32000, 100, dtype=np.int16).reshape(16, 20)
    path = tmp_path / "dark.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, compression_type="PLIO_1")]).writeto(path)
    with fits.open(path, mode="update", disable_image_compression=True, do_not_scale_image_data=True) as hdus:
        hdus[1].header["BZERO"], hdus[1].header["BSCALE"] = 32768, 1

    info, found = read_image(path)

    assert info.sample == "uint16"
    np.testing.assert_array_equal(found[0], pixels.astype(np.uint16))


def test_a_data_cube_is_no_frame(tmp_path: Path) -> None:
    """A million planes of two pixels would be looked at one by one; the file is whole, and its header not damaged."""
    for name in ("cube.fits", "cube.fits.gz"):
        fits.PrimaryHDU(np.zeros((300, 2, 2), np.uint16)).writeto(tmp_path / name)

        with pytest.raises(UnreadableImage, match=r"300 planes.* too many for a calibration frame: split") as caught:
            read_info(tmp_path / name)
        assert "damaged" not in str(caught.value)


def test_cards_filled_with_zero_bytes_say_what_they_say(tmp_path: Path) -> None:
    """Some writers pad with them in place of blanks."""
    path = tmp_path / "f.fits"
    fits.PrimaryHDU(np.zeros((2, 2), np.uint16), fits.Header({"IMAGETYP": "DARK", "EXPTIME": 2.5})).writeto(path)
    data = path.read_bytes()
    for card in (b"IMAGETYP= 'DARK    '", b"EXPTIME =                  2.5"):
        at = data.index(card)
        data = data[: at + len(card)] + bytes(80 - len(card)) + data[at + 80 :]
    path.write_bytes(data)

    assert {("IMAGETYP", "DARK"), ("EXPTIME", 2.5)} <= {(k.name, k.value) for k in read_info(path).keywords}


@pytest.mark.parametrize("codec", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
def test_damage_to_a_tile_compressed_image_is_told_as_such(tmp_path: Path, codec: str) -> None:
    """Whatever astropy and its codecs make of a flipped byte: the frame is read, or refused in words."""
    path = tmp_path / "frame.fits.fz"
    pixels = np.random.default_rng(1).normal(500, 9, (24, 40)).astype(np.uint16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, compression_type=codec)]).writeto(path)
    whole = path.read_bytes()
    told = 0
    for place in range(2880, len(whole), 83):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_image(path)
        except UnreadableImage as refusal:
            told += "frame.fits.fz" in str(refusal)

    assert told > 3


@pytest.mark.parametrize(
    ("cards", "sample", "expected"),
    [
        pytest.param(["BZERO   = 32768.000000", "BSCALE  = 1.000000"], "uint16", [0, 32768, 65535], id="float BZERO"),
        pytest.param(["BZERO   = 3.2768E4"], "uint16", [0, 32768, 65535], id="BZERO with an exponent"),
        pytest.param([], "int16", [-32768, 0, 32767], id="BZERO absent"),
        pytest.param(["BZERO   = 0.E0", "BSCALE  = 1.0"], "int16", [-32768, 0, 32767], id="BZERO nought"),
        pytest.param(["BSCALE  = 0.5", "BZERO   = 100"], "float32", [-16284, 100, 16483.5], id="BSCALE"),
        pytest.param(["BZERO   = 1000"], "float32", [-31768, 1000, 33767], id="odd BZERO"),
    ],
)
def test_samples_are_physical(tmp_path: Path, cards: list[str], sample: str, expected: list[float]) -> None:
    """BZERO and BSCALE are applied, as integers or floats, however the program wrote them."""
    stored = np.array([[-32768, 0, 32767]], ">i2")
    path = fits_file(tmp_path / "frame.fit", stored, *cards, bitpix=16)

    info, found = read_image(path)

    assert info.sample == sample
    np.testing.assert_array_equal([[expected]], found)


def test_signed_bytes_are_read(tmp_path: Path) -> None:
    """BITPIX 8 with BZERO -128 is a signed byte."""
    path = fits_file(tmp_path / "f.fits", np.array([[0, 128, 255]], np.uint8), "BZERO   = -128", bitpix=8)

    info, found = read_image(path)

    assert info.sample == "int8"
    np.testing.assert_array_equal([[[-128, 0, 127]]], found)


def test_axes_of_length_one_are_not_channels(tmp_path: Path) -> None:
    """Some programs write four axes, the last of length one."""
    stored = np.arange(24, dtype=">i2").reshape(1, 1, 4, 6)
    path = fits_file(tmp_path / "f.fits", stored, bitpix=16)

    info, found = read_image(path)

    assert (info.channels, info.height, info.width) == (1, 4, 6)
    np.testing.assert_array_equal(stored[0], found)


def test_keywords_of_an_empty_primary_header_belong_to_the_image(tmp_path: Path) -> None:
    """What the extension says itself goes first; how the primary is stored is not carried over."""
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = "ISIS"
    primary.header["EXPTIME"] = 1.0
    image = fits.ImageHDU(np.zeros((4, 4), np.uint16))
    image.header["EXPTIME"] = 2.0
    fits.HDUList([primary, image, fits.ImageHDU(np.zeros((2, 2), np.uint8))]).writeto(tmp_path / "f.fits")

    info = read_info(tmp_path / "f.fits")

    values = [(k.name, k.value) for k in info.keywords if k.name in {"INSTRUME", "EXPTIME", "NAXIS"}]
    assert values == [("NAXIS", 2), ("EXPTIME", 2.0), ("INSTRUME", "ISIS")]
    assert info.images == 2
    assert info.format is ImageFormat.FITS


def test_stored_says_where_the_samples_are(tmp_path: Path) -> None:
    """A reader that wants the bytes in place finds every sample by its strides."""
    pixels = np.random.default_rng(2).integers(0, 65535, (3, 6, 5)).astype(np.uint16)
    fits.PrimaryHDU(pixels).writeto(tmp_path / "f.fits")

    with open_image(tmp_path / "f.fits") as image:
        stored = image.stored
    assert stored is not None

    strides = (stored.channel_stride, stored.row_stride, stored.sample_stride)
    raw = np.ndarray(pixels.shape, stored.dtype, stored.path.read_bytes(), stored.offset, strides)
    np.testing.assert_array_equal(pixels, raw * stored.scale + stored.zero)


def test_samples_that_were_decompressed_lie_nowhere(tmp_path: Path) -> None:
    """Nobody else can read them in place."""
    fits.PrimaryHDU(np.zeros((4, 5), np.uint16)).writeto(tmp_path / "f.fits.gz")

    with open_image(tmp_path / "f.fits.gz") as image:
        assert image.stored is None


def test_the_header_of_a_gzipped_image_needs_no_pixels(tmp_path: Path) -> None:
    """The stream may even break off after the header: it is not decompressed further."""
    noise = np.random.default_rng(3).integers(0, 65535, (200, 200)).astype(np.uint16)
    fits.PrimaryHDU(noise).writeto(tmp_path / "f.fits.gz")
    packed = (tmp_path / "f.fits.gz").read_bytes()
    (tmp_path / "f.fits.gz").write_bytes(packed[: len(packed) // 2])

    assert read_info(tmp_path / "f.fits.gz").width == 200
    with pytest.raises(UnreadableImage, match="incomplete gzip file"):
        read_image(tmp_path / "f.fits.gz")


def test_a_gzipped_image_that_was_damaged_is_refused(tmp_path: Path) -> None:
    """Gzip's own checksum is verified to the end of the file."""
    packed = bytearray(
        gzip.compress(
            fits_header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 2880", "NAXIS2 = 1") + bytes(2880)
        )
    )
    packed[-6] ^= 1
    (tmp_path / "f.fits.gz").write_bytes(packed)

    with pytest.raises(UnreadableImage, match="damaged or incomplete gzip file"):
        read_image(tmp_path / "f.fits.gz")


def _summed(path: Path, pixels: NDArray[Any], kind: str) -> Path:
    """Write an image with DATASUM and CHECKSUM, as astropy does; ``kind`` says where and how it is stored."""
    hdus: list[Any] = [fits.PrimaryHDU(pixels)]
    if kind == "extension":
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels)]
    elif kind == "tiled":
        hdus = [fits.PrimaryHDU(), fits.CompImageHDU(pixels)]
    fits.HDUList(hdus).writeto(path, checksum=True)
    return path


@pytest.mark.parametrize("kind", ["primary", "extension", "tiled", "gzipped"])
def test_one_changed_bit_of_an_image_with_datasum_is_noticed(tmp_path: Path, kind: str) -> None:
    """The sum is that of the data as they stand in the file, of more than one piece; without it nothing is noticed."""
    noise = np.random.default_rng(5).integers(0, 65535, (700, 901)).astype(np.uint16)
    path = _summed(tmp_path / "f.fits", noise, kind)
    _same(noise[None], read_image(path)[1])
    data = bytearray(path.read_bytes())
    data[-5000] ^= 4
    path.write_bytes(gzip.compress(data) if kind == "gzipped" else data)

    for reading in (read_image, open_image):
        with pytest.raises(ChecksumMismatch, match="has changed since it was written: its DATASUM does not hold"):
            reading(path)
    if kind != "tiled":
        with open_image(path, datasum=False) as image:
            assert image.info.width == 901


@pytest.mark.parametrize("value", [None, "''", "'0       '", "'   '", "'unknown'", "0", "'{}'", "{}"])
def test_what_says_nothing_of_its_sum_is_read(tmp_path: Path, value: str | None) -> None:
    """DATASUM may be absent, blank, no number, or the 0 that some write before they know better; or simply hold."""
    data = np.arange(100, dtype=">i2").tobytes()
    words = np.frombuffer(data, ">u4").sum(dtype=np.uint64)  # no carries as yet
    cards = () if value is None else (f"DATASUM = {value.format(words)}",)
    header = fits_header("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 10", "NAXIS2 = 10", *cards)
    (tmp_path / "f.fits").write_bytes(header + data)  # without the padding, too

    assert read_image(tmp_path / "f.fits")[1].sum() == 4950


def _frame(*cards: str) -> bytes:
    return fits_header("SIMPLE  = T", *cards) + bytes(2880)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="zero bytes"),
        pytest.param(b"JFIF not an image at all", "neither FITS nor XISF", id="another format"),
        pytest.param(gzip.compress(b"text"), "not FITS", id="gzipped text"),
        pytest.param(b"\x1f\x8b", "gzip", id="gzip magic only"),
        pytest.param(b"SIMPLE  = T", "without END", id="first card only"),
        pytest.param(fits_header("SIMPLE  = T", "BITPIX  = 16", end=False), "without END", id="header without END"),
        pytest.param(fits_header("SIMPLE  = T", end=False) * 40, "without END", id="long header without END"),
        pytest.param(_frame("BITPIX  = 16", "NAXIS   = 0"), "no two-dimensional image", id="no axes"),
        pytest.param(_frame("BITPIX  = 16", "NAXIS   = 1", "NAXIS1  = 5"), "no two-dimensional", id="one axis"),
        pytest.param(_frame("BITPIX  = 16"), "NAXIS = None", id="NAXIS missing"),
        pytest.param(_frame("BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 5"), "NAXIS2 = None", id="axis missing"),
        pytest.param(
            _frame("BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 5", "NAXIS2  = -3"), "NAXIS2 = -3", id="negative"
        ),
        pytest.param(_frame("BITPIX  = 12", "NAXIS   = 2", "NAXIS1  = 5", "NAXIS2  = 3"), "BITPIX 12", id="BITPIX"),
        pytest.param(
            _frame("BITPIX  = 'x'", "NAXIS   = 2", "NAXIS1  = 5", "NAXIS2  = 3"), "BITPIX x", id="BITPIX text"
        ),
        pytest.param(_frame("BITPIX  = 16", "NAXIS   = 99999"), "NAXIS 99999", id="axes without number"),
        pytest.param(
            _frame("BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 5", "NAXIS2  = 3", "BZERO   = 'many'"), "BZERO", id="BZERO"
        ),
        pytest.param(
            _frame("BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 999999", "NAXIS2  = 999999"), "cut short", id="absurd size"
        ),
        pytest.param(
            _frame("BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 2881", "NAXIS2  = 1"), "cut short", id="one byte short"
        ),
    ],
)
def test_a_file_that_is_no_image_is_refused_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    """Header and whole image alike say what is wrong, and with which file."""
    path = tmp_path / "frame with ünicode.fits"
    path.write_bytes(content)

    for read in (read_info, open_image, read_image):
        with pytest.raises(UnreadableImage, match=message) as refusal:
            read(path)
        assert refusal.value.path == path


def test_a_header_may_be_filled_with_zero_bytes(tmp_path: Path) -> None:
    """Not as the standard has it, but the header is whole."""
    path = fits_file(tmp_path / "f.fits", np.array([[1, 2]], ">i2"), bitpix=16)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"END" + b" " * 77, b"END" + bytes(77)))

    assert path.read_bytes() != content
    assert read_image(path)[1].tolist() == [[[1, 2]]]


def test_an_image_without_padding_is_whole(tmp_path: Path) -> None:
    """Some programs do not fill the last block; no sample is missing."""
    path = tmp_path / "f.fits"
    path.write_bytes(_frame("BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 100", "NAXIS2  = 1")[: 2880 + 100])

    assert read_image(path)[1].shape == (1, 1, 100)


def test_what_follows_the_image_may_be_damaged(tmp_path: Path) -> None:
    """An image that is whole is read, whatever stands behind it."""
    path = tmp_path / "f.fits"
    frame = _frame("BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 2880", "NAXIS2  = 1")

    for rubbish in (b"x", b"XTENSION= 'IMAGE'", bytes(5000)):
        path.write_bytes(frame + rubbish)
        assert read_image(path)[0].images == 1


@given(st.binary(max_size=200), st.integers(0, 2880))
@settings(deadline=None)
def test_no_damage_ends_in_another_exception(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, position: int
) -> None:
    """Whatever bytes stand in a header, the file is read or refused; nothing else happens."""
    frame = bytearray(_frame("BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 30", "NAXIS2  = 20", "BZERO   = 32768"))
    frame[position : position + len(damage)] = damage
    path = tmp_path_factory.mktemp("damaged") / "f.fits"
    path.write_bytes(frame)

    try:
        info, pixels = read_image(path)
    except UnreadableImage:
        return
    assert pixels.shape == (info.channels, info.height, info.width)


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    """As is a folder of that name."""
    (tmp_path / "folder.fits").mkdir()

    for name in ("none.fits", "folder.fits"):
        with pytest.raises(UnreadableImage, match=r"cannot be read: .*; check the path"):
            read_info(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user who may not read everything")
def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    """The reason is the system's, the advice ours."""
    fits_file(tmp_path / "f.fits", np.ones((1, 2), ">i2"), bitpix=16).chmod(0)

    with pytest.raises(UnreadableImage, match=r"Permission denied; check the path, its permissions"):
        read_info(tmp_path / "f.fits")


@pytest.mark.parametrize(
    ("name", "sample", "expected"),
    [
        ("oscaar_tres1/tres1-001d.fit", "uint16", (103, 158, 59172)),
        ("oscaar_tres1/tres1-010d.fit", "uint16", (86, 148, 59227)),
        ("msfc_ccd/ESIS1_00099.fit.gz", "uint16", (3359, 3567, 5687)),
        ("msfc_ccd/ESIS1_04860.fit.gz", "uint16", (3418, 3606.5, 3818)),
        ("msumastro/maximdl_5_21_header.fit", "float32", (-251.206, 31.5322, 314.915)),
        ("msumastro/maximdl_6_16_header.fit", "uint16", (3059, 3174, 3586)),
        ("msumastro/neon-on-dome-10-sec-high-res-though-scope.fit", "uint16", (0, 100, 661)),
    ],
)
def test_real_frames_are_read(realdata: Path, name: str, sample: str, expected: tuple[float, ...]) -> None:
    """Minimum, median and maximum of cameras' own files; float BZERO and gzip among them."""
    info, pixels = read_image(realdata / name)

    assert info.sample == sample
    assert (pixels.min(), np.median(pixels), pixels.max()) == pytest.approx(expected, rel=1e-5)
