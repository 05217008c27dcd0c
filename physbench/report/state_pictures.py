"""States as a model took them, drawn: the paths of objects in their box, and the memory of a console as a map of its
bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.states import read_memory
from physbench.view.figure import TOO_LITTLE, TOO_MUCH, PictureRow, colour_of, plain
from physbench.view.panels import COLOURS, enlarge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.evaluation.watch import Watched, WatchedStep
    from physbench.view.panels import Pixels

    Places = NDArray[np.floating[Any]]  # (K, 2) in sides of the box

SIDE, FINER = 112, 3
"""Of the picture of a box in pixels; it is drawn so many times larger, and made smaller."""

ACROSS, CELL = 16, 7
"""Bytes side by side in a map of a memory, and the side of a byte in pixels."""

WRONG_VALUE = colour_of(3)

NOW, NEXT = "at t", "at t + 1"


def rows_of_states(watched: Watched) -> tuple[PictureRow, ...]:
    """Make the rows of a story of states."""
    return tuple(_rows_of_places(watched) if watched.shows == "position" else _rows_of_memories(watched))


def legend_of_states(watched: Watched) -> Iterator[str]:
    """Say what the rows show."""
    if watched.shows == "position":
        yield (
            "lines: the way so far, imagined in colour and true in grey; circles on the prediction: where each object"
            " is in truth"
        )
        yield (
            "objects without a size are drawn as points"
            if watched.radii is None
            else "an object has the same colour everywhere"
        )
    else:
        yield (
            "a square for each byte, byte 0 at the upper left, 16 in a row; overwritten: the byte has another value at"
            " t + 1"
        )
        yield (
            "error: orange is overwritten in the prediction alone, blue in truth alone, yellow in both with another"
            " value"
        )


def _rows_of_places(watched: Watched) -> Iterator[PictureRow]:
    steps = watched.steps
    shown = [None if step.frame is None else step.frame[..., 0] for step in steps]
    first = steps[0].truth[..., 0] if shown[0] is None else shown[0]
    said = [step.mean[..., 0] for step in steps]
    true = [first, *(step.truth[..., 0] for step in steps)]
    imagined = [
        place if place is not None else said[t - 1] for t, place in enumerate(shown)
    ]  # what stood for the state at t
    yield PictureRow(
        "shown",
        NOW,
        tuple(None if place is None else draw_places(place, watched.radii) for place in shown),
        missing="imagined",
    )
    pictures: list[Pixels] = []
    for t, place in enumerate(said):
        pictures.append(draw_places(place, watched.radii, path=[*imagined[: t + 1], place], truth=true[: t + 2]))
    yield PictureRow("prediction", NEXT, tuple(pictures))
    yield PictureRow(
        "truth", NEXT, tuple(draw_places(place, watched.radii, path=true[: t + 2]) for t, place in enumerate(true[1:]))
    )


def draw_places(
    places: Places, radii: NDArray[Any] | None, *, path: Sequence[Places] = (), truth: Sequence[Places] = ()
) -> Pixels:  # fmt: skip
    """Draw discs in their box, with the path that led there, and over them the path and the circles of the truth."""
    from PIL import Image, ImageDraw

    scale = SIDE * FINER
    image = Image.new("RGB", (scale, scale), tuple(COLOURS[0].tolist()))
    pen = ImageDraw.Draw(image)
    sizes = np.full(len(places), 0.01) if radii is None else radii
    objects = [(k, float(size)) for k, size in enumerate(sizes) if size > 0]
    for lines, colour in ((truth, (110, 116, 128)), (path, None)):
        for k, _ in objects:
            points = [tuple(np.clip(place[k], -1, 2) * scale) for place in lines]
            if len(points) > 1:
                pen.line(points, fill=colour or _mix(k, 0.7), width=3)
    for k, size in objects:
        pen.ellipse(_around(places[k], size, scale), fill=_mix(k, 1.0))
        if truth:
            pen.ellipse(_around(truth[-1][k], size, scale), outline=(232, 232, 232), width=3)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def _around(place: NDArray[Any], size: float, scale: int) -> tuple[float, float, float, float]:
    x, y = np.clip(np.nan_to_num(place.astype(float)), -1, 2).tolist()
    return (x - size) * scale, (y - size) * scale, (x + size) * scale, (y + size) * scale


def _mix(number: int, share: float) -> tuple[int, int, int]:
    red, green, blue = np.rint(COLOURS[0] + share * (colour_of(number).astype(float) - COLOURS[0])).astype(int).tolist()
    return red, green, blue


def _rows_of_memories(watched: Watched) -> Iterator[PictureRow]:
    steps = watched.steps
    shown = [None if step.frame is None else read_memory(step.frame) for step in steps]
    before = [read_memory(_state_at(steps, t)) for t in range(len(steps))]
    said, true = ([read_memory(getattr(step, name)) for step in steps] for name in ("mean", "truth"))
    yield PictureRow(
        "memory", NOW, tuple(None if ram is None else _map(ram / 255.0) for ram in shown), missing="imagined"
    )
    yield PictureRow(
        "overwritten", "predicted", tuple(_map(now != then) for now, then in zip(before, said, strict=True))
    )
    yield PictureRow(
        "overwritten", "in truth", tuple(_map(now != then) for now, then in zip(before, true, strict=True))
    )
    yield PictureRow("error", NEXT, tuple(_map_errors(*each) for each in zip(before, said, true, strict=True)))


def _state_at(steps: Sequence[WatchedStep], t: int) -> NDArray[Any]:
    """What the model went on from: the state that was shown, or its own prediction."""
    frame = steps[t].frame
    return frame if frame is not None else steps[t - 1].mean


def _map(values: NDArray[Any]) -> Pixels:
    """(128,) from 0 to 1 -> a map of the bytes."""
    return enlarge(plain(values.reshape(-1, ACROSS, 1).astype(float)), CELL)


def _map_errors(before: NDArray[Any], said: NDArray[Any], true: NDArray[Any]) -> Pixels:
    """Tell overwrites that were said and are not, that are and were not said, and those with another value."""
    predicted, real = said != before, true != before
    colours = np.broadcast_to(COLOURS[0], (len(said), 3)).copy()
    colours[predicted & real & (said != true)] = WRONG_VALUE
    colours[predicted & ~real] = TOO_MUCH
    colours[~predicted & real] = TOO_LITTLE
    return enlarge(colours.reshape(-1, ACROSS, 3), CELL)
