"""The wheel and the source archive: everything that is needed, nothing else, and templates that are found."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built without a connection."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--wheel", "--outdir", str(folder)]
    subprocess.run([*command, str(CHECKOUT)], check=True, capture_output=True, text=True)
    return folder


@pytest.fixture(scope="module")
def wheel(archives: Path) -> zipfile.ZipFile:
    (path,) = archives.glob("*.whl")
    return zipfile.ZipFile(path)


def files(folder: str, *, below: str) -> set[str]:
    """Return the files of a folder of the checkout, as they are named in an archive below ``below``."""
    root = CHECKOUT / folder
    found = {path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    return {f"{below}/{path.relative_to(root).as_posix()}" for path in found if path.suffix != ".pyc"}


def test_the_wheel_holds_the_package_the_templates_and_its_papers(wheel: zipfile.ZipFile) -> None:
    """The whole list: a file too many is a leak, one too few an installation that does not work."""
    names = set(wheel.namelist())
    (about,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    papers = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}

    assert names == (
        files("ap_masters", below="ap_masters")
        | files("templates", below="ap_masters/templates")
        | {f"{about}/{paper}" for paper in papers}
    )


def test_the_installed_program_finds_its_templates(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Every template loads from an unpacked wheel, far from any checkout."""
    wheel.extractall(tmp_path)
    templates = sorted(
        name.removeprefix("ap_masters/templates/")
        for name in wheel.namelist()
        if name.startswith("ap_masters/templates/") and name.endswith(".j2")
    )
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import ap_masters, ap_masters.rendering as rendering\n"
        "assert ap_masters.__file__.startswith(sys.argv[1]), ap_masters.__file__\n"
        "for name in sys.argv[2:]: rendering.environment().get_template(name)\n"
    )

    assert templates
    subprocess.run([sys.executable, "-c", script, str(tmp_path), *templates], cwd=tmp_path, check=True)


def test_the_checkout_finds_the_same_templates() -> None:
    """An editable installation and a bare checkout have them beside the package."""
    from ap_masters.rendering import environment

    assert {f"x/{name}" for name in environment().list_templates() if name.endswith(".j2")} == {
        name for name in files("templates", below="x") if name.endswith(".j2")
    }


def test_the_source_archive_can_be_tested(archives: Path) -> None:
    """Sources, templates, tests, scripts and documents are in it."""
    (path,) = archives.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for folder in ("ap_masters", "templates", "tests", "scripts", "docs"):
        assert files(folder, below=folder) <= names
    assert {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} <= names


def test_the_wheel_names_its_program(wheel: zipfile.ZipFile) -> None:
    """``ap-masters`` is what is typed."""
    (entry,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))

    assert "ap-masters = ap_masters.cli:main" in wheel.read(entry).decode()


def test_what_ci_runs_is_the_readmes_test_command() -> None:
    """Nothing else decides what is tested."""
    ci = CHECKOUT / ".ci" / "run"
    if not ci.is_file():
        pytest.skip("the source archive has no CI")

    assert "python3 scripts/test.py" in ci.read_text(encoding="utf-8")
    assert "python3 scripts/test.py" in (CHECKOUT / "README.md").read_text(encoding="utf-8")
