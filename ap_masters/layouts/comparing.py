"""Where a path says something else of a master than is known of it."""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from ap_masters.layouts.tokens import Naming, Token, parts_of_setup
from ap_masters.model import within
from ap_masters.texts import ANAWBPPS, TextRule, stands_for

# Names round to whole degrees, and some hold the set-point where the header holds the sensor.
_TEMPERATURE_SLACK_C: Final = 1.0
_A_DAY: Final = timedelta(days=1)


class Difference(NamedTuple):
    """A value that a path says, and what it is, in words."""

    field: str
    said: str
    own: str


def differences(said: Naming, own: Naming, tokens: Sequence[Token], rule: TextRule) -> Iterator[Difference]:
    """Yield what ``said``, read from a path of ``tokens``, says otherwise than ``own``; silence contradicts nothing.

    Numbers may be rounded as names are. The date of a flat is its night; of other masters any from that of the first
    frame (``own.first``) to that of the last (``own.created``) will do, give or take the day by which UTC is off.
    """
    for token in tokens:
        for field in sorted(token.fields - {"type", "date"}):
            named, known = value_of(said, field), value_of(own, field)
            if named is None or known is None or _alike(field, named, known):
                continue
            # A layout may have words of its own for a text, as PULSAR's letters for filters.
            if not isinstance(known, str) or token.spell(said, rule) != token.spell(own, rule):
                yield Difference(field.replace("_", " "), _shown(named), _shown(known))
    if said.day and own.day and not _is_day_of(said, own):
        yield Difference("date", str(said.day), str(own.day))
    if said.setup and not _is_setup_of(said.setup, own):
        both = filter(None, (own.text("telescope"), own.text("camera")))
        yield Difference("telescope and camera", said.setup, " ".join(both))


def value_of(naming: Naming, field: str) -> str | float | None:
    """Return a value of a naming or of its key, by the name of the field there."""
    value: str | float | None
    value = naming.text(field) if field in {"telescope", "filter"} else getattr(naming.key, field)
    return value


def _alike(field: str, said: str | float, own: str | float) -> bool:
    if isinstance(said, str) or isinstance(own, str):
        return stands_for(str(said), str(own))
    if field == "temperature":
        return within(said, own, _TEMPERATURE_SLACK_C)
    return said == own or (field == "exposure" and math.isclose(said, own, rel_tol=0.01, abs_tol=0.001))


def _is_day_of(said: Naming, own: Naming) -> bool:
    assert said.day is not None
    if own.key.night:
        return said.day == own.key.night
    days = [day for day in (own.first, own.created) if day]
    return min(days) - _A_DAY <= said.day <= max(days) + _A_DAY


def _is_setup_of(setup: str, own: Naming) -> bool:
    telescope, camera = own.text("telescope"), own.text("camera")
    if telescope and camera:
        return stands_for(setup, f"{ANAWBPPS.clean(telescope)}_{ANAWBPPS.clean(camera)}")
    return not (telescope or camera) or parts_of_setup(setup, telescope=telescope, camera=camera) != (None, None)


def _shown(value: str | float) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"
