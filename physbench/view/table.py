"""Tables of what a model does with an image: a column for everything that it predicts and a row for each step. What
does not change is drawn once, in the last row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from physbench.view.canvas import DIM, INK, blank, paste, scale_of, write, write_lines
from physbench.view.figure import GAP, LINE, MARGIN, annotate, cell, name_above, write_head

if TYPE_CHECKING:
    from PIL.Image import Image

    from physbench.view.figure import PictureRow, Story

NAMES = 76
LEAST_WIDTH = 720
"""The least width of a table, which the legend needs."""


def table(story: Story, times: Sequence[int], *, scale: int | None = None) -> Image:
    """Draw a table with a row for each of these steps."""
    (height, width), scale = story.size, scale or scale_of(story.size, 112)
    across, down = width * scale + GAP, height * scale + GAP
    left, top = MARGIN + NAMES, MARGIN + 4 * LINE
    columns = [(row, left + i * across + number * LINE // 2) for i, (number, row) in enumerate(_number_rows(story))]
    right = max(columns[-1][1] + width * scale + MARGIN, LEAST_WIDTH)
    bottom = top + len(times) * down
    image = blank(right, bottom + len(story.legend) * LINE + MARGIN)
    write_head(image, story)
    for i, t in enumerate(times):
        middle = top + i * down + height * scale // 2
        write(image, (MARGIN, middle - 10), story.moment(t), INK, anchor="lm", room=NAMES - GAP)
        write(image, (MARGIN, middle + 10), story.measure(t), DIM, size=13, anchor="lm", room=NAMES - GAP)
    for row, x in columns:
        drawn = [len(times) - 1] if _stays(row) else range(len(times))
        name_above(image, row, x, top + drawn[0] * down - 8, width * scale)
        for i in drawn:
            paste(image, cell(row, times[i], story.size, scale), x, top + i * down)
            annotate(image, row, times[i], x, top + i * down, width * scale, height * scale)
    write_lines(image, story.legend, margin=MARGIN, y=bottom + LINE // 2, line=LINE)
    return image


def _number_rows(story: Story) -> list[tuple[int, PictureRow]]:
    """Return every row with the number of its block."""
    return [(number, row) for number, block in enumerate(story.blocks) for row in block]


def _stays(row: PictureRow) -> bool:
    """Return whether the picture is the same in all steps."""
    return all(picture is row.pictures[0] for picture in row.pictures)
