"""Patterns of paths: one text that says how a path is written, and so also how it is read.

``{token}``      a value; where it is absent, its label (``NO_GAIN``)
``<GAIN{gain}>`` a value with what belongs to it; where it is absent, the label alone
``[_BIN{x}]``    a value with what belongs to it; where it is absent, nothing
"""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import PurePath, PurePosixPath
from typing import NamedTuple

from ap_masters.layouts.tokens import TOKENS, Fields, Naming, Token
from ap_masters.safe import LONGEST_COMPONENT
from ap_masters.texts import TextRule

_PIECE = re.compile(r"\[([^\]]*)\]|<([^>]*)>|(\{[^}]*\})|([^\[<{]+)")
_HOLE = re.compile(r"(.*)\{([^}]*)\}(.*)")


class Piece(NamedTuple):
    """A literal, or a value between two literals."""

    before: str
    token: str | None = None
    after: str = ""
    optional: bool = False

    def write(self, naming: Naming, rule: TextRule) -> str:
        """Return this piece of a name."""
        if self.token is None:
            return self.before
        token = TOKENS[self.token]
        value = token.spell(naming, rule)
        if value is None:
            return "" if self.optional else token.label
        return f"{self.before}{value}{self.after}"

    def regex(self, group: str, rule: TextRule) -> str:
        """Return what recognises this piece."""
        if self.token is None:
            return re.escape(self.before)
        token = TOKENS[self.token]
        value = f"{re.escape(self.before)}(?P<{group}>{token.regex or rule.regex}){re.escape(self.after)}"
        # The label first: where texts may contain "_" it would be taken for a text.
        return f"(?:{value})?" if self.optional else f"(?:{token.label}|{value})"


class Component(NamedTuple):
    """One folder or file name of a pattern."""

    pieces: tuple[Piece, ...]
    rule: TextRule

    def write(self, naming: Naming) -> str:
        """Return the name of ``naming``."""
        return fit("".join(piece.write(naming, self.rule) for piece in self.pieces))

    def read(self, name: str) -> Fields | None:
        """Return the values in ``name``, or None where it is not of this pattern."""
        found = re.fullmatch("".join(p.regex(f"g{i}", self.rule) for i, p in enumerate(self.pieces)), name)
        if found is None:
            return None
        fields: Fields = {}
        for i, piece in enumerate(self.pieces):
            if piece.token and (text := found[f"g{i}"]) is not None:
                fields |= TOKENS[piece.token].read(text)
        return fields


def fit(name: str) -> str:
    """Cut a name at 180 characters, with a piece of its SHA-256 in the place of the rest."""
    if len(name) <= LONGEST_COMPONENT:
        return name
    return f"{name[: LONGEST_COMPONENT - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@cache
def components(pattern: str, rule: TextRule) -> tuple[Component, ...]:
    """Return the folders and the file name of ``pattern``."""
    return tuple(Component(tuple(_pieces(part)), rule) for part in pattern.split("/"))


def _pieces(part: str) -> list[Piece]:
    pieces = []
    for optional, labelled, bare, literal in _PIECE.findall(part):
        if literal:
            pieces.append(Piece(literal))
            continue
        hole = _HOLE.fullmatch(optional or labelled or bare)
        assert hole, f"a pattern's part without a value: {part}"
        before, token, after = hole.groups()
        pieces.append(Piece(before, token, after, optional=bool(optional)))
    return pieces


def tokens(pattern: str) -> tuple[Token, ...]:
    """Return the values ``pattern`` names."""
    return tuple(TOKENS[name] for name in re.findall(r"\{([^}]*)\}", pattern))


def write(parts: Sequence[Component], naming: Naming) -> PurePosixPath:
    """Return the path of ``naming``, without a suffix."""
    return PurePosixPath(*(part.write(naming) for part in parts))


def read(parts: Sequence[Component], path: PurePath) -> Fields | None:
    """Return the values in the end of ``path`` (no suffix); None where a folder or the name contradicts.

    A path with fewer folders than the pattern is read as far as it goes. A value that stands twice in the
    path has to be the same both times.
    """
    fields: Fields = {}
    names = [part for part in path.parts if part != path.anchor]
    for part, name in zip(reversed(parts), reversed(names), strict=False):
        found = part.read(name)
        if found is None or any(fields.get(field, value) != value for field, value in found.items()):
            return None
        fields |= found
    return fields
