"""The keywords of a new master: everything its frames share, so that no later tool has to ask the file name.

ImageIntegration drops EXPTIME, GAIN, OFFSET, SET-TEMP, CCD-TEMP and READOUTM; WBPP puts back only the first. Here all
of them are written, in spellings that WBPP, Siril, ANAWBPPS and N.I.N.A.'s live stack read.
"""

import hashlib
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ap_masters import __version__
from ap_masters.headers.spellings import OWN_INPUT, OWN_SCALE, OWN_TYPE
from ap_masters.headers.values import Raw
from ap_masters.images.scale import white
from ap_masters.model import Calibration, Frame, FrameType, GroupKey, Keyword, Recipe, SampleScale
from ap_masters.safe import one_line

# WBPP takes a master by these words alone and knows none for dark flats: those are darks to it, and our own
# keyword keeps what they really are.
_IMAGE_TYPES: Final = {
    FrameType.BIAS: "Master Bias",
    FrameType.DARK: "Master Dark",
    FrameType.DARK_FLAT: "Master Dark",
    FrameType.FLAT: "Master Flat",
    FrameType.LIGHT: "Master Light",  # `combine` stacks whatever it is given
}

# Inputs named in HISTORY; the record beside the master names them all, with their hashes.
_LISTED_INPUTS: Final = 50
_HISTORY_WIDTH: Final = 72  # columns of a commentary card

# What a key states, and the keyword for it. Exposure, temperature and type need more than a row.
_FROM_KEY: Final = (
    ("camera", "INSTRUME", "camera"),
    ("camera_id", "CAMERAID", "serial number of the camera"),
    ("gain", "GAIN", "gain setting"),
    ("offset", "OFFSET", "offset setting"),
    ("iso", "ISOSPEED", "ISO setting"),
    ("x_binning", "XBINNING", "binning, horizontal"),
    ("y_binning", "YBINNING", "binning, vertical"),
    ("x_origin", "XORGSUBF", "column of the sensor where the frame begins"),
    ("y_origin", "YORGSUBF", "row of the sensor where the frame begins"),
    ("readout_mode", "READOUTM", "readout mode"),
    ("usb_limit", "USBLIMIT", "USB limit"),
    ("filter", "FILTER", "filter"),
    ("bayer_pattern", "BAYERPAT", "colour filter array"),
)

# What all frames must agree on to be said of the master, unless its key says it; one that differs is left out.
_SHARED: Final = (
    ("telescope", "TELESCOP", "telescope"),
    ("focal_length", "FOCALLEN", "[mm] focal length"),
    ("rotation", "ROTATANG", "[deg] rotator angle"),
    ("pixel_size", "XPIXSZ", "[um] pixel size, binning included"),
    ("electrons_per_adu", "EGAIN", "[e-/ADU] electrons per count of the frames"),
    ("x_bayer_offset", "XBAYROFF", "column where the pattern begins"),
    ("y_bayer_offset", "YBAYROFF", "row where the pattern begins"),
    ("row_order", "ROWORDER", "order of the rows"),
    ("software", "ORIGSW", "program that captured the frames"),
)


def image_type_of(frame_type: FrameType | None) -> str:
    """Return XISF's imageType for what was integrated of frames of a type; of those of several it is no master."""
    return "Light" if frame_type is None else _IMAGE_TYPES[frame_type].replace(" ", "")


def master_keywords(
    key: GroupKey,
    frames: Sequence[Frame],
    recipe: Recipe,
    calibration: Calibration | None,
    *,
    scale: SampleScale,
) -> tuple[Keyword, ...]:
    """Return the whole key set of a master of ``frames``, without what only the engine knows.

    Reading them back gives the same key. Text that would harm a header is made harmless: one line, printable.
    Times are UTC, exposures seconds, temperatures degrees Celsius. Depends on nothing but its arguments.
    """
    return (
        *_type(key),
        *_exposure(key, frames),
        *_stated(key, _FROM_KEY),
        *_shared(key, frames, calibration),
        *_temperature(key, frames),
        *_times(frames),
        *_making(frames, recipe, calibration, scale),
        *_history(key, frames),
    )


def _type(key: GroupKey) -> Iterator[Keyword]:
    yield Keyword("IMAGETYP", _IMAGE_TYPES[key.type], "type of master")
    yield Keyword(OWN_TYPE, str(key.type), "frame type of ap-masters")


def _exposure(key: GroupKey, frames: Sequence[Frame]) -> Iterator[Keyword]:
    """Yield the exposure of one frame, as matching needs it, under both names, and the sum of all."""
    exposures = [frame.exposure for frame in frames if frame.exposure is not None]
    single = key.exposure if key.exposure is not None else statistics.mode(sorted(exposures)) if exposures else None
    if single is not None:
        yield Keyword("EXPTIME", _plain(single), "[s] exposure of one frame")
        yield Keyword("EXPOSURE", _plain(single), "[s] exposure of one frame")
    if exposures:
        yield Keyword("LIVETIME", _plain(round(sum(exposures), 6)), "[s] exposure of all frames")


def _stated(values: GroupKey | Frame, rows: Sequence[tuple[str, str, str]]) -> Iterator[Keyword]:
    for field, name, comment in rows:
        value = _plain(getattr(values, field))
        if value is not None and value != "":
            yield Keyword(name, value, comment)


def _shared(key: GroupKey, frames: Sequence[Frame], calibration: Calibration | None) -> Iterator[Keyword]:
    """Yield what the key states of flats, and what all frames state alike; calibration has taken their pedestal off."""
    if frames:
        for row in _SHARED:
            if getattr(key, row[0], None) is not None:  # the middle of what is not quite alike
                yield from _stated(key, (row,))
            elif len({getattr(frame, row[0]) for frame in frames}) == 1:
                yield from _stated(frames[0], (row,))
        pedestals = {frame.pedestal for frame in frames}
        subtracted = calibration is not None and calibration.subtracted
        if not subtracted and len(pedestals) == 1 and (pedestal := pedestals.pop()):
            yield Keyword("PEDESTAL", _plain(pedestal), "[ADU] add for zero-based counts")


def _temperature(key: GroupKey, frames: Sequence[Frame]) -> Iterator[Keyword]:
    """Yield the set-point of the group and the spread of the sensor; the names of the spread are SASpro's.

    Where no frame has a set-point, the group's temperature is that of the sensor and no SET-TEMP is invented.
    """
    measured = [frame.sensor_temperature for frame in frames if frame.sensor_temperature is not None]
    asked = any(frame.set_temperature is not None for frame in frames)
    if key.temperature is not None and asked:
        yield Keyword("SET-TEMP", _plain(key.temperature), "[degC] set-point")
    if measured:
        of_sensor = not asked and key.temperature is not None
        middle = key.temperature if of_sensor else round(statistics.median(measured), 4)
        yield Keyword("CCD-TEMP", _plain(middle), "[degC] sensor, median of the frames")
        yield Keyword("CCDTMIN", _plain(min(measured)), "[degC] sensor, lowest")
        yield Keyword("CCDTMAX", _plain(max(measured)), "[degC] sensor, highest")
    if len(measured) > 1:
        yield Keyword("CCDTSTD", round(statistics.stdev(measured), 4), "[degC] sensor, standard deviation")


def _times(frames: Sequence[Frame]) -> Iterator[Keyword]:
    """Yield start of the first frame (also in local time, which decides the night) and end of the last."""
    timed = sorted((frame for frame in frames if frame.started is not None), key=_start)
    if timed:
        begin, end = _start(timed[0]), _start(timed[-1]) + timedelta(seconds=timed[-1].exposure or 0)
        yield Keyword("DATE-OBS", _utc(begin), "start of the first frame, UTC")
        yield Keyword("DATE-BEG", _utc(begin), "start of the first frame, UTC")
        yield Keyword("DATE-END", _utc(end), "end of the last frame, UTC")
    local = [frame.local_started for frame in timed[:1] or frames if frame.local_started is not None]
    if local:
        yield Keyword("DATE-LOC", min(local).isoformat(), "start of the first frame, local time")


def _making(
    frames: Sequence[Frame], recipe: Recipe, calibration: Calibration | None, scale: SampleScale
) -> Iterator[Keyword]:
    """Yield how the master was made: number of frames, what was subtracted, sample scale, program, inputs."""
    yield Keyword("NCOMBINE", len(frames), "number of frames combined")
    yield Keyword("STACKCNT", len(frames), "number of frames combined")
    if calibration is not None and calibration.state:
        yield Keyword("CALSTAT", calibration.state, "subtracted: B bias, D dark")
    yield Keyword("DATAMAX", white(scale), "full scale of the samples")  # by which Siril tells the scales apart
    yield Keyword(OWN_SCALE, scale, "samples: unit is [0,1], adu counts of 16 bits")
    yield Keyword("SWCREATE", f"ap-masters {__version__}", "program that made this master")
    yield Keyword(OWN_INPUT, _fingerprint(frames, recipe, calibration), "fingerprint of frames and settings")


def _fingerprint(frames: Sequence[Frame], recipe: Recipe, calibration: Calibration | None) -> str:
    """Return 16 hexadecimal digits that change with any frame or setting, wherever the frames lie."""
    inputs = sorted((frame.path.name, frame.size, frame.mtime_ns) for frame in frames)
    subtracted = calibration.model_dump_json(exclude={"decisions", "before"}) if calibration else ""
    whole = f"{inputs}|{recipe.model_dump_json()}|{subtracted}"
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _history(key: GroupKey, frames: Sequence[Frame]) -> Iterator[Keyword]:
    """Yield one line on the master and one per frame, up to a limit; the record beside the master lists them all."""
    yield _remark(f"ap-masters {__version__}: master {key.type} of {len(frames)} frames")
    for frame in frames[:_LISTED_INPUTS]:
        yield _remark(f"frame {frame.path.name}")
    if len(frames) > _LISTED_INPUTS:
        yield _remark(f"and {len(frames) - _LISTED_INPUTS} more, listed in the record beside this master")


def _remark(line: str) -> Keyword:
    line = one_line(line)
    if len(line) > _HISTORY_WIDTH:
        line = f"{line[: _HISTORY_WIDTH // 2 - 2]}...{line[-_HISTORY_WIDTH // 2 + 1 :]}"
    return Keyword("HISTORY", None, line)


def _start(frame: Frame) -> datetime:
    assert frame.started is not None
    return frame.started


def _utc(stamp: datetime) -> str:
    """Return a time as FITS writes it: UTC without a zone."""
    return stamp.astimezone(UTC).replace(tzinfo=None).isoformat()


def _plain(value: Raw) -> Raw:
    """Return a value for a card: whole numbers without a point, text on one printable line."""
    if isinstance(value, str):
        return one_line(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
