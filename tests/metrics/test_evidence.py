"""Tests that metrics are computed as the examples on their cards say: from the same frames and the same pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physbench.askings import Rollout, Window
from physbench.metrics import grouping, pixels, rollout
from physbench.metrics.evidence import Evidence
from physbench.model import Bernoulli

FRAMES = 7


def draw_evidence(asking: Window | Rollout, steps: int, seed: int) -> Evidence:
    rng = np.random.default_rng(seed)

    def bits(*shape: int) -> Any:
        return rng.integers(2, size=shape).astype(np.uint8)

    groups = rng.integers(4, size=(3, FRAMES, 5, 4, 1)).astype(np.uint8)
    return Evidence(
        asking,
        bits(3, FRAMES, 5, 4, 1),
        Bernoulli(),
        rng.random((3, steps, 5, 4, 1), np.float32),
        rng.integers(3, size=(3, asking.frames, 5, 4)).astype(np.uint8),
        truth={"groups": groups, "collisions": bits(3, FRAMES, 5, 4, 1)},
    )


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(2, FRAMES), seed=st.integers(0, 99))
def test_of_a_window_every_frame_but_the_first_counts(frames: int, seed: int) -> None:
    found = draw_evidence(Window(frames), frames - 1, seed)
    shown, collisions, groups = (
        array[:, :frames] for array in (found.frames, found.truth["collisions"], found.truth["groups"])
    )
    copied = pixels.copy_frames(shown)
    np.testing.assert_array_equal(found.cost, pixels.bce(shown, found.means))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.copied_cost, pixels.bce(shown, copied))
    np.testing.assert_array_equal(found.near_cost, pixels.relational_bce(shown, found.means, collisions))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.near_copied_cost, pixels.relational_bce(shown, copied, collisions))
    tables = grouping.contingency(found.owners, groups)  # type: ignore[arg-type]
    np.testing.assert_array_equal(grouping.adjusted_rand(found.tables), grouping.ari(tables))
    np.testing.assert_array_equal(grouping.adjusted_rand(found.tables.sum(axis=1)), grouping.ari_video(tables))


@settings(max_examples=20, deadline=None)
@given(context=st.integers(1, FRAMES - 1), seed=st.integers(0, 99), data=st.data())
def test_of_a_rollout_the_frames_after_the_context_count(context: int, seed: int, data: st.DataObject) -> None:
    horizon = data.draw(st.integers(1, FRAMES - context))
    found = draw_evidence(Rollout(context, horizon), horizon, seed)
    np.testing.assert_array_equal(found.cost, rollout.rollout_bce(found.frames, found.means, context))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.copied_cost, rollout.repeat_bce(found.frames, context, horizon))
    true = found.frames[:, context : context + horizon]
    np.testing.assert_array_equal(found.overlap().numerator, rollout.overlap(true, found.means).numerator)  # type: ignore[arg-type]
    before = found.truth["collisions"][:, context - 1 : context + horizon - 1]
    np.testing.assert_array_equal(found.near_cost, pixels.bernoulli_bce(true, found.means, before))  # type: ignore[arg-type]


def test_a_collision_counts_in_the_frame_that_it_leads_to() -> None:
    """Of two pixels, the one that collides in the transition 1 -> 2 is scored in frame 2."""
    frames = np.array([0, 0, 0, 0, 1, 1], np.uint8).reshape(1, 3, 1, 2, 1)
    collisions = np.array([0, 0, 1, 0, 0, 0], np.uint8).reshape(1, 3, 1, 2, 1)
    means = np.full((1, 2, 1, 2, 1), 0.25, np.float32)
    found = Evidence(Window(3), frames, Bernoulli(), means, truth={"collisions": collisions})
    assert found.near_cost[0].tolist() == pytest.approx([0.0, np.log(4)])
