"""What a job promised and its master carries: keywords that were lost are put back, and nothing else changes."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ap_masters import images
from ap_masters.engines.statistics import measure
from ap_masters.images.scale import ADU
from ap_masters.model import EngineInfo, Integrated, Keyword
from ap_masters.proof import lost_keywords, missing_proof, restore_keywords
from tests.engines.pixinsight.jobs import make_job

GAIN, EXPTIME = Keyword("GAIN", 100, "sensor gain"), Keyword("EXPTIME", 300.0)
PIXELS = np.random.default_rng(3).random((1, 70, 41), np.float32)


def _master(path: Path, *keywords: Keyword, adu: bool = False) -> Path:
    images.write_image(path, PIXELS * np.float32(ADU if adu else 1), keywords, image_type="MasterDark", adu=adu)
    return path


@pytest.mark.parametrize("suffix", [".xisf", ".fits"])
@pytest.mark.parametrize("scale", ["unit", "adu"])
def test_lost_keywords_are_put_back(tmp_path: Path, suffix: str, scale: str) -> None:
    """Beside those the master has; every sample and its scale stay as they were, bit by bit."""
    adu = scale == "adu"
    job = make_job(keywords=(GAIN, EXPTIME), scale=scale)
    master = _master(tmp_path / f"master é{suffix}", Keyword("EXPTIME", "300."), Keyword("FILTER", "Ha"), adu=adu)
    whole = _master(tmp_path / f"whole{suffix}", GAIN, adu=adu)

    assert restore_keywords(job, master) == ("GAIN",)

    info, pixels = images.read_image(master)
    np.testing.assert_array_equal(pixels, images.read_image(whole)[1])
    assert info.full_scale == images.read_info(whole).full_scale
    assert {("GAIN", 100), ("FILTER", "Ha")} <= {(k.name, k.value) for k in info.keywords}
    assert lost_keywords(job, master) == ()
    assert sorted(tmp_path.iterdir()) == sorted([master, whole])


def test_a_keyword_without_a_value_is_lost(tmp_path: Path) -> None:
    """Its name alone tells nothing."""
    master = _master(tmp_path / "m.fits", Keyword("GAIN", None, "sensor gain"))

    assert restore_keywords(make_job(keywords=(GAIN,)), master) == ("GAIN",)
    assert lost_keywords(make_job(keywords=(GAIN,)), master) == ()


@pytest.mark.parametrize(("own", "proved"), [("0123456789abcdef", True), ("fedcba9876543210", False), (None, True)])
def test_a_master_of_other_frames_proves_nothing(tmp_path: Path, own: str | None, proved: bool) -> None:
    """It carries the fingerprint of another job; one that lost it gets it back."""
    pixels = np.random.default_rng(3).random((1, 12, 16), np.float32)
    keywords = (Keyword("APMINPUT", own),) if own else ()
    images.write_image(tmp_path / "m.xisf", pixels, keywords, image_type="MasterDark")
    result = Integrated(
        job_id="dark",
        path=tmp_path / "m.xisf",
        engine=EngineInfo(name="pixinsight", version="1.9.4", definition="ImageIntegration 1.6.0"),
        statistics=measure(tmp_path / "m.xisf"),
        frames=(),
        started=datetime(2026, 1, 29, tzinfo=UTC),
        seconds=1.0,
    )
    reason = missing_proof(make_job(keywords=(Keyword("APMINPUT", "0123456789abcdef"),)), result)

    assert (reason is None) is proved
    assert proved or "other frames" in str(reason)


def test_nothing_is_written_where_nothing_is_lost(tmp_path: Path) -> None:
    """A number is the same number however it is spelled."""
    master = _master(tmp_path / "m.xisf", Keyword("GAIN", "100."), EXPTIME)
    before = master.read_bytes()

    assert restore_keywords(make_job(keywords=(GAIN, EXPTIME)), master) == ()
    assert master.read_bytes() == before
