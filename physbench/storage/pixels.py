"""The pixels of a sequence, recomputed from its stored states: an obvious formulation, for verification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import DamagedFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def check_pixels(sequence: Mapping[str, NDArray[Any]], where: str) -> None:
    """features, groups, collisions (T, H, W, C) and visible (T, K) against position, radius, count, contact and curtain."""
    features, labels = sequence["features"], sequence["groups"][..., 0]
    covered, owners = _owners(sequence, labels.shape)
    _equal(labels, owners, "groups", where)
    top, left, bottom, right = sequence["curtain"].tolist()
    covered[:, top:bottom, left:right] = False
    if features.shape[-1] == 1:
        _equal(features[..., 0], covered.astype(np.uint8), "features", where)
    else:
        _equal(np.any(features != 0, axis=-1), covered, "features", where)
        for k in range(1, int(sequence["count"]) + 1):
            shown = features[covered & (owners == k)]
            if len(shown) and (shown != shown[0]).any():
                raise DamagedFile(f"{where}: object {k} changes its colour")
    _equal(sequence["collisions"][..., 0], _colliding(sequence["contact"], owners), "collisions", where)
    slots = sequence["contact"].shape[1]
    frames = np.arange(len(owners))[:, None, None] * (slots + 1)
    visible = np.bincount((frames + owners)[covered], minlength=len(owners) * (slots + 1)).reshape(len(owners), slots + 1)[:, 1:]
    _equal(sequence["visible"], visible, "visible", where)


def _owners(sequence: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """(T, H, W): whether any disc covers a pixel, and which one does alone. Only a window around each disc is looked at."""
    frames, height, width = shape
    count = int(sequence["count"])
    centre = sequence["position"][:, :count].astype(np.float64)
    radius = sequence["radius"][:count].astype(np.float64)
    window = np.arange(int(min(2.0 * np.ceil(radius.max(initial=0.0)) + 3.0, max(height, width))))  # no more than the frame, whatever the radius
    last = np.maximum(np.array([width, height]) - len(window), 0)
    corner = np.clip(np.floor(centre - radius[:, None] - 0.5), 0, last).astype(np.int64)
    columns = corner[..., 0, None] + window  # (T, K, P)
    rows = corner[..., 1, None] + window
    across = (columns + 0.5 - centre[..., 0, None]) ** 2
    down = (rows + 0.5 - centre[..., 1, None]) ** 2
    inside = (across[..., None, :] + down[..., :, None]) <= (radius * radius)[:, None, None]
    inside &= ((columns >= 0) & (columns < width))[..., None, :] & ((rows >= 0) & (rows < height))[..., :, None]
    t, k, row, column = np.nonzero(inside)
    pixel = (t * height + rows[t, k, row]) * width + columns[t, k, column]
    owners = np.zeros(frames * height * width, np.uint8)
    owners[pixel] = k + 1
    covered = owners > 0
    owners[pixel[owners[pixel] != k + 1]] = 0  # somebody else's as well
    return covered.reshape(shape), owners.reshape(shape)


def _colliding(contact: NDArray[np.uint8], owners: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels, in frame t or t + 1, of the objects that hit another object in between."""
    frames = len(owners)
    hit = np.concatenate([np.zeros((frames, 1), np.uint8), contact & 1], axis=1)
    flat = owners.reshape(frames, -1)
    mask = np.take_along_axis(hit, flat.astype(np.intp), axis=1)
    mask[:-1] |= np.take_along_axis(hit[:-1], flat[1:].astype(np.intp), axis=1)
    return mask.astype(np.uint8).reshape(owners.shape)


def _equal(stored: NDArray[Any], expected: NDArray[Any], name: str, where: str) -> None:
    wrong = stored != expected
    if wrong.any():
        raise DamagedFile(f"{where}: {name} is wrong in frame {int(np.argwhere(wrong)[0, 0])} ({int(wrong.sum())} values in all)")
