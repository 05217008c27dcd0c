"""Tests of the agent that comes with the package, and of its card."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from physbench import registry
from physbench_baselines.dqn import agentfile
from physbench_baselines.dqn.agent_recipe import AgentRecipe
from physbench_baselines.dqn.game_scores import summary
from physbench_baselines.dqn.policy import BUNDLED
from physbench_baselines.releasing import agent

pytest.importorskip("torch")


def test_the_page_is_what_the_card_says() -> None:
    card = agentfile.load(BUNDLED).card
    assert BUNDLED.with_suffix(".md").read_text(encoding="utf-8") == agent.page(card, size=BUNDLED.stat().st_size)
    assert BUNDLED.with_suffix(".svg").read_text(encoding="utf-8") == agent.drawing(card)


def test_the_agent_is_small_and_plays_well() -> None:
    told = agentfile.load(BUNDLED)
    assert BUNDLED.stat().st_size <= 4_000_000
    assert (
        told.sizes
        == AgentRecipe.from_dict(
            {name: tuple(v) if isinstance(v, list) else v for name, v in told.card["recipe"].items()}
        ).sizes()
    )
    scores = told.card["scores"]
    assert len(scores["agent"]["games"]) == 100
    assert scores["agent"]["mean"] > 500
    assert scores["agent"]["low"] > scores["random actions"]["high"]
    for name, row in scores.items():
        again = asdict(summary(row["games"]))
        assert again.pop("games") == row["games"]
        assert again == pytest.approx({key: value for key, value in row.items() if key != "games"}), name


def test_the_agent_is_a_policy() -> None:
    player = registry.policies.get("dqn")()
    seen = SimpleNamespace(observations=np.zeros((5, 4, 84, 84), np.uint8), actions=6)
    assert player(seen).shape == (5,)


def test_the_command_of_a_card_says_what_differs() -> None:
    recipe = asdict(
        AgentRecipe(
            demonstrations="marksman",
            epsilon_first=0.1,
            epochs=3,
            hidden=64,
            rows=(0, 84),
            normalise=False,
            precision="bf16",
        )
    )
    assert agent.command({"recipe": recipe, "steps": 7}) == (
        "physbench train dqn --epochs 3 --demonstrations marksman --hidden 64 --rows 0-84 --no-normalise --steps 7"
    )
    assert agent.command({"recipe": asdict(AgentRecipe()), "steps": 7}) == "physbench train dqn --steps 7"


@pytest.mark.slow
def test_an_agent_is_released_from_its_run(tmp_path: Path) -> None:
    pytest.importorskip("ale_py")
    from physbench_baselines.dqn import run

    recipe = AgentRecipe(games=4, rollout=8, batch=16, channels=(4, 4, 4), hidden=16, demonstrations="marksman")
    run.train(recipe, tmp_path / "run", steps=200, device="cpu")
    agent.release(tmp_path / "run", place=tmp_path / "agent.safetensors", games=2)
    card = agentfile.load(tmp_path / "agent.safetensors").card
    assert set(card["scores"]) == {"agent", "agent, 5 % random actions", "random actions", "demonstrator"}
    assert "It did not learn by itself" in (tmp_path / "agent.md").read_text(encoding="utf-8")
    assert (tmp_path / "agent.svg").read_text(encoding="utf-8").startswith("<svg")
