"""What pairs of raw frames tell of the sensor: read noise, noise of a frame and of the master, gain, clipping.

The only part of this room that opens files: it reads a few bands of rows of the frames named in a record. The
definitions are those of the photon transfer method (EMVA Standard 1288 release 4.0, section 6): the
difference of two equal frames holds no fixed pattern, and its variance is twice the temporal variance.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ap_masters import images
from ap_masters.errors import ImageError
from ap_masters.images.scale import ADU, full_scale
from ap_masters.model import UNLIT, Combination, FrameType
from ap_masters.model.orientation import are_turned, rows_of
from ap_masters.record import Measure, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_BANDS = 4  # spread over the height, so that amp glow at one edge does not decide
_SAMPLES = 1_000_000  # per frame; a variance is then known to 0.14 %
_PAIRS = 4
_CLIP = 5.0  # sigma; leaves normal noise alone and takes cosmic rays and telegraph pixels out
_SATURATED = 0.98  # of the frame's range
_BRIGHT_FRACTION = 0.001  # more saturated samples than this make a pair of flats useless

# Standard deviation of the median of normal noise against that of the mean.
_EFFICIENCY = {Combination.AVERAGE: 1.0, Combination.MEDIAN: math.sqrt(math.pi / 2)}


class Pair(NamedTuple):
    """What the difference of two equal frames tells: temporal variance of one frame and its level, in ADU."""

    variance: float
    level: float
    samples: int
    quantum: float  # the step between neighbouring values: 1, or 4 or 16 where 14 or 12 bits were scaled up


def sensor_measures(record: Record, master: Path, *, reference: Record | None = None) -> tuple[Measure, ...]:
    """Return what the frames of ``record`` tell of the sensor; empty where they cannot be read any more.

    ``master`` is the integrated file. ``reference`` is the record of the bias or dark flat that serves a flat:
    without it a flat has no gain. Reads about a million samples of up to eight frames, and of all frames of a
    bias or dark a quarter of that.
    """
    try:
        if record.key.type in UNLIT:
            return tuple(_unlit(record, master))
        return tuple(_flat(record, reference)) if reference is not None else ()
    except (ImageError, OSError) as error:
        log.warning("sensor measures of %s left out: %s", record.master.name, error)
        return ()


def _unlit(record: Record, master: Path) -> Iterator[Measure]:
    paths = [entry.path for entry in record.inputs]
    pairs = [pair_of(a, b) for a, b in _late_pairs(paths)]
    if not pairs:
        return
    variance = math.fsum(p.variance for p in pairs) / len(pairs)
    samples, quantum = sum(p.samples for p in pairs), max(p.quantum for p in pairs)
    relative = 1 / math.sqrt(2 * samples)  # of a standard deviation
    noise = math.sqrt(variance)
    gain = record.electrons_per_adu
    how = f"{len(pairs)} pairs of frames, difference clipped at 5 sigma"
    yield _measure("frame noise", noise, relative, "ADU", gain, "e-", how)
    yield Measure(name="clipped", value=clipped_percent(paths[-1]), unit="%", method="samples at zero in one frame")
    if record.key.type is FrameType.BIAS:
        # Sheppard: rounding to whole steps adds a variance of step**2 / 12 (EMVA 1288, 6.6).
        read = math.sqrt(max(0.0, variance - quantum**2 / 12))
        yield _measure("read noise", read, relative, "ADU", gain, "e-", f"{how}; quantization of {quantum:g} ADU off")
    efficiency = _EFFICIENCY.get(record.recipe.combination)
    if efficiency is not None and record.calibration is None and len(paths) >= 4:
        theory = efficiency * noise / math.sqrt(len(paths))
        yield _measure("theoretical noise", theory, relative, "ADU", gain, "e-", "frame noise / sqrt(frames)")
        found = master_noise(paths, master)
        how = "half the difference of odd and even frames, and the master against their mean"
        yield _measure("master noise", found, 2 * relative, "ADU", gain, "e-", how)


def _flat(record: Record, reference: Record) -> Iterator[Measure]:
    bright, dark = [e.path for e in record.inputs], [e.path for e in reference.inputs]
    if len(bright) < 2 or len(dark) < 2:
        return
    unlit = _late_pairs(dark)[0]
    if not all(path.exists() for path in unlit):  # deleted to save space, as `library prune` does: no news each night
        return
    found = electrons_per_adu(_late_pairs(bright)[0], unlit)
    if found is not None:
        value, error = found
        how = f"photon transfer: a pair of flats and a pair of {reference.key.type} frames"
        yield Measure(name="gain", value=value, unit="e-/ADU", error=error, method=how)


def _measure(
    name: str, value: float, relative: float, unit: str, gain: float | None, physical_unit: str, method: str
) -> Measure:
    return Measure(
        name=name,
        value=value,
        unit=unit,
        physical=value * gain if gain else None,
        physical_unit=physical_unit if gain else None,
        error=value * relative,
        method=method,
    )


def _late_pairs(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Return up to four pairs of neighbours from the end of the run, where the camera has settled."""
    late = list(paths)[-2 * _PAIRS :]
    late = late[len(late) % 2 :]
    return list(zip(late[0::2], late[1::2], strict=True))


# --- arithmetic on bands ----------------------------------------------------------------------------------


def pair_of(first: Path, second: Path) -> Pair:
    """Return the temporal variance of a frame from two of them, in ADU². Raises UnreadableImage."""
    a, b = _bands(first), _bands(second)
    variance = clipped_variance(a.adu - b.adu)
    return Pair(variance / 2, float(a.adu.mean() + b.adu.mean()) / 2, a.stored.size, _quantum(a, b))


def electrons_per_adu(bright: tuple[Path, Path], dark: tuple[Path, Path]) -> tuple[float, float] | None:
    """Return the gain in e-/ADU and one standard error, or None where the flats are saturated or too dim.

    Signal over the difference of variances (EMVA 1288, 6.6; Janesick, Photon Transfer, 2007). The second flat
    is scaled to the level of the first, so a drifting lamp does no harm; uneven light does none either, since
    signal and variance are both averaged over the same pixels.
    """
    first, second = (_bands(path).adu for path in bright)
    if max(_saturated(first), _saturated(second)) > _BRIGHT_FRACTION:
        return None
    base = pair_of(*dark)
    signal = [float(frame.mean()) - base.level for frame in (first, second)]
    if min(signal) <= 0:
        return None
    ratio = signal[0] / signal[1]
    lit = clipped_variance((first - base.level) - ratio * (second - base.level))
    shot = lit - (1 + ratio**2) * base.variance
    if shot <= 0:
        return None
    gain = signal[0] * (1 + ratio) / shot
    return gain, gain * lit / shot * math.sqrt(2 / first.size)


def _saturated(frame: "NDArray[Any]") -> float:
    """Return the fraction of samples at the end of the range."""
    return float((frame >= _SATURATED * ADU).mean())


def master_noise(paths: Sequence[Path], master: Path) -> float:
    """Return the temporal noise in a master, in ADU, measured and not assumed.

    Two parts that are independent for any weighting of the frames, and for the median of normal noise (Basu's
    theorem): the noise of the plain mean, from the difference of the odd and the even frames, in which every
    fixed pattern cancels; and what the master is off that mean.
    """
    import numpy as np

    sums: list[NDArray[np.float64]] = []
    rows: str | None = None
    for index, path in enumerate(paths):
        band = _bands(path, _SAMPLES // 4)
        rows = rows or band.rows
        if index < 2:
            sums.append(band.adu)
        else:
            sums[index % 2] += band.adu
    count = len(paths)
    halves = [sums[k] / n for k, n in enumerate((count - count // 2, count // 2))]
    weight = 1 / (1 / (count - count // 2) + 1 / (count // 2)) / count
    mean_variance = clipped_variance(halves[0] - halves[1]) * weight
    mean = (sums[0] + sums[1]) / count
    # PixInsight turns over frames that say BOTTOM-UP: their master has the same rows, in the other order.
    rest = clipped_variance(_bands(master, _SAMPLES // 4, beside=rows).adu - mean)
    return math.sqrt(mean_variance + rest)


def clipped_percent(path: Path) -> float:
    """Return how many samples of a frame are zero, in per cent."""
    return 100 * float((_bands(path).stored <= 0).mean())


def clipped_variance(values: "NDArray[np.float64]") -> float:
    """Return the variance after samples beyond 5 sigma of the mean have been left out, until none is left."""
    import numpy as np

    kept = values.ravel()
    while kept.size > 1:
        centre, sigma = float(kept.mean()), float(kept.std())
        inside = np.abs(kept - centre) <= _CLIP * sigma
        if inside.all():
            break
        kept = kept[inside]
    return float(kept.var(ddof=1)) if kept.size > 1 else 0.0


class _Bands(NamedTuple):
    """Samples of an image, as they are stored; ``unit`` is what one of their counts is in ADU, ``rows`` their order."""

    stored: "NDArray[Any]"
    unit: float
    rows: str | None

    @property
    def adu(self) -> "NDArray[np.float64]":
        """The samples in ADU of the 16-bit range."""
        import numpy as np

        adu: NDArray[np.float64] = self.stored.astype(np.float64) * self.unit
        return adu


def _bands(path: Path, samples: int = _SAMPLES, *, beside: str | None = None) -> _Bands:
    """Return about ``samples`` samples from bands spread over the height: an even number of rows in each.

    ``beside`` is the order of rows of what they are compared with: an image of the other order is read turned over.
    """
    import numpy as np

    with images.open_image(path, datasum=False) as image:
        info = image.info
        height, width = info.height, info.width * info.channels
        own = rows_of(info.keywords, info.format)
        turned = are_turned(own, beside)

        def read(first: int, last: int) -> "NDArray[Any]":
            return image.read_rows(height - last, height - first)[:, ::-1] if turned else image.read_rows(first, last)

        if height * width <= samples or height < 4 * _BANDS:
            stored = read(0, height)
        else:
            rows = min(max(2, samples // width // _BANDS // 2 * 2), height // _BANDS)
            starts = [int((k + 0.5) * height / _BANDS - rows / 2) // 2 * 2 for k in range(_BANDS)]
            stored = np.concatenate([read(start, start + rows) for start in starts], axis=1)
        return _Bands(stored, ADU / full_scale(info, float(stored.max())), beside if turned else own)


def _quantum(*frames: _Bands) -> float:
    """Return the step between neighbouring values of integer frames, in ADU; 0 for floating point."""
    import numpy as np

    if frames[0].stored.dtype.kind not in "ui":
        return 0.0
    values = np.unique(np.concatenate([np.unique(frame.stored) for frame in frames])).astype(np.int64)
    return float(np.gcd.reduce(np.diff(values))) * frames[0].unit if values.size > 1 else 0.0
