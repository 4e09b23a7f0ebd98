"""The command inspect, and how what it finds is printed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ap_masters.cli import documents
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_screen
from ap_masters.images.scale import ADU
from ap_masters.model import Frame, Keyword, Statistics
from ap_masters.record import Record
from ap_masters.wording import number

if TYPE_CHECKING:
    from ap_masters.engines.pixinsight.facts import Block, LogFacts
    from ap_masters.inspection import InspectedImage


@with_screen
def inspect(
    screen: Screen,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A frame, master, record, or log of PixInsight.", show_default=False),
    ],
) -> None:
    """Show what one file is: header, statistics and provenance of a frame or master; facts in a log of PixInsight."""
    from ap_masters.inspection import InspectedImage
    from ap_masters.inspection import inspect as look

    found = look(file)
    if isinstance(found, InspectedImage):
        _image(screen, found)
    elif isinstance(found, Record):
        if screen.json:
            screen.document("inspect", kind="record", record=found)
        _record(screen, found)
    else:
        _log(screen, found)


def _image(screen: Screen, found: "InspectedImage") -> None:
    info = found.info
    if screen.json:
        screen.document(
            "inspect",
            kind="master" if found.frame.master else "frame",
            keywords=[keyword._asdict() for keyword in info.keywords],
            properties=dict(info.properties),
            frame=documents.frame(found.frame),
            statistics=found.statistics,
            trouble=found.trouble,
            history=found.history._asdict() | {"frames": [frame._asdict() for frame in found.history.frames]},
            record=found.record,
        )
        return
    what = "master" if found.frame.master else "frame"
    screen.line(f"{info.path}: {what}, {info.format.upper()}, {info.width}x{info.height}x{info.channels} {info.sample}")
    _header(screen, info.keywords)
    _understood(screen, found.frame)
    if found.statistics is not None:
        _statistics(screen, found.statistics)
    else:
        screen.warning(f"no statistics: it {found.trouble}")
    if found.record is not None:
        _record(screen, found.record)


def _header(screen: Screen, keywords: tuple[Keyword, ...]) -> None:
    shown = keywords if screen.verbose else [keyword for keyword in keywords if keyword.name != "HISTORY"]
    rows = [(keyword.name, "" if keyword.value is None else str(keyword.value), keyword.comment) for keyword in shown]
    screen.table(("keyword", "value", "comment"), rows)
    hidden = len(keywords) - len(rows)
    if hidden:
        screen.line(f"and {hidden} lines of HISTORY (-v shows them)")


def _understood(screen: Screen, frame: Frame) -> None:
    screen.line()
    screen.table(("understood as", "value", "because"), [(d.subject, d.verdict, d.reason) for d in frame.decisions])
    for warning in frame.warnings:
        screen.warning(warning)


def _statistics(screen: Screen, statistics: Statistics) -> None:
    screen.line()
    rows = [
        (
            str(number),
            *(f"{value:.6f} ({value * ADU:.1f})" for value in (c.median, c.mean, c.stddev, c.minimum, c.maximum)),
            str(c.hot),
            str(c.cold),
        )
        for number, c in enumerate(statistics.channels)
    ]
    screen.table(("channel", "median (ADU)", "mean", "std dev", "minimum", "maximum", "hot", "cold"), rows)


def _record(screen: Screen, record: Record) -> None:
    screen.line()
    screen.line(f"record of {record.master.name}: {record.status}, {record.key.describe()}")
    if record.engine is not None:
        engine = f"{record.engine.name} {record.engine.version} ({record.engine.definition})"
        grade = f" ({record.grade})" if record.grade else ""
        screen.line(f"  integrated by {engine} from {number(len(record.inputs), 'frame')}{grade}")
        screen.line(f"  {record.recipe.combination}, rejection {record.recipe.rejection}")
    elif not record.inputs:
        frames = "an unknown number of frames" if record.combined is None else number(record.combined, "frame")
        screen.line(f"  integrated by another program from {frames}")
    if record.rejected is not None:
        screen.line(f"  rejected {record.rejected.low} low, {record.rejected.high} high of {record.rejected.samples}")
    for decision in record.calibration.decisions if record.calibration else ():
        screen.line(f"  {decision.verdict} {decision.subject}: {decision.reason}")
    rows = [
        (
            m.name,
            f"{m.value:g} {m.unit}",
            f"{m.physical:g} {m.physical_unit}" if m.physical is not None else "",
            m.method,
        )
        for m in record.measures
    ]
    screen.table(("measure", "value", "physical", "method"), rows)
    for finding in record.findings:
        screen.line(f"  {finding.severity}: {finding.message}")
    for event in record.history:
        screen.line(f"  {event.at:%Y-%m-%d %H:%M} {event.status}: {event.reason}")


def _log(screen: Screen, facts: "LogFacts") -> None:
    if screen.json:
        screen.document("inspect", kind="log", log=facts)
        return
    when = f", {facts.started} to {facts.ended} UTC" if facts.started else ""
    crashed = ", crashed" if facts.crashed else ""
    screen.line(f"log of PixInsight {facts.version or '(version not said)'}{when}{crashed}")
    for block in facts.blocks:
        _block(screen, block)
    within = {line for block in facts.blocks for line in (*block.warnings, *block.errors)}
    _told(screen, "warning", [line for line in facts.warnings if line not in within])
    _told(screen, "error", [line for line in facts.errors if line not in within])
    _told(screen, "perhaps an error", facts.suspicious)


def _block(screen: Screen, block: "Block") -> None:
    """Print one run of a process: how it was set, what it counted and found, what went wrong."""
    images = f" of {block.images} images" if block.images is not None else ""
    job = f" for {block.job}" if block.job else ""
    took = f", {block.seconds:.1f} s" if block.seconds is not None else ""
    screen.line(f"{block.process}{images}{job}{took}")
    for name, value in block.settings:
        screen.line(f"  {name}: {value}")
    rows = [(c.path or "", str(c.channel), str(c.low), str(c.high), f"{c.percent:.3f}") for c in block.frames]
    rows += [("all together", str(c.channel), str(c.low), str(c.high), f"{c.percent:.3f}") for c in block.totals]
    screen.table(("image", "channel", "rejected low", "rejected high", "per cent"), rows)
    if block.output_range is not None:
        screen.line("  output range: {:g} to {:g}".format(*block.output_range))
    for name, value in block.estimates:
        screen.line(f"  {name}: {value}")
    if block.succeeded is not None:
        screen.line(f"  {block.succeeded} succeeded, {block.failed} failed, {block.skipped} skipped")
    for path in block.written if screen.verbose else ():
        screen.line(f"  wrote {path}")
    _told(screen, "  warning", block.warnings)
    _told(screen, "  error", block.errors)


def _told(screen: Screen, kind: str, lines: Sequence[str]) -> None:
    for line in dict.fromkeys(lines):
        screen.line(f"{kind}: {line}")
