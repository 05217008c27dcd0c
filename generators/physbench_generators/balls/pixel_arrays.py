"""The pixel arrays of sequences of discs: all of them, or only those that are wanted."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.world import Memory
from physbench_generators.balls.draw import mark_collisions, paint, share, stencils, tint

ARRAYS = ("features", "groups", "collisions")
MOTION = ("position", "radius", "count", "contact", "curtain")

PALETTE = np.array(
    [
        [230, 25, 75],
        [60, 180, 75],
        [255, 225, 25],
        [0, 130, 200],
        [245, 130, 48],
        [145, 30, 180],
        [70, 240, 240],
        [240, 50, 230],
        [210, 245, 60],
        [250, 190, 212],
        [0, 128, 128],
        [220, 190, 255],
        [170, 110, 40],
        [255, 250, 200],
        [170, 255, 195],
        [128, 128, 0],
    ],
    np.uint8,
)


def pixels_of(
    states: Mapping[str, NDArray[Any]],
    streams: NDArray[np.uint64],
    shape: tuple[int, int, int],
    *,
    wanted: Collection[str] = (*ARRAYS, "visible"),
    empty: Memory | None = None,
) -> dict[str, NDArray[np.uint8]]:
    """Draw the wanted pixel arrays (N, T, H, W, C). If `visible` is wanted, fill it in among the states.

    streams: the random stream of each sequence, from which its colours are drawn. empty: makes the arrays to draw into.
    """
    if not {*ARRAYS, "visible"} & {*wanted}:
        return {}
    empty = empty or partial(np.empty, dtype=np.uint8)
    height, width, channels = shape
    count, frames = states["contact"].shape[:2]
    whole = count * frames * height * width
    coloured = channels == 3
    kept = {"shown": True, "groups": coloured or "groups" in wanted, "collisions": "collisions" in wanted}
    memory = {name: empty(whole if keep else 0) for name, keep in kept.items()}
    doubtful = np.zeros(count, np.bool_)
    visible = states["visible"] if "visible" in wanted else np.empty((0, 0, 0), np.uint16)
    paint(*(states[name] for name in MOTION), height, width, stencils(width), *memory.values(), visible, doubtful)
    if doubtful.any() and not all(kept.values()):
        everything = pixels_of(states, streams, shape, empty=empty)
        return {name: array for name, array in everything.items() if name in wanted}
    drawn = {name: memory[name].reshape(count, frames, height, width) for name in kept if kept[name]}
    for s in np.flatnonzero(doubtful).tolist():
        _settle(states, s, drawn["groups"][s], drawn["collisions"][s])
    if coloured:
        features = empty(3 * whole).reshape(count, frames, height, width, 3)
        tint(drawn["shown"], drawn["groups"], streams, states["count"], PALETTE, features)
    else:
        features = drawn["shown"][..., None]
    return {name: features if name == "features" else drawn[name][..., None] for name in ARRAYS if name in wanted}


def _settle(
    states: Mapping[str, NDArray[Any]], s: int, groups: NDArray[np.uint8], collisions: NDArray[np.uint8]
) -> None:
    """Give the pixels that two discs share to no object."""
    for t in range(len(groups)):
        share(
            states["position"][s, t],
            states["radius"][s],
            states["count"][s],
            states["curtain"][s],
            groups[t],
            states["visible"][s, t],
        )
    mark_collisions(states["contact"][s], groups, collisions)
