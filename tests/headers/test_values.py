"""Header values: numbers, texts and times as capture programs spell them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ap_masters.headers.values import Raw, julian, local_moment, longitude, moment, number, pair, seconds, text, whole

ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(300, 300.0, id="int"),
        pytest.param(2.0, 2.0, id="float"),
        pytest.param("120.00  ", 120.0, id="quoted by WBPP"),
        pytest.param("'90'", 90.0, id="quotes kept in XISF"),
        pytest.param(" 9,78E-03", 0.00978, id="decimal comma of Astro Pixel Processor"),
        pytest.param("1.0D-3", 0.001, id="FORTRAN exponent"),
        pytest.param("+1.0E+001", 10.0, id="SBIG"),
        pytest.param("Low Gain", None, id="QSI's ISOSPEED"),
        pytest.param("1_000", None, id="underscore"),
        pytest.param("1,000.5", None, id="both signs"),
        pytest.param("nan", None, id="nan as text"),
        pytest.param(float("inf"), None, id="infinity"),
        pytest.param(10**400, None, id="beyond floats"),
        pytest.param(True, None, id="truth value"),
        pytest.param("", None, id="empty"),
    ],
)
def test_numbers_are_read_as_numbers(value: Raw, expected: float | None) -> None:
    """A number counts however it is spelt; whatever is no number is unknown, never 0."""
    assert number(value) == expected


@given(ANYTHING)
@settings(deadline=None)
def test_no_value_raises(value: Raw) -> None:
    """Whatever stands in a header, reading it raises nothing."""
    for read in (number, seconds, text, whole, pair, moment, local_moment, julian, longitude):
        read(value)


@given(st.text())
@settings(deadline=None)
def test_text_is_one_printable_line(value: str) -> None:
    """Text from a header is harmless for a terminal and stays as it is when read again."""
    line = text(value)

    assert line is None or line.isprintable()
    assert text(line) == line


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2*2     ", (2, 2)), ("1x1", (1, 1)), ("1 2", (1, 2)), (1, (1, 1)), (2.0, (2, 2)), ("0x1", None), ("x", None)],
)
def test_binning_in_one_keyword(value: Raw, expected: tuple[int, int] | None) -> None:
    """Binning in one keyword is two factors or one for both axes."""
    assert pair(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("300 s", 300.0),
        ("300s", 300.0),
        ("300 sec", 300.0),
        ("'0,5 Seconds'", 0.5),
        ("5 min", 300.0),
        ("1.5minutes", 90.0),
        ("20 ms", 0.02),
        ("32 us", 3.2e-5),
        ("1/250", 0.004),
        ("1 / 250", 0.004),
        ("1e-3 s", 0.001),
        ("2.5sec.", 2.5),
        ("1/250 s", 0.004),
        ("1/0", None),
        ("300", None),
        (300, None),
        ("5 apples", None),
        ("s", None),
        ("00:05:00", None),
    ],
)
def test_times_that_name_their_unit(value: Raw, expected: float | None) -> None:
    """A unit, or the fraction of a second that a camera shows, is understood; a bare number is left to others."""
    assert seconds(value) == (expected if expected is None else pytest.approx(expected))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("value", "clock", "expected"),
    [
        pytest.param("2026-01-29T23:10:00", None, utc(2026, 1, 29, 23, 10), id="no fraction"),
        pytest.param("2020-05-30T00:22:49.0968820", None, utc(2020, 5, 30, 0, 22, 49, 96882), id="7 decimals"),
        pytest.param("2026-01-29T23:10:00Z", None, utc(2026, 1, 29, 23, 10), id="Z"),
        pytest.param("2026-01-29T23:10:00+02:00", None, utc(2026, 1, 29, 21, 10), id="zone"),
        pytest.param("2013-01-28", "20:15:30.5", utc(2013, 1, 28, 20, 15, 30, 500000), id="date and clock"),
        pytest.param("04/07/18", "20:15:30", utc(2018, 7, 4, 20, 15, 30), id="old date, this century"),
        pytest.param("25/12/98", None, utc(1998, 12, 25), id="old date, last century"),
        pytest.param("25/12/1998", None, utc(1998, 12, 25), id="old date, whole year"),
        pytest.param("2003-04-05", " 1:23:45", utc(2003, 4, 5, 1, 23, 45), id="clock without its nought"),
        pytest.param("2003-04-05", "01:23:45 UT", utc(2003, 4, 5, 1, 23, 45), id="clock that names its zone"),
        pytest.param("2003-04-05", "2003-04-05T01:23:45", utc(2003, 4, 5, 1, 23, 45), id="clock with a date"),
        pytest.param("2003-04-05", "01:23:60", utc(2003, 4, 5, 1, 24), id="leap second"),
        pytest.param("2003-04-05", "25:61:00", utc(2003, 4, 5), id="clock that cannot be"),
        pytest.param("2003-04-05T1:02:03.5", None, utc(2003, 4, 5, 1, 2, 3, 500000), id="hour without its nought"),
        pytest.param("2003-04-05T01:02:03.", None, utc(2003, 4, 5, 1, 2, 3), id="point without decimals"),
        pytest.param("2003/4/5", None, utc(2003, 4, 5), id="slashes"),
        pytest.param("2003-04-05T1:02:03+02:00", None, utc(2003, 4, 4, 23, 2, 3), id="no nought, but a zone"),
        pytest.param("2003-02-30T1:02:03", None, None, id="a day that cannot be"),
        pytest.param("2003-04-05 9:23:45 PM", None, None, id="half a day"),
        pytest.param("2003-04-05T21:02:03 EST", None, None, id="an unknown zone"),
        pytest.param("2003-04-05T21-02-03", None, None, id="another notation"),
        pytest.param("2003-04-05T24:00:00", None, None, id="hour 24"),
        pytest.param("0001-01-01T00:00:00", None, None, id="year 1 of .NET"),
        pytest.param("9999-12-31T23:59:59-12:00", None, None, id="end of time"),
        pytest.param("2026-13-01", None, None, id="month 13"),
        pytest.param("32/13/18", None, None, id="old date, impossible"),
        pytest.param("yesterday", None, None, id="words"),
        pytest.param(2460000.5, None, None, id="number"),
    ],
)
def test_start_times(value: Raw, clock: Raw, expected: datetime | None) -> None:
    """Every spelling of DATE-OBS seen in real headers is understood, as UTC; what cannot be is unknown."""
    assert moment(value, [clock]) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5/18/2020 01:53:24.469 AM STD", datetime(2020, 5, 18, 1, 53, 24, 469000)),
        ("5/18/2020 12:00:01 AM", datetime(2020, 5, 18, 0, 0, 1)),
        ("10/20/2013 06:48:19.000 PM DST", datetime(2013, 10, 20, 18, 48, 19)),
        ("2026-01-30T00:10:00.1234567", datetime(2026, 1, 30, 0, 10, 0, 123456)),
        ("13/40/2013 06:48:19 PM", None),
    ],
)
def test_local_times(value: str, expected: datetime | None) -> None:
    """Local time is ISO 8601, or TheSkyX's American form."""
    assert local_moment(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-120.5, -120.5),
        (239.5, -120.5),
        ("-120.5", -120.5),
        ("-71 03 30", -71.0583),
        ("+008:30:00.0", 8.5),
        ("0 0 0.000", 0),
        (361, None),
        ("somewhere", None),
    ],
)
def test_longitudes(value: Raw, expected: float | None) -> None:
    """East of Greenwich, as numbers or in degrees, minutes and seconds; INDI counts to 360."""
    assert longitude(value) == (expected if expected is None else pytest.approx(expected, abs=1e-4))


def test_julian_dates() -> None:
    """Siril gives the span of a stack in Julian dates; numbers that are no such date are unknown."""
    assert julian(2460920.25) == utc(2025, 9, 1, 18)
    assert julian(1e300) is None
    assert julian(-1) is None
