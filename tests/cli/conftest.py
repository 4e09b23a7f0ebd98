"""Running the program inside a test: its exit code, its standard output and its standard error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ap_masters.cli import main
from ap_masters.demo import write_night


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output."""
        document: dict[str, Any] = json.loads(self.out)
        assert document["schema_version"] == 1
        return document


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``ap-masters`` with arguments of any kind, as its user would."""

    def go(*arguments: object) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Done(int(end.value.code or 0), out, err)

    return go


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
