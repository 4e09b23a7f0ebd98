"""Records and statistics of an imagined camera, season after season, without a pixel being drawn."""

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ap_masters.images.scale import ADU
from ap_masters.model import (
    ChannelStatistics,
    FrameOutcome,
    FrameType,
    Grade,
    GroupKey,
    Recipe,
    Statistics,
)
from ap_masters.record import Input, MasterFile, Record, Software

START = datetime(2026, 3, 1, 20, tzinfo=UTC)
WIDTH, HEIGHT = 6248, 4176
GRID = 16

Shape = Callable[[float, float], float]
"""ADU to add at (across, down), both from -0.5 to 0.5."""


def flat_field(_across: float, _down: float) -> float:
    """Nothing added."""
    return 0.0


def make_statistics(
    *,
    median: float = 500.0,
    mean: float | None = None,
    stddev: float = 12.0,
    sigma: float = 2.5,
    hot: int = 1000,
    cold: int = 0,
    peak: float = 60000.0,
    shape: Shape = flat_field,
    noise: random.Random | None = None,
    banding: float = 0.0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Statistics:
    """Return statistics in ADU; with ``noise`` the grid scatters as block medians of white noise do."""
    block = sigma * math.sqrt(math.pi / 2) / math.sqrt(size[0] * size[1] / GRID**2)

    def at(i: int, j: int) -> float:
        scatter = noise.gauss(0, block) if noise else 0.0
        return (median + scatter + shape((j + 0.5) / GRID - 0.5, (i + 0.5) / GRID - 0.5)) / ADU

    white = [sigma * math.sqrt(math.pi / 2) / math.sqrt(n) for n in size]
    return Statistics(
        channels=(
            ChannelStatistics(
                median=median / ADU,
                mean=(median + 0.4 if mean is None else mean) / ADU,
                stddev=stddev / ADU,
                mad=sigma / 1.4826 / ADU,
                minimum=(median - 6 * sigma) / ADU,
                maximum=peak / ADU,
                hot=hot,
                cold=cold,
            ),
        ),
        grid=tuple(tuple(at(i, j) for j in range(GRID)) for i in range(GRID)),
        row_noise=math.hypot(white[0], banding) / ADU,
        column_noise=white[1] / ADU,
    )


def make_key(frame_type: FrameType = FrameType.DARK, **changes: Any) -> GroupKey:
    """Return the key of a cooled mono camera's master."""
    fields: dict[str, Any] = {
        "type": frame_type,
        "camera": "ZWO ASI6200MM Pro",
        "gain": 100.0,
        "offset": 50.0,
        "x_binning": 1,
        "y_binning": 1,
        "width": WIDTH,
        "height": HEIGHT,
        "readout_mode": "High Gain",
        "temperature": -10.0,
        "exposure": {FrameType.BIAS: None, FrameType.FLAT: 2.0, FrameType.DARK_FLAT: 2.0}.get(frame_type, 300.0),
    }
    if frame_type is FrameType.FLAT:
        fields |= {"filter": "L", "telescope": "RedCat 51"}
    return GroupKey(**(fields | changes))


def make_inputs(
    levels: Sequence[float] = (500.0,) * 32,
    *,
    temperatures: Sequence[float] | None = None,
    set_temperature: float | None = -10.0,
    start: datetime = START,
) -> tuple[Input, ...]:
    """Return one input per level (ADU), five minutes apart."""
    return tuple(
        Input(
            path=Path(f"/raws/dark é {i:03d}.fits"),
            size=1000 + i,
            mtime_ns=i,
            sha256=f"{i:064x}",
            started=start + timedelta(minutes=5 * i),
            exposure=300.0,
            set_temperature=set_temperature,
            sensor_temperature=temperatures[i] if temperatures else set_temperature,
            outcome=FrameOutcome(path=Path(f"/raws/dark é {i:03d}.fits"), level=level / ADU),
        )
        for i, level in enumerate(levels)
    )


def make_record(frame_type: FrameType = FrameType.DARK, **changes: Any) -> Record:
    """Return a published master's record; measures are not in it yet."""
    fields: dict[str, Any] = {
        "master": MasterFile(name="master.xisf", width=WIDTH, height=HEIGHT, channels=1),
        "software": Software(version="0"),
        "created": START + timedelta(hours=5),
        "key": make_key(frame_type),
        "recipe": Recipe(),
        "inputs": make_inputs(),
        "grade": Grade.OPTIMAL,
        "statistics": make_statistics(),
    }
    return Record(**(fields | changes))
