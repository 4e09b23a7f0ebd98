"""One master is no "1 masters", and no "1 master(s)"."""

import re
from pathlib import Path

import pytest

import ap_masters
from ap_masters.model import FrameType, GroupKey
from ap_masters.wording import degrees, number, numbers, percent

PACKAGE = Path(ap_masters.__file__).parent


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 image files"), (1, "1 image file"), (2, "2 image files"), (1000, "1000 image files")]
)
def test_one_is_told_from_many(count: int, words: str) -> None:
    """As a reader would say it."""
    assert number(count, "image file") == words


def test_words_for_what_became_of_them_stay() -> None:
    """In the order they come in; nothing for nothing."""
    assert numbers({"built": 3, "set aside": 1}) == "3 built, 1 set aside"
    assert numbers({}) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [(-9.99699, "-10 °C"), (12.00569246, "12.01 °C"), (-10.1, "-10.1 °C"), (-0.001, "0 °C"), (-10.0, "-10 °C")],
)
def test_a_temperature_has_the_digits_that_mean_something(value: float, words: str) -> None:
    """Hundredths of a degree; a header may hold the whole of a float."""
    assert degrees(value) == words
    assert GroupKey(type=FrameType.DARK, temperature=value).describe() == f"dark, {words}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (100.0, "100 %"),
        (99.97, "100 %"),
        (1234.0, "1230 %"),
        (0.01234, "0.0123 %"),
        (12.0, "12 %"),
        (1e-05, "0.00001 %"),
    ],
)
def test_per_cents_have_no_power_of_ten(value: float, words: str) -> None:
    """Three digits of them."""
    assert percent(value) == words
    assert percent(value, signed=True) == f"+{words}"


def test_a_message_has_its_degrees_and_per_cents_from_one_place() -> None:
    """Other ways to write them have too many digits, or 1e+02."""
    lazy = re.compile(r"g\} (?:°C|%)")
    found = [path.name for path in PACKAGE.rglob("*.py") if lazy.search(path.read_text(encoding="utf-8"))]

    assert not found


def test_no_message_leaves_the_plural_to_the_reader() -> None:
    """``number`` knows it."""
    lazy = re.compile(r"(?:frame|file|master|job|group|image|notice|fault)\(s\)")
    found = [path.name for path in PACKAGE.rglob("*.py") if lazy.search(path.read_text(encoding="utf-8"))]

    assert found == []
