"""Contestants: models to be scored, found by their name, in a checkpoint, or in code of the user."""

import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from physbench import registry
from physbench.errors import ModelError, StorageError, UnknownName
from physbench.evaluation.signatures import require_signature
from physbench.model import Model
from physbench.suites import Suite

CHECKPOINT = "physbench_baselines.checkpoint:model"
"""The function that opens a file of weights, or the best weights in the folder of a training run, without running code
from them."""

SUFFIXES = (".pt", ".pth", ".pt2", ".safetensors", ".ckpt", ".bin", ".pkl", ".pickle")
"""The usual suffixes of files of weights. Such a file is opened, and refused with a reason if it holds no weights."""


@dataclass(frozen=True)
class ModelSource:
    """How another process comes by the same model: one of these five, and what it is given."""

    name: str | None = None
    checkpoint: str | None = None  # a file of weights or the folder of a run
    factory: str | None = None  # package.module:FACTORY
    command: str | None = None
    pickled: bytes | None = None
    device: str = "cpu"
    settings: tuple[tuple[str, float], ...] = ()
    architecture: str | None = None
    timeout: float | None = None  # of a command


@dataclass(frozen=True)
class Contestant:
    """A model to be scored, with its name."""

    model: Model
    name: str
    identity: str | None  # a text that stands for everything that decides its answers; None for code that may change
    source: ModelSource | None = None  # how another process comes by it; None for an object


def require_there(text: str) -> None:
    """Refuse a name that leads to no model, before anything large is imported."""
    path = Path(text)
    if not text or text in registry.models.names() or path.exists():
        return
    if path.suffix in SUFFIXES or os.sep in text:
        raise StorageError(f"there is no file or folder {text}: `physbench list models` lists models by name")
    if ":" not in text:
        registry.models.get(text)  # which raises an error with a suggestion


def contestant(
    text: str, *, device: str = "cpu", settings: Mapping[str, float] | None = None, architecture: str | None = None
) -> Contestant:
    """Find a model by its name, or by the path of a checkpoint or of the folder of a training run.

    settings: settings that differ from those in training. architecture: the package.module:ATTRIBUTE of the user that
    the weights belong to; it is imported and run.
    """
    path, given = Path(text), dict(settings or {})
    told = f" with {json.dumps(given, sort_keys=True)}" if given else ""
    if text and text not in registry.models.names() and (path.suffix in SUFFIXES or path.exists() or os.sep in text):
        opened = registry.attribute(CHECKPOINT)(path, device=device, settings=given, architecture=architecture)
        identity = None if opened.origin.code else f"checkpoint {opened.origin.weights_sha256}{told}"
        source = ModelSource(
            checkpoint=str(path.absolute()), device=device, settings=tuple(given.items()), architecture=architecture
        )
        return Contestant(opened, _name(path), identity, source)
    if architecture is not None:
        raise ModelError(
            f"an architecture is named for a file of weights or the folder of a run, and {text!r} is neither"
        )
    if is_own_code(text):
        raise UnknownName(f"{text!r} names no model: to use your own code, give --model {text}, or an object in Python")
    model = _build(registry.models.get(text), device, given)
    source = ModelSource(name=text, device=device, settings=tuple(given.items()))
    return Contestant(model, text, f"{text}{told}" if text in registry.models.built_in else None, source)


def is_own_code(text: str) -> bool:
    """Return whether a text is of the form package.module:FACTORY, and neither a model's name nor a path."""
    return ":" in text and text not in registry.models.names() and not Path(text).exists()


def resolve_model(
    model: Model | Contestant | str | os.PathLike[str],
    *,
    device: str = "cpu",
    settings: Mapping[str, float] | None = None,
) -> Contestant:
    """Take a model as it is, or look up a name, a checkpoint, or the folder of a training run."""
    if isinstance(model, Contestant):
        return model
    if isinstance(model, (str, os.PathLike)):
        return contestant(os.fspath(model), device=device, settings=settings)
    if settings:
        raise ModelError(
            "settings are for trained models by their name: set what you want in your own before you hand it in"
        )
    if isinstance(model, type):
        raise ModelError(f"{model.__name__} is a class: hand in a model, {model.__name__}()")
    _require_model(model)
    return Contestant(model, type(model).__name__, None)


def own_code(place: str, *, device: str = "cpu") -> Contestant:
    """Import `package.module:factory`, and run it to make a model."""
    return Contestant(
        _build(_import(place, "model", "factory"), device), place, None, ModelSource(factory=place, device=device)
    )


def own_suite(place: str) -> Suite:
    """Import the suite `package.module:SUITE`."""
    suite = _import(place, "suite", "SUITE")
    if not isinstance(suite, Suite):
        raise UnknownName(f"{place!r} leads to a {type(suite).__name__}, not a Suite of physbench.suites")
    return suite


def _import(place: str, noun: str, attribute: str) -> Any:
    """Import `module:name`. Errors inside the module are not caught, because its author needs to see them."""
    sys.path.insert(0, str(Path.cwd()))  # modules in the current folder are found, as with `python -m`
    module, _, name = place.partition(":")
    if module.endswith(".py") and name:
        raise UnknownName(
            f"{place!r} names a file: write {'.'.join(Path(module[:-3]).parts)}:{name}, from the folder that holds it"
        )
    if not name or not all(part.isidentifier() for part in module.split(".")):
        raise UnknownName(f"{place!r} does not lead to a {noun}: it is written package.module:{attribute}")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if missing := registry.describe_missing(module, error):
            raise UnknownName(f"{place!r} does not lead to a {noun}: {missing}") from None
        raise
    if not hasattr(found, name):
        raise UnknownName(f"{place!r} does not lead to a {noun}: {module} has no {name!r}")
    return getattr(found, name)


def _build(factory: Callable[..., Any], device: str, settings: Mapping[str, float] | None = None) -> Model:
    if not callable(factory):
        raise UnknownName(f"{factory!r} is no factory: a class or a function that returns a model is expected")
    try:
        takes = inspect.signature(factory).parameters.keys() & {"device", "settings"}
    except (TypeError, ValueError):
        takes = set[str]()
    if device not in ("auto", "cpu") and "device" not in takes:
        raise ModelError(f"this model has no parameter `device`, so it cannot be moved to {device}")
    if settings and "settings" not in takes:
        raise ModelError(f"there is no {next(iter(settings))!r} to set in this model: it leaves nothing open")
    model = factory(**{name: value for name, value in (("device", device), ("settings", settings)) if name in takes})
    _require_model(model)
    return model


def _require_model(model: Any) -> None:
    missing = [name for name in ("begin", "observe", "likelihood") if not hasattr(model, name)]
    if missing:
        raise ModelError(
            f"a model has begin, observe and likelihood: {type(model).__name__} lacks {', '.join(missing)}"
        )
    for name, positional in (("begin", "batch"), ("observe", "state frame action")):
        require_signature(getattr(model, name), type(model).__name__, positional=positional)


def _name(path: Path) -> str:
    if path.is_dir():
        return path.resolve().name
    return path.resolve().parent.name if path.stem in ("best", "last") else path.stem
