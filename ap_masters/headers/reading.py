"""Header -> Frame: every property, with the keyword or name it was taken from."""

from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ap_masters.headers import names, spellings
from ap_masters.headers.frame_types import is_type_word, read_type
from ap_masters.headers.hints import in_doubt, with_hint
from ap_masters.headers.index import HeaderIndex
from ap_masters.headers.integrated import calibrated_before, evidence_of, letters_of
from ap_masters.headers.spellings import Spelling
from ap_masters.headers.targets import may_be_a_target
from ap_masters.headers.traps import traps
from ap_masters.headers.values import julian, local_moment, longitude, moment, number, pair, seconds, text, whole
from ap_masters.model import DARKS, Decision, Frame, FrameType, ImageInfo
from ap_masters.wording import degrees

# A set-point of 0 further than this from the sensor is a capture program's default, not a set-point.
_SET_POINT_BELIEVED_C = 5.0
_IMAGE_TYPE = "XISF imageType"
# The numbers that a name can tell, beside the temperature: a header with all of them spares the search, which takes
# a twentieth of the time of a scan.
_NUMBERS_IN_NAMES = {"exposure", "gain", "offset", "usb_limit", "x_binning"}


def frame_from(info: ImageInfo, *, size: int, mtime_ns: int, root: Path | None = None) -> Frame:
    """Return what the header, then the file name, then the folders up to ``root`` say of one file.

    Never raises for what stands in a header: a value that makes no sense is None, with a warning where it matters.
    Without ``root`` no folder is looked at; `with_hint` does that later.
    """
    reading = Reading(info)
    reading.read_type()
    reading.read_tables()
    reading.read_binning()
    reading.read_origin()
    reading.read_bayer_offsets()
    reading.read_times()
    reading.read_file_name()
    reading.read_evidence()
    frame = reading.frame(size=size, mtime_ns=mtime_ns)
    return with_hint(frame, names.folder_hint(info.path.parent, root)) if root is not None else frame


class _StatedType(NamedTuple):
    """One place that states the frame type, and what its spelling means."""

    source: str
    spelling: str
    type: FrameType | None
    master: bool


def _passes_for(chosen: _StatedType, other: _StatedType) -> bool:
    """Whether two statements of the type agree; an XISF imageType has no word for dark flats and says dark."""
    no_word = other.source == _IMAGE_TYPE and {chosen.type, other.type} == DARKS
    return chosen.type is other.type or no_word


class Reading:
    """One header being understood: the fields found so far, with the decisions and warnings they gave rise to."""

    def __init__(self, info: ImageInfo) -> None:
        self._info = info
        self._header = HeaderIndex(info)
        self._stem = names.stem_of(info.path)
        self._master_name = names.is_master_name(self._stem)
        self._type_says_master: str | None = None
        self._fields: dict[str, object] = {}
        self._decisions: list[Decision] = []
        self._warnings: list[str] = []

    def frame(self, *, size: int, mtime_ns: int) -> Frame:
        """Return the frame as far as it was read, with a warning for every trap it is in."""
        info = self._info
        frame = Frame.model_validate(
            self._fields
            | {
                "path": info.path,
                "format": info.format,
                "size": size,
                "mtime_ns": mtime_ns,
                "width": info.width,
                "height": info.height,
                "channels": info.channels,
                "sample": info.sample,
                "decisions": tuple(self._decisions),
                "warnings": tuple(self._warnings),
            }
        )
        found = traps(frame, self._header, info)
        return frame.model_copy(update={"warnings": (*frame.warnings, *found)}) if found else frame

    # --- the frame type ---

    def read_type(self) -> None:
        """Set the type from the first place that names one of ours; ``type_text`` is the first spelling there is."""
        stated = self._stated_types()
        if not stated:
            return
        own = f"keyword {spellings.OWN_TYPE}"
        self._fields["type_text"] = next((row for row in stated if row.source != own), stated[0]).spelling
        self._type_says_master = next((f"{row.source} '{row.spelling}'" for row in stated if row.master), None)
        chosen = next((row for row in stated if row.type is not None), None)
        if chosen is None:
            return
        self._decide("type", chosen.type, f"{chosen.source} '{chosen.spelling}'")
        other = next((row for row in stated if row.type is not None and not _passes_for(chosen, row)), None)
        if other and chosen.source != own:
            self._warnings.append(
                f"{chosen.source} says {chosen.type}, {other.source} says {other.type}: taken as {chosen.type}"
            )

    def _stated_types(self) -> list[_StatedType]:
        """Return all that states a frame type, in the order of belief."""
        stated = []
        for keyword in (spellings.OWN_TYPE, *spellings.TYPE_KEYWORDS):
            spelling = text(self._header.get(keyword))
            if spelling is None or number(spelling) is not None or spelling.upper() in spellings.NOTHING["type"]:
                continue
            kind, master = read_type(spelling)
            if kind is not None or keyword not in spellings.TYPE_AMONG_OTHERS:
                stated.append(_StatedType(f"keyword {keyword}", spelling, kind, master))
        picture = whole(self._header.get("PICTTYPE"))
        if picture in spellings.PICTURE_TYPES:
            stated.append(_StatedType("keyword PICTTYPE", str(picture), spellings.PICTURE_TYPES[picture], False))
        if self._info.image_type:
            stated.append(_StatedType(_IMAGE_TYPE, self._info.image_type, *read_type(self._info.image_type)))
        return stated

    # --- the tables ---

    def read_tables(self) -> None:
        """Set every number and text of the tables from the first spelling that says something."""
        for spelling in spellings.NUMBERS:
            self._read_number(spelling)
        for spelling in spellings.TEXTS:
            self._read_text(spelling)
        self._doubt_gain()
        self._doubt_set_point()

    def _read_number(self, spelling: Spelling) -> None:
        for keyword in spelling.keywords:
            value = self._number_at(keyword, spelling.field)
            if value is not None and _can_be(spelling.field, value):
                self._decide(spelling.field, value, _source(keyword))
                return
        if spelling.field in spellings.IMPOSSIBLE and self._fields.get("type") is not FrameType.BIAS:
            self._refuse(spelling)

    def _number_at(self, keyword: str, field: str) -> float | None:
        """Return the number at a keyword in our unit, whether it can be or not."""
        raw = self._header.get(keyword)
        if field == "exposure" and (timed := seconds(raw)) is not None:
            return timed
        if isinstance(raw, str):
            around = spellings.PREFIXES.get(field, ""), spellings.SUFFIXES.get(field, "")
            raw = raw.strip(" '").upper().removeprefix(around[0]).removesuffix(around[1])
        value = number(raw)
        if value is None:
            return None
        return number(value * (spellings.FACTORS.get(keyword) or self._commented_factor(field, keyword)))

    def _refuse(self, spelling: Spelling) -> None:
        """Say what stands there and cannot be, of a property that frames are of no use without."""
        for keyword in spelling.keywords:
            raw = self._header.get(keyword)
            shown = raw if isinstance(raw, bool) else text(raw)
            if shown is not None:
                told = f"{keyword} '{shown}' {spellings.IMPOSSIBLE[spelling.field]}"
                self._decisions.append(_decision(spelling.field, "unknown", told))
                self._warnings.append(told)

    def _commented_factor(self, field: str, keyword: str) -> float:
        """Return the factor of the unit that the keyword's comment names, 1 where it names none of those known."""
        comment = self._header.comment(keyword)
        units = spellings.COMMENTED_FACTORS.get(field, ()) if comment else ()
        return next((factor for pattern, factor in units if pattern.search(comment)), 1.0)

    def _read_text(self, spelling: Spelling) -> None:
        for keyword in spelling.keywords:
            raw = self._header.get(keyword)
            value = text(raw) if raw is not None else None
            if value is None or value.upper() in spellings.NOTHING.get(spelling.field, ()):
                continue
            if spelling.field == "camera_id" and not value.strip("0-"):
                continue  # a serial number of zeros is a driver's "none"
            if spelling.field == "bayer_pattern" and not spellings.PATTERN.fullmatch(value):
                continue
            if spelling.field == "calibration_state" and not (value := letters_of(value)):
                continue
            if spelling.field in {"bayer_pattern", "row_order"}:
                value = value.upper()
            if keyword in spellings.WHEELS:
                value = self._through_all_wheels(value, keyword)
            self._decide(spelling.field, value, _source(keyword))
            return

    def _through_all_wheels(self, value: str, keyword: str) -> str:
        """Return the name of a filter with those in the wheels behind it, as the WHT writes them: CLEAR+V400."""
        behind = spellings.WHEELS[spellings.WHEELS.index(keyword) + 1 :]
        others = (text(self._header.get(wheel)) for wheel in behind)
        return "+".join((value, *(name for name in others if name and name.upper() not in spellings.NOTHING["filter"])))

    def _doubt_gain(self) -> None:
        """Forget a gain of 0 from Astro Pixel Processor, which means "gain or ISO not known" there."""
        software = self._fields.get("software")
        if self._fields.get("gain") == 0 and isinstance(software, str) and software.startswith("Astro Pixel"):
            self._forget("gain")

    def _doubt_set_point(self) -> None:
        """Forget a set-point of 0 °C far from the sensor: SharpCap writes it where no set-point was given."""
        measured = self._fields.get("sensor_temperature")
        if self._fields.get("set_temperature") != 0 or not isinstance(measured, float):
            return
        if abs(measured) > _SET_POINT_BELIEVED_C:
            self._forget("set_temperature")
            self._warnings.append(
                f"the set-point of 0 °C is not believed, as the sensor is more than {degrees(_SET_POINT_BELIEVED_C)} "
                "from it: the sensor temperature counts"
            )

    # --- what needs more than a table ---

    def read_binning(self) -> None:
        """Set both binning factors; a factor given for one axis alone holds for both."""
        for keywords in (*spellings.BINNINGS, spellings.BINNING_PROPERTIES):
            horizontal, vertical = (whole(self._header.get(keyword)) for keyword in keywords)
            if horizontal or vertical:
                self._set_binning(horizontal or vertical, vertical or horizontal, _source(keywords[0]))
                return
        for keyword in spellings.BINNING_PAIRS:
            both = pair(self._header.get(keyword))
            if both:
                self._set_binning(*both, _source(keyword))
                return

    def read_origin(self) -> None:
        """Set where a window of the sensor begins; most programs that say so say 0 of the whole sensor."""
        for field, keyword in zip(("x_origin", "y_origin"), spellings.ORIGINS, strict=True):
            if value := whole(self._header.get(keyword)):
                self._decide(field, value, _source(keyword))

    def read_bayer_offsets(self) -> None:
        """Set where the Bayer pattern begins."""
        software = self._fields.get("software")
        if isinstance(software, str) and software.startswith(spellings.OFFSETS_SAY_NOTHING):
            return
        for keywords in spellings.BAYER_OFFSETS:
            for field, keyword in zip(("x_bayer_offset", "y_bayer_offset"), keywords, strict=True):
                value = number(self._header.get(keyword))
                if value is not None and value.is_integer():
                    self._fields.setdefault(field, int(value))

    def read_times(self) -> None:
        """Set start (UTC), local start and night: noon to noon in local time, or in that of the site's longitude."""
        started = self._read_start()
        for keyword in spellings.LOCAL:
            local = local_moment(self._header.get(keyword))
            if local is not None:
                self._fields["local_started"] = local
                self._decide_night(local, f"{_source(keyword)}, local noon to noon")
                return
        if started is None:
            return
        for keyword in spellings.LONGITUDES:
            if east := longitude(self._header.get(keyword)):  # nought is what programs write that were told none
                east = -east if spellings.WEST.search(self._header.comment(keyword)) else east
                local = (started + timedelta(hours=east / 15)).replace(tzinfo=None)
                self._fields["local_started"] = local  # which goes into the master, so that its night can be told too
                self._decide_night(local, f"{_source(keyword)}, noon to noon there, as the header has no local time")
                return
        self._decide_night(started, "UTC noon to noon, as the header has no local time")

    def _read_start(self) -> datetime | None:
        clocks = [self._header.get(name) for name in spellings.CLOCKS]
        for keyword in spellings.STARTED:
            raw = self._header.get(keyword)
            started = moment(raw, clocks)
            if started is not None:
                return self._decide_start(started, keyword)
            if raw is not None:
                self._warnings.append(f"{keyword} '{text(raw)}' is no time that can be")
        started = moment(self._header.get(spellings.FRAME_TIME))
        if started is not None:
            return self._decide_start(started, spellings.FRAME_TIME)
        for keyword, days in spellings.JULIAN_STARTED.items():
            date = number(self._header.get(keyword))
            started = julian(date + days) if date is not None else None
            if started is not None:
                return self._decide_start(started, keyword)
        return None

    def _decide_start(self, started: datetime, keyword: str) -> datetime:
        self._decide("started", started, _source(keyword), verdict=started.isoformat())
        return started

    def _decide_night(self, stamp: datetime, source: str) -> None:
        night = (stamp - timedelta(hours=12)).date()
        self._decide("night", night, source, verdict=night.isoformat())

    # --- beyond the header ---

    def read_file_name(self) -> None:
        """Fill in from the file name what the header does not say: type, exposure, gain, filter, and so on."""
        self._read_type_in_name()
        if not (self._fields.keys() >= _NUMBERS_IN_NAMES and self._knows_temperature()):
            self._read_numbers_in_name()
        for field, value in names.texts_in(self._stem).items():
            if field not in self._fields and value.upper() not in spellings.NOTHING.get(field, ()):
                self._take_from_name(field, value, value)

    def _read_numbers_in_name(self) -> None:
        found = names.numbers_in(self._stem)
        for field in ("exposure", "gain", "offset", "usb_limit"):
            if field in found and field not in self._fields and _can_be(field, found[field].value):
                self._take_from_name(field, found[field].value, found[field].text)
        if "binning" in found and "x_binning" not in self._fields:
            factor = int(found["binning"].value)
            self._set_binning(factor, factor, f"file name '{found['binning'].text}', as the header does not say")
        if "temperature" in found and not self._knows_temperature():
            self._take_from_name("sensor_temperature", found["temperature"].value, found["temperature"].text)

    def _read_type_in_name(self) -> None:
        """Take the type from the file name where nothing states one; let a name refine dark to dark flat."""
        kind = self._type_in_name()
        own = self._fields.get("type")
        if kind is None or kind is own:
            return
        silent = own is None and "type_text" not in self._fields
        if own is FrameType.DARK and kind is FrameType.DARK_FLAT:
            self._decide("type", kind, f"file name '{self._stem}', where the header says dark")
        elif self._may_be_named_for_a_target():
            self._decisions += [in_doubt(f"file name '{self._stem}'")] if silent else []
        elif silent:
            self._decide("type", kind, f"file name '{self._stem}', as the header does not say")
            self._warn_of_name("frame type")
        elif own is not None and (own, kind) != (FrameType.DARK_FLAT, FrameType.DARK):
            self._warnings.append(f"the header says {own}, the file name says {kind}: taken as {own}")

    def _may_be_named_for_a_target(self) -> bool:
        return not self._master_name and may_be_a_target(self._stem)

    def _type_in_name(self) -> FrameType | None:
        """Return the type in the file name, unless the word there is the filter (a wheel slot named 'Dark')."""
        slot = self._fields.get("filter")
        if isinstance(slot, str) and is_type_word(slot) and not self._master_name:
            return None
        return names.type_in(self._stem)

    def _take_from_name(self, field: str, value: float | str, as_written: str) -> None:
        self._decide(field, value, f"file name '{as_written}', as the header does not say")
        self._warn_of_name(field.replace("_", " "))

    def _warn_of_name(self, what: str) -> None:
        if not self._master_name:  # a master's name is often all that other programs leave
            self._warnings.append(f"{what} taken from the file name, as the header does not say")

    def _knows_temperature(self) -> bool:
        return "set_temperature" in self._fields or "sensor_temperature" in self._fields

    def read_evidence(self) -> None:
        """Set whether the file is integrated already, from how many frames, and the exposure of one of them."""
        evidence = evidence_of(
            self._header, type_says_master=self._type_says_master, name_says_master=self._master_name
        )
        combined = evidence.combined
        if evidence.reason is not None:
            self._fields["master"] = True
            self._decisions.append(_decision("master", "yes", evidence.reason))
            if combined is None and (in_name := names.numbers_in(self._stem).get("combined")):
                combined = int(in_name.value)
            single = number(self._header.get("SUBEXP"))
            if single and _can_be("exposure", single):
                self._decide("exposure", single, "keyword SUBEXP")
        elif "calibration_state" not in self._fields:
            letters, line = calibrated_before(self._header.remarks)
            if letters:
                self._decide("calibration_state", letters, f"history '{line}'")
        if combined is not None:
            self._fields["combined"] = combined

    # --- helpers ---

    def _decide(self, field: str, value: object, reason: str, *, verdict: str | None = None) -> None:
        """Set a field and keep where it came from."""
        self._fields[field] = value
        shown = verdict if verdict is not None else f"{value:g}" if isinstance(value, float) else str(value)
        self._decisions.append(_decision(field, shown, reason))

    def _forget(self, field: str) -> None:
        """Take back what was decided of a field."""
        del self._fields[field]
        self._decisions = [decision for decision in self._decisions if decision.subject != field]

    def _set_binning(self, horizontal: int | None, vertical: int | None, source: str) -> None:
        self._fields |= {"x_binning": horizontal, "y_binning": vertical}
        self._decisions.append(_decision("binning", f"{horizontal}x{vertical}", source))


def _can_be(field: str, value: float) -> bool:
    """Return whether a number lies in the range in which it means something."""
    return spellings.RANGES[field].low <= value <= spellings.RANGES[field].high


@lru_cache(maxsize=4096)
def _decision(subject: str, verdict: str, reason: str) -> Decision:
    """Return a decision; most are the same from frame to frame, and a night has many thousands."""
    return Decision(subject=subject, verdict=verdict, reason=reason)


def _source(keyword: str) -> str:
    """Return how a decision names where a value stood; XISF property names have a colon."""
    return f"property {keyword}" if ":" in keyword else f"keyword {keyword}"
