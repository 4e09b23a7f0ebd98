"""Working memory of one worker: arrays by name, made once and used for every tile."""

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LINE: Final = 64  # bytes of a cache line; rows begin with one


class Scratch:
    """Rows of up to ``size`` elements by name and type; what they hold lasts until the name is asked for again."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._blocks: dict[tuple[str, DTypeLike], NDArray[Any]] = {}

    def row(self, name: str, dtype: DTypeLike, length: int) -> NDArray[Any]:
        """Return the first ``length`` elements of the row ``name``; its contents are arbitrary."""
        row: NDArray[Any] = self._block(name, 1, dtype)[0, :length]
        return row

    def rows(self, name: str, count: int, dtype: DTypeLike, length: int) -> list[NDArray[Any]]:
        """Return ``count`` such rows."""
        return list(self.table(name, count, dtype, length))

    def table(self, name: str, count: int, dtype: DTypeLike, length: int) -> NDArray[Any]:
        """Return the same rows as an array (count, length)."""
        return self._block(name, count, dtype)[:count, :length]

    def _block(self, name: str, count: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return whole rows, side by side in one piece of memory: large pieces come in large pages."""
        key = name, dtype
        block = self._blocks.get(key)
        if block is None or len(block) < count:
            item = np.dtype(dtype).itemsize
            row = -(-self.size * item // _LINE) * _LINE
            memory = np.empty(count * row + _LINE, np.uint8)
            first = -memory.ctypes.data % _LINE
            block = memory[first : first + count * row].view(dtype).reshape(count, row // item)
            self._blocks[key] = block
        return block
