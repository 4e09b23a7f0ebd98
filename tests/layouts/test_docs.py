"""docs/layouts.md shows what the layouts really do."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ap_masters.layouts import LAYOUTS, render, siril_expressions
from ap_masters.layouts.template import JINJA_NAMES, NINA_TOKENS
from tests.layouts.namings import BIAS, DARK, DARK_FLAT, FLAT, naming

DOCS = (Path(__file__).parent.parent.parent / "docs" / "layouts.md").read_text(encoding="utf-8")

CAMERA: dict[str, Any] = {
    "camera": "ZWO ASI2600MM Pro",
    "telescope": "RedCat 51",
    "gain": 100.0,
    "offset": 50.0,
    "temperature": -10.0,
    "readout_mode": "Low Noise",
    "x_binning": 1,
    "y_binning": 1,
    "width": 6248,
    "height": 4176,
    "first": date(2026, 1, 29),
}
EXAMPLES = (
    naming(BIAS, **CAMERA),
    naming(DARK, exposure=300.0, **CAMERA),
    naming(DARK_FLAT, exposure=5.4, filter="Ha", **CAMERA),
    naming(FLAT, exposure=5.4, filter="Ha", **CAMERA),
)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_shown_with_the_names_it_gives(layout: str) -> None:
    """One section each: its description, its suffix, and a bias, a dark, a dark flat and a flat."""
    row = LAYOUTS[layout]
    section = DOCS.partition(f"## `{layout}`\n")[2].partition("\n## ")[0]

    assert row.description in section.replace("\n", " ")
    shown = re.search(r"```text\n(.*?)```", section, re.DOTALL)
    assert shown is not None
    assert shown[1].splitlines() == [render(layout, example).as_posix() for example in EXAMPLES]


def test_the_paths_of_ones_own_that_are_shown_file_a_night() -> None:
    """Every master gets a place of its own, under a name without holes."""
    section = DOCS.partition("## A path of your own\n")[2]
    (shown,) = re.findall(r"in jinja2:\n\n```text\n(.*?)```", section, re.DOTALL)
    night = (
        *EXAMPLES,
        naming(DARK, exposure=60.0, **CAMERA),
        naming(DARK_FLAT, exposure=2.0, filter="L", **CAMERA),
        naming(FLAT, exposure=2.0, filter="L", **CAMERA),
    )

    for template in shown.splitlines():
        paths = [render(template, master).as_posix() for master in night]
        assert len(set(paths)) == len(night), template
        assert not [path for path in paths if "NO_" in path or "ss/" in path]
    assert f"`{render(shown.splitlines()[0], EXAMPLES[0]).as_posix()}`" in section.replace("\n", " ")
    assert f"`{render(shown.splitlines()[0], EXAMPLES[3]).as_posix()}`" in section.replace("\n", " ")


def test_every_value_of_an_own_path_is_listed() -> None:
    """Those of jinja2 and those of N.I.N.A."""
    assert set(JINJA_NAMES) <= set(re.findall(r"`(\w+)`", DOCS))
    assert {f"$${name}$$" for name in NINA_TOKENS} <= set(re.findall(r"`(\$\$\w+\$\$)`", DOCS))


def test_the_expressions_for_siril_are_shown() -> None:
    """As they are to be pasted."""
    for name, expression in siril_expressions(Path("/astro/masters")).items():
        assert f"{name}  {expression}\n" in DOCS
