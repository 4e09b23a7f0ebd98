"""A master that a script made by hand is a candidate: before it serves it is proved, measured and judged."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ap_masters import images
from ap_masters import record as records
from ap_masters.errors import LibraryError
from ap_masters.files import sha256
from ap_masters.library import status
from ap_masters.library.scan import scan
from ap_masters.model import Keyword, MasterStatus
from ap_masters.quality import value_of
from tests.library.shelves import NOW, SIZE, draft, keywords, record_of, shelve, write_pixels

LATER = NOW + timedelta(days=1)
OUTPUT = "master/masterDark é 300.xisf"
UNPROVED: dict[str, Any] = {"statistics": None, "measures": (), "findings": (), "status": MasterStatus.CANDIDATE}


def candidate(library: Path, output: str = OUTPUT, *, level: float | None = None) -> Path:
    """Leave a master and its record as a script does that a user has run: nothing of it is measured."""
    master = library / output
    record = draft().model_copy(update=UNPROVED)
    record = record.model_copy(update={"master": record.master.model_copy(update={"name": master.name})})
    write_pixels(master, record)
    if level is not None:
        pixels = np.full(SIZE[::-1], level, np.float32)
        pixels[0, 0] *= 1.01  # samples of one value alone are no master
        images.write_image(master, pixels, keywords(record), image_type="MasterDark")
    records.write(record, records.record_path(master))
    return master


def test_a_candidate_is_measured_when_it_is_published(tmp_path: Path) -> None:
    """Its record then says what a build's says: size, checksum, statistics, measures and findings."""
    master = candidate(tmp_path)

    status.publish(tmp_path, master, "made by hand", now=LATER)

    record = record_of(master)
    assert record.status is MasterStatus.PUBLISHED
    assert record.master.sha256 == sha256(master)
    assert record.master.size == master.stat().st_size
    median = value_of(record.measures, "median")
    assert median is not None
    assert median.value == pytest.approx(500, abs=2)
    assert scan(tmp_path).entries[0].value("median") == median.value


@pytest.mark.parametrize(("told", "levels"), [(32, [0.01, 0.02]), (31, [None, None])], ids=["of all", "of fewer"])
def test_the_history_of_a_candidate_tells_the_levels_of_its_frames(
    tmp_path: Path, told: int, levels: list[float | None]
) -> None:
    """A script cannot measure them; ImageIntegration has, and writes them into the master, in the frames' order."""
    master = candidate(tmp_path)
    record = record_of(master)
    silent = tuple(entry.model_copy(update={"outcome": None}) for entry in record.inputs)
    records.write(record.model_copy(update={"inputs": silent}), records.record_path(master))
    lines = (f"ImageIntegration.locationEstimates_{i}: {0.01 * (i + 1):e}" for i in range(told))
    history = (Keyword("HISTORY", None, line) for line in lines)
    info, pixels = images.read_image(master)
    images.write_image(master, pixels, (*info.keywords, *history), image_type="MasterDark")

    status.publish(tmp_path, master, "made by hand", now=LATER)

    outcomes = [entry.outcome for entry in record_of(master).inputs[:2]]
    assert [outcome and outcome.level for outcome in outcomes] == levels


def test_what_speaks_against_a_candidate_is_told_and_kept(tmp_path: Path) -> None:
    """The user decides, and the record keeps what the check has found."""
    master = candidate(tmp_path, level=0.4)

    change = status.publish(tmp_path, master, "I know that it is lit", now=LATER)

    assert change.status is MasterStatus.PUBLISHED
    assert any("lit" in finding for finding in change.findings)
    assert any(f.severity == "refuse" for f in record_of(master).findings)


@pytest.mark.parametrize("damage", ["half", "nothing", "text"])
def test_a_candidate_that_is_no_whole_image_is_not_published(tmp_path: Path, damage: str) -> None:
    """That a script said it was saved is no proof."""
    master = candidate(tmp_path)
    data = master.read_bytes()
    master.write_bytes({"half": data[:-100], "nothing": b"", "text": b"no image at all"}[damage])

    with pytest.raises(LibraryError, match="build it again"):
        status.publish(tmp_path, master, "fine by me", now=LATER)
    assert record_of(master).status is MasterStatus.CANDIDATE


@pytest.mark.parametrize(("level", "words"), [(0.0, "empty"), (float("nan"), "not finite"), (2.5, "beyond full scale")])
def test_a_candidate_without_sane_samples_is_not_published(tmp_path: Path, level: float, words: str) -> None:
    """Neither all zeros, nor what is no number, nor what is brighter than white: as a build has it."""
    master = candidate(tmp_path, level=level)

    with pytest.raises(LibraryError, match=words):
        status.publish(tmp_path, master, "fine by me", now=LATER)


def test_a_candidate_of_another_size_than_its_record_says_is_not_published(tmp_path: Path) -> None:
    """It is not what the script made."""
    master = candidate(tmp_path)
    images.write_image(master, np.full((8, 8), 0.01, np.float32), keywords(draft()), image_type="MasterDark")

    with pytest.raises(LibraryError, match="8x8"):
        status.publish(tmp_path, master, "fine by me", now=LATER)


def test_a_candidate_takes_the_place_of_the_master_it_was_made_beside(tmp_path: Path) -> None:
    """A script never overwrites: its name has a time. Published, it stands where matching and builds expect it."""
    old = shelve(tmp_path, OUTPUT, seed=1).read_bytes()
    new = candidate(tmp_path, OUTPUT.replace(".xisf", "_20260320_120000.xisf"))
    data = new.read_bytes()

    change = status.publish(tmp_path, new, "made by hand", now=LATER)

    assert change.path == OUTPUT
    assert (tmp_path / OUTPUT).read_bytes() == data
    assert change.superseded is not None
    assert (tmp_path / change.superseded).read_bytes() == old
    assert not new.exists()
    assert not records.record_path(new).exists()


def test_a_candidate_whose_own_name_has_a_time_stays_where_it_is(tmp_path: Path) -> None:
    """Nothing stands under the name without it, or something else does."""
    stamped = OUTPUT.replace(".xisf", "_20260320_120000.xisf")
    master = candidate(tmp_path, stamped)

    assert status.publish(tmp_path, master, "made by hand", now=LATER).path == stamped
