"""What a few rows of a frame tell before it is integrated: its level, and that of every colour of a mosaic."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import headers, images
from ap_masters.config import FlatSettings, QualitySettings
from ap_masters.glimpse import glimpses
from ap_masters.model import Frame, FrameType, ImageInfo
from ap_masters.quality.single_frames import faint_colours, unfit
from tests.builders import nina_keywords, write_frame

FLAT = FrameType.FLAT
SETTINGS = (FlatSettings(), QualitySettings())


def frame_of(path: Path) -> Frame:
    info: ImageInfo = images.read_info(path)
    return headers.frame_from(info, size=path.stat().st_size, mtime_ns=1)


def mosaic(red: float, green: float, blue: float, *, height: int = 66) -> NDArray[np.uint16]:
    """Return an RGGB mosaic of these levels, as fractions of full scale."""
    pixels = np.full((height, 96), green)
    pixels[0::2, 0::2] = red
    pixels[1::2, 1::2] = blue
    counts: NDArray[np.uint16] = np.rint(pixels * 65535).astype(np.uint16)
    return counts


@pytest.mark.parametrize("height", [66, 67, 130, 131], ids="{} rows".format)
def test_every_colour_of_a_mosaic_has_its_level(tmp_path: Path, height: int) -> None:
    """Wherever the bands of rows fall, red stays red."""
    path = write_frame(tmp_path / "a.fits", mosaic(0.2, 0.5, 0.3, height=height), IMAGETYP="FLAT", BAYERPAT="RGGB")

    (seen,) = glimpses([frame_of(path)])

    assert seen is not None
    assert {k: round(v, 3) for k, v in seen.colours.items()} == {"R": 0.2, "G": 0.5, "B": 0.3}


def test_an_offset_of_the_pattern_is_heeded(tmp_path: Path) -> None:
    """XBAYROFF 1 and YBAYROFF 1: the frame begins with what the pattern has last."""
    offset = {"XBAYROFF": 1, "YBAYROFF": 1}
    path = write_frame(tmp_path / "a.fits", mosaic(0.2, 0.5, 0.3), IMAGETYP="FLAT", BAYERPAT="RGGB", **offset)

    (seen,) = glimpses([frame_of(path)])

    assert seen is not None
    assert round(seen.colours["B"], 3) == 0.2


def test_a_colour_that_clips_drops_the_flat_and_is_named(tmp_path: Path) -> None:
    """The median of all pixels is half of full scale; blue, though not quite saturated, is beyond the limit."""
    path = write_frame(tmp_path / "a.fits", mosaic(0.5, 0.5, 0.95), IMAGETYP="FLAT", BAYERPAT="RGGB")
    frame = frame_of(path)

    (aside,) = unfit(FLAT, [frame], glimpses([frame]), *SETTINGS)

    assert aside.detail == "the median of its blue pixels is 62,258 ADU (95.0% of full scale), above the limit of 90%"


def test_a_colour_that_is_dark_is_told_and_kept(tmp_path: Path) -> None:
    """Hydrogen alpha on a colour camera leaves blue dark; the flat is of use all the same."""
    path = write_frame(tmp_path / "a.fits", mosaic(0.5, 0.1, 0.01), IMAGETYP="FLAT", BAYERPAT="RGGB")
    frame = frame_of(path)
    seen = glimpses([frame])

    warning = faint_colours(FLAT, seen, FlatSettings())

    assert unfit(FLAT, [frame], seen, *SETTINGS) == ()
    assert warning is not None
    assert "blue 655 ADU (1.0% of full scale)" in warning
    assert faint_colours(FrameType.DARK, seen, FlatSettings()) is None


def test_a_grey_flat_has_no_colours(tmp_path: Path) -> None:
    """Nothing is said about colours where there are none."""
    path = write_frame(tmp_path / "a.fits", mosaic(0.5, 0.5, 0.01), IMAGETYP="FLAT")
    seen = glimpses([frame_of(path)])

    assert seen[0] is not None
    assert not seen[0].colours
    assert faint_colours(FLAT, seen, FlatSettings()) is None


@pytest.mark.parametrize(("scale", "unit"), [(1.0, "fractions"), (65535.0, "counts")], ids=["fractions", "counts"])
def test_float_frames_have_the_same_level_in_either_scale(tmp_path: Path, scale: float, unit: str) -> None:
    """Flats that PixInsight saved anew are fractions of full scale; others are counts as floats."""
    pixels = (np.random.default_rng(1).normal(0.5, 0.01, (64, 96)) * scale).astype(np.float32)
    path = tmp_path / f"{unit}.fits"
    images.write_image(path, pixels, nina_keywords(IMAGETYP="FLAT"), image_type="Flat")
    frame = frame_of(path)

    (seen,) = glimpses([frame])

    assert seen is not None
    assert seen.level == pytest.approx(0.5, abs=1e-3)
    assert unfit(FLAT, [frame], [seen], *SETTINGS) == ()


def test_a_sample_that_is_no_number_hides_no_scale(tmp_path: Path) -> None:
    """Counts with a hole are counts, not samples that are all saturated; the engine will tell of the hole."""
    pixels = np.full((64, 96), 30000, np.float32)
    pixels[::5, 7] = np.nan
    path = tmp_path / "hole.fits"
    images.write_image(path, pixels, nina_keywords(IMAGETYP="FLAT"), image_type="Flat")

    (seen,) = glimpses([frame_of(path)])

    assert seen is not None
    assert seen.saturated == 0


def test_a_frame_that_cannot_be_read_is_left_to_the_engine(tmp_path: Path) -> None:
    """Nothing is said of it here, and nothing breaks."""
    path = write_frame(tmp_path / "a.fits", IMAGETYP="FLAT")
    frame = frame_of(path)
    path.unlink()

    assert glimpses([frame]) == [None]
    assert unfit(FLAT, [frame], [None], *SETTINGS) == ()
