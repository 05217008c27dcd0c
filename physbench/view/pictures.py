"""Pictures of clips: strips of frames, and animations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physbench.view.canvas import DIM, INK, blank, flow, gif, paste, pen, scale_of, write, write_lines
from physbench.view.panels import legend, panels_of
from physbench.view.times import ALL_TIMES, Times

if TYPE_CHECKING:
    from PIL.Image import Image

    from physbench.view.clip import Clip

MARGIN, GAP, LINE = 24, 8, 24
TRACK = (52, 56, 66)
SMALL = 13
COLUMNS = 8
"""How many frames a strip has by default."""


def strip(clip: Clip, *, times: Times = ALL_TIMES, scale: int | None = None) -> Image:
    """Draw a row of frames, with the objects below.

    The frames are those around the first moment when something happens, unless times says where to start.
    """
    (height, width), scale = clip.size, scale or scale_of(clip.size, 192)
    chosen = _around_the_first_hit(clip, times) if times.start is None else _from_there(clip, times)
    left, top = MARGIN + 68, MARGIN + 2 * LINE + 8
    across, down, panels = width * scale + GAP, height * scale + GAP, panels_of(clip)
    whole, bottom = max(left + len(chosen) * across - GAP + MARGIN, 720), top + len(panels) * down + LINE // 2
    rows, marks = _rows(clip, whole), flow(legend(clip, chosen), whole - 2 * MARGIN, size=SMALL)
    image = blank(whole, bottom + (rows + max(1, len(marks))) * LINE + MARGIN - LINE // 2)
    end = write(image, (MARGIN, MARGIN + 8), clip.title, INK, size=20, anchor="lm", room=whole * 2 // 3)
    write(image, (end + MARGIN, MARGIN + 9), clip.caption, DIM, anchor="lm", room=whole - MARGIN - end - MARGIN)
    for row, name in enumerate(panels):
        write(image, (MARGIN, top + row * down + height * scale // 2), name, DIM, anchor="lm")
    for column, t in enumerate(chosen):
        x = left + column * across
        if clip.frames > 1:
            write(
                image,
                (x + width * scale // 2, top - 8),
                clip.tell_time(t),
                DIM,
                size=SMALL,
                anchor="ms",
                room=max(width * scale, 64),
            )
        for row, draw in enumerate(panels.values()):
            paste(image, draw(clip, t, scale=scale), x, top + row * down)
    _list_objects(image, clip, bottom)
    write_lines(image, marks, margin=MARGIN, y=bottom + rows * LINE, line=LINE)
    return image


def animation(clip: Clip, *, times: Times = ALL_TIMES, scale: int | None = None) -> bytes:
    """Make a looping GIF of ten frames a second: frames and objects side by side, and a time line that marks events."""
    (height, width), scale = clip.size, scale or scale_of(clip.size, 320)
    chosen = times.of(clip.frames)
    top, across, bottom, panels = MARGIN + 2 * LINE + 8, width * scale + 2 * GAP, height * scale, panels_of(clip)
    last = MARGIN + len(panels) * across - 2 * GAP
    whole = max(last + MARGIN, 400)
    hits = [t for t in np.flatnonzero(clip.moments).tolist() if chosen[0] <= t < chosen.stop]
    on_the_line = [f"mark on the line of time: {clip.marks.words.get('moments', 'something happens')}"] if hits else []
    rows, marks = _rows(clip, whole), flow([*legend(clip, chosen), *on_the_line], whole - 2 * MARGIN, size=SMALL)
    ground = blank(whole, top + bottom + (1 + rows + len(marks)) * LINE + MARGIN)
    write(
        ground,
        (MARGIN, MARGIN + 8),
        clip.title,
        INK,
        size=20,
        anchor="lm",
        room=whole - 3 * MARGIN - (64 if "actions" not in clip.arrays else 144),
    )
    write(ground, (MARGIN, MARGIN + 8 + LINE), clip.caption, DIM, anchor="lm", room=whole - 2 * MARGIN)
    _list_objects(ground, clip, top + bottom + 2 * LINE)
    write_lines(ground, marks, margin=MARGIN, y=top + bottom + (2 + rows) * LINE, line=LINE)
    first, line = MARGIN, top + bottom + LINE // 2

    def along(t: int) -> float:
        return first + (last - first) * (t - chosen.start) / (chosen.stop - chosen.start)

    images: list[Image] = []
    for t in chosen:
        image = ground.copy()
        draw = pen(image)
        write(image, (whole - MARGIN, MARGIN + 8), clip.tell_time(t), INK, anchor="rm")
        for column, panel in enumerate(panels.values()):
            paste(image, panel(clip, t, scale=scale), MARGIN + column * across, top)
        draw.rectangle((first, line, last, line + 3), fill=TRACK)
        draw.rectangle((first, line, along(t + chosen.step), line + 3), fill=DIM)
        for hit in hits:
            draw.rectangle((along(hit), line - 3, along(hit) + 1, line + 6), fill=INK)
        images.append(image)
    return gif(images, milliseconds=100)


def _from_there(clip: Clip, times: Times) -> range:
    left = len(Times(times.start, None, times.every).of(clip.frames))
    return Times(times.start, times.frames or min(COLUMNS, left), times.every).in_columns(clip.frames)


def _around_the_first_hit(clip: Clip, times: Times) -> range:
    """Choose frames from a little before the first event; every second frame if there are enough."""
    frames = times.frames or min(COLUMNS, len(times.of(clip.frames)))
    every = times.every or (2 if 2 * frames <= clip.frames else 1)
    first = int(clip.moments.argmax())
    start = max(0, min(first - (frames - 1) // 2 * every, clip.frames - 1 - (frames - 1) * every))
    return Times(start, frames, every).in_columns(clip.frames)


def _list_objects(image: Image, clip: Clip, y: int) -> None:
    draw, (column, columns) = pen(image), _columns(clip, image.width)
    cored = set(np.flatnonzero((clip.marks.cores[..., 2] > 0).any(axis=0)).tolist())
    for k, name in enumerate(clip.names):
        x, middle, colour = MARGIN + k % columns * column, y + k // columns * LINE, clip.colours[k + 1]
        draw.rectangle((x, middle - 6, x + 12, middle + 6), fill=tuple(colour.tolist()))
        if k in cored:
            draw.rectangle((x + 4, middle - 2, x + 8, middle + 2), fill=tuple((colour // 3).tolist()))
        write(image, (x + 19, middle), name, DIM, size=SMALL, anchor="lm")


def _columns(clip: Clip, width: int) -> tuple[int, int]:
    """Return the width of a column in the list of objects, and how many columns there are."""
    column = 36 + 8 * max(map(len, clip.names), default=0)
    return column, max(1, (width - 2 * MARGIN) // column)


def _rows(clip: Clip, width: int) -> int:
    return -(-clip.objects // _columns(clip, width)[1])
