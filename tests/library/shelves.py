"""Libraries for tests: small masters with records, filed as a build files them."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ap_masters import images
from ap_masters import record as records
from ap_masters.config import QualitySettings
from ap_masters.library import store
from ap_masters.model import QUARANTINE, FrameType, Keyword, MasterStatus
from ap_masters.quality import judge
from ap_masters.record import MasterFile, Record
from tests.quality.seasons import make_inputs, make_key, make_record, make_statistics

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
SIZE = (24, 16)  # width, height
IMAGE_TYPE = {
    FrameType.BIAS: "MasterBias",
    FrameType.DARK: "MasterDark",
    FrameType.DARK_FLAT: "MasterDark",
    FrameType.FLAT: "MasterFlat",
}


def key(frame_type: FrameType = FrameType.DARK, **changes: Any) -> Any:
    """Return a key with the size of the test masters."""
    return make_key(frame_type, width=SIZE[0], height=SIZE[1], **changes)


def draft(
    frame_type: FrameType = FrameType.DARK, *, start: datetime = NOW - timedelta(days=10), **changes: Any
) -> Record:
    """Return a judged record of a master of 32 frames taken at ``start``."""
    fields: dict[str, Any] = {
        "key": key(frame_type),
        "master": MasterFile(name="x.xisf", width=SIZE[0], height=SIZE[1], channels=1),
        "inputs": make_inputs(start=start),
        "created": start + timedelta(hours=5),
        "statistics": make_statistics(size=SIZE, median=25000.0 if frame_type is FrameType.FLAT else 500.0),
        "log": "logs/20260301_200000.log",
        "capture": "N.I.N.A. 3.2.0.9001 (x64)",
    }
    return judge(make_record(frame_type, **(fields | changes)), None, QualitySettings())


def keywords(record: Record) -> tuple[Keyword, ...]:
    """Return the keywords a master of ours carries, as far as these tests look at them."""
    k = record.key
    cards = {
        "IMAGETYP": f"Master {k.type}".title(),
        "INSTRUME": k.camera,
        "GAIN": k.gain,
        "OFFSET": k.offset,
        "EXPTIME": k.exposure or 0.0,
        "SET-TEMP": k.temperature,
        "CCD-TEMP": k.temperature,
        "XBINNING": k.x_binning,
        "YBINNING": k.y_binning,
        "READOUTM": k.readout_mode,
        "FILTER": k.filter,
        "TELESCOP": k.telescope,
        "NCOMBINE": len(record.inputs) or 30,
        "DATE-OBS": "2026-03-10T21:00:00",
    }
    return tuple(Keyword(name, value) for name, value in cards.items() if value is not None)


def write_pixels(path: Path, record: Record, *, seed: int = 0) -> Path:
    """Write a small master; another seed makes other bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(random.Random(f"{path.name}{seed}").getrandbits(32))
    level = 25000 if record.key.type is FrameType.FLAT else 500
    pixels = (rng.normal(level, 2.5, SIZE[::-1]) / 65535).astype(np.float32)
    images.write_image(path, pixels, keywords(record), image_type=IMAGE_TYPE[record.key.type])
    return path


def shelve(
    library: Path,
    output: str = "master/masterDark é 300.xisf",
    record: Record | None = None,
    *,
    now: datetime = NOW,
    seed: int = 0,
    status: MasterStatus | None = None,
) -> Path:
    """Publish a master into ``library`` as a build does; return where it stands."""
    told = record or draft()
    if status is not None:
        told = told.model_copy(update={"status": status})
    work = store.work_folder(library, f"test{random.getrandbits(60)}")
    master = write_pixels(work / Path(output).name, told, seed=seed)
    place = Path(output)
    if told.status is MasterStatus.QUARANTINED:
        place = QUARANTINE / place
    target = store.publish(master, told, library, place, now=now)
    store.clear(library / store.WORK)
    return target


def record_of(master: Path) -> Record:
    """Return the record beside a master."""
    return records.read(records.record_path(master))


def tree(root: Path) -> dict[str, bytes]:
    """Return every file below a library or its mirror, without housekeeping."""
    files = (p for p in root.rglob("*") if p.is_file() and ".ap-masters" not in p.parts)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}
