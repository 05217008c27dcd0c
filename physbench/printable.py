"""Text for a terminal or a page: without harmful characters, shortened, or aligned in columns."""

from collections.abc import Collection, Iterator, Sequence

GAP = "  "
"""What separates two columns."""


def printable(words: object) -> str:
    """Replace every character that cannot be printed by a question mark.

    Such characters could move the cursor, reverse the direction of a line, or end it.
    """
    text = str(words)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def shorten(text: str, most: int, end: str = "...") -> str:
    """Cut a text to at most so many characters, including the end that is put in place of what is cut off."""
    return text if len(text) <= most else text[: most - len(end)] + end


def align(rows: Sequence[Sequence[str]], *, left: Collection[int] = ()) -> Iterator[str]:
    """Yield rows as lines with aligned columns. left: which columns are aligned to the left; the others are aligned to
    the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield GAP.join(cells).rstrip()
