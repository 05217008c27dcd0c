"""A sequence as a model took it, drawn: every step from the frame to the slots, and to the next frame. After figure 2
of the R-NEM paper."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physbench.evaluation.watch import Watched, WatchedStep
from physbench.files import write_whole
from physbench.model import Parts
from physbench.report.state_pictures import legend_of_states, rows_of_states
from physbench.view.canvas import encode_png
from physbench.view.figure import (
    ATTENDED,
    PLACED,
    Outline,
    PictureRow,
    Story,
    dim,
    draw_owners,
    figure,
    film,
    find_arrows,
    mix_slots,
    plain,
    tint_slot,
    together,
    wrong,
)
from physbench.view.panels import Box, box_of, true_colours
from physbench.view.save import suffix_of
from physbench.view.times import ALL_TIMES, Times

COLUMNS = 12
DRAWN = {".png": "a figure", ".gif": "an animation"}
LIKELY, LITTLE = 0.5, 0.05
"""A slot that predicts no pixel as likely as that, and no more than this share of the whole, is not drawn."""

NOW, NEXT = "of frame t", "of frame t + 1"


def save(watched: Watched, out: Path, *, name: str, times: Times = ALL_TIMES) -> None:
    """Write .png or .gif of the frames asked for. name: of the model."""
    told = story(watched, name)
    moving = suffix_of(out, DRAWN) == ".gif"
    write_whole(
        out, film(told, times.of(told.steps)) if moving else encode_png(figure(told, times.spread(told.steps, COLUMNS)))
    )


def story(watched: Watched, name: str) -> Story:
    steps, seen = watched.steps, watched.seen
    extent = (
        f"{len(steps) + 1} frames" if seen == len(steps) else f"{seen} frames seen, {len(steps) + 1 - seen} imagined"
    )
    if watched.shows != "features":
        caption = f"{watched.task}  ·  sequence {watched.index:,}  ·  {extent.replace('frames', 'states')}"
        return Story(name, caption, (rows_of_states(watched),), tuple(legend_of_states(watched)))
    parts = [step.parts for step in steps if step.parts is not None]
    parts = parts if len(parts) == len(steps) and all(each.predictions.shape[1] > 1 for each in parts) else []
    empty = empty_slots(parts)
    blocks = [tuple(_scene(watched, parts))]
    if parts:
        blocks.append(tuple(_slots(parts, empty)))
    return Story(
        name,
        f"{watched.task}  ·  sequence {watched.index:,}  ·  {extent}",
        tuple(blocks),
        tuple(_legend(watched, parts, empty)),
    )


def empty_slots(parts: Sequence[Parts]) -> set[int]:
    """Find the slots that never hold a pixel to be likely, and predict next to nothing of the whole. None, if that is
    true of all."""
    if not parts:
        return set()
    slots = min(each.predictions.shape[1] for each in parts)
    predictions = np.stack([each.predictions[0, :slots] for each in parts]).clip(0, 1)  # (T, K, H, W, C)
    shares = predictions.sum(axis=(0, 2, 3, 4)) / max(float(predictions.sum()), 1e-9)
    empty = set(np.flatnonzero((predictions.max(axis=(0, 2, 3, 4)) < LIKELY) & (shares < LITTLE)).tolist())
    return empty if len(empty) < slots else set()


def _groups_are_drawn(watched: Watched, parts: Sequence[Parts]) -> bool:
    """Whether the model tells things apart; one with a single slot puts everything into it."""
    return bool(parts) or _owners_are_drawn(watched) or _boxes_are_drawn(watched)


def _owners_are_drawn(watched: Watched) -> bool:
    return any(step.owner is not None and step.owner.any() for step in watched.steps)


def _boxes_are_drawn(watched: Watched) -> bool:
    return any(step.boxes is not None for step in watched.steps)


def _curtain(watched: Watched) -> Box | None:
    return None if watched.curtain is None else box_of(watched.curtain, watched.steps[0].truth.shape[:2])


def _scene(watched: Watched, parts: list[Parts]) -> Iterator[PictureRow]:
    steps, curtain = watched.steps, _curtain(watched)
    yield PictureRow(
        "input",
        "frame t",
        tuple(None if step.frame is None else plain(step.frame) for step in steps),
        missing="imagined",
    )
    if parts:
        yield PictureRow("groups", NOW, tuple(mix_slots(each.shares[0]) for each in parts))
    elif _owners_are_drawn(watched):
        yield PictureRow(
            "owners",
            NOW,
            tuple(None if step.owner is None else draw_owners(step.owner) for step in steps),
            missing="not said",
        )
    if _boxes_are_drawn(watched):
        yield PictureRow("boxes", NOW, tuple(map(dim, _frames_in_mind(watched))), outlines=tuple(map(_outlines, steps)))
    if watched.groups is not None and (curtain or _groups_are_drawn(watched, parts)):
        colours = true_colours(_levels(watched), watched.groups)
        yield PictureRow(
            "true groups", NOW, tuple(colours[groups] for groups in watched.groups), curtain=curtain, see_through=True
        )
    yield PictureRow("prediction", NEXT, tuple(plain(step.mean) for step in steps), curtain=curtain)
    yield PictureRow("truth", "frame t + 1", tuple(plain(step.truth) for step in steps))
    yield PictureRow("error", NEXT, tuple(wrong(step.mean, step.truth) for step in steps), curtain=curtain)


def _frames_in_mind(watched: Watched) -> Iterator[NDArray[np.float32]]:
    """Go through the frames that were shown, and those that were imagined in their place."""
    for before, step in zip((None, *watched.steps), watched.steps, strict=False):
        yield step.frame if step.frame is not None else step.truth if before is None else before.mean


def _outlines(step: WatchedStep) -> tuple[Outline, ...]:
    rows: list[list[float]] = (
        [] if step.boxes is None else step.boxes[~np.isnan(step.boxes[:, 0])].astype(np.float64).tolist()
    )
    return tuple(
        Outline(x - width / 2, y - height / 2, x + width / 2, y + height / 2, int(identity))
        for x, y, width, height, identity in rows
    )


def _levels(watched: Watched) -> NDArray[np.uint8]:
    """(T, H, W, C) 0..255, of the frames whether they were shown or not."""
    first = watched.steps[0].frame
    frames = [step.truth for step in watched.steps[:-1]]
    return np.rint(np.stack([frames[0] if first is None else first, *frames]) * 255).astype(np.uint8)


def _slots(parts: list[Parts], empty: set[int]) -> Iterator[PictureRow]:
    for k in sorted(set(range(min(each.predictions.shape[1] for each in parts))) - empty):
        notes = tuple("nothing" * bool(each.predictions[0, k].max() < PLACED) for each in parts)
        yield PictureRow(
            f"slot {k + 1}",
            "predicts t + 1",
            tuple(tint_slot(each.predictions[0, k], k) for each in parts),
            slot=k,
            notes=notes,
        )
    attended = [each.attention for each in parts if each.attention is not None]
    largest = max((float(attention.max()) for attention in attended), default=0.0)
    if len(attended) == len(parts) and largest > 0:
        arrows = tuple(
            find_arrows(each.predictions[0], attention[0] / largest)
            for each, attention in zip(parts, attended, strict=True)
        )
        yield PictureRow(
            "attention", "between slots", tuple(together(each.predictions[0]) for each in parts), arrows=arrows
        )


def _legend(watched: Watched, parts: list[Parts], empty: set[int]) -> Iterator[str]:
    if parts:
        yield "groups: the colours of the slots, by their shares of each pixel; grey is shared by all alike"
    elif _owners_are_drawn(watched):
        yield "owners: every pixel in the colour of the slot that has it"
    if _boxes_are_drawn(watched):
        yield "boxes: each in the colour of its identity" + ", on what was imagined where no frame was shown" * (
            watched.seen < len(watched.steps)
        )
    if watched.groups is not None and _groups_are_drawn(watched, parts):
        yield "true groups: a colour for each object, which need not be that of its slot"
    if _curtain(watched):
        yield (
            "hatched: the curtain, which a model is not shown; the true groups are seen through it, its outline is on"
            " prediction and error too"
        )
    if empty:
        named = f"slot{'s' * (len(empty) > 1)} {list_slots(empty)}"
        yield (
            f"not drawn: {named}, nearly empty: no pixel reaches {LIKELY}, less than {LITTLE:.0%} of all that is"
            " predicted"
        )
    yield "error: orange is predicted and not there, blue is there and not predicted"
    weights = [float(each.attention.max()) for each in parts if each.attention is not None]
    if weights and max(weights) > 0:
        yield (
            "attention: an arrow to each slot from the slot that it attends to, in the colour of that one; the wider,"
            " the more"
        )
        yield (
            f"the widest stands for {max(weights):.2g} of 1, the most in this sequence; less than {ATTENDED:.0%} of it"
            " is not drawn"
        )
    if watched.seen < len(watched.steps):
        yield "imagined: no frame is shown, the model goes on by itself"


def list_slots(slots: set[int]) -> str:
    *others, last = [str(slot + 1) for slot in sorted(slots)]
    return f"{', '.join(others)} and {last}" if others else last
