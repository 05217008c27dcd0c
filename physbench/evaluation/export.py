"""Export of the inputs of a suite to a file, for models that do not run in Python: the frames and actions that a model
is shown, and no ground truth.

Of a rollout, only the context is exported. In a window, each frame is predicted one step ahead, so all its frames are
inputs; a prediction of frame t + 1 may use the frames up to t and no later ones.
"""
# h5py has no types
# pyright: basic

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physbench.evaluation.evaluate import Extent, Progress, extent, require_possible
from physbench.evaluation.examples import Examples, source_of
from physbench.evaluation.predictions import count_answers, require_predictions
from physbench.storage.codec import LEVEL, compress
from physbench.storage.whole_file import write_whole_hdf5
from physbench.suites import Asking, Image, Rollout, Still, Suite, Task, Window

if TYPE_CHECKING:
    import h5py

FORMAT = "physbench-inputs"
VERSION = 1


def export_inputs(
    path: str | os.PathLike[str],
    suite: str | Suite = "balls",
    *,
    size: str = "lite",
    limit: int | None = None,
    batch: int = 64,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, bool]:
    """Write the inputs that a model is shown on a suite.

    Return for each task whether its digest is pinned; if it is and does not match, an error is raised.
    """
    require_possible(batch, 0)
    chosen = extent(suite, size=size, limit=limit)
    require_predictions(chosen.suite)
    total = chosen.count * len(chosen.suite.tasks)
    verdicts: dict[str, bool] = {}
    with write_whole_hdf5(Path(path), overwrite=overwrite) as file:
        file.attrs.update(
            format=FORMAT,
            version=VERSION,
            suite=chosen.suite.name,
            suite_version=chosen.suite.version,
            size=chosen.size,
            sequences=chosen.count,
        )
        for number, task in enumerate(chosen.suite.tasks):
            source = source_of(task)
            for start in range(0, chosen.count, batch):
                examples = source.examples(start, min(start + batch, chosen.count))
                for asking in list_inputs(task):
                    _append(file, task, asking, start, examples, chosen)
                if progress:
                    progress(Progress(number * chosen.count + start + len(examples.places), total, task.name))
            digest = source.digest(chosen.count)
            verdicts[task.name] = chosen.require_pinned(task, digest)
            file[task.name].attrs["data_sha256"] = digest
    return verdicts


def list_inputs(task: Task) -> Iterator[Asking]:
    """Yield the askings of a task; several samples of the same rollout count once."""
    for asking in task.askings:
        if not (isinstance(asking, Rollout) and asking.sample):
            yield asking


def select_frames(asking: Asking) -> range:
    """Return which frames of a sequence are shown."""
    if isinstance(asking, Still):
        return range(asking.frame, asking.frame + 1)
    return range(asking.context if isinstance(asking, Rollout) else asking.frames)


def name_kind(asking: Asking) -> str:
    """Return the name of the kind of an asking in the file."""
    kinds = {Image: "image", Still: "frames", Rollout: "rollout", Window: "window"}  # an Image is a Still
    return next(name for kind, name in kinds.items() if isinstance(asking, kind))


def _append(file: h5py.File, task: Task, asking: Asking, start: int, examples: Examples, chosen: Extent) -> None:
    name = task.names(asking)
    frames = select_frames(asking)
    arrays = {"input": examples.frames[:, frames.start : frames.stop]}
    if examples.actions is not None and not isinstance(asking, Still):
        arrays["actions"] = examples.actions[:, : asking.frames]
    group = file.require_group(name)
    if not start:
        horizon, maps = count_answers(asking)
        group.attrs.update(
            kind=name_kind(asking),
            frames_shown=len(frames),
            times_shown=asking.shown if isinstance(asking, Still) else 1,
            frames_predicted=horizon,
            owner_maps=maps,
            samples=asking.samples if isinstance(asking, Rollout) else 1,
        )
        if task.slots is not None:
            group.attrs["slots"] = task.slots
        if asking.boxes:
            group.attrs["boxes"] = maps
    for what, values in arrays.items():
        _write(group, what, start, values, chosen.count)


def _write(group: h5py.Group, what: str, start: int, values: NDArray[Any], count: int) -> None:
    """Write values (B, ...), one sequence per chunk. Compressing here is many times faster than in HDF5."""
    if what not in group:
        shape, chunk = (count, *values.shape[1:]), (1, *values.shape[1:])
        axes = "sequences, frames, height, width, channels" if what == "input" else "sequences, frames, actions"
        group.create_dataset(what, shape, values.dtype, chunks=chunk, compression="gzip", compression_opts=LEVEL)
        group[what].attrs["axes"] = axes
    dataset: Any = group[what]
    for number, sequence in enumerate(values, start):
        stream = compress(np.ascontiguousarray(sequence).reshape(-1).view(np.uint8))
        dataset.id.write_direct_chunk((number, *[0] * (values.ndim - 1)), stream)
