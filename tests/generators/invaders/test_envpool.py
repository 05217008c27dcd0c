"""Memory, rewards and observations of Space Invaders are compared with those of envpool, an independent package.

PHYSBENCH_ENVPOOL=/path/to/python/with/envpool pytest -m slow tests/generators/invaders/test_envpool.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from physbench_generators.invaders.downscale import observe
from tests.builders.space_invaders import able_player, play


@pytest.mark.slow
def test_another_environment_gives_the_same_games(tmp_path: Path) -> None:
    python = os.environ.get("PHYSBENCH_ENVPOOL", "")
    if not python:
        pytest.skip("PHYSBENCH_ENVPOOL names no Python that has envpool")
    moments = [*play(6000, player=able_player(0), waits=1)]
    first, second, *_ = (n for n, moment in enumerate(moments) if moment.first)
    third = next((n for n, moment in enumerate(moments) if moment.first and n > second), len(moments))
    assert (
        first == 0 and len(moments[second].rams) == 1
    )  # in the second game, one raw frame passes before the first action
    moments = moments[second + 1 : third]
    np.save(tmp_path / "actions.npy", [moment.action for moment in moments])
    script = Path(__file__).parents[2] / "oracles" / "envpool_frames.py"
    subprocess.run(
        [python, script, tmp_path / "actions.npy", tmp_path / "out.npz"],
        check=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
    )
    with np.load(tmp_path / "out.npz") as theirs:
        memory, rewards, frames = theirs["memory"], theirs["reward"], theirs["frames"]
    assert len(memory) > 300
    different = 0
    for t, moment in enumerate(moments[: len(memory)]):
        assert np.array_equal(memory[t], moment.rams[-1])
        assert rewards[t] == moment.rewards.sum()
        gap = np.abs(frames[t].astype(int) - observe(moment.screens[-2:]))
        assert gap.max() <= 1
        different += np.count_nonzero(gap)
    assert different < 1e-3 * frames.size
