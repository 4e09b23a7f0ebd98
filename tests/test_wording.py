"""One master is no "1 masters", and no "1 master(s)"."""

import re
from pathlib import Path

import pytest

import ap_masters
from ap_masters.wording import number, numbers

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


def test_no_message_leaves_the_plural_to_the_reader() -> None:
    """``number`` knows it."""
    lazy = re.compile(r"(?:frame|file|master|job|group|image|notice|fault)\(s\)")
    found = [path.name for path in PACKAGE.rglob("*.py") if lazy.search(path.read_text(encoding="utf-8"))]

    assert found == []
