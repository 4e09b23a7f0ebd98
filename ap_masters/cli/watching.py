"""The command watch."""

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ap_masters.cli import flags, show
from ap_masters.cli.arguments import Inputs, Output
from ap_masters.cli.building import carry_out
from ap_masters.cli.display import Screen
from ap_masters.cli.options import with_settings
from ap_masters.config import Settings
from ap_masters.config.sources import Loaded
from ap_masters.errors import SomeJobsFailed
from ap_masters.wording import number

if TYPE_CHECKING:
    from ap_masters.watch import News

_PATIENCE: Final = 0.2  # seconds after which a wait looks for Ctrl-C (Windows needs that)


@with_settings(*flags.ALL)
def watch(
    screen: Screen,
    loaded: Loaded,
    inputs: Inputs,
    output: Output,
    settle: Annotated[float, typer.Option(min=0, help="Seconds without a change until a capture is over.")] = 300.0,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the folders.")] = 10.0,
) -> None:
    """Watch a capture folder and build when a set is complete or has been quiet; Ctrl-C stops it.

    A set is complete with the recommended number of frames (counts). What fails is tried again after a pause that
    grows, or with the next new file.
    """
    from ap_masters.survey import require_folder
    from ap_masters.watch import Built
    from ap_masters.watch import watch as keep_watch

    settings = loaded.settings
    require_folder(output)  # before the night, not after it
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())  # a service is stopped; a build under way is finished first

    def build() -> Built:
        report = carry_out(screen, settings, inputs, output)
        show.report(screen, report, settings.counts)
        failure = "not every master was made" if report.failed else None
        made = sum(outcome.master is not None for outcome in report.outcomes)
        return Built(made, show.counted(report), failure)

    watched = keep_watch(
        inputs,
        build,
        settle=settle,
        interval=interval,
        clock=time.monotonic,
        wait=lambda seconds: goes_on(stop, seconds),
        complete=lambda: _complete(settings, inputs, output),
        exclude=[output],
        on_news=lambda news: _tell(screen, news),
    )
    if screen.json:
        screen.document("watch", builds=watched.builds)
    if watched.failing:
        raise typer.Exit(SomeJobsFailed.exit_code)


def goes_on(stop: threading.Event, seconds: float) -> bool:
    """Wait for so many seconds, unless it is to stop; say whether it goes on. Ctrl-C ends the wait, on Windows too."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stop.is_set():
        stop.wait(min(left, _PATIENCE))
    return not stop.is_set()


def _complete(settings: Settings, inputs: list[Path], output: Path) -> bool:
    from ap_masters.header_cache import HeaderCache
    from ap_masters.survey import gather
    from ap_masters.watch import sets_complete

    _, grouping = gather(inputs, settings, cache=HeaderCache.default(), exclude=[output])
    return sets_complete(grouping.groups)


def _tell(screen: Screen, news: "News") -> None:
    files = f" ({number(news.files, 'file')})" if news.files else ""
    text = f"{time.strftime('%H:%M:%S')} {news.kind}{files}" + (f": {news.detail}" if news.detail else "")
    if news.kind in {"failed", "unreachable"}:
        screen.warning(text)
    else:
        screen.note(text)
