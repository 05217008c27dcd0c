"""Do the boxes of a model hold the objects, and does a box stay with its object? Truth against boxes, never against
masks.

N sequences, T frames, K objects, M boxes of a frame, H x W pixels. A box is x, y, width, height and identity, as in a
Prediction; a row of NaN is none.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError
from physbench.metrics.sums import Floats, Sums, mean, ratio
from physbench.model import MOST_BOXES

NEAR = 4.0
"""Pixels between a box and its object, at most."""

SLIVER = 10
"""An object of which fewer pixels show may be counted or not."""

NO_BOX = -1

LARGEST = float(np.finfo(np.float32).max)
"""What a model says is kept as float32."""

MOST_IDENTITIES = 1 << 24
"""Whole numbers below this are float32 numbers."""


def copy_boxes(boxes: NDArray[Any], frames: tuple[int, ...]) -> NDArray[np.float32]:
    """Copy boxes of so many frames, (*frames, M, 5), or say in words why they cannot be laid beside objects."""
    *leading, rows, numbers = boxes.shape if boxes.ndim > 1 else (0, 0)
    if tuple(leading) != frames or numbers != 5 or not 1 <= rows <= MOST_BOXES or boxes.dtype.kind != "f":
        words = ", ".join(map(str, (*frames, f"1 to {MOST_BOXES}", 5)))
        raise ModelError(
            f"boxes are floating-point numbers of shape ({words}), not {boxes.dtype} of shape {boxes.shape}"
        )
    there = ~np.isnan(boxes).all(axis=-1)
    given = boxes[there].astype(np.float64)
    if not (np.abs(given) <= LARGEST).all():
        raise ModelError("a box is five finite numbers, and a row of five NaN is none: one is neither")
    if (given[:, 2:4] < 0).any():
        raise ModelError(f"the width and height of a box are 0 or more, not {given[:, 2:4].min():g}")
    identity = given[:, 4]
    if (wrong := identity[(identity % 1 != 0) | (identity < 0) | (identity >= MOST_IDENTITIES)]).size:
        raise ModelError(f"the identity of a box is a whole number from 0 to {MOST_IDENTITIES - 1}, not {wrong[0]:.9g}")
    order = np.sort(np.where(there, boxes[..., 4], np.nan), axis=-1)
    if (twice := order[..., 1:][order[..., 1:] == order[..., :-1]]).size:
        raise ModelError(f"two boxes of a frame have the identity {twice[0]:.9g}: each has one of its own")
    return boxes.astype(np.float32)


def match_boxes(
    boxes: NDArray[Any], position: NDArray[Any], visible: NDArray[Any], *, height: int, width: int
) -> NDArray[np.int64]:
    """Find the box of each object: boxes (N, T, M, 5), position (N, T, K, 2), visible (N, T, K) -> (N, T, K), NO_BOX
    where there is none.

    The nearest pair within NEAR first, then the nearest of what is left; of equals the first object, then the first
    box. Objects that do not show have no box.
    """
    distance = _distances(boxes, position, np.array([width, height]))
    distance = np.where((distance <= NEAR) & (visible > 0)[..., None], distance, np.inf)
    box_of = np.full(position.shape[:3], NO_BOX)
    while np.isfinite(least := distance.min(axis=(2, 3), initial=np.inf)).any():
        sequence, frame = np.nonzero(np.isfinite(least))
        pair = distance[sequence, frame].reshape(len(sequence), -1).argmin(axis=1)
        thing, box = np.divmod(pair, boxes.shape[2])
        box_of[sequence, frame, thing] = box
        distance[sequence, frame, thing] = distance[sequence, frame, :, box] = np.inf
    return box_of


def count_accuracy(boxes: NDArray[Any], visible: NDArray[Any]) -> Sums:
    """(N, T, M, 5), (N, T, K) -> (N, T): are there as many boxes as objects in view? One of which fewer than SLIVER
    pixels show may be counted or not."""
    counted = _are_there(boxes).sum(axis=2)
    return mean(((visible >= SLIVER).sum(axis=2) <= counted) & (counted <= (visible > 0).sum(axis=2)))


def box_recall(box_of: NDArray[Any], position: NDArray[Any], visible: NDArray[Any], *, height: int, width: int) -> Sums:
    """(N, T, K) of `match_boxes` -> (N, T): the objects with a box, of those that show and whose centre lies in the
    frame."""
    inside = (visible > 0) & (position >= 0).all(axis=3) & (position < np.array([width, height])).all(axis=3)
    return ratio((inside & (box_of != NO_BOX)).sum(axis=2), inside.sum(axis=2))


def box_precision(box_of: NDArray[Any], boxes: NDArray[Any]) -> Sums:
    """(N, T, K) of `match_boxes`, (N, T, M, 5) -> (N, T): the boxes with an object, of all of them."""
    return ratio((box_of != NO_BOX).sum(axis=2), _are_there(boxes).sum(axis=2))


def identity_kept(identity: NDArray[Any]) -> Sums:
    """(N, T, K) of `identities` -> (N, T - 1): the objects that have the identity of the frame before, of those with a
    box in both."""
    both = (identity[:, 1:] != NO_BOX) & (identity[:, :-1] != NO_BOX)
    return ratio((both & (identity[:, 1:] == identity[:, :-1])).sum(axis=2), both.sum(axis=2))


def identity_regained(identity: NDArray[Any], visible: NDArray[Any]) -> Sums:
    """(N, T, K) of `identities`, (N, T, K) -> (N, T), by the frame in which an object that was out of view has a box
    again: has it the identity it had?

    Not if another object had it in the meantime.
    """
    last, absent = np.full_like(identity[:, 0], NO_BOX), np.zeros(identity[:, 0].shape, np.bool_)
    taken, others = np.zeros_like(absent), ~np.eye(identity.shape[2], dtype=np.bool_)
    same, again = np.zeros(identity.shape[:2]), np.zeros(identity.shape[:2])
    for t in range(identity.shape[1]):
        now = identity[:, t]
        here = now != NO_BOX
        back = here & absent & (last != NO_BOX)
        same[:, t], again[:, t] = (back & (now == last) & ~taken).sum(axis=1), back.sum(axis=1)
        taken = (taken | ((now[:, None] == last[:, :, None]) & others).any(axis=2)) & ~here
        last = np.where(here, now, last)
        absent = (absent & ~here) | (visible[:, t] == 0)
    return ratio(same, again)


def identities(box_of: NDArray[Any], boxes: NDArray[Any]) -> NDArray[np.int64]:
    """(N, T, K) of `match_boxes`, (N, T, M, 5) -> (N, T, K): the identity of the box of each object, NO_BOX where it
    has none."""
    named = np.take_along_axis(np.nan_to_num(boxes[..., 4]).astype(np.int64), np.maximum(box_of, 0), axis=2)
    return np.where(box_of == NO_BOX, NO_BOX, named)


def _are_there(boxes: NDArray[Any]) -> NDArray[np.bool_]:
    return ~np.isnan(boxes[..., 0])


def _distances(boxes: NDArray[Any], position: NDArray[Any], size: NDArray[np.int64]) -> Floats:
    """(N, T, K, M): from a box to the centre of an object, or to the point of the frame nearest to the centre,
    whichever is nearer; NaN where no box is."""
    middle, centre = boxes[..., None, :, :2].astype(np.float64), position[..., None, :].astype(np.float64)
    apart = np.stack([middle - centre, middle - np.clip(centre, 0, size)])
    return np.hypot(apart[..., 0], apart[..., 1]).min(axis=0)
