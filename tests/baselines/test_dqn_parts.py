"""The parts of the agent: returns, losses, schedules, sizes, replay. Oracles are written from the definitions, and
slow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from physbench.errors import ModelError, TrainingError
from physbench_baselines.dqn.agent_recipe import AgentRecipe
from physbench_baselines.dqn.preflight import usual_recipe
from physbench_baselines.dqn.replay import ReplayMemory
from physbench_baselines.dqn.sizes import AgentSizes
from physbench_baselines.dqn.targets import trace_back

torch = pytest.importorskip("torch")


def _return_after(t: int, k: int, rewards: list[float], lost: list[bool], best: list[float], discount: float) -> float:
    """The k-step return from t: k rewards, then the best value; nothing after a loss."""
    total = 0.0
    for i in range(k):
        total += discount**i * rewards[t + i]
        if lost[t + i]:
            return total
    return total + discount**k * best[t + k]


def _lambda_return(
    t: int, rewards: list[float], lost: list[bool], best: list[float], discount: float, trace: float
) -> float:
    """The weighted mean of all k-step returns, the last one with what weight is left."""
    ahead = len(rewards) - t
    total = sum(
        (1 - trace) * trace ** (k - 1) * _return_after(t, k, rewards, lost, best, discount) for k in range(1, ahead)
    )
    return total + trace ** (ahead - 1) * _return_after(t, ahead, rewards, lost, best, discount)


@pytest.mark.parametrize("trace", [0.0, 0.65, 1.0])
def test_returns_are_weighted_means_of_all_k_step_returns(trace: float) -> None:
    rng = np.random.default_rng(3)
    steps, games = 9, 5
    rewards = rng.normal(size=(steps, games)).astype(np.float32)
    lost = rng.random((steps, games)) < 0.2
    best = rng.normal(size=(steps + 1, games)).astype(np.float32)
    found = trace_back(rewards, lost, best, discount=0.9, trace=trace)
    for game in range(games):
        columns = (rewards[:, game].tolist(), lost[:, game].tolist(), best[:, game].tolist())
        wanted = [_lambda_return(t, *columns, 0.9, trace) for t in range(steps)]
        assert found[:, game] == pytest.approx(wanted, abs=1e-5)


def test_good_actions_are_to_be_best_by_a_margin() -> None:
    from physbench_baselines.dqn.learner import outdo

    values = [[0.3, -1.0, 2.0], [5.0, 0.0, 0.0], [1.0, 2.0, 3.0]]
    regrets, margin, softness = [[0.0, 1.0, 0.5], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], 0.8, 0.2
    found = outdo(torch.tensor(values), torch.tensor(regrets), margin=margin, softness=softness).tolist()
    for row, worse, loss in zip(values, regrets, found, strict=True):
        raised = [value + margin * regret for value, regret in zip(row, worse, strict=True)]
        good = [value for value, regret in zip(row, worse, strict=True) if regret == 0]
        assert loss == pytest.approx(_soft_maximum(raised, softness) - _soft_maximum(good, softness), abs=1e-5)
        hard = max(raised) - max(good)  # that of Hester et al.
        assert abs(loss - hard) <= softness * math.log(len(row)) + 1e-6
    assert found[2] == pytest.approx(0, abs=1e-6)


def _soft_maximum(values: list[float], softness: float) -> float:
    return softness * math.log(sum(math.exp(value / softness) for value in values))


def test_schedules_fall_and_stay() -> None:
    recipe = AgentRecipe(
        epsilon_first=0.9, epsilon=0.1, epsilon_falls=0.5, demonstrations="marksman", shown=0.25, shown_falls=0.5
    )
    assert [recipe.epsilon_at(share) for share in (0, 0.25, 0.5, 1)] == pytest.approx([0.9, 0.5, 0.1, 0.1])
    assert [recipe.shown_at(share) for share in (0, 0.25, 0.5, 1)] == pytest.approx([1, 0.625, 0.25, 0.25])
    assert AgentRecipe().shown_at(0) == 0
    rates = [recipe.learning_rate_at(share) for share in np.linspace(0, 1, 11)]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] <= 0.011 * rates[0]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"games": 0}, "games is a whole number from 1 to 1024, not 0"),
        ({"trace": 1.5}, "trace is a number from 0 to 1, not 1.5"),
        ({"algorithm": "ppo"}, "algorithm is one of pqn, nature, not 'ppo'"),
        ({"games": 2, "rollout": 4, "batch": 9}, "a batch of 9 is more than the 8 transitions of a rollout"),
        ({"algorithm": "nature", "demonstrations": "marksman"}, "the nature algorithm takes no demonstrations"),
        ({"replay": 200}, "learning would begin after 5000 transitions, and only 200 are kept"),
    ],
)
def test_impossible_recipes_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        AgentRecipe(**wrong)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"channels": (32, 32)}, "an agent has 1 to 8 convolutions"),
        ({"rows": (40, 44)}, "nothing is left of rows"),
        ({"hidden": 4096}, "weights; at most 2,000,000 are allowed"),
        ({"hidden": True}, "hidden is a whole number"),
    ],
)
def test_impossible_sizes_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        AgentSizes(**wrong)


@pytest.mark.parametrize(
    "sizes",
    [
        AgentSizes(),
        AgentSizes(normalise=False, channels=(32, 64, 64), rows=(0, 84), columns=(0, 84)),
        AgentSizes(columns=(3, 80)),
    ],
)
def test_sizes_know_the_network(sizes: AgentSizes) -> None:
    from physbench_baselines.dqn.agentfile import shapes
    from physbench_baselines.dqn.network import QNetwork

    network = QNetwork(sizes)
    assert sum(parameter.numel() for parameter in network.parameters()) == sizes.count()
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == shapes(sizes)
    assert network(torch.zeros(3, 4, 84, 84, dtype=torch.uint8)).shape == (3, 6)


def test_only_the_chosen_part_of_the_picture_is_looked_at() -> None:
    from physbench_baselines.dqn.network import QNetwork

    network = QNetwork(AgentSizes(rows=(3, 79), columns=(8, 76)))
    generator = torch.Generator().manual_seed(0)
    network.begin(generator)
    seen = torch.randint(0, 255, (2, 4, 84, 84), generator=generator, dtype=torch.uint8)
    other = seen.clone()
    other[:, :, :3], other[:, :, 79:], other[..., :8], other[..., 76:] = 9, 9, 9, 9
    assert torch.equal(network(seen), network(other))
    other[0, 0, 3, 8] ^= 128
    assert not torch.equal(network(seen), network(other))


def test_nature_is_the_network_of_the_paper() -> None:
    recipe = usual_recipe(algorithm="nature")
    assert recipe.sizes().shapes() == [(20, 20), (9, 9), (7, 7)]
    assert recipe.sizes().count() == 1_687_206
    assert usual_recipe(algorithm="nature", games=7).games == 7


def test_a_replay_gives_what_was_played() -> None:
    """Against a list of whole histories, stack by stack."""
    rng, games, each, stack = np.random.default_rng(5), 3, 20, 4
    replay = ReplayMemory(games, each, stack=stack, side=2)
    history: list[list[dict[str, Any]]] = [[] for _ in range(games)]
    begins, added = np.ones(games, bool), 0
    for step in range(57):
        frames = rng.integers(1, 255, (games, 2, 2)).astype(np.uint8)
        actions, rewards, lost = (
            rng.integers(6, size=games),
            rng.normal(size=games).astype(np.float32),
            rng.random(games) < 0.2,
        )
        replay.add(frames, begins, actions, rewards, lost)
        for game in range(games):
            before = [] if begins[game] else history[game][-1]["frames"]
            entry = {
                "frames": [*before, frames[game]],
                "action": int(actions[game]),
                "reward": float(rewards[game]),
                "lost": bool(lost[game]),
            }
            history[game].append(entry)
        begins = rng.random(games) < 0.15
        added = step + 1
        assert len(replay) == max(min(added, each) - stack, 0) * games
    known = {}
    for game in range(games):
        for place in range(added - each, added - 1):
            now, then = history[game][place], history[game][place + 1]
            known[_stack(now["frames"], stack).tobytes()] = (game, now, _stack(then["frames"], stack))
    some = replay.draw(np.random.default_rng(0), 500)
    drawn = set()
    for seen, action, reward, lost, later in zip(*some, strict=True):
        game, now, then = known[seen.tobytes()]
        assert (action, reward, lost) == (now["action"], pytest.approx(now["reward"]), now["lost"])
        assert np.array_equal(later, then)
        drawn.add((game, seen.tobytes()))
    assert len(drawn) == len(replay)


def _stack(frames: list[Any], stack: int) -> Any:
    empty = [np.zeros_like(frames[0])] * stack
    return np.stack([*empty, *frames][-stack:])
