"""Tests of policies: those that come with physbench, a user's own, and the errors for those that break the rules."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ale_py")

from physbench.errors import RecipeError, UnknownName
from physbench_generators.atari.console import Console
from physbench_generators.atari.policies import PolicyInput, ask, resolve_policy


def make_input(count: int = 3, *, actions: int = 6, word: int = 0) -> PolicyInput:
    return PolicyInput(
        observations=np.zeros((count, 4, 84, 84), np.uint8),
        ram=np.zeros((count, 128), np.uint8),
        words=np.arange(count, dtype=np.uint64) + np.uint64(word),
        fresh=np.zeros(count, bool),
        actions=actions,
    )


def always_fire(given: PolicyInput) -> np.ndarray:
    return np.ones(len(given.ram), np.int64)


class Remembers:
    """A policy with a memory."""

    observes = False

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self, given: PolicyInput) -> np.ndarray:
        self.steps += 1
        return np.full(len(given.ram), self.steps % given.actions)


NUMBER = 3


def play(choose, *, games: int, epsilon: float, seed: int) -> list[int]:  # type: ignore[no-untyped-def]
    """Whole games, four raw frames a step, after up to 30 no-ops: the score of each."""
    console, rng, scores = Console("space_invaders"), np.random.default_rng(seed), []
    memory = np.zeros((1, 128), np.uint8)
    for _ in range(games):
        console.restart()
        score = sum(console.act(0) for _ in range(int(rng.integers(0, 31))))
        while not console.over:
            console.read(memory[0])
            given = PolicyInput(
                np.zeros((1, 4, 84, 84), np.uint8), memory, rng.integers(0, 1 << 63, 1, np.uint64), np.zeros(1, bool), 6
            )
            action = int(rng.integers(6)) if rng.random() < epsilon else int(choose(given)[0])
            score += sum(console.act(action) for _ in range(4))
        scores.append(score)
    return scores


def test_the_random_policy_takes_every_action_alike() -> None:
    words = np.random.default_rng(0).integers(0, 1 << 64, 60_000, np.uint64)
    given = PolicyInput(
        np.zeros((0,), np.uint8), np.zeros((len(words), 128), np.uint8), words, np.zeros(len(words), bool), 6
    )
    counts = np.bincount(resolve_policy("random")(given), minlength=6)
    assert len(counts) == 6 and abs(counts - 10_000).max() < 500


@pytest.mark.slow
def test_the_scripted_policy_scores_above_820() -> None:
    scores = play(resolve_policy("scripted"), games=12, epsilon=0.02, seed=1)
    assert np.mean(scores) - 2 * np.std(scores) / np.sqrt(len(scores)) > 820


def test_the_scripted_policy_plays_one_game_well() -> None:
    assert (
        play(resolve_policy("scripted"), games=1, epsilon=0.02, seed=3)[0] > 600
    )  # the best of 40 random games had 410


def test_a_users_own_function_is_found() -> None:
    policy = resolve_policy(f"{__name__}:always_fire")
    assert ask(policy, make_input(), name="mine") == [1, 1, 1]


def test_a_class_is_made_anew_each_time() -> None:
    first, second = (resolve_policy(f"{__name__}:Remembers") for _ in range(2))
    assert ask(first, make_input(), name="mine") == [1, 1, 1] and ask(first, make_input(), name="mine") == [2, 2, 2]
    assert ask(second, make_input(), name="mine") == [1, 1, 1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.array([0, 6, 1]), "gave the action 6: the actions are 0 to 5"),
        (np.array([0, -1, 1]), "gave the action -1"),
        (np.array([0, 1]), r"int64 of shape \(2,\): it must give an array of 3 actions"),
        (np.zeros((3, 1), int), r"int64 of shape \(3, 1\)"),
        (np.array([0.0, 1.0, 2.0]), r"float64 of shape \(3,\): actions are whole numbers from 0 to 5"),
        (np.array([True, False, True]), "bool of shape"),
        (None, "gave None"),
        ("fire", "gave 'fire'"),
    ],
)
def test_an_illegal_answer_is_one_clear_error(answer: object, words: str) -> None:
    with pytest.raises(RecipeError, match=f"the policy 'mine' {words}|the policy 'mine' gave {words}"):
        ask(lambda given: answer, make_input(), name="mine")


def test_names_that_lead_nowhere_say_so() -> None:
    with pytest.raises(UnknownName, match="no policy is called 'scriptd': did you mean 'scripted'"):
        resolve_policy("scriptd")
    with pytest.raises(UnknownName, match="does not lead to anything"):
        resolve_policy("nowhere.at_all:policy")
    with pytest.raises(RecipeError, match="is 3: it must be a function"):
        resolve_policy(f"{__name__}:NUMBER")
    with pytest.raises(RecipeError, match="'random' takes no agent file"):
        resolve_policy("random", agent="some.safetensors")
    with pytest.raises(RecipeError, match="plays only space_invaders, not breakout"):
        resolve_policy("scripted", game="breakout")
