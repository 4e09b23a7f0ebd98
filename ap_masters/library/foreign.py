"""A record for a master of another program: what header and pixels tell, and that the rest is unknown."""

from datetime import datetime
from pathlib import Path
from typing import Final

from ap_masters import __version__, headers, images
from ap_masters.config import QualitySettings
from ap_masters.files import sha256
from ap_masters.library.scan import Complete
from ap_masters.model import (
    Calibration,
    Decision,
    Frame,
    Master,
    MasterStatus,
    Recipe,
)
from ap_masters.quality import judge
from ap_masters.record import Event, MasterFile, Record, Software

MAY_BE_A_FRAME: Final = (
    "neither header nor name said that it is a master, and its samples are integers: it may be a single frame"
)


def may_be_a_frame(frame: Frame) -> bool:
    """Say whether a file may be as it came from a camera; masters are of floats, or say what they are."""
    return not frame.master and not frame.sample.startswith("float")


def read_master(path: Path, *, root: Path | None = None, complete: Complete | None = None) -> tuple[Frame, Master]:
    """Return what header, name and folders up to ``root`` tell of a master; ``complete`` adds to that.

    Raises UnreadableImage, and ValueError where its frame type is not known.
    """
    info = images.read_info(path)
    stat = path.stat()
    frame = headers.frame_from(info, size=stat.st_size, mtime_ns=stat.st_mtime_ns, root=root)
    frame = complete(frame) if complete else frame
    return frame, headers.master_from(info, frame)


def draft_record(
    path: Path, frame: Frame, master: Master, *, now: datetime, reason: str, quality: QualitySettings
) -> Record:
    """Return a judged record for the master at ``path``, measured from its pixels; status by the gate.

    Neither its frames nor its recipe are known: the record says so, and a plan will not take it for up to date.
    """
    from ap_masters.engines.statistics import measure  # numpy, which labelling a master of ours does not need

    state = master.calibration_state or ""
    record = Record(
        status=MasterStatus.CANDIDATE,
        master=MasterFile(
            name=path.name,
            width=frame.width,
            height=frame.height,
            channels=frame.channels,
            sample=frame.sample,
            size=frame.size,
            sha256=sha256(path),
        ),
        created=master.created,
        software=Software(version=__version__),
        key=master.key,
        telescope=frame.telescope,
        electrons_per_adu=frame.electrons_per_adu,
        row_order=master.row_order,
        capture=frame.software,
        recipe=Recipe(),
        calibration=Calibration(before=state) if state else None,
        inputs=(),
        combined=master.frames,
        started=master.started,
        ended=master.ended,
        grade=None,
        statistics=measure(path),
        decisions=(
            Decision(subject="recipe", verdict="unknown", reason=f"made by {master.origin or 'another program'}"),
            *((Decision(subject="calibration", verdict=state, reason="keyword CALSTAT"),) if state else ()),
            *frame.decisions,
        ),
        warnings=(*master.warnings, *((MAY_BE_A_FRAME,) if may_be_a_frame(frame) else ())),
    )
    judged = judge(record, None, quality)
    return judged.model_copy(update={"history": (Event(at=now, status=judged.status, reason=reason),)})
