"""A build stays within its memory: measured over the whole program, at a size that every machine can afford."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from ap_masters.images import write_image
from ap_masters.images.files import Memory
from ap_masters.images.xisf import open_xisf
from tests.builders import nina_keywords

BUDGET = 32 << 20
ALLOWANCE = 200 << 20  # for the interpreter, the libraries, and what cannot be planned
FRAMES = 20
HEIGHT, WIDTH = 1500, 1600

# The most memory the process ever held. Linux keeps it per program in VmHWM; ru_maxrss would begin with that of the
# process which started it.
PEAK = """
import sys
from pathlib import Path

def peak():
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    if sys.platform == "win32":
        import psutil
        return psutil.Process().memory_info().peak_wset
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
PROGRAM = f"""{PEAK}
from ap_masters.cli import main
try:
    main(sys.argv[1:])
finally:
    print(peak(), file=sys.stderr)
"""
GLIMPSE = f"""{PEAK}
from concurrent.futures import ThreadPoolExecutor
from ap_masters.images import open_image
def look(path):
    with open_image(path) as image:
        image.read_rows(0, 8)
with ThreadPoolExecutor(6) as pool:
    list(pool.map(look, sorted(Path(sys.argv[1]).glob("*.xisf"))))
print(peak(), file=sys.stderr)
"""


@pytest.mark.parametrize("suffix", [".fits", ".xisf"])
def test_a_build_stays_within_its_memory(tmp_path: Path, suffix: str) -> None:
    """Darks that would take six times the budget as numbers, stored as they are and compressed."""
    noise = np.random.default_rng(5).normal(500, 8, (HEIGHT + FRAMES, WIDTH)).astype(np.uint16)
    for i in range(FRAMES):
        write_image(
            tmp_path / f"dark {i}{suffix}",
            noise[i : i + HEIGHT],
            nina_keywords(DATE_OBS=f"2026-01-29T21:{i:02}:00"),
            image_type="Dark",
            compression="lz4" if suffix == ".xisf" else "none",
        )
    command = [sys.executable, "-c", PROGRAM, "build", str(tmp_path), str(tmp_path / "masters"), "--engine", "numpy"]

    with psutil.Popen(
        [*command, "--memory", f"{BUDGET >> 20}M"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    ) as program:
        together = most_memory(program)
        told = program.stderr.read()

    assert program.returncode == 0, told
    assert int(told.splitlines()[-1]) < BUDGET + ALLOWANCE
    assert together < BUDGET + ALLOWANCE


def most_memory(program: psutil.Popen) -> int:
    """Watch a program to its end; return the most bytes its processes had of their own at once, added up.

    What workers share with the process they are copies of is divided among them where the system tells.
    """
    most = 0
    while program.poll() is None:
        with contextlib.suppress(psutil.Error):
            infos = [process.memory_full_info() for process in (program, *program.children(recursive=True))]
            most = max(most, sum(getattr(info, "pss", info.uss) for info in infos))
        time.sleep(0.01)
    return most


def test_threads_that_unpack_do_not_keep_what_they_unpacked(tmp_path: Path) -> None:
    """Half a dozen threads look at one packed image each after the other: not half a dozen are held at once."""
    noise = np.random.default_rng(5).normal(500, 8, (3000, 4000)).astype(np.uint16)
    write_image(tmp_path / "dark 0.xisf", noise, nina_keywords(), image_type="Dark", compression="zlib")
    for i in range(1, 12):
        shutil.copy(tmp_path / "dark 0.xisf", tmp_path / f"dark {i}.xisf")

    done = subprocess.run(
        [sys.executable, "-c", GLIMPSE, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )

    assert int(done.stderr.splitlines()[-1]) < 2 * 2 * noise.nbytes + (80 << 20)


def test_whole_blocks_are_decompressed_two_at_a_time(tmp_path: Path) -> None:
    """A compressed image needs its size twice while it is unpacked, so a hundred threads must not do that at once."""
    path = tmp_path / "dark.xisf"
    write_image(path, np.zeros((64, 64), np.uint16), image_type="Dark", compression="zlib")
    lock, now, most = threading.Lock(), [0], [0]

    def keep(pieces: Iterable[memoryview | bytes]) -> Memory:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        kept = Memory(pieces)
        with lock:
            now[0] -= 1
        return kept

    def read(_: int) -> None:
        start = path.read_bytes()
        with open_xisf(path, path.open("rb", buffering=0), start, keep) as image:
            image.read_rows(0, 64)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(8)))

    assert most == [2]
