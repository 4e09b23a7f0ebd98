"""The library commands: what they print, write and answer to a scheduler."""

import json
import shutil
from pathlib import Path

import pytest

from tests.builders import write_frame
from tests.cli.conftest import Run
from tests.nights import shoot
from tests.refusals import hold


@pytest.fixture
def library(small_library: Path, tmp_path: Path) -> Path:
    """A library of one's own to change: six masters."""
    return Path(shutil.copytree(small_library, tmp_path / "my library"))


def bias(library: Path) -> Path:
    (path,) = (library / "master").glob("masterBias*.xisf")
    return path


def test_index_writes_both_files(run: Run, library: Path) -> None:
    """Where --path says, and JSON in the library."""
    done = run("library", "index", library, "--path", "ops/calibration-index.md")

    assert done.code == 0
    assert "masterBias" in (library / "ops" / "calibration-index.md").read_text(encoding="utf-8")
    assert len(json.loads((library / "calibration-index.json").read_text(encoding="utf-8"))["masters"]) == 6


def test_no_answer_replaces_what_is_kept(run: Run, library: Path, small_night: Path) -> None:
    """A record, settings and what a library keeps for itself stay, whatever name an answer is given.

    A record may end in .log (library.record_suffix): it is known by what it says.
    """
    record = bias(library).with_suffix(".xrs")
    as_log = Path(shutil.copy(record, record.with_suffix(".log")))
    settings, kept = library / "ap-masters.toml", library / ".ap-masters" / "notes.json"
    settings.write_text("[library]\n", encoding="utf-8")
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("{}", encoding="utf-8")
    for path in (record, as_log, settings, kept):
        before = path.read_bytes()
        for words in (
            ("library", "index", library, "--path", path),
            ("library", "validate", library, small_night, "--csv", path),
            ("report", library, "--output", path, "--overwrite"),
        ):
            refused = run(*words)

            assert (refused.code, path.read_bytes()) == (2, before)
            assert "choose another name" in refused.err


def test_due_answers_a_scheduler(run: Run, library: Path) -> None:
    """8 when something is due, 0 when nothing is; with the reason."""
    done = run("library", "due", library, "--json")

    assert done.code == done.document["exit_code"] == 8  # the demo's night is long ago
    assert {reason["cause"] for item in done.document["due"]["items"] for reason in item["reasons"]} == {"age"}
    assert run("library", "due", library, "--policy", "never").code == 0
    assert run("library", "due", library, "--policy", "nver").code == 2


def test_due_looks_at_recent_frames(run: Run, library: Path, small_night: Path, tmp_path: Path) -> None:
    """Frames with the settings of the library add nothing."""
    done = run("library", "due", library, "--policy", "never", "--frames", small_night, "--json")

    assert done.code == 0
    assert done.document["due"]["items"] == []


def test_audit_finds_a_flipped_byte(run: Run, library: Path) -> None:
    """A sound library has no fault; one changed byte is one."""
    assert run("library", "audit", library).code == 0

    with bias(library).open("r+b") as file:
        file.seek(-5, 2)
        file.write(b"\xff")
    done = run("library", "audit", library, "--json")

    assert done.code == 8
    assert [fault["kind"] for fault in done.document["audit"]["faults"]] == ["checksum"]
    assert "1 fault in " in run("library", "audit", library).out
    assert run("library", "audit", library, "--no-checksums").code == 0


def test_publish_and_quarantine_by_hand(run: Run, library: Path) -> None:
    """A master goes out of use and comes back, each time with a reason that is kept."""
    name = bias(library).name
    index = library / "calibration-index.md"
    away = run("library", "quarantine", library, bias(library), "--reason", "light leak", "--json")
    assert away.document["change"]["status"] == "quarantined"
    assert f"quarantine/master/{name}" in index.read_text(encoding="utf-8")
    assert not (library / "master" / name).exists()

    back = run("library", "publish", library, away.document["change"]["path"], "--reason", "false alarm")
    assert back.code == 0
    assert f"quarantine/master/{name}" not in index.read_text(encoding="utf-8")
    history = json.loads(bias(library).with_suffix(".xrs").read_text(encoding="utf-8"))["history"]
    assert [event["reason"] for event in history][-2:] == ["light leak", "false alarm"]


def test_several_masters_change_at_once(run: Run, library: Path) -> None:
    """The wildcard may be left to the program; one that is refused is told, fails the command and holds up no other."""
    named = sorted((library / "master").glob("masterFlat*.xisf"))
    assert len(named) > 1

    away = run("library", "quarantine", library, library / "master" / "masterFlat*.xisf", "--reason", "dust", "--json")
    assert away.code == 0
    assert [change["status"] for change in away.document["changes"]] == ["quarantined"] * len(named)
    assert away.document["failures"] == []

    held = [library / change["path"] for change in away.document["changes"]]
    back = run("library", "publish", held[0], library / "gone.xisf", *held[1:], "--reason", "no dust")
    assert back.code == 1
    assert "there is no such master" in back.err
    assert all(path.is_file() for path in named)
    assert back.out.count(": published") == len(named)
    assert run("library", "quarantine", *named, "--reason", " ").err.count("a reason is needed") == 1


def test_masters_are_looked_for_in_the_library(run: Run, library: Path) -> None:
    """By wildcards as by names, records left alone, and each master once however often it is named."""
    name = bias(library).name
    flats = sorted((library / "master").glob("masterFlat*.xisf"))

    away = run("library", "quarantine", library, "master/masterFlat*", f"master/{flats[0].name}", "--reason", "dust")
    assert away.code == 0
    assert away.out.count(": quarantined") == len(flats)
    assert run("library", "quarantine", library, f"master/{name}", bias(library), "--reason", "dust").code == 0
    assert run("library", "publish", library, "quarantine/**/*.xisf", "--reason", "no dust").code == 0
    assert bias(library).is_file()


def test_a_place_that_refuses_one_master_holds_up_no_other(run: Run, library: Path) -> None:
    """What was done stands in the answer and in the index, and what was not is told."""
    other = library / "other" / "masterBias.xisf"
    other.parent.mkdir()
    for suffix in (".xisf", ".xrs"):
        other.with_suffix(suffix).write_bytes(bias(library).with_suffix(suffix).read_bytes())
    (library / "quarantine").mkdir()
    (library / "quarantine" / "other").write_text("a file in the way", encoding="utf-8")
    name = bias(library).name

    done = run("library", "quarantine", library, other, bias(library), "--reason", "dust", "--json")

    assert done.code == 1
    assert [failure["master"] for failure in done.document["failures"]] == [str(other)]
    assert [change["path"] for change in done.document["changes"]] == [f"quarantine/master/{name}"]
    assert f"quarantine/master/{name}" in (library / "calibration-index.md").read_text(encoding="utf-8")


def test_a_folder_without_masters_is_told(run: Run, small_night: Path, tmp_path: Path) -> None:
    """A folder of frames is no library, and does not become one by being asked."""
    assert run("library", "due", small_night).code == 3
    assert run("library", "mirror", small_night, tmp_path / "nas").code == 3
    assert not (small_night / ".ap-masters").exists()


def test_a_reason_is_needed(run: Run, library: Path) -> None:
    """Nothing changes its status without one."""
    assert run("library", "quarantine", library, bias(library)).code == 2
    assert run("library", "quarantine", library, bias(library), "--reason", " ").code == 2


def test_labels_are_given_and_taken(run: Run, library: Path) -> None:
    """S0-34: a master is marked as interim; matching can ask for the mark."""
    given = run("library", "label", library, bias(library), "interim", "summer", "--json")
    taken = run("library", "label", library, bias(library), "--remove", "summer")

    assert given.document["change"]["labels"] == ["interim", "summer"]
    assert "labels interim" in taken.out
    assert run("library", "label", library, bias(library), "no good").code == 2


@pytest.mark.parametrize("expanded", [False, True], ids=["as Windows leaves it", "as a shell expands it"])
def test_a_label_is_given_to_several_masters_at_once(run: Run, library: Path, expanded: bool) -> None:
    """S0-13: after new firmware, which no header tells of, all masters of a camera are due."""
    masters = sorted((library / "master").glob("masterDark*.xisf"))
    given = run("library", "label", library, *(masters if expanded else ["master/masterDark*"]), "refresh", "--json")
    due = run("library", "due", library, "--policy", "never", "--json").document["due"]["items"]

    assert given.code == 0
    assert len(masters) == len(given.document["changes"]) > 1
    assert {item["path"] for item in due} == {path.relative_to(library).as_posix() for path in masters}
    assert run("library", "label", library, "master/none*", "refresh").code != 0


def test_a_master_is_enough_where_its_library_is_around_it(run: Run, library: Path, tmp_path: Path) -> None:
    """`library label MASTER LABEL` finds the library by itself, and says so where there is none."""
    master = bias(library)
    stray = tmp_path / "stray.xisf"
    stray.write_bytes(b"")

    given = run("library", "label", master, "interim", "--json")
    away = run("library", "quarantine", master, "--reason", "light leak")
    back = run("library", "publish", library / "quarantine" / master.relative_to(library), "--reason", "false alarm")

    assert given.document["change"]["labels"] == ["interim"]
    assert (away.code, back.code) == (0, 0)
    assert run("library", "label", stray, "interim").code == 1
    assert run("library", "publish", library, "--reason", "x").code == 2


def test_index_replaces_nothing_but_an_index(run: Run, library: Path, small_night: Path) -> None:
    """A user's own text stays, whoever comes to write an index: the command, unless told, or a change by hand."""
    text = library / "README.md"
    text.write_text("# Calibration index of my own\n", encoding="utf-8")
    mine = text.read_bytes()
    master = next(library.rglob("masterDark_*.xisf"))
    (library / "ap-masters.toml").write_text("library.index_path = 'README.md'\n", encoding="utf-8")
    config = ("--config", library / "ap-masters.toml")

    refused = run("library", "index", library, "--path", text)
    labelled = run("library", "label", library, master, "interim", *config)
    built = run("build", small_night, library, *config, "--engine", "numpy", "--sigma-low", "3.5")

    assert (refused.code, labelled.code, built.code) == (2, 0, 0)
    for done in (refused, labelled, built):
        assert "README.md" in done.err
        assert "--overwrite" in done.err
    assert text.read_bytes() == mine
    assert run("library", "index", library, "--path", text, "--overwrite").code == 0
    assert run("library", "index", library, "--path", text).code == 0
    assert text.read_bytes() != mine


def test_validate_lights(run: Run, library: Path, small_night: Path, tmp_path: Path) -> None:
    """Every light of the night finds its masters; a capture list says how many frames are missing for a full set."""
    done = run(
        "library", "validate", library, small_night, "--csv", tmp_path / "new" / "capture.csv", "--note", "--json"
    )

    (row,) = done.document["validation"]["rows"]
    assert done.code == 0
    assert "masterDark_" in row["dark"]["master"]
    assert row["flat"]["master"].endswith("FILTER_L.xisf")
    assert (
        (tmp_path / "new" / "capture.csv").read_text(encoding="utf-8").splitlines()[1].startswith("dark,300,100,50,-10")
    )
    assert Path(done.document["note"]).is_file()


def test_validate_a_plan(run: Run, library: Path, tmp_path: Path) -> None:
    """S0-10: an exposure without a master is a gap, and the exit code says so."""
    plan = tmp_path / "plan.csv"
    plan.write_text("exposure,gain,offset,temperature\n300,100,50,-10\n600,100,50,-10\n", encoding="utf-8")
    done = run("library", "validate", library, "--plan", plan)

    assert done.code == 8
    assert "1 of 2 kinds of light find their masters" in done.out
    assert "600 s" in done.err


def test_validate_wants_lights_or_a_plan(run: Run, library: Path, tmp_path: Path) -> None:
    """One of the two; and lights that are there."""
    (tmp_path / "empty").mkdir()

    assert run("library", "validate", library).code == 2
    assert run("library", "validate", library, tmp_path, "--plan", tmp_path / "plan.csv").code == 2
    assert run("library", "validate", library, tmp_path / "empty").code == 3


def test_validate_tells_what_lights_have_to_say(run: Run, library: Path, tmp_path: Path) -> None:
    """SharpCap writes no IMAGETYP, and a target's folder does not say that its frames are lights."""
    write_frame(tmp_path / "M31" / "21_30_00" / "Capture_00001.fits", IMAGETYP=None)

    done = run("library", "validate", library, tmp_path / "M31")

    assert done.code == 3
    assert "1 file does not say what it is: set IMAGETYP, or move lights to a folder named 'lights'" in done.err


def test_import_shows_first_and_then_does(run: Run, small_library: Path, tmp_path: Path) -> None:
    """S2-60: a dry run writes nothing; --apply copies, verified, into the layout that was asked for."""
    target = tmp_path / "imported"
    dry = run("library", "import", small_library / "master", target, "--layout", "wbpp")
    assert dry.code == 0
    assert "masterBias_BIN-1_64x48" in dry.out
    assert not target.exists()

    run("library", "import", small_library / "master", target, "--layout", "wbpp", "--apply")
    assert len(list(target.rglob("*.xisf"))) == 6
    assert run("library", "audit", target).code == 0


def test_an_import_that_was_killed_before_it_wrote_the_index_writes_it_the_next_time(
    run: Run, small_library: Path, tmp_path: Path
) -> None:
    """All masters are there already by then."""
    target = tmp_path / "imported"
    run("library", "import", small_library / "master", target, "--apply")
    index = target / "calibration-index.json"
    before = index.read_bytes()
    index.unlink()

    assert run("library", "import", small_library / "master", target, "--apply").code == 0
    assert index.read_bytes() == before


def test_mirror_answers_a_timer(run: Run, library: Path, tmp_path: Path) -> None:
    """S0-30, S0-31: a copy, verified; a changed byte in it is a mismatch that is not written over."""
    target = tmp_path / "nas"
    first = run("library", "mirror", library, target, "--json")
    assert first.code == 0
    assert {file["action"] for file in first.document["report"]["files"]} == {"copied"}

    copy = bias(target)
    copy.write_bytes(copy.read_bytes()[:-1] + b"!")
    second = run("library", "mirror", library, target)
    assert second.code == 8
    assert "mismatch" in second.out
    assert copy.read_bytes().endswith(b"!")

    assert run("library", "mirror", library, target, "--repair").code == 0
    assert copy.read_bytes() == bias(library).read_bytes()


def test_what_a_mirror_finds_stands_in_the_index(run: Run, library: Path, tmp_path: Path) -> None:
    """S0-31: at once, and is gone from it once it is mended; a mirror that finds nothing leaves the index alone."""
    target, index = tmp_path / "nas", library / "calibration-index.md"
    run("library", "mirror", library, target)
    written = index.stat().st_mtime_ns
    run("library", "mirror", library, target)
    assert index.stat().st_mtime_ns == written
    copy = bias(target)
    copy.write_bytes(copy.read_bytes()[:-1] + b"!")

    assert run("library", "mirror", library, target).code == 8
    assert "Copies that differ" in index.read_text(encoding="utf-8")

    run("library", "mirror", library, target, "--repair")
    assert "Copies that differ" not in index.read_text(encoding="utf-8")


def test_mirror_tells_what_it_has_kept(run: Run, library: Path, tmp_path: Path) -> None:
    """A master that was lost and made anew from other frames: the old copy is named with its new place."""
    run("library", "mirror", library, tmp_path / "nas")
    lost, other = bias(library), next((library / "master").glob("masterDark_*.xisf"))
    shutil.copy(other.with_suffix(".xrs"), lost.with_suffix(".xrs"))
    shutil.copy(other, lost)

    done = run("library", "mirror", library, tmp_path / "nas")

    assert done.code == 0
    assert "1 kept" in done.out
    assert f"is superseded/master/{lost.stem}_" in done.out


def test_prune_lists_and_keeps_what_is_needed(run: Run, library: Path, small_night: Path) -> None:
    """Every frame of a master in use is needed: nothing may go, with --apply or without."""
    done = run("library", "prune", library, "--apply")

    assert done.code == 0
    assert done.out.startswith("74 needed")
    assert all(path.is_file() for path in small_night.rglob("*.fits"))


def test_prune_names_the_frames_that_it_could_not_delete(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason, and without being asked to say more."""
    for night in ("old", "new"):
        for i in range(4):
            date = f"2025-01-{6 if night == 'new' else 5:02}T20:{i:02}:00"
            write_frame(tmp_path / night / f"{night}_{i}.fits", DATE_OBS=date)
        assert run("build", tmp_path / night, tmp_path / "library", "--engine", "numpy").code == 0
    held = tmp_path / "old" / "old_2.fits"
    hold(monkeypatch, held)

    done = run("library", "prune", tmp_path / "library", "--apply")

    assert done.code == 8
    assert [line.split(maxsplit=2) for line in done.out.splitlines() if line.startswith("failed")] == [
        ["failed", str(held), "it is open in another program"]
    ]
    assert [path.name for path in (tmp_path / "old").iterdir()] == [held.name]


def test_a_library_that_is_not_there_is_a_slip(run: Run, tmp_path: Path) -> None:
    """No empty library is invented."""
    for verb in ("index", "due", "audit"):
        assert run("library", verb, tmp_path / "mastres").code == 2
    assert not (tmp_path / "mastres").exists()


def test_a_part_of_a_library_stays_one(run: Run, library: Path, small_night: Path) -> None:
    """Whoever looks into it: a master in it is quarantined where the next build looks."""
    part, master = library / "master", bias(library)
    for words in (("audit", part), ("due", part), ("validate", part, small_night)):
        run("library", *words)
    run("report", part, "--output", library.parent / "page.html")
    run("match", small_night, "--library", part)

    assert run("library", "quarantine", master, "--reason", "a leak").code == 0

    assert not (part / ".ap-masters").exists()
    assert (library / "quarantine" / "master" / master.name).is_file()
    built = run("build", small_night, library, "--engine", "numpy", "--json")
    assert "quarantine" in built.err + built.out
    assert not master.exists()


def test_what_looked_into_a_part_before_made_no_library_of_it(run: Run, library: Path) -> None:
    """Caches alone do not."""
    (library / "master" / ".ap-masters").mkdir()

    run("library", "quarantine", bias(library), "--reason", "a leak")

    assert not (library / "master" / "quarantine").exists()
    assert (library / "quarantine" / "master").is_dir()


@pytest.mark.parametrize(
    "words",
    [("index",), ("prune",), ("quarantine", "{}", "--reason", "a leak"), ("label", "{}", "interim")],
)
def test_a_change_to_a_part_names_the_library(run: Run, library: Path, words: tuple[str, ...]) -> None:
    """As the mirror does."""
    name, part = bias(library).name, library / "master"

    refused = run("library", words[0], part, *(word.format(name) for word in words[1:]))

    assert refused.code == 2
    assert f"lies in the library {library}: name that one" in refused.err
    assert not (part / ".ap-masters").exists()


def test_a_library_within_a_library_is_one(run: Run, library: Path, small_night: Path) -> None:
    """Where a build has made it so."""
    inner = library / "of its own"
    assert run("build", small_night, inner, "--engine", "numpy", "-q").code == 0

    assert run("library", "quarantine", bias(inner), "--reason", "a leak").code == 0

    assert (inner / "quarantine" / "master").is_dir()


def test_s1_23_a_change_by_hand_brings_the_index_up_to_date_where_it_is(run: Run, tmp_path: Path) -> None:
    """The profile that put it there need not be named again."""
    shoot(tmp_path / "night", "DARK", 300.0)
    library = tmp_path / "masters"
    run("build", tmp_path / "night", library, "--profile", "nina", "--engine", "numpy", "--min-frames", 3)
    (master,) = library.glob("*/dark-300s/*.fit")

    done = run("library", "quarantine", master, "--reason", "clouds")

    assert done.code == 0
    assert "quarantine/" in (library / "ops" / "calibration-index.md").read_text(encoding="utf-8")
    assert not (library / "calibration-index.md").exists()


@pytest.mark.parametrize("command", [("library", "index"), ("library", "audit"), ("library", "prune"), ("report",)])
def test_a_folder_that_is_no_library_is_told_and_left_alone(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    """One beside it was meant: nothing is written there, and no faults in no masters are no good news."""
    shoot(tmp_path / "raws", "DARK", 300.0, 3)
    before = sorted(tmp_path.rglob("*"))

    done = run(*command, tmp_path / "raws")

    assert done.code == 3
    assert f"No master is in {tmp_path / 'raws'}" in done.err
    assert sorted(tmp_path.rglob("*")) == before
