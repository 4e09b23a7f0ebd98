"""Masters on the scale that their user expects: [0, 1] for PixInsight, counts where a job asks for them."""

import tempfile
from pathlib import Path
from typing import Final

from ap_masters import images
from ap_masters.images.scale import ADU, data_max, holds_counts
from ap_masters.model import CalibrationMaster, ImageInfo, Job, Keyword

_BAND_SAMPLES: Final = 1 << 21


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
        band = max(1, _BAND_SAMPLES // (info.width * info.channels))
        return any(
            holds_counts(float(image.read_rows(first, min(first + band, info.height)).max()), data_max(info))
            for first in range(0, info.height, band)
        )


def rewrite(
    source: Path, goal: Path, *, factor: float, image_type: str, keywords: tuple[Keyword, ...], adu: bool = False
) -> None:
    """Write ``source`` anew as ``goal``, by bands, every sample times ``factor``. Raises ImageError."""
    with images.open_image(source) as image:
        info = image.info
        band = max(1, _BAND_SAMPLES // (info.width * info.channels))
        with images.create(
            goal,
            width=info.width,
            height=info.height,
            channels=info.channels,
            keywords=keywords,
            image_type=image_type,
            adu=adu,
        ) as writer:
            for first in range(0, info.height, band):
                rows = image.read_rows(first, min(first + band, info.height))
                for channel in range(info.channels):
                    writer.write_rows(channel, first, (rows[channel] * factor).astype("float32", copy=False))
            writer.finish()
