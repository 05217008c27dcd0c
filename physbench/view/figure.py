"""Figures of what a model does with a sequence: a row for everything that it predicts and a column for each step, or an
animation. The input is arrays, and the output an image.

The colour of a slot depends on its number. Frames have H x W pixels and C channels; K slots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physbench.view.canvas import (
    DIM,
    INK,
    PAPER,
    Colour,
    blank,
    gif,
    paste,
    pen,
    scale_of,
    within_a_palette,
    write,
    write_lines,
)
from physbench.view.panels import CLOTH, COLOURS, LIT, Box, Pixels, enlarge, hang_curtain

if TYPE_CHECKING:
    from PIL.Image import Image

Array = NDArray[np.floating[Any]]

TOO_MUCH, TOO_LITTLE = COLOURS[6], COLOURS[2]
SHARED = (62, 66, 76)
"""The colour of a pixel that all slots share equally."""

PLACED = 0.1
"""A slot has a place if it predicts at least this much in some pixel."""

ATTENDED = 0.25
"""The least attention that is drawn; 1 is the largest attention in the sequence."""

FAINT = (92, 98, 110)

MARGIN, GAP, LINE, NAMES = 24, 6, 24, 132
ACROSS = 6
"""The most panels side by side in an animation."""


@dataclass(frozen=True)
class Arrow:
    """An arrow from the slot that is attended to, to the one that attends to it, in the pixels of a frame."""

    start: tuple[float, float]  # x, y
    end: tuple[float, float]
    weight: float
    slot: int  # the one attended to


@dataclass(frozen=True)
class Outline:
    """The outline of a rectangle, in the pixels of a frame, in the colour of a number."""

    left: float
    top: float
    right: float
    bottom: float
    number: int


@dataclass(frozen=True)
class PictureRow:
    """A row of a figure: one picture for each step."""

    name: str
    about: str
    pictures: tuple[Pixels | None, ...]  # (H, W, 3) for each step; None is drawn as hatching
    slot: int | None = None  # the slot whose colour is shown beside the name
    arrows: tuple[tuple[Arrow, ...], ...] = ()  # for each step
    outlines: tuple[tuple[Outline, ...], ...] = ()  # for each step
    missing: str = ""  # written on the hatching
    notes: tuple[str, ...] = ()  # for each step, written on the picture
    curtain: Box | None = None  # a curtain, of which the edge is drawn
    see_through: bool = False  # whether the curtain is also hatched, over what is behind it


@dataclass(frozen=True)
class Story:
    """Everything that a figure shows: blocks of rows, with pictures of one size."""

    title: str
    caption: str
    blocks: tuple[tuple[PictureRow, ...], ...]
    legend: tuple[str, ...]
    moments: tuple[str, ...] = ()  # the name of each step, if that is not its time
    figures: tuple[str, ...] = ()  # what is measured at each step

    @property
    def steps(self) -> int:
        """Count the steps."""
        return len(self.blocks[0][0].pictures)

    def moment(self, t: int) -> str:
        """Return the name of a step."""
        return self.moments[t] if self.moments else f"t = {t}"

    def measure(self, t: int) -> str:
        """Return what is measured at a step, in words."""
        return self.figures[t] if self.figures else ""

    @property
    def size(self) -> tuple[int, int]:
        """Return H and W."""
        height, width = next(
            picture.shape[:2]
            for block in self.blocks
            for row in block
            for picture in row.pictures
            if picture is not None
        )
        return height, width


def colour_of(slot: int) -> NDArray[np.uint8]:
    """Return the colour of a slot."""
    return COLOURS[1 + slot % (len(COLOURS) - 1)]


def plain(frame: Array) -> Pixels:
    """Draw a frame (H, W, C) with values in 0..1."""
    return _round(np.clip(frame, 0, 1) * 255.0) if frame.shape[2] == 3 else _between(frame, np.array(LIT))


def dim(frame: Array) -> Pixels:
    """Draw a frame (H, W, C) with values in 0..1 darkly, so that other things can be drawn on it."""
    return _round(COLOURS[0] + 0.4 * (plain(frame) - COLOURS[0].astype(float)))


def mix_slots(shares: Array) -> Pixels:
    """Mix the colours of the slots in each pixel, weighted by their shares (K, H, W).

    The more evenly a pixel is shared, the greyer it is.
    """
    colours = np.stack([colour_of(k) for k in range(len(shares))]).astype(float)
    mixture = np.einsum("khw,kc->hwc", np.clip(shares, 0, 1), colours)
    even = 1 / len(shares)
    sure = np.ones_like(shares[0]) if even == 1 else np.clip((shares.max(axis=0) - even) / (1 - even), 0, 1)
    return _round(np.array(SHARED) + sure[..., None] * (mixture - SHARED))


def draw_owners(owner: NDArray[np.uint8]) -> Pixels:
    """Draw an owner map (H, W) of slots, counted from 0."""
    return np.stack([colour_of(k) for k in range(256)])[owner]


def tint_slot(prediction: Array, slot: int) -> Pixels:
    """Draw what one slot predicts, (H, W, C), in the colour of the slot unless the frame has colours."""
    return plain(prediction) if prediction.shape[2] == 3 else _between(prediction, colour_of(slot))


def draw_share(prediction: Array, share: Array, slot: int) -> Pixels:
    """Draw what one slot predicts, (H, W, C), weighted by its share of the pixels, (H, W); the rest is grey."""
    return _round(SHARED + np.clip(share, 0, 1)[..., None] * (tint_slot(prediction, slot).astype(float) - SHARED))


def together(predictions: Array) -> Pixels:
    """Draw what all slots predict, (K, H, W, C), darkly, so that other things can be drawn on it."""
    each = np.stack([tint_slot(prediction, k) for k, prediction in enumerate(predictions)])
    return _round(COLOURS[0] + 0.4 * (each.max(axis=0) - COLOURS[0].astype(float)))


def wrong(mean: Array, truth: Array) -> Pixels:
    """Draw the errors of a mean (H, W, C): one colour for what was predicted but is not there, one for the opposite."""
    error = (np.clip(mean, 0, 1) - truth).mean(axis=2, keepdims=True)
    return np.where(error > 0, _between(error, TOO_MUCH), _between(-error, TOO_LITTLE))


def find_arrows(predictions: Array, attention: Array) -> tuple[Arrow, ...]:
    """Return the arrows of attention between slots.

    predictions (K, H, W, C). attention (K, K): of slot k to slot i, as a share of the largest. A slot that predicts
    nothing has no place, and therefore no arrows.
    """
    centres = [_centre(prediction) for prediction in predictions]
    pairs = [(k, i) for k in range(len(centres)) for i in range(len(centres)) if k != i and attention[k, i] >= ATTENDED]
    pairs.sort(key=lambda pair: float(attention[pair]))
    return tuple(
        Arrow(start, end, min(float(attention[k, i]), 1.0), i)
        for k, i in pairs
        if (start := centres[i]) is not None and (end := centres[k]) is not None and math.dist(start, end) >= 1
    )


def figure(story: Story, times: Sequence[int], *, scale: int | None = None) -> Image:
    """Draw a figure with a column for each of these steps."""
    (height, width), scale = story.size, scale or scale_of(story.size, 112)
    across, down = width * scale + GAP, height * scale + GAP
    left, top = MARGIN + NAMES, MARGIN + 3 * LINE
    right = max(left + len(times) * across - GAP + MARGIN, 720)
    rows = sum(map(len, story.blocks))
    bottom = top + rows * down + (len(story.blocks) - 1) * LINE // 2
    image = blank(right, bottom + len(story.legend) * LINE + MARGIN)
    write_head(image, story)
    for column, t in enumerate(times):
        write(image, (left + column * across + width * scale // 2, top - 8), story.moment(t), DIM, size=13, anchor="ms")
    y = top
    for block in story.blocks:
        for row in block:
            _name(image, row, MARGIN, y + height * scale // 2)
            for column, t in enumerate(times):
                paste(image, cell(row, t, story.size, scale), left + column * across, y)
                annotate(image, row, t, left + column * across, y, width * scale, height * scale)
            y += down
        y += LINE // 2
    write_lines(image, story.legend, margin=MARGIN, y=bottom + LINE // 2, line=LINE)
    return image


def film(
    story: Story, times: Sequence[int] | None = None, *, scale: int | None = None, milliseconds: int = 300
) -> bytes:
    """Make a looping GIF with a frame for each of these steps, or for all steps; panels of a block are side by side."""
    (height, width), scale = story.size, scale or scale_of(story.size, 176)
    lines = [line for block in story.blocks for line in _lines(block)]
    across, down, top = width * scale + 2 * GAP, height * scale + 2 * LINE, MARGIN + 3 * LINE
    right = max(2 * MARGIN + max(map(len, lines)) * across - 2 * GAP, 560)
    bottom = top + len(lines) * down
    ground = blank(right, bottom + len(story.legend) * LINE + MARGIN // 2)
    write_head(ground, story, room=96)
    write_lines(ground, story.legend, margin=MARGIN, y=bottom, line=LINE)
    for i, line in enumerate(lines):
        for j, row in enumerate(line):
            x, y = MARGIN + j * across, top + i * down - 10
            name_above(ground, row, x, y, width * scale)
    images: list[Image] = []
    for t in range(story.steps) if times is None else times:
        image = ground.copy()
        write(image, (right - MARGIN, MARGIN + 8), story.moment(t), INK, size=20, anchor="rm")
        write(image, (right - MARGIN, MARGIN + 8 + LINE), story.measure(t), DIM, anchor="rm")
        for i, line in enumerate(lines):
            for j, row in enumerate(line):
                x, y = MARGIN + j * across, top + i * down
                paste(image, cell(row, t, story.size, scale), x, y)
                annotate(image, row, t, x, y, width * scale, height * scale)
        images.append(image)
    rows = [row for block in story.blocks for row in block]
    outlined = {outline.number for row in rows for outlines in row.outlines for outline in outlines}
    slots = [
        _tuple(colour_of(slot)) for slot in (*(row.slot for row in rows if row.slot is not None), *sorted(outlined))
    ]
    kept = [INK, DIM, PAPER, LIT, SHARED, *map(_tuple, (COLOURS[0], TOO_MUCH, TOO_LITTLE)), *slots[:64]]
    return gif(within_a_palette(images, kept), milliseconds=milliseconds)


def name_above(image: Image, row: PictureRow, x: int, y: int, width: int) -> None:
    """Write the name and the description of a row above its picture."""
    if row.slot is not None:
        pen(image).rectangle((x, y - 11, x + 11, y), fill=_tuple(colour_of(row.slot)))
    shift = 0 if row.slot is None else 18
    end = write(image, (x + shift, y), row.name, INK, size=15, anchor="ls", room=width - shift)
    write(image, (end + 8, y), row.about, DIM, size=13, anchor="ls", room=max(x + width - end - 8, 0))


def cell(row: PictureRow, t: int, size: tuple[int, int], scale: int) -> Pixels:
    """Draw one picture of a row, enlarged."""
    picture = row.pictures[t]
    if picture is None:
        rows, columns = np.indices((size[0] * scale, size[1] * scale))
        return np.where(
            ((rows + columns) % 12 < 3)[..., None], np.array(CLOTH, np.uint8) // 3, np.array(PAPER, np.uint8)
        )
    picture = enlarge(picture, scale)
    hang_curtain(picture, row.curtain, scale, see_through=row.see_through)
    if row.outlines:
        picture = _with_outlines(picture, row.outlines[t], scale)
    return _with_arrows(picture, row.arrows[t], scale) if row.arrows else picture


def _with_outlines(picture: Pixels, outlines: tuple[Outline, ...], scale: int) -> Pixels:
    """Draw outlines on a picture, as far as they lie in the frame."""
    from PIL import Image

    image, thick = Image.fromarray(picture), scale // 2 + 1
    for outline in outlines:
        left, right = (min(max(edge * scale, -thick), image.width + thick) for edge in (outline.left, outline.right))
        top, bottom = (min(max(edge * scale, -thick), image.height + thick) for edge in (outline.top, outline.bottom))
        pen(image).rectangle(
            (left, top, max(right - 1, left), max(bottom - 1, top)),
            outline=_tuple(colour_of(outline.number)),
            width=thick,
        )
    return np.array(image)


def _with_arrows(picture: Pixels, arrows: tuple[Arrow, ...], scale: int) -> Pixels:
    """Draw arrows on a picture, wider and more opaque for a larger weight.

    They are shifted a little to one side, so that there is room for an arrow in the other direction.
    """
    from PIL import Image

    image, finer = Image.fromarray(picture), 3
    for arrow in arrows:
        start, end = (np.array(point) * scale * finer for point in (arrow.start, arrow.end))
        along = (end - start) / np.linalg.norm(end - start)
        aside, length = np.array([-along[1], along[0]]), float(np.linalg.norm(end - start))
        thick = finer * (1 + 4 * arrow.weight)
        head = min(thick + 7 * finer, 0.5 * length)
        start, end = start + aside * 3 * finer + along * 0.12 * length, end + aside * 3 * finer - along * 0.12 * length
        mask = Image.new("L", (image.width * finer, image.height * finer))
        strength = round(255 * (0.3 + 0.7 * arrow.weight))
        pen(mask).line((*start, *(end - along * head)), fill=strength, width=round(thick))
        pen(mask).polygon(
            [tuple(end), *(tuple(end - along * head + side * aside * head * 0.6) for side in (-1, 1))], fill=strength
        )
        image.paste(_tuple(colour_of(arrow.slot)), (0, 0), mask.reduce(finer))
    return np.array(image)


def _centre(prediction: Array) -> tuple[float, float] | None:
    """Return x and y of the centre of what is predicted, or None if nothing is."""
    weight: Array = np.clip(prediction, 0, 1).mean(axis=2)
    if weight.max() < PLACED:
        return None
    across: Array = weight.sum(axis=0) / weight.sum()
    down: Array = weight.sum(axis=1) / weight.sum()
    return float(np.dot(across, np.arange(len(across)) + 0.5)), float(np.dot(down, np.arange(len(down)) + 0.5))


def write_head(image: Image, story: Story, *, room: int = 0) -> None:
    """Write title and caption. room: the width on the right that is left free."""
    write(image, (MARGIN, MARGIN + 4), story.title, INK, size=20, anchor="lm", room=image.width - 2 * MARGIN - room)
    write(image, (MARGIN, MARGIN + 4 + LINE), story.caption, DIM, anchor="lm", room=image.width - 2 * MARGIN - room)


def _name(image: Image, row: PictureRow, x: int, middle: int) -> None:
    if row.slot is not None:
        pen(image).rectangle((x, middle - 16, x + 11, middle - 5), fill=_tuple(colour_of(row.slot)))
    shift = 0 if row.slot is None else 18
    write(image, (x + shift, middle - 10), row.name, INK, anchor="lm", room=NAMES - shift - GAP)
    write(image, (x, middle + 10), row.about, DIM, size=13, anchor="lm", room=NAMES - GAP)


def annotate(image: Image, row: PictureRow, t: int, x: int, y: int, width: int, height: int) -> None:
    """Write a note on a picture, or what is missing."""
    middle = x + width // 2, y + height // 2
    if row.missing and row.pictures[t] is None:
        write(image, middle, row.missing, INK, size=13, anchor="mm", room=width)
    elif row.notes and row.notes[t]:
        write(image, middle, row.notes[t], FAINT, size=13, anchor="mm", room=width)


def _lines(block: tuple[PictureRow, ...]) -> list[tuple[PictureRow, ...]]:
    """Divide a block into lines of about the same length."""
    long = -(-len(block) // -(-len(block) // ACROSS))
    return [block[start : start + long] for start in range(0, len(block), long)]


def _between(level: Array, colour: NDArray[Any]) -> Pixels:
    """Draw levels (H, W, C) in 0..1 as shades between the background of a panel and a colour."""
    return _round(COLOURS[0] + np.clip(level, 0, 1).mean(axis=2, keepdims=True) * (colour - COLOURS[0].astype(float)))


def _round(picture: Array) -> Pixels:
    return np.rint(picture).astype(np.uint8)


def _tuple(colour: NDArray[np.uint8]) -> Colour:
    red, green, blue = colour.tolist()
    return red, green, blue
