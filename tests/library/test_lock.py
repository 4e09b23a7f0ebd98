"""Several programs at one library: nothing is lost, nothing is half, and a dead one does not lock it for ever."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ap_masters.errors import LibraryError
from ap_masters.library.audit import audit
from ap_masters.library.lock import TURN, library_lock, turn
from ap_masters.library.mirror import mirror
from ap_masters.library.scan import scan
from ap_masters.model import MasterStatus
from tests.library.shelves import NOW

CHECKOUT = Path(__file__).parents[2]

PUBLISH = """
import sys
from pathlib import Path
from ap_masters.library.lock import library_lock
from tests.library.shelves import draft, key, shelve
library, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(rounds):
    with library_lock(library, patience=60):
        shelve(library, f"{name}/masterDark_{number}.xisf", draft(key=key(exposure=float(number + 1))))
    with library_lock(library, patience=60):
        shelve(library, "shared/masterDark.xisf", draft(), seed=hash((name, number)))
"""

MIRROR = """
import sys
from pathlib import Path
from ap_masters.library.mirror import mirror
from tests.library.shelves import NOW
for _ in range(3):
    report = mirror(Path(sys.argv[1]), Path(sys.argv[2]), now=NOW, patience=60)
    assert not [f for f in report.files if f.action in {"mismatch", "kept"}], report
"""

HOLD = """
import sys, time
from pathlib import Path
from ap_masters.library.lock import library_lock
with library_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_builds_and_mirrors_at_one_library_lose_nothing(tmp_path: Path) -> None:
    """Two writers and two mirrors at once, all real processes: every master is there, whole, with its record."""
    library, rounds = tmp_path / "library é", 3
    library.mkdir()
    targets = [str(tmp_path / "nas"), str(tmp_path / "nas")]
    running = [start(PUBLISH, str(library), name, str(rounds)) for name in ("one", "two")]
    running += [start(MIRROR, str(library), target) for target in targets]

    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in running]

    assert [code for _, code in ended] == [0] * 4, ended
    entries = scan(library).entries
    own = [e.path for e in entries if not e.path.startswith(("shared", "superseded"))]
    assert sorted(own) == sorted(f"{n}/masterDark_{i}.xisf" for n in ("one", "two") for i in range(rounds))
    shared = [e.status for e in entries if e.path.startswith(("shared", "superseded"))]
    assert sorted(shared) == [MasterStatus.PUBLISHED] + [MasterStatus.SUPERSEDED] * (2 * rounds - 1)
    assert {f.kind for f in audit(library).faults} <= {"duplicate", "contradiction"}
    assert mirror(library, Path(targets[0]), now=NOW).exit_code == 0
    copies = {p.relative_to(targets[0]): p.read_bytes() for p in Path(targets[0]).rglob("*.xisf")}
    assert {p: (library / p).read_bytes() for p in map(Path, (e.path for e in entries))}.items() <= copies.items()


def test_a_process_that_dies_frees_the_lock(tmp_path: Path) -> None:
    """While it lives others are refused with what to do; killed, it is as if it had never been."""
    holder = start(HOLD, str(tmp_path))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    began = time.monotonic()
    with pytest.raises(LibraryError, match="another ap-masters is at work"), library_lock(tmp_path, patience=0.2):
        pass
    assert time.monotonic() - began < 5
    holder.kill()
    holder.communicate()
    with library_lock(tmp_path, patience=5):
        pass


def test_a_library_that_cannot_be_locked_is_told(tmp_path: Path) -> None:
    """A file stands where the library should be."""
    (tmp_path / "library").write_bytes(b"")

    with pytest.raises(LibraryError, match="cannot be made"), library_lock(tmp_path / "library"):
        pass


def test_a_program_that_died_while_it_left_its_word_was_at_work(tmp_path: Path) -> None:
    """Its file is empty then: whoever planned meanwhile plans anew."""
    with library_lock(tmp_path):
        planned = turn(tmp_path)
    (tmp_path / TURN).write_bytes(b"")

    with library_lock(tmp_path) as before:
        assert before != planned


def test_what_a_program_that_was_killed_has_left_is_cleared_away_by_the_next(tmp_path: Path) -> None:
    """Also of a file that is never written again, as a record is that has the time in its name."""
    part = tmp_path / "superseded" / ".masterDark_20260301_120000.xrs.4711.part"
    part.parent.mkdir()
    part.write_bytes(b"half")
    with library_lock(tmp_path):
        pass
    with library_lock(tmp_path):
        assert part.exists()  # nobody was killed
    (tmp_path / TURN).write_text("at work", encoding="ascii")

    with library_lock(tmp_path):
        assert not part.exists()


def test_every_turn_leaves_a_word_of_its_own(tmp_path: Path) -> None:
    """Whoever comes next can tell whether another program was at work since; one that was killed was."""
    assert turn(tmp_path) == ""
    with library_lock(tmp_path) as before:
        assert before == ""
        assert turn(tmp_path) == ""
    first = turn(tmp_path)
    with library_lock(tmp_path) as before:
        assert before == first
    second = turn(tmp_path)
    assert len({"", first, second}) == 3

    holder = start(HOLD, str(tmp_path))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    planned = turn(tmp_path)
    holder.kill()
    holder.communicate()

    with library_lock(tmp_path, patience=5) as before:
        assert before != planned
