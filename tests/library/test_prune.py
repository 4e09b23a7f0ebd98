"""Raw frames go only when nothing in use needs them, a season has passed, and they are what is on record."""

import errno
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ap_masters import images
from ap_masters import record as records
from ap_masters.errors import LibraryError
from ap_masters.files import sha256
from ap_masters.library.lock import library_lock
from ap_masters.library.prune import prune
from ap_masters.model import Keyword, MasterStatus
from ap_masters.record import Input, Record
from tests.builders import link
from tests.library.shelves import NOW, draft, keywords, shelve

SEASON = 183
LONG_AGO = NOW - timedelta(days=400)


def raws(folder: Path, count: int = 3, *, taken: datetime = LONG_AGO) -> tuple[Input, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    inputs = []
    for i in range(count):
        path = folder / f"dark é {i}.fits"
        path.write_bytes(bytes([i]) * 100)
        stat = path.stat()
        inputs.append(Input(path=path, size=100, mtime_ns=stat.st_mtime_ns, sha256=sha256(path), started=taken))
    return tuple(inputs)


def made_of(inputs: tuple[Input, ...]) -> Record:
    return draft().model_copy(update={"inputs": inputs})


def retired(tmp_path: Path, inputs: tuple[Input, ...]) -> Path:
    """A library whose master of ``inputs`` has been superseded by one of other frames."""
    library = tmp_path / "library"
    shelve(library, record=made_of(inputs), seed=1)
    shelve(library, record=made_of(()), seed=2)
    return library


def test_frames_of_superseded_masters_may_go_after_a_season(tmp_path: Path) -> None:
    """First told, then done; nothing else is touched."""
    inputs = raws(tmp_path / "raws")
    other = tmp_path / "raws" / "other.fits"
    other.write_bytes(b"not on record")
    library = retired(tmp_path, inputs)

    told = prune(library, now=NOW, season_days=SEASON)
    assert {f.path for f in told.of("droppable")} == {e.path for e in inputs}
    assert told.freed_bytes == 300
    assert all(e.path.exists() for e in inputs)

    done = prune(library, now=NOW, season_days=SEASON, apply=True)
    assert done.counts["dropped"] == 3
    assert not any(e.path.exists() for e in inputs)
    assert other.exists()


@pytest.mark.parametrize(("days", "verdict"), [(SEASON, "too young"), (SEASON + 1, "droppable")])
def test_frames_younger_than_a_season_stay(tmp_path: Path, days: int, verdict: str) -> None:
    """S0-27: on both sides of the day."""
    library = retired(tmp_path, raws(tmp_path / "raws", taken=NOW - timedelta(days=days)))

    found = prune(library, now=NOW, season_days=SEASON)

    assert found.counts[verdict] == 3


@pytest.mark.parametrize("status", [MasterStatus.PUBLISHED, MasterStatus.QUARANTINED, MasterStatus.CANDIDATE])
def test_frames_needed_for_a_rebuild_stay(tmp_path: Path, status: MasterStatus) -> None:
    """S0-27: whatever their age, as long as a master that is not superseded was made of them."""
    inputs = raws(tmp_path / "raws")
    library = tmp_path / "library"
    master = shelve(library, record=made_of(inputs), status=status)

    found = prune(library, now=NOW, season_days=SEASON, apply=True)

    assert found.counts == {"needed": 3}
    assert {frame.detail for frame in found.frames} == {f"to rebuild {master.name}"}
    assert all(e.path.exists() for e in inputs)


def test_a_frame_of_two_masters_stays_for_the_one_in_use(tmp_path: Path) -> None:
    """One retired, one published."""
    inputs = raws(tmp_path / "raws")
    library = retired(tmp_path, inputs)
    shelve(library, "other/masterDark.xisf", made_of(inputs[:1]))

    found = prune(library, now=NOW, season_days=SEASON)

    assert [f.path for f in found.of("needed")] == [inputs[0].path]
    assert len(found.of("droppable")) == 2


@pytest.mark.parametrize("apply", [False, True])
def test_a_frame_counts_once_by_however_many_names(tmp_path: Path, apply: bool) -> None:
    """Two masters were made of it, one of them under a link: it is one frame, and dropping it frees its size once."""
    inputs = raws(tmp_path / "raws")
    library = retired(tmp_path, inputs)
    linked = []
    for entry in inputs[:2]:
        name = tmp_path / f"linked {entry.path.name}"
        name.hardlink_to(entry.path)
        linked.append(entry.model_copy(update={"path": name}))
    shelve(library, "other/masterDark.xisf", made_of(tuple(linked)), seed=3)
    shelve(library, "other/masterDark.xisf", made_of(()), seed=4)

    found = prune(library, now=NOW, season_days=SEASON, apply=apply)

    assert found.counts == {"dropped" if apply else "droppable": 3}
    assert (len(found.frames), found.freed_bytes) == (5, 300)


@pytest.mark.parametrize("hashed", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("moved", [False, True])
def test_a_frame_in_use_stays_under_any_path(tmp_path: Path, hashed: tuple[bool, bool], moved: bool) -> None:
    """A link, a drive with a letter, a folder that was moved: the old record names one path, the new one another."""
    inputs = raws(tmp_path / "raws")
    elsewhere = tmp_path / "alias"
    if moved:
        (tmp_path / "raws").rename(elsewhere)
    else:
        link(elsewhere, tmp_path / "raws")
    alias = tuple(e.model_copy(update={"path": elsewhere / e.path.name}) for e in inputs)
    old, new = (
        tuple(e if is_hashed else e.model_copy(update={"sha256": None}) for e in frames)
        for is_hashed, frames in zip(hashed, (alias, inputs), strict=True)
    )
    library = retired(tmp_path, old)
    shelve(library, "other/masterDark.xisf", made_of(new))

    found = prune(library, now=NOW, season_days=SEASON, apply=True)

    assert found.of("droppable") == found.of("dropped") == ()
    assert all((elsewhere / e.path.name).exists() for e in inputs)
    assert any("the same frame as" in frame.detail for frame in found.of("needed"))


def test_frames_that_are_not_what_is_on_record_stay(tmp_path: Path) -> None:
    """Another file of the name, other bytes of the same size and time, or a file that is gone."""
    import os

    inputs = raws(tmp_path / "raws")
    library = retired(tmp_path, inputs)
    inputs[0].path.write_bytes(b"another night")
    inputs[1].path.write_bytes(b"x" * 100)
    os.utime(inputs[1].path, ns=(inputs[1].mtime_ns, inputs[1].mtime_ns))
    inputs[2].path.unlink()

    found = prune(library, now=NOW, season_days=SEASON, apply=True)

    assert found.counts == {"changed": 2, "gone": 1}


def test_nothing_goes_while_a_record_cannot_be_read(tmp_path: Path) -> None:
    """It may name any frame; a console log under that suffix does not count."""
    inputs = raws(tmp_path / "raws")
    library = retired(tmp_path, inputs)
    (library / "old.xrs").write_text("* Begin integration of 32 images\n", encoding="utf-8")
    assert prune(library, now=NOW, season_days=SEASON).counts == {"droppable": 3}

    (library / "broken.xrs").write_text('{"schema": "ap-masters/record", ', encoding="utf-8")
    found = prune(library, now=NOW, season_days=SEASON, apply=True)

    assert found.counts == {"needed": 3}
    assert found.unreadable == ("broken.xrs",)
    assert all(e.path.exists() for e in inputs)


@pytest.mark.parametrize("damage", [b"", bytes(4096), b"\xff\xfe" + bytes(100)], ids=["empty", "zeros", "utf-16 zeros"])
def test_what_is_left_of_a_record_is_no_log(tmp_path: Path, damage: bytes) -> None:
    """A power cut leaves empty files and holes: such a record may have named any frame."""
    inputs = raws(tmp_path / "raws")
    library = retired(tmp_path, inputs)
    (library / "broken.xrs").write_bytes(damage)

    found = prune(library, now=NOW, season_days=SEASON, apply=True)

    assert found.counts == {"needed": 3}
    assert found.exit_code == 8


def test_a_record_that_cannot_be_opened_is_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that drops out: what it would name stays."""
    library = retired(tmp_path, raws(tmp_path / "raws"))
    (library / "broken.xrs").touch()
    opened = Path.open

    def lost(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "broken.xrs":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", lost)

    found = prune(library, now=NOW, season_days=SEASON)

    assert (found.counts, found.unreadable) == ({"needed": 3}, ("broken.xrs",))


def test_a_log_saved_as_utf_16_is_no_record(tmp_path: Path) -> None:
    """It stands in the way of nothing."""
    library = retired(tmp_path, raws(tmp_path / "raws"))
    (library / "old.xrs").write_text("* Begin integration of 32 images\n", encoding="utf-16")

    found = prune(library, now=NOW, season_days=SEASON)

    assert (found.counts, found.exit_code) == ({"droppable": 3}, 0)


def test_a_master_of_ours_without_its_record_may_need_any_frame(tmp_path: Path) -> None:
    """A rebuild superseded the old master of these frames; then the new one's record was lost."""
    inputs = raws(tmp_path / "raws")
    library = tmp_path / "library"
    shelve(library, record=made_of(inputs), seed=1)
    new = shelve(library, record=made_of(inputs), seed=2)
    _, pixels = images.read_image(new)
    sign = Keyword("SWCREATE", "ap-masters 0.1.0")
    images.write_image(new, pixels, (*keywords(draft()), sign), image_type="MasterDark")
    records.record_path(new).unlink()

    found = prune(library, now=NOW, season_days=SEASON, apply=True)

    assert found.counts == {"needed": 3}
    assert found.unreadable == (new.relative_to(library).as_posix(),)


def test_frames_are_not_dropped_while_a_build_is_at_work(tmp_path: Path) -> None:
    """It may be reading them this very moment."""
    library = retired(tmp_path, raws(tmp_path / "raws"))

    with (
        library_lock(library),
        pytest.raises(LibraryError, match="another ap-masters"),
    ):
        prune(library, now=NOW, season_days=SEASON, apply=True, patience=0.05)


def test_a_record_that_lost_its_master_still_keeps_its_frames(tmp_path: Path) -> None:
    """They are all that is left to build it again."""
    inputs = raws(tmp_path / "raws")
    library = tmp_path / "library"
    shelve(library, record=made_of(inputs)).unlink()

    assert prune(library, now=NOW, season_days=SEASON).counts == {"needed": 3}
    assert records.read(library / "master/masterDark é 300.xrs").status is MasterStatus.PUBLISHED


def test_frames_that_another_library_needs_stay_where_it_is_named(tmp_path: Path) -> None:
    """What masters elsewhere were made of nobody knows who was not told of them."""
    inputs = raws(tmp_path / "raws")
    library, other = retired(tmp_path, inputs), tmp_path / "other"
    shelve(other, record=made_of(inputs[:2]))

    assert len(prune(library, now=NOW, season_days=SEASON).of("droppable")) == 3

    done = prune(library, now=NOW, season_days=SEASON, others=[other], apply=True)
    assert [frame.path for frame in done.of("dropped")] == [inputs[2].path]
    assert [entry.path.exists() for entry in inputs] == [True, True, False]


def test_a_record_of_another_library_that_cannot_be_read_keeps_everything(tmp_path: Path) -> None:
    """As one of its own."""
    library, other = retired(tmp_path, raws(tmp_path / "raws")), tmp_path / "other"
    records.record_path(shelve(other)).write_text("{", encoding="utf-8")

    told = prune(library, now=NOW, season_days=SEASON, others=[other])

    assert told.of("droppable") == ()
    assert told.exit_code == 8
