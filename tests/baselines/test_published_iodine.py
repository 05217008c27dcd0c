"""Weights and results of the published TensorFlow code: a model made of the weights gives the results.

Every file of tests/golden/iodine holds one small instance with random weights, run by that code: once in float32, and
once more with every type widened to float64. Of the first kind are the plain names, of the second those that begin with
f64/. The two lie within 6e-6 of the largest entry of an array, so the files here leave out most arrays of the first.
PHYSBENCH_IODINE_REFERENCES names another folder of such files.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from physbench_baselines.iodine import Guess, Iodine, divergence, moments
from tests.oracles.published_iodine import from_published, orient, published_names

Arrays = dict[str, NDArray[Any]]

DIRECTORY = Path(os.environ.get("PHYSBENCH_IODINE_REFERENCES") or Path(__file__).parents[1] / "golden" / "iodine")
FILES = sorted(DIRECTORY.glob("*.npz"))

CLOSE = {torch.float64: 1e-7, torch.float32: 1e-4}
"""Of the largest entry of an array."""


@dataclass(frozen=True)
class Run:
    """A model made of the weights of a file, and everything that it computed on the way."""

    file: Arrays
    model: Iodine
    guesses: list[Guess]
    shown: list[tuple[dict[str, Tensor], dict[str, Tensor]]]  # what the refinement network was shown, step by step
    slopes: list[tuple[Tensor, ...]]
    layers: dict[str, list[Any]]  # outputs of the encoder, the LSTM and the head, step by step
    loss: Tensor

    def read_published(self, name: str) -> NDArray[Any]:
        """In the precision of the model, if it is there; what has no twin in float64 is exact."""
        wide = self.model.initial.dtype == torch.float64
        twin = f"f64/{name}" in self.file and (wide or name not in self.file)
        return self.file[f"f64/{name}" if twin else name]


def images_of(file: Arrays, dtype: torch.dtype) -> list[Tensor]:
    """One (B, C, H, W) for each of T + 1 guesses."""
    images = torch.tensor(file["image"], dtype=dtype).permute(1, 0, 4, 2, 3).contiguous()
    return list(images) if len(images) > 1 else [images[0]] * len(file["noise"])


def make_model(file: Arrays, dtype: torch.dtype) -> Iodine:
    told = json.loads(str(file["config"]))
    weights = {name[2:]: array for name, array in file.items() if name.startswith("w/")}
    return from_published(
        weights,
        dtype,
        distribution=told["pixel_distribution"],
        scale=told["pixel_scale"],
        sequential=bool(told["sequential"]),
        slots=file["noise"].shape[2],
        refinements=len(file["noise"]) - 1,
        inner_batch=len(file["image"]),
        correction_bias=told["sizes"].get("cgb", 0.0),
        prediction_bias=told["sizes"].get("pgb", 0.0),
    )


@cache
def run(path: Path, dtype: torch.dtype) -> Run:
    with np.load(path) as archive:
        file = {name: archive[name] for name in archive.files}
    model = make_model(file, dtype)
    shown: list[Any] = []
    slopes: list[Any] = []
    layers: dict[str, list[Any]] = {"encoder": [], "lstm": [], "head": []}
    inputs, differentiate = model.inputs, model.slopes
    model.inputs = lambda guess, x: shown.append(inputs(guess, x)) or shown[-1]  # type: ignore[method-assign]
    model.slopes = lambda guess: slopes.append(differentiate(guess)) or slopes[-1]  # type: ignore[method-assign]
    for name, calls in layers.items():
        if (layer := getattr(model, name)) is not None:
            layer.register_forward_hook(lambda _, given, answer, calls=calls: calls.append((given, answer)))
    noise = torch.tensor(file["noise"], dtype=dtype)
    guesses = list(model.unroll(images_of(file, dtype), noise.unbind(0)))
    steps = torch.tensor(file["iter_loss_weights"], dtype=dtype)
    loss = (torch.stack([guess.loss.mean() for guess in guesses]) * steps).sum()
    loss.backward()
    return Run(file, model, guesses, shown, slopes, layers, loss)


def require_close(found: Tensor | NDArray[Any], published: NDArray[Any], tolerance: float, name: str) -> None:
    """Of the same shape, and everywhere as close as the largest entry allows."""
    array = found.detach().numpy() if isinstance(found, Tensor) else found
    assert array.shape == published.shape, name
    assert np.abs(array - published).max() <= tolerance * np.abs(published).max(), name


def channels_last(maps: Tensor) -> Tensor:
    """(B, K, C, H, W) -> (B, K, H, W, C)."""
    return maps.permute(0, 1, 3, 4, 2)


def test_there_are_files_to_compare_with() -> None:
    assert FILES, f"no .npz file in {DIRECTORY}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_model_made_of_published_weights_gives_the_published_results(path: Path) -> None:
    """Lambda, draws, means, masks, likelihoods and divergences of all steps, what the network was shown and answered,
    loss, gradients, training."""
    for dtype in (torch.float64, torch.float32):
        found = run(path, dtype)
        require_guesses(found)
        require_inputs(found)
        require_answers(found)
        require_loss_and_gradients(found)
    require_trained_loss(run(path, torch.float64))
    require_training(run(path, torch.float64))


def require_guesses(found: Run) -> None:
    tolerance = CLOSE[found.model.initial.dtype]
    for t, guess in enumerate(found.guesses):
        mean, variance = moments(guess.raw)
        reconstruction = (guess.masks * guess.outputs).sum(dim=1, keepdim=True)
        arrays = {
            "lambda": guess.raw, "z_loc": mean, "z_std": variance.sqrt(), "z": guess.z, "means": channels_last(guess.outputs),
            "mask_logits": channels_last(guess.logits), "masks": channels_last(guess.masks),
            "component_log_prob": channels_last(guess.components), "pixel_log_prob": guess.log_prob, "reconstruction": channels_last(reconstruction),
            "re": -guess.log_prob.sum(dim=(1, 2, 3)), "kl": divergence(mean, variance), "step_loss": guess.loss.mean(),
        }  # fmt: skip
        for name, array in arrays.items():
            require_close(array, np.asarray(found.read_published(name)[t]), tolerance, f"{name} of step {t}")
        assert torch.equal(guess.kl, arrays["kl"])


def require_inputs(found: Run) -> None:
    """In the published order, and the gradients also before their norm."""
    tolerance = CLOSE[found.model.initial.dtype]
    order = [name for name, _ in json.loads(str(found.file["spatial_channels"]))]
    for t, (images, vectors) in enumerate(found.shown):
        assert list(images) == order and list(vectors) == ["dzp", "flat_capacity", "zp"]
        for name, array in images.items():
            published = published_input(found, name, t)
            require_close(channels_last(array).expand(published.shape), published, tolerance, f"{name} of step {t}")
        for name, array in vectors.items():
            published = found.read_published("lambda" if name == "zp" else f"in/flat/{name}")[t]
            require_close(array, published, tolerance, f"{name} of step {t}")
        by_outputs, by_logits, by_raw = found.slopes[t]
        for name, array in (
            ("dcomponents", channels_last(by_outputs)),
            ("dmask", channels_last(by_logits)),
            ("dzp", by_raw),
        ):
            require_close(
                array, found.read_published(f"raw/{name}")[t], tolerance, f"{name} of step {t} before its norm"
            )
            assert array.grad_fn is None and not array.requires_grad


def published_input(found: Run, name: str, t: int) -> NDArray[Any]:
    """Some are the results of the guess, and have a float64 twin under that name alone."""
    twin = {"components": "means", "mask": "mask_logits", "pred_mask": "masks"}.get(name)
    return found.read_published(twin)[t] if twin else found.read_published(f"in/spatial/{name}")[t]


def require_answers(found: Run) -> None:
    tolerance = CLOSE[found.model.initial.dtype]
    for t, (_, features) in enumerate(found.layers["encoder"]):
        require_close(features, found.read_published("encoder_out")[t], tolerance, f"features of step {t}")
    for t, ((given, *_), (output, cell)) in enumerate(found.layers["lstm"]):
        require_close(given, found.read_published("flat_concat")[t], tolerance, f"the LSTM's input of step {t}")
        require_close(output, found.read_published("lstm_h")[t], tolerance, f"the LSTM's output of step {t}")
        require_close(cell, found.read_published("lstm_c")[t], tolerance, f"the LSTM's cell of step {t}")
    for t, ((given, _), _) in enumerate(found.layers["head"]):
        published = found.read_published("head_in")[t]
        require_close(given.view(published.shape), published, tolerance, f"the head's input of step {t}")
    batch, slots = found.guesses[0].z.shape[:2]
    first = torch.cat([image.expand(batch, slots, -1, -1, -1) for image in found.shown[0][0].values()], dim=2)
    require_close(
        channels_last(first).flatten(0, 1),
        found.file["spatial_concat"][0],
        CLOSE[torch.float32],
        "all images of the first step",
    )


def require_loss_and_gradients(found: Run) -> None:
    wide = found.model.initial.dtype == torch.float64
    assert float(found.loss.detach()) == pytest.approx(float(found.read_published("loss")), rel=1e-7 if wide else 1e-5)
    squares = 0.0
    for name, variable in published_names(found.model.sizes).items():
        gradient = found.model.get_parameter(name).grad
        assert gradient is not None, name
        squares += float(gradient.square().sum())
        if wide:
            require_close(gradient, orient(found.file[f"f64/grad/{variable}"]), 1e-7, f"the gradient of {variable}")
        else:
            assert float(gradient.norm()) == pytest.approx(float(found.file[f"gradnorm/{variable}"]), rel=1e-3), (
                variable
            )
    assert squares**0.5 == pytest.approx(float(found.read_published("global_grad_norm")), rel=1e-7 if wide else 1e-3)


def require_trained_loss(found: Run) -> None:
    """Of images as they are stored: what the file holds as floats goes past the conversion from bytes."""
    images = torch.tensor(found.file["image"], dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "physbench_baselines.iodine.frames_as_images", lambda features, dtype: features.permute(0, 1, 4, 2, 3)
        )
        losses = found.model.loss(
            {"features": images}, noise=torch.tensor(found.file["noise"], dtype=torch.float64).unbind(0)
        )
    assert float(losses.total.detach()) == pytest.approx(float(found.file["f64/loss"]), rel=1e-9)
    assert float(losses.figures["mse"]) == pytest.approx(float(found.file["f64/mse"]), rel=1e-9)
    assert float(losses.figures["bound"]) == pytest.approx(float(found.file["f64/step_loss"][-1]), rel=1e-9)
    assert float(losses.figures["kl"]) == pytest.approx(float(found.file["f64/kl"][-1].sum(axis=1).mean()), rel=1e-9)


def require_training(found: Run) -> None:
    """Three steps. The norm of gradients is cut at 5, and Adam is TensorFlow's: its epsilon stands beside the root of
    the uncorrected average."""
    model, images = make_model(found.file, torch.float64), images_of(found.file, torch.float64)
    noise = torch.tensor(found.file["noise"], dtype=torch.float64).unbind(0)
    told = json.loads(str(found.file["config"]))["optimizer"]
    averages = {name: (torch.zeros_like(weight), torch.zeros_like(weight)) for name, weight in model.named_parameters()}
    for step, (loss_before, norm_before) in enumerate(found.file["f64/train/loss_and_gradnorm"]):
        model.zero_grad()
        loss = sum(
            weight * guess.loss.mean()
            for weight, guess in zip(found.file["iter_loss_weights"], model.unroll(images, noise), strict=True)
        )
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), told["clip_global_norm"]))
        assert (float(loss.detach()), norm) == pytest.approx((loss_before, norm_before), rel=1e-6)
        rate = told["learning_rate"] * told["decay_rate"] ** (step / told["decay_steps"])
        rate *= (1 - told["beta2"] ** (step + 1)) ** 0.5 / (1 - told["beta1"] ** (step + 1))
        with torch.no_grad():
            for name, weight in model.named_parameters():
                first, second = averages[name]
                first.lerp_(weight.grad, 1 - told["beta1"])
                second.lerp_(weight.grad.square(), 1 - told["beta2"])
                weight -= rate * first / (second.sqrt() + told["eps"])
    for name, variable in published_names(model.sizes).items():
        before, after = (
            orient(found.file[f"{prefix}/{variable}"]).astype(np.float64) for prefix in ("w", "f64/train/w")
        )
        change = np.abs(after - before).max()
        assert np.abs(model.get_parameter(name).detach().numpy() - after).max() <= 1e-6 * change, variable
