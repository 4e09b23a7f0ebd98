"""Amounts of memory, as users write them."""

from types import SimpleNamespace

import psutil
import pytest

from ap_masters import memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("2G", 2 << 30, id="gibibytes"),
        pytest.param("800M", 800 << 20, id="mebibytes"),
        pytest.param("1.5 GiB", 3 << 29, id="fraction and whole unit"),
        pytest.param("524288k", 512 << 20, id="lower case"),
        pytest.param("4096", 4096 << 20, id="a bare number is MiB"),
        pytest.param("256", 256 << 20, id="the least bare number"),
        pytest.param("16M", 16 << 20, id="the least"),
    ],
)
def test_amounts_are_understood(text: str, size: int) -> None:
    """Units are powers of 1024, in either case, with or without the B."""
    assert memory.parse(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-2G", "2X", "2GG", "nan", "1e3"])
def test_what_is_no_amount_is_refused_with_an_example(text: str) -> None:
    """The message shows how to write it."""
    with pytest.raises(ValueError, match="write it as 2G or 800M"):
        memory.parse(text)


@pytest.mark.parametrize("text", ["16", "2", "255", "0.5", " 16 "])
def test_s3_03_a_small_bare_number_is_asked_about(text: str) -> None:
    """PULSAR's `med --memory 16` means GB; taken for MiB it would be a thousandth of that, without a word."""
    with pytest.raises(ValueError, match=rf"'{text}' has no unit: write {text.strip()}G for gigabytes"):
        memory.parse(text)


@pytest.mark.parametrize("text", ["15M", "0M", "1K"])
def test_too_little_is_refused(text: str) -> None:
    """A budget that holds no band of rows is a mistake, not a wish."""
    with pytest.raises(ValueError, match="too little"):
        memory.parse(text)


@pytest.mark.parametrize(
    ("free", "budget"),
    [
        pytest.param(8 << 30, 4 << 30, id="half"),
        pytest.param(20 << 20, 16 << 20, id="the least, however little there is"),
    ],
)
def test_unsaid_is_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch, free: int, budget: int) -> None:
    """Without a word from the user, some of the machine is left for others."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free, total=4 * free))

    assert memory.budget(None) == budget


def test_said_is_taken_as_it_is() -> None:
    """A user's number is not second-guessed."""
    assert memory.budget("1T") == 1 << 40
