"""A text is written whole or not at all, and what a killed run has left of it does not stay."""

import os
import subprocess
import sys
from pathlib import Path

from ap_masters.files import write_text


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
