"""Names that differ only in spelling split groups; whether they mean the same thing only the user knows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from ap_masters.model import Frame

_NAMES: Final = (
    ("camera", "cameras"),
    ("telescope", "telescopes"),
    ("filter", "filters"),
    ("readout_mode", "readout modes"),
)


def spelling_warnings(frames: Sequence[Frame]) -> list[str]:
    """Return a warning for each name that is spelt in several ways: capitals, blanks and signs aside, the same."""
    warnings = []
    for field, plural in _NAMES:
        spellings: dict[str, list[str]] = defaultdict(list)
        for name in sorted({name for frame in frames if (name := getattr(frame, field)) is not None}):
            spellings[_bare(name)].append(name)
        warnings += [
            f"{plural} spelt in {len(names)} ways are kept apart: {', '.join(map(repr, names))}"
            for names in spellings.values()
            if len(names) > 1
        ]
    return warnings


def _bare(name: str) -> str:
    """Return a name without capitals, signs and the word that INDI has in it: ``ZWO CCD ASI2600MM Pro``."""
    words = (word for word in name.casefold().split() if word != "ccd")
    return "".join(character for word in words for character in word if character.isalnum())
