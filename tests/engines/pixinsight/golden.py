"""The reviewed scripts: three small jobs, and the texts they must give."""

from pathlib import Path
from typing import Final

from ap_masters import __version__
from ap_masters.engines.pixinsight.paths import RunPaths
from ap_masters.engines.pixinsight.script import render
from ap_masters.model import FrameType, Job
from tests.engines.pixinsight.jobs import flat_calibration, make_job
from tests.engines.pixinsight.stage import without_drive

_TYPES: Final = {"bias": FrameType.BIAS, "dark": FrameType.DARK, "flat": FrameType.FLAT}
_SCRIPTS: Final = Path(__file__).parents[2] / "data" / "scripts"

GOLDEN: Final = {name: _SCRIPTS / f"{name}.js" for name in _TYPES}


def golden_job(name: str) -> Job:
    """Return the job of a reviewed script: three frames of one type."""
    paths = [Path(f"/night/{name} {number}.fits") for number in (1, 2, 3)]
    calibration = flat_calibration() if name == "flat" else None
    return make_job(_TYPES[name], paths=paths, calibration=calibration)


def golden_text(name: str) -> str:
    """Return what is rendered now, with the program's version left out."""
    jobs = [golden_job(name)]
    text = render(jobs, RunPaths.manual(jobs, Path("/library"), stamp="20260129_123456"))
    return without_drive(text).replace(__version__, "VERSION")
