"""FITS and XISF files made by hand, for what well-behaved writers never write."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lz4.block
import numpy as np
import zstandard
from numpy.typing import NDArray

PREAMBLE = 16
BLOCK = 2880


def fits_header(*cards: str, end: bool = True) -> bytes:
    """Return the cards as a header in whole blocks."""
    text = "".join(card.ljust(80) for card in (*cards, *(["END"] if end else [])))
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("latin-1")


def fits_file(path: Path, pixels: NDArray[Any], *cards: str, bitpix: int) -> Path:
    """Write stored samples (rows of a big-endian type) under a minimal header with further ``cards``."""
    axes = [f"NAXIS{n} = {length}" for n, length in enumerate(reversed(pixels.shape), 1)]
    header = fits_header("SIMPLE  = T", f"BITPIX  = {bitpix}", f"NAXIS   = {len(axes)}", *axes, *cards)
    data = pixels.tobytes()
    path.write_bytes(header + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0"))
    return path


class Packing(NamedTuple):
    """How the block of an XISF image is stored."""

    location: str = "attachment"  # or embedded, inline
    encoding: str = "base64"
    codec: str = ""
    shuffle: bool = False
    subblock: int = 0  # bytes; 0 for a single block
    checksum: str = ""  # the algorithm, spelled as it shall stand in the file


def xisf_image(pixels: NDArray[Any], packing: Packing, attributes: Mapping[str, str], inner: str = "") -> "XisfImage":
    """Return an Image element for stored samples in the order they shall have in the file."""
    data = pixels.tobytes()
    extra: dict[str, str] = {}
    if packing.codec:
        item = pixels.dtype.itemsize
        size = len(data)
        data = _shuffled(data, item) if packing.shuffle else data
        step = packing.subblock or size
        parts = [_pack(packing.codec, data[at : at + step]) for at in range(0, size, step)]
        extra["compression"] = f"{packing.codec}+sh:{size}:{item}" if packing.shuffle else f"{packing.codec}:{size}"
        if packing.subblock:
            sizes = [len(data[at : at + step]) for at in range(0, size, step)]
            extra["subblocks"] = ":".join(f"{len(p)},{s}" for p, s in zip(parts, sizes, strict=True))
        data = b"".join(parts)
    if packing.checksum:
        name = packing.checksum.replace("sha-", "sha").replace("sha3-", "sha3_")
        extra["checksum"] = f"{packing.checksum}:{hashlib.new(name, data).hexdigest()}"
    return XisfImage(data, packing, dict(attributes), extra, inner)


class XisfImage(NamedTuple):
    """One image to be put into an XISF file."""

    data: bytes
    packing: Packing
    attributes: dict[str, str]
    extra: dict[str, str]
    inner: str

    def element(self, position: int) -> str:
        """Return the Image element, with its block at ``position`` if it is attached."""
        text = base64.b64encode(self.data).decode() if self.packing.encoding == "base64" else self.data.hex()
        if self.packing.location == "embedded":
            block = f"<Data{_attributes(self.extra | {'encoding': self.packing.encoding})}>{text}</Data>"
            return f"<Image{_attributes(self.attributes | {'location': 'embedded'})}>{block}{self.inner}</Image>"
        if self.packing.location == "inline":
            where = {"location": f"inline:{self.packing.encoding}"}
            return f"<Image{_attributes(self.attributes | self.extra | where)}>{text}{self.inner}</Image>"
        where = {"location": f"attachment:{position}:{len(self.data)}"}
        return f"<Image{_attributes(self.attributes | self.extra | where)}>{self.inner}</Image>"


def xisf_file(path: Path, *images: XisfImage, metadata: str = "", trailing: int = 0, prologue: str = "") -> Path:
    """Write a monolithic file; ``trailing`` NULs are counted to the header, as some writers do."""
    position = 16384
    positions = []
    for image in images:
        positions.append(position)
        position += len(image.data) if image.packing.location == "attachment" else 0
    elements = "".join(image.element(at) for image, at in zip(images, positions, strict=True))
    return write_xisf(
        path,
        f'<?xml version="1.0" encoding="UTF-8"?>{prologue}<xisf version="1.0" xmlns="http://www.pixinsight.com/xisf">'
        f"{elements}{metadata}</xisf>",
        b"".join(image.data for image in images if image.packing.location == "attachment"),
        trailing=trailing,
    )


def write_xisf(path: Path, header: str, data: bytes = b"", *, trailing: int = 0) -> Path:
    """Write ``header`` as it is, and ``data`` at byte 16384."""
    text = header.encode("utf-8") + bytes(trailing)
    start = b"XISF0100" + len(text).to_bytes(4, "little") + bytes(4) + text
    path.write_bytes(start.ljust(16384, b"\0") + data)
    return path


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f' {name}="{value}"' for name, value in values.items())


def _shuffled(data: bytes, item: int) -> bytes:
    whole = len(data) // item * item
    planes = np.frombuffer(data[:whole], np.uint8).reshape(-1, item)
    return planes.T.tobytes() + data[whole:]


def _pack(codec: str, data: bytes) -> bytes:
    if codec == "zlib":
        return zlib.compress(data)
    if codec == "zstd":
        return zstandard.compress(data)
    mode = "high_compression" if codec == "lz4hc" else "default"
    packed: bytes = lz4.block.compress(data, mode=mode, store_size=False)
    return packed
