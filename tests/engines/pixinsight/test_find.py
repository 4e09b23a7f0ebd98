"""Finding PixInsight, what it is started with, and which instances run."""

import plistlib
import sys
from pathlib import Path

import pytest

from ap_masters.engines.pixinsight import find
from ap_masters.model import JavaScript


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    return path


def test_configured_alone(tmp_path: Path) -> None:
    """A configured program that is not there is not replaced by another one."""
    usual = program(tmp_path / "usual" / "PixInsight")
    found = find.find_binary(tmp_path / "mine", usual=[usual])

    assert found == (None, (tmp_path / "mine",))


def test_usual_places_in_order(tmp_path: Path) -> None:
    """The first usual place that holds a program counts; all that were looked at are told."""
    places = [tmp_path / "a", program(tmp_path / "b"), program(tmp_path / "c")]
    found = find.find_binary(None, usual=places)

    assert found == (places[1], (places[0], places[1]))


def test_path_last(tmp_path: Path) -> None:
    """PATH is looked at last."""
    hit = program(tmp_path / "bin" / "PixInsight")

    assert find.find_binary(None, usual=[tmp_path / "a"], which={"PixInsight": str(hit)}).path == hit
    assert find.find_binary(None, usual=[tmp_path / "a"], which={}).path is None


def test_launcher_on_linux(tmp_path: Path) -> None:
    """On Linux the launcher beside the program is what can be started."""
    binary = program(tmp_path / "bin" / "PixInsight")

    assert find.find_binary(binary, platform="linux").path == binary
    launcher = program(tmp_path / "bin" / "PixInsight.sh")
    assert find.find_binary(binary, platform="linux").path == launcher
    assert find.find_binary(binary, platform="darwin").path == binary


@pytest.mark.parametrize(
    ("platform", "inside"),
    [
        ("win32", "bin/PixInsight.exe"),
        ("darwin", "Contents/MacOS/PixInsight"),
        ("darwin", "PixInsight.app/Contents/MacOS/PixInsight"),
        ("linux", "bin/PixInsight.sh"),
        ("linux", "bin/PixInsight"),
    ],
)
def test_the_folder_that_pixinsight_is_installed_in_will_do(tmp_path: Path, platform: str, inside: str) -> None:
    """A Mac shows the application itself as one thing, and it is a folder."""
    folder = tmp_path / "Program Files" / "PixInsight"
    binary = program(folder / inside)

    assert find.find_binary(folder, platform=platform).path == binary


@pytest.mark.parametrize("named", ["", ".", ".."])
def test_a_folder_without_pixinsight_is_told_as_any_place_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """An empty variable in a shell, ``--pixinsight-binary "$PI"``, is the folder one is in."""
    monkeypatch.chdir(tmp_path)
    found = find.find_binary(Path(named))

    assert found.path is None
    assert found.looked_at[0] == Path(named)


@pytest.mark.parametrize("platform", ["win32", "darwin", "linux"])
def test_every_system_has_usual_places(platform: str) -> None:
    """Every system has places to look at, and they are told when nothing is there."""
    assert find.find_binary(None, platform=platform, which={}).looked_at


def test_virtual_display() -> None:
    """Without a display PixInsight is started inside xvfb-run, where there is one."""
    command, environ = find.with_display(["pi"], {"A": "1"}, platform="linux", xvfb_run="/usr/bin/xvfb-run")

    assert command == ("/usr/bin/xvfb-run", "-a", "-s", "-screen 0 1920x1080x24", "pi")
    assert environ == {"A": "1", "QT_QPA_PLATFORM": "xcb"}


@pytest.mark.parametrize(
    ("environ", "platform", "xvfb"),
    [({"DISPLAY": ":0"}, "linux", "/x"), ({}, "linux", None), ({}, "win32", "/x"), ({}, "darwin", "/x")],
)
def test_no_virtual_display(environ: dict[str, str], platform: str, xvfb: str | None) -> None:
    """Where there is a display, or nothing to make one, the command stays as it is."""
    assert find.with_display(["pi"], environ, platform=platform, xvfb_run=xvfb) == (("pi",), environ)


def test_slots_in_use() -> None:
    """Running instances are known by their command lines, whatever form the option has; others are no concern."""
    lines = [
        ["/opt/PixInsight/bin/PixInsight", "-n=123", "--automation-mode"],
        [r"C:\Program Files\PixInsight\bin\PixInsight.exe", "--new-instance=7"],
        ["/bin/sh", "/opt/PixInsight/bin/PixInsight.sh", "--new=9"],
        ["/Applications/PixInsight/PixInsight.app/Contents/MacOS/PixInsight"],
        ["vim", "notes on PixInsight.txt", "-n=55"],
        ["head", "-n=44"],
        [],
    ]

    assert find.slots_in_use(lines) == {123, 7, 9, 1}


def test_own_machine() -> None:
    """The look at this machine's processes gives slots, if any."""
    assert all(1 <= slot <= 256 for slot in find.slots_in_use())


def test_version_from_a_bundle(tmp_path: Path) -> None:
    """On macOS the version can be read without starting PixInsight; elsewhere it cannot."""
    binary = program(tmp_path / "PixInsight.app" / "Contents" / "MacOS" / "PixInsight")
    information = tmp_path / "PixInsight.app" / "Contents" / "Info.plist"

    assert find.version_of(binary) is None
    information.write_bytes(plistlib.dumps({"CFBundleShortVersionString": "1.9.4"}))
    assert find.version_of(binary) == "1.9.4"
    information.write_bytes(b"nonsense")
    assert find.version_of(binary) is None
    assert find.version_of(tmp_path / "PixInsight") is None


@pytest.mark.skipif(sys.platform == "win32", reason="whatever has its suffix can be run there")
def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    """Not only by the first build."""
    binary = program(tmp_path / "PixInsight")

    assert any("can be run" in note for note in find.examine(binary).notes)
    binary.chmod(0o755)
    assert not any("can be run" in note for note in find.examine(binary).notes)


def test_examine(tmp_path: Path) -> None:
    """What the doctor tells: the program or where it was looked for, and what to do when it is not there."""
    binary = program(tmp_path / "PixInsight")

    assert find.examine(binary).version is None
    missing = find.examine(tmp_path / "none")
    assert missing.binary is None
    assert missing.looked_at == (tmp_path / "none",)
    assert any("--pixinsight-binary" in note for note in missing.notes)


def test_version_of_the_last_run(tmp_path: Path) -> None:
    """Once a PixInsight has run its version is known, until its program is another one."""
    binary = program(tmp_path / "Anwendungen, ü" / "PixInsight")
    find.remember_version(binary, "1.9.4")

    assert find.examine(binary).version == "1.9.4"
    binary.write_text("#!/bin/sh\n# an update\n", encoding="utf-8")
    assert find.examine(binary).version is None
    find.remember_version(tmp_path / "none", "1.9.4")
    assert find.examine(tmp_path / "none").version is None


@pytest.mark.parametrize(
    ("wanted", "version", "platform", "written"),
    [
        ("portable", "1.9.4", "darwin", "v8"),
        ("portable", "1.10.0", "darwin", "v8"),
        ("portable", "1.9.3", "darwin", "portable"),
        ("portable", "Ripley", "darwin", "portable"),
        ("portable", "1.9.4", "win32", "portable"),
        ("sm", "1.9.4", "darwin", "sm"),
    ],
)
def test_dialect(tmp_path: Path, wanted: JavaScript, version: str, platform: str, written: str) -> None:
    """On a Mac the script is one for V8 where PixInsight is known to run those: on Apple silicon it runs no others."""
    binary = program(tmp_path / "PixInsight.app" / "Contents" / "MacOS" / "PixInsight")
    (tmp_path / "PixInsight.app" / "Contents" / "Info.plist").write_bytes(
        plistlib.dumps({"CFBundleShortVersionString": version})
    )

    assert find.dialect(wanted, binary, platform=platform) == written
    assert find.dialect(wanted, None, platform=platform) == wanted
