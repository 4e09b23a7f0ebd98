"""The time of a run in the names of what it writes: ``20260129_123456``, with a number where that is taken."""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Final

PATTERN: Final = r"\d{8}_\d{6}(?:_\d+)?"
_BEHIND: Final = re.compile(rf"_{PATTERN}$")


def stamp(moment: datetime) -> str:
    """Return the stamp of a moment, to the second."""
    return f"{moment:%Y%m%d_%H%M%S}"


def stamps(moment: datetime) -> Iterator[str]:
    """Yield the stamp of a moment, then the same with 2, 3 and so on behind it, without end."""
    yield stamp(moment)
    yield from (f"{stamp(moment)}_{number}" for number in count(2))


def without_stamp(stem: str) -> str:
    """Return a name without the stamp that stands behind it."""
    return _BEHIND.sub("", stem)
