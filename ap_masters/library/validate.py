"""Does every planned light, or every light in a folder, find its masters? What is missing becomes a capture list."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters.config import CountSettings, CullSettings, MatchSettings
from ap_masters.errors import AttentionNeeded, LibraryError, reason_of
from ap_masters.files import write_text
from ap_masters.group.cull import off_set_point
from ap_masters.library.capture import Gap, PlannedLight
from ap_masters.match import LightMatch, match_light
from ap_masters.model import (
    Frame,
    FrameType,
    GroupKey,
    ImageFormat,
    Master,
    MasterStatus,
    Noun,
    both_within,
    distinctions,
)
from ap_masters.safe import markdown, one_line
from ap_masters.stamps import stamp
from ap_masters.wording import degrees, number

_MODE: Final = (
    "camera",
    "camera_id",
    "gain",
    "offset",
    "iso",
    "x_binning",
    "y_binning",
    "width",
    "height",
    "channels",
    "bayer_pattern",
    "readout_mode",
    "usb_limit",
)


class Coverage(NamedTuple):
    """The master that serves, its number of frames, how many are wanted, and gain and offset of more of the kind."""

    master: str | None
    have: int
    need: int
    gain: float | None
    offset: float | None


class Row(Noun):
    """One planned light, or all lights of the same settings, and what serves them."""

    light: PlannedLight
    description: str
    lights: int = 0
    dark: Coverage
    flat: Coverage | None = None
    bias: str | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def served(self) -> bool:
        """Whether everything that is needed is there."""
        return self.dark.master is not None and (self.flat is None or self.flat.master is not None)


class Validation(Noun):
    """What was asked of the library, what serves, and what is to be captured."""

    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]

    @property
    def exit_code(self) -> int:
        """0 every light that is not optional is served, 8 some are not."""
        return AttentionNeeded.exit_code if any(not row.served and not row.light.optional for row in self.rows) else 0


def validate_plan(
    plan: Sequence[PlannedLight], masters: Sequence[Master], match: MatchSettings, counts: CountSettings
) -> Validation:
    """Return what serves each row of a capture plan: a dark, and a flat where the row names a filter."""
    shelves: dict[tuple[object, ...], list[Master]] = defaultdict(list)
    flats: dict[str | None, list[Master]] = defaultdict(list)  # they serve lights of any gain and offset
    for master in masters:
        if master.status is MasterStatus.PUBLISHED and master.key.type is FrameType.FLAT:
            flats[master.key.filter].append(master)
        elif master.status is MasterStatus.PUBLISHED:
            shelves[tuple(getattr(master.key, name) for name in _MODE)].append(master)
    every = [master for alike in flats.values() for master in alike]
    rows = [_planned_row(light, shelves, flats.get(light.filter, every), match, counts) for light in plan]
    return _validation(rows, match)


def validate_lights(
    lights: Sequence[Frame],
    masters: Sequence[Master],
    match: MatchSettings,
    counts: CountSettings,
    cull: CullSettings,
) -> Validation:
    """Return what serves the lights of each camera, mode, set-point, exposure, filter and night: a dark and a flat.

    ``cull`` says how far from its set-point the sensor may be.
    """
    kinds: dict[tuple[object, ...], list[Frame]] = defaultdict(list)
    for frame in lights:
        mode = tuple(getattr(frame, name) for name in (*_MODE, "filter", "telescope"))
        ways = (frame.night, frame.rotation, frame.focal_length, frame.row_order)
        kinds[(*mode, _tenth(frame.temperature), frame.exposure), ways].append(frame)
    rows: dict[tuple[object, ...], Row] = {}
    lights_of: dict[tuple[object, ...], list[Frame]] = defaultdict(list)
    for (kind, _), frames in kinds.items():
        light = _as_planned(frames[0])
        row = _row(light, match_light(frames[0], masters, match), counts, lights=len(frames), with_flat=True)
        served = kind, row.dark.master, row.flat and row.flat.master, row.bias
        if known := rows.get(served):  # nights that the same masters serve, or nothing does, are one row
            said = tuple(dict.fromkeys((*known.warnings, *row.warnings)))
            row = known.model_copy(update={"lights": known.lights + row.lights, "warnings": said})
        rows[served] = row
        lights_of[served] += frames
    told = [
        row.model_copy(update={"warnings": (*row.warnings, *_off_set_point(lights_of[served], cull))})
        for served, row in rows.items()
    ]
    told = _told_apart(told, [lights_of[served][0] for served in rows])
    return _validation(sorted(told, key=lambda row: row.description), match)


def _off_set_point(lights: Sequence[Frame], cull: CullSettings) -> list[str]:
    """Return that lights were taken off their set-point, as frames are that a build drops: their dark is of another."""
    off = [frame for frame in lights if off_set_point(frame, cull.drop_temperature_c)]
    if not off:
        return []
    farthest = max(off, key=lambda frame: frame.excursion or 0.0)
    return [
        f"{len(off)} of {number(len(lights), 'light')} off the set-point, where the dark is not: {farthest.path.name}, "
        f"{off_set_point(farthest, cull.drop_temperature_c)}"
    ]


def _told_apart(rows: Sequence[Row], lights: Sequence[Frame]) -> list[Row]:
    """Add to the descriptions of rows that read alike what differs in their lights: a telescope, a night, a window."""
    alike: dict[str, list[GroupKey]] = defaultdict(list)
    keys = [GroupKey.of(light) for light in lights]
    for row, key in zip(rows, keys, strict=True):
        alike[row.description].append(key)
    return [
        row.model_copy(update={"description": ", ".join((row.description, *distinctions(key, alike[row.description])))})
        for row, key in zip(rows, keys, strict=True)
    ]


def _tenth(temperature: float | None) -> float | None:
    return None if temperature is None else round(temperature, 1)


def _as_planned(frame: Frame) -> PlannedLight:
    fields = frame.model_dump(include=set(PlannedLight.model_fields) - {"exposure"})
    return PlannedLight(**fields, temperature=frame.temperature, exposure=frame.exposure or 0.0)


def _planned_row(
    light: PlannedLight,
    shelves: Mapping[tuple[object, ...], Sequence[Master]],
    flats: Sequence[Master],
    match: MatchSettings,
    counts: CountSettings,
) -> Row:
    """Ask every camera and mode that the row allows, and keep the best answer: what serves, or lacks least."""
    answers: list[tuple[LightMatch, Row]] = []
    with_flat = light.filter is not None
    for mode, masters in shelves.items():
        told = dict(zip(_MODE, mode, strict=True))
        if any(v is not None and v != told[n] for n, v in light.model_dump(include=set(_MODE)).items()):
            continue
        darks = {m.key.temperature for m in masters if m.key.type is FrameType.DARK}
        for temperature in [light.temperature] if light.temperature is not None else sorted(darks, key=str):
            frame = _imagined(light, told, temperature)
            found = match_light(frame, [*masters, *flats], match, with_flat=with_flat)
            answers.append((found, _row(light, found, counts, with_flat=with_flat)))
    if not answers:
        empty = LightMatch(
            problems=("no master of that camera, gain, offset, ISO, binning, readout mode or USB limit",)
        )
        return _row(light, empty, counts, with_flat=with_flat)

    def merit(answer: tuple[LightMatch, Row]) -> tuple[float, ...]:
        found, row = answer
        return row.served, found.dark is not None, -found.lack, row.dark.have

    return max(answers, key=merit)[1]


def _imagined(light: PlannedLight, mode: Mapping[str, object], temperature: float | None) -> Frame:
    """Return a light as the camera would write it in that mode."""
    sky = {"filter": light.filter, "telescope": light.telescope, "exposure": light.exposure}
    size = {name: mode[name] or 1 for name in ("width", "height", "channels")}
    return Frame.model_validate(
        {**mode, **size, **sky, "path": Path("plan"), "format": ImageFormat.FITS, "size": 0, "mtime_ns": 0}
        | {"type": FrameType.LIGHT, "set_temperature": temperature}
    )


def _row(light: PlannedLight, found: LightMatch, counts: CountSettings, *, lights: int = 0, with_flat: bool) -> Row:
    return Row(
        light=light,
        description=describe(light),
        lights=lights,
        dark=_coverage(found.dark, light.count or counts.dark.recommended, light),
        flat=_coverage(found.flat, counts.flat.recommended, light) if with_flat else None,
        bias=found.bias.path.as_posix() if found.bias else None,
        problems=found.problems,
        warnings=found.warnings,
    )


def _coverage(master: Master | None, need: int, light: PlannedLight) -> Coverage:
    if master is None:
        return Coverage(None, 0, need, light.gain, light.offset)
    # A master that does not say how many frames it holds is taken at its word.
    have = need if master.frames is None else master.frames
    return Coverage(master.path.as_posix(), have, need, master.key.gain, master.key.offset)


def _validation(rows: Sequence[Row], match: MatchSettings) -> Validation:
    gaps: list[Gap] = []
    for row in rows:
        gaps += (gap for gap in _gaps(row) if not any(_is_one(gap, other, match) for other in gaps))
    return Validation(rows=tuple(rows), gaps=tuple(gaps))


def _is_one(gap: Gap, other: Gap, match: MatchSettings) -> bool:
    """Whether the frames of one gap fill another too: flats also where only the temperature is a little different."""
    alike = other.model_copy(update={"reason": gap.reason})
    if gap.type is FrameType.FLAT and both_within(
        gap.temperature, other.temperature, match.flat_temperature_tolerance_c
    ):
        alike = alike.model_copy(update={"temperature": gap.temperature})
    return alike == gap


def _gaps(row: Row) -> Iterable[Gap]:
    wanted = [(FrameType.DARK, row.dark), *([(FrameType.FLAT, row.flat)] if row.flat else [])]
    for frame_type, coverage in wanted:
        if coverage.have < coverage.need:
            light, flat = row.light, frame_type is FrameType.FLAT
            yield Gap(
                type=frame_type,
                exposure=None if flat else light.exposure,  # a flat's is found at the panel
                gain=coverage.gain,
                offset=coverage.offset,
                temperature=light.temperature,
                binning=f"{light.x_binning}x{light.y_binning or light.x_binning}" if light.x_binning else None,
                readout_mode=light.readout_mode,
                iso=None if flat else light.iso,
                usb_limit=None if flat else light.usb_limit,
                camera=light.camera,
                camera_id=light.camera_id,
                filter=light.filter if flat else None,
                have=coverage.have,
                need=coverage.need,
                count=coverage.need - coverage.have,
                optional=light.optional,
                reason="no master" if coverage.master is None else f"{coverage.have} of {coverage.need} frames",
            )


def describe(light: PlannedLight) -> str:
    """Return one line: ``300 s, Ha, gain 100, offset 50, -10 °C``."""
    parts = [f"{light.exposure:g} s", light.filter, light.camera, light.readout_mode]
    for name, value in (("gain", light.gain), ("offset", light.offset), ("ISO", light.iso)):
        parts.append(f"{name} {value:g}" if value is not None else None)
    parts.append(degrees(light.temperature) if light.temperature is not None else None)
    parts.append(f"bin {light.x_binning}x{light.y_binning or light.x_binning}" if light.x_binning else None)
    return one_line(", ".join(part for part in parts if part))


def write_note(library: Path, validation: Validation, *, now: datetime) -> Path:
    """Write the result as a dated note into the library's ``notes`` and return its path (S0-26, S1-24).

    Masters stand in it by their places in the library, so that it holds wherever that is moved. Raises LibraryError
    where it cannot be written.
    """
    served = sum(row.served for row in validation.rows)
    lines = [
        f"# Validation of {now:%Y-%m-%d %H:%M}",
        "",
        f"{served} of {len(validation.rows)} planned exposures find their masters.",
        "",
        "| Light | Dark | Frames | Flat |",
        "|---|---|--:|---|",
    ]
    for row in validation.rows:
        flat = "" if row.flat is None else _place(row.flat, library)
        cells = (row.description, _place(row.dark, library), f"{row.dark.have}/{row.dark.need}", flat)
        lines.append("| " + " | ".join(markdown(cell) for cell in cells) + " |")
    path = library / "notes" / f"validation_{stamp(now)}.md"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise LibraryError(
            f"{path.parent}: the note cannot be written ({reason_of(error)}). "
            "Mend the permissions or make room there, or ask without --note"
        ) from error
    return path


def _place(coverage: Coverage, library: Path) -> str:
    if coverage.master is None:
        return "missing"
    master = Path(coverage.master)
    return (master.relative_to(library) if master.is_relative_to(library) else master).as_posix()
