"""The panels of pictures: a frame as a model gets it, and the objects of the frame as the file knows them, with the
marks of their world.

Each label has a colour; if frames are in colour, it is the true one. Objects that the world marks have a dark core, and
what is hidden is hatched. If something happens between two frames, both show it: a white outline around an object, or a
tick at a place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from physbench.view.clip import Clip

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]

PALETTE = (
    *(
        "e69f00",
        "56b4e9",
        "009e73",
        "f0e442",
        "0072b2",
        "d55e00",
        "cc79a7",
    ),  # Okabe and Ito 2008: distinct for the colour-blind too
    *("b9a6ff", "9a6a3a", "a6f0c4", "e0218a", "2bc7c4", "8f9a1c", "ffc8a0", "7d4fe8", "a9afb8"),
)
COLOURS = np.array([list(bytes.fromhex(colour)) for colour in ["0a0b0f", *(PALETTE * 16)[:255]]], np.uint8)
"""The colours by label, if frames are not in colour; 0 is the background of a panel."""

LIT, WHITE = (232, 232, 232), 255
CLOTH, HEM = (150, 160, 180), (196, 202, 214)
PALE = 0.8
"""From this luminance on, a white outline needs a dark line beside it."""


def true_colours(features: NDArray[np.uint8], groups: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Find the colour of every label, (256, 3), from frames (T, H, W, 3) and owners (T, H, W).

    It is the colour of most of its pixels, or that of the palette if there are none.
    """
    colours = COLOURS.copy()
    if features.shape[3] == 3:
        packed = features.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        visible = packed > 0  # what is behind a curtain is black
        for label in np.unique(groups[visible & (groups > 0)]).tolist():
            found, counts = np.unique(packed[visible & (groups == label)], return_counts=True)
            colours[label] = list(int(found[counts.argmax()]).to_bytes(3, "big"))
    return colours


def legend(clip: Clip, times: range | None = None) -> list[str]:
    """Return what the marks in some frames of the clip mean, or in all frames if times is None."""
    each = np.array(range(clip.frames) if times is None else times)[:, None]
    marks, hits = clip.marks, np.flatnonzero(clip.hits.any(axis=1))
    said = {
        "cores": (marks.cores[..., 2] > 0).any(),
        "outlined": ((hits == each) | (hits == each - 1)).any(),
        "ticks": ((each - 1 < marks.ticks[:, 0]) & (marks.ticks[:, 0] <= each + 1)).any(),
        "hidden": clip.hidden_box() is not None,
    }
    return [marks.words[name] for name, there in said.items() if there and name in marks.words]


def panels_of(clip: Clip) -> dict[str, Callable[..., Pixels]]:
    """Return the panels that can be drawn, by name, with the functions that draw them."""
    return {
        name: draw
        for name, array, draw in (("frames", "features", draw_frame), ("objects", "groups", draw_labels))
        if array in clip.arrays
    }


def draw_frame(clip: Clip, t: int, *, scale: int) -> Pixels:
    """Draw a frame as a model gets it."""
    features = clip.arrays["features"]
    if features.shape[3] == 3:
        picture = features[t]
    elif features.max() <= 1:
        picture = np.array([COLOURS[0], LIT], np.uint8)[features[t].max(axis=2)]
    else:
        picture = features[t].mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
    return enlarge(picture, scale)


def draw_labels(clip: Clip, t: int, *, scale: int) -> Pixels:
    """Draw the objects of a frame, with what happens to them less than a frame before or after."""
    owners = enlarge(clip.arrays["groups"][t, :, :, 0], scale)
    picture = clip.colours[owners]
    rows, columns = (np.indices(owners.shape) + 0.5) / scale
    for k, (x, y, radius) in enumerate(clip.cores(t)):
        if radius > 0:
            core = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
            picture[core & (owners == k + 1)] //= 3
    hang_curtain(picture, clip.hidden_box(), scale)
    for k in np.flatnonzero(clip.hits[max(t - 1, 0) : t + 1].any(axis=0)):
        thick, label = max(1, round(0.6 * scale)), owners == k + 1
        if _luminance(clip.colours[k + 1]) > PALE:
            picture[_rim(label, 2 * thick)] = COLOURS[0]
        picture[_rim(label, thick)] = WHITE
    _tick(picture, clip.marks.ticks, t, scale)
    return picture


def hang_curtain(picture: Pixels, curtain: Box | None, scale: int, *, see_through: bool = True) -> None:
    """Draw a curtain over an enlarged picture: a translucent cloth with an edge, or only the edge."""
    if curtain is None:
        return
    y0, x0, y1, x1 = (edge * scale for edge in curtain)
    cloth, hem = picture[y0:y1, x0:x1], max(1, scale // 3)
    if see_through:
        rows, columns = np.indices(cloth.shape[:2])
        thread = np.where((rows + columns) % max(8, 2 * scale) < max(2, scale // 3), 0.4, 0.2)[..., None]
        cloth[:] = cloth * (0.75 - thread) + np.array(CLOTH) * thread
    for edge in (cloth[:hem], cloth[-hem:], cloth[:, :hem], cloth[:, -hem:]):
        edge[:] = HEM


def box_of(curtain: NDArray[np.int16], size: tuple[int, int]) -> Box | None:
    """Return y0, x0, y1, x1 of a curtain, cut to a frame of H, W; None if there is no curtain."""
    (height, width), (y0, x0, y1, x1) = size, curtain.tolist()
    y0, x0, y1, x1 = max(y0, 0), max(x0, 0), min(y1, height), min(x1, width)
    return (y0, x0, y1, x1) if y0 < y1 and x0 < x1 else None


def enlarge(array: Pixels, scale: int) -> Pixels:
    """Enlarge a picture by a whole number."""
    return array.repeat(scale, axis=0).repeat(scale, axis=1)


def _tick(picture: Pixels, ticks: NDArray[np.float64], t: int, scale: int) -> None:
    height, width = picture.shape[:2]
    for x, y in ticks[(t - 1 < ticks[:, 0]) & (ticks[:, 0] <= t + 1), 1:] * scale:
        if -1 <= x <= width + 1 and -1 <= y <= height + 1:
            at_a_side = min(x, width - x) < min(y, height - y)
            across, down = (scale, 2 * scale) if at_a_side else (2 * scale, scale)
            left, top = round(x), round(y)
            picture[max(top - down, 0) : max(top + down, 0), max(left - across, 0) : max(left + across, 0)] = WHITE


def _rim(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the outermost pixels of a shape."""
    within = mask
    for _ in range(width):
        padded = np.pad(within, 1)
        within = within & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~within


def _luminance(colour: NDArray[np.uint8]) -> float:
    """Return the luminance of a colour by the sRGB standard; 0 is black and 1 is white."""
    level = colour / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
