"""A small night and its library, made once for all tests of the command line."""

from pathlib import Path

import pytest

from ap_masters.cli import main
from ap_masters.demo import write_night
from tests.program import Done, Run

__all__ = ["Done", "Run"]


@pytest.fixture(scope="session")
def small_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's night with small frames: read it, never write into it."""
    folder = tmp_path_factory.mktemp("a night") / "Nächte"
    write_night(folder, width=64, height=48)
    return folder


@pytest.fixture(scope="session")
def small_library(small_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The masters of the small night, as the numpy engine builds them: read it, never write into it."""
    library = tmp_path_factory.mktemp("library") / "masters"
    with pytest.raises(SystemExit) as end:
        main(["build", str(small_night), str(library), "--engine", "numpy", "-q"])
    assert not end.value.code
    return library
