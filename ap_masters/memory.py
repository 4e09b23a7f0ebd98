"""How much memory integration may take: what the user said, or half of what is free."""

import re
from typing import Final

_UNITS: Final = {"": 1 << 20, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)
_LEAST_BARE: Final = 256  # nobody has so many GB to spare, and nobody works with fewer MB
_SMALLEST: Final = 16 << 20  # a band of rows of a large stack, and room to work in


def parse(text: str) -> int:
    """Return the bytes that ``text`` means: "2G", "800M", "1.5 GiB"; a bare number from 256 on is MiB.

    Units are powers of 1024. Raises ValueError, in words for a user, when it is no size, one below 16 MiB, or a smaller
    bare number: that may be GB, as PULSAR's users mean it (S3-03).
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not an amount of memory; write it as 2G or 800M")
    if not match[2] and float(match[1]) < _LEAST_BARE:
        raise ValueError(f"'{text}' has no unit: write {match[1]}G for gigabytes, or {match[1]}M for megabytes")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < _SMALLEST:
        raise ValueError(f"'{text}' is too little memory; the least is {_SMALLEST >> 20}M")
    return size


def budget(text: str | None) -> int:
    """Return the bytes that integration may take: ``text`` if it is given, else half of what is free now."""
    if text is not None:
        return parse(text)
    import psutil  # slow to import, and needed only here

    return max(int(psutil.virtual_memory().available) // 2, _SMALLEST)
