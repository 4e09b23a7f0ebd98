"""What file and folder names tell where the header does not: generic tokens, KEY_VALUE pairs, DWARF's own names.

Each layout of this program parses its own names (``layouts``); here stands what other programs and people write.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters import images, stamps
from ap_masters.headers.frame_types import type_in_words, words
from ap_masters.model import FrameType
from ap_masters.safe import LONGEST_COMPONENT


class Hint(NamedTuple):
    """A value in a name: ``text`` as it stands there; ``slack`` is half its last digit, as names are rounded."""

    value: float
    text: str
    slack: float


_NUMBER = r"(\d+(?:\.\d+)?)"
_SIGNED = r"(-?\d+(?:\.\d+)?)"
_START = r"(?<![^_\-\s(\[])"  # the beginning, or one of these before: said so, it takes a third less time
_END = r"(?=$|[_\-\s)\]]|\.(?!\d))"


class _Pattern(NamedTuple):
    field: str
    regex: re.Pattern[str]
    factor: float = 1.0


def _pattern(field: str, body: str, factor: float = 1.0, *, start: str = _START) -> _Pattern:
    return _Pattern(field, re.compile(start + body + _END, re.IGNORECASE), factor)


# The first pattern of a field that fits wins. Examples stand beside those that need one.
_PATTERNS: Final = (
    _pattern("exposure", rf"(?:EXPOSURE|EXPTIME|EXP)[_-]?{_NUMBER}ms", 0.001),
    _pattern("exposure", rf"(?:EXPOSURE|EXPTIME|EXP)[_-]?{_NUMBER}(?:s|secs?)?"),  # EXPOSURE-300.00s, exp_60.000000
    _pattern("exposure", rf"(?:\d+x)?{_NUMBER}(?:s|secs?)"),  # 0.5s, 32x300s
    _pattern("exposure", rf"{_NUMBER}ms", 0.001),
    _pattern("gain", rf"GAIN[_-]?{_NUMBER}"),
    _pattern("gain", rf"G(?!0\d){_NUMBER}"),  # g100, G120; G001 is a counter
    _pattern("offset", rf"OFFSET[_-]?{_NUMBER}"),
    _pattern("offset", rf"OS?(?!0\d){_NUMBER}"),  # o50, OS10
    _pattern("usb_limit", rf"USBLIMIT[_-]?{_NUMBER}"),
    _pattern("temperature", rf"(?:SET-?TEMP|CCD-?TEMP)[_-]{_SIGNED}C?"),  # SETTEMP--10, SET-TEMP_-10
    _pattern("temperature", rf"T{_SIGNED}C"),
    _pattern("temperature", rf"(?!0\d){_SIGNED}C", start=r"(?:^|(?<=[_\s]))"),  # a dash before it is its sign
    _pattern("temperature", rf"{_SIGNED}(?=_g\d)", start=r"(?<=\ds_)"),  # 300s_-10_g100_o50
    _pattern("binning", r"(?:XBINNING|CCDBINX|BINNING|BIN)[_-]?([1-9])(?:x[1-9])?"),
    _pattern("binning", r"([1-9])x[1-9]"),
    _pattern("combined", r"stack[_-]?(\d+)"),  # ASIAIR's Stack20, DWARF's stack_8
    _pattern("combined", r"(\d+)x\d+(?:\.\d+)?s"),  # ASTAP's 32x300s
    _pattern("combined", r"(\d+)_frames"),  # SharpCap's dark_20_frames
)
# A letter and a number at the end of a name that tells no other setting: g for green, and the frame's number.
_COUNTER: Final = re.compile(rf"{_START}(?:G|OS?)\d+$", re.IGNORECASE)
_POINT_AS_P = re.compile(rf"{_START}(\d+)p(\d+)s{_END}")  # 5p4s

# Keywords in names (ap-create-master, WBPP's grouping keywords): KEY_value runs to the next key, KEY-value to the
# next underscore.
_TEXT_KEYS: Final = {"INSTRUME": "camera", "READOUTM": "readout_mode", "FILTER": "filter", "TELESCOP": "telescope"}
_KEY = (
    r"(?:INSTRUME|SET-?TEMP|CCD-?TEMP|GAIN|OFFSET|READOUTM|EXPOSURE|EXPTIME|EXP|DATE(?:-OBS|OBS)?|FILTER|TELESCOP"
    r"|USBLIMIT|XBINNING|BINNING|BIN|TYPE|CAMERAID|ISOSPEED|WINDOW|ROTATANG)"
)
_TEXT_PAIR = re.compile(  # this program puts the stamp of the run behind a name that is taken already
    rf"(?:^|_)(INSTRUME|READOUTM|FILTER|TELESCOP)(?:-([^_]+)|_(.+?)(?=_{_KEY}[_-]|_{stamps.PATTERN}$|$))",
    re.IGNORECASE,
)
# What follows the last value in the name of a frame: its time, exposure, temperature, number. Only masters have names
# of nothing but pairs, in which a value with an underscore can be told from what follows it.
_NUMBERED = re.compile(r"_-?\d[\d.x-]*(?:m?s|secs?|C)?(?=_|$).*|[-\s]\d{3,}$", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(20\d{2})([-_]?)(\d{2})\2(\d{2})(?!\d)")

_CUT: Final = re.compile(r"_[^_]*-[0-9a-f]{8}$")

_PART: Final = re.compile(r"[^\W_]+")
# The stacks a DWARF comes with (CALI_FRAME) or makes; their headers say nothing at all.
_DWARF_STACK = re.compile(
    r"(?:(?:bias|flat)_gain_\d+_bin_\d(?:_ir_\d)?|dark_exp_[\d.]+_gain_\d+_bin_\d_-?\d+C_stack_\d+)"
)
# The darks and flats that SharpCap makes for its own use; their headers are those of single frames.
_SHARPCAP_STACK = re.compile(r"(?:bias|dark|flat)_(?!1_)\d+_frames(?![^_])", re.IGNORECASE)
# PHD2's darks for guiding: one image for each exposure, each of several frames.
_PHD2_STACKS = re.compile(r"PHD2_dark_lib(?:_\d+)+")
_DWARF_FILTERS: Final = {"0": "VIS", "1": "Astro", "2": "Duo"}  # geeksville/starbash, dwarf3 header extension


def numbers_in(stem: str) -> dict[str, Hint]:
    """Return the numbers in a name: exposure (s), gain, offset, usb_limit, temperature (°C), binning, combined."""
    numbers: dict[str, Hint] = {}
    for pattern in _PATTERNS:
        if pattern.field not in numbers and (match := pattern.regex.search(stem)):
            numbers[pattern.field] = _hint(match[1], pattern.factor, match[0])
    if len(numbers) == 1 and _COUNTER.search(stem) and not is_master_name(stem):
        numbers.clear()
    if "exposure" not in numbers and (match := _POINT_AS_P.search(stem)):
        numbers["exposure"] = _hint(f"{match[1]}.{match[2]}", 1.0, match[0])
    return numbers


def texts_in(stem: str) -> dict[str, str]:
    """Return camera, readout mode, filter and telescope from KEY_value pairs, and DWARF's filter by its number."""
    found: dict[str, str] = {}
    for match in _TEXT_PAIR.finditer(stem):
        value = match[2] or match[3]
        if _NUMBERED.search(value) and not is_master_name(stem):
            value = _NUMBERED.sub("", value)
        found.setdefault(_TEXT_KEYS[match[1].upper()], value)
    infrared = re.search(r"_ir_(\d)$", stem)
    if infrared and _DWARF_STACK.fullmatch(stem) and infrared[1] in _DWARF_FILTERS:
        found["filter"] = _DWARF_FILTERS[infrared[1]]
    return found


def type_in(stem: str) -> FrameType | None:
    """Return the frame type in a name; beside the word 'master' what follows it at once counts, else what precedes."""
    own = words(stem)
    if "master" in own:
        place = own.index("master")
        after = own[place:][:3]  # 'master' with it, as 'offset' is a type only behind that
        return type_in_words(after) or type_in_words(after[:2]) or type_in_words(own[:place])
    return type_in_words(own)


def is_master_name(stem: str) -> bool:
    """Return whether a name is a master's: it begins or ends with the word, has it beside a type, or is a stack's.

    A name that only contains the letters is a target's or a telescope's: Chessmaster, SkyMaster.
    """
    own = words(stem)
    if own[:1] in {("master",), ("superbias",)} or own[:2] == ("super", "bias"):
        return True
    parts = [words(part) for part in _PART.findall(stem)]
    if any(_is_master(parts, i) for i in range(len(parts))):
        return True
    return _SHARPCAP_STACK.match(stem) is not None or any(
        stacks.fullmatch(stem) for stacks in (_DWARF_STACK, _PHD2_STACKS)
    )


def _is_master(parts: Sequence[Sequence[str]], i: int) -> bool:
    """Return whether a part of a name, between two signs, says master: with a type, beside one, or as the last word."""
    part = parts[i]
    if "master" not in part:
        return False
    place = part.index("master")
    if type_in_words(part[:place]) is not None or type_in_words(part[place + 1 :][:1]) is not None:
        return True
    if len(part) > 1:
        return place == 0
    neighbours = [*parts[max(i - 1, 0) : i], *parts[i + 1 : i + 2]]
    return i + 1 == len(parts) or any(type_in_words(other) is not None for other in neighbours)


def date_in_name(stem: str) -> str | None:
    """Return the first date in a name as YYYY-MM-DD: 2026-01-29, 2026_01_29 or 20260129."""
    match = _DATE.search(stem)
    return f"{match[1]}-{match[3]}-{match[4]}" if match else None


def stem_of(path: Path) -> str:
    """Return the file name without its image suffixes, of which there may be two (.fits.gz)."""
    return images.without_suffix(path.name)


def without_cut(stem: str) -> str:
    """Return a name without the value that a layout cut: it fills the whole length, and ends in a checksum."""
    return _CUT.sub("", stem) if len(stem) == LONGEST_COMPONENT else stem


class FolderHint(NamedTuple):
    """The frame type a folder is named for."""

    type: FrameType
    folder: str


def folder_hint(folder: Path, root: Path) -> FolderHint | None:
    """Return the nearest folder named for a frame type, from ``folder`` outwards to ``root``; nothing above counts.

    Where the root is only a date or a time, as SharpCap names a run, the first folder above that has a name counts.
    """
    if not folder.is_relative_to(root):
        root = folder
    within = folder.relative_to(root).parts
    while root.name and not any(character.isalpha() for character in root.name):
        root = root.parent
    for name in reversed((root.name, *within)):
        kind = type_in_words(words(name))
        if kind is not None:
            return FolderHint(kind, name)
    return None


def _hint(digits: str, factor: float, as_written: str) -> Hint:
    decimals = len(digits.partition(".")[2])
    return Hint(float(digits) * factor, as_written, 0.5 * 10.0**-decimals * factor)
