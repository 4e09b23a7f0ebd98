"""How long a look at many frames takes: at first, again from the cache, and beside astropy, which reads headers alone.

    python3 scripts/benchmark_headers.py                10,000 frames with the header of a N.I.N.A. dark
    python3 scripts/benchmark_headers.py --frames 1000 --rounds 5

A first look reads every header and understands it, looks for frames that are copies of others, and keeps what it found;
a second one finds all of that kept. The frames are small, as their pixels are not read, and lie in the page cache.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits

from ap_masters.discover import discover
from ap_masters.header_cache import HeaderCache
from ap_masters.images import write_image
from ap_masters.model import Keyword

BEGUN, EVERY = datetime(2026, 1, 29, 22, 10), timedelta(seconds=302)
HEADER: dict[str, str | int | float] = {
    "IMAGETYP": "DARK",
    "EXPOSURE": 300.0,
    "EXPTIME": 300.0,
    "XBINNING": 1,
    "YBINNING": 1,
    "GAIN": 100,
    "OFFSET": 50,
    "EGAIN": 0.245,
    "XPIXSZ": 3.76,
    "YPIXSZ": 3.76,
    "INSTRUME": "ZWO ASI2600MM Pro",
    "SET-TEMP": -10.0,
    "CCD-TEMP": -10.1,
    "READOUTM": "High Gain Mode",
    "USBLIMIT": 40,
    "TELESCOP": "FSQ-106",
    "FOCALLEN": 530.0,
    "FOCRATIO": 5.0,
    "FILTER": "Ha",
    "ROWORDER": "TOP-DOWN",
    "EQUINOX": 2000.0,
    "SWCREATE": "N.I.N.A. 3.1.2.9001 (x64)",
}


def make_frames(folder: Path, count: int) -> None:
    """Write so many small darks, no two of them alike."""
    header = tuple(Keyword(name, value) for name, value in HEADER.items())
    pixels = np.full((16, 24), 500, np.uint16)
    for number in range(count):
        pixels[0, :2] = divmod(number, 1 << 16)
        taken = Keyword("DATE-OBS", (BEGUN + number * EVERY).isoformat(timespec="milliseconds"))
        write_image(folder / f"dark_300.00s_{number:05}.fits", pixels, (*header, taken), image_type="Dark")


def timed(work: Callable[[], object], count: int) -> float:
    """Return how many milliseconds some work takes, for each of ``count`` frames."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3 / count


def measure(folder: Path, count: int, rounds: int) -> Iterator[str]:
    """Yield the table, of medians."""
    spent: list[tuple[float, float, float]] = []
    paths = sorted(folder.glob("*.fits"))
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            look = partial(discover, [folder], cache=HeaderCache(Path(place)))
            first, second = timed(look, count), timed(look, count)
        spent.append((first, second, timed(lambda: [fits.getheader(path) for path in paths], count)))
    first, second, astropy = (median(column) for column in zip(*spent, strict=True))
    yield "| a frame of | first look, ms | second, ms | first as second | astropy, header alone, ms | as first |"
    yield "|---|---|---|---|---|---|"
    cells = (f"{first:.3f}", f"{second:.3f}", f"{first / second:.0f} x", f"{astropy:.3f}", f"{astropy / first:.1f} x")
    yield f"| {count} | {' | '.join(cells)} |"


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description="What a look at many frames takes.")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ap-masters-benchmark-") as place:
        make_frames(Path(place), given.frames)
        for line in measure(Path(place), given.frames, given.rounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
