"""Tests of what holds in every frame of Space Invaders, over waves, deaths and resets.

Raw screens and the memory are compared.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from physbench_generators.invaders.truth import GameTruth
from tests.builders.space_invaders import Moment, able_player, play, random_player

Array = np.ndarray[Any, Any]

HUD_COLOURS = (196, 226, 246)
TOUCHED = np.arange(84)[:, None] * 160 < (np.arange(160) + 1) * 84
TOUCHED &= (np.arange(84)[:, None] + 1) * 160 > np.arange(160) * 84
"""(84, 160) which columns of the screen a cell touches."""


def shows(screens: Array) -> Array:
    """(84, 84) whether anything but score, lives and ground touches a cell of the last two screens."""
    object_ = screens > 0
    object_[:, :26] &= ~np.isin(screens[:, :26], HUD_COLOURS)
    object_[:, 26:195] &= screens[:, 26:195] != 246
    object_[:, 195:] = False
    touched = np.repeat(object_.any(0), 2, 0).reshape(84, 5, 160).any(1)
    return (touched.astype(np.float32) @ TOUCHED.T.astype(np.float32)) > 0


class Witness:
    """Watch games and count what there was to watch."""

    def __init__(self, skip: int) -> None:
        self.truth, self.skip = GameTruth(geometry="full", hud="mask"), skip
        self.count: Counter[str] = Counter()

    def watch(self, moment: Moment) -> None:
        if moment.first:
            self.truth.start(*moment.first)
            self.ram, self.living, self.uids, self.place = (
                moment.first[0].astype(int),
                set(range(1, 37)),
                0,
                np.full((44, 2), np.nan),
            )
            self.count["games"] += 1
        if moment.over:
            return
        step = self.truth.step(moment.rams, moment.rewards, moment.screens[-2:])
        assert self.truth.doubts == {}
        self.count["frames"] += len(moment.rams)
        self.check_aliens(moment, step.events, step.position)
        self.check_shields(moment)
        if len(moment.screens) > 1:
            assert np.array_equal(step.labels > 0, shows(moment.screens[-2:]))
            self.count_lost_bullets(moment, step.labels)
        uids = [event[4] for event in step.events.tolist() if event[1] in (6, 7)]
        assert uids == list(range(self.uids + 1, self.uids + 1 + len(uids)))
        self.uids += len(uids)
        self.count.update(f"event {kind}" for kind in step.events[:, 1])
        self.place = step.position
        self.ram = moment.rams[-1].astype(int)

    def check_aliens(self, moment: Moment, events: Array, position: Array) -> None:
        before = self.ram
        for f, (memory, reward) in enumerate(zip(moment.rams.astype(int), moment.rewards, strict=True), 1):
            hit = [int(b) for frame, kind, _, b, _ in events if frame == f and kind == 1]
            ufo = any(frame == f and kind == 5 for frame, kind, *_ in events)
            assert reward == sum(5 * (6 - (label - 1) // 6) for label in hit) + 200 * ufo
            assert set(hit) <= self.living
            self.living -= set(hit)
            if memory[17] == 36 and before[17] < 36:
                self.living = set(range(1, 37))
                self.count["waves"] += 1
            self.count["moved columns"] += abs(memory[26] - before[26]) > 8 and memory[42] == 0
            self.count["deaths"] += memory[42] == 4 and before[42] != 4
            assert len(self.living) == memory[17]
            before = memory
        there = {k + 1 for k in np.flatnonzero(~np.isnan(position[:36, 0]))}
        assert self.living <= there
        if all(moment.rams[:, 42] == 0) and moment.rams[0, 17] <= self.ram[17]:
            moved = np.abs(position[:36] - self.place[:36])
            assert np.nanmax(moved, initial=0) <= 5.0, "an alien jumps"

    def check_shields(self, moment: Moment) -> None:
        """What a screen shows of shields is what the memory held a frame ago; in a wave whose aliens came too low, none
        are drawn, and none change."""
        memories = np.concatenate([self.ram[None], moment.rams]).astype(np.uint8)
        for screen, now, before, earlier in zip(moment.screens[1:], memories[2:], memories[1:], memories, strict=False):
            if now[17] == 36 and (before[17] < 36 or earlier[17] < 36):
                continue  # they are made anew
            band = screen[157:175]
            drawn = bool((band == 52).any())
            for k in range(3):
                place = band[:, 42 + 32 * k : 50 + 32 * k]
                bits = np.unpackbits(before[43 + 9 * k : 52 + 9 * k, None], axis=1).repeat(2, axis=0).astype(bool)
                if drawn:
                    assert np.array_equal(place == 52, bits & (place != 6) & (place != 20))
                elif bits.any():
                    assert now[16] >= 15
                    assert np.array_equal(now[43:70], before[43:70])
                    self.count["hidden shields"] += 1

    def count_lost_bullets(self, moment: Moment, labels: Array) -> None:
        older, newer = moment.screens[-2:] == 6
        for ram, drawn in zip(moment.rams[-2:], (older & ~newer, newer), strict=True):
            columns = np.unique(np.nonzero(drawn)[1])
            if len(columns):
                expected = 1 if ram[74] & 1 else len(columns)
                found = (
                    int((labels == 41).any()) if ram[74] & 1 else int((labels == 42).any()) + int((labels == 43).any())
                )
                self.count["bullets"] += expected
                self.count["lost bullets"] += max(expected - found, 0)


def test_everything_holds_in_two_thousand_frames() -> None:
    witness = Witness(4)
    for moment in play(2000, player=random_player(11), waits=1):
        witness.watch(moment)
    assert witness.count["event 2"] and witness.count["event 3"]


@pytest.mark.slow
def test_everything_holds_in_a_hundred_thousand_frames() -> None:
    total: Counter[str] = Counter()
    for player, skip, frames in (
        (able_player(0), 4, 60_000),
        (able_player(1), 3, 40_000),
        (random_player(3), 4, 20_000),
    ):
        witness = Witness(skip)
        for moment in play(frames, player=player, skip=skip, waits=1):
            witness.watch(moment)
        total += witness.count
    assert total["frames"] >= 100_000
    assert total["waves"] >= 5
    assert total["games"] >= 20
    assert total["deaths"] >= 40
    assert total["moved columns"] >= 10
    assert all(total[f"event {kind}"] for kind in range(1, 9))
    assert total["lost bullets"] <= 1e-4 * total["bullets"]  # none in 72,000, unless two cross within one cell
