"""What a policy sees equals what ale-py's vector environment shows: the brighter of two raw frames, areas, at most one
gray level of rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from physbench_generators.invaders.downscale import observe
from tests.builders.space_invaders import play, random_player, short_play
from tests.oracles import slow_invaders


def test_observations_are_means_over_areas_with_halves_to_even() -> None:
    for moment in short_play(4)[::40]:
        expected = slow_invaders.observe(*moment.screens[-2:])
        assert np.array_equal(observe(moment.screens[-2:]), np.rint(expected.round(9)))


def test_observations_are_those_of_the_vector_environment() -> None:
    vector = pytest.importorskip("ale_py.vector_env")
    moments = [moment for moment in play(3000, player=random_player(5))]
    environment: Any = vector.AtariVectorEnv(
        "space_invaders", 1, noop_max=0, use_fire_reset=False, repeat_action_probability=0.0, reward_clipping=False
    )
    environment.reset(seed=0)
    compared = different = 0
    for moment in moments:
        if moment.first and compared:
            break
        frames, rewards, *_ = environment.step(np.array([moment.action]))
        assert rewards[0] == moment.rewards.sum()
        if len(moment.screens) >= 2 and not moment.over:
            gap = np.abs(frames[0, -1].astype(int) - observe(moment.screens[-2:]))
            assert gap.max() <= 1
            different += np.count_nonzero(gap)
            compared += 1
    assert compared > 150
    assert different < 1e-3 * compared * 84 * 84
