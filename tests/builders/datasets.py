"""A dataset file together with the recipe that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from physbench.recipe import Recipe
from physbench.registry import datasets


@dataclass(frozen=True)
class MadeDataset:
    """A dataset file and the recipe it was made from."""

    path: Path
    recipe: Recipe


def recipe_for(
    name: str = "balls",
    *,
    training: int = 0,
    validation: int = 0,
    test: int = 0,
    frames: int | None = None,
    **parameters: object,
) -> Recipe:
    """Return a named recipe with other sizes, frames and parameters."""
    usual: Recipe = datasets.get(name)
    generator = replace(usual.generator, **parameters)  # type: ignore[type-var]
    splits = {"training": training, "validation": validation, "test": test}
    return replace(usual, generator=generator, splits=splits, frames=frames or usual.frames)
