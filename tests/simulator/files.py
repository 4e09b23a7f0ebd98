"""The static part of PixInsight's ``File``, one line per function."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_FIRST_OF_FOUR_BYTES = 0x10000


def _move(source: str, target: str) -> None:
    if Path(target).exists():  # so it is on Windows; a script must not rely on the other systems
        raise FileExistsError(f"File.move(): the file exists already: {target}")
    Path(source).rename(target)


def _copy(target: str, source: str) -> None:  # this order is PixInsight's
    Path(target).write_bytes(Path(source).read_bytes())


def _write_text(path: str, text: str) -> None:
    """Write UTF-8; characters of four bytes are spoilt, as seen with the real one."""
    spoilt = "".join("??" if ord(c) >= _FIRST_OF_FOUR_BYTES else c for c in text)
    Path(path).write_bytes(spoilt.encode("utf-8", "replace"))


def _write(path: str, content: str) -> None:
    Path(path).write_bytes(content.encode("utf-8"))


def _info(path: str) -> dict[str, Any]:
    file = Path(path)
    return {
        "exists": file.exists(),
        "isFile": file.is_file(),
        "isDirectory": file.is_dir(),
        "size": file.stat().st_size if file.exists() else 0,
        "name": file.stem,
        "extension": file.suffix,
    }


CALLS: Final[dict[str, Callable[..., Any]]] = {
    "File.exists": lambda path: Path(path).is_file(),
    "File.directoryExists": lambda path: Path(path).is_dir(),
    "File.createDirectory": lambda path, parents: Path(path).mkdir(parents=parents, exist_ok=True),
    "File.remove": lambda path: Path(path).unlink(),
    "File.removeDirectory": lambda path: Path(path).rmdir(),
    "File.move": _move,
    "File.moveFile": _move,
    "File.copyFile": _copy,
    "File.readTextFile": lambda path: Path(path).read_text(encoding="utf-8"),
    "File.readLines": lambda path: Path(path).read_text(encoding="utf-8").splitlines(),
    "File.writeTextFile": _write_text,
    "File.writeFile": _write,
    "File.extractName": lambda path: Path(path).stem,
    "File.extractExtension": lambda path: Path(path).suffix,
    "File.extractNameAndExtension": lambda path: Path(path).name,
    "File.extractDirectory": lambda path: Path(path).parent.as_posix(),
    "File.extractDrive": lambda path: Path(path).drive,
    "File.changeExtension": lambda path, suffix: Path(path).with_suffix(suffix).as_posix(),
    "File.appendToName": lambda path, text: Path(path).with_stem(Path(path).stem + text).as_posix(),
    "File.fullPath": lambda path: Path(path).resolve().as_posix(),
    "File.systemTempDirectory": lambda: Path(tempfile.gettempdir()).as_posix(),
    "File.homeDirectory": lambda: Path.home().as_posix(),
    "File.currentWorkingDirectory": lambda: Path.cwd().as_posix(),
    "File.rootDirectory": lambda: Path(Path.cwd().anchor).as_posix(),
    "FileInfo": _info,
}
