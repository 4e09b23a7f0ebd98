"""How much and how many there are of something, in words."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

Word = TypeVar("Word", bound=str)


def number(count: int, of: str) -> str:
    """Return how many there are of something: ``1 master``, ``2 masters``."""
    return f"{count} {of}" if count == 1 else f"{count} {of}s"


def numbers(counts: Mapping[Word, int]) -> str:
    """Return how many there are of each, in words that are the same of one and of many: ``3 built, 1 failed``."""
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def degrees(celsius: float, unit: str = " °C") -> str:
    """Return a temperature to hundredths of a degree, as names have it too: ``-10 °C``, ``12.01 °C``."""
    return f"{round(celsius, 2) or 0.0:g}{unit}"  # no -0


def percent(value: float, *, signed: bool = False) -> str:
    """Return per cents in three digits and without powers of ten: ``0.0123 %``, ``100 %``, ``+1230 %``."""
    rounded = Decimal(f"{value:.3g}")
    return f"{rounded:+f} %" if signed else f"{rounded:f} %"
