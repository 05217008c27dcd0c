"""Tests of Slot Attention against the algorithm written as loops, and of its auto-encoder against the rules of a
model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from physbench.audit import audit, has_passed
from physbench.errors import ModelError
from physbench.model import Batch
from physbench_baselines import chance, checkpoint
from physbench_baselines.adapter import TorchModel
from physbench_baselines.slot_attention import AutoEncoder, PositionEmbedding, SlotAttention
from physbench_baselines.slot_attention_sizes import ARCHITECTURE, SlotAttentionSizes
from physbench_baselines.training.preflight import usual_recipe

Array = NDArray[np.float64]
TINY = SlotAttentionSizes(
    channels=1, slots=3, slot_size=6, hidden=5, encoder=(4, 5), features=7, decoder=(4,), kernel=3
)
PATCHED = replace(TINY, patch=4, decoder_kernel=1, last_kernel=1)


def network(sizes: SlotAttentionSizes) -> AutoEncoder:
    """In float64, and with offsets and gains that are not what they begin as."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = sizes.build().double()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def normal(*shape: int, seed: int = 5) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def normalise(x: Array, gain: Array, offset: Array) -> Array:
    """One vector."""
    return gain * (x - x.mean()) / np.sqrt(x.var() + 1e-3) + offset


def attend(weights: dict[str, Array], inputs: Array, slots: Array, iterations: int) -> tuple[Array, Array]:
    """inputs (N, features), slots (K, D) of one image -> slots, attention (K, N): slot by slot, input by input."""
    size = slots.shape[1]
    inputs = np.stack([normalise(x, weights["input_norm.weight"], weights["input_norm.bias"]) for x in inputs])
    attention = np.zeros((len(slots), len(inputs)))
    for _ in range(iterations):
        queries = [
            weights["queries.weight"] @ normalise(slot, weights["slot_norm.weight"], weights["slot_norm.bias"])
            for slot in slots
        ]
        for n, x in enumerate(inputs):
            fit = np.array([np.exp(np.dot(weights["keys.weight"] @ x, query) / np.sqrt(size)) for query in queries])
            attention[:, n] = fit / fit.sum()
        following = []
        for k, slot in enumerate(slots):
            share = (attention[k] + 1e-8) / (attention[k] + 1e-8).sum()
            update = sum(share[n] * (weights["values.weight"] @ x) for n, x in enumerate(inputs))
            given = np.split(weights["gru.weight_ih"] @ update + weights["gru.bias_ih"], 3)
            kept = np.split(weights["gru.weight_hh"] @ slot + weights["gru.bias_hh"], 3)
            reset, old = sigmoid(given[0] + kept[0]), sigmoid(given[1] + kept[1])
            moved = (1 - old) * np.tanh(given[2] + reset * kept[2]) + old * slot
            hidden = np.maximum(
                weights["mlp.0.weight"] @ normalise(moved, weights["mlp_norm.weight"], weights["mlp_norm.bias"])
                + weights["mlp.0.bias"],
                0,
            )
            following.append(moved + weights["mlp.2.weight"] @ hidden + weights["mlp.2.bias"])
        slots = np.stack(following)
    return slots, attention


@pytest.mark.parametrize("iterations", [1, 3])
def test_the_attention_is_the_algorithm_of_the_paper(iterations: int) -> None:
    module = network(TINY).attention
    weights = {name: array.numpy() for name, array in module.state_dict().items()}
    inputs, noise = normal(2, 11, 7), normal(2, 4, 6, seed=6)
    with torch.no_grad():
        slots, attention = module(inputs, module.start(noise), iterations=iterations)
    for b in range(2):
        first = weights["mean"] + np.exp(weights["log_deviation"]) * noise[b].numpy()
        wanted_slots, wanted_attention = attend(weights, inputs[b].numpy(), first, iterations)
        np.testing.assert_allclose(slots[b].numpy(), wanted_slots, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(attention[b].numpy(), wanted_attention, rtol=1e-9, atol=1e-9)


def test_of_every_input_the_slots_take_all_and_their_order_is_nothing() -> None:
    module: SlotAttention = network(TINY).attention
    inputs, noise = normal(2, 9, 7), normal(2, 5, 6, seed=6)
    order, turned = [3, 0, 4, 1, 2], torch.randperm(9, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        slots, attention = module(inputs, module.start(noise))
        others, _ = module(inputs, module.start(noise[:, order]))
        of_turned, attention_turned = module(inputs[:, turned], module.start(noise))
    torch.testing.assert_close(attention.sum(dim=1), torch.ones(2, 9, dtype=torch.float64))
    torch.testing.assert_close(slots[:, order], others)
    torch.testing.assert_close(slots, of_turned)
    torch.testing.assert_close(attention[..., turned], attention_turned)


@pytest.mark.parametrize("sizes", [TINY, PATCHED, replace(TINY, channels=3)], ids=["plain", "patches", "colour"])
def test_slots_that_change_places_take_their_images_and_masks_with_them(sizes: SlotAttentionSizes) -> None:
    model = network(sizes)
    x, noise, order = normal(2, sizes.channels, 9, 7), normal(2, 3, 6, seed=6), [2, 0, 1]
    with torch.no_grad():
        one, other = model(x, noise), model(x, noise[:, order])
    assert one[1].shape == (2, 3, sizes.channels, 9, 7)
    torch.testing.assert_close(one[2].sum(dim=1), torch.ones(2, 1, 9, 7, dtype=torch.float64))
    for before, after in zip(one, other, strict=True):
        torch.testing.assert_close(before[:, order], after)


def test_a_pixel_is_told_how_far_it_is_from_the_four_sides() -> None:
    place = PositionEmbedding(3).double()
    with torch.no_grad():
        maps = place(torch.zeros(1, 3, 4, 6, dtype=torch.float64))[0].numpy()
    weight, bias = place.linear.weight.detach().numpy(), place.linear.bias.detach().numpy()
    for i in range(4):
        for j in range(6):
            np.testing.assert_allclose(maps[:, i, j], weight @ [i / 3, j / 5, 1 - i / 3, 1 - j / 5] + bias)


def test_the_loss_is_the_squared_error_of_images_from_minus_one_to_one() -> None:
    model = network(replace(TINY, channels=3))
    frames = np.random.default_rng(1).integers(0, 256, (2, 2, 6, 5, 3), np.uint8)
    noise = normal(4, 3, 6)
    losses = model.loss({"features": torch.from_numpy(frames)}, noise=noise)
    x = frames.reshape(4, 6, 5, 3) / 255
    with torch.no_grad():
        _, means, masks = model(torch.from_numpy(x).permute(0, 3, 1, 2), noise)
    mean = (means * masks).sum(dim=1).permute(0, 2, 3, 1).numpy()
    assert losses.total.item() == pytest.approx(np.mean((2 * mean - 1 - (2 * x - 1)) ** 2))
    assert losses.figures["mse"].item() == pytest.approx(np.mean((mean - x) ** 2))


@pytest.mark.parametrize("sizes", [TINY, PATCHED], ids=["plain", "patches"])
def test_every_weight_learns(sizes: SlotAttentionSizes) -> None:
    model = network(sizes)
    frames = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (2, 1, 9, 7, 1), np.uint8))
    model.loss({"features": frames}, generator=torch.Generator().manual_seed(1)).total.backward()
    still = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    assert not still


def test_half_the_precision_gives_nearly_the_same_loss() -> None:
    model = network(TINY).float()
    frames = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (2, 1, 9, 7, 1), np.uint8))
    noise = normal(2, 3, 6).float()
    whole = model.loss({"features": frames}, noise=noise).total
    with torch.autocast("cpu", torch.bfloat16):
        half = model.loss({"features": frames}, noise=noise).total
    assert half.dtype == torch.float32
    assert float(half.detach()) == pytest.approx(float(whole.detach()), rel=0.05)


def test_slots_and_iterations_are_free_at_test_time(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "weights.safetensors", ARCHITECTURE.make(TINY))
    frame = np.random.default_rng(2).integers(0, 2, (2, 8, 8, 1)).astype(np.float32)
    means = []
    for settings, told, slots in (({}, None, 3), ({}, 7, 7), ({"slots": 2}, None, 2), ({"iterations": 6}, 3, 3)):
        model = checkpoint.model(tmp_path / "weights.safetensors", settings=settings)
        state = model.begin(Batch(np.arange(2, dtype=np.uint64), (8, 8, 1), slots=told))
        state, said = model.observe(state, frame, None)
        parts = model.parts(state)
        assert parts.shares.shape == (2, slots, 8, 8)
        np.testing.assert_allclose(
            (parts.shares[..., None] * parts.predictions).sum(axis=1), said.mean, rtol=1e-4, atol=1e-5
        )
        assert (said.owner == parts.shares.argmax(axis=1)).all()
        assert model.network.latents(state).shape == (2, slots, 6)
        means.append(said.mean)
    assert not np.allclose(means[0], means[3])


def test_after_so_many_iterations_it_says_what_it_would_if_there_were_no_more(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "weights.safetensors", ARCHITECTURE.make(TINY))
    frame = np.random.default_rng(2).integers(0, 2, (2, 8, 8, 1)).astype(np.float32)

    def begin(count: int) -> tuple[TorchModel, Any]:
        model = checkpoint.model(tmp_path / "weights.safetensors", settings={"iterations": count})
        return model, model.begin(Batch(np.arange(2, dtype=np.uint64), (8, 8, 1)))

    model, state = begin(4)
    steps = model.refinements(state, frame, None)
    assert len(steps) == 5
    for count in range(1, 5):
        fewer, fresh = begin(count)
        reached, said = fewer.observe(fresh, frame, None)
        np.testing.assert_array_equal(steps[count][1].mean, said.mean)
        np.testing.assert_array_equal(steps[count][1].owner, said.owner)
        np.testing.assert_array_equal(model.latents(steps[count][0]), fewer.latents(reached))
    drawn = chance.normal(torch.arange(2), 0, 3 * 6).view(2, 3, 6)
    with torch.no_grad():
        np.testing.assert_array_equal(model.latents(steps[0][0]), model.network.attention.start(drawn).numpy())


def test_its_learning_rate_rises_for_ten_thousand_steps_and_halves_every_hundred_thousand() -> None:
    recipe = usual_recipe("slot-attention")
    rates = {step: recipe.learning_rate_at(step, 0.0) for step in (0, 4_999, 9_999, 100_000, 300_000)}
    assert rates[0] == pytest.approx(4e-8)
    assert rates[4_999] == pytest.approx(2e-4 * 0.5**0.04999)
    assert rates[9_999] == pytest.approx(4e-4 * 0.5**0.09999)
    assert (rates[100_000], rates[300_000]) == pytest.approx((2e-4, 5e-5))
    assert not recipe.needs_an_end


def test_an_audit_finds_nothing() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = TorchModel(PATCHED.build())  # type: ignore[arg-type]
    verdicts = audit(model, sequences=4, frames=4, batch=2)
    assert has_passed(verdicts), verdicts


@pytest.mark.parametrize("changes", [{"slots": 0}, {"encoder": ()}, {"scale": 0}])
def test_sizes_that_it_cannot_have_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=next(iter(changes))):
        replace(TINY, **changes)
