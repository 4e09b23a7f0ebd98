"""Masters on the scale that their user expects: [0, 1] for PixInsight, counts where a job asks for them."""

import tempfile
from pathlib import Path

from ap_masters import images
from ap_masters.images.rewriting import bands, rewrite
from ap_masters.images.scale import ADU, data_max, holds_counts
from ap_masters.model import CalibrationMaster, ImageInfo, Job


def usable(job: Job, workdir: Path) -> Job:
    """Return ``job`` with masters that PixInsight can subtract: those in counts as copies on [0, 1] in ``workdir``.

    A FITS file does not say what its floats mean, and ImageCalibration takes them as they are. Masters that
    another job has still to make are left alone. Raises ImageError for a master that cannot be read.
    """
    chosen = job.calibration
    if chosen is None:
        return job
    changed = {
        name: _on_unit_scale(master, workdir)
        for name, master in (("bias", chosen.bias), ("dark", chosen.dark))
        if master is not None and master.path.exists()
    }
    return job.model_copy(update={"calibration": chosen.model_copy(update=changed)})


def _on_unit_scale(master: CalibrationMaster, workdir: Path) -> CalibrationMaster:
    info = images.read_info(master.path)
    if info.full_scale is not None or not _in_counts(master.path, info):
        return master
    copy = Path(tempfile.mkdtemp(prefix="master-", dir=workdir)) / "unit.xisf"
    rewrite(master.path, copy, factor=1 / ADU, image_type=info.image_type or "MasterDark", keywords=info.keywords)
    return master.model_copy(update={"path": copy})


def _in_counts(path: Path, info: ImageInfo) -> bool:
    with images.open_image(path) as image:
        return any(holds_counts(float(image.read_rows(*band).max()), data_max(info)) for band in bands(info))
