"""Likely causes: what PixInsight printed decides, then how it ended."""

import pytest

from ap_masters.engines.pixinsight.causes import explain, explain_job, last_words
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
        pytest.param(Ending.EXITED, 139, "", None, "signal SIGSEGV", "by hand", id="signal told by a shell"),
        pytest.param(Ending.EXITED, 0, "", None, "without running the script", "by hand", id="nothing done"),
        pytest.param(Ending.EXITED, 0, "", None, "without running", "--pixinsight-js v8", id="silent on Apple silicon"),
    ],
)  # fmt: skip - one case per line or two
def test_launch(ending: Ending, code: int | None, printed: str, log: str | None, reason: str, advice: str) -> None:
    """Each way to fail has its words and its way out."""
    cause = explain(ending, code, printed, parse(log) if log else None, began=False)

    assert reason in cause.reason
    assert advice in cause.advice


def test_through_without_a_record() -> None:
    """A script that says it is through has not crashed, whatever is missing afterwards."""
    cause = explain(Ending.DONE, 0, "", None, began=True)

    assert "record" in cause.reason
    assert "crashed" not in cause.advice


def test_in_the_middle() -> None:
    """An exit code of 0 in the middle of a script is not said to be well."""
    assert "in the middle" in explain(Ending.EXITED, 0, "", None, began=True).reason


@pytest.mark.parametrize(
    ("detail", "errors", "advice"),
    [
        ("ImageIntegration failed", ("/a.fits: Incompatible image geometry",), "another size"),
        ("Only 2 of 4 frames could be calibrated; 3 are needed", (), "another size"),
        ("The master could not be saved: /x", ("File I/O Error: No space left on device",), "free space"),
        ("Invalid argument type: signed integer value expected", (), "leave --pixinsight-js out"),
        ("Invalid combination of file formats with and without incremental file read", (), "Compressed"),
        ("Reason: This instance of ImageIntegration defines less than three source images.", (), "Capture more"),
        ("something new", (), "by hand"),
    ],
)
def test_job(detail: str, errors: tuple[str, ...], advice: str) -> None:
    """A job's failure is told with the log's errors, each once, and with a way out."""
    cause = explain_job(detail, (*errors, *errors))

    assert advice in cause.advice
    assert all(cause.reason.count(error) == 1 for error in errors)


def test_sentences_end_once() -> None:
    """What PixInsight ends with a full stop is told without it: a sentence follows."""
    assert explain_job("It failed.", ("No images have been selected.",)).reason == (
        "It failed.: No images have been selected"
    )


def test_last_words() -> None:
    """What PixInsight prints when all is well is not told; the rest is."""
    printed = (
        "PixInsight Core 1.9.4 Lockhart (x64)\nCopyright (c) 2003-2026 Pleiades Astrophoto\n\n"
        "[1121/153000.1:ERROR:gpu_channel_manager.cc(959)] Failed to create GLES3 context\n"
        "error while loading shared libraries: libX.so\n"
        "<* Warning *> Unconditional exit as per user request: No data were saved!\n"
    )

    assert last_words(printed) == ("error while loading shared libraries: libX.so",)
