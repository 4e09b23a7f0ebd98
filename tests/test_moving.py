"""Files take their place, and give it up, in spite of what Windows has against it."""

import stat
import sys
import threading
from pathlib import Path

import pytest

from ap_masters.files import write_text
from ap_masters.moving import remove, take_place


@pytest.mark.usefixtures("windows_rules")
def test_what_is_marked_read_only_is_replaced_and_removed_as_on_any_system(tmp_path: Path) -> None:
    """Copies from a disc or a share come with that mark, and nobody has set it."""
    text, old, new = (tmp_path / name for name in ("index.md", "old", "new"))
    for path in (text, old):
        path.write_text("old")
        path.chmod(stat.S_IREAD)
    new.write_text("new")

    write_text(text, "new")
    take_place(new, old)

    assert (text.read_text(), old.read_text(), new.exists()) == ("new", "new", False)
    old.chmod(stat.S_IREAD)
    remove(old)
    assert not old.exists()


def test_what_cannot_take_its_place_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        take_place(tmp_path / "none", tmp_path / "there")
    with pytest.raises(FileNotFoundError):
        remove(tmp_path / "none")
    remove(tmp_path / "none", missing_ok=True)


@pytest.mark.parametrize("by_windows", [True, False], ids=["Windows", "elsewhere"])
def test_only_windows_is_asked_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_windows: bool
) -> None:
    """Elsewhere a refusal is a permission, which no waiting brings."""
    asked = []

    def refuse(path: Path, _: Path) -> None:
        asked.append(path)
        error = PermissionError(13, "Permission denied", str(path))
        if by_windows:
            error.winerror = 32  # type: ignore[attr-defined,unused-ignore]  # known on Windows only
        raise error

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr("ap_masters.moving._PATIENCE_S", 0.2)

    with pytest.raises(PermissionError):
        take_place(tmp_path / "new", tmp_path / "old")

    assert 1 < len(asked) < 20 if by_windows else len(asked) == 1


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere a file that is open may be replaced")
def test_a_file_that_is_open_for_a_moment_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virus scanner and a search index look at what was just written."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("old")
    new.write_text("new")
    file = old.open()
    looking = threading.Timer(0.3, file.close)
    looking.start()

    take_place(new, old)

    looking.join()
    assert old.read_text() == "new"
    monkeypatch.setattr("ap_masters.moving._PATIENCE_S", 0.1)
    with old.open(), pytest.raises(PermissionError):
        remove(old)
