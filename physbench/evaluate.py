"""A model on a suite: every number is computed here, the model only predicts.

The window is ours: frames are shown one at a time, a prediction is taken before its frame is shown, and every sequence is scored exactly once. What a
sequence contributes depends on nothing but that sequence, so figures are the same whatever the batch size. Test data are made from their recipe as
they are needed, faster than a disk would read them, and their digest is checked against the pinned one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench import __version__, registry
from physbench.errors import DamagedFile, ModelError, RecipeError
from physbench.metrics.bootstrap import Interval, intervals, quotient
from physbench.metrics.events import CLASSES, collisions_between, event_error, permanence_bce
from physbench.metrics.grouping import ari, ari_video, contingency
from physbench.metrics.pixels import bce, copied, relational_bce
from physbench.metrics.rollout import repeat_bce, rollout_bce
from physbench.metrics.sums import Sums, joined, last, mean, mean_where_defined, per_sequence, ratio, step
from physbench.model import Batch, Bernoulli, Prediction
from physbench.recipe import mixed
from physbench.result import Provenance, Result, Score
from physbench.storage.digest import SplitDigest
from physbench.suites import SIZES, suite_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from physbench.model import Model
    from physbench.recipe import Recipe
    from physbench.scene import Scenes
    from physbench.suites import Rollout, Suite, Task

    Figures = dict[tuple[str, str], Sums]  # task, metric -> (N, steps)
    Means = NDArray[np.float32]  # (B, steps, H, W, C)

EVENT_STEPS = (5, 10, 30)
"""The steps ahead at which errors are told apart by collisions."""

MEAN_OF = 1_000
"""Training sequences that the `mean` row is the mean of."""


@dataclass(frozen=True)
class Progress:
    done: int  # sequences
    total: int
    doing: str


def evaluate(
    model: Model,
    suite: str = "balls",
    *,
    name: str | None = None,
    size: str = "lite",
    limit: int | None = None,
    fresh: int | None = None,
    batch: int = 64,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Score a model. size: lite or full; limit: so many sequences only; fresh: other sequences of the same recipes, drawn by this seed."""
    chosen = suite_of(suite)
    if size not in SIZES:
        raise RecipeError(f"size is {' or '.join(SIZES)}, not {size!r}")
    if batch < 1 or (limit is not None and limit < 1):
        raise RecipeError(f"batch and limit are 1 or more, not {batch if batch < 1 else limit}")
    count = limit or chosen.sequences or SIZES[size]
    began = time.perf_counter()
    figures: Figures = {}
    digests: dict[str, str] = {}
    total = count * len(chosen.tasks)
    for number, task in enumerate(chosen.tasks):
        recipe = _recipe(task, fresh)
        parts: list[Figures] = []
        digest = SplitDigest("test")
        for start in range(0, count, batch):
            seeds = recipe.seeds("test", start, min(start + batch, count))
            scenes = recipe.generator.batch(seeds, recipe.frames)
            digest.add(scenes)
            parts.append(_scored(model, task, scenes, seeds ^ np.uint64(mixed(seed + 1)), recipe))
            if progress:
                progress(Progress(number * count + start + len(seeds), total, task.dataset))
        digests[task.dataset] = digest.hexdigest()
        _check(chosen, task, digests[task.dataset], pinned=limit is None and fresh is None, size=size)
        figures |= {key: joined([part[key] for part in parts]) for key in parts[0]}
    marks = [f"fresh-{fresh}"] * (fresh is not None) + [f"limit-{limit}"] * (limit is not None)
    origin = Provenance(
        model=name or type(model).__name__,
        suite=chosen.name,
        suite_version=chosen.version,
        size="-".join(marks) or size,
        seed=seed,
        batch=batch,
        device="cpu",
        seconds=round(time.perf_counter() - began, 3),
        date=datetime.now(UTC).date().isoformat(),
        physbench_version=__version__,
        data_sha256=digests,
    )
    kept = {key: per_sequence(sums) for key, sums in figures.items()}
    sums = {key: (part.numerator, part.denominator) for key, part in kept.items()}
    return Result(tuple([*_scores(kept), *_ratios(chosen, kept)]), origin, sums)


def _recipe(task: Task, fresh: int | None) -> Recipe:
    recipe: Recipe = registry.datasets.get(task.dataset)
    return recipe if fresh is None else replace(recipe, seed=mixed(fresh + 1))


def _check(suite: Suite, task: Task, digest: str, *, pinned: bool, size: str) -> None:
    expected = task.pinned(suite.sequences or SIZES[size])
    if pinned and digest != expected:
        raise DamagedFile(f"the test data of {task.dataset} came out as {digest[:16]}..., not {str(expected)[:16]}...: these scores would not compare")


def _scored(model: Model, task: Task, scenes: Scenes, seeds: NDArray[np.uint64], recipe: Recipe) -> Figures:
    """What a batch contributes to each figure."""
    truth = scenes.arrays()
    begin = Batch(
        seeds,
        recipe.generator.shape,
        slots=task.slots,
        truth=truth if getattr(model, "privileged", False) else None,
        training_mean=lambda: _training_mean(recipe.dataset),
    )
    frames = scenes.features[:, : task.frames]
    figures: Figures = {}
    if task.one_step:
        means, owners = _observed(model, begin, frames)
        figures |= {(task.dataset, metric): sums for metric, sums in _one_step(scenes, frames, means, owners).items()}
    for rollout in task.rollouts:
        imagined = _imagined(model, begin, frames, rollout)
        named = _rolled_out(scenes, frames, imagined, rollout)
        figures |= {(f"{task.dataset}/{rollout.name}", metric): sums for metric, sums in named.items()}
    return figures


def _observed(model: Model, begin: Batch, frames: NDArray[np.uint8]) -> tuple[Means, NDArray[np.uint8] | None]:
    """Show every frame: the predictions of frames 1.., and the owner maps of all."""
    state = model.begin(begin)
    means: list[Any] = []
    owners: list[Any] = []
    for t in range(frames.shape[1]):
        state, prediction = model.observe(state, _shown(frames, t), None)
        if t + 1 < frames.shape[1]:
            means.append(_mean_of(model, prediction, frames[:, t]))
        if prediction.owner is not None:
            owners.append(_owner_of(prediction.owner, frames))
    if owners and len(owners) < frames.shape[1]:
        raise ModelError(f"the model gave {len(owners)} owner maps for {frames.shape[1]} frames: all or none")
    return np.stack(means, axis=1), np.stack(owners, axis=1) if owners else None


def _imagined(model: Model, begin: Batch, frames: NDArray[np.uint8], rollout: Rollout) -> Means:
    """Show the context, then let the model go on by itself."""
    state = model.begin(begin)
    prediction = Prediction()
    for t in range(rollout.context):
        state, prediction = model.observe(state, _shown(frames, t), None)
    means = [_mean_of(model, prediction, frames[:, 0])]
    imagine = getattr(model, "imagine", None)
    for _ in range(rollout.horizon - 1):
        state, prediction = imagine(state, None) if imagine else model.observe(state, means[-1], None)
        means.append(_mean_of(model, prediction, frames[:, 0]))
    return np.stack(means, axis=1)


def _shown(frames: NDArray[np.uint8], t: int) -> NDArray[np.float32]:
    """A copy: what a model does to it changes nothing."""
    scale = 1.0 if frames.shape[-1] == 1 else 1.0 / 255.0
    return frames[:, t].astype(np.float32) * np.float32(scale)


def _mean_of(model: Model, prediction: Prediction, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean as it may be scored; an error in words for anything else."""
    given = prediction.mean
    if given is None:
        raise ModelError("the model predicted no mean for the next frame")
    given = np.asarray(given)
    if given.shape != frame.shape:
        raise ModelError(f"the model predicted an array of shape {given.shape} for frames of shape {frame.shape}")
    if given.dtype.kind != "f" or not np.isfinite(given).all():
        raise ModelError("the model predicted something that is not a finite floating-point number")
    if isinstance(model.likelihood, Bernoulli) and (given.min(initial=0.0) < 0.0 or given.max(initial=1.0) > 1.0):
        raise ModelError(f"the model predicted probabilities from {given.min():g} to {given.max():g}: they lie in 0 to 1")
    return given.astype(np.float32)


def _owner_of(owner: NDArray[Any], frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    expected = (len(frames), *frames.shape[2:4])
    if owner.shape != expected or owner.dtype != np.uint8:
        raise ModelError(f"an owner map is uint8 of shape {expected}, not {owner.dtype} of shape {owner.shape}")
    return owner


def _one_step(scenes: Scenes, frames: NDArray[np.uint8], means: Means, owners: NDArray[np.uint8] | None) -> dict[str, Sums]:
    """Each from every transition, and from the last one alone."""
    steps = frames.shape[1]
    groups, collisions = scenes.groups[:, :steps], scenes.collisions[:, :steps]
    ours, theirs = bce(frames, means), bce(frames, copied(frames))
    near, near_theirs = relational_bce(frames, means, collisions), relational_bce(frames, copied(frames), collisions)
    figures = {
        "bce": mean(ours),
        "relative_bce": ratio(ours, theirs),
        "relational_bce": mean(near),
        "relative_relational_bce": ratio(near, near_theirs),
    }
    if owners is not None:
        tables = contingency(owners, groups, scenes.curtain)
        figures["ari"] = mean_where_defined(ari(tables))
        figures["ari_video"] = mean_where_defined(ari_video(tables)[:, None])
    figures |= {f"{name}_last": last(sums) for name, sums in figures.items() if name != "ari_video"}
    if scenes.curtain.any():
        figures["permanence_bce"] = permanence_bce(frames, means, groups, scenes.visible[:, :steps], scenes.curtain)
    return figures


def _rolled_out(scenes: Scenes, frames: NDArray[np.uint8], means: Means, rollout: Rollout) -> dict[str, Sums]:
    ours, theirs = rollout_bce(frames, means, rollout.context), repeat_bce(frames, rollout.context, rollout.horizon)
    figures = {"rollout_relative_bce": ratio(ours, theirs)}
    figures |= {f"rollout_bce[{h + 1}]": step(mean(ours), h) for h in range(rollout.horizon)}
    events = scenes.events
    sequence = np.repeat(np.arange(len(frames)), np.diff(events.offset))
    for ahead in (h for h in EVENT_STEPS if h <= rollout.horizon):
        first = rollout.context - 1
        collided = collisions_between(sequence, events.time, events.a, events.b, shape=scenes.radius.shape, first=first, last=first + ahead)
        errors = event_error(frames, means, context=rollout.context, ahead=ahead, position=scenes.position, radius=scenes.radius, collided=collided)
        figures |= {f"event_error[{ahead},{kind}]": step(errors, j) for j, kind in enumerate(CLASSES)}
    return figures


def _scores(kept: Figures) -> Iterator[Score]:
    for task in dict.fromkeys(task for task, _ in kept):
        keys = [key for key in kept if key[0] == task]
        for key, found in zip(keys, intervals([kept[key] for key in keys]), strict=True):
            yield _score(key, found, len(kept[key].numerator))


def _ratios(suite: Suite, kept: Figures) -> Iterator[Score]:
    """How much worse with more objects."""
    if suite.against is None:
        return
    more, fewer = suite.against
    for metric in ("relative_bce", "relative_relational_bce"):
        found = quotient(kept[more, metric], kept[fewer, metric])
        yield _score((f"{more}:{fewer}", f"{metric}_ratio"), found, len(kept[more, metric].numerator))


def _score(key: tuple[str, str], found: Interval, sequences: int) -> Score:
    return Score(*key, found.value, found.low, found.high, sequences)


@cache
def _training_mean(dataset: str) -> NDArray[np.float32]:
    """(H, W, C) of the named dataset's first training sequences."""
    recipe: Recipe = registry.datasets.get(dataset)
    total = np.zeros(recipe.generator.shape, np.float64)
    for start in range(0, MEAN_OF, 50):
        total += recipe.generator.batch(recipe.seeds("training", start, start + 50), recipe.frames).features.sum(axis=(0, 1), dtype=np.float64)
    scale = 1.0 if recipe.generator.shape[-1] == 1 else 255.0
    return (total / (MEAN_OF * recipe.frames * scale)).astype(np.float32)
