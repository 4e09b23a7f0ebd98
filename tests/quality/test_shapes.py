"""Single frames that are shaped unlike the others of their group."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import headers, images
from ap_masters.glimpse import glimpses
from ap_masters.model import Frame, FrameType
from ap_masters.quality.shapes import unlike_the_others
from tests.builders import write_frame

Pixels = NDArray[np.float64]
Y, X = np.mgrid[0:1:130j, 0:1:200j]
LIMIT = 5.0  # per cent


def frame_of(path: Path) -> Frame:
    info = images.read_info(path)
    return headers.frame_from(info, size=path.stat().st_size, mtime_ns=1)


def warned(folder: Path, frames: Sequence[Pixels], frame_type: FrameType, *, step: int = 1) -> list[str]:
    """Return what is said of these frames, with noise, by a camera whose counts are ``step`` apart."""
    noise = np.random.default_rng(1)
    paths = []
    for number, light in enumerate(frames):
        counts = (np.rint(noise.normal(light, 8.0) / step) * step).clip(0)
        paths.append(write_frame(folder / f"{number}.fits", counts.astype(np.uint16), IMAGETYP=frame_type.value))
    found = [frame_of(path) for path in paths]
    return list(unlike_the_others(frame_type, found, glimpses(found), LIMIT))


def darks(count: int, level: float = 500) -> list[Pixels]:
    """Return darks whose amplifier glows at the right, the same in all of them."""
    return [level + 300 * X**8 for _ in range(count)]


def flats(count: int) -> list[Pixels]:
    """Return vignetted flats of a lamp that fades by a tenth from one to the next."""
    return [20_000 * 0.9**number * (1 - 0.4 * ((X - 0.5) ** 2 + (Y - 0.5) ** 2)) for number in range(count)]


def test_a_dark_into_which_light_leaked_is_named(tmp_path: Path) -> None:
    """Its level is that of the others: light in one corner does not reach the median of all."""
    frames = darks(7)
    frames[3] = frames[3] + 200 * (X < 0.3) * (Y > 0.7)

    (said,) = warned(tmp_path, frames, FrameType.DARK)

    assert "3.fits is shaped unlike the others: " in said
    assert "ADU brighter at the bottom left; light that leaked in" in said


def test_a_flat_with_something_in_the_way_is_named(tmp_path: Path) -> None:
    """That the lamp fades makes no shape."""
    frames = flats(5)
    frames[4] = frames[4] * (1 - 0.12 * (X > 0.7))

    (said,) = warned(tmp_path, frames, FrameType.FLAT)

    assert "4.fits" in said
    assert " % darker at the " in said
    assert "right; a cloud, dew, or something in the way" in said


@pytest.mark.parametrize("step", [1, 4, 16], ids="step {}".format)
@pytest.mark.parametrize(("make", "frame_type"), [(darks, FrameType.DARK), (flats, FrameType.FLAT)])
def test_frames_alike_are_not_spoken_of(
    tmp_path: Path, make: Callable[[int], list[Any]], frame_type: FrameType, step: int
) -> None:
    """Noise, and counts that are scaled up, are no shape."""
    assert warned(tmp_path, make(8), frame_type, step=step) == []


def test_of_bright_darks_the_limit_is_a_share_of_their_level(tmp_path: Path) -> None:
    """Five per cent of 8000 ADU: what would be named among darks of 500 is within it."""
    frames = darks(5, level=8000)
    frames[1] = frames[1] + 200 * (X < 0.3)
    assert warned(tmp_path / "bright", frames, FrameType.DARK) == []

    frames[1] = frames[1] + 400 * (X < 0.3)
    assert len(warned(tmp_path / "brighter", frames, FrameType.DARK)) == 1


def test_what_all_frames_do_is_no_fault_of_one(tmp_path: Path) -> None:
    """Twilight: the gradient turns slowly, by a tenth in the end."""
    frames = [flat * (1 + 0.01 * number * (X - 0.5)) for number, flat in enumerate(flats(10))]

    assert warned(tmp_path, frames, FrameType.FLAT) == []


def test_two_frames_do_not_tell_which_is_odd(tmp_path: Path) -> None:
    """A third one does."""
    frames = darks(2)
    frames[1] = frames[1] + 200 * (X < 0.3)

    assert warned(tmp_path / "two", frames, FrameType.DARK) == []
    assert len(warned(tmp_path / "three", [*frames, *darks(1)], FrameType.DARK)) == 1


def test_frames_without_shape_are_passed_over(tmp_path: Path) -> None:
    """Black flats, tiny frames, and samples that are no numbers, are the business of others."""
    black = [np.zeros_like(X) for _ in range(3)]
    tiny = [np.full((16, 16), 500.0 + 300 * number) for number in range(3)]
    assert warned(tmp_path / "black", black, FrameType.FLAT) == []
    assert warned(tmp_path / "tiny", tiny, FrameType.DARK) == []
    odd = np.full((130, 200), np.nan, np.float32)
    paths = [write_frame(tmp_path / f"{number}.fits", odd, IMAGETYP="DARK") for number in range(3)]
    found = [frame_of(path) for path in paths]
    assert list(unlike_the_others(FrameType.DARK, found, glimpses(found), LIMIT)) == []
