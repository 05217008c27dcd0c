"""Contact sheets, which show the first scenes of a recipe before a dataset is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physbench.scene import Scenes
from physbench.view.canvas import DIM, INK, blank, flow, paste, pen, scale_of, write, write_lines
from physbench.view.clip import Clip, clip_from
from physbench.view.panels import COLOURS, Pixels, draw_frame, draw_labels, enlarge, hang_curtain, legend
from physbench.world import World

if TYPE_CHECKING:
    from PIL.Image import Image

MARGIN, GAP, LINE = 24, 8, 24
SMALL = 13


def contact_sheet(
    scenes: Scenes,
    *,
    dataset: str = "",
    split: str = "",
    recipe: str = "",
    world: World | None = None,
    columns: int = 4,
    rows: int = 2,
    scale: int | None = None,
) -> Image:
    """Draw the first scenes of a batch: the objects at the start, and the paths of their centres.

    recipe: what is special about it, in a few words.
    """
    number = min(columns * rows, len(scenes))
    clips = [
        clip_from(scenes, i, dataset=dataset, split=split, index=i, recipe=recipe, world=world) for i in range(number)
    ]
    (height, width), scale, columns = clips[0].size, scale or scale_of(clips[0].size, 256), min(columns, len(clips))
    across, down, top = width * scale + 2 * GAP, height * scale + 2 * GAP + LINE, MARGIN + 2 * LINE + GAP
    whole = max(2 * MARGIN + columns * across - 2 * GAP, 560)
    marks = flow(_legend(clips), whole - 2 * MARGIN, size=SMALL)
    bottom = top + -(-len(clips) // columns) * down
    image = blank(whole, bottom + len(marks) * LINE + MARGIN - GAP)
    _head(image, clips)
    for i, clip in enumerate(clips):
        x, y = MARGIN + i % columns * across, top + i // columns * down
        write(image, (x, y + 8), str(i), INK, anchor="lm")
        about = ", ".join(filter(None, [clip.population, clip.meetings]))
        write(image, (x + width * scale, y + 8), about, DIM, size=SMALL, anchor="rm", room=width * scale - 2 * GAP)
        paste(image, _trails(clip, scale) if "groups" in clip.arrays else draw_frame(clip, 0, scale=scale), x, y + LINE)
    write_lines(image, marks, margin=MARGIN, y=bottom + LINE // 2, line=LINE)
    return image


def _head(image: Image, clips: list[Clip]) -> None:
    first = clips[0]
    height, width = first.size
    room = image.width - 2 * MARGIN
    which = " ".join(
        filter(None, ["the first", str(len(clips)), first.split, f"{first.noun}{'s' * (len(clips) != 1)}"])
    )
    shape = f"{first.frames} frames of {height}x{width}" if first.frames > 1 else f"{height}x{width}"
    write(image, (MARGIN, MARGIN), first.title, INK, size=20, anchor="lm", room=room)
    write(image, (MARGIN, MARGIN + LINE + 2), f"{which}  ·  {shape}", DIM, anchor="lm", room=room)


def _legend(clips: list[Clip]) -> list[str]:
    """Return the legend: what the lines mean, and the marks of all clips."""
    said = dict.fromkeys(words for clip in clips for words in legend(clip, range(1)))
    drawn = ["objects: in the first frame"] * ("groups" in clips[0].arrays) or ["frames: the first"]
    ways = ["line: the way of a centre to the last frame, fading with time"] * (_has_ways(clips[0]))
    return [*(drawn if clips[0].frames > 1 else []), *ways, *said]


def _has_ways(clip: Clip) -> bool:
    return clip.frames > 1 and {"groups", "position"} <= clip.arrays.keys()


def _trails(clip: Clip, scale: int) -> Pixels:
    """Draw the objects of the first frame over the paths of their centres, which fade with time."""
    finer = 3 * scale  # drawn larger and then reduced, because Pillow's lines are not smooth
    (height, width), ground = clip.size, COLOURS[0].astype(float)
    image = blank(width * finer, height * finer)
    draw = pen(image)
    draw.rectangle((0, 0, *image.size), fill=tuple(COLOURS[0].tolist()))
    ways = (
        clip.arrays.get("position", np.empty((clip.frames, 0, 2)))
        .astype(float)
        .clip(-width - height, 2 * (width + height))
        * finer
    )
    for t in range(clip.frames - 1, 0, -1):
        for k in np.flatnonzero(np.isfinite(ways[t - 1 : t + 1, : clip.objects]).all(axis=(0, 2))):
            shade = ground + (clip.colours[k + 1] - ground) * (0.9 - 0.65 * t / clip.frames)
            draw.line((*ways[t - 1, k], *ways[t, k]), fill=tuple(shade.astype(int).tolist()), width=2 * finer // 3)
    picture = np.array(image.resize((width * scale, height * scale), resample=1))
    hang_curtain(picture, clip.hidden_box(), scale)
    owners = enlarge(clip.arrays["groups"][0, :, :, 0], scale)
    return np.where(owners[..., None] > 0, draw_labels(clip, 0, scale=scale), picture)
