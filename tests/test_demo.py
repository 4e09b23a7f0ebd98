"""The synthetic night: what N.I.N.A. would have written, the same on every machine, with the physics of a sensor."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import headers
from ap_masters.demo import ELECTRONS_PER_ADU, NIGHT, OFFSET, READ_NOISE_E, Sensor, write_night
from ap_masters.errors import UnreadableImage
from ap_masters.images import read_image, read_info
from ap_masters.model import FrameType

SHAPE = {"width": 96, "height": 64}
SEED = 7


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_night(tmp_path_factory.mktemp("night"), **SHAPE, seed=SEED)


def biases(count: int) -> NDArray[np.float64]:
    """Return ``count`` biases of one sensor less their mean, in electrons."""
    sensor = Sensor(96, 64, SEED)
    frames = np.stack([sensor.expose(np.random.default_rng(n), exposure=0.0) for n in range(count)])
    return np.asarray((frames - frames.mean(axis=0)) * ELECTRONS_PER_ADU)


def test_names_and_folders_are_ninas(night: list[Path]) -> None:
    """$$DATEMINUS12$$/$$IMAGETYPE$$/$$DATETIME$$_$$FILTER$$_$$SENSORTEMP$$_$$EXPOSURETIME$$s_$$FRAMENR$$."""
    assert night[0].parts[-3:] == ("2026-01-29", "FLAT", "2026-01-29_18-00-00_L_-10.10_2.00s_0000.fits")
    assert {path.parent.parent.name for path in night} == {"2026-01-29"}  # also after midnight
    assert len(night) == sum(sequence.frames for sequence in NIGHT)


def test_headers_say_what_the_frames_are(night: list[Path]) -> None:
    """Everything that groups them is there; dark flats are plain DARK, as with N.I.N.A. 3."""
    info = read_info(next(path for path in night if "_300.00s" in path.name and path.parent.name == "DARK"))
    frame = headers.frame_from(info, size=1, mtime_ns=1)

    assert (frame.type, frame.exposure, frame.gain, frame.offset) == (FrameType.DARK, 300.0, 100.0, float(OFFSET))
    assert (frame.set_temperature, frame.x_binning, frame.readout_mode) == (-10.0, 1, "Default")
    assert frame.camera is not None
    assert frame.night is not None
    assert frame.started is not None


def test_the_same_seed_gives_the_same_bytes(night: list[Path], tmp_path: Path) -> None:
    """On every machine and in whatever order threads write; another seed is another camera."""

    def digest(paths: list[Path]) -> str:
        return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()

    assert digest(write_night(tmp_path / "again", **SHAPE, seed=SEED)) == digest(night)
    assert digest(write_night(tmp_path / "other", **SHAPE, seed=SEED + 1)) != digest(night)


def test_one_frame_is_broken(night: list[Path]) -> None:
    """The last flat was cut short, and only that one."""
    broken = []
    for path in night:
        try:
            read_image(path)
        except UnreadableImage:
            broken.append(path)

    assert broken == [[path for path in night if path.parent.name == "FLAT"][-1]]


def test_a_bias_has_the_read_noise() -> None:
    """Rounding to counts adds a twelfth of a squared count."""
    noise = biases(60).std(ddof=1) * np.sqrt(60 / 59)

    assert noise == pytest.approx(np.hypot(READ_NOISE_E, ELECTRONS_PER_ADU / np.sqrt(12)), rel=0.02)


def test_a_dark_has_hot_pixels_and_glow_in_their_place() -> None:
    """The same pixels in every frame, and more electrons near the amplifier."""
    sensor = Sensor(640, 480, SEED)
    frames = [sensor.expose(np.random.default_rng(n), exposure=300.0).astype(float) for n in range(4)]
    hot = [set(np.flatnonzero(frame > np.median(frame) + 500)) for frame in frames]

    assert len(set.intersection(*hot)) > 20
    assert np.median(frames[0][230:250, -8:]) > np.median(frames[0][:, :300]) + 100


def test_a_flat_has_vignetting_dust_and_shot_noise() -> None:
    """Darker corners, rings of dust that differ between filters, and the square root of the electrons."""
    sensor = Sensor(640, 480, SEED)
    field = sensor.transmission("L")
    light = 8000.0
    pair = [
        sensor.expose(np.random.default_rng(n), exposure=1.0, light=light, transmission=field).astype(float)
        for n in range(2)
    ]
    variance = (pair[0] - pair[1]).var() / 2 * ELECTRONS_PER_ADU**2

    assert np.median(field[:20, :20]) < 0.8 < 0.97 < np.median(field[230:250, 310:330])
    assert np.abs(field / sensor.transmission("Ha") - 1).max() > 0.03
    assert variance == pytest.approx(light * field.mean() + READ_NOISE_E**2, rel=0.02)
