"""A new master is measured, compared with its predecessor wherever that is filed, and judged."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import images
from ap_masters import record as records
from ap_masters.config import Settings
from ap_masters.library.entries import Entry, with_published
from ap_masters.library.examine import examine, predecessor
from ap_masters.library.scan import scan
from ap_masters.model import Calibration, FrameType, MasterStatus
from ap_masters.quality import value_of
from ap_masters.record import Input, MasterFile, Record
from tests.library.shelves import IMAGE_TYPE, NOW, draft, key, shelve
from tests.quality.seasons import make_inputs, make_record, make_statistics
from tests.quality.test_sensor import SHAPE, Sensor

SETTINGS = Settings()


def sized(frame_type: FrameType, **changes: Any) -> Any:
    return key(frame_type, **changes).model_copy(update={"width": SHAPE[1], "height": SHAPE[0]})


def capture(folder: Path, frame_type: FrameType, frames: list[NDArray[Any]], **changes: Any) -> tuple[Record, Path]:
    """Write raw frames and their mean, and return the record and the master, as an engine leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = []
    for i, frame in enumerate(frames):
        path = folder / f"{frame_type} é {i}.fits"
        images.write_image(path, frame, image_type="Dark")
        inputs.append(Input(path=path, size=1, mtime_ns=1, started=NOW + timedelta(minutes=i)))
    mean = (np.mean(np.stack(frames).astype(np.float64), axis=0) / 65535).astype(np.float32)
    images.write_image(folder / "master.xisf", mean, image_type=IMAGE_TYPE[frame_type])
    level = float(np.median(mean)) * 65535
    fields: dict[str, Any] = {
        "key": sized(frame_type),
        "inputs": tuple(inputs),
        "electrons_per_adu": 0.8,
        "master": MasterFile(name="master.xisf", width=SHAPE[1], height=SHAPE[0], channels=1),
        "statistics": make_statistics(median=level, size=SHAPE[::-1], sigma=4, stddev=6),
    }
    return make_record(frame_type, **(fields | changes)), folder / "master.xisf"


def test_the_sensor_is_known_from_what_is_built(tmp_path: Path) -> None:
    """Biases give read noise, a dark of the same mode dark current, flats the gain; all stand in their records."""
    library, sensor = tmp_path / "library", Sensor(dark_current=0.8)
    bias, master = capture(tmp_path / "bias", FrameType.BIAS, [sensor.expose(i) for i in range(6)])
    told = examine(bias, master, library, (), SETTINGS)
    shelve(library, "bias/master.xisf", told)
    others = scan(library).entries

    dark, master = capture(tmp_path / "dark", FrameType.DARK, [sensor.expose(i, seconds=300) for i in range(6)])
    seen = examine(dark, master, library, others, SETTINGS)
    flat, master = capture(tmp_path / "flat", FrameType.FLAT, [sensor.expose(i, light=20000) for i in (20, 21)])
    lit = examine(flat, master, library, others, SETTINGS)

    def physical(record: Record, name: str) -> float:
        found = value_of(record.measures, name)
        assert found is not None, name
        return found.physical if found.physical is not None else found.value

    assert physical(told, "read noise") == pytest.approx(3.5, rel=0.02)
    assert physical(seen, "dark current") == pytest.approx(0.8, rel=0.02)
    assert physical(lit, "gain") == pytest.approx(0.8, rel=0.02)
    assert told.status is MasterStatus.PUBLISHED


def test_a_run_keeps_its_own_masters_in_sight(tmp_path: Path) -> None:
    """What a run has published counts for the jobs after it, in the place of what stood there."""
    shelve(tmp_path, "a/masterDark.xisf", draft(start=NOW - timedelta(days=200)))
    known = scan(tmp_path).entries
    master = shelve(tmp_path, "a/masterDark.xisf", draft(), seed=2)

    now = with_published(known, tmp_path, master, records.read(records.record_path(master)))

    assert now == [entry for entry in scan(tmp_path).entries if entry.status is MasterStatus.PUBLISHED]


def entries(library: Path) -> tuple[Entry, ...]:
    return scan(library).entries


def test_the_predecessor_is_found_in_dated_layouts_too(tmp_path: Path) -> None:
    """The newest published master of the same settings, whatever its path; not itself, not another mode."""
    for days, name in ((400, "2025"), (200, "2025_09"), (5, "later")):
        shelve(tmp_path, f"{name}/master_dark.xisf", draft(start=NOW - timedelta(days=days)))
    shelve(tmp_path, "other/gain.xisf", draft(key=key(gain=0.0), start=NOW - timedelta(days=20)))
    held = draft(start=NOW - timedelta(days=15))
    shelve(tmp_path, "held.xisf", held, status=MasterStatus.QUARANTINED)
    new = make_record(key=key(), inputs=make_inputs(start=NOW - timedelta(days=10)))

    found = predecessor(new, entries(tmp_path))

    assert found is not None
    assert found.path == "2025_09/master_dark.xisf"
    assert predecessor(new.model_copy(update={"key": key(exposure=1.0)}), entries(tmp_path)) is None
    without_bias = new.model_copy(update={"calibration": Calibration(constant=500.0)})
    assert predecessor(without_bias, entries(tmp_path)) is None


def test_drift_against_a_predecessor_in_another_folder_is_found(tmp_path: Path) -> None:
    """S0-16 holds for libraries that are filed by date."""
    shelve(tmp_path, "2025/master_dark.xisf", draft(start=NOW - timedelta(days=200)))
    new = make_record(
        key=key(),
        inputs=make_inputs(start=NOW),
        statistics=make_statistics(hot=1200, size=(24, 16)),
        master=MasterFile(name="x.xisf", width=24, height=16, channels=1),
    )

    judged = examine(new, tmp_path / "none.xisf", tmp_path, entries(tmp_path), SETTINGS)

    assert [(f.severity, f.metric) for f in judged.findings] == [("refresh", "hot pixels")]


def test_a_predecessor_whose_record_went_away_is_none(tmp_path: Path) -> None:
    """Between the scan and the look: the master is judged by itself."""
    master = shelve(tmp_path, "2025/master_dark.xisf", draft(start=NOW - timedelta(days=200)))
    known = entries(tmp_path)
    records.record_path(master).unlink()
    new = make_record(key=key(), inputs=make_inputs(start=NOW), statistics=make_statistics(hot=5000))

    assert examine(new, tmp_path / "none.xisf", tmp_path, known, SETTINGS).findings == ()
