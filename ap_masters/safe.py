"""The one place that makes foreign text safe for a path, a terminal, a shell, Markdown or CSV.

JavaScript values go through jinja2's ``tojson`` and HTML through its autoescape, both set up in
``rendering.py``; everything else a header could carry somewhere dangerous passes through here.
"""

import re
import shlex
import sys
import unicodedata
from pathlib import PurePath
from typing import Final

_WINDOWS_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}
_WHOLE_ON_WINDOWS: Final = re.compile(r"[\w.:\\/+-]+")  # words that no shell there takes apart
LONGEST_COMPONENT = 180  # leaves room for a suffix below the 255 bytes of common file systems

# Filters are called Hα and Hβ; without their Greek both would be H.
GREEK = str.maketrans("αβγδελμσωΑΒΓΔΩ", "abgdelmswABGDO")
_SIGNS: dict[str, str | int] = {
    "°": "deg",
    "µ": "u",
    "μ": "u",
    "×": "x",
    "–": "-",
    "—": "-",
    "’": "'",
    "σ": "sigma",
    "ß": "ss",
}
_LETTERS: dict[str, str | int] = {"ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
_ASCII = {**GREEK, **str.maketrans(_SIGNS | _LETTERS)}  # what decomposition alone would lose


def path_component(text: str, *, fallback: str = "unnamed") -> str:
    """Return ``text`` as one harmless file or folder name.

    Characters outside letters, digits and ``._+-`` become ``-`` (runs of them one), accents are folded to
    ASCII, leading dots and dashes and trailing dots go, Windows' reserved names get a ``_``, and the length
    is limited. The result never is empty, never contains a separator and never is ``.`` or ``..``.
    """
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", folded).strip("-").lstrip(".-").rstrip(".-")[:LONGEST_COMPONENT]
    name = name.rstrip(".-")
    if not name:
        return fallback
    stem, dot, rest = name.partition(".")  # nul.txt is as much a device as nul
    return f"{stem}_{dot}{rest}" if stem.lower() in _WINDOWS_RESERVED else name


def ascii_text(text: str) -> str:
    """Return ``text`` in printable ASCII, as a FITS header holds it.

    Accents are dropped, known signs spelled out, the unknown becomes ``?``.
    """
    if text.isascii() and text.isprintable():
        return text
    decomposed = unicodedata.normalize("NFKD", text.translate(_ASCII))
    letters = (c for c in decomposed if not unicodedata.combining(c))
    return "".join(" " if unicodedata.category(c)[0] in "CZ" else c if c.isascii() else "?" for c in letters)


def is_text(name: str) -> bool:
    """Whether a name can be written down: Linux has names whose bytes are no UTF-8."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def one_line(text: str) -> str:
    """Return ``text`` for a terminal or a log: printable, on one line, without control or direction characters."""
    if text.isprintable():  # as nearly every text is, of tens of thousands
        return text.strip()
    return "".join(c if c.isprintable() else " " for c in text).strip()


def shell_words(*words: str | PurePath, platform: str = sys.platform) -> str:
    """Return ``words`` as the user types them in a shell of ``platform``; wildcards are left to the program."""
    if platform == "win32":
        return " ".join(map(_windows_word, map(str, words)))
    return shlex.join(map(str, words))


def _windows_word(word: str) -> str:
    """Quote only what must be: PowerShell takes a command in quotes for a text, and says it."""
    if _WHOLE_ON_WINDOWS.fullmatch(word):
        return word
    return f'"{word}\\"' if word.endswith("\\") else f'"{word}"'  # a quote behind one backslash would be a letter


def markdown(text: str) -> str:
    """Return ``text`` for a Markdown table cell."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", line)


def csv_cell(text: str) -> str:
    """Return ``text`` for a CSV cell that a spreadsheet will not take for a formula (quoting is csv's own)."""
    line = one_line(text)
    return f"'{line}" if line[:1] in {"=", "+", "-", "@"} and not _is_number(line) else line


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
