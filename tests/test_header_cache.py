"""The header cache: unchanged files are not opened again, and nothing that is wrong with the cache matters."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from ap_masters.discover import Discovery, discover
from ap_masters.header_cache import Entry, HeaderCache
from ap_masters.model import FrameType, Reason
from tests.builders import make_frame, write_frame

SOONER, LATER = 10**18, 10**18 + 10**9  # in ns; Windows keeps hundreds of them


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the cache; the frames lie in ``frames`` beside it."""
    return tmp_path / "cache"


def scan(place: Path) -> Discovery:
    return discover([place.parent / "frames"], cache=HeaderCache(place))


def frames_in(place: Path, count: int = 3) -> list[Path]:
    return [write_frame(place.parent / "frames" / f"dark {number}ä.fits") for number in range(count)]


def rewrite(path: Path, content: bytes, *, mtime_ns: int) -> None:
    """Change a file behind the cache's back: same size, chosen time."""
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def test_an_unchanged_file_is_not_opened_again(place: Path) -> None:
    """A second scan gives the same result without looking into the files: here they have been spoilt meanwhile."""
    paths = frames_in(place)
    first = scan(place)
    for path in paths:
        rewrite(path, b"\0" * path.stat().st_size, mtime_ns=path.stat().st_mtime_ns)

    assert len(first.frames) == 3
    assert scan(place) == first


def test_duplicates_are_remembered_as_well(place: Path) -> None:
    """Looking for duplicates opens no unchanged file either."""
    original = frames_in(place, 1)[0]
    copy = original.with_name("copy.fits")
    copy.write_bytes(original.read_bytes())
    os.utime(copy, ns=(original.stat().st_mtime_ns,) * 2)
    first = scan(place)
    for path in (original, copy):
        rewrite(path, os.urandom(path.stat().st_size), mtime_ns=path.stat().st_mtime_ns)

    assert [aside.reason for aside in first.set_aside] == [Reason.DUPLICATE]
    assert scan(place) == first


def test_a_changed_file_is_read_again(place: Path) -> None:
    """Another time or another size is another file."""
    path = frames_in(place, 1)[0]
    scan(place)
    write_frame(path, IMAGETYP="FLAT")
    os.utime(path, ns=(SOONER, SOONER))

    assert [frame.type for frame in scan(place).frames] == [FrameType.FLAT]


def test_an_unreadable_file_is_tried_again_when_it_changes(place: Path) -> None:
    """What was wrong with a file is remembered until the file changes."""
    path = frames_in(place, 1)[0]
    good = path.read_bytes()
    rewrite(path, b"x" * len(good), mtime_ns=SOONER)
    assert [aside.reason for aside in scan(place).set_aside] == [Reason.UNREADABLE]
    rewrite(path, good, mtime_ns=SOONER)
    assert [aside.reason for aside in scan(place).set_aside] == [Reason.UNREADABLE]
    rewrite(path, good, mtime_ns=LATER)

    assert len(scan(place).frames) == 1


def test_passing_problems_are_not_remembered(place: Path) -> None:
    """A missing permission may be given without a trace in the file."""
    folder = place.parent / "frames"
    cache = HeaderCache(place)
    cache.save(folder, {"a": Entry(1, 1, problem="no permission", passing=True), "b": Entry(1, 1, problem="cut")})

    assert list(cache.load(folder)) == ["b"]


def test_entries_come_back_whole(place: Path) -> None:
    """What goes into the cache comes out of it, decisions and times included."""
    folder = place.parent / "frames"
    write_frame(folder / "dark.fits")
    frame = scan(place).frames[0]
    entry = Entry(frame.size, frame.mtime_ns, frame=frame, sample="ab", digest="cd")
    flat = make_frame(FrameType.FLAT, path=folder / "o.fits", size=5, mtime_ns=6, warnings=("one", "two"))
    other = Entry(5, 6, frame=flat)
    cache = HeaderCache(place)
    cache.save(folder, {"dark.fits": entry, "o.fits": other, "broken.fits": Entry(7, 8, problem="cut short")})

    assert frame.decisions
    assert cache.load(folder) == {
        "dark.fits": entry,
        "o.fits": other,
        "broken.fits": Entry(7, 8, problem="cut short"),
    }


def test_files_that_are_gone_are_forgotten(place: Path) -> None:
    """The cache does not grow with files that no longer exist."""
    paths = frames_in(place)
    scan(place)
    paths[0].unlink()
    scan(place)

    assert set(HeaderCache(place).load(paths[0].parent)) == {path.name for path in paths[1:]}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0\xff not JSON", id="garbage"),
        pytest.param(b'{"folder": "x", "rules": "y"', id="cut short"),
        pytest.param(b'{"somebody": "else\'s file"}', id="foreign"),
        pytest.param(b"[]", id="another kind"),
    ],
)
def test_a_damaged_cache_is_passed_over_and_rebuilt(place: Path, content: bytes) -> None:
    """Whatever stands in the cache's file, the frames are found, and the next scan has a good cache."""
    paths = frames_in(place)
    first = scan(place)
    for file in place.iterdir():
        file.write_bytes(content)

    assert scan(place) == first
    assert len(HeaderCache(place).load(paths[0].parent)) == 3


def test_a_cache_of_other_rules_is_not_believed(place: Path) -> None:
    """What an older version of this program understood of a header is read anew."""
    paths = frames_in(place)
    scan(place)
    for file in place.iterdir():
        stored = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(stored | {"rules": "older"}), encoding="utf-8")

    assert HeaderCache(place).load(paths[0].parent) == {}


def test_a_cache_with_places_that_do_not_fit_is_not_believed(place: Path) -> None:
    """Numbers that point nowhere are damage like any other."""
    paths = frames_in(place)
    scan(place)
    for file in place.iterdir():
        stored = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(stored | {"decisions": []}), encoding="utf-8")

    assert HeaderCache(place).load(paths[0].parent) == {}


def test_a_cache_that_cannot_be_written_is_done_without(place: Path) -> None:
    """Where the cache's folder cannot be made, scanning works all the same."""
    frames_in(place)
    place.write_text("a file stands where the folder should", encoding="utf-8")

    assert len(scan(place).frames) == 3


def test_the_environment_says_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AP_MASTERS_CACHE_DIR moves the cache, and HeaderCache.default() finds it there."""
    monkeypatch.setenv("AP_MASTERS_CACHE_DIR", str(tmp_path / "mine"))
    write_frame(tmp_path / "frames" / "x.fits")
    discover([tmp_path / "frames"], cache=HeaderCache.default())

    assert list((tmp_path / "mine").rglob("*.json"))


def _scan_often(place: Path) -> int:
    return sum(len(scan(place).frames) for _ in range(5))


def test_processes_may_share_a_cache(place: Path) -> None:
    """Several scans at once, each writing, disturb neither each other nor the cache."""
    frames_in(place, 20)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        counts = pool.map(_scan_often, [place, place])

    assert counts == [100, 100]
    assert not list(place.glob(".*"))
    assert len(HeaderCache(place).load(place.parent / "frames")) == 20
