"""Make the checkout's own virtual environment, so that the scripts run on a machine that has nothing but Python.

This file is read by whatever ``python3`` is there, so it keeps to syntax that old versions understand.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said here, where an old Python still understands it
    sys.exit(
        f"ap-masters needs Python 3.11 or newer; this is {sys.version_info[0]}.{sys.version_info[1]} "
        f"({sys.executable}).\nRun the script with a newer one, as in: python3.12 {sys.argv[0]}"
    )

import hashlib
import importlib.util
import os
import subprocess
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
_VENV = CHECKOUT / ".venv"
_STAMP = _VENV / "ap-masters.stamp"
_PYTHON = _VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def python(extra: str = "") -> Path:
    """Return the interpreter of an environment in which this checkout (and its ``extra``) is installed.

    The environment is made when it is missing or does not run, and brought up to date when ``pyproject.toml``
    has changed since. Ends the program with advice when that is impossible.
    """
    wanted = hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes()).hexdigest()
    if _runs() and _stamp() in {(wanted, extra), (wanted, "test")}:
        return _PYTHON
    if not _runs():
        _create()
    _install(extra)
    _STAMP.write_text(f"{wanted} {extra}\n", encoding="utf-8")
    return _PYTHON


def _runs() -> bool:
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([_PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _stamp() -> tuple[str, str]:
    try:
        digest, _, extra = _STAMP.read_text(encoding="utf-8").strip().partition(" ")
    except OSError:
        return "", ""
    return digest, extra


def _create() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            f"{sys.executable} cannot make virtual environments: its module 'ensurepip' is missing.\n"
            "On Debian and Ubuntu: sudo apt install python3-venv\n"
            "Or run the script with another Python, as from python.org, Homebrew or conda."
        )
    print(f"Making {_VENV} ...", file=sys.stderr, flush=True)
    try:
        venv.create(_VENV, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{_VENV} could not be made: {error}\nOn Debian and Ubuntu: sudo apt install python3-venv")


def _install(extra: str) -> None:
    what = f".[{extra}]" if extra else "."
    print(f"Installing {what} into {_VENV} ...", file=sys.stderr, flush=True)
    command: list[str | Path] = [
        _PYTHON,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--editable",
        what,
    ]
    if subprocess.run(command, cwd=CHECKOUT, check=False).returncode != 0:
        sys.exit("The packages could not be installed (see above). Is there a connection to the internet?")
