"""Comparison of the boxes of a model with the true objects: are the boxes at the objects, and does a box stay with its
object? The masks of the model are not used.

N sequences, T frames, K objects, M boxes of a frame, H x W pixels. A box is x, y, width, height and identity, as in a
Prediction; a row of NaN is no box.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError
from physbench.metrics.sums import Floats, Sums, mean, ratio
from physbench.model import MOST_BOXES

NEAR = 4.0
"""The largest distance between a box and its object, in pixels."""

SLIVER = 10
"""If fewer pixels of an object are visible than this, counting it and not counting it are both right."""

NO_BOX = -1
"""In place of the number of a box, or of its identity: the object has no box."""

LARGEST = float(np.finfo(np.float32).max)
"""The largest number that a model may give: boxes are kept as float32."""

MOST_IDENTITIES = 1 << 24
"""Identities are below this number; all whole numbers below it are exact as float32."""


def copy_boxes(boxes: NDArray[Any], frames: tuple[int, ...]) -> NDArray[np.float32]:
    """Copy boxes (*frames, M, 5), or raise an error that says what is wrong with them."""
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
        raise ModelError(f"two boxes of a frame have the identity {twice[0]:.9g}: each must have a different one")
    return boxes.astype(np.float32)


def match_boxes(
    boxes: NDArray[Any], position: NDArray[Any], visible: NDArray[Any], *, height: int, width: int
) -> NDArray[np.int64]:
    """Find the box of each object: boxes (N, T, M, 5), position (N, T, K, 2), visible (N, T, K) -> (N, T, K).

    The result is NO_BOX where an object has no box. The nearest pair within NEAR is matched first, then the nearest of
    those that are left. Among equal pairs, the first object comes first, then the first box. Objects that are not
    visible have no box.
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
    """Score whether there are as many boxes as objects in view: (N, T, M, 5), (N, T, K) -> (N, T).

    If fewer than SLIVER pixels of an object are visible, counting it and not counting it are both right.
    """
    counted = _are_there(boxes).sum(axis=2)
    return mean(((visible >= SLIVER).sum(axis=2) <= counted) & (counted <= (visible > 0).sum(axis=2)))


def box_recall(box_of: NDArray[Any], position: NDArray[Any], visible: NDArray[Any], *, height: int, width: int) -> Sums:
    """Score which share of the objects has a box: (N, T, K) of `match_boxes` -> (N, T).

    The objects that count are visible and have their centre in the frame.
    """
    inside = (visible > 0) & (position >= 0).all(axis=3) & (position < np.array([width, height])).all(axis=3)
    return ratio((inside & (box_of != NO_BOX)).sum(axis=2), inside.sum(axis=2))


def box_precision(box_of: NDArray[Any], boxes: NDArray[Any]) -> Sums:
    """Score which share of the boxes has an object: (N, T, K) of `match_boxes`, (N, T, M, 5) -> (N, T)."""
    return ratio((box_of != NO_BOX).sum(axis=2), _are_there(boxes).sum(axis=2))


def identity_kept(identity: NDArray[Any]) -> Sums:
    """Score which share of the objects keeps its identity: (N, T, K) of `identities` -> (N, T - 1).

    The objects that count have a box in this frame and in the one before.
    """
    both = (identity[:, 1:] != NO_BOX) & (identity[:, :-1] != NO_BOX)
    return ratio((both & (identity[:, 1:] == identity[:, :-1])).sum(axis=2), both.sum(axis=2))


def identity_regained(identity: NDArray[Any], visible: NDArray[Any]) -> Sums:
    """Score which share of the objects that come back into view has its old identity: (N, T, K) of `identities`,
    visible (N, T, K) -> (N, T).

    An object counts in the frame in which it has a box again. Its identity is wrong if another object had it in the
    meantime.
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
    """Return the identity of the box of each object: (N, T, K) of `match_boxes`, (N, T, M, 5) -> (N, T, K).

    It is NO_BOX where an object has no box.
    """
    named = np.take_along_axis(np.nan_to_num(boxes[..., 4]).astype(np.int64), np.maximum(box_of, 0), axis=2)
    return np.where(box_of == NO_BOX, NO_BOX, named)


def _are_there(boxes: NDArray[Any]) -> NDArray[np.bool_]:
    return ~np.isnan(boxes[..., 0])


def _distances(boxes: NDArray[Any], position: NDArray[Any], size: NDArray[np.int64]) -> Floats:
    """Return the distances between objects and boxes, (N, T, K, M); NaN where there is no box.

    A distance is from the centre of a box to the centre of an object, or to the point of the frame that is nearest to
    that centre, whichever is shorter.
    """
    middle, centre = boxes[..., None, :, :2].astype(np.float64), position[..., None, :].astype(np.float64)
    apart = np.stack([middle - centre, middle - np.clip(centre, 0, size)])
    return np.hypot(apart[..., 0], apart[..., 1]).min(axis=0)
