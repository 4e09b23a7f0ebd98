"""Keywords written as FITS header cards, and the checksums of the FITS standard."""

import math
import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from ap_masters.images.fits_cards import CARD
from ap_masters.model import COMMENTARY, Keyword
from ap_masters.safe import ascii_text

_TEXT: Final = CARD - 8  # columns of a commentary card's text
_LEGAL_NAME: Final = re.compile(r"[A-Z0-9_-]{1,8}")


def cards(keyword: Keyword) -> Iterator[str]:
    """Yield the card or cards of one keyword, 80 characters each.

    Long strings go on in CONTINUE cards, long commentary in further cards; a comment that does not fit is cut.
    Text becomes printable ASCII, which is all a FITS header may hold. A number that is not finite has no FITS
    notation, so its value stays undefined.
    """
    name = ascii_text(keyword.name).strip().upper()
    if name in COMMENTARY:
        yield from _commentary(name, commentary_text(keyword))
        return
    head = f"{name:8}= " if _LEGAL_NAME.fullmatch(name) else f"HIERARCH {name.replace('=', '-')[:40]} = "
    comment = ascii_text(keyword.comment)
    if isinstance(keyword.value, str):
        yield from _string(head, ascii_text(keyword.value), comment)
    else:
        yield _card(f"{head}{_number(keyword.value):>20}", comment)


def commentary_text(keyword: Keyword) -> str:
    """Return the text of a COMMENT or HISTORY card, which some programs put into the value."""
    return keyword.comment or (keyword.value if isinstance(keyword.value, str) else "")


def _commentary(name: str, text: str) -> Iterator[str]:
    for line in text.splitlines() or [""]:
        plain = ascii_text(line)
        for at in range(0, max(len(plain), 1), _TEXT):
            yield f"{name:8}{plain[at : at + _TEXT]}".ljust(CARD)


def _card(start: str, comment: str) -> str:
    return (f"{start} / {comment}" if comment else start)[:CARD].rstrip().ljust(CARD)


def _number(value: bool | int | float | None) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    if value is None or not math.isfinite(value):
        return ""
    text = repr(float(value)).upper()
    return text if "." in text else text.replace("E", ".0E")  # some readers take 1E-05 for an integer


def _string(head: str, text: str, comment: str) -> Iterator[str]:
    """Write a string value: quotes doubled, eight characters at least (FITS standard 4.0, section 4.2.1)."""
    rest = text.replace("'", "''")
    while len(rest) > (room := CARD - len(head) - 2):
        piece = rest[: room - 1]
        if (len(piece) - len(piece.rstrip("'"))) % 2:
            piece = piece[:-1]  # a doubled quote is not torn apart
        yield f"{head}'{piece}&'".ljust(CARD)
        rest = rest[len(piece) :]
        head = "CONTINUE  "
    yield _card(f"{head}'{rest:8}'".ljust(30), comment)


# --- checksums --------------------------------------------------------------------------------------------


def ones_complement_sum(data: memoryview | bytes, position: int = 0) -> int:
    """Return the 32-bit ones' complement sum of ``data``, which stands ``position`` bytes into a FITS data unit.

    FITS standard 4.0, appendix J. Such a sum does not depend on the order of its words, and moving the data by a byte
    turns it by eight bits (RFC 1071, section 2): so the pieces of a file may be summed one by one, wherever they lie.
    """
    whole = len(data) // 4 * 4
    total = int(np.frombuffer(data, ">u4", whole // 4).sum(dtype=np.uint64)) if whole else 0
    total = fold(total + int.from_bytes(bytes(data[whole:]).ljust(4, b"\0"), "big"))
    turn = 8 * (position % 4)
    return (total >> turn | total << (32 - turn)) & 0xFFFFFFFF if turn else total


def fold(total: int) -> int:
    """Bring a sum of 32-bit words back to 32 bits by adding the carries at the other end."""
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def encode_checksum(total: int) -> str:
    """Return the 16 characters of a CHECKSUM card that bring an HDU of sum ``total`` to all ones.

    FITS standard 4.0, appendix J.2: each byte of the complement is spread over four characters from '0' on; pairs of
    characters are moved apart until no punctuation is left; all is turned by one place, as the card's value begins
    at column 12.
    """
    columns = [_spread(byte) for byte in (0xFFFFFFFF - total).to_bytes(4, "big")]
    text = "".join(chr(column[row]) for row in range(4) for column in columns)
    return text[-1] + text[:-1]


_PUNCTUATION: Final = frozenset(b":;<=>?@[\\]^_`")


def _spread(byte: int) -> list[int]:
    quotient, remainder = divmod(byte, 4)
    codes = [quotient + ord("0")] * 4
    codes[0] += remainder
    while any(code in _PUNCTUATION for code in codes):
        for at in (0, 2):
            if codes[at] in _PUNCTUATION or codes[at + 1] in _PUNCTUATION:
                codes[at] += 1
                codes[at + 1] -= 1
    return codes
