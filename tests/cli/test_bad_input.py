"""A folder with everything wrong that can be: each file is named with its trouble, and the good frames are built."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from ap_masters import record as records
from ap_masters.cli import stray_quote
from tests.builders import noisy, write_frame
from tests.cli.conftest import Run

NUMPY = ("--engine", "numpy")
GOOD = 5


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Five good darks, and beside them one of each kind of trouble."""
    folder = tmp_path / "night"
    for n in range(GOOD):
        write_frame(folder / f"good{n}.fits", noisy(n))
    whole = (folder / "good0.fits").read_bytes()
    (folder / "truncated.fits").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.fits").write_bytes(b"")
    (folder / "text.fits").write_bytes(b"Dear diary, it was cloudy.\n" * 200)
    (folder / "endless.fits").write_bytes(whole.replace(b"END     ", b"COMMENT ", 1)[:2880])
    (folder / "twice.fits").write_bytes(whole)
    write_frame(folder / "light.fits", noisy(50), IMAGETYP="LIGHT")
    write_frame(folder / "odd.fits", noisy(51), IMAGETYP="BANANA")
    return folder


REASONS = {
    "truncated.fits": "unreadable: is cut short",
    "empty.fits": "unreadable: the file is empty",
    "text.fits": "unreadable: is neither FITS nor XISF",
    "endless.fits": "unreadable",
    "twice.fits": "duplicate",
    "light.fits": "light frame",
    "odd.fits": "unknown frame type",
}


def test_every_file_is_named_with_its_trouble(run: Run, night: Path) -> None:
    """Nothing vanishes; nothing ends the program."""
    done = run("scan", night, "-v")

    assert done.code == 0
    for name, reason in REASONS.items():
        assert f"{name}: {reason}" in done.out, name


def test_the_good_frames_are_built_all_the_same(run: Run, night: Path, tmp_path: Path) -> None:
    """One master of the five good ones; the copy counted once."""
    done = run("build", night, tmp_path / "masters", *NUMPY)
    (master,) = (tmp_path / "masters" / "master").glob("*.xisf")

    used = {entry.path.name for entry in records.read(master.with_suffix(".xrs")).inputs}
    assert done.code == 0
    assert len(used) == GOOD
    assert used - {"twice.fits"} <= {f"good{n}.fits" for n in range(GOOD)}
    for name in REASONS.keys() - {"light.fits", "twice.fits"}:
        assert name in done.out


def test_a_long_list_is_cut_unless_asked_for(run: Run, tmp_path: Path) -> None:
    """A folder of thousands of broken files does not flood the screen."""
    for n in range(30):
        (tmp_path / f"broken{n}.fits").write_bytes(b"no image")

    assert "30 set aside" in run("scan", tmp_path).out
    assert "and 10 more (-v lists them all)" in run("scan", tmp_path).out
    assert run("scan", tmp_path, "-v").out.count("broken") == 30


def test_samples_that_are_no_numbers_take_out_their_frame_alone(run: Run, tmp_path: Path) -> None:
    """NaN and infinity in floating-point frames: the frames are dropped with the reason, the others integrated."""
    for n in range(GOOD):
        pixels = noisy(n).astype(np.float32) / 65535
        if n == 1:
            pixels[3, 4] = np.nan
        if n == 2:
            pixels[0, 0] = np.inf
        write_frame(tmp_path / "night" / f"dark{n}.fits", pixels)

    done = run("build", tmp_path / "night", tmp_path / "masters", *NUMPY, "--json")

    (outcome,) = done.document["outcomes"]
    record = records.read(Path(outcome["master"]).with_suffix(".xrs"))
    assert done.code == 0
    assert {aside.path.name for aside in record.dropped} == {"dark1.fits", "dark2.fits"}
    assert len(record.inputs) == 3


def test_other_sizes_and_depths_are_other_groups(run: Run, tmp_path: Path) -> None:
    """They are never integrated together; what is too few is skipped with a message, the rest is built."""
    for n in range(GOOD):
        write_frame(tmp_path / "night" / f"dark{n}.fits", noisy(n))
    write_frame(tmp_path / "night" / "small.fits", noisy(60, shape=(6, 8)))

    done = run("build", tmp_path / "night", tmp_path / "masters", *NUMPY)

    assert done.code == 0
    assert "1 skipped, 1 built" in done.out
    assert "1 frame is there, 3 are needed" in done.err


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("../../x", id="a way out"),
        pytest.param('L"; rm -rf /', id="a shell's words"),
        pytest.param("</script>", id="a page's words"),
        pytest.param("CON", id="a name of Windows"),
    ],
)
def test_a_hostile_filter_stays_inside(run: Run, tmp_path: Path, hostile: str) -> None:
    """Whatever a header says, every file is inside the library."""
    for n in range(3):
        write_frame(tmp_path / "in" / f"flat{n}.fits", noisy(n, level=30000.0), IMAGETYP="FLAT", FILTER=hostile)
    before = set(tmp_path.iterdir())

    done = run("build", tmp_path / "in", tmp_path / "deep" / "masters", *NUMPY, "--allow-uncalibrated")

    assert done.code == 0
    assert len(list((tmp_path / "deep" / "masters" / "master").glob("*.xisf"))) == 1
    assert set(tmp_path.iterdir()) - before == {tmp_path / "deep"}
    assert set((tmp_path / "deep").iterdir()) == {tmp_path / "deep" / "masters"}


@pytest.mark.skipif(sys.platform == "win32", reason="file sizes cannot be limited there")
def test_a_full_disk_fails_the_job_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """No master, no part of one, a message that says why; with room, the same command succeeds."""
    for n in range(3):
        write_frame(tmp_path / "night" / f"dark{n}.fits", noisy(n, shape=(300, 300)))
    build = ["build", str(tmp_path / "night"), str(tmp_path / "masters"), *NUMPY]
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from ap_masters.cli import main; main(sys.argv[1:])"
    )

    full = subprocess.run([sys.executable, "-c", limited, *build], capture_output=True, text=True, check=False)

    assert full.returncode == 5, full.stderr
    assert "File too large" in full.stderr
    assert not [path for path in (tmp_path / "masters").rglob("*") if path.suffix in {".xisf", ".xrs", ".part"}]

    again = subprocess.run([sys.executable, "-m", "ap_masters", *build], capture_output=True, check=False)
    assert again.returncode == 0


def test_a_library_that_cannot_be_written_is_named(run: Run, night: Path, tmp_path: Path) -> None:
    """A file stands where the library should be."""
    (tmp_path / "masters").write_text("mine", encoding="utf-8")
    done = run("build", night, tmp_path / "masters", *NUMPY)

    assert done.code in {1, 2}
    assert str(tmp_path / "masters") in done.err
    assert "Traceback" not in done.err
    assert (tmp_path / "masters").read_text(encoding="utf-8") == "mine"


_FEW_HANDLES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from ap_masters.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_more_frames_than_files_may_be_open(tmp_path: Path) -> None:
    """Where a system allows few open files, frames are opened in turn; none is called unreadable."""
    for n in range(60):
        write_frame(tmp_path / "night" / f"dark{n}.fits", noisy(n))
    command = [sys.executable, "-c", _FEW_HANDLES, "build", str(tmp_path / "night"), str(tmp_path / "lib"), *NUMPY]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    (written,) = (tmp_path / "lib").rglob("*.xrs")
    assert len(records.read(written).inputs) == 60


_LITTLE_MEMORY = """
import resource
from ap_masters.cli import main
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited in this way on Linux alone")
def test_a_file_that_claims_more_than_there_is_memory_ends_in_words(tmp_path: Path) -> None:
    """A tile of a few bytes that says it is of gigabytes."""
    path = tmp_path / "lying.fits.fz"
    tile = fits.CompImageHDU(np.zeros((64, 64), np.uint16), compression_type="RICE_1", tile_shape=(64, 64))
    fits.HDUList([fits.PrimaryHDU(), tile]).writeto(path)
    data = path.read_bytes()
    for axis in ("ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2"):
        small, large = (f"{axis:8}= {size:20}".encode() for size in (64, 60000))
        assert small in data
        data = data.replace(small, large, 1)
    path.write_bytes(data)

    done = subprocess.run(
        [sys.executable, "-c", _LITTLE_MEMORY, "inspect", str(path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("ap-masters: ")


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        pytest.param(r'scan "D:\my night\"', 'D:\\my night"', id="the last word"),
        pytest.param(r'build "D:\my night\" "D:\masters"', 'D:\\my night" D:\\masters', id="two words made one"),
    ],
)
def test_a_backslash_before_a_closing_quote_is_explained(words: str, joined: str) -> None:
    """Windows takes the quote for a part of the path, and whatever follows it, which no name may hold."""
    if sys.platform == "win32":
        command = f'"{sys.executable}" -m ap_masters {words}'
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 2
        assert f"ap-masters: [{joined}]" in done.stderr
        assert "leave out the backslash" in done.stderr

    advice = stray_quote([words.split()[0], joined], platform="win32")

    assert advice is not None
    assert advice.startswith(f"[{joined}]")
    assert stray_quote(["scan", 'a "night"'], platform="linux") is None
    assert stray_quote(["scan", "D:\\my night"], platform="win32") is None


def test_a_file_that_is_no_master_is_no_folder_of_masters(run: Run, small_night: Path, tmp_path: Path) -> None:
    """A text was taken without a word, and gave no master."""
    for name in ("a text", "a text.fits"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
        for kind in ("bias", "dark"):
            words = (small_night, tmp_path / "masters", f"--{kind}-master-dir", tmp_path / name)
            refused = run("plan", *words, "--engine", "numpy")

            assert refused.code == 2
            assert f"{tmp_path / name}: is no image; name a {kind} master or a folder" in refused.err
