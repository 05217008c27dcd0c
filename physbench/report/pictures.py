"""Strips as pictures: every so many frames, each a PNG in the page itself, a pixel of the frame one of the picture."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.report.text import breakable, figures, number
from physbench.view.panels import COLOURS, box_of, enlarged, hang_curtain, true_colours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.Image import Image

    from physbench.report.gallery import Strip
    from physbench.view.panels import Box

    Cells = dict[int, Image]  # by frame

COLUMNS = 8
SIDE = 112
"""About what a frame measures on the page."""

DIFFERENT = 1e-3
"""From here on a figure is not the same one."""


def drawn(strip: Strip, *, grouped: bool = True) -> str:
    """grouped: whether the model tells objects apart, so that its owners say something."""
    times = moments(strip)
    rows = "".join(_row(name, cells, times, strip) for name, cells in _rows(strip, times, grouped and strip.owners is not None))
    heads = "".join(f'<th scope="col">{"t = " * (column == 0)}{t}</th>' for column, t in enumerate(times))
    again = ""
    if abs(strip.again - strip.figure) > DIFFERENT * max(abs(strip.figure), 1e-6):
        again = f" When asked again for this picture the model answered otherwise: {number(strip.again)}."
    return (
        f"<figure><figcaption><b>sequence {strip.number:,}</b> {breakable(strip.metric)} {figures(strip.figure)[0]}{again}</figcaption>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="sequence {strip.number:,}, {strip.kind}">'
        f'<table class="strip"><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div></figure>'
    )


def moments(strip: Strip) -> list[int]:
    """The frames that are drawn: back from the last one in even steps, so that some are of before the first prediction."""
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
    yield "prediction", {t: _curtained(_picture(strip.means[t - strip.first]), strip, see_through=False) for t in times if t >= strip.first}
    if grouped and strip.owners is not None:
        yield "owners", {t: _labels(strip.owners[t], COLOURS) for t in times if t < len(strip.owners)}
    if strip.groups is not None and (grouped or curtain):
        colours = true_colours(_levels(strip.frames), strip.groups)
        yield "objects", {t: _curtained(_labels(strip.groups[t], colours), strip, see_through=True) for t in times}


def _curtained(image: Image, strip: Strip, *, see_through: bool) -> Image:
    """With the curtain, which is too fine for the pixels of a frame: the picture is enlarged to what it measures on the page."""
    from PIL import Image

    curtain = box(strip)
    if curtain is None:
        return image
    scale = _scale(strip)
    picture = enlarged(np.array(image.convert("RGB")), scale)
    hang_curtain(picture, curtain, scale, see_through=see_through)
    return Image.fromarray(picture)


def _scale(strip: Strip) -> int:
    return max(1, round(SIDE / max(strip.frames.shape[1:3])))


def _row(name: str, cells: Cells, times: list[int], strip: Strip) -> str:
    (height, width), scale = strip.frames.shape[1:3], _scale(strip)
    pictures = "".join(
        f'<td><img src="{_address(cells[t])}" width="{width * scale}" height="{height * scale}" alt="{name}, frame {t}"></td>'
        if t in cells
        else '<td class="none">seen</td>'
        for t in times
    )
    return f'<tr><th scope="row">{name}</th>{pictures}</tr>'


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


def _address(image: Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
