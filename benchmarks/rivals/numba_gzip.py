"""The scenes of physbench, drawn as pixels, for h5py to compress: the benefit of the exact motion and the compiled
drawing without the fast writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from physbench.recipe import Recipe
    from physbench.scene import Scenes

AT_ONCE = 16


def scenes(recipe: Recipe, count: int) -> Iterator[Scenes]:
    """Yield the first training sequences of a recipe."""
    for start in range(0, count, AT_ONCE):
        yield recipe.scenes("training", start, min(start + AT_ONCE, count))
