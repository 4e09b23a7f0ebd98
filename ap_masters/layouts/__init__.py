"""Where a master is filed and under which name: a group's key -> path, and back."""

import difflib
from collections.abc import Collection
from pathlib import Path, PurePath

from ap_masters import texts
from ap_masters.errors import ConfigError
from ap_masters.images import without_suffix
from ap_masters.layouts import comparing, pattern, template
from ap_masters.layouts.comparing import Difference, value_of
from ap_masters.layouts.siril import siril_expressions, siril_finds
from ap_masters.layouts.table import LAYOUTS, Layout
from ap_masters.layouts.tokens import TOKENS, Naming, is_word_for_a_filter, naming_of, parts_of_setup
from ap_masters.model import QUARANTINE, SUPERSEDED, FrameType, SampleScale

__all__ = [
    "LAYOUTS",
    "Difference",
    "Layout",
    "Naming",
    "cosmetic_list",
    "differences",
    "has_cosmetic_lists",
    "image_type",
    "parse",
    "parts_of_setup",
    "readings",
    "render",
    "scale_of",
    "siril_expressions",
    "siril_finds",
    "suffix_of",
    "value_of",
    "values_of",
]

_KEPT_FOR = {QUARANTINE.as_posix(), SUPERSEDED.as_posix()}  # masters that are not in use


def render(layout: str, named: Naming, *, suffix: str | None = None) -> Path:
    """Return where ``named`` is filed, relative to the library, with ``suffix`` or the layout's own.

    ``layout`` is a name of ``LAYOUTS`` or a path of the user's own with values in it. The result never leaves
    the library, whatever the header says, and no component is longer than 180 characters and the suffix. Two
    namings may share a path; who files them looks at that.
    Raises ConfigError for an unknown layout, and for one that files masters where a library keeps those that are not
    in use.
    """
    row = _row(layout)
    if row is None:
        path = template.write(without_suffix(layout), named)
    else:
        path = pattern.write(pattern.components(row.patterns[named.key.type], row.text), named)
    if path.parts[0].casefold() in _KEPT_FOR:
        raise ConfigError(
            f"The layout {layout!r} files masters in '{path.parts[0]}/', where a library keeps other ones; "
            "choose another folder"
        )
    return Path(path.parent, path.name + (suffix or suffix_of(layout)))


def parse(layout: str, path: PurePath) -> Naming | None:
    """Return what the end of ``path`` says in ``layout``, or None where it is not a name of that layout.

    Folders above those of the layout are not looked at; a path without folders is read by its name alone.
    Values that the layout does not carry are None, and texts stand as they are in the name. Raises
    ConfigError for an unknown layout.
    """
    row = _row(layout)
    stem = without_suffix(path.name)
    if stem in ("", path.name):
        return None
    path = path.with_name(stem)
    try:
        if row is None:
            fields = template.read(without_suffix(layout), path)
            return naming_of(fields.pop("type"), fields) if fields and "type" in fields else None
        for frame_type, text in row.patterns.items():
            fields = pattern.read(pattern.components(text, row.text), path)
            if fields is not None:
                return naming_of(frame_type, fields)
    except ValueError:  # digits that are no date
        return None
    return None


def readings(path: PurePath, *, layout: str | None = None) -> dict[str, Naming]:
    """Return what ``path`` says, by the layout that reads it so; empty where it is a name of none.

    ``layout``, a name or a template, is asked first, and believed where it reads the name alone. Else every layout
    that reads name and folders is asked, or the name where that cannot be anything else. Raises ConfigError for an
    unknown layout.
    """
    name = PurePath(path.name)
    if layout is not None and (told := parse(layout, path) or parse(layout, name)) is not None:
        return {layout: told}
    found = {}
    for other in LAYOUTS:
        told, alone = parse(other, path), parse(other, name)
        if told is None and alone is not None and _is_unmistakable(alone):
            told = alone
        if told is not None:
            found[other] = told
    return found


def _is_unmistakable(name: Naming) -> bool:
    """Say whether a name is a layout's without its folders: ``master_dark_2026-03-01`` and ``flat_2`` may not be."""
    key = name.key
    return key.exposure is not None or key.gain is not None or is_word_for_a_filter(name.filter or "")


def differences(layout: str, said: Naming, own: Naming) -> tuple[Difference, ...]:
    """Return what ``said``, read from a path by ``layout``, says otherwise than ``own``, but for the frame type.

    See ``comparing.differences``. Raises ConfigError for an unknown layout.
    """
    row = _row(layout)
    tokens = pattern.tokens(row.patterns[said.key.type]) if row else tuple(TOKENS.values())
    return tuple(dict.fromkeys(comparing.differences(said, own, tokens, row.text if row else texts.PLAIN)))


def values_of(fields: Collection[str]) -> tuple[str, ...]:
    """Return which values a path of the user's own can hold to tell keys apart that differ in ``fields``."""
    return tuple(name for name in template.JINJA_NAMES if not TOKENS[name].fields.isdisjoint(fields))


def suffix_of(layout: str) -> str:
    """Return the suffix a layout gives its masters. Raises ConfigError for an unknown layout."""
    row = _row(layout)
    if row is not None:
        return row.suffix
    own = layout.removeprefix(without_suffix(layout))
    return own.lower() or ".xisf"


def scale_of(layout: str) -> SampleScale:
    """Return the sample scale a layout's tool chain reads. Raises ConfigError for an unknown layout."""
    row = _row(layout)
    return "unit" if row is None else row.scale


def has_cosmetic_lists(layout: str) -> bool:
    """Return whether a layout's tool chain looks for hot pixels beside each dark (see ``cosmetic_list``)."""
    row = _row(layout)
    return row is not None and row.cosmetic_lists


def image_type(layout: str, frame_type: FrameType) -> str | None:
    """Return the IMAGETYP that a layout's tool chain knows a master by; None where the usual one does."""
    row = _row(layout)
    return row.image_types.get(frame_type) if row is not None else None


def cosmetic_list(dark: PurePath) -> PurePath:
    """Return where PULSAR looks for the hot pixels of ``dark``: ``cosme120s.lst`` beside ``dark120s.fit``."""
    return dark.with_name(f"cosme{without_suffix(dark.name).removeprefix('dark')}.lst")


def _row(layout: str) -> Layout | None:
    """Return the row of a layout, None for a path of the user's own."""
    if layout in LAYOUTS:
        return LAYOUTS[layout]
    if template.is_template(layout):
        return None
    near = difflib.get_close_matches(layout, LAYOUTS, 1)
    hint = f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(LAYOUTS)}"
    raise ConfigError(
        f"There is no layout '{layout}'. {hint}; a path of your own holds values, as '{{{{ camera }}}}/{{{{ type }}}}'"
    )
