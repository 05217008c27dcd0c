"""Datasets with exact ground truth, and one evaluator, for models that learn physics from pixels.

`physbench.generate("balls", "mine.h5", n=(6, 8), train=1000)`, `physbench.open("mine.h5")["test"][17]`,
`physbench.stream("balls4mass64")`, `physbench.verify("mine.h5")`, `physbench.evaluate("r-nem", suite="balls")`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physbench.errors import PhysbenchError
    from physbench.evaluation.evaluate import evaluate
    from physbench.generate import generate
    from physbench.recipe import Recipe
    from physbench.shards import generate_shards, join_shards
    from physbench.storage.reader import open_dataset as open
    from physbench.storage.verify import verify
    from physbench.stream import stream

__version__ = "0.1.0"
__all__ = [
    "PhysbenchError",
    "Recipe",
    "__version__",
    "evaluate",
    "generate",
    "generate_shards",
    "join_shards",
    "open",
    "stream",
    "verify",
]

_HOMES = {
    "PhysbenchError": "physbench.errors:PhysbenchError",
    "Recipe": "physbench.recipe:Recipe",
    "evaluate": "physbench.evaluation.evaluate:evaluate",
    "generate": "physbench.generate:generate",
    "generate_shards": "physbench.shards:generate_shards",
    "join_shards": "physbench.shards:join_shards",
    "open": "physbench.storage.reader:open_dataset",
    "stream": "physbench.stream:stream",
    "verify": "physbench.storage.verify:verify",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that `import physbench` itself is fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'physbench' has no attribute {name!r}")
    module, attribute = _HOMES[name].split(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """The type of this package: importing the module `physbench.generate` does not replace the function `generate`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
