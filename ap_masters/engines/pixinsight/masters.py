"""What PixInsight takes for what it is not: masters in counts or upside down, which are copied, and float frames."""

import tempfile
from collections.abc import Container
from pathlib import Path

from ap_masters import images
from ap_masters.errors import ImageError
from ap_masters.images.rewriting import bands, rewrite
from ap_masters.images.scale import ADU, data_max, holds_counts
from ap_masters.model import CalibrationMaster, Frame, ImageInfo, Job
from ap_masters.model.orientation import are_turned, in_pixinsight, row_order, rows_of


def usable(job: Job, folder: Path, *, made: Container[str] = ()) -> Job:
    """Return ``job`` with masters that PixInsight can subtract: others as copies in ``folder``, made when needed.

    A FITS file does not say what its floats mean, and ImageCalibration takes them as they are: masters in counts are
    copied on [0, 1]. PixInsight turns FITS files over that say BOTTOM-UP, XISF files never: a master whose rows would
    run against those of its frames is copied the right way up. Masters that the jobs ``made``,
    by id, have still to make are left alone. Raises ImageError for a master that cannot be read, OSError where it
    cannot be copied.
    """
    chosen = job.calibration
    if chosen is None:
        return job
    changed = {
        name: _as_read(master, _rows_as_read(job.frames[0]), folder)
        for name, master in (("bias", chosen.bias), ("dark", chosen.dark))
        if master is not None and master.job_id not in made and master.path.exists()
    }
    return job.model_copy(update={"calibration": chosen.model_copy(update=changed)})


def _as_read(master: CalibrationMaster, rows: str | None, folder: Path) -> CalibrationMaster:
    """Return ``master``, or a copy on [0, 1] whose rows run as ``rows``, those of the frames as PixInsight has them."""
    info = images.read_info(master.path)
    in_counts = info.full_scale is None and _in_counts(master.path, info)
    own = rows_of(info.keywords, info.format)
    if not in_counts and not are_turned(in_pixinsight(own, info.format), rows):
        return master
    folder.mkdir(parents=True, exist_ok=True)
    copy = Path(tempfile.mkdtemp(prefix="master-", dir=folder)) / "usable.xisf"
    scale = ADU if in_counts else info.full_scale or 1.0
    rewrite(
        master.path,
        copy,
        factor=1 / scale,
        image_type=info.image_type or "MasterDark",
        keywords=tuple(keyword for keyword in info.keywords if keyword.name != "ROWORDER"),
        turned=are_turned(own, rows),  # as it is stored: no copy is turned, as it is an XISF file
    )
    return master.model_copy(update={"path": copy})


def _in_counts(path: Path, info: ImageInfo) -> bool:
    with images.open_image(path) as image:
        return any(holds_counts(float(image.read_rows(*band).max()), data_max(info)) for band in bands(info))


def frames_in_counts(job: Job) -> str | None:
    """Return the name of a frame whose floats are counts, which PixInsight would bring into [0, 1] by its extremes.

    Frames of a group have samples of one kind, so the first decides; one that cannot be read is for others to tell.
    """
    first = job.frames[0]
    if not first.sample.startswith("float"):
        return None
    try:
        return first.path.name if _in_counts(first.path, images.read_info(first.path)) else None
    except ImageError:
        return None


def _rows_as_read(frame: Frame) -> str | None:
    """Return the order of a frame's rows when PixInsight has read it; None where the file does not tell."""
    return in_pixinsight(row_order(frame.row_order, frame.format), frame.format)
