"""Cards are read as astropy reads them, and none is refused."""

import json
import warnings
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.io.fits.card import Undefined
from astropy.io.fits.verify import VerifyError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ap_masters.images.fits_cards import CARD, parse_cards
from ap_masters.model import Keyword

_UNPARSABLE = object()


def _card(text: str) -> bytes:
    return text.ljust(CARD).encode("latin-1")


def _one(text: str) -> Keyword:
    (keyword,) = parse_cards(_card(text))
    return keyword


def _as_astropy_reads(header: bytes) -> list[tuple[str, object, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cards = fits.Header.fromstring(header).cards
        return [_astropy_card(card) for card in cards if not card.is_blank]


def _astropy_card(card: fits.Card) -> tuple[str, object, str]:
    if card.keyword in {"COMMENT", "HISTORY", ""}:
        return card.keyword, None, card.value
    try:
        value = card.value
    except VerifyError:
        value = _UNPARSABLE
    return card.keyword, None if isinstance(value, Undefined) else value, card.comment


_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
_NAMES = st.from_regex(r"[A-Z][A-Z0-9_-]{0,7}", fullmatch=True).filter(
    lambda name: name not in {"END", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH"}
)
_NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: repr(number).upper()),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:.6e}"),
    st.floats(-1e9, 1e9).map(lambda number: f"{number:+.12E}".replace("E", "D")),
    st.sampled_from(["1.", ".5", "-.5E-3", "007", "-007.50", "+32768", "1D5", "2e3", "- 12", "1.5 E 4", "0"]),
)
_STRINGS = _TEXT.filter(lambda text: not text.rstrip().endswith("&")).map(
    lambda text: "'" + text.replace("'", "") + "'"
)
_VALUES = st.one_of(_NUMBERS, _NUMBERS.map(lambda text: text.rjust(20)), _STRINGS, st.sampled_from(["T", "F", ""]))
_COMMENTS = st.one_of(st.just(""), _TEXT.map(lambda text: f" / {text}"), _TEXT.map(lambda text: f"/{text}"))
_PLAIN = st.builds(lambda name, value, comment: f"{name:8}= {value}{comment}", _NAMES, _VALUES, _COMMENTS)
_COMMENTARY = st.builds(
    lambda name, text: f"{name:8}{text}", st.sampled_from(["COMMENT", "HISTORY", ""]), st.one_of(_TEXT, st.just(""))
)
_HIERARCH = st.builds(
    lambda name, value, comment: f"HIERARCH {name} = {value}{comment}",
    st.from_regex(r"[A-Z][A-Z0-9-]{8,14}( [A-Z]{1,5})?", fullmatch=True),
    _VALUES,
    _COMMENTS,
)


def _is_record_valued(text: str) -> bool:
    """Astropy takes ``KEY = 'FIELD: 1'`` for a number of the name KEY.FIELD."""
    return ": " in text


@given(st.lists(st.one_of(_PLAIN, _COMMENTARY, _HIERARCH).filter(lambda text: not _is_record_valued(text)), max_size=6))
@settings(deadline=None)
def test_cards_are_read_as_astropy_reads_them(texts: list[str]) -> None:
    """Names, values with their types, and comments agree on every card that keeps to the standard or bends it."""
    header = b"".join(_card(text[:CARD]) for text in texts)

    expected = _as_astropy_reads(header)

    found = parse_cards(header)
    assert len(expected) == len(found)
    for ours, (name, value, comment) in zip(found, expected, strict=True):
        if value is _UNPARSABLE:
            assert ours.name == name
        else:
            assert ours == (name, value, comment)
            assert type(ours.value) is type(value)


@given(
    _NAMES,
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="/"), min_size=60, max_size=400),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
)
@settings(deadline=None)
@example("OBJECT", "'" * 120 + "'&" * 40, "quotes torn apart between two cards")
def test_long_strings_come_back_from_their_continue_cards(name: str, text: str, comment: str) -> None:
    """What astropy splits over CONTINUE cards is one string again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = fits.Card(name, text, comment).image

    keyword = _one_of(parse_cards(image.encode("ascii")))

    assert (name, text.rstrip(" ")) == keyword[:2]


def _one_of(keywords: tuple[Keyword, ...]) -> Keyword:
    (keyword,) = keywords
    return keyword


@given(st.lists(st.binary(min_size=CARD, max_size=CARD), max_size=5))
@settings(deadline=None)
@example([b"KEY     = 'abc&'".ljust(CARD), b"CONTINUE  'def".ljust(CARD)])
@example([b"CONTINUE  'nothing before'".ljust(CARD)])
def test_no_card_is_refused(cards: list[bytes]) -> None:
    """Whatever stands in a header, the rest of it stays readable."""
    header = b"".join(cards) + _card("GAIN    =                  100")

    assert Keyword("GAIN", 100) == parse_cards(header)[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("BZERO   =         32768.000000 / float", Keyword("BZERO", 32768.0, "float"), id="float BZERO"),
        pytest.param("EXPTIME = +1.00000000000E+001 / s", Keyword("EXPTIME", 10.0, "s"), id="CCDOPS float"),
        pytest.param("EXPTIME =               1.5D+02", Keyword("EXPTIME", 150.0), id="D exponent"),
        pytest.param("OBSERVER= 'O''Hara  '  / who", Keyword("OBSERVER", "O'Hara", "who"), id="doubled quote"),
        pytest.param("FILTER  = ''", Keyword("FILTER", ""), id="empty string"),
        pytest.param("FILTER  = '        '", Keyword("FILTER", ""), id="blank string"),
        pytest.param("SITELAT = '+48 12''' / inch", Keyword("SITELAT", "+48 12'", "inch"), id="quote at the end"),
        pytest.param("APERTURE= '6'' / f8'", Keyword("APERTURE", "6' / f8"), id="quote and slash inside a string"),
        pytest.param("FILTER  = 'Ha: 7'", Keyword("FILTER", "Ha: 7"), id="no record-valued card"),
        pytest.param("CCD-TEMP=", Keyword("CCD-TEMP", None), id="undefined"),
        pytest.param("CCD-TEMP=                      / C", Keyword("CCD-TEMP", None, "C"), id="undefined, comment"),
        pytest.param("CCD-TEMP=                  nan / C", Keyword("CCD-TEMP", "nan", "C"), id="not a number"),
        pytest.param("DATE-OBS= 2026-01-29T21:00:00", Keyword("DATE-OBS", "2026-01-29T21:00:00"), id="no quotes"),
        pytest.param("OBJECT  = 'M 31", Keyword("OBJECT", "M 31"), id="quote never closed"),
        pytest.param("Gain    =                  100", Keyword("GAIN", 100), id="small letters"),
        pytest.param("GAIN = 100 / early sign", Keyword("GAIN", 100, "early sign"), id="equals sign off its column"),
        pytest.param("GAIN    =100", Keyword("GAIN", 100), id="no blank after the equals sign"),
        pytest.param("HIERARCH ESO DET TEMP = -10.5 / C", Keyword("ESO DET TEMP", -10.5, "C"), id="hierarch"),
        pytest.param("HISTORY   indented", Keyword("HISTORY", None, "  indented"), id="history"),
        pytest.param("        a blank name", Keyword("", None, "a blank name"), id="blank name"),
        pytest.param(
            "COMMENT = '        '  / Generated by INDI",
            Keyword("COMMENT", None, "= '        '  / Generated by INDI"),
            id="broken INDI comment",
        ),
        pytest.param("just some text without a sign", Keyword("JUST SOM", None, "e text without a sign"), id="text"),
    ],
)
def test_a_card_is_understood(text: str, expected: Keyword) -> None:
    """Cards that real programs write, and cards they should not have written."""
    keyword = _one(text)

    assert expected == keyword
    assert type(expected.value) is type(keyword.value)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_text_outside_ascii_is_decoded(encoding: str) -> None:
    """A header may hold ASCII only; programs that write more write UTF-8 or Latin-1."""
    card = "OBSERVER= 'Jérôme Müller' / 20 °C".encode(encoding).ljust(CARD)

    assert (Keyword("OBSERVER", "Jérôme Müller", "20 °C"),) == parse_cards(card)


def test_blank_cards_are_left_out() -> None:
    """MaxIm DL and others keep room with blank cards; they say nothing."""
    header = _card("") + _card("GAIN    =                  100") + _card("")

    assert (Keyword("GAIN", 100),) == parse_cards(header)


def test_real_headers_are_read_as_astropy_reads_them(realdata: Path) -> None:
    """Seven capture programs and ten real frames."""
    headers = [
        b"".join(_card(line) for line in path.read_text(encoding="ascii").splitlines() if line != "END")
        for path in sorted((realdata / "headers").glob("*.txt"))
    ]
    for path in sorted(realdata.rglob("*.fit")):
        data = path.read_bytes()
        headers.append(data[: data.index(b"END" + b" " * 77)])
    assert len(headers) > 15

    for header in headers:
        assert _as_astropy_reads(header) == [tuple(keyword) for keyword in parse_cards(header)]


def test_real_master_keywords_survive_as_cards(realdata: Path) -> None:
    """The keywords of a real PixInsight master, 1216 HISTORY lines among them."""
    text = (realdata / "headers" / "pixinsight-1.8.8-7-master-dark.json").read_text(encoding="utf-8")
    history = [entry["comment"] or entry["value"] for entry in json.loads(text)["HISTORY"]]
    header = b"".join(_card(f"HISTORY {line}"[:CARD]) for line in history)

    assert len(parse_cards(header)) == len(history) == 1216
