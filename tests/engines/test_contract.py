"""Both engines make the same masters of the same jobs, and both keep the definitions."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.engines import Engine
from ap_masters.engines.history import read_history
from ap_masters.engines.numpy import NumpyEngine
from ap_masters.model import Failed, Integrated, Job, Keyword, Rejection
from tests import reference
from tests.engines.cases import Cases
from tests.engines.pixinsight.jobs import make_engine
from tests.simulator import COMMAND

ENGINES: dict[str, Callable[[], Engine]] = {
    "numpy": lambda: NumpyEngine(memory=64 << 20),
    "pixinsight": lambda: make_engine(COMMAND),
}
AGREEMENT = 1e-7  # of full scale


class Bench:
    """All cases, and what each engine made of them; each is run once, for a launch of PixInsight is dear."""

    def __init__(self, folder: Path) -> None:
        self.jobs = {job.id: job for job in Cases(folder).jobs()}
        self._results: dict[str, dict[str, Integrated]] = {}
        self._folder = folder

    def results(self, engine: str) -> dict[str, Integrated]:
        """Return the results by job; every job has to end with a master."""
        if engine not in self._results:
            workdir = self._folder / engine
            workdir.mkdir()
            made = ENGINES[engine]().run(list(self.jobs.values()), workdir, lambda progress: None)
            assert [result for result in made if isinstance(result, Failed)] == []
            self._results[engine] = {r.job_id: r for r in made if isinstance(r, Integrated)}
        return self._results[engine]

    def pixels(self, engine: str, job: Job) -> NDArray[np.float64]:
        """Return a master on the [0, 1] scale."""
        _, samples = images.read_image(self.results(engine)[job.id].path)
        return samples.astype(np.float64) / (65535 if job.scale == "adu" else 1)


@pytest.fixture(autouse=True)
def quick_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts at once, and leaves the check for ES5 to the tests of scripts."""
    monkeypatch.setenv("AP_SIM_STARTUP", "0")
    monkeypatch.setenv("AP_SIM_ES5", "0")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


def counts(result: Integrated) -> list[tuple[str, int, int]]:
    return [(frame.path.name, frame.rejected_low, frame.rejected_high) for frame in result.frames]


def lost(result: Integrated) -> NDArray[np.int64]:
    """Return how many samples each frame lost, low and high."""
    return np.array([(frame.rejected_low, frame.rejected_high) for frame in result.frames])


def is_rounded(job: Job) -> bool:
    """Say whether the samples are no whole numbers when they are rejected.

    PixInsight rounds each step of a calibration to 32 bits on the scale [0, 1], the numpy engine in counts; a
    sample that meets a limit to within that may fall on either side, and take others of its pixel along.
    """
    return job.calibration is not None


def test_masters_agree(bench: Bench) -> None:
    """No sample differs by more than rounding, whatever the method, format or calibration."""
    apart = {
        name: np.abs(bench.pixels("numpy", job) - bench.pixels("pixinsight", job)) for name, job in bench.jobs.items()
    }
    pixels = {name: int((distance > AGREEMENT).sum()) for name, distance in apart.items()}

    assert {name: n for name, n in pixels.items() if n > is_rounded(bench.jobs[name])} == {}
    assert sum(pixels.values()) <= 2
    assert max(distance.max() for distance in apart.values()) < 0.005


def test_rejection_counts_agree_exactly(bench: Bench) -> None:
    """Every frame loses as many samples, on the same side, in both engines; a calibrated one may differ by one."""
    ours, theirs = bench.results("numpy"), bench.results("pixinsight")
    apart = {name: int(np.abs(lost(ours[name]) - lost(theirs[name])).max()) for name in bench.jobs}

    assert {name: n for name, n in apart.items() if n > is_rounded(bench.jobs[name])} == {}
    assert sum(apart.values()) <= 2
    for name, result in ours.items():
        assert [frame.path for frame in result.frames] == [frame.path for frame in theirs[name].frames]
        assert (result.rejected_low, result.rejected_high) == tuple(lost(result).sum(axis=0))
        assert result.samples == theirs[name].samples


def test_the_cases_are_worth_it(bench: Bench) -> None:
    """Most jobs reject something on both sides, or agreement would mean nothing; small stacks cannot always."""
    low = [name for name, result in bench.results("numpy").items() if result.rejected_low]
    high = [name for name, result in bench.results("numpy").items() if result.rejected_high]

    assert len(low) > len(bench.jobs) / 3
    assert len(high) > len(bench.jobs) / 2


@pytest.mark.parametrize("engine", ENGINES)
def test_small_stacks_are_as_defined(bench: Bench, engine: str) -> None:
    """A sample of uncalibrated jobs against the definitions, pixel by pixel."""
    chosen = [job for name, job in bench.jobs.items() if name.endswith("of-5") or name == "all-rejected"]
    assert len(chosen) > 5
    for job in chosen:
        frames = np.stack([images.read_image(frame.path)[1] for frame in job.frames])[:, :, :3]
        wanted = reference.integrate(frames, job.recipe)

        got = bench.pixels(engine, job)[:, :3]
        assert np.abs(got - wanted.pixels / 65535).max() <= AGREEMENT / 2, job.id


@pytest.mark.parametrize("engine", ENGINES)
def test_masters_are_described_alike(bench: Bench, engine: str) -> None:
    """All keywords of the job, HISTORY that gives the counts, image type, float32, and statistics."""
    for name, result in bench.results(engine).items():
        job = bench.jobs[name]
        info = images.read_info(result.path)
        carried = {(keyword.name, keyword.value) for keyword in info.keywords}
        history = read_history(info.keywords)

        assert {(k.name, k.value) for k in job.keywords} <= carried, name
        assert info.sample == "float32", name
        assert info.path.suffix != ".xisf" or info.image_type == job.image_type, name
        assert history.number == len(job.frames), name
        if info.channels == 1 and job.recipe.rejection is not Rejection.NONE:
            assert (history.rejected_low, history.rejected_high) == (result.rejected_low, result.rejected_high), name
        assert result.statistics.channels[0].median == pytest.approx(float(np.median(bench.pixels(engine, job)[0])))


@pytest.mark.parametrize("engine", ENGINES)
def test_frames_may_come_in_any_order(bench: Bench, engine: str, tmp_path: Path) -> None:
    """Without normalization, only which frame lost a sample of several equal ones may depend on the order."""
    job = bench.jobs["winsorized-of-16"]
    turned = job.model_copy(
        update={"group": job.group.model_copy(update={"frames": tuple(reversed(job.frames))}), "id": "turned"}
    )
    (result,) = ENGINES[engine]().run([turned], tmp_path, lambda progress: None)

    assert isinstance(result, Integrated)
    np.testing.assert_array_equal(images.read_image(result.path)[1][0], bench.pixels(engine, job)[0].astype(np.float32))
    assert sorted(counts(result)) == sorted(counts(bench.results(engine)[job.id]))


def run(engine: str, job: Job, workdir: Path) -> Integrated:
    """Run one job in a new work folder; it has to end with a master."""
    workdir.mkdir()
    (result,) = ENGINES[engine]().run([job], workdir, lambda progress: None)
    assert isinstance(result, Integrated), result
    return result


def test_masters_say_which_way_their_rows_run(tmp_path: Path) -> None:
    """PixInsight turns frames that say BOTTOM-UP, the numpy engine keeps them; read by what they say they agree."""
    cases, row_order = Cases(tmp_path), {"ROWORDER": "BOTTOM-UP"}
    job = cases.job(
        "bottom up",
        cases.noisy("bottom up", 6),
        cards=row_order,
        keywords=(Keyword("ROWORDER", "BOTTOM-UP"),),
        rejection=Rejection.WINSORIZED,
    )
    upright = []
    for engine in ENGINES:
        info, pixels = images.read_image(run(engine, job, tmp_path / engine).path)
        order = next(keyword.value for keyword in info.keywords if keyword.name == "ROWORDER")
        upright.append(pixels if order == "TOP-DOWN" else pixels[:, ::-1])

    assert np.abs(upright[0] - upright[1]).max() <= AGREEMENT


def section(folder: Path, rows: slice, columns: slice) -> list[NDArray[np.generic]]:
    """Return a section of each of the ten SBIG darks."""
    return [images.read_image(path)[1][0, rows, columns] for path in sorted(folder.glob("oscaar_tres1/*.fit"))]


@pytest.mark.parametrize("rejection", [Rejection.WINSORIZED, Rejection.LINEAR_FIT, Rejection.ESD])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        pytest.param(slice(300, 400), slice(500, 620), id="a corner"),
        pytest.param(slice(None), slice(None), id="whole", marks=pytest.mark.campaign),
    ],
)
def test_real_darks(realdata: Path, tmp_path: Path, rejection: Rejection, rows: slice, columns: slice) -> None:
    """Ten darks of an SBIG ST-10, quantised and with real hot pixels, give the same master and the same counts."""
    cases = Cases(tmp_path)
    job = cases.job("real darks", section(realdata, rows, columns), rejection=rejection)
    ours, theirs = (run(engine, job, tmp_path / engine) for engine in ENGINES)

    assert np.abs(images.read_image(ours.path)[1] - images.read_image(theirs.path)[1]).max() <= AGREEMENT
    assert counts(ours) == counts(theirs)
    assert ours.rejected_high > 0
