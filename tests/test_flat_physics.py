"""A master flat is the field itself: vignetting, dust and pixel response, to within the shot noise of its frames."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters.demo import ELECTRONS_PER_ADU, READ_NOISE_E, Sensor
from ap_masters.images import read_image
from tests.nights import half_full, shoot, shoot_flats
from tests.program import Run

Pixels = NDArray[np.float64]

CAMERA = Sensor(192, 128, seed=11)
FIELD = CAMERA.transmission("L")
FRAMES = 20
EXPOSURE = 2.0
LIMIT = 1e-3  # of the level: what may be left of a gradient
HOUR = timedelta(hours=1)


def lamp(fading: float) -> list[float]:
    """Return the light of each flat, in electrons per second: ``fading`` of the first is gone at last."""
    return [half_full(EXPOSURE) * (1 - fading * i / (FRAMES - 1)) for i in range(FRAMES)]


def master(run: Run, folder: Path, *flags: str, fading: float = 0.0, dark_flats: bool = True) -> Pixels:
    """Return the master flat, in [0, 1], of flats under a lamp that fades, with as many dark flats."""
    for i, light in enumerate(lamp(fading)):
        at = i * timedelta(seconds=10)
        shoot_flats(folder / "night", EXPOSURE, 1, light=light, at=at, sensor=CAMERA)
    if dark_flats:
        shoot(folder / "night", "DARKFLAT", EXPOSURE, FRAMES, at=HOUR, sensor=CAMERA)
    done = run("build", folder / "night", folder / "library", "--engine", "numpy", *flags)
    assert done.code == 0, done.err
    (path,) = (folder / "library").rglob("masterFlat*.xisf")
    return np.asarray(read_image(path)[1][0], np.float64)


def shot_noise(fading: float) -> Pixels:
    """Return the standard deviation of each pixel of the master, as a fraction of its level.

    A mean of flats, each scaled to the first, less a mean of dark flats: Poisson counts and read noise.
    """
    signal = [light * EXPOSURE * FIELD for light in lamp(fading)]
    scaled = sum((s + READ_NOISE_E**2) * (signal[0].mean() / s.mean()) ** 2 for s in signal)
    return np.asarray(np.sqrt(scaled + FRAMES * READ_NOISE_E**2) / FRAMES / signal[0])


def blocks(pixels: Pixels, size: int = 32) -> Pixels:
    """Return the means of square blocks."""
    height, width = pixels.shape
    return np.asarray(pixels.reshape(height // size, size, width // size, size).mean(axis=(1, 3)))


@pytest.mark.parametrize("fading", [0.0, 0.3], ids=["steady lamp", "lamp fading by 30 %"])
def test_the_field_is_recovered_to_within_shot_noise(run: Run, tmp_path: Path, fading: float) -> None:
    """Pixel by pixel what is left has the size that Poisson demands, no more: within 5 %, and nowhere six sigma."""
    made = master(run, tmp_path, fading=fading)

    left = made / made.mean() / (FIELD / FIELD.mean()) - 1
    sigma = left / shot_noise(fading)
    assert sigma.std() == pytest.approx(1.0, abs=0.05)
    assert np.abs(sigma).max() < 6
    level = half_full(EXPOSURE) * EXPOSURE / ELECTRONS_PER_ADU / 65535 * FIELD.mean()
    assert made.mean() == pytest.approx(level, rel=2e-3)


def test_every_part_of_the_field_is_in_the_master(run: Run, tmp_path: Path) -> None:
    """Vignetting from centre to corner, the rings of dust, and the response of single pixels, each by itself."""
    made = master(run, tmp_path)

    corner = made[:8, :8].mean() / made[60:68, 92:100].mean()
    assert corner == pytest.approx(FIELD[:8, :8].mean() / FIELD[60:68, 92:100].mean(), rel=LIMIT)
    smooth = blocks(FIELD, 8).repeat(8, axis=0).repeat(8, axis=1)
    response = FIELD / smooth - 1
    found = made / blocks(made, 8).repeat(8, axis=0).repeat(8, axis=1) - 1
    assert np.corrcoef(response.ravel(), found.ravel())[0, 1] > 0.9
    slope = (response * found).sum() / (response**2).sum()
    assert slope == pytest.approx(1.0, abs=0.01)
    dust = np.quantile(FIELD / smooth, 0.02) * smooth > FIELD
    assert (made / made.mean())[dust].mean() == pytest.approx((FIELD / FIELD.mean())[dust].mean(), rel=LIMIT)


def residual(made: Pixels) -> float:
    """Return how far the sky of a light, calibrated and divided by the master, is from even: peak to peak."""
    sky = 3.0 * 300 * FIELD / ELECTRONS_PER_ADU  # without noise of its own, so that the flat's alone counts
    even = blocks(sky / made)
    return float(np.ptp(even) / even.mean())


def test_a_light_divided_by_the_master_has_no_gradient(run: Run, tmp_path: Path) -> None:
    """What is left between any two parts of the frame is less than 0.1 %."""
    assert residual(master(run, tmp_path)) < LIMIT


def test_without_calibration_it_would_have_one(run: Run, tmp_path: Path) -> None:
    """The offset that stays in uncalibrated flats flattens them: the corners of the light come out too dark."""
    made = master(run, tmp_path, "--allow-uncalibrated", dark_flats=False)

    assert residual(made) > 2 * LIMIT
