"""Pictures of clips: a strip of frames, an animation, a contact sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physbench.view.canvas import DIM, INK, blank, gif, paste, pen, write
from physbench.view.clip import clip_from
from physbench.view.panels import COLOURS, enlarged, hang_curtain, labelled, legend, shown

if TYPE_CHECKING:
    from PIL.Image import Image

    from physbench.scene import Scenes
    from physbench.view.clip import Clip
    from physbench.view.panels import Pixels

MARGIN, GAP, LINE = 24, 8, 24
TRACK = (52, 56, 66)


def strip(clip: Clip, *, frames: int = 8, scale: int | None = None) -> Image:
    """A row of frames around the first collision of two objects, the objects below."""
    (height, width), scale = clip.size, scale or _scale(clip.size, 192)
    times = _window(clip, frames)
    left, top = MARGIN + 68, MARGIN + 2 * LINE + 8
    across, down = width * scale + GAP, height * scale + GAP
    whole, bottom = max(left + len(times) * across - GAP + MARGIN, 720), top + 2 * down + LINE // 2
    rows = _rows(clip, whole)
    image = blank(whole, bottom + (rows + 1) * LINE + MARGIN - LINE // 2)
    end = write(image, (MARGIN, MARGIN + 8), clip.title, INK, size=20, anchor="lm", room=whole // 2)
    write(image, (end + MARGIN, MARGIN + 9), clip.caption, DIM, anchor="lm", room=whole - MARGIN - end - MARGIN)
    for row, name in enumerate(("frames", "objects")):
        write(image, (MARGIN, top + row * down + height * scale // 2), name, DIM, anchor="lm")
    for column, t in enumerate(times):
        x = left + column * across
        write(image, (x + width * scale // 2, top - 8), f"t = {t}", DIM, size=13, anchor="ms")
        paste(image, shown(clip, t, scale=scale), x, top)
        paste(image, labelled(clip, t, scale=scale), x, top + down)
    _list_objects(image, clip, bottom)
    write(image, (MARGIN, bottom + rows * LINE), "   ·   ".join(legend(clip)), DIM, size=13, anchor="lm")
    return image


def animation(clip: Clip, *, scale: int | None = None) -> bytes:
    """A looping GIF of all frames, ten a second, frames and objects side by side, with a line of time below that marks the collisions."""
    (height, width), scale = clip.size, scale or _scale(clip.size, 320)
    top, across, bottom = MARGIN + 2 * LINE + 8, width * scale + 2 * GAP, height * scale
    whole = max(2 * MARGIN + across + width * scale, 400)
    ground = blank(whole, top + bottom + (1 + _rows(clip, whole)) * LINE + MARGIN)
    write(ground, (MARGIN, MARGIN + 8), clip.title, INK, size=20, anchor="lm", room=whole - 3 * MARGIN - 64)
    write(ground, (MARGIN, MARGIN + 8 + LINE), clip.caption, DIM, anchor="lm", room=whole - 2 * MARGIN)
    _list_objects(ground, clip, top + bottom + 2 * LINE)
    ruler = np.linspace(MARGIN, MARGIN + across + width * scale, clip.frames + 1)
    line = top + bottom + LINE // 2
    images: list[Image] = []
    for t in range(clip.frames):
        image = ground.copy()
        draw = pen(image)
        write(image, (whole - MARGIN, MARGIN + 8), f"t = {t}", INK, anchor="rm")
        paste(image, shown(clip, t, scale=scale), MARGIN, top)
        paste(image, labelled(clip, t, scale=scale), MARGIN + across, top)
        draw.rectangle((ruler[0], line, ruler[-1], line + 3), fill=TRACK)
        draw.rectangle((ruler[0], line, ruler[t + 1], line + 3), fill=DIM)
        for hit in np.flatnonzero(clip.hits.any(axis=1)):
            draw.rectangle((ruler[hit], line - 3, ruler[hit] + 1, line + 6), fill=INK)
        images.append(image)
    return gif(images, milliseconds=100)


def contact_sheet(scenes: Scenes, *, columns: int = 4, rows: int = 2, scale: int | None = None) -> Image:
    """The first scenes of a batch: the objects where they start, and the way their centres go."""
    clips = [clip_from(scenes, i, dataset="", split="", index=i) for i in range(min(columns * rows, len(scenes.count)))]
    height, width = clips[0].size
    scale = scale or _scale(clips[0].size, 256)
    across, down = width * scale + 2 * GAP, height * scale + 2 * GAP + LINE
    columns = min(columns, len(clips))
    image = blank(2 * MARGIN + columns * across - 2 * GAP, 2 * MARGIN + -(-len(clips) // columns) * down - 2 * GAP)
    for i, clip in enumerate(clips):
        x, y = MARGIN + i % columns * across, MARGIN + i // columns * down
        write(image, (x, y + 8), str(i), INK, anchor="lm")
        write(image, (x + width * scale, y + 8), f"{clip.population}, {clip.meetings}", DIM, size=13, anchor="rm", room=width * scale - 2 * GAP)
        paste(image, _trails(clip, scale), x, y + LINE)
    return image


def _scale(size: tuple[int, int], pixels: int) -> int:
    return max(1, round(pixels / max(size)))


def _window(clip: Clip, frames: int) -> range:
    """Every second frame if there are enough, from a little before the first collision of two objects."""
    step = 2 if 2 * frames <= clip.frames else 1
    first = int(clip.hits.any(axis=1).argmax())
    start = max(0, min(first - (frames - 1) // 2 * step, clip.frames - frames * step))
    return range(start, min(start + frames * step, clip.frames), step)


def _list_objects(image: Image, clip: Clip, y: int) -> None:
    draw, (column, columns) = pen(image), _columns(clip, image.width)
    for k, (name, weight) in enumerate(zip(clip.names, clip.weights, strict=True)):
        x, middle, colour = MARGIN + k % columns * column, y + k // columns * LINE, COLOURS[k + 1]
        draw.rectangle((x, middle - 6, x + 12, middle + 6), fill=tuple(colour.tolist()))
        if weight > 1:
            draw.rectangle((x + 4, middle - 2, x + 8, middle + 2), fill=tuple((colour // 3).tolist()))
        write(image, (x + 19, middle), name, DIM, size=13, anchor="lm")


def _columns(clip: Clip, width: int) -> tuple[int, int]:
    """How wide one is and how many there are in the list of objects."""
    column = 36 + 8 * max(map(len, clip.names), default=0)
    return column, max(1, (width - 2 * MARGIN) // column)


def _rows(clip: Clip, width: int) -> int:
    return -(-clip.objects // _columns(clip, width)[1])


def _trails(clip: Clip, scale: int) -> Pixels:
    """The first frame's objects over the ways of the centres, which fade with time."""
    finer = 3 * scale  # drawn large and made smaller, for Pillow's lines are not smooth
    (height, width), ground = clip.size, COLOURS[0].astype(float)
    image = blank(width * finer, height * finer)
    draw = pen(image)
    draw.rectangle((0, 0, *image.size), fill=tuple(COLOURS[0].tolist()))
    ways = clip.arrays["position"].astype(float).clip(-width - height, 2 * (width + height)) * finer
    for t in range(clip.frames - 1, 0, -1):
        for k in np.flatnonzero(np.isfinite(ways[t - 1 : t + 1, : clip.objects]).all(axis=(0, 2))):
            shade = ground + (COLOURS[k + 1] - ground) * (0.9 - 0.65 * t / clip.frames)
            draw.line((*ways[t - 1, k], *ways[t, k]), fill=tuple(shade.astype(int).tolist()), width=2 * finer // 3)
    picture = np.array(image.resize((width * scale, height * scale), resample=1))
    hang_curtain(picture, clip, scale)
    owners = enlarged(clip.arrays["groups"][0, :, :, 0], scale)
    return np.where(owners[..., None] > 0, labelled(clip, 0, scale=scale), picture)
