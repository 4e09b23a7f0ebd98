"""Inputs as users name them: the forms of S3-02, wildcards where no shell expands them, and what goes wrong."""

import os
from pathlib import Path

import pytest

from ap_masters.errors import NothingToDo, UsageError
from ap_masters.inputs import expand, unfold


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A folder, with a space and an umlaut in its name, of numbered files and others."""
    folder = tmp_path / "die Nächte"
    folder.mkdir()
    names = [f"bias{n:04}.fit" for n in range(1, 12)] + ["bias12.fit", "dark0001.fit", "notes.txt", "bias0001.fits.fz"]
    for name in names:
        (folder / name).touch()
    return folder


def names(paths: tuple[Path, ...]) -> list[str]:
    return [path.name for path in paths]


def test_files_are_taken_as_they_are_named(night: Path) -> None:
    """Several files, also ones whose names say nothing."""
    words = [str(night / "notes.txt"), str(night / "bias0002.fit")]

    assert names(expand(words)) == ["bias0002.fit", "notes.txt"]


def test_a_sequence_goes_on_behind_points_in_its_name(tmp_path: Path) -> None:
    """An exposure of 1.5 s is no suffix."""
    for n in range(1, 4):
        (tmp_path / f"dark_1.5s_{n:04}.fits.fz").touch()
    (tmp_path / "dark_2.5s_0001.fits.fz").touch()

    assert len(expand([str(tmp_path / "dark_1.5s_0001.fits.fz")])) == 3


def test_a_wildcard_is_expanded_by_the_program(night: Path) -> None:
    """Windows' shell leaves it as it is."""
    found = expand([str(night / "bias????.fit")])

    assert names(found) == [f"bias{n:04}.fit" for n in range(1, 12)]


def test_a_wildcard_can_go_down(night: Path) -> None:
    """Two asterisks search folders to the bottom."""
    assert names(expand([str(night.parent / "**" / "dark*.fit")])) == ["dark0001.fit"]


def test_brackets_in_the_name_of_a_folder_are_no_wildcard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a folder is there by that very name, whole or in part of a path; a name that is not, stays a wildcard."""
    folder = tmp_path / "M31 [LRGB]" / "2026 [1]"
    folder.mkdir(parents=True)
    (tmp_path / "M31 L").mkdir()
    for place in (folder / "a.fit", folder / "b [1].fit", tmp_path / "M31 L" / "c.fit"):
        place.touch()

    assert names(expand([str(folder / "*.fit")])) == ["a.fit", "b [1].fit"]
    assert names(expand([str(folder / "b*.fit")])) == ["b [1].fit"]
    assert names(expand([str(folder.parent / "**" / "a.fit")])) == ["a.fit"]
    assert unfold([folder.parent / "2026*"]) == [folder]
    assert names(expand([str(tmp_path / "M31 [KL]" / "*.fit")])) == ["c.fit"]
    with pytest.raises(UsageError, match="there is no such file"):
        expand([str(folder / "gone.fit")])
    monkeypatch.chdir(folder.parent)
    assert names(expand([os.path.join("2026 [1]", "?.fit")])) == ["a.fit"]  # noqa: PTH118 - as it is typed
    monkeypatch.chdir(folder)
    assert names(expand(["*.fit"])) == ["a.fit", "b [1].fit"]


def test_a_folder_means_its_images(night: Path) -> None:
    """Whatever is not named like an image stays out, and so do folders below."""
    (night / "below").mkdir()
    (night / "below" / "bias9999.fit").touch()

    found = names(expand([str(night)]))

    assert "notes.txt" not in found
    assert "bias9999.fit" not in found
    assert "bias0001.fits.fz" in found
    assert len(found) == 14


def test_a_numbered_file_alone_means_its_sequence(night: Path) -> None:
    """The same name and as many digits, from that number on; gaps do not end it."""
    (night / "bias0004.fit").unlink()

    found = names(expand([str(night / "bias0003.fit")]))

    assert found == ["bias0003.fit", *(f"bias{n:04}.fit" for n in range(5, 12))]


def test_a_sequence_keeps_to_its_suffix(night: Path) -> None:
    """``.fits.fz`` is one suffix."""
    assert names(expand([str(night / "bias0001.fits.fz")])) == ["bias0001.fits.fz"]


def test_two_numbered_files_are_two_files(night: Path) -> None:
    """Only a single file stands for a sequence."""
    words = [str(night / "bias0001.fit"), str(night / "bias0002.fit")]

    assert names(expand(words)) == ["bias0001.fit", "bias0002.fit"]


def test_a_list_names_files_beside_it(night: Path) -> None:
    """Comments, empty lines, a byte order mark and relative paths, wherever the program was started."""
    (night / "list.txt").write_text("\ufeff# darks\n\nbias0002.fit\n  dark0001.fit  \n", encoding="utf-8")

    assert names(expand([f"@{night / 'list.txt'}"])) == ["bias0002.fit", "dark0001.fit"]


def test_names_in_a_list_may_stand_in_quotes(night: Path) -> None:
    """As Explorer's "Copy as path" writes them."""
    (night / "list.txt").write_text(f'"bias0002.fit"\n"{night / "dark0001.fit"}"\n', encoding="utf-8")

    assert names(expand([f"@{night / 'list.txt'}"])) == ["bias0002.fit", "dark0001.fit"]


def test_brackets_in_a_name_are_a_name(night: Path) -> None:
    """A file that is there is meant, though its name looks like a wildcard."""
    (night / "dark[1].fit").touch()

    assert names(expand([str(night / "dark[1].fit")])) == ["dark[1].fit"]


def test_a_file_named_twice_counts_once(night: Path) -> None:
    """By whatever way it was named."""
    words = [str(night / "bias0001.fit"), str(night / "bias000[12].fit"), str(night / "x" / ".." / "bias0002.fit")]
    (night / "x").mkdir()

    assert names(expand(words)) == ["bias0001.fit", "bias0002.fit"]


def test_one_file_by_several_names_is_told(night: Path) -> None:
    """Whoever named two files and got one should not have to guess why."""
    (night / "list.txt").write_text("bias0001.fit\nbias0001.fit\n", encoding="utf-8")
    (night / "x").mkdir()
    one, same = str(night / "bias0001.fit"), str(night / "x" / ".." / "bias0001.fit")

    for words in ([one, one], [one, same], [f"@{night / 'list.txt'}"]):
        with pytest.raises(NothingToDo, match=r"bias0001\.fit: is one file, which was named 2 times"):
            expand(words)


def test_the_output_is_never_an_input(night: Path) -> None:
    """``combine *.fit master.fit`` run again does not stack its own master."""
    found = expand([str(night / "*.fit")], but=night / "dark0001.fit")

    assert "dark0001.fit" not in names(found)


def test_order_is_natural(tmp_path: Path) -> None:
    """dark2 stands before dark10."""
    for name in ("dark10.fit", "dark2.fit", "dark1.fit"):
        (tmp_path / name).touch()

    assert names(expand([str(tmp_path)])) == ["dark1.fit", "dark2.fit", "dark10.fit"]


def test_a_raised_figure_is_no_number(tmp_path: Path) -> None:
    """It is a digit to Python, which cannot count with it."""
    for name in ("1²3.fit", "1²2.fit"):
        (tmp_path / name).touch()

    assert names(expand([str(tmp_path)])) == ["1²2.fit", "1²3.fit"]


@pytest.mark.parametrize(
    ("word", "error", "message"),
    [
        pytest.param("missing.fit", UsageError, "missing.fit: there is no such file", id="a file"),
        pytest.param("flat*.fit", NothingToDo, r"no file matches '.*flat\*\.fit'", id="a wildcard"),
        pytest.param("empty", NothingToDo, "no FITS or XISF file in .*empty", id="a folder"),
        pytest.param("@missing.txt", UsageError, "cannot be read as a list", id="a list"),
        pytest.param("@empty.txt", NothingToDo, "the list names no file", id="an empty list"),
        pytest.param("@wrong.txt", UsageError, "wrong.txt: there is no such file: nowhere.fit", id="in a list"),
    ],
)
def test_what_is_not_there_is_said(night: Path, word: str, error: type[Exception], message: str) -> None:
    """Each with its name."""
    (night / "empty").mkdir()
    (night / "empty.txt").write_text("# nothing\n", encoding="utf-8")
    (night / "wrong.txt").write_text("nowhere.fit\n", encoding="utf-8")
    at = "@" if word.startswith("@") else ""

    with pytest.raises(error, match=message):
        expand([f"{at}{night / word.lstrip('@')}"])


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps these characters out of names")
def test_odd_names_pass(tmp_path: Path) -> None:
    """Line ends and quotes in a name are part of it."""
    (tmp_path / 'a"b\nc.fit').touch()

    assert names(expand([str(tmp_path)])) == ['a"b\nc.fit']


def test_wildcards_may_name_folders_too(night: Path) -> None:
    """For commands that look into folders; what is there by its name is itself, brackets and all."""
    odd = night / "set [1]"
    odd.mkdir()

    assert unfold([night / "bias000[12].fit", odd]) == [night / "bias0001.fit", night / "bias0002.fit", odd]
    assert unfold([night / "set*"]) == [odd]
    assert unfold([night / "gone.fit"]) == [night / "gone.fit"]  # to be told by who looks for it
    with pytest.raises(NothingToDo, match="no file matches"):
        unfold([night / "light*.fit"])
