"""Header values as capture programs write them, turned into numbers, text and times; None where they say nothing."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ap_masters.safe import one_line

Raw = str | int | float | bool | None

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([ED][+-]?\d+)?")
_WITH_UNIT = re.compile(r"([\d.,]+(?:E[+-]?\d+)?(?: */ *[\d.,]+)?) *([a-zµμ]*)\.?", re.IGNORECASE)
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "microsecond", "microseconds"), 1e-6),
}
_OLD_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})")
_HOUR_24 = re.compile(r"[Tt ] *24")
_UNPADDED = re.compile(
    r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})"
    r"(?:[T ] *(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)? *(UTC?|Z|[+-]\d{1,2}:?\d{2})?)?",
    re.IGNORECASE,
)
_SEXAGESIMAL = re.compile(r"([+-]?)(\d{1,3})[ :](\d{1,2})(?:[ :](\d{1,2}(?:\.\d*)?))?")
_US_TIME = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) +(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d+))? *([AP]M)?(?: +(?:STD|DST))?")

# No frame of ours is older than digital cameras; .NET programs write the year 1 for "not set".
_EARLIEST_YEAR = 1970
_LATEST_YEAR = 2200
_UNIX_EPOCH_JD = 2440587.5
_LARGEST_WHOLE = 1_000_000_000


def number(value: Raw) -> float | None:
    """Return ``value`` as a finite number.

    Accepts what is found in real headers: quoted numbers (``'120.00'``, WBPP), a decimal comma (``' 9,78E-03'``,
    Astro Pixel Processor) and FORTRAN exponents (``1.0D-3``). Everything else is None, also NaN and truth values.
    """
    if isinstance(value, str):
        text = value.strip(" \t'\"").upper()
        if "," in text and "." not in text:
            text = text.replace(",", ".", 1)
        if not _NUMBER.fullmatch(text):
            return None
        value = float(text.replace("D", "E"))
    if value is None or isinstance(value, bool):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def seconds(value: Raw) -> float | None:
    """Return the seconds of a time that names its unit, ``'300 s'``, or is a fraction, ``'1/250'``; else None."""
    match = _WITH_UNIT.fullmatch(value.strip(" '\"")) if isinstance(value, str) else None
    if match is None:
        return None
    above, stroke, below = match[1].partition("/")
    amount, parts = number(above.strip()), number(below.strip()) if stroke else 1.0
    factor = _UNITS.get(match[2].lower()) if match[2] or not stroke else 1.0
    return amount / parts * factor if amount is not None and parts and factor else None


def text(value: Raw) -> str | None:
    """Return ``value`` as one printable line; None when it is empty. A number keeps its shortest spelling."""
    if isinstance(value, str):
        line = value.strip()
        return (line if line.isprintable() else one_line(line)) or None
    if value is None or isinstance(value, bool):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)


def whole(value: Raw) -> int | None:
    """Return ``value`` as a whole number from 1 to a thousand million; ``2.`` is 2, ``1.5`` and 0 are None."""
    result = number(value)
    return int(result) if result is not None and 1 <= result <= _LARGEST_WHOLE and result.is_integer() else None


def pair(value: Raw) -> tuple[int, int] | None:
    """Return two binning factors from ``'2*2'``, ``'1x1'``, ``'1 1'`` or a single number for both."""
    single = whole(value)
    if single is not None:
        return single, single
    match = re.fullmatch(r"([1-9]\d?)\s*[*xX, ]\s*([1-9]\d?)", value.strip(" '\"")) if isinstance(value, str) else None
    return (int(match[1]), int(match[2])) if match else None


def longitude(value: Raw) -> float | None:
    """Return degrees east of Greenwich, -180 to 180, from a number (``240.5``) or ``'-71 03 30'``; else None."""
    degrees = number(value)
    if degrees is None and isinstance(value, str) and (match := _SEXAGESIMAL.fullmatch(value.strip(" '\""))):
        size = float(match[2]) + float(match[3]) / 60 + float(match[4] or 0) / 3600
        degrees = -size if match[1] == "-" else size
    if degrees is None or not -180 <= degrees <= 360:
        return None
    return degrees - 360 if degrees > 180 else degrees


def moment(value: Raw, clocks: Sequence[Raw] = ()) -> datetime | None:
    """Return a time in UTC; a value without a zone is UTC. The first of ``clocks`` completes what is only a date.

    That is the first with a colon: others are hours as a number, or mean nothing. Understands ISO 8601 with any number
    of decimals (beyond six they are cut) and the old FITS ``dd/mm/yy``.
    """
    if not isinstance(value, str):
        return None
    stamp = _iso(value.strip(" '\""), clocks)
    if stamp is None:
        return None
    aware = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return aware.astimezone(UTC)


def local_moment(value: Raw) -> datetime | None:
    """Return a local time, without zone: ISO 8601, or TheSkyX's ``'5/18/2020 01:53:24.469 AM STD'``."""
    if not isinstance(value, str):
        return None
    match = _US_TIME.fullmatch(value.strip(" '\""))
    stamp = _us_time(match) if match else _iso(value.strip(" '\""), ())
    return stamp.replace(tzinfo=None) if stamp else None


def julian(value: Raw) -> datetime | None:
    """Return the UTC time of a Julian date, to the millisecond that a double can hold."""
    days = number(value)
    if days is None or not 0 <= days - _UNIX_EPOCH_JD < (_LATEST_YEAR - _EARLIEST_YEAR) * 365:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round((days - _UNIX_EPOCH_JD) * 86_400_000))


def _iso(value: str, clocks: Sequence[Raw]) -> datetime | None:
    """Return the time in ISO 8601 or in the old FITS form, within the years that make sense."""
    old = _OLD_DATE.fullmatch(value)
    if old:
        value = f"{_full_year(old[3])}-{int(old[2]):02d}-{int(old[1]):02d}"
    time = next((clock.strip() for clock in clocks if isinstance(clock, str) and ":" in clock), None)
    if "T" not in value and ":" not in value and time:
        return _stamp(f"{value}T{time}") or _stamp(time) or _stamp(value)  # a clock may hold a date of its own
    return _stamp(value)


def _stamp(value: str) -> datetime | None:
    if _HOUR_24.search(value):
        return None  # the midnight that follows, from Python 3.13 on; a mistake, before
    stamp: datetime | None
    try:
        stamp = datetime.fromisoformat(value)
    except ValueError:
        unpadded = _UNPADDED.fullmatch(value)
        stamp = _by_parts(unpadded) if unpadded else None
    # The margin of a year keeps every later shift by a zone or by half a day inside what datetime can hold.
    return stamp if stamp and _EARLIEST_YEAR <= stamp.year < _LATEST_YEAR else None


def _by_parts(match: re.Match[str]) -> datetime | None:
    """Return a time whose parts are not padded, or whose last second is a leap second, as observatories wrote them."""
    year, _, month, day, *clock, fraction, zone = match.groups()
    hours, minutes, seconds = (int(part or 0) for part in clock)
    if seconds > 60:
        return None
    time = f"{hours:02}:{minutes:02}:{min(seconds, 59):02}.{(fraction or '0')[:6]:0<6}"
    offset = zone if zone and zone[0] in "+-" else ""
    try:
        stamp = datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}T{time}{offset}")
    except ValueError:
        return None
    return stamp + timedelta(seconds=seconds // 60)


def _full_year(year: str) -> int:
    """Return the year of ``dd/mm/yy``, which FITS defined for the 1900s and programs went on using after them."""
    value = int(year)
    if len(year) == 4:
        return value
    return value + (1900 if value >= _EARLIEST_YEAR % 100 else 2000)


def _us_time(match: re.Match[str]) -> datetime | None:
    """Return the time of a month/day/year match on a 12 or 24 hour clock."""
    hour = int(match[4])
    if match[8]:
        hour = hour % 12 + (12 if match[8] == "PM" else 0)
    microsecond = int((match[7] or "0")[:6].ljust(6, "0"))
    try:
        stamp = datetime(int(match[3]), int(match[1]), int(match[2]), hour, int(match[5]), int(match[6]), microsecond)
    except ValueError:
        return None
    return stamp if _EARLIEST_YEAR <= stamp.year < _LATEST_YEAR else None
