"""Boxes of the objects of Space Invaders by OCAtari, from the memory and from the picture. Run by a Python that has
ocatari; it wants an old NumPy.

python ocatari_boxes.py ACTIONS.npy OUT.npz. ACTIONS: (F,) of raw frames, -1 = a new game, which makes no row. OUT:
memory (F, 128) and ram, vision (F, 44, 4): x, y, width and height of the player, three shields, two bombs, the shot,
the UFO and 36 aliens; zeros = absent, -1 = it gave up.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from ocatari.core import OCAtari  # pyright: ignore


def boxes(objects: list[Any]) -> list[tuple[int, ...]]:
    return [tuple(int(v) for v in one.xywh) if one and one.visible else (0, 0, 0, 0) for one in objects[:44]]


def main(actions: str, out: str) -> None:
    modes = ("ram", "vision")
    games = {
        mode: OCAtari(
            "ALE/SpaceInvaders-v5", mode=mode, hud=False, obs_mode="ori", frameskip=1, repeat_action_probability=0.0
        )
        for mode in modes
    }
    found: dict[str, list[Any]] = {"memory": [], "ram": [], "vision": []}
    for action in np.load(actions).tolist():
        for mode, game in games.items():
            if action < 0:
                game.reset(seed=0)
                continue
            try:
                game.step(action)
                found[mode].append(boxes(game.objects))
            except ValueError:  # where a thing falls into more pieces than there are slots
                found[mode].append([(-1, -1, -1, -1)] * 44)
        if action >= 0:
            found["memory"].append(np.array(games["ram"]._ale.getRAM()))
    np.savez_compressed(out, **{name: np.array(values) for name, values in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
