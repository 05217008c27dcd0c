"""An HDF5 file as h5py makes it: gzip 4, one sequence per chunk, the arrays and places of the dataset contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from physbench.scene import Scenes
from physbench.storage.layout import EVENTS, PIXELS, STATES, time_first

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from physbench.recipe import Recipe

LEVEL = 4


def write(path: Path, recipe: Recipe, count: int, scenes: Iterable[Scenes]) -> None:
    """`count` sequences into the training split. Pixels go out as they come, the rest at the end."""
    height, width, channels = recipe.generator.shape
    sizes = {"T": recipe.frames, "N": count, "H": height, "W": width, "C": channels}
    kept: list[Scenes] = []
    with h5py.File(path, "w") as file:
        training = file.create_group("training")
        for field in PIXELS:
            training.create_dataset(field.name, field.shape(sizes), field.dtype, chunks=field.chunk(sizes, 1), compression="gzip", compression_opts=LEVEL)
        done = 0
        for some in scenes:
            arrays = some.arrays()
            for field in PIXELS:
                for i, sequence in enumerate(arrays[field.name]):
                    training[field.name][:, done + i] = sequence
            done += len(arrays["count"])
            kept.append(Scenes(truth={field.name: arrays[field.name] for field in STATES}, events=some.events))
        _write_states(training, kept)
        _write_events(training.create_group("events"), kept)


def _write_states(training: h5py.Group, kept: list[Scenes]) -> None:
    for field in STATES:
        array = np.concatenate([scenes.truth[field.name] for scenes in kept])
        training.create_dataset(field.name, data=time_first(field, array))


def _write_events(group: h5py.Group, kept: list[Scenes]) -> None:
    rows = np.concatenate([np.diff(scenes.events["offset"]) for scenes in kept])
    group["offset"] = np.concatenate([[0], np.cumsum(rows)])
    group["sequence"] = np.repeat(np.arange(len(rows), dtype=np.uint32), rows)
    for field in EVENTS:
        if field.name not in group:
            group[field.name] = np.concatenate([scenes.events[field.name] for scenes in kept])
