"""An image as a model takes it apart, drawn: what it says of it, who owns the pixels, and each slot. After figures 4
and 7 of the IODINE paper."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physbench.evaluation.look import Look, Looked
from physbench.files import write_whole
from physbench.metrics.grouping import adjusted_rand, contingency
from physbench.model import Parts
from physbench.report.story import DRAWN, list_slots
from physbench.view.canvas import encode_png
from physbench.view.figure import PictureRow, Story, colour_of, draw_owners, draw_share, film, mix_slots, plain
from physbench.view.panels import COLOURS
from physbench.view.save import suffix_of
from physbench.view.table import table
from physbench.view.times import ALL_TIMES, Times

ROWS = 6
"""Of a still picture, where nothing else is asked for."""

MOST_SLOTS = 12
"""That are drawn: those that own the most in the end."""


def save(looked: Looked, out: Path, *, name: str, times: Times = ALL_TIMES) -> None:
    """Write .png or .gif of the steps asked for. name: of the model."""
    told = story(looked, name)
    moving = suffix_of(out, DRAWN) == ".gif"
    write_whole(
        out, film(told, times.of(told.steps)) if moving else encode_png(table(told, choose_rows(told.steps, times)))
    )


def choose_rows(steps: int, times: Times = ALL_TIMES) -> Sequence[int]:
    """The steps asked for, or a few that are evenly spaced: the first and the last, which is scored, among them."""
    if times != ALL_TIMES:
        return times.in_columns(steps)
    return np.rint(np.linspace(0, steps - 1, min(steps, ROWS))).astype(int).tolist()


def story(looked: Looked, name: str) -> Story:
    parts = [_parts_of(look, looked.image) for look in looked.looks]
    slots = _drawn_slots(parts)
    blocks = [(*_image_rows(looked), *_answer_rows(looked)), tuple(_slots(parts, slots))]
    shown, refined = _extent(looked.looks)
    words = [
        looked.task,
        f"image {looked.index:,}",
        f"{shown} showings" * (shown > 1),
        f"{refined} refinement{'s' * (refined > 1)}" * (refined > 0),
    ]
    figures = tuple(_measure(look, looked.groups) for look in looked.looks)
    moments = tuple(_moments(looked.looks))
    return Story(
        name,
        "  ·  ".join(filter(None, words)),
        tuple(filter(None, blocks)),
        tuple(_legend(looked, parts, slots)),
        moments,
        figures,
    )


def _image_rows(looked: Looked) -> Iterator[PictureRow]:
    steps = len(looked.looks)
    yield PictureRow("image", "", (plain(looked.image),) * steps)
    if looked.groups is not None:
        yield PictureRow(
            "true groups", "", (colour_objects(looked.groups, owner_of(looked.looks[-1]))[looked.groups],) * steps
        )


def _answer_rows(looked: Looked) -> Iterator[PictureRow]:
    if all(look.mean is not None for look in looked.looks):
        yield PictureRow(
            "reconstruction", "", tuple(None if look.mean is None else plain(look.mean) for look in looked.looks)
        )
    if all(look.parts is not None for look in looked.looks):
        yield PictureRow(
            "groups",
            "",
            tuple(None if look.parts is None else mix_slots(look.parts.shares[0]) for look in looked.looks),
        )
    elif all(look.owner is not None for look in looked.looks):
        yield PictureRow(
            "owners", "", tuple(None if look.owner is None else draw_owners(look.owner) for look in looked.looks)
        )


def _slots(parts: Sequence[Parts | None], drawn: Sequence[int]) -> Iterator[PictureRow]:
    for k in drawn:
        pictures = tuple(
            None if each is None else draw_share(each.predictions[0, k], each.shares[0, k], k) for each in parts
        )
        yield PictureRow(f"slot {k + 1}", "", pictures, slot=k)


def _legend(looked: Looked, parts: Sequence[Parts | None], drawn: Sequence[int]) -> Iterator[str]:
    soft = all(look.parts is not None for look in looked.looks)
    yield from _steps_in_words(looked.looks)
    if soft:
        yield "groups: the colours of the slots, by their shares of each pixel; grey is shared by all alike"
    elif drawn:
        yield "owners: every pixel in the colour of the slot that has it"
    if looked.groups is not None:
        shared = "each object in the colour of the slot that has most of it" if drawn else "a colour for each object"
        yield f"true groups: {shared}; black is no object's, and not scored"
    if drawn:
        yield (
            f"slots: {'what each predicts' if soft else 'the picture'}, as far as the pixels are its own; grey where"
            " they are not"
        )
    left_out = set(range(_count(parts))) - set(drawn)
    if left_out:
        yield f"not drawn: slot{'s' * (len(left_out) > 1)} {list_slots(left_out)}, with less of the picture in the end"
    if any(_measure(look, looked.groups) for look in looked.looks):
        yield "ari: whether the slots own the objects; 1 is all right, 0 is chance"


def _extent(looks: Sequence[Look]) -> tuple[int, int]:
    """How often the image was shown, and how often the guess at it was refined each time."""
    return looks[-1].shown, max(look.refined for look in looks)


def _steps_in_words(looks: Sequence[Look]) -> Iterator[str]:
    shown, refined = _extent(looks)
    if shown > 1 and refined:
        yield (
            "step n.m: when the image was shown for the nth time, and the guess at it was refined m times; the last is"
            " what the model answers"
        )
    elif shown > 1:
        yield "step n: when the image was shown for the nth time; the last is what the model answers"
    elif refined:
        yield "step n: when the guess was refined n times; the last is what the model answers"


def _moments(looks: Sequence[Look]) -> Iterator[str]:
    shown, refined = _extent(looks)
    for look in looks:
        if shown > 1 and refined:
            yield f"step {look.shown}.{look.refined}"
        else:
            yield f"step {look.shown if shown > 1 else look.refined}" if len(looks) > 1 else ""


def _measure(look: Look, groups: NDArray[np.uint8] | None) -> str:
    owner = owner_of(look)
    if owner is None or groups is None:
        return ""
    index = float(adjusted_rand(_overlaps(owner, groups)))
    return "" if np.isnan(index) else f"ari {round(index, 2) + 0.0:.2f}"  # not -0.00


def _overlaps(owner: NDArray[np.uint8], groups: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(H, W) each -> (A, G): how many pixels owner a shares with object g + 1."""
    return contingency(owner[None, None], groups[None, None, :, :, None])[0, 0]


def colour_objects(groups: NDArray[np.uint8], owner: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Choose a colour for every label, (256, 3): that of the slot that has most of the object, as long as no other
    object needs it more."""
    colours = COLOURS.copy()
    if owner is None:
        return colours
    overlaps = _overlaps(owner, groups)
    slot_of: dict[int, int] = {}
    for slot, label in zip(
        *np.unravel_index(np.argsort(-overlaps, axis=None, kind="stable"), overlaps.shape), strict=True
    ):
        if overlaps[slot, label] and label not in slot_of and slot not in slot_of.values():
            slot_of[int(label)] = int(slot)
    without = [label for label in range(overlaps.shape[1]) if label not in slot_of]
    slot_of |= {label: len(overlaps) + i for i, label in enumerate(without)}  # the colour of no slot
    for label, slot in slot_of.items():
        colours[label + 1] = colour_of(slot)
    return colours


def _parts_of(look: Look, image: NDArray[np.float32]) -> Parts | None:
    """Those of a model that says owners alone: each slot has the picture where it has the pixels."""
    if look.parts is not None or look.owner is None:
        return look.parts
    slots = int(look.owner.max()) + 1
    picture = image if look.mean is None else look.mean
    shares = (look.owner == np.arange(slots)[:, None, None]).astype(np.float32)
    return Parts(np.broadcast_to(picture, (1, slots, *image.shape)), shares[None])


def _count(parts: Sequence[Parts | None]) -> int:
    """Slots that are there at every step; 0 where a step has none."""
    return min(0 if each is None else each.predictions.shape[1] for each in parts)


def _drawn_slots(parts: Sequence[Parts | None]) -> list[int]:
    """The slots that own any of it, and of many the largest in the end."""
    if parts[-1] is None:
        return []
    sizes = parts[-1].shares[0, : _count(parts)].sum(axis=(1, 2))
    largest = np.argsort(-sizes, kind="stable")[:MOST_SLOTS]
    return sorted(int(k) for k in largest if sizes[k] > 0)


def owner_of(look: Look) -> NDArray[np.uint8] | None:
    """(H, W): as it was said, else the slot with the largest share."""
    if look.owner is not None or look.parts is None:
        return look.owner
    return look.parts.shares[0].argmax(axis=0).astype(np.uint8)
