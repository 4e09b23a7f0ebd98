"""Side by side on this machine, in one run: ap-masters, siril-cli, ccdproc where installed, and the physical limit.

    python3 scripts/benchmark.py                        32 frames of 11.7 megapixels, every method
    python3 scripts/benchmark.py --frames 200 --megapixels 2.9 --methods winsorized
    python3 scripts/benchmark.py --siril siril-cli /opt/siril/bin/siril-cli         versions of it, side by side
    python3 scripts/benchmark.py --growth               time and memory against frames, and against megapixels

Every figure is a whole process, timed from outside; the rounds of all programs are interleaved and the medians
told, because machines are noisy: read the ratios, which say how many times as long as ours, or as the limit, something
takes. "Integration alone" takes the start-up off each side: ours is the time of one engine run inside a process,
Siril's is its process less one that only starts and stops. "limit" is a Python process that reads the same bytes into
one buffer and writes a result of the same size. Memory is what all processes of a program had of their own at once.
Run it with the interpreter that has ap-masters installed (``.venv``); the page cache is warm, as the frames have just
been written. A Siril of 1.4 installs a Python module of its own at its first start, beside its work: start it once
before, and see that it found what it wants.
"""

import argparse
import compileall
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import psutil

import ap_masters
from ap_masters.images import write_image
from ap_masters.model import Keyword

ASPECT = 1.5
_SIRILS = ["siril-cli"]  # looked for where none is named


class Method(NamedTuple):
    """One row of the table: our flags, our recipe's fields for the in-process run, and Siril's words."""

    combine: tuple[str, ...]
    recipe: str
    siril: str
    flats: bool = False


METHODS = {
    "sigma": Method(("--method", "average", "--rejection", "sigma"), "rejection='sigma'", "rej s 4 3 -nonorm"),
    "winsorized": Method(
        ("--method", "average", "--rejection", "winsorized"), "rejection='winsorized'", "rej w 4 3 -nonorm"
    ),
    "median": Method(("--method", "median"), "combination='median', rejection='none'", "med -nonorm"),
    "percentile": Method(
        ("--method", "average", "--rejection", "percentile"), "rejection='percentile'", "rej p 0.2 0.1 -nonorm"
    ),
    "linear-fit": Method(
        ("--method", "average", "--rejection", "linear-fit"), "rejection='linear-fit'", "rej l 5 3.5 -nonorm"
    ),
    "flats": Method(
        ("--method", "average", "--rejection", "sigma", "--normalization", "multiplicative", "--type", "flat"),
        "rejection='sigma', normalization='multiplicative', rejection_normalization='equalize-fluxes'",
        "rej s 4 3 -norm=mul",
        flats=True,
    ),
}

# What each side runs inside a Python process; the folder of frames is the first argument.
INTEGRATE = """
import sys, tempfile, time
from pathlib import Path
from ap_masters import combine, memory
from ap_masters.engines.numpy import NumpyEngine
from ap_masters.model import Recipe
frames = sorted(Path(sys.argv[1]).glob("*.fit"))
spent = []
class Timed(NumpyEngine):
    def run(self, jobs, workdir, on_progress):
        start = time.perf_counter()
        done = super().run(jobs, workdir, on_progress)
        spent.append(time.perf_counter() - start)
        return done
engine = Timed(memory=memory.budget(None))
with tempfile.TemporaryDirectory(dir=sys.argv[1]) as out:
    combine.combine(frames, Path(out) / "m.xisf", Recipe({recipe}), engine, lambda _: None)
print(spent[0])
"""
LIMIT = """
import sys
from pathlib import Path
frames = sorted(Path(sys.argv[1]).glob("*.fit"))
buffer = bytearray(1 << 20)
size = frames[0].stat().st_size
for frame in frames:
    with frame.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
with (Path(sys.argv[1]) / "limit.bin").open("wb") as file:
    for _ in range(2 * size // len(buffer)):
        file.write(buffer)
"""
CCDPROC = """
import sys
from pathlib import Path
import numpy as np
from ccdproc import combine
frames = sorted(str(p) for p in Path(sys.argv[1]).glob("*.fit"))
combine(frames, method="average", sigma_clip=True, sigma_clip_low_thresh=4, sigma_clip_high_thresh=3,
        sigma_clip_func=np.ma.median, sigma_clip_dev_func=np.ma.std, unit="adu", mem_limit=2e9)
"""


Command = Sequence[str | Path]


class Run(NamedTuple):
    """What one process took, in wall seconds, and what it printed."""

    seconds: float
    out: str


class Program(NamedTuple):
    """What is run, and how its integration alone is found: by what it prints, or less what starting it takes."""

    name: str
    whole: Command
    printing: Command | None = None
    starting: Command | None = None


class Measured(NamedTuple):
    """Of one program: seconds of a whole process, the most memory it had (MiB), and seconds of integration alone."""

    name: str
    whole: float
    peak: float
    alone: float | None


def peak_memory(command: Command, folder: Path) -> float:
    """Run a command and return the most memory it held, in MiB: what its processes had of their own, added up.

    The processes are looked at every few milliseconds, which costs time; so this run is not timed.
    """
    process = psutil.Popen([str(word) for word in command], cwd=folder, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        with suppress(psutil.Error):
            most = max(most, sum(_own_memory(p) for p in (process, *process.children(recursive=True))))
        time.sleep(0.005)
    return most / (1 << 20)


def _own_memory(process: psutil.Process) -> int:
    """Return a process's memory, what it shares with others divided among them where the system tells."""
    memory = process.memory_full_info()
    return int(getattr(memory, "pss", memory.uss))


def timed(command: Command, folder: Path) -> Run:
    """Run a command to its end and time it from outside. Ends the benchmark when it fails."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as out:
        start = time.perf_counter()
        done = subprocess.run([str(word) for word in command], cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        seconds = time.perf_counter() - start
        out.seek(0)
        said = out.read()
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{said[-2000:]}")
    return Run(seconds, said)


def make_frames(folder: Path, count: int, megapixels: float, *, flats: bool) -> None:
    """Write ``count`` raw frames: darks with hot pixels and cosmic rays, or vignetted flats of a drifting lamp."""
    folder.mkdir(parents=True)
    height = int((megapixels * 1e6 / ASPECT) ** 0.5) // 2 * 2
    width = int(height * ASPECT) // 2 * 2
    random = np.random.default_rng(1)
    base = np.full((height, width), 500.0, np.float32) + random.normal(0, 2, width).astype(np.float32)
    hot = random.integers(0, base.size, base.size // 2000)
    base.ravel()[hot] += random.exponential(2000, hot.size).astype(np.float32)
    if flats:
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        base = (30000 * (1 - 0.15 * (x * x + y * y))).astype(np.float32)
    for number in range(count):
        level = base * (1 + 0.01 * np.sin(number)) if flats else base
        noise = random.standard_normal((height, width), np.float32)
        noise *= np.sqrt(level / 3).astype(np.float32) if flats else np.float32(7)
        pixels = level + noise
        pixels.ravel()[random.integers(0, base.size, base.size // 20000)] += 3000
        keywords = (
            Keyword("IMAGETYP", "FLAT" if flats else "DARK"),
            Keyword("EXPTIME", 2.0 if flats else 300.0),
            Keyword("DATE-OBS", f"2026-01-29T20:{number // 60 % 60:02}:{number % 60:02}"),
        )
        samples = np.rint(pixels).clip(0, 65535).astype(np.uint16)
        write_image(folder / f"d_{number + 1:05}.fit", samples, keywords, image_type="Flat" if flats else "Dark")


def siril_script(folder: Path, name: str, lines: Sequence[str]) -> Path:
    """Write a Siril script and return its path."""
    script = folder / f"{name}.ssf"
    script.write_text("\n".join(["requires 1.0.0", *lines]) + "\n", encoding="utf-8")
    return script


def ours(method: Method, frames: Path, folder: Path) -> list[str | Path]:
    """Return the command of a whole ``ap-masters combine``."""
    return [
        *(sys.executable, "-m", "ap_masters", "combine", frames, folder / "ours.xisf", "--overwrite", "-q"),
        *method.combine,
    ]


def measure(programs: Sequence[Program], folder: Path, count: int) -> list[Measured]:
    """Run all programs in turn, ``count`` times after one round that is not timed: there, memory is watched."""
    peaks = [peak_memory(program.whole, folder) for program in programs]
    whole: list[list[float]] = [[] for _ in programs]
    alone: list[list[float]] = [[] for _ in programs]
    for _ in range(count):
        for number, (_, command, printing, starting) in enumerate(programs):
            seconds = timed(command, folder).seconds
            whole[number].append(seconds)
            if printing:
                alone[number].append(float(timed(printing, folder).out.split()[-1]))
            if starting:
                alone[number].append(seconds - timed(starting, folder).seconds)
    return [
        Measured(program.name, median(whole[i]), peaks[i], median(alone[i]) if alone[i] else None)
        for i, program in enumerate(programs)
    ]


def installed(programs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what the table calls each Siril, and its path. Ends the benchmark where one that was named is missing."""
    for program in programs:
        found = shutil.which(program)
        if found is None:
            if programs is _SIRILS:
                return
            raise SystemExit(f"{program}: there is no such program; name a siril-cli")
        path = str(Path(found).absolute())
        version = timed([path, "--version"], Path(tempfile.gettempdir())).out.strip()
        yield (version.splitlines()[-1] if version else "siril") + (f" ({program})" if len(programs) > 1 else ""), path


def compare(
    names: Sequence[str], sirils: Sequence[tuple[str, str]], count: int, megapixels: float, repeat: int, folder: Path
) -> Iterator[str]:
    """Yield the table: for every method a row of ours, of the limit, and of each other program."""
    if not sirils:
        yield "siril-cli is not installed: no row compares with it"
    yield "| method | program | whole s | MiB | as ours | integration alone s | as ours | as the limit |"
    yield "|---|---|---|---|---|---|---|---|"
    for name in names:
        method = METHODS[name]
        frames = folder / ("flats" if method.flats else "darks")
        if not frames.exists():
            make_frames(frames, count, megapixels, flats=method.flats)
        engine: Command = [sys.executable, "-c", INTEGRATE.format(recipe=method.recipe), frames]
        programs = [
            Program("ap-masters", ours(method, frames, folder), printing=engine),
            Program("limit", [sys.executable, "-c", LIMIT, frames]),
        ]
        stack = siril_script(folder, name, [f"cd {frames}", f"stack d_ {method.siril} -out={folder / 'siril'}"])
        empty = siril_script(folder, "empty", [f"cd {frames}"])
        programs += [Program(title, [path, "-s", stack], starting=[path, "-s", empty]) for title, path in sirils]
        if find_spec("ccdproc") and name == "sigma":
            programs.append(Program("ccdproc", [sys.executable, "-c", CCDPROC, frames]))
        yield from _rows(name, measure(programs, folder, repeat))


def _rows(method: str, measured: Sequence[Measured]) -> Iterator[str]:
    """Yield a row for each program; the first is ours, the second the limit."""
    our, limit = measured[0], measured[1]
    for each in measured:
        cells = [method, each.name, f"{each.whole:.2f}", f"{each.peak:.0f}", f"{each.whole / our.whole:.1f} x"]
        if each.alone is None or our.alone is None:
            cells += [""] * 3
        else:
            ratios = (each.alone / our.alone, each.alone / limit.whole)
            cells += [f"{each.alone:.2f}", *(f"{ratio:.1f} x" for ratio in ratios)]
        yield f"| {' | '.join(cells)} |"


def growth(folder: Path, repeat: int) -> Iterator[str]:
    """Yield time and memory of a whole sigma clip against the number of frames and against megapixels."""
    yield "| frames | megapixels | combine s | ns per sample | MiB |"
    yield "|---|---|---|---|---|"
    sizes = [(count, 2.0) for count in (8, 16, 32, 64, 128, 256, 512)]
    sizes += [(16, megapixels) for megapixels in (1.0, 4.0, 16.0, 32.0, 62.0)]
    for number, (count, megapixels) in enumerate(sizes):
        frames = folder / f"growth{number}"
        make_frames(frames, count, megapixels, flats=False)
        (found,) = measure([Program("ap-masters", ours(METHODS["sigma"], frames, folder))], folder, repeat)
        each = found.whole / count / megapixels * 1e3
        yield f"| {count} | {megapixels:g} | {found.whole:.2f} | {each:.2f} | {found.peak:.0f} |"
        shutil.rmtree(frames)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description="Ratios against other programs, measured side by side.")
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--megapixels", type=float, default=11.7)
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, after one that is not")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--siril", nargs="+", default=_SIRILS, help="the Sirils to compare with")
    parser.add_argument("--growth", action="store_true", help="time and memory against size instead")
    parser.add_argument("--folder", type=Path, help="where the frames go; a temporary folder by default")
    given = parser.parse_args()
    compileall.compile_dir(Path(ap_masters.__file__).parent, quiet=1)  # as an installation does
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ap-masters-benchmark-", dir=given.folder) as place:
        folder = Path(place)
        lines = (
            growth(folder, given.rounds)
            if given.growth
            else compare(
                given.methods, list(installed(given.siril)), given.frames, given.megapixels, given.rounds, folder
            )
        )
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()
