"""Question 17: how much time is saved if the layers of messages are computed once per byte where that is possible?

A step of the model of a memory is measured in two formulations.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from benchmarks.report import Table, percent, times
from benchmarks.timing import cost_of, interleave
from physbench.states import BYTES
from physbench_baselines.processors import MessagePassing, Messages
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.step import Stepper, fast

if TYPE_CHECKING:
    from benchmarks.plan import Plan

MODELS = ("rmr-ram-mpnn", "rmr-ram-mpnn-small")
ABOUT = """
`rmr-ram-mpnn` passes messages between all pairs of the 128 bytes of a memory: three layers on [z_k; action; z_i],
gathered by their mean. *Plain*: every pair is put together before the layers see it, and all three see pairs. *Ours*:
the first layer is a sum of one on [z_k; action] and one on z_i, which are computed once per byte, and the last one,
which is linear, comes after the mean; the same function of the same weights. A step is forward, backward and Adam in
fp32 on {states} states, with {threads} for torch.
"""


class PlainMessages(Messages):
    """Messages with the same weights, computed exactly as the formula says."""

    def forward(self, z: torch.Tensor, action: torch.Tensor | None = None) -> torch.Tensor:
        """Compute the messages to each thing: (B, N, D), (B, A) -> (B, N, D)."""
        things = z.shape[1]
        told = z if action is None else torch.cat([z, action[:, None].expand(-1, things, -1)], dim=-1)
        pairs = torch.cat([told[:, :, None].expand(-1, -1, things, -1), z[:, None].expand(-1, things, -1, -1)], dim=-1)
        weight = torch.cat([self.receiver.weight, self.sender.weight], dim=1)
        hidden = torch.relu(nn.functional.linear(pairs, weight, self.receiver.bias))
        messages = self.last(torch.relu(self.middle(hidden)))
        return messages.mean(dim=2) if self.gather == "mean" else messages.sum(dim=2)


class Learner:
    """A model in training, with a batch for it."""

    def __init__(self, model: str, sequences: int, *, plain: bool) -> None:
        recipe = usual_recipe(model, batch=sequences)
        network = network_of(recipe)
        if plain:
            write_plainly(network.processor)  # type: ignore[arg-type]
        self.stepper = Stepper(network, recipe, device=torch.device("cpu"), graphs=False)
        generator = torch.Generator().manual_seed(0)
        frames = recipe.longest
        actions = torch.randint(0, 18, (sequences, frames), generator=generator)
        self.batch = {
            "ram": torch.randint(0, 256, (sequences, frames, BYTES), generator=generator, dtype=torch.uint8),
            "actions": nn.functional.one_hot(actions, 18).to(torch.uint8),
        }
        self.rate = recipe.learning_rate

    def step(self) -> None:
        """Take a step of training."""
        self.stepper.take(self.batch, step=1, learning_rate=self.rate)


def write_plainly(processor: MessagePassing) -> None:
    """Replace the messages of a processor by PlainMessages with the same weights."""
    for number, ours in enumerate(processor.passes):
        size, hidden = ours.sender.in_features, ours.sender.out_features
        plain = PlainMessages(size, hidden, actions=ours.receiver.in_features - size, gather=ours.gather)
        plain.load_state_dict(ours.state_dict())
        processor.passes[number] = plain


def table(plan: Plan) -> Table:
    """Measure, and return the table."""
    sequences = max(plan.small_batch // 4, 1)
    rows: list[tuple[str, ...]] = []
    with fast():
        for model in MODELS:
            learners = {name: Learner(model, sequences, plain=name == "plain") for name in ("plain", "**ours**")}
            for learner in learners.values():
                learner.step()
            costs = interleave(
                {name: partial(cost_of, learner.step) for name, learner in learners.items()}, 2 * plan.repetitions + 1
            )
            plainly = costs["plain"]
            rows += [
                (
                    f"{model}, {name}",
                    f"{1e3 * of.cpu:,.3g}",
                    times(of.cpu / plainly.cpu),
                    times(of.wall / plainly.wall),
                    percent(of.spread),
                )
                for name, of in costs.items()
            ]
    threads = "one thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    states = sequences * (next(iter(learners.values())).batch["ram"].shape[1] - 1)
    columns = ("model", "CPU, ms a step", "CPU, of plain", "wall, of plain", "spread")
    return Table(
        "17. Messages between the bytes of a memory", columns, rows, ABOUT.format(states=states, threads=threads)
    )
