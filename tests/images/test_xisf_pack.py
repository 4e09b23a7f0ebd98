"""What is packed for an XISF file unpacks to the same bytes, in however many sub-blocks."""

import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ap_masters.images.files import Memory
from ap_masters.images.xisf_blocks import unpack
from ap_masters.images.xisf_header import Block
from ap_masters.images.xisf_pack import Packer, shuffled


def _reader(data: bytes, step: int, first: int, last: int) -> Iterator[memoryview]:
    for at in range(first, last, step):
        yield memoryview(data)[at : min(at + step, last)]


@given(
    st.sampled_from(["zlib", "lz4", "zstd"]),
    st.sampled_from([1, 2, 4, 8]),
    st.binary(min_size=1, max_size=40),
    st.integers(1, 100),
)
@settings(deadline=None)
def test_packed_blocks_unpack(codec: str, item: int, items: bytes, limit: int) -> None:
    """A codec that takes no more than ``limit`` bytes at once gets as many sub-blocks as that needs."""
    data = items * item
    packer = Packer(codec, limit=limit)

    packed = b"".join(packer.pack(partial(shuffled, partial(_reader, data, 2 * item), len(data), item), len(data)))

    assert [size for _, size in packer.subblocks[:-1]] == [limit] * ((len(data) - 1) // limit)
    block = Block(
        0,
        len(packed),
        compression=f"{codec}+sh:{len(data)}:{item}",
        subblocks=":".join(f"{stored},{size}" for stored, size in packer.subblocks),
    )
    assert b"".join(unpack(Path("f"), block, Memory([packed]), len(data), item)) == data


@pytest.mark.parametrize(("first", "last"), [(0, 12), (0, 5), (3, 9), (11, 12)])
def test_any_part_of_the_shuffled_bytes_can_be_asked_for(first: int, last: int) -> None:
    """First bytes of all items, then second bytes, and so on."""
    data = bytes(range(12))
    expected = bytes([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])[first:last]

    assert b"".join(bytes(p) for p in shuffled(partial(_reader, data, 4), 12, 4, first, last)) == expected


@pytest.mark.parametrize("codec", ["zlib", "zstd"])  # the library for lz4 holds its result twice for a moment
def test_unpacking_takes_little_more_than_the_image(codec: str) -> None:
    """What is packed, what comes of it, and a piece: large images are unpacked beside all else that a build holds."""
    data = np.random.default_rng(3).integers(0, 16, 1 << 23, np.uint8).tobytes()
    packer = Packer(codec)
    packed = b"".join(packer.pack(lambda first, last: [memoryview(data)[first:last]], len(data)))
    block = Block(position=0, size=len(packed), compression=f"{codec}+sh:{len(data)}:2")
    source = Memory([packed])
    tracemalloc.start()
    try:
        for _ in unpack(Path("f"), block, source, len(data), 2):
            pass
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < len(packed) + len(data) + (5 << 20)
