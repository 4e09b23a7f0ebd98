"""How a file shows that it is integrated already: such a file is a master and never a frame to integrate."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ap_masters.headers.index import HeaderIndex
from ap_masters.headers.spellings import COUNTS, MARKS, OWN_TYPE, TRUE_MARKS
from ap_masters.headers.values import number, whole
from ap_masters.model import calstat

_MOST_EXPOSURES: Final = 1e6  # in one live stack


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
    counts = [(count, name) for name in COUNTS if (count := whole(header.get(name)))]
    count, keyword = max(counts, default=(None, ""))  # SNAPSHOT is often 1 beside a real NCOMBINE
    line, line_count = _history(header.remarks)
    sub_exposures = _sub_exposures(header)
    marks = (*(n for n in MARKS if header.get(n) is not None), *(n for n in TRUE_MARKS if header.get(n) is True))
    mark = next(iter(marks), None)
    candidates = (
        type_says_master,
        f"keyword {OWN_TYPE}" if header.get(OWN_TYPE) is not None else None,
        f"keyword {keyword} {count}" if count is not None and count > 1 else None,
        f"keyword {mark}" if mark else None,
        f"history '{line}'" if line else None,
        f"keyword SUBEXP, {sub_exposures} times in EXPTIME" if sub_exposures else None,
        "file name" if name_says_master else None,
    )
    return Evidence(next((reason for reason in candidates if reason), None), count or line_count or sub_exposures)


# Lines that calibration writes, and the CALSTAT letter of what was subtracted or divided by.
_CALIBRATED: Final = (
    re.compile(r"ImageCalibration\.master(Bias|Dark|Flat)\.enabled:\s*(?:true|1)\b", re.IGNORECASE),
    re.compile(r"\bCalibrated with a (?:master|synthetic) (bias|dark|flat)\b"),  # Siril
    re.compile(r"^(Bias|Dark|Flat) corrected with "),  # AstroImageJ
    re.compile(r"^(?:Auto )?(Bias|Dark) Subtraction\b"),  # MaxIm DL, and SBIG's CCDOPS
)


def letters_of(state: str) -> str:
    """Return the letters B, D, F of CALSTAT, with others beside them (MaxIm's M), or as words; else nothing.

    F alone is no state: no calibration frame is divided by a flat, and some programs write F for False.
    """
    words = re.findall(r"[A-Z]+", state.upper())
    marks = "".join(word[0] if word in {"BIAS", "DARK", "FLAT"} else word for word in words)
    return calstat(marks) if re.fullmatch(r"(?=.*[BD])[BDFM]+", marks) else ""


def calibrated_before(remarks: Iterable[str]) -> tuple[str, str]:
    """Return the CALSTAT letters that HISTORY lines of calibrating programs stand for, and the first such line."""
    found = [match for line in remarks for pattern in _CALIBRATED if (match := pattern.search(line.lstrip()))]
    return calstat({match[1][0].upper() for match in found}), found[0][0] if found else ""


def _history(lines: Iterable[str]) -> tuple[str | None, int | None]:
    """Return the first words that only integration writes, and the count if a line has one."""
    first: str | None = None
    for line in lines:
        for pattern in _LINES:
            if match := pattern.search(line):
                first = first or match[0]
                if pattern.groups:
                    return first, int(match[1][:9])
    return first, None


def _sub_exposures(header: HeaderIndex) -> int | None:
    """Return how many exposures of SUBEXP make up EXPTIME (SharpCap's live stacks); None for a single one."""
    total, single = number(header.get("EXPTIME")), number(header.get("SUBEXP"))
    if not total or not single or single < 0 or not 1.5 < total / single < _MOST_EXPOSURES:
        return None
    return whole(round(total / single))
