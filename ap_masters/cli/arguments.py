"""The arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT", help="Folders (searched to the bottom) or files.", show_default=False),
]
Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder of the library.", show_default=False)]
Library = Annotated[Path, typer.Argument(metavar="LIBRARY", help="Folder of the library.", show_default=False)]
