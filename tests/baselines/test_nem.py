"""Tests of the NEM family: fast layers against plain ones, slots without an order, and random numbers for each
sequence."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.nem_plain import PlainNem
from physbench.errors import ModelError
from physbench.metrics.pixels import bce
from physbench_baselines import chance
from physbench_baselines.blocks import ImageNorm, Magnified, Resized
from physbench_baselines.nem import Nem, State, e_step, owners
from physbench_baselines.nem_sizes import ARCHITECTURE, NemSizes, invaders
from physbench_baselines.recurrences import Relational

SMALL = NemSizes(slots=3, height=16, width=16, channels=(3, 4), dense=12, hidden=10, attention=6, embedding=3)
KINDS = {
    "rnn": replace(SMALL, recurrence="rnn", slots=1),
    "lstm": replace(SMALL, recurrence="lstm", slots=1),
    "rnn-em": replace(SMALL, recurrence="rnn"),
    "r-nem": SMALL,
    "r-nem-no-attention": replace(SMALL, recurrence="r-nem-no-attention"),
    "r-nem-actions": replace(SMALL, actions=4),
}
kinds = pytest.mark.parametrize("sizes", KINDS.values(), ids=KINDS.keys())


def build(sizes: NemSizes, seed: int = 0) -> Nem:
    """Every parameter random, norms included: fresh weights would hide a gain that is never used."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = sizes.build()
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def film(sizes: NemSizes, batch: int = 2, frames: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor | None]:
    """uint8 (B, T, H, W, 1) and actions (B, T, A)."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(batch, frames, sizes.height, sizes.width, 1, generator=generator) < 0.3
    actions = torch.randint(sizes.actions, (batch, frames), generator=generator) if sizes.actions else None
    return pixels.to(torch.uint8), None if actions is None else F.one_hot(actions, sizes.actions).float()


def shares(sizes: NemSizes, batch: int, seed: int = 0) -> torch.Tensor:
    gamma = (
        torch.rand(batch, sizes.slots, sizes.height, sizes.width, generator=torch.Generator().manual_seed(seed)) + 0.01
    )
    return gamma / gamma.sum(dim=1, keepdim=True)


def begin(model: Nem, seeds: torch.Tensor, slots: int | None = None) -> State:
    return model.begin(
        seeds, shape=(model.sizes.height, model.sizes.width, 1), slots=slots, actions=model.sizes.actions
    )


def watch(
    model: Nem,
    frames: torch.Tensor,
    actions: torch.Tensor | None,
    seeds: torch.Tensor,
    *,
    ahead: int = 0,
    slots: int | None = None,
) -> list[Any]:
    """(mean, owner, gamma) of observing all frames but the last `ahead`, which are imagined."""
    state, told = begin(model, seeds, slots), []
    with torch.no_grad():
        for t in range(frames.shape[1]):
            action = None if actions is None else actions[:, t]
            if t < frames.shape[1] - ahead:
                state, mean, owner = model.observe(state, frames[:, t].float(), action)
            else:
                state, mean, owner = model.imagine(state, action)
            told.append((mean, owner, state.gamma))
    return told


def clear(gamma: torch.Tensor) -> torch.Tensor:
    """(B, K, H, W) -> (B, H, W): where the largest share is larger than the next by more than kernels round."""
    if gamma.shape[1] == 1:
        return torch.ones_like(gamma[:, 0], dtype=torch.bool)
    first, second = gamma.topk(2, dim=1).values.unbind(1)
    return first - second > 1e-4


def count(sizes: NemSizes) -> int:
    return sum(parameter.numel() for parameter in sizes.build().parameters())


@pytest.mark.parametrize("slots", [1, 2, 5, 9])
def test_a_pixel_belongs_to_the_first_slot_with_the_largest_share(slots: int) -> None:
    gamma = torch.randint(0, 4, (3, slots, 7, 8), generator=torch.Generator().manual_seed(slots)).float()
    found = owners(gamma)
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.numpy(), gamma.numpy().argmax(axis=1))


def test_the_models_have_as_many_parameters_as_published() -> None:
    published = {
        "rnn": 4_611_827,
        "rnn-em": 4_611_827,
        "lstm": 5_185_077,
        "r-nem": 4_951_978,
        "r-nem-no-attention": 4_926_577,
    }
    assert {name: count(ARCHITECTURE.sizes_of(name)) for name in ARCHITECTURE.models} == published
    assert count(ARCHITECTURE.sizes_of("r-nem", dataset="invaders84")) == 2_331_216


@pytest.mark.parametrize(("kernel", "factor"), [(4, 2), (8, 4), (3, 2), (5, 3), (2, 2), (1, 2), (4, 1)])
def test_growing_and_convolving_as_one_is_the_same_as_one_after_the_other(kernel: int, factor: int) -> None:
    """Values and all gradients, in float64: before the kernel's centre (k - 1) // 2 pixels of padding, the rest after
    it."""
    torch.manual_seed(kernel)
    layer = Magnified(3, 5, kernel, factor).double()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64, requires_grad=True)
    before = (kernel - 1) // 2
    after = kernel - 1 - before
    plain = F.conv2d(
        F.pad(F.interpolate(x, scale_factor=factor, mode="nearest"), (before, after, before, after)),
        layer.weight,
        layer.bias,
    )
    fused = layer(x)
    torch.testing.assert_close(fused, plain)
    weight = torch.randn_like(plain)
    wanted = torch.autograd.grad((plain * weight).sum(), [x, layer.weight, layer.bias])
    torch.testing.assert_close(torch.autograd.grad((fused * weight).sum(), [x, layer.weight, layer.bias]), wanted)


def test_growing_by_what_is_no_whole_number_repeats_the_nearest_pixel_below() -> None:
    layer = Resized(1, 1, 1, (21, 21))
    torch.nn.init.ones_(layer.convolution.weight)
    small = np.random.default_rng(0).random((10, 10), np.float32)
    rows = np.arange(21) * 10 // 21
    found = layer(torch.from_numpy(small)[None, None]).detach().numpy()[0, 0]
    np.testing.assert_array_equal(found, small[rows][:, rows])


def test_an_images_norm_is_over_height_width_and_channels_together() -> None:
    x = np.random.default_rng(0).normal(3, 2, (2, 4, 5, 6))
    layer = ImageNorm(4).double()
    with torch.no_grad():
        layer.gain += torch.arange(4)
        layer.offset -= torch.arange(4)
    flat = x.reshape(2, -1)
    wanted = ((flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)).reshape(x.shape)
    wanted = wanted * np.arange(1, 5)[:, None, None] - np.arange(4)[:, None, None]
    for memory in (torch.contiguous_format, torch.channels_last):
        np.testing.assert_allclose(
            layer(torch.from_numpy(x).to(memory_format=memory)).detach().numpy(), wanted, rtol=1e-6
        )


def test_a_pair_is_the_linear_layer_on_both_of_its_slots_in_order() -> None:
    layer = Relational(4, 6, 3)
    theta = torch.randn(2, 4, 6)
    found = layer.pairs(theta)
    assert found.shape == (2, 4, 3, 6)
    for k in range(4):
        for place, i in enumerate(i for i in range(4) if i != k):
            torch.testing.assert_close(found[:, k, place], layer.emb(torch.cat([theta[:, k], theta[:, i]], dim=-1)))


@kinds
def test_the_fast_model_is_the_plain_one(sizes: NemSizes) -> None:
    """Loss and the gradient of every parameter."""
    model, plain = build(sizes), build(sizes)
    (frames, actions), gamma = film(sizes), shares(sizes, 2)
    batch = {"features": frames} | ({} if actions is None else {"actions": actions})
    noisy = (film(sizes, seed=1)[0] ^ frames).float()
    total = model.loss(batch, noisy=noisy, gamma=gamma).total
    oracle = PlainNem(dict(plain.named_parameters()), recurrence=sizes.recurrence, size=sizes.height)
    wanted = oracle.loss(frames[..., 0].float(), noisy[..., 0], gamma, actions)
    torch.testing.assert_close(total, wanted, rtol=1e-5, atol=0)
    total.backward()
    wanted.backward()
    for (name, parameter), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert parameter.grad is not None and other.grad is not None
        assert float((parameter.grad - other.grad).norm()) <= 1e-3 * float(other.grad.norm()) + 1e-6, name


@kinds
def test_half_precision_changes_little_and_leaves_what_is_carried_in_float32(sizes: NemSizes) -> None:
    model = build(sizes)
    (frames, actions), gamma = film(sizes), shares(sizes, 2)
    batch = {"features": frames} | ({} if actions is None else {"actions": actions})
    exact = model.loss(batch, noisy=frames, gamma=gamma).total.detach()
    with torch.autocast("cpu", torch.bfloat16):
        rough = model.loss(batch, noisy=frames, gamma=gamma).total.detach()
        first = model.start(*gamma.shape[:2], gamma=gamma)
        state = next(model.unroll(first, frames[..., 0].float(), frames[..., 0].float(), actions))
    assert {tensor.dtype for tensor in (rough, state.theta, state.psi, state.gamma)} == {torch.float32}
    assert float(rough) != float(exact)
    torch.testing.assert_close(rough, exact, rtol=0.03, atol=0)


@pytest.mark.parametrize(
    "sizes", [KINDS["rnn-em"], KINDS["r-nem"], KINDS["r-nem-no-attention"], KINDS["r-nem-actions"]]
)
@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(3)), seed=st.integers(0, 100))
def test_slots_in_another_order_give_the_same_in_that_order(sizes: NemSizes, order: list[int], seed: int) -> None:
    """Step by step: over many, the E-step makes a difference in the last bit of a pixel that no slot explains large."""
    model = build(sizes, seed)
    (frames, actions), gamma = film(sizes, seed=seed), shares(sizes, 2, seed)
    clean = frames[..., 0].float()
    state = model.start(2, 3, gamma=gamma)
    for t in range(clean.shape[1] - 1):
        turned = state._replace(**{name: getattr(state, name)[:, order] for name in ("theta", "psi", "gamma")})
        action = None if actions is None else actions[:, t]
        with torch.no_grad():
            state, turned = (model.step(each, clean[:, t], action) for each in (state, turned))
        torch.testing.assert_close(turned.psi, state.psi[:, order], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(turned.theta, state.theta[:, order], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            model.explain(turned._replace(psi=state.psi[:, order]), clean[:, t + 1]).gamma,
            (state := model.explain(state, clean[:, t + 1])).gamma[:, order],
        )


def test_slots_of_an_rnn_em_do_not_know_of_each_other_and_those_of_an_r_nem_do() -> None:
    for name, knows in (("rnn-em", False), ("r-nem", True), ("r-nem-no-attention", True)):
        model, theta, x = build(KINDS[name]), torch.randn(1, 3, 10, requires_grad=True), torch.randn(1, 3, 12)
        model.recurrence(theta, x, None)[1][0, 0].sum().backward()
        assert theta.grad is not None
        assert bool(theta.grad[0, 0].abs().sum() > 0)
        assert bool(theta.grad[0, 1:].abs().sum() > 0) == knows


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_any_number_of_slots_runs_on_the_same_weights(slots: int) -> None:
    sizes = KINDS["r-nem"]
    model, (frames, _) = build(sizes), film(sizes)
    told = watch(model, frames, None, torch.tensor([1, 2]), slots=slots)
    assert all(mean.shape == (2, 16, 16, 1) for mean, _, _ in told)
    assert all(owner is None if slots == 1 else int(owner.max()) < slots for _, owner, _ in told)
    assert bool(
        torch.isfinite(model.loss({"features": frames}, generator=torch.Generator().manual_seed(1), slots=slots).total)
    )
    assert slots == 1 or int(told[0][1].max()) == slots - 1


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_a_model_of_one_slot_keeps_to_it(name: str) -> None:
    sizes = KINDS[name]
    model, (frames, _) = build(sizes), film(sizes)
    state = begin(model, torch.tensor([1, 2]), slots=8)
    assert bool((state.gamma == 1).all()) and state.gamma.shape[1] == 1
    assert all(owner is None for _, owner, _ in watch(model, frames, None, torch.tensor([1, 2]), slots=8)), (
        "one slot groups nothing"
    )


@kinds
def test_nothing_depends_on_the_other_sequences_of_a_batch(sizes: NemSizes) -> None:
    """Neither on how many there are nor on their order, while frames are observed and imagined; actions are each
    sequence's own."""
    model = build(sizes)
    frames, actions = film(sizes, batch=5, frames=7)
    seeds = torch.tensor([3, -1, 1 << 60, 7, 3])
    whole = watch(model, frames, actions, seeds, ahead=3)
    for rows in ([4, 2, 0, 1, 3], [2], [1, 3]):
        part = watch(model, frames[rows], None if actions is None else actions[rows], seeds[rows], ahead=3)
        for (mean, owner, gamma), (all_means, all_owners, _) in zip(part, whole, strict=True):
            torch.testing.assert_close(mean, all_means[rows], rtol=1e-4, atol=1e-5)
            assert owner is all_owners is None or torch.equal(owner[clear(gamma)], all_owners[rows][clear(gamma)])


def test_a_seed_is_all_that_tells_two_equal_sequences_apart() -> None:
    model, (frames, _) = build(SMALL), film(SMALL, batch=1)
    frames = frames.expand(3, -1, -1, -1, -1)
    told = watch(model, frames, None, torch.tensor([5, 5, 6]))
    for mean, _, gamma in told:
        torch.testing.assert_close(mean[0], mean[1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gamma[0], gamma[1], rtol=1e-3, atol=1e-4)
        assert float((mean[0] - mean[2]).abs().max()) > 1e-2
    state = begin(model, torch.tensor([5, 6]))
    assert not torch.equal(state.gamma[0], state.gamma[1])


def e_step_oracle(x: NDArray[Any], psi: NDArray[Any]) -> NDArray[Any]:
    """Pixel by pixel and slot by slot."""
    gamma = np.zeros(psi.shape)
    for b, _, row, column in np.ndindex(psi.shape):
        likely = [(p if x[b, row, column] else 1 - p) + 1e-6 for p in psi[b, :, row, column].astype(np.float64)]
        gamma[b, :, row, column] = np.array(likely) / sum(likely)
    return gamma


def test_the_e_step_shares_a_pixel_out_by_how_likely_each_slot_makes_it() -> None:
    rng = np.random.default_rng(0)
    x, psi = rng.integers(0, 2, (2, 4, 5)).astype(np.float32), rng.random((2, 3, 4, 5), np.float32)
    psi[0, :, 0, 0] = 0
    found = e_step(torch.from_numpy(x), torch.from_numpy(psi)).numpy()
    np.testing.assert_allclose(found, e_step_oracle(x, psi), rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_the_first_frame_is_grouped_at_random_and_every_other_one_by_the_prediction_before_it() -> None:
    model, (frames, _), seeds = build(SMALL), film(SMALL), torch.tensor([1, 2])
    state = begin(model, seeds)
    drawn = chance.normal(seeds, 0, 3 * 256).abs().view(2, 3, 16, 16).numpy()
    gamma = drawn / drawn.sum(axis=1, keepdims=True)
    with torch.no_grad():
        for t in range(4):
            psi = state.psi.numpy()
            if t > 0:
                gamma = e_step_oracle(frames[:, t, ..., 0].numpy(), psi)
            state, mean, owner = model.observe(state, frames[:, t].float(), None)
            np.testing.assert_array_equal(owner.numpy(), gamma.argmax(axis=1))
            np.testing.assert_array_equal(mean.numpy()[..., 0], state.psi.numpy().max(axis=1))
            assert owner.dtype == torch.uint8 and 0 <= float(mean.min()) <= float(mean.max()) <= 1


def test_a_tie_goes_to_the_lowest_slot() -> None:
    model = build(SMALL)
    state = begin(model, torch.tensor([1]))._replace(time=1, psi=torch.full((1, 3, 16, 16), 0.5))
    with torch.no_grad():
        assert not bool(model.observe(state, torch.zeros(1, 16, 16, 1), None)[2].any())


def test_what_is_imagined_is_grouped_by_its_own_thresholded_maximum_and_shown_as_its_own_mixture() -> None:
    model, (frames, _) = build(SMALL), film(SMALL)
    state = begin(model, torch.tensor([1, 2]))
    with torch.no_grad():
        state, _, _ = model.observe(state, frames[:, 0].float(), None)
        state = state._replace(psi=state.psi * 0.2)  # around the threshold
        psi = state.psi.numpy()
        seen = psi.max(axis=1) > 0.1
        assert 0.1 < seen.mean() < 0.9
        gamma = e_step_oracle(seen, psi)
        frame = (gamma * psi).sum(axis=1)
        flips = chance.uniform(torch.tensor([1, 2]), 2, 256).view(2, 16, 16).numpy() < 0.2
        noisy = np.where(flips, 1 - frame, frame)
        wanted = model.step(state._replace(gamma=torch.from_numpy(gamma).float()), torch.from_numpy(noisy).float())
        after, mean, owner = model.imagine(state, None)
    np.testing.assert_array_equal(owner.numpy(), gamma.argmax(axis=1))
    torch.testing.assert_close(after.psi, wanted.psi, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(mean.numpy()[..., 0], after.psi.numpy().max(axis=1))


def test_noise_flips_its_share_of_the_pixels_anew_at_every_step() -> None:
    shown: list[torch.Tensor] = []
    model, frames = build(SMALL), torch.zeros(40, 3, 16, 16, 1, dtype=torch.uint8)
    model.encoder.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    state = begin(model, torch.arange(40))
    state = state._replace(gamma=torch.ones_like(state.gamma))
    with torch.no_grad():
        for t in range(2):
            state, _, _ = model.observe(
                state._replace(psi=torch.zeros_like(state.psi), time=t), frames[:, t].float(), None
            )
    flipped = [each.view(40, 3, 16, 16) > 0 for each in shown]
    assert all(bool((each == each[:, :1]).all()) for each in flipped)  # one noise for all slots
    assert all(abs(float(each.float().mean()) - 0.2) < 0.02 for each in flipped)
    assert 0.28 < float((flipped[0] != flipped[1]).float().mean()) < 0.36


def test_a_model_without_noise_is_another_option_on_the_same_weights() -> None:
    noisy = build(SMALL)
    clean = replace(SMALL, noise=0.0).build()
    clean.load_state_dict(noisy.state_dict())
    frames = film(SMALL)[0]
    told = [watch(model.eval(), frames, None, torch.tensor([1, 2])) for model in (noisy, clean)]
    assert all(not torch.equal(a, b) for (a, *_), (b, *_) in zip(*told, strict=True))


def test_what_is_trained_is_what_is_evaluated() -> None:
    """`loss` and a walk through `observe` see the same predictions where chance is taken away; intra of the upper bound
    is the evaluator's BCE."""
    sizes = replace(SMALL, noise=0.0)
    model, (frames, _), seeds = build(sizes), film(sizes), torch.tensor([8, 9])
    means = torch.stack([mean for mean, _, _ in watch(model, frames, None, seeds)[:-1]], dim=1)
    figures = model.loss({"features": frames}, gamma=begin(model, seeds).gamma).figures
    assert float(figures["upper_bound_intra"]) == pytest.approx(bce(frames.numpy(), means.numpy()).mean(), rel=1e-5)


def test_figures_on_collisions_are_those_on_the_pixels_that_the_frame_before_marks() -> None:
    model, (frames, _), gamma = build(SMALL), film(SMALL), shares(SMALL, 2)
    plain = model.loss({"features": frames}, noisy=frames, gamma=gamma).figures
    everywhere = model.loss(
        {"features": frames, "collisions": torch.ones_like(frames)}, noisy=frames, gamma=gamma
    ).figures
    assert {name for name in everywhere if name.startswith("relational_")} == {f"relational_{name}" for name in plain}
    for name, value in plain.items():
        torch.testing.assert_close(everywhere[f"relational_{name}"], value)
    marks = torch.zeros_like(frames)
    marks[:, -1] = 1  # of no frame that is predicted
    last = model.loss({"features": frames, "collisions": marks}, noisy=frames, gamma=gamma).figures
    assert all(float(last[f"relational_{name}"]) == 0 for name in plain)
    assert not any(value.requires_grad for value in everywhere.values())


def test_a_training_step_is_a_function_of_its_generators_seed() -> None:
    model, (frames, _) = build(SMALL), film(SMALL)
    totals = [
        float(model.loss({"features": frames}, generator=torch.Generator().manual_seed(seed)).total.detach())
        for seed in (1, 1, 2)
    ]
    assert totals[0] == totals[1] != totals[2]


def test_attention_is_there_to_look_at() -> None:
    for name, has in (("r-nem", True), ("r-nem-no-attention", False), ("rnn-em", False)):
        model, (frames, _) = build(KINDS[name]), film(KINDS[name])
        with torch.no_grad():
            state, _, _ = model.observe(begin(model, torch.tensor([1, 2])), frames[:, 0].float(), None)
        assert (state.attention is not None) == has
        if state.attention is not None:
            assert state.attention.shape == (2, 3, 3)
            assert bool((state.attention.diagonal(dim1=1, dim2=2) == 0).all())
            apart = ~torch.eye(3, dtype=torch.bool).expand(2, 3, 3)
            assert bool(((state.attention > 0) & (state.attention < 1))[apart].all())


@pytest.mark.parametrize("encoder", ["published", "appendix"])
def test_frames_of_space_invaders_have_their_own_layers(encoder: str) -> None:
    sizes = replace(
        invaders(SMALL, actions=6),
        channels=(3, 4) if encoder == "published" else (3, 4, 4, 4),
        dense=9,
        hidden=8,
        encoder=encoder,
    )
    model, (frames, actions) = build(sizes), film(sizes, batch=1, frames=3)
    told = watch(model, frames, actions, torch.tensor([1]), ahead=1)
    assert all(mean.shape == (1, 84, 84, 1) for mean, _, _ in told)
    assert (sizes.slots, sizes.noise) == (4, 0.002)
    assert model.decoder.first == ((10, 10, 4) if encoder == "published" else (8, 8, 8))


@kinds
def test_sizes_survive_json(sizes: NemSizes) -> None:
    assert NemSizes(**json.loads(json.dumps(asdict(sizes)))) == sizes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recurrence", "gru"), ("recurrence", ["rnn"]), ("slots", 0), ("slots", 10**9), ("slots", True), ("height", 64.0), ("width", 10**6), ("dense", -1),
        ("dense", 10**9), ("hidden", "250"), ("attention", None), ("actions", -1), ("embedding", 0), ("channels", ()), ("channels", (3, -4)),
        ("channels", "ab"), ("channels", (10**9,)), ("channels", (1,) * 100), ("channels", 16), ("noise", float("nan")), ("noise", 1.0), ("noise", "x"),
        ("encoder", "deep"), ("encoder", None),
    ],
)  # fmt: skip
def test_sizes_that_no_model_can_have_are_refused_with_the_value(field: str, value: Any) -> None:
    with pytest.raises(ModelError, match=field):
        NemSizes(**{**asdict(SMALL), field: value})


def test_sizes_that_go_together_badly_are_refused() -> None:
    with pytest.raises(ModelError, match="too large"):
        NemSizes(height=256, width=256, channels=(512,), dense=4096)
    with pytest.raises(ModelError, match="too large"):
        NemSizes(hidden=4096, dense=4096, channels=(512, 512))
    with pytest.raises(ModelError, match="takes actions"):
        NemSizes("lstm", slots=1, actions=3)
    with pytest.raises(ModelError, match="2 convolutions"):
        NemSizes(height=84, width=84)


def test_frames_and_actions_that_are_not_the_models_are_refused() -> None:
    model = build(KINDS["r-nem-actions"])
    with pytest.raises(ModelError, match=r"frames of \(16, 16, 1\)"):
        model.begin(torch.tensor([1]), shape=(16, 16, 3), actions=4)
    with pytest.raises(ModelError, match="the data have none"):
        model.begin(torch.tensor([1]), shape=(16, 16, 1))
    with pytest.raises(ModelError, match="got none"):
        model.observe(begin(model, torch.tensor([1])), torch.zeros(1, 16, 16, 1), None)
    with pytest.raises(ModelError, match="frames of"):
        model.loss({"features": torch.zeros(1, 3, 8, 8, 1, dtype=torch.uint8)})
    with pytest.raises(ModelError, match="nothing to predict in sequences of 1"):
        model.loss({"features": torch.zeros(1, 1, 16, 16, 1, dtype=torch.uint8), "actions": torch.zeros(1, 1, 4)})
    with pytest.raises(ModelError, match="slots is a whole number from 1 to 64, not 1000000"):
        begin(model, torch.tensor([1]), slots=10**6)


@pytest.mark.parametrize("slots", [1, 3])
def test_a_draw_of_nothing_for_all_slots_of_a_pixel_does_no_harm(slots: int) -> None:
    draw = torch.ones(2, slots, 16, 16)
    draw[0, :, 3, 5] = 0
    gamma = build(replace(SMALL, slots=slots)).start(2, slots, gamma=draw).gamma
    assert torch.isfinite(gamma).all()
    assert bool((gamma == 1).all()) == (slots == 1)
