"""Weights of the published TensorFlow code as a model: sizes, recurrence and actions are read off the names and shapes
of the variables.

What cannot be read off them is taken as published: the number of slots, the noise, and that frames are square.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from physbench.errors import ModelError
from physbench_baselines.nem import Nem
from physbench_baselines.nem_sizes import NemSizes

Weights = Mapping[str, NDArray[Any]]

CELL = "R-RNNEM"
GATES = ("input", "transform", "forget", "output")
INVADERS_NOISE, BALLS_NOISE = 0.002, 0.2


def from_published(weights: Weights) -> Nem:
    """Names as in a checkpoint (`R-RNNEM/InputWrapper1/Conv/weights`), arrays as in TensorFlow: kernels H, W, in, out,
    dense layers in, out."""
    model = sizes_of(weights).build()
    own = model.state_dict()
    loaded: dict[str, torch.Tensor] = {}
    for name, arrays in _sources(model.sizes):
        parts = [_orient(_variable(weights, array)) for array in arrays]
        wanted = own[name].shape if len(arrays) == 1 else own[name].shape[1:]
        for array, part in zip(arrays, parts, strict=True):
            if part.shape != wanted:
                raise ModelError(
                    f"{array} has shape {np.shape(weights[array])}, which does not go with the other variables"
                )
        loaded[name] = torch.from_numpy(np.stack(parts).astype(np.float32)).view(own[name].shape)
    assert loaded.keys() == own.keys()
    model.load_state_dict(loaded)
    return model


def published_name(parameter: str, sizes: NemSizes) -> tuple[str, ...]:
    """What a parameter of a Nem is called there; several names where it holds several variables."""
    return dict(_sources(sizes))[parameter]


def sizes_of(weights: Weights) -> NemSizes:
    convolutions = _count(weights, f"{CELL}/InputWrapper{{}}/Conv/weights", 1)
    if not convolutions:
        raise ModelError(
            f"there is no {CELL}/InputWrapper1/Conv/weights: these are not the variables of a published model"
        )
    kernels = [
        _variable(weights, f"{CELL}/InputWrapper{number}/Conv/weights", 4) for number in range(1, convolutions + 1)
    ]
    channels = tuple(kernel.shape[3] for kernel in kernels)
    features, dense = _variable(weights, f"{CELL}/InputWrapper{convolutions + 2}/fully_connected/weights", 2).shape
    strided = kernels[0].shape[0] == 8
    size = 84 if strided else math.isqrt(features // max(channels[-1], 1)) * 2**convolutions
    recurrence, acting = _recurrence(weights)
    actions, attention, embedding = NemSizes.actions, NemSizes.attention, NemSizes.embedding
    if acting:
        actions, embedding = _variable(weights, f"{CELL}/NPE/fully_connected/weights", 2).shape
    if recurrence == "r-nem":
        attention = _variable(weights, f"{CELL}/NPE/{_number('fully_connected', 3 + acting)}/weights", 2).shape[1]
    return NemSizes(
        recurrence,
        slots=1 if recurrence == "lstm" else NemSizes.slots,
        height=size,
        width=size,
        channels=channels,
        dense=dense,
        hidden=_variable(weights, f"{CELL}/OutputWrapper0/fully_connected/weights", 2).shape[0],
        attention=attention,
        actions=actions,
        embedding=embedding,
        noise=INVADERS_NOISE if strided else BALLS_NOISE,
    )


def _recurrence(weights: Weights) -> tuple[str, bool]:
    """The relational layers are numbered in the order of their use: the embedding of actions, if there is one, and the
    two of attention come between."""
    if f"{CELL}/basic_rnn_cell/kernel" in weights:
        return "rnn", False
    if f"{CELL}/layer_norm_basic_lstm_cell/kernel" in weights:
        return "lstm", False
    layers = 1 + _count(weights, f"{CELL}/NPE/fully_connected_{{}}/weights", 1)
    kinds = {4: ("r-nem-no-attention", False), 5: ("r-nem-no-attention", True), 6: ("r-nem", False), 7: ("r-nem", True)}
    if layers not in kinds:
        raise ModelError(
            "a published recurrence is a basic_rnn_cell, a layer_norm_basic_lstm_cell or 4 to 7 layers"
            f" NPE/fully_connected, not {layers} of them"
        )
    return kinds[layers]


def _sources(sizes: NemSizes) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every parameter of a Nem and what it is made of."""
    convolutions = len(sizes.channels)
    for number in range(convolutions):
        yield from _layer(f"encoder.convolutions.{3 * number}", f"InputWrapper{number + 1}/Conv")
        yield from _norm(f"encoder.convolutions.{3 * number + 1}", f"LayerNormI{number + 1}/LayerNorm")
    yield from _layer("encoder.dense.linear", f"InputWrapper{convolutions + 2}/fully_connected")
    yield from _norm("encoder.dense.norm", f"LayerNormI{convolutions + 2}/LayerNorm")
    if sizes.recurrence == "lstm":
        cell = f"{CELL}/layer_norm_basic_lstm_cell"
        yield "recurrence.linear.weight", (f"{cell}/kernel",)
        yield "recurrence.gain", tuple(f"{cell}/{gate}/gamma" for gate in GATES)
        yield "recurrence.offset", tuple(f"{cell}/{gate}/beta" for gate in GATES)
        yield from _norm("recurrence.norm", "layer_norm_basic_lstm_cell/state")
    else:
        yield from _norm("recurrence.norm", "LayerNormR0/LayerNorm")
        if sizes.recurrence == "rnn":
            yield "recurrence.linear.weight", (f"{CELL}/basic_rnn_cell/kernel",)
            yield "recurrence.linear.bias", (f"{CELL}/basic_rnn_cell/bias",)
        else:
            yield from _relational(sizes)
    for number in range(2):
        yield from _layer(f"decoder.dense.{number}.linear", f"OutputWrapper{number}/fully_connected")
        yield from _norm(f"decoder.dense.{number}.norm", f"LayerNormO{number}/LayerNorm")
    for number, (large, small) in enumerate(zip(sizes.grown, [sizes.first[:2], *sizes.grown], strict=False)):
        whole = large[0] % small[0] == 0
        yield from _layer(
            f"decoder.growths.{3 * number}{'' if whole else '.convolution'}", f"OutputWrapper{number + 3}/Conv"
        )
        if number + 1 < convolutions:
            yield from _norm(f"decoder.growths.{3 * number + 1}", f"LayerNormO{number + 3}/LayerNorm")


def _relational(sizes: NemSizes) -> Iterator[tuple[str, tuple[str, ...]]]:
    dense = ["act"] * bool(sizes.actions) + ["enc", "emb", "eff"] + ["att.0"] * (sizes.recurrence == "r-nem")
    for number, name in enumerate(dense):
        linear, norm = ("emb", "emb_norm") if name == "emb" else (f"{name}.linear", f"{name}.norm")
        yield from _layer(f"recurrence.{linear}", f"NPE/{_number('fully_connected', number)}")
        yield from _norm(f"recurrence.{norm}", f"NPE/{_number('LayerNorm', number)}")
    last = ["att.1"] * (sizes.recurrence == "r-nem") + ["linear"]
    for number, name in enumerate(last, len(dense)):
        yield from _layer(f"recurrence.{name}", f"NPE/{_number('fully_connected', number)}")


def _layer(name: str, source: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield f"{name}.weight", (f"{CELL}/{source}/weights",)
    yield f"{name}.bias", (f"{CELL}/{source}/biases",)


def _norm(name: str, source: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield f"{name}.gain", (f"{CELL}/{source}/gamma",)
    yield f"{name}.offset", (f"{CELL}/{source}/beta",)


def _orient(array: NDArray[Any]) -> NDArray[Any]:
    """Outputs first, as PyTorch has it."""
    return array.transpose({4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, range(array.ndim)))


def _variable(weights: Weights, name: str, axes: int | None = None) -> NDArray[Any]:
    if name not in weights:
        raise ModelError(f"the variable {name} is missing")
    array = np.asarray(weights[name])
    if array.dtype.kind != "f" or (axes is not None and array.ndim != axes):
        raise ModelError(
            f"{name} is {array.ndim}-dimensional of type {array.dtype}, not"
            f" {'floating-point' if axes is None else f'of {axes} dimensions'}"
        )
    return array


def _number(name: str, number: int) -> str:
    """TensorFlow numbers a name from its second use on."""
    return f"{name}_{number}" if number else name


def _count(weights: Weights, pattern: str, first: int) -> int:
    number = first
    while pattern.format(number) in weights:
        number += 1
    return number - first
