"""Tests of training recipes: optimisers are torch's own, schedules follow their formulas, and a batch in parts is a
batch."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from itertools import islice
from typing import Any

import pytest
import torch

from physbench.errors import TrainingError
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.sources import source_of
from physbench_baselines.training.step import OPTIMIZERS, Stepper
from physbench_baselines.training.training_recipe import TrainingRecipe
from tests.baselines.toy import MODEL

CPU = torch.device("cpu")


def recipe(**changed: Any) -> TrainingRecipe:
    return replace(TrainingRecipe(model=MODEL, batch=6, frames=(3,), precision="fp32", sizes={"noise": 0.0}), **changed)


def batches(count: int) -> list[dict[str, torch.Tensor]]:
    source = source_of(recipe())
    return [
        {"features": torch.from_numpy(batch["features"].copy())}
        for batch in islice(source.batches(0, wants=("features",), workers=0), count)
    ]


BATCHES = 3


@pytest.mark.parametrize(
    ("changed", "other"),
    [
        (
            {"optimizer": "adam", "betas": (0.5, 0.75), "epsilon": 1e-3, "weight_decay": 0.25},
            lambda weights: torch.optim.Adam(weights, lr=0.01, betas=(0.5, 0.75), eps=1e-3, weight_decay=0.25),
        ),
        (
            {"optimizer": "adamw", "weight_decay": 0.25},
            lambda weights: torch.optim.AdamW(weights, lr=0.01, weight_decay=0.25),
        ),
        ({"optimizer": "rmsprop"}, lambda weights: torch.optim.RMSprop(weights, lr=0.01)),
        (
            {"optimizer": "rmsprop", "smoothing": 0.9, "momentum": 0.5, "epsilon": 1e-2},
            lambda weights: torch.optim.RMSprop(weights, lr=0.01, alpha=0.9, momentum=0.5, eps=1e-2),
        ),
        ({"optimizer": "sgd"}, lambda weights: torch.optim.SGD(weights, lr=0.01)),
        (
            {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
            lambda weights: torch.optim.SGD(weights, lr=0.01, momentum=0.9, weight_decay=0.1),
        ),
    ],
)
def test_an_optimiser_is_that_of_torch(changed: dict[str, Any], other: Any) -> None:
    """From the first step on, although its memory is laid out before it; its learning rate falls as it is told."""
    wanted = recipe(learning_rate=0.5, **changed)
    stepper = Stepper(network_of(wanted), wanted, device=CPU, graphs=True)
    beside = network_of(wanted)
    theirs = other(beside.parameters())
    for step, batch in enumerate(batches(BATCHES)):
        rate = 1e-5 / (step + 1)
        stepper.take(batch, step=step, learning_rate=rate)
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.zero_grad()
        beside.loss(batch, generator=torch.Generator(), share=0.0).total.backward()  # type: ignore[operator]
        theirs.step()
    started = network_of(wanted)
    for weight, expected, before in zip(
        stepper.network.parameters(), beside.parameters(), started.parameters(), strict=True
    ):
        torch.testing.assert_close(weight - before, expected - before, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_goes_on_where_it_was(name: str) -> None:
    wanted, parts = recipe(optimizer=name, momentum=0.5, weight_decay=0.01), batches(BATCHES)
    whole, cut, resumed = (Stepper(network_of(wanted), wanted, device=CPU, graphs=True) for _ in range(3))
    for step, batch in enumerate(parts):
        whole.take(batch, step=step, learning_rate=1e-4)
    cut.take(parts[0], step=0, learning_rate=1e-4)
    resumed.restore(cut.state())
    for step, batch in enumerate(parts[1:], start=1):
        resumed.take(batch, step=step, learning_rate=1e-4)
    assert all(
        torch.equal(ours, theirs)
        for ours, theirs in zip(resumed.network.parameters(), whole.network.parameters(), strict=True)
    )


@pytest.mark.parametrize("parts", [2, 3, 4, 6])
def test_a_batch_in_parts_is_the_same_step(parts: int) -> None:
    """Also in parts of different sizes, and with a limit on the gradient of all of them."""
    whole, accumulated = (
        recipe(optimizer="sgd", gradient_limit=10.0),
        recipe(optimizer="sgd", gradient_limit=10.0, accumulate=parts),
    )
    ours, theirs = (Stepper(network_of(each), each, device=CPU, graphs=True) for each in (accumulated, whole))
    started = network_of(whole)
    for step, batch in enumerate(batches(BATCHES)):
        found, expected = (stepper.take(batch, step=step, learning_rate=1e-2) for stepper in (ours, theirs))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    for weight, expected, before in zip(
        ours.network.parameters(), theirs.network.parameters(), started.parameters(), strict=True
    ):
        torch.testing.assert_close(weight - before, expected - before, rtol=1e-3, atol=1e-7)


def rates(wanted: TrainingRecipe, steps: int) -> list[float]:
    return [wanted.learning_rate_at(step, step / steps) for step in range(steps + 1)]


def list_rates(make: Any, steps: int) -> list[float]:
    """As a scheduler of torch has it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
    scheduler, found = make(optimizer), []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("changed", "make"),
    [
        ({}, lambda optimizer: torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)),
        ({"decay": 1.0}, lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=20)),
        (
            {"schedule": "cosine", "decay": 1.0},
            lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20),
        ),
        (
            {"schedule": "exponential", "decay_rate": 0.5, "decay_steps": 4},
            lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5 ** (1 / 4)),
        ),
    ],
)
def test_a_schedule_is_that_of_torch(changed: dict[str, Any], make: Any) -> None:
    assert rates(recipe(learning_rate=0.8, **changed), 20) == pytest.approx(list_rates(make, 20), abs=1e-12)


def test_a_rate_stays_until_its_last_share_and_rises_first() -> None:
    cosine = recipe(learning_rate=1.0, schedule="cosine", decay=0.5, warm_up=4)
    assert rates(cosine, 8) == pytest.approx(
        [0.25, 0.5, 0.75, 1, 1, *((1 + math.cos(math.pi * part / 4)) / 2 for part in (1, 2, 3, 4))]
    )
    assert (
        cosine.needs_an_end and not recipe(schedule="exponential", decay=0.5).needs_an_end and not recipe().needs_an_end
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"optimizer": "adagrad"}, "optimizer is one of adam, adamw, rmsprop, sgd, not 'adagrad'"),
        ({"betas": (0.9,)}, "betas is 2 values"),
        ({"betas": (0.9, 1.0)}, "betas is 2 values"),
        ({"momentum": -0.1}, "momentum is a number from 0 and below 1, not -0.1"),
        ({"learning_rate": 0}, "learning rate is a number above 0, not 0"),
        ({"accumulate": 7}, "a batch of 6 sequences cannot be taken in 7 parts: give fewer"),
        ({"schedule": "cosine"}, "decay is 0: give a decay, 1 for the whole run"),
        ({"data": ""}, "data is a name, not ''"),
        ({"sizes": [3]}, r"sizes is an object of names and values, not \[3\]"),
        ({"seed": True}, "seed is a whole number"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_with_the_value(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        recipe(**changed)


def test_an_older_recipe_is_read() -> None:
    """Slots and noise were fields of their own, and there was Adam alone."""
    older = (
        '{"model": "r-nem", "sizes": {"hidden": 20}, "slots": 8, "noise": null, "learning_rate": 0.0007, "frames": [12,'
        ' 20], "decay": 0.3}'
    )
    assert TrainingRecipe.from_json(older) == TrainingRecipe(
        model="r-nem",
        sizes={"hidden": 20, "slots": 8},
        learning_rate=0.0007,
        frames=(12, 20),
        decay=0.3,
        optimizer="adam",
    )


def test_a_recipe_comes_back_as_it_was() -> None:
    wanted = recipe(betas=(0.5, 0.9), schedule="cosine", decay=0.25, sizes={"channels": [4]}, frames=(1, 4))
    assert TrainingRecipe.from_json(wanted.to_json()) == wanted
    assert json.loads(wanted.to_json()).keys() == {item.name for item in fields(TrainingRecipe)}
