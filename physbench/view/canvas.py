"""Pillow, loaded where something is drawn: blank images, text, one palette for many."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from physbench.view.panels import Pixels

Colour = tuple[int, int, int]

BETWEEN = "   ·   "
PAPER, INK, DIM = (24, 26, 32), (236, 238, 242), (150, 156, 168)


def blank(width: int, height: int) -> Image:
    from PIL import Image

    return Image.new("RGB", (width, height), PAPER)


def pen(image: Image) -> ImageDraw:
    from PIL import ImageDraw

    return ImageDraw.Draw(image)


def paste(image: Image, picture: Pixels, x: int, y: int) -> None:
    from PIL import Image

    image.paste(Image.fromarray(picture), (x, y))


def write(
    image: Image,
    at: tuple[int, int],
    text: str,
    colour: Colour,
    *,
    anchor: str,
    size: int = 15,
    room: int | None = None,
) -> int:
    """Returns where the text ends, which is cut to the room it has. Its edges have few shades: a GIF's palette must
    have room for all colours."""
    from PIL import Image, ImageFont

    font = ImageFont.load_default(size)
    if room is not None and font.getlength(text) > room:
        while text and font.getlength(text + "…") > room:
            text = text[:-1]
        text += "…"
    x0, y0, x1, y1 = (round(edge) for edge in pen(image).textbbox(at, text, font, anchor))
    mask = Image.new("L", (x1 - x0 + 2, y1 - y0 + 2))
    pen(mask).text((at[0] - x0, at[1] - y0), text, 255, font, anchor)
    image.paste(colour, (x0, y0), mask.point([(value + 25) // 51 * 51 for value in range(256)]))
    return x1


def write_lines(image: Image, lines: Sequence[str], *, margin: int, y: int, line: int) -> None:
    """Write small lines below one another, each cut to the width of the image."""
    for number, words in enumerate(lines):
        write(image, (margin, y + number * line), words, DIM, size=13, anchor="lm", room=image.width - 2 * margin)


def scale_of(size: tuple[int, int], pixels: int) -> int:
    """How much to enlarge frames of H, W so that they measure about so many pixels."""
    return max(1, round(pixels / max(size)))


def flow(parts: Sequence[str], room: int, *, size: int) -> list[str]:
    """Join the parts into lines, as many in each as its room has place for."""
    from PIL import ImageFont

    font, lines = ImageFont.load_default(size), list[str]()
    for part in parts:
        longer = lines[-1] + BETWEEN + part if lines else ""
        if lines and font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def png(image: Image) -> bytes:
    return encode_png(index_colours([image])[0])


def encode_png(image: Image) -> bytes:
    """Write an image as it is, without a palette of its own."""
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def gif(images: list[Image], *, milliseconds: int) -> bytes:
    buffer = BytesIO()
    first, *others = index_colours(images)
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False)
    return buffer.getvalue()


def index_colours(images: list[Image]) -> list[Image]:
    """The same images with one palette, and no colour changed as long as there are no more than it can hold."""
    from PIL import Image

    packed = [np.asarray(image.convert("RGBA")).view("<u4")[..., 0] & 0xFFFFFF for image in images]
    there = np.zeros(1 << 24, bool)
    for frame in packed:
        there[frame] = True
    colours = np.flatnonzero(there)
    if len(colours) > 256:
        return [image.quantize(256) for image in images]
    number = np.zeros(1 << 24, np.uint8)
    number[colours] = np.arange(len(colours))
    palette = colours.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    found = [Image.fromarray(number[frame]) for frame in packed]
    for image in found:
        image.putpalette(palette)
    return found


def within_a_palette(images: list[Image], kept: list[Colour]) -> list[Image]:
    """Give images at most 256 colours in all, as a GIF has: those to keep are exact, whatever small areas they have,
    and none flickers from frame to frame."""
    from PIL import Image

    counted = [image.getcolors(256) for image in images]
    if all(counted) and len({colour for colours in counted for _, colour in colours or ()}) <= 256:
        return images
    kept = list(dict.fromkeys(kept))
    some = images[:: -(-len(images) // 4)]
    sample = Image.fromarray(np.concatenate([np.asarray(image) for image in some]))
    found = sample.quantize(256 - len(kept)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(level for colour in kept for level in colour), *found])
    return [image.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB") for image in images]
