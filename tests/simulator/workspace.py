"""Image windows, and how files become images and images files."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.errors import ImageError
from ap_masters.model import ImageFormat, Keyword
from tests.simulator.console import Console
from tests.simulator.faults import Faults, halve

Pixels = NDArray[np.float64]  # (channels, height, width)


class ProcessError(Exception):
    """Something went wrong inside a process: a line on the console, and executeGlobal() returns false."""


class Card(NamedTuple):
    """A FITS keyword as scripts see it: the value is text, strings in their quotes."""

    name: str
    value: str
    comment: str


class Loaded(NamedTuple):
    """An image that was read. ``one`` is the value of a sample that stands for 1.0: 65535 for 16-bit frames."""

    path: str
    pixels: Pixels
    one: float
    cards: tuple[Card, ...]


@dataclass
class Window:
    """An image window."""

    id: str
    pixels: Pixels
    cards: list[Card] = field(default_factory=list)
    own_cards: list[Card] = field(default_factory=list)  # as the process left them
    image_type: str | None = None
    path: str = ""
    sources: tuple[str, ...] = ()  # the frames behind it, for faults that are meant for some of them
    properties: dict[str, object] = field(default_factory=dict)


class Workspace:
    """The open windows, by a handle that never comes back."""

    def __init__(self, console: Console, faults: Faults) -> None:
        self._console = console
        self._faults = faults
        self._handles = count(1)
        self.windows: dict[int, Window] = {}

    def add(self, window: Window) -> int:
        """Open a window under its id or, where that is taken, a variant of it; return its handle."""
        taken = {other.id for other in self.windows.values()}
        wanted, number = window.id, 0
        while window.id in taken:
            number += 1
            window.id = f"{wanted}{number}"
        handle = next(self._handles)
        self.windows[handle] = window
        return handle

    def find(self, window_id: str) -> int:
        """Return the handle of the window of that id, 0 where there is none."""
        return next((handle for handle, window in self.windows.items() if window.id == window_id), 0)

    def close(self, handle: int) -> None:
        """Close a window without asking."""
        self.windows.pop(handle, None)

    def save(self, handle: int, path: str, *, hints: str) -> bool:
        """Write a window as 32-bit floats; return False and say why where that fails."""
        window, target = self.windows[handle], Path(path)
        self._console.line("Writing file:")
        self._console.path(path)
        if self._faults.due("stale", window.sources):
            return True
        cards = window.own_cards if self._faults.due("keyword-loss", window.sources) else window.cards
        _, height, width = window.pixels.shape
        kind = "Gray" if len(window.pixels) == 1 else "RGB"
        self._console.line(f"Writing image: w={width} h={height} n={len(window.pixels)} {kind} Float32")
        try:
            write(target, window.pixels, cards, window.image_type)
        except (ImageError, OSError) as error:
            self._console.error(f"File I/O Error: Unable to create file: {error}")
            return False
        self._console.line(f"{len(cards)} FITS keyword(s) embedded.")
        window.path = path
        return self._after_saving(window, target)

    def _after_saving(self, window: Window, target: Path) -> bool:
        if self._faults.due("half-master", window.sources):
            halve(target)
        if self._faults.due("disk-full", window.sources):
            halve(target)
            self._console.error(f"File I/O Error: Unable to write to file: No space left on device: {target}")
            return False
        return True


# --- files ------------------------------------------------------------------------------------------------


def load(path: str, hints: str, console: Console) -> Loaded:
    """Read an image as PixInsight does with these input hints. Raises ProcessError with its words."""
    file = Path(path)
    if not file.is_file():
        raise ProcessError(f"File I/O Error: Unable to open file: No such file or directory: {path}")
    try:
        info, samples = images.read_image(file)
    except ImageError as error:
        raise ProcessError(f"{path}: Invalid or unsupported image. ({error.what})") from error
    if info.images > 1:
        console.line(f"* Ignoring {info.images - 1} additional image(s) in input file.")
    pixels, one = samples.astype(np.float64), info.full_scale or 1.0
    if info.format is ImageFormat.FITS and info.full_scale is None:
        pixels = _into_range(pixels, hints, path, console)
    cards = tuple(to_card(keyword) for keyword in info.keywords)
    if info.format is ImageFormat.FITS and "use-roworder-keywords" in hints and _is_bottom_up(info.keywords):
        pixels = pixels[:, ::-1]
    return Loaded(path, pixels, one, cards)


def _is_bottom_up(keywords: tuple[Keyword, ...]) -> bool:
    return any(k.name == "ROWORDER" and str(k.value).strip().upper() == "BOTTOM-UP" for k in keywords)


def _into_range(pixels: Pixels, hints: str, path: str, console: Console) -> Pixels:
    """Bring the floats of a FITS file into [0, 1]: by the range of the hints, or by their own extremes."""
    words = hints.split()
    if "upper-range" in words:
        lower = float(words[words.index("lower-range") + 1]) if "lower-range" in words else 0.0
        upper = float(words[words.index("upper-range") + 1])
        return (pixels - lower) / (upper - lower)
    low, high = pixels.min(), pixels.max()
    if low >= 0 and high <= 1:
        return pixels
    console.warning(f"{path}: Pixel sample values out of range: rescaling")
    scaled: Pixels = (pixels - low) / (high - low)
    return scaled


def write(path: Path, pixels: Pixels, cards: list[Card], image_type: str | None) -> None:
    """Write 32-bit floats, FITS or XISF by the suffix."""
    keywords = tuple(from_card(card) for card in cards)
    images.write_image(path, pixels.astype(np.float32), keywords, image_type=image_type or "")


def to_card(keyword: Keyword) -> Card:
    """Return a keyword as scripts see it."""
    name, value, comment = keyword
    if value is None:
        return Card(name, "", comment)
    if isinstance(value, bool):
        return Card(name, "T" if value else "F", comment)
    if isinstance(value, str):
        quoted = value.replace("'", "''")
        return Card(name, f"'{quoted:8}'", comment)
    return Card(name, str(value).upper(), comment)


def from_card(card: Card) -> Keyword:
    """Return a keyword as it is written into a file."""
    text = card.value.strip()
    if card.name in {"COMMENT", "HISTORY", ""} or not text:
        return Keyword(card.name, None, card.comment)
    if text.startswith("'"):
        return Keyword(card.name, text[1 : text.rindex("'")].replace("''", "'").rstrip(), card.comment)
    if text in {"T", "F"}:
        return Keyword(card.name, text == "T", card.comment)
    for number in (int, float):
        try:
            return Keyword(card.name, number(text), card.comment)
        except ValueError:
            continue
    return Keyword(card.name, text, card.comment)
