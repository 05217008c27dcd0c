"""Tests of IODINE by parts: its likelihood, its gradients and its other inputs, against loops and differences.

They also check that it keeps the rules of a model.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from physbench.audit import audit, has_passed
from physbench.errors import ModelError
from physbench.model import Batch
from physbench_baselines import checkpoint
from physbench_baselines.adapter import TorchModel
from physbench_baselines.iodine import Guess, Iodine, divergence, leave_one_out, moments
from physbench_baselines.iodine_layers import coordinates
from physbench_baselines.iodine_sizes import ARCHITECTURE, IodineSizes

TINY = IodineSizes(
    channels=1, slots=3, refinements=2, latent=3, decoder=(4,), encoder=(5, 4), dense=(6,), lstm=5, distribution="bernoulli", inner_batch=2
)  # fmt: skip
COLOURED = replace(TINY, channels=3, distribution="gaussian", scale=0.3, lstm=0, coordinates="cosine")
PATCHED = replace(TINY, patch=4, decoder_kernel=1, head="predictor-corrector", predictor=4)
GLIMPSES = replace(COLOURED, glimpse=5, decoder=(6, 4))
MODELS = pytest.mark.parametrize(
    "sizes",
    [TINY, COLOURED, replace(COLOURED, distribution="logistic"), PATCHED, replace(PATCHED, sequential=True), GLIMPSES],
    ids=["bernoulli", "gaussian", "logistic", "patches", "sequences", "glimpses"],
)


def network(sizes: IodineSizes) -> Iodine:
    """In float64, and with a first posterior that is not near nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = sizes.build().double()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def images(sizes: IodineSizes, *shape: int, seed: int = 4) -> Tensor:
    """(*shape[:-2], C, H, W): 0 or 1 in one channel, else anything between."""
    whole = (*shape[:-2], sizes.channels, *shape[-2:])
    drawn = np.random.default_rng(seed).random(whole)
    return torch.from_numpy(drawn if sizes.channels > 1 else (drawn < 0.4).astype(np.float64))


def normal(*shape: int, seed: int = 5) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def make_guess(model: Iodine, *, batch: int = 2, side: tuple[int, int] = (6, 5)) -> tuple[Guess, Tensor]:
    """At some lambda that differs from slot to slot."""
    sizes = model.sizes
    x = images(sizes, batch, *side)
    raw = normal(batch, sizes.slots, 2 * sizes.latent, seed=6).requires_grad_()
    return model.guess(raw, normal(batch, sizes.slots, sizes.latent), x), x


def density(sizes: IodineSizes, x: float, output: float) -> float:
    """Of one channel of one pixel, by the textbook."""
    if sizes.distribution == "bernoulli":
        p = 1 / (1 + math.exp(-output))
        return p if x == 1 else 1 - p
    if sizes.distribution == "gaussian":
        return math.exp(-((x - output) ** 2) / (2 * sizes.scale**2)) / (sizes.scale * math.sqrt(2 * math.pi))
    e = math.exp(-(x - output) / sizes.scale)
    return e / (sizes.scale * (1 + e) ** 2)


def mixture(sizes: IodineSizes, outputs: Any, logits: Any, x: Any, slots: list[int]) -> float:
    """log p of one pixel by some of the slots: outputs (K, C), logits (K), x (C)."""
    claims = {k: math.exp(logits[k]) for k in slots}
    each = [
        claims[k] / sum(claims.values()) * math.prod(density(sizes, x[c], outputs[k, c]) for c in range(len(x)))
        for k in slots
    ]
    return math.log(sum(each))


@MODELS
def test_the_likelihood_is_that_of_a_mixture_pixel_by_pixel_and_without_each_slot_in_turn(sizes: IodineSizes) -> None:
    model = network(sizes)
    guess, x = make_guess(model)
    outputs, logits = guess.outputs.detach().numpy(), guess.logits.detach().numpy()
    without = (leave_one_out(guess.logits + guess.components) - leave_one_out(guess.logits)).detach().numpy()
    slots = list(range(sizes.slots))
    for b in range(2):
        for i in range(6):
            for j in range(5):
                pixel = outputs[b, :, :, i, j], logits[b, :, 0, i, j], x[b, :, i, j].numpy()
                assert guess.log_prob[b, 0, i, j].item() == pytest.approx(mixture(sizes, *pixel, slots), rel=1e-9)
                for k in slots:
                    assert without[b, k, 0, i, j] == pytest.approx(
                        mixture(sizes, *pixel, [other for other in slots if other != k]), rel=1e-9
                    )
    masks = guess.masks.sum(dim=1)
    torch.testing.assert_close(masks, torch.ones_like(masks), rtol=0, atol=1e-12)


@MODELS
def test_the_counterfactual_input_is_what_the_likelihood_loses_without_a_slot(sizes: IodineSizes) -> None:
    model = network(sizes)
    guess, x = make_guess(model)
    norm = model.norms["counterfactual"]
    shown = model.inputs(guess, x)[0]["counterfactual"].detach().numpy()
    gain, offset = float(norm.gain.detach()), float(norm.offset.detach())
    for b in range(2):
        for k in range(sizes.slots):
            others = [other for other in range(sizes.slots) if other != k]
            lost = np.empty((6, 5))
            for i in range(6):
                for j in range(5):
                    pixel = [
                        array.detach().numpy()
                        for array in (guess.outputs[b, :, :, i, j], guess.logits[b, :, 0, i, j], x[b, :, i, j])
                    ]
                    lost[i, j] = mixture(sizes, *pixel, [*others, k]) - mixture(sizes, *pixel, others)
            wanted = gain * (lost - lost.mean()) / np.sqrt(lost.var() + 1e-5) + offset
            np.testing.assert_allclose(shown[b, k, 0], wanted, rtol=1e-7, atol=1e-7)


@MODELS
def test_each_gradient_that_it_is_shown_is_what_differences_give(sizes: IodineSizes) -> None:
    """Of outputs and mask logits through the mixture alone, of lambda through everything, of the bound of a mean over
    so many images."""
    model = network(sizes)
    guess, x = make_guess(model, side=(4, 4))
    noise = normal(2, sizes.slots, sizes.latent)

    def bound(outputs: Tensor, logits: Tensor) -> Tensor:
        components = model.pixels.log_prob(x[:, None], outputs).sum(dim=2, keepdim=True)
        return (guess.kl.sum() - (logits.log_softmax(dim=1) + components).logsumexp(dim=1).sum()) / sizes.inner_batch

    def whole(raw: Tensor) -> Tensor:
        return model.guess(raw, noise, x).loss.sum() / sizes.inner_batch

    with torch.no_grad():
        differences = (
            slope(lambda outputs: bound(outputs, guess.logits), guess.outputs),
            slope(lambda logits: bound(guess.outputs, logits), guess.logits),
            slope(whole, guess.raw),
        )
    for found, wanted in zip(model.slopes(guess), differences, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def slope(function: Any, at: Tensor, step: float = 1e-5) -> Tensor:
    """Number by number."""
    result = torch.empty_like(at)
    for place in np.ndindex(*at.shape):
        moved = [at.detach().clone(), at.detach().clone()]
        moved[0][place] += step
        moved[1][place] -= step
        result[place] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return result


def test_there_is_no_second_derivative_and_what_the_paper_keeps_attached_is() -> None:
    model = network(TINY)
    guess, x = make_guess(model)
    for gradient in model.slopes(guess):
        assert gradient.grad_fn is None and not gradient.requires_grad
    images, vectors = model.inputs(guess, x)
    attached = {name for name, array in {**images, **vectors}.items() if moves_with_lambda(array, guess)}
    assert attached == {"components", "mask", "posterior", "pred_mask", "zp"}


def moves_with_lambda(array: Tensor, guess: Guess) -> bool:
    """Of one slot alone: the masks of all of them always sum to 1."""
    if not array.requires_grad:
        return False
    (way,) = torch.autograd.grad(array[:, 0].sum(), guess.raw, retain_graph=True, allow_unused=True)
    return way is not None and bool(way.abs().max() > 0)


def test_memory_is_that_of_the_unrolled_steps_alone() -> None:
    """All that backward passes through the gradients would need is absent: no node of the graph is of a second
    derivative."""
    model = network(TINY)
    losses = model.loss(
        {"features": images(TINY, 2, 1, 6, 5).permute(0, 1, 3, 4, 2).to(torch.uint8)}, noise=list(normal(3, 2, 3, 3))
    )
    nodes, waiting = set(), [losses.total.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            waiting += [following for following, _ in node.next_functions]
    names = {type(node).__name__ for node in nodes}
    assert "ConvolutionBackward0" in names
    assert not {name for name in names if "BackwardBackward" in name}


def test_the_divergence_is_that_of_two_normal_distributions() -> None:
    raw = normal(2, 3, 8)
    mean, variance = moments(raw)
    wide = raw[..., 4:].numpy()
    np.testing.assert_allclose(variance.numpy(), np.log1p(np.exp(wide)), rtol=1e-12)
    posterior = torch.distributions.Normal(mean, variance.sqrt())
    prior = torch.distributions.Normal(torch.zeros(4, dtype=torch.float64), math.sqrt(math.log(2)))
    torch.testing.assert_close(
        divergence(mean, variance), torch.distributions.kl_divergence(posterior, prior).sum(dim=-1)
    )


def test_it_is_told_where_pixels_are_by_ramps_or_by_waves() -> None:
    x = torch.zeros(1, 1, 4, 7, dtype=torch.float64)
    ramps, waves = coordinates("linear", x).numpy(), coordinates("cosine", x).numpy()
    assert ramps.shape == (2, 4, 7) and waves.shape == (8, 4, 7)
    for i in range(4):
        for j in range(7):
            assert ramps[:, i, j] == pytest.approx([2 * j / 6 - 1, 2 * i / 3 - 1])
            u, v = math.pi * j / 6, math.pi * i / 3
            wanted = [math.cos(across * u) * math.cos(down * v) for across in range(3) for down in range(3)]
            assert waves[:, i, j] == pytest.approx(wanted[1:])


@MODELS
def test_slots_that_change_places_take_their_results_with_them(sizes: IodineSizes) -> None:
    model = network(sizes)
    x = images(sizes, 3, 2, 7, 6)
    noise = normal(3, 2, sizes.slots, sizes.latent, seed=7)
    order = [2, 0, 1]
    with torch.no_grad():
        one, other = (list(model.unroll(list(x), list(draws))) for draws in (noise, noise[:, :, order]))
    for before, after in zip(one, other, strict=True):
        for name in ("raw", "z", "outputs", "logits", "components", "kl"):
            torch.testing.assert_close(getattr(before, name)[:, order], getattr(after, name), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(before.log_prob, after.log_prob, rtol=1e-9, atol=1e-9)


@MODELS
def test_every_weight_learns(sizes: IodineSizes) -> None:
    model = network(sizes)
    frames = (images(sizes, 2, 3, 9, 7).permute(0, 1, 3, 4, 2) * (255 if sizes.channels > 1 else 1)).to(torch.uint8)
    losses = model.loss({"features": frames}, generator=torch.Generator().manual_seed(1))
    losses.total.backward()
    still = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    assert not still
    assert set(losses.figures) == {"bound", "reconstruction", "kl", "mse"}


def test_the_loss_weighs_later_guesses_more_and_the_first_one_not_at_all() -> None:
    model = network(TINY)
    x, noise = images(TINY, 2, 1, 6, 5), list(normal(3, 2, 3, 3))
    with torch.no_grad():
        bounds = [guess.loss.mean().item() for guess in model.unroll([x[:, 0]] * 3, noise)]
        losses = model.loss({"features": x.permute(0, 1, 3, 4, 2).to(torch.uint8)}, noise=noise)
    assert losses.total.item() == pytest.approx(0.5 * bounds[1] + bounds[2])
    assert losses.figures["bound"].item() == pytest.approx(bounds[2])
    assert bounds[2] == pytest.approx((losses.figures["reconstruction"] + losses.figures["kl"]).item())


def test_of_sequences_each_guess_is_scored_on_the_frame_that_it_has_not_seen() -> None:
    """Another last frame changes nothing but what the last guess is worth."""
    sizes = replace(TINY, sequential=True)
    model = network(sizes)
    x, noise = images(sizes, 4, 2, 6, 5), list(normal(4, 2, 3, 3))
    changed = x.clone()
    changed[3] = 1 - changed[3]
    with torch.no_grad():
        one, other = (list(model.unroll(list(frames), noise)) for frames in (x, changed))
    for before, after in zip(one, other, strict=True):
        torch.testing.assert_close(before.outputs, after.outputs)
    assert not torch.equal(one[3].log_prob, other[3].log_prob)
    with pytest.raises(ModelError, match="nothing to predict in sequences of 1 frames"):
        model.loss({"features": torch.zeros(2, 1, 6, 5, 1, dtype=torch.uint8)})


@pytest.mark.parametrize("sequential", [False, True])
def test_it_observes_what_it_was_trained_to_unroll(sequential: bool) -> None:
    """The same draws: of images the last guess of the frame, of sequences the guess at the next frame, and the one
    before it for this one."""
    sizes = replace(COLOURED, sequential=sequential, refinements=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        model = sizes.build().eval()
    frames = images(sizes, 3, 2, 6, 5).float()
    seeds = torch.tensor([5, 9])
    state = model.begin(seeds, shape=(6, 5, 3))
    means, owners, draws = [], [], []
    original = model.guess
    model.guess = lambda raw, noise, x: draws.append(noise) or original(raw, noise, x)  # type: ignore[method-assign]
    with torch.no_grad():
        for t in range(3):
            state, mean, owner = model.observe(state, frames[t].permute(0, 2, 3, 1))
            means.append(mean)
            owners.append(owner)
        model.guess = original  # type: ignore[method-assign]
        if sequential:
            assert torch.equal(draws[1], draws[2]), "what is predicted is what the next frame is held against"
            wanted = list(model.unroll([*frames, frames[2]], [*draws[::2], draws[5]]))
            pairs = [(wanted[t + 1], wanted[t]) for t in range(3)]
        else:
            pairs = [(guess, guess) for t in range(3) for guess in list(model.unroll([frames[t]] * 3, draws[:3]))[2:]]
    for mean, owner, (following, this) in zip(means, owners, pairs, strict=True):
        torch.testing.assert_close(
            mean.permute(0, 3, 1, 2), (following.masks * following.outputs).sum(dim=1), rtol=1e-4, atol=1e-5
        )
        assert torch.equal(owner.long(), this.masks.squeeze(2).argmax(dim=1))


def test_black_and_white_pixels_belong_to_the_slot_that_makes_them() -> None:
    """Their mixture knows of masks only times means: a slot that claims a pixel and says that it is off does not own
    one that is on."""
    model = TINY.build()
    logits = torch.tensor([2.0, 0.0, -1.0]).view(1, 3, 1, 1, 1)
    outputs = torch.tensor([-4.0, 4.0, 0.0]).view(1, 3, 1, 1, 1)
    for x, owner in ((1.0, 1), (0.0, 0)):
        components = model.pixels.log_prob(torch.full((1, 1, 1, 1, 1), x), outputs)
        guess = Guess(torch.empty(0), torch.empty(0), outputs, logits, components, torch.empty(0), torch.empty(0))
        assert int(model._shares(guess).argmax(dim=1)) == owner


@pytest.mark.parametrize("shape", [(8, 8), (9, 7), (5, 12)])
def test_patches_cover_frames_of_any_size(shape: tuple[int, int]) -> None:
    model = network(PATCHED)
    drawn = model.decoder(normal(2, 3), shape)
    assert drawn.shape == (2, 2, *shape)
    whole = model.decoder(normal(2, 3), (-(-shape[0] // 4) * 4, -(-shape[1] // 4) * 4))
    torch.testing.assert_close(drawn, whole[..., : shape[0], : shape[1]])


def test_a_glimpse_is_a_small_picture_in_one_place_and_beside_it_all_is_the_same() -> None:
    """By the bilinear rule, pixel by pixel; one in the middle of whole pixels is the picture itself."""
    decoder = network(GLIMPSES).decoder
    z, (height, width), side = normal(3, 3), (9, 12), 5
    with torch.no_grad():
        drawn = decoder(z, (height, width)).numpy()
        features = z
        for layer in decoder.dense:
            features = torch.nn.functional.elu(layer(features))
        picture = decoder.picture(features).view(3, 4, side, side).numpy()
        beside, middle = decoder.beside(features).numpy(), torch.tanh(decoder.middle(features)).numpy()
    for n in range(3):
        for i in range(height):
            for j in range(width):
                row = (2 * i / (height - 1) - 1 - middle[n, 1]) * (height - 1) / side  # from -1 to 1 across the picture
                column = (2 * j / (width - 1) - 1 - middle[n, 0]) * (width - 1) / side
                v, u = ((row + 1) * side - 1) / 2, ((column + 1) * side - 1) / 2
                wanted = beside[n].copy()
                for y in range(side):
                    for x in range(side):
                        wanted += max(0, 1 - abs(v - y)) * max(0, 1 - abs(u - x)) * (picture[n, :, y, x] - beside[n])
                np.testing.assert_allclose(drawn[n, :, i, j], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sizes", [TINY, PATCHED, GLIMPSES], ids=["plain", "patches", "glimpses"])
def test_half_the_precision_gives_nearly_the_same_loss(sizes: IodineSizes) -> None:
    model = network(sizes).float()
    frames = (images(sizes, 2, 2, 9, 7).permute(0, 1, 3, 4, 2) * (255 if sizes.channels > 1 else 1)).to(torch.uint8)
    noise = list(normal(3, 4, 3, 3).float())
    whole = model.loss({"features": frames}, noise=noise).total
    with torch.autocast("cpu", torch.bfloat16):
        half = model.loss({"features": frames}, noise=noise).total
    assert half.dtype == torch.float32
    assert float(half.detach()) == pytest.approx(float(whole.detach()), rel=0.05)
    half.backward()


def test_slots_and_refinements_are_free_at_test_time(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "weights.safetensors", ARCHITECTURE.make(COLOURED))
    frame = images(COLOURED, 2, 8, 8).permute(0, 2, 3, 1).float().numpy()
    errors = []
    for settings, told, slots in (({}, None, 3), ({}, 7, 7), ({"slots": 2}, None, 2), ({"refinements": 5}, 4, 4)):
        model = checkpoint.model(tmp_path / "weights.safetensors", settings=settings)
        state = model.begin(Batch(np.arange(2, dtype=np.uint64), (8, 8, 3), slots=told))
        state, said = model.observe(state, frame, None)
        parts = model.parts(state)
        assert parts.predictions.shape == (2, slots, 8, 8, 3)
        np.testing.assert_allclose(parts.shares.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(
            (parts.shares[..., None] * parts.predictions).sum(axis=1), said.mean, rtol=1e-4, atol=1e-5
        )
        assert model.network.latents(state).shape == (2, slots, 3)
        errors.append(said.mean)
    assert not np.allclose(errors[0], errors[3])
    with pytest.raises(ModelError, match="there is no 'refinements' to set in this model: there is slots"):
        checkpoint.save(tmp_path / "weights.safetensors", ARCHITECTURE.make(replace(TINY, sequential=True)))
        checkpoint.model(tmp_path / "weights.safetensors", settings={"refinements": 3})


@pytest.mark.parametrize("sizes", [COLOURED, PATCHED], ids=["colour", "black and white"])
def test_after_so_many_refinements_it_says_what_it_would_if_there_were_no_more(
    sizes: IodineSizes, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "weights.safetensors", ARCHITECTURE.make(sizes))
    frame = images(sizes, 2, 8, 8).permute(0, 2, 3, 1).float().numpy()

    def begin(count: int) -> tuple[TorchModel, Any]:
        model = checkpoint.model(tmp_path / "weights.safetensors", settings={"refinements": count})
        return model, model.begin(Batch(np.arange(2, dtype=np.uint64), (8, 8, sizes.channels)))

    model, state = begin(4)
    steps = model.refinements(state, frame, None)
    assert len(steps) == 5
    for count in range(1, 5):
        fewer, fresh = begin(count)
        reached, said = fewer.observe(fresh, frame, None)
        np.testing.assert_array_equal(steps[count][1].mean, said.mean)
        np.testing.assert_array_equal(steps[count][1].owner, said.owner)
        for name in ("predictions", "shares"):
            np.testing.assert_array_equal(
                getattr(model.parts(steps[count][0]), name), getattr(fewer.parts(reached), name)
            )
    assert not np.array_equal(steps[0][1].mean, steps[1][1].mean)


def test_of_sequences_it_refines_once_with_each_frame_and_says_no_more() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = TorchModel(replace(PATCHED, sequential=True).build())  # type: ignore[arg-type]
    frame = images(PATCHED, 2, 8, 8).permute(0, 2, 3, 1).float().numpy()
    state = model.begin(Batch(np.arange(2, dtype=np.uint64), (8, 8, PATCHED.channels)))
    ((_, only),) = model.refinements(state, frame, None)
    np.testing.assert_array_equal(only.mean, model.observe(state, frame, None)[1].mean)


@pytest.mark.parametrize("sizes", [PATCHED, replace(PATCHED, sequential=True)], ids=["images", "sequences"])
def test_an_audit_finds_nothing(sizes: IodineSizes) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = TorchModel(sizes.build())  # type: ignore[arg-type]
    verdicts = audit(model, sequences=4, frames=4, batch=2)
    assert has_passed(verdicts), verdicts


def test_the_sizes_of_the_paper_have_as_many_parameters_as_the_published_models() -> None:
    counts = {"multi-dsprites": 339_152, "tetris": 199_568}
    assert {name: count(ARCHITECTURE.sizes_of("iodine", dataset=name)) for name in counts} == counts
    assert count(IodineSizes()) == 1_177_168  # for CLEVR


def count(sizes: IodineSizes) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in sizes.build().parameters())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slots": 1}, "slots is a whole number from 2 to 64, not 1"),
        ({"distribution": "normal"}, "distribution is one of gaussian, logistic, bernoulli, not 'normal'"),
        ({"scale": 0.0}, "scale is a number above 0"),
        ({"decoder": ()}, "decoder is 1 to 8 whole numbers, not 0"),
    ],
)
def test_sizes_that_it_cannot_have_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        replace(TINY, **changes)


def test_frames_of_other_channels_are_refused() -> None:
    model = TINY.build()
    for ask in (
        lambda: model.begin(torch.zeros(1, dtype=torch.int64), shape=(8, 8, 3)),
        lambda: model.loss({"features": torch.zeros(1, 1, 8, 8, 3, dtype=torch.uint8)}),
    ):
        with pytest.raises(ModelError, match="for frames of 1 channels, not 3"):
            ask()
