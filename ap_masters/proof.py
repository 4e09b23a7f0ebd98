"""Proof that a job made what it says: the master opens, has the right geometry, sane samples and all its keywords."""

import math
from pathlib import Path

from ap_masters import images
from ap_masters.errors import ImageError
from ap_masters.headers.spellings import OWN_INPUT
from ap_masters.images.rewriting import rewrite
from ap_masters.images.scale import white
from ap_masters.model import COMMENTARY, ImageInfo, Integrated, Job, Keyword
from ap_masters.quality.sanity import insane
from ap_masters.safe import ascii_text

# PixInsight turns frames that say BOTTOM-UP over as it reads them: its masters say TOP-DOWN, and are.
_OF_THE_ENGINE = {"ROWORDER"}


def missing_proof(job: Job, result: Integrated) -> str | None:
    """Return why ``result`` does not prove that ``job`` succeeded, or None when it does.

    An engine's word is not enough: PixInsight exits with 0 whatever happened. Reads the header of the master
    and judges the statistics that the engine measured on it.
    """
    try:
        info = images.read_info(result.path)
    except (ImageError, OSError) as error:
        return f"the master cannot be opened: {error}"
    calibrated = job.calibration is not None
    return (
        _wrong_geometry(job, info)
        or _of_another_job(job, info)
        or insane(result.statistics, full_scale=white(job.scale), calibrated=calibrated)
    )


def _wrong_geometry(job: Job, info: ImageInfo) -> str | None:
    frame = job.frames[0]
    wanted, got = (frame.width, frame.height, frame.channels), (info.width, info.height, info.channels)
    if wanted != got:
        return "the master is {}x{}x{}, its frames are {}x{}x{}".format(*got, *wanted)
    if not info.sample.startswith("float"):
        return f"the master has {info.sample} samples, not 32-bit floats"
    return None


def _of_another_job(job: Job, info: ImageInfo) -> str | None:
    """Return the fingerprint of frames and settings where the master carries that of another job."""
    wanted, got = (
        next((keyword.value for keyword in keywords if keyword.name == OWN_INPUT), None)
        for keywords in (job.keywords, info.keywords)
    )
    if wanted is None or got is None or _equal(wanted, got):
        return None
    return f"the master was made of other frames or settings: its {OWN_INPUT} is {got}, that of this job {wanted}"


def lost_keywords(job: Job, master: Path) -> tuple[Keyword, ...]:
    """Return the keywords of ``job`` that the file at ``master`` does not carry with their value.

    Numbers compare as numbers (an engine may store 300 as ``300.`` or ``'300'``), texts without padding and as a FITS
    header holds them.
    """
    carried: dict[str, list[str | int | float | bool | None]] = {}
    for keyword in images.read_info(master).keywords:
        carried.setdefault(keyword.name, []).append(keyword.value)
    return tuple(
        keyword
        for keyword in job.keywords
        if keyword.name not in COMMENTARY
        and not (keyword.name in _OF_THE_ENGINE and keyword.name in carried)
        and not any(_equal(keyword.value, value) for value in carried.get(keyword.name, ()))
    )


def _equal(wanted: str | float | None, got: str | float | None) -> bool:
    if isinstance(wanted, bool) or isinstance(got, bool) or wanted is None or got is None:
        return str(wanted).strip() == str(got).strip()
    try:
        return math.isclose(float(wanted), float(got), rel_tol=1e-6, abs_tol=1e-9)
    except ValueError:
        return ascii_text(str(wanted)).strip() == ascii_text(str(got)).strip()


def restore_keywords(job: Job, master: Path) -> tuple[str, ...]:
    """Write the master anew with the keywords it lost; return their names, empty when nothing was missing.

    ImageIntegration drops EXPTIME, GAIN, OFFSET and temperatures; the script puts them back, and where it
    could not, this does. Pixels pass unchanged. Raises ImageError.
    """
    lost = lost_keywords(job, master)
    if not lost:
        return ()
    names = {keyword.name for keyword in lost}
    fresh = master.with_name(f"restored-{master.name}")
    kept = (keyword for keyword in images.read_info(master).keywords if keyword.name not in names)
    rewrite(master, fresh, keywords=(*kept, *lost), image_type=job.image_type, adu=job.scale == "adu")
    fresh.replace(master)
    return tuple(sorted(names))
