"""Old names that users may still use: for one release they lead to the new names, with a warning."""

from __future__ import annotations

import warnings
from typing import Any


def find_renamed(module: str, names: dict[str, Any], name: str) -> Any:
    """Return what an old name of a module stands for now, with a warning; called by the module's `__getattr__`."""
    if name not in names:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    warnings.warn(f"{module}.{name} is called {names[name].__name__} now", DeprecationWarning, stacklevel=3)
    return names[name]
