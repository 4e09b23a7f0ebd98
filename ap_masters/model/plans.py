"""Plans: jobs and steps, all that a build would do."""

from enum import StrEnum
from pathlib import Path

from ap_masters.model.frames import Frame, SetAside
from ap_masters.model.groups import Grade, Group, GroupKey
from ap_masters.model.images import Keyword, SampleScale
from ap_masters.model.noun import Noun
from ap_masters.model.recipes import Calibration, Recipe


class Job(Noun):
    """One master's worth of work. ``output`` is relative to the library and ends in the master's suffix."""

    id: str
    group: Group
    recipe: Recipe
    output: Path
    calibration: Calibration | None = None
    keywords: tuple[Keyword, ...] = ()  # the whole key set of the master, without what only the engine knows
    image_type: str = "MasterDark"  # XISF imageType
    scale: SampleScale = "unit"
    waits_for: tuple[str, ...] = ()  # ids of jobs whose masters this one uses

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames to integrate."""
        return self.group.frames

    @property
    def samples(self) -> int:
        """Samples of all its frames, which are what its work goes with."""
        return sum(frame.width * frame.height * frame.channels for frame in self.frames)


class Action(StrEnum):
    """What a plan would do about one group."""

    CREATE = "create"
    REBUILD = "rebuild"
    UP_TO_DATE = "up to date"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    WAITING = "waiting"


class Step(Noun):
    """One group's line in a plan: the action, the reasons for it, and the job if there is one to run."""

    action: Action
    key: GroupKey
    frames: int
    grade: Grade
    output: Path
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    job: Job | None = None
    supersedes: Path | None = None
    blocked: bool = False  # wanted and of frames enough, and yet nothing can be made of it


class Plan(Noun):
    """What a build would do: stages of steps in order, and every file that is in none of them."""

    library: Path
    stages: tuple[tuple[Step, ...], ...]
    turn: str = ""  # which program's turn at the library it was made after
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order of their stages."""
        return tuple(step for stage in self.stages for step in stage)
