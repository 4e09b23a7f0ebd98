"""The arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ap_masters.errors import UsageError


def _unfolded(paths: list[Path]) -> list[Path]:
    """Expand wildcards, as Windows does not."""
    from ap_masters.inputs import unfold

    return paths if all(path.exists() for path in paths) else unfold(paths)


def there(folder: Path) -> Path:
    """Return ``folder``. Raises UsageError where there is none: typer's own check would end without a document."""
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UsageError(f"{folder}: is a file; name the folder it stands in")
    raise UsageError(f"{folder}: there is no such folder. Look at its spelling, and whether its disk is mounted")


def each_there(folders: list[Path] | None) -> list[Path] | None:
    """Return ``folders``. Raises UsageError as ``there`` does."""
    return folders and [there(folder) for folder in folders]


Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT",
        help="Folders (searched to the bottom), files or wildcards.",
        show_default=False,
        callback=_unfolded,
    ),
]
Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder of the library.", show_default=False)]
Library = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="Folder of the library.", show_default=False, callback=there),
]
Masters = Annotated[
    list[str],
    typer.Argument(
        metavar="[DIR] MASTER",
        help="Masters (wildcards, too), and before them their library where that is not a folder around them.",
        show_default=False,
    ),
]
Why = Annotated[str, typer.Option("--reason", help="Kept in the master's history.", show_default=False)]
