"""How a file shows that it is integrated already: such a file is a master and never a frame to integrate (D10)."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ap_masters.headers.index import HeaderIndex
from ap_masters.headers.spellings import COUNTS, MARKS, OWN_TYPE
from ap_masters.headers.values import number, whole


class Evidence(NamedTuple):
    """Why a file is a master; ``combined`` is the number of frames in it, where that is said."""

    reason: str | None
    combined: int | None


# Lines of HISTORY and COMMENT that only integration writes; a number in brackets is the count.
_LINES: Final = (
    re.compile(r"ImageIntegration\.numberOfImages:\s*(\d+)"),  # PixInsight, WBPP, and our own engine
    re.compile(r"Master frame generated with"),  # WBPP
    re.compile(r"Integration with (?:ImageIntegration|PixInsight)"),
    re.compile(r"\b(?:mean|median|sum|max|min)\w* stacking\b", re.IGNORECASE),  # Siril
)


def evidence_of(header: HeaderIndex, *, type_says_master: str | None, name_says_master: bool) -> Evidence:
    """Return the first proof that the file is integrated, and the count; the reason is None for a raw frame.

    ``type_says_master`` is the keyword (or attribute) with a master's frame type. A folder is no proof.
    """
    combined = _count(header)
    history, history_count = _history(header.remarks)
    count_keyword = next((name for name in COUNTS if (whole(header.get(name)) or 0) > 1), None)
    mark = next((name for name in MARKS if header.get(name) is not None), None)
    candidates = (
        type_says_master,
        f"keyword {OWN_TYPE}" if header.get(OWN_TYPE) is not None else None,
        f"keyword {count_keyword} {combined}" if count_keyword else None,
        f"keyword {mark}" if mark else None,
        history,
        _sub_exposures(header),
        "file name" if name_says_master else None,
    )
    return Evidence(next((reason for reason in candidates if reason), None), combined or history_count)


def _count(header: HeaderIndex) -> int | None:
    """Return the largest count of combined frames that a keyword states (SNAPSHOT is 1 beside a real NCOMBINE)."""
    return max((count for name in COUNTS if (count := whole(header.get(name)))), default=None)


def _history(lines: Iterable[str]) -> tuple[str | None, int | None]:
    """Return the first line that only integration writes, and the count if it has one."""
    for line in lines:
        for pattern in _LINES:
            if match := pattern.search(line):
                count = int(match[1]) if pattern.groups else None
                return f"history '{match[0]}'", count
    return None, None


def _sub_exposures(header: HeaderIndex) -> str | None:
    """Return the reason when the exposure is a multiple of that of a sub-frame (SharpCap's live stacks)."""
    total, single = number(header.get("EXPTIME")), number(header.get("SUBEXP"))
    if total and single and single > 0 and round(total / single) > 1:
        return f"keyword SUBEXP: {total:g} s are several times {single:g} s"
    return None
