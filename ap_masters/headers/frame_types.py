"""Frame types in words: the spellings of IMAGETYP, and the words in file and folder names."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ap_masters.model import FrameType


class TypeText(NamedTuple):
    """What a spelling of the frame type means: ``type`` is None for words that are none of ours (BADPIXELMAP)."""

    type: FrameType | None
    master: bool


# Spellings, as they stand once capitals, blanks, dashes, 'MASTER' and 'FRAME' are out of the way (`_reduce`).
_SPELLINGS: Final = {
    FrameType.BIAS: ("BIAS", "BIASES", "ZERO", "OFFSET"),
    FrameType.DARK: ("DARK", "DARKS"),
    FrameType.DARK_FLAT: ("DARKFLAT", "FLATDARK", "DARKFLATS", "FLATDARKS"),
    FrameType.FLAT: ("FLAT", "FLATS", "SKYFLAT", "SFLAT", "TWIFLAT", "TWILIGHTFLAT", "DOMEFLAT", "DFLAT", "LAMPFLAT"),
    FrameType.LIGHT: (
        *("LIGHT", "LIGHTS", "SNAPSHOT", "SCIENCE", "OBJECT", "OBJ", "TARGET", "EXPOSE", "TRICOLOR", "STACK"),
    ),
}
_TYPE_OF: Final = {spelling: kind for kind, spellings in _SPELLINGS.items() for spelling in spellings}

_WORDS: Final = {
    "bias": FrameType.BIAS,
    "biases": FrameType.BIAS,
    "superbias": FrameType.BIAS,
    "zeros": FrameType.BIAS,
    "offsets": FrameType.BIAS,
    "dark": FrameType.DARK,
    "darks": FrameType.DARK,
    "darkflat": FrameType.DARK_FLAT,
    "darkflats": FrameType.DARK_FLAT,
    "flatdark": FrameType.DARK_FLAT,
    "flatdarks": FrameType.DARK_FLAT,
    "flat": FrameType.FLAT,
    "flats": FrameType.FLAT,
    "flatfield": FrameType.FLAT,
    "flatfields": FrameType.FLAT,
    "skyflat": FrameType.FLAT,
    "skyflats": FrameType.FLAT,
    "light": FrameType.LIGHT,
    "lights": FrameType.LIGHT,
}
# Two words that mean what neither does alone; DeepSkyStacker's bias is MasterOffset.
_PAIRS: Final[dict[tuple[str, ...], FrameType]] = {
    ("dark", "flat"): FrameType.DARK_FLAT,
    ("dark", "flats"): FrameType.DARK_FLAT,
    ("flat", "dark"): FrameType.DARK_FLAT,
    ("flat", "darks"): FrameType.DARK_FLAT,
    ("master", "offset"): FrameType.BIAS,
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# 'masterdark' and 'darkmaster' are two words; 'chessmaster' is one.
_JOINED = re.compile(rf"(master)?({'|'.join(_WORDS)}|offset)(master)?")


def read_type(spelling: str) -> TypeText:
    """Return what a value of IMAGETYP or one of its stand-ins means.

    Dark flats are told from darks and flats because whole words are looked up, never parts of words.
    """
    reduced = re.sub(r"[\s_()-]+", "", spelling).upper()
    master = reduced.startswith(("MASTER", "SUPER")) or reduced.endswith("MASTER")
    reduced = re.sub(r"^(MASTER|SUPER)+|MASTER$", "", reduced)
    reduced = re.sub(r"(FRAMES?|FIELDS?|IMAGES?)$", "", reduced)
    return TypeText(_TYPE_OF.get(reduced), master)


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case.

    Split at anything but letters, where capitals begin, and between 'master' and a type.
    """
    return tuple(part for word in _WORD.findall(name) for part in _parts(word.lower()))


def _parts(word: str) -> Iterable[str]:
    joined = _JOINED.fullmatch(word)
    return (part for part in joined.groups() if part) if joined else (word,)


def type_in_words(name: Iterable[str]) -> FrameType | None:
    """Return the one frame type the words speak of; None when they speak of none or of several."""
    found: set[FrameType] = set()
    sequence = list(name)
    position = 0
    while position < len(sequence):
        both = _PAIRS.get(tuple(sequence[position : position + 2]))
        if both is not None:
            found.add(both)
            position += 2
            continue
        kind = _WORDS.get(sequence[position])
        if kind is not None:
            found.add(kind)
        position += 1
    return found.pop() if len(found) == 1 else None


def is_type_word(value: str) -> bool:
    """Return whether a filter name is really a wheel slot for another frame type, as 'Dark'."""
    return value.lower() in _WORDS
