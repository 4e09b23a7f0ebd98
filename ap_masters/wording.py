"""How many there are of something, in words."""

from collections.abc import Mapping
from typing import TypeVar

Word = TypeVar("Word", bound=str)


def number(count: int, of: str) -> str:
    """Return how many there are of something: ``1 master``, ``2 masters``."""
    return f"{count} {of}" if count == 1 else f"{count} {of}s"


def numbers(counts: Mapping[Word, int]) -> str:
    """Return how many there are of each, in words that are the same of one and of many: ``3 built, 1 failed``."""
    return ", ".join(f"{count} {what}" for what, count in counts.items())
