"""The program dies at any moment: nothing of the user is lost, and the same command does the rest."""

import shutil
import sys
from pathlib import Path

import pytest

from ap_masters import images
from ap_masters import record as records
from ap_masters.files import is_part, sha256
from ap_masters.library.audit import audit
from ap_masters.stamps import without_stamp
from tests.builders import noisy, write_frame
from tests.dying import dies
from tests.library.shelves import tree
from tests.program import Run

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(sys.platform == "win32", reason="a process that is forked dies in a tenth of the time"),
]

NIGHT, LIBRARY, MIRROR = "night", "library", "nas"
MOST = 200  # changes to the disk; no command below makes as many


def darks(folder: Path, first: int, last: int) -> None:
    for i in range(first, last):
        write_frame(folder / f"dark_{i}.fits", noisy(i, level=520), DATE_OBS=f"2026-01-29T20:{i:02}:00")


def masters(library: Path) -> dict[str, Path]:
    """Return where each master stands, by its bytes; every one can be read."""
    places = [path for path in library.rglob("*.xisf") if ".ap-masters" not in path.parts]
    assert all(images.read_image(path) for path in places)
    return {sha256(path): path for path in places}


def places(home: Path) -> list[str]:
    """Return where masters stand, without the times in their names."""
    return sorted(
        path.relative_to(home).with_name(without_stamp(path.stem)).as_posix() for path in masters(home).values()
    )


@pytest.fixture
def home(tmp_path: Path, run: Run) -> Path:
    """A library with a master of last week that is mirrored, and new frames that will replace it."""
    home = tmp_path / "home"
    darks(home / NIGHT, 0, 4)
    assert run("build", home / NIGHT, home / LIBRARY, "--engine", "numpy", "--threads", 1).code == 0
    assert run("library", "mirror", home / LIBRARY, home / MIRROR).code == 0
    darks(home / NIGHT, 4, 6)
    return home


@pytest.mark.parametrize(
    ("prepare", "command", "again"),
    [
        pytest.param((), ("build", NIGHT, LIBRARY, "--engine", "numpy", "--threads", 1), 0, id="rebuild"),
        pytest.param((), ("library", "quarantine", LIBRARY, "master/*.xisf", "--reason", "fog"), 3, id="quarantine"),
        pytest.param(
            ("library", "quarantine", LIBRARY, "master/*.xisf", "--reason", "fog"),
            ("library", "publish", LIBRARY, "quarantine/master/*.xisf", "--reason", "no fog"),
            3,
            id="publish",
        ),
        pytest.param(
            ("build", NIGHT, LIBRARY, "--engine", "numpy", "--threads", 1),
            ("library", "mirror", LIBRARY, MIRROR),
            0,
            id="mirror",
        ),
    ],
)
def test_a_run_that_is_killed_loses_nothing_and_is_taken_up_again(
    home: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    prepare: tuple[object, ...],
    command: tuple[object, ...],
    again: int,
) -> None:
    """Killed at each of its changes to the disk.

    Frames are as they were; every master stands, whole and with a record; the same command leads to what it would have
    come to, or says that its master has moved already; nothing half-made is left but a record without its master, which
    the audit names.
    """
    monkeypatch.chdir(home)
    monkeypatch.setattr("os.fsync", lambda _: None)
    if prepare:
        assert run(*prepare).code == 0
    kept = home.with_name("kept")
    shutil.copytree(home, kept)
    before, frames = {**masters(home / MIRROR), **masters(home / LIBRARY)}, tree(home / NIGHT)
    assert run(*command).code == 0
    after = places(home)

    for at in range(1, MOST):
        for folder in home.iterdir():
            shutil.rmtree(folder)
        shutil.copytree(kept, home, dirs_exist_ok=True)
        if not dies(at, home, *command):
            break
        found = masters(home / LIBRARY)
        assert tree(home / NIGHT) == frames
        assert before.keys() <= {**masters(home / MIRROR), **found}.keys()
        assert all(records.record_path(found[digest]).exists() for digest in masters(kept / LIBRARY))

        assert run(*command).code in {0, again}
        assert run("library", "index", LIBRARY).code == 0
        assert places(home) == after
        assert {fault.kind for fault in audit(home / LIBRARY).faults} <= {"orphan record"}
        assert [path for path in home.rglob("*") if is_part(path) or (path.is_file() and "work" in path.parts)] == []
    assert 10 < at < MOST
