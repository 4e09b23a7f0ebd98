"""Headers are not trusted: whatever they say, a path stays in the library and is one on every system."""

import os
import re
from datetime import date
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ap_masters import texts
from ap_masters.layouts import LAYOUTS, Naming, parse, render
from ap_masters.model import CALIBRATION_TYPES
from ap_masters.safe import LONGEST_COMPONENT
from tests.layouts.namings import FLAT, naming, namings

HOSTILE = (
    "../../x",
    "..\\..\\x",
    "/etc/passwd",
    "C:\\Windows",
    "a\"b'c`d",
    "line\nbreak\r\t\x00",
    "CON",
    "nul.txt",
    "..",
    ".",
    " ",
    "-rf",
    "Hα 赤 é",
    "x" * 500,
    "_" * 40,
    "$(id)",
    "a/b",
    "trailing. ",
    "\ud800",
    "\u202egnp.exe",
)


def _check(path: Path) -> None:
    """Assert that a path stays in the library and is a path on every system."""
    assert not path.is_absolute()
    assert not PureWindowsPath(str(path)).drive
    assert os.path.normpath(path) == str(path)
    for part in PurePosixPath(path.as_posix()).parts:
        assert part not in ("", ".", "..")
        assert re.fullmatch(r"[A-Za-z0-9._+!-]+", part), part
        assert not part.endswith(".")
        assert part.split(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt1"}
        assert len(part) <= LONGEST_COMPONENT + len(".xisf")


OWN = ("{{ filter }}/{{ camera }}", "$$FILTER$$\\$$CAMERA$$_$$READOUTMODE$$", "{{ filter | upper }}/{{ telescope }}-x")


@pytest.mark.parametrize("layout", [*LAYOUTS, *OWN])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_never_leaves_the_library(layout: str, text: str) -> None:
    """A filter called ../../x is a folder name like any other, in every layout and for every type."""
    for frame_type in CALIBRATION_TYPES:
        hostile: dict[str, Any] = dict.fromkeys(("filter", "camera", "telescope", "readout_mode"), text)
        _check(render(layout, naming(frame_type, **hostile)))


@pytest.mark.parametrize("layout", [*LAYOUTS, *OWN])
@given(named=namings(st.text(max_size=200)))
def test_no_text_at_all_leaves_the_library(layout: str, named: Naming) -> None:
    """Whatever Unicode holds."""
    _check(render(layout, named))


@pytest.mark.parametrize("rule", [texts.PLAIN, texts.WBPP, texts.ANAWBPPS, texts.SIRIL])
@given(st.text(min_size=1, max_size=80).filter(str.strip))
@example("CON")
@example("nul.txt")
@example("_a_")
@example("a" * 31 + "._b")
def test_cleaning_a_text_twice_is_cleaning_it_once(rule: texts.TextRule, text: str) -> None:
    """So a value that was read from a name is spelled as it stands there."""
    once = rule.clean(text)

    assert rule.clean(once) == once
    assert re.fullmatch(rule.regex, once)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "pulsar"])
@pytest.mark.parametrize(
    ("one", "two"),
    [("Hα", "Hβ"), ("赤", "緑"), ("Луна", "Яркость"), ("x" * 40 + "1", "x" * 40 + "2")],
)
def test_texts_that_lose_letters_or_length_stay_apart(layout: str, one: str, two: str) -> None:
    """Two filters of another alphabet, or of long names, are two masters."""
    paths = [render(layout, naming(FLAT, filter=text)) for text in (one, two)]

    assert len({path.as_posix().casefold() for path in paths}) == 2  # on Windows and macOS too


def test_a_very_long_name_is_cut_and_stays_unique() -> None:
    """No component beyond 180 characters and the suffix, and whole paths within what Windows takes."""
    key: dict[str, Any] = {"camera": "c" * 90, "camera_id": "i" * 90, "readout_mode": "r" * 90, "filter": "f" * 90} | {
        "gain": 100.0
    }
    one, two = (render("ap", naming(FLAT, **key, first=date(2026, 1, day))) for day in (1, 2))

    assert len(one.name) <= 185
    assert len(one.as_posix()) <= 200
    assert one != two


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ordinary_paths_are_short(layout: str) -> None:
    """Within 200 characters and not cut, for a real camera with everything known."""
    named = naming(
        FLAT,
        camera="ZWO ASI2600MM Pro",
        telescope="Celestron EdgeHD 8",
        filter="Optolong L-Ultimate",
        gain=100.0,
        offset=50.0,
        temperature=-10.5,
        exposure=6.24656,
        readout_mode="High Gain Mode",
        camera_id="0a1b2c3d",
        usb_limit=40.0,
        x_binning=1,
        y_binning=1,
        width=6248,
        height=4176,
        first=date(2026, 1, 29),
    )

    path = render(layout, named)

    assert len(path.as_posix()) <= 200
    assert parse(layout, path) is not None


TYPE_WORD = re.compile(r"(?<![A-Za-z0-9])(BIAS|DARKS?|FLATS?|LIGHTS?)(?![A-Za-z0-9])", re.IGNORECASE)


@given(named=namings(st.sampled_from(["Dark", "flats", "Light Bucket", "L", "bias-x", "a_dark_b", "LIGHT"])))
def test_wbpp_never_finds_a_contradicting_type_word(named: Naming) -> None:
    """WBPP takes the type from the last such word in a path; none of ours stands alone in one."""
    assert not TYPE_WORD.search(render("wbpp", named).as_posix())
