"""Statistics of masters: equal to what numpy says of the whole image at once, whatever the bands."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ap_masters.engines.medians import medians_in_memory
from ap_masters.engines.order_statistics import order_statistics
from ap_masters.engines.statistics import BLOCK, Accumulator, RowFacts, measure
from ap_masters.errors import UnreadableImage
from ap_masters.images import create, write_image
from ap_masters.model import ChannelStatistics, Keyword

Image = NDArray[np.float32]


def noise(shape: tuple[int, int], seed: int = 1) -> Image:
    """Return a bias-like master with hot and cold pixels."""
    random = np.random.default_rng(seed)
    image = random.normal(500, 3, shape)
    image.ravel()[random.integers(0, image.size, image.size // 100)] += 400
    image.ravel()[random.integers(0, image.size, image.size // 200)] -= 300
    return (image / 65535).astype(np.float32)


def equal(shape: tuple[int, int]) -> Image:
    """Return a master whose pixels are one value, but for a few."""
    image = np.full(shape, 0.25, np.float32)
    image[0, :3] = 0.5
    return image


def two_levels(shape: tuple[int, int]) -> Image:
    """Return a master half of which is dark."""
    return np.where(np.arange(shape[1]) % 2, np.float32(0.1), np.float32(0.3)) * np.ones(shape, np.float32)


def expected(image: Image) -> dict[str, float]:
    """Measure the image with numpy, as the definitions say."""
    wide = image.astype(np.float64)
    median = float(np.median(wide))
    mad = float(np.median(np.abs(wide - median).astype(np.float32).astype(np.float64)))
    reach = 5 * 1.4826 * mad
    return {
        "median": median,
        "mean": float(wide.mean()),
        "stddev": float(wide.std(ddof=1)) if wide.size > 1 else 0.0,
        "mad": mad,
        "minimum": float(image.min()),
        "maximum": float(image.max()),
        "hot": int((wide > median + reach).sum()),
        "cold": int((wide < median - reach).sum()),
    }


def accumulated(image: Image, rows: int) -> ChannelStatistics:
    """Measure the image by bands of ``rows`` rows, last one first."""
    height, width = image.shape
    accumulator = Accumulator(width, height, 1)
    for first in reversed(range(0, height, rows)):
        accumulator.add(0, first, RowFacts.of(image[first : first + rows], image.size))
    (channel,) = accumulator.finish(lambda _: iter(image[i : i + 7] for i in range(0, height, 7)), scale=1.0).channels
    return channel


@pytest.mark.parametrize("make", [noise, equal, two_levels])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (16, 40), (75, 64), (211, 301)])
def test_statistics_are_those_of_the_whole_image(
    make: Callable[[tuple[int, int]], Image], shape: tuple[int, int]
) -> None:
    """Odd and even numbers of pixels, whole and broken blocks, many equal pixels."""
    image = make(shape)

    for rows in (BLOCK, 3 * BLOCK, 1000 * BLOCK):
        found = accumulated(image, rows)
        for name, value in expected(image).items():
            assert getattr(found, name) == pytest.approx(value, rel=1e-12, abs=1e-15), name


def test_bands_change_nothing() -> None:
    """However the rows come in, the last digit is the same."""
    image = noise((160, 53))

    assert accumulated(image, BLOCK) == accumulated(image, 5 * BLOCK) == accumulated(image, 160)


def test_a_master_in_a_file(tmp_path: Path) -> None:
    """A master of several channels is measured from its file; banding shows in the medians of rows and columns."""
    striped = noise((64, 48), 2)
    striped[:, ::2] += np.float32(20 / 65535)
    path = tmp_path / "Flat ü.xisf"
    write_image(path, np.stack([noise((64, 48)), striped, noise((64, 48), 3)]), image_type="MasterFlat")

    found = measure(path)

    for channel, image in zip(found.channels, (noise((64, 48)), striped, noise((64, 48), 3)), strict=True):
        assert channel.median == pytest.approx(expected(image)["median"], rel=1e-12)
        assert (channel.hot, channel.cold) == (expected(image)["hot"], expected(image)["cold"])
    assert found.column_noise is not None
    assert found.row_noise is not None
    assert found.column_noise > 3 * found.row_noise


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_that_is_no_number_is_refused(tmp_path: Path, value: float) -> None:
    """Nobody is told the median of that."""
    pixels = np.full((40, 30), 1000.0, np.float32)
    pixels[33, 4] = value
    write_image(tmp_path / "f.fits", pixels, image_type="Dark")

    with pytest.raises(UnreadableImage, match=r"not finite, the first one (nan|inf) at row 33, column 4"):
        measure(tmp_path / "f.fits")


def test_integers_have_the_scale_of_their_type(tmp_path: Path) -> None:
    """100 of 255 is as bright as 25700 of 65535, however few counts that is."""
    for dtype, level in ((np.uint8, 100), (np.uint16, 25700)):
        write_image(tmp_path / "f.xisf", np.full((4, 4), level, dtype), image_type="Dark")
        assert measure(tmp_path / "f.xisf").channels[0].median == pytest.approx(100 / 255)


@pytest.mark.parametrize("suffix", [".xisf", ".fits"])
def test_masters_in_adu_have_the_same_statistics(tmp_path: Path, suffix: str) -> None:
    """XISF's bounds bring samples to [0, 1]; a FITS header says by DATAMAX what they are, however small."""
    path, keywords = tmp_path / f"m{suffix}", (Keyword("DATAMAX", 65535),)
    with create(path, width=6, height=4, channels=1, keywords=keywords, image_type="MasterBias", adu=True) as writer:
        writer.write_rows(0, 0, np.full((4, 6), 1.5, np.float32))
        writer.finish()

    assert measure(path).channels[0].median == pytest.approx(1.5 / 65535)


@given(
    samples=hnp.arrays(np.float32, st.integers(1, 300), elements=st.floats(-4, 4, width=16)),
    hints=hnp.arrays(np.float32, st.integers(1, 9), elements=st.floats(-4, 4, width=16)),
)
def test_order_statistics_are_exact_whatever_the_hint(samples: Image, hints: Image) -> None:
    """The sample that makes the search short has no part in the result."""
    found = order_statistics(hints, lambda: iter(np.array_split(samples, 3)))
    truth = expected(samples[None, :])

    assert (found.median, found.mad, found.hot, found.cold) == tuple(
        truth[name] for name in ("median", "mad", "hot", "cold")
    )


@settings(max_examples=300)
@given(
    count=st.integers(200, 3000),
    spread=st.integers(5, 60),
    runs=st.integers(2, 30),
    step=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_order_statistics_of_equal_samples(count: int, spread: int, runs: int, step: int, seed: int) -> None:
    """Whatever values the first runs hold, others may come."""
    samples = (np.random.default_rng(seed).normal(500, spread, count).round() / 16).astype(np.float32)
    found = order_statistics(samples[::step], lambda: iter(np.array_split(samples, runs)))
    truth = expected(samples[None, :])

    assert (found.median, found.mad) == (truth["median"], truth["mad"])


@given(hnp.arrays(np.int16, st.tuples(st.integers(1, 3), st.integers(1, 40))))
def test_medians_in_memory(rows: NDArray[np.int16]) -> None:
    """As numpy's own."""
    assert np.array_equal(medians_in_memory(rows), np.median(rows, axis=1))


@given(
    samples=hnp.arrays(np.float32, 400, elements=st.floats(-4, 4, width=16)),
    width=st.integers(1, 200),
    step=st.sampled_from([0, 1, 100]),
)
def test_row_medians_are_exact_whatever_a_few_samples_tell(samples: Image, width: int, step: int) -> None:
    """Also in rows of which every ninth sample lies apart from the others, and in those of two colours."""
    rows = samples[: len(samples) // width * width].reshape(-1, width)
    rows[:, ::9] += step
    rows[:, ::2] *= 1 + step

    assert RowFacts.of(rows, rows.size).median.tolist() == np.median(rows.astype(np.float64), axis=1).tolist()
