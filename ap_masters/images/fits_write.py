"""FITS images written by rows, with CHECKSUM and DATASUM."""

from pathlib import Path
from typing import Final

import numpy as np

from ap_masters.images.fits_cards import BLOCK, CARD, STRUCTURAL
from ap_masters.images.fits_format import cards, encode_checksum, fold, ones_complement_sum
from ap_masters.images.writer import PIECE, RowWriter, Shape
from ap_masters.model import Keyword

# numpy's type of the samples -> type in the file, BITPIX, and BZERO for the integers FITS has no type for
_TYPES: Final[dict[str, tuple[str, int, int]]] = {
    "uint8": ("u1", 8, 0),
    "int16": (">i2", 16, 0),
    "uint16": (">i2", 16, 1 << 15),
    "int32": (">i4", 32, 0),
    "uint32": (">i4", 32, 1 << 31),
    "float32": (">f4", -32, 0),
    "float64": (">f8", -64, 0),
}
_UNKNOWN: Final = "0" * 16


class FitsWriter(RowWriter):
    """Writes one image as the primary array of a FITS file."""

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        channels: int,
        sample: str,
        keywords: tuple[Keyword, ...],
        reserve: int,
    ) -> None:
        """Keep room for ``reserve`` cards more than ``keywords`` need; those not used stay blank.

        Raises UnwritableImage, and ValueError for a sample type that FITS does not have.
        """
        if sample not in _TYPES:
            raise ValueError(f"{sample} samples cannot be written; FITS takes {', '.join(_TYPES)}")
        stored, self._bitpix, self._bzero = _TYPES[sample]
        self._data_sum = 0
        self._shape = Shape(width, height, channels, np.dtype(stored), flip=self._bzero)
        super().__init__(path, self._shape, keywords, start=_blocks((len(self._cards(keywords)) + reserve) * CARD))

    def _add_up(self) -> None:
        for number, piece in enumerate(self._samples(0, self._shape.size)):
            self._data_sum = fold(self._data_sum + ones_complement_sum(piece, number * PIECE))

    def _complete(self, keywords: tuple[Keyword, ...]) -> None:
        lines = self._cards(keywords)
        self._make_room(_blocks(len(lines) * CARD))
        end = lines.pop()
        lines += [" " * CARD] * (self._start // CARD - BLOCK // CARD - len(lines))  # END stands in the last block
        header = "".join([*lines, end]).ljust(self._start).encode("ascii")
        checksum = encode_checksum(fold(self._data_sum + ones_complement_sum(header)))
        header = header.replace(_checksum_card(_UNKNOWN), _checksum_card(checksum))
        self._part.write(0, memoryview(header))
        padding = _blocks(self._shape.size) - self._shape.size
        self._part.write(self._start + self._shape.size, memoryview(bytes(padding)))

    def _cards(self, keywords: tuple[Keyword, ...]) -> list[str]:
        own = [
            Keyword("SIMPLE", True, "FITS standard 4.0"),
            Keyword("BITPIX", self._bitpix, "bits per sample; negative: floating point"),
            *self._axes(),
            Keyword("EXTEND", True),
        ]
        if self._bzero:
            own += [Keyword("BZERO", self._bzero, "unsigned integers"), Keyword("BSCALE", 1)]
        own += [keyword for keyword in keywords if not STRUCTURAL.fullmatch(keyword.name.strip().upper())]
        own.append(Keyword("DATASUM", str(self._data_sum), "checksum of the samples"))
        lines = [card for keyword in own for card in cards(keyword)]
        return [*lines, _checksum_card(_UNKNOWN).decode("ascii"), "END".ljust(CARD)]

    def _axes(self) -> list[Keyword]:
        axes = [self._shape.width, self._shape.height, self._shape.channels][: 3 if self._shape.channels > 1 else 2]
        lengths = [Keyword(f"NAXIS{n}", length) for n, length in enumerate(axes, 1)]
        return [Keyword("NAXIS", len(axes), "axes: width, height, channels"), *lengths]


def _checksum_card(value: str) -> bytes:
    return next(cards(Keyword("CHECKSUM", value, "checksum of the whole file"))).encode("ascii")


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
