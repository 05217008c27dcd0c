"""Recipes of agents: everything that decides the weights of an agent."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from physbench.errors import TrainingError
from physbench.fields import check_fields, parameter
from physbench_baselines.dqn.sizes import AgentSizes


@dataclass(frozen=True, kw_only=True)
class AgentRecipe:
    """A recipe. Each field with a `help` is an option of `physbench train dqn`.

    The defaults are those of the agent that comes with the package.
    """

    algorithm: str = parameter(
        "pqn", help="pqn: many games, no replay; nature: replay and a target network", choices=("pqn", "nature")
    )
    seed: int = parameter(0, help="another seed gives another run", low=0, high=(1 << 63) - 1)
    games: int = parameter(32, help="games side by side", low=1, high=1024)
    rollout: int = parameter(32, help="pqn: steps of each game between updates", low=1, high=4096)
    epochs: int = parameter(1, help="pqn: how often each rollout is learnt from", low=1, high=100)
    batch: int = parameter(128, help="transitions in a step of the optimiser", low=1, high=1 << 16)
    learning_rate: float = parameter(5e-4, help="learning rate at the beginning; it falls to almost 0", above=0)
    gradient_limit: float = parameter(10.0, help="clip gradients to this norm", above=0)
    discount: float = parameter(0.99, help="discount of rewards per step", low=0, high=1)
    trace: float = parameter(0.65, help="pqn: the lambda of Q(lambda)", low=0, high=1)
    epsilon: float = parameter(0.02, help="share of random actions at the end of the run", low=0, high=1)
    epsilon_first: float = parameter(1.0, help="share of random actions at the beginning", low=0, high=1)
    epsilon_falls: float = parameter(0.1, help="share of the run over which that share falls", above=0, high=1)
    demonstrations: str = parameter("", help="demonstrator: marksman, or none", choices=("", "marksman"))
    margin: float = parameter(
        0.8, help="demonstrations: by how much the best action should be rated above a bad one", low=0
    )
    softness: float = parameter(0.2, help="demonstrations: softness of the maximum in the margin loss", above=0)
    margin_weight: float = parameter(1.0, help="demonstrations: weight of the margin loss", low=0)
    shown: float = parameter(
        0.2, help="demonstrations: share of the games that the demonstrator plays at the end of the run", low=0, high=1
    )
    shown_falls: float = parameter(
        0.1, help="demonstrations: share of the run over which that share falls from 1", above=0, high=1
    )
    shown_noise: float = parameter(
        0.05, help="demonstrations: share of random actions in the games that the demonstrator plays", low=0, high=1
    )
    spare: int = parameter(
        4, help="demonstrations: distance in pixels that the demonstrator keeps from bombs", low=0, high=40
    )
    initial: str = parameter("", help="begin with these weights: an agent's file, or the folder of a run")
    precision: str = parameter(
        "auto", help="arithmetic; auto is bf16 where the hardware supports it", choices=("auto", "fp32", "bf16")
    )
    replay: int = parameter(100_000, help="nature: transitions kept in the replay", low=100, high=10_000_000)
    replay_first: int = parameter(5_000, help="nature: transitions before learning begins", low=32, high=10_000_000)
    every: int = parameter(4, help="nature: steps of play per step of the optimiser", low=1, high=1000)
    target_every: int = parameter(
        2_500, help="nature: steps of the optimiser between updates of the target network", low=1, high=1_000_000
    )
    channels: tuple[int, ...] = parameter((32, 32, 32), help="channels of the network's convolutions", low=1, high=256)
    hidden: int = parameter(512, help="units of the network's last hidden layer", low=1, high=4096)
    rows: tuple[int, int] = parameter(
        (3, 79), help="rows of the picture that the network sees (end not included)", low=0, high=84
    )
    columns: tuple[int, int] = parameter(
        (8, 76), help="columns of the picture that the network sees (end not included)", low=0, high=84
    )
    normalise: bool = parameter(True, help="layer normalisation in the network")

    def __post_init__(self) -> None:
        check_fields(self, TrainingError)
        self.sizes()
        if self.algorithm == "pqn" and self.batch > self.games * self.rollout:
            raise TrainingError(
                f"a batch of {self.batch} is more than the {self.games * self.rollout} transitions of a rollout: give"
                " more games or fewer"
            )
        if self.algorithm == "nature" and self.demonstrations:
            raise TrainingError("the nature algorithm takes no demonstrations: leave them out, or take pqn")
        if self.replay_first > self.replay:
            raise TrainingError(
                f"learning would begin after {self.replay_first} transitions, and only {self.replay} are kept"
            )

    def sizes(self) -> AgentSizes:
        """Return the sizes of the network."""
        return AgentSizes(
            channels=self.channels, hidden=self.hidden, normalise=self.normalise, rows=self.rows, columns=self.columns
        )

    def epsilon_at(self, share: float) -> float:
        """Return the share of random actions of the agent when this share of the run is over."""
        return _falling(self.epsilon_first, self.epsilon, share / self.epsilon_falls)

    def shown_at(self, share: float) -> float:
        """Return the share of the games that the demonstrator plays when this share of the run is over."""
        return _falling(1.0, self.shown, share / self.shown_falls) if self.demonstrations else 0.0

    def learning_rate_at(self, share: float) -> float:
        """Return the learning rate when this share of the run is over."""
        return self.learning_rate * max(1 - share, 0.01)

    def to_json(self) -> str:
        """Write the recipe as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @staticmethod
    def from_dict(given: Any) -> AgentRecipe:
        """Read a recipe from an object in JSON."""
        if not isinstance(given, dict):
            raise TrainingError("this is not the recipe of an agent: it is an object in JSON")
        values = cast("dict[str, Any]", given)
        known = {item.name for item in fields(AgentRecipe)}
        for name in values:
            if name not in known:
                raise TrainingError(
                    f"the recipe of an agent has no field {name!r:.60}: it has {', '.join(sorted(known))}"
                )
        return AgentRecipe(**values)


def _falling(first: float, last: float, share: float) -> float:
    return first + (last - first) * min(max(share, 0.0), 1.0)
