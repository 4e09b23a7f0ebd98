"""What a rule of the gate looks at, and what it answers with."""

from typing import NamedTuple

from ap_masters.config import CullSettings, FlatSettings, QualitySettings
from ap_masters.model import FrameType, inclusive
from ap_masters.quality.metrics import frame_levels, value_of
from ap_masters.record import Finding, Measure, Record, Severity

SIGNIFICANT = 4.0  # standard errors: over some ten metrics and a thousand seasons, not one false alarm


def beyond(new: float, old: float, percent: float) -> bool:
    """Whether ``new`` differs from ``old`` by more than ``percent`` per cent of ``old``: 1100 from 1000 not by 10 %.

    What is no number is beyond nothing.
    """
    return abs(new - old) > inclusive(percent * abs(old) / 100)


class Case(NamedTuple):
    """What a rule looks at."""

    record: Record
    measured: tuple[Measure, ...]
    predecessor: Record | None
    settings: QualitySettings
    cull: CullSettings
    flat: FlatSettings

    @property
    def type(self) -> FrameType:
        """The frame type of the master."""
        return self.record.key.type

    def value(self, name: str) -> float | None:
        """Return a measure's value, or None where it was not measured."""
        found = value_of(self.measured, name)
        return found.value if found else None

    @property
    def frame_levels(self) -> list[float]:
        """Levels of the single frames in ADU, where the engine told them."""
        return frame_levels(self.record)


def told(severity: Severity, measure: Measure, message: str, limit: float | None = None) -> Finding:
    """Return a finding about one measure; a ``limit`` is in per cent."""
    return Finding(
        severity=severity,
        metric=measure.name,
        message=message,
        value=measure.value,
        limit=limit,
        unit="%" if limit is not None else measure.unit,
    )
