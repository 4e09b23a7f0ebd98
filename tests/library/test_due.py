"""What is due, and not a day before: each rule on both sides of its edge."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ap_masters.config import LibrarySettings, QualitySettings, RefreshPolicy, RefreshRule
from ap_masters.errors import ConfigError
from ap_masters.library.due import POLICIES, Due, due, last_anchor
from ap_masters.library.entries import Entry, Use
from ap_masters.model import FrameType, MasterStatus
from ap_masters.record import Event, Finding, Measure
from tests.builders import make_frame
from tests.quality.seasons import make_key

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
NEVER = LibrarySettings(policy="never")
CAMERA = "ZWO ASI6200MM Pro"


def entry(
    frame_type: FrameType = FrameType.DARK, *, days_ago: float = 10, path: str | None = None, **fields: Any
) -> Entry:
    values: dict[str, Any] = {
        "path": path or f"{frame_type}.xisf",
        "size": 1,
        "key": make_key(frame_type),
        "ended": NOW - timedelta(days=days_ago),
    }
    return Entry(**(values | fields))


def causes(found: Due) -> dict[str | None, list[str]]:
    return {item.path: [reason.cause for reason in item.reasons] for item in found.items}


def test_a_fresh_library_owes_nothing() -> None:
    """Masters of ten days ago, with nothing against them, are not due; the scheduler sees a zero."""
    found = due([entry(kind) for kind in FrameType if kind is not FrameType.LIGHT], LibrarySettings(), now=NOW)

    assert found.items == ()
    assert (found.exit_code, found.masters, found.policy) == (0, 4, "nina-seasonal")


@pytest.mark.parametrize(("frame_type", "is_refreshed"), [(FrameType.DARK_FLAT, True), (FrameType.FLAT, False)])
def test_a_dark_flat_is_refreshed_by_one_for_the_flats_of_another_filter(
    frame_type: FrameType, is_refreshed: bool
) -> None:
    """It carries the name of the filter whose flats are of its exposure, and has seen no light; a flat has."""
    policy = LibrarySettings(
        policy="mine", policies={"mine": RefreshPolicy(**{frame_type.replace(" ", "_"): RefreshRule(max_age_days=99)})}
    )
    old = entry(frame_type, days_ago=200, path="old.xisf", key=make_key(frame_type, filter="G"))
    new = entry(frame_type, path="new.xisf", key=make_key(frame_type, filter="R"))

    assert causes(due([old, new], policy, now=NOW)) == ({} if is_refreshed else {"old.xisf": ["age"]})


@pytest.mark.parametrize(
    ("frame_type", "days_ahead", "is_due"),
    [
        pytest.param(FrameType.DARK, 340, True, id="a clock that is a year fast"),
        pytest.param(FrameType.DARK, 1, False, id="a clock of another time zone"),
        pytest.param(FrameType.FLAT, 340, False, id="what does not age"),
    ],
)
def test_a_master_of_days_to_come_has_no_age(frame_type: FrameType, days_ahead: int, is_due: bool) -> None:
    """It would else be fresh for that much longer, and keep what is taken meanwhile out of its place."""
    found = due([entry(frame_type, days_ago=-days_ahead)], LibrarySettings(), now=NOW)

    assert causes(found) == ({f"{frame_type}.xisf": ["age"]} if is_due else {})
    assert not is_due or "yet to come" in found.items[0].reasons[0].detail


def test_a_master_with_a_successor_is_not_due_for_its_age() -> None:
    """Layouts with dates keep both published; of another gain there is none, and it stays due."""
    old, new = (entry(FrameType.BIAS, days_ago=days, path=f"{days}.xisf") for days in (700, 5))
    other = entry(FrameType.BIAS, days_ago=700, path="other.xisf", key=make_key(FrameType.BIAS, gain=0.0))

    assert causes(due([old, new, other], LibrarySettings(), now=NOW)) == {"other.xisf": ["age"]}


@pytest.mark.parametrize(
    ("bias_made", "is_due"),
    [
        pytest.param(-1, False, id="before: the flat was made with one of another library"),
        pytest.param(1, True, id="after: it took the place of the one the flat was made with"),
        pytest.param(None, True, id="nobody knows"),
    ],
)
def test_a_bias_that_was_there_before_is_no_rebuilt_one(bias_made: int | None, is_due: bool) -> None:
    """``--bias-master-dir`` takes masters of another library, under the names that ours have."""
    use = Use(type=FrameType.BIAS, name="bias.xisf", sha256="a" * 64)
    flat = entry(FrameType.FLAT, created=NOW - timedelta(days=5), uses=(use,))
    made = None if bias_made is None else NOW - timedelta(days=5 - bias_made)
    bias = entry(FrameType.BIAS, sha256="b" * 64, created=made)

    assert causes(due([flat, bias], NEVER, now=NOW)) == ({"flat.xisf": ["dependency"]} if is_due else {})


def test_what_a_later_set_has_refreshed_is_not_due_for_the_change_that_set_has_found() -> None:
    """Layouts with dates keep the old dark beside the new one, which compared itself with it."""
    seen = (("refresh", "hot pixels"), ("service", "median"), ("refresh", "cooler offset"))
    told = tuple(Finding(severity=severity, metric=metric, message="more") for severity, metric in seen)
    old, new = entry(days_ago=200, path="old.xisf"), entry(days_ago=1, path="new.xisf", findings=told)
    other = entry(days_ago=200, path="other.xisf", key=make_key(exposure=60.0))

    assert causes(due([old, new, other], NEVER, now=NOW)) == {"other.xisf": ["drift", "service", "cooler"]}


def test_what_a_later_set_has_refreshed_is_not_due_for_what_recent_frames_tell() -> None:
    """The later set was taken with the new program and cooler; where it was not, it is due itself."""
    offset = (Measure(name="cooler offset", value=0.1, unit="°C"),)
    old = entry(days_ago=200, path="old.xisf", capture="N.I.N.A. 3.1", measures=offset)
    new = entry(days_ago=5, path="new.xisf", capture="N.I.N.A. 3.2")
    yesterday: dict[str, Any] = {"started": NOW - timedelta(days=1), "software": "N.I.N.A. 3.2"}
    frames = [make_frame(camera=CAMERA, set_temperature=-10, sensor_temperature=-8, **yesterday)]

    assert causes(due([old], NEVER, now=NOW, frames=frames)) == {"old.xisf": ["cooler", "capture program"]}
    assert causes(due([old, new], NEVER, now=NOW, frames=frames)) == {}


def test_a_later_set_mends_nothing_of_an_old_master_that_is_wrong_in_itself() -> None:
    """A damaged file, a request, and a bias that is out of use concern that master alone."""
    use = Use(type=FrameType.BIAS, name="bias.xisf", sha256="a" * 64)
    old = entry(days_ago=200, path="old.xisf", damaged=True, labels=("refresh",), uses=(use,))
    bias = entry(FrameType.BIAS, sha256="b" * 64)

    found = due([old, entry(days_ago=1, path="new.xisf"), bias], NEVER, now=NOW)

    assert causes(found) == {"old.xisf": ["damage", "request", "dependency"]}


def test_a_later_set_that_is_not_in_use_refreshes_nothing() -> None:
    """What a service alert put into quarantine serves nobody."""
    told = Finding(severity="service", metric="median", message="median +20 %")
    away = entry(days_ago=1, path="away.xisf", findings=(told,), status=MasterStatus.QUARANTINED)

    found = due([entry(days_ago=200, path="old.xisf"), away], NEVER, now=NOW)

    assert causes(found) == {"old.xisf": ["service"]}


@pytest.mark.parametrize(("days", "is_due"), [(364, False), (365, False), (366, True)])
def test_biases_are_due_after_a_year(days: int, is_due: bool) -> None:
    """S1-07: 366 days old is due, 364 is not."""
    found = due([entry(FrameType.BIAS, days_ago=days)], LibrarySettings(), now=NOW)

    assert causes(found) == ({"bias.xisf": ["age"]} if is_due else {})
    assert found.exit_code == (8 if is_due else 0)


@pytest.mark.parametrize(
    ("taken", "is_due"),
    [(datetime(2026, 2, 28, 23, tzinfo=UTC), True), (datetime(2026, 3, 1, 0, tzinfo=UTC), False)],
)
@pytest.mark.parametrize("frame_type", [FrameType.DARK, FrameType.DARK_FLAT])
def test_darks_are_due_each_march_and_september(frame_type: FrameType, taken: datetime, is_due: bool) -> None:
    """S0-12: what was taken before the last 1 March or 1 September is due."""
    found = due([entry(frame_type, ended=taken)], LibrarySettings(), now=NOW)

    assert bool(found.items) is is_due


@pytest.mark.parametrize(
    ("today", "anchor"),
    [
        (date(2026, 2, 28), date(2025, 9, 1)),
        (date(2026, 3, 1), date(2026, 3, 1)),
        (date(2026, 8, 31), date(2026, 3, 1)),
        (date(2026, 9, 1), date(2026, 9, 1)),
    ],
)
def test_the_last_anchor(today: date, anchor: date) -> None:
    """The anchor of today counts; at the start of a year it is last year's."""
    assert last_anchor(("03-01", "09-01"), today) == anchor
    assert last_anchor((), today) is None


@pytest.mark.parametrize(
    ("policy", "frame_type", "days"),
    [
        ("nina-biannual", FrameType.DARK, 183),
        ("nina-biannual", FrameType.DARK_FLAT, 183),
        ("anawbpps-monthly", FrameType.BIAS, 61),
        ("anawbpps-monthly", FrameType.DARK, 31),
    ],
)
def test_named_policies(policy: str, frame_type: FrameType, days: int) -> None:
    """Each document's own rhythm, on both sides of the day."""
    settings = LibrarySettings(policy=policy)

    assert not due([entry(frame_type, days_ago=days)], settings, now=NOW).items
    assert due([entry(frame_type, days_ago=days + 1)], settings, now=NOW).items
    assert not due([entry(FrameType.FLAT, days_ago=5000)], settings, now=NOW).items


def test_a_policy_of_ones_own() -> None:
    """A user names his own rules; they go before a named policy of the same name."""
    own = RefreshPolicy(flat=RefreshRule(max_age_days=7), dark=RefreshRule(anchors=("01-15",)))
    settings = LibrarySettings(policy="mine", policies={"mine": own})

    assert causes(due([entry(FrameType.FLAT, days_ago=8), entry(days_ago=70)], settings, now=NOW)) == {
        "flat.xisf": ["age"],
        "dark.xisf": ["age"],
    }


def test_an_unknown_policy_is_refused_with_those_known() -> None:
    """The message lists the names."""
    with pytest.raises(ConfigError, match="nina-seasonal"):
        due([], LibrarySettings(policy="weekly"), now=NOW)
    assert "nina-seasonal" in POLICIES


@pytest.mark.parametrize("anchor", ["02-29", "13-01", "3-1", "03-32", "x"])
def test_an_anchor_is_a_day_of_every_year(anchor: str) -> None:
    """29 February is not; neither is what is no date at all."""
    with pytest.raises(ValueError, match="MM-DD"):
        RefreshRule(anchors=(anchor,))


def test_the_age_counts_from_the_frames() -> None:
    """A master rebuilt yesterday from frames of last year is as old as its frames; unknown age is told."""
    rebuilt = entry(FrameType.BIAS, days_ago=400, created=NOW)
    unknown = entry(FrameType.BIAS, ended=None, created=NOW, path="unknown.xisf")

    found = due([rebuilt, unknown], LibrarySettings(), now=NOW)

    assert causes(found) == {"bias.xisf": ["age"], "unknown.xisf": ["age"]}
    assert due([unknown], NEVER, now=NOW).items == ()


def test_drift_makes_the_older_masters_of_the_camera_due() -> None:
    """S0-16, S1-08: what a new master has found goes for all that were made before it, not for the flats."""
    told = Finding(severity="refresh", metric="hot pixels", message="hot pixels 1101, +10.1 %")
    new = entry(days_ago=1, path="new.xisf", findings=(told,))
    old = entry(days_ago=200, path="old.xisf", key=make_key(exposure=60.0))
    bias = entry(FrameType.BIAS, days_ago=200)
    flat = entry(FrameType.FLAT, days_ago=200)
    other = entry(days_ago=200, path="other.xisf", key=make_key(camera="another camera"))
    newer = entry(days_ago=0, path="newer.xisf")

    found = due([new, old, bias, flat, other, newer], NEVER, now=NOW)

    assert causes(found) == {"old.xisf": ["drift"], "bias.xisf": ["drift"]}
    assert "new.xisf: hot pixels 1101" in found.items[0].reasons[0].detail


def test_what_flats_have_found_is_theirs() -> None:
    """The sensor of a flat stands off its set-point in the warmth of dusk: no dark is out of date for that."""
    told = Finding(severity="refresh", metric="cooler offset", message="now +1.5 °C")
    flat = entry(FrameType.FLAT, days_ago=1, findings=(told,))

    assert due([flat, entry(days_ago=200)], NEVER, now=NOW).items == ()


@pytest.mark.parametrize(("apart", "is_due"), [(14, False), (14.1, True)])
def test_masters_of_one_campaign_drifted_together(apart: float, is_due: bool) -> None:
    """What was taken within a fortnight before the drift was seen is of the same state."""
    told = Finding(severity="refresh", metric="hot pixels", message="more")
    new = entry(days_ago=1, path="new.xisf", findings=(told,))
    near = entry(days_ago=1 + apart, path="near.xisf", key=make_key(exposure=60.0))

    assert bool(due([new, near], NEVER, now=NOW).items) is is_due


def test_a_service_alert_counts_from_quarantine_but_not_once_superseded() -> None:
    """S0-33: the alert is what put the master there; a master out of the way does not alarm for ever."""
    told = Finding(severity="service", metric="median", message="median +20 %")
    old = entry(days_ago=200, path="old.xisf")

    def with_status(status: MasterStatus) -> dict[str | None, list[str]]:
        return causes(due([entry(days_ago=1, path="n.xisf", findings=(told,), status=status), old], NEVER, now=NOW))

    assert with_status(MasterStatus.QUARANTINED) == {"old.xisf": ["service"]}
    assert with_status(MasterStatus.SUPERSEDED) == {}


def test_a_cooler_that_changed_is_a_cause_of_its_own() -> None:
    """S0-15, told by a new master."""
    told = Finding(severity="refresh", metric="cooler offset", message="now +1.5 °C")
    new = entry(days_ago=1, path="new.xisf", findings=(told,))
    found = due([new, entry(days_ago=90, path="old.xisf", key=make_key(exposure=60.0))], NEVER, now=NOW)

    assert causes(found) == {"old.xisf": ["cooler"]}


@pytest.mark.parametrize(("now_offset", "is_due"), [(1.1, False), (1.11, True), (-0.91, True)])
def test_a_cooler_that_changed_is_seen_in_recent_frames(now_offset: float, is_due: bool) -> None:
    """S0-15: more than 1 °C against what it was when the master was made."""
    master = entry(measures=(Measure(name="cooler offset", value=0.1, unit="°C"),))
    frames = [make_frame(camera=CAMERA, set_temperature=-10, sensor_temperature=-10 + now_offset) for _ in range(3)]
    elsewhere = [make_frame(camera=CAMERA, set_temperature=-20, sensor_temperature=-15)]

    assert causes(due([master], NEVER, now=NOW, frames=[*frames, *elsewhere])) == (
        {"dark.xisf": ["cooler"]} if is_due else {}
    )
    assert not due([master], NEVER, now=NOW, frames=frames, quality=QualitySettings(cooler_change_c=5)).items


def test_another_capture_program_is_seen_in_recent_frames() -> None:
    """S0-13, S1-07: a driver or program update after the master was made; older frames say nothing."""
    master = entry(capture="N.I.N.A. 3.1")

    def frame(software: str, days_ago: float, camera: str = CAMERA) -> Any:
        return make_frame(camera=camera, software=software, started=NOW - timedelta(days=days_ago))

    updated = due([master], NEVER, now=NOW, frames=[frame("N.I.N.A. 3.1", 5), frame("N.I.N.A. 3.2", 1)])
    assert causes(updated) == {"dark.xisf": ["capture program"]}
    assert not due([master], NEVER, now=NOW, frames=[frame("N.I.N.A. 3.1", 1)]).items
    assert not due([master], NEVER, now=NOW, frames=[frame("N.I.N.A. 3.0", 50)]).items
    assert not due([master], NEVER, now=NOW, frames=[frame("MaxIm DL", 1, camera="other")]).items
    assert not due([entry()], NEVER, now=NOW, frames=[frame("N.I.N.A. 3.2", 1)]).items


@pytest.mark.parametrize("second", ["second", None])
def test_a_second_camera_of_a_model_says_nothing_of_the_first(second: str | None) -> None:
    """Its newest frame neither tells of another capture program, nor hides the first one's that does."""
    master = entry(key=make_key(camera_id="first"), capture="N.I.N.A. 3.1")

    def frame(camera_id: str | None, software: str, days_ago: float) -> Any:
        started = NOW - timedelta(days=days_ago)
        return make_frame(camera=CAMERA, camera_id=camera_id, software=software, started=started)

    own = due([master], NEVER, now=NOW, frames=[frame("first", "N.I.N.A. 3.2", 2), frame(second, "N.I.N.A. 3.1", 1)])
    other = due([master], NEVER, now=NOW, frames=[frame("first", "N.I.N.A. 3.1", 2), frame(second, "N.I.N.A. 3.2", 1)])

    assert (causes(own), causes(other)) == ({"dark.xisf": ["capture program"]}, {})


@pytest.mark.parametrize("frame_type", [FrameType.DARK, FrameType.FLAT])
def test_a_flat_of_a_past_night_is_not_asked_for_what_has_changed_in_the_camera(frame_type: FrameType) -> None:
    """A new version of the program or a worn cooler ask for new darks; the lights of that night are taken."""
    offset = Measure(name="cooler offset", value=0.0, unit="°C", method="mean")
    old = entry(frame_type, key=make_key(frame_type, camera=CAMERA), capture="N.I.N.A. 3.1", measures=(offset,))
    new = make_frame(
        camera=CAMERA,
        software="N.I.N.A. 3.2",
        started=NOW,
        set_temperature=old.key.temperature,
        sensor_temperature=(old.key.temperature or 0) + 2,
    )

    found = causes(due([old], NEVER, now=NOW, frames=[new]))

    assert found == ({} if frame_type is FrameType.FLAT else {old.path: ["cooler", "capture program"]})


def test_a_master_made_with_a_bias_that_is_out_of_use_is_due() -> None:
    """S1-31: superseded, quarantined or rebuilt under the same name; a bias still in use is none of it."""
    use = Use(type=FrameType.BIAS, name="bias.xisf", sha256="a" * 64)
    flat = entry(FrameType.FLAT, uses=(use,))
    bias = entry(FrameType.BIAS, sha256="a" * 64)
    gone = bias.model_copy(
        update={
            "status": MasterStatus.SUPERSEDED,
            "path": "superseded/bias.xisf",
            "history": (Event(at=NOW, status=MasterStatus.SUPERSEDED, reason="another master took its place"),),
        }
    )
    rebuilt = entry(FrameType.BIAS, sha256="b" * 64)

    assert not due([flat, bias], NEVER, now=NOW).items
    (item,) = due([flat, gone, rebuilt], NEVER, now=NOW).items
    assert "superseded since: another master took its place" in item.reasons[0].detail
    assert causes(due([flat, rebuilt], NEVER, now=NOW)) == {"flat.xisf": ["dependency"]}
    assert not due([flat], NEVER, now=NOW).items, "a bias of another library is not missed"


@pytest.mark.parametrize(
    ("begun", "seen", "status", "is_due"),
    [
        pytest.param(20, (), MasterStatus.SUPERSEDED, False, id="a later set"),
        pytest.param(40, (), MasterStatus.SUPERSEDED, True, id="frames that the old one had as well"),
        pytest.param(None, (), MasterStatus.SUPERSEDED, True, id="nobody knows"),
        pytest.param(20, ("refresh",), MasterStatus.SUPERSEDED, True, id="a later set that found a change"),
        pytest.param(20, (), MasterStatus.QUARANTINED, True, id="the old one was found bad"),
    ],
)
def test_a_flat_of_a_past_night_keeps_what_a_later_set_has_replaced(
    begun: float | None, seen: tuple[Any, ...], status: MasterStatus, is_due: bool
) -> None:
    """Layouts without a date file the dark flats of every night under one name: those of January are no news."""
    use = Use(type=FrameType.DARK_FLAT, name="dark flat.xisf", sha256="a" * 64)
    flat = entry(FrameType.FLAT, days_ago=30, uses=(use,))
    old = entry(FrameType.DARK_FLAT, days_ago=30, path="old.xisf", sha256="a" * 64, status=status)
    started = None if begun is None else NOW - timedelta(days=begun)
    told = tuple(Finding(severity=severity, metric="median", message="more") for severity in seen)
    new = entry(FrameType.DARK_FLAT, sha256="b" * 64, started=started, supersedes="old.xisf", findings=told)
    newest = entry(FrameType.DARK_FLAT, path="newest.xisf", sha256="c" * 64, supersedes="dark flat.xisf")

    assert causes(due([flat, old, new], NEVER, now=NOW)).get("flat.xisf", []) == ["dependency"] * is_due
    later = [flat, old, new.model_copy(update={"status": MasterStatus.SUPERSEDED}), newest]
    assert causes(due(later, NEVER, now=NOW)).get("flat.xisf", []) == ["dependency"] * is_due
    timeless = [flat, old.model_copy(update={"ended": None}), new]
    assert causes(due(timeless, NEVER, now=NOW))["flat.xisf"] == ["dependency"]


@pytest.mark.parametrize(
    ("status", "retaken", "is_due"),
    [
        pytest.param(MasterStatus.QUARANTINED, 20, True, id="the change is the last that is known"),
        pytest.param(MasterStatus.QUARANTINED, 5, False, id="a set after it is in use"),
        pytest.param(MasterStatus.PUBLISHED, 5, True, id="the change was accepted"),
    ],
)
def test_a_change_that_was_kept_back_is_past_when_a_later_set_is_in_use(
    status: MasterStatus, retaken: int, is_due: bool
) -> None:
    """A light leak of some weeks: when it is mended, masters of before are as good as they were."""
    told = (Finding(severity="service", metric="median", message="more"),)
    leak = entry(days_ago=10, path="leak.xisf", status=status, findings=told)
    after = entry(days_ago=retaken, path="after.xisf")
    other = entry(days_ago=200, path="other.xisf", key=make_key(exposure=60.0))

    found = causes(due([leak, after, other], NEVER, now=NOW))

    assert found.get("other.xisf", []) == ["service"] * is_due


def test_a_refresh_can_be_requested_by_label() -> None:
    """S0-17: a user has reasons of his own, such as new firmware that no header tells."""
    assert causes(due([entry(labels=("refresh",))], NEVER, now=NOW)) == {"dark.xisf": ["request"]}


def test_masters_of_a_camera_that_is_not_used_any_more_are_not_due() -> None:
    """They serve old lights; only what is wrong with their files, and what a user asks for, still counts."""
    old = entry(FrameType.BIAS, days_ago=4000, labels=("retired",))
    broken, asked = (entry(path=name, days_ago=4000, labels=("retired", name)) for name in ("broken", "refresh"))
    broken = broken.model_copy(update={"damaged": True})

    found = due([old, broken, asked, entry()], LibrarySettings(), now=NOW)

    assert causes(found) == {"broken": ["damage"], "refresh": ["request"]}
    assert (found.masters, found.retired) == (4, 3)


def test_settings_in_use_without_a_master_are_told() -> None:
    """S0-10, S0-14: lights with a (gain, offset) that no bias or dark has; flats of the same do not help."""
    lights = [make_frame(FrameType.LIGHT, camera=CAMERA, gain=gain, readout_mode="High Gain") for gain in (100, 0, 0)]

    found = due([entry(), entry(FrameType.FLAT, key=make_key(FrameType.FLAT, gain=0.0))], NEVER, now=NOW, frames=lights)

    assert causes(found) == {None: ["new settings"]}
    assert found.items[0].description.endswith("High Gain, gain 0, offset 50, bin 1x1")
    assert "2 frames" in found.items[0].reasons[0].detail


@pytest.mark.parametrize(
    ("of_lights", "of_master", "is_told"),
    [
        pytest.param("first", "first", False, id="the same"),
        pytest.param("second", "first", True, id="another"),
        pytest.param(None, None, False, id="no ids at all"),
        pytest.param("first", None, True, id="master without an id"),
        pytest.param(None, "first", True, id="lights without an id"),
    ],
)
def test_a_camera_without_masters_is_told_though_another_of_its_model_has_some(
    of_lights: str | None, of_master: str | None, is_told: bool
) -> None:
    """As matching has it: what is not known of one of the two keeps a master from serving."""
    light = make_frame(FrameType.LIGHT, camera=CAMERA, camera_id=of_lights, readout_mode="High Gain")

    found = due([entry(key=make_key(camera_id=of_master))], NEVER, now=NOW, frames=[light])

    assert causes(found) == ({None: ["new settings"]} if is_told else {})


def test_only_published_masters_are_due() -> None:
    """Quarantined and superseded ones are out of use already."""
    old = [entry(days_ago=999, status=status) for status in MasterStatus if status is not MasterStatus.PUBLISHED]

    assert due(old, LibrarySettings(), now=NOW).items == ()


def test_many_masters_are_looked_at_in_a_moment() -> None:
    """No rule compares every master with every other."""
    told = Finding(severity="refresh", metric="hot pixels", message="more")
    exposures = [make_key(exposure=float(e)) for e in (30, 60, 120, 300)]
    many = [entry(days_ago=200, path=f"{i}.xisf", key=exposures[i % 4]) for i in range(3_000)]
    many.append(entry(days_ago=1, path="new.xisf", key=make_key(exposure=600.0), findings=(told,)))

    assert len(due(many, LibrarySettings(), now=NOW).items) > 2_500


def test_a_file_that_is_not_that_of_its_record_is_due() -> None:
    """It serves nothing any more; nobody would look for the reason in an audit."""
    found = due([entry(path="sound.xisf"), entry(path="cut.xisf", damaged=True)], LibrarySettings(), now=NOW)

    assert causes(found) == {"cut.xisf": ["damage"]}


def test_a_stack_of_lights_is_never_due() -> None:
    """Other programs keep theirs beside the masters."""
    stack = entry(FrameType.LIGHT, key=make_key(FrameType.LIGHT))

    assert due([stack], LibrarySettings(), now=NOW).items == ()
