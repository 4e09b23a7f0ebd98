"""A tolerance is inclusive, whatever subtraction loses in the last digits."""

import pytest

from ap_masters.model import both_within, within


@pytest.mark.parametrize(
    ("a", "b", "tolerance"),
    [
        pytest.param(-15.1, -16.1, 1.0, id="degrees"),
        pytest.param(0.5, 0.501, 0.001, id="short exposures"),
        pytest.param(863999.999, 864000.0, 0.001, id="ten days"),
        pytest.param(3.0, 3.0, 0.0, id="equal, without any tolerance"),
    ],
)
def test_a_tolerance_is_inclusive(a: float, b: float, tolerance: float) -> None:
    """What differs by the tolerance as written is within it, in either order; half a digit more is not."""
    assert within(a, b, tolerance)
    assert within(b, a, tolerance)
    assert not within(a, b + (1 if b > a else -1) * 1e-6, tolerance)


def test_absent_equals_only_absent() -> None:
    """What a header does not say is near to no number."""
    assert both_within(None, None, 1.0)
    assert not both_within(None, 0.0, 1.0)
    assert not both_within(0.0, None, 1.0)
    assert both_within(0.0, 1.0, 1.0)
