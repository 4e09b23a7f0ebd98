"""Which engine integrates: the one that was asked for, or PixInsight where it is found, else numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters import memory
from ap_masters.config import Settings
from ap_masters.engines import Engine
from ap_masters.errors import PixInsightError
from ap_masters.model import LOGS, EngineName, Job

UNCOMPRESSED: Final = "--compression is for the numpy engine: these masters will not be compressed"


class Choice(NamedTuple):
    """The engine of a run, where its program is, and the line that says so, printed before anything else."""

    name: EngineName
    line: str
    program: Path | None = None


def choose(settings: Settings) -> Choice:
    """Return the engine of this run; it never changes half-way.

    Raises PixInsightError, with every place that was looked at, where PixInsight is the engine and is not there.
    """
    if settings.engine == "numpy":
        return Choice("numpy", "engine: numpy (built in)")
    from ap_masters.engines.pixinsight.find import find_binary

    found = find_binary(settings.pixinsight.binary)
    if settings.engine_beside(found.path) == "numpy":
        return Choice("numpy", "engine: numpy (built in; PixInsight was not found)")
    if found.path is not None:
        line = f"engine: PixInsight ({found.path})"
        return Choice("pixinsight", f"{line}; {UNCOMPRESSED}" if settings.compression != "none" else line, found.path)
    places = ", ".join(str(path) for path in found.looked_at)
    raise PixInsightError(
        f"PixInsight was not found (looked at {places}). Say where it is with --pixinsight-binary, "
        "or build with the numpy engine: --engine numpy"
    )


def refuses(choice: Choice) -> Callable[[Job], str | None] | None:
    """Return what says why the engine cannot do a job; None where it can do them all."""
    return None if choice.name == "numpy" else _unsupported


def script_refuses(job: Job) -> str | None:
    """Return why a script that a user runs cannot do a job; None where it can."""
    return _unsupported(job, final=True)


def _unsupported(job: Job, *, final: bool = False) -> str | None:
    from ap_masters.engines.pixinsight.script import unsupported

    reason = unsupported(job, final=final)
    return reason and f"{reason}. Use the numpy engine (--engine numpy) for it"


def make(choice: Choice, settings: Settings, library: Path) -> Engine:
    """Return the engine itself; PixInsight's scripts and consoles are kept with the logs of ``library``."""
    if choice.program is None:
        from ap_masters.engines.numpy import NumpyEngine

        return NumpyEngine(
            memory=memory.budget(settings.memory), threads=settings.threads, compression=settings.compression
        )
    from ap_masters.engines.pixinsight import PixInsightEngine

    own = settings.pixinsight
    return PixInsightEngine(
        choice.program,
        instance_id=own.instance_id,
        instances=own.instances,
        timeout_s=own.timeout_s,
        startup_timeout_s=own.startup_timeout_s,
        javascript=own.javascript,
        force_exit=own.force_exit,
        memory=memory.parse(settings.memory) if settings.memory else None,
        script_dir=own.script_dir or library / LOGS,
        log_dir=library / LOGS,
    )
