"""How a header's texts are made fit for names, one rule for each family of layouts, and how they are known again."""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from ap_masters import safe

_LONGEST_TEXT = 32


class TextRule(NamedTuple):
    """How a layout makes a header's text fit for a name, and the characters that come of it."""

    clean: Callable[[str], str]
    regex: str


def _distinct(cleaned: str, original: str) -> str:
    """Cut what is too long, and tell apart texts that lost letters, by a piece of their SHA-256."""
    lost = any(c.isalnum() and not c.isascii() for c in unicodedata.normalize("NFKD", original.translate(safe.GREEK)))
    if not lost and len(cleaned) <= _LONGEST_TEXT:
        return cleaned
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{cleaned[: _LONGEST_TEXT - 7]}-{digest}"


def _plain(text: str) -> str:
    """Return ``text`` without the ``_`` that separates values."""
    named = safe.path_component(text.translate(safe.GREEK).replace("_", "-"))
    return _distinct(named.replace("_", "-"), text)


# WBPP takes the frame type from the last of these words that stands alone anywhere in a path
# (WeightedBatchPreprocessing 1.x, findKeywords), so a filter called "Dark" would make a dark of a flat.
_TYPE_WORD = re.compile(r"(?<![A-Za-z0-9])(bias|darks?|flats?|lights?)(?![A-Za-z0-9])", re.IGNORECASE)


def _without_type_words(text: str) -> str:
    return _TYPE_WORD.sub(r"x\1", _plain(text))


def _anawbpps(text: str) -> str:
    """Replace every character outside letters, digits, ``_`` and ``-`` by ``_``: no collapsing, no trimming."""
    return _distinct(re.sub(r"[^A-Za-z0-9_-]", "_", text.translate(safe.GREEK)), text)


def _siril(text: str) -> str:
    """Do as Siril's ``%s``: spaces at the ends go, others and forbidden characters become ``_``."""
    return _distinct(re.sub(r"[^A-Za-z0-9.+-]", "_", text.translate(safe.GREEK).strip()), text)


PLAIN = TextRule(_plain, r"[A-Za-z0-9.+-]+")
WBPP = TextRule(_without_type_words, r"[A-Za-z0-9.+-]+")
ANAWBPPS = TextRule(_anawbpps, r"[A-Za-z0-9_-]+")
SIRIL = TextRule(_siril, r"[A-Za-z0-9._+-]+")


def stands_for(named: str, text: str) -> bool:
    """Say whether ``named``, out of a name, is a header's ``text``: as people write it, or as a layout of ours does."""
    forms = (text, *(rule.clean(text) for rule in (PLAIN, WBPP, ANAWBPPS, SIRIL)))
    return _bare(named) in {_bare(form) for form in forms}


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
