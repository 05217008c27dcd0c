"""Variables of the published IODINE as a model of ours: sizes are read off their names and shapes.

What cannot be read off them is told: how many slots, refinements and images, the pixels' distribution, and what is
added to gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from physbench_baselines.iodine import Iodine
from physbench_baselines.iodine_sizes import IodineSizes

Weights = Mapping[str, NDArray[Any]]

NORMED = ("counterfactual", "dcomponents", "dmask", "dzp", "log_prob")
LSTM = "recurrent_net/lstm/lstm"


def from_published(weights: Weights, dtype: torch.dtype = torch.float32, **told: Any) -> Iodine:
    """Names as in a checkpoint, arrays as in TensorFlow: kernels H, W, in, out, dense layers in, out."""
    model = sizes_of(weights, **told).build().to(dtype)
    names = published_names(model.sizes)
    assert sorted(names.values()) == sorted(weights)
    model.load_state_dict(
        {name: torch.tensor(orient(weights[variable]), dtype=dtype) for name, variable in names.items()}
    )
    return model


def sizes_of(weights: Weights, **told: Any) -> IodineSizes:
    decoder = layers(weights, "pixel_decoder/broadcast_conv/conv_net_2d/conv_2d_{}/w")
    encoder = layers(weights, "encoder_net/cnn/conv_net_2d/conv_2d_{}/w")
    dense = layers(weights, "encoder_net/cnn/mlp/linear_{}/w")
    channels = decoder[-1].shape[-1] - 1
    lstm = weights[f"{LSTM}/b_gates"].shape[0] // 4 if f"{LSTM}/b_gates" in weights else 0
    predictor = weights.get("refinement_head/predcorr_head/mlp/linear_0/b")
    return IodineSizes(
        channels=channels,
        latent=len(weights["model/iodine/initial_sample_distribution"]) // 2,
        decoder=tuple(kernel.shape[-1] for kernel in decoder[:-1]),
        decoder_kernel=decoder[0].shape[0],
        encoder=tuple(kernel.shape[-1] for kernel in encoder),
        encoder_kernel=encoder[0].shape[0],
        dense=tuple(matrix.shape[-1] for matrix in dense),
        lstm=lstm,
        coordinates={2: "linear", 8: "cosine"}[encoder[0].shape[2] - 3 * channels - 7],
        head="residual" if predictor is None else "predictor-corrector",
        predictor=IodineSizes.predictor if predictor is None else len(predictor),
        **told,
    )


def published_names(sizes: IodineSizes) -> dict[str, str]:
    """What each parameter of an Iodine is called there."""
    names = {"initial": "model/iodine/initial_sample_distribution"}
    for name in NORMED:
        names[f"norms.{name}.gain"] = f"model/iodine/preprocess/layer_norm_{name}/gamma"
        names[f"norms.{name}.offset"] = f"model/iodine/preprocess/layer_norm_{name}/beta"
    linear = {
        f"decoder.layers.{i}": f"pixel_decoder/broadcast_conv/conv_net_2d/conv_2d_{i}"
        for i in range(len(sizes.decoder) + 1)
    }
    linear |= {f"encoder.layers.{i}": f"encoder_net/cnn/conv_net_2d/conv_2d_{i}" for i in range(len(sizes.encoder))}
    linear |= {f"encoder.dense.{i}": f"encoder_net/cnn/mlp/linear_{i}" for i in range(len(sizes.dense))}
    if sizes.head == "residual":
        linear["head.linear"] = "refinement_head/residual_head/linear"
    else:
        head = "refinement_head/predcorr_head"
        linear |= {"head.correction": f"{head}/linear", "head.gate": f"{head}/linear_1"}
        linear |= {"head.hidden": f"{head}/mlp/linear_0", "head.prediction": f"{head}/mlp/linear_1"}
    for ours, theirs in linear.items():
        names |= {f"{ours}.weight": f"{theirs}/w", f"{ours}.bias": f"{theirs}/b"}
    if sizes.lstm:
        names |= {"lstm.gates.weight": f"{LSTM}/w_gates", "lstm.gates.bias": f"{LSTM}/b_gates"}
    return names


def orient(array: NDArray[Any]) -> NDArray[Any]:
    """Outputs first, as PyTorch has it."""
    return np.ascontiguousarray(array.transpose({4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, range(array.ndim))))


def layers(weights: Weights, pattern: str) -> list[NDArray[Any]]:
    found: list[NDArray[Any]] = []
    while (name := pattern.format(len(found))) in weights:
        found.append(weights[name])
    return found
