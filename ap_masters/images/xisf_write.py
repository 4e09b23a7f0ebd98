"""XISF images written by rows, as PixInsight writes them, with a SHA-256 checksum."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from ap_masters.files import XISF_MAGIC
from ap_masters.images.writer import Part, RowWriter, Shape
from ap_masters.images.xisf_format import document
from ap_masters.images.xisf_header import FORMATS
from ap_masters.model import Keyword

_ALIGNMENT: Final = 4096  # PixInsight's own; its MaxInlineBlockSize does not matter, as pixels are always attached
_CARD: Final = 150  # bytes of a FITSKeyword element, on the safe side
_FORMATS: Final = {sample: name for name, (sample, _, _) in FORMATS.items()}


class XisfWriter(RowWriter):
    """Writes one image as an attached block of a monolithic XISF file."""

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        channels: int,
        sample: str,
        keywords: tuple[Keyword, ...],
        image_type: str,
        compression: str,
        adu: bool,
        reserve: int,
    ) -> None:
        """Keep room for ``reserve`` keywords more than ``keywords``.

        ``compression`` is none, zlib, lz4 or zstd, always with byte shuffling. ``adu`` says that float samples are
        counts of the 16-bit range, which their bounds then tell. Raises UnwritableImage, and ValueError for a
        sample type that XISF does not have.
        """
        if sample not in _FORMATS:
            raise ValueError(f"{sample} samples cannot be written; XISF takes {', '.join(_FORMATS)}")
        self._format = _FORMATS[sample]
        self._image_type = image_type
        self._compression = "" if compression == "none" else compression
        self._bounds = "" if np.dtype(sample).kind == "u" else "0:65535" if adu else "0:1"
        self._digest = hashlib.sha256()
        shape = Shape(width, height, channels, np.dtype(sample).newbyteorder("<"))
        start = _aligned(4096 + (len(keywords) + reserve) * _CARD)
        super().__init__(path, shape, keywords, start=start)

    def settle(self) -> None:
        """Let the rows settle, unless they are still to be compressed."""
        if not self._compression:
            super().settle()

    def _add_up(self) -> None:
        if not self._compression:
            self._hash()

    def _hash(self) -> None:
        for piece in self._samples(0, self._shape.size):
            self._digest.update(piece)

    # --- completing ---------------------------------------------------------------------------------------

    def _complete(self, keywords: tuple[Keyword, ...]) -> None:
        compression = self._compress() if self._compression else {}
        while len(header := self._header(keywords, compression)) > self._start:
            self._make_room(_aligned(len(header)))
        self._part.write(0, memoryview(header.ljust(self._start, b"\0")))

    def _compress(self) -> dict[str, str]:
        """Replace the samples by compressed ones; return the attributes that say so, none if that gains nothing.

        What compression does not make smaller stays as it is: PixInsight shows garbage otherwise.
        """
        size, item = self._shape.size, self._shape.dtype.itemsize
        from ap_masters.images.xisf_pack import Packer, shuffled

        packer = Packer(self._compression)
        packed = Part(self.path)
        try:
            at = self._start
            for piece in packer.pack(partial(shuffled, self._samples, size, item), size):
                packed.write(at, memoryview(piece))
                self._digest.update(piece)
                at += len(piece)
        except BaseException:
            packed.discard()
            raise
        if at - self._start >= size:
            packed.discard()
            self._digest = hashlib.sha256()
            self._hash()
            return {}
        self._part.discard()
        self._part = packed
        self._stored = at - self._start
        attributes = {
            "compression": f"{self._compression}+sh:{size}:{item}" if item > 1 else f"{self._compression}:{size}"
        }
        if len(packer.subblocks) > 1:
            attributes["subblocks"] = ":".join(f"{stored},{whole}" for stored, whole in packer.subblocks)
        return attributes

    def _header(self, keywords: tuple[Keyword, ...], compression: dict[str, str]) -> bytes:
        """Return the file up to the samples, without padding; the order of attributes is PixInsight's."""
        width, height, channels, *_ = self._shape
        attributes = {
            "geometry": f"{width}:{height}:{channels}",
            "sampleFormat": self._format,
            "bounds": self._bounds,
            "colorSpace": "RGB" if channels >= 3 else "Gray",
            "imageType": self._image_type,
            **compression,
            "checksum": f"sha256:{self._digest.hexdigest()}",
            "location": f"attachment:{self._start}:{self._stored}",
        }
        text = document(attributes, keywords, alignment=_ALIGNMENT).encode("utf-8")
        return XISF_MAGIC + len(text).to_bytes(4, "little") + bytes(4) + text


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
