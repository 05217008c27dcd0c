"""The agent as a player, as in `physbench generate invaders --policy dqn`.

PyTorch is loaded with the first agent.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from physbench.errors import ModelError
from physbench_baselines.dqn import agentfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUNDLED = Path(__file__).parent.parent / "agents" / "dqn.safetensors"
"""The agent that comes with the package."""


class Seen(Protocol):
    """The part of a player's input that this one uses.

    It is the observations u1 (B, 4, 84, 84), and how many actions are legal.
    """

    observations: NDArray[np.uint8]
    actions: int


class Dqn:
    """A player that takes the action which the network rates highest, the first of equal ones.

    It draws no random numbers and remembers nothing.
    """

    observes: ClassVar[bool] = True
    games: ClassVar[tuple[str, ...]] = ("space_invaders",)
    geometry: ClassVar[str] = "full"
    """Geometry of the observations: 84x84 of the whole screen, whatever geometry is recorded."""

    def __init__(self, agent: agentfile.Agent) -> None:
        from physbench_baselines.adapter import network_with
        from physbench_baselines.dqn.network import QNetwork

        self.sizes, self.sha256, self.card = agent.sizes, agent.sha256, agent.card
        self._network: Any = network_with(lambda: QNetwork(agent.sizes), agent.weights).eval()

    def rate(self, observations: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the value of each action: (B, 4, 84, 84) -> (B, A).

        It uses one thread, so that the sums are the same whatever the number of threads.
        """
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                return self._network(torch.from_numpy(np.ascontiguousarray(observations))).numpy()
        finally:
            torch.set_num_threads(threads)

    def __call__(self, given: Seen) -> NDArray[np.int64]:
        """Choose an action for each observation."""
        wanted = (self.sizes.stack, self.sizes.side, self.sizes.side)
        if given.observations.shape[1:] != wanted or given.observations.dtype != np.uint8:
            raise ModelError(
                f"the agent looks at uint8 {wanted}, not at {given.observations.dtype} {given.observations.shape[1:]}"
            )
        if given.actions < self.sizes.actions:
            raise ModelError(
                f"the agent has learnt {self.sizes.actions} actions, and this game has {given.actions}: it plays"
                f" {', '.join(self.games)}"
            )
        return self.rate(given.observations).argmax(1)


def dqn(agent: str | Path = "") -> Dqn:
    """Load the agent that comes with the package, or that of a file or of the folder of a run."""
    return Dqn(agentfile.load(file_of(agent) if agent else BUNDLED))


def file_of(agent: str | Path) -> Path:
    """Return the file of an agent; in the folder of a run it is the best one, or else the last one."""
    path = Path(agent)
    if not path.is_dir():
        return path
    return next(
        (place for place in (path / "best.safetensors", path / "last.safetensors") if place.exists()),
        path / "best.safetensors",
    )
