"""Frame types: every spelling of IMAGETYP that programs write, and the words in names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ap_masters.headers.frame_types import read_type, type_in_words, words
from ap_masters.model import FrameType

BIAS, DARK, DARK_FLAT, FLAT, LIGHT = FrameType

RAW = {
    BIAS: ("BIAS", "Bias", "Bias Frame", "BIAS FRAME", "bias    ", "zero", "OFFSET"),
    DARK: ("DARK", "Dark", "Dark Frame", "dark"),
    DARK_FLAT: ("DARKFLAT", "DarkFlat", "DARK FLAT", "Dark Flat", "FLATDARK", "Flat Dark", "FLAT-DARK", "FlatDark"),
    FLAT: (
        *("FLAT", "Flat", "Flat Frame", "Flat Field", "SKY FLAT", "TWILIGHT FLAT", "DOME FLAT"),
        *("sflat", "DFLAT", "TWIFLAT"),  # as observatories write them
    ),
    LIGHT: ("LIGHT", "Light", "Light Frame", "Light frame", "SNAPSHOT", "Science", "Science Frame", "Tricolor Image"),
    None: ("BADPIXELMAP", "", "whatever", "Frame"),
}
MASTER = {
    BIAS: ("Master Bias", "MASTER BIAS", "MasterBias", "MASTERBIAS", "Master bias", "Bias Master", "Superbias"),
    DARK: ("Master Dark", "MASTER DARK", "MasterDark", "MASTERDARK", "masterDark", "Dark (Master)"),
    DARK_FLAT: ("MasterDarkFlat", "MASTERDARKFLAT", "Master flat dark", "Master DarkFlat"),
    FLAT: ("Master Flat", "MASTER FLAT", "MasterFlat", "MASTERFLAT"),
    LIGHT: ("Master Light", "MASTER STACK"),
}


@pytest.mark.parametrize(
    ("spelling", "kind", "master"),
    [(spelling, kind, False) for kind, spellings in RAW.items() for spelling in spellings]
    + [(spelling, kind, True) for kind, spellings in MASTER.items() for spelling in spellings],
)
def test_every_spelling_of_the_frame_type(spelling: str, kind: FrameType | None, master: bool) -> None:
    """Each spelling found in the wild means one type; a dark flat is never taken for a dark or a flat."""
    assert read_type(spelling) == (kind, master)


@given(st.text())
@settings(deadline=None)
def test_no_spelling_raises(spelling: str) -> None:
    """Any text can stand in IMAGETYP."""
    read_type(spelling)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("darks", DARK),
        ("DARKFLATS_2026_01_29", DARK_FLAT),
        ("!!!BIASES_LIB", BIAS),
        ("Flat Darks", DARK_FLAT),
        ("dark-180s", DARK),
        ("masterDarkFlat", DARK_FLAT),
        ("flat_B_001", FLAT),
        ("Darks Flats Bias", None),
        ("BIAS_001_Dark", None),
        ("Horsehead", None),
        ("darkness", None),
        ("", None),
    ],
)
def test_words_in_names(name: str, kind: FrameType | None) -> None:
    """A name speaks of a type only in whole words, and only when it speaks of one."""
    assert type_in_words(words(name)) == kind
