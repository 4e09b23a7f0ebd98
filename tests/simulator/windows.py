"""What scripts do with windows, views and images, one line per function."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.simulator.console import Console
from tests.simulator.faults import Faults
from tests.simulator.workspace import Card, ProcessError, Window, Workspace, load

_STATISTICS: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda v: float(v.mean()),
    "median": lambda v: float(np.median(v)),
    "stdDev": lambda v: float(v.std(ddof=1)),
    "variance": lambda v: float(v.var(ddof=1)),
    "minimum": lambda v: float(v.min()),
    "maximum": lambda v: float(v.max()),
    "count": lambda v: int(v.size),
}


def calls(workspace: Workspace, console: Console, faults: Faults) -> dict[str, Callable[..., Any]]:
    """Return the functions by name; windows are named by their handles."""
    windows = workspace.windows

    def channel(handle: int, selected: int) -> NDArray[np.float64]:
        pixels = windows[handle].pixels
        return pixels if selected < 0 else pixels[selected]

    def statistic(name: str) -> Callable[[int, int, Any], float]:
        return lambda handle, selected, _: _STATISTICS[name](channel(handle, selected))

    def deviation(handle: int, selected: int, centre: float | None) -> float:
        samples = channel(handle, selected)
        return float(np.median(np.abs(samples - (np.median(samples) if centre is None else centre))))

    def set_keywords(handle: int, keywords: list[list[str]]) -> None:
        windows[handle].cards = [Card(*keyword) for keyword in keywords]

    def save_as(handle: int, path: str, ask: bool, verify: bool, hints: str) -> bool:
        if ask or (verify and Path(path).exists()):
            faults.hang()  # a dialog that nobody answers
        return workspace.save(handle, path, hints=hints)

    def open_file(path: str, wanted: str, hints: str) -> list[int]:
        try:
            loaded = load(path, hints, console)
        except ProcessError as error:
            console.error(str(error))
            return []
        name = wanted or Path(path).stem
        return [workspace.add(Window(name, loaded.pixels / loaded.one, list(loaded.cards), path=path))]

    return {
        "Window.find": workspace.find,
        "Window.all": lambda: list(windows),
        "Window.isOpen": lambda handle: handle in windows,
        "Window.open": open_file,
        "Window.id": lambda handle: windows[handle].id,
        "Window.path": lambda handle: windows[handle].path,
        "Window.keywords": lambda handle: [list(card) for card in windows[handle].cards],
        "Window.setKeywords": set_keywords,
        "Window.saveAs": save_as,
        "Window.forceClose": workspace.close,
        "Window.close": lambda handle: workspace.close(handle) if windows[handle].path else faults.hang(),
        "View.hasProperty": lambda handle, name: name in windows[handle].properties,
        "View.propertyValue": lambda handle, name: windows[handle].properties.get(name),
        "View.setPropertyValue": lambda handle, name, value: windows[handle].properties.update({name: value}),
        "Image.width": lambda handle: windows[handle].pixels.shape[2],
        "Image.height": lambda handle: windows[handle].pixels.shape[1],
        "Image.numberOfChannels": lambda handle: len(windows[handle].pixels),
        "Image.sample": lambda handle, x, y, c: float(windows[handle].pixels[c, y, x]),
        "Image.MAD": deviation,
        **{f"Image.{name}": statistic(name) for name in _STATISTICS},
    }
