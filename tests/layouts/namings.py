"""Namings for the tests of layouts: as the plan makes them, and whatever a header could say."""

from datetime import date
from typing import Any

from hypothesis import strategies as st

from ap_masters.layouts import Naming
from ap_masters.model import CALIBRATION_TYPES, FrameType, GroupKey

BIAS, DARK, DARK_FLAT, FLAT = CALIBRATION_TYPES


def naming(frame_type: FrameType, /, *, first: date | None = None, telescope: str | None = None, **key: Any) -> Naming:
    """Return a naming as the plan makes it: telescope and filter beside the key as well as in it."""
    if frame_type is FLAT:
        key = {"telescope": telescope, "night": first} | key
    return Naming(
        key=GroupKey(type=frame_type, **key), telescope=telescope, filter=key.get("filter"), first=first, created=first
    )


TEXTS = st.one_of(
    st.sampled_from(
        ["L", "Ha", "Hα", "Hβ", "O III", "ZWO ASI2600MM Pro", 'Edge HD 8"', "Dark", "NO_FILTER", "赤", "NoFilter"]
    ),
    st.text(min_size=1, max_size=60),
)
NUMBERS = st.one_of(st.none(), st.integers(-300, 2000).map(float), st.floats(-300, 5000).map(lambda x: round(x, 2)))
DATES = st.one_of(st.none(), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
COUNTS = st.one_of(st.none(), st.integers(1, 20000))


@st.composite
def namings(draw: st.DrawFn, strings: st.SearchStrategy[str] = TEXTS) -> Naming:
    """Anything a header could say, however odd."""
    frame_type = draw(st.sampled_from(CALIBRATION_TYPES))
    text = st.one_of(st.none(), strings)
    key: dict[str, Any] = {name: draw(text) for name in ("camera", "camera_id", "readout_mode", "bayer_pattern")}
    key |= {name: draw(NUMBERS) for name in ("gain", "offset", "iso", "usb_limit", "temperature")}
    key |= {name: draw(COUNTS) for name in ("width", "height", "channels")}
    key |= {name: draw(st.sampled_from([None, 1, 800])) for name in ("x_origin", "y_origin")}
    key |= dict.fromkeys(("x_binning", "y_binning"), draw(st.sampled_from([None, 1, 2])))
    if frame_type is not BIAS:
        key["exposure"] = draw(st.one_of(st.none(), st.floats(0, 4000).map(lambda x: round(x, 6))))
    if frame_type in (FLAT, DARK_FLAT):
        key["filter"] = draw(text)
    return naming(frame_type, first=draw(DATES), telescope=draw(text), **key)
