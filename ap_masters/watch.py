"""Wait for captures to be finished, then build; again and again, until asked to stop.

Polling, because capture folders are often network shares, where a system's own notices do not arrive.
"""

import logging
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from ap_masters import images
from ap_masters.errors import ApMastersError, ImageError, NothingToDo, reason_of
from ap_masters.model import HOUSEKEEPING, Grade, Group

log = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""Size and time of a file."""

_FIRST_PAUSE: Final = 60.0  # seconds before what has failed is tried again; each time twice as many
_LONGEST_PAUSE: Final = 1800.0
_ENOUGH: Final = {Grade.RECOMMENDED, Grade.OPTIMAL}


class News(NamedTuple):
    """What a watch has to tell: what happened, in words, and how many files it concerns."""

    kind: Literal["watching", "capturing", "building", "built", "failed", "nothing to do", "unreachable", "stopped"]
    detail: str = ""
    files: int = 0


class Built(NamedTuple):
    """What came of a build: how many masters it made, all of it in words, and what has failed, if anything has."""

    masters: int = 0
    told: str = ""
    failure: str | None = None


class Watched(NamedTuple):
    """What came of a watch: how many builds made masters and none failed, and whether some wait for another try."""

    builds: int
    failing: bool


class _Seen(NamedTuple):
    stamp: Stamp
    since: float


class Watcher:
    """Which files have been still for how long, and whether there is something to build. Pure: no clock, no disk."""

    def __init__(self, settle: float) -> None:
        """Take files as finished after ``settle`` seconds without a change."""
        self.settle = settle
        self._seen: dict[Path, _Seen] = {}
        self._built: dict[Path, Stamp] = {}
        self._failed: dict[Path, Stamp] = {}
        self._pause, self._again = 0.0, float("-inf")

    def observe(self, files: Mapping[Path, Stamp], now: float) -> None:
        """Take in one look at the folders; a file that is not there any more is forgotten."""
        known = self._seen
        self._seen = {
            path: known[path] if path in known and known[path].stamp == stamp else _Seen(stamp, now)
            for path, stamp in files.items()
        }

    @property
    def new(self) -> list[Path]:
        """Files that no build has seen as they are now."""
        return sorted(path for path, seen in self._seen.items() if self._built.get(path) != seen.stamp)

    def still_for(self, now: float) -> float:
        """Return for how many seconds none of the new files has changed; infinity where there is none."""
        return min((now - self._seen[path].since for path in self.new), default=float("inf"))

    def quiet(self, now: float) -> bool:
        """Whether there are new files and all of them have been still long enough."""
        return bool(self.new) and self.still_for(now) >= self.settle and not self.pauses(now)

    @property
    def failing(self) -> bool:
        """Whether the last build has failed."""
        return bool(self._failed)

    def pauses(self, now: float) -> bool:
        """Whether the new files are those that have just failed, as they were, and it is too early to try again."""
        return now < self._again and all(self._failed.get(path) == self._seen[path].stamp for path in self.new)

    def put_off(self, paths: Iterable[Path], now: float) -> None:
        """Count from ``now`` on how long ``paths`` have been still, as if they had just changed."""
        self._seen |= {path: self._seen[path]._replace(since=now) for path in paths}

    def begin(self, *, but: Collection[Path] = ()) -> dict[Path, Stamp]:
        """Remember everything as it is now, as built, ``but`` left out; return what of it was new."""
        new = {path: self._seen[path].stamp for path in self.new if path not in but}
        self._built |= new
        return new

    def built(self) -> None:
        """Forget what has failed before: nothing waits to be tried again."""
        self._failed, self._pause, self._again = {}, 0.0, float("-inf")

    def failed(self, begun: Mapping[Path, Stamp], now: float) -> float:
        """Take what was ``begun`` as new again; return after how many seconds it is tried again."""
        for path in begun:
            self._built.pop(path, None)
        self._failed = dict(begun)
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._again = now + self._pause
        return self._pause


def watch(
    inputs: Sequence[Path],
    build: Callable[[], Built],
    *,
    settle: float,
    interval: float,
    clock: Callable[[], float],
    wait: Callable[[float], bool],
    complete: Callable[[], bool] | None = None,
    exclude: Sequence[Path] = (),
    on_news: Callable[[News], None] = lambda news: None,
) -> Watched:
    """Call ``build`` whenever a capture is finished; return what came of it, once ``wait`` says stop.

    A capture is finished when its files have been still for ``settle`` seconds; or for two looks at the folders,
    when every file is whole and ``complete`` (which may read headers) says that the sets are. ``clock`` gives
    seconds that only grow, ``wait`` sleeps for so many of them and returns False to stop. What is there at the
    start counts as new. ``build`` returns what came of it. A folder that cannot be reached and a build that
    fails are told, and the watch goes on: what has failed is tried again after a pause that grows, or with the next
    new file. A file that nobody may read just now is built once somebody may. ``exclude`` names folders not to look
    into, as the library. KeyboardInterrupt stops cleanly; only during a build it goes through, after the build has put
    its things in order.
    """
    watcher, builds = Watcher(settle), 0
    on_news(News("watching", ", ".join(str(path) for path in inputs)))
    told, out_of_reach = 0, ""
    try:
        while True:
            try:
                files = dict(_files(inputs, exclude))
            except OSError as error:
                before, out_of_reach = out_of_reach, f"{error.filename}: {reason_of(error)}"
                if out_of_reach != before:
                    on_news(News("unreachable", out_of_reach))
            else:
                out_of_reach = ""
                watcher.observe(files, clock())
                told = _tell_capturing(watcher, told, on_news)
                if watcher.quiet(clock()) or _is_complete(watcher, complete, interval, clock()):
                    held = [path for path in watcher.new if is_held(path)]
                    watcher.put_off(held, clock())
                    if len(held) < len(watcher.new):
                        builds += _build(build, watcher, clock, on_news, held)
            if not wait(interval):
                break
    except _BuildInterrupted as interrupted:
        raise KeyboardInterrupt from interrupted
    except KeyboardInterrupt:
        pass  # whatever it was looking at or waiting for, nothing is half done
    left = len(watcher.new)
    on_news(News("stopped", "not built yet: they are when you build or watch again" if left else "", left))
    return Watched(builds, watcher.failing)


def sets_complete(groups: Sequence[Group]) -> bool:
    """Whether there are groups and all of them have the recommended number of frames."""
    return bool(groups) and all(group.grade in _ENOUGH for group in groups)


def _tell_capturing(watcher: Watcher, told: int, on_news: Callable[[News], None]) -> int:
    """Tell once when the number of new files changes; return it."""
    count = len(watcher.new)
    if count and count != told:
        on_news(News("capturing", watcher.new[-1].name, count))
    return count


def _is_complete(watcher: Watcher, complete: Callable[[], bool] | None, interval: float, now: float) -> bool:
    if complete is None or not watcher.new or watcher.still_for(now) < interval or watcher.pauses(now):
        return False
    return all(is_whole(path) for path in watcher.new) and complete()


class _BuildInterrupted(BaseException):
    """Ctrl-C came while a build was under way, so this is no clean end."""


def _build(
    build: Callable[[], Built],
    watcher: Watcher,
    clock: Callable[[], float],
    on_news: Callable[[News], None],
    held: Collection[Path],
) -> int:
    """Build once; 1 if masters were made and nothing failed. What is ``held`` stays new."""
    begun = watcher.begin(but=held)  # before, so that what changes meanwhile is new again
    count = len(begun)
    on_news(News("building", files=count))
    try:
        done = build()
    except KeyboardInterrupt as error:
        raise _BuildInterrupted from error
    except NothingToDo as error:
        watcher.built()
        on_news(News("nothing to do", str(error), count))
        return 0
    except (ApMastersError, OSError) as error:
        done = Built(failure=str(error))
    if done.failure:
        pause = watcher.failed(begun, clock())
        on_news(News("failed", f"{done.failure}; tried again in {pause / 60:.0f} min", count))
        return 0
    watcher.built()
    on_news(News("built" if done.masters else "nothing to do", done.told, count))
    return 1 if done.masters else 0


def is_whole(path: Path) -> bool:
    """Whether an image can be read to its last row."""
    try:
        with images.open_image(path, datasum=False) as image:
            image.read_rows(image.info.height - 1, image.info.height)
    except (ImageError, OSError):
        return False
    return True


def is_held(path: Path) -> bool:
    """Whether nobody may read a file just now: on Windows its writer may have it so, until it is closed.

    That changes neither its size nor its time, so that it would not be seen. Elsewhere who may not read a file may not
    read it later either: it is for the build to tell of.
    """
    try:
        with path.open("rb"):
            return False
    except PermissionError:
        return sys.platform == "win32"
    except OSError:
        return False


def _files(inputs: Sequence[Path], exclude: Sequence[Path]) -> Iterator[tuple[Path, Stamp]]:
    """Yield every image below ``inputs`` with its stamp. Raises OSError where a folder cannot be listed."""
    left_out = {path.resolve() for path in exclude}

    def give_up(error: OSError) -> None:
        raise error

    for root in inputs:
        for folder, folders, names in os.walk(root, onerror=give_up):
            here = Path(folder)
            folders[:] = [f for f in folders if f != HOUSEKEEPING.name and (here / f).resolve() not in left_out]
            for name in names:
                if images.is_image_name(Path(name)):
                    stamp = _stamp(here / name)
                    if stamp is not None:
                        yield here / name, stamp


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:  # renamed or removed while we looked
        return None
    return stat.st_size, stat.st_mtime_ns
