"""Lists of defects as text: their lines, and the one grammar of IRIS's, for builds and for the command alike.

A list is taken whole or not at all. A build that passed over a line would leave the defects it names in every flat,
and nobody would see it in the master.
"""

from collections.abc import Iterator

from ap_masters.safe import one_line

_SIRILS = ("H", "C")  # hot, cold
_WHOLE = ("C", "L")  # IRIS's own words for a column and a line


def lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and words of every line that is neither empty nor a comment, which ``#`` begins."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words


def position(number: int, words: list[str]) -> tuple[int, int]:
    """Return the column and row that the first two words say. Raises ValueError that names the line."""
    try:
        return int(words[0]), int(words[1])
    except (ValueError, IndexError) as error:
        raise ValueError(f"line {number} is no position: {told(words)}") from error


def iris(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield number, column and row, from zero, of every line ``P x y`` of IRIS's or PULSAR's list.

    Raises ValueError, in words for a user, for every other line. Siril's look alike and count rows from the other end,
    so that each would mend another pixel.
    """
    for number, words in lines(text):
        command = words[0].upper()
        if command in _WHOLE:
            raise ValueError(f"line {number} is a whole column or row, which is not mended: {told(words)}")
        if command != "P":
            raise ValueError(f"line {number} does not begin with P: {told(words)}")
        if len(words) == 4 and words[3].upper() in _SIRILS:
            raise ValueError(f"line {number} is Siril's, which counts rows from the other end: {told(words)}")
        if len(words) != 3:
            raise ValueError(f"line {number} is not P and one position: {told(words)}")
        yield number, *position(number, words[1:])


def told(words: list[str]) -> str:
    """Return the words of a line as a message may hold them."""
    return one_line(" ".join(words))
