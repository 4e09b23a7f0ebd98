"""Header texts of capture programs, one card per line, as the images room would hand them over."""

from pathlib import Path

from ap_masters.images.fits_cards import CARD, parse_cards
from ap_masters.model import ImageFormat, ImageInfo, Keyword

HEADERS = Path(__file__).parent.parent / "data" / "headers"


def header_of(text: str, path: str = "night/frame.fits", **changes: object) -> ImageInfo:
    """Return the image whose header is ``text``."""
    cards = "".join(line[:CARD].ljust(CARD) for line in text.splitlines() if line != "END")
    return image_with(parse_cards(cards.encode("ascii")), path, **changes)


def sample(name: str, path: str = "night/frame.fits", **changes: object) -> ImageInfo:
    """Return the image with the header text ``tests/data/headers/name.txt``."""
    return header_of((HEADERS / f"{name}.txt").read_text(encoding="ascii"), path, **changes)


def image_with(keywords: tuple[Keyword, ...], path: str = "night/frame.fits", **changes: object) -> ImageInfo:
    """Return a 16-bit FITS image with these keywords; ``changes`` replace its other fields."""
    info = ImageInfo(Path(path), ImageFormat.FITS, 16, 12, 1, "uint16", 65535.0, keywords)
    return info._replace(**changes)  # type: ignore[arg-type]


def keywords(**values: str | int | float | bool) -> tuple[Keyword, ...]:
    """Return keywords; an underscore in a name stands for a dash."""
    return tuple(Keyword(name.replace("_", "-"), value) for name, value in values.items())
