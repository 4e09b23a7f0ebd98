"""Ten real darks of an SBIG ST-10, and flats made of them: from evidence to masters, with both engines."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ap_masters import record as records
from ap_masters.images import read_image, read_info, write_image
from ap_masters.model import Keyword
from tests.program import Run
from tests.simulator import SIMULATOR

ROWS, COLUMNS = slice(300, 396), slice(500, 628)  # where the saturated defect and many warm pixels are not rare
FIRST_DARK = datetime(2012, 6, 17, 1, 32, 40)


def cards(of: Path, **changes: str) -> tuple[Keyword, ...]:
    """Return a real header with some cards changed, without what belongs to the file's own format."""
    own = {"SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "BSCALE", "BZERO"}
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    kept = (k for k in read_info(of).keywords if k.name not in own | changed.keys())
    return (*kept, *(Keyword(name, value) for name, value in changed.items()))


@pytest.fixture(scope="module")
def night(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A section of the ten darks with their headers, and six flats: real darks with light and its noise added."""
    folder = tmp_path_factory.mktemp("real")
    y, x = np.mgrid[-1 : 1 : (ROWS.stop - ROWS.start) * 1j, -1 : 1 : (COLUMNS.stop - COLUMNS.start) * 1j]
    light = 25000 * (1 - 0.3 * (x**2 + y**2))
    for i, path in enumerate(sorted((realdata / "oscaar_tres1").glob("*.fit"))):
        pixels = read_image(path)[1][:, ROWS, COLUMNS]
        write_image(folder / f"dark{i}.fit", pixels, cards(path), image_type="Dark")
        if i >= 4:  # the first four were taken before the camera had settled
            started = (FIRST_DARK - timedelta(hours=1, minutes=-2 * i)).isoformat()
            lit = pixels + np.random.default_rng(i).poisson(light)
            flat = cards(path, IMAGETYP="Flat Frame", FILTER="R", DATE_OBS=started)
            write_image(folder / f"flat{i}.fit", lit.clip(0, 65535).astype(np.uint16), flat, image_type="Flat")
    return folder


def test_dark_flats_are_inferred_from_their_exposure(run: Run, night: Path, tmp_path: Path) -> None:
    """MaxIm has no word for them: darks of the flats' 60 s, of that camera, within three hours; the record says so."""
    done = run("build", night, tmp_path / "library", "--engine", "numpy")

    (dark_flat,) = (records.read(path) for path in (tmp_path / "library").rglob("masterDarkFlat*.xrs"))
    (flat,) = (records.read(path) for path in (tmp_path / "library").rglob("masterFlat*.xrs"))
    assert done.code == 0
    assert len(dark_flat.inputs) == 10
    assert [d.verdict for d in dark_flat.decisions] == ["dark flat"]
    assert dark_flat.decisions[0].reason.startswith("its exposure of 60 s is that of a flat taken")
    assert flat.calibration is not None
    assert flat.calibration.dark is not None
    assert (flat.calibration.dark.type, flat.calibration.state) == ("dark flat", "D")


def test_both_engines_agree_on_calibrated_flats(
    run: Run, night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dark flat and calibrated flat, real quantisation and real warm pixels, to 1e-6 of full scale.

    A calibrated sample may lie within the last digit of a float from the limit of rejection: one in ten thousand
    may then be kept by one engine and not by the other.
    """
    monkeypatch.setenv("AP_SIM_STARTUP", "0")
    monkeypatch.setenv("AP_SIM_ES5", "0")

    ours = run("build", night, tmp_path / "numpy", "--engine", "numpy")
    theirs = run("build", night, tmp_path / "pixinsight", "--pixinsight-binary", SIMULATOR)

    assert (ours.code, theirs.code) == (0, 0)
    assert (
        len(list((tmp_path / "pixinsight" / "logs").glob("*.js"))) == 2
    )  # launches: what waits, and what it waits for
    assert not list((tmp_path / "pixinsight").rglob("*_c.xisf"))  # the calibrated copies are gone
    assert not list((tmp_path / "pixinsight" / ".ap-masters").rglob("*.xisf"))
    for name in ("masterDarkFlat*.xisf", "masterFlat*.xisf"):
        (one,), (other,) = ((tmp_path / engine).rglob(name) for engine in ("numpy", "pixinsight"))
        apart = np.abs(read_image(one)[1] - read_image(other)[1])
        assert np.count_nonzero(apart > 1e-6) <= apart.size / 10_000
