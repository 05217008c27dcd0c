"""Sequence-steps: how many a run has done, how many steps a budget allows, and when a curve has flattened."""

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil

from physbench.errors import TrainingError
from physbench_baselines.training.training_recipe import TrainingRecipe
from physbench_baselines.training_stages import Stage

FLAT = 0.01
"""A smaller improvement of the validation loss, as a share, does not count."""

LATE = 0.25
"""The last share of the sequence-steps, over which a flat curve does not improve."""


def count_sequence_steps(recipe: TrainingRecipe, steps: int, limit: int | None) -> int:
    """Count the sequence-steps in the first `steps` steps of a run. Of a run that learns from images, they are images.

    limit: the steps of the whole run, which its curriculum depends on. A run that was limited by minutes has no such
    number. There every length of sequence had the same time, so every length is counted with the same number of
    sequence-steps, which is an estimate.
    """
    predicted = [recipe.count_predicted(frames) for frames in recipe.frames]
    parts = len(predicted)
    if parts == 1:
        return steps * recipe.batch * predicted[0]
    if not limit:
        counted = [each for each in predicted if each]  # a part of single frames predicts nothing
        return round(steps * recipe.batch * len(counted) / sum(1 / each for each in counted))
    whole: int = limit
    starts = [bisect_left(range(whole), part, key=lambda step: int(step / whole * parts)) for part in range(parts)]
    ends = [*starts[1:], max(whole, steps)]
    taken = (max(min(end, steps) - start, 0) for start, end in zip(starts, ends, strict=True))
    return recipe.batch * sum(count * each for count, each in zip(taken, predicted, strict=True))


def count_in_stage(stage: Stage) -> int:
    """Return the sequence-steps of a stage of training as its card has them.

    An older card has no count; there its recipe decides. Without a recipe they are 0.
    """
    if stage["sequence_steps"]:
        return stage["sequence_steps"]
    try:
        recipe = TrainingRecipe.from_dict(stage.get("recipe"))
    except (TrainingError, TypeError, ValueError):
        return 0
    limit = stage.get("steps_limit") or (None if stage.get("minutes_limit") else stage["steps"])
    return count_sequence_steps(recipe, stage["steps"], limit if isinstance(limit, int) and limit < 1 << 40 else None)


def steps_for(recipe: TrainingRecipe, budget: int) -> int:
    """Return the smallest number of steps whose sequence-steps use up a budget."""
    predicted = [recipe.count_predicted(frames) for frames in recipe.frames]
    mean = sum(predicted) / len(predicted)
    steps = max(ceil(budget / (recipe.batch * mean)), 1)
    while steps > 1 and count_sequence_steps(recipe, steps - 1, steps - 1) >= budget:
        steps -= 1
    while count_sequence_steps(recipe, steps, steps) < budget:
        steps += 1
    return steps


def is_flat(curve: Sequence[tuple[int, float]]) -> bool | None:
    """Return whether the best validation loss improved by less than 1 % over the last quarter of the sequence-steps.

    curve: sequence-steps and validation loss. The answer is None if the curve has no point in one of the two parts.

    >>> is_flat([(10, 300.0), (70, 200.0), (100, 199.0)]), is_flat([(10, 300.0), (70, 200.0), (100, 150.0)])
    (True, False)
    >>> is_flat([(100, 150.0)]) is None
    True
    """
    gain = gain_at_end(curve)
    return None if gain is None else gain < FLAT


def gain_at_end(curve: Sequence[tuple[int, float]]) -> float | None:
    """Return the share by which the best validation loss improved over the last quarter of the steps.

    It is 0 or less if it did not improve, and None if the curve has no point in one of the two parts.

    >>> gain_at_end([(10, 300.0), (70, 200.0), (100, 150.0)])
    0.25
    """
    last = max((place for place, _ in curve), default=0)
    early = [loss for place, loss in curve if place <= (1 - LATE) * last]
    late = [loss for place, loss in curve if place > (1 - LATE) * last]
    if not early or not late:
        return None
    best = min(early)
    return (best - min(late)) / abs(best) if best else 0.0
