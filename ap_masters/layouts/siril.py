"""What Siril needs to find masters in a library of the ``siril`` layout by itself.

Siril 1.2 and later fills ``$KEY:format$`` from the header of the light (its path_parse.c): ``%d`` cuts decimals
off, ``%s`` is a text, ``dm12`` the date 12 hours before; ``*`` before a key stands for any value, and before a
date for the nearest one that is not later than the light.
"""

from pathlib import Path

from ap_masters.errors import UsageError

_SETUP = "G$GAIN:%d$_O$OFFSET:%d$_T$SET-TEMP:%d$C_bin$XBINNING:%d$"

_EXPRESSIONS = {
    "$defbias": f"BIAS_{_SETUP}.fit",
    "$defdark": f"DARK_$EXPTIME:%d$s_{_SETUP}.fit",
    "$defflat": "FLAT_$FILTER:%s$_G$GAIN:%d$_O$OFFSET:%d$_bin$XBINNING:%d$_$*DATE-OBS:dm12$.fit",
}


def siril_expressions(root: Path) -> dict[str, str]:
    """Return what to paste into Siril's Preferences > Pre-processing for the library ``root``.

    Raises UsageError where the path itself has a ``$``, which Siril would take for the start of a value.
    """
    if "$" in str(root):
        raise UsageError(f"Siril cannot be told of {root}: it takes the $ in the path for the start of a value")
    return {name: f"{root.as_posix()}/{expression}" for name, expression in _EXPRESSIONS.items()}
