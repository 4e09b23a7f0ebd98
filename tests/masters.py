"""Builders of masters for matching: of the same camera and settings as ``builders.make_frame``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ap_masters.config import MatchSettings
from ap_masters.model import Decision, Frame, FrameType, Group, GroupKey, Master
from tests.builders import make_frame

BIAS, DARK, DARK_FLAT, FLAT, LIGHT = (
    FrameType.BIAS,
    FrameType.DARK,
    FrameType.DARK_FLAT,
    FrameType.FLAT,
    FrameType.LIGHT,
)

DUSK = datetime(2026, 1, 29, 17, 0, tzinfo=UTC)
"""When the flats of ``flats()`` begin; there are ten, a minute apart."""

SETTINGS = MatchSettings()


def make_master(frame_type: FrameType, name: str = "", /, **changes: Any) -> Master:
    """Return a published master of 20 frames, made a month before DUSK; ``changes`` to its key or to itself."""
    own = {field: changes.pop(field) for field in Master.model_fields.keys() & changes.keys()}
    if "temperature" in changes:
        temperature = changes.pop("temperature")
        changes |= {"set_temperature": temperature, "sensor_temperature": temperature}
    fields: dict[str, Any] = {
        "path": Path("/library/master") / (name or f"master {frame_type}.xisf"),
        "key": GroupKey.of(make_frame(frame_type, **changes)),
        "frames": 20,
        "started": DUSK - timedelta(days=30),
    }
    return Master(**(fields | own))


def flat_frame(minute: int = 0, **changes: Any) -> Frame:
    """Return one flat, so many minutes after DUSK."""
    return make_frame(
        FLAT, **({"path": Path(f"flat{minute}.fits"), "started": DUSK + timedelta(minutes=minute)} | changes)
    )


def flats(**changes: Any) -> Group:
    """Return a group of ten flats of 2 s, from DUSK to nine minutes later."""
    frames = tuple(flat_frame(minute, **changes) for minute in range(10))
    return Group(key=GroupKey.of(frames[0]), frames=frames)


def light(**changes: Any) -> Frame:
    """Return a light of 300 s, two hours after DUSK."""
    return make_frame(LIGHT, **({"started": DUSK + timedelta(hours=2)} | changes))


def settings(**changes: Any) -> MatchSettings:
    """Return the default settings with ``changes``."""
    return SETTINGS.model_copy(update=changes)


def decision(decisions: tuple[Decision, ...], name: str) -> Decision:
    """Return what was decided of the master called ``name``."""
    (found,) = [d for d in decisions if Path(d.subject).name == name]
    return found
