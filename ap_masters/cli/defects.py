"""The commands defects (find) and defects diff."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_screen
from ap_masters.defects import USUAL_COUNT
from ap_masters.errors import UsageError

if TYPE_CHECKING:
    from ap_masters.defects import DefectMap


class _FindsUnlessTold(TyperGroup):
    """``defects MASTER OUTPUT`` is ``defects find MASTER OUTPUT``: what is no command is a master."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``find`` before arguments that begin with no command."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["find", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_FindsUnlessTold, no_args_is_help=True, help="Lists of hot and cold pixels, in many dialects.")

Count = Annotated[int, typer.Option(min=1, help="How many pixels of each kind.")]
Sigma = Annotated[float | None, typer.Option(help="All pixels beyond so many robust sigma, in place of a number.")]
Size = Annotated[
    str | None,
    typer.Option(metavar="WxH", help="Width and height of the frames, such as 4144x2822: lists do not tell them."),
]
Hot = Annotated[bool, typer.Option("--hot/--no-hot", help="Hot pixels.")]
Cold = Annotated[bool, typer.Option("--cold/--no-cold", help="Cold pixels.")]


@app.command()
@with_screen
def find(
    screen: Screen,
    master: Annotated[Path, typer.Argument(metavar="MASTER", help="A master, as a rule a dark.", show_default=False)],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The list or map to write.", show_default=False)],
    dialect: Annotated[
        str | None,
        typer.Option(
            help="iris or pulsar (.lst), siril, phd2 (.txt), kstars (.json), cosmetic-correction, defect-map (.xisf), "
            "mask (.fits); by the suffix of OUTPUT where it is not given."
        ),
    ] = None,
    count: Count = USUAL_COUNT,
    sigma: Sigma = None,
    hot: Hot = True,
    cold: Cold = False,
    flip: Annotated[bool, typer.Option("--flip", help="For frames whose rows are stored the other way round.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT if it is there.")] = False,
) -> None:
    """Write the hottest pixels of a master as a list or map that other programs read."""
    from ap_masters import defects

    chosen = dialect or _by_suffix(output)
    target = defects.full_name(output, chosen)
    if target.is_dir():
        raise UsageError(f"{target}: is a folder; name the file that the list goes to")
    if target.exists() and not overwrite:
        raise UsageError(f"{target}: is there already; --overwrite replaces it")
    found = defects.find_defects(master, count=count, sigma=sigma, hot=hot, cold=cold)
    written = defects.write_defects(defects.flip(found) if flip else found, target, chosen)
    number = {kind: len(found.of(kind)) for kind in ("hot", "cold")}
    if screen.json:
        screen.document("defects find", output=written, dialect=chosen, **number)
    else:
        screen.line(f"{written}: {number['hot']} hot and {number['cold']} cold pixels for {chosen}")


def _by_suffix(output: Path) -> str:
    from ap_masters.defects import DIALECTS
    from ap_masters.images import FITS_SUFFIXES

    suffix = ".fits" if output.suffix.lower() in FITS_SUFFIXES else output.suffix.lower() or ".lst"
    found = next((row.name for row in DIALECTS.values() if row.suffix == suffix), None)
    if found is None:
        raise UsageError(f"{output}: the suffix does not tell how to write the list; say it with --dialect")
    return found


@app.command()
@with_screen
def diff(
    screen: Screen,
    before: Annotated[Path, typer.Argument(metavar="A", help="The earlier master or list.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="B", help="The later master or list.", show_default=False)],
    count: Count = USUAL_COUNT,
    sigma: Sigma = None,
    hot: Hot = True,
    cold: Cold = False,
    size: Size = None,
) -> None:
    """Show which defects appeared and which healed from one master, list or map to the next."""
    from ap_masters import defects
    from ap_masters.images import is_image_name

    of_images = (_size(path) for path in (before, after) if is_image_name(path))
    known = _parse_size(size) if size else next(of_images, None)

    def read(path: Path) -> "DefectMap":
        if is_image_name(path) and not defects.is_map(path):
            return defects.find_defects(path, count=count, sigma=sigma, hot=hot, cold=cold)
        return defects.read_defects(path, size=known)

    maps = _of_one_size(read(before), read(after), known=known is not None)
    changes, doubt = defects.diff(*maps), defects.doubt(*maps)
    if doubt is not None:
        screen.warning(doubt)
    if screen.json:
        appeared, healed = ([d._asdict() for d in some] for some in (changes.appeared, changes.healed))
        warnings = [doubt] if doubt is not None else []
        screen.document("defects diff", appeared=appeared, healed=healed, stayed=changes.stayed, warnings=warnings)
        return
    rows = [("appeared", d) for d in changes.appeared] + [("healed", d) for d in changes.healed]
    screen.table(("", "x", "y", "value", "kind"), [(w, str(d.x), str(d.y), f"{d.value:g}", d.kind) for w, d in rows])
    screen.line(f"{len(changes.appeared)} appeared, {len(changes.healed)} healed, {changes.stayed} stayed")


def _parse_size(size: str) -> tuple[int, int]:
    width, _, height = size.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--size {size}: is no size of frames; say it like 4144x2822")
    return int(width), int(height)


def _size(master: Path) -> tuple[int, int]:
    from ap_masters.images import read_info

    info = read_info(master)
    return info.width, info.height


def _of_one_size(one: "DefectMap", two: "DefectMap", *, known: bool) -> "tuple[DefectMap, DefectMap]":
    """Return both maps; two bare lists say nothing of the size of their frames, so they are given the same."""
    if known:
        return one, two
    size = {"width": max(one.width, two.width), "height": max(one.height, two.height)}
    return one.model_copy(update=size), two.model_copy(update=size)
