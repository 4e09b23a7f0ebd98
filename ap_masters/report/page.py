"""What the page shows, put together from a scan: attention, coverage, trends, sensor, masters. Reads nothing."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ap_masters.config import CountPolicy, CountSettings, QualitySettings
from ap_masters.library.due import Due
from ap_masters.library.entries import Entry
from ap_masters.library.notes import MirrorNote
from ap_masters.library.scan import Scan
from ap_masters.model import FrameType, GroupKey, MasterStatus
from ap_masters.quality import DarkSeries, Doubling, dark_series, doublings, same_settings
from ap_masters.report.plots import Plot, number, trend
from ap_masters.wording import degrees

# How loud a line is; the word is shown, so that colour alone tells nothing.
LOUD: Final = {"refuse": 0, "service": 1, "refresh": 2, "warning": 3, "due": 4, "mirror": 1, "file": 3}

_TRENDS: Final = (
    ("median", "Median", True),
    ("hot pixels", "Hot pixels", True),
    ("stddev", "Standard deviation", True),
    ("read noise", "Read noise", False),
    ("amp glow", "Amp glow", True),
    ("cooler offset", "Cooler offset", False),
)
_MOST_LINEAGES: Final = 60


class Notice(NamedTuple):
    """One line of what needs attention."""

    level: str
    subject: str
    text: str


class Cell(NamedTuple):
    """One field of the coverage table: "32/30" and how good that is; empty where there is no master."""

    text: str = ""
    grade: str = "none"
    due: bool = False
    link: str | None = None
    below_minimum: bool = False


class Coverage(NamedTuple):
    """Bias and darks of one camera and mode: set-points down, exposures across."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


class FlatRow(NamedTuple):
    """Flats of one camera and filter: how many masters, and the newest."""

    camera: str
    filter: str
    masters: int
    newest: str
    frames: str
    level: str


class Lineage(NamedTuple):
    """Masters of the same settings through the years, and their plots."""

    title: str
    plots: tuple[Plot, ...]


class SensorRow(NamedTuple):
    """What masters tell of a sensor: name, value, and how it was found."""

    camera: str
    quantity: str
    value: str
    source: str


class MasterRow(NamedTuple):
    """One master of the list."""

    path: str
    description: str
    status: str
    frames: str
    taken: str
    values: tuple[str, ...]
    findings: tuple[Notice, ...]
    labels: tuple[str, ...]
    picture: str | None = None


class Page(NamedTuple):
    """Everything the template needs."""

    counts: tuple[tuple[str, int], ...]
    notices: tuple[Notice, ...]
    coverage: tuple[Coverage, ...]
    flats: tuple[FlatRow, ...]
    lineages: tuple[Lineage, ...]
    sensor: tuple[SensorRow, ...]
    current: tuple[MasterRow, ...]
    retired: tuple[MasterRow, ...]


COLUMNS: Final = (
    ("Median", "median"),
    ("Mean", "mean"),
    ("Std-dev", "stddev"),
    ("Hot px", "hot pixels"),
    ("Noise", "robust sigma"),
)


def build_page(
    found: Scan,
    what_is_due: Due,
    mirror: Sequence[MirrorNote],
    *,
    counts: CountSettings,
    quality: QualitySettings,
    pictures: dict[str, str] | None = None,
) -> Page:
    """Return the page of a library; ``pictures`` are data URIs by path of a master."""
    published = [e for e in found.entries if e.status is MasterStatus.PUBLISHED]
    due_paths = {item.path for item in what_is_due.items if item.path}
    rows = [_master_row(entry, (pictures or {}).get(entry.path)) for entry in found.entries]
    return Page(
        counts=tuple((status.value, sum(e.status is status for e in found.entries)) for status in MasterStatus),
        notices=tuple(sorted(_notices(found, what_is_due, mirror), key=lambda n: (LOUD.get(n.level, 9), n.subject))),
        coverage=tuple(_coverage(published, counts, due_paths)),
        flats=tuple(_flats(published)),
        lineages=tuple(_lineages(found.entries, quality)),
        sensor=tuple(_sensor(published)),
        current=tuple(row for row in rows if row.status != "superseded"),
        retired=tuple(row for row in rows if row.status == "superseded"),
    )


def _notices(found: Scan, what_is_due: Due, mirror: Sequence[MirrorNote]) -> Iterator[Notice]:
    for entry in found.entries:
        if entry.status is not MasterStatus.SUPERSEDED:
            yield from (n for n in _findings(entry) if n.level != "note")
    for item in what_is_due.items:
        causes = "; ".join(dict.fromkeys(reason.detail for reason in item.reasons))
        yield Notice("due", item.path or item.description, causes)
    yield from (Notice("mirror", note.path, f"{note.target}: {note.detail}") for note in mirror)
    yield from (Notice("file", problem.path, problem.detail) for problem in found.problems)


def _findings(entry: Entry) -> tuple[Notice, ...]:
    return tuple(Notice(f.severity, entry.path, f.message) for f in entry.findings)


# --- coverage ---------------------------------------------------------------------------------------------


def _mode(key: GroupKey) -> str:
    bare = key.model_copy(
        update={"type": FrameType.BIAS, "exposure": None, "temperature": None, "filter": None, "night": None}
    )
    return bare.describe().removeprefix("bias, ")


def _coverage(published: Sequence[Entry], counts: CountSettings, due: set[str]) -> Iterator[Coverage]:
    modes: dict[str, list[Entry]] = defaultdict(list)
    for entry in published:
        if entry.key.type in {FrameType.BIAS, FrameType.DARK}:
            modes[_mode(entry.key)].append(entry)
    for title, entries in sorted(modes.items()):
        exposures = sorted({e.key.exposure or 0.0 for e in entries if e.key.type is FrameType.DARK})
        temperatures = sorted({e.key.temperature for e in entries}, key=lambda t: (t is None, t or 0.0))
        rows = []
        for name in dict.fromkeys(map(_at, temperatures)):
            here = [e for e in entries if _at(e.key.temperature) == name]
            cells = [_cell([e for e in here if e.key.type is FrameType.BIAS], counts.bias, due)]
            cells += [
                _cell(
                    [e for e in here if e.key.type is FrameType.DARK and (e.key.exposure or 0.0) == exposure],
                    counts.dark,
                    due,
                )
                for exposure in exposures
            ]
            rows.append((name, tuple(cells)))
        yield Coverage(title, ("bias", *(f"{exposure:g} s" for exposure in exposures)), tuple(rows))


def _at(temperature: float | None) -> str:
    return degrees(temperature) if temperature is not None else "unknown"


def _cell(entries: Sequence[Entry], policy: CountPolicy, due: set[str]) -> Cell:
    if not entries:
        return Cell()
    best = max(entries, key=lambda e: (e.frames or 0, e.path))
    overdue = best.path in due
    if best.frames is None:
        return Cell("yes", "full", overdue, best.path)
    grade = "full" if best.frames >= policy.recommended else "thin"
    text = f"{best.frames}/{policy.recommended}"
    return Cell(text, grade, overdue, best.path, best.frames < policy.minimum)


def _flats(published: Sequence[Entry]) -> Iterator[FlatRow]:
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in published:
        if entry.key.type is FrameType.FLAT:
            groups[entry.key.camera or "unknown camera", entry.key.filter or "no filter"].append(entry)
    for (camera, name), entries in sorted(groups.items()):
        newest = max(entries, key=lambda e: (e.taken is not None, e.taken.timestamp() if e.taken else 0.0))
        level = newest.value("flat level")
        yield FlatRow(
            camera,
            name,
            len(entries),
            newest.taken.date().isoformat() if newest.taken else "unknown",
            str(newest.frames or ""),
            f"{level:.0f} %" if level is not None else "",
        )


# --- trends -----------------------------------------------------------------------------------------------


def _lineages(entries: Sequence[Entry], quality: QualitySettings) -> Iterator[Lineage]:
    """Yield the history of every published bias and dark that has one; the longest first."""
    families: list[list[Entry]] = []
    index: dict[tuple[object, ...], list[list[Entry]]] = defaultdict(list)
    for entry in entries:
        if entry.key.type is FrameType.FLAT or entry.status is MasterStatus.QUARANTINED or entry.taken is None:
            continue
        # Only masters of one camera, gain, offset and type can be of one family: no need to compare with all.
        rough = (entry.key.camera, entry.key.gain, entry.key.offset, entry.key.type, entry.calibration_state)
        family = next((f for f in index[rough] if same_settings(f[0].key, entry.key)), None)
        if family is None:
            family = []
            index[rough].append(family)
            families.append(family)
        family.append(entry)
    told = sorted((f for f in families if len(f) > 1), key=lambda f: (-len(f), f[0].key.describe()))
    for family in told[:_MOST_LINEAGES]:
        plots = [_plot(family, *row, quality.refresh_percent) for row in _TRENDS]
        yield Lineage(family[0].key.describe(), tuple(plot for plot in plots if plot))


def _plot(family: Sequence[Entry], measure: str, title: str, limited: bool, percent: float) -> Plot | None:
    points = [
        (entry.taken, found.value, found.unit)
        for entry in family
        for found in entry.measures
        if found.name == measure and entry.taken
    ]
    unit = points[0][2] if points else ""
    return trend(title, unit, [(when, value) for when, value, _ in points], percent=percent if limited else None)


# --- sensor -----------------------------------------------------------------------------------------------


def _sensor(published: Sequence[Entry]) -> Iterator[SensorRow]:
    series = dark_series(level for entry in published if (level := entry.level))
    yield from (_series_row(s) for s in series)
    yield from (_doubling_row(d) for d in doublings(series))
    newest: dict[tuple[str, str, str], Entry] = {}
    for entry in sorted(published, key=lambda e: e.taken.timestamp() if e.taken else 0.0):
        for name in ("read noise", "gain"):
            if entry.value(name) is not None:
                newest[entry.key.camera or "", _mode(entry.key), name] = entry
    for (_, mode, name), entry in sorted(newest.items(), key=lambda item: item[0]):
        measure = next(m for m in entry.measures if m.name == name)
        value = f"{number(measure.value)} {measure.unit}"
        if measure.physical is not None:
            value += f" = {number(measure.physical)} {measure.physical_unit}"
        if name == "gain" and entry.electrons_per_adu:
            value += f" (header: {number(entry.electrons_per_adu)})"
        yield SensorRow(mode, name.capitalize(), value, entry.path)


def _series_row(series: DarkSeries) -> SensorRow:
    value = f"{number(series.adu_per_second)} ADU/s"
    if series.error is not None:
        value += f" ± {series.error:.2g}"
    if series.electrons_per_second is not None:
        value += f" = {number(series.electrons_per_second)} e-/s"
    place = f" at {degrees(series.temperature)}" if series.temperature is not None else ""
    exposures = ", ".join(f"{e:g}" for e in series.exposures)
    return SensorRow(series.settings, f"Dark current{place}", value, f"medians of {exposures} s")


def _doubling_row(found: Doubling) -> SensorRow:
    temperatures = ", ".join(degrees(t, "") for t in found.temperatures)
    return SensorRow(found.settings, "Dark current doubles every", f"{found.degrees:.1f} °C", f"from {temperatures} °C")


def _master_row(entry: Entry, picture: str | None) -> MasterRow:
    values = [entry.value(measure) for _, measure in COLUMNS]
    return MasterRow(
        path=entry.path,
        description=entry.key.describe(),
        status=entry.status.value,
        frames=str(entry.frames or ""),
        taken=entry.taken.date().isoformat() if entry.taken else "",
        values=tuple(number(v) if v is not None else "" for v in values),
        findings=_findings(entry),
        labels=entry.labels,
        picture=picture,
    )
