"""The gate: what a master's measures mean, alone and against its predecessor, and whether it may be published."""

from collections.abc import Callable, Iterator

from ap_masters.config import CullSettings, FlatSettings, QualitySettings
from ap_masters.model import MasterStatus
from ap_masters.quality import content, drift
from ap_masters.quality.case import Case
from ap_masters.quality.metrics import measures
from ap_masters.record import Finding, Record

RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    content.lit,
    content.vignetted,
    content.contradicted,
    content.over_subtracted,
    content.mixed,
    drift.drifts,
    drift.cooler,
    content.gradient,
    content.warm_up,
    content.strays,
    content.temperature,
    content.cooler_power,
    content.flat_level,
    content.target,
    content.flat_shape,
    content.noise,
    content.gain,
    content.clipped,
    content.rejection,
    content.mostly_rejected,
    content.one_sided,
)


def judge(
    record: Record,
    predecessor: Record | None,
    settings: QualitySettings,
    *,
    cull: CullSettings | None = None,
    flat: FlatSettings | None = None,
) -> Record:
    """Return the record with its measures, its findings and its status: published or quarantined.

    ``predecessor`` is the published master of the same settings, if there is one; a master of other settings
    that merely stood in the same place is not compared. Measures that are in the record already and are not
    among those of ``measures`` (read noise, gain) are kept and judged too. With ``settings.gate`` off the
    findings are the same and the master is published.
    """
    own = measures(record)
    names = {m.name for m in own}
    case = Case(
        record,
        (*own, *(m for m in record.measures if m.name not in names)),
        predecessor if predecessor is not None and drift.comparable(record, predecessor) else None,
        settings,
        cull or CullSettings(),
        flat or FlatSettings(),
    )
    findings = tuple(finding for rule in RULES for finding in rule(case))
    refused = settings.gate and any(f.severity == "refuse" for f in findings)
    status = MasterStatus.QUARANTINED if refused else MasterStatus.PUBLISHED
    return record.model_copy(update={"measures": case.measured, "findings": findings, "status": status})
