"""Text made fit for a terminal or a page: a stranger's, and what stands in columns."""

from collections.abc import Collection, Iterator, Sequence

GAP = "  "
"""Between columns."""


def printable(words: object) -> str:
    """Put a question mark for every letter that moves a cursor, turns a line round, ends it, or is half of a
    character."""
    text = str(words)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def shorten(text: str, most: int, end: str = "...") -> str:
    """Cut a text to so many letters, the end among them."""
    return text if len(text) <= most else text[: most - len(end)] + end


def align(rows: Sequence[Sequence[str]], *, left: Collection[int] = ()) -> Iterator[str]:
    """Write rows as lines with columns one below the other. left: the columns of words; those of numbers stand to the
    right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield GAP.join(cells).rstrip()
