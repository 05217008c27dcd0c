"""The trained models that come with the package, in `checkpoints/`.

A name is that of a model, followed by the dataset that it learnt unless that is balls4mass64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from physbench_baselines.checkpoint import model
from physbench_baselines.model_card import Card
from physbench_baselines.training_stages import cost_of

if TYPE_CHECKING:
    from physbench_baselines.adapter import TorchModel

FOLDER = files(__package__ or "") / "checkpoints"


def names() -> list[str]:
    """List the names of the models that are there."""
    if not FOLDER.is_dir():
        return []
    return sorted(
        entry.name.removesuffix(".safetensors") for entry in FOLDER.iterdir() if entry.name.endswith(".safetensors")
    )


def load_bundled(name: str, *, device: str = "cpu", settings: Mapping[str, float] | None = None) -> TorchModel:
    """Load a model that comes with the package."""
    with as_file(FOLDER / f"{name}.safetensors") as path:
        loaded = model(path, device=device, settings=settings)
    loaded.origin = replace(loaded.origin, cost=cost_of(vars(card(name))))
    return loaded


def card(name: str) -> Card:
    """Read the card of a model: how it was trained, at what cost, and its scores."""
    place = FOLDER / f"{name}.json"
    return Card.from_json(place.read_text(encoding="utf-8"), place=place)


def __getattr__(name: str) -> Callable[..., TorchModel]:
    """Find a factory for each model that is there, by the model's name."""
    if name in names():
        return partial(load_bundled, name)
    raise AttributeError(f"no model that comes with the package is called {name!r}: there is {', '.join(names())}")
