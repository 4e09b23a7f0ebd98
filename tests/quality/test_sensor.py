"""Read noise, noise of the master, gain and dark current of simulated sensors come out within 2 %."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.model import Calibration, Combination, FrameType, Keyword, Recipe
from ap_masters.quality import dark_measures, dark_series, doublings, sensor_measures, value_of
from ap_masters.quality.darkcurrent import Level, fit_line
from ap_masters.quality.sensor import clipped_variance, electrons_per_adu, master_noise, pair_of
from ap_masters.record import Input, MasterFile, Record
from tests.quality.seasons import make_key, make_record

SHAPE = (320, 480)


class Sensor(NamedTuple):
    """A sensor with fixed pattern, warm pixels, telegraph pixels and uneven response."""

    gain: float = 0.8  # e-/ADU
    read_noise: float = 3.5  # e-
    offset: float = 500.0  # ADU
    dark_current: float = 0.05  # e-/s
    step: int = 1  # 4 for 14 bits scaled up to 16

    def expose(self, seed: int, *, seconds: float = 0.0, light: float = 0.0) -> NDArray[np.uint16]:
        """Return one frame; ``light`` in electrons at the centre."""
        fixed, rng = np.random.default_rng(77), np.random.default_rng(seed)
        pattern = fixed.normal(0, 4, SHAPE)
        warm = np.where(fixed.random(SHAPE) < 0.001, fixed.exponential(40, SHAPE), 0.0)
        rows, columns = np.mgrid[-0.5 : 0.5 : SHAPE[0] * 1j, -0.5 : 0.5 : SHAPE[1] * 1j]
        vignetting = 1 - 0.5 * (rows**2 + columns**2)
        electrons = rng.poisson(light * vignetting + seconds * (self.dark_current + warm * 0.1))
        noise = rng.normal(0, self.read_noise, SHAPE)
        telegraph = np.where(fixed.random(SHAPE) < 0.0005, rng.choice([0.0, 120.0], SHAPE), 0.0)
        adu = self.offset + pattern + telegraph + (electrons + noise) / self.gain
        counts: NDArray[np.uint16] = (np.rint(adu / self.step) * self.step).clip(0, 65535).astype(np.uint16)
        return counts


def write_frames(folder: Path, frames: Sequence[NDArray[Any]], name: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name} é {i:03d}.fits" for i in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        images.write_image(path, frame, image_type="Dark")
    return paths


def record_of(paths: Sequence[Path], frame_type: FrameType, **changes: Any) -> Record:
    inputs = tuple(Input(path=path, size=1, mtime_ns=1) for path in paths)
    master = MasterFile(name="master.xisf", width=SHAPE[1], height=SHAPE[0], channels=1)
    return make_record(frame_type, inputs=inputs, master=master, **changes)


def write_master(path: Path, frames: Sequence[NDArray[Any]], combine: Any = np.mean) -> Path:
    pixels = (combine(np.stack(frames).astype(np.float64), axis=0) / 65535).astype(np.float32)
    images.write_image(path, pixels, image_type="MasterDark")
    return path


@pytest.mark.parametrize(
    "sensor",
    [
        pytest.param(Sensor(), id="usual"),
        pytest.param(Sensor(gain=1.2, read_noise=1.2), id="one ADU of noise"),
        pytest.param(Sensor(gain=0.1, read_noise=1.5, step=4), id="14 bits scaled up"),
        pytest.param(Sensor(gain=0.06, read_noise=2.0, step=16, offset=1600), id="12 bits scaled up"),
    ],
)
def test_read_noise_comes_out_within_two_per_cent(tmp_path: Path, sensor: Sensor) -> None:
    """From pairs of biases, with warm and telegraph pixels, fixed pattern and coarse quantization."""
    frames = [sensor.expose(seed) for seed in range(8)]
    record = record_of(write_frames(tmp_path, frames, "bias"), FrameType.BIAS, electrons_per_adu=sensor.gain)

    found = value_of(sensor_measures(record, write_master(tmp_path / "master.xisf", frames)), "read noise")

    assert found is not None
    assert found.physical == pytest.approx(sensor.read_noise, rel=0.02)
    assert found.value == pytest.approx(sensor.read_noise / sensor.gain, rel=0.02)
    assert found.error is not None
    assert found.error < 0.005 * found.value


@pytest.mark.parametrize("gain", [0.25, 0.8, 2.0])
@pytest.mark.parametrize("drift", [1.0, 0.9])
def test_gain_comes_out_within_two_per_cent(tmp_path: Path, gain: float, drift: float) -> None:
    """From two flats and two biases, with vignetting, and with a lamp that has faded by a tenth between them."""
    sensor = Sensor(gain=gain)
    light = 25000 * gain
    flats = [sensor.expose(1, light=light), sensor.expose(2, light=light * drift)]
    biases = [sensor.expose(seed) for seed in (3, 4)]
    record = record_of(write_frames(tmp_path, flats, "flat"), FrameType.FLAT)
    reference = record_of(write_frames(tmp_path, biases, "bias"), FrameType.BIAS)

    found = value_of(sensor_measures(record, tmp_path / "none.xisf", reference=reference), "gain")

    assert found is not None
    assert found.error is not None
    assert found.value == pytest.approx(gain, rel=0.02)
    assert abs(found.value - gain) < 4 * found.error


def test_the_noise_of_reading_is_not_taken_for_light(tmp_path: Path) -> None:
    """A noisy sensor in dim light: both flats of the pair bring their read noise along."""
    sensor = Sensor(gain=1.0, read_noise=40.0)
    flats = write_frames(tmp_path, [sensor.expose(seed, light=5000) for seed in (1, 2)], "flat")
    biases = write_frames(tmp_path, [sensor.expose(seed) for seed in (3, 4)], "bias")

    found = electrons_per_adu((flats[0], flats[1]), (biases[0], biases[1]))

    assert found is not None
    assert found[0] == pytest.approx(1.0, rel=0.04)


def test_saturated_or_unlit_flats_give_no_gain(tmp_path: Path) -> None:
    """Samples at the end of the range hold no noise, and without light there is no signal."""
    sensor = Sensor()
    bias = record_of(write_frames(tmp_path, [sensor.expose(seed) for seed in (1, 2)], "bias"), FrameType.BIAS)
    bright = [sensor.expose(seed, light=80000.0) for seed in (3, 4)]
    dark = [sensor.expose(seed) - np.uint16(10) for seed in (5, 6)]

    for name, frames in (("bright", bright), ("unlit", dark)):
        record = record_of(write_frames(tmp_path, frames, name), FrameType.FLAT)
        assert sensor_measures(record, tmp_path / "none.xisf", reference=bias) == ()


@pytest.mark.parametrize("count", [9, 16])
@pytest.mark.parametrize(
    ("combination", "combine"),
    [
        pytest.param(Combination.AVERAGE, np.mean, id="average"),
        pytest.param(Combination.MEDIAN, np.median, id="median"),
    ],
)
def test_the_noise_of_a_master_follows_the_square_root_law(
    tmp_path: Path, count: int, combination: Combination, combine: Any
) -> None:
    """Measured and theoretical noise agree within 3 % for mean and median, odd and even numbers of frames."""
    frames = [Sensor().expose(seed, seconds=100) for seed in range(count)]
    record = record_of(write_frames(tmp_path, frames, "dark"), FrameType.DARK, recipe=Recipe(combination=combination))

    found = sensor_measures(record, write_master(tmp_path / "master.xisf", frames, combine))

    theory, measured = value_of(found, "theoretical noise"), value_of(found, "master noise")
    assert theory is not None
    assert measured is not None
    # The median of few frames is a little better than its limit of 1.2533: 1.226 for 9, 1.215 for 16.
    limit = {Combination.AVERAGE: 1.0, Combination.MEDIAN: 0.973}[combination]
    assert measured.value == pytest.approx(limit * theory.value, rel=0.03)


def test_a_master_made_of_fewer_frames_than_it_says_is_noisier(tmp_path: Path) -> None:
    """A master of 4 of its 16 frames has the noise of 4: twice what was promised."""
    frames = [Sensor().expose(seed) for seed in range(16)]
    record = record_of(write_frames(tmp_path, frames, "bias"), FrameType.BIAS)

    found = sensor_measures(record, write_master(tmp_path / "master.xisf", frames[::4]))

    theory, measured = value_of(found, "theoretical noise"), value_of(found, "master noise")
    assert theory is not None
    assert measured is not None
    assert measured.value == pytest.approx(2 * theory.value, rel=0.05)


def test_calibrated_masters_and_other_combinations_have_no_theory(tmp_path: Path) -> None:
    """Where the noise of the master does not follow from its frames alone nothing is claimed."""
    frames = [Sensor().expose(seed) for seed in range(6)]
    paths, master = write_frames(tmp_path, frames, "dark"), write_master(tmp_path / "m.xisf", frames)
    calibrated = record_of(paths, FrameType.DARK, calibration=Calibration(constant=500))
    smallest = record_of(paths, FrameType.DARK, recipe=Recipe(combination=Combination.MINIMUM))

    for record in (calibrated, smallest):
        names = {m.name for m in sensor_measures(record, master)}
        assert "frame noise" in names
        assert "theoretical noise" not in names


def test_an_offset_that_clips_is_told(tmp_path: Path) -> None:
    """With an offset of one sigma a sixth of the samples are zero."""
    frames = [Sensor(offset=4, read_noise=10, gain=1).expose(seed) for seed in range(4)]
    record = record_of(write_frames(tmp_path, frames, "bias"), FrameType.BIAS)

    found = value_of(sensor_measures(record, write_master(tmp_path / "m.xisf", frames)), "clipped")

    assert found is not None
    assert 20 < found.value < 50


def test_frames_that_are_gone_are_no_error(tmp_path: Path) -> None:
    """A record outlives its raw frames; then there is nothing to measure."""
    record = record_of([tmp_path / f"{i}.fits" for i in range(4)], FrameType.BIAS)

    assert sensor_measures(record, tmp_path / "master.xisf") == ()


def test_raw_biases_that_were_deleted_are_not_told_with_every_flat(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Old raw frames go to save space (``library prune``), and their master serves on."""
    rng = np.random.default_rng(3)
    flats, biases = (
        record_of(write_frames(tmp_path, [rng.normal(level, 9, (64, 64)) for _ in range(4)], name), frame_type)
        for name, level, frame_type in (("flat", 30000, FrameType.FLAT), ("bias", 500, FrameType.BIAS))
    )
    for entry in biases.inputs:
        entry.path.unlink()

    assert sensor_measures(flats, tmp_path / "flat.xisf", reference=biases) == ()
    assert caplog.records == []


@pytest.mark.parametrize("stored", ["float32 from 0 to 1", "float32 counts", "uint32"])
def test_frames_on_another_scale_are_as_noisy(tmp_path: Path, stored: str) -> None:
    """Levels and noise are in ADU of the 16-bit range, whatever scale the files have; so is the gain of flats."""
    kinds: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        "float32 from 0 to 1": lambda counts: (counts / 65535).astype(np.float32),
        "float32 counts": lambda counts: counts.astype(np.float32),
        "uint32": lambda counts: counts.astype(np.uint32) * 65537,
    }
    frames = [Sensor().expose(seed) for seed in range(6)]
    bright = [Sensor().expose(seed, light=20000.0) for seed in (7, 8)]
    pairs = {}
    for name, change in (("counts", None), (stored, kinds[stored])):
        paths = write_frames(tmp_path / name, [change(f) if change else f for f in (*frames, *bright)], "frame")
        master = write_master(tmp_path / name / "master.xisf", frames)
        found = sensor_measures(record_of(paths[:6], FrameType.BIAS), master)
        gain = electrons_per_adu((paths[6], paths[7]), (paths[0], paths[1]))
        assert gain is not None
        pairs[name] = [value_of(found, "frame noise"), value_of(found, "master noise"), gain[0]]

    for one, other in zip(*pairs.values(), strict=True):
        assert getattr(one, "value", one) == pytest.approx(getattr(other, "value", other), rel=1e-3)


def test_frames_are_read_in_bands(tmp_path: Path) -> None:
    """A tall frame is sampled over its height; the variance is the same as of the whole."""
    rng = np.random.default_rng(5)
    frames = [np.rint(rng.normal(1000, 12, (1500, 1000))).astype(np.uint16) for _ in range(2)]
    pair = pair_of(*write_frames(tmp_path, frames, "tall"))

    assert 900_000 < pair.samples <= 1_000_000
    assert math.sqrt(pair.variance) == pytest.approx(math.sqrt(144 + 1 / 12), rel=0.005)
    assert pair.level == pytest.approx(1000, abs=0.1)
    assert pair.quantum == 1.0


def test_clipping_leaves_normal_noise_alone() -> None:
    """Outliers are taken out; the variance of a million normal samples is theirs within a per mille or two."""
    values = np.random.default_rng(1).normal(0, 3, 1_000_000)
    spoiled = values.copy()
    spoiled[::1000] = 5000

    assert clipped_variance(values) == pytest.approx(9, rel=0.004)
    assert clipped_variance(spoiled) == pytest.approx(9, rel=0.004)
    assert clipped_variance(np.full(10, 2.0)) == 0.0


# --- dark current -----------------------------------------------------------------------------------------


def levels_at(temperature: float, per_second: float, exposures: Sequence[float]) -> list[Level]:
    keys = [
        make_key(FrameType.DARK if exposure else FrameType.BIAS, exposure=exposure or None, temperature=temperature)
        for exposure in exposures
    ]
    return [Level(key, 500 + per_second * exposure, gain=0.25) for key, exposure in zip(keys, exposures, strict=True)]


def test_dark_current_is_the_slope_of_levels_over_exposure() -> None:
    """A bias counts as exposure zero; physical units follow from the gain."""
    (series,) = dark_series(levels_at(-10, 0.04, [0, 60, 120, 300]))

    assert series.adu_per_second == pytest.approx(0.04)
    assert series.electrons_per_second == pytest.approx(0.01)
    assert series.black_level == pytest.approx(500)
    assert list(series.exposures) == [0, 60, 120, 300]
    assert series.error == pytest.approx(0, abs=1e-9)


def test_dark_current_of_a_simulated_sensor_comes_out_within_two_per_cent(tmp_path: Path) -> None:
    """From the medians of masters of a few frames each at three exposures."""
    sensor = Sensor(gain=0.25, dark_current=0.8)
    exposures = (0.0, 60.0, 300.0)
    medians = [
        float(np.median(np.mean([sensor.expose(seed, seconds=exposure) for seed in range(6)], axis=0)))
        for exposure in exposures
    ]
    known = [Level(level.key, adu, gain=0.25) for level, adu in zip(levels_at(-10, 0, exposures), medians, strict=True)]

    (series,) = dark_series(known)

    assert series.electrons_per_second == pytest.approx(0.8, rel=0.02)


def test_the_doubling_temperature_follows_from_several_set_points() -> None:
    """A current that doubles every 6.3 degrees is found to, from three set-points."""
    rates = {t: 0.02 * 2 ** ((t + 10) / 6.3) for t in (-20.0, -10.0, 0.0)}
    known = [level for t, rate in rates.items() for level in levels_at(t, rate, [0, 120, 600])]

    (found,) = doublings(dark_series(known))

    assert found.degrees == pytest.approx(6.3, rel=1e-6)
    assert found.temperatures == (-20, -10, 0)


def test_set_points_too_close_tell_no_doubling() -> None:
    """Between -10 and -9 °C nothing has doubled yet."""
    known = [level for t in (-10.0, -9.0) for level in levels_at(t, 0.02, [0, 600])]

    assert doublings(dark_series(known)) == ()


def test_modes_are_not_mixed_and_one_exposure_is_no_series() -> None:
    """Another gain is another sensor; one exposure has no slope; flats do not count."""
    other = [Level(level.key.model_copy(update={"gain": 0.0}), 900.0) for level in levels_at(-10, 0, [0.0, 300])]
    alone = levels_at(-15, 0.02, [300])
    flat = [Level(make_key(FrameType.FLAT), 30000.0)]

    found = dark_series([*levels_at(-10, 0.04, [0, 300]), *other, *alone, *flat])

    assert sorted(s.adu_per_second for s in found) == pytest.approx([0.0, 0.04])


def test_series_of_darks_alone_are_of_one_mode_whatever_their_exposures() -> None:
    """Their settings are told without an exposure, by which set-points of one camera would fall apart."""
    known = [*levels_at(-10, 0.02, [60, 300]), *levels_at(0, 0.04, [120, 600])]

    series = dark_series(known)

    assert [s.settings.partition(",")[0] for s in series] == [known[0].key.camera] * 2
    assert len(doublings(series)) == 1


def test_a_dark_tells_dark_current_and_doubling() -> None:
    """The measures of one master, from the library's other masters of its mode."""
    rates = {t: 0.02 * 2 ** ((t + 10) / 6.0) for t in (-20.0, -10.0)}
    known = [level for t, rate in rates.items() for level in levels_at(t, rate, [0, 120, 600])]

    found = dark_measures(make_key(exposure=600.0), known)

    assert {m.name: pytest.approx(m.value) for m in found} == {
        "dark current": 0.02,
        "doubling temperature": 6.0,
        "foretold level": 512.0,
    }
    assert found[0].physical == pytest.approx(0.005)
    assert dark_measures(make_key(FrameType.BIAS), known) == ()
    assert dark_measures(make_key(gain=7.0), known) == ()


def test_bias_and_shorter_darks_foretell_the_level_of_a_dark() -> None:
    """Dark current grows with the exposure; the further the reach, the less certain it is."""
    bias, short, long = levels_at(-10, 0.02, [0, 60, 300])
    lit = long._replace(adu=4748.0)

    def foretold(*known: Level) -> list[tuple[float, float | None]]:
        return [(round(m.value, 6), m.error) for m in dark_measures(lit.key, known) if m.name == "foretold level"]

    assert foretold(bias, short, lit) == [(506.0, 25.0)]
    assert foretold(bias, lit) == []
    assert foretold(short, lit) == []
    assert foretold(bias, *levels_at(-10, 0.02, [600]), lit) == []
    assert foretold(bias, *levels_at(-5, 0.02, [60]), lit) == []
    of_unknown_exposure = short._replace(key=short.key.model_copy(update={"exposure": None}))
    assert foretold(bias, of_unknown_exposure, lit) == []
    uncooled = [Level(each.key.model_copy(update={"temperature": None}), each.adu) for each in (bias, short, lit)]
    assert [m.name for m in dark_measures(uncooled[2].key, uncooled)] == ["dark current"]


def test_a_line_through_two_points_has_no_error() -> None:
    """Least squares with the textbook error from three points on."""
    assert fit_line([(0, 1), (2, 5)]) == (2, 1, None)
    slope, start, error = fit_line([(0, 0), (1, 2), (2, 1)])
    assert slope == pytest.approx(0.5)
    assert start == pytest.approx(0.5)
    assert error == pytest.approx(math.sqrt(1.5 / 2))


@pytest.mark.parametrize("height", [pytest.param(320, id="all rows are read"), pytest.param(1201, id="bands are read")])
@pytest.mark.parametrize(
    ("frames_say", "master_says", "turned"),
    [
        pytest.param("BOTTOM-UP", "TOP-DOWN", True, id="PixInsight turns them over"),
        pytest.param("BOTTOM-UP", None, True, id="an XISF that says nothing is top down"),
        pytest.param("BOTTOM-UP", "BOTTOM-UP", False, id="the built-in integrator keeps them"),
        pytest.param(None, None, False, id="FITS frames that say nothing"),
    ],
)
def test_a_master_is_compared_with_its_frames_the_same_way_up(
    tmp_path: Path, frames_say: str | None, master_says: str | None, turned: bool, height: int
) -> None:
    """What differs from row to row is no noise, whichever way the rows of a master are stored."""
    slope = np.arange(height)[:, None]
    frames = [np.rint(np.random.default_rng(i).normal(500, 4, (height, 480)) + slope).astype("u2") for i in range(4)]

    def rows(says: str | None) -> tuple[Keyword, ...]:
        return (Keyword("ROWORDER", says),) if says else ()

    paths = [tmp_path / f"{i}.fits" for i in range(4)]
    for path, frame in zip(paths, frames, strict=True):
        images.write_image(path, frame, rows(frames_say), image_type="Dark")
    mean = (np.mean(frames, axis=0) / 65535).astype(np.float32)
    master = tmp_path / "master.xisf"
    images.write_image(master, mean[::-1] if turned else mean, rows(master_says), image_type="MasterDark")

    assert master_noise(paths, master) == pytest.approx(2, rel=0.02)
