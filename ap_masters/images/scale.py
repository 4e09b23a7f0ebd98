"""What stands for white: 1, or the counts of 16 bits. Integer samples say it by their type, floats do not."""

from typing import Final

from ap_masters.model import ImageFormat, ImageInfo, SampleScale

ADU: Final = 65535.0  # counts of the 16-bit range
_COUNTED: Final = 10  # a DATAMAX above this means counts, as Siril reads it
_HIGHEST_FRACTION: Final = 2.0


def white(scale: SampleScale) -> float:
    """Return the value that stands for white in masters of a scale."""
    return ADU if scale == "adu" else 1.0


def holds_counts(greatest: float, data_max: float | None) -> bool:
    """Say whether float samples up to ``greatest`` are counts of the 16-bit range, and not values from 0 to 1.

    Rounding and normalization push a sample a little beyond 1 at times, counts go far beyond, so 2 divides the two.
    """
    return (data_max or 0) > _COUNTED or greatest > _HIGHEST_FRACTION


def full_scale(info: ImageInfo, greatest: float) -> float:
    """Return the value that stands for white in a file whose physical samples reach up to ``greatest``."""
    if info.full_scale is not None:
        return info.full_scale
    return ADU if holds_counts(greatest, data_max(info)) else 1.0


def data_max(info: ImageInfo) -> float | None:
    """Return what a FITS header says of its greatest sample; XISF's bounds, which are applied, say it there."""
    if info.format is not ImageFormat.FITS:
        return None
    stated = next((keyword.value for keyword in info.keywords if keyword.name == "DATAMAX"), None)
    try:
        return None if stated is None or isinstance(stated, bool) else float(stated)
    except ValueError:
        return None
