"""Masters, and the folders of a library that are not for those in use."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, get_args

from ap_masters.model.groups import GroupKey
from ap_masters.model.noun import Noun

# The folder of a library that is this program's own: lock, work, caches.
HOUSEKEEPING = Path(".ap-masters")
# That of the scripts and logs of runs.
LOGS = Path("logs")
# Those for masters that do not serve, each under its usual path.
QUARANTINE = Path("quarantine")
SUPERSEDED = Path("superseded")

RecordSchema = Literal["ap-masters/record"]
RECORD_SCHEMA: Final[RecordSchema] = get_args(RecordSchema)[0]  # stands at the beginning of every record


class MasterStatus(StrEnum):
    """Where a master stands in the library. Matching uses published masters only."""

    CANDIDATE = "candidate"
    PUBLISHED = "published"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"

    @property
    def told(self) -> str:
        """What a master is, behind "it is": ``a candidate``, ``published``."""
        return "a candidate" if self is MasterStatus.CANDIDATE else self.value


class Master(Noun):
    """A master as matching sees it: in a library, from another program, or promised by a job of this run."""

    path: Path
    key: GroupKey
    frames: int | None = None
    started: datetime | None = None  # first and last exposure
    ended: datetime | None = None
    created: datetime | None = None
    calibration_state: str | None = None
    row_order: str | None = None  # TOP-DOWN or BOTTOM-UP, where it is known
    constant: float | None = None  # ADU, subtracted from its frames in place of a bias
    status: MasterStatus = MasterStatus.PUBLISHED
    labels: tuple[str, ...] = ()
    origin: str | None = None  # program that made it, as far as known
    source: Literal["this run", "library", "given"] = "library"
    job_id: str | None = None
    damaged: bool = False  # not the file that its record tells of
    warnings: tuple[str, ...] = ()
