"""Working memory of one thread: arrays by name, made once and used for every tile."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Scratch:
    """Rows of up to ``size`` elements by name and type; what they hold lasts until the name is asked for again."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rows: dict[tuple[str, str], NDArray[Any]] = {}

    def row(self, name: str, dtype: DTypeLike, length: int) -> NDArray[Any]:
        """Return the first ``length`` elements of the row ``name``; its contents are arbitrary."""
        key = name, np.dtype(dtype).str
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = np.empty(self.size, dtype)
        return row[:length]

    def rows(self, name: str, count: int, dtype: DTypeLike, length: int) -> list[NDArray[Any]]:
        """Return ``count`` such rows; each lies on its own."""
        return [self.row(f"{name} {i}", dtype, length) for i in range(count)]
