"""The engine over real files: formats, damage, calibration, memory, interruption."""

import _thread
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.engines.numpy import NumpyEngine
from ap_masters.model import (
    Calibration,
    CalibrationMaster,
    Failed,
    Frame,
    FrameType,
    Group,
    GroupKey,
    Integrated,
    Job,
    JobResult,
    JobState,
    Keyword,
    Normalization,
    Progress,
    Reason,
    Recipe,
    Rejection,
    RejectionNormalization,
)
from tests.builders import make_frame
from tests.engines.numpy.cases import by_definition

FLAT_RECIPE = Recipe(
    rejection=Rejection.SIGMA,
    normalization=Normalization.MULTIPLICATIVE,
    rejection_normalization=RejectionNormalization.EQUALIZE_FLUXES,
)
SIGMA = Recipe(rejection=Rejection.SIGMA)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "Arbeit ü"
    folder.mkdir()
    return folder


def noise(seed: int, shape: tuple[int, ...] = (20, 30), level: float = 1000, sigma: float = 8) -> NDArray[np.uint16]:
    return np.rint(np.random.default_rng(seed).normal(level, sigma, shape)).astype(np.uint16)


def save(path: Path, pixels: NDArray[Any], **options: Any) -> Frame:
    """Write a frame and return it as discovery would."""
    images.write_image(path, pixels, (Keyword("IMAGETYP", "Dark"),), image_type="Dark", **options)
    height, width = pixels.shape[-2:]
    return make_frame(path=path, width=width, height=height, sample=pixels.dtype.name)


def dark_frames(folder: Path, count: int = 6, suffix: str = ".fits") -> list[Frame]:
    return [save(folder / f"dunkel {i}{suffix}", noise(i)) for i in range(count)]


def make_job(frames: list[Frame], recipe: Recipe = SIGMA, **changes: Any) -> Job:
    group = Group(key=GroupKey(type=FrameType.DARK), frames=tuple(frames))
    fields: dict[str, Any] = {"id": "dark 300 s: ü/1", "group": group, "recipe": recipe, "output": Path("d/m.xisf")}
    return Job(**(fields | changes))


def run_job(job: Job, work: Path, **options: Any) -> JobResult:
    (result,) = NumpyEngine(**({"memory": 1 << 24, "threads": 2} | options)).run([job], work, lambda news: None)
    return result


def integrated(job: Job, work: Path, **options: Any) -> Integrated:
    result = run_job(job, work, **options)
    assert isinstance(result, Integrated), result
    return result


def pixels_of(result: Integrated) -> NDArray[np.float32]:
    return images.read_image(result.path)[1]


# --- formats ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".fits", ".xisf"])
@pytest.mark.parametrize("compression", ["none", "zlib"])
def test_every_way_of_storing_the_same_frames_gives_the_same_master(
    tmp_path: Path, work: Path, suffix: str, compression: str
) -> None:
    """FITS, XISF, in place or compressed: the master is the average of what was written."""
    if suffix == ".fits" and compression != "none":
        pytest.skip("FITS frames are not written compressed")
    frames = [save(tmp_path / f"{i}{suffix}", noise(i), compression=compression) for i in range(5)]
    result = integrated(make_job(frames, Recipe(rejection=Rejection.NONE)), work)
    expected = np.stack([noise(i) for i in range(5)]).astype(np.int64).sum(0) / (5 * 65535)

    np.testing.assert_array_equal(pixels_of(result)[0], expected.astype(np.float32))
    assert [path.name for path in work.iterdir()] == [result.path.name]


def test_frames_of_both_formats_in_one_group(tmp_path: Path, work: Path) -> None:
    """What FITS stores as signed and XISF as unsigned is the same count."""
    frames = [save(tmp_path / f"{i}.{'fits' if i % 2 else 'xisf'}", noise(i, level=33000)) for i in range(6)]
    result = integrated(make_job(frames, Recipe(rejection=Rejection.NONE)), work)

    mean = np.stack([noise(i, level=33000) for i in range(6)]).astype(np.int64).sum(0) / (6 * 65535)
    np.testing.assert_array_equal(pixels_of(result)[0], mean.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int32, np.float32, np.float64])
def test_every_sample_type(tmp_path: Path, work: Path, dtype: Any) -> None:
    """Samples of every type end on the [0, 1] scale of their own range."""
    info = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else None
    full = 1.0 if info is None else float(info.max)
    values = np.random.default_rng(1).normal(0.4, 0.02, (5, 7, 9)) * full
    stack = values.astype(dtype) if info is None else np.rint(values).astype(dtype)
    frames = [save(tmp_path / f"{i}.fits", frame) for i, frame in enumerate(stack)]
    result = integrated(make_job(frames, Recipe(rejection=Rejection.NONE)), work)
    scale = images.read_info(frames[0].path).full_scale or 1.0

    np.testing.assert_allclose(pixels_of(result)[0], stack.mean(0, dtype=np.float64) / scale, rtol=2e-7)


def test_float_frames_in_counts_are_known_by_their_values(tmp_path: Path, work: Path) -> None:
    """Float samples far beyond 1 are counts of the 16-bit range; the result says so."""
    frames = [save(tmp_path / f"{i}.fits", noise(i).astype(np.float32)) for i in range(4)]
    result = integrated(make_job(frames, Recipe(rejection=Rejection.NONE)), work)

    assert result.statistics.channels[0].median == pytest.approx(1000 / 65535, rel=0.01)
    assert result.notes == ("float frames taken as counts of the 16-bit range",)


def test_colour_frames_keep_their_channels_apart(tmp_path: Path, work: Path) -> None:
    """Three planes go in and three come out, each with its own statistics."""
    stack = [np.stack([noise(i, level=level) for level in (500, 2000, 9000)]) for i in range(5)]
    frames = [save(tmp_path / f"{i}.xisf", frame) for i, frame in enumerate(stack)]
    result = integrated(make_job([f.model_copy(update={"channels": 3}) for f in frames]), work)

    levels = [round(channel.median * 65535, -2) for channel in result.statistics.channels]
    assert levels == [500, 2000, 9000]


def test_counts_as_output(tmp_path: Path, work: Path) -> None:
    """A master in ADU holds counts of the 16-bit range; its statistics stay on the [0, 1] scale."""
    result = integrated(make_job(dark_frames(tmp_path), scale="adu", output=Path("m.fits")), work)

    assert pixels_of(result).mean() == pytest.approx(1000, abs=2)
    assert result.statistics.channels[0].median == pytest.approx(1000 / 65535, rel=0.01)


# --- damage -----------------------------------------------------------------------------------------------


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2880])


def not_a_number(path: Path) -> None:
    values = noise(0).astype(np.float32)
    values[3, 7] = np.nan
    images.write_image(path, values, (), image_type="Dark")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def smaller(path: Path) -> None:
    images.write_image(path, noise(0, (19, 30)), (), image_type="Dark")


@pytest.mark.parametrize(
    ("damage", "reason", "words"),
    [
        pytest.param(cut_short, Reason.UNREADABLE, "cut short", id="truncated"),
        pytest.param(empty, Reason.UNREADABLE, "empty", id="zero bytes"),
        pytest.param(Path.unlink, Reason.UNREADABLE, "cannot be read", id="gone"),
        pytest.param(smaller, Reason.GEOMETRY, "30 x 19", id="other geometry"),
        pytest.param(not_a_number, Reason.GEOMETRY, "float32", id="other sample type"),
    ],
)
def test_a_damaged_frame_is_left_out_and_reported(
    tmp_path: Path, work: Path, damage: Callable[[Path], None], reason: Reason, words: str
) -> None:
    """One bad frame of six: the master is made of five, and the result says which one is missing and why."""
    frames = dark_frames(tmp_path)
    damage(frames[2].path)
    result = integrated(make_job(frames), work)

    (aside,) = result.dropped
    assert (aside.path, aside.reason) == (frames[2].path, reason)
    assert words in aside.detail
    assert [frame.path for frame in result.frames] == [f.path for f in frames if f is not frames[2]]
    assert result.samples == 5 * 600


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_set_their_frame_aside(tmp_path: Path, work: Path, value: float) -> None:
    """The first such sample is named by row and column; no master holds a NaN."""
    stack = [noise(i).astype(np.float32) / 65535 for i in range(5)]
    stack[4][11, 23] = value
    stack[4][12, 2] = value
    frames = [save(tmp_path / f"{i}.fits", frame) for i, frame in enumerate(stack)]
    result = integrated(make_job(frames), work)

    assert [(a.path, a.reason) for a in result.dropped] == [(frames[4].path, Reason.PIXELS)]
    assert "row 11, column 23" in result.dropped[0].detail
    assert np.isfinite(pixels_of(result)).all()


def test_too_few_sound_frames_fail_with_words(tmp_path: Path, work: Path) -> None:
    """Two frames left of four are not integrated: the failure says what is there and what is needed."""
    frames = dark_frames(tmp_path, 4)
    cut_short(frames[0].path)
    empty(frames[1].path)
    result = run_job(make_job(frames), work)

    assert isinstance(result, Failed)
    assert "2 of 4 frames are left and 3 are needed" in result.reason
    assert "could not be used" in result.reason
    assert len(result.dropped) == 2
    assert list(work.iterdir()) == []


def test_frames_that_min_max_rejection_would_leave_nothing_of_fail_with_words(tmp_path: Path, work: Path) -> None:
    """Five were planned; one is cut short, and of four all samples would be rejected."""
    frames = dark_frames(tmp_path, 5)
    cut_short(frames[0].path)
    recipe = Recipe(rejection=Rejection.MINMAX, minmax_low=2, minmax_high=2)
    result = run_job(make_job(frames, recipe), work)

    assert isinstance(result, Failed)
    assert "4 of 5 frames are left and 5 are needed for min-max rejection of the 2 lowest and the 2" in result.reason


@pytest.mark.parametrize("count", [1, 2])
def test_a_group_that_was_planned_small_is_integrated(tmp_path: Path, work: Path, count: int) -> None:
    """A user may ask for masters of one or two frames; nothing is rejected in them."""
    result = integrated(make_job(dark_frames(tmp_path, count)), work)

    assert (result.rejected_low, result.rejected_high) == (0, 0)


def test_one_failure_does_not_stop_the_other_jobs(tmp_path: Path, work: Path) -> None:
    """Results come in the jobs' order, whatever became of each."""
    good = dark_frames(tmp_path)
    bad = [frame.model_copy(update={"path": tmp_path / f"missing {i}.fits"}) for i, frame in enumerate(good)]
    jobs = [make_job(bad, id="a"), make_job(good, id="b"), make_job(good, Recipe(), id="c")]
    results = NumpyEngine(memory=1 << 24).run(jobs, work, lambda news: None)

    assert [(r.job_id, r.status) for r in results] == [("a", "failed"), ("b", "integrated"), ("c", "failed")]
    assert [path.name for path in work.iterdir()] == ["b.xisf"]


# --- calibration and normalization ------------------------------------------------------------------------


def flats(
    folder: Path, count: int = 8, *, bias: float = 500, width: int = 40
) -> tuple[list[Frame], NDArray[np.float64]]:
    """Write flats of a lamp that fades, over a bias, and return them and the field without noise."""
    rng = np.random.default_rng(5)
    field = 20000 * (1 - 0.3 * np.linspace(-1, 1, width)[None, :] ** 2) * np.ones((30, 1))
    frames = []
    for i in range(count):
        exposed = rng.poisson(field * (1 - 0.02 * i)) + bias
        frames.append(save(folder / f"flat{i}.fits", exposed.astype(np.uint16)))
    return frames, field


def save_master(path: Path, pixels: NDArray[np.float64]) -> Path:
    images.write_image(path, pixels.astype(np.float32), (), image_type="MasterBias")
    return path


def test_a_flat_minus_its_bias_is_the_field(tmp_path: Path, work: Path) -> None:
    """The bias goes out before frames are scaled; levels are those of calibrated frames."""
    frames, field = flats(tmp_path)
    bias = save_master(tmp_path / "bias.xisf", np.full((30, 40), 500 / 65535))
    calibration = Calibration(bias=CalibrationMaster(path=bias, type=FrameType.BIAS))
    result = integrated(make_job(frames, FLAT_RECIPE, calibration=calibration), work)
    ratio = pixels_of(result)[0] / field
    levels = [frame.level or 0 for frame in result.frames]

    assert ratio.std() / ratio.mean() == pytest.approx(1 / np.sqrt(8 * field.mean()), rel=0.15)
    np.testing.assert_allclose(levels, [np.median(field) * (1 - 0.02 * i) / 65535 for i in range(8)], rtol=6e-3)
    np.testing.assert_allclose(
        [f.scale or 0 for f in result.frames], [levels[0] / level for level in levels], rtol=1e-6
    )


def test_a_dark_that_holds_the_bias_is_subtracted_once(tmp_path: Path, work: Path) -> None:
    """Bias and dark with bias: the bias is taken out of the dark first."""
    frames, field = flats(tmp_path, bias=560)
    bias = save_master(tmp_path / "bias.xisf", np.full((30, 40), 500 / 65535))
    dark = save_master(tmp_path / "dark.xisf", np.full((30, 40), 560 / 65535))
    calibration = Calibration(
        bias=CalibrationMaster(path=bias, type=FrameType.BIAS), dark=CalibrationMaster(path=dark, type=FrameType.DARK)
    )
    result = integrated(make_job(frames, FLAT_RECIPE, calibration=calibration), work)

    assert (pixels_of(result)[0] * 65535 / field).mean() == pytest.approx(1, abs=2e-3)


def test_a_master_in_counts_is_subtracted_in_counts(tmp_path: Path, work: Path) -> None:
    """A float master far beyond 1 holds counts of the 16-bit range."""
    frames, field = flats(tmp_path)
    bias = save_master(tmp_path / "bias.fits", np.full((30, 40), 500.0))
    calibration = Calibration(bias=CalibrationMaster(path=bias, type=FrameType.BIAS))
    result = integrated(make_job(frames, FLAT_RECIPE, calibration=calibration), work)

    assert (pixels_of(result)[0] * 65535 / field).mean() == pytest.approx(1, abs=2e-3)


def save_rows(path: Path, pixels: NDArray[Any], order: str | None) -> Path:
    """Write ``pixels``, given top down, in the order of rows that ROWORDER then says; None says nothing."""
    keywords = (Keyword("ROWORDER", order),) if order else ()
    images.write_image(path, pixels[::-1] if order == "BOTTOM-UP" else pixels, keywords, image_type="Dark")
    return path


@pytest.mark.parametrize(
    ("frames_say", "dark_says", "suffix"),
    [
        pytest.param("BOTTOM-UP", "TOP-DOWN", ".fits", id="a dark the other way round"),
        pytest.param("TOP-DOWN", "BOTTOM-UP", ".xisf", id="frames the other way round"),
        pytest.param("BOTTOM-UP", None, ".xisf", id="an XISF that says nothing is top down"),
        pytest.param("BOTTOM-UP", "BOTTOM-UP", ".fits", id="both bottom up"),
    ],
)
@pytest.mark.parametrize("memory", [1 << 24, 1 << 13])
def test_a_dark_is_turned_over_for_frames_of_the_other_row_order(
    tmp_path: Path, work: Path, frames_say: str, dark_says: str | None, suffix: str, memory: int
) -> None:
    """Each pixel is calibrated with itself, and mended with the dark's list, whatever way its file has the rows."""
    pattern = np.arange(600, dtype=np.float32).reshape(20, 30)
    paths = [save_rows(tmp_path / f"{i}.fits", (noise(i) + pattern).astype(np.uint16), frames_say) for i in range(6)]
    frames = [make_frame(path=path, width=30, height=20, row_order=frames_say) for path in paths]
    dark = save_rows(tmp_path / f"dark{suffix}", pattern / np.float32(65535), dark_says)
    listed = tmp_path / "cosme.lst"
    listed.write_text(f"P 3 {17 if dark_says == 'BOTTOM-UP' else 2}\n", encoding="ascii")
    subtracted = Calibration(dark=CalibrationMaster(path=dark, type=FrameType.DARK), defects=listed)

    result = integrated(make_job(frames, Recipe(rejection=Rejection.NONE), calibration=subtracted), work, memory=memory)

    values = pixels_of(result)[0][:: -1 if frames_say == "BOTTOM-UP" else 1] * 65535
    plain = np.mean([noise(i) for i in range(6)], axis=0)
    plain[2, 3] = np.mean([np.median(np.delete(noise(i)[1:4, 2:5], 4)) for i in range(6)])
    np.testing.assert_allclose(values, plain, atol=0.02)


def test_negative_samples_after_calibration_are_kept(tmp_path: Path, work: Path) -> None:
    """Darks minus their own level scatter about zero; nothing is cut off or wrapped."""
    frames = dark_frames(tmp_path)
    calibration = Calibration(constant=1000.0)
    result = integrated(make_job(frames, calibration=calibration), work)
    values = pixels_of(result) * 65535

    assert values.min() < -2
    assert values.mean() == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("pedestal", [100.0, -100.0])
def test_a_pedestal_is_subtracted_whatever_its_sign(tmp_path: Path, work: Path, pedestal: float) -> None:
    """PEDESTAL says by how much samples were raised; MaxIm DL writes it negative."""
    frames = [f.model_copy(update={"pedestal": pedestal}) for f in dark_frames(tmp_path)]
    result = integrated(make_job(frames, calibration=Calibration(constant=0.0)), work)

    assert pixels_of(result).mean() * 65535 == pytest.approx(900, abs=1)


def test_flats_can_be_brought_to_a_target_median(tmp_path: Path, work: Path) -> None:
    """Each frame is scaled to the median asked for, and so is the master."""
    frames, _ = flats(tmp_path, bias=0)
    recipe = FLAT_RECIPE.model_copy(update={"target_median": 5000.0})
    result = integrated(make_job(frames, recipe, scale="adu", output=Path("f.fits")), work)

    assert np.median(pixels_of(result)) == pytest.approx(5000, rel=3e-3)


def test_defects_are_mended_after_subtraction(tmp_path: Path, work: Path) -> None:
    """A listed pixel becomes the median of its sound neighbours, in every frame; others are left alone."""
    stack = [noise(i).astype(np.uint16) for i in range(5)]
    for frame in stack:
        frame[0, 0] = frame[10, 12] = frame[10, 13] = 60000
        frame[5, 5] = 60000
    frames = [save(tmp_path / f"{i}.fits", frame) for i, frame in enumerate(stack)]
    listed = tmp_path / "cosme.lst"
    listed.write_text("# IRIS\r\nP 0 0\r\nP 12 10\r\nP 13 10\r\n", encoding="ascii")
    result = integrated(make_job(frames, calibration=Calibration(defects=listed)), work)
    values = pixels_of(result)[0] * 65535

    assert values[5, 5] == pytest.approx(60000)
    assert [round(float(values[p]), -2) for p in ((0, 0), (10, 12), (10, 13))] == [1000, 1000, 1000]


def test_a_list_of_defects_of_another_sensor_is_refused(tmp_path: Path, work: Path) -> None:
    """A defect outside the image means the wrong list."""
    listed = tmp_path / "cosme.lst"
    listed.write_text("P 30 0\n", encoding="ascii")
    result = run_job(make_job(dark_frames(tmp_path), calibration=Calibration(defects=listed)), work)

    assert isinstance(result, Failed)
    assert "line 1: pixel 30, 0 lies outside 30 x 20" in result.reason


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("C 5", "line 3 is a whole column or row, which is not mended: C 5", id="column"),
        pytest.param("P 1 2 H", "line 3 is Siril's, which counts rows from the other end: P 1 2 H", id="Siril's"),
        pytest.param("P 1", "line 3 is not P and one position: P 1", id="cut short"),
        pytest.param("P 1 x", "line 3 is no position: 1 x", id="no number"),
        pytest.param("13 10", "line 3 does not begin with P: 13 10", id="another program's"),
        pytest.param("P 1 -2", "line 3: pixel 1, -2 lies outside 30 x 20", id="before the first row"),
    ],
)
def test_half_a_list_of_defects_is_not_applied(tmp_path: Path, work: Path, line: str, told: str) -> None:
    """A line that names no pixel is no line to pass over: what it means would stay in every flat, or another pixel."""
    listed = tmp_path / "cosme.lst"
    listed.write_text(f"# cosme\nP 3 4\n{line}\n", encoding="ascii")
    result = run_job(make_job(dark_frames(tmp_path), calibration=Calibration(defects=listed)), work)

    assert isinstance(result, Failed)
    assert told in result.reason


def test_a_list_of_defects_may_have_comments_in_any_encoding(tmp_path: Path, work: Path) -> None:
    """Also behind a position; Windows writes them in a code page."""
    listed = tmp_path / "cosme.lst"
    listed.write_bytes("# caméra\r\n\r\np 3 4 # à côté\r\n".encode("cp1252"))
    result = run_job(make_job(dark_frames(tmp_path), calibration=Calibration(defects=listed)), work)

    assert isinstance(result, Integrated)


def test_a_master_of_another_size_is_refused(tmp_path: Path, work: Path) -> None:
    """The failure names both sizes."""
    bias = save_master(tmp_path / "bias.xisf", np.full((20, 31), 0.01))
    calibration = Calibration(bias=CalibrationMaster(path=bias, type=FrameType.BIAS))
    result = run_job(make_job(dark_frames(tmp_path), calibration=calibration), work)

    assert isinstance(result, Failed)
    assert "31 x 20" in result.reason
    assert "30 x 20" in result.reason


def test_a_scaled_dark_goes_with_its_factor(tmp_path: Path, work: Path) -> None:
    """Frames with 0.4 times the dark's hot pixels are given a factor of 0.4, frame by frame."""
    rng = np.random.default_rng(6)
    hot = np.where(rng.random((60, 80)) < 0.03, rng.exponential(3000, (60, 80)), 0)
    bias = save_master(tmp_path / "bias.xisf", np.full((60, 80), 500 / 65535))
    dark = save_master(tmp_path / "dark.xisf", (500 + rng.normal(0, 1, (60, 80)) + hot) / 65535)
    frames = [
        save(tmp_path / f"{i}.fits", np.rint(rng.normal(5500, 10, (60, 80)) + 0.4 * hot).astype(np.uint16))
        for i in range(4)
    ]
    calibration = Calibration(
        bias=CalibrationMaster(path=bias, type=FrameType.BIAS),
        dark=CalibrationMaster(path=dark, type=FrameType.DARK),
        scale_dark=True,
    )
    result = integrated(make_job(frames, FLAT_RECIPE, calibration=calibration), work)

    np.testing.assert_allclose([f.dark_scaling or 0 for f in result.frames], 0.4, atol=0.01)
    assert pixels_of(result)[0].std() * 65535 < 12


# --- the run itself ---------------------------------------------------------------------------------------


def test_progress_runs_from_nothing_to_all(tmp_path: Path, work: Path) -> None:
    """Fractions rise to 1 while the job runs."""
    news: list[Progress] = []
    NumpyEngine(memory=1 << 16, threads=1).run([make_job(dark_frames(tmp_path))], work, news.append)
    fractions = [progress.fraction for progress in news]

    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert {progress.state for progress in news} == {JobState.RUNNING}


def test_an_interrupt_passes_through_and_leaves_nothing(tmp_path: Path, work: Path) -> None:
    """Ctrl-C in the middle of a master ends the run at once; neither processes nor files stay behind."""
    frames = [save(tmp_path / f"{i}.fits", noise(i, (1600, 2000))) for i in range(6)]

    def interrupt(progress: Progress) -> None:
        if progress.fraction > 0:
            _thread.interrupt_main()

    with pytest.raises(KeyboardInterrupt):
        NumpyEngine(memory=1 << 15, threads=2).run([make_job(frames)], work, interrupt)

    assert list(work.iterdir()) == []
    assert not multiprocessing.active_children()


def test_memory_does_not_grow_with_the_image(tmp_path: Path, work: Path) -> None:
    """Numpy's own allocations stay within the budget and a few fixed megabytes, though the frames are far larger."""
    import tracemalloc

    budget = 4 << 20
    frames = [save(tmp_path / f"{i}.fits", noise(i, (700, 900))) for i in range(16)]  # 20 MB of samples
    tracemalloc.start()
    try:
        integrated(make_job(frames), work, memory=budget)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < budget + (8 << 20)


def test_more_frames_than_files_may_be_open(tmp_path: Path, work: Path) -> None:
    """300 frames are integrated with 200 file handles."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    frames = [save(tmp_path / f"{i}.fits", noise(i, (4, 5))) for i in range(300)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        result = integrated(make_job(frames), work)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert len(result.frames) == 300


def test_the_ten_real_darks(realdata: Path, work: Path) -> None:
    """Ten darks of an SBIG ST-10, winsorized at 4 and 3: the counts are those of the definition.

    Some rows are integrated by the reference, pixel by pixel; the counts of the whole are kept from changing.
    """
    paths = sorted((realdata / "oscaar_tres1").glob("*.fit"))
    info = images.read_info(paths[0])
    frames = [make_frame(path=path, width=info.width, height=info.height) for path in paths]
    result = integrated(make_job(frames, Recipe(rejection=Rejection.WINSORIZED)), work)

    assert (result.rejected_low, result.rejected_high) == (21_111, 77_025)
    assert sum(frame.rejected_high for frame in result.frames) == 77_025
    stack = np.stack([images.read_image(path)[1][:, 300:302, ::3] for path in paths])
    theirs = by_definition(stack, Recipe(rejection=Rejection.WINSORIZED))
    np.testing.assert_array_equal(pixels_of(result)[:, 300:302, ::3], theirs.pixels)
