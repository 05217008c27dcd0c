"""Tests of labels, events and masks of Space Invaders against slow and obvious code that shares nothing with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from physbench_generators.invaders.truth import GameTruth, TruthStep, assemble
from tests.builders.space_invaders import Moment, short_play
from tests.oracles.slow_invaders import Follower, mark_collisions, shrink

Array = np.ndarray[Any, Any]


def follow(
    moments: tuple[Moment, ...], truth: GameTruth, paint: int = 0
) -> Iterator[tuple[TruthStep, list[tuple[int, ...]], list[tuple[Array, Array]]]]:
    """Follow games both ways: a step, its slow events and, for every `paint`-th one, the last two screens with their
    slow labels."""
    slow: Follower | None = None
    for n, moment in enumerate(moments):
        if moment.first:
            truth.start(*moment.first)
            slow = Follower(moment.first[0])
        assert slow
        if moment.over:  # a landing leaves the grid; what ends a game is never recorded
            continue
        events: list[tuple[int, ...]] = []
        painted: list[tuple[Array, Array]] = []
        for f, (ram, reward, screen) in enumerate(zip(moment.rams, moment.rewards, moment.screens, strict=True), 1):
            events += [(f, *event) for event in slow.update(ram, int(reward))]
            if paint and n % paint == 0 and f > len(moment.rams) - 2:
                painted.append((screen, slow.paint(screen)))
        yield truth.step(moment.rams, moment.rewards, moment.screens[-2:]), events, painted


@pytest.mark.parametrize(
    ("geometry", "hud", "skip"),
    [
        ("full", "mask", 4),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("mnih2013", "keep", 3), ("mnih2013", "mask", 4), ("full", "keep", 3))
        ),
    ],
)
def test_each_cell_belongs_to_what_covers_most_of_it(geometry: str, hud: str, skip: int) -> None:
    truth = GameTruth(geometry=geometry, hud=hud)
    for n, (step, _, painted) in enumerate(follow(short_play(skip), truth, paint=20)):
        if len(painted) == 2:
            assert np.array_equal(step.labels, shrink(*painted, geometry=geometry, hud=hud)), f"step {n}"
    assert truth.doubts == {}


@pytest.mark.parametrize("geometry", ["full", "mnih2013"])
def test_what_shows_is_where_it_is_said_to_be(geometry: str) -> None:
    shown = 0
    truth = GameTruth(geometry=geometry, hud="mask")
    for moment in short_play(4):
        if moment.first:
            truth.start(*moment.first)
        step = truth.step(moment.rams, moment.rewards, moment.screens[-2:])
        if (moment.rams[:, 42] != 0).any() or moment.over:
            continue  # a new ship jumps to its place
        for label in np.unique(step.labels)[1:]:
            y, x = (middles.mean() + 0.5 for middles in np.nonzero(step.labels == label))
            gap = np.abs(step.position[label - 1] - (x, y))
            if label == 44 and np.isnan(gap[0]):
                continue  # it comes or goes
            assert gap[0] < 1.5 and gap[1] < 5, (
                f"object {label} is {gap} off"
            )  # what erodes, or is cut off at the top, loses one side
            shown += 1
    assert shown > 20_000


def test_frames_that_are_not_recorded_change_nothing_afterwards() -> None:
    moments = [moment for moment in short_play(4)[:400] if len(moment.rams) == 4]
    all_seen, half_seen = GameTruth(geometry="full", hud="mask"), GameTruth(geometry="full", hud="mask")
    for n, moment in enumerate(moments):
        if moment.first:
            all_seen.start(*moment.first)
            half_seen.start(*moment.first)
        expected = all_seen.step(moment.rams, moment.rewards, moment.screens[-2:])
        if n % 50 < 25:
            half_seen.follow(moment.rams, moment.rewards)
        else:
            step = half_seen.step(moment.rams, moment.rewards, moment.screens[-2:])
            assert all(
                np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
                for one, other in zip(step, expected, strict=True)
            )


def test_a_new_game_forgets_the_last_one() -> None:
    first, *moments = short_play(4)[:200]
    assert first.first
    used, fresh = GameTruth(geometry="full", hud="mask"), GameTruth(geometry="full", hud="mask")
    used.start(*first.first)
    for moment in moments[80:]:
        used.step(moment.rams, moment.rewards, moment.screens[-2:])
    for truth in (used, fresh):
        truth.start(*first.first)
    for moment in (first, *moments[:80]):
        one, other = (truth.step(moment.rams, moment.rewards, moment.screens[-2:]) for truth in (used, fresh))
        assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(one, other, strict=True))


def test_events_name_who_hits_whom_and_which_bullet() -> None:
    kinds = set()
    for step, events, _ in follow(short_play(4), GameTruth(geometry="full", hud="mask")):
        assert sorted(map(tuple, step.events.tolist())) == sorted(events)
        kinds |= {event[1] for event in events}
    assert kinds >= {1, 2, 3, 4, 6, 7, 8}


def test_the_mask_of_a_collision_is_of_the_very_bullet_that_hits() -> None:
    steps = [step for step, _, _ in follow(short_play(4), GameTruth(geometry="full", hud="mask"))][30:]
    shared = 0
    for start in range(0, len(steps) - 26, 25):
        some, after = steps[start : start + 25], [step.events for step in steps[start + 1 : start + 26]]
        labels, shots = np.stack([step.labels for step in some]), np.stack([step.shots for step in some])
        made = assemble(labels, shots, after, 4)
        marks = mark_collisions(labels, shots, [[tuple(event) for event in events.tolist()] for events in after])
        assert np.array_equal(made["collisions"][..., 0], marks)
        for t, events in enumerate(after):
            hitters = {int(label) for event in events.tolist() if event[1] <= 5 for label in event[2:4]}
            walls = {int(event[2]) for event in events.tolist() if event[1] == 8}
            assert set(np.flatnonzero(made["contact"][t] & 1) + 1) == hitters
            assert set(np.flatnonzero(made["contact"][t] & 2) + 1) == walls
            shared += sum(
                event[1] <= 5 and 41 in event[2:4] and shots[t][0] not in (0, event[4]) for event in events.tolist()
            )
        assert np.array_equal(made["features"][..., 0] > 0, labels > 0)
        assert all((labels == k).sum((1, 2)).tolist() == made["visible"][:, k - 1].tolist() for k in range(1, 45))
        assert made["time"].tolist() == [
            t + event[0] / 4 for t, events in enumerate(after) for event in events.tolist()
        ]
    assert shared, "a new shot within a step of the old one's end"
