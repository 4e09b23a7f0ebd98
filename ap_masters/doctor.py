"""What this machine has to offer, for ``ap-masters doctor`` and for the report of a bug. Reads; starts nothing."""

import os
import platform
import sys
from importlib import metadata
from typing import Final

import psutil

from ap_masters import __version__, memory
from ap_masters.config import Settings
from ap_masters.engines.pixinsight.find import Facts, examine
from ap_masters.model import EngineName, Noun
from ap_masters.moving import LONGEST_PATH, takes_long_paths

_PACKAGES: Final = ("astropy", "filelock", "jinja2", "lz4", "numpy", "psutil", "pydantic", "rich", "typer", "zstandard")

_LONG_PATHS: Final = (
    f"Windows takes no paths of more than {LONGEST_PATH} characters here, and masters have long names: keep the "
    "library in a folder with a short path, or set LongPathsEnabled to 1 under "
    r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\FileSystem"
)


class Health(Noun):
    """What ``doctor`` found. ``ready`` says whether the engine that the settings ask for can run."""

    version: str
    python: str
    system: str
    packages: dict[str, str]
    cores: int
    memory_free: int  # bytes
    memory_budget: int  # bytes that integration would take
    pixinsight: Facts
    engine: EngineName
    ready: bool
    notes: tuple[str, ...] = ()  # what to do about this machine, in words


def examine_machine(settings: Settings) -> Health:
    """Return what is installed, how much room there is, and whether PixInsight is there."""
    facts = examine(settings.pixinsight.binary)
    engine = settings.engine_beside(facts.binary)
    return Health(
        version=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        system=platform.platform(),
        packages={name: metadata.version(name) for name in _PACKAGES},
        cores=os.cpu_count() or 1,
        memory_free=int(psutil.virtual_memory().available),
        memory_budget=memory.budget(settings.memory),
        pixinsight=facts,
        engine=engine,
        ready=engine == "numpy" or facts.binary is not None,
        notes=() if takes_long_paths() else (_LONG_PATHS,),
    )
