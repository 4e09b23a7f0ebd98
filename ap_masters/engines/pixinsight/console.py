"""A console log -> what PixInsight did: one table of lines that are known, and what could be an error is kept.

Formats: ImageIntegration 1.0 to 1.6.0 and ImageCalibration to 2.2.8, from their sources and from real logs;
later versions are closed and may differ, so nothing here depends on a line being there.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ap_masters.decoding import decode
from ap_masters.engines.pixinsight.facts import CALIBRATION, INTEGRATION, Block, Counts, Excerpt, LogFacts
from ap_masters.engines.pixinsight.logtext import Line, lines


def parse_bytes(data: bytes) -> LogFacts:
    """Return what a log file tells; never raises, whatever the bytes are."""
    return parse(decode(data))


def parse(text: str) -> LogFacts:
    """Return what the text of a log tells; never raises, whatever the text is."""
    reader = _Reader()
    for line in lines(text):
        reader.read(line)
    return reader.facts()


_TAIL: Final = 40
_COUNT_ROW: Final = r"(\d+)\s+([\d.]+)% \(\s*(\d+) \+\s*(\d+) =\s*([\d.]+)% \+\s*([\d.]+)%\)"
_CLOCK: Final = re.compile(r"^(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$|^(\d+(?:\.\d+)?) (ms|s)$")
_LOOKS_LIKE_AN_ERROR: Final = re.compile(
    r"\b(?:error|exception|failed|failure|fatal|cannot|unable|invalid|abort(?:ed|ing)?|access violation)\b",
    re.IGNORECASE,
)


@dataclass
class _Told:
    """An excerpt while it is read."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass
class _Draft:
    """A block while it is read."""

    process: str
    job: str | None
    images: int | None = None
    settings: list[tuple[str, str]] = field(default_factory=list)
    frames: list[Counts] = field(default_factory=list)
    totals: list[Counts] = field(default_factory=list)
    output_range: tuple[float, float] | None = None
    estimates: list[tuple[str, str]] = field(default_factory=list)
    summary: tuple[int, int, int] | None = None
    written: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float | None = None

    def block(self) -> Block:
        """Return the block as it is known."""
        succeeded, failed, skipped = self.summary or (None, None, None)
        return Block(
            process=self.process,
            job=self.job,
            images=self.images,
            settings=tuple(self.settings),
            frames=tuple(self.frames),
            totals=tuple(self.totals),
            output_range=self.output_range,
            estimates=tuple(self.estimates),
            succeeded=succeeded,
            failed=failed,
            skipped=skipped,
            written=tuple(self.written),
            warnings=tuple(self.warnings),
            errors=tuple(self.errors),
            seconds=self.seconds,
        )


class _Reader:
    """What has been understood so far, line by line."""

    def __init__(self) -> None:
        self.version: str | None = None
        self.blocks: list[_Draft] = []
        self.job: str | None = None
        self.open: _Draft | None = None
        self.previous = ""
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.suspicious: list[str] = []
        self.notes: list[str] = []
        self.crashed = False
        self.times: list[str] = []
        self.tail: list[str] = []
        self.told: dict[str, _Told] = {}

    def read(self, line: Line) -> None:
        """Take one line in: the first row of the table that matches decides."""
        if line.time:
            self.times = [self.times[0] if self.times else line.time, line.time]
        text = line.text.strip()
        if not text:
            return
        self.tail = [*self.tail[-_TAIL + 1 :], text]
        before = self.job
        for pattern, handle in _TABLE:
            if match := pattern.search(text):
                handle(self, match)
                break
        else:
            if _LOOKS_LIKE_AN_ERROR.search(text):
                self.suspicious.append(text)
        if owner := self.job or before:  # the lines that say that it begins and ends are its own
            told = self.told.setdefault(owner, _Told())
            told.lines = [*told.lines[-_TAIL + 1 :], text]
        self.previous = text

    def block(self, process: str) -> _Draft:
        """Return the open block of ``process``, or open one."""
        if self.open is None or self.open.process != process:
            self.open = _Draft(process, self.job)
            self.blocks.append(self.open)
        return self.open

    def begin(self, process: str) -> None:
        """Start a new block, unless one of that process has just been started and says nothing yet."""
        if self.open is None or self.open.process != process or self.open.images is not None:
            self.open = None
            self.block(process)

    def fail(self, message: str) -> None:
        """Keep an error, for the log, for the job and for the block in which it stands."""
        self.errors.append(message)
        if self.job is not None:
            self.told.setdefault(self.job, _Told()).errors.append(message)
        if self.open is not None:
            self.open.errors.append(message)

    def facts(self) -> LogFacts:
        """Return everything that was understood."""
        return LogFacts(
            version=self.version,
            blocks=tuple(draft.block() for draft in self.blocks),
            warnings=tuple(self.warnings),
            errors=tuple(self.errors),
            suspicious=tuple(self.suspicious),
            notes=tuple(self.notes),
            crashed=self.crashed,
            started=self.times[0] if self.times else None,
            ended=self.times[-1] if self.times else None,
            tail=tuple(self.tail),
            excerpts=tuple(
                Excerpt(job=job, lines=tuple(told.lines), errors=tuple(told.errors)) for job, told in self.told.items()
            ),
        )


# --- what each known line means ---------------------------------------------------------------------------


def _version(reader: _Reader, match: re.Match[str]) -> None:
    reader.version = match[1]


def _job(reader: _Reader, match: re.Match[str]) -> None:
    reader.job = match[2] if match[1] == "begins" else None
    reader.open = None
    reader.notes.append(match.string)


def _error(reader: _Reader, match: re.Match[str]) -> None:
    message = match[1].strip()
    if not message:
        return  # the first half of a doubled marker: the message follows on its own line
    reader.fail(message)


def _crash(reader: _Reader, match: re.Match[str]) -> None:
    reader.crashed = True
    reader.fail(match[1].strip())


def _backtrace(reader: _Reader, match: re.Match[str]) -> None:
    reader.crashed = True


def _warning(reader: _Reader, match: re.Match[str]) -> None:
    reader.warnings.append(match[1])
    if reader.open is not None:
        reader.open.warnings.append(match[1])


def _note(reader: _Reader, match: re.Match[str]) -> None:
    reader.notes.append(match.string)


def _begin_integration(reader: _Reader, match: re.Match[str]) -> None:
    reader.begin(INTEGRATION)


def _begin_calibration(reader: _Reader, match: re.Match[str]) -> None:
    reader.begin(CALIBRATION)


def _integrating(reader: _Reader, match: re.Match[str]) -> None:
    reader.begin(INTEGRATION)
    reader.block(INTEGRATION).images = _whole(match[1])


def _calibrating(reader: _Reader, match: re.Match[str]) -> None:
    reader.block(CALIBRATION).images = _whole(match[1])


def _setting(reader: _Reader, match: re.Match[str]) -> None:
    reader.block(INTEGRATION).settings.append((match[1], match[2]))


def _frame_counts(reader: _Reader, match: re.Match[str]) -> None:
    block = reader.block(INTEGRATION)
    path = reader.previous or None
    block.frames.append(_counts(match, 1, path, len(block.totals)))


def _total_counts(reader: _Reader, match: re.Match[str]) -> None:
    block = reader.block(INTEGRATION)
    block.totals.append(_counts(match, 0, None, len(block.totals)))


def _counts(match: re.Match[str], skip: int, path: str | None, channel: int) -> Counts:
    return Counts(
        path=path,
        channel=channel,
        low=_whole(match[skip + 3]),
        high=_whole(match[skip + 4]),
        percent=_number(match[skip + 2]) or 0.0,
    )


def _range(reader: _Reader, match: re.Match[str]) -> None:
    low, high = _number(match[1]), _number(match[2])
    if low is not None and high is not None and reader.open is not None:
        reader.open.output_range = (low, high)


def _estimate(reader: _Reader, match: re.Match[str]) -> None:
    if reader.open is not None:
        reader.open.estimates.append((match[1].strip(), match[2].strip()))


def _summary(reader: _Reader, match: re.Match[str]) -> None:
    block = reader.block(match[1])
    numbers = {word: _whole(number) for number, word in re.findall(r"(\d+) (\w+)", match[2])}
    block.summary = (numbers.get("succeeded", 0), numbers.get("failed", 0), numbers.get("skipped", 0))
    reader.open = block


def _written(reader: _Reader, match: re.Match[str]) -> None:
    if reader.open is not None:
        reader.open.written.append(match[1])


def _elapsed(reader: _Reader, match: re.Match[str]) -> None:
    """The core prints the time a process took when it has ended: that closes its block."""
    if reader.open is not None:
        reader.open.seconds = _seconds(match)
        reader.open = None


def _nothing(reader: _Reader, match: re.Match[str]) -> None:
    """A line that says "failed" or "invalid" and means no harm."""


_Handler = Callable[[_Reader, re.Match[str]], None]

_TABLE: Final[tuple[tuple[re.Pattern[str], _Handler], ...]] = tuple(
    (re.compile(pattern), handler)
    for pattern, handler in (
        (r"^PixInsight Core (?:Version )?([\d.]+(?:-\d+)?)", _version),
        (r"^ap-masters: job \d+ of \d+ (begins|succeeded|failed): (\S+)", _job),
        (r"^ap-masters\b", _note),
        # Errors. A worker thread's error is caught as text and thrown again: the marker stands twice.
        (r"^\*\*\* PCL Win32 System Exception: (.*)", _crash),
        (r"^\*\*\* Backtrace Information \*\*\*", _backtrace),
        (r"^(?:\*\*\* Error: *)+(?:\*\*\* )*(.*)", _error),
        (r"^\*\*\* (.*(?:Exception|Error)\b.*)", _error),
        (r"^<?\* ?failed ?\*>?$", _nothing),
        (r"^Error: (.*)", _error),
        (r"^(?:<\* Warning \*>|\*\* Warning:) ?(.*)", _warning),
        # ImageIntegration
        (r"^ImageIntegration: Global context", _begin_integration),
        (r"^Opening files:", _begin_integration),
        (r"^Integration of (\d+) images:", _integrating),
        (r"^((?:Pixel|Output|Weighting|Scale|Range|Rejection|Large-scale|Region)[\w /-]*?) \.{2,} (.*)", _setting),
        (rf"^(\d+) :\s+{_COUNT_ROW}$", _frame_counts),
        (rf"^Total :\s+{_COUNT_ROW}$", _total_counts),
        (r"^\* \w+ing output image\. Integration range: \[([^,]+),([^\]]+)\]", _range),
        (
            r"^((?:Gaussian noise|Scale|Location|Noise|SNR|PSF signal|PSF SNR|PSF fit|Reference noise|Median noise)"
            r" (?:estimates|weights|counts|reduction)) *: *(.*)",
            _estimate,
        ),
        (r"^((?:Δ)?σs?\d?) = (.*)", _estimate),
        # ImageCalibration, and the last line of processes of its family
        (r"^ImageCalibration: Global context", _begin_calibration),
        (r"^\* Loading master (?:bias|dark|flat) frame:", _begin_calibration),
        (r"^\* Calibration of (\d+) target frames\.", _calibrating),
        (r"^===== (\w+): ((?:\d+ \w+(?:, )?)+) =====$", _summary),
        (r"^\* Writing output file: (.*)", _written),
        (r"^\* File already exists, writing to: (.*)", _written),
        (r"^\* Applying error policy: ", _nothing),
        # The core and WBPP
        (_CLOCK.pattern, _elapsed),
        (r"^Rejection method auto-selected: ", _note),
        (r"^\* (?:Begin|End) (?:integration|calibration) of ", _note),
        (r"^Integration completed: ", _note),
        (r"^\d+ cached, \d+ generated, 0 failed\.", _note),
        (r"^\* ", _nothing),
    )
)


def _whole(text: str) -> int:
    return int(text[:18])  # a longer row of digits is no count of anything; int() would take seconds for some


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None


def _seconds(match: re.Match[str]) -> float | None:
    hours, minutes, rest, plain, unit = match.groups()
    if plain is not None:
        value = _number(plain)
        return None if value is None else value / 1000 if unit == "ms" else value
    parts = [_number(part) for part in (hours or "0", minutes, rest)]
    if any(part is None for part in parts):
        return None
    return sum(part * scale for part, scale in zip(parts, (3600.0, 60.0, 1.0), strict=True) if part is not None)
