"""Memory, rewards and frames of Space Invaders by envpool, another environment around the emulator. Run by a Python
that has envpool.

python envpool_frames.py ACTIONS.npy OUT.npz. ACTIONS: (T,) of four raw frames each. OUT, until the game is over: memory
(T, 128), reward (T,) and frames (T, 84, 84), gray. It lets one raw frame pass before the first action.
"""

from __future__ import annotations

import sys

import envpool  # pyright: ignore
import numpy as np


def main(actions: str, out: str) -> None:
    game = envpool.make_gymnasium(
        "SpaceInvaders-v5",
        num_envs=1,
        frame_skip=4,
        stack_num=1,
        noop_max=1,
        use_fire_reset=False,
        repeat_action_probability=0.0,
        seed=0,
    )
    game.reset()
    memory, rewards, frames = [], [], []
    for action in np.load(actions):
        picture, reward, ended, cut, more = game.step(np.array([action]))
        if ended[0] or cut[0]:
            break
        memory.append(more["ram"][0].copy())
        rewards.append(reward[0])
        frames.append(picture[0, -1].copy())
    np.savez_compressed(out, memory=memory, reward=rewards, frames=frames)


if __name__ == "__main__":
    main(*sys.argv[1:])
