"""C-13: which darks are dark flats, by what evidence, and what is no evidence."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ap_masters.config import GroupSettings
from ap_masters.group.dark_flats import conclusions, with_dark_flats
from ap_masters.model import Decision, Frame, FrameType
from tests.builders import make_frame

DARK, DARK_FLAT, FLAT, LIGHT = FrameType.DARK, FrameType.DARK_FLAT, FrameType.FLAT, FrameType.LIGHT
DUSK = datetime(2026, 1, 29, 18, tzinfo=UTC)


def dark(**changes: Any) -> Frame:
    return make_frame(DARK, **({"path": Path("n/dark.fits"), "exposure": 2.0, "started": DUSK} | changes))


def flat(**changes: Any) -> Frame:
    return make_frame(FLAT, **({"path": Path("n/flat.fits"), "started": DUSK} | changes))


def light(**changes: Any) -> Frame:
    return make_frame(LIGHT, **({"path": Path("n/light.fits"), "started": DUSK} | changes))


def judged(frame: Frame, *others: Frame, **settings: Any) -> Frame:
    flats = [other for other in others if other.type is not LIGHT]
    lights = [other for other in others if other.type is LIGHT]
    return with_dark_flats([frame, *flats], lights, GroupSettings(**settings))[0]


def why(frame: Frame) -> Decision:
    return next(decision for decision in reversed(frame.decisions) if decision.subject == "type")


def test_a_dark_with_the_exposure_of_a_flat_is_a_dark_flat() -> None:
    """S2-27: the exposure of a flat near by makes a dark a dark flat, and the reason is kept."""
    found = judged(dark(), flat(started=DUSK + timedelta(minutes=42)), light(exposure=300.0))

    assert found.type is DARK_FLAT
    assert why(found).reason == "its exposure of 2 s is that of a flat taken 42 minutes away"


def test_no_lights_are_needed() -> None:
    """Without lights the flat alone is evidence enough."""
    assert judged(dark(), flat()).type is DARK_FLAT


@pytest.mark.parametrize(
    ("gap", "kind"),
    [
        (timedelta(hours=2, minutes=59, seconds=59), DARK_FLAT),
        (timedelta(hours=3), DARK_FLAT),
        (timedelta(hours=3, seconds=1), DARK),
        (-timedelta(hours=3), DARK_FLAT),
        (-timedelta(hours=3, seconds=1), DARK),
    ],
)
def test_the_window_is_three_hours_inclusive(gap: timedelta, kind: FrameType) -> None:
    """S2-21: three hours before or after count, a second more does not."""
    assert judged(dark(), flat(started=DUSK + gap)).type is kind


def test_the_nearest_flat_counts() -> None:
    """Of flats before and after, the nearest one decides."""
    before, after = flat(started=DUSK - timedelta(hours=4)), flat(started=DUSK + timedelta(hours=2))

    assert judged(dark(), before, after).type is DARK_FLAT


@pytest.mark.parametrize(("exposure", "kind"), [(2.001, DARK_FLAT), (1.999, DARK_FLAT), (2.0011, DARK), (2.5, DARK)])
def test_exposures_are_equal_within_a_millisecond(exposure: float, kind: FrameType) -> None:
    """S2-22: exactly equal, but for float noise."""
    assert judged(dark(exposure=exposure), flat()).type is kind


@pytest.mark.parametrize(
    "change",
    [
        {"camera": "other"},
        {"camera_id": "other"},
        {"gain": 0.0},
        {"offset": None},
        {"x_binning": 2},
        {"width": 8},
    ],
)
def test_another_rig_is_no_evidence(change: dict[str, Any]) -> None:
    """Camera, gain, offset, binning and geometry must be those of the flat."""
    assert judged(dark(), flat(**change)).type is DARK


def test_without_times_there_is_no_evidence() -> None:
    """A dark or a flat without a time is not within three hours of anything."""
    assert judged(dark(started=None), flat()).type is DARK
    assert judged(dark(), flat(started=None)).type is DARK


def test_a_dark_that_serves_lights_stays_a_dark() -> None:
    """A dark with the exposure of a light serves that light, which a dark flat never may; the reason is kept."""
    found = judged(dark(), flat(), light(exposure=2.0), light(exposure=300.0))

    assert found.type is DARK
    assert why(found).reason.endswith("but also that of a light")


def test_a_dark_as_long_as_the_longest_light_stays_a_dark() -> None:
    """A flat of half a minute beside lights of ten seconds proves nothing."""
    found = judged(dark(exposure=30.0), flat(exposure=30.0), light(exposure=10.0))

    assert found.type is DARK
    assert "longer than 10 s" in why(found).reason


def test_lights_of_another_camera_say_nothing() -> None:
    """Only lights of the same rig count."""
    assert judged(dark(), flat(), light(camera="other", exposure=1.0)).type is DARK_FLAT


def test_a_filter_alone_never_decides() -> None:
    """S0-05: a dark taken through a slot of the wheel carries a filter and is a dark."""
    for name in ("Dark", "L", "Ha"):
        assert judged(dark(filter=name)).type is DARK
        assert judged(dark(filter=name), flat(exposure=5.0, filter=name)).type is DARK


def test_only_darks_are_judged() -> None:
    """Biases, flats and dark flats are left as they are."""
    frames = [make_frame(kind, exposure=2.0, started=DUSK) for kind in (FrameType.BIAS, FLAT, DARK_FLAT)]

    assert with_dark_flats(frames, [], GroupSettings()) == frames


def test_what_was_concluded_is_said() -> None:
    """Once for all frames that it concerns, with the first as the example; nothing is said of others."""
    near, far = flat(), flat(started=DUSK - timedelta(hours=9))
    frames = [dark(path=Path(f"n/{n}.fits"), type_text="DARK") for n in range(3)]

    assert list(conclusions(with_dark_flats([*frames, near], [], GroupSettings())[:3])) == [
        "3 of 3 frames say 'DARK' and are taken for dark flats: "
        "0.fits, its exposure of 2 s is that of a flat taken 0 minutes away"
    ]
    assert list(conclusions(with_dark_flats([*frames, far], [], GroupSettings()))) == []


def test_the_window_can_be_set() -> None:
    """A window of an hour refuses a flat two hours away."""
    assert judged(dark(), flat(started=DUSK + timedelta(hours=2)), dark_flat_window_h=1.0).type is DARK
