"""A model, what it is shown, and what it said: the evaluator's window, with hands on every part of it."""

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
"""Training sequences whose mean a model is told if it asks."""

LONGEST = 200
"""Letters of an exception that are repeated."""


class Given(NamedTuple):
    """A Prediction as it was made: copies, for a model may use its arrays again, and of whatever it has for arrays."""

    mean: Any
    owner: Any
    log_likelihood: Any
    boxes: Any


@dataclass(frozen=True)
class Stage:
    """A model and what it is shown: `sequences` that are asked about, then a batch more to stand beside them."""

    model: Any
    shape: tuple[int, int, int]  # H, W, C
    objects: int
    frames: NDArray[np.float32]  # (T, N, H, W, C) time first: a batch at a time is one piece
    truth: Truth
    actions: Actions  # (T, N, A)
    fresh: NDArray[np.float32]  # (T, sequences, H, W, C) drawn by the system, so that no model can have seen them
    fresh_actions: Actions
    sequences: int
    batch: int
    seed: int
    training_mean: Callable[[], NDArray[np.float32]]
    display: Display

    @property
    def one(self) -> Rows:
        """A batch of the sequences asked about."""
        return np.arange(self.batch)

    @property
    def other(self) -> Rows:
        """A batch of the sequences beside them."""
        return np.arange(self.sequences, self.sequences + self.batch)

    def is_privileged(self) -> bool:
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
        """places: whose seeds the model is handed, if not those of the rows."""
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
        """All frames, each a fresh copy."""
        return self.play(rows, seed=seed, slots=slots).on(0, len(self.frames))

    def batches(self, size: int) -> list[Rows]:
        return [np.arange(start, min(start + size, self.sequences)) for start in range(0, self.sequences, size)]


@dataclass
class Play:
    """One batch on its way through a model."""

    stage: Stage
    rows: Rows
    state: Any
    given: list[Given] = field(default_factory=list[Given])
    shown: list[NDArray[np.float32]] = field(default_factory=list["NDArray[np.float32]"])

    def see(self, frame: NDArray[np.float32], t: int, *, actions: Actions = None) -> None:
        """actions: of the sequences that the frame is of, if not those of the rows."""
        action = self._action(t, actions)
        with guard():
            self._take(self.stage.model.observe(self.state, frame, action))
        self.shown.append(frame)

    def on(self, start: int, stop: int) -> Play:
        for t in range(start, stop):
            self.see(self.stage.frames[t, self.rows], t)
        return self

    def watch(self, frames: NDArray[np.float32], actions: Actions) -> Play:
        """See frames of other sequences, (T, N, H, W, C), under the numbers of these."""
        for t, frame in enumerate(frames):
            self.see(frame[self.rows], t, actions=actions)
        return self

    def imagine(self, t: int) -> None:
        """As a rollout does: a model that cannot imagine observes its own mean."""
        with guard():
            imagine = getattr(self.stage.model, "imagine", None)
            if imagine is not None:
                return self._take(imagine(self.state, self._action(t, None)))
        self.see(self.given[-1].mean.astype(np.float32), t)

    def fork(self) -> Play:
        """Another one that goes on from the very same state."""
        return Play(self.stage, self.rows, self.state)

    def where(self, wrong: NDArray[np.bool_], step: int) -> str:
        """The first sequence of (B, ...) with something wrong."""
        return f"(sequence {self.rows[int(np.argwhere(wrong)[0][0])]}, step {step})"

    def outcome(self) -> Outcome:
        """What was said, if its means can be laid beside others."""
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
    """Make what is shown: as many frames as the world has, or states where it has none, and a still image again and
    again."""
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
    """At most so many frames; of a still image, exactly so many."""
    many = [0] * frames if recipe.frames == 1 else list(range(min(frames, recipe.frames)))
    return {name: array[:, many] if name in TIMED else array for name, array in arrays.items()}


def _time_first(arrays: Truth, display: Display) -> tuple[NDArray[np.float32], Actions]:
    """The frames (T, N, H, W, C), and the actions (T, N, A) where there are any."""
    actions = np.moveaxis(arrays["actions"], 1, 0).astype(np.float32) if "actions" in arrays else None
    return np.ascontiguousarray(np.moveaxis(display.show(arrays), 1, 0), np.float32), actions


def join_plays(plays: list[Play]) -> Outcome:
    """Batches laid together, in the order of their sequences."""
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
    """An array that can be compared with another one."""
    expected = (len(play.rows), *play.stage.shape)
    if mean is None:
        raise ModelError(f"it predicted no mean (step {step})")
    if not is_array(mean) or mean.shape != expected or mean.dtype.kind != "f":
        raise ModelError(f"a mean is a floating-point array of shape {expected}, not {describe(mean)} (step {step})")


def is_owner_map(owner: Any, play: Play) -> bool:
    return is_array(owner) and owner.shape == (len(play.rows), *play.stage.shape[:2]) and owner.dtype == np.uint8


def require_owner(owner: Any, play: Play, step: int) -> None:
    if not is_owner_map(owner, play):
        raise ModelError(
            f"an owner map is uint8 of shape {(len(play.rows), *play.stage.shape[:2])}, not {describe(owner)} (step"
            f" {step})"
        )


def require_finite(mean: NDArray[Any], play: Play, step: int) -> None:
    wrong = ~np.isfinite(mean)
    if wrong.any():
        raise ModelError(
            f"{mean[wrong][0]} is no number to score: {wrong.mean():.2%} of the pixels are not finite"
            f" {play.where(wrong, step)}"
        )


def require_range(mean: NDArray[Any], play: Play, step: int) -> None:
    """Of what is finite."""
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
    """Whatever the model raises is a finding. An interrupt is not the model's."""
    try:
        yield
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(_last_line(error)) from error


def is_array(value: Any) -> TypeGuard[NDArray[Any]]:
    return isinstance(value, np.ndarray)


def describe(value: Any) -> str:
    if is_array(value):
        return f"{value.dtype} of shape {value.shape}"
    return "None" if value is None else f"a {type(value).__name__}"


def _copy_state(value: Any) -> Any:
    return np.array(value) if is_array(value) else value


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for text in format_exception_only(error) for line in text.splitlines() if line.strip()]
    name, last = type(error).__name__, printable(lines[-1])[:LONGEST]
    return f"it raised {last}" if len(lines) == 1 or last.startswith(name) else f"it raised {name}: {last}"
