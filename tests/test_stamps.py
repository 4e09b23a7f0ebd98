"""Stamps in names: the time of a run, numbered where several runs fall into one second."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from ap_masters.stamps import stamps, without_stamp

_MOMENT = datetime(2026, 1, 29, 12, 34, 56, tzinfo=UTC)


def test_a_second_run_in_a_second_has_a_number() -> None:
    """The first has none."""
    assert list(islice(stamps(_MOMENT), 3)) == ["20260129_123456", "20260129_123456_2", "20260129_123456_3"]


@pytest.mark.parametrize("stamp", [*islice(stamps(_MOMENT), 12)])
def test_every_stamp_comes_off_again(stamp: str) -> None:
    """And nothing else does."""
    assert without_stamp(f"masterDark_20260101_{stamp}") == "masterDark_20260101"
    assert without_stamp("masterDark_20260101") == "masterDark_20260101"
