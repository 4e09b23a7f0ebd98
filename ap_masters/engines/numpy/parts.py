"""Even parts of what is too much to be worked on at once."""

from collections.abc import Iterator


def even_parts(length: int, longest: int) -> Iterator[slice]:
    """Yield slices that cover ``length``: as few as possible, and of sizes that differ by at most 1."""
    count = max(-(-length // max(longest, 1)), 1)
    for i in range(count):
        yield slice(i * length // count, (i + 1) * length // count)
