"""How other programs write lists and maps of defects: one row each, with the way there and the way back.

Two dialects look alike and are mirror images: IRIS and PULSAR count rows as they are stored, Siril counts them from
the other end. Sources: PULSAR's manual (S3); Siril, ``src/filters/cosmetic_correction.c`` (reads ``y`` as height - y
- 1); PHD2, ``DefectMap::Save``; KStars, ``ekos/auxiliary/defectmap.cpp``; PixInsight, CosmeticCorrection's Load and
Save of its defect list, and DefectMap (zero is a bad pixel) in PCL.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters import defect_lists, images
from ap_masters.decoding import decode
from ap_masters.defects.search import Defect, DefectMap, Kind
from ap_masters.errors import ImageError, UsageError, reason_of
from ap_masters.files import write_named
from ap_masters.safe import one_line

Parse = Callable[[str, int | None], Iterator[Defect]]
"""Text and height of the image -> defects. Raises ValueError for a line that cannot be read."""


class TextForm(NamedTuple):
    """A list, written and read. ``flipped``: rows count from the last one stored, and reading needs the height."""

    render: Callable[[DefectMap], str]
    parse: Parse
    flipped: bool = False


class ImageForm(NamedTuple):
    """A map: the value of a bad pixel, and of a good one."""

    bad: int
    good: int


class Dialect(NamedTuple):
    """One way to write defects."""

    name: str
    suffix: str
    description: str
    form: TextForm | ImageForm


# --- text -------------------------------------------------------------------------------------------------


def _iris(defects: DefectMap) -> str:
    return "".join(f"P {d.x} {d.y}\r\n" for d in defects.defects)


def _from_iris(text: str, _height: int | None) -> Iterator[Defect]:
    for _number, x, y in defect_lists.iris(text):
        yield Defect(x, y, 0.0)


def _siril(defects: DefectMap) -> str:
    letter = {"hot": "H", "cold": "C"}
    return "".join(f"P {d.x} {defects.height - d.y - 1} {letter[d.kind]}\n" for d in defects.defects)


def _from_siril(text: str, height: int | None) -> Iterator[Defect]:
    assert height is not None
    for number, words in defect_lists.lines(text):
        if words[0] != "P":
            raise ValueError(f"line {number} is no single pixel: {defect_lists.told(words)}")
        kind: Kind = "cold" if words[3:4] == ["C"] else "hot"  # without a letter Siril takes it for hot
        x, y = defect_lists.position(number, words[1:])
        yield Defect(x, height - y - 1, 0.0, kind)


def _phd2(defects: DefectMap) -> str:
    told = one_line(f"{defects.width} x {defects.height}, from {defects.source}".encode("ascii", "replace").decode())
    head = f"# PHD2 Defect Map v1\n# {told}\n# Defect count: {len(defects.defects)}\n"
    return head + "".join(f"{d.x} {d.y}\n" for d in defects.defects)


def _from_phd2(text: str, _height: int | None) -> Iterator[Defect]:
    for number, words in defect_lists.lines(text):
        yield Defect(*defect_lists.position(number, words), 0.0)


def _kstars(defects: DefectMap) -> str:
    def pixels(kind: Kind) -> list[dict[str, float]]:
        return [{"x": d.x, "y": d.y, "value": d.value} for d in defects.of(kind)]

    document = {
        "camera": one_line(defects.camera or ""),
        "median": defects.median or 0.0,
        "standardDeviation": defects.sigma or 0.0,
        # 100 takes everything in the list; what is hot or cold has been decided here.
        "hotAggressiveness": 100,
        "coldAggressiveness": 100,
        "hot": pixels("hot"),
        "cold": pixels("cold"),
    }
    return json.dumps(document, indent=4, allow_nan=False) + "\n"


def _from_kstars(text: str, _height: int | None) -> Iterator[Defect]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise TypeError("it is not a JSON object")
    kinds: tuple[Kind, ...] = ("hot", "cold")
    for kind in kinds:
        entries = document.get(kind, [])
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and {"x", "y"} <= set(entry) for entry in entries
        ):
            raise TypeError(f"an entry under '{kind}' is not a JSON object with x and y")
        for pixel in entries:
            yield Defect(int(pixel["x"]), int(pixel["y"]), float(pixel.get("value", 0.0)), kind)


def _cosmetic(defects: DefectMap) -> str:
    return "".join(f"Col {d.x} {d.y} {d.y}\n" for d in defects.defects)


def _from_cosmetic(text: str, _height: int | None) -> Iterator[Defect]:
    for number, words in defect_lists.lines(text):
        if words[0] not in {"Col", "Row"} or len(words) != 4:
            raise ValueError(f"line {number} is no range of a column or row: {defect_lists.told(words)}")
        line, first, last = (int(word) for word in words[1:])
        for place in range(min(first, last), max(first, last) + 1):
            yield Defect(line, place, 0.0) if words[0] == "Col" else Defect(place, line, 0.0)


_ROWS: Final = (
    Dialect("iris", ".lst", "IRIS and PULSAR: P x y, rows as stored, CRLF", TextForm(_iris, _from_iris)),
    Dialect(
        "siril", ".lst", "Siril: P x y H|C, rows from the last stored", TextForm(_siril, _from_siril, flipped=True)
    ),
    Dialect("phd2", ".txt", "PHD2 bad-pixel map", TextForm(_phd2, _from_phd2)),
    Dialect("kstars", ".json", "KStars and Ekos defect map", TextForm(_kstars, _from_kstars)),
    Dialect("cosmetic-correction", ".txt", "PixInsight CosmeticCorrection list", TextForm(_cosmetic, _from_cosmetic)),
    Dialect("defect-map", ".xisf", "PixInsight DefectMap image: bad pixels are black", ImageForm(bad=0, good=65535)),
    Dialect("mask", ".fits", "FITS mask: bad pixels are 1", ImageForm(bad=1, good=0)),
)
_OF_EXPOSURES: Final = frozenset({"IMAGETYP", "FRAME", "EXPTIME", "EXPOSURE", "DATE-OBS", "INSTRUME"})
DIALECTS: Final[Mapping[str, Dialect]] = {row.name: row for row in _ROWS}


def dialect_of(name: str) -> Dialect:
    """Return a dialect by its name; ``pulsar`` is IRIS's. Raises UsageError with those known."""
    found = DIALECTS.get({"pulsar": "iris"}.get(name, name))
    if found is None:
        raise UsageError(f"There is no dialect '{one_line(name)}'; known are {', '.join(DIALECTS)} and pulsar")
    return found


# --- files ------------------------------------------------------------------------------------------------


def full_name(path: Path, dialect: str) -> Path:
    """Return where a list or map called ``path`` is written: with the suffix of its dialect if it has none.

    Raises UsageError for an unknown dialect.
    """
    row = dialect_of(dialect)
    return path if path.suffix else path.with_suffix(row.suffix)


def write_defects(defects: DefectMap, path: Path, dialect: str) -> Path:
    """Write a list or map whole or not at all, and return where: at ``full_name``.

    Its folder is made where it is missing. Raises UsageError for an unknown dialect, and where a frame, a master or a
    record stands that it would replace; UnwritableImage for an image, OSError for a list or a folder.
    """
    row, target = dialect_of(dialect), full_name(path, dialect)
    if isinstance(row.form, TextForm):
        write_named(target, row.form.render(defects))
    else:
        _write_image(defects, target, row.form)
    return target


def is_map(path: Path) -> bool:
    """Say whether an image is a map of defects: it says so, or no exposure made it and it has two values at most."""
    import numpy as np

    try:
        info = images.read_info(path)
        if info.image_type == "DefectMap" or _OF_EXPOSURES & {keyword.name for keyword in info.keywords}:
            return info.image_type == "DefectMap"
        pixels = images.read_image(path)[1]
    except ImageError:
        return False
    return bool(np.isin(pixels, (pixels.min(), pixels.max())).all())


def _write_image(defects: DefectMap, path: Path, form: ImageForm) -> None:
    import numpy as np

    if path.exists() and not is_map(path):
        raise UsageError(f"{path}: is a frame or a master, which no map replaces; choose another name")

    pixels = np.full((defects.height, defects.width), form.good, np.uint16)
    places = np.array([(d.y, d.x) for d in defects.defects], dtype=np.int64).reshape(-1, 2)
    pixels[places[:, 0], places[:, 1]] = form.bad
    xisf = path.suffix.lower() == ".xisf"
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(path, pixels, image_type="DefectMap", compression="zlib" if xisf else "none")


def read_defects(path: Path, dialect: str | None = None, *, size: tuple[int, int] | None = None) -> DefectMap:
    """Return the defects in a list or map of another program.

    Without ``dialect`` the content decides; a bare ``P x y`` is taken for IRIS. ``size`` is width and height of
    the frames: Siril's rows cannot be turned round without, and with it positions outside the image are found.
    Raises UsageError for what cannot be read.
    """
    if images.is_image_name(path):
        return _read_image(path, dialect_of(dialect or ("mask" if path.suffix.lower() != ".xisf" else "defect-map")))
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: the list cannot be read: {reason_of(error)}") from error
    row = dialect_of(dialect or guess(text))
    form = row.form
    if isinstance(form, ImageForm):
        raise UsageError(f"{path}: the dialect '{row.name}' is an image")
    if form.flipped and size is None:
        raise UsageError(f"{path}: Siril counts rows from the other end; give the size of the frames (--size)")
    try:
        found = tuple(form.parse(text, size[1] if size else None))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: not a list of {row.name}: {error}") from error
    width, height = size or (max((d.x for d in found), default=0) + 1, max((d.y for d in found), default=0) + 1)
    for d in found:
        if not (0 <= d.x < width and 0 <= d.y < height):
            raise UsageError(f"{path}: the position {d.x}, {d.y} is outside an image of {width} x {height}")
    return DefectMap(width=width, height=height, defects=found, source=path.name)


def guess(text: str) -> str:
    """Return the dialect that a text is most likely written in."""
    if text.startswith("# PHD2 Defect Map"):
        return "phd2"
    if text.lstrip().startswith("{"):
        return "kstars"
    if re.search(r"^(Col|Row) \d", text, re.MULTILINE):
        return "cosmetic-correction"
    if re.search(r"^P +\d+ +\d+ +[HC]\s*$", text, re.MULTILINE):
        return "siril"
    return "iris" if re.search(r"^P ", text, re.MULTILINE) else "phd2"


def _read_image(path: Path, row: Dialect) -> DefectMap:
    import numpy as np

    if isinstance(row.form, TextForm):
        raise UsageError(f"{path}: the dialect '{row.name}' is a text")
    info, pixels = images.read_image(path)
    # Bad is zero for PixInsight and anything but zero for everyone else.
    bad = (pixels == 0) if row.form.bad == 0 else (pixels != 0)
    rows, columns = np.nonzero(bad.any(axis=0))
    found = tuple(Defect(int(x), int(y), 0.0) for y, x in zip(rows, columns, strict=True))
    return DefectMap(width=info.width, height=info.height, defects=found, source=path.name)
