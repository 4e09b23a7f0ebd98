"""XISF images: every storage the specification allows reads as the samples that were put in."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from ap_masters.errors import ChecksumMismatch, UnreadableImage
from ap_masters.images import open_image, read_image, read_info
from ap_masters.model import ImageFormat, Keyword
from tests.images.making import Packing, XisfImage, write_xisf, xisf_file, xisf_image

FORMATS = {
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "float32": "Float32",
    "float64": "Float64",
}
CHECKSUMS = ["sha1", "sha-1", "sha256", "sha-256", "sha512", "sha-512", "sha3-256", "sha3-512"]
_PLAIN = Packing()
GREY = np.arange(12, dtype=np.uint16).reshape(1, 3, 4)


def _image(
    pixels: NDArray[Any],
    packing: Packing = _PLAIN,
    *,
    big: bool = False,
    normal: bool = False,
    **changes: str,
) -> XisfImage:
    """Return an Image element for (channels, height, width)."""
    channels, height, width = pixels.shape
    attributes = {"geometry": f"{width}:{height}:{channels}", "sampleFormat": FORMATS[str(pixels.dtype)]}
    if pixels.dtype.kind == "f":
        attributes["bounds"] = "0:1"
    if big:
        attributes["byteOrder"] = "big"
    if normal:
        attributes["pixelStorage"] = "Normal"
    stored = pixels.transpose(1, 2, 0) if normal else pixels
    inner = changes.pop("inner", "")
    return xisf_image(
        stored.astype(pixels.dtype.newbyteorder(">" if big else "<")), packing, attributes | changes, inner
    )


_ARRAYS = st.sampled_from(list(FORMATS)).flatmap(
    lambda name: st_numpy.arrays(name, st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 9)))
)
_PACKINGS = st.builds(
    Packing,
    location=st.sampled_from(["attachment", "embedded", "inline"]),
    encoding=st.sampled_from(["base64", "hex"]),
    codec=st.sampled_from(["", "zlib", "lz4", "lz4hc", "zstd"]),
    shuffle=st.booleans(),
    subblock=st.sampled_from([0, 1, 7, 64]),
    checksum=st.sampled_from(["", *CHECKSUMS]),
)


@given(_ARRAYS, _PACKINGS, st.booleans(), st.booleans(), st.integers(0, 2), st.data())
@settings(max_examples=150, deadline=None)
def test_samples_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory,
    pixels: NDArray[Any],
    packing: Packing,
    big: bool,
    normal: bool,
    trailing: int,
    data: st.DataObject,
) -> None:
    """Format, location, encoding, codec, shuffling, sub-blocks, checksum, byte order and storage, in any mixture."""
    path = xisf_file(
        tmp_path_factory.mktemp("xisf") / "image.XISF",
        _image(pixels, packing, big=big, normal=normal),
        trailing=trailing,
    )

    info, found = read_image(path)

    assert found.dtype == pixels.dtype
    assert np.dtype(found.dtype).isnative
    np.testing.assert_array_equal(pixels, found)
    assert info == read_info(path)
    assert (info.format, info.channels, info.height, info.width) == (ImageFormat.XISF, *pixels.shape)
    first = data.draw(st.integers(0, info.height))
    last = data.draw(st.integers(first, info.height))
    with open_image(path) as image:
        np.testing.assert_array_equal(pixels[:, first:last], image.read_rows(first, last))
        assert (image.stored is not None) == (packing.location == "attachment" and not packing.codec)
        if image.stored is not None:
            strides = image.stored.channel_stride, image.stored.row_stride, image.stored.sample_stride
            raw = np.ndarray(pixels.shape, image.stored.dtype, path.read_bytes(), image.stored.offset, strides)
            np.testing.assert_array_equal(pixels, raw)


@pytest.mark.parametrize("location", ["attachment", "embedded"])
@pytest.mark.parametrize("codec", ["", "zstd"])
@pytest.mark.parametrize("checksum", CHECKSUMS)
def test_one_changed_bit_is_noticed(tmp_path: Path, location: str, codec: str, checksum: str) -> None:
    """The checksum is verified before anything is decompressed or given out."""
    image = _image(GREY, Packing(location, codec=codec, checksum=checksum))
    damaged = bytearray(image.data)
    damaged[len(damaged) // 2] ^= 0x10
    path = xisf_file(tmp_path / "image.xisf", image._replace(data=bytes(damaged)))

    assert read_info(path).width == 4
    for read in (open_image, read_image):
        with pytest.raises(ChecksumMismatch, match="has changed since it was written"):
            read(path)


def test_the_checksum_covers_the_whole_block(tmp_path: Path) -> None:
    """Even the bytes behind the last sample, and more than one piece of reading."""
    pixels = np.zeros((1, 1100, 1000), np.uint16)
    path = xisf_file(tmp_path / "image.xisf", _image(pixels, Packing(checksum="sha1")))
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")

    with pytest.raises(ChecksumMismatch):
        open_image(path)


def test_an_unknown_checksum_cannot_be_trusted(tmp_path: Path) -> None:
    """What cannot be verified is refused."""
    path = xisf_file(tmp_path / "image.xisf", _image(GREY, checksum="crc32:00000000"))

    with pytest.raises(UnreadableImage, match="unknown kind 'crc32'"):
        open_image(path)


def test_the_integration_of_several_images_is_read(tmp_path: Path) -> None:
    """WBPP's masters hold rejection maps too; the master is called "integration", wherever it stands."""
    maps = [
        _image(np.full((1, 2, 2), value, np.float32), id=name) for name, value in [("rejection_low", 0.5), ("b", 1)]
    ]
    master = _image(np.full((1, 2, 2), 0.25, np.float32), id="integration", imageType="MasterDark")

    info, pixels = read_image(xisf_file(tmp_path / "master.xisf", maps[0], master, maps[1]))

    assert (info.images, info.image_type, float(pixels.max())) == (3, "MasterDark", 0.25)
    assert read_image(xisf_file(tmp_path / "maps.xisf", *maps))[1].max() == 0.5


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        pytest.param("0:1", [0, 16384, 65535, -3], id="unit"),
        pytest.param("0:65535", [0, 0.25000381475, 1, -3 / 65535], id="counts"),
        pytest.param("-1:3", [0.25, 4096.25, 16384, -0.5], id="below zero"),
    ],
)
def test_bounds_are_brought_to_unit(tmp_path: Path, bounds: str, expected: list[float]) -> None:
    """PixInsight rescales floats by their bounds when it loads them; nothing is clipped here."""
    pixels = np.array([[[0, 16384, 65535, -3]]], np.float32)

    info, found = read_image(xisf_file(tmp_path / "i.xisf", _image(pixels, bounds=bounds)))

    assert info.full_scale is None
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-6)


def test_floats_without_bounds_are_taken_for_unit(tmp_path: Path) -> None:
    """The specification demands bounds; a file without them is read nevertheless."""
    image = _image(np.array([[[0.5]]], np.float32))
    del image.attributes["bounds"]

    assert read_image(xisf_file(tmp_path / "i.xisf", image))[1].item() == 0.5


def test_keywords_become_plain_values(tmp_path: Path) -> None:
    """Quotes belong to the notation; a number in quotes (as WBPP writes EXPTIME) is a string."""
    inner = """
      <FITSKeyword name="FILTER" value="'Red     '" comment="Filter name"/>
      <FITSKeyword name="OBSERVER" value="'O''Hara'" comment=""/>
      <FITSKeyword name="EXPTIME" value="'120.00  '" comment="s"/>
      <FITSKeyword name="GAIN" value="100" comment=""/>
      <FITSKeyword name="CCD-TEMP" value="-10.5" comment=""/>
      <FITSKeyword name="EGAIN" value="1.5E-01" comment=""/>
      <FITSKeyword name="SIMPLE" value="T" comment=""/>
      <FITSKeyword name="EXTEND" value="F" comment=""/>
      <FITSKeyword name="OBJECT" value="M 31"/>
      <FITSKeyword name="SET-TEMP" value="" comment="unknown"/>
      <FITSKeyword name="HISTORY" value="" comment="ImageIntegration.numberOfImages: 20"/>
      <FITSKeyword name="COMMENT" value="'put into the value'" comment=""/>
      <FITSKeyword name="telescop" value="'Müller &amp; Söhne'" comment="5 &lt; 6"/>
    """

    info = read_info(xisf_file(tmp_path / "i.xisf", _image(GREY, inner=inner)))

    assert info.keywords == (
        Keyword("FILTER", "Red", "Filter name"),
        Keyword("OBSERVER", "O'Hara"),
        Keyword("EXPTIME", "120.00", "s"),
        Keyword("GAIN", 100),
        Keyword("CCD-TEMP", -10.5),
        Keyword("EGAIN", 0.15),
        Keyword("SIMPLE", True),
        Keyword("EXTEND", False),
        Keyword("OBJECT", "M 31"),
        Keyword("SET-TEMP", None, "unknown"),
        Keyword("HISTORY", None, "ImageIntegration.numberOfImages: 20"),
        Keyword("COMMENT", None, "put into the value"),
        Keyword("TELESCOP", "Müller & Söhne", "5 < 6"),
    )
    assert [type(k.value) for k in info.keywords[3:8]] == [int, float, float, bool, bool]


def test_properties_are_text(tmp_path: Path) -> None:
    """By value, by content, or inline; vectors and attached text are left out."""
    inner = """
      <Property id="Instrument:ExposureTime" type="Float32" value="300"/>
      <Property id="Instrument:Filter:Name" type="String">Hα</Property>
      <Property id="Long" type="String" location="inline:base64">SMOkbGxv</Property>
      <Property id="Hex" type="String" location="inline:hex">414243</Property>
      <Property id="Broken" type="String" location="inline:base64">!!!</Property>
      <Property id="Vector" type="F64Vector" length="1" location="inline:base64">AAAAAAAA8D8=</Property>
      <Property id="Attached" type="String" location="attachment:1:2"/>
      <ColorFilterArray pattern="GBRG" width="2" height="2"/>
    """
    metadata = '<Metadata><Property id="XISF:CreatorApplication" type="String">PixInsight 1.9.3</Property></Metadata>'

    info = read_info(xisf_file(tmp_path / "i.xisf", _image(GREY, inner=inner), metadata=metadata))

    assert info.properties == (
        ("Instrument:ExposureTime", "300"),
        ("Instrument:Filter:Name", "Hα"),
        ("Long", "Hällo"),
        ("Hex", "ABC"),
        ("XISF:CreatorApplication", "PixInsight 1.9.3"),
        ("PCL:CFASourcePattern", "GBRG"),
    )


def test_a_number_of_thousands_of_digits_is_none_that_python_reads(tmp_path: Path) -> None:
    """It must not end the reading of a whole folder."""
    inner = f'<FITSKeyword name="GAIN" value="{"1" * 5000}" comment=""/>'

    (keyword,) = read_info(xisf_file(tmp_path / "i.xisf", _image(GREY, inner=inner))).keywords

    assert keyword.value == math.inf


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param(_image(GREY, sampleFormat="Complex32"), "'Complex32'; only UInt8", id="complex"),
        pytest.param(_image(GREY, sampleFormat=""), "format ''", id="no format"),
        pytest.param(_image(GREY, geometry="4:3"), "'4:3', which is not width:height:channels", id="two numbers"),
        pytest.param(_image(GREY, geometry="4:0:1"), "4 x 0 x 1", id="nothing high"),
        pytest.param(_image(GREY, geometry="4:-3:1"), "not width:height:channels", id="negative"),
        pytest.param(_image(GREY, geometry="4:3:99999999999"), "not width:height:channels", id="absurd number"),
        pytest.param(_image(GREY, geometry="4:3:99999999"), "the header is damaged", id="absurd channels"),
        pytest.param(_image(GREY, geometry="4:4:1"), "24 bytes .* needs 32", id="more than there is"),
        pytest.param(_image(GREY, Packing("embedded"), geometry="4:4:1"), "24 bytes .* needs 32", id="embedded, more"),
        pytest.param(_image(GREY, Packing(codec="zlib"), geometry="4:4:1"), "declares 24", id="compressed, more"),
        pytest.param(_image(GREY, pixelStorage="Diagonal"), "Diagonal", id="storage"),
        pytest.param(_image(GREY.astype(np.float32), bounds="1:0"), "bounds '1:0'", id="falling bounds"),
        pytest.param(_image(GREY.astype(np.float32), bounds="0:inf"), "bounds '0:inf'", id="infinite bounds"),
        pytest.param(_image(GREY.astype(np.float32), bounds="1"), "bounds '1'", id="one bound"),
        pytest.param(_image(GREY, Packing("embedded", "base91")), "unknown encoding 'base91'", id="encoding"),
        pytest.param(_image(GREY, compression="brotli:24"), "'brotli:24'; only zlib", id="unknown codec"),
        pytest.param(_image(GREY, compression="zlib"), "compressed as 'zlib'", id="size missing"),
        pytest.param(_image(GREY, compression="zlib:24"), "do not decompress", id="not zlib"),
        pytest.param(_image(GREY, compression="lz4:24"), "do not decompress", id="not lz4"),
        pytest.param(_image(GREY, compression="zstd:24"), "do not decompress", id="not zstd"),
        pytest.param(_image(GREY, compression="zlib:24", subblocks="24,0"), "damaged list", id="empty sub-block"),
        pytest.param(_image(GREY, compression="zlib:24", subblocks="nonsense"), "damaged list", id="no sub-blocks"),
        pytest.param(_image(GREY, compression="zlib:24", subblocks="24,23"), "not add up", id="sub-blocks too small"),
        pytest.param(
            _image(GREY, geometry="9999:9999:1", compression="zlib:199960002"), "which cannot be", id="zlib bomb"
        ),
        pytest.param(
            _image(GREY, geometry="99999:99999:1", compression="zstd:19999600002"), "which cannot be", id="zstd bomb"
        ),
    ],
)
def test_an_image_that_contradicts_itself_is_refused(tmp_path: Path, image: XisfImage, message: str) -> None:
    """The message says what was found and what would be right."""
    path = xisf_file(tmp_path / "i.xisf", image)

    with pytest.raises(UnreadableImage, match=message):
        read_image(path)


@pytest.mark.parametrize("codec", ["zlib", "lz4", "zstd"])
@pytest.mark.parametrize("change", [-1, 1])
def test_blocks_that_decompress_to_another_size_are_refused(tmp_path: Path, codec: str, change: int) -> None:
    """No more than the declared size is ever decompressed."""
    image = _image(np.zeros((1, 1, 100 + change), np.uint8), Packing(codec=codec))
    image.attributes["geometry"] = "100:1:1"
    image.extra["compression"] = f"{codec}:100"

    with pytest.raises(UnreadableImage, match=r"pixels that (do not )?decompress"):
        read_image(xisf_file(tmp_path / "i.xisf", image))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param("<xisf", "not valid XML", id="XML"),
        pytest.param("<html/>", "root element 'html'", id="root"),
        pytest.param("<xisf/>", "without an image", id="no image"),
        pytest.param('<xisf><Image geometry="1:1:1" sampleFormat="UInt8"/></xisf>', "pixels at ''", id="no location"),
        pytest.param(
            '<xisf><Image geometry="1:1:1" sampleFormat="UInt8" location="url(http://x/y)"/></xisf>',
            "only pixels inside the file",
            id="elsewhere",
        ),
        pytest.param(
            '<xisf><Image geometry="1:1:1" sampleFormat="UInt8" location="embedded"/></xisf>', "embedded", id="no data"
        ),
        pytest.param(
            '<xisf><Image geometry="1:1:1" sampleFormat="UInt8" location="attachment:16384:99"/></xisf>',
            "cut short: .* byte 16483",
            id="beyond the end",
        ),
        pytest.param(
            '<xisf><Image geometry="1:1:1" sampleFormat="UInt8" location="attachment:0:1"/></xisf>',
            "inside the header",
            id="inside the header",
        ),
        pytest.param('<!DOCTYPE x [<!ENTITY a "b">]><xisf>&a;</xisf>', "document type", id="entities"),
    ],
)
def test_a_header_that_describes_no_image_is_refused(tmp_path: Path, header: str, message: str) -> None:
    """Header and whole image alike say why."""
    path = write_xisf(tmp_path / "i.xisf", header)

    for read in (read_info, read_image):
        with pytest.raises(UnreadableImage, match=message):
            read(path)


@pytest.mark.parametrize("length", [8, 15, 16, 100, 16384, 16400])
def test_a_file_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    """Wherever it breaks off."""
    path = xisf_file(tmp_path / "i.xisf", _image(GREY))
    path.write_bytes(path.read_bytes()[:length])

    with pytest.raises(UnreadableImage, match="cut short"):
        read_info(path)


def test_a_header_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """XISF is UTF-8."""
    path = xisf_file(tmp_path / "i.xisf", _image(GREY))
    path.write_bytes(path.read_bytes().replace(b'version="1.0"', b'version="\xe9.0"', 1))

    with pytest.raises(UnreadableImage, match="not UTF-8"):
        read_info(path)


@given(st.binary(min_size=1, max_size=8), st.integers(0, 500))
@settings(deadline=None)
def test_no_damage_ends_in_another_exception(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, position: int
) -> None:
    """Whatever bytes are changed, the file is read or refused; nothing else happens."""
    path = xisf_file(tmp_path_factory.mktemp("damaged") / "i.xisf", _image(GREY, Packing(codec="lz4", subblock=9)))
    content = bytearray(path.read_bytes())
    content[position : position + len(damage)] = damage
    path.write_bytes(content)

    try:
        info, pixels = read_image(path)
    except (UnreadableImage, ChecksumMismatch):
        return
    assert pixels.shape == (info.channels, info.height, info.width)


# --- real files -------------------------------------------------------------------------------------------

_REAL = [
    pytest.param("XisfSharp/400x300-u16.xisf", (1, 300, 400), "uint16", [32768], id="uint16"),
    pytest.param("XisfSharp/400x300-u16-sha256.xisf", (1, 300, 400), "uint16", [42], id="sha256"),
    pytest.param("XisfSharp/400x300-u16-zlib-shuffle.xisf", (1, 300, 400), "uint16", [42], id="zlib+sh"),
    pytest.param("XisfSharp/400x300-u16-lz4.xisf", (1, 300, 400), "uint16", [42], id="lz4"),
    pytest.param("XisfSharp/400x300-u16-zstd-shuffle.xisf", (1, 300, 400), "uint16", [42], id="zstd+sh"),
    pytest.param("XisfSharp/400x300-f32.xisf", (1, 300, 400), "float32", [0.5], id="float32"),
    pytest.param("XisfSharp/40x30-u16-embedded.xisf", (1, 30, 40), "uint16", [32768], id="embedded"),
    pytest.param("xisfits/xisf-image-gray-256x256-float-32bits.xisf", (1, 255, 255), "float32", [1.0], id="1.8.6"),
    pytest.param(
        "xisfits/xisf-image-rgb-256x256-16bits.xisf", (3, 256, 256), "uint16", [65535, 32768, 16384], id="colour"
    ),
]


@pytest.mark.parametrize(("name", "shape", "sample", "levels"), _REAL)
def test_files_of_pixinsight_are_read(
    realdata: Path, name: str, shape: tuple[int, ...], sample: str, levels: list[float]
) -> None:
    """Every channel of these files is one constant."""
    info, pixels = read_image(realdata / "xisf" / name)

    assert (shape, sample) == (pixels.shape, info.sample)
    for plane, level in zip(pixels, levels, strict=True):
        assert (plane == level).all()
    assert dict(info.properties)["XISF:CreatorApplication"].startswith("PixInsight")


def test_one_changed_byte_in_a_file_of_pixinsight_is_noticed(realdata: Path, tmp_path: Path) -> None:
    """The file N.I.N.A. writes by default has this checksum too."""
    path = tmp_path / "flipped.xisf"
    shutil.copyfile(realdata / "xisf" / "XisfSharp" / "400x300-u16-sha256.xisf", path)
    with path.open("r+b") as file:
        file.seek(4096 + 100_000)
        file.write(b"\x2b")

    with pytest.raises(ChecksumMismatch):
        open_image(path)
