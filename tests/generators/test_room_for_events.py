"""Tests that making sequences always ends, however many collisions there are: with all of them, or with an error."""

import numpy as np
import pytest

from physbench.errors import RecipeError
from physbench.recipe import mix
from physbench_generators.balls import kernels, scenes
from physbench_generators.balls.kernels import ENDLESS, FULL
from physbench_generators.balls.scenes import Balls
from tests.builders.launches import launch, simulate, start


@pytest.mark.parametrize("ratio", [1e-3, 1e3])
def test_extreme_masses_do_not_hang(ratio: float) -> None:
    generator = Balls(n=6, mass_ratio=ratio)
    states, _, events = generator.throw(np.arange(20, dtype=np.uint64), 100)
    assert len(events["time"]) < 20 * 5_000
    assert np.isfinite(states["position"]).all()


def test_no_room_for_events_is_full_and_too_many_are_endless() -> None:
    assert simulate(launch(3), 51, capacity=2).made == FULL
    rattling = start([(4.0, 4.0, 3.0, 0.0, 4.0 - 1e-6, 1.0)], size=8.0)
    assert simulate(rattling, 51, capacity=2).made == FULL
    assert simulate(rattling, 51, capacity=kernels.MOST_EVENTS + 1).made == ENDLESS
    with pytest.raises(RecipeError, match="100,000 collisions"):
        Balls(n=1, size=8, radius=3.999999, radius_ratio=1.0, speed=8.0).throw(np.arange(2, dtype=np.uint64), 51)


def test_a_throw_that_ran_out_of_rows_continues_as_if_nothing_had_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Balls(n=(2, 5), curtain=10, crop=40)
    seeds = np.array([mix(i) for i in range(40)], np.uint64)
    states, streams, events = generator.throw(seeds, 30)
    roomy = scenes._empty_rows
    monkeypatch.setattr(scenes, "_empty_rows", lambda count: roomy(3))
    tight_states, tight_streams, tight_events = generator.throw(seeds, 30)
    np.testing.assert_array_equal(streams, tight_streams)
    for name, array in states.items():
        np.testing.assert_array_equal(array, tight_states[name], err_msg=name)
    for name in ("offset", "time", "a", "b", "normal", "impulse", "position"):
        np.testing.assert_array_equal(events[name], tight_events[name], err_msg=name)
