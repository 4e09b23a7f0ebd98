"""Which images a library holds, by content: asked of a few, so that only those are read that may be meant."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path

from ap_masters.files import sha256
from ap_masters.library.scan import walk
from ap_masters.library.status import home_of
from ap_masters.model import QUARANTINE, SUPERSEDED


class Contents:
    """The images of a library, as they stand when first asked for."""

    def __init__(self, library: Path) -> None:
        self._library = library
        self._digests: dict[str, str] = {}

    def hold(self, name: str, size: int, digest: str) -> bool:
        """Say whether the content of the master that was ``name`` stands anywhere, under whatever name.

        Where it was, or went out of use, is read first: masters of one camera all have one size.
        """
        likely = self._by_home.get((size, home_of(Path(name))), ())
        places = chain(likely, self._out_of_use(Path(name), size), self._by_size.get(size, ()))
        return any(self._digest(place) == digest for place in places)

    def _out_of_use(self, name: Path, size: int) -> Iterator[str]:
        """Yield where the master may have gone a moment ago: a build may be at work in the library."""
        home = home_of(name)
        for folder in (SUPERSEDED, QUARANTINE):
            for path in (self._library / folder / home.parent).glob("*"):
                if not path.name.startswith(home.stem):
                    continue
                place = path.relative_to(self._library)
                if home_of(place) == home and path.stat().st_size == size:
                    yield place.as_posix()

    @cached_property
    def _by_size(self) -> Mapping[int, list[str]]:
        images: dict[int, list[str]] = defaultdict(list)
        for found in walk(self._library):
            images[found.stamp[0]].append(found.path)
        return images

    @cached_property
    def _by_home(self) -> Mapping[tuple[int, Path], list[str]]:
        images: dict[tuple[int, Path], list[str]] = defaultdict(list)
        for size, paths in self._by_size.items():
            for path in paths:
                images[size, home_of(Path(path))].append(path)
        return images

    def _digest(self, path: str) -> str:
        if path not in self._digests:
            try:
                self._digests[path] = sha256(self._library / path)
            except OSError:  # gone meanwhile, or not to be read: of no use to who has lost a master
                self._digests[path] = ""
        return self._digests[path]
