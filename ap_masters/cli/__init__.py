"""The command line: parse, call, print, exit."""

import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from ap_masters.errors import ApMastersError, UsageError, reason_of
from ap_masters.safe import one_line

_INTERRUPTED = 130
_STOPPED = "interrupted: what was finished stands, nothing half-made is left, and the same command does the rest"
_OBJECTS = 50_000  # made before garbage is looked for: loading libraries makes many, and none in vain


def main(argv: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code (see ``docs/commands.md``)."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the console cannot show is shown escaped; it does not end the program.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    logging.captureWarnings(True)  # what libraries say of odd files, frames are set aside for in our own words
    if argv is None:
        _end_like_ctrl_c()
        gc.set_threshold(_OBJECTS)
        # What numpy comes with would start a thread for each processor, which takes longer than all it has to do here.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = sys.argv[1:] if argv is None else argv
    try:
        from ap_masters.cli.app import application  # Ctrl-C while that is loaded is Ctrl-C, too

        application(arguments[0] if arguments else None)(args=arguments)
    except (ApMastersError, OSError, MemoryError, KeyboardInterrupt) as error:
        message, exit_code = _ending(error)
        _complain(arguments, message, exit_code)
        _explain_quote(arguments, exit_code)
        raise SystemExit(exit_code) from error
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            _complain(arguments, _STOPPED, _INTERRUPTED)
        _explain_quote(arguments, ended.code)
        raise


def _ending(error: BaseException) -> tuple[str, int]:
    """Return what to tell of an error that ends the program, and the exit code."""
    if isinstance(error, ApMastersError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):  # while commands were still being loaded; after that typer sees to it
        return _STOPPED, _INTERRUPTED
    if isinstance(error, MemoryError):  # as by a file that claims to be larger than any image is
        return "there was not enough memory: is a file damaged, or --memory too large?", ApMastersError.exit_code
    # A disk or a permission that no room could say more about.
    where = f"{error.filename}: " if isinstance(error, OSError) and error.filename is not None else ""
    return f"{where}{reason_of(error)}; look at the path, its permissions and the free space", ApMastersError.exit_code


def stray_quote(arguments: Sequence[str], *, platform: str = sys.platform) -> str | None:
    r"""Return what to do about an argument with a quote in it, which on Windows is in no path; None where all is well.

    ``"D:\my night\" masters`` arrives as ``D:\my night" masters``: a backslash makes the quote behind it a letter.
    """
    stray = next((argument for argument in arguments if '"' in argument), None) if platform == "win32" else None
    if stray is None:
        return None
    return f"[{stray}] is one word with a quote in it: leave out the backslash before a closing quote"


def _explain_quote(arguments: Sequence[str], exit_code: object) -> None:
    advice = stray_quote(arguments) if exit_code == UsageError.exit_code else None
    if advice is not None:
        print(f"ap-masters: {one_line(advice)}", file=sys.stderr)


def _end_like_ctrl_c() -> None:
    """Let a stopped service or a closed terminal end the program as Ctrl-C does: with everything it has started."""
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):  # not every system has each
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, _interrupt)


def _interrupt(number: int, where: FrameType | None) -> None:
    raise KeyboardInterrupt


def _complain(arguments: list[str], message: str, exit_code: int) -> None:
    for line in message.splitlines():
        print(f"ap-masters: {one_line(line)}", file=sys.stderr)
    if "--json" in arguments:
        from ap_masters.cli.app import command_of
        from ap_masters.cli.display import error_document

        print(json.dumps(error_document(command_of(arguments), message, exit_code), indent=1))
