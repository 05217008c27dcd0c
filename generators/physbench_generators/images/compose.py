"""Code that the worlds of images share: still images as sequences, compressed pixel arrays, and the range of the number
of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import RecipeError
from physbench.scene import Scenes, Streams
from physbench.storage.codec import compress
from physbench.storage.layout import FIELDS
from physbench.world import make_by_seed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from physbench.recipe import Recipe
    from physbench.scene import Span

    Arrays = dict[str, NDArray[Any]]

MOST_OBJECTS = 16


def require_range(n: tuple[int, int], noun: str) -> None:
    """Raise an error if an image cannot have so many objects."""
    fewest, most = n
    if not 1 <= fewest <= most <= MOST_OBJECTS:
        asked = fewest if fewest == most else f"{fewest}-{most}"
        raise RecipeError(f"n is 1 to {MOST_OBJECTS} {noun}, or a range such as 4-6, not {asked}")


def empty(names: Collection[str], sizes: Mapping[str, int]) -> Arrays:
    """Make arrays of zeros for the named fields, for one frame each and without the time axis."""
    arrays: Arrays = {}
    for name in names:
        shape = FIELDS[name].memory_shape({**sizes, "T": 1})
        arrays[name] = np.zeros((shape[0], *shape[2:]) if FIELDS[name].timed else shape, FIELDS[name].dtype)
    return arrays


def repeat_frames(arrays: Mapping[str, NDArray[Any]], frames: int) -> Scenes:
    """Turn images into sequences by repeating each one as every frame."""
    return Scenes.of(
        {
            name: np.repeat(array[:, None], frames, axis=1) if FIELDS[name].timed else array
            for name, array in arrays.items()
        }
    )


def encode_images(arrays: Mapping[str, NDArray[Any]], frames: int) -> tuple[dict[str, Streams], Scenes]:
    """Return the pixel arrays as zlib streams, and the other arrays as scenes.

    Labels and black-and-white images are written from runs.
    """
    streams: dict[str, Streams] = {}
    for name in ("features", "groups"):
        pixels, width = arrays[name], arrays[name].shape[2]
        if pixels.shape[3] == 1 and frames == 1 and width <= 256:
            from physbench_generators.images.encode import streams_of_labels

            owners = arrays["shape"].shape[1] if name == "groups" else 1
            streams[name] = streams_of_labels(pixels, owners)
        else:
            streams[name] = Streams.of([compress(np.repeat(image[None], frames, axis=0)) for image in pixels])
    return streams, repeat_frames({name: array for name, array in arrays.items() if name not in streams}, frames)


class Images:
    """The base class of worlds of images.

    Every image is drawn from its own seed, and repeated if a sequence has several frames.
    """

    def draw_images(self, seeds: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
        """Make every array of the images with these seeds, without the time axis."""
        raise NotImplementedError

    def batch(self, seeds: NDArray[np.uint64], frames: int) -> Scenes:
        """Make the image of each seed."""
        return repeat_frames(self.draw_images(seeds), frames)

    scenes = make_by_seed(batch)

    def encode(self, recipe: Recipe, span: Span) -> tuple[dict[str, Streams], Scenes]:
        """Make the images of a span, with their pixels compressed."""
        return encode_images(self.draw_images(recipe.seeds(span.split, span.start, span.stop)), recipe.frames)
