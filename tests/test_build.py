"""The whole stream over real files: what is found becomes masters, and nothing is ever lost or overwritten."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from ap_masters import build as stream
from ap_masters import images
from ap_masters import record as records
from ap_masters.build import BuildReport
from ap_masters.config import CountSettings, MatchSettings, Settings
from ap_masters.engines import Engine
from ap_masters.engines.numpy import NumpyEngine
from ap_masters.errors import LibraryError, NothingToDo
from ap_masters.library.audit import audit
from ap_masters.model import (
    Action,
    Failed,
    FrameType,
    ImageFormat,
    Job,
    JobResult,
    JobState,
    MasterStatus,
    OnProgress,
    Progress,
    Reason,
    SetAside,
)
from ap_masters.survey import survey
from tests.builders import noisy, write_frame

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A night with every type, with a space and an accent in its path: 6 biases, darks, dark flats, flats."""
    folder = tmp_path / "Nuit d'été 1"
    kinds = (
        ("BIAS", 0.0, None, 500),
        ("DARK", 300.0, None, 520),
        ("DARKFLAT", 2.0, None, 505),
        ("FLAT", 2.0, "L", 30000),
    )
    for kind, exposure, band, level in kinds:
        for i in range(6):
            write_frame(
                folder / kind.lower() / f"{kind}_{i:03}.fits",
                noisy(hash_of(kind, i), level=level),
                IMAGETYP=kind,
                EXPTIME=exposure,
                EXPOSURE=exposure,
                FILTER=band,
                DATE_OBS=f"2026-01-29T20:{i:02}:00",
                DATE_LOC=f"2026-01-29T21:{i:02}:00",
            )
    return folder


def hash_of(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4])


def quiet(_: Progress) -> None:
    """Take news and say nothing."""


def run(
    inputs: Path,
    library: Path,
    settings: Settings | None = None,
    engine: Engine | None = None,
    on_progress: OnProgress = quiet,
) -> BuildReport:
    settings = settings or Settings()
    the_plan = survey([inputs], library, settings, engine="numpy")
    return stream.build(the_plan, settings, engine or NumpyEngine(memory=64 << 20), on_progress, clock=lambda: NOW)


def actions(report: BuildReport) -> dict[FrameType, Action]:
    return {step.key.type: step.action for step in report.plan.steps}


def masters_of(report: BuildReport) -> dict[FrameType, Path]:
    return {o.step.key.type: o.master for o in report.outcomes if o.master}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_one_run_makes_every_master_and_calibrates_its_flats(night: Path, tmp_path: Path) -> None:
    """Bias, dark, dark flat and flat stand in the library; the flat was calibrated with the dark flat of this run."""
    before = snapshot(night)

    report = run(night, tmp_path / "library")

    assert report.exit_code == 0, [o.failure for o in report.outcomes]
    assert set(masters_of(report)) == {FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT, FrameType.FLAT}
    flat = records.read(records.record_path(masters_of(report)[FrameType.FLAT]))
    assert flat.calibration is not None
    assert flat.calibration.dark is not None
    assert flat.calibration.dark.path == masters_of(report)[FrameType.DARK_FLAT]
    assert flat.calibration.state == "D"
    assert snapshot(night) == before


def test_a_fits_master_tells_its_filter_as_far_as_fits_can(tmp_path: Path) -> None:
    """Hα and Hβ stay two filters; what FITS cannot hold is no keyword lost, and no contradiction."""
    for band, seeds in (("Hα", range(5)), ("Hβ", range(5, 10))):
        for i in seeds:
            path = tmp_path / "raws" / f"{band}_{i}.xisf"
            write_frame(path, noisy(i, level=30000), IMAGETYP="FLAT", FILTER=band, EXPTIME=2.0, INSTRUME="Kämera")
    library = tmp_path / "library"
    settings = Settings(format=ImageFormat.FITS, match=MatchSettings(allow_uncalibrated=True))

    report = run(tmp_path / "raws", library, settings)

    masters = [o.master for o in report.outcomes if o.master]
    filters = {k.value for m in masters for k in images.read_info(m).keywords if k.name == "FILTER"}
    assert filters == {"Ha", "Hb"}
    assert not [w for m in masters for w in records.read(records.record_path(m)).warnings if "put back" in w]
    assert not [fault for fault in audit(library).faults if fault.kind == "contradiction"]


def test_a_master_is_the_mean_of_its_frames_in_the_unit_range(night: Path, tmp_path: Path) -> None:
    """A bias of six clean frames is their mean over 65535, as 32-bit floats."""
    report = run(night, tmp_path / "library")

    _, pixels = images.read_image(masters_of(report)[FrameType.BIAS])
    frames = [images.read_image(p)[1] for p in sorted((night / "bias").iterdir())]
    expected = np.mean(np.stack(frames).astype(np.float64), axis=0) / 65535
    assert pixels.dtype == np.float32
    assert np.abs(pixels - expected).max() < 3 * 5 / 65535  # at most a clipped sample apart
    assert np.median(np.abs(pixels - expected)) < 1e-7


def test_the_record_says_what_the_master_was_made_of(night: Path, tmp_path: Path) -> None:
    """It validates against the published schema, has every input with its SHA-256, and the master's own."""
    report = run(night, tmp_path / "library")

    for master in masters_of(report).values():
        path = records.record_path(master)
        record = records.read(path)
        jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), records.json_schema())
        assert len(record.inputs) == 6
        assert all(e.sha256 == hashlib.sha256(e.path.read_bytes()).hexdigest() for e in record.inputs)
        assert record.master.sha256 == hashlib.sha256(master.read_bytes()).hexdigest()
        assert record.status is MasterStatus.PUBLISHED
        assert record.engine is not None
        assert record.engine.definition == "ImageIntegration 1.6.0"


def test_the_calibration_index_is_brought_up_to_date(night: Path, tmp_path: Path) -> None:
    """S1-23: every build leaves an index with statistics and relative paths, as Markdown and as strict JSON."""
    library = tmp_path / "library"

    report = run(night, library)

    markdown = (library / "calibration-index.md").read_text(encoding="utf-8")
    listed = json.loads((library / "calibration-index.json").read_text(encoding="utf-8"))
    assert listed
    for master in masters_of(report).values():
        assert master.name in markdown.replace("\\", "")


def test_a_light_tagged_as_dark_is_dropped_before_integration(night: Path, tmp_path: Path) -> None:
    """S2-54: one bright frame among the darks is left out with value and reason; the others make the master."""
    write_frame(night / "dark" / "DARK_009.fits", noisy(3, level=20000), DATE_OBS="2026-01-29T20:09:00")

    report = run(night, tmp_path / "library")

    (dark,) = [o for o in report.outcomes if o.step.key.type is FrameType.DARK]
    assert dark.record is not None
    assert [aside.path.name for aside in dark.record.dropped] == ["DARK_009.fits"]
    assert "it has seen light" in dark.record.dropped[0].detail
    assert len(dark.record.inputs) == 6
    assert actions(run(night, tmp_path / "library"))[FrameType.DARK] is Action.UP_TO_DATE


def test_a_burnt_out_flat_is_dropped_with_its_level(night: Path, tmp_path: Path) -> None:
    """Saturated flats never reach the master, and the record says how much was saturated."""
    flat = night / "flat" / "FLAT_003.fits"
    write_frame(
        flat,
        noisy(5, level=70000),
        IMAGETYP="FLAT",
        EXPTIME=2.0,
        EXPOSURE=2.0,
        FILTER="L",
        DATE_OBS="2026-01-29T20:03:00",
    )

    report = run(night, tmp_path / "library")

    (outcome,) = [o for o in report.outcomes if o.step.key.type is FrameType.FLAT]
    assert outcome.record is not None
    assert [(a.path.name, "saturated" in a.detail) for a in outcome.record.dropped] == [("FLAT_003.fits", True)]


def test_too_few_good_frames_fail_with_both_numbers(night: Path, tmp_path: Path) -> None:
    """When the bad frames are gone and too few are left, the job says what is there and what is needed."""
    for i in range(4):
        write_frame(
            night / "flat" / f"FLAT_{i:03}.fits",
            noisy(5, level=70000),
            IMAGETYP="FLAT",
            EXPTIME=2.0,
            EXPOSURE=2.0,
            FILTER="L",
            DATE_OBS=f"2026-01-29T20:0{i}:00",
            DATE_LOC=f"2026-01-29T21:0{i}:00",
        )

    report = run(night, tmp_path / "library")

    (outcome,) = [o for o in report.outcomes if o.step.key.type is FrameType.FLAT]
    assert outcome.failure is not None
    assert outcome.failure.reason.startswith("2 frames are there (4 more were dropped), 3 are needed")


def test_a_second_run_builds_nothing_and_changes_nothing(night: Path, tmp_path: Path) -> None:
    """The same frames and settings: everything is up to date, and every master and record keeps its bytes."""
    library = tmp_path / "library"
    run(night, library)
    before = {name: data for name, data in snapshot(library).items() if not name.startswith(".ap-masters")}

    report = run(night, library)

    assert set(actions(report).values()) == {Action.UP_TO_DATE}
    assert report.exit_code == 0
    assert {n: d for n, d in snapshot(library).items() if not n.startswith(".ap-masters")} == before


def test_a_new_frame_rebuilds_its_group_and_keeps_the_old_master(night: Path, tmp_path: Path) -> None:
    """Only the dark is rebuilt; the old one stands under superseded/ with its record."""
    library = tmp_path / "library"
    old = masters_of(run(night, library))[FrameType.DARK].read_bytes()
    write_frame(night / "dark" / "DARK_006.fits", noisy(99, level=520), DATE_OBS="2026-01-29T20:06:00")

    report = run(night, library)

    assert {t for t, a in actions(report).items() if a is Action.REBUILD} == {FrameType.DARK}
    (kept,) = (library / "superseded").rglob("*.xisf")
    assert kept.read_bytes() == old
    assert records.read(records.record_path(kept)).status is MasterStatus.SUPERSEDED


def test_a_rebuilt_dark_flat_rebuilds_the_flats_that_used_it(night: Path, tmp_path: Path) -> None:
    """What was subtracted has changed, so the flat is stale; bias and dark are not."""
    library = tmp_path / "library"
    run(night, library)
    (night / "darkflat" / "DARKFLAT_005.fits").unlink()

    report = run(night, library)

    rebuilt = {t for t, a in actions(report).items() if a is Action.REBUILD}
    assert rebuilt == {FrameType.DARK_FLAT, FrameType.FLAT}


class Failing:
    """An engine that fails, breaks off or lies about jobs of one type, and does the others properly."""

    name = "numpy"
    batches = False

    def __init__(self, frame_type: FrameType, how: Callable[[Job, Path], JobResult]) -> None:
        self._type = frame_type
        self._how = how
        self._engine = NumpyEngine(memory=64 << 20)

    def run(self, jobs: Sequence[Job], workdir: Path, on_progress: OnProgress) -> list[JobResult]:
        (job,) = jobs
        if job.group.key.type is self._type:
            return [self._how(job, workdir)]
        return self._engine.run(jobs, workdir, on_progress)


def fail(job: Job, _: Path) -> JobResult:
    return Failed(job_id=job.id, reason="the sensor is on fire", advice="use water")


def test_nothing_is_built_on_a_master_that_failed(night: Path, tmp_path: Path) -> None:
    """The flat waits for its dark flat, with the reason; bias and dark are built all the same. Exit code 4."""
    report = run(night, tmp_path / "library", engine=Failing(FrameType.DARK_FLAT, fail))

    by_type = {o.step.key.type: o for o in report.outcomes}
    assert by_type[FrameType.DARK_FLAT].state is JobState.FAILED
    assert "the sensor is on fire" in (by_type[FrameType.FLAT].waiting or "")
    assert by_type[FrameType.DARK].state is JobState.SUCCESS
    assert report.exit_code == 4


def test_a_rerun_after_a_failure_builds_what_is_missing(night: Path, tmp_path: Path) -> None:
    """What was published stays as it is; what failed or waited is built."""
    run(night, tmp_path / "library", engine=Failing(FrameType.DARK_FLAT, fail))

    report = run(night, tmp_path / "library")

    assert {t for t, a in actions(report).items() if a is Action.CREATE} == {FrameType.DARK_FLAT, FrameType.FLAT}
    assert report.exit_code == 0


def lie(job: Job, workdir: Path) -> JobResult:
    """Say success for a master that was cut short."""
    (result,) = NumpyEngine(memory=64 << 20).run([job], workdir, quiet)
    assert result.status == "integrated"
    os.truncate(result.path, 100)
    return result


def test_success_is_proved_and_not_believed(night: Path, tmp_path: Path) -> None:
    """An engine that says success over half a file has failed, and nothing enters the library."""
    report = run(night, tmp_path / "library", engine=Failing(FrameType.DARK, lie))

    (dark,) = [o for o in report.outcomes if o.step.key.type is FrameType.DARK]
    assert dark.state is JobState.FAILED
    assert dark.failure is not None
    assert "cannot be opened" in dark.failure.reason
    assert not (tmp_path / "library" / dark.step.output).exists()


def lose(job: Job, workdir: Path) -> JobResult:
    """Leave a frame out, as PixInsight does with one that it cannot calibrate."""
    left = job.model_copy(update={"group": job.group.model_copy(update={"frames": job.frames[1:]})})
    (result,) = NumpyEngine(memory=64 << 20).run([left], workdir, quiet)
    assert result.status == "integrated"
    aside = SetAside(path=job.frames[0].path, reason=Reason.NOT_CALIBRATED, detail="see the log")
    return result.model_copy(update={"dropped": (aside,)})


@pytest.mark.parametrize(("least", "state"), [(5, JobState.SUCCESS), (6, JobState.FAILED)])
def test_frames_that_an_engine_leaves_out_count_too(night: Path, tmp_path: Path, least: int, state: JobState) -> None:
    """--min-frames holds for what is in the master, not for what was given."""
    report = run(
        night, tmp_path / "library", Settings(counts=CountSettings(min_frames=least)), Failing(FrameType.DARK, lose)
    )

    (dark,) = [o for o in report.outcomes if o.step.key.type is FrameType.DARK]
    assert dark.state is state
    if dark.failure is not None:
        assert dark.failure.reason.startswith("5 frames are there (1 more were dropped), 6 are needed")
        assert len(dark.failure.dropped) == 1


def test_keywords_that_an_engine_lost_are_put_back(night: Path, tmp_path: Path) -> None:
    """D6: the master carries its whole key set whichever engine made it, and the record tells of the repair."""

    def forget(job: Job, workdir: Path) -> JobResult:
        poor = tuple(k for k in job.keywords if k.name not in {"GAIN", "OFFSET", "EXPTIME"})
        (result,) = NumpyEngine(memory=64 << 20).run([job.model_copy(update={"keywords": poor})], workdir, quiet)
        return result

    report = run(night, tmp_path / "library", engine=Failing(FrameType.DARK, forget))

    master = masters_of(report)[FrameType.DARK]
    values = {k.name: k.value for k in images.read_info(master).keywords}
    assert (values["GAIN"], values["OFFSET"], values["EXPTIME"]) == (100, 50, 300)
    assert any("EXPTIME, GAIN, OFFSET" in warning for warning in records.read(records.record_path(master)).warnings)


def test_an_interrupted_run_leaves_what_it_published_and_nothing_else(night: Path, tmp_path: Path) -> None:
    """Ctrl-C in the dark: the bias stands, no work folder is left, and the next run takes up the rest."""

    def interrupt(job: Job, _: Path) -> JobResult:
        raise KeyboardInterrupt

    library = tmp_path / "library"
    with pytest.raises(KeyboardInterrupt):
        run(night, library, engine=Failing(FrameType.DARK, interrupt))

    assert len(list((library / "master").glob("*.xisf"))) == 1
    assert not list((library / ".ap-masters" / "work").glob("*"))
    assert run(night, library).exit_code == 0


def test_every_file_found_is_in_a_job_or_set_aside_with_a_reason(night: Path, tmp_path: Path) -> None:
    """Damaged files, lights, notes and masters next to good frames: the good ones are built, the others told."""
    (night / "dark" / "cut.fits").write_bytes((night / "dark" / "DARK_000.fits").read_bytes()[:3000])
    (night / "dark" / "zero.fits").write_bytes(b"")
    (night / "dark" / "words.fits").write_text("not an image", encoding="utf-8")
    write_frame(night / "light" / "L_0.fits", IMAGETYP="LIGHT")
    write_frame(night / "dark" / "odd.fits", IMAGETYP="WOBBLE")

    report = run(night, tmp_path / "library")

    assert report.exit_code == 0
    told = {aside.path.name for aside in report.plan.set_aside}
    used = {f.path.name for s in report.plan.steps if s.job for f in s.job.frames}
    found = {p.name for p in night.rglob("*.fits")}
    dropped = {a.path.name for o in report.outcomes if o.record for a in o.record.dropped}
    assert found == told | used
    assert {"zero.fits", "words.fits", "L_0.fits", "odd.fits"} <= told
    assert "cut.fits" in told | dropped
    assert all(aside.detail for aside in report.plan.set_aside)


def test_an_empty_folder_says_what_was_seen_and_what_was_expected(tmp_path: Path) -> None:
    """S2-49, S4-21: the IMAGETYP values that were seen are named."""
    write_frame(tmp_path / "in" / "a.fits", IMAGETYP="WOBBLE")

    with pytest.raises(NothingToDo, match=r"No calibration frames found.*WOBBLE.*expected Bias"):
        survey([tmp_path / "in"], tmp_path / "library", Settings(), engine="numpy")


def test_a_library_that_cannot_be_written_is_an_error_that_says_so(night: Path, tmp_path: Path) -> None:
    """A file where the library should be: one clear message, no traceback."""
    (tmp_path / "library").write_text("in the way", encoding="utf-8")

    with pytest.raises(LibraryError, match="is a file; OUTPUT is the folder"):
        run(night, tmp_path / "library")


@pytest.mark.parametrize(
    "hostile", ["../../x", 'a"b', "line\nbreak", "Hα", "..", "CON", "a/b\\c", "x" * 300, "<script>", "=1+1"]
)
def test_a_hostile_filter_never_leaves_the_library(tmp_path: Path, hostile: str) -> None:
    """Whatever a header calls its filter, the master stands inside the library and its header can be read."""
    folder = tmp_path / "in"
    for i in range(3):
        write_frame(
            folder / f"flat_{i}.xisf",
            noisy(i, level=30000),
            IMAGETYP="FLAT",
            EXPTIME=2.0,
            EXPOSURE=2.0,
            FILTER=hostile,
            DATE_OBS=f"2026-01-29T20:0{i}:00",
        )
    settings = Settings(match=MatchSettings(allow_uncalibrated=True), counts=CountSettings(min_frames=3))

    report = run(folder, tmp_path / "library", settings)

    assert report.exit_code == 0, [o.failure for o in report.outcomes]
    (master,) = masters_of(report).values()
    assert master.resolve().is_relative_to((tmp_path / "library").resolve())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "library"]
    assert images.read_info(master).width == 16
