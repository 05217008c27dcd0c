"""Strips as pictures: every so many frames, each a PNG in the page itself, a pixel of the frame one of the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physbench.report.numbers import number
from physbench.report.pages import image_address
from physbench.view.canvas import encode_png
from physbench.view.panels import COLOURS, Box, box_of, enlarge, hang_curtain, true_colours

if TYPE_CHECKING:
    from markupsafe import Markup
    from PIL.Image import Image

    from physbench.report.gallery import Strip

    Cells = dict[int, Image]  # by frame

COLUMNS = 8
SIDE = 112
"""About what a frame measures on the page."""

DIFFERENT = 1e-3
"""From here on a figure is not the same one."""


@dataclass(frozen=True)
class Drawing:
    """A strip for the page."""

    number: str
    kind: str
    metric: str
    figure: str
    again: str  # where the model answered otherwise when it was asked again
    times: list[int]
    rows: list[tuple[str, dict[int, Markup]]]  # addresses of pictures, by frame
    width: int
    height: int


def draw(strip: Strip, *, grouped: bool = True) -> Drawing:
    """grouped: whether the model tells objects apart, so that its owners say something."""
    times, scale, (height, width) = moments(strip), _scale(strip), strip.frames.shape[1:3]
    rows = _rows(strip, times, grouped and strip.owners is not None)
    differs = abs(strip.again - strip.figure) > DIFFERENT * max(abs(strip.figure), 1e-6)
    return Drawing(
        f"{strip.number:,}",
        strip.kind,
        strip.metric,
        number(strip.figure),
        number(strip.again) if differs else "",
        times,
        [(name, {t: image_address(encode_png(image)) for t, image in cells.items()}) for name, cells in rows],
        width * scale,
        height * scale,
    )


def moments(strip: Strip) -> list[int]:
    """The frames that are drawn: back from the last one in even steps, so that some are of before the first
    prediction."""
    step = -(-strip.steps // (COLUMNS - 1))
    return list(range(strip.first + strip.steps - 1, -1, -step))[:COLUMNS][::-1]


def tells_apart(strip: Strip) -> bool:
    """Whether the model has put anything into another slot than the first."""
    return strip.owners is not None and bool(strip.owners.any())


def box(strip: Strip) -> Box | None:
    """Where the curtain hangs, if there is one."""
    return None if strip.curtain is None else box_of(strip.curtain, strip.frames.shape[1:3])


def _rows(strip: Strip, times: list[int], grouped: bool) -> Iterator[tuple[str, Cells]]:
    curtain = box(strip)
    yield "truth", {t: _picture(strip.frames[t]) for t in times}
    yield (
        "prediction",
        {
            t: _draw_curtain(_picture(strip.means[t - strip.first]), strip, see_through=False)
            for t in times
            if t >= strip.first
        },
    )
    if grouped and strip.owners is not None:
        yield "owners", {t: _labels(strip.owners[t], COLOURS) for t in times if t < len(strip.owners)}
    if strip.groups is not None and (grouped or curtain):
        colours = true_colours(_levels(strip.frames), strip.groups)
        yield "objects", {t: _draw_curtain(_labels(strip.groups[t], colours), strip, see_through=True) for t in times}


def _draw_curtain(image: Image, strip: Strip, *, see_through: bool) -> Image:
    """With the curtain, which is too fine for the pixels of a frame: the picture is enlarged to what it measures on the
    page."""
    from PIL import Image

    curtain = box(strip)
    if curtain is None:
        return image
    scale = _scale(strip)
    picture = enlarge(np.array(image.convert("RGB")), scale)
    hang_curtain(picture, curtain, scale, see_through=see_through)
    return Image.fromarray(picture)


def _scale(strip: Strip) -> int:
    return max(1, round(SIDE / max(strip.frames.shape[1:3])))


def _picture(frame: NDArray[Any]) -> Image:
    """(H, W, C) 0..1; what lies outside, as a mean of normal pixels may, is drawn as 0 or 1."""
    from PIL import Image

    levels = _levels(frame).astype(float)
    if levels.shape[2] != 3:
        levels = levels.mean(axis=2).round()
    return Image.fromarray(levels.astype(np.uint8))


def _levels(frames: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(np.clip(np.asarray(frames, np.float64), 0, 1) * 255).astype(np.uint8)


def _labels(labels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> Image:
    """(H, W): a colour for each."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(labels))
    image.putpalette(colours.tobytes())
    return image
