"""Fixtures that several rooms share: a home of its own for every test, and the real frames where they are."""

import os
import signal
import sys
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.program import Run, program
from tests.refusals import keep_read_only

# No test is about how fast this machine is just now. CI repeats its examples, so that a red run stays red.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
os.environ.setdefault("AP_SIM_PYTHON", sys.executable)  # the simulator is a program of its own, for any Python
settings.load_profile("ci" if os.environ.get("CI") else "default")

# A shell that starts the tests in the background has SIGINT ignored, and every program they start would inherit that:
# the tests that press Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_CHECKOUT = Path(__file__).parent.parent
_homes = count()


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the settings, caches and slots of whoever runs it; programs it starts inherit that."""
    home = tmp_path_factory.getbasetemp() / f"home{next(_homes)}"  # made by who needs it; most tests do not
    for name in [name for name in os.environ if name.startswith("AP_MASTERS_") and name != "AP_MASTERS_REALDATA"]:
        monkeypatch.delenv(name)
    for name in ("CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"AP_MASTERS_{name}_DIR", str(home / name.lower()))
    return home


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``ap-masters`` with arguments of any kind."""
    return program(capsys)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real frames, or a skip with the reason."""
    folder = Path(os.environ.get("AP_MASTERS_REALDATA", _CHECKOUT.parent / "shared" / "realdata"))
    if not folder.is_dir():
        pytest.skip(f"no real frames at {folder} (AP_MASTERS_REALDATA names another place)")
    return folder


@pytest.fixture
def windows_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no file that is marked read-only be replaced or removed, as is so on Windows and nowhere else."""
    if sys.platform != "win32":
        keep_read_only(monkeypatch)
