"""The truth of one game: labels, places and events of each agent step, and the arrays of a sequence made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physbench.scene import HIT_OBJECT, HIT_WALL, WALL
from physbench_generators.compiled import kernel
from physbench_generators.invaders.addresses import OBJECTS, SCREEN_COLUMNS, SCREEN_ROWS, SHOT, UFO
from physbench_generators.invaders.downscale import GRAY, GRIDS, SIDE, shrink_labels
from physbench_generators.invaders.game_tracker import DOUBTS, EDGE, GAME, HITS, TURN, begin, follow
from physbench_generators.invaders.labels import label_screen
from physbench_generators.invaders.places import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_EVENTS = 64
"""Of one agent step."""

NO_EVENTS = np.empty((0, 5), np.int64)


class TruthStep(NamedTuple):
    """Frame t, and what happened since frame t - 1."""

    labels: NDArray[np.uint8]  # (84, 84) 0 = background
    position: NDArray[np.float32]  # (44, 2) x and y of centres, in pixels of the small frame; NaN = absent
    shots: NDArray[
        np.uint32
    ]  # (3,) which individual the labels 41 to 43 stand for: what is drawn, or else what flies; 0 = none
    events: NDArray[
        np.int64
    ]  # (M, 5) raw frame in the step from 1 on, kind, label a, label b (255 = the edge), uid (0 = no bullet)


class GameTruth:
    """One game, followed raw frame by raw frame. The same calls give the same answers."""

    def __init__(self, *, geometry: str, hud: str) -> None:
        """geometry: full or mnih2013. hud: mask makes score, lives and ground background, keep gives them the label
        45."""
        self._grid = GRIDS[geometry]
        self._hud = {"mask": False, "keep": True}[hud]
        self._games = np.zeros(1, GAME)
        self._pooled = np.zeros((2, SCREEN_ROWS, SCREEN_COLUMNS), np.uint8)
        self._events = np.zeros((MOST_EVENTS, 5), np.int64)

    @property
    def doubts(self) -> dict[str, int]:
        """What could not be explained since this truth was made, with how often; it is empty in play."""
        return {DOUBTS[i]: int(n) for i, n in enumerate(self._games["doubts"][0]) if n}

    def start(self, ram: NDArray[np.uint8], screen: NDArray[np.uint8]) -> None:
        """Begin a game after a reset. ram: (128,). screen: (210, 160) palette indices."""
        del screen  # the memory says all
        begin_game(self._games, ram)

    def follow(self, rams: NDArray[np.uint8], rewards: NDArray[np.int64]) -> None:
        """Go through raw frames that are not recorded. rams: (F, 128). rewards: (F,)."""
        follow_frames(self._games, rams, rewards, self._events)

    def step(self, rams: NDArray[np.uint8], rewards: NDArray[np.int64], screens: NDArray[np.uint8]) -> TruthStep:
        """Go through the raw frames of one agent step. rams: (F, 128). rewards: (F,). screens: (2, 210, 160), palette
        indices of the last two."""
        labels, position, shots = (
            np.empty((SIDE, SIDE), np.uint8),
            np.empty((OBJECTS, 2), np.float32),
            np.empty(3, np.uint32),
        )
        grid = self._grid
        count = follow_step(
            self._games, rams, rewards, screens, GRAY, self._hud, self._pooled, self._events,
            (grid.row, grid.row_areas, grid.column, grid.column_areas), labels, position, shots,
        )  # fmt: skip
        position *= np.array(grid.scale, np.float32)
        position[:, 1] -= grid.top
        return TruthStep(labels, position, shots, self._events[:count].copy() if count else NO_EVENTS)


@kernel
def begin_game(games, ram):
    begin(games[0], ram)


@kernel
def follow_frames(games, rams, rewards, events):
    count = 0
    for f in range(len(rams)):
        count = follow(games[0], rams[f], rewards[f], f + 1, events, 0)
    return count


@kernel
def follow_step(games, rams, rewards, screens, grays, hud, pooled, events, grid, labels, position, shots):
    """Do what Truth.step does, in pixels of the raw screen."""
    game, frames, count = games[0], len(rams), 0
    game.drawn[:] = 0
    pooled[:] = 0
    for f in range(frames):
        count = follow(game, rams[f], rewards[f], f + 1, events, count)
        which = len(screens) - frames + f
        if which >= 0:
            label_screen(game, rams[f], screens[which], grays, hud, pooled[0], pooled[1])
    row, row_areas, column, column_areas = grid
    pixels = np.empty(256, np.int64)
    shrink_labels(pooled[0], row, row_areas, column, column_areas, labels, pixels)
    place(game, rams[-1], rams[max(frames - 3, 0)], pixels, position)
    for k in range(3):
        shots[k] = game.drawn[k] or game.flying[k]
    return count


def assemble(
    labels: NDArray[np.uint8], shots: NDArray[np.uint32], events: Sequence[NDArray[np.int64]], skip: int
) -> dict[str, NDArray[Any]]:
    """Give the arrays of one sequence. labels: (T, 84, 84). shots: (T, 3). events: of the interval after each of the T
    frames.

    In an object's contact bits and in the mask of collisions is everything that meets something in (t, t + 1]: its
    pixels in frames t and t + 1. A bullet counts in a frame only where its label stands for the very individual that
    hits.
    """
    frames = len(labels)
    contact, collisions = np.zeros((frames, OBJECTS), np.uint8), np.zeros(labels.shape, np.uint8)
    rows: list[tuple[float, int, int, int, int]] = []
    for t, happened in enumerate(events):
        for raw, kind, a, b, uid in happened.tolist():
            rows.append((t + raw / skip, (a - 1) % 256, WALL if b == EDGE else b - 1, kind, uid))
            if kind == TURN:
                contact[t, a - 1] |= HIT_WALL
            if kind in HITS:
                for label in (a, b):
                    contact[t, label - 1] |= HIT_OBJECT
                    for u in range(t, min(t + 2, frames)):
                        if not SHOT <= label < UFO or shots[u, label - SHOT] == uid:
                            collisions[t] |= labels[u] == label
    time, first, second, kinds, uids = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 5
    )
    visible = np.zeros((frames, OBJECTS), np.uint16)
    count_pixels(labels, visible)
    return {
        "features": (labels != 0).astype(np.uint8)[..., None],
        "groups": labels[..., None],
        "collisions": collisions[..., None],
        "contact": contact,
        "visible": visible,
        "time": time.astype(np.float64),
        "a": first.astype(np.uint8),
        "b": second.astype(np.uint8),
        "kind": kinds.astype(np.uint8),
        "uid": uids.astype(np.uint32),
    }


@kernel
def count_pixels(labels, visible):
    """Fill visible (T, K) with how many pixels of labels (T, H, W) each object has."""
    count = np.zeros(256, np.int64)
    for t in range(len(labels)):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                count[labels[t, y, x]] += 1
        for k in range(visible.shape[1]):
            visible[t, k] = count[k + 1]
            count[k + 1] = 0
