"""What a second run makes of files that were damaged and mended, of folders in odd places, of a log that cannot be."""

import gzip
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ap_masters import build as stream
from ap_masters import record as records
from ap_masters.build import BuildReport
from ap_masters.config import CullSettings, Settings
from ap_masters.engines import Engine
from ap_masters.engines.numpy import NumpyEngine
from ap_masters.errors import NothingToDo
from ap_masters.library.status import label, quarantine
from ap_masters.library.store import way_made
from ap_masters.model import Action, ImageFormat, Job, JobResult, JobState, OnProgress, Plan, Progress
from ap_masters.survey import survey
from tests.builders import noisy, write_frame
from tests.nights import shoot, shoot_flats


def darks(folder: Path, count: int = 6, *, exposure: float = 300.0, gz: bool = False) -> Path:
    """Write darks into ``folder`` and return it."""
    for i in range(count):
        path = write_frame(
            folder / f"dark {exposure:g} {i}.fits",
            noisy(round(exposure) + i, level=520),
            EXPTIME=exposure,
            EXPOSURE=exposure,
            DATE_OBS=f"2026-01-29T20:{i:02}:00",
        )
        if gz:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    return folder


def quiet(_: Progress) -> None:
    """Take news and say nothing."""


def run(folder: Path, library: Path, settings: Settings | None = None, *, engine: Engine | None = None) -> BuildReport:
    settings = settings or Settings()
    plan = survey([folder], library, settings, engine="numpy")
    clock = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return stream.build(plan, settings, engine or NumpyEngine(memory=64 << 20), quiet, clock=lambda: clock)


def actions(report: BuildReport) -> list[Action]:
    return [step.action for step in report.plan.steps]


LATER = datetime(2026, 3, 2, tzinfo=UTC)


def labelled(tmp_path: Path, *words: str) -> tuple[Path, Path]:
    """Build a library with one master of five darks in ``tmp_path / "night"``; return both, the master labelled."""
    library = tmp_path / "library"
    (first,) = run(darks(tmp_path / "night", 5), library).outcomes
    assert first.master is not None
    output = first.master.relative_to(library)
    label(library, output, words, now=LATER)
    return library, output


def record_of_the_one(report: BuildReport) -> records.Record:
    (outcome,) = report.outcomes
    assert outcome.record is not None
    return outcome.record


def test_labels_stay_with_a_master_that_is_rebuilt(tmp_path: Path) -> None:
    """S0-34: an interim set stays one; the wish for a refresh is fulfilled."""
    library, _ = labelled(tmp_path, "interim", "refresh")

    report = run(darks(tmp_path / "night", 6), library)

    assert actions(report) == [Action.REBUILD]
    record = record_of_the_one(report)
    assert record.labels == ("interim",)
    assert ("labels", "interim") in {(decision.subject, decision.verdict) for decision in record.decisions}


@pytest.mark.parametrize(("later", "kept"), [(False, ("retired",)), (True, ())])
def test_a_camera_that_later_frames_are_from_is_not_retired_any_more(
    tmp_path: Path, later: bool, kept: tuple[str, ...]
) -> None:
    """Else what replaces its masters would never be due; an old frame that turns up changes nothing."""
    library, _ = labelled(tmp_path, "retired")
    stamp = "2026-02-10T21:00:00" if later else "2026-01-01T21:00:00"
    write_frame(tmp_path / "night" / "one more.fits", noisy(9, level=520), DATE_OBS=stamp, DATE_LOC=stamp)

    record = record_of_the_one(run(tmp_path / "night", library))

    assert len(record.inputs) == 6
    assert record.labels == kept


def test_labels_stay_where_a_rebuild_was_killed_before_the_new_master_stood(tmp_path: Path) -> None:
    """The old one is out of the way by then, and the next build knows it."""
    library, output = labelled(tmp_path, "interim")
    with pytest.raises(KeyboardInterrupt), way_made(library, output, now=LATER):
        raise KeyboardInterrupt

    record = record_of_the_one(run(darks(tmp_path / "night", 6), library))

    assert record.labels == ("interim",)
    assert record.supersedes is not None


def test_labels_stay_where_a_rebuild_was_killed_between_the_new_record_and_its_master(tmp_path: Path) -> None:
    """The record that stands there is of no master, but it tells which one it was to replace."""
    library, output = labelled(tmp_path, "interim")
    place = records.record_path(library / output)
    with pytest.raises(KeyboardInterrupt), way_made(library, output, now=LATER) as before:
        assert before is not None
        old = records.read(place)
        other = old.master.model_copy(update={"sha256": "0" * 64})
        aside = before.relative_to(library).as_posix()
        with records.written(old.model_copy(update={"master": other, "supersedes": aside}), place):
            raise KeyboardInterrupt

    record = record_of_the_one(run(darks(tmp_path / "night", 6), library))

    assert record.labels == ("interim",)
    assert record.supersedes == aside


# --- damaged and mended -----------------------------------------------------------------------------------


def cut(path: Path) -> bytes:
    """Cut a file in half, as a copy that broke off; return what it was."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


def test_a_frame_that_is_still_damaged_rebuilds_nothing(tmp_path: Path) -> None:
    """What was left out is not new as long as it is the file it was."""
    folder = darks(tmp_path / "night", gz=True)
    cut(folder / "dark 300 3.fits.gz")
    assert run(folder, tmp_path / "library").exit_code == 0

    assert actions(run(folder, tmp_path / "library")) == [Action.UP_TO_DATE]


def test_a_damaged_frame_that_was_copied_again_rebuilds_its_master(tmp_path: Path) -> None:
    """The message says "copy it again"; who does gets a master with that frame in it."""
    folder = darks(tmp_path / "night", gz=True)
    damaged = folder / "dark 300 3.fits.gz"
    whole = cut(damaged)
    run(folder, tmp_path / "library")
    damaged.write_bytes(whole)

    report = run(folder, tmp_path / "library")

    assert actions(report) == [Action.REBUILD]
    assert report.plan.steps[0].reasons[0] == "1 new: dark 300 3.fits.gz"
    assert report.outcomes[0].record is not None
    assert len(report.outcomes[0].record.inputs) == 6


def test_a_frame_that_could_not_be_read_for_a_while_rebuilds_its_master(tmp_path: Path) -> None:
    """Another program had it open, or its share was gone: the file is as it was, and its pixels were never seen."""
    folder, library = darks(tmp_path / "night"), tmp_path / "library"
    frame, away = folder / "dark 300 3.fits", tmp_path / "away.fits"
    planned = survey([folder], library, Settings(), engine="numpy")
    frame.rename(away)
    stream.build(planned, Settings(), NumpyEngine(memory=64 << 20), quiet)
    away.rename(frame)

    report = run(folder, library)

    assert report.plan.steps[0].reasons == ("1 new: dark 300 3.fits",)


def test_a_frame_whose_pixels_are_mended_rebuilds_its_master(tmp_path: Path) -> None:
    """A dark that had seen light, taken anew under its old name."""
    folder = darks(tmp_path / "night")
    write_frame(folder / "lit.fits", noisy(1, level=20000), DATE_OBS="2026-01-29T20:30:00")
    run(folder, tmp_path / "library")
    assert actions(run(folder, tmp_path / "library")) == [Action.UP_TO_DATE]
    write_frame(folder / "lit.fits", noisy(1, level=520), DATE_OBS="2026-01-29T20:30:00")

    assert actions(run(folder, tmp_path / "library")) == [Action.REBUILD]


def test_a_limit_that_lets_a_culled_frame_in_rebuilds_its_master(tmp_path: Path) -> None:
    """A frame dropped for its temperature comes back when the limit is widened."""
    folder = darks(tmp_path / "night")
    write_frame(folder / "warm.fits", noisy(9, level=520), CCD_TEMP=-9.2, DATE_OBS="2026-01-29T20:30:00")
    run(folder, tmp_path / "library")
    wide = Settings(cull=CullSettings(drop_temperature_c=2.0))

    report = run(folder, tmp_path / "library", wide)

    assert report.plan.steps[0].reasons == ("1 new: warm.fits",)


# --- masters that were damaged, and settings that were changed --------------------------------------------


@pytest.mark.parametrize("left", [0, 3000], ids=["emptied", "cut short"])
def test_a_damaged_master_is_rebuilt_and_kept(tmp_path: Path, left: int) -> None:
    """Its record says how large it was; "up to date" would be a promise about a file that nobody can open."""
    folder, library = darks(tmp_path / "night"), tmp_path / "library"
    (built,) = run(folder, library).outcomes
    assert built.master is not None
    damaged = built.master.read_bytes()[:left]
    built.master.write_bytes(damaged)

    report = run(folder, library)

    assert actions(report) == [Action.REBUILD]
    assert "changed or cut short" in report.plan.steps[0].reasons[0]
    assert [path.read_bytes() for path in (library / "superseded").rglob("*.xisf")] == [damaged]
    assert actions(run(folder, library)) == [Action.UP_TO_DATE]


def _flip(master: Path, *, quietly: bool) -> bytes:
    """Change one bit of a master, as a failing disk does (``quietly``), or a program that writes to it."""
    before, content = master.stat(), bytearray(master.read_bytes())
    content[-5000] ^= 0x40
    master.write_bytes(content)
    if quietly:
        os.utime(master, ns=(before.st_atime_ns, before.st_mtime_ns))
    return bytes(content)


def test_a_master_that_was_written_to_is_rebuilt_and_serves_nothing_till_then(tmp_path: Path) -> None:
    """Its record is older than it is: that is reason enough to look at its bytes."""
    library = tmp_path / "library"
    shoot(tmp_path / "bias", "BIAS")
    (bias,) = run(tmp_path / "bias", library).outcomes
    assert bias.master is not None
    changed = _flip(bias.master, quietly=False)
    shoot_flats(tmp_path / "flats")

    refused = run(tmp_path / "flats", library).plan.steps[0]
    mended = run(tmp_path / "bias", library)

    assert refused.action is Action.SKIPPED
    assert "its file is not the one its record tells of" in refused.reasons[0]
    assert actions(mended) == [Action.REBUILD]
    assert [path.read_bytes() for path in (library / "superseded").rglob("*.xisf")] == [changed]
    assert actions(run(tmp_path / "bias", library)) == [Action.UP_TO_DATE]


def test_a_sound_flat_stays_where_its_bias_is_damaged_since(tmp_path: Path) -> None:
    """It was made before that; made anew without its bias it would be worse. The user is told what to mend."""
    library = tmp_path / "library"
    shoot(tmp_path / "night", "BIAS")
    shoot(tmp_path / "night", "DARK", 2.0)
    shoot_flats(tmp_path / "flats")
    run(tmp_path / "night", library)
    assert actions(run(tmp_path / "flats", library)) == [Action.CREATE]
    (dark,) = (library / "master").glob("masterDark*.xisf")
    _flip(dark, quietly=False)

    (kept,) = run(tmp_path / "flats", library).plan.steps

    assert kept.action is Action.UP_TO_DATE
    assert any(f"{dark.name}, which it was made with, is damaged since" in warning for warning in kept.warnings)


def test_a_damaged_master_of_newer_frames_is_rebuilt_from_older_ones(tmp_path: Path) -> None:
    """It serves nothing: whatever there is is better."""
    library = tmp_path / "library"
    shoot(tmp_path / "new", "BIAS")
    shoot(tmp_path / "old", "BIAS", at=timedelta(days=-400))
    (bias,) = run(tmp_path / "new", library).outcomes
    assert bias.master is not None
    assert actions(run(tmp_path / "old", library)) == [Action.SKIPPED]
    _flip(bias.master, quietly=False)

    assert actions(run(tmp_path / "old", library)) == [Action.REBUILD]


@pytest.mark.parametrize("kind", [ImageFormat.FITS, ImageFormat.XISF])
def test_a_master_whose_pixels_have_changed_is_not_subtracted(tmp_path: Path, kind: ImageFormat) -> None:
    """Its size is right, its bytes are not those of its record: one flipped bit would be in every flat."""
    library, settings = tmp_path / "library", Settings(format=kind)
    shoot(tmp_path / "bias", "BIAS")
    (bias,) = run(tmp_path / "bias", library, settings).outcomes
    assert bias.master is not None
    _flip(bias.master, quietly=True)
    shoot_flats(tmp_path / "flats")

    report = run(tmp_path / "flats", library, settings)

    assert report.exit_code == 5
    assert report.outcomes[0].failure is not None
    assert "is damaged" in report.outcomes[0].failure.reason


def test_another_format_replaces_the_master_with_its_record(tmp_path: Path) -> None:
    """A record stands beside one master: the one in the other format goes to ``superseded/``, with its own."""
    folder, library = darks(tmp_path / "night"), tmp_path / "library"
    run(folder, library)
    fits = Settings(format=ImageFormat.FITS)

    report = run(folder, library, fits)

    assert actions(report) == [Action.REBUILD]
    assert sorted(path.suffix for path in (library / "superseded").rglob("*.x*")) == [".xisf", ".xrs"]
    assert [path.suffix for path in library.glob("master/**/*.*") if path.suffix != ".xrs"] == [".fit"]
    assert actions(run(folder, library, fits)) == [Action.UP_TO_DATE]


def test_flats_are_calibrated_with_what_the_same_run_built(tmp_path: Path) -> None:
    """Under another layout the masters of before stay where they are, and serve no more."""
    folder, library = tmp_path / "night", tmp_path / "library"
    shoot(folder / "bias", "BIAS")
    shoot_flats(folder / "flats")
    run(folder, library)
    other = Settings(layout="wbpp")

    flat = run(folder, library, other).outcomes[-1].record

    assert flat is not None and flat.calibration is not None and flat.calibration.bias is not None
    assert flat.calibration.bias.path == library / run(folder, library, other).plan.steps[0].output
    assert set(actions(run(folder, library, other))) == {Action.UP_TO_DATE}


def test_what_another_program_built_meanwhile_is_not_built_again(tmp_path: Path) -> None:
    """Two builds at once: the second waits for the first, looks again, and finds everything up to date."""
    folder, library, settings = darks(tmp_path / "night"), tmp_path / "library", Settings()

    def replan() -> Plan:
        return survey([folder], library, settings, engine="numpy")

    plan = replan()
    run(folder, library)

    report = stream.build(plan, settings, NumpyEngine(memory=64 << 20), quiet, replan=replan)

    assert actions(report) == [Action.UP_TO_DATE]
    assert [outcome.state for outcome in report.outcomes] == [JobState.SKIPPED]
    assert report.exit_code == 0
    assert not (library / "superseded").exists()


def test_what_another_program_published_meanwhile_is_made_use_of(tmp_path: Path) -> None:
    """A plan for flats with nothing but a bias; before they are built, another program publishes a dark for them."""
    library, settings = tmp_path / "library", Settings()
    shoot(tmp_path / "biases", "BIAS")
    shoot(tmp_path / "darks", "DARK", 2.0)
    shoot_flats(tmp_path / "flats", 2.0)
    run(tmp_path / "biases", library)

    def replan() -> Plan:
        return survey([tmp_path / "flats"], library, settings, engine="numpy")

    plan = replan()
    run(tmp_path / "darks", library)

    report = stream.build(plan, settings, NumpyEngine(memory=64 << 20), quiet, replan=replan)

    (record,) = (outcome.record for outcome in report.outcomes)
    assert record is not None
    assert record.calibration is not None
    assert record.calibration.state == "D"


def test_a_plan_is_made_once_where_nobody_else_was_at_work(tmp_path: Path) -> None:
    """The first build into a new library, and the next one, look at their frames a single time."""
    folder, library, settings = darks(tmp_path / "night"), tmp_path / "library", Settings()

    def never() -> Plan:
        raise AssertionError

    for exposure in (30.0, 60.0):
        plan = survey([darks(folder, exposure=exposure)], library, settings, engine="numpy")
        report = stream.build(plan, settings, NumpyEngine(memory=64 << 20), quiet, replan=never)

        assert report.exit_code == 0


# --- folders in odd places --------------------------------------------------------------------------------


def test_masters_may_be_built_into_the_folder_of_their_frames(tmp_path: Path) -> None:
    """Input and output are one folder: the masters there are no frames, and a second run builds nothing."""
    folder = darks(tmp_path / "night")

    assert actions(run(folder, folder)) == [Action.CREATE]
    assert actions(run(folder, folder)) == [Action.UP_TO_DATE]


def test_frames_in_a_library_that_lies_in_the_input_are_told(tmp_path: Path) -> None:
    """They are not looked at, as masters are not; what was to be integrated may be among them."""
    night = tmp_path / "night"
    darks(night)
    library = darks(night / "60 s", count=4, exposure=60.0)

    first, second = run(night, library).plan, run(night, library).plan

    for plan in (first, second):
        (warning,) = plan.warnings
        assert warning.startswith("not looked at, as OUTPUT, ")
        assert "lies in an INPUT: 4 image files other than masters; choose another OUTPUT" in warning
    assert survey([night, library], library, Settings(), engine="numpy").warnings == ()
    for frame in night.glob("*.fits"):
        frame.unlink()
    with pytest.raises(NothingToDo, match="4 image files other than masters"):
        survey([night], library, Settings(), engine="numpy")


def test_masters_in_a_library_that_lies_in_the_input_need_no_word(tmp_path: Path) -> None:
    """They are what the tool made."""
    library = darks(tmp_path / "night") / "masters"
    run(tmp_path / "night", library)

    assert run(tmp_path / "night", library).plan.warnings == ()


def test_frames_may_lie_inside_the_library(tmp_path: Path) -> None:
    """A library that keeps its raw frames in a folder of its own, given as a whole."""
    library = tmp_path / "library"
    darks(library / "raw" / "night")

    assert actions(run(library, library)) == [Action.CREATE]
    assert actions(run(library / "raw", library)) == [Action.UP_TO_DATE]


# --- what fails beside the masters ------------------------------------------------------------------------


def test_a_build_that_was_killed_before_it_wrote_the_index_writes_it_the_next_time(tmp_path: Path) -> None:
    """Nothing is left to build by then; an index that is right is not touched."""
    night, library = darks(tmp_path / "night"), tmp_path / "library"
    run(night, library)
    index = library / "calibration-index.json"
    right, written = index.read_bytes(), index.stat().st_mtime_ns

    assert run(night, library).exit_code == 0
    assert index.stat().st_mtime_ns == written

    index.write_bytes(b"{}")
    assert run(night, library).exit_code == 0
    assert index.read_bytes() == right


def test_a_build_with_nothing_to_do_makes_no_library(tmp_path: Path) -> None:
    """Too few frames: the folder that was named is as it was."""
    report = run(darks(tmp_path / "night", 1), tmp_path / "library")

    assert actions(report) == [Action.SKIPPED]
    assert not (tmp_path / "library").exists()


def test_a_log_that_cannot_be_written_costs_no_master(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file stands where the folder of logs should be: the master is built all the same, and that is told once."""
    folder = darks(darks(tmp_path / "night"), exposure=60.0)
    library = tmp_path / "library"
    library.mkdir()
    (library / "logs").write_text("in the way", encoding="utf-8")

    report = run(folder, library)

    assert [outcome.state for outcome in report.outcomes] == [JobState.SUCCESS, JobState.SUCCESS]
    assert report.log is None
    told = [message for message in caplog.messages if "log" in message]
    assert len(told) == 1
    assert "cannot be written" in told[0]


class Sweeping:
    """An engine that is followed by somebody who removes its work folder, and all beside it."""

    name = "numpy"
    batches = False

    def run(self, jobs: Sequence[Job], workdir: Path, on_progress: OnProgress) -> list[JobResult]:
        results = NumpyEngine(memory=64 << 20).run(jobs, workdir, on_progress)
        shutil.rmtree(workdir.parent)
        return results


def test_a_work_folder_that_cannot_be_made_fails_its_job_alone(tmp_path: Path) -> None:
    """The report tells of each job what became of it, whatever happens to the disk."""
    folder = darks(darks(tmp_path / "night"), exposure=60.0)

    report = run(folder, tmp_path / "library", engine=Sweeping())

    assert [outcome.state for outcome in report.outcomes] == [JobState.FAILED, JobState.FAILED]
    assert report.outcomes[1].failure is not None
    assert "the work folder cannot be made" in report.outcomes[1].failure.reason


# --- copied and renamed -----------------------------------------------------------------------------------


def test_a_copy_beside_a_frame_rebuilds_nothing(tmp_path: Path) -> None:
    """Neither when a file manager makes it, nor when it goes again."""
    folder = darks(tmp_path / "night")
    run(folder, tmp_path / "library")
    copy = folder / "dark 300 3 - Kopie.fits"
    shutil.copyfile(folder / "dark 300 3.fits", copy)

    assert actions(run(folder, tmp_path / "library")) == [Action.UP_TO_DATE]

    copy.unlink()

    assert actions(run(folder, tmp_path / "library")) == [Action.UP_TO_DATE]


def test_frames_under_other_names_are_the_same_frames(tmp_path: Path) -> None:
    """A frame that was renamed, and two whose names were exchanged; a frame that was taken since is a new one."""
    folder = darks(tmp_path / "night")
    run(folder, tmp_path / "library")
    (folder / "dark 300 3.fits").rename(folder / "longer than before.fits")
    (folder / "dark 300 0.fits").rename(folder / "x.fits")
    (folder / "dark 300 1.fits").rename(folder / "dark 300 0.fits")
    (folder / "x.fits").rename(folder / "dark 300 1.fits")

    assert actions(run(folder, tmp_path / "library")) == [Action.UP_TO_DATE]

    write_frame(folder / "new.fits", noisy(99, level=520), DATE_OBS="2026-01-29T20:30:00")
    again = run(folder, tmp_path / "library")

    assert actions(again) == [Action.REBUILD]
    assert again.plan.steps[0].reasons == ("1 new: new.fits",)


# --- quarantined by hand ----------------------------------------------------------------------------------


def test_a_quarantine_is_not_passed_by_another_name_or_layout(tmp_path: Path) -> None:
    """The frames are the same, whatever they are called and wherever the master would go."""
    folder, library = darks(tmp_path / "night"), tmp_path / "library"
    (outcome,) = run(folder, library).outcomes
    quarantine(library, outcome.step.output, "a leak", now=datetime(2026, 3, 2, tzinfo=UTC))
    first = folder / "dark 300 0.fits"
    first.rename(folder / "dark 300 0 (1).fits")

    for settings in (Settings(), Settings(layout="wbpp")):
        (step,) = run(folder, library, settings).plan.steps
        assert step.action is Action.SKIPPED
        assert "is in quarantine (a leak)" in step.reasons[0]


def test_frames_of_a_quarantined_master_do_not_come_back_unsaid(tmp_path: Path) -> None:
    """A build of all frames puts them into one master with good ones; without the one that was bad nothing is said."""
    bad, library = darks(tmp_path / "nights" / "bad"), tmp_path / "library"
    (outcome,) = run(bad, library).outcomes
    quarantine(library, outcome.step.output, "a leak", now=datetime(2026, 3, 2, tzinfo=UTC))
    for i in range(6):
        write_frame(tmp_path / "nights" / "good" / f"good {i}.fits", noisy(i, level=520))

    (step,) = run(tmp_path / "nights", library).plan.steps
    (again,) = run(tmp_path / "nights", library).plan.steps

    assert step.action is Action.CREATE
    assert "takes in all 6 frames of a master that is in quarantine (a leak)" in "\n".join(step.warnings)
    assert (again.action, "quarantine" in "\n".join(again.warnings)) == (Action.UP_TO_DATE, False)
    (bad / "dark 300 0.fits").unlink()
    (mended,) = run(bad, tmp_path / "library").plan.steps
    assert "takes in" not in "\n".join(mended.warnings)
