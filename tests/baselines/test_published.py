"""Weights and results of the published TensorFlow code: a model made of the weights gives the results.

Every file of tests/golden/nem holds one small instance with random weights: noisy and clean frames, what the published
code made of them, and the norm of each gradient. PHYSBENCH_NEM_REFERENCES names another folder of such files. Where
there are several slots, ours hold predictions and gammas of every other row and column, and beside them the whole of
gammas at the start.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from physbench.errors import ModelError
from physbench_baselines.nem import Losses, Nem, NemSizes, State, e_step, expected_losses, pixel_losses
from tests.oracles.published import from_published, published_name

Floats = NDArray[np.float32]

DIRECTORY = Path(os.environ.get("PHYSBENCH_NEM_REFERENCES") or Path(__file__).parents[1] / "golden" / "nem")
FILES = sorted(DIRECTORY.glob("*.npz"))


@dataclass(frozen=True)
class Reference:
    """One file, sequences first, and a model made of its weights that has run."""

    arrays: dict[str, Floats]
    model: Nem
    states: list[State]  # T - 1
    losses: Losses

    def frames(self, name: str) -> torch.Tensor:
        """(T, B, 1, H, W, 1) -> (B, T, H, W, 1)."""
        return frames_of(self.arrays, name)

    @property
    def grid(self) -> tuple[slice, slice]:
        """The rows and columns of which predictions and gammas are held."""
        step = self.arrays["targets"].shape[3] // self.arrays["preds"].shape[3]
        return slice(None, None, step), slice(None, None, step)


def frames_of(arrays: dict[str, Floats], name: str) -> torch.Tensor:
    return torch.from_numpy(arrays[name][:, :, 0]).transpose(0, 1)


def weights_of(path: Path) -> dict[str, Floats]:
    with np.load(path) as file:
        return {name[2:]: file[name] for name in file.files if name.startswith("w/")}


@cache
def reference(path: Path) -> Reference:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    model = from_published(weights_of(path))
    clean, noisy = frames_of(arrays, "targets"), frames_of(arrays, "inputs")
    gamma = torch.from_numpy(arrays.get("start", arrays["gammas"][0])[..., 0])
    actions = frames_of(arrays, "actions") if "actions" in arrays else None
    batch = {"features": clean.to(torch.uint8), "collisions": frames_of(arrays, "collisions")} | (
        {} if actions is None else {"actions": actions}
    )
    losses = model.loss(batch, noisy=noisy, gamma=gamma, slots=gamma.shape[1])
    losses.total.backward()
    with torch.no_grad():
        first = model.start(*gamma.shape[:2], gamma=gamma)
        states = list(model.unroll(first, clean[..., 0], noisy[..., 0], actions))
    return Reference(arrays, model, states, losses)


files = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_there_are_files_to_compare_with() -> None:
    assert FILES, f"no .npz file in {DIRECTORY}"


@files
def test_a_model_made_of_published_weights_gives_the_published_results(path: Path) -> None:
    """Predictions and gammas of every step, all losses, and the norm of every gradient.

    Where no slot explains a pixel, the E-step divides by next to nothing, and one step of float32 in a prediction near
    1 moves gamma further than 1e-5: there, and only there, gammas may differ by as much as such a step makes.
    """
    found = reference(path)
    predictions, gammas = found.arrays["preds"][1:, ..., 0], found.arrays["gammas"][1:, ..., 0]
    targets = found.arrays["targets"][1:, ..., 0][..., *found.grid]  # (T - 1, B, 1, H, W)
    explained = (targets * predictions + (1 - targets) * (1 - predictions) + 1e-6).sum(axis=2, keepdims=True)
    for t, state in enumerate(found.states):
        np.testing.assert_allclose(state.psi.numpy()[..., *found.grid], predictions[t], rtol=0, atol=1e-5)
        assert (
            np.abs(state.gamma.numpy()[..., *found.grid] - gammas[t]) < 1e-5 + np.spacing(np.float32(1)) / explained[t]
        ).all()
    figures = {name: float(value) for name, value in found.losses.figures.items()}
    assert float(found.losses.total.detach()) == pytest.approx(float(found.arrays["loss"]), rel=1e-5)
    for name, published in (
        ("loss", "loss"),
        ("upper_bound", "ub_loss"),
        ("relational_loss", "r_loss"),
        ("relational_upper_bound", "r_ub_loss"),
    ):
        assert figures[name] == pytest.approx(float(found.arrays[published]), rel=1e-5), name
    parts = {
        "": "other_losses",
        "upper_bound_": "other_ub_losses",
        "relational_": "r_other_losses",
        "relational_upper_bound_": "r_other_ub_losses",
    }
    for prefix, published in parts.items():
        for part, mean in zip(
            ("intra", "inter"), found.arrays[published].astype(np.float64).mean(axis=0)[1:], strict=True
        ):
            assert figures[prefix + part] == pytest.approx(mean, rel=1e-5), (published, part)
    for name, parameter in found.model.named_parameters():
        assert parameter.grad is not None
        published = [
            float(found.arrays[f"gradnorm/{variable}"]) for variable in published_name(name, found.model.sizes)
        ]
        assert float(parameter.grad.norm()) == pytest.approx(np.linalg.norm(published), rel=1e-3), name


@files
def test_every_step_has_the_published_losses(path: Path) -> None:
    found = reference(path)
    clean, collisions = found.frames("targets")[..., 0], found.frames("collisions")[..., 0]
    for t, state in enumerate(found.states):
        x = clean[:, t + 1]
        maps = (*expected_losses(state.psi, x, state.gamma), *pixel_losses(state.psi.amax(dim=1), x))
        for weight, prefix in ((torch.ones_like(x), ""), (collisions[:, t], "r_")):
            intra, inter, bound_intra, bound_inter = (float((weight * each).sum()) / len(x) for each in maps)
            np.testing.assert_allclose(
                [intra + inter, intra, inter], found.arrays[f"{prefix}other_losses"][t], rtol=1e-5
            )
            np.testing.assert_allclose(
                [bound_intra + bound_inter, bound_intra, bound_inter],
                found.arrays[f"{prefix}other_ub_losses"][t],
                rtol=1e-5,
            )


@files
def test_the_e_step_of_published_predictions_is_the_published_one(path: Path) -> None:
    found = reference(path)
    for t in range(1, len(found.arrays["gammas"])):
        gamma = e_step(
            found.frames("targets")[:, t, ..., 0][..., *found.grid], torch.from_numpy(found.arrays["preds"][t, ..., 0])
        )
        np.testing.assert_allclose(gamma.numpy(), found.arrays["gammas"][t, ..., 0], rtol=0, atol=1e-6)


@files
def test_every_variable_is_used_once_and_the_parameters_are_as_many(path: Path) -> None:
    found = reference(path)
    used = [
        variable for name, _ in found.model.named_parameters() for variable in published_name(name, found.model.sizes)
    ]
    assert sorted(used) == sorted(weights_of(path))
    assert sum(parameter.numel() for parameter in found.model.parameters()) == int(found.arrays["n_params"])


@files
def test_a_variable_that_is_missing_or_of_another_shape_is_named(path: Path) -> None:
    weights = weights_of(path)
    for name, array in weights.items():
        with pytest.raises(ModelError):
            from_published({other: value for other, value in weights.items() if other != name})
        with pytest.raises(ModelError):
            from_published({**weights, name: array[..., None]})
        with pytest.raises(ModelError):
            from_published({**weights, name: np.concatenate([array, array], axis=-1)})
    with pytest.raises(ModelError, match="OutputWrapper1/fully_connected/biases is missing"):
        from_published(
            {name: array for name, array in weights.items() if "OutputWrapper1/fully_connected/biases" not in name}
        )


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "r-nem", "r-nem-no-attention"])
@pytest.mark.parametrize("encoder", ["balls", "invaders"])
def test_sizes_are_read_off_the_variables(recurrence: str, encoder: str) -> None:
    """Weights as the published code would store them, made here from a model of ours: the way back gives the same
    model."""
    relational = recurrence.startswith("r-nem")
    sizes = NemSizes(
        recurrence,
        slots=1 if recurrence == "lstm" else 5,
        height=32,
        width=32,
        channels=(2, 3),
        dense=7,
        hidden=6,
        attention=5,
    )
    if encoder == "invaders":
        sizes = replace(
            sizes, height=84, width=84, actions=3 if relational else 0, embedding=4 if relational else 10, noise=0.002
        )
    if recurrence != "r-nem":
        sizes = replace(sizes, attention=NemSizes.attention)
    model = sizes.build()
    stored = {}
    for name, parameter in model.named_parameters():
        names = published_name(name, sizes)
        for variable, part in zip(
            names, parameter.detach().numpy() if len(names) > 1 else [parameter.detach().numpy()], strict=True
        ):
            stored[variable] = part.transpose({4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[part.ndim])
    found = from_published(stored)
    assert found.sizes == sizes
    for (name, parameter), other in zip(model.named_parameters(), found.parameters(), strict=True):
        assert torch.equal(parameter, other), name


def test_files_that_are_not_published_weights_are_refused() -> None:
    with pytest.raises(ModelError, match="not the variables of a published model"):
        from_published({"weights": np.zeros(3, np.float32)})
