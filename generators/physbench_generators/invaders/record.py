"""The arrays of the sequences of a sitting, made from what the recorder kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.scene import Scenes
from physbench_generators.invaders.addresses import BOMB, PHASE, SHOT
from physbench_generators.invaders.truth import GameTruth, assemble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from physbench_generators.atari.play import Lane, Moment, Rules

BULLETS = slice(SHOT - 1, BOMB + 1)
"""The objects whose labels are used for one bullet after another."""

COLUMNS = ("time", "a", "b", "kind", "uid")


class ScreenRecorder(GameTruth):
    """A witness of a lane that keeps the ground truth of its game."""

    looks = True


def scenes_of(lanes: Sequence[Lane], rules: Rules, *, actions: int) -> Scenes:
    """Return the sequences of all lanes, one lane after another."""
    from physbench_generators.atari.play import MOST_GAMES

    sequences = [(number, moments) for number, lane in enumerate(lanes) for moments in lane.sequences]
    made = [_arrays_of(moments, rules.skip, actions) for _, moments in sequences]
    first = lanes[0].number
    episodes = [((first + number) * MOST_GAMES + moments[0].game, moments[0].step) for number, moments in sequences]
    arrays = {name: np.stack([each[name] for each in made]) for name in made[0] if name not in COLUMNS}
    events: dict[str, NDArray[Any]] = {name: np.concatenate([each[name] for each in made]) for name in COLUMNS}
    events["offset"] = np.concatenate([[0], np.cumsum([len(each["time"]) for each in made])]).astype(np.int64)
    return Scenes.of({**arrays, "episode": np.array(episodes, np.uint32)}, events)


def _arrays_of(moments: Sequence[Moment], skip: int, actions: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of one sequence, (T, ...)."""
    steps = [moments[0].frame, *(moment.after for moment in moments)]
    position, shots = np.stack([step.position for step in steps]), np.stack([step.shots for step in steps])
    ram = np.stack([moment.ram for moment in moments])
    velocity = np.diff(position, axis=0)
    velocity[:, BULLETS][shots[1:] != shots[:-1]] = np.nan  # the label stands for another bullet by now
    made = assemble(
        np.stack([step.labels for step in steps[:-1]]), shots[:-1], [step.events for step in steps[1:]], skip
    )
    return {
        **made,
        "position": position[:-1],
        "velocity": velocity,
        "actions": np.eye(actions, dtype=np.uint8)[[moment.action for moment in moments]],
        "reward": np.array([moment.reward for moment in moments], np.float32),
        "lives": np.array([moment.lives for moment in moments], np.uint8),
        "phase": ram[:, PHASE].copy(),
        "ram": ram,
    }
