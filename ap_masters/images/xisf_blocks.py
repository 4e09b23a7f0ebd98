"""XISF data blocks: checksums, compression and byte shuffling undone."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ap_masters.errors import UnreadableImage
from ap_masters.images.files import Source, changed, room
from ap_masters.images.xisf_header import Block, decoded

Bytes = bytes | memoryview

_CHUNK: Final = 1 << 20
_SIP: Final = 1 << 12  # compressed bytes taken at a time, which zlib makes 4 MiB at most
_HASHES: Final[dict[str, Callable[[], Any]]] = {
    "sha1": hashlib.sha1,
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "sha3256": hashlib.sha3_256,
    "sha3512": hashlib.sha3_512,
}


# --- checksums --------------------------------------------------------------------------------------------


def verify(path: Path, block: Block, source: Source) -> None:
    """Compare an attached block with its checksum, a piece at a time; do nothing where it has none.

    Raises ChecksumMismatch, or UnreadableImage where the file ends early or the algorithm is unknown.
    """
    if not block.checksum:
        return
    digest = _hash(path, block)
    for piece in _stored(path, block, source):
        digest.update(piece)
    _compare(path, block, digest.hexdigest())


def _hash(path: Path, block: Block) -> Any:
    """Return a fresh hash. The specification writes sha-256, PixInsight sha256; both write sha3-256."""
    name = block.checksum.partition(":")[0]
    if (make := _HASHES.get(name.lower().replace("-", ""))) is None:
        raise UnreadableImage(path, f"has a checksum of the unknown kind {name!r}, so its pixels cannot be trusted")
    return make()


def _compare(path: Path, block: Block, found: str) -> None:
    name, _, expected = block.checksum.partition(":")
    if found != expected.strip().lower():
        raise changed(path, f"{name} checksum")


# --- stored bytes -----------------------------------------------------------------------------------------


def unpack(path: Path, block: Block, source: Source, needed: int, item: int) -> Iterator[memoryview]:
    """Yield the ``needed`` bytes of a block in pieces: verified first, then decompressed, then unshuffled.

    Raises ChecksumMismatch, and UnreadableImage for anything that does not decode to exactly that many bytes.
    """
    packed = _attached(path, block, source) if block.position is not None else _decoded(path, block)
    if block.checksum:
        digest = _hash(path, block)
        digest.update(packed)
        _compare(path, block, digest.hexdigest())
    if not block.compression:
        if len(packed) < needed:
            raise UnreadableImage(path, f"stores {len(packed)} bytes of pixels where its geometry needs {needed}")
        yield memoryview(packed)[:needed]
        return
    how = _compression(path, block, needed, len(packed), item)
    whole = _decompress(path, block, how.codec, packed, needed)
    del packed  # the two together are most of what a reader of compressed files needs
    yield from unshuffled(whole, how.item)


def _stored(path: Path, block: Block, source: Source) -> Iterator[memoryview]:
    """Yield the bytes of an attached block; each piece is valid until the next."""
    buffer = memoryview(bytearray(min(_CHUNK, block.size)))
    position = block.position or 0
    for at in range(0, block.size, _CHUNK):
        piece = buffer[: min(_CHUNK, block.size - at)]
        if source.read_into(position + at, piece) < len(piece):
            raise UnreadableImage(path, "is cut short: bytes of its pixels are missing; copy it again")
        yield piece


def _attached(path: Path, block: Block, source: Source) -> memoryview:
    """Return the bytes of an attached block, which the header has shown to lie within the file."""
    packed = room(block.size)
    if source.read_into(block.position or 0, packed) < block.size:
        raise UnreadableImage(path, "is cut short: bytes of its pixels are missing; copy it again")
    return packed


def _decoded(path: Path, block: Block) -> bytes:
    """Return the bytes of an embedded or inline block."""
    try:
        return decoded(block.text, block.encoding)
    except ValueError as error:
        raise UnreadableImage(path, f"has embedded pixels that cannot be decoded: {error}") from error


# --- compression ------------------------------------------------------------------------------------------


class _Codec(NamedTuple):
    """``decompress`` never makes more than the given size; ``expansion`` is what a byte can grow to at most."""

    decompress: Callable[[memoryview, int], Bytes]
    expansion: int


_BROKEN: Final = (
    *(zlib.error, ValueError, ArithmeticError),
    MemoryError,  # what is declared may be far more than what is there
)


def _decompress(path: Path, block: Block, codec: str, packed: Bytes, needed: int) -> Bytes:
    """Return the whole block, still shuffled."""
    try:
        parts = [_CODECS[codec].decompress(part, size) for part, size in _subblocks(path, block, packed, needed)]
    except _BROKEN as error:
        raise UnreadableImage(path, f"has {codec} pixels that do not decompress: {error}") from error
    whole = parts[0] if len(parts) == 1 else b"".join(parts)
    if len(whole) != needed:
        raise UnreadableImage(path, f"has pixels that decompress to {len(whole)} bytes instead of {needed}")
    return whole


def _unzlib(packed: memoryview, size: int) -> memoryview:
    """Decompress a piece at a time: at once, zlib would need the size twice."""
    stream = zlib.decompressobj()
    whole, at = room(size), 0
    for first in range(0, len(packed), _SIP):
        rest: memoryview | bytes = packed[first : first + _SIP]
        while rest and not stream.eof:
            data = stream.decompress(rest, size - at + 1)
            if at + len(data) > size:
                raise ValueError("the stream is longer than declared")
            whole[at : at + len(data)] = data
            at += len(data)
            rest = stream.unconsumed_tail
    if at < size or not stream.eof:  # zlib has checked its own checksum by then
        raise ValueError("the stream does not end where it should")
    return whole


def _unlz4(packed: memoryview, size: int) -> bytes:
    import lz4.block

    try:
        data: bytes = lz4.block.decompress(packed, uncompressed_size=size)
    except lz4.block.LZ4BlockError as error:
        raise ValueError(error) from error
    return data


def _unzstd(packed: memoryview, size: int) -> bytes:
    import zstandard

    try:
        if zstandard.frame_content_size(packed) not in {-1, size}:  # the library would allocate what the frame claims
            raise ValueError("the frame holds another number of bytes than declared")
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ValueError(error) from error


_CODECS: Final = {
    "zlib": _Codec(_unzlib, 1032),  # 258 bytes from two bits
    "lz4": _Codec(_unlz4, 255),
    "lz4hc": _Codec(_unlz4, 255),
    "zstd": _Codec(_unzstd, 1 << 15),  # 128 KiB from a block of four bytes
}


class _Compression(NamedTuple):
    codec: str
    item: int  # 1 where bytes are not shuffled


def _compression(path: Path, block: Block, needed: int, packed: int, item: int) -> _Compression:
    """Read "zstd+sh:33554432:4", and refuse what no honest writer declares."""
    match = re.fullmatch(r"([a-z0-9]+)(\+sh)?:(\d{1,18})(?::(\d{1,3}))?", block.compression, re.ASCII)
    if match is None or match[1] not in _CODECS:
        raise UnreadableImage(
            path, f"has pixels compressed as {block.compression!r}; only {', '.join(_CODECS)} are known"
        )
    if int(match[3]) != needed:
        raise UnreadableImage(path, f"declares {match[3]} bytes of pixels where its geometry needs {needed}")
    if needed > packed * _CODECS[match[1]].expansion + _CHUNK:
        raise UnreadableImage(path, f"declares {needed} bytes of pixels in {packed} compressed ones, which cannot be")
    shuffled = int(match[4] or item) if match[2] else 1
    return _Compression(match[1], max(shuffled, 1))


def _subblocks(path: Path, block: Block, packed: Bytes, needed: int) -> Iterator[tuple[memoryview, int]]:
    """Yield each separately compressed part with its uncompressed size."""
    view = memoryview(packed)
    if not block.subblocks:
        yield view, needed
        return
    if not re.fullmatch(r"[1-9]\d{0,17},[1-9]\d{0,17}(:[1-9]\d{0,17},[1-9]\d{0,17})*", block.subblocks, re.ASCII):
        raise UnreadableImage(path, "has a damaged list of sub-blocks")
    sizes = [tuple(map(int, pair.split(","))) for pair in block.subblocks.split(":")]
    if sum(pair[0] for pair in sizes) != len(packed) or sum(pair[1] for pair in sizes) != needed:
        raise UnreadableImage(path, "has sub-blocks that do not add up to its pixels")
    at = 0
    for stored, size in sizes:
        yield view[at : at + stored], size
        at += stored


def unshuffled(data: Bytes, item: int) -> Iterator[memoryview]:
    """Undo byte shuffling: all first bytes, then all second bytes, ... become items of ``item`` bytes again.

    Bytes that do not fill an item stand at the end as they are. Applies to the whole block, after its sub-blocks
    have been put together, as PCL's Compression does.
    """
    count = len(data) // item
    planes = np.frombuffer(data, np.uint8, count * item).reshape(item, count)
    for first in range(0, count, _CHUNK):
        part = planes[:, first : first + _CHUNK]
        items = np.empty(part.shape[::-1], np.uint8)
        for plane in range(item):
            items[:, plane] = part[plane]
        yield items.reshape(-1).data
    yield memoryview(data)[count * item :]
