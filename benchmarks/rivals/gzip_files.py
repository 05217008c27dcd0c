"""HDF5 files written with h5py alone: gzip 4, one sequence per chunk, with the arrays and names of a dataset file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from physbench.scene import Scenes, join_scenes
from physbench.storage.block import layout_for, lengths_of
from physbench.storage.layout import time_first

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from physbench.recipe import Recipe

LEVEL = 4


def write(path: Path, recipe: Recipe, count: int, scenes: Iterable[Scenes]) -> None:
    """Write `count` sequences into the training split: pixels as they come, everything else at the end."""
    layout, sizes = layout_for(recipe), {**lengths_of(recipe), "N": count}
    kept: list[Scenes] = []
    with h5py.File(path, "w") as file:
        training = file.create_group("training")
        for field in layout.pixels:
            training.create_dataset(
                field.name,
                field.shape(sizes),
                field.dtype,
                chunks=field.chunk(sizes, 1),
                compression="gzip",
                compression_opts=LEVEL,
            )
        done = 0
        for some in scenes:
            arrays = some.arrays()
            for field in layout.pixels:
                for i, sequence in enumerate(arrays[field.name]):
                    training[field.name][:, done + i] = sequence
            done += len(some)
            kept.append(Scenes(truth={field.name: arrays[field.name] for field in layout.states}, events=some.events))
        rest = join_scenes(kept)
        for field in layout.states:
            training.create_dataset(field.name, data=time_first(field, rest.truth[field.name]))
        events = training.create_group("events")
        events["offset"] = rest.events["offset"]
        events["sequence"] = np.repeat(np.arange(len(rest), dtype=np.uint32), np.diff(rest.events["offset"]))
        for field in layout.columns:
            events[field.name] = rest.events[field.name]
