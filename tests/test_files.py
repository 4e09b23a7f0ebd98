"""A text is written whole or not at all, and what a killed run has left of it does not stay."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ap_masters.errors import UsageError
from ap_masters.files import write_named, write_text


def test_what_a_killed_run_has_left_of_a_file_goes_with_the_next_writing(tmp_path: Path) -> None:
    """Of this file alone, and not while the process lives that writes it."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    index = tmp_path / "index [1].md"
    left, other = (tmp_path / f".{name}.{ended.pid}.part" for name in (index.name, "index 1.md"))
    living = tmp_path / f".{index.name}.{os.getppid()}.part"
    for part in (left, other, living):
        part.write_text("half")

    write_text(index, "whole")

    assert {path.name for path in tmp_path.iterdir()} == {index.name, other.name, living.name}


def test_a_text_takes_the_place_of_its_own_kind_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others wrote, and what cannot be read, is replaced only where that is asked for."""
    own, others, unread, empty = (tmp_path / name for name in ("own.md", "notes.md", "unread.md", "empty.md"))
    own.write_text("# Index\nMade by us, last year")
    others.write_text("# Notes")
    unread.write_text("Made by us")
    empty.touch()
    opened = Path.open

    def refuse(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if path == unread and mode == "rb":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode, *rest, **more)

    monkeypatch.setattr(Path, "open", refuse)

    for path in (own, empty, tmp_path / "new" / "index.md"):
        write_named(path, "new", known_by="Made by us")
        assert path.read_text() == "new"
    for path in (others, unread):
        with pytest.raises(UsageError, match=r"ap-masters did not write it; .* --overwrite replaces it"):
            write_named(path, "new", known_by="Made by us")
    write_named(others, "new", known_by="Made by us", overwrite=True)
    assert others.read_text() == "new"
