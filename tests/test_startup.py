"""The program starts lightly: whoever asks for help does not wait for libraries of numbers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import write_frame

HEAVY = ("numpy", "astropy", "scipy", "lz4", "zstandard")

_PROBE = """
import sys
from ap_masters.cli import main
try:
    main({argv!r})
except SystemExit:
    pass
print("loaded:", *sorted(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["build", "--help"], id="help of a command"),
        pytest.param(["--version"], id="version"),
        pytest.param(["config", "path"], id="where settings are"),
    ],
)
def test_help_loads_neither_numpy_nor_astropy(argv: list[str]) -> None:
    """Measured in a process of its own, because this one has loaded them."""
    script = _PROBE.format(argv=argv, heavy=HEAVY)

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stderr.splitlines()[-1] == "loaded:"


def test_match_loads_no_engine_and_no_numpy(tmp_path: Path) -> None:
    """It reads one header and what is kept of the library: well under a second, most of it Python's own start."""
    frame = write_frame(tmp_path / "flat.fits", IMAGETYP="FLAT")
    argv = ["match", str(frame), "--library", str(tmp_path)]
    script = _PROBE.format(argv=argv, heavy=(*HEAVY, "jinja2", "ap_masters.engines", "ap_masters.plan"))

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "No dark flat" in done.stderr
    assert done.stderr.splitlines()[-1] == "loaded:"


def test_a_stack_loads_no_codecs_and_no_locks_that_it_does_not_need(tmp_path: Path) -> None:
    """Loading either takes a sixtieth of the time that thirty frames take."""
    frames = [str(write_frame(tmp_path / f"{name}.fits", IMAGETYP="BIAS")) for name in "ab"]
    script = _PROBE.format(
        argv=["combine", *frames, str(tmp_path / "out.xisf")], heavy=("lz4", "zstandard", "filelock")
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert (tmp_path / "out.xisf").exists()
    assert done.stderr.splitlines()[-1] == "loaded:"


def test_the_module_is_the_program() -> None:
    """``python -m ap_masters`` does what ``ap-masters`` does."""
    done = subprocess.run([sys.executable, "-m", "ap_masters", "--version"], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("ap-masters ")
