"""Find the defects of a master by rank or by distance from the median, and compare two epochs."""

import logging
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from ap_masters import images
from ap_masters.errors import UsageError
from ap_masters.images.rewriting import bands
from ap_masters.images.scale import ADU, holds_counts
from ap_masters.model import ROBUST_SIGMA, ImageInfo, Noun

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ap_masters.images.image import Image

log = logging.getLogger(__name__)


Kind = Literal["hot", "cold"]
USUAL_COUNT: Final = 10_000  # of each kind, as PULSAR's make_cosme (S3)


class Defect(NamedTuple):
    """One pixel: column and row of the file from zero, its value in ADU, and which way it is off."""

    x: int
    y: int
    value: float
    kind: Kind = "hot"


class DefectMap(Noun):
    """The defects of one master: hot ones from the hottest down, then cold ones from the coldest up.

    ``median`` and ``sigma`` (robust) are in ADU, None where they were not needed; ``row_order`` is ROWORDER as
    the master carries it. ``ranked``: so many were asked for, not all beyond a limit; None where, as in lists of other
    programs, nobody says.
    """

    width: int
    height: int
    defects: tuple[Defect, ...]
    source: str = ""
    camera: str | None = None
    row_order: str | None = None
    median: float | None = None
    sigma: float | None = None
    ranked: bool | None = None

    def of(self, kind: Kind) -> tuple[Defect, ...]:
        """Return the defects of one kind."""
        return tuple(d for d in self.defects if d.kind == kind)


class DefectDiff(Noun):
    """What changed from one epoch to the next, by position."""

    appeared: tuple[Defect, ...]
    healed: tuple[Defect, ...]
    stayed: int


def find_defects(
    master: Path, *, count: int = USUAL_COUNT, sigma: float | None = None, hot: bool = True, cold: bool = False
) -> DefectMap:
    """Return the defects of ``master``: the ``count`` hottest, or with ``sigma`` all beyond it.

    ``count`` gives exactly so many of each kind asked for (all, where the image is smaller). ``sigma`` gives those
    strictly more than so many robust sigma above or below the median, whatever ``count`` is. Equal values stand in the
    order of rows and columns, so the same master always gives the same list. In an image of several channels a pixel
    counts by its worst. Raises UsageError, UnreadableImage.
    """
    kinds = _kinds(hot, cold)
    if not kinds:
        raise UsageError("Ask for hot pixels, or cold ones, or both")
    if sigma is None and count < 1:
        raise UsageError(f"{count} pixels are none: ask for a count above zero")
    if sigma is not None and not 0 < sigma < inf:
        raise UsageError(f"Nothing lies beyond {sigma:g} sigma that could be listed: ask for a number above zero")
    with images.open_image(master) as image:
        info = image.info
        found: list[Defect] = []
        median = robust = None
        if sigma is not None:
            pixels = image.read_rows(0, info.height)
            median, robust, scale = _statistics(pixels)
            for kind in kinds:
                found += _beyond(_worst(pixels, kind), kind, median / scale, sigma * robust / scale, scale)
        else:
            for kind in kinds:
                found += _extreme(_bands(image, info), kind, count)
    keywords = {k.name: k.value for k in info.keywords}
    return DefectMap(
        width=info.width,
        height=info.height,
        defects=tuple(found),
        source=master.name,
        camera=_text(keywords.get("INSTRUME")),
        row_order=_text(keywords.get("ROWORDER")),
        median=median,
        sigma=robust,
        ranked=sigma is None,
    )


def diff(before: DefectMap, after: DefectMap) -> DefectDiff:
    """Return which defects of ``after`` are new and which of ``before`` are gone. Raises UsageError for other sizes."""
    if (before.width, before.height) != (after.width, after.height):
        raise UsageError(
            f"{before.source} has {before.width}x{before.height} pixels and {after.source} "
            f"{after.width}x{after.height}: their defects cannot be compared"
        )
    old, new = ({(d.x, d.y) for d in m.defects} for m in (before, after))
    return DefectDiff(
        appeared=tuple(d for d in after.defects if (d.x, d.y) not in old),
        healed=tuple(d for d in before.defects if (d.x, d.y) not in new),
        stayed=len(old & new),
    )


def doubt(before: DefectMap, after: DefectMap) -> str | None:
    """Return why some changes may be none: one of both was searched for another number than the other holds."""
    for known, other in ((before, after), (after, before)):
        if known.ranked and other.ranked is None and len(known.defects) != len(other.defects):
            return (
                f"{other.source} holds {len(other.defects)} defects and {known.source} was searched for "
                f"{len(known.defects)}: some appeared or healed by that alone. Give the --count or --sigma of the list"
            )
    return None


def flip(defects: DefectMap) -> DefectMap:
    """Return the map for frames whose rows are stored in the other order (TOP-DOWN against BOTTOM-UP)."""
    turned = {"TOP-DOWN": "BOTTOM-UP", "BOTTOM-UP": "TOP-DOWN"}
    return defects.model_copy(
        update={
            "defects": tuple(d._replace(y=defects.height - 1 - d.y) for d in defects.defects),
            "row_order": turned.get(defects.row_order or ""),
        }
    )


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _kinds(hot: bool, cold: bool) -> tuple[Kind, ...]:
    wanted: dict[Kind, bool] = {"hot": hot, "cold": cold}
    return tuple(kind for kind, is_wanted in wanted.items() if is_wanted)


# --- arithmetic -------------------------------------------------------------------------------------------


def _worst(pixels: "NDArray[Any]", kind: Kind) -> "NDArray[Any]":
    """Return (rows, width) of floats from (channels, rows, width); what is no number never counts."""
    import numpy as np

    worst = pixels.max(axis=0) if kind == "hot" else pixels.min(axis=0)
    wide = worst if worst.dtype.kind == "f" else worst.astype(np.float32 if worst.itemsize < 4 else np.float64)
    sound = np.isfinite(wide)
    return wide if sound.all() else np.where(sound, wide, -np.inf if kind == "hot" else np.inf)


def _statistics(pixels: "NDArray[Any]") -> tuple[float, float, float]:
    """Return median and robust sigma in ADU, and what turns samples into ADU."""
    import numpy as np

    sound = np.isfinite(pixels)
    flat = pixels.ravel() if sound.all() else pixels[sound]
    if flat.size == 0:
        return 0.0, 0.0, 1.0
    scale = _adu(float(flat.max()))
    median = np.median(flat)
    distance = np.abs(flat - median.astype(np.result_type(flat, np.float32)))
    return float(median) * scale, ROBUST_SIGMA * float(np.median(distance, overwrite_input=True)) * scale, scale


def _adu(largest: float) -> float:
    return 1.0 if holds_counts(largest, None) else ADU


def _beyond(values: "NDArray[Any]", kind: Kind, median: float, distance: float, scale: float) -> list[Defect]:
    """Return the pixels strictly beyond ``distance`` of the median, the worst first."""
    import numpy as np

    limit = median + distance if kind == "hot" else median - distance
    places = np.flatnonzero(values > limit if kind == "hot" else values < limit)
    places = places[np.isfinite(values.ravel()[places])]
    return _listed(values.ravel()[places].astype(np.float64) * scale, places, values.shape[1], kind)


class _Band(NamedTuple):
    first: int
    pixels: "NDArray[Any]"


def _bands(image: "Image", info: ImageInfo) -> Iterator[_Band]:
    for first, end in bands(info):
        yield _Band(first, image.read_rows(first, end))


def _extreme(bands: Iterator[_Band], kind: Kind, count: int) -> list[Defect]:
    """Return the ``count`` most extreme pixels: those kept so far against those of the next band."""
    import numpy as np

    sign = -1 if kind == "hot" else 1  # the worst is the smallest of sign * value
    kept, places, width, largest = np.empty(0), np.empty(0, np.int64), 1, 0.0
    for first, pixels in bands:
        worst = _worst(pixels, kind)
        width = worst.shape[1]
        finite = pixels[np.isfinite(pixels)]
        largest = max(largest, float(finite.max()) if finite.size else 0.0)
        rank = (sign * worst).ravel()
        # Later places lose against equal earlier ones: what only equals the last one kept need not be looked at.
        chosen = np.flatnonzero(rank < kept[-1] if kept.size == count else rank < np.inf)
        kept, places = np.concatenate([kept, rank[chosen]]), np.concatenate([places, first * width + chosen])
        if kept.size > count:
            edge = np.partition(kept, count - 1)[count - 1]
            near = np.flatnonzero(kept <= edge)
            kept, places = kept[near], places[near]
        order = np.lexsort((places, kept))[:count]
        kept, places = kept[order], places[order]
    return _listed(sign * kept * _adu(largest), places, width, kind)


def _listed(values: "NDArray[np.float64]", places: "NDArray[np.int64]", width: int, kind: Kind) -> list[Defect]:
    """Return defects, the worst first, equal ones in the order of their places."""
    import numpy as np

    order = np.lexsort((places, -values if kind == "hot" else values))
    return [
        Defect(int(place % width), int(place // width), float(value), kind)
        for place, value in zip(places[order], values[order], strict=True)
    ]
