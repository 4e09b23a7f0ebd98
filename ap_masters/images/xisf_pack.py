"""XISF data blocks packed: bytes shuffled, then compressed, in sub-blocks where a codec could not take it all."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

import lz4.block
import numpy as np
import zstandard

LARGEST_SUBBLOCK: Final = 1 << 30  # lz4 takes less than 2 GiB at once, zlib less than 4 GiB on Windows


class _Encoder(Protocol):
    """A stream that is compressed piece by piece."""

    def compress(self, piece: memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Lz4:
    """XISF's lz4 is one raw block without its size, so everything has to be there before it is compressed."""

    def __init__(self) -> None:
        self._whole = bytearray()

    def compress(self, piece: memoryview) -> bytes:
        self._whole += piece
        return b""

    def flush(self) -> bytes:
        packed: bytes = lz4.block.compress(self._whole, store_size=False)
        return packed


_ENCODERS: Final[dict[str, Callable[[int], _Encoder]]] = {
    "zlib": lambda size: zlib.compressobj(3),
    "lz4": lambda size: _Lz4(),
    "zstd": lambda size: zstandard.ZstdCompressor().compressobj(size=size),
}


class Packer:
    """Compresses a block; ``subblocks`` tells the compressed and uncompressed size of each part afterwards."""

    def __init__(self, codec: str, *, limit: int = LARGEST_SUBBLOCK) -> None:
        self._make = _ENCODERS[codec]
        self._limit = limit
        self.subblocks: list[tuple[int, int]] = []

    def pack(self, read: Callable[[int, int], Iterable[memoryview]], size: int) -> Iterator[bytes]:
        """Yield the compressed bytes of the ``size`` bytes that ``read(first, last)`` gives in pieces."""
        for first in range(0, size, self._limit):
            last = min(first + self._limit, size)
            encoder = self._make(last - first)
            stored = 0
            for piece in _encoded(encoder, read(first, last)):
                stored += len(piece)
                yield piece
            self.subblocks.append((stored, last - first))


def _encoded(encoder: _Encoder, pieces: Iterable[memoryview]) -> Iterator[bytes]:
    for piece in pieces:
        yield encoder.compress(piece)
    yield encoder.flush()


def shuffled(
    read: Callable[[int, int], Iterable[memoryview]], size: int, item: int, first: int, last: int
) -> Iterator[memoryview]:
    """Yield bytes ``first`` to ``last`` of the byte-shuffled form of ``size`` bytes, whole items, in pieces."""
    count = size // item
    while first < last:
        plane, start = divmod(first, count)
        end = min(count, start + last - first)
        for piece in read(start * item, end * item):
            yield np.frombuffer(piece, np.uint8)[plane::item].copy().data
        first += end - start
