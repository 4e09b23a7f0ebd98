"""Supervision: what a launch comes to, that everything it started is stopped, and nothing else."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from ap_masters.engines.pixinsight import slots, tree
from ap_masters.engines.pixinsight.paths import RunPaths
from ap_masters.engines.pixinsight.process import Launch, arguments, runnable_script, supervise
from ap_masters.engines.pixinsight.pulse import Ending, Limits
from ap_masters.errors import PixInsightError
from ap_masters.model import JobState
from tests.engines.pixinsight.jobs import make_job

_PROGRAM = Path(__file__).parent / "fakes" / "program.py"
_QUICK = Limits(startup=20.0, silence=20.0, shutdown=0.3, jobs={"dark-1a2b3c4d": 60.0})


@pytest.fixture
def launch_of(tmp_path: Path) -> "LaunchOf":
    return LaunchOf(tmp_path)


class LaunchOf:
    """Makes launches of the fake program."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def __call__(self, mode: str, limits: Limits = _QUICK, *, force_exit: bool = True) -> Launch:
        self._made += 1
        folder = self._folder / f"launch {self._made}"
        folder.mkdir()
        job = make_job()
        paths = RunPaths.launch(
            [job], folder, run=f"run {self._made}", stamp="20260129_123456", script_dir=folder, log_dir=folder
        )
        paths.script.write_text("// nothing\n", encoding="ascii")
        command = (sys.executable, "-S", "-E", str(_PROGRAM), mode, str(paths.status), paths.run)
        return Launch([job], paths, command, limits, first_slot=123, force_exit=force_exit)


def run(launches: Sequence[Launch], at_once: int = 1) -> list[Launch]:
    """Supervise, and return the launches in the order in which they were seen to be over."""
    over: list[Launch] = []
    supervise(
        launches, at_once=at_once, on_look=lambda launch: over.append(launch) if launch.ending is not None else None
    )
    return over


def survivors(launch: Launch) -> list[psutil.Process]:
    assert launch.tree is not None
    return launch.tree.members()


def test_done(launch_of: LaunchOf) -> None:
    """A script that says it is through, in a program that then ends, is done."""
    launch = launch_of("done")
    run([launch])

    assert launch.ending is Ending.DONE
    assert launch.returncode == 0
    assert launch.status is not None
    assert launch.status.jobs[0].state is JobState.SUCCESS


def test_done_but_open(launch_of: LaunchOf) -> None:
    """A program that should close after its script and does not is closed."""
    launch = launch_of("done_open")
    run([launch])

    assert launch.ending is Ending.DONE
    assert not survivors(launch)


def test_left_open(launch_of: LaunchOf) -> None:
    """With --no-force-exit, PixInsight stays open once its script is through, and the slot is free again."""
    launch = launch_of("done_open", force_exit=False)
    run([launch])

    assert launch.ending is Ending.DONE
    assert [member.pid for member in survivors(launch)] == [launch.tree and launch.tree.root.pid]
    assert launch.tree is not None
    tree.stop([launch.tree])


@pytest.mark.parametrize(
    ("mode", "limits", "ending"),
    [
        pytest.param("idle", Limits(startup=0.4, silence=9), Ending.NEVER_STARTED, id="no first word"),
        pytest.param("silent", Limits(startup=9, silence=0.8), Ending.SILENT, id="no sign of life"),
        pytest.param(
            "busy", Limits(startup=9, silence=0.8, jobs={"dark-1a2b3c4d": 1.5}), Ending.TOO_LONG, id="busy for ever"
        ),
        pytest.param("broken", _QUICK, Ending.EXITED, id="exit in the middle"),
        pytest.param("crash", _QUICK, Ending.EXITED, id="killed by a signal"),
    ],
)
def test_endings(launch_of: LaunchOf, mode: str, limits: Limits, ending: Ending) -> None:
    """Each way of not finishing is told from the others, and nothing is left running."""
    launch = launch_of(mode, limits)
    run([launch])

    assert launch.ending is ending
    assert not survivors(launch)


def test_exit_code_and_last_words(launch_of: LaunchOf) -> None:
    """The exit code and what was printed are known afterwards; a signal is a negative code."""
    broken, crashed = launch_of("broken"), launch_of("crash")
    run([broken, crashed])

    assert broken.returncode == 3
    assert broken.output()[0].strip() == "some last words"
    assert crashed.returncode is not None
    assert crashed.returncode < 0 or sys.platform == "win32"


@pytest.mark.parametrize("mode", ["deaf", "parent", "wrapper"])
def test_all_of_the_tree_is_stopped(launch_of: LaunchOf, mode: str) -> None:
    """What does not listen is ended, also where a launcher started it, waits for it, or has left it alone."""
    launch = launch_of(mode, Limits(startup=9, silence=0.8))
    seen: set[int] = set()

    def look(launch: Launch) -> None:
        seen.update(member.pid for member in survivors(launch))

    supervise([launch], at_once=1, on_look=look)

    assert launch.ending is Ending.SILENT
    assert launch.tree is not None
    assert mode == "deaf" or seen - {launch.tree.root.pid}
    assert not survivors(launch)


def test_strangers_live(launch_of: LaunchOf) -> None:
    """A program of the same name that somebody else started is left alone."""
    stranger = subprocess.Popen([sys.executable, "-S", "-E", str(_PROGRAM), "idle", "x", "y"])
    try:
        run([launch_of("deaf", Limits(startup=9, silence=0.5))])

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_interrupted(launch_of: LaunchOf) -> None:
    """Ctrl-C stops every program that was started, deaf ones included, in about two seconds."""
    launches = [launch_of("deaf"), launch_of("parent")]
    interrupted = threading.Event()

    def look(launch: Launch) -> None:
        if all(each.status is not None for each in launches):
            interrupted.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervise(launches, at_once=2, on_look=look)
    assert interrupted.is_set()
    assert not [member for launch in launches for member in survivors(launch)]


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to one process there")
def test_real_interrupt(tmp_path: Path) -> None:
    """A real SIGINT ends the supervising program and all it started within a few seconds."""
    code = (
        "import sys; from pathlib import Path; from tests.engines.pixinsight.test_process import LaunchOf, run;"
        "run([LaunchOf(Path(sys.argv[1]))('parent')])"
    )
    supervisor = psutil.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.DEVNULL)
    status = tmp_path / "launch 1" / "status.json"
    deadline = time.monotonic() + 20
    while not status.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    family = supervisor.children(recursive=True)
    supervisor.send_signal(signal.SIGINT)
    supervisor.wait(timeout=15)

    assert len(family) >= 2
    assert not [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]


def test_side_by_side(launch_of: LaunchOf) -> None:
    """Several instances run at once, each in a slot of its own."""
    launches = [launch_of("done_open"), launch_of("done_open"), launch_of("done")]
    taken: list[set[int | None]] = []
    supervise(launches, at_once=2, on_look=lambda _: taken.append({launch.slot for launch in launches}))

    assert [launch.ending for launch in launches] == [Ending.DONE] * 3
    assert max(len(slots - {None}) for slots in taken) >= 2


def test_one_after_the_other_where_memory_is_short(launch_of: LaunchOf) -> None:
    """A further instance waits until a running one leaves its share of the memory."""
    launches = [launch_of("done_open"), launch_of("done")]
    together: list[int] = []

    def look(launch: Launch) -> None:
        together.append(sum(each.tree is not None and each.ending is None for each in launches))

    supervise(launches, at_once=2, share=600 << 20, memory=1 << 30, on_look=look)

    assert max(together) == 1
    assert [launch.ending for launch in launches] == [Ending.DONE] * 2


def test_no_such_program(launch_of: LaunchOf, tmp_path: Path) -> None:
    """A program that cannot be started is said by name, and its slot is free again."""
    job = make_job()
    paths = RunPaths.launch([job], tmp_path, run="r", stamp="s", script_dir=tmp_path, log_dir=tmp_path)
    paths.script.write_text("", encoding="ascii")
    launch = Launch([job], paths, (str(tmp_path / "no PixInsight"),), _QUICK, first_slot=7, force_exit=True)

    with pytest.raises(PixInsightError, match="no PixInsight: PixInsight could not be started"):
        run([launch])
    with slots.claim(7) as slot:
        assert slot.number == 7


def test_stale_status_is_not_believed(launch_of: LaunchOf) -> None:
    """A status that another run left is no sign of life of this one."""
    launch = launch_of("idle", Limits(startup=0.4, silence=9))
    launch.paths.status.write_text('{"run": "another", "state": "done", "jobs": []}', encoding="utf-8")
    run([launch])

    assert launch.ending is Ending.NEVER_STARTED
    assert launch.status is None


# --- the command line -------------------------------------------------------------------------------------


def test_arguments() -> None:
    """PixInsight only takes the form with an equals sign."""
    assert arguments(Path("/a b/s.js"), 123, force_exit=True) == (
        "-n=123",
        "--automation-mode",
        f"-r={Path('/a b/s.js')}",
        "--force-exit",
    )
    assert "--force-exit" not in arguments(Path("/a/s.js"), 1, force_exit=False)


@pytest.mark.parametrize(
    ("name", "copied"),
    [("My Nights, 2026", True), ("plain ü", False), ("cost $5 (new); rm", sys.platform != "win32")],
)
def test_scripts_that_cannot_be_named(tmp_path: Path, name: str, copied: bool) -> None:
    """A comma ends the path in -r=, and PixInsight.sh evaluates what a shell would: such a script runs as a copy."""
    folder = tmp_path / name
    folder.mkdir()
    script = folder / "s.js"
    script.write_text("// hello\n", encoding="ascii")

    path, made = runnable_script(script)

    assert (made is not None) == copied
    assert path.read_text(encoding="ascii") == "// hello\n"
    assert (path == script) != copied
    if made is not None:
        path.unlink()
        made.rmdir()


def test_no_name_for_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder for temporary files has a comma too, the message says what to do."""
    odd = tmp_path / "a,b"
    odd.mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(odd))
    script = odd / "s.js"
    script.write_text("", encoding="ascii")
    code = (
        "import sys; from pathlib import Path; from ap_masters.engines.pixinsight.process import runnable_script\n"
        "try: runnable_script(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )  # in a process of its own: Python remembers the folder for temporary files

    answer = subprocess.run([sys.executable, "-c", code, str(script)], capture_output=True, text=True, check=True)

    assert answer.stdout.startswith("PixInsightError")
    assert "--script-dir" in answer.stdout
    assert list(odd.iterdir()) == [script]
