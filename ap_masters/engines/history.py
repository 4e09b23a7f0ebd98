"""What only the integration itself knows, as HISTORY cards in ImageIntegration's wording: written and read."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from ap_masters.model import (
    Combination,
    EngineInfo,
    FrameOutcome,
    Keyword,
    Normalization,
    Recipe,
    Rejection,
    RejectionNormalization,
)

_COMBINATION: Final = {
    Combination.AVERAGE: "Average",
    Combination.MEDIAN: "Median",
    Combination.MINIMUM: "Minimum",
    Combination.MAXIMUM: "Maximum",
}
_NORMALIZATION: Final = {Normalization.NONE: "None", Normalization.MULTIPLICATIVE: "Multiplicative"}
_REJECTION_NORMALIZATION: Final = {
    RejectionNormalization.NONE: "None",
    RejectionNormalization.EQUALIZE_FLUXES: "Equalize fluxes",
}
_SIGMA: Final = "sigma_low={0.sigma_low:.3f} sigma_high={0.sigma_high:.3f}"
_REJECTION: Final = {
    Rejection.NONE: ("None", ""),
    Rejection.MINMAX: ("Min/Max clipping", "clip_low={0.minmax_low} clip_high={0.minmax_high}"),
    Rejection.PERCENTILE: (
        "Percentile clipping",
        "pc_low={0.percentile_low:.3f} pc_high={0.percentile_high:.3f}",
    ),
    Rejection.SIGMA: ("Sigma clipping", _SIGMA),
    Rejection.WINSORIZED: ("Winsorized sigma clipping", _SIGMA + " cutoff={0.winsorization_cutoff:.3f}"),
    Rejection.AVERAGED: ("Averaged sigma clipping", _SIGMA),
    Rejection.LINEAR_FIT: (
        "Linear fit clipping",
        "lfit_low={0.linear_fit_low:.3f} lfit_high={0.linear_fit_high:.3f}",
    ),
    Rejection.ESD: (
        "Generalized extreme Studentized deviate",
        "esd_outliers={0.esd_outliers:.2f} esd_alpha={0.esd_alpha:.2f} esd_low={0.esd_low_relaxation:.2f}",
    ),
}


class Outcome(NamedTuple):
    """What integration found: pixels of all channels, the range of the result in [0, 1], and each frame's share."""

    pixels: int
    low: float
    high: float
    frames: Sequence[FrameOutcome]


def result_keywords(engine: EngineInfo, recipe: Recipe, outcome: Outcome) -> tuple[Keyword, ...]:
    """Return the HISTORY cards of a new master, the first naming the engine that really made it.

    The rest is worded as ImageIntegration 1.6.0 words it, so that what reads PixInsight's masters reads
    these. Rejected samples are counted over all channels.
    """
    lines = [
        f"Integrated by ap-masters {engine.version}, {engine.name} engine, by the definitions of {engine.definition}",
        *(f"ImageIntegration.{name}: {value}" for name, value in _facts(recipe, outcome)),
    ]
    return tuple(Keyword("HISTORY", None, line) for line in lines)


def _facts(recipe: Recipe, outcome: Outcome) -> list[tuple[str, str]]:
    """Return names and values in ImageIntegration's order."""
    rejection, parameters = _REJECTION[recipe.rejection]
    facts = [
        ("pixelCombination", _COMBINATION[recipe.combination]),
        ("outputNormalization", _NORMALIZATION[recipe.normalization]),
        ("weightMode", "Don't care"),
        ("pixelRejection", rejection),
    ]
    if recipe.rejection is not Rejection.NONE:
        facts += [
            ("rejectionNormalization", _REJECTION_NORMALIZATION[recipe.rejection_normalization]),
            ("rejectionClippings", "low=yes high=yes"),
            ("rejectionParameters", parameters.format(recipe)),
        ]
    facts += [
        ("numberOfImages", str(len(outcome.frames))),
        ("totalPixels", str(outcome.pixels * len(outcome.frames))),
        ("outputRangeLow", f"{outcome.low:.8e}"),
        ("outputRangeHigh", f"{outcome.high:.8e}"),
    ]
    if recipe.rejection is not Rejection.NONE:
        samples = max(outcome.pixels * len(outcome.frames), 1)
        low, high = sum(f.rejected_low for f in outcome.frames), sum(f.rejected_high for f in outcome.frames)
        facts += [
            ("totalRejectedLow", f"{low}({low / samples:.3%})"),
            ("totalRejectedHigh", f"{high}({high / samples:.3%})"),
        ]
    for index, frame in enumerate(outcome.frames):
        facts += _frame_facts(index, frame, counts=recipe.rejection is not Rejection.NONE)
    return facts


def _frame_facts(index: int, frame: FrameOutcome, *, counts: bool) -> list[tuple[str, str]]:
    facts = []
    if frame.level is not None:
        facts.append((f"locationEstimates_{index}", f"{frame.level:.6e}"))
    if frame.scale is not None:
        facts.append((f"scaleFactors_{index}", f"{frame.scale:.6e}"))
    if counts:
        facts += [
            (f"rejectedLow_{index}", str(frame.rejected_low)),
            (f"rejectedHigh_{index}", str(frame.rejected_high)),
        ]
    return facts


class FrameHistory(NamedTuple):
    """What HISTORY says of one integrated frame."""

    rejected_low: int | None = None
    rejected_high: int | None = None
    location: float | None = None
    scale: float | None = None


class HistoryFacts(NamedTuple):
    """What HISTORY says of an integration; None where it is silent."""

    number: int | None
    rejected_low: int | None
    rejected_high: int | None
    combination: str | None
    rejection: str | None
    frames: tuple[FrameHistory, ...]


_LINE: Final = re.compile(r"ImageIntegration\.(\w+?)(?:_(\d+))?: (.*)")
_MOST_FRAMES: Final = 100_000  # an index beyond this is no frame's
_FRAME_FIELDS: Final = {
    "rejectedLow": ("rejected_low", int),
    "rejectedHigh": ("rejected_high", int),
    "locationEstimates": ("location", float),
    "scaleFactors": ("scale", float),
}


def read_history(keywords: Sequence[Keyword]) -> HistoryFacts:
    """Return what ImageIntegration's HISTORY cards say, PixInsight's and ours alike.

    A line that does not parse is passed over: the file is foreign.
    """
    facts: dict[str, str] = {}
    frames: dict[int, FrameHistory] = {}
    for keyword in keywords:
        match = _LINE.fullmatch(keyword.comment.strip()) if keyword.name == "HISTORY" else None
        if match is None:
            continue
        name, index, value = match.groups()
        if index is None:
            facts[name] = value.strip()
        elif name in _FRAME_FIELDS and int(index) < _MOST_FRAMES:
            frames[int(index)] = _with_fact(frames.get(int(index), FrameHistory()), name, value)
    return HistoryFacts(
        number=_whole(facts.get("numberOfImages")),
        rejected_low=_whole(facts.get("totalRejectedLow")),
        rejected_high=_whole(facts.get("totalRejectedHigh")),
        combination=facts.get("pixelCombination"),
        rejection=facts.get("pixelRejection"),
        frames=tuple(frames.get(i, FrameHistory()) for i in range(max(frames, default=-1) + 1)),
    )


def _with_fact(frame: FrameHistory, name: str, value: str) -> FrameHistory:
    field, kind = _FRAME_FIELDS[name]
    first = value.split(",")[0].strip()  # one value per channel; the first stands for the frame
    try:
        return frame._replace(**{field: kind(first)})
    except ValueError:
        return frame


def _whole(text: str | None) -> int | None:
    """Return the whole number at the start of "12345(0.123%)"."""
    match = re.match(r"\d+", text or "")
    return int(match.group()) if match else None
