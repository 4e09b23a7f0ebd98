"""Bytes by position, and that reading rows reads those rows."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ap_masters.errors import UnreadableImage
from ap_masters.images import SUFFIXES, is_image_name, open_image, without_suffix, write_image
from ap_masters.images.files import PositionalFile
from ap_masters.images.raster import Raster, Samples
from ap_masters.model import ImageFormat, ImageInfo
from tests.images.making import fits_header


class _Counting:
    """A source of nothing but sevens that remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def read_into(self, offset: int, target: memoryview) -> int:
        self.asked.append((offset, len(target)))
        target[:] = b"\7" * len(target)
        return len(target)

    def close(self) -> None:
        self.asked.clear()


def _info(width: int, height: int, channels: int) -> ImageInfo:
    return ImageInfo(Path("f"), ImageFormat.FITS, width, height, channels, "uint16", 65535.0, ())


@pytest.mark.parametrize(
    ("interleaved", "expected"),
    [
        pytest.param(False, [(100 + 2 * 5 * 4, 30), (100 + 2 * 5 * (10 + 4), 30)], id="planar"),
        pytest.param(True, [(100 + 2 * 5 * 2 * 4, 60)], id="interleaved"),
    ],
)
def test_only_the_asked_rows_are_read(interleaved: bool, expected: list[tuple[int, int]]) -> None:
    """One read per channel, or one for all where channels lie side by side."""
    source = _Counting()
    raster = Raster(_info(5, 10, 2), Samples(np.dtype("<u2"), 100, interleaved), source)

    rows = raster.read_rows(4, 7)

    assert source.asked == expected
    assert rows.shape == (2, 3, 5)
    assert (rows == 0x0707).all()


@pytest.mark.skipif(sys.platform == "win32", reason="files are not sparse there unless asked for")
def test_rows_of_a_huge_image_are_read_at_once(tmp_path: Path) -> None:
    """A frame of 20 GB, all hole but for three rows: whoever read it whole would notice."""
    header = fits_header(
        "SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 100000", "NAXIS2  = 100000", "BZERO = 32768"
    )
    path = tmp_path / "huge.fits"
    with path.open("wb") as file:
        file.write(header)
        file.seek(len(header) + 70_000 * 200_000)
        file.write(np.full(300_000, -32768 + 1234, ">i2").tobytes())
        file.truncate(len(header) + 100_000 * 200_000)

    with open_image(path) as image:
        assert (image.read_rows(70_000, 70_003) == 1234).all()


def test_rows_that_are_not_there_cannot_be_read() -> None:
    """It is a mistake of the program, not of the file."""
    raster = Raster(_info(5, 10, 1), Samples(np.dtype("<u2"), 0), _Counting())

    for first, last in ((-1, 3), (4, 11), (5, 4)):
        with pytest.raises(ValueError, match="of an image of 10 rows"):
            raster.read_rows(first, last)


def test_a_file_that_shrinks_while_it_is_open_is_noticed(tmp_path: Path) -> None:
    """As on a network share whose file is being replaced."""
    path = tmp_path / "f.fits"
    write_image(path, np.ones((100, 100), np.uint16), image_type="Dark")

    with open_image(path) as image:
        with path.open("r+b") as file:
            file.truncate(10_000)
        with pytest.raises(UnreadableImage, match="bytes of pixels are missing"):
            image.read_rows(0, 100)


@pytest.mark.parametrize("positional", [None, False], ids=["as the system can", "with a lock"])
def test_threads_share_a_file(tmp_path: Path, positional: bool | None) -> None:
    """Reads and writes of several threads do not get in each other's way, on Windows neither."""
    raw = (tmp_path / "f").open("w+b", buffering=0)
    file = PositionalFile(raw) if positional is None else PositionalFile(raw, positional_calls=positional)
    blocks = {n * 1000: bytes([n]) * 1000 for n in range(100)}
    barrier = threading.Barrier(4)

    def work(part: int) -> bool:
        barrier.wait()
        same = True
        for offset in list(blocks)[part::4]:
            file.write(offset, memoryview(blocks[offset]))
            found = bytearray(1000)
            same &= file.read_into(offset, memoryview(found)) == 1000 and found == blocks[offset]
        return same

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    tail = bytearray(1500)
    assert file.read_into(99_000, memoryview(tail)) == 1000
    file.close()
    assert (tmp_path / "f").read_bytes() == b"".join(blocks.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[(f"frame{suffix}", True) for suffix in sorted(SUFFIXES)],
        ("Frame 1.FITS", True),
        ("Größe.Fit.GZ", True),
        ("frame.xisf.part", False),
        ("frame.tiff", False),
        ("frame.gz", False),
        ("fits", False),
    ],
)
def test_images_are_known_by_their_suffix(name: str, expected: bool) -> None:
    """In small and capital letters."""
    assert is_image_name(Path(name)) is expected


@pytest.mark.parametrize("suffix", [*sorted(SUFFIXES), ".FITS.GZ"])
def test_the_whole_suffix_comes_off_a_name(suffix: str) -> None:
    """Both parts of it, and nothing that only looks like one."""
    assert without_suffix(f"masterDark_1.5s{suffix}") == "masterDark_1.5s"
    assert without_suffix("masterDark_1.5s.gz") == "masterDark_1.5s.gz"
