"""What real files are known to get wrong: one small check per trap, each a warning on the frame."""

from collections.abc import Callable
from typing import Final

from ap_masters.headers.index import HeaderIndex
from ap_masters.headers.values import number, seconds, text
from ap_masters.model import DARKS, Frame, FrameType, ImageFormat, ImageInfo

# Two keywords for one exposure may differ by rounding, no more.
_SAME_EXPOSURE_S = 0.001
# No camera needs longer than this for its shortest exposure; a longer "bias" is a short dark.
_LONGEST_BIAS_S = 0.01


def traps(frame: Frame, header: HeaderIndex, info: ImageInfo) -> tuple[str, ...]:
    """Return a warning for each trap the frame is in; a master is spared those that concern raw frames."""
    checks = (*_FOR_ALL, *(() if frame.master else _FOR_RAWS))
    return tuple(warning for check in checks if (warning := check(frame, header, info)))


def _two_exposures(frame: Frame, header: HeaderIndex, _: ImageInfo) -> str | None:
    first, second = (
        number(raw) if (timed := seconds(raw)) is None else timed
        for raw in (header.get("EXPTIME"), header.get("EXPOSURE"))
    )
    if first is None or second is None or abs(first - second) <= _SAME_EXPOSURE_S:
        return None
    taken = frame.exposure if frame.exposure is not None else first
    if abs(taken - second) <= _SAME_EXPOSURE_S:  # EXPTIME in another unit
        return None
    return f"EXPTIME is {taken:g} s, EXPOSURE {second:g} s: taken as {taken:g} s"


def _time_system(_: Frame, header: HeaderIndex, __: ImageInfo) -> str | None:
    system = text(header.get("TIMESYS"))
    if system is None or system.upper() in {"UTC", "UT", "GMT"}:
        return None
    return f"TIMESYS is {system}: times are taken as UTC, which is about a minute off"


def _long_bias(frame: Frame, _: HeaderIndex, __: ImageInfo) -> str | None:
    if frame.type is not FrameType.BIAS or frame.exposure is None or frame.exposure <= _LONGEST_BIAS_S:
        return None
    return f"a bias of {frame.exposure:g} s is longer than any camera's shortest exposure"


def _dark_without_exposure(frame: Frame, _: HeaderIndex, __: ImageInfo) -> str | None:
    if frame.type in DARKS and frame.exposure == 0:
        return f"a {frame.type} of 0 s: is it a bias?"
    return None


def _calibrated(frame: Frame, _: HeaderIndex, __: ImageInfo) -> str | None:
    if frame.calibration_state is None or frame.type is FrameType.LIGHT:
        return None
    origin = next((d.reason for d in frame.decisions if d.subject == "calibration_state"), "")
    return f"this frame has been calibrated already ({frame.calibration_state}, by {origin})"


def _signed_samples(_: Frame, __: HeaderIndex, info: ImageInfo) -> str | None:
    # Some programs leave BZERO out of 16-bit files; a bias then has a mean near -32768.
    if info.format is not ImageFormat.FITS or info.sample != "int16":
        return None
    return "signed 16-bit samples: if BZERO was left out, levels above 32767 read as negative"


def _wide_integers(_: Frame, __: HeaderIndex, info: ImageInfo) -> str | None:
    if info.format is not ImageFormat.FITS or info.sample not in {"int32", "uint32", "int64", "uint64"}:
        return None
    return (
        f"{info.sample} samples: as in PixInsight, white is {info.full_scale:.0f}, so counts of a 16-bit camera "
        "are nearly black; save them as 16 bits"
    )


def _several_images(_: Frame, __: HeaderIndex, info: ImageInfo) -> str | None:
    return f"the file holds {info.images} images: only the first is used" if info.images > 1 else None


_Check = Callable[[Frame, HeaderIndex, ImageInfo], str | None]
_FOR_ALL: Final[tuple[_Check, ...]] = (_two_exposures, _time_system)
_FOR_RAWS: Final[tuple[_Check, ...]] = (
    _long_bias,
    _dark_without_exposure,
    _calibrated,
    _signed_samples,
    _wide_integers,
    _several_images,
)
