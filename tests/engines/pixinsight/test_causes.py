"""Likely causes: what PixInsight printed decides, then how it ended."""

import pytest

from ap_masters.engines.pixinsight.causes import explain, explain_job
from ap_masters.engines.pixinsight.console import parse
from ap_masters.engines.pixinsight.pulse import Ending


@pytest.mark.parametrize(
    ("ending", "code", "printed", "log", "reason", "advice"),
    [
        pytest.param(
            Ending.EXITED,
            0,
            "Yielded execution to running application instance #1",
            None,
            "open already",
            "--instance-id",
            id="yield",
        ),
        pytest.param(
            Ending.EXITED,
            0,
            "*** Error: The legacy 'sm' JavaScript engine is not available in this PixInsight build.",
            None,
            "V8",
            "--pixinsight-js v8",
            id="Apple silicon",
        ),
        pytest.param(
            Ending.SILENT, None, "", "*** Backtrace Information ***", "crashed", "--stage", id="crash in the log"
        ),
        pytest.param(
            Ending.EXITED, 1, "qt.qpa.xcb: could not connect to display", None, "no display", "xvfb", id="no display"
        ),
        pytest.param(
            Ending.EXITED, 0, "", "*** Error: No space left on device", "disk is full", "Free some space", id="disk"
        ),
        pytest.param(Ending.NEVER_STARTED, None, "", None, "did not begin", "startup_timeout_s", id="dialog"),
        pytest.param(Ending.SILENT, None, "", None, "no sign of life", "timeout_s", id="hang"),
        pytest.param(Ending.TOO_LONG, None, "", None, "far longer", "timeout_s", id="too long"),
        pytest.param(Ending.EXITED, -11, "", None, "signal SIGSEGV", "by hand", id="signal"),
        pytest.param(Ending.EXITED, 0, "", None, "without running the script", "by hand", id="nothing done"),
    ],
)  # fmt: skip - one case per line or two
def test_launch(ending: Ending, code: int | None, printed: str, log: str | None, reason: str, advice: str) -> None:
    """Each way to fail has its words and its way out."""
    cause = explain(ending, code, printed, parse(log) if log else None, began=False)

    assert reason in cause.reason
    assert advice in cause.advice


def test_in_the_middle() -> None:
    """An exit code of 0 in the middle of a script is not said to be well."""
    assert "in the middle" in explain(Ending.EXITED, 0, "", None, began=True).reason


@pytest.mark.parametrize(
    ("detail", "errors", "advice"),
    [
        ("ImageIntegration failed", ("/a.fits: Incompatible image geometry",), "another size"),
        ("Only 2 of 4 frames could be calibrated; 3 are needed", (), "another size"),
        ("The master could not be saved: /x", ("File I/O Error: No space left on device",), "free space"),
        ("something new", (), "by hand"),
    ],
)
def test_job(detail: str, errors: tuple[str, ...], advice: str) -> None:
    """A job's failure is told with the log's errors, each once, and with a way out."""
    cause = explain_job(detail, (*errors, *errors))

    assert advice in cause.advice
    assert all(cause.reason.count(error) == 1 for error in errors)
