"""Discovery: every image file found once, and in exactly one place: a frame, or set aside with its reason."""

import gzip
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from astropy.io import fits

from ap_masters.discover import NO_TYPE, Discovery, discover
from ap_masters.errors import UsageError
from ap_masters.header_cache import HeaderCache
from ap_masters.model import FrameType, Reason
from tests.builders import link, noisy, write_frame

BIAS, DARK, DARK_FLAT, FLAT, LIGHT = FrameType


def find(*roots: Path, **options: object) -> Discovery:
    return discover(roots, cache=None, **options)  # type: ignore[arg-type]


def reasons(found: Discovery, root: Path) -> dict[str, Reason]:
    return {aside.path.relative_to(root).as_posix(): aside.reason for aside in found.set_aside}


def names(found: Discovery, root: Path) -> list[str]:
    return [frame.path.relative_to(root).as_posix() for frame in found.frames]


def at(minute: int) -> str:
    return datetime(2026, 1, 29, 21, minute).isoformat()


def pack(path: Path, suffix: str) -> Path:
    """Pack a frame as ``gzip`` or ``fpack`` do, and remove it."""
    packed = path.with_name(f"{path.name}.{suffix}")
    if suffix == "gz":
        packed.write_bytes(gzip.compress(path.read_bytes()))
    else:
        with fits.open(path) as opened:
            fits.CompImageHDU(opened[0].data, opened[0].header).writeto(packed)
    path.unlink()
    return packed


def test_any_mixture_of_folders_formats_and_suffixes(tmp_path: Path) -> None:
    """FITS and XISF in any depth, suffixes in any case, names in any script, are found by folder and name."""
    places = [Path("b/x.FIT"), Path("b/x.fits"), Path("a/deep/er/x.Xisf"), Path("Größe mit Ä/dunkel 1.fts")]
    for place in places:
        write_frame(tmp_path / place)
    (tmp_path / "b" / "notes.txt").write_text("not an image", encoding="utf-8")

    found = find(tmp_path)

    assert names(found, tmp_path) == [place.as_posix() for place in sorted(places)]  # where case counts, and where not
    assert found.set_aside == ()


def test_what_is_no_frame_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    """Lights, masters, unknown and unreadable files all end in set_aside, and each says why."""
    write_frame(tmp_path / "dark.fits")
    write_frame(tmp_path / "light.fits", IMAGETYP="LIGHT")
    write_frame(tmp_path / "stack.fits", IMAGETYP="DARK", NCOMBINE=20)
    write_frame(tmp_path / "superlight.fits", IMAGETYP="Master Light")
    write_frame(tmp_path / "map.fits", IMAGETYP="BADPIXELMAP")
    write_frame(tmp_path / "what.fits", IMAGETYP=None)
    (tmp_path / "empty.fits").touch()
    (tmp_path / "text.fits").write_text("this is no image", encoding="utf-8")
    whole = (tmp_path / "dark.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[:3000])

    found = find(tmp_path)
    details = {aside.path.name: aside.detail for aside in found.set_aside}

    assert names(found, tmp_path) == ["dark.fits"]
    assert reasons(found, tmp_path) == {
        "cut.fits": Reason.UNREADABLE,
        "empty.fits": Reason.UNREADABLE,
        "light.fits": Reason.LIGHT,
        "map.fits": Reason.UNKNOWN_TYPE,
        "stack.fits": Reason.MASTER,
        "superlight.fits": Reason.MASTER,
        "text.fits": Reason.UNREADABLE,
        "what.fits": Reason.UNKNOWN_TYPE,
    }
    assert details["empty.fits"] == "the file is empty"
    assert details["stack.fits"] == "dark: keyword NCOMBINE 20"
    assert details["map.fits"] == "'BADPIXELMAP' is none of bias, dark, dark flat, flat"
    assert details["what.fits"].startswith("no IMAGETYP")
    assert [frame.path.name for frame in found.lights] == ["light.fits"]
    assert [frame.path.name for frame in found.masters] == ["stack.fits"]


def test_spellings_of_the_type_are_counted(tmp_path: Path) -> None:
    """What IMAGETYP said is counted as written, so that a user with no frames sees why."""
    write_frame(tmp_path / "a.fits", IMAGETYP="Object Frame")
    write_frame(tmp_path / "b.fits", IMAGETYP="Light Frame")
    write_frame(tmp_path / "c.fits", IMAGETYP=None)
    write_frame(tmp_path / "d.fits", IMAGETYP="Light Frame")

    assert find(tmp_path).types_seen == {NO_TYPE: 1, "Light Frame": 2, "Object Frame": 1}


def test_an_empty_tree_is_no_error(tmp_path: Path) -> None:
    """Nothing found is a result; what to say about it is the caller's."""
    assert find(tmp_path) == Discovery()


def test_a_missing_root_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    """A folder that does not exist is named."""
    with pytest.raises(UsageError, match="nowhere"):
        find(tmp_path / "nowhere")


def test_single_files_and_overlapping_roots(tmp_path: Path) -> None:
    """A file may be a root; what several roots lead to is found once, under its first name."""
    first = write_frame(tmp_path / "a" / "x.fits")
    write_frame(tmp_path / "a" / "b" / "y.fits")

    assert names(find(first), tmp_path) == ["a/x.fits"]
    assert names(find(first, tmp_path, tmp_path / "a", tmp_path / "a" / "b", first), tmp_path) == [
        "a/x.fits",
        "a/b/y.fits",
    ]
    assert find(tmp_path, first).set_aside == ()


def test_folders_may_decide_the_type(tmp_path: Path) -> None:
    """Folders below the root decide the type of frames without one; so does the root's own name."""
    write_frame(tmp_path / "darks" / "a.fits", IMAGETYP=None)
    write_frame(tmp_path / "darks" / "flats" / "b.fits", IMAGETYP=None)

    assert [frame.type for frame in find(tmp_path).frames] == [DARK, FLAT]
    assert [frame.type for frame in find(tmp_path / "darks").frames] == [DARK, FLAT]
    assert [frame.type for frame in find(tmp_path / "darks" / "a.fits").frames] == [DARK]


def test_lights_of_a_dark_target_are_no_darks(tmp_path: Path) -> None:
    """SharpCap writes no IMAGETYP: frames in the folder of the Dark Shark are set aside, and why is said."""
    write_frame(tmp_path / "LDN1235 Dark Shark" / "20_00_01" / "Capture_00001.fits", IMAGETYP=None)
    (aside,) = find(tmp_path).set_aside

    assert (aside.reason, aside.detail) == (
        Reason.UNKNOWN_TYPE,
        "no IMAGETYP, and the folder 'LDN1235 Dark Shark' may be a target's: set IMAGETYP, or move darks to a folder "
        "named 'darks'",
    )


def test_the_work_folder_and_excluded_folders_are_passed_over(tmp_path: Path) -> None:
    """Work in progress, and the library a build writes to, are no input."""
    write_frame(tmp_path / "x.fits")
    write_frame(tmp_path / ".ap-masters" / "y.fits")
    write_frame(tmp_path / "library" / "z.fits")

    assert names(find(tmp_path, exclude=[tmp_path / "library"]), tmp_path) == ["x.fits"]


def test_what_macos_leaves_beside_files_is_no_frame(tmp_path: Path) -> None:
    """A '._' file has an image's suffix and is none; it is not worth a word."""
    write_frame(tmp_path / "x.fits")
    (tmp_path / "._x.fits").write_bytes(b"\0\5\x16\7")

    assert find(tmp_path).set_aside == ()


def test_other_raw_files_are_mentioned(tmp_path: Path) -> None:
    """Camera raws cannot be read; that they are there is said once for each kind."""
    for name in ("a.CR2", "b.cr2", "c.nef"):
        (tmp_path / name).touch()

    assert find(tmp_path).warnings == (
        "2 .cr2 files passed over: only FITS and XISF are read",
        "1 .nef file passed over: only FITS and XISF are read",
    )


def test_images_packed_as_nothing_here_unpacks_are_mentioned(tmp_path: Path) -> None:
    """A packed frame is a frame its owner counts on: it is told, once for each suffix, with what to do."""
    for name in (
        "a.fits.bz2",
        "b.FITS.BZ2",
        "c.fits.xz",
        "d.ftz",
        "e.xisf.gz",
        "f.fit.zip",
        "g.cr2.gz",
        "._a.fits.bz2",
    ):
        (tmp_path / name).touch()
    for name in ("notes.txt.gz", "night.zip", "a.fits.txt"):
        (tmp_path / name).touch()

    assert find(tmp_path).warnings == (
        "1 .cr2.gz file passed over: only FITS and XISF are read",
        "1 .fit.zip file passed over: unpack first, as of packed files only .fits.gz and .fits.fz are read",
        "2 .fits.bz2 files passed over: unpack first, as of packed files only .fits.gz and .fits.fz are read",
        "1 .fits.xz file passed over: unpack first, as of packed files only .fits.gz and .fits.fz are read",
        "1 .ftz file passed over: unpack first, as of packed files only .fits.gz and .fits.fz are read",
        "1 .xisf.gz file passed over: unpack first, as of packed files only .fits.gz and .fits.fz are read",
    )


# --- links ---


def test_links_lead_round_in_no_circles(tmp_path: Path) -> None:
    """A link to a folder above ends nowhere; a link to itself is no folder."""
    write_frame(tmp_path / "a" / "x.fits")
    link(tmp_path / "a" / "up", tmp_path)
    link(tmp_path / "self.fits", tmp_path / "self.fits")

    found = find(tmp_path)

    assert names(found, tmp_path) == ["a/x.fits"]
    assert reasons(found, tmp_path) == {"self.fits": Reason.UNREADABLE}


def test_linked_folders_outside_are_followed(tmp_path: Path) -> None:
    """A link to a folder elsewhere is followed, once, and frames keep the name they were found under."""
    write_frame(tmp_path / "elsewhere" / "x.fits")
    root = tmp_path / "root"
    root.mkdir()
    for name in ("b", "a"):
        link(root / name, tmp_path / "elsewhere")

    assert names(find(root), root) == ["a/x.fits"]


def test_a_folder_keeps_its_own_name_beside_a_link_to_it(tmp_path: Path) -> None:
    """Where a folder and a link to it are both there, the folder counts, whichever comes first by name."""
    write_frame(tmp_path / "z" / "x.fits")
    link(tmp_path / "a", tmp_path / "z")

    assert names(find(tmp_path), tmp_path) == ["z/x.fits"]


def test_a_frame_and_its_packed_copy_are_one(tmp_path: Path) -> None:
    """``gzip -k`` for the archive must not weigh a frame twice; where only the packed one is left, it counts."""
    for minute in (1, 2):
        path = write_frame(tmp_path / f"dark {minute}.fits", noisy(minute), DATE_OBS=at(minute))
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()

    found = find(tmp_path)

    assert names(found, tmp_path) == ["dark 1.fits", "dark 2.fits.gz"]
    assert reasons(found, tmp_path) == {"dark 1.fits.gz": Reason.DUPLICATE}


@pytest.mark.parametrize("suffix", ["gz", "fz"])
@pytest.mark.parametrize(
    ("change", "copies"),
    [
        ({}, 1),
        ({"CAMERAID": "2b3c"}, 0),
        ({"INSTRUME": "QHY600M"}, 0),
        ({"GAIN": 0}, 0),
        ({"OFFSET": 10}, 0),
        ({"ISOSPEED": 800}, 0),
        ({"XBINNING": 2, "YBINNING": 2}, 0),
        ({"READOUTM": "High Gain"}, 0),
        ({"FILTER": "Ha"}, 0),
        ({"SET_TEMP": -5}, 0),
        ({"EGAIN": 1.0}, 0),
    ],
)
def test_two_cameras_started_at_once_are_no_copies(
    tmp_path: Path, suffix: str, change: dict[str, str | int | float], copies: int
) -> None:
    """A packed file of one name and start is a copy only where the whole header agrees; its pixels are not read."""
    plain = write_frame(tmp_path / "a" / "dark_000.fits", noisy(1), DATE_OBS=at(0))
    other = write_frame(tmp_path / "b" / "dark_000.fits", noisy(2 if change else 1), DATE_OBS=at(0), **change)
    packed = pack(other, suffix)

    found = find(tmp_path)

    assert [(aside.path, aside.reason, aside.detail) for aside in found.set_aside] == [
        (packed, Reason.DUPLICATE, f"packed copy of {plain}")
    ] * copies
    assert len(found.frames) == 2 - copies


def test_a_link_to_a_frame_that_is_here_is_a_duplicate(tmp_path: Path) -> None:
    """A linked frame counts once; a link to a frame elsewhere is a frame; a broken link is set aside."""
    here = write_frame(tmp_path / "root" / "x.fits")
    there = write_frame(tmp_path / "there" / "y.fits")
    link(tmp_path / "root" / "a.fits", here)
    link(tmp_path / "root" / "b.fits", there)
    link(tmp_path / "root" / "c.fits", tmp_path / "gone.fits")
    root = tmp_path / "root"

    found = find(root)

    assert names(found, root) == ["b.fits", "x.fits"]
    assert reasons(found, root) == {"a.fits": Reason.DUPLICATE, "c.fits": Reason.UNREADABLE}


# --- access ---


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user who can be refused")
def test_what_may_not_be_read_is_set_aside(tmp_path: Path) -> None:
    """A file and a folder without permission are set aside; the rest is found."""
    write_frame(tmp_path / "x.fits")
    closed = write_frame(tmp_path / "closed.fits")
    folder = tmp_path / "folder"
    folder.mkdir()
    closed.chmod(0)
    folder.chmod(0)
    try:
        found = find(tmp_path)
    finally:
        closed.chmod(0o600)
        folder.chmod(0o700)

    assert names(found, tmp_path) == ["x.fits"]
    assert reasons(found, tmp_path) == {"closed.fits": Reason.UNREADABLE, "folder": Reason.UNREADABLE}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_blocks_nobody(tmp_path: Path) -> None:
    """A pipe with an image's name is not opened."""
    os.mkfifo(tmp_path / "x.fits")

    assert find(tmp_path) == Discovery()


@pytest.mark.skipif(sys.platform != "linux", reason="only here names can be any bytes")
def test_a_name_that_is_no_text_is_set_aside(tmp_path: Path) -> None:
    """A name no record could hold is reported with its folder, and harms nothing."""
    write_frame(tmp_path / "x.fits")
    (tmp_path / os.fsdecode(b"d\xe4rk.fits")).write_bytes(b"")

    found = find(tmp_path)

    assert names(found, tmp_path) == ["x.fits"]
    assert [aside.path for aside in found.set_aside] == [tmp_path]
    assert "rename it" in found.set_aside[0].detail


# --- duplicates ---


def test_the_same_frame_twice_counts_once(tmp_path: Path) -> None:
    """A copy under another name is set aside, naming the original: of names as long, the first by path."""
    original = write_frame(tmp_path / "a" / "x.fits", DATE_OBS=at(0))
    copy = tmp_path / "b" / "y.fits"
    copy.parent.mkdir()
    copy.write_bytes(original.read_bytes())

    found = find(tmp_path)

    assert [frame.path for frame in found.frames] == [original]
    assert [(aside.path, aside.reason, aside.detail) for aside in found.set_aside] == [
        (copy, Reason.DUPLICATE, f"same content as {original}")
    ]


@pytest.mark.parametrize("name", ["60s_0003 - Kopie.fits", "60s_0003 (1).fits", "0/copy of 60s_0003.fits"])
def test_a_file_managers_copy_is_the_copy(tmp_path: Path, name: str) -> None:
    """It sorts before the original, a space before a dot, and has the longer name."""
    original = write_frame(tmp_path / "60s_0003.fits", DATE_OBS=at(0))
    copy = tmp_path / name
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(original.read_bytes())

    found = find(tmp_path)

    assert [frame.path for frame in found.frames] == [original]
    assert [(aside.path, aside.detail) for aside in found.set_aside] == [(copy, f"same content as {original}")]


def test_frames_that_only_look_alike_are_kept(tmp_path: Path) -> None:
    """Equal headers and sizes are no proof: the pixels decide, and equal pixels of another time are another frame."""
    pixels = noisy(1)
    write_frame(tmp_path / "a.fits", pixels)
    write_frame(tmp_path / "b.fits", noisy(2))
    write_frame(tmp_path / "c.fits", pixels, DATE_OBS=at(5))

    assert len(find(tmp_path).frames) == 3


def test_copies_that_differ_in_the_middle_are_told_apart(tmp_path: Path) -> None:
    """Files alike in beginning, middle and end are compared whole."""
    pixels = noisy(1, shape=(600, 600))
    write_frame(tmp_path / "a.fits", pixels)
    pixels[150, 100] += 1  # between the pieces that are compared first
    write_frame(tmp_path / "b.fits", pixels)

    assert len(find(tmp_path).frames) == 2


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("f.fits.gz", "frame.fits"),
        ("f.xisf", "frame.fits"),
        ("frame, saved anew.fits", "frame.fits"),
        ("f.fits", "f.fits"),
    ],
    ids=["packed", "other format", "longer name", "shorter name"],
)
def test_one_exposure_in_two_files_counts_once(tmp_path: Path, name: str, kept: str) -> None:
    """Packed, in the other format or with one keyword more: the bytes differ, time and pixels agree."""
    write_frame(tmp_path / "frame.fits", noisy(1), DATE_OBS=at(0))
    write_frame(tmp_path / "other.fits", noisy(2), DATE_OBS=at(5))
    copy = write_frame(tmp_path / name.removesuffix(".gz"), noisy(1), DATE_OBS=at(0), OBJECT="M 31")
    if name.endswith(".gz"):
        pack(copy, "gz")

    found = find(tmp_path)

    assert names(found, tmp_path) == sorted([kept, "other.fits"])
    assert [(aside.reason, aside.detail) for aside in found.set_aside] == [
        (Reason.DUPLICATE, f"same pixels as {tmp_path / kept}, and taken at the same time")
    ]


def test_a_burst_within_one_second_is_many_frames(tmp_path: Path) -> None:
    """Some programs write whole seconds: the pixels decide, and only a row of each is read."""
    for number in range(3):
        write_frame(tmp_path / f"{number}.fits", noisy(number), IMAGETYP="BIAS", EXPTIME=0.001, DATE_OBS=at(0))

    assert len(find(tmp_path).frames) == 3


def test_equal_pixels_of_another_time_or_camera_are_no_copies(tmp_path: Path) -> None:
    """Only what says it is the same exposure is compared."""
    write_frame(tmp_path / "a.fits", noisy(1), DATE_OBS=at(0))
    write_frame(tmp_path / "b.fits", noisy(1), DATE_OBS=at(5))
    write_frame(tmp_path / "c.fits", noisy(1), DATE_OBS=at(0), INSTRUME="QHY600M")
    write_frame(tmp_path / "d.fits", noisy(1), DATE_OBS=at(0), IMAGETYP="BIAS")
    for name in ("e.fits", "f.xisf"):  # no time is no time in common: what calibrates to zeros is alike, too
        write_frame(tmp_path / name, noisy(1), DATE_OBS=None)

    assert len(find(tmp_path).frames) == 6


def test_nothing_vanishes(tmp_path: Path) -> None:
    """Every image file is a frame or set aside, never both, never neither, whatever the number of threads."""
    for number in range(150):
        kind = ("DARK", "LIGHT", "Master Flat", "BADPIXELMAP")[number % 4]
        write_frame(tmp_path / f"{number % 7}" / f"{number:03}.fits", IMAGETYP=kind, DATE_OBS=at(number % 60))
    everything = sorted(tmp_path.rglob("*.fits"))

    found = find(tmp_path, threads=1)
    placed = [frame.path for frame in found.frames] + [aside.path for aside in found.set_aside]

    assert Counter(placed) == Counter(everything)
    assert find(tmp_path, threads=8) == found


def test_start_of_a_frame_is_in_utc(tmp_path: Path) -> None:
    """A frame from a real file has its header understood."""
    write_frame(tmp_path / "x.fits")

    assert find(tmp_path).frames[0].started == datetime(2026, 1, 29, 21, tzinfo=UTC)


def test_scanning_loads_no_numpy() -> None:
    """Finding, understanding and grouping frames touches no pixel, so it does not wait for numpy."""
    rooms = "ap_masters.discover, ap_masters.group, ap_masters.headers, ap_masters.header_cache"
    check = f"import sys, {rooms}; sys.exit('numpy' in sys.modules or 'astropy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="names of files are Unicode there")
def test_a_root_whose_name_is_no_text(tmp_path: Path) -> None:
    """It is told with what to do, as for such a name further down."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write_frame(folder / "dark.fits")

    with pytest.raises(UsageError, match=r"caf\\udce9': a name in this path is no valid text: rename it"):
        discover([folder], cache=HeaderCache(tmp_path / "cache"))
