"""Every file name of one run of a script: nothing derives one from another anywhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from ap_masters.model import HOUSEKEEPING, LOGS, Job
from ap_masters.record import record_path
from ap_masters.safe import path_component

_SCRIPT = "{stamp}_calibrate_masters.js"  # as S4 names it
_MANUAL_LOG = "{stamp}.log"
_LAUNCH_LOG = "{stamp}_pixinsight.log"  # the build's own log has the bare name


class JobPaths(NamedTuple):
    """What one job writes. ``calibrated`` is a folder for its calibrated frames, removed when the master stands."""

    master: Path
    record: Path
    calibrated: Path


@dataclass(frozen=True)
class RunPaths:
    """The files of one run. ``run`` names it, so that a status left by another run is not taken for this one's.

    ``final`` tells a script that its masters go to their places in the library, where nothing is overwritten;
    otherwise they go to a folder that this run has for itself. ``masters`` takes copies of masters that PixInsight
    could not subtract as they are; those for a script that a user runs stay as long as the script.
    """

    run: str
    stamp: str
    final: bool
    script: Path
    log: Path
    status: Path
    masters: Path
    jobs: Mapping[str, JobPaths]

    @property
    def stdout(self) -> Path:
        """What a PixInsight that is launched prints."""
        return self.status.with_name("stdout.txt")

    @property
    def stderr(self) -> Path:
        """What it prints of errors."""
        return self.status.with_name("stderr.txt")

    @classmethod
    def manual(
        cls,
        jobs: Sequence[Job],
        library: Path,
        *,
        stamp: str,
        script_dir: Path | None = None,
        record_suffix: str = ".xrs",
    ) -> "RunPaths":
        """Return the names for a script that a user runs, at the time of ``stamp``."""
        library = library.absolute()
        logs = library / LOGS
        scratch = library / HOUSEKEEPING
        return cls(
            run=f"manual-{stamp}",
            stamp=stamp,
            final=True,
            script=(script_dir or logs).absolute() / _SCRIPT.format(stamp=stamp),
            log=logs / _MANUAL_LOG.format(stamp=stamp),
            status=logs / f"{stamp}_status.json",
            masters=scratch / f"masters-{stamp}",
            jobs={
                job.id: JobPaths(
                    master=library / job.output,
                    record=record_path(library / job.output, record_suffix),
                    calibrated=scratch / f"calibrated-{stamp}-{number:03d}",
                )
                for number, job in enumerate(jobs, 1)
            },
        )

    def make_folders(self, jobs: Sequence[Job]) -> None:
        """Make every folder that the script writes to: on a network share PixInsight may not be able to.

        Raises OSError.
        """
        for job in jobs:
            files = self.jobs[job.id]
            files.master.parent.mkdir(parents=True, exist_ok=True)
            if job.calibration is not None and job.calibration.subtracted:
                files.calibrated.mkdir(parents=True, exist_ok=True)
        for file in (self.script, self.log, self.status):
            file.parent.mkdir(parents=True, exist_ok=True)

    @classmethod
    def launch(
        cls,
        jobs: Sequence[Job],
        folder: Path,
        *,
        run: str,
        stamp: str,
        script_dir: Path,
        log_dir: Path,
    ) -> "RunPaths":
        """Return the names for one launch, which has ``folder`` (new and empty) for itself.

        ``stamp`` has a number behind it where several launches fall into one second.
        """
        folder = folder.absolute()
        return cls(
            run=run,
            stamp=stamp,
            final=False,
            script=script_dir.absolute() / _SCRIPT.format(stamp=stamp),
            log=log_dir.absolute() / _LAUNCH_LOG.format(stamp=stamp),
            status=folder / "status.json",
            masters=folder / "masters",
            jobs={
                job.id: JobPaths(
                    master=folder / f"{stem}{job.output.suffix.lower()}",
                    record=folder / f"{stem}.xrs",
                    calibrated=folder / "calibrated" / f"{number:03d}",
                )
                for number, job in enumerate(jobs, 1)
                for stem in [f"{number:03d}-{path_component(job.id)[:80]}"]
            },
        )


def for_pixinsight(path: PurePath) -> str:
    """Return ``path`` as PixInsight writes paths on every system: with forward slashes, UNC shares included."""
    return path.as_posix()
