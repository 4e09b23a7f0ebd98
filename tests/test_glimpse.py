"""What a few rows of a frame tell before it is integrated: its level, and that of every colour of a mosaic."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from ap_masters import headers, images
from ap_masters.config import FlatSettings, QualitySettings
from ap_masters.glimpse import glimpses
from ap_masters.model import Frame, FrameType, ImageInfo
from ap_masters.quality.single_frames import faint_colours, saturation, unfit
from tests.builders import nina_keywords, noisy, write_frame

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

    assert aside.detail == "the median of its blue pixels is 62,258 ADU (95 % of full scale), above the limit of 90 %"


def test_a_colour_that_is_dark_is_told_and_kept(tmp_path: Path) -> None:
    """Hydrogen alpha on a colour camera leaves blue dark; the flat is of use all the same."""
    path = write_frame(tmp_path / "a.fits", mosaic(0.5, 0.1, 0.01), IMAGETYP="FLAT", BAYERPAT="RGGB")
    frame = frame_of(path)
    seen = glimpses([frame])

    warning = faint_colours(FLAT, seen, FlatSettings())

    assert unfit(FLAT, [frame], seen, *SETTINGS) == ()
    assert warning is not None
    assert "blue 655 ADU (0.999 % of full scale)" in warning
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
    pixels = noisy(1, level=30000, shape=(64, 96)).astype(np.float32)
    pixels[::5, 7] = np.nan
    path = tmp_path / "hole.fits"
    images.write_image(path, pixels, nina_keywords(IMAGETYP="FLAT"), image_type="Flat")

    (seen,) = glimpses([frame_of(path)])

    assert seen is not None
    assert seen.peak < 0.5
    assert saturation([seen], FlatSettings()) == 1


def test_a_frame_that_cannot_be_read_is_left_to_the_engine(tmp_path: Path) -> None:
    """Nothing is said of it here, and nothing breaks."""
    path = write_frame(tmp_path / "a.fits", IMAGETYP="FLAT")
    frame = frame_of(path)
    path.unlink()

    assert glimpses([frame]) == [None]
    assert unfit(FLAT, [frame], [None], *SETTINGS) == ()


# --- what is no frame of its type ---


def flat_of(seed: int, level: float, *, white: int = 65535, step: int = 1, sigma: float = 60.0) -> NDArray[np.uint16]:
    """Return a vignetted flat of a camera whose counts end at ``white`` and come in steps of ``step``."""
    y, x = np.mgrid[-1:1:130j, -1:1:200j]
    light = level * (1 - 0.15 * (x**2 + y**2)) + np.random.default_rng(seed).normal(0, sigma, (130, 200))
    counts: NDArray[np.uint16] = (np.rint(light / step) * step).clip(0, white).astype(np.uint16)
    return counts


def judged(folder: Path, frames: list[NDArray[Any]], **cards: Any) -> list[str]:
    """Return why each of these frames is dropped, "" for those that stay."""
    paths = [write_frame(folder / f"{number}.fits", pixels, **cards) for number, pixels in enumerate(frames)]
    found = [frame_of(path) for path in paths]
    kind = found[0].type
    assert kind is not None
    dropped = {aside.path: aside.detail for aside in unfit(kind, found, glimpses(found), *SETTINGS)}
    return [dropped.get(path, "") for path in paths]


@pytest.mark.parametrize(
    ("white", "step"), [(16383, 1), (4095, 1), (65532, 4), (65520, 16)], ids=["14", "12", "14 scaled", "12 scaled"]
)
def test_flats_saturated_below_65535_are_dropped(tmp_path: Path, white: int, step: int) -> None:
    """A camera of 12 or 14 bits ends below full scale: many samples stand there, in every frame, and none above."""
    frames = [flat_of(seed, 1.02 * white, white=white, step=step) for seed in range(2)]
    frames.append(flat_of(3, 0.6 * white, white=white, step=step))  # taken later, in twilight

    first, second, third = judged(tmp_path, frames, IMAGETYP="FLAT")

    for detail in (first, second):
        assert "of its samples are saturated (limit 0.10%)" in detail
        assert f"they stand at {white:,} ADU, and none above" in detail
    assert third == ""


@pytest.mark.parametrize(("level", "white", "hinted"), [(1300, 4095, True), (1300, 65535, False), (1600, 4095, False)])
def test_a_dark_flat_group_may_be_one_of_a_camera_of_12_bits(
    tmp_path: Path, level: int, white: int, hinted: bool
) -> None:
    """S3-21: a third of full well is 2 % of 65535 there; nothing in a header tells, so the setting is named."""
    frame = flat_of(1, level, white=white)
    frame[3, 5] = white  # a hot pixel

    (detail,) = judged(tmp_path, [frame], IMAGETYP="FLAT")

    assert ("12 bits" in detail) is hinted
    assert ("of full scale), below the limit of 2 % (flat.drop_below)" in detail) is (level < 1500)


def test_sound_flats_are_not_taken_for_saturated(tmp_path: Path) -> None:
    """Coarse counts with many samples on the greatest value, or hot pixels at white, are no saturation."""
    coarse = [flat_of(seed, 30000, step=257, sigma=200) for seed in range(3)]  # 8 bits
    dull = [flat_of(seed, 1600, sigma=0.4) for seed in range(3)]  # of 12 bits, with hardly any noise
    hot = [flat_of(seed, 8000) for seed in range(3)]
    for frame in hot:
        frame[7::40, 11::50] = 16383

    assert judged(tmp_path / "coarse", coarse, IMAGETYP="FLAT") == ["", "", ""]
    assert judged(tmp_path / "dull", dull, IMAGETYP="FLAT") == ["", "", ""]
    assert judged(tmp_path / "hot", hot, IMAGETYP="FLAT") == ["", "", ""]


def test_hot_pixels_are_no_saturation_whatever_the_limit(tmp_path: Path) -> None:
    """A limit of nothing at all is for what is saturated, not for the greatest sample of each frame."""
    pixels = np.tile(flat_of(1, 8000), (1, 10))
    pixels[64, 7] = 16383
    frame = frame_of(write_frame(tmp_path / "0.fits", pixels, IMAGETYP="FLAT"))

    assert unfit(FLAT, [frame], glimpses([frame]), FlatSettings(saturated_fraction=0), QualitySettings()) == ()


def test_a_half_copied_frame_is_dropped(tmp_path: Path) -> None:
    """Space was made for the whole file, then the copy broke off: the last rows are zero bytes."""
    frames = [noisy(seed, shape=(130, 200)) for seed in range(3)]
    frames[1][100:] = 32768  # zero bytes, as BZERO is 32768

    first, second, third = judged(tmp_path, frames)

    assert (first, third) == ("", "")
    assert second.startswith("about 2")
    assert "hold nothing but zero bytes" in second
    assert "copy it again" in second


@pytest.mark.parametrize("value", [32768, 0, 500], ids=["zero bytes", "zeros", "a constant"])
def test_masked_rows_are_the_cameras_own(tmp_path: Path, value: int) -> None:
    """Rows that hold one value in all frames are masked ones, or overscan."""
    frames = [noisy(seed, shape=(130, 200)) for seed in range(3)]
    for frame in frames:
        frame[-6:] = value

    assert judged(tmp_path, frames) == ["", "", ""]


def test_a_copy_of_three_planes_that_broke_off_in_the_last_one_is_dropped(tmp_path: Path) -> None:
    """Its first two planes are whole. Zero bytes stand for the count that BZERO adds."""
    frames = [np.stack([noisy(3 * i + plane, shape=(130, 200)) for plane in range(3)]) for i in range(3)]
    frames[1][2, 90:] = 32768

    first, second, third = judged(tmp_path, frames, IMAGETYP="DARK")

    assert (first, third) == ("", "")
    assert "a copy that broke off" in second


def test_rows_of_an_offset_of_zero_are_no_broken_copy(tmp_path: Path) -> None:
    """Most of its counts are zero: that a few rows have nothing else is chance."""
    frames = [np.random.default_rng(seed).poisson(0.3, (130, 200)).astype(np.uint16) for seed in range(3)]
    frames[1][-6:] = 0
    paths = [write_frame(tmp_path / f"{i}.xisf", pixels, IMAGETYP="DARK") for i, pixels in enumerate(frames)]
    found = [frame_of(path) for path in paths]

    assert unfit(FrameType.DARK, found, glimpses(found), *SETTINGS) == ()


def test_signed_samples_without_bzero_are_dropped_for_that(tmp_path: Path) -> None:
    """A dark at -32267 ADU: the keyword that makes its samples unsigned is missing."""
    path = tmp_path / "0.fits"
    header = fits.Header([(k.name, k.value) for k in nina_keywords()])
    fits.PrimaryHDU((noisy(1, shape=(130, 200)).astype(np.int32) - 32768).astype(np.int16), header).writeto(path)
    frame = frame_of(path)

    (aside,) = unfit(FrameType.DARK, [frame], glimpses([frame]), *SETTINGS)

    assert "BZERO = 32768 is missing from its header" in aside.detail
    assert "-32,268 ADU" in aside.detail


def test_signed_samples_about_zero_are_no_mistake(tmp_path: Path) -> None:
    """Darks from which a bias was subtracted scatter about zero."""
    path = tmp_path / "0.fits"
    header = fits.Header([(k.name, k.value) for k in nina_keywords()])
    fits.PrimaryHDU(np.random.default_rng(1).normal(-30, 9, (130, 200)).astype(np.int16), header).writeto(path)
    frame = frame_of(path)

    assert unfit(FrameType.DARK, [frame], glimpses([frame]), *SETTINGS) == ()


def lit(red: float, blue: float, level: float = 4000.0) -> NDArray[np.uint16]:
    """Return an RGGB dark of that much light in its green pixels, and of this share of it in red and blue."""
    seen = noisy(1, level=500, sigma=8, shape=(130, 200)).astype(float)
    light = np.full(seen.shape, level)
    light[0::2, 0::2] *= red
    light[1::2, 1::2] *= blue
    counts: NDArray[np.uint16] = np.rint(seen + light).astype(np.uint16)
    return counts


def test_a_dark_that_saw_light_through_colour_filters_is_dropped(tmp_path: Path) -> None:
    """Far below a tenth of full scale, and all frames alike: the pattern of the colours gives it away."""
    details = judged(tmp_path, [lit(0.6, 0.8)] * 3, BAYERPAT="RGGB")

    for detail in details:
        assert detail.startswith("its pixels of 2 x 2 have medians of ")
        assert detail.endswith("as of light through colour filters: it has seen light")


def test_darks_of_three_channels_have_no_phases(tmp_path: Path) -> None:
    """Of a camera's own software, which has interpolated the colours."""
    planes = np.stack([noisy(seed, shape=(130, 200)) for seed in range(3)])

    assert judged(tmp_path, [planes]) == [""]


def test_honest_darks_with_phases_of_their_own_stay(tmp_path: Path) -> None:
    """A warm camera whose rows or columns share amplifiers, black levels by phase, and glow: all without light."""
    warm = noisy(1, level=6000, sigma=40, shape=(130, 200)).astype(float)
    rows, columns, steps, glow = (warm.copy() for _ in range(4))
    rows[0::2] *= 1.3
    columns[:, 0::2] *= 1.3
    steps[0::2, 0::2] += 60
    glow += 20000 * np.exp(-np.hypot(*np.mgrid[0:130, 0:200]) / 40)

    details = judged(tmp_path, [a.astype(np.uint16) for a in (rows, columns, steps, glow)], BAYERPAT="RGGB")

    assert details == ["", "", "", ""]
