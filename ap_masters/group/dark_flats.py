"""Dark flats that arrive as darks: N.I.N.A. 3, MaxIm and INDI know no other word for them.

Explicit types and the hints of file and folder names have been heeded by ``headers`` already. What is left is
evidence: the exposure of a flat of the same camera and settings, taken close in time, too short for the lights.
A FILTER alone never decides, as wheels have a slot for the cap and programs write it on darks.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from ap_masters.config import GroupSettings
from ap_masters.model import Decision, Frame, FrameType, inclusive
from ap_masters.wording import number

Rig = tuple[object, ...]


def rig_of(frame: Frame) -> Rig:
    """Return what a dark flat and its flat must share beside the exposure."""
    return (
        frame.camera,
        frame.camera_id,
        frame.gain,
        frame.offset,
        frame.iso,
        frame.x_binning,
        frame.y_binning,
        frame.width,
        frame.height,
        frame.channels,
    )


class Exposures:
    """Exposures of some frames by rig, and when they were taken."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._times: dict[tuple[Rig, float], list[datetime]] = defaultdict(list)
        exposures: dict[Rig, set[float]] = defaultdict(set)
        for frame in frames:
            if frame.exposure is not None:
                exposures[rig_of(frame)].add(frame.exposure)
                if frame.started is not None:
                    self._times[rig_of(frame), frame.exposure].append(frame.started)
        self._exposures = {rig: sorted(values) for rig, values in exposures.items()}
        for times in self._times.values():
            times.sort()

    def equal_to(self, frame: Frame, tolerance: float) -> Sequence[float]:
        """Return the exposures of the frame's rig that equal its own within ``tolerance`` seconds, inclusive."""
        known = self._exposures.get(rig_of(frame), [])
        exposure = frame.exposure or 0.0
        reach = inclusive(tolerance)
        return known[bisect_left(known, exposure - reach) : bisect_right(known, exposure + reach)]

    def longest(self, frame: Frame) -> float | None:
        """Return the longest exposure of the frame's rig."""
        known = self._exposures.get(rig_of(frame))
        return known[-1] if known else None

    def nearest(self, frame: Frame, tolerance: float) -> timedelta | None:
        """Return how far in time the nearest frame of equal exposure is; None without one or without times."""
        if frame.started is None:
            return None
        gaps = []
        for exposure in self.equal_to(frame, tolerance):
            times = self._times.get((rig_of(frame), exposure), [])
            place = bisect_left(times, frame.started)
            gaps += [abs(time - frame.started) for time in times[max(0, place - 1) : place + 1]]
        return min(gaps, default=None)


def with_dark_flats(frames: Sequence[Frame], lights: Sequence[Frame], settings: GroupSettings) -> list[Frame]:
    """Return the frames with those darks made dark flats for which the evidence is whole, the reason kept.

    Evidence: a flat of the same rig and exposure within the window (inclusive), and lights, where there are any of
    that rig, that are longer. A dark that has the exposure of a light stays a dark even so: it then serves that
    light, and as a dark of equal exposure it serves the flat as well, while a dark flat never serves a light.
    """
    flats = Exposures(frame for frame in frames if frame.type is FrameType.FLAT)
    exposures_of_lights = Exposures(lights)
    window = timedelta(hours=settings.dark_flat_window_h)
    result = []
    for frame in frames:
        decision = None
        if frame.type is FrameType.DARK and frame.exposure is not None:
            gap = flats.nearest(frame, settings.exposure_tolerance_s)
            if gap is not None and gap <= window:
                decision = _decide(frame, exposures_of_lights, gap, settings)
        result.append(frame if decision is None else _decided(frame, decision))
    return result


def conclusions(frames: Sequence[Frame]) -> Iterator[str]:
    """Yield in words what the evidence made of ``frames``, dark flats of darks or not, with the first as example."""
    told = [(frame, decision) for frame in frames if (decision := _last(frame)) is not None]
    for kind in (FrameType.DARK_FLAT, FrameType.DARK):
        concerned = [(frame, decision) for frame, decision in told if decision.verdict == kind]
        if concerned:
            frame, decision = concerned[0]
            part = f"{len(concerned)} of {len(frames)} frames say '{frame.type_text or 'dark'}'"
            yield f"{part} and are taken for {kind}s: {frame.path.name}, {decision.reason}"


def _last(frame: Frame) -> Decision | None:
    """Return the conclusion on a frame's type that was drawn here, if there is one."""
    return next((d for d in reversed(frame.decisions) if d.subject == "type" and d.field == "exposure"), None)


def _decide(frame: Frame, lights: Exposures, gap: timedelta, settings: GroupSettings) -> Decision:
    """Return what a dark is that has a flat of its exposure near by."""
    evidence = f"its exposure of {frame.exposure:g} s is that of a flat taken {_minutes(gap)} away"
    longest = lights.longest(frame)
    if lights.equal_to(frame, settings.exposure_tolerance_s):
        kind, reason = FrameType.DARK, f"{evidence}, but also that of a light"
    elif longest is not None and frame.exposure is not None and frame.exposure >= longest:
        kind, reason = FrameType.DARK, f"{evidence}, but no light of this camera is longer than {longest:g} s"
    else:
        kind, reason = FrameType.DARK_FLAT, evidence
    return Decision(subject="type", verdict=kind, reason=reason, field="exposure")


def _decided(frame: Frame, decision: Decision) -> Frame:
    update = {"type": FrameType(decision.verdict), "decisions": (*frame.decisions, decision)}
    return frame.model_copy(update=update)


def _minutes(gap: timedelta) -> str:
    return number(round(gap.total_seconds() / 60), "minute")
