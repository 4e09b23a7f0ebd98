"""FITS header cards, 80 columns each, read into keywords."""

import re
from functools import lru_cache

from ap_masters.model import COMMENTARY, Keyword

CARD = 80
BLOCK = 2880

# Keywords that describe how one file stores its pixels. They are never carried from one header to another.
STRUCTURAL = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BZERO|BSCALE|BLANK|CHECKSUM|DATASUM|INHERIT|LONGSTRN"
    r"|CONTINUE|END|TFIELDS|THEAP|T(?:TYPE|FORM|DIM|NULL|SCAL|ZERO|UNIT|DISP)\d+"
    r"|Z(?:IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|QUANTIZ|DITHER0|SIMPLE|TENSION|EXTEND|PCOUNT|GCOUNT"
    r"|HECKSUM|DATASUM|BLANK|BLOCKED|MASKCMP)"
)

_STRING = r"'((?:[^']|'')*)'"
_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?)"
_COMMENT = r" *(?:/ *(.*))?$"
_VALUE = rf" *(?:{_STRING}|{_NUMBER}|([TF]))?(?=[ /]|$){_COMMENT}"  # groups: string, number, logical, comment
_STANDARD = re.compile(rf"(?=.{{8}}= )(?!COMMENT |HISTORY )([A-Z0-9_-]+) *={_VALUE}", re.ASCII)
_HIERARCH = re.compile(r"HIERARCH +([^=]+?) *=(.*)")

# One part of a long string. Astropy tears doubled quotes apart between two cards, so half of one may stand at
# either end.
_PART = rf"'('??(?:[^']|'')*'?&? *)'(?=[ /]|$){_COMMENT}"  # groups: part, comment
_LONG = re.compile(rf"(?:HIERARCH +)?([^=]+?) *= *{_PART}")
_CONTINUE = re.compile(rf"CONTINUE *(?:{_PART})?")

# Cards that bend the standard: '=' off its column, small letters or dots in the name, blanks inside a number.
_BENT = re.compile(r"([A-Za-z0-9_.-]{1,8}) *=(.*)")
_BENT_VALUE = re.compile(_VALUE, re.ASCII)
_BENT_NUMBER = re.compile(rf" *([+-]? *(?:\d+\.?\d*|\.\d+) *(?:[EDed] *[+-]? *\d+)?) *{_COMMENT}", re.ASCII)


def parse_cards(header: bytes) -> tuple[Keyword, ...]:
    """Return the keywords of ``header``: whole cards, without the END card; blank cards are left out.

    Values are those astropy gives, except where astropy departs from the FITS standard 4.0 (a quote and slash
    inside a string, ``'6'' / f8'``, do not end it) or reads more than stands there (``'Ha: 7'`` is a string, not a
    "record-valued" number). A value of no FITS type (``NaN``, a date without quotes, a complex number) is the text
    as it stands. Text outside ASCII is taken for UTF-8, else for Latin-1. No card is refused.
    """
    text = header.decode("latin-1").replace("\0", " ")  # some writers fill cards with zero bytes
    keywords: list[Keyword] = []
    at = 0
    while at < len(text):
        card = text[at : at + CARD]
        at += CARD
        if text.startswith("CONTINUE", at) and (long := _long_string(card, text, at)):
            keyword, at = long
        elif (single := _single(card)) is not None:
            keyword = single
        else:
            continue
        keywords.append(keyword)
    return tuple(keywords) if header.isascii() else tuple(_decoded(keyword) for keyword in keywords)


@lru_cache(maxsize=4096)  # the frames of a night share nearly all their cards
def _single(card: str) -> Keyword | None:
    """Read one card; None for a blank one."""
    match = _STANDARD.match(card)
    return _keyword(*match.groups()) if match else _unusual(card)


def _keyword(name: str, string: str | None, number: str | None, logical: str | None, comment: str | None) -> Keyword:
    value: str | int | float | bool | None = None
    if string is not None:
        value = string.replace("''", "'").rstrip(" ")
    elif number is not None:
        value = _number(number)
    elif logical is not None:
        value = logical == "T"
    return Keyword(name, value, comment.rstrip() if comment else "")


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text.upper().replace("D", "E"))


def _unusual(card: str) -> Keyword | None:
    """Read a card that is not ``NAME = value / comment`` by the letter of the standard; None for a blank one."""
    name = card[:8].rstrip().upper()
    if name in COMMENTARY:
        text = card[8:].rstrip()
        return Keyword(name, None, text) if name or text else None
    if match := _HIERARCH.match(card):
        return _bent(match[1], match[2])
    if match := _BENT.match(card):
        return _bent(match[1].upper(), match[2])
    return Keyword(name, None, card[8:].rstrip())


def _bent(name: str, field: str) -> Keyword:
    """Make the best of a value field: a proper value, a number with blanks in it, or the text up to the slash."""
    if match := _BENT_VALUE.match(field):
        return _keyword(name, *match.groups())
    if match := _BENT_NUMBER.match(field):
        return _keyword(name, None, match[1].replace(" ", ""), None, match[2])
    value, _, comment = field.partition("/")
    return Keyword(name, value.strip().strip("'").rstrip(), comment.strip())


def _long_string(card: str, text: str, at: int) -> tuple[Keyword, int] | None:
    """Join ``card`` with the CONTINUE cards at ``at``, where its string ends in ``&``; return the position after.

    FITS standard 4.0, section 4.2.1.2.
    """
    match = _LONG.match(card)
    if match is None:
        return None
    name = match[1]
    parts = [match[2].rstrip(" ")]
    comments = [(match[3] or "").rstrip()]
    while parts[-1].endswith("&") and (match := _CONTINUE.match(text[at : at + CARD])):
        parts[-1] = parts[-1][:-1]
        parts.append((match[1] or "").rstrip(" "))
        comments.append((match[2] or "").rstrip())
        at += CARD
    if len(parts) == 1:
        return None
    value = "".join(parts).replace("''", "'").rstrip(" ")
    return Keyword(name, value, " ".join(filter(None, comments))), at


def _decoded(keyword: Keyword) -> Keyword:
    value = keyword.value
    return Keyword(keyword.name, _text(value) if isinstance(value, str) else value, _text(keyword.comment))


def _text(latin: str) -> str:
    """Return text that was decoded as Latin-1 as what it more likely is: UTF-8, where it can be."""
    try:
        return latin.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return latin
