"""Matching: what holds for every library, ties, time, words and speed."""

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ap_masters import match
from ap_masters.config import CountSettings, CullSettings, GroupSettings
from ap_masters.group import group_frames
from ap_masters.match import match_flat, match_light
from ap_masters.match.comparison import Wanted, gap
from ap_masters.model import FrameType, GroupKey, Master, MasterStatus
from tests.builders import make_frame
from tests.masters import (
    BIAS,
    DARK,
    DARK_FLAT,
    DUSK,
    FLAT,
    SETTINGS,
    decision,
    flats,
    light,
    make_master,
    settings,
)

LAST_FLAT = DUSK + timedelta(minutes=9)


@st.composite
def libraries(draw: st.DrawFn) -> list[Master]:
    """Masters that differ from the flats of 2 s in few fields, so that many serve and many tie."""
    masters = []
    for i in range(draw(st.integers(0, 8))):
        changes: dict[str, Any] = draw(
            st.fixed_dictionaries(
                {
                    "exposure": st.sampled_from([1.0, 2.0, 2.0005, 5.0]),
                    "gain": st.sampled_from([100.0, 100.0, 100.0, 0.0, None]),
                    "temperature": st.sampled_from([-10.0, -10.0, -11.0, -14.0, -20.0]),
                    "frames": st.sampled_from([None, 10, 20]),
                    "started": st.sampled_from([None, *(LAST_FLAT + timedelta(hours=h) for h in (-9, -2, 1, 3, 4))]),
                    "status": st.sampled_from([MasterStatus.PUBLISHED, MasterStatus.PUBLISHED, MasterStatus.CANDIDATE]),
                    "calibration_state": st.sampled_from([None, None, "B"]),
                }
            )
        )
        masters.append(make_master(draw(st.sampled_from([BIAS, DARK, DARK_FLAT])), f"m{i}.xisf", **changes))
    return masters


choices = st.builds(
    settings,
    scale_dark=st.booleans(),
    lenient_unknown=st.booleans(),
    use_dark_flats=st.booleans(),
    prefer_later=st.booleans(),
)


@given(libraries(), choices, st.randoms(use_true_random=False))
def test_the_order_of_candidates_never_matters(library: list[Master], chosen: Any, random: Any) -> None:
    """Ties are broken by a stated rule, not by which file was found first."""
    shuffled = random.sample(library, len(library))

    assert match_flat(flats(), shuffled, chosen) == match_flat(flats(), library, chosen)
    assert match_light(light(), shuffled, chosen) == match_light(light(), library, chosen)


@given(libraries(), choices)
def test_every_candidate_is_decided_once_and_every_refusal_names_its_field(library: list[Master], chosen: Any) -> None:
    """Nothing vanishes: as many decisions as candidates, each with words, each refusal with a field."""
    found = match_flat(flats(), library, chosen)

    assert sorted(d.subject for d in found.decisions) == sorted(m.path.name for m in library)
    assert all(d.reason and (d.verdict == "taken" or d.field) for d in found.decisions)
    assert (found.calibration is None) == (found.problem is not None) == (found.rung == "none")


def _agrees(master: Master, chosen: Any, *, exposure: bool = True) -> bool:
    """Decide anew, by the requirements and not by the product's tables, whether a master of ``libraries`` serves."""
    key, tolerance = master.key, 5.0 if master.key.type is DARK_FLAT else 1.0
    return (
        master.status is MasterStatus.PUBLISHED
        and (key.gain == 100.0 or (key.gain is None and chosen.lenient_unknown))
        and abs((key.temperature or 0.0) + 10.0) <= tolerance
        and (not exposure or key.type is BIAS or abs((key.exposure or 0.0) - 2.0) <= 0.001)
    )


@given(libraries(), choices)
def test_what_is_subtracted_is_the_highest_rung_and_never_the_bias_twice(library: list[Master], chosen: Any) -> None:
    """Against a second, plainer reading of the ladder."""

    def serving(kind: FrameType, *, exposure: bool = True) -> bool:
        return any(
            m.key.type is kind
            and _agrees(m, chosen, exposure=exposure)
            and (kind is BIAS or bias or m.calibration_state is None)
            for m in library
        )

    bias = any(m.key.type is BIAS and _agrees(m, chosen) for m in library)
    if chosen.use_dark_flats and serving(DARK_FLAT):
        rung = "dark flat"
    elif serving(DARK):
        rung = "dark"
    elif chosen.scale_dark and bias and serving(DARK, exposure=False):
        rung = "scaled dark"
    else:
        rung = "bias" if bias else "none"

    found = match_flat(flats(), library, chosen)

    assert found.rung == rung
    if found.calibration is not None and found.calibration.dark is not None:
        alone = found.calibration.dark.includes_bias and not found.calibration.scale_dark
        assert (found.calibration.bias is None) is alone


# --- ties -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("better", "worse", "field"),
    [
        pytest.param({"started": DUSK - timedelta(days=2)}, {"frames": 99}, "time", id="nearest before more frames"),
        pytest.param({"frames": 21}, {"created": DUSK}, "frames", id="more frames before newest"),
        pytest.param({"created": DUSK}, {"created": DUSK - timedelta(1)}, "age", id="newest before path"),
        pytest.param({"path": Path("/a/x.xisf")}, {"path": Path("/b/x.xisf")}, "path", id="path at last"),
        pytest.param({}, {"started": None}, "time", id="a known time before an unknown"),
        pytest.param({}, {"frames": None}, "frames", id="a known count before an unknown"),
    ],
)
@pytest.mark.parametrize("kind", [BIAS, DARK, DARK_FLAT])
def test_ties_are_broken_by_time_then_frames_then_age_then_path(
    kind: FrameType, better: dict[str, Any], worse: dict[str, Any], field: str
) -> None:
    """The stated rule, for every type of master, and the decision names what broke the tie."""
    exposure = {} if kind is BIAS else {"exposure": 2.0}
    one = make_master(kind, **({"path": Path("/lib/one.xisf")} | exposure | better))
    two = make_master(kind, **({"path": Path("/lib/two.xisf")} | exposure | worse))

    found = match_flat(flats(), [two, one], SETTINGS)

    assert [d.field for d in found.decisions] == [None, field]
    assert found.calibration is not None
    used = found.calibration.dark or found.calibration.bias
    assert used is not None and used.path == one.path


def test_what_is_known_comes_before_what_is_let_pass() -> None:
    """With --lenient-unknown, a master without a gain serves only where none of the right gain does."""
    vague = make_master(DARK, "vague.xisf", gain=None, started=DUSK)
    exact = make_master(DARK, "exact.xisf")

    found = match_light(light(), [vague, exact], settings(lenient_unknown=True))

    assert found.dark == exact
    assert decision(found.decisions, "vague.xisf").field == "unknown values"
    assert found.warnings == ()


def test_a_master_that_is_given_twice_is_one_candidate() -> None:
    """A folder of the library may be given as --dark-master-dir too; this run's promise overrules both."""
    once = make_master(DARK_FLAT, "df.xisf")
    again = once.model_copy(update={"source": "given"})
    promised = once.model_copy(update={"source": "this run", "job_id": "dark-flat-1"})

    twice = match_flat(flats(), [again, once], SETTINGS)
    thrice = match_flat(flats(), [promised, again, once], SETTINGS)

    assert twice == match_flat(flats(), [once], SETTINGS)
    assert thrice.calibration is not None
    assert thrice.calibration.dark is not None
    assert thrice.calibration.dark.job_id == "dark-flat-1"
    assert len(thrice.decisions) == 1


def test_masters_of_one_name_are_told_apart_by_their_paths() -> None:
    """The playbook's layout has the same name in many folders."""
    names = ["/darks/a/master_dark_2026-01-01.xisf", "/darks/b/master_dark_2026-01-01.xisf"]

    found = match_light(light(), [make_master(DARK, path=Path(name)) for name in names], SETTINGS)

    assert [d.subject for d in found.decisions] == names


# --- time -------------------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("started", "ended", "hours"),
    [
        pytest.param(DUSK + 2 * HOUR, DUSK + 3 * HOUR, 1.0, id="after: from the last flat to the first of them"),
        pytest.param(DUSK - 3 * HOUR, DUSK - 2 * HOUR, -2.0, id="before: from the last of them to the first flat"),
        pytest.param(DUSK - HOUR, DUSK + HOUR, 0.0, id="overlapping"),
        pytest.param(DUSK + HOUR, DUSK + 2 * HOUR, 0.0, id="touching"),
        pytest.param(DUSK - 9 * HOUR, DUSK + 9 * HOUR, 0.0, id="around"),
        pytest.param(DUSK + 2 * HOUR, None, 1.0, id="only the first is known"),
        pytest.param(None, DUSK - HOUR, -1.0, id="only the last is known"),
        pytest.param(DUSK - 9 * HOUR, DUSK + 9 * HOUR, 0.0, id="all night long"),
        pytest.param(DUSK - 30 * HOUR, DUSK + 20 * HOUR, 19.0, id="of two nights, the later nearer"),
        pytest.param(DUSK - 20 * HOUR, DUSK + 30 * HOUR, -20.0, id="of two nights, the earlier nearer"),
        pytest.param((DUSK - HOUR).replace(tzinfo=None), None, -1.0, id="without a zone it is UTC"),
        pytest.param(None, None, None, id="nothing is known"),
    ],
)
def test_the_gap_is_what_lies_between_two_series(
    started: datetime | None, ended: datetime | None, hours: float | None
) -> None:
    """Between the flats' start times (here one hour of them) and the master's: negative before, 0 overlapping."""
    want = Wanted("the flats have", GroupKey(type=FLAT), None, (DUSK, DUSK + HOUR))

    found = gap(want, make_master(DARK_FLAT, started=started, ended=ended))

    assert found == (None if hours is None else hours * 3600)


def test_a_night_stands_for_noon_to_noon_where_times_are_not_known() -> None:
    """A flat of which only the night is known is nearest to a light of that night."""
    nights = [make_master(FLAT, f"{n}.xisf", started=None, night=date(2026, 1, n)) for n in (27, 29, 31)]

    found = match_light(light(), nights, SETTINGS)

    assert found.flat is not None and found.flat.path.name == "29.xisf"
    assert "at the time of the light" in found.decisions[0].reason


def test_without_any_time_a_dark_flat_still_serves() -> None:
    """It is outside the window, for all that is known, and the decision says that its time is not known."""
    found = match_flat(flats(started=None), [make_master(DARK_FLAT, started=None)], SETTINGS)

    assert found.rung == "dark flat"
    assert "at a time not known" in found.decisions[0].reason


# --- words ------------------------------------------------------------------------------------------------


def test_a_flat_without_a_filter_is_told_as_such() -> None:
    """A colour camera has none, and 'the filter none' is nobody's name."""
    found = match_light(light(filter=None), [make_master(FLAT, path=Path("flat.xisf"), filter=None)], SETTINGS)

    assert decision(found.decisions, "flat.xisf").reason.startswith("flat without a filter; ")


def test_a_difference_of_spelling_alone_is_pointed_out() -> None:
    """Two spellings of one camera do not match (S2-51), and the message helps to see why."""
    dark = make_master(DARK, "dark.xisf", camera="Zwo  ASI2600MM pro")

    reason = decision(match_light(light(), [dark], SETTINGS).decisions, "dark.xisf").reason

    assert reason == ("camera Zwo  ASI2600MM pro, the light has ZWO ASI2600MM Pro (only blanks or capitals differ)")


def test_the_problem_tells_how_many_were_searched_and_where() -> None:
    """By source, with the folder that the masters of each source share."""
    elsewhere = {"gain": 0.0}
    library = [
        make_master(DARK, path=Path("/lib/darks/a/1.xisf"), **elsewhere),
        make_master(DARK, path=Path("/lib/darks/b/2.xisf"), **elsewhere),
        make_master(DARK, path=Path("/given/3.xisf"), source="given", **elsewhere),
        make_master(DARK, path=Path("/out/4.xisf"), source="this run", **elsewhere),
    ]

    (problem,) = [p for p in match_light(light(), library, SETTINGS).problems if p.startswith("No dark")]

    assert "4 searched: 2 in the library /lib/darks, 1 in the given folder /given, 1 of this run /out" in problem
    assert "Nearest dark: 3.xisf (gain 0, the light has 100)" in problem


def test_what_only_a_name_tells_is_compared_as_names_spell_it() -> None:
    """Of a master of ap-master-calibration the readout mode stands in the name alone, where no space is."""
    dark = make_master(DARK, "m.xisf", exposure=2.0, readout_mode="Low-Noise", camera="ZWO-ASI2600MM-Pro")

    assert match_flat(flats(), [dark], SETTINGS).rung == "dark"


@pytest.mark.parametrize(
    ("mine", "theirs"), [("Mode 1", "Mode 2"), ("Low Noise", "LOW NOISE"), ("红", "绿"), ("红 1", "绿 1")]
)
def test_names_that_differ_otherwise_differ(mine: str, theirs: str) -> None:
    """A letter is a letter; those that no file name of ours can hold are compared as they are."""
    dark = make_master(DARK, "m.xisf", exposure=2.0, readout_mode=mine)

    assert match_flat(flats(readout_mode=theirs), [dark], SETTINGS).rung == "none"


def test_scaling_that_lacks_a_bias_says_so() -> None:
    """The user has asked for it already; what is missing is the bias."""
    problem = match_flat(flats(), [make_master(DARK, exposure=5.0)], settings(scale_dark=True)).problem

    assert problem is not None
    assert "name a bias (--bias-master-dir)" in problem
    assert "(--scale-dark)" not in problem


def test_masters_on_different_drives_share_no_folder() -> None:
    """Windows has no common folder of C: and D:, and relative and absolute paths have none either."""
    library = [
        make_master(DARK, path=Path("relative/1.xisf"), gain=0.0),
        make_master(DARK, path=Path("/absolute/2.xisf"), gain=0.0),
    ]
    assert PureWindowsPath("C:/a").drive != PureWindowsPath("D:/a").drive

    assert any("2 in the library. " in problem for problem in match_light(light(), library, SETTINGS).problems)


def test_what_a_master_contradicts_is_repeated_when_it_is_taken() -> None:
    """A name that says otherwise than the header is worth a word where the master is used."""
    odd = make_master(DARK_FLAT, "odd.xisf", warnings=("its name says gain 0, its header 100",))

    assert match_flat(flats(), [odd], SETTINGS).warnings == ("odd.xisf: its name says gain 0, its header 100",)


@pytest.mark.parametrize(
    ("change", "help_with"),
    [
        pytest.param({"temperature": -12.0}, "--match-temperature", id="temperature"),
        pytest.param({"exposure": 60.0}, "--scale-dark", id="exposure"),
        pytest.param({"status": MasterStatus.CANDIDATE}, "library publish", id="status"),
        pytest.param({"gain": None}, "--lenient-unknown", id="unknown"),
        pytest.param({"gain": None, "offset": None}, "--lenient-unknown", id="two unknown"),
    ],
)
def test_the_problem_names_what_would_help(change: dict[str, Any], help_with: str) -> None:
    """The option that fits the field that failed, when no other field failed, or all are unknown."""
    problems = match_light(light(), [make_master(DARK, **change)], SETTINGS).problems

    (problem,) = [p for p in problems if p.startswith("No dark")]
    assert help_with in problem.partition("What would help")[2]


def test_what_is_unknown_does_not_help_where_something_else_fails_too() -> None:
    """Letting it pass would change nothing."""
    problems = match_light(light(), [make_master(DARK, gain=None, offset=10.0)], SETTINGS).problems

    assert not any("--lenient-unknown" in problem for problem in problems)


def test_a_master_that_lacks_a_label_alone_is_to_be_labelled() -> None:
    """There is one of these settings: nothing has to be built."""
    problems = match_light(light(), [make_master(DARK)], SETTINGS, labels=("interim",)).problems

    (problem,) = [p for p in problems if p.startswith("No dark")]
    assert problem.partition("What would help: ")[2].startswith("label it (ap-masters library label)")
    assert "build one of these settings" not in problem


def test_a_candidate_is_called_one() -> None:
    """The other words for where a master stands need no article."""
    found = match_light(light(), [make_master(DARK, status=MasterStatus.CANDIDATE)], SETTINGS)

    assert [d.reason for d in found.decisions] == ["it is a candidate; only published masters serve"]


def test_a_single_frame_is_asked_for_as_a_group_of_its_own() -> None:
    """Its key is the one its group would have; a frame whose type is not known is taken for a flat."""
    flat = make_frame(FLAT, night=date(2026, 1, 29))
    (group,) = group_frames([flat], [], group=GroupSettings(), cull=CullSettings(), counts=CountSettings()).groups

    assert match.single(flat).frames == (flat,)
    assert match.single(flat).key == group.key
    assert match.single(flat.model_copy(update={"type": None})).key == group.key


# --- many masters -----------------------------------------------------------------------------------------


def _ten_thousand() -> Sequence[Master]:
    kinds = (BIAS, DARK, DARK_FLAT, FLAT)
    base = {kind: make_master(kind) for kind in kinds}
    masters = []
    for i in range(10_000):
        old = base[kinds[i % 4]]
        change: dict[str, Any] = {
            "gain": float(i % 7 * 50),
            "temperature": -10.0 - i % 3 * 5,
            "exposure": None if old.key.type is BIAS else float(1 + i % 11),
        }
        key = old.key.model_copy(update=change)
        started = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=i)
        masters.append(old.model_copy(update={"key": key, "path": Path(f"/lib/{i}.xisf"), "started": started}))
    return masters


def test_ten_thousand_masters_are_matched_well_under_a_second() -> None:
    """With a decision for every one of them; the record of a flat keeps the nearest and counts the rest."""
    library = _ten_thousand()

    start = time.process_time()
    of_flats = match_flat(flats(), library, SETTINGS)
    of_light = match_light(light(exposure=5.0), library, SETTINGS)
    seconds = time.process_time() - start

    assert seconds / 2 < 1.0
    assert len(of_flats.decisions) == 7_500
    assert len(of_light.decisions) == 10_000
    assert of_flats.calibration is not None
    recorded = of_flats.calibration.decisions
    assert recorded[:100] == of_flats.decisions[:100]
    assert len(recorded) < 110
    assert sum(int(d.subject.split()[0]) for d in recorded[100:]) == 7_400


def test_the_nearest_master_fails_in_the_least_field() -> None:
    """Of two that fail in one field each, the right filter at another temperature is nearer, however far in time."""
    filters = make_master(FLAT, "other filter.xisf", filter="OIII", started=DUSK)
    warm = make_master(FLAT, "warm.xisf", temperature=5.0, started=DUSK - timedelta(days=90))

    problem = match_light(light(), [make_master(DARK), filters, warm], SETTINGS).problems[0]

    assert "Nearest flat: warm.xisf (temperature 5 °C, the light has -10 °C)" in problem
    assert "match.flat_temperature_tolerance_c" in problem
