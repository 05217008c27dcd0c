"""How a model is asked: the evaluator shows frames one at a time, and takes each prediction before its frame is shown.

An answer that cannot be scored is refused with an error in words.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError, UnsuitableModel
from physbench.evaluation.answer_checks import AnswerPlace, countable, scorable
from physbench.evaluation.examples import Examples, Source
from physbench.metrics.boxes import copy_boxes
from physbench.metrics.pixels import require_likelihood
from physbench.model import Batch, Likelihood, Model, Prediction
from physbench.seeds import seed_sequences
from physbench.storage.display import likelihood_of
from physbench.suites import Asking, Codes, Image, Rollout, Still, Task, Window

Frame = NDArray[np.float32]  # (B, H, W, C)
Answers: TypeAlias = "Callable[[Task, Asking, Examples, Source, int], Answer]"  # ..., the number of the first sequence


MOST_NUMBERS = 1 << 14
"""The most numbers of a code that probes are fitted to: thousands of codes must fit into memory together."""


@dataclass(frozen=True)
class Answer:
    """What a model said when it was asked."""

    means: NDArray[np.float32] | None = None  # (B, S, H, W, C) of the frames asked for
    owners: NDArray[np.uint8] | None = None  # (B, F, H, W) of the frames shown
    log_likelihoods: NDArray[np.float32] | None = None  # (B, F, H, W) of the frames shown
    codes: NDArray[np.float32] | None = None  # (B, K, D) the code of each slot, of an image; for Codes (B, S, N)
    boxes: NDArray[np.float32] | None = None  # (B, F, N, 5) of the frames shown, where they are asked for


class Truth(dict[str, Any]):
    """Stored arrays by name; asking for one that the data lack raises an error in words."""

    def __missing__(self, name: str) -> Any:
        raise UnsuitableModel(f"this model is told the truth, and these data have no {name!r}")


def answers_of(model: Model, seed: int) -> Answers:
    """Return a function that asks a model for its answers. seed: for the randomness of the model."""
    require_likelihood(model.likelihood)
    farthest: dict[Any, Answer] = {}

    def answers(task: Task, asking: Asking, examples: Examples, source: Source, start: int) -> Answer:
        if not isinstance(asking, Rollout):
            return ask(model, task, asking, examples, source, seed=seed)
        key = task.name, asking.context, asking.sample, examples.places.tobytes()
        if key not in farthest:  # the beginning of a longer rollout is the shorter one
            farthest.clear()
            farthest[key] = ask(model, task, task.farthest(asking), examples, source, seed=seed)
        means = farthest[key].means
        assert means is not None
        return Answer(means[:, : asking.horizon])

    return answers


def ask(model: Model, task: Task, asking: Asking, examples: Examples, source: Source, *, seed: int) -> Answer:
    """Show a batch to a model, and return what it says."""
    sample = asking.sample if isinstance(asking, Rollout) else 0
    begin = Batch(
        seed_sequences(examples.places, seed=seed, sample=sample),
        source.shape,
        slots=task.slots,
        actions=0 if examples.actions is None else examples.actions.shape[2],
        truth=Truth(examples.truth) if getattr(model, "privileged", False) else None,
        training_mean=source.training_mean,
        shows=asking.shows,
        box_side=examples.box_side,
    )
    if isinstance(asking, Still) and begin.truth is not None:  # the same frame is shown repeatedly, so repeat its truth
        begin = replace(
            begin, truth=Truth({name: _repeat_frame(array, asking, examples) for name, array in begin.truth.items()})
        )
    place = AnswerPlace(task.names(asking), examples.places)
    match asking:
        case Codes():
            return _take_codes(model, begin, examples.frames, examples.actions, asking.moments, place=place)
        case Window():
            frames = examples.frames[:, : asking.frames]
            return _show_all(model, begin, frames, examples.actions, boxes=asking.boxes, place=place)
        case Image():
            return _show_image(model, begin, examples.frames[:, asking.frame], asking.shown, place=place)
        case Still():
            action = _action(examples.actions, asking.frame)
            still = replace(place, frame=asking.frame)
            owners = _owner_of_still(model, begin, examples.frames[:, asking.frame], action, asking.shown, place=still)
            return Answer(owners=owners)
        case Rollout():
            context = examples.frames[:, : asking.context]
            return _show_context(model, begin, context, asking.horizon, examples.actions, place=place)


def _repeat_frame(array: NDArray[Any], asking: Still, examples: Examples) -> NDArray[Any]:
    moves = array.ndim > 2 and array.shape[1] == examples.frames.shape[1]
    return np.repeat(array[:, asking.frame : asking.frame + 1], asking.shown, axis=1) if moves else array


def _show_all(
    model: Model,
    begin: Batch,
    frames: NDArray[Any],
    actions: NDArray[Any] | None,
    *,
    boxes: bool,
    place: AnswerPlace,
) -> Answer:
    """Show every frame; return the predictions of frames 1.., and what was said about all frames.

    boxes: whether the model is asked for them.
    """
    state, likelihood = model.begin(begin), likelihood_of(begin.shows, model.likelihood)
    means = np.empty_like(frames[:, 1:], np.float32, order="C")
    said: list[Prediction] = []
    for t in range(frames.shape[1]):
        state, told = _require_pair(model.observe(state, _copy_frame(frames, t), _action(actions, t)))
        prediction = _check(likelihood, told, frames[:, t], replace(place, frame=t), last=t + 1 == frames.shape[1])
        if t < means.shape[1]:
            means[:, t] = prediction.mean
        said.append(replace(prediction, mean=None))
    boxed = _all_or_none(said, "boxes")
    return Answer(
        means, _all_or_none(said, "owner"), _all_or_none(said, "log_likelihood"), boxes=boxed if boxes else None
    )


def _take_codes(
    model: Model,
    begin: Batch,
    frames: NDArray[Any],
    actions: NDArray[Any] | None,
    moments: tuple[int, ...],
    *,
    place: AnswerPlace,
) -> Answer:
    """Show every frame that is needed; return the codes after some of them, the slots of each concatenated."""
    latents = getattr(model, "latents", None)
    if latents is None:
        raise UnsuitableModel("this suite reads the codes of a model, its latents(state), and this model has none")
    state, codes = model.begin(begin), list[NDArray[np.float32]]()
    for t in range(max(moments) + 1):
        state, told = _require_pair(model.observe(state, _copy_frame(frames, t), _action(actions, t)))
        _check(model.likelihood, told, frames[:, t], replace(place, frame=t), last=True)
        if t in moments:
            found = _checked_codes(latents(state), len(frames))
            codes.append(found.reshape(len(found), -1))
    if len(sizes := {each.shape[1] for each in codes}) > 1 or max(sizes) > MOST_NUMBERS:
        raise ModelError(
            f"a code is as long after every frame, and has {MOST_NUMBERS:,} numbers at most: not"
            f" {', '.join(map(str, sorted(sizes)))}"
        )
    return Answer(codes=np.stack(codes, axis=1))


def _owner_of_still(
    model: Model,
    begin: Batch,
    frame: NDArray[Any],
    action: NDArray[np.float32] | None,
    shown: int,
    *,
    place: AnswerPlace,
) -> NDArray[np.uint8] | None:
    """Show a frame repeatedly; return the last owner map (B, 1, H, W), or None as soon as the model gives none."""
    state = model.begin(begin)
    owner = None
    for _ in range(shown):
        state, prediction = _require_pair(
            model.observe(state, frame.astype(np.float32), None if action is None else action.copy())
        )
        owner = _check(model.likelihood, prediction, frame, place, last=True).owner
        if owner is None:
            return None
    return None if owner is None else owner[:, None]


def _show_image(model: Model, begin: Batch, frame: NDArray[Any], shown: int, *, place: AnswerPlace) -> Answer:
    """Show an image repeatedly; return what the model says about it in the end."""
    state, said = model.begin(begin), Prediction()
    for _ in range(shown):
        state, said = _require_pair(model.observe(state, frame.astype(np.float32), None))
        said = _check(model.likelihood, said, frame, place, last=True)
    latents = getattr(model, "latents", None)
    mean = None if said.mean is None else said.mean[:, None]
    owner = None if said.owner is None else said.owner[:, None]
    return Answer(mean, owner, codes=_checked_codes(latents(state), len(frame)) if latents else None)


def _checked_codes(codes: Any, count: int) -> NDArray[np.float32]:
    """Return a copy of codes, after a check that a probe can be fitted to them."""
    array = np.asarray(codes)
    if array.ndim != 3 or len(array) != count or array.dtype.kind != "f" or not _fits_float32(array):
        raise ModelError(
            f"latents are finite floating-point numbers of shape ({count}, slots, numbers), not {array.dtype} of shape"
            f" {array.shape}"
        )
    return array.astype(np.float32)


def _fits_float32(array: NDArray[Any]) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(array.astype(np.float32)).all())


def _show_context(
    model: Model,
    begin: Batch,
    frames: NDArray[Any],
    horizon: int,
    actions: NDArray[Any] | None,
    *,
    place: AnswerPlace,
) -> Answer:
    """Show the context, then let the model imagine the frames after it."""
    state, likelihood = model.begin(begin), likelihood_of(begin.shows, model.likelihood)
    prediction = Prediction()
    for t in range(frames.shape[1]):
        state, prediction = _require_pair(model.observe(state, _copy_frame(frames, t), _action(actions, t)))
    shown = replace(place, frame=frames.shape[1] - 1)
    means: list[Any] = [_check(likelihood, prediction, frames[:, 0], shown).mean]
    imagine = getattr(model, "imagine", None)
    for t in range(frames.shape[1], frames.shape[1] + horizon - 1):
        action = _action(actions, t)
        state, prediction = _require_pair(
            imagine(state, action) if imagine else model.observe(state, means[-1].copy(), action)
        )
        means.append(_check(likelihood, prediction, frames[:, 0], replace(place, frame=t)).mean)
    return Answer(np.stack(means, axis=1))


def _require_pair(returned: Any) -> tuple[Any, Any]:
    if not isinstance(returned, tuple) or len(returned) != 2:  # pyright: ignore[reportUnknownArgumentType]
        kind = type(returned).__name__  # pyright: ignore[reportUnknownArgumentType]
        raise ModelError(f"the model returned a {kind} where (state, prediction) is expected")
    return returned  # pyright: ignore[reportUnknownVariableType]


def _copy_frame(frames: NDArray[Any], t: int) -> Frame:
    """Return a copy of frame t, which a model may change without any effect."""
    return frames[:, t].astype(np.float32)


def _action(actions: NDArray[Any] | None, t: int) -> NDArray[np.float32] | None:
    return None if actions is None else actions[:, t].astype(np.float32)


def _all_or_none(said: list[Prediction], name: str) -> NDArray[Any] | None:
    given = [array for prediction in said if (array := getattr(prediction, name)) is not None]
    if given and len(given) < len(said):
        raise ModelError(
            f"the model gave {len(given)} {'sets of boxes' if name == 'boxes' else f'{name} maps'} for {len(said)}"
            " frames: all or none"
        )
    if len(shapes := {array.shape for array in given}) > 1:  # only boxes can differ in shape
        least, *_, most = sorted(shapes)
        raise ModelError(
            f"the model gave boxes of shape {least} and of shape {most}: as many rows for every frame, and a row of NaN"
            " is no box"
        )
    return np.stack(given, axis=1) if given else None


def _check(
    likelihood: Likelihood, prediction: Any, frame: NDArray[Any], place: AnswerPlace, *, last: bool = False
) -> Prediction:
    """Return a copy of a prediction that can be scored, or raise an error.

    last: whether the frame was the last one. The mean may then be missing, because it is not used.
    """
    if not isinstance(prediction, Prediction):
        raise ModelError(f"the model returned a {type(prediction).__name__} where a Prediction is expected")
    mean, owner, own = prediction.mean, prediction.owner, prediction.log_likelihood
    if mean is None and not last:
        raise ModelError(f"the model predicted no mean for the next frame{place.describe()}")
    maps = frame.shape[:3]
    if owner is not None and (np.shape(owner) != maps or np.asarray(owner).dtype != np.uint8):
        raise ModelError(
            f"an owner map is uint8 of shape {maps}, not {np.asarray(owner).dtype} of shape {np.shape(owner)}"
            f"{place.describe()}"
        )
    copied = None if owner is None else np.array(owner)  # a model may reuse its arrays
    means = None if mean is None else scorable(likelihood, np.asarray(mean), frame.shape, place)
    try:
        boxes = None if prediction.boxes is None else copy_boxes(np.asarray(prediction.boxes), (len(frame),))
    except ModelError as error:
        raise ModelError(f"{error}{place.describe()}") from None
    return Prediction(means, copied, None if own is None else countable(np.asarray(own), maps, place), boxes)
