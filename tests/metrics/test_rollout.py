"""Tests that predictions far ahead are scored at the right frames, against the last one that was shown."""

from __future__ import annotations

import numpy as np
import pytest

from physbench.metrics import pixels, rollout, sums
from tests.metrics.oracle import frame_bce, random_window


@pytest.mark.parametrize(("context", "horizon"), [(1, 7), (3, 4), (5, 1), (7, 1)])
def test_each_step_is_scored_at_its_frame_and_repeating_by_the_last_context_frame(context: int, horizon: int) -> None:
    frames, _ = random_window(np.random.default_rng(context), 3, 8, 5, 4)
    means = np.random.default_rng(0).random((3, horizon, 5, 4, 1))
    scored, repeating = rollout.rollout_bce(frames, means, context), rollout.repeat_bce(frames, context, horizon)
    for n in range(3):
        for h in range(1, horizon + 1):
            assert scored[n, h - 1] == pytest.approx(frame_bce(frames[n, context - 1 + h], means[n, h - 1]), rel=1e-9)
            assert repeating[n, h - 1] == pytest.approx(
                frame_bce(frames[n, context - 1 + h], frames[n, context - 1]), rel=1e-9
            )


def test_repeating_the_last_context_frame_scores_exactly_1_at_every_step() -> None:
    frames, _ = random_window(np.random.default_rng(0), 4, 9, 6, 6)
    means = rollout.repeat_last(frames, 3, 6).astype(np.float32)
    figure = sums.ratio(rollout.rollout_bce(frames, means, 3), rollout.repeat_bce(frames, 3, 6))
    assert sums.curve(figure) == [1.0] * 6
    assert sums.value(figure) == 1.0


def test_the_first_step_is_the_one_step_prediction() -> None:
    frames, means = random_window(np.random.default_rng(1), 3, 8, 5, 5)
    for context in range(1, 8):
        assert (
            rollout.rollout_bce(frames, means[:, context - 1 : context], context)[:, 0]
            == pixels.bce(frames, means)[:, context - 1]
        ).all()


@pytest.mark.parametrize(("context", "horizon"), [(0, 3), (5, 4), (3, 0)])
def test_a_rollout_that_does_not_fit_is_refused_in_words(context: int, horizon: int) -> None:
    with pytest.raises(ValueError, match=f"a rollout of {context} \\+ {horizon} frames does not fit in 8"):
        rollout.targets(np.zeros((2, 8, 3, 3, 1), np.uint8), context, horizon)
