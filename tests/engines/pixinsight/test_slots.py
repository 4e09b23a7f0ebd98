"""Slots: one holder each, the next free one is taken, and a dead holder holds nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from ap_masters.engines.pixinsight.slots import LAST, claim
from ap_masters.errors import PixInsightError


def test_next_free_slot(tmp_path: Path) -> None:
    """The asked slot, else the next one that nobody holds or uses; after 256 comes 1."""
    with (
        claim(123, folder=tmp_path) as first,
        claim(123, folder=tmp_path, in_use={124}) as second,
        claim(LAST, folder=tmp_path) as third,
        claim(LAST, folder=tmp_path) as fourth,
    ):
        assert [slot.number for slot in (first, second, third, fourth)] == [123, 125, 256, 1]
    with claim(123, folder=tmp_path) as again:
        assert again.number == 123


def test_another_process_holds_it(tmp_path: Path) -> None:
    """A slot that another run holds is not taken; once that run is dead, however it died, the slot is free."""
    code = (
        "import sys; from pathlib import Path; from ap_masters.engines.pixinsight.slots import claim;"
        "slot = claim(5, folder=Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with claim(5, folder=tmp_path) as other:
            assert other.number == 6
        holder.kill()
    with claim(5, folder=tmp_path) as freed:
        assert freed.number == 5


def test_none_free(tmp_path: Path) -> None:
    """With all slots taken the message says so."""
    with pytest.raises(PixInsightError, match="All 256"):
        claim(1, in_use=range(1, LAST + 1), folder=tmp_path)


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    """A folder that cannot be made is named."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(PixInsightError, match="file"):
        claim(1, folder=tmp_path / "file" / "slots")


def test_own_folder(own_home: Path) -> None:
    """By default slots are locked where this program keeps its state."""
    with claim(9):
        lock = FileLock(own_home / "state" / "slots" / "9.lock")

        assert Path(lock.lock_file).exists()
