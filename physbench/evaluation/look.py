"""A record of everything that a model says about an image, step by step, for pictures. H x W pixels, C channels."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError, RecipeError
from physbench.evaluation.answer_checks import scorable
from physbench.evaluation.examples import source_of
from physbench.evaluation.watch import Noted, Onlooker, checked_owner, drawable, find_asking, require_index
from physbench.evaluation.window import ask
from physbench.model import Model, Parts, Prediction
from physbench.suites import Still, Suite, suite_of

AGREEMENT = 1e-4
"""The largest difference allowed between the last refinement and what `observe` returns."""


@dataclass(frozen=True)
class Look:
    """What the model said about the image at one step."""

    shown: int  # how often the image had been shown, from 1
    refined: int  # how often the guess at it had been refined since then, from 0
    mean: NDArray[np.float32] | None  # (H, W, C)
    owner: NDArray[np.uint8] | None  # (H, W)
    parts: Parts | None  # with B = 1


@dataclass(frozen=True)
class Looked:
    """An image, and what the model said about it at every step."""

    task: str
    index: int
    image: NDArray[np.float32]  # (H, W, C)
    looks: tuple[Look, ...]  # in order; the last is what is scored
    groups: NDArray[np.uint8] | None = None  # (H, W) the object of every pixel, 0 = no object


def look(
    model: Model, suite: str | Suite, *, task: str | None = None, index: int = 0, split: str = "test", seed: int = 0
) -> Looked:
    """Show an image to a model as often as the suite does. Steps at the end that change nothing are left out."""
    chosen = suite_of(suite) if isinstance(suite, str) else suite
    require_index(chosen, index)
    found = find_asking(chosen, Still, task)
    if found is None:
        raise RecipeError(f"{chosen.name} shows no still image: watch a sequence")
    where, asking = found
    source = source_of(where, split=split)
    examples = source.examples(index, index + 1)
    image = examples.frames[0, asking.frame].astype(np.float32)

    def showings(onlooker: Onlooker) -> list[list[Look]]:
        ask(onlooker, where, asking, examples, source, seed=seed)
        return [
            [_look(model, noted, image, shown, refined) for refined, noted in enumerate(steps)]
            for shown, steps in enumerate(onlooker.said, 1)
        ]

    looks = showings(Onlooker(model))
    if getattr(model, "refinements", None) is not None:
        observed, looks = looks, showings(_Refining(model))
        if len(observed) != len(looks) or not all(
            _agree(once[-1], steps[-1]) for once, steps in zip(observed, looks, strict=True)
        ):
            raise ModelError(
                "the last of the model's refinements is not what it observes, so they are no steps towards it"
            )
    while len(looks) > 1 and [*map(_content, looks[-1])] == [*map(_content, looks[-2])]:
        del looks[-1]
    groups = None if examples.groups is None else examples.groups[0, asking.frame, :, :, 0]
    return Looked(where.name, index, image, tuple(each for steps in looks for each in steps), groups)


class _Refining(Onlooker):
    """An onlooker that also writes down what the model would have said after each refinement."""

    def observe(self, state: Any, frame: NDArray[np.float32], action: NDArray[np.float32] | None) -> Any:
        given = self.model.refinements(state, frame, action)  # type: ignore[attr-defined]
        steps: list[Any] = [*cast("Iterable[Any]", given)] if isinstance(given, Iterable) else []
        if not steps or not all(
            isinstance(step, tuple) and len(cast("Any", step)) == 2 and isinstance(step[1], Prediction)
            for step in steps
        ):
            raise ModelError("the model's refinements are one or more (state, prediction), as observe returns them")
        self.said.append([self.note(*step) for step in steps])
        return steps[-1]


def _agree(one: Look, other: Look) -> bool:
    """Return whether the scored arrays agree up to rounding."""
    pairs = (one.mean, other.mean), (one.owner, other.owner)
    return all(
        a is b or (a is not None and b is not None and np.allclose(a, b, rtol=0, atol=AGREEMENT)) for a, b in pairs
    )


def _content(look: Look) -> list[bytes]:
    """Return what was said, without the number of the step."""
    arrays = [look.mean, look.owner] + ([] if look.parts is None else [look.parts.predictions, look.parts.shares])
    return [b"" if array is None else array.tobytes() for array in arrays]


def _look(model: Model, noted: Noted, image: NDArray[np.float32], shown: int, refined: int) -> Look:
    said, parts = noted
    mean = scorable(model.likelihood, said["mean"], (1, *image.shape))[0] if "mean" in said else None
    return Look(
        shown, refined, mean, checked_owner(said, image.shape), None if parts is None else drawable(parts, image.shape)
    )
