"""Masters of any origin come into the library as verified copies; the source is only read."""

import errno
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ap_masters import record as records
from ap_masters.config import QualitySettings
from ap_masters.errors import LibraryError
from ap_masters.files import sha256
from ap_masters.images import write_image
from ap_masters.library import store
from ap_masters.library.audit import audit
from ap_masters.library.importing import ImportReport, import_masters
from ap_masters.library.scan import scan
from ap_masters.model import FrameType, Keyword, MasterStatus
from ap_masters.record import Record
from tests.builders import noisy, write_frame
from tests.library.shelves import NOW, draft, key, record_of, shelve, tree, write_pixels

LATER = NOW + timedelta(days=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What a user of another program has: masters, a raw frame, a text."""
    folder = tmp_path / "old masters é"
    write_pixels(folder / "2025/MasterDark_300s.xisf", draft())
    write_pixels(folder / "bias/MasterBias.fits", draft(FrameType.BIAS))
    write_pixels(folder / "flats/MasterFlat_L.fits", draft(FrameType.FLAT))
    (folder / "readme.txt").write_text("mine", encoding="utf-8")
    return folder


def done(report: ImportReport) -> dict[str, tuple[str, str | None]]:
    return {item.source.name: (item.action, item.output) for item in report.items}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(source: Path, tmp_path: Path) -> None:
    """Neither the library nor the source is written to."""
    before, library = tree(source), tmp_path / "library"

    report = import_masters(source, library, layout="anawbpps", now=LATER)

    assert [(item.action, item.source.name) for item in report.items] == [
        ("import", "MasterDark_300s.xisf"),
        ("import", "MasterBias.fits"),
        ("import", "MasterFlat_L.fits"),
    ]
    assert report.items[0].output is not None
    assert report.items[0].output.startswith("!!!DARKS_LIB/")
    assert not report.applied
    assert not library.exists()
    assert tree(source) == before
    assert not (source / ".ap-masters").exists()


def test_a_point_in_a_name_begins_no_suffix(source: Path, tmp_path: Path) -> None:
    """Temperatures and exposures have decimals."""
    (dark,) = source.rglob("MasterDark_300s.xisf")
    dark.rename(dark.with_name("MasterDark_-10.5C.xisf"))

    outputs = [item.output for item in import_masters(source, tmp_path / "library", layout="siril", now=LATER).items]

    assert {Path(output or "").suffix for output in outputs} == {".xisf", ".fits"}
    assert not any(".5C" in (output or "") for output in outputs)


def test_masters_are_copied_verified_and_recorded(source: Path, tmp_path: Path) -> None:
    """Each stands in the library with the same bytes and a record of what is known; the source is as it was."""
    before, library = tree(source), tmp_path / "library"

    report = import_masters(source, library, now=LATER, apply=True)

    assert (report.count("imported"), report.exit_code) == (3, 0)
    assert tree(source) == before
    for name in ("2025/MasterDark_300s.xisf", "bias/MasterBias.fits", "flats/MasterFlat_L.fits"):
        assert (library / name).read_bytes() == before[name]
        record = record_of(library / name)
        assert record.master.sha256 == sha256(library / name)
        assert record.history[0].reason == f"imported, was {Path(name).name}"
        assert record.decisions[0].verdict == "unknown"
        assert record.grade is None, "no policy was asked how many frames another program should have taken"
    assert {f.kind for f in audit(library).faults} <= {"missing keyword"}
    assert {e.status for e in scan(library).entries} == {MasterStatus.PUBLISHED}
    assert {(e.frames, str(e.started)) for e in scan(library).entries} == {(32, "2026-03-10 21:00:00+00:00")}


def test_importing_twice_adds_nothing(source: Path, tmp_path: Path) -> None:
    """Masters whose bytes are there already are told so, wherever they are filed."""
    library = tmp_path / "library"
    import_masters(source, library, now=LATER, apply=True)
    before = tree(library)

    again = import_masters(source, library, layout="siril", now=LATER, apply=True)

    assert again.count("already there") == 3
    assert tree(library) == before


def test_what_a_killed_import_has_left_is_cleared_away(source: Path, tmp_path: Path) -> None:
    """A copy that was never published is as large as a master."""
    library = tmp_path / "library"
    left = store.work_folder(library, "import-20260301_200000") / "MasterDark_300s.xisf"
    left.write_bytes(b"half")

    import_masters(source, library, now=LATER, apply=True)

    assert not left.exists()


def test_a_library_without_room_is_told_with_what_to_do(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file in the making its name would tell nothing, and the source is as it was."""
    before = tree(source)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        report = import_masters(source, tmp_path / "library", now=LATER, apply=True)

    assert {(item.action, item.detail) for item in report.items} == {
        ("failed", "No space left on device: look at this file, and at the library's free space and permissions")
    }
    assert (report.exit_code, tree(source)) == (8, before)


def test_a_record_comes_along(tmp_path: Path) -> None:
    """From another library of ours: inputs, measures and history are kept; what is out of use there is not taken."""
    other, library = tmp_path / "other", tmp_path / "library"
    shelve(other, "darks/masterDark.xisf", seed=1)
    shelve(other, "darks/masterDark.xisf", seed=2)
    shelve(other, "darks/bad.xisf", status=MasterStatus.QUARANTINED)

    report = import_masters(other, library, now=LATER, apply=True)

    assert sorted(item.action for item in report.items) == ["imported", "refused", "refused"]
    record = record_of(library / "darks/masterDark.xisf")
    assert len(record.inputs) == 32
    assert record.supersedes is None
    assert [e.reason for e in record.history] == ["built", "imported, was masterDark.xisf"]


def test_nothing_in_the_library_is_replaced(source: Path, tmp_path: Path) -> None:
    """A master that stands in the way stays; so do two sources that would be filed as one."""
    library = tmp_path / "library"
    shelve(library, "2025/MasterDark_300s.xisf", seed=5)
    before = tree(library)

    report = import_masters(source, library, now=LATER, apply=True)

    assert done(report)["MasterDark_300s.xisf"] == ("conflict", "2025/MasterDark_300s.xisf")
    assert before.items() <= tree(library).items()
    assert report.exit_code == 8

    write_pixels(source / "again/MasterDark_300s.xisf", draft(), seed=9)
    twins = import_masters(source, tmp_path / "new", layout="ap", now=LATER)
    assert sorted(item.action for item in twins.items).count("conflict") == 1


def test_of_equal_files_the_original_is_taken(tmp_path: Path) -> None:
    """A file manager's copy sorts before the file itself, or stands in an earlier folder."""
    master = write_pixels(tmp_path / "old" / "master.fits", draft())
    for name in ("copy of master.fits", "a/master - Kopie.fits"):
        (tmp_path / "old" / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(master, tmp_path / "old" / name)

    report = import_masters(tmp_path / "old", tmp_path / "library", now=LATER)

    assert {item.source.name: (item.action, item.detail) for item in report.items} == {
        "master.fits": ("import", ""),
        "copy of master.fits": ("already there", "the same as master.fits"),
        "master - Kopie.fits": ("already there", "the same as master.fits"),
    }


def test_what_is_no_master_is_refused_with_the_reason(source: Path, tmp_path: Path) -> None:
    """A broken file, one without a type, and frames as they came from the camera."""
    (source / "broken.fits").write_bytes(b"SIMPLE  = nonsense")
    write_frame(source / "x.fits", IMAGETYP=None)
    for number in (1, 2):
        write_frame(source / f"dark_{number}.fits", noisy(number), IMAGETYP="DARK")
    write_frame(source / "masterLight_L.fits", noisy(3), IMAGETYP="Master Light")

    report = import_masters(source, tmp_path / "library", now=LATER, apply=True)

    refused = {item.source.name: item.detail for item in report.items if item.action == "refused"}
    assert set(refused) == {"broken.fits", "x.fits", "dark_1.fits", "dark_2.fits", "masterLight_L.fits"}
    assert all(refused.values())


def test_masters_of_16_bits_are_taken(tmp_path: Path) -> None:
    """PULSAR's are, and neither header nor name says what they are; but there is one of each in a folder.

    Each may be a frame all the same: record, audit and, by the warnings of the record, matching go on to say so.
    """
    for seed, day in enumerate(("2024_05_20", "2024_06_20")):
        path = tmp_path / "old" / day / "dark120s.fit"
        write_frame(path, noisy(seed), IMAGETYP="DARK", EXPTIME=120.0, EXPOSURE=120.0)

    library = tmp_path / "library"

    report = import_masters(tmp_path / "old", library, now=LATER, apply=True)

    assert [item.action for item in report.items] == ["imported", "imported"]
    assert all("is it one, and no single frame?" in item.detail for item in report.items)
    assert all("it may be a single frame" in entry.warnings[-1] for entry in scan(library).entries)
    assert sum("it may be a single frame" in fault.detail for fault in audit(library).faults) == 2


def test_a_damaged_master_is_not_taken(tmp_path: Path) -> None:
    """Its record knows better."""
    other = tmp_path / "other"
    master = shelve(other, "masterDark.xisf")
    data = bytearray(master.read_bytes())
    data[-1] ^= 1
    master.write_bytes(data)

    report = import_masters(other, tmp_path / "library", now=LATER, apply=True)

    (item,) = report.items
    assert item.action == "failed"
    assert "bytes" in item.detail
    assert list((tmp_path / "library").rglob("*.xisf")) == []


def test_a_master_that_cannot_be_right_goes_to_quarantine(tmp_path: Path) -> None:
    """The gate looks at imported masters too: a dark at half of full scale."""
    from ap_masters import images
    from tests.library.shelves import keywords

    record = draft()
    path = tmp_path / "old" / "MasterDark_300s.fits"
    path.parent.mkdir()
    images.write_image(path, np.full((16, 24), 0.5, np.float32), keywords(record), image_type="MasterDark")

    library, open_ = tmp_path / "library", QualitySettings(gate=False)
    report = import_masters(tmp_path / "old", library, now=LATER, apply=True)
    ungated = import_masters(tmp_path / "old", tmp_path / "other", now=LATER, apply=True, quality=open_)

    assert done(report) == {"MasterDark_300s.fits": ("quarantined", "quarantine/MasterDark_300s.fits")}
    assert "lit" in report.items[0].detail
    assert report.exit_code == 8
    assert done(ungated) == {"MasterDark_300s.fits": ("imported", "MasterDark_300s.fits")}


def test_one_of_two_copies_is_taken(tmp_path: Path) -> None:
    """As people keep them before they change something; by content, whatever the folder is called."""
    source = tmp_path / "WBPP"
    shelve(source / "master", "masterDark.xisf")
    shutil.copytree(source / "master", source / "old")

    report = import_masters(source, tmp_path / "library", now=LATER, apply=True)

    assert [(item.action, item.detail) for item in report.items] == [
        ("imported", ""),
        ("already there", "the same as master/masterDark.xisf"),
    ]


def test_a_source_in_the_library_or_nowhere_is_refused(tmp_path: Path) -> None:
    """There is nothing to take from either."""
    shelve(tmp_path / "library", "a/masterDark.xisf", draft(key=key(exposure=1.0)))

    with pytest.raises(LibraryError, match="there already"):
        import_masters(tmp_path / "library/a", tmp_path / "library", now=LATER)
    with pytest.raises(LibraryError, match="no such folder"):
        import_masters(tmp_path / "nothing", tmp_path / "library", now=LATER)


def test_records_are_written_under_the_suffix_of_the_settings(source: Path, tmp_path: Path) -> None:
    """Users of ``.log`` get ``.log``."""
    import_masters(source, tmp_path / "library", now=LATER, apply=True, suffix=".log")

    assert records.read(tmp_path / "library/bias/MasterBias.log").key.type is FrameType.BIAS


# --- what a path tells ------------------------------------------------------------------------------------------


def silent(path: Path, kind: str = "MasterDark", **told: Any) -> Path:
    """Write a master with the header that PixInsight leaves, and what is ``told`` besides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    level = 25000 if kind == "MasterFlat" else 500
    pixels = (noisy(len(path.as_posix()), level=level) / 65535).astype(np.float32)
    cards: dict[str, Any] = {
        "IMAGETYP": f"Master {kind[6:]}",
        "INSTRUME": "ZWO ASI2600MM Pro",
        "XBINNING": 1,
        "YBINNING": 1,
    } | told
    keywords = tuple(Keyword(name.replace("_", "-"), value) for name, value in cards.items() if value is not None)
    write_image(path, pixels, keywords, image_type=kind)
    return path


def imported(source: Path, library: Path, layout: str | None = None) -> dict[str, Record]:
    """Import everything, and return the records by the path in the source."""
    report = import_masters(source, library, layout=layout, now=LATER, apply=True)

    assert {item.action for item in report.items} == {"imported"}, report.items
    return {i.source.relative_to(source).as_posix(): record_of(library / (i.output or "")) for i in report.items}


@pytest.mark.parametrize("layout", [None, "playbook", "siril"])
def test_what_headers_leave_out_is_read_from_the_path(tmp_path: Path, layout: str | None) -> None:
    """S0-25, S2-60: exposure, set-point, gain, offset and date stand in the folders; each says where it came from."""
    source = tmp_path / "pbs"
    long, short = (
        "darks/300s_-10_g100_o50/master_dark_2025-09-05.fits",
        "darks/120s_-10_g0_o50/master_dark_2025-09-05.fits",
    )
    silent(source / long)
    silent(source / short)

    records_ = imported(source, tmp_path / "library", layout)

    told = records_[long].key
    assert (told.exposure, told.temperature, told.gain, told.offset) == (300.0, -10.0, 100.0, 50.0)
    assert (records_[short].key.exposure, records_[short].key.gain) == (120.0, 0.0)
    assert str(records_[long].started) == "2025-09-05 12:00:00+00:00"
    reasons = {d.subject: d.reason for d in records_[long].decisions}
    assert "layout 'playbook'" in reasons["exposure"]
    assert reasons["camera"] == "keyword INSTRUME"
    assert not records_[long].warnings
    if layout == "playbook":
        assert (tmp_path / "library" / long).exists()


def test_pulsars_names_tell_exposure_and_filter(tmp_path: Path) -> None:
    """S3-09, S3-16: in dated folders, and without them where a name can be nothing else."""
    source = tmp_path / "pulsar"
    silent(source / "2025_09_05/dark120s.fit")
    silent(source / "2025_09_05/dark500ms.fit")
    silent(source / "2025_09_05/flat_l.fit", "MasterFlat")
    silent(source / "flat_ha.fit", "MasterFlat")
    silent(source / "flat_2.fit", "MasterFlat")

    told = imported(source, tmp_path / "library")

    assert told["2025_09_05/dark120s.fit"].key.exposure == 120.0
    assert told["2025_09_05/dark500ms.fit"].key.exposure == 0.5
    assert (told["2025_09_05/flat_l.fit"].key.filter, str(told["2025_09_05/flat_l.fit"].key.night)) == (
        "l",
        "2025-09-05",
    )
    assert told["flat_ha.fit"].key.filter == "ha"
    assert told["flat_2.fit"].key.filter is None


@pytest.mark.parametrize(
    ("setup", "told", "telescope", "camera"),
    [
        ("RedCat51_ASI2600MM", {"INSTRUME": None}, "RedCat51", "ASI2600MM"),
        ("Edge_HD_8__ZWO_ASI2600MM_Pro", {}, "Edge_HD_8_", "ZWO ASI2600MM Pro"),
        ("RedCat_51_ZWO_ASI2600MM_Pro", {"TELESCOP": "RedCat 51", "INSTRUME": None}, "RedCat 51", "ZWO_ASI2600MM_Pro"),
        ("RedCat_51_ZWO_ASI2600MM_Pro", {"INSTRUME": None}, None, None),
        ("NO_TELESCOPE_ASI2600MM", {"INSTRUME": None}, None, "ASI2600MM"),
    ],
)
def test_anawbpps_folders_tell_telescope_camera_and_date(
    tmp_path: Path, setup: str, told: dict[str, Any], telescope: str | None, camera: str | None
) -> None:
    """S2-33: {SETUP} is telescope and camera; where one ends the header tells, or there is one ``_`` in it."""
    name = f"!!!DARKS_LIB/{setup}/DARKS_2025_09_05/{setup}_MasterDark_300s_Gain56_Offset10_1x1_-10C.fits"
    silent(tmp_path / "old" / name, **told)

    record = imported(tmp_path / "old", tmp_path / "library")[name]

    assert (record.telescope, record.key.camera) == (telescope, camera)
    assert (record.key.exposure, record.key.gain, record.key.offset, record.key.temperature) == (300, 56, 10, -10)
    assert str(record.started) == "2025-09-05 12:00:00+00:00"


def test_the_header_holds_where_the_path_contradicts_it(tmp_path: Path) -> None:
    """And the record says so, once."""
    source, name = tmp_path / "old", "darks/300s_-10_g100_o50/master_dark_2025-09-05.fits"
    silent(source / name, EXPTIME=600.0, GAIN=100, DATE_OBS="2024-01-01T20:00:00")

    record = imported(source, tmp_path / "library")[name]

    assert (record.key.exposure, str(record.started)) == (600.0, "2024-01-01 20:00:00+00:00")
    assert sorted(w.partition(",")[0] for w in record.warnings if "300" in w) == [
        "the folder says exposure 300 ('300s')"
    ]
    assert [w for w in record.warnings if "date" in w] == [
        "folders and name, as layout 'playbook' has them, say date 2025-09-05, the header says 2024-01-01"
    ]


def test_a_path_of_another_type_tells_nothing(tmp_path: Path) -> None:
    """A flat among the darks is not given their exposure."""
    source, name = tmp_path / "old", "darks/300s_-10_g100_o50/master_dark_2025-09-05.fits"
    silent(source / name, "MasterFlat", FILTER="L")

    assert imported(source, tmp_path / "library")[name].key.gain is None


def test_darks_keep_their_telescope(tmp_path: Path) -> None:
    """S2-61: whoever has folders by telescope finds an imported dark where a build would file it."""
    silent(
        tmp_path / "old" / "MasterDark_300s_Gain56_Offset10_-10C.fits",
        TELESCOP="RedCat 51",
        DATE_OBS="2026-03-10T02:00:00",
    )

    report = import_masters(tmp_path / "old", tmp_path / "library", layout="anawbpps", now=LATER)

    (item,) = report.items
    assert item.output is not None
    assert item.output.startswith("!!!DARKS_LIB/RedCat_51_ZWO_ASI2600MM_Pro/DARKS_2026_03_09/")
