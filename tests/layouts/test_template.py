"""The user's own layout: a path with values in it."""

import re
from datetime import date

import pytest
from hypothesis import given

from ap_masters import layouts
from ap_masters.errors import ConfigError
from ap_masters.layouts import Naming, parse, render
from tests.layouts.namings import FLAT, naming, namings

OF_OWN = naming(
    FLAT,
    camera="ZWO ASI2600MM Pro",
    telescope="RedCat 51",
    filter="L",
    gain=100.0,
    temperature=-10.5,
    exposure=2.5,
    first=date(2026, 1, 29),
    x_binning=1,
    y_binning=1,
)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{{ type }}s/{{ camera }}/{{filter}}_{{ exposure }}s", "flats/ZWO-ASI2600MM-Pro/L_2.5s.xisf"),
        ("My Masters/{{ type }}_{{ date }}.fits", "My Masters/flat_2026-01-29.fits"),
        ("$$DATEMINUS12$$\\$$IMAGETYPE$$\\$$FILTER$$_$$GAIN$$", "2026-01-29/FLAT/L_100.xisf"),
        ("$$CAMERA$$/$$BINNING$$_$$EXPOSURETIME$$s_$$OFFSET$$", "ZWO-ASI2600MM-Pro/1x1_2.5s_NO_OFFSET.xisf"),
        ('{{ type }}_G{{ "%03d" | format(gain) }}', "flat_G100.xisf"),
        ('{{ type }}_{{ "%.1f" | format(temperature) }}', "flat_-10.5.xisf"),
        ("{{ type }}{% if readout %}_{{ readout }}{% endif %}{% if filter %}_{{ filter }}{% endif %}", "flat_L.xisf"),
        ("{{ camera | lower }}/{{ type }}", "zwo-asi2600mm-pro/flat.xisf"),
    ],
)
def test_a_path_of_ones_own(template: str, path: str) -> None:
    """In jinja2 or with N.I.N.A.'s tokens; numbers are numbers (C-20), an absent value is false."""
    assert render(template, OF_OWN).as_posix() == path


@pytest.mark.parametrize(
    "template",
    [
        "{{ type }}/{{ camera }}_{{ filter }}_{{ exposure }}s_{{ temperature }}",
        "$$DATEMINUS12$$\\$$IMAGETYPE$$\\$$FILTER$$_$$GAIN$$_$$CAMERA$$",
        "x [{{type}}] {{ camera_id }}",
    ],
)
@given(named=namings())
def test_a_path_of_ones_own_is_read_back_where_values_have_borders(template: str, named: Naming) -> None:
    """Values end at a character that none of them contains."""
    path = render(template, named)

    found = parse(template, path)

    assert found is not None
    assert found.key.type is named.key.type
    assert render(template, found) == path


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{{ type }}/{{ camera }}-{{ filter }}", id="a border that values contain"),
        pytest.param("{{ type }}{{ gain }}", id="no border"),
        pytest.param("{{ type }}_{{ camera | lower }}", id="a filter"),
        pytest.param("{{ camera }}_{{ gain }}", id="no type"),
    ],
)
def test_a_path_that_would_have_to_be_guessed_is_not_read(template: str) -> None:
    """Rather nothing than something wrong."""
    assert parse(template, render(template, OF_OWN)) is None


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ camra }}", "Did you mean 'camera'"),
        ("$$CAMRA$$", "Did you mean 'CAMERA'"),
        ("$$RMS$$", "Known: BINNING"),
        ("{{ nonsense | upper }}", "Names that can be used"),
        ("{{ camera", "cannot be filled in"),
        ('{{ "%03d" | format(offset) }}', "cannot be filled in"),
        ("/{{ camera }}", "relative to the library"),
        ("../{{ camera }}", "relative to the library"),
        ("C:/{{ camera }}", "relative to the library"),
        ("a\\{{ camera }}", "relative to the library"),
        ("{{ camera }}//x", "relative to the library"),
        ("aux/{{ camera }}", "relative to the library"),
        ("{{ camera }}./x", "relative to the library"),
        ('{{ camera | replace("-", "/../") }}', "relative to the library"),
        ("{{ camera.__class__.__mro__ }}", "cannot be filled in"),
        ("Superseded/{{ camera }}", "where a library keeps other ones"),
        ("quarantine/{{ camera }}", "where a library keeps other ones"),
    ],
)
def test_a_path_of_ones_own_that_cannot_be_used_says_why(template: str, message: str) -> None:
    """An error of the settings, before anything is built."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        render(template, OF_OWN)


def test_an_unknown_layout_names_the_nearest() -> None:
    """A misspelled name is an error of usage."""
    with pytest.raises(ConfigError, match="Did you mean 'playbook'"):
        render("playbok", OF_OWN)
    with pytest.raises(ConfigError, match="There are ap, anawbpps"):
        layouts.scale_of("xyz")
