"""A check whether a model knows test data that it was not shown: from the seeds that it gets, or because it has
memorised them.

Such knowledge makes the error smaller. So two other cases must be predicted as well as the test sequences with their
own seeds: the same frames with the seeds of other sequences, and new sequences drawn just now. N sequences, T frames.
"""

import math

import numpy as np
from numpy.typing import NDArray

from physbench.audit.stage import Play, Stage, join_plays

SHARE = 1 / 3
"""A model is suspected if its error on test sequences with their own seeds is below this share of its error in another
case, and if the difference is also large enough."""

STANDARD_ERRORS = 3.0
"""The difference is large enough if it is more than this number of standard errors."""


def check_recall(stage: Stage, base: list[Play]) -> tuple[bool | None, str]:
    """Compare the errors on test sequences with their own seeds to errors in two cases that the model cannot know."""
    if stage.is_privileged():
        return None, "it is told the truth, a reference row"
    if stage.sequences < 2:
        return None, "one sequence says nothing about the others: take more sequences"
    own = _errors(base, stage.frames)
    swapped = _errors(
        [stage.play(play.rows, places=play.rows + stage.sequences).on(0, len(stage.frames)) for play in base],
        stage.frames,
    )
    drawn = _errors([stage.play(play.rows).watch(stage.fresh, stage.fresh_actions) for play in base], stage.fresh)
    if _knows(own, swapped, _error_of_mean(swapped - own)):
        return (
            False,
            (
                f"with its own seeds its error is {_share(own, swapped)} of that with the seeds of other sequences: the"
                " seeds tell it the data"
            ),
        )
    if _knows(own, drawn, math.hypot(_error_of_mean(own), _error_of_mean(drawn))):
        return (
            False,
            (
                f"on test sequences its error is {_share(own, drawn)} of that on sequences drawn just now: it knows the"
                " test data"
            ),
        )
    return (
        True,
        (
            f"its error on test sequences is {_share(own, swapped)} times that with the seeds of other sequences, and"
            f" {_share(own, drawn)} times that on new sequences; about 1 is expected of both"
        ),
    )


def _errors(plays: list[Play], frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean squared error of the predictions of each sequence, (N,)."""
    outcome = join_plays(plays)
    wanted = np.moveaxis(frames[1:, outcome.rows], 0, 1).astype(np.float64)
    return ((outcome.means[:, :-1] - wanted) ** 2).reshape(len(wanted), -1).mean(axis=1)


def _error_of_mean(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _knows(own: NDArray[np.float64], other: NDArray[np.float64], error: float) -> bool:
    return own.mean() < SHARE * other.mean() and other.mean() - own.mean() > STANDARD_ERRORS * error


def _share(own: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    return f"{own.mean() / other.mean():.2g}" if other.mean() else "all"
