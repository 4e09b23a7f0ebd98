"""The scripts that set themselves up: what they say where they cannot, and that they do nothing twice."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing in it but the scripts."""
    shutil.copytree(SCRIPTS, tmp_path / "a checkout" / "scripts")
    (tmp_path / "a checkout" / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    return tmp_path / "a checkout"


def run(checkout: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` as if it stood in one of the scripts."""
    whole = f"import sys; sys.path.insert(0, sys.argv[1])\n{code}"
    command = [sys.executable, "-c", whole, str(checkout / "scripts")]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_old_versions_can_read_the_bootstrap() -> None:
    """The advice is of no use where it is a syntax error."""
    ast.parse((SCRIPTS / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_old_python_is_told_what_is_needed(checkout: Path) -> None:
    """Which one it is, which one is needed, and how to go on."""
    done = run(checkout, "sys.version_info = (3, 9, 2); sys.argv = ['scripts/demo.py']; import bootstrap")

    assert done.returncode == 1
    assert "needs Python 3.11 or newer; this is 3.9" in done.stderr
    assert "python3.12 scripts/demo.py" in done.stderr


def test_a_python_without_ensurepip_is_told_what_is_missing(checkout: Path) -> None:
    """Debian splits it off; no half-made environment is left."""
    done = run(checkout, "sys.modules['ensurepip'] = None; import bootstrap; bootstrap.python()")

    assert done.returncode == 1
    assert "sudo apt install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.skipif(os.name == "nt", reason="an environment cannot be faked by a link there")
@pytest.mark.parametrize(
    ("stamped", "asked", "fits"),
    [
        pytest.param("test", "test", True, id="the same again"),
        pytest.param("test", "", True, id="tests hold what the demo needs"),
        pytest.param("", "test", False, id="the demo does not hold what tests need"),
    ],
)
def test_an_environment_that_fits_is_used_again(checkout: Path, stamped: str, asked: str, fits: bool) -> None:
    """Nothing is installed where nothing has changed; what has changed is installed."""
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if subprocess.run([base, "-c", "import pip"], capture_output=True, check=False).returncode:
        pytest.skip(f"{base} has no pip, and is not like an environment for that")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(base)
    digest = hashlib.sha256((checkout / "pyproject.toml").read_bytes()).hexdigest()
    (checkout / ".venv" / "ap-masters.stamp").write_text(f"{digest} {stamped}\n", encoding="utf-8")
    code = "import bootstrap\nbootstrap._install = lambda extra: print('installing', extra)\n"

    done = run(checkout, f"{code}print(bootstrap.python({asked!r}))")

    assert done.stdout.splitlines()[-1] == str(checkout / ".venv" / "bin" / "python")
    assert ("installing" not in done.stdout) == fits
    assert "Making" not in done.stderr


@pytest.mark.parametrize(("ci", "searches"), [("", ["-m", "not campaign"]), ("1", [])], ids=["here", "in CI"])
def test_ci_runs_the_long_searches_too(checkout: Path, ci: str, searches: list[str]) -> None:
    """And what was typed after the script's name reaches pytest."""
    code = "import runpy; print(*runpy.run_path(sys.argv[1] + '/test.py')['steps'](['-k', 'group'])['pytest'], sep='|')"
    done = run(checkout, code, CI=ci)

    assert done.stdout.strip().split("|") == ["pytest", "-q", "-n", "auto", *searches, "-k", "group"]
