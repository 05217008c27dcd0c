"""Checks of the arrays that a model answers with: an answer that cannot be scored is refused, and the message says what
is wrong, with which sequence, and after which frame.

B sequences, S predicted frames, H x W pixels, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError
from physbench.model import Likelihood

ROUNDING = 1e-6
"""How far a mean may lie outside the support of its likelihood: rounding of float32 takes it there. It is clipped."""


@dataclass(frozen=True)
class AnswerPlace:
    """The place of an answer in an evaluation: its task, the numbers of its sequences, and the last frame shown."""

    task: str
    sequences: NDArray[np.int64]  # (B,)
    frame: int = 0
    array: str = ""  # in a file of predictions: the array, which has all frames of a sequence

    def describe(self, index: tuple[int, ...] = ()) -> str:
        """Say where something is. index: of the number in the array; without it, the whole array is meant."""
        first, last = int(self.sequences[0]), int(self.sequences[-1])
        if self.array:
            rows = f"[{first + index[0]}, {index[1]}]" if len(index) > 1 else f"[{first}:{last + 1}]"
            return f" (in {self.array}{rows})"
        which = f"sequence {self.sequences[index[0]]}" if index else f"sequences {first} to {last}"
        return f" (on {self.task}, {which if index or first < last else f'sequence {first}'}, after frame {self.frame})"


def scorable(
    likelihood: Likelihood, means: NDArray[Any], shape: tuple[int, ...], place: AnswerPlace | None = None
) -> NDArray[np.float32]:
    """Return a copy of means, after a check that they can be scored.

    A mean that lies outside the support by less than ROUNDING is clipped.
    """
    if means.shape != shape:
        raise ModelError(
            f"the model predicted an array of shape {means.shape} for frames of shape {shape}{_locate(place)}"
        )
    kept = _to_float32("the model predicted", means, place)
    low, high = likelihood.support
    least, most = (float(each) for each in (kept.min(initial=np.inf), kept.max(initial=-np.inf)))
    if least < low or most > high:
        outside = (kept < low - ROUNDING) | (kept > high + ROUNDING)
        if outside.any():
            what = "means" if likelihood.note else "probabilities"
            raise ModelError(
                f"the model predicted {what} from {_write(least)} to {_write(most)}: they lie in {low:g} to {high:g}"
                f"{_locate(place, outside)}"
            )
        kept = np.clip(kept, low, high)
    return kept


def countable(own: NDArray[Any], shape: tuple[int, ...], place: AnswerPlace | None = None) -> NDArray[np.float32]:
    """Return a copy of log-likelihoods, after a check that they can be added up."""
    if own.shape != shape:
        raise ModelError(f"a map of log-likelihoods has shape {shape}, not {own.shape}{_locate(place)}")
    return _to_float32("a map of log-likelihoods holds", own, place)


def _to_float32(said: str, given: NDArray[Any], place: AnswerPlace | None) -> NDArray[np.float32]:
    """Return a copy as float32, or say what is no number of that kind."""
    if given.dtype.kind != "f":
        raise ModelError(
            f"{said} numbers of type {given.dtype}: they are floating-point numbers, such as float32{_locate(place)}"
        )
    with np.errstate(over="ignore"):
        kept = given.astype(np.float32)
    finite = np.isfinite(kept)
    if not finite.all():
        number = given[np.unravel_index(int(np.argmin(finite)), finite.shape)]
        why = "which float32 cannot hold" if np.isfinite(number) else "which is not a finite number"
        raise ModelError(f"{said} {number:g}, {why}{_locate(place, ~finite)}")
    return kept


def _write(number: float) -> str:
    """Write as few digits as tell a float32 from its neighbours."""
    return str(np.float32(number)).removesuffix(".0")


def _locate(place: AnswerPlace | None, wrong: NDArray[np.bool_] | None = None) -> str:
    """Say where the first wrong number is; nothing if the place is not known."""
    if place is None:
        return ""
    index = () if wrong is None else np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    return place.describe(tuple(map(int, index)))
