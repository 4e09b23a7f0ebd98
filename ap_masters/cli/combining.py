"""The command combine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ap_masters.cli import flags
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.cli.progress import Label, shown
from ap_masters.config.sources import Loaded
from ap_masters.model import (
    LARGEST_SIGMA,
    Combination,
    FrameType,
    Normalization,
    Recipe,
    Rejection,
    named_type,
)

if TYPE_CHECKING:
    from ap_masters.record import Record

_USUAL: Final = Recipe()


def _type(text: str) -> FrameType:
    try:
        return named_type(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@with_settings(flags.STACKING)
def combine(
    screen: Screen,
    loaded: Loaded,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files, wildcards, folders (not those below), the first file of a numbered sequence, or @list: a file "
            "of names, relative to the folder it stands in.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="The file to write: .xisf, .fit or .fits.", show_default=False)
    ],
    method: Annotated[Combination, typer.Option(help="How samples become one.")] = Combination.MEDIAN,
    rejection: Annotated[Rejection, typer.Option(help="Pixel rejection.")] = Rejection.NONE,
    sigma_low: Annotated[float, typer.Option(min=0, max=LARGEST_SIGMA, help="Low limit, in sigma.")] = _USUAL.sigma_low,
    sigma_high: Annotated[
        float, typer.Option(min=0, max=LARGEST_SIGMA, help="High limit, in sigma.")
    ] = _USUAL.sigma_high,
    normalization: Annotated[
        Normalization, typer.Option(help="Scale each frame to the level of the first (flats: multiplicative).")
    ] = Normalization.NONE,
    frame_type: Annotated[
        FrameType | None,
        typer.Option(
            "--type",
            parser=_type,
            metavar="[bias|dark|dark-flat|flat|light]",
            help="What the frames are, whatever their headers say; a warning tells where they differ.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUTPUT if it is there; a frame is never replaced.")
    ] = False,
    record: Annotated[bool, typer.Option("--record/--no-record", help="Write the .xrs record beside it.")] = True,
) -> None:
    """Stack any frames into one file: the median by default, as PULSAR's med; more by --method and --rejection."""
    from ap_masters import memory
    from ap_masters.combine import combine as stack
    from ap_masters.engines.numpy import NumpyEngine
    from ap_masters.inputs import expand

    settings = loaded.settings

    recipe = Recipe(
        combination=method,
        rejection=rejection,
        sigma_low=sigma_low,
        sigma_high=sigma_high,
        normalization=normalization,
        rejection_normalization=normalization.for_rejection,
    )
    engine = NumpyEngine(
        memory=memory.budget(settings.memory), threads=settings.threads, compression=settings.compression
    )
    if not rejection.has_sigma_limits and (sigma_low, sigma_high) != (_USUAL.sigma_low, _USUAL.sigma_high):
        screen.warning(
            f"--sigma-low and --sigma-high change nothing with --rejection {rejection}: name one that measures in sigma"
        )

    with shown(screen, {"combine": Label(method, output.name)}) as on_progress:
        combined = stack(
            expand(inputs, but=output),
            output,
            recipe,
            engine,
            on_progress,
            frame_type=frame_type,
            scale=settings.scale or "unit",
            counts=settings.counts,
            overwrite=overwrite,
            record_suffix=settings.library.record_suffix if record else None,
        )
    for aside in combined.set_aside:
        screen.warning(f"{aside.path} left out: {aside.reason}: {aside.detail}")
    for warning in combined.warnings:
        screen.warning(warning)
    result = combined.result
    if screen.json:
        screen.document("combine", result=result, set_aside=combined.set_aside, warnings=combined.warnings)
        return
    rejected = result.rejected_low + result.rejected_high
    screen.line(
        f"{output}: {method} of {len(result.frames)} frames"
        + (f", {rejected / result.samples:.3%} of samples rejected" if rejected else "")
        + f", median {_level(result.statistics.channels[0].median, combined.record)}, in {result.seconds:.1f} s"
    )


def _level(value: float, record: "Record") -> str:
    """Return a level, given in [0, 1], on the scale of the file that was written."""
    from ap_masters.images.scale import white

    return f"{value * white('adu'):.1f} ADU" if record.master.scale == "adu" else f"{value:.6f}"
