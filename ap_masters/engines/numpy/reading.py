"""The samples of a group's frames, read by runs of pixels from where they lie, with few files open at a time."""

import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ap_masters.errors import ImageError, reason_of
from ap_masters.images import open_image
from ap_masters.images.files import PositionalFile
from ap_masters.images.image import Image
from ap_masters.images.scale import data_max
from ap_masters.model import ImageInfo, Reason, SetAside

_OPEN_FILES: Final = 256  # where the system does not tell; Windows allows 512 at least
_MOST_OPEN: Final = 2048
_SPOOL_BYTES: Final = 1 << 22


class Refused(Exception):
    """A frame that cannot be integrated; the group goes on without it."""

    def __init__(self, path: Path, reason: Reason, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.aside = SetAside(path=path, reason=reason, detail=detail)

    def __reduce__(self) -> tuple[type[Self], tuple[Path, Reason, str]]:
        """Let it come out of a worker process as it went in."""
        return type(self), (self.aside.path, self.aside.reason, self.aside.detail)


class Geometry(NamedTuple):
    """What all frames of a group share: pixels, channels and the type of the physical samples."""

    width: int
    height: int
    channels: int
    sample: str

    def describe(self) -> str:
        """Return the geometry in a user's words."""
        colour = f" x {self.channels} channels" if self.channels > 1 else ""
        return f"{self.width} x {self.height}{colour}, {self.sample}"

    @property
    def plane(self) -> int:
        """Pixels of one channel."""
        return self.width * self.height


class Place(NamedTuple):
    """Where the samples of one frame lie: in ``path`` from ``offset`` on, channel after channel, row after row.

    The physical value is ``stored + zero``.
    """

    path: str  # as it is looked up for every read
    offset: int
    dtype: np.dtype[Any]
    zero: int = 0


def _easily_open() -> int:
    """Return how many files may stay open: half of what the process may open, for others need some too."""
    try:
        import resource  # not on Windows
    except ImportError:
        return _OPEN_FILES
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(allowed // 2, _MOST_OPEN) if allowed > 0 else _OPEN_FILES


class Handles:
    """Open files by path: as many as the system easily allows stay open, further ones are opened for each read."""

    def __init__(self) -> None:
        self._limit = _easily_open()
        self._open: dict[str, PositionalFile] = {}
        self._lock = threading.Lock()

    def read_into(self, path: str, offset: int, target: memoryview) -> int:
        """Fill ``target`` from ``offset`` of the file; return how many bytes there were. Raises OSError."""
        file = self._open.get(path) or self._keep(path)
        if file is not None:
            return file.read_into(offset, target)
        once = _opened(path)
        try:
            return once.read_into(offset, target)
        finally:
            once.close()

    def _keep(self, path: str) -> PositionalFile | None:
        with self._lock:
            if path not in self._open and len(self._open) < self._limit:
                self._open[path] = _opened(path)
            return self._open.get(path)

    def close(self) -> None:
        """Close every file."""
        for file in self._open.values():
            file.close()
        self._open.clear()


def _opened(path: str) -> PositionalFile:
    return PositionalFile(open(path, "rb", buffering=0))  # noqa: PTH123 - again and again: a Path takes as long


class _Buffer(NamedTuple):
    """Memory for a run of samples, its bytes, and all that there are."""

    samples: NDArray[Any]
    bytes: memoryview
    whole: NDArray[np.uint8]


class Frames:
    """The frames of one group, open for reading; use it as a context manager.

    Frames whose bytes cannot be used where they lie (compressed, scaled, interleaved) are first laid out
    evenly in one scratch file in ``workdir``, so that memory and open files do not grow with their number.
    """

    def __init__(self, paths: Sequence[Path], workdir: Path, *, datasum: bool = False) -> None:
        """Open the frames; ``datasum`` as ``open_image`` has it, for masters.

        Raises Refused for the first that is unreadable or unlike the majority.
        """
        self.paths = tuple(paths)
        self._handles = Handles()
        self._workdir, self._datasum = workdir, datasum
        self._scratch = Path()
        self._spool: PositionalFile | None = None
        self._spooled = 0
        try:
            infos: list[ImageInfo] = []
            self._places: list[Place] = []
            for path in self.paths:
                info, place = self._open(path)
                infos.append(info)
                self._places.append(place)
            self.geometry = _common(infos)
        except BaseException:
            self.close()
            raise
        self.full_scale = infos[0].full_scale
        self.keywords = infos[0].keywords
        self.format = infos[0].format
        self.data_max = max((stated for info in infos if (stated := data_max(info))), default=None)
        self.dtype, self.zero = _work_type(self.geometry.sample, self._places)
        self._as_stored = [p.zero == self.zero and _is_usable(p.dtype, self.dtype) for p in self._places]
        self._local = threading.local()

    def __len__(self) -> int:
        return len(self.paths)

    def __getstate__(self) -> dict[str, object]:
        """Return what a worker process with memory of its own needs to read the same samples: not what is open here."""
        return {name: value for name, value in vars(self).items() if name not in {"_handles", "_spool", "_local"}}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._handles, self._spool, self._local = Handles(), None, threading.local()

    def _open(self, path: Path) -> tuple[ImageInfo, Place]:
        try:
            with open_image(path, datasum=self._datasum) as image:
                return image.info, _in_place(image) or self._lay_out(image)
        except ImageError as error:
            raise Refused(path, Reason.UNREADABLE, error.what) from error
        except OSError as error:
            raise Refused(path, Reason.UNREADABLE, reason_of(error)) from error

    def _lay_out(self, image: Image) -> Place:
        """Copy the physical samples of ``image`` to the scratch file."""
        info = image.info
        if self._spool is None:
            self._scratch = self._workdir / f".{secrets.token_hex(6)}.scratch"
            self._spool = PositionalFile(self._scratch.open("x+b", buffering=0))
        dtype = np.dtype(info.sample)
        row = info.width * dtype.itemsize
        place = Place(str(self._scratch), self._spooled, dtype)
        step = max(_SPOOL_BYTES // (row * info.channels), 1)
        for first in range(0, info.height, step):
            rows = image.read_rows(first, min(first + step, info.height))
            for channel in range(info.channels):
                data = np.ascontiguousarray(rows[channel]).reshape(-1).view(np.uint8).data
                self._spool.write(self._spooled + (channel * info.height + first) * row, data)
        self._spooled += row * info.height * info.channels
        return place

    def read(self, index: int, channel: int, start: int, size: int) -> NDArray[Any]:
        """Return samples of frame ``index``, less ``zero``, from pixel ``start`` on; of ``dtype`` in any byte order.

        They lie in a buffer, the same bytes again and again, warm in the cache, and last until the thread reads again.
        Raises Refused when the file has changed or ended, or a sample is not finite.
        """
        place = self._places[index]
        raw, view, _ = self._buffer("stored", size, place.dtype)
        offset = place.offset + (channel * self.geometry.plane + start) * place.dtype.itemsize
        try:
            done = self._handles.read_into(place.path, offset, view)
        except OSError as error:
            raise Refused(self.paths[index], Reason.UNREADABLE, reason_of(error)) from error
        if done < len(view):
            detail = f"is cut short: {len(view) - done} bytes of pixels are missing; copy it again"
            raise Refused(self.paths[index], Reason.UNREADABLE, detail)
        if self._as_stored[index]:
            samples = raw
        else:
            samples, *_ = self._buffer("physical", size, self.dtype)
            if place.zero == self.zero:
                np.copyto(samples, raw, casting="unsafe")
            else:  # moved by half the range: the top bit changes, and nothing else (FITS standard 4.0, table 11)
                np.copyto(samples, raw.view(place.dtype.str.replace("i", "u")), casting="unsafe")
                np.bitwise_xor(samples, samples.dtype.type(place.zero), out=samples)
        if samples.dtype.kind == "f":
            self._require_finite(index, start, samples)
        return samples

    def _buffer(self, name: str, size: int, dtype: np.dtype[Any]) -> _Buffer:
        """Return one of this thread's buffers: mostly the one of the last time, as it was."""
        last: _Buffer | None = getattr(self._local, name, None)
        if last is not None and last.samples.size == size and last.samples.dtype == dtype:
            return last
        wanted = size * dtype.itemsize
        whole = np.empty(wanted, np.uint8) if last is None or last.whole.size < wanted else last.whole
        buffer = _Buffer(whole[:wanted].view(dtype), whole[:wanted].data, whole)
        setattr(self._local, name, buffer)
        return buffer

    def _require_finite(self, index: int, start: int, samples: NDArray[Any]) -> None:
        finite = np.isfinite(samples)
        if not finite.all():
            row, column = divmod(start + int(np.argmin(finite)), self.geometry.width)
            value = samples[int(np.argmin(finite))]
            detail = f"holds {value} instead of a number, first at row {row}, column {column}"
            raise Refused(self.paths[index], Reason.PIXELS, detail)

    def close(self) -> None:
        """Let go of every file and remove the scratch file."""
        self._handles.close()
        if self._spool is not None:
            self._spool.close()
            self._scratch.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _in_place(image: Image) -> Place | None:
    """Return where the samples lie if they can be used there: evenly laid, and physical but for the top bit."""
    info, stored = image.info, image.stored
    if stored is None or stored.scale != 1.0:
        return None
    item = stored.dtype.itemsize
    even = (info.height * info.width * item, info.width * item, item)
    if (stored.channel_stride, stored.row_stride, stored.sample_stride) != even:
        return None
    physical = np.dtype(info.sample)
    if stored.zero == 0 and physical == stored.dtype.newbyteorder("="):
        return Place(str(stored.path), stored.offset, stored.dtype, 0)
    half = 2 ** (8 * item - 1)
    if stored.dtype.kind == "i" and physical.kind == "u" and physical.itemsize == item and stored.zero == half:
        return Place(str(stored.path), stored.offset, stored.dtype, half)
    return None


def _work_type(sample: str, places: Sequence[Place]) -> tuple[np.dtype[Any], int]:
    """Return the type samples are integrated in, and what has to be added to them to get physical values.

    Unsigned integers that every file stores as signed ones stay signed: the order is the same, and what is to be
    added is added to the result. Floats are PixInsight's 32-bit samples.
    """
    dtype = np.dtype(sample)
    if dtype.kind == "f":
        return np.dtype(np.float32), 0
    if dtype.kind == "u" and all(place.zero for place in places):
        return np.dtype(dtype.str.replace("u", "i")), places[0].zero
    return (np.dtype(np.uint16), 0) if dtype.itemsize == 1 and dtype.kind == "u" else (dtype, 0)


def _is_usable(stored: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Say whether samples can be used as they are stored. Integers may have another byte order."""
    return stored == wanted or (wanted.kind in "iu" and stored.newbyteorder("=") == wanted)


def _common(infos: Sequence[ImageInfo]) -> Geometry:
    """Return the geometry most frames have. Raises Refused for the first frame of another."""
    shapes = [Geometry(i.width, i.height, i.channels, i.sample) for i in infos]
    common = max(dict.fromkeys(shapes), key=shapes.count)
    for info, shape in zip(infos, shapes, strict=True):
        if shape != common:
            detail = f"is {shape.describe()}, the other frames are {common.describe()}"
            raise Refused(info.path, Reason.GEOMETRY, detail)
    return common
