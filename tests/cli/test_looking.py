"""inspect, match, doctor and config: what they show of a file, a choice, a machine and the settings."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from ap_masters.images import read_image, write_image
from tests.builders import noisy, write_frame
from tests.cli.conftest import Run


def one(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[0]


# --- inspect ----------------------------------------------------------------------------------------------


def test_inspect_a_frame(run: Run, small_night: Path) -> None:
    """Header, how it is understood and from which keyword, and statistics in counts."""
    done = run("inspect", one(small_night, "DARK/*300.00s*.fits"))

    assert done.code == 0
    assert "frame, FITS, 64x48x1 uint16" in done.out
    assert "EXPTIME" in done.out
    assert "keyword SET-TEMP" in done.out


def test_inspect_a_master(run: Run, small_library: Path) -> None:
    """S3-24: its header; and from the record, engine, frames, rejection and measures."""
    done = run("inspect", one(small_library, "masterBias*.xisf"))

    assert "master, XISF, 64x48x1 float32" in done.out
    assert "integrated by numpy" in done.out
    assert "from 20 frames" in done.out
    assert "lines of HISTORY" in done.out


def test_inspect_as_json(run: Run, small_library: Path) -> None:
    """Keywords, statistics and the record, for programs."""
    document = run("inspect", one(small_library, "masterBias*.xisf"), "--json").document

    assert document["kind"] == "master"
    assert {"name": "NCOMBINE", "value": 20, "comment": "number of frames combined"} in document["keywords"]
    assert document["statistics"]["channels"][0]["median"] == pytest.approx(500 / 65535, rel=0.01)
    assert document["record"]["schema"] == "ap-masters/record"


def test_inspect_a_record(run: Run, small_library: Path) -> None:
    """By itself, without its master."""
    done = run("inspect", one(small_library, "masterDark_*.xrs"), "--json")

    assert done.document["kind"] == "record"
    assert len(done.document["record"]["inputs"]) == 11


def test_inspect_a_log_of_pixinsight(run: Run, tmp_path: Path) -> None:
    """Also where a user has stashed it under .xrs."""
    log = tmp_path / "dark.xrs"
    log.write_text(
        "PixInsight Core 1.9.3\n\nImageIntegration: Processing image (1/1): Global context\n", encoding="utf-8"
    )
    done = run("inspect", log, "--json")

    assert done.code == 0
    assert done.document["kind"] == "log"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        pytest.param("missing.fits", None, 2, id="missing"),
        pytest.param("text.txt", b"hello", 2, id="any text"),
        pytest.param("not.fits", b"hello", 1, id="no image"),
        pytest.param("broken.xrs", b'{"schema": 1', 1, id="broken record"),
    ],
)
def test_inspect_what_is_nothing_of_ours(run: Run, tmp_path: Path, name: str, content: bytes | None, code: int) -> None:
    """Said in words, with the name of the file."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run("inspect", tmp_path / name)

    assert done.code == code
    assert name in done.err


def test_hostile_headers_do_not_reach_the_terminal(run: Run, tmp_path: Path) -> None:
    """A filter's name cannot clear the screen or forge a line."""
    path = write_frame(tmp_path / "flat.fits", noisy(1), IMAGETYP="FLAT", FILTER="L#[2Jred", TELESCOP="[bold]#")
    path.write_bytes(path.read_bytes().replace(b"#", b"\x1b"))
    for arguments in (("inspect", path, "-v"), ("scan", path), ("plan", path, tmp_path / "out", "--engine", "numpy")):
        done = run(*arguments)

        assert "[2Jred" in done.out
        assert "\x1b" not in done.out + done.err


# --- match ------------------------------------------------------------------------------------------------


def test_match_a_flat(run: Run, small_night: Path, small_library: Path) -> None:
    """The dark flat is taken; of every other candidate the one field that decided is told."""
    flat = one(small_night, "FLAT/*_L_*.fits")
    done = run("match", flat, "--library", small_library, "--json")

    verdicts = [decision["verdict"] for decision in done.document["decisions"]]
    assert done.code == 0
    assert "masterDarkFlat" in done.document["masters"]["dark"]
    assert verdicts.count("taken") == 1
    refused = [d for d in done.document["decisions"] if d["verdict"] == "refused"]
    assert refused
    assert all(d["reason"] and d["field"] for d in refused)
    assert "taken" in run("match", flat, "--library", small_library).out


def test_match_a_light(run: Run, small_night: Path, small_library: Path) -> None:
    """A dark of its exposure and a flat of its filter; never a dark flat."""
    light = one(small_night, "LIGHT/*.fits")
    masters = run("match", light, "--library", small_library, "--json").document["masters"]

    assert "masterDark_" in masters["dark"]
    assert masters["flat"].endswith("FILTER_L.xisf")
    assert masters["bias"] is None


def test_match_says_what_is_missing(run: Run, small_night: Path, small_library: Path, tmp_path: Path) -> None:
    """Nothing serves a light of another gain: the field is named, and the exit code says so."""
    light = write_frame(tmp_path / "light.fits", noisy(1), IMAGETYP="LIGHT", GAIN=200, FILTER="L")
    done = run("match", light, "--library", small_library)

    assert done.code == 8
    assert "gain" in done.err


def test_match_tells_what_a_build_would(run: Run, small_night: Path, small_library: Path, tmp_path: Path) -> None:
    """Of a light far from its set-point, with its rows the other way up: its masters serve, and that is not all."""
    info, pixels = read_image(one(small_night, "LIGHT/*.fits"))
    changes: dict[str, Any] = {"CCD-TEMP": 3.0, "ROWORDER": "BOTTOM-UP"}
    cards = tuple(k._replace(value=changes.get(k.name, k.value)) for k in info.keywords)
    write_image(tmp_path / "light.fits", pixels, cards, image_type="Light")
    told = run("match", tmp_path / "light.fits", "--library", small_library, "--json").document["warnings"]

    assert "light.fits: sensor at 3.00 °C, 13.00 °C from the set-point of -10 °C (limit 0.5 °C)" in told[0]
    assert sum("rows TOP-DOWN, the light has BOTTOM-UP" in warning for warning in told) == 2


@pytest.mark.parametrize("word", ["light", "lights"])
def test_match_takes_a_frame_for_what_it_is_said_to_be(
    run: Run, small_night: Path, small_library: Path, word: str
) -> None:
    """In the singular and in the plural."""
    done = run("match", one(small_night, "DARK/*300.00s*.fits"), "--library", small_library, "--for", word, "--json")

    assert done.document["masters"]["dark"].endswith("EXPOSURE_300.xisf")
    assert set(done.document["masters"]) == {"bias", "dark", "flat"}


def test_match_asks_what_the_frame_is(run: Run, small_night: Path, small_library: Path) -> None:
    """Masters serve flats and lights; --for says which, where the header does not."""
    dark = one(small_night, "DARK/*300.00s*.fits")

    assert run("match", dark, "--library", small_library).code == 2
    assert run("match", dark, "--library", small_library, "--for", "lights").code in {0, 8}


# --- doctor -----------------------------------------------------------------------------------------------


def test_doctor_without_pixinsight(run: Run) -> None:
    """The numpy engine works without it; whoever asks for PixInsight learns that it is missing."""
    document = run("doctor", "--json").document
    if document["health"]["pixinsight"]["binary"]:
        pytest.skip("PixInsight is installed here")

    assert document["health"]["ready"]
    assert document["health"]["engine"] == "numpy"
    assert "numpy" in document["health"]["packages"]
    assert run("doctor", "--engine", "pixinsight").code == 7


def test_doctor_finds_the_program_that_was_named(run: Run, tmp_path: Path) -> None:
    """Nothing is started: any file will do."""
    binary = tmp_path / "Pix Insight" / "PixInsight.exe"
    binary.parent.mkdir()
    shutil.copy(sys.executable, binary)
    done = run("doctor", "--pixinsight-binary", binary)

    assert done.code == 0
    assert str(binary) in done.out
    assert "set: pixinsight.binary by flag --pixinsight-binary" in done.out


@pytest.mark.parametrize("long_ones", [True, False])
def test_doctor_tells_where_windows_takes_no_long_paths(
    run: Run, monkeypatch: pytest.MonkeyPatch, long_ones: bool
) -> None:
    """Masters have long names, and what fails says only that there is no such path."""
    monkeypatch.setattr("ap_masters.doctor.takes_long_paths", lambda: long_ones)

    assert ("LongPathsEnabled" in run("doctor").out) is not long_ones
    assert bool(run("doctor", "--json").document["health"]["notes"]) is not long_ones


# --- config -----------------------------------------------------------------------------------------------


def test_config_show_tells_where_each_value_comes_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag, the environment, the profile and the defaults, side by side."""
    monkeypatch.setenv("AP_MASTERS_PIXINSIGHT__TIMEOUT_S", "42")
    settings = run("config", "show", "--profile", "nina", "--threads", "3", "--json").document["settings"]

    assert settings["threads"] == {"value": 3, "origin": "flag --threads"}
    assert settings["pixinsight.timeout_s"]["origin"] == "environment AP_MASTERS_PIXINSIGHT__TIMEOUT_S"
    assert settings["cull.discard_first.bias"] == {"value": 10, "origin": "profile nina"}
    assert settings["memory"]["origin"] == "default"
    lines = run("config", "show", "--origin", "--profile", "nina").out.splitlines()
    assert any(line.split() == ["layout", "nina", "profile", "nina"] for line in lines)


def test_config_path_names_the_files(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that are not there yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ap-masters.toml").write_text("", encoding="utf-8")
    files = json.loads(run("config", "path", "--json").out)["files"]

    assert files["project"] == {"path": str(tmp_path / "ap-masters.toml"), "exists": True}
    assert not files["user"]["exists"]


def test_wildcards_are_expanded_where_the_shell_does_not(run: Run, small_night: Path) -> None:
    """As on Windows: scan, plan and build take them as combine does."""
    every = run("scan", small_night / "*", "--json").document
    darks = run("scan", small_night / "**" / "*300.00s*.fits", "--json").document

    assert every["frames"] == run("scan", small_night, "--json").document["frames"]
    assert [group["key"]["type"] for group in darks["groups"]] == ["dark"]


def test_a_file_that_is_not_there_is_a_usage_error(run: Run, small_library: Path, tmp_path: Path) -> None:
    """In every command that takes one."""
    gone = tmp_path / "gone.fits"

    codes = {run("inspect", gone).code, run("match", gone, "--library", small_library).code, run("scan", gone).code}

    assert codes == {2}
