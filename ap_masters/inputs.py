"""What a user means by inputs: files, wildcards, folders, a numbered sequence from its first file, @lists.

The program expands all of these itself, so that they mean the same in every shell and on Windows, whose shell
expands nothing.
"""

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ap_masters.decoding import text_of
from ap_masters.errors import NothingToDo, UsageError, reason_of
from ap_masters.images import is_image_name, without_suffix

_WILDCARD: Final = re.compile(r"[*?\[]")
_NUMBERED: Final = re.compile(r"(.*?)(\d+)")


def expand(words: Sequence[str], *, but: Path | None = None) -> tuple[Path, ...]:
    """Return the files that ``words`` name, in natural order, each once; ``but`` is left out (the output).

    A word is a file, a wildcard (``**`` goes down), a folder (its images, not those below), or ``@list``. One
    single file whose name ends in a number stands for its whole sequence: ``bias0001.fit`` for every
    ``bias????.fit`` from 1 on. Raises UsageError for a name that is not there, NothingToDo for a wildcard,
    folder or list that holds nothing, and for one file by several names.
    """
    files = [path for word in words for path in _files(word)]
    if len(words) == 1 and len(files) == 1 and Path(words[0]) == files[0]:
        files = list(_sequence(files[0]))
    once = {path.resolve(): path for path in files}
    if len(once) == 1 < len(files):
        raise NothingToDo(f"{files[0]}: is one file, which was named {len(files)} times; name another one besides")
    if but is not None:
        once.pop(but.resolve(), None)
    return tuple(sorted(once.values(), key=_natural))


def unfold(words: Sequence[Path]) -> list[Path]:
    """Return the files and folders that ``words`` name: themselves, or where one is a wildcard, what it matches.

    Raises NothingToDo for a wildcard that matches nothing.
    """
    return [path for word in words for path in ([word] if word.exists() else _matches(str(word)) or [word])]


def _matches(word: str) -> list[Path]:
    """Return what a wildcard matches; nothing where it is none.

    Folders may hold brackets in their names: as far as a path is there by its very name it is taken as it is.
    """
    path = Path(word)
    there = next((folder for folder in path.parents if folder.exists()), Path(path.anchor))  # a drive may be gone
    rest = path.relative_to(there)
    if not _WILDCARD.search(str(rest)):
        return []
    pattern = Path(glob.escape(str(there))) / rest
    return _some(sorted(map(Path, glob.glob(str(pattern), recursive=True))), f"no file matches '{word}'")  # noqa: PTH207 - takes absolute patterns


def _files(word: str) -> Iterator[Path]:
    path = Path(word)
    if word.startswith("@"):
        yield from _listed(Path(word[1:]))
    elif path.is_dir():
        yield from _some(sorted(p for p in path.iterdir() if is_image_name(p)), f"no FITS or XISF file in {path}")
    elif path.exists():  # also where the name itself holds brackets
        yield path
    elif matches := _matches(word):
        yield from _some([p for p in matches if p.is_file()], f"no file matches '{word}'")
    else:
        raise UsageError(f"{path}: there is no such file")


def _some(files: list[Path], otherwise: str) -> list[Path]:
    if not files:
        raise NothingToDo(otherwise)
    return files


def _listed(file: Path) -> Iterator[Path]:
    """Yield the files named in a list: one path per line, # comments, relative to the list's folder."""
    try:
        text = text_of(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: cannot be read as a list of files: {reason_of(error)}") from error
    names = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for name in _some([Path(name) for name in names], f"{file}: the list names no file"):
        path = file.parent / name
        if not path.is_file() and str(name)[:1] == str(name)[-1:] == '"':  # as Windows' "Copy as path" has it
            path = file.parent / str(name)[1:-1]
        if not path.is_file():
            raise UsageError(f"{file}: there is no such file: {name}")
        yield path


def _sequence(first: Path) -> Iterator[Path]:
    """Yield ``first`` and what follows it: the same name, as many digits, a higher number."""
    stem = without_suffix(first.name)
    match = _NUMBERED.fullmatch(stem)
    if match is None:
        yield first
        return
    name = re.compile(re.escape(match[1]) + rf"(\d{{{len(match[2])}}})" + re.escape(first.name[len(stem) :]))
    for path in first.parent.iterdir():
        other = name.fullmatch(path.name)
        if other and int(other[1]) >= int(match[2]):
            yield path


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts dark2 before dark10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdigit() and part.isascii() else (-1, part) for part in parts]
