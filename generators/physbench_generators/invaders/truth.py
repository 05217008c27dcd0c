"""The ground truth of one game: labels, positions and events of each agent step, and the arrays of a sequence."""

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
"""The most events in one agent step."""

NO_EVENTS = np.empty((0, 5), np.int64)


class TruthStep(NamedTuple):
    """A frame t, and what happened since frame t - 1."""

    labels: NDArray[np.uint8]  # (84, 84) 0 = background
    position: NDArray[np.float32]  # (44, 2) x and y of centres, in pixels of the small frame; NaN = absent
    shots: NDArray[np.uint32]  # (3,) the uids of the labels 41 to 43: of what is drawn, or else of what flies; 0 = none
    events: NDArray[np.int64]  # (M, 5) raw frame from 1, kind, label a, label b (255 = the edge), uid (0 = no bullet)


class GameTruth:
    """An observer of one game, raw frame by raw frame. The same calls always give the same results."""

    def __init__(self, *, geometry: str, hud: str) -> None:
        """Prepare to follow games.

        geometry: full or mnih2013. hud: with mask, the score, the lives and the ground are background; with keep, they
        have the label 45.
        """
        self._grid = GRIDS[geometry]
        self._hud = {"mask": False, "keep": True}[hud]
        self._games = np.zeros(1, GAME)
        self._pooled = np.zeros((2, SCREEN_ROWS, SCREEN_COLUMNS), np.uint8)
        self._events = np.zeros((MOST_EVENTS, 5), np.int64)

    @property
    def doubts(self) -> dict[str, int]:
        """What could not be explained so far, and how often. It stays empty during play."""
        return {DOUBTS[i]: int(n) for i, n in enumerate(self._games["doubts"][0]) if n}

    def start(self, ram: NDArray[np.uint8], screen: NDArray[np.uint8]) -> None:
        """Begin a game after a reset. ram: (128,). screen: (210, 160) palette indices."""
        del screen  # the memory is enough
        begin_game(self._games, ram)

    def follow(self, rams: NDArray[np.uint8], rewards: NDArray[np.int64]) -> None:
        """Process raw frames that are not recorded. rams: (F, 128). rewards: (F,)."""
        follow_frames(self._games, rams, rewards, self._events)

    def step(self, rams: NDArray[np.uint8], rewards: NDArray[np.int64], screens: NDArray[np.uint8]) -> TruthStep:
        """Process the raw frames of one agent step.

        rams: (F, 128). rewards: (F,). screens: (2, 210, 160), palette indices of the last two raw frames.
        """
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
    """Begin a game with this memory."""
    begin(games[0], ram)


@kernel
def follow_frames(games, rams, rewards, events):
    """Process raw frames without screens. Their events are not kept."""
    count = 0
    for f in range(len(rams)):
        count = follow(games[0], rams[f], rewards[f], f + 1, events, 0)
    return count


@kernel
def follow_step(games, rams, rewards, screens, grays, hud, pooled, events, grid, labels, position, shots):
    """Do the work of GameTruth.step, with positions in pixels of the raw screen."""
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
    """Return the arrays of one sequence.

    labels: (T, 84, 84). shots: (T, 3). events: of the interval after each of the T frames. The contact bits of frame t
    mark every object that hits or is hit in (t, t + 1], and the mask of collisions marks its pixels in frames t and
    t + 1. A bullet's pixels are marked only where its label stands for the same bullet that hits.
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
