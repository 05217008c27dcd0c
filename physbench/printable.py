"""Text of a stranger, made fit for a terminal or a page."""

from __future__ import annotations


def printable(words: object) -> str:
    """Put a question mark for every letter that moves a cursor, turns a line round, ends it, or is half of a character."""
    text = str(words)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
