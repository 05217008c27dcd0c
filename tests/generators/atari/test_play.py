"""Tests of sittings: what a lane plays depends on nothing else, and can be played again anywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("ale_py")

from physbench.errors import RecipeError
from physbench_generators.atari import play
from physbench_generators.atari.console import Console, path_of
from physbench_generators.atari.dice import Dice, words_of
from physbench_generators.atari.play import CONSOLES, Blind, Lane, Live, Replay, Rules, sit
from physbench_generators.atari.policies import PolicyInput, resolve_policy

RULES = Rules("space_invaders", frames=6, skip=4, epsilon=0.05, sticky=0.0, noops=30, start_offset=40, play_byte=42)
SEEDS = np.array([11, 2**63 + 5, 977], np.uint64)


def play_lanes(
    seeds: np.ndarray = SEEDS,
    *,
    rules: Rules = RULES,
    wanted: int = 4,
    policy: str = "scripted",
    tape: list[bytes] | None = None,
) -> list[Lane]:
    with CONSOLES.borrow(len(seeds), rules.game) as consoles:
        dice = Dice(seeds, epsilon=rules.epsilon, sticky=rules.sticky, actions=6)
        actor = Live(resolve_policy(policy), dice, name=policy, actions=6) if tape is None else Replay(tape)
        lanes = [
            Lane(console, rules, seed, i, wanted, Blind(), looks=actor.looks)
            for i, (console, seed) in enumerate(zip(consoles, seeds.tolist(), strict=True))
        ]
        sit(lanes, actor)
    return lanes


def memory_of(lane: Lane) -> np.ndarray:
    return np.array([[moment.ram for moment in moments] for moments in lane.sequences])


@pytest.fixture(scope="module")
def lanes() -> list[Lane]:
    return play_lanes()


def test_a_lane_does_not_depend_on_its_neighbours(lanes: list[Lane]) -> None:
    (alone,) = play_lanes(SEEDS[1:2])
    assert alone.taken == lanes[1].taken and np.array_equal(memory_of(alone), memory_of(lanes[1]))


def test_fewer_sequences_are_the_first_ones(lanes: list[Lane]) -> None:
    for short, long in zip(play_lanes(wanted=2), lanes, strict=True):
        assert long.taken.startswith(short.taken) and np.array_equal(memory_of(short), memory_of(long)[:2])


def test_a_tape_plays_the_same_without_a_policy(lanes: list[Lane]) -> None:
    for again, lane in zip(play_lanes(tape=[bytes(lane.taken) for lane in lanes], rules=RULES), lanes, strict=True):
        assert np.array_equal(memory_of(again), memory_of(lane))
        assert [[moment[2:7] for moment in moments] for moments in again.sequences] == [
            [moment[2:7] for moment in moments] for moments in lane.sequences
        ]


def test_a_tape_that_is_too_short_says_so(lanes: list[Lane]) -> None:
    with pytest.raises(RecipeError, match="the tape ends after 20 steps"):
        play_lanes(tape=[bytes(lane.taken[:20]) for lane in lanes])


@pytest.mark.slow
def test_a_bare_emulator_shows_the_same_memory(lanes: list[Lane]) -> None:
    """The oracle: ale-py alone, fed with the actions that were kept, after the no-ops that make its memory fit."""
    from ale_py import ALEInterface

    for lane in lanes:
        moments = [moment for each in lane.sequences for moment in each]
        assert {moment.game for moment in moments} == {0}, "the test is of first games"
        emulator = ALEInterface()
        emulator.setFloat("repeat_action_probability", 0.0)
        emulator.loadROM(str(path_of("space_invaders")))
        actions, fits = emulator.getMinimalActionSet(), []
        for noops in range(31):
            emulator.reset_game()
            for _ in range(noops):
                emulator.act(actions[0])
            memory, rewards, lives = [emulator.getRAM()], [], [emulator.lives()]
            for action in lane.taken:
                rewards.append(sum(emulator.act(actions[action]) for _ in range(4)))
                memory.append(emulator.getRAM())
                lives.append(emulator.lives())
            fits.append(
                all(
                    np.array_equal(memory[moment.step], moment.ram)
                    and (rewards[moment.step], lives[moment.step], lane.taken[moment.step])
                    == (moment.reward, moment.lives, moment.action)
                    for moment in moments
                )
            )
        assert sum(fits) == 1


def test_sequences_are_of_play_alone_and_follow_one_another(lanes: list[Lane]) -> None:
    for lane in lanes:
        assert not memory_of(lane)[:, :, 42].any()
        for moments in lane.sequences:
            steps = [moment.step for moment in moments]
            assert steps == list(range(steps[0], steps[0] + RULES.frames))
        starts = [(moments[0].game, moments[0].step) for moments in lane.sequences]
        assert all(game > before or step >= last + RULES.frames for (before, last), (game, step) in pairwise(starts))


def test_a_console_that_was_used_plays_as_a_new_one_does() -> None:
    console, memory = Console("space_invaders"), np.zeros((4, 600, 128), np.uint8)
    screens = np.zeros((4, 210, 160), np.uint8)
    for game in range(4):
        console.restart()
        console.draw(screens[game])
        for frame in range(600):
            console.act((frame // 7 + frame) % 6)
            console.read(memory[game, frame])
        for _ in range(37 * game):  # an odd number of frames more: what is drawn in which frame must not depend on it
            console.act(1)
    assert (memory == memory[0]).all() and (screens == screens[0]).all()


def test_chances_are_as_likely_as_asked_and_depend_on_the_step_alone() -> None:
    dice = Dice(np.arange(40, dtype=np.uint64), epsilon=0.25, sticky=0.1, actions=6)
    rolls = {step: dice.roll(step) for step in range(1000)}
    forced = np.array([rolls[step].forced for step in rolls])
    assert abs((forced >= 0).mean() - 0.25) < 0.01 and abs(np.mean([rolls[step].sticks for step in rolls]) - 0.1) < 0.01
    assert (abs(np.bincount(forced[forced >= 0], minlength=6) / (forced >= 0).sum() - 1 / 6) < 0.02).all()
    for step in (999, 3, 256, 255):
        assert dice.roll(step).forced == rolls[step].forced and (dice.roll(step).words == rolls[step].words).all()
    one = Dice(np.array([7], np.uint64), epsilon=0.25, sticky=0.1, actions=6)
    assert [one.roll(step).forced[0] for step in range(300)] == forced[:300, 7].tolist()


def test_words_of_streams_and_lanes_differ() -> None:
    drawn = np.concatenate([words_of(np.arange(50, dtype=np.uint64), stream, 0, 100).ravel() for stream in (1, 2)])
    assert len(np.unique(drawn)) == len(drawn)
    assert (words_of(np.array([3], np.uint64), 1, 10, 20) == words_of(np.array([3], np.uint64), 1, 0, 20)[:, 10:]).all()


def test_an_action_that_sticks_is_the_one_that_is_kept() -> None:
    (lane,) = play_lanes(SEEDS[:1], rules=Rules("space_invaders", 4, 4, 1.0, 0.9, 0, 0, 42), wanted=6)
    taken = np.frombuffer(bytes(lane.taken), np.uint8)
    assert 0.85 < (taken[1:] == taken[:-1]).mean() < 0.97


def test_offsets_and_no_ops_spread_over_what_was_asked() -> None:
    rules = Rules("space_invaders", 2, 4, 0.0, 0.0, 30, 60, 42)
    lanes = play_lanes(np.arange(8, dtype=np.uint64), rules=rules, wanted=1, policy="random")
    starts = [lane.sequences[0][0].step for lane in lanes if not lane.sequences[0][0].game]
    assert min(starts) < 45 and max(starts) > 45 and len(set(starts)) > 5


def test_a_game_without_such_a_stretch_of_play_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "PATIENCE", 1)
    with pytest.raises(RecipeError, match="gave only 0 sequences of 5000 uninterrupted steps of play"):
        play_lanes(SEEDS[:1], rules=Rules("space_invaders", 5000, 4, 0.0, 0.0, 0, 0, 42), policy="random")


class Watchful:
    """Keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[PolicyInput] = []

    def __call__(self, given: PolicyInput) -> np.ndarray:
        self.seen.append(
            PolicyInput(
                given.observations.copy(), given.ram.copy(), given.words.copy(), given.fresh.copy(), given.actions
            )
        )
        return np.full(len(given.ram), 4)


def test_what_a_policy_sees() -> None:
    """Of eight places whatever is played; one frame after a reset, then one more in each step."""
    policy, rules = Watchful(), Rules("space_invaders", 2, 4, 0.0, 0.0, 0, 0, 42)
    with CONSOLES.borrow(1, "space_invaders") as consoles:
        actor = Live(policy, Dice(SEEDS[:1], epsilon=0.0, sticky=0.0, actions=6), name="mine", actions=6)
        lanes = [Lane(consoles[0], rules, 1, 0, 1, Blind(), looks=actor.looks)]
        sit(lanes, actor)
    first = policy.seen[0]
    assert (
        first.observations.shape == (8, 4, 84, 84)
        and first.fresh[0]
        and not first.observations[0, :3].any()
        and first.observations[0, 3].any()
    )
    for before, after in pairwise(policy.seen):
        assert (after.observations[0, :3] == before.observations[0, 1:]).all() and not after.fresh.any()
        assert not after.observations[1:].any()
