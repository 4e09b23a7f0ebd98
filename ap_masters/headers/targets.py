"""Names of targets with the word 'dark' in them: the Dark Shark, the Dark Tower and the Dark Wolf are no darks."""

from itertools import pairwise
from typing import Final

from ap_masters.headers.frame_types import words

# Those that are photographed under such a name, and what dark nebulae are called. Whatever else follows the word tells
# of a dark frame: how it was taken, with what, and when.
_NOUNS: Final = frozenset(
    words(
        "shark tower wolf doodad horse seahorse river rift cloud clouds nebula nebulae neb nebulosity globule globules "
        "lane lanes dust pillar pillars molecular matter side knight angel hand spider bird butterfly"
    )
)


def may_be_a_target(name: str) -> bool:
    """Return whether 'dark' in a name may be an adjective: in the singular, before the noun of a target."""
    return any(word == "dark" and noun in _NOUNS for word, noun in pairwise(words(name)))
