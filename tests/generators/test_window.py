"""Tests of a window that balls leave: objects outside keep their positions, and have no pixels."""

from __future__ import annotations

import numpy as np
import pytest

from physbench import registry
from physbench.scene import Scenes


@pytest.fixture(scope="module")
def leaving() -> Scenes:
    return registry.datasets.get("balls-leave50").scenes("test", 0, 64)


def absences(scenes: Scenes) -> np.ndarray:
    """(N, T, K): is an object nowhere in the frame?"""
    return (scenes.truth["visible"] == 0) & (scenes.truth["radius"] > 0)[:, None]


def test_balls_leave_the_window_and_come_back_and_of_the_crops_of_64_none_ever_leaves(leaving: Scenes) -> None:
    absent = absences(leaving)
    returns = (absent[:, :-1] & ~absent[:, 1:]).sum()
    assert 0.1 < absent.sum() / (leaving.truth["radius"] > 0)[:, None].repeat(51, axis=1).sum() < 0.4
    assert returns / 64 > 3
    shown = (leaving.truth["visible"] > 0).sum(axis=2)
    assert 2.2 < shown.mean() < 3.2 and {shown.min(), shown.max()} == {0, 6}
    for name in ("balls4mass64-crop50", "balls678mass64-crop50"):
        assert not absences(registry.datasets.get(name).scenes("test", 0, 64, ["visible", "radius"])).any()


def test_a_place_is_counted_from_the_corner_of_the_window_outside_of_it_too(leaving: Scenes) -> None:
    """The walls are 15 pixels around it, and what shows is what a disc at that place covers."""
    position, radius = leaving.truth["position"].astype(np.float64), leaving.truth["radius"].astype(np.float64)
    there = np.broadcast_to((radius > 0)[:, None], position.shape[:3])
    reach = np.broadcast_to(radius[:, None], there.shape)[there]
    assert (position[there] >= -15 + reach[:, None] - 1e-3).all() and (
        position[there] <= 65 - reach[:, None] + 1e-3
    ).all()
    assert (position[there] < 0).any() and (position[there] > 50).any()
    columns, rows = np.meshgrid(np.arange(50) + 0.5, np.arange(50) + 0.5)
    for n, t, k in zip(*(part[::97] for part in np.nonzero(there)), strict=True):
        disc = (columns - position[n, t, k, 0]) ** 2 + (rows - position[n, t, k, 1]) ** 2 <= radius[n, k] ** 2
        assert disc.sum() == leaving.truth["visible"][n, t, k]
        assert leaving.features[n, t, disc].all()
        others = leaving.groups[n, t, :, :, 0][disc] != k + 1
        assert others.sum() <= 2, "but for pixels that two balls touch"


def test_the_laws_are_replayed_outside_of_the_window_too(leaving: Scenes) -> None:
    world = registry.datasets.get("balls-leave50").generator
    assert not [*world.check(leaving)]
    outside = np.argwhere(absences(leaving)[:, 5:40])
    n, t, k = outside[0]
    leaving.truth["position"][n, t + 5, k] += np.float32(0.1)
    faults = [*world.check(leaving)]
    leaving.truth["position"][n, t + 5, k] -= np.float32(0.1)
    assert faults and faults[0].sequence == n
