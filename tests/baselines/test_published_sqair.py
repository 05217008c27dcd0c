"""Weights, images and draws of the published TensorFlow code: a model made of the weights gives what that code
computed.

Every file of tests/golden/sqair holds one small instance with random weights. PHYSBENCH_SQAIR_REFERENCES names another
directory of such files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from physbench_baselines.rmsprop import TensorFlowRmsProp
from physbench_baselines.sqair import ExplainedFrame, Objects, Sqair
from physbench_baselines.sqair_bound import baseline, evidence, number_probabilities
from tests.oracles.published_sqair import Arrays, draws_of, from_published, rename

DIRECTORY = Path(os.environ.get("PHYSBENCH_SQAIR_REFERENCES") or Path(__file__).parents[1] / "golden" / "sqair")
FILES = sorted(DIRECTORY.glob("sqair*.npz"))

CLOSE = 1e-4
"""Of the largest entry of an array."""

TERMS = {
    "q_old_where": "prop_logq/where", "q_old_what": "prop_logq/what", "q_old_presence": "prop_logq/presence", "p_old_where": "prop_logp/where",
    "p_old_what": "prop_logp/what", "p_old_presence": "prop_logp/presence", "q_new_where": "disc_logq/where", "q_new_what": "disc_logq/what",
    "q_number": "disc_logq/number", "p_new_where": "disc_logp/where", "p_new_what": "disc_logp/what", "p_number": "disc_logp/number",
}  # fmt: skip
"""Ours are sums over slots."""


def require_close(ours: Tensor, published: NDArray[Any], name: str, tolerance: float = CLOSE) -> None:
    array = ours.detach().double().numpy()
    assert array.shape == published.shape, name
    assert np.abs(array - published).max() <= tolerance * max(np.abs(published).max(), 1e-9), name


def rows_of(file: Arrays, model: Sqair, dtype: torch.dtype) -> Tensor:
    """Frames (T, R, L, L)."""
    return torch.tensor(file["obs"]).to(dtype).repeat_interleave(model.sizes.particles, dim=1)


def first(model: Sqair, rows: int) -> tuple[Objects, Tensor]:
    z = model.nothing(rows, model.sizes.slots)
    return z, z.presence.new_full((rows,), -1.0)


def require_step(model: Sqair, before: Objects, step: ExplainedFrame, highest: Tensor, file: Arrays, t: int) -> None:
    """Distributions, priors, densities, bookkeeping and canvas of one frame. What absent objects carry along is not
    compared: it touches nothing."""
    there, after = torch.tensor(file["prev/presence"][t]), torch.tensor(file["step/presence"][t])
    expected, _, _ = model.expect(before)
    for ours, name in (
        (expected.where[0], "prop_prior/where_loc"),
        (expected.where[1], "prop_prior/where_scale"),
        (expected.what[0], "prop_prior/what_loc"),
        (expected.what[1], "prop_prior/what_scale"),
        (expected.state, "prop_prior/state"),
    ):
        require_close(ours * there[..., None], file[name][t] * there[..., None].numpy(), f"{name} at {t}")
    require_close(expected.logit, file["prop_prior/presence_logit"][t], f"prior presence at {t}")
    kept = {
        "what": step.objects.what,
        "where": step.objects.where,
        "temporal_state": step.objects.temporal,
        "prior_state": step.objects.prior,
    }
    for name, ours in kept.items():
        require_close(ours * after[..., None], file[f"step/{name}"][t] * after[..., None].numpy(), f"{name} at {t}")
    for ours, name in (
        (step.objects.presence, "presence"), (step.objects.identity, "ids"), (highest, "highest_id"), (step.canvas, "canvas"),
    ):  # fmt: skip
        require_close(ours, file[f"step/{name}"][t], f"{name} at {t}")
    require_close(step.likelihood, file["step/data_ll"][t], f"likelihood at {t}")
    if "step/log_q" not in file:
        return
    for ours, theirs in TERMS.items():
        published = file[theirs][t]
        require_close(step.terms[ours], published.sum(axis=1) if published.ndim == 2 else published, f"{theirs} at {t}")
    for ours, name in (
        (step.log_q, "log_q"),
        (step.log_p, "log_p"),
        (step.discrete, "discrete_log_q"),
        (step.log_q - step.log_p, "kl"),
    ):
        require_close(ours, file[f"step/{name}"][t], f"{name} at {t}")
    require_close(model.cover(step.objects), file["step/written_mask"][t], f"written mask at {t}", 2e-4)
    logits = torch.tensor(file["disc/presence_logit"][t])
    require_close(number_probabilities(logits), file["disc/num_steps_prob"][t], f"number of discoveries at {t}")


def follow_published(model: Sqair, file: Arrays, dtype: torch.dtype) -> None:
    """Every frame; from a certain one on objects are those that the published prior drew."""
    frames, after = rows_of(file, model, dtype), int(file.get("config/generate_after", np.array(10**6)))
    z, highest = first(model, frames.shape[1])
    for t, images in enumerate(frames):
        if t <= after:
            before = z
            step, highest = model.step(z, highest, images, draws_of(file, t, dtype), first=t == 0)
            z = step.objects
            require_step(model, before, step, highest, file, t)
            continue
        there = torch.tensor(file["prev/presence"][t]).to(dtype)
        expected, _, _ = model.expect(z)
        drawn = {
            name: torch.tensor(file[f"prior_sample/{name}"][t]).to(dtype) for name in ("where", "what", "presence")
        }
        normal = torch.cat(
            [
                (drawn[name] - loc) / scale
                for name, (loc, scale) in (("where", expected.where), ("what", expected.what))
            ],
            dim=-1,
        )
        z = model.follow(z, normal, lambda logit, drawn=drawn: drawn["presence"])
        assert torch.equal(z.presence, drawn["presence"] * there)
        order = z.presence.argsort(dim=1, descending=True, stable=True)
        z = Objects(
            *(
                each.gather(1, order) if each.ndim == 2 else each.gather(1, order[..., None].expand_as(each))
                for each in z
            )
        )
        for name, ours in (
            ("presence", z.presence),
            ("ids", z.identity),
            ("canvas", model.render(z, (images.shape[1], images.shape[2]))),
        ):
            require_close(ours, file[f"step/{name}"][t], f"{name} at {t}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_model_made_of_published_weights_gives_the_published_results(path: Path) -> None:
    """Distributions, priors, canvas, log weights, bounds, learning signal, loss and gradients; or what the prior
    generates."""
    with np.load(path) as archive:
        file = {name: archive[name] for name in archive.files}
    for dtype in (torch.float64, torch.float32):
        model = from_published(file, dtype)
        with torch.no_grad():
            follow_published(model, file, dtype)
    if "loss" in file:
        require_objective(file)


def gradients_of(file: Arrays, dtype: torch.dtype) -> dict[str, Tensor]:
    """Loss and bound are held to the published ones on the way."""
    model = from_published(file, dtype)
    frames = torch.tensor(file["obs"]).transpose(0, 1)[..., None]
    losses = model.loss({"features": frames}, draws=[draws_of(file, t, dtype) for t in range(len(file["obs"]))])
    require_close(losses.total, file["loss"], "loss", 1e-5)
    require_close(losses.figures["bound"], file["normalised_elbo_iwae"], "bound per frame", 1e-5)
    losses.total.backward()
    return {name: parameter.grad.double() for name, parameter in model.named_parameters() if parameter.grad is not None}


def require_objective(file: Arrays) -> None:
    weights = torch.tensor(file["log_weights"])
    require_close(evidence(weights), file["elbo_iwae_per_example"], "bound", 1e-6)
    require_close(baseline(weights), file["control_variate"], "baseline", 1e-6)
    require_close(weights - baseline(weights), file["learning_signal"], "learning signal", 1e-6)
    exact, rounded = (gradients_of(file, dtype) for dtype in (torch.float64, torch.float32))
    given = {name[5:]: array for name, array in file.items() if name.startswith("grad/")}
    assert len(given) > 100
    published = {name[2:]: np.zeros_like(array) for name, array in file.items() if name.startswith("w/")} | given
    for name, theirs in rename(published, lambda name: tuple(exact[name].shape)).items():
        ours = exact[name].tril() if name.endswith("cholesky") else exact[name]
        require_close(ours, theirs.numpy(), f"gradient of {name}")
        require_close(
            rounded[name], exact[name].numpy(), f"gradient of {name} in float32"
        )  # the published one is rounded, too


def test_there_are_files_to_compare_with() -> None:
    assert FILES, f"no .npz file in {DIRECTORY}"


def test_rmsprop_steps_as_tensorflow_does() -> None:
    with np.load(Path(__file__).parents[1] / "golden" / "sqair" / "rmsprop_tf.npz") as file:
        weight = torch.nn.Parameter(torch.tensor(file["w0"]))
        optimizer = TensorFlowRmsProp([weight], float(file["lr"]), momentum=0.9)
        for gradient, after in zip(file["g"], file["w"], strict=True):
            weight.grad = torch.tensor(gradient)
            optimizer.step()
            assert np.allclose(weight.detach().numpy(), after, rtol=1e-6, atol=1e-9)
