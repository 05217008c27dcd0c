"""Tests of the adapter between torch and NumPy: it passes bits, shapes and types on unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import physbench
from physbench.errors import ModelError
from physbench.model import Batch, Bernoulli, Origin
from physbench_baselines.adapter import TorchModel, device_of, network_with, shapes_of, weights_of

NO_CUDA = not torch.cuda.is_available()


class Fading(torch.nn.Module):
    """The next frame is this one times a number, and a coin from the seed owns each sequence."""

    likelihood = Bernoulli()

    def __init__(self) -> None:
        super().__init__()
        self.fade = torch.nn.Parameter(torch.tensor(0.5))
        self.rest = torch.nn.Linear(3, 2)
        self.dropout = torch.nn.Dropout(0.5)
        self.seen: list[Any] = []

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> torch.Tensor:
        self.seen.append((seeds, shape, slots, actions))
        return torch.zeros(len(seeds), *shape, device=seeds.device)

    def observe(
        self, state: torch.Tensor, frame: torch.Tensor, action: torch.Tensor | None
    ) -> tuple[Any, torch.Tensor, torch.Tensor]:
        self.seen.append(
            (
                frame,
                action,
                torch.is_grad_enabled(),
                torch.get_float32_matmul_precision(),
                torch.backends.cudnn.allow_tf32,
            )
        )
        mean = self.dropout(frame) * self.fade
        return mean, mean, (frame[..., 0] > 0.5).to(torch.uint8)

    def imagine(self, state: torch.Tensor, action: torch.Tensor | None) -> tuple[Any, torch.Tensor, None]:
        state *= self.fade  # in place: what was handed out before must not change
        return state, state.double(), None


def test_seeds_arrive_bit_for_bit() -> None:
    network = Fading()
    seeds = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 1, 0xDEADBEEFCAFEF00D], np.uint64)
    TorchModel(network).begin(Batch(seeds[::-1], (4, 5, 1), slots=3, actions=2))
    given, shape, slots, actions = network.seen[0]
    assert given.dtype == torch.int64
    assert [int(seed) % 2**64 for seed in given] == [int(seed) for seed in seeds[::-1]]
    assert (shape, slots, actions) == ((4, 5, 1), 3, 2)


def test_arrays_go_in_and_out_as_numpy_with_the_right_types() -> None:
    model = TorchModel(Fading())
    frame = np.random.default_rng(1).random((2, 4, 5, 1)).astype(np.float32)
    state, prediction = model.observe(
        model.begin(Batch(np.arange(2, dtype=np.uint64), (4, 5, 1))), frame, np.ones((2, 3), np.float32)
    )
    assert isinstance(prediction.mean, np.ndarray) and isinstance(prediction.owner, np.ndarray)
    assert (prediction.mean.dtype, prediction.owner.dtype) == (np.float32, np.uint8)
    np.testing.assert_array_equal(prediction.mean, frame / 2)  # no dropout: the network evaluates
    np.testing.assert_array_equal(prediction.owner, frame[..., 0] > 0.5)
    _, imagined = model.imagine(state, None)
    assert imagined.mean is not None and imagined.mean.dtype == np.float32 and imagined.owner is None
    np.testing.assert_array_equal(imagined.mean, frame / 4)
    np.testing.assert_array_equal(prediction.mean, frame / 2)


def test_the_boxes_of_a_network_are_those_of_its_state() -> None:
    class Boxed(Fading):
        def boxes(self, state: torch.Tensor) -> torch.Tensor:
            self.seen.append(torch.is_grad_enabled())
            return state.flatten(1)[:, None, :5].double() * self.fade

    frame = np.random.default_rng(2).random((2, 4, 5, 1)).astype(np.float32)
    model = TorchModel(Boxed())
    state, prediction = model.observe(None, frame, None)
    assert prediction.boxes is not None and prediction.boxes.dtype == np.float32 and model.network.seen[-1] is False
    np.testing.assert_array_equal(prediction.boxes, frame.reshape(2, 1, 20)[..., :5] / 4)
    _, imagined = model.imagine(state, None)
    np.testing.assert_array_equal(imagined.boxes, frame.reshape(2, 1, 20)[..., :5] / 8)
    np.testing.assert_array_equal(prediction.boxes, frame.reshape(2, 1, 20)[..., :5] / 4)
    assert TorchModel(Fading()).observe(None, frame, None)[1].boxes is None


def test_neither_side_sees_what_the_other_does_to_its_arrays() -> None:
    network = Fading()
    model = TorchModel(network)
    frame = np.ones((1, 2, 2, 1), np.float32)
    state, prediction = model.observe(None, frame, None)
    frame[:] = 7
    assert prediction.mean is not None
    prediction.mean[:] = 9
    assert network.seen[0][0].unique().tolist() == [1.0]
    assert state.unique().tolist() == [0.5]


@pytest.mark.parametrize(
    "frame",
    [
        np.ones((4, 5, 2, 1), np.float32).transpose(2, 0, 1, 3),
        np.ones((2, 4, 5, 1), np.float32)[::-1],
        np.broadcast_to(np.float32(1), (2, 4, 5, 1)),
    ],
)
def test_an_array_may_lie_in_memory_as_it_likes(frame: Any, recwarn: pytest.WarningsRecorder) -> None:
    _, prediction = TorchModel(Fading()).observe(None, frame, None)
    assert prediction.mean is not None and prediction.mean.shape == (2, 4, 5, 1)
    assert not recwarn.list


def test_scoring_has_no_gradients_and_full_precision_and_leaves_the_settings_of_the_process_alone() -> None:
    network = Fading()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        state, _ = TorchModel(network).observe(None, np.ones((1, 2, 2, 1), np.float32), None)
        assert network.seen[0][2:] == (False, "highest", False)
        assert not state.requires_grad
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.is_grad_enabled() and torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before)


def test_an_error_of_the_network_leaves_the_settings_alone_too() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with pytest.raises(TypeError):
        TorchModel(Fading()).imagine(None, None)  # there is nothing to fade
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_a_model_says_where_it_comes_from() -> None:
    origin = TorchModel(
        Fading(), origin=Origin(train_seed=3, paper_link="https://example.org", weights_sha256="ab")
    ).origin
    assert (origin.train_seed, origin.paper_link, origin.weights_sha256) == (3, "https://example.org", "ab")
    assert (origin.parameters, origin.device, origin.torch_version) == (1 + 3 * 2 + 2, "cpu", torch.__version__)


def test_the_evaluator_scores_a_network_and_finds_what_the_formula_says() -> None:
    """Half of a binary frame: every pixel that was on costs ln 2 while it stays, and one that comes costs the clip."""
    result = physbench.evaluate(TorchModel(Fading()), "balls", limit=2)
    recipe = physbench.registry.datasets.get("balls4mass64")
    frames = recipe.generator.batch(recipe.seeds("test", 0, 2), 51).features[:, :31, ..., 0].astype(int)
    was, now = frames[:, :-1], frames[:, 1:]
    costs = (
        np.log(2) * (was == 1) - np.log(1e-6) * ((was == 0) & (now == 1)) - np.log(1 - 1e-6) * ((was == 0) & (now == 0))
    )
    assert result.score("balls4mass64", "bce").value == pytest.approx(costs.sum(axis=(2, 3)).mean(), rel=1e-6)


class Descending(torch.nn.Module):
    """Find the number nearest to the frame's mean by gradient descent, one step per frame, as an iterative inference
    does."""

    likelihood = Bernoulli()

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> torch.Tensor:
        return torch.zeros(len(seeds), device=seeds.device)

    def observe(
        self, state: torch.Tensor, frame: torch.Tensor, action: torch.Tensor | None
    ) -> tuple[Any, torch.Tensor, None]:
        with torch.enable_grad():
            guess = state.detach().requires_grad_()
            error = ((self.scale * guess - frame.mean(dim=(1, 2, 3))) ** 2).sum()
            (slope,) = torch.autograd.grad(error, guess)
            state = guess - 0.25 * slope
        return state, torch.zeros_like(frame) + state[:, None, None, None], None


def test_a_network_may_take_gradients_at_test_time() -> None:
    """Each step of this size halves the distance to the mean; the answer is plain NumPy although it still hangs on a
    graph."""
    model, frame = TorchModel(Descending()), np.full((2, 4, 5, 1), 0.8, np.float32)
    state, guesses = model.begin(Batch(np.arange(2, dtype=np.uint64), (4, 5, 1))), []
    for _ in range(3):
        state, prediction = model.observe(state, frame, None)
        assert prediction.mean is not None
        guesses.append(float(prediction.mean[0, 0, 0, 0]))
    assert guesses == pytest.approx([0.4, 0.6, 0.7])


def test_something_else_than_a_network_is_refused() -> None:
    with pytest.raises(ModelError, match="torch.nn.Module, not object"):
        TorchModel(object())  # type: ignore[arg-type]


def test_the_device_is_found_or_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_of("cpu") == torch.device("cpu")
    for name in ("gpu", "cuda:", "cuda:-1", "cpu:0", "", "cuda:1\n", "meta"):
        with pytest.raises(ModelError, match="there is no device .*: it is auto, cpu, cuda or cuda:1"):
            device_of(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == torch.device("cpu")
    with pytest.raises(ModelError, match="finds no CUDA device here, so not 'cuda'"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("auto") == torch.device("cuda")
    assert device_of("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ModelError, match=r"there is no 'cuda:2': this machine has 2 CUDA"):
        device_of("cuda:2")


@pytest.mark.skipif(NO_CUDA, reason="no CUDA device")
def test_on_a_graphics_card_the_batch_lies_there_and_the_answer_is_numpy() -> None:
    network = Fading()
    model = TorchModel(network, device="cuda")
    frame = np.ones((2, 4, 5, 1), np.float32)
    _, prediction = model.observe(
        model.begin(Batch(np.arange(2, dtype=np.uint64), (4, 5, 1))), frame, frame[:, 0, :3, 0]
    )
    assert {network.seen[0][0].device.type, network.seen[1][0].device.type, network.seen[1][1].device.type} == {"cuda"}
    np.testing.assert_array_equal(prediction.mean, frame / 2)
    assert model.origin.device == "cuda"


def test_weights_go_out_and_back_and_disturb_no_draws_of_others() -> None:
    network = Fading()
    weights = weights_of(network)
    assert (
        shapes_of(Fading)
        == {"fade": (), "rest.weight": (2, 3), "rest.bias": (2,)}
        == {name: array.shape for name, array in weights.items()}
    )
    state = torch.random.get_rng_state()
    again = network_with(Fading, weights)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not again.training
    for name, tensor in again.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), weights[name])


def test_weights_that_are_no_numbers_are_named() -> None:
    network = Fading()
    network.rest.bias.data[1] = torch.inf
    with pytest.raises(ModelError, match="rest.bias of the network holds numbers that are not finite"):
        weights_of(network)
    with pytest.raises(ModelError, match="weight of the network is torch.float64"):
        weights_of(torch.nn.Linear(2, 2).double())
