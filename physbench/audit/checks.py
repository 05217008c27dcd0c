"""The checks of an audit. Each is a function of the stage and of the first plays of the model, one per batch.

Steps count the frames shown: at step t, a model has seen frame t and has not seen frame t + 1.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from physbench.audit.differences import Outcome, Rows, agreement
from physbench.audit.recall import check_recall
from physbench.audit.stage import (
    Play,
    Stage,
    describe,
    is_array,
    join_plays,
    require_finite,
    require_mean,
    require_owner,
    require_range,
)
from physbench.errors import ModelError
from physbench.metrics.boxes import copy_boxes
from physbench.storage.framing import TIMED

Answer: TypeAlias = "tuple[bool | None, str]"
Ask: TypeAlias = Callable[[Stage, list[Play]], Answer]

INFORMATIVE = frozenset({"branching"})
"""Checks that are only informative. A model that fails this one can still be scored, because an evaluation begins every
rollout again."""

MOST_OBJECTS = 4
"""How many objects a model with slots is asked to tell apart, in a world that does not say how many it has."""

ONE_AT_A_TIME = "it takes one batch at a time and can only go on from its newest state; an evaluation needs no more"


def _runs(stage: Stage, base: list[Play]) -> Answer:
    """Play all sequences once, and put the plays into `base`, which later checks use."""
    for rows in stage.batches(stage.batch):
        base.append(stage.play_through(rows))
    return True, f"{stage.sequences} sequences of {len(stage.frames)} frames in batches of {stage.batch}"


def _mean(stage: Stage, base: list[Play]) -> Answer:
    for play in base:
        play.outcome()
    return True, f"{base[0].given[0].mean.dtype} of shape {base[0].given[0].mean.shape}"


def _finite(stage: Stage, base: list[Play]) -> Answer:
    for play in base:
        for step, given in enumerate(play.given):
            require_finite(given.mean, play, step)
    return True, "every number is finite"


def _range(stage: Stage, base: list[Play]) -> Answer:
    for play in base:
        for step, given in enumerate(play.given):
            require_range(given.mean, play, step)
    return True, "as its likelihood allows: probabilities lie in 0 to 1, and a Gaussian mean is any number"


def _owner_maps(stage: Stage, base: list[Play]) -> Answer:
    maps = [given.owner is not None for play in base for given in play.given]
    if not any(maps):
        return None, "not checked: it says of no pixel which slot owns it"
    if not all(maps):
        return False, f"{sum(maps)} owner maps for {len(maps)} frames: all or none"
    for play in base:
        for step, given in enumerate(play.given):
            require_owner(given.owner, play, step)
    most = max(int(given.owner.max()) for play in base for given in play.given)
    return True, f"one for every frame, slots 0 to {most}"


def _boxes(stage: Stage, base: list[Play]) -> Answer:
    sets = [given.boxes is not None for play in base for given in play.given]
    if not any(sets):
        return None, "it gives no boxes"
    if not all(sets):
        return False, f"{sum(sets)} sets of boxes for {len(sets)} frames: all or none"
    counts, rows = list[int](), set[int]()
    for play in base:
        for step, given in enumerate(play.given):
            try:
                boxes = copy_boxes(np.asarray(given.boxes), (len(play.rows),))
            except ModelError as error:
                return False, f"{error} (step {step})"
            counts.extend((~np.isnan(boxes[..., 0])).sum(axis=1).tolist())
            rows.add(boxes.shape[1])
    if len(rows) > 1:
        return (
            False,
            f"boxes come in {min(rows)} to {max(rows)} rows: as many for every frame, and a row of NaN is no box",
        )
    return True, f"some for every frame, {min(counts)} to {max(counts)}"


def _own_likelihood(stage: Stage, base: list[Play]) -> Answer:
    maps = [given.log_likelihood is not None for play in base for given in play.given]
    if not any(maps):
        return None, "it gives no log-likelihoods"
    if not all(maps):
        return False, f"{sum(maps)} maps of log-likelihoods for {len(maps)} frames: all or none"
    for play in base:
        expected = (len(play.rows), *stage.shape[:2])
        for step, own in enumerate(given.log_likelihood for given in play.given):
            if not is_array(own) or own.shape != expected or own.dtype.kind != "f":
                return (
                    False,
                    (
                        f"a map of log-likelihoods is a floating-point array of shape {expected}, not {describe(own)}"
                        f" (step {step})"
                    ),
                )
            if np.isnan(own).any():
                return False, f"a log-likelihood is NaN {play.where(np.isnan(own), step)}"
    return True, "one for every frame"


def _slots(stage: Stage, base: list[Play]) -> Answer:
    """Ask for one slot per object and one for the background, and check that the model uses no others."""
    asked = (stage.objects or MOST_OBJECTS) + 1
    play = stage.play_through(stage.one, slots=asked)
    for step, owner in enumerate(given.owner for given in play.given):
        require_owner(owner, play, step)
        if (owner >= asked).any():
            return (
                False,
                (
                    f"asked for {asked} slots, 0 to {asked - 1}, it uses slot {owner.max()}"
                    f" {play.where(owner >= asked, step)}"
                ),
            )
    return True, f"asked for {asked} slots, it uses no other"


def _same_twice(stage: Stage, base: list[Play]) -> Answer:
    again = [stage.play_through(play.rows) for play in base]
    return agreement(join_plays(again), join_plays(base), tolerance=0.0, owners=0.0)


def _another_seed(stage: Stage, base: list[Play]) -> Answer:
    drawn = [stage.play_through(play.rows, seed=stage.seed + 1) for play in base]
    same, finding = agreement(join_plays(drawn), join_plays(base), tolerance=0.0, owners=0.0)
    return (
        True,
        "another seed gives the same: nothing is drawn" if same else f"another seed gives something else: {finding}",
    )


def _batch_size(stage: Stage, base: list[Play]) -> Answer:
    sizes = [size for size in dict.fromkeys((1, 3, stage.sequences)) if size <= stage.sequences and size != stage.batch]
    if not sizes:
        return None, "one sequence is one batch: take more sequences"
    answers = [_in_batches_of(size, stage, base) for size in sizes]
    findings = [f"in batches of {size} {finding}" for size, (_, finding) in zip(sizes, answers, strict=True)]
    return all(same for same, _ in answers), f"against batches of {stage.batch}, {', '.join(findings)}"


def _in_batches_of(size: int, stage: Stage, base: list[Play]) -> tuple[bool, str]:
    try:
        return agreement(join_plays([stage.play_through(rows) for rows in stage.batches(size)]), join_plays(base))
    except ModelError as error:
        return False, str(error)


def _batch_order(stage: Stage, base: list[Play]) -> Answer:
    if stage.batch < 2:
        return None, "a batch of one sequence has one order: take a larger batch"
    return agreement(join_plays([stage.play_through(play.rows[::-1]) for play in base]), join_plays(base))


def _companions(stage: Stage, base: list[Play]) -> Answer:
    if stage.batch < 2:
        return None, "a batch of one sequence has no others: take a larger batch"
    beside = stage.play_through(np.concatenate([stage.one[:1], stage.other[1:]]))
    return agreement(join_plays([beside]).first(1), join_plays(base).first(1))


def _frames_untouched(stage: Stage, base: list[Play]) -> Answer:
    for play in base:
        for step, shown in enumerate(play.shown):
            was = stage.frames[step, play.rows]
            if shown.shape != was.shape:
                return False, f"it changed the shape of the frame it was shown to {shown.shape} (step {step})"
            changed = shown != was
            if changed.any():
                return False, f"it changed {changed.mean():.2%} of the frame it was shown {play.where(changed, step)}"
    return True, "every frame is as it was shown"


def _frames_let_go(stage: Stage, base: list[Play]) -> Answer:
    """Overwrite the array of each frame after the model has seen it, which must not change what the model says."""
    noise = np.random.default_rng(stage.seed)
    play = stage.play(stage.one)
    for t in range(len(stage.frames)):
        play.see(stage.frames[t, play.rows], t)
        play.shown[t][:] = noise.random(play.shown[t].shape, np.float32)
    same, finding = agreement(play.outcome(), join_plays(base).first(stage.batch))
    return (
        same,
        finding if same else f"it reads a frame's array after the call, and by then it holds something else: {finding}",
    )


def _no_foresight(stage: Stage, base: list[Play]) -> Answer:
    """Show the same frames with two different futures, and check that the model says the same.

    The frame that is shown and its future lie in the same array, and the ground truth is offered too, so a model that
    looks ahead is detected.
    """
    cut = len(stage.frames) // 2
    if stage.is_privileged():
        same, _ = agreement(*(_before(stage, future, cut, tell=True) for future in (stage.one, stage.other)))
        return (
            None,
            (
                f"it is told the truth, a reference row; what it says {'does not depend' if same else 'depends'} on"
                " frames not yet shown"
            ),
        )
    for tell in (False, True):
        same, finding = agreement(*(_before(stage, future, cut, tell=tell) for future in (stage.other, stage.one)))
        if not same:
            source = "in batch.truth, without privileged = True" if tell else "not yet shown"
            return False, f"what it says depends on frames {source}: {finding}"
    return True, f"with another future from frame {cut} on it says the same until then"


def _before(stage: Stage, future: Rows, cut: int, *, tell: bool) -> Outcome:
    """Return what a model says about the first sequences until frame `cut`, where they continue like those of
    `future`."""
    truth = {name: array[stage.one] for name, array in stage.truth.items()}
    for name in TIMED & truth.keys():
        truth[name][:, cut:] = stage.truth[name][future, cut:]
    frames = stage.frames[:, stage.one].copy()
    frames[cut:] = stage.frames[cut:, future]
    play = stage.play(stage.one, truth=truth if tell else None)
    for t in range(cut):
        play.see(frames[t], t)
    return play.outcome()


def _state(stage: Stage, base: list[Play]) -> Answer:
    """Play two batches in turns, and check that each gives the same as alone."""
    if getattr(stage.model, "sequential", False):
        return None, ONE_AT_A_TIME
    alone = stage.play_through(stage.other)
    one, other = stage.play(stage.one), stage.play(stage.other)
    for t in range(len(stage.frames)):
        one.on(t, t + 1)
        other.on(t, t + 1)
    for play, expected in ((one, join_plays(base).first(stage.batch)), (other, alone.outcome())):
        same, finding = agreement(play.outcome(), expected)
        if not same:
            return (
                False,
                (
                    "it keeps state outside of `state`: two batches in turns are not what they are by themselves:"
                    f" {finding}"
                ),
            )
    return True, "two batches in turns are what they are by themselves"


def _branching(stage: Stage, base: list[Play]) -> Answer:
    if getattr(stage.model, "sequential", False):
        return None, ONE_AT_A_TIME
    half = len(stage.frames) // 2
    trunk = stage.play(stage.one).on(0, half)
    branches = [trunk.fork().on(half, len(stage.frames)) for _ in range(2)]
    same, finding = agreement(branches[1].outcome(), branches[0].outcome())
    return (
        same,
        (
            f"twice from one state: {finding}"
            if same
            else f"it changes the state it was given: twice from one state, {finding}"
        ),
    )


def _imagine(stage: Stage, base: list[Play]) -> Answer:
    half = len(stage.frames) // 2
    plays: list[Play] = []
    for _ in range(2):
        play = stage.play(stage.one).on(0, half)
        for step in range(half, len(stage.frames)):
            play.imagine(step)
            for require in (require_mean, require_finite, require_range):
                require(play.given[-1].mean, play, step)
        plays.append(play)
    same, finding = agreement(plays[1].outcome(), plays[0].outcome(), tolerance=0.0, owners=0.0)
    how = "" if hasattr(stage.model, "imagine") else "without imagine, on its own mean: "
    return same, f"{how}{len(stage.frames) - half} steps after {half} frames, twice: {finding}"


CHECKS: dict[str, tuple[tuple[str, ...], Ask]] = {
    "runs": ((), _runs),
    "mean": (("runs",), _mean),
    "finite": (("mean",), _finite),
    "range": (("mean",), _range),
    "owner maps": (("runs",), _owner_maps),
    "boxes": (("runs",), _boxes),
    "own likelihood": (("runs",), _own_likelihood),
    "slots": (("owner maps",), _slots),
    "same twice": (("mean",), _same_twice),
    "another seed": (("same twice",), _another_seed),
    "batch size": (("same twice",), _batch_size),
    "batch order": (("same twice",), _batch_order),
    "companions": (("same twice",), _companions),
    "frames untouched": (("runs",), _frames_untouched),
    "frames let go": (("same twice",), _frames_let_go),
    "no foresight": (("same twice",), _no_foresight),
    "recall": (("finite", "same twice"), check_recall),
    "state": (("same twice",), _state),
    "branching": (("same twice",), _branching),
    "imagine": (("finite", "range", "same twice"), _imagine),
}
"""The checks by name: each with the checks that it needs to have passed, and its function. If a model is not the same
twice, the other checks could not say what caused a difference."""
