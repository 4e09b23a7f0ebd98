r"""The user's own layout: a path in jinja2 (``{{ camera }}/...``) or with N.I.N.A.'s tokens (``$$CAMERA$$\...``)."""

import difflib
import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from pathlib import PurePath, PurePosixPath

from ap_masters import safe, texts
from ap_masters.errors import ConfigError
from ap_masters.layouts import pattern
from ap_masters.layouts.pattern import Component, Piece
from ap_masters.layouts.tokens import NUMBER, TOKENS, Fields, Naming

# N.I.N.A. 3's file pattern tokens (ImageFileSettings.cs), as far as a master has such a value.
NINA_TOKENS = {
    "FILTER": "filter",
    "DATE": "date",
    "DATEMINUS12": "date",
    "IMAGETYPE": "type:nina",
    "BINNING": "binning",
    "ROTATORANGLE": "rotation",
    "SENSORTEMP": "temperature",
    "TEMPERATURESETPOINT": "temperature",
    "EXPOSURETIME": "exposure",
    "GAIN": "gain",
    "OFFSET": "offset",
    "USBLIMIT": "usb",
    "READOUTMODE": "readout",
    "CAMERA": "camera",
    "TELESCOPE": "telescope",
}
JINJA_NAMES = {name: name for name in TOKENS if ":" not in name}

_NINA_TOKEN = re.compile(r"\$\$(\w+)\$\$")
_JINJA_NAME = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')


class Absent(str):
    """The label of a value that is absent; false, so that ``{% if readout %}`` asks whether it is known."""

    def __bool__(self) -> bool:
        """Whether there is a value."""
        return False


def is_template(text: str) -> bool:
    """Whether ``text`` is a path with values in it."""
    return "{{" in text or _NINA_TOKEN.search(text) is not None


def write(text: str, named: Naming) -> PurePosixPath:
    """Return the path that the template ``text`` gives ``named``.

    Raises ConfigError where the template has an unknown name or its result is no path inside the library.
    """
    parts = _components(text)
    path = "/".join(part.write(named) for part in parts) if parts else _jinja(text, named)
    names = path.split("/")
    for name in names:
        _check(name, text)
    return PurePosixPath(*(pattern.fit(name) for name in names))


def read(text: str, path: PurePath) -> Fields | None:
    """Return the values in ``path``.

    None also where the template is more than plain values between separators, so that reading would guess.
    """
    parts = _components(text)
    if not parts or not all(_separable(part) for part in parts):
        return None
    return pattern.read(parts, path)


@cache
def _components(text: str) -> tuple[Component, ...]:
    """Return the folders and the name of a template that only sets values; empty for one that does more."""
    if _NINA_TOKEN.search(text):
        token, known, text = _NINA_TOKEN, NINA_TOKENS, text.replace("\\", "/")
    else:
        token, known = _JINJA_NAME, JINJA_NAMES
        if re.search(r"\{[{%#]", token.sub("", text)):
            return ()
    return tuple(
        Component(
            tuple(
                Piece("", _known(piece, known)) if i % 2 else Piece(piece)
                for i, piece in enumerate(token.split(part))
                if piece
            ),
            texts.PLAIN,
        )
        for part in text.split("/")
    )


def _known(name: str, known: dict[str, str]) -> str:
    if name not in known:
        raise ConfigError(f"The layout names the unknown value '{name}'. {_nearest(name, known)}")
    return known[name]


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(names)}"


def _separable(part: Component) -> bool:
    """Whether every value ends at a character that it cannot contain, so that there is one way to read a name."""
    for piece, after in zip(part.pieces, part.pieces[1:], strict=False):
        inside = r"[A-Za-z0-9.+-]" if piece.token and TOKENS[piece.token].letters else r"[0-9x.]"
        if piece.token and (after.token or re.match(inside, after.before)):
            return False
    return True


def _jinja(text: str, named: Naming) -> str:
    from jinja2 import StrictUndefined, TemplateError  # which takes a tenth of a second, and few layouts
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    try:
        return environment.from_string(text).render({name: _value(name, named) for name in JINJA_NAMES})
    except (TemplateError, TypeError, ValueError) as error:
        raise ConfigError(
            f"The layout {text!r} cannot be filled in for {named.key.describe()}: {error}. "
            f"Names that can be used: {', '.join(JINJA_NAMES)}"
        ) from error


def _value(name: str, named: Naming) -> str | int | Decimal:
    """Return a value as a template gets it: numbers as numbers, so that ``"%03d" | format(gain)`` works."""
    token = TOKENS[name]
    text = token.spell(named, texts.PLAIN)
    if text is None:
        return Absent(token.label)
    if token.regex != NUMBER:
        return text
    return Decimal(text) if "." in text else int(text)


def _check(name: str, text: str) -> None:
    """Raise ConfigError unless ``name`` can be a file or a folder on every system."""
    stem = name.split(".")[0]
    reserved = safe.path_component(stem) == f"{stem}_"  # Windows' CON, NUL, ...
    if name in ("", ".", "..") or _FORBIDDEN.search(name) or name != name.strip() or name.endswith(".") or reserved:
        raise ConfigError(
            f"The layout {text!r} makes {name!r} a folder or a file name. Paths are relative to the library, with "
            "names that Windows, macOS and Linux all allow"
        )
