"""An image once more: the same samples under another header, or on another scale."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ap_masters import images
from ap_masters.model import ImageInfo, Keyword

_BAND_SAMPLES: Final = 1 << 21


def bands(info: ImageInfo) -> Iterator[tuple[int, int]]:
    """Yield first row and end of bands that cover an image, so that little of it is in memory at a time."""
    rows = max(_BAND_SAMPLES // (info.width * info.channels), 1)
    for first in range(0, info.height, rows):
        yield first, min(first + rows, info.height)


def rewrite(
    source: Path,
    goal: Path,
    *,
    keywords: tuple[Keyword, ...],
    image_type: str,
    factor: float | None = None,
    adu: bool = False,
    turned: bool = False,
) -> None:
    """Write ``source`` anew as ``goal``, as 32-bit floats: physical samples times ``factor``, upside down if asked.

    Without a factor, samples stay as they are stored, bit by bit; ``adu`` then says what they are, as it does to
    ``images.create``. Raises ImageError.
    """
    with images.open_image(source) as image:
        info = image.info
        with images.create(
            goal,
            width=info.width,
            height=info.height,
            channels=info.channels,
            keywords=keywords,
            image_type=image_type,
            adu=adu,
        ) as writer:
            for first, end in bands(info):
                rows = image.read_stored(first, end) if factor is None else image.read_rows(first, end) * factor
                start, step = (info.height - end, -1) if turned else (first, 1)
                for channel, plane in enumerate(rows):
                    writer.write_rows(channel, start, plane[::step].astype("float32", order="C", copy=False))
            writer.finish()
