"""A watch builds when captures are finished, not before; and goes on whatever happens."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ap_masters import images
from ap_masters.errors import LibraryError, NothingToDo
from ap_masters.model import FrameType, Grade, Group, GroupKey
from ap_masters.watch import Built, News, Watcher, is_held, is_whole, sets_complete, watch

PIXELS = np.full((8, 8), 500, np.uint16)


class Night:
    """A clock that a script of events drives: before each look at the folders one event happens."""

    def __init__(self, events: list[Callable[[], object]], interval: float = 10.0) -> None:
        self.now, self.interval, self.events = 0.0, interval, iter(events)
        self.news: list[News] = []
        self.builds: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        event = next(self.events, None)
        if event is None:
            return False
        event()
        return True

    def build(self) -> None:
        self.builds.append(self.now)

    def outcome(self, came: Built | str | None) -> Built:
        """Return what a test's build came to: one master, unless it says otherwise."""
        return came if isinstance(came, Built) else Built(1, failure=came)

    def run(self, folder: Path, **changes: object) -> int:
        settings: dict[str, object] = {"settle": 30.0, "build": self.build, "complete": None, "exclude": ()}
        settings |= changes
        self.watched = watch(
            [folder],
            lambda: self.outcome(settings["build"]()),  # type: ignore[operator]
            settle=settings["settle"],  # type: ignore[arg-type]
            interval=self.interval,
            clock=lambda: self.now,
            wait=self.wait,
            complete=settings["complete"],  # type: ignore[arg-type]
            exclude=settings["exclude"],  # type: ignore[arg-type]
            on_news=self.news.append,
        )
        return self.watched.builds

    @property
    def kinds(self) -> list[str]:
        return [news.kind for news in self.news]


def nothing() -> None:
    """A look at the folders in which nothing has happened."""


def frame(folder: Path, number: int) -> Callable[[], object]:
    def capture() -> None:
        images.write_image(folder / f"dark é {number:03d}.fits", PIXELS, image_type="Dark")

    return capture


def test_a_capture_is_built_once_it_has_been_quiet(tmp_path: Path) -> None:
    """Three frames, ten seconds apart: the build begins thirty seconds after the last, and only once."""
    night = Night([frame(tmp_path, 1), frame(tmp_path, 2), frame(tmp_path, 3), *[nothing] * 8])

    assert night.run(tmp_path) == 1
    assert night.builds == [60.0]
    assert night.kinds == ["watching", *["capturing"] * 3, "building", "built", "stopped"]


def test_what_is_there_at_the_start_is_built(tmp_path: Path) -> None:
    """A watch that is started late has nothing to wait for but the quiet."""
    frame(tmp_path, 1)()

    night = Night([nothing] * 5)

    assert night.run(tmp_path) == 1
    assert night.builds == [30.0]


def test_a_file_that_is_still_written_holds_everything_up(tmp_path: Path) -> None:
    """Its size or time changes from look to look."""
    path = tmp_path / "slow.fits"

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b" " * 2880)

    night = Night([frame(tmp_path, 1), *[grow] * 6, *[nothing] * 5])

    night.run(tmp_path)
    assert night.builds == [100.0]


def test_a_file_may_grow_and_keep_its_time(tmp_path: Path) -> None:
    """Windows tells the new time of a file when its writer closes it."""
    path = tmp_path / "slow.fits"

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b" " * 2880)
        os.utime(path, ns=(1, 1))

    night = Night([*[grow] * 6, *[nothing] * 5])

    night.run(tmp_path)
    assert night.builds == [90.0]


@pytest.mark.parametrize("others", [0, 2])
def test_a_file_that_another_program_has_open_is_built_once_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """On Windows who writes a file may let nobody read it, and closes it without a change of size or time."""
    held = {tmp_path / "dark é 000.fits"}
    monkeypatch.setattr("ap_masters.watch.is_held", lambda path: path in held)
    for number in range(others + 1):
        frame(tmp_path, number)()
    night = Night([*[nothing] * 5, held.clear, *[nothing] * 5])

    night.run(tmp_path)

    assert night.builds == ([30.0, 60.0] if others else [60.0])
    assert [news.files for news in night.news if news.kind == "building"] == ([2, 1] if others else [1])


def test_a_file_that_may_be_read_is_not_held(tmp_path: Path) -> None:
    frame(tmp_path, 1)()
    (name,) = tmp_path.iterdir()

    assert not is_held(name)
    assert not is_held(tmp_path / "gone.fits")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user who can be refused")
def test_a_file_that_nobody_may_ever_read_is_not_waited_for(tmp_path: Path) -> None:
    """The build sets it aside and says why."""
    frame(tmp_path, 1)()
    (name,) = tmp_path.iterdir()
    name.chmod(0)

    assert not is_held(name)


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere no open file keeps others from reading it")
def test_a_file_that_its_writer_shares_with_nobody_is_held(tmp_path: Path) -> None:
    frame(tmp_path, 1)()
    (name,) = tmp_path.iterdir()
    if sys.platform == "win32":
        import _winapi

        handle = _winapi.CreateFile(str(name), _winapi.GENERIC_WRITE, 0, 0, _winapi.OPEN_EXISTING, 0, 0)
        try:
            assert is_held(name)
        finally:
            _winapi.CloseHandle(handle)


def test_new_frames_after_a_build_are_built_again(tmp_path: Path) -> None:
    """And a frame that was written anew as well."""
    night = Night([frame(tmp_path, 1), *[nothing] * 4, frame(tmp_path, 2), *[nothing] * 4, *[nothing] * 4])

    assert night.run(tmp_path) == 2
    assert night.builds == [40.0, 90.0]


def test_a_complete_set_need_not_be_waited_for(tmp_path: Path) -> None:
    """Every file whole and still for one look, and the sets complete: no settling."""
    night = Night([frame(tmp_path, 1), frame(tmp_path, 2), *[nothing] * 3])

    night.run(tmp_path, settle=1000.0, complete=lambda: len(list(tmp_path.iterdir())) == 2)

    assert night.builds == [30.0]


def test_a_frame_that_is_not_whole_is_no_complete_set(tmp_path: Path) -> None:
    """A copy that stalls half-way has its header, but not its last row."""

    def half() -> None:
        frame(tmp_path, 1)()
        path = tmp_path / "dark é 001.fits"
        images.write_image(path, np.zeros((200, 200), np.uint16), image_type="Dark")
        path.write_bytes(path.read_bytes()[: 2880 * 4])

    night = Night([half, *[nothing] * 5])

    night.run(tmp_path, settle=1000.0, complete=lambda: True)

    assert night.builds == []
    assert not is_whole(tmp_path / "dark é 001.fits")
    assert (night.news[-1].kind, night.news[-1].files) == ("stopped", 1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(LibraryError("locked"), "failed"), (NothingToDo("no frames"), "nothing to do"), (OSError("full"), "failed")],
)
def test_a_build_that_fails_is_told_and_the_watch_goes_on(tmp_path: Path, error: Exception, kind: str) -> None:
    """The next capture is built."""
    tries: Iterator[Exception | None] = iter([error, None])

    def build() -> None:
        wrong = next(tries)
        if wrong is not None:
            raise wrong

    night = Night([frame(tmp_path, 1), *[nothing] * 4, frame(tmp_path, 2), *[nothing] * 4])

    assert night.run(tmp_path, build=build) == 1
    assert [k for k in night.kinds if k in {kind, "built"}] == [kind, "built"]


@pytest.mark.parametrize("wrong", ["not every master was made", LibraryError("locked"), OSError("full")])
def test_what_has_failed_is_tried_again(tmp_path: Path, wrong: str | Exception) -> None:
    """Without a new file, after pauses that grow; what a build returns as failed is not told as built."""
    frame(tmp_path, 1)()
    tries = iter([wrong, wrong, wrong, None])
    night = Night([nothing] * 60)

    def build() -> str | None:
        night.build()
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return found

    assert night.run(tmp_path, build=build) == 1
    assert [k for k in night.kinds if k in {"failed", "built"}] == ["failed", "failed", "failed", "built"]
    first, second, third, last = night.builds
    assert (second - first, third - second, last - third) == (60, 120, 240)
    assert night.news[-1] == News("stopped")
    assert not night.watched.failing


def test_what_has_failed_is_not_forgotten(tmp_path: Path) -> None:
    """A watch that ends before it could try again says which files wait."""
    frame(tmp_path, 1)()
    night = Night([nothing] * 5)

    assert night.run(tmp_path, build=lambda: "the disk is full") == 0
    assert night.watched.failing
    assert (night.news[-1].kind, night.news[-1].files) == ("stopped", 1)
    assert "watch again" in night.news[-1].detail


def test_a_build_that_made_nothing_is_not_told_as_built(tmp_path: Path) -> None:
    """Broken files beside masters that stand: there is something in the library, and nothing was added to it."""
    came = iter([Built(2, "2 built"), Built(0, "2 up to date, 1 set aside")])
    night = Night([frame(tmp_path, 1), *[nothing] * 4, frame(tmp_path, 2), *[nothing] * 8])

    assert night.run(tmp_path, build=lambda: next(came)) == 1
    told = [news for news in night.news if news.kind in {"built", "nothing to do"}]
    assert told == [News("built", "2 built", 1), News("nothing to do", "2 up to date, 1 set aside", 1)]


def test_a_share_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    """Nothing is built and nothing is forgotten while it cannot be reached."""
    share, gone = tmp_path / "share", tmp_path / "gone"
    share.mkdir()
    frame(share, 1)()
    night = Night([*[nothing] * 4, lambda: share.rename(gone), nothing, lambda: gone.rename(share), *[nothing] * 5])

    assert night.run(share) == 1
    assert night.kinds.count("unreachable") == 1  # told once, however often it is looked for


def test_the_library_inside_the_folder_is_not_watched(tmp_path: Path) -> None:
    """Masters that a build writes must not start the next."""
    library = tmp_path / "library"
    (library / ".ap-masters").mkdir(parents=True)

    def build() -> None:
        frame(library, 9)()
        frame(library / ".ap-masters", 9)()

    night = Night([frame(tmp_path, 1), *[nothing] * 12])

    assert night.run(tmp_path, build=build, exclude=[library]) == 1


def test_interrupting_the_wait_stops_cleanly(tmp_path: Path) -> None:
    """Ctrl-C between two looks ends the watch without a trace."""
    news: list[News] = []

    def interrupted(_seconds: float) -> bool:
        raise KeyboardInterrupt

    done = watch([tmp_path], Built, settle=1, interval=1, clock=lambda: 0.0, wait=interrupted, on_news=news.append)

    assert done.builds == 0
    assert [n.kind for n in news] == ["watching", "stopped"]


def test_interrupting_a_look_stops_cleanly(tmp_path: Path) -> None:
    """Ctrl-C while folders or headers are read, or news are told, is as good an end as one in a wait."""
    news: list[News] = []

    def tell(what: News) -> None:
        news.append(what)
        if what.kind == "built":
            raise KeyboardInterrupt

    frame(tmp_path, 1)()
    moments = iter(range(1000))

    watch(
        [tmp_path],
        lambda: Built(1),
        settle=1,
        interval=1,
        clock=lambda: float(next(moments)),
        wait=lambda _: True,
        on_news=tell,
    )

    assert [n.kind for n in news][-2:] == ["built", "stopped"]


def test_interrupting_a_build_goes_through(tmp_path: Path) -> None:
    """The build has put its things in order; the caller ends the program."""
    frame(tmp_path, 1)()

    def build() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Night([nothing] * 5).run(tmp_path, build=build)


def test_a_file_that_comes_and_goes_is_forgotten() -> None:
    """Temporary names of capture programs do not hold a build up."""
    watcher, path = Watcher(10), Path("a.fits")

    watcher.observe({path: (1, 1)}, 0)
    watcher.observe({}, 5)

    assert watcher.new == []
    assert not watcher.quiet(100)
    assert watcher.still_for(100) == float("inf")


def test_sets_are_complete_with_the_recommended_number() -> None:
    """All of them, and there are some."""
    key = GroupKey(type=FrameType.DARK)
    full, thin = (Group(key=key, frames=(), grade=grade) for grade in (Grade.OPTIMAL, Grade.MINIMUM))

    assert sets_complete([full])
    assert not sets_complete([full, thin])
    assert not sets_complete([])
