"""Masters that a script made by hand: nobody has looked at them yet, so they are proved, measured and judged here."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ap_masters import images
from ap_masters import record as records
from ap_masters.config import Settings
from ap_masters.engines.history import FrameHistory, read_history
from ap_masters.errors import ImageError, LibraryError, RecordError
from ap_masters.files import sha256
from ap_masters.images.scale import white
from ap_masters.library.examine import examine
from ap_masters.library.scan import scan
from ap_masters.model import Calibration, CalibrationMaster, FrameOutcome, ImageInfo
from ap_masters.quality.sanity import insane
from ap_masters.record import Input, Record
from ap_masters.stamps import without_stamp


def proved(record: Record, master: Path, library: Path, settings: Settings) -> Record:
    """Return the record with what the master shows: size, checksum, statistics, levels, measures and findings.

    Raises LibraryError where the file is no whole image of the size on record, or its samples are not sane: that
    a script said it was saved proves nothing.
    """
    from ap_masters.engines.statistics import measure  # numpy, which no other change by hand needs

    full = white(record.master.scale)
    try:
        info = images.read_info(master)
        statistics = measure(master, scale=full)
    except ImageError as error:
        raise _refusal(master, error.what) from error
    calibrated = record.calibration is not None
    if reason := _wrong_size(record, info) or insane(statistics, full_scale=full, calibrated=calibrated):
        raise _refusal(master, reason)
    history = read_history(info.keywords)
    file = record.master.model_copy(update={"size": master.stat().st_size, "sha256": sha256(master)})
    told = record.model_copy(
        update={
            "master": file,
            "statistics": statistics,
            "inputs": _with_levels(record.inputs, history.frames),
            "calibration": _with_checksums(record),
        }
    )
    return examine(told, master, library, scan(library).entries, settings)


def _refusal(master: Path, reason: str) -> LibraryError:
    return LibraryError(f"{master}: {reason}. It cannot be published: build it again")


def _wrong_size(record: Record, info: ImageInfo) -> str | None:
    wanted = (record.master.width, record.master.height, record.master.channels)
    got = (info.width, info.height, info.channels)
    return None if got == wanted else "the master is {}x{}x{}, its record says {}x{}x{}".format(*got, *wanted)


def _with_checksums(record: Record) -> Calibration | None:
    """Return what was subtracted with its checksums, which a script cannot take, and where that stands now."""
    chosen = record.calibration
    if chosen is None:
        return None
    known = {
        name: master if master is None or master.sha256 else _known(master, record)
        for name, master in (("bias", chosen.bias), ("dark", chosen.dark))
    }
    return chosen.model_copy(update=known)


def _known(master: CalibrationMaster, record: Record) -> CalibrationMaster:
    """Return a master with its checksum, as it is where nothing stands there any more.

    One that the same script made beside an older one has taken that one's place where it was published first: the log
    in its record, that of one run of a script, tells.
    """
    home = master.path.with_name(without_stamp(master.path.stem) + master.path.suffix)
    path = next((place for place in (master.path, home) if place.is_file()), None)
    if path is None or (path != master.path and _log_of(path) != record.log):
        return master
    return master.model_copy(update={"path": path, "sha256": sha256(path)})


def _log_of(master: Path) -> str | None:
    for suffix in records.SUFFIXES:
        with suppress(RecordError):
            return records.read(records.record_path(master, suffix)).log
    return None


def _with_levels(inputs: Sequence[Input], told: Sequence[FrameHistory]) -> tuple[Input, ...]:
    """Return the inputs with the level and scale that the master's HISTORY tells of each."""
    if len(told) != len(inputs):
        return tuple(inputs)
    return tuple(
        entry.model_copy(
            update={
                "outcome": (entry.outcome or FrameOutcome(path=entry.path)).model_copy(
                    update={"level": frame.location, "scale": frame.scale}
                )
            }
        )
        for entry, frame in zip(inputs, told, strict=True)
    )
