"""What Siril needs to find masters in a library of the ``siril`` layout by itself.

Siril 1.2 and later fills ``$KEY:format$`` from the header of the light (its path_parse.c): ``%d`` cuts decimals
off, ``%s`` is a text, ``dm12`` the date 12 hours before; ``*`` before a key stands for any value, and before a
date for the nearest one that is not later than the light.
"""

import re
from pathlib import Path, PurePath
from typing import Final

from ap_masters.errors import UsageError
from ap_masters.model import FrameType, GroupKey
from ap_masters.texts import SIRIL

_SETUP = "G$GAIN:%d$_O$OFFSET:%d$_T$SET-TEMP:%d$C_bin$XBINNING:%d$"

_EXPRESSIONS = {
    "$defbias": f"BIAS_{_SETUP}.fit",
    "$defdark": f"DARK_$EXPTIME:%d$s_{_SETUP}.fit",
    "$defflat": "FLAT_$FILTER:%s$_G$GAIN:%d$_O$OFFSET:%d$_bin$XBINNING:%d$_$*DATE-OBS:dm12$.fit",
}


# What can come of each spelling of a value. The labels of absent ones (NO_FILTER) do not: without the keyword Siril
# fills in nothing.
_SPELLINGS: Final = {"%d": r"-?\d+", "%s": rf"(?!NO_){SIRIL.regex}", "dm12": r"\d{4}-\d{2}-\d{2}"}
_VALUE: Final = re.compile(r"\$\*?[A-Z-]+:([^$]+)\$")
_NAME_OF: Final = {FrameType.BIAS: "$defbias", FrameType.DARK: "$defdark", FrameType.FLAT: "$defflat"}
# What Siril's %s makes of a text; the layout's own names shorten long ones besides.
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9.+-]")


def siril_finds(master: PurePath, key: GroupKey) -> bool:
    """Say whether the expressions can name a master at all; of dark flats Siril knows nothing, so none is missed."""
    if key.type not in _NAME_OF:
        return True
    literal, *rest = _VALUE.split(_EXPRESSIONS[_NAME_OF[key.type]])
    spelled = zip(rest[::2], rest[1::2], strict=True)
    pattern = re.escape(literal) + "".join(_SPELLINGS[form] + re.escape(text) for form, text in spelled)
    band = key.filter or ""
    shortened = band.isascii() and SIRIL.clean(band) != _FORBIDDEN.sub("_", band.strip())
    return re.fullmatch(pattern, master.name) is not None and not (key.type is FrameType.FLAT and shortened)


def siril_expressions(root: Path) -> dict[str, str]:
    """Return what to paste into Siril's Preferences > Pre-processing for the library ``root``.

    Raises UsageError where the path itself has a ``$``, which Siril would take for the start of a value.
    """
    if "$" in str(root):
        raise UsageError(f"Siril cannot be told of {root}: it takes the $ in the path for the start of a value")
    return {name: f"{root.as_posix()}/{expression}" for name, expression in _EXPRESSIONS.items()}
