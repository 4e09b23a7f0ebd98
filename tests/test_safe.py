"""Foreign text: whatever a header holds, it leaves these functions harmless."""

import csv
import io
import ntpath
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ap_masters import safe

TEXT = st.text(max_size=300)


def is_reserved(name: str) -> bool:
    """Ask in the way that Python of this version has for it."""
    ask = getattr(ntpath, "isreserved", None)  # since 3.13, where pathlib's goes
    return bool(ask(name)) if ask else PureWindowsPath(name).is_reserved()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("ZWO ASI2600MM Pro", "ZWO-ASI2600MM-Pro", id="spaces"),
        pytest.param("../../etc/passwd", "etc-passwd", id="a way out"),
        pytest.param("..", "unnamed", id="only a way out"),
        pytest.param("", "unnamed", id="nothing"),
        pytest.param("日本語", "unnamed", id="nothing in ASCII"),
        pytest.param("Hα filter", "H-filter", id="partly in ASCII"),
        pytest.param("Ñandú", "Nandu", id="accents"),
        pytest.param('L"; rm -rf /', "L-rm--rf", id="a shell's words"),
        pytest.param("a\nb\x00c", "a-b-c", id="control characters"),
        pytest.param("CON", "CON_", id="a name Windows keeps"),
        pytest.param("nul.txt", "nul_.txt", id="with a suffix too"),
        pytest.param(".hidden", "hidden", id="a leading dot"),
        pytest.param("end.", "end", id="a trailing dot"),
        pytest.param("-10.5_C+", "10.5_C+", id="a leading dash"),
    ],
)
def test_a_path_component_is_plain(text: str, name: str) -> None:
    """Letters, digits and ``._+-`` stay; everything else becomes a dash or goes."""
    assert safe.path_component(text) == name


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        pytest.param("Hα 7 nm", "Ha 7 nm", id="Greek"),
        pytest.param("Hβ", "Hb", id="other Greek"),
        pytest.param("Kämera ß", "Kamera ss", id="accents"),
        pytest.param("-10 °C, 2 µm", "-10 degC, 2 um", id="signs"),
        pytest.param("日本", "??", id="letters that ASCII cannot spell"),
        pytest.param("a\nb", "a b", id="control characters"),
    ],
)
def test_ascii_text_tells_apart_what_names_do(text: str, stored: str) -> None:
    """A FITS header holds nothing else; two filters are not to become one."""
    assert safe.ascii_text(text) == stored
    assert safe.ascii_text(stored) == stored


@given(TEXT)
def test_a_path_component_never_leaves_its_folder(text: str) -> None:
    """One component on every system, never empty, never hidden, never a reserved name, short enough."""
    name = safe.path_component(text)

    assert PurePosixPath(name).parts == (name,)
    assert PureWindowsPath(name).parts == (name,)
    assert not is_reserved(name)
    assert name.isascii()
    assert 0 < len(name) <= 181
    assert name.strip(".- ") == name or name.endswith("_")


@given(TEXT)
def test_a_path_component_is_settled_at_once(text: str) -> None:
    """Made safe twice is made safe once; so names can be compared."""
    once = safe.path_component(text)

    assert safe.path_component(once) == once


@given(TEXT)
def test_one_line_is_one_printable_line(text: str) -> None:
    """No control, escape or direction character reaches a terminal."""
    line = safe.one_line(text)

    assert line.isprintable()
    assert len(line.splitlines()) <= 1


def test_one_line_defuses_a_terminals_commands() -> None:
    """An escape sequence in a header does not clear the screen or turn the line around."""
    assert safe.one_line("M31\x1b[2J\u202egnp.exe\r\nok") == "M31 [2J gnp.exe  ok"


@given(TEXT)
def test_markdown_stays_in_its_cell(text: str) -> None:
    """No bar, tag or line end of a header can break a table."""
    cell = safe.markdown(text)

    assert "\n" not in cell
    assert "<" not in cell
    assert "|" not in cell.replace("\\|", "")


def test_markdown_shows_what_was_there() -> None:
    """Signs of Markdown are shown, not obeyed."""
    assert safe.markdown("a|b <script> [x](y) `c`") == r"a\|b &lt;script&gt; \[x\](y) \`c\`"


@given(TEXT)
def test_csv_comes_back_as_one_cell(text: str) -> None:
    """Through csv's own quoting, a cell is one cell of one row, and no formula."""
    cell = safe.csv_cell(text)
    file = io.StringIO()
    csv.writer(file).writerow([cell, "end"])
    file.seek(0)

    assert next(csv.reader(file)) == [cell, "end"]
    assert cell[:1] not in {"=", "@"}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        pytest.param("=1+1", "'=1+1", id="a formula"),
        pytest.param("-10.5", "-10.5", id="a number stays one"),
        pytest.param("-1+1", "'-1+1", id="a difference"),
        pytest.param("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0", id="a command"),
    ],
)
def test_csv_defuses_formulas_only(text: str, cell: str) -> None:
    """A spreadsheet sees text where a header says a formula, and numbers where it says numbers."""
    assert safe.csv_cell(text) == cell


@pytest.mark.parametrize(
    ("path", "word"),
    [
        (PureWindowsPath("D:/"), "D:\\"),
        (PureWindowsPath("D:/masters/2026-01-29"), r"D:\masters\2026-01-29"),
        (PureWindowsPath("D:/my masters"), r'"D:\my masters"'),
        (PureWindowsPath("//nas/my share/"), r'"\\nas\my share\\"'),
        (PureWindowsPath("master/*.xisf"), r'"master\*.xisf"'),
        (PureWindowsPath("R&D"), '"R&D"'),
    ],
)
def test_words_for_a_shell_of_windows(path: PureWindowsPath, word: str) -> None:
    """Quoted where it must be; there a backslash before the closing quote would make that a letter."""
    assert safe.shell_words("build", path, platform="win32") == f"build {word}"


def test_words_for_other_shells() -> None:
    """Any text is one word, and the program expands its wildcards."""
    words = safe.shell_words("build", PurePosixPath("my masters/*.xisf"), platform="linux")

    assert words == "build 'my masters/*.xisf'"
