"""Hot and cold pixels of a master: found, written in the dialects of other programs, read back, compared.

Everywhere in this program a defect stands at column ``x`` and row ``y`` of the file, both from zero: ``y`` 0 is the
first row stored, whatever ROWORDER says. ROWORDER only tells whether that row is shown at the top or the bottom, so
a list fits every frame that was written in the same order as the dark; for frames in the other order, ``flip`` it.
"""

from ap_masters.defects.dialects import DIALECTS, Dialect, full_name, is_map, read_defects, write_defects
from ap_masters.defects.search import USUAL_COUNT, Defect, DefectDiff, DefectMap, diff, doubt, find_defects, flip

__all__ = [
    "DIALECTS",
    "USUAL_COUNT",
    "Defect",
    "DefectDiff",
    "DefectMap",
    "Dialect",
    "diff",
    "doubt",
    "find_defects",
    "flip",
    "full_name",
    "is_map",
    "read_defects",
    "write_defects",
]
