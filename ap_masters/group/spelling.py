"""Names that differ only in spelling split groups; whether they mean the same thing only the user knows."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from ap_masters.model import Frame

_NAMES: Final = (
    ("camera", "cameras"),
    ("telescope", "telescopes"),
    ("filter", "filters"),
    ("readout_mode", "readout modes"),
)


def spelling_warnings(frames: Iterable[Frame]) -> list[str]:
    """Return a warning for each name that is spelt in several ways: capitals, blanks and signs aside, the same."""
    spellings: dict[tuple[str, str], set[str]] = defaultdict(set)
    for frame in frames:
        for field, plural in _NAMES:
            name = getattr(frame, field)
            if name is not None:
                plain = "".join(character for character in name.casefold() if character.isalnum())
                spellings[plural, plain].add(name)
    return [
        f"{plural} spelt in {len(names)} ways are kept apart: {', '.join(repr(name) for name in sorted(names))}"
        for (plural, _), names in sorted(spellings.items())
        if len(names) > 1
    ]
