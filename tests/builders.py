"""Builders of small frames, headers and files; plain functions, so that hypothesis tests can use them too."""

import re
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters.model import Frame, FrameType, ImageFormat, ImageInfo, Keyword

NINA_DARK: Mapping[str, str | int | float] = {
    "IMAGETYP": "DARK",
    "EXPOSURE": 300.0,
    "EXPTIME": 300.0,
    "DATE-LOC": "2026-01-29T22:00:00.000",
    "DATE-OBS": "2026-01-29T21:00:00.000",
    "XBINNING": 1,
    "YBINNING": 1,
    "GAIN": 100,
    "OFFSET": 50,
    "EGAIN": 0.25,
    "XPIXSZ": 3.76,
    "YPIXSZ": 3.76,
    "INSTRUME": "ZWO ASI2600MM Pro",
    "SET-TEMP": -10.0,
    "CCD-TEMP": -10.0,
    "READOUTM": "Low Noise",
    "USBLIMIT": 40,
    "TELESCOP": "RedCat 51",
    "FOCALLEN": 250.0,
    "ROWORDER": "TOP-DOWN",
    "SWCREATE": "N.I.N.A. 3.2.0.9001 (x64)",
}
"""What N.I.N.A. 3.2 writes on a dark, in its own spelling and order."""


def nina_keywords(**changes: str | int | float | None) -> tuple[Keyword, ...]:
    """Return a N.I.N.A. dark's keywords with changes; ``SET_TEMP=-5`` changes SET-TEMP, None leaves a card out."""
    cards = dict(NINA_DARK) | {name.replace("_", "-"): value for name, value in changes.items()}
    return tuple(Keyword(name, value) for name, value in cards.items() if value is not None)


def make_info(**changes: Any) -> ImageInfo:
    """Return the header of a small N.I.N.A. dark with the fields in ``changes`` replaced."""
    info = ImageInfo(
        path=Path("night/dark.fits"),
        format=ImageFormat.FITS,
        width=16,
        height=12,
        channels=1,
        sample="uint16",
        full_scale=65535.0,
        keywords=nina_keywords(),
    )
    return info._replace(**changes)


def make_frame(frame_type: FrameType | None = FrameType.DARK, **changes: Any) -> Frame:
    """Return a frame with everything known, of a cooled mono camera, with the fields in ``changes`` replaced."""
    fields: dict[str, Any] = {
        "path": Path("night/frame.fits"),
        "format": ImageFormat.FITS,
        "size": 2880 * 3,
        "mtime_ns": 1_000_000_000,
        "type": frame_type,
        "width": 16,
        "height": 12,
        "camera": "ZWO ASI2600MM Pro",
        "gain": 100.0,
        "offset": 50.0,
        "x_binning": 1,
        "y_binning": 1,
        "readout_mode": "Low Noise",
        "set_temperature": -10.0,
        "sensor_temperature": -10.0,
        "exposure": {FrameType.BIAS: 0.0, FrameType.FLAT: 2.0, FrameType.DARK_FLAT: 2.0}.get(
            frame_type or FrameType.DARK, 300.0
        ),
    }
    if frame_type in {FrameType.FLAT, FrameType.LIGHT}:
        fields |= {"filter": "L", "telescope": "RedCat 51"}
    return Frame(**(fields | changes))


def noisy(seed: int, *, level: float = 500.0, sigma: float = 5.0, shape: tuple[int, ...] = (12, 16)) -> NDArray[Any]:
    """Return uint16 pixels of normal noise around ``level``, the same for the same seed."""
    return np.rint(np.random.default_rng(seed).normal(level, sigma, shape)).clip(0, 65535).astype(np.uint16)


def write_frame(path: Path, pixels: NDArray[Any] | None = None, **changes: str | int | float | None) -> Path:
    """Write a raw frame with N.I.N.A.'s keywords (``changes`` as in ``nina_keywords``) and return its path."""
    from ap_masters.images import write_image

    path.parent.mkdir(parents=True, exist_ok=True)
    data = noisy(zlib.crc32(path.name.encode())) if pixels is None else pixels
    write_image(path, data, nina_keywords(**changes), image_type="Dark")
    return path


def pixels_in(path: Path) -> NDArray[np.float64]:
    """Return the first channel of an image, as it is stored."""
    from ap_masters.images import read_image

    return np.asarray(read_image(path)[1][0], np.float64)


def link(path: Path, target: Path) -> None:
    """Make ``path`` a link to a file, a folder or nothing; skip the test where the system makes none for this user."""
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError as error:
        pytest.skip(f"links cannot be made here: {error}")
    if not path.is_symlink():
        pytest.skip("links that are made here are not there")


def nameable(name: str) -> str:
    """Return ``name`` as a file can be called here: Windows refuses some letters."""
    return re.sub(r'[<>:"|?*]', "-", name) if sys.platform == "win32" else name
