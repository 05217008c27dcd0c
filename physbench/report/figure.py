"""A sequence as a model took it, drawn: every step from the frame to the slots, and to the next frame. After figure 2 of the R-NEM paper."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from physbench.files import write_whole
from physbench.view.figure import HEEDED, Row, Story, attended, figure, film, mixed, owned, plain, tinted, together, wrong
from physbench.view.save import suffix_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from physbench.evaluation.watch import Watched
    from physbench.model import Parts

COLUMNS = 12
DRAWN = {".png": "a figure", ".gif": "an animation"}
NOW, NEXT = "of frame t", "of frame t + 1"


def save(watched: Watched, out: Path, *, name: str) -> None:
    """Write .png or .gif. name: of the model."""
    told = story(watched, name)
    if suffix_of(out, DRAWN) == ".gif":
        write_whole(out, film(told))
        return
    buffer = BytesIO()
    figure(told, moments(told.steps)).save(buffer, "PNG", optimize=True)
    write_whole(out, buffer.getvalue())


def moments(steps: int) -> range:
    """The first step and every so many after it."""
    return range(0, steps, -(-steps // COLUMNS))


def story(watched: Watched, name: str) -> Story:
    steps, seen = watched.steps, watched.seen
    parts = [step.parts for step in steps if step.parts is not None]
    parts = parts if len(parts) == len(steps) and all(each.predictions.shape[1] > 1 for each in parts) else []
    blocks = [tuple(_scene(watched, parts))]
    if parts:
        blocks.append(tuple(_slots(parts)))
    extent = f"{len(steps) + 1} frames" if seen == len(steps) else f"{seen} frames seen, {len(steps) + 1 - seen} imagined"
    return Story(name, f"{watched.task}  ·  sequence {watched.index:,}  ·  {extent}", tuple(blocks), tuple(_legend(watched, parts)))


def _scene(watched: Watched, parts: list[Parts]) -> Iterator[Row]:
    steps = watched.steps
    yield Row("input", "frame t", tuple(None if step.frame is None else plain(step.frame) for step in steps), missing="imagined")
    if parts:
        yield Row("groups", NOW, tuple(mixed(each.shares[0]) for each in parts))
    elif any(step.owner is not None for step in steps):
        yield Row("owners", NOW, tuple(None if step.owner is None else owned(step.owner) for step in steps), missing="not said")
    yield Row("prediction", NEXT, tuple(plain(step.mean) for step in steps))
    yield Row("truth", "frame t + 1", tuple(plain(step.truth) for step in steps))
    yield Row("error", NEXT, tuple(wrong(step.mean, step.truth) for step in steps))


def _slots(parts: list[Parts]) -> Iterator[Row]:
    for k in range(min(each.predictions.shape[1] for each in parts)):
        yield Row(f"slot {k + 1}", "predicts t + 1", tuple(tinted(each.predictions[0, k], k) for each in parts), slot=k)
    heeded = [each.attention for each in parts if each.attention is not None]
    largest = max((float(attention.max()) for attention in heeded), default=0.0)
    if len(heeded) == len(parts) and largest > 0:
        arrows = tuple(attended(each.predictions[0], attention[0] / largest) for each, attention in zip(parts, heeded, strict=True))
        yield Row("attention", "between slots", tuple(together(each.predictions[0]) for each in parts), arrows=arrows)


def _legend(watched: Watched, parts: list[Parts]) -> Iterator[str]:
    if parts:
        yield "groups: the colours of the slots, by their shares of each pixel; grey is shared by all alike"
    elif any(step.owner is not None for step in watched.steps):
        yield "owners: every pixel in the colour of the slot that has it"
    yield "error: orange is predicted and not there, blue is there and not predicted"
    weights = [float(each.attention.max()) for each in parts if each.attention is not None]
    if weights and max(weights) > 0:
        yield "attention: an arrow from the slot that is heeded, in its colour, to the one that heeds it; the wider, the more"
        yield f"the widest stands for {max(weights):.2g} of 1, the most in this sequence; less than {HEEDED:.0%} of it is not drawn"
    if watched.seen < len(watched.steps):
        yield "hatched: no frame is shown, the model goes on by itself"
