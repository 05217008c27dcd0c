"""Tests of models of states: messages against a loop over pairs, objects that change places, and a memory that is
overwritten by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from physbench.errors import ModelError
from physbench.states import show_memory
from physbench_baselines import processors
from physbench_baselines.processors import MessagePassing, Messages, OwnMessages, Perceptron
from physbench_baselines.rmr import MemoryModel, TrajectoryModel, overwrite, straight, unpack
from physbench_baselines.rmr_sizes import MEMORIES, PROCESSORS, TRAJECTORIES, MemorySizes, TrajectorySizes

Array = NDArray[np.float64]
SMALL = TrajectorySizes(balls=4, size=6, hidden=5, passes=2)
TINY = MemorySizes(size=3, hidden=4, actions=2)


def build_double(build: Any) -> Any:
    """In float64, so that another order of sums is seen to be nothing else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return build().double().eval()


def normal(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def weights(module: nn.Module) -> dict[str, Array]:
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def message(own: dict[str, Array], to: Array, of: Array) -> Array:
    """M(z_k, z_i) layer by layer, of two vectors; the action stands in the first."""
    first = (
        np.concatenate([own["receiver.weight"], own["sender.weight"]], axis=1) @ np.concatenate([to, of])
        + own["receiver.bias"]
    )
    second = own["middle.weight"] @ np.maximum(first, 0) + own["middle.bias"]
    return own["last.weight"] @ np.maximum(second, 0) + own["last.bias"]


@pytest.mark.parametrize("gather", ["sum", "mean"])
@pytest.mark.parametrize("actions", [0, 2])
def test_messages_are_those_of_every_pair(gather: Any, actions: int) -> None:
    module = build_double(lambda: Messages(3, 5, actions=actions, gather=gather))
    z, action = normal(2, 4, 3), normal(2, actions, seed=6) if actions else None
    own, vectors = weights(module), z.numpy()
    expected = np.zeros((2, 4, 3))
    for b in range(2):
        for k in range(4):
            to = vectors[b, k] if action is None else np.concatenate([vectors[b, k], action[b].numpy()])
            for i in range(4):
                expected[b, k] += message(own, to, vectors[b, i]) / (4 if gather == "mean" else 1)
    np.testing.assert_allclose(module(z, action).detach().numpy(), expected, atol=1e-12)


def test_an_identity_for_adjacency_hears_from_itself() -> None:
    module = build_double(lambda: OwnMessages(3, 5))
    z, own = normal(2, 4, 3), weights(module)
    for b, k in np.ndindex(2, 4):
        hidden = z[b, k].numpy()
        for layer in (0, 2):
            hidden = np.maximum(own[f"layers.{layer}.weight"] @ hidden + own[f"layers.{layer}.bias"], 0)
        np.testing.assert_allclose(
            module(z)[b, k].detach().numpy(), own["layers.4.weight"] @ hidden + own["layers.4.bias"], atol=1e-12
        )


def test_groups_of_receivers_change_neither_messages_nor_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    module = build_double(lambda: MessagePassing(3, 5, 2, actions=2, gather="mean"))
    found = []
    for at_once in (1 << 23, 2 * 7 * 5 * 3):  # all receivers, and three of them
        monkeypatch.setattr(processors, "AT_ONCE", at_once)
        module.zero_grad()
        z = normal(2, 7, 3).requires_grad_()
        said = module(z, normal(2, 2, seed=6))
        said.square().sum().backward()
        with torch.no_grad():
            assert torch.equal(module(z, normal(2, 2, seed=6)), said)
        found.append([said.detach(), z.grad, *(parameter.grad for parameter in module.parameters())])
    for all_together, in_groups in zip(*found, strict=True):
        torch.testing.assert_close(all_together, in_groups, rtol=1e-10, atol=1e-12)


def test_no_more_pairs_are_held_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "AT_ONCE", 1000)
    module = build_double(lambda: Messages(3, 5, gather="mean"))
    sizes: list[int] = []
    module.middle.register_forward_hook(lambda _module, given, _said: sizes.append(given[0].numel()))
    with torch.no_grad():
        module(normal(2, 16, 3))
    assert max(sizes) <= 1000 and sum(sizes) == 2 * 16 * 16 * 5


@pytest.mark.parametrize("processor", ["mpnn", "deep-sets"])
def test_balls_that_change_places_change_what_is_said_of_them(processor: str) -> None:
    model = build_double(lambda: TrajectoryModel(replace(SMALL, processor=processor)))
    places, order = (
        torch.rand(3, 3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)),
        torch.tensor([2, 0, 3, 1]),
    )
    torch.testing.assert_close(model(places[:, :, order]), model(places)[:, order], rtol=1e-10, atol=1e-12)


def test_only_messages_tell_a_ball_of_another() -> None:
    places = torch.rand(1, 3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    moved = places.clone()
    moved[:, :, 3] += 0.1
    heard = {
        name: build_double(lambda name=name: TrajectoryModel(replace(SMALL, processor=name))) for name in PROCESSORS
    }
    differs = {name: bool((model(places)[:, 0] != model(moved)[:, 0]).any()) for name, model in heard.items()}
    assert differs == {"mpnn": True, "deep-sets": False, "mlp": True}


def test_a_perceptron_is_for_as_many_balls_as_it_learnt_from() -> None:
    with pytest.raises(ModelError, match="for 4 balls, not 5"):
        build_double(lambda: TrajectoryModel(replace(SMALL, processor="mlp"))).begin(
            torch.zeros(1, dtype=torch.int64), shape=(5, 2, 1)
        )
    assert (
        build_double(lambda: TrajectoryModel(SMALL)).begin(torch.zeros(1, dtype=torch.int64), shape=(5, 2, 1)) is None
    )


def test_a_model_that_has_learnt_nothing_flies_straight_on() -> None:
    model = build_double(lambda: TrajectoryModel(SMALL))
    nn.init.zeros_(model.decoder.weight), nn.init.zeros_(model.decoder.bias)
    state, frames = None, torch.rand(2, 4, 4, 2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for t in range(4):
        state, said, _ = model.observe(state, frames[:, t])
        expected = frames[:, t] if t == 0 else 2 * frames[:, t] - frames[:, t - 1]
        torch.testing.assert_close(said, expected)
    assert state is not None
    _, said, _ = model.imagine(state)
    torch.testing.assert_close(said, 3 * frames[:, 3] - 2 * frames[:, 2])


def test_the_loss_is_that_of_what_is_observed() -> None:
    """Pixels in the loss and sides of the box in the evaluator are the same places; only what is predicted after three
    states counts."""
    model = build_double(lambda: TrajectoryModel(replace(SMALL, box=32.0)))
    position = 32 * torch.rand(3, 6, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model.float()
    losses = model.loss({"position": position})
    state, errors = None, []
    for t in range(5):
        state, said, _ = model.observe(state, (position[:, t, ..., None] / 32).float())
        errors += [((said.detach().squeeze(-1) - position[:, t + 1] / 32) ** 2).mean()] if t >= 2 else []
    assert float(losses.figures["position_mse"]) == pytest.approx(float(torch.stack(errors).mean()), rel=1e-4)
    assert losses.total.item() == pytest.approx(1024 * float(losses.figures["position_mse"]), rel=1e-6)


def test_straight_flight_is_the_last_step_again() -> None:
    places = torch.tensor([[[[0.0, 0.0]], [[1.0, 2.0]], [[3.0, 1.0]]]])
    assert straight(places).tolist() == [[[5.0, 0.0]]]


def test_bits_are_those_of_the_evaluator() -> None:
    ram = np.random.default_rng(0).integers(0, 256, (2, 3, 128), np.uint8)
    np.testing.assert_array_equal(unpack(torch.from_numpy(ram)).numpy(), show_memory(ram)[..., 0])


def test_only_bytes_in_the_mask_are_overwritten() -> None:
    ram = np.zeros((1, 128), np.uint8)
    ram[0, :4] = 0b1010_0001, 7, 255, 9
    logits = torch.full((1, 128, 8), -3.0)
    logits[0, 1] = torch.tensor([3.0, -3.0, -3.0, -3.0, -3.0, -3.0, -3.0, 3.0])
    mask = torch.full((1, 128), -0.1)
    mask[0, [1, 2]] = 0.1
    said = overwrite(unpack(torch.from_numpy(ram)), logits, mask)
    assert np.packbits(said.numpy() > 0.5, axis=-1)[0, :5, 0].tolist() == [0b1010_0001, 0b1000_0001, 0, 9, 0]
    assert float(said[0, 1, 0]) == pytest.approx(1 / (1 + np.exp(-3.0)))


@pytest.mark.parametrize("processor", PROCESSORS)
def test_a_memory_model_is_told_addresses_and_actions(processor: str) -> None:
    """Two bytes with the same bits are told apart, and an action reaches every byte."""
    model = build_double(lambda: MemoryModel(replace(TINY, processor=processor)))
    bits = torch.zeros(1, 128, 8, dtype=torch.float64)
    logits, mask = model(bits, torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    others, _ = model(bits, torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    assert len(torch.unique(logits[0], dim=0)) == 128 and mask.shape == (1, 128)
    assert (logits != others).any(dim=-1).all()


def test_the_loss_of_a_memory_is_that_of_its_mask_and_of_the_bytes_that_change() -> None:
    model = build_double(lambda: MemoryModel(TINY)).float()
    rng = np.random.default_rng(3)
    ram = np.repeat(rng.integers(0, 256, (2, 1, 128), np.uint8), 3, axis=1)
    ram[:, 1, 5], ram[:, 2, 9] = 1, 2
    actions = np.eye(2, dtype=np.uint8)[rng.integers(0, 2, (2, 3))]
    losses = model.loss({"ram": torch.from_numpy(ram), "actions": torch.from_numpy(actions)})
    of_mask, of_bits = [], []
    for b, t in np.ndindex(2, 2):
        now, following = ram[b, t], ram[b, t + 1]
        logits, mask = model(
            torch.from_numpy(show_memory(now)[None, ..., 0]).float(), torch.from_numpy(actions[b, t][None]).float()
        )
        for slot in range(128):
            p = 1 / (1 + np.exp(-float(mask[0, slot].detach())))
            of_mask.append(-np.log(p if now[slot] != following[slot] else 1 - p))
            if now[slot] != following[slot]:
                q = 1 / (1 + np.exp(-logits[0, slot].detach().double().numpy()))
                of_bits.append(-np.log(np.where(show_memory(following[None])[0, slot, :, 0], q, 1 - q)).mean())
    assert float(losses.figures["mask_bce"]) == pytest.approx(np.mean(of_mask), rel=1e-4)
    assert float(losses.figures["bits_bce"]) == pytest.approx(np.mean(of_bits), rel=1e-4)
    assert float(losses.total.detach()) == pytest.approx(np.mean(of_mask) + np.mean(of_bits), rel=1e-4)


def test_a_memory_that_never_changes_has_a_loss_all_the_same() -> None:
    batch = {"ram": torch.zeros(2, 2, 128, dtype=torch.uint8), "actions": torch.ones(2, 2, 2, dtype=torch.uint8)}
    losses = build_double(lambda: MemoryModel(TINY)).float().loss(batch)
    assert float(losses.figures["bits_bce"]) == 0 and bool(losses.total.isfinite())


def test_values_that_are_not_states_are_refused_in_words() -> None:
    seeds = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(ModelError, match="not frames of \\(64, 64, 1\\)"):
        build_double(lambda: TrajectoryModel(SMALL)).begin(seeds, shape=(64, 64, 1))
    memory = build_double(lambda: MemoryModel(TINY))
    with pytest.raises(ModelError, match="not frames of \\(10, 2, 1\\)"):
        memory.begin(seeds, shape=(10, 2, 1), actions=2)
    with pytest.raises(ModelError, match="one of 2 actions, not of 18"):
        memory.begin(seeds, shape=(128, 8, 1), actions=18)
    with pytest.raises(ModelError, match="got none"):
        memory.observe(None, torch.zeros(1, 128, 8, 1, dtype=torch.float64))
    with pytest.raises(ModelError, match="sequences of 3 states"):
        build_double(lambda: TrajectoryModel(SMALL)).loss({"position": torch.zeros(1, 3, 4, 2)})


def test_every_model_has_the_processor_of_its_name() -> None:
    kinds = {"mpnn": MessagePassing, "mpnn-small": MessagePassing, "deep-sets": MessagePassing, "mlp": Perceptron}
    for architecture, stem in ((TRAJECTORIES, "rmr-"), (MEMORIES, "rmr-ram-")):
        for name in architecture.models:
            with torch.device("meta"):
                model: Any = architecture.make(architecture.sizes_of(name))
            assert type(model.processor) is kinds[name.removeprefix(stem)]


def test_messages_between_balls_start_from_differences() -> None:
    """Whatever is the same in all balls tells a message nothing at first, and may later."""
    module = build_double(lambda: Messages(3, 5, differences=True))
    z, same = normal(2, 4, 3), normal(2, 1, 3, seed=6)
    torch.testing.assert_close(module(z + same), module(z), rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        module.sender.weight.add_(0.1)
    assert not torch.allclose(module(z + same), module(z))
