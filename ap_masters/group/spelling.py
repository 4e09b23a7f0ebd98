"""Names that differ only in spelling split groups; whether they mean the same thing only the user knows."""

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from ap_masters.model import GroupKey

_NAMES: Final = (
    ("camera", "cameras"),
    ("telescope", "telescopes"),
    ("filter", "filters"),
    ("readout_mode", "readout modes"),
)


def spelling_warnings(keys: Collection[GroupKey]) -> list[str]:
    """Return a warning for each name that is spelt in several ways: capitals, blanks and signs aside, the same.

    Of keys, not of frames: the filter that a program writes on darks keeps none of them apart.
    """
    warnings = []
    for field, plural in _NAMES:
        spellings: dict[str, list[str]] = defaultdict(list)
        for name in sorted({name for key in keys if (name := getattr(key, field)) is not None}):
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
