"""Running the program inside a test: its exit code, its standard output and its standard error."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import psutil
import pytest

from ap_masters.cli import main


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


def program(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs ``ap-masters`` with arguments of any kind, as its user would."""

    def go(*arguments: object) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return Done(int(end.value.code or 0), *capsys.readouterr())

    return go


def left_running() -> set[int]:
    """Return the processes below this one that live.

    Not those which multiprocessing starts with the first process of its own, in whatever test, and keeps to the end.
    """
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and not any(
                "resource_tracker" in p or "forkserver" in p for p in child.cmdline()
            ):
                found.add(child.pid)
    return found
