"""Working memory of one worker: arrays by name, made once and used for every tile."""

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LINE: Final = 64  # bytes of a cache line; rows begin with one


class Scratch:
    """Rows of up to ``size`` elements by name and type; what they hold lasts until the name is asked for again."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._blocks: dict[tuple[str, DTypeLike], list[NDArray[Any]]] = {}

    def row(self, name: str, dtype: DTypeLike, length: int) -> NDArray[Any]:
        """Return the first ``length`` elements of the row ``name``; its contents are arbitrary."""
        return self._block(name, 1, dtype)[0][:length]

    def rows(self, name: str, count: int, dtype: DTypeLike, length: int) -> list[NDArray[Any]]:
        """Return ``count`` such rows."""
        rows = self._block(name, count, dtype)
        return list(rows) if length == self.size else [row[:length] for row in rows]

    def _block(self, name: str, count: int, dtype: DTypeLike) -> list[NDArray[Any]]:
        """Return whole rows, side by side in one piece of memory: large pieces come in large pages."""
        key = name, dtype
        rows = self._blocks.get(key)
        if rows is None or len(rows) < count:
            item = np.dtype(dtype).itemsize
            step = -(-self.size * item // _LINE) * _LINE
            block = np.empty(count * step + _LINE, np.uint8)
            first = -block.ctypes.data % _LINE
            rows = self._blocks[key] = [
                block[first + i * step : first + i * step + self.size * item].view(dtype) for i in range(count)
            ]
        return rows[:count]
