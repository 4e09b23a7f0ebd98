"""From pixels to findings: faults planted in real files are measured by the engines' statistics and judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.config import QualitySettings
from ap_masters.engines.statistics import measure
from ap_masters.model import FrameType
from ap_masters.quality import judge, measures, value_of
from ap_masters.record import MasterFile, Measure, Record
from tests.quality.seasons import make_key, make_record

HEIGHT, WIDTH = 600, 800
SIGMA = 2.5


def white(seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(500, SIGMA, (HEIGHT, WIDTH))


def record_of(folder: Path, pixels: NDArray[np.float64], frame_type: FrameType = FrameType.DARK) -> Record:
    """Write a master, measure it as an engine does, and return its record."""
    path = folder / "master é.xisf"
    images.write_image(path, (pixels / 65535).astype(np.float32), image_type="MasterDark")
    return make_record(
        frame_type,
        key=make_key(frame_type, width=WIDTH, height=HEIGHT),
        master=MasterFile(name=path.name, width=WIDTH, height=HEIGHT, channels=1),
        statistics=measure(path),
    )


def measured(record: Record, name: str) -> Measure:
    found = value_of(measures(record), name)
    assert found is not None, name
    return found


def across() -> Any:
    return (np.arange(WIDTH) + 0.5) / WIDTH - 0.5


def down() -> Any:
    return ((np.arange(HEIGHT) + 0.5) / HEIGHT - 0.5)[:, None]


def test_planted_hot_and_cold_pixels_are_counted_exactly(tmp_path: Path) -> None:
    """S0-32: pixels beyond 5 sigma; the noise is cut at 4, so that none is there by chance."""
    pixels = white().clip(500 - 4 * SIGMA, 500 + 4 * SIGMA)
    places = np.random.default_rng(2).choice(pixels.size, 150, replace=False)
    pixels.flat[places[:115]] = 3000
    pixels.flat[places[115:]] = 100

    record = record_of(tmp_path, pixels)

    assert measured(record, "hot pixels").value == 115
    assert measured(record, "cold pixels").value == 35
    assert measured(record, "warm fraction").value == pytest.approx(100 * 115 / pixels.size)
    assert measured(record, "median").value == pytest.approx(float(np.median(pixels)), abs=1e-3)
    assert measured(record, "robust sigma").value == pytest.approx(SIGMA, rel=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_a_planted_leak_is_measured_within_its_stated_error(tmp_path: Path, seed: int) -> None:
    """Twelve ADU across and four down, with hot pixels and a dead column on top."""
    pixels = white(seed) + 12 * across() - 4 * down()
    pixels[:, 300] = 0
    pixels.flat[np.random.default_rng(seed).choice(pixels.size, 2000, replace=False)] = 5000

    found = measured(record_of(tmp_path, pixels), "gradient")

    assert found.error is not None
    assert 0 < found.error < 0.4
    assert abs(found.value - 16) < 3 * found.error


@pytest.mark.parametrize("seed", range(4))
def test_planted_amp_glow_is_measured_within_its_stated_error(tmp_path: Path, seed: int) -> None:
    """A glow that fades from the right edge: the value is that of the outermost blocks, per second."""
    glow = 40 * np.exp((across() - 0.5) / 0.05)
    pixels = white(seed) + glow
    # What the median of a block of 50 columns sees of it.
    expected = float(np.median(glow[-WIDTH // 16 :])) / 300

    found = measured(record_of(tmp_path, pixels), "amp glow")

    assert found.error is not None
    assert "right" in found.method
    assert found.value == pytest.approx(expected, abs=4 * found.error + 0.05 * expected)


def test_planted_banding_is_measured(tmp_path: Path) -> None:
    """Rows that scatter by one ADU show as one ADU, columns as nothing."""
    pixels = white() + np.random.default_rng(3).normal(0, 1.0, (HEIGHT, 1))

    record = record_of(tmp_path, pixels)

    assert measured(record, "row banding").value == pytest.approx(1.0, rel=0.1)
    assert measured(record, "column banding").value < 0.1


def test_clean_pixels_raise_no_alarm(tmp_path: Path) -> None:
    """White noise and a few hot pixels: nothing to say, alone and against another season of the same."""
    warm = np.random.default_rng(9).choice(HEIGHT * WIDTH, 120, replace=False)
    before = None
    for seed in range(4):
        pixels = white(seed)
        pixels.flat[warm] += 200
        record = judge(record_of(tmp_path, pixels), before, QualitySettings())

        assert record.findings == ()
        before = record


def test_a_leak_that_is_new_is_refused(tmp_path: Path) -> None:
    """The same dark with and without light from the side."""
    before = judge(record_of(tmp_path, white(1)), None, QualitySettings())

    leaking = judge(record_of(tmp_path, white(2) + 40 * across()), before, QualitySettings())

    assert {f.metric for f in leaking.findings if f.severity == "refuse"} == {"gradient"}


def test_a_flat_with_vignetting_passes_and_one_lit_from_the_side_does_not(tmp_path: Path) -> None:
    """C-24, from pixels."""
    round_light = 30000 * (1 - 0.8 * (across() ** 2 + down() ** 2)) + white()
    from_the_side = round_light * (1 + 0.15 * across())

    good = judge(record_of(tmp_path, round_light, FrameType.FLAT), None, QualitySettings())
    bad = judge(record_of(tmp_path, from_the_side, FrameType.FLAT), None, QualitySettings())

    assert good.findings == ()
    assert [f.metric for f in bad.findings] == ["asymmetry"]


def test_the_real_sbig_darks_are_judged(realdata: Path, tmp_path: Path) -> None:
    """Ten real darks: the four of the warm-up are named, temperatures jump by more than 0.3 °C, nothing is refused."""
    from ap_masters.model import FrameOutcome
    from ap_masters.record import Input

    paths = sorted((realdata / "oscaar_tres1").glob("tres1-*d.fit"))
    frames = [images.read_image(path)[1][0].astype(np.float64) for path in paths]
    temperatures = [-9.7878, -10.2031, -9.7878, -10.2031, *[-9.7878] * 5, -10.2031]
    mean = np.mean(frames, axis=0)
    master = tmp_path / "master.xisf"
    images.write_image(master, (mean / 65535).astype(np.float32), image_type="MasterDark")
    inputs = tuple(
        Input(
            path=path,
            size=1,
            mtime_ns=1,
            set_temperature=-10,
            sensor_temperature=temperature,
            outcome=FrameOutcome(path=path, level=float(np.median(frame)) / 65535),
        )
        for path, frame, temperature in zip(paths, frames, temperatures, strict=True)
    )
    height, width = mean.shape
    record = make_record(
        key=make_key(gain=None, offset=None, exposure=60.0, width=width, height=height),
        master=MasterFile(name=master.name, width=width, height=height, channels=1),
        inputs=inputs,
        statistics=measure(master),
    )

    judged = judge(record, None, QualitySettings())

    findings = {f.metric: f for f in judged.findings}
    assert findings["warm-up frames"].value == 4
    assert "tres1-004d.fit" in findings["warm-up frames"].message
    assert findings["temperature spread"].value == pytest.approx(0.4153)
    assert "refuse" not in {f.severity for f in judged.findings}
