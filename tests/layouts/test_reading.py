"""Names are read back as what they say."""

from datetime import date
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given

from ap_masters.layouts import LAYOUTS, Naming, differences, parse, pattern, render
from ap_masters.model import CALIBRATION_TYPES, GroupKey
from ap_masters.safe import LONGEST_COMPONENT
from tests.layouts.namings import DARK_FLAT, naming, namings


@pytest.mark.parametrize("layout", LAYOUTS)
@given(named=namings())
def test_a_name_is_read_back_as_what_it_says(layout: str, named: Naming) -> None:
    """Every value that stands in the path, as it stands there; and the path read back gives the path again."""
    row, path = LAYOUTS[layout], render(layout, named)
    if any(len(part) >= LONGEST_COMPONENT for part in path.parts):
        return  # cut, so not all of it is there to be read

    found = parse(layout, Path("/some/library") / path)

    assert found is not None
    assert render(layout, found.model_copy(update={"key": _with_type(found.key, named)})) == path or layout in (
        "anawbpps",  # whose folder holds telescope and camera without a border between them
        "wbpp",  # whose CFA does not say which pattern
    )
    for token in pattern.tokens(row.patterns[named.key.type]):
        if token.fields:
            assert token.spell(found, row.text) == token.spell(named, row.text)
    assert found.key.type is named.key.type or (layout == "pulsar" and named.key.type is DARK_FLAT)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(named=namings())
def test_a_name_never_contradicts_what_it_was_made_of(layout: str, named: Naming) -> None:
    """However values are rounded, cleaned or left out in it."""
    path = render(layout, named)
    if any(len(part) >= LONGEST_COMPONENT for part in path.parts):
        return
    said = parse(layout, path)

    assert said is not None
    assert differences(layout, said, named) == ()


def _with_type(key: GroupKey, named: Naming) -> GroupKey:
    return key.model_copy(update={"type": named.key.type})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ordinary_values_come_back_equal(layout: str) -> None:
    """Numbers as numbers, and texts that need no cleaning as they were, in every field the layout carries."""
    values: dict[str, Any] = {
        "camera": "ASI2600MM",
        "camera_id": "a1",
        "telescope": "RedCat51",
        "filter": "L",
        "readout_mode": "Fast",
        "gain": 100.0,
        "offset": 50.5,
        "usb_limit": 40.0,
        "temperature": -10.25,
        "exposure": 6.24656,
        "x_binning": 2,
        "y_binning": 1,
        "width": 6248,
        "height": 4176,
        "date": date(2026, 1, 29),
    }
    for frame_type in CALIBRATION_TYPES:
        own = {name: value for name, value in values.items() if name != "date"}
        found = parse(layout, render(layout, naming(frame_type, first=values["date"], **own)))

        assert found is not None
        carried = LAYOUTS[layout].carries(frame_type)
        read = {name: found.day if name == "date" else getattr(found.key, name) for name in carried}
        expected = {name: values.get(name) for name in carried}
        if layout == "pulsar" and "filter" in carried:
            expected["filter"] = "l"
        assert read == expected


@pytest.mark.parametrize(
    ("layout", "path"),
    [
        pytest.param("ap", "dark_120s_001.xisf", id="a raw frame"),
        pytest.param("ap", "darks/masterBias_INSTRUME_A_SET-TEMP_-10_GAIN_1_OFFSET_1.xisf", id="another folder"),
        pytest.param("ap", "master/masterBias_INSTRUME_A_SET-TEMP_-10_GAIN_1_OFFSET_1", id="no suffix"),
        pytest.param("ap", "master/masterBias_INSTRUME_A_SET-TEMP_-10_GAIN_1_OFFSET_1.txt", id="no image"),
        pytest.param("nina", "2025-13-40/bias/master-bias_GAIN1_OFFSET1_T-10C.fit", id="no date"),
        pytest.param("nina", "2025-09-23/dark-180s/master-dark_300s_GAIN1_OFFSET1_T-10C.fit", id="folder contradicts"),
        pytest.param(
            "anawbpps", "!!!DARKS_LIB/S/DARKS_2025_11_10/S_MasterBias_0s_Gain1_Offset1_1x1_-10C.xisf", id="type"
        ),
        pytest.param("siril", ".fit", id="nothing but a suffix"),
    ],
)
def test_what_is_no_name_of_the_layout_is_not_read(layout: str, path: str) -> None:
    """A file that merely lies there is not taken for a master of the layout."""
    assert parse(layout, Path(path)) is None


def test_a_name_is_read_without_its_folders() -> None:
    """S4's --bias-master-dir points into the folder of masters itself."""
    found = parse("ap", Path("masterBias_INSTRUME_ASI294MC_SET-TEMP_-10_GAIN_100_OFFSET_10.xisf"))

    assert found is not None
    assert (found.key.camera, found.key.temperature, found.key.gain) == ("ASI294MC", -10.0, 100.0)


def test_both_spellings_of_pulsars_h_alpha_are_read() -> None:
    """C-14: flat_h in its list, flat_ha in its workflow."""
    for name in ("flat_h.fit", "flat_ha.fit"):
        found = parse("pulsar", Path(name))

        assert found is not None
        assert render("pulsar", found).name == "flat_h.fit"


def test_paths_are_read_with_the_separators_of_windows() -> None:
    """A library on a Windows drive."""
    found = parse("playbook", PureWindowsPath(r"D:\masters\darks\120s_-10_g0_o50\master_dark_2026-03-01.xisf"))

    assert found is not None
    assert (found.key.exposure, found.key.gain, found.day) == (120.0, 0.0, date(2026, 3, 1))
