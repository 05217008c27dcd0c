"""Drawing with Pillow, which is only loaded when something is drawn: blank images, text, a palette for many images."""

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
    """Make an empty image."""
    from PIL import Image

    return Image.new("RGB", (width, height), PAPER)


def pen(image: Image) -> ImageDraw:
    """Return an object that draws on an image."""
    from PIL import ImageDraw

    return ImageDraw.Draw(image)


def paste(image: Image, picture: Pixels, x: int, y: int) -> None:
    """Put a picture on an image, with its upper left corner at x, y."""
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
    """Write a text on an image, and return the x at which it ends.

    room: the width to which the text is cut. The edges of letters have few shades, so that the palette of a GIF has
    room for all colours.
    """
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
    """Return the factor by which frames of H, W must be enlarged to measure about so many pixels."""
    return max(1, round(pixels / max(size)))


def flow(parts: Sequence[str], room: int, *, size: int) -> list[str]:
    """Join the parts into lines, with as many parts in each line as fit."""
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
    """Encode an image as a PNG, with a palette if its colours fit into one."""
    return encode_png(index_colours([image])[0])


def encode_png(image: Image) -> bytes:
    """Encode an image as a PNG without changing its palette."""
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def gif(images: list[Image], *, milliseconds: int) -> bytes:
    """Encode images as a looping GIF that shows each for so many milliseconds."""
    buffer = BytesIO()
    first, *others = index_colours(images)
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False)
    return buffer.getvalue()


def index_colours(images: list[Image]) -> list[Image]:
    """Return the images with a common palette; no colour changes unless there are more than 256."""
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
    """Reduce images to at most 256 colours in all, as many as a GIF can have.

    The colours in `kept` stay exact, even if they only have small areas. No colour flickers from frame to frame.
    """
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
