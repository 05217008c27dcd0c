"""A record of what a model saw and said at every step of one sequence, for pictures.

H x W pixels, C channels, K slots, N boxes.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError, RecipeError
from physbench.evaluation.answer_checks import scorable
from physbench.evaluation.examples import source_of
from physbench.evaluation.window import ask
from physbench.metrics.boxes import copy_boxes
from physbench.model import Batch, Model, Parts
from physbench.states import Shows
from physbench.suites import SIZES, Codes, Rollout, Still, Suite, Task, Window, suite_of

CONTEXT = 5
"""Frames that are shown before a rollout if the suite does not say, as in figure 4 of the R-NEM paper."""

Noted: TypeAlias = tuple[dict[str, NDArray[Any]], Parts | None]
"""What was said in one step: the mean, the owner and the boxes, if there are any, and the parts of the state."""

Kind = TypeVar("Kind", bound="Window | Rollout | Still")


@dataclass(frozen=True)
class WatchedStep:
    """What the model saw of frame t, and what it said about frames t and t + 1."""

    frame: NDArray[np.float32] | None  # (H, W, C); None: the model was shown nothing
    mean: NDArray[np.float32]  # (H, W, C) of the next frame
    truth: NDArray[np.float32]  # (H, W, C) the next frame
    owner: NDArray[np.uint8] | None = None  # (H, W) of this frame
    parts: Parts | None = None  # with B = 1
    boxes: NDArray[np.float32] | None = None  # (N, 5) of this frame, seen or imagined


@dataclass(frozen=True)
class Watched:
    """One sequence, with what the model saw and said at every step."""

    task: str
    index: int
    steps: tuple[WatchedStep, ...]  # from t = 0 on
    groups: NDArray[np.uint8] | None = None  # (T, H, W) the object of every pixel, 0 = no object
    curtain: NDArray[np.int16] | None = None  # (4,) y0, x0, y1, x1; zeros = none
    shows: Shows = "features"  # frames, or states instead
    radii: NDArray[np.float64] | None = None  # (K,) where positions are shown; the side of the box is 1

    @property
    def seen(self) -> int:
        """Count the frames that were shown."""
        return sum(step.frame is not None for step in self.steps)


def watch(
    model: Model,
    suite: str | Suite = "balls",
    *,
    task: str | None = None,
    index: int = 0,
    split: str = "test",
    rollout: int | None = None,
    seed: int = 0,
) -> Watched:
    """Show a sequence to a model, and record what it says.

    task: the name of a task; without it, the first window or rollout of the suite is used. rollout: how many frames the
    model imagines after the context.
    """
    chosen = suite_of(suite) if isinstance(suite, str) else suite
    require_index(chosen, index)
    found = find_asking(chosen, (Window, Rollout), task)
    if found is None:
        what = "shows still images, of which" if shows_images(chosen, task) else "asks for codes of frames, and"
        raise RecipeError(
            f"{chosen.name} {what} nothing is predicted that could be drawn: choose a suite with a window or a rollout"
        )
    where, asking = found
    source = source_of(where, split=split)
    if rollout is not None:
        context = asking.context if isinstance(asking, Rollout) else CONTEXT
        if not 1 <= rollout <= source.frames - context:
            raise RecipeError(
                f"a rollout after {context} of {source.frames} frames is of 1 to {source.frames - context}, not"
                f" {rollout}"
            )
        asking = Rollout(context, rollout)
    examples = source.examples(index, index + 1)
    frames = examples.frames[0, : asking.frames].astype(np.float32)
    onlooker = Onlooker(model)
    ask(onlooker, where, asking, examples, source, seed=seed)
    shown = asking.context if isinstance(asking, Rollout) else asking.frames
    said = zip(frames[:-1], frames[1:], onlooker.said, strict=False)  # nothing is known of the frame after the last
    steps = tuple(
        _step(model, frame if t < shown else None, truth, noted) for t, (frame, truth, (noted,)) in enumerate(said)
    )
    groups, curtains = examples.groups, examples.truth.get("curtain")
    radii = (
        examples.truth["radius"][0] / examples.box_side
        if asking.shows == "position" and "radius" in examples.truth
        else None
    )
    return Watched(
        where.name,
        index,
        steps,
        groups=None if groups is None else groups[0, : len(steps), :, :, 0],
        curtain=None if curtains is None else np.asarray(curtains[0], np.int16),
        shows=asking.shows,
        radii=radii,
    )


class Onlooker:
    """A model that writes down everything it says."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.likelihood = model.likelihood
        self.privileged = getattr(model, "privileged", False)
        self.said: list[list[Noted]] = []  # for each step: what was said after each refinement; the last one counts

    def begin(self, batch: Batch) -> Any:
        """Let the model begin."""
        return self.model.begin(batch)

    def observe(self, state: Any, frame: NDArray[np.float32], action: NDArray[np.float32] | None) -> Any:
        """Let the model observe a frame, and write down what it says."""
        return self._take_down(self.model.observe(state, frame, action))

    @property
    def imagine(self) -> Any:
        """Return the method of the model, with what it says written down, or None if it is None."""
        step = self.model.imagine  # type: ignore[attr-defined]

        def imagine(state: Any, action: NDArray[np.float32] | None) -> Any:
            return self._take_down(step(state, action))

        return imagine if step else None

    def note(self, state: Any, prediction: Any) -> Noted:
        """Return copies of a prediction and of the parts of a state; the model may change the originals later."""
        parts = getattr(self.model, "parts", None)
        copied = {
            name: np.array(array)
            for name in ("mean", "owner", "boxes")
            if (array := getattr(prediction, name, None)) is not None
        }
        return copied, parts(state) if parts else None

    def _take_down(self, returned: Any) -> Any:
        if isinstance(returned, tuple) and len(returned) == 2:  # pyright: ignore[reportUnknownArgumentType]
            self.said.append([self.note(*returned)])  # pyright: ignore[reportUnknownArgumentType]
        return returned  # pyright: ignore[reportUnknownVariableType]


def shows_images(suite: Suite, task: str | None = None) -> bool:
    """Return whether the suite, or one of its tasks, shows only still images."""
    return all(isinstance(asking, Still) for each in _tasks(suite, task) for asking in each.askings)


def find_asking(
    suite: Suite, kinds: type[Kind] | tuple[type[Kind], ...], task: str | None = None
) -> tuple[Task, Kind] | None:
    """Find the first asking of these kinds, in one task or in all.

    Codes are left out, because they predict nothing that could be drawn.
    """
    askings = (
        (each, asking) for each in _tasks(suite, task) for asking in each.askings if not isinstance(asking, Codes)
    )
    return next(((each, asking) for each, asking in askings if isinstance(asking, kinds)), None)


def require_index(suite: Suite, index: int) -> None:
    """Refuse the number of a sequence that the suite does not have."""
    count = suite.sequences or max(SIZES.values())
    if not 0 <= index < count:
        raise RecipeError(f"{suite.name} has no sequence {index}: index is 0 to {count - 1}")


def _tasks(suite: Suite, name: str | None) -> list[Task]:
    tasks = [each for each in suite.tasks if name in (None, each.name)]
    if not tasks:
        raise RecipeError(f"{suite.name} has no task {name!r}: it has {', '.join(each.name for each in suite.tasks)}")
    return tasks


def _step(model: Model, frame: NDArray[np.float32] | None, truth: NDArray[np.float32], noted: Noted) -> WatchedStep:
    said, parts = noted
    if "mean" not in said:
        raise ModelError("the model predicted no mean for the next frame")
    mean = scorable(model.likelihood, said["mean"], (1, *truth.shape))[0]
    boxes = copy_boxes(said["boxes"], (1,))[0] if "boxes" in said else None
    return WatchedStep(
        frame,
        mean,
        truth,
        checked_owner(said, truth.shape),
        None if parts is None else drawable(parts, truth.shape),
        boxes,
    )


def checked_owner(said: dict[str, NDArray[Any]], shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Return the owner map (H, W) of a frame of this shape, or None if the model gave none."""
    owner = said.get("owner")
    if owner is not None and (owner.shape != (1, *shape[:2]) or owner.dtype != np.uint8):
        raise ModelError(f"an owner map is uint8 of shape {(1, *shape[:2])}, not {owner.dtype} of shape {owner.shape}")
    return None if owner is None else owner[0]


def drawable(parts: Parts, shape: tuple[int, ...]) -> Parts:
    """Return the parts of one sequence, after a check that they fit together and fit frames of this shape."""
    if not isinstance(parts, Parts):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelError(f"the model's parts are a {type(parts).__name__} where a Parts is expected")
    predictions, shares = np.asarray(parts.predictions), np.asarray(parts.shares)
    slots = predictions.shape[1] if predictions.ndim > 1 else 0
    wanted = {"predictions": (1, slots, *shape), "shares": (1, slots, *shape[:2])}
    arrays = {"predictions": predictions, "shares": shares}
    if parts.attention is not None:
        wanted["attention"], arrays["attention"] = (1, slots, slots), np.asarray(parts.attention)
    for name, array in arrays.items():
        if not slots or array.shape != wanted[name] or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ModelError(
                f"the {name} of parts are finite floating-point numbers of shape {wanted[name]}, not {array.dtype} of"
                f" shape {array.shape}"
            )
    return replace(parts, **{name: array.astype(np.float32) for name, array in arrays.items()})
