"""Siril finds the masters of its layout by itself."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ap_masters import layouts
from ap_masters.errors import UsageError
from ap_masters.layouts import render
from tests.layouts.namings import BIAS, DARK, FLAT, naming


def _siril(expression: str, header: dict[str, Any]) -> str:
    """Fill in an expression as Siril's path_parse.c does: %d truncates, %s joins words by ``_``, ``*`` is any."""

    def value(found: re.Match[str]) -> str:
        key, _, spelled = found[1].partition(":")
        if key.startswith("*"):
            return "*"
        return str(int(header[key])) if spelled == "%d" else re.sub(r"[^A-Za-z0-9.+-]", "_", header[key].strip())

    return re.sub(r"\$(.+?)\$", value, expression)


def test_siril_finds_the_masters_of_its_layout() -> None:
    """What Siril makes of the expressions for a light is where the masters were filed."""
    common: dict[str, Any] = {"gain": 100.0, "offset": 50.0, "temperature": -10.0, "x_binning": 1, "y_binning": 1}
    header = {"EXPTIME": 300.0, "GAIN": 100, "OFFSET": 50, "SET-TEMP": -10.0, "XBINNING": 1, "FILTER": "O III "}
    root = Path("/home/me/my masters")

    found = {name: _siril(text, header) for name, text in layouts.siril_expressions(root).items()}

    night = date(2026, 1, 29)
    assert found["$defbias"] == (root / render("siril", naming(BIAS, **common))).as_posix()
    assert found["$defdark"] == (root / render("siril", naming(DARK, exposure=300.0, **common))).as_posix()
    flat = (root / render("siril", naming(FLAT, filter="O III ", first=night, **common))).as_posix()
    assert re.fullmatch(re.escape(found["$defflat"]).replace(r"\*", ".*"), flat)


@pytest.mark.parametrize(
    ("changes", "suffix", "found"),
    [
        pytest.param({}, ".fit", True, id="whole numbers"),
        pytest.param({"gain": None, "offset": None}, ".fit", False, id="no gain and offset"),
        pytest.param({"exposure": 0.5}, ".fit", False, id="a fraction of a second"),
        pytest.param({"temperature": -9.8}, ".fit", False, id="an uncooled camera"),
        pytest.param({"temperature": None}, ".fit", False, id="no temperature"),
        pytest.param({"y_binning": 2}, ".fit", False, id="two kinds of binning"),
        pytest.param({"iso": 800.0}, ".fit", False, id="an ISO"),
        pytest.param({}, ".xisf", False, id="another format"),
    ],
)
def test_siril_does_not_find_what_its_expressions_cannot_name(
    changes: dict[str, Any], suffix: str, found: bool
) -> None:
    """A value that no header fills in, or that it cuts."""
    key: dict[str, Any] = {"gain": 100.0, "offset": 50.0, "temperature": -10.0, "x_binning": 1, "y_binning": 1}
    dark = naming(DARK, **(key | {"exposure": 300.0} | changes))

    assert layouts.siril_finds(render("siril", dark, suffix=suffix), dark.key) is found


@pytest.mark.parametrize(
    ("band", "found"),
    [("Ha", True), ("O III ", True), (None, False), ("Antlia ALP-T Dual Band 5nm Ha OIII 2in", False)],
)
def test_siril_finds_flats_by_the_whole_text_of_their_filter(band: str | None, found: bool) -> None:
    """One that is too long is cut in the name, and not by Siril; without one it fills in nothing."""
    key: dict[str, Any] = {"gain": 100.0, "offset": 50.0, "x_binning": 1, "y_binning": 1, "filter": band}
    flat = naming(FLAT, first=date(2026, 1, 29), **key)

    assert layouts.siril_finds(render("siril", flat), flat.key) is found


def test_siril_cannot_be_told_of_a_path_with_a_dollar_sign() -> None:
    """It would take it for the start of a value."""
    with pytest.raises(UsageError, match=re.escape("$")):
        layouts.siril_expressions(Path("/home/me/$masters"))
