"""The stage of an audit: a model, what it is shown, and what it said. Unlike in an evaluation, a check can vary every
part of this."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from traceback import format_exception_only
from typing import Any, NamedTuple, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from physbench.audit.differences import Outcome, Rows
from physbench.errors import ModelError
from physbench.metrics.pixels import require_likelihood
from physbench.model import Batch, Prediction
from physbench.printable import printable
from physbench.recipe import Recipe, mix
from physbench.seeds import draw_fresh_seed, seed_sequences
from physbench.states import SHOWN, Shows
from physbench.storage.display import Display, likelihood_of
from physbench.storage.framing import TIMED
from physbench.world import parts_of

Truth = Mapping[str, NDArray[Any]]
Actions = NDArray[np.float32] | None  # none in most worlds

MEAN_OF = 16
"""How many training sequences are averaged if a model asks for their mean."""

LONGEST = 200
"""How many characters of an exception are quoted."""


class Given(NamedTuple):
    """Copies of the parts of a Prediction, because a model may reuse its arrays. They are not checked yet."""

    mean: Any
    owner: Any
    log_likelihood: Any
    boxes: Any


@dataclass(frozen=True)
class Stage:
    """A model and what it is shown: the sequences that it is asked about, then one more batch for comparisons."""

    model: Any
    shape: tuple[int, int, int]  # H, W, C
    objects: int
    frames: NDArray[np.float32]  # (T, N, H, W, C) time first, so that the frames of a batch at one time are contiguous
    truth: Truth
    actions: Actions  # (T, N, A)
    fresh: NDArray[np.float32]  # (T, sequences, H, W, C) made from a random seed, so that no model can have seen them
    fresh_actions: Actions
    sequences: int
    batch: int
    seed: int
    training_mean: Callable[[], NDArray[np.float32]]
    display: Display

    @property
    def one(self) -> Rows:
        """Return a batch of the sequences that the model is asked about."""
        return np.arange(self.batch)

    @property
    def other(self) -> Rows:
        """Return a batch of the other sequences."""
        return np.arange(self.sequences, self.sequences + self.batch)

    def is_privileged(self) -> bool:
        """Return whether the model declares that it needs the ground truth."""
        with guard():
            return bool(getattr(self.model, "privileged", False))

    def play(
        self,
        rows: Rows,
        *,
        seed: int | None = None,
        places: Rows | None = None,
        slots: int | None = None,
        truth: Truth | None = None,
    ) -> Play:
        """Begin a play of some sequences.

        places: the sequences whose seeds the model gets, if these are not the rows.
        """
        if truth is None and self.is_privileged():
            truth = {name: array[rows] for name, array in self.truth.items()}
        seeds = seed_sequences(rows if places is None else places, seed=self.seed if seed is None else seed)
        actions = 0 if self.actions is None else self.actions.shape[2]
        told = Batch(
            seeds,
            self.shape,
            slots=slots,
            actions=actions,
            truth=truth,
            training_mean=self.training_mean,
            shows=self.display.array,
            box_side=self.display.box_side,
        )
        with guard():
            return Play(self, rows, self.model.begin(told))

    def play_through(self, rows: Rows, *, seed: int | None = None, slots: int | None = None) -> Play:
        """Play some sequences from the first frame to the last; each frame is a new copy."""
        return self.play(rows, seed=seed, slots=slots).on(0, len(self.frames))

    def batches(self, size: int) -> list[Rows]:
        """Divide the sequences that the model is asked about into batches."""
        return [np.arange(start, min(start + size, self.sequences)) for start in range(0, self.sequences, size)]


@dataclass
class Play:
    """One batch that is shown to a model, step by step."""

    stage: Stage
    rows: Rows
    state: Any
    given: list[Given] = field(default_factory=list[Given])
    shown: list[NDArray[np.float32]] = field(default_factory=list["NDArray[np.float32]"])

    def see(self, frame: NDArray[np.float32], t: int, *, actions: Actions = None) -> None:
        """Show a frame to the model. actions: those of other sequences, if the frame is not from the rows."""
        action = self._action(t, actions)
        with guard():
            self._take(self.stage.model.observe(self.state, frame, action))
        self.shown.append(frame)

    def on(self, start: int, stop: int) -> Play:
        """Show frames start..stop-1."""
        for t in range(start, stop):
            self.see(self.stage.frames[t, self.rows], t)
        return self

    def watch(self, frames: NDArray[np.float32], actions: Actions) -> Play:
        """Show frames of other sequences, (T, N, H, W, C), under the numbers of these."""
        for t, frame in enumerate(frames):
            self.see(frame[self.rows], t, actions=actions)
        return self

    def imagine(self, t: int) -> None:
        """Let the model imagine a step, as in a rollout: a model that cannot imagine observes the mean it predicted."""
        with guard():
            imagine = getattr(self.stage.model, "imagine", None)
            if imagine is not None:
                return self._take(imagine(self.state, self._action(t, None)))
        self.see(self.given[-1].mean.astype(np.float32), t)

    def fork(self) -> Play:
        """Return another play that goes on from the same state."""
        return Play(self.stage, self.rows, self.state)

    def where(self, wrong: NDArray[np.bool_], step: int) -> str:
        """Say in words which sequence of (B, ...) is the first with something wrong."""
        return f"(sequence {self.rows[int(np.argwhere(wrong)[0][0])]}, step {step})"

    def outcome(self) -> Outcome:
        """Return what was said, after a check that the means can be compared with others."""
        for step, given in enumerate(self.given):
            require_mean(given.mean, self, step)
        complete = all(is_owner_map(given.owner, self) for given in self.given)
        owners = np.stack([given.owner for given in self.given], axis=1) if complete else None
        boxed = all(is_array(given.boxes) and given.boxes.dtype.kind == "f" for given in self.given)
        alike = boxed and {given.boxes.shape for given in self.given} == {
            (len(self.rows), *self.given[0].boxes.shape[1:2], 5)
        }
        boxes = np.stack([given.boxes for given in self.given], axis=1) if alike else None
        return Outcome(self.rows, np.stack([given.mean for given in self.given], axis=1), owners, boxes)

    def _action(self, t: int, others: Actions) -> Actions:
        actions = self.stage.actions if others is None else others
        return None if actions is None else actions[t, self.rows]

    def _take(self, returned: Any) -> None:
        if not isinstance(returned, tuple) or len(pair := cast("tuple[Any, ...]", returned)) != 2:
            raise ModelError(f"it returned {describe(returned)}, not a pair of a state and a Prediction")
        self.state, prediction = pair
        if not isinstance(prediction, Prediction):
            raise ModelError(f"it returned a state and {describe(prediction)}, not a state and a Prediction")
        self.given.append(
            Given(
                _copy_state(prediction.mean),
                _copy_state(prediction.owner),
                _copy_state(prediction.log_likelihood),
                _copy_state(prediction.boxes),
            )
        )


def set_stage(model: Any, recipe: Recipe, sequences: int, frames: int, batch: int, seed: int) -> Stage:
    """Make what the model is shown: frames, or states if the world has no frames; a still image is shown repeatedly."""
    world = recipe.generator
    shows: Shows = SHOWN[next((number for number, name in enumerate(SHOWN) if name in world.arrays), 0)]
    display = Display(shows, parts_of(world).box_side if shows == "position" else 0.0)
    display.require(recipe.name, world.arrays)
    recipe = (
        recipe if parts_of(recipe.generator).spans is not None or recipe.frames == 1 else replace(recipe, frames=frames)
    )
    truth = _long(recipe.scenes("test", 0, sequences + batch).arrays(), recipe, frames)
    only = [name for name in (shows, "actions") if name in truth]
    other = replace(recipe, seed=mix(draw_fresh_seed() + 1))
    drawn = _long(other.scenes("test", 0, sequences, only).arrays(), recipe, frames)
    (shown, actions), (fresh, fresh_actions) = _time_first(truth, display), _time_first(drawn, display)

    @cache
    def training_mean() -> NDArray[np.float32]:
        made = recipe.scenes("training", 0, MEAN_OF, (shows,)).arrays()
        return display.show(made).mean(axis=(0, 1), dtype=np.float64).astype(np.float32)

    shape = display.shape(world.shape, world.objects)
    return Stage(
        model,
        shape,
        world.objects,
        shown,
        truth,
        actions,
        fresh,
        fresh_actions,
        sequences,
        batch,
        seed,
        training_mean,
        display,
    )


def _long(arrays: Truth, recipe: Recipe, frames: int) -> dict[str, NDArray[Any]]:
    """Cut arrays to at most so many frames; a still image is repeated so often."""
    many = [0] * frames if recipe.frames == 1 else list(range(min(frames, recipe.frames)))
    return {name: array[:, many] if name in TIMED else array for name, array in arrays.items()}


def _time_first(arrays: Truth, display: Display) -> tuple[NDArray[np.float32], Actions]:
    """Return the frames (T, N, H, W, C), and the actions (T, N, A) or None if there are none."""
    actions = np.moveaxis(arrays["actions"], 1, 0).astype(np.float32) if "actions" in arrays else None
    return np.ascontiguousarray(np.moveaxis(display.show(arrays), 1, 0), np.float32), actions


def join_plays(plays: list[Play]) -> Outcome:
    """Join the outcomes of several batches, in the order of their sequences."""
    outcomes = [play.outcome() for play in plays]
    rows = np.concatenate([outcome.rows for outcome in outcomes])
    order = np.argsort(rows)
    owners = [outcome.owners for outcome in outcomes if outcome.owners is not None]
    boxes = [outcome.boxes for outcome in outcomes if outcome.boxes is not None]
    owned = np.concatenate(owners)[order] if len(owners) == len(outcomes) else None
    boxed = (
        np.concatenate(boxes)[order]
        if len(boxes) == len(outcomes) and len({each.shape[2] for each in boxes}) == 1
        else None
    )
    return Outcome(rows[order], np.concatenate([outcome.means for outcome in outcomes])[order], owned, boxed)


def require_mean(mean: Any, play: Play, step: int) -> None:
    """Refuse a mean that cannot be compared with another one."""
    expected = (len(play.rows), *play.stage.shape)
    if mean is None:
        raise ModelError(f"it predicted no mean (step {step})")
    if not is_array(mean) or mean.shape != expected or mean.dtype.kind != "f":
        raise ModelError(f"a mean is a floating-point array of shape {expected}, not {describe(mean)} (step {step})")


def is_owner_map(owner: Any, play: Play) -> bool:
    """Return whether this is an owner map for the frames of a play."""
    return is_array(owner) and owner.shape == (len(play.rows), *play.stage.shape[:2]) and owner.dtype == np.uint8


def require_owner(owner: Any, play: Play, step: int) -> None:
    """Refuse what is not an owner map."""
    if not is_owner_map(owner, play):
        raise ModelError(
            f"an owner map is uint8 of shape {(len(play.rows), *play.stage.shape[:2])}, not {describe(owner)} (step"
            f" {step})"
        )


def require_finite(mean: NDArray[Any], play: Play, step: int) -> None:
    """Refuse a mean with numbers that are not finite."""
    wrong = ~np.isfinite(mean)
    if wrong.any():
        raise ModelError(
            f"{mean[wrong][0]} cannot be scored: {wrong.mean():.2%} of the pixels are not finite"
            f" {play.where(wrong, step)}"
        )


def require_range(mean: NDArray[Any], play: Play, step: int) -> None:
    """Refuse a mean with finite numbers that the likelihood does not allow."""
    with guard():
        likelihood = likelihood_of(play.stage.display.array, play.stage.model.likelihood)
    low, high = require_likelihood(likelihood).support
    wrong = np.isfinite(mean) & ((mean < low) | (mean > high))
    if wrong.any():
        furthest = mean[wrong][np.argmax(np.maximum(low - mean[wrong], mean[wrong] - high))]
        what = "mean" if likelihood.note else "probability"
        raise ModelError(
            f"it predicted a {what} of {furthest:.9g}: they lie in {low:g} to {high:g} {play.where(wrong, step)}"
        )


@contextmanager
def guard() -> Generator[None]:
    """Turn every error that the model raises into a ModelError. A keyboard interrupt passes through."""
    try:
        yield
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(_last_line(error)) from error


def is_array(value: Any) -> TypeGuard[NDArray[Any]]:
    """Return whether a value is a NumPy array."""
    return isinstance(value, np.ndarray)


def describe(value: Any) -> str:
    """Describe a value by its type, and an array also by its shape."""
    if is_array(value):
        return f"{value.dtype} of shape {value.shape}"
    return "None" if value is None else f"a {type(value).__name__}"


def _copy_state(value: Any) -> Any:
    return np.array(value) if is_array(value) else value


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for text in format_exception_only(error) for line in text.splitlines() if line.strip()]
    name, last = type(error).__name__, printable(lines[-1])[:LONGEST]
    return f"it raised {last}" if len(lines) == 1 or last.startswith(name) else f"it raised {name}: {last}"
