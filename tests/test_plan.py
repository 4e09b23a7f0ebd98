"""A plan says what would be created, rebuilt, left alone or skipped, and why; it touches nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ap_masters import plan
from ap_masters import record as records
from ap_masters.config import CountSettings, GroupSettings, MatchSettings, RecipeSettings, RecipesSettings, Settings
from ap_masters.model import (
    Action,
    EngineInfo,
    Frame,
    FrameOutcome,
    FrameType,
    Group,
    GroupKey,
    ImageFormat,
    Integrated,
    Job,
    Master,
    MasterStatus,
    Plan,
    Statistics,
    Step,
)
from ap_masters.plan import Holdings
from ap_masters.record import Record
from tests.builders import make_frame

LIBRARY = Path("/library")
MASTER_SHA256 = "00"
EVENING = datetime(2026, 1, 29, 20, tzinfo=UTC)


def make_group(frame_type: FrameType, count: int = 20, **changes: Any) -> Group:
    """Return a group of ``count`` frames, a minute apart, and its key."""
    frames = tuple(
        make_frame(
            frame_type,
            path=Path(f"/night/{frame_type.replace(' ', '')}_{changes.get('exposure', '')}_{i:03}.fits"),
            started=EVENING + timedelta(minutes=i),
            night=date(2026, 1, 29),
            **changes,
        )
        for i in range(count)
    )
    return group_of(frames)


def group_of(frames: tuple[Frame, ...]) -> Group:
    return Group(key=GroupKey.of(frames[0]), frames=frames)


def plan_of(
    *groups: Group, holdings: Holdings | None = None, settings: Settings | None = None, engine: str = "numpy"
) -> Plan:
    return plan.make_plan(groups, holdings or Holdings(), LIBRARY, settings or Settings(), engine=engine)


def built(job: Job, sha256: str = MASTER_SHA256) -> Record:
    """Return the record that a successful run of ``job`` leaves."""
    result = Integrated(
        job_id=job.id,
        path=Path("m.xisf"),
        engine=EngineInfo(name="numpy", version="0", definition="d"),
        statistics=Statistics(channels=()),
        frames=tuple(FrameOutcome(path=f.path) for f in job.frames),
        started=EVENING,
        seconds=1,
    )
    record = records.complete(
        records.draft(job, "numpy"), result, {f.path: f"sha of {f.path.name}" for f in job.frames}
    )
    master = record.master.model_copy(update={"sha256": sha256})
    if job.calibration and job.calibration.dark:
        dark = job.calibration.dark.model_copy(update={"sha256": MASTER_SHA256})
        record = record.model_copy(update={"calibration": job.calibration.model_copy(update={"dark": dark})})
    return record.model_copy(update={"status": MasterStatus.PUBLISHED, "master": master})


def after(the_plan: Plan) -> Holdings:
    """Return what the library holds when every job of a plan has succeeded."""
    jobs = [step.job for step in the_plan.steps if step.job]
    return Holdings(
        masters=tuple(
            Master(path=LIBRARY / j.output, key=j.group.key, frames=len(j.frames), started=EVENING, ended=EVENING)
            for j in jobs
        ),
        records={LIBRARY / job.output: built(job) for job in jobs},
        existing=frozenset(LIBRARY / job.output for job in jobs),
    )


def only(the_plan: Plan) -> Step:
    (step,) = the_plan.steps
    return step


def job_of(the_plan: Plan, frame_type: FrameType) -> Job:
    (job,) = [step.job for step in the_plan.steps if step.job and step.key.type is frame_type]
    return job


def test_a_group_without_a_master_is_created() -> None:
    """The plan names the place, as S4's README prints it, and carries the whole job."""
    step = only(plan_of(make_group(FrameType.BIAS, 30)))

    assert step.action is Action.CREATE
    assert step.output.as_posix().startswith("master/masterBias_INSTRUME_")
    assert step.job is not None
    assert len(step.job.frames) == 30


def test_a_second_run_over_the_same_frames_is_up_to_date() -> None:
    """Nothing is built again for frames and settings that a record already tells of."""
    first = plan_of(make_group(FrameType.DARK), make_group(FrameType.BIAS))

    second = plan_of(make_group(FrameType.DARK), make_group(FrameType.BIAS), holdings=after(first))

    assert [step.action for step in second.steps] == [Action.UP_TO_DATE, Action.UP_TO_DATE]


def one_more(group: Group) -> Group:
    return group.model_copy(update={"frames": (*group.frames, make_frame(path=Path("/night/late.fits")))})


def one_less(group: Group) -> Group:
    return group.model_copy(update={"frames": group.frames[:-1]})


def one_changed(group: Group, **changes: Any) -> Group:
    changed = group.frames[3].model_copy(update={"mtime_ns": 5} | changes)
    return group.model_copy(update={"frames": (*group.frames[:3], changed, *group.frames[4:])})


def one_longer(group: Group) -> Group:
    return one_changed(group, size=12345)


def one_from_elsewhere(group: Group) -> Group:
    return one_changed(group, path=Path("/another night") / group.frames[3].path.name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(one_more, "1 new: late.fits", id="a new frame"),
        pytest.param(one_less, "1 gone: dark__019.fits", id="a frame gone"),
        pytest.param(one_changed, "1 changed: dark__003.fits", id="a changed frame"),
        pytest.param(one_longer, "1 changed: dark__003.fits", id="a frame of another size"),
        pytest.param(one_from_elsewhere, "1 new: dark__003.fits; 1 gone: dark__003.fits", id="another of its name"),
    ],
)
def test_only_the_group_whose_frames_changed_is_rebuilt(change: Callable[[Group], Group], reason: str) -> None:
    """A rebuild says which frames made it necessary and what it supersedes; its neighbours are left alone."""
    dark, bias = make_group(FrameType.DARK), make_group(FrameType.BIAS)
    holdings = after(plan_of(dark, bias))

    steps = plan_of(change(dark), bias, holdings=holdings).steps

    by_type = {step.key.type: step for step in steps}
    assert by_type[FrameType.BIAS].action is Action.UP_TO_DATE
    assert by_type[FrameType.DARK].action is Action.REBUILD
    assert "; ".join(by_type[FrameType.DARK].reasons) == reason
    assert by_type[FrameType.DARK].supersedes == by_type[FrameType.DARK].output


@pytest.mark.parametrize("frame_type", [FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT])
def test_an_older_season_does_not_take_the_place_of_a_newer_one(frame_type: FrameType) -> None:
    """Masters and lights of today are not to get the darks of two years ago; how to do so all the same is said."""
    old = make_group(frame_type)
    frames = tuple(f.model_copy(update={"started": EVENING + timedelta(days=365), "mtime_ns": 5}) for f in old.frames)
    new = old.model_copy(update={"frames": frames})

    backwards = only(plan_of(old, holdings=after(plan_of(new))))
    forwards = only(plan_of(new, holdings=after(plan_of(old))))

    assert backwards.action is Action.SKIPPED
    assert "of newer frames: of 2027-01-29, these are of 2026-01-29" in backwards.reasons[0]
    assert "library quarantine" in backwards.reasons[0]
    assert forwards.action is Action.REBUILD


def test_frames_of_the_days_before_may_replace_a_master() -> None:
    """That is another selection of one season, and the user's choice."""
    first = make_group(FrameType.DARK)
    frames = tuple(f.model_copy(update={"started": EVENING + timedelta(days=9), "mtime_ns": 5}) for f in first.frames)
    later = first.model_copy(update={"frames": frames})

    step = only(plan_of(first, holdings=after(plan_of(later))))

    assert step.action is Action.REBUILD
    assert "of frames up to 2026-01-29, where the master that it replaces has some of 2026-02-07" in step.warnings[-1]


@pytest.mark.parametrize("kept", [0, 10])
def test_neighbouring_seasons_are_seasons_of_their_own(kept: int) -> None:
    """From September to March are 179 days; and a master of both is no more to be replaced by one of the first."""
    first = make_group(FrameType.DARK)
    second = [f.model_copy(update={"started": EVENING + timedelta(days=179), "mtime_ns": 5}) for f in first.frames]
    later = first.model_copy(update={"frames": (*first.frames[:kept], *second[kept:])})

    step = only(plan_of(first, holdings=after(plan_of(later))))

    assert step.action is Action.SKIPPED
    assert "of newer frames" in step.reasons[0]


def test_a_newer_master_of_unknown_frames_is_kept_as_well() -> None:
    """An imported one has no frames on record, but tells when they were taken, and how many there were."""
    old = make_group(FrameType.DARK)
    holdings = after(plan_of(old))
    ((path, record),) = holdings.records.items()
    imported = {"inputs": (), "combined": 100, "ended": EVENING + timedelta(days=400)}
    there = replace(holdings, records={path: record.model_copy(update=imported)})

    step = only(plan_of(old, holdings=there))

    assert step.action is Action.SKIPPED
    assert "of newer frames" in step.reasons[0]


def test_a_record_of_before_windows_were_known_is_of_the_same_group() -> None:
    """Its master is made anew once; one of another window is another group."""
    group = make_group(FrameType.DARK, x_origin=320)
    holdings = after(plan_of(group))
    ((path, record),) = holdings.records.items()

    def with_key(**changes: object) -> Plan:
        told = record.key.model_dump(exclude={"x_origin", "y_origin"}) | changes
        changed = record.model_copy(update={"key": GroupKey.model_validate(told)})
        return plan_of(group, holdings=replace(holdings, records={path: changed}))

    assert only(with_key()).reasons == ("window: unknown -> 320,0",)
    assert only(with_key(x_origin=None, y_origin=None)).action is Action.CONFLICT
    assert only(with_key(x_origin=320, y_origin=None)).action is Action.UP_TO_DATE


def test_a_dark_flat_takes_the_place_of_a_dark_of_its_exposure() -> None:
    """Darks are dark flats once their flats are there: one master under two words, where the path has neither."""
    settings = Settings(layout="masters/{{ exposure }}")
    dark, dark_flat = (make_group(kind, exposure=2.0) for kind in (FrameType.DARK, FrameType.DARK_FLAT))

    step = only(plan_of(dark_flat, holdings=after(plan_of(dark, settings=settings)), settings=settings))

    assert step.action is Action.REBUILD


@pytest.mark.parametrize("frame_type", [FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT])
def test_from_what_is_no_flat_nothing_is_subtracted(frame_type: FrameType) -> None:
    """Unless the settings ask for it: a calibrated master is judged, and its record read, as one around zero."""
    assert job_of(plan_of(make_group(frame_type), make_group(FrameType.FLAT)), frame_type).calibration is None


def test_a_master_of_calibrated_frames_says_so_or_is_rebuilt() -> None:
    """Records of before did not tell what their frames came without; lights would keep their bias."""
    plain = make_group(FrameType.DARK)
    calibrated = make_group(FrameType.DARK, calibration_state="B")

    step = only(plan_of(calibrated, holdings=after(plan_of(plain))))

    assert step.action is Action.REBUILD
    assert step.reasons == ("before: nothing -> B",)


def test_flats_of_an_older_night_are_built() -> None:
    """A layout without dates has one place for the flats of all nights, and each night's lights want theirs."""
    old = make_group(FrameType.FLAT)
    frames = tuple(f.model_copy(update={"started": EVENING + timedelta(days=9), "mtime_ns": 5}) for f in old.frames)
    allowed = Settings(match=MatchSettings(allow_uncalibrated=True))
    holdings = after(plan_of(old.model_copy(update={"frames": frames}), settings=allowed))

    assert only(plan_of(old, holdings=holdings, settings=allowed)).action is Action.REBUILD


@pytest.mark.parametrize(
    ("field", "values", "told"),
    [
        ("rotation", (0.0, 90.0), "rotation 0.0, not 90.0"),
        ("rotation", (None, 90.0), "rotation None, not 90.0"),
        ("focal_length", (250.0, 190.0), "focal length 250.0, not 190.0"),
        ("focal_length", (None, 190.0), "focal length None, not 190.0"),
    ],
)
def test_s2_29_flats_through_other_optics_are_another_group(
    field: str, values: tuple[float | None, float], told: str
) -> None:
    """They are not filed in place of the first ones; a layout with the value gives each its place."""
    settings = Settings(match=MatchSettings(allow_uncalibrated=True), layout="nina")
    first, second = (make_group(FrameType.FLAT, 20, **{field: value}) for value in values)
    apart = settings.model_copy(update={"layout": f"flats/{{{{ type }}}}_{{{{ filter }}}}_{{{{ {field} }}}}"})

    later = only(plan_of(second, holdings=after(plan_of(first, settings=settings)), settings=settings))
    at_once = plan_of(first, second, settings=settings).steps
    outputs = {step.output.name for step in plan_of(first, second, settings=apart).steps}

    assert (later.action, *(step.action for step in at_once)) == (Action.CONFLICT,) * 3
    assert told in later.reasons[0]
    way = {"rotation": "--layout (ap or wbpp)", "focal_length": "{{ focal_length }}"}[field]
    assert all(way in step.reasons[0] for step in (later, *at_once))
    assert len(outputs) == 2
    assert all(f"_{value:g}.xisf" in " ".join(outputs) for value in values if value is not None)


@pytest.mark.parametrize("room", [0, -1])
def test_a_path_that_the_system_does_not_take_is_a_conflict(room: int) -> None:
    """Before anything is integrated; Windows takes 259 characters unless it is told to take more."""
    group = make_group(FrameType.DARK)
    length = len(str((LIBRARY / only(plan_of(group)).output).absolute()))

    step = only(plan.make_plan([group], Holdings(), LIBRARY, Settings(), engine="numpy", longest_path=length + room))

    assert (step.action is Action.CONFLICT) == (room < 0)
    assert (f"would have {length} characters" in " ".join(step.reasons)) == (room < 0)


@pytest.mark.parametrize("value", [248.0, 250.0, 257.0])
def test_a_focal_length_that_was_solved_anew_is_no_other_group(value: float) -> None:
    """It comes out otherwise each night; and records of before do not tell it."""
    settings = Settings(match=MatchSettings(allow_uncalibrated=True))
    now = make_group(FrameType.FLAT, focal_length=250.0)
    then = after(plan_of(make_group(FrameType.FLAT, focal_length=value), settings=settings))
    untold = {
        path: record.model_copy(update={"key": GroupKey(**record.key.model_dump(exclude={"focal_length"}))})
        for path, record in then.records.items()
    }

    assert only(plan_of(now, holdings=then, settings=settings)).action is Action.UP_TO_DATE
    assert only(plan_of(now, holdings=replace(then, records=untold), settings=settings)).action is Action.UP_TO_DATE


@pytest.mark.parametrize(("count", "warned"), [(21, False), (19, True), (9, True)])
def test_a_master_of_fewer_frames_is_warned_of(count: int, warned: bool) -> None:
    """As when a card was read in halves: the frames of the larger one become droppable. It is named, and kept."""
    group = make_group(FrameType.DARK, 20)

    step = only(plan_of(make_group(FrameType.DARK, count), holdings=after(plan_of(group))))

    assert step.action is Action.REBUILD
    assert any("which it replaces, is of 20" in warning for warning in step.warnings) is warned


def test_a_candidate_is_up_to_date_and_still_to_be_published() -> None:
    """A script that was run by hand leaves candidates; whoever builds again is told what is left to do."""
    holdings = after(plan_of(make_group(FrameType.DARK)))
    waiting = {p: r.model_copy(update={"status": MasterStatus.CANDIDATE}) for p, r in holdings.records.items()}

    step = only(plan_of(make_group(FrameType.DARK), holdings=replace(holdings, records=waiting)))

    assert step.action is Action.UP_TO_DATE
    assert any("library publish" in warning for warning in step.warnings)


def test_a_frame_that_was_only_copied_does_not_rebuild() -> None:
    """A new time of change with the same content, by its SHA-256, is the same frame."""
    dark = make_group(FrameType.DARK)
    holdings = after(plan_of(dark))
    touched = one_changed(dark)
    path = touched.frames[3].path

    known = Holdings(holdings.masters, holdings.records, holdings.existing, {path: f"sha of {path.name}"})

    assert plan.frames_to_hash([touched], holdings.records.values()) == (path,)
    assert only(plan_of(touched, holdings=known)).action is Action.UP_TO_DATE


def test_frames_of_one_name_in_two_folders_are_two_frames() -> None:
    """Night folders repeat names; removing one of two twins is seen."""
    frames = tuple(
        make_frame(path=Path(f"/{night}/dark_{i}.fits"), mtime_ns=n) for n, night in enumerate("ab") for i in range(4)
    )
    group = group_of(frames)
    holdings = after(plan_of(group))

    assert only(plan_of(group, holdings=holdings)).action is Action.UP_TO_DATE
    assert only(plan_of(one_less(group), holdings=holdings)).reasons == ("1 gone: dark_3.fits",)


def test_a_changed_recipe_rebuilds_and_names_the_setting() -> None:
    """The reason reads as the user would say it: the setting, what it was and what it is."""
    dark = make_group(FrameType.DARK)
    holdings = after(plan_of(dark))
    settings = Settings(recipe=RecipesSettings(all=RecipeSettings(sigma_high=2.5)))

    step = only(plan_of(dark, holdings=holdings, settings=settings))

    assert (step.action, step.reasons) == (Action.REBUILD, ("sigma_high: 3.0 -> 2.5",))


def test_a_master_without_a_record_is_kept_as_superseded() -> None:
    """A file that this program did not make is never overwritten silently: the plan says what becomes of it."""
    dark = make_group(FrameType.DARK)
    target = LIBRARY / only(plan_of(dark)).output

    step = only(plan_of(dark, holdings=Holdings(existing=frozenset([target]))))

    assert step.action is Action.REBUILD
    assert "superseded" in step.reasons[0]


@pytest.mark.parametrize(
    ("count", "settings", "engine", "skipped"),
    [
        pytest.param(2, Settings(), "numpy", "2 frames are there, 3 are needed", id="PixInsight's floor"),
        pytest.param(3, Settings(), "numpy", None, id="at the floor"),
        pytest.param(
            4,
            Settings(recipe=RecipesSettings(all=RecipeSettings(rejection="linear-fit"))),
            "numpy",
            "4 frames are there, 5 are needed for linear fit",
            id="linear fit needs five",
        ),
        pytest.param(
            12,
            Settings(recipe=RecipesSettings(all=RecipeSettings(rejection="minmax", minmax_low=6, minmax_high=6))),
            "numpy",
            "12 frames are there, 13 are needed for min-max rejection of the 6 lowest and the 6 highest samples: "
            "capture more frames, or lower --minmax-low or --minmax-high",
            id="as many as are rejected",
        ),
        pytest.param(
            2,
            Settings(
                recipe=RecipesSettings(all=RecipeSettings(rejection="minmax")), counts=CountSettings(min_frames=1)
            ),
            "numpy",
            "2 frames are there, 3 are needed for min-max",
            id="whatever floor is set",
        ),
        pytest.param(
            13,
            Settings(recipe=RecipesSettings(all=RecipeSettings(rejection="minmax", minmax_low=6, minmax_high=6))),
            "pixinsight",
            None,
            id="one more than are rejected",
        ),
        pytest.param(1, Settings(counts=CountSettings(min_frames=1)), "numpy", None, id="numpy can go down to one"),
        pytest.param(
            2,
            Settings(counts=CountSettings(min_frames=1)),
            "pixinsight",
            "2 frames are there, 3 are needed",
            id="PixInsight cannot",
        ),
        pytest.param(
            19,
            Settings(counts=CountSettings(min_frames=20)),
            "numpy",
            "19 frames are there, 20 are needed",
            id="a higher floor of one's own",
        ),
    ],
)
def test_a_group_below_the_floor_says_what_is_there_and_needed(
    count: int, settings: Settings, engine: str, skipped: str | None
) -> None:
    """Too few frames skip the group with both numbers; never silently, never with another group's loss."""
    steps = plan_of(make_group(FrameType.DARK, count), make_group(FrameType.BIAS, 30), settings=settings, engine=engine)

    dark = next(step for step in steps.steps if step.key.type is FrameType.DARK)
    assert next(step for step in steps.steps if step.key.type is FrameType.BIAS).action is Action.CREATE
    assert dark.action is (Action.SKIPPED if skipped else Action.CREATE)
    assert not skipped or dark.reasons[0].startswith(skipped)


@pytest.mark.parametrize(
    ("order", "settings", "engine", "warned"),
    [
        pytest.param("BOTTOM-UP", Settings(), "numpy", True, id="XISF of rows that run upwards"),
        pytest.param("TOP-DOWN", Settings(), "numpy", False, id="rows that run downwards"),
        pytest.param("BOTTOM-UP", Settings(format=ImageFormat.FITS), "numpy", False, id="FITS says so itself"),
        pytest.param("BOTTOM-UP", Settings(), "pixinsight", False, id="PixInsight turns them itself"),
    ],
)
def test_masters_that_pixinsight_would_take_upside_down_are_warned_of(
    order: str, settings: Settings, engine: str, warned: bool
) -> None:
    """PixInsight turns bottom-up FITS frames over when it opens them, but no XISF master."""
    step = only(plan_of(make_group(FrameType.DARK, row_order=order), settings=settings, engine=engine))

    assert any("bottom-up" in warning for warning in step.warnings) is warned


@pytest.mark.parametrize(
    ("frame_type", "recipe", "warned"),
    [
        pytest.param(FrameType.FLAT, {"flat": {"target_median": 5000}}, False, id="flats are scaled anyway"),
        pytest.param(
            FrameType.FLAT, {"flat": {"target_median": 5000}, "all": {"normalization": "none"}}, True, id="not so"
        ),
        pytest.param(FrameType.DARK, {"dark": {"target_median": 5000}}, True, id="darks are not"),
        pytest.param(FrameType.DARK, {"all": {"target_median": 5000}}, False, id="and nobody has asked for it"),
    ],
)
def test_a_median_that_nothing_is_scaled_to_is_told(
    frame_type: FrameType, recipe: dict[str, Any], warned: bool
) -> None:
    """It takes a normalization that multiplies; without one the frames stay as they are."""
    settings = Settings.model_validate({"recipe": recipe, "match": {"allow_uncalibrated": True}})

    step = only(plan_of(make_group(frame_type), settings=settings))

    assert any("target_median" in warning for warning in step.warnings) is warned


@pytest.mark.parametrize("mixed", [False, True])
def test_flats_of_many_exposures_are_told_of_what_puts_them_together(mixed: bool) -> None:
    """C-18: sky flats have an exposure each, so no group is large enough; not where they are together already."""
    settings = Settings(group=GroupSettings(mixed_exposure_flats=mixed), match=MatchSettings(allow_uncalibrated=True))

    step = only(plan_of(make_group(FrameType.FLAT, 2), settings=settings))

    assert step.action is Action.SKIPPED
    assert ("--mixed-exposure-flats" in step.reasons[0]) is not mixed


def test_a_value_that_differs_by_case_alone_is_not_recommended() -> None:
    """A path that holds it would be the same on Windows and macOS."""
    settings = Settings(match=MatchSettings(allow_uncalibrated=True))
    steps = plan_of(*(make_group(FrameType.FLAT, filter=name) for name in "Rr"), settings=settings).steps

    told = "None of the layouts tells them apart: choose another library for each"
    assert [step.reasons[0].partition(". ")[2] for step in steps if step.action is Action.CONFLICT] == [told, told]


def test_two_groups_on_one_path_are_refused_with_both_named() -> None:
    """S3's layout carries only the exposure: two gains collide, and neither is built; the bias still is."""
    low, high = make_group(FrameType.DARK), make_group(FrameType.DARK, gain=200.0)

    steps = plan_of(low, high, make_group(FrameType.BIAS), settings=Settings(layout="pulsar")).steps

    conflicts = [step for step in steps if step.action is Action.CONFLICT]
    assert len(conflicts) == 2
    assert all("gain 100" in step.reasons[0] and "gain 200" in step.reasons[0] for step in conflicts)
    named = "(ap or anawbpps or playbook or nina or wbpp or siril or livestack)"
    assert all(f"Choose another --layout {named}, or another library" in step.reasons[0] for step in conflicts)
    assert [step.action for step in steps if step.key.type is FrameType.BIAS] == [Action.CREATE]


@pytest.mark.parametrize(("field", "values"), [("telescope", ("RedCat 51", "C11")), ("filter", ("L", "Ha"))])
def test_what_gives_two_groups_a_place_each_is_told_whether_they_come_together_or_later(
    field: str, values: tuple[str, str]
) -> None:
    """The layouts that tell a group from one that has its master already are those that tell the two apart."""
    settings = Settings(match=MatchSettings(allow_uncalibrated=True), layout="masters/{{ type }}")
    first, second = (make_group(FrameType.FLAT, 20, **{field: value}) for value in values)

    later = only(plan_of(second, holdings=after(plan_of(first, settings=settings)), settings=settings))
    at_once = plan_of(first, second, settings=settings).steps

    assert {step.action for step in (later, *at_once)} == {Action.CONFLICT}
    assert all("Choose another --layout (" in step.reasons[0] for step in (later, *at_once))
    assert len({step.reasons[0].partition(". ")[2] for step in (later, *at_once)}) == 1


def test_groups_under_one_name_are_told_apart() -> None:
    """Also where what differs is not among the words of a key, as the telescope."""
    groups = [make_group(FrameType.FLAT, telescope=name) for name in ("RedCat 51", "Edge HD 8")]

    steps = plan_of(make_group(FrameType.BIAS), *groups).steps

    told = {step.reasons[0] for step in steps if step.action is Action.CONFLICT}
    assert len(told) == 1
    assert "telescope RedCat 51 | " in told.pop()


def test_flats_wait_for_the_dark_flat_of_the_same_run() -> None:
    """One run, two stages: what the flat needs comes first, and the job names it."""
    groups = [make_group(t) for t in (FrameType.FLAT, FrameType.DARK_FLAT, FrameType.BIAS)]

    the_plan = plan_of(*groups)

    flat = job_of(the_plan, FrameType.FLAT)
    assert flat.waits_for == (job_of(the_plan, FrameType.DARK_FLAT).id,)
    assert [[step.key.type for step in stage] for stage in the_plan.stages] == [
        [FrameType.BIAS, FrameType.DARK_FLAT],
        [FrameType.FLAT],
    ]


def test_no_same_run_keeps_this_runs_masters_out_of_its_flats() -> None:
    """S4-16: with --no-same-run a flat uses only what stood in a library before."""
    groups = [make_group(t) for t in (FrameType.FLAT, FrameType.DARK_FLAT)]

    steps = plan_of(*groups, settings=Settings(same_run=False)).steps

    assert [step.action for step in steps if step.key.type is FrameType.FLAT] == [Action.SKIPPED]


def test_flats_without_any_master_are_refused_unless_allowed() -> None:
    """S2-25: a flat is built uncalibrated only on request, and its record says so."""
    flat = make_group(FrameType.FLAT)

    refused = only(plan_of(flat))
    allowed = only(plan_of(flat, settings=Settings(match=MatchSettings(allow_uncalibrated=True))))

    assert refused.action is Action.SKIPPED
    assert "--allow-uncalibrated" in refused.reasons[0]
    assert allowed.job is not None
    assert allowed.job.calibration is not None
    assert allowed.job.calibration.state == ""
    assert allowed.job.calibration.decisions[-1].verdict == "none"


def test_fewer_frames_are_integrated_by_the_recipe_of_their_number() -> None:
    """Frames may be dropped after the plan was made; what is left is not clipped as if all were there."""
    few, many = make_group(FrameType.DARK, 5), make_group(FrameType.DARK, 20)
    (planned, whole) = (job_of(plan_of(group), FrameType.DARK) for group in (few, many))

    left = plan.with_frames(whole, few, Settings())

    assert left.recipe == planned.recipe != whole.recipe
    assert left.keywords == planned.keywords


@pytest.mark.parametrize(("layout", "word"), [("ap", "Master Dark"), ("livestack", "DARK")])
def test_a_master_says_its_type_in_the_word_of_its_tool_chain(layout: str, word: str) -> None:
    """WBPP's for all but those that know no such word; no other keyword is touched."""
    job = job_of(plan_of(make_group(FrameType.DARK), settings=Settings(layout=layout)), FrameType.DARK)
    carried = {keyword.name: keyword.value for keyword in job.keywords}

    assert (carried["IMAGETYP"], carried["EXPTIME"]) == (word, 300.0)


def test_a_rebuilt_dark_flat_makes_its_flats_stale() -> None:
    """A flat whose dark flat is rebuilt in this run is rebuilt after it, and the plan says why."""
    flat, dark_flat = make_group(FrameType.FLAT), make_group(FrameType.DARK_FLAT)
    holdings = after(plan_of(flat, dark_flat))

    steps = {s.key.type: s for s in plan_of(flat, one_less(dark_flat), holdings=holdings).steps}
    unchanged = {s.key.type: s for s in plan_of(flat, dark_flat, holdings=holdings).steps}

    assert steps[FrameType.FLAT].action is Action.REBUILD
    assert "is rebuilt" in steps[FrameType.FLAT].reasons[0]
    job = steps[FrameType.FLAT].job
    assert job and job.calibration and job.calibration.dark
    assert job.calibration.dark.sha256 is None  # not that of the one which stands there still
    assert unchanged[FrameType.FLAT].action is Action.UP_TO_DATE


def test_a_dark_flat_rebuilt_in_an_earlier_run_makes_its_flats_stale() -> None:
    """The record of a flat holds the SHA-256 of what was subtracted, so a later change is seen."""
    flat, dark_flat = make_group(FrameType.FLAT), make_group(FrameType.DARK_FLAT)
    first = plan_of(flat, dark_flat)
    holdings = after(first)
    newer = built(job_of(first, FrameType.DARK_FLAT), sha256="11")
    path = LIBRARY / job_of(first, FrameType.DARK_FLAT).output

    steps = plan_of(flat, holdings=replace(holdings, records={**holdings.records, path: newer})).steps

    assert [step.action for step in steps] == [Action.REBUILD]
    assert "was rebuilt" in steps[0].reasons[0]


@pytest.mark.parametrize("stages", [("bias", "dark"), ("flat",)])
def test_a_stage_that_is_not_selected_is_skipped_with_that_reason(stages: Sequence[Any]) -> None:
    """--stage leaves out the other types and says so; of those it names none is skipped."""
    flat, *unlit = [make_group(t) for t in (FrameType.FLAT, FrameType.DARK_FLAT, FrameType.BIAS)]
    holdings = after(plan_of(*unlit))  # what the flat needs

    steps = plan_of(flat, *unlit, holdings=holdings, settings=Settings(stages=tuple(stages))).steps

    left_out = {step.key.type: step.reasons[0] for step in steps if step.action is Action.SKIPPED}
    assert left_out.keys() == {kind for kind, stage in plan.STAGE_OF.items() if stage not in stages} - {FrameType.DARK}
    assert all("--stage" in reason for reason in left_out.values())


def test_the_same_frames_that_were_quarantined_are_not_built_again() -> None:
    """The gate's verdict stands until the frames change or the user publishes by hand."""
    dark = make_group(FrameType.DARK)
    job = job_of(plan_of(dark), FrameType.DARK)
    holdings = Holdings(records={LIBRARY / "quarantine" / job.output: built(job)})

    assert "is in quarantine" in only(plan_of(dark, holdings=holdings)).reasons[0]
    assert only(plan_of(one_less(dark), holdings=holdings)).action is Action.CREATE


def quarantined(job: Job, place: str, reason: str = "a leak") -> Holdings:
    """Return a library that holds the master of ``job`` in quarantine, at ``place``."""
    event = records.Event(at=EVENING, status=MasterStatus.QUARANTINED, reason=reason)
    path = LIBRARY / "quarantine" / place
    master = Master(path=path, key=job.group.key, status=MasterStatus.QUARANTINED)
    record = built(job).model_copy(update={"status": MasterStatus.QUARANTINED, "history": (event,)})
    return Holdings(masters=(master,), records={path: record}, existing=frozenset({path}))


def test_a_quarantine_counts_wherever_it_lies() -> None:
    """Another layout would have put the master elsewhere; the reason is told."""
    dark = make_group(FrameType.DARK)
    holdings = quarantined(job_of(plan_of(dark), FrameType.DARK), "300s/another place.xisf")

    step = only(plan_of(dark, holdings=holdings))

    assert step.action is Action.SKIPPED
    assert "is in quarantine (a leak)" in step.reasons[0]
    other = only(plan_of(make_group(FrameType.DARK, exposure=60.0), holdings=holdings))
    assert (other.action, other.warnings) == (Action.CREATE, ())


def test_a_quarantined_master_may_be_made_otherwise() -> None:
    """That is what settings are for; but it is told."""
    dark = make_group(FrameType.DARK)
    job = job_of(plan_of(dark), FrameType.DARK)
    settings = Settings(recipe=RecipesSettings(dark=RecipeSettings(sigma_high=2.9)))

    step = only(plan_of(dark, holdings=quarantined(job, job.output.as_posix()), settings=settings))

    assert step.action is Action.CREATE
    (warning,) = step.warnings
    assert "is in quarantine (a leak)" in warning
    assert "sigma_high: 3.0 -> 2.9" in warning
    fewer = only(plan_of(one_less(dark), holdings=quarantined(job, job.output.as_posix()), settings=settings))
    assert (fewer.action, fewer.warnings) == (Action.CREATE, ())


def test_a_frame_under_another_name_is_the_same() -> None:
    """By its content, where that is known."""
    dark = make_group(FrameType.DARK)
    job = job_of(plan_of(dark), FrameType.DARK)
    frame = dark.frames[3]
    renamed = frame.model_copy(update={"path": frame.path.with_name("renamed.fits")})
    group = dark.model_copy(update={"frames": (*dark.frames[:3], renamed, *dark.frames[4:])})
    record, again = built(job), job_of(plan_of(group), FrameType.DARK)

    assert plan.frames_to_hash([group], [record]) == (renamed.path,)
    assert plan.differences(again, record, {renamed.path: f"sha of {frame.path.name}"}) == ()
    assert plan.differences(again, record, {renamed.path: "other"})


def test_what_the_engine_cannot_build_keeps_what_needs_it() -> None:
    """A flat is not calibrated with less because its dark flat is beyond the engine; what stands, stands."""
    groups = (make_group(FrameType.DARK_FLAT, exposure=2.0), make_group(FrameType.FLAT, exposure=2.0))

    def refuses(job: Job) -> str | None:
        return "it is compressed" if job.group.key.type is FrameType.DARK_FLAT else None

    first, second = plan.make_plan(groups, Holdings(), LIBRARY, Settings(), engine="pixinsight", refuses=refuses).steps

    assert (first.action, first.reasons) == (Action.CONFLICT, ("it is compressed",))
    assert (second.action, second.job) == (Action.SKIPPED, None)
    assert second.reasons == (f"it needs {first.output.name}, which cannot be built",)
    held = after(plan_of(*groups))
    again = plan.make_plan(groups, held, LIBRARY, Settings(), engine="pixinsight", refuses=refuses)
    assert [step.action for step in again.steps] == [Action.UP_TO_DATE, Action.UP_TO_DATE]


@pytest.mark.parametrize(
    ("neighbour", "advised"),
    [
        (
            {"set_temperature": -11.45},
            ", or put them together with the 20 frames at -11.45 °C (--temperature-tolerance 1.5)",
        ),
        ({"set_temperature": -13.0}, ""),
        ({"set_temperature": -11.45, "gain": 0.0}, ""),
        ({"set_temperature": None, "sensor_temperature": None}, ""),
    ],
)
def test_a_small_group_is_told_of_its_neighbours_in_temperature(neighbour: dict[str, Any], advised: str) -> None:
    """Sensors without a set-point drift: a wide night is cut somewhere, and a piece may be too small."""
    small = make_group(FrameType.DARK, 2, set_temperature=-10.0)
    other = make_group(FrameType.DARK, 20, **neighbour)

    (step,) = [step for step in plan_of(small, other).steps if step.frames == 2]

    assert step.action is Action.SKIPPED
    assert step.reasons == (f"2 frames are there, 3 are needed: capture more frames, or lower --min-frames{advised}",)
