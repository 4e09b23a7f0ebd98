"""Why it went wrong: what PixInsight printed, and how it ended -> a likely cause, and what to do about it."""

import re
from typing import Final, NamedTuple

from ap_masters.engines.pixinsight.facts import LogFacts
from ap_masters.engines.pixinsight.pulse import Ending
from ap_masters.engines.pixinsight.tree import describe_exit


class Cause(NamedTuple):
    """What happened, and what the user can do."""

    reason: str
    advice: str


# What is printed tells more than how it ended: the first row whose pattern is found decides.
_PRINTED: Final = (
    (
        r"Yielded execution to running application instance",
        "PixInsight handed the script over to an instance that was open already",
        "Close that PixInsight, or choose a free slot with --instance-id, and run the build again",
    ),
    (
        r"legacy 'sm' JavaScript engine is not available",
        "this PixInsight only runs scripts for its V8 engine",
        "Set pixinsight.javascript to v8 (--pixinsight-js v8)",
    ),
    (
        r"Backtrace Information|System Exception|exception code C0000005|Access violation",
        "PixInsight crashed",
        "Run the build again: what was finished stays. Fewer masters per run (--stage) spare PixInsight's memory",
    ),
    (
        r"could not connect to display|no Qt platform plugin|qt\.qpa\.(?:xcb|plugin)",
        "PixInsight found no display for its window",
        "Install xvfb (apt install xvfb), or run the build on a desktop",
    ),
    (
        r"(?i:(?:no|invalid|expired|missing)\b.{0,20}\blicen[cs]e|\blicen[cs]e\b.{0,30}\b(?:not|invalid|expired|activat))",
        "PixInsight asks for its licence",
        "Start PixInsight by hand as this user and activate it once",
    ),
    (
        r"No space left|disk (?:is )?full|not enough (?:disk )?space",
        "the disk is full",
        "Free some space on the library's disk and run the build again",
    ),
    (
        r"bad_alloc|[Oo]ut of memory|[Mm]emory allocation|insufficient memory",
        "PixInsight ran out of memory",
        "Give it less to hold at once: lower --memory or --instances, and close other programs",
    ),
    (
        r"[Cc]ode signature",
        "PixInsight refused the script because of a code signature",
        "Remove any .xsgn file beside the script and allow unsigned scripts in PixInsight's security settings",
    ),
)

# Errors of the two processes that have a known way out.
_ERRORS: Final = (
    (r"Incompatible image geometry", "One frame has another size than the others: look at the file named in the log"),
    (r"Unable to open file|No such file|does not exist", "A file is gone or not readable for this user: check it"),
    (
        r"at least (?:three|five) images|less than (?:3|three) (?:source )?images",
        "Capture more frames for this group",
    ),
    (r"Zero or insignificant (?:signal|scaling)", "A frame is empty: look at its level, and take it out"),
    (r"incremental file read", "Compressed and uncompressed frames cannot be mixed in one group: convert the former"),
    (
        r"Invalid argument type: signed integer",
        "The script is written for PixInsight's other JavaScript engine: leave --pixinsight-js out",
    ),
    (r"numeric value out of range", "A rejection setting is out of PixInsight's range: check the recipe settings"),
    (r"was not made", "The master it needs failed: mend that first"),
    (r"could be calibrated", "Look in the log why single frames failed: mostly another size than their masters'"),
    (r"could not be saved", "Check free space and permissions of the library's disk, then run the build again"),
    (r"stopped by the user", "Run the build again to take up the rest"),
)

_BY_HAND: Final = (
    "write a script to run by hand (`ap-masters script`) and try it in PixInsight, Script > Execute Script File"
)
_SEE: Final = f"Look at the log, or {_BY_HAND}"
_NOT_RUN: Final = (
    f"PixInsight does not say why: {_BY_HAND}, and read its console. "
    "Apple silicon needs --pixinsight-js v8; versions before 1.9.4 cannot read what that writes"
)
# What PixInsight and its browser print when all is well.
_CHATTER: Final = re.compile(
    r"ERROR:\w+\.cc\(\d+\)|^PixInsight Core |^Copyright |Unconditional exit as per user request"
)

_ENDINGS: Final = {
    Ending.DONE: Cause(
        "the script says that it is through, but the record of this master is not there",
        "Look whether another program removes files from the library, then run the build again",
    ),
    Ending.NEVER_STARTED: Cause(
        "PixInsight was started but the script did not begin",
        "A dialog may be waiting: start PixInsight by hand once, answer what it asks (licence, updates, crash "
        "recovery) and close it. On a slow machine raise pixinsight.startup_timeout_s",
    ),
    Ending.SILENT: Cause(
        "PixInsight gave no sign of life any more and was stopped",
        "A dialog may have been waiting, or PixInsight stood still. Run the build again; raise pixinsight.timeout_s "
        "where single steps take long",
    ),
    Ending.TOO_LONG: Cause(
        "PixInsight took far longer than such a job should and was stopped",
        "The disk may be very slow. Raise pixinsight.timeout_s, or build fewer groups at a time (--stage)",
    ),
}


def explain(
    ending: Ending | None, returncode: int | None, printed: str, facts: LogFacts | None, *, began: bool
) -> Cause:
    """Return the likely cause of a launch that did not finish its jobs.

    ``printed`` is the end of its standard output and error, ``facts`` its console log if there is one, and
    ``began`` whether the script ever gave a sign.
    """
    log = "\n".join((*facts.errors, *facts.suspicious, *facts.tail)) if facts else ""
    for pattern, reason, advice in _PRINTED:
        if re.search(pattern, printed) or re.search(pattern, log):
            return Cause(reason, advice)
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if returncode is not None and returncode != 0:
        return Cause(f"PixInsight ended early ({describe_exit(returncode)})", f"It may have crashed. {_SEE}")
    if not began:
        return Cause("PixInsight ended without running the script, and said that all was well (exit code 0)", _NOT_RUN)
    return Cause("PixInsight ended in the middle of the script", f"It may have crashed or been closed. {_SEE}")


def last_words(printed: str) -> tuple[str, ...]:
    """Return the last lines of what PixInsight printed that are more than its usual chatter."""
    lines = (line.strip() for line in printed.splitlines())
    return tuple(line for line in lines if line and not _CHATTER.search(line))[-5:]


def explain_job(detail: str, errors: tuple[str, ...]) -> Cause:
    """Return the cause of a job that the script itself reports as failed: its message and the log's errors."""
    told = [error for error in dict.fromkeys(errors) if error not in detail]
    reason = (detail + (f": {'; '.join(told[:3])}" if told else "")).rstrip(".")
    for pattern, advice in _ERRORS:
        if re.search(pattern, reason):
            return Cause(reason, advice)
    for pattern, _, advice in _PRINTED:
        if re.search(pattern, reason):
            return Cause(reason, advice)
    return Cause(reason, _SEE)
