"""Commands that build: demo, plan, build, script."""

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ap_masters import safe
from ap_masters.cli import documents, flags, show
from ap_masters.cli.arguments import Inputs, Output
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_screen, with_settings
from ap_masters.cli.progress import Label, shown
from ap_masters.config import Settings
from ap_masters.config.sources import Loaded
from ap_masters.model import Plan
from ap_masters.wording import number

if TYPE_CHECKING:
    from ap_masters.build import BuildReport


@with_settings(*flags.ALL)
def plan(screen: Screen, loaded: Loaded, inputs: Inputs, output: Output) -> None:
    """Show what a build would do: create, rebuild, up to date, skipped, conflict. Nothing is written."""
    from ap_masters.cli import engines
    from ap_masters.header_cache import HeaderCache
    from ap_masters.survey import survey

    choice = engines.choose(loaded.settings)
    screen.note(choice.line)
    the_plan = survey(
        inputs,
        output,
        loaded.settings,
        engine=choice.name,
        refuses=engines.refuses(choice),
        cache=HeaderCache.default(),
    )
    expressions = _expressions(loaded.settings, output)
    if screen.json:
        screen.document("plan", engine=choice.name, **documents.plan(the_plan), siril=expressions)
    else:
        show.plan(screen, the_plan)
    show.siril(screen, expressions, the_plan)


@with_settings(*flags.ALL)
def build(
    screen: Screen,
    loaded: Loaded,
    inputs: Inputs,
    output: Output,
    script_only: Annotated[
        bool, typer.Option("--script-only", help="Only write the script, as the command script does.")
    ] = False,
) -> None:
    """Build masters from INPUT into the library OUTPUT. A second run builds only what has changed."""
    if script_only:
        _script(screen, loaded.settings, inputs, output)
        return
    report = carry_out(screen, loaded.settings, inputs, output)
    expressions = _expressions(loaded.settings, output)
    if screen.json:
        screen.document("build", **documents.build(report), siril=expressions)
    else:
        show.report(screen, report, loaded.settings.counts)
    show.siril(screen, expressions, report.plan)
    raise typer.Exit(report.exit_code)


@with_settings(*flags.ALL)
def script(screen: Screen, loaded: Loaded, inputs: Inputs, output: Output) -> None:
    """Write the PixInsight script that builds the masters, for a manual run; PixInsight need not be installed."""
    _script(screen, loaded.settings, inputs, output)


@with_screen
def demo(
    screen: Screen,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the night and its library go.")] = Path("demo"),
) -> None:
    """Make a synthetic night and build its masters with the numpy engine, in under a minute."""
    from ap_masters import demo as synthetic
    from ap_masters.report import write_report

    night, library = folder / "night", folder / "library"
    if not night.exists():
        screen.note(f"writing a synthetic night to {night}")
        synthetic.write_night(night)
    settings = Settings(engine="numpy")
    report = carry_out(screen, settings, [night], library)
    page = write_report(library, settings=settings, now=datetime.now(UTC)).path
    if screen.json:
        screen.document("demo", night=night, page=page, **documents.build(report))
    else:
        show.report(screen, report, settings.counts)
        screen.line(f"frames: {night}")
        screen.line(f"report: {page} (open it in a browser)")
        program = ["ap-masters"] if shutil.which("ap-masters") else [sys.executable, "-m", "ap_masters"]
        screen.line(f"Once more, and nothing is built: {safe.shell_words(*program, 'build', night, library)}")
    raise typer.Exit(report.exit_code)


def carry_out(screen: Screen, settings: Settings, inputs: Sequence[Path], output: Path) -> "BuildReport":
    """Plan and build, with the engine named first and progress shown."""
    from ap_masters.build import build
    from ap_masters.cli import engines
    from ap_masters.header_cache import HeaderCache
    from ap_masters.survey import survey

    choice = engines.choose(settings)
    screen.note(choice.line)
    refuses = engines.refuses(choice)
    replan = partial(survey, inputs, output, settings, engine=choice.name, refuses=refuses, cache=HeaderCache.default())
    the_plan = replan()
    if not screen.quiet:
        for warning in the_plan.warnings:
            screen.warning(warning)
    with shown(screen, _labels(the_plan)) as on_progress:
        return build(the_plan, settings, engines.make(choice, settings, output), on_progress, replan=replan)


def _expressions(settings: Settings, library: Path) -> dict[str, str]:
    """Return what Siril needs to find the masters of its own layout; nothing for any other."""
    from ap_masters import layouts

    return layouts.siril_expressions(library.absolute()) if settings.layout == "siril" else {}


def _script(screen: Screen, settings: Settings, inputs: Sequence[Path], output: Path) -> None:
    from ap_masters import manual
    from ap_masters.cli import engines
    from ap_masters.header_cache import HeaderCache
    from ap_masters.survey import survey

    refuses = engines.script_refuses
    the_plan = survey(inputs, output, settings, engine="pixinsight", refuses=refuses, cache=HeaderCache.default())
    the_plan = manual.looked_at(the_plan, settings)
    written = manual.write_script(the_plan, settings, datetime.now(UTC))
    if screen.json:
        files = {"script": written.script, "plan_file": written.plan, "log": written.log}
        screen.document("script", **files, plan=documents.plan(the_plan))
        raise typer.Exit(written.exit_code)
    show.plan(screen, the_plan)
    if settings.compression != "none":
        screen.warning(engines.UNCOMPRESSED)
    for step in written.rebuilt:
        screen.warning(f"{step.output} is there already: the script saves the new master beside it, not over it")
    screen.line(f"script: {written.script}")
    screen.line(f"plan:   {written.plan}")
    masters = number(len(written.jobs), "master")
    screen.line(f"Run it in PixInsight with Script > Execute Script File. It builds {masters}")
    screen.line(f"and logs to {written.log}")
    words = safe.shell_words(output, *written.masters)
    screen.line("Its masters are candidates; look at them, then make them serve:")
    screen.line(f'ap-masters library publish {words} --reason "made by hand, looked at"')
    raise typer.Exit(written.exit_code)


def _labels(the_plan: Plan) -> dict[str, Label]:
    """Return what the progress display shows of each step."""
    from ap_masters.plan import job_id

    return {
        job_id(step.key, step.output): Label(step.key.type, step.output.name, step.job.samples if step.job else 0)
        for step in the_plan.steps
    }
