"""What a name can carry, and how each value is spelled in a name and read back from it."""

import math
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

from ap_masters.model import FrameType, GroupKey, Noun
from ap_masters.texts import ANAWBPPS, PLAIN, TextRule

Fields = dict[str, Any]
"""Values read from a name, under the field names of GroupKey, and "date"."""


class Naming(Noun):
    """What a master is filed under. ``first`` is the night of the first frame, ``created`` that of the last.

    Telescope and filter stand here a second time because the key of a dark has neither, and some layouts name
    both all the same. ``setup`` is S2's {SETUP} as a name has it, which does not say where the telescope ends.
    """

    key: GroupKey
    telescope: str | None = None
    filter: str | None = None
    setup: str | None = None
    first: date | None = None
    created: date | None = None

    @property
    def day(self) -> date | None:
        """The date that stands in the name."""
        return self.key.night or self.first or self.created

    def text(self, field: str) -> str | None:
        """Return a text of the naming or of its key; a blank one is none."""
        own = getattr(self, field) if field in ("telescope", "filter") else None
        value: str | None = own or getattr(self.key, field)
        return value if value and value.strip() else None


def naming_of(frame_type: FrameType, fields: Fields) -> Naming:
    """Return what a name of ``frame_type`` says: the inverse of taking fields from a naming."""
    named = dict(fields)
    day = named.pop("date", None)
    scope = named.pop("telescope", None)
    band = named.pop("filter", None)
    setup = named.pop("setup", None)
    if frame_type is FrameType.FLAT:
        named |= {"telescope": scope, "night": day}
    if frame_type in (FrameType.FLAT, FrameType.DARK_FLAT):
        named["filter"] = band
    return Naming(key=GroupKey(type=frame_type, **named), telescope=scope, filter=band, setup=setup, first=day)


class Token(NamedTuple):
    """One value in a name. ``spell`` returns None for what is absent; ``label`` then stands in its place."""

    label: str
    spell: Callable[[Naming, TextRule], str | None]
    regex: str | None  # None: that of the layout's texts
    read: Callable[[str], Fields]
    fields: frozenset[str]
    letters: bool = False  # whether it may hold any letter, or digits, "x" and "." only


def decimal(value: float | None, places: int) -> str | None:
    """Return a number as people write it: no exponent, no trailing zeros, no ``-0``; None if it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


NUMBER = r"-?\d+(?:\.\d+)?"


def _number(field: str, label: str, places: int = 6) -> Token:
    return Token(
        label,
        lambda n, _: decimal(getattr(n.key, field), places),
        NUMBER,
        lambda text: {field: float(text)},
        frozenset({field}),
    )


def _text(field: str, label: str) -> Token:
    def spell(naming: Naming, rule: TextRule) -> str | None:
        text = naming.text(field)
        if text is None:
            return None
        cleaned = rule.clean(text)
        return f"{cleaned}-" if cleaned == label else cleaned

    return Token(label, spell, None, lambda text: {field: text}, frozenset({field}), letters=True)


def _exposure(spell: Callable[[str], str], regex: str, read: Callable[[str], float]) -> Token:
    """Return a spelling of the exposure in seconds; its resolution is the microsecond."""

    def spelled(naming: Naming, _: TextRule) -> str | None:
        seconds = decimal(naming.key.exposure, 6)
        return None if seconds is None else spell(seconds)

    return Token("NO_EXPOSURE", spelled, regex, lambda text: {"exposure": read(text)}, frozenset({"exposure"}))


def _two_places(seconds: str) -> str:
    """Spell ``300`` as WBPP does, ``300.00``, but keep what its ``%.2f`` would lose of short exposures."""
    whole, _, part = seconds.partition(".")
    return f"{whole}.{part:0<2}"


def _milliseconds(seconds: str) -> str:
    """Spell whole seconds ``120s``, anything else in milliseconds, ``500ms`` and ``1500ms``."""
    return f"{seconds}s" if "." not in seconds else f"{decimal(float(seconds) * 1000, 3)}ms"


def _read_milliseconds(text: str) -> float:
    return round(float(text[:-2]) / 1000, 6) if text.endswith("ms") else float(text[:-1])


def _angle(naming: Naming, _: TextRule) -> str | None:
    """Spell whole degrees from 0 to 359: 359.7 and 0.2 are one angle of a rotator."""
    angle = naming.key.rotation
    return None if angle is None or not math.isfinite(angle) else str(round(angle) % 360)


def _binning(naming: Naming, _: TextRule) -> str | None:
    key = naming.key
    return None if key.x_binning is None else f"{key.x_binning}x{key.y_binning or key.x_binning}"


def _short_binning(naming: Naming, rule: TextRule) -> str | None:
    text = _binning(naming, rule)
    x, _, y = (text or "").partition("x")
    return x if text and x == y else text


def _unusual_binning(naming: Naming, rule: TextRule) -> str | None:
    text = _binning(naming, rule)
    return None if text == "1x1" else text


def _read_binning(text: str) -> Fields:
    x, _, y = text.partition("x")
    return {"x_binning": int(x), "y_binning": int(y or x)}


def _size(naming: Naming, _: TextRule) -> str | None:
    key = naming.key
    return None if key.width is None or key.height is None else f"{key.width}x{key.height}"


def _read_size(text: str) -> Fields:
    width, _, height = text.partition("x")
    return {"width": int(width), "height": int(height)}


def _window(naming: Naming, _: TextRule) -> str | None:
    origin = naming.key.origin
    return None if origin is None else f"{origin[0]}-{origin[1]}"


def _read_window(text: str) -> Fields:
    column, _, row = text.partition("-")
    return {"x_origin": int(column) or None, "y_origin": int(row) or None}


def _date(separator: str) -> Token:
    def spell(naming: Naming, _: TextRule) -> str | None:
        return naming.day.isoformat().replace("-", separator) if naming.day else None

    return Token(
        "NO_DATE",
        spell,
        separator.join((r"\d{4}", r"\d{2}", r"\d{2}")),
        lambda text: {"date": date.fromisoformat(text.replace(separator, "-"))},
        frozenset({"date"}),
    )


_NO_TELESCOPE, _NO_CAMERA = "NO_TELESCOPE", "NO_CAMERA"


def _setup(naming: Naming, rule: TextRule) -> str:
    """Return S2's {SETUP}; where its parts end cannot be told from the name, so it is read as one."""
    if naming.setup:
        return naming.setup
    parts = ((naming.text("telescope"), _NO_TELESCOPE), (naming.text("camera"), _NO_CAMERA))
    return "_".join(rule.clean(text) if text else label for text, label in parts)


def parts_of_setup(setup: str, *, telescope: str | None, camera: str | None) -> tuple[str | None, str | None]:
    """Return telescope and camera of a {SETUP}, None for what it does not tell.

    One of them that is known tells where the other begins. Where neither is, two words are one each; of more nobody
    can say.
    """
    first = ANAWBPPS.clean(telescope) if telescope else _NO_TELESCOPE
    last = ANAWBPPS.clean(camera) if camera else _NO_CAMERA
    if setup.startswith(f"{first}_"):
        last = setup.removeprefix(f"{first}_")
    elif setup.endswith(f"_{last}"):
        first = setup.removesuffix(f"_{last}")
    elif setup.count("_") == 1 and not (telescope or camera):
        first, _, last = setup.partition("_")
    else:
        return None, None
    return None if first in {"", _NO_TELESCOPE} else first, None if last in {"", _NO_CAMERA} else last


def _colour(naming: Naming, _: TextRule) -> str:
    """Return WBPP's word; it does not say which Bayer pattern."""
    if naming.key.channels == 3:
        return "RGB"
    return "CFA" if naming.key.bayer_pattern else "mono"


# PULSAR's letters (S3-16); the workflow of the same document says "ha" where its list says "h".
_PULSAR_FILTERS = {
    name: names[0]
    for names in (
        ("h", "ha", "halpha", "hydrogen"),
        ("o", "o3", "oiii"),
        ("s", "s2", "sii"),
        ("l", "lum", "luminance"),
        ("r", "red"),
        ("g", "green"),
        ("b", "blue"),
    )
    for name in names
}


def is_word_for_a_filter(text: str) -> bool:
    """Say whether a text in a name is a filter's and nothing else: a lone letter counts frames as well."""
    return len(text) > 1 and PLAIN.clean(text).lower() in _PULSAR_FILTERS


def _pulsar_filter(naming: Naming, _: TextRule) -> str | None:
    text = naming.text("filter")
    if text is None:
        return None
    name = PLAIN.clean(text).lower()
    return _PULSAR_FILTERS.get(name.replace("-", ""), name)


_TYPE_WORDS = {
    FrameType.BIAS: "bias",
    FrameType.DARK: "dark",
    FrameType.DARK_FLAT: "darkflat",
    FrameType.FLAT: "flat",
}


def _type_token(*, upper: bool) -> Token:
    words = {kind: word.upper() if upper else word for kind, word in _TYPE_WORDS.items()}
    kinds = {word: kind for kind, word in words.items()}
    return Token(
        "NO_TYPE",
        lambda n, _: words[n.key.type],
        "|".join(words.values()),
        lambda text: {"type": kinds[text]},
        frozenset({"type"}),
        letters=True,
    )


def _nothing(_: str) -> Fields:
    return {}


_BINNING_FIELDS = frozenset({"x_binning", "y_binning"})

TOKENS: dict[str, Token] = {
    "camera": _text("camera", _NO_CAMERA),
    "camera_id": _text("camera_id", "NO_CAMERAID"),
    "telescope": _text("telescope", _NO_TELESCOPE),
    "filter": _text("filter", "NO_FILTER"),
    "filter:wbpp": _text("filter", "NoFilter"),
    "filter:pulsar": Token(
        "NO_FILTER", _pulsar_filter, r"[a-z0-9.+-]+", lambda text: {"filter": text}, frozenset({"filter"})
    ),
    "readout": _text("readout_mode", "NO_READOUTM"),
    "bayer": _text("bayer_pattern", "NO_BAYERPAT"),
    "gain": _number("gain", "NO_GAIN"),
    "offset": _number("offset", "NO_OFFSET"),
    "iso": _number("iso", "NO_ISO"),
    "usb": _number("usb_limit", "NO_USBLIMIT"),
    "temperature": _number("temperature", "NO_TEMP", places=2),
    "rotation": Token("NO_ROTATION", _angle, r"\d+", lambda text: {"rotation": float(text)}, frozenset({"rotation"})),
    "focal_length": _number("focal_length", "NO_FOCALLEN", places=0),  # solved anew each night: whole millimetres
    "exposure": _exposure(str, NUMBER, float),
    "exposure:p": _exposure(
        lambda s: s.replace(".", "p"), r"-?\d+(?:p\d+)?", lambda text: float(text.replace("p", "."))
    ),
    "exposure:00": _exposure(_two_places, NUMBER, float),
    "exposure:ms": _exposure(_milliseconds, rf"-?\d+s|{NUMBER}ms", _read_milliseconds),
    "binning": Token("NO_BINNING", _binning, r"\d+x\d+", _read_binning, _BINNING_FIELDS),
    "binning:short": Token("NO_BINNING", _short_binning, r"\d+(?:x\d+)?", _read_binning, _BINNING_FIELDS),
    "binning:unusual": Token("NO_BINNING", _unusual_binning, r"\d+x\d+", _read_binning, _BINNING_FIELDS),
    "size": Token("NO_SIZE", _size, r"\d+x\d+", _read_size, frozenset({"width", "height"})),
    "window": Token("NO_WINDOW", _window, r"\d+-\d+", _read_window, frozenset({"x_origin", "y_origin"})),
    "date": _date("-"),
    "date:_": _date("_"),
    "setup": Token("NO_SETUP", _setup, None, lambda text: {"setup": text}, frozenset(), letters=True),
    "colour": Token("NO_COLOUR", _colour, "mono|CFA|RGB", _nothing, frozenset(), letters=True),
    "type": _type_token(upper=False),
    "type:nina": _type_token(upper=True),
}
