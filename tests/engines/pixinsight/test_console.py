"""Console logs: formats of several versions, in any encoding, whole or cut, and whatever else a file may hold."""

import codecs
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ap_masters.decoding import decode
from ap_masters.engines.pixinsight.console import parse, parse_bytes
from ap_masters.engines.pixinsight.facts import CALIBRATION, Counts, LogFacts
from ap_masters.engines.pixinsight.logtext import lines

LOGS = Path(__file__).parents[2] / "data" / "logs"


def read(name: str) -> LogFacts:
    return parse_bytes((LOGS / name).read_bytes())


def test_run_of_our_script() -> None:
    """A log of our own script falls into blocks that know their job, with counts by frame and totals."""
    facts = read("1.9.4-bias-dark-flat.log")
    block = facts.of("dark-1a2b3c4d")

    assert facts.version == "1.9.4"
    assert block is not None
    assert block.images == 3
    assert dict(block.settings)["Pixel rejection"] == "Percentile clipping"
    assert dict(block.settings)["Rejection parameters"] == "pc_low=0.200 pc_high=0.100"
    assert block.frames[1] == Counts(path="/home/me/nächte/dark 2.fits", low=109492, high=6640, percent=2.769)
    assert block.frames[2] == Counts(path="/home/me/nächte/dark 3.fits", low=0, high=0, percent=0.0)
    assert block.totals == (Counts(low=191218, high=13438, percent=1.626),)
    assert block.output_range == (-1e-5, 1.003)
    assert block.seconds == 4.321
    assert block.warnings == (
        "Inconsistent Instrument:Filter:Name (FILTER keyword) value(s) - metadata not generated.",
    )
    assert not block.errors
    assert (facts.started, facts.ended) == ("2026-01-29 12:34:56", "2026-01-29 12:35:03")


def test_calibration_summary() -> None:
    """ImageCalibration's block says how many frames succeeded, what was written, and the error of the other."""
    block = read("1.9.4-bias-dark-flat.log").of("flat-99aabbcc", CALIBRATION)

    assert block is not None
    assert (block.images, block.succeeded, block.failed, block.skipped) == (4, 3, 1, 0)
    assert [Path(path).name for path in block.written] == ["flat 1_c.xisf", "flat 3_c.xisf", "flat 4_c.xisf"]
    assert block.errors == ("/home/me/nächte/flat 2.fits: Incompatible image geometry",)
    assert block.seconds == 62.5


def test_doubled_markers() -> None:
    """An error that a worker thread passed on has its marker twice, on one line or on two: it is one error."""
    assert read("1.9.4-bias-dark-flat.log").errors == (
        "/home/me/nächte/flat 2.fits: Incompatible image geometry",
        "File I/O Error: Unable to open file: No such file or directory: "
        "/home/me/library/.ap-masters/calibrated/001/flat 3_c.xisf",
        "ImageIntegration failed; the log says why",
    )
    assert not read("1.9.4-bias-dark-flat.log").suspicious


def test_old_format() -> None:
    """Logs of 2013 have shorter dots, other wording and no times; counts are the same."""
    (block,) = read("1.8.0-integration.txt").blocks

    assert block.job is None
    assert dict(block.settings)["Pixel combination"] == "average"
    assert [(c.low, c.high) for c in block.frames] == [(81726, 6798), (109492, 6640)]
    assert [(c.low, c.high) for c in block.totals] == [(191218, 13438)]
    assert dict(block.estimates)["Gaussian noise estimates"] == "5.5914e-05"
    assert dict(block.estimates)["Median noise reduction"] == "1.4214"
    assert block.seconds == 156.75


def test_crash() -> None:
    """A system exception is a crash; lines that sound like errors and are not known are kept."""
    facts = read("1.8.9-crash.log")

    assert facts.version == "1.8.9-2"
    assert facts.crashed
    assert "C0000005" in facts.errors[0]
    assert facts.suspicious == ("Something odd: the operation could not be completed, fatal state",)


def test_wbpp() -> None:
    """What WBPP says of its progress is kept, and the summary of another process is not taken for a calibration's."""
    facts = read("3.0.1-wbpp.log")

    assert facts.notes[1] == "Rejection method auto-selected: Winsorized Sigma Clipping"
    assert facts.warnings == ("Cannot integrate less than three frames.", "ImageIntegration failed.")
    assert [(block.process, block.succeeded) for block in facts.blocks] == [("CosmeticCorrection", 19)]
    assert facts.errors == ("ImageWindow.windowById(): invalid argument type: String expected.",)


@pytest.mark.parametrize(("failed", "suspicious"), [(0, 0), (2, 1)])
def test_wbpp_counts_what_failed(failed: int, suspicious: int) -> None:
    """That none did is no sign of an error."""
    facts = parse(f"PixInsight Core 1.9.3\n3 cached, 15 generated, {failed} failed.\n")

    assert len(facts.suspicious) == suspicious


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(lambda text: text.encode(), id="utf-8"),
        pytest.param(lambda text: codecs.BOM_UTF8 + text.encode(), id="utf-8 with mark"),
        pytest.param(lambda text: text.encode("utf-16"), id="utf-16 with mark"),
        pytest.param(lambda text: text.encode("utf-16-le"), id="utf-16 little endian"),
        pytest.param(lambda text: text.encode("utf-16-be"), id="utf-16 big endian"),
        pytest.param(lambda text: text.encode("cp1252"), id="windows-1252"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="Windows line ends"),
    ],
)
def test_encodings(encoded: Callable[[str], bytes]) -> None:
    """A log reads the same however it was saved."""
    text = (LOGS / "1.9.4-bias-dark-flat.log").read_text(encoding="utf-8")

    assert parse_bytes(encoded(text)) == parse(text)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, 0.95])
def test_cut_log(part: float) -> None:
    """A log that breaks off tells as much as is there: what it tells of the first job is the same."""
    text = (LOGS / "1.9.4-bias-dark-flat.log").read_text(encoding="utf-8")
    whole, cut = parse(text), parse(text[: text.index("\n", int(len(text) * part))])

    assert cut.version == "1.9.4"
    assert cut.errors == whole.errors[: len(cut.errors)]
    if part >= 0.8:
        assert cut.of("dark-1a2b3c4d") == whole.of("dark-1a2b3c4d")


def test_screen_marks() -> None:
    """Colours, mark-up and progress leave what a reader would have seen."""
    text = (
        "\x1b[32m<end><cbr>Note\x1b[39m\n"
        "Integrating pixel rows:     0 ->  2047:   0%\b\b\b\b 12%\b\b\b\bdone\n"
        "[2026-01-29 12:34:56] <raw>/a/b.fits</raw>\n"
        "\b\b\bx"
    )

    assert [tuple(line) for line in lines(text)] == [
        ("Note", None),
        ("Integrating pixel rows:     0 ->  2047: done", None),
        ("/a/b.fits", "2026-01-29 12:34:56"),
        ("x", None),
    ]


def test_multichannel() -> None:
    """Each channel has its own block of counts."""
    row = "{} :  3   1.000% (  1 +  2 =   0.5% +   0.5%)"
    rows = [row.format(name) for name in ("    1", "    2", "Total", "    1", "    2", "Total")]
    (block,) = parse("Integration of 2 images:\n" + "\n".join(rows)).blocks

    assert [count.channel for count in block.frames] == [0, 0, 1, 1]
    assert [count.channel for count in block.totals] == [0, 1]


_LINES = st.sampled_from((LOGS / "1.9.4-bias-dark-flat.log").read_text(encoding="utf-8").splitlines()) | st.text()


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    """Whatever is in a file, reading it as a log does not fail."""
    assert isinstance(parse_bytes(data), LogFacts)
    assert isinstance(decode(data), str)


@given(st.lists(_LINES, max_size=40).map("\n".join))
def test_any_order_of_lines(text: str) -> None:
    """Known lines in any order, mixed with anything, do not fail either."""
    assert isinstance(parse(text), LogFacts)


@given(
    st.from_regex(
        r"(\d{1,40} :|Total :) +\d{1,40} +[\d.]{1,40}% \( *\d{1,40} \+ *\d{1,40} = *[\d.]{1,9}% \+ *[\d.]{1,9}%\)"
    )
)
def test_absurd_numbers(row: str) -> None:
    """Counts beyond all reason do not stop the reading."""
    assert isinstance(parse(row), LogFacts)


def test_each_job_has_its_own_excerpt() -> None:
    """The end of a log is of no use to the first of twenty jobs: each has its own lines and errors."""
    facts = parse(
        "ap-masters: job 1 of 2 begins: a (a dark)\n*** Error: /a.fits: Incompatible image geometry.\n<* failed *>\n"
        "ap-masters: job 1 of 2 failed: a\nap-masters: job 2 of 2 begins: b (a bias)\n0.010 s\n"
        "*** PCL Win32 System Exception: At address 0\nap-masters: job 2 of 2 succeeded: /b.xisf\nthe end\n"
    )

    assert facts.excerpt("a").lines[-1] == "ap-masters: job 1 of 2 failed: a"
    assert facts.excerpt("a").errors == ("/a.fits: Incompatible image geometry.",)
    assert facts.excerpt("b").lines[0] == "ap-masters: job 2 of 2 begins: b (a bias)"
    assert facts.excerpt("b").errors == ("At address 0",)
    assert facts.excerpt("never begun").lines == facts.tail
