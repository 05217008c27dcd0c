"""Tests of R-NEM with other rules: where slots begin, when they are divided, and what a rollout sees."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from physbench.errors import ModelError
from physbench_baselines import bundled, checkpoint
from physbench_baselines.nem import Nem, State, e_step, owners
from physbench_baselines.nem_sizes import NemSizes
from physbench_baselines.regions import find_merged
from physbench_baselines.regrouped import REMAINDER, RegroupedNem, spread_shares
from physbench_baselines.regrouped_sizes import RegroupedSizes

LITTLE: dict[str, Any] = dict(
    slots=3, height=16, width=16, channels=(3, 4), dense=12, hidden=10, attention=6, embedding=3
)
RULES: dict[str, Any] = dict(spread=2.0, smallest_thing=4, largest_free=1)
NOISELESS = {**LITTLE, **RULES, "noise": 0.0}


def build(**changes: Any) -> RegroupedNem:
    """Every parameter random, so that no part of the network stays silent."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = RegroupedSizes(**{**LITTLE, **RULES, **changes}).build()
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def build_published(model: RegroupedNem) -> Nem:
    """The network of the paper, with the same weights."""
    known = NemSizes.__dataclass_fields__
    nem = NemSizes(**{name: value for name, value in asdict(model.sizes).items() if name in known}).build()
    nem.load_state_dict(model.state_dict())
    return nem.eval()


def film(batch: int = 2, frames: int = 6, seed: int = 0) -> torch.Tensor:
    """uint8 (B, T, H, W, 1)."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, frames, 16, 16, 1, generator=generator) < 0.3).to(torch.uint8)


def regroup(model: RegroupedNem, state: State, frame: torch.Tensor) -> State:
    return model.regroup(model.explain(state, frame), frame)


def squares(*corners: tuple[int, int], side: int = 3) -> torch.Tensor:
    """A frame (1, H, W) with a square at each of these corners."""
    frame = torch.zeros(1, 16, 16)
    for row, column in corners:
        frame[0, row : row + side, column : column + side] = 1
    return frame


def find_merged_slowly(
    owner: NDArray[np.uint8], on: NDArray[np.bool_], slots: int, least: int, most: int
) -> list[tuple[int, int, int, tuple[float, ...], tuple[float, ...]]]:
    """The rule, slot by slot, with the regions of scipy."""
    found = []
    for b in range(len(owner)):
        mass = [int((on[b] & (owner[b] == slot)).sum()) for slot in range(slots)]
        for slot in range(slots):
            free = mass.index(min(mass))
            labels, count = ndimage.label(on[b] & (owner[b] == slot))
            regions = sorted(range(1, count + 1), key=lambda region: -int((labels == region).sum()))
            if len(regions) < 2 or mass[free] > most or mass[slot] < 2 * least:
                continue
            if (moved := int((labels == regions[1]).sum())) < least:
                continue
            stays, goes = (ndimage.center_of_mass(labels == region) for region in regions[:2])
            found.append((b, slot, free, stays, goes))
            mass[slot] -= moved
            mass[free] = moved
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 20),
    slots=st.integers(2, 6),
    least=st.integers(1, 9),
    most=st.integers(0, 30),
    density=st.floats(0.05, 0.6),
)
def test_slots_that_own_two_things_are_those_of_the_slow_rule(
    seed: int, slots: int, least: int, most: int, density: float
) -> None:
    random, most = np.random.default_rng(seed), min(most, least - 1)
    on = random.random((3, 11, 13)) < density
    owner = np.repeat(np.repeat(random.integers(0, slots, (3, 4, 5)), 3, 1), 3, 2)[:, :11, :13].astype(np.uint8)
    moves, middles = find_merged(owner, on, slots, least, most)
    wanted = find_merged_slowly(owner, on, slots, least, most)
    assert moves.tolist() == [[b, slot, free] for b, slot, free, _, _ in wanted]
    for found, (*_, stays, goes) in zip(middles, wanted, strict=True):
        np.testing.assert_allclose(found, [stays, goes])


def test_slots_begin_around_points_and_share_pixels_by_distance() -> None:
    points = torch.tensor([[[0.0, 0.0], [0.5, 0.25], [1.0, 1.0]]])
    found = spread_shares(points, (1, 3, 8, 12), 2.0)[0].numpy()
    for row, column in np.ndindex(8, 12):
        weights = np.exp([-np.hypot(row - 8 * y, column - 12 * x) / 2 for y, x in points[0].tolist()])
        np.testing.assert_allclose(found[:, row, column], weights / weights.sum(), rtol=1e-5)


def test_a_seed_decides_where_slots_begin_whatever_the_batch() -> None:
    model, seeds = build(), torch.tensor([3, -1, 1 << 60, 3])
    whole = model.begin(seeds, shape=(16, 16, 1)).gamma
    assert torch.equal(whole[0], whole[3]) and not torch.equal(whole[0], whole[1])
    assert torch.equal(model.begin(seeds[[2, 1]], shape=(16, 16, 1)).gamma, whole[[2, 1]])
    torch.testing.assert_close(whole.sum(dim=1), torch.ones(4, 16, 16))


def test_without_its_rules_it_is_the_published_model() -> None:
    """Loss and gradients, from the same start."""
    model, frames = build(smallest_thing=0), film()
    plain = build_published(model)
    gamma = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    losses = [each.loss({"features": frames}, noisy=frames, gamma=gamma).total for each in (model, plain)]
    assert losses[0].item() == losses[1].item()
    for loss in losses:
        loss.backward()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None and theirs.grad is not None and torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_sequences_in_training_starts_as_published(share: float) -> None:
    model, like = build(published=share), torch.zeros(1)
    state = model.draw_start((400, 3, 16, 16), generator=torch.Generator().manual_seed(2), like=like)
    noisy = state.gamma.diff(dim=3).abs().mean(dim=(1, 2, 3)) > 0.1  # neighbours differ
    assert abs(float(noisy.float().mean()) - share) < 0.1
    assert torch.equal(noisy, torch.zeros_like(noisy) if state.published is None else state.published)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_sequences_that_start_as_published_keep_their_slots(share: float) -> None:
    """With rules that find two things nearly everywhere, and the same draws."""
    frames, losses = film(batch=64), []
    for least in (1, 0):
        model = build(smallest_thing=least, largest_free=0, published=share)
        generator = torch.Generator().manual_seed(3)
        losses.append(model.loss({"features": frames}, generator=generator).total.item())
    assert (losses[0] == losses[1]) == (share == 1.0)


def merged_state(model: RegroupedNem) -> tuple[State, torch.Tensor]:
    """Slot 1 owns two squares, slot 2 the rest, and slot 0 nothing."""
    frame = squares((1, 1), (10, 10))
    frame[0, 1:4, 4] = 1  # the first one is larger
    gamma = torch.full((1, 3, 16, 16), 0.05)
    gamma[:, 1] = torch.where(frame > 0, 0.9, 0.05)
    gamma[:, 2] = torch.where(frame > 0, 0.05, 0.9)
    random = torch.Generator().manual_seed(4)
    theta = torch.randn(1, 3, 10, generator=random)
    return State(theta, torch.rand(1, 3, 16, 16, generator=random), gamma, time=3), frame


def test_the_smaller_thing_of_a_slot_moves_to_a_free_one() -> None:
    model = build()
    state, frame = merged_state(model)
    found = model.divide(state, frame > 0.5)
    owner = owners(found.gamma)[0]
    assert bool((owner[1:4, 1:5] == 1).all()) and bool((owner[10:13, 10:13] == 0).all())
    near = torch.zeros(16, 16, dtype=torch.bool)
    for row, column in np.ndindex(16, 16):
        near[row, column] = bool(np.hypot(row - 2, column - 2.5) <= np.hypot(row - 11, column - 11))
    assert torch.equal(found.theta[0, 1:], state.theta[0, 1:]) and not bool(found.theta[0, 0].any())
    assert not bool(found.psi[0, 0].any())
    assert torch.equal(found.psi[0, 1], torch.where(near, state.psi[0, 1], 0))
    assert torch.equal(found.psi[0, 2], state.psi[0, 2])
    whole, rest = state.gamma[0, 1], state.gamma[0, 2]
    wanted = torch.stack(
        [torch.where(near, REMAINDER * whole, whole), torch.where(near, whole, REMAINDER * whole), rest]
    )
    torch.testing.assert_close(found.gamma[0], wanted / wanted.sum(dim=0))


def test_nothing_is_divided_early_or_where_nothing_is_merged_or_no_slot_is_free() -> None:
    model = build()
    state, frame = merged_state(model)
    likely = torch.where(frame[:, None] > 0, torch.tensor([0.1, 0.9, 0.1])[None, :, None, None], 0.0)
    state = state._replace(psi=likely)
    assert bool((regroup(model, state, frame).gamma[0, 0, 10:13, 10:13] > 0.5).all())
    for other, picture in (
        (state._replace(time=1), frame),
        (state, squares((1, 1))),
        (state, squares((1, 1), (10, 10), side=1)),
    ):
        found = regroup(model, other, picture)
        assert torch.equal(found.gamma, e_step(picture, other.psi)) and torch.equal(found.theta, other.theta)
    busy = squares((1, 1), (10, 10), (1, 10), (10, 1))
    corners = torch.zeros(1, 3, 16, 16)
    corners[0, 0, 8:, :8] = corners[0, 2, :8, 8:] = 0.9
    corners[0, 1] = torch.where(busy[0] > 0, 0.5, 0)
    assert torch.equal(regroup(model, state._replace(psi=corners), busy).gamma, e_step(busy, corners))


def test_slots_are_divided_in_training_too_and_gradients_flow() -> None:
    """With rules that find two things nearly everywhere."""
    model, frames = build(smallest_thing=1, largest_free=0, slots=12), film()
    gamma = torch.rand(2, 12, 16, 16)
    losses = [
        each.loss({"features": frames}, noisy=frames, gamma=gamma).total for each in (model, build_published(model))
    ]
    losses[0].backward()
    assert losses[0].item() != losses[1].item()
    assert all(each.grad is not None and bool(torch.isfinite(each.grad).all()) for each in model.parameters())


def test_the_loss_is_of_what_was_predicted_and_not_of_what_a_division_leaves() -> None:
    """Three frames divide a slot after the second one at the earliest, and the loss has no prediction after it."""
    model = build(smallest_thing=1, largest_free=0)
    gamma = torch.rand(2, 3, 16, 16)
    losses = [
        each.loss({"features": film(frames=3)}, noisy=film(frames=3), gamma=gamma).total.item()
        for each in (model, build_published(model))
    ]
    assert losses[0] == losses[1]


def test_nothing_depends_on_the_other_sequences_of_a_batch() -> None:
    model, frames, seeds = build(noise=0.1), film(batch=4, frames=8), torch.tensor([3, -1, 1 << 60, 7])

    def watch(rows: list[int]) -> list[torch.Tensor]:
        state, means = model.begin(seeds[rows], shape=(16, 16, 1)), []
        with torch.no_grad():
            for t in range(8):
                step = model.observe(state, frames[rows, t].float()) if t < 5 else model.imagine(state)
                state = step[0]
                means.append(step[1])
        return means

    whole = watch([0, 1, 2, 3])
    for rows in ([2, 0, 3, 1], [3]):
        for part, mean in zip(watch(rows), whole, strict=True):
            torch.testing.assert_close(part, mean[rows], rtol=1e-4, atol=1e-5)


def test_a_rollout_sees_its_own_prediction_in_black_and_white() -> None:
    model, frames = build(noise=0.0, threshold=0.3), film()
    plain = build_published(model)
    with torch.no_grad():
        state, _, _ = model.observe(model.begin(torch.tensor([1, 2]), shape=(16, 16, 1)), frames[:, 0].float())
        seen = (state.psi.amax(dim=1) > 0.3).float()
        assert bool(seen.any()) and not bool(seen.all())
        found, mean, owner = model.imagine(state)
        wanted = plain.step(state._replace(gamma=e_step(seen, state.psi)), seen)
    assert torch.equal(found.psi, wanted.psi) and torch.equal(mean[..., 0], wanted.psi.amax(dim=1))
    assert owner is not None and torch.equal(owner, owners(e_step(seen, state.psi)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slots": 1}, "with one slot there is nothing to group"),
        ({"recurrence": "rnn", "slots": 1}, "with one slot"),
        ({"spread": 0.0}, "spread"),
        ({"largest_free": -1}, "largest free"),
        ({"threshold": 1.0}, "threshold"),
        ({"published": 1.5}, "published"),
        ({"smallest_thing": 20}, "a largest_free below smallest_thing"),
        ({"largest_free": 40}, "a largest_free below smallest_thing"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        RegroupedSizes(**{**LITTLE, **changes})


def test_the_bundled_one_borrows_the_largest_layers_of_r_nem() -> None:
    folder = bundled.FOLDER
    ours, theirs = (checkpoint.load(str(folder / f"{name}.safetensors")) for name in ("r-nem-regrouped", "r-nem"))
    assert isinstance(ours.network, RegroupedNem) and ours.header.borrows is not None
    assert ours.header.borrows.sha256 == theirs.sha256 == bundled.card("r-nem").weights_sha256
    lent = theirs.network.state_dict()
    same = {name for name, tensor in ours.network.state_dict().items() if torch.equal(tensor, lent[name])}
    assert {"encoder.dense.linear.weight", "decoder.dense.1.linear.weight"} <= same < set(lent)
