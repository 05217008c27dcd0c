"""The weights of the published SQAIR under our names, and its draws as ours: what a comparison needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physbench_baselines.sqair import Sqair
from physbench_baselines.sqair_inference import Draws
from physbench_baselines.sqair_sizes import SqairSizes

Arrays = dict[str, NDArray[Any]]

SPIRAL = {(0, 0): 4, (1, 0): 8, (1, 1): 9, (2, 0): 7, (2, 1): 6, (2, 2): 5, (3, 0): 3, (3, 1): 2, (3, 2): 1, (3, 3): 0}
"""Where each of ten numbers stands in a triangle."""

LAYERS = {
    "discovery.encoder.0": "discovery/discovery_core/encoder/mlp/linear",
    "discovery.encoder.2": "discovery/discovery_core/encoder/mlp/linear_1",
    "eye.encoder.0": "discovery/discovery_core/encoder_1/mlp/linear",
    "eye.encoder.2": "discovery/discovery_core/encoder_1/mlp/linear_1",
    "eye.head.linear": "discovery/discovery_core/air_encoder/gaussian_from_param_vec/linear",
    "propagation.mask.0": "discovery/discovery_core/air_encoder/mlp/linear",
    "propagation.mask.2": "discovery/discovery_core/air_encoder/mlp/linear_1",
    "eye.decoder.0": "decoder/air_decoder/decoder/mlp/linear",
    "eye.decoder.2": "decoder/air_decoder/decoder/mlp/linear_1",
    "eye.decoder.4": "decoder/air_decoder/decoder/mlp/linear_2",
    "discovery.rnn.inputs": "discovery/vanilla_rnn/in_to_hidden",
    "discovery.rnn.hidden": "discovery/vanilla_rnn/hidden_to_hidden",
    "discovery.where.0": "discovery/discovery_core/stochastic_transform_param/mlp/linear",
    "discovery.where.2": "discovery/discovery_core/stochastic_transform_param/mlp/linear_1",
    "discovery.where.4": "discovery/discovery_core/stochastic_transform_param/mlp/linear_2",
    "discovery.presence.0": "discovery/discovery_core/steps_predictor/mlp/linear",
    "discovery.presence.2": "discovery/discovery_core/steps_predictor/mlp/linear_1",
    "number_prior.mlp.0": "discovery/discover/mlp/linear",
    "number_prior.mlp.2": "discovery/discover/mlp/linear_1",
    "where_prior.start": "discovery/discover/recurrent_normal_impl/linear_1",
    "where_prior.inputs": "discovery/discover/recurrent_normal_impl/vanilla_rnn/in_to_hidden",
    "where_prior.hidden": "discovery/discover/recurrent_normal_impl/vanilla_rnn/hidden_to_hidden",
    "where_prior.readout": "discovery/discover/recurrent_normal_impl/linear",
    "propagation.proposal.0": "propagation/propagation_core/rnn_inpt/mlp/linear",
    "propagation.proposal.2": "propagation/propagation_core/rnn_inpt/mlp/linear_1",
    "propagation.rnn.inputs": "propagation/vanilla_rnn/in_to_hidden",
    "propagation.rnn.hidden": "propagation/vanilla_rnn/hidden_to_hidden",
    "propagation.where.0": "propagation/propagation_core/stochastic_transform_param/mlp/linear",
    "propagation.where.2": "propagation/propagation_core/stochastic_transform_param/mlp/linear_1",
    "propagation.where.4": "propagation/propagation_core/stochastic_transform_param/mlp/linear_2",
    "propagation.head.linear": "propagation/propagation_core/what/gaussian_from_param_vec/linear",
    "propagation.gates.0": "propagation/propagation_core/what/linear",
    "propagation.presence.0": "propagation/propagation_core/steps_predictor/mlp/linear",
    "propagation.presence.2": "propagation/propagation_core/steps_predictor/mlp/linear_1",
    "propagation_prior.readout": "propagation/propagate_prior/linear",
    "context.0": "sequence/sequential_air/sqair_timestep/mlp/linear",
    "context.2": "sequence/sequential_air/sqair_timestep/mlp/linear_1",
}
"""Ours with weight and bias: theirs with w and b."""

ARRAYS = {
    "eye.output_scale": "decoder/air_decoder/decoder/output_scale",
    "discovery.offset": "discovery/discovery_core/stochastic_transform_param/scale_offset",
    "discovery.rnn.initial": "discovery/discover/discovery/vanilla_rnn_initial_state_0/w",
    "number_prior.offset": "model/sequential_air/while/sqair_timestep/discover/step_prior_bias",
    "number_prior.later": "model/sequential_air/while/sqair_timestep/discover/step_prior_timestep_bias",
    "where_prior.first": "discovery/discover/recurrent_normal_impl/init_sample",
    "where_prior.initial": (
        "discovery/discover/recurrent_normal_impl/discovery/discover/recurrent_normal_impl/vanilla_rnn_initial_state_0/w"
    ),
    "propagation.offset": "propagation/propagation_core/stochastic_transform_param/scale_offset",
    "propagation.rnn.initial": "propagation/sequential_ssm/propagation/vanilla_rnn_initial_state_0/w",
    "propagation.gru.initial": "sequence/sequential_air/propagation/gru_initial_state_0/w",
    "propagation_prior.gru.initial": "sequence/sequential_air/propagation/gru_1_initial_state_0/w",
    "mean_image": "decoder/air_decoder/Variable",
}
"""As they are, but for axes of one."""

CELLS = {"propagation.gru": "propagation/gru", "propagation_prior.gru": "propagation/gru_1"}


def from_published(file: Arrays, dtype: torch.dtype) -> Sqair:
    """Make a model of the weights of a file."""
    config = {name.removeprefix("config/"): file[name].item() for name in file if name.startswith("config/")}
    sizes = SqairSizes(
        side=config["img_size"],
        slots=config["n_steps"],
        what=config["n_what"],
        hidden=config["n_hidden"],
        presence_hidden=config["n_hidden"] // 2,
        glimpse=config["glimpse_size"],
        particles=config["k_particles"],
        sigma=config["output_std"],
        mean_image=True,
        form="code",
    )
    model = sizes.build()
    state = model.state_dict()
    ours = rename(
        {name[2:]: array for name, array in file.items() if name.startswith("w/")},
        lambda name: tuple(state[name].shape),
    )
    assert set(ours) == set(state)
    model.load_state_dict(ours)
    return model.to(dtype)


def rename(theirs: Arrays, shape: Any) -> dict[str, Tensor]:
    """Arrays of the published variables, weights or gradients of them, under our names and in our shapes."""
    ours: dict[str, Tensor] = {}
    for name, layer in LAYERS.items():
        ours[f"{name}.weight"] = torch.tensor(theirs[f"{layer}/w"]).T
        ours[f"{name}.bias"] = torch.tensor(theirs[f"{layer}/b"])
    for name, variable in ARRAYS.items():
        ours[name] = torch.tensor(theirs[variable]).reshape(shape(name))
    for name, cell in CELLS.items():
        ours[f"{name}.inputs.weight"] = torch.cat([torch.tensor(theirs[f"{cell}/w{gate}"]).T for gate in "zrh"])
        ours[f"{name}.inputs.bias"] = torch.cat([torch.tensor(theirs[f"{cell}/b{gate}"]) for gate in "zrh"])
        ours[f"{name}.gates.weight"] = torch.cat([torch.tensor(theirs[f"{cell}/u{gate}"]).T for gate in "zr"])
        ours[f"{name}.candidate.weight"] = torch.tensor(theirs[f"{cell}/uh"]).T
    triangle = torch.zeros(4, 4, dtype=ours["mean_image"].dtype)
    for place, number in SPIRAL.items():
        triangle[place] = float(theirs["propagation/propagation_core/affine_diag_normal/cholesky_scale"][number])
    return {**ours, "propagation.cholesky": triangle}


def draws_of(file: Arrays, t: int, dtype: torch.dtype) -> Draws:
    """What was drawn at a step: uniform numbers that give the same presences."""
    both = {
        name: np.concatenate([file[f"prop/{name}"][t], file[f"disc/{name}"][t]], axis=1)
        for name in ("eps_where", "eps_what", "presence")
    }
    return Draws(
        *(torch.tensor(array).to(dtype) for array in (both["eps_where"], both["eps_what"], 1 - both["presence"]))
    )
